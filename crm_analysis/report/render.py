"""Executed notebook → one self-contained HTML page, and the same page as PDF."""

from __future__ import annotations

import io
import logging
import re
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from crm_analysis import fonts, language
from crm_analysis.language import _
from crm_analysis.params import Run
from crm_analysis.report.catalogue import translate
from crm_analysis.report.elements import NUMBER
from crm_analysis.report.page import SUMMARY
from crm_analysis.warehouse import Meta

TEMPLATES = Path(__file__).parent / "templates"
# Where the letters of a page go, once it is known which they are.
FONTS = "/* letters */"
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'"
)


@dataclass
class Section:
    """A part of the page under one heading; ``is_about`` parts come last."""

    id: str
    title: str
    is_about: bool
    blocks: list[Markup] = field(default_factory=list)


def sections_of(notebook: NotebookNode) -> tuple[str, Markup, list[Markup], list[Section]]:
    """Title, introduction, first screen and sections of an executed notebook. Words that lead to a table or a figure go
    where it was not shown, for want of data; so does a section without anything."""
    title, lead, summary, sections = "", Markup(""), [], []
    words: list[Markup] = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            if "hide" in tags:
                continue
            text = translate(cell.source)
            if text.startswith("# "):
                title, _rest, text = text[2:].partition("\n")
                lead = Markup(markdown2html(text))
                continue
            if text.startswith("## "):
                heading, _rest, text = text[3:].partition("\n")
                sections.append(Section(f"s{len(sections) + 1}", heading.strip(), "about" in tags))
            words = [Markup(markdown2html(text))] if text.strip() else []
            if sections[-1].is_about:
                sections[-1].blocks += words
                words = []
            continue
        for output in cell.get("outputs", []):
            # Only what our own page made for the reader: it is marked, and escaped where it was made.
            if "crm" not in output.get("metadata", {}):
                continue
            html = Markup(output.data["text/html"])
            if output.metadata.crm.place == SUMMARY:
                summary.append(html)
            else:
                sections[-1].blocks += [*words, html]
                words = []
    # Why not to trust a report comes before what it says.
    summary.sort(key=lambda html: 'class="warning"' not in html)
    return title.strip(), lead, summary, sorted([one for one in sections if one.blocks], key=lambda one: one.is_about)


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(template_name="report", extra_template_basedirs=[str(TEMPLATES)])


def warm_up() -> None:
    """Load what turns a notebook into a page, and the letters of most pages."""
    _exporter().from_notebook_node(new_notebook(), resources={"crm": defaultdict(str)})
    fonts.warm_up()


def render_report(notebook: NotebookNode, name: str, run: Run, meta: Meta, has_pdf: bool) -> str:
    """The page of a report."""
    title, lead, summary, sections = sections_of(notebook)
    context = {
        **_frame(run, meta),
        "title": title,
        "lead": lead,
        "summary": summary,
        "sections": sections,
        "pdf": f"{name}.pdf" if has_pdf else "",
    }
    return _finish(_number(_exporter().from_notebook_node(notebook, resources={"crm": context})[0]), run)


def _number(html: str) -> str:
    """The page with its tables and figures numbered in their order."""
    for kind, words in (("table", _("Table {n}.")), ("figure", _("Figure {n}."))):
        before, *after = html.split(NUMBER.format(kind))
        html = before + "".join(
            f'<span class="label">{words.format(n=n)}</span> {part}' for n, part in enumerate(after, 1)
        )
    return html


def render_month(content: dict, run: Run, meta: Meta) -> str:
    """The front page of the month: its figures, what every report found, what to do, and what was left out and why."""
    return _render("month.html.j2", {**_frame(run, meta), "title": _("The month at a glance"), **content}, run)


def render_months(months: list[dict], run: Run, meta: Meta) -> str:
    """The page of a source: all its months that are published, the latest first."""
    frame = {**_frame(run, meta), "month": "", "source": run.source, "title": _("All months"), "months": months}
    return _render("months.html.j2", frame, run)


def render_customer(content: dict, run: Run, meta: Meta) -> str:
    """The page of one customer."""
    return _finish(_number(_fill("customer.html.j2", {**_frame(run, meta), **content})), run)


def _render(template: str, context: dict, run: Run) -> str:
    return _finish(_fill(template, context), run)


def _fill(template: str, context: dict) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(crm=context)


def _frame(run: Run, meta: Meta) -> dict:
    earlier = [one for one in (run.previous_month, run.same_month_last_year) if one >= (meta.first_date or one)[:7]]
    return {
        "policy": POLICY,
        "style": Markup("\n".join((FONTS, *(_read(one) for one in ("parts.css", "style.css"))))),
        "language": run.language,
        "company": meta.company,
        "description": meta.describe(run.language),
        "month": language.month(run.month),
        "compared": _("compared with {months}").format(months=language.listed([language.month(one) for one in earlier]))
        if earlier
        else "",
        "footer": _("Made by crm-analysis {version}. The numbers behind every table and chart are files of the bundle.").format(
            version=version("crm-analysis")
        ),
        "words": {
            "skip": _("Skip to the results"), "contents": _("Contents"), "in_short": _("In short"), "pdf": _("PDF"),
            "index": _("All reports of the month"), "months": _("All months"), "figures": _("The month in figures"),
            "headline": _("What the reports say"), "none": _("No report could be made of these data."),
            "left_out": _("Reports left out"), "do": _("What to do"), "notebook": _("Notebook"), "month": _("Month"),
            "reports": _("Reports"),
        },
    }  # fmt: skip


def _read(name: str) -> str:
    return (TEMPLATES / "report" / name).read_text(encoding="utf-8")


def _finish(html: str, run: Run) -> str:
    """The page with the letters that it shows, and without blank lines."""
    html = re.sub(r"\n\s*\n+", "\n", html)
    return html.replace(FONTS, fonts.embed(unescape(html), run.language))


@cache
def pdf_problem() -> str:
    """Why this machine cannot make a PDF, and how to mend it; '' where it can."""
    try:
        # The failing import prints a page of its own.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            import weasyprint  # noqa: F401 (the import looks for the Pango library)
    except OSError:
        return _(
            "No PDF: the Pango library is missing. Debian, Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0"
            " libharfbuzz-subset0; Fedora: dnf install pango; macOS: brew install pango; Windows: conda, environment.yml."
        )
    return ""


def write_pdf(html: str, path: Path) -> None:
    """The page as PDF, tagged, with bookmarks; nothing outside the page is ever fetched."""
    import weasyprint

    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    nothing_outside = weasyprint.URLFetcher(allowed_protocols=("data",))
    weasyprint.HTML(string=html, url_fetcher=nothing_outside).write_pdf(path, pdf_variant="pdf/ua-1")
