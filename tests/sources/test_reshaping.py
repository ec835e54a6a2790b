"""Wide tables and stacked sheets: every cell and every sheet's row has one fate, and the money is all there."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.errors import InputError, ParameterError
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Format, Melt
from crm_analysis.sources.records import CELL_STEP, LINE

WIDE = r"""
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  orders:
    files: wide.csv
    format: {datetime: "%Y-%m", melt: {pattern: "\\d{4}-\\d{2}", name_to: month, value_to: amount}}
    columns: {customer_id: customer, ordered_at: month, order_amount: amount}
"""
SHEETS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: book.xlsx
    format: {sheet: "*", datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, line_amount: amount}
"""
HEADER = ["order", "customer", "day", "amount"]


def workbook(sheets):
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return content.getvalue()


def test_each_cell_of_a_wide_table_is_an_order_of_its_month(make_source):
    text = "customer,2024-01,2024-02,Total\nc1,10.00,5.50,15.50\nc2,,7.00,7.00\n"
    source = make_source(WIDE, {"wide.csv": text}).build()
    found = {(row["customer_id"], row["ordered_month"]): row["gross_amount"] for row in source.rows("orders")}
    assert found == {
        ("c1", "2024-01"): Decimal("10"),
        ("c1", "2024-02"): Decimal("5.5"),
        ("c2", "2024-02"): Decimal("7"),
    }
    assert source.fates() == {("used", None): 3, ("blank", None): 1}


def test_a_cell_that_cannot_be_read_is_told_by_its_line_in_the_file(make_source):
    good = "".join(f"c{number},1.00,1.00\n" for number in range(40))
    source = make_source(WIDE, {"wide.csv": f"customer,2024-01,2024-02\nx,?,2.00\ny,1.00\n{good}"}).build()
    assert source.rejects() == [(2, "E-NUM-1 order_amount"), (3, "E-ROW-3")]
    assert source.rows("rejects")[0]["raw_text"] == "x,?,2.00"
    assert sum(source.fates().values()) == 2 * 41 + 1


def test_names_may_stand_for_other_texts():
    melt = Melt(columns={"Januar": "2024-01", "Mai": "2024-05"}, name_to="m", value_to="v")
    assert melt.names(["x", "Mai", "Januar"]) == {"Januar": "2024-01", "Mai": "2024-05"}
    assert Melt(pattern=r"Sales (\d{4})", name_to="y", value_to="v").names(["Sales 2024", "Sales"]) == {
        "Sales 2024": "2024"
    }


@pytest.mark.parametrize(
    "melt", [{"columns": ("2024-03",)}, {"pattern": r"\d{6}"}, {"columns": ("2024-01",), "value_to": "customer"}]
)
def test_a_column_that_is_not_there_or_there_already_is_refused(tmp_path, refused, melt):
    path = tmp_path / "a.csv"
    path.write_text("customer,2024-01\nc,1\n")
    with refused(InputError, "E-HDR-2"):
        open_records(path, Format(melt=Melt(**{"name_to": "month", "value_to": "amount", **melt})), "UTC")


@given(rows=st.lists(st.lists(st.sampled_from(["", " ", "1", "x"]), min_size=3, max_size=3), min_size=1, max_size=9))
def test_every_cell_becomes_one_row_with_its_line_and_number(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "wide.csv"
    path.write_text("id,a,b,c\n" + "".join(f"i,{','.join(row)}\n" for row in rows))
    records = open_records(path, Format(melt=Melt(columns=("a", "b", "c"), name_to="n", value_to="v")), "UTC")
    found = {divmod(row.pop(LINE), CELL_STEP): tuple(row.values()) for one in records for row in one.to_pylist()}
    cells = {
        (cell, line): ("i", "abc"[cell - 1], value) if value.strip() else ("", "", "")
        for line, row in enumerate(rows, 2)
        for cell, value in enumerate(row, 1)
    }
    assert found == cells
    assert records.n_records == len(cells)


@pytest.mark.parametrize("sheet", ["'*'", "'20*'", "[2024-01, 2024-02]", "['2024-0?']"])
def test_sheets_are_stacked_and_counted_one_by_one(make_source, sheet):
    january, february = ["A1", "c1", "2024-01-05", 10], [["B1", "c2", "2024-02-05", 20], ["B2", "c1", "2024-02-06", 5]]
    book = workbook({"2024-01": [HEADER, january], "2024-02": [HEADER, *february], "2024-03": [HEADER]})
    source = make_source(SHEETS.replace('"*"', sheet), {"book.xlsx": book}).build()
    rows = {(row["file"], row["n_rows"], row["line_amount"]) for row in source.rows("ledger")}
    assert rows == {("book.xlsx: 2024-01", 1, Decimal("10")), ("book.xlsx: 2024-02", 2, Decimal("25"))}
    assert len(source.rows("order_lines")) == 3
    built = source.folder.joinpath("meta.json").stat().st_mtime_ns
    assert source.build().folder.joinpath("meta.json").stat().st_mtime_ns == built


def test_the_name_of_the_sheet_may_be_a_column(make_source):
    book = workbook(
        {"Berlin": [HEADER, ["A1", "c1", "2024-01-05", 10], []], "Paris": [HEADER, ["B1", "c1", "2024-01-06", 5]]}
    )
    contract = SHEETS.replace('"*"', '"*", sheet_to: shop').replace(
        "line_amount: amount", "line_amount: amount, region: shop"
    )
    source = make_source(contract, {"book.xlsx": book}).build()
    assert {row["order_id"]: row["region"] for row in source.rows("order_lines")} == {"A1": "Berlin", "B1": "Paris"}


def test_a_sheet_with_a_column_of_the_name_is_refused(make_source, refused):
    book = workbook({"Berlin": [HEADER, ["A1", "c1", "2024-01-05", 10]]})
    with refused(InputError, "E-HDR-2"):
        make_source(SHEETS.replace('"*"', '"*", sheet_to: amount'), {"book.xlsx": book}).build()
    with refused(ParameterError, "E-PAR-3"):
        make_source(SHEETS.replace('sheet: "*"', "sheet_to: shop"), {"book.xlsx": book}).build()


def test_a_sheet_that_is_not_there_and_one_of_other_columns_are_refused(make_source, refused):
    book = workbook({"a": [HEADER, ["A1", "c1", "2024-01-05", 10]], "b": [["order", "x"], ["A2", 1]]})
    for sheet, code in (("[a, c]", "E-XLS-4"), ("'x*'", "E-XLS-4"), ("'*'", "E-HDR-2")):
        with refused(InputError, code):
            make_source(SHEETS.replace('"*"', sheet), {"book.xlsx": book}).build()


@pytest.mark.parametrize(
    ("old", "new", "column", "rows"),
    [
        ("EUR", "DECIDE", "currency", 3),
        ("ordered_at: month", "ordered_at: DECIDE", "tables.orders.columns.ordered_at", 9),
        ("order_amount: amount", "order_amount: [x, DECIDE]", "tables.orders.columns.order_amount", 9),
    ],
)
def test_a_draft_in_which_something_is_to_be_decided_is_not_run(make_source, refused, old, new, column, rows):
    with refused(ParameterError, "E-PAR-5") as caught:
        make_source(WIDE.replace(old, new), {"wide.csv": "customer,2024-01\nc,1\n"}).build()
    assert (caught.value.column, caught.value.rows) == (column, rows)
