"""RFM: who buys recently, often and much?

Definitions. *Recency*: whole days from the last order to ``as_of``; fewer is better. *Frequency*: orders to date. *Monetary*:
amount to date, net of returns (``amount: gross``: without subtracting them), in the source's currency. Each becomes a score
from 1 to k, k best: by quantile, ``1 + k·(rank − 1) // n`` with the minimum rank, so that equal values get equal scores
and bins may differ in size; or by explicit cut points, which stay comparable from month to month. The scores R × F name ten
segments; each of the 25 cells belongs to exactly one. The monetary score ranks customers within a segment; ``grid: rfm``
puts the mean of F and M, rounded up, in the place of F. With another ``k`` than
five a score is mapped to the nearest of the five levels of the grid.

Source: A. M. Hughes, Strategic Database Marketing (1994), for the scores; the names of the segments are common practice.

It cannot tell why somebody buys, nor whether a silent customer has left: scores compare customers with each other, not
with a model of buying.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import AmountChoice, count_moves, customers_at, move_matrix, require
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.params import FROM_1, Run, check_bounds, check_rising
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
PLACE = 10

SEGMENTS = (
    mark("champion"), mark("loyal"), mark("potential loyalist"), mark("new"), mark("promising"),
    mark("need attention"), mark("about to sleep"), mark("at risk"), mark("cannot lose"), mark("hibernating"),
)  # fmt: skip
# Row r, column f, both from 1: the segment of the cell.
GRID = {
    5: ("new", "potential loyalist", "potential loyalist", "champion", "champion"),
    4: ("promising", "potential loyalist", "potential loyalist", "loyal", "loyal"),
    3: ("about to sleep", "about to sleep", "need attention", "loyal", "loyal"),
    2: ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    1: ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
}
LEVELS = 5
NOBODY = mark("no order yet")
MOST_ORDERS = 15

SEGMENT_TABLE = Shape(
    "one row per segment",
    {
        "segment": Column("label", "segment"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_amount": Column("money", "amount per customer"),
        "mean_orders": Column("fraction", "orders per customer"),
        "mean_days_since_last_order": Column("fraction", "days since last order, mean"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)
ADVICE_TABLE = Shape(
    "one row per segment, the most urgent first",
    {
        "segment": Column("label", "segment"),
        "priority": Column("integer", "priority, 1 first"),
        "n_customers": Column("integer", "customers"),
        "action": Column("label", "what to do"),
    },
)
CELLS = Shape(
    "one row per pair of R and F scores",
    {
        "r_score": Column("integer", "recency score, highest best"),
        "f_score": Column("integer", "frequency score, highest best"),
        "segment": Column("label", "segment of the cell; with grid rfm that of its F alone"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount to date"),
    },
)
BINS = Shape(
    "one row per score of each dimension",
    {
        "dimension": Column("label", "dimension"),
        "score": Column("integer", "score, highest best"),
        "n_customers": Column("integer", "customers"),
        "lowest": Column("fraction", "from (days, orders or amount)"),
        "highest": Column("fraction", "to (days, orders or amount)"),
    },
)
DISTRIBUTION = Shape(
    "one row per class of a dimension's value",
    {
        "lower": Column("fraction", "lower bound of the class, included"),
        "upper": Column("fraction", "upper bound, not included; the last class of orders holds all above"),
        "n_customers": Column("integer", "customers"),
    },
)


ACTIONS = action_list(
    Column("label", "segment"),
    mark("value of one more order, if it is like the customer's orders so far"),
    {
        "r_score": Column("integer", "recency score, highest best"),
        "f_score": Column("integer", "frequency score, highest best"),
        "m_score": Column("integer", "monetary score, highest best"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "n_orders": Column("integer", "orders"),
        "amount": Column("money", "amount to date"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params(AmountChoice):
    """The amount chosen is the monetary value. ``*_cuts``: explicit cut points, k − 1 of them, rising; empty:
    quantiles. ``list_rows``: the most customers in the action list for people."""

    k: int = 5
    grid: Literal["rf", "rfm"] = "rf"
    recency_cuts_days: tuple[int, ...] = ()
    frequency_cuts_orders: tuple[int, ...] = ()
    monetary_cuts_amount: tuple[float, ...] = ()
    min_customers: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        check_bounds(self, {"k": (2, 10), "min_customers": FROM_1, "list_rows": FROM_1})
        for name in ("recency_cuts_days", "frequency_cuts_orders", "monetary_cuts_amount"):
            cuts = getattr(self, name)
            check_rising(name, cuts)
            if cuts and len(cuts) != self.k - 1:
                raise ValueError(
                    f"{name} is {list(cuts)}; with k = {self.k} write {self.k - 1} rising numbers, or none"
                )
        for name in ("recency_cuts_days", "frequency_cuts_orders"):
            if any(one < 0 for one in getattr(self, name)):
                raise ValueError(f"{name} is {list(getattr(self, name))}; no number may be negative")


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine."""

    customers: Table
    actions: Table
    segments: pd.DataFrame
    cells: pd.DataFrame
    bins: pd.DataFrame
    moves: pd.DataFrame
    distributions: dict[str, pd.DataFrame]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """RFM at the end of ``run.month``, and its change on the previous month and on last year."""
    now = customers_at(tables, run.as_of)
    scored_by = ("customer_id", "days_since_last_order", "n_orders", params.amount_column)
    before, last_year = (customers_at(tables, day, *scored_by) for day in (run.starts, run.last_year_as_of))
    require(now, params.min_customers)
    scored = engine.materialise(score_customers(now, params))
    moves = engine.collect(
        count_moves(score_customers(before, params), scored, "segment", params.amount_column), (len(SEGMENTS) + 1) ** 2
    )
    past = engine.collect(count_segments(score_customers(last_year, params)), len(SEGMENTS))
    return Result(
        customers=scored,
        actions=advise(scored, params),
        segments=describe_segments(engine.collect(sum_segments(scored, params), len(SEGMENTS)), moves, past),
        cells=fill_cells(engine.collect(sum_cells(scored, params), params.k**2), params),
        bins=pd.concat([engine.collect(sum_bins(scored, one, params), params.k) for one in _VALUES], ignore_index=True),
        moves=MOVES.frame(moves),
        distributions={
            one: describe_classes(engine.collect(count_values(scored, one, params), 500), one) for one in _VALUES
        },
    )


# The lazy steps.

_VALUES = {mark("recency"): "days_since_last_order", mark("frequency"): "n_orders", mark("monetary"): "amount"}


def _value(dimension: str, params: Params) -> nw.Expr:
    return nw.col(params.amount_column if dimension == "monetary" else _VALUES[dimension])


def score_customers(customers: Table, params: Params) -> Table:
    """``customers`` (schema.CUSTOMERS, computed) with r_score, f_score, m_score and segment."""
    n, days, amount = engine.n_rows(customers), nw.col("days_since_last_order"), params.amount_column
    scores = [
        _score(customers, "r_score", "days_since_last_order", -days, [-one for one in params.recency_cuts_days[::-1]], n, params.k),
        _score(customers, "f_score", "n_orders", nw.col("n_orders"), params.frequency_cuts_orders, n, params.k),
        _score(customers, "m_score", amount, nw.col(amount), params.monetary_cuts_amount, n, params.k),
    ]  # fmt: skip
    scored = customers
    for value, table in zip(("days_since_last_order", "n_orders", amount), scores, strict=True):
        scored = scored.join(table, on=value, how="left")
    f = nw.col("f_score") if params.grid == "rf" else (nw.col("f_score") + nw.col("m_score") + 1) // 2
    levels = {"_r": map_level(nw.col("r_score"), params.k), "_f": map_level(f, params.k)}
    return scored.with_columns(**levels).with_columns(segment=_segment(nw.col("_r"), nw.col("_f"))).drop(*levels)


def _score(customers: Table, name: str, value: str, better: nw.Expr, cuts, n: int, k: int) -> Table:
    """Each distinct ``value`` with its score from 1 to k, highest best: one more for each cut that ``better`` reaches, or the
    tie-safe quantile, in which the rank of equal values is one more than the number of customers below."""
    counts = customers.group_by(value).agg(nw.len().alias("_n")).with_columns(_better=better)
    if cuts:
        score = reduce(lambda score, cut: score + (nw.col("_better") >= cut).cast(nw.Int64), cuts, nw.lit(1))
    else:
        below = nw.col("_n").cum_sum().over(order_by="_better").cast(nw.Int64) - nw.col("_n")
        score = 1 + (k * below) // max(n, 1)
    return counts.select(value, score.cast(nw.Int64).alias(name))


def map_level(score, k: int):
    """The level of the grid, 1 to 5, that is nearest to a score from 1 to k: the lowest and the highest stay so."""
    return 1 + (2 * (LEVELS - 1) * (score - 1) + k - 1) // (2 * (k - 1))


def _segment(r: nw.Expr, f: nw.Expr) -> nw.Expr:
    cases = []
    for segment in SEGMENTS:
        rows = [
            (r == level) & f.is_in([column for column, one in enumerate(row, 1) if one == segment])
            for level, row in GRID.items()
            if segment in row
        ]
        cases.append(nw.when(reduce(lambda left, right: left | right, rows)).then(nw.lit(segment)))
    return nw.coalesce(*cases)


def count_segments(scored: Table) -> Table:
    return scored.group_by("segment").agg(nw.len().alias("n_customers"))


def sum_segments(scored: Table, params: Params) -> Table:
    return scored.group_by("segment").agg(
        nw.len().alias("n_customers"),
        nw.col(params.amount_column).sum().alias("amount"),
        nw.col("n_orders").sum().alias("n_orders"),
        nw.col("days_since_last_order").sum().alias("days"),
    )


def sum_cells(scored: Table, params: Params) -> Table:
    return scored.group_by("r_score", "f_score").agg(
        nw.len().alias("n_customers"), nw.col(params.amount_column).sum().alias("amount")
    )


def sum_bins(scored: Table, dimension: str, params: Params) -> Table:
    value = _value(dimension, params)
    return (
        scored.group_by(nw.col(f"{dimension[0]}_score").alias("score"))
        .agg(
            nw.len().alias("n_customers"),
            value.min().cast(nw.Float64).alias("lowest"),
            value.max().cast(nw.Float64).alias("highest"),
        )
        .select(nw.lit(dimension).alias("dimension"), "score", "n_customers", "lowest", "highest")
        .sort("score", descending=True)
    )


def count_values(scored: Table, dimension: str, params: Params) -> Table:
    """Customers per class of the value: 30 days, single orders to 15, a quarter of a power of ten in amount."""
    value = _value(dimension, params)
    if dimension == "recency":
        number = value // 30
    elif dimension == "frequency":
        number = nw.when(value > MOST_ORDERS).then(MOST_ORDERS).otherwise(value)
    else:
        amount = value.cast(nw.Float64)
        number = nw.when(amount >= 1).then((nw.max_horizontal(amount, nw.lit(1.0)).log(10) * 4).floor())
    classes = scored.group_by(number.cast(nw.Int64).alias("number")).agg(nw.len().alias("n_customers"))
    return classes.sort("number")


def advise(scored: Table, params: Params) -> Table:
    """The action list, most urgent first: per customer what to do and why."""
    segment = nw.col("segment")

    def by_segment(texts: dict[str, object]) -> nw.Expr:
        return nw.coalesce(*[nw.when(segment == one).then(nw.lit(text)) for one, text in texts.items()])

    amount = nw.col(params.amount_column)
    reason = engine.sentence(
        _("The last order is {days} days old; orders so far: {orders}."),
        days=nw.col("days_since_last_order"), orders=nw.col("n_orders"),
    )  # fmt: skip
    return (
        scored.with_columns(
            priority=by_segment({one: urgency for one, (urgency, *_rest) in ADVICE.items()}),
            stance=by_segment({one: stance for one, (_urgency, stance, _text) in ADVICE.items()}),
            action=by_segment({one: _(text) for one, (*_rest, text) in ADVICE.items()}),
            reason=reason,
            expected_amount=engine.as_money(amount.cast(nw.Float64) / nw.col("n_orders")),
            amount=amount,
            place=by_segment({one: place for place, one in enumerate(ADVICE)}),
            minus=-amount,
        )
        .sort("place", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def describe_segments(sums: pd.DataFrame, moves: pd.DataFrame, last_year: pd.DataFrame) -> pd.DataFrame:
    """SEGMENT_TABLE: every segment, also an empty one."""
    frame = sums.set_index("segment").reindex(SEGMENTS)
    n = frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["amount"] = [0 if one is None or one != one else one for one in frame["amount"]]
    total = frame["amount"].sum()
    people = n.where(n > 0)
    frame["customer_share"] = n / n.sum()
    frame["amount_share"] = [float(one / total) if total else 0.0 for one in frame["amount"]]
    frame["mean_amount"] = frame["amount"].astype(float) / people
    frame["mean_orders"] = frame["n_orders"].astype(float) / people
    frame["mean_days_since_last_order"] = frame["days"].astype(float) / people
    earlier = moves.groupby("from_group")["n_customers"].sum()
    frame["n_customers_previous_month"] = earlier.reindex(SEGMENTS).fillna(0).astype(int)
    past = last_year.set_index("segment")["n_customers"].reindex(SEGMENTS)
    frame["n_customers_last_year"] = past.fillna(0).astype(int) if len(last_year) else pd.NA
    return SEGMENT_TABLE.frame(frame.reset_index())


def fill_cells(cells: pd.DataFrame, params: Params) -> pd.DataFrame:
    """CELLS: every cell of the grid, also an empty one."""
    scores = range(params.k, 0, -1)
    every = pd.MultiIndex.from_product([scores, scores[::-1]], names=["r_score", "f_score"])
    frame = cells.set_index(["r_score", "f_score"]).reindex(every).reset_index()
    frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["amount"] = [0 if one is None or one != one else one for one in frame["amount"]]
    level = {score: map_level(score, params.k) for score in scores}
    frame["segment"] = [GRID[level[r]][level[f] - 1] for r, f in zip(frame["r_score"], frame["f_score"], strict=True)]
    return CELLS.frame(frame)


def describe_classes(classes: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """DISTRIBUTION: the classes' bounds; of an amount below one there is one class without bounds."""
    number = classes["number"].astype(float)
    if dimension == "monetary":
        lower, upper = 10 ** (number / 4), 10 ** ((number + 1) / 4)
    else:
        width = 30 if dimension == "recency" else 1
        lower, upper = number * width, (number + 1) * width
    return DISTRIBUTION.frame(classes.assign(lower=lower, upper=upper))


def advice_table(segments: pd.DataFrame) -> pd.DataFrame:
    """ADVICE_TABLE, the most urgent segment first."""
    frame = segments.set_index("segment").loc[list(ADVICE)].reset_index()
    told = [ADVICE[one] for one in frame["segment"]]
    return ADVICE_TABLE.frame(
        frame.assign(priority=[one for one, *_rest in told], action=[text for *_rest, text in told])
    )


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: how many customers, and how many of the best, the sleeping and the new."""
    frame = result.segments.set_index("segment")
    has_past = frame["n_customers_last_year"].notna().all()

    def count(name: str, segments: list[str], meaning: str) -> KeyFigure:
        part = frame.loc[segments]
        return KeyFigure(
            name=name,
            meaning=meaning,
            value=int(part["n_customers"].sum()),
            previous=int(part["n_customers_previous_month"].sum()),
            last_year=int(part["n_customers_last_year"].sum()) if has_past else None,
        )

    return [
        count(_("customers"), list(SEGMENTS), _("Everybody who ordered at least once before the month's end.")),
        count(
            _("champions and loyal"), ["champion", "loyal"],
            _("Customers who ordered late and often: the best corner of the grid."),
        ),
        count(
            _("at risk and cannot lose"), ["at risk", "cannot lose"],
            _("Customers who used to order often and have not for long."),
        ),
        count(
            _("new and promising"), ["new", "promising"],
            _("Customers who ordered late and rarely: most of them for the first time."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    frame = result.segments.set_index("segment")
    best = frame.loc[["champion", "loyal"]]
    sleeping = frame.loc[["at risk", "cannot lose"]]
    total, n = frame["amount"].sum(), int(frame["n_customers"].sum())
    new = result.moves.loc[result.moves["from_group"].isna(), "n_customers"].sum()
    told = [
        _("Champions and loyal customers are {share} of {n} customers and bring {amount_share} of the amount to date"
          " ({amount} of {total}).").format(
            share=language.percent(best["customer_share"].sum()), n=language.integer(n),
            amount_share=language.percent(best["amount_share"].sum()),
            amount=language.short_money(best["amount"].sum(), currency), total=language.short_money(total, currency)),
        counted(sleeping["n_customers"].sum(),
            "{n} good customer has gone quiet (at risk, cannot lose) and stands for {amount}, {share} of the amount to date:"
            " win this one back first.",
            "{n} good customers have gone quiet (at risk, cannot lose); they stand for {amount}, {share} of the amount to"
            " date: win them back first.",
            amount=language.short_money(sleeping["amount"].sum(), currency),
            share=language.percent(sleeping["amount_share"].sum())),
        counted(new, "{n} customer ordered for the first time this month.",
            "{n} customers ordered for the first time this month."),
    ]  # fmt: skip
    change = (frame["n_customers"] - frame["n_customers_previous_month"]).sort_values()
    if change.iloc[-1] > 0 and change.iloc[0] < 0:
        told.append(
            _("Since last month, “{up}” grew most ({more}) and “{down}” shrank most ({less}).").format(
                up=_(change.index[-1]), more=language.signed(change.iloc[-1], language.integer),
                down=_(change.index[0]), less=language.signed(change.iloc[0], language.integer))
        )  # fmt: skip
    return told


# What to do, by segment, the most urgent first: its priority, its aim, and the advice.
ADVICE = {
    "cannot lose": (
        1, WIN_BACK,
        mark("Telephone: the best customers who stopped; a person in charge, a personal offer"),
    ),
    "at risk": (
        2, WIN_BACK,
        mark("Write personally, ask what went wrong, offer to come back"),
    ),
    "champion": (
        2, KEEP,
        mark("Thank and keep: early access to new things, ask for a recommendation; no discount needed"),
    ),
    "need attention": (
        2, KEEP,
        mark("Make a limited offer from their favourite range now"),
    ),
    "new": (
        2, WELCOME,
        mark("Welcome within the week: help with the first purchase, show the range"),
    ),
    "potential loyalist": (
        3, GROW,
        mark("Bring the next order soon: a related product, a reward at the third order"),
    ),
    "loyal": (
        3, GROW,
        mark("Offer more of what they buy, and the next better; invite to the loyalty programme"),
    ),
    "about to sleep": (
        3, KEEP,
        mark("Remind of what they bought, with popular products; a small discount"),
    ),
    "promising": (
        3, GROW,
        mark("Remind with a small reason to come back within the month"),
    ),
    "hibernating": (
        4, LEAVE_ALONE,
        mark("Cheap contact only: seasonal mailing; do not spend on them"),
    ),
}  # fmt: skip


# Charts.


def plot_segments(segments: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of money, by segment."""
    shown = segments.assign(segment=[_(one) for one in segments["segment"]])
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.paired_bars(shown, "segment", names, language.percent, xlabel=_("share"), ax=ax)


def plot_cells(cells: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """The R × F grid as a heat map of ``value``."""
    matrix = cells.pivot(index="r_score", columns="f_score", values=value).sort_index(ascending=False)
    xlabel, ylabel = _("frequency score (5 = most orders)"), _("recency score (5 = latest)")
    return charts.heat_map(matrix, show, xlabel=xlabel, ylabel=ylabel, ax=ax)


def plot_moves(moves: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """Where the customers of each segment of last month are now."""
    shown = move_matrix(moves, value, SEGMENTS, NOBODY).rename(index=_, columns=_)
    return charts.heat_map(shown, show, xlabel=_("segment now"), ylabel=_("segment a month ago"), ax=ax)


def plot_distribution(frame: pd.DataFrame, bins: pd.DataFrame, dimension: str, ax: Axes | None = None) -> Axes:
    """How the value is spread over customers, with the cut points between the scores drawn in."""
    own = bins[bins["dimension"] == dimension].sort_values("lowest").iloc[1:]
    cuts = [(cut, str(score)) for cut, score in zip(own["lowest"], own["score"], strict=True)]
    title = {"recency": _("days since the last order"), "frequency": _("orders"), "monetary": _("amount to date")}
    return charts.histogram(
        frame.dropna(), cuts, language.short_number, xlabel=title[dimension], ylabel=_("customers"),
        is_log=dimension == "monetary", ax=ax,
    )  # fmt: skip
