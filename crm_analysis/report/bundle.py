"""A month's bundle: made in a folder aside, audited, and put in place by one rename."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from crm_analysis import customers, engine, language, methods, pulse, warehouse
from crm_analysis.errors import Interrupted, ReportError
from crm_analysis.language import _
from crm_analysis.params import Run
from crm_analysis.report.plan import Plan, belongs, find_pdf_problem, incomplete_note, plain, versions
from crm_analysis.report.workers import INLINE, run_each
from crm_analysis.schema import Shape
from crm_analysis.sources.records import sha256

if TYPE_CHECKING:
    from crm_analysis.report.actions import Listed

MANIFEST = "manifest.json"


def read_manifest(target: Path) -> dict:
    """The manifest of the last bundle, and in ``damaged`` which of its files are not as they were published; an empty one
    where there is none that can be read."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        published_ns = (target / MANIFEST).stat().st_mtime_ns
        damaged = [name for name, known in manifest["files"].items() if not _is_whole(target / name, known["sha256"])]
        return {
            "reports": {},
            "parameters": {},
            "notes": [],
            **manifest,
            "published_ns": published_ns,
            "damaged": damaged,
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"reports": {}, "files": {}, "parameters": {}, "notes": [], "published_ns": 0, "damaged": []}


def _is_whole(path: Path, known: str) -> bool:
    return path.is_file() and sha256(path) == known


class Bundle:
    """The bundle that is being made, in a folder aside."""

    def __init__(self, root: Path, run: Run, meta: warehouse.Meta, target: Path, last: dict) -> None:
        self.root, self.run, self.meta, self.target, self.last = root, run, meta, target, last
        self.aside = target.parent / f".{target.name}.building"
        self.path, self.work = self.aside / "bundle", self.aside / "work"
        self.reports: dict[str, dict] = {}
        self.notes = [one for one in (self._pdf_note(), incomplete_note(run, meta)) if one]

    def _pdf_note(self) -> str:
        return "" if "pdf" in self.run.formats else find_pdf_problem()

    @contextmanager
    def folder(self) -> Iterator[None]:
        """The folder aside exists within, and is gone afterwards, whatever happens; so is what a killed run left."""
        for left in self.target.parent.glob(".*.building"):
            shutil.rmtree(left, ignore_errors=True)
        self.path.mkdir(parents=True)
        before = dict(os.environ)
        os.environ.update(
            CRM_ROOT=str(self.root.resolve()), CRM_BUNDLE=str(self.path.resolve()), JUPYTER_PREFER_ENV_PATH="1", PYTHONSAFEPATH="1", MPLBACKEND=INLINE,
        )  # fmt: skip
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            shutil.rmtree(self.aside, ignore_errors=True)

    def make(self, plans: Sequence[Plan], params: Mapping[str, object]) -> None:
        """The reports: each taken over from the last bundle if nothing that it depends on changed, else made anew, side by side.

        Raises Interrupted, which tells where they were, on Ctrl-C.
        """
        from crm_analysis.report.making import make_report

        jobs = {}
        for plan in plans:
            work = (self.work / plan.name).resolve()
            self.reports[plan.name] = {
                "fingerprint": plan.fingerprint, "formats": list(self.run.formats), "reason": self._missing(plan.name), "boxes": "",
            }  # fmt: skip
            if plan.is_made(self.last, self.run.formats):
                self._take_over(plan.name)
            elif not self.reports[plan.name]["reason"]:
                work.mkdir(parents=True)
                jobs[plan.name] = (plan, plain(params[plan.name]), self.run, self.meta, self.root, self.path, work)
        if len(jobs) > 1 and "orders" in self.meta.tables:
            self._share()
        try:
            for name, made in run_each(make_report, jobs, self.run.jobs or len(os.sched_getaffinity(0)), self._watch):
                self.reports[name] |= asdict(made)
                if made.reason:
                    self._drop(name)
        except KeyboardInterrupt as error:
            where = {"file": ", ".join(f"{one}.ipynb" for one in self.at_work), "rows": ", ".join(self._cells())}
            raise Interrupted("E-INT-1", "stopped here and published nothing: run again", **where) from error
        finally:
            self._watch([])

    def _share(self) -> None:
        """What several reports start from, computed once, into a folder that is gone with the run."""
        folder = self.path.parent / customers.SHARED
        folder.mkdir()
        session = engine.start(self.run.engine, self.aside, self.run.memory_limit)
        tables = warehouse.open_tables(warehouse.warehouse_folder(self.root, self.run.source), session)
        customers.share(tables, self.run, folder)
        engine.stop(session)

    def _watch(self, at_work: Sequence[str]) -> None:
        """Remember which reports are at work, and show it to whoever watches."""
        self.at_work = at_work
        if sys.stderr.isatty():
            now = ", ".join(f"{name} {cell}" for name, cell in zip(at_work, self._cells(), strict=True))
            sys.stderr.write(f"\r\033[K{now}")

    def _cells(self) -> list[str]:
        """Where the reports that are at work are."""
        from crm_analysis.report.execute import running_cell

        return [f"cell {running_cell(self.work / name)}" for name in self.at_work]

    def keep(self, plan: Plan) -> None:
        """A report that was not asked for stays, if it is of the same data, month and language."""
        if plan.is_current(self.last):
            self._take_over(plan.name)

    def _missing(self, name: str) -> str:
        """Which of the tables that a method needs the source lacks, as a sentence; '' where it has them."""
        missing = [one for one in methods.load(name).REQUIRES if one not in self.meta.tables]
        return _("the source has no table {tables}").format(tables=language.listed(missing)) if missing else ""

    def note_boxes(self) -> None:
        """Say which letters the typefaces have not: a box in their place must not surprise."""
        boxes = sorted({letter for one in self.reports.values() for letter in one.get("boxes") or ""})
        if boxes:
            text = _("PDF and charts show boxes in place of letters that their typefaces have not: {letters}")
            self.notes.append(text.format(letters=" ".join(boxes[:20])))

    def note_dropped(self) -> None:
        """Say which reports of the last bundle are not in this one."""
        dropped = [name for name in self.last["reports"] if name not in self.reports]
        if dropped:
            text = _("No longer current, and so left out: {names}. Run again for all methods.")
            self.notes.append(text.format(names=language.listed(dropped)))

    def _take_over(self, name: str) -> None:
        self.reports[name] = self.last["reports"][name]
        for file in self.last["files"]:
            if belongs(file, name):
                (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.target / file, self.path / file)

    def _drop(self, name: str) -> None:
        for file in [one for one in self.path.rglob("*") if one.is_file()]:
            if belongs(file.relative_to(self.path).as_posix(), name):
                file.unlink()

    def gather(self, params: Mapping[str, object]) -> None:
        """What the front page and the reports that read results have of the others: the company's months, and one list of actions."""
        self._sort()
        self._audit(self._summaries())
        session = engine.start(self.run.engine, self.aside, self.run.memory_limit)
        self.months = self._measure(session)
        self.merged = self._merge([one["name"] for one in self._summaries() if one["actions"]], params, session)
        engine.stop(session)

    def _sort(self) -> None:
        names = sorted(self.reports, key=lambda name: (methods.load(name).PLACE, name))
        self.reports = {name: self.reports[name] for name in names}

    def _summaries(self) -> list[dict]:
        """What the front page shows of each report that was made."""
        return [self._summary(name) for name, one in self.reports.items() if not one["reason"]]

    def finish(self, params: dict[str, dict]) -> dict:
        """Index and manifest, a last look, and the rename."""
        from crm_analysis.report.elements import show_key_figure
        from crm_analysis.report.front import show_pulse, show_report, tell_merged
        from crm_analysis.report.render import render_month

        self._sort()
        shown = self._summaries()
        self._audit(shown)
        html = render_month(
            {
                "notes": self.notes,
                "pulse": show_pulse(*self.months, self.meta.currency),
                "reports": [show_report(one, self.path, self.meta.currency) for one in shown],
                "left_out": [(self._title(name), one["reason"]) for name, one in self.reports.items() if one["reason"]],
                "actions": self.merged and tell_merged(self.merged),
                "action_files": sorted(f"actions/{one.name}" for one in self.path.glob("actions/all.*")),
            },
            self.run,
            self.meta,
        )
        (self.path / "index.html").write_text(html, encoding="utf-8")
        manifest = {
            "source": self.run.source,
            "month": self.run.month,
            "language": self.run.language,
            "currency": self.meta.currency,
            "database": self.meta.fingerprint,
            "inputs": [{key: one[key] for key in ("table", "label", "size", "sha256")} for one in self.meta.inputs],
            "rows": {name: one["n_rows"] for name, one in self.meta.tables.items()},
            "parameters": {name: one for name, one in params.items() if name in self.reports},
            "versions": versions(self.run.engine),
            "reports": self.reports,
            "notes": self.notes,
            "figures": [
                (one.name, show_key_figure(one, self.meta.currency)) for one in pulse.key_figures(self.months[0])[:4]
            ],
            "headline": next((one["findings"][0] for one in shown if one["findings"]), ""),
            "files": {
                file.relative_to(self.path).as_posix(): {"sha256": sha256(file), "bytes": file.stat().st_size}
                for file in sorted(self.path.rglob("*"))
                if file.is_file()
            },
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        (self.path / MANIFEST).write_text(text, encoding="utf-8")
        warehouse.replace_folder(self.path, self.target)
        return manifest

    def _merge(self, names: list[str], params: Mapping[str, object], connection: engine.Session) -> Listed | None:
        """The action lists of the reports as one, and what became of it (actions.Listed); None where there are none."""
        from crm_analysis.report.actions import Title, merge_actions, write_actions
        from crm_analysis.report.page import ACTIONS

        if not names:
            return None
        lists = {one: engine.read_parquet(connection, self.path / "data" / one / ACTIONS) for one in names}
        table, shape = merge_actions(lists)
        title = Title(_("all reports"), self.meta.company, language.month(self.run.month), self.meta.currency)
        engine.write_parquet(table, self.path / "data" / "index" / ACTIONS)
        most = max(params[one].list_rows for one in names)
        return write_actions(table, shape, self.path / "actions" / "all.csv", title, most)

    def _measure(self, connection: engine.Session) -> tuple[pd.DataFrame, Shape]:
        """The company's figures month by month, kept in the bundle."""
        from crm_analysis.report.front import MONTHS_FILE

        tables = warehouse.open_tables(warehouse.warehouse_folder(self.root, self.run.source), connection)
        frame, shape = pulse.measure(tables, self.run, date.fromisoformat(self.meta.first_date))
        path = self.path / MONTHS_FILE
        path.parent.mkdir(parents=True)
        engine.write_frame(frame, path)
        return frame, shape

    def _title(self, name: str) -> str:
        notebook = json.loads((self.root / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        first_line = "".join(notebook["cells"][0]["source"]).partition("\n")[0]
        return _(first_line.removeprefix("# "))

    def _summary(self, name: str) -> dict:
        """What the index shows of a report."""
        summary = json.loads((self.path / "data" / name / "summary.json").read_text(encoding="utf-8"))
        title = self._title(name)
        pages = [f"{name}.{one}" for one in self.reports[name]["formats"]]
        n = (summary["actions"] or {}).get("n_rows", 0)
        listed = _("Action list ({n})").format(n=language.integer(n))
        return {"name": name, "title": title, "pages": pages, "link": pages[0], "listed": listed, **summary}

    def _audit(self, summaries: list[dict]) -> None:
        """Every file that a published report must have is there and holds something. Raises ReportError E-AUD-2."""
        from crm_analysis.report.actions import HELD_BACK
        from crm_analysis.report.page import ACTIONS

        for summary in summaries:
            name = summary["name"]
            expected = [*summary["pages"], f"notebooks/{name}.ipynb"]
            if summary["actions"]:
                expected += [f"actions/{name}.csv", f"actions/{name}.xlsx", f"data/{name}/{ACTIONS}"]
                expected += [f"actions/{name}{HELD_BACK}"] if summary["actions"].get("held_back") else []
            for file in expected:
                if not (self.path / file).is_file() or not (self.path / file).stat().st_size:
                    raise ReportError("E-AUD-2", "the file was not made: run again", file=file)
