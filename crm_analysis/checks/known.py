"""What was known of a table at a moment: its rows by their own dates, and which column is their amount."""

from __future__ import annotations

from datetime import date

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.schema import CANONICAL


def day_of(rows: Table, name: str) -> nw.Expr | None:
    """The day of each row; None for a table without dates."""
    columns = rows.collect_schema().names()
    dates = [nw.col(one).cast(nw.Date) for one in CANONICAL[name].dated_by if one in columns]
    return nw.coalesce(*dates) if dates else None


def known_rows(tables: Tables, name: str, as_of: date) -> Table:
    """The rows of a table dated before ``as_of``, and those without a date."""
    rows = engine.as_table(tables[name])
    day = day_of(rows, name)
    return rows if day is None else rows.filter(day.is_null() | (day < nw.lit(as_of)))


def amount_of(rows: Table, name: str) -> str | None:
    """The column of a table's amounts; of orders, which have their returns apart, that of their sales."""
    column = "gross_amount" if name == "orders" else CANONICAL[name].amount
    return column if column in rows.collect_schema().names() else None
