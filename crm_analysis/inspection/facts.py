"""What the values of columns show: numbers, dates, how many are filled and different; and how columns go together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from crm_analysis.inspection.dates import Dates, find_dates
from crm_analysis.inspection.numbers import Marks, decimals_of, find_marks, read_number
from crm_analysis.inspection.words import tags_of

# Of a column, more different values cost time and teach little.
_MAX_VALUES = 4000
_MIN_SHARE = 0.9
_MISSING = frozenset(("", "null", "nan", "none", "n/a", "na", "-", "--", "#n/a", "(null)", "\\n"))
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"\+?[\d\s()/.\-]{9,20}")
_TIME = re.compile(r"\d{1,2}:\d{2}(?P<seconds>:\d{2})?(?P<half> ?[AaPp][Mm])?")
_N_ROWS = 2000


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
            # A number of an order may be written as one of a telephone.
            if name == "phone" and (self.kind != "text" or len(self.values) < 5 or "id" in tags_of(self.meaning).tags):
                continue
            if self.some_values and sum(map(bool, map(pattern.fullmatch, self.some_values))) >= _MIN_SHARE * len(
                self.some_values
            ):
                return name
        return None

    @cached_property
    def time_format(self) -> str | None:
        """The format of a column of times of day."""
        found = [_TIME.fullmatch(one) for one in self.some_values]
        if not found or not all(found):
            return None
        first = found[0]
        half = "" if not first["half"] else " %p" if first["half"][0] == " " else "%p"
        return f"{'%I' if half else '%H'}:%M{':%S' if first['seconds'] else ''}{half}"

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
    arrays = [
        np.array(
            [
                np.nan if (number := one.number_in(row)) is None else number
                for row in range(min(len(one.texts), _N_ROWS))
            ]
        )
        for one in numeric
    ]
    for left, right, amount in permutations(range(len(numeric)), 3):
        if left > right:
            continue
        one, other, product = arrays[left], arrays[right], arrays[amount]
        told = ~np.isnan(one + other + product) & (product != 0)
        is_equal = np.abs(one * other - product) <= 0.011 + 1e-6 * np.abs(product)
        is_plain = (one != 1) & (other != 1)
        n = told.sum()
        if n >= max(5, 0.3 * len(told)) and (told & is_equal).sum() >= 0.95 * n and (told & is_plain).sum() >= 3:
            pair = numeric[left], numeric[right]
            quantity, price = sorted(pair, key=lambda one: (one.n_decimals, sum(one.numbers.values())))
            return quantity, price, numeric[amount]
    return None


def depends(value: Column, key: Column, share: float = 0.97) -> bool:
    """Whether a key's rows nearly always have one value of the other column; False where no key comes twice."""
    pairs = Counter(zip(key.texts, value.texts, strict=True))
    total: Counter = Counter()
    most: dict[str, int] = {}
    for (one, other), n in pairs.items():
        if one.strip() and other.strip():
            total[one] += n
            most[one] = max(most.get(one, 0), n)
    return max(total.values(), default=0) > 1 and sum(most.values()) >= share * total.total()
