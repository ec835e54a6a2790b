"""In which format the dates of a column are written, with the value that proves it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

_DATE = (
    r"(?P<ymd>\d{4}(?P<s1>[-/. ])\d{1,2}(?P=s1)\d{1,2})|(?P<cjk>\d{4}年\d{1,2}月\d{1,2}日)|(?P<compact>\d{8})"
    r"|(?P<dmy>\d{1,2}(?P<s2>[-/. ])\d{1,2}(?P=s2)\d{4})|(?P<two>\d{1,2}(?P<s3>[-/.])\d{1,2}(?P=s3)\d{2})"
    r"|(?P<dby>\d{1,2}(?P<s4>[-/. ])(?P<b1>[A-Za-z]{3,9})(?P=s4)(?P<y1>\d{4}|\d{2}))"
    r"|(?P<bdy>(?P<b2>[A-Za-z]{3,9}) \d{1,2}(?P<c>,?) \d{4})"
)
_TIME = (
    r"(?P<gap>[ T]|, )?(?P<hms>\d{1,2}:\d{2}(?P<sec>:\d{2}(?P<frac>\.\d{1,6})?)?|(?P<tight>\d{6})|\d{1,2}[时時]\d{1,2}分(?P<cs>\d{1,2}秒)?)"
    r"(?P<ampm> ?[AaPp][Mm])?"
)
_VALUE = re.compile(rf"(?:{_DATE})(?:{_TIME})?(?P<zone> ?(?:Z|[+-]\d{{2}}:?\d{{2}}))?", re.ASCII)
_MONTH_FIRST, _DAY_FIRST, _YEAR_FIRST = "month first", "day first", "year first"
# Of a column, more different values teach nothing.
_MAX_VALUES = 3000
# A column of dates may hold a few values that are none.
_MIN_SHARE = 0.9


class Dates(NamedTuple):
    """``formats``: the strptime formats that read the column equally well, one where it is certain; ``why``: the evidence;
    ``share`` of the values they read; ``offsets`` from Greenwich that stand in the values."""

    formats: tuple[str, ...]
    why: str
    share: float
    has_time: bool
    offsets: frozenset[str]


def find_dates(values: Iterable[str]) -> Dates | None:
    """The format of a column's different values; None where they are no dates."""
    values = [one.strip() for one in values][:_MAX_VALUES]
    read = [(one, formats) for one in values if (formats := formats_of(one))]
    if not read or len(read) < _MIN_SHARE * len(values):
        return None
    candidates = list(dict.fromkeys(format for _, formats in read for format in formats))
    n_read = {one: sum(_reads(value, one) for value in values) for one in candidates}
    best = max(n_read.values())
    if best < _MIN_SHARE * len(values):
        two = sorted(n_read, key=n_read.get, reverse=True)[:2]
        if sum(any(_reads(value, one) for one in two) for value in values) < _MIN_SHARE * len(values):
            return None
        why = (
            f"two formats: {n_read[two[0]]} of {len(values)} different values as {two[0]}, {n_read[two[1]]} as {two[1]}"
        )
        return Dates(tuple(two), why, best / len(values), _has_time(two[0]), _offsets(read))
    formats = _plausible(tuple(one for one in candidates if n_read[one] == best), values)
    losers = [one for one in candidates if n_read[one] < best and _order(one) != _order(formats[0])]
    # Formats that differ in nothing but a month's name of three letters (May) are one.
    if len({one.replace("%B", "%b") for one in formats}) == 1:
        formats = formats[:1]
    if len(formats) > 1:
        why = f"no value tells: {values[0]} may be {' or '.join(_order(one) for one in formats)}"
    else:
        proof = next((one for one in values if losers and not _reads(one, losers[0]) and _reads(one, formats[0])), None)
        why = f"{proof} can only be {_order(formats[0])}" if proof else f"such as {read[0][0]}"
    if best < len(values):
        other = next(one for one in values if not _reads(one, formats[0]))
        why += f"; {len(values) - best} of {len(values)} different values are not, such as {other[:20]!r}"
    return Dates(formats, why, best / len(values), _has_time(formats[0]), _offsets(read))


def _plausible(formats: tuple[str, ...], values: list[str]) -> tuple[str, ...]:
    """Of formats with years of two digits, those by which the years are not many more than by another."""
    if not all("%y" in one for one in formats) or len(formats) < 2:
        return formats
    years = {one: len({year for value in values if (year := _year(value, one))}) for one in formats}
    return tuple(one for one in formats if years[one] <= 3 * min(years.values()))


def formats_of(value: str) -> Sequence[str]:
    """The strptime formats in which a text may be a date, or nothing."""
    match = _VALUE.fullmatch(value)
    if match is None:
        return ()
    part = match.groupdict()
    s = part["s1"] or part["s2"] or part["s3"] or part["s4"] or ""
    if part["ymd"]:
        days = [f"%Y{s}%m{s}%d"]
    elif part["cjk"]:
        days = ["%Y年%m月%d日"]
    elif part["compact"]:
        days = ["%Y%m%d", "%d%m%Y", "%m%d%Y"]
    elif part["dmy"]:
        days = [f"%d{s}%m{s}%Y", f"%m{s}%d{s}%Y"]
    elif part["two"]:
        days = [f"%d{s}%m{s}%y", f"%m{s}%d{s}%y", f"%y{s}%m{s}%d"]
    elif part["dby"]:
        days = [f"%d{s}{month}{s}{'%Y' if len(part['y1']) == 4 else '%y'}" for month in _month(part["b1"])]
    else:
        days = [f"{month} %d{part['c']} %Y" for month in _month(part["b2"])]
    return tuple(
        f"{day}{_time(part)}{_zone(part)}" for day in days if _reads(value, f"{day}{_time(part)}{_zone(part)}")
    )


def _month(word: str) -> tuple[str, ...]:
    return ("%b", "%B") if len(word) == 3 else ("%B",)


def _time(part: dict) -> str:
    if not part["hms"]:
        return ""
    if part["tight"]:
        return f"{part['gap'] or ''}%H%M%S"
    if ":" not in part["hms"]:
        return f"{part['gap'] or ''}%H{'時' if '時' in part['hms'] else '时'}%M分{'%S秒' if part['cs'] else ''}"
    if part["gap"] is None:
        return "?"
    hour = "%I" if part["ampm"] else "%H"
    time = f"{part['gap']}{hour}:%M{':%S' if part['sec'] else ''}{'.%f' if part['frac'] else ''}"
    return time + ((" %p" if part["ampm"][0] == " " else "%p") if part["ampm"] else "")


def _zone(part: dict) -> str:
    return (" %z" if part["zone"].startswith(" ") else "%z") if part["zone"] else ""


def _reads(value: str, format: str) -> bool:
    return 1900 <= _year(value, format) <= 2100


@cache
def _year(value: str, format: str) -> int:
    """The year of a text that is a date in this format; 0 where it is none."""
    try:
        return datetime.strptime(value, format).year  # noqa: DTZ007 (of a date no moment is made)
    except (ValueError, OverflowError):
        return 0


def _has_time(format: str) -> bool:
    return "%H" in format or "%I" in format


def _order(format: str) -> str:
    places = {"d": _DAY_FIRST, "m": _MONTH_FIRST, "b": _MONTH_FIRST, "B": _MONTH_FIRST}
    return places.get(format[1], _YEAR_FIRST)


def _offsets(read: list) -> frozenset[str]:
    found = (re.search(r"(Z|[+-]\d{2}:?\d{2})$", one) for one, formats in read if formats[0].endswith("%z"))
    return frozenset("+00:00" if one[1] == "Z" else one[1][:3] + ":" + one[1][-2:] for one in found if one)
