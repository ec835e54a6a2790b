"""LTV: what has each customer brought, and what are they still worth?

Definitions. *Order day*: a day with an order; several orders of one day are one visit. Per customer the models see the order
days after the first, the days from the first to the last of them, and the days from the first to ``as_of``. *Alive*: not yet
gone for good, as a probability. *Expected orders*: order days to come, from the model. *Order value*: the expected
gross amount of an order day (Gamma-Gamma, on customers with repeat orders), less the share that came back as returns in the
last ``margin_months``, times the margin. *Value* over a horizon: expected orders of each month × order value, discounted to
``as_of`` at ``discount_rate`` a year. *Equity*: the value of all customers over the longest horizon. *Intervals* are of 90 %: for a
customer the quantiles of the forecast orders, for a total the normal approximation from the parameters' covariance and the
customers' own chance. Models are fitted on distinct triples with their counts, in days.

Which model: each is fitted on what was known ``holdout_months`` ago and forecasts each customer's orders since; the one that
gave the highest probability to what happened (mean logarithm) is taken, or ``model`` names it. Naive forecasts stand beside:
everybody goes on at their own past pace (x/T), everybody like the mean, nobody orders.

Source: Fader, Hardie, Lee 2005 (BG/NBD); Batislam, Denizel, Filiztekin 2007 (MBG/NBD); Schmittlein, Morrison, Colombo 1987
(Pareto/NBD); Fader, Hardie 2013 (Gamma-Gamma).

It cannot tell seasons, campaigns or new assortments: the models know only how often and when somebody bought.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language, trials
from crm_analysis.cohorts import cohort_of, cumulate_amounts, list_cohorts
from crm_analysis.customers import (
    count_triples,
    customers_at,
    hold_out,
    list_order_days,
    rank_customers,
    require,
    summarise_purchases,
)  # fmt: skip
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.models.buying import BuyingModel
from crm_analysis.models.fitting import Fit
from crm_analysis.models.forecasting import mean_amount_error, total_error
from crm_analysis.params import ABOVE_0, FROM_1, Run, check_bounds, check_rising, first_of_month
from crm_analysis.schema import KEEP, WIN_BACK, Column, KeyFigure, Shape, action_list
from crm_analysis.valuation import (
    MAX_TRIPLES,
    Horizon,
    Value,
    as_triples,
    orders_column,
    rows_of,
    value_column,
    value_customers,
    value_orders,
)

REQUIRES = ("orders",)
# Where the report stands in the pack.
PLACE = 40
UNIT_DAYS = {"day": 1, "week": 7}
# Standard deviations on either side of a 90 % interval.
Z90 = 1.6449
# The row of CONCENTRATION that holds the top 20 %.
TOP = 20

SCORECARD = trials.SCORECARD
PARAMETERS = Shape(
    "one row per parameter of each fit",
    {
        "model": Column("text", "model"),
        "fitted_on": Column("text", "fitted on what was known on"),
        "log_likelihood": Column("estimate", "log-likelihood"),
        "parameter": Column("text", "parameter"),
        "estimate": Column("estimate", "estimate (times in the unit of the parameters)"),
        "standard_error": Column("estimate", "standard error"),
        "is_told": Column("flag", "the data tell it; no: it ran to its boundary"),
    },
)
FORECASTS = Shape(
    "one row per horizon",
    {
        "horizon_months": Column("integer", "months ahead"),
        "expected_orders": Column("integer", "expected order days"),
        "orders_low": Column("integer", "90 % interval from"),
        "orders_high": Column("integer", "to"),
        "value_amount": Column("money", "value, discounted"),
        "value_low_amount": Column("money", "90 % interval from"),
        "value_high_amount": Column("money", "to"),
        "mean_value_amount": Column("money", "value per customer"),
    },
)
ALIVE = Shape(
    "one row per tenth of the probability of being alive",
    {
        "alive": Column("text", "probability of being alive"),
        "n_customers": Column("integer", "customers"),
        "value_amount": Column("money", "their value over the list's horizon"),
    },
)
COHORTS = Shape(
    "one row per time of the first order",
    {
        "cohort": Column("text", "first order in"),
        "n_customers": Column("integer", "customers"),
        "net_amount": Column("money", "net amount to date"),
        "mean_amount": Column("money", "to date per customer"),
        "n_alive": Column("integer", "expected to be alive"),
        "value_amount": Column("money", "value over the list's horizon"),
        "mean_value_amount": Column("money", "value per customer"),
    },
)
CONCENTRATION = Shape(
    "one row per hundredth of the customers, the most valuable first, beginning at nobody",
    {
        "customer_share": Column("fraction", "share of the customers"),
        "value_share": Column("fraction", "share of the equity"),
    },
)
GROUPS = Shape(
    "one row per group of another report",
    {
        "group": Column("label", "group"),
        "n_customers": Column("integer", "customers"),
        "net_amount": Column("money", "net amount to date"),
        "n_alive": Column("integer", "expected to be alive"),
        "value_amount": Column("money", "value over the list's horizon"),
        "value_share": Column("fraction", "share of the value"),
        "mean_value_amount": Column("money", "value per customer"),
    },
)


ACTIONS = action_list(
    Column("label", "segment"),
    mark("expected value over the list's horizon, discounted"),
    {
        "alive_prob": Column("fraction", "probability of still being a customer"),
        "expected_orders": Column("fraction", "expected orders over the list's horizon"),
        "orders_low": Column("integer", "orders, lower bound"),
        "orders_high": Column("integer", "orders, upper bound"),
        "order_value_amount": Column("money", "expected amount of an order"),
        "net_amount": Column("money", "amount to date"),
        "n_orders": Column("integer", "orders"),
        "days_since_last_order": Column("integer", "days since the last order"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """``model``: best, or which. ``time_unit``: of the parameters shown. ``horizons_months``: rising; ``list_horizon_months`` is
    the one of intervals per customer, groups and the action list. ``discount_rate``: a year. ``margin_rate``: profit over net
    amount; empty: from the data of the last ``margin_months`` where cost is known, else value is revenue. ``list_rows``: the most
    customers in the action list for people. Warnings come beyond ``warn_error_rate`` (of the sum in the holdout),
    ``warn_correlation`` (number and amount of orders) and ``warn_season_rate`` (orders in the holdout against those before)."""

    model: Literal["best", "bgnbd", "mbgnbd", "paretonbd"] = "best"
    time_unit: Literal["day", "week"] = "week"
    holdout_months: int = 3
    horizons_months: tuple[int, ...] = (3, 12, 24)
    list_horizon_months: int = 12
    discount_rate: float = 0.10
    margin_rate: float | None = None
    margin_months: int = 12
    min_customers: int = 200
    min_repeat_customers: int = 50
    min_holdout_orders: int = 30
    min_history_days: int = 180
    warn_error_rate: float = 0.10
    warn_correlation: float = 0.20
    warn_season_rate: float = 0.15
    list_rows: int = 5000

    def __post_init__(self) -> None:
        horizons = self.horizons_months
        check_rising("horizons_months", horizons)
        if not horizons or horizons[0] < 1 or horizons[-1] > 60:
            raise ValueError(f"horizons_months is {list(horizons)}; write rising numbers from 1 to 60")
        if self.list_horizon_months not in horizons:
            raise ValueError(f"list_horizon_months is {self.list_horizon_months}; it must be one of {list(horizons)}")
        least = ("min_customers", "min_repeat_customers", "min_holdout_orders", "min_history_days", "list_rows")
        bounds = {
            "holdout_months": (1, 24), "margin_months": (1, 60), "discount_rate": (0, 1), "margin_rate": (ABOVE_0, 1),
            **dict.fromkeys(least, FROM_1),
            **dict.fromkeys(("warn_error_rate", "warn_correlation", "warn_season_rate"), (ABOVE_0, math.inf)),
        }  # fmt: skip
        check_bounds(self, bounds)

    @property
    def unit_days(self) -> int:
        return UNIT_DAYS[self.time_unit]

    @property
    def horizon(self) -> Horizon:
        return Horizon(
            months=self.horizons_months,
            list_months=self.list_horizon_months,
            discount_rate=self.discount_rate,
            unit_days=self.unit_days,
        )


@dataclass(frozen=True)
class Result:
    """``base`` (schema.CUSTOMERS without days), ``customers`` and ``actions`` have one row per customer and stay in the engine."""

    base: Table
    customers: Table
    actions: Table
    model: str
    value: Value
    scorecard: pd.DataFrame
    parameters: pd.DataFrame
    forecasts: pd.DataFrame
    repeats: pd.DataFrame
    tracking: pd.DataFrame
    alive: pd.DataFrame
    cohorts: pd.DataFrame
    curves: pd.DataFrame
    concentration: pd.DataFrame
    key_figures: list[KeyFigure]
    warnings: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The value of the customers at the end of ``run.month``. Raises NotEnoughData where a minimum is not met."""
    days = engine.materialise(list_order_days(tables, run.as_of))
    base = customers_at(tables, run.as_of)
    require(base, params.min_customers)
    cut = first_of_month(run.month, 1 - params.holdout_months)
    holdout_days = (run.as_of - cut).days
    past = engine.collect(hold_out(days, cut, run.as_of), MAX_TRIPLES)
    _require_history(past, params)
    fits = trials.fit_models(past, params.unit_days)
    scorecard = trials.score_forecasts(fits, past, holdout_days, params.unit_days, params.model)
    name = scorecard.loc[scorecard["is_chosen"], "forecast"].iloc[0]
    purchases = engine.materialise(summarise_purchases(days, run.as_of))
    triples = engine.collect(count_triples(purchases), MAX_TRIPLES)
    fit = type(fits[name].model).fit(as_triples(triples, params.unit_days))
    value = value_orders(tables, purchases, run.as_of, params.margin_months, params.margin_rate)
    customers = engine.materialise(value_customers(purchases, base, fit.model, value, params.horizon))
    ranked = engine.materialise(rank_customers(customers, value_column(params.horizons_months[-1])))
    return Result(
        base=base,
        customers=customers,
        actions=advise(ranked, params),
        model=name,
        value=value,
        scorecard=scorecard,
        parameters=list_parameters(fits, fit, value, cut, run.as_of),
        forecasts=describe_forecasts(fit, triples, customers, value, params),
        repeats=trials.describe_repeats(fits[name].model, past, holdout_days, params.unit_days),
        tracking=trials.track(fits[name].model, days, past, cut, run.month, params.unit_days),
        alive=describe_alive(engine.collect(sum_alive(customers, params), 10)),
        cohorts=describe_cohorts(customers, run, params),
        curves=cumulate_amounts(tables, base, run.as_of),
        concentration=describe_concentration(engine.collect(sum_hundredths(ranked, params), 100)),
        key_figures=summarise_states(fit.model, days, triples, customers, run, params),
        warnings=warn(fits[name], fit, scorecard, value, days, cut, run, params),
    )


# The lazy steps.


def sum_alive(customers: Table, params: Params) -> Table:
    alive = nw.col("alive_prob").cast(nw.Float64)
    number = nw.when(alive < 1).then((alive * 10).floor()).otherwise(9.0)
    sums = customers.group_by(number.cast(nw.Int64).alias("number")).agg(
        nw.len().alias("n_customers"), nw.col(value_column(params.list_horizon_months)).sum().alias("value_amount")
    )
    return sums.sort("number")


def sum_hundredths(ranked: Table, params: Params) -> Table:
    amount = nw.col(value_column(params.horizons_months[-1])).sum().alias("value_amount")
    return ranked.group_by("hundredth").agg(nw.len().alias("n_customers"), amount).sort("hundredth")


def sum_groups(customers: Table, group: nw.Expr, params: Params) -> Table:
    """Customers, money and value by ``group``."""
    return customers.group_by(group.alias("group")).agg(
        nw.len().alias("n_customers"),
        nw.col("net_amount").sum(),
        nw.col("alive_prob").sum().alias("n_alive"),
        nw.col(value_column(params.list_horizon_months)).sum().alias("value_amount"),
    )


def advise(ranked: Table, params: Params) -> Table:
    """Of the fifth of the customers with most value those who are more likely alive than gone, to keep; of the best fifth by amount
    to date the others, to win back. The most money first."""
    months = params.list_horizon_months
    by_past = rank_customers(ranked.rename({"place": "value_place", "hundredth": "value_hundredth"}), "net_amount")
    is_gone = nw.col("alive_prob") < 0.5
    is_kept = (nw.col("value_hundredth") <= 20) & ~is_gone
    is_lost = (nw.col("hundredth") <= 20) & is_gone
    reason = engine.sentence(
        _("Still a customer with a probability of {percent}%; expected orders in {n} months: {orders} ({low}–{high})."),
        percent=(nw.col("alive_prob").cast(nw.Float64) * 100).round(0).cast(nw.Int64), n=nw.lit(months),
        orders=nw.col(orders_column(months)).cast(nw.Decimal(18, 1)), low=nw.col("orders_low"), high=nw.col("orders_high"),
    )  # fmt: skip
    keep, win_back = (
        _("Keep: a person in charge, service before price; worth more than most"),
        _("Win back: one of the best so far and probably gone; ask why, make a personal offer"),
    )
    return (
        by_past.filter(is_kept | is_lost)
        .with_columns(
            segment=nw.when(is_lost).then(nw.lit(WIN_BACK)).otherwise(nw.lit(KEEP)),
            stance=nw.when(is_lost).then(nw.lit(WIN_BACK)).otherwise(nw.lit(KEEP)),
            priority=nw.when(is_lost).then(3).otherwise(2),
            action=nw.when(is_lost).then(nw.lit(win_back)).otherwise(nw.lit(keep)),
            reason=reason,
            expected_amount=engine.as_money(nw.col(value_column(months))),
            expected_orders=nw.col(orders_column(months)),
            _value=-nw.col(value_column(months)),
            _past=-nw.col("net_amount"),
        )
        .sort("priority", "_value", "_past", "customer_id")
        .select(*ACTIONS.columns)
    )


# Small frame steps.


def _require_history(past: pd.DataFrame, params: Params) -> None:
    """Raises NotEnoughData E-MIN-3 where what was known before the holdout is too little to fit a model on, or what came in it
    too little to try one."""
    repeats = int(past.loc[past["n_repeat_days"] > 0, "n_customers"].sum())
    history = int(past["observed_days"].max()) if len(past) else 0
    if history < params.min_history_days:
        text = _("{n} days of orders before the {months} months held out, and the method needs {least}")
        fix = text.format(n=history, months=params.holdout_months, least=params.min_history_days)
        raise NotEnoughData("E-MIN-3", fix, file="orders")
    if repeats < params.min_repeat_customers:
        fix = counted(
            repeats,
            "{n} customer with orders on two days or more before the months held out, and the method needs {least}",
            "{n} customers with orders on two days or more before the months held out, and the method needs {least}",
            least=params.min_repeat_customers,
        )
        raise NotEnoughData("E-MIN-3", fix, file="orders")
    later = int(past["n_later_days"] @ past["n_customers"])
    if later < params.min_holdout_orders:
        text = _("{n} order days of these customers in the {months} months held out, and the method needs {least}")
        fix = text.format(n=later, months=params.holdout_months, least=params.min_holdout_orders)
        raise NotEnoughData("E-MIN-3", fix, file="orders")


def list_parameters(fits: dict[str, Fit], fit: Fit, value: Value, cut: date, as_of: date) -> pd.DataFrame:
    """PARAMETERS of all fits."""
    fits = [(cut, one) for one in fits.values()] + [(as_of, one) for one in (fit, value.fit) if one is not None]
    rows = [
        {
            "model": one.model.name,
            "fitted_on": day.isoformat(),
            "log_likelihood": one.log_likelihood,
            "parameter": name,
            "estimate": estimate,
            "standard_error": one.standard_errors[name],
            "is_told": name not in one.at_boundary,
        }
        for day, one in fits
        for name, estimate in one.params.items()
    ]
    return PARAMETERS.frame(pd.DataFrame(rows).replace(np.inf, np.nan))


def describe_forecasts(fit: Fit, triples: pd.DataFrame, customers: Table, value: Value, params: Params) -> pd.DataFrame:
    """FORECASTS by horizon, with intervals for the totals."""
    columns = [one for months in params.horizons_months for one in (orders_column(months), value_column(months))]
    sums = engine.collect(customers.select(nw.len().alias("n"), *[nw.col(one).sum() for one in columns]), 1).iloc[0]
    rows, n, found = rows_of(triples, params.unit_days), triples["n_customers"].to_numpy(float), []
    for months in params.horizons_months:
        orders, amount = float(sums[orders_column(months)]), float(sums[value_column(months)])
        spread = Z90 * total_error(fit, rows, n, months * params.horizon.month) / orders if orders else 0.0
        spread_amount = np.hypot(spread, Z90 * mean_amount_error(value.fit)) if value.fit else spread
        found.append(
            {
                "horizon_months": months,
                "expected_orders": orders,
                "orders_low": orders * max(1 - spread, 0),
                "orders_high": orders * (1 + spread),
                "value_amount": amount,
                "value_low_amount": amount * max(1 - spread_amount, 0),
                "value_high_amount": amount * (1 + spread_amount),
                "mean_value_amount": amount / sums["n"],
            }
        )
    return FORECASTS.frame(pd.DataFrame(found))


def describe_alive(sums: pd.DataFrame) -> pd.DataFrame:
    """ALIVE: every tenth, also an empty one."""
    frame = sums.set_index("number").reindex(range(10)).reset_index()
    frame["value_amount"] = frame["value_amount"].fillna(Decimal(0))
    names = [f"{10 * one}–{language.percent((one + 1) / 10, 0)}" for one in frame["number"]]
    return ALIVE.frame(frame.assign(alive=names, n_customers=frame["n_customers"].fillna(0).astype(int)))


def describe_cohorts(customers: Table, run: Run, params: Params) -> pd.DataFrame:
    """COHORTS, the oldest first."""
    group = cohort_of(list_cohorts(customers, run.as_of))
    sums = engine.collect(sum_groups(customers, group, params), 200).rename(columns={"group": "cohort"})
    means = {"mean_amount": "net_amount", "mean_value_amount": "value_amount"}
    sums = sums.assign(**{name: sums[one].astype(float) / sums["n_customers"] for name, one in means.items()})
    return COHORTS.frame(sums.sort_values("cohort"))


def describe_concentration(hundredths: pd.DataFrame) -> pd.DataFrame:
    """CONCENTRATION, the most valuable first."""
    people, amount = hundredths["n_customers"].cumsum(), hundredths["value_amount"].cumsum().astype(float)
    shares = amount / amount.iloc[-1] if amount.iloc[-1] else 0.0 * amount
    curve = pd.DataFrame({"customer_share": people / people.iloc[-1], "value_share": shares})
    return CONCENTRATION.frame(pd.concat([pd.DataFrame({"customer_share": [0.0], "value_share": [0.0]}), curve]))


def value_by(result: Result, groups: Table, column: str, params: Params) -> pd.DataFrame:
    """GROUPS: the value by the groups of another report; ``groups`` has one row per customer, its group in
    ``column``. Groups that are numbers stand in their order, others by value."""
    named = groups.select("customer_id", group=nw.col(column).cast(nw.String))
    joined = result.customers.join(named, on="customer_id", how="inner")
    sums = engine.collect(sum_groups(joined, nw.col("group"), params), 1000)
    amount = sums["value_amount"].astype(float)
    sums["value_share"] = amount / amount.sum() if amount.sum() else 0.0
    sums["mean_value_amount"] = amount / sums["n_customers"]
    number = pd.to_numeric(sums["group"], errors="coerce")
    sums = sums.assign(number=number, minus=-amount).sort_values(["number", "minus", "group"])
    return GROUPS.frame(sums)


def summarise_states(
    model: BuyingModel,
    days: Table,
    triples: pd.DataFrame,
    customers: Table,
    run: Run,
    params: Params,
) -> list[KeyFigure]:
    """For the first screen. A month and a year ago: the customers known then, by the same parameters."""
    states = [triples]
    for day in (run.starts, run.last_year_as_of):
        states.append(engine.collect(count_triples(summarise_purchases(days, day)), MAX_TRIPLES))
    horizon = params.list_horizon_months * params.horizon.month
    alive, orders = [], []
    for state in states:
        rows, n = rows_of(state, params.unit_days), state["n_customers"].to_numpy(float)
        alive.append(float(n @ model.alive_prob(*rows)) if len(state) else None)
        orders.append(float(n @ model.expected_orders(*rows, horizon)) if len(state) else None)
    longest = params.horizons_months[-1]
    sums = engine.collect(customers.select(nw.len().alias("n"), amount=nw.col(value_column(longest)).sum()), 1).iloc[0]
    equity = float(sums["amount"])
    return [
        KeyFigure(
            name=_("customer equity, {n} months").format(n=longest), value=equity, unit="money",
            meaning=_("The expected value of all customers together over these months, discounted to today."),
        ),
        KeyFigure(
            name=_("value per customer"), value=equity / sums["n"], unit="money",
            meaning=_("Customer equity divided by the number of customers, those who have left included."),
        ),
        KeyFigure(
            name=_("customers expected to be alive"), value=round(alive[0]), previous=alive[1], last_year=alive[2],
            meaning=_("The sum of the customers' probabilities of still being customers."),
        ),
        KeyFigure(
            name=_("expected orders, {n} months").format(n=params.list_horizon_months), value=round(orders[0]),
            previous=orders[1], last_year=orders[2],
            meaning=_("How many order days the model expects of today's customers; a month and a year ago, of those then."),
        ),
    ]  # fmt: skip


def warn(
    trial: Fit, fit: Fit, scorecard: pd.DataFrame, value: Value, days: Table, cut: date, run: Run, params: Params
) -> list[str]:
    """Why the forecast may not be trusted, in plain words, the gravest first."""
    told = []
    chosen = scorecard[scorecard["is_chosen"]].iloc[0]
    naive = scorecard[scorecard["forecast"].isin(trials.NAIVE)].sort_values("rmse_orders").iloc[0]
    if abs(chosen["error_rate"]) > params.warn_error_rate:
        text = _("The forecast failed its trial: do not plan with its totals. For the last {months} months it foretold {expected}"
                 " order days and {happened} happened, too high by {error}.")  # fmt: skip
        if chosen["error_rate"] < 0:
            text = _("The forecast failed its trial: do not plan with its totals. For the last {months} months it foretold"
                     " {expected} order days and {happened} happened, too low by {error}.")  # fmt: skip
        told.append(
            text.format(
                months=params.holdout_months, expected=language.integer(chosen["expected_orders"]),
                happened=language.integer(chosen["n_orders"]), error=language.percent(abs(chosen["error_rate"])))
        )  # fmt: skip
    if naive["rmse_orders"] < chosen["rmse_orders"]:
        told.append(
            _("The simple forecast “{naive}” was closer per customer than the model: do not act on single customers'"
              " figures.").format(naive=_(naive["forecast"]))
        )  # fmt: skip
    missing = dict.fromkeys([*trial.at_boundary, *fit.at_boundary])
    if missing:
        told.append(
            _("The data do not tell the model's parameters {names}: they ran to their boundary. The model sees hardly anybody"
              " leave, or no difference between customers: neither the probabilities of being alive nor the intervals mean"
              " much.").format(
                names=language.listed(list(missing)))
        )  # fmt: skip
    change = trials.season_rate(days, cut, params.holdout_months)
    if change is not None and abs(change) > params.warn_season_rate:
        told.append(
            _("The months held out had {change} order days of earlier customers than the months before: a season or a campaign,"
              " which these models do not know. The trial says little about quieter or busier months.").format(
                change=language.signed(round(change, 3), language.percent))
        )  # fmt: skip
    if abs(value.correlation) > params.warn_correlation:
        text = _("Customers who order often also order more at a time (correlation {r}): the value model takes the two as"
                 " unrelated, so the value of the frequent is understated.")  # fmt: skip
        if value.correlation < 0:
            text = _("Customers who order often also order less at a time (correlation {r}): the value model takes the two as"
                     " unrelated, so the value of the frequent is overstated.")  # fmt: skip
        told.append(text.format(r=language.decimal(value.correlation, 2)))
    if value.fit is None:
        told.append(_("Order amounts do not vary as the value model needs: every order is taken for the mean amount."))
    if value.margin_rate is None:
        told.append(
            _("Cost is not known of enough sales: value is revenue net of returns, not profit. Set margin_rate in"
              " params/ltv.yml.")
        )  # fmt: skip
    elif not value.is_profit:
        told.append(
            _("The margin is {rate}: there is no profit, and value is revenue net of returns.").format(
                rate=language.percent(value.margin_rate))
        )  # fmt: skip
    return told


def findings(result: Result, currency: str, params: Params) -> list[str]:
    """What the numbers say, most important first."""
    longest = result.forecasts.iloc[-1]
    listed = result.forecasts.set_index("horizon_months").loc[params.list_horizon_months]
    chosen = result.scorecard[result.scorecard["is_chosen"]].iloc[0]
    top = result.concentration.loc[TOP, "value_share"]
    n_gone = result.alive.iloc[:5]["n_customers"].sum()
    gone = counted(n_gone, "{n} customer is more likely gone than not.", "{n} customers are more likely gone than not.")
    if not result.parameters["is_told"].all():
        gone = counted(
            n_gone,
            "Who has left cannot be told from these data; {n} customer looks more likely gone than not.",
            "Who has left cannot be told from these data; {n} customers look more likely gone than not.",
        )
    tried = _("Tried on the last {months} months, {model} forecast {expected} of {happened} order days ({error}), and ranked who"
              " would order again with an AUC of {auc}.")  # fmt: skip
    if chosen["auc"] != chosen["auc"]:
        tried = _("Tried on the last {months} months, {model} forecast {expected} of {happened} order days ({error}).")
    worth = _("The customers of today are worth {amount} in revenue over the next {months} months ({low} to {high} if buying"
              " goes on as it did), {each} each.")  # fmt: skip
    if result.value.is_profit:
        worth = _("The customers of today are worth {amount} in profit (margin {rate}) over the next {months} months ({low} to"
                  " {high} if buying goes on as it did), {each} each.")  # fmt: skip
    return [
        worth.format(
            amount=language.short_money(longest["value_amount"], currency), months=int(longest["horizon_months"]),
            rate=language.percent(result.value.margin_rate) if result.value.is_profit else "",
            low=language.short_money(longest["value_low_amount"], currency),
            high=language.short_money(longest["value_high_amount"], currency),
            each=language.short_money(longest["mean_value_amount"], currency)),
        _("{orders} orders are expected in the next {months} months; the top 20% of customers hold {share} of the value.").format(
            orders=language.integer(listed["expected_orders"]), months=params.list_horizon_months,
            share=language.percent(top)),
        gone,
        tried.format(
            months=params.holdout_months, model=result.model, expected=language.integer(chosen["expected_orders"]),
            happened=language.integer(chosen["n_orders"]), error=language.signed(chosen["error_rate"], language.percent),
            auc=language.decimal(chosen["auc"], 2)),
    ]  # fmt: skip


# Charts.


def plot_tracking(tracking: pd.DataFrame, holdout_months: int, ax: Axes | None = None) -> Axes:
    """Repeat order days by month, as they happened and by the model, which knew nothing of the last months."""
    months = tracking.drop_duplicates("number").set_index("number")["ordered_month"]
    shown = tracking.assign(line=[_(one) for one in tracking["line"]])
    return charts.lines(
        shown, "line", "number", "n_orders", lambda one: months.get(round(one), ""), language.short_number,
        xlabel=_("month"), ylabel=_("repeat order days"),
        mark=(tracking["number"].max() - holdout_months + 0.5, _("known")), ax=ax,
    )  # fmt: skip


def plot_repeats(repeats: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Forecast and happened per customer, by repeat order days before."""
    names = {"mean_expected": _("forecast"), "mean_happened": _("happened")}
    return charts.paired_bars(
        repeats,
        "n_repeat_days",
        names,
        lambda one: language.decimal(one, 2),
        xlabel=_("order days per customer"),
        ax=ax,
    )


def plot_alive(alive: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Customers by their probability of being alive."""
    return charts.columns(alive, "alive", "n_customers", language.short_number, ylabel=_("customers"), ax=ax)


def plot_curves(curves: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Cumulative amount per customer since the first order, by cohort."""
    return charts.lines(
        curves, "cohort", "months_since_first", "mean_amount", language.integer, language.short_number,
        xlabel=_("months since the first order"), ylabel=_("net amount per customer ({currency})").format(currency=currency),
        ax=ax,
    )  # fmt: skip


def plot_concentration(concentration: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The share of the equity that the most valuable x % hold."""
    top = concentration.loc[TOP]
    text = _("20% of customers: {share}").format(share=language.percent(top["value_share"]))
    return charts.curve(
        concentration, "customer_share", "value_share", lambda one: language.percent(one, 0),
        xlabel=_("share of the customers, the most valuable first"), ylabel=_("share of the equity"),
        diagonal=_("all are worth the same"), notes=[(top["customer_share"], top["value_share"], text)], ax=ax,
    )  # fmt: skip


def plot_groups(groups: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Value by group of another report."""
    shown = groups.assign(group=[_(one) for one in groups["group"]])
    return charts.bars(
        shown, "group", "value_amount", language.short_number, xlabel=_("value over the list's horizon"), ax=ax
    )
