"""The stages of the customer lifecycle: everybody at the end of every month, and the first two orders."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.cohorts import month_number, name_of, number_of
from crm_analysis.customers import known_orders
from crm_analysis.engine import Table, Tables
from crm_analysis.language import mark
from crm_analysis.models.survival import kaplan_meier
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import day_number

STAGES = PROSPECT, NEW, DEVELOPING, REGULAR, DECLINING, LAPSED, WON_BACK = (
    mark("prospect"), mark("new"), mark("developing"), mark("regular"), mark("declining"), mark("lapsed"), mark("won back"),
)  # fmt: skip
ACTIVE = (NEW, DEVELOPING, REGULAR, DECLINING, WON_BACK)
# Ends of months looked at: this one, those of the year before it, and one more from which customers came into the first.
N_ENDS = 14


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What parts one stage from another. Days are whole calendar days to the end of the month."""

    new_days: int = 90
    regular_orders: int = 4
    decline_days: int = 90
    decline_gaps: float = 3.0
    decline_min_days: int = 30
    lapse_days: int = 180
    won_back_days: int = 90

    def __post_init__(self) -> None:
        bounds = {"regular_orders": 2}
        for name in self.__dataclass_fields__:
            if getattr(self, name) < bounds.get(name, 1):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {bounds.get(name, 1)}")
        if not self.decline_min_days <= self.decline_days < self.lapse_days:
            raise ValueError(
                f"decline_min_days, decline_days and lapse_days are {self.decline_min_days}, {self.decline_days} and"
                f" {self.lapse_days}: a customer declines before they lapse, write rising numbers"
            )


def list_events(tables: Tables, run: Run, limits: Limits) -> Table:
    """One row per customer and month with an order, and one for the month in which a prospect became known: the days of the first
    and the last order in it, of the last one after a long silence, and of the customer's second if it is among them."""
    day = nw.col("ordered_day").cast(nw.Int64)
    visits = known_orders(tables, run.as_of).filter("is_order", ~nw.col("customer_id").is_null())
    visits = visits.select("customer_id", day=day, month=month_number("ordered_date"))
    visits = visits.with_columns(before=nw.col("day").shift(1).over("customer_id", order_by="day"))
    ordered = visits.group_by("customer_id", "month").agg(
        nw.len().cast(nw.Int64).alias("n_orders"),
        nw.col("day").min().alias("first_day"),
        nw.col("day").max().alias("last_day"),
        nw.when(nw.col("day") - nw.col("before") >= limits.lapse_days).then("day").max().alias("back_day"),
        nw.when(~nw.col("before").is_null()).then("day").min().alias("second_day"),
    )
    nothing = [nw.lit(None).cast(nw.Int64).alias(one) for one in ("first_day", "last_day", "back_day", "second_day")]
    known = [
        one.select("customer_id", month="month", n_orders=nw.lit(0).cast(nw.Int64)).select(
            "customer_id", "month", "n_orders", *nothing
        )
        for one in list_prospects(tables)
    ]
    return nw.concat([ordered, *known]).filter(nw.col("month") <= number_of(run.month))


def list_prospects(tables: Tables) -> list[Table]:
    """Of each table that says from when on somebody is known: the customer and the month."""
    found = []
    for name, days in {"customers": ("signed_up_date",), "opportunities": ("opened_date", "closed_date")}.items():
        table = engine.as_table(tables[name]) if name in tables else None
        days = [one for one in days if table is not None and one in table.collect_schema().names()]
        if days and "customer_id" in table.collect_schema().names():
            dated = table.with_columns(_day=nw.coalesce(*[nw.col(one) for one in days]))
            dated = dated.filter(~nw.col("_day").is_null(), ~nw.col("customer_id").is_null())
            found.append(dated.select("customer_id", month=month_number("_day")))
    return found


def list_ends(events: Table, last: int) -> Table:
    """The ends of months that are looked at: the month's number, and the day after it."""
    one = events.head(1)
    return nw.concat(
        [
            one.select(end_month=nw.lit(month).cast(nw.Int64), end_day=nw.lit(_end_day(month)).cast(nw.Int64))
            for month in range(last - N_ENDS + 1, last + 1)
        ]
    )


def _end_day(month: int) -> int:
    return day_number(first_of_month(name_of(month), 1))


def find_stages(events: Table, ends: Table, limits: Limits) -> Table:
    """customer_id, month (its number) and stage at its end: one row per month and customer who was known by then."""
    by_month = events.join(ends, how="cross").filter(nw.col("month") <= nw.col("end_month"))
    states = by_month.group_by("customer_id", "end_month", "end_day").agg(
        nw.col("n_orders").sum().cast(nw.Int64),
        nw.col("first_day").min(),
        nw.col("last_day", "back_day").max(),
    )
    return states.select("customer_id", month="end_month", stage=_stage(limits))


def _stage(limits: Limits) -> nw.Expr:
    """The tree: whoever fits none of the steps is developing."""
    end, last, n = nw.col("end_day"), nw.col("last_day"), nw.col("n_orders")
    silent, is_regular = end - last, n >= limits.regular_orders
    is_late = (silent * (n - 1)).cast(nw.Float64) >= limits.decline_gaps * (last - nw.col("first_day")).cast(nw.Float64)
    declines = (silent >= limits.decline_days) | (is_regular & is_late & (silent >= limits.decline_min_days))
    tree = {
        PROSPECT: n == 0,
        LAPSED: silent >= limits.lapse_days,
        WON_BACK: end - nw.col("back_day") <= limits.won_back_days,
        NEW: end - nw.col("first_day") <= limits.new_days,
        DECLINING: declines,
        REGULAR: is_regular,
    }
    return nw.coalesce(*[nw.when(fits).then(nw.lit(stage)) for stage, fits in tree.items()], nw.lit(DEVELOPING))


def monthly_amounts(tables: Tables, run: Run) -> Table:
    """customer_id, month and the net amount of the months that are looked at."""
    since = day_number(first_of_month(run.month, 1 - N_ENDS))
    orders = known_orders(tables, run.as_of).filter(nw.col("ordered_day") >= since, ~nw.col("customer_id").is_null())
    by = orders.with_columns(month=month_number("ordered_date")).group_by("customer_id", "month")
    return by.agg(nw.col("net_amount").sum().alias("month_amount"))


def sum_history(states: Table, amounts: Table) -> Table:
    joined = states.join(amounts, on=["customer_id", "month"], how="left").group_by("month", "stage")
    return joined.agg(nw.len().alias("n_customers"), nw.col("month_amount").sum()).sort("month", "stage")


def count_flows(states: Table) -> Table:
    """From which stage to which customers went in each month; whoever is known stays known, so that the row before is of the
    month before."""
    before = nw.col("stage").shift(1).over("customer_id", order_by="month")
    moved = states.with_columns(from_group=before).group_by("month", "from_group", nw.col("stage").alias("to_group"))
    return moved.agg(nw.len().alias("n_customers")).sort("month", "from_group", "to_group", nulls_last=True)


def count_next_orders(states: Table, events: Table, last: int) -> Table:
    """Of those at a stage at the end of a month: how many there were, and how many of them ordered in the next, over a year."""
    ordered = events.filter(nw.col("n_orders") > 0)
    ordered = ordered.select("customer_id", month=nw.col("month") - 1, n_next=nw.col("n_orders"))
    past = states.filter(nw.col("month") < last, nw.col("month") >= last - 12)
    joined = past.join(ordered, on=["customer_id", "month"], how="left").group_by("stage")
    return joined.agg(nw.len().alias("n"), nw.col("n_next").count().alias("n_next"))


def join_stages(states: Table, customers: Table, last: int) -> Table:
    """Everybody who is known at the end of the month, with the stage then and a month ago, and schema.CUSTOMERS, which is empty
    for prospects."""
    now = states.filter(nw.col("month") == last).select("customer_id", "stage")
    before = states.filter(nw.col("month") == last - 1).select("customer_id", previous_stage="stage")
    joined = now.join(before, on="customer_id", how="left").join(customers, on="customer_id", how="left")
    return joined.with_columns(nw.col("n_orders", "net_amount").fill_null(0))


def sum_stages(now: Table) -> Table:
    return now.group_by("stage").agg(
        nw.len().alias("n_customers"),
        nw.col("net_amount").sum().alias("amount"),
        nw.col("n_orders").sum().cast(nw.Int64),
    )


def first_two_orders(events: Table) -> Table:
    """Per customer the days of the first and of the second order, the latter empty where there is none."""
    people = events.group_by("customer_id").agg(nw.col("first_day", "second_day").min())
    return people.filter(~nw.col("first_day").is_null())


def follow(people: Table, end: int) -> pd.DataFrame:
    """Kaplan and Meier's curve of not yet having ordered again, of what is known before the day ``end``."""
    has_second = (nw.col("second_day") < end).fill_null(False)
    until = nw.when(has_second).then("second_day").otherwise(end - 1)
    known = people.filter(nw.col("first_day") < end)
    counts = known.with_columns(days=until - nw.col("first_day"), has_second=has_second)
    counts = counts.group_by("days", "has_second").agg(nw.len().alias("n"))
    frame = engine.collect(counts.sort("days", "has_second"), 200_000).astype(float)
    return kaplan_meier(frame["days"].to_numpy(), frame["has_second"].to_numpy(), frame["n"].to_numpy())


def share_within(curve: pd.DataFrame, days: int) -> float:
    """The share with a second order within so many days; NaN where nobody has been watched for so long."""
    if curve["t"].iloc[-1] < days:
        return float("nan")
    return 1 - float(curve.loc[curve["t"] <= days, "share"].iloc[-1])
