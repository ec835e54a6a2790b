"""Records of payments, contacts, deals, feedback and campaigns: what makes two rows one, what may be empty, and what must not
contradict itself."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from crm_analysis.errors import InputError, ParameterError

HEAD = "company: Test\ncurrency: EUR\ntime_zone: Europe/Berlin\ntables:\n"
TABLES = {
    "payments": """
  payments:
    files: t.csv
    format: {date: "%Y-%m-%d"}
    columns:
      {invoice_id: id, customer_id: who, invoiced_date: d1, due_date: d2, paid_date: d3, invoice_amount: amount}
""",
    "interactions": """
  interactions:
    files: t.csv
    format: {datetime: "%Y-%m-%d %H:%M"}
    columns: {interaction_id: id, customer_id: who, opened_at: d1, answered_at: d2, resolved_at: d3, topic: what}
""",
    "opportunities": """
  opportunities:
    files: t.csv
    format: {date: "%Y-%m-%d"}
    columns:
      opportunity_id: id
      customer_id: who
      stage: what
      is_won: {column: won, yes: ["1"], no: ["0"]}
      is_lost: {column: lost, yes: ["1"], no: ["0"]}
      opened_date: d1
      closed_date: d2
      opportunity_amount: amount
""",
    "feedback": """
  feedback:
    files: t.csv
    format: {date: "%Y-%m-%d"}
    columns: {feedback_id: id, customer_id: who, given_at: d1, rating: amount, feedback_text: what}
""",
    "campaigns": """
  campaigns:
    files: t.csv
    format: {date: "%Y-%m-%d"}
    columns: {campaign_id: id, campaign_name: what, started_date: d1, ended_date: d2, cost_amount: amount}
""",
    "campaign_contacts": """
  campaign_contacts:
    files: t.csv
    format: {date: "%Y-%m-%d"}
    columns:
      campaign_id: id
      customer_id: who
      contacted_date: d1
      arm: what
      is_converted: {column: won, yes: ["1"], no: ["0"]}
      response_amount: amount
""",
}
COLUMNS = ("id", "who", "what", "d1", "d2", "d3", "amount", "won", "lost")
KEYS = {
    "payments": "invoice_id", "interactions": "interaction_id", "opportunities": "opportunity_id",
    "feedback": "feedback_id", "campaigns": "campaign_id", "campaign_contacts": "customer_id",
}  # fmt: skip


def line(**cells: str) -> str:
    usual = {"id": "A", "who": "c", "what": "x", "d1": "2024-05-02", "amount": "10.00", "won": "0", "lost": "0"}
    return ",".join({**usual, **cells}.get(column, "") for column in COLUMNS)


@pytest.fixture(scope="module")
def make(make_source):
    """``make("payments", line(…), …)`` builds such a table of these lines, from line 2 on, and 200 good ones."""

    def build(table: str, *lines: str):
        moment = " 10:00" if table == "interactions" else ""
        day = f"2024-05-01{moment}"
        good = [line(id=f"G{number}", who=f"g{number}", d1=day) for number in range(200)]
        text = "\n".join([",".join(COLUMNS), *lines, *good, ""])
        return make_source(HEAD + TABLES[table], {"t.csv": text}).build()

    return build


def used(source, table: str) -> list[dict]:
    return [row for row in source.rows(table) if not str(row[KEYS[table]]).lower().startswith("g")]


def told(source) -> dict[str, tuple[int, str]]:
    """The warnings, but for the columns of the file that the table has no use for."""
    rows = [row for row in source.rows("warnings") if row["code"] != "E-HDR-5"]
    return {f"{row['code']} {row['column']}": (row["n_rows"], row["lines"]) for row in rows}


# --- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "cells", "reason"),
    [
        ("interactions", {"d1": "2024-05-02 10:00", "d3": "2024-05-02 09:59"}, "E-DATE-5 resolved_at"),
        ("interactions", {"d1": "2024-05-02 10:00", "d2": "2024-05-01 10:00"}, "E-DATE-5 answered_at"),
        ("opportunities", {"won": "1", "lost": "1"}, "E-DEAL-1 is_won"),
        ("opportunities", {"amount": "-0.01"}, "E-NUM-6 opportunity_amount"),
        ("campaigns", {"d2": "2024-05-01"}, "E-DATE-5 ended_date"),
        ("campaigns", {"amount": "-1"}, "E-NUM-6 cost_amount"),
        ("payments", {"d1": ""}, "E-DATE-1 invoiced_date"),
        ("payments", {"amount": ""}, "E-NUM-1 invoice_amount"),
        ("payments", {"id": ""}, "E-ID-1 invoice_id"),
        ("opportunities", {"what": " "}, "E-EMPTY-1 stage"),
        ("opportunities", {"won": ""}, "E-FLAG-1 is_won"),
        ("campaign_contacts", {"what": ""}, "E-EMPTY-1 arm"),
        ("campaign_contacts", {"id": ""}, "E-ID-1 campaign_id"),
    ],
)
def test_a_row_that_cannot_be_is_rejected(make, table, cells, reason):
    source = make(table, line(**cells))
    assert source.rejects() == [(2, reason)]
    assert used(source, table) == [] and told(source) == {}


@pytest.mark.parametrize(
    ("table", "cells", "code"),
    [
        ("payments", {"d2": "2024-05-01"}, "E-DATE-5 due_date"),
        ("payments", {"d2": "2024-06-01", "d3": "2024-05-01"}, "E-PAY-1 paid_date"),
        ("payments", {"amount": "-10.00"}, "E-PAY-2 invoice_amount"),
        ("opportunities", {"d2": "2024-09-01"}, "E-DEAL-2 closed_date"),
        ("opportunities", {"won": "1"}, "E-DEAL-3 closed_date"),
        ("opportunities", {"lost": "1", "d2": "2024-05-01"}, "E-DEAL-4 closed_date"),
        ("feedback", {"amount": "", "what": ""}, "E-ROW-7 feedback_text"),
    ],
)
def test_what_is_unusual_is_used_and_told(make, table, cells, code):
    source = make(table, line(**cells), line(id="B", who="b", **cells))
    assert source.fates() == {("used", None): 202}
    assert told(source) == {code: (2, "2,3 (2 rows)")}


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("payments", {"d2": "2024-05-02", "d3": "2024-05-02"}),
        ("payments", {"who": "", "d2": "", "d3": ""}),
        ("interactions", {"d1": "2024-05-02 10:00", "d2": "2024-05-02 10:00", "d3": "2024-05-02 10:00"}),
        ("interactions", {"d1": "2024-05-02 10:00", "who": "", "what": ""}),
        ("opportunities", {"who": "", "d1": "", "amount": ""}),
        ("opportunities", {"won": "1", "d2": "2024-05-02", "amount": "0"}),
        ("feedback", {"amount": ""}),
        ("feedback", {"what": "", "who": "", "d1": ""}),
        ("campaigns", {"d2": "2024-05-02", "amount": "0"}),
        ("campaigns", {"d1": "", "what": ""}),
        ("campaign_contacts", {"who": "", "d1": "", "amount": "-3.00"}),
    ],
)
def test_what_may_be_is_used_in_silence(make, table, cells):
    source = make(table, line(**cells))
    assert source.fates() == {("used", None): 201} and told(source) == {}


def test_a_deal_is_left_with_the_dates_that_are_known(make):
    source = make(
        "opportunities", line(id="open", d2="2024-09-01"), line(id="late", won="1", d1="2024-05-02", d2="2024-05-01"),
    )  # fmt: skip
    found = {row["opportunity_id"]: (row["opened_date"], row["closed_date"]) for row in used(source, "opportunities")}
    assert found == {"open": (date(2024, 5, 2), None), "late": (None, date(2024, 5, 1))}


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["payments", "interactions", "opportunities", "feedback", "campaigns"])
def test_of_a_number_that_was_exported_again_the_last_row_is_used(make, table):
    day = "2024-05-02 10:00" if table == "interactions" else "2024-05-02"
    first, last = line(d1=day), line(d1=day, who="later", what="changed")
    source = make(table, first, first, last)
    assert source.fates() == {("used", None): 201, ("duplicate", None): 2}
    (row,) = used(source, table)
    assert "changed" in row.values() or row["customer_id"] == "later"
    assert told(source) == {f"E-KEY-2 {KEYS[table]}": (1, "4 (1 row)")}


def test_an_exact_copy_is_no_news(make):
    source = make("payments", line(), line())
    assert source.fates() == {("used", None): 201, ("duplicate", None): 1} and told(source) == {}


def test_a_copy_that_cannot_be_read_stays_rejected(make):
    source = make("payments", line(), line(amount="much"), line())
    assert source.fates() == {("used", None): 201, ("duplicate", None): 1, ("rejected", "E-NUM-1 invoice_amount"): 1}


def test_a_customer_is_once_in_a_campaign_and_equal_rows_without_customer_are_different_people(make):
    twice = line(id="K"), line(id="K", what="y"), line(id="L")
    nobody = line(id="K", who=""), line(id="K", who=""), line(id="K", who="NULL")
    source = make("campaign_contacts", *twice, *nobody)
    found = Counter((row["campaign_id"], row["customer_id"], row["arm"]) for row in source.rows("campaign_contacts"))
    assert {one: n for one, n in found.items() if not one[0].startswith("G")} == {
        ("K", "c", "y"): 1, ("L", "c", "x"): 1, ("K", None, "x"): 3,
    }  # fmt: skip
    assert told(source) == {"E-KEY-2 campaign_id, customer_id": (1, "3 (1 row)")}


def test_a_key_of_which_a_column_is_not_mapped_is_none(make_source):
    contract = HEAD + TABLES["campaign_contacts"].replace("      customer_id: who\n", "")
    text = "\n".join([",".join(COLUMNS), *[line()] * 3, ""])
    source = make_source(contract, {"t.csv": text}).build()
    assert source.fates() == {("used", None): 3}


@pytest.mark.parametrize(("also", "n"), [("", 3), ("    duplicates: drop\n", 1)])
def test_rows_without_numbers_are_kept_unless_the_contract_says_otherwise(make_source, also, n):
    contract = HEAD + TABLES["feedback"].replace("feedback_id: id, ", "") + also
    source = make_source(contract, {"t.csv": "\n".join([",".join(COLUMNS), *[line()] * 3, ""])}).build()
    assert source.fates()["used", None] == n


# --- months, money and the span --------------------------------------------------------------------------------------


def months(source) -> dict[tuple[str | None, bool], tuple[int, Decimal]]:
    return {
        (row["ordered_month"], row["has_customer"]): (row["n_rows"], row["line_amount"])
        for row in source.rows("ledger")
    }


def test_the_ledger_has_the_month_the_customer_and_the_money_of_each_row(make):
    source = make("payments", line(d1="2024-06-30"), line(id="B", d1="2024-06-01", amount="-2.50", who=""))
    assert months(source) == {
        ("2024-05", True): (200, Decimal("2000.00")),
        ("2024-06", True): (1, Decimal("10.00")),
        ("2024-06", False): (1, Decimal("-2.50")),
    }


def test_a_deal_whose_beginning_is_not_known_is_in_the_month_of_its_end(make):
    source = make("opportunities", line(d1="", d2="2024-07-01", won="1"), line(id="B", d1=""))
    assert {one[0] for one in months(source)} == {"2024-05", "2024-07", None}


@pytest.mark.parametrize(
    ("table", "cells", "last"),
    [
        ("payments", {"d2": "2024-12-01", "d3": "2024-08-31"}, "2024-08-31"),
        ("interactions", {"d1": "2024-05-02 10:00", "d3": "2024-08-31 23:59"}, "2024-08-31"),
        ("opportunities", {"d2": "2024-08-31", "won": "1"}, "2024-08-31"),
        ("opportunities", {"d2": "2024-08-31"}, "2024-05-02"),  # of an open deal a hope
        ("feedback", {"d1": "2024-08-31"}, "2024-08-31"),
        ("campaigns", {"d2": "2024-08-31"}, "2024-05-02"),  # may be planned
        ("campaign_contacts", {"d1": "2024-08-31"}, "2024-08-31"),
    ],
)
def test_a_source_reaches_to_the_last_thing_that_happened(make, table, cells, last):
    meta = make(table, line(**cells)).meta
    assert (meta.first_date, meta.last_date) == ("2024-05-01", last)


ORDERS = """
  order_lines:
    files: o.csv
    format: {date: "%Y-%m-%d"}
    columns: {order_id: id, customer_id: who, ordered_at: day, line_amount: amount}
"""


@pytest.mark.parametrize("tables", [TABLES["payments"] + ORDERS, ORDERS + TABLES["payments"]])
def test_where_there_are_orders_they_say_how_far_a_source_reaches(make_source, tables):
    files = {"t.csv": ",".join(COLUMNS) + "\n" + line() + "\n", "o.csv": "id,who,day,amount\nA,c,2024-03-31,5\n"}
    meta = make_source(HEAD + tables, files).build().meta
    assert (meta.first_date, meta.last_date, meta.last_complete_month) == ("2024-03-31", "2024-03-31", "2024-03")


def test_a_source_of_several_tables_reaches_over_all_of_them(make_source):
    contract = HEAD + TABLES["payments"] + TABLES["feedback"].replace("t.csv", "f.csv")
    head = ",".join(COLUMNS) + "\n"
    files = {"t.csv": head + line(d1="2024-05-02"), "f.csv": head + line(d1="2024-07-31") + "\n" + line(id="B", d1="")}
    meta = make_source(contract, files).build().meta
    assert (meta.first_date, meta.last_date) == ("2024-05-02", "2024-07-31")


def test_a_source_without_dates_is_of_the_day_that_the_contract_says(make_source, refused):
    undated = HEAD + TABLES["feedback"].replace("given_at: d1, ", "")
    with refused(ParameterError, "E-PAR-3") as caught:
        make_source(undated, {}).build()
    assert "covers_until" in caught.value.fix
    text = ",".join(COLUMNS) + "\n" + line() + "\n"
    dated = undated.replace("currency: EUR", "currency: EUR\ncovers_until: 2024-06-30")
    meta = make_source(dated, {"t.csv": text}).build().meta
    assert (meta.first_date, meta.last_date, meta.last_complete_month) == ("2024-06-30", "2024-06-30", "2024-06")


def test_too_much_money_that_cannot_be_read_stops_the_run(make, refused):
    with refused(InputError, "E-DATE-1") as caught:
        make("payments", line(amount="100.00", d1="soon"))
    assert "of the money" in caught.value.fix
