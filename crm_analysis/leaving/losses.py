"""Who was lost in which month and at which stage: customers at risk, lost, and the money they stood for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import Column, Shape

_COUNTS = {
    "n_at_risk": Column("integer", "customers at the start"),
    "n_lost": Column("integer", "lost"),
    "loss_rate": Column("fraction", "share lost"),
    "lost_amount": Column("money", "amount of 12 months that they stood for"),
}
MONTHS = Shape("one row per month", {"month": Column("text", "month"), **_COUNTS})
STAGES = Shape(
    "one row per group of customers at the start of the month; where there are no dates of all customers to date",
    {
        "dimension": Column("label", "customers by"),
        "group": Column("label", "group"),
        **_COUNTS,
        "previous_month_loss_rate": Column("fraction", "share lost in the month before"),
        "last_year_loss_rate": Column("fraction", "share lost in the same month last year"),
    },
)

# A column by which customers are grouped, in words.
DIMENSIONS = {"stage": mark("orders so far"), "acquired": mark("first order"), "tenure": mark("time as a customer")}

Cells = Mapping[str, pd.DataFrame]


def lose_by_month(lose: Callable[[date, date], Table], first_day: date, run: Run) -> dict[str, Table]:
    """Who was at risk (``lose``: from a day to another) in each of the 13 months to the run's that start on ``first_day`` or
    later: before nobody can have been lost."""
    starts = [first_of_month(run.month, number) for number in range(-12, 1)]
    return {f"{one:%Y-%m}": lose(one, first_of_month(f"{one:%Y-%m}", 1)) for one in starts if one >= first_day}


def sum_cells(losses: Mapping[str, Table], dimensions: Sequence[str]) -> Cells:
    """Customers at risk, lost, and the money of the lost, by month and group."""

    def sum_up(customers: Table) -> Table:
        sums = customers.group_by(*dimensions).agg(
            n_at_risk=nw.len(),
            n_lost=nw.col("is_lost").cast(nw.Int64).sum().cast(nw.Int64),
            lost_amount=nw.col("lost_amount").sum(),
        )
        return sums.sort(*dimensions)

    return {month: engine.collect(sum_up(customers), 100) for month, customers in losses.items()}


def loss_rate(cells: pd.DataFrame) -> float:
    n = cells["n_at_risk"].sum()
    return float(cells["n_lost"].sum() / n) if n else np.nan


def _count(cells: pd.DataFrame) -> dict[str, object]:
    return {
        "n_at_risk": int(cells["n_at_risk"].sum()),
        "n_lost": int(cells["n_lost"].sum()),
        "loss_rate": loss_rate(cells),
        "lost_amount": sum(cells["lost_amount"], Decimal(0)),
    }


def describe_months(cells: Cells) -> pd.DataFrame:
    """MONTHS."""
    told = [{"month": month, **_count(one)} for month, one in cells.items()]
    return MONTHS.frame(pd.DataFrame(told, columns=list(MONTHS.columns)))


def describe_stages(cells: Cells, dimensions: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """STAGES of the last of the months, beside the one before and the one a year before."""
    if not cells:
        return STAGES.frame(pd.DataFrame(columns=list(STAGES.columns)))
    months = list(cells)
    now, before, last_year = (cells[months[-back]] if len(months) >= back else None for back in (1, 2, 13))

    def rate(cell: pd.DataFrame | None, dimension: str, group: str) -> float:
        return np.nan if cell is None else loss_rate(cell[cell[dimension] == group])

    told = [
        {
            "dimension": DIMENSIONS[dimension],
            "group": group,
            **_count(now[now[dimension] == group]),
            "previous_month_loss_rate": rate(before, dimension, group),
            "last_year_loss_rate": rate(last_year, dimension, group),
        }
        for dimension, groups in dimensions.items()
        for group in groups
    ]
    return STAGES.frame(pd.DataFrame(told))
