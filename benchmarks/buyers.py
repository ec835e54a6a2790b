"""The customers on which the models are fitted: CDNOW's, or simulated ones, always the same for a number of them.

``customers.parquet`` has a row per customer, as the LTV method makes it from orders. Arrays hold the same, in weeks, for peers.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.bench import REPO
from benchmarks.variants import AS_OF, MEMORY_LIMIT

# What a fit starts from: a row per customer, or the distinct rows with their number of customers.
CUSTOMERS, COUNTS = "customers", "counts"
UNIT_DAYS, MAX_ROWS = 7, 10_000_000

# The simulated customers: BG/NBD and Gamma-Gamma, over three years, in days and euros.
SEED, DAYS, PART = 20261001, 3 * 365, 1_000_000
R, ALPHA, A, B = 0.6, 60, 0.8, 2.5
P, Q, GAMMA = 4, 4, 22.5


def simulate(random: np.random.Generator, n: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The first orders of ``n`` customers, then the second ones, and so on: whose they are, the days, the cents."""
    rate, leaves, level = random.gamma(R, 1 / ALPHA, n), random.beta(A, B, n), 100 * GAMMA / random.gamma(Q, size=n)
    who, at, is_first = np.arange(n), random.uniform(0, DAYS, n), True
    while len(who):
        cents = np.maximum(np.rint(random.gamma(P, size=len(who)) * level[who]), 1)
        yield who, at.astype(int), cents.astype(int)
        at = at + random.exponential(1 / rate[who])
        goes_on = (at < DAYS) & (is_first | (random.random(len(who)) >= leaves[who]))
        who, at, is_first = who[goes_on], at[goes_on], False


def write_simulated(folder: Path, n: int) -> None:
    """``customers.parquet`` of ``n`` simulated customers and, of as many as one part has, ``orders.parquet``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts, orders = [], []
    for part, begin in enumerate(range(0, n, PART)):
        random = np.random.Generator(np.random.PCG64([SEED, part]))
        first = last = n_repeat_days = repeat_cents = None
        for who, day, cents in simulate(random, min(PART, n - begin)):
            if first is None:
                first, last, n_repeat_days, repeat_cents = day, day.copy(), np.zeros_like(day), np.zeros_like(day)
            n_repeat_days[who] += day > last[who]
            repeat_cents[who] += np.where(day > first[who], cents, 0)
            last[who] = day
            if n <= PART:
                orders.append(pa.table({"customer": who, "day": day + AS_OF - DAYS, "cents": cents}))
        columns = {
            "n_repeat_days": n_repeat_days,
            "span_days": last - first,
            "observed_days": DAYS - first,
            "repeat_amount": repeat_cents / 100,
        }
        parts.append(pa.table(columns))
    pq.write_table(pa.concat_tables(parts), folder / "customers.parquet")
    if orders:
        write_orders(pa.concat_tables(orders), folder)


def write_orders(orders, folder: Path) -> None:
    """``orders.parquet`` as in a customer database; nothing came back, and cost is not known."""
    import duckdb

    duckdb.sql(f"""
        COPY (SELECT printf('K%07d', customer) AS customer_id,
            printf('%09d', row_number() OVER (ORDER BY day, customer, cents)) AS order_id, true AS is_order,
            its_date::TIMESTAMP AS ordered_at, its_date AS ordered_date, day::INTEGER AS ordered_day,
            strftime(its_date, '%Y-%m') AS ordered_month, 1::BIGINT AS n_lines, amount AS gross_amount,
            0::DECIMAL(18, 2) AS returned_amount, amount AS net_amount, NULL::DECIMAL(18, 2) AS profit_amount
        FROM (SELECT *, DATE '1970-01-01' + day::INTEGER AS its_date, (cents / 100)::DECIMAL(18, 2) AS amount FROM orders)
        ORDER BY order_id) TO '{folder}/orders.parquet' (COMPRESSION zstd)""")


def write_cdnow(folder: Path, source: str) -> None:
    """``customers.parquet`` of a source on CDNOW: the order days up to 1998-06-30."""
    from crm_analysis import customers, engine, warehouse

    shutil.copytree(REPO / "params", folder / "params")
    warehouse.ensure(folder, source, MEMORY_LIMIT)
    connection = engine.connect(folder, MEMORY_LIMIT)
    tables = warehouse.open_tables(warehouse.warehouse_folder(folder, source), connection)
    as_of = date(1998, 7, 1)
    purchases = customers.summarise_purchases(customers.list_order_days(tables, as_of), as_of)
    engine.write_parquet(purchases, folder / "customers.parquet")


def write_arrays(folder: Path) -> dict:
    """Write the arrays, those of each customer only where one part holds all; gives the numbers of customers and distinct rows."""
    from crm_analysis import engine
    from crm_analysis.customers import count_triples
    from crm_analysis.valuation import count_amounts, rows_of

    purchases = open_purchases(folder)
    triples, amounts = (engine.collect(count(purchases), MAX_ROWS) for count in (count_triples, count_amounts))
    n_customers = int(triples["n_customers"].sum())
    names = ("n_repeat_days", "mean_amount", "n_customers")
    save(folder, "Gamma-Gamma", COUNTS, [amounts[name].to_numpy(float) for name in names])
    save(folder, "BG/NBD", COUNTS, [*rows_of(triples, UNIT_DAYS), triples["n_customers"].to_numpy(float)])
    if n_customers <= PART:
        frame = engine.collect(purchases, MAX_ROWS)
        save(folder, "BG/NBD", CUSTOMERS, [*rows_of(frame, UNIT_DAYS), np.ones(len(frame))])
        some = frame[(frame["n_repeat_days"] > 0) & (frame["repeat_amount"] > 0)]
        x, amount = (some[name].to_numpy(float) for name in ("n_repeat_days", "repeat_amount"))
        save(folder, "Gamma-Gamma", CUSTOMERS, [x, amount / x, np.ones(len(x))])
    return {"customers": n_customers, "n_triples": len(triples), "n_amounts": len(amounts)}


def array_file(folder: Path, model: str, start: str) -> Path:
    data = "amounts" if model == "Gamma-Gamma" else "triples"
    return folder / f"{data}_{start}.npy"


def save(folder: Path, model: str, start: str, columns: list[np.ndarray]) -> None:
    np.save(array_file(folder, model, start), np.stack(columns))


def open_purchases(folder: Path):
    from crm_analysis import engine

    connection = engine.connect(folder, MEMORY_LIMIT)
    return engine.materialise(engine.read_parquet(connection, folder / "customers.parquet"))


if __name__ == "__main__":
    folder, source = Path(sys.argv[1]), sys.argv[2]
    (write_simulated if source.isdecimal() else write_cdnow)(folder, int(source) if source.isdecimal() else source)
    print(json.dumps(write_arrays(folder)))
