"""Whether ours is still as fast beside others as it was: a quick look that ends with an error where a ratio is worse than
what is allowed.

Only ratios of CPU time in this run count, never seconds: the least of a few turns of each, in one process, after a first turn
that does not count. Their numbers must be the same, too.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks import scoring
from benchmarks.bench import JOBS, canonical, clock, compare, empty_folder
from benchmarks.growth import generate
from benchmarks.variants import table

# Job → whom we stand beside, and the most CPU time for ours in theirs: a third more than was measured.
MOST = {
    "orders from lines": {"SQL by hand": 1.3},
    "RFM scores": {"SQL by hand": 2.4},
    "RFM + decile": {"SQL by hand": 2.7, "pandas from orders": 1.75},
}


def least_seconds(job: str, variants: list[str], root: Path, turns: int) -> dict[str, float]:
    """The least CPU seconds of each variant; ends with an error where their numbers differ."""
    seconds, numbers = dict.fromkeys(variants, float("inf")), {}
    for turn in range(turns + 1):
        for variant in variants:
            function, modules = JOBS[job][variant]
            for name in modules:
                importlib.import_module(name)
            out = empty_folder(root / "out")
            found, told = clock(lambda: function(root, out))  # noqa: B023
            if turn:
                seconds[variant] = min(seconds[variant], found["cpu_seconds"])
            else:
                numbers[variant] = {name: canonical(rows) for name, rows in told().items()}
    compare(job, numbers)
    return seconds


def guard(root: Path, n_lines: int, turns: int) -> list[str]:
    """What is slower than allowed, in words."""
    generate(root, n_lines)
    scoring.sum_lines_sql(root, empty_folder(root / "out"))
    (root / "out" / "orders.parquet").replace(table(root, "orders"))
    slow = []
    for job, allowed in MOST.items():
        seconds = least_seconds(job, ["ours", *allowed], root, turns)
        for variant, most in allowed.items():
            ratio = seconds["ours"] / seconds[variant]
            words = f"{job}: {ratio:.2f} of the CPU time of {variant}; allowed are {most}"
            print(words, flush=True)
            slow += [words] if ratio > most else []
    return slow


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="order lines")
    parser.add_argument("--turns", type=int, default=3, help="turns of each variant")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        if slow := guard(Path(folder), arguments.lines, arguments.turns):
            sys.exit("slower than allowed:\n" + "\n".join(slow))


if __name__ == "__main__":
    main()
