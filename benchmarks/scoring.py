"""Two jobs in as many ways as there are libraries: order lines → orders, and orders → customers with their RFM scores.

The functions are like those of ``variants``. That of a peer runs in an environment of its own (``peers``).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks.variants import AS_OF, MEMORY_LIMIT, Numbers, connect, read, table

AS_OF_DATE = date.fromordinal(date(1970, 1, 1).toordinal() + AS_OF)


# Order lines → orders, as they stand in a customer database.


def sum_lines_ours(root: Path, out: Path) -> Numbers:
    from crm_analysis import engine
    from crm_analysis.cleaning.orders import summarise_orders

    lines = engine.read_parquet(engine.connect(out, MEMORY_LIMIT), table(root, "order_lines"))
    engine.write_parquet(summarise_orders(lines), out / "orders.parquet")
    return lambda: _orders(out)


def sum_lines_sql(root: Path, out: Path) -> Numbers:
    connection = connect(out)
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"""COPY (
        SELECT customer_id, order_id, max(kind = 'sale') AS is_order, min(lines.ordered_at) AS ordered_at,
            min(lines.ordered_at)::DATE AS ordered_date, (ordered_date - DATE '1970-01-01')::INTEGER AS ordered_day,
            strftime(ordered_date, '%Y-%m') AS ordered_month, count(*) AS n_lines,
            coalesce(sum(line_amount) FILTER (kind <> 'return'), 0)::DECIMAL(18, 2) AS gross_amount,
            coalesce(-sum(line_amount) FILTER (kind = 'return'), 0)::DECIMAL(18, 2) AS returned_amount,
            sum(line_amount)::DECIMAL(18, 2) AS net_amount, NULL::DECIMAL(18, 2) AS profit_amount
        FROM (SELECT customer_id, order_id, kind, line_amount, ordered_at FROM '{table(root, "order_lines")}') AS lines
        GROUP BY customer_id, order_id, kind = 'return', CASE WHEN kind = 'return' THEN lines.ordered_at::DATE END
        ) TO '{out}/orders.parquet' (COMPRESSION zstd)""")
    return lambda: _orders(out)


def sum_lines_polars(root: Path, out: Path) -> Numbers:
    import polars as pl

    amount, at, is_return = pl.col("line_amount"), pl.col("ordered_at"), pl.col("kind") == "return"
    lines = pl.scan_parquet(table(root, "order_lines")).with_columns(
        is_return=is_return, returned=pl.when(is_return).then(at.dt.date())
    )
    orders = lines.group_by("customer_id", "order_id", "is_return", "returned").agg(
        is_order=(pl.col("kind") == "sale").any(),
        ordered_at=at.min(),
        n_lines=pl.len(),
        gross_amount=amount.filter(~is_return).sum(),
        returned_amount=-amount.filter(is_return).sum(),
        net_amount=amount.sum(),
    )
    day = pl.col("ordered_at").dt.date()
    orders = orders.drop("is_return", "returned").with_columns(
        ordered_date=day, ordered_day=day.cast(pl.Int32), ordered_month=day.dt.strftime("%Y-%m")
    )
    orders.sink_parquet(out / "orders.parquet", compression="zstd")
    return lambda: _orders(out)


def _orders(out: Path) -> dict:
    sums = "is_order::VARCHAR, count(*), sum(n_lines), sum(net_amount), sum(ordered_day)"
    return {"orders": connect(out).sql(f"SELECT {sums} FROM '{out}/orders.parquet' GROUP BY 1").fetchall()}


# Orders → customers with their RFM scores.


def score_ours(root: Path, out: Path) -> Numbers:
    from crm_analysis import engine
    from crm_analysis.customers import customers_at
    from crm_analysis.methods import rfm

    tables = {"orders": engine.read_parquet(engine.connect(out, MEMORY_LIMIT), table(root, "orders"))}
    customers = customers_at(tables, AS_OF_DATE, "customer_id", "days_since_last_order", "n_orders", "net_amount")
    engine.write_parquet(rfm.score_customers(customers, rfm.Params()), out / "scores.parquet")
    return lambda: _scores(out, "days_since_last_order", "n_orders", "net_amount")


def score_sql(root: Path, out: Path) -> Numbers:
    connect(out).execute(f"""COPY (
        SELECT *, 1 + 5 * (rank() OVER (ORDER BY last_day) - 1) // count(*) OVER () AS r_score,
            1 + 5 * (rank() OVER (ORDER BY n_orders) - 1) // count(*) OVER () AS f_score,
            1 + 5 * (rank() OVER (ORDER BY amount) - 1) // count(*) OVER () AS m_score
        FROM (SELECT customer_id, max(ordered_day) FILTER (is_order) AS last_day, {AS_OF} - last_day AS days,
                count(*) FILTER (is_order) AS n_orders, sum(net_amount) AS amount
            FROM '{table(root, "orders")}' WHERE customer_id IS NOT NULL AND ordered_day < {AS_OF}
            GROUP BY customer_id HAVING n_orders > 0)
        ) TO '{out}/scores.parquet' (COMPRESSION zstd)""")
    return lambda: _scores(out, "days", "n_orders", "amount")


def score_polars(root: Path, out: Path) -> Numbers:
    import polars as pl

    at, is_order = pl.col("ordered_day"), pl.col("is_order")
    orders = pl.scan_parquet(table(root, "orders")).filter(pl.col("customer_id").is_not_null(), at < AS_OF)
    customers = orders.group_by("customer_id").agg(
        days=AS_OF - at.filter(is_order).max(), n_orders=is_order.sum(), amount=pl.col("net_amount").sum()
    )

    def score(value: pl.Expr) -> pl.Expr:
        return 1 + 5 * (value.rank("min").cast(pl.Int64) - 1) // pl.len()

    scored = customers.filter(pl.col("n_orders") > 0).with_columns(
        r_score=score(-pl.col("days")), f_score=score(pl.col("n_orders")), m_score=score(pl.col("amount"))
    )
    scored.collect(engine="streaming").write_parquet(out / "scores.parquet", compression="zstd")
    return lambda: _scores(out, "days", "n_orders", "amount")


def score_pandas(root: Path, out: Path) -> Numbers:
    orders = read(table(root, "orders"), ["customer_id", "ordered_day", "is_order", "net_amount"])
    known = orders[orders["customer_id"].notna() & (orders["ordered_day"] < AS_OF)]
    visits = known[known["is_order"]].groupby("customer_id")["ordered_day"].agg(last_day="max", n_orders="size")
    customers = visits.join(known.groupby("customer_id")["net_amount"].sum().round(2).rename("amount")).reset_index()
    customers["days"] = AS_OF - customers["last_day"]
    for name, value in {"r": -customers["days"], "f": customers["n_orders"], "m": customers["amount"]}.items():
        ranks = value.rank(method="min").astype("int64")
        customers[f"{name}_score"] = 1 + 5 * (ranks - 1) // len(customers)
    customers.to_parquet(out / "scores.parquet", compression="zstd")
    return lambda: _scores(out, "days", "n_orders", "amount")


def score_openretailscience(root: Path, out: Path) -> Numbers:
    """In groups of equal size, so that some of equal values have other scores: only its sums are compared."""
    import ibis
    from openretailscience.segmentation.rfm import RFMSegmentation

    orders = ibis.duckdb.connect(memory_limit=MEMORY_LIMIT, temp_directory=str(out)).read_parquet(table(root, "orders"))
    known = orders.filter(orders.customer_id.notnull(), orders.ordered_day < AS_OF)
    events = known.select(
        "customer_id",
        transaction_id=ibis.ifelse(known.is_order, known.order_id, ibis.null(str)),
        transaction_date=ibis.ifelse(known.is_order, known.ordered_date, ibis.null("date")),
        unit_spend=known.net_amount,
    )
    found = RFMSegmentation(events, AS_OF_DATE, r_segments=5, f_segments=5, m_segments=5, min_frequency=1)
    found.table.to_parquet(out / "scores.parquet", compression="zstd")
    sums = _scores(out, "recency_days", "frequency", "monetary")
    return lambda: {"customers": sums["customers"]}


def _scores(out: Path, days: str, n_orders: str, amount: str) -> dict:
    """What the customers add up to, and how many have which score."""
    scores = connect(out).read_parquet(str(out / "scores.parquet"))
    counts = [
        (one, *row) for one in ("r", "f", "m") for row in scores.aggregate(f"{one}_score::BIGINT, count(*)").fetchall()
    ]
    sums = f"count(*), sum({days}), sum({n_orders}), round(sum({amount})::DOUBLE, 2)"
    return {"customers": scores.aggregate(sums).fetchall(), "scores": counts}
