"""The environment: one list of pins, with hashes and without addresses, and a Makefile that knows no method."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from crm_analysis import methods

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENT = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name)[0]).lower()


def requirements() -> list[str]:
    """The requirements, one line each: continued lines joined, remarks left out."""
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_every_requirement_is_one_version_with_hashes():
    lines = requirements()
    assert len(lines) > 50
    form = re.compile(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[\w.!+]+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line[:80] for line in lines if not form.fullmatch(line)] == []


def test_the_requirements_name_no_address_and_no_index():
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    assert re.findall(r"https?:|file:|git\+|ssh:| @ ", text) == []
    assert [line for line in text.splitlines() if re.match(r"\s*-(?!-hash=)", line)] == []


def test_a_package_is_pinned_to_one_version_or_by_marker():
    versions = {}
    for line in requirements():
        versions.setdefault(plain(line), []).append(line.partition(" --hash")[0])
    assert [found for found in versions.values() if len(found) > 1 and not all(";" in one for one in found)] == []


@pytest.mark.parametrize(
    "name",
    [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["dev"]],
)
def test_every_dependency_is_pinned(name):
    assert plain(name) in {plain(line) for line in requirements()}


def test_the_package_can_be_built_without_fetching_anything_more():
    pinned = {plain(line) for line in requirements()}
    assert [one for one in PYPROJECT["build-system"]["requires"] if plain(one) not in pinned] == []


def test_conda_takes_the_same_pins():
    conda = [one for one in ENVIRONMENT["dependencies"] if isinstance(one, str)]
    (pip,) = [one["pip"] for one in ENVIRONMENT["dependencies"] if isinstance(one, dict)]
    assert pip == ["-r requirements.txt"]
    assert {plain(one) for one in conda} & {plain(line) for line in requirements()} == set()
    assert {plain(one) for one in conda} == {"python", "make", "pip", "pango", "fonts-conda-forge"}


def test_conda_takes_a_python_that_the_package_runs_on():
    (python,) = [one for one in ENVIRONMENT["dependencies"] if isinstance(one, str) and plain(one) == "python"]
    assert python.removeprefix("python").strip().startswith(PYPROJECT["project"]["requires-python"])


def test_the_makefile_knows_the_environment_by_its_name():
    assert f"ifeq ($(CONDA_DEFAULT_ENV),{ENVIRONMENT['name']})" in MAKEFILE


def targets() -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z-]+):.*?## (.+)$", MAKEFILE))


def test_every_target_says_what_it_does():
    rules = re.findall(r"(?m)^([a-z-]+):(?!=)", MAKEFILE)
    (phony,) = re.findall(r"(?m)^\.PHONY: (.+)$", MAKEFILE)
    assert {"help", "reports", "test", "lint", "lab", "sql"} <= set(rules)
    assert set(rules) == set(targets()) == set(phony.split())


@pytest.mark.parametrize("arguments", [["help"], []], ids=["help", "no target"])
def test_make_help_lists_every_target(missing, arguments):
    if not shutil.which("make"):
        missing("there is no make")
    done = subprocess.run(["make", "-s", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)
    listed = dict(re.findall(r"(?m)^make ([a-z-]+) +(.+)$", done.stdout))
    assert listed == targets()


def test_the_makefile_names_no_method():
    rules = "\n".join(line for line in MAKEFILE.splitlines() if not line.startswith("#"))
    assert [name for name in methods.names() if re.search(rf"\b{name}\b", rules)] == []


def test_what_is_built_is_not_committed():
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".venv/", "build/", "warehouse/", "reports/*"} <= set(ignored)
