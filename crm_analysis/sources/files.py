"""CSV, TSV and other delimited text, also gzipped; and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
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
from crm_analysis.sources.records import BATCH_ROWS, DATE_TEXT, MAX_BROKEN, MOMENT_TEXT, Broken, Records

BLOCK_BYTES = 8 << 20
_QUOTES = {"double": '"', "single": "'", "none": False}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_GUESSES = ("utf-8", "gb18030", "shift_jis", "big5", "cp1252")


class CsvRecords(Records):
    """Delimited text by the contract's encoding, delimiter and quote."""

    is_text = True

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        super().__init__(path, written, time_zone)
        self._quote = _QUOTES[written.quote]
        self._delimiter = "\t" if written.delimiter in ("tab", "whitespace") else written.delimiter
        header, n_lines = self._header()
        self._n_skipped = n_lines if written.header else written.skip_rows
        self._set_columns(header)

    def _header(self) -> tuple[list[str], int]:
        """The first record that is not blank (the names or, without a header, something to count the cells of), and the
        number of lines to its end."""
        lines = self._lines()
        for _ in range(self.format.skip_rows):
            lines.readline()
        options = {"quotechar": self._quote} if self._quote else {"quoting": csv.QUOTE_NONE}
        records = csv.reader(lines, delimiter=self._delimiter, **options)
        try:
            for record in records:
                if any(record):
                    return record, self.format.skip_rows + records.line_num
        except csv.Error as error:
            raise self._unreadable() from error
        raise InputError("E-FILE-1", "the file is empty: export it again", file=self.path.name)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        stream = _Utf8(self.path, self.format)
        # pyarrow numbers records, the lines before the data included: the number is the physical line, less the line
        # breaks that stand within quotes in the records before.
        within_quotes = _Breaks()

        def keep(row: pyarrow.csv.InvalidRow) -> str:
            reason = "E-ROW-1" if row.actual_columns > row.expected_columns else "E-ROW-3"
            self.broken.append(Broken(row.number, reason if row.text.strip() else "blank", row.text))
            within_quotes.add(row.number, row.text.count("\n"))
            return "skip" if len(self.broken) <= MAX_BROKEN else "error"

        good, may_be_open = 0, False
        try:
            for batch in self._batches(stream, keep):
                # The k-th good record is record k plus the broken ones before it.
                before = np.array([one.line for one in self.broken], dtype=np.int64) - np.arange(len(self.broken))
                number = np.arange(good + 1, good + 1 + batch.num_rows) + self._n_skipped
                number = number + np.searchsorted(before, number, side="right")
                good += batch.num_rows
                if stream.n_quotes:
                    breaks = sum(
                        pc.count_substring(column, "\n").to_numpy(zero_copy_only=False) for column in batch.columns
                    )
                    may_be_open = breaks[-1] > 0
                    for one in np.flatnonzero(breaks):
                        within_quotes.add(int(number[one]), int(breaks[one]))
                yield self._batch(batch.columns, number + within_quotes.before(number))
        except pa.ArrowInvalid as error:
            if len(self.broken) > MAX_BROKEN:
                raise self._too_broken() from error
            if "Empty CSV" not in str(error) and "Could not skip" not in str(error):
                raise self._unreadable() from error
        may_be_open |= stream.n_quotes % 2 == 1 or any("\n" in one.text for one in self.broken[-1:])
        if may_be_open and (line := self._unclosed()):
            raise self._unreadable(line)
        self.n_records = good + len(self.broken)
        shift = within_quotes.before(np.array([one.line for one in self.broken], dtype=np.int64))
        self.broken = [one._replace(line=one.line + int(by)) for one, by in zip(self.broken, shift, strict=True)]

    def _batches(self, stream: _Utf8, keep) -> Iterator[pa.RecordBatch]:
        reader = pyarrow.csv.open_csv(
            pa.PythonFile(stream, "r"),
            read_options=pyarrow.csv.ReadOptions(
                block_size=BLOCK_BYTES,
                column_names=[str(place) for place in range(len(self.columns))],
                skip_rows=self._n_skipped,
                use_threads=False,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._delimiter,
                quote_char=self._quote,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=keep,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                default_column_type=pa.string(), strings_can_be_null=False, quoted_strings_can_be_null=False
            ),
        )
        return (batch for batch in reader if batch.num_rows)

    def raw_texts(self, lines: set[int]) -> dict[int, str]:
        found, first = {}, 0
        for number, text in enumerate(self._lines(), 1):
            if first:
                found[first] += text
            elif number in lines:
                found[number], first = text, number
            # A record goes on where a quotation mark is still open.
            if first and not (self._quote and found[first].count(self._quote) % 2):
                first = 0
        return {number: text.rstrip("\r\n") for number, text in found.items()}

    def _lines(self) -> io.TextIOWrapper:
        stream = _Utf8(self.path, self.format)
        return io.TextIOWrapper(
            io.BufferedReader(stream, BLOCK_BYTES), encoding="utf-8", errors="surrogatepass", newline=stream.line_end
        )

    def _unclosed(self) -> int:
        """The slow way to the line on which a quotation mark is opened that nothing closes; 0 where there is none."""
        opened, is_open = 0, False
        for number, line in enumerate(self._lines(), 1):
            if number <= self.format.skip_rows or not (self._quote and self._quote in line):
                continue
            begins_field = not is_open
            place = 0
            while place < len(line):
                is_quote = line[place] == self._quote
                if is_open and is_quote:
                    # Two marks within quotes are one in the text.
                    is_doubled = line[place + 1 : place + 2] == self._quote
                    is_open, place = is_doubled, place + is_doubled
                elif is_quote and begins_field:
                    is_open, opened = True, number
                begins_field = not is_open and line[place] == self._delimiter
                place += 1
        return opened if is_open else 0

    def _unreadable(self, line: int = 0) -> InputError:
        line = line or self._unclosed()
        if line:
            fix = "a quotation mark is opened here and never closed: mend the line, or write quote: none"
            return InputError("E-ROW-5", fix, file=self.path.name, rows=line)
        fix = f"a record is longer than {BLOCK_BYTES} bytes: check delimiter and quote in the contract"
        return InputError("E-ROW-6", fix, file=self.path.name)


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
        start = self._read_bytes()
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
        self.line_end = "\n" if b"\n" in start else "\r"
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
            raise self._wrong_encoding(len(raw), error) from error
        data = text.encode("utf-8", "surrogatepass")
        self._n_bytes += len(raw)
        self._n_lines += data.count(b"\n")
        self.n_quotes += data.count(self._quote)
        return data if self._blanks is None else self._tabbed(data)

    def _read_bytes(self) -> bytes:
        try:
            return self._file.read(BLOCK_BYTES)
        except (EOFError, zlib.error, OSError) as error:
            # Of the machine, not of the file's content: told as such.
            if getattr(error, "errno", None):
                raise
            raise InputError("E-FILE-4", f"the file cannot be unpacked ({error})", file=self._path.name) from error

    def _tabbed(self, data: bytes) -> bytes:
        data = self._blanks + data
        cut = len(data) if self._ends else data.rfind(b"\n") + 1
        data, self._blanks = data[:cut], data[cut:]
        return re.sub(rb"[ \t]+", b"\t", re.sub(rb"^[ \t]+|[ \t]+(?=\r?$)", b"", data, flags=re.MULTILINE))

    def _wrong_encoding(self, n_read: int, error: UnicodeDecodeError) -> InputError:
        # The decoder may hold back the beginning of a character from the block before.
        data, n_held = error.object, len(error.object) - n_read
        looks = [one for one in _GUESSES if one != self._encoding and _decodes(data, one)]
        hint = f"; it looks like {' or '.join(looks)}: write that as encoding" if looks else ""
        if self._ends:
            hint = "; the file is cut off: export it again"
        return InputError(
            "E-ENC-1",
            f"byte {self._n_bytes - n_held + error.start} is not {self._encoding}{hint}",
            file=self._path.name,
            rows=self._n_lines + data[: error.start].count(b"\n") + 1,
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
    """Whether all of it, a cut last character aside, is text in this encoding."""
    try:
        return bool(codecs.getincrementaldecoder(encoding)().decode(raw))
    except UnicodeDecodeError:
        return False


class ParquetRecords(Records):
    """A Parquet file, its typed columns written as text. ``line`` is the row."""

    def __init__(self, path: Path, written: Format, time_zone: str) -> None:
        super().__init__(path, written, time_zone)
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error
        self._set_columns(self._file.schema_arrow.names)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._file.iter_batches(batch_size=BATCH_ROWS):
                first = self.n_records + 1
                self.n_records += batch.num_rows
                texts = [_as_text(column, self.time_zone) for column in batch.columns]
                yield self._batch(texts, np.arange(first, first + batch.num_rows))
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Exception:
        if getattr(error, "errno", None):
            return error
        fix = "this is not a whole Parquet file: export it again"
        return InputError("E-FILE-4", fix, file=self.path.name)


def _as_text(column: pa.Array, time_zone: str) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_date(column.type):
        column = pc.strftime(column, DATE_TEXT)
    elif pa.types.is_timestamp(column.type):
        if column.type.tz:
            column = pc.local_timestamp(column.cast(pa.timestamp(column.type.unit, time_zone)))
        # Of finer units pyarrow's %S writes the fraction too.
        column = pc.strftime(column.cast(pa.timestamp("s"), safe=False), MOMENT_TEXT)
    elif pa.types.is_nested(column.type):
        column = pa.array([None if one is None else str(one) for one in column.to_pylist()], pa.string())
    else:
        column = column.cast(pa.string())
    return pc.fill_null(column, "")
