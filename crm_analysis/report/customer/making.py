"""The page of one customer and its files: made on purpose about one person, for their owner only, and never part of a bundle."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from crm_analysis import charts, engine, fonts, language, methods, warehouse
from crm_analysis.cleaning.merging import explain
from crm_analysis.contracts import attributes_of
from crm_analysis.engine import Tables
from crm_analysis.errors import ParameterError
from crm_analysis.language import _, counted, mark
from crm_analysis.params import Run
from crm_analysis.report import elements
from crm_analysis.report.customer import events, figures, places
from crm_analysis.report.customer.finding import Customer, find_customer
from crm_analysis.report.plan import choose_formats, incomplete_note, read_run, resolve_month
from crm_analysis.report.render import Section, render_customer, write_pdf
from crm_analysis.schema import IDENTITY, Column, Shape
from crm_analysis.turnover.sold import CATEGORIES, PRODUCT, Turnover

MAX_NAME = 40
MERGED = Shape(
    "one row per id that is taken for this customer",
    {
        "customer_id": Column("id", "id"),
        "customer_name": Column("text", "name"),
        "match_prob": Column("fraction", "probability"),
        "why": Column("text", "why"),
    },
)
# Who a customer is, in words: names of columns of schema.IDENTITY.
_WHO = {
    "customer_name": mark("name"), "given_name": mark("given name"), "surname": mark("family name"), "company_name": mark("company"),
    "email": mark("e-mail"), "phone": mark("telephone"), "street": mark("street"), "postcode": mark("postcode"), "city": mark("town"),
    "region": mark("region"), "country": mark("country"), "birth_date": mark("day of birth"), "personal_number": mark("personal number"),
}  # fmt: skip
_NAMES = ("customer_name", "company_name")


def make_page(root: Path, overrides: Mapping[str, str]) -> str:
    """Write the page of the customer ``id`` of ``overrides``, the rest of which is as for ``publish``; the line that tells where.

    Raises ParameterError, E-PAR-2 without an id, E-PAR-1 for one that the source does not know, and what ``publish`` raises for a month,
    a source or a format that cannot be.
    """
    wanted = overrides.get("id", "")
    if not wanted:
        raise ParameterError("E-PAR-2", "name the customer: ID=…", file="command line", column="ID")
    run = choose_formats(read_run(root, {name: value for name, value in overrides.items() if name != "id"}))
    fonts.check()
    meta = warehouse.ensure(root, run.source, run.memory_limit)
    run = replace(run, month=resolve_month(run, meta))
    language.use(run.language)
    charts.use_theme()
    folder = root / "build" / "customers" / run.source
    folder.parent.mkdir(parents=True, exist_ok=True)
    connection = engine.connect(root / "build", run.memory_limit)
    try:
        customer = find_customer(warehouse.warehouse_folder(root, run.source), connection, wanted)
        bundle = root / "reports" / run.source / run.month
        said = places.find_places(bundle, meta, customer.customer_id, connection, read_titles(root))
        return _write(folder, customer, wanted, said, run, meta)
    finally:
        connection.close()


def read_titles(root: Path) -> dict[str, str]:
    """Method → the title of its report, of those that say something of each customer, in the order of the pack."""
    modules = {name: methods.load(name) for name in methods.names()}
    names = [name for name, one in modules.items() if hasattr(one, "ACTIONS")]
    titles = {}
    for name in sorted(names, key=lambda name: (modules[name].PLACE, name)):
        notebook = json.loads((root / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        first_line = "".join(notebook["cells"][0]["source"]).partition("\n")[0]
        titles[name] = _(first_line.removeprefix("# "))
    return titles


def safe_name(customer_id: str) -> str:
    """A file name for any id: itself where it is plain, else its letters and digits and a hash, by which no two are alike."""
    if re.fullmatch(r"\w[\w-]{0,39}", customer_id, re.ASCII):
        return customer_id
    plain = re.sub(r"\W+", "_", customer_id[:MAX_NAME]).strip("_")
    return f"{plain}-{hashlib.sha256(customer_id.encode()).hexdigest()[:8]}".removeprefix("-")


def _write(folder: Path, customer: Customer, wanted: str, said: places.Places, run: Run, meta: warehouse.Meta) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = safe_name(customer.customer_id)
    # What another run wrote, of another month or in another format.
    for suffix in (".html", ".pdf", "-months.csv", "-months.parquet"):
        (folder / f"{stem}{suffix}").unlink(missing_ok=True)
    html = _render(folder, stem, customer, wanted, said, run, meta)
    written = []
    if "html" in run.formats:
        written.append(folder / f"{stem}.html")
        written[-1].write_text(html, encoding="utf-8")
    if "pdf" in run.formats:
        written.append(folder / f"{stem}.pdf")
        write_pdf(html, written[-1])
    for one in (*written, *folder.glob(f"{stem}-months.*")):
        one.chmod(0o600)
    boxes = "".join(sorted(fonts.missing(unescape(html))))
    text = _("PDF and charts show boxes in place of letters that their typefaces have not: {letters}")
    return "\n  ".join([", ".join(map(str, written)), *([text.format(letters=boxes[:20])] if boxes else [])])


def _render(
    folder: Path, stem: str, customer: Customer, wanted: str, said: places.Places, run: Run, meta: warehouse.Meta
) -> str:
    tables, currency = customer.tables, meta.currency
    parts = {
        _("Orders"): figures.order_figures(tables, run, currency),
        _("Contracts"): figures.contract_figures(tables, run, currency),
        _("Payment"): figures.payment_figures(tables, run),
    }
    happened, advice = events.list_events(tables, run.as_of), places.tell_advice(said.places)
    sales = figures.read_sales(tables, run)
    cards = figures.sold_figures(sales, run) + [one for figure, _facts in parts.values() for one in figure]
    notes = [incomplete_note(run, meta), *tell_places(said, run)]
    if customer.customer_id != wanted:
        text = _("Customer {other} is taken for {customer}: this is the page of both.")
        notes.insert(0, text.format(other=wanted, customer=customer.customer_id))
    if happened.empty and not cards:
        notes.append(_("Nothing is known of this customer by the end of the month."))
    sections = {
        _("Who it is"): show_identity(customer, run, currency),
        _("What the reports say"): show_places(said, currency),
        **{title: [_facts(facts)] if facts else [] for title, (_figures, facts) in parts.items()},
        _("Sales by month"): show_sales(folder / f"{stem}-months.csv", sales, tables, run, currency) if sales else [],
        _("What happened last"): show_events(happened, currency),
    }
    shown = [(title, blocks) for title, blocks in sections.items() if blocks]
    content = {
        "title": _("Customer {customer}").format(customer=name_customer(customer)),
        "personal": _("Personal data: this page is about one customer. It was made for whoever asked for it, and is not part of the published reports."),
        "summary": [
            *[_warning(one) for one in notes if one],
            *([elements.findings(advice)] if advice else []),
            *([elements.cards(cards, currency)] if cards else []),
        ],
        "sections": [Section(f"s{number}", title, is_about=False, blocks=blocks) for number, (title, blocks) in enumerate(shown, 1)],
        "footer": _("Made by crm-analysis {version}, of what was known by {day}; what came later is left out.").format(
            version=version("crm-analysis"), day=language.day(run.as_of)
        ),
    }  # fmt: skip
    return render_customer(content, run, meta)


def name_customer(customer: Customer) -> str:
    """The id, and the name where the source has one."""
    own = customer.identity[customer.identity["customer_id"] == customer.customer_id]
    names = [own[one].iloc[0] for one in _NAMES if one in own and len(own)]
    known = [one for one in names if not elements.is_missing(one)]
    return f"{customer.customer_id} · {known[0]}" if known else customer.customer_id


def _facts(pairs: list[tuple[str, str]]) -> Markup:
    return elements.facts([(f"{name[:1].upper()}{name[1:]}", value) for name, value in pairs])


def _warning(text: str) -> Markup:
    return Markup('<p class="warning"><strong>{}</strong> {}</p>').format(_("Note:"), text)


def tell_places(said: places.Places, run: Run) -> list[str]:
    """What the reader must know of the reports that the page quotes, with the command that mends it."""
    month, command = language.month(run.month), f"make reports SOURCE={run.source} MONTH={run.month}"
    if not said.is_published:
        text = _("The reports of {month} are not published, so their groups and advice are missing here: {command}")
        return [text.format(month=month, command=command)]
    told = []
    missing = [one for one in said.missing if not run.methods or one in run.methods]
    if missing:
        text = _("Not among the published reports of {month}: {reports}. To make them: {command}")
        these = f'{command} METHODS="{" ".join(missing)}"'
        told.append(text.format(month=month, reports=language.listed(missing), command=these))
    if said.is_stale:
        text = _("The reports of {month} were made from other data than this page, or by another version: {command}")
        told.append(text.format(month=month, command=command))
    if said.language not in ("", run.language):
        text = _(
            "The reports were published in another language, and their reasons stand here as they are. In this one: {command}"
        )
        told.append(text.format(command=f"{command} LANGUAGE={run.language}"))
    return told


def show_identity(customer: Customer, run: Run, currency: str) -> list[Markup]:
    """Who the customer is, as the source has it today, and the ids that are taken for the same."""
    own = customer.identity[customer.identity["customer_id"] == customer.customer_id].to_dict("records")
    facts = [(_("customer number"), customer.customer_id)]
    facts += [(_(_WHO[name]), str(one[name])) for one in own for name in IDENTITY.columns if _has(one, name)]
    if "customers" in customer.tables:
        table = customer.tables["customers"]
        rows = engine.collect(table, 1).to_dict("records")
        if rows and _has(rows[0], "signed_up_date") and rows[0]["signed_up_date"] < run.as_of:
            facts.append((_("registered on"), language.day(rows[0]["signed_up_date"])))
        names = attributes_of(table, "customers")
        facts += [(language.attribute(name), str(one[name])) for one in rows for name in names if _has(one, name)]
    blocks = [_facts(facts)]
    if len(customer.merges):
        names = customer.identity.set_index("customer_id").to_dict("index")
        merged = customer.merges.assign(
            customer_name=[_name_of(names.get(one, {})) for one in customer.merges["customer_id"]],
            why=[explain(one) for one in customer.merges["why"]],
        )
        caption = _("Ids that are taken for this customer; their rows are counted here.")
        blocks.append(elements.table(merged, MERGED, list(MERGED.columns), caption, currency, ""))
    return blocks


def _has(row: Mapping[str, object], name: str) -> bool:
    return name != "customer_id" and name in row and not elements.is_missing(row[name])


def _name_of(row: Mapping[str, object]) -> object:
    return next((row[one] for one in _NAMES if _has(row, one)), None)


def show_places(said: places.Places, currency: str) -> list[Markup]:
    """The group and the advice of every report, and folded away what each of them measured."""
    blocks = []
    if said.places:
        caption = _(
            "The group in which each report has this customer, and the aim and urgency of its advice, where it gives one."
        )
        blocks.append(elements.table(said.frame, places.PLACES, list(places.PLACES.columns), caption, currency, ""))
    for one in said.places:
        told = [Markup("<p><strong>{}</strong> {}</p>").format(_("What to do:"), one.action)] if one.action else []
        told += [Markup("<p>{}</p>").format(one.reason)] if one.reason else []
        measured = Markup("<details><summary>{}</summary>{}</details>").format(_("What it measured"), _facts(one.facts))
        blocks.append(
            Markup("<h3>{}</h3>{}").format(one.title, Markup("").join([*told, *([measured] if one.facts else [])]))
        )
    if said.silent:
        text = _("Not among the customers of: {reports}.").format(reports="; ".join(said.silent))
        blocks.append(Markup("<h3>{}</h3><p>{}</p>").format(_("Other reports"), text))
    if said.left_out:
        blocks.append(Markup("<h3>{}</h3>{}").format(_("Reports left out"), _facts(said.left_out)))
    return blocks


def show_sales(file: Path, sales: Turnover, tables: Tables, run: Run, currency: str) -> list[Markup]:
    """Sales by month as a chart with its numbers in a file, and what was bought."""
    months = figures.describe_months(sales, run)
    engine.write_frame(months, file)
    caption = {
        "payments": _("Invoices by month, credit notes taken off"), "opportunities": _("Deals won by month"),
    }.get(sales.source, _("Sales less returns by month"))  # fmt: skip
    blocks = [elements.figure(elements.draw(figures.plot_months(months, currency), caption), caption)]
    if usual := figures.usual(sales, tables):
        blocks.insert(0, _facts(usual))
    link = Markup('<p class="cut">{0} <a href="{1}">{1}</a></p>')
    blocks.append(link.format(_("The numbers of the chart:"), file.name))
    for dimension, words in (
        (CATEGORIES, _("What is bought most, by category")),
        (PRODUCT, _("The products bought most")),
    ):
        frame = figures.describe_bought(sales, dimension)
        if len(frame):
            blocks.append(elements.table(frame, figures.BOUGHT, list(figures.BOUGHT.columns), words, currency, ""))
    return blocks


def show_events(happened: pd.DataFrame, currency: str) -> list[Markup]:
    if happened.empty:
        return []
    caption = counted(len(happened), "The last {n} event", "The last {n} events, the latest first")
    return [elements.table(happened, events.EVENTS, list(events.EVENTS.columns), caption, currency, "")]
