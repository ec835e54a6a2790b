"""Whether the rows arrived: how old the newest is at the month's end, and where days or months are without any.

A table has its own rhythm: a gap is told where it has at least ``min_gap_days`` days without a row and is more than three times as
long as nineteen of twenty gaps between days with rows in the year before the month's end. Late: the same of the days since the newest row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.checks.known import day_of, known_rows
from crm_analysis.engine import Tables
from crm_analysis.language import mark
from crm_analysis.params import first_of_month
from crm_analysis.schema import Column, Shape

TIMELINESS = Shape(
    "one row per table with dates",
    {
        "table": Column("text", "table"),
        "first_date": Column("date", "first row"),
        "newest_date": Column("date", "newest row"),
        "n_days_behind": Column("integer", "days from it to the month's end", detail=mark("0: the month's last day")),
        "n_days_behind_before": Column("integer", "the same a month earlier"),
        "usual_gap_days": Column(
            "integer", "usual days without rows", detail=mark("19 of 20 gaps of the year are no longer")
        ),
        "n_gaps": Column("integer", "gaps in the year"),
        "covered_share": Column("fraction", "days without a gap", detail=mark("share of the year's days in no gap")),
        "covered_change": Column("fraction", "change in points", detail=mark("on a month earlier")),
        "n_empty_months": Column("integer", "months without rows"),
        "is_late": Column("flag", "late", detail=mark("the newest row is older than the table's rhythm explains")),
    },
)
GAPS = Shape(
    "one row per gap in the year before the month's end, the longest first",
    {
        "table": Column("text", "table"),
        "from_date": Column("date", "first day without rows"),
        "to_date": Column("date", "last day without rows"),
        "n_days": Column("integer", "days without rows"),
        "usual_gap_days": Column("integer", "usual days without rows"),
    },
)
MAX_DAYS = 100_000
# What happens when somebody plans it has no rhythm, and a day without it is no gap.
PLANNED = ("campaigns", "campaign_contacts")


def list_days(tables: Tables, name: str, as_of: date) -> list[date]:
    """The days before ``as_of`` on which a table has rows; none in a table without dates."""
    rows = known_rows(tables, name, as_of)
    day = day_of(rows, name)
    if day is None:
        return []
    days = rows.select(day=day).filter(~nw.col("day").is_null()).unique().sort("day")
    return list(engine.collect(days, MAX_DAYS)["day"])


@dataclass(frozen=True)
class Rhythm:
    """A table's days as of a day: how old the newest is, what its usual days without rows are, its gaps in the year before
    (GAPS without table), and the share of that year's days, from the first row on, that lie in none of them."""

    n_days_behind: int
    usual_gap_days: int
    gaps: pd.DataFrame
    covered_share: float
    is_late: bool


def find_rhythm(days: list[date], as_of: date, min_gap_days: int) -> Rhythm | None:
    """The rhythm as of a day of a table with rows on these days; None where it has none by then."""
    days = [one for one in days if one < as_of]
    if not days:
        return None
    year_ago = first_of_month(f"{as_of:%Y-%m}", -12)
    recent = [one for one in days if one >= year_ago]
    empty = [(later - one).days - 1 for one, later in zip(recent, recent[1:], strict=False)]
    usual = int(np.quantile(empty, 0.95, method="higher")) if empty else 0
    # From each day to the next; the last ends where the month does.
    starts = [one + timedelta(days=1) for one in recent or [year_ago - timedelta(days=1)]]
    spans = [(start, (end - start).days) for start, end in zip(starts, [*recent[1:], as_of], strict=True)]
    gaps = [(one, one + timedelta(days=n - 1), n, usual) for one, n in spans if n >= min_gap_days and n > 3 * usual]
    return Rhythm(
        n_days_behind=(as_of - days[-1]).days - 1,
        usual_gap_days=usual,
        gaps=pd.DataFrame(gaps, columns=["from_date", "to_date", "n_days", "usual_gap_days"]),
        covered_share=1 - sum(n for _start, _end, n, _usual in gaps) / (as_of - max(days[0], year_ago)).days,
        is_late=bool(gaps) and gaps[-1][1] == as_of - timedelta(days=1),
    )


def summarise_timeliness(
    tables: Tables, names: Iterable[str], as_of: date, previous_as_of: date, min_gap_days: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """TIMELINESS and GAPS of those of these tables that have dates and a rhythm."""
    rows, gaps = [], []
    for name in names:
        days = list_days(tables, name, as_of) if name not in PLANNED else []
        if not days:
            continue
        now, before = (find_rhythm(days, one, min_gap_days) for one in (as_of, previous_as_of))
        gaps.append(now.gaps.assign(table=name))
        change = now.covered_share - before.covered_share if before else None
        n_months = 12 * (as_of.year - days[0].year) + as_of.month - days[0].month
        n_empty = n_months - len({(one.year, one.month) for one in days})
        behind = before.n_days_behind if before else None
        rows.append(
            (
                name, days[0], days[-1], now.n_days_behind, behind, now.usual_gap_days, len(now.gaps), now.covered_share,
                change, n_empty, now.is_late,
            )
        )  # fmt: skip
    timeliness = TIMELINESS.frame(pd.DataFrame(rows, columns=list(TIMELINESS.columns)))
    timeliness["n_days_behind_before"] = timeliness["n_days_behind_before"].astype("Int64")
    timeliness["covered_change"] = timeliness["covered_change"].astype(float)
    frame = pd.concat(gaps, ignore_index=True) if gaps else pd.DataFrame(columns=list(GAPS.columns))
    return timeliness, GAPS.frame(frame.sort_values(["n_days", "table", "from_date"], ascending=[False, True, True]))
