"""Tables that stand otherwise than with a row per thing on one sheet: several sheets as one table, wide tables as long ones."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineError, CalamineWorkbook

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format, Melt
from crm_analysis.sources.records import CELL_STEP, LINE, Records


def find_sheets(path: Path, written: Format) -> list[str | None]:
    """The sheets that the contract's list or pattern names, in the workbook's order; None stands for a file's only part.
    A sheet that only a pattern names, and that has no row below its header, is none. Raises InputError E-XLS-4."""
    wanted = [written.sheet] if isinstance(written.sheet, str) else written.sheet or ()
    patterns = [one.replace("[", "[[]") for one in wanted if set(one) & set("*?")]
    if written.kind_of(path.name) != "excel" or not (patterns or isinstance(written.sheet, tuple)):
        return [None]
    try:
        workbook = CalamineWorkbook.from_path(path)
    except CalamineError as error:
        fix = f"the workbook cannot be opened ({error}): save it again without a password"
        raise InputError("E-FILE-5", fix, file=path.name) from error
    names = workbook.sheet_names
    n_above = written.skip_rows + written.header

    def is_filled(name: str) -> bool:
        end = workbook.get_sheet_by_name(name).end
        return end is not None and end[0] >= n_above

    missing = [one for one in wanted if one not in names and not set(one) & set("*?")]
    alike = [one for one in names if any(fnmatchcase(one, pattern) for pattern in patterns)]
    found = [one for one in names if one in wanted or (one in alike and is_filled(one))]
    if missing or not found:
        fix = f"write sheet: one of {', '.join(names)}, not {', '.join(missing or wanted)}"
        raise InputError("E-XLS-4", fix, file=path.name, column="format.sheet")
    return found


class Reshaped(Records):
    """Records made from those of another reader, which tells what they are."""

    def __init__(self, inner: Records) -> None:
        super().__init__(inner.path, inner.format, inner.time_zone)
        self._inner, self.is_text, self.epoch = inner, inner.is_text, inner.epoch
        self.header, self.unnamed = inner.header, inner.unnamed

    def _take_over(self) -> None:
        """What is known only when all is read."""
        self.n_records, self.broken, self.mixed = self._inner.n_records, self._inner.broken, self._inner.mixed
        # In place: others note here too.
        self.noticed += self._inner.noticed

    def head(self, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
        return self._inner.head(delimiter)

    def likely_delimiter(self) -> str | None:
        return self._inner.likely_delimiter()

    def raw_texts(self, lines: set[int]) -> dict[int, str]:
        return self._inner.raw_texts(lines)

    def _refuse_column(self, column: str, fix: str) -> InputError:
        return InputError("E-HDR-2", fix, file=self.path.name, column=column, rows=self.format.skip_rows + 1)


class NamedSheet(Reshaped):
    """A sheet's records with its name as one more column; of a blank record it is blank too."""

    def __init__(self, sheet: Records, name_to: str) -> None:
        super().__init__(sheet)
        if name_to in sheet.columns:
            raise self._refuse_column(name_to, "the sheet has a column of this name: write another as sheet_to")
        self.columns = [*sheet.columns, name_to]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._inner:
            *texts, line = batch.columns
            joined = pc.binary_join_element_wise(*texts, "") if len(texts) > 1 else texts[0]
            name = pc.if_else(pc.equal(pc.utf8_trim_whitespace(joined), ""), "", self.format.sheet)
            yield self._batch([*texts, name], line)
        self._take_over()


class MeltedRecords(Reshaped):
    """The records of a wide file, each as often as it has cells to be melted: ``n_records`` counts the cells, and ``_line``
    holds the number of the cell too. Where a cell is empty, the record is blank; a broken record counts once."""

    def __init__(self, wide: Records, melt: Melt) -> None:
        super().__init__(wide)
        self._names = melt.names(wide.columns)
        missing = [name for name in self._names if name not in wide.columns]
        if missing or not self._names:
            fix = "no such column to melt: correct format.melt"
            raise self._refuse_column(", ".join(missing) or str(melt.pattern), fix)
        self._kept = [place for place, name in enumerate(wide.columns) if name not in self._names]
        self.columns = [*(wide.columns[place] for place in self._kept), melt.name_to, melt.value_to]
        if taken := {melt.name_to, melt.value_to} & set(self.columns[:-2]):
            fix = "the file has a column of this name: write another in format.melt"
            raise self._refuse_column(", ".join(sorted(taken)), fix)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._inner:
            kept = [batch.column(place) for place in self._kept]
            line = batch.column(LINE).to_numpy()
            for number, (column, stands_for) in enumerate(self._names.items(), 1):
                value = batch.column(self._inner.columns.index(column))
                is_empty = pc.equal(pc.utf8_trim_whitespace(value), "")
                texts = [pc.if_else(is_empty, "", one) for one in (*kept, pa.scalar(stands_for), value)]
                yield self._batch(texts, line + number * CELL_STEP)
        self._take_over()
        self.n_records = (self.n_records - len(self.broken)) * len(self._names) + len(self.broken)
