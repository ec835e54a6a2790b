"""Text → typed columns. Each function takes a table of text and gives the typed columns and, where a text cannot be read,
the reason; a value is never guessed and never rounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.amounts import PRECISION
from crm_analysis.cleaning.currencies import MAX_RATE, RATE_DECIMALS, sign_pattern
from crm_analysis.cleaning.texts import EDGE_BLANKS, REFUSED, Use, changed, spell
from crm_analysis.engine import Table
from crm_analysis.schema import Column
from crm_analysis.sources.contract import REST, ColumnSource, Contract, Format, Ids
from crm_analysis.sources.records import CELL_ERRORS, DATE_TEXT, MOMENT_TEXT

NO_ID = ("", "NULL", "null", "NaN", "nan")
# How Salesforce and Zoho write that nothing was chosen from a list.
NO_TEXT = ("", "--None--", "-None-")


@dataclass(frozen=True)
class Target:
    """A column to be read: its schema, where it comes from, whether each row must have it."""

    name: str
    column: Column
    source: ColumnSource
    is_required: bool


def read_columns(
    table: Table, targets: list[Target], contract: Contract, written: Format, is_text: bool, epoch: date
) -> Table:
    """The table with each target typed under its name, ``repaired:<name>`` flags for ids and texts, and ``_reason``: the first
    target that cannot be read, as ``E-NUM-1 quantity``, or null, with its text in ``_value``. Its texts are clean
    (cleaning.texts). ``is_text``: the file has no date cells of its own; ``epoch``: day 0 of dates that are numbers."""
    table = table.with_columns(*[_joined(target).alias(target.name) for target in targets])
    if written.serial_dates:
        dated = [target.name for target in targets if target.column.type in ("moment", "date")]
        table = engine.read_serials(table, dated, epoch)
    by_type: dict[str, list[Target]] = {}
    for target in targets:
        by_type.setdefault(target.column.type, []).append(target)
    table = _read_texts(table, by_type.get("id", []) + by_type.get("text", []))
    table = _read_flags(table, by_type.get("flag", []))
    table = _read_numbers(
        table, by_type.get("money", []), contract.decimals, contract.max_amount, written, contract.currency
    )
    table = _read_numbers(table, by_type.get("quantity", []), contract.quantity_decimals, contract.max_amount, written)
    table = _read_numbers(table, by_type.get("rate", []), RATE_DECIMALS, MAX_RATE, written)
    table = _read_moments(table, by_type.get("moment", []) + by_type.get("date", []), contract, written, is_text)
    reasons = [nw.col(f"reason:{target.name}") for target in targets]
    unread = [nw.when(~nw.col(f"reason:{target.name}").is_null()).then(_joined(target)) for target in targets]
    table = table.with_columns(_reason=nw.coalesce(REFUSED, *reasons))
    # Of the few rows that have a reason the engine looks for more.
    value = nw.when(~nw.col("_reason").is_null()).then(nw.coalesce(*unread))
    table = table.with_columns(_reason=_or_cell_error(targets), _value=value)
    return table.drop([f"reason:{target.name}" for target in targets])


def _or_cell_error(targets: list[Target]) -> nw.Expr:
    """The reason; or, where a cell holds what a spreadsheet shows that could not compute it, that."""
    found = [
        nw.when(is_one_of(nw.col(cell), [text for text, one in CELL_ERRORS.items() if one == code])).then(
            nw.lit(f"{code} {target.name}")
        )
        for target in targets
        for cell in target.source.names
        for code in dict.fromkeys(CELL_ERRORS.values())
    ]
    # Ids and texts are read whatever they are; a number or a date that is none has a reason already.
    texts = [target for target in targets if target.column.type in ("id", "text", "label")]
    # In the order of characters few texts stand so early, and # does: to compare is faster than to look at a beginning.
    may_be_error = any_of([nw.col(cell) < "$" for target in texts for cell in target.source.names])
    reason = nw.col("_reason")
    return nw.when(may_be_error | ~reason.is_null()).then(nw.coalesce(*found, reason))


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
    """Ids and texts: the contract's prefix and suffix go; an id written as a missing one is none."""
    if not targets:
        return table
    cleaned, missing = {}, {}
    for target in targets:
        text = nw.col(target.name)
        if target.source.columns[1:]:
            text = strip_blanks(text)
        if target.source.strip_suffix:
            text = text.str.replace_all(re.escape(target.source.strip_suffix) + "$", "")
        if target.source.strip_prefix:
            text = text.str.replace_all("^" + re.escape(target.source.strip_prefix), "")
        if target.source.strip_suffix or target.source.strip_prefix:
            text = strip_blanks(text)
        meant = [nw.when(text == written).then(nw.lit(one)) for written, one in target.source.same_as.items()]
        text = nw.coalesce(*meant, text) if meant else text
        no_value = NO_ID if target.column.type == "id" else NO_TEXT
        cleaned[f"clean:{target.name}"] = text
        missing[target.name] = no_value
    table = table.with_columns(**cleaned)
    return table.with_columns(
        **{
            f"repaired:{target.name}": any_of([nw.col(changed(one)) for one in target.source.names])
            for target in targets
        },
        **{
            target.name: nw.when(~is_one_of(nw.col(f"clean:{target.name}"), missing[target.name])).then(
                nw.col(f"clean:{target.name}")
            )
            for target in targets
        },
        **{
            f"reason:{target.name}": _reason(
                "E-ID-1" if target.column.type == "id" else "E-EMPTY-1",
                target,
                is_one_of(nw.col(f"clean:{target.name}"), missing[target.name])
                if target.is_required
                else nw.lit(False),
            )
            for target in targets
        },
    ).drop(list(cleaned))


def _read_flags(table: Table, targets: list[Target]) -> Table:
    """True and false by the contract's ``yes`` and ``no``; anything else is neither."""
    if not targets:
        return table
    flag = Use("", is_folded=True)

    def spelled(texts: tuple[str, ...]) -> tuple[str, ...]:
        return texts if texts == REST else tuple(spell(texts, flag, Ids()))

    def says(target: Target, texts: tuple[str, ...], others: tuple[str, ...]) -> nw.Expr:
        text = nw.col(target.name)
        return ~text.is_in(["", *others]) if texts == REST else text.is_in(texts)

    words = {target.name: (spelled(target.source.yes), spelled(target.source.no)) for target in targets}
    yes = {target.name: says(target, *words[target.name]) for target in targets}
    no = {target.name: says(target, *reversed(words[target.name])) for target in targets}
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
    return "(?i)" + "|".join(_word(word) for word in spell(words, Use("", is_text=True), Ids()))


def _word(word: str) -> str:
    before = "" if _IS_UNSPACED.match(word[0]) else f"(?:^|{_BORDER})"
    after = "" if _IS_UNSPACED.match(word[-1]) else f"(?:{_BORDER}|$)"
    return before + re.escape(word) + after


def _read_numbers(
    table: Table, targets: list[Target], scale: int, maximum: int, written: Format, currency: str | None = None
) -> Table:
    """Plain decimal numbers in the contract's marks; of money also with the sign of its ``currency``, and in an accountant's forms
    where the contract has them. A grouping mark must stand between groups of three digits; more decimals than ``scale`` are
    refused, not rounded, unless they are zeros."""
    if not targets:
        return table
    whole = r"\d+"
    if written.thousands:
        mark = re.escape(written.thousands)
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"
    point = re.escape(written.decimal)
    number = rf"[+-]?{whole}(?:{point}\d+)?"
    exact = rf"^[+-]?{whole}(?:{point}\d{{0,{scale}}}0*)?$"
    foreign = rf"^[(+-]?{sign_pattern()}\s*{number}\W?$|^\(?{number}\s*{sign_pattern()}\W?$"

    def plain(text: nw.Expr) -> nw.Expr:
        if written.thousands:
            text = text.str.replace_all(written.thousands, "", literal=True)
        return text if written.decimal == "." else text.str.replace_all(written.decimal, ".", literal=True)

    def unadorned(text: nw.Expr) -> nw.Expr:
        if written.accounting:
            text = _unaccounted(text)
        if currency:
            sign = sign_pattern(currency)
            text = text.str.replace_all(rf"^([+-]?){sign}\s*|\s*{sign}$", r"\1")
        return _unaccounted(text) if written.accounting else text

    def read(text: nw.Expr) -> nw.Expr:
        # The engine looks at the rarer forms only where the plain one does not fit.
        bare = unadorned(text)
        return nw.when(text.str.contains(exact)).then(plain(text)).when(bare.str.contains(exact)).then(plain(bare))

    table = table.with_columns(**{f"text:{target.name}": nw.col(target.name) for target in targets})
    table = table.with_columns(**{target.name: read(nw.col(target.name)) for target in targets})
    table = engine.parse_decimals(table, {target.name: (PRECISION, scale) for target in targets})
    reasons = {}
    for target in targets:
        text, value = nw.col(f"text:{target.name}"), nw.col(target.name)
        is_empty = text == ""
        unread = value.is_null() if target.is_required else value.is_null() & ~is_empty
        too_large = (value > maximum) | (value < -maximum)
        why = (
            nw.when(unadorned(text).str.contains(exact))
            .then(nw.lit("E-NUM-3"))
            .when(unadorned(text).str.contains(f"^{number}$"))
            .then(nw.lit("E-NUM-2"))
            .when(text.str.contains(foreign) if currency else nw.lit(False))
            .then(nw.lit("E-CUR-1"))
            .otherwise(nw.lit("E-NUM-1"))
        )
        reasons[f"reason:{target.name}"] = nw.when(too_large | unread).then(
            nw.concat_str(nw.when(too_large).then(nw.lit("E-NUM-3")).otherwise(why), nw.lit(f" {target.name}"))
        )
    return table.with_columns(**reasons).drop([f"text:{target.name}" for target in targets])


def _unaccounted(text: nw.Expr) -> nw.Expr:
    """(12.50) and 12.50- as -12.50."""
    text = text.str.replace_all("\N{MINUS SIGN}", "-", literal=True)
    return text.str.replace_all(r"^\(\s*([^-]+?)\s*\)$|^([^-]+?)\s*-$", r"-\1\2")


def _read_moments(table: Table, targets: list[Target], contract: Contract, written: Format, is_text: bool) -> Table:
    """Days and moments by the contract's formats, in its time zone; a day outside ``valid_dates`` is a typing error, and so is a
    moment more than a day after ``covers_until``."""
    if not targets:
        return table
    formats = {target.name: date_formats(target.column.type, written, is_text) for target in targets}
    table = table.with_columns(
        # Z is the zone of Greenwich; the engine's %z reads numbers only.
        **{
            target.name: nw.col(target.name).str.replace_all("[Zz]$", "+00:00")
            if any("%z" in one for one in formats[target.name])
            else nw.col(target.name)
            for target in targets
        },
        **{f"text:{target.name}": nw.col(target.name) for target in targets},
    )
    table = engine.parse_moments(table, formats, contract.time_zone)
    first_day, last_day = contract.valid_dates.from_, contract.valid_dates.to
    reasons = {}
    for target in targets:
        text, value = nw.col(f"text:{target.name}"), nw.col(target.name).cast(nw.Date)
        # The engine takes words such as epoch for its first day.
        is_word = nw.when(value == nw.lit(_DAY_OF_WORDS)).then(~text.str.contains("[0-9]")).otherwise(nw.lit(False))
        unread = value.is_null() if target.is_required else value.is_null() & (text != "")
        found = [
            _reason("E-DATE-1", target, unread | is_word),
            _reason("E-DATE-3", target, (value < nw.lit(first_day)) | (value > nw.lit(last_day))),
        ]
        if contract.covers_until and target.column.type == "moment":
            latest = contract.covers_until + timedelta(days=1)
            found.append(_reason("E-DATE-4", target, value > nw.lit(latest)))
        reasons[f"reason:{target.name}"] = nw.coalesce(*found)
    days = {target.name: nw.col(target.name).cast(nw.Date) for target in targets if target.column.type == "date"}
    return table.with_columns(**reasons, **days).drop([f"text:{target.name}" for target in targets])


_DAY_OF_WORDS = date(1900, 1, 1)


def date_formats(kind: str, written: Format, is_text: bool) -> list[str]:
    """The strptime formats of a column of days or moments, in the order in which they are tried."""
    # A day may also stand in a column of moments.
    wanted = (written.date, written.datetime) if kind == "date" else (written.datetime or written.date,)
    return [*filter(None, wanted), *((MOMENT_TEXT, DATE_TEXT) if not is_text or written.serial_dates else ())]


def swap_day_and_month(written: str) -> str:
    """A strptime format with the day where the month stands, and the other way round."""
    return re.sub("%[dm]", lambda found: "%d" if found[0] == "%m" else "%m", written)


def reads_swapped(texts: list[str], written: str) -> bool:
    """Whether each of the lines has a cell that reads with day and month of this format swapped, and not as it is."""
    swapped = swap_day_and_month(written)
    return bool(texts) and all(
        any(_reads(swapped, cell) and not _reads(written, cell) for cell in _CELL.split(text)) for text in texts
    )


_CELL = re.compile("[,;|\t\"']")


def _reads(written: str, text: str) -> bool:
    try:
        return bool(datetime.strptime(text.strip(), written))  # noqa: DTZ007 (only whether it reads)
    except ValueError:
        return False


def is_one_of(text: nw.Expr, few: Iterable[str]) -> nw.Expr:
    """Compared one by one, which for a few is faster than the engine's join with a list."""
    return any_of([text == one for one in few])


def any_of(conditions: list[nw.Expr]) -> nw.Expr:
    return reduce(lambda left, right: left | right, conditions, nw.lit(False))


def all_of(conditions: list[nw.Expr]) -> nw.Expr:
    return reduce(lambda left, right: left & right, conditions, nw.lit(True))
