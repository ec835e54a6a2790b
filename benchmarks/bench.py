"""Ours beside hand-written DuckDB SQL and plain pandas, on one generated export: time and peak memory. See README.md.

Every measurement is a process of its own, so that its peak memory is its own; the variants of a job take turns, so that
a busy machine hits all of them. Their numbers are compared before results are written: a mismatch is an error.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import scoring, variants

REPO, RESULTS = Path(__file__).resolve().parents[1], Path(__file__).resolve().parent / "results"
# Job → variant → its function, and what is imported before the clock starts. The first variant is ours.
JOBS = {
    "ingest": {
        "ours": (variants.ingest_ours, ["crm_analysis.warehouse"]),
        "DuckDB read_csv": (variants.ingest_sql, ["duckdb"]),
        "pandas read_csv": (variants.ingest_pandas, ["pandas", "pyarrow"]),
    },
    "ingest of dirty lines": {
        "ours": (variants.ingest_dirty_ours, ["crm_analysis.warehouse"]),
        "DuckDB read_csv": (variants.ingest_dirty_sql, ["duckdb"]),
    },
    "RFM + decile": {
        "ours": (variants.analyse_ours, ["crm_analysis.methods.decile", "crm_analysis.methods.rfm"]),
        "SQL by hand": (variants.analyse_sql, ["duckdb"]),
        "pandas from orders": (variants.analyse_pandas, ["pandas", "pyarrow.parquet"]),
        "pandas from lines": (variants.analyse_pandas_from_lines, ["pandas", "pyarrow.parquet"]),
    },
    "RFM scores": {
        "ours": (scoring.score_ours, ["crm_analysis.methods.rfm"]),
        "SQL by hand": (scoring.score_sql, ["duckdb"]),
        "polars": (scoring.score_polars, ["polars"]),
        "pandas": (scoring.score_pandas, ["pandas", "pyarrow.parquet"]),
        "openretailscience": (scoring.score_openretailscience, ["openretailscience.segmentation.rfm"]),
    },
    "orders from lines": {
        "ours": (scoring.sum_lines_ours, ["crm_analysis.cleaning.orders"]),
        "polars": (scoring.sum_lines_polars, ["polars"]),
        "SQL by hand": (scoring.sum_lines_sql, ["duckdb"]),
    },
}
# A variant that has its own environment, if it is there.
PEERS = ("openretailscience",)
PEERS_FOLDER = REPO / "build" / "peers"
MEASURES = ("wall_seconds", "process_seconds", "cpu_seconds", "peak_mb")


# One measurement, in a process of its own.


def measure(job: str, variant: str, root: Path) -> dict:
    """Do a job here: its time without the imports, the peak memory of this process until then, and its numbers."""
    function, modules = JOBS[job][variant]
    for name in modules:
        importlib.import_module(name)
    out = empty_folder(root / "out")
    found, numbers = clock(lambda: function(root, out))
    found["numbers"] = {name: canonical(rows) for name, rows in numbers().items()}
    for file in out.glob("*.csv"):
        with file.open("rb") as lines:
            found["numbers"][file.name] = [[sum(1 for _ in lines)]]
    return found


def empty_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def clock(job: Callable[[], Any]) -> tuple[dict, Any]:
    """The time that a job takes with the peak memory of this process until then, and what the job gives."""
    started, started_cpu = time.perf_counter(), time.process_time()
    given = job()
    found = {"wall_seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}
    return found | {"peak_mb": megabytes(resource.getrusage(resource.RUSAGE_SELF))}, given


def canonical(rows: Iterable[tuple]) -> list[list]:
    """The rows in a fixed order, of texts and of floats; nothing counts as zero."""
    return sorted([one if isinstance(one, str) else round(float(one or 0), 6) for one in row] for row in rows)


def megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def run_python(arguments: list[str], root: Path, python: str | Path = sys.executable) -> tuple[dict, str]:
    """Run Python in ``root``: its time as a whole, the peak memory of its largest process, and its output."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        process = subprocess.Popen([python, *arguments], cwd=root, env=environment, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, arguments)
        output.seek(0)
        found = {
            "process_seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mb": megabytes(usage),
        }
        return found, output.read()


# The run.


def make_peers(folder: Path, names: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """The Python of each peer, whose environment is made here where it is missing; and why one is not there."""
    pythons, notes = {}, []
    for name in names:
        requirements = REPO / "benchmarks" / "peers" / f"{name}.txt"
        python, ready = folder / name / "bin" / "python", folder / name / ".ready"
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        try:
            if not ready.exists() or ready.read_text() != requirements.read_text():
                subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / name)], check=True)
                subprocess.run([python, *install], check=True, capture_output=True, text=True)
                ready.write_text(requirements.read_text())
            pythons[name] = python
            notes.append(f"{name}: {', '.join(requirements.read_text().split())}.")
        except subprocess.CalledProcessError as error:
            notes.append(f"{name}: left out, it could not be installed: {(error.stderr or '').strip()[-300:]}")
    return pythons, notes


def run_job(job: str, root: Path, n_lines: int, repeat: int, pythons: Mapping[str, Path], *left_out: str) -> list[dict]:
    """One row of medians per variant but those ``left_out``, after the numbers of all were compared."""
    variants = [one for one in JOBS[job] if one not in left_out and (one not in PEERS or one in pythons)]

    def run(variant: str) -> dict:
        folder = {"ingest": root, "ingest of dirty lines": root / "dirty"}.get(job)
        if folder and variant == "ours":
            shutil.rmtree(folder / "warehouse", ignore_errors=True)
        python = pythons.get(variant, sys.executable)
        return ask(["-m", "benchmarks.bench", "--measure", job, variant, str(root)], root, python)

    found = take_turns({variant: partial(run, variant) for variant in variants}, repeat, f"{n_lines:,} lines", job)
    compare(job, {variant: ones[-1]["numbers"] for variant, ones in found.items()})
    return [{"lines": n_lines, "job": job, "variant": variant, **medians(ones)} for variant, ones in found.items()]


def ask(arguments: list[str], root: Path, python: str | Path = sys.executable) -> dict:
    """What Python, run in ``root``, tells in its last line, with the time of the process."""
    whole, output = run_python(arguments, root, python)
    return whole | json.loads(output.splitlines()[-1])


def take_turns(runs: dict[str, Callable[[], dict]], repeat: int, size: str, job: str) -> dict[str, list[dict]]:
    """What each variant's run finds, ``repeat`` times."""
    found: dict[str, list[dict]] = {variant: [] for variant in runs}
    for _ in range(repeat):
        for variant, run in runs.items():
            found[variant].append(run())
            tell(size, job, variant, found[variant][-1])
    return found


def medians(ones: list[dict]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in ones), 3) for name in MEASURES}


def tell(size: str, job: str, variant: str, one: dict) -> None:
    times = f"{one['wall_seconds']:8.2f} s {one['cpu_seconds']:8.2f} CPU s {one['peak_mb']:7.0f} MB"
    print(f"{size:>20}  {job:27} {variant:20} {times}", flush=True)


def compare(job: str, numbers: dict[str, dict]) -> None:
    """End with an error where a variant has other numbers than ours: texts and counts alike, amounts to the cent."""
    for variant, tables in numbers.items():
        for name, found in tables.items():
            expected = numbers["ours"][name]
            if [len(row) for row in found] != [len(row) for row in expected] or not all(
                is_same(*pair) for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)
            ):
                sys.exit(f"{job}, {name}: {variant} has {found[:12]}, ours {expected[:12]}")


def is_same(left: str | float, right: str | float) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return math.isclose(left, right, rel_tol=1e-12, abs_tol=2e-6)


def run_reports(root: Path, n_lines: int) -> list[dict]:
    """The whole of it, from the export to the published bundle, where the package can do that."""
    shutil.rmtree(root / "warehouse", ignore_errors=True)
    if not (REPO / "crm_analysis" / "__main__.py").exists():
        print("reports: left out, there is no crm_analysis/__main__.py yet")
        return []
    try:
        one, _ = run_python(["-m", "crm_analysis", "reports"], root)
    except subprocess.CalledProcessError as error:
        print(f"reports: left out, exit code {error.returncode}")
        return []
    one["wall_seconds"] = one["process_seconds"]
    tell(f"{n_lines:,} lines", "reports", "ours", one)
    return [{"lines": n_lines, "job": "reports", "variant": "ours"} | {name: round(one[name], 3) for name in MEASURES}]


def write_results(name: str, rows: list[dict], notes: Sequence[str], more: Mapping[str, tuple[str, str]]) -> None:
    """``name``.csv with the rows, whose first column is the size, and ``name``.md, whose main numbers are ratios; ``more``: heading
    → column that stands there without a ratio, and its format."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    size = next(iter(rows[0]))
    ours = {(row[size], row["job"]): row for row in rows if row["variant"] == "ours"}
    table = [
        [size, "job", "variant", "time", "CPU", "memory", "seconds", "CPU s", "MB", *more],
        ["--:", *["---"] * 2, *["--:"] * (6 + len(more))],
    ]
    for row in rows:
        own = ours[row[size], row["job"]]
        names = ("wall_seconds", "cpu_seconds", "peak_mb")
        ratios = ["" if row is own or row[name] is None else f"**{own[name] / row[name]:.2f}**" for name in names]
        absolute = ["" if row[name] is None else f"{row[name]:.{n}f}" for name, n in zip(names, (2, 2, 0), strict=True)]
        others = ["" if row[one] is None else format(row[one], written) for one, written in more.values()]
        table.append([f"{row[size]:,}", row["job"], row["variant"], *ratios, *absolute, *others])
    libraries = ", ".join(f"{one} {version(one)}" for one in ("duckdb", "narwhals", "numpy", "pandas", "pyarrow"))
    text = [
        "# Ours beside others",
        "",
        "In bold: ours divided by theirs; below 1 ours is faster, or needs less memory. The rest is for context.",
        "",
        *[f"| {' | '.join(cells)} |" for cells in table],
        "",
        *notes,
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {libraries}.",
    ]
    (RESULTS / f"{name}.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument(
        "--lines", type=int, nargs="+", default=[1_000_000, 10_000_000], help="order lines of each export"
    )
    parser.add_argument("--repeat", type=int, help="measurements of each variant; 3, above 2 million lines 2")
    parser.add_argument("--peers", type=Path, default=PEERS_FOLDER, help="the folder of the peers' environments")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        job, variant, root = arguments.measure
        print(json.dumps(measure(job, variant, Path(root))))
        return
    pythons, notes = make_peers(arguments.peers.resolve(), PEERS)
    rows, repeats = [], []
    for n_lines in arguments.lines:
        repeats.append(arguments.repeat or (3 if n_lines <= 2_000_000 else 2))
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            run_python(["-m", "benchmarks.export", folder, str(n_lines)], Path(folder))
            for job in JOBS:
                rows += run_job(job, Path(folder), n_lines, repeats[-1], pythons)
            rows += run_reports(Path(folder), n_lines)
    medians_of = f"medians of {' and '.join(map(str, repeats))}"
    notes.append(f"`python -m benchmarks.bench {' '.join(sys.argv[1:])}`, {medians_of};")
    write_results("results", rows, notes, {})


if __name__ == "__main__":
    main()
