"""The same results on Spark as on DuckDB, cell by cell; nothing of customers comes to the driver. ``make test-spark``."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import narwhals as nw
import pandas as pd
import pyarrow.parquet
import pytest

from crm_analysis import engine, methods, pulse, warehouse
from crm_analysis.errors import MachineError
from crm_analysis.params import Run, build, read_yaml
from crm_analysis.report.actions import merge_actions

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
PROJECT = Path(__file__).resolve().parents[1]
MONTHS = {"sample_small": "2026-10", "online_retail": "2011-11", "telco": "2017-09"}
METHODS = sorted(path.stem for path in (PROJECT / "crm_analysis" / "methods").glob("*.py") if path.stem != "__init__")
# The sample company has what every method needs; the other two are real orders and real contracts.
CASES = [
    *[("sample_small", name) for name in METHODS if not methods.reads_results(name)],
    *[("online_retail", name) for name in METHODS if name != "quality" and not methods.reads_results(name)],
    ("telco", "churn"),
]  # fmt: skip
# The sample company's contracts are few.
PARAMS = {"churn": {"min_customers": 300}}
# Rows with a customer's id that may come to the driver: the examples that a report shows. What churn and segments learn from is
# a sample, of both past and present.
MOST_EXAMPLES = 100
SAMPLES = ("max_training_rows", "max_sample")


@pytest.fixture(scope="session")
def installed() -> None:
    """Spark, which only ``make test-spark`` must find."""
    if find_spec("pyspark") is None:
        message = "pyspark is not installed: make test-spark"
        pytest.fail(message) if os.environ.get("CRM_TEST_SPARK") else pytest.skip(message)


@pytest.fixture(scope="session")
def session(installed):
    """A Spark on this machine for small tables: few partitions, and a compiler in no hurry to be clever."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.master": "local[2]",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    SparkSession.builder.config(map=options).getOrCreate()
    session = engine.start("spark", Path(), "2GB")
    session.sparkContext.setLogLevel("OFF")
    yield session
    engine.stop(session)


def read_params(name: str) -> object:
    path = PROJECT / "params" / f"{name}.yml"
    return build(methods.load(name).Params, {**read_yaml(path), **PARAMS.get(name, {})}, path)


def analyse(name: str, source: str, folder: Path, session: engine.Session) -> object:
    tables = warehouse.open_tables(folder, session)
    return methods.load(name).analyse(tables, Run(source=source, month=MONTHS[source]), read_params(name))


def leaves(value: object, at: str = "") -> Iterator[tuple[str, object]]:
    """Every frame, table and number of a result, with where it stands."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, f"{at}/{key}")
    elif isinstance(value, list | tuple):
        for place, one in enumerate(value):
            yield from leaves(one, f"{at}/{place}")
    else:
        yield at, value


def as_frame(table: nw.LazyFrame, collect) -> pd.DataFrame:
    frame = collect(table)
    return frame.sort_values(list(frame.columns), ignore_index=True)


def assert_same(left: object, right: object, collect) -> int:
    """Both results hold the same, cell by cell; how many frames and tables they hold."""
    left, right = dict(leaves(left)), dict(leaves(right))
    assert left.keys() == right.keys()
    n = 0
    for at, value in left.items():
        other = right[at]
        if isinstance(value, nw.LazyFrame):
            value, other = as_frame(value, collect), as_frame(other, collect)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other, check_dtype=False, check_exact=True, obj=at)
            n += 1
        elif isinstance(value, str | int | float | None):
            assert value == other or value != value, at
    return n


# --- the same on both engines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "name"), CASES)
def test_a_method_finds_the_same_and_brings_no_customers_to_the_driver(
    source, name, session, connection, built_source, real_data, collect, monkeypatch
):
    from pyspark.sql.classic.dataframe import DataFrame

    folder, came = built_source(source), []

    def count(function):
        def counted(frame, *arguments):
            found = function(frame, *arguments)
            came.append(len(found) if "customer_id" in frame.columns else 0)
            return found

        return counted

    with monkeypatch.context() as patched:
        for one in ("toArrow", "toPandas", "collect"):
            patched.setattr(DataFrame, one, count(getattr(DataFrame, one)))
        found = analyse(name, source, folder, session)
    params = read_params(name)
    assert max(came) <= 2 * max(MOST_EXAMPLES, *(getattr(params, one, 0) for one in SAMPLES))
    assert assert_same(analyse(name, source, folder, connection), found, collect) > 1


def test_the_figures_of_the_front_page_are_the_same(session, connection, online_retail):
    run, first = Run(source="online_retail", month="2011-11"), pd.Timestamp("2010-12-01").date()
    (one, _), (other, _) = (
        pulse.measure(warehouse.open_tables(online_retail, on), run, first) for on in (connection, session)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_dtype=False)


def test_a_table_of_the_catalogue_is_as_good_as_a_file(session, connection, online_retail, collect):
    session.read.parquet(str(online_retail / "orders.parquet")).createOrReplaceTempView("crm_orders")
    run, decile = Run(source="online_retail", month="2011-11"), methods.load("decile")
    found = decile.analyse({"orders": session.table("crm_orders")}, run, read_params("decile"))
    assert assert_same(analyse("decile", "online_retail", online_retail, connection), found, collect) > 1


# --- the engine's own functions --------------------------------------------------------------------------------------


def test_every_function_has_its_counterpart(installed):
    from crm_analysis import spark

    pairs = {
        name: (one, getattr(spark, name, None)) for name, one in vars(engine).items() if hasattr(one, "__wrapped__")
    }
    assert {"write_parquet", "write_csv", "materialise", "map_batches", "add_day_number"} <= set(pairs)
    for name, (one, other) in pairs.items():
        assert inspect.signature(one) == inspect.signature(other), name


AWKWARD = pd.DataFrame(
    {
        "customer_id": ["a", 'b"', "c,\n", " d ", "客户", "", None],
        "amount": [1.005, -0.125, 0.125, 2.675, None, 1e9 + 0.005, 0.0],
        "number": ["1.50", "x", "", "-3", "1e2", None, "12345678901234567890"],
    }
)


@pytest.fixture
def both(session, connection, tmp_path) -> list[nw.LazyFrame]:
    """An awkward table on DuckDB and on Spark."""
    path = tmp_path / "awkward [1] {2}*.parquet"
    AWKWARD.to_parquet(path)
    return [engine.read_parquet(one, path) for one in (connection, session)]


def test_numbers_read_drawn_and_rounded_are_the_same(both, collect):
    made = []
    for table in both:
        table = engine.add_lot(engine.parse_decimals(table, {"number": (18, 4)}), "lot", "customer_id", 7)
        table = table.with_columns(money=engine.as_money(nw.col("amount")))
        made.append(as_frame(table, collect))
    pd.testing.assert_frame_equal(*made, check_exact=True, check_dtype=False)
    assert made[0]["lot"].nunique() == 6
    assert made[0]["number"].notna().sum() == 3


def test_what_is_written_is_the_same(both, tmp_path):
    texts = []
    for place, table in enumerate(both):
        table = engine.parse_decimals(table, {"number": (18, 4)}).sort("customer_id", nulls_last=True)
        folder = tmp_path / str(place)
        folder.mkdir()
        engine.write_csv(table.select("customer_id", "number"), folder / "list.csv")
        engine.write_parquet(table, folder / "list.parquet")
        assert sorted(one.name for one in folder.iterdir()) == ["list.csv", "list.parquet"]
        texts.append(list(csv.reader((folder / "list.csv").open(encoding="utf-8", newline=""))))
    assert texts[0] == texts[1]
    one, other = (pyarrow.parquet.read_table(tmp_path / str(place) / "list.parquet").to_pylist() for place in (0, 1))
    assert one == other


def test_rows_go_through_python_a_batch_at_a_time(both, collect):
    def double(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"customer_id": frame["customer_id"], "twice": frame["amount"] * 2})

    types = {"customer_id": "VARCHAR", "twice": "DOUBLE"}
    made = [
        as_frame(engine.map_batches(one.filter(~nw.col("amount").is_null()), double, types), collect) for one in both
    ]
    pd.testing.assert_frame_equal(*made, check_exact=True)


def test_lists_are_merged_alike(session, connection, collect, tmp_path):
    lists = {}
    for name, customers in {"rfm": ["a", "b"], "decile": ["b", "c"]}.items():
        lists[name] = pd.DataFrame(
            {"customer_id": customers, "priority": [1, 2], "stance": ["keep", "win back"], "action": [f"{name} 1", f"{name} 2"],
             "reason": ["x", "y"], "expected_amount": [1.5, None]}
        )  # fmt: skip
        lists[name].to_parquet(tmp_path / f"{name}.parquet")
    made = [
        collect(merge_actions({one: engine.read_parquet(on, tmp_path / f"{one}.parquet") for one in lists})[0])
        for on in (connection, session)
    ]
    pd.testing.assert_frame_equal(*made, check_dtype=False)


# --- Spark Connect ---------------------------------------------------------------------------------------------------

CLIENT = """
import sys
from pathlib import Path
import pandas as pd
import test_spark
from crm_analysis import engine
folder, target = map(Path, sys.argv[1:])
session = engine.start("spark", Path(), "2GB")
assert type(session).__module__.startswith("pyspark.sql.connect"), type(session)
for name in ("rfm", "decile"):
    result = test_spark.analyse(name, "online_retail", folder, session)
    for at, value in test_spark.leaves(result):
        if isinstance(value, test_spark.nw.LazyFrame):
            engine.write_parquet(value, target / f"{name}{at.replace('/', '.')}.parquet")
        elif isinstance(value, pd.DataFrame):
            engine.write_frame(value, target / f"{name}{at.replace('/', '.')}.csv")
engine.stop(session)
"""


def test_spark_connect_finds_the_same(installed, connection, online_retail, tmp_path):
    options = {
        "SPARK_REMOTE": "local[2]",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "tests"), os.environ.get("PYTHONPATH", "")]),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_CONF_DIR": str(tmp_path),
    }
    conf = "spark.sql.shuffle.partitions 2\nspark.ui.enabled false\nspark.driver.extraJavaOptions -XX:TieredStopAtLevel=1\n"
    (tmp_path / "spark-defaults.conf").write_text(conf, encoding="utf-8")
    for one in ("connect", "duckdb"):
        (tmp_path / one).mkdir()
    script = [sys.executable, "-c", CLIENT, str(online_retail), str(tmp_path / "connect")]
    done = subprocess.run(script, env=os.environ | options, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("rfm", "decile"):
        for at, value in leaves(analyse(name, "online_retail", online_retail, connection)):
            path = tmp_path / "duckdb" / f"{name}{at.replace('/', '.')}"
            if isinstance(value, nw.LazyFrame):
                engine.write_parquet(value, path.with_name(f"{path.name}.parquet"))
            elif isinstance(value, pd.DataFrame):
                engine.write_frame(value, path.with_name(f"{path.name}.csv"))
    found = sorted((tmp_path / "connect").glob("*.parquet"))
    assert len(found) >= 10
    assert [one.name for one in found] == [one.name for one in sorted((tmp_path / "duckdb").glob("*.parquet"))]
    for path in found:
        one, other = pd.read_parquet(tmp_path / "duckdb" / path.name), pd.read_parquet(path)
        one, other = (frame.sort_values(list(frame.columns), ignore_index=True) for frame in (one, other))
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_dtype=False, obj=path.name)


# --- where Spark is missing ------------------------------------------------------------------------------------------


def test_without_spark_or_java_one_line_says_what_to_install(monkeypatch, tmp_path, refused):
    with monkeypatch.context() as without:
        without.setattr(engine, "find_spec", lambda _name: None)
        with refused(MachineError, "E-LIB-1") as caught:
            engine.start("spark", tmp_path, "1GB")
    assert "requirements-spark.txt" in str(caught.value)
    for name in ("JAVA_HOME", "SPARK_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(engine, "find_spec", lambda _name: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused(MachineError, "E-LIB-1") as caught:
        engine.start("spark", tmp_path, "1GB")
    assert "Java" in str(caught.value)
