"""Action lists: the CSV and the workbook hold the same customers, exactly as the source writes them."""

from __future__ import annotations

import csv
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from crm_analysis import engine, methods
from crm_analysis.report.actions import write_actions

HAVE_ACTIONS = [name for name in methods.names() if name != "quality"]
every_list = pytest.mark.parametrize("method", HAVE_ACTIONS)

IDS = [
    "007", "7", "=1+1", "{=1+1}", "+86 138", "-12.50", "@SUM(A1)", " 1e5", "1e5", "1.10", "TRUE", "NULL", "NA", "#N/A", "", " ",
    "'x", '"q"', "a,b", "a;b", "a\nb", "a\rb", "a\tb", "\tTAB", "|cmd", "%0A", "http://x.y/z", "mailto:a@b.c", "internal:Sheet1!A1",
    "=HYPERLINK(\"http://x.y\")", "=cmd|'/c calc'!A0", "＝1+1", "客户-001", "\u202eabc", "\ufeffbom", "_x0041_", "9007199254740993",
    "12345678901234567890123", "x" * 300,
]  # fmt: skip


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def read_workbook(path: Path) -> list[list]:
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)


def written(folder: Path, frame: pd.DataFrame, list_rows: int = 10_000) -> tuple[Path, Path, tuple[int, int]]:
    connection = engine.connect(folder, "1GB")
    path = folder / "actions" / "x.csv"
    counts = write_actions(engine.as_table(frame, connection), path, list_rows, "EUR")
    connection.close()
    return path, path.with_suffix(".xlsx"), counts


def live_parts(path: Path) -> list[str]:
    """What of a workbook could run or reach out."""
    found = []
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if re.search(r"vba|externalLink|connections|activeX|embedding|customXml|macro", name, re.IGNORECASE):
                found.append(name)
            text = book.read(name).decode("utf-8")
            found += re.findall(
                r"<f[ >/]|<hyperlink|<ddeLink|<oleLink|TargetMode=\"External\"|<definedName name=\"(?!_xlnm\._Filter)",
                text,
            )
    return found


# --- the published lists ---------------------------------------------------------------------------------------------


@every_list
def test_the_list_has_as_many_rows_as_the_report_says_and_each_customer_once(sample, page, method):
    told = sample.summary(method)["actions"]
    rows = read_csv(sample.bundle / "actions" / f"{method}.csv")[1:]
    ids = [row[0] for row in rows]
    assert len(rows) == told["n_rows"] > 0
    assert len(set(ids)) == len(ids)
    assert f"{told['n_rows']:,} customers are on the list" in page(f"{method}.html").text
    assert f"({told['n_rows']:,} customers)" in page("index.html").text


@every_list
def test_the_ids_are_those_of_the_orders(sample, method):
    known = set(pd.read_parquet(sample.path / "warehouse" / "sample" / "orders.parquet")["customer_id"].dropna())
    assert {row[0] for row in read_csv(sample.bundle / "actions" / f"{method}.csv")[1:]} <= known


@every_list
def test_the_workbook_holds_the_first_rows_of_the_list(sample, method):
    told = sample.summary(method)["actions"]
    all_rows = read_csv(sample.bundle / "actions" / f"{method}.csv")
    head, *rows = read_workbook(sample.bundle / "actions" / f"{method}.xlsx")
    assert len(rows) == told["listed"] == min(told["n_rows"], 5000)
    assert [re.sub(r" \(EUR\)$", "", one) for one in head] == all_rows[0]
    for row, expected in zip(rows, all_rows[1:], strict=False):
        for found, text in zip(row, expected, strict=True):
            assert found == text if isinstance(found, str) else Decimal(str(found)) == Decimal(text)


def test_the_most_urgent_come_first(sample):
    rows = read_csv(sample.bundle / "actions" / "rfm.csv")
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    keys = [
        (int(p), -Decimal(a), c)
        for p, a, c in zip(frame["priority"], frame["net_amount"], frame["customer_id"], strict=True)
    ]
    assert keys == sorted(keys)


def test_the_list_says_of_each_customer_what_the_results_say(sample):
    rows = read_csv(sample.bundle / "actions" / "rfm.csv")
    listed = pd.DataFrame(rows[1:], columns=rows[0]).sort_values("customer_id", ignore_index=True)
    known = pd.read_parquet(sample.bundle / "data" / "rfm" / "customers.parquet")
    shared = [
        "customer_id",
        "segment",
        "r_score",
        "f_score",
        "m_score",
        "days_since_last_order",
        "n_orders",
        "net_amount",
    ]
    known = known[shared].astype(str).sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(listed[shared], known, check_dtype=False)


@every_list
def test_the_workbook_has_a_frozen_head_and_a_filter(sample, method):
    (sheet,) = openpyxl.load_workbook(sample.bundle / "actions" / f"{method}.xlsx").worksheets
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == sheet.dimensions
    heads = [cell.value for cell in sheet[1]]
    assert [one for one in heads if one.endswith("amount")] == []
    assert any(one.endswith("amount (EUR)") for one in heads)
    formats = {head: cell.number_format for head, cell in zip(heads, sheet[2], strict=True)}
    assert formats["customer_id"] == "@"
    assert {form for head, form in formats.items() if "amount" in head} == {"#,##0.00"}


@every_list
def test_nothing_in_the_workbook_acts(sample, method):
    path = sample.bundle / "actions" / f"{method}.xlsx"
    assert live_parts(path) == []
    assert {cell.data_type for row in openpyxl.load_workbook(path).active.iter_rows() for cell in row} <= {"s", "n"}


# --- any id ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", IDS, ids=ascii)
def test_an_id_is_in_both_files_as_it_is_in_the_source(tmp_path, one):
    table, book, _ = written(tmp_path, pd.DataFrame({"customer_id": [one], "priority": [1]}))
    assert read_csv(table)[1:] == [[one, "1"]]
    assert read_workbook(book)[1:] == [[one, 1.0]]
    assert live_parts(book) == []


texts = st.one_of(
    st.sampled_from(IDS), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), max_size=20)
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(texts, min_size=1, max_size=8, unique=True), cents=st.integers(-(10**11), 10**11))
@example(ids=IDS, cents=1)
def test_any_list_comes_back_from_both_files(tmp_path, ids, cents):
    amount = Decimal(cents) / 100
    frame = pd.DataFrame({"customer_id": ids, "reason": ids, "net_amount": [amount] * len(ids)})
    table, book, counts = written(tmp_path, frame)
    assert counts == (len(ids), len(ids))
    assert [(row[0], row[1], Decimal(row[2])) for row in read_csv(table)[1:]] == [(one, one, amount) for one in ids]
    assert [(row[0], row[1], Decimal(str(row[2]))) for row in read_workbook(book)[1:]] == [
        (one, one, amount) for one in ids
    ]
    assert live_parts(book) == []


def test_a_list_for_people_is_cut_and_the_one_for_machines_is_whole(tmp_path):
    frame = pd.DataFrame({"customer_id": [f"c{n:03}" for n in range(100)]})
    table, book, counts = written(tmp_path, frame, list_rows=7)
    assert counts == (100, 7)
    assert [row[0] for row in read_csv(table)[1:]] == list(frame["customer_id"])
    assert [row[0] for row in read_workbook(book)[1:]] == list(frame["customer_id"][:7])


def test_a_list_of_nobody_has_its_head(tmp_path):
    frame = pd.DataFrame({"customer_id": pd.Series([], dtype=str), "net_amount": pd.Series([], dtype=float)})
    table, book, counts = written(tmp_path, frame)
    assert counts == (0, 0)
    assert read_csv(table) == [["customer_id", "net_amount"]]
    assert read_workbook(book) == [["customer_id", "net_amount (EUR)"]]


def test_the_same_list_makes_the_same_files(tmp_path):
    frame = pd.DataFrame({"customer_id": IDS, "net_amount": [Decimal("1.10")] * len(IDS)})
    first = [path.read_bytes() for path in written(tmp_path, frame)[:2]]
    assert [path.read_bytes() for path in written(tmp_path, frame)[:2]] == first


def test_a_column_of_texts_is_formatted_as_text(tmp_path):
    _, book, _ = written(tmp_path, pd.DataFrame({"customer_id": ["1"], "reason": ["1e5"]}))
    (sheet,) = openpyxl.load_workbook(book).worksheets
    assert [cell.number_format for cell in sheet[2]] == ["@", "@"]


def test_columns_of_the_workbook_are_written_as_what_they_are(tmp_path):
    frame = pd.DataFrame(
        {
            "customer_id": ["007", "8"], "churn_prob": [0.25, 1.0], "at_risk_amount": [Decimal("1.50"), Decimal("2.00")],
            "n_orders": [1, 2], "expected_orders_12m": [Decimal("1.50"), Decimal("2.00")], "note": [None, None],
        }
    )  # fmt: skip
    _csv, path, _counts = written(tmp_path, frame)
    sheet = openpyxl.load_workbook(path).active
    found = {sheet.cell(1, n).value: sheet.column_dimensions[chr(64 + n)].number_format for n in range(1, 6)}
    assert found == {
        "customer_id": "@", "churn_prob": "0.0%", "at_risk_amount (EUR)": "#,##0.00", "n_orders": "#,##0",
        "expected_orders_12m": "#,##0.00",
    }  # fmt: skip
