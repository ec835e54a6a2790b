"""A month is unlike the three before it where its amounts, its rows, a column or a category jump; and nothing later counts."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_analysis import engine, warehouse
from crm_analysis.checks import drift
from crm_analysis.params import Run

CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: o, customer_id: c, ordered_at: d, line_amount: a, channel: h, salesperson: s}
"""
MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05")
RUN = Run(source="shop", month="2024-04")


def month(
    name: str, n: int = 30, *, amount: str = "10.00", customer: str = "c", channel: str = "web", seller: str = "s"
):
    return [f"{name}-{row},{customer},{name}-{1 + row % 28:02},{amount},{channel},{seller}\n" for row in range(n)]


@pytest.fixture(scope="module")
def find(make_source, connection):
    """``find({month: how it differs})``: code, month and column of what is told."""

    def find(differing: dict[str, dict], run: Run = RUN) -> list[tuple]:
        lines = [line for one in MONTHS for line in month(one, **differing.get(one, {}))]
        shop = make_source(CONTRACT, {"orders.csv": "o,c,d,a,h,s\n" + "".join(lines)}).build()
        tables = warehouse.open_tables(shop.folder, connection)
        noted = engine.collect(tables["completeness"], 10_000)
        found = drift.find_drift(
            tables, noted, run, rows_ratio=3, share_change=0.1, category_share=0.05, min_month_rows=20
        )
        drift.DRIFT.check(found.columns)
        assert drift.warn_of_units(tables, run) == list(found.loc[found["code"] == "E-DRIFT-1", "sentence"])
        return list(zip(found["code"], found["month"], found["column"], strict=True))

    return find


def test_a_business_that_stays_as_it_is_has_no_drift(find):
    assert find({}) == []


@pytest.mark.parametrize(("amount", "is_told"), [("1000.00", True), ("0.10", True), ("100.00", False), ("1.00", False)])
def test_amounts_of_another_unit_are_told_once(find, amount, is_told):
    """More than ten times; per order, and not again per line."""
    assert find({"2024-04": {"amount": amount}}) == ([("E-DRIFT-1", "2024-04", "")] if is_told else [])


def test_a_month_of_the_past_is_told_and_the_months_after_it_are_not(find):
    assert find({"2024-04": {"amount": "1000.00"}}, Run(source="shop", month="2024-05")) == [
        ("E-DRIFT-1", "2024-04", "")
    ]


def test_nothing_after_the_month_is_told(find):
    later = {"amount": "1000.00", "n": 300, "customer": "", "channel": "shop"}
    assert find({"2024-05": later}) == []


@pytest.mark.parametrize(("n", "is_told"), [(91, True), (90, False), (10, False), (9, True)])
def test_many_more_or_fewer_rows_are_told(find, n, is_told):
    assert find({"2024-04": {"n": n}}) == ([("E-DRIFT-2", "2024-04", "")] if is_told else [])


def test_a_month_without_rows_is_told():
    noted = pd.DataFrame([("t", "a", one, 30, 30, 0) for one in MONTHS[:3]])
    noted.columns = ["table", "column", "month", "n_rows", "n_filled", "n_repaired"]
    rows = drift.summarise_activity(noted, "2024-04")
    assert list(rows["n_rows"]) == [30, 30, 30, 0]
    assert list(rows["times_usual"]) == [1, 1, 1, 0]


def test_a_column_that_is_emptied_is_told(find):
    assert find({"2024-04": {"customer": ""}}) == [("E-DRIFT-3", "2024-04", "customer_id")]


def test_a_category_that_comes_and_one_that_goes_are_told_but_no_name(find):
    before = {one: {"channel": "web"} for one in MONTHS[:3]}
    assert find(before | {"2024-04": {"channel": "shop", "seller": "another"}}) == [
        ("E-DRIFT-4", "2024-04", "channel shop"),
        ("E-DRIFT-4", "2024-04", "channel web"),
    ]


def test_months_with_few_rows_are_not_compared(find):
    few = {one: {"n": 19} for one in MONTHS}
    assert find(few | {"2024-04": {"n": 19, "amount": "1000.00", "customer": "", "channel": "shop"}}) == []


def test_the_first_months_have_nothing_to_be_compared_with(find):
    assert find({"2024-03": {"amount": "1000.00"}}, Run(source="shop", month="2024-03")) == []
