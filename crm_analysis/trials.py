"""Forecasts tried on months that they have not seen: buying models beside naive forecasts, against the orders that came.

``past``: what ``customers.hold_out`` counts, collected: distinct triples with the order days that came later. Models count in
a unit of ``unit_days``.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine
from crm_analysis.customers import TRIPLE
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.buying import BuyingModel
from crm_analysis.models.fitting import Fit
from crm_analysis.models.forecasting import judge, log_score
from crm_analysis.models.paretonbd import ParetoNBD
from crm_analysis.params import first_of_month
from crm_analysis.schema import Column, Shape, day_number
from crm_analysis.valuation import as_triples, rows_of

MODELS = {"bgnbd": BGNBD, "mbgnbd": MBGNBD, "paretonbd": ParetoNBD}
NAIVE = PACE, MEAN, NOBODY = mark("own pace (x/T)"), mark("everybody like the mean"), mark("nobody orders")
HAPPENED = mark("happened")
MOST_REPEATS = 7

SCORECARD = Shape(
    "one row per forecast of the order days in the months held out",
    {
        "forecast": Column("label", "forecast"),
        "is_chosen": Column("flag", "chosen"),
        "expected_orders": Column("integer", "order days forecast"),
        "n_orders": Column("integer", "order days that happened"),
        "error_rate": Column("fraction", "error of the sum"),
        "log_score": Column("estimate", "mean log probability of what happened"),
        "mae_orders": Column("estimate", "mean absolute error per customer"),
        "rmse_orders": Column("estimate", "root mean squared error per customer"),
        "correlation": Column("estimate", "correlation over customers"),
        "auc": Column("estimate", "AUC of “orders again”"),
    },
)
REPEATS = Shape(
    "one row per number of repeat order days before the months held out",
    {
        "n_repeat_days": Column("text", "repeat order days before"),
        "n_customers": Column("integer", "customers"),
        "mean_expected": Column("estimate", "order days forecast per customer"),
        "mean_happened": Column("estimate", "order days that happened per customer"),
    },
)
TRACKING = Shape(
    "one row per month and line: repeat order days of the customers known before the months held out",
    {
        "line": Column("label", "happened, or by the model"),
        "number": Column("integer", "month, counted"),
        "ordered_month": Column("text", "month"),
        "n_orders": Column("fraction", "repeat order days"),
    },
)


def fit_models(past: pd.DataFrame, unit_days: int) -> dict[str, Fit]:
    """By its name, each model that may be chosen, fitted on what was known before the holdout."""
    known = past.groupby(list(TRIPLE), as_index=False)["n_customers"].sum()
    triples = as_triples(known, unit_days)
    fits = [one.fit(triples) for one in MODELS.values()]
    return {fit.model.name: fit for fit in fits}


def score_forecasts(
    trials: dict[str, Fit], past: pd.DataFrame, holdout_days: int, unit_days: int, model: str = "best"
) -> pd.DataFrame:
    """SCORECARD: models and naive forecasts against the order days that came in ``holdout_days``; ``model``: the one of MODELS
    that is chosen, or the best by log_score."""
    rows, n = rows_of(past, unit_days), past["n_customers"].to_numpy(float)
    happened = past["n_later_days"].to_numpy(float)
    pace = past["n_repeat_days"] / past["observed_days"] * holdout_days
    everybody = (past["n_repeat_days"] @ n) / (past["observed_days"] @ n) * holdout_days
    forecasts = {
        **{name: fit.model.expected_orders(*rows, holdout_days / unit_days) for name, fit in trials.items()},
        PACE: pace.to_numpy(float),
        MEAN: np.full(len(past), everybody),
        NOBODY: np.zeros(len(past)),
    }
    frame = pd.DataFrame([{"forecast": name, **judge(one, happened, n)} for name, one in forecasts.items()])
    t = holdout_days / unit_days
    # Rounded: where models come to the same, the first of them is taken on every machine.
    scores = {name: round(log_score(fit.model, rows, t, happened, n), 6) for name, fit in trials.items()}
    frame["log_score"] = frame["forecast"].map(scores)
    best = max(scores, key=scores.get)
    chosen = best if model == "best" else MODELS[model].name
    return SCORECARD.frame(frame.assign(is_chosen=frame["forecast"] == chosen))


def describe_repeats(model: BuyingModel, past: pd.DataFrame, holdout_days: int, unit_days: int) -> pd.DataFrame:
    """REPEATS: forecast and happened by the number of repeat order days before."""
    expected = model.expected_orders(*rows_of(past, unit_days), holdout_days / unit_days)
    n = past["n_customers"]
    sums = pd.DataFrame(
        {
            "number": past["n_repeat_days"].clip(upper=MOST_REPEATS),
            "n_customers": n,
            "expected": expected * n,
            "happened": past["n_later_days"] * n,
        }
    ).groupby("number", as_index=False).sum()  # fmt: skip
    names = [f"{one}+" if one == MOST_REPEATS else str(one) for one in sums["number"]]
    people = sums["n_customers"]
    return REPEATS.frame(
        sums.assign(
            n_repeat_days=names, mean_expected=sums["expected"] / people, mean_happened=sums["happened"] / people
        )
    )


def track(model: BuyingModel, days: Table, past: pd.DataFrame, cut: date, month: str, unit_days: int) -> pd.DataFrame:
    """TRACKING: repeat order days by month since the first order of all, as they happened and by the model, which knows
    nothing after ``cut``."""
    starts = past.groupby("observed_days")["n_customers"].sum()
    observed, n = starts.index.to_numpy(float), starts.to_numpy(float)
    first = date.fromordinal(cut.toordinal() - int(observed.max()))
    months = [f"{one:%Y-%m}" for one in pd.period_range(f"{first:%Y-%m}", month, freq="M")]
    ends = np.array([day_number(first_of_month(one, 1)) for one in months])
    since_first = np.clip(observed + (ends - day_number(cut))[:, None], 0, None)
    expected = np.diff(model.expected_orders_new(since_first / unit_days) @ n, prepend=0.0)
    is_repeat = nw.col("ordered_day") > nw.col("first_ordered_day")
    known = days.filter(nw.col("first_ordered_day") < day_number(cut), is_repeat)
    counts = engine.collect(known.group_by("ordered_day").agg(n=nw.len()), 200_000)
    place = np.searchsorted(ends, counts["ordered_day"], side="right")
    happened = np.bincount(place, counts["n"], minlength=len(months))
    shared = {"number": range(len(months)), "ordered_month": months}
    lines = {HAPPENED: happened, model.name: expected}
    return TRACKING.frame(
        pd.concat([pd.DataFrame({"line": name, **shared, "n_orders": numbers}) for name, numbers in lines.items()])
    )


def season_rate(days: Table, cut: date, months: int) -> float | None:
    """Order days per customer known at the start of a period, in the ``months`` from ``cut`` on against as many just before, less
    one; None where one of them has none."""
    rates = []
    for begin in (cut, first_of_month(f"{cut:%Y-%m}", -months)):
        end = first_of_month(f"{begin:%Y-%m}", months)
        known = days.filter(nw.col("first_ordered_day") < day_number(begin))
        inside = (nw.col("ordered_day") >= day_number(begin)) & (nw.col("ordered_day") < day_number(end))
        sums = known.select(n=inside.cast(nw.Int64).sum(), people=nw.col("customer_id").n_unique())
        one = engine.collect(sums, 1).iloc[0]
        rates.append(float(one["n"]) / one["people"] / (end - begin).days if one["people"] and one["n"] else None)
    return rates[0] / rates[1] - 1 if None not in rates else None
