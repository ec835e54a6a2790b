"""What a draft says besides columns: returns, totals, ids with a tail, flags, attributes and personal data."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from crm_analysis.inspection.facts import Column, depends
from crm_analysis.inspection.matching import Candidate
from crm_analysis.inspection.words import (
    CONTROL,
    IDENTITY,
    LOST,
    NO,
    RETURNS,
    SHARED_PLACES,
    TOTALS,
    WON,
    YES,
    fold,
    has_word,
    likeness,
    tags_of,
    words_of,
)
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import NAME

MAX_FLAG_VALUES = 50
_MAX_WORDS = 40
_FLAG_WORDS = {"is_won": WON, "is_lost": LOST, "is_control": CONTROL, "is_ended": frozenset()}


class Returns(NamedTuple):
    """``entry`` of the contract (``returns`` or ``negatives``) and its value, with the evidence."""

    entry: str
    value: dict | str
    why: str


def find_returns(candidate: Candidate, columns: list[Column]) -> Returns | None:
    """How returns are marked: by a column of kinds, by letters before the order's number, or only by the sign."""
    amounts = [
        candidate.matches[one].column
        for one in ("line_amount", "order_amount", "quantity")
        if one in candidate.matches and candidate.matches[one].column.kind == "number"
    ]
    if not amounts:
        return None
    n_rows = len(amounts[0].texts)
    negative = {row for one in amounts for row in range(n_rows) if one.n_negative and (one.number_in(row) or 0) < 0}
    for column in columns:
        marked = [one for one in column.some_values if has_word(one, RETURNS)] if len(column.values) <= 12 else []
        if marked and len(marked) < len(column.values):
            n = sum(column.values[one] for one in marked)
            return Returns("returns", {"column": column.name, "values": marked}, f"{n:,} rows looked at say so")
    if not negative:
        return None
    signs = f"{len(negative):,} of {n_rows:,} rows looked at are negative"
    order = candidate.matches.get("order_id")
    if order is not None and len(order.columns) == 1:
        prefixes = Counter(match[0] for row in negative if (match := re.match(r"\D+", order.column.texts[row].strip())))
        if prefixes:
            prefix = prefixes.most_common(1)[0][0]
            # What all orders' numbers begin with is no mark: of RA17 beside A17 it is the R.
            others = Counter(
                re.match(r"\D*", one)[0] for row, one in enumerate(order.column.texts) if row not in negative
            )
            prefix = prefix.removesuffix(others.most_common(1)[0][0]) if others else prefix
            n = sum(order.column.texts[row].strip().startswith(prefix) for row in negative)
            n_other = sum(
                one.strip().startswith(prefix) for row, one in enumerate(order.column.texts) if row not in negative
            )
            if prefix and n >= 0.5 * len(negative) and n_other <= 0.05 * n:
                return Returns(
                    "returns", {"order_id_prefix": prefix}, f"{signs}, {n:,} of them in orders that begin with {prefix}"
                )
    return Returns("negatives", "return", f"{signs}, and nothing else marks a return")


def find_totals(columns: list[Column], end: list[list[str]]) -> tuple[Column, str] | None:
    """The column and the text by which a row of totals at the file's end is known."""
    for record in reversed(end):
        for column, text in zip(columns, record, strict=False):
            text = text.strip()
            words = words_of(text)
            if text and len(words) <= 3 and has_word(text, TOTALS) and not re.search(r"\d", text):
                return column, text
    return None


def tail_of_ids(column: Column) -> str:
    """``.0`` where numbers of customers went through a program that made them decimals."""
    values = column.some_values
    n = sum(re.fullmatch(r"\d+\.0", one) is not None for one in values)
    return ".0" if values and n >= 0.9 * len(values) else ""


class Flag(NamedTuple):
    yes: list[str]
    no: list[str]
    is_certain: bool


def find_flag(target: str, column: Column) -> Flag:
    """How a column says yes and no."""
    values = sorted(column.values)
    if len(values) > MAX_FLAG_VALUES:
        return Flag([], [], False)
    words = _FLAG_WORDS.get(target)
    plain_yes, plain_no = [one for one in values if fold(one) in YES], [one for one in values if fold(one) in NO]
    if target not in ("is_won", "is_lost") and plain_yes and plain_no and len(plain_yes) + len(plain_no) == len(values):
        return Flag(plain_yes, plain_no, True)
    if words is None:
        return Flag([], [], False)
    if target == "is_ended":
        yes = [one for one in values if "end" in tags_of(one).tags]
    else:
        yes = [
            one
            for one in values
            if has_word(one.replace(" ", "") if " " in one and target != "is_control" else one, words)
        ]
    no = [one for one in values if one not in yes]
    return Flag(yes, no, bool(yes) and bool(no))


def find_identity(columns: list[Column], key: Column, is_own: bool) -> dict[str, Column]:
    """Of a customers' table the columns that say who somebody is. ``is_own``: the table's rows are customers, and not their
    orders, in which a name may be any thing's."""
    found: dict[str, tuple[float, Column]] = {}
    for column in columns:
        if column is key or (not is_own and not depends(column, key, 0.9)):
            continue
        # Of few values none says who somebody is.
        if len(column.values) < min(10, 0.5 * column.n_filled) or not column.values:
            continue
        for name, meanings in IDENTITY.items():
            score = 1.0 if column.personal == name else likeness(column.meaning, meanings)
            is_told = is_own or column.personal or "customer" in tags_of(column.meaning).tags or name not in (
                "customer_name", *SHARED_PLACES,
            )  # fmt: skip
            if score >= 0.5 and is_told and score > found.get(name, (0.0,))[0]:
                found[name] = score, column
    taken: dict[str, str] = {}
    for name, (_, column) in sorted(found.items(), key=lambda one: -one[1][0]):
        taken.setdefault(column.name, name)
    return {name: found[name][1] for name in IDENTITY if name in taken.values()}


def is_personal(column: Column) -> bool:
    """Whether a column says who somebody is, in a table of whatever."""
    if column.personal:
        return True
    names = [
        meanings for name, meanings in IDENTITY.items() if name not in (*SHARED_PLACES, "customer_name", "company_name")
    ]
    is_name = {"name", "customer"} <= tags_of(column.meaning).tags
    is_told = is_name or any(likeness(column.meaning, one) >= 0.6 for one in names)
    return is_told and len(column.values) >= min(10, 0.5 * column.n_filled)


def find_attributes(table: str, columns: list[Column], personal: list[Column]) -> dict[str, Column]:
    """Attribute's name → column: what sorts customers, products or contracts into not too many kinds."""
    found: dict[str, Column] = {}
    for column in columns:
        n = len(column.values)
        if (
            column in personal
            or is_personal(column)
            or column.kind in ("empty", "date")
            or n < 2
            or column.mean_length > _MAX_WORDS
        ):
            continue
        most = max(30 if len(column.texts) > 60 else 0.7 * column.n_filled, 0.2 * column.n_filled)
        most = min(most, 200 if table != "products" else 10_000)
        if n > (min(most, 30) if column.kind == "number" else most) or (
            column.kind == "number" and not column.is_whole
        ):
            continue
        if is_outcome(table, column) or {"id", "line"} & tags_of(column.meaning).tags and table != "products":
            continue
        name = _attribute_name(column.meaning or column.name, len(found) + 1)
        if name in CANONICAL[table].columns or name in found or not NAME.fullmatch(name):
            name = f"{table.removesuffix('s')}_{name}"[:41]
        if NAME.fullmatch(name) and name not in found and name not in CANONICAL[table].columns:
            found[name] = column
    return found


def is_outcome(table: str, column: Column) -> bool:
    """Whether a column says how contracts ended: it is known only afterwards and explains nothing."""
    return table == "contracts" and "end" in tags_of(column.meaning).tags


def _attribute_name(name: str, number: int) -> str:
    words = words_of(name)
    if all(word.isascii() for word in words) and words:
        return "_".join(words)[:40]
    tags = sorted(tags_of(name).tags - {"id", "name", "customer", "product"})
    return "_".join(tags)[:40] if tags else f"attribute_{number}"
