"""Whether the rows arrived: a gap is what a table's own rhythm does not explain."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from crm_analysis import warehouse
from crm_analysis.checks.timeliness import find_rhythm, list_days, summarise_timeliness

AS_OF = date(2024, 6, 1)


def days(step: int, *, until: date = AS_OF, without: tuple[date, date] | None = None) -> list[date]:
    found = [date(2023, 1, 1) + timedelta(days=step * n) for n in range(2_000)]
    return [one for one in found if one < until and not (without and without[0] <= one <= without[1])]


def test_a_table_with_a_row_each_day_is_whole():
    rhythm = find_rhythm(days(1), AS_OF, 7)
    assert (rhythm.n_days_behind, rhythm.usual_gap_days, len(rhythm.gaps)) == (0, 0, 0)
    assert (rhythm.covered_share, rhythm.is_late) == (1, False)


@pytest.mark.parametrize(("n_days", "n_gaps"), [(6, 0), (7, 1)])
def test_a_gap_has_at_least_so_many_days(n_days, n_gaps):
    end = date(2024, 3, 10) + timedelta(days=n_days - 1)
    gaps = find_rhythm(days(1, without=(date(2024, 3, 10), end)), AS_OF, 7).gaps
    assert len(gaps) == n_gaps
    if n_gaps:
        assert gaps.iloc[0].to_dict() == {
            "from_date": date(2024, 3, 10), "to_date": end, "n_days": 7, "usual_gap_days": 0,
        }  # fmt: skip


def test_a_table_with_a_row_each_fortnight_has_no_gap_of_a_week():
    assert find_rhythm(days(14), AS_OF, 7).gaps.empty
    (gap,) = find_rhythm(days(14, without=(date(2024, 2, 1), date(2024, 3, 31))), AS_OF, 7).gaps.to_dict("records")
    assert gap["n_days"] > 42 and gap["usual_gap_days"] == 13


def test_a_table_that_ended_early_is_late_and_a_gap_reaches_to_the_months_end():
    rhythm = find_rhythm(days(1, until=date(2024, 5, 12)), AS_OF, 7)
    assert rhythm.is_late and rhythm.n_days_behind == 20
    assert rhythm.gaps["to_date"].iloc[-1] == date(2024, 5, 31)
    assert rhythm.covered_share == pytest.approx(1 - 20 / 366)


def test_a_table_that_ended_years_ago_is_nothing_but_a_gap():
    rhythm = find_rhythm([date(2020, 1, 1)], AS_OF, 7)
    assert rhythm.is_late and rhythm.covered_share == 0


def test_no_row_by_then_is_no_rhythm():
    assert find_rhythm([AS_OF], AS_OF, 7) is None


def test_what_comes_after_the_month_changes_nothing(make_shop, connection):
    """The shop's lines are of May."""
    shop = make_shop("A,c,2024-03-01,1,5.00", "B,c,2024-07-31,1,5.00")
    tables = warehouse.open_tables(shop.folder, connection)
    assert max(list_days(tables, "order_lines", AS_OF)) == date(2024, 5, 28)
    times, gaps = summarise_timeliness(tables, ["order_lines"], AS_OF, date(2024, 5, 1), 7)
    (one,) = times.to_dict("records")
    assert (one["first_date"], one["newest_date"]) == (date(2024, 3, 1), date(2024, 5, 28))
    assert (one["n_days_behind"], one["n_days_behind_before"], one["n_empty_months"]) == (3, 60, 1)
    assert list(gaps["n_days"]) == [60]
    assert one["covered_share"] == pytest.approx(1 - 60 / 92)
    assert one["covered_change"] == pytest.approx(1 - 60 / 92 - (1 - 60 / 61))
