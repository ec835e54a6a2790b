"""Months to look at, published once; and a copy of a smaller one to break."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from crm_analysis import __main__, methods
from crm_analysis.report import execute
from crm_analysis.report.publish import publish
from crm_analysis.report.render import pdf_problem

PROJECT = Path(__file__).resolve().parents[2]
ONE_LINE = re.compile(r"E-[A-Z]+-\d+ file=.+ (column=.+ )?rows=.+ fix=.+")
MONTH = "2026-10"


def missing(what: str) -> None:
    """Skip for want of something of the machine; where CI runs, it must be there."""
    pytest.fail(what) if os.environ.get("CI") else pytest.skip(what)


class Root:
    """A project's folder, and what it publishes of the sample company."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reports = path / "reports" / "sample"
        self.bundle = self.reports / MONTH

    def start(self, *overrides: str, **environ: str) -> subprocess.Popen:
        """The command line, begun."""
        return subprocess.Popen(
            [sys.executable, "-m", "crm_analysis", "reports", *overrides],
            cwd=self.path, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def publish(self, *overrides: str) -> str:
        """The same within this process; what the package raises comes through."""
        return publish(self.path, dict(one.lower().split("=") if "=" not in one else _pair(one) for one in overrides))

    def hashes(self, folder: Path | None = None) -> dict[str, str]:
        """Of every file of the bundle: its path within, and its hash."""
        folder = folder or self.bundle
        files = [one for one in folder.rglob("*") if one.is_file()]
        return {one.relative_to(folder).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}

    def manifest(self) -> dict:
        return json.loads((self.bundle / "manifest.json").read_text(encoding="utf-8"))

    def is_whole(self) -> bool:
        """Whether the bundle holds just the files of its manifest, as they were."""
        found = self.hashes()
        del found["manifest.json"]
        return found == {name: known["sha256"] for name, known in self.manifest()["files"].items()}

    def has_nothing_half_made(self) -> bool:
        return {one.name for one in self.reports.iterdir()} <= {".lock", MONTH}

    def touch(self, *names: str) -> None:
        """As if somebody saved the parameters of these methods again."""
        for name in names:
            path = self.path / "params" / f"{name}.yml"
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))

    def replace_cell(self, method: str, number: int, source: str) -> None:
        """Another text in a cell of a notebook, by its number from 1."""
        with self._notebook(method) as cells:
            cells[number - 1]["source"] = source

    def drop_tags(self, method: str) -> None:
        with self._notebook(method) as cells:
            for cell in cells:
                cell["metadata"].pop("tags", None)

    def _notebook(self, method: str):
        return _Cells(self.path / "notebooks" / f"{method}.ipynb")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.lower(), value
