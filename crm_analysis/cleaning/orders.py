"""Order lines → orders: the one aggregation of lines that every method starts from."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.amounts import PRECISION
from crm_analysis.cleaning.conversion import is_one_of
from crm_analysis.engine import Table
from crm_analysis.schema import ORDERS


def add_calendar(lines: Table) -> Table:
    """``ordered_date``, ``ordered_day`` (days since 1970-01-01) and ``ordered_month`` beside ``ordered_at``."""
    lines = engine.add_day_number(lines, "ordered_day", "ordered_at")
    return lines.with_columns(
        ordered_date=nw.col("ordered_at").cast(nw.Date),
        ordered_month=nw.col("ordered_at").dt.to_string("%Y-%m"),
    )


def summarise_orders(lines: Table, free_orders: str = "ignore", more: Sequence[str] = ()) -> Table:
    """One row per order of a customer, and one per day on which things of an order came back (schema.ORDERS).

    ``lines`` have customer_id, order_id, ordered_at, line_amount (signed DECIMAL) and kind (schema.KINDS), and perhaps
    profit_amount; ``more``: other columns of theirs to keep, of an order's rows the first text in the alphabet, and the sum of
    quantities. An order is dated by its first line; returns, and orders of free lines alone unless ``free_orders`` is
    ``count``, are rows with ``is_order`` false, dated by their own day, for a return lowers money when it happens and is
    never a visit.
    """
    money = nw.Decimal(PRECISION, lines.collect_schema()["line_amount"].scale)
    counts = is_one_of(nw.col("kind"), ["sale", "free"] if free_orders == "count" else ["sale"])
    lines = lines.with_columns(
        returned_at=nw.when(nw.col("kind") == "return").then(nw.col("ordered_at").dt.truncate("1d")),
        counts=counts.cast(nw.Int8),
    )
    sums = [nw.col("line_amount").sum().cast(money).alias("net_amount")]
    profit = nw.lit(None).cast(money)
    if "profit_amount" in lines.collect_schema():
        sums += [nw.col("profit_amount").sum().cast(money), nw.col("profit_amount").count().alias("n_profits")]
        # Margin is known for an order only where it is known for each of its lines.
        profit = nw.when(nw.col("n_profits") == nw.col("n_lines")).then("profit_amount")
    sums += [nw.col(one).sum() if one == "quantity" else nw.col(one).min() for one in more]
    orders = lines.group_by("customer_id", "order_id", "returned_at").agg(
        nw.col("counts").max(), nw.col("ordered_at").min(), nw.len().alias("n_lines"), *sums
    )
    # All lines of a group came back, or none.
    is_return, amount, zero = ~nw.col("returned_at").is_null(), nw.col("net_amount"), nw.lit(0).cast(money)
    orders = add_calendar(orders).with_columns(
        is_order=nw.col("counts") > 0,
        gross_amount=nw.when(is_return).then(zero).otherwise(amount),
        returned_amount=nw.when(is_return).then(-amount).otherwise(zero),
        profit_amount=profit,
    )
    return orders.select(*ORDERS.columns, *more)
