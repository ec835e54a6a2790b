"""Tables of databases: fetched through SQLAlchemy into Parquet files of text, which are read from then on as files are.

All tables of one database are read in one transaction, so that they are of one moment and nothing changes between them (where
the database can: REPEATABLE READ). A database does not say whether it changed: it is read for every run, and the hash of what
was read says whether anything is new. Of a table with a primary key only the columns that the contract speaks of, and the key,
are read; of others and of queries all, since only they tell whether two rows are the same. Row numbers, which stand for a
file's lines, count the rows in the order of the key, or else of all columns.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet
import sqlalchemy as sa
from sqlalchemy import exc

from crm_analysis.errors import InputError, MachineError, ParameterError
from crm_analysis.params import nearest
from crm_analysis.sources.contract import Contract, DatabaseSource, Format, refuse_password, variable, with_variables
from crm_analysis.sources.records import BATCH_ROWS

CONNECT_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS = 10, 30, 900
# What brings a driver or a dialect, where it is not called as that is.
_PACKAGES = {
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "redshift": "sqlalchemy-redshift",
    "databricks": "databricks-sqlalchemy",
    "duckdb": "duckdb-engine",
    "hana": "sqlalchemy-hana",
}


def _label(name: str, database: DatabaseSource) -> str:
    """How a table of the source is called where files are called by their names: without host, user or database."""
    return f"{sa.make_url(database.url).get_backend_name()}:{database.table or f'query of {name}'}"


def fetch(
    contract: Contract, wanted: Mapping[str, Mapping[str, bool]], folder: Path, root: Path, contract_path: Path
) -> dict[str, tuple[str, Path]]:
    """The tables of a source that stand in databases (``wanted``: with the columns that the contract speaks of → whether they may
    be missing), written into ``folder``: table → label, file. Raises MachineError E-DBS-1 where the database cannot be reached, is lost or takes too long, E-DBS-2 where its
    driver is missing; InputError E-HDR-2 for a missing table or column, E-HDR-1 for a name that a query gives twice, E-DBS-3
    where the database refuses, E-DBS-4 for a type that is no text; ParameterError."""
    files = {}
    databases: dict[tuple, list[str]] = {}
    for name in wanted:
        database = contract.tables[name].database
        databases.setdefault((database.url, database.password_from), []).append(name)
    for names in databases.values():
        url = _address(contract.tables[names[0]].database, root, contract_path)
        with _connect(url) as connection:
            for name in names:
                table = contract.tables[name]
                label = _label(name, table.database)
                with _told(url, label):
                    statement = _select(connection, table.database, wanted[name], label, contract_path)
                    # What is wrong with the statement itself shows before a row is read.
                    connection.execute(statement.where(sa.false())).close()
                with _told(url, label, is_reading=True):
                    rows = connection.execute(statement, execution_options={"yield_per": BATCH_ROWS})
                    path = folder / f"{name}.parquet"
                    _write(rows, path, label, table.format, contract.time_zone)
                files[name] = (label, path)
    return files


# --- reaching the database -------------------------------------------------------------------------------------------


def _address(database: DatabaseSource, root: Path, contract_path: Path) -> sa.URL:
    """The URL with its environment variables, the password among them."""
    text = with_variables(database.url, contract_path)
    try:
        refuse_password(text)
    except ValueError as error:
        raise ParameterError("E-PAR-3", str(error), file=contract_path, column="database.url") from None
    url = sa.make_url(text)
    if url.get_backend_name() == "sqlite":
        path = root / (url.database or "")
        if not path.is_file():
            raise InputError("E-FILE-1", f"no such file; the contract {contract_path} names it", file=path.name)
        # SQLite would make a database that is not there, and write into one that is.
        return url.set(database=path.resolve().as_uri(), query={"mode": "ro", "uri": "true"})
    if database.password_from is not None:
        url = url.set(password=variable(database.password_from, contract_path))
    return url


@contextmanager
def _connect(url: sa.URL) -> Iterator[sa.Connection]:
    """A connection in a transaction of its own, which reads only."""
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=_patience(url))
    except (ModuleNotFoundError, exc.NoSuchModuleError) as error:
        missing = getattr(error, "name", None)
        package = _PACKAGES.get(missing or url.get_backend_name(), missing)
        how = f"pip install {package}" if package else "correct the url, or install the package that brings its driver"
        raise MachineError("E-DBS-2", f"the driver is missing: {how}", file=url.drivername) from None
    options = {"postgresql_readonly": True}
    try:
        connection = engine.connect()
        with suppress(NotImplementedError):
            if "REPEATABLE READ" in engine.dialect.get_isolation_level_values(connection.connection.dbapi_connection):
                options["isolation_level"] = "REPEATABLE READ"
        connection = connection.execution_options(**options)
        connection.begin()
        if engine.name == "sqlite":
            # Python's sqlite3 begins none for what only reads.
            connection.exec_driver_sql("BEGIN")
        elif engine.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
    except (exc.SQLAlchemyError, OSError) as error:
        raise MachineError("E-DBS-1", f"no connection: {_masked(error, url)}", file=url.get_backend_name()) from None
    try:
        yield connection
    finally:
        # It may be lost already.
        with suppress(exc.SQLAlchemyError):
            connection.close()


def _patience(url: sa.URL) -> dict[str, object]:
    """How long to wait for an answer, in the driver's words, where the URL does not say."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": LOCK_SECONDS}
    if url.get_backend_name() != "postgresql" or url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    known = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return {name: value for name, value in known.items() if name not in url.query}


@contextmanager
def _told(url: sa.URL, label: str, is_reading: bool = False) -> Iterator[None]:
    """What the database says of a failure, in one line. Once rows are read, its words may hold what stands in them: then only
    the kind of the error is told."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        kind = f"{type(cause).__name__} {getattr(cause, 'sqlstate', None) or ''}".strip()
        if _is_lost(error, url):
            fix = f"the database was lost or took too long ({kind}): run again"
            raise MachineError("E-DBS-1", fix, file=label) from None
        fix = f"a value cannot be read ({kind}): cast it to text, or leave it out, in a query"
        if not is_reading:
            fix = f"the database refuses to read this: {_masked(error, url)}"
        raise InputError("E-DBS-3", fix, file=label) from None


def _is_lost(error: exc.SQLAlchemyError, url: sa.URL) -> bool:
    """Whether the connection, a lock or the time fails, and not what is asked for."""
    if getattr(error, "connection_invalidated", False):
        return True
    if url.get_backend_name() == "sqlite":
        # Here the same class of errors stands for a mistake in a query.
        return getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR").startswith(("SQLITE_BUSY", "SQLITE_IOERR"))
    return isinstance(error, exc.OperationalError)


def _masked(error: Exception, url: sa.URL) -> str:
    """The first line of what the database or its driver says, without password, user and addresses."""
    text = next(iter(str(getattr(error, "orig", None) or error).strip().splitlines()), type(error).__name__)
    if url.password:
        text = text.replace(url.password, "***")
    for one in (url.username, url.host, *url.query.values()):
        if isinstance(one, str) and one:
            text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", "***", text)
    return re.sub(r"\b\d{1,3}(\.\d{1,3}){3}\b|[0-9a-f]*:[0-9a-f]*:[0-9a-f:]*", "***", text, flags=re.IGNORECASE)


# --- what to read ----------------------------------------------------------------------------------------------------


def _select(
    connection: sa.Connection, database: DatabaseSource, wanted: Mapping[str, bool], label: str, contract_path: Path
) -> sa.Select:
    if database.table is not None:
        relation, names, key = _describe_table(connection, database.table, label)
    else:
        relation, names, key = _describe_query(connection, database.query, label)
    spelled = {name.casefold() for name in names}
    if missing := [one for one, may_lack in wanted.items() if not may_lack and one.casefold() not in spelled]:
        fix = f"no such column{nearest(missing[0], names)}; correct {contract_path.name}"
        raise InputError("E-HDR-2", fix, file=label, column=", ".join(missing))
    asked = {one.casefold() for one in wanted}
    read = [name for name in names if not key or name in key or name.casefold() in asked]
    return sa.select(*map(sa.column, read)).select_from(relation).order_by(*map(sa.column, key or read))


def _describe_table(connection: sa.Connection, table: str, label: str) -> tuple[sa.FromClause, list[str], list[str]]:
    """A table, the names of its columns and those of its primary key."""
    schema, _, name = table.rpartition(".")
    inspector = sa.inspect(connection)
    try:
        columns = inspector.get_columns(name, schema or None)
        key = inspector.get_pk_constraint(name, schema or None)["constrained_columns"]
    except exc.NoSuchTableError:
        known = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
        names = [f"{schema}.{one}" if schema else one for one in known] or inspector.get_schema_names()
        raise InputError("E-HDR-2", f"no such table{nearest(table, names)}", file=label, column=table) from None
    return sa.table(name, schema=schema or None), [one["name"] for one in columns], key


def _describe_query(connection: sa.Connection, query: str, label: str) -> tuple[sa.FromClause, list[str], list[str]]:
    """A query as a table: so nothing but a query can stand there, and its rows can be put in order."""
    # A colon is no parameter here, and a comment at the end must not swallow what follows.
    text = sa.text(query.strip().rstrip(";").replace(":", r"\:") + "\n")
    relation = text.columns().subquery("rows_read")
    names = list(connection.execute(sa.select(sa.text("*")).select_from(relation).where(sa.false())).keys())
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise InputError("E-HDR-1", "the query gives the name twice: write AS", file=label, column=twice[0])
    return relation, names, []


# --- reading it ------------------------------------------------------------------------------------------------------


def _write(rows: sa.CursorResult, path: Path, label: str, written: Format, time_zone: str) -> None:
    names = list(rows.keys())
    zone = ZoneInfo(time_zone)
    schema = pa.schema([(name, pa.string()) for name in names])
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in rows.partitions():
            columns = [
                pa.array(_texts(values, name, label, written.decimal, zone), pa.string())
                for name, values in zip(names, zip(*part, strict=True), strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _texts(values: Iterable, name: str, label: str, decimal: str, zone: ZoneInfo) -> list[str]:
    try:
        return [one if type(one) is str else _text(one, decimal, zone) for one in values]
    except TypeError as error:
        fix = f"{error} cannot be read as text: leave the column out, or convert it in a query"
        raise InputError("E-DBS-4", fix, file=label, column=name) from None


def _text(value: object, decimal: str, zone: ZoneInfo) -> str:
    """A value as text: numbers exact, with the contract's decimal mark; days and moments by ISO 8601, in the source's zone."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # The shortest number that is this one, without an exponent.
        value = int(value) if value.is_integer() else Decimal(repr(value))
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", decimal)
    if isinstance(value, dt.datetime):
        local = value.astimezone(zone) if value.tzinfo else value
        return local.replace(tzinfo=None).isoformat(" ", "seconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes")
    return str(value)
