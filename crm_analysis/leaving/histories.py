"""Orders → what is known of each customer's buying on a day, and what came after: the rows that a forecast learns from.

A day is a number (days since 1970-01-01). What describes a day looks at orders before it only; what came after is asked for
by name (``mark_silent``), from other rows.
"""

from __future__ import annotations

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape

WINDOWS_DAYS = (30, 90, 180, 365)
# The amounts of the half-year before the last one: whether somebody buys more or less than they did.
HALF_YEAR_DAYS, YEAR_DAYS = 180, 365
ORDER_STAGES = (mark("first order"), mark("second order"), mark("regular"))
ACQUIRED = (mark("new, within a year"), mark("old, before that"))

BUYING = Shape(
    "one row per customer with an order before the day",
    {
        "customer_id": Column("id", "the customer"),
        "n_orders": Column("integer", "orders"),
        "n_order_days": Column("integer", "days with an order"),
        "first_ordered_day": Column("integer", "day of the first order"),
        "last_ordered_day": Column("integer", "day of the last order"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "days_since_first_order": Column("integer", "days since the first order"),
        "mean_days_between_orders": Column("fraction", "mean days between order days; empty for one day"),
        "silence_ratio": Column("fraction", "days since the last order per mean days between orders"),
        **{f"n_orders_{n}d": Column("integer", f"orders in the last {n} days") for n in WINDOWS_DAYS},
        **{f"net_amount_{n}d": Column("money", f"net amount of the last {n} days") for n in WINDOWS_DAYS},
        "net_amount_180d_before": Column("money", "net amount of the 180 days before these"),
        **{f"orders_worth_{n}d": Column("fraction", f"the same in the company's mean orders, {n} days") for n in WINDOWS_DAYS},
        "orders_worth_180d_before": Column("fraction", "the same in the company's mean orders, the 180 days before"),
        "average_order_amount": Column("fraction", "net amount per order"),
        "average_orders_worth": Column("fraction", "the same in the company's mean orders"),
        "returned_rate": Column("fraction", "returned amount per gross amount"),
    },
)  # fmt: skip


def sample_customers(table: Table, share: float, seed: int) -> Table:
    """The rows of about this share of the customers: always the same ones for a seed."""
    steps = 1_000_000
    drawn = engine.add_lot(table, "_lot", "customer_id", seed)
    return drawn.filter(nw.col("_lot") % steps < int(share * steps)).drop("_lot")


def summarise_days(days: Table, day: int) -> Table:
    """The first columns of BUYING, to silence_ratio."""
    return _times(_known(days, day).agg(*_counts()).filter(nw.col("n_orders") > 0), day)


def mean_order(days: Table, day: int) -> float:
    """The company's net amount per order before ``day``; 1 where there is none."""
    known = days.filter(nw.col("ordered_day") < day)
    sums = known.select(*[nw.col(one).sum().cast(nw.Float64) for one in ("net_amount", "n_orders")])
    amount, n = engine.collect(sums, 1).iloc[0]
    return float(amount / n) if n > 0 and amount > 0 else 1.0


def describe_buying(days: Table, day: int, unit: float) -> Table:
    """BUYING on ``day``. ``unit``: the company's mean order, in which the same buying looks the same in every currency."""
    at, net = nw.col("ordered_day"), nw.col("net_amount")
    windows = {f"{n}d": at >= day - n for n in WINDOWS_DAYS}
    windows["180d_before"] = (at >= day - 2 * HALF_YEAR_DAYS) & (at < day - HALF_YEAR_DAYS)
    sums = _known(days, day).agg(
        *_counts(),
        *[nw.when(is_in).then(net).sum().alias(f"net_amount_{name}") for name, is_in in windows.items()],
        *[nw.when(at >= day - n).then("n_orders").sum().cast(nw.Int64).alias(f"n_orders_{n}d") for n in WINDOWS_DAYS],
        *[nw.col(f"{kind}_amount").sum().cast(nw.Float64) for kind in ("gross", "returned", "net")],
    )
    known = sums.filter(nw.col("n_orders") > 0)
    return (
        _times(known, day)
        .with_columns(
            **{f"orders_worth_{name}": nw.col(f"net_amount_{name}").cast(nw.Float64) / unit for name in windows},
            average_order_amount=nw.col("net_amount") / nw.col("n_orders"),
            average_orders_worth=nw.col("net_amount") / nw.col("n_orders") / unit,
            returned_rate=nw.when(nw.col("gross_amount") > 0).then(nw.col("returned_amount") / nw.col("gross_amount")),
        )
        .select(*BUYING.columns)
    )


def _known(days: Table, day: int):
    is_order = nw.col("n_orders") > 0
    known = days.filter(nw.col("ordered_day") < day)
    return known.with_columns(order_day=nw.when(is_order).then("ordered_day")).group_by("customer_id")


def _counts() -> list[nw.Expr]:
    return [
        nw.col("n_orders").sum().cast(nw.Int64),
        nw.col("order_day").count().cast(nw.Int64).alias("n_order_days"),
        nw.col("order_day").min().alias("first_ordered_day"),
        nw.col("order_day").max().alias("last_ordered_day"),
    ]


def _times(known: Table, day: int) -> Table:
    first, last, n = nw.col("first_ordered_day"), nw.col("last_ordered_day"), nw.col("n_order_days")
    known = known.with_columns(
        days_since_last_order=day - last,
        days_since_first_order=day - first,
        mean_days_between_orders=nw.when(n > 1).then((last - first) / (n - 1)),
    )
    return known.with_columns(silence_ratio=nw.col("days_since_last_order") / nw.col("mean_days_between_orders"))


def mark_silent(customers: Table, days: Table, day: int, horizon_days: int) -> Table:
    """``customers`` with ``is_lost``: whether they place no order from ``day`` on for ``horizon_days``."""
    at = nw.col("ordered_day")
    came = days.filter(nw.col("n_orders") > 0, at >= day, at < day + horizon_days).select("customer_id").unique()
    marked = customers.join(came.with_columns(_came=nw.lit(True)), on="customer_id", how="left")
    return marked.with_columns(is_lost=nw.col("_came").is_null()).drop("_came")


def lose_buyers(days: Table, start: int, end: int, is_lapsed: nw.Expr) -> Table:
    """Who was not lapsed on the day ``start`` (BUYING's first columns then), with ``is_lost``: lapsed on the day ``end``; and
    ``lost_amount``: of the lost, the net amount of the 365 days that end with their last order, and of returns since.
    ``is_lapsed`` is told from BUYING's first columns."""
    before = summarise_days(days, start).filter(~is_lapsed)
    now = summarise_days(days, end).filter(is_lapsed).select("customer_id", _last="last_ordered_day")
    theirs = days.join(now, on="customer_id", how="inner").filter(
        nw.col("ordered_day") < end, nw.col("ordered_day") > nw.col("_last") - YEAR_DAYS
    )
    amounts = theirs.group_by("customer_id").agg(lost_amount=nw.col("net_amount").sum())
    return before.join(amounts, on="customer_id", how="left").with_columns(is_lost=~nw.col("lost_amount").is_null())


def add_order_stage(customers: Table, name: str) -> Table:
    """The stage of ORDER_STAGES (three orders or more are regular), and in ``acquired`` whether the first order is more than a year
    ago, from BUYING's first columns."""
    n, is_new = nw.col("n_orders"), nw.col("days_since_first_order") <= YEAR_DAYS
    first, second, regular = (nw.lit(one) for one in ORDER_STAGES)
    new, old = (nw.lit(one) for one in ACQUIRED)
    stage = nw.when(n == 1).then(first).when(n == 2).then(second).otherwise(regular)
    return customers.with_columns(stage.alias(name), acquired=nw.when(is_new).then(new).otherwise(old))
