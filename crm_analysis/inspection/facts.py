"""What the values of columns show: numbers, dates, how many are filled and different; and how columns go together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from crm_analysis.inspection.dates import Dates, find_dates
from crm_analysis.inspection.numbers import Marks, decimals_of, find_marks, read_number

# Of a column, more different values cost time and teach little.
_MAX_VALUES = 4000
_MIN_SHARE = 0.9
_MISSING = frozenset(("", "null", "nan", "none", "n/a", "na", "-", "--", "#n/a", "(null)", "\\n"))
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"\+?[\d\s()/.\-]{9,20}")
_N_EXACT_ROWS = 2000


@dataclass
class Column:
    """One column of a sample. ``name`` is the contract's, ``meaning`` what its header says; ``values``: value → rows."""

    name: str
    meaning: str
    texts: list[str]
    marks: Marks | None = None

    @cached_property
    def values(self) -> Counter:
        return Counter(one for text in self.texts if (one := text.strip()).casefold() not in _MISSING)

    @cached_property
    def some_values(self) -> list[str]:
        return list(self.values)[:_MAX_VALUES]

    @property
    def n_filled(self) -> int:
        return self.values.total()

    @property
    def filled_share(self) -> float:
        return self.n_filled / max(len(self.texts), 1)

    @property
    def is_unique(self) -> bool:
        """Whether no value comes twice, save for a few."""
        return self.n_filled > 0 and len(self.values) >= 0.99 * self.n_filled

    @property
    def repeats(self) -> float:
        return self.n_filled / max(len(self.values), 1)

    @cached_property
    def dates(self) -> Dates | None:
        found = find_dates(self.some_values)
        # Eight digits may be a number of any kind.
        is_bare = found is not None and "%" in found.formats[0] and not re.search(r"[^%a-zA-Z]", found.formats[0])
        return (
            None if is_bare and (found.share < 0.99 or len(found.formats) > 1 or len(self.some_values) < 2) else found
        )

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Value → number, where nearly all values are numbers."""
        if self.dates is not None or self.marks is None:
            return {}
        read = {one: number for one in self.some_values if (number := read_number(one, self.marks)) is not None}
        return read if len(read) >= _MIN_SHARE * len(self.some_values) and read else {}

    @property
    def kind(self) -> str:
        return "empty" if not self.values else "date" if self.dates else "number" if self.numbers else "text"

    @cached_property
    def n_decimals(self) -> int:
        return max((decimals_of(one, self.marks) for one in self.numbers), default=0)

    @cached_property
    def is_whole(self) -> bool:
        return bool(self.numbers) and all(one == int(one) for one in self.numbers.values())

    @cached_property
    def n_negative(self) -> int:
        return sum(self.values[one] for one, number in self.numbers.items() if number < 0)

    @cached_property
    def n_zero(self) -> int:
        return sum(self.values[one] for one, number in self.numbers.items() if number == 0)

    @cached_property
    def mean_length(self) -> float:
        return sum(map(len, self.some_values)) / max(len(self.some_values), 1)

    @property
    def personal(self) -> str | None:
        """Whether the values are e-mail addresses or telephone numbers, whatever the column is called."""
        for name, pattern in (("email", _EMAIL), ("phone", _PHONE)):
            if name == "phone" and (self.kind != "text" or len(self.values) < 5):
                continue
            if self.some_values and sum(map(bool, map(pattern.fullmatch, self.some_values))) >= _MIN_SHARE * len(
                self.some_values
            ):
                return name
        return None

    def number_in(self, row: int) -> float | None:
        return self.numbers.get(self.texts[row].strip())


def describe(names: list[str], meanings: list[str], rows: list[list[str]]) -> tuple[list[Column], Marks]:
    """The columns of a sample, and the marks that its numbers are written with."""
    texts = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    columns = [Column(name, meaning, column) for name, meaning, column in zip(names, meanings, texts, strict=True)]
    marks = find_marks((one.name, one.some_values) for one in columns if one.dates is None and one.personal is None)
    for one in columns:
        # Where no value tells the marks, the commonest reading serves to look on.
        one.marks = marks if marks.decimal is not None else Marks(".", ",", {})
        one.__dict__.pop("numbers", None)
    return columns, marks


def find_product(columns: list[Column]) -> tuple[Column, Column, Column] | None:
    """(quantity, unit price, amount): of three columns of numbers the third is the product of the others in each row."""
    numeric = [one for one in columns if one.kind == "number" and len(one.values) > 1][:10]
    rows = range(min(len(columns[0].texts), _N_EXACT_ROWS)) if columns else range(0)
    for left, right in combinations(numeric, 2):
        for amount in numeric:
            if amount in (left, right):
                continue
            n = n_equal = n_plain = 0
            for row in rows:
                one, other, product = left.number_in(row), right.number_in(row), amount.number_in(row)
                if None in (one, other, product) or not product:
                    continue
                n += 1
                n_equal += abs(one * other - product) <= 0.011 + 1e-6 * abs(product)
                n_plain += one not in (0, 1) and other not in (0, 1)
            if n >= max(5, 0.3 * len(rows)) and n_equal >= 0.95 * n and n_plain >= 3:
                quantity, price = sorted((left, right), key=lambda one: (one.n_decimals, sum(one.numbers.values())))
                return quantity, price, amount
    return None


def depends(value: Column, key: Column, share: float = 0.97) -> bool:
    """Whether a key's rows nearly always have one value of the other column."""
    seen: dict[str, Counter] = {}
    for one, other in zip(key.texts, value.texts, strict=True):
        if one.strip() and other.strip():
            seen.setdefault(one, Counter())[other] += 1
    total = sum(one.total() for one in seen.values())
    again = [one for one in seen.values() if one.total() > 1]
    if not again:
        return False
    return sum(max(one.values()) for one in seen.values()) >= share * total
