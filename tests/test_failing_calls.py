"""Every call to the disk fails once: the last customer database stays as it was, and the next run succeeds by itself."""

from __future__ import annotations

import errno
import io
import os

import duckdb
import pyarrow.parquet
import pytest

from crm_analysis import engine, warehouse
from crm_analysis.errors import CrmError, machine_error
from crm_analysis.sources.records import sha256

HEADER = "order,customer,day,pieces,price\n"
CALLS = [
    (io, "open"), (os, "mkdir"), (os, "rename"), (os, "unlink"), (os, "stat"), (engine, "connect"), (engine, "insert"),
    (engine, "write_parquet"), (engine, "collect"), (pyarrow.parquet, "write_table"), (warehouse, "_exchange"),
]  # fmt: skip


class Failing:
    """The calls of CALLS, of which the ``nth`` fails."""

    def __init__(self, monkeypatch, nth: int, number: int) -> None:
        self.n = 0
        for owner, name in CALLS:
            monkeypatch.setattr(owner, name, self.watch(getattr(owner, name), nth, number))

    def watch(self, really, nth: int, number: int):
        def call(*arguments, **named):
            self.n += 1
            if self.n == nth:
                raise OSError(number, os.strerror(number))
            return really(*arguments, **named)

        return call


def state(folder) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("number", "step"),
    [
        pytest.param(errno.ENOSPC, 5, id="full"),
        pytest.param(errno.EIO, 11, id="broken"),
        pytest.param(errno.EACCES, 11, id="forbidden"),
    ],
)
def test_the_nth_call_fails(make_source, number, step):
    source = make_source(files={"orders.csv": HEADER + "A,c1,2024-01-31,1,0.10\n"}).build()
    before = state(source.folder)
    source.write("orders.csv", HEADER + "A,c1,2024-01-31,1,0.10\nB,c2,2024-02-01,3,0.20\n")
    nth, refused = 1, 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            calls = Failing(patch, nth, number)
            try:
                source.build()
            except (OSError, duckdb.Error, CrmError) as error:
                refused += 1
                assert isinstance(error, CrmError) or machine_error(getattr(error, "errno", None), str(error)), (
                    nth,
                    error,
                )
        if calls.n < nth:
            break
        nth += step
        if state(source.folder) == before:
            continue
        # It failed after the new one was in place, or where a failure does no harm: whole all the same.
        assert len(warehouse.check(source.folder).tables) == len(before) - 1
        source.write("orders.csv", HEADER + "A,c1,2024-01-31,1,0.10\n")
        before = state(source.build().folder)
        source.write("orders.csv", HEADER + "A,c1,2024-01-31,1,0.10\nB,c2,2024-02-01,3,0.20\n")
    assert refused > 60 // step
    assert len(source.build().rows("orders")) == 2
    assert [path.name for path in source.folder.parent.iterdir()] == [source.folder.name]
