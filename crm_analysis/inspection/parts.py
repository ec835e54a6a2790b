"""A file, or a sheet of a workbook, as it was looked at: its format with the evidence, its columns and a sample of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from python_calamine import CalamineError, CalamineWorkbook

from crm_analysis.errors import InputError
from crm_analysis.inspection.encodings import find_encoding
from crm_analysis.inspection.layout import find_header, find_layout, read_records
from crm_analysis.inspection.sampling import take_sample
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import DECIDE, Format
from crm_analysis.sources.records import BATCH_ROWS, LINE

MAX_ROWS = 20_000
_N_END = 5
_N_BATCHES = 4


@dataclass
class Part:
    """``entries``: of the contract's format, those that are not the default or must be said; ``why``: entry → evidence.
    ``names``: what the columns are called, where the contract knows them by their place. ``end``: the last records. ``titles``: what stands above the header. ``notes``: what a person should know."""

    path: Path
    kind: str
    entries: dict[str, object]
    why: dict[str, str]
    columns: list[str]
    names: list[str]
    rows: list[list[str]]
    end: list[list[str]]
    titles: str = ""
    sheet: str | None = None
    n_rows: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.path.name}: {self.sheet}" if self.sheet else self.path.name


def look(path: Path) -> list[Part]:
    """What a file holds: a part for it, or for each sheet of a workbook that is not empty. Raises InputError."""
    if not path.is_file():
        raise InputError("E-FILE-1", "no such file", file=path)
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return [_look_at_parquet(path)]
    if magic == b"PK\x03\x04" or magic == b"\xd0\xcf\x11\xe0":
        return list(_look_at_workbook(path))
    return [_look_at_text(path)]


def _look_at_text(path: Path) -> Part:
    sample = take_sample(path)
    encoding = find_encoding([sample.head, *sample.pieces, *sample.rare])
    is_wide = encoding.name.startswith("utf-16")
    text = sample.head.decode(encoding.name, "ignore").lstrip("\ufeff").replace("\r\n", "\n")
    layout = find_layout(text)
    records = read_records(text, layout.delimiter, layout.quote)
    entries: dict[str, object] = {
        "encoding": f"{DECIDE}" if encoding.others else encoding.name,
        "delimiter": layout.delimiter,
    }
    why = {"encoding": encoding.why, **layout.why}
    if encoding.others:
        why["encoding"] = f"{encoding.name}, {' or '.join(encoding.others)}? {encoding.why}"
    if layout.quote != "double":
        entries["quote"] = layout.quote
    if layout.skip_rows:
        entries["skip_rows"] = layout.skip_rows
    first = next((place for place, (line, _) in enumerate(records) if line > layout.skip_rows), None)
    if first is None:
        raise InputError("E-FILE-1", "the file is empty: export it again", file=path.name)
    titles = " ".join(cell for _, one in records[:first] for cell in one if cell.strip())
    cells = [one for _, one in records[first:]]
    if not sample.is_whole and not is_wide:
        for piece in sample.pieces:
            found = read_records(piece.decode(encoding.name, "ignore"), layout.delimiter, layout.quote)
            # A piece may begin within a quoted text: what does not fit is no evidence.
            cells += [one for _, one in found if len(one) == len(cells[0])]
    end = read_records(sample.end.decode(encoding.name, "ignore"), layout.delimiter, layout.quote)[-_N_END:]
    part = _part(path, "csv", entries, why, cells, layout.header)
    part.titles, part.end = titles, [one for _, one in end]
    part.n_rows = f"{len(part.rows):,} rows" if sample.is_whole else f"{len(part.rows):,} rows looked at"
    return part


def _look_at_workbook(path: Path) -> Iterator[Part]:
    try:
        names = CalamineWorkbook.from_path(path).sheet_names
    except CalamineError as error:
        fix = f"the workbook cannot be opened ({error}): save it again without a password"
        raise InputError("E-FILE-5", fix, file=path.name) from error
    kind = {} if path.suffix.lower() in (".xlsx", ".xls") else {"kind": "excel"}
    for name in names:
        try:
            records = open_records(path, Format(kind="excel", sheet=name, header=False), "UTC")
        except InputError:
            continue  # The sheet is empty.
        numbered = [(row.pop(LINE), list(row.values())) for batch in records for row in batch.to_pylist()]
        numbered = [(line, row) for line, row in numbered if any(one.strip() for one in row)]
        if not numbered:
            continue
        header = find_header([row for _, row in numbered])
        entries: dict[str, object] = dict(kind)
        if len(names) > 1:
            entries["sheet"] = name
        if (line := numbered[header.first][0]) > 1:
            entries["skip_rows"] = line - 1
        why = {"header": header.why, "skip_rows": "what stands above the header is no table"}
        cells = [row for _, row in numbered[header.first :]]
        part = _part(path, "excel", entries, why, cells[: MAX_ROWS + 1], header.place is not None)
        part.titles = " ".join(cell for _, row in numbered[: header.first] for cell in row if cell)
        part.sheet, part.end = name if len(names) > 1 else None, cells[1:][-_N_END:]
        part.n_rows = f"{len(cells) - (header.place is not None):,} rows"
        yield part


def _look_at_parquet(path: Path) -> Part:
    records = open_records(path, Format(kind="parquet"), "UTC")
    # The first rows, which are neighbours, and others from behind them.
    n = pyarrow.parquet.read_metadata(path).num_rows
    step = max(1, min(n, _N_BATCHES * BATCH_ROWS) // MAX_ROWS)
    rows = []
    for number, batch in enumerate(islice(records, _N_BATCHES)):
        near = MAX_ROWS // 4 if number == 0 else 0
        rows += _rows(batch.take([*range(min(near, batch.num_rows)), *range(near, batch.num_rows, step)]))
    entries = {} if path.suffix.lower() == ".parquet" else {"kind": "parquet"}
    zones = {
        one.type.tz for one in pyarrow.parquet.read_schema(path) if pa.types.is_timestamp(one.type) and one.type.tz
    }
    part = Part(path, "parquet", entries, {}, records.columns, records.columns, rows, [], n_rows=f"{n:,} rows")
    if zones:
        part.why["zone"] = " ".join(sorted(zones))
    return part


def _rows(batch: pa.RecordBatch) -> list[list[str]]:
    return [list(row.values())[:-1] for row in batch.to_pylist()]


def _part(path: Path, kind: str, entries: dict, why: dict, cells: list[list[str]], has_header: bool) -> Part:
    """A part of records that begin with the header, where there is one."""
    names = [one.strip().lstrip("\ufeff") for one in cells[0]]
    notes = []
    twice = sorted({one for one in names if one and names.count(one) > 1})
    if has_header and twice:
        # A reader refuses two columns of one name: the columns go by their places, below the header's line.
        notes.append(f"the names {', '.join(twice)} stand twice: the columns go by their place")
        notes.append("; ".join(f"{place} is {name}" for place, name in enumerate(names, 1)))
        entries["skip_rows"] = int(entries.get("skip_rows", 0)) + 1
    if not has_header or twice:
        entries["header"] = "false"
    columns = [str(place) for place in range(1, len(names) + 1)]
    if has_header and not twice:
        columns = [name or f"column {place}" for place, name in enumerate(names, 1)]
    n = len(columns)
    whole = [one for one in cells[has_header:] if len(one) == n]
    n_broken = len(cells) - has_header - len(whole)
    if n_broken:
        notes.append(f"{n_broken} of the records looked at do not have {n} cells")
    return Part(path, kind, entries, why, columns, names if has_header else [""] * n, whole, [], notes=notes)
