"""Words, numbers, dates and money as the reader of a report expects them.

Every string that a reader sees passes through :func:`_`; every number through one of the formatters.
The language is set once per process by :func:`use`.
"""

from __future__ import annotations

import gettext
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
)

LANGUAGES = ("en",)

_active = {"locale": Locale("en"), "catalogue": gettext.NullTranslations()}

Number = int | float | Decimal


def use(language: str) -> None:
    """Make ``language`` (one of LANGUAGES) the language of everything shown from now on."""
    _active["locale"] = Locale.parse(language)


def language() -> str:
    return _active["locale"].language


def _(text: str) -> str:
    """The text in the active language."""
    return _active["catalogue"].gettext(text)


def integer(value: Number) -> str:
    return format_decimal(value, format="#,##0", locale=_active["locale"])


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


def short_number(value: Number) -> str:
    """A number for an axis: 12K, 3.4M."""
    if abs(value) < 1000:
        return plain(value) if abs(value) < 10 else integer(value)
    has_decimal = 1e3 <= abs(value) < 1e4 or abs(value) >= 1e6
    return format_compact_decimal(value, locale=_active["locale"], fraction_digits=int(has_decimal))


def short_money(value: Number, currency: str) -> str:
    """A rounded amount for a headline: €3.4M; below ten thousand in whole units."""
    if abs(value) < 10_000:
        return format_currency(value, currency, format="¤#,##0", locale=_active["locale"], currency_digits=False)

    digits = 0 if abs(value) < 1e6 else 2
    return format_compact_currency(value, currency, locale=_active["locale"], fraction_digits=digits)


def day(value: date) -> str:
    return format_date(value, format="long", locale=_active["locale"])


def month(value: str) -> str:
    """A month such as ``2026-10`` in words: October 2026."""
    return format_date(date(int(value[:4]), int(value[5:7]), 1), format="LLLL y", locale=_active["locale"])
