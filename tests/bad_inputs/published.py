"""Cases on a project as the command line sees it: one in which nothing was published yet, and one that has a month."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from catalogue import Case
from projects import Element, Root, parse_html

from crm_analysis import warehouse
from crm_analysis.errors import CrmError
from crm_analysis.report import bundle, making
from crm_analysis.report.workers import Kernel


@dataclass(frozen=True, kw_only=True)
class OnFresh(Case):
    """In a project in which nothing was published yet: whatever is refused is refused before anything was made."""

    needs: str = "fresh_project"

    def prove(self, make) -> None:
        made: list[Root] = []
        with patch.object(warehouse, "find_inputs", side_effect=AssertionError("work began")):
            super().prove(lambda *given: made.append(make(*given)) or made[-1])
        for one in made:
            assert [path for path in one.path.glob("reports/**/*") if path.is_file() and path.name != ".lock"] == []
            assert not (one.path / "warehouse").exists()


@dataclass(frozen=True, kw_only=True)
class OnMonth(Case):
    """In a project with a published month: it stays the same, to the byte, and nothing half made lies beside it."""

    needs: str = "broken_month"

    def _prove_ledger(self, source: Root) -> None:
        """The ledger of the sample company is no part of these cases."""

    def prove(self, make) -> None:
        made: list[tuple[Root, dict]] = []

        def note(*given) -> Root:
            root = make(*given)
            made.append((root, root.hashes()))
            return root

        super().prove(note)
        for root, before in made:
            assert root.hashes() == before
            assert {one.name for one in root.reports.iterdir()} == {".lock", root.bundle.name, "index.html"}


@dataclass(frozen=True, kw_only=True)
class OnHostile(OnMonth):
    """What was published of the hostile company is looked at."""

    needs: str = "hostile_month"
    run: Callable = lambda root: None


@dataclass(frozen=True, kw_only=True)
class OnTwins(OnHostile):
    """The same month, made on two machines that differ, is looked at."""

    needs: str = "two_months"

    def prove(self, make) -> None:
        self.check(make())


def command(*overrides: str) -> Callable[[Root], str]:
    """``make reports`` with these."""
    return lambda root: root.run(*overrides)


def hollow(cell: int, source: str, *overrides: str) -> Callable[[Root], str]:
    """``make reports`` where this cell of the quality report holds this code, and the others nothing."""

    def run(root: Root) -> str:
        root.hollow_notebook("quality", {cell: source})
        return root.run(*overrides)

    return run


def before_work(run: Callable) -> Callable:
    """``run`` where no notebook may be run."""

    def watched(root: Root) -> object:
        with patch.object(bundle, "run_each", _refuse):
            return run(root)

    return watched


def _refuse(_function: Callable, jobs: dict, *_: object) -> list:
    assert not jobs, f"a notebook was run: {list(jobs)}"
    return []


def here(_function: Callable, jobs: dict, *_: object) -> Iterator[tuple[str, object]]:
    """What ``run_each`` does, in this process: its parts can be replaced."""
    for name, arguments in jobs.items():
        yield name, making.make_report(*arguments, Kernel())


def tells(pattern: str) -> Callable[[Callable], Callable]:
    """A run whose refusal matches this, too."""

    def watch(run: Callable) -> Callable:
        def watched(source: object) -> object:
            try:
                return run(source)
            except CrmError as error:
                assert re.search(pattern, str(error)), error
                raise

        return watched

    return watch


def page_of(root: Root, name: str) -> Element:
    """A published page as elements."""
    return parse_html((root.bundle / name).read_text(encoding="utf-8"))


def text_of(root: Root, name: str) -> str:
    """What a reader of a published page sees."""
    (body,) = page_of(root, name).all("body")
    return body.text


@contextmanager
def failing(owner: object, name: str, number: int) -> Iterator[None]:
    """Within, this function fails as if the operating system did."""
    with patch.object(owner, name, side_effect=OSError(number, os.strerror(number), "orders.csv")):
        yield
