"""Churn: who has left, at which stage and why, who is about to leave, and whom is it worth to contact?

Definitions, from orders. A customer is *lapsed* when silent for longer than ``lapse_days``, or with ``lapse_rule: gap`` than
``lapse_gap_multiple`` times their own mean gap between order days (``lapse_days`` where there is one order day). *Lost* in a month
is who was not lapsed at its start and is at its end; the money they stood for is the net amount of the 12 months that end with
their last order. The *stage* is the number of orders, *new* who first ordered within 365 days, both at the start of the month. The
*forecast* is of no order in the next ``horizon_days``, of everybody who ordered before and is not silent for longer than
``max_silence_days``, from what was known of them on the day.

Definitions, from contracts. A customer runs while a contract does; *lost* in a month is who ran at its start and does not at its
end, the money twelve times their monthly amount. The forecast is of no contract running ``horizon_days`` later. An export without dates
tells only who has left by its day: the forecast is then how like to those a customer is, and lost are all who left to date.

Value is the margin of the last ``value_months`` (of contracts: so many monthly amounts), money at risk is probability times value.
Contacting pays where probability × success rate × value is above the cost of the contact. Lists are by money at risk; of equals the
likelier first, then by ``customer_id``.

Source: calibration by Platt (1999); Brier (1950); retention by Kaplan and Meier (1958); profit of contacting after Verbraken,
Verbeke and Baesens (2013), with one cost and one success rate for all.

It cannot tell whether contacting helps: that takes a trial with a control group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis import contracts as terms
from crm_analysis.contracts import TENURE_STAGES, attributes_of, is_dated, known_contracts, summarise_contracts
from crm_analysis.customers import (
    TRIPLE,
    add_first_day,
    count_triples,
    margin_rate,
    require_count,
    sum_days,
    summarise_purchases,
)
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.language import _, counted, mark
from crm_analysis.leaving import contacts, drivers, endings, histories, losses, outcomes
from crm_analysis.leaving.histories import ACQUIRED, ORDER_STAGES
from crm_analysis.leaving.outcomes import Learning, Outlook
from crm_analysis.models.bgnbd import MBGNBD
from crm_analysis.models.classifier import Features
from crm_analysis.params import ABOVE_0, Run, check_bounds, first_of_month, nearest
from crm_analysis.schema import Column, KeyFigure, Shape, day_number
from crm_analysis.valuation import MAX_TRIPLES, as_triples

# Either table will do: ``analyse`` says where neither is there.
REQUIRES = ()
# Where the report stands in the pack.
PLACE = 50

ACTIONS = contacts.LIST
TOP_ROWS = 20
# Without an order for so long the source has stopped.
ALIVE_DAYS = 30
ACTIVE_ONLY = mark("… of customers not lapsed then")
DAYS_ALONE, TENURE_ALONE = mark("days since the last order alone"), mark("months as a customer alone")

# The shapes of the report's tables.
MONTHS, STAGES, TOP, REASONS = losses.MONTHS, losses.STAGES, contacts.TOP, endings.REASONS
CLASSES, SCORECARD = outcomes.CLASSES, outcomes.SCORECARD
ASSUMPTIONS = Shape(
    "one row per assumption",
    {"assumption": Column("text", "assumption"), "setting": Column("text", "here")},
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """Definitions: ``lapse_*``, see above; ``horizon_days``, ``max_silence_days``: of the forecast.

    Learning: ``classifier`` scores, the other is judged beside it; a day to learn from every ``step_days``, ``max_cutoffs`` at
    most, the first ``min_past_days`` after the first order; ``max_training_rows``: a sample of customers so large at
    most; ``attributes``: columns of ``customers`` to use, none by default, since they are as of the export and may know the
    outcome; ``max_single_auc``: an attribute that alone tells the outcome better is refused.

    Money: ``margin_rate`` of the amount; empty: as known from costs, else 1. ``contact_cost_amount`` and ``success_rate`` (of
    those who would leave, the share that a contact keeps) are assumptions: set them. ``list_at_least``: so many customers are
    listed even where contacting does not pay.
    """

    lapse_rule: Literal["days", "gap"] = "days"
    lapse_days: int = 180
    lapse_gap_multiple: float = 3.0
    horizon_days: int = 90
    max_silence_days: int = 730
    classifier: Literal["logistic", "boosting"] = "logistic"
    attributes: tuple[str, ...] = ()
    max_single_auc: float = 0.9
    step_days: int = 30
    max_cutoffs: int = 12
    min_past_days: int = 90
    max_training_rows: int = 200_000
    seed: int = 1
    value_months: int = 12
    margin_rate: float | None = None
    contact_cost_amount: float = 5.0
    success_rate: float = 0.1
    min_customers: int = 500
    min_history_days: int = 180
    min_regular_customers: int = 10
    list_at_least: int = 100
    list_rows: int = 5000

    def __post_init__(self) -> None:
        least = {
            "lapse_gap_multiple": ABOVE_0, "contact_cost_amount": 0, "lapse_days": 1, "horizon_days": 1, "max_silence_days": 1,
            "step_days": 1, "max_cutoffs": 1, "min_past_days": 1, "max_training_rows": 1000, "seed": 0, "value_months": 1,
            "min_customers": 1, "min_history_days": 1, "min_regular_customers": 0, "list_at_least": 0, "list_rows": 1,
        }  # fmt: skip
        shares = dict.fromkeys(("max_single_auc", "success_rate", "margin_rate"), (ABOVE_0, 1))
        check_bounds(self, {**{name: (bound, math.inf) for name, bound in least.items()}, **shares})


def _none(shape: Shape):
    return field(default_factory=lambda: pd.DataFrame(columns=list(shape.columns)))


@dataclass(frozen=True, kw_only=True)
class Part:
    """What orders, or contracts, tell; of a part that there is not every frame is empty.

    ``customers``: one row per customer scored (contacts.SCORED), and ``listed``: those to be warned of (contacts.LIST), stay in
    the engine; ``top`` are the first of them. ``retention_by``: by the attribute ``facts["group"]``. ``facts``: single numbers.
    """

    customers: Table | None = None
    listed: Table | None = None
    outlook: Outlook = outcomes.NO_OUTLOOK
    months: pd.DataFrame = _none(MONTHS)
    stages: pd.DataFrame = _none(STAGES)
    top: pd.DataFrame = _none(TOP)
    profit: pd.DataFrame = _none(contacts.PROFIT)
    retention: pd.DataFrame = _none(endings.RETENTION)
    retention_by: pd.DataFrame = _none(endings.RETENTION)
    reasons: pd.DataFrame = _none(REASONS)
    facts: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """``customers``: a row per customer and part; ``actions``: each customer once, by the part with more money at risk."""

    orders: Part
    contracts: Part
    customers: Table
    actions: Table
    warnings: tuple[str, ...]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """Churn at the end of ``run.month``, from orders, from contracts, or from both. Raises NotEnoughData where neither is there,
    or is enough."""
    parts, missing = {}, []
    for name, analyse_part in (("orders", analyse_orders), ("contracts", analyse_contracts)):
        if name in tables:
            try:
                parts[name] = analyse_part(tables, run, params)
            except NotEnoughData as error:
                missing.append(error)
    if not parts and not missing:
        raise NotEnoughData("E-MIN-2", _("the source has no table orders or contracts"), file=run.source)
    if not parts:
        raise NotEnoughData(missing[0].code, _("; ").join(one.fix for one in missing), file=missing[0].file)
    orders, contracts = parts.get("orders", Part()), parts.get("contracts", Part())
    told = [_("No report from {table}: {reason}.").format(table=one.file, reason=one.fix) for one in missing]
    return Result(
        orders=orders,
        contracts=contracts,
        customers=nw.concat([one.customers for one in parts.values()]),
        actions=contacts.list_once([one.listed for one in parts.values()]),
        warnings=(*told, *orders.warnings, *contracts.warnings),
    )


# From orders.


def analyse_orders(tables: Tables, run: Run, params: Params) -> Part:
    """What orders tell. Raises NotEnoughData where they are too few, too short or all alike."""
    days = engine.materialise(sum_days(tables, run.as_of))
    first_day = require_orders(days, run.as_of, params)
    attributes, kinds = read_customers(tables, params)
    features = Features(kinds.numbers, drivers.ORDER_FEATURES, kinds.categories)

    def know(some: Table, day: int) -> Table:
        known = histories.describe_buying(some, day, histories.mean_order(days, day))
        known = known.filter(nw.col("days_since_last_order") <= params.max_silence_days)
        return known if attributes is None else known.join(attributes, on="customer_id", how="left")

    cutoffs = list_cutoffs(first_day, run.as_of, params)
    share = share_to_learn_from(days, len(cutoffs), params)
    sampled = sample(days, share, params)
    marked = {
        day: histories.mark_silent(know(sampled, day), days, day, params.horizon_days)
        for day in map(day_number, cutoffs)
    }
    rows = [(day, collect_rows(table, features, params, drivers.SHOWN["amount"][0])) for day, table in marked.items()]
    newest = rows[0][1]
    outlook = outcomes.learn_over_time(
        rows, params.horizon_days, make_learning(features, drivers.OF_ORDERS, params.attributes, params), file="orders",
        alone={DAYS_ALONE: "days_since_last_order"},
        others=forecast_by_buying(days, cutoffs[0], newest, params.horizon_days),
        parts={ACTIVE_ONLY: (~is_lapsed(newest.__getitem__, params)).to_numpy()},
    )  # fmt: skip
    rate, notes = find_margin(tables, run, params, "orders")
    known = engine.materialise(know(days, day_number(run.as_of)))
    scored = value_buyers(
        known.join(outcomes.score(known, outlook), on="customer_id", how="inner"), days, run, rate, params
    )
    lapsed = histories.summarise_days(days, day_number(run.as_of)).filter(is_lapsed(nw.col, params))
    return assemble(
        scored, outlook, drivers.say_of_orders, drivers.ORDER_FACTS, params,
        losses.lose_by_month(partial(lose_orders, days, params), first_day + timedelta(params.lapse_days), run),
        {"stage": ORDER_STAGES, "acquired": ACQUIRED},
        facts={"n_lost_to_date": engine.n_rows(lapsed), "learned_share": share}, warnings=notes,
    )  # fmt: skip


def require_orders(days: Table, as_of: date, params: Params) -> date:
    """The day of the first order. Raises NotEnoughData where a forecast from these days would be none."""
    at, n = nw.col("ordered_day"), nw.col("n_orders")
    buyers = days.filter(n > 0).group_by("customer_id").agg(n.sum().alias("n"), first=at.min(), last=at.max())
    one = engine.collect(
        buyers.select(
            nw.len().alias("n"), (nw.col("n") >= 3).cast(nw.Int64).sum().alias("n_regular"), nw.col("first").min(), nw.col("last").max()
        ), 1,
    ).iloc[0]  # fmt: skip
    require_count(one["n"], params.min_customers)
    today, first, last = day_number(as_of), int(one["first"]), int(one["last"])
    needed = max(params.min_history_days, params.min_past_days + 2 * params.horizon_days)
    if today - first < needed:
        text = _("{n} days of orders; to learn and to judge a forecast of {horizon} days takes {least}")
        fix = text.format(n=today - first, horizon=params.horizon_days, least=needed)
        raise NotEnoughData("E-MIN-1", fix, file="orders")
    if today - last > ALIVE_DAYS:
        text = _("no order in the last {n} days of the month: the source has stopped")
        raise NotEnoughData("E-MIN-1", text.format(n=ALIVE_DAYS), file="orders")
    if one["n_regular"] < params.min_regular_customers:
        fix = counted(
            one["n_regular"],
            "{n} customer with three orders or more, and the method needs {least}",
            "{n} customers with three orders or more, and the method needs {least}",
            least=params.min_regular_customers,
        )
        raise NotEnoughData("E-MIN-1", fix, file="orders")
    return date.fromordinal(date(1970, 1, 1).toordinal() + first)


def read_customers(tables: Tables, params: Params) -> tuple[Table | None, Features]:
    """The attributes of customers that the parameters name. Raises ParameterError where there is no such attribute."""
    if not params.attributes:
        return None, Features()
    customers = engine.as_table(tables["customers"]) if "customers" in tables else None
    known = attributes_of(customers, "customers") if customers is not None else []
    for name in params.attributes:
        if name not in known:
            raise ParameterError(
                "E-PAR-3", f"unknown '{name}'{nearest(name, known)}", file="churn.yml", column="attributes"
            )
    return outcomes.read_attributes(customers.select("customer_id", *params.attributes), params.attributes)


def list_cutoffs(first_day: date, as_of: date, params: Params) -> list[date]:
    """The days to learn from, the newest first: their outcomes are known at ``as_of``, and enough of the past at them."""
    newest = as_of - timedelta(params.horizon_days)
    days = [newest - timedelta(params.step_days * number) for number in range(params.max_cutoffs)]
    return [one for one in days if one >= first_day + timedelta(params.min_past_days)]


def share_to_learn_from(table: Table, n_cutoffs: int, params: Params) -> float:
    """The share of the customers whose rows over all cut-offs are about ``max_training_rows``; 1 where there are no more."""
    n = engine.n_rows(table.select("customer_id").unique())
    return min(1.0, params.max_training_rows / max(n * n_cutoffs, 1))


def sample(table: Table, share: float, params: Params) -> Table:
    """The rows of this share of the customers, always the same ones for a seed."""
    return engine.materialise(histories.sample_customers(table, share, params.seed)) if share < 1 else table


def collect_rows(table: Table, features: Features, params: Params, *others: str) -> pd.DataFrame:
    """Rows to learn from, in the order of customers: the same rows make the same model."""
    rows = outcomes.select_rows(table, features, "is_lost", *[nw.col(one).cast(nw.Float64) for one in others])
    return engine.collect(rows.sort("customer_id"), 2 * params.max_training_rows)


def make_learning(
    features: Features, sets: Mapping[str, Sequence[str]], attributes: Sequence[str], params: Params
) -> Learning:
    return Learning(
        kind=params.classifier,
        features=features,
        sets={**sets, **{one.replace("_", " "): (one,) for one in attributes}},
        attributes=attributes,
        max_single_auc=params.max_single_auc,
        seed=params.seed,
    )


def forecast_by_buying(days: Table, cutoff: date, rows: pd.DataFrame, horizon_days: int) -> dict[str, np.ndarray]:
    """What MBG/NBD, fitted on orders before the cut-off, says of rows then: that the customer has left; that no order comes."""
    frame = engine.collect(count_triples(summarise_purchases(add_first_day(days), cutoff)), MAX_TRIPLES)
    if not frame[TRIPLE[0]].any():
        return {}
    model = MBGNBD.fit(as_triples(frame, unit_days=1)).model
    T = rows["days_since_first_order"].to_numpy()
    past = rows["n_order_days"].to_numpy() - 1, T - rows["days_since_last_order"].to_numpy(), T
    return {outcomes.ALIVE: 1 - model.alive_prob(*past), outcomes.NO_ORDER: model.orders_none_prob(*past, horizon_days)}


def is_lapsed(column: Callable[[str], object], params: Params):
    """From the first columns of histories.BUYING: ``column`` gives the expression, or the column of a frame, of a name."""
    silent, by_days = column("days_since_last_order"), column("days_since_last_order") > params.lapse_days
    if params.lapse_rule == "days":
        return by_days
    has_gap = column("n_order_days") > 1
    return (has_gap & (silent > column("mean_days_between_orders") * params.lapse_gap_multiple)) | (~has_gap & by_days)


def lose_orders(days: Table, params: Params, start: date, end: date) -> Table:
    lost = histories.lose_buyers(days, day_number(start), day_number(end), is_lapsed(nw.col, params))
    return histories.add_order_stage(lost, "stage")


def value_buyers(scored: Table, days: Table, run: Run, rate: float, params: Params) -> Table:
    """contacts.SCORED, and what was known of the customers."""
    since = day_number(first_of_month(run.month, 1 - params.value_months))
    net = days.filter(nw.col("ordered_day") >= since).group_by("customer_id").agg(_net=nw.col("net_amount").sum())
    amount = nw.max_horizontal(nw.col("_net").fill_null(0).cast(nw.Float64), nw.lit(0.0))
    valued = histories.add_order_stage(scored.join(net, on="customer_id", how="left"), "segment")
    return valued.with_columns(
        part=nw.lit(mark("orders")),
        is_lapsed=is_lapsed(nw.col, params),
        value_amount=amount * rate,
        days_since_last_order=nw.col("days_since_last_order").cast(nw.Int64),
        tenure_months=engine.rounded(nw.col("days_since_first_order") / terms.DAYS_PER_MONTH, 1),
    )


# From contracts.


def analyse_contracts(tables: Tables, run: Run, params: Params) -> Part:
    """What contracts tell. Raises NotEnoughData where they are too few or all alike."""
    contracts = known_contracts(tables, run.as_of)
    names = attributes_of(contracts, "contracts")
    contracts, kinds = outcomes.read_attributes(contracts, names)
    contracts = engine.materialise(contracts)
    now = engine.materialise(summarise_contracts(contracts, run.as_of))
    n = engine.n_rows(now)
    if n < params.min_customers:
        fix = counted(
            n,
            "{n} customer with a contract by then, and the method needs {least}",
            "{n} customers with a contract by then, and the method needs {least}",
            least=params.min_customers,
        )
        raise NotEnoughData("E-MIN-1", fix, file="contracts")
    # What was billed to date is known as of the export only.
    numbers = ("tenure_months", "monthly_amount", *(() if is_dated(contracts) else ("total_amount",)))
    features = Features(numbers=(*numbers, *kinds.numbers), categories=kinds.categories)
    sets = {name: [one for one in members if one in numbers] for name, members in drivers.OF_CONTRACTS.items()}
    learning = make_learning(features, sets, names, params)
    if is_dated(contracts):
        outlook, lost_by_month = follow_contracts(contracts, run, params, learning)
        is_lost = ~nw.col("is_running") & (nw.col("ended_day") >= day_number(run.last_year_as_of))
        lost = terms.price(now.with_columns(is_lost=is_lost)).filter("is_lost")
    else:
        marked = terms.price(now.with_columns(is_lost=~nw.col("is_running")))
        rows = collect_rows(sample(marked, share_to_learn_from(marked, 1, params), params), features, params)
        outlook = outcomes.learn_once(rows, learning, alone={TENURE_ALONE: "tenure_months"}, file="contracts")
        lost_by_month = {run.month: terms.add_tenure_stage(marked, "tenure")}
        lost = marked.filter("is_lost")
    rate, notes = find_margin(tables, run, params, "contracts")
    running = engine.materialise(now.filter("is_running"))
    scored = running.join(outcomes.score(running, outlook), on="customer_id", how="inner")
    group = endings.choose_group(
        contracts, {one: auc for one, auc in outlook.aucs.items() if one in outlook.learning.features.categories}
    )
    return assemble(
        value_contracts(scored, rate, params), outlook, drivers.say_of_contracts, (), params,
        lost_by_month, {"tenure": tuple(TENURE_STAGES)},
        facts={"n_lost_to_date": n - engine.n_rows(running), "is_snapshot": not is_dated(contracts), "group": group},
        warnings=notes,
        retention=endings.describe_retention(now, None),
        **({"retention_by": endings.describe_retention(now, group)} if group else {}),
        reasons=endings.describe_reasons(lost),
    )  # fmt: skip


def follow_contracts(
    contracts: Table, run: Run, params: Params, learning: Learning
) -> tuple[Outlook, dict[str, Table]]:
    """Of contracts with dates: what is learned over time, and who was lost in which month."""
    first_day = engine.collect(contracts.select(nw.col("started_date").min()), 1)["started_date"].iloc[0]
    cutoffs = list_cutoffs(first_day, run.as_of, params)
    if not cutoffs:
        raise NotEnoughData("E-MIN-1", _("the first contract is of {day}").format(day=first_day), file="contracts")
    share, horizon = share_to_learn_from(contracts, len(cutoffs), params), timedelta(params.horizon_days)
    sampled = sample(contracts, share, params)
    rows = [
        (day_number(day), collect_rows(terms.lose_contracts(sampled, day, day + horizon), learning.features, params))
        for day in cutoffs
    ]
    outlook = outcomes.learn_over_time(
        rows, params.horizon_days, learning, file="contracts", alone={TENURE_ALONE: "tenure_months"}
    )

    def lose(start: date, end: date) -> Table:
        return terms.add_tenure_stage(terms.lose_contracts(contracts, start, end), "tenure")

    return outlook, losses.lose_by_month(lose, first_day + timedelta(1), run)


def value_contracts(scored: Table, rate: float, params: Params) -> Table:
    """contacts.SCORED of running customers, and what is known of them."""
    amount = nw.col("monthly_amount").cast(nw.Float64).fill_null(0.0) * params.value_months
    return terms.add_tenure_stage(scored, "segment").with_columns(
        part=nw.lit(mark("contracts")),
        is_lapsed=nw.lit(False),
        value_amount=amount * rate,
        tenure_months=engine.rounded(nw.col("tenure_months"), 1),
        days_since_last_order=nw.lit(None).cast(nw.Int64),
    )


# From either.


def find_margin(tables: Tables, run: Run, params: Params, part: str) -> tuple[float, tuple[str, ...]]:
    """The margin as a share of the amount; where it is not known, or is none, 1, and what to say of amounts that are revenue."""
    if params.margin_rate is not None:
        return params.margin_rate, ()
    rate = margin_rate(tables, run.as_of, params.value_months) if part == "orders" else None
    if rate is not None and rate > 0:
        return rate, ()
    if rate is None:
        text = _("The margin of {table} is not known: money at risk is revenue (set margin_rate).")
    else:
        text = _("The margin of {table} is {rate}: money at risk is revenue, since there is no profit to lose.")
    return 1.0, (text.format(table=_(part), rate=language.percent(rate or 0.0)),)


def assemble(
    scored: Table, outlook: Outlook, say: outcomes.Say, said: Sequence[str], params: Params,
    lost_by_month: Mapping[str, Table], dimensions: Mapping[str, Sequence[str]], *, facts: Mapping[str, object],
    warnings: Sequence[str], **frames: pd.DataFrame,
) -> Part:  # fmt: skip
    """A part from its scored customers (contacts.SCORED and ``said``, without money at risk) and its losses."""
    at_risk = nw.col("churn_prob") * nw.col("value_amount")
    scored = scored.with_columns(
        value_amount=engine.as_money(nw.col("value_amount")), at_risk_amount=engine.as_money(at_risk)
    )
    scored = engine.materialise(scored)
    ranked = contacts.rank_by_risk(scored.filter(~nw.col("is_lapsed")), params.contact_cost_amount, params.success_rate)
    ranked = engine.materialise(ranked.with_columns(profit_amount=engine.as_money(nw.col("profit_amount"))))
    chosen = contacts.choose(ranked, params.list_at_least)
    reasons = outcomes.explain(chosen, outlook, say, said)
    listed = engine.materialise(contacts.advise(chosen, reasons, params.contact_cost_amount))
    cells = losses.sum_cells(lost_by_month, list(dimensions))
    return Part(
        customers=scored.select(*contacts.SCORED.columns),
        listed=listed,
        outlook=outlook,
        months=losses.describe_months({} if facts.get("is_snapshot") else cells),
        stages=losses.describe_stages(cells, dimensions),
        top=TOP.frame(engine.collect(contacts.list_once([listed]).head(TOP_ROWS), TOP_ROWS)),
        profit=contacts.describe_profit(ranked),
        facts={**facts, **contacts.sum_up(ranked)},
        warnings=(*outcomes.warn(outlook), *warnings),
        **frames,
    )


def assumptions(result: Result, params: Params, currency: str) -> pd.DataFrame:
    """ASSUMPTIONS: what the list and the profit rest on, and who reads the report should set."""
    margin = _("as known from costs, else 100%") if params.margin_rate is None else language.percent(params.margin_rate)
    text = _("{days} days of silence")
    if params.lapse_rule == "gap":
        text = _("{n} times the customer's own gap between orders, and {days} days of silence after one order")
    lapse = text.format(days=params.lapse_days, n=language.plain(params.lapse_gap_multiple))
    of_orders = [(_("lapsed after (lapse_rule, lapse_days)"), lapse)] if result.orders.customers is not None else []
    ahead = [(_("the forecast looks ahead (horizon_days)"), _("{n} days").format(n=params.horizon_days))]
    pairs = [
        *of_orders,
        *(ahead if of_orders or not result.contracts.facts["is_snapshot"] else []),
        (_("a customer's value (value_months)"), _("{n} months").format(n=params.value_months)),
        (_("margin (margin_rate)"), margin),
        (
            _("cost of a contact (contact_cost_amount)"),
            language.amount(params.contact_cost_amount, currency) + f" {currency}",
        ),
        (_("of those who would leave, a contact keeps (success_rate)"), language.percent(params.success_rate)),
        (_("the forecast that scores (classifier)"), _(outcomes.KIND_NAMES[params.classifier])),
    ]
    share = result.orders.facts.get("learned_share", 1.0)
    if share < 1:
        drawn = _("{share} of the customers, drawn by lot; everybody is scored").format(share=language.percent(share))
        pairs.append((_("it learned, and was judged, from (max_training_rows, seed)"), drawn))
    return ASSUMPTIONS.frame(pd.DataFrame(pairs, columns=list(ASSUMPTIONS.columns)))


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: lost in the month (without dates: to date), the share, the money, and the money at risk; where both
    parts are told, of each the first and the last."""
    names = {
        "orders": (_("customers lapsed"), _("share lapsed"), _("amount of a year lost"), _("money at risk")),
        "contracts": (_("contracts: lost"), _("share lost"), _("amount of a year lost"), _("contracts: at risk")),
    }
    told = [(part, names[one]) for one in names if (part := getattr(result, one)).customers is not None]
    figures = []
    meanings = {
        "n_lost": _("Customers who counted as active at the month's start and as lost at its end."),
        "loss_rate": _("The lost, as a share of the customers who were active at the month's start."),
        "lost_amount": _(
            "What the lost stood for in 12 months: what they spent, or twelve times their monthly amount."
        ),
    }
    for part, (n_lost, rate, amount, at_risk) in told:
        now, before, last_year = _last_months(part)
        losses_now = [(n_lost, "n_lost", "count"), (rate, "loss_rate", "share"), (amount, "lost_amount", "money")]
        figures += [
            KeyFigure(
                name=name,
                value=now[column],
                unit=unit,
                previous=before.get(column),
                last_year=last_year.get(column),
                meaning=meanings[column],
            )
            for name, column, unit in losses_now[: 1 if len(told) > 1 else 3]
            if column in now
        ]
        figures.append(
            KeyFigure(
                name=at_risk,
                value=part.facts["at_risk_amount"],
                unit="money",
                meaning=_("The value of each customer times the probability of losing the customer, added up."),
            )
        )
    return figures


def _last_months(part: Part) -> list[Mapping[str, object]]:
    """The rows of MONTHS of the month, the one before and the one a year before, {} where there is none; without dates the sums of
    STAGES."""
    if part.facts.get("is_snapshot"):
        sums = {name: part.stages[name].sum() for name in ("n_at_risk", "n_lost", "lost_amount")}
        return [{**sums, "loss_rate": losses.loss_rate(part.stages)}, {}, {}]
    rows = part.months.to_dict("records")
    return [rows[-back] if len(rows) >= back else {} for back in (1, 2, 13)]


def findings(result: Result, run: Run, params: Params, currency: str) -> list[str]:
    """What the numbers say, most important first: five sentences at most, and two of each part where both are told."""
    orders, contracts = (
        tell(part, run, params, currency) if part.customers is not None else []
        for part, tell in ((result.orders, tell_orders), (result.contracts, tell_contracts))
    )
    return orders[:2] + contracts[:2] if orders and contracts else (orders or contracts)[:5]


def tell_orders(part: Part, run: Run, params: Params, currency: str) -> list[str]:
    told, facts = [], part.facts
    if len(part.months):
        now = part.months.iloc[-1]
        told.append(
            _("In {month}, {n} customers lapsed, {rate} of the {at_risk} who were active at its start; they stood for {amount}"
              " in their last 12 months. Lapsed to date: {all}.").format(
                month=language.month(run.month), n=language.integer(now["n_lost"]), rate=language.percent(now["loss_rate"]),
                at_risk=language.integer(now["n_at_risk"]), amount=language.short_money(now["lost_amount"], currency),
                all=language.integer(facts["n_lost_to_date"]))
        )  # fmt: skip
    text = _("More likely than not to place no order in the next {days} days: {likely} of {n} active customers.")
    likely = text.format(
        days=params.horizon_days, likely=language.integer(facts["n_likely"]), n=language.integer(facts["n_customers"])
    )
    return [*told, _tell_contacts(part, params, currency), *_tell_stages(part, "stage"), likely, _tell_forecast(part)]


def tell_contracts(part: Part, run: Run, params: Params, currency: str) -> list[str]:
    now, told = _last_months(part)[0], []
    text = _("{n} of {at_risk} contract customers have left to date, {rate}; they stood for {amount} a year.")
    if not part.facts["is_snapshot"]:
        text = _("In {month}, {n} of {at_risk} contract customers left, {rate}; they stood for {amount} a year.")
    if now:
        told.append(
            text.format(
                month=language.month(run.month), n=language.integer(now["n_lost"]), at_risk=language.integer(now["n_at_risk"]),
                rate=language.percent(now["loss_rate"]), amount=language.short_money(now["lost_amount"], currency))
        )  # fmt: skip
    why = _tell_reasons(part) + _tell_groups(part) + _tell_stages(part, "tenure")
    return [*told, *why[:2], _tell_contacts(part, params, currency), _tell_forecast(part)]


def _tell_reasons(part: Part) -> list[str]:
    """The reason of most customers, and that of most money where it is another."""
    recorded = part.reasons[part.reasons["end_reason"] != endings.NOT_RECORDED]
    if recorded.empty:
        return []
    common, dear = recorded.iloc[0], recorded.sort_values("amount_rank", kind="stable").iloc[0]
    if common["end_reason"] == dear["end_reason"]:
        text = _("The commonest recorded reason of 12 months: “{common}” ({share} of those who left).")
        if part.facts["is_snapshot"]:
            text = _("The commonest recorded reason: “{common}” ({share} of those who left).")
    else:
        text = _("The commonest recorded reason of 12 months: “{common}” ({share} of those who left); most money: “{dear}”"
                 " ({amount_share} of it).")  # fmt: skip
        if part.facts["is_snapshot"]:
            text = _("The commonest recorded reason: “{common}” ({share} of those who left); most money: “{dear}”"
                     " ({amount_share} of it).")  # fmt: skip
    shares = {"share": common["customer_share"], "amount_share": dear["amount_share"]}
    shares = {name: language.percent(share) for name, share in shares.items()}
    return [text.format(common=common["end_reason"], dear=dear["end_reason"], **shares)]


def _tell_stages(part: Part, dimension: str) -> list[str]:
    """The stage at which most are lost; where there are dates, also the one at which fewest are."""
    frame = part.stages[part.stages["dimension"] == losses.DIMENSIONS[dimension]]
    ordered = frame[frame["n_at_risk"] >= endings.MIN_AT_RISK].sort_values("loss_rate", ascending=False, kind="stable")
    if len(ordered) < 2 or not frame["n_lost"].sum():
        return []
    most, least = ordered.iloc[0], ordered.iloc[-1]
    if part.facts.get("is_snapshot"):
        text = _("Of those who left, {share} ({n}) did so at the stage “{most}”.")
        share = language.percent(most["n_lost"] / frame["n_lost"].sum())
        return [text.format(share=share, n=language.integer(most["n_lost"]), most=_(most["group"]))]
    return [
        _("The loss is highest at the stage “{most}” ({rate} of {n}) and lowest at “{least}” ({low} of {n_least}).").format(
            most=_(most["group"]), rate=language.percent(most["loss_rate"]), n=language.integer(most["n_at_risk"]),
            least=_(least["group"]), low=language.percent(least["loss_rate"]), n_least=language.integer(least["n_at_risk"]))
    ]  # fmt: skip


def _tell_groups(part: Part) -> list[str]:
    """How far the curves of retention lie apart after a year."""
    if part.retention_by["group"].nunique() < 2:
        return []
    first_year = part.retention_by[part.retention_by["tenure_months"] <= 12]
    shares = first_year.groupby("group")["retained_share"].last().sort_values()
    return [
        _("After a year {low} of the customers with {name} “{worst}” are still there, and {high} of those with “{best}”.").format(
            low=language.percent(shares.iloc[0], 0), name=language.attribute(part.facts["group"]),
            worst=_show_group(shares.index[0]), high=language.percent(shares.iloc[-1], 0), best=_show_group(shares.index[-1]))
    ]  # fmt: skip


def _tell_contacts(part: Part, params: Params, currency: str) -> str:
    """The money at risk, and what contacting brings."""
    facts = part.facts
    if facts["n_pays"]:
        text = _("Money at risk with {n} customers: {at_risk} of {value} a year. Contacting pays with {pays} of them and should"
                 " bring {profit}, if a contact costs {cost} and keeps {rate} of those who would leave.")  # fmt: skip
    else:
        text = _("Money at risk with {n} customers: {at_risk} of {value} a year. If a contact costs {cost} and keeps {rate} of"
                 " those who would leave, contacting pays with nobody.")  # fmt: skip
    return text.format(
        n=language.integer(facts["n_customers"]), at_risk=language.short_money(facts["at_risk_amount"], currency),
        value=language.short_money(facts["value_amount"], currency), pays=language.integer(facts["n_pays"]),
        profit=language.short_money(facts["profit_amount"], currency), rate=language.percent(params.success_rate, 0),
        cost=f"{language.plain(params.contact_cost_amount)} {currency}",
    )  # fmt: skip


def _tell_forecast(part: Part) -> str:
    """How good the forecast is, of those on whom the list rests."""
    scores = part.outlook.scores
    names = [one for one in scores["forecast"].unique() if one == ACTIVE_ONLY] or [scores["forecast"].iloc[0]]
    own = scores[scores["forecast"] == names[0]].set_index("measure")["value"]
    text = _("How good the forecast is: of the tenth it ranked highest {lift} times as many were lost as of all; of a customer"
             " who was lost and one who stayed it ranked the right one higher in {auc} of cases.")  # fmt: skip
    if names[0] == ACTIVE_ONLY:
        text = _("How good the forecast is: of the tenth it ranked highest {lift} times as many were lost as of all who had not"
                 " lapsed yet; of a customer who was lost and one who stayed it ranked the right one higher in {auc} of"
                 " cases.")  # fmt: skip
    return text.format(lift=language.decimal(own["lift"]), auc=language.percent(own["auc"], 0))


def caption_group(part: Part) -> str:
    return _("Share of customers still there, by {attribute}").format(
        attribute=language.attribute(part.facts.get("group") or "")
    )


_show_group = partial(language.own, words=(endings.ALL, endings.NOT_KNOWN))


# Charts.


def plot_months(months: pd.DataFrame, value: str, show: charts.Show, ylabel: str, ax: Axes | None = None) -> Axes:
    """A number by month."""
    return charts.columns(months, "month", value, show, ylabel=_(ylabel), ax=ax)


def plot_stages(stages: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The share lost by group."""
    shown = stages[stages["n_at_risk"] > 0]
    shown = shown.assign(group=[_(one) for one in shown["group"]])
    return charts.bars(shown, "group", "loss_rate", language.percent, xlabel=_("share lost"), ax=ax)


def plot_drivers(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What the forecast lives on."""
    shown = frame[(frame["auc_loss"] > outcomes.LEAST_LOSS) | (frame.index == 0)].head(10)
    shown = shown.assign(driver=[_(one) for one in shown["driver"]])
    show = partial(language.decimal, digits=3)
    return charts.bars(shown, "driver", "auc_loss", show, xlabel=_("AUC lost without it"), ax=ax)


def plot_profit(part: Part, ax: Axes | None = None) -> Axes:
    """Expected profit by number of customers contacted, with the best number."""
    notes = []
    if part.facts.get("n_pays"):
        n, amount = part.facts["n_pays"], part.facts["profit_amount"]
        notes = [(n, float(amount), language.integer(n))]
    return charts.curve(
        part.profit, "n_contacted", "profit_amount", language.short_number, xlabel=_("customers contacted"),
        ylabel=_("expected profit"), notes=notes, ax=ax,
    )  # fmt: skip


def plot_scores(scores: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The AUC of the forecast and of those it is compared with."""
    shown = scores[scores["measure"] == "auc"]
    shown = shown.assign(forecast=[_(one) for one in shown["forecast"]])
    show = partial(language.decimal, digits=3)
    return charts.bars(shown, "forecast", "value", show, xlabel=_("AUC (0.5 guessed, 1 perfect)"), ax=ax)


def plot_calibration(calibration: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What was forecast and what happened, by tenth of the customers."""
    return charts.points(
        calibration, "forecast_prob", "lost_rate", ("lost_rate_low", "lost_rate_high"), partial(language.percent, digits=0),
        xlabel=_("forecast"), ylabel=_("share that was lost"), diagonal=_("as forecast"), ax=ax,
    )  # fmt: skip


def plot_retention(retention: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Who is still there after how many months."""
    return charts.lines(
        retention.assign(group=retention["group"].map(_show_group)), "group", "tenure_months", "retained_share", language.integer, partial(language.percent, digits=0),
        xlabel=_("months since the first contract began"), ylabel=_("share still there"),
        band=("retained_low", "retained_high"), limits=(0, 1.02), is_step=True, ax=ax,
    )  # fmt: skip


def plot_reasons(reasons: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Recorded reasons, in customers and in money."""
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    shown = reasons.head(10)
    shown = shown.assign(end_reason=[language.own(one, (endings.NOT_RECORDED,)) for one in shown["end_reason"]])
    return charts.paired_bars(shown, "end_reason", names, language.percent, xlabel=_("share"), ax=ax)
