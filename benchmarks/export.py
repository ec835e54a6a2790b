"""The export that is measured: made up, with the habits of a real one, and always the same for a number of lines."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.variants import AS_OF, MONTH, SOURCE
from crm_analysis.methods import rfm

REPO = Path(__file__).resolve().parents[1]
SEED, DAYS, PRODUCTS, SLICES = 20261001, 3 * 365 + 1, 5000, 40
LINES_PER_CUSTOMER = 25
CONTRACT = """
company: Benchmark
currency: EUR
time_zone: Europe/Amsterdam
tables:
  order_lines:
    files: export.csv
    format: {datetime: "%Y-%m-%d %H:%M:%S"}
    columns: {order_id: Order No, customer_id: Customer No, ordered_at: Order Date, product_id: Item No,
              quantity: Quantity, unit_price: Unit Price}
    returns: {order_id_prefix: C}
"""


def generate(root: Path, n_lines: int) -> None:
    """``root/export.csv`` of three years up to AS_OF, in the order of time. Few customers buy much; many come,
    buy for a while and leave."""
    random = np.random.default_rng(SEED)
    n = max(n_lines // LINES_PER_CUSTOMER, 100)
    comes = np.where(random.random(n) < 0.3, 0, random.random(n) * DAYS)
    people = (random.lognormal(0, 1.2, n), comes, comes + random.exponential(500, n))
    prices = [f"{one:.2f}" for one in random.lognormal(2.5, 0.8, PRODUCTS)]
    with (root / "export.csv").open("wb") as file:
        file.write(b"Order No,Customer No,Order Date,Item No,Quantity,Unit Price\n")
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        for part, n in enumerate(np.diff(np.linspace(0, n_lines, SLICES + 1).astype(int))):
            pyarrow.csv.write_csv(generate_slice(random, part, int(n), people, prices), file, options)


def generate_slice(random: np.random.Generator, part: int, n_lines: int, people: tuple, prices: list[str]) -> pa.Table:
    """The lines of one of the SLICES of time: about 3 to an order; 2 % of the orders are returns, 5 % have no customer,
    and one line in 5,000 stands twice."""
    weights, comes, leaves = people
    start, end = part * DAYS / SLICES, (part + 1) * DAYS / SLICES
    active = np.flatnonzero((comes < end) & (leaves > start))
    order = np.repeat(np.arange(n_lines), 1 + random.poisson(2, n_lines))[:n_lines]
    n_orders = int(order[-1]) + 1
    bounds = np.cumsum(weights[active])
    customer = active[np.searchsorted(bounds, random.random(n_orders) * bounds[-1])]
    moment = np.sort(((AS_OF - DAYS + random.uniform(start, end, n_orders)) * 86_400).astype("int64"))
    is_return, is_unknown = random.random(n_orders) < 0.02, random.random(n_orders) < 0.05
    item = (PRODUCTS * random.random(n_lines) ** 2).astype(int)
    order_ids = [f"{'C' if back else ''}{part + 10}{one:07d}" for one, back in enumerate(is_return)]
    customer_ids = ["" if no else f"K{one:07d}" for one, no in zip(customer, is_unknown, strict=True)]
    columns = {
        "Order No": pa.array(order_ids).take(pa.array(order)),
        "Customer No": pa.array(customer_ids).take(pa.array(order)),
        "Order Date": pa.array(moment[order]).cast(pa.timestamp("s")).cast(pa.string()),
        "Item No": pa.array([f"P{one:04d}" for one in range(PRODUCTS)]).take(pa.array(item)),
        "Quantity": pa.array((random.geometric(0.6, n_lines)) * np.where(is_return[order], -1, 1)),
        "Unit Price": pa.array(prices).take(pa.array(item)),
    }
    # A line that stands twice takes the place of the one after it.
    line = np.arange(n_lines)
    twice = random.choice(line[1:], n_lines // 5000, replace=False)
    line[twice] = twice - 1
    return pa.table(columns).take(pa.array(line))


# Every so many lines → what became of the cells of one.
DIRT = {
    9090: lambda cells: [*cells, "x"],
    5050: lambda cells: [*cells[:2], "31.02.2025", *cells[3:]],
    4040: lambda cells: [*cells[:5], "n/a"],
    1000: lambda cells: [*cells[:3], "\uff30\uff11\uff12", *cells[4:]],
    202: lambda cells: [*cells[:4], f'"{cells[4]}"', cells[5]],
    200: lambda cells: [cells[0], f" {cells[1]} ", *cells[2:5], f"{cells[5]}\n"],
}


def soil(root: Path) -> None:
    """``root/dirty``: the same lines as people and programs leave them, with blanks, quotes, full-width letters and blank lines,
    and some that cannot be read."""
    (root / "dirty").mkdir()
    prepare(root / "dirty")
    with (
        (root / "export.csv").open(encoding="utf-8") as clean,
        (root / "dirty" / "export.csv").open("w", encoding="utf-8") as dirty,
    ):
        dirty.write(next(clean))
        for number, line in enumerate(clean, 1):
            every = next((one for one in DIRT if number % one == 0), None)
            dirty.write(",".join(DIRT[every](line.rstrip("\n").split(","))) + "\n" if every else line)


def prepare(root: Path) -> None:
    """The folders of a run with the contract, and RFM's grid and advice for those who do not import them."""
    for folder in ("params", "notebooks"):
        shutil.copytree(REPO / folder, root / folder)
    (root / "params" / "sources" / f"{SOURCE}.yml").write_text(CONTRACT, encoding="utf-8")
    (root / "params" / "run.yml").write_text(f"source: {SOURCE}\nmonth: {MONTH}\n", encoding="utf-8")
    with (root / "grid.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["r_score", "f_score", "segment", "priority", "action"])
        for r, row in rfm.GRID.items():
            writer.writerows(
                [r, f, one, priority, action]
                for f, one in enumerate(row, 1)
                for priority, _stance, action in [rfm.ADVICE[one]]
            )


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
    generate(Path(sys.argv[1]), int(sys.argv[2]))
    soil(Path(sys.argv[1]))
