"""Data quality: what came in, what was left out and why, and how far can what is left be trusted?

Definitions. Every row of every file has exactly one fate: *duplicate*, equal in all columns to a row before; *excluded* by the
contract, with its reason; *rejected*, with the code of what could not be read; *blank*; *out of window*, dated after the month of
the report; *used*. Rows and money of the fates add up to what was read. What is used is judged by five dimensions, each as a share,
now and a month earlier by the same function: *completeness* (cells that are filled), *validity* (rows that could be read),
*uniqueness* (rows that stand there once), *timeliness* (days in no gap that the table's own rhythm does not explain),
*consistency* (tests without a contradiction). See crm_analysis.checks, where each check says what it does.

It cannot tell whether what is filled in is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.checks import (
    columns,
    consistency,
    drift,
    duplicates,
    effects,
    fates,
    noticed,
    outliers,
    scores,
    timeliness,
)
from crm_analysis.cleaning.ledger import MAX_LEDGER_ROWS, fates_at
from crm_analysis.cleaning.profile import MIN_OUTLIER_RATIO
from crm_analysis.cleaning.rules import ORDER_TABLES
from crm_analysis.engine import Tables
from crm_analysis.language import _, counted
from crm_analysis.params import Run, check_bounds
from crm_analysis.schema import CANONICAL, KeyFigure

REQUIRES = ("ledger", "rejects", "completeness", "outliers", "warnings")
# Where the report stands in the pack.
PLACE = 90
MAX_NOTED = 1_000_000
# How many sentences of one kind stand on the first screen.
MAX_TOLD = 3
# What a reader sees of a table's timeliness and of what is unlike the months before; the rest is in their files.
DRIFT = ("month", "code", "sentence")
RHYTHM = (
    "table", "newest_date", "n_days_behind", "n_days_behind_before", "usual_gap_days", "n_gaps", "covered_share", "is_late",
)  # fmt: skip


def _shares(*numbers: float) -> Mapping[str, float]:
    return dict(zip(scores.DIMENSIONS, numbers, strict=True))


# Amounts nearer to the median than MIN_OUTLIER_RATIO are not noted in the database.
_BOUNDS = {
    "examples_per_reason": (0, 100), "min_gap_days": (1, 365), "rows_ratio": (1.1, 1000), "share_change": (0.01, 1),
    "category_share": (0.001, 1), "min_month_rows": (1, 1_000_000), "outlier_ratio": (MIN_OUTLIER_RATIO, 1_000_000),
    "list_outliers": (0, 50),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Params:
    """``examples_per_reason``: how many rejected rows are listed for each reason. ``min_gap_days``: fewer days without rows are no
    gap. ``rows_ratio``: a month with so many times more or fewer rows than the three before is told of; ``share_change``: a
    column filled in so many more or fewer of its rows; ``category_share``: a category of at least this share that appears or is
    gone; ``min_month_rows``: months with fewer rows are not compared. ``outlier_ratio``: how many times the median an outlier is
    at least; ``list_outliers``: how many of a table are listed. ``care_below``, ``unfit_below``: shares of the five dimensions
    below which a table is to be used with care, or not at all."""

    examples_per_reason: int = 5
    min_gap_days: int = 7
    rows_ratio: float = 3.0
    share_change: float = 0.1
    category_share: float = 0.05
    min_month_rows: int = 20
    outlier_ratio: float = 1000.0
    list_outliers: int = 10
    care_below: dict[str, float] = field(default_factory=lambda: _shares(0.95, 0.99, 0.98, 0.95, 0.99))
    unfit_below: dict[str, float] = field(default_factory=lambda: _shares(0.5, 0.95, 0.8, 0.7, 0.8))

    def __post_init__(self) -> None:
        check_bounds(self, _BOUNDS)
        for name, shares in (("care_below", self.care_below), ("unfit_below", self.unfit_below)):
            if set(shares) != set(scores.DIMENSIONS) or not all(0 <= one <= 1 for one in shares.values()):
                raise ValueError(f"{name} needs a share from 0 to 1 for each of {', '.join(scores.DIMENSIONS)}")


@dataclass(frozen=True)
class Result:
    """Small frames only, each of the shape that its module in crm_analysis.checks gives; the warnings are empty where all is well."""

    steps: pd.DataFrame
    fall: pd.DataFrame
    reasons: pd.DataFrame
    kinds: pd.DataFrame
    files: pd.DataFrame
    months: pd.DataFrame
    activity: pd.DataFrame
    examples: pd.DataFrame
    noticed: pd.DataFrame
    columns: pd.DataFrame
    timeliness: pd.DataFrame
    gaps: pd.DataFrame
    contradictions: pd.DataFrame
    drift: pd.DataFrame
    amounts: pd.DataFrame
    largest: pd.DataFrame
    duplicates: pd.DataFrame
    match_scores: pd.DataFrame
    pairs: pd.DataFrame
    changes: pd.DataFrame
    scores: pd.DataFrame
    effects: pd.DataFrame
    warnings: list[str]
    month: str


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """What the ledger, the notes of the build and the tables themselves say as of the month's end, and a month before."""
    whole = engine.collect(engine.as_table(tables["ledger"]), MAX_LEDGER_ROWS)
    noted = engine.collect(engine.as_table(tables["completeness"]), MAX_NOTED)
    ledger = fates_at(whole, run.month)
    filled = {name: list(part["column"].unique()) for name, part in noted.groupby("table") if name in CANONICAL}
    reasons = fates.sum_reasons(ledger)
    by_column = columns.summarise_columns(noted, whole, run.month, run.previous_month)
    times, gaps = timeliness.summarise_timeliness(tables, filled, run.as_of, run.starts, params.min_gap_days)
    wrong, agreement = consistency.summarise_contradictions(tables, whole, filled, run.as_of, run.starts)
    moved = drift.find_drift(
        tables, noted, run, rows_ratio=params.rows_ratio, share_change=params.share_change,
        category_share=params.category_share, min_month_rows=params.min_month_rows,
    )  # fmt: skip
    amounts = outliers.summarise_amounts(tables, filled, run.as_of, params.outlier_ratio)
    largest = outliers.list_largest(
        outliers.read_noted(tables), amounts, run.month, params.outlier_ratio, params.list_outliers
    )
    found, match_scores, pairs = duplicates.compare(tables)
    changes = scores.list_changes(
        *(scores.score_rows(whole, noted, one) for one in (run.month, run.previous_month)), times, agreement
    )
    return Result(
        steps=fates.sum_fates(ledger),
        fall=fates.step_down(ledger),
        reasons=reasons,
        kinds=fates.sum_kinds(ledger),
        files=fates.sum_files(ledger),
        months=fates.sum_months(ledger),
        activity=drift.summarise_activity(noted, run.month),
        examples=noticed.choose_examples(tables["rejects"], reasons, params.examples_per_reason),
        noticed=noticed.summarise_warnings(tables["warnings"]),
        columns=by_column,
        timeliness=times,
        gaps=gaps,
        contradictions=wrong,
        drift=moved,
        amounts=amounts,
        largest=largest,
        duplicates=found,
        match_scores=match_scores,
        pairs=pairs,
        changes=changes,
        scores=scores.judge(changes, by_column, times, wrong, params.care_below, params.unfit_below),
        effects=effects.list_effects(
            find_problems(ledger, filled, by_column, wrong, moved, gaps, amounts, found, run.month)
        ),
        warnings=fates.warn(ledger),
        month=run.month,
    )


# Small frame steps.


def find_problems(
    ledger: pd.DataFrame, filled: dict[str, list[str]], by_column: pd.DataFrame, wrong: pd.DataFrame, moved: pd.DataFrame,
    gaps: pd.DataFrame, amounts: pd.DataFrame, found: pd.DataFrame, month: str,
) -> list[tuple]:  # fmt: skip
    """The problems that there are, of effects.PROBLEMS: (problem, table, rows, amount)."""
    far = amounts[amounts["n_outliers"] > 0]
    waiting = found[found["outcome"] == duplicates.WAITING]
    jumps = moved[(moved["code"] == "E-DRIFT-2") & (moved["month"] == month)]
    return [
        *effects.find_in_ledger(ledger),
        *effects.find_nobody(ledger, filled),
        *effects.find_in_columns(by_column),
        *effects.find_contradictions(wrong),
        *[("unit", table, None, None) for table in moved.loc[moved["code"] == "E-DRIFT-1", "table"].unique()[:1]],
        *[("jump", table, int(n), None) for table, n in zip(jumps["table"], jumps["now"], strict=True)],
        *[(_elsewhere("gaps", table), table, None, None) for table in gaps["table"].unique()],
        *[
            (_elsewhere("outliers", table), table, int(n), None)
            for table, n in zip(far["table"], far["n_outliers"], strict=True)
        ],
        *[("waiting", "", int(n), None) for n in waiting["n_customers"]],
    ]


def _elsewhere(problem: str, table: str) -> str:
    """A problem of orders, or of a table that other reports are about."""
    return problem if table in ORDER_TABLES else f"{problem}_elsewhere"


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: the five dimensions over all tables, each weighted with its rows."""
    rows = result.steps.groupby("fate")["n_rows"].sum()
    figures = [
        KeyFigure(
            name=_("rows read"), value=int(rows.sum()), meaning=_("All rows of the source's files, whatever their table.")
        ),
        KeyFigure(
            name=_("used"), value=rows.get("used", 0) / rows.sum() if rows.sum() else 0.0, unit="share",
            meaning=_("Part of the rows read on which the reports rest."),
        ),
    ]  # fmt: skip
    meanings = {
        "completeness": _("Cells that are filled, columns that may be empty left out."),
        "validity": _("Rows that could be read, of those that should have been used."),
        "uniqueness": _("Rows that were in the files once."),
        "timeliness": _("Days of the year that lie in no gap without rows."),
        "consistency": _("Tests within and between tables that found no contradiction."),
    }
    fit = int((result.scores["verdict"] == scores.FIT).sum())
    told = _("Tables of which no check speaks against their use, of {n}.").format(
        n=language.integer(len(result.scores))
    )
    figures.append(KeyFigure(name=_("tables fit for use"), value=fit, meaning=told))
    for name, meaning in meanings.items():
        part = result.changes[result.changes["dimension"] == name]
        # A table without dates is the same at both times.
        before = _mean(part["before_share"].fillna(part["now_share"]), part["n_rows"])
        before = before if part["before_share"].notna().any() else None
        if (now := _mean(part["now_share"], part["n_rows"])) is not None:
            figures.append(
                KeyFigure(name=_(scores.DIMENSIONS[name]), value=now, previous=before, unit="share", meaning=meaning)
            )
    return figures


def _mean(shares: pd.Series, rows: pd.Series) -> float | None:
    if shares.isna().any() or not rows.sum():
        return None
    return float((shares * rows).sum() / rows.sum())


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    units = result.drift[result.drift["code"] == "E-DRIFT-1"]
    others = result.drift[(result.drift["code"] != "E-DRIFT-1") & (result.drift["month"] == result.month)]
    return [
        *result.warnings,
        *units["sentence"].head(MAX_TOLD),
        *_tell_verdicts(result.scores),
        *_tell_rows(result),
        *_tell_nobody(result, currency),
        *others["sentence"].head(MAX_TOLD),
        *_tell_gaps(result),
        *_tell_contradictions(result, currency),
        *_tell_duplicates(result),
        *_tell_outliers(result),
    ]


def _tell_verdicts(judged: pd.DataFrame) -> list[str]:
    """A sentence for each table that is not simply fit, and one for those that are."""
    words = {
        scores.UNFIT: _("“{table}” is not fit for use: {why}."),
        scores.CARE: _("“{table}” is to be used with care: {why}."),
    }
    bad = judged[judged["verdict"] != scores.FIT]
    told = [words[one["verdict"]].format(table=one["table"], why=one["why"]) for one in bad.to_dict("records")]
    fit = judged.loc[judged["verdict"] == scores.FIT, "table"]
    if len(fit):
        told.append(_("Fit for use: {tables}.").format(tables=language.listed([f"“{one}”" for one in fit])))
    return told


def _tell_rows(result: Result) -> list[str]:
    rows = result.steps.groupby("fate")["n_rows"].sum()
    return [
        _("{used} of {read} rows are used; {duplicate} are duplicates, {rejected} could not be read.").format(
            used=language.integer(rows.get("used", 0)), read=language.integer(rows.sum()),
            duplicate=language.integer(rows.get("duplicate", 0)), rejected=language.integer(rows.get("rejected", 0)),
        )
    ]  # fmt: skip


def _tell_nobody(result: Result, currency: str) -> list[str]:
    money = result.kinds.groupby("has_customer")["line_amount"].sum()
    if False not in money.index or not money.sum():
        return []
    return [
        _(
            "{amount} ({share}) of the net amount has no customer: it is in the company's totals, in no customer's."
        ).format(
            amount=language.short_money(money[False], currency), share=language.percent(money[False] / money.sum())
        )
    ]


def _tell_gaps(result: Result) -> list[str]:
    return [
        _("“{table}” has no row from {start} to {end}, {n} days; usual is at most {usual}.").format(
            table=one["table"], start=language.day(one["from_date"]), end=language.day(one["to_date"]),
            n=language.integer(one["n_days"]), usual=language.integer(one["usual_gap_days"]),
        )
        for one in result.gaps.head(MAX_TOLD).to_dict("records")
    ]  # fmt: skip


def _tell_contradictions(result: Result, currency: str) -> list[str]:
    wrong = result.contradictions[result.contradictions["n_wrong"] > 0]
    return [
        _("“{table}”: {check}, in {n} of {tested} cases.").format(
            table=one["table"],
            check=one["check"],
            n=language.integer(one["n_wrong"]),
            tested=language.integer(one["n_tested"]),
        )
        for one in wrong.head(MAX_TOLD).to_dict("records")
    ]


def _tell_duplicates(result: Result) -> list[str]:
    n = dict(zip(result.duplicates["outcome"], result.duplicates["n_customers"], strict=True))
    told = []
    if merged := n.get(duplicates.MERGED):
        told.append(counted(merged, "{n} customer was merged with another.", "{n} customers were merged with others."))
    if waiting := n.get(duplicates.WAITING):
        told.append(
            counted(
                waiting,
                "{n} customer may be the same as another: a person should look at it.",
                "{n} customers may be the same as others: a person should look at them.",
            )
        )
    return told


def _tell_outliers(result: Result) -> list[str]:
    far = result.amounts[result.amounts["n_outliers"] > 0]
    return [
        counted(
            one["n_outliers"],
            "{n} amount of “{table}” is far above the usual: {share} of all its money.",
            "{n} amounts of “{table}” are far above the usual: {share} of all its money.",
            table=one["table"], share=language.percent(one["outlier_share"]),
        )
        for one in far.to_dict("records")
    ]  # fmt: skip


# Charts.


def plot_rows(fall: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """From all rows that were read to those that are used."""
    return charts.waterfall(
        _name_steps(fall_of(fall, fates.ALL_TABLES)), "name", "n_rows", language.integer, xlabel=_("rows"), ax=ax
    )


def plot_money(fall: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """The same for the money of the orders, to the cent."""
    xlabel = _("amount of the orders ({currency})").format(currency=currency)
    shown = _name_steps(money_of(fall))
    return charts.waterfall(
        shown, "name", "line_amount", lambda one: language.amount(one, currency), xlabel=xlabel, ax=ax
    )


def plot_tables(fall: pd.DataFrame) -> Axes:
    """The same for the rows of each table."""
    return charts.waterfalls(
        _name_steps(tables_of(fall)), "table", "name", "n_rows", language.integer, xlabel=_("rows")
    )


def fall_of(fall: pd.DataFrame, table: str) -> pd.DataFrame:
    """The steps of one table."""
    return fall[fall["table"] == table].reset_index(drop=True)


def money_of(fall: pd.DataFrame) -> pd.DataFrame:
    """The steps of the orders, whose money the reports are about; none where the source has no orders."""
    return fall[fall["table"].isin(ORDER_TABLES)].reset_index(drop=True)


def tables_of(fall: pd.DataFrame) -> pd.DataFrame:
    """The steps of each table, where there are several."""
    own = fall[fall["table"] != fates.ALL_TABLES]
    return own if own["table"].nunique() > 1 else own.head(0)


def _name_steps(fall: pd.DataFrame) -> pd.DataFrame:
    return fall.assign(name=[_(one) for one in fall["step"]])


def plot_completeness(by_column: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of rows with a value, of the columns that are not full, the least complete first."""
    shown = by_column.assign(name=by_column["table"] + "." + by_column["column"])
    return charts.bars(
        shown, "name", "filled_share", language.percent, xlabel=_("share of rows with a value"),
        ax=ax,
    )  # fmt: skip


def moved(changes: pd.DataFrame) -> pd.DataFrame:
    """The dimensions whose change shows in tenths of a point, the deepest fall first."""
    return changes[changes["now_change"].abs() >= 0.0005].sort_values(["now_change", "table", "dimension"])


def not_full(by_column: pd.DataFrame) -> pd.DataFrame:
    """The columns that are not filled in each row and should be."""
    return by_column[by_column["filled_share"] < 1].reset_index(drop=True)


def plot_months(months: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Net amount by month, of rows without amounts their number: gaps and jumps show at a glance."""
    has_money = months["line_amount"].ne(0).any()
    ylabel = _("net amount ({currency})").format(currency=currency) if has_money else _("rows")
    column = "line_amount" if has_money else "n_rows"
    return charts.columns(months, "ordered_month", column, language.short_number, ylabel=ylabel, ax=ax)


def activity_of(activity: pd.DataFrame) -> pd.DataFrame:
    """The rows by month of each table, where there are several."""
    return activity if activity["table"].nunique() > 1 else activity.head(0)


def plot_activity(activity: pd.DataFrame) -> Axes:
    """Rows by month of each table, as a multiple of its own median month."""
    return charts.small_multiples(
        activity_of(activity), "table", "month", "times_usual", language.plain, ylabel=_("rows, times the median month")
    )


def plot_match_scores(match_scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How sure it is of how many pairs that they are one customer."""
    shown = match_scores.astype(float).assign(n_customers=lambda frame: frame["n_pairs"])
    return charts.histogram(
        shown, [], language.plain, xlabel=_("probability that two customers are one"), ylabel=_("pairs"), ax=ax
    )
