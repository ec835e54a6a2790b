"""The sample company's pack: ours beside the command lines of papermill and nbconvert on the same notebooks. See README.md.

Both make HTML from the same customer database, and nothing else. Pure work is what no way of running notebooks can save: the cells'
own code and the rendering, one report after the other in a process that has imported everything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import REPO, ask, clock, medians, take_turns, write_results
from crm_analysis import methods

BIN = Path(sys.executable).parent


def make_root(folder: Path) -> Path:
    """A project's folder with the sample company's customer database, and a month's tables of all reports together."""
    for name in ("notebooks", "params"):
        shutil.copytree(REPO / name, folder / name)
    reports(folder, "FORMATS=html")
    # What reports that read the results of others find there.
    index = next((folder / "reports" / "sample").glob("2*/data/index"))
    shutil.copytree(index, folder / "index")
    return folder


def list_notebooks(root: Path) -> list[Path]:
    """Those that read the results of others last."""
    return sorted((root / "notebooks").glob("*.ipynb"), key=lambda path: (methods.reads_results(path.stem), path))


def reports(root: Path, *overrides: str) -> None:
    command = [sys.executable, "-m", "crm_analysis", "reports", *overrides]
    subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(REPO)}, check=True, stdout=subprocess.DEVNULL)


def run_ours(root: Path) -> None:
    shutil.rmtree(root / "reports", ignore_errors=True)
    reports(root, "FORMATS=html")


def run_again(root: Path) -> None:
    """Nothing is to be made."""
    reports(root, "FORMATS=html")


def make_out(root: Path) -> Path:
    out = root / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "index", out / "data" / "index")
    return out


def run_command_lines(root: Path) -> None:
    """papermill, then nbconvert, notebook by notebook."""
    out = make_out(root)
    environment = os.environ | {
        "PYTHONPATH": str(REPO),
        "CRM_ROOT": str(root),
        "CRM_BUNDLE": str(out),
        "CRM_RUN_ID": "bench",
    }
    for notebook in list_notebooks(root):
        executed = out / notebook.name
        for command in (
            [BIN / "papermill", notebook, executed, "--no-progress-bar", "-k", "python3"],
            [BIN / "jupyter", "nbconvert", "--to", "html", "--no-input", executed],
        ):
            subprocess.run(command, cwd=out, env=environment, check=True, capture_output=True)


def run_pure_work(root: Path) -> None:
    """Each notebook's cells in this process, and its page rendered; the imports were made before the clock started."""
    import nbformat
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from crm_analysis import warehouse
    from crm_analysis.params import Run
    from crm_analysis.report.render import render_report

    out = make_out(root)
    os.environ |= {"CRM_ROOT": str(root), "CRM_BUNDLE": str(out), "CRM_RUN_ID": "bench"}
    os.chdir(out)
    meta = warehouse.read_meta(warehouse.warehouse_folder(root, "sample"))
    run = Run(month=meta.last_complete_month, formats=("html",))
    for path in list_notebooks(root):
        notebook = nbformat.read(path, as_version=4)
        shell = InteractiveShell()
        for number, cell in enumerate((one for one in notebook.cells if one.cell_type == "code"), 1):
            with capture_output() as captured:
                shell.run_cell(cell.source).raise_error()
            cell.execution_count = number
            cell.outputs = [
                nbformat.v4.new_output("display_data", one.data, metadata=one.metadata) for one in captured.outputs
            ]
        (out / f"{path.stem}.html").write_text(render_report(notebook, path.stem, run, meta, False), encoding="utf-8")


VARIANTS: dict[str, Callable[[Path], None]] = {
    "ours": run_ours,
    "papermill, nbconvert": run_command_lines,
    "pure work": run_pure_work,
    "ours, nothing to make": run_again,
}


def measure(variant: str, root: Path) -> dict:
    if variant == "pure work":
        from crm_analysis.report import warm  # noqa: F401 (imported before the clock starts)
    return clock(lambda: VARIANTS[variant](root))[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pack", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        variant, root = arguments.measure
        print(json.dumps(measure(variant, Path(root))))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = make_root(Path(folder) / "company")
        runs = {
            one: lambda one=one: ask(["-m", "benchmarks.pack", "--measure", one, str(root)], root) for one in VARIANTS
        }
        found = take_turns(runs, arguments.repeat, "sample company", "pack")
    n = len(list((REPO / "notebooks").glob("*.ipynb")))
    rows = [
        {"reports": n, "job": "pack", "variant": variant}
        # Not the CPU time and the memory: workers are not our process's children.
        | {**medians(ones), "cpu_seconds": None, "peak_mb": None}
        for variant, ones in found.items()
    ]
    write_results("pack", rows, [f"`python -m benchmarks.pack --repeat {arguments.repeat}`, medians;"], {})


if __name__ == "__main__":
    main()
