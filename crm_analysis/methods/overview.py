"""The month in one report: how it went, what explains it, where the reports disagree, and what to do first.

It computes nothing about orders: it reads the result tables of the month's other reports, so that a figure is the same in both.

Definitions. *Key figures*: those of the front page, and of the lifecycle report the customers won back and lapsed; *retention*: one
less the lapsed as a share of those active a month before; *returning*: customers of the month less new ones. *Targets* are for the month.
*Satisfaction*: the mean rating given in the month, in the source's own points. *What explains the change*: the sales report's parts and
extremes. *Disagreement*: reports that tell who is gone are asked about each customer; a customer about whom one says *there* and another
*gone* is counted, with their amount to date. *Actions*: the merged list has each customer once, under the advice that is most
urgent; they are summed by report and advice. What advice is worth is what its report takes it to be worth: reports mean different things.

Source: Kaplan and Norton (1992) for figures beside targets.

It cannot tell which report is right about a customer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations

import narwhals as nw
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import customers_at
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import Run, first_of_month, nearest
from crm_analysis.schema import Column, KeyFigure, Shape
from crm_analysis.turnover.effects import BY_ORDERS

REQUIRES = ()
# It is made after the others, from their tables, which are named ``report.table``.
READS_RESULTS = True
# Where the report stands in the pack.
PLACE = 0

N_MONTHS, N_ACTIONS, N_CONFLICTS, N_CUSTOMERS, MAX_ADVICE = 13, 5, 10, 15, 1000
# A figure's name, its unit, and whether more of it is better.
FIGURES = {
    "net_amount": (mark("net sales"), "money", True),
    "n_orders": (mark("orders"), "count", True),
    "average_order_amount": (mark("sales per order"), "money", True),
    "returned_share": (mark("returns"), "share", False),
    "n_customers": (mark("customers who ordered"), "count", True),
    "n_new_customers": (mark("new customers"), "count", True),
    "n_returning_customers": (mark("returning customers"), "count", True),
    "n_won_back": (mark("customers won back"), "count", True),
    "n_lapsed": (mark("customers lapsed"), "count", False),
    "retention_rate": (mark("retention"), "share", True),
    "n_running": (mark("running customers"), "count", True),
    "monthly_amount": (mark("amount per month"), "money", True),
    "n_ended": (mark("customers lost"), "count", False),
    "mean_rating": (mark("satisfaction"), "number", True),
}
# Two rows of four.
ON_CARDS = (
    "net_amount", "n_customers", "n_new_customers", "average_order_amount", "n_won_back", "n_lapsed", "retention_rate",
    "mean_rating", "n_running", "monthly_amount", "n_ended",
)  # fmt: skip
MET, MISSED = mark("met"), mark("missed")
# The reports as people call them.
REPORTS = {
    "rfm": mark("RFM"), "decile": mark("decile analysis"), "cpm": mark("customer portfolio"), "value_matrix": mark("value matrix"),
    "key_accounts": mark("key accounts"), "ctb": mark("CTB"), "ltv": mark("lifetime value"), "churn": mark("churn"),
    "lifecycle": mark("lifecycle"), "segments": mark("segments"), "sales": mark("sales"),
}  # fmt: skip
# As the sales report and churn name them.
LAST_MONTH, LAST_YEAR, BY_ORDER = mark("last month"), mark("same month last year"), mark("orders")
LAPSED, NOT_LAPSED = mark("lapsed"), mark("not lapsed")
PROBABLY_THERE, PROBABLY_GONE = mark("probably still there"), mark("probably gone")

SCORECARD = Shape(
    "one row per key figure",
    {
        "figure": Column("label", "figure"),
        "now": Column("figure", "this month"),
        "on_last_month": Column("figure", "on last month"),
        "on_last_year": Column("figure", "on last year"),
        "goal": Column("figure", "target"),
        "reached": Column("label", "reached"),
        "value": Column("fraction", "this month as a number"),
        "previous": Column("fraction", "last month as a number"),
        "last_year": Column("fraction", "a year ago as a number"),
        "target": Column("fraction", "target as a number"),
    },
)
SHOWN = ("figure", "now", "on_last_month", "on_last_year", "goal", "reached")
TYPES = {"money": "money", "count": "integer", "share": "fraction", "number": "fraction"}
MONTHS = Shape(
    "one row per month",
    {
        "month": Column("text", "month"),
        **{name: Column(TYPES[unit], words) for name, (words, unit, _more) in FIGURES.items()},
    },
)
EFFECTS = Shape(
    "one row per part of the change",
    {
        "comparison": Column("label", "compared with"),
        "effect": Column("label", "part of the change"),
        "amount": Column("money", "its part of the change"),
    },
)
MOVERS = Shape(
    "one row per customer, product or other part of the sales that moved most",
    {
        "dimension": Column("label", "what"),
        "value": Column("text", "which"),
        "comparison": Column("label", "compared with"),
        "amount": Column("money", "amount now"),
        "earlier_amount": Column("money", "amount then"),
        "change_amount": Column("money", "change"),
        "total_rate": Column("fraction", "of the whole change"),
    },
)
CONFLICTS = Shape(
    "one row per pair of reports and of what they say, the most money first",
    {
        "there": Column("label", "report that says there"),
        "there_label": Column("label", "what it says"),
        "gone": Column("label", "report that says gone"),
        "gone_label": Column("label", "what that says"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount to date"),
    },
)
ADVICE = Shape(
    "one row per report and advice, that which is expected to be worth most first",
    {
        "report": Column("label", "report"),
        "action": Column("text", "what to do"),
        "n_customers": Column("integer", "customers"),
        "priority": Column("integer", "most urgent priority"),
        "expected_amount": Column("money", "expected value"),
    },
)


def _by_label(column: str, gone: tuple[str, ...]) -> Callable[[], tuple[nw.Expr, nw.Expr]]:
    return lambda: (nw.col(column), ~nw.col(column).is_in(gone))


def _by_flag() -> tuple[nw.Expr, nw.Expr]:
    return nw.when("is_lapsed").then(nw.lit(LAPSED)).otherwise(nw.lit(NOT_LAPSED)), ~nw.col("is_lapsed")


def _by_chance() -> tuple[nw.Expr, nw.Expr]:
    is_there = nw.col("alive_prob") >= 0.5
    return nw.when(is_there).then(nw.lit(PROBABLY_THERE)).otherwise(nw.lit(PROBABLY_GONE)), is_there


# The reports that tell who is gone: what they call a customer, and whether that means there.
WITNESSES = {
    "rfm": _by_label("segment", ("cannot lose", "at risk", "about to sleep", "hibernating")),
    "ltv": _by_chance,
    "churn": _by_flag,
    "cpm": _by_label(
        "segment",
        ("first-time leaver", "toddler leaver", "steady leaver", "trend leaver", "excellent leaver"),
    ),
    "lifecycle": _by_label("stage", ("lapsed",)),
}


DISPUTED = Shape(
    "one row per customer about whom reports disagree, the most money first",
    {
        "customer_id": Column("id", "customer"),
        "amount": Column("money", "amount to date"),
        "n_there": Column("integer", "reports that say there"),
        "n_gone": Column("integer", "reports that say gone"),
        **{f"{name}_label": Column("label", REPORTS[name]) for name in WITNESSES},
    },
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """``targets``: figure → what it should be this month; of returns, lapsed and lost customers, at most that."""

    targets: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.targets:
            if name not in FIGURES:
                raise ValueError(f"unknown figure '{name}' in targets{nearest(name, FIGURES)}")


@dataclass(frozen=True)
class Result:
    """``customers`` has one row per disputed customer and stays in the engine. ``n_asked``: customers that two reports know."""

    customers: Table
    months: pd.DataFrame
    figures: dict[str, KeyFigure]
    effects: pd.DataFrame
    movers: pd.DataFrame
    conflicts: pd.DataFrame
    disputed: pd.DataFrame
    n_asked: int
    n_disputed: int
    disputed_amount: object
    advice: pd.DataFrame
    n_advised: int
    missing: list[str]


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """What the reports on ``run.month`` say together. ``tables`` holds their results, too. Raises NotEnoughData without any."""
    months = describe_months(tables, run)
    figures = list_figures(months)
    comparison = choose_comparison(tables)
    verdicts = ask_witnesses(tables, run)
    asked, n_disputed, amount = engine.collect(count_disputed(verdicts), 1).iloc[0]
    disputed = engine.materialise(list_disputed(verdicts))
    advice = read_advice(tables)
    return Result(
        customers=disputed.drop("_less"),
        months=months,
        figures=figures,
        effects=read_effects(tables, comparison),
        movers=read_movers(tables, comparison),
        conflicts=CONFLICTS.frame(count_conflicts(verdicts)),
        disputed=DISPUTED.frame(engine.collect(disputed.sort("_less", "customer_id").head(N_CUSTOMERS), N_CUSTOMERS)),
        n_asked=int(asked),
        n_disputed=int(n_disputed),
        disputed_amount=amount,
        advice=ADVICE.frame(advice.head(N_ACTIONS)),
        n_advised=int(advice["n_customers"].sum()),
        missing=[
            one for one in ("sales", "lifecycle", *WITNESSES) if not any(name.startswith(f"{one}.") for name in tables)
        ],
    )


# --- the month's figures ---------------------------------------------------------------------------------------------


def describe_months(tables: Tables, run: Run) -> pd.DataFrame:
    """MONTHS, without the figures that the source does not tell. Raises NotEnoughData E-MIN-1 without a month."""
    if "index.months" not in tables:
        raise NotEnoughData("E-MIN-1", _("the front page has no figures by month"), file="months")
    months = engine.collect(tables["index.months"], N_MONTHS)
    if months.empty:
        raise NotEnoughData("E-MIN-1", _("the front page has no figures by month"), file="months")
    if "lifecycle.rates" in tables:
        rates = engine.collect(tables["lifecycle.rates"], 10 * N_MONTHS)
        rates["retention_rate"] = 1 - rates["lapsed_rate"]
        months = months.merge(rates[["month", "n_won_back", "n_lapsed", "retention_rate"]], on="month", how="left")
    if "n_new_customers" in months:
        months["n_returning_customers"] = months["n_customers"] - months["n_new_customers"]
    if (ratings := rate_months(tables, run)) is not None:
        months = months.merge(ratings, on="month", how="left")
    return months[[one for one in MONTHS.columns if one in months]]


def rate_months(tables: Tables, run: Run) -> pd.DataFrame | None:
    """The mean rating of each of the last months."""
    if "feedback" not in tables or "rating" not in engine.as_table(tables["feedback"]).collect_schema().names():
        return None
    given = nw.col("given_at")
    start = first_of_month(run.month, 1 - N_MONTHS)
    ratings = engine.as_table(tables["feedback"]).filter(given < nw.lit(run.as_of), given >= nw.lit(start))
    number = 12 * given.dt.year().cast(nw.Int64) + given.dt.month().cast(nw.Int64) - 1
    means = (
        ratings.with_columns(_month=number).group_by("_month").agg(mean_rating=nw.col("rating").cast(nw.Float64).mean())
    )
    found = engine.collect(means, N_MONTHS)
    found["month"] = [f"{number // 12}-{number % 12 + 1:02}" for number in found.pop("_month")]
    return found


def list_figures(months: pd.DataFrame) -> dict[str, KeyFigure]:
    """The last month's figures beside those of the month before and of a year before."""

    def at(name: str, back: int) -> object:
        return months[name].iloc[-back] if len(months) >= back else None

    return {
        name: KeyFigure(name=_(words), unit=unit, value=at(name, 1), previous=at(name, 2), last_year=at(name, 13))
        for name, (words, unit, _more) in FIGURES.items()
        if name in months
    }


def describe_scorecard(figures: dict[str, KeyFigure], params: Params, currency: str) -> pd.DataFrame:
    """SCORECARD: the figures in words, and as numbers for whoever reckons with them."""
    rows = []
    for name, one in figures.items():
        words, unit, more_is_better = FIGURES[name]
        goal, reached = params.targets.get(name), None
        if goal is not None and not pd.isna(one.value):
            is_met = float(one.value) >= goal if more_is_better else float(one.value) <= goal
            reached = MET if is_met else MISSED
        rows.append(
            {
                "figure": words, "now": show(one.value, unit, currency), "on_last_month": show_change(one, one.previous),
                "on_last_year": show_change(one, one.last_year), "goal": show(goal, unit, currency), "reached": reached,
                "value": one.value, "previous": one.previous, "last_year": one.last_year, "target": goal,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(SCORECARD.columns))
    numbers = ["value", "previous", "last_year", "target"]
    return SCORECARD.frame(frame.assign(**{one: frame[one].astype(float) for one in numbers}))


def show(value: object, unit: str, currency: str) -> str | None:
    return None if pd.isna(value) else language.measured(value, unit, currency)


def show_change(one: KeyFigure, earlier: object) -> str | None:
    return None if pd.isna(one.value) or pd.isna(earlier) else language.changed(one.value, earlier, one.unit)


def choose_comparison(tables: Tables) -> str:
    """With what the sales report compares the month: the same month last year where it knows it, else last month; '' without."""
    if "sales.effects" not in tables:
        return ""
    known = set(engine.collect(tables["sales.effects"].select("comparison").unique(), 10)["comparison"])
    return next((one for one in (LAST_YEAR, LAST_MONTH) if one in known), "")


# --- what explains the change ----------------------------------------------------------------------------------------


def read_effects(tables: Tables, comparison: str) -> pd.DataFrame:
    if not comparison:
        return EFFECTS.frame(pd.DataFrame(columns=list(EFFECTS.columns)))
    is_shown = (nw.col("comparison") == comparison) & (nw.col("view") == BY_ORDERS)
    return EFFECTS.frame(engine.collect(tables["sales.effects"].filter(is_shown), 20))


def read_movers(tables: Tables, comparison: str) -> pd.DataFrame:
    """What moved most, up or down, whatever it is."""
    name = {LAST_YEAR: "sales.extremes_year", LAST_MONTH: "sales.extremes_month"}.get(comparison)
    if name not in tables:
        return MOVERS.frame(pd.DataFrame(columns=list(MOVERS.columns)))
    frame = engine.collect(tables[name], 1000)
    size = frame["change_amount"].map(abs)
    frame = frame.assign(size=size).sort_values(["size", "dimension", "value"], ascending=[False, True, True])
    return MOVERS.frame(frame)


# --- where the reports disagree --------------------------------------------------------------------------------------


def ask_witnesses(tables: Tables, run: Run) -> Table:
    """One row per customer with orders: amount to date, and of each report that tells who is gone what it calls the customer
    (``<report>_label``) and whether that means there (``<report>_there``)."""
    if "orders" not in tables:
        nobody = pa.schema(
            {"customer_id": pa.string(), "amount": pa.decimal128(18, 2), "n_there": pa.int64(), "n_gone": pa.int64()}
        )
        return engine.as_table(nobody.empty_table())
    names = [one for one in WITNESSES if f"{one}.customers" in tables]
    verdicts = customers_at(tables, run.as_of, "customer_id", "net_amount").rename({"net_amount": "amount"})
    for name in names:
        label, is_there = WITNESSES[name]()
        columns = {f"{name}_label": label, f"{name}_there": is_there}
        told = tables[f"{name}.customers"]
        if "part" in told.collect_schema().names():
            told = told.filter(nw.col("part") == BY_ORDER)
        verdicts = verdicts.join(told.select("customer_id", **columns), on="customer_id", how="left")
    there, gone = (
        nw.sum_horizontal(nw.lit(0), *[_counts(nw.col(f"{one}_there"), wanted) for one in names]).cast(nw.Int64)
        for wanted in (True, False)
    )
    return engine.materialise(verdicts.with_columns(n_there=there, n_gone=gone))


def _counts(is_there: nw.Expr, wanted: bool) -> nw.Expr:
    return (is_there == nw.lit(wanted)).fill_null(False).cast(nw.Int64)


IS_DISPUTED = (nw.col("n_there") > 0) & (nw.col("n_gone") > 0)


def count_disputed(verdicts: Table) -> Table:
    """How many customers two reports know, how many are disputed, and their amount."""
    return verdicts.select(
        asked=((nw.col("n_there") + nw.col("n_gone")) > 1).cast(nw.Int64).sum(),
        disputed=IS_DISPUTED.cast(nw.Int64).sum(),
        amount=nw.when(IS_DISPUTED).then("amount").sum(),
    )


def list_disputed(verdicts: Table) -> Table:
    """DISPUTED; nothing in the column of a report that was not asked."""
    absent = [one for one in DISPUTED.columns if one not in verdicts.collect_schema().names()]
    nobody = {name: nw.lit(None).cast(nw.String) for name in absent}
    disputed = verdicts.filter(IS_DISPUTED).with_columns(_less=-nw.col("amount"), **nobody)
    return disputed.select(*DISPUTED.columns, "_less")


def count_conflicts(verdicts: Table) -> pd.DataFrame:
    """Per pair of reports and of what they call a customer: those of whom one says there and the other gone."""
    found = []
    names = [one for one in WITNESSES if f"{one}_there" in verdicts.collect_schema().names()]
    for there, gone in permutations(names, 2):
        pairs = verdicts.filter(nw.col(f"{there}_there"), ~nw.col(f"{gone}_there"))
        found.append(
            pairs.select("amount", there_label=f"{there}_label", gone_label=f"{gone}_label")
            .group_by("there_label", "gone_label")
            .agg(n_customers=nw.len().cast(nw.Int64), amount=nw.col("amount").sum())
            .with_columns(there=nw.lit(REPORTS[there]), gone=nw.lit(REPORTS[gone]))
            .select(*CONFLICTS.columns)
        )
    if not found:
        return pd.DataFrame(columns=list(CONFLICTS.columns))
    ordered = nw.concat(found).with_columns(_less=-nw.col("amount"))
    ordered = ordered.sort("_less", "there", "there_label", "gone", "gone_label")
    return engine.collect(ordered.head(N_CONFLICTS).drop("_less"), N_CONFLICTS)


# --- what to do ------------------------------------------------------------------------------------------------------


def read_advice(tables: Tables) -> pd.DataFrame:
    """ADVICE, all of it."""
    if "index.actions" not in tables:
        return pd.DataFrame(columns=list(ADVICE.columns))
    sums = tables["index.actions"].group_by("method", "action").agg(
        n_customers=nw.len().cast(nw.Int64), priority=nw.col("priority").min(), expected_amount=nw.col("expected_amount").sum()
    )  # fmt: skip
    frame = engine.collect(sums, MAX_ADVICE)
    order = frame.assign(
        worth=frame["expected_amount"].astype(float).fillna(0),
        report=[REPORTS.get(one, one) for one in frame["method"]],
    )
    order = order.sort_values(["worth", "n_customers", "action"], ascending=[False, False, True])
    return order[list(ADVICE.columns)].reset_index(drop=True)


# --- words -----------------------------------------------------------------------------------------------------------


def key_figures(result: Result) -> list[KeyFigure]:
    return [figure for name, figure in result.figures.items() if name in ON_CARDS]


def findings(result: Result, scorecard: pd.DataFrame, currency: str) -> list[str]:
    """What the month was, in sentences."""
    told = [
        *tell_figures(result, currency), tell_movers(result, currency), tell_targets(scorecard),
        tell_disputed(result, currency), tell_advice(result, currency),
    ]  # fmt: skip
    return [one for one in told if one]


def tell_figures(result: Result, currency: str) -> list[str]:
    first = next(iter(result.figures.values()))
    value = show(first.value, first.unit, currency)
    changes = [
        words.format(change=change)
        for earlier, words in (
            (first.last_year, _("{change} on the same month last year")),
            (first.previous, _("{change} on last month")),
        )
        if (change := show_change(first, earlier))
    ]
    name = f"{first.name[:1].upper()}{first.name[1:]}"
    told = [
        _("{figure}: {value} ({changes}).").format(figure=name, value=value, changes=language.listed(changes))
        if changes
        else _("{figure}: {value}.").format(figure=name, value=value)
    ]
    if len(result.effects):
        parts = [
            f"{_(row.effect)} {language.signed_money(row.amount, currency)}" for row in result.effects.itertuples()
        ]
        text = {
            LAST_YEAR: _("What made the change on the same month last year ({amount}): {parts}."),
            LAST_MONTH: _("What made the change on last month ({amount}): {parts}."),
        }[result.effects["comparison"].iloc[0]]
        amount = language.signed_money(result.effects["amount"].sum(), currency)
        told.append(text.format(amount=amount, parts=language.listed(parts)))
    return told


def tell_movers(result: Result, currency: str) -> str:
    if not len(result.movers):
        return ""
    parts = [
        _("{what} {which} ({amount})").format(
            what=_(row.dimension), which=row.value, amount=language.signed_money(row.change_amount, currency)
        )
        for row in result.movers.drop_duplicates("dimension").head(3).itertuples()
    ]  # fmt: skip
    return _("Moved most: {parts}.").format(parts=language.listed(parts))


def tell_targets(scorecard: pd.DataFrame) -> str:
    judged = scorecard[scorecard["reached"].notna()]
    if not len(judged):
        return ""
    missed = [_(one) for one in judged.loc[judged["reached"] == MISSED, "figure"]]
    n_met = len(judged) - len(missed)
    met = counted(
        n_met,
        "{n} target of {all} was met",
        "{n} targets of {all} were met",
        all=language.integer(len(judged)),
    )
    return _("{met}; missed: {missed}.").format(met=met, missed=language.listed(missed)) if missed else f"{met}."


def tell_disputed(result: Result, currency: str) -> str:
    if not result.n_asked:
        return ""
    if not result.n_disputed:
        return _("The reports agree about every customer: who is there, and who is gone.")
    told = counted(
        result.n_disputed,
        "About {n} customer of {all} the reports disagree whether they are gone: {amount} to date.",
        "About {n} customers of {all} the reports disagree whether they are gone: {amount} to date.",
        all=language.integer(result.n_asked), amount=language.short_money(result.disputed_amount, currency),
    )  # fmt: skip
    there, there_label, gone, gone_label, n, _amount = result.conflicts.iloc[0]
    largest = counted(
        int(n),
        "The largest conflict: {n} customer is “{there_label}” for {there} and “{gone_label}” for {gone}.",
        "The largest conflict: {n} customers are “{there_label}” for {there} and “{gone_label}” for {gone}.",
        there_label=_(there_label), there=_(there), gone_label=_(gone_label), gone=_(gone),
    )  # fmt: skip
    return language.together(told, largest)


def tell_advice(result: Result, currency: str) -> str:
    if not len(result.advice):
        return ""
    first = result.advice.iloc[0]
    return counted(
        int(first["n_customers"]),
        "Worth most by what is expected: “{action}” for {n} customer ({report}, {amount}).",
        "Worth most by what is expected: “{action}” for {n} customers ({report}, {amount}).",
        action=first["action"], report=_(first["report"]), amount=show(first["expected_amount"], "money", currency),
    )  # fmt: skip


def list_missing(result: Result) -> list[str]:
    """A warning that names the reports whose results are not there."""
    if not result.missing:
        return []
    return [
        _("Not asked, since there is no such report this month: {reports}.").format(
            reports=language.listed([_(REPORTS[one]) for one in result.missing])
        )
    ]


# --- charts ----------------------------------------------------------------------------------------------------------


def plot_months(months: pd.DataFrame, currency: str) -> Axes:
    """The first figure month by month."""
    name = months.columns[1]
    words, unit, _more = FIGURES[name]
    shown = months.assign(month=[language.month(one) for one in months["month"]], **{name: months[name].astype(float)})
    return charts.columns(shown, "month", name, lambda one: language.measured(one, unit, currency), ylabel=_(words))


def plot_effects(effects: pd.DataFrame, currency: str) -> Axes:
    """The parts of the change."""
    shown = effects.assign(effect=[_(one) for one in effects["effect"]])
    return charts.bars(
        shown, "effect", "amount", lambda one: language.signed_money(one, currency), xlabel=_("part of the change")
    )
