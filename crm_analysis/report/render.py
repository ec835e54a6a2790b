"""Executed notebook → one self-contained HTML page, and the same page as PDF."""

from __future__ import annotations

import io
import logging
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from crm_analysis import language
from crm_analysis.language import _
from crm_analysis.params import Run
from crm_analysis.report.elements import NUMBER
from crm_analysis.report.page import SUMMARY
from crm_analysis.warehouse import Meta

TEMPLATES = Path(__file__).parent / "templates"
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
            text = cell.source
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
            # Only what our own page made: it is marked, and escaped where it was made.
            if "crm" not in output.get("metadata", {}):
                continue
            html = Markup(output.data["text/html"])
            if output.metadata.crm.place == SUMMARY:
                summary.append(html)
            else:
                sections[-1].blocks += [*words, html]
                words = []
    return title.strip(), lead, summary, sorted([one for one in sections if one.blocks], key=lambda one: one.is_about)


def render_report(notebook: NotebookNode, name: str, run: Run, meta: Meta, has_pdf: bool) -> str:
    """The page of a report."""
    title, lead, summary, sections = sections_of(notebook)
    exporter = HTMLExporter(template_name="report", extra_template_basedirs=[str(TEMPLATES)])
    context = {
        **_frame(run, meta),
        "title": title,
        "lead": lead,
        "summary": summary,
        "sections": sections,
        "pdf": f"{name}.pdf" if has_pdf else "",
    }
    return _tidy(_number(exporter.from_notebook_node(notebook, resources={"crm": context})[0]))


def _number(html: str) -> str:
    """The page with its tables and figures numbered in their order."""
    for kind, words in (("table", _("Table {n}. ")), ("figure", _("Figure {n}. "))):
        before, *after = html.split(NUMBER.format(kind))
        html = before + "".join(words.format(n=n) + part for n, part in enumerate(after, 1))
    return html


def render_index(reports: list[dict], left_out: list[tuple[str, str]], notes: list[str], run: Run, meta: Meta) -> str:
    """The page of the month: what every report found, and what was left out and why."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    context = {**_frame(run, meta), "title": _("The month at a glance"), "reports": reports, "left_out": left_out}
    return _tidy(environment.get_template("month.html.j2").render(crm={**context, "notes": notes}))


def _frame(run: Run, meta: Meta) -> dict:
    return {
        "policy": POLICY,
        "style": Markup((TEMPLATES / "report" / "style.css").read_text(encoding="utf-8")),
        "language": run.language,
        "company": meta.company,
        "description": meta.description,
        "month": language.month(run.month),
        "compared": _("compared with {previous} and {last_year}").format(
            previous=language.month(run.previous_month), last_year=language.month(run.same_month_last_year)
        ),
        "words": {
            "contents": _("Contents"), "in_short": _("In short"), "pdf": _("PDF"), "index": _("All reports of the month"),
            "headline": _("What the reports say"), "left_out": _("Reports left out"),
            "actions": _("Action list"), "notebook": _("Notebook"),
            "on_last_month": _("on last month"),
        },
    }  # fmt: skip


def _tidy(html: str) -> str:
    return re.sub(r"\n\s*\n+", "\n", html)


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
