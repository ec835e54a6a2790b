"""Sources in a database: SQLite and PostgreSQL as they are, read whole, exact and without leaving a trace of the password."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy.exc import OperationalError

from crm_analysis import warehouse
from crm_analysis.errors import InputError, MachineError, ParameterError
from crm_analysis.sources import databases
from crm_analysis.sources.contract import DatabaseSource

CANARY = "Kanarienvogel-Pw-1847"
ADDRESS = "host.of.the.tests.example"
COLUMNS = "{order_id: order_no, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}"


def contract(database: str, columns: str = COLUMNS, table: str = "order_lines", more: str = "") -> str:
    return f"""
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  {table}:
    database: {database}
    columns: {columns}
{more}"""


# --- SQLite ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite(make_source):
    """``sqlite(script)``: a source whose order lines stand in the table ``lines`` of ``shop.db``."""

    def make(script: str, database: str = '{url: "sqlite:///shop.db", table: lines}', **parts):
        source = make_source(contract(database, **parts))
        run(source, script)
        return source

    return make


def run(source, script: str) -> None:
    with closing(sqlite3.connect(source.root / "shop.db")) as connection:
        connection.executescript(script)


LINES = """
CREATE TABLE lines (id INTEGER PRIMARY KEY, order_no TEXT, customer TEXT, day TEXT, pieces INTEGER, price NUMERIC, note BLOB);
INSERT INTO lines VALUES
    (10, 'A2', 'c2', '2024-02-01', 3, 0.2, NULL),
    (2, 'A1', '007', '2024-01-31', 1, 0.1, x'00ff'),
    (11, 'A2', 'c2', '2024-02-01', 3, 0.2, NULL);
"""
# Enough good rows that a bad one does not stop the run.
GOOD = [f"({number}, 'G{number}', 'g', '2024-05-01', 1, 50, NULL)" for number in range(100, 200)]


def test_a_table_of_sqlite_is_read_in_the_order_of_its_key(sqlite):
    source = sqlite(LINES).build()
    found = [(row["order_id"], row["customer_id"], row["line_amount"]) for row in source.rows("order_lines")]
    assert sorted(found) == [
        ("A1", "007", Decimal("0.10")),
        ("A2", "c2", Decimal("0.60")),
        ("A2", "c2", Decimal("0.60")),
    ]
    assert source.meta.inputs[0]["label"] == "sqlite:lines"
    assert source.meta.ignored_columns == {"sqlite:lines": ["id"]}


def test_equal_rows_without_a_key_are_repetitions(sqlite):
    source = sqlite(
        LINES.replace("id INTEGER PRIMARY KEY", "id").replace("(11,", "(10,").replace("x'00ff'", "NULL")
    ).build()
    assert source.fates() == {("used", None): 2, ("duplicate", None): 1}


def test_rows_without_a_key_stand_in_the_order_of_their_columns(sqlite):
    bad = LINES.replace("id INTEGER PRIMARY KEY", "id").replace("x'00ff'", "NULL").replace("'2024-01-31'", "'soon'")
    bad += f"INSERT INTO lines VALUES {', '.join(GOOD)};"
    one = sqlite(bad).build()
    # id 2 is the first of all.
    assert one.rejects() == [(1, "E-DATE-1 ordered_at")]
    assert one.rows("rejects")[0]["raw_text"].split("\t") == ["2", "A1", "007", "soon", "1", "0.1", ""]
    two = sqlite(bad)
    run(
        two,
        "CREATE TABLE other AS SELECT * FROM lines ORDER BY id DESC; DROP TABLE lines; ALTER TABLE other RENAME TO lines;",
    )
    assert two.build().meta.inputs[0]["sha256"] == one.meta.inputs[0]["sha256"]


def test_a_query_is_read_as_its_owner_wrote_it(sqlite):
    query = (
        "WITH kept AS (SELECT *, '2024-01-31 10:00:30' AS at FROM lines WHERE note IS NULL AND customer LIKE 'c%')"
        " SELECT order_no, customer, at AS day, pieces, price FROM kept GROUP BY order_no ORDER BY 1; -- 10:20 %s"
    )
    database = f"""
      url: sqlite:///shop.db
      query: "{query.replace("; --", " --")}\""""
    source = sqlite(LINES, database).build()
    (row,) = source.rows("order_lines")
    assert (row["customer_id"], row["ordered_at"]) == ("c2", datetime.fromisoformat("2024-01-31 10:00:30"))
    assert source.meta.inputs[0]["label"] == "sqlite:query of order_lines"


@pytest.mark.parametrize("query", ["DELETE FROM lines", "SELECT 1; DELETE FROM lines", "PRAGMA user_version = 3"])
def test_nothing_but_a_query_can_be_asked(sqlite, refused, query):
    source = sqlite(LINES, f'{{url: "sqlite:///shop.db", query: "{query}"}}')
    before = (source.root / "shop.db").read_bytes()
    with refused(InputError, "E-DBS-3"):
        source.build()
    assert (source.root / "shop.db").read_bytes() == before


def test_several_tables_of_one_database_are_of_one_moment(sqlite, monkeypatch):
    source = sqlite(
        LINES + "CREATE TABLE customers (customer TEXT); INSERT INTO customers VALUES ('007'), ('c2');",
        more="""  customers:
    database: {url: "sqlite:///shop.db", table: customers}
    columns: {customer_id: customer}
""",
    )
    run(source, "PRAGMA journal_mode = WAL")
    write = databases._write

    def while_another_writes(rows, path, *rest):
        write(rows, path, *rest)
        if path.stem == "order_lines":
            run(source, "INSERT INTO customers VALUES ('later')")

    monkeypatch.setattr(databases, "_write", while_another_writes)
    assert [row["customer_id"] for row in source.build().rows("customers")] == ["007", "c2"]
    monkeypatch.undo()
    assert len(source.build().rows("customers")) == 3


def test_a_changed_row_is_noticed_and_nothing_else_is(sqlite):
    source = sqlite(LINES).build()
    told: list[str] = []
    run(source, "UPDATE lines SET note = 'not asked for' WHERE id = 2")
    source.build(told.append)
    assert told == []
    run(source, "UPDATE lines SET price = 0.3 WHERE id = 2")
    source.build(told.append)
    assert told != []
    assert sum(row["net_amount"] for row in source.rows("orders")) == Decimal("1.50")
    assert [path.name for path in source.folder.parent.iterdir()] == ["shop"]


def test_what_was_fetched_is_gone_after_a_failure_too(sqlite, refused):
    source = sqlite(LINES.replace("'2024-01-31'", "'soon'"))
    with refused(InputError, "E-DATE-1"):
        source.build()
    assert list(source.folder.parent.iterdir()) == []


def test_numbers_are_written_without_loss_and_without_exponent(sqlite):
    script = """CREATE TABLE lines (id INTEGER PRIMARY KEY, order_no, customer, day, pieces, price);
    INSERT INTO lines VALUES (1, 9007199254740993, 1e22, '2024-01-31', 1.0, 0.30000000000000004), (2, 'A', 'c', '2024-01-31', 1, 1e-2);"""
    source = sqlite(script, more="money_decimals: 5\n")
    with pytest.raises(InputError) as caught:
        source.build()
    # A price that is not what it seems is refused, not rounded.
    assert caught.value.code == "E-NUM-2"
    run(source, "UPDATE lines SET price = 0.3 WHERE id = 1")
    rows = source.build().rows("order_lines")
    assert sorted((row["order_id"], row["customer_id"], row["line_amount"]) for row in rows) == [
        ("9007199254740993", "1" + "0" * 22, Decimal("0.3")),
        ("A", "c", Decimal("0.01")),
    ]


def test_numbers_have_the_decimal_mark_of_the_contract(sqlite):
    source = sqlite(LINES, more='    format: {decimal: ",", thousands: "."}\n')
    assert sum(row["net_amount"] for row in source.build().rows("orders")) == Decimal("1.30")


@pytest.mark.parametrize(
    ("change", "code", "column", "hint"),
    [
        (("table: lines", "table: line"), "E-HDR-2", "line", "did you mean 'lines'?"),
        (("order_id: order_no", "order_id: order_nr"), "E-HDR-2", "order_nr", "did you mean 'order_no'?"),
        (("customer_id: customer,", "customer_id: note,"), "E-DBS-4", "note", "query"),
    ],
)
def test_what_is_not_there_or_no_text_is_named(sqlite, refused, change, code, column, hint):
    source = sqlite(LINES)
    source.contract.write_text(source.contract.read_text().replace(*change))
    with refused(InputError, code) as caught:
        source.build()
    assert caught.value.column == column
    assert hint in caught.value.fix
    assert str(caught.value.file).startswith("sqlite:line")


def test_names_of_columns_may_differ_in_case(sqlite):
    source = sqlite(LINES.replace("order_no TEXT", "ORDER_NO TEXT")).build()
    assert len(source.rows("order_lines")) == 3


def test_a_database_that_is_not_there_is_not_made(sqlite, refused):
    source = sqlite(LINES)
    (source.root / "shop.db").unlink()
    with refused(InputError, "E-FILE-1"):
        source.build()
    assert not (source.root / "shop.db").exists()


def test_a_database_of_sqlite_is_opened_for_reading_only(sqlite):
    source = sqlite(LINES)
    source.build()
    database = DatabaseSource(url="sqlite:///shop.db", table="lines")
    with databases._connect(databases._address(database, source.root, source.contract)) as connection:
        with pytest.raises(OperationalError, match="readonly"):
            connection.exec_driver_sql("DELETE FROM lines")


def test_a_file_that_is_no_database_is_refused(sqlite, refused):
    source = sqlite(LINES)
    source.write("shop.db", b"no database at all " * 100)
    with refused(InputError, "E-DBS-3"):
        source.build()


def test_a_locked_database_is_waited_for_and_then_told(sqlite, refused, monkeypatch):
    monkeypatch.setattr(databases, "LOCK_SECONDS", 0.1)
    source = sqlite(LINES)
    with closing(sqlite3.connect(source.root / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with refused(MachineError, "E-DBS-1"):
            source.build()
    source.build()


def test_environment_variables_stand_in_the_url(sqlite, refused, monkeypatch):
    source = sqlite(LINES, '{url: "sqlite:///${SHOP_FOLDER}/shop.db", table: lines}')
    monkeypatch.delenv("SHOP_FOLDER", raising=False)
    with refused(ParameterError, "E-PAR-2"):
        source.build()
    monkeypatch.setenv("SHOP_FOLDER", str(source.root))
    source.build()


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://crm:{CANARY}@{ADDRESS}/shop",
        f"postgresql://crm@{ADDRESS}/shop?password={CANARY}",
        f"mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3D{CANARY}",
        f"crm:{CANARY}@{ADDRESS}",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(make_source, refused, url):
    with refused(ParameterError, "E-PAR-3") as caught:
        make_source(contract(f'{{url: "{url}", table: lines}}')).build()
    assert CANARY not in str(caught.value) and ADDRESS not in str(caught.value)


def test_a_password_from_a_variable_of_the_url_is_refused_too(make_source, refused, monkeypatch):
    monkeypatch.setenv("SHOP_USER", f"crm:{CANARY}")
    with refused(ParameterError, "E-PAR-3") as caught:
        make_source(contract('{url: "postgresql://${SHOP_USER}@127.0.0.1/shop", table: lines}')).build()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ('{url: "sqlite:///a.db"}', "E-PAR-3"),
        ('{url: "sqlite:///a.db", table: a, query: "SELECT 1"}', "E-PAR-3"),
        ('{url: "sqlite:///a.db", tabel: a}', "E-PAR-1"),
        ('{url: "sqlite:///a.db", table: a}\n    files: a.csv', "E-PAR-3"),
        ('{url: "sqlite:///a.db", table: a}\n    format: {kind: excel}', "E-PAR-3"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(make_source, refused, entry, code):
    with refused(ParameterError, code):
        make_source(contract(entry)).build()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("mysql+pymysql://h/d", "pip install pymysql"),
        ("mysql://h/d", "pip install mysqlclient"),
        ("hana://h/d", "pip install sqlalchemy-hana"),
        ("postgresql+psycopgg://h/d", "correct the url"),
    ],
)
def test_a_missing_driver_is_named_with_its_package(make_source, refused, url, hint):
    with refused(MachineError, "E-DBS-2") as caught:
        make_source(contract(f'{{url: "{url}", table: lines}}')).build()
    assert hint in caught.value.fix


def test_the_password_is_named_where_it_is_not_set(make_source, refused, monkeypatch):
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    with refused(ParameterError, "E-PAR-2") as caught:
        make_source(contract('{url: "postgresql://crm@127.0.0.1/d", table: t, password_from: SHOP_PASSWORD}')).build()
    assert caught.value.column == "SHOP_PASSWORD"


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

on_postgres = pytest.mark.xdist_group("postgres")
SCHEMA = f"""
CREATE ROLE crm LOGIN PASSWORD '{CANARY}';
CREATE SCHEMA sales;
CREATE TABLE sales."Order Lines" (
    line_no bigserial PRIMARY KEY, order_no text, "Customer" uuid, day timestamptz, pieces numeric(10, 3), price numeric(12, 2),
    is_return boolean, signed_up date, notes jsonb, picture bytea
);
INSERT INTO sales."Order Lines" (order_no, "Customer", day, pieces, price, is_return, signed_up, picture) VALUES
    ('A1', '00000000-0000-0000-0000-000000000007', '2024-01-31 23:30:00.75Z', 2.000, 1234567.89, false, '2023-01-05', '\\x00'),
    ('A1', '00000000-0000-0000-0000-000000000007', '2024-01-31 23:30:00.75Z', 2.000, 1234567.89, false, '2023-01-05', NULL),
    ('A2', NULL, '2024-02-01 12:00+08', 1.000, 0.10, true, NULL, NULL);
GRANT USAGE ON SCHEMA sales TO crm; GRANT SELECT ON ALL TABLES IN SCHEMA sales TO crm;
"""
TYPED = "{order_id: order_no, customer_id: Customer, ordered_at: day, quantity: pieces, unit_price: price}"
RETURNS = '    returns: {column: is_return, values: ["true"]}\nmax_amount: 100000000\n'


@pytest.fixture(scope="session")
def shop(postgres):
    """A database ``shop`` which the user ``crm`` may read."""
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE shop")
    with postgres.connect("shop") as connection:
        connection.execute(SCHEMA)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_PASSWORD", CANARY)
        yield postgres


@pytest.fixture(scope="session")
def typed(shop, make_source):
    """``typed()``: a source of the typed table; ``what`` is asked of the database."""

    def make(what: str = 'table: "sales.Order Lines"', more: str = RETURNS, columns: str = TYPED, user: str = "crm"):
        database = (
            f'{{url: "postgresql+psycopg://{user}@127.0.0.1:{shop.port}/shop", {what}, password_from: SHOP_PASSWORD}}'
        )
        return make_source(contract(database, columns=columns, more=more))

    return make


@pytest.fixture(scope="session")
def built(typed):
    """The database of the typed table."""
    return typed().build()


@on_postgres
def test_typed_values_of_postgres_are_exact(built):
    seven = "00000000-0000-0000-0000-000000000007"
    rows = built.rows("order_lines")
    assert sorted(
        (row["order_id"], row["customer_id"], row["ordered_at"], row["line_amount"])
        for row in rows
        if row["customer_id"]
    ) == [
        ("A1", seven, datetime.fromisoformat("2024-02-01 00:30:00"), Decimal("2469135.78")),
        ("A1", seven, datetime.fromisoformat("2024-02-01 00:30:00"), Decimal("2469135.78")),
    ]
    (returned,) = [row for row in rows if row["customer_id"] is None]
    assert (returned["ordered_at"], returned["line_amount"]) == (
        datetime.fromisoformat("2024-02-01 05:00:00"),
        Decimal("-0.10"),
    )
    assert built.meta.inputs[0]["label"] == "postgresql:sales.Order Lines"


@on_postgres
def test_only_the_columns_of_the_contract_and_the_key_are_read(built):
    assert built.meta.ignored_columns == {"postgresql:sales.Order Lines": ["line_no"]}


@on_postgres
def test_a_build_of_an_unchanged_database_is_reused(built):
    told: list[str] = []
    built.build(told.append)
    assert told == []


@on_postgres
def test_a_query_of_postgres_keeps_its_colons_and_percent_signs(typed):
    query = (
        'SELECT order_no, \\"Customer\\"::text AS \\"Customer\\", \'2024-01-05 10:00:00\'::timestamp AS day, pieces, price, is_return'
        " FROM sales.\\\"Order Lines\\\" WHERE order_no LIKE 'A%' AND line_no % 2 = 1 -- 50 %s :x"
    )
    source = typed(f'query: "{query}"').build()
    assert source.fates() == {("used", None): 2}


@on_postgres
@pytest.mark.parametrize(
    ("what", "kind", "code", "hint"),
    [
        ('query: "SELECT *, price FROM sales.\\"Order Lines\\""', InputError, "E-HDR-1", "column=price"),
        ('table: "sales.Order Line"', InputError, "E-HDR-2", "did you mean 'sales.Order Lines'?"),
        ('table: "sale.Order Lines"', InputError, "E-HDR-2", "known: information_schema, public, sales"),
        ('query: "SELECT * FROM sales.orders"', InputError, "E-DBS-3", 'relation "sales.orders" does not exist'),
        ('query: "SELECT nothing FROM pg_authid"', InputError, "E-DBS-3", "does not exist"),
        ('query: "SELECT * FROM pg_authid"', InputError, "E-DBS-3", "permission denied"),
        ('query: "SELECT *, point(1, 2) AS place FROM sales.\\"Order Lines\\""', InputError, "E-DBS-3", "type point"),
        (
            'query: "SELECT *, pg_terminate_backend(pg_backend_pid()) FROM sales.\\"Order Lines\\""',
            MachineError,
            "E-DBS-1",
            "run again",
        ),
    ],
)
def test_what_postgres_refuses_is_told_in_one_line(typed, refused, what, kind, code, hint):
    with refused(kind, code) as caught:
        typed(what).build()
    assert hint in str(caught.value)


@on_postgres
@pytest.mark.parametrize(("column", "code"), [("picture", "E-DBS-4"), ("day", "E-DBS-3")])
def test_a_type_or_value_that_cannot_be_read_is_refused(typed, shop, refused, column, code):
    with shop.connect("shop") as connection:
        connection.execute('CREATE TABLE sales.odd AS SELECT * FROM sales."Order Lines"')
        connection.execute("ALTER TABLE sales.odd DROP notes, ADD PRIMARY KEY (line_no)")
        if column == "day":
            connection.execute("UPDATE sales.odd SET day = 'infinity' WHERE order_no = 'A2'")
        connection.execute("GRANT SELECT ON sales.odd TO crm")
    try:
        with refused(InputError, code):
            typed(
                "table: sales.odd", columns=TYPED.replace("order_no", column) if column == "picture" else TYPED
            ).build()
    finally:
        with shop.connect("shop") as connection:
            connection.execute("DROP TABLE sales.odd")


@on_postgres
def test_what_stands_in_the_rows_is_in_no_message(typed, refused):
    query = 'SELECT order_no, \\"Customer\\", day, (order_no || \'Wilhelmine Canary\')::int AS pieces, price FROM sales.\\"Order Lines\\"'
    with refused(InputError, "E-DBS-3") as caught:
        typed(f'query: "{query}"', more="").build()
    assert "Canary" not in str(caught.value)


@on_postgres
@pytest.mark.parametrize("state", ["password", "user", "database", "port", "address"])
def test_no_connection_is_told_without_user_host_and_password(typed, refused, monkeypatch, state):
    source = typed(user="somebody" if state == "user" else "crm")
    if state in ("password", "address"):
        monkeypatch.setenv("SHOP_PASSWORD", CANARY + "x")
    text = source.contract.read_text()
    text = text.replace("/shop", "/shoppp") if state == "database" else text
    text = text.replace(text.partition("127.0.0.1:")[2].partition("/")[0], "1") if state == "port" else text
    source.contract.write_text(text.replace("127.0.0.1", "localhost") if state == "address" else text)
    with refused(MachineError, "E-DBS-1") as caught:
        source.build()
    for secret in (CANARY, "127.0.0.1", "::1", "localhost", '"crm"', "somebody"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@on_postgres
def test_the_command_line_tells_one_line_and_shows_the_password_nowhere(typed, project):
    source = typed()
    (source.root / "params" / "run.yml").write_text("source: shop\n")
    environment = {**os.environ, "PYTHONPATH": str(project), "SHOP_PASSWORD": CANARY + "x"}
    done = subprocess.run(
        [sys.executable, "-m", "crm_analysis", "sql"], cwd=source.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 4
    assert done.stderr.startswith("E-DBS-1 ") and done.stderr.count("\n") == 1
    assert CANARY not in done.stdout + done.stderr


@on_postgres
def test_the_password_is_in_no_file(built):
    held = [path for path in built.root.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert held == []
    assert "127.0.0.1" not in (built.folder / "meta.json").read_text()


@on_postgres
def test_a_lock_and_a_slow_answer_are_not_waited_for_without_end(typed, shop, refused, monkeypatch):
    monkeypatch.setattr(databases, "LOCK_SECONDS", "0.2")
    monkeypatch.setattr(databases, "STATEMENT_SECONDS", "0.5")
    with shop.connect("shop") as other, other.transaction():
        other.execute('LOCK sales."Order Lines"')
        with refused(MachineError, "E-DBS-1"):
            typed().build()
    with refused(MachineError, "E-DBS-1"):
        typed('query: "SELECT *, pg_sleep(5)::text AS slept FROM sales.\\"Order Lines\\""').build()


@on_postgres
def test_a_connection_lost_between_the_rows_leaves_the_last_database(typed, shop, refused, monkeypatch):
    with shop.connect("shop") as connection:
        connection.execute(
            "CREATE TABLE sales.many AS SELECT g AS line_no, 'A' || g AS order_no, 'c' AS \"Customer\","
            " timestamp '2024-01-05' AS day, 1 AS pieces, 1.00 AS price FROM generate_series(1, 5000) g"
        )
        connection.execute("ALTER TABLE sales.many ADD PRIMARY KEY (line_no); GRANT SELECT ON sales.many TO crm")
    source = typed("table: sales.many", more="").build()
    meta = source.meta
    monkeypatch.setattr(databases, "BATCH_ROWS", 500)
    seen = []

    def lose_it(values, *rest):
        if not seen:
            with shop.connect() as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crm'")
        seen.append(1)
        return texts(values, *rest)

    texts = databases._texts
    monkeypatch.setattr(databases, "_texts", lose_it)
    with refused(MachineError, "E-DBS-1"):
        source.build()
    monkeypatch.undo()
    assert seen
    assert warehouse.check(source.folder) == meta
    assert [path.name for path in source.folder.parent.iterdir()] == ["shop"]


@on_postgres
def test_rows_come_in_batches(typed, shop, monkeypatch):
    """Not all at once: the memory that a table takes does not grow with it."""
    sizes = []
    texts = databases._texts
    monkeypatch.setattr(databases, "_texts", lambda values, *rest: sizes.append(len(values)) or texts(values, *rest))
    monkeypatch.setattr(databases, "BATCH_ROWS", 2)
    typed().build()
    assert set(sizes) == {2, 1}


@on_postgres
def test_what_others_write_meanwhile_is_not_seen(typed, shop, monkeypatch):
    write = databases._write
    source = typed(
        more=RETURNS.replace(
            "max_amount",
            '  customers:\n    database: {url: "postgresql+psycopg://crm@127.0.0.1:'
            f'{shop.port}/shop", table: sales.Order Lines, password_from: SHOP_PASSWORD}}\n    columns: {{customer_id: Customer, signed_up_date: signed_up}}\n'
            '    exclude: [{column: Customer, values: [""], reason: nobody}]\nmax_amount',
        )
    )

    def while_another_writes(rows, path, *rest):
        with shop.connect("shop") as connection:
            connection.execute("UPDATE sales.\"Order Lines\" SET signed_up = '2020-02-02' WHERE order_no = 'A1'")
        write(rows, path, *rest)

    monkeypatch.setattr(databases, "_write", while_another_writes)
    try:
        assert [str(row["signed_up_date"]) for row in source.build().rows("customers")] == ["2023-01-05"]
    finally:
        with shop.connect("shop") as connection:
            connection.execute("UPDATE sales.\"Order Lines\" SET signed_up = '2023-01-05' WHERE order_no = 'A1'")


@on_postgres
def test_the_user_can_only_read_even_where_it_may_write(typed, shop, refused):
    with shop.connect("shop") as connection:
        connection.execute(
            "CREATE FUNCTION sales.write() RETURNS int LANGUAGE sql SECURITY DEFINER"
            " AS 'DELETE FROM sales.\"Order Lines\" RETURNING 1'"
        )
    query = 'SELECT *, sales.write() FROM sales.\\"Order Lines\\"'
    with refused(InputError, "E-DBS-3"):
        typed(f'query: "{query}"').build()
