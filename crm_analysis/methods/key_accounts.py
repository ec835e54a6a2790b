"""Key accounts: who makes most of the sales, what do they really bring, and how do they pay?

Definitions. *Key accounts*: the fewest customers, the largest first, who together make ``key_share`` of the sales to known customers in the
last ``window_months`` (net of returns; customers below zero left out); ties by ``customer_id``. Where the source has no
orders, sales are the deals won or the invoices. *Growth*: on the window before. *Discount*: what was paid below list price, where that
is known. *Margin*: exported, from unit costs, or ``margin_rate`` of the amount. *Payment*: an invoice belongs to the window in which it was due; it
is known from its day on and paid once that has happened before ``as_of``, so an invoice paid later is still open. *Cost of late
payment*: amount × days past due within the window × ``cost_of_capital_rate`` / 365. *Profit after late payment*: margin less that cost; both ranks
are among all customers of the window. *Potential*: comparable accounts are the key accounts of the same customer group, or all where the source
has none; what an account would spend on a category if it spent the share of its purchases on it that comparable accounts do, less
what it spends, summed over the categories of which it buys less than half of that.

Source: the 80 % rule is V. Pareto's (1896), as key account management uses it.

It cannot tell what an account buys elsewhere, nor what it costs to serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language, receivables
from crm_analysis.customers import COSTED_SHARE, require_count
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.params import ABOVE_0, FROM_1, Run, check_bounds
from crm_analysis.receivables import BUCKETS, KEYS, known_invoices, sum_payers
from crm_analysis.schema import GROW, KEEP, WIN_BACK, Card, Column, KeyFigure, Shape, action_list, day_number
from crm_analysis.tastes.attributes import NOT_KNOWN
from crm_analysis.tastes.lines import place_by
from crm_analysis.turnover.sold import (
    CATEGORIES,
    GROUP,
    LISTED,
    MONEY,
    Days,
    Turnover,
    months_back,
    ratio,
    read,
    sum_customers,
    warn_of_basis,
    window_months,
)

REQUIRES = ()
# Where the report stands in the pack.
PLACE = 25
MONTHS_SHOWN, CATEGORIES_SHOWN = 24, 6
# The largest accounts, which the report shows; the results per customer and the action list have all of them.
ACCOUNTS_SHOWN = 50
BASES = NOW, LAST_MONTH, LAST_YEAR = mark("now"), mark("previous month"), mark("last year")

COSTS_MONEY, OWES, QUIET, FALLING, PAYS_LATE, OPEN_TO_MORE, STEADY = STATES = (
    mark("costs money"), mark("owes"), mark("gone quiet"), mark("falling"), mark("pays late"), mark("open to more"), mark("steady"),
)  # fmt: skip
LATER, SOONER, AS_BEFORE = mark("later"), mark("sooner"), mark("as before")
# Days by which the mean must differ to be called later or sooner, and invoices that a judgement rests on.
DIFFERENT_DAYS, JUDGED = 2, 3

CONCENTRATION = Shape(
    "one row per basis",
    {
        "basis": Column("label", "as of"),
        "n_customers": Column("integer", "customers with purchases"),
        "n_key": Column("integer", "key accounts"),
        "key_customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "sales to known customers"),
        "key_amount": Column("money", "of these to key accounts"),
        "top_share": Column("fraction", "share of the ten largest"),
    },
)
ACCOUNTS = Shape(
    "one row per account, the largest first",
    {
        "rank": Column("integer", "rank"),
        "customer_id": Column("id", "customer"),
        "state": Column("label", "state"),
        "amount": Column("money", "sales"),
        "amount_share": Column("fraction", "share"),
        "cumulative_share": Column("fraction", "with those before"),
        "growth_rate": Column("fraction", "growth", detail=mark("growth on the window before")),
        "n_orders": Column("integer", "orders"),
        "returned_share": Column("fraction", "returns"),
        "discount_share": Column(
            "fraction", "discount", detail=mark("what was paid below list price, as a share of it")
        ),
        "margin_share": Column("fraction", "margin"),
        "profit_amount": Column("money", "profit"),
        "late_cost_amount": Column("money", "cost of late payment"),
        "result_amount": Column("money", "profit after late payment"),
        "profit_rank": Column(
            "integer", "rank by profit", detail=mark("rank by profit after late payment among all customers")
        ),
        "potential_amount": Column("money", "potential"),
        "potential_in": Column("text", "most of it in"),
        "n_invoices": Column("integer", "invoices due"),
        "on_time_share": Column("fraction", "paid on time"),
        "mean_days_late": Column("fraction", "days late, mean"),
        "worst_days_late": Column("integer", "most days late"),
        "trend": Column("label", "pays"),
        "open_amount": Column("money", "open now"),
        "overdue_amount": Column("money", "overdue now"),
        **{key: Column("money", words) for key, words in zip(KEYS, BUCKETS, strict=True)},
        "mean_days_late_before": Column("fraction", "days late in the window before, mean"),
        "before_amount": Column("money", "sales of the window before"),
        "days_since_last_order": Column("integer", "days since the last order"),
        "reason": Column("text", "why"),
    },
)
BY_STATE = Shape(
    "one row per state with key accounts in it, the most urgent first",
    {
        "state": Column("label", "state"),
        "n_accounts": Column("integer", "key accounts"),
        "amount": Column("money", "sales"),
        "result_amount": Column("money", "profit after late payment"),
        "potential_amount": Column("money", "potential"),
        "rank": Column("integer", "rank of the largest"),
        "customer_id": Column("id", "the largest"),
        "largest_amount": Column("money", "its sales"),
        "largest_result_amount": Column("money", "its profit after late payment"),
    },
)
SALES_VIEW = (
    "rank", "customer_id", "state", "amount", "amount_share", "cumulative_share", "growth_rate", "n_orders", "returned_share",
    "discount_share",
)  # fmt: skip
PROFIT_VIEW = (
    "rank", "customer_id", "amount", "margin_share", "profit_amount", "late_cost_amount", "result_amount", "profit_rank",
    "potential_amount", "potential_in",
)  # fmt: skip
CREDIT_VIEW = (
    "rank", "customer_id", "n_invoices", "on_time_share", "mean_days_late", "worst_days_late", "trend", "overdue_amount", *KEYS[1:],
)  # fmt: skip
AGING = Shape(
    "one row per age of what is open",
    {
        "age": Column("label", "overdue"),
        "amount": Column("money", "open"),
        "amount_share": Column("fraction", "share"),
        "key_amount": Column("money", "of this key accounts"),
    },
)
PAYMENT_MONTHS = Shape(
    "one row per month in which invoices were due",
    {
        "month": Column("text", "due in"),
        "n_invoices": Column("integer", "invoices"),
        "on_time_share": Column("fraction", "paid on time"),
        "mean_days_late": Column("fraction", "days late, mean"),
    },
)
CARD_MONTHS = Shape(
    "one row per account with a card and month",
    {
        "customer_id": Column("id", "customer"),
        "month": Column("text", "month"),
        "amount": Column("money", "sales less returns"),
    },
)
ACTIONS = action_list(
    Column("label", "state"),
    mark(
        "what is at stake: the loss, what is overdue, what was bought before, the cost of late payment, or the potential"
    ),
    {
        "rank": Column("integer", "rank by sales"),
        "profit_rank": Column("integer", "rank by profit"),
        "amount": Column("money", "sales in the window"),
        "overdue_amount": Column("money", "overdue now"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """``key_share``: of sales. ``cost_of_capital_rate``: a year. ``margin_rate``: profit over amount where the exports hold no cost.
    ``quiet_days``: without an order. ``fall_rate``: by which share sales must fall to be called falling. ``late_share``: of invoices paid
    late, from which an account pays late. ``potential_rate``: potential over sales, from which to offer more. ``n_cards``: accounts with a card of
    their own."""

    window_months: int = 12
    key_share: float = 0.8
    cost_of_capital_rate: float = 0.08
    margin_rate: float | None = None
    quiet_days: int = 120
    fall_rate: float = 0.3
    late_share: float = 0.5
    potential_rate: float = 0.25
    n_cards: int = 10
    min_customers: int = 20
    list_rows: int = 5000

    def __post_init__(self) -> None:
        bounds = {
            **dict.fromkeys(("key_share", "fall_rate", "late_share", "potential_rate"), (ABOVE_0, 1)),
            "cost_of_capital_rate": (0, 1), "margin_rate": (0, 1), "window_months": (1, 36), "n_cards": (0, ACCOUNTS_SHOWN),
            **dict.fromkeys(("quiet_days", "min_customers", "list_rows"), FROM_1),
        }  # fmt: skip
        check_bounds(self, bounds)


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer (of actions: per key account) and stay in the engine. ``credit``: how all
    customers pay, by basis; empty without payments."""

    customers: Table
    actions: Table
    concentration: pd.DataFrame
    states: pd.DataFrame
    accounts: pd.DataFrame
    credit: pd.DataFrame
    aging: pd.DataFrame
    payment_months: pd.DataFrame
    card_months: pd.DataFrame
    bought: pd.DataFrame
    n_lost: int
    lost_amount: Decimal
    months: int
    as_of: date
    warnings: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """The key accounts at the end of ``run.month``. Raises NotEnoughData where the source tells of no sales, or of too few customers."""
    turnover = read(tables, run.as_of)
    months = window_months(turnover, run.as_of, params.window_months)
    now = engine.materialise(rank_accounts(turnover, run.as_of, months, params))
    require_count(engine.n_rows(now.filter(nw.col("place") > 0)), params.min_customers)
    earlier = {NOW: now}
    for basis, as_of in ((LAST_MONTH, run.starts), (LAST_YEAR, run.last_year_as_of)):
        if months_back(as_of, months) >= first_month(turnover):
            earlier[basis] = rank_accounts(turnover, as_of, months, params)
    payers, credit, aging, by_month = None, pd.DataFrame(), AGING_NONE, MONTHS_NONE
    if "payments" in tables:
        payers = engine.materialise(pay(tables, run.as_of, months, params, "customer_id"))
        credit = measure_credit(tables, run, months, params)
        aging = describe_aging(payers, now)
        by_month = describe_payment_months(tables, run.as_of)
    customers = engine.materialise(judge(assess(now, payers, turnover, run.as_of, months, params), months, params))
    largest = customers.filter("is_key").sort("rank").head(ACCOUNTS_SHOWN)
    accounts = describe_accounts(engine.collect(largest, ACCOUNTS_SHOWN))
    shown = accounts["customer_id"].head(params.n_cards).tolist()
    n_lost, lost = sum_lost(now)
    return Result(
        customers=customers.select("is_key", *ACCOUNTS.columns),
        actions=advise(customers),
        concentration=CONCENTRATION.frame(pd.DataFrame([concentrate(one, basis) for basis, one in earlier.items()])),
        states=describe_states(customers),
        accounts=accounts,
        credit=credit,
        aging=aging,
        payment_months=by_month,
        card_months=describe_card_months(turnover, shown, run.as_of),
        bought=describe_bought(turnover, shown, run.as_of, months),
        n_lost=n_lost,
        lost_amount=lost,
        months=months,
        as_of=run.as_of,
        warnings=[*warn_of_basis(turnover, months, params.window_months), *warn_of_costs(turnover, tables, params)],
    )


AGING_NONE = pd.DataFrame(columns=list(AGING.columns))
MONTHS_NONE = pd.DataFrame(columns=list(PAYMENT_MONTHS.columns))


def first_month(turnover: Turnover) -> int:
    """The first day of the first sale's month."""
    first = date(1970, 1, 1) + timedelta(days=turnover.first_day)
    return day_number(first.replace(day=1))


def warn_of_costs(turnover: Turnover, tables: Tables, params: Params) -> list[str]:
    told = []
    if not turnover.has_profit and params.margin_rate is None:
        told.append(
            _(
                "The exports hold no cost: who costs money cannot be told. Give margin_rate in params/key_accounts.yml for an estimate."
            )
        )
    if "payments" not in tables:
        told.append(_("The source has no invoices: how accounts pay, and what that costs, is not known."))
    return told


# The lazy steps.


def rank_accounts(turnover: Turnover, as_of: date, months: int, params: Params) -> Table:
    """One row per customer with the sums of the window and of the one before, ``place`` (1 the largest of the window; 0: nothing bought
    in it), ``cumulative`` and ``is_key``, and ``was_key`` of the window before."""
    end = months_back(as_of, 0)
    start, before = months_back(as_of, months), months_back(as_of, 2 * months)
    periods = {"window": Days(start, end), "before": Days(before, start)}
    sold = turnover.sold.filter(nw.col("day") < end, ~nw.col("customer_id").is_null())
    sums = sum_customers(sold, periods, (*MONEY, *LISTED))
    days = sold.group_by("customer_id").agg(last_day=nw.when("is_order").then("day").max())
    sums = sums.join(days, on="customer_id", how="left")
    for key in ("before", "window"):
        sums = mark_key(sums, key, params.key_share)
    return sums.rename({"is_key_window": "is_key", "place_window": "place", "cumulative_window": "cumulative"})


def mark_key(sums: Table, key: str, key_share: float) -> Table:
    """``sums`` with place_, cumulative_ and is_key_ of the window ``key``, of those above zero."""
    sums = engine.materialise(sums)
    amount = nw.col(f"amount_{key}")
    ranked = sums.filter(amount > 0).with_columns(minus=-amount)
    total = engine.collect(ranked.select(amount.sum().alias("total")), 1)["total"].iloc[0] or 0
    limit = Decimal(str(key_share)) * Decimal(total)
    ranked = place_by(ranked, ["minus", "customer_id"]).with_columns(
        cumulative=amount.cum_sum().over(order_by=["minus", "customer_id"])
    )
    ranked = ranked.select(
        "customer_id",
        nw.col("place").alias(f"place_{key}"),
        nw.col("cumulative").alias(f"cumulative_{key}"),
        ((nw.col("cumulative") - amount).cast(nw.Float64) < float(limit)).alias(f"is_key_{key}"),
    )
    return sums.join(ranked, on="customer_id", how="left").with_columns(
        nw.col(f"place_{key}").fill_null(0), nw.col(f"is_key_{key}").fill_null(False)
    )


def pay(tables: Tables, as_of: date, months: int, params: Params, *by: str) -> Table:
    """receivables.PAYERS at ``as_of``, or one row for all."""
    start = months_back(as_of, months)
    invoices = known_invoices(tables, as_of, start)
    if by:
        invoices = invoices.filter(~nw.col("customer_id").is_null())
    return sum_payers(invoices, as_of, (start, months_back(as_of, 2 * months)), params.cost_of_capital_rate, *by)


def assess(now: Table, payers: Table | None, turnover: Turnover, as_of: date, months: int, params: Params) -> Table:
    """Customers with purchases in the window: what they bring, how they pay, and what they could buy."""
    people = now.filter(nw.col("place") > 0)
    credit = [one for one in receivables.PAYERS.columns if one != "customer_id"]
    if payers is not None:
        people = people.join(payers, on="customer_id", how="left")
    else:
        types = {"fraction": nw.Float64, "integer": nw.Int64, "money": nw.Decimal(18, 2)}
        people = people.with_columns(
            **{one: nw.lit(None).cast(types[receivables.PAYERS.columns[one].type]) for one in credit}
        )
    total = engine.collect(people.select(total=nw.col("amount_window").sum()), 1)["total"].iloc[0]
    amount, before = nw.col("amount_window"), nw.col("amount_before")
    costed = nw.col("costed_amount_window").cast(nw.Float64)
    has_cost = (costed > 0) & (costed >= COSTED_SHARE * amount.cast(nw.Float64))
    if turnover.has_profit:
        profit = nw.when(has_cost).then(nw.col("profit_amount_window").cast(nw.Float64))
        margin = nw.when(has_cost).then(nw.col("profit_amount_window").cast(nw.Float64) / costed)
    elif params.margin_rate is not None:
        profit, margin = amount.cast(nw.Float64) * params.margin_rate, nw.lit(params.margin_rate)
    else:
        profit, margin = nw.lit(None).cast(nw.Float64), nw.lit(None).cast(nw.Float64)
    people = people.with_columns(
        rank=nw.col("place"), amount=amount, before_amount=before, n_orders=nw.col("n_orders_window"),
        amount_share=amount.cast(nw.Float64) / float(total or 1),
        cumulative_share=nw.col("cumulative").cast(nw.Float64) / float(total or 1),
        growth_rate=_over(amount - before, before), returned_share=_over("returned_amount_window", "gross_amount_window"),
        discount_share=1 - _over("listed_amount_window", "list_amount_window"), margin_share=margin,
        profit_amount=engine.as_money(profit),
        days_since_last_order=day_number(as_of) - nw.col("last_day"),
    )  # fmt: skip
    result = nw.col("profit_amount") - nw.col("late_cost_amount").fill_null(0)
    people = people.with_columns(result_amount=engine.as_money(result)).join(
        find_potential(turnover, now, as_of, months), on="customer_id", how="left"
    )
    ranked = place_by(
        people.filter(~nw.col("result_amount").is_null()).with_columns(minus=-nw.col("result_amount")),
        ["minus", "customer_id"],
    ).select("customer_id", profit_rank="place")
    return people.join(ranked, on="customer_id", how="left")


def _over(part: nw.Expr | str, whole: nw.Expr | str) -> nw.Expr:
    """``part / whole``; empty where there is no whole."""
    part, whole = (nw.col(one) if isinstance(one, str) else one for one in (part, whole))
    return nw.when(whole > 0).then(part.cast(nw.Float64) / whole.cast(nw.Float64))


def find_potential(turnover: Turnover, now: Table, as_of: date, months: int) -> Table:
    """Per key account ``potential_amount`` and the category with most of it (``potential_in``); empty where the source has no
    categories."""
    keys = now.filter("is_key").select("customer_id", total=nw.col("amount_window"))
    if CATEGORIES not in turnover.dimensions:
        return keys.select(
            "customer_id",
            potential_amount=nw.lit(None).cast(nw.Decimal(18, 2)),
            potential_in=nw.lit(None).cast(nw.String),
        )
    days = Days(months_back(as_of, months), months_back(as_of, 0))
    kind = nw.col(f"by_{GROUP}") if GROUP in turnover.dimensions else nw.lit("")
    bought = turnover.sold.filter(days.holds).with_columns(kind=kind, category=nw.col(f"by_{CATEGORIES}"))
    kinds = bought.group_by("customer_id").agg(nw.col("kind").max())
    # Three steps below start from it.
    keys = engine.materialise(keys.join(kinds, on="customer_id", how="left"))
    spent = bought.join(keys.select("customer_id"), on="customer_id", how="inner").filter(
        nw.col("category") != NOT_KNOWN
    )
    spent = engine.materialise(spent.group_by("customer_id", "kind", "category").agg(nw.col("amount").sum()))
    by_kind = keys.group_by("kind").agg(kind_total=nw.col("total").sum())
    shares = (
        spent.group_by("kind", "category").agg(kind_amount=nw.col("amount").sum()).join(by_kind, on="kind", how="left")
    )
    shares = shares.select(
        "kind", "category", share=nw.col("kind_amount").cast(nw.Float64) / nw.col("kind_total").cast(nw.Float64)
    )
    every = keys.join(shares, on="kind", how="inner").join(
        spent.select("customer_id", "category", "amount"), on=["customer_id", "category"], how="left"
    )
    expected, own = nw.col("total").cast(nw.Float64) * nw.col("share"), nw.col("amount").cast(nw.Float64).fill_null(0.0)
    gap = (
        nw.when((expected > 0) & (own < expected / 2))
        .then(expected - nw.max_horizontal(own, nw.lit(0.0)))
        .otherwise(nw.lit(0.0))
    )
    gaps = engine.materialise(every.select("customer_id", "category", gap=engine.as_money(gap)))
    sums = gaps.group_by("customer_id").agg(potential_amount=nw.col("gap").sum())
    ranked = place_by(gaps.with_columns(minus=-nw.col("gap")), ["minus", "category"], within=("customer_id",))
    most = ranked.filter((nw.col("place") == 1) & (nw.col("gap") > 0)).select("customer_id", potential_in="category")
    return sums.join(most, on="customer_id", how="left")


def judge(customers: Table, months: int, params: Params) -> Table:
    """``customers`` with ``state``, ``trend``, ``priority``, ``stance``, ``action``, ``reason`` and ``expected_amount``: the first of STATES that
    fits."""
    late, before = nw.col("mean_days_late"), nw.col("mean_days_late_before")
    trend = (
        nw.when(late >= before + DIFFERENT_DAYS).then(nw.lit(LATER))
        .when(late <= before - DIFFERENT_DAYS).then(nw.lit(SOONER))
        .when(~late.is_null() & ~before.is_null()).then(nw.lit(AS_BEFORE))
    )  # fmt: skip
    long_overdue = (nw.col("overdue_60") + nw.col("overdue_90") + nw.col("overdue_more")).fill_null(0)
    fits = {
        COSTS_MONEY: nw.col("result_amount") < 0,
        OWES: long_overdue > 0,
        QUIET: nw.col("days_since_last_order") > params.quiet_days,
        FALLING: nw.col("growth_rate") <= -params.fall_rate,
        PAYS_LATE: (nw.col("n_invoices") >= JUDGED) & (1 - nw.col("on_time_share") >= params.late_share),
        OPEN_TO_MORE: nw.col("potential_amount").cast(nw.Float64)
        >= params.potential_rate * nw.col("amount").cast(nw.Float64),
    }
    state = nw.lit(STEADY)
    for one, condition in reversed(fits.items()):
        state = nw.when(condition.fill_null(False)).then(nw.lit(one)).otherwise(state)
    customers = customers.with_columns(trend=trend, state=state, long_overdue=engine.as_money(long_overdue))
    # The tenth that matters most is attended to first.
    is_top = nw.col("cumulative_share") <= 0.1

    def by_state(values: dict[str, object], otherwise: nw.Expr) -> nw.Expr:
        found = otherwise
        for one, value in values.items():
            found = nw.when(nw.col("state") == one).then(value).otherwise(found)
        return found

    money = {
        one: engine.as_money(nw.col(one))
        for one in (
            "amount",
            "result_amount",
            "overdue_amount",
            "late_cost_amount",
            "potential_amount",
            "before_amount",
        )
    }
    percent = {
        one: (nw.col(one) * 100).round(0).cast(nw.Int64) for one in ("growth_rate", "margin_share", "on_time_share")
    }
    told = {
        COSTS_MONEY: engine.sentence(
            _("Sales of {amount} leave {result} after the cost of late payment."), amount=money["amount"], result=money["result_amount"]
        ),
        OWES: engine.sentence(
            _("{overdue} is overdue, {long} of it for more than 30 days."), overdue=money["overdue_amount"], long=nw.col("long_overdue")
        ),
        QUIET: engine.sentence(
            _("No order for {days} days; {amount} in the last {months} months."), days=nw.col("days_since_last_order"),
            amount=money["amount"], months=nw.lit(months),
        ),
        FALLING: engine.sentence(
            _("Sales of {amount}, against {before} in the {months} months before."), amount=money["amount"],
            before=money["before_amount"], months=nw.lit(months),
        ),
        PAYS_LATE: engine.sentence(
            _("{percent}% of {n} invoices were paid on time; paying late cost {cost}."), percent=percent["on_time_share"],
            n=nw.col("n_invoices"), cost=money["late_cost_amount"],
        ),
        OPEN_TO_MORE: engine.sentence(
            _("Buys {potential} less than comparable accounts would, most of it in “{category}”."),
            potential=money["potential_amount"], category=nw.col("potential_in"),
        ),
    }  # fmt: skip
    steady = engine.sentence(_("Sales of {amount}, without anything that calls for action."), amount=money["amount"])
    worth = {
        COSTS_MONEY: -nw.col("result_amount"), OWES: nw.col("overdue_amount"), QUIET: nw.col("amount"),
        FALLING: nw.col("before_amount") - nw.col("amount"), PAYS_LATE: nw.col("late_cost_amount"),
        OPEN_TO_MORE: nw.col("potential_amount"),
    }  # fmt: skip
    return customers.with_columns(
        priority=by_state({COSTS_MONEY: 1, OWES: 1, QUIET: 2, FALLING: 2, PAYS_LATE: 3, OPEN_TO_MORE: 3}, nw.lit(3)),
        stance=by_state({QUIET: nw.lit(WIN_BACK), OPEN_TO_MORE: nw.lit(GROW)}, nw.lit(KEEP)),
        action=by_state({one: nw.lit(_(text)) for one, text in ADVICE.items()}, nw.lit("")),
        reason=by_state(told, steady),
        expected_amount=by_state(
            {one: engine.as_money(value) for one, value in worth.items()}, nw.lit(None).cast(nw.Decimal(18, 2))
        ),
    ).with_columns(
        priority=nw.when(nw.col("state").is_in([QUIET, FALLING]) & is_top).then(1).otherwise(nw.col("priority"))
    )


def advise(customers: Table) -> Table:
    """The action list of the key accounts, the most urgent first."""
    listed = customers.filter("is_key").with_columns(segment=nw.col("state"))
    return listed.sort("priority", "rank").select(*ACTIONS.columns)


# What to do, by state.
ADVICE = {
    COSTS_MONEY: mark(
        "Renegotiate prices, discounts and terms of payment, or serve more cheaply: as it stands, more sales cost more"
    ),
    OWES: mark("Call about the overdue invoices before the next delivery; agree on dates in writing"),
    QUIET: mark("Visit: ask in person what happened and what would bring the next order"),
    FALLING: mark("Visit: ask where they buy instead; agree on a plan for the coming months"),
    PAYS_LATE: mark("Agree on direct debit or on shorter terms; remind before the due date"),
    OPEN_TO_MORE: mark("Offer what comparable accounts buy and this one does not"),
    STEADY: mark("Keep as it is: a yearly review, first choice in delivery and service"),
}


# Small frame steps.


def concentrate(ranked: Table, basis: str) -> dict[str, object]:
    """A row of CONCENTRATION."""
    amount, is_key = nw.col("amount_window"), nw.col("is_key")
    people = ranked.filter(nw.col("place") > 0)
    sums = people.select(
        n_customers=nw.len(), n_key=is_key.cast(nw.Int64).sum(), amount=amount.sum(),
        key_amount=nw.when(is_key).then(amount).otherwise(nw.lit(0)).sum(),
        top=nw.when(nw.col("place") <= 10).then(amount).otherwise(nw.lit(0)).sum(),
    )  # fmt: skip
    one = engine.collect(sums, 1).iloc[0]
    return {
        "basis": basis, "n_customers": int(one["n_customers"]), "n_key": int(one["n_key"] or 0),
        "key_customer_share": ratio(one["n_key"], one["n_customers"]), "amount": one["amount"], "key_amount": one["key_amount"],
        "top_share": ratio(one["top"], one["amount"]),
    }  # fmt: skip


def sum_lost(now: Table) -> tuple[int, Decimal]:
    """How many were key accounts in the window before and are none now, and what they bought less."""
    lost = now.filter(nw.col("is_key_before"), ~nw.col("is_key"))
    sums = lost.select(n=nw.len(), amount=(nw.col("amount_before") - nw.col("amount_window")).sum())
    one = engine.collect(sums, 1).iloc[0]
    return int(one["n"]), one["amount"] or Decimal(0)


def describe_states(customers: Table) -> pd.DataFrame:
    """BY_STATE."""
    keys = customers.filter("is_key")
    sums = keys.group_by("state").agg(
        nw.len().alias("n_accounts"),
        *[nw.col(one).sum() for one in ("amount", "result_amount", "potential_amount")],
        # Where nothing is known of any of them, the sum is not zero but unknown.
        *[nw.col(one).count().alias(f"n_{one}") for one in ("result_amount", "potential_amount")],
        rank=nw.col("rank").min(),
    )
    known = [nw.when(nw.col(f"n_{one}") > 0).then(one).alias(one) for one in ("result_amount", "potential_amount")]
    largest = keys.select("rank", "customer_id", largest_amount="amount", largest_result_amount="result_amount")
    frame = engine.collect(sums.with_columns(*known).join(largest, on="rank", how="left"), len(STATES))
    return BY_STATE.frame(frame.sort_values("state", key=lambda states: states.map(STATES.index), ignore_index=True))


def describe_accounts(frame: pd.DataFrame) -> pd.DataFrame:
    """ACCOUNTS."""
    whole = ("worst_days_late", "n_invoices", "profit_rank", "days_since_last_order")
    return ACCOUNTS.frame(frame.assign(**{one: frame[one].astype("Float64").astype("Int64") for one in whole}))


def with_profit(accounts: pd.DataFrame) -> pd.DataFrame:
    """Those whose profit is known."""
    return accounts[accounts["result_amount"].notna()].reset_index(drop=True)


def with_invoices(accounts: pd.DataFrame) -> pd.DataFrame:
    """Those of whom an invoice is known."""
    return accounts[accounts["n_invoices"].notna()].reset_index(drop=True)


def measure_credit(tables: Tables, run: Run, months: int, params: Params) -> pd.DataFrame:
    """receivables.PAYERS of all customers together, by basis, where an invoice is known."""
    days = {NOW: run.as_of, LAST_MONTH: run.starts, LAST_YEAR: run.last_year_as_of}
    rows = {
        basis: engine.collect(pay(tables, as_of, months, params), 1).iloc[0].to_dict() for basis, as_of in days.items()
    }
    return pd.DataFrame.from_dict({one: row for one, row in rows.items() if row["n_invoices"]}, orient="index")


def describe_aging(payers: Table, now: Table) -> pd.DataFrame:
    """AGING of what customers owe."""
    keys = now.filter("is_key").select("customer_id", is_account=nw.lit(1))
    joined = payers.join(keys, on="customer_id", how="left")
    is_account = nw.col("is_account").fill_null(0) == 1
    sums = joined.select(
        *[nw.col(one).sum() for one in KEYS],
        *[nw.when(is_account).then(nw.col(one)).otherwise(nw.lit(0)).sum().alias(f"key_{one}") for one in KEYS],
    )
    one = engine.collect(sums, 1).iloc[0]
    total, nothing = sum((one[key] or Decimal(0) for key in KEYS), Decimal(0)), Decimal("0.00")
    rows = [
        (
            words,
            one[key] or nothing,
            ratio(one[key] or 0, total) if total else float("nan"),
            one[f"key_{key}"] or nothing,
        )
        for key, words in zip(KEYS, BUCKETS, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(AGING.columns))


def describe_payment_months(tables: Tables, as_of: date) -> pd.DataFrame:
    """PAYMENT_MONTHS: the last 24 months in which invoices were due."""
    start, end = months_back(as_of, MONTHS_SHOWN), months_back(as_of, 0)
    invoices = known_invoices(tables, as_of, start).filter(
        "is_judged", nw.col("due_day") >= start, nw.col("due_day") < end
    )
    months = [Days(months_back(as_of, back), months_back(as_of, back - 1)) for back in range(MONTHS_SHOWN, 0, -1)]
    number = nw.coalesce(
        *[
            nw.when((nw.col("due_day") >= one.start) & (nw.col("due_day") < one.end)).then(nw.lit(at))
            for at, one in enumerate(months)
        ]
    )
    sums = invoices.group_by(number.alias("number")).agg(
        n=nw.len(), late=(nw.col("days_late") > 0).cast(nw.Int64).sum(), days=nw.col("days_late").sum()
    )
    frame = engine.collect(sums.sort("number"), MONTHS_SHOWN)
    named = [f"{date(1970, 1, 1) + timedelta(days=months[int(one)].start):%Y-%m}" for one in frame["number"]]
    n = frame["n"].astype(float)
    return PAYMENT_MONTHS.frame(
        frame.assign(
            month=named,
            n_invoices=frame["n"].astype(int),
            on_time_share=1 - frame["late"].astype(float) / n,
            mean_days_late=frame["days"].astype(float) / n,
        )  # fmt: skip
    )


def describe_card_months(turnover: Turnover, shown: list[str], as_of: date) -> pd.DataFrame:
    """CARD_MONTHS: zero where nothing was bought."""
    end = 12 * as_of.year + as_of.month
    first = date(1970, 1, 1) + timedelta(days=turnover.first_day)
    months = range(max(end - MONTHS_SHOWN, 12 * first.year + first.month), end)
    sold = turnover.sold.filter(nw.col("customer_id").is_in(shown or [""]), nw.col("month") >= months.start)
    frame = engine.collect(sold.group_by("customer_id", "month").agg(nw.col("amount").sum()), 100_000)
    known = {(one.customer_id, one.month): one.amount for one in frame.itertuples()}
    rows = [
        (account, f"{(one - 1) // 12}-{(one - 1) % 12 + 1:02}", known.get((account, one), Decimal(0)))
        for account in shown
        for one in months
    ]
    return pd.DataFrame(rows, columns=list(CARD_MONTHS.columns))


def describe_bought(turnover: Turnover, shown: list[str], as_of: date, months: int) -> pd.DataFrame:
    """What the accounts with a card buy most, by category: columns customer_id, category, amount."""
    if CATEGORIES not in turnover.dimensions:
        return pd.DataFrame(columns=["customer_id", "category", "amount"])
    days = Days(months_back(as_of, months), months_back(as_of, 0))
    sold = turnover.sold.filter(days.holds, nw.col("customer_id").is_in(shown or [""]))
    sums = sold.group_by("customer_id", nw.col(f"by_{CATEGORIES}").alias("category")).agg(nw.col("amount").sum())
    ranked = place_by(sums.with_columns(minus=-nw.col("amount")), ["minus", "category"], within=("customer_id",))
    ranked = ranked.filter(nw.col("place") <= CATEGORIES_SHOWN).sort("customer_id", "place")
    return engine.collect(ranked.select("customer_id", "category", "amount"), 100_000)


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen."""
    bases, credit = result.concentration.set_index("basis"), result.credit

    def figure(frame: pd.DataFrame, name: str, column: str, unit: str, meaning: str) -> KeyFigure:
        values = [frame.loc[one, column] if one in frame.index else None for one in BASES]
        return KeyFigure(
            name=name, value=values[0], unit=unit, previous=values[1], last_year=values[2], meaning=meaning
        )

    figures = [
        figure(
            bases, _("key accounts"), "n_key", "count",
            _("The fewest customers who together make the key share of the sales in the window."),
        ),
        figure(
            bases, _("share of customers"), "key_customer_share", "share",
            _("Key accounts as a share of the customers with purchases in the window."),
        ),
        figure(
            bases, _("share of the ten largest"), "top_share", "share",
            _("Part of the window's sales that the ten largest customers bring."),
        ),
    ]  # fmt: skip
    if NOW not in credit.index:
        return figures
    return [
        *figures,
        figure(
            credit, _("paid on time"), "on_time_share", "share",
            _("Of the invoices due in the window that are paid or past due, those paid by their due date."),
        ),
        figure(credit, _("overdue now"), "overdue_amount", "money", _("Open invoices past their due date, of all customers.")),
        figure(
            credit, _("cost of late payment"), "late_cost_amount", "money",
            _("What the days past due in the window cost at the cost of capital."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str, params: Params) -> list[str]:
    """What the numbers say, most important first."""
    now = result.concentration.set_index("basis").loc[NOW]
    states = result.states
    told = [
        counted(
            now["n_key"],
            "{n} customer, {share} of all, makes {key_share} of the sales to known customers ({amount} of {total}).",
            "{n} customers, {share} of all, make {key_share} of the sales to known customers ({amount} of {total}).",
            share=language.percent(now["key_customer_share"]), key_share=language.percent(ratio(now["key_amount"], now["amount"])),
            amount=language.short_money(now["key_amount"], currency), total=language.short_money(now["amount"], currency),
        )
    ]  # fmt: skip
    for losing in states[states["state"] == COSTS_MONEY].itertuples():
        told.append(
            counted(
                losing.n_accounts,
                "{n} key account costs money: “{customer}”, rank {rank} by sales with {amount}, leaves {result} after the cost of late"
                " payment.",
                "{n} key accounts cost money; the largest is “{customer}”, rank {rank} by sales with {amount}: it leaves {result} after the"
                " cost of late payment.",
                customer=charts.label(losing.customer_id), rank=language.integer(losing.rank),
                amount=language.short_money(losing.largest_amount, currency),
                result=language.signed_money(losing.largest_result_amount, currency),
            )
        )  # fmt: skip
    told += tell_credit(result, currency)
    falling = states[states["state"].isin([QUIET, FALLING])]
    if len(falling):
        told.append(
            counted(
                falling["n_accounts"].sum(),
                "{n} key account is falling or has gone quiet: “{customer}”.",
                "{n} key accounts are falling or have gone quiet; the largest is “{customer}”.",
                customer=charts.label(falling.loc[falling["rank"].idxmin(), "customer_id"]),
            )
        )
    if result.n_lost:
        told.append(
            counted(
                result.n_lost,
                "{n} key account of the window before is none any more and bought {amount} less.",
                "{n} key accounts of the window before are none any more and bought {amount} less.",
                amount=language.short_money(result.lost_amount, currency),
            )
        )
    if states["potential_amount"].notna().any():
        told.append(
            _(
                "Where key accounts buy far less of a category than comparable ones, there is room for up to {amount} more."
            ).format(amount=language.short_money(sum(states["potential_amount"].dropna(), Decimal(0)), currency))
        )
    return told


def tell_credit(result: Result, currency: str) -> list[str]:
    """How customers pay, and who owes most."""
    if NOW not in result.credit.index:
        return []
    now = result.credit.loc[NOW]
    told = [
        _("Of {n} invoices, {share} were paid on time; they came {days} days late on average, which cost {cost}.").format(
            n=language.integer(now["n_invoices"]), share=language.percent(now["on_time_share"]),
            days=language.decimal(now["mean_days_late"]), cost=language.short_money(now["late_cost_amount"], currency))
    ]  # fmt: skip
    if now["overdue_amount"] > 0:
        text = _("{amount} is overdue now, {key} of it owed by key accounts.")
        key = result.aging.iloc[1:]["key_amount"].sum()
        told.append(
            text.format(
                amount=language.short_money(now["overdue_amount"], currency), key=language.short_money(key, currency)
            )
        )
    return told


# The cards.


def cards(result: Result, currency: str, params: Params) -> Iterator[Card]:
    """One for each of the largest accounts, one after the other, as a chart is drawn and closed."""
    for one in result.accounts.head(params.n_cards).to_dict("records"):
        months = result.card_months[result.card_months["customer_id"] == one["customer_id"]]
        yield Card(
            title=_("{rank}. {customer}").format(rank=language.integer(one["rank"]), customer=one["customer_id"]),
            lead=language.together(one["reason"], _("What to do: {action}.").format(action=_(ADVICE[one["state"]]))),
            figures=card_figures(one),
            chart=plot_account(months, currency),
            caption=_("Net sales by month"),
            facts=card_facts(one, result, currency),
        )


def card_figures(one: dict) -> list[KeyFigure]:
    figures = [
        KeyFigure(name=_("sales in the window"), value=one["amount"], unit="money", last_year=one["before_amount"]),
        KeyFigure(name=_("share of all sales"), value=one["amount_share"], unit="share"),
        KeyFigure(name=_("profit after late payment"), value=one["result_amount"], unit="money"),
        KeyFigure(name=_("overdue now"), value=one["overdue_amount"], unit="money"),
        KeyFigure(name=_("potential"), value=one["potential_amount"], unit="money"),
    ]
    return [figure for figure in figures if not pd.isna(figure.value)]


def card_facts(one: dict, result: Result, currency: str) -> dict[str, list[tuple[str, str]]]:
    """Title → names and values, of what is known."""

    def say(name: str, column: str, show) -> list[tuple[str, str]]:
        return [] if pd.isna(one[column]) else [(name, show(one[column]))]

    def money(value: object) -> str:
        return language.amount(value, currency)

    bought = result.bought[result.bought["customer_id"] == one["customer_id"]]
    aged = [
        (_(words), money(one[key]))
        for key, words in zip(KEYS, BUCKETS, strict=True)
        if not pd.isna(one[key]) and one[key]
    ]
    return {
        _("Sales"): [
            *say(_("rank by sales"), "rank", language.integer),
            *say(
                _("growth on the window before"),
                "growth_rate",
                lambda rate: language.signed(round(rate, 3), language.percent),
            ),
            *say(_("orders"), "n_orders", language.integer),
            *say(_("days since the last order"), "days_since_last_order", language.integer),
            *say(_("returns"), "returned_share", language.percent),
            *say(_("discount"), "discount_share", language.percent),
        ],
        _("Profit"): [
            *say(_("margin"), "margin_share", language.percent),
            *say(_("profit"), "profit_amount", money),
            *say(_("cost of late payment"), "late_cost_amount", money),
            *say(_("rank by profit"), "profit_rank", language.integer),
            *say(_("most potential in"), "potential_in", str),
        ],
        _("Payment"): [
            *say(_("invoices due"), "n_invoices", language.integer),
            *say(_("paid on time"), "on_time_share", language.percent),
            *say(_("days late, mean"), "mean_days_late", language.decimal),
            *say(_("the same in the window before"), "mean_days_late_before", language.decimal),
            *say(_("most days late"), "worst_days_late", language.integer),
            *say(_("pays"), "trend", _),
            *say(_("open now"), "open_amount", money),
            *aged,
        ]
        if not pd.isna(one["n_invoices"])
        else [],
        _("What it buys"): [
            (language.own(row.category, (NOT_KNOWN,)), money(row.amount)) for row in bought.itertuples()
        ],
    }


# Charts.


def plot_accounts(accounts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The largest accounts by their share of the sales; those that cost money stand out."""
    marked = accounts.loc[accounts["state"] == COSTS_MONEY, "customer_id"]
    return charts.bars(
        accounts,
        "customer_id",
        "amount_share",
        language.percent,
        xlabel=_("share of the sales"),
        marked=list(marked),
        ax=ax,
    )


def plot_ranks(accounts: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Sales beside profit after late payment, by account."""
    known = with_profit(accounts)
    names = {"amount": _("sales"), "result_amount": _("profit after late payment")}
    xlabel = _("amount of the window ({currency})").format(currency=currency)
    return charts.paired_bars(known.head(15), "customer_id", names, language.short_number, xlabel=xlabel, ax=ax)


def plot_aging(aging: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """What is open, by how long it is overdue."""
    shown = aging.assign(age=[_(one) for one in aging["age"]])
    names = {"amount": _("all customers"), "key_amount": _("key accounts")}
    return charts.paired_bars(
        shown, "age", names, language.short_number, xlabel=_("open ({currency})").format(currency=currency), ax=ax
    )


def plot_payment_months(months: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The share of invoices paid on time, by the month in which they were due."""
    return charts.columns(
        months, "month", "on_time_share", lambda one: language.percent(one, 0), ylabel=_("paid on time"), ax=ax
    )


def plot_account(months: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """An account's sales by month."""
    ylabel = _("net sales ({currency})").format(currency=currency)
    return charts.columns(months, "month", "amount", language.short_number, ylabel=ylabel, ax=ax)
