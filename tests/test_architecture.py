"""The house: who may import whom, what a method costs, what a notebook may hold, and what stands nowhere."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "crm_analysis"
ROOMS = (
    "errors", "fonts", "language", "schema", "params", "spark", "engine", "sources", "inspection", "cleaning", "warehouse", "customers",
    "contracts", "cohorts", "checks",
    "models", "leaving", "tastes", "stages", "composition", "behaviour", "valuation", "trials", "pulse", "turnover", "receivables",
    "charts", "methods", "report", "__main__",
)  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))
METHODS = sorted(path.stem for path in (PACKAGE / "methods").glob("*.py") if path.stem != "__init__")
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
MAX_CELL_LINES = 6

by_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
by_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(code: ast.AST) -> list[str]:
    """The full names of what is imported: ``from crm_analysis import engine`` gives ``crm_analysis.engine``."""
    names = []
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package in full"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def own(names: list[str]) -> list[str]:
    """Of these, the package's own, without its name: ``sources.contract.Format``."""
    return [name.removeprefix("crm_analysis.") for name in names if name.startswith("crm_analysis.")]


def test_every_room_is_in_the_order_of_import():
    assert {room(path) for path in MODULES} - {"__init__"} <= set(ROOMS)


@by_module
def test_a_room_imports_only_rooms_before_it(path):
    here = room(path)
    found = own(imported(tree(path)))
    if here == "__init__":
        assert found == []
        return
    later = [name for name in found if ROOMS.index(name.split(".")[0]) > ROOMS.index(here)]
    assert later == []
    allowed = {"models": {"errors"}, "charts": {"fonts", "language"}}
    if here in allowed:
        assert {name.split(".")[0] for name in found} <= {here, *allowed[here]}


@pytest.mark.parametrize("method", METHODS)
def test_methods_never_import_methods(method):
    found = own(imported(tree(PACKAGE / "methods" / f"{method}.py")))
    assert [name for name in found if name.startswith("methods")] == []


def test_no_module_is_a_box_for_odds_and_ends():
    names = {path.stem for folder in ("crm_analysis", "tests") for path in (PROJECT / folder).rglob("*.py")}
    assert names & {"utils", "util", "helpers", "helper", "common", "misc"} == set()


def test_there_are_methods():
    assert {"rfm", "decile"} <= set(METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("file", ["notebooks/{}.ipynb", "params/{}.yml", "tests/methods/test_{}.py"])
def test_a_method_has_its_notebook_its_parameters_and_its_tests(method, file):
    assert (PROJECT / file.format(method)).is_file()


def test_every_notebook_and_every_test_of_a_method_has_its_method():
    found = [path.stem for path in NOTEBOOKS]
    found += [path.stem.removeprefix("test_") for path in (PROJECT / "tests" / "methods").glob("test_*.py")]
    assert set(found) - set(METHODS) == set()


# --- notebooks -------------------------------------------------------------------------------------------------------


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


@by_notebook
def test_a_notebook_is_stripped_of_outputs(path):
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert code
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []


@by_notebook
def test_a_notebook_holds_no_logic(path):
    logic = (
        ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.IfExp,
        ast.Match, ast.Try, ast.With, ast.comprehension,
    )  # fmt: skip
    for cell in cells(path):
        if cell["cell_type"] == "code":
            found = [ast.unparse(node) for node in ast.walk(ast.parse(source(cell))) if isinstance(node, logic)]
            assert found == []


@by_notebook
def test_a_code_cell_has_at_most_six_lines(path):
    long = [
        source(cell)
        for cell in cells(path)
        if cell["cell_type"] == "code" and source(cell).count("\n") >= MAX_CELL_LINES
    ]
    assert long == []


@by_notebook
def test_words_stand_before_every_code_cell(path):
    kinds = [cell["cell_type"] for cell in cells(path)]
    assert kinds[0] == "markdown"
    assert [place for place in range(1, len(kinds)) if kinds[place - 1 : place + 1] == ["code", "code"]] == []


@by_notebook
def test_a_notebook_imports_only_from_the_package(path):
    names = [name for cell in cells(path) if cell["cell_type"] == "code" for name in imported(ast.parse(source(cell)))]
    assert names
    assert len(own(names)) == len(names)


@by_notebook
def test_a_notebook_has_one_cell_of_parameters(path):
    tagged = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert [cell["cell_type"] for cell in tagged] == ["code"]


# --- what stands nowhere ---------------------------------------------------------------------------------------------


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) not in ("report", "__main__")], ids=lambda path: path.stem
)
def test_only_the_report_reads_the_clock(path):
    clocks = {"now", "today", "utcnow", "time", "time_ns", "localtime", "gmtime", "monotonic", "perf_counter"}
    read = [
        ast.unparse(call)
        for call in calls(path)
        if (isinstance(call.func, ast.Attribute) and call.func.attr in clocks)
        or (isinstance(call.func, ast.Name) and call.func.id in clocks)
    ]
    assert read == []
    assert re.search(r"current_(date|timestamp)|\bnow\(\)", path.read_text(encoding="utf-8")) is None


@by_module
def test_nothing_runs_what_it_reads(path):
    names = {name.split(".")[0] for name in imported(tree(path))}
    assert names & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"} == set()
    called = {call.func.id for call in calls(path) if isinstance(call.func, ast.Name)}
    assert called & {"eval", "exec", "compile", "__import__"} == set()


@by_module
def test_yaml_is_read_by_a_loader_that_makes_only_text(path):
    text_only = {
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("BaseLoader") for base in node.bases)
    }
    for call in calls(path):
        if ast.unparse(call.func) in ("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"):
            loaders = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "Loader"]
            assert loaders, ast.unparse(call)
            assert set(loaders) <= text_only


def committed() -> list[Path]:
    """The files of the project that are text and no output of it."""
    folders = ("crm_analysis", "tests", "notebooks", "params", "benchmarks", ".ci", ".github")
    found = [path for path in PROJECT.iterdir() if path.is_file()]
    found += [path for folder in folders for path in (PROJECT / folder).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts and b"\0" not in path.read_bytes()[:4096]]


def test_no_file_names_a_folder_of_some_machine():
    machine = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|tmp|mnt|media)/\w|\b[A-Z]:\\\\?Users")
    found = {
        f"{path.relative_to(PROJECT)}:{number}"
        for path in committed()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if machine.search(line)
    }
    assert found == set()
