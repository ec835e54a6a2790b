"""Read files as text, exactly as written, with the line that each record begins on. Nothing later knows how files spell things."""

from __future__ import annotations

from pathlib import Path

from crm_analysis.sources.contract import Format
from crm_analysis.sources.files import CsvRecords, ParquetRecords
from crm_analysis.sources.records import Records
from crm_analysis.sources.spreadsheets import SpreadsheetRecords

_READERS = {"csv": CsvRecords, "excel": SpreadsheetRecords, "parquet": ParquetRecords}
_KINDS = {".xlsx": "excel", ".xls": "excel", ".parquet": "parquet"}


def open_records(path: Path, written: Format) -> Records:
    """The reader for a file: by the contract's ``kind``, else by its name's ending; anything unknown is CSV."""
    return _READERS[written.kind or _KINDS.get(path.suffix.lower(), "csv")](path, written)
