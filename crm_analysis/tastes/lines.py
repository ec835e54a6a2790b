"""Order lines summed once, by customer, product and month.

Months are whole numbers, 12 · year + month, and sums of money are exact.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.schema import Shape, day_number

MAX_VALUES_READ = 200_000
IS_KNOWN = ~nw.col("customer_id").is_null()
IS_SOLD = (nw.col("n_lines") > 0).cast(nw.Int64)
N_BUYERS = IS_SOLD.sum().cast(nw.Int64).alias("n_customers")


def known_lines(tables: Tables, as_of: date) -> Table:
    """The rows of ``order_lines`` before ``as_of``. Nothing later may be looked at."""
    return engine.as_table(tables["order_lines"]).filter(nw.col("ordered_day") < day_number(as_of))


def sum_lines(tables: Tables, as_of: date) -> Table:
    """Lines sold and net amount by customer, product and month. ``buyer`` is the customer or, where not known, the order."""
    at, order = nw.col("ordered_at").dt, nw.concat_str([nw.lit("order "), nw.col("order_id")])
    lines = known_lines(tables, as_of).with_columns(
        buyer=nw.coalesce("customer_id", order),
        month=at.year().cast(nw.Int64) * 12 + at.month(),
        n_lines=(nw.col("kind") == "sale").cast(nw.Int64),
    )
    return lines.group_by("customer_id", "buyer", "product_id", "month").agg(*add_up("n_lines", amount="line_amount"))


def month_number(day: date) -> int:
    return 12 * day.year + day.month


def add_up(*whole: str, **renamed: str) -> list[nw.Expr]:
    """Sums under their own name, those of ``whole`` as whole numbers."""
    exact = [nw.col(name).sum().alias(new) for new, name in renamed.items()]
    return [*[nw.col(name).sum().cast(nw.Int64) for name in whole], *exact]


def place_by(table: Table, order_by: list[str], within: tuple[str, ...] = ()) -> Table:
    """``place``, 1 for the first by ``order_by``, ``within`` these columns."""
    place = nw.col("one").cum_sum().over(*within, order_by=order_by)
    return table.with_columns(one=nw.lit(1)).with_columns(place=place.cast(nw.Int64)).drop("one")


def shares_of(amounts: pd.Series) -> list[float]:
    """Shares of exact amounts."""
    total = amounts.sum()
    return [float(one / total) if total else 0.0 for one in amounts]


def stack(shape: Shape, frames: list[pd.DataFrame]) -> pd.DataFrame:
    return shape.frame(pd.concat(frames) if frames else pd.DataFrame(columns=list(shape.columns)))
