"""Key accounts: who they are, what they really bring, how they pay, and their cards."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_analysis import engine, language
from crm_analysis.errors import NotEnoughData
from crm_analysis.methods import key_accounts
from crm_analysis.params import Run
from crm_analysis.report import elements
from crm_analysis.schema import day_number
from crm_analysis.sources.sample_truth import LATENESS
from crm_analysis.warehouse import open_tables

mpl.use("Agg")
RUN = Run(source="x", month="2024-12")
ANY = key_accounts.Params(min_customers=1, cost_of_capital_rate=0.365)
# Customer → amounts of each month of 2023 and 2024, and the margin of their sales.
COMPANY = {
    "big": (100, 400, "0.25"),
    "thin": (300, 300, "0.02"),
    "fell": (300, 150, "0.5"),
    "small": (50, 100, "0.5"),
    "tiny": (50, 50, "0.5"),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def lines(company: dict = COMPANY) -> pd.DataFrame:
    rows = []
    for customer, (before, now, margin) in company.items():
        for number in range(24):
            day = date(2023 + number // 12, 1 + number % 12, 5)
            amount = Decimal(before if number < 12 else now).quantize(Decimal("0.01"))
            rows.append(
                {
                    "order_id": f"{customer}{number}", "customer_id": customer, "product_id": f"p{number % 2}", "quantity": Decimal(1),
                    "line_amount": amount, "profit_amount": (amount * Decimal(margin)).quantize(Decimal("0.01")), "kind": "sale",
                    "ordered_date": day, "ordered_day": day_number(day), "ordered_at": pd.Timestamp(day),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def invoices(frame: pd.DataFrame, days_late: dict[str, int]) -> pd.DataFrame:
    """An invoice per order, due after 30 days, and paid so many days late."""
    due = [one + timedelta(days=30) for one in frame["ordered_date"]]
    late = [days_late.get(one, 0) for one in frame["customer_id"]]
    return pd.DataFrame(
        {
            "invoice_id": frame["order_id"], "customer_id": frame["customer_id"], "invoiced_date": frame["ordered_date"],
            "due_date": due, "paid_date": [one + timedelta(days=more) for one, more in zip(due, late, strict=True)],
            "invoice_amount": frame["line_amount"],
        }
    )  # fmt: skip


def analyse(
    params=ANY, run=RUN, company: dict = COMPANY, late: dict[str, int] | None = None, **more
) -> key_accounts.Result:
    frame = lines(company)
    tables = {"order_lines": frame, **({} if late is None else {"payments": invoices(frame, late)}), **more}
    return key_accounts.analyse(tables, run, params)


@pytest.fixture(scope="module")
def result() -> key_accounts.Result:
    """“thin” pays 90 days late, whose margin of 2 % does not bear that."""
    return analyse(late={"thin": 90})


def accounts(result: key_accounts.Result) -> pd.DataFrame:
    return result.accounts.set_index("customer_id")


def test_shapes(result):
    key_accounts.CONCENTRATION.check(result.concentration.columns)
    key_accounts.ACCOUNTS.check(result.accounts.columns)
    key_accounts.BY_STATE.check(result.states.columns)
    key_accounts.AGING.check(result.aging.columns)
    key_accounts.PAYMENT_MONTHS.check(result.payment_months.columns)
    key_accounts.CARD_MONTHS.check(result.card_months.columns)
    key_accounts.ACTIONS.check(result.actions.collect_schema().names())


def test_who_makes_the_key_share(result):
    """400, 300, 150, 100, 50 a month: the first two make 70 %, the first three 85 %."""
    assert result.accounts["customer_id"].tolist() == ["big", "thin", "fell"]
    assert result.accounts["cumulative_share"].tolist() == pytest.approx([0.4, 0.7, 0.85])
    now = result.concentration.set_index("basis").loc["now"]
    assert (now["n_customers"], now["n_key"], now["key_amount"], now["amount"]) == (5, 3, 10200, 12000)
    assert analyse(key_accounts.Params(min_customers=1, key_share=0.7)).accounts["customer_id"].tolist() == [
        "big",
        "thin",
    ]


def test_equal_accounts_come_by_their_number():
    result = analyse(company={one: (100, 100, "0.5") for one in ("c", "a", "e", "b", "d")})
    assert result.accounts["customer_id"].tolist() == ["a", "b", "c", "d"]


def test_the_big_customer_who_costs_money_is_called_out(result):
    """3,600 a year at 2 % are 72. At a thousandth a day, invoices of 300 cost 27 each where all of their 90 days fall in the window."""
    thin = accounts(result).loc["thin"]
    assert thin["profit_amount"] == 72
    assert (thin["rank"], thin["profit_rank"], thin["state"]) == (2, 5, "costs money")
    assert thin["result_amount"] == 72 - thin["late_cost_amount"] < 0
    days = {one: 0 for one in range(24)}
    for number in days:
        due = day_number(date(2023 + number // 12, 1 + number % 12, 5) + timedelta(days=30))
        days[number] = max(0, min(due + 90, day_number(RUN.as_of)) - max(due, day_number(date(2024, 1, 1))))
    assert thin["late_cost_amount"] == Decimal(300 * sum(days.values())) / 1000
    told = key_accounts.findings(result, "EUR", ANY)
    assert [one for one in told if "“thin”, rank 2 by sales with €3,600, leaves −€" in one]
    first = engine.collect(result.actions, 10).iloc[0]
    assert (first["customer_id"], first["priority"], first["expected_amount"]) == ("thin", 1, -thin["result_amount"])


def test_how_they_pay(result):
    thin, big = accounts(result).loc["thin"], accounts(result).loc["big"]
    assert (big["on_time_share"], big["mean_days_late"], big["overdue_amount"], big["trend"]) == (1, 0, 0, "as before")
    # Those due from October 3 on were still open at the year's end.
    assert (thin["on_time_share"], thin["worst_days_late"], thin["overdue_amount"]) == (0, 90, 900)
    assert sum(thin[["overdue_30", "overdue_60", "overdue_90", "overdue_more"]]) == 900
    assert result.credit.loc["now", "overdue_amount"] == 900
    assert sum(result.aging["amount"]) == result.credit.loc["now", "open_amount"]
    assert sum(result.aging["key_amount"]) == accounts(result)["open_amount"].sum()


def test_who_pays_later_than_before():
    frame = lines()
    paid = invoices(frame, {})
    is_late = (frame["customer_id"] == "big") & (frame["ordered_date"] > date(2024, 1, 1))
    paid["paid_date"] = [one + timedelta(days=12 * late) for one, late in zip(paid["paid_date"], is_late, strict=True)]
    found = accounts(key_accounts.analyse({"order_lines": frame, "payments": paid}, RUN, ANY))
    assert found.loc["big", ["trend", "state"]].tolist() == ["later", "pays late"]


def test_who_fell_and_who_went_quiet():
    frame = lines()
    gone = frame[~((frame["customer_id"] == "big") & (frame["ordered_date"] > date(2024, 8, 1)))]
    found = key_accounts.analyse({"order_lines": gone}, RUN, ANY)
    assert accounts(found)["state"].to_dict() == {"big": "gone quiet", "thin": "steady", "fell": "falling"}
    actions = engine.collect(found.actions, 10).set_index("customer_id")
    assert actions.loc["fell", ["stance", "expected_amount"]].tolist() == ["keep", 1800]
    assert actions.loc["big", "stance"] == "win back"
    assert actions.loc["big", "reason"] == "No order for 180 days; 2800.00 in the last 12 months."


def test_potential_is_what_comparable_accounts_buy():
    """All buy two categories alike, but “big” only one: at their shares, 1,800 of 6,600 a year, it would spend the rest on it."""
    frame = lines()
    frame.loc[frame["customer_id"] == "big", "product_id"] = "p0"
    products = pd.DataFrame({"product_id": ["p0", "p1"], "category": ["Chairs", "Tables"]})
    found = accounts(key_accounts.analyse({"order_lines": frame, "products": products}, RUN, ANY))
    tables = Decimal(6 * 300 + 6 * 150)
    assert found.loc["big", "potential_in"] == "Tables"
    assert found.loc["big", "potential_amount"] == (4800 * tables / 10200).quantize(Decimal("0.01"))
    assert found.loc["thin", "potential_amount"] == 0


def test_the_states_of_a_month_and_a_year_ago(result):
    """In 2023 the two with 300 a month made 75 %, and “big” with its 100 was the third."""
    bases = result.concentration.set_index("basis")
    assert bases.loc["last year", ["n_key", "key_amount", "amount"]].tolist() == [3, 8400, 9600]
    assert bases.loc["previous month", "amount"] == 12000 - (400 + 300 + 150 + 100 + 50) + (100 + 300 + 300 + 50 + 50)
    assert result.credit.index.tolist() == ["now", "previous month", "last year"]
    assert result.credit.loc["last year", "overdue_amount"] == 900


def test_nothing_later_is_looked_at(result):
    frame = lines()
    more = frame.tail(1).assign(
        order_id="later", ordered_date=date(2025, 1, 3), ordered_day=day_number(date(2025, 1, 3))
    )
    paid = invoices(pd.concat([frame, more]), {"thin": 90})
    later = key_accounts.analyse({"order_lines": pd.concat([frame, more]), "payments": paid}, RUN, ANY)
    for name in ("concentration", "accounts", "credit", "aging", "payment_months", "card_months", "bought"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(later, name), obj=name)


def test_without_costs_and_invoices_it_says_what_is_missing():
    frame = lines().drop(columns="profit_amount")
    found = key_accounts.analyse({"order_lines": frame}, RUN, ANY)
    assert found.accounts["result_amount"].isna().all()
    assert ["margin_rate" in one for one in found.warnings] == [True, False]
    assert "no invoices" in found.warnings[1]
    assert len(key_accounts.key_figures(found)) == 3
    rated = key_accounts.analyse({"order_lines": frame}, RUN, key_accounts.Params(min_customers=1, margin_rate=0.3))
    assert accounts(rated).loc["big", "result_amount"] == 1440


def test_too_few_customers_are_told():
    with pytest.raises(NotEnoughData, match="5 customers with an order by then, and the method needs 20"):
        analyse(key_accounts.Params())
    with pytest.raises(NotEnoughData, match="no orders, deals or invoices"):
        key_accounts.analyse({}, RUN, ANY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key_share": 0},
        {"cost_of_capital_rate": 2},
        {"margin_rate": 3},
        {"n_cards": 99},
        {"window_months": 0},
        {"quiet_days": 0},
    ],
)
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        key_accounts.Params(**wrong)


def test_every_state_has_advice():
    assert list(key_accounts.ADVICE) == list(key_accounts.STATES)


def test_states_sum_up_the_accounts_and_name_the_largest(result):
    accounts = result.accounts
    for one in result.states.itertuples():
        here = accounts[accounts["state"] == one.state]
        assert (one.n_accounts, one.amount, one.result_amount) == (
            len(here), here["amount"].sum(), here["result_amount"].sum(),
        )  # fmt: skip
        largest = here.iloc[0]
        assert (one.customer_id, one.rank) == (largest["customer_id"], largest["rank"])
        assert (one.largest_amount, one.largest_result_amount) == (largest["amount"], largest["result_amount"])
    assert result.states["n_accounts"].sum() == len(accounts)


# --- the cards -------------------------------------------------------------------------------------------------------


def test_a_card_for_each_of_the_largest(result, parse):
    language.use("en")
    params = key_accounts.Params(n_cards=2)
    made = list(key_accounts.cards(result, "EUR", params))
    assert [one.title for one in made] == ["1. big", "2. thin"]
    thin = made[1]
    assert thin.lead.startswith("Sales of 3600.00 leave -")
    assert dict(thin.facts["Payment"])["most days late"] == "90"
    heights = [one.get_height() for one in thin.chart.patches]
    assert heights == [300.0] * 24
    top = parse(elements.sheet(thin, "EUR", is_first=True))
    assert [one.text for one in top.all("h3", "h4")] == ["2. thin", "Sales", "Profit", "Payment"]
    assert len(top.all("img")) == 1
    assert top.children[0]["class"] == "sheet first"


def test_a_card_escapes_what_comes_from_data(parse):
    name = "<script>alert(1)</script> $x_$"
    result = analyse(company={name: (100, 400, "0.5"), "b": (1, 1, "0.5")})
    html = elements.sheet(next(key_accounts.cards(result, "EUR", ANY)), "EUR", is_first=False)
    assert "<script" not in html
    assert name in parse(html).all("h3")[0].text


def test_charts_draw_the_numbers(result):
    widths = [one.get_width() for one in key_accounts.plot_accounts(result.accounts).patches]
    assert widths == pytest.approx([0.4, 0.3, 0.15])
    widths = [one.get_width() for one in key_accounts.plot_ranks(result.accounts, "EUR").patches]
    assert widths[:3] == [4800, 3600, 1800]
    assert [one.get_width() for one in key_accounts.plot_aging(result.aging, "EUR").patches][:1] == [
        float(result.aging["amount"][0])
    ]
    assert len(key_accounts.plot_payment_months(result.payment_months).patches) == len(result.payment_months)


# --- real and made-up companies --------------------------------------------------------------------------------------


def test_invoices_alone_make_key_accounts(built_source, real_data, connection):
    """Accounts Receivable has no orders: the largest by invoices, and how they pay."""
    tables = open_tables(built_source("accounts_receivable"), connection)
    result = key_accounts.analyse(tables, Run(source="x", month="2013-12"), key_accounts.Params())
    frame = engine.collect(tables["payments"].select("customer_id", "invoice_amount", "invoiced_date"), 5000)
    frame = (
        frame[frame["invoiced_date"] >= date(2013, 2, 1)]
        if result.months == 11
        else frame[frame["invoiced_date"] >= date(2013, 1, 1)]
    )
    sums = frame.groupby("customer_id")["invoice_amount"].sum().astype(float).sort_values(ascending=False)
    assert result.accounts["customer_id"].head(5).tolist() == sums.index[:5].tolist()
    n_key = int((sums.cumsum() - sums < 0.8 * sums.sum()).sum())
    assert (
        len(result.accounts) == min(n_key, key_accounts.ACCOUNTS_SHOWN) and result.states["n_accounts"].sum() == n_key
    )
    assert result.accounts["on_time_share"].notna().all()


def test_the_sample_companys_late_payers_are_found(built_source, connection):
    """Who pays by cheque is late as often as the company's truth says, by direct debit seldom."""
    tables = open_tables(built_source("sample"), connection)
    result = key_accounts.analyse(tables, Run(source="x", month="2026-10"), key_accounts.Params())
    pays = engine.collect(tables["payments"].select("customer_id", "payment_method").unique(), 5000)
    how = pays.set_index("customer_id")["payment_method"]
    judged = key_accounts.with_invoices(engine.collect(result.customers.filter("is_key"), 5000))
    judged = judged.assign(
        method=judged["customer_id"].map(how), n_late=judged["n_invoices"].astype(float) * (1 - judged["on_time_share"])
    )
    sums = judged.groupby("method")[["n_late", "n_invoices"]].sum().astype(float)
    for method, (_share, late_prob, _days) in LATENESS.items():
        assert sums.loc[method, "n_late"] / sums.loc[method, "n_invoices"] == pytest.approx(late_prob, abs=0.1), method
    assert set(judged.loc[judged["state"] == "pays late", "method"]) <= {"Cheque", "Transfer"}
