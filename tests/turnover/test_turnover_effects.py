"""A change of sales split into what made it."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.turnover.effects import FREQUENCY, N_CUSTOMERS, NO_CUSTOMER, SIZE, split_by_orders

CENTS = st.decimals(min_value=0, max_value=10**7, places=2)
COUNTS = st.integers(0, 10_000)


def totals(now: tuple, before: tuple) -> pd.DataFrame:
    columns = ["n_customers", "known_orders", "known_amount", "unknown_amount"]
    return pd.DataFrame([now, before], index=["now", "before"], columns=columns)


def split(now: tuple, before: tuple) -> dict[str, Decimal]:
    return split_by_orders(totals(now, before), "now", "before")


def test_only_customers_changed():
    """Twice the customers, each as before."""
    assert split((20, 40, Decimal(4000), Decimal(0)), (10, 20, Decimal(2000), Decimal(0))) == {
        N_CUSTOMERS: 2000, FREQUENCY: 0, SIZE: 0,
    }  # fmt: skip


def test_by_hand():
    """From 1 × 1 × 1 to 2 × 2 × 2: the factors are alike, so are their parts, 7/3 each; what a cent cannot tell is the first's."""
    found = split((2, 4, Decimal(8), Decimal(5)), (1, 1, Decimal(1), Decimal(2)))
    assert found == {N_CUSTOMERS: Decimal("2.34"), FREQUENCY: Decimal("2.33"), SIZE: Decimal("2.33"), NO_CUSTOMER: 3}


def test_a_time_without_customers_is_told_by_their_number():
    assert split((3, 5, Decimal(90), Decimal(0)), (0, 0, Decimal(0), Decimal(0)))[N_CUSTOMERS] == 90


@given(st.tuples(COUNTS, COUNTS, CENTS, CENTS), st.tuples(COUNTS, COUNTS, CENTS, CENTS))
def test_parts_sum_to_the_change_to_the_cent(now, before):
    assert sum(split(now, before).values()) == now[2] + now[3] - before[2] - before[3]


@given(
    st.tuples(st.integers(1, 99), st.integers(1, 99), CENTS), st.tuples(st.integers(1, 99), st.integers(1, 99), CENTS)
)
def test_back_again_is_the_opposite(now, before):
    there, back = split((*now, Decimal(0)), (*before, Decimal(0))), split((*before, Decimal(0)), (*now, Decimal(0)))
    assert {one: float(there[one]) for one in there} == pytest.approx(
        {one: -float(back[one]) for one in there}, abs=0.011
    )
