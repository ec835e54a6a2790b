"""Overview: figures beside targets, what moved, where reports disagree, what to do first; all from the others' tables."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_analysis import engine
from crm_analysis.errors import NotEnoughData
from crm_analysis.methods import cpm, lifecycle, overview, rfm, sales
from crm_analysis.params import Run

mpl.use("Agg")

RUN = Run(source="x", month="2024-05")
MONTHS = [f"{2023 + (at + 4) // 12}-{(at + 4) % 12 + 1:02}" for at in range(13)]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def months() -> pd.DataFrame:
    """Net sales of 100 in each month but the last two: 90, and 120."""
    amounts = [Decimal(100)] * 11 + [Decimal(90), Decimal(120)]
    return pd.DataFrame(
        {
            "month": MONTHS, "net_amount": amounts, "n_orders": 10, "n_customers": 8, "n_new_customers": 3,
            "average_order_amount": 10.0, "returned_share": 0.02,
        }
    )  # fmt: skip


@pytest.fixture
def tables(months, make_orders) -> dict[str, object]:
    """Four customers: all agree on a (there) and d (gone), one says otherwise of b, RFM knows no c."""
    return {
        "index.months": months,
        "orders": make_orders([(who, "2024-04-10", f"{n}.00") for who, n in {"a": 50, "b": 30, "c": 20, "d": 10}.items()]),
        "rfm.customers": pd.DataFrame({"customer_id": list("abd"), "segment": ["champion", "champion", "hibernating"]}),
        "ltv.customers": pd.DataFrame({"customer_id": list("abcd"), "alive_prob": [0.9, 0.2, 0.6, 0.1]}),
        "lifecycle.customers": pd.DataFrame({"customer_id": list("abcd"), "stage": ["regular", "lapsed", "lapsed", "lapsed"]}),
        "lifecycle.rates": pd.DataFrame({"month": MONTHS, "n_won_back": 2, "n_lapsed": 5, "lapsed_rate": 0.25}),
    }  # fmt: skip


def analyse(tables, params=None) -> overview.Result:
    return overview.analyse(
        {name: engine.as_table(one) for name, one in tables.items()}, RUN, params or overview.Params()
    )


def scorecard(tables, **targets: float) -> pd.DataFrame:
    params = overview.Params(targets=targets)
    return overview.describe_scorecard(analyse(tables, params).figures, params, "EUR").set_index("figure")


def test_figures_stand_beside_last_month_and_last_year(tables):
    row = scorecard(tables).loc["net sales"]
    assert (row["now"], row["on_last_month"], row["on_last_year"]) == ("€120", "+33.3%", "+20.0%")
    assert (row["value"], row["previous"], row["last_year"]) == (120, 90, 100)


def test_figures_of_the_lifecycle_are_its_own(tables):
    card = scorecard(tables)
    assert card.loc[["customers won back", "customers lapsed", "retention"], "value"].tolist() == [2, 5, 0.75]
    assert card.loc["returning customers", "value"] == 5
    del tables["lifecycle.rates"]
    assert not {"customers won back", "customers lapsed", "retention"} & set(scorecard(tables).index)


@pytest.mark.parametrize(
    ("figure", "target", "reached"),
    [
        ("net_amount", 120, "met"),
        ("net_amount", 120.01, "missed"),
        ("returned_share", 0.02, "met"),
        ("returned_share", 0.019, "missed"),
    ],
)
def test_a_target_is_met_from_the_side_that_is_better(tables, figure, target, reached):
    card = scorecard(tables, **{figure: target})
    assert card["reached"].dropna().to_dict() == {overview.FIGURES[figure][0]: reached}


def test_a_target_for_no_figure_is_refused():
    with pytest.raises(ValueError, match="'net_amuont' in targets, did you mean 'net_amount'"):
        overview.Params(targets={"net_amuont": 1})


def test_satisfaction_is_the_mean_rating_of_the_month_and_nothing_after_it(tables):
    given = pd.to_datetime(["2024-05-01", "2024-05-31 23:59", "2024-06-01", "2024-04-30"], format="mixed")
    tables["feedback"] = pd.DataFrame({"feedback_id": list("1234"), "given_at": given, "rating": [5.0, 4.0, 1.0, 3.0]})
    row = scorecard(tables).loc["satisfaction"]
    assert (row["value"], row["previous"]) == (4.5, 3)


def test_disputed_are_those_of_whom_one_says_there_and_another_gone(tables):
    result = analyse(tables)
    assert (result.n_asked, result.n_disputed, result.disputed_amount) == (4, 2, Decimal(50))
    assert result.disputed[["customer_id", "n_there", "n_gone"]].values.tolist() == [["b", 1, 2], ["c", 1, 1]]
    assert result.disputed["rfm_label"].fillna("").tolist() == ["champion", ""]
    told = result.conflicts[["there", "there_label", "gone", "gone_label", "n_customers", "amount"]].values.tolist()
    assert told == [
        ["RFM", "champion", "lifecycle", "lapsed", 1, Decimal(30)],
        ["RFM", "champion", "lifetime value", "probably gone", 1, Decimal(30)],
        ["lifetime value", "probably still there", "lifecycle", "lapsed", 1, Decimal(20)],
    ]
    assert engine.n_rows(result.customers) == 2


def test_reports_that_agree_are_told_so(tables):
    for name in ("ltv.customers", "lifecycle.customers"):
        del tables[name]
    tables["cpm.customers"] = pd.DataFrame(
        {"customer_id": list("abd"), "segment": ["excellent", "steady", "steady leaver"]}
    )
    result = analyse(tables)
    assert (result.n_asked, result.n_disputed, len(result.conflicts)) == (3, 0, 0)
    assert "The reports agree about every customer: who is there, and who is gone." in findings(tables)


def test_advice_is_summed_by_report_and_text(tables):
    tables["index.actions"] = pd.DataFrame(
        {
            "customer_id": list("abcd"), "method": ["ltv", "ltv", "rfm", "rfm"], "action": ["keep", "keep", "call", "call"],
            "priority": [2, 1, 3, 3], "expected_amount": [Decimal("10.50"), Decimal("20.25"), None, Decimal(5)],
        }
    )  # fmt: skip
    told = analyse(tables).advice.values.tolist()
    assert told == [["lifetime value", "keep", 2, 1, Decimal("30.75")], ["RFM", "call", 2, 3, Decimal("5.00")]]
    assert findings(tables)[-1] == "Worth most by what is expected: “keep” for 2 customers (lifetime value, €31)."


def findings(tables) -> list[str]:
    result = analyse(tables)
    return overview.findings(result, overview.describe_scorecard(result.figures, overview.Params(), "EUR"), "EUR")


def test_what_moved_is_what_the_sales_report_says(tables):
    tables["sales.effects"] = pd.DataFrame(
        {
            "comparison": ["last month", "same month last year", "same month last year"], "view": ["customers and orders"] * 2 + ["products"],
            "effect": ["number of customers", "amount per order", "volume"], "amount": [Decimal(30), Decimal(20), Decimal(20)],
            "earlier_rate": [0.3, 0.2, 0.2],
        }
    )  # fmt: skip
    tables["sales.extremes_year"] = pd.DataFrame(
        {
            "dimension": ["customer", "region", "customer"], "value": ["a", "North", "b"], "comparison": ["same month last year"] * 3,
            "direction": ["growth", "fall", "fall"], "place": 1, "amount": [Decimal(50), Decimal(0), Decimal(30)],
            "earlier_amount": [Decimal(10), Decimal(45), Decimal(35)], "change_amount": [Decimal(40), Decimal(-45), Decimal(-5)],
            "total_rate": [2.0, -2.25, -0.25],
        }
    )  # fmt: skip
    result = analyse(tables)
    assert result.effects["effect"].tolist() == ["amount per order"]
    assert result.movers["value"].tolist() == ["North", "a", "b"]
    told = findings(tables)
    assert told[:3] == [
        "Net sales: €120 (+20.0% on the same month last year and +33.3% on last month).",
        "What made the change on the same month last year (+€20): amount per order +€20.",
        "Moved most: region North (−€45) and customer a (+€40).",
    ]
    assert result.missing == ["churn", "cpm"]
    assert overview.list_missing(result) == [
        "Not asked, since there is no such report this month: churn and customer portfolio."
    ]


def test_without_months_there_is_no_report(tables, refused):
    tables["index.months"] = tables["index.months"].head(0)
    with refused(NotEnoughData, "E-MIN-1"):
        analyse(tables)


def test_a_source_of_contracts_has_figures_and_no_dispute():
    frame = pd.DataFrame({"month": MONTHS, "n_running": 10, "monthly_amount": [Decimal(5)] * 13, "n_ended": 1})
    result = analyse({"index.months": frame})
    assert list(result.figures) == ["n_running", "monthly_amount", "n_ended"]
    assert (result.n_asked, result.n_disputed, len(result.disputed)) == (0, 0, 0)


def test_it_names_segments_stages_and_comparisons_as_the_reports_do():
    def says(name: str, words: list[str]) -> dict[str, bool]:
        _label, is_there = overview.WITNESSES[name]()
        column = "stage" if name == "lifecycle" else "segment"
        frame = engine.as_table(pd.DataFrame({column: words})).select(column, there=is_there)
        return dict(engine.collect(frame, 100).values.tolist())

    assert sum(not one for one in says("rfm", list(rfm.SEGMENTS)).values()) == 4
    assert [name for name, there in says("cpm", list(cpm.GROUPS)).items() if not there] == list(cpm.LEAVERS)
    assert [name for name, there in says("lifecycle", list(lifecycle.STAGES)).items() if not there] == ["lapsed"]
    assert (overview.LAST_MONTH, overview.LAST_YEAR) == (sales.LAST_MONTH, sales.LAST_YEAR)


def test_charts_say_their_numbers(tables):
    result = analyse(tables)
    assert "€120" in overview.plot_months(result.months, "EUR").figure.get_label()


@pytest.mark.parametrize(
    ("report", "tables"),
    [("sales", ("effects", "extremes_year", "extremes_month")), ("lifecycle", ("rates", "customers"))],
)
def test_it_reads_tables_that_the_reports_keep(report, tables):
    notebook = (Path(__file__).parents[2] / "notebooks" / f"{report}.ipynb").read_text(encoding="utf-8")
    for name in tables:
        assert re.search(rf'page\.(show|write)_\w+\((\\n",\s*")?\s*\\"{name}\\"', notebook), name
