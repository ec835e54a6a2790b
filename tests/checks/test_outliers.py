"""Amounts far above the usual: used, listed with their line, and beside the mean what is not moved by them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from crm_analysis import warehouse
from crm_analysis.checks import outliers


@pytest.fixture(scope="module")
def tables(make_shop, connection):
    """200 lines of 50.00 in May, which is the median."""
    lines = [
        "A,c,2024-05-01,1,50000.01",
        "B,c,2024-05-01,1,50000.00",
        "C,c,2024-05-31,1,60000.00",
        "D,c,2024-06-01,1,99000.00",
    ]
    return warehouse.open_tables(make_shop(*lines).folder, connection)


@pytest.mark.parametrize(("as_of", "month", "lines"), [
    (date(2024, 6, 1), "2024-05", [4, 2]), (date(2024, 7, 1), "2024-06", [5, 4, 2]), (date(2024, 5, 1), "2024-04", []),
])  # fmt: skip
def test_an_outlier_is_more_than_a_thousand_times_the_median_and_known_by_then(tables, as_of, month, lines):
    amounts = outliers.summarise_amounts(tables, ["order_lines"], as_of, 1000)
    largest = outliers.list_largest(outliers.read_noted(tables), amounts, month, 1000, 10)
    outliers.LARGEST.check(largest.columns)
    assert list(largest["line"]) == lines
    assert list(amounts["n_outliers"]) == ([len(lines)] if lines else [])


def test_the_median_and_the_mean_without_outliers_stand_beside_the_mean(tables):
    (one,) = outliers.summarise_amounts(tables, ["order_lines"], date(2024, 6, 1), 1000).to_dict("records")
    total = 200 * 50 + 50000.01 + 50000.00 + 60000.00
    assert (one["n_rows"], one["median_amount"], one["largest_amount"]) == (203, 50, 60000)
    assert one["mean_amount"] == pytest.approx(total / 203)
    assert one["mean_without_amount"] == pytest.approx((200 * 50 + 50000) / 201)
    assert one["outlier_share"] == pytest.approx(110000.01 / total)


def test_only_the_largest_are_listed(tables):
    amounts = outliers.summarise_amounts(tables, ["order_lines"], date(2024, 6, 1), 1000)
    largest = outliers.list_largest(outliers.read_noted(tables), amounts, "2024-05", 1000, 1)
    assert list(largest["amount"]) == [Decimal("60000.00")]
