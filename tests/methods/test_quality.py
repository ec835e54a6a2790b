"""Data quality: the report says what the ledger says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_analysis import warehouse
from crm_analysis.checks import fates, scores
from crm_analysis.methods import quality
from crm_analysis.params import Run

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def shop(make_shop):
    """Beside 200 good lines of 10,000.00 in May: three used ones, and one of most other fates."""
    return make_shop(
        "A,c,2024-01-31,1,5.00", "A,c,2024-01-31,1,5.00", "B,,2024-01-31,2,5.00", "C,c,2024-06-01,1,7.00",
        "TEST,c,2024-01-31,1,3.00", "D,c,soon,1,2.00", "E,c,2024-01-31,many,2.00", "F,c,soon,1,2.00", "",
        also="    exclude: [{column: order_id, prefix: TEST, reason: test order}]\n",
    )  # fmt: skip


@pytest.fixture(scope="module")
def result(shop, connection):
    tables = warehouse.open_tables(shop.folder, connection)
    return quality.analyse(tables, Run(source="shop", month="2024-05"), quality.Params(examples_per_reason=1))


def test_every_row_and_its_money_is_in_the_steps(result):
    fates.STEPS.check(result.steps.columns)
    found = {row.fate: (row.n_rows, row.line_amount) for row in result.steps.itertuples()}
    assert found == {
        "used": (202, Decimal("10015.00")),
        "out of window": (1, Decimal("7.00")),
        "duplicate": (1, Decimal("5.00")),
        "excluded": (1, Decimal("3.00")),
        "rejected": (3, Decimal("4.00")),
        "blank": (1, Decimal("0.00")),
    }
    assert list(found) == list(dict.fromkeys(result.steps["fate"]))
    assert result.steps["row_share"].sum() == pytest.approx(1)


def test_reasons_the_most_frequent_first(result):
    found = [(row.fate, row.reason, row.n_rows) for row in result.reasons.itertuples()]
    assert found[0] == ("rejected", "E-DATE-1 ordered_at", 2)
    assert set(found[1:]) == {("rejected", "E-NUM-1 quantity", 1), ("excluded", "test order", 1)}
    assert result.reasons["meaning"][0] == "the text is not a date in the contract's format"


def test_examples_are_the_first_of_each_reason_and_masked(result):
    found = {(row.line, row.reason, row.masked) for row in result.examples.itertuples()}
    assert found == {(7, "E-DATE-1 ordered_at", "xxxx"), (8, "E-NUM-1 quantity", "xxxx")}


def test_kinds_files_and_months(result):
    kinds = {(row.kind, row.has_customer): (row.n_rows, row.line_amount) for row in result.kinds.itertuples()}
    assert kinds == {("sale", True): (201, Decimal("10005.00")), ("sale", False): (1, Decimal("10.00"))}
    (file,) = result.files.to_dict("records")
    assert (file["n_read"], file["n_used"], file["n_rejected"]) == (209, 203, 3)
    months = {row.ordered_month: row.line_amount for row in result.months.itertuples()}
    assert months == {"2024-01": Decimal("15.00"), "2024-05": Decimal("10000.00")}


def test_columns_the_least_complete_first_as_of_the_month(result):
    first = result.columns.iloc[0]
    assert (first["column"], first["n_rows"]) == ("customer_id", 202)
    assert first["filled_share"] == pytest.approx(201 / 202)
    # Of the two rows of January one has a customer.
    assert first["filled_change"] == pytest.approx(201 / 202 - 1 / 2)


def test_the_five_dimensions_and_their_change(result):
    found = result.changes.set_index("dimension")[["now_share", "before_share"]].to_dict("index")
    lost = 3  # rows that could not be dated count as of every month; the one of E-NUM-1 is of January
    assert found["completeness"] == pytest.approx({"now_share": 1 - 1 / (5 * 202), "before_share": 0.9})
    assert found["validity"] == pytest.approx({"now_share": 202 / (202 + lost), "before_share": 2 / (2 + lost)})
    assert found["uniqueness"] == pytest.approx({"now_share": 202 / 203, "before_share": 2 / 3})
    assert found["consistency"] == {"now_share": 1, "before_share": 1}
    # From February to the end of April there is nothing.
    gap = (date(2024, 5, 1) - date(2024, 2, 1)).days
    assert found["timeliness"]["now_share"] == pytest.approx(1 - gap / (date(2024, 6, 1) - date(2024, 1, 31)).days)


def test_an_earlier_state_is_what_a_report_on_that_month_says(shop, connection):
    tables = warehouse.open_tables(shop.folder, connection)
    now, then = (
        quality.analyse(tables, Run(source="shop", month=one), quality.Params()) for one in ("2024-06", "2024-05")
    )
    before = now.changes.set_index("dimension")["before_share"]
    assert before.to_dict() == pytest.approx(then.changes.set_index("dimension")["now_share"].to_dict())


def test_more_than_one_per_cent_of_rejected_rows_is_a_warning_and_comes_first(result):
    assert result.warnings == ["1.5% of the rows and 0.0% of the money of “order_lines” could not be read."]
    told = quality.findings(result, "EUR")
    assert told[0] == result.warnings[0]
    assert told[1].startswith("“order_lines” is not fit for use: 1.5% of its rows could not be read; ")


def test_problems_are_told_with_what_they_do(result):
    found = dict(zip(result.effects["problem"], result.effects["n_rows"], strict=True))
    assert found["orders without a customer"] == 1
    assert found["sales that could not be read"] == 3
    assert found["rows of “order_lines” that were there already"] == 1
    assert "returns that could not be read" not in found


def test_key_figures_are_the_dimensions_with_their_change(result):
    figures = {one.name: one for one in quality.key_figures(result)}
    assert figures["rows read"].value == 209
    assert figures["tables fit for use"].value == 0
    assert figures["uniqueness"].value == pytest.approx(202 / 203)
    assert figures["uniqueness"].previous == pytest.approx(2 / 3)


def test_drawn_numbers_are_those_of_the_frames(result):
    not_full = quality.not_full(result.columns)
    widths = [patch.get_width() for patch in quality.plot_completeness(not_full).patches]
    assert widths == pytest.approx([201 / 202])
    heights = [patch.get_height() for patch in quality.plot_months(result.months, "EUR").patches]
    assert heights == [15.0, 10000.0]
    drawn = [abs(patch.get_width()) for patch in quality.plot_rows(result.fall).patches]
    assert drawn == [209, 1, 1, 3, 1, 1, 202]
    texts = [text.get_text().strip() for text in quality.plot_money(result.fall, "EUR").texts]
    assert texts == ["10,034.00", "−5.00", "−3.00", "−4.00", "0.00", "−7.00", "10,015.00"]


def test_nothing_after_the_month_changes_a_report(make_shop, connection):
    """June has another unit, an outlier, no customers and a column that cannot be read."""
    later = [f"Z{n},,2024-06-{1 + n % 30:02},1,9000.00" for n in range(60)]
    later += ["Y,c,2024-06-02,1,99000.00", "X,c,2024-06-02,one,5.00"]
    one, other = (
        quality.analyse(
            warehouse.open_tables(make_shop("A,c,2024-01-31,1,5.00", *lines).folder, connection),
            Run(source="shop", month="2024-05"),
            quality.Params(),
        )
        for lines in ([], later)
    )
    for name in ("kinds", "months", "activity", "columns", "timeliness", "gaps", "contradictions", "drift", "amounts",
                 "largest", "changes", "scores"):  # fmt: skip
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_dtype=False, obj=name)


TINY = """
company: Test
currency: EUR
time_zone: Europe/Berlin
covers_until: 2024-05-31
tables:
"""
ANSWERS = """  feedback:
    files: feedback.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {customer_id: c, given_at: d, rating: r}
"""
CONTRACTS = """  contracts:
    files: contracts.csv
    columns: {customer_id: c, tenure_months: m, is_ended: {column: x, yes: [y], no: [n]}}
"""


@pytest.mark.parametrize(
    ("contract", "files", "dimensions"),
    [
        (ANSWERS, {"feedback.csv": "c,d,r\nc1,2024-05-01,5\n"}, 4),
        (CONTRACTS, {"contracts.csv": "c,m,x\nc1,3,y\n"}, 3),
        (ANSWERS + CONTRACTS, {"feedback.csv": "c,d,r\n,2024-05-01,\n", "contracts.csv": "c,m,x\nc1,3,y\n"}, 7),
    ],
)
def test_a_source_without_orders_and_with_one_row_has_a_report(make_source, connection, contract, files, dimensions):
    shop = make_source(TINY + contract, files).build()
    tables = warehouse.open_tables(shop.folder, connection)
    result = quality.analyse(tables, Run(source="shop", month="2024-05"), quality.Params())
    assert len(result.changes) == dimensions
    assert quality.findings(result, "EUR") and quality.key_figures(result)
    # Every chart of the notebook is drawn, and shown or not.
    quality.plot_rows(result.fall), quality.plot_money(result.fall, "EUR"), quality.plot_tables(result.fall)
    quality.plot_completeness(quality.not_full(result.columns)), quality.plot_months(result.months, "EUR")
    quality.plot_activity(result.activity), quality.plot_match_scores(result.match_scores)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"examples_per_reason": 101}, "examples_per_reason"),
        ({"min_gap_days": 0}, "min_gap_days"),
        ({"rows_ratio": 1.0}, "rows_ratio"),
        ({"share_change": 0.0}, "share_change"),
        ({"min_month_rows": 0}, "min_month_rows"),
        ({"outlier_ratio": 99.0}, "outlier_ratio"),
        ({"list_outliers": 51}, "list_outliers"),
        ({"care_below": {"completeness": 0.9}}, "care_below"),
        ({"unfit_below": dict.fromkeys(scores.DIMENSIONS, 2.0)}, "unfit_below"),
    ],
)
def test_a_threshold_out_of_range_is_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        quality.Params(**wrong)


def test_uci_ledger_of_november(online_retail, connection):
    """UCI Online Retail: 541,909 lines in; 5,268 duplicates; 3 adjustments."""
    tables = warehouse.open_tables(online_retail, connection)
    steps = quality.analyse(tables, Run(source="x", month="2011-11"), quality.Params()).steps
    found = dict(zip(steps["fate"], steps["n_rows"], strict=True))
    assert sum(found.values()) == 541_909
    assert (found["duplicate"], found["excluded"]) == (5_268, 3)
    assert found["used"] + found["out of window"] == 536_638


def test_uci_five_dimensions_of_november(online_retail, connection):
    """UCI Online Retail: a quarter of the lines has no customer, closed over Christmas, two lines that were taken back at once."""
    tables = warehouse.open_tables(online_retail, connection)
    result = quality.analyse(tables, Run(source="x", month="2011-11"), quality.Params())
    (one,) = result.scores.to_dict("records")
    assert (one["verdict"], one["why"]) == (scores.CARE, "“customer_id” is empty in 24.9% of its rows")
    (gap,) = result.gaps.to_dict("records")
    assert (gap["from_date"], gap["to_date"]) == (date(2010, 12, 24), date(2011, 1, 3))
    assert result.largest[["line", "amount"]].head(2).to_numpy().tolist() == [
        [61621, Decimal("77183.600")], [61626, Decimal("-77183.600")],
    ]  # fmt: skip
    assert (result.drift["code"] != "E-DRIFT-1").all()


def test_only_what_moved_is_shown_the_deepest_fall_first():
    changes = pd.DataFrame(
        {
            "table": ["a", "a", "b", "b"],
            "dimension": ["w", "x", "y", "z"],
            "now_change": [0.0004, 0.02, -0.3, float("nan")],
        }
    )
    assert quality.moved(changes)["dimension"].tolist() == ["y", "x"]
