"""The page of one customer: its numbers by hand, nothing that came later, and nothing that does anything."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
from decimal import Decimal
from functools import cache

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_analysis import fonts, language
from crm_analysis.__main__ import main
from crm_analysis.errors import ParameterError
from crm_analysis.report.customer import events
from crm_analysis.report.customer.making import make_page, read_titles, safe_name
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.records import sha256

HOSTILE = '../"><script>alert(1)</script> $x_$'
CONTRACT = """
company: "<b>Test</b>"
currency: EUR
time_zone: Europe/Berlin
country: DE
covers_until: 2024-07-31
tables:
  order_lines:
    files: lines.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, product_id: product, quantity: pieces, unit_price: price}
    returns: {column: type, values: [R]}
  products:
    files: products.csv
    columns: {product_id: id, product_name: name, unit_cost: cost}
    attributes: {category: category}
  customers:
    files: customers.csv
    columns: {customer_id: id, signed_up_date: since}
    format: {date: "%Y-%m-%d"}
    attributes: {region: region}
    identity: {columns: {customer_name: name, email: mail, phone: tel}}
  payments:
    files: invoices.csv
    format: {date: "%Y-%m-%d"}
    columns: {invoice_id: no, customer_id: id, invoiced_date: day, due_date: due, paid_date: paid, invoice_amount: amount}
  interactions:
    files: calls.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {interaction_id: no, customer_id: id, opened_at: opened, resolved_at: settled, topic: topic}
  opportunities:
    files: deals.csv
    format: {date: "%Y-%m-%d"}
    columns: {opportunity_id: no, customer_id: id, stage: stage, is_won: {column: stage, yes: [won], no: rest},
      is_lost: {column: stage, yes: [lost], no: rest}, opened_date: opened, closed_date: closed, opportunity_amount: amount}
  campaigns:
    files: campaigns.csv
    format: {date: "%Y-%m-%d"}
    columns: {campaign_id: no, campaign_name: name, started_date: start, ended_date: end}
  campaign_contacts:
    files: contacts.csv
    format: {date: "%Y-%m-%d"}
    columns: {campaign_id: no, customer_id: id, contacted_date: day, arm: arm, is_converted: {column: bought, yes: ["1"], no: ["0"]}}
"""
FILES = {
    # 007 bought 3 × 10 + 1 × 40 = 70 in 2023, 2 × 40 = 80 in 2024, of which 1 × 40 came back; later, 500 more.
    "lines.csv": "order,customer,day,product,pieces,price,type\n"
    "A1,007,2023-05-10,p1,3,10.00,S\nA1,007,2023-05-10,p2,1,40.00,S\nA2,007,2024-03-01,p2,2,40.00,S\n"
    "A2,007,2024-03-05,p2,-1,40.00,R\nA3,007,2024-07-02,p2,5,100.00,S\n"
    "B1,7,2024-04-01,p1,1,10.00,S\nB2,8,2024-06-02,p1,2,10.00,S\n"
    f'C1,"{HOSTILE.replace(chr(34), chr(34) * 2)}",2024-05-01,p3,1,9.00,S\n',
    "products.csv": "id,name,cost,category\np1,Cup,4.00,kitchen\np2,Lamp,30.00,light\np3,<img src=x onerror=alert(2)>,1.00,\n",
    # 8 is 7: the same person.
    "customers.csv": "id,name,mail,tel,since,region\n007,Ann Lee,ann@example.com,,2023-05-01,North\n"
    "7,Jo Weiß,jo@example.com,030 7654321,2024-01-01,South\n8,Jo Weiss,jo@example.com,030 7654321,2024-02-01,East\n"
    f'"{HOSTILE.replace(chr(34), chr(34) * 2)}",<b>Eve</b>,eve@example.com,,2024-01-01,<i>\n',
    "invoices.csv": "no,id,day,due,paid,amount\ni1,007,2024-03-01,2024-03-31,2024-04-10,80.00\n"
    "i2,007,2024-05-01,2024-05-31,2024-07-15,25.00\n",
    "calls.csv": "no,id,opened,settled,topic\nt1,007,2024-02-01,2024-02-03,late parcel\nt2,007,2024-06-20,2024-07-09,broken lamp\n",
    "deals.csv": "no,id,stage,opened,closed,amount\nd1,007,won,2024-01-05,2024-02-05,300.00\nd2,007,lost,2024-06-01,2024-07-05,900.00\n",
    "campaigns.csv": "no,name,start,end\ncp1,Spring,2024-04-01,2024-04-30\ncp2,Summer,2024-06-15,2024-07-31\n",
    "contacts.csv": "no,id,day,arm,bought\ncp1,007,2024-04-02,letter,1\ncp2,007,2024-06-16,letter,1\n",
    "params/run.yml": "source: shop\nmonth: 2024-06\nformats: [html]\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick_and_english(monkeypatch):
    """Typefaces are cut to size in other tests."""
    monkeypatch.setattr(fonts, "embed", lambda *_: "")
    umask = os.umask(0o022)
    yield
    os.umask(umask)
    language.use("en")


def add_notebooks(source, project):
    shutil.copytree(project / "notebooks", source.root / "notebooks")
    return source


@pytest.fixture(scope="module")
def shop(make_source, project):
    return add_notebooks(make_source(CONTRACT, FILES), project)


@pytest.fixture(scope="module")
def page(shop, parse):
    """``page("007")``: the page of that customer, as elements."""

    def make(customer_id: str, **overrides: str):
        path = shop.root / make_page(shop.root, {"id": customer_id, **overrides}).removeprefix(f"{shop.root}/")
        return parse(path.read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def known(page):
    """The same before anything is published; of each customer and month one, only to be looked at."""
    return cache(page)


def cards(top) -> dict[str, str]:
    return {one.all("dt")[0].text: one.all("strong")[0].text for one in top.all("dl")[0].all("div")}


def facts(top) -> dict[str, str]:
    return {one.all("dt")[0].text: one.all("dd")[0].text for one in top.all("dl")[1:] for one in one.all("div")}


def rows(top, head: str) -> list[list[str]]:
    """The table whose first head this is."""
    (table,) = [one for one in top.all("table") if one.all("th")[0].text == head]
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tbody")[0].all("tr")]


# --- what is known ---------------------------------------------------------------------------------------------------


def test_the_key_figures_are_those_of_the_orders_by_then(known):
    top = known("007")
    # 70 + 80 − 40; costs 3 × 4 + 30 + 30; the last order is of March 1, and July 1 is the day.
    assert cards(top) == {
        "amount to date": "€110", "last 12 months": "€40", "orders": "2", "days since the last order": "122",
        "average order": "€55", "returns, share of the sales": "26.7%", "margin, share of the amount": "34.5%",
        "open now": "€25", "overdue now": "€25", "paid on time, last 12 months": "0.0%",
    }  # fmt: skip
    told = facts(top)
    assert (told["First order"], told["Last order"]) == ("May 10, 2023", "March 1, 2024")
    assert (told["Days between orders, mean"], told["Returned (EUR)"]) == ("296.0", "40.00")
    assert (told["Days late, mean"], told["Most days late"]) == ("20.5", "31")
    assert (told["Name"], told["E-mail"], told["Region"]) == ("Ann Lee", "ann@example.com", "North")
    assert "43% on last year" not in top.text and "−42.9% on last year" in top.text


def test_the_chart_has_its_numbers_in_a_file(page, shop):
    page("007")
    with (shop.root / "build" / "customers" / "shop" / "007-months.csv").open(encoding="utf-8", newline="") as file:
        months = list(csv.DictReader(file))
    assert [one["month"] for one in months][:2] == ["2023-05", "2023-06"] and months[-1]["month"] == "2024-06"
    sold = {one["month"]: (one["n_orders"], Decimal(one["amount"])) for one in months if Decimal(one["gross_amount"])}
    assert sold == {"2023-05": ("1", 70), "2024-03": ("1", 40)}


def test_what_is_bought_is_summed_by_category_and_product(known):
    top = known("007")
    tables = [one for one in top.all("table") if one.all("th")[0].text == "Bought"]
    found = [[[cell.text for cell in row.all("th", "td")] for row in one.all("tbody")[0].all("tr")] for one in tables]
    assert found == [
        [["light", "80.00", "72.7%", "2", "2024-03-01"], ["kitchen", "30.00", "27.3%", "1", "2023-05-10"]],
        [["p2 Lamp", "80.00", "72.7%", "2", "2024-03-01"], ["p1 Cup", "30.00", "27.3%", "1", "2023-05-10"]],
    ]


def test_events_are_told_as_they_were_known_then(known):
    """What came in July is not known: the order, the payment, the answer, the end of the deal, the answer to the campaign."""
    assert rows(known("007"), "Day") == [
        ["2024-06-20", "contact", "broken lamp · not settled yet", "–"],
        ["2024-06-16", "campaign", "Summer · letter", "–"],
        ["2024-06-01", "deal opened", "d2", "–"],
        ["2024-05-31", "not paid when due", "i2 · 31 days overdue by now", "25.00"],
        ["2024-05-01", "invoice", "i2 · due on 2024-05-31", "25.00"],
        ["2024-04-10", "payment", "i1 · 10 days late", "80.00"],
        ["2024-04-02", "campaign", "Spring · letter · bought", "–"],
        ["2024-03-05", "return", "A2 · Lamp", "-40.00"],
        ["2024-03-01", "invoice", "i1 · due on 2024-03-31", "80.00"],
        ["2024-03-01", "ordered", "A2 · Lamp × 2", "80.00"],
        ["2024-02-05", "deal won", "d1", "300.00"],
        ["2024-02-01", "contact", "late parcel · settled on 2024-02-03", "–"],
        ["2024-01-05", "deal opened", "d1", "300.00"],
        ["2023-05-10", "ordered", "A1 · Lamp, Cup × 3", "70.00"],
        ["2023-05-01", "registered", "–", "–"],
    ]  # fmt: skip


def test_a_month_later_the_rest_is_known(known):
    top = known("007", month="2024-07")
    assert cards(top)["amount to date"] == "€610"
    told = rows(top, "Day")
    assert ["2024-07-15", "payment", "i2 · 45 days late", "25.00"] in told
    assert ["2024-07-05", "deal lost", "d2", "900.00"] in told
    assert not [one for one in told if one[1] == "not paid when due"]


def test_of_many_events_the_last_are_told(shop):
    assert {name for name, one in CANONICAL.items() if "customer_id" in one.columns} - {"order_lines"} == set(
        events.TOLD
    )


# --- who is meant ----------------------------------------------------------------------------------------------------


def test_an_unknown_id_is_refused_with_the_nearest_named(shop, refused):
    with refused(ParameterError, "E-PAR-1") as caught:
        make_page(shop.root, {"id": "0O7"})
    assert "unknown customer '0O7': the nearest are '" in str(caught.value)
    with refused(ParameterError, "E-PAR-1") as caught:
        make_page(shop.root, {"id": "x" * 100_000})
    assert len(str(caught.value)) < 200
    with refused(ParameterError, "E-PAR-2"):
        make_page(shop.root, {})


def test_zeros_before_an_id_are_no_difference_to_what_is_near(shop, refused):
    with refused(ParameterError, "E-PAR-1") as caught:
        make_page(shop.root, {"id": "0008"})
    assert "the nearest are '8', " in str(caught.value)


def test_a_source_of_invoices_alone_has_its_page(make_source, project, parse):
    contract = CONTRACTS[: CONTRACTS.index("tables:")] + (
        'tables:\n  payments:\n    files: invoices.csv\n    format: {date: "%Y-%m-%d"}\n'
        "    columns: {invoice_id: no, customer_id: id, invoiced_date: day, due_date: due, paid_date: paid, invoice_amount: amount}\n"
    )
    lines = (
        "no,id,day,due,paid,amount\ni1,a,2023-02-01,2023-03-01,2023-02-20,100.00\ni2,a,2024-05-01,2024-06-01,,40.00\n"
    )
    run = "source: shop\nmonth: 2024-06\nformats: [html]\n"
    files = {"invoices.csv": f"{lines}i3,b,2024-07-31,2024-08-01,,5.00\n", "params/run.yml": run}
    source = add_notebooks(make_source(contract, files), project)
    path = make_page(source.root, {"id": "a"})
    top = parse((source.root / path.removeprefix(f"{source.root}/")).read_text(encoding="utf-8"))
    assert cards(top) == {
        "invoiced to date": "€140", "last 12 months": "€40", "open now": "€40", "overdue now": "€40",
        "paid on time, last 12 months": "0.0%",
    }  # fmt: skip
    assert [one[1] for one in rows(top, "Day")] == ["not paid when due", "invoice", "payment", "invoice"]
    assert "Invoices by month, credit notes taken off" in top.text


def test_a_source_that_names_no_customers_says_so(make_source, project, refused):
    contract = CONTRACTS[: CONTRACTS.index("tables:")] + (
        'tables:\n  feedback:\n    files: reviews.csv\n    format: {datetime: "%Y-%m-%d"}\n'
        "    columns: {feedback_id: no, given_at: day, rating: stars}\n"
    )
    files = {
        "reviews.csv": "no,day,stars\n1,2024-05-01,4\n2,2024-06-30,5\n",
        "params/run.yml": "source: shop\nformats: [html]\n",
    }
    with refused(ParameterError, "E-PAR-1") as caught:
        make_page(add_notebooks(make_source(contract, files), project).root, {"id": "1"})
    assert "the source names no customers" in str(caught.value)


def test_the_command_says_so_in_one_line(shop, monkeypatch, capsys):
    monkeypatch.chdir(shop.root)
    assert main(["customer", "ID=nobody"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("E-PAR-1 file=shop column=ID rows=- fix=unknown customer 'nobody'")
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize("wanted", ["7", "8"])
def test_an_id_taken_for_another_leads_to_the_one_kept(known, wanted):
    top = known(wanted)
    assert top.all("h1")[0].text == "Customer 7 · Jo Weiß"
    # The orders of both.
    assert (cards(top)["orders"], cards(top)["amount to date"]) == ("2", "€30")
    assert rows(top, "Id")[0][:2] == ["8", "Jo Weiss"]
    assert ("Customer 8 is taken for 7: this is the page of both." in top.text) == (wanted == "8")
    assert facts(top)["Region"] == "South"


def test_a_customer_of_later_is_known_as_one_without_a_past(known):
    top = known("8", month="2024-03")
    assert "Nothing is known" not in top.text and [one[1] for one in rows(top, "Day")] == ["registered"]


# --- private, and harmless -------------------------------------------------------------------------------------------


def test_the_files_are_for_their_owner_and_nothing_is_published(page, shop):
    page("007")
    folder = shop.root / "build" / "customers" / "shop"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.glob("007*")} == {
        "007.html": 0o600, "007-months.csv": 0o600, "007-months.parquet": 0o600,
    }  # fmt: skip
    assert not (shop.root / "reports").exists()


def test_any_name_in_the_data_is_text(known, shop, live_nodes):
    before = {one for one in shop.root.rglob("*") if one.is_file()}
    top = known(HOSTILE)
    assert top.all("h1")[0].text == f"Customer {HOSTILE} · <b>Eve</b>"
    assert top.all("script") == [] and [one for one in top.all("img") if not one["src"].startswith("data:")] == []
    assert facts(top)["Region"] == "<i>" and "<img src=x onerror=alert(2)>" in rows(top, "Day")[0][2]
    made = {one for one in shop.root.rglob("*") if one.is_file()} - before
    assert made and {one.parent for one in made} == {shop.root / "build" / "customers" / "shop"}


@settings(deadline=None)
@given(one=st.text(min_size=1, max_size=200), other=st.text(min_size=1, max_size=200))
@example(one="../../etc/passwd", other="___etc_passwd")
@example(one="客" * 200, other="客" * 199)
@example(one="a b", other="a_b")
@example(one="7", other="007")
def test_a_file_name_is_safe_and_of_one_id_only(one, other):
    name = safe_name(one)
    assert name and name[0] not in ".-" and not set(name) & set('/\\:*?"<>|\0\n\r ')
    assert len(f"{name}-months.parquet".encode()) <= 255
    assert (safe_name(other) == name) == (one == other)


# --- what the reports say --------------------------------------------------------------------------------------------


@pytest.fixture
def publish(shop):
    """``publish({method: (customers, actions)})``: a bundle of June with these rows, gone after the test."""
    bundle = shop.root / "reports" / "shop" / "2024-06"

    def write(reports: dict, **manifest: object) -> None:
        files = {}
        for name, (*tables, _reason) in reports.items():
            for file, frame in zip(("customers", "actions"), tables, strict=False):
                path = bundle / "data" / name / f"{file}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(frame).to_parquet(path)
                files[f"data/{name}/{file}.parquet"] = {"sha256": sha256(path)}
        told = {
            "reports": {name: {"reason": one[-1]} for name, one in reports.items()}, "files": files, "language": "en",
            "database": shop.build().meta.fingerprint,
        }  # fmt: skip
        (bundle / "manifest.json").write_text(json.dumps({**told, **manifest}), encoding="utf-8")

    yield write
    shutil.rmtree(shop.root / "reports")


def advise(customer_id: str, segment: str, priority: int, stance: str, action: str, amount: str) -> dict:
    names = ("customer_id", "segment", "priority", "stance", "action", "reason", "expected_amount")
    return dict(zip(names, (customer_id, segment, priority, stance, action, "because", Decimal(amount)), strict=True))


def test_without_a_bundle_the_page_says_how_to_make_it(known):
    assert "The reports of June 2024 are not published" in known("007").text
    assert "make reports SOURCE=shop MONTH=2024-06" in known("007").text


def test_each_report_tells_its_group_and_its_advice(page, publish):
    rfm = [{"customer_id": "007", "segment": "at risk", "r_score": 2, "days_since_last_order": 122}]
    cpm = [
        {"customer_id": "007", "segment": "excellent", "state": "active"},
        {"customer_id": "7", "segment": "growing"},
    ]
    publish(
        {
            "rfm": (rfm, [advise("007", "at risk", 2, "win back", "Call them", "10.00")], ""),
            "cpm": (cpm, [advise("007", "excellent", 1, "keep", "Thank them", "5.00")], ""),
            "decile": ([{"customer_id": "007", "decile": 3}], [advise("x", "y", 1, "keep", "z", "1.00")], ""),
            "value_matrix": ([{"customer_id": "7", "segment": "best"}], ""),
            "ltv": ("too few customers",),
        }
    )
    top = page("007")
    assert rows(top, "Report") == [
        ["RFM", "at risk", "2", "win back", "10.00"],
        ["Customer portfolio", "excellent", "1", "keep", "5.00"],
        ["Decile analysis", "3", "–", "–", "–"],
    ]
    assert "The most urgent advice, by Customer portfolio: Thank them." in top.text
    assert "The reports disagree about this customer: win back (RFM); keep (Customer portfolio)." in top.text
    assert "Not among the customers of: Customer value matrix" in top.text
    assert facts(top)["LTV: what are the customers still worth?"] == "too few customers"
    assert facts(top)["Recency score, highest best"] == "2"
    # What could be made and is not there; churn needs no table, and contracts there are none.
    assert 'METHODS="sales key_accounts ctb churn lifecycle segments"' in top.text
    assert "made from other data" not in top.text


def test_a_bundle_of_other_data_in_another_language_or_damaged_is_told(page, publish, shop):
    advice = [advise("007", "at risk", 2, "win back", "Call them", "10.00")]
    publish({"rfm": ([{"customer_id": "007", "segment": "at risk"}], advice, "")}, database="older", language="zh")
    text = page("007").text
    assert "The reports of June 2024 were made from other data than this page" in text
    assert "published in another language" in text
    (shop.root / "reports" / "shop" / "2024-06" / "data" / "rfm" / "actions.parquet").write_bytes(b"broken")
    assert "Call them" not in (text := page("007").text) and 'METHODS="sales rfm' in text


def test_every_report_that_knows_customers_has_its_title(project):
    titles = read_titles(project)
    assert {"rfm", "churn", "sales", "ctb"} <= set(titles) and "quality" not in titles
    assert titles["rfm"] == "RFM: who buys recently, often and much?"


# --- other sources ---------------------------------------------------------------------------------------------------

CONTRACTS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  contracts:
    files: contracts.csv
    format: {date: "%Y-%m-%d"}
    columns: {contract_id: no, customer_id: id, started_date: start, ended_date: end, end_reason: why, monthly_amount: fee}
    attributes: {plan: plan}
"""


def test_a_source_of_contracts_alone_has_its_page(make_source, project, parse):
    lines = "no,id,start,end,why,fee,plan\nk1,客户1,2023-01-01,2024-07-05,price,9.50,plus\nk2,b,2024-01-01,2024-07-31,x,5.00,basic\n"
    run = "source: shop\nmonth: 2024-06\nformats: [html]\n"
    source = add_notebooks(make_source(CONTRACTS, {"contracts.csv": lines, "params/run.yml": run}), project)
    path = make_page(source.root, {"id": "客户1"})
    top = parse((source.root / path.removeprefix(f"{source.root}/")).read_text(encoding="utf-8"))
    # It ended in July: at the end of June it runs.
    assert cards(top) == {"amount per month": "€10"}
    assert (facts(top)["Contract"], facts(top)["Plan"]) == ("running", "plus")
    # 547 days of 30.4375.
    assert facts(top)["Months under contract"] == "18.0"
    assert rows(top, "Day") == [["2023-01-01", "contract began", "k1 · plus", "9.50"]]
    assert top.all("figure") == []
