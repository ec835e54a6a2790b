"""Segments: who are the customers, what made sales change, and do they fall into groups by what they do?

Definitions. *Part*: the customers with the same value of an attribute of the source (region, kind, age band, …);
those without a value are a part of their own, and beyond the ``most_parts`` largest all values are one. Numbers
become ``n_bands`` bands of about equal size, years of birth age bands. *Customers* of a period: those with an order
in it; *amount*: net of returns. *Change* of an amount between two periods is split over amount = customers × orders
per customer × amount per order: the effect of each is its mean over all six orders in which the three can be changed
one after the other (Shapley 1953), so that the parts sum to the change exactly, and none depends on an order that
somebody chose. Unlike logarithmic means (LMDI) this also holds for amounts of zero or below it. Where one of the
periods has no customers, all is due to their number. *Clusters*: k-means on behaviour to date: days since the last
order, orders, amount per order, days from the first to the last order and lines per order, each as log(1 + x) and
scaled to mean 0 and deviation 1. Fitted on a sample drawn by a seed; everybody belongs to the nearest centre. Numbers
of clusters that count have a mean silhouette of ``min_silhouette`` (Kaufman and Rousseeuw 1990: below it there is no
substantial structure) and ``min_gain`` more than points without clusters have (spread evenly, or column by column as
the customers are, without gaps; after Tibshirani et al. 2001), and reappear when the sample is drawn again
(bootstrap, adjusted Rand index, ``min_stability``; Hennig 2007). Of those within ``silhouette_slack`` of the highest
silhouette the largest number is taken: it tells more. Where none counts, there are no clusters, and the report says
so. A cluster is named by what stands out in its centre.

Source: L. S. Shapley (1953); B. W. Ang (2004) on decompositions; P. J. Rousseeuw (1987) for the silhouette; L. Hubert
and P. Arabie (1985) for the index.

It cannot tell why parts differ: what goes with a region may come from another attribute that goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.behaviour import (
    BEHAVIOUR,
    FAR,
    Fitting,
    Model,
    assign,
    behaviour,
    fit_clusters,
    name_clusters,
)
from crm_analysis.composition import (
    ALL,
    MONTH,
    MONTH_BEFORE,
    MONTH_LAST_YEAR,
    YEAR,
    YEAR_BEFORE,
    YEAR_MONTH_AGO,
    known_periods,
    label_parts,
    order_parts,
    split_change,
    sum_parts,
    sum_periods,
)  # fmt: skip
from crm_analysis.customers import count_moves, customers_at, move_matrix, require
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, mark
from crm_analysis.leaving.outcomes import NOT_KNOWN, OTHER
from crm_analysis.params import FROM_1, Run, check_bounds
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
)  # fmt: skip

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 70

COMPARISONS = {
    mark("month on last month"): (MONTH, MONTH_BEFORE),
    mark("month on last year"): (MONTH, MONTH_LAST_YEAR),
    mark("12 months on 12 before"): (YEAR, YEAR_BEFORE),
}
ON_LAST_MONTH, ON_LAST_YEAR, ON_YEAR_BEFORE = COMPARISONS
NOBODY = mark("no order yet")
# A part is spoken of that has so many customers.
LEAST_PART = 30
# Of a pie.
MOST_SLICES = 5

PARTS = Shape(
    "one row per attribute and part",
    {
        "attribute": Column("text", "attribute"),
        "part": Column("text", "part", own=(OTHER, NOT_KNOWN)),
        "n_customers": Column("integer", "customers", detail=mark("customers with an order in the last twelve months")),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount of twelve months"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_amount": Column("money", "amount per customer"),
        "growth_rate": Column("fraction", "growth of the amount", detail=mark("on the twelve months before; empty where the data do not reach so far")),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)  # fmt: skip
EFFECTS = Shape(
    "one row per comparison, attribute and part",
    {
        "attribute": Column("text", "attribute", own=(ALL,)),
        "part": Column("text", "part", own=(OTHER, NOT_KNOWN, ALL)),
        "comparison": Column("label", "comparison"),
        "amount_before": Column("money", "amount before"),
        "customers_amount": Column("money", "by more or fewer customers"),
        "orders_amount": Column("money", "by orders per customer"),
        "size_amount": Column("money", "by amount per order"),
        "amount_now": Column("money", "amount now"),
    },
)
CLUSTERS = Shape(
    "one row per group, the one with the largest amount per customer first",
    {
        "cluster": Column("text", "group"),
        "name": Column("text", "what stands out"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        **{one: Column("fraction", meaning, detail=mark("mean over the customers of the group")) for one, meaning in BEHAVIOUR.items()},
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
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
SHOWN_CLUSTERS = (
    "cluster", "name", "n_customers", "customer_share", "amount", "amount_share", "n_customers_previous_month",
    "n_customers_last_year",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Params(Fitting):
    """``lead``: the attribute by which changes are split; empty: the one whose parts differ most. ``leave_out``: attributes that
    say nothing. ``recent_days``: who ordered so lately is treated as new in a silent cluster. ``list_rows``: the most customers in
    the action list for people."""

    lead: str = ""
    leave_out: tuple[str, ...] = ()
    most_parts: int = 12
    n_bands: int = 4
    recent_days: int = 60
    min_customers: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = {
            "most_parts": (2, 20), "n_bands": (2, 10), "recent_days": (1, 10_000), "min_customers": FROM_1,
            "list_rows": FROM_1,
        }  # fmt: skip
        check_bounds(self, bounds)


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
    customers = customers_at(tables, run.as_of)
    require(customers, params.min_customers)
    wide, labels, notes = label_parts(
        tables, customers, run.as_of, leave_out=params.leave_out, most_parts=params.most_parts, n_bands=params.n_bands
    )
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


# Small frame steps.


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
                rows.append((attribute, row["part"], comparison, then[2], customers, orders, size, here[2]))
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


def sum_clusters(table: Table) -> Table:
    means = [mean_exactly(one).alias(one) for one in BEHAVIOUR]
    sums = table.group_by("cluster").agg(
        nw.len().alias("n_customers"), nw.col("net_amount").sum().alias("amount"), *means
    )
    return sums.sort("cluster")


def mean_exactly(column: str) -> nw.Expr:
    """The mean, whatever the order of the rows: a sum of floating-point numbers depends on it."""
    return engine.as_exact(nw.col(column), 6).sum().cast(nw.Float64) / (~nw.col(column).is_null()).cast(nw.Int64).sum()


def describe_clusters(now: Table, before: Table, past: Table, model: Model) -> pd.DataFrame:
    """CLUSTERS: every cluster, also an empty one."""
    frame = engine.collect(sum_clusters(now), 100).set_index("cluster").reindex(model.names)
    n = frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["amount"] = engine.or_zero(frame["amount"])
    total = frame["amount"].sum()
    frame["name"] = name_clusters(model)
    frame["customer_share"] = n / n.sum()
    frame["amount_share"] = [float(one / total) if total else 0.0 for one in frame["amount"]]
    for column, table in {"n_customers_previous_month": before, "n_customers_last_year": past}.items():
        counts = engine.collect(sum_clusters(table).select("cluster", "n_customers"), 100).set_index("cluster")
        earlier = counts["n_customers"].reindex(model.names).fillna(0).astype(int)
        frame[column] = earlier if len(counts) else pd.NA
    return CLUSTERS.frame(frame.reset_index())


def describe_profile(clusters: pd.DataFrame, now: Table) -> pd.DataFrame:
    """One row per kind of behaviour and one column per cluster: its mean over that of all customers."""
    if clusters.empty:
        return pd.DataFrame(columns=["behaviour"])
    means = engine.collect(now.select(*[mean_exactly(one).alias(one) for one in BEHAVIOUR]), 1).iloc[0]
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


# What is said of a comparison where the amount rose and where it fell, and of each effect.
SENTENCES = {
    ON_YEAR_BEFORE: (
        mark("In the last twelve months customers bought for {now}, {change} more than in the twelve before: {parts}."),
        mark("In the last twelve months customers bought for {now}, {change} less than in the twelve before: {parts}."),
    ),
    ON_LAST_YEAR: (
        mark("This month they bought for {now}, {change} more than in the same month last year: {parts}."),
        mark("This month they bought for {now}, {change} less than in the same month last year: {parts}."),
    ),
    ON_LAST_MONTH: (
        mark("This month’s {now} are {change} more than last month’s: {parts}."),
        mark("This month’s {now} are {change} less than last month’s: {parts}."),
    ),
}
EFFECT_WORDS = {
    "customers_amount": (mark("{amount} more by more customers"), mark("{amount} less by fewer customers")),
    "orders_amount": (mark("{amount} more by more orders each"), mark("{amount} less by fewer orders each")),
    "size_amount": (mark("{amount} more by bigger orders"), mark("{amount} less by smaller orders")),
}  # fmt: skip


def _tell_change(result: Result, currency: str) -> list[str]:
    """How the amount changed, and by what, of every comparison, the longest first."""
    whole = result.effects[result.effects["attribute"] == ALL].set_index("comparison")
    told = []
    for comparison, texts in SENTENCES.items():
        if comparison in whole.index:
            one = whole.loc[comparison]
            change = one["amount_now"] - one["amount_before"]
            parts = [
                _(words[one[column] < 0]).format(amount=language.short_money(abs(one[column]), currency))
                for column, words in EFFECT_WORDS.items()
            ]
            now, change_text = (language.short_money(value, currency) for value in (one["amount_now"], abs(change)))
            told.append(_(texts[change < 0]).format(now=now, change=change_text, parts=language.listed(parts)))
    return told


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
    """PARTS of the lead attribute where they are few enough for a pie, and there is something to share."""
    own = parts[parts["attribute"] == lead]
    shares = own["amount_share"].astype(float)
    is_pie = len(own) <= MOST_SLICES and (shares >= 0).all() and shares.sum() > 0
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
