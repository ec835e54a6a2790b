"""What every buy-till-you-die model answers: who is still a customer, and how many orders will come.

Symbols, as in the papers. A customer's past is ``x`` repeat orders (order days after the first), the last of them at ``t_x``,
seen until ``T``; both times are counted from the first order, in any one unit. While alive, a customer orders at random at
a rate of their own; the models differ in how customers leave. All methods take arrays of one shape (or numbers) and
give an array of that shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from scipy.special import expit

from crm_analysis.models import fitting
from crm_analysis.models.fitting import CHUNK, Fit, refuse

MOST_ORDERS = 1_000_000
# The search is for (r, α / r, a, b / a), or (r, α / r, s, β / s).
MIXING = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
STARTS = np.log([[1, 1, 1, 1], [0.3, 1, 0.5, 4]])


@dataclass(frozen=True, eq=False)
class Triples:
    """What a fit needs to know of the customers: the distinct (x, t_x, T), each (n,), and how many customers have it.

    Raises ValueError where x is not a whole number from 0 to a million, not 0 <= t_x <= T, t_x is 0 in spite of a repeat
    order or is not without one, a weight is not above 0, or a number is not finite.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=float))
        x, t_x, T, weight = self.x, self.t_x, self.T, self.weight
        if x.ndim != 1 or not x.shape == t_x.shape == T.shape == weight.shape:
            raise ValueError(f"x, t_x, T and weight have the shapes {x.shape}, {t_x.shape}, {T.shape}, {weight.shape}")
        refuse(~np.isfinite(x + t_x + T + weight), "have a number that is missing or infinite")
        refuse(
            (x < 0) | (x > MOST_ORDERS) | (x != np.floor(x)), "have an x that is not a whole number from 0 to 1000000"
        )
        refuse((t_x < 0) | (t_x > T), "do not have 0 <= t_x <= T")
        refuse((t_x == 0) != (x == 0), "have t_x = 0 in spite of a repeat order, or t_x > 0 without one")
        refuse(weight <= 0, "have a weight that is not above 0")


class BuyingModel(ABC):
    """A model with known parameters. A subclass is a frozen dataclass of them, and tells what is not told here."""

    name: ClassVar[str]
    # The parameters that are times: they change with the unit.
    times: ClassVar[tuple[str, ...]]

    @abstractmethod
    def log_likelihood_and_gradient(self, x, t_x, T) -> tuple[np.ndarray, np.ndarray]:
        """Of each customer: (n,), and (4, n) in the logarithms of the parameters."""

    @abstractmethod
    def _log_odds_gone(self, x, t_x, T) -> np.ndarray:
        """log(P(left before T) / P(alive at T)), of the past."""

    @abstractmethod
    def _moments_if_alive(self, x, T, t) -> tuple[np.ndarray, np.ndarray]:
        """E[N] and E[N(N − 1)] of the orders N in (T, T + t] of a customer who is alive at T. They do not depend on t_x."""

    @abstractmethod
    def _sf_if_alive(self, n, x, T, t) -> np.ndarray:
        """P(N > n), n >= 0, of a customer who is alive at T."""

    @classmethod
    def fit(cls, triples: Triples) -> Fit:
        """The model under which the customers are likeliest. Raises ValueError where nobody has a repeat order."""
        x, T, weight = triples.x, triples.T, triples.weight
        if not x.any():
            raise ValueError("no customer has a repeat order: there is nothing to fit a model on")
        unit = np.average(T, weights=weight)
        origin = [unit if field.name in cls.times else 1.0 for field in fields(cls)]
        return fitting.maximise(cls, (x, triples.t_x, T), weight, origin, MIXING, STARTS)

    def log_likelihood(self, x, t_x, T) -> np.ndarray:
        """Of each customer."""
        return _in_parts(lambda *rows: self.log_likelihood_and_gradient(*rows)[0], *_arrays(x, t_x, T))

    def log_likelihood_gradient(self, x, t_x, T) -> np.ndarray:
        """Of each customer, (4, …), in the logarithms of the parameters."""
        return _in_parts(lambda *rows: self.log_likelihood_and_gradient(*rows)[1], *_arrays(x, t_x, T))

    def alive_prob(self, x, t_x, T) -> np.ndarray:
        """P(alive at T)."""
        return _in_parts(lambda *rows: expit(-self._log_odds_gone(*rows)), *_arrays(x, t_x, T))

    def expected_orders(self, x, t_x, T, t) -> np.ndarray:
        """The expected orders in (T, T + t]."""
        x, t_x, T, t = _arrays(x, t_x, T, _horizon(t))
        return self.alive_prob(x, t_x, T) * _distinct(self._moments_if_alive, x, T, t)[0]

    def expected_orders_new(self, t) -> np.ndarray:
        """E[X(t)]: the expected repeat orders of a customer in a time t since the first order."""
        return self.expected_orders(0, 0, 0, t)

    def order_variance(self, x, t_x, T, t) -> np.ndarray:
        """The variance of the number of orders in (T, T + t]."""
        x, t_x, T, t = _arrays(x, t_x, T, _horizon(t))
        alive = self.alive_prob(x, t_x, T)
        mean, pairs = _distinct(self._moments_if_alive, x, T, t)
        return alive * (pairs + mean) - (alive * mean) ** 2

    def order_count_sf(self, n, x, t_x, T, t) -> np.ndarray:
        """P(more than n orders in (T, T + t])."""
        n, x, t_x, T, t = _arrays(n, x, t_x, T, _horizon(t))
        tail = _distinct(self._sf_if_alive, np.maximum(n, 0), x, T, t)
        return np.where(n < 0, 1.0, self.alive_prob(x, t_x, T) * tail)

    def orders_none_prob(self, x, t_x, T, t) -> np.ndarray:
        """P(no order in (T, T + t])."""
        return 1 - self.order_count_sf(0, x, t_x, T, t)

    def order_quantile(self, q, x, t_x, T, t) -> np.ndarray:
        """The smallest n with P(at most n orders in (T, T + t]) >= q, for 0 < q < 1."""
        q, *rows = _arrays(q, x, t_x, T, _horizon(t))
        if ((q <= 0) | (q >= 1)).any():
            raise ValueError("a quantile is asked for at a q that is not between 0 and 1")
        shape, q, rows = q.shape, q.ravel(), [one.ravel() for one in rows]

        def is_enough(n: np.ndarray, some: np.ndarray) -> np.ndarray:
            return self.order_count_sf(n[some], *(one[some] for one in rows)) <= 1 - q[some]

        # Double until it is enough, then halve the gap.
        low, high = np.full(q.shape, -1.0), np.zeros(q.shape)
        some = np.arange(q.size)
        while (some := some[~is_enough(high, some)]).size:
            low[some], high[some] = high[some], 2 * high[some] + 1
        while (some := np.flatnonzero(high - low > 1)).size:
            middle = np.floor((low + high) / 2)
            enough = is_enough(middle, some)
            high[some[enough]], low[some[~enough]] = middle[some[enough]], middle[some[~enough]]
        return high.reshape(shape)


def _arrays(*numbers) -> list[np.ndarray]:
    arrays = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in numbers))
    if not all(np.isfinite(one).all() for one in arrays):
        raise ValueError("a customer has a number that is missing or infinite")
    return arrays


def _horizon(t) -> np.ndarray:
    t = np.asarray(t, dtype=float)
    if not (t >= 0).all():
        raise ValueError("a forecast is asked for over a time t that is below 0 or missing")
    return t


def _in_parts(function: Callable[..., Sequence[np.ndarray]], *columns: np.ndarray) -> np.ndarray:
    """``function`` of the columns, computed for ``CHUNK`` rows at a time; its result has the rows last."""
    shape, columns = columns[0].shape, [column.ravel() for column in columns]
    begins = range(0, max(columns[0].size, 1), CHUNK)
    parts = [function(*(column[begin : begin + CHUNK] for column in columns)) for begin in begins]
    whole = np.concatenate(parts, axis=-1)
    return whole.reshape((*whole.shape[:-1], *shape))


def _distinct(function: Callable[..., Sequence[np.ndarray]], *columns: np.ndarray) -> np.ndarray:
    """The same, computed once for equal rows: customers who started on one day share T."""
    shape, columns = columns[0].shape, [column.ravel() for column in columns]
    order = np.lexsort(columns)
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any([np.diff(column[order]) != 0 for column in columns], axis=0)
    place = np.empty(len(order), dtype=int)
    place[order] = np.cumsum(is_new) - 1
    whole = _in_parts(function, *(column[order[is_new]] for column in columns))[..., place]
    return whole.reshape((*whole.shape[:-1], *shape))


def running(terms: np.ndarray) -> np.ndarray:
    """The sums of the first 0, 1, 2, … terms."""
    return np.concatenate([[0.0], np.cumsum(terms)])


def split(log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(1 + odds) and odds / (1 + odds): NumPy's and SciPy's own take longer than all the rest of a likelihood."""
    smaller = np.exp(-np.abs(log_odds))
    return np.maximum(log_odds, 0) + np.log1p(smaller), np.where(log_odds > 0, 1, smaller) / (1 + smaller)
