"""The company's pulse: its key figures month by month, for the front page.

Money and orders are of all orders, those without a customer included; customers are those who are named. An export of
contracts has a pulse where it tells their dates.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import contracts, engine
from crm_analysis.customers import known_orders
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, mark
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import Column, KeyFigure, Shape, day_number

N_MONTHS = 13

ORDERED = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        "net_amount": Column("money", "sales less returns"),
        "n_orders": Column("integer", "orders"),
        "n_customers": Column("integer", "customers who ordered"),
        "n_new_customers": Column("integer", "customers who ordered for the first time"),
        "average_order_amount": Column("money", "sales less returns, per order"),
        "returned_share": Column("fraction", "returns, as a share of sales"),
    },
)
CONTRACTED = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        "n_running": Column("integer", "customers with a running contract at the month's end"),
        "monthly_amount": Column("money", "amount per month of these"),
        "n_ended": Column("integer", "customers whose last contract ended in the month"),
    },
)
# The short name of a column on a card, and its unit.
_CARDS = {
    "net_amount": (mark("net sales"), "money"),
    "n_orders": (mark("orders"), "count"),
    "n_customers": (mark("customers who ordered"), "count"),
    "n_new_customers": (mark("new customers"), "count"),
    "average_order_amount": (mark("sales per order"), "money"),
    "returned_share": (mark("returns"), "share"),
    "n_running": (mark("running customers"), "count"),
    "monthly_amount": (mark("amount per month"), "money"),
    "n_ended": (mark("customers lost"), "count"),
}


def measure(tables: Tables, run: Run, first_date: date) -> tuple[pd.DataFrame, Shape]:
    """The figures of the 13 months that end with the run's, but for those before ``first_date``'s; without rows where the
    source has neither orders nor dated contracts."""
    starts = [first_of_month(run.month, back) for back in range(1 - N_MONTHS, 1)]
    months = [f"{one:%Y-%m}" for one in starts if f"{one:%Y-%m}" >= f"{first_date:%Y-%m}"]
    if "orders" in tables:
        frame = engine.collect(sum_months(known_orders(tables, run.as_of), starts[0]), N_MONTHS)
        return ORDERED.frame(_fill(frame, months)), ORDERED
    if "contracts" in tables and contracts.is_dated(table := engine.as_table(tables["contracts"])):
        counts = [count_contracts(table, month) for month in months]
        return CONTRACTED.frame(pd.DataFrame(counts, columns=list(CONTRACTED.columns))), CONTRACTED
    return ORDERED.frame(pd.DataFrame(columns=list(ORDERED.columns))), ORDERED


def sum_months(orders: Table, start: date) -> Table:
    """ORDERED without its ratios, of the months from ``start``, from schema.ORDERS."""
    is_order = nw.col("is_order")
    first_month = nw.when(is_order).then("ordered_month").min().over("customer_id")
    orders = orders.with_columns(_first_month=first_month).filter(nw.col("ordered_day") >= day_number(start))
    by_customer = orders.group_by("ordered_month", "customer_id").agg(
        *[nw.col(one).sum() for one in ("net_amount", "gross_amount", "returned_amount")],
        is_order.cast(nw.Int64).sum().cast(nw.Int64).alias("n_orders"),
        nw.col("_first_month").min(),
    )
    is_active = ~nw.col("customer_id").is_null() & (nw.col("n_orders") > 0)
    is_new = is_active & (nw.col("_first_month") == nw.col("ordered_month"))
    return by_customer.group_by(nw.col("ordered_month").alias("month")).agg(
        *[nw.col(one).sum() for one in ("net_amount", "gross_amount", "returned_amount")],
        nw.col("n_orders").sum().cast(nw.Int64),
        is_active.cast(nw.Int64).sum().cast(nw.Int64).alias("n_customers"),
        is_new.cast(nw.Int64).sum().cast(nw.Int64).alias("n_new_customers"),
    )


def _fill(frame: pd.DataFrame, months: list[str]) -> pd.DataFrame:
    """A row for each month, of zeros where nothing was ordered, with the ratios."""
    frame = frame.set_index("month").reindex(months).fillna(0).reset_index()
    for name in ("n_orders", "n_customers", "n_new_customers"):
        frame[name] = frame[name].astype(int)
    net, gross, returned = (frame[f"{one}_amount"].astype(float) for one in ("net", "gross", "returned"))
    frame["average_order_amount"] = net / frame["n_orders"].where(frame["n_orders"] > 0, np.nan)
    frame["returned_share"] = returned / gross.where(gross > 0, np.nan)
    return frame


def count_contracts(table: Table, month: str) -> dict[str, object]:
    """A row of CONTRACTED."""
    start, end = first_of_month(month, 0), first_of_month(month, 1)
    states = contracts.summarise_contracts(table, end)
    is_running, ended = nw.col("is_running"), nw.col("ended_day")
    sums = states.select(
        n_running=is_running.cast(nw.Int64).sum().cast(nw.Int64),
        monthly_amount=nw.when(is_running).then("monthly_amount").sum(),
        n_ended=(~is_running & (ended >= day_number(start))).cast(nw.Int64).sum().cast(nw.Int64),
    )
    return {"month": month, **engine.collect(sums, 1).iloc[0].to_dict()}


def key_figures(frame: pd.DataFrame) -> list[KeyFigure]:
    """The last month's figures beside those of the month before and of a year before, where the frame reaches so far."""

    def at(column: str, back: int) -> object:
        return frame[column].iloc[-back] if len(frame) >= back else None

    return [
        KeyFigure(
            name=_(_CARDS[one][0]), unit=_CARDS[one][1], value=at(one, 1), previous=at(one, 2), last_year=at(one, 13)
        )
        for one in frame.columns[1:]
        if len(frame)
    ]
