"""The jobs of the benchmark as ours, as hand-written DuckDB SQL and as plain pandas would do them.

Each function does a job under ``root`` (the generated export, and the customer database built from it), writes its
files to ``out``, and gives a function for its numbers, so that they can be compared: under each name rows in any order.
That is not timed. Libraries are imported inside, so that no variant pays for those of another.

Of the profits, which the export has not, only ours makes an (empty) column.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

Numbers = Callable[[], dict]

SOURCE, MEMORY_LIMIT, MONTH = "bench", "4GB", "2026-09"
# In place of a group where a customer is in none.
OUTSIDE = "none"
NOWHERE = {"from_group": OUTSIDE, "to_group": OUTSIDE}


def _day(year: int, month: int) -> int:
    return (date(year, month, 1) - date(1970, 1, 1)).days


# Days since 1970-01-01: the month's end, its start and its end a year ago; and where the windows of these three begin.
AS_OF, STARTS, LAST_YEAR = _day(2026, 10), _day(2026, 9), _day(2025, 10)
SINCE, SINCE_STARTS, SINCE_LAST_YEAR = _day(2025, 10), _day(2025, 9), _day(2024, 10)


# Ours.


def ingest_ours(root: Path, out: Path) -> Numbers:
    from crm_analysis import warehouse

    meta = warehouse.ensure(root, SOURCE, MEMORY_LIMIT)

    def numbers() -> dict:
        import pandas as pd

        ledger = pd.read_parquet(warehouse.warehouse_folder(root, SOURCE) / "ledger.parquet")
        fates = ledger.groupby("fate")["n_rows"].sum()
        assert set(fates.index) == {"used", "duplicate"} and fates["used"] == meta.tables["order_lines"]["n_rows"], (
            fates
        )
        return {"read": [(ledger["n_rows"].sum(), ledger["line_amount"].sum())]}

    return numbers


def ingest_dirty_ours(root: Path, out: Path) -> Numbers:
    from crm_analysis import warehouse

    warehouse.ensure(root / "dirty", SOURCE, MEMORY_LIMIT)

    def numbers() -> dict:
        import pandas as pd

        ledger = pd.read_parquet(warehouse.warehouse_folder(root / "dirty", SOURCE) / "ledger.parquet")
        # What read_csv loads too.
        loaded = ledger[(ledger["fate"] != "blank") & (ledger["reason"] != "E-ROW-1")]
        return {"loaded": [(loaded["n_rows"].sum(),)]}

    return numbers


def analyse_ours(root: Path, out: Path) -> Numbers:
    from crm_analysis import engine
    from crm_analysis.methods import decile, rfm
    from crm_analysis.params import Run

    tables = {"orders": engine.read_parquet(engine.connect(out, MEMORY_LIMIT), table(root, "orders"))}
    results = []
    for method in (rfm, decile):
        result = method.analyse(tables, Run(source=SOURCE, month=MONTH), method.Params())
        name = method.__name__.rpartition(".")[2]
        engine.write_parquet(result.customers, out / f"{name}.parquet")
        engine.write_csv(result.actions, out / f"{name}.csv")
        results.append(result)
    a, b = results
    sums = ["decile", "n_customers", "amount"]
    return lambda: {
        "segments": rows(a.segments[["segment", "n_customers", "amount", "n_customers_last_year"]]),
        "cells": rows(a.cells[a.cells["n_customers"] > 0].drop(columns="segment")),
        "bins": rows(a.bins),
        "moves": rows(a.moves.fillna(NOWHERE)),
        "classes": [(name, n) for name, one in a.distributions.items() for n in one["n_customers"]],
        "all time": rows(b.all_time[sums]),
        "window": rows(b.window[sums]),
        "decile moves": rows(b.moves.fillna(NOWHERE)),
        "concentration": rows(b.concentration.drop(columns="basis")),
        "Lorenz": rows(b.lorenz[1:]),
    }


def table(root: Path, name: str) -> Path:
    """A table of the customer database."""
    return root / "warehouse" / SOURCE / f"{name}.parquet"


def rows(frame) -> list[tuple]:
    return list(frame.itertuples(index=False, name=None))


# DuckDB's SQL, by hand. Macros are views with parameters: of each state only what is asked for is computed. That is why
# the distinct days are counted by lists: DuckDB works out a count(DISTINCT …) also where nobody asks for it.

STEPS = """
CREATE VIEW orders AS FROM '{root}/warehouse/{SOURCE}/orders.parquet' WHERE customer_id IS NOT NULL;
CREATE TEMP TABLE grid AS FROM '{root}/grid.csv';
CREATE MACRO customers(since, until) AS TABLE
  SELECT customer_id, min(ordered_day) FILTER (is_order) AS first_day, max(ordered_day) FILTER (is_order) AS last_day,
    until - last_day AS days, last_day - first_day AS tenure_days, count(*) FILTER (is_order) AS n_orders,
    len(list_distinct(list(ordered_day) FILTER (is_order))) AS n_order_days, sum(gross_amount) AS gross_amount,
    sum(returned_amount) AS returned_amount, sum(net_amount) AS amount, amount::DOUBLE / n_orders AS mean_amount,
    CASE WHEN n_order_days > 1 THEN tenure_days / (n_order_days - 1) END AS mean_days_between_orders
  FROM orders WHERE ordered_day >= since AND ordered_day < until GROUP BY customer_id HAVING n_orders > 0;
CREATE MACRO scored(until) AS TABLE
  SELECT s.*, segment, priority, action FROM (
    SELECT *, 1 + 5 * (rank() OVER (ORDER BY last_day) - 1) // count(*) OVER () AS r_score,
      1 + 5 * (rank() OVER (ORDER BY n_orders) - 1) // count(*) OVER () AS f_score,
      1 + 5 * (rank() OVER (ORDER BY amount) - 1) // count(*) OVER () AS m_score
    FROM customers(0, until)) s JOIN grid USING (r_score, f_score);
CREATE MACRO grouped(since, until) AS TABLE
  SELECT customer_id, amount, row_number() OVER best AS place, ntile(10) OVER best AS decile, count(*) OVER () AS n
  FROM customers(since, until) WINDOW best AS (ORDER BY amount DESC, customer_id);
CREATE TEMP TABLE rfm AS FROM scored({AS_OF});
CREATE TEMP TABLE now AS FROM grouped({SINCE}, {AS_OF});
CREATE TEMP TABLE before AS FROM grouped({SINCE_STARTS}, {STARTS});
CREATE TEMP TABLE last_year AS FROM grouped({SINCE_LAST_YEAR}, {LAST_YEAR});
CREATE TEMP TABLE deciles AS
  SELECT a.customer_id, a.decile, a.place, a.n, a.amount, a.n_orders, a.days, coalesce(w.decile, 0) AS window_decile,
    w.amount AS window_amount, coalesce(b.decile, 0) AS previous_decile
  FROM (SELECT *, row_number() OVER best AS place, ntile(10) OVER best AS decile, count(*) OVER () AS n
    FROM rfm WINDOW best AS (ORDER BY amount DESC, customer_id)) a
  LEFT JOIN now w USING (customer_id) LEFT JOIN before b USING (customer_id);
COPY (SELECT * EXCLUDE (priority, action) FROM rfm) TO '{out}/rfm.parquet' (COMPRESSION zstd);
COPY (SELECT * EXCLUDE n FROM deciles) TO '{out}/decile.parquet' (COMPRESSION zstd);
COPY (SELECT customer_id, segment, priority, action,
    concat('Days since the last order: ', days, '; orders so far: ', n_orders) AS reason,
    r_score, f_score, m_score, days, n_orders, amount
  FROM rfm ORDER BY priority, amount DESC, customer_id) TO '{out}/rfm.csv';
COPY (SELECT customer_id, if(decile <= 2, 1, 2) AS priority, if(decile <= 2, 'Ask why', 'Care for') AS action,
    concat('All time: ', decile, '; window: ', window_decile) AS reason, decile, window_decile, amount, n_orders, days
  FROM deciles WHERE if(decile <= 2, window_decile NOT IN (1, 2, 3), window_decile IN (1, 2))
  ORDER BY priority, amount DESC, customer_id) TO '{out}/decile.csv'
"""
QUERIES = {
    "segments": """SELECT segment, count(*), sum(amount), any_value(y.n) FROM rfm LEFT JOIN
        (SELECT segment, count(*) AS n FROM scored({LAST_YEAR}) GROUP BY 1) y USING (segment) GROUP BY 1""",
    "cells": "SELECT r_score, f_score, count(*), sum(amount) FROM rfm GROUP BY ALL",
    "bins": """SELECT 'recency', r_score, count(*), min(days), max(days) FROM rfm GROUP BY ALL
        UNION ALL SELECT 'frequency', f_score, count(*), min(n_orders), max(n_orders) FROM rfm GROUP BY ALL
        UNION ALL SELECT 'monetary', m_score, count(*), min(amount), max(amount) FROM rfm GROUP BY ALL""",
    "moves": """SELECT coalesce(b.segment, '{OUTSIDE}'), rfm.segment, count(*), sum(rfm.amount)
        FROM rfm LEFT JOIN scored({STARTS}) b USING (customer_id) GROUP BY ALL""",
    "classes": """SELECT 'recency', count(*) FROM rfm GROUP BY days // 30
        UNION ALL SELECT 'frequency', count(*) FROM rfm GROUP BY least(n_orders, 15)
        UNION ALL SELECT 'monetary', count(*) FROM rfm
        GROUP BY CASE WHEN amount >= 1 THEN floor(4 * log10(greatest(amount::DOUBLE, 1))) END""",
    "all time": "SELECT decile, count(*), sum(amount) FROM deciles GROUP BY 1",
    "window": "SELECT decile, count(*), sum(amount) FROM now GROUP BY 1",
    "decile moves": """SELECT coalesce(b.decile::VARCHAR, '{OUTSIDE}'), coalesce(now.decile::VARCHAR, '{OUTSIDE}'),
        count(*), sum(now.amount) FROM now FULL JOIN before b USING (customer_id) GROUP BY ALL""",
    "concentration": " UNION ALL ".join(
        f"""SELECT count(*), sum(amount), sum(amount) FILTER (place <= (n + 4) // 5)::DOUBLE / sum(amount),
        (max(n) + 1 - 2 * sum(place::DOUBLE * amount::DOUBLE) / sum(amount)::DOUBLE) / max(n) FROM {basis}"""
        for basis in ("deciles", "now", "before", "last_year")
    ),
    "Lorenz": """SELECT sum(count(*)) OVER best / (SELECT count(*) FROM rfm),
        sum(sum(amount)) OVER best::DOUBLE / (SELECT sum(amount) FROM rfm)
        FROM deciles GROUP BY 100 * (place - 1) // n WINDOW best AS (ORDER BY 100 * (place - 1) // n)""",
}


def ingest_sql(root: Path, out: Path) -> Numbers:
    """A plain load without any check, duplicate, ledger or order: the floor under every ingest."""
    import duckdb

    connection = duckdb.connect(str(out / "plain.duckdb"), config={"memory_limit": MEMORY_LIMIT})
    connection.execute(f"CREATE TABLE lines AS FROM read_csv('{root}/export.csv', all_varchar = true)")
    connection.execute("CHECKPOINT")
    total = 'SELECT count(*), sum("Quantity"::INTEGER * "Unit Price"::DECIMAL(18, 2)) FROM lines'
    return lambda: {"read": connection.execute(total).fetchall()}


def connect(out: Path):
    """DuckDB with as much memory as ours."""
    import duckdb

    return duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(out)})


def analyse_sql(root: Path, out: Path) -> Numbers:
    connection = connect(out)
    names = {"root": root, "out": out, **{name: value for name, value in globals().items() if name.isupper()}}
    connection.execute(STEPS.format(**names))
    found = {name: connection.execute(query.format(**names)).fetchall() for name, query in QUERIES.items()}
    return lambda: found


# pandas, as an analyst writes it; amounts are floats, rounded to the cent so that equal ones are equal.


def ingest_dirty_sql(root: Path, out: Path) -> Numbers:
    """The same plain load; what has too many cells is passed over, and all else is loaded as it stands."""
    import duckdb

    connection = duckdb.connect(str(out / "plain.duckdb"), config={"memory_limit": MEMORY_LIMIT})
    read = f"read_csv('{root}/dirty/export.csv', all_varchar = true, ignore_errors = true)"
    connection.execute(f"CREATE TABLE lines AS FROM {read}")
    connection.execute("CHECKPOINT")
    return lambda: {"loaded": connection.execute("SELECT count(*) FROM lines").fetchall()}


def ingest_pandas(root: Path, out: Path) -> Numbers:
    import pandas as pd

    lines = pd.read_csv(root / "export.csv", parse_dates=["Order Date"])
    return lambda: {"read": [(len(lines), (lines["Quantity"] * lines["Unit Price"]).sum())]}


def analyse_pandas(root: Path, out: Path) -> Numbers:
    columns = ["customer_id", "ordered_day", "is_order", "gross_amount", "returned_amount", "net_amount"]
    orders = read(table(root, "orders"), columns)
    return _analyse_frame(orders.dropna(subset=["customer_id"]), root, out)


def analyse_pandas_from_lines(root: Path, out: Path) -> Numbers:
    import pandas as pd

    columns = ["customer_id", "order_id", "ordered_at", "kind", "line_amount"]
    lines = read(table(root, "order_lines"), columns)
    is_return = lines["kind"] == "return"
    sales = lines[~is_return].groupby(["customer_id", "order_id"], as_index=False)
    orders = sales.agg(ordered_at=("ordered_at", "min"), net_amount=("line_amount", "sum"))
    returns = lines[is_return].dropna(subset=["customer_id"]).rename(columns={"line_amount": "net_amount"})
    orders = pd.concat([orders.assign(is_order=True), returns.assign(is_order=False)], ignore_index=True)
    orders["ordered_day"] = orders["ordered_at"].to_numpy("datetime64[D]").astype("int64")
    orders["gross_amount"] = orders["net_amount"].where(orders["is_order"], 0.0)
    orders["returned_amount"] = -orders["net_amount"].where(~orders["is_order"], 0.0)
    return _analyse_frame(orders, root, out)


def read(path: Path, columns: list[str]):
    """A Parquet file with amounts as floats; Python's decimals, which pandas would make, are slow beyond comparison."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.read_table(path, columns=columns)
    fields = [pa.field(one.name, pa.float64()) if pa.types.is_decimal(one.type) else one for one in found.schema]
    return found.cast(pa.schema(fields)).to_pandas()


def _customers(orders, since: int, until: int):
    known = orders[(orders["ordered_day"] >= since) & (orders["ordered_day"] < until)]
    days = known[known["is_order"]].groupby("customer_id")["ordered_day"]
    customers = days.agg(first_day="min", last_day="max", n_orders="size")
    sums = known.groupby("customer_id")[["gross_amount", "returned_amount", "net_amount"]].sum().round(2)
    customers = customers.join(sums).rename(columns={"net_amount": "amount"}).reset_index()
    return customers.assign(days=until - customers["last_day"])


def _scored(customers, grid):
    n = len(customers)
    values = {"r_score": -customers["days"], "f_score": customers["n_orders"], "m_score": customers["amount"]}
    scores = {name: 1 + 5 * (one.rank(method="min").astype("int64") - 1) // n for name, one in values.items()}
    return customers.assign(**scores).merge(grid, on=["r_score", "f_score"])


def _grouped(customers):
    import numpy as np

    best = customers.sort_values(["amount", "customer_id"], ascending=[False, True], ignore_index=True)
    size, more = divmod(len(best), 10)
    sizes = [size + 1] * more + [size] * (10 - more)
    return best.assign(place=np.arange(1, len(best) + 1), decile=np.repeat(np.arange(1, 11), sizes))


def _analyse_frame(orders, root: Path, out: Path) -> Numbers:
    import pandas as pd

    grid = pd.read_csv(root / "grid.csv")
    customers = _customers(orders, 0, AS_OF)
    found = _rfm(orders, customers, grid, out) | _deciles(orders, customers, out)
    return lambda: {name: rows(frame) for name, frame in found.items()}


def _rfm(orders, customers, grid, out: Path) -> dict:
    import numpy as np
    import pandas as pd

    rfm = _scored(_complete(customers, orders), grid)
    rfm.drop(columns=["priority", "action"]).to_parquet(out / "rfm.parquet", compression="zstd")
    actions = rfm.sort_values(["priority", "amount", "customer_id"], ascending=[True, False, True])
    actions["reason"] = "Days since the last order: " + actions["days"].astype(str)
    actions["reason"] += "; orders so far: " + actions["n_orders"].astype(str)
    listed = ["customer_id", "segment", "priority", "action", "reason", "r_score", "f_score", "m_score"]
    actions[[*listed, "days", "n_orders", "amount"]].to_csv(out / "rfm.csv", index=False)

    last_year = _scored(_customers(orders, 0, LAST_YEAR), grid).groupby("segment").size().rename("last_year")
    before = _scored(_customers(orders, 0, STARTS), grid)[["customer_id", "segment"]]
    moves = rfm.merge(before, on="customer_id", how="left", suffixes=("", "_before"))
    moves["segment_before"] = moves["segment_before"].fillna(OUTSIDE)
    values = {"recency": rfm["days"], "frequency": rfm["n_orders"], "monetary": rfm["amount"]}
    bins = {name: one.groupby(rfm[f"{name[0]}_score"]).agg(["size", "min", "max"]) for name, one in values.items()}
    power = np.floor(4 * np.log10(rfm["amount"].where(rfm["amount"] >= 1)))
    classes = {"recency": rfm["days"] // 30, "frequency": rfm["n_orders"].clip(upper=15), "monetary": power}
    counts = {name: one.value_counts(dropna=False) for name, one in classes.items()}
    return {
        "segments": _sums(rfm, ["segment"]).merge(last_year, on="segment"),
        "cells": _sums(rfm, ["r_score", "f_score"]),
        "moves": _sums(moves, ["segment_before", "segment"]),
        "bins": pd.concat(bins, names=["dimension", "score"]).reset_index(),
        "classes": pd.concat(counts, names=["dimension"]).rename("n").reset_index()[["dimension", "n"]],
    }


def _complete(customers, orders):
    visits = orders[orders["is_order"] & (orders["ordered_day"] < AS_OF)].groupby("customer_id")["ordered_day"]
    customers = customers.merge(visits.nunique().rename("n_order_days"), on="customer_id")
    gaps = customers["n_order_days"] - 1
    customers["tenure_days"] = customers["last_day"] - customers["first_day"]
    customers["mean_amount"] = customers["amount"] / customers["n_orders"]
    customers["mean_days_between_orders"] = (customers["tenure_days"] / gaps).where(gaps > 0)
    return customers


def _sums(frame, by: list[str], amount: str = "amount"):
    return frame.groupby(by)[amount].agg(["size", "sum"]).reset_index()


def _deciles(orders, customers, out: Path) -> dict:
    import numpy as np
    import pandas as pd

    everybody, window = _grouped(customers), _grouped(_customers(orders, SINCE, AS_OF))
    before = _grouped(_customers(orders, SINCE_STARTS, STARTS))
    last_year = _grouped(_customers(orders, SINCE_LAST_YEAR, LAST_YEAR))
    now = window[["customer_id", "decile", "amount"]]
    joined = everybody.merge(now, on="customer_id", how="left", suffixes=("", "_window"))
    joined = joined.merge(before[["customer_id", "decile"]], on="customer_id", how="left", suffixes=("", "_before"))
    groups = ["decile_before", "decile_window"]
    joined[groups] = joined[groups].fillna(0).astype("int64")
    listed = ["customer_id", "decile", "place", "amount", "n_orders", "days", *groups, "amount_window"]
    joined[listed].to_parquet(out / "decile.parquet", compression="zstd")

    is_best, here = joined["decile"] <= 2, joined["decile_window"]
    actions = joined[np.where(is_best, ~here.isin([1, 2, 3]), here.isin([1, 2]))].copy()
    actions["priority"] = np.where(actions["decile"] <= 2, 1, 2)
    actions["action"] = np.where(actions["decile"] <= 2, "Ask why", "Care for")
    actions["reason"] = (
        "All time: " + actions["decile"].astype(str) + "; window: " + actions["decile_window"].astype(str)
    )
    actions = actions.sort_values(["priority", "amount", "customer_id"], ascending=[True, False, True])
    listed = ["customer_id", "priority", "action", "reason", "decile", "decile_window", "amount", "n_orders", "days"]
    actions[listed].to_csv(out / "decile.csv", index=False)

    moves = joined.loc[joined[groups].sum(axis=1) > 0, [*groups, "amount_window"]]
    moves[groups] = moves[groups].astype(str).replace("0", OUTSIDE)
    hundredths = everybody.assign(hundredth=100 * (everybody["place"] - 1) // len(everybody))
    curve = _sums(hundredths, ["hundredth"])[["size", "sum"]].cumsum()
    return {
        "all time": _sums(everybody, ["decile"]),
        "window": _sums(window, ["decile"]),
        "decile moves": _sums(moves, groups, "amount_window"),
        "concentration": pd.DataFrame([_concentration(one) for one in (everybody, window, before, last_year)]),
        "Lorenz": curve / curve.iloc[-1],
    }


def _concentration(groups) -> tuple:
    n, amount, place = len(groups), groups["amount"], groups["place"]
    gini = (n + 1 - 2 * (place * amount).sum() / amount.sum()) / n
    return n, amount.sum(), amount[place <= -(-n // 5)].sum() / amount.sum(), gini
