"""One spelling for what is written in many: telephone numbers, e-mail addresses, names, provinces, countries, companies.

Each distinct value is standardised once. What cannot be read as what it should be is not valid: it is counted and told
(E-STD-1), an attribute keeps it as written, and as a customer's identity it counts as not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import narwhals as nw
import pandas as pd
import phonenumbers

from crm_analysis import engine
from crm_analysis.cleaning.rules import FILE_STEP, POSITION
from crm_analysis.cleaning.spellings import countries, find_region, fold, split_form, tidy
from crm_analysis.engine import Table
from crm_analysis.sources.contract import TableContract
from crm_analysis.sources.records import CELL_STEP, Noticed

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_EMAIL = re.compile(
    rf"[^\s@\"(),:;<>\[\]\\.]+(?:\.[^\s@\"(),:;<>\[\]\\.]+)*@(?:{_LABEL}\.)+(?:[^\W\d_]{{2,63}}|xn--[a-z0-9-]+)"
)
_MAX_EMAIL, _MAX_LOCAL = 254, 64


def standard_name(text: str, country: str) -> str | None:
    """A name or a text without full-width letters and needless blanks."""
    return tidy(text) or None


def standard_email(text: str, country: str) -> str | None:
    """An address with its domain in small letters; None for what cannot be one."""
    text = tidy(text).removeprefix("mailto:").strip("<>;, ")
    local, _, domain = text.rpartition("@")
    if len(text) > _MAX_EMAIL or len(local) > _MAX_LOCAL or not _EMAIL.fullmatch(text):
        return None
    return f"{local}@{domain.lower()}"


def standard_phone(text: str, country: str) -> str | None:
    """A number as +49301234567 (E.164); one without a country's prefix is of ``country``. None for no valid one."""
    try:
        number = phonenumbers.parse(tidy(text), country or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def standard_region(text: str, country: str) -> str | None:
    """A province or state of ``country`` as that country writes it: 广东, 東京, Bayern, California."""
    return find_region(text, country)


def standard_country(text: str, country: str) -> str | None:
    """A country as DE, CN (ISO 3166 alpha-2)."""
    return countries().get(fold(text) or "")


def standard_company(text: str, country: str) -> str | None:
    """The name of a company with its legal form as it is usually written: Müller GmbH, 海港有限公司."""
    name, form = split_form(text)
    is_chinese = form and not form.isascii()
    return f"{name}{'' if is_chinese or not form else ' '}{form}" or None


STANDARDS: dict[str, Callable[[str, str], str | None]] = {
    "name": standard_name,
    "email": standard_email,
    "phone": standard_phone,
    "region": standard_region,
    "country": standard_country,
    "company": standard_company,
}
_BY_COUNTRY = ("phone", "region")
_MAX_LINES = 20


def kinds_of(table: TableContract, prefix: str = "") -> dict[str, str]:
    """The columns that the contract wants in a standard spelling, and what kind each is."""
    return {prefix + column: source.standard for column, source in table.sources.items() if source.standard}


def invalid(column: str) -> str:
    """The name of the flag that a value of ``column`` is not valid."""
    return f"invalid:{column}"


def standardise(rows: Table, kinds: Mapping[str, str], home: str | None, keep: bool) -> Table:
    """The rows with each column of ``kinds`` (name → one of STANDARDS) in its standard spelling, ``repaired:<column>`` set
    where that changed it, and ``invalid:<column>``. ``home``: the country that is meant where no column of countries says
    otherwise. What is not valid stays as written (``keep``) or becomes none."""
    by_country_column = next((column for column, kind in kinds.items() if kind == "country"), None)
    for column in sorted(kinds, key=lambda one: kinds[one] != "country"):
        country = nw.lit(home or "")
        if kinds[column] in _BY_COUNTRY and by_country_column is not None:
            country = nw.coalesce(nw.col(by_country_column), country)
        rows = _standardise_column(rows.with_columns(_country=country), column, kinds[column], keep)
    return rows


def _standardise_column(rows: Table, column: str, kind: str, keep: bool) -> Table:
    written = nw.col(column)
    distinct = rows.filter(~written.is_null()).select(_written=written, _country=nw.col("_country")).unique()
    standard = STANDARDS[kind]

    def spell(frame: pd.DataFrame) -> pd.DataFrame:
        found = [standard(*one) for one in zip(frame["_written"], frame["_country"], strict=True)]
        return frame.assign(_standard=pd.Series(found, dtype="str", index=frame.index))

    types = dict.fromkeys(("_written", "_country", "_standard"), "VARCHAR")
    spelled = engine.map_batches(distinct, spell, types)
    rows = rows.join(spelled, left_on=[column, "_country"], right_on=["_written", "_country"], how="left")
    repaired = f"repaired:{column}"
    was_repaired = nw.col(repaired) if repaired in rows.collect_schema().names() else nw.lit(False)
    rows = rows.with_columns(
        **{
            invalid(column): ~written.is_null() & nw.col("_standard").is_null(),
            repaired: (was_repaired | (nw.col("_standard") != written)).fill_null(False),
        }
    )
    value = nw.coalesce(nw.col("_standard"), written) if keep else nw.col("_standard")
    return rows.with_columns(value.alias(column)).drop("_standard", "_country")


def notice(rows: Table, code: str, column: str, where: nw.Expr, labels: list[str]) -> Iterator[tuple[str, Noticed]]:
    """By file, how many rows ``where`` holds of, and the first of their lines."""
    found = rows.filter(where).select(_file=nw.col(POSITION) // FILE_STEP, _line=nw.col(POSITION) % CELL_STEP)
    counted = engine.collect(found.group_by("_file").agg(n=nw.len()).sort("_file"), len(labels))
    for number, n in zip(counted["_file"], counted["n"], strict=True):
        first = engine.collect(found.filter(nw.col("_file") == int(number)).sort("_line").head(_MAX_LINES), _MAX_LINES)
        yield labels[int(number)], Noticed(code, column, int(n), tuple(int(one) for one in first["_line"]))
