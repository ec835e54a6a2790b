"""The rules: what marks a return, what is free, what is put aside, what is a repetition."""

from __future__ import annotations

from decimal import Decimal

import pytest

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
"""


def lines(source) -> dict[str, tuple]:
    """Order → (kind, quantity, amount) of the tested lines."""
    return {row["order_id"]: (row["kind"], row["quantity"], row["line_amount"]) for row in source.tested()}


def amount(kind, quantity, line_amount) -> tuple:
    return kind, Decimal(quantity), Decimal(line_amount)


# --- returns ---------------------------------------------------------------------------------------------------------


def test_returns_by_the_prefix_of_the_order(make_shop):
    source = make_shop(
        "C1,c,2024-01-31,-2,5.00", "C2,c,2024-01-31,2,5.00", " C3,c,2024-01-31,-1,5.00", "c4,c,2024-01-31,1,5.00",
        also="    returns: {order_id_prefix: C}\n",
    )  # fmt: skip
    assert lines(source) == {
        "C1": amount("return", -2, "-10.00"),
        "C2": amount("return", -2, "-10.00"),
        "C3": amount("return", -1, "-5.00"),
        "c4": amount("sale", 1, "5.00"),
    }


def test_returns_by_a_column_have_a_negative_amount_whatever_their_sign(make_source):  # A56
    text = "order,customer,day,pieces,price,type\nA,c,2024-01-31,2,5.00,sale\nB,c,2024-01-31,2,5.00,back\n"
    text += "C,c,2024-01-31,-2,5.00,refund\nD,c,2024-01-31,0,5.00,back\n"
    shop = SHOP + "    returns: {column: type, values: [back, refund]}\n"
    assert lines(make_source(shop, {"orders.csv": text}).build()) == {
        "A": amount("sale", 2, "10.00"),
        "B": amount("return", -2, "-10.00"),
        "C": amount("return", -2, "-10.00"),
        "D": amount("return", 0, "0.00"),
    }


@pytest.mark.parametrize("prefix", ["\u00a0", "\t", "\u200b"])
def test_a_return_is_known_behind_any_blank(make_shop, prefix):
    source = make_shop(f'"{prefix}C1",c,2024-01-31,1,5.00', also="    returns: {order_id_prefix: C}\n")
    assert lines(source) == {"C1": amount("return", -1, "-5.00")}


# --- negatives, free, stock ------------------------------------------------------------------------------------------


def test_an_unmarked_negative_amount_is_rejected(make_shop):  # A57
    source = make_shop("A,c,2024-01-31,-1,5.00", "B,c,2024-01-31,1,-5.00", also="    negatives: reject\n")
    assert source.rejects() == [(2, "E-NUM-5 line_amount"), (3, "E-NUM-5 line_amount")]
    assert lines(source) == {}


def test_an_unmarked_negative_amount_is_a_return_where_the_contract_says_so(make_shop):
    source = make_shop("A,c,2024-01-31,-1,5.00", "B,c,2024-01-31,1,-5.00", also="    negatives: return\n")
    assert lines(source) == {"A": amount("return", -1, "-5.00"), "B": amount("return", 1, "-5.00")}


def test_lines_of_no_amount_are_free_and_negative_ones_movements_of_stock(make_shop):  # A59
    source = make_shop("A,c,2024-01-31,3,0.00", "B,c,2024-01-31,0,5.00", "C,,2024-01-31,-3,0.00", "D,,2024-01-31,-3,0")
    assert lines(source) == {
        "A": amount("free", 3, "0.00"),
        "B": amount("free", 0, "0.00"),
        "C": amount("stock", -3, "0.00"),
        "D": amount("stock", -3, "0.00"),
    }


@pytest.mark.parametrize(("policy", "is_order"), [("ignore", False), ("count", True)])
def test_whether_an_order_of_free_lines_alone_counts_is_said_by_the_contract(make_shop, policy, is_order):
    text = ["A,c,2024-01-31,3,0.00", "B,c,2024-01-31,1,0.00", "B,c,2024-01-31,1,5.00", "C,c,2024-01-31,-1,0.00"]
    source = make_shop(*text, also=f"    free_orders: {policy}\n")
    found = {row["order_id"]: (row["is_order"], row["n_lines"], row["net_amount"]) for row in source.tested("orders")}
    assert found == {"A": (is_order, 1, Decimal(0)), "B": (True, 2, Decimal(5)), "C": (False, 1, Decimal(0))}


# --- exclusion -------------------------------------------------------------------------------------------------------


def test_rows_are_put_aside_by_prefix_and_by_value_with_the_reason(make_shop):
    rules = """    exclude:
      - {column: order_id, prefix: TEST-, reason: test order}
      - {column: customer, values: [staff, house], reason: our own}
"""
    text = [
        "TEST-1,c,2024-01-31,1,5.00",
        "A,staff,2024-01-31,1,5.00",
        "B,staffer,2024-01-31,1,5.00",
        "TEST-2,house,x,y,z",
    ]
    source = make_shop(*text, also=rules)
    assert list(lines(source)) == ["B"]
    assert source.fates() == {("used", None): 201, ("excluded", "test order"): 2, ("excluded", "our own"): 1}
    assert source.rejects() == []


def test_a_rule_may_name_a_column_that_is_in_no_table(make_source):
    shop = SHOP + "    exclude: [{column: status, values: [void], reason: void}]\n"
    text = "order,customer,day,pieces,price,status\nA,c,2024-01-31,1,5.00,void\nB,c,2024-01-31,1,5.00,paid\n"
    source = make_source(shop, {"orders.csv": text}).build()
    assert [row["order_id"] for row in source.rows("order_lines")] == ["B"]
    assert source.meta.ignored_columns == {}


# --- duplicates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "n_kept"), [("", 1), ("    duplicates: drop\n", 1), ("    duplicates: keep\n", 3)])
def test_exact_repetitions_are_dropped_or_kept(make_shop, policy, n_kept):  # A78
    line = "A,c,2024-01-31,2,5.00"
    source = make_shop(line, "B,c,2024-01-31,2,5.00", line, line, also=policy)
    assert len([row for row in source.tested() if row["order_id"] == "A"]) == n_kept
    assert source.fates()["duplicate", None] == 3 - n_kept


def test_a_row_that_differs_in_any_column_of_the_file_is_no_repetition(make_source):
    text = "order,customer,day,pieces,price,place\nA,c,2024-01-31,2,5.00,1\nA,c,2024-01-31,2,5.00,2\n"
    assert make_source(SHOP, {"orders.csv": text}).build().fates() == {("used", None): 2}


def test_the_same_cells_in_other_columns_are_no_repetition(make_source):
    text = "order,customer,day,pieces,price\nA,B,2024-01-31,2,5.00\nB,A,2024-01-31,2,5.00\nA,B,2024-01-31,5,2.00\n"
    assert make_source(SHOP, {"orders.csv": text}).build().fates() == {("used", None): 3}


def test_a_repetition_of_what_cannot_be_read_is_rejected_with_it(make_shop):
    text = [*["A,c,soon,2,5.00"] * 2, *["B,c,2024-01-31,-2,5.00"] * 2]
    source = make_shop(*text, also="    negatives: reject\n")
    assert source.fates() == {
        ("used", None): 200,
        ("rejected", "E-DATE-1 ordered_at"): 2,
        ("rejected", "E-NUM-5 line_amount"): 2,
    }


def test_repetitions_are_found_across_files_and_counted_in_the_later_one(make_source):  # A17, A18
    shop = SHOP.replace("orders.csv", "orders-?.csv")
    header = "order,customer,day,pieces,price\n"
    january = header + "A,c,2024-01-30,1,5.00\nB,c,2024-01-31,1,5.00\n"
    february = header + "B,c,2024-01-31,1,5.00\nC,c,2024-02-01,1,5.00\n"
    files = {"orders-1.csv": january, "orders-2.csv": february, "orders-3.csv": january}
    source = make_source(shop, files).build()
    assert sorted(row["order_id"] for row in source.rows("order_lines")) == ["A", "B", "C"]
    found = {(row["file"], row["fate"], row["ordered_month"]): row["n_rows"] for row in source.rows("ledger")}
    assert found == {
        ("orders-1.csv", "used", "2024-01"): 2,
        ("orders-2.csv", "duplicate", "2024-01"): 1,
        ("orders-2.csv", "used", "2024-02"): 1,
        ("orders-3.csv", "duplicate", "2024-01"): 2,
    }


CUSTOMERS = (
    SHOP
    + """  customers:
    files: customers.csv
    columns: {customer_id: id}
    attributes: {size: size}
    exclude: [{column: status, values: [test], reason: test customer}]
"""
)
ORDER = "order,customer,day,pieces,price\nA,c1,2024-01-31,1,5.00\n"


def people(make_source, text, also="") -> list[tuple]:
    files = {"orders.csv": ORDER, "customers.csv": "id,size,status\n" + text}
    rows = make_source(CUSTOMERS + also, files).build().rows("customers")
    return sorted((row["customer_id"], row["size"]) for row in rows)


def test_of_a_customer_that_stands_twice_the_first_row_is_used_where_the_contract_says_so(make_source):
    text = "c1,large,\nc2,small,\nc1,small,\n"
    assert people(make_source, text, "    conflicts: keep\n") == [("c1", "large"), ("c2", "small")]


def test_an_excluded_row_does_not_take_the_place_of_a_good_one(make_source):
    assert people(make_source, "c1,large,test\nc1,small,\n") == [("c1", "small")]


# --- tables taken from the lines -------------------------------------------------------------------------------------


def test_products_of_the_lines_have_the_most_frequent_name(make_source):
    shop = SHOP.replace("unit_price: price", "unit_price: price, product_id: item")
    shop += "  products:\n    from: order_lines\n    columns: {product_id: item, product_name: name}\n"
    rows = ["p1,Lamp", "p1,lamp", "p1,lamp", "p2,b", "p2,a", "p2,", "p3,", ",x"]
    lines = "".join(f"A{number},c,2024-01-31,1,5.00,{row}\n" for number, row in enumerate(rows))
    source = make_source(shop, {"orders.csv": "order,customer,day,pieces,price,item,name\n" + lines}).build()
    found = [(row["product_id"], row["product_name"]) for row in source.rows("products")]
    assert found == [("p1", "lamp"), ("p2", "a"), ("p3", None)]


def test_orders_without_numbers_are_one_per_row(make_source):
    shop = SHOP.replace("order_lines", "orders").replace("order_id: order, ", "")
    shop = shop.replace("quantity: pieces, unit_price: price", "order_amount: sum")
    text = "customer,day,sum\nc,2024-01-31,5.00\nc,2024-01-31,5.00\nd,2024-02-01,7.00\n"
    source = make_source(shop, {"orders.csv": text}).build()
    rows = source.rows("orders")
    assert sorted((row["customer_id"], row["net_amount"]) for row in rows) == [
        ("c", Decimal(5)), ("c", Decimal(5)), ("d", Decimal(7)),
    ]  # fmt: skip
    assert len({row["order_id"] for row in rows}) == 3
