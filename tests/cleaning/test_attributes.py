"""Attributes that are found in a text, and contracts of customers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from crm_analysis.errors import InputError, ParameterError

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, product_id: item, ordered_at: day, line_amount: amount}
  products:
    from: order_lines
    columns: {product_id: item, product_name: name}
    attributes:
      colour: COLOUR
"""
HEADER = "order,customer,item,name,day,amount\n"


def colours(make_source, source: str, *names: str) -> list[str | None]:
    """What ``colour`` is of products with these names."""
    text = HEADER + "".join(f'A{n},c,p{n:03},"{name}",2024-01-31,1.00\n' for n, name in enumerate(names))
    shop = make_source(SHOP.replace("COLOUR", source), {"orders.csv": text}).build()
    found = {row["product_id"]: row["colour"] for row in shop.rows("products")}
    return [found[f"p{n:03}"] for n in range(len(names))]


def test_the_first_entry_that_occurs_as_a_word_is_the_value(make_source):
    found = colours(
        make_source, "{column: name, words: [RED, PINK]}",
        "RED MUG", "mug, red", "Pink and red", "REDUCED MUG", "INFRARED", "blue", "(Red)", "5RED", "ROT",
    )  # fmt: skip
    assert found == ["RED", "RED", "RED", None, None, None, "RED", None, None]


def test_several_words_may_stand_for_one_value_in_any_script(make_source):
    source = "{column: name, words: {red: [RED, SCARLET, 红, 赤], small: [S.], 蓝: [蓝色]}}"
    names = ("scarlet mug", "大红色马克杯", "赤いマグ", "mug S. white", "mug SX white", "深蓝色", "蓝")
    assert colours(make_source, source, *names) == ["red", "red", "red", "small", None, "蓝", None]


def test_words_of_two_scripts_may_touch(make_source):
    names = ("红色XL大衣", "XL红色", "コートXL", "XLARGE红", "赤いTシャツ", "빨간코트")
    found = colours(make_source, "{column: name, words: [XL, Tシャツ, シャツ, 코트]}", *names)
    assert found == ["XL", "XL", "XL", None, "Tシャツ", "코트"]


@pytest.mark.parametrize(
    ("pattern", "expected"), [(r"(\d+) ?ML", ["500", None]), (r"^\w+", ["BOTTLE", "Vase"]), ("(x?)y", [None, None])]
)
def test_a_pattern_gives_its_group_or_its_whole(make_source, pattern, expected):
    assert colours(make_source, f"{{column: name, pattern: '{pattern}'}}", "BOTTLE 500 ML", "Vase") == expected


def test_words_are_found_in_a_file_of_products_too(make_source):
    contract = SHOP.replace("from: order_lines", "files: products.csv").replace(
        "COLOUR", "{column: name, words: [RED]}"
    )
    files = {"orders.csv": HEADER + "A,c,p1,x,2024-01-31,1\n", "products.csv": "item,name\np1,red cup\np2,cup\n"}
    shop = make_source(contract, files).build()
    assert [row["colour"] for row in shop.rows("products")] == ["RED", None]
    filled = {row["column"]: row["n_filled"] for row in shop.rows("completeness") if row["table"] == "products"}
    assert filled == {"product_id": 2, "product_name": 2, "colour": 1}


# --- contracts -------------------------------------------------------------------------------------------------------

DATED = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  contracts:
    files: contracts.csv
    format: {date: "%d.%m.%Y"}
    columns: {contract_id: no, customer_id: customer, started_date: start, ended_date: end, monthly_amount: fee}
    attributes: {plan: plan}
"""
SNAPSHOT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
covers_until: 2024-06-30
tables:
  contracts:
    files: contracts.csv
    columns:
      customer_id: customer
      tenure_months: months
      is_ended: {column: left, yes: ["Yes"], no: ["No"]}
    attributes: {plan: plan}
"""
RUNNING = "".join(f"R{n},c{n},01.02.2024,,9.90,B\n" for n in range(100))


def test_contracts_with_dates(make_source):
    text = "no,customer,start,end,fee,plan\nK1,c1,31.01.2024,29.02.2024,9.90,A\n" + RUNNING
    shop = make_source(DATED, {"contracts.csv": text}).build()
    assert shop.rows("contracts")[0] == {
        "contract_id": "K1", "customer_id": "c1", "started_date": date(2024, 1, 31), "ended_date": date(2024, 2, 29),
        "monthly_amount": Decimal("9.90"), "plan": "A",
    }  # fmt: skip
    assert (shop.meta.first_date, shop.meta.last_date) == ("2024-01-31", "2024-02-29")


def test_a_contract_without_customer_or_start_or_that_ends_before_it_starts_is_rejected(make_source):
    text = "no,customer,start,end,fee,plan\nK1,,31.01.2024,,9.90,A\nK2,c,,,9.90,A\nK3,c,02.02.2024,01.02.2024,9.90,A\n"
    shop = make_source(DATED, {"contracts.csv": text + RUNNING}).build()
    assert shop.rejects() == [(2, "E-ID-1 customer_id"), (3, "E-DATE-1 started_date"), (4, "E-DATE-5 ended_date")]


def test_a_contract_is_used_once(make_source):
    text = "no,customer,start,end,fee,plan\n" + RUNNING + "R1,c1,01.02.2024,,9.90,B\n"
    shop = make_source(DATED, {"contracts.csv": text}).build()
    assert shop.fates() == {("used", None): 100, ("duplicate", None): 1}


def test_a_snapshot_is_of_the_day_that_the_contract_says(make_source):
    text = "customer,months,left,plan\nc1,3,Yes,A\nc2,0, No,B\n"
    shop = make_source(SNAPSHOT, {"contracts.csv": text}).build()
    assert [(row["tenure_months"], row["is_ended"], row["observed_date"]) for row in shop.rows("contracts")] == [
        (3, True, date(2024, 6, 30)),
        (0, False, date(2024, 6, 30)),
    ]
    assert shop.meta.last_complete_month == "2024-06"


def test_a_text_that_is_neither_yes_nor_no_is_rejected(make_source, refused):
    text = "customer,months,left,plan\nc1,3,Yes,A\nc2,0,yes,B\n"
    with refused(InputError, "E-FLAG-1"):
        make_source(SNAPSHOT, {"contracts.csv": text}).build()


def test_a_negative_tenure_is_rejected(make_source):
    text = "customer,months,left,plan\nc1,-1,Yes,A\n" + "".join(f"d{n},0,No,B\n" for n in range(30))
    assert make_source(SNAPSHOT, {"contracts.csv": text}).build().rejects() == [(2, "E-NUM-6 tenure_months")]


def test_a_snapshot_without_its_day_is_refused(make_source, refused):
    with refused(ParameterError, "E-PAR-3") as caught:
        make_source(SNAPSHOT.replace("covers_until: 2024-06-30\n", "")).build()
    assert "covers_until" in caught.value.fix
