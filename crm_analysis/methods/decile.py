"""Decile analysis: how much of the sales do the best customers bring?

Definitions. Customers are ordered by amount, descending, and cut into ten groups of equal size; the first ``n mod 10``
groups have one customer more. Group sizes define the method, so equal amounts at a border are parted, by ``customer_id`` as
text: this is the one method that breaks ties, and the report says so. *All time*: everything before ``as_of``. *Window*:
customers with an order in the last ``window_months``, by their amount in it; without a window long-gone big spenders stay on top.
Amounts are net of returns (``amount: gross``: without subtracting them). *Gini*: 0 where all bring the same, 1 where one
brings everything; with negative amounts it can pass 1. *Top 20 %*: the first fifth of the customers, rounded up.

Source: the decile analysis of direct marketing; C. Gini (1912) and M. O. Lorenz (1905) for the curve.

It cannot tell whether a customer in a low group is small or new: read it beside RFM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import (
    AmountChoice,
    count_moves,
    customers_at,
    known_orders,
    materialise_customers,
    move_matrix,
    rank_customers,
    require,
)
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.params import FROM_1, Run, check_bounds, first_of_month
from crm_analysis.schema import GROW, KEEP, MOVES, WIN_BACK, Column, KeyFigure, Shape, action_list, day_number

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 20
GROUPS = 10
OUTSIDE = 0
# Of what the concentration is shown: to date, and of the window now, a month and a year ago.
BASES = ALL_TIME, WINDOW, BEFORE, LAST_YEAR = (
    mark("all time"), mark("window"), mark("previous month"), mark("last year"),
)  # fmt: skip

DECILES = Shape(
    "one row per group, the best first",
    {
        "decile": Column("integer", "group, 1 best"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount"),
        "amount_share": Column("fraction", "share of the amount of all"),
        "cumulative_share": Column("fraction", "share of this group and those before it"),
        "mean_amount": Column("money", "amount per customer"),
        "mean_orders": Column("fraction", "orders per customer"),
        "average_order_amount": Column("money", "amount per order"),
        "lowest_amount": Column("money", "smallest amount in the group"),
    },
)
LORENZ = Shape(
    "one row per hundredth of the customers, the best first, beginning at nobody",
    {
        "customer_share": Column("fraction", "share of the customers"),
        "amount_share": Column("fraction", "share of the amount that they bring"),
    },
)
CONCENTRATION = Shape(
    "one row per basis",
    {
        "basis": Column("label", "all time; the window now, a month and a year ago"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount"),
        "top_share": Column("fraction", "share of the amount that the top 20 % of customers bring"),
        "gini": Column("fraction", "Gini coefficient"),
    },
)


FALLEN, RISEN = mark("fallen"), mark("risen")
ACTIONS = action_list(
    Column("label", "movement"),
    mark("value of one more order, if it is like the customer's orders so far"),
    {
        "decile": Column("integer", "group of all time, 1 best"),
        "window_decile": Column("integer", "group in the window, 1 best; 0: no order in it"),
        "amount": Column("money", "amount to date"),
        "n_orders": Column("integer", "orders"),
        "days_since_last_order": Column("integer", "days since the last order"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params(AmountChoice):
    """``window_months``: length of the window. ``list_rows``: the most customers in the action list for people."""

    window_months: int = 12
    min_customers: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        check_bounds(self, {"window_months": (1, 120), "min_customers": (GROUPS, math.inf), "list_rows": FROM_1})


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine."""

    customers: Table
    actions: Table
    all_time: pd.DataFrame
    window: pd.DataFrame
    lorenz: pd.DataFrame
    concentration: pd.DataFrame
    moves: pd.DataFrame


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The groups at the end of ``run.month``, over all time and within the window, and who moved since last month."""
    listed = ("customer_id", "n_orders", "days_since_last_order", params.amount_column)
    everybody = customers_at(tables, run.as_of, *listed)
    require(everybody, params.min_customers)
    all_time = engine.materialise(group_customers(everybody, params))
    window, before, last_year = (
        engine.materialise(group_customers(within_window(tables, day, params), params))
        for day in (run.as_of, run.starts, run.last_year_as_of)
    )
    states = (all_time, window, before, last_year)
    customers = engine.materialise(join_groups(all_time, window, before, params))
    return Result(
        customers=customers,
        actions=advise(customers),
        all_time=describe_groups(engine.collect(sum_groups(all_time, params), GROUPS)),
        window=describe_groups(engine.collect(sum_groups(window, params), GROUPS)),
        lorenz=describe_curve(engine.collect(sum_hundredths(all_time, params), 100)),
        concentration=pd.concat(
            [concentrate(grouped, basis, params) for basis, grouped in zip(BASES, states, strict=True)],
            ignore_index=True,
        ),
        moves=MOVES.frame(
            engine.collect(count_moves(before, window, "decile", params.amount_column), (GROUPS + 1) ** 2)
        ),
    )


# The lazy steps.


def within_window(tables: Tables, as_of: date, params: Params) -> Table:
    """Customers by their orders and returns in the last ``window_months`` before ``as_of``."""
    starts = first_of_month(f"{as_of:%Y-%m}", -params.window_months)
    orders = known_orders(tables, as_of).filter(nw.col("ordered_day") >= day_number(starts))
    return materialise_customers(orders, as_of, "customer_id", "n_orders", params.amount_column)


def group_customers(customers: Table, params: Params) -> Table:
    """``customers`` with ``place`` (1 best), ``decile`` and ``hundredth``."""
    n = engine.n_rows(customers)
    size, more = divmod(n, GROUPS)
    place, border = nw.col("place"), more * (size + 1)
    return rank_customers(customers, params.amount_column).with_columns(
        decile=nw.when(place <= border)
        .then((place - 1) // (size + 1) + 1)
        .otherwise(more + (place - 1 - border) // max(size, 1) + 1),
        is_top=place <= -(-n // 5),
    )


def sum_groups(grouped: Table, params: Params) -> Table:
    amount = nw.col(params.amount_column)
    return (
        grouped.group_by("decile")
        .agg(
            nw.len().alias("n_customers"),
            amount.sum().alias("amount"),
            nw.col("n_orders").sum().alias("n_orders"),
            amount.min().alias("lowest_amount"),
        )
        .sort("decile")
    )


def sum_hundredths(grouped: Table, params: Params) -> Table:
    return (
        grouped.group_by("hundredth")
        .agg(nw.len().alias("n_customers"), nw.col(params.amount_column).sum().alias("amount"))
        .sort("hundredth")
    )


def concentrate(grouped: Table, basis: str, params: Params) -> pd.DataFrame:
    """CONCENTRATION of one basis. Gini = (n + 1 − 2·Σ place·amount / Σ amount) / n, with place 1 for the largest."""
    amount = nw.col(params.amount_column)
    scale = getattr(grouped.collect_schema()[params.amount_column], "scale", 6)
    sums = grouped.select(
        nw.len().alias("n_customers"),
        amount.sum().alias("amount"),
        nw.when("is_top").then(amount).sum().alias("top"),
        # Exact: a sum of floating-point products depends on the order in which an engine adds them.
        (nw.col("place").cast(nw.Decimal(18, 0)) * amount.cast(nw.Decimal(18, scale))).sum().alias("weighted"),
    )
    one = engine.collect(sums, 1).iloc[0]
    n, total = int(one["n_customers"]), float(one["amount"] or 0)
    gini = (n + 1 - 2 * float(one["weighted"]) / total) / n if total else float("nan")
    top = float(one["top"] or 0) / total if total else float("nan")
    return CONCENTRATION.frame(
        pd.DataFrame([{"basis": basis, "n_customers": n, "amount": one["amount"], "top_share": top, "gini": gini}])
    )


def join_groups(all_time: Table, window: Table, before: Table, params: Params) -> Table:
    """Every customer with its group of all time, its group in the window now and a month ago; 0: not in the window."""
    now = window.select(
        "customer_id", nw.col("decile").alias("window_decile"), nw.col(params.amount_column).alias("window_amount")
    )
    then = before.select("customer_id", nw.col("decile").alias("previous_decile"))
    joined = all_time.join(now, on="customer_id", how="left").join(then, on="customer_id", how="left")
    return joined.with_columns(
        nw.col("window_decile").fill_null(OUTSIDE), nw.col("previous_decile").fill_null(OUTSIDE)
    ).select(
        "customer_id", "decile", "place", nw.col(params.amount_column).alias("amount"),
        "n_orders", "days_since_last_order", "window_decile", "window_amount", "previous_decile",
    )  # fmt: skip


def advise(moved: Table) -> Table:
    """Who of the best falls: the two best groups of all time that are lower, or gone, in the window; and who rises."""
    fell = (nw.col("decile") <= 2) & ((nw.col("window_decile") == OUTSIDE) | (nw.col("window_decile") > 3))
    rose = (nw.col("window_decile") > OUTSIDE) & (nw.col("window_decile") <= 2) & (nw.col("decile") > 2)
    is_gone = nw.col("window_decile") == OUTSIDE
    here = {"all": nw.col("decile"), "here": nw.col("window_decile")}
    reason = (
        nw.when(is_gone)
        .then(engine.sentence(_("Group {all} of all time, without an order in the window."), all=nw.col("decile")))
        .otherwise(engine.sentence(_("Group {all} of all time, group {here} in the window."), **here))
    )
    return (
        moved.filter(fell | rose)
        .with_columns(
            segment=nw.when(fell).then(nw.lit(FALLEN)).otherwise(nw.lit(RISEN)),
            priority=nw.when(fell).then(2).otherwise(3),
            stance=nw.when(is_gone).then(nw.lit(WIN_BACK)).when(fell).then(nw.lit(KEEP)).otherwise(nw.lit(GROW)),
            action=nw.when(fell)
            .then(nw.lit(_("Ask why they buy less; a person in charge for the largest")))
            .otherwise(nw.lit(_("Care for as for the best: they are on their way up"))),
            reason=reason,
            expected_amount=engine.as_money(nw.col("amount").cast(nw.Float64) / nw.col("n_orders")),
            minus=-nw.col("amount"),
        )
        .sort("priority", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def describe_groups(sums: pd.DataFrame) -> pd.DataFrame:
    """DECILES from the groups' sums; the shares are of exact amounts."""
    total = sums["amount"].sum()
    orders, people = sums["n_orders"].astype(float), sums["n_customers"].astype(float)
    cumulative = sums["amount"].cumsum()
    return DECILES.frame(
        sums.assign(
            amount_share=[float(one / total) if total else 0.0 for one in sums["amount"]],
            cumulative_share=[float(one / total) if total else 0.0 for one in cumulative],
            mean_amount=sums["amount"].astype(float) / people,
            mean_orders=orders / people,
            average_order_amount=sums["amount"].astype(float) / orders,
        )
    )


def describe_curve(hundredths: pd.DataFrame) -> pd.DataFrame:
    """LORENZ, the best first."""
    people, amount = hundredths["n_customers"].cumsum(), hundredths["amount"].cumsum().astype(float)
    shares = amount / amount.iloc[-1] if amount.iloc[-1] else 0.0 * amount
    curve = pd.DataFrame({"customer_share": people / people.iloc[-1], "amount_share": shares})
    return LORENZ.frame(pd.concat([pd.DataFrame({"customer_share": [0.0], "amount_share": [0.0]}), curve]))


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen, all within the window."""
    bases = result.concentration.set_index("basis")
    known = bases["n_customers"] > 0

    def figure(name: str, column: str, unit: str, meaning: str) -> KeyFigure:
        past = [bases.loc[one, column] if known[one] else None for one in (BEFORE, LAST_YEAR)]
        return KeyFigure(
            name=name, value=bases.loc[WINDOW, column], unit=unit, previous=past[0], last_year=past[1], meaning=meaning
        )

    return [
        figure(
            _("customers in the window"), "n_customers", "count",
            _("Customers with an order in the last months that the window counts."),
        ),
        figure(_("amount in the window"), "amount", "money", _("What these customers spent in the window.")),
        figure(
            _("share of the top 20%"), "top_share", "share",
            _("Part of that amount which the fifth of the customers who spent most brought."),
        ),
        figure(
            _("Gini coefficient"), "gini", "number",
            _("How unequal the amounts are: 0 where all spend the same, 1 where one customer spends everything."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    first = result.all_time.iloc[0]
    everything, window = result.concentration.head(2).to_dict("records")
    best, still = result.moves["from_group"].isin(["1", "2"]), result.moves["to_group"].isin(["1", "2", "3"])
    fell = result.moves.loc[best & ~still, "n_customers"].sum()
    return [
        _("The best tenth of the customers ({n}) brings {share} of the amount to date ({amount} of {total}).").format(
            n=language.integer(first["n_customers"]), share=language.percent(first["amount_share"]),
            amount=language.short_money(first["amount"], currency),
            total=language.short_money(everything["amount"], currency)),
        _("The top 20% bring {share} of all time and {window} in the window; the Gini coefficient is {gini} and {gini_window}."
          ).format(
            share=language.percent(everything["top_share"]), window=language.percent(window["top_share"]),
            gini=language.decimal(everything["gini"], 2), gini_window=language.decimal(window["gini"], 2)),
        counted(fell, "{n} customer of last month's two best groups has fallen below the third, or out of the window.",
            "{n} customers of last month's two best groups have fallen below the third, or out of the window."),
    ]  # fmt: skip


# Charts.


def plot_shares(groups: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of the amount by group."""
    shown = groups.assign(name=[_("group {n}").format(n=one) for one in groups["decile"]])
    return charts.bars(
        shown,
        "name",
        "amount_share",
        language.percent,
        xlabel=_("share of the amount"),
        marked=shown["name"][:1],
        ax=ax,
    )


def plot_lorenz(lorenz: pd.DataFrame, top_share: float, ax: Axes | None = None) -> Axes:
    """The share of the amount that the best x % of the customers bring."""
    note = (0.2, top_share, _("20% of customers: {share}").format(share=language.percent(top_share)))
    return charts.curve(
        lorenz, "customer_share", "amount_share", lambda one: language.percent(one, 0),
        xlabel=_("share of the customers, the best first"), ylabel=_("share of the amount"),
        diagonal=_("all bring the same"), notes=[note], ax=ax,
    )  # fmt: skip


def plot_moves(moves: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """Where the customers of each group of last month are now; outside the window is 'none'."""
    matrix = move_matrix(moves, value, [str(one) for one in range(1, GROUPS + 1)], _("none"))
    return charts.heat_map(matrix, show, xlabel=_("group now"), ylabel=_("group a month ago"), ax=ax)
