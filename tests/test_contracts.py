"""Contracts to one row per customer: what runs on a day, since when, and what ended."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from crm_analysis import contracts as terms
from crm_analysis import engine
from crm_analysis.errors import NotEnoughData

# contract, customer, start, end, reason, amount per month, plan
HAND = [
    ("k1", "ann", "2023-01-01", None, None, "10.00", "basic"),
    ("k2", "ann", "2023-05-01", "2023-06-01", "price", "20.00", "plus"),
    ("k3", "bob", "2023-01-01", "2023-03-01", "moved", "10.00", "basic"),
    ("k4", "bob", "2023-02-01", "2023-07-01", "price", "5.00", "plus"),
    ("k5", "cho", "2023-08-01", None, None, "1.00", "basic"),
    ("k6", "dee", "2023-01-31", "2024-01-01", "service", None, "basic"),
]


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def tabulate(contracts) -> pa.Table:
    made = [
        {
            "contract_id": contract_id,
            "customer_id": customer_id,
            "started_date": day(start),
            "ended_date": day(end),
            "end_reason": reason,
            "monthly_amount": None if amount is None else Decimal(amount),
            "plan": plan,
        }
        for contract_id, customer_id, start, end, reason, amount, plan in contracts
    ]
    return pa.Table.from_pylist(made)


@pytest.fixture(scope="module")
def dated() -> pa.Table:
    return tabulate(HAND)


def rows(table: engine.Table) -> dict[str, dict]:
    found = engine.collect(table, 100).set_index("customer_id").to_dict("index")
    return {who: {key: None if pd.isna(one) else one for key, one in row.items()} for who, row in found.items()}


def at(contracts, day: date) -> dict[str, dict]:
    return rows(terms.summarise_contracts(engine.as_table(contracts), day))


def test_what_runs_on_a_day(dated):
    """On its last day a contract still runs: that it ends is not known yet. What starts on the day is not known either."""
    june, next_day = at(dated, date(2023, 6, 1)), at(dated, date(2023, 6, 2))
    assert set(june) == {"ann", "bob", "dee"} == set(next_day)
    assert all(row["is_running"] for row in june.values())
    assert (june["ann"]["monthly_amount"], next_day["ann"]["monthly_amount"]) == (Decimal("30.00"), Decimal("10.00"))
    assert (june["ann"]["plan"], next_day["ann"]["plan"]) == ("plus", "basic")
    assert set(at(dated, date(2023, 8, 1))) == {"ann", "bob", "dee"}
    assert set(at(dated, date(2023, 8, 2))) == {"ann", "bob", "cho", "dee"}


def test_who_has_left_is_known_by_the_contract_that_ended_last(dated):
    bob = at(dated, date(2024, 1, 1))["bob"]
    assert (bob["is_running"], bob["end_reason"], bob["plan"]) == (False, "price", "plus")
    assert bob["monthly_amount"] == Decimal("5.00")
    # From the first start, 2023-01-01, to the last end, 2023-07-01: 181 days.
    assert bob["tenure_months"] == pytest.approx(181 / (365.25 / 12))
    assert at(dated, date(2024, 1, 1))["dee"]["is_running"]
    dee = at(dated, date(2024, 1, 2))["dee"]
    assert (dee["is_running"], dee["end_reason"], dee["monthly_amount"]) == (False, "service", None)


def test_a_running_customer_has_no_reason_and_the_tenure_of_the_first_contract(dated):
    ann = at(dated, date(2024, 1, 1))["ann"]
    assert (ann["is_running"], ann["end_reason"], ann["ended_day"]) == (True, None, None)
    assert ann["tenure_months"] == pytest.approx(365 / (365.25 / 12))


def test_nothing_of_the_day_or_later_changes_what_was_known(dated):
    known = [
        (*ids, start, None, None, *rest)
        if end is not None and end >= "2023-06-01"
        else (*ids, start, end, reason, *rest)
        for *ids, start, end, reason, amount, plan in HAND
        if start < "2023-06-01"
        for rest in [(amount, plan)]
    ]
    assert len(known) == 5
    assert at(tabulate(known), date(2023, 6, 1)) == at(dated, date(2023, 6, 1))


def test_who_is_lost_between_two_days(dated):
    lost = rows(terms.lose_contracts(engine.as_table(dated), date(2023, 6, 15), date(2023, 7, 15)))
    assert {who: row["is_lost"] for who, row in lost.items()} == {"ann": False, "bob": True, "dee": False}
    assert lost["bob"]["lost_amount"] == Decimal("60.00")
    assert lost["bob"]["end_reason"] == "price"
    assert lost["ann"]["lost_amount"] is None
    # A contract that ends while another runs, or begins at once, loses nobody.
    both = rows(terms.lose_contracts(engine.as_table(dated), date(2023, 2, 15), date(2023, 4, 1)))
    assert not both["bob"]["is_lost"]


def snapshot(**columns) -> pa.Table:
    base = {
        "customer_id": ["ann", "ann", "bob", "cho"],
        "contract_id": ["k1", "k2", "k3", "k4"],
        "tenure_months": [Decimal(30), Decimal(2), Decimal(5), Decimal(7)],
        "is_ended": [True, False, True, False],
        "monthly_amount": [Decimal("10.00"), Decimal("20.00"), Decimal("5.00"), None],
        "observed_date": [date(2024, 5, 31)] * 4,
    }
    return pa.table({**base, **columns})


def test_an_export_without_dates():
    found = at(snapshot(), date(2024, 6, 1))
    assert {who: row["is_running"] for who, row in found.items()} == {"ann": True, "bob": False, "cho": True}
    assert (found["ann"]["tenure_months"], found["ann"]["monthly_amount"]) == (30, Decimal("20.00"))
    assert found["bob"]["monthly_amount"] == Decimal("5.00")
    assert found["cho"]["monthly_amount"] is None and found["cho"]["total_amount"] is None


def test_an_export_without_dates_is_known_in_its_own_month_only(refused):
    assert terms.known_contracts({"contracts": snapshot()}, date(2024, 6, 1))
    for as_of in (date(2024, 5, 1), date(2024, 7, 1)):
        with refused(NotEnoughData, "E-PER-2"):
            terms.known_contracts({"contracts": snapshot()}, as_of)


def test_the_order_of_the_rows_does_not_matter(dated):
    mixed = dated.take(pa.array([5, 3, 1, 4, 2, 0]))
    for day in (date(2023, 6, 1), date(2024, 1, 2)):
        assert at(mixed, day) == at(dated, day)


def test_tenures_are_counted_in_months_begun(dated):
    customers = terms.summarise_contracts(engine.as_table(dated), date(2023, 7, 2))
    counts = engine.collect(terms.count_tenures(customers), 10)
    # ann 182 days, bob 181 and gone, dee 152: 5.98, 5.95 and 4.99 months.
    assert counts[["t", "is_running", "weight"]].values.tolist() == [[5, True, 1], [6, False, 1], [6, True, 1]]


@pytest.mark.parametrize(("months", "stage"), [(0, "first 3 months"), (3, "first 3 months"), (3.1, "4–12 months"),
                                              (12, "4–12 months"), (24, "13–24 months"), (25, "25 months and more")])  # fmt: skip
def test_stages(months, stage):
    table = engine.as_table(pd.DataFrame({"tenure_months": [float(months)]}))
    assert engine.collect(terms.add_tenure_stage(table, "stage"), 1)["stage"].tolist() == [stage]


def test_a_contract_that_is_renewed_on_the_next_day_is_not_lost():
    made = tabulate(
        [
            ("k1", "ann", "2023-01-01", "2023-06-30", "expired", "10.00", "basic"),
            ("k2", "ann", "2023-07-01", None, None, "10.00", "basic"),
            ("k3", "bob", "2023-01-01", "2023-06-30", "expired", "10.00", "basic"),
            ("k4", "bob", "2023-07-02", None, None, "10.00", "basic"),
        ]
    )
    end = date(2023, 7, 1)
    lost = rows(terms.lose_contracts(engine.as_table(made), date(2023, 6, 1), end))
    assert {who: one["is_lost"] for who, one in lost.items()} == {"ann": False, "bob": True}
    # On the day itself nothing is known of what begins on it.
    known = terms.known_contracts({"contracts": made}, end)
    assert {one["is_lost"] for one in rows(terms.lose_contracts(known, date(2023, 6, 1), end)).values()} == {True}
