"""Amounts that are valid and far above the usual: they are used, and move every mean.

The usual is the median of the amounts without their sign, those of zero left out; an outlier is more than ``outlier_ratio`` times it.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.checks.fates import until
from crm_analysis.checks.known import amount_of, known_rows
from crm_analysis.cleaning.profile import MAX_OUTLIERS
from crm_analysis.engine import Table, Tables
from crm_analysis.schema import Column, Shape

AMOUNTS = Shape(
    "one row per table with amounts",
    {
        "table": Column("text", "table"),
        "column": Column("text", "column"),
        "n_rows": Column("integer", "rows with an amount"),
        "median_amount": Column("money", "median"),
        "mean_amount": Column("money", "mean"),
        "mean_without_amount": Column("money", "mean without outliers"),
        "largest_amount": Column("money", "largest"),
        "n_outliers": Column("integer", "outliers"),
        "outlier_share": Column("fraction", "share of outliers in all amounts"),
    },
)
LARGEST = Shape(
    "the outliers, the largest first, with the lines on which they stand",
    {
        "table": Column("text", "table"),
        "file": Column("text", "file"),
        "line": Column("integer", "line of the file"),
        "month": Column("text", "month"),
        "amount": Column("money", "amount"),
        "n_medians": Column("quantity", "times the median"),
    },
)


def summarise_amounts(tables: Tables, names: list[str], as_of: date, outlier_ratio: float) -> pd.DataFrame:
    """AMOUNTS of the main amount of each of these tables, in money of the source."""
    rows = []
    for name in names:
        table = known_rows(tables, name, as_of)
        column = amount_of(table, name)
        if column is not None:
            rows += _summarise(table, name, column, outlier_ratio)
    return AMOUNTS.frame(pd.DataFrame(rows, columns=list(AMOUNTS.columns)))


def _summarise(table: Table, name: str, column: str, outlier_ratio: float) -> list[tuple]:
    # Summed exactly: the sum of floating-point numbers depends on their order.
    exact, size = nw.col("exact"), nw.col("size")
    sizes = table.select(exact=nw.col(column).abs()).with_columns(size=exact.cast(nw.Float64)).filter(size > 0)
    sums = sizes.select(n=nw.len(), median=size.median(), total=exact.sum(), largest=size.max())
    one = engine.collect(sums, 1).iloc[0]
    if not one["n"]:
        return []
    far = sizes.filter(size > outlier_ratio * float(one["median"]))
    beyond = engine.collect(far.select(n=nw.len(), total=exact.sum()), 1).iloc[0].fillna(0).astype(float)
    n, n_far, total = int(one["n"]), int(beyond["n"]), float(one["total"])
    without, share = (total - beyond["total"]) / (n - n_far), beyond["total"] / total
    return [(name, column, n, one["median"], total / n, without, one["largest"], n_far, share)]


def list_largest(noted: pd.DataFrame, amounts: pd.DataFrame, month: str, outlier_ratio: float, n: int) -> pd.DataFrame:
    """LARGEST: the first ``n`` of each table, from what the build noted (schema.OUTLIERS)."""
    medians = dict(zip(amounts["table"], amounts["median_amount"], strict=True))
    known = until(noted, month, "month")
    sizes = known["amount"].astype(float).abs()
    known = known.assign(n_medians=sizes / known["table"].map(medians).astype(float), size=sizes)
    far = known[known["n_medians"] > outlier_ratio].sort_values(["size", "file", "line"], ascending=[False, True, True])
    return LARGEST.frame(far.groupby("table", sort=False).head(n))


def read_noted(tables: Tables) -> pd.DataFrame:
    """What the build noted of large amounts."""
    return engine.collect(engine.as_table(tables["outliers"]), MAX_OUTLIERS)
