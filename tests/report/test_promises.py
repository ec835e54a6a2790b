"""What is promised of every run: audited, atomic, telling, early to fail, and silent about persons."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import nbformat
import openpyxl
import pyarrow.parquet
import pypdf
import pytest
from hostile import persons
from projects import code_cells

from crm_analysis.errors import ReportError
from crm_analysis.report import bundle, execute

# A cell of notebooks/quality.ipynb with code.
LATE = code_cells("quality")[-2]


# --- audited: a notebook that did not run as it should is no report --------------------------------------------------


def code_of(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def died(notebook) -> None:
    """A kernel that dies can leave a notebook whose cells from there on have no number and no error."""
    for cell in code_of(notebook)[-9:]:
        cell.execution_count, cell.outputs = None, []


def stopped(notebook) -> None:
    code_of(notebook)[-1].execution_count = None


def failed(notebook) -> None:
    code_of(notebook)[-2].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[])]


def cut(notebook) -> None:
    notebook.cells.remove(code_of(notebook)[5])


def out_of_order(notebook) -> None:
    first, second = code_of(notebook)[4:6]
    first.execution_count, second.execution_count = second.execution_count, first.execution_count


@pytest.fixture
def executed(small, monkeypatch):
    """The executed notebook of RFM, and the folder of what it made."""
    monkeypatch.setenv("CRM_RUN_ID", small.manifest()["reports"]["rfm"]["fingerprint"][:12])
    notebook = nbformat.read(small.bundle / "notebooks" / "rfm.ipynb", as_version=4)
    execute.audit(notebook, "rfm", small.bundle)
    return copy.deepcopy(notebook), small.bundle


@pytest.mark.parametrize("fault", [died, stopped, failed, cut, out_of_order])
def test_five_of_five_faulty_notebooks_are_refused(executed, fault, refused):  # B2
    notebook, bundle = executed
    fault(notebook)
    with refused(ReportError, "E-AUD-1"):
        execute.audit(notebook, "rfm", bundle)


def test_a_notebook_of_another_run_is_refused(executed, monkeypatch, refused):  # B2
    monkeypatch.setenv("CRM_RUN_ID", "another run")
    with refused(ReportError, "E-AUD-1"):
        execute.audit(executed[0], "rfm", executed[1])


# --- a failure stays a failure ---------------------------------------------------------------------------------------


def test_a_failure_leaves_the_month_and_fails_again(root, command, monkeypatch):  # B3
    before = root.hashes()
    (root.path / "warehouse" / "sample" / "orders.parquet").write_bytes(b"")
    monkeypatch.setattr(bundle, "run_each", None)
    assert [command(root).failed(6, "E-DB-1 ") for _ in range(2)] == [True, True]
    assert root.hashes() == before
    assert {one.name for one in root.reports.iterdir()} == {".lock", "2026-10", "index.html"}


def test_a_wrong_parameter_starts_no_kernel(make_root, command, ran, monkeypatch):  # B11
    fresh = make_root(True)
    for overrides in (("MNOTH=1",), ("MONTH=2026-13",), ("SOURCE=none",), ("METHODS=none",), ("FORMATS=docx",)):
        assert command(fresh, *overrides).failed(2, "E-PAR-")
    fresh.write_params("ltv", "discount_rate: 2")
    assert command(fresh).failed(2, "E-PAR-3 file=params/ltv.yml")
    assert ran == []
    assert not (fresh.path / "warehouse").exists()


# --- telling ---------------------------------------------------------------------------------------------------------


def facts_of(top) -> dict[str, str]:
    """The names and values of a page, two by two."""
    return {
        name.text: value.text
        for block in top.all("dl")
        if block["class"] == "facts"
        for name, value in zip(block.all("dt"), block.all("dd"), strict=True)
    }


def promised(root, method: str) -> dict[str, list[str]]:
    """The twelve things that a report says of itself, and how they must read."""
    manifest = root.manifest()
    ledger = pyarrow.parquet.read_table(root.database / "ledger.parquet").to_pylist()
    month = manifest["month"]

    def count(*fates: str) -> int:
        """Rows of these fates; what is dated after the month is out of its window."""
        later = [row for row in ledger if row["fate"] == "used" and (row["ordered_month"] or "") > month]
        n = sum(row["n_rows"] for row in ledger if row["fate"] in fates)
        return n - sum(row["n_rows"] for row in later) if fates == ("used",) else n

    reasons = Counter()
    for row in ledger:
        reasons[row["reason"]] += row["n_rows"] if row["fate"] == "rejected" else 0
    commonest = min(filter(None, reasons), key=lambda one: (-reasons[one], one))
    return {
        "run": [manifest["reports"][method]["fingerprint"][:12]],
        "files": [f"{one['label']} ({one['sha256'][:12]})" for one in manifest["inputs"]],
        "rows read": [f"{sum(row['n_rows'] for row in ledger):,}"],
        "used": [f"{count('used'):,}"],
        "could not be read": [f"{count('rejected'):,}", commonest],
        "warnings of the data": [f"{manifest['rows']['warnings']:,}"],
        "versions": [
            f"duckdb {manifest['versions']['duckdb']}",
            f"crm-analysis {manifest['versions']['crm-analysis']}",
        ],
        "currency": [manifest["currency"]],
        "time zone": ["Europe/"],
        "period": ["20"],
        "as of": ["20"],
        "data from": ["20"],
    }


def test_a_report_tells_the_twelve_things_of_itself(sample, page):  # B10
    found = facts_of(page("rfm.html"))
    wanted = promised(sample, "rfm")
    assert len(wanted) == 12
    assert {name: [one for one in words if one not in found[name]] for name, words in wanted.items()} == {
        name: [] for name in wanted
    }
    bare = "".join("".join(one.extract_text() for one in pypdf.PdfReader(sample.bundle / "rfm.pdf").pages).split())
    for words in wanted.values():
        assert [one for one in words if "".join(one.split()) not in bare] == []


def test_a_report_tells_why_rows_were_left_out(hostile, parse):  # B10
    found = facts_of(parse((hostile.bundle / "rfm.html").read_text(encoding="utf-8")))
    ledger = pyarrow.parquet.read_table(hostile.database / "ledger.parquet").to_pylist()
    n = sum(row["n_rows"] for row in ledger if row["fate"] == "rejected")
    assert n >= 60
    assert all(one in found["could not be read"] for one in (f"{n}: ", "E-DATE-1 ordered_at (20)", "(20)"))


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["rfm", "ctb"])
def test_a_list_holds_what_the_report_says(hostile, parse, method):  # B14
    told = hostile.summary(method)["actions"]
    rows = []
    for path in hostile.bundle.glob(f"actions/{method}.*"):
        if path.suffix != ".xlsx":
            with path.open(encoding="utf-8", newline="") as file:
                rows += list(csv.reader(file))[1:]
    ids = [row[0] for row in rows]
    assert (len(ids), len(set(ids))) == (told["n_rows"], told["n_rows"])
    page = parse((hostile.bundle / f"{method}.html").read_text(encoding="utf-8"))
    assert f"{told['n_rows']} customers are on the list" in page.text
    book = openpyxl.load_workbook(hostile.bundle / "actions" / f"{method}.xlsx").worksheets[0]
    assert sorted(str(row[0].value) for row in book.iter_rows(min_row=2)) == sorted(ids)


# --- no silent defaults ----------------------------------------------------------------------------------------------


def test_every_repair_has_its_count_on_the_quality_page(hostile, parse):  # B18
    found = parse((hostile.bundle / "quality.html").read_text(encoding="utf-8"))
    rows = [[cell.text for cell in row.all("th", "td")] for row in found.all("tr")]
    completeness = pyarrow.parquet.read_table(hostile.database / "completeness.parquet").to_pylist()
    repaired = Counter()
    for one in completeness:
        if (one["month"] or "") <= hostile.bundle.name:
            repaired[one["table"], one["column"]] += one["n_repaired"]
    assert +repaired
    for place, n in (+repaired).items():
        assert any({*place, f"{n:,}"} <= set(row) for row in rows), place


def test_every_warning_has_its_count_on_the_quality_page(hostile, parse):  # B18
    found = parse((hostile.bundle / "quality.html").read_text(encoding="utf-8"))
    cells = {cell.text for cell in found.all("th", "td")}
    warnings = pyarrow.parquet.read_table(hostile.database / "warnings.parquet").to_pylist()
    for one in warnings:
        assert f"{one['n_rows']:,}" in cells, one
    assert len(warnings) == int(facts_of(found)["warnings of the data"])


@pytest.mark.parametrize("month", ["small", "hostile"])
def test_a_run_says_nothing_beside_what_it_did(request, month):  # B18
    """Neither the command nor a notebook shows a warning of Python's or of a library's."""
    root = request.getfixturevalue(month)
    assert root.err == ""
    for path in root.bundle.glob("notebooks/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert [one.output_type for one in cell.get("outputs", []) if one.output_type == "stream"] == [], path.name


# --- persons ---------------------------------------------------------------------------------------------------------


def contents(path: Path) -> list[bytes]:
    """The bytes of a file, and of what is packed in it."""
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        return [raw, json.dumps(pyarrow.parquet.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()]
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(raw)) as book:
            return [raw, *(book.read(one) for one in book.namelist())]
    return [raw, gzip.decompress(raw)] if raw[:2] == b"\x1f\x8b" else [raw]


def canaries() -> list[str]:
    """Every spelling by which one of the planted persons could be found."""
    found = ["Canary", "Wilhelmine"]
    for name, phone, email in persons():
        found += [name, email, phone, phone.replace(" ", ""), phone.replace(" ", "").removeprefix("+49")]
    return found


def test_no_person_is_in_any_byte_of_what_is_published(hostile):
    """Planted in columns that the contract does not name, and in rows that are rejected."""
    wanted = [one.encode(code) for one in canaries() for code in ("utf-8", "utf-16-le")]
    everything = [path for path in hostile.reports.rglob("*") if path.is_file()]
    assert {path.suffix for path in everything} >= {".html", ".ipynb", ".json", ".csv", ".parquet", ".xlsx", ".svg"}
    for path in everything:
        for content in contents(path):
            assert [one for one in wanted if one in content] == [], path
    # They were there to be found: the customer database keeps the rejected rows for whoever mends the source.
    rejects = pyarrow.parquet.read_table(hostile.database / "rejects.parquet").column("raw_text").to_pylist()
    assert sum("Canary" in one for one in rejects) >= 20
    assert hostile.out and not any(one in hostile.out + hostile.err for one in canaries())


def test_what_a_cell_says_when_it_fails_names_no_person(root, command):
    name, phone, email = persons()[0]
    root.hollow_notebook("quality", {LATE: f"raise ValueError({name!r} + '\\n\\n' + {phone!r} + '\\r' + {email!r})"})
    done = command(root)
    assert done.failed(5, f"E-RPT-1 file=quality.ipynb rows=cell {LATE} fix=ValueError in this cell")
    assert not any(one in done.out + done.err for one in canaries())
    assert not [path for path in root.reports.rglob("*") if path.is_file() and b"Canary000" in path.read_bytes()]


def test_a_fault_of_the_program_names_no_person_and_the_lines_that_it_came_through(root, command, monkeypatch):
    def fail(*_):
        raise KeyError(persons()[0][0])

    monkeypatch.setattr("crm_analysis.report.publish.resolve_month", fail)
    done = command(root)
    assert done.failed(1, "E-BUG-1 file=__main__.py:")
    assert "report/publish.py:" in done.err and "KeyError" in done.err
    assert not any(one in done.err for one in canaries())


# --- one figure, one number ------------------------------------------------------------------------------------------


def test_a_figure_is_the_same_in_every_report(sample):
    """What several tables of the bundle call by one name is one number, a month and a year ago, too."""
    data = {one: pyarrow.parquet.read_table(sample.bundle / "data" / f"{one}.parquet").to_pandas() for one in (
        "index/months", "overview/months", "sales/totals", "sales/months", "lifecycle/rates", "lifecycle/stages", "cpm/groups",
        "rfm/segments", "value_matrix/quadrants", "decile/all_time",
    )}  # fmt: skip
    months = data["index/months"].set_index("month")
    totals = data["sales/totals"].set_index("period")
    for period, back in (("month", 1), ("last month", 2), ("same month last year", 13)):
        index = months.iloc[-back]
        one = totals.loc[period]
        assert one["amount"] == index["net_amount"]
        assert (one["n_orders"], one["n_customers"]) == (index["n_orders"], index["n_customers"])
        assert one["average_order_amount"] == pytest.approx(index["average_order_amount"], rel=1e-12)
        assert one["returned_share"] == pytest.approx(index["returned_share"], rel=1e-12)
    sold = data["sales/months"].set_index("month")["amount"]
    assert sold.loc[months.index].tolist() == months["net_amount"].tolist()
    overview = data["overview/months"].set_index("month")
    shared = [one for one in months.columns if one in overview]
    assert overview[shared].astype(float).equals(months[shared].astype(float))
    rates = data["lifecycle/rates"].set_index("month")
    assert overview.loc[rates.index, "n_lapsed"].astype(int).tolist() == rates["n_lapsed"].tolist()
    assert months.loc[rates.index, "n_new_customers"].tolist() == rates["n_new"].tolist()
    groups = [data[one] for one in ("rfm/segments", "value_matrix/quadrants", "cpm/groups", "decile/all_time")]
    assert len({int(one["n_customers"].sum()) for one in groups}) == 1
    stages = data["lifecycle/stages"].set_index("stage")
    assert stages.drop("prospect")["n_customers"].sum() == groups[0]["n_customers"].sum()
