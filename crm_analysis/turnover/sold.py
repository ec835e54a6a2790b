"""What was sold, however the source tells it: as order lines, as orders, as deals won, or as invoices.

One row per line, order, deal or invoice (schema SOLD), and its sums over stretches of days. Money is net of returns and exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.customers import COSTED_SHARE
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.language import _, counted, mark
from crm_analysis.params import first_of_month, nearest
from crm_analysis.schema import CANONICAL, Column, Shape, day_number
from crm_analysis.tastes.attributes import CATEGORY, NOT_KNOWN
from crm_analysis.tastes.lines import month_number

# The tables that tell of sales, the best first.
SOURCES = ("order_lines", "orders", "opportunities", "payments")
MAX_VALUES = 100_000
# So much of a product's name stands behind its number.
NAME_LETTERS = 50

SOLD = Shape(
    "one row per line of an order, order, deal won or invoice; the dimensions that the source has follow",
    {
        "customer_id": Column("id", "who bought; empty where not known"),
        "order_id": Column("id", "the order, deal or invoice"),
        "is_order": Column("flag", "something was bought; false: only returns or free lines"),
        "day": Column("integer", "day, days since 1970-01-01"),
        "month": Column("integer", "12 · year + month"),
        "amount": Column("money", "sales less returns"),
        "gross_amount": Column("money", "sales"),
        "returned_amount": Column("money", "returns, as a positive amount"),
        "quantity": Column("quantity", "pieces sold less pieces returned; empty where not known"),
        "profit_amount": Column("money", "margin; empty where cost is not known"),
        "costed_amount": Column("money", "the amount where cost is known"),
        "list_amount": Column("money", "sales at list price; zero where that is not known"),
        "listed_amount": Column("money", "sales where the list price is known"),
    },
)
MONEY = ("amount", "gross_amount", "returned_amount", "quantity", "profit_amount", "costed_amount")
LISTED = ("list_amount", "listed_amount")

# The usual dimensions, and the usual names of the columns that hold them, the best first.
REGION, CATEGORIES, CHANNEL, SALESPERSON, TEAM, GROUP, PRODUCT, CUSTOMER = (
    mark("region"), mark("category"), mark("channel"), mark("salesperson"), mark("team"), mark("customer group"),
    mark("product"), mark("customer"),
)  # fmt: skip
USUAL = {
    REGION: ("region", "country", "country_code", "state", "province", "territory", "city"),
    CATEGORIES: (CATEGORY[1], CATEGORY[0], CATEGORY[2], "series", "line", "family", "brand"),
    CHANNEL: ("channel", "sales_channel", "lead_source", "acquisition_channel"),
    SALESPERSON: ("salesperson",),
    TEAM: ("team", "manager", "office"),
    GROUP: ("customer_group", "customer_type", "customer_segment", "segment", "industry", "sector"),
    PRODUCT: ("product_id",),
    CUSTOMER: ("customer_id",),
}
# Whose attributes say more of a row, and by which column they are joined.
ABOUT = {"products": "product_id", "customers": "customer_id", "salespeople": "salesperson"}


class Days(NamedTuple):
    """From the day ``start`` to the one before ``end``, as days since 1970-01-01."""

    start: int
    end: int

    @property
    def holds(self) -> nw.Expr:
        return (nw.col("day") >= self.start) & (nw.col("day") < self.end)


@dataclass(frozen=True)
class Turnover:
    """``sold``: SOLD with a column for each dimension. ``source``: the table that tells it. ``dimensions``: their names, with
    the column behind each. ``first_day``: of the first sale."""

    sold: Table
    source: str
    dimensions: dict[str, str]
    first_day: int
    has_quantity: bool
    has_profit: bool


def read(tables: Tables, as_of: date, wanted: Mapping[str, str] | None = None, file: str = "") -> Turnover:
    """What was sold before ``as_of``, by the dimensions that the source has. ``wanted``: dimension → column, in place of the usual
    one, or for one more. Raises NotEnoughData E-MIN-2 where nothing tells of sales, ParameterError E-PAR-3 (of ``file``) where a
    wanted column is missing."""
    source = next((one for one in SOURCES if one in tables), None)
    if source is None:
        raise NotEnoughData("E-MIN-2", _("the source has no orders, deals or invoices"), file="orders")
    rows = {
        "order_lines": _read_lines, "orders": _read_orders, "opportunities": _read_deals, "payments": _read_invoices
    }[source](tables)  # fmt: skip
    rows = rows.filter(nw.col("day") < day_number(as_of))
    places = _find_columns(tables, rows)
    dimensions = _choose(places, wanted or {}, file)
    rows = _label(rows, tables, {one: places[one] for one in dimensions.values()})
    if "product_id" in dimensions.values() and _has(tables, "products", "product_name"):
        rows = rows.join(
            engine.as_table(tables["products"]).select("product_id", _name="product_name"), on="product_id", how="left"
        )
    types = rows.collect_schema().names()
    sold = engine.materialise(
        rows.select(
            *SOLD.columns,
            *[_text_of(column, types).fill_null(NOT_KNOWN).alias(f"by_{name}") for name, column in dimensions.items()],
        )
    )
    sums = sold.select(
        first=nw.col("day").min(), quantity=nw.col("quantity").count(), n=nw.len(), net=nw.col("amount").sum(),
        costed=nw.col("costed_amount").sum(),
    )  # fmt: skip
    one = engine.collect(sums, 1).iloc[0]
    if not one["n"]:
        raise NotEnoughData("E-MIN-1", _("nothing was sold by then"), file=source)
    return Turnover(
        sold=sold, source=source, dimensions=dimensions, first_day=int(one["first"]),
        has_quantity=one["quantity"] > 0,
        has_profit=0 < float(one["costed"] or 0) and float(one["costed"]) >= COSTED_SHARE * float(one["net"] or 0),
    )  # fmt: skip


def _has(tables: Tables, name: str, column: str) -> bool:
    return name in tables and column in _names(engine.as_table(tables[name]))


def _text_of(column: str, columns: Sequence[str]) -> nw.Expr:
    """A dimension's value as text: of a product its number and the beginning of its name."""
    text = nw.col(column).cast(nw.String)
    if column != "product_id" or "_name" not in columns:
        return text
    return nw.coalesce(nw.concat_str([text, nw.lit(" "), nw.col("_name").str.slice(0, NAME_LETTERS)]), text)


# --- what each table tells -------------------------------------------------------------------------------------------


def _names(table: Table) -> list[str]:
    return table.collect_schema().names()


def _finish(rows: Table, scale: int, keep: Sequence[str] = ()) -> Table:
    """Columns of SOLD from amount, gross_amount, returned_amount, profit_amount and a date called sold_date."""
    money = nw.Decimal(18, scale)
    known = ~nw.col("profit_amount").is_null()
    if "list_amount" not in _names(rows):
        rows = rows.with_columns(list_amount=nw.lit(0), listed_amount=nw.lit(0))
    return engine.add_day_number(rows, "day", "sold_date").with_columns(
        nw.col("day").cast(nw.Int64),
        *[nw.col(one).cast(money) for one in ("amount", "gross_amount", "returned_amount", "profit_amount", *LISTED)],
        month=nw.col("sold_date").dt.year().cast(nw.Int64) * 12 + nw.col("sold_date").dt.month().cast(nw.Int64),
        costed_amount=nw.when(known).then(nw.col("amount")).otherwise(nw.lit(0)).cast(money),
    )


def _read_lines(tables: Tables) -> Table:
    lines = engine.as_table(tables["order_lines"])
    names, scale = _names(lines), lines.collect_schema()["line_amount"].scale
    amount, is_return = nw.col("line_amount"), nw.col("kind") == "return"
    profit = nw.col("profit_amount") if "profit_amount" in names else nw.lit(None)
    at_list = nw.lit(None)
    prices = {"_cost": "unit_cost", "_list": "list_price"} if {"product_id", "quantity"} <= set(names) else {}
    prices = {new: one for new, one in prices.items() if _has(tables, "products", one)}
    if prices:
        known = engine.as_table(tables["products"]).select(
            "product_id", **{new: nw.col(one) for new, one in prices.items()}
        )
        lines = lines.join(known, on="product_id", how="left")
    if "_cost" in prices:
        cost = amount - (nw.col("quantity") * nw.col("_cost")).cast(nw.Decimal(18, scale))
        profit = nw.coalesce(profit.cast(nw.Decimal(18, scale)), cost.cast(nw.Decimal(18, scale)))
    if "_list" in prices:
        at_list = nw.when(nw.col("kind") == "sale").then(
            (nw.col("quantity") * nw.col("_list")).cast(nw.Decimal(18, scale))
        )
    is_counted = nw.col("kind").is_in(["sale", "return"])
    quantity = nw.when(is_counted).then(nw.col("quantity")) if "quantity" in names else nw.lit(None).cast(nw.Int64)
    rows = lines.with_columns(
        sold_date=nw.col("ordered_date"), is_order=nw.col("kind") == "sale", amount=amount,
        gross_amount=nw.when(~is_return).then(amount).otherwise(nw.lit(0)),
        returned_amount=nw.when(is_return).then(-amount).otherwise(nw.lit(0)),
        quantity=quantity, profit_amount=profit, list_amount=at_list.fill_null(0),
        listed_amount=nw.when(~at_list.is_null()).then(amount).otherwise(nw.lit(0)),
    )  # fmt: skip
    return _finish(rows, scale)


def _read_orders(tables: Tables) -> Table:
    orders = engine.as_table(tables["orders"])
    rows = orders.with_columns(sold_date=nw.col("ordered_date"), amount=nw.col("net_amount"))
    if "quantity" not in _names(rows):
        rows = rows.with_columns(quantity=nw.lit(None).cast(nw.Int64))
    return _finish(rows, orders.collect_schema()["net_amount"].scale)


def _read_deals(tables: Tables) -> Table:
    deals = engine.as_table(tables["opportunities"])
    names, amount = _names(deals), nw.col("opportunity_amount") if "opportunity_amount" in _names(deals) else nw.lit(0)
    if not {"closed_date", "opportunity_amount"} <= set(names):
        raise NotEnoughData("E-MIN-2", _("the deals have no day of closing or no amount"), file="opportunities")
    won = deals.filter("is_won", ~nw.col("closed_date").is_null(), ~amount.is_null())
    return _finish(
        _plain(won, "opportunity_id", "closed_date", amount), deals.collect_schema()["opportunity_amount"].scale
    )


def _read_invoices(tables: Tables) -> Table:
    invoices = engine.as_table(tables["payments"])
    scale = invoices.collect_schema()["invoice_amount"].scale
    return _finish(_plain(invoices, "invoice_id", "invoiced_date", nw.col("invoice_amount")), scale)


def _plain(rows: Table, number: str, dated_by: str, amount: nw.Expr) -> Table:
    """Deals or invoices: one below zero is a credit note, which counts as a return."""
    names = _names(rows)
    zero = nw.lit(0)
    return rows.with_columns(
        order_id=nw.col(number) if number in names else nw.lit(None).cast(nw.String),
        customer_id=nw.col("customer_id") if "customer_id" in names else nw.lit(None).cast(nw.String),
        sold_date=nw.col(dated_by), amount=amount, is_order=amount > 0,
        gross_amount=nw.when(amount > 0).then(amount).otherwise(zero),
        returned_amount=nw.when(amount < 0).then(-amount).otherwise(zero),
        quantity=nw.lit(None).cast(nw.Int64), profit_amount=nw.lit(None),
    )  # fmt: skip


# --- dimensions ------------------------------------------------------------------------------------------------------


def _find_columns(tables: Tables, rows: Table) -> dict[str, str]:
    """Column → the table that holds it, '' for the rows themselves: their own text columns first, then what is known of
    products, customers and salespeople."""
    own = _names(rows)
    texts = {"region", "channel", "salesperson", "product_id", "customer_id"}
    # Attributes of a deal or an invoice say more of it.
    known = {column for table in CANONICAL.values() for column in table.columns}
    skipped = {*SOLD.columns, "sold_date", "ordered_month", "n_lines", "kind", "_cost", "_list"} - texts
    places = {one: "" for one in own if one in texts or (one not in known | skipped and not one.startswith("ordered_"))}
    for name, key in ABOUT.items():
        if name not in tables or key not in own:
            continue
        for column in _names(engine.as_table(tables[name])):
            if column not in CANONICAL[name].columns:
                places.setdefault(column, name)
    return places


def _choose(places: Mapping[str, str], wanted: Mapping[str, str], file: str) -> dict[str, str]:
    """Dimension → column: what is wanted, else the first usual name that there is."""
    for name, column in wanted.items():
        if column not in places:
            raise ParameterError(
                "E-PAR-3",
                f"the source has no '{column}'{nearest(column, places)}"[:300],
                file=file,
                column=f"dimensions.{name}",
            )
    found = {}
    for name, usual in USUAL.items():
        column = wanted.get(name) or next((one for one in usual if one in places), None)
        if column:
            found[name] = column
    return {**found, **{name: column for name, column in wanted.items() if name not in found}}


def _label(rows: Table, tables: Tables, places: Mapping[str, str]) -> Table:
    """``rows`` with the columns of ``places`` joined from where they stand."""
    for name, key in ABOUT.items():
        columns = [column for column, place in places.items() if place == name]
        if columns:
            more = engine.as_table(tables[name]).select(key, *columns)
            rows = rows.drop(*[one for one in columns if one in _names(rows)]).join(more, on=key, how="left")
    return rows


# --- sums ------------------------------------------------------------------------------------------------------------


def months_back(as_of: date, months: int) -> int:
    """The first day of the month ``months`` before ``as_of``, as days since 1970-01-01."""
    return day_number(first_of_month(f"{as_of:%Y-%m}", -months))


def window_months(turnover: Turnover, as_of: date, wanted: int) -> int:
    """``wanted`` months, or fewer where the source does not hold as many before them to compare with: half of what it holds."""
    first = date.fromordinal(date(1970, 1, 1).toordinal() + turnover.first_day)
    held = month_number(as_of) - month_number(first)
    return max(min(wanted, held // 2), 1)


def warn_of_basis(turnover: Turnover, months: int, wanted: int) -> list[str]:
    """What to say where sales are not orders, or where the windows are shorter than they should be."""
    told = []
    if turnover.source == "payments":
        told.append(_("The source has no orders: sales are its invoices."))
    if turnover.source == "opportunities":
        told.append(_("The source has no orders: sales are the deals won, at the day on which they closed."))
    if months < wanted:
        told.append(
            counted(
                months,
                "The data are short: the last {n} month is compared with the one before, whatever the season.",
                "The data are short: the last {n} months are compared with the {n} before, whatever the season.",
            )
        )
    return told


def sum_days(periods: Mapping[str, Days], columns: Sequence[str]) -> list[nw.Expr]:
    """``<column>_<period>``: the exact sum of each column over each period; zero where there is nothing."""
    return [
        nw.when(days.holds).then(nw.col(column)).otherwise(nw.lit(0)).sum().alias(f"{column}_{name}")
        for name, days in periods.items()
        for column in columns
    ]


def sum_customers(sold: Table, periods: Mapping[str, Days], columns: Sequence[str] = ("amount",)) -> Table:
    """One row per customer (one for all who are not known) with the sums over each period, and ``n_orders_<period>``."""
    orders = sold.group_by("customer_id", "order_id", "day").agg(
        *[nw.col(one).sum() for one in columns], is_order=nw.col("is_order").cast(nw.Int64).max()
    )
    counts = [
        nw.when(days.holds).then(nw.col("is_order")).otherwise(nw.lit(0)).sum().cast(nw.Int64).alias(f"n_orders_{name}")
        for name, days in periods.items()
    ]
    return orders.group_by("customer_id").agg(*sum_days(periods, columns), *counts)


def ratio(part: object, whole: object) -> float:
    """``part / whole``; nan where there is no whole."""
    return float(part) / float(whole) if whole is not None and whole == whole and float(whole) else float("nan")


def change(now: object, before: object) -> float:
    """By which share an amount grew on an earlier one; nan where that was none, or less."""
    return float(now) / float(before) - 1 if float(before) > 0 else float("nan")


def no_gaps(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with zeros in place of what is missing."""
    return frame.assign(
        **{one: [0 if value is None or value != value else value for value in frame[one]] for one in columns}
    )
