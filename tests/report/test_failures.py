"""Whatever stops a run, the last month stays as it was, and one line says what happened and where."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import papermill
import pytest
from jupyter_client.kernelspec import NoSuchKernel

from crm_analysis.report import execute

linux = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="reads /proc")
# Two cells of notebooks/quality.ipynb with code, and its end.
EARLY, LATE, END = 4, 60, 62
N_KILLS = 3


@pytest.fixture
def stays(root):
    """The bundle is the same, to the byte, after the test as before it, and nothing half made lies beside it."""
    before = root.hashes()
    yield
    assert root.hashes() == before
    assert {one.name for one in root.reports.iterdir()} == {".lock", "2026-10", "index.html"}


@pytest.fixture
def begun(root, wait_for, ended):
    """``begun(number)``: the command line at work, and waiting in this cell of the quality report."""
    processes = []

    def begin(number: int) -> subprocess.Popen:
        flag = root.wait_in_cell("quality", number)
        processes.append(root.start())
        assert wait_for(flag.exists, 60), ended(processes[-1])
        return processes[-1]

    yield begin
    for one in processes:
        one.kill()
        one.wait()


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


# --- a notebook that fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "source", "line"),
    [
        (2, "1 / 0", "E-RPT-1 file=quality.ipynb rows=cell 2 fix=ZeroDivisionError: division by zero"),
        (EARLY, "1 / 0", f"E-RPT-1 file=quality.ipynb rows=cell {EARLY} fix=ZeroDivisionError: division by zero"),
        (LATE, "1 / 0", f"E-RPT-1 file=quality.ipynb rows=cell {LATE} fix=ZeroDivisionError: division by zero"),
        (LATE, "1 /", f"E-RPT-1 file=quality.ipynb rows=cell {LATE} fix=SyntaxError"),
        (LATE, "raise ValueError('one\\n\\ntwo\\rthree')", f"E-RPT-1 file=quality.ipynb rows=cell {LATE} "),
        (LATE, "import os; os._exit(1)", f"E-RPT-2 file=quality.ipynb rows=cell {LATE} "),
        (
            LATE,
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            f"E-RPT-2 file=quality.ipynb rows=cell {LATE} ",
        ),
        (LATE, "import sys; sys.exit(0)", f"E-AUD-1 file=quality.ipynb rows=cell {LATE} "),
        (END, "None", "E-AUD-1 file=quality.ipynb rows=last cell "),
    ],
    ids=["parameters", "early", "late", "syntax", "many lines", "exit", "killed", "quiet exit", "no page.end()"],
)
def test_a_cell_that_fails_is_named_and_the_last_month_stays(root, stays, command, cell, source, line):
    root.hollow_notebook("quality", {cell: source})
    assert command(root).failed(5, line)


def test_a_cell_that_hangs_is_stopped(root, stays, command, monkeypatch):
    monkeypatch.setattr(execute, "CELL_SECONDS", 1)
    root.hollow_notebook("quality", {LATE: "import time; time.sleep(60)"})
    assert command(root).failed(5, "E-RPT-3 file=quality.ipynb ")


def test_a_report_whose_file_was_not_made_is_not_published(root, stays, command):
    """The notebook says that there is an action list, and there is none."""
    source = (
        "import json, os; folder = os.environ['CRM_BUNDLE'] + '/data/quality/'; os.makedirs(folder)\n"
        "told = {'run': os.environ['CRM_RUN_ID'], 'findings': [], 'key_figures': [], 'tables': {}, 'actions': {'n_rows': 1}, 'picture': None}\n"
        "with open(folder + 'summary.json', 'w') as file: json.dump(told, file)"
    )
    root.hollow_notebook("quality", {END: source})
    assert command(root).failed(5, "E-AUD-2 file=actions/quality.csv ")


def test_a_notebook_without_a_cell_of_parameters_is_refused(root, stays, command, ran):
    root.edit_notebook("quality", lambda cells: cells[1]["metadata"].pop("tags"))
    assert command(root, "METHODS=quality").failed(2, "E-PAR-")
    assert ran == []


def test_too_little_memory_is_told_as_such(root, stays, command):
    source = "import duckdb; raise duckdb.OutOfMemoryException('could not allocate block of size 256.0 KiB')"
    root.hollow_notebook("quality", {LATE: source})
    assert command(root).failed(4, "E-MEM-1 ")


def test_no_kernel_is_told(root, stays, command, monkeypatch):
    def fail(*_, **__):
        raise NoSuchKernel("python3")

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    root.touch_params("quality")
    assert command(root).failed(4, "E-KRN-1 file=quality.ipynb ")


def test_a_kernel_that_does_not_start_is_told(root, stays, command, monkeypatch, tmp_path):
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    root.touch_params("quality")
    assert command(root).failed(4, "E-KRN-")


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="its traceback goes to stderr")
def test_what_a_kernel_has_to_say_when_it_dies_stays_off_the_console(root, stays, ended, tmp_path):
    (tmp_path / "ipykernel_launcher.py").write_text("raise ValueError('of a customer')", encoding="utf-8")
    root.touch_params("quality")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert ended(root.start("METHODS=quality", PYTHONPATH=path)).failed(4, "E-KRN-")


# --- a run that is stopped -------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "terminated"]
)
def test_a_stopped_run_says_where_it_was_and_leaves_nothing(root, stays, begun, ended, wait_for, number, code):
    process = begun(LATE)
    process.send_signal(number)
    assert ended(process).failed(code, f"E-INT-1 file=quality.ipynb rows=cell {LATE} ")
    assert wait_for(lambda: at_work_in(root.path) == [], 10), at_work_in(root.path)


def test_a_second_run_stops_and_names_the_first(root, stays, begun, ended, command, monkeypatch):
    first = begun(LATE)
    # Should it not stop, it must not wait in that cell as the first does.
    monkeypatch.setattr(execute, "CELL_SECONDS", 1)
    done = command(root)
    assert first.poll() is None
    assert done.failed(4, "E-LOCK-1 ")
    assert f"process {first.pid} " in done.err
    first.terminate()
    ended(first)


def test_the_file_of_a_lock_that_nobody_holds_stops_nobody(root, stays, command):
    (root.reports / ".lock").write_text("process 1 on elsewhere since 2020-01-01 00:00:00 UTC", encoding="utf-8")
    assert command(root).code == 0


def test_what_a_killed_run_of_another_month_left_is_put_away(root, command):
    left = root.reports / ".2026-09.building" / "bundle" / "actions"
    left.mkdir(parents=True)
    (left / "rfm.csv").write_text("customer_id\n007\n", encoding="utf-8")
    root.hollow_notebook("quality", {LATE: "1 / 0"})
    assert command(root).code == 5
    assert not left.exists()


@linux
def test_a_run_killed_at_any_moment_leaves_a_whole_bundle_and_the_next_one_succeeds(root, ended, wait_for):
    chance = random.Random(20261112)
    before = root.hashes()
    for _ in range(N_KILLS):
        root.touch_params("quality")
        process = root.start()
        time.sleep(chance.uniform(0.5, 4.0))
        process.kill()
        assert ended(process).code in (-signal.SIGKILL, 0)
        # The same data make the same bytes: it does not matter on which side of the rename it was killed.
        assert root.hashes() == before
        assert wait_for(lambda: at_work_in(root.path) == [], 10), at_work_in(root.path)
    root.touch_params("quality")
    done = ended(root.start())
    assert (done.code, done.err) == (0, "")
    assert root.hashes() == before
    assert {one.name for one in root.reports.iterdir()} == {".lock", "2026-10", "index.html"}


@linux
def test_a_kernel_does_not_outlive_a_run_that_was_killed(root, begun, wait_for):
    process = begun(LATE)
    assert len(at_work_in(root.path)) == 2
    process.kill()
    process.wait()
    assert wait_for(lambda: at_work_in(root.path) == [], 10), at_work_in(root.path)


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own of 32 MB."""
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("free", [0, 600_000])
def test_a_full_disk_is_told_and_when_space_is_free_the_next_run_succeeds(copy_small, small_disk, command, free):
    root = copy_small(small_disk / "project")
    before = root.hashes()
    root.touch_params("quality")
    filler = small_disk / "filler"
    space = os.statvfs(small_disk)
    filler.write_bytes(bytes(space.f_bavail * space.f_frsize - free))
    done = command(root)
    filler.unlink()
    assert done.failed(4, "E-DISK-1 ")
    assert root.hashes() == before
    assert {one.name for one in root.reports.iterdir()} == {".lock", "2026-10", "index.html"}
    if free == 600_000:
        assert command(root).code == 0
        assert root.hashes() == before
