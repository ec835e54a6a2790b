"""The currency and the time zone of a source, as far as its files tell, and how finely its amounts are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from babel.numbers import get_currency_precision, list_currencies

from crm_analysis.inspection.facts import Column
from crm_analysis.inspection.numbers import SYMBOLS, symbols_of
from crm_analysis.inspection.words import tags_of
from crm_analysis.sources.contract import DECIDE

_MAX_AMOUNT = 10_000_000
_CODES = frozenset("EUR USD GBP CNY JPY TRY BRL CHF MXN INR KRW TWD HKD CAD AUD SEK NOK DKK PLN CZK HUF".split())
# Characters by which the words tell whose sign the ¥ is.
_KANA, _HAN = re.compile("[\u3041-\u30ff]"), re.compile("[\u4e00-\u9fff]")
_ZONES = {"+08:00": "Asia/Shanghai", "+09:00": "Asia/Tokyo", "+03:00": "Europe/Istanbul", "-03:00": "America/Sao_Paulo"}


class Decision(NamedTuple):
    """What a draft says, perhaps that a person must decide, and the evidence."""

    value: str
    why: str

    @property
    def is_open(self) -> bool:
        return self.value == DECIDE


def find_currency(amounts: Iterable[Column], columns: Iterable[Column], titles: str) -> Decision:
    """The currency, by signs in the amounts, a column of codes, or codes in names and titles."""
    amounts, columns = list(amounts), list(columns)
    for one in columns:
        if "currency" in tags_of(one.meaning).tags and one.values:
            codes = [code.upper() for code in one.values]
            if len(codes) == 1 and codes[0] in list_currencies():
                return Decision(codes[0], f"column {one.name} says so in every row")
            return Decision(
                DECIDE,
                f"column {one.name} holds {', '.join(codes[:5])}: choose that of the reports, and give the table rates for the others",
            )
    signs: Counter = Counter()
    for one in amounts:
        for value in one.some_values:
            signs.update(symbols_of(value))
    names = " ".join([*(one.meaning for one in columns), titles])
    if signs:
        sign, n = signs.most_common(1)[0]
        others = [one for one in signs if SYMBOLS[one] != SYMBOLS[sign]]
        if others:
            return Decision(DECIDE, f"the amounts show {', '.join(signs)}: one contract has one currency")
        meant = SYMBOLS[sign]
        if len(meant) == 1:
            return Decision(meant[0], f"{n:,} different amounts show {sign}")
        return Decision(DECIDE, f"{' or '.join(meant)}? the amounts show {sign}")
    told = [one for one in re.findall(r"(?<![A-Z])[A-Z]{3}(?![A-Z])", names.upper()) if one in _CODES]
    told += [
        code for sign, (code, *more) in SYMBOLS.items() if not more and not sign.isascii() and f"({sign})" in names
    ]
    told += ["CNY"] * bool(re.search(r"[(（]元[)）]|人民币", names)) + ["JPY"] * bool(re.search(r"[(（]円[)）]", names))
    if len(set(told)) == 1:
        return Decision(told[0], "a column's name or a title says so")
    hint = (
        "JPY? the words are Japanese"
        if _KANA.search(names)
        else "CNY? the words are Chinese"
        if _HAN.search(names)
        else ""
    )
    return Decision(
        DECIDE, f"{hint}; no amount shows a currency" if hint else "such as EUR: no amount shows a currency"
    )


def find_time_zone(columns: Iterable[Column], zones: set[str], names: str) -> Decision:
    """The time zone, where offsets from Greenwich stand in the data."""
    offsets = {one for column in columns if column.dates for one in column.dates.offsets}
    if zones - {"UTC"}:
        return (
            Decision(zones.pop(), "the files' moments carry it")
            if len(zones) == 1
            else Decision(DECIDE, " or ".join(zones))
        )
    if len(offsets) == 1:
        offset = offsets.pop()
        if offset == "+00:00":
            return Decision(
                "UTC", "all moments are written so; the company's own zone decides which day they belong to"
            )
        hours, minutes = offset[1:].split(":")
        if offset in _ZONES:
            return Decision(_ZONES[offset], f"all moments are written with {offset}; another zone may have it too")
        if minutes == "00":
            sign = "-" if offset[0] == "+" else "+"
            return Decision(f"Etc/GMT{sign}{int(hours)}", f"all moments are written with {offset}")
    if offsets:
        return Decision(
            DECIDE,
            f"the company's own, such as Europe/Berlin: the moments are written with {', '.join(sorted(offsets))}",
        )
    hint = "Asia/Tokyo? the words are Japanese; " if _KANA.search(names) else ""
    hint = hint or ("Asia/Shanghai? the words are Chinese; " if _HAN.search(names) else "such as Europe/Berlin: ")
    return Decision(DECIDE, f"{hint}no moment in the files has an offset")


def find_precision(currency: str, amounts: list[Column], quantities: list[Column]) -> dict[str, tuple[int, str]]:
    """Entries of the contract that amounts and quantities need → (value, evidence)."""
    found = {}
    usual = 2 if currency == DECIDE else get_currency_precision(currency)
    if amounts:
        finest = max(amounts, key=lambda one: one.n_decimals)
        if finest.n_decimals > usual:
            found["money_decimals"] = min(finest.n_decimals, 6), f"{finest.name} has {finest.n_decimals} decimals"
        largest = max(max(map(abs, one.numbers.values()), default=0) for one in amounts)
        if largest > _MAX_AMOUNT / 2:
            found["max_amount"] = 10 ** (len(str(int(largest))) + 1), f"amounts up to {largest:,.0f} were seen"
    if quantities and (n := max(one.n_decimals for one in quantities)):
        found["quantity_decimals"] = min(n, 4), f"quantities with {n} decimals were seen"
    return found
