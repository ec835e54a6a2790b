"""Cells of text before the rules see them: no blanks around them, one spelling of each character, nothing that nobody sees.

Done by Arrow on the batches of a file, and of a column only where its bytes call for it: one of plain letters and digits costs
next to nothing. Ids that look alike become alike: compatibility forms (NFKC: full-width, ligatures), blanks around them and
characters without a shape go; their case stays unless the contract's ``ids`` folds it. Other texts keep their signs (½, ™, ，): only
composed letters (NFC), and letters and digits of another width, get one spelling, and control characters become U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.engine import Table
from crm_analysis.sources.contract import Ids
from crm_analysis.sources.records import CELL_STEP, LINE, LONE_SURROGATE, Noticed

# Blanks of every script at either end, the no-break space, zero-width characters and the byte-order mark among them.
_BLANK = r"[\s\p{Z}\x0b\x{200b}\x{2060}\x{feff}]"
EDGE_BLANKS = f"^{_BLANK}+|{_BLANK}+$"
# Controls, tabs and line ends aside; NUL is the reader's matter.
_CONTROLS = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]"
# Without a shape of their own: soft hyphen, zero-width, marks and overrides of the direction of writing.
_SHAPELESS = r"\x{ad}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}"
# Persian, Indic scripts and emoji are spelt with joiners; ids are not.
_JOINERS = r"\x{200c}\x{200d}"
_UNSEEN = f"{_CONTROLS}|[{_SHAPELESS}]"
_UNSEEN_IN_IDS = f"{_CONTROLS}|[{_SHAPELESS}{_JOINERS}]"
# Letters, digits and blanks of another width; full-width punctuation is how Chinese and Japanese are written.
_WIDE = r"[\x{3000}\x{ff10}-\x{ff19}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{ff66}-\x{ff9f}]"
_WIDE_RUN = re.compile("[\u3000\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f]+")
# A number as a spreadsheet shows a long one: its last digits are lost.
_EXPONENT = r"^[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+$"
_MOST_LINES = 20
CHANGED, REFUSED = "_changed", "_refused"
# Stands for a control character until texts that were read in a wrong encoding have been counted, which U+FFFD betrays.
CONTROL_MARK = "\ufdd1"


@dataclass(frozen=True)
class Use:
    """What a file's column is read as: the canonical column, whether that is an id or another text, and how many characters it may
    have. Neither id nor text is a number, a date or a flag: of these only blanks go and, ``is_folded``, full-width forms."""

    name: str
    is_id: bool = False
    is_text: bool = False
    is_folded: bool = False
    max_length: int | None = None


def show_controls(rows: Table, columns: Iterable[str]) -> Table:
    """Typed rows with U+FFFD for each control character in these columns."""
    names = rows.collect_schema()
    shown = [nw.col(one).str.replace_all(CONTROL_MARK, "\ufffd", literal=True) for one in columns if one in names]
    return rows.with_columns(*shown) if shown else rows


def spell(values: Sequence[str], use: Use, ids: Ids) -> list[str]:
    """Words of the contract as cells of a column are spelt, blanks at their ends kept."""
    return _spell(pa.array(values, pa.string()), use, ids).to_pylist()


def changed(place: str) -> str:
    """The column that says of each row whether its text of the column ``place`` was changed."""
    return f"{CHANGED}{place}"


@dataclass
class Cells:
    """The batches of a file with their texts cleaned, a flag for each text column (see ``changed``), and ``_refused``: the code
    and column of a text that cannot be used, or null. ``uses``: column of the batches → what it is read as. ``noticed`` is whole
    when the batches are through."""

    reader: pa.RecordBatchReader
    uses: Mapping[str, Use]
    ids: Ids
    noticed: list[Noticed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._unseen: dict[str, tuple[int, tuple[int, ...]]] = {}

    def cleaned(self) -> pa.RecordBatchReader:
        flags = [pa.field(changed(place), pa.bool_()) for place in self._flagged()]
        schema = pa.schema([*self.reader.schema, *flags, pa.field(REFUSED, pa.string())])
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    def _flagged(self) -> list[str]:
        return [place for place, use in self.uses.items() if use.is_id or use.is_text]

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self.reader:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            unchanged = pa.repeat(False, batch.num_rows)
            columns |= {changed(place): unchanged for place in self._flagged()}
            reasons = []
            for place, use in self.uses.items():
                before = columns[place]
                columns[place] = after = self._clean(before, use, columns[LINE])
                if use.is_id or use.is_text:
                    reasons += _refuse(after, use, self.ids)
                    if after is not before:
                        columns[changed(place)] = pc.not_equal(before, after)
            columns[REFUSED] = pc.coalesce(*reasons) if reasons else pa.nulls(batch.num_rows, pa.string())
            yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
        self.noticed += [Noticed("E-CTRL-3", name, n, lines) for name, (n, lines) in self._unseen.items()]

    def _clean(self, column: pa.StringArray, use: Use, line: pa.Array) -> pa.StringArray:
        data, offsets = _bytes(column)
        if len(data) and (data.max() >= 0x7F or (data.min() < 0x20 and _has_controls(data))):
            column = self._clean_strange(column, use, line)
        elif len(data) and _has_blank_edges(data, offsets):
            column = pc.ascii_trim_whitespace(column)
        if use.is_id and self.ids.case == "fold":
            column = pc.utf8_lower(column)
        return column

    def _clean_strange(self, column: pa.StringArray, use: Use, line: pa.Array) -> pa.StringArray:
        """Each distinct text once."""
        coded = column.dictionary_encode()
        texts = coded.dictionary
        if use.is_id or use.is_text:
            unseen = pc.match_substring_regex(texts, _UNSEEN_IN_IDS if use.is_id else _UNSEEN)
            if pc.any(unseen).as_py():
                self._note_unseen(use.name, line.filter(unseen.take(coded.indices)))
        texts = _trim(_spell(_trim(texts), use, self.ids))
        return texts.take(coded.indices)

    def _note_unseen(self, name: str, lines: pa.Array) -> None:
        n, first = self._unseen.get(name, (0, ()))
        more = [one % CELL_STEP for one in lines.slice(0, _MOST_LINES - len(first)).to_pylist()]
        self._unseen[name] = (n + len(lines), (*first, *more))


def _trim(texts: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(texts, EDGE_BLANKS, "")


def _spell(texts: pa.StringArray, use: Use, ids: Ids) -> pa.StringArray:
    if use.is_id:
        texts = pc.utf8_normalize(pc.replace_substring_regex(texts, _UNSEEN_IN_IDS, ""), "NFKC")
        return pc.utf8_lower(texts) if ids.case == "fold" else texts
    if not use.is_text:
        return pc.utf8_normalize(texts, "NFKC") if use.is_folded else texts
    texts = pc.replace_substring_regex(
        pc.replace_substring_regex(texts, _CONTROLS, CONTROL_MARK), f"[{_SHAPELESS}]", ""
    )
    texts = pc.utf8_normalize(texts, "NFC")
    wide = pc.match_substring_regex(texts, _WIDE)
    if pc.any(wide).as_py():
        narrow = [_WIDE_RUN.sub(_narrow, text) for text in texts.filter(wide).to_pylist()]
        texts = pc.replace_with_mask(texts, wide, pa.array(narrow, pa.string()))
    return texts


def _narrow(wide: re.Match) -> str:
    return unicodedata.normalize("NFKC", wide[0])


def _refuse(column: pa.StringArray, use: Use, ids: Ids) -> Iterator[pa.Array]:
    """Arrays of code and column where a text cannot be used."""
    data, offsets = _bytes(column)
    if not len(data):
        return
    if data.max() >= 0xEF and (lost := pc.match_substring(column, LONE_SURROGATE)):
        yield _reason("E-CTRL-2", use, lost)
    if use.max_length is not None and np.diff(offsets).max() > use.max_length:
        yield _reason("E-LEN-1", use, pc.greater(pc.utf8_length(column), use.max_length))
    if use.is_id and ids.exponents == "reject" and (np.any(data == ord("E")) or np.any(data == ord("e"))):
        yield _reason("E-ID-4", use, pc.match_substring_regex(column, _EXPONENT))


def _reason(code: str, use: Use, where: pa.Array) -> pa.Array:
    return pc.if_else(where, pa.scalar(f"{code} {use.name}"), pa.scalar(None, pa.string()))


def _bytes(column: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all texts, one after the other, and where each begins and ends in them."""
    _, places, texts = column.buffers()
    offsets = np.frombuffer(places, np.int32)[column.offset : column.offset + len(column) + 1]
    if texts is None or not len(column):
        return np.empty(0, np.uint8), np.zeros(len(column) + 1, np.int32)
    return np.frombuffer(texts, np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]


def _has_controls(data: np.ndarray) -> bool:
    """Whether there is any but tab, line feed and carriage return."""
    return bool(np.isin(data[data < 0x20], (0x09, 0x0A, 0x0D), invert=True).any())


def _has_blank_edges(data: np.ndarray, offsets: np.ndarray) -> bool:
    filled = np.flatnonzero(np.diff(offsets))
    return bool((data[offsets[filled]] <= 0x20).any() or (data[offsets[filled + 1] - 1] <= 0x20).any())
