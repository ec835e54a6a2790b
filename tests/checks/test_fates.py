"""The ledger step by step: what was read less what was put aside is what is used, in rows and to the cent."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.checks import fates
from crm_analysis.schema import FATES

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["order_lines", "customers"]),
        st.sampled_from(FATES),
        st.integers(0, 10**9),
        st.decimals(-(10**9), 10**9, places=3),
    ),
    min_size=1,
    max_size=20,
)


def ledger(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["table", "fate", "n_rows", "line_amount"])


@given(ROWS)
def test_the_steps_go_from_all_that_was_read_to_what_is_used(rows):
    fall = fates.step_down(ledger(rows))
    for table, part in fall.groupby("table"):
        own = [one for one in rows if table in (one[0], fates.ALL_TABLES)]
        first, *middle, last = part.to_dict("records")
        assert (first["step"], last["step"]) == (fates.READ, "used")
        for column, place in (("n_rows", 2), ("line_amount", 3)):
            assert first[column] == sum(one[place] for one in own)
            assert last[column] == sum(one[place] for one in own if one[1] == "used")
            assert first[column] - sum(one[column] for one in middle) == last[column]


def test_a_step_at_which_nothing_was_put_aside_is_none():
    fall = fates.step_down(ledger([("orders", "used", 3, Decimal("1.10")), ("orders", "blank", 1, Decimal(0))]))
    assert list(fall["step"]) == ["read", "blank", "used"] * 2
    assert list(fall["table"].unique()) == [fates.ALL_TABLES, "orders"]


def test_months_are_those_of_orders_else_of_the_table_with_most_rows():
    rows = [("payments", 5), ("interactions", 7), ("orders", 1)]
    frame = pd.DataFrame(rows, columns=["table", "n_rows"]).assign(
        fate="used", ordered_month="2024-01", line_amount=Decimal(0)
    )
    assert list(fates.sum_months(frame)["n_rows"]) == [1]
    assert list(fates.sum_months(frame[:2])["n_rows"]) == [7]
    assert fates.sum_months(frame.assign(ordered_month=None)).empty
