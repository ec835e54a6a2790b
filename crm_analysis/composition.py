"""Customers in parts by their attributes, what each part bought in which period, and what changed the amount."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import narwhals as nw
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.customers import known_orders
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, mark
from crm_analysis.leaving.outcomes import NOT_KNOWN, OTHER, read_attributes
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import day_number

# The periods that are summed for each customer.
YEAR, YEAR_BEFORE, YEAR_MONTH_AGO, MONTH, MONTH_BEFORE, MONTH_LAST_YEAR = (
    "year", "year_before", "year_month_ago", "month", "month_before", "month_last_year",
)  # fmt: skip
# An attribute is left out of which the parts shown hold less than this share.
LEAST_SHOWN = 0.2
# Bounds of age bands, in years.
AGES = (25, 35, 45, 55, 65)
ALL = mark("all customers")


@dataclass(frozen=True)
class Labels:
    """An attribute's parts: the column that has them, and their order, which is empty where the largest comes first."""

    attribute: str
    column: str
    order: tuple[str, ...] = ()


def label_parts(
    tables: Tables, customers: Table, as_of: date, *, leave_out: Sequence[str], most_parts: int, n_bands: int
) -> tuple[Table, list[Labels], list[str]]:
    """customer_id and the parts of each attribute of which there is something to show; and why others are not shown."""
    table = engine.as_table(tables["customers"]) if "customers" in tables else customers.select("customer_id")
    others = ("customer_id", "signed_up_date", *leave_out)
    names = [one for one in table.collect_schema().names() if one not in others]
    if not names:
        told = _("The source has no attributes of customers: there are no parts to show.")
        return customers.select("customer_id"), [], [told]
    table = table.select("customer_id", *[nw.col(one).cast(nw.String) for one in names])
    births = [one for one in names if "birth" in one]
    table = engine.extract_texts(table, dict.fromkeys(births, r"((?:19|20)\d\d)")) if births else table
    wide = customers.select("customer_id").join(table, on="customer_id", how="left")
    wide, features = read_attributes(engine.materialise(wide), names)
    wide, labels, notes = engine.materialise(wide), [], []
    for place, name in enumerate(names):
        column = f"_part_{place}"
        if name in births:
            parts, order = label_ages(name, as_of)
        elif name in features.numbers:
            parts, order = label_bands(wide, name, n_bands)
        else:
            parts, order = label_values(wide, name, most_parts), ()
        if parts is None:
            text = _("“{attribute}” has one value only, or too many different ones: it is not shown.")
            notes.append(text.format(attribute=language.attribute(name)))
        else:
            attribute = language.attribute(name)
            attribute = _("age by {attribute}").format(attribute=attribute) if name in births else attribute
            labels.append(Labels(attribute, column, order))
            wide = wide.with_columns(parts.alias(column))
    return wide.select("customer_id", *[one.column for one in labels]), labels, notes


def label_values(wide: Table, name: str, most: int) -> nw.Expr | None:
    """The largest values by name, the others as one; None where there is one value only, or where the largest say too little."""
    value = nw.col(name)
    is_empty = value.is_null() | (value == "")
    counts = wide.filter(~is_empty).group_by(name).agg(nw.len().alias("n"))
    largest = engine.collect(counts.with_columns(minus=-nw.col("n")).sort("minus", name).head(most), most)
    everything = engine.collect(counts.select(nw.len().alias("n_values"), nw.col("n").sum().alias("n")), 1).iloc[0]
    if everything["n_values"] < 2 or float(largest["n"].sum()) < LEAST_SHOWN * float(everything["n"]):
        return None
    is_shown = value.is_in(largest[name].tolist())
    return nw.when(is_empty).then(nw.lit(NOT_KNOWN)).when(is_shown).then(value).otherwise(nw.lit(OTHER))


def label_bands(wide: Table, name: str, n_bands: int) -> tuple[nw.Expr | None, tuple[str, ...]]:
    """Bands of about as many customers each, equal numbers in one; None where all are in one."""
    known = wide.filter(~nw.col(name).is_null()).select(number=nw.col(name).cast(nw.Float64))
    n = engine.n_rows(known)
    banded = known.with_columns(band=(n_bands * (nw.col("number").rank("min") - 1)) // max(n, 1))
    bounds = banded.group_by("band").agg(low=nw.col("number").min(), high=nw.col("number").max())
    frame = engine.collect(bounds.sort("band"), n_bands)
    if len(frame) < 2:
        return None, ()
    is_year = frame["low"].min() >= 1800 and frame["high"].max() <= 2100
    ends = [
        [f"{one:.0f}" if is_year else language.plain(one) for one in dict.fromkeys([row.low, row.high])]
        for row in frame.itertuples()
    ]
    return _steps(nw.col(name).cast(nw.Float64), frame["high"].tolist(), [" – ".join(one) for one in ends])


def label_ages(name: str, as_of: date) -> tuple[nw.Expr, tuple[str, ...]]:
    """The age reached in the year of the report, in bands."""
    last = date.fromordinal(as_of.toordinal() - 1)
    texts = [
        _("under {age}").format(age=AGES[0]),
        *[f"{low} – {high - 1}" for low, high in pairwise(AGES)],
        _("{age} and over").format(age=AGES[-1]),
    ]
    return _steps(last.year - nw.col(name).cast(nw.Float64), [*[age - 1.0 for age in AGES], 1000.0], texts)


def _steps(number: nw.Expr, bounds: list[float], texts: list[str]) -> tuple[nw.Expr, tuple[str, ...]]:
    """The text of the first bound that the number does not pass, and the texts in order."""
    steps = [nw.when(number <= high).then(nw.lit(text)) for high, text in zip(bounds, texts, strict=True)]
    return nw.coalesce(*steps, nw.lit(NOT_KNOWN)), tuple(texts)


def list_periods(run: Run) -> dict[str, tuple[date, date]]:
    """The first day of each period, and the day after its last."""

    def months(end: date, n: int) -> tuple[date, date]:
        return first_of_month(f"{end:%Y-%m}", -n), end

    return {
        YEAR: months(run.as_of, 12), YEAR_BEFORE: months(run.last_year_as_of, 12), YEAR_MONTH_AGO: months(run.starts, 12),
        MONTH: months(run.as_of, 1), MONTH_BEFORE: months(run.starts, 1), MONTH_LAST_YEAR: months(run.last_year_as_of, 1),
    }  # fmt: skip


def sum_periods(tables: Tables, run: Run) -> Table:
    """Per customer the orders and the net amount of each period."""
    periods, day = list_periods(run), nw.col("ordered_day")
    known = known_orders(tables, run.as_of).filter(~nw.col("customer_id").is_null())
    sums = []
    for name, (start, end) in periods.items():
        is_in = (day >= day_number(start)) & (day < day_number(end))
        sums.append((is_in & nw.col("is_order")).cast(nw.Int64).sum().cast(nw.Int64).alias(f"n_{name}"))
        sums.append(nw.when(is_in).then("net_amount").sum().alias(f"amount_{name}"))
    return known.group_by("customer_id").agg(*sums)


def known_periods(customers: Table, run: Run) -> set[str]:
    """The periods over all of which there are orders to know."""
    first = int(engine.collect(customers.select(day=nw.col("first_ordered_day").min()), 1)["day"].iloc[0])
    month = date.fromordinal(date(1970, 1, 1).toordinal() + first).replace(day=1)
    return {name for name, (start, _end) in list_periods(run).items() if month <= start}


def sum_parts(base: Table, column: str | None) -> pd.DataFrame:
    """Per part (of all, where there is no column) and period the customers with an order, the orders and the amount."""
    sums = []
    for name in (YEAR, YEAR_BEFORE, YEAR_MONTH_AGO, MONTH, MONTH_BEFORE, MONTH_LAST_YEAR):
        sums.append((nw.col(f"n_{name}") > 0).cast(nw.Int64).sum().cast(nw.Int64).alias(f"customers_{name}"))
        sums.append(nw.col(f"n_{name}").sum().cast(nw.Int64).alias(f"orders_{name}"))
        sums.append(nw.col(f"amount_{name}").sum())
    part = nw.lit(ALL) if column is None else nw.col(column)
    frame = engine.collect(base.with_columns(part=part).group_by("part").agg(*sums), 100)
    return frame.assign(**{one: engine.or_zero(frame[one]) for one in frame if one.startswith("amount_")})


def order_parts(sums: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Bands in their order, also texts that are bands (15-24, 25+), other values by amount; those that are no value of the
    attribute last."""
    rest = {OTHER: 1, NOT_KNOWN: 2}
    numbers = {one: re.search(r"\d+", one) for one in sums["part"] if one not in rest}
    are_bands = not labels.order and all(numbers.values())

    def place(row: int) -> tuple:
        part, amount = sums["part"].iloc[row], sums[f"amount_{YEAR}"].iloc[row]
        if part in labels.order:
            return 0, labels.order.index(part), 0, part
        # "Under 15" comes before "15-24".
        bound = (int(numbers[part][0]), numbers[part].start() == 0) if are_bands and part in numbers else (0, False)
        return rest.get(part, 0), *bound, -amount, part

    return sums.iloc[sorted(range(len(sums)), key=place)].reset_index(drop=True)


Totals = tuple[int, int, Decimal]


def split_change(before: Totals, now: Totals) -> tuple[Decimal, Decimal, Decimal]:
    """What more customers, more orders of each and bigger orders did to an amount: from customers, orders and amount before and now.
    The three sum to the change to the last decimal of the amounts."""
    change = now[2] - before[2]
    if not before[0] or not now[0]:
        return change, change * 0, change * 0
    (a0, b0, c0), (a1, b1, c1) = (
        (Fraction(n), Fraction(orders, n), Fraction(amount) / orders) for n, orders, amount in (before, now)
    )
    customers = (a1 - a0) * ((b1 * c1 + b0 * c0) / 3 + (b1 * c0 + b0 * c1) / 6)
    orders = (b1 - b0) * ((a1 * c1 + a0 * c0) / 3 + (a1 * c0 + a0 * c1) / 6)
    scale = max(-one.as_tuple().exponent for one in (before[2], now[2], Decimal("0.00")))
    first, second = (Decimal(round(one * 10**scale)).scaleb(-scale) for one in (customers, orders))
    return first, second, change - first - second
