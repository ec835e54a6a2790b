"""What a build notes of the used rows of a table for the report on their quality: how full each column is, month by month, and
the amounts that are far above the usual; and of the rejected rows, what could not be read."""

from __future__ import annotations

from collections.abc import Iterable

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.cleaning.rules import FILE_STEP, POSITION
from crm_analysis.engine import Table
from crm_analysis.schema import CANONICAL, COMPLETENESS, OUTLIERS
from crm_analysis.sources.records import CELL_STEP

MAX_MONTHS = 10_000
# What a report can call an outlier is at least so many times the median; of each month the largest are noted.
MIN_OUTLIER_RATIO, MAX_OUTLIERS_PER_MONTH, MAX_OUTLIERS = 100, 50, 100_000


def month_of(rows: Table, name: str) -> nw.Expr:
    """The first day of the month of each row; empty in a table without dates."""
    dated_by = CANONICAL[name].dated_by if name in CANONICAL else ()
    dates = [nw.col(one).cast(nw.Date) for one in dated_by if one in rows.collect_schema().names()]
    return nw.coalesce(*dates).dt.truncate("1mo") if dates else nw.lit(None).cast(nw.Date)


def told_month(name: str) -> nw.Expr:
    """A column of month_of as 2026-10: worked out of groups, for of each row it takes time."""
    return nw.col(name).dt.to_string("%Y-%m")


def summarise_completeness(used: Table, name: str, columns: Iterable[str]) -> pd.DataFrame:
    """How many used rows have a value, column by column and month by month (schema.COMPLETENESS)."""
    columns, names = list(columns), used.collect_schema().names()
    repaired = {column: f"repaired:{column}" for column in columns if f"repaired:{column}" in names}
    counts = [nw.col(column).count().alias(f"filled:{column}") for column in columns]
    counts += [nw.col(one).cast(nw.Int64).sum() for one in repaired.values()]
    months = used.with_columns(_month=month_of(used, name)).group_by("_month").agg(nw.len().alias("_n"), *counts)
    months = months.with_columns(_month=told_month("_month"))
    found = [
        (
            name,
            column,
            one["_month"],
            int(one["_n"]),
            int(one[f"filled:{column}"]),
            int(one.get(f"repaired:{column}", 0)),
        )
        for one in engine.collect(months.sort("_month", nulls_last=True), MAX_MONTHS).to_dict("records")
        for column in columns
    ]
    return pd.DataFrame(found, columns=list(COMPLETENESS.columns))


def list_outliers(used: Table, name: str, files: list[str]) -> pd.DataFrame:
    """The largest amounts of each month among those that could be outliers in a report on any month (schema.OUTLIERS): the
    median of all months up to one is never below the smallest median of a month."""
    column = CANONICAL[name].amount
    if column not in used.collect_schema().names():
        return pd.DataFrame(columns=list(OUTLIERS.columns))
    rows = used.select(POSITION, month=month_of(used, name), amount=nw.col(column)).filter(nw.col("amount") != 0)
    size = nw.col("amount").cast(nw.Float64).abs()
    medians = rows.group_by("month").agg(size.median().alias("median"))
    least = engine.collect(medians.select(nw.col("median").min()), 1)["median"].iloc[0]
    if least is None or least != least:
        return pd.DataFrame(columns=list(OUTLIERS.columns))
    far = rows.filter(size > MIN_OUTLIER_RATIO * float(least)).with_columns(_minus=-size, _one=nw.lit(1))
    place = nw.col("_one").cum_sum().over("month", order_by=["_minus", POSITION])
    largest = far.with_columns(_place=place).filter(nw.col("_place") <= MAX_OUTLIERS_PER_MONTH)
    found = engine.collect(largest.select(POSITION, "amount", month=told_month("month")).sort(POSITION), MAX_OUTLIERS)
    numbers = found[POSITION].astype("int64")
    found["file"] = [files[number] for number in numbers // FILE_STEP]
    return OUTLIERS.frame(found.assign(table=name, column=column, line=numbers % CELL_STEP))


def read_rejected(rows: Table) -> Table:
    """The rejected rows with why, and with what stands in the column that is why: its text, or what was read of it where it was
    refused later."""
    rejected = rows.filter(nw.col("_fate") == "rejected")
    typed = [one for one in rows.collect_schema().names() if not one.startswith("_") and ":" not in one]
    read = [nw.when(nw.col("_why").str.ends_with(f" {one}")).then(nw.col(one).cast(nw.String)) for one in typed]
    return rejected.select(POSITION, "_why", _value=nw.coalesce("_value", *read))
