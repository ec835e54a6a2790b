"""The command line: a mistake gets its exit code and one line, before any notebook starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = "params/run.yml or command line"


@pytest.fixture(scope="module")
def fresh(make_root):
    """A project in which nothing was published yet."""
    return make_root(True)


@pytest.fixture
def refused(fresh, command, ran):
    """``refused(code, line, "NAME=value"…)``: how the command ended; no notebook was run and nothing was published."""

    def check(code: int, line: str, *overrides: str) -> str:
        done = command(fresh, *overrides)
        assert done.failed(code, line)
        assert done.out == ""
        assert ran == []
        assert [one for one in fresh.path.glob("reports/**/*") if one.is_file() and one.name != ".lock"] == []
        assert not (fresh.path / "warehouse").exists()
        return done.err

    return check


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("MNOTH=2026-10", "E-PAR-1 file=command line column=mnoth rows=- fix=unknown 'mnoth', did you mean 'month'?"),
        ("METHOD=rfm", "E-PAR-1 file=command line column=method rows=- fix=unknown 'method', did you mean 'methods'?"),
        ("__class__=x", "E-PAR-1 file=command line column=__class__ rows=- fix=unknown '__class__'"),
        ("METHODS=rmf", "E-PAR-1 file=- column=methods rows=- fix=unknown method 'rmf', did you mean 'rfm'?"),
        (
            "METHODS=rfm qualty",
            "E-PAR-1 file=- column=methods rows=- fix=unknown method 'qualty', did you mean 'quality'?",
        ),
        ("SOURCE=sampel", "E-PAR-1 file=params/sources/sampel.yml rows=- fix=unknown source, did you mean 'sample'?"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(refused, override, line):
    refused(2, line, override)


def test_a_name_that_resembles_none_is_told_with_all_there_are(refused):
    line = refused(2, "E-PAR-1 file=params/sources/zzz.yml ", "SOURCE=zzz")
    assert "known: accounts_receivable, bank_marketing, cdnow, cdnow_sample, completejourney, " in line


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("FORMATS=docx", f"E-PAR-3 file={RUN} rows=- fix=format 'docx' is not one of html, pdf"),
        ("FORMATS=html,pdff", f"E-PAR-3 file={RUN} rows=- fix=format 'pdff' is not one of html, pdf"),
        ("LANGUAGE=xx", f"E-PAR-3 file={RUN} rows=- fix=language 'xx' is not one of en"),
        ("ENGINE=sqlite", f"E-PAR-2 file={RUN} column=engine rows=- fix='sqlite' is not one of duckdb"),
        ("MEMORY_LIMIT=4", f"E-PAR-3 file={RUN} rows=- fix=memory_limit '4' must look like 4GB"),
        ("SOURCE=../sample", f"E-PAR-3 file={RUN} rows=- fix=source '../sample' must be small letters"),
        ("SOURCE=/etc/passwd", f"E-PAR-3 file={RUN} rows=- fix=source '/etc/passwd' must be small letters"),
        ("METHODS=../rfm", f"E-PAR-3 file={RUN} rows=- fix=method '../rfm' must be small letters"),
        ("MONTH", "E-PAR-2 file=command line rows=- fix=write NAME=value, not 'MONTH'"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_can(refused, override, line):
    refused(2, line, override)


def test_a_missing_environment_variable_is_named(refused, monkeypatch):
    monkeypatch.delenv("CRM_DATA", raising=False)
    refused(2, "E-PAR-2 file=params/sources/online_retail.yml column=CRM_DATA rows=- ", "SOURCE=online_retail")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "E-PAR-2 file=params/rfm.yml rows=- fix=the file is missing"),
        ("kk: 4", "E-PAR-1 file=params/rfm.yml column=kk rows=1 fix=unknown 'kk', did you mean 'k'?"),
        ("# one\nk: five", "E-PAR-2 file=params/rfm.yml column=k rows=2 fix='five' is not a whole number"),
        ("k: 4\nk: 5", "E-PAR-2 file=params/rfm.yml rows=2 fix='k' stands twice"),
        ("k: 99", "E-PAR-3 file=params/rfm.yml rows=- fix=k is 99; it goes from 2 to 10"),
        ("k: !!python/object/apply:os.system [id]", "E-PAR-2 file=params/rfm.yml "),
        ("\0\1\2", "E-PAR-2 file=params/rfm.yml "),
    ],
)
def test_a_parameter_file_is_checked_before_anything_starts(refused, fresh, content, line):
    path = fresh.path / "params" / "rfm.yml"
    good = path.read_bytes()
    try:
        path.unlink() if content is None else path.write_text(content, encoding="utf-8")
        refused(2, line)
    finally:
        path.write_bytes(good)


def test_a_missing_notebook_is_told_before_any_other_is_run(root, command, ran):
    (root.path / "notebooks" / "rfm.ipynb").unlink()
    root.touch_params("quality")
    assert command(root).failed(2, "E-PAR-2 file=notebooks/rfm.ipynb rows=- fix=the notebook is missing")
    assert ran == []


def test_a_mistake_in_the_parameters_of_another_report_is_told_before_any_notebook_is_run(root, command, ran):
    root.touch_params("quality")
    root.hollow_notebook("quality", {})
    root.write_params("rfm", "k: 99")
    assert command(root, "METHODS=quality").failed(2, "E-PAR-3 file=params/rfm.yml")
    assert ran == []


def test_outside_a_project_it_says_where_to_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "crm_analysis", "reports"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("E-PAR-2 file=")
    assert "params/run.yml" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_it_runs_in_a_folder_within_the_project_too(root, command, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "crm_analysis", "reports"], cwd=root.path / "notebooks", capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "reports/sample/2026-10: nothing to do, rfm, quality\n"
