"""Customer value matrix: who orders often, and who orders much at a time?

Definitions. *Frequency*: orders to date. *Average order amount*: amount to date per order, net of returns (``amount: gross``:
without subtracting them), to a millionth. Each is cut once: at its mean over the customers, or with ``cut: median`` at its
median; ``average: pooled`` takes the amount of all over the orders of all for the mean order. Whoever is above a cut is
high, whoever is on it or below is low, so equal values are on one side: *best* (both high), *spender* (few orders, large
ones), *frequent* (many orders, small ones), *uncertain* (both low). *Silent*: no order for ``silent_days`` or more.

Source: C. Marcus, A practical yet meaningful approach to customer segmentation, Journal of Consumer Marketing 15 (1998).

It cannot tell a new customer from one who will never come again: both are uncertain. The cuts move with the customers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import AmountChoice, count_moves, customers_at, move_matrix, require
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import FROM_1, Run, check_bounds
from crm_analysis.schema import GROW, KEEP, LEAVE_ALONE, MOVES, WIN_BACK, Column, KeyFigure, Shape, action_list

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 24

# In the order of the drawing: top left, top right, bottom left, bottom right.
QUADRANTS = SPENDER, BEST, UNCERTAIN, FREQUENT = mark("spender"), mark("best"), mark("uncertain"), mark("frequent")
ACTIVE, SILENT = mark("active"), mark("silent")
NOBODY = mark("no order yet")
STATES = NOW, BEFORE, LAST_YEAR = mark("now"), mark("a month ago"), mark("a year ago")
# Numbers of orders up to this one have a bubble each; beyond it, and of amounts, so many stand for ten times as much.
SINGLE_ORDERS, CLASSES = 10, 6
MOST_BUBBLES = 5000

QUADRANT_TABLE = Shape(
    "one row per quadrant",
    {
        "segment": Column("label", "quadrant"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_orders": Column("fraction", "orders per customer"),
        "average_order_amount": Column("money", "amount per order"),
        "n_silent": Column("integer", "of them silent"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)
CUTS = Shape(
    "one row per month compared",
    {
        "state": Column("label", "when"),
        "n_customers": Column("integer", "customers"),
        "orders_cut": Column("fraction", "cut of the number of orders"),
        "order_amount_cut": Column("money", "cut of the amount per order"),
        "best_share": Column("fraction", "the best: share of customers"),
        "best_amount_share": Column("fraction", "the best: share of the amount"),
    },
)
BUBBLES = Shape(
    "one row per class of customers with like numbers of orders and amounts per order",
    {
        "segment": Column("label", "quadrant"),
        "mean_orders": Column("fraction", "orders, mean of the class"),
        "average_order_amount": Column("money", "amount per order, mean of the class"),
        "n_customers": Column("integer", "customers"),
    },
)
ADVICE_TABLE = Shape(
    "one row per quadrant and state, the most urgent first",
    {
        "segment": Column("label", "quadrant"),
        "state": Column("label", "state"),
        "priority": Column("integer", "priority, 1 first"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "amount to date"),
        "action": Column("label", "what to do"),
    },
)
ACTIONS = action_list(
    Column("label", "quadrant"),
    mark("value of one more order, if it is like the customer's orders so far"),
    {
        "n_orders": Column("integer", "orders"),
        "average_order_amount": Column("money", "amount per order"),
        "amount": Column("money", "amount to date"),
        "days_since_last_order": Column("integer", "days since the last order"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params(AmountChoice):
    """``cut``: where both are cut; ``average``: what the mean of the amount per order is taken over. ``min_repeat_customers``:
    so many must have ordered twice, or there is no frequency to compare. ``list_rows``: the most customers in the action list
    for people."""

    cut: Literal["mean", "median"] = "mean"
    average: Literal["customers", "pooled"] = "customers"
    silent_days: int = 240
    min_customers: int = 50
    min_repeat_customers: int = 10
    list_rows: int = 5000

    def __post_init__(self) -> None:
        if self.cut == "median" and self.average == "pooled":
            raise ValueError("average is pooled, which is a mean: write cut: mean with it")
        from_1 = dict.fromkeys(("silent_days", "min_customers", "list_rows"), FROM_1)
        check_bounds(self, {**from_1, "min_repeat_customers": (0, math.inf)})


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine."""

    customers: Table
    actions: Table
    quadrants: pd.DataFrame
    cuts: pd.DataFrame
    bubbles: pd.DataFrame
    moves: pd.DataFrame
    advice: pd.DataFrame


@dataclass(frozen=True)
class Cuts:
    """What must be exceeded to be high; with nobody to compare, zero."""

    orders: float
    order_amount: Decimal


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The four quadrants at the end of ``run.month``, and their change on the previous month and on last year."""
    states = {
        name: average_orders(customers_at(tables, day), params)
        for name, day in zip(STATES, (run.as_of, run.starts, run.last_year_as_of), strict=True)
    }
    require(states[NOW], params.min_customers)
    require_repeats(states[NOW], params)
    cuts = {name: measure_cuts(one, params) for name, one in states.items()}
    placed = {name: engine.materialise(place_customers(one, cuts[name], params)) for name, one in states.items()}
    sums = {
        name: engine.collect(sum_quadrants(one), len(QUADRANTS)).set_index("segment") for name, one in placed.items()
    }
    moves = engine.collect(count_moves(placed[BEFORE], placed[NOW], "segment", "amount"), (len(QUADRANTS) + 1) ** 2)
    return Result(
        customers=placed[NOW],
        actions=advise(placed[NOW]),
        quadrants=describe_quadrants(sums),
        cuts=describe_cuts(cuts, sums),
        bubbles=describe_bubbles(engine.collect(sum_classes(placed[NOW]), MOST_BUBBLES)),
        moves=MOVES.frame(moves),
        advice=describe_advice(engine.collect(sum_advice(placed[NOW]), len(ADVICE))),
    )


# The lazy steps.


def average_orders(customers: Table, params: Params) -> Table:
    """Customers with the amount per order as exact money, to a millionth."""
    amount = nw.col(params.amount_column)
    average = (amount.cast(nw.Float64) / nw.col("n_orders")).round(6).cast(nw.Decimal(28, 6))
    return customers.select(
        "customer_id", "n_orders", "days_since_last_order", amount=amount, average_order_amount=average
    )


def require_repeats(customers: Table, params: Params) -> None:
    """Raises NotEnoughData E-MIN-1 where too few customers have ordered twice."""
    n = engine.n_rows(customers.filter(nw.col("n_orders") > 1))
    if n < params.min_repeat_customers:
        fix = counted(
            n,
            "{n} customer with two orders or more, and the method needs {least}",
            "{n} customers with two orders or more, and the method needs {least}",
            least=params.min_repeat_customers,
        )
        raise NotEnoughData("E-MIN-1", fix, file="orders")


def measure_cuts(customers: Table, params: Params) -> Cuts:
    """The two cuts among these customers; sums are exact, so equal values are never above their own mean."""
    orders, average = nw.col("n_orders"), nw.col("average_order_amount")
    one = engine.collect(
        customers.select(
            n=nw.len(),
            n_orders=orders.sum(),
            amount=nw.col("amount").sum(),
            averages=average.sum(),
            median_orders=orders.cast(nw.Float64).median(),
            median_average=average.cast(nw.Float64).median(),
        ), 1,
    ).iloc[0]  # fmt: skip
    if not one["n"]:
        return Cuts(0.0, Decimal(0))
    n, n_orders = int(one["n"]), int(one["n_orders"])
    if params.cut == "median":
        return Cuts(float(one["median_orders"]), _millionth(Decimal(repr(float(one["median_average"])))))
    pooled = params.average == "pooled"
    return Cuts(n_orders / n, _millionth(one["amount"] / n_orders if pooled else one["averages"] / n))


def _millionth(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.000001"))


def place_customers(customers: Table, cuts: Cuts, params: Params) -> Table:
    """Customers with their quadrant, and whether they are active or silent."""
    often, much = nw.col("n_orders") > cuts.orders, nw.col("average_order_amount") > nw.lit(cuts.order_amount)
    return customers.with_columns(
        segment=nw.when(often & much).then(nw.lit(BEST)).when(often).then(nw.lit(FREQUENT))
        .when(much).then(nw.lit(SPENDER)).otherwise(nw.lit(UNCERTAIN)),
        state=nw.when(nw.col("days_since_last_order") >= params.silent_days).then(nw.lit(SILENT)).otherwise(nw.lit(ACTIVE)),
    )  # fmt: skip


def sum_quadrants(placed: Table) -> Table:
    return placed.group_by("segment").agg(
        nw.len().alias("n_customers"),
        nw.col("amount").sum(),
        nw.col("n_orders").sum(),
        (nw.col("state") == SILENT).cast(nw.Int64).sum().alias("n_silent"),
    )


def sum_classes(placed: Table) -> Table:
    """Customers by quadrant, class of their orders and class of their amount per order; of none above zero there is no class."""
    orders, average = nw.col("n_orders"), nw.col("average_order_amount").cast(nw.Float64)

    def power(number: nw.Expr) -> nw.Expr:
        return (nw.max_horizontal(number, nw.lit(1e-6)).log(10) * CLASSES).floor().cast(nw.Int64)

    many = SINGLE_ORDERS + power(orders.cast(nw.Float64))
    classed = placed.with_columns(
        order_class=nw.when(orders <= SINGLE_ORDERS).then(orders.cast(nw.Int64)).otherwise(many),
        amount_class=nw.when(average > 0).then(power(average)),
    )
    return classed.group_by("segment", "order_class", "amount_class").agg(
        nw.len().alias("n_customers"), orders.sum(), nw.col("average_order_amount").sum()
    ).sort("segment", "order_class", "amount_class")  # fmt: skip


def sum_advice(placed: Table) -> Table:
    return placed.group_by("segment", "state").agg(nw.len().alias("n_customers"), nw.col("amount").sum())


def advise(placed: Table) -> Table:
    """The action list, most urgent first: per customer what to do and why."""
    segment, state = nw.col("segment"), nw.col("state")

    def by_advice(values: list[object]) -> nw.Expr:
        return nw.coalesce(
            *[
                nw.when((segment == quadrant) & (state == near)).then(nw.lit(value))
                for (quadrant, near), value in zip(ADVICE, values, strict=True)
            ]
        )

    average = engine.as_money(nw.col("average_order_amount"))
    reason = engine.sentence(
        _("Orders so far: {orders}, of {amount} each on average; the last {days} days ago."),
        orders=nw.col("n_orders"), amount=average, days=nw.col("days_since_last_order"),
    )  # fmt: skip
    return (
        placed.with_columns(
            priority=by_advice([urgency for urgency, *_rest in ADVICE.values()]),
            stance=by_advice([stance for _urgency, stance, _text in ADVICE.values()]),
            action=by_advice([_(text) for *_rest, text in ADVICE.values()]),
            reason=reason,
            expected_amount=average,
            average_order_amount=average,
            place=by_advice(list(range(len(ADVICE)))),
            minus=-nw.col("amount"),
        )
        .sort("place", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def _fill(sums: pd.DataFrame) -> pd.DataFrame:
    """The sums of every quadrant, also of an empty one."""
    frame = sums.reindex(QUADRANTS)
    whole = {one: frame[one].fillna(0).astype(int) for one in ("n_customers", "n_orders", "n_silent")}
    return frame.assign(**whole, amount=engine.or_zero(frame["amount"]))


def describe_quadrants(sums: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """QUADRANT_TABLE, the best first."""
    frame = _fill(sums[NOW])
    n, total = frame["n_customers"], frame["amount"].sum()
    frame = frame.assign(
        customer_share=n / n.sum(),
        amount_share=[float(one / total) if total else 0.0 for one in frame["amount"]],
        mean_orders=frame["n_orders"] / n.where(n > 0),
        average_order_amount=frame["amount"].astype(float) / frame["n_orders"].where(n > 0),
        n_customers_previous_month=_fill(sums[BEFORE])["n_customers"],
        n_customers_last_year=_fill(sums[LAST_YEAR])["n_customers"] if len(sums[LAST_YEAR]) else pd.NA,
    )
    ordered = frame.loc[[BEST, SPENDER, FREQUENT, UNCERTAIN]]
    return QUADRANT_TABLE.frame(ordered.rename_axis("segment").reset_index())


def describe_cuts(cuts: dict[str, Cuts], sums: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """CUTS, of the months in which there were customers."""
    rows = []
    for state, own in sums.items():
        frame = _fill(own)
        n, total = int(frame["n_customers"].sum()), frame["amount"].sum()
        if n:
            rows.append(
                {
                    "state": state, "n_customers": n,
                    "orders_cut": cuts[state].orders, "order_amount_cut": cuts[state].order_amount,
                    "best_share": frame["n_customers"][BEST] / n,
                    "best_amount_share": float(frame["amount"][BEST] / total) if total else 0.0,
                }
            )  # fmt: skip
    return CUTS.frame(pd.DataFrame(rows))


def describe_bubbles(classes: pd.DataFrame) -> pd.DataFrame:
    """BUBBLES, each in the middle of its customers; those with nothing to pay have no amount."""
    n = classes["n_customers"]
    average = classes["average_order_amount"].astype(float) / n
    return BUBBLES.frame(
        classes.assign(
            mean_orders=classes["n_orders"].astype(float) / n,
            average_order_amount=average.where(classes["amount_class"].notna(), np.nan),
        )
    )


def describe_advice(sums: pd.DataFrame) -> pd.DataFrame:
    """ADVICE_TABLE, the most urgent first; groups without customers are left out."""
    frame = sums.set_index(["segment", "state"])
    known = [one for one in ADVICE if one in frame.index]
    told = [ADVICE[one] for one in known]
    return ADVICE_TABLE.frame(
        frame.loc[known]
        .reset_index()
        .assign(priority=[one for one, *_rest in told], action=[one for *_rest, one in told])
    )


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: the best, what they bring, and the two quadrants from which they come."""
    frame, states = result.quadrants.set_index("segment"), result.cuts.set_index("state")
    share = [states["best_amount_share"].get(one) for one in STATES]

    def count(name: str, quadrant: str, meaning: str) -> KeyFigure:
        one = frame.loc[quadrant]
        last_year = None if pd.isna(one["n_customers_last_year"]) else int(one["n_customers_last_year"])
        return KeyFigure(
            name=name, value=int(one["n_customers"]), previous=int(one["n_customers_previous_month"]), last_year=last_year,
            meaning=meaning,
        )  # fmt: skip

    return [
        count(_("best customers"), BEST, _("More orders than the cut, and more per order.")),
        KeyFigure(
            name=_("amount of the best"), unit="share", value=share[0], previous=share[1], last_year=share[2],
            meaning=_("Their part of the amount to date of all customers."),
        ),
        count(_("spenders"), SPENDER, _("Few orders, but large ones: bring them back sooner.")),
        count(_("frequent customers"), FREQUENT, _("Many orders, but small ones: raise the order.")),
    ]  # fmt: skip


def findings(result: Result, params: Params, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    frame, cuts = result.quadrants.set_index("segment"), result.cuts.iloc[0]
    best, spender, frequent = (frame.loc[one] for one in (BEST, SPENDER, FREQUENT))
    n = int(frame["n_customers"].sum())
    advice = result.advice.set_index(["segment", "state"])

    def money(amount: object) -> str:
        return language.short_money(amount, currency)

    told = [
        _("{best} of {n} customers ({share}) have more than {orders} orders and spend more than {amount} on each; they bring"
          " {amount_share} of the amount to date.").format(
            best=language.integer(best["n_customers"]), n=language.integer(n),
            share=language.percent(best["customer_share"]), orders=language.plain(cuts["orders_cut"]),
            amount=money(cuts["order_amount_cut"]), amount_share=language.percent(best["amount_share"])),
    ]  # fmt: skip
    if (BEST, SILENT) in advice.index:
        silent = advice.loc[(BEST, SILENT)]
        told.append(
            counted(silent["n_customers"],
                "{n} of the best has been silent for {days} days or more and stands for {amount} to date: win this one back first.",
                "{n} of the best have been silent for {days} days or more; they stand for {amount} to date: win them back first.",
                days=language.integer(params.silent_days), amount=money(silent["amount"]))
        )  # fmt: skip
    if (SPENDER, ACTIVE) in advice.index:
        n_spenders = advice["n_customers"][SPENDER, ACTIVE]
        told.append(
            counted(n_spenders,
                "{n} active spender orders rarely; an order of a spender is worth {amount} on average.",
                "{n} active spenders order rarely; an order of a spender is worth {amount} on average.",
                amount=money(spender["average_order_amount"]))
        )  # fmt: skip
    if frequent["n_customers"]:
        told.append(
            counted(frequent["n_customers"],
                "{n} frequent customer orders {orders} times on average, of {amount} each: there is room for a larger order.",
                "{n} frequent customers order {orders} times on average, of {amount} each: there is room for larger orders.",
                orders=language.decimal(frequent["mean_orders"]), amount=money(frequent["average_order_amount"]))
        )  # fmt: skip
    moves = result.moves
    rose = moves.loc[
        moves["from_group"].notna() & (moves["from_group"] != BEST) & (moves["to_group"] == BEST), "n_customers"
    ]
    fell = moves.loc[(moves["from_group"] == BEST) & (moves["to_group"] != BEST), "n_customers"]
    if rose.sum() or fell.sum():
        told.append(
            _("Since last month {rose} customers have come to the best, and {fell} are no longer among them.").format(
                rose=language.integer(rose.sum()), fell=language.integer(fell.sum()))
        )  # fmt: skip
    return told


# What to do, by quadrant and state, the most urgent first: its priority, its aim, and the advice.
ADVICE = {
    (BEST, SILENT): (
        1, WIN_BACK, mark("Telephone: ask why the orders stopped; a personal offer"),
    ),
    (SPENDER, SILENT): (
        2, WIN_BACK, mark("Write personally with what goes with their large orders"),
    ),
    (BEST, ACTIVE): (
        2, KEEP, mark("Look after in person: thank, early access, first call when something is short"),
    ),
    (SPENDER, ACTIVE): (
        2, GROW, mark("Bring back sooner: a reminder at the right time, refills, an invitation to something new"),
    ),
    (FREQUENT, ACTIVE): (
        3, GROW, mark("Raise the order: sets, the next better product, free delivery from an amount on"),
    ),
    (UNCERTAIN, ACTIVE): (
        3, GROW, mark("Welcome the new ones and show the range; one cheap offer to the others"),
    ),
    (FREQUENT, SILENT): (
        3, WIN_BACK, mark("Remind of what they used to buy, with a small reason to order now"),
    ),
    (UNCERTAIN, SILENT): (
        4, LEAVE_ALONE, mark("Seasonal mailing only"),
    ),
}  # fmt: skip


# Charts.


def plot_matrix(bubbles: pd.DataFrame, quadrants: pd.DataFrame, cuts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The matrix with its customers: bubbles of like customers, as large as they are many, and the two cuts."""
    frame = quadrants.set_index("segment")
    corners = {
        one: f"{_(one)}: {language.integer(frame['n_customers'][one])} · {language.percent(frame['customer_share'][one])}"
        for one in QUADRANTS
    }
    here = cuts.iloc[0]
    return charts.quadrants(
        bubbles[bubbles["average_order_amount"].notna()], "mean_orders", "average_order_amount", "n_customers", "segment",
        (float(here["orders_cut"]), float(here["order_amount_cut"])), corners, language.short_number,
        xlabel=_("orders per customer"), ylabel=_("amount per order"), ax=ax,
    )  # fmt: skip


def plot_shares(quadrants: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of money, by quadrant."""
    shown = quadrants.assign(segment=[_(one) for one in quadrants["segment"]])
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.paired_bars(shown, "segment", names, language.percent, xlabel=_("share"), ax=ax)


def plot_moves(moves: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """Where the customers of each quadrant of last month are now."""
    shown = move_matrix(moves, value, (BEST, SPENDER, FREQUENT, UNCERTAIN), NOBODY).rename(index=_, columns=_)
    return charts.heat_map(shown, show, xlabel=_("quadrant now"), ylabel=_("quadrant a month ago"), ax=ax)
