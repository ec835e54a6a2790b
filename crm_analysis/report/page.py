"""The notebook's voice: it opens the data, shows tables, figures and findings, and keeps the numbers behind them.

In a monthly run the page's files go into the bundle that is being made (``CRM_BUNDLE``); in JupyterLab into ``build/lab``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet
from IPython.display import display
from markupsafe import Markup
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language, methods, warehouse
from crm_analysis.checks.drift import warn_of_units
from crm_analysis.checks.fates import STEPS, sum_fates, warn
from crm_analysis.cleaning.ledger import MAX_LEDGER_ROWS, fates_at
from crm_analysis.customers import SHARED, open_shared
from crm_analysis.engine import Table
from crm_analysis.language import _
from crm_analysis.params import Run, build, find_root, read_yaml
from crm_analysis.report import elements
from crm_analysis.report.actions import HELD_BACK, Title, write_actions
from crm_analysis.report.plan import incomplete_note, resolve_month
from crm_analysis.schema import Card, KeyFigure, Shape

SUMMARY = "summary"
TEMPLATES = Path(__file__).parent / "templates" / "report"
# The first chart of a report, for the front page.
PICTURE = "picture.svg"
# The action list as it is merged with those of other reports.
ACTIONS = "actions.parquet"
# So many reasons stand with the number of the rows rejected; the quality report has all of them.
MAX_REASONS = 3
# The tables whose rows are what happened to most reports; a report also shows those that its method requires, and of a source
# without any of them all.
ROW_TABLES = ("order_lines", "orders", "contracts")


class Page:
    """One report. ``run`` and ``method`` override ``params/run.yml`` and ``params/<name>.yml``."""

    def __init__(self, name: str, run: dict, method: dict) -> None:
        self._root = root = Path(os.environ.get("CRM_ROOT") or find_root(Path.cwd()))
        in_bundle = "CRM_BUNDLE" in os.environ
        self.name, self.module = name, methods.load(name)
        self.folder = Path(os.environ["CRM_BUNDLE"]) if in_bundle else root / "build" / "lab"
        path = root / "params" / "run.yml"
        self.run: Run = build(Run, {**read_yaml(path), **run}, path)
        self.params = self.params_of(name, method)
        database = warehouse.warehouse_folder(root, self.run.source)
        if not in_bundle:
            warehouse.ensure(root, self.run.source, self.run.memory_limit)
        self.meta = warehouse.read_meta(database)
        self.run = replace(self.run, month=resolve_month(self.run, self.meta))
        language.use(self.run.language)
        charts.use_theme()
        self.connection = engine.start(self.run.engine, Path.cwd() if in_bundle else self.folder, self.run.memory_limit)
        shared = open_shared(self.folder.parent / SHARED, self.connection) if in_bundle else {}
        self.tables = {**warehouse.open_tables(database, self.connection), **shared}
        if methods.reads_results(name):
            published = root / "reports" / self.run.source / self.run.month
            self.tables |= open_results((self.folder if in_bundle else published) / "data", self.connection)
        self.currency = self.meta.currency
        self._told = {"findings": [], "key_figures": [], "tables": {}, "actions": None, "picture": None}
        self._shapes: dict[str, Shape] = {}
        self._warned: list[str] = []
        (self.folder / "data" / name).mkdir(parents=True, exist_ok=True)
        # For JupyterLab; a report's page has its own.
        display({"text/html": f"<style>{lab_style()}</style>"}, raw=True, metadata={})

    def params_of(self, name: str, overrides: dict | None = None) -> object:
        """The parameters of a method: another one's too, where the report shows its groups."""
        path = self._root / "params" / f"{name}.yml"
        return build(methods.load(name).Params, {**read_yaml(path), **(overrides or {})}, path)

    # What came in.

    def show_data(self) -> None:
        """Where the data come from, what was read and what was left out, and whether that should worry the reader."""
        ledger = fates_at(engine.collect(self.tables["ledger"], MAX_LEDGER_ROWS), self.run.month)
        versions = {name: version(name) for name in ("crm-analysis", engine.LIBRARIES[self.run.engine])}
        rows = ledger.groupby("fate")["n_rows"].sum()
        pairs = [
            (_("period"), language.month(self.run.month)),
            (_("as of"), language.day(self.run.as_of)),
            (_("source"), ": ".join(one for one in (self.meta.company, self.meta.describe(self.run.language)) if one)),
            (_("data from"), f"{self.meta.first_date} – {self.meta.last_date}"),
            (_("time zone"), self.meta.time_zone),
            (_("currency"), self.currency),
            (_("files"), ", ".join(f"{one['label']} ({one['sha256'][:12]})" for one in self.meta.inputs)),
            (_("rows read"), language.integer(rows.sum())),
            (_("used"), language.integer(rows.get("used", 0))),
            (_("could not be read"), tell_rejected(ledger)),
            (_("warnings of the data"), language.integer(self.meta.tables["warnings"]["n_rows"])),
            (_("versions"), ", ".join(f"{name} {number}" for name, number in versions.items())),
            (_("run"), os.environ.get("CRM_RUN_ID", "JupyterLab")),
        ]
        self._display(elements.facts(pairs))
        notes = (incomplete_note(self.run, self.meta), *warn(ledger), *warn_of_units(self.tables, self.run))
        self.show_warnings([one for one in notes if one])
        steps = sum_fates(ledger)
        rows = steps[steps["table"].isin([*ROW_TABLES, *self.module.REQUIRES])]
        self.show_table(
            "rows",
            steps if rows.empty else rows,
            STEPS,
            _("What became of the rows of the source; the quality report has all of it."),
        )

    def show_warnings(self, sentences: Sequence[str]) -> None:
        self._warned = [*self._warned, *sentences]
        for one in sentences:
            self._display(Markup('<p class="warning"><strong>{}</strong> {}</p>').format(_("Note:"), one), SUMMARY)

    # What was found.

    def show_table(
        self, name: str, frame: pd.DataFrame, shape: Shape, caption: str, columns: Sequence[str] = ()
    ) -> None:
        """A table (``columns``: the ones shown, all by default), and its whole data as CSV and Parquet. One without rows is
        kept, and not shown."""
        shape.check(frame.columns)
        more = self._keep(name, frame)
        if frame.empty:
            return
        self._shapes[name] = shape
        self._display(elements.table(frame, shape, columns or list(frame.columns), _(caption), self.currency, more))

    def show_figure(self, name: str, frame: pd.DataFrame, ax: Axes, caption: str) -> None:
        """A chart, and the numbers that it draws as CSV and Parquet. One of nothing is kept, and not shown."""
        self._keep(name, frame)
        if frame.empty:
            plt.close(ax.figure)
            return
        picture = elements.draw(ax, _(caption))
        self._display(elements.figure(picture, _(caption)))
        if self._told["picture"] is None:
            (self.folder / "data" / self.name / PICTURE).write_bytes(picture.svg)
            self._told["picture"] = {"size": picture.size, "alt": picture.alt}

    def show_cards(self, name: str, frame: pd.DataFrame, cards: Iterable[Card]) -> None:
        """A card for each of some accounts, and the numbers that their charts draw as CSV and Parquet."""
        self._keep(name, frame)
        for number, one in enumerate(cards):
            self._display(elements.sheet(one, self.currency, is_first=number == 0))

    def show_key_figures(self, figures: Sequence[KeyFigure]) -> None:
        self._told["key_figures"] = [
            {
                **{key: _json(value) for key, value in asdict(one).items()},
                "text": elements.show_key_figure(one, self.currency),
                "on_last_month": elements.show_change(one, one.previous),
                "on_last_year": elements.show_change(one, one.last_year),
            }
            for one in figures
        ]
        self._display(elements.cards(figures, self.currency) + elements.definitions(figures), SUMMARY)

    def show_findings(self, sentences: Sequence[str]) -> None:
        """What the report found; what stands above it as a warning is not said again there, but on the front page."""
        self._told["findings"] = list(sentences)
        self._display(elements.findings([one for one in sentences if one not in self._warned]), SUMMARY)

    # What to do.

    def write_actions(self, actions: Table) -> None:
        """The action list, for machines (CSV, all rows) and for people (xlsx), and what it holds."""
        engine.write_parquet(actions, self.folder / "data" / self.name / ACTIONS)
        path = self.folder / "actions" / f"{self.name}.csv"
        title = Title(self.name, self.meta.company, language.month(self.run.month), self.currency)
        listed = write_actions(actions, self.module.ACTIONS, path, title, self.params.list_rows)
        self._told["actions"] = asdict(listed)
        files = [path.with_suffix(one) for one in (".xlsx", ".csv", *([HELD_BACK] if listed.held_back else []))]
        self._display(elements.action_list(self._told["actions"], [f"actions/{one.name}" for one in files]))

    def write_table(self, name: str, table: Table) -> None:
        """Results per customer, in the order of their ids, written by the engine."""
        path = self.folder / "data" / self.name / f"{name}.parquet"
        engine.write_parquet(table.sort("customer_id"), path)
        self._told["tables"][name] = pyarrow.parquet.read_metadata(path).num_rows

    def end(self) -> None:
        """The data dictionary, and the summary that the index is made of: a page without it is not whole."""
        self._display(elements.dictionary(self._shapes))
        told = {"method": self.name, "run": os.environ.get("CRM_RUN_ID", ""), **self._told}
        text = json.dumps(told, indent=1, ensure_ascii=False)
        (self.folder / "data" / self.name / "summary.json").write_text(text, encoding="utf-8")
        engine.stop(self.connection)

    def _keep(self, name: str, frame: pd.DataFrame) -> str:
        path = self.folder / "data" / self.name / f"{name}.csv"
        engine.write_frame(frame, path)
        self._told["tables"][name] = len(frame)
        return f"data/{self.name}/{name}.csv"

    def _display(self, html: Markup, place: str = "") -> None:
        display({"text/html": f'<div class="crm">{html}</div>'}, raw=True, metadata={"crm": {"place": place}})


def open_results(folder: Path, session: engine.Session) -> dict[str, Table]:
    """The tables behind the reports of a month, by ``report.table``."""
    files = sorted(folder.glob("*/*.parquet"))
    return {f"{one.parent.name}.{one.stem}": engine.read_parquet(session, one) for one in files}


def tell_rejected(ledger: pd.DataFrame) -> str:
    """How many rows were rejected, and for which reasons most of them."""
    reasons = (
        ledger[ledger["fate"] == "rejected"]
        .groupby("reason")["n_rows"]
        .sum()
        .sort_values(ascending=False, kind="stable")
    )
    most = [f"{reason} ({language.integer(n)})" for reason, n in reasons.head(MAX_REASONS).items()]
    return ": ".join([language.integer(reasons.sum()), *([", ".join(most)] if most else [])])


def lab_style() -> str:
    """The look of tables and figures in JupyterLab, in the colours of its theme."""
    own, parts = ((TEMPLATES / one).read_text(encoding="utf-8") for one in ("lab.css", "parts.css"))
    # Twice the class: JupyterLab's own rules for tables and lists weigh as much as one.
    return f"{own}.crm.crm {{ {parts} }}"


def _json(value: object) -> object:
    if elements.is_missing(value):
        return None
    return value if isinstance(value, str | int) else float(value)
