"""What the checks come to: five dimensions of each table, now and a month earlier, and whether it is fit for use.

Completeness: filled cells; validity: rows that could be read; uniqueness: rows that stand there once; timeliness: days in no gap;
consistency: tests without a contradiction; each as a share. A table is as good as its worst dimension; of its completeness the
emptiest of the columns counts that it must have.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from crm_analysis import language
from crm_analysis.checks.columns import completeness_of
from crm_analysis.checks.fates import until
from crm_analysis.language import _, mark
from crm_analysis.schema import CANONICAL, Column, Shape

DIMENSIONS = {
    "completeness": mark("completeness"),
    "validity": mark("validity"),
    "uniqueness": mark("uniqueness"),
    "timeliness": mark("timeliness"),
    "consistency": mark("consistency"),
}
FIT, CARE, UNFIT = mark("fit for use"), mark("use with care"), mark("not fit for use")

SCORES = Shape(
    "one row per table: its five dimensions, and whether it is fit for use",
    {
        "table": Column("text", "table"),
        "verdict": Column("label", "verdict"),
        "why": Column("text", "why"),
        **{f"{one}_share": Column("fraction", words) for one, words in DIMENSIONS.items()},
    },
)
CHANGES = Shape(
    "one row per table and dimension",
    {
        "table": Column("text", "table"),
        "dimension": Column("label", "dimension"),
        "now_share": Column("fraction", "now"),
        "before_share": Column("fraction", "a month earlier"),
        "now_change": Column("fraction", "change in points"),
        "n_rows": Column("integer", "rows or tests", detail=mark("how many it is a share of")),
    },
)
# Why a table is not simply fit, by dimension.
WHY = {
    "completeness": mark("{gap} of its cells are empty"),
    "validity": mark("{gap} of its rows could not be read"),
    "uniqueness": mark("{gap} of its rows were there already"),
    "timeliness": mark("{gap} of the year's days lie in gaps without rows"),
    "consistency": mark("{gap} of the tests found a contradiction, most often: {check}"),
}
EMPTY = mark("“{column}” is empty in {gap} of its rows")
LATE = mark("its newest row is of {day}, {n} days before the month's end")
WELL = mark("nothing speaks against it")
OPTIONAL = mark("{gap} of its cells are empty, hardly any where it must have a value")
NO_ROWS = mark("it has no row up to the month")


def score_rows(ledger: pd.DataFrame, completeness: pd.DataFrame, month: str) -> pd.DataFrame:
    """By table, the shares of completeness, validity and uniqueness as of the month's end, and the rows that were tried."""
    known = until(ledger, month)
    rows = known.pivot_table(index="table", columns="fate", values="n_rows", aggfunc="sum", fill_value=0)
    rows = rows.reindex(columns=["used", "rejected", "duplicate"], fill_value=0)
    tried = rows["used"] + rows["rejected"]
    kept = rows["used"] + rows["duplicate"]
    return pd.DataFrame(
        {
            "completeness": completeness_of(completeness, month).reindex(rows.index),
            "validity": rows["used"] / tried.where(tried > 0),
            "uniqueness": rows["used"] / kept.where(kept > 0),
            "n_rows": rows["used"],
        }
    )


def list_changes(
    now: pd.DataFrame, before: pd.DataFrame, timeliness: pd.DataFrame, agreement: pd.DataFrame
) -> pd.DataFrame:
    """CHANGES: the five dimensions of each table, ``now`` and ``before`` as of score_rows, ``agreement`` as of
    consistency.summarise_contradictions; a table without dates has no earlier state."""
    months = timeliness.set_index("table")
    rows = []
    for table in now.index:
        for one in ("completeness", "validity", "uniqueness"):
            earlier = before[one].get(table) if table in months.index else None
            rows.append((table, one, now.at[table, one], earlier, now.at[table, "n_rows"]))
        if table in months.index:
            one = months.loc[table]
            earlier = one["covered_share"] - one["covered_change"]
            rows.append((table, "timeliness", one["covered_share"], earlier, now.at[table, "n_rows"]))
        if table in agreement.index:
            rows.append((table, "consistency", *agreement.loc[table, ["now", "before", "n_tested"]]))
    frame = pd.DataFrame(rows, columns=["table", "dimension", "now_share", "before_share", "n_rows"])
    frame["n_rows"] = frame["n_rows"].astype(int)
    frame[["now_share", "before_share"]] = frame[["now_share", "before_share"]].astype(float)
    return CHANGES.frame(frame.assign(now_change=frame["now_share"] - frame["before_share"]))


def judge(
    changes: pd.DataFrame, columns: pd.DataFrame, timeliness: pd.DataFrame, contradictions: pd.DataFrame,
    care_below: Mapping[str, float], unfit_below: Mapping[str, float],
) -> pd.DataFrame:  # fmt: skip
    """SCORES, the worst table first: a share below ``care_below`` or ``unfit_below`` of its dimension, or a table that is late,
    is told in ``why``."""
    late = timeliness[timeliness["is_late"].astype(bool)].set_index("table")
    # The checks stand with the most contradictions first.
    checks = contradictions.drop_duplicates("table").set_index("table")["check"]
    rows = []
    for table, part in changes.groupby("table", sort=False):
        shares = dict(zip(part["dimension"], part["now_share"], strict=True))
        worst = dict(shares)
        emptiest = _emptiest(columns, table)
        if emptiest is not None:
            worst["completeness"] = emptiest["filled_share"]
        low = [one for one, share in worst.items() if share < care_below[one]]
        is_unfit = any(worst[one] < unfit_below[one] for one in low) or not part["n_rows"].iloc[0]
        told = [_why(one, worst[one], emptiest, checks.get(table)) for one in low]
        if table in late.index:
            behind = late.loc[table]
            told.append(
                _(LATE).format(day=language.day(behind["newest_date"]), n=language.integer(behind["n_days_behind"]))
            )
        if not part["n_rows"].iloc[0]:
            told = [_(NO_ROWS)]
        well = _(OPTIONAL).format(gap=language.percent(1 - shares["completeness"]))
        well = well if shares["completeness"] < care_below["completeness"] else _(WELL)
        verdict = UNFIT if is_unfit else CARE if told else FIT
        found = {f"{one}_share": shares.get(one) for one in DIMENSIONS}
        rows.append({"table": table, "verdict": verdict, **found, "why": _("; ").join(told) or well})
    frame = pd.DataFrame(rows, columns=list(SCORES.columns))
    order = frame["verdict"].map({UNFIT: 0, CARE: 1, FIT: 2})
    return SCORES.frame(frame.iloc[order.argsort(kind="stable")])


def _emptiest(columns: pd.DataFrame, table: str) -> pd.Series | None:
    """The emptiest of the columns that a table must have, and of those that name a customer."""
    must = {*CANONICAL[table].required, *CANONICAL[table].key, "customer_id"}
    own = columns[(columns["table"] == table) & columns["column"].isin(must) & columns["filled_share"].notna()]
    return own.loc[own["filled_share"].idxmin()] if len(own) else None


def _why(dimension: str, worst: float, emptiest: pd.Series | None, check: str | None) -> str:
    if dimension == "completeness" and emptiest is not None:
        return _(EMPTY).format(column=emptiest["column"], gap=language.percent(1 - worst))
    return _(WHY[dimension]).format(gap=language.percent(1 - worst), check=check)
