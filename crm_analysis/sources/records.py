"""What every reader gives: the columns of a file, and its records in batches of text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format

LINE = "line"
BATCH_ROWS = 1 << 16
MAX_BROKEN = 100_000


class Broken(NamedTuple):
    """A record that does not have the header's number of cells."""

    line: int
    reason: str
    text: str


class Records:
    """One file. Iterate over it once; ``n_records`` and ``broken`` are whole afterwards.

    Batches hold the file's ``columns`` as text, never null, and ``line``: the physical line (of a spreadsheet the row) on
    which the record begins, counted from 1.
    """

    columns: list[str]

    def __init__(self, path: Path, written: Format) -> None:
        self.path, self.format = path, written
        self.n_records = 0
        self.broken: list[Broken] = []
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.columns] + [(LINE, pa.int64())])

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
                if row[LINE] in lines:
                    found[row.pop(LINE)] = "\t".join(row.values())
        return found

    def _set_columns(self, header: list[str]) -> None:
        """Take the header's cells as names, or positions from 1. Raises InputError E-HDR-1 for a repeated name."""
        if not self.format.header:
            self.columns = [str(position + 1) for position in range(len(header))]
            return
        places: dict[str, int] = {}
        for position, name in enumerate(header, 1):
            if name in places and name:
                raise InputError(
                    "E-HDR-1",
                    f"the name stands in columns {places[name]} and {position} of the header: rename one",
                    file=self.path.name,
                    column=name,
                    rows=self.format.skip_rows + 1,
                )
            places.setdefault(name, position)
        self.columns = [name or f"column {position}" for position, name in enumerate(header, 1)]

    def _too_broken(self) -> InputError:
        return InputError(
            "E-ROW-2",
            f"the rows do not have the {len(self.columns)} cells of the header: check delimiter, quote and header in the contract",
            file=self.path.name,
            rows=f"{self.broken[0].line} and {len(self.broken) - 1} more",
        )


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
