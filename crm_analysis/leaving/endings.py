"""How long contracts last, by what they differ most, and why they end."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.contracts import count_tenures
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.models.survival import kaplan_meier
from crm_analysis.schema import Column, Shape

# A curve ends where fewer customers are left to tell of it.
MIN_AT_RISK = 20
ALL, NOT_KNOWN, NOT_RECORDED = mark("all customers"), mark("not known"), mark("not recorded")
MOST_GROUPS, MAX_REASONS, MAX_TENURES = 6, 10_000, 100_000

RETENTION = Shape(
    "one row per group and month since the first contract began",
    {
        "group": Column("text", "customers", own=(ALL, NOT_KNOWN)),
        "tenure_months": Column("integer", "months since the beginning"),
        "n_at_risk": Column("integer", "customers seen so long"),
        "retained_share": Column("fraction", "share still there"),
        "retained_low": Column("fraction", "lower bound of its 95% interval"),
        "retained_high": Column("fraction", "upper bound of its 95% interval"),
    },
)
REASONS = Shape(
    "one row per recorded reason",
    {
        "end_reason": Column("text", "recorded reason", own=(NOT_RECORDED,)),
        "n_customers": Column("integer", "customers lost"),
        "customer_share": Column("fraction", "share of them"),
        "lost_amount": Column("money", "amount of 12 months that they stood for"),
        "amount_share": Column("fraction", "share of the amount"),
        "customer_rank": Column("integer", "rank by customers"),
        "amount_rank": Column("integer", "rank by amount"),
    },
)


def choose_group(contracts: Table, aucs: Mapping[str, float]) -> str | None:
    """Of the attributes in ``aucs`` with few values the one that alone tells most of who is lost; None where there is none."""
    if not aucs:
        return None
    n = engine.collect(contracts.select(*[nw.col(one).n_unique().alias(one) for one in aucs]), 1).iloc[0]
    return max((one for one in aucs if 2 <= n[one] <= MOST_GROUPS), key=aucs.get, default=None)


def describe_retention(customers: Table, group: str | None) -> pd.DataFrame:
    """RETENTION of all customers (contracts.CONTRACT_CUSTOMERS), or of each value of an attribute."""
    counts = engine.collect(count_tenures(customers, group), MAX_TENURES)
    counts["group"] = counts["group"].fillna(NOT_KNOWN) if group else ALL
    curves = []
    for name, part in counts.groupby("group"):
        curve = kaplan_meier(part["t"].to_numpy(), ~part["is_running"].to_numpy(), part["weight"].to_numpy())
        curves.append(curve[(curve["n_at_risk"] >= MIN_AT_RISK) | (curve["t"] == 0)].assign(group=name))
    names = {"t": "tenure_months", "share": "retained_share", "low": "retained_low", "high": "retained_high"}
    frame = pd.concat(curves, ignore_index=True).rename(columns=names)
    return RETENTION.frame(frame.astype({"tenure_months": int, "n_at_risk": int}))


def describe_reasons(lost: Table) -> pd.DataFrame:
    """REASONS of lost customers (end_reason and lost_amount), the commonest first; none where none is recorded."""
    sums = lost.group_by("end_reason").agg(n_customers=nw.len(), lost_amount=nw.col("lost_amount").sum())
    frame = engine.collect(sums.sort("n_customers", "end_reason", descending=[True, False]), MAX_REASONS)
    if frame["end_reason"].isna().all():
        return pd.DataFrame(columns=list(REASONS.columns))
    total = frame["lost_amount"].sum()
    return REASONS.frame(
        frame.assign(
            end_reason=frame["end_reason"].fillna(NOT_RECORDED),
            customer_share=frame["n_customers"] / frame["n_customers"].sum(),
            amount_share=[float(one / total) if total else 0.0 for one in frame["lost_amount"]],
            customer_rank=frame["n_customers"].rank(method="min", ascending=False).astype(int),
            amount_rank=frame["lost_amount"].astype(float).rank(method="min", ascending=False).astype(int),
        )
    )
