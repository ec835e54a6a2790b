"""Fixtures: months published once to be looked at, copies of a smaller one to be broken, and a reader of HTML."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import make_hostile

from crm_analysis import __main__
from crm_analysis.errors import CrmError
from crm_analysis.report import bundle
from crm_analysis.report.publish import publish

PROJECT = Path(__file__).resolve().parents[1]
MONTH = "2026-10"


def no_network() -> tuple[str, ...]:
    """What runs a command without any network, where Linux lets one; else nothing."""
    words = ("unshare", "--map-root-user", "--net")
    return (
        words
        if shutil.which("unshare") and not subprocess.run([*words, "true"], capture_output=True).returncode
        else ()
    )


# The tags that our templates and elements use.
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "header", "footer", "main", "nav", "section", "article", "h1", "h2", "h3", "h4",
    "p", "b", "br", "a", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "strong", "em", "code", "table", "caption", "thead",
    "tbody", "tr", "th", "td", "figure", "img", "figcaption", "details", "summary",
}  # fmt: skip
# What a person reads of any failure: one line with a code, where, and what to do.
ONE_LINE = re.compile(r"(E-[A-Z]+-\d+) file=(.+?)(?: column=(.+?))? rows=(.+?) fix=(.+)")
# Where the tests stand that look at months, and of a case of bad input the fixture that it needs → the month.
REPORTS, CASES = PROJECT / "tests" / "report", PROJECT / "tests" / "bad_inputs"
NEEDS = {
    "broken_month": {"small"}, "month_on_a_small_disk": {"small"}, "two_months": {"small", "twin"}, "hostile_month": {"hostile"},
}  # fmt: skip


def code_cells(method: str) -> list[int]:
    """The numbers, from 1, of the cells of a method's notebook that hold code."""
    cells = json.loads((PROJECT / "notebooks" / f"{method}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [number for number, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]


def months_of(item: pytest.Item) -> set[str]:
    """The months (MONTHS) that a test looks at or breaks."""
    chosen = item.callspec.params if hasattr(item, "callspec") else {}
    if CASES in item.path.parents:
        return set().union(*(NEEDS.get(getattr(one, "needs", ""), ()) for one in chosen.values()))
    if REPORTS in item.path.parents:
        return {*item.fixturenames, *(one for one in chosen.values() if isinstance(one, str))} & set(MONTHS)
    return set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process looks at the whole company's months, another at the small ones: each month is made once."""
    for item in items:
        months = months_of(item)
        if months or REPORTS in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("whole" if months & WHOLE else "small"))


@pytest.fixture(scope="session")
def missing() -> Callable[[str], None]:
    """Skip for want of something of the machine; where CI runs, it must be there."""
    return lambda what: pytest.fail(what) if os.environ.get("CI") else pytest.skip(what)


# --- a project's folder and its month --------------------------------------------------------------------------------


class Root:
    """A project's folder, and the month that it publishes, by default of the sample company."""

    def __init__(self, path: Path, source: str = "sample", month: str = MONTH) -> None:
        self.path = path
        self.reports = path / "reports" / source
        self.bundle = self.reports / month
        self.database = path / "warehouse" / source

    def publish(self, **overrides: str) -> str:
        """Publish within this process: what the package raises comes through."""
        return publish(self.path, overrides)

    def start(self, *overrides: str, before: Sequence[str] = (), **environ: str) -> subprocess.Popen:
        """The command line, begun; ``before`` it what runs it."""
        return subprocess.Popen(
            [*before, sys.executable, "-P", "-m", "crm_analysis", "reports", *overrides],
            cwd=self.path, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def command(self, *overrides: str) -> Done:
        """The command line, within this process."""
        out, err, folder, umask = io.StringIO(), io.StringIO(), Path.cwd(), os.umask(0o077)
        signals = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        os.chdir(self.path)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = __main__.main(["reports", *overrides])
        finally:
            os.chdir(folder)
            os.umask(umask)
            for number, handler in signals.items():
                signal.signal(number, handler)
        return Done(code, out.getvalue(), err.getvalue())

    def run(self, *overrides: str) -> str:
        """What the command line says within this process. Raises Told where it fails."""
        return self.command(*overrides).succeeded()

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
        found.pop("manifest.json")
        return found == {name: known["sha256"] for name, known in self.manifest()["files"].items()}

    def summary(self, method: str) -> dict:
        return json.loads((self.bundle / "data" / method / "summary.json").read_text(encoding="utf-8"))

    def write_params(self, name: str, text: str) -> None:
        (self.path / "params" / f"{name}.yml").write_text(text, encoding="utf-8")

    def touch_params(self, name: str) -> None:
        """As if somebody saved the file again just now."""
        os.utime(self.path / "params" / f"{name}.yml")

    def edit_notebook(self, method: str, change: Callable[[list[dict]], object]) -> None:
        """``change`` its cells, of which cells[n] is cell n + 1 to people."""
        path = self.path / "notebooks" / f"{method}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        change(notebook["cells"])
        path.write_text(json.dumps(notebook), encoding="utf-8")

    def hollow_notebook(self, method: str, sources: dict[int, str]) -> None:
        """Take all code out of it (which makes it quick) but put these lines into the cells of these numbers."""

        def change(cells: list[dict]) -> None:
            for number, cell in enumerate(cells, 1):
                if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
                    cell["source"] = "None"
                if number in sources:
                    assert cell["cell_type"] == "code"
                    cell["source"] = sources[number]

        self.edit_notebook(method, change)

    def wait_in_cell(self, method: str, number: int) -> Path:
        """Make this cell wait for ever; the file that tells that it has begun to."""
        flag = self.path / "waiting"
        self.hollow_notebook(method, {number: f"open({str(flag)!r}, 'w').close()\nimport time; time.sleep(3600)"})
        return flag


@pytest.fixture(scope="session")
def make_root(tmp_path_factory) -> Callable[..., Root]:
    """``make_root()``: a project's folder as checked out; ``make_root(True)``: with a company and a run that are small."""

    def replace(path: Path, pattern: str, text: str) -> None:
        changed, n = re.subn(pattern, text, path.read_text(encoding="utf-8"))
        assert n == 1, path
        path.write_text(changed, encoding="utf-8")

    def make(is_small: bool = False) -> Root:
        path = tmp_path_factory.mktemp("project")
        for folder in ("params", "notebooks"):
            # With times of their own, as in a fresh checkout.
            shutil.copytree(PROJECT / folder, path / folder, copy_function=shutil.copy)
        if is_small:
            replace(path / "params" / "sources" / "sample.yml", r"n_customers: \d+", "n_customers: 500")
            replace(path / "params" / "run.yml", r"(?m)^methods:", "methods: [quality, rfm]")
            replace(path / "params" / "run.yml", r"(?m)^formats:", "formats: [html]")
        return Root(path)

    return make


# How the months that are looked at are made: of which company, and with which overrides, command and environment.
MONTHS = {
    "sample": ("whole", (), (), {}),
    "chinese": ("whole", ("LANGUAGE=zh", "JOBS=1"), (), {}),
    "small": ("small", ("JOBS=1",), (), {}),
    "twin": (
        "small",
        ("JOBS=2",),
        no_network(),
        {"TZ": "Asia/Shanghai", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "7"},
    ),
    "hostile": ("hostile", ("JOBS=1",), (), {}),
}


# Those of the whole company.
WHOLE = {"sample", "chinese"}


@pytest.fixture(scope="session")
def published(request, make_root) -> Iterator[Callable[[str], Root]]:
    """``published("small")``: that one of MONTHS. Of the whole company or of the small one, all that the chosen tests want are
    made at once, side by side."""
    wanted = {name for item in request.session.items for name in months_of(item)}
    begun = {}

    def wait(name: str) -> Root:
        for one in sorted(wanted & WHOLE if name in WHOLE else wanted - WHOLE):
            if one not in begun:
                company, overrides, before, environ = MONTHS[one]
                root = (
                    make_hostile(make_root(is_small=False)) if company == "hostile" else make_root(company == "small")
                )
                begun[one] = (root, root.start(*overrides, before=before, **environ))
        root, process = begun[name]
        if process.returncode is None:
            root.out, root.err = process.communicate(timeout=900)
        if process.returncode:
            raise RuntimeError(root.out + root.err)
        return root

    yield wait
    for _, process in begun.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def small(published) -> Root:
    """The month of a small company: two reports, HTML only. Only to be looked at."""
    return published("small")


@pytest.fixture(scope="session")
def twin(published) -> Root:
    """The same as ``small``, made in another folder, time zone, language and order of sets, and without a network."""
    return published("twin")


@pytest.fixture(scope="session")
def hostile(published) -> Root:
    """The month of a company whose every name is an attack (hostile.py): all reports, HTML only. Only to be looked at."""
    return published("hostile")


@pytest.fixture(scope="session")
def copy_small(small) -> Callable[[Path], Root]:
    """``copy_small(path)``: a copy of ``small`` to break, times of files included: nothing in it is out of date."""
    return lambda path: Root(shutil.copytree(small.path, path))


@pytest.fixture
def root(copy_small, tmp_path) -> Root:
    """A copy of ``small`` to break."""
    return copy_small(tmp_path / "project")


# --- for cases of bad input: contract and files → a project -----------------------------------------------------------


def _with_files(root: Root, files: Mapping[str, str | bytes]) -> Root:
    for name, content in files.items():
        path = root.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.fixture
def fresh_project(make_root) -> Callable[..., Root]:
    """A project in which nothing was published yet, with these files more, or in place of its own."""
    return lambda _contract, files: _with_files(make_root(True), files)


@pytest.fixture
def broken_month(root) -> Callable[..., Root]:
    """A copy of ``small`` to break, with these files more, or in place of its own."""
    return lambda _contract, files: _with_files(root, files)


@pytest.fixture
def month_on_a_small_disk(copy_small, small_disk) -> Callable[..., Root]:
    """A copy of ``small`` on a file system of its own."""
    return lambda _contract, files: _with_files(copy_small(small_disk / "project"), files)


@pytest.fixture
def two_months(small, twin) -> Callable[..., tuple[Root, Root]]:
    """``small`` and its ``twin``."""
    return lambda *_: (small, twin)


@pytest.fixture(scope="session")
def hostile_month(hostile) -> Callable[..., Root]:
    """The month of the hostile company."""
    return lambda *_: hostile


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own of 32 MB."""
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


# --- running ---------------------------------------------------------------------------------------------------------


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def failed(self, code: int, line: str) -> bool:
        """Whether it ended with this exit code and one line on stderr, which begins so."""
        assert len(self.err.splitlines()) == 1, (self.code, self.out, self.err)
        told = self.err.rstrip("\n")
        assert ONE_LINE.fullmatch(told), told
        assert (self.code, told[: len(line)]) == (code, line), told
        return True

    def succeeded(self) -> str:
        """What it said. Raises Told where it failed; of whatever it did it told in no more than one line."""
        if self.code:
            (line,) = self.err.splitlines()
            raise Told(self.code, line)
        assert self.err == ""
        return self.out


class Told(CrmError):
    """A failure as the one line tells of it."""

    def __init__(self, exit_code: int, line: str) -> None:
        found = ONE_LINE.fullmatch(line)
        assert found, line
        code, file, column, rows, fix = found.groups()
        super().__init__(code, fix, file=file, column=column, rows=rows)
        self.exit_code = exit_code


@pytest.fixture
def command() -> Callable[..., Done]:
    """``command(root, "NAME=value"…)``: what ``python -m crm_analysis reports`` does, within this process."""
    return lambda root, *overrides: root.command(*overrides)


def finish(process: subprocess.Popen) -> Done:
    """How a started command ended, once it has."""
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


@pytest.fixture
def ran(monkeypatch) -> list[str]:
    """The methods whose notebooks this process had run, in order."""
    names, really_run = [], bundle.run_each

    def note(function, jobs, *rest):
        names.extend(jobs)
        return really_run(function, jobs, *rest)

    monkeypatch.setattr(bundle, "run_each", note)
    return names


def comes_true(is_true: Callable[[], object], seconds: float) -> bool:
    """Whether it does within so many seconds."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def at_work_in(folder: Path) -> list[str]:
    """The command lines of the processes that were started in this folder and are still at work."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [one for one in found if one]


# --- reading HTML ----------------------------------------------------------------------------------------------------


@dataclass
class Element:
    """An element of a page: its children are elements and texts, in order."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Element]:
        """The elements within of these tags (of any, where none is given), in the order of the page."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if not tags or child.tag in tags else []
                found += child.all(*tags)
        return found

    @property
    def raw_text(self) -> str:
        return "".join(one if isinstance(one, str) else one.raw_text for one in self.children)

    @property
    def text(self) -> str:
        """What a reader sees, blanks made one."""
        return " ".join(self.raw_text.split())

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute) or ""


class _Parser(HTMLParser):
    VOID = ("br", "col", "hr", "img", "input", "link", "meta")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("")]
        self.comments: list[str] = []

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute stands twice in {tag}"
        self.open[-1].children.append(element)
        if tag not in self.VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> within <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)

    def handle_comment(self, data):
        self.comments.append(data)


def parse_html(html: str) -> Element:
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].tag}> stays open"
    return parser.open[0]


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Element]:
    """HTML as elements; an element that is closed wrongly fails the test."""
    return parse_html


def what_acts(top: Element, expected: set[str]) -> list[str]:
    """What of a piece of HTML could act: tags that were not expected, event handlers, addresses that run something."""
    found = []
    for one in top.all():
        found += [one.tag] if one.tag not in expected else []
        for name, value in one.attributes.items():
            address = "".join((value or "").split()).lower()
            is_link = name in ("href", "src", "action", "formaction", "xlink:href", "srcdoc")
            runs = is_link and address.startswith(("javascript:", "vbscript:"))
            if name.startswith("on") or name == "srcdoc" or runs:
                found.append(f"{one.tag} {name}={value}")
    return found


@pytest.fixture(scope="session")
def live_nodes() -> Callable[..., list[str]]:
    """``live_nodes(elements, expected tags)``: what of it could act."""
    return what_acts


# --- reading workbooks -----------------------------------------------------------------------------------------------


def live_parts(path: Path) -> list[str]:
    """What of a workbook could run or reach out."""
    found = []
    acts = re.compile(
        r'<f[ >/]|<hyperlink|<ddeLink|<oleLink|TargetMode="External"|'
        r'<definedName name="(?!_xlnm\._Filter|_xlnm\.Print_Titles)'
    )
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if re.search(r"vba|externalLink|connections|activeX|embedding|customXml|macro", name, re.IGNORECASE):
                found.append(name)
            found += acts.findall(book.read(name).decode("utf-8"))
    return found
