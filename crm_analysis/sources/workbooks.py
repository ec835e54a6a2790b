"""What stands in an .xlsx file that its reader does not tell, looked up before the sheet is read: whether it is safe to read,
hidden rows, cells that hold an error or were never computed, and from when days are counted.

A workbook is a zip archive of XML parts. They are searched as bytes, block by block, row by row of the sheet: a parser that
calls Python for every cell would take longer than all the rest.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join, normpath
from xml.etree import ElementTree
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from crm_analysis.errors import InputError
from crm_analysis.sources.magic import OLE, ZIP, other_than_text
from crm_analysis.sources.records import CELL_ERRORS, UNCOMPUTED

BLOCK_BYTES = 4 << 20
# A workbook of a million rows unpacks to some hundred MB, and to about ten times its size.
MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = 1 << 30, 100
SMALL_BYTES = 10 << 20
# A cell far away from the others makes a sheet of billions of empty ones.
MAX_COLUMNS, MAX_EMPTY_SHARE, SMALL_AREA = 500, 0.99, 100_000

_WORKBOOK, _SHEETS = "xl/workbook.xml", "xl/worksheets/"
_FORBIDDEN = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_CELL_COLUMN = re.compile(rb"<(?:\w+:)?c\b[^>]*?\br=[\"']([A-Z]+)")
_ERROR_TYPE, _FORMULA_START = re.compile(rb"=[\"']e[\"']"), re.compile(rb"<(?:\w+:)?f[ />]")
_ERROR = re.compile(
    rb"<(?:\w+:)?c\b([^>]*?\bt=[\"']e[\"'][^>]*)>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]*)<", re.DOTALL
)
_FORMULA = rb"<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)"
_NO_VALUE = rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*"
_UNCOMPUTED = re.compile(rb"<(?:\w+:)?c\b([^>]*)>\s*" + _FORMULA + _NO_VALUE + rb"</(?:\w+:)?c>")
_TEXT_RESULT = re.compile(rb"\bt=[\"']str[\"']")
_PLACE = re.compile(rb"\br=[\"']([A-Z]*)(\d+)[\"']")
_HIDDEN = re.compile(rb"\bhidden=[\"'](?:1|true)[\"']")


@dataclass
class Sheet:
    """``errors``: row → column (from 0) → what the cell shows, UNCOMPUTED where a formula has no value."""

    hidden_rows: list[int] = field(default_factory=list)
    errors: dict[int, dict[int, str]] = field(default_factory=dict)
    counts_from_1904: bool = False


def check_archive(path: Path, max_bytes: int) -> bool:
    """Whether the file is a zip archive, as .xlsx is, and not an old workbook. Raises InputError: E-FILE-1 or E-FILE-4 for
    what is neither; of an archive E-FILE-5 where it is damaged or declares entities, E-SIZE-2 where it unpacks to too much."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise InputError("E-FILE-1", "the file is empty: export it again", file=path.name)
    if start.startswith(OLE):
        return False
    if not start.startswith(ZIP):
        kind = other_than_text(start) or "text"
        fix = f"this is {kind} and not a workbook: save it as .xlsx, or write kind: csv where it is delimited text"
        raise InputError("E-FILE-4", fix, file=path.name)
    with _archive(path) as archive:
        _check_size(archive, path, max_bytes)
        names = archive.namelist()
        if len(set(names)) < len(names):
            raise BadZipFile("a part stands in it twice")
        for name in names:
            if name.endswith((".xml", ".rels", ".vml")) and not name.startswith(_SHEETS):
                for _ in _blocks(archive, name, path, b">"):
                    pass
    return True


def look_into(path: Path, sheet: str) -> Sheet:
    """What stands in a sheet of a checked archive. Raises InputError: E-FILE-5 where it is damaged or declares entities, E-SIZE-3
    where it is too wide or nearly empty."""
    with _archive(path) as archive:
        part = _sheet_part(archive, sheet)
        found = Sheet() if part is None else _scan(archive, part, path)
        found.counts_from_1904 = _counts_from_1904(archive)
        return found


@contextmanager
def _archive(path: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(path) as archive:
            yield archive
    except (
        BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        EOFError,
        zlib.error,
        ParseError,
        KeyError,
    ) as error:
        fix = f"the workbook is damaged ({error}): save it again without a password"
        raise InputError("E-FILE-5", fix, file=path.name) from error


def _check_size(archive: ZipFile, path: Path, max_bytes: int) -> None:
    # What the archive's directory says; reading stops where a part is longer than that.
    unpacked = sum(one.file_size for one in archive.infolist())
    ratio = unpacked / path.stat().st_size
    most = min(MAX_UNPACKED_BYTES, max_bytes)
    if unpacked > most or (ratio > MAX_UNPACKED_RATIO and unpacked > SMALL_BYTES):
        raise InputError(
            "E-SIZE-2",
            f"the workbook unpacks to {unpacked >> 20} MB, {ratio:.0f} times its size (at most {most >> 20} MB, and"
            f" {MAX_UNPACKED_RATIO} times): export it as CSV",
            file=path.name,
        )


def _sheet_part(archive: ZipFile, sheet: str) -> str | None:
    """The part that holds the sheet; None in a workbook of another kind."""
    if _WORKBOOK not in archive.namelist():
        return None
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    for one in ElementTree.fromstring(archive.read(_WORKBOOK)).iter():
        if one.tag.endswith("}sheet") and one.get("name") == sheet:
            id_ = next(value for key, value in one.attrib.items() if key.endswith("}id"))
            return normpath(join("/xl", targets[id_])).lstrip("/")
    return None


def _counts_from_1904(archive: ZipFile) -> bool:
    if _WORKBOOK not in archive.namelist():
        return False
    workbook = ElementTree.fromstring(archive.read(_WORKBOOK))
    return any(one.get("date1904") in ("1", "true") for one in workbook.iter() if one.tag.endswith("}workbookPr"))


def _blocks(archive: ZipFile, name: str, path: Path, end: bytes) -> Iterator[bytes]:
    """A part in blocks that end with ``end``. Raises InputError E-FILE-5 for what no workbook holds."""
    with archive.open(name) as file:
        held = b""
        while block := file.read(BLOCK_BYTES):
            if not held and block.startswith(_WIDE):
                raise InputError("E-FILE-5", f"{name} is not UTF-8: save the workbook again", file=path.name)
            held += block
            cut = held.rfind(end) + len(end)
            if cut >= len(end):
                yield _checked(held[:cut], name, path)
                held = held[cut:]
        yield _checked(held, name, path)


def _checked(block: bytes, name: str, path: Path) -> bytes:
    if _FORBIDDEN.search(block):
        fix = f"{name} declares entities, which no spreadsheet program writes: do not open it, ask where it comes from"
        raise InputError("E-FILE-5", fix, file=path.name)
    return block


def _scan(archive: ZipFile, part: str, path: Path) -> Sheet:
    found, columns, n_cells, first, last = Sheet(), set(), 0, 0, 0
    for block in _blocks(archive, part, path, b"row>"):
        letters = _CELL_COLUMN.findall(block)
        n_cells += len(letters)
        columns.update(letters)
        for row in _ROW.finditer(block):
            if place := _PLACE.search(row[1]):
                last = int(place[2])
                first = first or last
                if _HIDDEN.search(row[1]):
                    found.hidden_rows.append(last)
        for cell in _ERROR.finditer(block) if _ERROR_TYPE.search(block) else ():
            text = cell[2].decode(errors="replace")
            _note(found, cell[1], text if text in CELL_ERRORS else "#VALUE!")
        for cell in _UNCOMPUTED.finditer(block) if _FORMULA_START.search(block) else ():
            if not _TEXT_RESULT.search(cell[1]):
                _note(found, cell[1], UNCOMPUTED)
    numbers = [_number(one) for one in columns]
    width, height = max(numbers, default=-1) + 1, last - first + 1
    if width > MAX_COLUMNS:
        fix = f"the sheet has {width} columns (at most {MAX_COLUMNS}): delete the columns that are none"
        raise InputError("E-SIZE-3", fix, file=path.name)
    if width * height > SMALL_AREA and n_cells < (1 - MAX_EMPTY_SHARE) * width * height:
        fix = f"{n_cells} cells are spread over {height} rows of {width} columns: delete what lies far from the table"
        raise InputError("E-SIZE-3", fix, file=path.name)
    return found


def _note(found: Sheet, attributes: bytes, text: str) -> None:
    if place := _PLACE.search(attributes):
        found.errors.setdefault(int(place[2]), {})[_number(place[1])] = text


def _number(letters: bytes) -> int:
    """A, B, …, Z, AA, … → 0, 1, …"""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
