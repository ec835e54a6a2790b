"""Each problem that is there is told with its rows and money, and what it does to which report; others are not."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from crm_analysis.checks import effects
from crm_analysis.checks.consistency import NO_ROW, SHARED_ORDER

LEDGER = pd.DataFrame(
    [
        ("order_lines", "used", "sale", True, 90, Decimal("900.00")),
        ("order_lines", "used", "sale", False, 5, Decimal("50.00")),
        ("order_lines", "rejected", "return", False, 2, Decimal("-7.00")),
        ("order_lines", "rejected", None, False, 3, Decimal("0.00")),
        ("order_lines", "duplicate", "sale", True, 1, Decimal("4.00")),
        ("payments", "used", None, False, 6, Decimal("60.00")),
        ("payments", "rejected", None, True, 8, Decimal("0.00")),
        ("products", "used", None, False, 9, Decimal("0.00")),
    ],
    columns=["table", "fate", "kind", "has_customer", "n_rows", "line_amount"],
)


def test_problems_of_the_ledger():
    assert sorted(effects.find_in_ledger(LEDGER), key=str) == [
        ("duplicates", "order_lines", 1, Decimal("4.00")),
        ("rejected_returns", "order_lines", 2, Decimal("-7.00")),
        ("rejected_rows", "payments", 8, None),
        ("rejected_sales", "order_lines", 3, None),
    ]


def test_rows_of_nobody_are_a_problem_where_a_table_names_a_customer():
    columns = {"order_lines": ["customer_id"], "payments": ["customer_id"], "products": ["product_id"]}
    assert effects.find_nobody(LEDGER, columns) == [
        ("no_customer", "order_lines", 5, Decimal("50.00")),
        ("nobody", "payments", 6, Decimal("60.00")),
    ]
    assert effects.find_nobody(LEDGER, {"payments": ["invoice_id"]}) == []


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ([("order_lines", "product_id", 100, 0.9), ("order_lines", "profit_amount", 100, 1.0)], [("no_product", 10)]),
        ([("order_lines", "product_id", 100, 1.0), ("products", "unit_cost", 9, 1.0)], []),
        ([("orders", "order_id", 100, 1.0)], [("no_margin", 100)]),
        ([("payments", "invoice_id", 100, 1.0)], []),
    ],
)
def test_problems_of_columns(columns, found):
    frame = pd.DataFrame(columns, columns=["table", "column", "n_rows", "filled_share"])
    assert [(key, n) for key, _table, n, _amount in effects.find_in_columns(frame)] == found


def test_contradictions_that_reports_suffer_from():
    rows = [
        ("order_lines", NO_ROW.format(column="product_id", table="products"), 3, Decimal("9.00")),
        ("payments", NO_ROW.format(column="customer_id", table="customers"), 2, None),
        ("order_lines", SHARED_ORDER, 0, None),
    ]
    frame = pd.DataFrame(rows, columns=["table", "check", "n_wrong", "amount"])
    assert effects.find_contradictions(frame) == [
        ("unknown_product", "order_lines", 3, Decimal("9.00")),
        ("unknown_customer", "payments", 2, None),
    ]


def test_each_effect_is_a_row_with_its_reports():
    found = effects.list_effects(
        [("rejected_returns", "order_lines", 2, Decimal("7.00")), ("no_customer", "orders", 5, None)]
    )
    effects.EFFECTS.check(found.columns)
    assert list(found["problem"]) == ["orders without a customer"] * 2 + ["returns that could not be read"]
    assert found["reports"][2] == "RFM, deciles, and LTV"
    assert found["effect"][2].startswith("Customers look better than they are")


def test_every_problem_can_be_told_of_a_table():
    found = effects.list_effects([(key, "payments", 1, None) for key in effects.PROBLEMS])
    assert set(found["problem"]) == {one.words.format(table="payments") for one in effects.PROBLEMS.values()}
    assert not found[["problem", "reports", "effect"]].isna().any(axis=None)


def test_without_problems_nothing_is_told():
    assert effects.list_effects([]).empty
