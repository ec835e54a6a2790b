"""Read files as text, exactly as written, with the line on which each record begins. Nothing later knows how files spell
things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crm_analysis.sources.contract import Format
from crm_analysis.sources.files import CsvRecords, ParquetRecords
from crm_analysis.sources.records import Records
from crm_analysis.sources.reshaping import MeltedRecords, NamedSheet
from crm_analysis.sources.spreadsheets import SpreadsheetRecords

_READERS = {"csv": CsvRecords, "excel": SpreadsheetRecords, "parquet": ParquetRecords}


def open_records(path: Path, written: Format, time_zone: str, sheet: str | None = None) -> Records:
    """The reader for a file. ``time_zone``: the source's, for typed moments that carry a zone of their own. ``sheet``: the
    one to read where the contract names several."""
    written = replace(written, sheet=sheet) if sheet is not None else written
    records = _READERS[written.kind_of(path.name)](path, written, time_zone)
    if written.sheet_to:
        records = NamedSheet(records, written.sheet_to)
    return MeltedRecords(records, written.melt) if written.melt else records
