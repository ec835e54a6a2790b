"""What a run will make: its parameters, checked before anything starts, and what each report depends on."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from crm_analysis import engine, methods, warehouse
from crm_analysis.errors import InputError, MachineError, ParameterError
from crm_analysis.language import _
from crm_analysis.params import FORMATS, Run, build, nearest, read_yaml, with_overrides
from crm_analysis.sources.records import sha256

# What every report is made of, whatever its method.
_SHARED = (
    "errors.py", "language.py", "locale", "schema.py", "params.py", "spark.py", "engine.py", "sources", "cleaning", "warehouse.py",
    "customers.py", "contracts.py", "cohorts.py", "models", "leaving", "tastes", "stages.py", "composition.py",
    "behaviour.py", "valuation.py", "trials.py", "pulse.py", "turnover", "receivables.py",
    "checks", "fonts.py", "charts.py", "report",
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
    """One report of the run: the fingerprint of all that it depends on, and when its parameter file was last touched, which make's
    users expect to count."""

    name: str
    fingerprint: str
    touched_ns: int

    def is_current(self, last: dict) -> bool:
        """Whether the last bundle has this report, whole, in whatever formats."""
        known = last["reports"].get(self.name, {})
        is_whole = not any(belongs(file, self.name) for file in last["damaged"])
        return known.get("fingerprint") == self.fingerprint and self.touched_ns <= last["published_ns"] and is_whole

    def is_made(self, last: dict, formats: tuple[str, ...]) -> bool:
        """Whether the last bundle has this report, whole, in these formats, or says why it is left out."""
        known = last["reports"].get(self.name, {})
        return self.is_current(last) and (known["reason"] != "" or known["formats"] == list(formats))


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
    problem = find_pdf_problem()
    if problem and run.formats:
        raise MachineError("E-PDF-1", problem, column="formats")
    return run if run.formats else replace(run, formats=("html",) if problem else FORMATS)


def find_pdf_problem() -> str:
    from crm_analysis.report.render import pdf_problem

    return pdf_problem()


def resolve_month(run: Run, meta: warehouse.Meta) -> str:
    """The run's month, or the source's last complete one. Raises InputError E-PER-1 where the source does not reach it, or
    not to its end and the run is not ``partial``."""
    if meta.first_date is None:
        raise InputError(
            "E-FILE-2", "nothing in the source has a date: look at its ledger with make sql", file=run.source
        )
    # The contract may say that the export covers months after the last event.
    last_month = max(meta.last_date[:7], meta.last_complete_month or "")
    month = run.month or meta.last_complete_month or (last_month if run.partial else None)
    span = f"from {meta.first_date} to {meta.last_date if meta.last_date >= last_month else last_month}"
    if month is None:
        raise InputError(
            "E-PER-1",
            f"the source covers no whole month, {span}: write PARTIAL=true for the last",
            file=run.source,
            column="month",
        )
    if not meta.first_date[:7] <= month <= last_month:
        raise InputError(
            "E-PER-1", f"the source has data {span}: choose a month of these", file=run.source, column="month"
        )
    if month > (meta.last_complete_month or "") and not run.partial:
        raise InputError(
            "E-PER-1", f"the source has data {span}, and {month} is not whole: choose an earlier month, or write PARTIAL=true",
            file=run.source, column="month",
        )  # fmt: skip
    if run.month is None and month > f"{datetime.now(UTC):%Y-%m}":
        raise InputError(
            "E-DATE-4", f"the last date is {meta.last_date}, which is still to come: mend the date, set valid_dates in"
            " the contract, or give MONTH=", file=run.source, column="month",
        )  # fmt: skip
    return month


def incomplete_note(run: Run, meta: warehouse.Meta) -> str:
    """What to say where the source does not reach the month's end; '' where it does."""
    if run.month <= (meta.last_complete_month or ""):
        return ""
    return _("The data end on {day}: the month is not whole.").format(day=meta.last_date)


def plan_reports(root: Path, run: Run, meta: warehouse.Meta, last: dict) -> dict[str, Plan]:
    """What each report will be made from, those that read results of others last: they depend on all others of the bundle."""
    plans = {name: plan_report(root, run, name, meta) for name in methods.names() if not methods.reads_results(name)}
    asked = run.methods or tuple(plans)
    results = [one.fingerprint for name, one in plans.items() if name in asked or one.is_current(last)]
    late = [name for name in methods.names() if name not in plans]
    return plans | {name: plan_report(root, run, name, meta, results) for name in late}


def plan_report(root: Path, run: Run, name: str, meta: warehouse.Meta, results: Sequence[str] = ()) -> Plan:
    """What a report will be made from. It depends on all the methods that its notebook imports; none of them is loaded for that, as
    it takes longer than all else where nothing is to be made."""
    notebook = root / "notebooks" / f"{name}.ipynb"
    if not notebook.is_file():
        raise ParameterError("E-PAR-2", "the notebook is missing", file=notebook.relative_to(root))
    used = sorted({name, *_imported_methods(notebook, notebook.relative_to(root))} & set(methods.names()))
    files = [root / "params" / f"{one}.yml" for one in used]
    content = {
        "data": meta.fingerprint,
        "run": {key: getattr(run, key) for key in ("source", "month", "language", "engine")},
        "params": [read_yaml(one) for one in files],
        "notebook": sha256(notebook),
        "code": warehouse.code_hash((*_SHARED, *(f"methods/{one}.py" for one in used))),
        "versions": versions(run.engine),
        "results": results,
    }
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Plan(name, fingerprint, max(one.stat().st_mtime_ns for one in files))


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


def versions(engine_name: str) -> dict[str, str]:
    names = dict.fromkeys([*_PACKAGES, engine.LIBRARIES[engine_name]])
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def plain(params: object) -> dict:
    """Parameters as JSON has them: papermill would write a tuple as text."""
    return json.loads(json.dumps(asdict(params)))


def belongs(file: str, name: str) -> bool:
    """Whether a file of the bundle (its path within) is of this report."""
    path = Path(file)
    return path.parts[:2] == ("data", name) or (
        path.name.partition(".")[0] == name and path.parts[0] in ("notebooks", "actions", path.name)
    )
