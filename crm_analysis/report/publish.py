"""Publish a month: what is not current is made anew, in a bundle aside that takes the place of the last one whole."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from crm_analysis import language, methods, warehouse
from crm_analysis.errors import MachineError
from crm_analysis.params import FORMATS, Run
from crm_analysis.report.bundle import Bundle, read_manifest
from crm_analysis.report.plan import choose_formats, plain, plan_reports, read_params, read_run, resolve_month
from crm_analysis.report.preflight import check_machine
from crm_analysis.report.workers import warm_up


def publish(root: Path, overrides: dict[str, str]) -> str:
    """Publish the month that ``params/run.yml`` and ``overrides`` name; the line that tells what was done.

    Everything that can be checked is checked before anything starts, and whatever fails leaves the last bundle as it was. What takes
    long to load is loaded only where there is something to make.
    """
    run = read_run(root, overrides)
    check_machine(root, run)

    @cache
    def check() -> tuple[dict[str, object], tuple[str, ...]]:
        warm_up()
        return read_params(root), choose_formats(run).formats

    with _lock(root / "reports" / run.source):
        meta = warehouse.ensure(root, run.source, run.memory_limit, _tell, check)
        run = replace(run, month=resolve_month(run, meta))
        language.use(run.language)
        target = root / "reports" / run.source / run.month
        last = read_manifest(target)
        plans = plan_reports(root, run, meta, last)
        asked = run.methods or tuple(plans)
        where = target.relative_to(root)
        # Parameters that were good for all of the last bundle are good now.
        is_done = not last["damaged"] and all(one.is_made(last, run.formats or FORMATS) for one in plans.values())
        if not is_done:
            params, formats = check()
            run = replace(run, formats=formats)
            is_done = not last["damaged"] and all(plans[name].is_made(last, formats) for name in asked)
        if is_done:
            return f"{where}: nothing to do, {_made(last)}"
        bundle = Bundle(root, run, meta, target, last)
        with bundle.folder():
            for are_late in (False, True):
                stage = {name: one for name, one in plans.items() if methods.reads_results(name) == are_late}
                bundle.make([one for name, one in stage.items() if name in asked], params)
                for name in set(stage) - set(asked):
                    bundle.keep(stage[name])
                if not are_late:
                    bundle.gather(params)
            bundle.note_dropped()
            bundle.note_boxes()
            manifest = bundle.finish({name: plain(one) for name, one in params.items()})
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
