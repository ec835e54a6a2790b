"""Other currencies: their signs, and exact conversion with one rounding."""

from __future__ import annotations

import random
import re
from decimal import ROUND_HALF_EVEN, Decimal

import narwhals as nw
import pyarrow as pa
import pytest
from babel.numbers import list_currencies

from crm_analysis.cleaning.currencies import _at_rate, sign_pattern, signs


@pytest.mark.parametrize("decimals", [0, 2, 3])
def test_a_converted_amount_is_the_exact_product_rounded_half_to_even(connection, collect, decimals):
    """Against Python's Decimal, ties among them."""
    draw = random.Random(decimals)
    amounts = [Decimal(draw.randrange(-(10**9), 10**9)).scaleb(-4) for _ in range(500)]
    rates = [Decimal(draw.randrange(1, 10**12)).scaleb(-draw.randint(7, 12)) for _ in range(500)]
    amounts += [Decimal(n).scaleb(-4) for n in range(-500, 500)]
    rates += [Decimal("0.5")] * 1000
    table = pa.table(
        {"amount": pa.array(amounts, pa.decimal128(18, 4)), "_rate": pa.array(rates, pa.decimal128(18, 12))}
    )
    rows = nw.from_native(connection.from_arrow(table))
    found = collect(rows.with_columns(found=_at_rate("amount", 4, decimals)))
    step = Decimal(1).scaleb(-decimals)
    expected = [(a * r).quantize(step, ROUND_HALF_EVEN) for a, r in zip(found["amount"], found["_rate"], strict=True)]
    assert list(found["found"]) == expected


def test_every_currency_has_signs_and_none_is_a_number():
    for code in list_currencies():
        assert code in signs(code) and not any(re.search(r"\d|^[+-]?$", one) for one in signs(code))


@pytest.mark.parametrize(
    ("code", "own"), [("CNY", "¥"), ("JPY", "¥"), ("CAD", "$"), ("SEK", "kr"), ("CHF", "Fr."), ("PLN", "zł")]
)
def test_the_signs_at_home(code, own):
    assert own in signs(code)
    assert re.fullmatch(sign_pattern(code), own)


def test_the_euro_is_no_sign_of_the_dollar():
    assert "€" not in signs("USD") and "$" not in signs("EUR")
