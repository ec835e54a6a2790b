"""Five dimensions come to a verdict: a table is as good as its worst."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from crm_analysis.checks import scores

CARE = dict.fromkeys(scores.DIMENSIONS, 0.9)
UNFIT = dict.fromkeys(scores.DIMENSIONS, 0.5)
NO_COLUMNS = pd.DataFrame(columns=["table", "column", "filled_share"])
NOT_LATE = pd.DataFrame(columns=["table", "newest_date", "n_days_behind", "is_late"])
NO_CHECKS = pd.DataFrame(columns=["table", "check"])


def judge(columns=NO_COLUMNS, times=NOT_LATE, contradictions=NO_CHECKS, n_rows=10, **shares) -> dict:
    shares = dict.fromkeys(scores.DIMENSIONS, 1.0) | shares
    rows = [("order_lines", name, share, None, None, n_rows) for name, share in shares.items()]
    changes = pd.DataFrame(rows, columns=list(scores.CHANGES.columns))
    found = scores.judge(changes, columns, times, contradictions, CARE, UNFIT)
    scores.SCORES.check(found.columns)
    return found.to_dict("records")[0]


def test_a_table_of_which_all_is_well_is_fit():
    found = judge()
    assert (found["verdict"], found["why"]) == (scores.FIT, "nothing speaks against it")


@pytest.mark.parametrize("dimension", scores.DIMENSIONS)
@pytest.mark.parametrize(
    ("share", "verdict"), [(0.9, scores.FIT), (0.89, scores.CARE), (0.5, scores.CARE), (0.49, scores.UNFIT)]
)
def test_a_table_is_as_good_as_its_worst_dimension(dimension, share, verdict):
    found = judge(**{dimension: share})
    assert found["verdict"] == verdict
    assert found[f"{dimension}_share"] == share
    assert (f"{100 * (1 - share):.1f}%" in found["why"]) == (verdict != scores.FIT)


def test_of_completeness_the_emptiest_column_counts_that_a_table_must_have():
    rows = [("order_lines", "customer_id", 0.7), ("order_lines", "channel", 0.1), ("orders", "order_id", 0.0)]
    found = judge(columns=pd.DataFrame(rows, columns=list(NO_COLUMNS)), completeness=0.3)
    assert (found["verdict"], found["completeness_share"]) == (scores.CARE, 0.3)
    assert found["why"] == "“customer_id” is empty in 30.0% of its rows"


def test_a_table_that_is_late_is_to_be_used_with_care():
    late = pd.DataFrame([("order_lines", date(2024, 5, 1), 30, True)], columns=list(NOT_LATE))
    found = judge(times=late)
    assert found["verdict"] == scores.CARE and "May 1, 2024, 30 days" in found["why"]


def test_the_commonest_contradiction_is_named():
    checks = pd.DataFrame([("order_lines", "first"), ("order_lines", "second")], columns=list(NO_CHECKS))
    assert judge(contradictions=checks, consistency=0.8)["why"].endswith("most often: first")


def test_a_table_without_rows_is_not_fit():
    assert judge(n_rows=0)["verdict"] == scores.UNFIT


def test_rows_are_scored_as_of_the_month():
    ledger = pd.DataFrame(
        [
            ("t", "used", "2024-01", 8),
            ("t", "rejected", None, 2),
            ("t", "duplicate", "2024-01", 2),
            ("t", "rejected", "2024-02", 90),
        ],
        columns=["table", "fate", "ordered_month", "n_rows"],
    )
    noted = pd.DataFrame([("t", "a", "2024-01", 8, 4)], columns=["table", "column", "month", "n_rows", "n_filled"])
    one = scores.score_rows(ledger, noted, "2024-01").loc["t"]
    assert (one["completeness"], one["validity"], one["uniqueness"], one["n_rows"]) == (0.5, 0.8, 0.8, 8)
    assert scores.score_rows(ledger, noted, "2024-02").at["t", "validity"] == 0.08


def test_the_change_is_on_the_earlier_share_and_unknown_without_dates():
    now = pd.DataFrame({"completeness": [0.5, 1.0], "validity": 1.0, "uniqueness": 1.0, "n_rows": 9}, index=["t", "u"])
    before = now.assign(completeness=[0.75, 1.0])
    times = pd.DataFrame({"table": ["t"], "covered_share": [0.9], "covered_change": [-0.1]})
    agreement = pd.DataFrame({"now": [1.0], "before": [0.5], "n_tested": [7]}, index=["t"])
    found = scores.list_changes(now, before, times, agreement).set_index(["table", "dimension"])
    assert found.loc["t", "now_change"].to_dict() == pytest.approx(
        {"completeness": -0.25, "validity": 0, "uniqueness": 0, "timeliness": -0.1, "consistency": 0.5}
    )
    assert found.at[("t", "consistency"), "n_rows"] == 7
    assert found.loc["u", "before_share"].isna().all() and len(found.loc["u"]) == 3


def test_what_is_empty_where_nothing_must_stand_is_told_and_no_reason_against_a_table():
    columns = pd.DataFrame([("order_lines", "order_id", 1.0)], columns=list(NO_COLUMNS))
    found = judge(columns=columns, completeness=0.5)
    assert found["verdict"] == scores.FIT
    assert found["why"] == "50.0% of its cells are empty, hardly any where it must have a value"
