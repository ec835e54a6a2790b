"""How a table stands in a text or a sheet: delimiter, quotation marks, titles above the header, whether there is one."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from crm_analysis.inspection.dates import formats_of
from crm_analysis.inspection.months import month_of
from crm_analysis.inspection.numbers import looks_like_number
from crm_analysis.inspection.words import tags_of

DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
_N_RECORDS = 300
# Titles stand in the first records only.
_N_ABOVE = 20


class Layout(NamedTuple):
    """``why``: the evidence by entry of the contract's format."""

    delimiter: str
    quote: str
    skip_rows: int
    header: bool
    why: dict[str, str]


class Header(NamedTuple):
    """The record, counted from 0, that holds the names; None where the first record is data."""

    place: int | None
    first: int
    why: str


def find_layout(text: str) -> Layout:
    """The layout of delimited text from its beginning."""
    sheared = text[: text.rfind("\n") + 1] or text
    quote = _quote(sheared)
    tried = {name: read_records(sheared, name, quote, _N_RECORDS) for name in DELIMITERS}
    scores = {name: _evenness(records) for name, records in tried.items()}
    best = max(scores, key=scores.get)
    if scores[best] < 0.8:
        tried["whitespace"] = read_records(sheared, "whitespace", quote, _N_RECORDS)
        if _evenness(tried["whitespace"]) > 0.9:
            best = "whitespace"
    # Marks that stand within texts, as for inches, are no quotation marks.
    if quote == "double":
        plain = read_records(sheared, best, "none", _N_RECORDS)
        if _share(plain) > _share(tried[best]) + 0.02:
            quote, tried[best] = "none", plain
    records = tried[best]
    lines, cells = [line for line, _ in records], [one for _, one in records]
    header = find_header(cells)
    n = _modal([len(one) for one in cells])
    why = {
        "delimiter": f"{n} cells in {_share(records):.0%} of {len(records)} records",
        "header": header.why,
        "quote": "" if quote != "none" else "quotation marks stand within texts",
    }
    skip_rows = lines[header.first] - 1 if header.first else 0
    if skip_rows:
        why["skip_rows"] = f"{skip_rows} lines stand above"
    return Layout(best, quote, skip_rows, header.place is not None, why)


def read_records(text: str, delimiter: str, quote: str, limit: int | None = None) -> list[tuple[int, list[str]]]:
    """The records that are not blank, each with the line on which it begins."""
    lines = text.splitlines(keepends=True) if "\n" in text else re.split("(?<=\r)", text)
    if delimiter == "whitespace":
        split = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
        return split[:limit]
    options = {"quoting": csv.QUOTE_NONE} if quote == "none" else {"quotechar": "'" if quote == "single" else '"'}
    reader = csv.reader((line for line in lines), delimiter=DELIMITERS.get(delimiter, delimiter), **options)
    records, line = [], 1
    try:
        for record in reader:
            if any(one.strip() for one in record):
                records.append((line, record))
            line = reader.line_num + 1
            if limit and len(records) >= limit:
                break
    except csv.Error:
        pass
    return records


def _quote(text: str) -> str:
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|]|\r?$)", text[:100_000], re.MULTILINE))
    double = text[:100_000].count('"')
    return "single" if single > text[:100_000].count("\n") and not double else "double"


def _modal(numbers: Sequence[int]) -> int:
    return Counter(numbers).most_common(1)[0][0] if numbers else 0


def _share(records: list[tuple[int, list[str]]]) -> float:
    sizes = [len(one) for _, one in records]
    return sizes.count(_modal(sizes)) / max(len(sizes), 1)


def _evenness(records: list[tuple[int, list[str]]]) -> float:
    """How much a delimiter looks like the right one: as many cells in each record, more than one, known names above."""
    sizes = [len(one) for _, one in records]
    n = _modal(sizes)
    if n < 2:
        return 0.0
    top = next(one for _, one in records if len(one) == n)
    known = sum(bool(tags_of(one).tags) and len(one) < 40 for one in top) / n
    return _share(records) + 0.3 * known + 0.02 * min(n, 10)


def find_header(records: list[list[str]]) -> Header:
    """Where the names of the columns stand. Titles above have few cells; names are no numbers or dates where the cells below
    them are, or they are words that are known."""
    n = _modal([sum(map(bool, _stripped(one))) for one in records])
    wide = [place for place, one in enumerate(records[:_N_ABOVE]) if sum(map(bool, _stripped(one))) >= max(1, 0.6 * n)]
    if not wide:
        return Header(None, 0, "")
    first = wide[0]
    if n > 1:
        # Of the first full records the one with the most known names, where another has none.
        first = max(wide[:5], key=lambda place: (round(_known(records[place]), 1), -place))
        if _known(records[first]) < 0.3 or _is_data(records[first]):
            first = wide[0]
    names, below = _stripped(records[first]), [_stripped(one) for one in records[first + 1 :]]
    typed = [place for place in range(len(names)) if _is_typed([one[place] for one in below if place < len(one)])]
    n_differ = sum(not _is_value(names[place]) for place in typed if names[place])
    known = _known(records[first])
    filled = [one for one in names if one]
    if typed and n_differ >= max(1, len([place for place in typed if names[place]]) / 2):
        return Header(first, first, f"{n_differ} columns of numbers or dates begin with a word")
    if known >= 0.5:
        return Header(first, first, f"{known:.0%} of the first record are names that are known")
    are_months = sum(month_of(one) is not None for one in filled) >= 3
    if are_months:
        return Header(first, first, "months stand above numbers")
    if not typed and below and len(set(filled)) == len(filled):
        recur = sum(names[place] in {one[place] for one in below if place < len(one)} for place in range(len(names)))
        if not recur and max(map(len, filled), default=99) <= 40:
            return Header(first, first, "no text of the first record comes again below it")
    return Header(None, wide[0], "the first record looks like those below it")


def _stripped(record: list[str]) -> list[str]:
    return [one.strip().lstrip("\ufeff") for one in record]


def _known(record: list[str]) -> float:
    filled = [one for one in _stripped(record) if one]
    return sum(bool(tags_of(one).tags) and len(one) <= 40 for one in filled) / max(len(filled), 1)


def _is_value(text: str) -> bool:
    return month_of(text) is None and (looks_like_number(text) or bool(formats_of(text)))


def _is_data(record: list[str]) -> bool:
    return sum(map(_is_value, _stripped(record))) > 1


def _is_typed(values: list[str]) -> bool:
    filled = [one for one in values if one]
    return len(filled) > 0 and sum(looks_like_number(one) or bool(formats_of(one)) for one in filled) >= 0.8 * len(
        filled
    )
