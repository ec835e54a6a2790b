"""Contracts of the sample company: Pine Plus, a care plan that customers sign with an order and end when they like.

A contract ends with a hazard of its own, higher in its first months. Payment method and billing change it by known
factors; the plan, the channel and what the customer buys do not. The plan decides the fee and, by known shares, the
reason that is recorded at the end. So everything that ends a contract is known when it starts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_analysis.sources.sample_truth import DAYS_PER_MONTH, MINUTES_PER_DAY, TRUTH
from crm_analysis.sources.sample_words import (
    CONTRACT_ATTRIBUTES,
    END_REASONS,
    HAZARD_FACTORS,
    MONTHLY_FEES,
    draw_by_share,
)


def draw_contracts(rng: np.random.Generator, orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """One row per contract, in the order of signing; no end where it is later than the last day.

    `monthly_hazard` is the true one after the first months.
    """
    orders = orders[orders["customer"] >= 0].assign(day=orders["minute"] // MINUTES_PER_DAY)
    first = sign_contracts(rng, orders, TRUTH.signing_prob)
    first_ended_day = orders["customer"].map(first.set_index("customer")["ended_day"])
    second = sign_contracts(rng, orders[orders["day"] > first_ended_day], TRUTH.winning_back_prob)
    contracts = pd.concat([first, second]).sort_values("minute", kind="stable", ignore_index=True)
    contracts["Contract No"] = [f"K-{number:05d}" for number in range(10_001, 10_001 + len(contracts))]
    contracts["Customer No"] = customers["Customer No"].to_numpy()[contracts["customer"]]
    contracts["Start Date"] = pd.Timestamp(TRUTH.first_day) + pd.to_timedelta(contracts["day"], unit="D")
    contracts["End Date"] = pd.Timestamp(TRUTH.first_day) + pd.to_timedelta(contracts["ended_day"], unit="D")
    runs = contracts["End Date"] > pd.Timestamp(TRUTH.last_day)
    contracts.loc[runs, ["End Date", "End Reason"]] = None
    return contracts.drop(columns=["customer", "minute", "day", "ended_day"])


def sign_contracts(rng: np.random.Generator, orders: pd.DataFrame, prob: float) -> pd.DataFrame:
    """The first contract that a customer signs if any, with each of these orders by chance; and when and why it ends."""
    columns = ["customer", "minute", "day", "Channel"]
    signed = orders.loc[rng.random(len(orders)) < prob, columns].drop_duplicates("customer", ignore_index=True)
    n = len(signed)
    for attribute, shares in CONTRACT_ATTRIBUTES.items():
        signed[attribute] = draw_by_share(rng, shares, n)
    signed["Monthly Fee"] = signed["Plan"].map(MONTHLY_FEES)
    factors = [signed[attribute].map(factors) for attribute, factors in HAZARD_FACTORS.items()]
    hazard = TRUTH.monthly_hazard * np.prod(factors, axis=0)
    # The hazard adds up, faster in the first months, to a limit drawn from the exponential distribution.
    limit, early_factor, early_months = rng.exponential(size=n), TRUTH.early_hazard_factor, TRUTH.early_months
    extra = np.minimum(limit, hazard * early_factor * early_months) * (1 - 1 / early_factor)
    months = (limit - extra) / hazard
    signed["ended_day"] = signed["day"] + np.ceil(months * DAYS_PER_MONTH).astype(int)
    signed["monthly_hazard"] = hazard
    signed["End Reason"] = ""
    for plan, shares in END_REASONS.items():
        of_plan = signed["Plan"] == plan
        signed.loc[of_plan, "End Reason"] = draw_by_share(rng, shares, of_plan.sum())
    return signed
