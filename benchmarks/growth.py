"""How time and memory grow with the order lines: ours beside hand-written SQL, at four sizes, with the same memory limit.

The order lines are made as Parquet by DuckDB, the same ones for a number of them, with nothing to clean: what is measured
begins where the cleaning of an export ends.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.bench import RESULTS, run_job, run_python, write_results
from benchmarks.export import LINES_PER_CUSTOMER, prepare
from benchmarks.variants import AS_OF, MEMORY_LIMIT, connect, table

JOBS = ("orders from lines", "RFM + decile")
DAYS, LINES_PER_ORDER = 3 * 365, 3


def generate(root: Path, n_lines: int) -> None:
    """Order lines in the order of time, a few customers with most of them, and the orders of them; one order in fifty comes back."""
    n_orders = n_lines // LINES_PER_ORDER
    prepare(root)
    table(root, "orders").parent.mkdir(parents=True)
    connection = connect(root)
    connection.execute("SET preserve_insertion_order = false")
    # A number from 0 to 1 of an order, or of a line.
    connection.execute(
        "CREATE MACRO draw(number, salt) AS (hash(number, salt) >> 11)::DOUBLE / (1::BIGINT << 53)::DOUBLE"
    )
    connection.execute(f"""COPY (
        SELECT concat('K', (draw(number, 'who') ** 2 * {n_lines // LINES_PER_CUSTOMER})::BIGINT) AS customer_id,
            number::VARCHAR AS order_id, is_return, make_timestamp({AS_OF - DAYS} * 86400000000::BIGINT
                + (number / {n_orders + 1} * {DAYS} * 86400000000)::BIGINT) AS ordered_at,
            if(is_return, 'return', 'sale') AS kind,
            if(is_return, -1, 1) * (1 + hash(line, 'amount') % 10000)::DECIMAL(18, 2) / 100 AS amount,
            amount::DECIMAL(18, 2) AS line_amount
        FROM (SELECT range AS line, range // {LINES_PER_ORDER} AS number, draw(number, 'back') < 0.02 AS is_return
            FROM range({n_lines}))
        ) TO '{table(root, "order_lines")}' (COMPRESSION zstd)""")


def measure(root: Path, n_lines: int, repeat: int) -> list[dict]:
    """Rows of both jobs, the second on the orders that the last variant of the first made. Above ten million lines two are beside ours, no more."""
    large = ("polars", "pandas from orders", "pandas from lines") if n_lines > 10_000_000 else ("pandas from lines",)
    found = run_job(JOBS[0], root, n_lines, repeat, {}, *large)
    (root / "out" / "orders.parquet").replace(table(root, "orders"))
    return found + run_job(JOBS[1], root, n_lines, repeat, {}, *large)


def growth(rows: list[dict], measure: str) -> list[str]:
    """By job, how ``measure`` of ours grows from each size to the next, divided by n log n."""
    told = []
    for job in JOBS:
        own = [row for row in rows if row["variant"] == "ours" and row["job"] == job]
        steps = [
            f"{small['lines']:,} → {large['lines']:,}: **{per_line(large, measure) / per_line(small, measure):.2f}**"
            for small, large in zip(own, own[1:], strict=False)
        ]
        told.append(f"{job}, {measure}: {'; '.join(steps)}.")
    return told


def per_line(row: dict, measure: str) -> float:
    return row[measure] / (row["lines"] * math.log(row["lines"]))


def plot(rows: list[dict], path: Path) -> None:
    """Both jobs' CPU time by size, on logarithmic axes, with n log n from our second size on."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none"}
    figure, axes = plt.subplots(1, len(JOBS), figsize=(10, 4.2), sharey=True, layout="constrained")
    for ax, job in zip(axes, JOBS, strict=True):
        own = [row for row in rows if row["job"] == job]
        for variant in dict.fromkeys(row["variant"] for row in own):
            some = [row for row in own if row["variant"] == variant]
            style = {"linewidth": 2.5, "color": "black"} if variant == "ours" else {"linewidth": 1.2}
            ax.loglog(
                [row["lines"] for row in some], [row["cpu_seconds"] for row in some], "o-", label=variant, **style
            )
        ours = [row for row in own if row["variant"] == "ours"][1:]
        line = [ours[0]["cpu_seconds"] * one["lines"] * math.log(one["lines"]) for one in ours]
        scale = ours[0]["lines"] * math.log(ours[0]["lines"])
        ax.loglog([one["lines"] for one in ours], [one / scale for one in line], ":", color="grey", label="n log n")
        ax.set(title=job, xlabel="order lines")
        ax.grid(alpha=0.3)
        ax.legend(frameon=False)
    axes[0].set_ylabel("CPU seconds")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    sizes = [1_000_000, 10_000_000, 50_000_000, 100_000_000]
    parser.add_argument("--lines", type=int, nargs="+", default=sizes, help="order lines, rising; two sizes or more")
    parser.add_argument("--repeat", type=int, default=1, help="measurements of each variant")
    parser.add_argument("--folder", type=Path, help="where there is space: some 5 GB for each 100 million lines")
    parser.add_argument("--generate", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        folder, n_lines = arguments.generate
        generate(Path(folder), int(n_lines))
        return
    rows = []
    for n_lines in arguments.lines:
        with tempfile.TemporaryDirectory(prefix="growth-", dir=arguments.folder) as folder:
            needed = 60 * n_lines
            if shutil.disk_usage(folder).free < needed:
                sys.exit(f"{n_lines:,} lines need {needed >> 30} GB of disk: give a --folder that has them")
            # In a process of its own, whose memory is gone before the clock starts.
            run_python(["-m", "benchmarks.growth", "--generate", folder, str(n_lines)], Path(folder))
            rows += measure(Path(folder), n_lines, arguments.repeat)
    steps = [*growth(rows, "cpu_seconds"), *growth(rows, "wall_seconds")]
    notes = [
        f"Growth from size to size, of ours, divided by that of n log n (1: as n log n; memory limit {MEMORY_LIMIT}, spilling):",
        "",
        *[f"- {one}" for one in steps],
        "",
        "![CPU seconds by order lines](growth.svg)",
        "",
        f"`python -m benchmarks.growth {' '.join(sys.argv[1:])}`; load {os.getloadavg()[0]:.0f} at the end;",
    ]
    write_results("growth", rows, notes, {})
    plot(rows, RESULTS / "growth.svg")
    print("\n".join(steps))


if __name__ == "__main__":
    main()
