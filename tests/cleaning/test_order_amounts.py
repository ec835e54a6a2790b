"""What an order's first line says of the whole order reaches all its lines, exactly, and no row is counted twice."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis import engine
from crm_analysis.cleaning.order_amounts import lower_to_whole
from crm_analysis.errors import InputError, ParameterError

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders*.csv
    format: {datetime: "%Y-%m-%d %H:%M"}
    columns:
      order_id: order
      customer_id: customer
      product_id: item
      ordered_at: at
      quantity: pieces
      unit_price: price
      whole_order_amount: subtotal
      refunded_amount: refunded
    fill_down: {within: order, columns: [customer, at, state]}
    exclude: [{column: state, values: [void], reason: voided}]
"""
HEADER = "order,customer,at,state,subtotal,refunded,item,pieces,price\n"


@pytest.fixture(scope="module")
def built(make_source):
    """``built("line", …)``: the database of an export with these lines."""
    return lambda *lines, **files: make_source(SHOP, {"orders.csv": HEADER + "\n".join(lines) + "\n", **files}).build()


def amounts(source) -> dict:
    """(order, item) → kind, amount."""
    return {
        (row["order_id"], row["product_id"]): (row["kind"], str(row["line_amount"]))
        for row in source.rows("order_lines")
    }


def test_cells_of_the_first_line_reach_the_lines_below_and_no_other_order(built):
    source = built(
        "1,c1,2024-01-05 10:00,paid,30.00,,a,1,10.00",
        "1,,,,,,b,2,10.00",
        "2,c2,2024-01-06 11:00,void,5.00,,a,1,5.00",
        "2, ,,,,,b,1,5.00",
        "3,,2024-01-07 11:00,,7.00,,b,1,7.00",
    )
    assert source.fates() == {("used", None): 3, ("excluded", "voided"): 2}
    assert [
        (row["order_id"], row["customer_id"], row["n_lines"], row["net_amount"]) for row in source.rows("orders")
    ] == [
        ("3", None, 1, Decimal("7.00")),
        ("1", "c1", 2, Decimal("30.00")),
    ]


def test_a_discount_on_the_order_is_shared_by_its_lines_to_the_cent(built):
    source = built(
        "1,c1,2024-01-05 10:00,paid,20.00,,a,1,10.00",
        "1,,,,,,b,1,10.00",
        "1,,,,,,c,1,10.00",
        "2,c1,2024-01-06 10:00,paid,0.00,,a,3,10.00",
        "3,c1,2024-01-07 10:00,paid,99.00,,a,1,10.00",
    )
    assert amounts(source) == {
        ("1", "a"): ("sale", "6.66"),
        ("1", "b"): ("sale", "6.67"),
        ("1", "c"): ("sale", "6.67"),
        ("2", "a"): ("free", "0.00"),
        # More than its lines: something else is in it, such as postage.
        ("3", "a"): ("sale", "10.00"),
    }
    assert sum(row["line_amount"] for row in source.rows("ledger")) == Decimal("30.00")


def test_a_refund_is_a_return_of_the_order_and_no_row_of_the_file(built):
    source = built(
        "1,c1,2024-01-05 10:00,paid,30.00,12.50,a,1,10.00",
        "1,,,,,,b,2,10.00",
        "2,c2,2024-02-06 11:00,paid,5.00,0.00,a,1,5.00",
    )
    assert source.fates() == {("used", None): 3}
    assert amounts(source)["1", None] == ("return", "-12.50")
    (back,) = [row for row in source.rows("orders") if not row["is_order"]]
    assert (back["customer_id"], str(back["ordered_date"]), back["returned_amount"], back["net_amount"]) == (
        "c1", "2024-01-05", Decimal("12.50"), Decimal("-12.50"),
    )  # fmt: skip
    money = Counter()
    for row in source.rows("ledger"):
        money[row["kind"], row["ordered_month"]] += row["line_amount"]
    assert money == {("sale", "2024-01"): 30, ("return", "2024-01"): Decimal("-12.50"), ("sale", "2024-02"): 5}
    assert sum(row["n_rows"] for row in source.rows("completeness") if row["column"] == "product_id") == 3


def test_a_repeated_export_neither_halves_nor_refunds_twice(built):
    lines = ("1,c1,2024-01-05 10:00,paid,20.00,5.00,a,1,10.00", "1,,,,,,b,2,10.00")
    source = built(*lines, **{"orders-2.csv": HEADER + "\n".join(lines) + "\n"})
    assert source.fates() == {("used", None): 2, ("duplicate", None): 2}
    assert [row["net_amount"] for row in source.rows("orders")] == [Decimal("-5.00"), Decimal("20.00")]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.decimals(0, 10**7, places=2), st.none() | st.decimals(0, 10**7, places=2)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_lines_add_up_to_the_order_exactly(connection, lines):
    values = [(number, order, amount, whole) for number, (order, amount, whole) in enumerate(lines)]
    connection.execute("CREATE OR REPLACE TEMP TABLE l (_position INT, order_id TEXT, line_amount DECIMAL(18,2), whole_order_amount"
                       " DECIMAL(18,2), kind TEXT DEFAULT 'sale', _fate TEXT DEFAULT 'used')")  # fmt: skip
    connection.executemany(
        "INSERT INTO l (_position, order_id, line_amount, whole_order_amount) VALUES (?, ?, ?, ?)", values
    )
    found = engine.collect(lower_to_whole(engine.as_table(connection.table("l"))), 100)
    for order in {one[0] for one in lines}:
        total = sum(amount for name, amount, _ in lines if name == order)
        wholes = [whole for name, _, whole in lines if name == order and whole is not None]
        mine = found[found["order_id"] == order].sort_values("_position")
        assert mine["line_amount"].sum() == (min(total, max(wholes)) if wholes else total)
        for after, (_, before, _) in zip(mine["line_amount"], [one for one in lines if one[0] == order], strict=True):
            assert 0 <= after <= before


@pytest.mark.parametrize("missing", [True, False])
def test_an_optional_column_may_be_missing(make_source, missing):
    contract = SHOP.replace(
        "      product_id: item\n", "      product_id: item\n      region: {column: land, optional: true}\n"
    )
    header = HEADER if missing else HEADER.replace("item,", "land,item,")
    line = (
        "1,c1,2024-01-05 10:00,paid,30.00,,a,1,30.00" if missing else "1,c1,2024-01-05 10:00,paid,30.00,,DE,a,1,30.00"
    )
    source = make_source(contract, {"orders.csv": f"{header}{line}\n"}).build()
    assert [row["region"] for row in source.rows("order_lines")] == [None if missing else "DE"]
    assert source.meta.ignored_columns == {}


@pytest.mark.parametrize("column", ["order_id", "quantity"])
def test_a_column_that_is_needed_cannot_be_optional(make_source, refused, column):
    name = {"order_id": "order", "quantity": "pieces"}[column]
    contract = SHOP.replace(f"{column}: {name}\n", f"{column}: {{column: {name}, optional: true}}\n")
    with refused(ParameterError, "E-PAR-3") as caught:
        make_source(contract, {"orders.csv": HEADER}).build()
    assert caught.value.column == f"tables.order_lines.columns.{column}"


def test_a_column_to_fill_down_must_be_there(make_source, refused):
    contract = SHOP.replace("columns: [customer, at, state]", "columns: [customer, at, stat]")
    with refused(InputError, "E-HDR-2") as caught:
        make_source(contract, {"orders.csv": HEADER + "1,c1,2024-01-05 10:00,paid,30.00,,a,1,30.00\n"}).build()
    assert caught.value.column == "stat"
