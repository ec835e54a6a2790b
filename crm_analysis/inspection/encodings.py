"""Which encoding some bytes of text are written in, with the evidence."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from crm_analysis.inspection.words import tags_of

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DOUBLE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
_SINGLE = ("cp1252", "cp1254", "cp1250", "cp1251", "cp850", "mac_roman")
# Of each encoding of two bytes the first byte of the characters in common use: the first level of its standard.
_COMMON_LEAD = {
    "gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6), "cp932": (0x88, 0x97), "euc_jp": (0xB0, 0xCF), "cp949": (0xB0, 0xC8),
}  # fmt: skip
# Letters with marks of western Europe, Turkey, central Europe; and signs that stand between words.
_WESTERN = "äöüßéèêëàâáãåæçîïíìñôóòõøœùûúÿ"
_LETTERS = {
    "cp1252": _WESTERN, "cp850": _WESTERN, "mac_roman": _WESTERN, "cp1254": _WESTERN + "ğış",
    "cp1250": "äöüßéáçëíîóôúąćęłńśźżčďěňřšťůýžőű", "cp1251": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
}  # fmt: skip
_SIGNS = set("€£¥°«»–—’‘“”„…·ºª´§®™²³½¿¡№\u00a0")
_KANA = re.compile("[\u3041-\u30ff]")
# A difference below this is no evidence.
_CLEAR = 0.03


class Encoding(NamedTuple):
    """``name`` as a contract writes it, why, and others that may be as well."""

    name: str
    why: str
    others: tuple[str, ...] = ()


def find_encoding(pieces: list[bytes]) -> Encoding:
    """The encoding of a file's pieces, each of whole lines."""
    for bom, name in _BOMS.items():
        if pieces[0].startswith(bom):
            return Encoding(name, "it begins with a byte-order mark")
    start = pieces[0][:4096]
    zeros = [start[place::2].count(0) for place in (0, 1)]
    if max(zeros) > 4 * min(zeros):
        return Encoding("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", "bytes of zero stand at every other place")
    data = b"\n".join(pieces)
    if data.isascii():
        return Encoding("utf-8", "only ASCII was seen")
    if _decode(data, "utf-8") is not None:
        return Encoding("utf-8", "all that was seen is UTF-8")
    shares = {name: _share(text, name) for name in (*_DOUBLE, *_SINGLE) if (text := _decode(data, name)) is not None}
    scores = {name: share + 0.2 * _known(_decode(data, name)) for name, share in shares.items()}
    if "cp1252" in scores:
        # The commonest of those for Latin letters, where a few letters would do in others too.
        scores["cp1252"] += 0.04
    if not scores:
        wrong = sum(_decode(line, "utf-8") is None for line in data.splitlines())
        return Encoding("utf-8", f"{wrong} of the lines seen are not, and no other encoding fits: save the file again")
    ranked = sorted(scores, key=scores.get, reverse=True)
    best, *rest = ranked
    words = {"cp932": "shift_jis"}.get(best, best)
    why = f"not UTF-8; {shares[best]:.0%} of what is not ASCII is common in {words}"
    if rest:
        why += f", next {rest[0]} with {shares[rest[0]]:.0%}"
    # Where the common letters are the same ones, the encodings differ in nothing that was seen.
    text = _decode(data, best)
    others = tuple(one for one in rest if scores[best] - scores[one] < _CLEAR and _decode(data, one) != text)
    return Encoding(best, why, others)


def _decode(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None


def _known(text: str) -> float:
    """The share of the names in the first line that are known words."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    cells = [one for one in re.split(r"[,;\t|]", first) if not one.isascii()]
    return sum(bool(tags_of(one).tags) for one in cells) / len(cells) if cells else 0


def _share(text: str, name: str) -> float:
    """The share of the characters beyond ASCII that are common ones, less what stands where it hardly can."""
    beyond = [one for one in text[:200_000] if not one.isascii()]
    if not beyond:
        return 0.0
    is_common = _is_common_double if name in _DOUBLE else _is_common_letter
    n = sum(is_common(one, name) for one in beyond)
    if name in _SINGLE:
        # Letters with marks stand between others: not in rows, and no quotation mark within a word.
        strange = sum(len(one) for one in re.findall(r"[^\x00-\x7f\s]{3,}", text[:200_000])) if name != "cp1251" else 0
        strange += len(re.findall(r"(?<=[A-Za-z])[„“”‚‘€§°·£¥®][a-z]|(?<=[A-Za-z])[À-ÖØ-Þ](?=[a-z])", text[:200_000]))
        strange += len(re.findall(r"[а-яё](?=[A-Za-z])|(?<=[A-Za-z])[а-яё]", text[:200_000], re.IGNORECASE))
        n -= 2 * strange
    return max(n / len(beyond), 0)


def _is_common_double(character: str, name: str) -> bool:
    if _KANA.match(character):
        return name in ("cp932", "euc_jp")
    if "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e":
        return True
    try:
        lead = character.encode(name)
    except UnicodeEncodeError:
        return False
    low, high = _COMMON_LEAD[name]
    return len(lead) == 2 and low <= lead[0] <= high


def _is_common_letter(character: str, name: str) -> bool:
    return character.lower() in _LETTERS[name] or character in _SIGNS or character in "İĞŞ" and name == "cp1254"
