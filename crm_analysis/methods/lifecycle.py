"""Lifecycle: at which stage does every customer stand, and how do they move from one to the next?

Definitions. At the end of a month everybody who is known stands at exactly one stage, the first of these that fits:
*prospect*: no order yet; *lapsed*: no order for ``lapse_days`` or more; *won back*: the first order after such a silence came
in the last ``won_back_days``; *new*: the first order came in the last ``new_days``; *declining*: no order for ``decline_days`` or
more, or, of those with ``regular_orders`` or more, for ``decline_gaps`` times their own mean days between orders (and
``decline_min_days`` at least); *regular*: ``regular_orders`` or more; *developing*: the others. *Active*: all but prospects and lapsed.
A prospect is known from the day of registration or of the first deal; without such a day nobody can be counted as one.
*Cohort*: the customers with their first known order in the same month. *Time to the second order*: days from the first; of those who
have ordered once it is only known that it is longer than the days since (Kaplan and Meier 1958). Returns are no orders.

Source: stages of the customer lifecycle are common practice; R. C. Blattberg, B.-D. Kim and S. A. Neslin, Database
Marketing (2008), for acquisition, development, retention and win-back; E. L. Kaplan and P. Meier (1958) for the curve.

It cannot tell whether a silent customer has left for good, and who bought before the data begin counts as new at their
first order in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.cohorts import average_retention, cumulate_amounts, list_cohorts, name_of, number_of, retain
from crm_analysis.customers import count_moves, customers_at, move_matrix, require
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import Run
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
from crm_analysis.stages import (
    ACTIVE,
    DECLINING,
    DEVELOPING,
    LAPSED,
    N_ENDS,
    NEW,
    PROSPECT,
    REGULAR,
    STAGES,
    WON_BACK,
    Limits,
    count_flows,
    count_next_orders,
    find_stages,
    first_two_orders,
    follow,
    join_stages,
    list_ends,
    list_events,
    monthly_amounts,
    share_within,
    sum_history,
    sum_stages,
)  # fmt: skip

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 60

NOBODY = mark("not known yet")
# Days after the first order at which the second is counted, and the one that is reported first.
HORIZONS, FIRST_HORIZON = (30, 90, 180, 365), 90
EVERYBODY, RECENT, EARLIER = (
    mark("all customers"), mark("won in the last year"), mark("won earlier"),
)  # fmt: skip
# Steps between stages that are drawn, and a cohort that is drawn has at least so many customers.
MOST_STEPS, LEAST_COHORT = 12, 10

LIMITS = Shape(
    "one row per stage, in the order in which they are tried",
    {"stage": Column("label", "stage"), "limit": Column("text", "who stands there")},
)
STAGE_TABLE = Shape(
    "one row per stage",
    {
        "stage": Column("label", "stage"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "month_amount": Column("money", "amount this month"),
        "mean_orders": Column("fraction", "orders per customer"),
        "next_order_rate": Column("fraction", "order in the next month", detail=mark("share of those at this stage at the end of a month who ordered in the next, over the last twelve months")),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)  # fmt: skip
# What of it is shown: the shares stand in a chart above.
SHOWN = (
    "stage", "n_customers", "n_customers_previous_month", "n_customers_last_year", "amount", "month_amount", "mean_orders",
    "next_order_rate",
)  # fmt: skip
HISTORY = Shape(
    "one row per month and stage",
    {
        "month": Column("text", "end of month"),
        "stage": Column("label", "stage"),
        "n_customers": Column("integer", "customers"),
        "month_amount": Column("money", "what they bought in the month, net"),
    },
)
FLOWS = Shape(
    "one row per month and pair of stages between which customers stood or moved in it",
    {
        "month": Column("text", "month"),
        "from_group": Column("label", "stage at its beginning; empty: not known then"),
        "to_group": Column("label", "stage at its end"),
        "n_customers": Column("integer", "customers"),
    },
)
RATES = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        "n_active": Column("integer", "customers not lapsed"),
        "n_new": Column("integer", "first orders"),
        "n_won_back": Column("integer", "won back"),
        "n_lapsed": Column("integer", "lapsed"),
        "lapsed_rate": Column("fraction", "lapsed of those active before"),
        "won_back_rate": Column("fraction", "won back of those lapsed before"),
    },
)
SECOND = Shape(
    "one row per group of customers",
    {
        "group": Column("label", "customers"),
        "n_customers": Column("integer", "number"),
        **{
            f"within_{days}_share": Column("fraction", meaning)
            for days, meaning in zip(
                HORIZONS,
                (mark("again within 30 days"), mark("again within 90 days"), mark("again within 180 days"), mark("again within 365 days")),
                strict=True,
            )
        },
        "median_days": Column("integer", "days until half have ordered again"),
    },
)  # fmt: skip
SECOND_CURVE = Shape(
    "one row per group and day after the first order on which something changes",
    {
        "group": Column("label", "customers"),
        "days": Column("integer", "days since the first order"),
        "again_share": Column("fraction", "share with a second order by then"),
        "low_share": Column("fraction", "lower bound of its 95% interval"),
        "high_share": Column("fraction", "upper bound of its 95% interval"),
    },
)
ACTIONS = action_list(
    Column("label", "stage"),
    mark(
        "chance of an order in the next month, as of the stage, × the customer's mean order (a prospect's: that of all)"
    ),
    {
        "previous_stage": Column("label", "stage a month ago"),
        "n_orders": Column("integer", "orders"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "amount": Column("money", "amount to date"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params(Limits):
    """The limits of the stages. ``list_rows``: the most customers in the action list for people."""

    min_customers: int = 50
    list_rows: int = 5000


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer or prospect and stay in the engine."""

    customers: Table
    actions: Table
    stages: pd.DataFrame
    history: pd.DataFrame
    flows: pd.DataFrame
    rates: pd.DataFrame
    moves: pd.DataFrame
    retention: pd.DataFrame
    retention_curves: pd.DataFrame
    value_curves: pd.DataFrame
    second: pd.DataFrame
    second_curve: pd.DataFrame
    second_past: tuple[float, float]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The stages at the end of ``run.month`` and of the months of the year before it, and how customers came there."""
    customers = customers_at(tables, run.as_of)
    require(customers, params.min_customers)
    require_history(customers, run, params)
    last = number_of(run.month)
    events = engine.materialise(list_events(tables, run, params))
    states = engine.materialise(find_stages(events, list_ends(events, last), params))
    history = describe_history(
        engine.collect(sum_history(states, monthly_amounts(tables, run)), N_ENDS * len(STAGES)), last
    )
    flows = describe_flows(engine.collect(count_flows(states), N_ENDS * (len(STAGES) + 1) ** 2), last)
    chances = engine.collect(count_next_orders(states, events, last), len(STAGES))
    now = engine.materialise(join_stages(states, customers, last))
    stages = describe_stages(engine.collect(sum_stages(now), len(STAGES)), history, chances, run.month)
    retention = retain(tables, run.as_of)
    people = engine.materialise(first_two_orders(events))
    second, second_curve = describe_second(people, run)
    return Result(
        customers=now,
        actions=advise(now, stages, params),
        stages=stages,
        history=history,
        flows=flows,
        rates=describe_rates(flows, history),
        moves=describe_moves(states.filter(nw.col("month") == last - 1), now),
        retention=retention,
        retention_curves=average_retention(retention, list_cohorts(customers, run.as_of)),
        value_curves=cumulate_amounts(tables, customers, run.as_of),
        second=second,
        second_curve=second_curve,
        second_past=tuple(
            share_within(follow(people, day_number(one)), FIRST_HORIZON) for one in (run.starts, run.last_year_as_of)
        ),
    )


def require_history(customers: Table, run: Run, params: Params) -> None:
    """Raises NotEnoughData E-MIN-1 where nobody could have lapsed yet."""
    first = engine.collect(customers.select(day=nw.col("first_ordered_day").min()), 1)["day"].iloc[0]
    n, least = day_number(run.as_of) - int(first), params.lapse_days + 30
    if n < least:
        fix = _("{n} days of orders; to tell who lapses takes {least}").format(n=n, least=least)
        raise NotEnoughData("E-MIN-1", fix, file="orders")


# The lazy steps.


def advise(now: Table, stages: pd.DataFrame, params: Params) -> Table:
    """The action list, most urgent first: per customer what to do and why."""
    stage, n, days = nw.col("stage"), nw.col("n_orders"), nw.col("days_since_last_order")
    is_regular = n >= params.regular_orders
    own = nw.col("net_amount").cast(nw.Float64) / nw.when(n > 0).then(n)
    orders = float((stages["mean_orders"] * stages["n_customers"]).sum())
    usual = float(stages["amount"].sum()) / orders if orders else 0.0
    chances = stages.set_index("stage")["next_order_rate"].dropna()
    chance = nw.coalesce(
        *[nw.when(stage == one).then(nw.lit(float(rate))) for one, rate in chances.items()], nw.lit(None)
    )
    steps = [
        (is_fit, *ADVICE[name])
        for name, is_fit in {
            "declining regular": (stage == DECLINING) & is_regular,
            DECLINING: stage == DECLINING,
            NEW: stage == NEW,
            WON_BACK: stage == WON_BACK,
            "just lapsed": (stage == LAPSED) & (nw.col("previous_stage") != LAPSED).fill_null(True),
            "lapsed regular": (stage == LAPSED) & is_regular,
            LAPSED: stage == LAPSED,
            DEVELOPING: stage == DEVELOPING,
            REGULAR: stage == REGULAR,
            PROSPECT: stage == PROSPECT,
        }.items()
    ]
    gap = (nw.col("tenure_days").cast(nw.Float64) / nw.when(n > 1).then(n - 1)).round(0).cast(nw.Int64)
    reason = nw.coalesce(
        nw.when(stage == PROSPECT).then(nw.lit(_("Known, but without an order so far."))),
        nw.when((stage == DECLINING) & (n > 1)).then(
            engine.sentence(_("Silent for {days} days; before, an order every {gap} days or so."), days=days, gap=gap)
        ),
        engine.sentence(_("The last order is {days} days old; orders so far: {orders}."), days=days, orders=n),
    )
    return (
        now.with_columns(
            segment=stage,
            priority=nw.coalesce(*[nw.when(fits).then(nw.lit(one)) for fits, one, *_rest in steps]),
            stance=nw.coalesce(*[nw.when(fits).then(nw.lit(one)) for fits, _urgency, one, _text in steps]),
            action=nw.coalesce(*[nw.when(fits).then(nw.lit(_(text))) for fits, *_rest, text in steps]),
            reason=reason,
            expected_amount=engine.as_money(chance * nw.coalesce(own, nw.lit(usual))),
            amount=nw.col("net_amount"),
        )
        .with_columns(minus=-nw.col("expected_amount").fill_null(0))
        .sort("priority", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def list_limits(params: Params) -> pd.DataFrame:
    """LIMITS: the tree in words."""
    declines = _("no order for {days} days; with {orders} orders or more, for {gaps} times the usual time between them, and {least}"
                 " days at least")  # fmt: skip
    told = {
        PROSPECT: _("no order yet"),
        LAPSED: _("no order for {days} days").format(days=params.lapse_days),
        WON_BACK: _("ordered after a silence of {silence} days, in the last {days} days").format(
            silence=params.lapse_days, days=params.won_back_days
        ),
        NEW: _("first order in the last {days} days").format(days=params.new_days),
        DECLINING: declines.format(
            days=params.decline_days, orders=params.regular_orders, gaps=language.plain(params.decline_gaps),
            least=params.decline_min_days,
        ),
        REGULAR: _("{orders} orders or more").format(orders=params.regular_orders),
        DEVELOPING: _("all others"),
    }  # fmt: skip
    return LIMITS.frame(pd.DataFrame({"stage": list(told), "limit": list(told.values())}))


def describe_history(sums: pd.DataFrame, last: int) -> pd.DataFrame:
    """HISTORY: every stage, also an empty one, of the months since somebody is known."""
    months = range(max(last - N_ENDS + 2, int(sums["month"].min())), last + 1)
    every = pd.MultiIndex.from_product([months, STAGES], names=["month", "stage"])
    frame = sums.set_index(["month", "stage"]).reindex(every).reset_index()
    frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["month_amount"] = engine.or_zero(frame["month_amount"])
    return HISTORY.frame(frame.assign(month=frame["month"].map(name_of)))


def describe_flows(counts: pd.DataFrame, last: int) -> pd.DataFrame:
    """FLOWS of the months that are shown; those of the first of all have no stage before them."""
    frame = counts[counts["month"] > last - N_ENDS + 1]
    return FLOWS.frame(frame.assign(month=frame["month"].map(name_of)))


def describe_rates(flows: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """RATES from the months' flows."""
    before, now, n = flows["from_group"], flows["to_group"], flows["n_customers"]
    was_active, is_active = before.isin(ACTIVE), now.isin(ACTIVE)
    parts = {
        "n_new": (before.isna() | (before == PROSPECT)) & is_active,
        "n_won_back": (before == LAPSED) & is_active,
        "n_lapsed": was_active & (now == LAPSED),
        "was_active": was_active,
        "was_lapsed": before == LAPSED,
    }
    sums = pd.DataFrame({name: n.where(one, 0).groupby(flows["month"]).sum() for name, one in parts.items()})
    active = history[history["stage"].isin(ACTIVE)].groupby("month")["n_customers"].sum()
    sums = sums.reindex(active.index).fillna(0).astype(int)
    sums["n_active"] = active
    sums["lapsed_rate"] = sums["n_lapsed"] / sums["was_active"].where(sums["was_active"] > 0)
    sums["won_back_rate"] = sums["n_won_back"] / sums["was_lapsed"].where(sums["was_lapsed"] > 0)
    return RATES.frame(sums.reset_index())


def describe_stages(sums: pd.DataFrame, history: pd.DataFrame, chances: pd.DataFrame, month: str) -> pd.DataFrame:
    """STAGE_TABLE: every stage, also an empty one."""
    frame = sums.set_index("stage").reindex(STAGES)
    n = frame["n_customers"] = frame["n_customers"].fillna(0).astype(int)
    frame["amount"] = engine.or_zero(frame["amount"])
    total = frame["amount"].sum()
    frame["customer_share"] = n / n.sum()
    frame["amount_share"] = [float(one / total) if total else 0.0 for one in frame["amount"]]
    frame["mean_orders"] = frame["n_orders"].astype(float) / n.where(n > 0)
    now, before, past = (
        history[history["month"] == name_of(number_of(month) - back)].set_index("stage") for back in (0, 1, 12)
    )
    frame["month_amount"] = now["month_amount"]
    frame["n_customers_previous_month"] = before["n_customers"] if len(before) else 0
    frame["n_customers_last_year"] = past["n_customers"] if len(past) else pd.NA
    rates = chances.set_index("stage")
    frame["next_order_rate"] = (rates["n_next"] / rates["n"]).reindex(STAGES)
    return STAGE_TABLE.frame(frame.reset_index())


def describe_moves(before: Table, now: Table) -> pd.DataFrame:
    """MOVES since last month."""
    moves = count_moves(before, now, "stage", "net_amount")
    return MOVES.frame(engine.collect(moves, (len(STAGES) + 1) ** 2))


def describe_second(people: Table, run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """SECOND and SECOND_CURVE, of all customers and, where there are both, of those of the last twelve months and the others."""
    year, end = day_number(run.last_year_as_of), day_number(run.as_of)
    groups = {
        EVERYBODY: people,
        RECENT: people.filter(nw.col("first_day") >= year),
        EARLIER: people.filter(nw.col("first_day") < year),
    }
    sizes = {name: engine.n_rows(group) for name, group in groups.items()}
    shown = list(groups) if min(sizes.values()) >= LEAST_COHORT else [EVERYBODY]
    rows, curves = [], []
    for name in shown:
        curve = follow(groups[name], end)
        half = curve.loc[curve["share"] <= 0.5, "t"]
        row = {f"within_{days}_share": share_within(curve, days) for days in HORIZONS}
        row |= {"group": name, "n_customers": sizes[name], "median_days": int(half.iloc[0]) if len(half) else pd.NA}
        rows.append(row)
        drawn = curve[(curve["t"] <= HORIZONS[-1]) & (curve["n_at_risk"] >= LEAST_COHORT)]
        shares = {"again_share": 1 - drawn["share"], "low_share": 1 - drawn["high"], "high_share": 1 - drawn["low"]}
        curves.append(pd.DataFrame({"group": name, "days": drawn["t"].astype(int), **shares}))
    return SECOND.frame(pd.DataFrame(rows)), SECOND_CURVE.frame(pd.concat(curves))


def last_cohorts(retention: pd.DataFrame, value: str) -> pd.DataFrame:
    """RETENTION as a matrix of ``value``: the last cohorts that are large enough, by the months after the first."""
    large = retention[retention["n_customers"] >= LEAST_COHORT]
    kept = sorted(large["cohort_month"].unique())[-charts.MAX_ROWS :]
    shown = large[large["cohort_month"].isin(kept) & (large["months_since_first"] < charts.MAX_COLUMNS)]
    named = shown["cohort_month"] + " (" + shown["n_customers"].map(language.integer) + ")"
    return shown.assign(cohort=named).pivot(index="cohort", columns="months_since_first", values=value)


def main_steps(flows: pd.DataFrame) -> pd.DataFrame:
    """FLOWS between different stages as a matrix of customers by month: the largest of the time shown."""
    moved = flows[flows["from_group"] != flows["to_group"]]
    names = [
        f"{_(NOBODY if one is None or one != one else one)} → {_(other)}"
        for one, other in zip(moved["from_group"], moved["to_group"], strict=True)
    ]
    matrix = moved.assign(step=names).pivot_table(index="step", columns="month", values="n_customers", aggfunc="sum")
    order = matrix.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return matrix.loc[order[:MOST_STEPS]].fillna(0)


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen."""
    rates, has_year = result.rates, len(result.rates) >= 13

    def figure(name: str, column: str, unit: str, meaning: str) -> KeyFigure:
        past = [rates[column].iloc[-back] if len(rates) >= back else None for back in (2, 13)]
        return KeyFigure(
            name=name, value=rates[column].iloc[-1], unit=unit, previous=past[0], last_year=past[1] if has_year else None,
            meaning=meaning,
        )  # fmt: skip

    again = result.second.iloc[0][f"within_{FIRST_HORIZON}_share"]
    return [
        figure(
            _("customers not lapsed"), "n_active", "count",
            _("Everybody with an order who has not lapsed by the end of the month."),
        ),
        figure(_("first orders"), "n_new", "count", _("Customers who ordered for the first time this month.")),
        figure(
            _("lapsed of the active"), "lapsed_rate", "share",
            _("Part of those active at the beginning of the month who had lapsed at its end."),
        ),
        KeyFigure(
            name=_("order again within {days} days").format(days=FIRST_HORIZON), value=again, unit="share",
            previous=result.second_past[0], last_year=result.second_past[1],
            meaning=_("Part of all first-time buyers with a second order within that time; those who have not been"
                      " customers for so long count as far as they are known."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    frame, rates = result.stages.set_index("stage"), result.rates.iloc[-1]
    active, buyers = frame.loc[list(ACTIVE)], frame.drop(PROSPECT)
    n_declining = frame.loc[DECLINING, "n_customers"]
    n_active, n_before = (int(active[one].sum()) for one in ("n_customers", "n_customers_previous_month"))
    told = [
        _("{active} of {n} customers are active ({share}); {lapsed} have lapsed and brought {amount} to date.").format(
            active=language.integer(n_active), n=language.integer(buyers["n_customers"].sum()),
            share=language.percent(n_active / buyers["n_customers"].sum()),
            lapsed=language.integer(frame.loc[LAPSED, "n_customers"]),
            amount=language.short_money(frame.loc[LAPSED, "amount"], currency)),
        _("This month {new} ordered for the first time, {back} came back and {lapsed} lapsed: active customers {change} since"
          " last month.").format(
            new=language.integer(rates["n_new"]), back=language.integer(rates["n_won_back"]),
            lapsed=language.integer(rates["n_lapsed"]), change=language.signed(n_active - n_before, language.integer)),
        counted(n_declining,
            "{n} customer is declining and has brought {amount} to date: the one to reach before they are lost.",
            "{n} customers are declining and have brought {amount} to date: those to reach before they are lost.",
            amount=language.short_money(frame.loc[DECLINING, "amount"], currency)),
    ]  # fmt: skip
    return [*told, *_tell_second(result.second.set_index("group"))]


def _tell_second(second: pd.DataFrame) -> list[str]:
    """How many order again, and whether the new ones do so more readily."""
    column = f"within_{FIRST_HORIZON}_share"
    again = second.loc[EVERYBODY, column]
    if np.isnan(again):
        return []
    year = second.loc[EVERYBODY, f"within_{HORIZONS[-1]}_share"]
    shares = {"share": language.percent(again), "days": FIRST_HORIZON, "year": language.percent(year)}
    if np.isnan(year):
        told = _("Of all first-time buyers {share} order again within {days} days.").format(**shares)
    else:
        told = _("Of all first-time buyers {share} order again within {days} days, {year} within a year.").format(
            **shares
        )
    if RECENT not in second.index or second[column].isna().any():
        return [told]
    new, old = second.loc[RECENT, column], second.loc[EARLIER, column]
    text = _("Customers won in the last 12 months: {new} order again within {days} days; those before: {old}.")
    more = text.format(new=language.percent(new), days=FIRST_HORIZON, old=language.percent(old))
    return [told, more]


# What to do: priority, aim, and the advice.
ADVICE = {
    "declining regular": (
        1, KEEP, mark("Call now, while it is not too late: ask what is missing, offer what they used to buy"),
    ),
    DECLINING: (2, KEEP, mark("Remind within the month, with what they bought and a small reason to come back")),
    NEW: (2, WELCOME, mark("Bring the second order: thank, help with the first purchase, a reason to come soon")),
    WON_BACK: (2, KEEP, mark("Thank for coming back, and ask what had kept them away")),
    "just lapsed": (2, WIN_BACK, mark("Win back now: an offer with a date, as long as they remember")),
    "lapsed regular": (3, WIN_BACK, mark("Win back with the season's news; they used to order often")),
    LAPSED: (4, LEAVE_ALONE, mark("Cheap contact only: seasonal mailing")),
    DEVELOPING: (3, GROW, mark("Bring the next order: a related product, a reward for the fourth")),
    REGULAR: (3, KEEP, mark("Keep as they are: early access, no discount needed")),
    PROSPECT: (3, WELCOME, mark("Bring the first order: an introductory offer, a person to ask")),
}  # fmt: skip


# Charts.


def plot_stages(stages: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of money, by stage; stages at which nobody stands are left out."""
    shown = stages[stages["n_customers"] > 0]
    shown = shown.assign(stage=[_(one) for one in shown["stage"]])
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.paired_bars(shown, "stage", names, language.percent, xlabel=_("share"), ax=ax)


def plot_history(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Customers by stage at the end of each month."""
    matrix = history.pivot(index="stage", columns="month", values="n_customers").loc[list(STAGES)]
    matrix = matrix[matrix.sum(axis=1) > 0].rename(index=_)
    return charts.heat_map(matrix, language.integer, xlabel=_("end of month"), ylabel=_("stage"), ax=ax)


def plot_moves(moves: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """Where the customers of each stage of last month are now."""
    matrix = move_matrix(moves, value, STAGES, NOBODY)
    matrix = matrix.loc[matrix.sum(axis=1) != 0, matrix.sum(axis=0) != 0].rename(index=_, columns=_)
    return charts.heat_map(matrix, show, xlabel=_("stage now"), ylabel=_("stage a month ago"), ax=ax)


def plot_steps(flows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The largest steps between stages by month."""
    return charts.heat_map(main_steps(flows), language.integer, xlabel=_("month"), ylabel=_("step"), ax=ax)


def plot_retention(retention: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The share of each cohort with an order in the months after the first."""
    matrix = last_cohorts(retention, "active_share").drop(columns=0, errors="ignore").dropna(how="all")
    xlabel, ylabel = _("months since the first order"), _("first order in (customers)")
    return charts.heat_map(matrix, lambda one: language.percent(one, 0), xlabel=xlabel, ylabel=ylabel, ax=ax)


def plot_values(retention: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What each cohort brought per customer up to each month."""
    xlabel, ylabel = _("months since the first order"), _("first order in (customers)")
    matrix = last_cohorts(retention, "mean_amount")
    return charts.heat_map(matrix, language.short_number, xlabel=xlabel, ylabel=ylabel, ax=ax)


def plot_retention_curves(curves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    xlabel, ylabel = _("months since the first order"), _("customers with an order")
    return charts.lines(
        curves, "cohort", "months_since_first", "active_share", language.integer, lambda one: language.percent(one, 0),
        xlabel=xlabel, ylabel=ylabel, ax=ax,
    )  # fmt: skip


def plot_value_curves(curves: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    return charts.lines(
        curves, "cohort", "months_since_first", "mean_amount", language.integer,
        lambda one: language.short_money(one, currency),
        xlabel=_("months since the first order"), ylabel=_("net amount per customer"), ax=ax,
    )  # fmt: skip


def plot_second(curve: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many have ordered again by so many days after the first order."""
    return charts.lines(
        curve.assign(group=[_(one) for one in curve["group"]]), "group", "days", "again_share", language.integer,
        lambda one: language.percent(one, 0), xlabel=_("days since the first order"), ylabel=_("with a second order"),
        band=("low_share", "high_share"), is_step=True, ax=ax,
    )  # fmt: skip
