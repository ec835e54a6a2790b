"""Sales performance: who, what, where and when sells more or less, and why?

Definitions. *Sales*: net of returns, which lower the amount of the day on which they came back; where the source has no order lines
or orders they are the deals won, at the day on which they closed, or the invoices. *The month* stands beside the month before and the
same month a year ago; *the window*, its last ``window_months``, beside the same number of months before it, which evens
out single orders and the season. *Dimensions*: customer, product, category, region, salesperson, team, channel and customer group, of which
the source has what it has (``dimensions`` names another column for one, or one more). Sales without a value stand in a row
of their own, those beyond the first ``max_values`` in another, so that each dimension sums to all sales. *Rank*: by the amount of the
month; ties by the amount of the window, then by name. *Share of the change*: the change of one value over the change of all; of several
that go up and down it can pass 1. *Margin*: exported, or from unit costs, where cost is known of enough of the sales.

Source: the split by customers, orders and order size is the common tree of sales, with L. S. Shapley's (1953) value for the
factors, so that their order does not matter; the split by volume, mix and price is that of management accounting.

It cannot tell why a customer buys less, nor whether a market shrinks as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import ABOVE_0, FROM_1, Run, check_bounds, first_of_month
from crm_analysis.schema import GROW, KEEP, WIN_BACK, Column, KeyFigure, Shape, action_list, day_number
from crm_analysis.tastes.attributes import NOT_KNOWN, OTHER
from crm_analysis.tastes.lines import place_by, stack
from crm_analysis.turnover.effects import (
    BY_ORDERS,
    BY_PRODUCTS,
    describe_effects,
    split_by_orders,
    split_by_products,
)
from crm_analysis.turnover.seasons import ALL, MONTH, WEEKDAY, describe_seasons
from crm_analysis.turnover.sold import (
    CATEGORIES,
    CHANNEL,
    CUSTOMER,
    GROUP,
    MONEY,
    PRODUCT,
    REGION,
    SALESPERSON,
    TEAM,
    Days,
    Turnover,
    change,
    months_back,
    no_gaps,
    ratio,
    read,
    sum_customers,
    sum_days,
    warn_of_basis,
    window_months,
)

REQUIRES = ()
# Where the report stands in the pack.
PLACE = 5
MONTHS_SHOWN = 25

THIS_MONTH, LAST_MONTH, LAST_YEAR, WINDOW, BEFORE, TO_DATE = PERIODS = (
    mark("month"), mark("last month"), mark("same month last year"), mark("window"), mark("window before"), mark("to date"),
)  # fmt: skip
# What is compared with what.
COMPARISONS = {LAST_MONTH: (THIS_MONTH, LAST_MONTH), LAST_YEAR: (THIS_MONTH, LAST_YEAR), BEFORE: (WINDOW, BEFORE)}
KEYS = {
    THIS_MONTH: "month", LAST_MONTH: "last_month", LAST_YEAR: "last_year", WINDOW: "window", BEFORE: "before", TO_DATE: "to_date",
}  # fmt: skip
GROWTH, FALL = mark("growth"), mark("fall")
NAMED = (NOT_KNOWN, OTHER)

TOTALS = Shape(
    "one row per period",
    {
        "period": Column("label", "period"),
        "months": Column("text", "from – to"),
        "amount": Column("money", "sales less returns"),
        "returned_share": Column("fraction", "returns"),
        "quantity": Column("quantity", "pieces"),
        "n_orders": Column("integer", "orders"),
        "n_customers": Column("integer", "customers"),
        "average_order_amount": Column("money", "amount per order"),
        "profit_amount": Column("money", "margin"),
        "margin_rate": Column(
            "fraction", "margin, as a share", detail=mark("margin as a share of the sales with a known cost")
        ),
        "n_unprofitable": Column(
            "integer", "customers below zero", detail=mark("customers whose margin is below zero")
        ),
        "known_orders": Column("integer", "orders of known customers"),
        "known_amount": Column("money", "of known customers"),
        "unknown_amount": Column("money", "of unknown customers"),
    },
)
YEARS = Shape(
    "one row per calendar year",
    {
        "year": Column("text", "year"),
        "amount": Column("money", "sales less returns"),
        "growth_rate": Column("fraction", "growth", detail=mark("growth on the same months of the year before")),
        "quantity": Column("quantity", "pieces"),
        "profit_amount": Column("money", "margin"),
        "margin_rate": Column("fraction", "margin, as a share"),
        "is_whole": Column("flag", "whole year"),
    },
)
MONTHS = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        "amount": Column("money", "sales less returns"),
        "growth_rate": Column("fraction", "growth on the same month a year before"),
    },
)
VALUES = Shape(
    "one row per dimension and value, the largest first; other values and not known last",
    {
        "dimension": Column("label", "dimension"),
        "value": Column("text", "value", own=NAMED),
        "rank": Column("integer", "rank"),
        "rank_last_year": Column("integer", "rank a year ago"),
        "amount": Column("money", "amount of the month"),
        "amount_share": Column("fraction", "share"),
        "quantity": Column("quantity", "pieces"),
        "last_month_growth_rate": Column("fraction", "on last month"),
        "last_year_growth_rate": Column("fraction", "on last year"),
        "window_amount": Column("money", "amount of the window"),
        "window_growth_rate": Column("fraction", "window on the one before"),
        "margin_rate": Column("fraction", "margin in the window"),
        "last_month_amount": Column("money", "amount a month ago"),
        "last_year_amount": Column("money", "amount a year ago"),
        "before_amount": Column("money", "amount of the window before"),
    },
)
SHOWN = tuple(VALUES.columns)[1:12]
EXTREMES = Shape(
    "one row per comparison, dimension, direction and place",
    {
        "dimension": Column("label", "dimension"),
        "value": Column("text", "value"),
        "comparison": Column("label", "compared with"),
        "direction": Column("label", "direction"),
        "place": Column("integer", "place"),
        "amount": Column("money", "amount now"),
        "earlier_amount": Column("money", "amount then"),
        "change_amount": Column("money", "change"),
        "total_rate": Column(
            "fraction", "of the whole change", detail=mark("change of the value over the change of all sales")
        ),
    },
)
SHOWN_TOTALS = tuple(TOTALS.columns)[:-3]
SHOWN_EXTREMES = ("dimension", "value", "direction", "amount", "earlier_amount", "change_amount", "total_rate")

ACTIONS = action_list(
    Column("label", "movement"),
    mark("what the customer bought more in the window before, or what a growing one adds if it grows as much again"),
    {
        "amount": Column("money", "amount of the window"),
        "earlier_amount": Column("money", "amount of the window before"),
        "n_orders": Column("integer", "orders in the window"),
    },
)
GONE, FALLEN, RISEN = mark("stopped buying"), mark("fallen"), mark("risen")


@dataclass(frozen=True, kw_only=True)
class Params:
    """``dimensions``: dimension → column, in place of the usual one or for one more. ``max_values``: how many values of each
    are named. ``extremes``: of each dimension, the strongest growths and steepest falls. ``least_change_rate``: by which share a customer
    larger than the mean must grow or fall to be on the list."""

    window_months: int = 12
    dimensions: dict[str, str] = field(default_factory=dict)
    max_values: int = 15
    extremes: int = 2
    least_change_rate: float = 0.3
    min_orders: int = 50
    list_rows: int = 5000

    def __post_init__(self) -> None:
        bounds = {
            "window_months": (1, 36), "max_values": (3, 35), "extremes": (1, 10), "least_change_rate": (ABOVE_0, 1),
            "min_orders": FROM_1, "list_rows": FROM_1,
        }  # fmt: skip
        check_bounds(self, bounds)
        for name in self.dimensions:
            if not name.replace("_", "").isalnum() or len(name) > 40:
                raise ValueError(f"dimension '{name}' must be one word of letters, digits and _")


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine. ``known``: the comparisons that the source
    reaches back to."""

    customers: Table
    actions: Table
    totals: pd.DataFrame
    years: pd.DataFrame
    months: pd.DataFrame
    effects: pd.DataFrame
    values: pd.DataFrame
    extremes: pd.DataFrame
    seasons: pd.DataFrame
    known: list[str]
    earlier: dict[str, pd.DataFrame]
    warnings: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """Sales at the end of ``run.month``. Raises NotEnoughData where the source tells of no sales, or of too few."""
    turnover = read(tables, run.as_of, params.dimensions, "params/sales.yml")
    months = window_months(turnover, run.as_of, params.window_months)
    periods = choose_periods(run, months)
    customers = engine.materialise(sum_customers(turnover.sold, by_key(periods), MONEY))
    totals = describe_totals(engine.collect(sum_totals(customers, periods), 1), periods, turnover)
    require_orders(totals, turnover, params)
    known = [one for one in COMPARISONS if is_known(periods[COMPARISONS[one][1]], turnover)]
    values, extremes = compare_values(turnover, periods, known, params)
    seasons, years = describe_seasons(turnover, run.as_of, params.max_values)
    people = customers.filter(~nw.col("customer_id").is_null())
    return Result(
        customers=describe_customers(people),
        actions=advise(people, months, BEFORE in known, params),
        totals=TOTALS.frame(totals.loc[[one for one in PERIODS if is_known(periods[one], turnover)]].reset_index()),
        years=describe_years(turnover, run),
        months=describe_months(turnover, run),
        effects=describe_all_effects(turnover, totals, periods, known),
        values=values,
        extremes=extremes,
        seasons=seasons,
        known=known,
        earlier=measure_earlier(turnover, run, months),
        warnings=[*warn_of_basis(turnover, months, params.window_months), *warn_of_seasons(years)],
    )


def choose_periods(run: Run, months: int) -> dict[str, Days]:
    """The month, what it is compared with, the windows, and everything."""
    return {
        THIS_MONTH: Days(day_number(run.starts), day_number(run.as_of)),
        LAST_MONTH: Days(months_back(run.starts, 1), day_number(run.starts)),
        LAST_YEAR: Days(months_back(run.last_year_as_of, 1), day_number(run.last_year_as_of)),
        WINDOW: Days(months_back(run.as_of, months), day_number(run.as_of)),
        BEFORE: Days(months_back(run.as_of, 2 * months), months_back(run.as_of, months)),
        TO_DATE: Days(-(10**6), day_number(run.as_of)),
    }


def by_key(periods: dict[str, Days]) -> dict[str, Days]:
    """The same by the names that columns end with."""
    return {KEYS[one]: days for one, days in periods.items()}


def is_known(days: Days, turnover: Turnover) -> bool:
    """Whether the source reaches back to the period's first month, or, of everything, at all."""
    first = pd.Timestamp(turnover.first_day, unit="D").replace(day=1)
    return days.start < -(10**5) or days.start >= (first - pd.Timestamp(0)).days


def require_orders(totals: pd.DataFrame, turnover: Turnover, params: Params) -> None:
    n = int(totals.loc[TO_DATE, "n_orders"])
    if n < params.min_orders:
        fix = counted(
            n,
            "{n} order, deal or invoice by then, and the method needs {least}",
            "{n} orders, deals or invoices by then, and the method needs {least}",
            least=params.min_orders,
        )
        raise NotEnoughData("E-MIN-1", fix, file=turnover.source)


def measure_earlier(turnover: Turnover, run: Run, months: int) -> dict[str, pd.DataFrame]:
    """The totals as they were at the end of last month, and of the same month a year ago, where the source reaches so far."""
    found = {}
    for name, as_of in ((LAST_MONTH, run.starts), (LAST_YEAR, run.last_year_as_of)):
        earlier = Run(source=run.source, month=f"{first_of_month(f'{as_of:%Y-%m}', -1):%Y-%m}")
        periods = {one: days for one, days in choose_periods(earlier, months).items() if one in (THIS_MONTH, WINDOW)}
        sold = turnover.sold.filter(nw.col("day") < day_number(as_of))
        sums = engine.collect(sum_totals(sum_customers(sold, by_key(periods), MONEY), periods), 1)
        totals = describe_totals(sums, periods, turnover)
        found[name] = totals.loc[[one for one in totals.index if is_known(periods[one], turnover)]]
    return found


# The lazy steps.


def sum_totals(customers: Table, periods: dict[str, Days]) -> Table:
    """One row with the sums of each period, over customers and over what names none."""
    is_named, sums = ~nw.col("customer_id").is_null(), []
    for key in by_key(periods):
        is_buyer = is_named & (nw.col(f"n_orders_{key}") > 0)
        amount = nw.col(f"amount_{key}")
        sums += [
            *[nw.col(f"{one}_{key}").sum() for one in (*MONEY, "n_orders")],
            nw.when(is_named).then(amount).otherwise(nw.lit(0)).sum().alias(f"known_amount_{key}"),
            nw.when(is_named).then(nw.col(f"n_orders_{key}")).otherwise(nw.lit(0)).sum().alias(f"known_orders_{key}"),
            is_buyer.cast(nw.Int64).sum().alias(f"n_customers_{key}"),
            (is_named & (nw.col(f"profit_amount_{key}") < 0)).cast(nw.Int64).sum().alias(f"n_unprofitable_{key}"),
        ]
    return customers.select(*sums)


def sum_values(turnover: Turnover, name: str, periods: dict[str, Days]) -> Table:
    """The sums of each value of a dimension, with ``place`` (1 the largest of the month) and ``place_last_year`` among what is
    known; those not known behind all."""
    value = nw.col(f"by_{name}")
    sums = turnover.sold.group_by(value.alias("value")).agg(
        *sum_days(by_key(periods), ("amount",)), *_window_sums(periods)
    )
    sums = sums.with_columns(
        is_last=(nw.col("value") == NOT_KNOWN).cast(nw.Int64),
        **{f"minus_{one}": -nw.col(f"amount_{one}") for one in ("month", "window", "last_year")},
    )
    ranked = place_by(sums, ["is_last", "minus_month", "minus_window", "value"])
    return place_by(ranked.rename({"place": "rank"}), ["is_last", "minus_last_year", "minus_window", "value"]).rename(
        {"place": "rank_last_year"}
    )


def _window_sums(periods: dict[str, Days]) -> list[nw.Expr]:
    days = {"window": periods[WINDOW]}
    return [
        *sum_days({"month": periods[THIS_MONTH]}, ("quantity",)),
        *sum_days(days, ("profit_amount", "costed_amount")),
    ]


def fold_values(ranked: Table, most: int) -> Table:
    """The first ``most`` values, those not known, and the sum of all others."""
    is_named = (nw.col("rank") <= most) | (nw.col("is_last") == 1)
    label = nw.when(is_named).then(nw.col("value")).otherwise(nw.lit(OTHER))
    is_rest = nw.when(is_named).then(nw.col("is_last")).otherwise(nw.lit(2))
    sums = [
        one for one in ranked.collect_schema().names() if one.startswith(("amount_", "quantity_", "profit_", "costed_"))
    ]
    return (
        ranked.with_columns(label=label, is_rest=is_rest)
        .group_by("label", "is_rest")
        .agg(*[nw.col(one).sum() for one in sums], nw.col("rank").min(), nw.col("rank_last_year").min())
        .sort("is_rest", "rank")
    )


def find_extremes(ranked: Table, now: str, then: str, sign: int, most: int) -> Table:
    """The values that changed most in one direction (``sign`` −1: up), those not known left out."""
    moved = nw.col(f"amount_{KEYS[now]}") - nw.col(f"amount_{KEYS[then]}")
    return (
        ranked.filter(nw.col("is_last") == 0)
        .select(
            "value",
            amount=nw.col(f"amount_{KEYS[now]}"),
            earlier_amount=nw.col(f"amount_{KEYS[then]}"),
            signed=sign * moved,
        )
        .filter(nw.col("signed") < 0)
        .sort("signed", "value")
        .head(most)
    )


def describe_customers(people: Table) -> Table:
    """Per customer the amounts of all periods."""
    return people.select("customer_id", *[nw.col(f"amount_{key}").alias(f"{key}_amount") for key in KEYS.values()])


def advise(people: Table, months: int, has_before: bool, params: Params) -> Table:
    """Customers larger than the mean of their time whose purchases changed by ``least_change_rate`` or more, the largest fall first."""
    now, then = nw.col("amount_window"), nw.col("amount_before")
    mean_now, mean_then = _means(people)
    moved = (now - then).cast(nw.Float64)
    fell = (
        (then.cast(nw.Float64) >= mean_then) & (moved <= -params.least_change_rate * then.cast(nw.Float64)) & (then > 0)
    )
    rose = (now.cast(nw.Float64) >= mean_now) & (moved >= params.least_change_rate * then.cast(nw.Float64)) & (then > 0)
    is_gone = nw.col("n_orders_window") == 0
    is_large = then.cast(nw.Float64) >= 3 * mean_then
    percent = (moved.abs() * 100 / then.cast(nw.Float64)).round(0).cast(nw.Int64)
    told = {"now": engine.as_money(now), "then": engine.as_money(then), "percent": percent, "months": nw.lit(months)}
    reason = nw.when(is_gone).then(
        engine.sentence(_("Nothing bought in the last {months} months; {then} in the {months} before."), **told)
    ).when(fell).then(
        engine.sentence(_("{now} in the last {months} months, {percent}% less than in the {months} before ({then})."), **told)
    ).otherwise(
        engine.sentence(_("{now} in the last {months} months, {percent}% more than in the {months} before ({then})."), **told)
    )  # fmt: skip
    action = (
        nw.when(is_gone)
        .then(nw.lit(_("Call: ask why they stopped and what would bring them back")))
        .when(fell)
        .then(nw.lit(_("Visit or call: ask where they buy instead; agree on a plan for the coming months")))
        .otherwise(nw.lit(_("Secure the growth: thank them, check terms and supply, offer the next product")))
    )
    listed = people.filter(nw.lit(has_before), fell | rose).with_columns(
        segment=nw.when(fell & is_gone).then(nw.lit(GONE)).when(fell).then(nw.lit(FALLEN)).otherwise(nw.lit(RISEN)),
        priority=nw.when(fell & is_large).then(1).when(fell).then(2).otherwise(3),
        stance=nw.when(fell & is_gone).then(nw.lit(WIN_BACK)).when(fell).then(nw.lit(KEEP)).otherwise(nw.lit(GROW)),
        action=action,
        reason=reason,
        expected_amount=engine.as_money(moved.abs()),
        amount=now,
        earlier_amount=then,
        n_orders=nw.col("n_orders_window"),
        minus=-moved.abs(),
    )
    return listed.sort("priority", "minus", "customer_id").select(*ACTIONS.columns)


def _means(people: Table) -> list[float]:
    """The mean amounts of those who bought in the window, and in the one before."""
    sums = []
    for key in ("window", "before"):
        is_buyer = nw.col(f"amount_{key}") > 0
        sums += [
            nw.when(is_buyer).then(nw.col(f"amount_{key}")).otherwise(nw.lit(0)).sum().alias(key),
            is_buyer.cast(nw.Int64).sum().alias(f"n_{key}"),
        ]
    one = engine.collect(people.select(*sums), 1).iloc[0]
    return [float(one[key] or 0) / max(int(one[f"n_{key}"] or 0), 1) for key in ("window", "before")]


# Small frame steps.


def describe_totals(sums: pd.DataFrame, periods: dict[str, Days], turnover: Turnover) -> pd.DataFrame:
    """TOTALS by period, and all orders, those without a customer included."""
    one, rows = sums.iloc[0], {}
    for name, days in periods.items():
        key = KEYS[name]
        amount, known = one[f"amount_{key}"], one[f"known_amount_{key}"]
        orders = int(one[f"known_orders_{key}"])
        rows[name] = {
            "months": _span(days, turnover),
            "amount": amount,
            "returned_share": ratio(one[f"returned_amount_{key}"], one[f"gross_amount_{key}"]),
            "quantity": float(one[f"quantity_{key}"] or 0) if turnover.has_quantity else None,
            "n_orders": int(one[f"n_orders_{key}"]),
            "known_orders": orders,
            "n_customers": int(one[f"n_customers_{key}"]),
            "average_order_amount": ratio(amount, int(one[f"n_orders_{key}"])),
            "profit_amount": one[f"profit_amount_{key}"] if turnover.has_profit else None,
            "margin_rate": _margin(one, key, turnover),
            "n_unprofitable": int(one[f"n_unprofitable_{key}"]) if turnover.has_profit else None,
            "known_amount": known,
            "unknown_amount": amount - known,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("period")


def _span(days: Days, turnover: Turnover) -> str:
    first, last = (
        f"{pd.Timestamp(day, unit='D'):%Y-%m}" for day in (max(days.start, turnover.first_day), days.end - 1)
    )
    return first if first == last else f"{first} – {last}"


def _margin(row: pd.Series, key: str, turnover: Turnover) -> float:
    return ratio(row[f"profit_amount_{key}"], row[f"costed_amount_{key}"]) if turnover.has_profit else float("nan")


def describe_years(turnover: Turnover, run: Run) -> pd.DataFrame:
    """YEARS: each against the same months of the year before, if these are whole."""
    sums = turnover.sold.group_by("month").agg(*[nw.col(one).sum() for one in MONEY])
    months = no_gaps(engine.collect(sums.sort("month"), 10_000), MONEY)
    months["year"] = (months["month"] - 1) // 12
    first, last = int(months["month"].min()), 12 * int(run.month[:4]) + int(run.month[5:])
    rows = []
    for year, part in months.groupby("year"):
        same = months[(months["year"] == year - 1) & (months["month"] + 12 <= last)]
        amount, is_comparable = part["amount"].sum(), 12 * (year - 1) + 1 >= first
        profit, costed = part["profit_amount"].sum(), part["costed_amount"].sum()
        rows.append(
            {
                "year": str(year),
                "amount": amount,
                "growth_rate": change(amount, same["amount"].sum()) if is_comparable else float("nan"),
                "quantity": float(part["quantity"].sum()) if turnover.has_quantity else None,
                "profit_amount": profit if turnover.has_profit else None,
                "margin_rate": ratio(profit, costed) if turnover.has_profit else float("nan"),
                "is_whole": 12 * year + 1 >= first and 12 * year + 12 <= last,
            }
        )
    return YEARS.frame(pd.DataFrame(rows))


def describe_months(turnover: Turnover, run: Run) -> pd.DataFrame:
    """MONTHS: the last ``MONTHS_SHOWN``, zero where nothing was sold."""
    end = 12 * run.as_of.year + run.as_of.month
    sums = engine.collect(turnover.sold.group_by("month").agg(nw.col("amount").sum()).sort("month"), 10_000)
    first = int(sums["month"].min())
    amounts = sums.set_index("month")["amount"].reindex(range(first, end))
    amounts = pd.Series([0 if one is None or one != one else one for one in amounts], range(first, end), dtype=object)
    shown = range(max(first, end - MONTHS_SHOWN), end)
    return MONTHS.frame(
        pd.DataFrame(
            {
                "month": [f"{(one - 1) // 12}-{(one - 1) % 12 + 1:02}" for one in shown],
                "amount": [amounts[one] for one in shown],
                "growth_rate": [
                    change(amounts[one], amounts[one - 12]) if one - 12 >= first else float("nan") for one in shown
                ],
            }
        )
    )


def describe_all_effects(
    turnover: Turnover, totals: pd.DataFrame, periods: dict[str, Days], known: list[str]
) -> pd.DataFrame:
    """EFFECTS of each comparison that is known, by customers and orders, and by products."""
    splits = {}
    for name in known:
        now, then = COMPARISONS[name]
        splits[name, BY_ORDERS] = split_by_orders(totals, now, then)
        splits[name, BY_PRODUCTS] = split_by_products(turnover, periods[now], periods[then])
    return describe_effects(splits, {name: totals.loc[COMPARISONS[name][1], "amount"] for name in known})


def compare_values(
    turnover: Turnover, periods: dict[str, Days], known: list[str], params: Params
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """VALUES and EXTREMES of every dimension."""
    periods = {one: days for one, days in periods.items() if one != TO_DATE}
    values, extremes = [], []
    for name in turnover.dimensions:
        ranked = engine.materialise(sum_values(turnover, name, periods))
        shown = engine.collect(fold_values(ranked, params.max_values), params.max_values + 2)
        values.append(describe_values(shown, known, turnover).assign(dimension=name))
        for comparison in known:
            now, then = COMPARISONS[comparison]
            whole = shown[f"amount_{KEYS[now]}"].sum() - shown[f"amount_{KEYS[then]}"].sum()
            for direction, sign in ((GROWTH, -1), (FALL, 1)):
                frame = engine.collect(find_extremes(ranked, now, then, sign, params.extremes), params.extremes)
                moved = frame["amount"] - frame["earlier_amount"]
                extremes.append(
                    frame.assign(
                        dimension=name,
                        comparison=comparison,
                        direction=direction,
                        change_amount=moved,
                        place=range(1, len(frame) + 1),
                        total_rate=[ratio(one, whole) for one in moved],
                    )  # fmt: skip
                )
    return stack(VALUES, values), stack(EXTREMES, extremes)


def describe_values(shown: pd.DataFrame, known: list[str], turnover: Turnover) -> pd.DataFrame:
    """VALUES of one dimension, without its name."""
    total = shown["amount_month"].sum()
    has_year, is_rest = LAST_YEAR in known, shown["is_rest"] > 0
    rows = shown.to_dict("records")
    return shown.assign(
        value=shown["label"],
        rank=shown["rank"].astype("Int64").mask(is_rest),
        rank_last_year=shown["rank_last_year"].astype("Int64").mask(is_rest | (not has_year)),
        amount=shown["amount_month"],
        amount_share=[ratio(one, total) for one in shown["amount_month"]],
        quantity=shown["quantity_month"].astype(float) if turnover.has_quantity else None,
        last_month_growth_rate=[_growth(one, LAST_MONTH, known) for one in rows],
        last_year_growth_rate=[_growth(one, LAST_YEAR, known) for one in rows],
        window_amount=shown["amount_window"],
        window_growth_rate=[_growth(one, BEFORE, known) for one in rows],
        margin_rate=[_margin(pd.Series(one), "window", turnover) for one in rows],
        last_month_amount=shown["amount_last_month"] if LAST_MONTH in known else None,
        last_year_amount=shown["amount_last_year"] if has_year else None,
        before_amount=shown["amount_before"] if BEFORE in known else None,
    )


def _growth(row: dict, comparison: str, known: list[str]) -> float:
    now, then = (KEYS[one] for one in COMPARISONS[comparison])
    return change(row[f"amount_{now}"], row[f"amount_{then}"]) if comparison in known else float("nan")


def of_dimension(values: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The rows of some dimensions, if there is more than one value."""
    part = values[values["dimension"].isin(names)]
    return part[part.groupby("dimension")["value"].transform("count") > 1].reset_index(drop=True)


def more_dimensions(values: pd.DataFrame) -> pd.DataFrame:
    """The rows of the dimensions that have no section of their own."""
    own = (REGION, CATEGORIES, CHANNEL, SALESPERSON, PRODUCT, CUSTOMER)
    return of_dimension(values, *[one for one in values["dimension"].unique() if one not in own])


def effects_of(result: Result, view: str) -> pd.DataFrame:
    """The parts of the change of the window, or where there is none before it of the month, in one view."""
    comparison = next((one for one in (BEFORE, LAST_YEAR, LAST_MONTH) if one in result.known), "")
    frame = of_comparison(result.effects, comparison)
    frame = frame[frame["view"] == view].reset_index(drop=True)
    return frame if any(frame["amount"]) else frame.head(0)


def of_kind(seasons: pd.DataFrame, kind: str) -> pd.DataFrame:
    return seasons[seasons["kind"] == kind].reset_index(drop=True)


def of_comparison(frame: pd.DataFrame, comparison: str) -> pd.DataFrame:
    return frame[frame["comparison"] == comparison].reset_index(drop=True)


def warn_of_seasons(years: int) -> list[str]:
    if years >= 2:
        return []
    return [_("The data hold less than two whole years: season and growth cannot be told apart yet.")]


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: the month, and the window, as they were a month and a year ago."""
    now = result.totals.set_index("period")

    def figure(name: str, period: str, column: str, unit: str, meaning: str) -> KeyFigure:
        past = [
            one.loc[period, column] if period in one.index else None
            for one in (result.earlier[LAST_MONTH], result.earlier[LAST_YEAR])
        ]
        return KeyFigure(
            name=name, value=now.loc[period, column], unit=unit, previous=past[0], last_year=past[1], meaning=meaning
        )

    figures = [
        figure(_("net sales"), THIS_MONTH, "amount", "money", _("Sales of the month less what came back in it.")),
        figure(
            _("sales of the window"), WINDOW, "amount", "money", _("The same over the last months that the window counts.")
        ),
        figure(_("customers who ordered"), THIS_MONTH, "n_customers", "count", _("Customers who ordered in the month.")),
        figure(
            _("sales per order"), THIS_MONTH, "average_order_amount", "money", _("Net sales of the month per order."),
        ),
        figure(
            _("margin"), THIS_MONTH, "margin_rate", "share",
            _("Profit as a share of the month's sales whose cost is known."),
        ),
    ]  # fmt: skip
    return [one for one in figures if one.value == one.value]


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    totals = result.totals.set_index("period")
    now = totals.loc[THIS_MONTH]
    told = [tell_total(totals, result.known, now, currency)]
    main = next((one for one in (LAST_YEAR, BEFORE, LAST_MONTH) if one in result.known), None)
    if BEFORE in result.known:
        one, other = totals.loc[WINDOW, "amount"], totals.loc[BEFORE, "amount"]
        told.append(
            _("Over the window ({months}) sales are {amount}, {change} on the window before.").format(
                months=totals.loc[WINDOW, "months"], amount=language.short_money(one, currency),
                change=_signed(change(one, other)))
        )  # fmt: skip
    if main:
        told += [
            *tell_effects(result, main, currency),
            *tell_extremes(result, BEFORE if BEFORE in result.known else main, currency),
        ]
    if now["margin_rate"] == now["margin_rate"]:
        n = int(totals.loc[WINDOW, "n_unprofitable"])
        told.append(
            counted(
                n,
                "The margin of the month is {margin}; over the window {n} customer cost more than it brought.",
                "The margin of the month is {margin}; over the window {n} customers cost more than they brought.",
                margin=language.percent(now["margin_rate"]),
            )
        )
    return told


def _signed(rate: float) -> str:
    return language.signed(round(rate, 3), language.percent) if rate == rate else "–"


def tell_total(totals: pd.DataFrame, known: list[str], now: pd.Series, currency: str) -> str:
    amount = language.short_money(now["amount"], currency)
    rates = {
        one: _signed(change(now["amount"], totals.loc[one, "amount"]))
        for one in (LAST_MONTH, LAST_YEAR)
        if one in known
    }
    if len(rates) == 2:
        return _(
            "Net sales of the month are {amount}: {last_month} on last month, {last_year} on the same month last year."
        ).format(amount=amount, last_month=rates[LAST_MONTH], last_year=rates[LAST_YEAR])
    if LAST_MONTH in rates:
        return _("Net sales of the month are {amount}: {last_month} on last month.").format(
            amount=amount, last_month=rates[LAST_MONTH]
        )
    return _("Net sales of the month are {amount}; there is no earlier month to compare with.").format(amount=amount)


def tell_effects(result: Result, comparison: str, currency: str) -> list[str]:
    """What made most of the change."""
    frame = result.effects[(result.effects["comparison"] == comparison) & (result.effects["view"] == BY_ORDERS)]
    if frame.empty or not any(frame["amount"]):
        return []
    parts = [
        _("{effect} {amount}").format(effect=_(one.effect), amount=language.signed_money(one.amount, currency))
        for one in frame.itertuples()
    ]
    text = {
        LAST_YEAR: _("What made the change on the same month last year ({amount}): {parts}."),
        LAST_MONTH: _("What made the change on last month ({amount}): {parts}."),
        BEFORE: _("What made the change on the window before ({amount}): {parts}."),
    }[comparison]
    return [text.format(amount=language.signed_money(frame["amount"].sum(), currency), parts=language.listed(parts))]


def tell_extremes(result: Result, comparison: str, currency: str) -> list[str]:
    """The strongest growth and the steepest fall of the first two dimensions that have one."""
    told, frame = [], of_comparison(result.extremes, comparison)
    several = of_dimension(result.values, *result.values["dimension"].unique())["dimension"].unique()
    for name in [one for one in (REGION, CATEGORIES, SALESPERSON, CHANNEL, TEAM, GROUP, CUSTOMER) if one in several]:
        first = frame[(frame["dimension"] == name) & (frame["place"] == 1)].set_index("direction")
        shown = {
            direction: _("“{value}” {amount}").format(
                value=charts.label(first.loc[direction, "value"]),
                amount=language.signed_money(first.loc[direction, "change_amount"], currency),
            )
            for direction in first.index
        }
        text = {
            (GROWTH, FALL): _("By {dimension}, the strongest growth is {growth}, the steepest fall {fall}."),
            (GROWTH,): _("By {dimension}, nothing fell; the strongest growth is {growth}."),
            (FALL,): _("By {dimension}, nothing grew; the steepest fall is {fall}."),
        }.get(tuple(one for one in (GROWTH, FALL) if one in shown))
        if text:
            told.append(text.format(dimension=_(name), growth=shown.get(GROWTH), fall=shown.get(FALL)))
    return told[:2]


# Charts.


def plot_months(months: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Sales by month."""
    ylabel = _("net sales ({currency})").format(currency=currency)
    return charts.columns(months, "month", "amount", language.short_number, ylabel=ylabel, ax=ax)


def plot_effects(effects: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """What made the change, part by part."""
    shown = effects.assign(effect=[_(one) for one in effects["effect"]])
    xlabel = _("part of the change ({currency})").format(currency=currency)
    return charts.bars(
        shown, "effect", "amount", lambda one: language.signed(one, language.short_number), xlabel=xlabel, ax=ax
    )


def plot_values(values: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """The window beside the one before, or the month where there is none, by value."""
    has_before = values["before_amount"].notna().any()
    least = (
        values["window_amount" if has_before else "amount"]
        .astype(float)
        .where(~values["value"].isin(NAMED), -float("inf"))
    )
    values = values.assign(least=-least).sort_values("least", kind="stable")
    shown = values.assign(value=[language.own(one, NAMED) for one in values["value"]])
    if not has_before:
        return charts.bars(shown, "value", "amount", language.short_number, xlabel=_("amount of the month"), ax=ax)
    names = {"window_amount": _("window"), "before_amount": _("window before")}
    xlabel = _("net sales ({currency})").format(currency=currency)
    return charts.paired_bars(shown, "value", names, language.short_number, xlabel=xlabel, ax=ax)


def plot_seasons(seasons: pd.DataFrame, kind: str, ax: Axes | None = None) -> Axes:
    """How many times a mean month or weekday each sells, by category."""
    own = of_kind(seasons, kind)
    name = {MONTH: language.month_name, WEEKDAY: language.weekday_name}[kind]
    matrix = own.pivot(index="category", columns="number", values="season_index").reindex(own["category"].unique())
    shown = matrix.rename(index=lambda one: language.own(one, (ALL, NOT_KNOWN)), columns=name)
    return charts.ratio_map(
        shown,
        lambda one: language.decimal(one, 2),
        xlabel=_(kind),
        ylabel=_("category") if len(shown) > 1 else "",
        ax=ax,
    )
