"""Maximum likelihood on weighted rows, in the logarithms of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

# How far a parameter may go from where it is expected: a factor of this, either way.
REACH = 1e6
# The data tell a parameter when the standard error of its logarithm is at most this: 95 % of a factor of 50, either way.
MOST_LOG_ERROR = 2.0
# The search on all rows sets out from that on so many.
SAMPLE = 4_000
# Rows that are computed together: few enough to stay in the processor's cache.
CHUNK = 1 << 13


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model and how well the data tell its parameters.

    ``model``: the fitted model; ``params``: its parameters by the paper's symbol. ``covariance`` (k, k): of the logarithms of the
    parameters, in the order of ``params``, from the observed information. ``is_converged``: one more step of Newton's method
    would raise the log-likelihood by less than .001.

    ``at_boundary``: the parameters that the data do not tell: those that ran to the bound of the search, a factor of
    ``REACH`` from where they are expected (the second of a pair, as α or b, from the first), and those whose logarithm has a
    standard error above ``MOST_LOG_ERROR``. Their standard errors are infinite. The others are judged with these held fixed,
    and ``covariance`` is that of the others.
    """

    model: Any
    log_likelihood: float
    covariance: np.ndarray
    n_customers: float
    is_converged: bool
    at_boundary: tuple[str, ...]

    @property
    def params(self) -> dict[str, float]:
        return asdict(self.model)

    @property
    def standard_errors(self) -> dict[str, float]:
        """Of the parameters themselves (delta method)."""
        return {
            name: np.inf if name in self.at_boundary else value * float(error)
            for (name, value), error in zip(self.params.items(), np.sqrt(np.diag(self.covariance)), strict=True)
        }


def maximise(
    make: Callable[..., Any],
    rows: Sequence[np.ndarray],
    weight: np.ndarray,
    origin: Sequence[float],
    mixing: Sequence[Sequence[float]],
    starts: Sequence[Sequence[float]],
) -> Fit:
    """The ``make(*parameters)`` under which the rows are likeliest.

    ``rows``: the columns of the data, each (n,), which ``make(…).log_likelihood_and_gradient(*rows)`` takes; ``weight`` (n,): the
    customers of each row. The search is for z, where the logarithms of the parameters are log(origin) + mixing · z, and
    sets out from each z in ``starts``. ``mixing`` lets two parameters grow together, as they do where customers are all alike.
    """
    origin, mixing, total_weight = np.log(origin), np.asarray(mixing), weight.sum()
    bound = np.log(REACH)

    def evaluate(z, rows, weight) -> tuple[float, np.ndarray]:
        value, slope = _sum(make(*np.exp(origin + mixing @ z).tolist()), rows, weight)
        return value, slope @ mixing

    def search(start, rows, weight):
        def loss(z):
            value, slope = evaluate(z, rows, weight)
            return -value / weight.sum(), -slope / weight.sum()

        options = {"ftol": 0.0, "gtol": 1e-8, "maxiter": 500, "maxcor": 20}
        bounds = [(-bound, bound)] * len(start)
        return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options)

    every = 1 + len(weight) // SAMPLE
    sample = [column[::every] for column in rows], weight[::every]
    z = min((search(np.asarray(start), *sample) for start in starts), key=lambda one: one.fun).x
    if every > 1:
        # Not from the far end, where nothing slopes, if that is where the sample leads.
        z = search(np.clip(z, -5, 5), rows, weight).x

    value, slope = evaluate(z, rows, weight)
    step = 1e-5
    curvature = np.array([(evaluate(z + step * axis, rows, weight)[1] - slope) / step for axis in np.eye(len(z))])
    information = -(curvature + curvature.T) / 2
    is_told = np.abs(z) < bound - step
    while is_told.any():
        values, vectors = np.linalg.eigh(information[np.ix_(is_told, is_told)])
        variance = vectors**2 @ (1 / np.maximum(values, 1e-9))
        if (variance <= MOST_LOG_ERROR**2).all():
            break
        is_told[is_told] = variance <= MOST_LOG_ERROR**2
    covariance = np.zeros_like(information)
    covariance[np.ix_(is_told, is_told)] = np.linalg.inv(information[np.ix_(is_told, is_told)])
    model = make(*np.exp(origin + mixing @ z).tolist())
    return Fit(
        model=model,
        log_likelihood=value,
        covariance=mixing @ covariance @ mixing.T,
        n_customers=float(total_weight),
        is_converged=bool(slope @ covariance @ slope / 2 < 1e-3),
        at_boundary=tuple(name for name, told in zip(asdict(model), is_told, strict=True) if not told),
    )


def _sum(model: Any, rows: Sequence[np.ndarray], weight: np.ndarray) -> tuple[float, np.ndarray]:
    """The log-likelihood of all customers, and its gradient in the logarithms of the parameters."""
    total, slope = 0.0, 0.0
    for begin in range(0, len(weight), CHUNK):
        part = slice(begin, begin + CHUNK)
        value, gradient = model.log_likelihood_and_gradient(*(column[part] for column in rows))
        # Not a matrix product: its threads cost more than they bring, and add in another order on another machine.
        total += float(np.einsum("n,n->", value, weight[part]))
        slope = slope + np.einsum("kn,n->k", gradient, weight[part])
    return total, slope


def refuse(is_wrong: np.ndarray, what: str) -> None:
    """Raises ValueError with the number of wrong rows and the positions of the first five, from 0."""
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        first = ", ".join(str(one) for one in wrong[:5])
        raise ValueError(f"{len(wrong)} of {len(is_wrong)} rows {what}; the first at {first}")
