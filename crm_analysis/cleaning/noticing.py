"""What a reader must know of tables that are whole: ids that look alike, returns without their orders, orders without their
customers. Nothing is changed; each kind is one row of the table of warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.sources.records import Noticed


def count_ids(tables: Sequence[Table], column: str) -> Table:
    """Each id of ``column`` in any of the tables, with its rows."""
    parts = [
        table.filter(~nw.col(column).is_null()).group_by(column).agg(nw.len().alias("n_rows")).select(column, "n_rows")
        for table in tables
    ]
    return nw.concat(parts).group_by(column).agg(nw.col("n_rows").sum())


def notice_alike_ids(ids: Table, column: str) -> list[Noticed]:
    """Ids that differ only by zeros before them (E-ID-3), or only by case (E-ID-5): of one customer, perhaps, but kept apart."""
    is_number = nw.col(column).str.contains("^[0-9]+$")
    alike = {
        "E-ID-3": (is_number, nw.col(column).str.replace_all("^0+([0-9])", r"\1")),
        "E-ID-5": (~nw.col(column).is_null(), nw.col(column).str.to_lowercase()),
    }
    parts = []
    for code, (counts, spelling) in alike.items():
        spelt = ids.filter(counts).with_columns(_alike=spelling)
        groups = spelt.group_by("_alike").agg(n_ids=nw.len(), n_rows=nw.col("n_rows").sum())
        parts.append(groups.filter(nw.col("n_ids") > 1).select("n_rows", code=nw.lit(code)))
    sums = nw.concat(parts).group_by("code").agg(nw.col("n_rows").sum()).sort("code")
    found = engine.collect(sums, len(alike))
    return [Noticed(code, column, int(n)) for code, n in zip(found["code"], found["n_rows"], strict=True)]


def notice_returns(orders: Table) -> list[Noticed]:
    """Returns that no order can be seen for, that came before it, or that are larger than it (E-REF-1). Where the export gives a
    return the number of its order, that order counts; otherwise all that the customer has bought."""
    orders = orders.filter(~nw.col("customer_id").is_null())
    has_return = nw.col("returned_amount") > 0
    has_sale = nw.col("gross_amount") > 0
    number = ["customer_id", "order_id"]
    returns = engine.materialise(orders.filter(has_return).select(number).unique())
    is_linked = engine.n_rows(orders.filter(has_sale).join(returns, on=number, how="semi").head(1)) > 0
    key = number if is_linked else ["customer_id"]
    sums = orders.join(returns.select(key).unique(), on=key, how="semi").with_columns(
        _bought_on=nw.when(has_sale).then("ordered_day"),
        _returned_on=nw.when(has_return).then("ordered_day"),
        _lines=nw.when(has_return).then("n_lines").otherwise(nw.lit(0)),
    )
    sums = sums.group_by(key).agg(
        nw.col("_bought_on").min(),
        nw.col("_returned_on").min(),
        nw.col("gross_amount").sum(),
        nw.col("returned_amount").sum(),
        nw.col("_lines").sum(),
    )
    is_before = (nw.col("_returned_on") < nw.col("_bought_on")) | nw.col("_bought_on").is_null()
    odd = sums.filter(is_before | (nw.col("returned_amount") > nw.col("gross_amount")))
    return _noticed("E-REF-1", "order_id" if is_linked else "customer_id", odd, nw.col("_lines").sum())


def notice_shared_orders(orders: Table) -> list[Noticed]:
    """Order numbers of several customers (E-KEY-1): each customer's lines are an order of its own."""
    known = orders.filter(~nw.col("customer_id").is_null())
    numbers = known.group_by("order_id").agg(
        _first=nw.col("customer_id").min(), _last=nw.col("customer_id").max(), n_lines=nw.col("n_lines").sum()
    )
    return _noticed("E-KEY-1", "order_id", numbers.filter(nw.col("_first") != nw.col("_last")), nw.col("n_lines").sum())


def notice_strangers(orders: Table, customers: Table) -> dict[str, list[Noticed]]:
    """Lines of customers who are not in the table of customers (E-REF-2), and customers without any line (E-REF-3)."""
    bought = orders.filter(~nw.col("customer_id").is_null()).group_by("customer_id").agg(nw.col("n_lines").sum())
    unknown = bought.join(customers.select("customer_id"), on="customer_id", how="anti")
    idle = customers.select("customer_id").join(bought, on="customer_id", how="anti")
    return {
        "orders": _noticed("E-REF-2", "customer_id", unknown, nw.col("n_lines").sum()),
        "customers": _noticed("E-REF-3", "customer_id", idle, nw.len()),
    }


def notice_tables(tables: Mapping[str, Table], *, has_returns: bool, checks_sharing: bool) -> dict[str, list[Noticed]]:
    """All of it, by the table that it is told of. ``checks_sharing``: whether an order number should have one customer."""
    told: dict[str, list[Noticed]] = {}
    # Orders hold each customer of their lines, and are fewer.
    for column, names in (("customer_id", set(tables) - {"order_lines"}), ("product_id", set(tables))):
        having = [name for name in tables if name in names and column in tables[name].collect_schema()]
        if having:
            ids = count_ids([tables[name] for name in having], column)
            told.setdefault(having[0], []).extend(notice_alike_ids(ids, column))
    if "orders" in tables:
        orders = tables["orders"]
        told.setdefault("orders", []).extend(notice_returns(orders) if has_returns else [])
        if checks_sharing:
            told["orders"] += notice_shared_orders(orders)
        if "customers" in tables:
            for name, found in notice_strangers(orders, tables["customers"]).items():
                told.setdefault(name, []).extend(found)
    return told


def _noticed(code: str, column: str, rows: Table, counted: nw.Expr) -> list[Noticed]:
    n = engine.collect(rows.select(n=counted), 1).iloc[0, 0]
    return [Noticed(code, column, int(n))] if n else []
