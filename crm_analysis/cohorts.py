"""Customers by the time of their first order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.customers import known_orders
from crm_analysis.engine import Table, Tables
from crm_analysis.params import first_of_month
from crm_analysis.schema import Column, Shape, day_number

# More quarters than these are shown as years.
MOST_QUARTERS = 8

CURVES = Shape(
    "one row per cohort and month since the first order",
    {
        "cohort": Column("text", "first order in"),
        "months_since_first": Column("integer", "months since the first order"),
        "mean_amount": Column("fraction", "net amount up to then per customer"),
    },
)
RETENTION = Shape(
    "one row per month of first orders and month since",
    {
        "cohort_month": Column("text", "first order in"),
        "months_since_first": Column("integer", "months since the first order"),
        "n_customers": Column("integer", "customers"),
        "n_active": Column("integer", "customers with an order in that month"),
        "active_share": Column("fraction", "share of customers with an order in that month"),
        "amount": Column("money", "net amount up to then"),
        "mean_amount": Column("money", "net amount up to then per customer"),
    },
)


@dataclass(frozen=True)
class Cohort:
    """A quarter or a year of first orders: from ``begin`` to the day before ``end``."""

    name: str
    begin: date
    end: date


def month_number(column: str) -> nw.Expr:
    """The month of a date, counted from year 0: two of them differ by the months between."""
    return nw.col(column).dt.year().cast(nw.Int64) * 12 + nw.col(column).dt.month().cast(nw.Int64) - 1


def number_of(month: str) -> int:
    """The same of a month such as ``2026-10``."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def name_of(number: int) -> str:
    """The month with this number, as ``2026-10``."""
    return f"{number // 12:04}-{number % 12 + 1:02}"


def list_cohorts(customers: Table, as_of: date) -> list[Cohort]:
    """The cohorts of customers (schema.CUSTOMERS) up to ``as_of``, the oldest first."""
    first = engine.collect(customers.select(day=nw.col("first_ordered_day").min()), 1)["day"].iloc[0]
    start = date.fromordinal(date(1970, 1, 1).toordinal() + int(first))
    last = date.fromordinal(as_of.toordinal() - 1)
    quarters = 4 * (last.year - start.year) + (last.month - 1) // 3 - (start.month - 1) // 3 + 1
    months = 3 if quarters <= MOST_QUARTERS else 12
    begin, found = date(start.year, 3 * ((start.month - 1) // 3) + 1 if months == 3 else 1, 1), []
    while begin < as_of:
        end = first_of_month(f"{begin:%Y-%m}", months)
        name = f"{begin.year} Q{(begin.month + 2) // 3}" if months == 3 else str(begin.year)
        found.append(Cohort(name, begin, end))
        begin = end
    return found


def cohort_of(cohorts: list[Cohort]) -> nw.Expr:
    """The name of a customer's cohort, from ``first_ordered_day``."""
    day = nw.col("first_ordered_day")
    return nw.coalesce(
        *[
            nw.when((day >= day_number(one.begin)) & (day < day_number(one.end))).then(nw.lit(one.name))
            for one in cohorts
        ]
    )


def cumulate_amounts(tables: Tables, customers: Table, as_of: date) -> pd.DataFrame:
    """CURVES: the net amount per customer from the first order on, for each cohort as far as all its customers have come, those
    of the current month left out."""
    cohorts = list_cohorts(customers, as_of)
    orders = known_orders(tables, as_of).filter(~nw.col("customer_id").is_null())
    orders = orders.with_columns(month=month_number("ordered_date"))
    first = orders.filter("is_order").group_by("customer_id").agg(first_month=nw.col("month").min())
    people = first.join(customers.select("customer_id", cohort=cohort_of(cohorts)), on="customer_id", how="inner")
    joined = orders.join(people, on="customer_id", how="inner")
    # What came back before the first known order counts with it.
    since = nw.max_horizontal(nw.col("month") - nw.col("first_month"), nw.lit(0))
    sums = joined.group_by("cohort", since.alias("months_since_first")).agg(nw.col("net_amount").sum())
    frame = engine.collect(sums.sort("cohort", "months_since_first"), 100_000)
    sizes = engine.collect(people.group_by("cohort").agg(n=nw.len()), len(cohorts)).set_index("cohort")["n"]
    found = []
    for one in [one for one in cohorts if one.name in sizes.index]:
        until = min(one.end, as_of)
        seen = 12 * (as_of.year - until.year) + as_of.month - until.month
        own = frame[frame["cohort"] == one.name].set_index("months_since_first")["net_amount"].astype(float)
        amounts = own.reindex(range(seen + 1)).fillna(0.0).cumsum() / sizes[one.name]
        if not seen:
            continue
        curve = {"cohort": one.name, "months_since_first": amounts.index, "mean_amount": amounts.to_numpy()}
        found.append(pd.DataFrame(curve))
    return CURVES.frame(pd.concat([pd.DataFrame(columns=list(CURVES.columns)), *found]))


def retain(tables: Tables, as_of: date) -> pd.DataFrame:
    """RETENTION: of the customers of each month of first orders, how many ordered in each month since, up to ``as_of``, and what
    all of them brought up to then."""
    orders = known_orders(tables, as_of).filter(~nw.col("customer_id").is_null())
    months = (
        orders.with_columns(month=month_number("ordered_date"))
        .group_by("customer_id", "month")
        .agg(nw.col("is_order").cast(nw.Int64).max().alias("is_active"), nw.col("net_amount").sum())
    )
    first = months.filter(nw.col("is_active") == 1).group_by("customer_id").agg(cohort=nw.col("month").min())
    # What came back before the first known order counts with it.
    since = nw.max_horizontal(nw.col("month") - nw.col("cohort"), nw.lit(0))
    sums = (
        months.join(first, on="customer_id", how="inner")
        .with_columns(since=since)
        .group_by("cohort", "since")
        .agg(nw.col("is_active").sum().cast(nw.Int64), nw.col("net_amount").sum())
    )
    frame = engine.collect(sums.sort("cohort", "since"), 500_000)
    last, found = number_of(f"{as_of:%Y-%m}") - 1, []
    for cohort, own in frame.groupby("cohort"):
        own = own.set_index("since").reindex(range(last - cohort + 1))
        active = own["is_active"].fillna(0).astype(int)
        amount = pd.Series(list(accumulate(engine.or_zero(own["net_amount"]))), own.index, dtype=object)
        part = {"cohort_month": name_of(cohort), "months_since_first": own.index, "n_customers": active[0]}
        part |= {"n_active": active, "active_share": active / active[0]}
        part |= {"amount": amount, "mean_amount": amount.astype(float) / active[0]}
        found.append(pd.DataFrame(part))
    return RETENTION.frame(pd.concat([pd.DataFrame(columns=list(RETENTION.columns)), *found]))


def average_retention(retention: pd.DataFrame, cohorts: list[Cohort]) -> pd.DataFrame:
    """Of RETENTION the share with an order in each month since the first, by longer cohorts, each as far as all its months have
    come: the columns cohort, months_since_first, active_share."""
    found = []
    for one in cohorts:
        months = retention["cohort_month"]
        own = retention[(months >= f"{one.begin:%Y-%m}") & (months < f"{one.end:%Y-%m}")]
        if own.empty:
            continue
        sums = own.groupby("months_since_first").agg(
            n=("n_customers", "sum"), active=("n_active", "sum"), months=("cohort_month", "size")
        )
        sums = sums[(sums["months"] == own["cohort_month"].nunique()) & (sums.index > 0)]
        share = (sums["active"] / sums["n"]).astype(float)
        found.append(pd.DataFrame({"cohort": one.name, "months_since_first": sums.index, "active_share": share}))
    columns = ["cohort", "months_since_first", "active_share"]
    return pd.concat([pd.DataFrame(columns=columns), *found], ignore_index=True)
