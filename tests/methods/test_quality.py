"""Data quality: the report says what the ledger says."""

from __future__ import annotations

from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from crm_analysis import warehouse
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
    quality.STEPS.check(result.steps.columns)
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


def test_examples_are_the_first_of_each_reason(result):
    found = {(row.line, row.reason) for row in result.examples.itertuples()}
    assert found == {(7, "E-DATE-1 ordered_at"), (8, "E-NUM-1 quantity")}
    assert "raw_text" not in result.examples


def test_kinds_files_and_months(result):
    kinds = {(row.kind, row.has_customer): (row.n_rows, row.line_amount) for row in result.kinds.itertuples()}
    assert kinds == {("sale", True): (201, Decimal("10005.00")), ("sale", False): (1, Decimal("10.00"))}
    (file,) = result.files.to_dict("records")
    assert (file["n_read"], file["n_used"], file["n_rejected"]) == (209, 203, 3)
    months = {row.ordered_month: row.line_amount for row in result.months.itertuples()}
    assert months == {"2024-01": Decimal("15.00"), "2024-05": Decimal("10000.00")}


def test_completeness_the_least_complete_first(result):
    first = result.completeness.iloc[0]
    assert (first["column"], first["n_filled"], first["n_rows"]) == ("customer_id", 202, 203)
    assert first["filled_share"] == pytest.approx(202 / 203)


def test_more_than_one_per_cent_of_rejected_rows_is_a_warning(result):
    assert result.warnings == ["1.5% of the rows and 0.0% of the money of “order_lines” could not be read."]
    assert quality.findings(result, "EUR")[0] == result.warnings[0]


def test_drawn_numbers_are_those_of_the_frames(result):
    widths = [patch.get_width() for patch in quality.plot_completeness(result.completeness).patches]
    assert widths == pytest.approx(result.completeness["filled_share"].tolist())
    heights = [patch.get_height() for patch in quality.plot_months(result.months, "EUR").patches]
    assert heights == [15.0, 10000.0]


def test_uci_ledger_of_november(online_retail, connection):
    """UCI Online Retail: 541,909 lines in; 5,268 duplicates; 3 adjustments."""
    tables = warehouse.open_tables(online_retail, connection)
    steps = quality.analyse(tables, Run(source="x", month="2011-11"), quality.Params()).steps
    found = dict(zip(steps["fate"], steps["n_rows"], strict=True))
    assert sum(found.values()) == 541_909
    assert (found["duplicate"], found["excluded"]) == (5_268, 3)
    assert found["used"] + found["out of window"] == 536_638
