"""Text → typed columns. Each function takes a table of text and gives the typed columns and, where a text cannot be read,
the reason; a value is never guessed and never rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce

import narwhals as nw

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.schema import Column
from crm_analysis.sources.contract import REST, ColumnSource, Contract, Format
from crm_analysis.sources.records import DATE_TEXT, MOMENT_TEXT

# Blanks of every script at either end, the no-break space, zero-width characters and the byte-order mark among them.
# (As a pattern: the engine's trim is ten times slower with such a list of characters.)
_BLANK = r"[\s\p{Z}\x0b\x{200b}\x{2060}\x{feff}]"
EDGE_BLANKS = f"^{_BLANK}+|{_BLANK}+$"
NO_ID = ("", "NULL", "null", "NaN", "nan")
# A file's total may need more digits than any of its lines.
PRECISION = 18


@dataclass(frozen=True)
class Target:
    """A column to be read: its schema, where it comes from, whether each row must have it."""

    name: str
    column: Column
    source: ColumnSource
    is_required: bool


def read_columns(table: Table, targets: list[Target], contract: Contract, written: Format, is_text: bool) -> Table:
    """The table with each target typed under its name, ``repaired:<name>`` flags for ids, and ``_reason``: the first
    target that cannot be read, as ``E-NUM-1 quantity``, or null. ``is_text``: the file has no date cells of its own."""
    table = table.with_columns(*[_joined(target).alias(target.name) for target in targets])
    by_type: dict[str, list[Target]] = {}
    for target in targets:
        by_type.setdefault(target.column.type, []).append(target)
    table = _read_texts(table, by_type.get("id", []) + by_type.get("text", []))
    table = _read_flags(table, by_type.get("flag", []))
    table = _read_numbers(table, by_type.get("money", []), contract.decimals, contract.max_amount, written)
    table = _read_numbers(table, by_type.get("quantity", []), contract.quantity_decimals, contract.max_amount, written)
    table = _read_moments(table, by_type.get("moment", []) + by_type.get("date", []), contract, written, is_text)
    reasons = [nw.col(f"reason:{target.name}") for target in targets]
    return table.with_columns(_reason=nw.coalesce(*reasons)).drop([f"reason:{target.name}" for target in targets])


def _joined(target: Target) -> nw.Expr:
    if target.source.value is not None:
        return nw.lit(target.source.value)
    parts = [nw.col(name) for name in target.source.names]
    return parts[0] if len(parts) == 1 else nw.concat_str(parts, separator=" ")


def strip_blanks(text: nw.Expr) -> nw.Expr:
    return text.str.replace_all(EDGE_BLANKS, "")


def _reason(code: str, target: Target, where: nw.Expr) -> nw.Expr:
    return nw.when(where).then(nw.lit(f"{code} {target.name}"))


def _read_texts(table: Table, targets: list[Target]) -> Table:
    """Ids and texts: blanks around them and the contract's prefix and suffix go; an id written as a missing one is none."""
    if not targets:
        return table
    cleaned, missing = {}, {}
    for target in targets:
        text = strip_blanks(nw.col(target.name))
        if target.source.strip_suffix:
            text = text.str.replace_all(re.escape(target.source.strip_suffix) + "$", "")
        if target.source.strip_prefix:
            text = text.str.replace_all("^" + re.escape(target.source.strip_prefix), "")
        if target.source.strip_suffix or target.source.strip_prefix:
            text = strip_blanks(text)
        meant = [nw.when(text == written).then(nw.lit(one)) for written, one in target.source.same_as.items()]
        text = nw.coalesce(*meant, text) if meant else text
        no_value = NO_ID if target.column.type == "id" else ("",)
        cleaned[f"clean:{target.name}"] = text
        missing[target.name] = no_value
    table = table.with_columns(**cleaned)
    return table.with_columns(
        **{f"repaired:{target.name}": strip_blanks(nw.col(target.name)) != nw.col(target.name) for target in targets},
        **{
            target.name: nw.when(~nw.col(f"clean:{target.name}").is_in(missing[target.name])).then(
                nw.col(f"clean:{target.name}")
            )
            for target in targets
        },
        **{
            f"reason:{target.name}": _reason(
                "E-ID-1" if target.column.type == "id" else "E-EMPTY-1",
                target,
                nw.col(f"clean:{target.name}").is_in(missing[target.name]) if target.is_required else nw.lit(False),
            )
            for target in targets
        },
    ).drop(list(cleaned))


def _read_flags(table: Table, targets: list[Target]) -> Table:
    """True and false by the contract's ``yes`` and ``no``; anything else is neither."""
    if not targets:
        return table

    def says(target: Target, texts: tuple[str, ...], others: tuple[str, ...]) -> nw.Expr:
        text = strip_blanks(nw.col(target.name))
        return ~text.is_in(["", *others]) if texts == REST else text.is_in(texts)

    yes = {target.name: says(target, target.source.yes, target.source.no) for target in targets}
    no = {target.name: says(target, target.source.no, target.source.yes) for target in targets}
    reasons = {
        f"reason:{target.name}": _reason("E-FLAG-1", target, ~(yes[target.name] | no[target.name]))
        for target in targets
    }
    return table.with_columns(**reasons).with_columns(**yes)


# A word of a script without blanks between words may stand anywhere; any other begins and ends at a border, be it one of these.
_UNSPACED = r"[\x{3040}-\x{30ff}\x{3400}-\x{9fff}\x{ac00}-\x{d7af}\x{f900}-\x{faff}]"
_IS_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_BORDER = rf"[^\p{{L}}\p{{N}}]|{_UNSPACED}"


def seek(table: Table, sources: dict[str, ColumnSource]) -> Table:
    """Text columns → what the contract's ``words`` or ``pattern`` find in them; empty where nothing is found."""
    if not sources:
        return table
    patterns = {name: source.pattern for name, source in sources.items() if source.pattern is not None}
    table = engine.extract_texts(table, patterns)
    found = {
        name: nw.coalesce(
            *[
                nw.when(nw.col(name).str.contains(_any_word(words))).then(nw.lit(value))
                for value, words in source.spellings.items()
            ]
        )
        for name, source in sources.items()
        if source.words
    }
    return table.with_columns(**found) if found else table


def _any_word(words: tuple[str, ...]) -> str:
    return "(?i)" + "|".join(_word(word) for word in words)


def _word(word: str) -> str:
    before = "" if _IS_UNSPACED.match(word[0]) else f"(?:^|{_BORDER})"
    after = "" if _IS_UNSPACED.match(word[-1]) else f"(?:{_BORDER}|$)"
    return before + re.escape(word) + after


def _read_numbers(table: Table, targets: list[Target], scale: int, maximum: int, written: Format) -> Table:
    """Plain decimal numbers in the contract's marks. A grouping mark must stand between groups of three digits; more
    decimals than ``scale`` are refused, not rounded, unless they are zeros."""
    if not targets:
        return table
    whole = r"\d+"
    if written.thousands:
        mark = re.escape(written.thousands)
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"
    point = re.escape(written.decimal)
    number = rf"^[+-]?{whole}(?:{point}\d+)?$"
    exact = rf"^[+-]?{whole}(?:{point}\d{{0,{scale}}}0*)?$"

    def plain(text: nw.Expr) -> nw.Expr:
        if written.thousands:
            text = text.str.replace_all(written.thousands, "", literal=True)
        return text if written.decimal == "." else text.str.replace_all(written.decimal, ".", literal=True)

    table = table.with_columns(**{f"text:{target.name}": strip_blanks(nw.col(target.name)) for target in targets})
    table = table.with_columns(
        **{
            target.name: nw.when(nw.col(f"text:{target.name}").str.contains(exact)).then(
                plain(nw.col(f"text:{target.name}"))
            )
            for target in targets
        }
    )
    table = engine.parse_decimals(table, {target.name: (PRECISION, scale) for target in targets})
    reasons = {}
    for target in targets:
        text, value = nw.col(f"text:{target.name}"), nw.col(target.name)
        is_empty = text == ""
        unread = value.is_null() if target.is_required else value.is_null() & ~is_empty
        too_large = (value > maximum) | (value < -maximum)
        reasons[f"reason:{target.name}"] = nw.coalesce(
            _reason("E-NUM-3", target, too_large),
            _reason("E-NUM-2", target, unread & text.str.contains(number) & ~text.str.contains(exact)),
            _reason("E-NUM-3", target, unread & text.str.contains(exact)),
            _reason("E-NUM-1", target, unread),
        )
    return table.with_columns(**reasons).drop([f"text:{target.name}" for target in targets])


def _read_moments(table: Table, targets: list[Target], contract: Contract, written: Format, is_text: bool) -> Table:
    """Days and moments by the contract's formats, in its time zone; a day outside ``valid_dates`` is a typing error."""
    if not targets:
        return table
    formats = {}
    for target in targets:
        wanted = (written.date, written.datetime) if target.column.type == "date" else (written.datetime, written.date)
        first = next((one for one in wanted if one), None)
        formats[target.name] = [*([first] if first else []), *(() if is_text else (MOMENT_TEXT, DATE_TEXT))]
    table = table.with_columns(
        # Z is the zone of Greenwich; the engine's %z reads numbers only.
        **{
            target.name: strip_blanks(nw.col(target.name)).str.replace_all("[Zz]$", "+00:00")
            if any("%z" in one for one in formats[target.name])
            else strip_blanks(nw.col(target.name))
            for target in targets
        },
    ).with_columns(**{f"is_empty:{target.name}": nw.col(target.name) == "" for target in targets})
    table = engine.parse_moments(table, formats, contract.time_zone)
    first_day, last_day = contract.valid_dates.from_, contract.valid_dates.to
    reasons = {}
    for target in targets:
        value = nw.col(target.name).cast(nw.Date)
        unread = value.is_null() if target.is_required else value.is_null() & ~nw.col(f"is_empty:{target.name}")
        reasons[f"reason:{target.name}"] = nw.coalesce(
            _reason("E-DATE-1", target, unread),
            _reason("E-DATE-3", target, (value < nw.lit(first_day)) | (value > nw.lit(last_day))),
        )
    days = {target.name: nw.col(target.name).cast(nw.Date) for target in targets if target.column.type == "date"}
    return table.with_columns(**reasons, **days).drop([f"is_empty:{target.name}" for target in targets])


def any_of(conditions: list[nw.Expr]) -> nw.Expr:
    return reduce(lambda left, right: left | right, conditions, nw.lit(False))


def all_of(conditions: list[nw.Expr]) -> nw.Expr:
    return reduce(lambda left, right: left & right, conditions, nw.lit(True))
