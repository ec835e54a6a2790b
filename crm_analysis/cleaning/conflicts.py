"""Rows that say different things under one key: nobody knows which is true."""

from __future__ import annotations

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import TableContract


def refuse_conflicts(rows: Table, name: str, table: TableContract) -> Table:
    """``_reason`` E-KEY-1 for all readable rows of a key of which they tell different things, as the contract's ``conflicts`` has it.

    What rows of a key must have in common is all that is read of them. An order number has one customer: its lines differ in the
    rest, and only a table of whole orders must have one amount under each, returns aside.
    """
    is_order = name in ("order_lines", "orders")
    # Dated records are exported again when they change: the last row of a key counts (rules.find_duplicates).
    is_updated = bool(CANONICAL[name].dated_by) and not is_order
    policy = table.conflicts or ("keep" if is_updated or name == "order_lines" else "reject")
    key = ["order_id"] if is_order else list(CANONICAL[name].key)
    if policy == "keep" or not key or not set(key) <= set(table.columns):
        return rows
    counts = nw.col("_reason").is_null() & nw.col("_excluded").is_null()
    for one in key:
        counts = counts & ~nw.col(one).is_null()
    if name == "order_lines":
        counts, content = counts & ~nw.col("customer_id").is_null(), ["customer_id"]
    elif name == "orders":
        counts, content = counts & (nw.col("kind") != "return"), ["customer_id", "line_amount"]
    else:
        content = [one for one in (*table.columns, *table.attributes) if one not in key]
    if not content:
        return rows
    told = engine.add_row_hash(rows.filter(counts), "_content", content)
    ranges = told.group_by(key).agg(nw.col("_content").min().alias("_least"), nw.col("_content").max().alias("_most"))
    # Only keys in conflict are joined back: a small table.
    conflicts = ranges.filter(nw.col("_least") != nw.col("_most")).select(*key, _conflict=nw.lit(True))
    rows = rows.join(engine.materialise(conflicts), on=key, how="left")
    reason = nw.when(nw.col("_conflict").fill_null(False)).then(nw.lit(f"E-KEY-1 {key[0]}"))
    return rows.with_columns(_reason=nw.coalesce("_reason", reason)).drop("_conflict")
