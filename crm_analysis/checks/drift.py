"""Whether the data of a month look like those of the three months before: what jumps is more often a changed export than a changed
business.

Robust and few: each measure of a month is compared with the median of the three months before it, which must have enough rows.
E-DRIFT-1 the median amount moved by more than ten times, as where cents became euros; E-DRIFT-2 the number of rows; E-DRIFT-3 the
share of a column that is filled; E-DRIFT-4 a category that appears or disappears.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import narwhals as nw
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.checks.columns import ONLY_WITH_TIME
from crm_analysis.checks.fates import until
from crm_analysis.checks.known import amount_of, day_of, known_rows
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, mark
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import CANONICAL, Column, Shape

DRIFT = Shape(
    "one row per month and measure that is unlike the three months before, the latest first",
    {
        "month": Column("text", "month"),
        "table": Column("text", "table"),
        "code": Column("text", "code"),
        "column": Column("text", "column, and the category"),
        "sentence": Column("text", "what changed"),
        "now": Column("quantity", "in the month"),
        "before": Column("quantity", "median of the three months before"),
    },
)
ACTIVITY = Shape(
    "one row per table and month",
    {
        "table": Column("text", "table"),
        "month": Column("text", "month"),
        "n_rows": Column("integer", "rows"),
        "times_usual": Column("quantity", "rows, as a multiple of the table's median month"),
    },
)
# As in cents for euros. Every report tells of it, whatever the parameters of one.
MEDIAN_RATIO = 10
N_BEFORE, N_MONTHS = 3, 12
MAX_CATEGORIES, MAX_GROUPS = 50, 100_000
# Texts that do not sort rows into few kinds, or that name a person.
NO_CATEGORIES = {"feedback_text", "campaign_name", "product_name", "salesperson", "employee", *ONLY_WITH_TIME}
# How amounts are counted, by table: for the usual of an order and of a line.
UNITS, ROW = {"orders": mark("order"), "order_lines": mark("line")}, mark("row")
MEDIAN_MOVED = mark(
    "The median amount per {unit} of {month} in “{table}” is {now}, against {before} in the three months before: check whether the unit of "
    "the amounts changed."
)
FEWER, MORE = (
    mark("“{table}” has {now} rows in {month}, against {before} in a usual month before: check whether the export is whole."),
    mark("“{table}” has {now} rows in {month}, against {before} in a usual month before: check whether rows came twice."),
)  # fmt: skip
FILLED = mark("“{column}” of “{table}” is filled in {now} of the rows of {month}, against {before} before.")
APPEARED, GONE = (
    mark("“{value}” is new in “{column}” of “{table}”: {now} of the rows of {month}, and none in the three months before."),
    mark("“{value}” is gone from “{column}” of “{table}”: {before} of the rows before, and none in {month}."),
)  # fmt: skip


def summarise_activity(completeness: pd.DataFrame, month: str) -> pd.DataFrame:
    """ACTIVITY of the tables with dates, a row for each of the last 25 months from a table's first, of zeros too."""
    parts = []
    for name, series in _rows_by_month(completeness, month).items():
        usual = series[series > 0].median()
        recent = series.tail(25)
        part = {
            "table": name,
            "month": recent.index,
            "n_rows": recent.to_numpy(),
            "times_usual": recent.to_numpy() / usual,
        }
        parts.append(pd.DataFrame(part))
    return ACTIVITY.frame(
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(ACTIVITY.columns))
    )


def find_drift(
    tables: Tables, completeness: pd.DataFrame, run: Run, *, rows_ratio: float, share_change: float,
    category_share: float, min_month_rows: int,
) -> pd.DataFrame:  # fmt: skip
    """DRIFT of the last 12 months; categories of the run's month only."""
    rows = _rows_by_month(completeness, run.month)
    found = find_moved_medians(tables, run, min_month_rows)
    for name, series in rows.items():
        for one, now, before in _unlike(series, rows_ratio, min_month_rows):
            words = _(MORE if now > before else FEWER).format(
                table=name, month=language.month(one), now=language.integer(now), before=language.integer(before)
            )
            found.append((one, name, "E-DRIFT-2", "", words, now, before))
    found += _find_emptied(completeness, rows, share_change, min_month_rows)
    for name, series in rows.items():
        if series.tail(N_BEFORE + 1).min() >= min_month_rows and len(series) > N_BEFORE:
            columns = completeness.loc[completeness["table"] == name, "column"].unique()
            found += _find_categories(known_rows(tables, name, run.as_of), name, columns, run, category_share)
    frame = pd.DataFrame(found, columns=list(DRIFT.columns))
    return DRIFT.frame(frame.sort_values(["month", "code", "table", "column"], ascending=[False, True, True, True]))


def warn_of_units(tables: Tables, run: Run, min_month_rows: int = 20) -> list[str]:
    """What the reader of any report must know: in the month or the year before it, an amount moved as where a unit changed."""
    return [
        words for _month, _table, _code, _column, words, *_numbers in find_moved_medians(tables, run, min_month_rows)
    ]


def find_moved_medians(tables: Tables, run: Run, min_month_rows: int) -> list[tuple]:
    """DRIFT's rows of E-DRIFT-1: per order, per line, and of the amounts of other tables, without their sign."""
    found = []
    # Orders are made of lines: what moved both is told of orders.
    for name in sorted(set(tables) & set(CANONICAL), key=lambda one: (one != "orders", one)):
        medians = _medians_by_month(known_rows(tables, name, run.as_of), name, min_month_rows, run.month)
        unit = _(UNITS.get(name, ROW))
        for one, now, before in _unlike(medians, MEDIAN_RATIO, 0):
            if name == "order_lines" and (one, "orders") in {(month, table) for month, table, *_rest in found}:
                continue
            words = _(MEDIAN_MOVED).format(
                unit=unit, month=language.month(one), table=name, now=language.plain(now), before=language.plain(before)
            )
            found.append((one, name, "E-DRIFT-1", "", words, now, before))
    return found


def _unlike(series: pd.Series, ratio: float, least: float) -> list[tuple[str, float, float]]:
    """(month, number, median of the three months before) of the last months whose number is ``ratio`` times larger or smaller;
    only where that median is at least ``least``."""
    before = series.shift(1).rolling(N_BEFORE).median()
    recent = pd.DataFrame({"now": series, "before": before}).dropna().tail(N_MONTHS)
    is_unlike = (recent["before"] >= least) & (recent["before"] > 0)
    is_unlike &= (recent["now"] > ratio * recent["before"]) | (recent["now"] * ratio < recent["before"])
    return [(str(one), float(now), float(usual)) for one, now, usual in recent[is_unlike].itertuples()]


def _months(first: str, last: str) -> list[str]:
    n = 12 * (int(last[:4]) - int(first[:4])) + int(last[5:]) - int(first[5:])
    return [f"{first_of_month(first, one):%Y-%m}" for one in range(n + 1)]


def _rows_by_month(completeness: pd.DataFrame, month: str) -> dict[str, pd.Series]:
    """Rows of each table with dates, a number for each month from its first to ``month``."""
    dated = until(completeness[completeness["month"].notna()], month, "month").drop_duplicates(["table", "month"])
    return {
        name: part.set_index("month")["n_rows"].reindex(_months(part["month"].min(), month), fill_value=0)
        for name, part in dated.groupby("table")
    }


def _medians_by_month(rows: Table, name: str, min_month_rows: int, month: str) -> pd.Series:
    """The median amount of each month with enough rows; empty in the others."""
    column, day = amount_of(rows, name), day_of(rows, name)
    if column is None or day is None:
        return pd.Series(dtype=float)
    size = nw.col(column).cast(nw.Float64).abs()
    rows = rows.select(month=day.dt.to_string("%Y-%m"), size=size)
    rows = rows.filter(~nw.col("month").is_null(), nw.col("size") > 0)
    sums = rows.group_by("month").agg(nw.len().alias("n"), nw.col("size").median().alias("median"))
    found = engine.collect(sums.filter(nw.col("n") >= min_month_rows).sort("month"), MAX_GROUPS)
    if found.empty:
        return pd.Series(dtype=float)
    return found.set_index("month")["median"].reindex(_months(found["month"].min(), month))


def _find_emptied(
    completeness: pd.DataFrame, rows: dict[str, pd.Series], share_change: float, min_month_rows: int
) -> list[tuple]:
    """DRIFT's rows of E-DRIFT-3: a column that is filled in many more or many fewer rows, each month with enough of them."""
    found = []
    judged = completeness[~completeness["column"].isin(ONLY_WITH_TIME) & completeness["table"].isin(rows)]
    judged = judged[judged["month"].notna() & (judged["n_rows"] >= min_month_rows)]
    for (name, column), part in judged.groupby(["table", "column"]):
        months = rows[name].index
        share = (part.set_index("month")["n_filled"] / part.set_index("month")["n_rows"]).reindex(months)
        before = share.shift(1).rolling(N_BEFORE).median()
        for one in share.index[(share - before).abs() >= share_change]:
            if one not in months[-N_MONTHS:]:
                continue
            words = _(FILLED).format(
                column=column, table=name, month=language.month(one), now=language.percent(share[one]),
                before=language.percent(before[one]),
            )  # fmt: skip
            found.append((one, name, "E-DRIFT-3", column, words, float(share[one]), float(before[one])))
    return found


def _find_categories(rows: Table, name: str, columns: Sequence[str], run: Run, least: float) -> list[tuple]:
    """DRIFT's rows of E-DRIFT-4: a category of at least ``least`` of the rows that is in the month and in none of the three
    before, or in each of those and not in the month."""
    schema, kept = CANONICAL[name].columns, set(rows.collect_schema().names()) - NO_CATEGORIES
    names = [one for one in columns if one in kept and (one not in schema or schema[one].type == "text")]
    since: date = first_of_month(run.month, -N_BEFORE)
    day = day_of(rows, name)
    recent = rows.filter(day >= nw.lit(since)).with_columns(_month=day.dt.to_string("%Y-%m"))
    found = []
    for column in names:
        counted = recent.filter(~nw.col(column).is_null()).group_by("_month", column).agg(nw.len().alias("n"))
        frame = engine.collect(counted.sort("n", descending=True).head(MAX_GROUPS), MAX_GROUPS)
        counts = frame.pivot_table(index=column, columns="_month", values="n", aggfunc="sum", fill_value=0)
        if not 1 < len(counts) <= MAX_CATEGORIES:
            continue
        shares = counts.reindex(columns=_months(f"{since:%Y-%m}", run.month), fill_value=0)
        shares = shares / shares.sum().where(shares.sum() > 0)
        now, before = shares[run.month].fillna(0), shares.drop(columns=run.month)
        for value in shares.index:
            usual = before.loc[value].median()
            is_new = now[value] >= least and before.loc[value].max() == 0
            is_gone = now[value] == 0 and before.loc[value].min() >= least
            if is_new or is_gone:
                words = _(APPEARED if is_new else GONE).format(
                    value=value, column=column, table=name, month=language.month(run.month),
                    now=language.percent(now[value]), before=language.percent(usual),
                )  # fmt: skip
                what = f"{column} {value}"
                found.append((run.month, name, "E-DRIFT-4", what, words, float(now[value]), float(usual)))
    return found
