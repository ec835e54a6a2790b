"""Order lines → orders: the one aggregation of lines that every method starts from."""

from __future__ import annotations

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.amounts import PRECISION
from crm_analysis.engine import Table
from crm_analysis.schema import ORDERS


def add_calendar(lines: Table) -> Table:
    """``ordered_date``, ``ordered_day`` (days since 1970-01-01) and ``ordered_month`` beside ``ordered_at``."""
    lines = engine.add_day_number(lines, "ordered_day", "ordered_at")
    return lines.with_columns(
        ordered_date=nw.col("ordered_at").cast(nw.Date),
        ordered_month=nw.col("ordered_at").dt.to_string("%Y-%m"),
    )


def summarise_orders(lines: Table, free_orders: str = "ignore") -> Table:
    """One row per order of a customer, and one per day on which things of an order came back (schema.ORDERS).

    ``lines`` have customer_id, order_id, ordered_at, line_amount (signed DECIMAL) and kind (schema.KINDS), and perhaps
    profit_amount. An order is dated by its first line; returns, and orders of free lines alone unless ``free_orders`` is
    ``count``, are rows with ``is_order`` false, dated by their own day, for a return lowers money when it happens and is
    never a visit.
    """
    amount = nw.col("line_amount")
    scale = lines.collect_schema()["line_amount"].scale
    is_return = nw.col("kind") == "return"
    counts = nw.col("kind").is_in(["sale", "free"] if free_orders == "count" else ["sale"])
    zero = nw.lit(0).cast(nw.Decimal(PRECISION, scale))
    profit = nw.col("profit_amount") if "profit_amount" in lines.collect_schema() else nw.lit(None)
    lines = lines.with_columns(
        is_return=is_return,
        returned_at=nw.when(is_return).then(nw.col("ordered_at").dt.truncate("1d")),
        counts=counts.cast(nw.Int8),
        gross_amount=nw.when(~is_return).then(amount).otherwise(zero),
        returned_amount=nw.when(is_return).then(-amount).otherwise(zero),
        profit_amount=profit.cast(nw.Decimal(PRECISION, scale)),
    )
    orders = lines.group_by("customer_id", "order_id", "is_return", "returned_at").agg(
        nw.col("counts").max().alias("counts"),
        nw.col("ordered_at").min(),
        nw.len().alias("n_lines"),
        *[
            nw.col(name).sum().cast(nw.Decimal(PRECISION, scale)).alias(name)
            for name in ("gross_amount", "returned_amount")
        ],
        # Margin is known for an order only where it is known for each of its lines.
        nw.col("profit_amount").sum().cast(nw.Decimal(PRECISION, scale)).alias("profit_amount"),
        nw.col("profit_amount").count().alias("n_profits"),
    )
    orders = add_calendar(orders).with_columns(
        is_order=nw.col("counts") > 0,
        net_amount=(nw.col("gross_amount") - nw.col("returned_amount")).cast(nw.Decimal(PRECISION, scale)),
        profit_amount=nw.when(nw.col("n_profits") == nw.col("n_lines")).then("profit_amount"),
    )
    return orders.select(*ORDERS.columns)
