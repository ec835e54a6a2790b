"""What goes with what: pairs of a category and another value, and combinations of all dimensions."""

from __future__ import annotations

from functools import reduce
from operator import mul

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.schema import Column, Shape
from crm_analysis.tastes.attributes import NOT_KNOWN, OTHER
from crm_analysis.tastes.lines import IS_KNOWN, MAX_VALUES_READ, N_BUYERS, add_up, stack
from crm_analysis.tastes.sales import Sales
from crm_analysis.tastes.trends import REAL

PAIRS = Shape(
    "one row per pair of a category and a value of another dimension, both known",
    {
        "category": Column("text", "category", own=(OTHER,)),
        "dimension": Column("label", "other dimension"),
        "value": Column("text", "its value", own=(OTHER,)),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "net amount"),
        "lift": Column("fraction", "times the amount expected; empty where customers are few"),
    },
)
COMBINATIONS = Shape(
    "one row per combination of category, taste and brand that enough customers bought, the most striking first",
    {
        "category": Column("text", "category"),
        "taste": Column("text", "taste"),
        "brand": Column("text", "brand"),
        "n_products": Column("integer", "products sold"),
        "n_lines": Column("integer", "lines sold"),
        "amount": Column("money", "net amount"),
        "n_customers": Column("integer", "customers"),
        "expected_customers": Column("fraction", "customers expected by chance"),
        "lift": Column("fraction", "times as many as expected"),
        "z": Column("fraction", "distance from chance"),
    },
)


def _sum_cells(bought: Table, dimensions: list[str]) -> Table:
    """What known customers bought with a known value in each of the dimensions, by customer and values."""
    known = bought.filter(IS_KNOWN, *[nw.col(one) != NOT_KNOWN for one in dimensions])
    return engine.materialise(known.group_by("customer_id", *dimensions).agg(*add_up("n_lines", amount="amount")))


def relate(sales: Sales, min_customers: int) -> pd.DataFrame:
    """PAIRS of the category with the values of each other dimension: amount · total / (row's amount · column's amount), where
    amounts below zero count as none."""
    frames = []
    for dimension in [one for one in sales.leads if one != "category" and "category" in sales.leads]:
        cells = _sum_cells(sales.bought, ["category", dimension]).group_by("category", nw.col(dimension).alias("value"))
        cells = cells.agg(N_BUYERS, *add_up(amount="amount")).sort("category", "value")
        frame = engine.collect(cells, sales.max_pairs).assign(dimension=dimension)
        amount = frame["amount"].astype(float).clip(lower=0)
        expected = mul(*(amount.groupby(frame[one]).transform("sum") for one in ("category", "value"))) / amount.sum()
        enough = (expected > 0) & (frame["n_customers"] >= min_customers)
        frames.append(frame.assign(lift=(amount / expected).where(enough)))
    return stack(PAIRS, frames)


def combine(sales: Sales, min_customers: int) -> pd.DataFrame:
    """COMBINATIONS beyond chance of all the dimensions, if these are two or three. Customers expected: Σ over customers of
    1 − (1 − q)ⁿ, with n their lines, and q the product of the values' shares of all lines."""
    dimensions, n = list(sales.leads), (sales.max_values + 1) ** 3
    if len(dimensions) < 2:
        return stack(COMBINATIONS, [])
    cells = _sum_cells(sales.bought, dimensions).filter(nw.col("n_lines") > 0)
    products = sales.labels.select(*[nw.col(name).alias(one) for one, name in sales.leads.items()]).group_by(dimensions)
    found = cells.group_by(dimensions).agg(N_BUYERS, *add_up("n_lines", amount="amount")).filter(
        nw.col("n_customers") >= min_customers, *[nw.col(one) != OTHER for one in dimensions]
    )  # fmt: skip
    found = found.join(products.agg(nw.len().alias("n_products")), on=dimensions, how="left")
    frame = engine.collect(found.sort(dimensions), n)
    sizes = cells.group_by("customer_id").agg(*add_up("n_lines")).group_by("n_lines").agg(nw.len().alias("n_customers"))
    n_each, n_people = engine.collect(sizes.sort("n_lines"), MAX_VALUES_READ).to_numpy(float).T
    lines = [engine.collect(cells.group_by(one).agg(*add_up("n_lines")), n).set_index(one) for one in dimensions]
    shares = [frame[one.index.name].map(one["n_lines"] / one["n_lines"].sum()).to_numpy(float) for one in lines]
    expected = np.array([n_people @ (1 - (1 - q) ** n_each) for q in reduce(mul, shares)])
    frame = frame.assign(
        expected_customers=expected, lift=frame["n_customers"] / expected,
        z=((frame["n_customers"] - expected) / np.sqrt(expected)).round(6),
    )  # fmt: skip
    striking = frame[frame["z"] >= REAL].sort_values(["z", *dimensions], ascending=[False, *[True] * len(dimensions)])
    return COMBINATIONS.frame(striking.reindex(columns=list(COMBINATIONS.columns)))
