"""Customer portfolio management: who grows into a good customer, and who is lost on the way?

Definitions. Each customer is in exactly one of five stages, the first that fits: *first-time*, all orders on one day
(``first_time_by: orders``: one order); *toddler*, less than ``toddler_days`` from the first order to the last; *steady*, an
amount to date below the cut M; *trend*, less than ``trend_days`` from the first order to the last; *excellent*, the rest. M
is ``cut_amount``, or without it the mean amount of all customers at that time: an amount equal to M is not below it.
*Lapsed*: no order for ``lapse_days`` whole days or more; five stages, each active or lapsed, are the ten groups. *Step up*
in a month: active in a stage at its start, active in a higher one at its end. *Lapse rate*: of those active in a stage at
its start, the share lapsed at its end. *Won back*: lapsed at its start, active at its end. Amounts are net of returns
(``amount: gross``: without subtracting them), to date.

Source: H. Nishino's method for Yazuya's mail order, with its usual names: yochiyochi (toddler), kotsukotsu (steady), ryuko
(trend), yuryo (excellent).

It cannot tell whether a silent customer will come again: the limit is the same for all, however often they used to order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from functools import reduce
from typing import Literal

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import AmountChoice, known_orders, move_matrix, require_count
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import ABOVE_0, FROM_1, Run, check_bounds, first_of_month
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
PLACE = 22

STAGES = (mark("first-time"), mark("toddler"), mark("steady"), mark("trend"), mark("excellent"))
LEAVERS = (
    mark("first-time leaver"), mark("toddler leaver"), mark("steady leaver"), mark("trend leaver"),
    mark("excellent leaver"),
)  # fmt: skip
# A group's number is its place here: a stage's, and five more where the customer has lapsed.
GROUPS = STAGES + LEAVERS
ACTIVE, CLOSING, LAPSED = mark("active"), mark("about to lapse"), mark("lapsed")
NOBODY = mark("no order yet")

GROUP_TABLE = Shape(
    "one row per group",
    {
        "segment": Column("label", "group"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_amount": Column("money", "amount per customer"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
        "amount_previous_month": Column("money", "amount to date a month ago"),
        "amount_last_year": Column("money", "amount to date a year ago"),
    },
)
GROUP_MONTHS = Shape(
    "one row per month and group",
    {
        "month": Column("text", "month"),
        "segment": Column("label", "group at the month's end"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "amount to date"),
    },
)
HEADS = Shape(
    "one row per month, the last first",
    {
        "month": Column("text", "month"),
        **{one.replace("-", "_").replace(" ", "_"): Column("integer", one) for one in GROUPS},
    },
)
RATE_MONTHS = Shape(
    "one row per month and stage",
    {
        "month": Column("text", "month"),
        "segment": Column("label", "stage"),
        "n_at_start": Column("integer", "active at the start"),
        "n_stepped_up": Column("integer", "stepped up"),
        "step_up_rate": Column("fraction", "step-up rate"),
        "n_lapsed": Column("integer", "lapsed"),
        "lapse_rate": Column("fraction", "lapse rate"),
        "lapsed_amount": Column("money", "amount to date of those who lapsed"),
    },
)
RATES = Shape(
    "one row per stage",
    {
        "segment": Column("label", "stage"),
        "n_at_start": Column("integer", "active at the start"),
        "n_stepped_up": Column("integer", "stepped up"),
        "step_up_rate": Column("fraction", "step-up rate"),
        "previous_step_up_rate": Column("fraction", "step-up rate a month ago"),
        "last_year_step_up_rate": Column("fraction", "step-up rate a year ago"),
        "n_lapsed": Column("integer", "lapsed"),
        "lapse_rate": Column("fraction", "lapse rate"),
        "previous_lapse_rate": Column("fraction", "lapse rate a month ago"),
        "last_year_lapse_rate": Column("fraction", "lapse rate a year ago"),
    },
)
MONTHS = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        "n_active": Column("integer", "active at the end"),
        "n_new": Column("integer", "first order"),
        "n_won_back": Column("integer", "won back"),
        "n_stepped_up": Column("integer", "stepped up"),
        "n_lapsed": Column("integer", "lapsed"),
        "lapse_rate": Column("fraction", "lapse rate"),
        "cut_amount": Column("money", "cut between small and large (M)"),
    },
)
FLOWS = Shape(
    "one row per month and pair of groups between which customers stood or moved in it",
    {
        "month": Column("text", "month"),
        "from_group": Column("label", "group at the start; empty: no order yet"),
        "to_group": Column("label", "group at the end"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount to date at the end"),
        "amount_before": Column("money", "their amount to date at the start"),
    },
)
ADVICE_TABLE = Shape(
    "one row per group and nearness of the lapse, the most urgent first",
    {
        "segment": Column("label", "group"),
        "state": Column("label", "state"),
        "priority": Column("integer", "priority, 1 first"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "amount to date"),
        "action": Column("label", "what to do"),
    },
)
ACTIONS = action_list(
    Column("label", "group"),
    mark("value of one more order, if it is like the customer's orders so far"),
    {
        "previous_segment": Column("label", "group a month ago"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "days_until_lapse": Column("integer", "days until the lapse; 0: lapsed"),
        "tenure_days": Column("integer", "days from the first order to the last"),
        "n_orders": Column("integer", "orders"),
        "amount": Column("money", "amount to date"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params(AmountChoice):
    """``cut_amount``: M; empty: the mean amount per customer. ``warn_days``: who has so many days or fewer until the lapse is
    about to. ``months``: how many are shown. ``list_rows``: the most customers in the action list for people."""

    first_time_by: Literal["days", "orders"] = "days"
    toddler_days: int = 90
    cut_amount: float | None = None
    trend_days: int = 210
    lapse_days: int = 240
    warn_days: int = 60
    months: int = 13
    min_customers: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        bounds = {
            "toddler_days": (1, 3650), "trend_days": (self.toddler_days + 1, 3650), "lapse_days": (1, 3650),
            "warn_days": (1, self.lapse_days), "months": (13, 36), "cut_amount": (ABOVE_0, math.inf), "min_customers": FROM_1,
            "list_rows": FROM_1,
        }  # fmt: skip
        check_bounds(self, bounds)


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine."""

    customers: Table
    actions: Table
    groups: pd.DataFrame
    group_months: pd.DataFrame
    rates: pd.DataFrame
    rate_months: pd.DataFrame
    months: pd.DataFrame
    flows: pd.DataFrame
    moves: pd.DataFrame
    advice: pd.DataFrame


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The ten groups at the end of ``run.month`` and of the months before, and who moved between them in each month."""
    starts = [first_of_month(run.month, back) for back in range(1 - params.months, 1)]
    days = [*starts, run.as_of]
    periods = engine.materialise(sum_periods(tables, days, params))
    sums = engine.collect(sum_places(periods), len(days))
    cuts = measure_cuts(sums, days, params)
    counted_flows = engine.collect(
        nw.concat([count_flows(place_customers(periods, place, days, cuts, params), place) for place in cuts if place]),
        len(days) * len(GROUPS) * (len(GROUPS) + 1),
    )
    customers = engine.materialise(name_groups(place_customers(periods, len(starts), days, cuts, params), params))
    flows = describe_flows(counted_flows, starts)
    rate_months = describe_rates(
        flows, date(1970, 1, 1) + timedelta(int(sums["first_ordered_day"].min()) + params.lapse_days - 1)
    )
    return Result(
        customers=customers,
        actions=advise(customers),
        groups=describe_groups(flows, run),
        group_months=describe_group_months(flows),
        rates=compare_rates(rate_months, run),
        rate_months=rate_months,
        months=describe_months(flows, rate_months, {f"{days[one - 1]:%Y-%m}": cuts[one] for one in cuts if one}),
        flows=flows,
        moves=MOVES.frame(flows[flows["month"] == run.month]),
        advice=describe_advice(engine.collect(sum_states(customers), len(ADVICE))),
    )


# The lazy steps.


def sum_periods(tables: Tables, days: list[date], params: Params) -> Table:
    """One row per customer and place: the number of the first of ``days`` by which its orders and returns are known. What came
    back before the first order counts from it on; who never ordered is no customer."""
    day, is_order = nw.col("ordered_day"), nw.col("is_order")
    place = reduce(lambda n, one: n + (day >= day_number(one)).cast(nw.Int64), days[:-1], nw.lit(0))
    orders = known_orders(tables, days[-1]).filter(~nw.col("customer_id").is_null())
    orders = orders.with_columns(place=place.cast(nw.Int64), order_day=nw.when(is_order).then(day))
    sums = orders.group_by("customer_id", "place").agg(
        nw.col("order_day").min().alias("first_ordered_day"),
        nw.col("order_day").max().alias("last_ordered_day"),
        is_order.cast(nw.Int64).sum().cast(nw.Int64).alias("n_orders"),
        nw.col(params.amount_column).sum().alias("amount"),
    )
    first = nw.when(nw.col("n_orders") > 0).then("place").min().over("customer_id")
    sums = sums.with_columns(first_place=first).filter(~nw.col("first_place").is_null())
    return sums.with_columns(
        is_first=(nw.col("place") == nw.col("first_place")).cast(nw.Int64),
        place=nw.max_horizontal("place", "first_place"),
    ).drop("first_place")


def sum_places(periods: Table) -> Table:
    return periods.group_by("place").agg(
        nw.col("is_first").sum().cast(nw.Int64).alias("n_customers"),
        nw.col("amount").sum(),
        nw.col("first_ordered_day").min(),
    )


def place_customers(
    periods: Table, place: int, days: list[date], cuts: dict[int, Decimal], params: Params
) -> Table:  # fmt: skip
    """One row per customer known by ``days[place]``: its figures to date and the numbers of its ``group`` then and of
    ``group_before``, by the day before that in ``days``; none where there was no order yet."""
    earlier = nw.col("place") < place
    by_customer = periods.filter(nw.col("place") <= place).group_by("customer_id").agg(
        nw.col("first_ordered_day").min(),
        nw.col("last_ordered_day").max(),
        nw.col("n_orders").sum().cast(nw.Int64),
        nw.col("amount").sum(),
        last_before=nw.when(earlier).then("last_ordered_day").max(),
        n_orders_before=nw.when(earlier).then("n_orders").sum().cast(nw.Int64),
        amount_before=nw.when(earlier).then("amount").sum(),
    )  # fmt: skip
    placed = by_customer.with_columns(
        days_since_last_order=day_number(days[place]) - nw.col("last_ordered_day"),
        tenure_days=nw.col("last_ordered_day") - nw.col("first_ordered_day"),
        silent_before=day_number(days[place - 1]) - nw.col("last_before"),
        tenure_before=nw.col("last_before") - nw.col("first_ordered_day"),
    )
    before = _group("n_orders_before", "tenure_before", "amount_before", "silent_before", cuts.get(place - 1), params)
    return placed.with_columns(
        group=_group("n_orders", "tenure_days", "amount", "days_since_last_order", cuts[place], params),
        group_before=nw.when(~nw.col("last_before").is_null()).then(before),
    )


def _group(orders: str, tenure: str, amount: str, silent: str, cut: Decimal | None, params: Params) -> nw.Expr:
    """The place in GROUPS: the first stage that fits, five more where lapsed. Without a cut nobody has ordered yet."""
    is_first = nw.col(tenure) == 0 if params.first_time_by == "days" else nw.col(orders) == 1
    stage = (
        nw.when(is_first).then(0)
        .when(nw.col(tenure) < params.toddler_days).then(1)
        .when(nw.col(amount) < nw.lit(cut or Decimal(0))).then(2)
        .when(nw.col(tenure) < params.trend_days).then(3)
        .otherwise(4)
    )  # fmt: skip
    return stage + nw.when(nw.col(silent) >= params.lapse_days).then(len(STAGES)).otherwise(0)


def count_flows(placed: Table, place: int) -> Table:
    return (
        placed.group_by("group_before", "group")
        .agg(nw.len().alias("n_customers"), nw.col("amount").sum(), nw.col("amount_before").sum())
        .select(
            nw.lit(place).alias("place"), nw.col("group_before", "group").cast(nw.Int64), "n_customers", "amount",
            "amount_before",
        )
    )  # fmt: skip


def name_groups(placed: Table, params: Params) -> Table:
    """Customers with the names of their group now and a month ago, and how near the lapse is."""

    def name(number: str) -> nw.Expr:
        return nw.coalesce(*[nw.when(nw.col(number) == n).then(nw.lit(one)) for n, one in enumerate(GROUPS)])

    left = params.lapse_days - nw.col("days_since_last_order")
    return placed.select(
        "customer_id", "first_ordered_day", "last_ordered_day", "days_since_last_order", "tenure_days", "n_orders", "amount",
        segment=name("group"),
        previous_segment=name("group_before"),
        state=nw.when(left <= 0).then(nw.lit(LAPSED)).when(left <= params.warn_days).then(nw.lit(CLOSING))
        .otherwise(nw.lit(ACTIVE)),
        days_until_lapse=nw.when(left > 0).then(left).otherwise(0),
    )  # fmt: skip


def sum_states(customers: Table) -> Table:
    return customers.group_by("segment", "state").agg(nw.len().alias("n_customers"), nw.col("amount").sum())


def advise(customers: Table) -> Table:
    """The action list, most urgent first: per customer what to do and why."""
    segment, state = nw.col("segment"), nw.col("state")

    def by_advice(values: list[object]) -> nw.Expr:
        return nw.coalesce(
            *[
                nw.when((segment == group) & (state == near)).then(nw.lit(value))
                for (group, near), value in zip(ADVICE, values, strict=True)
            ]
        )

    shown = {"days": nw.col("days_since_last_order"), "left": nw.col("days_until_lapse"), "orders": nw.col("n_orders")}
    reason = (
        nw.when(state == LAPSED)
        .then(engine.sentence(_("Lapsed: no order for {days} days; orders so far: {orders}."), **shown))
        .otherwise(
            engine.sentence(
                _("{left} days until the lapse: no order for {days} days; orders so far: {orders}."), **shown
            )
        )
    )
    return (
        customers.with_columns(
            priority=by_advice([urgency for urgency, *_rest in ADVICE.values()]),
            stance=by_advice([stance for _urgency, stance, _text in ADVICE.values()]),
            action=by_advice([_(text) for *_rest, text in ADVICE.values()]),
            reason=reason,
            expected_amount=engine.as_money(nw.col("amount").cast(nw.Float64) / nw.col("n_orders")),
            place=by_advice(list(range(len(ADVICE)))),
            minus=-nw.col("amount"),
        )
        .sort("place", "minus", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def measure_cuts(sums: pd.DataFrame, days: list[date], params: Params) -> dict[int, Decimal]:
    """M by place in ``days``, where somebody has ordered by then: the mean rounded up to the amounts' own decimals, so that an
    exact comparison with it is one with the mean itself. Raises NotEnoughData E-MIN-1."""
    require_count(int(sums["n_customers"].sum()), params.min_customers)
    n_days = day_number(days[-1]) - int(sums["first_ordered_day"].min())
    if n_days < params.lapse_days:
        text = _("{n} days of orders, and nobody can have lapsed before {least}")
        raise NotEnoughData("E-MIN-1", text.format(n=n_days, least=params.lapse_days), file="orders")
    known = sums.set_index("place").sort_index()
    unit = known["amount"].iloc[0].as_tuple().exponent
    totals = known.reindex(range(int(known.index[0]), len(days)))
    n, amount, cuts = 0, Decimal(0), {}
    for place, one in totals.iterrows():
        if one["n_customers"] == one["n_customers"]:
            n, amount = n + int(one["n_customers"]), amount + one["amount"]
        mean = (amount / n).quantize(Decimal(1).scaleb(unit), ROUND_CEILING)
        cuts[place] = mean if params.cut_amount is None else Decimal(str(params.cut_amount))
    return cuts


def describe_flows(flows: pd.DataFrame, starts: list[date]) -> pd.DataFrame:
    """FLOWS in the order of months and groups."""
    flows = flows.sort_values(["place", "group_before", "group"], na_position="last")
    flows["month"] = [f"{starts[place - 1]:%Y-%m}" for place in flows["place"]]
    flows["from_group"] = [GROUPS[int(one)] if one == one else None for one in flows["group_before"]]
    flows["to_group"] = [GROUPS[int(one)] for one in flows["group"]]
    flows["amount_before"] = engine.or_zero(flows["amount_before"])
    return FLOWS.frame(flows)


def _sum_groups(flows: pd.DataFrame, month: str, group: str, amount: str) -> pd.DataFrame:
    """Customers and amount of every group at the end (``to_group``) or the start (``from_group``) of a month; of none where
    nobody was a customer then."""
    own = flows[(flows["month"] == month) & flows[group].notna()]
    sums = own.groupby(group).agg(n_customers=("n_customers", "sum"), amount=(amount, "sum")).reindex(GROUPS)
    if own.empty:
        return sums
    return sums.assign(
        n_customers=sums["n_customers"].fillna(0).astype(int),
        amount=engine.or_zero(sums["amount"]),
    )


def describe_groups(flows: pd.DataFrame, run: Run) -> pd.DataFrame:
    """GROUP_TABLE: every group, also an empty one."""
    now = _sum_groups(flows, run.month, "to_group", "amount")
    before = _sum_groups(flows, run.month, "from_group", "amount_before")
    last_year = _sum_groups(flows, run.same_month_last_year, "to_group", "amount")
    n, total = now["n_customers"], now["amount"].sum()
    frame = now.assign(
        customer_share=n / n.sum(),
        amount_share=[float(one / total) if total else 0.0 for one in now["amount"]],
        mean_amount=now["amount"].astype(float) / n.where(n > 0),
        n_customers_previous_month=before["n_customers"].astype("Int64"),
        amount_previous_month=before["amount"],
        n_customers_last_year=last_year["n_customers"].astype("Int64"),
        amount_last_year=last_year["amount"],
    )
    return GROUP_TABLE.frame(frame.rename_axis("segment").reset_index())


def describe_group_months(flows: pd.DataFrame) -> pd.DataFrame:
    """GROUP_MONTHS: every group in every month, also an empty one."""
    months = [
        _sum_groups(flows, one, "to_group", "amount").rename_axis("segment").reset_index().assign(month=one)
        for one in dict.fromkeys(flows["month"])
    ]
    return GROUP_MONTHS.frame(pd.concat(months))


def _by_group(group_months: pd.DataFrame, value: str) -> pd.DataFrame:
    """Months, the last first, by groups."""
    matrix = group_months.pivot(index="month", columns="segment", values=value)
    return matrix[list(GROUPS)].sort_index(ascending=False)


def heads_table(group_months: pd.DataFrame) -> pd.DataFrame:
    """HEADS."""
    heads = _by_group(group_months, "n_customers")
    return HEADS.frame(heads.set_axis(list(HEADS.columns)[1:], axis="columns").reset_index())


def describe_rates(flows: pd.DataFrame, first_lapse: date) -> pd.DataFrame:
    """RATE_MONTHS; a rate is missing where nobody was in the stage at the start, and that of lapses in the months before the
    one in which the first customer can have lapsed."""
    rows = []
    for month, own in flows.groupby("month", sort=False):
        for place, stage in enumerate(STAGES):
            here = own[own["from_group"] == stage]
            up, gone = (here[here["to_group"].isin(groups)] for groups in (STAGES[place + 1 :], LEAVERS))
            n, n_up, n_gone = (int(one["n_customers"].sum()) for one in (here, up, gone))
            rows.append(
                {
                    "month": month, "segment": stage, "n_at_start": n, "n_stepped_up": n_up, "n_lapsed": n_gone,
                    "step_up_rate": n_up / n if n and stage != STAGES[-1] else float("nan"),
                    "lapse_rate": n_gone / n if n and month >= f"{first_lapse:%Y-%m}" else float("nan"),
                    "lapsed_amount": sum(gone["amount"], Decimal(0)),
                }
            )  # fmt: skip
    return RATE_MONTHS.frame(pd.DataFrame(rows))


def compare_rates(rate_months: pd.DataFrame, run: Run) -> pd.DataFrame:
    """RATES: those of the month beside those of the month before and of the same month last year."""
    now, before, last_year = (
        rate_months[rate_months["month"] == one].set_index("segment").reindex(STAGES)
        for one in (run.month, run.previous_month, run.same_month_last_year)
    )
    kinds = ("step_up_rate", "lapse_rate")
    earlier = {
        f"{when}_{kind}": own[kind] for when, own in (("previous", before), ("last_year", last_year)) for kind in kinds
    }
    return RATES.frame(now.assign(**earlier).rename_axis("segment").reset_index())


def describe_months(flows: pd.DataFrame, rate_months: pd.DataFrame, cuts: dict[str, Decimal]) -> pd.DataFrame:
    """MONTHS."""
    rows = []
    for month, own in flows.groupby("month", sort=False):
        rates, is_active = rate_months[rate_months["month"] == month], own["to_group"].isin(STAGES)
        n_lapsed, n_at_start = int(rates["n_lapsed"].sum()), int(rates["n_at_start"].sum())
        n = own["n_customers"]
        rows.append(
            {
                "month": month, "n_active": n[is_active].sum(), "n_new": n[own["from_group"].isna()].sum(),
                "n_won_back": n[own["from_group"].isin(LEAVERS) & is_active].sum(),
                "n_stepped_up": int(rates["n_stepped_up"].sum()), "n_lapsed": n_lapsed,
                "lapse_rate": n_lapsed / n_at_start if rates["lapse_rate"].notna().any() else float("nan"),
                "cut_amount": cuts[month],
            }
        )  # fmt: skip
    return MONTHS.frame(pd.DataFrame(rows))


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


def _sum_of(frame: pd.DataFrame, groups: tuple[str, ...], column: str) -> object:
    """The sum over groups; None where it is not known."""
    own = frame.set_index("segment").loc[list(groups), column]
    return None if own.isna().any() else own.sum()


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: the active, the excellent, what is lost in a month and what comes on."""
    stages = result.rates.set_index("segment")
    lapse = [result.months["lapse_rate"].iloc[-back] if len(result.months) >= back else None for back in (1, 2, 13)]

    def count(name: str, groups: tuple[str, ...], meaning: str) -> KeyFigure:
        columns = ("n_customers", "n_customers_previous_month", "n_customers_last_year")
        value, previous, last_year = (_sum_of(result.groups, groups, one) for one in columns)
        return KeyFigure(name=name, value=value, previous=previous, last_year=last_year, meaning=meaning)

    def rate(name: str, rates: list[object], meaning: str) -> KeyFigure:
        return KeyFigure(
            name=name, unit="share", value=rates[0], previous=rates[1], last_year=rates[2], meaning=meaning
        )

    return [
        count(_("active in the portfolio"), STAGES, _("Everybody whose last order is not yet so old that they count as lapsed.")),
        count(_("excellent customers"), STAGES[-1:], _("Active customers of long standing with a large amount to date.")),
        rate(_("lapse rate"), lapse, _("Of those active at the month's start, the share that lapsed in the month.")),
        rate(
            _("first-time step-up rate"),
            [stages.loc[STAGES[0], f"{when}step_up_rate"] for when in ("", "previous_", "last_year_")],
            _("Of the active first-time customers at the month's start, the share that ordered again in the month."),
        ),
    ]  # fmt: skip


def findings(result: Result, params: Params, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    groups, rates = result.groups.set_index("segment"), result.rates.set_index("segment")
    best, gone = groups.loc[STAGES[-1]], groups.loc[LEAVERS[-1]]
    n, n_active = int(groups["n_customers"].sum()), int(groups.loc[list(STAGES), "n_customers"].sum())
    this = result.rate_months[result.rate_months["month"] == result.months["month"].iloc[-1]]
    months = result.months.to_dict("records")
    closing = result.advice[(result.advice["state"] == CLOSING) & (result.advice["segment"] == STAGES[-1])]
    told = [
        _("{active} of {n} customers are active; the {best} excellent ones are {share} of all customers and bring"
          " {amount_share} of the amount to date.").format(
            active=language.integer(n_active), n=language.integer(n), best=language.integer(best["n_customers"]),
            share=language.percent(best["customer_share"]), amount_share=language.percent(best["amount_share"])),
    ]  # fmt: skip
    for one in closing.itertuples():
        told.append(
            counted(one.n_customers,
                "{n} excellent customer will lapse within {days} days without an order and stands for {amount} to date: call before.",
                "{n} excellent customers will lapse within {days} days without an order; they stand for {amount} to date: call before.",
                days=language.integer(params.warn_days), amount=language.short_money(one.amount, currency))
        )  # fmt: skip
    if months[-1]["lapse_rate"] == months[-1]["lapse_rate"]:
        lapsed = counted(this["n_lapsed"].sum(),
            "In the month {n} customer lapsed, {rate} of those active at its start, with {amount} to date.",
            "In the month {n} customers lapsed, {rate} of those active at its start, with {amount} to date.",
            rate=language.percent(months[-1]["lapse_rate"]),
            amount=language.short_money(sum(this["lapsed_amount"]), currency))  # fmt: skip
        told.append(language.together(lapsed, *_compare([one["lapse_rate"] for one in months])))
    first = rates.loc[STAGES[0]]
    if first["n_at_start"]:
        stepped = counted(first["n_stepped_up"],
            "{n} of {all} first-time customers ordered again in the month ({rate}).",
            "{n} of {all} first-time customers ordered again in the month ({rate}).",
            all=language.integer(first["n_at_start"]), rate=language.percent(first["step_up_rate"]))  # fmt: skip
        own = result.rate_months[result.rate_months["segment"] == STAGES[0]]
        told.append(language.together(stepped, *_compare(own["step_up_rate"].to_list())))
    if gone["n_customers"]:
        told.append(
            counted(gone["n_customers"],
                "{n} excellent customer has lapsed and stands for {amount}, {share} of the amount to date.",
                "{n} excellent customers have lapsed; they stand for {amount}, {share} of the amount to date.",
                amount=language.short_money(gone["amount"], currency), share=language.percent(gone["amount_share"]))
        )  # fmt: skip
    return told


def _compare(rates: list[float]) -> list[str]:
    """A month's rate beside those of the month before and a year before, where there were any."""
    past = [rates[-back] if len(rates) >= back else float("nan") for back in (2, 13)]
    if past[0] != past[0]:
        return []
    if past[1] != past[1]:
        return [_("Last month: {before}.").format(before=language.percent(past[0]))]
    text = _("Last month: {before}; a year ago: {year}.")
    return [text.format(before=language.percent(past[0]), year=language.percent(past[1]))]


# What to do, by group and nearness of the lapse, the most urgent first: its priority, its aim, and the advice.
ADVICE = {
    ("excellent", CLOSING): (
        1, KEEP, mark("Call before they lapse: ask what they need, propose the next order"),
    ),
    ("excellent leaver", LAPSED): (
        1, WIN_BACK, mark("A personal call and offer: the most valuable customers that were lost"),
    ),
    ("trend", CLOSING): (
        2, KEEP, mark("Write personally with what is new in their range before they lapse"),
    ),
    ("steady", CLOSING): (
        2, KEEP, mark("Remind of what they usually buy, with a small reason to order now"),
    ),
    ("trend leaver", LAPSED): (
        2, WIN_BACK, mark("Win back with what is new: they bought much in a short time"),
    ),
    ("excellent", ACTIVE): (
        3, KEEP, mark("Thank and look after: early access, a person in charge; no discount needed"),
    ),
    ("trend", ACTIVE): (
        3, GROW, mark("Make the large early orders a habit: show a second range, invite to the loyalty programme"),
    ),
    ("steady", ACTIVE): (
        3, GROW, mark("Raise the order: sets, the next better product, free delivery from an amount on"),
    ),
    ("toddler", ACTIVE): (
        3, GROW, mark("Lead to a habit: a related product, a reward at the next order"),
    ),
    ("first-time", ACTIVE): (
        3, WELCOME, mark("Bring the second order: help with the first, show what goes with it"),
    ),
    ("toddler", CLOSING): (
        3, KEEP, mark("Remind once more, with a small reason to come back before they lapse"),
    ),
    ("steady leaver", LAPSED): (
        3, WIN_BACK, mark("Ask in a letter why they stopped; offer what they used to buy"),
    ),
    ("first-time", CLOSING): (
        4, WELCOME, mark("A last cheap reminder for the second order"),
    ),
    ("toddler leaver", LAPSED): (
        4, LEAVE_ALONE, mark("Seasonal mailing only"),
    ),
    ("first-time leaver", LAPSED): (
        4, LEAVE_ALONE, mark("Seasonal mailing only"),
    ),
}  # fmt: skip


# Charts.


def plot_portfolio(groups: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """The ten groups as tiles: heads, money and the change in heads; darker where more of the money is."""

    def change(now: int, then: object, text: str) -> str:
        return "" if then is pd.NA else text.format(change=language.signed(now - then, language.integer))

    rows = [
        {
            "state": _(ACTIVE) if one.segment in STAGES else _(LAPSED),
            "stage": _(STAGES[GROUPS.index(one.segment) % len(STAGES)]),
            "share": one.amount_share,
            "heads": language.integer(one.n_customers),
            "money": f"{language.short_money(one.amount, currency)} · {language.percent(one.amount_share)}",
            "month": change(one.n_customers, one.n_customers_previous_month, _("{change} on last month")),
            "year": change(one.n_customers, one.n_customers_last_year, _("{change} on last year")),
        }
        for one in groups.itertuples()
    ]
    lines = ["heads", "money", "month", "year"]
    note = _("customers, their amount to date and its share of all; darker: more of the amount")
    return charts.tiles(pd.DataFrame(rows), "state", "stage", "share", lines, xlabel=note, ax=ax)


def plot_heads(group_months: pd.DataFrame) -> Axes:
    """The customers of each group, month by month."""
    shown = group_months.assign(segment=[_(one) for one in group_months["segment"]])
    shown["month"] = [language.month(one) for one in shown["month"]]
    return charts.small_multiples(
        shown, "segment", "month", "n_customers", language.short_number, ylabel=_("customers")
    )


def plot_amounts(group_months: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The amount to date of each group by month, the last month on top."""
    matrix = _by_group(group_months, "amount").rename(index=language.month, columns=_)
    return charts.heat_map(matrix, language.short_number, xlabel=_("group"), ylabel=_("month"), ax=ax)


def plot_rate(rate_months: pd.DataFrame, rate: str) -> Axes:
    """A rate of each stage, month by month; of a stage without it there is no picture."""
    known = rate_months[rate_months.groupby("segment")[rate].transform("count") > 0]
    shown = known.assign(
        segment=[_(one) for one in known["segment"]], month=[language.month(one) for one in known["month"]]
    )
    title = {"step_up_rate": _("step-up rate"), "lapse_rate": _("lapse rate")}[rate]
    return charts.small_multiples(shown, "segment", "month", rate, lambda one: language.percent(one, 0), ylabel=title)


def plot_moves(moves: pd.DataFrame, value: str, show: charts.Show, ax: Axes | None = None) -> Axes:
    """Where the customers of each group of last month are now."""
    shown = move_matrix(moves, value, GROUPS, NOBODY).rename(index=_, columns=_)
    return charts.heat_map(shown, show, xlabel=_("group now"), ylabel=_("group a month ago"), ax=ax)
