"""Wide tables as long ones: a row for each cell of the contract's columns, such as one per customer and month."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Melt
from crm_analysis.sources.records import CELL_STEP, LINE, Records


class MeltedRecords(Records):
    """The records of a wide file, each as often as it has cells to be melted: ``n_records`` counts the cells, and ``_line``
    holds the number of the cell too. Where a cell is empty, the record is blank; a broken record counts once."""

    def __init__(self, wide: Records, melt: Melt) -> None:
        super().__init__(wide.path, wide.format, wide.time_zone)
        self._wide, self.is_text = wide, wide.is_text
        self._names = melt.names(wide.columns)
        missing = [name for name in self._names if name not in wide.columns]
        if missing or not self._names:
            raise self._refusal(", ".join(missing) or melt.pattern, "no such column to melt: correct format.melt")
        self._kept = [place for place, name in enumerate(wide.columns) if name not in self._names]
        self.columns = [*(wide.columns[place] for place in self._kept), melt.name_to, melt.value_to]
        if taken := {melt.name_to, melt.value_to} & set(self.columns[:-2]):
            raise self._refusal(", ".join(taken), "the file has a column of this name: write another in format.melt")

    def _refusal(self, column: str, fix: str) -> InputError:
        return InputError("E-HDR-2", fix, file=self.path.name, column=column, rows=self.format.skip_rows + 1)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._wide:
            kept = [batch.column(place) for place in self._kept]
            line = batch.column(LINE).to_numpy()
            for number, (column, stands_for) in enumerate(self._names.items(), 1):
                value = batch.column(self._wide.columns.index(column))
                is_empty = pc.equal(pc.utf8_trim_whitespace(value), "")
                texts = [pc.if_else(is_empty, "", one) for one in (*kept, pa.scalar(stands_for), value)]
                yield self._batch(texts, line + number * CELL_STEP)
        n_broken, self.broken, self.noticed = len(self._wide.broken), self._wide.broken, self._wide.noticed
        self.n_records = (self._wide.n_records - n_broken) * len(self._names) + n_broken

    def raw_texts(self, lines: set[int]) -> dict[int, str]:
        """The whole wide records."""
        return self._wide.raw_texts(lines)
