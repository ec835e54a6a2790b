"""Columns that are months: 2024-01, Jan 2024, 2024年1月, 01/2024, Januar 2024."""

from __future__ import annotations

import re
from calendar import month_abbr, month_name
from typing import NamedTuple

from crm_analysis.inspection.words import MONTHS, words_of

_MIN_MONTHS = 3
_SHORT, _LONG = "|".join(month_abbr[1:]), "|".join(month_name[1:])
# Spellings that the engine reads: pattern of a name, format.
_READABLE = (
    (r"\d{4}-\d{1,2}", "%Y-%m"),
    (r"\d{4}/\d{1,2}", "%Y/%m"),
    (r"\d{4}\.\d{1,2}", "%Y.%m"),
    (r"\d{1,2}/\d{4}", "%m/%Y"),
    (r"\d{1,2}-\d{4}", "%m-%Y"),
    (r"\d{1,2}\.\d{4}", "%m.%Y"),
    (r"\d{4}年\d{1,2}月", "%Y年%m月"),
    (r"(?:19|20)\d{4}", "%Y%m"),
    (rf"(?:{_SHORT}) \d{{4}}", "%b %Y"),
    (rf"(?:{_LONG}) \d{{4}}", "%B %Y"),
    (rf"(?:{_SHORT})-\d{{2}}", "%b-%y"),
    (rf"(?:{_SHORT})-\d{{4}}", "%b-%Y"),
)


class Months(NamedTuple):
    """The month columns of a wide table. ``stands_for``: column → month; ``pattern`` and ``format`` where one reads them all."""

    stands_for: dict[str, str]
    pattern: str | None
    format: str


def month_of(name: str) -> tuple[int | None, int] | None:
    """The year, where it is said, and the month that a column's name is, and nothing besides."""
    text = name.strip().removesuffix(" 00:00:00")
    if match := re.fullmatch(r"((?:19|20)\d{2})[-/.年 ]?(0?[1-9]|1[0-2])月?(?:[-/.]0?1)?", text):
        return int(match[1]), int(match[2])
    if match := re.fullmatch(r"(0?[1-9]|1[0-2])[-/. ]((?:19|20)\d{2})", text):
        return int(match[2]), int(match[1])
    if match := re.fullmatch(r"(1[0-2]|[1-9])月份?", text):
        return None, int(match[1])
    words = words_of(text)
    months = [MONTHS[one] for one in words if one in MONTHS]
    years = [int(one) for one in words if re.fullmatch(r"(?:19|20)?\d{2}", one)]
    if len(months) == 1 and len(words) == 1 + len(years) and len(years) <= 1:
        return (years[0] + 2000 if years[0] < 100 else years[0]) if years else None, months[0]
    return None


def find_months(columns: list[str], year: int | None) -> Months | None:
    """The columns that are months, at least three; ``year``: of months that do not say one, None where it is not known."""
    found = {one: month for one in columns if (month := month_of(one)) is not None}
    if len(found) < _MIN_MONTHS:
        return None
    for pattern, format in _READABLE:
        if all(re.fullmatch(pattern, one) for one in found):
            return Months({one: one for one in found}, pattern, format)
    stands_for = {one: f"{of or year or 'DECIDE'}-{month:02}" for one, (of, month) in found.items()}
    return Months(stands_for, None, "%Y-%m")


def year_in(text: str) -> int | None:
    """The only year that a title or a file's name says."""
    years = set(re.findall(r"(?<!\d)(?:19|20)\d{2}(?!\d)", text))
    return int(years.pop()) if len(years) == 1 else None
