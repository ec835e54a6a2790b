"""Customers by the time of their first order."""

from __future__ import annotations

from datetime import date

import pytest

from crm_analysis import engine
from crm_analysis.cohorts import (
    RETENTION,
    average_retention,
    cohort_of,
    cumulate_amounts,
    list_cohorts,
    name_of,
    number_of,
    retain,
)
from crm_analysis.customers import known_orders, materialise_customers

ROWS = [
    ("a", "2024-02-10", "10.00"), ("a", "2024-03-01", "4.00"), ("a", "2024-07-31", "6.00"),
    ("b", "2024-03-31", "20.00"), ("b", "2024-05-02", "0.00", "8.00"),
    ("c", "2024-06-15", "7.00"), ("c", "2024-01-02", "0.00", "1.00"),
    ("d", "2024-08-01", "9.00"),
]  # fmt: skip
AS_OF = date(2024, 9, 1)


@pytest.fixture(scope="module")
def tables(make_orders):
    return {"orders": make_orders(ROWS)}


def customers(tables, as_of=AS_OF):
    return materialise_customers(known_orders(tables, as_of), as_of)


def test_everybody_is_in_the_quarter_of_the_first_order(tables):
    people = customers(tables)
    cohorts = list_cohorts(people, AS_OF)
    assert [one.name for one in cohorts] == ["2024 Q1", "2024 Q2", "2024 Q3"]
    named = engine.collect(people.select("customer_id", cohort=cohort_of(cohorts)).sort("customer_id"), 10)
    assert named["cohort"].tolist() == ["2024 Q1", "2024 Q1", "2024 Q2", "2024 Q3"]


@pytest.mark.parametrize(
    ("as_of", "first", "last"), [(date(2026, 1, 1), "2024 Q1", "2025 Q4"), (date(2026, 1, 2), "2024", "2026")]
)
def test_more_than_eight_quarters_are_shown_as_years(tables, as_of, first, last):
    names = [one.name for one in list_cohorts(customers(tables, as_of), as_of)]
    assert (names[0], names[-1]) == (first, last)


def test_amounts_per_customer_by_hand(tables):
    found = cumulate_amounts(tables, customers(tables), AS_OF)
    curves = {name: part["mean_amount"].tolist() for name, part in found.groupby("cohort")}
    # Q1: a and b, seen for five months after March: 30, 34, 34-8, ...; the return of May is b's second month.
    # Q2: c, whose return before the first order counts with it. Q3 has customers of the current month alone.
    assert curves == {"2024 Q1": [15.0, 17.0, 13.0, 13.0, 13.0, 16.0], "2024 Q2": [6.0, 6.0, 6.0]}
    assert found.groupby("cohort")["months_since_first"].apply(list).to_dict() == {
        "2024 Q1": [0, 1, 2, 3, 4, 5],
        "2024 Q2": [0, 1, 2],
    }


def test_a_cohort_of_today_has_no_curve(make_orders):
    tables = {"orders": make_orders([("a", "2024-08-10", "10.00")])}
    assert cumulate_amounts(tables, customers(tables), AS_OF).empty


def test_retention_by_hand(tables):
    """a and c come back in July and not; b returns something in May, which is no order; c's return before the first order counts
    with it."""
    found = retain(tables, AS_OF)
    RETENTION.check(found.columns)
    active = {name: part["n_active"].tolist() for name, part in found.groupby("cohort_month")}
    assert active == {
        "2024-02": [1, 1, 0, 0, 0, 1, 0], "2024-03": [1, 0, 0, 0, 0, 0], "2024-06": [1, 0, 0], "2024-08": [1],
    }  # fmt: skip
    amounts = {name: part["amount"].tolist() for name, part in found.groupby("cohort_month")}
    assert amounts["2024-02"] == [10, 14, 14, 14, 14, 20, 20]
    assert amounts["2024-03"] == [20, 20, 12, 12, 12, 12]
    assert amounts["2024-06"] == [6, 6, 6]
    assert sum(own[-1] for own in amounts.values()) == 47
    assert found.loc[found["cohort_month"] == "2024-02", "active_share"].tolist() == active["2024-02"]


def test_longer_cohorts_go_as_far_as_all_their_months(tables):
    """Of the first quarter February has been seen for six months and March for five."""
    people = customers(tables)
    curves = average_retention(retain(tables, AS_OF), list_cohorts(people, AS_OF))
    found = {name: part["active_share"].tolist() for name, part in curves.groupby("cohort")}
    assert found == {"2024 Q1": [0.5, 0.0, 0.0, 0.0, 0.5], "2024 Q2": [0.0, 0.0]}
    assert curves["months_since_first"].tolist() == [1, 2, 3, 4, 5, 1, 2]


@pytest.mark.parametrize("month", ["1969-12", "2024-01", "2024-12"])
def test_months_are_counted_and_named(month):
    assert name_of(number_of(month)) == month
    assert number_of("2025-01") - number_of("2024-12") == 1
