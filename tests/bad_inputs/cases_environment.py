"""The machine: full disks, killed runs, dead kernels, missing rights, libraries and typefaces, damaged databases."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import nbformat
import papermill
import pyarrow.parquet
import pytest
from catalogue import Case, orders
from jupyter_client.kernelspec import NoSuchKernel
from projects import Root, at_work_in, code_cells, comes_true, finish
from published import OnFresh, OnHostile, OnMonth, OnTwins, before_work, command, failing, here, hollow, page_of, tells

from crm_analysis import fonts, warehouse
from crm_analysis.errors import told
from crm_analysis.report import bundle, execute, making, preflight, publish, render
from crm_analysis.sources import files

# A cell of notebooks/quality.ipynb with code.
LATE = code_cells("quality")[-2]
N_KILLS = 3
INDEX = "reports/sample/2026-10/index.html"
LINES = orders("A1,c1,2024-05-01,1,1.00", "A2,c2,2024-05-02,1,1.00", good=False)


# --- full disks ------------------------------------------------------------------------------------------------------


def on_a_full_disk(free: int, before: Callable[[Root], object]) -> Callable[[Root], str]:
    """``make reports`` where this many bytes are free on the disk."""

    def run(root: Root) -> str:
        before(root)
        filler, space = root.path.parent / "filler", os.statvfs(root.path)
        filler.write_bytes(bytes(space.f_bavail * space.f_frsize - free))
        try:
            return root.run()
        finally:
            filler.unlink()

    return run


def add_to_the_contract(root: Root) -> None:
    """So that the customer database is built anew."""
    with (root.path / "params" / "sources" / "sample.yml").open("a", encoding="utf-8") as file:
        file.write("# as before\n")


def publishing_fails(owner: object, name: str, number: int, **more: object) -> OnMonth:
    """A month of which only the front page is to be made again; and that fails at this function."""

    def run(root: Root) -> str:
        with failing(owner, name, number):
            return root.run()

    return OnMonth(
        what=f"{os.strerror(number)} in {name}", files={INDEX: "damaged"}, run=before_work(run), exit_code=4, **more
    )


# --- runs that are stopped -------------------------------------------------------------------------------------------


@contextmanager
def waiting(root: Root) -> Iterator[subprocess.Popen]:
    """The command line at work, and waiting in a cell of the quality report."""
    flag = root.wait_in_cell("quality", LATE)
    process = root.start()
    try:
        assert comes_true(flag.exists, 60), finish(process)
        yield process
    finally:
        process.kill()
        process.wait()


def stopped_by(number: signal.Signals) -> Callable[[Root], str]:
    def run(root: Root) -> str:
        with waiting(root) as process:
            process.send_signal(number)
            return finish(process).succeeded()

    return run


def nobody_is_at_work(root: Root) -> None:
    assert comes_true(lambda: at_work_in(root.path) == [], 10), at_work_in(root.path)


def killed_at_work(root: Root) -> None:
    """Killed at moments of chance, and then run again: the same data make the same bytes."""
    chance, before = random.Random(20261112), root.hashes()
    for _ in range(N_KILLS):
        root.touch_params("quality")
        process = root.start()
        time.sleep(chance.uniform(0.5, 4.0))
        process.kill()
        assert finish(process).code in (-signal.SIGKILL, 0)
        assert root.hashes() == before
        nobody_is_at_work(root)
    root.touch_params("quality")
    finish(root.start()).succeeded()


def killed_in_a_cell(root: Root) -> None:
    with waiting(root) as process:
        assert len(at_work_in(root.path)) > 2
        # Meanwhile a second one is refused, at once, and told of the first.
        began = time.monotonic()
        with pytest.raises(Exception, match=f"E-LOCK-1 .*process {process.pid} on .* since 20"):
            root.run()
        assert time.monotonic() - began < 2
        process.kill()
        process.wait()
        nobody_is_at_work(root)
    # What it left behind goes with the next run.
    (root.reports / ".2026-10.building").rename(root.reports / ".2026-09.building")
    root.hollow_notebook("quality", {LATE: "1 / 0"})
    assert root.command().failed(5, "E-RPT-1 ")


def slow_cell(root: Root) -> str:
    with patch.object(execute, "CELL_SECONDS", 1), patch.object(bundle, "run_each", here):
        return hollow(LATE, "import time; time.sleep(60)")(root)


# --- rights ----------------------------------------------------------------------------------------------------------


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Within, nobody writes into this folder, root included."""
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    for words in (["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
        if subprocess.run(["mount", *words], capture_output=True).returncode:
            pytest.skip("no folder can be made read-only here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def without_writing(folder: str) -> Callable[[Root], str]:
    def run(root: Root) -> str:
        root.touch_params("quality")
        began = time.monotonic()
        with read_only(root.path / folder):
            try:
                return root.run()
            finally:
                assert time.monotonic() - began < 2

    return before_work(run)


def build_from_a_read_only_folder(source) -> None:
    with read_only(source.root / "data"):
        source.build()
    assert len(source.rows("orders")) == 2


def remove_the_folder(notebook: Path, _run, _method, made: Path, *_) -> nbformat.NotebookNode:
    shutil.rmtree(made.parent)
    return nbformat.read(notebook, as_version=4)


def folder_vanishes(root: Root) -> str:
    root.touch_params("quality")
    with patch.object(making, "execute", remove_the_folder), patch.object(bundle, "run_each", here):
        return root.run()


def folders_are_private(root: Root) -> None:
    for path in (root.path / "reports", root.reports, root.bundle, root.database):
        assert path.stat().st_mode & 0o777 == 0o700, path


# --- what is missing -------------------------------------------------------------------------------------------------


def locked(root: Root) -> str:
    with publish._lock(root.reports):
        return root.run()


def says_who_holds_it(root: Root) -> None:
    assert re.search(rf"process {os.getpid()} on \S+ since 20", (root.reports / ".lock").read_text(encoding="utf-8"))


def without(owner: object, name: str, instead: object, *overrides: str) -> Callable[[Root], str]:
    """``make reports`` where this function gives, or does, something else."""

    def run(root: Root) -> str:
        with patch.object(owner, name, instead):
            return root.run(*overrides)

    return before_work(run)


def no_such_kernel(*_: object, **__: object) -> None:
    raise NoSuchKernel("python3")


def without_a_kernel(root: Root) -> str:
    root.touch_params("quality")
    with patch.object(papermill, "execute_notebook", no_such_kernel), patch.object(bundle, "run_each", here):
        return root.run()


def with_a_broken_kernel(root: Root) -> str:
    """Whatever it says when it dies stays off the console; Told would refuse more than one line."""
    root.touch_params("quality")
    path = os.pathsep.join([str(root.path / "broken"), os.environ.get("PYTHONPATH", "")])
    return finish(root.start("METHODS=quality", PYTHONPATH=path)).succeeded()


def same_bytes(months: tuple[Root, Root]) -> None:
    one, other = months
    assert one.hashes() == other.hashes()


def nothing_outside(months: tuple[Root, Root]) -> None:
    same_bytes(months)
    for page in ("index.html", "quality.html", "rfm.html"):
        for one in page_of(months[0], page).all("a", "img", "link", "script"):
            assert not re.match(r"(?i)\w+://|//", one["href"] or one["src"]), one


def limited(kind: str, most: int) -> Callable[[Root], str]:
    """The command line where ``ulimit`` allows no more."""
    before = ("bash", "-c", f'ulimit {kind} {most}; exec "$@"', "bash")
    return lambda root: finish(root.start(before=before)).succeeded()


# --- databases and shares --------------------------------------------------------------------------------------------


def damaged(file: str, change: Callable[[bytes], bytes | None]) -> Callable:
    """The customer database is built, a file of it damaged, and the same asked for again, twice."""

    def run(source) -> None:
        path = source.build().folder / file
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        source.left = {one.name: one.read_bytes() for one in source.folder.iterdir()}
        with pytest.raises(Exception, match="E-DB-1 .*mv .*/shop .*/shop.damaged"):
            source.build()
        source.build()

    return run


def is_left_as_it_was(source) -> None:
    assert {one.name: one.read_bytes() for one in source.folder.iterdir()} == source.left
    source.folder.rename(source.folder.with_name("shop.damaged"))
    assert len(source.build().rows("orders")) == 2


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def fewer_rows(source) -> None:
    """A whole and valid file, but not the one that was written."""
    path = source.build().folder / "orders.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(1), path)
    source.build()


def of_another_version(source) -> None:
    path = source.build().folder / "meta.json"
    content = {**json.loads(path.read_text(encoding="utf-8"))["meta"], "of a later version": 1}
    path.write_text(json.dumps({"sha256": warehouse._seal(content), "meta": content}), encoding="utf-8")


def read_another_version(source) -> None:
    of_another_version(source)
    warehouse.read_meta(source.folder)


def build_upon_another_version(source) -> None:
    of_another_version(source)
    source.build()
    assert warehouse.check(source.folder) == source.meta


class _GoingAway:
    """A file on a share that is lost while it is read."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, _size: int) -> bytes:
        raise OSError(self.number, os.strerror(self.number))


def share_goes_away(number: int) -> Callable:
    """As the command line tells of it."""

    def run(source) -> None:
        with patch.object(files, "_open_bytes", lambda _path: _GoingAway(number)):
            as_command(source.build)

    return run


def cannot_be_read(number: int) -> Callable:
    def run(source) -> None:
        with failing(warehouse, "sha256", number):
            source.build()

    return run


def as_command(work: Callable) -> None:
    """What the command line makes of an error."""
    try:
        work()
    except OSError as error:
        raise told(error) from error


CASES = [
    # A101: a full disk
    *(
        OnMonth(
            id="A101", what=f"a full disk {when}", needs="month_on_a_small_disk", run=on_a_full_disk(free, before),
            exit_code=4, code="E-DISK-1", check=check,
        )
        for when, free, before, check in (
            ("while the data are read", 0, add_to_the_contract, lambda root: None),
            ("before a notebook runs", 0, lambda root: root.touch_params("quality"), lambda root: None),
            ("while one runs, and a new run when there is space", 600_000, lambda root: root.touch_params("quality"), command()),
        )
    ),
    publishing_fails(shutil, "copy2", errno.ENOSPC, id="A101", code="E-DISK-1"),
    publishing_fails(warehouse, "replace_folder", errno.ENOSPC, id="A101", code="E-DISK-1"),
    # A102, A103: a run that is stopped
    OnMonth(id="A102", what="killed at any moment, and run again", run=killed_at_work),
    OnMonth(id="A102", what="killed in a cell: its kernel ends too, and what it left is put away", run=killed_in_a_cell),
    *(
        OnMonth(
            id="A103", what=f"stopped by {number.name}", run=stopped_by(number), exit_code=code, code="E-INT-1",
            file="quality.ipynb", rows=f"cell {LATE}", check=nobody_is_at_work,
        )
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143))
    ),
    # A104, A105: a notebook that does not come to its end
    *(
        OnMonth(
            id="A104", what=f"a kernel that dies: {source}", exit_code=5, code="E-RPT-2", file="quality.ipynb",
            rows=f"cell {LATE}",
            run=lambda root, source=source: tells(rf"after cell {LATE - 1} had finished; kernels took up to [\d,]+ MB")(
                hollow(LATE, source)
            )(root),
        )
        for source in ("import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    ),
    OnMonth(
        id="A104", what="a notebook that runs out of memory", exit_code=4, code="E-MEM-1", rows=f"cell {LATE}",
        run=hollow(LATE, "import duckdb; raise duckdb.OutOfMemoryException('could not allocate block of size 256.0 KiB')"),
    ),
    OnMonth(id="A105", what="a cell that hangs", run=slow_cell, exit_code=5, code="E-RPT-3", rows=f"cell {LATE}"),
    # A106, A107: folders
    OnMonth(
        id="A106", what="reports cannot be written", run=without_writing("reports"), exit_code=4, code="E-RW-1",
    ),
    OnMonth(
        id="A106", what="the customer database cannot be written", run=without_writing("warehouse"), exit_code=4, code="E-RW-1",
        handler="crm_analysis.report.preflight:_check_folder", without=lambda folder: None,
    ),
    Case(
        id="A106", what="the source's files cannot be written", run=build_from_a_read_only_folder,
        files={f"data/{name}": text for name, text in LINES.items()},
        contract=Case(id="", what="").contract.replace("files: orders.csv", "files: data/orders.csv"),
    ),
    OnHostile(id="A107", what="folders that are missing are made, for their owner only", check=folders_are_private),
    OnMonth(id="A107", what="the folder vanishes while the run is at work", run=folder_vanishes, exit_code=4, code="E-RW-1"),
    # A108, A109: two at once
    OnMonth(
        id="A108", what="a second run", run=before_work(locked), exit_code=4, code="E-LOCK-1", file="sample",
        check=says_who_holds_it,
    ),
    OnMonth(
        id="A109", what="the file of a lock that nobody holds",
        files={"reports/sample/.lock": "process 1 on elsewhere since 2020-01-01 00:00:00 UTC"}, run=before_work(command()),
    ),
    # A110 to A113: what is missing
    OnFresh(
        id="A110", what="no kernel is installed", run=without(preflight, "find_spec", lambda name: None), exit_code=4,
        code="E-KRN-1", handler="crm_analysis.report.publish:check_machine", without=lambda *_: None,
    ),
    OnMonth(id="A110", what="no kernel of that name", run=without_a_kernel, exit_code=4, code="E-KRN-1", file="quality.ipynb"),
    OnMonth(
        id="A110", what="a kernel that dies before it answers", files={"broken/comm/__init__.py": "raise ValueError('of a customer')"},
        run=with_a_broken_kernel, exit_code=4, code="E-KRN-1", file="quality.ipynb",
    ),
    OnFresh(
        id="A111", what="a typeface is missing", run=without(fonts, "_collection", lambda: "/nowhere/NotoSansCJK-Regular.ttc"),
        exit_code=4, code="E-FONT-1", handler="crm_analysis.fonts:check", without=lambda: None,
    ),
    OnFresh(
        id="A111", what="a typeface is damaged", run=without(fonts, "_latin", lambda weight: __file__), exit_code=4,
        code="E-FONT-1",
    ),
    OnFresh(
        id="A112", what="PDF is asked for and cannot be made", run=without(render, "pdf_problem", lambda: "No Pango.", "FORMATS=pdf"),
        exit_code=4, code="E-PDF-1", column="formats",
    ),
    OnMonth(id="A112", what="PDF is not asked for and cannot be made", run=without(render, "pdf_problem", lambda: "No Pango.")),
    OnTwins(id="A113", what="without a network the same bytes, and no address outside", check=nothing_outside),
    # A114 to A116: the customer database
    *(
        Case(
            id="A114", what=f"{file} {how}", files=LINES, run=damaged(file, change), exit_code=6, code="E-DB-1",
            file=f"shop/{file}", check=is_left_as_it_was,
        )
        for file in ("orders.parquet", "meta.json")
        for how, change in (
            ("is empty", lambda content: b""), ("is garbage", lambda content: bytes(range(256)) * 9),
            ("is cut", lambda content: content[: len(content) // 2]), ("has one bit changed", flip),
        )
    ),
    Case(
        id="A115", what="a table is missing", files=LINES, run=damaged("orders.parquet", lambda content: None), exit_code=6,
        code="E-DB-1", file="shop/orders.parquet", check=is_left_as_it_was,
    ),
    Case(
        id="A115", what="a table has fewer rows", files=LINES, run=fewer_rows, exit_code=6, code="E-DB-1",
        file="shop/orders.parquet", handler="crm_analysis.warehouse:check", without=warehouse.read_meta,
    ),
    Case(
        id="A116", what="a database of another version is not read", files=LINES, run=read_another_version, exit_code=6,
        code="E-DB-3", file="shop/meta.json",
    ),
    Case(id="A116", what="a database of another version is built anew", files=LINES, run=build_upon_another_version),
    # A117 to A119
    OnTwins(id="A117", what="another time zone, language, order of sets and folder", check=same_bytes),
    OnMonth(id="A118", what="few files may be open", run=limited("-n", 60), exit_code=4, code="E-RES-1"),
    OnMonth(id="A118", what="little memory may be addressed", run=limited("-v", 600_000), exit_code=4, code="E-MEM-1"),
    publishing_fails(warehouse, "replace_folder", errno.EMFILE, id="A118", code="E-RES-1"),
    publishing_fails(warehouse, "replace_folder", errno.EDQUOT, id="A118", code="E-DISK-1"),
    *(
        Case(
            id="A119", what=f"the share of the files goes away: {os.strerror(number)}", files=LINES,
            run=share_goes_away(number), exit_code=4, code="E-RW-2",
        )
        for number in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
    ),
    Case(
        id="A119", what="a file on a share that is away", files=LINES, run=cannot_be_read(errno.ESTALE), exit_code=4,
        code="E-RW-2", file="orders.csv",
    ),
]  # fmt: skip
