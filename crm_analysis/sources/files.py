"""CSV, TSV and other delimited text, also gzipped; and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crm_analysis.errors import InputError, row_list
from crm_analysis.sources.contract import Format
from crm_analysis.sources.magic import GZIP, other_than_text
from crm_analysis.sources.records import (
    BATCH_ROWS,
    DATE_TEXT,
    DELIMITERS,
    HEAD_RECORDS,
    LONE_SURROGATE,
    MAX_BROKEN,
    MOMENT_TEXT,
    Broken,
    Noticed,
    Records,
)
from crm_analysis.sources.totals import is_total

BLOCK_BYTES = 8 << 20
_QUOTES = {"double": '"', "single": "'", "none": False}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_GUESSES = ("utf-8", "gb18030", "shift_jis", "big5", "cp1252")
# How Excel tells itself the delimiter, above the header.
_SEP = re.compile('"?sep=(.)"?\\s*', re.IGNORECASE)
# Ctrl-Z: the end of a text file in CP/M and DOS.
_END_MARK = b"\x1a"
# So many rows, and none of the header's length, are no accident.
_MIN_SHIFTED = 10
# A regular expression can count no further.
_MAX_JOINED_COLUMNS = 500
_SURROGATE_IN_UTF8 = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]?")


def _mark_surrogate(error: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair is one bad cell (E-CTRL-2), not another encoding of the file."""
    if error.encoding == "utf-8" and (found := _SURROGATE_IN_UTF8.match(error.object, error.start)):
        return LONE_SURROGATE, found.end()
    if error.encoding.startswith("utf-16") and error.reason.startswith("illegal"):
        return LONE_SURROGATE, error.start + 2
    raise error


codecs.register_error("mark surrogate", _mark_surrogate)


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
        self._n_cells = 0

    def _header(self) -> tuple[list[str], int]:
        """The first record that is not blank (the names or, without a header, something to count the cells of), and the
        number of lines to its end."""
        lines, n_above = self._lines(), self.format.skip_rows
        first = next(islice(lines, n_above, None), "")
        if self.format.header and _SEP.fullmatch(first):
            n_above += 1
            self.noticed.append(Noticed("E-HDR-4", None, 1, (n_above,)))
            first = next(lines, "")
        records = self._records(chain([first], lines))
        try:
            for record in records:
                if any(record):
                    return record, n_above + records.line_num
        except csv.Error as error:
            raise self._unreadable() from error
        raise InputError("E-FILE-1", "the file is empty: export it again", file=self.path.name)

    def _records(self, lines: Iterator[str], delimiter: str | None = None):
        options = {"quotechar": self._quote} if self._quote else {"quoting": csv.QUOTE_NONE}
        return csv.reader(lines, delimiter=delimiter or self._delimiter, **options)

    def head(self, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
        records = self._records(islice(self._lines(), HEAD_RECORDS), delimiter and DELIMITERS[delimiter])
        line = 1
        try:
            for record in records:
                yield line, record
                line = records.line_num + 1
        except csv.Error:
            return

    def likely_delimiter(self) -> str | None:
        text = "".join(self.header)
        found = max(DELIMITERS, key=lambda one: text.count(DELIMITERS[one]))
        return found if DELIMITERS[found] in text else None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        stream = _Utf8(self.path, self.format)
        # pyarrow numbers records, the lines before the data included: the number is the physical line, less the line
        # breaks that stand within quotes in the records before.
        within_quotes = _Breaks()

        def keep(row: pyarrow.csv.InvalidRow) -> str:
            reason = "E-ROW-1" if row.actual_columns > row.expected_columns else "E-ROW-3"
            if not row.text.strip():
                reason = "blank"
            elif is_total([cell.strip(self._quote or None) for cell in row.text.split(self._delimiter)]):
                reason = "E-ROW-4"
            self.broken.append(Broken(row.number, reason, row.text))
            within_quotes.add(row.number, row.text.count("\n"))
            self._n_cells = self._n_cells or row.actual_columns
            return "skip" if len(self.broken) <= MAX_BROKEN else "error"

        good, may_be_open, aside = 0, False, []
        try:
            for batch in self._batches(stream, keep):
                # The k-th good record is record k plus the broken ones before it.
                before = np.array([one.line for one in self.broken], dtype=np.int64) - np.arange(len(self.broken))
                number = np.arange(good + 1, good + 1 + batch.num_rows) + self._n_skipped
                number = number + np.searchsorted(before, number, side="right")
                good += batch.num_rows
                joins = np.array([], dtype=np.int64)
                if stream.n_quotes:
                    breaks = np.zeros(batch.num_rows, dtype=np.int64)
                    for column in batch.columns:
                        if (np.frombuffer(column.buffers()[2] or b"", np.uint8) == ord("\n")).any():
                            breaks += pc.count_substring(column, "\n").to_numpy(zero_copy_only=False)
                    may_be_open = breaks[-1] > 0
                    joins = np.flatnonzero(breaks)
                    for one in joins:
                        within_quotes.add(int(number[one]), int(breaks[one]))
                line = number + within_quotes.before(number)
                wrong = self._find_joined(batch, joins)
                if stream.has_nul:
                    wrong |= {int(one): "E-CTRL-1" for one in np.flatnonzero(_contains(batch.columns, "\0"))}
                if wrong:
                    aside += [Broken(int(line[one]), reason, "") for one, reason in sorted(wrong.items())]
                    if len(aside) > MAX_BROKEN:
                        raise self._too_broken(aside)
                    kept = np.delete(np.arange(batch.num_rows), list(wrong))
                    batch, line = batch.take(pa.array(kept)), line[kept]
                yield self._batch(batch.columns, line)
        except pa.ArrowInvalid as error:
            if len(self.broken) > MAX_BROKEN:
                raise self._too_broken(self.broken) from error
            if "Empty CSV" not in str(error) and "Could not skip" not in str(error):
                raise self._unreadable() from error
        may_be_open |= stream.n_quotes % 2 == 1 or any("\n" in one.text for one in self.broken[-1:])
        if may_be_open and (line := self._unclosed()):
            raise self._unreadable(line)
        self.n_records = good + len(self.broken)
        ends_broken = bool(self.broken) and self.broken[-1].line == self.n_records + self._n_skipped
        shift = within_quotes.before(np.array([one.line for one in self.broken], dtype=np.int64))
        self.broken = [one._replace(line=one.line + int(by)) for one, by in zip(self.broken, shift, strict=True)]
        broken = [one for one in self.broken if one.reason != "blank"]
        if not good and len(broken) >= _MIN_SHIFTED:
            raise self._too_broken(broken)
        self._notice_end(stream, ends_broken)
        if aside:
            raw = self.raw_texts({one.line for one in aside})
            self.broken += [one._replace(text=raw.get(one.line, "")) for one in aside]

    def _find_joined(self, batch: pa.RecordBatch, rows: np.ndarray) -> dict[int, str]:
        """Of these rows those into which a stray quotation mark joins lines and leaves the number of cells right: a cell with
        as many delimiters in its lines as the joined records have, and at its end the mark that closes another."""
        n, found = len(batch.columns), {}
        if not len(rows) or n > _MAX_JOINED_COLUMNS:
            return found
        mark, other = re.escape(self._delimiter), f"[^{re.escape(self._delimiter + self._quote)}\n]*"
        for place, column in enumerate(batch.columns):
            first, middle, last = (f"{other}(?:{mark}{other}){{{times}}}" for times in (n - 1 - place, n - 1, place))
            pattern = f"^{first}(?:\n{middle})*\n{last}{self._quote}$"
            joined = pc.match_substring_regex(column.take(pa.array(rows)), pattern)
            found |= {int(one): "E-ROW-5" for one in rows[joined.to_numpy(zero_copy_only=False)]}
        return found

    def _notice_end(self, stream: _Utf8, ends_broken: bool) -> None:
        """What is odd at the end of the file: a record cut off, an end mark."""
        last = self.broken[-1] if ends_broken else None
        if last and last.reason == "E-ROW-3" and not stream.ends_line:
            self.noticed.append(Noticed("E-FILE-3", None, 1, (last.line,)))
        if stream.has_end_mark:
            self.noticed.append(Noticed("E-FILE-7", None, 1))

    def _too_broken(self, broken: Sequence[Broken]) -> InputError:
        lines = [one.line for one in broken]
        if broken[0].reason in ("E-CTRL-1", "E-ROW-5"):
            fix = "too many rows with NUL bytes, or joined by a stray quotation mark: export the file again"
            return InputError(broken[0].reason, fix, file=self.path.name, rows=row_list(lines))
        return InputError(
            "E-ROW-2",
            f"the header has {len(self.columns)} cells, and the first of these rows {self._n_cells}: check delimiter, quote"
            " and header in the contract",
            file=self.path.name,
            rows=row_list(lines),
        )

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
        found, rest, n_read = {}, self._lines(), 0
        for number in sorted(lines):
            text = record = next(islice(rest, number - n_read - 1, None), "") if number > n_read else ""
            if not text:
                continue
            n_read = number
            # A record goes on where a quotation mark is still open.
            is_open, _ = self._follow_quotes(text, False)
            while is_open and (text := next(rest, "")):
                n_read, record = n_read + 1, record + text
                is_open, _ = self._follow_quotes(text, is_open)
            found[number] = record.rstrip("\r\n")
        return found

    def _lines(self) -> Iterator[str]:
        """The lines with their ends: line feeds, and carriage returns that do not stand within quotes."""
        stream = _Utf8(self.path, self.format)
        lines = io.TextIOWrapper(
            io.BufferedReader(stream, BLOCK_BYTES),
            encoding="utf-8",
            errors="surrogatepass",
            newline="" if stream.has_returns else "\n",
        )
        return self._joined(lines) if stream.has_returns else iter(lines)

    def _joined(self, lines: Iterator[str]) -> Iterator[str]:
        text, is_open = "", False
        for number, line in enumerate(lines, 1):
            if self._quote and number > self.format.skip_rows and line.count(self._quote) % 2:
                is_open = not is_open
            text += line
            if not (is_open and line.endswith("\r")):
                yield text
                text = ""
        if text:
            yield text

    def _unclosed(self) -> int:
        """The slow way to the line on which a quotation mark is opened that nothing closes; 0 where there is none."""
        opened, is_open = 0, False
        for number, line in enumerate(self._lines(), 1):
            if number > self.format.skip_rows:
                is_open, opens = self._follow_quotes(line, is_open)
                opened = number if opens else opened
        return opened if is_open else 0

    def _follow_quotes(self, line: str, is_open: bool) -> tuple[bool, bool]:
        """Whether a quotation mark is open after the line, and whether one was opened in it."""
        opens, begins_field, place = False, not is_open, 0
        if not (self._quote and self._quote in line):
            return is_open, opens
        while place < len(line):
            is_quote = line[place] == self._quote
            if is_open and is_quote:
                # Two marks within quotes are one in the text.
                is_doubled = line[place + 1 : place + 2] == self._quote
                is_open, place = is_doubled, place + is_doubled
            elif is_quote and begins_field:
                is_open = opens = True
            begins_field = not is_open and line[place] == self._delimiter
            place += 1
        return is_open, opens

    def _unreadable(self, line: int = 0) -> InputError:
        line = line or self._unclosed()
        if line:
            fix = "a quotation mark is opened here and never closed: mend the line, or write quote: none"
            return InputError("E-ROW-5", fix, file=self.path.name, rows=line)
        fix = f"a record is longer than {BLOCK_BYTES} bytes: check delimiter and quote in the contract"
        return InputError("E-ROW-6", fix, file=self.path.name)


def _contains(columns: Sequence[pa.Array], text: str) -> np.ndarray:
    """In which rows a column contains the text."""
    found = [pc.match_substring(column, text).to_numpy(zero_copy_only=False) for column in columns]
    return np.logical_or.reduce(found)


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
        self._path, self._max_bytes, self._n_read = path, written.max_bytes, 0
        self._file = _open_bytes(path)
        start = self._read_bytes()
        if not start:
            raise InputError("E-FILE-1", "the file is empty: export it again", file=path.name)
        if kind := other_than_text(start):
            fix = f"this is {kind}, not delimited text: unpack or export it again, or write its kind"
            raise InputError("E-FILE-4", fix, file=path.name)
        # A byte-order mark says more than the contract.
        self._encoding, bom = next(
            ((name, bom) for bom, name in _BOMS.items() if start.startswith(bom)), (written.encoding, b"")
        )
        self._decoder = codecs.getincrementaldecoder(self._encoding)("mark surrogate")
        self._pending = start[len(bom) :]
        self._out, self._at = b"", 0
        self._n_bytes, self._n_lines = len(bom), 0
        self._ends = False
        self._quote = (_QUOTES[written.quote] or '"').encode()
        self._blanks = b"" if written.delimiter == "whitespace" else None
        # Whether carriage returns end lines, as far as the first block tells.
        self.has_returns = re.search(rb"\r(?!\0?\n)", start) is not None
        self.n_quotes = 0
        self.has_nul = self.has_end_mark = self.ends_line = False
        if start[:1000].count(0) * 4 > len(start[:1000]) and "16" not in self._encoding and "32" not in self._encoding:
            wide = "utf-16-be" if start[0] == 0 else "utf-16-le"
            raise InputError(
                "E-ENC-1",
                f"byte {start.index(0)} is not {self._encoding}; it looks like {wide}: write that as encoding",
                file=path.name,
                rows=1,
            )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int) -> bytes:
        while self._at == len(self._out) and not self._ends:
            self._out, self._at = self._next(), 0
        data = self._out[self._at : self._at + size]
        self._at += len(data)
        return data

    def _next(self) -> bytes:
        raw, self._pending = self._pending, self._read_bytes()
        self._ends = not self._pending
        data = raw if self._is_utf8(raw) else self._decode(raw)
        if self._ends and data.endswith(_END_MARK):
            data, self.has_end_mark = data.rstrip(_END_MARK), True
        self._n_bytes += len(raw)
        codes = np.frombuffer(data, np.uint8)
        self._n_lines += np.count_nonzero(codes == ord("\n"))
        self.n_quotes += np.count_nonzero(codes == ord(self._quote))
        self.has_nul = self.has_nul or b"\0" in data
        self.ends_line = data.endswith((b"\n", b"\r"))
        return data if self._blanks is None else self._tabbed(data)

    def _is_utf8(self, raw: bytes) -> bool:
        """Whether there is nothing to decode: told by Arrow, which is many times faster than to decode and encode."""
        if codecs.lookup(self._encoding).name != "utf-8" or self._decoder.getstate()[0]:
            return False
        ends = pa.array([0, len(raw)], pa.int32()).buffers()[1]
        try:
            pa.StringArray.from_buffers(1, ends, pa.py_buffer(raw)).validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    def _decode(self, raw: bytes) -> bytes:
        try:
            return self._decoder.decode(raw, final=self._ends).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise self._wrong_encoding(len(raw), error) from error

    def _read_bytes(self) -> bytes:
        try:
            # To the end of a line, so that no character is cut.
            n_last = BLOCK_BYTES // 8
            raw = self._file.read(BLOCK_BYTES - n_last) + self._file.readline(n_last)
        except (EOFError, zlib.error, OSError) as error:
            # Of the machine, not of the file's content: told as such.
            if getattr(error, "errno", None):
                raise
            raise InputError("E-FILE-4", f"the file cannot be unpacked ({error})", file=self._path.name) from error
        self._n_read += len(raw)
        if self._n_read > self._max_bytes:
            fix = (
                f"unpacked, the file has more than the contract's max_bytes, {self._max_bytes}: split it, or raise that"
            )
            raise InputError("E-SIZE-1", fix, file=self._path.name)
        return raw

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
        if self._ends and _decodes(data, self._encoding):
            hint = "; the file is cut off: export it again"
        return InputError(
            "E-ENC-1",
            f"byte {self._n_bytes - n_held + error.start} is not {self._encoding}{hint}",
            file=self._path.name,
            rows=self._n_lines + data[: error.start].count(b"\n") + 1,
        )


def _open_bytes(path: Path) -> BinaryIO:
    file = path.open("rb")
    is_packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if is_packed else file


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
