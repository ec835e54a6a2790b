"""A month's bundle: what must be made anew is executed and rendered aside, audited, and put in place by one rename."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from html import unescape
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from crm_analysis import engine, fonts, language, methods, pulse, warehouse
from crm_analysis.errors import InputError, MachineError, NotEnoughData, ParameterError, ReportError
from crm_analysis.language import _
from crm_analysis.params import Run, build, nearest, read_yaml, with_overrides
from crm_analysis.schema import Shape
from crm_analysis.sources.records import sha256

MANIFEST = "manifest.json"
# What every report is made of, whatever its method.
_SHARED = (
    "errors.py", "language.py", "locale", "schema.py", "params.py", "engine.py", "sources", "cleaning", "warehouse.py",
    "customers.py", "contracts.py", "cohorts.py", "models", "leaving", "tastes", "valuation.py", "trials.py", "pulse.py",
    "fonts.py", "charts.py",
    "report", "methods/quality.py",
)  # fmt: skip
_PACKAGES = (
    "crm-analysis",
    "duckdb",
    "narwhals",
    "pandas",
    "matplotlib",
    "scipy",
    "scikit-learn",
    "papermill",
    "nbconvert",
    "weasyprint",
)


@dataclass(frozen=True)
class Plan:
    """One report of the run: its parameters, typed; the fingerprint of all that it depends on; and when its parameter file
    was last touched, which make's users expect to count."""

    name: str
    params: object
    fingerprint: str
    touched_ns: int

    def is_current(self, last: dict) -> bool:
        """Whether the last bundle has this report, whole, in whatever formats."""
        known = last["reports"].get(self.name, {})
        is_whole = not any(_belongs(file, self.name) for file in last["damaged"])
        return known.get("fingerprint") == self.fingerprint and self.touched_ns <= last["published_ns"] and is_whole


def publish(root: Path, overrides: dict[str, str]) -> str:
    """Publish the month that ``params/run.yml`` and ``overrides`` name; the line that tells what was done.

    Everything that can be checked is checked before anything starts, and whatever fails leaves the last bundle as it was.
    """
    run = read_run(root, overrides)
    with _lock(root / "reports" / run.source):
        params = read_params(root)
        run = choose_formats(run)
        meta = warehouse.ensure(root, run.source, run.memory_limit, _tell)
        run = replace(run, month=resolve_month(run, meta))
        language.use(run.language)
        target = root / "reports" / run.source / run.month
        last = _read_manifest(target)
        plans = {name: plan_report(root, run, name, params, meta) for name in params}
        asked = run.methods or tuple(plans)
        where = target.relative_to(root)
        bundle = _Bundle(root, run, meta, target, last)
        if not last["damaged"] and all(bundle.has(plans[name]) for name in asked):
            return f"{where}: nothing to do, {_made(last)}"
        with bundle.folder():
            for number, name in enumerate(asked, 1):
                bundle.make(plans[name], f"{name} ({number}/{len(asked)})")
            for name in set(plans) - set(asked):
                bundle.keep(plans[name])
            bundle.note_dropped()
            bundle.note_boxes()
            manifest = bundle.finish({name: _plain(plan.params) for name, plan in plans.items()})
        write_months(target.parent, run, meta)
        return f"{where}: {_made(manifest)}"


def write_months(folder: Path, run: Run, meta: warehouse.Meta) -> None:
    """The page of all months of the source, put in place whole."""
    from crm_analysis.report.front import list_months
    from crm_analysis.report.render import render_months

    aside = folder / ".index.html"
    try:
        aside.write_text(render_months(list_months(folder), run, meta), encoding="utf-8")
        aside.replace(folder / "index.html")
    finally:
        aside.unlink(missing_ok=True)


def _made(manifest: dict) -> str:
    published = [name for name, one in manifest["reports"].items() if not one["reason"]]
    left_out = [f"{name} ({one['reason']})" for name, one in manifest["reports"].items() if one["reason"]]
    lines = [", ".join(published) or "no report", *(f"left out: {one}" for one in left_out), *manifest["notes"]]
    return "\n  ".join(lines)


def read_run(root: Path, overrides: dict[str, str]) -> Run:
    """The run, of a source and methods that there are. Raises ParameterError."""
    path = root / "params" / "run.yml"
    run = build(Run, with_overrides(read_yaml(path), overrides), f"{path.relative_to(root)} or command line")
    contract = warehouse.contract_path(root, run.source)
    if not contract.is_file():
        known = sorted(one.stem for one in contract.parent.glob("*.yml"))
        raise ParameterError("E-PAR-1", f"unknown source{nearest(run.source, known)}", file=contract.relative_to(root))
    for name in run.methods:
        if name not in methods.names():
            raise ParameterError(
                "E-PAR-1", f"unknown method '{name}'{nearest(name, methods.names())}", column="methods"
            )
    return replace(run, methods=tuple(dict.fromkeys(run.methods)), formats=tuple(sorted(set(run.formats))))


def read_params(root: Path) -> dict[str, object]:
    """The typed parameters of every method, those of reports that only stay included. Raises ParameterError."""
    params = {}
    for name in methods.names():
        path = root / "params" / f"{name}.yml"
        params[name] = build(methods.load(name).Params, read_yaml(path), path.relative_to(root))
    return params


def choose_formats(run: Run) -> Run:
    """The run with its formats: HTML, and PDF where this machine can make it. Raises MachineError E-PDF-1 where a PDF was
    asked for and cannot be made."""
    if run.formats == ("html",):
        return run
    problem = _pdf_problem()
    if problem and run.formats:
        raise MachineError("E-PDF-1", problem, column="formats")
    return run if run.formats else replace(run, formats=("html",) if problem else ("html", "pdf"))


def _pdf_problem() -> str:
    from crm_analysis.report.render import pdf_problem

    return pdf_problem()


def resolve_month(run: Run, meta: warehouse.Meta) -> str:
    """The run's month, or the source's last complete one. Raises InputError E-PER-1 where the source does not reach it."""
    if meta.first_date is None:
        raise InputError("E-FILE-2", "the source has no order: look at its ledger with make sql", file=run.source)
    month = run.month or meta.last_complete_month
    # The contract may say that the export covers months after the last event.
    last_month = max(meta.last_date[:7], meta.last_complete_month or "")
    span = f"from {meta.first_date} to {meta.last_date if meta.last_date >= last_month else last_month}"
    if month is None:
        raise InputError(
            "E-PER-1",
            f"the source covers no whole month, {span}",
            file=run.source,
            column="month",
        )
    if not meta.first_date[:7] <= month <= last_month:
        raise InputError(
            "E-PER-1", f"the source has data {span}: choose a month of these", file=run.source, column="month"
        )
    if run.month is None and month > f"{datetime.now(UTC):%Y-%m}":
        raise InputError(
            "E-DATE-4", f"the last order is of {meta.last_date}, which is still to come: mend the date, set valid_dates in"
            " the contract, or give MONTH=", file=run.source, column="ordered_at",
        )  # fmt: skip
    return month


def incomplete_note(run: Run, meta: warehouse.Meta) -> str:
    """What to say where the source does not reach the month's end; '' where it does."""
    if run.month <= (meta.last_complete_month or ""):
        return ""
    return _("The data end on {day}: the month is not whole.").format(day=meta.last_date)


def plan_report(root: Path, run: Run, name: str, params: dict[str, object], meta: warehouse.Meta) -> Plan:
    """What a report will be made from. It depends on all the methods that its notebook imports."""
    notebook = root / "notebooks" / f"{name}.ipynb"
    if not notebook.is_file():
        raise ParameterError("E-PAR-2", "the notebook is missing", file=notebook.relative_to(root))
    used = sorted({name, *_imported_methods(notebook, notebook.relative_to(root))} & set(params))
    content = {
        "data": meta.fingerprint,
        "run": {key: getattr(run, key) for key in ("source", "month", "language", "engine")},
        "params": [repr(params[one]) for one in used],
        "notebook": sha256(notebook),
        "code": warehouse.code_hash((*_SHARED, *(f"methods/{one}.py" for one in used))),
        "versions": versions(),
    }
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    touched = max((root / "params" / f"{one}.yml").stat().st_mtime_ns for one in used)
    return Plan(name, params[name], fingerprint, touched)


def _imported_methods(path: Path, label: Path) -> list[str]:
    """The methods that a notebook imports. Its second cell, and no other, must be tagged ``parameters``; otherwise the run's
    would not reach it."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = [place for place, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", [])]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError) as error:
        raise ParameterError("E-PAR-4", "this is not a notebook: restore it", file=label) from error
    if tagged != [1]:
        raise ParameterError("E-PAR-4", "tag the second cell, and no other, 'parameters'", file=label)
    lines = re.findall(r"^from crm_analysis\.methods import ([\w, ]+)$", code, re.MULTILINE)
    return [name.strip() for line in lines for name in line.split(",")]


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


# The last bundle.


def _read_manifest(target: Path) -> dict:
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


class _Bundle:
    """The bundle that is being made, in a folder aside."""

    def __init__(self, root: Path, run: Run, meta: warehouse.Meta, target: Path, last: dict) -> None:
        self.root, self.run, self.meta, self.target, self.last = root, run, meta, target, last
        self.aside = target.parent / f".{target.name}.building"
        self.path, self.work = self.aside / "bundle", self.aside / "work"
        self.reports: dict[str, dict] = {}
        self.notes = [one for one in (self._pdf_note(), incomplete_note(run, meta)) if one]

    def _pdf_note(self) -> str:
        return "" if "pdf" in self.run.formats else _pdf_problem()

    def has(self, plan: Plan) -> bool:
        """Whether the last bundle has the report in the run's formats."""
        known = self.last["reports"].get(plan.name, {})
        return plan.is_current(self.last) and (known["reason"] != "" or known["formats"] == list(self.run.formats))

    @contextmanager
    def folder(self) -> Iterator[None]:
        """The folder aside exists within, and is gone afterwards, whatever happens; so is what a killed run left."""
        for left in self.target.parent.glob(".*.building"):
            shutil.rmtree(left, ignore_errors=True)
        self.path.mkdir(parents=True)
        before = dict(os.environ)
        os.environ.update(
            CRM_ROOT=str(self.root.resolve()), CRM_BUNDLE=str(self.path.resolve()),
            IPYTHONDIR=str(self.aside.resolve() / "ipython"),
            JUPYTER_PREFER_ENV_PATH="1", PYTHONSAFEPATH="1", MPLBACKEND="module://matplotlib_inline.backend_inline",
        )  # fmt: skip
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            shutil.rmtree(self.aside, ignore_errors=True)

    def make(self, plan: Plan, title: str) -> None:
        """One report: taken over from the last bundle if nothing that it depends on changed, else made anew."""
        if self.has(plan):
            self._take_over(plan.name)
            return
        report = {"fingerprint": plan.fingerprint, "formats": list(self.run.formats), "reason": "", "boxes": ""}
        try:
            self._require_tables(plan.name)
            report["boxes"] = self._run(plan, title)
        except NotEnoughData as error:
            self._drop(plan.name)
            report["reason"] = error.fix
        self.reports[plan.name] = report

    def keep(self, plan: Plan) -> None:
        """A report that was not asked for stays, if it is of the same data, month and language."""
        if plan.is_current(self.last):
            self._take_over(plan.name)

    def _require_tables(self, name: str) -> None:
        missing = [one for one in methods.load(name).REQUIRES if one not in self.meta.tables]
        if missing:
            reason = _("the source has no table {tables}").format(tables=language.listed(missing))
            raise NotEnoughData("E-MIN-2", reason, file=self.run.source)

    def _run(self, plan: Plan, title: str) -> str:
        """Execute and render a report; the letters in it that no typeface has."""
        from crm_analysis.report.execute import execute
        from crm_analysis.report.render import render_report, write_pdf

        os.environ["CRM_RUN_ID"] = plan.fingerprint[:12]
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        run = {key: getattr(self.run, key) for key in ("source", "month", "language", "engine", "memory_limit")}
        progress = {"desc": title, "leave": False} if sys.stderr.isatty() else False
        notebook = self.root / "notebooks" / f"{plan.name}.ipynb"
        executed = execute(notebook, run, _plain(plan.params), self.path, self.work, progress)
        _tell(f"{title}: rendering")
        html = render_report(executed, plan.name, self.run, self.meta, "pdf" in self.run.formats)
        if "html" in self.run.formats:
            (self.path / f"{plan.name}.html").write_text(html, encoding="utf-8")
        if "pdf" in self.run.formats:
            write_pdf(html, self.path / f"{plan.name}.pdf")
        return "".join(sorted(fonts.missing(unescape(html))))

    def note_boxes(self) -> None:
        """Say which letters the typefaces have not: a box in their place must not surprise."""
        boxes = sorted({letter for one in self.reports.values() for letter in one.get("boxes", "")})
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
            if _belongs(file, name):
                (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.target / file, self.path / file)

    def _drop(self, name: str) -> None:
        for file in [one for one in self.path.rglob("*") if one.is_file()]:
            if _belongs(file.relative_to(self.path).as_posix(), name):
                file.unlink()

    def finish(self, params: dict[str, dict]) -> dict:
        """Index and manifest, a last look, and the rename."""
        from crm_analysis.report.elements import show_key_figure
        from crm_analysis.report.front import show_pulse, show_report
        from crm_analysis.report.render import render_month

        names = sorted(self.reports, key=lambda name: (methods.load(name).PLACE, name))
        self.reports = {name: self.reports[name] for name in names}
        shown = [self._summary(name) for name in names if not self.reports[name]["reason"]]
        months, shape = self._measure()
        html = render_month(
            {
                "notes": self.notes,
                "pulse": show_pulse(months, shape, self.meta.currency),
                "reports": [show_report(one, self.path, self.meta.currency) for one in shown],
                "left_out": [(self._title(name), one["reason"]) for name, one in self.reports.items() if one["reason"]],
                "actions": "",
            },
            self.run,
            self.meta,
        )
        (self.path / "index.html").write_text(html, encoding="utf-8")
        self._audit(shown)
        manifest = {
            "source": self.run.source,
            "month": self.run.month,
            "language": self.run.language,
            "currency": self.meta.currency,
            "database": self.meta.fingerprint,
            "inputs": [{key: one[key] for key in ("table", "label", "size", "sha256")} for one in self.meta.inputs],
            "rows": {name: one["n_rows"] for name, one in self.meta.tables.items()},
            "parameters": {name: one for name, one in params.items() if name in self.reports},
            "versions": versions(),
            "reports": self.reports,
            "notes": self.notes,
            "figures": [(one.name, show_key_figure(one, self.meta.currency)) for one in pulse.key_figures(months)[:4]],
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

    def _measure(self) -> tuple[pd.DataFrame, Shape]:
        """The company's figures month by month, kept in the bundle."""
        connection = engine.connect(self.aside, self.run.memory_limit)
        tables = warehouse.open_tables(warehouse.warehouse_folder(self.root, self.run.source), connection)
        frame, shape = pulse.measure(tables, self.run, date.fromisoformat(self.meta.first_date))
        connection.close()
        path = self.path / "data" / "index" / "months.csv"
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
        for summary in summaries:
            name = summary["name"]
            expected = [*summary["pages"], f"notebooks/{name}.ipynb"]
            if summary["actions"]:
                expected += [f"actions/{name}.csv", f"actions/{name}.xlsx"]
            for file in expected:
                if not (self.path / file).is_file() or not (self.path / file).stat().st_size:
                    raise ReportError("E-AUD-2", "the file was not made: run again", file=file)


def _plain(params: object) -> dict:
    """Parameters as JSON has them: papermill would write a tuple as text."""
    return json.loads(json.dumps(asdict(params)))


def _belongs(file: str, name: str) -> bool:
    """Whether a file of the bundle (its path within) is of this report."""
    path = Path(file)
    return path.parts[:2] == ("data", name) or (
        path.stem == name and path.parts[0] in ("notebooks", "actions", path.name)
    )


def _tell(text: str) -> None:
    """What goes on, for whoever watches; nothing where nobody does."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One run at a time for a source; the second is told of the first. The lock ends with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise MachineError(
                "E-LOCK-1", f"another run is at work: {file.read().strip()}; wait for its end", file=folder.name
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield
