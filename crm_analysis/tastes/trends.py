"""What sells by each value, and whose share of sales rises or falls by more than chance."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape
from crm_analysis.tastes.attributes import BY_ATTRIBUTE, NOT_KNOWN, OTHER, label_lines
from crm_analysis.tastes.lines import IS_KNOWN, IS_SOLD, MAX_VALUES_READ, add_up, month_number, shares_of, stack
from crm_analysis.tastes.sales import Sales

# A change of so many standard errors is called real: of forty values one in nine such months shows one by chance.
REAL = 3.0
MONTHS_SHOWN = 24
# What the last months are compared with.
JUST_BEFORE, YEAR_BEFORE = mark("the months just before, season included"), mark("the same months a year before")
PERIODS = {"recent": "recent", "earlier": "earlier"}

VALUES = Shape(
    "one row per value of an attribute, the largest first; other values and not known last",
    {
        **BY_ATTRIBUTE,
        "value": Column("text", "value", own=(OTHER, NOT_KNOWN)),
        "n_customers": Column("integer", "customers who bought it"),
        "n_lines": Column("integer", "lines sold"),
        "amount": Column("money", "net amount to date"),
        "amount_share": Column("fraction", "share of sales"),
        "earlier_share": Column("fraction", "share of sales in the earlier months"),
        "recent_share": Column("fraction", "share of sales in the last months"),
        "growth_rate": Column("fraction", "growth of the share"),
        "z": Column("fraction", "change in standard errors"),
        "is_real": Column("flag", "more than chance"),
    },
)
MONTHS = Shape(
    "one row per value of a lead attribute and month",
    {
        **BY_ATTRIBUTE,
        "value": Column("text", "value", own=(OTHER, NOT_KNOWN)),
        "month": Column("text", "month"),
        "amount": Column("money", "net amount"),
        "amount_share": Column("fraction", "share of the month's sales"),
    },
)


def measure_values(sales: Sales, trend_months: int) -> tuple[pd.DataFrame, str]:
    """VALUES of every attribute; and in words what the last months are compared with, '' where the data do not reach."""
    first, end, n = first_month(sales), month_number(sales.run.as_of), trend_months
    now, then, basis = range(end - n, end), range(0), ""
    for back, words in ((n, JUST_BEFORE), (12, YEAR_BEFORE)):
        if first <= end - n - back and n <= back:
            then, basis = range(end - n - back, end - back), words
    dated = date_lines(sales.lines, now, then)
    named = sales.attributes[["dimension", "attribute"]].itertuples(index=False, name=None)
    return stack(VALUES, [sum_values(*dated, sales.labels, *one) for one in named]), basis


def first_month(sales: Sales) -> int:
    return int(engine.collect(sales.bought.select(nw.col("month").min()), 1).iloc[0, 0])


def date_lines(lines: Table, now: range, then: range) -> tuple[Table, Table, pd.Series]:
    """``lines`` with the amounts ``recent`` and ``earlier`` instead of months; per buyer ``x`` and ``y``, their shares of all
    sales of those months; and as numbers these sales, and Σ x², Σ xy, Σ y². All are nan without sales in both."""
    amounts = {
        name: nw.when(nw.col("month").is_between(months.start, months.stop - 1)).then(nw.col("amount"))
        for name, months in {"recent": now, "earlier": then}.items()
    }
    dated = lines.with_columns(**amounts).group_by("customer_id", "buyer", "product_id")
    dated = engine.materialise(dated.agg(*add_up("n_lines", amount="amount", **PERIODS)))
    size = engine.collect(dated.select(*add_up(**PERIODS)), 1).iloc[0].astype(float)
    size = size if (size > 0).all() else size * np.nan
    buyers = dated.group_by("buyer").agg(*add_up(**PERIODS))
    buyers = engine.materialise(buyers.select("buyer", x=_of_all("recent", size), y=_of_all("earlier", size)))
    squares = buyers.select(*[(nw.col(a) * nw.col(b)).sum().alias(a + b) for a, b in ("xx", "xy", "yy")])
    return dated, buyers, pd.concat([size, engine.collect(squares, 1).iloc[0]])


def _of_all(period: str, size: pd.Series) -> nw.Expr:
    return (nw.col(period).cast(nw.Float64) / float(size[period])).fill_null(0.0)


def sum_values(
    dated: Table, buyers: Table, sizes: pd.Series, labels: Table, dimension: str, attribute: str
) -> pd.DataFrame:
    """VALUES of one attribute, the largest first, other values and not known last. The standard error of a share's change
    r₁ − r₀ is √Σ e², by buyer e = u − (r₁·x − r₀·y), with u what the value adds to x − y."""
    own = label_lines(dated, labels, {"value": attribute}).group_by("customer_id", "buyer", "value")
    own = own.agg(*add_up("n_lines", amount="amount", **PERIODS)).join(buyers, on="buyer", how="left")
    own = own.with_columns(u=_of_all("recent", sizes) - _of_all("earlier", sizes))
    sums = own.group_by("value").agg(
        nw.when(IS_KNOWN).then(IS_SOLD).sum().fill_null(0).cast(nw.Int64).alias("n_customers"),
        *add_up("n_lines", amount="amount", **PERIODS),
        *[(nw.col(a) * nw.col(b)).sum().alias(a + b) for a, b in ("uu", "ux", "uy")],
    )
    frame = engine.collect(sums, MAX_VALUES_READ)
    r1, r0 = (frame[one].astype(float).fillna(0) / sizes[one] for one in PERIODS)
    variance = frame["uu"] - 2 * (r1 * frame["ux"] - r0 * frame["uy"])
    variance += r1**2 * sizes["xx"] - 2 * r1 * r0 * sizes["xy"] + r0**2 * sizes["yy"]
    # Where all is of one value nothing varies; what is left is the noise of floating point.
    z = ((r1 - r0) / np.sqrt(variance.where(variance > 1e-18))).round(6)
    frame = frame.assign(
        amount_share=shares_of(frame["amount"]), recent_share=r1, earlier_share=r0, growth_rate=(r1 / r0 - 1).where(r0 > 0),
        z=z, is_real=z.abs() >= REAL, dimension=dimension, attribute=attribute,
        place=frame["value"].map({OTHER: 1, NOT_KNOWN: 2}).fillna(0), minus=-frame["amount"].astype(float),
    )  # fmt: skip
    return frame.sort_values(["place", "minus", "value"])


def share_months(sales: Sales) -> pd.DataFrame:
    """MONTHS: the last ``MONTHS_SHOWN`` of each lead attribute; a value without sales in a month has a row of zero."""
    end = month_number(sales.run.as_of)
    months, parts = range(max(first_month(sales), end - MONTHS_SHOWN), end), []
    for dimension, attribute in sales.leads.items():
        sums = sales.bought.group_by("month", dimension).agg(*add_up(amount="amount"))
        frame = engine.collect(sums, MAX_VALUES_READ).pivot(index=dimension, columns="month", values="amount")
        frame = frame.reindex(columns=months).map(lambda one: one if one == one and one is not None else 0)
        for month in months:
            own = pd.DataFrame({"amount": frame[month], "amount_share": shares_of(frame[month])}).reset_index(
                names="value"
            )
            text = f"{(month - 1) // 12}-{(month - 1) % 12 + 1:02}"
            parts.append(own.assign(dimension=dimension, attribute=attribute, month=text))
    return stack(MONTHS, parts)


def rank_rising(values: pd.DataFrame, sign: int = 1) -> pd.DataFrame:
    """The named values whose share rises (``sign`` −1: falls) by more than chance, most points of share first."""
    real = values[~values["value"].isin([OTHER, NOT_KNOWN]) & (sign * values["z"] >= REAL)]
    points = sign * (real["recent_share"] - real["earlier_share"])
    return real.assign(points=points).sort_values(["points", "value"], ascending=[False, True])
