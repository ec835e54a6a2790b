"""Rows and columns that are not where they should be."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import date
from io import BytesIO

import openpyxl
from catalogue import GOOD, HEADER, SHOP, Case, orders

from crm_analysis import engine
from crm_analysis.errors import InputError
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Format

DAY = date(2024, 1, 5)
PRODUCTS = "  products:\n    {}\n    columns: {{product_id: {}, product_name: text}}\n"
WITH_ITEMS = SHOP.replace("price}", "price, product_id: item}") + PRODUCTS.format("from: order_lines", "item")
WITH_TEXTS = SHOP + PRODUCTS.format("files: products.csv", "id")
BOOK = SHOP.replace("orders.csv", "orders.xlsx")
SHEETS = BOOK.replace("format: {", "format: {sheet: Orders, ")
TOTALS = "crm_analysis.cleaning.rules:refuse_totals"
INSIDE = "crm_analysis.sources.workbooks:"


def told(*texts: str):
    """Build, and see that the refusal says this."""

    def run(source) -> None:
        try:
            source.build()
        except InputError as error:
            assert all(text in error.fix for text in texts), error.fix
            raise

    return run


def lines_are(*wanted: tuple):
    """(order, customer, amount) of the lines that are used, good ones left out."""

    def check(source) -> None:
        found = {(row["order_id"], row["customer_id"], str(row["line_amount"])) for row in source.tested()}
        assert found == set(wanted)

    return check


def rejects(*wanted: tuple):
    """(line, text) of the rejected rows."""

    def check(source) -> None:
        assert [(row["line"], row["raw_text"]) for row in source.rows("rejects")] == list(wanted)

    return check


def ignored(source) -> None:
    assert source.meta.ignored_columns == {"orders.csv": ["phone", "email"]}


def texts_are_right(source) -> None:
    assert {row["product_id"]: row["product_name"] for row in source.rows("products")} == {
        key: text.strip() for key, text in ODD.items()
    }


def keep_totals(rows, cells, name, table):
    return rows


# --- workbooks -------------------------------------------------------------------------------------------------------


def book(*rows: list, change: Callable | None = None, epoch: object = None, good: int = 60) -> bytes:
    """A workbook whose sheet Orders has these rows from row 2 on, and good ones below; ``change`` gets it before it is saved."""
    workbook = openpyxl.Workbook()
    if epoch is not None:
        workbook.epoch = epoch
    sheet = workbook.active
    sheet.title = "Orders"
    sheet.append(HEADER.strip().split(","))
    for row in rows:
        sheet.append(row)
    for line in GOOD.splitlines()[:good]:
        order, customer, day, pieces, price = line.split(",")
        sheet.append([order, customer, date.fromisoformat(day), int(pieces), float(price)])
    if change is not None:
        change(workbook, sheet)
    buffer = BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def book_case(id_: str, what: str, *rows: list, change: Callable | None = None, contract: str = BOOK, **more) -> Case:
    content = book(*rows, change=change, epoch=more.pop("epoch", None))
    return Case(id=id_, what=what, files={"orders.xlsx": content}, contract=contract, **more)


def rewritten(content: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """The workbook with another text in one of its parts."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, change(text.decode()) if name == part else text)
    return buffer.getvalue()


def hide(workbook, sheet) -> None:
    sheet.row_dimensions[2].hidden = sheet.row_dimensions[5].hidden = True


def hide_sheet(workbook, sheet) -> None:
    workbook.create_sheet("Notes")
    sheet.sheet_state = "hidden"


def other_sheets(workbook, sheet) -> None:
    workbook.create_sheet("Before", 0).append(["order", "customer"])


def put(**cells: object) -> Callable:
    def change(workbook, sheet) -> None:
        for address, value in cells.items():
            sheet[address] = value

    return change


def merge(cells: str) -> Callable:
    return lambda workbook, sheet: sheet.merge_cells(cells)


def title(workbook, sheet) -> None:
    sheet.insert_rows(1, 2)
    sheet["A1"] = "Orders of May"
    sheet.merge_cells("A1:E1")


def days_of(source) -> dict:
    return {row["order_id"]: row["ordered_date"] for row in source.tested()}


def day_is_right(source) -> None:
    assert set(days_of(source).values()) == {DAY}


def zeros_of_ids(source) -> None:
    assert {row["customer_id"] for row in source.tested()} == {"00123", "7"}


# --- written and read again ------------------------------------------------------------------------------------------

ODD = {
    "A1": 'says "no", twice',
    "A2": "two\nlines",
    "A3": "a\rreturn",
    "A4": 'ends with "',
    "A5": "semi;colon, comma",
    "A6": "  blanks\tand tab",
}


def written_again(source) -> None:
    """What the engine writes as CSV is read back as it was, in as many rows."""
    source.build()
    connection = engine.connect(source.root, "1GB")
    path = source.root / "again.csv"
    engine.write_csv(engine.read_parquet(connection, source.folder / "products.parquet"), path)
    connection.close()
    records = open_records(path, Format(), "UTC")
    found = [row for batch in records for row in batch.to_pylist()]
    assert records.columns == ["product_id", "product_name"] and not records.broken
    assert {row["_f0"]: row["_f1"].strip() for row in found} == {key: text.strip() for key, text in ODD.items()}


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


CASES = [
    Case(
        id="A23",
        what="a name that stands twice in the header",
        files={"orders.csv": "order,customer,day,pieces,price,price\nA,c,2024-05-01,1,1.00,2.00\n"},
        exit_code=3,
        code="E-HDR-1",
        column="price",
        rows="1",
    ),
    Case(
        id="A24",
        what="a column that is not there: what is, and what is alike",
        files={"orders.csv": HEADER.replace("customer", "custommer") + GOOD},
        run=told("did you mean 'custommer'", "the file has order, custommer, day, pieces, price"),
        exit_code=3,
        code="E-HDR-2",
        column="customer",
        rows="1",
    ),
    Case(
        id="A24",
        what="a file without a header tells nothing of what stands in it",
        files={"orders.csv": "A1,Wilhelmine Canary,2024-05-01,1,9.00\n" + GOOD},
        exit_code=3,
        code="E-HDR-2",
    ),
    Case(
        id="A25",
        what="columns that nobody asked for are left out, and told",
        files={
            "orders.csv": "phone,"
            + HEADER.strip()
            + ",email\n"
            + "".join(f"1,{line},x@example.com\n" for line in GOOD.splitlines())
        },
        warnings={("E-HDR-5", "phone, email"): 200},
        check=ignored,
        handler="crm_analysis.cleaning.building:notice_ignored",
        without=lambda wanted, columns, records: [],
    ),
    Case(
        id="A26",
        what="columns in another order",
        files={"orders.csv": "price,day,pieces,customer,order\n9.00,2024-05-01,2,c1,A1\n"},
        check=lines_are(("A1", "c1", "18.00")),
    ),
    Case(
        id="A27",
        what="names with blanks, other case and width, and invisible characters",
        files={"orders.csv": '\ufeff\ufefforder ,ＣＵＳＴＯＭＥＲ,"Day\n",\u00a0pieces\u200b,  Price\n' + GOOD},
        contract=SHOP,
        ledger={},
        handler="crm_analysis.cleaning.headers:plain",
        without=lambda name: name,
    ),
    Case(
        id="A28",
        what="a needed name is missing in the header",
        files={"orders.csv": "order,,day,pieces,price\n" + GOOD},
        run=told("column 2"),
        exit_code=3,
        code="E-HDR-3",
        column="customer",
        rows="1",
    ),
    Case(
        id="A28",
        what="a name is missing in the header that nobody needs",
        files={"orders.csv": HEADER.strip() + ",\n" + GOOD.replace("\n", ",\n")},
        ledger={},
        warnings={("E-HDR-3", "column 6"): 200},
    ),
    Case(
        id="A29",
        what="a title above the header",
        files={"orders.csv": "Orders of May\n\n" + HEADER + GOOD},
        run=told("found in line 3", "skip_rows: 2"),
        exit_code=3,
        code="E-HDR-4",
        rows="1",
        handler="crm_analysis.sources.files:HEAD_RECORDS",
        without=2,
    ),
    Case(
        id="A29",
        what="a title above the header that the contract skips",
        files={"orders.csv": "Orders of May\n\n" + HEADER + GOOD},
        contract=SHOP.replace("format: {", "format: {skip_rows: 2, "),
        ledger={},
    ),
    book_case(
        "A29",
        "a merged title above the header of a sheet",
        change=title,
        run=told("found in line 3", "skip_rows: 2"),
        exit_code=3,
        code="E-HDR-4",
    ),
    book_case(
        "A29",
        "a merged title above the header of a sheet that the contract skips",
        change=title,
        contract=BOOK.replace("format: {", "format: {skip_rows: 2, "),
        ledger={},
    ),
    Case(
        id="A30",
        what="a row with too many cells",
        files=orders("A1,c1,2024-05-01,1,1.00", "A2,c2,2024-05-01,1,1,00"),
        ledger={("used", None): 1, ("rejected", "E-ROW-1"): 1},
        check=rejects((3, "A2,c2,2024-05-01,1,1,00")),
    ),
    *(
        Case(
            id="A31",
            what=f"every row has {what}",
            files={"orders.csv": HEADER + GOOD.replace("\n", f"{end}\n").replace(start, kept)},
            run=told("header has 5 cells", f"rows {n}"),
            exit_code=3,
            code="E-ROW-2",
        )
        for what, start, kept, end, n in (("one cell more", "-", "-", ",9", 6), ("one cell less", ",1,", ",", "", 4))
    ),
    Case(
        id="A32",
        what="a row with too few cells",
        files=orders("A1,c1,2024-05-01,1,1.00", "A2,c2,2024-05-01"),
        ledger={("used", None): 1, ("rejected", "E-ROW-3"): 1},
        check=rejects((3, "A2,c2,2024-05-01")),
    ),
    Case(
        id="A33",
        what="line breaks, quotation marks and delimiters within quotes",
        files={
            "orders.csv": HEADER + GOOD,
            "products.csv": "id,text\n" + "".join(f"{key},{quoted(text)}\n" for key, text in ODD.items()),
        },
        contract=WITH_TEXTS,
        check=texts_are_right,
    ),
    Case(
        id="A34",
        what="a quotation mark that nothing closes",
        files=orders("A1,c1,2024-05-01,1,1.00", 'A2,"c2,2024-05-01,1,1.00', "A3,c3,2024-05-01,1,1.00"),
        exit_code=3,
        code="E-ROW-5",
        rows="3",
        handler="crm_analysis.sources.files:CsvRecords._unclosed",
        without=lambda self: 0,
    ),
    Case(
        id="A34",
        what="a quotation mark that closes in a later row, whose cells fit",
        files=orders(
            "A1,c1,2024-05-01,1,1.00",
            'A2,"c2,2024-05-01,1,1.00',
            "A3,c3,2024-05-01,1,1.00",
            'A4,"c4",2024-05-01,1,1.00',
            "A5,c5,2024-05-01,1,1.00",
        ),
        ledger={("used", None): 2, ("rejected", "E-ROW-5"): 1},
        check=rejects((3, 'A2,"c2,2024-05-01,1,1.00\nA3,c3,2024-05-01,1,1.00\nA4,"c4",2024-05-01,1,1.00')),
        handler="crm_analysis.sources.files:CsvRecords._find_joined",
        without=lambda self, batch, rows: {},
    ),
    Case(
        id="A34",
        what="texts of several lines with marks and delimiters are no joined rows",
        files=orders('A1,"c,\n""1"", 2, 3\nx",2024-05-01,1,1.00', 'A2,"a\nb, 5""",2024-05-01,1,1.00'),
        ledger={("used", None): 2},
    ),
    Case(
        id="A35",
        what="a carriage return within a text, written and read again",
        files={
            "orders.csv": HEADER + GOOD,
            "products.csv": "id,text\n" + "".join(f"{key},{quoted(text)}\n" for key, text in ODD.items()),
        },
        contract=WITH_TEXTS,
        run=written_again,
        handler="crm_analysis.engine:csv.QUOTE_ALL",
        without=0,
    ),
    *(
        Case(
            id="A36",
            what=f"cells between '{mark}' where the contract says a comma",
            files={"orders.csv": (HEADER + GOOD).replace(".", "§").replace(",", mark).replace("§", ",")},
            run=told("expected 5 columns", "found 1", f"looks like '{name}'"),
            exit_code=3,
            code="E-DELIM-1",
            handler="crm_analysis.cleaning.headers:_other_delimiter",
            without=lambda refuse, wanted, records, delimiter: refuse("E-HDR-2", "no such column"),
        )
        for mark, name in ((";", ";"), ("\t", "tab"), ("|", "|"))
    ),
    Case(
        id="A37",
        what="the line by which Excel tells the delimiter",
        files={"orders.csv": "sep=;\n" + (HEADER + GOOD).replace(",", ";")},
        contract=SHOP.replace("format: {", 'format: {delimiter: ";", '),
        ledger={},
        warnings={("E-HDR-4", None): 1},
        handler="crm_analysis.sources.files:_SEP",
        without=re.compile("never"),
    ),
    Case(
        id="A37",
        what="the line by which Excel tells another delimiter than the contract",
        files={"orders.csv": "sep=;\n" + (HEADER + GOOD).replace(",", ";")},
        exit_code=3,
        code="E-DELIM-1",
    ),
    Case(
        id="A38",
        what="lines that sum up others, in several languages",
        files=orders(
            "A1,c1,2024-05-01,1,9.00",
            "Total,,,,10009.00",
            "合计,,,201,10009.00",
            "小 计：,x,2024-05-01,1,9.00",
            ",,,Summe:,10009.00",
            "GRAND TOTAL,,2024-05-01,1,10009.00",
            ",TOTALE,2024-05-01,1,10009.00",
            "総計,10009.00",
            '"Toplam",,10009.00',
        ),
        ledger={("used", None): 1, ("rejected", "E-ROW-4"): 8},
        check=lines_are(("A1", "c1", "9.00")),
        handler=TOTALS,
        without=keep_totals,
    ),
    Case(
        id="A38",
        what="a subtotal of an order, where only the item says so",
        files={
            "orders.csv": HEADER.strip()
            + ",item,text\n"
            + "A1,c1,2024-05-01,1,9.00,P1,Lamp\nA1,c1,2024-05-01,1,9.00,Subtotal,\nA1,c1,2024-05-01,1,9.00,,Zwischensumme\n"
            + "".join(f"{line},P2,Rug\n" for line in GOOD.splitlines())
        },
        contract=WITH_ITEMS,
        ledger={("used", None): 1, ("rejected", "E-ROW-4"): 2},
        handler=TOTALS,
        without=keep_totals,
    ),
    Case(
        id="A38",
        what="customers and products by such a name are real ones",
        files={
            "orders.csv": HEADER.strip()
            + ",item,text\n"
            + "A1,Total,2024-05-01,1,9.00,P1,Total\nTotal Station 7,Total Energies,2024-05-01,1,9.00,P3,合计公司\n"
            + "A2,,2024-05-01,1,9.00,P1,Total\n"
            + "".join(f"{line},P2,Rug\n" for line in GOOD.splitlines())
        },
        contract=WITH_ITEMS,
        ledger={("used", None): 3},
    ),
    Case(
        id="A39",
        what="blank rows in the middle are counted and put aside",
        files=orders("A1,c1,2024-05-01,1,1.00", "", ",,,,", "A2,c1,2024-05-02,1,1.00"),
        ledger={("used", None): 2, ("blank", None): 2},
    ),
    book_case(
        "A40",
        "the sheet by its name, among others",
        ["A1", "c1", DAY, 1, 9.0],
        change=other_sheets,
        contract=SHEETS,
        ledger={("used", None): 1},
    ),
    book_case(
        "A40",
        "several sheets, and the contract names none",
        change=other_sheets,
        run=told("Before, Orders"),
        exit_code=3,
        code="E-XLS-4",
    ),
    book_case(
        "A40",
        "rows that a filter hides are used, and told",
        ["A1", "c1", DAY, 1, 9.0],
        change=hide,
        ledger={("used", None): 1},
        warnings={("E-XLS-5", None): 2},
        handler=f"{INSIDE}_HIDDEN",
        without=re.compile(b"never"),
    ),
    book_case(
        "A40",
        "a sheet that is hidden",
        ["A1", "c1", DAY, 1, 9.0],
        change=hide_sheet,
        contract=SHEETS,
        ledger={("used", None): 1},
        warnings={("E-XLS-5", None): 61},
    ),
    book_case(
        "A41",
        "formulas that were never computed",
        ["A1", "c1", DAY, 1, "=4+5"],
        ["A2", "=A1", DAY, 1, 9.0],
        ["A3", "c3", DAY, 1, 9.0],
        ledger={("used", None): 1, ("rejected", "E-XLS-1 unit_price"): 1, ("rejected", "E-XLS-1 customer_id"): 1},
        handler=f"{INSIDE}UNCOMPUTED",
        without="",
    ),
    book_case(
        "A41",
        "a row of nothing but formulas that were never computed, at the end",
        change=put(A62="=A2", B62="=B2", C62="=C2", D62="=D2", E62="=E2"),
        ledger={("rejected", "E-XLS-1 order_id"): 1},
    ),
    book_case(
        "A42",
        "cells that show an error",
        ["A1", "#N/A", DAY, 1, 9.0],
        ["A2", "c2", DAY, 1, "#REF!"],
        ["A3", "c3", DAY, 1, 9.0],
        ledger={("used", None): 1, ("rejected", "E-XLS-2 customer_id"): 1, ("rejected", "E-XLS-2 unit_price"): 1},
        handler=f"{INSIDE}_ERROR_TYPE",
        without=re.compile(b"never"),
    ),
    Case(
        id="A42",
        what="the errors of a spreadsheet, exported as text",
        files=orders("A1,#N/A,2024-05-01,1,9.00", "A2,#1,2024-05-01,1,9.00", "A3,c3,2024-05-01,1,#VALUE!"),
        ledger={("used", None): 1, ("rejected", "E-XLS-2 customer_id"): 1, ("rejected", "E-XLS-2 unit_price"): 1},
        handler="crm_analysis.cleaning.conversion:CELL_ERRORS",
        without={"#": "E-XLS-2"},
    ),
    book_case(
        "A43",
        "ids that are text beside ids that are numbers",
        ["A1", "00123", DAY, 1, 9.0],
        ["A2", 7, DAY, 1, 9.0],
        warnings={("E-ID-2", "customer"): 1},
        check=zeros_of_ids,
        handler="crm_analysis.sources.spreadsheets:_Kinds.count",
        without=lambda self, cells, first: None,
    ),
    *(
        book_case(
            "A44",
            f"dates as cells, as text and as numbers of days since {epoch.year}, where the contract says so",
            ["A1", "c1", DAY, 1, 9.0],
            ["A2", "c1", "2024-01-05", 1, 9.0],
            ["A3", "c1", serial, 1, 9.0],
            ["A4", "c1", str(serial), 1, 9.0],
            epoch=epoch,
            contract=BOOK.replace("format: {", "format: {serial_dates: true, "),
            ledger={("used", None): 4},
            check=day_is_right,
            handler="crm_analysis.engine:read_serials",
            without=lambda table, columns, epoch: table,
        )
        for epoch, serial in (
            (openpyxl.utils.datetime.WINDOWS_EPOCH, 45296),
            (openpyxl.utils.datetime.MAC_EPOCH, 43834),
        )
    ),
    book_case(
        "A44",
        "numbers of days, of which the contract says nothing",
        ["A1", "c1", 45296, 1, 9.0],
        ledger={("rejected", "E-DATE-1 ordered_at"): 1},
    ),
    book_case(
        "A45",
        "cells merged over rows",
        ["A1", "c1", DAY, 1, 9.0],
        ["A1", "c1", DAY, 2, 9.0],
        change=merge("A2:A3"),
        exit_code=3,
        code="E-XLS-3",
        rows="2 (1 row)",
        handler="crm_analysis.sources.spreadsheets:SpreadsheetRecords._check_merged",
        without=lambda self: None,
    ),
    book_case(
        "A45",
        "cells merged within a row, as of a title of a group",
        ["Total", None, None, None, 9.0],
        change=merge("A2:C2"),
        ledger={("rejected", "E-ROW-4"): 1},
        warnings={("E-XLS-3", None): 1},
    ),
    Case(
        id="A46",
        what="a workbook that unpacks to a hundred times its size",
        files={
            "orders.xlsx": rewritten(
                book(),
                "xl/worksheets/sheet1.xml",
                lambda text: text.replace("</sheetData>", "</sheetData>" + " " * 30_000_000),
            )
        },
        contract=BOOK,
        exit_code=3,
        code="E-SIZE-2",
        file="orders.xlsx",
        handler=f"{INSIDE}_check_size",
        without=lambda archive, path, max_bytes: None,
    ),
    Case(
        id="A46",
        what="a workbook that unpacks to more than the contract expects",
        files={"orders.xlsx": book()},
        contract=BOOK.replace("format: {", f"format: {{max_bytes: {len(book())}, "),
        exit_code=3,
        code="E-SIZE-2",
    ),
    book_case(
        "A47",
        "a cell far away to the right and below",
        change=put(XFD1048576=1),
        exit_code=3,
        code="E-SIZE-3",
    ),
    book_case(
        "A47",
        "a cell far below",
        change=put(B500000=1),
        run=told("spread over 500000 rows"),
        exit_code=3,
        code="E-SIZE-3",
    ),
    *(
        Case(
            id="A48",
            what=f"entities in {part}",
            files={"orders.xlsx": rewritten(book(), part, lambda text: '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + text)},
            contract=BOOK,
            run=told("declares entities"),
            exit_code=3,
            code="E-FILE-5",
            file="orders.xlsx",
            handler=f"{INSIDE}_checked",
            without=lambda block, name, path: block,
        )
        for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml")
    ),
]
