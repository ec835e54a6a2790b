"""Contracts → one row per customer as of a day: what runs, since when, and what ended.

A customer is *running* while any contract runs. A contract that starts on ``as_of`` or later is not known, and an end on ``as_of``
or later has not happened. *Their contract*, from which reason and attributes come, is the running one that started last; where
none runs, the one that ended last; of equals the one with the first id. An export without dates is known on its own day only.
"""

from __future__ import annotations

from datetime import date

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, mark
from crm_analysis.schema import CANONICAL, Column, Shape, day_number

DAYS_PER_MONTH = 365.25 / 12
# Months as a customer, to the last of them.
TENURE_STAGES = {
    mark("first 3 months"): 3, mark("4–12 months"): 12, mark("13–24 months"): 24, mark("25 months and more"): float("inf"),
}  # fmt: skip

CONTRACT_CUSTOMERS = Shape(
    "one row per customer with a contract that started before as_of; attributes follow",
    {
        "customer_id": Column("id", "the customer"),
        "is_running": Column("flag", "a contract runs"),
        "ended_day": Column("integer", "day on which the last one ended, days since 1970-01-01; empty where not known"),
        "tenure_months": Column("fraction", "months from the first start to as_of or to the end"),
        "monthly_amount": Column(
            "money", "amount per month of all that run; where none runs of the one that ended last"
        ),
        "total_amount": Column("money", "amount billed to date"),
        "end_reason": Column("text", "why the last one ended, as recorded"),
    },
)


def attributes_of(table: Table, name: str) -> list[str]:
    """The columns of a canonical table that the source's contract added as attributes."""
    own = {*CANONICAL[name].columns, "observed_date"}
    return [one for one in table.collect_schema().names() if one not in own]


def is_dated(contracts: Table) -> bool:
    return "started_date" in contracts.collect_schema().names()


def summarise_contracts(contracts: Table, as_of: date) -> Table:
    """CONTRACT_CUSTOMERS at ``as_of``, with the attributes of each customer's contract."""
    attributes = attributes_of(contracts, "contracts")
    known = _date(contracts, day_number(as_of)) if is_dated(contracts) else _take(contracts)
    known = _fill(known).with_columns(_stopped=1 - nw.col("is_running").cast(nw.Int64), _one=nw.lit(1))
    place = nw.col("_one").cum_sum().over("customer_id", order_by=["_stopped", "_age", "contract_id"])
    known = known.with_columns(_is_theirs=place == 1)
    theirs = known.filter("_is_theirs").select("customer_id", "ended_day", "end_reason", *attributes)
    sums = known.group_by("customer_id").agg(
        (nw.col("_stopped").min() == 0).alias("is_running"),
        nw.col("tenure_months").max(),
        *_sum(nw.when("is_running").then("monthly_amount"), "_running"),
        *_sum(nw.when("_is_theirs").then("monthly_amount"), "_last"),
        *_sum(nw.col("total_amount"), "total"),
    )
    is_running = nw.col("is_running")
    return (
        sums.join(theirs, on="customer_id", how="inner")
        .with_columns(
            **{
                f"{one}_amount": nw.when(nw.col(f"{one}_n") > 0).then(f"{one}_amount")
                for one in ("_running", "_last", "total")
            }
        )
        .with_columns(
            monthly_amount=nw.when(is_running).then("_running_amount").otherwise("_last_amount"),
            end_reason=nw.when(~is_running).then("end_reason"),
        )
        .select(*CONTRACT_CUSTOMERS.columns, *attributes)
    )


def _sum(amount: nw.Expr, name: str) -> list[nw.Expr]:
    """The sum, and how many amounts it has: the sum of none is empty, not zero."""
    return [amount.sum().alias(f"{name}_amount"), amount.count().alias(f"{name}_n")]


def _fill(contracts: Table) -> Table:
    """The columns that an export need not have."""
    money = nw.Decimal(18, 2)
    kinds = {"contract_id": nw.String, "end_reason": nw.String, "monthly_amount": money, "total_amount": money}
    found = contracts.collect_schema().names()
    lacking = {name: nw.lit(None).cast(kind) for name, kind in kinds.items() if name not in found}
    return contracts.with_columns(**lacking) if lacking else contracts


def _date(contracts: Table, day: int) -> Table:
    """Contracts with dates as known before a day: is_running, ended_day, and by ``_age`` the later one first."""
    contracts = engine.add_day_number(contracts, "_started", "started_date")
    contracts = engine.add_day_number(contracts, "_ended", "ended_date").filter(nw.col("_started") < day)
    has_ended = nw.col("_ended") < day
    known = contracts.with_columns(
        is_running=nw.col("_ended").is_null() | ~has_ended, ended_day=nw.when(has_ended).then("_ended")
    )
    first = nw.col("_started").min().over("customer_id")
    last = nw.coalesce("ended_day", nw.lit(day))
    return known.with_columns(
        tenure_months=(last - first) / DAYS_PER_MONTH,
        _age=-nw.coalesce("ended_day", "_started"),
        total_amount=nw.lit(None).cast(nw.Decimal(18, 2)),
    )


def _take(contracts: Table) -> Table:
    """Contracts without dates, as their export shows them; of one customer's the shortest tenure started last."""
    return contracts.with_columns(
        is_running=~nw.col("is_ended"),
        ended_day=nw.lit(None).cast(nw.Int32),
        tenure_months=nw.col("tenure_months").cast(nw.Float64),
        _age=nw.col("tenure_months").cast(nw.Float64),
    )


def known_contracts(tables: Tables, as_of: date) -> Table:
    """The table ``contracts``, of those with dates the ones that began before ``as_of``. Raises NotEnoughData E-PER-2 where it has no dates and is of another month than the one
    that ends before ``as_of``."""
    contracts = engine.as_table(tables["contracts"])
    if not is_dated(contracts):
        days = contracts.select(nw.col("observed_date").min())
        observed = engine.collect(days, 1)["observed_date"].iloc[0]
        if observed is None or f"{observed:%Y-%m}" != f"{date.fromordinal(as_of.toordinal() - 1):%Y-%m}":
            text = _("contracts without dates can only be reported for the month of their export, {month}")
            raise NotEnoughData("E-PER-2", text.format(month=f"{observed:%Y-%m}"), file="contracts")
        return contracts
    return contracts.filter(nw.col("started_date") < nw.lit(as_of))


def lose_contracts(contracts: Table, start: date, end: date) -> Table:
    """Who ran on the day ``start`` (CONTRACT_CUSTOMERS then), with ``is_lost``: nothing runs on the day ``end``, and nothing
    known begins on it, as a renewal does; the reason of then, and ``lost_amount``: of the lost, twelve times the monthly amount
    at ``start``."""
    before = summarise_contracts(contracts, start).filter("is_running").drop("end_reason")
    renewed = contracts.filter(nw.col("started_date") == nw.lit(end)).select("customer_id").unique()
    later = summarise_contracts(contracts, end).filter(~nw.col("is_running"))
    later = later.join(renewed, on="customer_id", how="anti")
    gone = later.select("customer_id", "end_reason", is_lost=nw.lit(True))
    return price(
        before.join(gone, on="customer_id", how="left").with_columns(is_lost=nw.col("is_lost").fill_null(False))
    )


def price(customers: Table) -> Table:
    """``lost_amount`` of those with ``is_lost``: twelve times their monthly amount."""
    return customers.with_columns(lost_amount=nw.when("is_lost").then(nw.col("monthly_amount") * 12))


def count_tenures(customers: Table, group: str | None = None) -> Table:
    """How many customers (CONTRACT_CUSTOMERS) have which tenure, in months begun, and whether they run, by an attribute."""
    by = {"group": nw.col(group)} if group else {}
    tenure = customers.with_columns(t=nw.col("tenure_months").ceil(), **by)
    return tenure.group_by(*by, "t", "is_running").agg(weight=nw.len()).sort(*by, "t", "is_running")


def add_tenure_stage(customers: Table, name: str) -> Table:
    """The stage of TENURE_STAGES, from ``tenure_months``."""
    months = nw.col("tenure_months")
    stages = [nw.when(months <= last).then(nw.lit(stage)) for stage, last in TENURE_STAGES.items()]
    return customers.with_columns(nw.coalesce(*stages).alias(name))
