"""Make one report, in a worker: run its notebook, and render its page and its PDF."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from crm_analysis import fonts, language, warehouse
from crm_analysis.errors import NotEnoughData
from crm_analysis.params import Run
from crm_analysis.report.execute import execute
from crm_analysis.report.plan import Plan
from crm_analysis.report.render import render_report, write_pdf
from crm_analysis.report.workers import Kernel


@dataclass(frozen=True)
class Made:
    """What became of a report: why it was not made, or '', and the letters in it that no typeface has."""

    reason: str = ""
    boxes: str = ""


def make_report(
    plan: Plan, method: dict, run: Run, meta: warehouse.Meta, root: Path, bundle: Path, work: Path, kernel: Kernel
) -> Made:
    """The report's files in ``bundle``. ``method``: the method's parameters. ``work``: an empty folder, for the kernel to run in."""
    language.use(run.language)
    os.environ.update(CRM_RUN_ID=plan.fingerprint[:12], IPYTHONDIR=str(work / "ipython"))
    given = {key: getattr(run, key) for key in ("source", "month", "partial", "language", "engine", "memory_limit")}
    notebook = root / "notebooks" / f"{plan.name}.ipynb"
    try:
        executed = execute(notebook, given, method, bundle, work, kernel)
    except NotEnoughData as error:
        return Made(reason=error.fix)
    html = render_report(executed, plan.name, run, meta, "pdf" in run.formats)
    if "html" in run.formats:
        (bundle / f"{plan.name}.html").write_text(html, encoding="utf-8")
    if "pdf" in run.formats:
        write_pdf(html, bundle / f"{plan.name}.pdf")
    return Made(boxes="".join(sorted(fonts.missing(unescape(html)))))
