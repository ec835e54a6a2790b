"""Segments: who are the customers, what made sales change, and do they fall into groups by what they do?

Definitions. *Part*: the customers with the same value of an attribute of the source (region, kind, age band, …); those
without a value are a part of their own, and beyond the ``most_parts`` largest all values are one. Numbers become ``n_bands`` bands of about equal
size, years of birth age bands. *Customers* of a period: those with an order in it; *amount*: net of returns. *Change* of an
amount between two periods is split over amount = customers × orders per customer × amount per order: the effect of each
is its mean over all six orders in which the three can be changed one after the other (Shapley 1953), so that the parts sum to the change exactly,
and none depends on an order that somebody chose. Unlike logarithmic means (LMDI) this also holds for amounts of zero or below it. Where one of the periods has no customers, all is due to their number.
*Clusters*: k-means on behaviour to date: days since the last order, orders, amount per order, days from the first to the last order and
lines per order, each as log(1 + x) and scaled to mean 0 and deviation 1. Fitted on a sample drawn by a seed; everybody belongs to the nearest centre.
Numbers of clusters that count have a mean silhouette of ``min_silhouette`` (Kaufman and Rousseeuw 1990: below it there is no substantial
structure) and ``min_gain`` more than points without clusters have, and reappear when the sample is drawn again (bootstrap, adjusted Rand index, ``min_stability``;
Hennig 2007). Of those within ``silhouette_slack`` of the highest silhouette the largest number is taken: it tells more. Where none
counts, there are no clusters, and the report says so. A cluster is named by what stands out in its centre.

Source: L. S. Shapley (1953); B. W. Ang (2004) on decompositions; P. J. Rousseeuw (1987) for the silhouette; L. Hubert and P. Arabie (1985) for the index.

It cannot tell why parts differ: what goes with a region may come from another attribute that goes with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import count_moves, known_orders, materialise_customers, move_matrix, require
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.leaving.histories import sample_customers
from crm_analysis.leaving.outcomes import NOT_KNOWN, OTHER, read_attributes
from crm_analysis.models import clusters as kmeans
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import (
    GROW,
    KEEP,
    LEAVE_ALONE,
    MOVES,
    WELCOME,
    WIN_BACK,
    Column,
    KeyFigure,
    Shape,
    action_list,
    day_number,
)  # fmt: skip

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 70

# The periods that are summed for each customer: ``_now`` and what it is compared with.
YEAR, YEAR_BEFORE, YEAR_MONTH_AGO, MONTH, MONTH_BEFORE, MONTH_LAST_YEAR = (
    "year", "year_before", "year_month_ago", "month", "month_before", "month_last_year",
)  # fmt: skip
COMPARISONS = {
    mark("the month, on last month"): (MONTH, MONTH_BEFORE),
    mark("the month, on last year"): (MONTH, MONTH_LAST_YEAR),
    mark("twelve months, on the twelve before"): (YEAR, YEAR_BEFORE),
}
ON_LAST_MONTH, ON_LAST_YEAR, ON_YEAR_BEFORE = COMPARISONS
ALL = mark("all customers")
NOBODY = mark("no order yet")
# Bounds of age bands, in years.
AGES = (25, 35, 45, 55, 65)
# A part is spoken of that has so many customers, and an attribute is left out of which the parts shown hold less than this share.
LEAST_PART, LEAST_SHOWN = 30, 0.2
# Of a pie.
MOST_SLICES = 5

PARTS = Shape(
    "one row per attribute and part",
    {
        "attribute": Column("text", "attribute"),
        "part": Column("text", "part", own=(OTHER, NOT_KNOWN)),
        "n_customers": Column("integer", "customers", detail="customers with an order in the last twelve months"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount of twelve months"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_amount": Column("money", "amount per customer"),
        "growth_rate": Column("fraction", "growth of the amount", detail="on the twelve months before; empty where the data do not reach so far"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)  # fmt: skip
EFFECTS = Shape(
    "one row per comparison, attribute and part",
    {
        "comparison": Column("label", "comparison"),
        "attribute": Column("text", "attribute", own=(ALL,)),
        "part": Column("text", "part", own=(OTHER, NOT_KNOWN, ALL)),
        "amount_before": Column("money", "amount before"),
        "customers_amount": Column("money", "by more or fewer customers"),
        "orders_amount": Column("money", "by orders per customer"),
        "size_amount": Column("money", "by amount per order"),
        "amount_now": Column("money", "amount now"),
    },
)
BEHAVIOUR = {
    "days_since_last_order": mark("days since the last order"),
    "n_orders": mark("orders"),
    "average_order_amount": mark("amount per order"),
    "tenure_days": mark("days from first to last order"),
    "lines_per_order": mark("lines per order"),
}
CLUSTERS = Shape(
    "one row per group, the one with the largest amount per customer first",
    {
        "cluster": Column("text", "group"),
        "name": Column("text", "what stands out"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        **{one: Column("fraction", meaning, detail="mean over the customers of the group") for one, meaning in BEHAVIOUR.items()},
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)  # fmt: skip
CHOICE = Shape(
    "one row per number of groups",
    {
        "n_clusters": Column("integer", "groups"),
        "silhouette": Column("estimate", "silhouette", detail="1: wide apart; 0: no gap between them"),
        "reference": Column("estimate", "silhouette without groups", detail="of points that are spread evenly over the same space"),
        "stability": Column("estimate", "stability", detail="adjusted Rand index with the groups of samples drawn again: 1 the same, 0 chance"),
        "is_chosen": Column("flag", "chosen"),
    },
)  # fmt: skip
ACTIONS = action_list(
    Column("text", "group"),
    mark("value of one more order, if it is like the customer's orders so far"),
    {
        "n_orders": Column("integer", "orders"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "amount": Column("money", "amount to date"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """``lead``: the attribute of the pie and of the split by parts; empty: the one whose parts differ most. ``leave_out``: attributes that
    say nothing. ``max_sample``: customers on which clusters are fitted. ``list_rows``: the most customers in the action list for people."""

    lead: str = ""
    leave_out: tuple[str, ...] = ()
    most_parts: int = 12
    n_bands: int = 4
    max_clusters: int = 6
    min_silhouette: float = 0.26
    silhouette_slack: float = 0.05
    min_gain: float = 0.03
    min_stability: float = 0.75
    n_bootstraps: int = 10
    max_sample: int = 2000
    min_cluster_customers: int = 200
    recent_days: int = 60
    seed: int = 1
    min_customers: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        bounds = {
            "most_parts": (2, 20), "n_bands": (2, 10), "max_clusters": (2, 12), "min_silhouette": (0, 1), "silhouette_slack": (0, 1), "min_gain": (0, 1), "min_stability": (0, 1),
            "n_bootstraps": (2, 200), "max_sample": (100, 20_000), "min_cluster_customers": (20, 10**9), "recent_days": (1, 10_000), "seed": (0, 2**32 - 1),
            "min_customers": (1, 10**9), "list_rows": (1, 10**9),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; it goes from {low} to {high}")


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine. ``lead``: the attribute whose parts differ most;
    ``refusal``: why there are no clusters; ``notes``: what else is not shown, and why."""

    customers: Table
    actions: Table
    parts: pd.DataFrame
    effects: pd.DataFrame
    lead: str
    clusters: pd.DataFrame
    choice: pd.DataFrame
    moves: pd.DataFrame
    totals: pd.DataFrame
    profile: pd.DataFrame
    refusal: str
    notes: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """Who the customers are at the end of ``run.month``, what changed their sales, and the clusters of their behaviour."""
    customers = materialise_customers(known_orders(tables, run.as_of), run.as_of)
    require(customers, params.min_customers)
    wide, labels, notes = label_parts(tables, customers, run, params)
    base = engine.materialise(wide.join(sum_periods(tables, run), on="customer_id", how="left"))
    known = known_periods(customers, run)
    whole = sum_parts(base, None)
    sums = {one.attribute: order_parts(sum_parts(base, one.column), one) for one in labels}
    parts = describe_parts(sums, known)
    choice, model, refusal = fit_clusters(behaviour(tables, run.as_of), params)
    now, before, past = (
        engine.materialise(assign(behaviour(tables, day), model))
        for day in (run.as_of, run.starts, run.last_year_as_of)
    )
    clusters = describe_clusters(now, before, past, model) if model else pd.DataFrame(columns=list(CLUSTERS.columns))
    return Result(
        customers=base.select("customer_id", *[nw.col(one.column).alias(one.attribute) for one in labels]).join(
            now.select("customer_id", "cluster", "net_amount", *BEHAVIOUR), on="customer_id", how="left"
        ),
        actions=advise(now, clusters, model, params),
        parts=parts,
        effects=describe_effects({ALL: whole, **sums}, known),
        lead=params.lead if params.lead in sums else find_lead(parts),
        totals=describe_totals(whole, known),
        clusters=clusters,
        profile=describe_profile(clusters, now),
        choice=choice,
        moves=MOVES.frame(
            engine.collect(count_moves(before, now, "cluster", "net_amount"), 400).iloc[: None if model else 0]
        ),
        refusal=refusal,
        notes=notes,
    )


# Parts.


@dataclass(frozen=True)
class Labels:
    """An attribute's parts: the column that has them, and their order, which is empty where the largest comes first."""

    attribute: str
    column: str
    order: tuple[str, ...] = ()


def label_parts(tables: Tables, customers: Table, run: Run, params: Params) -> tuple[Table, list[Labels], list[str]]:
    """customer_id and the parts of each attribute of which there is something to show; and why others are not shown."""
    table = engine.as_table(tables["customers"]) if "customers" in tables else customers.select("customer_id")
    others = ("customer_id", "signed_up_date", *params.leave_out)
    names = [one for one in table.collect_schema().names() if one not in others]
    if not names:
        told = _("The source has no attributes of customers: there are no parts to show.")
        return customers.select("customer_id"), [], [told]
    table = table.select("customer_id", *[nw.col(one).cast(nw.String) for one in names])
    births = [one for one in names if "birth" in one]
    table = engine.extract_texts(table, dict.fromkeys(births, r"((?:19|20)\d\d)")) if births else table
    wide = customers.select("customer_id").join(table, on="customer_id", how="left")
    wide, features = read_attributes(engine.materialise(wide), names)
    wide, labels, notes = engine.materialise(wide), [], []
    for place, name in enumerate(names):
        column = f"_part_{place}"
        if name in births:
            parts, order = label_ages(name, run.as_of)
        elif name in features.numbers:
            parts, order = label_bands(wide, name, params.n_bands)
        else:
            parts, order = label_values(wide, name, params.most_parts), ()
        if parts is None:
            text = _("“{attribute}” has one value only, or too many different ones: it is not shown.")
            notes.append(text.format(attribute=name.replace("_", " ")))
        else:
            attribute = name.replace("_", " ")
            attribute = _("age by {attribute}").format(attribute=attribute) if name in births else attribute
            labels.append(Labels(attribute, column, order))
            wide = wide.with_columns(parts.alias(column))
    return wide.select("customer_id", *[one.column for one in labels]), labels, notes


def label_values(wide: Table, name: str, most: int) -> nw.Expr | None:
    """The largest values by name, the others as one; None where there is one value only, or where the largest say too little."""
    value = nw.col(name)
    is_empty = value.is_null() | (value == "")
    counts = wide.filter(~is_empty).group_by(name).agg(nw.len().alias("n"))
    largest = engine.collect(counts.with_columns(minus=-nw.col("n")).sort("minus", name).head(most), most)
    everything = engine.collect(counts.select(nw.len().alias("n_values"), nw.col("n").sum().alias("n")), 1).iloc[0]
    if everything["n_values"] < 2 or float(largest["n"].sum()) < LEAST_SHOWN * float(everything["n"]):
        return None
    is_shown = value.is_in(largest[name].tolist())
    return nw.when(is_empty).then(nw.lit(NOT_KNOWN)).when(is_shown).then(value).otherwise(nw.lit(OTHER))


def label_bands(wide: Table, name: str, n_bands: int) -> tuple[nw.Expr | None, tuple[str, ...]]:
    """Bands of about as many customers each, equal numbers in one; None where all are in one."""
    known = wide.filter(~nw.col(name).is_null()).select(number=nw.col(name).cast(nw.Float64))
    n = engine.n_rows(known)
    banded = known.with_columns(band=(n_bands * (nw.col("number").rank("min") - 1)) // max(n, 1))
    bounds = banded.group_by("band").agg(low=nw.col("number").min(), high=nw.col("number").max())
    frame = engine.collect(bounds.sort("band"), n_bands)
    if len(frame) < 2:
        return None, ()
    is_year = frame["low"].min() >= 1800 and frame["high"].max() <= 2100
    ends = [
        [f"{one:.0f}" if is_year else language.plain(one) for one in dict.fromkeys([row.low, row.high])]
        for row in frame.itertuples()
    ]
    return _steps(nw.col(name).cast(nw.Float64), frame["high"].tolist(), [" – ".join(one) for one in ends])


def label_ages(name: str, as_of: date) -> tuple[nw.Expr, tuple[str, ...]]:
    """The age reached in the year of the report, in bands."""
    last = date.fromordinal(as_of.toordinal() - 1)
    texts = [
        _("under {age}").format(age=AGES[0]),
        *[f"{low} – {high - 1}" for low, high in pairwise(AGES)],
        _("{age} and over").format(age=AGES[-1]),
    ]
    return _steps(last.year - nw.col(name).cast(nw.Float64), [*[age - 1.0 for age in AGES], 1000.0], texts)


def _steps(number: nw.Expr, bounds: list[float], texts: list[str]) -> tuple[nw.Expr, tuple[str, ...]]:
    """The text of the first bound that the number does not pass, and the texts in order."""
    steps = [nw.when(number <= high).then(nw.lit(text)) for high, text in zip(bounds, texts, strict=True)]
    return nw.coalesce(*steps, nw.lit(NOT_KNOWN)), tuple(texts)


def list_periods(run: Run) -> dict[str, tuple[date, date]]:
    """The first day of each period, and the day after its last."""

    def months(end: date, n: int) -> tuple[date, date]:
        return first_of_month(f"{end:%Y-%m}", -n), end

    return {
        YEAR: months(run.as_of, 12), YEAR_BEFORE: months(run.last_year_as_of, 12), YEAR_MONTH_AGO: months(run.starts, 12),
        MONTH: months(run.as_of, 1), MONTH_BEFORE: months(run.starts, 1), MONTH_LAST_YEAR: months(run.last_year_as_of, 1),
    }  # fmt: skip


def sum_periods(tables: Tables, run: Run) -> Table:
    """Per customer the orders and the net amount of each period."""
    periods, day = list_periods(run), nw.col("ordered_day")
    known = known_orders(tables, run.as_of).filter(~nw.col("customer_id").is_null())
    sums = []
    for name, (start, end) in periods.items():
        is_in = (day >= day_number(start)) & (day < day_number(end))
        sums.append((is_in & nw.col("is_order")).cast(nw.Int64).sum().cast(nw.Int64).alias(f"n_{name}"))
        sums.append(nw.when(is_in).then("net_amount").sum().alias(f"amount_{name}"))
    return known.group_by("customer_id").agg(*sums)


def known_periods(customers: Table, run: Run) -> set[str]:
    """The periods over all of which there are orders to know."""
    first = int(engine.collect(customers.select(day=nw.col("first_ordered_day").min()), 1)["day"].iloc[0])
    month = date.fromordinal(date(1970, 1, 1).toordinal() + first).replace(day=1)
    return {name for name, (start, _end) in list_periods(run).items() if month <= start}


def sum_parts(base: Table, column: str | None) -> pd.DataFrame:
    """Per part (of all, where there is no column) and period the customers with an order, the orders and the amount."""
    sums = []
    for name in (YEAR, YEAR_BEFORE, YEAR_MONTH_AGO, MONTH, MONTH_BEFORE, MONTH_LAST_YEAR):
        sums.append((nw.col(f"n_{name}") > 0).cast(nw.Int64).sum().cast(nw.Int64).alias(f"customers_{name}"))
        sums.append(nw.col(f"n_{name}").sum().cast(nw.Int64).alias(f"orders_{name}"))
        sums.append(nw.col(f"amount_{name}").sum())
    part = nw.lit(ALL) if column is None else nw.col(column)
    frame = engine.collect(base.with_columns(part=part).group_by("part").agg(*sums), 100)
    amounts = [one for one in frame if one.startswith("amount_")]
    frame[amounts] = frame[amounts].map(lambda one: Decimal(0) if one is None or one != one else one)
    return frame


# Small frame steps.


def order_parts(sums: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Bands in their order, also texts that are bands (15-24, 25+), other values by amount; those that are no value of the
    attribute last."""
    rest = {OTHER: 1, NOT_KNOWN: 2}
    numbers = {one: re.search(r"\d+", one) for one in sums["part"] if one not in rest}
    are_bands = not labels.order and all(numbers.values())

    def place(row: int) -> tuple:
        part, amount = sums["part"].iloc[row], sums[f"amount_{YEAR}"].iloc[row]
        if part in labels.order:
            return 0, labels.order.index(part), 0, part
        # "Under 15" comes before "15-24".
        bound = (int(numbers[part][0]), numbers[part].start() == 0) if are_bands and part in numbers else (0, False)
        return rest.get(part, 0), *bound, -amount, part

    return sums.iloc[sorted(range(len(sums)), key=place)].reset_index(drop=True)


def describe_parts(sums: dict[str, pd.DataFrame], known: set[str]) -> pd.DataFrame:
    """PARTS of every attribute; each attribute's customers and amount are all customers and all of the amount."""
    found = []
    for attribute, own in sums.items():
        n, amount = own[f"customers_{YEAR}"], own[f"amount_{YEAR}"]
        before = own[f"amount_{YEAR_BEFORE}"].astype(float)
        part = {
            "attribute": attribute, "part": own["part"], "n_customers": n, "customer_share": n / max(n.sum(), 1),
            "amount": amount, "amount_share": [float(one / amount.sum()) if amount.sum() else 0.0 for one in amount],
            "mean_amount": amount.astype(float) / n.where(n > 0),
            "growth_rate": amount.astype(float) / before.where(before > 0) - 1 if YEAR_BEFORE in known else float("nan"),
            "n_customers_previous_month": own[f"customers_{YEAR_MONTH_AGO}"] if YEAR_MONTH_AGO in known else pd.NA,
            "n_customers_last_year": own[f"customers_{YEAR_BEFORE}"] if YEAR_BEFORE in known else pd.NA,
        }  # fmt: skip
        found.append(pd.DataFrame(part))
    return PARTS.frame(pd.concat([pd.DataFrame(columns=list(PARTS.columns)), *found], ignore_index=True))


Totals = tuple[int, int, Decimal]


def split_change(before: Totals, now: Totals) -> tuple[Decimal, Decimal, Decimal]:
    """What more customers, more orders of each and bigger orders did to an amount: from customers, orders and amount before and now.
    The three sum to the change to the last decimal of the amounts."""
    change = now[2] - before[2]
    if not before[0] or not now[0]:
        return change, change * 0, change * 0
    (a0, b0, c0), (a1, b1, c1) = (
        (Fraction(n), Fraction(orders, n), Fraction(amount) / orders) for n, orders, amount in (before, now)
    )
    customers = (a1 - a0) * ((b1 * c1 + b0 * c0) / 3 + (b1 * c0 + b0 * c1) / 6)
    orders = (b1 - b0) * ((a1 * c1 + a0 * c0) / 3 + (a1 * c0 + a0 * c1) / 6)
    scale = max(-one.as_tuple().exponent for one in (before[2], now[2], Decimal("0.00")))
    first, second = (Decimal(round(one * 10**scale)).scaleb(-scale) for one in (customers, orders))
    return first, second, change - first - second


def describe_effects(sums: dict[str, pd.DataFrame], known: set[str]) -> pd.DataFrame:
    """EFFECTS of every comparison that the data reach, of all customers and of every part."""
    rows = []
    for comparison, (now, before) in COMPARISONS.items():
        for attribute, own in sums.items() if before in known else ():
            for row in own.to_dict("records"):
                then, here = (
                    (row[f"customers_{one}"], row[f"orders_{one}"], row[f"amount_{one}"]) for one in (before, now)
                )
                customers, orders, size = split_change(then, here)
                rows.append((comparison, attribute, row["part"], then[2], customers, orders, size, here[2]))
    return pd.DataFrame(rows, columns=list(EFFECTS.columns))


def describe_totals(sums: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Customers, orders and amount of every period that the data reach, by period."""
    one = sums.iloc[0]
    rows = {
        name: [one[f"{kind}_{name}"] for kind in ("customers", "orders", "amount")] for name in (YEAR, MONTH, *known)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["n_customers", "n_orders", "amount"])


def find_lead(parts: pd.DataFrame) -> str:
    """The attribute whose parts differ most: the shares of customers and of the amount are farthest apart. Empty without one."""
    parts = parts[~parts["part"].isin([OTHER, NOT_KNOWN])]
    distance = (parts["customer_share"] - parts["amount_share"]).abs().astype(float).groupby(parts["attribute"]).sum()
    return "" if distance.empty else str(distance.sort_index().idxmax())


# Clusters.


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


def fit_clusters(table: Table, params: Params) -> tuple[pd.DataFrame, Model | None, str]:
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
    tried = kmeans.try_numbers(X, params.max_clusters, params.n_bootstraps, params.seed)
    k = choose(tried, params)
    choice = CHOICE.frame(tried.assign(is_chosen=tried["n_clusters"] == k))
    if k is None:
        return choice, None, refuse(tried, params)
    model = kmeans.fit(X, k, params.seed)
    amounts = rows["net_amount"].astype(float).groupby(model.labels_).mean()
    order = amounts.sort_values(ascending=False, kind="stable").index
    features = tuple(one for one, is_told in zip(BEHAVIOUR, told, strict=True) if is_told)
    return choice, Model(features, mean[told], deviation[told], model.cluster_centers_[order]), ""


def choose(tried: pd.DataFrame, params: Params) -> int | None:
    """The largest number of clusters whose silhouette is near the highest, of those that count; None where none does."""
    gains = tried["silhouette"] - tried["reference"]
    good = tried[
        (tried["silhouette"] >= params.min_silhouette)
        & (gains >= params.min_gain)
        & (tried["stability"] >= params.min_stability)
    ]
    near = good[good["silhouette"] >= good["silhouette"].max() - params.silhouette_slack]
    return int(near["n_clusters"].max()) if len(near) else None


def refuse(tried: pd.DataFrame, params: Params) -> str:
    """Why there are no clusters, of the number that came nearest."""
    if tried.empty:
        return _("No groups by behaviour: all customers do the same.")
    best = tried.loc[tried["silhouette"].idxmax()]
    return _(
        "No groups by behaviour: what customers do passes smoothly from one to the next. The silhouette is {silhouette} at best"
        " ({reference} for evenly spread points; it takes {gain} more, and at least {least}), the stability {stability} (it takes {stable})."
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


def sum_clusters(table: Table) -> Table:
    means = [nw.col(one).cast(nw.Float64).mean().alias(one) for one in BEHAVIOUR]
    sums = table.group_by("cluster").agg(
        nw.len().alias("n_customers"), nw.col("net_amount").sum().alias("amount"), *means
    )
    return sums.sort("cluster")


def describe_clusters(now: Table, before: Table, past: Table, model: Model) -> pd.DataFrame:
    """CLUSTERS: every cluster, also an empty one."""
    frame = engine.collect(sum_clusters(now), 100).set_index("cluster").reindex(model.names)
    n = frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["amount"] = [Decimal(0) if one is None or one != one else one for one in frame["amount"]]
    total = frame["amount"].sum()
    frame["name"] = name_clusters(model)
    frame["customer_share"] = n / n.sum()
    frame["amount_share"] = [float(one / total) if total else 0.0 for one in frame["amount"]]
    for column, table in {"n_customers_previous_month": before, "n_customers_last_year": past}.items():
        counts = engine.collect(sum_clusters(table).select("cluster", "n_customers"), 100).set_index("cluster")
        earlier = counts["n_customers"].reindex(model.names).fillna(0).astype(int)
        frame[column] = earlier if len(counts) else pd.NA
    return CLUSTERS.frame(frame.reset_index())


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
    return [", ".join(one[: n or len(one)]) for one in ranked]


def describe_profile(clusters: pd.DataFrame, now: Table) -> pd.DataFrame:
    """One row per kind of behaviour and one column per cluster: its mean over that of all customers."""
    means = engine.collect(now.select(*[nw.col(one).cast(nw.Float64).mean() for one in BEHAVIOUR]), 1).iloc[0]
    ratios = {
        one: clusters[one].astype(float) / means[one] if means[one] else clusters[one] * np.nan for one in BEHAVIOUR
    }
    frame = pd.DataFrame(ratios).T
    frame.columns = clusters["cluster"]
    return frame.rename_axis("behaviour").reset_index()


def advise(now: Table, clusters: pd.DataFrame, model: Model | None, params: Params) -> Table:
    """The action list, most urgent first: by cluster what to do, and the customer's own numbers. Nobody's without clusters."""
    kinds = {one: advise_cluster(one, model) for one in model.names} if model else {}
    names = dict(zip(clusters["cluster"], clusters["name"], strict=True))
    is_recent = nw.col("days_since_last_order") <= params.recent_days

    def of_kind(place: int) -> nw.Expr:
        """A part of the advice: a customer of a silent cluster who ordered lately is treated as new there."""
        told = {kind: _(advice[place]) if place == 2 else advice[place] for kind, advice in ADVICE.items()}
        lately = nw.when(is_recent & nw.col("_kind").is_in(SILENT)).then(nw.lit(told["fresh"]))
        return nw.coalesce(lately, *[nw.when(nw.col("_kind") == one).then(nw.lit(text)) for one, text in told.items()])

    def of_cluster(texts: dict[str, str]) -> nw.Expr:
        cases = [nw.when(nw.col("cluster") == one).then(nw.lit(text)) for one, text in texts.items()]
        return nw.coalesce(*cases, nw.lit(None).cast(nw.String))

    reason = _("{group}; the last order is {days} days old, orders so far: {orders}.")
    listed = now.filter(~nw.col("cluster").is_null())
    listed = listed.with_columns(
        _kind=of_cluster(kinds), segment=of_cluster({one: f"{one}: {text}" for one, text in names.items()})
    )
    return (
        listed.with_columns(
            priority=of_kind(0),
            stance=of_kind(1),
            action=of_kind(2),
            reason=engine.sentence(
                reason, group=nw.col("segment"), days=nw.col("days_since_last_order"), orders=nw.col("n_orders")
            ),
            expected_amount=engine.as_money(nw.col("average_order_amount")),
            amount=nw.col("net_amount"),
            minus=-nw.col("net_amount"),
        )
        .sort("priority", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# A centre so many deviations from the mean counts as far from it.
FAR = 0.3
ADVICE = {
    "lost": (2, WIN_BACK, mark("Win back: they used to order often; ask what is missing, make an offer with a date")),
    "best": (2, KEEP, mark("Keep: a person in charge, early access to new things; no discount needed")),
    "fresh": (2, WELCOME, mark("Bring the next order soon: help with the first purchase, a reason to come back")),
    "large": (3, WIN_BACK, mark("Ask for the next order: they bought much at once, and not since")),
    "steady": (3, GROW, mark("Offer a related product with the next order")),
    "gone": (4, LEAVE_ALONE, mark("Cheap contact only: seasonal mailing")),
}
SILENT = ("lost", "large", "gone")


def advise_cluster(cluster: str, model: Model) -> str:
    """Which of ADVICE fits a cluster: whether it is silent, whether it orders, or used to order, often, and how much at once."""
    silence, orders, size = (
        model.centre(cluster, one) for one in ("days_since_last_order", "n_orders", "average_order_amount")
    )
    if silence > FAR:
        return "lost" if orders > 0 else "large" if size > FAR else "gone"
    if orders > FAR:
        return "best"
    return "fresh" if silence < -FAR and orders < -FAR else "steady"


# What is told.


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen, all of twelve months."""
    totals = result.totals

    def figure(name: str, unit: str, meaning: str, of) -> KeyFigure:
        values = [of(totals.loc[one]) if one in totals.index else None for one in (YEAR, YEAR_MONTH_AGO, YEAR_BEFORE)]
        return KeyFigure(
            name=name, unit=unit, meaning=meaning, value=values[0], previous=values[1], last_year=values[2]
        )

    def ratio(over: str, under: str):
        return lambda one: float(one[over]) / float(one[under]) if one[under] else None

    return [
        figure(
            _("customers in 12 months"), "count", _("Customers with an order in the last twelve months."),
            lambda one: one["n_customers"],
        ),
        figure(
            _("their amount"), "money", _("What they bought in the last twelve months, less returns."),
            lambda one: one["amount"],
        ),
        figure(
            _("orders per customer"), "number", _("Orders of the last twelve months per customer who ordered in them."),
            ratio("n_orders", "n_customers"),
        ),
        figure(
            _("amount per order"), "money", _("Amount of the last twelve months over its orders."), ratio("amount", "n_orders"),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    return [
        *_tell_change(result, currency), *_tell_parts(result, currency), *_tell_clusters(result), *result.notes,
    ]  # fmt: skip


def _tell_change(result: Result, currency: str) -> list[str]:
    """How the amount changed, and by what, of the longest comparison and of the month on the last."""
    whole = result.effects[result.effects["attribute"] == ALL].set_index("comparison")
    told = []
    for comparison in [one for one in (ON_YEAR_BEFORE, ON_LAST_YEAR, ON_LAST_MONTH) if one in whole.index]:
        one = whole.loc[comparison]
        change = one["amount_now"] - one["amount_before"]
        names = {
            "customers_amount": _("number of customers"),
            "orders_amount": _("orders per customer"),
            "size_amount": _("amount per order"),
        }
        parts = [
            _("{name} {amount}").format(
                name=name, amount=language.signed(one[column], lambda value: language.short_money(value, currency))
            )
            for column, name in names.items()
        ]
        told.append(
            _("{comparison}: {change} ({now} after {before}), by {parts}.").format(
                comparison=_sentence(_(comparison)), change=language.signed(change, lambda value: language.short_money(value, currency)),
                now=language.short_money(one["amount_now"], currency), before=language.short_money(one["amount_before"], currency),
                parts=language.listed(parts))
        )  # fmt: skip
    return told


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _tell_parts(result: Result, currency: str) -> list[str]:
    """The part of the lead attribute that spends most, and the part of all that did most for the change."""
    told = []
    large = result.parts[(result.parts["n_customers"] >= LEAST_PART) & ~result.parts["part"].isin([OTHER, NOT_KNOWN])]
    own = large[large["attribute"] == result.lead]
    if len(own) > 1:
        best = own.loc[own["mean_amount"].astype(float).idxmax()]
        told.append(
            _("“{part}” ({attribute}) is {share} of the customers and {amount_share} of the amount: {mean} per customer.").format(
                part=best["part"], attribute=best["attribute"], share=language.percent(best["customer_share"]),
                amount_share=language.percent(best["amount_share"]), mean=language.short_money(best["mean_amount"], currency))
        )  # fmt: skip
    grown = large[large["growth_rate"].notna()]
    if len(grown) > 1:
        most, least = (grown.loc[getattr(grown["growth_rate"].astype(float), one)()] for one in ("idxmax", "idxmin"))
        told.append(
            _("On the twelve months before, “{up}” ({attribute}) grew most ({more}) and “{down}” ({other}) least ({less}).").format(
                up=most["part"], attribute=most["attribute"], down=least["part"], other=least["attribute"],
                more=language.signed(most["growth_rate"], language.percent), less=language.signed(least["growth_rate"], language.percent))
        )  # fmt: skip
    return told


def _tell_clusters(result: Result) -> list[str]:
    frame = result.clusters
    if frame.empty:
        return [result.refusal]
    best = frame.loc[frame["amount"].astype(float).idxmax()]
    return [
        _("What customers do makes {k} groups; group {cluster} ({name}) is {share} of the customers and {amount_share} of the amount to date.").format(
            k=language.integer(len(frame)), cluster=best["cluster"], name=best["name"], share=language.percent(best["customer_share"]),
            amount_share=language.percent(best["amount_share"]))
    ]  # fmt: skip


# Charts.


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    words = (OTHER, NOT_KNOWN, ALL)
    return frame.assign(part=[language.own(one, words) for one in frame["part"]])


def plot_parts(parts: pd.DataFrame) -> Axes:
    """Share of customers beside share of the amount, a panel for each attribute."""
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.bar_panels(_shown(parts), "attribute", "part", names, lambda one: language.percent(one, 0))


def list_slices(parts: pd.DataFrame, lead: str) -> pd.DataFrame:
    """PARTS of the lead attribute where they are few enough for a pie, and none is below zero."""
    own = parts[parts["attribute"] == lead]
    is_pie = len(own) <= MOST_SLICES and (own["amount_share"].astype(float) >= 0).all()
    return own if is_pie else own.head(0)


def plot_pie(slices: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The amount by part of the lead attribute."""
    return charts.pie(_shown(slices), "part", "amount_share", lambda one: language.percent(one, 0), ax=ax)


def list_steps(effects: pd.DataFrame) -> pd.DataFrame:
    """The change of all customers' amount as steps: comparison, step and amount, which is taken from what stands above it."""
    names = {
        "amount_before": _("before"), "customers_amount": _("number of customers"), "orders_amount": _("orders per customer"),
        "size_amount": _("amount per order"), "amount_now": _("now"),
    }  # fmt: skip
    rows = [
        (_(row["comparison"]), name, row[column] if column in ("amount_before", "amount_now") else -row[column])
        for row in effects[effects["attribute"] == ALL].to_dict("records")
        for column, name in names.items()
    ]
    return pd.DataFrame(rows, columns=["comparison", "step", "amount"])


def plot_steps(steps: pd.DataFrame, currency: str) -> Axes:
    """From the amount before, by what changed it, to the amount now."""
    return charts.waterfalls(
        steps, "comparison", "step", "amount", lambda one: language.short_money(one, currency), xlabel=_("amount")
    )


def lead_effects(result: Result) -> pd.DataFrame:
    """EFFECTS of the parts of the lead attribute, of the longest comparison that the data reach."""
    own = result.effects[result.effects["attribute"] == result.lead]
    longest = [one for one in (ON_YEAR_BEFORE, ON_LAST_YEAR, ON_LAST_MONTH) if one in set(own["comparison"])]
    return own[own["comparison"] == longest[0]] if longest else own


def plot_profile(profile: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The clusters' means over those of all customers."""
    matrix = profile.set_index("behaviour").rename(index={one: _(text) for one, text in BEHAVIOUR.items()})
    return charts.ratio_map(
        matrix, lambda one: f"{language.decimal(one)}×", xlabel=_("group"), ylabel=_("behaviour"), ax=ax
    )


def plot_moves(moves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Where the customers of each cluster of last month are now."""
    groups = sorted(set(moves["from_group"].dropna()) | set(moves["to_group"].dropna()))
    shown = move_matrix(moves, "n_customers", groups, NOBODY).rename(index=_, columns=_)
    return charts.heat_map(shown, language.integer, xlabel=_("group now"), ylabel=_("group a month ago"), ax=ax)
