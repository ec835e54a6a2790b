"""Pareto/NBD: a customer may leave at any moment (Schmittlein, Morrison, Colombo 1987; Fader, Hardie 2005, "A Note on Deriving the
Pareto/NBD Model and Related Expressions").

Orders come at a rate λ ~ Gamma(r, α) until the customer leaves, after a lifetime of rate μ ~ Gamma(s, β). Given that a customer is
alive at T, λ ~ Gamma(r + x, α + T) and μ ~ Gamma(s, β + T) are independent.

The odds of having left are an integral over the moment y of leaving, from t_x to T, of

    s / (β + y) · ((β + T) / (β + y))^s · ((α + T) / (α + y))^(r + x),

taken numerically in the logarithm of y + min(α, β), in which it is smooth; the gradient is that of the integral. The closed form of
the papers, a difference of two hypergeometric functions, loses its digits for many orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import betaln, exprel, xlogy

from crm_analysis.models.buying import BuyingModel, running, split

# Gauss and Legendre's points and weights on 0..1.
(POINTS, WEIGHTS), (MORE_POINTS, MORE_WEIGHTS) = (
    ((1 + points[:, None]) / 2, weights[:, None] / 2)
    for points, weights in (np.polynomial.legendre.leggauss(n) for n in (20, 40))
)
# e to the minus this is as good as nothing.
NOTHING = 37.0


@dataclass(frozen=True)
class ParetoNBD(BuyingModel):
    r: float
    alpha: float
    s: float
    beta: float

    name: ClassVar = "Pareto/NBD"
    times: ClassVar = ("alpha", "beta")

    def log_likelihood_and_gradient(self, x, t_x, T):
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        orders, before = x.astype(int), np.arange(int(x.max(initial=0)))
        rate_shape, until_T, lifetime = r + x, np.log1p(T / alpha), np.log1p(T / beta)
        log_odds, slopes = self._gone(x, t_x, T)
        log_whole, gone = split(log_odds)
        value = running(np.log(r + before))[orders] - x * np.log(alpha) - rate_shape * until_T - s * lifetime
        gradient = [
            running(r / (r + before))[orders] - r * until_T,
            (r * T - alpha * x) / (alpha + T),
            -s * lifetime,
            s * T / (beta + T),
        ]
        return value + log_whole, np.stack(gradient) + gone * slopes

    def _log_odds_gone(self, x, t_x, T):
        return self._gone(x, t_x, T)[0]

    def _gone(self, x, t_x, T):
        """log(P(left) / P(alive)), (n,), and its gradient in the logarithms of the parameters, (4, n)."""
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        rate_shape = r + x
        with np.errstate(over="ignore"):
            end = np.minimum(T, t_x + (alpha + t_x) * np.expm1(NOTHING / rate_shape))
            end = np.minimum(end, t_x + (beta + t_x) * np.expm1(NOTHING / (s + 1)))
        start = min(alpha, beta) + t_x
        width = np.log1p((end - t_x) / start)
        stretch = np.exp(POINTS * width)
        since = start * (stretch - 1)
        log_a, log_b = np.log(1 + since / (alpha + t_x)), np.log(1 + since / (beta + t_x))
        part = WEIGHTS * stretch * np.exp(-rate_shape * log_a - (s + 1) * log_b)
        whole = part.sum(axis=0)
        part /= whole

        all_a, all_b = np.log1p((T - t_x) / (alpha + t_x)), np.log1p((T - t_x) / (beta + t_x))
        with np.errstate(divide="ignore"):
            log_odds = np.log(s * width * start / (beta + t_x)) + np.log(whole) + rate_shape * all_a + s * all_b
        near_a, near_b = ((part / (c + t_x + since)).sum(axis=0) for c in (alpha, beta))
        slopes = [
            r * (all_a - (part * log_a).sum(axis=0)),
            alpha * rate_shape * (1 / (alpha + T) - near_a),
            1 + s * (all_b - (part * log_b).sum(axis=0)),
            beta * (s / (beta + T) - (s + 1) * near_b),
        ]
        return log_odds, np.stack(slopes)

    def _moments_if_alive(self, x, T, t):
        shape, pace, life = self.r + x, 1 / (self.alpha + T), self.beta + T
        log_t = np.log1p(t / life)
        # E[min(lifetime, t)] and E[min(lifetime, t)²].
        one = life * log_t * exprel((1 - self.s) * log_t)
        two = 2 * life**2 * log_t * (exprel((2 - self.s) * log_t) - exprel((1 - self.s) * log_t))
        return shape * pace * one, shape * (shape + 1) * pace**2 * two

    def _sf_if_alive(self, n, x, T, t):
        """The mean of P(not left) over the moment of order n + 1, up to t."""
        k, shape, pace, life = n + 1, self.r + x, self.alpha + T, self.beta + T
        # Where the moment of order k is: it is Gamma(k) / Gamma(shape), in units of pace.
        middle, spread = np.log(k / shape), np.sqrt(2 * NOTHING * (1 / k + 1 / shape))
        with np.errstate(over="ignore", divide="ignore"):
            begin = np.maximum(np.exp(middle - spread - NOTHING / k), _low(k) / _high(shape))
            end = np.minimum(np.exp(middle + spread + NOTHING / shape), _high(k) / _low(shape))
            end = np.minimum(np.minimum(pace * end, t), life * np.expm1(NOTHING / self.s))
        begin = np.minimum(pace * begin, end)
        start = np.minimum(pace, life)
        width = np.log((start + end) / (start + begin))
        since = (start + begin) * (np.exp(MORE_POINTS * width) - 1)
        u = begin + since
        log_density = xlogy(n, u / pace) - (k + shape) * np.log1p(u / pace) - betaln(k, shape) - np.log(pace)
        log_alive = -self.s * np.log1p(u / life)
        return (MORE_WEIGHTS * width * (start + u) * np.exp(log_density + log_alive)).sum(axis=0)


def _low(shape):
    """Hardly anything of Gamma(shape) is below this, nor above ``_high``."""
    return shape * np.exp(-np.sqrt(2 * NOTHING / shape) - NOTHING / shape)


def _high(shape):
    return shape + np.sqrt(2 * NOTHING * shape) + NOTHING
