"""The numbers of a report depend on the orders alone: neither on the order of their rows nor on the machine's number of threads."""

from __future__ import annotations

from dataclasses import fields

import narwhals as nw
import pandas as pd
import pytest

from crm_analysis import engine, methods
from crm_analysis.params import Run
from crm_analysis.warehouse import read_meta

RUN = Run(source="sample", month="2026-10")


def numbers(result: object) -> dict[str, str]:
    """Every frame and number of a method's result as text, rows of lazy tables in one order."""
    found = {}
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, nw.LazyFrame):
            frame = engine.collect(value, 1_000_000)
            value = frame.sort_values(list(frame.columns), key=lambda one: one.astype(str), ignore_index=True)
        found[field.name] = value.to_csv() if isinstance(value, pd.DataFrame) else repr(value)
    return found


@pytest.mark.parametrize("name", [one for one in methods.names() if not methods.reads_results(one)])
def test_threads_and_the_order_of_rows_do_not_matter(name, built_source, tmp_path):
    method, database = methods.load(name), built_source("sample_small")
    results = []
    for threads, shuffled in ((2, False), (8, True)):
        folder = tmp_path / str(threads)
        folder.mkdir()
        connection = engine.connect(folder, "2GB")
        connection.execute(f"SET threads = {threads}")
        tables = {}
        for table in read_meta(database).tables:
            path = database / f"{table}.parquet"
            if shuffled:
                connection.execute(
                    "COPY (FROM read_parquet($source) AS t ORDER BY hash(t::VARCHAR)) TO $target (FORMAT parquet)",
                    {"source": str(path), "target": str(folder / path.name)},
                )
                path = folder / path.name
            tables[table] = engine.read_parquet(connection, path)
        results.append(numbers(method.analyse(tables, RUN, method.Params())))
        connection.close()
    first, second = results
    assert first.keys() == second.keys()
    assert [one for one in first if first[one] != second[one]] == []
