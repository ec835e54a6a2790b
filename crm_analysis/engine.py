"""The engine under the tables: connect to it, bring frames in, write tables out, collect small ones.

Tables are lazy Narwhals frames on DuckDB, or on Spark. Everything that Narwhals cannot say stands here in DuckDB's own
expressions, and in ``spark`` in Spark's; nothing is built as SQL text from values.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce, wraps
from importlib.util import find_spec
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from duckdb import CaseExpression, ColumnExpression, ConstantExpression, FunctionExpression, StarExpression

from crm_analysis.errors import MachineError

# What a spreadsheet could take for the beginning of a formula, after blanks, quotes or a byte order mark; a number is none.
FORMULA = "^[ \u00a0\u3000\"'\ufeff]*[=+\\-@\t\r\n|%＝＋－＠]"
NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"

# Engines, and the library of each.
LIBRARIES = {"duckdb": "duckdb", "spark": "pyspark"}

Table = nw.LazyFrame
Tables = Mapping[str, Table]
if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    Session = duckdb.DuckDBPyConnection | SparkSession


def is_spark(table: Table) -> bool:
    return table.implementation.is_spark_like()


def _or_spark(function: Callable) -> Callable:
    """The function on DuckDB; on a table of Spark's the one of this name in ``spark``, which does the same there."""

    @wraps(function)
    def choose(table: Table, *arguments: object, **named: object) -> object:
        if not is_spark(table):
            return function(table, *arguments, **named)
        from crm_analysis import spark

        return getattr(spark, function.__name__)(table, *arguments, **named)

    return choose


def check(name: str) -> None:
    """Raises MachineError E-LIB-1 where this machine lacks what an engine of ``LIBRARIES`` needs."""
    if name != "spark":
        return
    if find_spec("pyspark") is None:
        raise MachineError("E-LIB-1", "engine: spark needs the library pyspark: pip install -r requirements-spark.txt")
    if "SPARK_REMOTE" not in os.environ and "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise MachineError(
            "E-LIB-1", "engine: spark needs Java 17 or newer: apt install openjdk-17-jre-headless, or set JAVA_HOME"
        )


def start(name: str, folder: Path, memory_limit: str) -> Session:
    """A session of an engine of ``LIBRARIES``; DuckDB spills into ``folder``. Raises MachineError E-LIB-1 as ``check`` does."""
    check(name)
    if name == "duckdb":
        return connect(folder, memory_limit)
    from crm_analysis import spark

    return spark.start(memory_limit)


def stop(session: Session) -> None:
    if isinstance(session, duckdb.DuckDBPyConnection):
        session.close()
    else:
        session.stop()


def connect(folder: Path, memory_limit: str, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A private DuckDB, which spills into ``folder``; nothing is installed or loaded from outside."""
    connection = duckdb.connect(
        database,
        config={
            "memory_limit": memory_limit,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": False,
            "temp_directory": str(folder / "spill"),
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    # Off in a notebook's kernel, where even to say so again is an error without ipywidgets.
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
        connection.execute("SET enable_progress_bar = false")
    return connection


def as_table(frame: object, connection: duckdb.DuckDBPyConnection | None = None) -> Table:
    """Any frame at hand (pandas, Polars, Arrow, DuckDB, Spark, Narwhals) as a table of the engine."""
    table = nw.from_native(frame, pass_through=False)
    if isinstance(table, nw.LazyFrame) and (table.implementation.is_duckdb() or is_spark(table)):
        return table
    if isinstance(table, nw.LazyFrame):
        table = table.collect(backend="pyarrow")
    return table.lazy(backend="duckdb", session=connection)


def read_parquet(session: Session, path: Path) -> Table:
    if not isinstance(session, duckdb.DuckDBPyConnection):
        from crm_analysis import spark

        return spark.read_parquet(session, path)
    return nw.from_native(session.read_parquet(_literal(path)))


def _literal(path: Path) -> str:
    """The path so that DuckDB reads just this file: ``*``, ``?`` and ``[`` of a name are no pattern."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in str(path))


@_or_spark
def write_parquet(table: Table, path: Path) -> None:
    """Write a table without bringing its rows into Python."""
    table.to_native().write_parquet(str(path), compression="zstd")


@_or_spark
def write_csv(table: Table, path: Path) -> None:
    """Write a table as UTF-8 CSV, every field quoted, without bringing its rows into Python."""
    table.to_native().write_csv(str(path), header=True, quoting=csv.QUOTE_ALL)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """A small frame as CSV (``path``), and as Parquet beside it. In the CSV a text that a spreadsheet could take for a formula
    has a backslash before it; Parquet has it as it is."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    # Money of a column has as many decimals in each row.
    money = {one.name: arrow[one.name].to_pylist() for one in arrow.schema if pa.types.is_decimal(one.type)}
    texts = frame.select_dtypes(["object", "str"]).drop(columns=list(money)).map(_as_plain_text)
    frame.assign(**texts, **money).to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    pa.parquet.write_table(arrow, path.with_suffix(".parquet"), compression="zstd")


def _as_plain_text(value: object) -> object:
    is_formula = isinstance(value, str) and re.search(FORMULA, value) and not re.search(NUMBER, value)
    return f"\\{value}" if is_formula else value


def collect(table: Table, max_rows: int) -> pd.DataFrame:
    """The only gate from lazy tables to pandas. Raises ValueError for more than ``max_rows`` rows."""
    frame = table.head(max_rows + 1).collect(backend="pyarrow").to_native().to_pandas(date_as_object=True)
    if len(frame) > max_rows:
        raise ValueError(f"a table of more than {max_rows} rows was about to be collected")
    return frame


def or_zero(amounts: Iterable) -> list:
    """Exact amounts of a small frame, with zero where there is none."""
    return [Decimal(0) if one is None or one != one else one for one in amounts]


@_or_spark
def materialise(table: Table) -> Table:
    """Compute a table once, for several uses."""
    return nw.from_native(table.to_native().materialize())


@_or_spark
def map_batches(table: Table, function: Callable[[pd.DataFrame], pd.DataFrame], types: Mapping[str, str]) -> Table:
    """What Python makes of the rows, a batch of some thousands at a time, computed once. ``function`` gets a frame and gives
    one of as many rows with the columns of ``types`` (name → engine's type, such as VARCHAR, BIGINT, DOUBLE); money reaches
    it as floating point. It must give the same for a row whatever else is in the batch."""
    schema = {name: duckdb.sqltype(one) for name, one in types.items()}
    return nw.from_native(table.to_native().map(function, schema=schema).materialize())


def n_rows(table: Table) -> int:
    return int(collect(table.select(nw.len().alias("n")), 1)["n"].iloc[0])


def sentence(template: str, **expressions: nw.Expr) -> nw.Expr:
    """A sentence per row: the text with an expression in place of each ``{name}``, in whatever order the text names them.
    NULL where one of them is NULL; KeyError for a name without an expression."""
    parts: list[nw.Expr] = []
    for words, name, _, _ in Formatter().parse(template):
        parts += [nw.lit(words)] if words else []
        parts += [expressions[name].cast(nw.String)] if name else []
    return nw.concat_str(parts)


def rounded(number: nw.Expr, digits: int) -> nw.Expr:
    """A number in floating point, rounded alike by every engine: they agree on whole numbers, not on what is half of a
    hundredth."""
    return (number.cast(nw.Float64) * 10.0**digits).round(0) / 10.0**digits


def as_exact(number: nw.Expr, digits: int) -> nw.Expr:
    """An estimate to be summed: the sum of floating-point numbers depends on the order in which an engine adds them."""
    return rounded(number, digits).cast(nw.Decimal(18, digits))


def as_money(number: nw.Expr) -> nw.Expr:
    """A number as money, rounded to hundredths: for estimates, which have no more to tell."""
    return as_exact(number, 2)


# What Narwhals has no expression for: reading text, and hashing a row.


def _add(table: Table, expressions: Mapping[str, duckdb.Expression]) -> Table:
    """The table with these columns, in place of those of the same name."""
    relation = table.to_native()
    kept = StarExpression(exclude=[name for name in expressions if name in relation.columns])
    return nw.from_native(relation.select(kept, *[one.alias(name) for name, one in expressions.items()]))


def add_row_hash(table: Table, name: str, columns: Sequence[str]) -> Table:
    """A 64-bit hash of text columns in this order."""
    return _add(table, {name: FunctionExpression("hash", *map(ColumnExpression, columns))})


@_or_spark
def add_lot(table: Table, name: str, column: str, seed: int) -> Table:
    """A number of 60 bits drawn from a text column and ``seed``: the same one on every engine."""
    drawn = FunctionExpression(
        "md5", FunctionExpression("format", ConstantExpression(f"{{}} {seed}"), ColumnExpression(column))
    )
    first = FunctionExpression("left", drawn, ConstantExpression(15))
    digits = FunctionExpression("format", ConstantExpression("0x{}"), first)
    return _add(table, {name: digits.cast(duckdb.sqltype("BIGINT"))})


def add_edit_distance(table: Table, name: str, column: str, text: str) -> Table:
    """How many letters must be put in, taken out, changed or exchanged with their neighbour to make a text column ``text``."""
    distance = FunctionExpression("damerau_levenshtein", ColumnExpression(column), ConstantExpression(text))
    return _add(table, {name: distance})


def add_is_blank(table: Table, name: str, columns: Sequence[str]) -> Table:
    """Whether the text columns hold nothing but blanks."""

    def is_blank(rest: duckdb.Expression, column: str) -> duckdb.Expression:
        # Most texts tell by their first character, and a CASE looks at the other columns of blank ones only.
        text = ColumnExpression(column)
        is_empty = FunctionExpression("trim", text) == ConstantExpression("")
        no = ConstantExpression(False)
        return CaseExpression(text > ConstantExpression("!"), no).when(is_empty, rest).otherwise(no)

    return _add(table, {name: reduce(is_blank, reversed(columns), ConstantExpression(True))})


@_or_spark
def parse_decimals(table: Table, columns: Mapping[str, tuple[int, int]]) -> Table:
    """Text columns → DECIMAL(precision, scale) of the same name; NULL where the text is no number."""
    return _add(
        table,
        {name: ColumnExpression(name).try_cast(duckdb.decimal_type(*size)) for name, size in columns.items()},
    )


def parse_moments(table: Table, columns: Mapping[str, Sequence[str]], time_zone: str) -> Table:
    """Text columns → timestamps of the same name by strptime formats; NULL where none fits. A format with ``%z`` gives a
    moment in the world, which becomes the local time of ``time_zone``."""

    def parse(name: str, written: str) -> duckdb.Expression:
        parsed = FunctionExpression("try_strptime", ColumnExpression(name), ConstantExpression(written))
        return FunctionExpression("timezone", ConstantExpression(time_zone), parsed) if "%z" in written else parsed

    def parse_any(name: str, formats: Sequence[str]) -> duckdb.Expression:
        *others, last = (parse(name, one) for one in formats)
        return reduce(lambda rest, one: CaseExpression(one.isnotnull(), one).otherwise(rest), reversed(others), last)

    return _add(table, {name: parse_any(name, formats) for name, formats in columns.items()})


@_or_spark
def extract_texts(table: Table, patterns: Mapping[str, str]) -> Table:
    """Text columns → what the group of a regular expression, or without one its whole, matches in them; NULL where it
    matches nothing."""

    def extract(name: str, pattern: str) -> duckdb.Expression:
        group = ConstantExpression(min(re.compile(pattern).groups, 1))
        found = FunctionExpression("regexp_extract", ColumnExpression(name), ConstantExpression(pattern), group)
        return FunctionExpression("nullif", found, ConstantExpression(""))

    return _add(table, {name: extract(name, pattern) for name, pattern in patterns.items()})


def add_matches_beyond_ascii(table: Table, columns: Mapping[str, str], pattern: str) -> Table:
    """Per new name whether the text of a column matches a regular expression that needs a character beyond ASCII; texts
    without one are told by their length alone, which is a hundred times faster."""

    def matches(name: str) -> duckdb.Expression:
        text = ColumnExpression(name)
        is_ascii = FunctionExpression("strlen", text) == FunctionExpression("length", text)
        found = FunctionExpression("regexp_matches", text, ConstantExpression(pattern))
        return CaseExpression(text.isnull() | is_ascii, ConstantExpression(False)).otherwise(found)

    return _add(table, {new: matches(name) for new, name in columns.items()})


def read_serials(table: Table, columns: Sequence[str], epoch: date) -> Table:
    """Text columns → text of the same name, numbers as days since ``epoch`` written by ISO 8601, to the second."""

    def moment(name: str) -> duckdb.Expression:
        seconds = FunctionExpression("round", _as_double(name) * ConstantExpression(86400))
        start = FunctionExpression("epoch", ConstantExpression(epoch).cast(duckdb.sqltype("TIMESTAMP")))
        return FunctionExpression("make_timestamp", ((start + seconds) * ConstantExpression(1e6)).cast("BIGINT"))

    def text(name: str) -> duckdb.Expression:
        is_day = (_as_double(name) >= ConstantExpression(1)) & (_as_double(name) < ConstantExpression(2_958_466))
        written = FunctionExpression("strftime", moment(name), ConstantExpression("%Y-%m-%d %H:%M:%S"))
        return CaseExpression(is_day, written).otherwise(ColumnExpression(name))

    return _add(table, {name: text(name) for name in columns})


def _as_double(name: str) -> duckdb.Expression:
    return ColumnExpression(name).try_cast(duckdb.sqltype("DOUBLE"))


@_or_spark
def add_day_number(table: Table, name: str, moment: str) -> Table:
    """The day of a timestamp as whole days since 1970-01-01."""
    day = ColumnExpression(moment).cast(duckdb.sqltype("DATE"))
    number = FunctionExpression("date_diff", ConstantExpression("day"), ConstantExpression(date(1970, 1, 1)), day)
    return _add(table, {name: number.cast(duckdb.sqltype("INTEGER"))})


def join_latest(table: Table, other: Table, on: str, day: str, other_day: str) -> Table:
    """Each row with the row of ``other`` that is equal in ``on`` and whose ``other_day`` is the latest not after ``day``; NULL where
    there is none."""
    # A relation can only join what its own connection knows by a name.
    other.to_native().create_view("_latest_of", replace=True)
    by = f"ON _rows.{on} = _latest_of.{on} AND _rows.{day} >= _latest_of.{other_day}"
    query = f"SELECT _rows.*, _latest_of.* EXCLUDE ({on}) FROM _rows ASOF LEFT JOIN _latest_of {by}"
    return nw.from_native(table.to_native().query("_rows", query))


def insert(connection: duckdb.DuckDBPyConnection, table: Table, name: str) -> Table:
    """Append the rows to the connection's own table ``name``, which the first call makes."""
    relation = table.to_native()
    if name in {row[0] for row in connection.execute("SHOW TABLES").fetchall()}:
        relation.insert_into(name)
    else:
        relation.create(name)
    return nw.from_native(connection.table(name))
