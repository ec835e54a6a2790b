"""What holds whatever the orders are, all the way from the files to the customers."""

from __future__ import annotations

import random
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

AS_OF = date(2024, 7, 1)
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

    def build(files: list[list[tuple]], as_of: date = AS_OF, column: str = "") -> tuple[pd.DataFrame, dict[str, int]]:
        root = tmp_path_factory.mktemp("property")
        (root / "params" / "sources").mkdir(parents=True)
        (root / "params" / "sources" / "shop.yml").write_text(SHOP, encoding="utf-8")
        for number, rows in enumerate(files):
            texts = [f"{o},{c},{d},{q},{Decimal(cents) / 100:.2f}{column and ',more'}" for o, c, d, q, cents in rows]
            header = HEADER.replace("\n", f"{column}\n")
            (root / f"orders-{number}.csv").write_text(header + "\n".join(texts) + "\n", encoding="utf-8")
        warehouse.ensure(root, "shop", "1GB")
        folder = warehouse.warehouse_folder(root, "shop")
        connection = duckdb.connect()
        orders = engine.read_parquet(connection, folder / "orders.parquet")
        customers = engine.collect(summarise_customers(orders, as_of).sort("customer_id"), 100)
        ledger = pd.read_parquet(folder / "ledger.parquet")
        kept = engine.collect(orders.select("net_amount"), 100)["net_amount"]
        assert sum(ledger.loc[ledger["fate"] == "used", "line_amount"]) == sum(kept)
        connection.close()
        return customers, ledger.groupby("fate")["n_rows"].sum().to_dict()

    return build


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=lines, seed=st.integers(0, 1000), days=st.integers(-900, 900))
def test_neither_order_nor_files_nor_names_nor_currency_nor_calendar_matter(summarise, rows, seed, days):
    known, fates = summarise([rows])
    assert sum(fates.values()) == fates.get("used", 0) == len(rows)
    # Mixed, and split over two files of which one comes twice, with a column that nobody asked for; and at the same time with
    # other ids, another currency and other days.
    shift = timedelta(days=days)
    told = {customer: customer and f"k-{customer}" for _, customer, *_ in rows}
    mixed = random.Random(seed).sample(rows, len(rows))
    mixed = [(order, told[customer], day + shift, n, 100 * cents) for order, customer, day, n, cents in mixed]
    cut = seed % len(rows)
    parts = [mixed[cut:], mixed[:cut] or mixed[cut:], mixed[cut:]]
    other, fates = summarise(parts, AS_OF + shift, column=",note")
    assert (fates["used"], fates["duplicate"]) == (len(rows), sum(map(len, parts)) - len(rows))
    other["customer_id"] = other["customer_id"].str.removeprefix("k-")
    other[["first_ordered_day", "last_ordered_day"]] -= days
    amounts = ["gross_amount", "returned_amount", "net_amount"]
    other[amounts] = other[amounts].map(lambda one: one / 100)
    other["average_order_amount"] /= 100
    pd.testing.assert_frame_equal(other, known)


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
