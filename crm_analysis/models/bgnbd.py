"""BG/NBD and MBG/NBD: a customer may leave after each order.

Orders come at a rate λ ~ Gamma(r, α); after an order a customer leaves with a chance p ~ Beta(a, b). In BG/NBD (Fader, Hardie,
Lee 2005, "Counting Your Customers" the Easy Way) nobody leaves after the first order; in MBG/NBD (Batislam, Denizel,
Filiztekin 2007) one may, as after any other.

A customer alive at T has passed x chances to leave, or x + 1 in MBG/NBD. Given that, λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b +
chances) are independent, and P(n orders or more in t) = E[(1 − p)^(n − 1)] · P(n or more of a negative binomial). What is
expected is a mean over p, which is computed numerically: the closed form of the papers, with the hypergeometric function, loses its
digits for many orders, and is not defined at a = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import betainc, betaincinv, betaln

from crm_analysis.models.buying import BuyingModel, running, split

POINTS, WEIGHTS = (one[:, None] for one in np.polynomial.legendre.leggauss(64))
# A function of p that bends over a stretch of p is taken for a straight line over this part of it.
STRAIGHT = 1e-4


@dataclass(frozen=True)
class _BetaGeometric(BuyingModel):
    r: float
    alpha: float
    a: float
    b: float

    times: ClassVar = ("alpha",)
    # Chances to leave at the first order.
    first_chances: ClassVar[int]

    def log_likelihood_and_gradient(self, x, t_x, T):
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        chances = (x + self.first_chances).astype(int)
        orders, survived = x.astype(int), np.arange(chances.max(initial=0))
        # Of Γ(r + x) / Γ(r) and of B(a, b + n) / B(a, b), as sums over the orders: exact for parameters of any size.
        log_rising = running(np.log(r + survived))[orders]
        log_beta = -running(np.log1p(a / (b + survived)))[chances]
        in_r = running(r / (r + survived))[orders]
        in_a = -running(a / (a + b + survived))[chances]
        in_b = running(a * b / ((b + survived) * (a + b + survived)))[chances]

        rate_shape, silence = r + x, (T - t_x) / (alpha + t_x)
        log_odds = self._log_odds_gone(x, t_x, T)
        log_whole, gone = split(log_odds)
        until_T = np.log1p(T / alpha)
        value = log_rising + log_beta - x * np.log(alpha) - rate_shape * until_T + log_whole
        gradient = np.stack(
            [
                in_r + r * (gone * np.log1p(silence) - until_T),
                (r * T - alpha * x - gone * rate_shape * alpha * silence) / (alpha + T),
                in_a + gone,
                in_b - gone * b / np.where(chances > 0, b + chances - 1, np.inf),
            ]
        )
        return value, gradient

    def _log_odds_gone(self, x, t_x, T):
        chances = x + self.first_chances
        with np.errstate(divide="ignore"):
            last_chance = np.log(np.where(chances > 0, self.a / (self.b + np.maximum(chances, 1) - 1), 0))
        return last_chance + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))

    def _moments_if_alive(self, x, T, t):
        shape, pace = self.r + x, t / (self.alpha + T)

        def moments(p, shape, pace):
            # With λ given: E[N] = (1 − e^(−λpt)) / p, E[N(N − 1)] = 2 (1 − p) (1 − e^(−λpt) (1 + λpt)) / p².
            log_none = -shape * np.log1p(p * pace)
            one = -np.expm1(log_none)
            two = one - np.exp(log_none) * shape * p * pace / (1 + p * pace)
            return np.stack([one / p, 2 * (1 - p) * two / p**2])

        return self._mean_over_p(moments, x, shape, pace)

    def _mean_over_p(self, function, x, shape, pace):
        """The mean of function(p, shape, pace) over p ~ Beta(a, b + chances), p by quadrature in its log odds."""
        a = self.a
        kinds, place = np.unique(x, return_inverse=True)
        b = self.b + kinds + self.first_chances
        log_beta, lowest, highest = (
            one[place] for one in (betaln(a, b), betaincinv(a, b, 1e-14), betaincinv(b, a, 1e-14))
        )
        b = b[place]
        low = np.maximum(lowest, STRAIGHT / (1 + (shape + 2) * pace))
        rest = np.minimum(np.maximum(highest, STRAIGHT), 1 - low)

        # In the tails the function is a straight line: its mean is its value at the mean of the tail.
        total = 0.0
        for one, other, edge, is_low in ((a, b, low, True), (b, a, rest, False)):
            share = betainc(one, other, edge)
            part = one / (one + other) * betainc(one + 1, other, edge)
            mean = np.divide(part, share, where=share > 0, out=edge.copy())
            total = total + share * function(mean if is_low else 1 - mean, shape, pace)

        begin, end = np.log(low / (1 - low)), np.log((1 - rest) / rest)
        half = (end - begin) / 2
        log_odds = begin + half * (1 + POINTS)
        log_p, log_stay = -np.logaddexp(0, -log_odds), -np.logaddexp(0, log_odds)
        density = WEIGHTS * half * np.exp(a * log_p + b * log_stay - log_beta)
        return total + (density * function(np.exp(log_p), shape, pace)).sum(axis=1)

    def _sf_if_alive(self, n, x, T, t):
        b = self.b + x + self.first_chances
        stays = np.exp(betaln(self.a, b + n) - betaln(self.a, b))
        return stays * betainc(n + 1, self.r + x, t / (self.alpha + T + t))


@dataclass(frozen=True)
class BGNBD(_BetaGeometric):
    name: ClassVar = "BG/NBD"
    first_chances: ClassVar = 0


@dataclass(frozen=True)
class MBGNBD(_BetaGeometric):
    name: ClassVar = "MBG/NBD"
    first_chances: ClassVar = 1
