"""How full each column is, how much of it could be read, and how much was written as it should be; from what the build noted.

Completeness: used rows with a value. Validity: of the texts that stood in the column, those that could be read and kept its rules;
the others had their row rejected. Standard: values that were read as they stood, without a blank or a suffix taken off.
"""

from __future__ import annotations

import pandas as pd

from crm_analysis.checks.fates import until
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape

COLUMNS = Shape(
    "one row per table and column, the least complete first",
    {
        "table": Column("text", "table"),
        "column": Column("text", "column"),
        "n_rows": Column("integer", "rows"),
        "filled_share": Column(
            "fraction", "filled", detail=mark("share of rows with a value; not told of columns that may be empty")
        ),
        "filled_change": Column("fraction", "change in points", detail=mark("on a month earlier")),
        "valid_share": Column("fraction", "readable", detail=mark("share of the values that could be read")),
        "valid_change": Column("fraction", "its change in points", detail=mark("on a month earlier")),
        "n_rejected": Column("integer", "rejected", detail=mark("rows rejected because of this column")),
        "standard_share": Column(
            "fraction", "as it should be written", detail=mark("share of values read as they stand")
        ),
        "n_repaired": Column(
            "integer",
            "respelled",
            detail=mark("rows whose text was changed to be read: blanks, spelling, filled amounts"),
        ),
    },
)
# What only time brings, if ever: an empty one is no fault, and a full one may tell of later months.
ONLY_WITH_TIME = {
    "ended_date", "end_reason", "paid_date", "answered_at", "resolved_at", "closed_date", "response_amount", "rating",
    "feedback_text", "topic",
}  # fmt: skip


def summarise_columns(
    completeness: pd.DataFrame, ledger: pd.DataFrame, month: str, previous_month: str
) -> pd.DataFrame:
    """COLUMNS as of the month's end, with the change on the previous month; none in tables without dates."""
    now, earlier = (_columns_at(completeness, ledger, one) for one in (month, previous_month))
    dated = set(completeness.loc[completeness["month"].notna(), "table"])
    earlier = earlier[earlier["table"].isin(dated)]
    both = now.merge(earlier, on=["table", "column"], how="left", suffixes=("", "_before"))
    for name in ("filled", "valid"):
        both[f"{name}_change"] = both[f"{name}_share"] - both[f"{name}_share_before"]
    return COLUMNS.frame(both.sort_values(["filled_share", "table", "column"], kind="stable"))


def _columns_at(completeness: pd.DataFrame, ledger: pd.DataFrame, month: str) -> pd.DataFrame:
    counts = ["n_rows", "n_filled", "n_repaired"]
    by = ["table", "column"]
    sums = until(completeness, month, "month").groupby(by, sort=False)[counts].sum().reset_index()
    rejected = until(ledger[ledger["fate"] == "rejected"], month)
    columns = rejected["reason"].astype(str).str.partition(" ")[2] if len(rejected) else ""
    lost = rejected.assign(column=columns).groupby(by)["n_rows"].sum().rename("n_rejected").reset_index()
    sums = sums.merge(lost, on=by, how="left").fillna({"n_rejected": 0})
    filled, rows = sums["n_filled"], sums["n_rows"]
    judged = ~sums["column"].isin(ONLY_WITH_TIME) & (rows > 0)
    tried = filled + sums["n_rejected"]
    return sums.assign(
        n_rejected=sums["n_rejected"].astype(int),
        filled_share=(filled / rows.where(rows > 0)).where(judged),
        valid_share=filled / tried.where(tried > 0),
        standard_share=1 - sums["n_repaired"] / filled.where(filled > 0),
    )


def completeness_of(completeness: pd.DataFrame, month: str) -> pd.Series:
    """By table, the share of its cells that are filled, columns that may be empty left out."""
    judged = until(completeness[~completeness["column"].isin(ONLY_WITH_TIME)], month, "month")
    sums = judged.groupby("table")[["n_filled", "n_rows"]].sum()
    return sums["n_filled"] / sums["n_rows"].where(sums["n_rows"] > 0)
