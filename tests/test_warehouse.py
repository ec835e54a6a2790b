"""The customer database: built once, reused while nothing changed, checked whenever it is opened, replaced in one step."""

from __future__ import annotations

import json
import os
import threading
from datetime import date
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pytest

from crm_analysis import engine, warehouse
from crm_analysis.errors import InputError, IntegrityError
from crm_analysis.sources.records import sha256

HEADER = "order,customer,day,pieces,price\n"
LINES = HEADER + "A,c1,2024-01-31,1,0.10\nB,c2,2024-02-01,3,0.20\n"
SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders*.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
"""


@pytest.fixture(scope="module")
def built(make_source):
    return make_source(SHOP, {"orders.csv": LINES}).build()


@pytest.fixture
def shop(built, tmp_path):
    """A shop with its database, as built, in a folder of its own."""
    return built.copy(tmp_path / "shop")


def state(folder) -> dict[str, tuple]:
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino, sha256(path)) for path in folder.iterdir()}


def told(source) -> list[str]:
    """What a build tells; nothing where the database is reused."""
    messages: list[str] = []
    source.build(messages.append)
    return messages


# --- reuse -----------------------------------------------------------------------------------------------------------


def test_a_database_holds_its_tables_and_nothing_else(shop):
    names = {"order_lines", "orders", "ledger", "rejects", "completeness", "outliers", "warnings"}
    assert {path.name for path in shop.folder.iterdir()} == {f"{name}.parquet" for name in names} | {"meta.json"}
    assert set(shop.meta.tables) == names
    assert [path.name for path in shop.folder.parent.iterdir()] == ["shop"]


def test_the_meta_says_what_it_was_built_from(shop):
    (one,) = shop.meta.inputs
    assert (one["table"], one["label"], one["sha256"]) == (
        "order_lines",
        "orders.csv",
        sha256(shop.root / "orders.csv"),
    )
    assert (shop.meta.source, shop.meta.company, shop.meta.currency, shop.meta.time_zone) == (
        "shop", "Test", "EUR", "Europe/Berlin",
    )  # fmt: skip
    assert (shop.meta.first_date, shop.meta.last_date) == ("2024-01-31", "2024-02-01")
    assert {name: one["n_rows"] for name, one in shop.meta.tables.items()} == {
        "order_lines": 2, "orders": 2, "ledger": 2, "rejects": 0, "completeness": 10, "outliers": 0, "warnings": 0,
    }  # fmt: skip


def test_nothing_is_written_again_where_nothing_changed(shop):
    before, meta = state(shop.folder), shop.meta
    assert told(shop) == []
    assert state(shop.folder) == before
    assert shop.meta == meta


def test_a_touched_file_of_the_same_content_is_no_change(shop):
    os.utime(shop.root / "orders.csv", (1, 1))
    assert told(shop) == []


def test_a_changed_file_is_read_again(shop):
    shop.write("orders.csv", LINES + "C,c3,2024-02-02,1,1.00\n")
    assert told(shop) != []
    assert len(shop.rows("orders")) == 3


def test_a_changed_byte_of_the_same_length_is_read_again(shop):
    shop.write("orders.csv", LINES.replace("0.10", "0.30"))
    assert told(shop) != []
    assert sum(row["net_amount"] for row in shop.rows("orders")) == Decimal("0.90")


def test_a_further_file_is_read(shop):
    shop.write("orders-2.csv", HEADER + "C,c3,2024-02-02,1,1.00\n")
    assert told(shop) != []
    assert len(shop.rows("orders")) == 3


def test_a_changed_contract_builds_anew(shop):
    shop.contract.write_text(SHOP + "    exclude: [{column: order, prefix: A, reason: test}]\n", encoding="utf-8")
    assert told(shop) != []
    assert len(shop.rows("orders")) == 1


def test_a_change_of_the_code_builds_anew(shop, monkeypatch):
    monkeypatch.setattr(warehouse, "_ROOMS", ("schema.py",))
    assert told(shop) != []


def test_the_same_input_gives_the_same_bytes(make_source):
    one, two = (make_source(SHOP, {"orders.csv": LINES}).build() for _ in range(2))
    assert {name: table["sha256"] for name, table in one.meta.tables.items()} == {
        name: table["sha256"] for name, table in two.meta.tables.items()
    }


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["order_lines", "orders", "ledger", "rejects", "completeness"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "empty"])
def test_a_damaged_table_is_noticed(shop, refused, table, damage):
    path = shop.folder / f"{table}.parquet"
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes({"flipped": bytes(content), "cut": path.read_bytes()[:-1], "empty": b""}[damage])
    for look in (lambda: warehouse.check(shop.folder), shop.build):
        with refused(IntegrityError, "E-DB-1") as caught:
            look()
        assert caught.value.file == f"shop/{table}.parquet"
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("content", [b"", b"{}", b"{\xff", b"[]", b'{"source": "shop"}', b"null"])
def test_a_damaged_meta_is_noticed(shop, refused, content):
    (shop.folder / "meta.json").write_bytes(content)
    with refused(IntegrityError, "E-DB-1") as caught:
        shop.build()
    assert caught.value.file == "shop/meta.json"


def test_a_damaged_database_that_is_moved_away_is_built_anew(shop, refused):
    (shop.folder / "orders.parquet").write_bytes(b"")
    with refused(IntegrityError, "E-DB-1"):
        shop.build()
    shop.folder.rename(shop.root / "aside")
    assert len(shop.build().rows("orders")) == 2


# --- failure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"order,customer\nA,c\n", LINES.encode() + b"\xff", b"", LINES.replace("2024", "soon").encode()]
)
def test_a_failing_build_leaves_the_old_database_as_it_was(shop, content):
    before = state(shop.folder)
    shop.write("orders.csv", content)
    with pytest.raises(InputError):
        shop.build()
    assert state(shop.folder) == before
    shop.write("orders.csv", LINES)
    assert told(shop) == []


def test_what_a_failed_build_left_behind_hinders_no_later_one(shop):
    aside = shop.folder.parent / ".shop.building"
    aside.mkdir(exist_ok=True)
    (aside / "staging.duckdb").write_bytes(b"left behind")
    (aside / "orders.parquet").write_bytes(b"left behind")
    shop.write("orders.csv", LINES + "C,c3,2024-02-02,1,1.00\n")
    assert len(shop.build().rows("orders")) == 3
    assert [path.name for path in shop.folder.parent.iterdir()] == ["shop"]


def test_a_file_that_changes_while_it_is_read_is_refused(make_source, refused):  # A16
    source = make_source(SHOP, {"orders.csv": LINES})

    def meddle(message):
        if message == "reading orders.csv":
            source.write("orders.csv", LINES + "C,c3,2024-02-02,1,1.00\n")

    with refused(InputError, "E-FILE-6"):
        source.build(meddle)
    assert not source.folder.exists()


# --- one rename ------------------------------------------------------------------------------------------------------


def folder_of(path, text):
    path.mkdir()
    (path / "file").write_text(text)
    return path


def test_a_folder_is_put_in_the_place_of_none(tmp_path):
    warehouse.replace_folder(folder_of(tmp_path / "new", "new"), tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "new"
    assert not (tmp_path / "new").exists()


def test_a_folder_is_put_in_the_place_of_another(tmp_path):
    target = folder_of(tmp_path / "target", "old")
    warehouse.replace_folder(folder_of(tmp_path / "new", "new"), target)
    assert (target / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target"]


def test_nobody_ever_sees_neither_or_a_mixture(tmp_path):
    """A reader opens the folder, and two files in it, again and again while it is replaced three hundred times."""
    target = folder_of(tmp_path / "target", "0")
    (target / "twin").write_text("0")
    seen, done = set(), threading.Event()

    def read(name, here):
        file = os.open(name, os.O_RDONLY, dir_fd=here)
        try:
            return os.read(file, 10)
        finally:
            os.close(file)

    def look():
        while not done.is_set():
            try:
                here = os.open(target, os.O_RDONLY)
            except FileNotFoundError:
                seen.add("nothing")
                continue
            try:
                seen.add("whole" if read("file", here) == read("twin", here) else "mixture")
            except FileNotFoundError:
                pass  # what was opened has been replaced since, and removed
            finally:
                os.close(here)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(1, 301):
        new = folder_of(tmp_path / "new", str(number))
        (new / "twin").write_text(str(number))
        warehouse.replace_folder(new, target)
    done.set()
    reader.join()
    assert seen == {"whole"}
    assert (target / "file").read_text() == "300"


# --- reading ---------------------------------------------------------------------------------------------------------


def test_other_programs_read_the_tables_with_exact_decimals(shop):
    path = shop.folder / "orders.parquet"
    expected = Decimal("0.70")
    assert pl.read_parquet(path)["net_amount"].sum() == expected
    assert pl.read_parquet(path).schema["net_amount"] == pl.Decimal(18, 2)
    assert pd.read_parquet(path)["net_amount"].sum() == expected
    with duckdb.connect() as other:
        assert other.read_parquet(str(path)).sum("net_amount").fetchall() == [(expected,)]


def test_tables_are_opened_by_name(shop, connection):
    tables = warehouse.open_tables(shop.folder, connection)
    assert set(tables) == set(shop.meta.tables)
    assert engine.n_rows(tables["orders"]) == 2
    with pytest.raises(ValueError, match="more than 1 rows"):
        engine.collect(tables["orders"], 1)


def test_several_readers_at_once_see_the_same(shop, tmp_path):
    found = []

    def look():
        own = engine.connect(tmp_path, "1GB")
        for _ in range(5):
            warehouse.check(shop.folder)
            tables = warehouse.open_tables(shop.folder, own)
            found.append(engine.collect(tables["orders"], 10)["net_amount"].sum())
        own.close()

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [Decimal("0.70")] * 20


@pytest.mark.parametrize("name", ["a*b", "a[b]", "o'brien", "two words 王"])
def test_a_database_may_stand_in_a_folder_of_any_name(make_source, connection, tmp_path, name):
    source = make_source(SHOP, {"orders.csv": LINES}).build()
    folder = tmp_path / name
    source.folder.rename(folder)
    assert engine.n_rows(warehouse.open_tables(folder, connection)["orders"]) == 2


# --- months ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "month"),
    [
        ("2010-12-01", "2011-12-09", "2011-11"),
        ("2010-12-01", "2011-11-30", "2011-11"),
        ("2010-12-01", "2011-11-29", "2011-10"),
        ("2011-01-15", "2011-12-31", "2011-12"),
        ("2024-01-01", "2024-02-29", "2024-02"),
        ("2024-01-01", "2024-02-28", "2024-01"),
        ("2023-01-01", "2023-02-28", "2023-02"),
        ("2011-12-05", "2011-12-31", "2011-12"),
        ("2011-12-05", "2011-12-09", None),
        ("2011-11-30", "2011-12-30", "2011-11"),
        (None, None, None),
    ],
)
def test_the_last_complete_month(first, last, month):
    day = lambda text: text and date.fromisoformat(text)  # noqa: E731
    assert warehouse.last_complete_month(day(first), day(last)) == month


def test_the_contract_may_say_until_when_the_export_reaches(make_source):
    assert make_source(SHOP, {"orders.csv": LINES}).build().meta.last_complete_month == "2024-01"
    longer = make_source(SHOP + "covers_until: 2024-02-29\n", {"orders.csv": LINES}).build()
    assert longer.meta.last_complete_month == "2024-02"
    assert longer.meta.last_date == "2024-02-01"


def test_the_last_date_is_that_of_an_order_not_of_a_return(make_source):
    text = HEADER + "A,c1,2024-01-31,1,0.10\nB,c2,2024-03-31,-3,0.20\n"
    source = make_source(SHOP + "    negatives: return\n", {"orders.csv": text}).build()
    assert source.meta.last_date == "2024-01-31"


@pytest.mark.parametrize(
    ("name", "first", "last", "month"),
    [
        ("online_retail", "2010-12-01", "2011-12-09", "2011-11"),
        ("superstore", "2014-01-03", "2017-12-30", "2017-12"),
        ("cdnow", "1997-01-01", "1998-06-30", "1998-06"),
        ("cdnow_sample", "1997-01-01", "1998-06-30", "1998-06"),
    ],
)
def test_the_months_of_the_real_sources(request, name, first, last, month):
    meta = json.loads((request.getfixturevalue(name) / "meta.json").read_text(encoding="utf-8"))["meta"]
    assert (meta["first_date"], meta["last_date"], meta["last_complete_month"]) == (first, last, month)
