"""Order lines → orders: one row per order of a customer, one per day on which things came back."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from crm_analysis.schema import ORDERS, day_number

PROFIT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d %H:%M"}
    columns: {order_id: o, customer_id: c, ordered_at: at, line_amount: a, profit_amount: p}
    returns: {order_id_prefix: R}
"""


@pytest.fixture(scope="module")
def orders(make_source):
    text = """o,c,at,a,p
A,c1,2024-01-31 23:50,10.00,1.00
A,c1,2024-02-01 00:10,5.00,2.50
A,c2,2024-01-30 12:00,7.00,
A,c2,2024-01-30 12:01,1.00,1.00
B,,2024-01-31 09:00,3.00,0.50
R1,c1,2024-02-03 10:00,4.00,-0.40
R1,c1,2024-02-03 18:00,1.00,-0.10
R1,c1,2024-02-05 10:00,2.00,-0.20
F,c1,2024-02-09 10:00,0.00,0.00
F,c1,2024-02-10 10:00,6.00,0.60
"""
    rows = make_source(PROFIT, {"orders.csv": text}).build().rows("orders")
    return {(row["customer_id"], row["order_id"], row["ordered_date"]): row for row in rows}


def test_the_columns_are_those_of_the_schema(orders):
    assert all(list(row) == list(ORDERS.columns) for row in orders.values())


def test_an_order_is_one_number_of_one_customer_dated_by_its_first_line(orders):
    row = orders["c1", "A", date(2024, 1, 31)]
    assert (row["ordered_at"], row["ordered_month"]) == (datetime.fromisoformat("2024-01-31 23:50"), "2024-01")
    assert row["ordered_day"] == day_number(date(2024, 1, 31)) == 19753
    assert (row["is_order"], row["n_lines"], row["gross_amount"]) == (True, 2, Decimal("15.00"))
    assert orders["c2", "A", date(2024, 1, 30)]["gross_amount"] == Decimal("8.00")


def test_orders_without_a_customer_are_kept(orders):
    assert orders[None, "B", date(2024, 1, 31)]["is_order"]


def test_returns_are_one_row_per_day_and_no_order(orders):
    first, second = orders["c1", "R1", date(2024, 2, 3)], orders["c1", "R1", date(2024, 2, 5)]
    assert (first["is_order"], first["n_lines"], second["is_order"], second["n_lines"]) == (False, 2, False, 1)
    assert (first["gross_amount"], first["returned_amount"], first["net_amount"]) == (
        Decimal(0),
        Decimal(5),
        Decimal(-5),
    )


def test_margin_is_known_where_it_is_known_of_each_line(orders):
    assert orders["c1", "A", date(2024, 1, 31)]["profit_amount"] == Decimal("3.50")
    assert orders["c1", "R1", date(2024, 2, 3)]["profit_amount"] == Decimal("-0.50")
    assert orders["c2", "A", date(2024, 1, 30)]["profit_amount"] is None


def test_an_order_with_a_free_and_a_paid_line_is_an_order(orders):
    row = orders["c1", "F", date(2024, 2, 9)]
    assert (row["is_order"], row["n_lines"], row["net_amount"]) == (True, 2, Decimal(6))


def test_there_is_no_other_row(orders):
    assert len(orders) == 6


WHOLE = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  orders:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: o, customer_id: c, ordered_at: at, order_amount: a, quantity: q, region: r, channel: ch}
"""


def test_orders_without_lines_keep_what_is_said_of_them(make_source):
    text = "o,c,at,a,q,r,ch\nA,c1,2024-01-31,10.00,3,North,web\nB,c2,2024-02-01,3.00,1,South,\n"
    rows = {row["order_id"]: row for row in make_source(WHOLE, {"orders.csv": text}).build().rows("orders")}
    kept = {one: tuple(row[name] for name in ("quantity", "region", "channel")) for one, row in rows.items()}
    assert kept == {"A": (3, "North", "web"), "B": (1, "South", None)}
