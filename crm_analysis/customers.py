"""Orders → one row per customer as of a day.

Source of the definitions: an order is a visit, a return is not; net is sales less returns; whoever has at least one order
before ``as_of`` is a customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import counted
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import CUSTOMERS, day_number

# Below this share of the sales a margin says too little of the rest.
COSTED_SHARE = 0.8
# The folder of a run, beside its bundle, with what several of its reports start from.
SHARED = "shared"
ORDER_DAYS = ("n_order_days", "mean_days_between_orders")


@dataclass(frozen=True, kw_only=True)
class AmountChoice:
    """Parameter ``amount`` of a method: which amount of a customer counts, net of returns or gross."""

    amount: Literal["net", "gross"] = "net"

    @property
    def amount_column(self) -> str:
        return f"{self.amount}_amount"


def known_orders(tables: Tables, as_of: date) -> Table:
    """The rows of ``orders`` before ``as_of``, those without a customer included. Nothing later may be looked at."""
    return engine.as_table(tables["orders"]).filter(nw.col("ordered_day") < day_number(as_of))


def summarise_customers(orders: Table, as_of: date, *, count_days: bool = True) -> Table:
    """One row per customer with an order before ``as_of`` (schema.CUSTOMERS), from schema.ORDERS. ``count_days=False`` leaves
    out n_order_days and mean_days_between_orders: to count distinct days costs more than all the rest."""
    day, is_order = nw.col("ordered_day"), nw.col("is_order")
    orders = orders.filter(~nw.col("customer_id").is_null(), day < day_number(as_of)).with_columns(
        order_day=nw.when(is_order).then(day)
    )
    sums = ("gross_amount", "returned_amount", "net_amount", "profit_amount")
    by_customer = orders.group_by("customer_id").agg(
        nw.col("order_day").min().alias("first_ordered_day"),
        nw.col("order_day").max().alias("last_ordered_day"),
        is_order.cast(nw.Int64).sum().cast(nw.Int64).alias("n_orders"),
        *([_count_days()] if count_days else []),
        *[nw.col(name).sum() for name in sums],
        nw.col("profit_amount").count().alias("n_profits"),
        nw.len().alias("n_rows"),
    )
    by_customer = by_customer.filter(nw.col("n_orders") > 0).with_columns(
        days_since_last_order=day_number(as_of) - nw.col("last_ordered_day"),
        tenure_days=nw.col("last_ordered_day") - nw.col("first_ordered_day"),
        average_order_amount=nw.col("net_amount").cast(nw.Float64) / nw.col("n_orders"),
        profit_amount=nw.when(nw.col("n_profits") == nw.col("n_rows")).then("profit_amount"),
    )
    if not count_days:
        return by_customer.select(*[one for one in CUSTOMERS.columns if one not in ORDER_DAYS])
    return by_customer.with_columns(
        mean_days_between_orders=nw.when(nw.col("n_order_days") > 1).then(
            nw.col("tenure_days") / (nw.col("n_order_days") - 1)
        )
    ).select(*CUSTOMERS.columns)


def _count_days() -> nw.Expr:
    # The empty day of a return would be counted as one more.
    has_empty = 1 - nw.col("is_order").cast(nw.Int64).min()
    return (nw.col("order_day").n_unique() - has_empty).alias("n_order_days")


def materialise_customers(orders: Table, as_of: date, *columns: str) -> Table:
    """``summarise_customers`` without the days, these columns of it or all, computed once for several uses."""
    customers = summarise_customers(orders, as_of, count_days=False)
    return engine.materialise(customers.select(*columns) if columns else customers)


def customers_at(tables: Tables, as_of: date, *columns: str) -> Table:
    """``materialise_customers`` of all orders before ``as_of``."""
    shared = tables.get(_shared("customers", as_of))
    if shared is None:
        return materialise_customers(known_orders(tables, as_of), as_of, *columns)
    return engine.materialise(shared.select(*columns) if columns else shared)


def sum_days(tables: Tables, as_of: date) -> Table:
    """One row per customer and day before ``as_of`` with an order or a return: ordered_day, n_orders, gross, returned and net
    amount."""
    shared = tables.get(_shared("days", as_of))
    if shared is not None:
        return shared
    orders = known_orders(tables, as_of).filter(~nw.col("customer_id").is_null())
    return orders.group_by("customer_id", "ordered_day").agg(
        nw.col("is_order").cast(nw.Int64).sum().cast(nw.Int64).alias("n_orders"),
        *[nw.col(name).sum() for name in ("gross_amount", "returned_amount", "net_amount")],
    )


def share(tables: Tables, run: Run, folder: Path) -> None:
    """Compute what several methods start from once, into files of ``folder``; ``customers_at`` and ``sum_days`` take it from
    tables that hold ``open_shared``."""
    for as_of in (run.as_of, run.starts, run.last_year_as_of):
        customers = summarise_customers(known_orders(tables, as_of), as_of, count_days=False)
        engine.write_parquet(customers, folder / f"{_shared('customers', as_of)}.parquet")
    engine.write_parquet(sum_days(tables, run.as_of), folder / f"{_shared('days', run.as_of)}.parquet")


def open_shared(folder: Path, connection: object) -> Tables:
    """The tables that ``share`` wrote, none where it did not."""
    return {one.stem: engine.read_parquet(connection, one) for one in sorted(folder.glob("*.parquet"))}


def _shared(name: str, as_of: date) -> str:
    return f"{name}_{as_of}"


TRIPLE = ("n_repeat_days", "span_days", "observed_days")


def list_order_days(tables: Tables, as_of: date) -> Table:
    """One row per customer and day with an order before ``as_of``: ordered_day, gross_amount, first_ordered_day."""
    return add_first_day(engine.materialise(sum_days(tables, as_of)))


def add_first_day(days: Table) -> Table:
    """The days with an order of ``sum_days``, with ``first_ordered_day`` of the customer."""
    days = days.filter(nw.col("n_orders") > 0).select("customer_id", "ordered_day", "gross_amount")
    first = days.group_by("customer_id").agg(first_ordered_day=nw.col("ordered_day").min())
    return days.join(first, on="customer_id", how="inner")


def summarise_purchases(days: Table, as_of: date) -> Table:
    """One row per customer with an order day before ``as_of``, as the buying models see them: ``TRIPLE`` (order days after the
    first, whole days from the first to the last of them and to ``as_of``) and the gross amount of the repeat order days."""
    known = days.filter(nw.col("ordered_day") < day_number(as_of))
    is_repeat = nw.col("ordered_day") > nw.col("first_ordered_day")
    sums = known.group_by("customer_id", "first_ordered_day").agg(
        n_repeat_days=(nw.len() - 1).cast(nw.Int64),
        last_ordered_day=nw.col("ordered_day").max(),
        repeat_amount=nw.when(is_repeat).then("gross_amount").sum(),
    )
    return sums.select(
        "customer_id",
        "n_repeat_days",
        span_days=(nw.col("last_ordered_day") - nw.col("first_ordered_day")).cast(nw.Int64),
        observed_days=(day_number(as_of) - nw.col("first_ordered_day")).cast(nw.Int64),
        repeat_amount=nw.col("repeat_amount").cast(nw.Float64).fill_null(0.0),
    )


def count_triples(purchases: Table) -> Table:
    """The distinct triples and their number of customers, sorted, so that sums are the same every time."""
    return purchases.group_by(*TRIPLE).agg(nw.len().alias("n_customers")).sort(*TRIPLE)


def hold_out(days: Table, cut: date, as_of: date) -> Table:
    """The distinct triples at ``cut`` with the order days from then to ``as_of`` (n_later_days), and their number of customers."""
    later = days.filter(nw.col("ordered_day") >= day_number(cut), nw.col("ordered_day") < day_number(as_of))
    counts = later.group_by("customer_id").agg(n_later_days=nw.len().cast(nw.Int64))
    joined = summarise_purchases(days, cut).join(counts, on="customer_id", how="left")
    joined = joined.with_columns(nw.col("n_later_days").fill_null(0))
    by = [*TRIPLE, "n_later_days"]
    return joined.group_by(by).agg(nw.len().alias("n_customers")).sort(by)


def count_moves(before: Table, now: Table, group: str, amount_column: str) -> Table:
    """From which ``group`` to which customers went (schema.MOVES); both tables have one row per customer."""
    then = before.select("customer_id", nw.col(group).cast(nw.String).alias("from_group"))
    here = now.select("customer_id", nw.col(group).cast(nw.String).alias("to_group"), amount_column)
    moved = here.join(then, on="customer_id", how="full").group_by("from_group", "to_group")
    sums = moved.agg(nw.len().alias("n_customers"), nw.col(amount_column).sum().alias("amount"))
    return sums.sort("from_group", "to_group", nulls_last=True)


def move_matrix(moves: pd.DataFrame, value: str, groups: Sequence[str], outside: str) -> pd.DataFrame:
    """MOVES as a matrix of ``value``: rows a month ago, columns now, in the order of ``groups``, and last, if there are any,
    ``outside``: those who were or are in no group."""
    named = moves.fillna({"from_group": outside, "to_group": outside})
    matrix = named.pivot(index="from_group", columns="to_group", values=value)
    rows = [*groups, *([outside] if outside in matrix.index else [])]
    columns = [*groups, *([outside] if outside in matrix.columns else [])]
    matrix = matrix.reindex(index=rows, columns=columns)
    return matrix.map(lambda one: 0 if one is None or one != one else one)


def rank_customers(customers: Table, amount_column: str) -> Table:
    """``customers`` with ``place`` (1 has the largest amount; ties by ``customer_id`` as text) and ``hundredth`` (1 best)."""
    n = max(engine.n_rows(customers), 1)
    ordered = customers.with_columns(_minus=-nw.col(amount_column), _one=nw.lit(1)).with_columns(
        place=nw.col("_one").cum_sum().over(order_by=["_minus", "customer_id"]).cast(nw.Int64)
    )
    return ordered.with_columns(hundredth=(100 * (nw.col("place") - 1)) // n + 1).drop("_minus", "_one")


def require(customers: Table, min_customers: int) -> None:
    """Raises NotEnoughData E-MIN-1 where fewer customers are known than a method needs."""
    require_count(engine.n_rows(customers), min_customers)


def require_count(n: int, min_customers: int) -> None:
    """The same where they are counted already."""
    if n < min_customers:
        fix = counted(
            n,
            "{n} customer with an order by then, and the method needs {least}",
            "{n} customers with an order by then, and the method needs {least}",
            least=min_customers,
        )
        raise NotEnoughData("E-MIN-1", fix, file="orders")


def margin_rate(tables: Tables, as_of: date, months: int) -> float | None:
    """Profit as a share of the net amount, over the last ``months`` before ``as_of``: from the exported margin of orders where
    all of it is known, else from unit costs and the quantities of order lines with a cost. None where cost is known of less than ``COSTED_SHARE`` of the
    net amount."""
    since = day_number(first_of_month(f"{as_of:%Y-%m}", -months))
    orders = known_orders(tables, as_of).filter(nw.col("ordered_day") >= since)
    profit, net = nw.col("profit_amount"), nw.col("net_amount")
    known = engine.collect(
        orders.select(nw.len().alias("n"), profit.count().alias("known"), p=profit.sum(), net=net.sum()), 1
    )
    one = known.iloc[0]
    if one["n"] and one["known"] == one["n"]:
        return float(one["p"] / one["net"]) if one["net"] else None
    if not _has_costs(tables):
        return None
    costs = engine.as_table(tables["products"]).select("product_id", "unit_cost")
    lines = engine.as_table(tables["order_lines"]).filter(
        nw.col("ordered_day") >= since, nw.col("ordered_day") < day_number(as_of)
    )
    lines = lines.join(costs, on="product_id", how="left")
    net = nw.col("line_amount")
    cost = (nw.col("quantity") * nw.col("unit_cost")).sum()
    costed = nw.when(~nw.col("unit_cost").is_null()).then(net).sum()
    sums = engine.collect(lines.select(net=net.sum(), costed=costed, cost=cost), 1).iloc[0].fillna(0).astype(float)
    is_known = sums["costed"] > 0 and sums["costed"] >= COSTED_SHARE * sums["net"]
    return float(1 - sums["cost"] / sums["costed"]) if is_known else None


def _has_costs(tables: Tables) -> bool:
    if not {"order_lines", "products"} <= set(tables):
        return False
    products, lines = (engine.as_table(tables[one]).collect_schema().names() for one in ("products", "order_lines"))
    return "unit_cost" in products and "quantity" in lines
