"""Money in other currencies: the signs by which an amount tells its own, and conversion by the rates of the source."""

from __future__ import annotations

import re
from functools import cache

import narwhals as nw
from babel.numbers import get_currency_symbol, list_currencies

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import Contract, TableContract

# Signs at home that Babel's English does not tell.
_AT_HOME = {
    "CNY": ("￥", "元", "圆", "人民币", "RMB"), "JPY": ("￥", "円"), "TWD": ("元",), "HKD": ("元",), "USD": ("US$",),
    "DKK": ("kr", "kr."), "SEK": ("kr", "kr."), "NOK": ("kr", "kr."), "ISK": ("kr", "kr."), "CHF": ("Fr.", "SFr."),
    "INR": ("Rs", "Rs."), "PLN": ("zł",), "CZK": ("Kč",), "HUF": ("Ft",), "RON": ("lei",), "BGN": ("лв.", "лв"),
    "RUB": ("₽", "руб.", "руб"), "UAH": ("₴",), "TRY": ("₺", "TL"), "THB": ("฿",), "KZT": ("₸",), "NGN": ("₦",), "ZAR": ("R",),
    "MYR": ("RM",), "IDR": ("Rp",), "PEN": ("S/",), "AED": ("د.إ",),
}  # fmt: skip
# With rates of so many decimals and no more than MAX_RATE, products of amounts below MAX_CONVERTED are exact.
RATE_DECIMALS, MAX_RATE, MAX_CONVERTED = 12, 10**5, 10**11


@cache
def signs(currency: str) -> tuple[str, ...]:
    """How amounts in a currency may be marked: its code, and its signs at home and abroad (CA$ and $); the longest first."""
    abroad = get_currency_symbol(currency, "en")
    found = {currency, abroad, abroad.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), *_AT_HOME.get(currency, ())} - {""}
    return tuple(sorted(found, key=lambda one: (-len(one), one)))


@cache
def sign_pattern(currency: str | None = None) -> str:
    """A regular expression for the signs of a currency, or of any."""
    codes = sorted(list_currencies()) if currency is None else [currency]
    found = {sign for code in codes for sign in signs(code)}
    written = "|".join(re.escape(sign) for sign in sorted(found, key=lambda one: (-len(one), one)))
    return f"(?i:{written})" if currency else rf"(?i:\p{{Sc}}|{written})"


def convert(rows: Table, name: str, table: TableContract, contract: Contract, rates: Table | None) -> Table:
    """The amounts of an order table in the currency of the source, by the last rate on or before the row's day; exact until each
    amount is rounded, once, half to even, to money_decimals. ``repaired:currency`` says which rows were converted, ``_reason`` why one
    cannot be: E-CUR-2 without a currency, E-CUR-1 in another one where there are no rates, E-CUR-3 before its first rate."""
    written = nw.col("currency").str.to_uppercase()
    own = nw.lit(contract.currency)
    is_own = written.is_in([one.upper() for one in signs(contract.currency)])
    rows = rows.with_columns(currency=nw.when(is_own).then(own).otherwise(written))
    lacks_currency = nw.when(nw.col("currency").is_null()).then(nw.lit("E-CUR-2 currency"))
    if rates is None:
        is_foreign = nw.when(nw.col("currency") != own).then(nw.lit("E-CUR-1 currency"))
        return rows.with_columns(
            _reason=nw.coalesce("_reason", lacks_currency, is_foreign), **{"repaired:currency": nw.lit(False)}
        )
    rates = rates.select(currency=nw.col("currency").str.to_uppercase(), _rated="rated_date", _rate="rate")
    rows = rows.with_columns(_day=nw.col("ordered_at").cast(nw.Date))
    rows = engine.join_latest(rows, rates, "currency", "_day", "_rated")
    is_foreign = (nw.col("currency") != own).fill_null(False)
    is_rated = is_foreign & ~nw.col("_rate").is_null()
    types = rows.collect_schema()
    money = {"line_amount", *(one for one in table.columns if CANONICAL[name].columns[one].type == "money")}
    rated = {one: _at_rate(one, types[one].scale, contract.decimals) for one in sorted(money)}
    fits = {one: amount.abs() <= contract.max_amount for one, amount in rated.items()}
    converted = {
        one: nw.when(~is_rated).then(nw.col(one)).when(fits[one]).then(amount.cast(types[one]))
        for one, amount in rated.items()
    }
    is_large = [
        nw.when(is_rated & ~nw.col(one).is_null() & ~fit.fill_null(False)).then(nw.lit(f"E-NUM-3 {one}"))
        for one, fit in fits.items()
    ]
    lacks_rate = nw.when(is_foreign & nw.col("_rate").is_null()).then(nw.lit("E-CUR-3 currency"))
    rows = rows.with_columns(
        **converted,
        **{"repaired:currency": is_rated},
        _reason=nw.coalesce("_reason", lacks_currency, lacks_rate, *is_large),
    )
    return rows.drop("_day", "_rated", "_rate")


def _at_rate(name: str, scale: int, decimals: int) -> nw.Expr:
    """The amount times its rate, exact, then rounded: what the engine rounds from half-way away from zero goes back where that is
    not even. Null for what is too large to be exact."""
    exact = nw.when(nw.col(name).abs() < MAX_CONVERTED).then(nw.col(name).cast(nw.Decimal(38, scale)) * nw.col("_rate"))
    near = exact.cast(nw.Decimal(38, decimals))
    unit = 10**decimals
    is_half = (near - exact).abs() * (2 * unit) == 1
    is_odd = (near * unit).cast(nw.Int128) % 2 != 0
    return nw.when(is_half & is_odd).then((exact * 2 - near).cast(nw.Decimal(38, decimals))).otherwise(near)
