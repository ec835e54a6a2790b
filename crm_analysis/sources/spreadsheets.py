"""Excel workbooks, .xlsx and .xls, cell by cell as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import BATCH_ROWS, Records


class SpreadsheetRecords(Records):
    """One sheet: the contract's, or the only one. ``line`` is the sheet's row."""

    def __init__(self, path: Path, written: Format) -> None:
        super().__init__(path, written)
        try:
            workbook = CalamineWorkbook.from_path(path)
            sheet = workbook.get_sheet_by_name(self._sheet_name(workbook.sheet_names))
        except CalamineError as error:
            raise InputError(
                "E-FILE-5", f"the workbook cannot be opened ({error}): save it again without a password", file=path.name
            ) from error
        self._rows = ([_text(cell, written) for cell in row] for row in sheet.iter_rows())
        # Leading empty rows are not given by the reader of the sheet.
        self._row = (sheet.start or (0, 0))[0] if sheet.height != sheet.total_height else 0
        header = next(islice(self._rows, written.skip_rows, None), None)
        if header is None:
            raise InputError("E-FILE-1", "the sheet is empty", file=path.name)
        self._row += written.skip_rows + 1
        self._set_columns(header)
        if not written.header:
            self._rows = (row for rows in ([header], self._rows) for row in rows)
            self._row -= 1

    def _sheet_name(self, names: list[str]) -> str:
        wanted = self.format.sheet
        if wanted is None and len(names) == 1:
            return names[0]
        if wanted not in names:
            raise InputError(
                "E-XLS-4", f"write sheet: one of {', '.join(names)}", file=self.path.name, column="format.sheet"
            )
        return wanted

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while rows := list(islice(self._rows, BATCH_ROWS)):
            first = self._row + 1
            self._row += len(rows)
            self.n_records += len(rows)
            columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
            line = pa.array(range(first, first + len(rows)), pa.int64())
            yield pa.RecordBatch.from_arrays([*columns, line], schema=self.schema)


def _text(cell: object, written: Format) -> str:
    """A cell as text: whole numbers without a decimal point, dates in the contract's format, else ISO."""
    if isinstance(cell, dt.datetime):
        return cell.strftime(written.datetime or "%Y-%m-%d %H:%M:%S")
    if isinstance(cell, dt.date):
        return cell.strftime(written.date or written.datetime or "%Y-%m-%d")
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() else repr(cell)
        return text.replace(".", written.decimal)
    return str(cell)
