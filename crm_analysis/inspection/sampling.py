"""Bytes of a file of any size: its beginning, pieces from all over it and its end, each of whole lines."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from crm_analysis.errors import InputError

HEAD_BYTES, PIECE_BYTES, N_PIECES = 1 << 19, 1 << 14, 40
# Of a gzipped file, whose end is known only when all before is unpacked.
_STEP_BYTES, _MAX_UNPACKED = 1 << 18, 512 << 20
_MAX_SCANNED, _MAX_RARE = 64 << 20, 100


class Sample(NamedTuple):
    """``head`` begins the file, ``pieces`` follow from all over it, ``end`` is the last of them; ``is_whole``: there is no more.
    ``rare``: lines from elsewhere that are not ASCII, to tell the encoding by."""

    head: bytes
    pieces: list[bytes]
    end: bytes
    is_whole: bool
    rare: list[bytes]


def take_sample(path: Path) -> Sample:
    """A sample of a text file, gzipped or not. Raises InputError E-FILE-1 or E-FILE-4."""
    with path.open("rb") as file:
        is_zipped = file.read(2) == b"\x1f\x8b"
    try:
        head, pieces, is_whole = _unpack(path) if is_zipped else _jump(path)
        rare = [] if is_whole else _find_rare(path, gzip.open if is_zipped else open)
    except (EOFError, OSError, gzip.zlib.error) as error:
        raise InputError("E-FILE-4", f"the file cannot be read ({error})", file=path.name) from error
    if not head.strip():
        raise InputError("E-FILE-1", "the file is empty: export it again", file=path.name)
    if is_whole:
        return Sample(head, [], head, True, [])
    end = pieces[-1][pieces[-1].find(b"\n") + 1 :]
    pieces = [one[one.find(b"\n") + 1 : one.rfind(b"\n") + 1] for one in pieces[:-1]]
    return Sample(head[: head.rfind(b"\n") + 1] or head, [one for one in (*pieces, end) if one], end, False, rare)


def _find_rare(path: Path, opened: Callable) -> list[bytes]:
    """Lines of the file's first many bytes that are not ASCII, one of each block."""
    found = []
    with opened(path, "rb") as file:
        for _ in range(_MAX_SCANNED // _STEP_BYTES):
            block = file.read(_STEP_BYTES)
            if not block or len(found) >= _MAX_RARE:
                break
            if match := re.search(rb"[\x80-\xff]", block):
                begin, end = block.rfind(b"\n", 0, match.start()), block.find(b"\n", match.end())
                found += [block[begin + 1 : end]] if 0 <= begin < end else []
    return found


def _jump(path: Path) -> tuple[bytes, list[bytes], bool]:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        step = max((size - HEAD_BYTES) // N_PIECES, PIECE_BYTES)
        pieces = []
        for place in [*range(HEAD_BYTES, size - PIECE_BYTES, step), max(size - PIECE_BYTES, HEAD_BYTES)]:
            file.seek(place)
            pieces.append(file.read(PIECE_BYTES))
    return head, pieces, size <= HEAD_BYTES


def _unpack(path: Path) -> tuple[bytes, list[bytes], bool]:
    with gzip.open(path) as file:
        head = file.read(HEAD_BYTES)
        pieces, last, n = [], b"", len(head)
        while n < _MAX_UNPACKED and (block := file.read(_STEP_BYTES)):
            pieces.append(block[:PIECE_BYTES])
            last, n = (last + block)[-PIECE_BYTES:], n + len(block)
    return head, [*pieces[:: len(pieces) // N_PIECES + 1], last], len(head) < HEAD_BYTES
