"""Completeness and validity by column, as of a month's end and a month before, by the same count."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_analysis.checks.columns import COLUMNS, ONLY_WITH_TIME, completeness_of, summarise_columns
from crm_analysis.schema import CANONICAL

NOTED = pd.DataFrame(
    [
        ("t", "a", "2024-01", 10, 10, 0),
        ("t", "a", "2024-02", 10, 5, 1),
        ("t", "a", "2024-03", 80, 0, 9),
        ("t", "ended_date", "2024-02", 10, 1, 0),
        ("u", "b", None, 4, 3, 0),
    ],
    columns=["table", "column", "month", "n_rows", "n_filled", "n_repaired"],
)
LEDGER = pd.DataFrame(
    [
        ("t", "rejected", "E-NUM-1 a", "2024-02", 5),
        ("t", "rejected", "E-NUM-1 a", "2024-03", 100),
        ("t", "rejected", "E-ROW-1", None, 3),
        ("t", "used", None, "2024-02", 10),
    ],
    columns=["table", "fate", "reason", "ordered_month", "n_rows"],
)


@pytest.fixture(scope="module")
def found():
    return summarise_columns(NOTED, LEDGER, "2024-02", "2024-01").set_index("column")


def test_shares_are_of_the_rows_up_to_the_month(found):
    COLUMNS.check(found.reset_index()[list(COLUMNS.columns)].columns)
    one = found.loc["a"]
    assert one["n_rows"] == 20
    assert one["filled_share"] == pytest.approx(15 / 20)
    assert one["valid_share"] == pytest.approx(15 / 20) and one["n_rejected"] == 5
    assert one["standard_share"] == pytest.approx(1 - 1 / 15)


def test_the_change_is_on_what_the_same_count_said_a_month_before(found):
    earlier = summarise_columns(NOTED, LEDGER, "2024-01", "2023-12").set_index("column").loc["a"]
    assert (earlier["filled_share"], earlier["valid_share"]) == (1, 1)
    assert found.at["a", "filled_change"] == pytest.approx(15 / 20 - 1)
    assert found.at["a", "valid_change"] == pytest.approx(15 / 20 - 1)


def test_a_table_without_dates_has_no_earlier_state(found):
    assert found.at["b", "filled_share"] == 3 / 4
    assert pd.isna(found.at["b", "filled_change"])


def test_what_only_time_fills_is_not_judged(found):
    assert pd.isna(found.at["ended_date", "filled_share"])
    assert completeness_of(NOTED, "2024-02").to_dict() == {"t": 15 / 20, "u": 3 / 4}
    assert ONLY_WITH_TIME <= {column for table in CANONICAL.values() for column in table.columns}
