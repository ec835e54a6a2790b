"""Workbooks: every cell as the text a person sees, every record with its row of the sheet."""

from __future__ import annotations

from datetime import date, datetime

import pytest
import xlsxwriter

from crm_analysis.errors import InputError
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import LINE

HEADER = ["order", "customer", "day", "pieces", "price"]


@pytest.fixture
def workbook(tmp_path):
    """``workbook(rows)`` writes a sheet S; ``top`` empty rows above, other sheets behind it."""

    def write(rows, top=0, others=(), name="a.xlsx"):
        path = tmp_path / name
        with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
            sheet = book.add_worksheet("S")
            for row, cells in enumerate(rows, top):
                for column, cell in enumerate(cells):
                    if cell is not None:
                        sheet.write(row, column, cell)
            for other in others:
                book.add_worksheet(other).write(0, 0, "id")
        return path

    return write


def read(path, **written):
    records = open_records(path, Format(**written), "Europe/Berlin")
    rows = {}
    for batch in records:
        for row in batch.to_pylist():
            line = row.pop(LINE)
            rows[line] = list(row.values())
    assert records.n_records == len(rows)
    return records.columns, rows


def test_cells_are_the_text_a_person_sees(workbook):  # A43
    path = workbook([["a", "b", "c", "d"], ["007", 7, 7.5, True], [None, "x", 1234567890123, 0.1]])
    assert read(path) == (["a", "b", "c", "d"], {2: ["007", "7", "7.5", "True"], 3: ["", "x", "1234567890123", "0.1"]})


def test_numbers_have_the_decimal_mark_of_the_contract(workbook):
    assert read(workbook([["a"], [7.25], [-3]]), decimal=",")[1] == {2: ["7,25"], 3: ["-3"]}


def test_date_cells_are_written_as_iso_whatever_the_contract(workbook):  # A44
    path = workbook([["day", "at"], [date(2024, 1, 5), datetime.fromisoformat("2024-01-05 13:30")]])
    assert read(path)[1] == {2: ["2024-01-05", "2024-01-05 13:30:00"]}
    assert read(path, datetime="%d.%m.%Y %H:%M")[1][2][1] == "2024-01-05 13:30:00"


def test_the_epoch_of_1904_gives_the_same_days(tmp_path):  # A44
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd", "date_1904": True}) as book:
        book.add_worksheet().write_column(0, 0, ["day", date(2024, 1, 5)])
    assert read(path)[1] == {2: ["2024-01-05"]}


def test_a_blank_row_between_is_a_record_and_keeps_the_numbers(workbook):
    assert read(workbook([["a", "b"], ["1", "x"], [], ["2", "y"]]))[1] == {2: ["1", "x"], 3: ["", ""], 4: ["2", "y"]}


def test_a_title_above_the_header_is_skipped_by_the_contract(workbook):  # A29
    path = workbook([["Report of May"], [], ["a", "b"], ["1", "x"]])
    assert read(path, skip_rows=2) == (["a", "b"], {4: ["1", "x"]})


def test_empty_rows_above_the_header_count_as_rows(workbook):
    assert read(workbook([["a", "b"], ["1", "x"]], top=3), skip_rows=3) == (["a", "b"], {5: ["1", "x"]})


def test_without_a_header_columns_are_named_by_position(workbook):
    assert read(workbook([["1", "x"], ["2", "y"]]), header=False) == (["1", "2"], {1: ["1", "x"], 2: ["2", "y"]})


def test_the_sheet_is_named_by_the_contract(workbook, refused):  # A40
    path = workbook([["a"], ["1"]], others=["T"])
    assert read(path, sheet="S")[1] == {2: ["1"]}
    for wanted in (None, "U"):
        with refused(InputError, "E-XLS-4") as caught:
            read(path, sheet=wanted)
        assert "S, T" in caught.value.fix


def test_the_only_sheet_needs_no_name_but_a_wrong_one_is_refused(workbook, refused):
    path = workbook([["a"], ["1"]])
    assert read(path)[1] == {2: ["1"]}
    with refused(InputError, "E-XLS-4"):
        read(path, sheet="T")


def test_a_repeated_name_in_the_header_is_refused(workbook, refused):  # A23
    with refused(InputError, "E-HDR-1") as caught:
        read(workbook([["id", "amount", "amount"]]))
    assert caught.value.column == "amount"


@pytest.mark.parametrize("rows", [[], [[]]])
def test_an_empty_sheet_is_refused(workbook, refused, rows):
    with refused(InputError, "E-FILE-1"):
        read(workbook(rows))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "E-FILE-1"),
        (b"a,b\n1,2\n", "E-FILE-4"),
        (b"<html><table></table></html>", "E-FILE-4"),
        (b"PK\x03\x04 cut", "E-FILE-5"),
        (b"\xd0\xcf\x11\xe0 cut", "E-FILE-5"),
    ],
)
@pytest.mark.parametrize("ending", ["xlsx", "xls"])
def test_what_is_no_workbook_is_refused(tmp_path, refused, content, code, ending):  # A14, A15
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with refused(InputError, code):
        read(path)


def test_a_cut_workbook_is_refused(workbook, refused):  # A15
    path = workbook([["a"], ["1"]])
    path.write_bytes(path.read_bytes()[:-200])
    with refused(InputError, "E-FILE-5"):
        read(path)


def test_raw_texts_are_cells_with_tabs_between(workbook):
    path = workbook([["a", "b"], ["1", "x"], ["2", "y"]])
    assert open_records(path, Format(), "Europe/Berlin").raw_texts({3}) == {3: "2\ty"}


ROWS = [
    ["A1", "007", date(2024, 1, 5), 2, 2.5],
    ["A2", "8", date(2024, 2, 29), 1, 10],
    ["A3", None, date(2024, 12, 31), 12, 0.99],
]
EXCEL_SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.xlsx
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
"""


def test_a_workbook_gives_the_tables_of_its_csv_twin(workbook, make_source):
    lines = [[*row[:2], row[2].isoformat(), *row[3:]] for row in ROWS]
    text = "".join(",".join("" if cell is None else str(cell) for cell in line) + "\n" for line in [HEADER, *lines])
    csv_shop = EXCEL_SHOP.replace("files: orders.xlsx", 'files: orders.csv\n    format: {datetime: "%Y-%m-%d"}')
    book = workbook([HEADER, *ROWS]).read_bytes()
    excel = make_source(EXCEL_SHOP, {"orders.xlsx": book}).build()
    twin = make_source(csv_shop, {"orders.csv": text}).build()
    for table in ("orders", "order_lines"):
        key = lambda row: row["order_id"]  # noqa: E731
        assert sorted(excel.rows(table), key=key) == sorted(twin.rows(table), key=key)
    assert excel.fates() == twin.fates() == {("used", None): 3}


def test_dates_as_text_beside_dates_as_cells_are_read_by_the_format(workbook, make_source):
    shop = EXCEL_SHOP.replace("files: orders.xlsx", 'files: orders.xlsx\n    format: {datetime: "%d/%m/%Y"}')
    rows = [HEADER, ROWS[0], ["A2", "8", "29/02/2024", 1, 10]]
    source = make_source(shop, {"orders.xlsx": workbook(rows).read_bytes()}).build()
    days = {row["order_id"]: row["ordered_date"] for row in source.rows("order_lines")}
    assert days == {"A1": date(2024, 1, 5), "A2": date(2024, 2, 29)}


def test_a_rejected_row_of_a_workbook_is_kept_with_its_row(workbook, make_source):
    rows = [HEADER, *[[f"A{number}", "c", date(2024, 1, 5), 1, 10] for number in range(100)], ["B", "c", "soon", 1, 1]]
    source = make_source(EXCEL_SHOP, {"orders.xlsx": workbook(rows).read_bytes()}).build()
    assert source.rejects() == [(102, "E-DATE-1 ordered_at")]
    assert source.rows("rejects")[0]["raw_text"] == "B\tc\tsoon\t1\t1"
