"""Text → values: what is read, what is refused and why; nothing is guessed and nothing is rounded."""

from __future__ import annotations

import random
import re
from datetime import datetime
from decimal import Decimal

import pytest


def outcomes(source) -> dict[str, object]:
    """Order → its line, or the code and column for which it was rejected; orders of the tested lines only."""
    found: dict[str, object] = {row["order_id"]: row for row in source.tested()}
    for row in source.rows("rejects"):
        order = re.split(r"[,;\t]", row["raw_text"])[0]
        found[order] = row["reason"]
    return found


# --- numbers ---------------------------------------------------------------------------------------------------------


def prices(make_shop, texts, **kwargs) -> list[object]:
    """Each price text as it is read: a Decimal, or the reason why not."""
    lines = [f'P{number},c,2024-01-31,1,"{text}"' for number, text in enumerate(texts)]
    found = outcomes(make_shop(*lines, **kwargs))
    values = [found[f"P{number}"] for number in range(len(texts))]
    return [value["unit_price"] if isinstance(value, dict) else value.removesuffix(" unit_price") for value in values]


def test_plain_numbers_are_read_exactly(make_shop):
    texts = ["1", "+2", "0.10", "10.990", "3.", " 4.50 ", "\u00a05", "9999999.99", "10000000", "007.50"]
    expected = ["1", "2", "0.10", "10.99", "3", "4.50", "5", "9999999.99", "10000000", "7.50"]
    found = prices(make_shop, texts, also="max_amount: 10000000\n")
    assert found == [Decimal(one) for one in expected]


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("E-NUM-1", ["", "x", "1e3", "inf", "NaN", "1,50", "1,234.50", "1.234,56", "1 000", "--1"]),  # A61, A66
        ("E-NUM-1", ["\uff11\uff12", "(12.50)", "12.50-", "1_000", ".", "-", "0x10", "€", "5 XYZ"]),  # A62, A63
        ("E-NUM-2", ["10.999", "0.001", "1.2345678901234567890"]),  # A63
        ("E-NUM-3", ["10000000.01", "1" + "0" * 17]),  # A66
    ],
)
def test_other_texts_are_rejected_never_rounded(make_shop, code, texts):
    # Money of what is too large would stop the run by itself: let it weigh nothing.
    lines = [f'P{number},c,2024-01-31,{0 if code == "E-NUM-3" else 1},"{text}"' for number, text in enumerate(texts)]
    assert set(outcomes(make_shop(*lines)).values()) == {f"{code} unit_price"}


def test_the_marks_of_the_contract_are_read(make_shop):
    texts = ["1.234,50", "1234,5", "12,00", "1.234.567", "1.23", "1,234.50"]
    form = '{datetime: "%Y-%m-%d", decimal: ",", thousands: "."}'
    header = "order,customer,day,pieces,price\n"
    lines = [f'P{number},c,2024-01-31,1,"{text}"' for number, text in enumerate(texts)]
    # With these marks the 50.00 of the good lines is no number: write them anew.
    good = [f'G{number},g,2024-01-31,1,"50,00"' for number in range(200)]
    source = make_shop(*lines, *good, format=form, header=header, contract=SHOP_OF_OUR_LINES)
    found = outcomes(source)
    assert [found[f"P{n}"]["unit_price"] for n in range(4)] == [
        Decimal(one) for one in ("1234.50", "1234.50", "12", "1234567")
    ]
    assert [found["P4"], found["P5"]] == ["E-NUM-1 unit_price"] * 2


SHOP_OF_OUR_LINES = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
    exclude: [{column: customer_id, prefix: good, reason: written in other marks}]
"""


@pytest.mark.parametrize(
    ("thousands", "text"),
    [(" ", "1 234.50"), ("'", "1'234.50"), ("\u00a0", "1\u00a0234.50"), ("\u202f", "1\u202f234.50")],
)
def test_thousands_are_parted_by_any_mark(make_shop, thousands, text):
    found = prices(make_shop, [text], format=f'{{datetime: "%Y-%m-%d", thousands: "{thousands}"}}')
    assert found == [Decimal("1234.50")]


def test_quantities_have_their_own_number_of_decimals(make_shop):
    lines = ["P0,c,2024-01-31,1.25,2.00", "P1,c,2024-01-31,1.255,2.00", "P2,c,2024-01-31,2,2.00"]
    found = outcomes(make_shop(*lines, also="quantity_decimals: 2\n"))
    assert found["P0"]["quantity"] == Decimal("1.25") and found["P0"]["line_amount"] == Decimal("2.50")
    assert found["P1"] == "E-NUM-2 quantity"
    assert outcomes(make_shop(*lines))["P0"] == "E-NUM-2 quantity"


def test_quantity_times_price_is_exact(make_shop):
    found = outcomes(make_shop("P0,c,2024-01-31,3,0.005", "P1,c,2024-01-31,7,1.115", also="money_decimals: 3\n"))
    assert (found["P0"]["line_amount"], found["P1"]["line_amount"]) == (Decimal("0.015"), Decimal("7.805"))


def test_any_amount_is_read_back_to_the_last_decimal(make_shop):
    draw = random.Random(20240131)
    amounts = [Decimal(draw.randrange(10 ** draw.randint(1, 12))).scaleb(-4) for _ in range(1000)]
    assert (
        prices(make_shop, [f"{one:f}" for one in amounts], also="money_decimals: 4\nmax_amount: 100000000\n") == amounts
    )


@pytest.mark.parametrize(
    "line", ["P,c,2024-01-31,999999999999,99999999999999", "P,c,2024-01-31,5012345678900,10000.00"]
)
def test_numbers_whose_product_is_too_large_are_rejected(make_shop, line):  # A66, A68
    assert outcomes(make_shop(line))["P"].startswith("E-NUM-3")


# --- dates -----------------------------------------------------------------------------------------------------------


def days(make_shop, texts, **kwargs) -> list[object]:
    found = outcomes(make_shop(*[f"D{number},c,{text},1,1.00" for number, text in enumerate(texts)], **kwargs))
    values = [found[f"D{number}"] for number in range(len(texts))]
    return [value["ordered_at"] if isinstance(value, dict) else value.removesuffix(" ordered_at") for value in values]


def test_dates_are_read_by_the_format_alone(make_shop):
    texts = ["2024-01-31", "2024-02-29", " 2024-03-01 "]
    assert days(make_shop, texts) == [
        datetime.fromisoformat("2024-01-31"),
        datetime.fromisoformat("2024-02-29"),
        datetime.fromisoformat("2024-03-01"),
    ]


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("E-DATE-1", ["", "31.01.2024", "01/31/2024", "20240131", "2024-01-31 10:00", "45297", "soon"]),  # A69
        ("E-DATE-1", ["2024-02-30", "2023-02-29", "2024-13-01", "0000-00-00", "\uff12\uff10\uff12\uff14-01-31"]),  # A72
        ("E-DATE-1", ["infinity", "-infinity", "epoch", "EPOCH"]),  # A73
        ("E-DATE-3", ["1989-12-31", "2100-01-01", "9999-12-31", "24-01-31"]),  # A73, A75
    ],
)
def test_other_days_are_rejected(make_shop, code, texts):
    assert set(days(make_shop, texts)) == {code}


def test_day_and_month_are_never_swapped(make_source):  # A70, A71
    shop = SHOP_OF_OUR_LINES.replace("%Y-%m-%d", "%d/%m/%Y")
    good = "".join(f"A{number},c,05/06/2024,1,50.00\n" for number in range(100))
    source = make_source(
        shop, {"orders.csv": "order,customer,day,pieces,price\nX,c,06/25/2024,1,1.00\n" + good}
    ).build()
    assert source.rejects() == [(2, "E-DATE-1 ordered_at")]
    assert {row["ordered_at"] for row in source.rows("order_lines")} == {datetime.fromisoformat("2024-06-05")}


def test_valid_dates_are_those_of_the_contract_borders_included(make_shop):
    texts = ["2023-12-31", "2024-01-01", "2024-12-31", "2025-01-01"]
    found = days(make_shop, texts, also="valid_dates: {from: 2024-01-01, to: 2024-12-31}\n")
    assert found == ["E-DATE-3", datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2024-12-31"), "E-DATE-3"]


def test_a_moment_with_an_offset_becomes_the_time_of_the_business(make_source):  # A76
    shop = SHOP_OF_OUR_LINES.replace("%Y-%m-%d", "%Y-%m-%dT%H:%M%z").replace("Europe/Berlin", "Asia/Shanghai")
    texts = ["2024-01-31T23:30+0000", "2024-01-31T23:30+08:00", "2024-01-31T10:00-0600", "2024-01-31T15:59+00"]
    lines = "".join(f"D{number},c,{text},1,1.00\n" for number, text in enumerate(texts))
    source = make_source(shop, {"orders.csv": "order,customer,day,pieces,price\n" + lines}).build()
    assert {row["order_id"]: (row["ordered_at"], row["ordered_month"]) for row in source.rows("orders")} == {
        "D0": (datetime.fromisoformat("2024-02-01 07:30"), "2024-02"),
        "D1": (datetime.fromisoformat("2024-01-31 23:30"), "2024-01"),
        "D2": (datetime.fromisoformat("2024-02-01 00:00"), "2024-02"),
        "D3": (datetime.fromisoformat("2024-01-31 23:59"), "2024-01"),
    }


def test_a_moment_in_utc_may_be_written_with_z(make_source):  # A76
    shop = SHOP_OF_OUR_LINES.replace("%Y-%m-%d", "%Y-%m-%dT%H:%M%z").replace("Europe/Berlin", "Asia/Shanghai")
    source = make_source(
        shop, {"orders.csv": "order,customer,day,pieces,price\nA,c,2024-01-31T23:30Z,1,1.00\n"}
    ).build()
    assert source.rows("orders")[0]["ordered_month"] == "2024-02"


def test_the_hour_that_summer_time_repeats_loses_no_row(make_source):  # A77
    shop = SHOP_OF_OUR_LINES.replace("%Y-%m-%d", "%Y-%m-%dT%H:%M%z")
    texts = ["2024-03-31T00:59+0000", "2024-03-31T01:00+0000", "2024-10-27T00:30+0000", "2024-10-27T01:30+0000"]
    lines = "".join(f"D{number},c,{text},1,1.00\n" for number, text in enumerate(texts))
    source = make_source(shop, {"orders.csv": "order,customer,day,pieces,price\n" + lines}).build()
    hours = {row["order_id"]: row["ordered_at"].strftime("%d %H:%M") for row in source.rows("orders")}
    assert hours == {"D0": "31 01:59", "D1": "31 03:00", "D2": "27 02:30", "D3": "27 02:30"}


# --- ids -------------------------------------------------------------------------------------------------------------


def customers(make_shop, texts, **kwargs) -> list[str | None]:
    lines = [f'I{number},"{text}",2024-01-31,1,1.00' for number, text in enumerate(texts)]
    found = outcomes(make_shop(*lines, **kwargs))
    return [found[f"I{number}"]["customer_id"] for number in range(len(texts))]


def test_an_id_is_the_text_that_stands_there(make_shop):  # A49, A50, A51, A53, A54
    texts = ["007", "7", "9E", "90071992547409930001", "TRUE", "NA", "None", "N/A", "c 1", "王芳", "0", "NULLA"]
    assert customers(make_shop, texts) == texts


def test_blanks_around_an_id_are_no_part_of_it(make_shop):  # A55
    texts = [" c1", "c1 ", "\tc1", "c1\u00a0", "\u3000c1\u3000", "\u200bc1", "c1\ufeff", "c1"]
    source = make_shop(*[f'I{number},"{text}",2024-01-31,1,1.00' for number, text in enumerate(texts)])
    assert {row["customer_id"] for row in source.tested()} == {"c1"}
    told = [row["n_repaired"] for row in source.rows("completeness") if row["column"] == "customer_id"]
    assert sum(told) == 7


def test_an_id_written_as_a_missing_one_is_none(make_shop):  # A52
    assert customers(make_shop, ["", "  ", "NULL", "null", "NaN", "nan", " NULL\u00a0"]) == [None] * 7


@pytest.mark.parametrize(
    ("rule", "texts", "expected"),
    [
        (
            '{column: customer, strip_suffix: ".0"}',
            ["17850.0", "17850", "1.0.0", ".0", "10"],
            ["17850", "17850", "1.0", None, "10"],
        ),
        ('{column: customer, strip_prefix: "C-"}', ["C-7", "7", "C-C-7", "c-7"], ["7", "7", "C-7", "c-7"]),
        ('{column: customer, strip_prefix: "(+", strip_suffix: "$)"}', ["(+7$)", "7"], ["7", "7"]),
    ],
)
def test_prefix_and_suffix_of_the_contract_go_once_and_literally(make_shop, rule, texts, expected):
    shop = SHOP_OF_OUR_LINES.replace("customer_id: customer,", f"customer_id: {rule},")
    assert customers(make_shop, texts, contract=shop) == expected


@pytest.mark.parametrize("text", ["", " ", "NULL"])
def test_a_line_without_an_order_is_rejected(make_shop, text):
    assert list(outcomes(make_shop(f'"{text}",c,2024-01-31,1,1.00')).values()) == ["E-ID-1 order_id"]


def test_the_first_column_that_cannot_be_read_is_told(make_shop):
    assert outcomes(make_shop("X,c,soon,many,free"))["X"] == "E-DATE-1 ordered_at"
