"""Excel workbooks, .xlsx and .xls, cell by cell as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import BATCH_ROWS, DATE_TEXT, MOMENT_TEXT, Records


def find_sheets(path: Path, written: Format) -> list[str | None]:
    """The sheets that the contract's list or pattern names, in the workbook's order; None stands for a file's only part.
    A sheet that only a pattern names, and that has no row below its header, is none. Raises InputError E-XLS-4."""
    wanted = [written.sheet] if isinstance(written.sheet, str) else written.sheet or ()
    patterns = [one for one in wanted if set(one) & set("*?")]
    if written.kind_of(path.name) != "excel" or not (patterns or isinstance(written.sheet, tuple)):
        return [None]
    workbook = _open(path)
    names = workbook.sheet_names
    if missing := set(wanted) - set(patterns) - set(names):
        raise _no_sheet(path, names, ", ".join(sorted(missing)))
    n_above = written.skip_rows + written.header

    def is_filled(name: str) -> bool:
        end = workbook.get_sheet_by_name(name).end
        return end is not None and end[0] >= n_above

    alike = [one.replace("[", "[[]") for one in patterns]
    found = [
        name for name in names if name in wanted or (any(fnmatchcase(name, one) for one in alike) and is_filled(name))
    ]
    if not found:
        raise _no_sheet(path, names, ", ".join(patterns))
    return found


def _open(path: Path) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_path(path)
    except CalamineError as error:
        raise InputError(
            "E-FILE-5",
            f"the workbook cannot be opened ({error}): save it again without a password",
            file=path.name,
        ) from error


def _no_sheet(path: Path, names: list[str], wanted: str = "") -> InputError:
    fix = f"write sheet: one of {', '.join(names)}{f', not {wanted}' if wanted else ''}"
    return InputError("E-XLS-4", fix, file=path.name, column="format.sheet")


class SpreadsheetRecords(Records):
    """One sheet: the contract's, or the only one. ``line`` is the sheet's row."""

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        super().__init__(path, written, time_zone)
        workbook = _open(path)
        name = self._sheet_name(workbook.sheet_names)
        sheet = workbook.get_sheet_by_name(name)
        rows = ([_text(cell, written) for cell in row] for row in sheet.iter_rows())
        if written.sheet_to:
            rows = ([*row, name if any(row) else ""] for row in rows)
        numbered = islice(enumerate(rows, 1), written.skip_rows, None)
        number, header = next(((number, row) for number, row in numbered if any(row)), (0, None))
        if header is None:
            raise InputError("E-FILE-1", "the sheet is empty", file=path.name)
        self._set_columns([*header[:-1], written.sheet_to] if written.sheet_to and written.header else header)
        if written.sheet_to:
            self.columns[-1] = written.sheet_to
        self._rows = rows if written.header else chain([header], rows)
        self._n_rows = number if written.header else number - 1

    def _sheet_name(self, names: list[str]) -> str:
        wanted = self.format.sheet
        if wanted is None and len(names) == 1:
            return names[0]
        if wanted not in names:
            raise _no_sheet(self.path, names)
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
