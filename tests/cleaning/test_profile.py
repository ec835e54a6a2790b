"""What a build notes for the report on quality: months, columns, the largest amounts, and what could not be read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from crm_analysis.cleaning.profile import MAX_OUTLIERS_PER_MONTH

NEGATIVES = "    negatives: return\n"


def test_completeness_counts_the_used_rows_with_a_value_by_month(make_shop):
    lines = ["A,,2024-01-31,1,5.00", "B, c ,2024-01-31,1,5.00", "C,,soon,1,5.00", "D,c,2024-02-01,1,5.00"]
    rows = make_shop(*lines).rows("completeness")
    found = {(row["column"], row["month"]): (row["n_rows"], row["n_filled"], row["n_repaired"]) for row in rows}
    assert len(found) == len(rows) == 5 * 3
    assert found["customer_id", "2024-01"] == (2, 1, 1)
    assert found["customer_id", "2024-02"] == (1, 1, 0)
    assert found["customer_id", "2024-05"] == (200, 200, 0)
    assert found["unit_price", "2024-01"] == (2, 2, 0)


def test_the_months_are_those_of_the_ledger(make_shop):
    shop = make_shop("A,,2024-01-31,1,5.00", "B,c,2024-03-01,1,5.00", "B,c,2024-03-01,1,5.00")
    used = {row["ordered_month"]: row["n_rows"] for row in shop.rows("ledger") if row["fate"] == "used"}
    noted = {row["month"]: row["n_rows"] for row in shop.rows("completeness") if row["column"] == "order_id"}
    assert noted == used == {"2024-01": 1, "2024-03": 1, "2024-05": 200}


CONTRACTS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
covers_until: 2024-05-31
tables:
  contracts:
    files: contracts.csv
    format: {date: "%Y-%m-%d"}
    columns: COLUMNS
"""


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("{customer_id: c, started_date: s, ended_date: e}", {"2024-01", "2024-03"}),
        ("{customer_id: c, tenure_months: m, is_ended: {column: x, yes: [y], no: [n]}}", {None}),
    ],
)
def test_other_tables_have_months_where_they_have_dates(make_source, columns, expected):
    files = {"contracts.csv": "c,s,e,m,x\nc1,2024-01-02,,1,n\nc2,2024-03-02,,2,y\n"}
    shop = make_source(CONTRACTS.replace("COLUMNS", columns), files).build()
    assert {row["month"] for row in shop.rows("completeness")} == expected
    assert {row["ordered_month"] for row in shop.rows("ledger")} == expected


def test_amounts_far_above_the_usual_are_noted_with_their_line(make_shop):
    """The usual line of May is 50.00, that of January 2.00: 300.00 is far above the latter only."""
    lines = ["A,c,2024-01-31,1,2.00", "B,c,2024-05-31,1,300.00", "C,c,2024-05-31,-1,99000.00", "D,c,2024-01-31,1,2.00"]
    rows = make_shop(*lines, also=NEGATIVES).rows("outliers")
    assert [(row["line"], row["month"], row["amount"]) for row in rows] == [
        (3, "2024-05", Decimal("300.00")),
        (4, "2024-05", Decimal("-99000.00")),
    ]
    assert {(row["table"], row["column"], row["file"]) for row in rows} == {
        ("order_lines", "line_amount", "orders.csv")
    }


def test_of_a_month_only_its_largest_amounts_are_noted(make_shop):
    lines = [f"A{n},c,2024-05-31,1,{10_000 + n}.00" for n in range(MAX_OUTLIERS_PER_MONTH + 5)]
    rows = make_shop(*lines).rows("outliers")
    assert [row["amount"] for row in rows] == [10_005 + n for n in range(MAX_OUTLIERS_PER_MONTH)]


def test_a_reject_is_kept_with_what_stood_in_its_column(make_shop):
    lines = ["A,c, soon,1,5.00", "B,c,2024-01-31,many,5.00", "C,c,2024-01-31,-1,5.00", "D,c"]
    found = {row["reason"]: row["value"] for row in make_shop(*lines).rows("rejects")}
    assert found == {
        "E-DATE-1 ordered_at": "soon",
        "E-NUM-1 quantity": "many",
        "E-NUM-5 line_amount": "-5.00",
        "E-ROW-3": None,
    }
