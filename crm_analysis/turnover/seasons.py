"""Which months and weekdays sell more than others, of all sales and by category.

The index of a month is its amount over the mean month of the same twelve months, averaged over the whole years that the source
holds: growth from year to year is not taken for season. The index of a weekday is its amount over that of a mean weekday in
the last twelve months.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape
from crm_analysis.tastes.lines import month_number
from crm_analysis.turnover.sold import CATEGORIES, MAX_VALUES, Days, Turnover, months_back

KINDS = MONTH, WEEKDAY = mark("month of the year"), mark("day of the week")
ALL = mark("all sales")
YEAR, MOST_YEARS = 12, 4

SEASON = Shape(
    "one row per category (and all sales) and month of the year or day of the week",
    {
        "kind": Column("label", "kind"),
        "category": Column("text", "category", own=(ALL,)),
        "number": Column("integer", "month from 1, or day of the week from 0 for Monday"),
        "amount": Column("money", "amount"),
        "season_index": Column("fraction", "amount as a multiple of the mean month or weekday"),
    },
)


def describe_seasons(turnover: Turnover, as_of: date, most: int) -> tuple[pd.DataFrame, int]:
    """SEASON of all sales and of the ``most`` largest categories, and on how many whole years its months rest; without months
    where there is none."""
    first = date.fromordinal(date(1970, 1, 1).toordinal() + turnover.first_day)
    years = min((month_number(as_of) - month_number(first)) // YEAR, MOST_YEARS)
    days = Days(months_back(as_of, YEAR), months_back(as_of, 0))
    has_categories = CATEGORIES in turnover.dimensions
    category = nw.col(f"by_{CATEGORIES}") if has_categories else nw.lit(ALL)
    named = turnover.sold.with_columns(category=category, number=(nw.col("day") + 3) % 7)
    weekdays = engine.collect(_sum(named.filter(days.holds)), MAX_VALUES)
    shown = [ALL, *_largest(weekdays, most)] if has_categories else [ALL]
    parts = [_index(_with_all(weekdays, has_categories, "number"), WEEKDAY, range(7))]
    if years:
        since = Days(months_back(as_of, YEAR * years), months_back(as_of, 0))
        dated = named.filter(since.holds).with_columns(number=nw.col("month"))
        months = engine.collect(_sum(dated), MAX_VALUES)
        parts.append(_index_years(_with_all(months, has_categories, "number"), month_number(as_of), years))
    frame = pd.concat(parts)
    frame = frame[frame["category"].isin(shown)]
    place = {one: at for at, one in enumerate(shown)}
    frame = frame.assign(place=frame["category"].map(place)).sort_values(["kind", "place", "number"], kind="stable")
    return SEASON.frame(frame), years


def _sum(rows: nw.LazyFrame) -> nw.LazyFrame:
    return rows.group_by("category", "number").agg(nw.col("amount").sum()).sort("category", "number")


def _largest(sums: pd.DataFrame, most: int) -> list[str]:
    by_category = sums.groupby("category")["amount"].sum()
    return list(by_category.sort_index().astype(float).sort_values(ascending=False, kind="stable").index[:most])


def _with_all(sums: pd.DataFrame, has_categories: bool, number: str) -> pd.DataFrame:
    if not has_categories:
        return sums
    total = sums.groupby(number, as_index=False)["amount"].sum().assign(category=ALL)
    return pd.concat([total, sums])


def _index(sums: pd.DataFrame, kind: str, numbers: range) -> pd.DataFrame:
    """The amounts by category and number, zero where there are none, with what they are of the mean."""
    parts = []
    for category, part in sums.groupby("category", sort=False):
        amounts = part.set_index("number")["amount"].reindex(numbers)
        amounts = pd.Series([0 if one is None or one != one else one for one in amounts], numbers, dtype=object)
        mean = float(amounts.sum()) / len(numbers)
        index = amounts.astype(float) / mean if mean > 0 else amounts.astype(float) * np.nan
        parts.append(
            pd.DataFrame(
                {"kind": kind, "category": category, "number": numbers, "amount": list(amounts), "season_index": index}
            )
        )
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(SEASON.columns))


def _index_years(sums: pd.DataFrame, end: int, years: int) -> pd.DataFrame:
    """The index of each calendar month, the mean of those of the years that end before the month ``end``."""
    parts = [
        _index(sums[(sums["number"] >= start) & (sums["number"] < start + YEAR)], MONTH, range(start, start + YEAR))
        for start in range(end - YEAR * years, end, YEAR)
    ]
    every = pd.concat(parts)
    every["number"] = (every["number"] - 1) % YEAR + 1
    return every.groupby(["kind", "category", "number"], sort=False, as_index=False).agg(
        {"amount": "sum", "season_index": "mean"}
    )
