"""Files that are not what they seem, and encodings."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import os
import zipfile
from io import BytesIO

import pytest
from catalogue import GOOD, HEADER, PERSON, SHOP, Case, orders

from crm_analysis.errors import InputError

NAMES = {"k1": "王芳", "k2": "Zoë", "k3": "龍 𠮷", "k4": "Łukasz O'Hara"}
NAMED = SHOP + "  products:\n    files: products.csv\n    columns: {product_id: id, product_name: name}\n"
PRODUCTS = "id,name\n" + "".join(f"{id_},{name}\n" for id_, name in NAMES.items())
ALL_LINES = HEADER + GOOD
HANDLERS = "crm_analysis.sources.files:"


def with_names(content: bytes, encoding: str = "utf-8", delimiter: str = ",", **more) -> dict:
    """A case's files and contract: the products' file is so written."""
    contract = NAMED.replace(
        "files: products.csv", f"files: products.csv\n    format: {{{written(encoding, delimiter)}}}"
    )
    return {"files": {"orders.csv": ALL_LINES, "products.csv": content}, "contract": contract, **more}


def written(encoding: str, delimiter: str) -> str:
    return f'encoding: {encoding}, delimiter: "{delimiter}"'


def names_are_right(source) -> None:
    assert {row["product_id"]: row["product_name"] for row in source.rows("products")} == NAMES


def rejects(*wanted: tuple[int, str]):
    """These lines are kept as they stand in the file."""

    def check(source) -> None:
        assert [(row["line"], row["raw_text"]) for row in source.rows("rejects")] == list(wanted)

    return check


def no_orders(source) -> None:
    assert source.rows("orders") == [] and source.meta.last_complete_month is None


def all_lines_are_used(source) -> None:
    assert source.fates() == {("used", None): 200}
    assert sorted(row["order_id"] for row in source.rows("order_lines")) == sorted(f"G{one}" for one in range(200))


def told(*texts: str):
    """Build, and see that the refusal says this."""

    def run(source) -> None:
        try:
            source.build()
        except InputError as error:
            assert all(text in error.fix for text in texts), error.fix
            raise

    return run


def zipped(**parts: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


def many_names(n: int, odd: str) -> dict:
    text = "id,name\n" + "".join(f"k{number},Anna {number}\n" for number in range(n)) + f"odd,{odd}\n"
    return {"files": {"orders.csv": ALL_LINES, "products.csv": text}, "contract": NAMED}


def change_while_reading(source) -> None:
    def tell(message: str) -> None:
        if message.startswith("reading"):
            source.write("orders.csv", HEADER + GOOD + "late,c,2024-05-01,1,1.00\n")

    source.build(tell)


def month_files(*names: str) -> str:
    return SHOP.replace("files: orders.csv", f"files: [{', '.join(names)}]")


def in_variable(source) -> None:
    """The files' folder is named by a variable, and one of them is a link that leads out of it."""
    folder, outside = source.root / "exports", source.root / "private.csv"
    folder.mkdir()
    outside.write_text(ALL_LINES, encoding="utf-8")
    (folder / "orders.csv").symlink_to(outside)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPORTS", str(folder))
        source.build()


def link_out(source) -> None:
    outside = source.root.with_name(f"{source.root.name}-outside.csv")
    outside.write_text(ALL_LINES, encoding="utf-8")
    (source.root / "orders.csv").symlink_to(outside)
    source.build()


def absolute(source) -> None:
    outside = source.root.with_name(f"{source.root.name}-outside.csv")
    outside.write_text(ALL_LINES, encoding="utf-8")
    text = source.contract.read_text(encoding="utf-8")
    source.contract.write_text(text.replace("files: orders.csv", f"files: {outside}"), encoding="utf-8")
    source.build()


def name_of_no_text(source) -> None:
    (source.root / "exports").mkdir()
    (source.root / os.fsdecode(b"exports/caf\xe9.csv")).write_text(ALL_LINES, encoding="utf-8")
    source.build()


ODD_NAMES = ("o'brien.csv", 'o my "orders" ; drop.csv', "o订单 五月.csv", "o\n2024.csv", "o$(x)`%s{}.csv")
BY_DAY = SHOP.replace("order_lines:", "orders:").replace(
    "{order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}",
    "{customer_id: customer, ordered_at: day, order_amount: price}",
)

CASES = [
    Case(
        id="A01",
        what="GB18030 as the contract says: the names of the UTF-8 twin",
        **with_names(PRODUCTS.encode("gb18030"), "gb18030"),
        check=names_are_right,
    ),
    Case(
        id="A02",
        what="GB18030 where the contract says UTF-8",
        **with_names(PRODUCTS.encode("gb18030")),
        run=told("byte 11 is not utf-8", "gb18030"),
        exit_code=3,
        code="E-ENC-1",
        file="products.csv",
        rows="2",
        handler=f"{HANDLERS}_decodes",
        without=lambda raw, encoding: False,
    ),
    *(
        Case(
            id="A03",
            what=f"{encoding} with a mark of byte order, and tabs",
            **with_names(bom + PRODUCTS.replace(",", "\t").encode(encoding), delimiter="\\t"),
            check=names_are_right,
            handler=f"{HANDLERS}_BOMS",
            without={},
        )
        for encoding, bom in (("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE))
    ),
    Case(
        id="A03",
        what="UTF-16 without a mark, where the contract says UTF-8",
        **with_names(PRODUCTS.encode("utf-16-le")),
        run=told("it looks like utf-16-le"),
        exit_code=3,
        code="E-ENC-1",
        file="products.csv",
        rows="1",
    ),
    Case(
        id="A04",
        what="a mark of byte order before UTF-8 is no part of the first name",
        **with_names(codecs.BOM_UTF8 + PRODUCTS.encode()),
        check=names_are_right,
    ),
    Case(
        id="A05",
        what="one line in another encoding at the end",
        **with_names(PRODUCTS.encode() + "k9,李娜\n".encode("gbk")),
        exit_code=3,
        code="E-ENC-1",
        file="products.csv",
        rows="6",
    ),
    *(
        Case(
            id="A06",
            what=f"few names that were garbled before ({odd}) are used and counted",
            **many_names(2000, odd),
            ledger={("used", None): 2001},
            warnings={("E-ENC-2", "product_name"): 1},
            handler="crm_analysis.cleaning.building:find_garbled",
            without=lambda rows, columns, n: (rows, [[]] * n),
        )
        for odd in ("锟斤拷", "ZoÃ« Canary")
    ),
    Case(
        id="A06",
        what="many names that were garbled before are rejected",
        **many_names(400, "ZoÃ«"),
        ledger={("used", None): 600 - 200, ("rejected", "E-ENC-2 product_name"): 1},
        check=rejects((402, "odd,ZoÃ«")),
        handler="crm_analysis.cleaning.garbled:MAX_SHARE",
        without=1.0,
    ),
    Case(
        id="A06",
        what="names with rare letters are no garbled ones",
        **many_names(400, "«Ângela» SÃO JOÃO Ðorđe – ça: 5 € é…"),
        ledger={("used", None): 401},
    ),
    Case(
        id="A07",
        what="NUL bytes in a cell",
        files=orders("A1,c\0c,2024-05-01,1,9.00", "A2,c2,2024-05-01,1,1.00"),
        ledger={("used", None): 1, ("rejected", "E-CTRL-1"): 1},
        check=rejects((2, "A1,c\0c,2024-05-01,1,9.00")),
        handler=f"{HANDLERS}_contains",
        without=lambda columns, text: [],
    ),
    *(
        Case(
            id="A08",
            what=f"lines that end with {ends}",
            files={
                "orders.csv": "".join(line + ends[number % len(ends)] for number, line in enumerate(ALL_LINES.split()))
            },
            check=all_lines_are_used,
        )
        for ends in (["\r"], ["\r", "\r\n", "\n"])
    ),
    Case(
        id="A08",
        what="the line of a bad row is right where line ends are mixed",
        files={"orders.csv": HEADER + "A1,c,2024-05-01,1,1.00\rA2,c,2024-05-01,1,1.00\r\nA3,c,never,1,1.00\r" + GOOD},
        ledger={("used", None): 2, ("rejected", "E-DATE-1 ordered_at"): 1},
        check=rejects((4, "A3,c,never,1,1.00")),
        handler=f"{HANDLERS}CsvRecords._joined",
        without=lambda self, lines: iter("".join(lines).split("\n")),
    ),
    Case(
        id="A09",
        what="Ctrl-Z at the end of the file",
        files={"orders.csv": ALL_LINES + "\x1a"},
        warnings={("E-FILE-7", None): 1},
        check=all_lines_are_used,
        handler=f"{HANDLERS}_END_MARK",
        without=b"never",
    ),
    Case(
        id="A09",
        what="Ctrl-Z elsewhere is a character like another",
        files=orders("A\x1a1,c1,2024-05-01,1,1.00"),
        ledger={("used", None): 1},
        warnings={("E-CTRL-3", "order_id"): 1},
    ),
    *(
        Case(id=id_, what=f"a file of {what}", files={"orders.csv": content}, exit_code=3, code="E-FILE-1")
        for id_, what, content in (
            ("A10", "no bytes", ""),
            ("A10", "no bytes, packed", gzip.compress(b"")),
            ("A11", "blank lines", "\n\n\r\n"),
            ("A11", "blank lines and delimiters", ",,,,\n\n,,,,\n"),
        )
    ),
    Case(id="A12", what="a header and no rows", files={"orders.csv": HEADER}, exit_code=3, code="E-FILE-2"),
    Case(
        id="A12",
        what="a header and no rows, where one month may be empty",
        files={"orders.csv": ALL_LINES, "june.csv": HEADER},
        contract=month_files("orders.csv", "june.csv") + "    allow_empty: true\n",
        check=all_lines_are_used,
    ),
    Case(
        id="A12",
        what="a header and no rows at all, where the contract allows it",
        files={"orders.csv": HEADER},
        contract=SHOP + "    allow_empty: true\n",
        check=no_orders,
    ),
    Case(
        id="A13",
        what="a last line that is cut off",
        files={"orders.csv": ALL_LINES + "A1,c1,2024-0"},
        ledger={("rejected", "E-ROW-3"): 1},
        warnings={("E-FILE-3", None): 1},
        handler=f"{HANDLERS}CsvRecords._notice_end",
        without=lambda self, stream, ends_broken: None,
    ),
    Case(
        id="A13",
        what="a last line without an end is whole",
        files={"orders.csv": ALL_LINES.rstrip("\n")},
        check=all_lines_are_used,
    ),
    Case(
        id="A13",
        what="a file cut off between two lines, beside which stands its hash",
        files={
            "orders.csv": ALL_LINES,
            "orders.csv.sha256": hashlib.sha256((ALL_LINES + "A1,c1,2024-05-01,1,9.00\n").encode()).hexdigest(),
        },
        exit_code=3,
        code="E-FILE-3",
        file="orders.csv",
        handler="crm_analysis.warehouse:_read_notes",
        without=lambda file, label, hashed: None,
    ),
    Case(
        id="A13",
        what="a file cut off between two lines, beside which stands its number of rows",
        files={"orders.csv": ALL_LINES, "orders.csv.rows": "201\n"},
        run=told("200 rows", "201"),
        exit_code=3,
        code="E-FILE-3",
        file="orders.csv",
    ),
    Case(
        id="A13",
        what="a file whole by its notes, which are no files of the table",
        files={
            "orders_1.csv": ALL_LINES,
            "orders_1.csv.rows": "200",
            "orders_1.csv.sha256": f"{hashlib.sha256(ALL_LINES.encode()).hexdigest().upper()}  orders_1.csv\n",
        },
        contract=month_files("orders_*"),
        check=all_lines_are_used,
    ),
    *(
        Case(
            id="A14",
            what=f"{kind} by the name {name}",
            files={name: content},
            contract=SHOP.replace("orders.csv", name),
            exit_code=3,
            code="E-FILE-4",
            file=name,
        )
        for kind, name, content in (
            ("a web page", "orders.xlsx", "<html><body><table><tr><td>order</td></tr></table></body></html>"),
            ("delimited text", "orders.xls", ALL_LINES),
            ("a zip archive", "orders.csv", zipped(orders=ALL_LINES)),
            ("a web page", "orders.csv", "\n <!DOCTYPE html><html><body>Log in</body></html>"),
            ("a PDF", "orders.csv", b"%PDF-1.7\n"),
            ("a cut gzip", "orders.csv", gzip.compress(ALL_LINES.encode())[:-20]),
        )
    ),
    Case(
        id="A14",
        what="a header that begins like an archive is a header",
        files={"orders.csv": ALL_LINES.replace("order,", "PK,", 1)},
        contract=SHOP.replace("order_id: order", "order_id: PK"),
        check=all_lines_are_used,
    ),
    *(
        Case(
            id="A15",
            what=f"a workbook {what}",
            files={"orders.xlsx": content},
            contract=SHOP.replace("orders.csv", "orders.xlsx"),
            exit_code=3,
            code="E-FILE-5",
            file="orders.xlsx",
        )
        for what, content in (
            ("with a password", codecs.decode("d0cf11e0a1b11ae1", "hex") + bytes(2000)),
            ("that is cut", zipped(xl__workbook="x" * 1000)[:-100]),
            ("that holds no sheets", zipped(other="x")),
        )
    ),
    Case(
        id="A16",
        what="a file that changes while it is read",
        files={"orders.csv": ALL_LINES},
        run=change_while_reading,
        exit_code=3,
        code="E-FILE-6",
        file="orders.csv",
    ),
    Case(
        id="A17",
        what="the same content by another name counts once where rows have an id",
        files={"orders.csv": ALL_LINES, "copy.csv": ALL_LINES},
        contract=month_files("orders.csv", "copy.csv"),
        ledger={("duplicate", None): 200},
        warnings={("E-DUP-1", None): 200},
        handler="crm_analysis.cleaning.building:Building._warn_of_twins",
        without=lambda self, inputs, records: None,
    ),
    Case(
        id="A17",
        what="the same content by another name, where equal rows may be different orders",
        files={"orders.csv": ALL_LINES, "copy.csv": ALL_LINES},
        contract=BY_DAY.replace("orders.csv", "[orders.csv, copy.csv]"),
        exit_code=3,
        code="E-DUP-1",
        file="copy.csv",
        handler="crm_analysis.warehouse:_refuse_twins",
        without=lambda inputs: None,
    ),
    Case(
        id="A18",
        what="a file that overlaps the one of the month before",
        files={
            "april.csv": HEADER + "A1,c1,2024-04-30,1,9.00\n" + GOOD,
            "may.csv": HEADER + "A1,c1,2024-04-30,1,9.00\n" + GOOD[:300],
        },
        contract=month_files("april.csv", "may.csv"),
        ledger={("used", None): 1, ("duplicate", None): 1 + GOOD[:300].count("\n"), ("rejected", "E-ROW-3"): 1},
        warnings={("E-FILE-3", None): 1},
    ),
    Case(
        id="A19",
        what="a name with brackets is that file, and no other",
        files={"[2024].csv": ALL_LINES, "2.csv": HEADER + "B1,c1,2024-05-01,1,9.00\n"},
        contract=SHOP.replace("orders.csv", '"[2024].csv"'),
        check=all_lines_are_used,
    ),
    Case(
        id="A19",
        what="a name with a star is that file, where there is one",
        files={"a*.csv": ALL_LINES, "ab.csv": HEADER + "B1,c1,2024-05-01,1,9.00\n"},
        contract=SHOP.replace("orders.csv", '"a*.csv"'),
        check=all_lines_are_used,
    ),
    Case(
        id="A20",
        what="names with quotation marks, blanks, other scripts, line breaks and signs of shells and SQL",
        files={
            name: HEADER + "".join(GOOD.splitlines(keepends=True)[place::5]) for place, name in enumerate(ODD_NAMES)
        },
        contract=month_files('"o*.csv"'),
        check=all_lines_are_used,
    ),
    Case(
        id="A20",
        what="a name that is no text",
        contract=month_files("exports/*.csv"),
        run=name_of_no_text,
        exit_code=3,
        code="E-PATH-2",
        file="caf?.csv",
    ),
    *(
        Case(
            id="A21",
            what=what,
            contract=SHOP.replace("orders.csv", name),
            run=run,
            exit_code=3,
            code="E-PATH-1",
            file=name,
            handler="crm_analysis.sources.contract:_check_place",
            without=lambda path, written, root, contract_path: None,
        )
        for what, name, run in (
            ("a link that leads out of the project", "orders.csv", link_out),
            ("a link that leads out of the folder of a variable", "${EXPORTS}/orders.csv", in_variable),
        )
    ),
    Case(
        id="A21",
        what="a name that climbs out of the project",
        files={"../beside.csv": ALL_LINES},
        contract=SHOP.replace("orders.csv", "../beside.csv"),
        exit_code=3,
        code="E-PATH-1",
        file="../beside.csv",
    ),
    Case(id="A21", what="an absolute name is the contract's word", run=absolute, check=all_lines_are_used),
    Case(
        id="A22",
        what="a file larger than the contract expects is refused before it is read",
        files={"orders.csv": ALL_LINES},
        contract=SHOP.replace("format: {", "format: {max_bytes: 1000, "),
        exit_code=3,
        code="E-SIZE-1",
        file="orders.csv",
    ),
    Case(
        id="A22",
        what="a small file that unpacks to more than the contract expects",
        files={"orders.csv": gzip.compress((HEADER + f"{PERSON['name']},c,2024-05-01,1,1.00\n" * 10_000).encode())},
        contract=SHOP.replace("format: {", "format: {max_bytes: 10000, "),
        exit_code=3,
        code="E-SIZE-1",
        file="orders.csv",
    ),
]
