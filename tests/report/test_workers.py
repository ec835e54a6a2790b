"""Workers: results and errors as they are, so many at a time, and nothing left at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from projects import comes_true

from crm_analysis.errors import CrmError, InputError, MachineError, ReportError
from crm_analysis.report.workers import run_each

PARENT = """
import sys
from pathlib import Path
from crm_analysis.report.workers import run_each
sys.path[:0] = sys.argv[2:]
from test_workers import sleep
list(run_each(sleep, {"a": (Path(sys.argv[1]),)}, 1, lambda names: None))
"""


def note_pids(folder: Path, kernel) -> None:
    (folder / "pids").write_text(f"{os.getpid()} {kernel.pid}", encoding="utf-8")


def sleep(folder: Path, kernel) -> None:
    note_pids(folder, kernel)
    time.sleep(600)


def tell_time(seconds: float, kernel) -> tuple[float, float, int]:
    start = time.monotonic()
    time.sleep(seconds)
    return start, time.monotonic(), os.getpid()


def refuse(folder: Path, kernel) -> None:
    note_pids(folder, kernel)
    raise InputError("E-HDR-1", "add it", file=folder / "orders.csv", column="day", rows=3)


def fail(error: Exception, kernel) -> None:
    raise error


def die(folder: Path, kernel) -> None:
    note_pids(folder, kernel)
    os.kill(os.getpid(), signal.SIGKILL)


def are_gone(folder: Path) -> bool:
    pids = (folder / "pids").read_text(encoding="utf-8").split()
    return comes_true(lambda: not any(Path("/proc", one, "cwd").exists() for one in pids), 10)


def look(_names) -> None:
    """Nobody watches."""


def test_so_many_are_at_work_at_a_time_and_each_in_a_process_of_its_own():
    seen = []
    results = dict(run_each(tell_time, dict.fromkeys("abcde", (0.3,)), 2, seen.append))
    assert sorted(results) == list("abcde")
    assert len({pid for _, _, pid in results.values()} | {os.getpid()}) == 6
    moments = [start for start, _, _ in results.values()]
    assert max(sum(start <= one < end for start, end, _ in results.values()) for one in moments) == 2
    assert {len(names) for names in seen} <= {1, 2}


def test_an_error_comes_as_it_was_raised(tmp_path):
    with pytest.raises(InputError) as caught:
        list(run_each(refuse, {"a": (tmp_path,)}, 1, look))
    assert str(caught.value) == f"E-HDR-1 file={tmp_path}/orders.csv column=day rows=3 fix=add it"
    assert (caught.value.code, caught.value.column, caught.value.fix) == ("E-HDR-1", "day", "add it")
    assert are_gone(tmp_path)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [(OSError(28, "No space left on device"), MachineError, "E-DISK-1"), (ValueError("Ann Lee"), CrmError, "E-BUG-1")],
)
def test_other_errors_are_told_without_their_words(error, kind, code):
    with pytest.raises(kind, match=f"^{code} ") as caught:
        list(run_each(fail, {"a": (error,)}, 1, look))
    assert "Ann" not in str(caught.value)


def test_a_process_that_dies_is_told_and_takes_its_kernel_along(tmp_path):
    with pytest.raises(ReportError, match=r"^E-RPT-4 file=a\.ipynb "):
        list(run_each(die, {"a": (tmp_path,)}, 1, look))
    assert are_gone(tmp_path)


def test_who_stops_looking_leaves_nothing_at_work(tmp_path):
    def stop(_names) -> None:
        if (tmp_path / "pids").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_each(sleep, {"a": (tmp_path,)}, 1, stop))
    assert are_gone(tmp_path)


def test_workers_end_with_the_process_that_started_them(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path, *sys.path])
    try:
        assert comes_true((tmp_path / "pids").exists, 60)
    finally:
        parent.kill()
        parent.wait()
    assert are_gone(tmp_path)
