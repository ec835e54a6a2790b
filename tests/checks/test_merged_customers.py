"""Pairs of customers in the report: what became of them, how sure they are, and three of them without an id."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_analysis.checks import duplicates
from crm_analysis.cleaning.merging import DECIDED

PAIRS = pd.DataFrame(
    [
        ("a1", "a2", 0.999, "same e-mail +12, other name −3"),
        ("a1", "a3", 0.98, "same e-mail +12"),
        ("b1", "b2", 0.91, "same name +8"),
        ("b1", "b3", 0.72, "same name +8"),
        ("c1", "c2", None, DECIDED),
    ],
    columns=["customer_id", "other_customer_id", "match_prob", "why"],
)
MERGES = pd.DataFrame([("a2", "a1"), ("a3", "a1")], columns=["customer_id", "kept_customer_id"])


@pytest.fixture(scope="module")
def found(connection):
    return duplicates.compare({"pairs": PAIRS, "merges": MERGES})


def test_pairs_are_merged_or_wait_or_are_kept_apart(found):
    outcomes = found[0]
    duplicates.FOUND.check(outcomes.columns)
    counts = {row.outcome: (row.n_pairs, row.n_customers) for row in outcomes.itertuples()}
    assert counts == {duplicates.MERGED: (2, 2), duplicates.WAITING: (2, 2), duplicates.APART: (1, 1)}


def test_every_pair_with_a_probability_is_in_a_class(found):
    scores = found[1]
    assert scores["n_pairs"].tolist() == [1, 1, 2]
    assert scores["lower"].tolist() == pytest.approx([0.7, 0.9, 0.95])
    assert (scores["upper"] - scores["lower"]).tolist() == pytest.approx([0.05] * 3)


def test_examples_show_no_id(found):
    shown = found[2]
    duplicates.PAIRS_SHOWN.check(shown.columns)
    assert list(shown["outcome"]) == [duplicates.MERGED, duplicates.WAITING, duplicates.WAITING]
    assert set(shown["customer"]) | set(shown["other_customer"]) == {"x9"}
    assert shown["why"][0] == "same e-mail +12, other name −3"


def test_a_source_that_was_not_compared_has_none():
    assert [len(one) for one in duplicates.compare({})] == [0, 0, 0]
