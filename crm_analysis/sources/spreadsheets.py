"""Excel workbooks, .xlsx and .xls, cell by cell as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from crm_analysis.errors import InputError, row_list
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import (
    BATCH_ROWS,
    CELL_ERRORS,
    DATE_TEXT,
    HEAD_RECORDS,
    MOMENT_TEXT,
    Noticed,
    Records,
)
from crm_analysis.sources.workbooks import Sheet, check_archive, look_into

EPOCH_1904 = dt.date(1904, 1, 1)
EXAMPLES = 20
_NO_TEXTS = {"", *CELL_ERRORS}


class SpreadsheetRecords(Records):
    """One sheet: the contract's, or the only one. ``line`` is the sheet's row."""

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        super().__init__(path, written, time_zone)
        # Each part is looked at before it is read, since it may be made to fill any memory.
        is_zip = check_archive(path, written.max_bytes)
        try:
            workbook = CalamineWorkbook.from_path(path)
            name = self._sheet_name(workbook.sheet_names)
            self._inside = look_into(path, name) if is_zip else Sheet()
            self._sheet = workbook.get_sheet_by_name(name)
        except CalamineError as error:
            raise InputError(
                "E-FILE-5",
                f"the workbook cannot be opened ({error}): save it again without a password",
                file=path.name,
            ) from error
        if self._inside.counts_from_1904:
            self.epoch = EPOCH_1904
        self._is_hidden = any(
            one.name == name and one.visible != SheetVisibleEnum.Visible for one in workbook.sheets_metadata
        )
        rows = self._all_rows()
        numbered = islice(enumerate(rows, 1), written.skip_rows, None)
        number, cells = next(
            ((number, row) for number, row in numbered if any(_text(cell, written) for cell in row)), (0, None)
        )
        if cells is None:
            raise InputError("E-FILE-1", "the sheet is empty", file=path.name)
        self._set_columns([_text(cell, written) for cell in cells])
        self._rows = rows if written.header else chain([cells], rows)
        self._n_rows = number if written.header else number - 1
        self._check_merged()

    def _sheet_name(self, names: list[str]) -> str:
        wanted = self.format.sheet
        if wanted is None and len(names) == 1:
            return names[0]
        if wanted not in names:
            raise InputError(
                "E-XLS-4", f"write sheet: one of {', '.join(names)}", file=self.path.name, column="format.sheet"
            )
        return wanted

    def _all_rows(self) -> Iterator[list]:
        """The cells of each row; those that hold an error, which the reader gives as empty, and rows of nothing else at the
        end, with what they show."""
        errors, number, row = self._inside.errors, 0, []
        for number, row in enumerate(self._sheet.iter_rows(), 1):
            yield _with_errors(row, errors.get(number, {}))
        for more in range(number + 1, max(errors, default=0) + 1):
            yield _with_errors([""] * len(row), errors.get(more, {}))

    def head(self, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
        rows = islice(self._all_rows(), 0 if delimiter else HEAD_RECORDS)
        yield from ((number, [_text(cell, self.format) for cell in row]) for number, row in enumerate(rows, 1))

    def _check_merged(self) -> None:
        """Cells merged over rows of the table leave all but the first row without a value; cells merged within a row are
        noticed. Raises InputError E-XLS-3."""
        merged = [
            (top + 1, bottom + 1)
            for (top, _), (bottom, _) in self._sheet.merged_cell_ranges or ()
            if bottom + 1 > self._n_rows
        ]
        if over := [top for top, bottom in merged if bottom > top]:
            fix = "cells are merged over several rows, of which only the first has the value: unmerge and fill them"
            raise InputError("E-XLS-3", fix, file=self.path.name, rows=row_list(sorted(over)))
        if merged:
            rows = sorted({top for top, _ in merged})
            self.noticed.append(Noticed("E-XLS-3", None, len(rows), tuple(rows[:EXAMPLES])))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        first_row = self._n_rows + 1
        kinds = [_Kinds() for _ in self.columns]
        while rows := list(islice(self._rows, BATCH_ROWS)):
            first = self._n_rows + 1
            self._n_rows += len(rows)
            self.n_records += len(rows)
            columns = []
            for cells, kind in zip(zip(*rows, strict=True), kinds, strict=True):
                kind.count(cells, first)
                columns.append(pa.array([_text(cell, self.format) for cell in cells], pa.string()))
            yield self._batch(columns, np.arange(first, first + len(rows)))
        self.mixed = {
            column: Noticed("E-ID-2", column, kind.n_numbers, tuple(kind.lines))
            for column, kind in zip(self.columns, kinds, strict=True)
            if kind.n_numbers and kind.n_texts
        }
        hidden = [row for row in self._inside.hidden_rows if first_row <= row <= self._n_rows]
        if self._is_hidden or hidden:
            n = self.n_records if self._is_hidden else len(hidden)
            self.noticed.append(Noticed("E-XLS-5", None, n, tuple(hidden[:EXAMPLES])))


class _Kinds:
    """How many cells of a column are numbers, and how many are texts."""

    def __init__(self) -> None:
        self.n_numbers = self.n_texts = 0
        self.lines: list[int] = []

    def count(self, cells: tuple, first: int) -> None:
        numbers = [place for place, cell in enumerate(cells, first) if type(cell) in (float, int)]
        self.n_numbers += len(numbers)
        self.n_texts += sum(type(cell) is str and cell not in _NO_TEXTS for cell in cells)
        self.lines += numbers[: EXAMPLES - len(self.lines)]


def _with_errors(row: list, errors: Mapping[int, str]) -> list:
    return [errors.get(place, cell) for place, cell in enumerate(row)] if errors else row


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
