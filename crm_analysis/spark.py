"""The engine's functions on Spark, each under the name that it has in ``engine``, which calls it where a table is Spark's.

What Spark runs on is said where Spark looks for it: in ``spark-defaults.conf`` (``SPARK_CONF_DIR``), and for a server of Spark
Connect in ``SPARK_REMOTE``; without either it is this machine. pyspark is the package's extra ``spark``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import narwhals as nw
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

Table = nw.LazyFrame
# The engine's names of types that Spark spells differently.
_TYPES = {"VARCHAR": "STRING"}


def start(memory_limit: str) -> SparkSession:
    """The session, begun where there is none. ``memory_limit`` is that of the driver, where the driver is here."""
    builder = SparkSession.builder.appName("crm-analysis").config("spark.sql.session.timeZone", "UTC")
    if "SPARK_REMOTE" not in os.environ:
        # Spark itself would take whatever is called python3.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
        builder = builder.config(map={"spark.driver.memory": memory_limit.removesuffix("B"), **quiet})
    session = builder.getOrCreate()
    # What cannot be computed is an error, not an empty cell.
    session.conf.set("spark.sql.ansi.enabled", "true")
    return session


def read_parquet(session: SparkSession, path: Path) -> Table:
    return nw.from_native(session.read.parquet(_literal(path)))


def _literal(path: Path) -> str:
    """The path so that Hadoop reads just this file: what it takes for a pattern has a backslash before it."""
    return "".join(f"\\{one}" if one in "*?[]{}\\" else one for one in str(path.absolute()))


def write_parquet(table: Table, path: Path) -> None:
    """Write a table as one file, by one of Spark's tasks."""
    _write(table, path, "parquet", compression="zstd")


def write_csv(table: Table, path: Path) -> None:
    """Write a table as one file of UTF-8 CSV, every field quoted, by one of Spark's tasks."""
    texts = table.select(nw.all().cast(nw.String))
    _write(texts, path, "csv", header=True, quoteAll=True, escape='"', ignoreLeadingWhiteSpace=False,
           ignoreTrailingWhiteSpace=False, nullValue=None, emptyValue="")  # fmt: skip


def _write(table: Table, path: Path, kind: str, **options: object) -> None:
    # Spark writes a folder of parts; the only one of them is what is wanted.
    aside = path.with_name(f".{path.name}.parts")
    table.to_native().coalesce(1).write.mode("overwrite").format(kind).options(**options).save(str(aside.absolute()))
    (part,) = aside.glob("part-*")
    part.replace(path)
    shutil.rmtree(aside)


def materialise(table: Table) -> Table:
    """Compute a table once, for several uses: kept by the executors, in memory and on their disks."""
    return nw.from_native(table.to_native().localCheckpoint())


def map_batches(table: Table, function: Callable[[pd.DataFrame], pd.DataFrame], types: Mapping[str, str]) -> Table:
    """Rows to Python processes of the executors, which need this package, too."""
    money = [name for name, one in table.collect_schema().items() if one == nw.Decimal]
    rows = table.with_columns(nw.col(money).cast(nw.Float64)) if money else table

    def each(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        yield from map(function, batches)

    schema = ", ".join(f"`{name}` {_TYPES.get(one, one)}" for name, one in types.items())
    return nw.from_native(rows.to_native().mapInPandas(each, schema).persist())


def _add(table: Table, expressions: Mapping[str, object]) -> Table:
    """The table with these columns, in place of those of the same name."""
    frame: DataFrame = table.to_native()
    return nw.from_native(frame.withColumns(dict(expressions)))


def add_lot(table: Table, name: str, column: str, seed: int) -> Table:
    """A number of 60 bits drawn from a text column and ``seed``: the same one on every engine."""
    digits = F.substring(F.md5(F.concat(F.col(column), F.lit(f" {seed}"))), 1, 15)
    return _add(table, {name: F.conv(digits, 16, 10).cast("bigint")})


def parse_decimals(table: Table, columns: Mapping[str, tuple[int, int]]) -> Table:
    """Text columns → DECIMAL(precision, scale) of the same name; NULL where the text is no number."""
    return _add(table, {name: F.col(name).try_cast(f"DECIMAL({p}, {s})") for name, (p, s) in columns.items()})


def extract_texts(table: Table, patterns: Mapping[str, str]) -> Table:
    """Text columns → what the group of a regular expression, or without one its whole, matches in them; NULL where it matches nothing."""
    found = {
        name: F.nullif(F.regexp_extract(name, pattern, min(re.compile(pattern).groups, 1)), F.lit(""))
        for name, pattern in patterns.items()
    }
    return _add(table, found)


def add_day_number(table: Table, name: str, moment: str) -> Table:
    """The day of a timestamp as whole days since 1970-01-01."""
    return _add(table, {name: F.unix_date(F.col(moment).cast("date"))})
