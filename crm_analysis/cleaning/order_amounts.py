"""Amounts of a whole order that an export writes on one of its lines: a discount on all of them, and what was paid back."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.amounts import PRECISION
from crm_analysis.cleaning.rules import POSITION, ROW_HASH
from crm_analysis.engine import Table
from crm_analysis.sources.contract import TableContract

# What a refund knows of its order; of products it knows nothing.
_OF_ORDER = ("order_id", "customer_id", "ordered_at", "region", "channel", "salesperson", POSITION, "_fate", "_why")


def spread_order_amounts(rows: Table, table: TableContract) -> Table:
    """Settled rows whose ``line_amount`` is net of their order's discount, and one more, a return, per order paid back."""
    if "whole_order_amount" in table.columns:
        rows = lower_to_whole(rows)
    if "refunded_amount" in table.columns:
        rows = add_refunds(rows)
    return rows


def lower_to_whole(rows: Table) -> Table:
    """Sales of an order that add up to more than ``whole_order_amount``, lowered in proportion so that they add up to it exactly:
    up to each line as much of the whole has been given as of the lines, rounded down to the smallest part."""
    scale = rows.collect_schema()["line_amount"].scale
    is_sale = (nw.col("_fate") == "used") & (nw.col("kind") == "sale")
    # Whole numbers of the smallest part, in 128 bits: the products are exact.
    units = (nw.when(is_sale).then(nw.col("line_amount")).otherwise(nw.lit(0)) * 10**scale).cast(nw.Int128)
    rows = rows.with_columns(_units=units, _whole=(nw.col("whole_order_amount") * 10**scale).cast(nw.Int128))
    rows = rows.with_columns(
        _upto=nw.col("_units").cum_sum().over("order_id", order_by=POSITION),
        _total=nw.col("_units").sum().over("order_id"),
        _whole=nw.when(nw.col("_fate") == "used").then(nw.col("_whole")).max().over("order_id"),
    )
    upto, total, whole = nw.col("_upto"), nw.col("_total"), nw.col("_whole")
    given = upto * whole // total - (upto - nw.col("_units")) * whole // total
    smallest_part = nw.lit(Decimal(1).scaleb(-scale))
    net = (given.cast(nw.Decimal(PRECISION, 0)) * smallest_part).cast(nw.Decimal(PRECISION, scale))
    is_lowered = is_sale & (whole >= 0) & (whole < total)
    rows = rows.with_columns(line_amount=nw.when(is_lowered).then(net).otherwise(nw.col("line_amount")))
    is_free = is_lowered & (nw.col("line_amount") == 0)
    rows = rows.with_columns(kind=nw.when(is_free).then(nw.lit("free")).otherwise(nw.col("kind")))
    return engine.materialise(rows.drop("_units", "_upto", "_total", "_whole"))


def add_refunds(rows: Table) -> Table:
    """``refunded_amount`` of used rows as returns beside them, dated as their orders are; no rows of the file: without hash."""
    types = rows.collect_schema()
    paid_back = nw.col("refunded_amount").abs()
    refunds = rows.filter((nw.col("_fate") == "used") & (paid_back > 0)).with_columns(
        kind=nw.lit("return"),
        line_amount=(-paid_back).cast(types["line_amount"]),
        **{
            name: nw.lit(None).cast(one)
            for name, one in types.items()
            if name not in (*_OF_ORDER, "kind", "line_amount") or name == ROW_HASH
        },
    )
    return nw.concat([rows, refunds])
