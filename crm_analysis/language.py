"""Words, numbers, dates and money as the reader of a report expects them.

Every string that a reader sees passes through :func:`_`; every number through one of the formatters.
The language is set once per process by :func:`use`.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_skeleton, get_day_names, get_month_names
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
)

_CATALOGUES = Path(__file__).parent / "locale"
# English is what the strings are written in; every other language has a catalogue.
LANGUAGES = ("en", *sorted(one.name for one in _CATALOGUES.iterdir() if one.is_dir()))

_active = {"locale": Locale("en"), "catalogue": gettext.NullTranslations()}

Number = int | float | Decimal


def use(language: str) -> None:
    """Make ``language`` (one of LANGUAGES) the language of everything shown from now on."""
    _active.update(locale=Locale.parse(language), catalogue=_read_catalogue(language))


@cache
def _read_catalogue(language: str) -> gettext.NullTranslations:
    """The catalogue as gettext reads it, made from its text in memory: there is no second file to go out of date."""
    if language == "en":
        return gettext.NullTranslations()
    path = _CATALOGUES / language / "LC_MESSAGES" / "crm_analysis.po"
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def language() -> str:
    return _active["locale"].language


def _(text: str) -> str:
    """The text in the active language."""
    # Of an empty text a catalogue has its own head.
    return _active["catalogue"].gettext(text) if text else text


def mark(text: str) -> str:
    """The text itself, marked for the catalogues: it is shown later, through :func:`_`."""
    return text


def own(value: str, words: Collection[str]) -> str:
    """A value of the data as it is; if it is one of ``words``, which are ours (marked), in the active language."""
    return _(value) if value in words else value


# Names of attributes that many companies have.
_ATTRIBUTES = (
    mark("region"), mark("country"), mark("city"), mark("channel"), mark("acquisition channel"), mark("customer type"),
    mark("customer group"), mark("segment"), mark("industry"), mark("gender"), mark("birth year"), mark("age"),
    mark("salesperson"), mark("payment method"), mark("category"), mark("brand"), mark("series"),
)  # fmt: skip


def attribute(name: str) -> str:
    """The name of an attribute of the data in words, such as customer_type."""
    return own(name.replace("_", " "), _ATTRIBUTES)


def counted(n: Number, one: str, many: str, **shown: object) -> str:
    """A sentence about ``{n}`` things, as it is said of one or of many; ``shown``: what else it names."""
    return _active["catalogue"].ngettext(one, many, int(n)).format(n=integer(n), **shown)


def listed(words: Sequence[str]) -> str:
    """Words one after the other: a, b, and c."""
    return format_list(list(words), locale=_active["locale"])


def together(*sentences: str) -> str:
    """Sentences one after the other: with a space between them, but in Chinese and Japanese."""
    return ("" if _active["locale"].language in ("zh", "ja") else " ").join(sentences)


def integer(value: Number) -> str:
    return _write_integer(value, _active["locale"])


@lru_cache(maxsize=10_000)
def _write_integer(value: Number, locale: Locale) -> str:
    """Kept, since the reasons of a long list have the same few numbers over and over."""
    return format_decimal(value, format="#,##0", locale=locale)


def decimal(value: Number, digits: int = 1) -> str:
    """A number with so many decimals; a dash where there is none."""
    if value != value:
        return "–"
    return format_decimal(value, format=f"#,##0.{'0' * digits}", locale=_active["locale"])


def plain(value: Number) -> str:
    """A number with at most two decimals, and no more than it needs."""
    return format_decimal(value, format="#,##0.##", locale=_active["locale"])


def amount(value: Number, currency: str) -> str:
    """An amount under a head that names the currency: in its number of decimals, without its sign."""
    return format_currency(value, currency, format="#,##0.00", locale=_active["locale"])


def percent(value: Number, digits: int = 1) -> str:
    """A share of 1 as per cent: 0.123 → 12.3%; a dash where there is nothing to share."""
    if value != value:
        return "–"
    return format_percent(value, format=f"#,##0.{'0' * digits}%", locale=_active["locale"])


def signed(value: Number, show) -> str:
    """A change, with its sign: +3, −2.5%; ``show`` formats the absolute value."""
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return sign + show(abs(value))


def _step() -> float:
    """By how much each larger word for a number grows: thousand, million; in Chinese and Japanese 万, 亿."""
    return 1e4 if _active["locale"].language in ("zh", "ja") else 1e3


def short_number(value: Number) -> str:
    """A number for an axis: 12K, 3.4M; 1.2万."""
    size, step = abs(float(value)), _step()
    if size < step:
        return plain(value) if size < 10 else integer(value)
    has_decimal = size < 10 * step or size >= step**2
    return format_compact_decimal(value, locale=_active["locale"], fraction_digits=int(has_decimal))


def short_money(value: Number, currency: str) -> str:
    """A rounded amount for a headline: €3.4M, ¥12.3万; below ten thousand in whole units."""
    size, step = abs(float(value)), _step()
    if size < 10_000:
        return format_currency(value, currency, format="¤#,##0", locale=_active["locale"], currency_digits=False)
    digits = 2 if size >= step**2 else 0 if step == 1e3 else 1
    return format_compact_currency(value, currency, locale=_active["locale"], fraction_digits=digits)


def measured(value: Number, unit: str, currency: str) -> str:
    """A key figure by its unit (schema.KeyFigure): count, share, money or number."""
    show = {
        "count": integer,
        "share": percent,
        "money": lambda one: short_money(one, currency),
        "number": lambda one: decimal(one, 2),
    }
    return show[unit](value)


def changed(value: Number, earlier: Number, unit: str) -> str:
    """The change on an earlier value: per cent, of shares points, of other numbers the difference; '' on nothing."""
    change = float(value) - float(earlier)
    if unit == "share":
        return signed(round(100 * change, 1), lambda one: _("{n} points").format(n=decimal(one)))
    if unit == "number":
        return signed(round(change, 2), lambda one: decimal(one, 2))
    return signed(round(change / abs(float(earlier)), 3), percent) if float(earlier) else ""


def signed_money(value: Number, currency: str) -> str:
    """A change of an amount, rounded, with its sign: +€3.4M."""
    return signed(value, lambda one: short_money(one, currency))


def day(value: date) -> str:
    return format_date(value, format="long", locale=_active["locale"])


def month(value: str) -> str:
    """A month such as ``2026-10`` in words: October 2026."""
    return format_skeleton("yMMMM", date(int(value[:4]), int(value[5:7]), 1), locale=_active["locale"])


def month_name(number: int) -> str:
    """A month of the calendar, 1 to 12: Oct."""
    return get_month_names("abbreviated", "stand-alone", _active["locale"])[number]


def weekday_name(number: int) -> str:
    """A day of the week, 0 for Monday: Mon."""
    return get_day_names("abbreviated", "stand-alone", _active["locale"])[number]
