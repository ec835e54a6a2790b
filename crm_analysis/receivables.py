"""Invoices → how each customer pays, as it was known on a day.

An invoice is known from its day on, and paid once its day of payment is before ``as_of``: one that is paid later is still open then.
*On time*: paid by its due date, or not yet due. *Days late*: from the due date to the payment, of an open one to ``as_of``; 0 where
it is on time. Invoices without a due date can neither be late nor on time; credit notes (below zero) lower what is open, and are no
invoices. *Cost of late payment*: the amount × the days past due that fall in the window × the cost of capital a year / 365.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape, day_number

# The buckets of what is overdue: days from, and up to.
BUCKETS = {
    mark("not due"): (None, 0), mark("1–30 days"): (1, 30), mark("31–60 days"): (31, 60), mark("61–90 days"): (61, 90),
    mark("over 90 days"): (91, None),
}  # fmt: skip
KEYS = ("not_due", "overdue_30", "overdue_60", "overdue_90", "overdue_more")
DAYS_A_YEAR = 365

INVOICES = Shape(
    "one row per invoice or credit note that is known",
    {
        "customer_id": Column("id", "who owes it; empty where not known"),
        "invoiced_day": Column("integer", "day of the invoice, days since 1970-01-01"),
        "due_day": Column("integer", "last day on which it is paid in time; empty where none is agreed"),
        "invoice_amount": Column("money", "amount; below zero a credit note"),
        "is_open": Column("flag", "not paid by then"),
        "is_judged": Column("flag", "an invoice with a due date, paid or past due: on time or late"),
        "days_late": Column("integer", "days past due, of an open one so far; 0 where on time"),
        "cost_days": Column("integer", "of these, the days within the window"),
    },
)
PAYERS = Shape(
    "one row per customer with an invoice",
    {
        "customer_id": Column("id", "the customer"),
        "n_invoices": Column("integer", "invoices of the window that are paid or past due"),
        "n_late": Column("integer", "of these, paid late or overdue"),
        "on_time_share": Column("fraction", "share of these that was paid on time"),
        "mean_days_late": Column("fraction", "days late, mean over all of these"),
        "mean_days_late_before": Column("fraction", "the same of the window before"),
        "worst_days_late": Column("integer", "most days late"),
        "open_amount": Column("money", "open, credit notes taken off"),
        "overdue_amount": Column("money", "of this past due"),
        **{key: Column("money", words) for key, words in zip(KEYS, BUCKETS, strict=True)},
        "late_cost_amount": Column("money", "cost of late payment in the window"),
    },
)


def known_invoices(tables: Tables, as_of: date, start: int) -> Table:
    """INVOICES at ``as_of``; ``start``: the first day of the window that bears the cost. Nothing later is looked at."""
    end = day_number(as_of)
    rows = engine.as_table(tables["payments"])
    # Only what is there: an export may hold no day of payment at all.
    has_payment = "paid_date" in rows.collect_schema().names()
    rows = engine.add_day_number(rows, "invoiced_day", "invoiced_date")
    rows = engine.add_day_number(rows, "due_day", "due_date")
    if has_payment:
        rows = engine.add_day_number(rows, "paid_day", "paid_date")
    paid = nw.col("paid_day").cast(nw.Int64) if has_payment else nw.lit(None).cast(nw.Int64)
    rows = rows.filter(nw.col("invoiced_day") < end).with_columns(
        invoiced_day=nw.col("invoiced_day").cast(nw.Int64),
        due_day=nw.col("due_day").cast(nw.Int64),
        paid_day=nw.when(paid < end).then(paid),
    )
    settled = nw.col("paid_day").fill_null(end)
    is_invoice = (nw.col("invoice_amount") > 0) & ~nw.col("due_day").is_null()
    is_open = nw.col("paid_day").is_null()
    late = nw.max_horizontal(settled - nw.col("due_day"), nw.lit(0))
    # The first of these days is the one after the due date.
    within = settled - nw.max_horizontal(nw.col("due_day"), nw.lit(start))
    return rows.with_columns(
        is_open=is_open,
        is_judged=is_invoice & (~is_open | (nw.col("due_day") < end)),
        days_late=nw.when(is_invoice).then(late).otherwise(nw.lit(0)).cast(nw.Int64),
        cost_days=nw.when(is_invoice & (late > 0))
        .then(nw.max_horizontal(within, nw.lit(0)))
        .otherwise(nw.lit(0))
        .cast(nw.Int64),
    ).select(*INVOICES.columns)


def sum_payers(invoices: Table, as_of: date, starts: tuple[int, int], cost_of_capital_rate: float, *by: str) -> Table:
    """PAYERS from INVOICES, by these columns; by none in one row for all. ``starts``: the first day of the window and of the one
    before it; an invoice belongs to the window in which it was due."""
    end, (start, before) = day_number(as_of), starts
    due, amount, late = nw.col("due_day"), nw.col("invoice_amount"), nw.col("days_late")
    # An invoice paid before it was due counts in the window, too.
    is_now = nw.col("is_judged") & (due >= start)
    is_then = nw.col("is_judged") & (due >= before) & (due < start)
    zero, open_ = nw.lit(0), nw.col("is_open")
    overdue = nw.when(open_ & (due < end)).then(end - due).otherwise(zero)

    def count(condition: nw.Expr) -> nw.Expr:
        return condition.cast(nw.Int64).fill_null(0).sum().cast(nw.Int64)

    def add(condition: nw.Expr, value: nw.Expr = amount) -> nw.Expr:
        return nw.when(condition).then(value).otherwise(zero).sum()

    aged = [
        add(open_ & (overdue >= (low or 0)) & (overdue <= (10**9 if high is None else high))).alias(key)
        for key, (low, high) in zip(KEYS, BUCKETS.values(), strict=True)
    ]
    # Money × days is exact; the rate comes last.
    lasting = (amount * nw.col("cost_days").cast(nw.Decimal(9, 0))).sum()
    sums = [
        count(is_now).alias("n_invoices"), count(is_now & (late > 0)).alias("n_late"), count(is_then).alias("n_before"),
        add(is_now, late).cast(nw.Int64).alias("days"), add(is_then, late).cast(nw.Int64).alias("days_before"),
        nw.when(is_now).then(late).max().alias("worst_days_late"), add(open_).alias("open_amount"),
        add(open_ & (overdue > 0)).alias("overdue_amount"), *aged, lasting.alias("lasting"),
    ]  # fmt: skip
    table = invoices.group_by(*by).agg(*sums) if by else invoices.select(*sums)
    n, n_before = (nw.col(one).cast(nw.Float64) for one in ("n_invoices", "n_before"))
    return table.with_columns(
        on_time_share=nw.when(n > 0).then(1 - nw.col("n_late") / n),
        mean_days_late=nw.when(n > 0).then(nw.col("days") / n),
        mean_days_late_before=nw.when(n_before > 0).then(nw.col("days_before") / n_before),
        late_cost_amount=engine.as_money(nw.col("lasting").cast(nw.Float64) * (cost_of_capital_rate / DAYS_A_YEAR)),
    ).select(*by, *[one for one in PAYERS.columns if one != "customer_id"])
