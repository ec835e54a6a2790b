"""Entries of a YAML file as text, with a comment beside each."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[^\W\d_][\w .()/+%*€£¥$-]*(?<! )|\d[\w./-]*")
_MAX_COMMENT = 160


class Draft:
    """Lines of a draft."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, depth: int, key: str, value: object = None, comment: str = "") -> None:
        """An entry; without a value a section begins."""
        line = f"{'  ' * depth}{key_text(key)}:" + ("" if value is None else f" {flow(value)}")
        self.lines.append(f"{line}  # {plain(comment)}" if comment else line)

    def note(self, depth: int, text: str, is_long: bool = False) -> None:
        """A comment on a line of its own; a long one is not cut."""
        self.lines.append(f"{'  ' * depth}# {plain(text, None if is_long else _MAX_COMMENT)}")

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


def flow(value: object) -> str:
    """A scalar, list or mapping on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key_text(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def path_text(path: str) -> str:
    """A file's name by itself on a line: plain where YAML lets it be, for ``${CRM_DATA}``."""
    is_plain = path.isprintable() and not set(path) & set("#:'\"\\") and path[0] not in "*&!%@`?-[]{}|>, "
    return path if is_plain and path == path.strip() else _quoted(path)


def key_text(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    escaped = (one if one.isprintable() else f"\\U{ord(one):08x}" for one in re.sub(r'(["\\])', r"\\\1", text))
    return f'"{"".join(escaped)}"'


def plain(text: str, limit: int | None = _MAX_COMMENT) -> str:
    """A comment on one line, without characters that end it."""
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"
