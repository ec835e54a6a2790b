"""Gamma-Gamma: the amount of an order (Fader, Hardie 2013, "The Gamma-Gamma Model of Monetary Value").

A customer's orders have amounts ~ Gamma(p, ν), and ν ~ Gamma(q, γ) differs between customers. What is known of a customer is ``x``,
the number of repeat orders, and ``m_x``, their mean amount. The model takes for granted that how much an order is worth has nothing
to do with how many there are: ``correlation`` tells how true that is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from scipy.special import betaln, digamma

from crm_analysis.models import fitting
from crm_analysis.models.fitting import Fit, refuse

# The search is for (p, q, γ·p / q).
MIXING = [[1, 0, 0], [0, 1, 0], [-1, 1, 1]]
STARTS = np.log([[2, 3, 0.7], [10, 2, 0.7]])


@dataclass(frozen=True, eq=False)
class Amounts:
    """What a fit needs to know: the number of repeat orders and their mean amount, each (n,), and how many customers have them.

    Raises ValueError where x or m_x is not above 0 (leave out who has no repeat order, or spent nothing), a weight is
    not above 0, or a number is not finite.
    """

    x: np.ndarray
    m_x: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=float))
        x, m_x, weight = self.x, self.m_x, self.weight
        if x.ndim != 1 or not x.shape == m_x.shape == weight.shape:
            raise ValueError(f"x, m_x and weight have the shapes {x.shape}, {m_x.shape}, {weight.shape}")
        if not len(x):
            raise ValueError("no customer has a repeat order: there is nothing to fit a model on")
        refuse(~np.isfinite(x + m_x + weight), "have a number that is missing or infinite")
        refuse(x <= 0, "have no repeat order (x <= 0)")
        refuse(m_x <= 0, "have a mean amount m_x that is not above 0")
        refuse(weight <= 0, "have a weight that is not above 0")


@dataclass(frozen=True)
class GammaGamma:
    p: float
    q: float
    gamma: float

    name: ClassVar = "Gamma-Gamma"

    @classmethod
    def fit(cls, amounts: Amounts) -> Fit:
        """The model under which the mean amounts are likeliest. Where all amounts of a customer, or of all, are alike, p or q
        run to their bounds."""
        x, m_x, weight = amounts.x, amounts.m_x, amounts.weight
        origin = [1.0, 1.0, np.average(m_x, weights=weight)]
        return fitting.maximise(cls, (x, m_x), weight, origin, MIXING, STARTS)

    def log_likelihood(self, x, m_x) -> np.ndarray:
        """Of each customer."""
        return self.log_likelihood_and_gradient(*np.broadcast_arrays(x, m_x))[0]

    def log_likelihood_gradient(self, x, m_x) -> np.ndarray:
        """(3, n), in the logarithms of the parameters."""
        return self.log_likelihood_and_gradient(*np.broadcast_arrays(x, m_x))[1]

    def log_likelihood_and_gradient(self, x, m_x) -> tuple[np.ndarray, np.ndarray]:
        p, q, gamma = self.p, self.q, self.gamma
        kinds, place = np.unique(x, return_inverse=True)
        px = p * kinds
        log_beta, in_p, in_q = (
            one[place] for one in (betaln(px, q), digamma(px + q) - digamma(px), digamma(px + q) - digamma(q))
        )
        spent = m_x * x / gamma
        log_left, log_spent = -np.log1p(spent), -np.log1p(1 / spent)
        value = p * x * log_spent + q * log_left - log_beta - np.log(m_x)
        gradient = [p * x * (in_p + log_spent), q * (in_q + log_left), (q * spent - p * x) / (1 + spent)]
        return value, np.stack(gradient)

    @property
    def has_mean(self) -> bool:
        """Whether amounts have a finite mean over all customers: q > 1. Else a few huge amounts decide it."""
        return self.q > 1

    @property
    def mean_amount(self) -> float:
        """E of the amount of an order of a customer of whom nothing is known; infinite where q <= 1."""
        return self.gamma * self.p / (self.q - 1) if self.has_mean else np.inf

    def expected_amount(self, x, m_x) -> np.ndarray:
        """E of the amount of an order, given the past: between ``mean_amount`` (x = 0, whatever m_x is) and m_x. Infinite
        where p·x + q <= 1."""
        x, m_x = np.asarray(x, dtype=float), np.asarray(m_x, dtype=float)
        more = self.p * x + self.q - 1
        total = self.p * (self.gamma + np.where(x > 0, m_x, 0) * x)
        return np.divide(total, more, where=more > 0, out=np.full(np.broadcast(total, more).shape, np.inf))


def correlation(amounts: Amounts) -> float:
    """Pearson's, between x and m_x over the customers; NaN where all have the same of one of them."""
    if np.ptp(amounts.x) == 0 or np.ptp(amounts.m_x) == 0:
        return np.nan
    ((x, both), (_, m_x)) = np.cov(amounts.x, amounts.m_x, aweights=amounts.weight)
    return float(both / np.sqrt(x * m_x))
