"""Purchases → the value of each customer: a buying model's orders to come × what an order is worth, discounted.

Definitions: see ``methods/ltv.py``. Models count in a ``Horizon``'s unit of time; the tables hold days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.customers import TRIPLE, known_orders, margin_rate
from crm_analysis.engine import Table, Tables
from crm_analysis.models.buying import BuyingModel, Triples
from crm_analysis.models.fitting import Fit
from crm_analysis.models.spending import Amounts, GammaGamma, correlation
from crm_analysis.params import first_of_month
from crm_analysis.schema import day_number

MONTH_DAYS = 365.25 / 12
MAX_TRIPLES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """How far ahead: ``months``, rising; ``list_months``, one of them, for intervals per customer; ``discount_rate`` a year;
    ``unit_days``: the models' unit of time."""

    months: tuple[int, ...]
    list_months: int
    discount_rate: float
    unit_days: int

    @property
    def month(self) -> float:
        """A month in the models' unit."""
        return MONTH_DAYS / self.unit_days


@dataclass(frozen=True)
class Value:
    """What an order day is worth. ``fit``: Gamma-Gamma, None where amounts do not vary or it has no mean; then every order is
    worth ``mean_amount``. ``kept_rate``: net over gross; ``margin_rate``: profit over net, None where cost is not known; where there
    is no profit the value is revenue.
    ``correlation``: of number and mean amount of repeat orders."""

    fit: Fit | None
    mean_amount: float
    kept_rate: float
    margin_rate: float | None
    correlation: float

    @property
    def factor(self) -> float:
        """From the gross amount to what remains."""
        return self.kept_rate * (self.margin_rate if self.is_profit else 1.0)

    @property
    def is_profit(self) -> bool:
        return self.margin_rate is not None and self.margin_rate > 0


def value_column(months: int) -> str:
    return f"value_{months}m_amount"


def orders_column(months: int) -> str:
    return f"expected_orders_{months}m"


def count_amounts(purchases: Table) -> Table:
    """Customers with repeat orders by their number and mean amount, in classes a thousandth wide: what the Gamma-Gamma is
    fitted on."""
    mean = nw.col("repeat_amount") / nw.col("n_repeat_days")
    some = purchases.filter(nw.col("n_repeat_days") > 0, nw.col("repeat_amount") > 0)
    some = some.with_columns(number=(mean.log() * 1000).round(0).cast(nw.Int64))
    by = ["n_repeat_days", "number"]
    sums = some.group_by(by).agg(nw.len().alias("n_customers"), engine.as_exact(nw.col("repeat_amount"), 6).sum())
    amount = nw.col("repeat_amount").cast(nw.Float64)
    return sums.with_columns(
        repeat_amount=amount, mean_amount=amount / nw.col("n_repeat_days") / nw.col("n_customers")
    ).sort(by)


def value_customers(purchases: Table, base: Table, model: BuyingModel, value: Value, horizon: Horizon) -> Table:
    """Per customer alive_prob, expected orders and value by horizon, and the 90 % interval of orders over the list's."""
    types = {
        **dict.fromkeys(TRIPLE, "BIGINT"),
        "alive_prob": "DOUBLE",
        **{orders_column(months): "DOUBLE" for months in horizon.months},
        **{f"discounted_{months}m": "DOUBLE" for months in horizon.months},
        "orders_low": "BIGINT",
        "orders_high": "BIGINT",
    }
    # In this order a batch has few numbers of orders and times observed, on which alone it depends what a living customer orders.
    triples = purchases.select(*TRIPLE).unique().sort("n_repeat_days", "observed_days")
    scored = engine.map_batches(triples, lambda frame: forecast(model, frame, horizon)[list(types)], types)
    customers = purchases.join(scored, on=list(TRIPLE), how="inner").join(
        base.select("customer_id", "first_ordered_day", "days_since_last_order", "n_orders", "net_amount"),
        on="customer_id", how="inner",
    )  # fmt: skip
    amount = _order_amount(value) * value.factor
    # Exact from here on.
    return customers.select(
        "customer_id", "first_ordered_day", "days_since_last_order", "n_orders", "net_amount", *TRIPLE,
        engine.as_exact(nw.col("alive_prob"), 6).alias("alive_prob"),
        *[engine.as_exact(nw.col(one), 6).alias(one) for one in map(orders_column, horizon.months)],
        "orders_low", "orders_high", engine.as_exact(amount, 2).alias("order_value_amount"),
        *[engine.as_exact(nw.col(f"discounted_{one}m") * amount, 2).alias(value_column(one)) for one in horizon.months],
    )  # fmt: skip


def _order_amount(value: Value) -> nw.Expr:
    """The expected gross amount of an order day: the Gamma-Gamma's p (γ + x m) / (p x + q − 1)."""
    if value.fit is None:
        return nw.lit(value.mean_amount)
    p, q, gamma = value.fit.model.p, value.fit.model.q, value.fit.model.gamma
    return p * (gamma + nw.col("repeat_amount")) / (p * nw.col("n_repeat_days") + q - 1)


def as_triples(frame: pd.DataFrame, unit_days: int) -> Triples:
    """Distinct triples with their n_customers → what a model is fitted on."""
    return Triples(*rows_of(frame, unit_days), frame["n_customers"].to_numpy(float))


def rows_of(frame: pd.DataFrame, unit_days: int) -> list[np.ndarray]:
    """x, t_x and T of triples, as a model takes them."""
    x, span, observed = (frame[one].to_numpy(float) for one in TRIPLE)
    return [x, span / unit_days, observed / unit_days]


def forecast(model: BuyingModel, frame: pd.DataFrame, horizon: Horizon) -> pd.DataFrame:
    """Triples with alive_prob and, by horizon, expected and discounted orders; orders_low and orders_high over the list's."""
    rows = rows_of(frame, horizon.unit_days)
    found = {"alive_prob": model.alive_prob(*rows)}
    before, discounted = np.zeros(len(frame)), np.zeros(len(frame))
    for number in range(1, horizon.months[-1] + 1):
        expected = model.expected_orders(*rows, number * horizon.month)
        discounted = discounted + (expected - before) / (1 + horizon.discount_rate) ** (number / 12)
        before = expected
        if number in horizon.months:
            found |= {orders_column(number): expected, f"discounted_{number}m": discounted}
    ahead = horizon.list_months * horizon.month
    found["orders_low"], found["orders_high"] = (
        model.order_quantile(q, *rows, ahead).astype(np.int64) for q in (0.05, 0.95)
    )
    return frame[list(TRIPLE)].assign(**found)


def value_orders(tables: Tables, purchases: Table, as_of: date, months: int, margin: float | None) -> Value:
    """What an order day is worth, from the repeat orders, and the returns and (unless ``margin`` is given) the margin of the
    last ``months``."""
    since = day_number(first_of_month(f"{as_of:%Y-%m}", -months))
    recent = known_orders(tables, as_of).filter(nw.col("ordered_day") >= since, ~nw.col("customer_id").is_null())
    sums = recent.select(
        nw.col("gross_amount").sum(), nw.col("net_amount").sum(), n=nw.col("is_order").cast(nw.Int64).sum()
    )
    one = engine.collect(sums, 1).iloc[0]
    gross = float(one["gross_amount"] or 0)
    amounts = engine.collect(count_amounts(purchases), MAX_TRIPLES)
    x, mean, n = (amounts[name].to_numpy(float) for name in ("n_repeat_days", "mean_amount", "n_customers"))
    known = Amounts(x, mean, n) if len(amounts) else None
    fit = GammaGamma.fit(known) if known else None
    return Value(
        fit=fit if fit and not fit.at_boundary and fit.model.has_mean else None,
        mean_amount=gross / float(one["n"]) if one["n"] else 0.0,
        kept_rate=max(float(one["net_amount"] or 0) / gross, 0.0) if gross else 1.0,
        margin_rate=margin_rate(tables, as_of, months) if margin is None else margin,
        correlation=correlation(known) if known else float("nan"),
    )
