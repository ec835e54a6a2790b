"""What follows from the other numbers of an order line."""

from __future__ import annotations

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.sources.contract import Contract, TableContract

# Any two of these give the third.
AMOUNTS = ("line_amount", "unit_price", "quantity")
PRECISION = 18


def fill_amounts(rows: Table, table: TableContract, contract: Contract) -> Table:
    """Of a line's quantity, price and amount the one that is empty, where the two others give it exactly; ``repaired:<name>``
    says where. Nothing is rounded: a line whose amount stays unknown is refused (E-NUM-1)."""
    if not set(AMOUNTS) <= set(table.columns):
        return rows
    amount, price, quantity = (nw.col(name) for name in AMOUNTS)
    decimals = {
        "line_amount": contract.decimals,
        "unit_price": contract.decimals,
        "quantity": contract.quantity_decimals,
    }
    # Wide enough for any product.
    wide = nw.Decimal(38, contract.quantity_decimals)
    quotients = {"unit_price": (amount, quantity), "quantity": (amount, price)}
    found = {
        name: over.cast(nw.Float64) / nw.when(under != 0).then(under.cast(nw.Float64))
        for name, (over, under) in quotients.items()
    } | {"line_amount": quantity.cast(wide) * price}
    rows = rows.with_columns(**{f"_{name}": nw.when(nw.col(name).is_null()).then(one) for name, one in found.items()})
    rows = engine.parse_decimals(rows, {f"_{name}": (PRECISION, scale) for name, scale in decimals.items()})
    whole = {name: nw.coalesce(name, f"_{name}") for name in AMOUNTS}
    follows = whole["quantity"].cast(wide) * whole["unit_price"] == whole["line_amount"]
    is_filled = {name: ~nw.col(f"_{name}").is_null() & follows.fill_null(False) for name in AMOUNTS}
    rows = rows.with_columns(**{f"repaired:{name}": one for name, one in is_filled.items()})
    filled = {name: nw.when(f"repaired:{name}").then(f"_{name}").otherwise(nw.col(name)) for name in AMOUNTS}
    lost = nw.when(nw.col("line_amount").is_null()).then(nw.lit("E-NUM-1 line_amount"))
    rows = rows.with_columns(**filled).with_columns(_reason=nw.coalesce("_reason", lost))
    return rows.drop([f"_{name}" for name in AMOUNTS])
