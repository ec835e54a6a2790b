"""What every reader gives: the columns of a file, and its records in batches of text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format

LINE = "_line"
BATCH_ROWS = 1 << 16
# In a melted table several rows have one line: cell number (from 1) · CELL_STEP + line.
CELL_STEP = 1 << 32
MAX_BROKEN = 100_000
# What delimits cells, as a contract writes it, and in how many first records a header is looked for.
DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
HEAD_RECORDS = 50
# What stands in a cell that a spreadsheet could not compute, or did not: the reasons why its row is rejected.
UNCOMPUTED = "#UNCOMPUTED!"
CELL_ERRORS = {
    UNCOMPUTED: "E-XLS-1",
    **dict.fromkeys(
        ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA"),
        "E-XLS-2",
    ),
}
# What stands for half of a surrogate pair, which is no character and no text can hold: a code that Unicode keeps for such use.
LONE_SURROGATE = "\ufdd0"
# How a date cell of a spreadsheet, or a typed column, is written as text.
DATE_TEXT, MOMENT_TEXT = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Input:
    """A file of a table, with its label (unique within the table) and what identifies its content."""

    table: str
    label: str
    path: Path
    size: int
    mtime_ns: int
    sha256: str
    # As a note beside the file says; None where there is none.
    n_rows: int | None = None
    # The sheet of a workbook, where the contract names several.
    sheet: str | None = None


class Broken(NamedTuple):
    """A record that cannot be told into the header's columns, or not into text."""

    line: int
    reason: str
    text: str


class Noticed(NamedTuple):
    """Something that a reader of the reports must know of a file, though its rows are used."""

    code: str
    column: str | None
    n_rows: int
    lines: tuple[int, ...] = ()


class Records:
    """One file. Iterate over it once; ``n_records``, ``broken`` and ``noticed`` are whole afterwards.

    ``columns`` are the names in the file. Batches hold them as text, never null, named ``_f0``, ``_f1``, … in their order (an
    engine's names may have no case, and the file's may be anything), and ``_line``: the physical line (of a spreadsheet or
    Parquet the row) on which the record begins, counted from 1. ``header``: its cells as they stand in the file; ``unnamed``:
    the columns without a name there. ``is_text``: the file has no date cells of its own. ``epoch``: day 0 of dates that are
    numbers. ``mixed``: what to notice of columns with numbers among texts, where cells have types.
    """

    columns: list[str]
    is_text = False
    epoch = date(1899, 12, 30)

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        self.path, self.format, self.time_zone = path, written, time_zone
        self.n_records = 0
        self.broken: list[Broken] = []
        self.noticed: list[Noticed] = []
        self.mixed: dict[str, Noticed] = {}
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def head(self, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
        """The first records of the file, whatever the contract skips, with their lines; by another delimiter where one is
        given and such things are in a file of this kind."""
        return iter(())

    def likely_delimiter(self) -> str | None:
        """What most often stands where a delimiter might, other than the contract's."""
        return None

    @property
    def schema(self) -> pa.Schema:
        fields = [(f"_f{place}", pa.string()) for place in range(len(self.columns))]
        return pa.schema([*fields, (LINE, pa.int64())])

    def reader(self) -> pa.RecordBatchReader:
        """The batches as an Arrow stream. What reading raises is kept in ``failure``: a stream passes on only its text."""
        return pa.RecordBatchReader.from_batches(self.schema, self._watched())

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self
        except BaseException as error:
            self.failure = error
            raise

    def raw_texts(self, lines: set[int]) -> dict[int, str]:
        """The records that begin on these lines, as they stand in the file; cells of typed files with tabs between."""
        found = {}
        for batch in self:
            for row in batch.to_pylist():
                if (line := row.pop(LINE)) in lines:
                    found[line] = "\t".join(row.values())
        return found

    def _batch(self, columns: Sequence[pa.Array], line: np.ndarray) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([*columns, pa.array(line)], schema=self.schema)

    def _set_columns(self, header: list[str]) -> None:
        """Take the header's cells as names, or positions from 1. Raises InputError E-HDR-1 for a repeated name."""
        self.header, self.unnamed = header, []
        if not self.format.header:
            self.columns = [str(position + 1) for position in range(len(header))]
            return
        places: dict[str, int] = {}
        for position, name in enumerate(header, 1):
            if name in places and name.strip():
                raise InputError(
                    "E-HDR-1",
                    f"the name stands in columns {places[name]} and {position} of the header: rename one",
                    file=self.path.name,
                    column=name,
                    rows=self.format.skip_rows + 1,
                )
            places.setdefault(name, position)
        self.columns = [name if name.strip() else f"column {position}" for position, name in enumerate(header, 1)]
        self.unnamed = [column for column, name in zip(self.columns, header, strict=True) if not name.strip()]


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
