"""The typefaces that reports bring along, so that they look the same, Chinese and Japanese included, on every machine.

Source Sans Pro (Latin, Greek, Cyrillic) and Noto Sans CJK (Chinese, Japanese, Korean), both under the SIL Open Font Licence
1.1. Pages hold the usual Latin letters, and of the others only those that they show.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Set
from functools import cache
from importlib.resources import files

from fontTools.ttLib import TTFont, TTLibError

from crm_analysis.errors import MachineError

LATIN = "Source Sans Pro"
CJK = "Noto Sans CJK SC"
# The places of a language's letter shapes in the collection.
_PLACES = {"ja": 0, "ko": 1, "zh": 2}
_WEIGHTS = {400: "Regular", 600: "Semibold"}
# Quotation marks, dashes and dots are as wide as a letter in Chinese, and narrow elsewhere.
_FIRST_WIDE, _FIRST_CJK = 0x2010, 0x2E80
# What most pages show is cut out of a typeface once: ASCII, Western letters, and the punctuation and signs of reports.
_USUAL = frozenset([*range(0x20, 0x7F), *range(0xA0, 0x100), *map(ord, "–—‘’“”„…•€≈≤≥−×→←↑↓▲▼●")])


def _latin(weight: int) -> str:
    return str(files("font_source_sans_pro") / "files" / f"SourceSansPro-{_WEIGHTS[weight]}.ttf")


def _collection() -> str:
    return str(files("noto_cjk_sans_otc") / "NotoSansCJK-Regular.ttc")


def check() -> None:
    """Raises MachineError E-FONT-1 where a typeface is missing or damaged: its letters would be boxes."""
    try:
        for path in map(_latin, _WEIGHTS):
            TTFont(path, lazy=True)
        TTFont(_collection(), fontNumber=0, lazy=True)
    except (ImportError, OSError, TTLibError) as error:
        raise MachineError("E-FONT-1", "a typeface is missing or damaged: install the requirements again") from error


def register() -> list[str]:
    """Make the typefaces known to matplotlib; their names, the first one first."""
    from matplotlib import font_manager

    # Of a weight that a typeface has not, the nearest will do.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    known = set(font_manager.get_font_names())
    if not {LATIN, CJK} <= known:
        for path in (*map(_latin, _WEIGHTS), _collection()):
            font_manager.fontManager.addfont(path)
    return [LATIN, "DejaVu Sans", CJK]


def embed(text: str, language: str) -> str:
    """CSS that brings along the letters of ``text`` as the families ``Report`` and ``Report CJK``."""
    border = _FIRST_WIDE if language in _PLACES else _FIRST_CJK
    letters = {ord(one) for one in text if one.isprintable()}
    narrow, wide = {one for one in letters if one < border}, {one for one in letters if one >= border}
    rules = [_rule("Report", weight, one) for weight, one in _cut_latin(narrow, border).items()]
    if wide & _in_cjk():
        face = TTFont(_collection(), fontNumber=_PLACES.get(language, _PLACES["zh"]), lazy=True, recalcTimestamp=False)
        rules.append(_rule("Report CJK", 400, _cut(face, wide | {ord(" ")})))
    return "\n".join(rules)


def warm_up() -> None:
    """Cut what most pages show, of any language, and look what else there is."""
    missing("")
    for border in (_FIRST_WIDE, _FIRST_CJK):
        _cut_latin(frozenset(), border)


def missing(text: str) -> set[str]:
    """The letters of ``text`` that none of the typefaces has: PDF and charts show a box in their place."""
    known = set(TTFont(_latin(400)).getBestCmap()) | _in_cjk() | _in_charts()
    return {one for one in text if one.isprintable() and ord(one) not in known}


@cache
def _in_cjk() -> frozenset[int]:
    return frozenset(TTFont(_collection(), fontNumber=_PLACES["zh"], lazy=True).getBestCmap())


@cache
def _in_charts() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(TTFont(font_manager.findfont("DejaVu Sans")).getBestCmap())


def _cut_latin(letters: Set[int], border: int) -> dict[int, bytes]:
    """By weight. Pages without an unusual letter share one cut."""
    return _cut_weights(frozenset(one for one in _USUAL | letters if one < border))


@cache
def _cut_weights(letters: frozenset[int]) -> dict[int, bytes]:
    return {weight: _cut(TTFont(_latin(weight), recalcTimestamp=False), letters) for weight in _WEIGHTS}


def _cut(font: TTFont, letters: Set[int]) -> bytes:
    from fontTools import subset

    options = subset.Options(flavor="woff2", layout_features=["kern", "tnum", "liga", "mark"], notdef_outline=True)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=letters)
    cutter.subset(font)
    font.flavor = "woff2"
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def _rule(family: str, weight: int, font: bytes) -> str:
    source = f"url(data:font/woff2;base64,{base64.b64encode(font).decode()})"
    return f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: {source} format("woff2"); }}'
