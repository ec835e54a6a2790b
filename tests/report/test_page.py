"""The notebook's voice: what it shows, what it keeps beside it, and what it opens."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet
import pytest

from crm_analysis import charts, engine, methods
from crm_analysis.errors import IntegrityError, ParameterError
from crm_analysis.report import page as pages
from crm_analysis.schema import Column, KeyFigure, Shape

THINGS = Shape("one row per thing", {"name": Column("text", "name"), "amount": Column("money", "amount")})


@pytest.fixture
def shown(monkeypatch) -> list[tuple[str, str]]:
    """What was displayed: (HTML, place on the page)."""
    found = []

    def display(data, raw, metadata):
        assert raw
        assert list(data) == ["text/html"]
        if "crm" not in metadata:
            # The look for JupyterLab, which no page shows.
            assert data["text/html"].startswith("<style>")
            return
        found.append((data["text/html"], metadata["crm"]["place"]))

    monkeypatch.setattr(pages, "display", display)
    return found


@pytest.fixture
def page(small, shown, monkeypatch, tmp_path):
    """A page of a bundle that is being made."""
    monkeypatch.setenv("CRM_ROOT", str(small.path))
    monkeypatch.setenv("CRM_BUNDLE", str(tmp_path))
    monkeypatch.setenv("CRM_RUN_ID", "run1")
    monkeypatch.chdir(tmp_path)
    page = pages.Page("rfm", {"source": "sample", "month": "2026-09"}, {"k": 4})
    yield page
    page.connection.close()


def frame(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"name": list(names), "amount": [Decimal("1.50")] * len(names)}, dtype=object)


def test_what_it_is_given_stands_before_the_files(page):
    assert (page.run.month, page.params.k, page.currency) == ("2026-09", 4, "EUR")


@pytest.mark.parametrize(
    ("run", "method", "line"),
    [
        ({"mnoth": "2026-09"}, {}, "E-PAR-1 .*did you mean 'month'"),
        ({}, {"kk": 4}, "E-PAR-1 .*did you mean 'k'"),
        ({}, {"k": 99}, "E-PAR-3 .*k is 99"),
        ({"month": "2026-9"}, {}, "E-PAR-3 "),
    ],
)
def test_parameters_are_checked_in_a_notebook_too(page, run, method, line):
    with pytest.raises(ParameterError, match=line):
        pages.Page("rfm", run, method)


def test_opened_alone_it_takes_the_default_source_and_writes_into_the_laboratory(small, shown, monkeypatch):
    for name in ("CRM_ROOT", "CRM_BUNDLE", "CRM_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(small.path / "notebooks")
    page = pages.Page("quality", {}, {})
    assert (page.run.source, page.run.month) == ("sample", "2026-10")
    page.show_table("things", frame("a"), THINGS, "Things")
    page.end()
    assert (small.path / "build" / "lab" / "data" / "quality" / "things.csv").is_file()


def test_a_table_is_kept_whole_beside_the_page(page, shown, parse):
    names = [f"n{n}" for n in range(100)]
    page.show_table("things", frame(*names), THINGS, "Things")
    top = parse(shown[0][0])
    assert len(top.all("tbody")[0].all("tr")) < 100
    (cut,) = [one.text for one in top.all("p")]
    (file,) = [word.rstrip(".") for word in cut.split() if "/" in word]
    with (page.folder / file).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["name"] for row in rows] == names
    assert {row["amount"] for row in rows} == {"1.50"}
    assert pyarrow.parquet.read_table((page.folder / file).with_suffix(".parquet")).num_rows == 100


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", " a ", "007", "-12.50", "\\bad", "NA", "上海"])
def test_any_text_comes_back_from_the_csv(page, name):
    page.show_table("things", frame(name, "z"), THINGS, "Things")
    with (page.folder / "data" / "rfm" / "things.csv").open(encoding="utf-8", newline="") as lines:
        assert [row["name"] for row in csv.DictReader(lines)] == [name, "z"]


@pytest.mark.parametrize("name", ["=1+1", " @SUM(1)", '"=1', "-Minus", "＝1", "\tx"])
def test_what_a_spreadsheet_could_take_for_a_formula_is_text_in_the_csv_and_as_it_is_in_parquet(page, name):
    page.show_table("things", frame(name, "z"), THINGS, "Things")
    path = page.folder / "data" / "rfm" / "things.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        assert [row["name"] for row in csv.DictReader(lines)] == [f"\\{name}", "z"]
    assert list(pd.read_parquet(path.with_suffix(".parquet"))["name"]) == [name, "z"]


def test_a_lone_carriage_return_comes_back_from_the_csv(page):
    page.show_table("things", frame("a\rb", "z"), THINGS, "Things")
    with (page.folder / "data" / "rfm" / "things.csv").open(encoding="utf-8", newline="") as lines:
        assert [row["name"] for row in csv.DictReader(lines)] == ["a\rb", "z"]


def test_a_frame_that_is_not_of_its_shape_is_refused(page):
    with pytest.raises(ValueError, match="expected the columns"):
        page.show_table("things", frame("a").rename(columns={"amount": "value"}), THINGS, "Things")


def test_a_figure_keeps_the_numbers_that_it_draws(page, shown, parse):
    numbers = pd.DataFrame({"name": ["a", "b"], "n": [1, 2]})
    page.show_figure("drawn", numbers, charts.bars(numbers, "name", "n", str, xlabel="things"), "Things")
    kept = pd.read_csv(page.folder / "data" / "rfm" / "drawn.csv")
    assert kept.equals(numbers)
    assert len(parse(shown[0][0]).all("img")) == 1
    assert plt.get_fignums() == []


def test_what_a_report_says_first_goes_to_the_first_screen(page, shown):
    page.show_findings(["One."])
    page.show_key_figures([KeyFigure(name="customers", value=5)])
    page.show_warnings(["Mind this."])
    page.show_table("things", frame("a"), THINGS, "Things")
    assert [place for _, place in shown] == ["summary", "summary", "summary", ""]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>'])
def test_a_warning_is_text(page, shown, parse, live_nodes, text):
    page.show_warnings([text])
    top = parse(shown[0][0])
    assert live_nodes(top, {"div", "p", "strong"}) == []
    assert text in top.raw_text


def test_a_month_that_the_data_do_not_cover_to_its_end_is_told_first(page, shown, parse):
    page.run = pages.replace(page.run, month="2026-11")
    page.show_data()
    first = [parse(html).text for html, place in shown if place == "summary"]
    assert first
    assert "2026-11-12" in first[0]


def test_the_data_are_told_with_files_period_versions_and_run(page, shown, parse):
    page.show_data()
    facts = parse(shown[0][0])
    told = dict(zip([one.text for one in facts.all("dt")], [one.text for one in facts.all("dd")], strict=True))
    assert (told["period"], told["as of"], told["currency"]) == ("September 2026", "October 1, 2026", "EUR")
    assert (told["time zone"], told["run"]) == ("Europe/Amsterdam", "run1")
    assert "duckdb" in told["versions"]
    for one in page.meta.inputs:
        assert f"{one['label']} ({one['sha256'][:12]})" in told["files"]


def test_the_end_writes_the_summary_that_the_index_is_made_of(page, shown):
    page.show_findings(["One.", "Two."])
    page.show_key_figures(
        [KeyFigure(name="amount", value=Decimal("12500.5"), unit="money", previous=Decimal("10000.4"))]
    )
    page.show_table("things", frame("a"), THINGS, "Things")
    page.end()
    told = json.loads((page.folder / "data" / "rfm" / "summary.json").read_text(encoding="utf-8"))
    assert (told["method"], told["run"], told["findings"]) == ("rfm", "run1", ["One.", "Two."])
    assert told["tables"] == {"things": 1}
    assert told["actions"] is None
    (figure,) = told["key_figures"]
    assert (figure["name"], figure["value"], figure["text"]) == ("amount", 12500.5, "€13K")
    assert (figure["on_last_month"], figure["on_last_year"]) == ("+25.0%", "")


def list_of(page, *ids: str):
    """A list of RFM's shape, everybody to be called."""
    values = {"integer": 1, "money": Decimal("1.00")}
    columns = methods.load("rfm").ACTIONS.columns.items()
    frame = pd.DataFrame({name: [values.get(one.type, "call")] * len(ids) for name, one in columns})
    return engine.as_table(frame.assign(customer_id=list(ids)), page.connection)


def test_an_action_list_is_counted_and_linked(page, shown, parse):
    page.write_actions(list_of(page, "007", "008"))
    top = parse(shown[0][0])
    links = [one["href"] for one in top.all("a")]
    assert links == ["actions/rfm.xlsx", "actions/rfm.csv"]
    assert all((page.folder / one).is_file() for one in links)
    assert "2 customers are on the list" in top.text
    assert "1 – act now, in person2" in top.text


def test_rows_held_back_from_the_csv_are_told_and_linked(page, shown, parse):
    page.write_actions(list_of(page, "007", "=1+1"))
    top = parse(shown[0][0])
    assert "1 row is not in the CSV" in top.text
    assert [one["href"] for one in top.all("a")][2:] == ["actions/rfm.held-back.txt"]


def test_a_list_longer_than_its_workbook_says_so(page, shown):
    page.params = pages.replace(page.params, list_rows=3)
    page.write_actions(list_of(page, *[f"c{n}" for n in range(5)]))
    assert "5 customers are on the list" in shown[0][0]
    assert "The workbook holds the first 3." in shown[0][0]


def test_results_per_customer_are_in_the_order_of_their_ids(page):
    table = engine.as_table(pd.DataFrame({"customer_id": ["b", "c", "a"], "n": [2, 3, 1]}), page.connection)
    page.write_table("customers", table)
    kept = pd.read_parquet(page.folder / "data" / "rfm" / "customers.parquet")
    assert list(kept["customer_id"]) == ["a", "b", "c"]


def test_a_damaged_database_is_not_opened(root, shown, monkeypatch):
    monkeypatch.delenv("CRM_BUNDLE", raising=False)
    monkeypatch.setenv("CRM_ROOT", str(root.path))
    path = root.path / "warehouse" / "sample" / "orders.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="E-DB-1"):
        pages.Page("rfm", {}, {})
