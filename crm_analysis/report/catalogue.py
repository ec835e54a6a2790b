"""The notebooks' words for the catalogues: what is a message, how they are collected, and how they are translated."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

from crm_analysis.language import _

# A heading without its marks, or the lines of a paragraph or list up to a blank line or a heading.
_BLOCK = re.compile(r"^#+ +(?P<title>.*\S)|^(?P<words>(?!#+ ).*\S.*(?:\n(?!#+ ).*\S.*)*)$", re.MULTILINE)
# Where the caption, or the axis's name, stands in the calls of a notebook.
_CAPTION_PLACE = 3


def blocks(source: str) -> list[str]:
    """The messages of a markdown cell."""
    return [one["title"] or one["words"] for one in _BLOCK.finditer(source)]


def translate(source: str) -> str:
    """A markdown cell in the active language; the marks of its headings stay."""

    def say(block: re.Match) -> str:
        text = block["title"] or block["words"]
        return block[0].removesuffix(text) + _(text)

    return _BLOCK.sub(say, source)


def captions(source: str) -> list[str]:
    """The messages of a code cell: literals that are the fourth argument of a call, or are called ``caption``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        shown = node.args[_CAPTION_PLACE : _CAPTION_PLACE + 1] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "caption":
            shown = [node.value]
        found += [one.value for one in shown if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return found


def extract_notebook(
    file: BinaryIO, keywords: Mapping, comment_tags: Collection[str], options: Mapping
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Babel's extractor of notebooks (babel.cfg): the messages of the cells that a reader sees."""
    for number, cell in enumerate(json.load(file)["cells"], 1):
        source = "".join(cell["source"])
        if "hide" not in cell["metadata"].get("tags", []):
            found = blocks(source) if cell["cell_type"] == "markdown" else captions(source)
            yield from ((number, None, text, []) for text in found)
