"""CSV, TSV and other delimited text, also gzipped; and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import BATCH_ROWS, MAX_BROKEN, Broken, Records

BLOCK_BYTES = 8 << 20
_QUOTES = {"double": '"', "single": "'", "none": False}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_GUESSES = ("utf-8", "gb18030", "shift_jis", "big5", "cp1252")


class CsvRecords(Records):
    """Delimited text by the contract's encoding, delimiter and quote."""

    def __init__(self, path: Path, written: Format) -> None:
        super().__init__(path, written)
        self._set_columns(self._header())

    def _header(self) -> list[str]:
        """The first record: the names, or, without a header, a record to count the cells of."""
        lines = self._lines()
        for _ in range(self.format.skip_rows):
            lines.readline()
        options = {"delimiter": self._delimiter}
        if self.format.quote == "none":
            options["quoting"] = csv.QUOTE_NONE
        else:
            options["quotechar"] = _QUOTES[self.format.quote]
        for header in csv.reader(lines, **options):
            if header:
                return header
        raise InputError("E-FILE-1", "the file is empty: export it again", file=self.path.name)

    @property
    def _delimiter(self) -> str:
        return "\t" if self.format.delimiter in ("tab", "whitespace") else self.format.delimiter

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        stream = _Utf8(self.path, self.format)
        # pyarrow numbers records, the lines before the data included: the number is the physical line, less the line
        # breaks that stand within quotes in the records before.
        within_quotes = _Breaks()

        def keep(row: pyarrow.csv.InvalidRow) -> str:
            reason = "E-ROW-1" if row.actual_columns > row.expected_columns else "E-ROW-3"
            self.broken.append(Broken(row.number, reason if row.text.strip() else "blank", row.text))
            within_quotes.add(row.number, row.text.count("\n"))
            if len(self.broken) > MAX_BROKEN:
                raise self._too_broken()
            return "skip"

        good, skipped = 0, self.format.skip_rows + self.format.header
        ends_in_quotes = False
        try:
            batches = pyarrow.csv.open_csv(
                pa.PythonFile(stream, "r"),
                read_options=pyarrow.csv.ReadOptions(
                    block_size=BLOCK_BYTES, column_names=self.columns, skip_rows=skipped, use_threads=False
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter,
                    quote_char=_QUOTES[self.format.quote],
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=keep,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    default_column_type=pa.string(), strings_can_be_null=False, quoted_strings_can_be_null=False
                ),
            )
            for batch in batches:
                if batch.num_rows == 0:
                    continue
                # The k-th good record is record k plus the broken ones before it.
                before = np.array([one.line for one in self.broken], dtype=np.int64) - np.arange(len(self.broken))
                number = np.arange(good + 1, good + 1 + batch.num_rows) + skipped
                number = number + np.searchsorted(before, number, side="right")
                good += batch.num_rows
                if stream.n_quotes:
                    breaks = sum(
                        pc.count_substring(column, "\n").to_numpy(zero_copy_only=False) for column in batch.columns
                    )
                    ends_in_quotes = breaks[-1] > 0
                    for one in np.flatnonzero(breaks):
                        within_quotes.add(int(number[one]), int(breaks[one]))
                line = pa.array(number + within_quotes.before(number))
                yield pa.RecordBatch.from_arrays([*batch.columns, line], schema=self.schema)
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise self._unclosed() from error
        if ends_in_quotes and stream.n_quotes % 2:
            raise self._unclosed()
        self.n_records = good + len(self.broken)
        shift = within_quotes.before(np.array([one.line for one in self.broken], dtype=np.int64))
        self.broken = [one._replace(line=one.line + int(by)) for one, by in zip(self.broken, shift, strict=True)]

    def raw_texts(self, lines: set[int]) -> dict[int, str]:
        return {number: text.rstrip("\r\n") for number, text in enumerate(self._lines(), 1) if number in lines}

    def _lines(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(
            io.BufferedReader(_Utf8(self.path, self.format), BLOCK_BYTES), encoding="utf-8", newline=""
        )

    def _unclosed(self) -> InputError:
        """The slow way to the line on which a quotation mark was opened for good."""
        quote = _QUOTES[self.format.quote] or '"'
        opened, is_open = 0, False
        for number, line in enumerate(self._lines(), 1):
            if line.count(quote) % 2:
                is_open, opened = not is_open, number if not is_open else opened
        return InputError(
            "E-ROW-5",
            "a quotation mark is opened here and never closed: mend the line, or write quote: none",
            file=self.path.name,
            rows=opened or "-",
        )


class _Breaks:
    """How many line breaks stand within quotes before a record."""

    def __init__(self) -> None:
        self._at: list[int] = []
        self._n: list[int] = []

    def add(self, record: int, n: int) -> None:
        if n:
            self._at.append(record)
            self._n.append(n)

    def before(self, records: np.ndarray) -> np.ndarray:
        at, n = np.array(self._at, dtype=np.int64), np.array(self._n, dtype=np.int64)
        order = np.argsort(at)
        total = np.concatenate([[0], np.cumsum(n[order])])
        return total[np.searchsorted(at[order], records, side="left")]


class _Utf8(io.RawIOBase):
    """A file's bytes as UTF-8: unzipped, decoded by the contract's encoding, blanks made tabs where they delimit."""

    def __init__(self, path: Path, written: Format) -> None:
        self._path = path
        self._file = _open_bytes(path)
        start = self._file.read(BLOCK_BYTES)
        if not start:
            raise InputError("E-FILE-1", "the file is empty: export it again", file=path.name)
        # A byte-order mark says more than the contract.
        self._encoding, bom = next(
            ((name, bom) for bom, name in _BOMS.items() if start.startswith(bom)), (written.encoding, b"")
        )
        self._decoder = codecs.getincrementaldecoder(self._encoding)()
        self._pending = start[len(bom) :]
        self._out = b""
        self._n_bytes, self._n_lines = len(bom), 0
        self._ends = False
        self._quote = (_QUOTES[written.quote] or '"').encode()
        self._blanks = b"" if written.delimiter == "whitespace" else None
        self.n_quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self._out) < size) and not self._ends:
            self._out += self._next()
        size = len(self._out) if size < 0 else size
        data, self._out = self._out[:size], self._out[size:]
        return data

    def _next(self) -> bytes:
        raw = self._pending or self._read_bytes()
        self._pending = b""
        self._ends = not raw
        try:
            text = self._decoder.decode(raw, final=self._ends)
        except UnicodeDecodeError as error:
            raise self._wrong_encoding(raw, error) from error
        data = text.encode("utf-8", "surrogatepass")
        self._n_bytes += len(raw)
        self._n_lines += data.count(b"\n")
        self.n_quotes += data.count(self._quote)
        return data if self._blanks is None else self._tabbed(data)

    def _read_bytes(self) -> bytes:
        try:
            return self._file.read(BLOCK_BYTES)
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise InputError("E-FILE-4", f"the file cannot be unpacked ({error})", file=self._path.name) from error

    def _tabbed(self, data: bytes) -> bytes:
        data = self._blanks + data
        cut = len(data) if self._ends else data.rfind(b"\n") + 1
        data, self._blanks = data[:cut], data[cut:]
        return re.sub(rb"[ \t]+", b"\t", re.sub(rb"^[ \t]+|[ \t]+(?=\r?$)", b"", data, flags=re.MULTILINE))

    def _wrong_encoding(self, raw: bytes, error: UnicodeDecodeError) -> InputError:
        looks = [one for one in _GUESSES if one != self._encoding and _decodes(raw, one)]
        hint = f"; it looks like {' or '.join(looks)}: write that as encoding" if looks else ""
        return InputError(
            "E-ENC-1",
            f"byte {self._n_bytes + error.start} is not {self._encoding}{hint}",
            file=self._path.name,
            rows=self._n_lines + raw[: error.start].count(b"\n") + 1,
        )


def _open_bytes(path: Path) -> BinaryIO:
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)
    if magic[:2] == b"PK" or magic == b"\xd0\xcf\x11\xe0":
        raise InputError(
            "E-FILE-4",
            "this is a spreadsheet or a zip archive, not text: unpack it, or write kind: excel",
            file=path.name,
        )
    return file


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(raw)
    except UnicodeDecodeError:
        return False
    return True


class ParquetRecords(Records):
    """A Parquet file; typed columns are written as text, dates in the contract's format. ``line`` is the row."""

    def __init__(self, path: Path, written: Format) -> None:
        super().__init__(path, written)
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError("E-FILE-4", "this is not a whole Parquet file: export it again", file=path.name) from error
        self._set_columns(self._file.schema_arrow.names)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._file.iter_batches(batch_size=BATCH_ROWS):
            first = self.n_records + 1
            self.n_records += batch.num_rows
            texts = [_as_text(column, self.format) for column in batch.columns]
            line = pa.array(np.arange(first, first + batch.num_rows))
            yield pa.RecordBatch.from_arrays([*texts, line], schema=self.schema)


def _as_text(column: pa.Array, written: Format) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_date(column.type):
        column = pc.strftime(column, written.date or written.datetime or "%Y-%m-%d")
    elif pa.types.is_timestamp(column.type):
        column = pc.strftime(pc.floor_temporal(column, unit="second"), written.datetime or "%Y-%m-%d %H:%M:%S")
    elif pa.types.is_decimal(column.type) or not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    return pc.fill_null(column, "")
