"""How good a forecast of orders was, and how sure one of a total is.

Symbols: ``expected`` and ``happened`` (n,) orders per customer, ``weight`` (n,) the customers of each row, ``t`` a time ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from crm_analysis.models.buying import BuyingModel
from crm_analysis.models.fitting import Fit

STEP = 1e-4
# So many rows are enough to tell how a total depends on the parameters.
SAMPLE = 20_000
# What is less likely than this is lost in rounding.
LEAST_PROB = 1e-12


def judge(expected: np.ndarray, happened: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """Sums, the error of the sum (as a share of what happened), mean absolute and root mean squared error per customer,
    Pearson's correlation, and the AUC of “orders again”; NaN where it is not defined."""
    error, again = expected - happened, happened > 0
    centred = [one - np.average(one, weights=weight) for one in (expected, happened)]
    spread = np.sqrt(np.prod([np.average(one**2, weights=weight) for one in centred]))
    total = happened @ weight
    both = 0 < again.sum() < len(again)
    return {
        "expected_orders": expected @ weight,
        "n_orders": int(total),
        "error_rate": (expected @ weight) / total - 1 if total else np.nan,
        "mae_orders": np.average(np.abs(error), weights=weight),
        "rmse_orders": np.sqrt(np.average(error**2, weights=weight)),
        "correlation": np.average(centred[0] * centred[1], weights=weight) / spread if spread else np.nan,
        "auc": roc_auc_score(again, expected, sample_weight=weight) if both else np.nan,
    }


def log_score(
    model: BuyingModel, rows: Sequence[np.ndarray], t: float, happened: np.ndarray, weight: np.ndarray
) -> float:
    """The mean logarithm of the probability that the model gave to what happened (Good 1952): nearer to 0 is better. It
    judges the whole forecast of each customer, and nothing but the truth makes it largest."""
    n = happened.astype(float)
    prob = model.order_count_sf(n - 1, *rows, t) - model.order_count_sf(n, *rows, t)
    return float(np.average(np.log(np.maximum(prob, LEAST_PROB)), weights=weight))


def total_error(fit: Fit, rows: Sequence[np.ndarray], weight: np.ndarray, t: float) -> float:
    """The standard error of the orders of all customers in the next ``t``: of the parameters (delta method, from the fit's
    covariance) and of chance. ``rows``: x, t_x, T, of which every so-manieth is taken where there are many."""
    step = 1 + len(weight) // SAMPLE
    rows, some = [one[::step] for one in rows], weight[::step]
    scale, make = weight.sum() / some.sum(), type(fit.model)

    def total(log_params: np.ndarray) -> float:
        return scale * float(some @ make(*np.exp(log_params)).expected_orders(*rows, t))

    at, axes = np.log(list(fit.params.values())), STEP * np.eye(len(fit.params))
    slope = np.array([total(at + axis) - total(at - axis) for axis in axes]) / (2 * STEP)
    chance = scale * float(some @ fit.model.order_variance(*rows, t))
    return float(np.sqrt(slope @ fit.covariance @ slope + chance))


def mean_amount_error(fit: Fit) -> float:
    """The standard error of the Gamma-Gamma's mean amount p γ / (q − 1), as a share of it (delta method)."""
    q = fit.model.q
    slope = np.array([{"p": 1.0, "q": -q / (q - 1), "gamma": 1.0}[name] for name in fit.params])
    return float(np.sqrt(slope @ fit.covariance @ slope))
