"""What holds whatever the orders are, all the way from the files to the customers."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analysis import engine, warehouse
from crm_analysis.customers import summarise_customers
from crm_analysis.errors import CrmError

AS_OF, EPOCH = date(2024, 7, 1), date(1970, 1, 1)
HEADER = "order,customer,day,pieces,price\n"
SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders*.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
    returns: {order_id_prefix: R}
"""
lines = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C", "D", "RA", "RB"]),
        st.sampled_from(["c1", "c2", "c3", "007", "7", ""]),
        st.dates(date(2024, 1, 1), AS_OF + timedelta(days=40)),
        st.integers(0, 4),
        st.integers(0, 2000),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda line: line,
)


@pytest.fixture
def summarise(tmp_path_factory):
    """``summarise([file, …])``: the customers and the ledger's rows by fate of files of lines (order, customer, day, pieces, cents)."""

    def build(files: list[list[tuple]]) -> tuple[pd.DataFrame, dict[str, int]]:
        root = tmp_path_factory.mktemp("property")
        (root / "params" / "sources").mkdir(parents=True)
        (root / "params" / "sources" / "shop.yml").write_text(SHOP, encoding="utf-8")
        for number, rows in enumerate(files):
            texts = [f"{o},{c},{d},{q},{Decimal(cents) / 100:.2f},more\n" for o, c, d, q, cents in rows]
            text = HEADER.replace("\n", ",note\n") + "".join(texts)
            (root / f"orders-{number}.csv").write_text(text, encoding="utf-8")
        warehouse.ensure(root, "shop", "1GB")
        folder = warehouse.warehouse_folder(root, "shop")
        connection = duckdb.connect()
        orders = engine.read_parquet(connection, folder / "orders.parquet")
        customers = engine.collect(summarise_customers(orders, AS_OF).sort("customer_id"), 100)
        ledger = pd.read_parquet(folder / "ledger.parquet")
        kept = engine.collect(orders.select("net_amount"), 100)["net_amount"]
        assert sum(ledger.loc[ledger["fate"] == "used", "line_amount"]) == sum(kept)
        connection.close()
        return customers, ledger.groupby("fate")["n_rows"].sum().to_dict()

    return build


def loop(rows: list[tuple], as_of: date) -> dict[str, tuple]:
    """The customers by a plain loop: first and last day, orders, order days, gross and returned amount."""
    orders, back = defaultdict(list), defaultdict(Decimal)
    for order, customer, day, pieces, cents in rows:
        amount = pieces * Decimal(cents) / 100
        if order.startswith("R"):
            back[customer] += amount if day < as_of else 0
        else:
            orders[customer, order].append((day, amount))
    found = {}
    for customer in {customer for customer, _ in orders if customer}:
        known = [lines for (who, _), lines in orders.items() if who == customer and min(lines)[0] < as_of]
        days = [min(lines)[0] for lines in known if any(amount for _, amount in lines)]
        if days:
            gross = sum((amount for lines in known for _, amount in lines), Decimal(0))
            found[customer] = (min(days), max(days), len(days), len(set(days)), gross, back[customer])
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=lines, seed=st.integers(0, 1000))
def test_customers_are_those_of_a_plain_loop_however_the_rows_come(summarise, rows, seed):
    """Mixed, split over two files of which one comes twice, with a column that nobody asked for."""
    mixed = random.Random(seed).sample(rows, len(rows))
    cut = seed % len(rows)
    parts = [mixed[cut:], mixed[:cut] or mixed[cut:], mixed[cut:]]
    customers, fates = summarise(parts)
    assert fates == {"used": len(rows), "duplicate": sum(map(len, parts)) - len(rows)}
    found = {
        row.customer_id: (
            EPOCH + timedelta(days=row.first_ordered_day), EPOCH + timedelta(days=row.last_ordered_day), row.n_orders,
            row.n_order_days, row.gross_amount, row.returned_amount,
        )
        for row in customers.itertuples()
    }  # fmt: skip
    assert found == loop(rows, AS_OF)
    assert all(row.net_amount == row.gross_amount - row.returned_amount for row in customers.itertuples())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200), st.text(max_size=80).map(lambda text: (HEADER + text).encode("utf-8", "replace"))
    )
)
def test_any_bytes_are_a_database_or_one_line(make_source, content):
    source = make_source(SHOP, {"orders.csv": content})
    try:
        source.build()
    except CrmError as error:
        assert error.exit_code == 3, error
    else:
        assert sum(row["n_rows"] for row in source.rows("ledger")) > 0
    assert {path.name for path in Path(source.folder).parent.glob("*")} <= {"shop"}
