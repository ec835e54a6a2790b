"""What a file is, by its first bytes, whatever its name says."""

from __future__ import annotations

import re

ZIP, OLE, GZIP = (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0", b"\x1f\x8b"
_KINDS = {
    **dict.fromkeys(ZIP, "a zip archive or a spreadsheet"),
    OLE: "an old or a password-protected spreadsheet",
    b"PAR1\x15": "a Parquet file",
    b"%PDF-": "a PDF",
    b"BZh9": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a": "a RAR archive",
    b"SQLite format 3\0": "an SQLite database",
}
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|\?xml|html|head|body|table|meta|style)\b", re.IGNORECASE)


def other_than_text(start: bytes) -> str | None:
    """What a file that begins so is, where it is not delimited text."""
    if _MARKUP.match(start):
        return "a web page or XML"
    return next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), None)
