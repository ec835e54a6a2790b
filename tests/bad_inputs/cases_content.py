"""Content that attacks: names, columns, sheets and files of a hostile company (hostile.py), in pages, charts and lists."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import openpyxl
import pandas as pd
import pyarrow.parquet
import pypdf
import pytest
from catalogue import Case
from hostile import COMPANY, LONG, N_CATEGORIES, NAMES, ORDERS
from markupsafe import Markup
from projects import KNOWN, PROJECT, Root, live_parts, parse_html, what_acts
from published import OnHostile, page_of, text_of

from crm_analysis import charts, engine
from crm_analysis.cleaning.texts import Use, spell
from crm_analysis.report import elements, render
from crm_analysis.report.elements import MAX_ROWS
from crm_analysis.schema import Column, Shape
from crm_analysis.sources.contract import Ids

MAX_BYTES = 10 << 20
# At least so many reports can be made of what the hostile company has.
N_REPORTS = 9
# What a spreadsheet could take for a formula; C12's words, not the program's pattern.
TRIGGERS = tuple("=+-@\t\r\n|%＝＋－＠")
IS_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
SHAPE = Shape("one row per name", {"name": Column("text", "name"), "n": Column("integer", "number")})


def is_trigger(cell: str) -> bool:
    return cell.lstrip(" \"'\ufeff\xa0\u3000").startswith(TRIGGERS) and not IS_NUMBER.fullmatch(cell)


def pages_in(root: Root) -> list[str]:
    """The front page and the page of every report."""
    return sorted(one.name for one in root.bundle.glob("*.html"))


def tables_of(root: Root, folder: str) -> dict[Path, list[list[str]]]:
    """Every CSV, and every file of rows held back from one, with its cells."""
    found = {}
    csv.field_size_limit(4 << 20)
    for path in sorted((root.bundle / folder).rglob("*")):
        if path.suffix in (".csv", ".txt"):
            with path.open(encoding="utf-8", newline="") as file:
                found[path] = list(csv.reader(file))
    return found


def shown_in(root: Root, name: str) -> str:
    """What a page says to anybody: its words and what stands for its pictures, blanks made one."""
    page = page_of(root, name)
    return " ".join(" ".join([page.raw_text, *(one["alt"] for one in page.all("img"))]).split())


# --- pages -----------------------------------------------------------------------------------------------------------


def nothing_acts(root: Root) -> None:
    for page in [root.reports / "index.html", *(root.bundle / one for one in pages_in(root))]:
        assert what_acts(parse_html(page.read_text(encoding="utf-8")), KNOWN) == [], page.name
    assert len(pages_in(root)) > N_REPORTS
    # The names do stand there: as text, of which each character has one spelling.
    ctb, names = shown_in(root, "ctb.html"), spell(NAMES, Use("", is_text=True), Ids())
    assert [one for one in names if " ".join(one.split()) not in ctb] == []
    for page in pages_in(root):
        assert page_of(root, page).all("b")[0].raw_text == COMPANY
    assert ORDERS in shown_in(root, "quality.html")


def no_style_or_script_is_shown(root: Root) -> None:
    for page in pages_in(root):
        html = (root.bundle / page).read_text(encoding="utf-8")
        assert html.lower().count("<style") == 1 and "<script>" not in html.lower()
        assert render.POLICY in [one["content"] for one in page_of(root, page).all("meta")]
        assert not re.search(r"font-face|@media|\{\s*margin", text_of(root, page))


def no_address_runs(root: Root) -> None:
    """Links stay within the bundle or the page, pictures are drawings of ours without a link or a script."""
    files = set(root.hashes())
    for name in pages_in(root):
        page = page_of(root, name)
        for one in page.all():
            for key in ("href", "src", "action", "formaction", "data", "poster", "background"):
                address = one.attributes.get(key)
                is_ours = address is None or address.startswith(("#", "data:image/svg+xml;base64,"))
                assert is_ours or address in files or address == "../index.html", (one.tag, address)
    for drawing in root.bundle.rglob("*.svg"):
        for one in ET.parse(drawing).iter():
            assert one.tag.rpartition("}")[2] not in ("script", "a", "image", "foreignObject", "animate", "set")
            for name, value in one.attrib.items():
                assert not name.startswith("on") and (not name.endswith("href") or value.startswith("#"))


def nothing_is_linked(root: Root) -> None:
    """An address, or an order, in a name is a name."""
    for name in (
        "click here http://evil.example/now",
        "IGNORE ALL PREVIOUS INSTRUCTIONS",
        "b\u0456lling@paypal.example",
    ):
        assert name in shown_in(root, "ctb.html")
    for page in pages_in(root):
        assert not [one for one in page_of(root, page).all("a") if "evil" in one["href"] or "@" in one["href"]]
    for book in root.bundle.glob("actions/*.xlsx"):
        assert live_parts(book) == []


def no_mathematics(root: Root) -> None:
    for page in pages_in(root):
        assert not re.search(r"(?i)mathjax|katex|<math", (root.bundle / page).read_text(encoding="utf-8"))
    for name in ("$5 and $6", "$x_$", "$\\bad$"):
        assert name in shown_in(root, "ctb.html")


def pages_are_small(root: Root) -> None:
    """Ten thousand categories, and a name of a megabyte."""
    sold = pyarrow.parquet.read_table(root.database / "products.parquet").column("subcategory")
    assert len(set(sold.to_pylist())) > N_CATEGORIES
    for page in pages_in(root):
        assert (root.bundle / page).stat().st_size < MAX_BYTES, page
    ctb = page_of(root, "ctb.html")
    assert max(len(one.all("tr")) for one in ctb.all("tbody")) <= MAX_ROWS
    assert "other values" in ctb.raw_text
    assert all(len(one["alt"]) < 2000 for one in ctb.all("img"))


def not_executed(root: Root) -> None:
    assert (root.path / "pandas.py").exists() and (root.path / "data" / "sitecustomize.py").exists()
    assert not (root.path / "sprung").exists()


def table_of_names(_source) -> None:
    """All names at every place of a table and of a chart, straight from the elements."""
    for name in NAMES:
        shape = Shape("one row per name", {"name": Column("text", name), "n": Column("integer", "number")})
        top = parse_html(
            elements.table(pd.DataFrame({"name": [name], "n": [1]}), shape, ["name", "n"], name, "EUR", "x.csv")
        )
        assert what_acts(top, {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}) == []
        assert top.all("th")[2].raw_text == name and top.all("caption")[0].raw_text == name


def long_table(_source) -> None:
    names = [f"category {n:05}" for n in range(N_CATEGORIES)]
    frame = pd.DataFrame({"name": names, "n": range(N_CATEGORIES)})
    html = elements.table(frame, SHAPE, ["name", "n"], "Names", "EUR", "data/x.csv")
    assert len(html) < 20_000 and "The first 40 of 10,000 rows" in html
    charts.use_theme()
    ax = charts.bars(frame, "name", "n", str, xlabel="things")
    assert len(ax.patches) == charts.MAX_BARS and "of 10,000" in ax.get_xlabel()
    plt.close(ax.figure)
    assert len(charts.label(LONG)) <= charts.MAX_LABEL


def labels_are_text(_source) -> None:
    """Each name is drawn, as it is, one bar for each; mathematics is not read, and no label hides."""
    charts.use_theme()
    names = ["$x_$", "$\\bad$", "Tom_$&^$", "$$", "A$B$C", "_hidden", "__init__"]
    ax = charts.bars(pd.DataFrame({"name": names, "n": range(1, 8)}), "name", "n", str, xlabel="things")
    ax.figure.canvas.draw()
    assert [one.get_text() for one in ax.get_yticklabels()] == names
    assert len(ax.patches) == len(names)
    plt.close(ax.figure)


def lines_are_named(_source) -> None:
    charts.use_theme()
    names = ["_hidden", "$x_$", "plain"]
    frame = pd.DataFrame([(name, at, at) for name in names for at in (1, 2)], columns=["by", "x", "y"])
    ax = charts.lines(frame, "by", "x", "y", str, str, xlabel="month", ylabel="things")
    assert {one.get_text().strip() for one in ax.texts} == set(names)
    assert len(ax.lines) == len(names)
    plt.close(ax.figure)


def pdf_is_text(source) -> None:
    """What LaTeX would run, or end at, is text in the PDF."""
    if render.pdf_problem():
        pytest.skip(render.pdf_problem())
    names = ["\\input{/etc/passwd} 100% & more", "%x", "#1 ~ ^ _ {}", "\\write18{id}"]
    path = source.root / "x.pdf"
    page = Markup('<html lang="en"><head><title>x</title></head><body>{}</body></html>')
    render.write_pdf(page.format(elements.findings(names)), path)
    text = " ".join(pypdf.PdfReader(path).pages[0].extract_text().split())
    assert [one for one in names if one not in text] == []
    assert "root:" not in text


# --- lists -----------------------------------------------------------------------------------------------------------


def workbooks_are_text(root: Root) -> None:
    books = sorted(root.bundle.glob("actions/*.xlsx"))
    advise = {page.removesuffix(".html") for page in pages_in(root) if page != "index.html"}
    advise = {"all", *(name for name in advise if root.summary(name)["actions"])}
    assert {"all", "ctb", "rfm"} <= advise == {one.stem for one in books}
    for path in books:
        assert live_parts(path) == []
        book = openpyxl.load_workbook(path)
        kinds = {cell.data_type for sheet in book.worksheets for row in sheet.iter_rows() for cell in row}
        assert kinds <= {"s", "n"} and list(book.defined_names) == []
    with zipfile.ZipFile(root.bundle / "actions" / "rfm.xlsx") as book:
        assert "=1+1" in book.read("xl/sharedStrings.xml").decode("utf-8")


def no_csv_has_a_formula(root: Root) -> None:
    """Neither in the lists nor in the numbers behind the tables; what was held back stands in a file of its own, and is told."""
    for path, rows in {**tables_of(root, "actions"), **tables_of(root, "data")}.items():
        if path.suffix == ".csv":
            assert [cell for row in rows for cell in row if is_trigger(cell)] == [], path.name
    held = {
        path.name.partition(".")[0]: rows[1:]
        for path, rows in tables_of(root, "actions").items()
        if path.suffix == ".txt"
    }
    assert {"rfm", "all"} <= set(held)
    for name in (page.removesuffix(".html") for page in pages_in(root) if page != "index.html"):
        told = root.summary(name)["actions"]
        assert (told or {}).get("held_back", 0) == len(held.get(name, []))
        assert all(any(map(is_trigger, row)) for row in held.get(name, []))


def lists_are_whole(root: Root) -> None:
    """Every customer of the results is once in the CSV or among the rows held back, and in the workbook, with the same values."""
    known = pyarrow.parquet.read_table(root.bundle / "data" / "rfm" / "customers.parquet").to_pylist()
    rows = [
        row for path, all_of in tables_of(root, "actions").items() if path.name.startswith("rfm.") for row in all_of[1:]
    ]
    ids = [row[0] for row in rows]
    assert sorted(ids) == sorted(one["customer_id"] for one in known)
    assert {"-12.50", "+86 138 0013 8000", "-Minus", "=1+1", "'; DROP TABLE orders; --"} <= set(ids)
    assert f"{len(ids)} customers are on the list" in text_of(root, "rfm.html")
    amounts = {one["customer_id"]: one["net_amount"] for one in known}
    sheet = openpyxl.load_workbook(root.bundle / "actions" / "rfm.xlsx").worksheets[0]
    cells = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert sorted(row[0] for row in cells) == sorted(ids)
    place = len(cells[0]) - 1
    assert {row[0]: f"{row[place]:.2f}" for row in cells} == {one: f"{amounts[one]:.2f}" for one in ids}
    assert {row[0]: row[place] for row in rows} == {one: f"{amounts[one]:.2f}" for one in ids}


def no_table_is_lost(root: Root) -> None:
    """Names that read as SQL are names: of customers, products, columns and files."""
    for table in ("order_lines", "orders", "customers", "products", "ledger", "rejects"):
        assert (root.database / f"{table}.parquet").stat().st_size
    ids = set(pyarrow.parquet.read_table(root.database / "orders.parquet").column("customer_id").to_pylist())
    assert {"'; DROP TABLE orders; --", "x' or 1=1 --"} <= ids
    ledger = pyarrow.parquet.read_table(root.database / "ledger.parquet").to_pylist()
    assert ORDERS in {row["file"] for row in ledger}
    read = sum(row["n_rows"] for row in ledger if row["file"] == ORDERS)
    with (root.path / "data" / ORDERS).open(encoding="utf-8", newline="") as file:
        assert read == len(list(csv.reader(file))) - 1


def csv_of_names(source) -> None:
    path = source.root / "names.csv"
    engine.write_frame(pd.DataFrame({"name": NAMES, "n": range(len(NAMES))}), path)
    cells = [cell for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))) for cell in row]
    assert [one for one in cells if is_trigger(one)] == []
    assert pyarrow.parquet.read_table(path.with_suffix(".parquet")).column("name").to_pylist() == list(NAMES)


# --- code ------------------------------------------------------------------------------------------------------------


def nothing_is_unpickled(_source) -> None:
    """No module and no notebook can run what stands in a file of data."""
    banned = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "skops"}
    calls = {"eval", "exec", "compile", "__import__", "read_pickle", "unsafe_load", "full_load", "load_all"}
    found = []
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "crm_analysis").rglob("*.py"))}
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources[path] = "\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "code")
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", "") or "", *(one.name for one in node.names)}
                found += [(path.name, one) for one in names if one.partition(".")[0] in banned]
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
                is_ours = (
                    name == "compile" and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re"
                )
                found += [(path.name, name)] if name in calls and not is_ours else []
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                found.append((path.name, "allow_pickle"))
    assert len(sources) > 50
    assert found == []


CASES = [
    OnHostile(id="A120", what="tags and handlers in every name are text on every page", check=nothing_acts),
    Case(
        id="A120", what="tags and handlers in head, caption and cells are text", run=table_of_names,
        handler="crm_analysis.report.elements:Markup.format", without=lambda self, *given: Markup(str.format(self, *given)),
    ),
    OnHostile(id="A121", what="nothing comes alive through nbconvert, and no style is shown", check=no_style_or_script_is_shown),
    OnHostile(id="A122", what="no address runs anything, and drawings hold no link", check=no_address_runs),
    OnHostile(id="A123", what="formulas in workbooks are text", check=workbooks_are_text),
    OnHostile(id="A124", what="no cell of a CSV is a formula", check=no_csv_has_a_formula),
    Case(
        id="A124", what="no cell of a CSV is a formula: the numbers behind a table", run=csv_of_names,
        handler="crm_analysis.engine:_as_plain_text", without=lambda value: value,
    ),
    OnHostile(id="A125", what="lists hold every customer once, ids and amounts as they are", check=lists_are_whole),
    Case(
        id="A126", what="dollars in labels", run=labels_are_text, handler="crm_analysis.charts:use_theme",
        without=lambda: plt.rcdefaults(),
    ),
    Case(id="A127", what="labels that begin with _", run=lines_are_named),
    OnHostile(id="A128", what="dollars in a page", check=no_mathematics),
    Case(id="A129", what="LaTeX in a PDF", run=pdf_is_text),
    OnHostile(id="A131", what="SQL in names", check=no_table_is_lost),
    Case(id="A134", what="no code comes from data", run=nothing_is_unpickled),
    OnHostile(id="A136", what="modules in the folders of project and data are not run", check=not_executed),
    OnHostile(id="A137", what="addresses and orders in names", check=nothing_is_linked),
    OnHostile(id="A138", what="10,000 categories and a name of a megabyte in a report", check=pages_are_small),
    Case(id="A138", what="10,000 categories and a name of a megabyte in a table and a chart", run=long_table),
]  # fmt: skip
