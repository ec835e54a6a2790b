"""Which canonical table a sample is, and which column is which of its columns: explicit scores with their reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm_analysis.inspection.facts import Column, depends, find_product
from crm_analysis.inspection.words import COLUMNS, LOST, NO, TABLE_NAMES, WON, YES, fold, has_word, likeness, tags_of
from crm_analysis.schema import CANONICAL

# A column is taken from this score on, a table from this.
_ENOUGH, _ENOUGH_OF_TABLE = 0.4, 0.5
# Where a key stands once per row, the table is of that thing.
_ONE_PER_ROW = ("customers", "products", "campaigns")
_OWN_IDS = ("contract_id", "invoice_id", "interaction_id", "opportunity_id", "feedback_id")


@dataclass(frozen=True)
class Match:
    """The columns of the file that a canonical column is taken from, the score (0 to 1 and a little more), and why."""

    columns: tuple[Column, ...]
    score: float
    why: str

    @property
    def column(self) -> Column:
        return self.columns[0]


@dataclass(frozen=True)
class Candidate:
    """A table that a sample may be. ``missing``: needed columns that none of the file's is like."""

    table: str
    matches: dict[str, Match]
    score: float
    missing: tuple[str, ...]


def find_tables(columns: list[Column], label: str) -> list[Candidate]:
    """The canonical tables with words of their own that these columns may be, the likeliest first."""
    product = find_product(columns)
    found = [_match_table(table, columns, label, product) for table in COLUMNS]
    return sorted((one for one in found if one is not None), key=lambda one: -one.score)


def _match_table(table: str, columns: list[Column], label: str, product: tuple | None) -> Candidate | None:
    pairs = []
    for target in COLUMNS[table]:
        for place, column in enumerate(columns):
            score, why = _fit(table, target, column, columns, product)
            if score >= _ENOUGH:
                pairs.append((-score, place, target, why))
    matches: dict[str, Match] = {}
    used: set[int] = set()
    for score, place, target, why in sorted(pairs):
        if target not in matches and place not in used:
            matches[target] = Match((columns[place],), -score, why)
            used.add(place)
    for target, match in list(matches.items()):
        # A day and a time of day beside it are one moment.
        times = [one for place, one in enumerate(columns) if place not in used and one.time_format]
        if CANONICAL[table].columns[target].type == "moment" and times and not match.column.dates.has_time:
            matches[target] = Match((match.column, times[0]), match.score, f"{match.why}, with the time of day")
    bought = {"product_id", "unit_price"} & set(matches)
    if (
        table == "order_lines"
        and bought
        and "order_id" not in matches
        and {"customer_id", "ordered_at"} <= set(matches)
    ):
        joined = (*matches["customer_id"].columns, *matches["ordered_at"].columns)
        matches["order_id"] = Match(joined, 0.6, "no number of an order: what a customer buys at one time is one order")
    if table == "contracts" and "contract_id" not in matches and "customer_id" in matches:
        customer = matches["customer_id"]
        if customer.column.is_unique:
            matches["contract_id"] = Match(customer.columns, 0.5, "a customer stands in one row only")
    if not _is_possible(table, matches, columns):
        return None
    needed = _needed(table, matches)
    fulfilled = sum(matches[one].score for one in needed if one in matches) / max(len(needed), 1)
    score = fulfilled * (1 + 0.15 * (len(matches) - 1))
    words = frozenset(TABLE_NAMES[table].split()) & tags_of(label).tags
    score += 0.15 * bool(words)
    score += 0.1 * (table == "order_lines" and bool(bought))
    if score < _ENOUGH_OF_TABLE or fulfilled < 0.4:
        return None
    return Candidate(table, matches, score, tuple(one for one in needed if one not in matches))


def _needed(table: str, matches: dict[str, Match]) -> list[str]:
    """The columns that must be there, with the group of alternatives that is there best."""
    shape = CANONICAL[table]
    group = max(shape.one_of, key=lambda one: sum(matches[c].score for c in one if c in matches) / len(one), default=())
    return [one for one in dict.fromkeys((*shape.required, *group)) if one not in ("is_won", "is_lost")]


def _is_possible(table: str, matches: dict[str, Match], columns: list[Column]) -> bool:
    """Whether what makes a table this one is there."""
    has = set(matches)
    told = {tag for one in columns for tag in tags_of(one.meaning).tags}
    if table == "order_lines":
        order = matches.get("order_id")
        repeats = order is not None and order.column.repeats > 1.05 and len(has) > 3
        return "ordered_at" in has and ("product_id" in has or repeats or {"quantity", "unit_price"} <= has)
    if table == "orders":
        order = matches.get("order_id")
        return {"ordered_at", "order_amount"} <= has and (order is None or order.column.repeats < 1.05)
    if table in _ONE_PER_ROW:
        key = CANONICAL[table].key[0]
        bought = ("customer_id", "ordered_at")
        others = [name for name in bought for one in columns if likeness(one.meaning, COLUMNS["orders"][name]) >= 0.8]
        is_one = key in has and matches[key].column.is_unique and (table == "customers" or not others)
        return is_one and (table == "customers" or table.removesuffix("s") in told)
    if table == "contracts":
        has_span = {"started_date", "ended_date"} <= has and bool({"customer_id", "contract_id"} & has)
        return bool({"tenure_months", "is_ended"} & has) or has_span
    if table == "interactions":
        dealt_with = bool({"answered_at", "resolved_at", "topic", "employee"} & has)
        return "opened_at" in has and bool({"ticket", "contact"} & told) and dealt_with
    if table == "campaign_contacts":
        return bool({"campaign_id", "arm"} & has) and bool({"customer_id", "is_responded", "is_converted"} & has)
    if table == "opportunities":
        has_ends = "stage" in has and any(has_word(one, WON | LOST) for one in matches["stage"].column.some_values)
        return has_ends or ("stage" in has and bool({"stage", "deal"} & tags_of(matches["stage"].column.meaning).tags))
    return bool({"due_date"} & has) if table == "payments" else bool({"rating", "feedback_text"} & has)


def _fit(table: str, target: str, column: Column, columns: list[Column], product: tuple | None) -> tuple[float, str]:
    """How well a column is a canonical one, and why."""
    if not _suits(table, target, column):
        return 0.0, ""
    score, why = likeness(column.meaning, COLUMNS[table][target]), "by its name"
    if not tags_of(column.meaning).tags and _n_known(columns) < 0.3 * len(columns):
        score, why = _content(target, column, columns), "by its values: check"
    if product is not None:
        role = {"quantity": 0, "unit_price": 1, "line_amount": 2, "order_amount": 2}.get(target)
        if role is not None and column is product[role]:
            names = " × ".join(one.name for one in product[:2])
            score, why = max(score, 0.4) + 0.3, f"{names} = {product[2].name}"
    if not score:
        return 0.0, ""
    n = f"{len(column.values):,} different in {column.n_filled:,} rows"
    if (table in _ONE_PER_ROW and target == CANONICAL[table].key[0]) or target in _OWN_IDS:
        if column.is_unique:
            return score + 0.2, f"{why}; each once in {column.n_filled:,} rows"
        return (score - 0.4 if column.repeats < 1.2 else 0.0), f"{why}; {n}"
    if target in ("order_id", "customer_id", "product_id"):
        why += f"; {n}"
        if target == "order_id" and table == "order_lines":
            score += 0.1 if column.repeats > 1.05 else -0.1
        # A name or a text identifies less well than a number.
        score -= 0.1 * (column.mean_length > 25)
    return score, why


def _n_known(columns: list[Column]) -> int:
    return sum(bool(tags_of(one.meaning).tags) for one in columns)


def _content(target: str, column: Column, columns: list[Column]) -> float:
    """The score of a column whose name says nothing."""
    if target == "ordered_at":
        return 0.55
    if target in ("line_amount", "order_amount"):
        return 0.5 if column.n_decimals else 0.0
    if target == "quantity":
        is_small = column.is_whole and max(column.numbers.values()) < 10_000 and column.repeats > 1.5
        return 0.45 if is_small and not any(len(one) > 1 and one[0] == "0" for one in column.values) else 0.0
    date = next((one for one in columns if one.dates), None)
    if target in ("customer_id", "order_id") and date is not None and column.repeats > 1.05 and column.mean_length >= 2:
        is_small = column.is_whole and max(column.numbers.values(), default=0) < 1000
        of_one_day = depends(date, column)
        return 0.0 if is_small or of_one_day != (target == "order_id") else 0.5
    return 0.0


def _suits(table: str, target: str, column: Column) -> bool:
    """Whether a column's values can be of the canonical column's type."""
    kind, type = column.kind, CANONICAL[table].columns[target].type
    if kind == "empty":
        return type == "date" and target in ("ended_date", "paid_date", "closed_date")
    if column.personal:
        return target == "customer_id"
    if type in ("moment", "date"):
        return kind == "date"
    if type in ("money", "quantity"):
        return kind == "number" and not (target == "tenure_months" and not column.is_whole)
    if type == "flag":
        texts = {fold(one) for one in column.some_values}
        says_end = target == "is_ended" and len(texts) <= 12 and any("end" in tags_of(one).tags for one in texts)
        return says_end or (1 < len(texts) <= 3 and texts <= YES | NO)
    if type == "id":
        if kind == "number" and any(re.search(r"[.,]\d\d$", one) for one in column.some_values[:100]):
            return False
        is_id = (
            kind == "text"
            or (kind == "number" and column.is_whole)
            or (kind == "date" and "id" in tags_of(column.meaning).tags)
        )
        return is_id and column.mean_length <= 80
    if target == "feedback_text":
        return kind == "text" and column.mean_length > 8
    if target == "arm":
        return 1 < len(column.values) <= 20
    return kind in ("text", "number") and column.mean_length <= 60 and not (kind == "number" and column.n_decimals)
