"""Excel workbooks, .xlsx and .xls, cell by cell as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import BATCH_ROWS, DATE_TEXT, MOMENT_TEXT, Records


class SpreadsheetRecords(Records):
    """One sheet: the contract's, or the only one. ``line`` is the sheet's row."""

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        super().__init__(path, written, time_zone)
        try:
            workbook = CalamineWorkbook.from_path(path)
            sheet = workbook.get_sheet_by_name(self._sheet_name(workbook.sheet_names))
        except CalamineError as error:
            raise InputError(
                "E-FILE-5",
                f"the workbook cannot be opened ({error}): save it again without a password",
                file=path.name,
            ) from error
        rows = ([_text(cell, written) for cell in row] for row in sheet.iter_rows())
        numbered = islice(enumerate(rows, 1), written.skip_rows, None)
        number, header = next(((number, row) for number, row in numbered if any(row)), (0, None))
        if header is None:
            raise InputError("E-FILE-1", "the sheet is empty", file=path.name)
        self._set_columns(header)
        self._rows = rows if written.header else chain([header], rows)
        self._n_rows = number if written.header else number - 1

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
            first = self._n_rows + 1
            self._n_rows += len(rows)
            self.n_records += len(rows)
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            yield self._batch(columns, np.arange(first, first + len(rows)))


def _text(cell: object, written: Format) -> str:
    """A cell as text: whole numbers without a decimal point, others with the contract's, dates by ISO 8601."""
    if isinstance(cell, dt.datetime):
        return cell.strftime(MOMENT_TEXT)
    if isinstance(cell, dt.date):
        return cell.strftime(DATE_TEXT)
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() else repr(cell)
        return text.replace(".", written.decimal)
    return str(cell)
