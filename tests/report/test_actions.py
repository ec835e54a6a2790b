"""Action lists: the CSV and the workbook hold the same customers, exactly as the source writes them."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from projects import live_parts
from python_calamine import CalamineWorkbook

from crm_analysis import engine, language, methods
from crm_analysis.report.actions import HELD_BACK, MAX_LETTERS, Listed, Title, merge_actions, write_actions
from crm_analysis.schema import PRIORITIES, SIDES, Column, Shape, action_list

HAVE_ACTIONS = [name for name in methods.names() if hasattr(methods.load(name), "ACTIONS")]
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


def read_workbook(path: Path, sheet: int = 0) -> list[list]:
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(sheet).to_python(skip_empty_area=False)


TITLE = Title("x", "Shop", "October 2026", "EUR")
# The types of the columns of a test's list.
TYPES = {"customer_id": "id", "priority": "integer", "action": "text", "reason": "text", "n_orders": "integer"}


def shape_of(frame: pd.DataFrame) -> Shape:
    def kind(name: str) -> str:
        return TYPES.get(name, "money" if name.endswith("amount") else "fraction")

    return Shape("one row per customer", {name: Column(kind(name), name.replace("_", " ")) for name in frame.columns})


def written(folder: Path, frame: pd.DataFrame, list_rows: int = 10_000) -> tuple[Path, Path, Listed]:
    """A list's files; without priorities everybody's is 1."""
    frame = frame if "priority" in frame else frame.assign(priority=pd.Series([1] * len(frame), dtype="int64"))
    connection = engine.connect(folder, "1GB")
    path = folder / "actions" / "x.csv"
    for left in path.parent.glob("*"):
        left.unlink()
    listed = write_actions(engine.as_table(frame, connection), shape_of(frame), path, TITLE, list_rows)
    connection.close()
    return path, path.with_suffix(".xlsx"), listed


def read_both(path: Path) -> list[list[str]]:
    """The rows of a CSV and those that were held back from it, each without the head."""
    held = path.with_suffix(HELD_BACK)
    return [*read_csv(path)[1:], *(read_csv(held)[1:] if held.exists() else [])]


# --- the published lists ---------------------------------------------------------------------------------------------


@every_list
def test_the_list_has_as_many_rows_as_the_report_says_and_each_customer_once(sample, page, method):
    told = sample.summary(method)["actions"]
    rows = read_csv(sample.bundle / "actions" / f"{method}.csv")[1:]
    ids = [row[0] for row in rows]
    assert len(rows) == told["n_rows"] > 0
    assert len(set(ids)) == len(ids)
    assert f"{told['n_rows']:,} customers are on the list" in page(f"{method}.html").text
    assert f"Action list ({told['n_rows']:,})" in page("index.html").text
    assert sum(told["by_priority"].values()) == told["n_rows"] and told["held_back"] == 0


@every_list
def test_every_list_begins_alike_and_says_of_each_customer_what_to_do_and_why(sample, method):
    head, *rows = read_csv(sample.bundle / "actions" / f"{method}.csv")
    assert head == list(methods.load(method).ACTIONS.columns)
    assert head[:7] == ["customer_id", "segment", "priority", "stance", "action", "reason", "expected_amount"]
    for _, segment, priority, stance, action, reason, *_ in rows:
        assert segment and action and reason
        assert int(priority) in PRIORITIES and stance in SIDES


@every_list
def test_the_ids_are_those_of_the_source(sample, method):
    tables = [
        pd.read_parquet(sample.path / "warehouse" / "sample" / f"{one}.parquet") for one in ("orders", "customers")
    ]
    known = {one for table in tables for one in table["customer_id"].dropna()}
    assert {row[0] for row in read_csv(sample.bundle / "actions" / f"{method}.csv")[1:]} <= known


@every_list
def test_the_workbook_holds_the_first_rows_of_the_list(sample, method):
    told = sample.summary(method)["actions"]
    all_rows = read_csv(sample.bundle / "actions" / f"{method}.csv")
    _head, *rows = read_workbook(sample.bundle / "actions" / f"{method}.xlsx")
    assert len(rows) == told["listed"] == min(told["n_rows"], 5000)
    for row, expected in zip(rows, all_rows[1:], strict=False):
        for found, text in zip(row, expected, strict=True):
            assert found == text if isinstance(found, str) else Decimal(str(found)) == Decimal(text or "0")


def test_the_most_urgent_come_first(sample):
    rows = read_csv(sample.bundle / "actions" / "rfm.csv")
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    assert frame["priority"].is_monotonic_increasing
    for _, group in frame.groupby("segment"):
        keys = [(-Decimal(a), c) for a, c in zip(group["amount"], group["customer_id"], strict=True)]
        assert keys == sorted(keys)


def test_the_list_says_of_each_customer_what_the_results_say(sample):
    rows = read_csv(sample.bundle / "actions" / "rfm.csv")
    listed = pd.DataFrame(rows[1:], columns=rows[0]).sort_values("customer_id", ignore_index=True)
    known = pd.read_parquet(sample.bundle / "data" / "rfm" / "customers.parquet").rename(
        columns={"net_amount": "amount"}
    )
    shared = [
        "customer_id",
        "segment",
        "r_score",
        "f_score",
        "m_score",
        "days_since_last_order",
        "n_orders",
        "amount",
    ]
    known = known[shared].astype(str).sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(listed[shared], known, check_dtype=False)


@every_list
def test_the_workbook_is_made_for_people(sample, method):
    sheet, about = openpyxl.load_workbook(sample.bundle / "actions" / f"{method}.xlsx").worksheets
    shape = methods.load(method).ACTIONS
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.print_title_rows) == ("B2", sheet.dimensions, "$1:$1")
    heads = [cell.value for cell in sheet[1]]
    assert heads[:3] == ["Customer", sheet["B1"].value, "Priority, 1 first"]
    formats = dict(zip(shape.columns, [cell.number_format for cell in sheet[2]], strict=True))
    assert formats["customer_id"] == "@" and formats["priority"] == "#,##0"
    for name, column in shape.columns.items():
        if column.type == "money":
            # Where nothing is known a cell is not written.
            is_written = sheet.cell(2, 1 + list(shape.columns).index(name)).value is not None
            assert formats[name] == "#,##0.00" or not is_written
            assert heads[list(shape.columns).index(name)].endswith(" (EUR)")
        if name.endswith("_prob"):
            assert formats[name] == "0.0%"
    explained = [[cell.value for cell in row] for row in about.iter_rows()]
    for name, column in shape.columns.items():
        (row,) = [one for one in explained if one[1] == name and one[2]]
        assert row[2] == (column.detail or column.meaning) and row[0] in heads
    assert {(str(one), text, None) for one, text in PRIORITIES.items()} <= {tuple(one) for one in explained}


@every_list
def test_nothing_in_the_workbook_acts(sample, method):
    path = sample.bundle / "actions" / f"{method}.xlsx"
    assert live_parts(path) == []
    sheets = openpyxl.load_workbook(path).worksheets
    assert {cell.data_type for sheet in sheets for row in sheet.iter_rows() for cell in row} <= {"s", "n"}


# --- all lists as one ------------------------------------------------------------------------------------------------


def merged_by_hand(lists: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """Per customer the winner, and whether the methods see the customer alike."""
    advice: dict[str, list] = {}
    for place, (name, frame) in enumerate(lists.items()):
        for row in frame.to_dict("records"):
            worth = row["expected_amount"]
            key = (row["priority"], -(worth if worth == worth and worth is not None else 0), place)
            advice.setdefault(row["customer_id"], []).append((key, name, row))
    told = {}
    for customer, all_of_them in advice.items():
        _, name, first = min(all_of_them, key=lambda one: one[0])
        sides = {SIDES[row["stance"]] for *_, row in all_of_them}
        agreement = "they agree" if len(sides) == 1 else "they disagree"
        told[customer] = {
            "priority": first["priority"], "action": first["action"], "method": name, "n_methods": len(all_of_them),
            "agreement": agreement if len(all_of_them) > 1 else "one report only",
            **{name: f"{row['priority']} · {row['action']}" for _, name, row in all_of_them},
        }  # fmt: skip
    return told


advices = st.lists(
    st.tuples(
        st.sampled_from("abcdefg"), st.sampled_from(list(PRIORITIES)), st.sampled_from(list(SIDES)),
        st.one_of(st.none(), st.integers(-50, 50)),
    ),
    max_size=7, unique_by=lambda one: one[0],
)  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(st.lists(advices, min_size=1, max_size=3))
def test_the_most_urgent_advice_wins_and_disagreement_is_told(many):
    lists = {
        f"m{number}": pd.DataFrame(
            [(*one[:3], f"do {number}{one[0]}", "why", None if one[3] is None else Decimal(one[3])) for one in rows],
            columns=["customer_id", "priority", "stance", "action", "reason", "expected_amount"],
        ).astype({"priority": "int64", "customer_id": "str", "stance": "str", "action": "str", "reason": "str"})
        for number, rows in enumerate(many)
    }
    arrow = {
        name: pa.Table.from_pandas(frame, preserve_index=False).cast(
            pa.schema(
                [(one, pa.decimal128(18, 2) if one == "expected_amount" else pa.int64() if one == "priority" else pa.string())
                 for one in frame.columns]
            )
        )
        for name, frame in lists.items()
    }  # fmt: skip
    table, shape = merge_actions({name: engine.as_table(one) for name, one in arrow.items()})
    frame = engine.collect(table, 100)
    shape.check(frame.columns)
    found = {
        row["customer_id"]: {key: one for key, one in row.items() if not pd.isna(one)}
        for row in frame.to_dict("records")
    }
    expected = merged_by_hand(lists)
    assert set(found) == set(expected)
    for customer, wanted in expected.items():
        assert {key: found[customer].get(key) for key in wanted} == wanted
    keys = [(one["priority"], -(one.get("expected_amount") or 0), who) for who, one in found.items()]
    assert keys == sorted(keys)


def test_the_merged_list_of_the_month_has_every_listed_customer_once(sample, page):
    head, *rows = read_csv(sample.bundle / "actions" / "all.csv")
    ids = [row[0] for row in rows]
    everybody = {row[0] for name in HAVE_ACTIONS for row in read_csv(sample.bundle / "actions" / f"{name}.csv")[1:]}
    assert len(ids) == len(set(ids)) and set(ids) == everybody
    n_disagree = sum(row[head.index("agreement")] == "they disagree" for row in rows)
    assert n_disagree > 0
    assert f"They disagree about {n_disagree:,} of them" in page("index.html").text
    sheet, about = openpyxl.load_workbook(sample.bundle / "actions" / "all.xlsx").worksheets
    assert sheet.max_row == min(len(rows), 5000) + 1
    explained = {row[0].value: row[1].value for row in about.iter_rows()}
    assert explained["customers about whom the reports disagree"] == f"{n_disagree:,}"
    assert live_parts(sample.bundle / "actions" / "all.xlsx") == []


def test_a_chinese_list_is_for_chinese_people(chinese):
    sheet, about = openpyxl.load_workbook(chinese.bundle / "actions" / "rfm.xlsx").worksheets
    assert (sheet.title, about.title, sheet["A1"].value) == ("行动名单", "列说明", "客户")
    assert {cell.value for cell in sheet["B"][1:]} <= {*map(zh, methods.load("rfm").SEGMENTS)}
    # Codes for machines stay what they are in every language.
    assert {row[1] for row in read_csv(chinese.bundle / "actions" / "rfm.csv")[1:]} <= set(methods.load("rfm").SEGMENTS)


def zh(text: str) -> str:
    language.use("zh")
    try:
        return language._(text)
    finally:
        language.use("en")


# --- any id ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", IDS, ids=ascii)
def test_an_id_is_in_both_files_as_it_is_in_the_source(tmp_path, one):
    table, book, _ = written(tmp_path, pd.DataFrame({"customer_id": [one], "priority": [1]}))
    assert read_both(table) == [[one, "1"]]
    assert read_workbook(book)[1:] == [[one, 1.0]]
    assert live_parts(book) == []


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could take it for a formula; reckoned without a pattern."""
    bare = text.lstrip(" \"'\ufeff\xa0\u3000")
    digits = text.removeprefix("-").replace(".", "", 1)
    is_number = (
        digits.isascii() and digits.isdigit() and not text.removeprefix("-").startswith(".") and not text.endswith(".")
    )
    return bare[:1] in set("=+-@\t\r\n|%＝＋－＠") - {""} and bool(bare) and not is_number


texts = st.one_of(
    st.sampled_from(IDS), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), max_size=20)
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(texts, min_size=1, max_size=8, unique=True), cents=st.integers(-(10**11), 10**11))
@example(ids=IDS, cents=1)
def test_any_list_comes_back_from_both_files(tmp_path, ids, cents):
    amount = Decimal(cents) / 100
    frame = pd.DataFrame({"customer_id": ids, "reason": ids, "net_amount": [amount] * len(ids)})
    table, book, listed = written(tmp_path, frame)
    held = [one for one in ids if is_formula(one)]
    assert (listed.n_rows, listed.listed, listed.held_back) == (len(ids), len(ids), len(held))
    assert [row[0] for row in read_csv(table)[1:]] == [one for one in ids if one not in held]
    assert sorted((row[0], row[1], Decimal(row[2])) for row in read_both(table)) == sorted(
        (one, one, amount) for one in ids
    )
    assert [(row[0], row[1], Decimal(str(row[2]))) for row in read_workbook(book)[1:]] == [
        (one, one, amount) for one in ids
    ]
    assert live_parts(book) == []


def test_a_list_for_people_is_cut_and_the_one_for_machines_is_whole(tmp_path):
    frame = pd.DataFrame({"customer_id": [f"c{n:03}" for n in range(100)]})
    table, book, listed = written(tmp_path, frame, list_rows=7)
    assert (listed.n_rows, listed.listed, listed.by_priority) == (100, 7, {1: 100})
    assert [row[0] for row in read_csv(table)[1:]] == list(frame["customer_id"])
    assert [row[0] for row in read_workbook(book)[1:]] == list(frame["customer_id"][:7])


def test_a_list_of_nobody_has_its_head(tmp_path):
    frame = pd.DataFrame({"customer_id": pd.Series([], dtype=str), "net_amount": pd.Series([], dtype=float)})
    table, book, listed = written(tmp_path, frame)
    assert (listed.n_rows, listed.listed, listed.by_priority) == (0, 0, {})
    assert read_csv(table) == [["customer_id", "net_amount", "priority"]]
    assert read_workbook(book) == [["Customer id", "Net amount (EUR)", "Priority"]]


def test_the_same_list_makes_the_same_files(tmp_path):
    frame = pd.DataFrame({"customer_id": IDS, "net_amount": [Decimal("1.10")] * len(IDS)})
    first = [path.read_bytes() for path in written(tmp_path, frame)[:2]]
    assert [path.read_bytes() for path in written(tmp_path, frame)[:2]] == first


def test_a_column_of_texts_is_formatted_as_text(tmp_path):
    _, book, _ = written(tmp_path, pd.DataFrame({"customer_id": ["1"], "reason": ["1e5"]}))
    sheet = openpyxl.load_workbook(book).worksheets[0]
    assert [cell.number_format for cell in sheet[2]][:2] == ["@", "@"]


def test_a_list_of_another_shape_is_refused(tmp_path):
    frame = pd.DataFrame({"customer_id": ["1"], "priority": [1]})
    connection = engine.connect(tmp_path, "1GB")
    with pytest.raises(ValueError, match="expected the columns"):
        write_actions(engine.as_table(frame, connection), Shape("", {}), tmp_path / "x.csv", TITLE, 1)


# --- lists of the common shape ---------------------------------------------------------------------------------------

# Texts that must not be in a CSV, for a spreadsheet would run or change them; and those that only look odd.
TRIGGERS = [
    "=1+1", "+86 138", "@SUM(A1)", "\tTAB", "\rCR", "\nLF", "|cmd", "%0A", "=HYPERLINK(\"http://x.y\")", "=cmd|'/c calc'!A0",
    "＝1+1", "＋1", "－1", "＠x", "-name", "- 5", "-1e5", "-5\n", "+5", " =1", '"=1', "'=1", "' \"=1", "\ufeff=1", "\u3000=1", "\xa0+1",
]  # fmt: skip
HARMLESS = [
    "007", " 7", "7", "-12.50", "-0", "1e5", " 1e5", "1.10", "TRUE", "NULL", "NA", "#N/A", "", " ", "'x", '"q"', "a,b", "a;b", "a\nb",
    "a\rb", "a\tb", "a=1", "{=1+1}", "http://x.y/z", "mailto:a@b.c", "internal:Sheet1!A1", "客户1", "客户-001", "\u202eabc",
    "\ufeffbom", "_x0041_", "9007199254740993", "12345678901234567890123", "x" * 300, "🦊𠮷",
]  # fmt: skip
TEXTS = action_list(Column("text", "segment"), "worth", {"note": Column("text", "note"), "code": Column("id", "code")})


def read_frame(path: Path) -> pd.DataFrame:
    names, *rows = read_csv(path)
    return pd.DataFrame(rows, columns=names)


def advice(ids: list[str], **columns: object) -> pd.DataFrame:
    """A list in the shape of TEXTS: of each customer the same, but for ``columns``."""
    usual = {"segment": "s", "priority": 1, "stance": "keep", "action": "call", "reason": "why"}
    rest = {"expected_amount": Decimal("1.50"), "note": "n", "code": "c"}
    return pd.DataFrame({"customer_id": ids, **usual, **rest, **columns})[list(TEXTS.columns)]


@pytest.fixture
def write(tmp_path, connection):
    """``write(frame, shape)``: the CSV, and what became of the list."""

    def write(frame: pd.DataFrame, shape: Shape = TEXTS, list_rows: int = 10_000):
        path = tmp_path / "actions" / "x.csv"
        return path, write_actions(engine.as_table(frame, connection), shape, path, TITLE, list_rows)

    return write


@pytest.mark.parametrize("column", ["segment", "action", "reason", "note", "code"])
def test_a_row_is_held_back_for_any_of_its_texts(write, column):
    frame = advice([f"c{n}" for n in range(len(TRIGGERS + HARMLESS))], **{column: TRIGGERS + HARMLESS})
    path, listed = write(frame)
    kept, aside = read_frame(path), read_frame(path.with_suffix(HELD_BACK))
    assert list(kept[column]) == HARMLESS
    assert list(aside[column]) == TRIGGERS
    assert (listed.n_rows, listed.listed, listed.held_back) == (len(frame), len(frame), len(TRIGGERS))
    place = list(frame.columns).index(column)
    assert [row[place] for row in read_workbook(path.with_suffix(".xlsx"))[1:]] == TRIGGERS + HARMLESS
    assert live_parts(path.with_suffix(".xlsx")) == []


texts = st.one_of(
    st.sampled_from(TRIGGERS + HARMLESS),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), max_size=20),
)


def test_rows_that_are_held_back_are_told_on_the_second_sheet(write):
    path, _listed = write(advice(["=1", "a", "b"]))
    lines = [row for row in read_workbook(path.with_suffix(".xlsx"), 1) if "held back" in str(row[0])]
    assert [row[1] for row in lines] == ["1"]
    path, _listed = write(advice(["a", "b"]))
    assert not path.with_suffix(HELD_BACK).exists()
    assert not [row for row in read_workbook(path.with_suffix(".xlsx"), 1) if "held back" in str(row[0])]


def test_a_text_that_no_cell_can_hold_is_cut_where_one_sees_it(write):
    path, _listed = write(advice(["a"], note=["x" * 40_000]))
    assert read_workbook(path.with_suffix(".xlsx"))[1][7] == "x" * MAX_LETTERS + "…"
    assert read_frame(path)["note"][0] == "x" * 40_000


def test_a_long_list_keeps_its_order_and_its_bytes(tmp_path, connection):
    """The engine works on parts of it side by side."""
    n = 100_000
    place = np.random.Generator(np.random.PCG64(1)).permutation(n)
    frame = advice([f"c{one}" for one in place], priority=1 + place // (n // 4), code=[f"{one:06}" for one in place])
    # As the list of all reports has it: from files, whose rows the engine reads side by side.
    engine.write_parquet(engine.as_table(frame, connection), tmp_path / "x.parquet")
    actions = engine.read_parquet(connection, tmp_path / "x.parquet").sort("priority", "code")
    path = tmp_path / "x.csv"
    listed = write_actions(actions, TEXTS, path, TITLE, 10)
    assert listed.by_priority == dict.fromkeys(PRIORITIES, n // 4)
    first = path.read_bytes()
    assert list(read_frame(path)["customer_id"]) == [f"c{one}" for one in range(n)]
    assert [row[0] for row in read_workbook(path.with_suffix(".xlsx"))[1:]] == [f"c{one}" for one in range(10)]
    write_actions(actions, TEXTS, path, TITLE, 10)
    assert path.read_bytes() == first


@pytest.mark.parametrize("priority", [0, 5])
def test_a_priority_beyond_the_scale_is_refused(write, priority):
    with pytest.raises(ValueError, match="priorities are"):
        write(advice(["a", "b"], priority=[1, priority]))


def test_columns_are_written_as_what_they_are(write):
    own = {
        "churn_prob": (Column("fraction", "probability"), [0.25, None], "0.0%"),
        "n_orders": (Column("integer", "orders"), [1200, 2], "#,##0"),
        "affinity": (Column("fraction", "affinity"), [1.5, 2.0], "#,##0.00"),
        "tenure_months": (Column("quantity", "months"), [12.0, 7.5], "#,##0.0"),
    }
    shape = action_list(Column("label", "segment"), "worth", {name: column for name, (column, *_) in own.items()})
    frame = advice(["007", "8"]).assign(**{name: numbers for name, (_, numbers, _) in own.items()})
    path, _listed = write(frame[list(shape.columns)], shape)
    sheet = openpyxl.load_workbook(path.with_suffix(".xlsx")).worksheets[0]
    forms = ["@", "@", "#,##0", "@", "@", "@", "#,##0.00", *(form for *_, form in own.values())]
    assert [cell.number_format for cell in sheet[2]] == forms
    assert [cell.value for cell in sheet[3]][7:] == [None, 2, 2, 7.5]


def test_labels_are_translated_for_people_and_coded_for_machines(write):
    language.use("zh")
    try:
        path, _listed = write(advice(["a", "b"], stance=["win back", "keep"], action="keep"))
    finally:
        language.use("en")
    assert list(read_frame(path)["stance"]) == ["win back", "keep"]
    book = CalamineWorkbook.from_path(str(path.with_suffix(".xlsx")))
    _head, *rows = book.get_sheet_by_index(0).to_python()
    assert [row[3] for row in rows] == [zh("win back"), zh("keep")] != ["win back", "keep"]
    # What is no label stays as it is.
    assert [row[4] for row in rows] == ["keep", "keep"]
    assert [zh("keep"), "keep"] in [row[:2] for row in book.get_sheet_by_index(1).to_python()]


def test_where_reports_disagree_is_counted_and_coloured(tmp_path, connection):
    first = advice(["a", "b", "c"], stance=["win back", "leave alone", "keep"])
    second = advice(["a", "b", "c", "d"], stance=["grow", "leave alone", "welcome", "keep"], priority=2)
    lists = {name: engine.as_table(one, connection) for name, one in (("rfm", first), ("ltv", second))}
    files = []
    for folder in ("first", "second"):
        path = tmp_path / folder / "all.csv"
        listed = write_actions(*merge_actions(lists), path, TITLE, 5000)
        files.append([one.read_bytes() for one in (path, path.with_suffix(".xlsx"))])
    assert files[0] == files[1]
    frame = read_frame(path)
    told = dict(zip(frame["customer_id"], frame["agreement"], strict=True))
    assert told == {"a": "they disagree", "b": "they agree", "c": "they agree", "d": "one report only"}
    assert listed.n_disagree == 1
    sheet = openpyxl.load_workbook(path.with_suffix(".xlsx")).worksheets[0]
    letter = openpyxl.utils.get_column_letter(list(frame.columns).index("agreement") + 1)
    rules = {str(one.sqref): [rule.formula for rule in one.rules] for one in sheet.conditional_formatting}
    assert rules == {"B2:B5": [["1"], ["2"]], f"{letter}2:{letter}5": [['"they disagree"']]}
