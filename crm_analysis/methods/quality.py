"""Data quality: what came in, what was left out and why, and how complete is it?

Definitions. Every row of every file has exactly one fate: *used*; *out of window*, dated after the month of the report;
*duplicate*, equal in all columns to a row before; *excluded* by the contract, with its reason; *rejected*, with the code of
what could not be read; *blank*. Rows and money of the fates add up to what was read. *Completeness*: the share of used rows
that have a value. *Repaired*: rows whose text was trimmed of blanks to be read.

It cannot tell whether what is filled in is true.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.cleaning.ledger import (
    MAX_LEDGER_ROWS,
    WARN_REJECTED_MONEY_SHARE,
    WARN_REJECTED_ROWS_SHARE,
    explain,
    fates_at,
    shares_rejected,
)
from crm_analysis.engine import Tables
from crm_analysis.language import _
from crm_analysis.params import Run
from crm_analysis.schema import COMPLETENESS, FATES, Column, KeyFigure, Shape

REQUIRES = ("ledger", "rejects", "completeness")
# Where the report stands in the pack.
PLACE = 90

STEPS = Shape(
    "one row per table and fate",
    {
        "table": Column("text", "table"),
        "fate": Column("label", "what became of the rows"),
        "n_rows": Column("integer", "rows"),
        "row_share": Column("fraction", "share of the rows read"),
        "line_amount": Column("money", "amount, where it could be read"),
    },
)
REASONS = Shape(
    "one row per table, fate and reason why rows are not used",
    {
        "table": Column("text", "table"),
        "fate": Column("label", "what became of the rows"),
        "reason": Column("text", "code and column, or the contract's reason"),
        "meaning": Column("text", "in words"),
        "n_rows": Column("integer", "rows"),
        "line_amount": Column("money", "amount, where it could be read"),
    },
)
KIND_TABLE = Shape(
    "one row per kind of used row, with and without a customer",
    {
        "kind": Column("label", "kind of row"),
        "has_customer": Column("flag", "a customer is named"),
        "n_rows": Column("integer", "rows"),
        "line_amount": Column("money", "amount"),
    },
)
FILES = Shape(
    "one row per file and table",
    {
        "table": Column("text", "table"),
        "file": Column("text", "file"),
        "n_read": Column("integer", "rows read"),
        "n_used": Column("integer", "rows used"),
        "n_rejected": Column("integer", "rows rejected"),
    },
)
EXAMPLES = Shape(
    "the first rejected rows of each reason; their text stands in the customer database, not in a report",
    {
        "file": Column("text", "file"),
        "line": Column("integer", "line of the file"),
        "reason": Column("text", "code and column"),
    },
)
FILLED = Shape(
    COMPLETENESS.grain,
    {**COMPLETENESS.columns, "filled_share": Column("fraction", "share of rows with a value")},
)
MONTHS = Shape(
    "one row per month up to the report's",
    {
        "ordered_month": Column("text", "month"),
        "n_rows": Column("integer", "rows used"),
        "line_amount": Column("money", "amount, net of returns"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """``examples_per_reason``: how many rejected rows are listed for each reason."""

    examples_per_reason: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.examples_per_reason <= 100:
            raise ValueError(f"examples_per_reason is {self.examples_per_reason}; it goes from 0 to 100")


@dataclass(frozen=True)
class Result:
    """Small frames only; the warning is empty where all is well."""

    steps: pd.DataFrame
    reasons: pd.DataFrame
    kinds: pd.DataFrame
    files: pd.DataFrame
    examples: pd.DataFrame
    completeness: pd.DataFrame
    months: pd.DataFrame
    warnings: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The ledger as the report on ``run.month`` sees it."""
    ledger = fates_at(engine.collect(engine.as_table(tables["ledger"]), MAX_LEDGER_ROWS), run.month)
    completeness = engine.collect(engine.as_table(tables["completeness"]), 10_000)
    rejects = engine.as_table(tables["rejects"]).select("file", "line", "reason")
    reasons = sum_reasons(ledger)
    return Result(
        steps=sum_fates(ledger),
        reasons=reasons,
        kinds=sum_kinds(ledger),
        files=sum_files(ledger),
        examples=choose_examples(rejects, reasons, params),
        completeness=describe_completeness(completeness),
        months=sum_months(ledger),
        warnings=warn(ledger),
    )


def choose_examples(rejects: engine.Table, reasons: pd.DataFrame, params: Params) -> pd.DataFrame:
    """EXAMPLES: the first rejected rows of each reason, in the order of the files."""
    codes = reasons.loc[reasons["fate"] == "rejected", "reason"].unique()
    found = [
        engine.collect(
            rejects.filter(nw.col("reason") == code).sort("file", "line").head(params.examples_per_reason), 100
        )
        for code in codes
    ]
    return EXAMPLES.frame(pd.concat(found) if found else pd.DataFrame(columns=list(EXAMPLES.columns)))


# Small frame steps.


def _sum(ledger: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return ledger.groupby(by, dropna=False, sort=False)[["n_rows", "line_amount"]].sum().reset_index()


def sum_fates(ledger: pd.DataFrame) -> pd.DataFrame:
    """STEPS, in the order of the fates."""
    sums = _sum(ledger, ["table", "fate"])
    sums["row_share"] = sums["n_rows"] / sums.groupby("table")["n_rows"].transform("sum")
    order = sums["fate"].map({fate: place for place, fate in enumerate(FATES)})
    return STEPS.frame(sums.assign(order=order).sort_values(["table", "order"]))


def sum_reasons(ledger: pd.DataFrame) -> pd.DataFrame:
    """REASONS, most rows first."""
    sums = _sum(ledger[ledger["fate"].isin(["rejected", "excluded"])], ["table", "fate", "reason"])
    sums["meaning"] = [
        _(explain(reason)) if fate == "rejected" else reason
        for fate, reason in zip(sums["fate"], sums["reason"], strict=True)
    ]
    return REASONS.frame(sums.sort_values(["n_rows", "reason"], ascending=[False, True]))


def sum_kinds(ledger: pd.DataFrame) -> pd.DataFrame:
    """KIND_TABLE of the rows that are used."""
    used = ledger[(ledger["fate"] == "used") & ledger["kind"].notna()]
    return KIND_TABLE.frame(_sum(used, ["kind", "has_customer"]).sort_values("n_rows", ascending=False))


def sum_files(ledger: pd.DataFrame) -> pd.DataFrame:
    """FILES."""
    counts = ledger.assign(
        n_read=ledger["n_rows"],
        n_used=ledger["n_rows"].where(ledger["fate"].isin(["used", "out of window"]), 0),
        n_rejected=ledger["n_rows"].where(ledger["fate"] == "rejected", 0),
    )
    return FILES.frame(counts.groupby(["table", "file"])[["n_read", "n_used", "n_rejected"]].sum().reset_index())


def sum_months(ledger: pd.DataFrame) -> pd.DataFrame:
    """MONTHS, in order."""
    used = ledger[(ledger["fate"] == "used") & ledger["ordered_month"].notna()]
    return MONTHS.frame(_sum(used, ["ordered_month"]).sort_values("ordered_month"))


def describe_completeness(completeness: pd.DataFrame) -> pd.DataFrame:
    """FILLED, least complete first."""
    share = completeness["n_filled"] / completeness["n_rows"].where(completeness["n_rows"] > 0)
    filled = completeness.assign(filled_share=share.fillna(0.0))
    return FILLED.frame(filled.sort_values(["filled_share", "table", "column"], kind="stable"))


def warn(ledger: pd.DataFrame) -> list[str]:
    """What the reader of any report must know."""
    told = []
    for table, part in ledger.groupby("table"):
        rows, money = shares_rejected(part)
        if rows > WARN_REJECTED_ROWS_SHARE or money > WARN_REJECTED_MONEY_SHARE:
            told.append(
                _("{rows} of the rows and {money} of the money of “{table}” could not be read.").format(
                    rows=language.percent(rows), money=language.percent(money), table=table
                )
            )
    return told


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen."""
    rows = result.steps.groupby("fate")["n_rows"].sum()
    read = int(rows.sum())
    return [
        KeyFigure(name=_("rows read"), value=read, meaning=_("All rows of the source's files, whatever their table.")),
        KeyFigure(
            name=_("used"), value=(rows.get("used", 0)) / read if read else 0.0, unit="share",
            meaning=_("Part of the rows read on which the reports rest."),
        ),
        KeyFigure(
            name=_("duplicates left out"), value=int(rows.get("duplicate", 0)),
            meaning=_("Rows that were in the files a second time."),
        ),
        KeyFigure(
            name=_("could not be read"), value=int(rows.get("rejected", 0)),
            meaning=_("Rows with a value that is missing, or is not what its column should hold."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    rows = result.steps.groupby("fate")["n_rows"].sum()
    money = result.kinds.groupby("has_customer")["line_amount"].sum()
    total = money.sum()
    told = [
        *result.warnings,
        _("{used} of {read} rows are used; {duplicate} are duplicates, {rejected} could not be read.").format(
            used=language.integer(rows.get("used", 0)), read=language.integer(rows.sum()),
            duplicate=language.integer(rows.get("duplicate", 0)), rejected=language.integer(rows.get("rejected", 0))),
    ]  # fmt: skip
    if False in money.index and total:
        told.append(
            _("{amount} ({share}) of the net amount has no customer: it is in the company's totals, in no customer's."
              ).format(amount=language.short_money(money[False], currency), share=language.percent(money[False] / total))
        )  # fmt: skip
    least = result.completeness.iloc[0]
    if least["filled_share"] < 1:
        told.append(
            _("The least complete column is “{column}” of “{table}”: {share} of its rows have a value.").format(
                column=least["column"], table=least["table"], share=language.percent(least["filled_share"])
            )
        )
    return told


# Charts.


def plot_completeness(completeness: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of rows with a value by column, the least complete first."""
    shown = completeness.head(20)
    shown = shown.assign(name=shown["table"] + "." + shown["column"])
    return charts.bars(
        shown, "name", "filled_share", language.percent, xlabel=_("share of rows with a value"),
        marked=shown.loc[shown["filled_share"] < 1, "name"].tolist(), ax=ax,
    )  # fmt: skip


def plot_months(months: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Net amount by month: gaps and jumps show at a glance."""
    return charts.columns(
        months, "ordered_month", "line_amount", language.short_number,
        ylabel=_("net amount ({currency})").format(currency=currency), ax=ax,
    )  # fmt: skip
