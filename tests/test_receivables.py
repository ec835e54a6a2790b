"""How customers pay, as it was known on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from crm_analysis import engine
from crm_analysis.receivables import KEYS, known_invoices, sum_payers
from crm_analysis.schema import day_number
from crm_analysis.warehouse import open_tables

AS_OF = date(2024, 7, 1)
START, BEFORE = day_number(date(2024, 1, 1)), day_number(date(2023, 7, 1))


def payments(*rows: tuple) -> pd.DataFrame:
    """(customer, invoiced, due, paid, amount)"""
    days = [tuple(one and date.fromisoformat(one) for one in row[1:4]) for row in rows]
    return pd.DataFrame(
        {
            "invoice_id": [f"i{n}" for n in range(len(rows))], "customer_id": [row[0] for row in rows],
            "invoiced_date": [one[0] for one in days], "due_date": [one[1] for one in days],
            "paid_date": [one[2] for one in days], "invoice_amount": [Decimal(row[4]).quantize(Decimal("0.01")) for row in rows],
        }
    )  # fmt: skip


def pay(frame: pd.DataFrame, *by: str, as_of: date = AS_OF) -> pd.DataFrame:
    invoices = known_invoices({"payments": frame}, as_of, START)
    return engine.collect(sum_payers(invoices, as_of, (START, BEFORE), 0.365, *by), 100)


ROWS = (
    ("a", "2024-02-01", "2024-03-01", "2024-03-01", "100"),  # on its last day: on time
    ("a", "2024-02-01", "2024-03-01", "2024-03-11", "100"),  # ten days late
    ("a", "2024-04-01", "2024-05-02", None, "200"),  # 60 days overdue
    ("a", "2024-06-01", "2024-06-30", "2024-07-01", "300"),  # paid later: open then, a day overdue
    ("a", "2024-06-20", "2024-07-20", None, "400"),  # not due
    ("a", "2024-06-20", "2024-07-20", None, "-50"),  # a credit note
    ("a", "2024-07-01", "2024-07-31", None, "900"),  # not known yet
    ("a", "2023-09-01", "2023-10-01", "2023-10-03", "70"),  # of the window before
    ("a", "2024-06-01", None, None, "30"),  # without a due date
)


def test_invoices_by_hand():
    one = pay(payments(*ROWS)).iloc[0]
    assert (one["n_invoices"], one["n_late"], one["worst_days_late"]) == (4, 3, 60)
    assert one["on_time_share"] == 0.25
    assert one["mean_days_late"] == (0 + 10 + 60 + 1) / 4
    assert one["mean_days_late_before"] == 2
    assert one["open_amount"] == 200 + 300 + 400 - 50 + 30
    assert one["overdue_amount"] == 500
    assert [one[key] for key in KEYS] == [380, 300, 200, 0, 0]
    # At 36.5 % a year a day costs a thousandth.
    assert (
        one["late_cost_amount"]
        == Decimal("13.30")
        == (Decimal(100 * 10 + 200 * 60 + 300 * 1) / 1000).quantize(Decimal("0.01"))
    )


def test_what_is_paid_later_changes_nothing():
    later = [(*row[:3], None, row[4]) if row[3] and row[3] >= "2024-07-01" else row for row in ROWS]
    assert later != list(ROWS)
    pd.testing.assert_frame_equal(pay(payments(*ROWS)), pay(payments(*later)))


def test_cost_counts_only_the_days_of_the_window():
    """Due half a year before the window begins, open all through it: 182 days of 2024 to the first of July."""
    one = pay(payments(("a", "2023-06-01", "2023-07-01", None, "1000"))).iloc[0]
    assert one["late_cost_amount"] == 182
    assert one["overdue_more"] == 1000


def test_customers_sum_to_all():
    rows = [(customer, *row[1:]) for customer in "abc" for row in ROWS]
    by_customer, whole = pay(payments(*rows), "customer_id"), pay(payments(*rows)).iloc[0]
    for name in ("n_invoices", "n_late", "open_amount", "overdue_amount", *KEYS):
        assert by_customer[name].sum() == whole[name], name
    assert by_customer["open_amount"].sum() == sum(by_customer[list(KEYS)].sum())


def test_an_export_without_payments_made_is_all_open():
    frame = payments(*ROWS[:3]).drop(columns="paid_date")
    assert pay(frame).iloc[0]["open_amount"] == 400


def test_accounts_receivable(built_source, real_data, connection):
    """IBM's sample of 2,466 invoices: 64.4363 % on time, 877 late by 9.67959 days, 3.442417 over all."""
    tables, as_of = open_tables(built_source("accounts_receivable"), connection), date(2014, 2, 1)
    invoices = known_invoices(tables, as_of, 0)
    one = engine.collect(sum_payers(invoices, as_of, (0, -1), 0.08), 1).iloc[0]
    assert (one["n_invoices"], one["n_late"], one["open_amount"]) == (2466, 877, 0)
    assert 100 * one["on_time_share"] == pytest.approx(64.4363, abs=5e-5)
    assert one["mean_days_late"] == pytest.approx(3.442417, abs=5e-7)
    assert one["mean_days_late"] * 2466 / 877 == pytest.approx(9.67959, abs=5e-6)
    # A month before its end some were open, and the last of them was not late yet.
    earlier = engine.collect(
        sum_payers(known_invoices(tables, date(2014, 1, 1), 0), date(2014, 1, 1), (0, -1), 0.08), 1
    ).iloc[0]
    assert earlier["open_amount"] > earlier["overdue_amount"] > 0
