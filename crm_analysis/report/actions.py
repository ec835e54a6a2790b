"""Action lists: CSV for machines, a workbook for people. Ids are exactly the source's; nothing can become a formula."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xlsxwriter

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import _

FORMATS = {"text": "@", "amount": "#,##0.00", "share": "0.0%", "whole": "#,##0", "fraction": "#,##0.00"}
WIDTHS = {"action": 60, "reason": 48, "customer_id": 16, "segment": 18}


def write_actions(actions: Table, path: Path, list_rows: int, currency: str) -> tuple[int, int]:
    """Write all rows to ``path`` (.csv) and the first ``list_rows`` beside it (.xlsx); give both numbers of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine.write_csv(actions, path)
    listed = engine.collect(actions.head(list_rows), list_rows)
    _write_workbook(listed, path.with_suffix(".xlsx"), currency)
    return engine.n_rows(actions), len(listed)


def _write_workbook(frame: pd.DataFrame, path: Path, currency: str) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, options) as book:
        # A fixed time of making: the same list is the same file.
        book.set_properties({"created": pd.Timestamp("2000-01-01").to_pydatetime()})
        sheet = book.add_worksheet(_("Actions"))
        bold = book.add_format({"bold": True, "bg_color": "#e8eef3", "bottom": 1, "text_wrap": True, "valign": "top"})
        formats = {kind: book.add_format({"num_format": written}) for kind, written in FORMATS.items()}
        for column, name in enumerate(frame.columns):
            values = [one for one in frame[name] if one is not None and one == one]
            head = f"{name} ({currency})" if name.endswith("amount") else name
            sheet.write_string(0, column, head, bold)
            sheet.set_column(column, column, WIDTHS.get(name, 13), formats[_kind(name, values)])
            for row, value in enumerate(frame[name], 1):
                if value is None or value != value:
                    continue
                if isinstance(value, str):
                    sheet.write_string(row, column, value)
                else:
                    sheet.write_number(row, column, float(value))
        sheet.freeze_panes(1, 1)
        if len(frame):
            sheet.autofilter(0, 0, len(frame), len(frame.columns) - 1)


def _kind(name: str, values: list) -> str:
    """How a column is written, by its name and what it holds."""
    if any(isinstance(one, str) for one in values):
        return "text"
    if name.endswith("amount"):
        return "amount"
    if name.endswith(("_prob", "_share", "_rate")):
        return "share"
    return "whole" if all(float(one).is_integer() for one in values) else "fraction"
