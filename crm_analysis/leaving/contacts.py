"""Whom to contact before they leave: money at risk, what a contact is expected to bring, and what to do.

A contact is expected to bring probability × success rate × value − cost: it keeps that share of those who would leave. After the
expected profit of Verbraken, Verbeke and Baesens (2013), with one cost and one success rate for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import _, mark
from crm_analysis.schema import KEEP, WIN_BACK, Column, Shape, action_list

PROFIT_STEPS = 200
# A personal contact is for those of whom it brings this many times its cost.
PERSONAL_RETURN = 5

_CUSTOMER = {
    "churn_prob": Column("fraction", "probability"),
    "value_amount": Column("money", "value of a year"),
    "at_risk_amount": Column("money", "money at risk"),
    "days_since_last_order": Column("integer", "days since the last order"),
    "tenure_months": Column("quantity", "months as a customer"),
}
SCORED = Shape(
    "one row per customer whose future is forecast, and part that tells it",
    {
        "customer_id": Column("id", "customer"),
        "part": Column("label", "told by"),
        "segment": Column("label", "stage"),
        "is_lapsed": Column("flag", "has lapsed already"),
        **_CUSTOMER,
    },
)
LIST = action_list(
    Column("label", "stage"),
    mark("expected gain of a contact, less its cost"),
    {**_CUSTOMER, "part": Column("label", "told by")},
)
TOP = Shape(
    "one row per customer, the first of the list",
    {
        **{name: LIST.columns[name] for name in ("customer_id", "segment")},
        "reason": Column("text", "what raises the forecast most"),
        **{name: LIST.columns[name] for name in ("churn_prob", "value_amount", "at_risk_amount")},
    },
)
PROFIT = Shape(
    "one row per number of customers contacted, those with most money at risk first",
    {
        "n_contacted": Column("integer", "customers contacted"),
        "profit_amount": Column("money", "expected profit"),
    },
)

# By priority and stage.
ADVICE = {
    1: {
        "first order": mark("Write personally: ask how the first order went, offer help and a reason for the second"),
        "second order": mark("Write personally: recommend what goes with the last order, with a reward for the next"),
        "regular": mark("Telephone: ask what has changed, make a personal offer"),
        "first 3 months": mark("Telephone: help them get started, settle what is open"),
        "4–12 months": mark("Telephone: check that the contract fits, offer a better one"),
        "13–24 months": mark("Telephone: thank them, ask what would keep them, offer a better contract"),
        "25 months and more": mark("Telephone: thank them for their loyalty, ask what would keep them"),
    },
    2: {
        "first order": mark("Send an offer for the second order"),
        "second order": mark("Send an offer for what goes with the last order"),
        "regular": mark("Send an offer from what they usually buy"),
        "first 3 months": mark("Write: help with the start, whom to ask"),
        "4–12 months": mark("Write: offer a contract that fits better"),
        "13–24 months": mark("Write: offer a reason to stay"),
        "25 months and more": mark("Write: thank them, offer a reason to stay"),
    },
}
NO_CONTACT = mark("Automatic message only: a contact costs more than it is expected to bring")


def rank_by_risk(customers: Table, cost_amount: float, success_rate: float) -> Table:
    """``customers`` (SCORED) with ``profit_amount``, expected of a contact, and ``place``: 1 has most money at risk, of equals the
    likelier to leave, then by id."""
    profit = nw.col("at_risk_amount") * success_rate - cost_amount
    return _place(customers, "customer_id").with_columns(profit_amount=profit)


def _place(customers: Table, last: str, over: str | None = None) -> Table:
    order = ["_less_money", "_less_likely", last]
    ordered = customers.with_columns(
        _less_money=-nw.col("at_risk_amount"), _less_likely=-nw.col("churn_prob"), _one=nw.lit(1)
    )
    place = nw.col("_one").cum_sum().over(*([over] if over else []), order_by=order).cast(nw.Int64)
    return ordered.with_columns(place=place).drop("_less_money", "_less_likely", "_one")


def choose(ranked: Table, at_least: int) -> Table:
    """Those whom contacting pays, and so many at least."""
    return ranked.filter((nw.col("profit_amount") > 0) | (nw.col("place") <= at_least))


def advise(chosen: Table, reasons: Table, cost_amount: float) -> Table:
    """LIST from the chosen and their reasons: in person where that pays, by letter, or with nothing that costs."""
    profit = nw.col("profit_amount")
    is_personal = (profit > 0) & (profit >= (PERSONAL_RETURN - 1) * cost_amount)
    priority = nw.when(is_personal).then(nw.lit(1)).when(profit > 0).then(nw.lit(2)).otherwise(nw.lit(4))
    actions = [
        nw.when((nw.col("priority") == number) & (nw.col("segment") == stage)).then(nw.lit(_(text)))
        for number, texts in ADVICE.items()
        for stage, text in texts.items()
    ]
    advised = chosen.join(reasons, on="customer_id", how="inner").with_columns(
        priority=priority,
        stance=nw.when("is_lapsed").then(nw.lit(WIN_BACK)).otherwise(nw.lit(KEEP)),
        expected_amount=engine.as_money(profit),
    )
    advised = advised.with_columns(action=nw.coalesce(*actions, nw.lit(_(NO_CONTACT))))
    return advised.select(*LIST.columns)


def list_once(lists: Sequence[Table]) -> Table:
    """LIST of several parts, in order, with each customer once: by the part with more money at risk."""
    once = _place(nw.concat(list(lists)), "part", over="customer_id").filter(nw.col("place") == 1)
    return _place(once.drop("place"), "customer_id").sort("place").select(*LIST.columns)


def describe_profit(ranked: Table) -> pd.DataFrame:
    """PROFIT in PROFIT_STEPS steps of equal size, from nobody on."""
    n = max(engine.n_rows(ranked), 1)
    step = ((nw.col("place") - 1) * min(PROFIT_STEPS, n)) // n
    sums = ranked.group_by(step.alias("step")).agg(nw.col("place").max(), nw.col("profit_amount").sum())
    steps = engine.collect(sums.sort("step"), PROFIT_STEPS)
    return PROFIT.frame(
        pd.DataFrame(
            {
                "n_contacted": [0, *steps["place"]],
                "profit_amount": [0.0, *steps["profit_amount"].astype(float).cumsum().round(2)],
            }
        )
    )


def sum_up(ranked: Table) -> dict[str, object]:
    """How many there are, how many are likelier than not to leave, their value, their money at risk, with how many contacting
    pays, and what it brings with these."""
    pays = nw.when(nw.col("profit_amount") > 0)
    sums = ranked.select(
        n_customers=nw.len(),
        n_likely=(nw.col("churn_prob") > 0.5).cast(nw.Int64).sum().cast(nw.Int64),
        value_amount=nw.col("value_amount").sum(),
        at_risk_amount=nw.col("at_risk_amount").sum(),
        n_pays=pays.then("profit_amount").count(),
        profit_amount=pays.then("profit_amount").sum(),
    )
    return {name: column.iloc[0] for name, column in engine.collect(sums, 1).items()}
