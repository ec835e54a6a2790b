"""Action lists: CSV and workbook hold the same customers, exactly as the source writes them; and one list of all methods."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from crm_analysis import engine, language, methods
from crm_analysis.language import _
from crm_analysis.report.actions import HELD_BACK, MAX_LETTERS, Title, merge_actions, write_actions
from crm_analysis.report.elements import head
from crm_analysis.schema import PRIORITIES, SIDES, Column, Shape, action_list

HAVE_ACTIONS = [name for name in methods.names() if name != "quality"]
every_list = pytest.mark.parametrize("method", HAVE_ACTIONS)
every_file = pytest.mark.parametrize("name", [*HAVE_ACTIONS, "all"])
COMMON = ["customer_id", "segment", "priority", "stance", "action", "reason", "expected_amount"]

# Ids that must not be in a CSV, for a spreadsheet would run or change them; and those that only look odd.
TRIGGERS = [
    "=1+1", "+86 138", "@SUM(A1)", "\tTAB", "\rCR", "\nLF", "|cmd", "%0A", "=HYPERLINK(\"http://x.y\")", "=cmd|'/c calc'!A0",
    "＝1+1", "＋1", "－1", "＠x", "-name", "- 5", "-1e5", "-5\n", "+5", " =1", '"=1', "'=1", "' \"=1", "\ufeff=1", "\u3000=1", "\xa0+1",
]  # fmt: skip
HARMLESS = [
    "007", " 7", "7", "-12.50", "-0", "1e5", " 1e5", "1.10", "TRUE", "NULL", "NA", "#N/A", "", " ", "'x", '"q"', "a,b", "a;b", "a\nb",
    "a\rb", "a\tb", "a=1", "{=1+1}", "http://x.y/z", "mailto:a@b.c", "internal:Sheet1!A1", "客户1", "客户-001", "\u202eabc",
    "\ufeffbom", "_x0041_", "9007199254740993", "12345678901234567890123", "x" * 300, "🦊𠮷",
]  # fmt: skip
IDS = [*TRIGGERS, *HARMLESS]
TITLE = Title("x", "Harbour", "October 2026", "EUR")
TEXTS = action_list(Column("text", "segment"), "worth", {"note": Column("text", "note"), "code": Column("id", "code")})


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def read_frame(path: Path) -> pd.DataFrame:
    head, *rows = read_csv(path)
    return pd.DataFrame(rows, columns=head)


def read_workbook(path: Path, sheet: int = 0) -> list[list]:
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(sheet).to_python(skip_empty_area=False)


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


@pytest.fixture
def in_chinese() -> Iterator[None]:
    language.use("zh")
    yield
    language.use("en")


def live_parts(path: Path) -> list[str]:
    """What of a workbook could run or reach out."""
    found = []
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if re.search(r"vba|externalLink|connections|activeX|embedding|customXml|macro", name, re.IGNORECASE):
                found.append(name)
            text = book.read(name).decode("utf-8")
            found += re.findall(
                r"<f[ >/]|<hyperlink|<ddeLink|<oleLink|TargetMode=\"External\""
                r"|<definedName name=\"(?!_xlnm\.(?:_FilterDatabase|Print_Titles)\")",
                text,
            )
    return found


def could_be_formula(text: str) -> bool:
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return False
    return text.lstrip(" \"'\ufeff\xa0\u3000")[:1] in tuple("=+-@\t\r\n|%＝＋－＠")


# --- the published lists ---------------------------------------------------------------------------------------------


@every_list
def test_the_list_has_as_many_rows_as_the_report_says_and_each_customer_once(sample, page, method):
    told = sample.summary(method)["actions"]
    ids = list(read_frame(sample.bundle / "actions" / f"{method}.csv")["customer_id"])
    assert (len(ids), told["held_back"]) == (told["n_rows"], 0)
    assert len(set(ids)) == len(ids) > 0
    shown = page(f"{method}.html")
    assert f"{told['n_rows']:,} customers are on the list" in shown.text
    assert f"({told['n_rows']:,})" in page("index.html").text
    assert {f"actions/{method}.csv", f"actions/{method}.xlsx"} <= {one["href"] for one in shown.all("a")}
    for number, n in told["by_priority"].items():
        assert f"{number} – {PRIORITIES[int(number)]} {n:,}" in " ".join(shown.text.split())


@every_list
def test_the_list_is_of_the_shape_that_the_method_declares(sample, method):
    shape = methods.load(method).ACTIONS
    frame = read_frame(sample.bundle / "actions" / f"{method}.csv")
    assert list(frame.columns) == list(shape.columns)
    assert list(shape.columns)[: len(COMMON)] == COMMON
    assert set(frame["priority"].astype(int)) <= set(PRIORITIES)
    assert frame["priority"].astype(int).is_monotonic_increasing
    assert set(frame["stance"]) <= set(SIDES)
    assert (frame["action"] != "").all() and (frame["reason"] != "").all()
    assert frame["reason"].str.contains(" ").all()


@every_list
def test_the_ids_are_those_of_the_orders(sample, method):
    known = set(pd.read_parquet(sample.path / "warehouse" / "sample" / "orders.parquet")["customer_id"].dropna())
    assert set(read_frame(sample.bundle / "actions" / f"{method}.csv")["customer_id"]) <= known


@every_file
def test_the_workbook_holds_the_first_rows_of_the_list(sample, name):
    all_rows = read_csv(sample.bundle / "actions" / f"{name}.csv")
    heads, *rows = read_workbook(sample.bundle / "actions" / f"{name}.xlsx")
    assert len(heads) == len(all_rows[0])
    assert len(rows) == min(len(all_rows) - 1, 5000)
    for row, expected in zip(rows, all_rows[1:], strict=False):
        for found, text in zip(row, expected, strict=True):
            assert found == text if isinstance(found, str) else Decimal(str(found)) == Decimal(text)


@every_list
def test_the_heads_are_words_and_the_second_sheet_explains_each(sample, method):
    columns = methods.load(method).ACTIONS.columns
    path = sample.bundle / "actions" / f"{method}.xlsx"
    heads = read_workbook(path)[0]
    assert heads == [head(one, "EUR") for one in columns.values()]
    about = read_workbook(path, 1)
    lines = [row for row in about if row[1] in columns]
    assert [row[:2] for row in lines] == [[one, name] for one, name in zip(heads, columns, strict=True)]
    assert [row[2] for row in lines] == [one.detail or one.meaning for one in columns.values()]
    facts = {row[0]: row[1] for row in about}
    assert (facts["company"], facts["period"]) == ("Harbour & Pine", "October 2026")
    assert facts["customers"] == f"{sample.summary(method)['actions']['n_rows']:,}"
    assert {number: facts[str(number)] for number in PRIORITIES} == PRIORITIES


@every_file
def test_the_workbook_has_a_frozen_head_and_a_filter_and_prints(sample, name):
    sheet, about = openpyxl.load_workbook(sample.bundle / "actions" / f"{name}.xlsx").worksheets
    assert (sheet.title, about.title) == ("Actions", "About the columns")
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == sheet.dimensions
    assert (sheet.page_setup.orientation, sheet.print_title_rows) == ("landscape", "$1:$1")
    formats = {cell.value: sheet.column_dimensions[cell.column_letter].number_format for cell in sheet[1]}
    assert formats["Customer"] == "@"
    assert {form for one, form in formats.items() if one.endswith("(EUR)")} == {"#,##0.00"}


@every_file
def test_nothing_in_the_workbook_acts(sample, name):
    path = sample.bundle / "actions" / f"{name}.xlsx"
    assert live_parts(path) == []
    sheets = openpyxl.load_workbook(path).worksheets
    assert {cell.data_type for sheet in sheets for row in sheet.iter_rows() for cell in row} <= {"s", "n"}


def test_the_list_says_of_each_customer_what_the_results_say(sample):
    listed = read_frame(sample.bundle / "actions" / "rfm.csv").sort_values("customer_id", ignore_index=True)
    known = pd.read_parquet(sample.bundle / "data" / "rfm" / "customers.parquet")
    known = known.rename(columns={"net_amount": "amount"}).sort_values("customer_id", ignore_index=True)
    shared = [one for one in listed.columns if one in known.columns]
    assert {"segment", "r_score", "f_score", "m_score", "days_since_last_order", "n_orders", "amount"} <= set(shared)
    pd.testing.assert_frame_equal(listed[shared], known[shared].astype(str), check_dtype=False)


def test_the_list_of_all_reports_has_everybody_whom_one_names(sample, page):
    lists = {one: read_frame(sample.bundle / "actions" / f"{one}.csv") for one in HAVE_ACTIONS}
    merged = read_frame(sample.bundle / "actions" / "all.csv")
    assert merged["customer_id"].is_unique
    assert set(merged["customer_id"]) == set().union(*(one["customer_id"] for one in lists.values()))
    assert merged["priority"].astype(int).is_monotonic_increasing
    for name, frame in lists.items():
        own = merged.set_index("customer_id")[name]
        told = (frame["priority"] + " · " + frame["action"]).set_axis(frame["customer_id"])
        assert own[own != ""].to_dict() == told.to_dict()
    n_disagree = (merged["agreement"] == "they disagree").sum()
    assert 0 < n_disagree < len(merged)
    text = page("index.html").text
    assert f"advice on {len(merged):,} customers" in text and f"They disagree about {n_disagree:,} of them" in text
    about = {row[0]: row[1] for row in read_workbook(sample.bundle / "actions" / "all.xlsx", 1)}
    assert about["customers about whom the reports disagree"] == f"{n_disagree:,}"


# --- any text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", IDS, ids=ascii)
def test_an_id_is_in_the_files_as_it_is_in_the_source(write, one):
    path, listed = write(advice([one]))
    where, other = path, path.with_suffix(HELD_BACK)
    if one in TRIGGERS:
        where, other = other, where
    assert [row[0] for row in read_csv(where)[1:]] == [one]
    assert not other.exists() or len(read_csv(other)) == 1
    assert listed.held_back == (one in TRIGGERS)
    assert read_workbook(path.with_suffix(".xlsx"))[1][0] == one
    assert live_parts(path.with_suffix(".xlsx")) == []


@pytest.mark.parametrize("column", ["segment", "action", "reason", "note", "code"])
def test_a_row_is_held_back_for_any_of_its_texts(write, column):
    frame = advice([f"c{n}" for n in range(len(IDS))], **{column: IDS})
    path, listed = write(frame)
    kept, aside = read_frame(path), read_frame(path.with_suffix(HELD_BACK))
    assert list(kept[column]) == HARMLESS
    assert list(aside[column]) == TRIGGERS
    assert (listed.n_rows, listed.listed, listed.held_back) == (len(IDS), len(IDS), len(TRIGGERS))
    place = list(frame.columns).index(column)
    assert [row[place] for row in read_workbook(path.with_suffix(".xlsx"))[1:]] == IDS
    assert live_parts(path.with_suffix(".xlsx")) == []


texts = st.one_of(
    st.sampled_from(IDS), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), max_size=20)
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(texts, min_size=1, max_size=8, unique=True), cents=st.integers(-(10**11), 10**11))
@example(ids=IDS, cents=1)
def test_any_list_comes_back_from_its_files(write, ids, cents):
    amount = Decimal(cents) / 100
    path, _listed = write(advice(ids, reason=ids[::-1], expected_amount=[amount] * len(ids)))
    rows = [(one, why, amount) for one, why in zip(ids, ids[::-1], strict=True)]
    aside = path.with_suffix(HELD_BACK)
    kept, held = ([row for row in rows if any(map(could_be_formula, row[:2])) == is_held] for is_held in (False, True))
    for file, expected in ((path, kept), (aside, held)):
        found = read_csv(file)[1:] if file.exists() else []
        assert [(row[0], row[5], Decimal(row[6])) for row in found] == expected
    shown = read_workbook(path.with_suffix(".xlsx"))[1:]
    assert [(row[0], row[5], Decimal(str(row[6]))) for row in shown] == rows
    assert live_parts(path.with_suffix(".xlsx")) == []


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


# --- order, size and shape -------------------------------------------------------------------------------------------


def test_a_list_for_people_is_cut_and_the_one_for_machines_is_whole(write):
    frame = advice([f"c{n:03}" for n in range(100)])
    path, listed = write(frame, list_rows=7)
    assert (listed.n_rows, listed.listed, listed.by_priority) == (100, 7, {1: 100})
    assert list(read_frame(path)["customer_id"]) == list(frame["customer_id"])
    assert [row[0] for row in read_workbook(path.with_suffix(".xlsx"))[1:]] == list(frame["customer_id"][:7])


def test_a_list_of_nobody_has_its_head(write):
    path, listed = write(advice([]).astype({"priority": int, "expected_amount": float}))
    assert (listed.n_rows, listed.listed, listed.held_back, listed.by_priority) == (0, 0, 0, {})
    assert read_csv(path) == [list(TEXTS.columns)]
    assert read_workbook(path.with_suffix(".xlsx")) == [[head(one, "EUR") for one in TEXTS.columns.values()]]


def test_a_long_list_keeps_its_order_and_its_bytes(tmp_path, connection):
    """The engine works on parts of it side by side."""
    n = 200_000
    place = np.random.Generator(np.random.PCG64(1)).permutation(n)
    frame = advice([f"c{one}" for one in place], priority=1 + place // (n // 4), code=[f"{one:06}" for one in place])
    actions = engine.as_table(frame, connection).sort("priority", "code")
    path = tmp_path / "x.csv"
    listed = write_actions(actions, TEXTS, path, TITLE, 10)
    assert listed.by_priority == dict.fromkeys(PRIORITIES, n // 4)
    first = path.read_bytes()
    assert list(read_frame(path)["customer_id"]) == [f"c{one}" for one in range(n)]
    assert [row[0] for row in read_workbook(path.with_suffix(".xlsx"))[1:]] == [f"c{one}" for one in range(10)]
    write_actions(actions, TEXTS, path, TITLE, 10)
    assert path.read_bytes() == first


def test_the_same_list_makes_the_same_files(write):
    first = [one.read_bytes() for one in sorted(write(advice(IDS))[0].parent.iterdir())]
    assert len(first) == 3
    assert [one.read_bytes() for one in sorted(write(advice(IDS))[0].parent.iterdir())] == first


def test_a_list_of_another_shape_is_refused(write):
    with pytest.raises(ValueError, match="expected the columns"):
        write(advice(["a"]).drop(columns="stance"))


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
    shape = action_list(Column("label", "segment"), "worth", {name: one for name, (one, *_rest) in own.items()})
    frame = advice(["007", "8"], note=None, code=None).assign(
        **{name: one for name, (_column, one, _form) in own.items()}
    )
    path, _listed = write(frame[list(shape.columns)], shape)
    sheet = openpyxl.load_workbook(path.with_suffix(".xlsx")).worksheets[0]
    formats = {cell.value: cell.number_format for cell in sheet[2]}
    assert {formats[one[0]] for name, (_column, one, form) in own.items()} and [
        cell.number_format for cell in sheet[2]
    ] == ["@", "@", "#,##0", "@", "@", "@", "#,##0.00", *(form for *_rest, form in own.values())]
    assert [cell.value for cell in sheet[3]][7:] == [None, 2, 2, 7.5]


def test_labels_are_translated_for_people_and_coded_for_machines(write, in_chinese):
    path, _listed = write(advice(["a", "b"], stance=["win back", "keep"], action="keep"))
    assert list(read_frame(path)["stance"]) == ["win back", "keep"]
    book = path.with_suffix(".xlsx")
    rows = read_workbook(book)[1:]
    assert [row[3] for row in rows] == [_("win back"), _("keep")] != ["win back", "keep"]
    # What comes from the data, or is in the run's language already, stays.
    assert [row[4] for row in rows] == ["keep", "keep"]
    assert [_("keep"), "keep"] in [row[:2] for row in read_workbook(book, 1)]
    assert CalamineWorkbook.from_path(str(book)).sheet_names == [_("Actions"), _("About the columns")]


# --- all methods in one ----------------------------------------------------------------------------------------------

CONFLICTS = {
    frozenset(one)
    for one in [
        ("leave alone", "win back"), ("leave alone", "keep"), ("leave alone", "grow"), ("leave alone", "welcome"),
        ("win back", "keep"), ("win back", "grow"), ("win back", "welcome"),
    ]
}  # fmt: skip


def make_lists(seed: int) -> dict[str, pd.DataFrame]:
    """Lists of four methods that overlap; amounts repeat, and are sometimes not known."""
    random = np.random.Generator(np.random.PCG64(seed))
    lists = {}
    for name, n in (("rfm", 150), ("decile", 60), ("ctb", 80), ("churn", 1)):
        amounts = random.choice(np.array([None, Decimal("-1.00"), Decimal("0.00"), Decimal("2.50")], dtype=object), n)
        lists[name] = advice(
            [f"c{one:03}" for one in random.choice(170, n, replace=False)],
            priority=random.integers(1, 5, n), stance=random.choice(list(SIDES), n),
            action=[f"{name} {one}" for one in random.integers(0, 3, n)], reason=[f"why {name}"] * n, expected_amount=amounts,
        )  # fmt: skip
    return lists


@pytest.mark.parametrize("seed", range(3))
def test_the_merged_list_is_that_of_an_oracle(connection, collect, seed):
    lists = make_lists(seed)
    table, shape = merge_actions({name: engine.as_table(one, connection) for name, one in lists.items()})
    merged = collect(table)
    shape.check(merged.columns)

    whole = pd.concat([one.assign(method=name, place=place) for place, (name, one) in enumerate(lists.items())])
    whole["known"] = [0.0 if one is None else float(one) for one in whole["expected_amount"]]
    whole = whole.sort_values(["priority", "known", "place"], ascending=[True, False, True], kind="stable")
    winners = whole.drop_duplicates("customer_id").sort_values(
        ["priority", "known", "customer_id"], ascending=[True, False, True]
    )
    for name in ("customer_id", "priority", "stance", "action", "reason", "method"):
        assert list(merged[name]) == list(winners[name]), name
    assert [one or None for one in merged["expected_amount"]] == [one or None for one in winners["expected_amount"]]

    stances = whole.groupby("customer_id")["stance"].agg(list)
    assert set(stances.map(len)) >= {1, 2, 3}
    for row in merged.itertuples():
        told = stances[row.customer_id]
        conflict = any(frozenset(pair) in CONFLICTS for pair in combinations(told, 2))
        expected = "they disagree" if conflict else "they agree" if len(told) > 1 else "one report only"
        assert (row.agreement, row.n_methods) == (expected, len(told))
    for name, one in lists.items():
        short = {row.customer_id: f"{row.priority} · {row.action}" for row in one.itertuples()}
        found = merged.set_index("customer_id")[name].dropna()
        assert found.to_dict() == short


def test_where_reports_disagree_is_counted_and_coloured(tmp_path, connection):
    lists = {name: engine.as_table(one, connection) for name, one in make_lists(0).items()}
    files = []
    for folder in ("first", "second"):
        path = tmp_path / folder / "all.csv"
        listed = write_actions(*merge_actions(lists), path, TITLE, 5000)
        files.append([path.read_bytes(), path.with_suffix(".xlsx").read_bytes()])
    assert files[0] == files[1]
    frame = read_frame(path)
    assert listed.n_disagree == (frame["agreement"] == "they disagree").sum() > 0
    sheet = openpyxl.load_workbook(path.with_suffix(".xlsx")).worksheets[0]
    place = list(frame.columns).index("agreement") + 1
    rules = {
        str(area.sqref): [rule.formula for rule in rules]
        for area, rules in sheet.conditional_formatting._cf_rules.items()
    }
    letter = openpyxl.utils.get_column_letter(place)
    assert rules[f"{letter}2:{letter}{len(frame) + 1}"] == [['"they disagree"']]
    assert rules[f"B2:B{len(frame) + 1}"] == [["1"], ["2"]]
    about = read_workbook(path.with_suffix(".xlsx"), 1)
    assert ["customers about whom the reports disagree", str(listed.n_disagree)] in [row[:2] for row in about]
    assert {row[1] for row in about} >= set(frame.columns)
