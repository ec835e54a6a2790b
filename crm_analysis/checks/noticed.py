"""What a person should look at in the files: what was noticed though the rows are used, and examples of what could not be read.

A report shows no text of a rejected row but with its letters as x and its digits as 9; the text itself is in the customer database.
"""

from __future__ import annotations

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.cleaning.ledger import explain
from crm_analysis.engine import Table
from crm_analysis.language import _
from crm_analysis.schema import Column, Shape

NOTICED = Shape(
    "one row per table, column and kind of thing that was noticed, most rows first",
    {
        "table": Column("text", "table"),
        "column": Column("text", "column"),
        "code": Column("text", "code"),
        "meaning": Column("text", "in words"),
        "n_files": Column("integer", "files"),
        "n_rows": Column("integer", "rows"),
        "lines": Column("text", "first lines"),
    },
)
EXAMPLES = Shape(
    "the first rejected rows of each reason, what stood there masked; the text is in the customer database, table rejects",
    {
        "reason": Column("text", "code and column"),
        "file": Column("text", "file"),
        "line": Column("integer", "line of the file"),
        "masked": Column("text", "what stood there, masked"),
    },
)
MAX_WARNINGS, MAX_MASKED = 100_000, 40
# What may stand in a masked text beside x and 9: marks that tell how a date, an amount or an address is written.
KEPT = " .,:;/-+()@_%'"


def mask(text: str | None) -> str | None:
    """Letters as x, digits as 9, marks of dates, amounts and addresses as they are, anything else as ?; cut at 40."""
    if text is None or text != text:
        return None
    masked = "".join("9" if one.isdigit() else "x" if one.isalpha() else one if one in KEPT else "?" for one in text)
    return masked if len(masked) <= MAX_MASKED else masked[:MAX_MASKED] + "…"


def summarise_warnings(warnings: Table) -> pd.DataFrame:
    """NOTICED from the warnings of the customer database."""
    frame = engine.collect(engine.as_table(warnings), MAX_WARNINGS)
    by = ["table", "column", "code"]
    sums = frame.groupby(by, dropna=False, sort=True).agg(
        n_files=("file", "nunique"), n_rows=("n_rows", "sum"), lines=("lines", "first")
    )
    sums = sums.reset_index()
    sums["meaning"] = [_(explain(one)) for one in sums["code"]]
    return NOTICED.frame(sums.sort_values(["n_rows", *by], ascending=[False, True, True, True]))


def choose_examples(rejects: Table, reasons: pd.DataFrame, n_examples: int) -> pd.DataFrame:
    """EXAMPLES: the first rejected rows of each reason, in the order of the files; the commonest reason first."""
    rejects = engine.as_table(rejects).select("reason", "file", "line", "value")
    codes = reasons.loc[reasons["fate"] == "rejected", "reason"].unique()
    found = [
        engine.collect(rejects.filter(nw.col("reason") == one).sort("file", "line").head(n_examples), 100)
        for one in codes
    ]
    frame = pd.concat(found) if found else pd.DataFrame(columns=["reason", "file", "line", "value"])
    return EXAMPLES.frame(frame.assign(masked=[mask(one) for one in frame["value"]]))
