"""Groups of customers by what they do: found on a sample, or refused in words, and everybody assigned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import reduce

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.customers import known_orders, materialise_customers
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.leaving.histories import sample_customers
from crm_analysis.models import clusters
from crm_analysis.params import check_bounds
from crm_analysis.schema import Column, Shape

BEHAVIOUR = {
    "days_since_last_order": mark("days since last order"),
    "n_orders": mark("orders"),
    "average_order_amount": mark("amount per order"),
    "tenure_days": mark("days from first to last"),
    "lines_per_order": mark("lines per order"),
}
CHOICE = Shape(
    "one row per number of groups",
    {
        "n_clusters": Column("integer", "groups"),
        "silhouette": Column("estimate", "silhouette", detail=mark("1: wide apart; 0: no gap between them")),
        "reference": Column("estimate", "silhouette without groups", detail=mark("the highest of points without groups: spread evenly, or as skewed as the customers")),
        "stability": Column("estimate", "stability", detail=mark("adjusted Rand index with the groups of samples drawn again: 1 the same, 0 chance")),
        "is_chosen": Column("flag", "chosen"),
    },
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """``max_sample``: customers on which clusters are fitted; fewer than ``min_cluster_customers`` have none. The other bounds: what makes
    clusters count."""

    max_clusters: int = 6
    min_silhouette: float = 0.26
    silhouette_slack: float = 0.05
    min_gain: float = 0.04
    min_stability: float = 0.75
    n_bootstraps: int = 10
    max_sample: int = 2000
    min_cluster_customers: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        bounds = {
            "max_clusters": (2, 12), "min_silhouette": (0, 1), "silhouette_slack": (0, 1), "min_gain": (0, 1),
            "min_stability": (0, 1), "n_bootstraps": (2, 200), "max_sample": (100, 20_000),
            "min_cluster_customers": (20, 10**9), "seed": (0, 2**32 - 1),
        }  # fmt: skip
        check_bounds(self, bounds)


@dataclass(frozen=True)
class Model:
    """How everybody is assigned: features with their mean and deviation on the scale of log(1 + x), and the centres there; the first
    cluster is the one with the largest amount per customer in the sample."""

    features: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    centres: np.ndarray

    @property
    def names(self) -> list[str]:
        return [chr(ord("A") + place) for place in range(len(self.centres))]

    def centre(self, cluster: str, feature: str) -> float:
        """How far a cluster's centre is above the mean, in deviations; 0 for a feature that tells nothing."""
        known = feature in self.features
        return float(self.centres[self.names.index(cluster), self.features.index(feature)]) if known else 0.0


def behaviour(tables: Tables, as_of: date) -> Table:
    """One row per customer before ``as_of``: BEHAVIOUR and the net amount."""
    orders = known_orders(tables, as_of)
    lines = orders.filter("is_order", ~nw.col("customer_id").is_null()).group_by("customer_id")
    joined = materialise_customers(orders, as_of).join(
        lines.agg(nw.col("n_lines").sum().cast(nw.Int64)), on="customer_id", how="left"
    )
    ratio = nw.col("n_lines").cast(nw.Float64) / nw.col("n_orders")
    return joined.select(
        "customer_id", "net_amount", *[one for one in BEHAVIOUR if one != "lines_per_order"], lines_per_order=ratio
    )


def fit_clusters(table: Table, params: Fitting) -> tuple[pd.DataFrame, Model | None, str]:
    """CHOICE, the clusters of a sample, and, where there are none, why."""
    n = engine.n_rows(table)
    nothing = pd.DataFrame(columns=list(CHOICE.columns))
    if n < params.min_cluster_customers:
        return nothing, None, counted(
            n, "No groups by behaviour: {n} customer is too few; it takes {least}.", "No groups by behaviour: {n} customers are too few; it takes {least}.",
            least=params.min_cluster_customers,
        )  # fmt: skip
    share = min(1.0, params.max_sample / n)
    sampled = sample_customers(table, share, params.seed) if share < 1 else table
    rows = engine.collect(sampled.sort("customer_id"), 2 * params.max_sample)
    values = np.log1p(rows[list(BEHAVIOUR)].astype(float).clip(lower=0).to_numpy())
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    told = deviation > 1e-9
    if not told.any():
        return nothing, None, _("No groups by behaviour: all customers do the same.")
    X = (values[:, told] - mean[told]) / deviation[told]
    tried = clusters.try_numbers(X, params.max_clusters, params.n_bootstraps, params.seed)
    k = choose(tried, params)
    choice = CHOICE.frame(tried.assign(is_chosen=tried["n_clusters"] == k))
    if k is None:
        return choice, None, refuse(tried, params)
    model = clusters.fit(X, k, params.seed)
    amounts = rows["net_amount"].astype(float).groupby(model.labels_).mean()
    order = amounts.sort_values(ascending=False, kind="stable").index
    features = tuple(one for one, is_told in zip(BEHAVIOUR, told, strict=True) if is_told)
    return choice, Model(features, mean[told], deviation[told], model.cluster_centers_[order]), ""


def choose(tried: pd.DataFrame, params: Fitting) -> int | None:
    """The largest number of clusters whose silhouette is near the highest, of those that count; None where none does."""
    gains = tried["silhouette"] - tried["reference"]
    good = tried[
        (tried["silhouette"] >= params.min_silhouette)
        & (gains >= params.min_gain)
        & (tried["stability"] >= params.min_stability)
    ]
    near = good[good["silhouette"] >= good["silhouette"].max() - params.silhouette_slack]
    return int(near["n_clusters"].max()) if len(near) else None


def refuse(tried: pd.DataFrame, params: Fitting) -> str:
    """Why there are no clusters, of the number that came nearest."""
    if tried.empty:
        return _("No groups by behaviour: all customers do the same.")
    best = tried.loc[tried["silhouette"].idxmax()]
    return _(
        "No groups by behaviour: what customers do passes smoothly from one to the next. The silhouette is {silhouette} at best"
        " ({reference} for points without groups; it takes {gain} more, and at least {least}), the stability {stability} (it takes {stable})."
        " Groups with chosen limits, as in RFM, are still of use."
    ).format(
        silhouette=language.decimal(best["silhouette"], 2), least=language.decimal(params.min_silhouette, 2),
        gain=language.decimal(params.min_gain, 2), reference=language.decimal(best["reference"], 2),
        stability=language.decimal(best["stability"], 2), stable=language.decimal(params.min_stability, 2),
    )  # fmt: skip


def assign(table: Table, model: Model | None) -> Table:
    """The table with ``cluster``: the one of the nearest centre, of equally near ones the first; empty where there are none."""
    if model is None:
        return table.with_columns(cluster=nw.lit(None).cast(nw.String))
    scaled = [
        (nw.max_horizontal(nw.col(one).cast(nw.Float64), nw.lit(0.0)) + 1).log() / float(deviation)
        - float(mean / deviation)
        for one, mean, deviation in zip(model.features, model.mean, model.deviation, strict=True)
    ]
    scales = [f"_scaled_{place}" for place in range(len(scaled))]
    table = table.with_columns(**dict(zip(scales, scaled, strict=True)))
    distances = [
        reduce(
            lambda left, right: left + right,
            [(nw.col(name) - float(at)) * (nw.col(name) - float(at)) for name, at in zip(scales, centre, strict=True)],
        )
        for centre in model.centres
    ]
    names = [f"_distance_{place}" for place in range(len(distances))]
    table = table.with_columns(**dict(zip(names, distances, strict=True)))
    nearest = nw.min_horizontal(*names)
    cluster = nw.coalesce(
        *[nw.when(nw.col(name) <= nearest).then(nw.lit(one)) for name, one in zip(names, model.names, strict=True)]
    )
    return table.with_columns(cluster=cluster).drop(*scales, *names)


# A centre so many deviations from the mean counts as far from it.
FAR = 0.3
# What a centre far above the mean, and one far below it, is called.
WORDS = {
    "days_since_last_order": (mark("long silent"), mark("recent orders")),
    "n_orders": (mark("many orders"), mark("few orders")),
    "average_order_amount": (mark("large orders"), mark("small orders")),
    "tenure_days": (mark("long-standing"), mark("short-lived")),
    "lines_per_order": (mark("many lines an order"), mark("few lines an order")),
}


def name_clusters(model: Model) -> list[str]:
    """What stands out most of each centre, in two words, or more where another cluster would be called the same."""
    ranked = []
    for cluster in model.names:
        far = sorted(model.features, key=lambda one: -abs(model.centre(cluster, one)))
        ranked.append([_(WORDS[one][model.centre(cluster, one) < 0]) for one in far])
    n = next((n for n in range(2, len(model.features)) if len({tuple(one[:n]) for one in ranked}) == len(ranked)), None)
    return [language.listed(one[: n or len(one)]) for one in ranked]
