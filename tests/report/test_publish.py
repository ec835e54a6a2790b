"""A month's bundle: what is in it, what is made anew and when, and what is taken over."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from crm_analysis import methods
from crm_analysis.errors import InputError, IntegrityError, MachineError
from crm_analysis.report import bundle, render

METHODS = methods.names()
MACHINE = re.compile(r"/(?:home|root|Users|tmp|private|var|opt)/\w|\b[A-Z]:\\\\")


def of_report(file: str, method: str) -> bool:
    """Whether a file of the bundle belongs to this report, by the layout of the bundle."""
    folder, _, rest = file.partition("/")
    return file in (f"{method}.html", f"{method}.pdf") or (
        rest.startswith(f"{method}.") if folder in ("notebooks", "actions") else rest.startswith(f"{method}/")
    )


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_the_bundle_has_an_index_and_a_manifest(sample):
    assert {"index.html", "manifest.json"} <= set(sample.hashes())


@pytest.mark.parametrize("method", METHODS)
def test_a_report_has_page_pdf_notebook_and_numbers(sample, method):
    files = set(sample.hashes())
    assert {f"{method}.html", f"{method}.pdf", f"notebooks/{method}.ipynb", f"data/{method}/summary.json"} <= files
    data = {one for one in files if one.startswith(f"data/{method}/")}
    tables = {one.removesuffix(".csv") for one in data if one.endswith(".csv")}
    assert tables
    assert {f"{one}.parquet" for one in tables} <= data
    # The action list is counted as such.
    assert set(sample.summary(method)["tables"]) == {
        one.rpartition("/")[2].removesuffix(".parquet") for one in data if one.endswith(".parquet")
    } - {"actions"}


@pytest.mark.parametrize("method", [name for name in METHODS if hasattr(methods.load(name), "ACTIONS")])
def test_a_report_that_advises_has_its_list_twice(sample, method):
    assert {f"actions/{method}.csv", f"actions/{method}.xlsx"} <= set(sample.hashes())


def test_every_file_is_of_the_month_or_of_one_report(sample):
    of_all = {
        f"{one}.{ending}"
        for one in ("data/index/months", "data/index/actions", "actions/all")
        for ending in ("csv", "parquet", "xlsx")
    }
    files = set(sample.hashes()) - {"index.html", "manifest.json"} - of_all
    assert [one for one in files if sum(of_report(one, method) for method in METHODS) != 1] == []


def test_the_numbers_are_the_same_in_csv_and_parquet(sample):
    for csv in sorted((sample.bundle / "data").rglob("*.csv")):
        parquet = pd.read_parquet(csv.with_suffix(".parquet"), dtype_backend="numpy_nullable")
        text = pd.read_csv(csv, dtype=str, keep_default_na=False)
        assert list(parquet.columns) == list(text.columns), csv.name
        assert len(parquet) == len(text), csv.name
        again = [["" if pd.isna(one) else str(one) for one in parquet[name]] for name in parquet]
        # In the CSV a text that a spreadsheet could take for a formula has a backslash before it.
        assert again == [[one.removeprefix("\\") for one in text[name]] for name in text], csv.name


def test_the_manifest_lists_every_file_with_its_hash(sample):
    assert sample.is_whole()


def test_the_manifest_tells_what_the_month_was_made_of(sample):
    manifest = sample.manifest()
    assert (manifest["source"], manifest["month"], manifest["currency"]) == ("sample", "2026-10", "EUR")
    assert [one["label"] for one in manifest["inputs"]] == [
        "orders_2023.csv", "orders_2024.csv", "orders_2025.csv", "orders_2026.csv", "customers.xlsx", "products.csv",
        "contracts.csv", "invoices.csv", "tickets.csv", "deals.csv", "reviews.csv", "campaigns.csv", "campaign_contacts.csv",
    ]  # fmt: skip
    inputs = sample.hashes(sample.path / "build" / "sample")
    assert {one["label"]: one["sha256"] for one in manifest["inputs"]}.items() == inputs.items() - {
        (".made-from", inputs[".made-from"])
    }
    assert set(manifest["parameters"]) == set(METHODS)
    assert manifest["rows"]["customers"] == 6100  # 100 of them twice
    assert {"python", "duckdb", "crm-analysis"} <= set(manifest["versions"])


def test_nobody_else_may_read_it(sample):
    mine = [sample.path / one for one in ("reports", "warehouse", "build")]
    open_to_others = [one for top in mine for one in [top, *top.rglob("*")] if one.stat().st_mode & 0o077]
    assert open_to_others == []


def test_nothing_half_made_stays(sample):
    assert {one.name for one in sample.reports.iterdir()} == {".lock", "2026-10", "index.html"}
    assert {one.name for one in sample.path.iterdir()} == {"params", "notebooks", "build", "warehouse", "reports"}


# --- notebooks as run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_notebook_ran_from_its_first_cell_to_its_last(sample, method):
    cells = json.loads((sample.bundle / "notebooks" / f"{method}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert [out for cell in code for out in cell["outputs"] if out["output_type"] in ("error", "stream")] == []


@pytest.mark.parametrize("method", METHODS)
def test_the_notebook_keeps_no_path_and_no_time_of_the_machine(sample, method):
    text = (sample.bundle / "notebooks" / f"{method}.ipynb").read_text(encoding="utf-8")
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert MACHINE.findall(without_pictures) == []
    assert str(sample.path) not in text
    assert re.findall(r"start_time|end_time|duration|iopub|\"papermill\"", without_pictures) == []


# --- a second run ----------------------------------------------------------------------------------------------------


def test_a_second_run_does_nothing_and_says_so(root, ran):
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.name != ".lock"}
    told = root.publish()
    assert told == "reports/sample/2026-10: nothing to do, rfm, quality"
    assert ran == []
    assert {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.name != ".lock"} == before


def test_a_saved_parameter_file_rebuilds_its_report_and_the_index_only(root, ran):
    before = root.hashes()
    root.touch_params("rfm")
    root.publish()
    assert ran == ["rfm"]
    assert root.hashes() == before


def test_one_method_alone_keeps_the_other_reports(root, ran):
    before = root.hashes()
    root.write_params("quality", "examples_per_reason: 1")
    assert root.publish(methods="quality") == "reports/sample/2026-10: rfm, quality"
    assert ran == ["quality"]
    after = root.hashes()
    assert set(after) == set(before)
    changed = {name for name in after if after[name] != before[name]}
    assert {one for one in changed if not of_report(one, "quality")} <= {"index.html", "manifest.json"}
    assert root.manifest()["parameters"]["quality"]["examples_per_reason"] == 1
    assert root.publish() == "reports/sample/2026-10: nothing to do, rfm, quality"


def test_one_method_in_other_formats_keeps_the_other_reports(root, monkeypatch):
    monkeypatch.setattr(bundle, "run_each", lambda *_: [])
    monkeypatch.setattr(bundle.Bundle, "gather", lambda *_: None)
    monkeypatch.setattr(bundle.Bundle, "finish", lambda made, _: {"reports": made.reports, "notes": []})
    assert "rfm" in root.publish(formats="pdf", methods="quality")


def test_a_method_named_twice_is_made_once(root, monkeypatch):
    made = []
    monkeypatch.setattr(bundle, "run_each", lambda _function, jobs, *_: made.extend(jobs) or [])
    monkeypatch.setattr(bundle.Bundle, "gather", lambda *_: None)
    monkeypatch.setattr(bundle.Bundle, "finish", lambda made, _: {"reports": made.reports, "notes": []})
    root.touch_params("quality")
    root.publish(methods="quality quality")
    assert made == ["quality"]


def test_a_damaged_file_is_noticed_and_made_again(root, ran):
    before = root.hashes()
    page = root.bundle / "quality.html"
    page.write_bytes(page.read_bytes().replace(b"rows", b"rosw", 1))
    root.publish(methods="quality")
    assert ran == ["quality"]
    assert root.hashes()["quality.html"] == before["quality.html"]
    assert root.is_whole()


@pytest.mark.parametrize("file", ["index.html", "data/rfm/customers.parquet", "actions/rfm.csv", "manifest.json"])
def test_damage_of_any_file_is_noticed(root, file):
    path = root.bundle / file
    path.write_bytes(path.read_bytes()[:-1])
    last = bundle.read_manifest(root.bundle)
    assert file in last["damaged"] or not last["reports"]


@pytest.mark.parametrize("text", ["[]", "null", '{"files": []}', '{"files": {}}'])
def test_a_manifest_that_is_none_is_noticed(root, text):
    (root.bundle / "manifest.json").write_text(text, encoding="utf-8")
    assert not bundle.read_manifest(root.bundle)["reports"]


def test_a_damaged_file_costs_no_other_report(root, monkeypatch):
    (root.bundle / "quality.html").write_text("", encoding="utf-8")
    monkeypatch.setattr(bundle, "run_each", lambda *_: [])
    monkeypatch.setattr(bundle.Bundle, "gather", lambda *_: None)
    monkeypatch.setattr(bundle.Bundle, "finish", lambda made, _: {"reports": made.reports, "notes": []})
    assert "rfm" in root.publish(methods="quality")


# --- what is not made ------------------------------------------------------------------------------------------------


def test_a_damaged_database_stops_the_run_and_leaves_the_bundle(root, command):
    before = root.hashes()
    path = root.path / "warehouse" / "sample" / "orders.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert command(root).failed(6, "E-DB-1 file=sample/orders.parquet")
    assert root.hashes() == before


@pytest.mark.parametrize("file", ["orders.parquet", "rejects.parquet"])
def test_a_missing_file_of_the_database_stops_the_run(root, file):
    (root.path / "warehouse" / "sample" / file).unlink()
    with pytest.raises(IntegrityError, match=rf"E-DB-1 file=sample/{file}"):
        root.publish()


def test_a_damaged_meta_file_of_the_database_stops_the_run(root):
    path = root.path / "warehouse" / "sample" / "meta.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"EUR"', '"EUS"'), encoding="utf-8")
    with pytest.raises(IntegrityError):
        root.publish()


def test_a_method_under_its_minimum_is_left_out_and_the_index_says_why(root, ran, parse):
    root.write_params("rfm", "min_customers: 100000")
    told = root.publish(methods="rfm")
    assert ran == ["rfm"]
    (reason,) = re.findall(r"left out: rfm \((.+)\)", told)
    assert "100,000" in reason or "100000" in reason
    index = parse((root.bundle / "index.html").read_text(encoding="utf-8"))
    assert f"RFM: who buys recently, often and much? – {reason}" in [one.text for one in index.all("li")]
    assert [one for one in root.hashes() if of_report(one, "rfm")] == []
    assert root.is_whole()
    assert root.publish(methods="rfm").startswith("reports/sample/2026-10: nothing to do")
    assert ran == ["rfm"]


def test_a_method_whose_table_the_source_lacks_is_left_out_and_the_index_says_which(root, ran, monkeypatch):
    monkeypatch.setattr(methods.load("quality"), "REQUIRES", ("ledger", "salespeople", "visits"))
    root.touch_params("quality")
    told = root.publish(methods="quality")
    assert "left out: quality (the source has no table salespeople and visits)" in told
    assert ran == []
    assert "the source has no table salespeople and visits" in (root.bundle / "index.html").read_text(encoding="utf-8")


def test_a_source_in_which_nothing_has_a_date_is_told(root):
    source = root.path / "params" / "sources" / "empty.yml"
    source.write_text(
        "company: Test\ncurrency: EUR\ntime_zone: Europe/Berlin\ntables:\n  feedback:\n    files: answers.csv\n"
        "    format: {date: '%Y-%m-%d'}\n    columns: {given_at: day, rating: stars}\n",
        encoding="utf-8",
    )
    (root.path / "answers.csv").write_text("day,stars\n,5\n", encoding="utf-8")
    with pytest.raises(InputError, match="E-FILE-2 file=empty"):
        root.publish(source="empty")
    assert list((root.path / "reports" / "empty").glob("[!.]*")) == []


@pytest.mark.parametrize("month", ["2023-10", "2026-12", "1999-01", "2199-12"])
def test_a_month_that_the_source_does_not_reach_is_refused_with_the_range(root, command, month):
    done = command(root, f"MONTH={month}")
    assert done.failed(3, "E-PER-1 file=sample column=month")
    assert "2023-11" in done.err
    assert "2026-11-12" in done.err
    assert not (root.reports / month).exists()


def test_a_month_that_is_still_running_is_not_published_as_a_whole_one(root, monkeypatch):
    monkeypatch.setattr(bundle, "run_each", lambda *_: [])
    monkeypatch.setattr(bundle.Bundle, "gather", lambda *_: None)
    monkeypatch.setattr(bundle.Bundle, "finish", lambda bundle, _: {"reports": bundle.reports, "notes": bundle.notes})
    try:
        told = root.publish(methods="quality", month="2026-11")
    except InputError:
        return
    assert "2026-11-12" in told


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pango(monkeypatch):
    monkeypatch.setattr(render, "pdf_problem", lambda: "No PDF: the Pango library is missing.")


@pytest.mark.parametrize("formats", ["pdf", "html pdf"])
def test_a_pdf_asked_for_on_a_machine_that_makes_none_stops_before_any_work(make_root, no_pango, ran, formats):
    fresh = make_root(True)
    with pytest.raises(MachineError, match="E-PDF-1 .*Pango"):
        fresh.publish(formats=formats)
    assert ran == []
    assert not (fresh.path / "warehouse").exists()
    assert not (fresh.path / "build").exists()


def test_html_named_twice_needs_no_pango(root, no_pango):
    assert root.publish(formats="html html").startswith("reports/sample/2026-10: nothing to do")


def test_without_pango_the_pages_are_published_and_index_and_console_say_how_to_get_the_pdf(root, no_pango, parse):
    root.touch_params("quality")
    told = root.publish(methods="quality", formats="")
    assert told.splitlines()[-1].strip() == "No PDF: the Pango library is missing."
    index = parse((root.bundle / "index.html").read_text(encoding="utf-8"))
    assert "No PDF: the Pango library is missing." in [one.text for one in index.all("p") if one["class"] == "warning"]
    assert not (root.bundle / "quality.pdf").exists()


def test_html_alone_makes_no_pdf(small):
    assert [one for one in small.hashes() if one.endswith(".pdf")] == []
    assert (
        "pdf"
        not in (small.bundle / "rfm.html")
        .read_text(encoding="utf-8")
        .partition("</style>")[2]
        .partition("<main>")[0]
        .lower()
    )


# --- the same again --------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_files_to_the_byte(small, twin):
    ours, theirs = small.hashes(), twin.hashes()
    assert set(ours) == set(theirs)
    assert {name for name in ours if ours[name] != theirs[name]} == set()


def test_the_same_page_gives_the_same_pdf_to_the_byte(sample, tmp_path):
    html = (sample.bundle / "quality.html").read_text(encoding="utf-8")
    render.write_pdf(html, tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == (sample.bundle / "quality.pdf").read_bytes()
