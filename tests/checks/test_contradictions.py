"""What contradicts itself: within a row, between tables, and between the rows of an order, as of the month's end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from crm_analysis import engine, warehouse
from crm_analysis.checks.consistency import ABOVE, BELOW, NO_ROW, OPPOSITE, SHARED_ORDER, summarise_contradictions

AS_OF, BEFORE = date(2024, 6, 1), date(2024, 5, 1)
CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    negatives: return
    columns: {order_id: o, customer_id: c, product_id: p, ordered_at: d, quantity: q, unit_price: u, line_amount: a}
  customers:
    files: customers.csv
    columns: {customer_id: c}
  products:
    files: products.csv
    columns: {product_id: p}
"""
LINES = """o,c,p,d,q,u,a
A,c1,p1,2024-04-30,2,5.00,10.00
B,c1,p1,2024-05-01,3,3.333,10.00
C,c2,p2,2024-05-02,2,5.00,11.00
D,c1,p1,2024-05-02,2,5.00,8.00
E,c1,p1,2024-05-02,1,5.00,-5.00
F,c1,p1,2024-05-03,1,5.00,5.00
F,c2,p1,2024-05-03,1,6.00,6.00
G,,p9,2024-05-03,1,7.00,7.00
H,c9,p1,2024-06-01,1,5.00,50.00
"""


@pytest.fixture(scope="module")
def found(make_source, connection):
    files = {"orders.csv": LINES, "customers.csv": "c\nc1\n", "products.csv": "p\np1\np2\n"}
    shop = make_source(CONTRACT.replace("currency: EUR", "currency: EUR\nmoney_decimals: 3"), files).build()
    tables = warehouse.open_tables(shop.folder, connection)
    noted = engine.collect(tables["completeness"], 1_000)
    columns = {name: list(part["column"].unique()) for name, part in noted.groupby("table")}
    ledger = engine.collect(tables["ledger"], 1_000)
    return summarise_contradictions(tables, ledger, columns, AS_OF, BEFORE)


@pytest.mark.parametrize(
    ("check", "n_tested", "n_wrong", "amount"),
    [
        (ABOVE, 8, 1, "11.00"),  # C; B differs by the rounding of its price
        (BELOW, 8, 1, "8.00"),  # D
        (OPPOSITE, 8, 1, "-5.00"),  # E
        (NO_ROW.format(column="product_id", table="products"), 8, 1, "7.00"),  # G
        (NO_ROW.format(column="customer_id", table="customers"), 7, 2, "17.00"),  # C, F; G names none, H is later
        (SHARED_ORDER, 5, 1, "11.00"),  # F; E is no order
    ],
)
def test_what_contradicts_is_counted_with_its_money(found, check, n_tested, n_wrong, amount):
    (one,) = found[0][found[0]["check"] == check].to_dict("records")
    assert (one["n_tested"], one["n_wrong"], one["amount"]) == (n_tested, n_wrong, Decimal(amount))
    # In April there was one row, and all was well.
    assert one["wrong_change"] == pytest.approx(n_wrong / n_tested)


def test_a_discount_is_no_contradiction(found):
    _contradictions, agreement = found
    one = agreement.loc["order_lines"]
    assert one["n_tested"] == 8 + 8 + 8 + 7 + 5
    assert one["now"] == pytest.approx(1 - 6 / 36) and one["before"] == 1


def test_rejected_for_contradicting_itself_is_a_contradiction():
    rows = [("contracts", "rejected", "E-DATE-5 ended_date", "2024-05", 1), ("contracts", "used", None, "2024-05", 3)]
    ledger = pd.DataFrame(rows, columns=["table", "fate", "reason", "ordered_month", "n_rows"])
    found, agreement = summarise_contradictions({}, ledger.assign(line_amount=Decimal(0)), {}, AS_OF, BEFORE)
    assert list(found["n_wrong"]) == [1] and list(found["n_tested"]) == [4]
    assert agreement.at["contracts", "now"] == 3 / 4


def test_a_day_that_is_not_known_yet_is_not_tested(connection):
    rows = [(date(2024, 5, 1), date(2024, 4, 1)), (date(2024, 5, 1), date(2024, 6, 2)), (date(2024, 5, 1), None)]
    payments = pd.DataFrame(rows, columns=["invoiced_date", "paid_date"])
    ledger = pd.DataFrame(columns=["table", "fate", "reason", "ordered_month", "n_rows", "line_amount"])
    tables, columns = {"payments": payments}, {"payments": ["invoiced_date", "paid_date"]}
    found, _agreement = summarise_contradictions(tables, ledger, columns, AS_OF, BEFORE)
    assert found[["n_tested", "n_wrong"]].to_numpy().tolist() == [[1, 1]]
