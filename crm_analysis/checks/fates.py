"""What became of the rows that were read: rows and money by fate, table, reason, kind, file and month."""

from __future__ import annotations

import pandas as pd

from crm_analysis import language
from crm_analysis.cleaning.ledger import (
    WARN_REJECTED_MONEY_SHARE,
    WARN_REJECTED_ROWS_SHARE,
    explain,
    shares_rejected,
)
from crm_analysis.cleaning.rules import ORDER_TABLES
from crm_analysis.language import _, mark
from crm_analysis.schema import FATES, Column, Shape

READ, ALL_TABLES = mark("read"), mark("all tables")
# In the order in which the rows are put aside; what is left is used.
PUT_ASIDE = ("duplicate", "excluded", "rejected", "blank", "out of window")

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
FALL = Shape(
    "one row per step from all rows that were read to those that are used, of each table and of all",
    {
        "table": Column("text", "table", own=(ALL_TABLES,)),
        "step": Column("label", "read, put aside with its reason, and what is left: used"),
        "n_rows": Column("integer", "rows"),
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
MONTHS = Shape(
    "one row per month up to the report's",
    {
        "ordered_month": Column("text", "month"),
        "n_rows": Column("integer", "rows used"),
        "line_amount": Column("money", "amount, net of returns"),
    },
)


def _sum(ledger: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return ledger.groupby(by, dropna=False, sort=False)[["n_rows", "line_amount"]].sum().reset_index()


def sum_fates(ledger: pd.DataFrame) -> pd.DataFrame:
    """STEPS, in the order of the fates."""
    sums = _sum(ledger, ["table", "fate"])
    sums["row_share"] = sums["n_rows"] / sums.groupby("table")["n_rows"].transform("sum")
    order = sums["fate"].map({fate: place for place, fate in enumerate(FATES)})
    return STEPS.frame(sums.assign(order=order).sort_values(["table", "order"]))


def step_down(ledger: pd.DataFrame) -> pd.DataFrame:
    """FALL of all tables together and then of each, without the steps at which nothing was put aside."""
    parts = [(ALL_TABLES, ledger), *ledger.groupby("table")]
    return FALL.frame(pd.concat([_step_down(part).assign(table=name) for name, part in parts], ignore_index=True))


def _step_down(ledger: pd.DataFrame) -> pd.DataFrame:
    rows = ledger.groupby("fate")["n_rows"].sum()
    money = ledger.groupby("fate")["line_amount"].sum()
    none = ledger["line_amount"].sum() * 0
    steps = [(READ, rows.sum(), money.sum())]
    steps += [(one, rows[one], money[one]) for one in PUT_ASIDE if one in rows.index]
    steps += [("used", rows.get("used", 0), money.get("used", none))]
    return pd.DataFrame(steps, columns=["step", "n_rows", "line_amount"])


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
    """MONTHS, in order: of the orders, or where the source has none, of the dated table with the most rows."""
    used = ledger[(ledger["fate"] == "used") & ledger["ordered_month"].notna()]
    rows = used.groupby("table")["n_rows"].sum().sort_values(ascending=False, kind="stable")
    main = next((one for one in (*ORDER_TABLES, *rows.index) if one in rows.index), None)
    used = used[used["table"] == main]
    return MONTHS.frame(_sum(used, ["ordered_month"]).sort_values("ordered_month"))


def until(noted: pd.DataFrame, month: str, column: str = "ordered_month") -> pd.DataFrame:
    """What a build noted of rows dated in ``month`` or before, and of those without a date."""
    return noted[noted[column].isna() | (noted[column].astype(str) <= month)]


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
