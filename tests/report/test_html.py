"""The published pages, opened and read."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import re
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from types import ModuleType

import pytest
from projects import KNOWN

from crm_analysis import methods, warehouse
from crm_analysis.checks.fates import STEPS
from crm_analysis.params import Run
from crm_analysis.report import elements, render
from crm_analysis.schema import Column, KeyFigure, Shape

PROJECT = Path(__file__).resolve().parents[2]
METHODS = methods.names()
PAGES = [*(f"{name}.html" for name in METHODS), "index.html"]

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'"
)

every_page = pytest.mark.parametrize("name", PAGES)
every_report = pytest.mark.parametrize("method", METHODS)


# --- any page --------------------------------------------------------------------------------------------------------


@every_page
def test_a_page_has_one_heading_its_language_and_a_title(page, name):
    top = page(name)
    (html,), (h1,), (title,) = top.all("html"), top.all("h1"), top.all("title")
    assert html["lang"] == "en"
    assert title.text == f"{h1.text} – Harbour & Pine, October 2026"


@every_page
def test_headings_follow_each_other_without_a_gap(page, name):
    levels = [int(one.tag[1]) for one in page(name).all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert [(a, b) for a, b in zip(levels, levels[1:], strict=False) if b > a + 1] == []


@every_page
def test_a_page_may_load_nothing_and_sends_nothing(page, name):
    metas = page(name).all("meta")
    policies = [one["content"] for one in metas if one["http-equiv"].lower() == "content-security-policy"]
    assert policies == [POLICY]
    assert [one["content"] for one in metas if one["name"] == "referrer"] == ["no-referrer"]


@every_page
def test_nothing_in_a_page_acts(page, live_nodes, name):
    assert live_nodes(page(name), KNOWN) == []


@every_page
def test_a_page_points_to_nothing_outside_the_bundle(sample, page, name):
    top = page(name)
    for one in top.all():
        for key in ("href", "src", "srcset", "poster", "data", "action", "cite", "background"):
            address = one.attributes.get(key)
            if address is None or address.startswith("#"):
                continue
            if one.tag == "img":
                assert address.startswith("data:image/svg+xml;base64,")
            else:
                assert re.match(r"[a-z]+:|/", address) is None, address
                assert (sample.bundle / address).is_file(), address
    (style,) = top.all("style")
    assert re.findall(r"url\((?!data:font/woff2;base64,)|@import|https?:", style.raw_text) == []


@every_page
def test_ids_are_unique_and_every_link_within_the_page_lands(page, name):
    top = page(name)
    ids = [one["id"] for one in top.all() if "id" in one.attributes]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]*", one) for one in ids)
    wanted = {one["href"][1:] for one in top.all("a") if one["href"].startswith("#")}
    wanted |= {one["aria-labelledby"] for one in top.all() if "aria-labelledby" in one.attributes}
    assert wanted <= set(ids)


@every_page
def test_every_picture_has_its_words(page, name):
    assert [one for one in page(name).all("img") if len(one["alt"]) < 20] == []


@every_page
def test_every_table_has_a_caption_and_its_heads_say_what_they_head(page, name):
    for table in page(name).all("table"):
        assert len(table.all("caption")) == 1
        assert {one["scope"] for one in table.all("thead")[0].all("th")} == {"col"}
        rows = table.all("tbody")[0].all("tr")
        assert [[one["scope"] for one in row.all("th")] for row in rows] == [["row"]] * len(rows)
        assert {len(row.all("th", "td")) for row in rows} <= {len(table.all("thead")[0].all("th"))}


@every_page
def test_a_page_is_small_enough_for_a_mail(sample, name):
    assert (sample.bundle / name).stat().st_size < 2_000_000


def test_the_house_s_own_words_are_filled_in_everywhere(page):
    for name in PAGES:
        assert re.findall(r"\{\w*\}|\{\{|%\(|<!--|nan\b|NaN|None\b|NaT", page(name).all("body")[0].text) == []


# --- a report --------------------------------------------------------------------------------------------------------


@every_report
@pytest.mark.parametrize(("tag", "word"), [("caption", "Table"), ("figcaption", "Figure")])
def test_tables_and_figures_are_numbered_in_their_order(page, method, tag, word):
    captions = [one.text for one in page(f"{method}.html").all(tag)]
    assert captions
    assert [one.partition(".")[0] for one in captions] == [f"{word} {n}" for n in range(1, len(captions) + 1)]


@every_report
def test_no_code_of_the_notebook_is_shown(page, method):
    text = page(f"{method}.html").text
    assert re.findall(r"import |page\.|analyse\(|run = |In \[", text.partition("In short")[2]) == []


@every_report
def test_the_contents_are_the_sections_in_their_order(page, method):
    top = page(f"{method}.html")
    (nav,) = top.all("nav")
    contents = [(one["href"], one.text) for one in nav.all("a")]
    sections = [(f"#{one['id']}", one.all("h2")[0].text) for one in top.all("main")[0].all("section")[1:]]
    assert contents == sections
    assert len(sections) >= 4


@every_report
def test_every_finding_and_key_figure_is_in_the_page(sample, page, method):
    summary = sample.summary(method)
    text = page(f"{method}.html").text
    assert summary["findings"]
    assert [one for one in summary["findings"] if one not in text] == []
    assert [one for one in summary["key_figures"] if f"{one['name']}{one['text']}" not in text] == []


@every_report
def test_findings_and_key_figures_are_on_the_index_with_links(sample, page, method):
    summary, index = sample.summary(method), page("index.html")
    assert [one for one in summary["findings"][:3] if one not in index.text] == []
    assert [one for one in summary["key_figures"] if f"{one['name']}{one['text']}" not in index.text] == []
    wanted = {f"{method}.html", f"{method}.pdf", f"notebooks/{method}.ipynb"}
    wanted |= {f"actions/{method}.xlsx"} if summary["actions"] else set()
    assert wanted <= {one["href"] for one in index.all("a")}


@every_report
def test_the_page_says_what_it_is_about(page, method):
    text = page(f"{method}.html").text
    for words in ("Harbour & Pine", "October 2026", "November 1, 2026", "Europe/Amsterdam", "EUR", "orders_2026.csv"):
        assert words in text


# --- numbers: what the page shows is what stands in the file ---------------------------------------------------------


@dataclass
class Shown:
    """A table of a report, as its notebook asks for it."""

    name: str
    shape: Shape
    caption: str
    columns: list[str] | None


def columns_of(chosen: list[ast.expr], own: Shape, module: ModuleType) -> list[str] | None:
    """The columns that a call asks for; None where the notebook works them out."""
    if not chosen:
        return list(own.columns)
    (one,) = chosen
    return list(getattr(module, one.attr)) if isinstance(one, ast.Attribute) else None


def shape_of(shape: ast.expr, code: str, module: ModuleType) -> Shape:
    """A shape by its name in the notebook: its method's, one that the notebook imports, or one of a module that it imports."""
    name = shape.id if isinstance(shape, ast.Name) else shape.value.id
    if f"crm_analysis.methods.{name}" == module.__name__:
        return getattr(module, shape.attr)
    (place,) = re.findall(rf"^from (\S+) import .*\b{name}\b", code, re.MULTILINE)
    if isinstance(shape, ast.Name):
        return getattr(importlib.import_module(place), name)
    return getattr(importlib.import_module(f"{place}.{name}"), shape.attr)


def tables_of(method: str) -> list[Shown]:
    """The calls of ``page.show_table`` in a notebook, and the table that ``page.show_data`` shows."""
    module, found = methods.load(method), []
    notebook = json.loads((PROJECT / "notebooks" / f"{method}.ipynb").read_text(encoding="utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        for call in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "page.show_table":
                name, _, shape, caption, *columns = call.args
                own = shape_of(shape, code, module)
                columns += [one.value for one in call.keywords if one.arg == "columns"]
                found.append(Shown(name.value, own, caption.value, columns_of(columns, own, module)))
    assert found
    data = "What became of the rows of the source; the quality report has all of it."
    return [*found, Shown("rows", STEPS, data, list(STEPS.columns))]


def shown_number(name: str, column: Column, text: str) -> str:
    """What a reader should see of a field of the CSV, reckoned by hand."""

    def rounded(number: Decimal, places: str) -> str:
        return f"{number.quantize(Decimal(places), ROUND_HALF_EVEN):,}"

    if text == "":
        return "–"
    if column.type == "money":
        return rounded(Decimal(text), "0.01")
    if column.type == "integer":
        return rounded(Decimal(text), "1")
    if name.endswith("_change"):
        points = Decimal(rounded(100 * Decimal(text), "0.1"))
        return f"{'+' if points > 0 else '−' if points < 0 else '±'}{abs(points)}"
    if column.type in ("fraction", "quantity"):
        if name.endswith(("_share", "_rate", "_prob")):
            return f"{rounded(100 * Decimal(text), '0.1')}%"
        return rounded(Decimal(text), "0.01").rstrip("0").rstrip(".")
    if column.type == "estimate":
        return rounded(Decimal(text), "0.001")
    if column.type == "figure":
        # What a spreadsheet could take for a formula has a backslash before it.
        return text.removeprefix("\\")
    if column.type == "flag":
        return {"True": "yes", "False": "no"}[text]
    return " ".join(text.split())


@every_report
def test_every_number_of_a_table_is_the_number_of_its_file(sample, page, method):
    tables = {one.all("caption")[0].text.partition(". ")[2]: one for one in page(f"{method}.html").all("table")}
    asked = tables_of(method)
    assert set(tables) <= {one.caption for one in asked}
    for one in asked:
        with (sample.bundle / "data" / method / f"{one.name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        # One without rows is kept and not shown.
        assert (one.caption in tables) == bool(rows)
        if not rows:
            continue
        heads = [cell.text for cell in tables[one.caption].all("thead")[0].all("th")]
        by_head = {elements.head(column, "EUR"): name for name, column in one.shape.columns.items()}
        columns = one.columns or [by_head[head] for head in heads]
        expected = [
            [shown_number(name, one.shape.columns[name], row[name]) for name in columns]
            for row in rows[: elements.MAX_ROWS]
        ]
        body = tables[one.caption].all("tbody")[0].all("tr")
        assert [[cell.text for cell in row.all("th", "td")] for row in body] == expected, one.name


@every_report
def test_the_summary_counts_the_rows_of_every_file(sample, method):
    for name, n_rows in sample.summary(method)["tables"].items():
        path = sample.bundle / "data" / method / f"{name}.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                assert len(list(csv.DictReader(file))) == n_rows, name


# --- the index -------------------------------------------------------------------------------------------------------


def test_the_index_has_every_report_once_and_leaves_none_out(page):
    index = page("index.html")
    assert len(index.all("article")) == len(METHODS)
    assert "Reports left out" not in index.text


def test_any_text_on_the_index_is_text(small, parse, live_nodes):
    """Findings, reasons, notes, the company's name: whatever a contract or the data make of them."""
    bad = '"><script>alert(1)</script>{{ crm }}'
    meta = replace(warehouse.read_meta(small.path / "warehouse" / "sample"), company=bad, description=bad)
    report = {
        "name": "rfm", "title": bad, "pages": ["rfm.html"], "link": "rfm.html", "listed": bad, "findings": [bad],
        "actions": {"n_rows": 1}, "files": ["data/rfm/x.csv"], "files_title": bad, "picture": None,
        "cards": elements.cards([KeyFigure(name=bad, value=1, meaning=bad)], "EUR"),
    }  # fmt: skip
    content = {
        "notes": [bad],
        "pulse": "",
        "reports": [report],
        "left_out": [(bad, bad)],
        "actions": bad,
        "action_files": [],
    }
    top = parse(render.render_month(content, Run(month="2026-10"), meta))
    assert live_nodes(top, KNOWN) == []
    # Company in head and page, what it is, note, actions, title, finding, list, files, figure, and what was left out and why.
    assert top.raw_text.count(bad) == 12


def test_any_text_on_the_page_of_all_months_is_text(small, parse, live_nodes):
    bad = '"><script>alert(1)</script>{{ crm }}'
    meta = replace(warehouse.read_meta(small.path / "warehouse" / "sample"), company=bad, description=bad)
    month = {
        "link": "2026-10/index.html",
        "month": bad,
        "figures": [[bad, bad]],
        "headline": bad,
        "notes": [bad],
        "reports": bad,
    }
    top = parse(render.render_months([month], Run(month="2026-10"), meta))
    assert live_nodes(top, KNOWN) == []
    assert top.raw_text.count(bad) == 9


def test_a_warning_comes_before_the_findings(page):
    summary = page("churn.html").all("section")[0]
    classes = [one["class"] for one in summary.all("p", "ul", "dl") if one["class"]]
    assert classes[0] == "warning" and "findings" in classes
    assert classes.index("findings") < classes.index("cards")
