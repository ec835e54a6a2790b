"""A change of sales split into what made it; the parts sum to the change to the cent.

*Customers and orders*: amount = customers × orders per customer × amount per order, each factor changed in every order of the
three and averaged (Shapley's value of a factor), so that no factor is favoured by being changed first; sales that name no customer
are a part of their own. *Products*: of what was sold in both periods the volume at the earlier mean price, the mix of
cheaper and dearer products, and their prices; what is new and what is no longer sold; and the rest: lines without a
quantity, and products of which as much came back as was sold.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import permutations

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape
from crm_analysis.turnover.sold import Days, Turnover, ratio, sum_days

FACTORS = N_CUSTOMERS, FREQUENCY, SIZE = (
    mark("number of customers"),
    mark("orders per customer"),
    mark("amount per order"),
)
NO_CUSTOMER = mark("sales without a customer")
PARTS = VOLUME, MIX, PRICE, NEW, DROPPED, REST = (
    mark("volume"), mark("mix of products"), mark("prices"), mark("new products"), mark("products no longer sold"),
    mark("the rest"),
)  # fmt: skip
VIEWS = BY_ORDERS, BY_PRODUCTS = mark("customers and orders"), mark("products")

EFFECTS = Shape(
    "one row per comparison, view and part of the change",
    {
        "comparison": Column("label", "compared with"),
        "view": Column("label", "view"),
        "effect": Column("label", "part of the change"),
        "amount": Column("money", "its part of the change"),
        "earlier_rate": Column("fraction", "as a share of the earlier amount"),
    },
)


def split_by_orders(totals: pd.DataFrame, now: str, before: str) -> dict[str, Decimal]:
    """Effect → amount, from the rows ``now`` and ``before`` of totals with known_amount, unknown_amount, n_customers and
    known_orders."""
    one, other = totals.loc[now], totals.loc[before]
    change = Decimal(one["known_amount"]) - Decimal(other["known_amount"])
    values = [_factors(row) for row in (one, other)]
    found = dict.fromkeys(FACTORS, Decimal(0))
    if None in values:
        # Without a customer in one of the two there is nothing per customer.
        found[N_CUSTOMERS] = change
    else:
        shares = _shapley(*values)
        found[FREQUENCY], found[SIZE] = (_cents(one) for one in shares[1:])
        found[N_CUSTOMERS] = change - found[FREQUENCY] - found[SIZE]
    rest = Decimal(one["unknown_amount"]) - Decimal(other["unknown_amount"])
    return {**found, **({NO_CUSTOMER: rest} if one["unknown_amount"] or other["unknown_amount"] else {})}


def _factors(row: pd.Series) -> tuple[Fraction, ...] | None:
    n, orders = int(row["n_customers"]), int(row["known_orders"])
    if not n or not orders:
        return None
    return Fraction(n), Fraction(orders, n), Fraction(Decimal(row["known_amount"])) / orders


def _shapley(now: tuple[Fraction, ...], before: tuple[Fraction, ...]) -> list[Fraction]:
    """What each factor adds to the product when it changes, averaged over the orders in which they can."""
    found, orders = [Fraction(0)] * len(now), list(permutations(range(len(now))))
    for order in orders:
        state = list(before)
        for place in order:
            earlier = _product(state)
            state[place] = now[place]
            found[place] += (_product(state) - earlier) / len(orders)
    return found


def _product(factors: list[Fraction]) -> Fraction:
    product = Fraction(1)
    for one in factors:
        product *= one
    return product


def _cents(amount: Fraction | float) -> Decimal:
    exact = Decimal(amount.numerator) / Decimal(amount.denominator) if isinstance(amount, Fraction) else Decimal(amount)
    return exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def split_by_products(turnover: Turnover, now: Days, before: Days) -> dict[str, Decimal]:
    """Effect → amount. Nothing where the source has no products or quantities."""
    if not turnover.has_quantity or "product" not in turnover.dimensions:
        return {}
    periods = {"now": now, "before": before}
    products = turnover.sold.group_by("by_product").agg(*sum_days(periods, ("amount", "quantity")))
    q1, q0 = (nw.col(f"quantity_{one}").cast(nw.Float64) for one in periods)
    a1, a0 = (nw.col(f"amount_{one}") for one in periods)
    is_both = (q1 > 0) & (q0 > 0) & (a1 > 0) & (a0 > 0)
    # At the earlier price; exact from here on.
    at_old_price = (q1 * a0.cast(nw.Float64) / q0).round(6).cast(nw.Decimal(30, 6))
    sums = engine.collect(
        products.select(
            change=(a1 - a0).sum(),
            new=nw.when((q1 > 0) & (a0 == 0) & (q0 == 0)).then(a1).otherwise(nw.lit(0)).sum(),
            dropped=nw.when((q0 > 0) & (a1 == 0) & (q1 == 0)).then(-a0).otherwise(nw.lit(0)).sum(),
            now=nw.when(is_both).then(a1).otherwise(nw.lit(0)).sum(),
            before=nw.when(is_both).then(a0).otherwise(nw.lit(0)).sum(),
            expected=nw.when(is_both).then(at_old_price).sum(),
            pieces_now=nw.when(is_both).then(nw.col("quantity_now")).otherwise(nw.lit(0)).sum(),
            pieces_before=nw.when(is_both).then(nw.col("quantity_before")).otherwise(nw.lit(0)).sum(),
        ),
        1,
    ).iloc[0]
    change, new, dropped, a1, a0 = (Decimal(sums[one] or 0) for one in ("change", "new", "dropped", "now", "before"))
    found = dict.fromkeys(PARTS, Decimal(0)) | {NEW: new, DROPPED: dropped}
    if sums["pieces_before"]:
        volume = Fraction(a0) * (Fraction(Decimal(sums["pieces_now"])) / Fraction(Decimal(sums["pieces_before"])) - 1)
        found[VOLUME] = _cents(volume)
        found[MIX] = _cents(Fraction(Decimal(sums["expected"])) - Fraction(a0)) - found[VOLUME]
        found[PRICE] = a1 - a0 - found[VOLUME] - found[MIX]
    found[REST] = change - sum(found.values())
    return found


def describe_effects(
    splits: Mapping[tuple[str, str], Mapping[str, Decimal]], earlier: Mapping[str, Decimal]
) -> pd.DataFrame:
    """EFFECTS from (comparison, view) → effect → amount; ``earlier``: comparison → the amount compared with."""
    rows = [
        (comparison, view, effect, amount, ratio(amount, earlier[comparison]))
        for (comparison, view), parts in splits.items()
        for effect, amount in parts.items()
    ]
    return pd.DataFrame(rows, columns=list(EFFECTS.columns))
