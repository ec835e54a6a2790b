"""Sources to test on: the real data sets, built once; tiny ones written from text; hand-made orders."""

from __future__ import annotations

import copy
import fcntl
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from crm_analysis import engine, warehouse
from crm_analysis.errors import CrmError
from crm_analysis.schema import ORDERS, day_number

pytest_plugins = ["projects"]
PROJECT = Path(__file__).resolve().parents[1]
# What a person reads of any failure: one line with a code, where, and what to do.
ONE_LINE = re.compile(r"E-[A-Z]+-\d+ file=.+ (column=.+ )?rows=.+ fix=.+")

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
"""
HEADER = "order,customer,day,pieces,price\n"
# Enough good lines that a few bad ones do not stop the run; their orders begin with G.
GOOD = "".join(f"G{number},good{number},2024-05-{1 + number % 28:02},1,50.00\n" for number in range(200))


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the package, its parameters and its notebooks."""
    return PROJECT


def pytest_terminal_summary(terminalreporter) -> None:
    """How many kinds of bad input end as they must: an id counts where all its cases passed."""
    ended = {"passed": set(), "failed": set()}
    for outcome, ids in ended.items():
        for report in terminalreporter.stats.get(outcome, []):
            if found := re.search(r"test_bad_input\[(A\d+)-", report.nodeid):
                ids.add(found[1])
    if tried := ended["passed"] | ended["failed"]:
        terminalreporter.write_line(f"bad input: {len(tried - ended['failed'])}/138 kinds end as they must")


# --- errors ----------------------------------------------------------------------------------------------------------


@contextmanager
def _refused(kind: type[CrmError], code: str) -> Iterator[pytest.ExceptionInfo]:
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.code == code, str(caught.value)
    assert ONE_LINE.fullmatch(str(caught.value)), str(caught.value)


@pytest.fixture(scope="session")
def refused():
    """``with refused(InputError, "E-HDR-1") as caught``: that error and code, told in one line."""
    return _refused


# --- tiny sources ----------------------------------------------------------------------------------------------------


class Source:
    """A contract and its files in a folder of their own, and the customer database that is built from them."""

    def __init__(self, root: Path, contract: str, files: dict[str, str | bytes]) -> None:
        self.root = root
        self.folder = root / "warehouse" / "shop"
        self.contract = root / "params" / "sources" / "shop.yml"
        self.contract.parent.mkdir(parents=True)
        self.contract.write_text(contract, encoding="utf-8")
        for name, content in files.items():
            self.write(name, content)

    def copy(self, root: Path) -> Source:
        """The same with all that was built, in another folder."""
        shutil.copytree(self.root, root)
        twin = copy.copy(self)
        twin.root, twin.folder = root, root / self.folder.relative_to(self.root)
        twin.contract = root / self.contract.relative_to(self.root)
        return twin

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def build(self, tell: Callable[[str], None] = lambda _: None) -> Source:
        self.meta = warehouse.ensure(self.root, "shop", "1GB", tell)
        return self

    def rows(self, table: str) -> list[dict]:
        """A table of the database as Python values."""
        return pyarrow.parquet.read_table(self.folder / f"{table}.parquet").to_pylist()

    def tested(self, table: str = "order_lines") -> list[dict]:
        """The rows of a table that do not come from ``GOOD``."""
        return [row for row in self.rows(table) if not re.fullmatch(r"G\d+", row["order_id"])]

    def fates(self) -> Counter:
        """Rows by (fate, reason), those of ``GOOD`` included."""
        found = Counter()
        for row in self.rows("ledger"):
            found[row["fate"], row["reason"]] += row["n_rows"]
        return found

    def rejects(self) -> list[tuple[int, str]]:
        """(line, reason) of the rejected rows, in the order of the file."""
        return [(row["line"], row["reason"]) for row in self.rows("rejects")]


@pytest.fixture(scope="session")
def make_source(tmp_path_factory):
    """``make_source(contract, {file: content})`` writes a tiny source; ``.build()`` builds it."""

    def make(contract: str = SHOP, files: dict[str, str | bytes] | None = None) -> Source:
        return Source(tmp_path_factory.mktemp("source"), contract, files or {})

    return make


@pytest.fixture(scope="session")
def make_shop(make_source):
    """``make_shop("A1,c1,2024-01-31,2,5.00")`` builds a shop with these lines from line 2 on, and ``GOOD`` below them.

    ``contract`` and ``format`` replace or add to the usual contract; ``also`` is text at its end.
    """

    def make(*lines: str, contract: str = SHOP, format: str | None = None, also: str = "", header: str = HEADER):
        if format is not None:
            contract = contract.replace('{datetime: "%Y-%m-%d"}', format)
        text = header + "".join(f"{line}\n" for line in lines) + GOOD
        return make_source(contract + also, {"orders.csv": text}).build()

    return make


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets, which the environment variable CRM_DATA names."""
    folder = os.environ.get("CRM_DATA", "")
    if not folder or not Path(folder).is_dir():
        message = "CRM_DATA does not name the folder of the real data sets"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return Path(folder)


@pytest.fixture(scope="session")
def built_source(tmp_path_factory, worker_id) -> Callable[[str], Path]:
    """``built_source("cdnow")``: the customer database of that source, built once for all processes that test. The sources are the
    package's own, one more that keeps the duplicates of Online Retail, and the sample company with fewer customers."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "built"

    def write_contracts() -> None:
        shutil.copytree(PROJECT / "params", root / "params")
        sources = root / "params" / "sources"
        text = (sources / "online_retail.yml").read_text(encoding="utf-8")
        kept = text.replace("    returns:", "    duplicates: keep\n    returns:")
        assert kept != text
        (sources / "online_retail_duplicates.yml").write_text(kept, encoding="utf-8")
        text = (sources / "sample.yml").read_text(encoding="utf-8")
        small = text.replace("n_customers: 6000", "n_customers: 1200").replace("build/sample", "build/sample_small")
        assert small.count("1200") == 1
        (sources / "sample_small.yml").write_text(small, encoding="utf-8")

    def build(name: str) -> Path:
        with root.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not root.exists():
                write_contracts()
            warehouse.ensure(root, name, "2GB")
        return warehouse.warehouse_folder(root, name)

    return build


def _real(name: str):
    @pytest.fixture(scope="session", name=name)
    def folder(real_data, built_source) -> Path:
        return built_source(name)

    return folder


online_retail = _real("online_retail")
online_retail_duplicates = _real("online_retail_duplicates")
superstore = _real("superstore")
completejourney = _real("completejourney")
cdnow = _real("cdnow")
cdnow_sample = _real("cdnow_sample")
telco = _real("telco")
telco_workbook = _real("telco_workbook")


@pytest.fixture(scope="session")
def sample(built_source) -> Path:
    """The customer database of the sample company."""
    return built_source("sample")


@pytest.fixture(scope="session")
def connection(tmp_path_factory):
    """A DuckDB of the engine's own."""
    connection = engine.connect(tmp_path_factory.mktemp("engine"), "2GB")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def collect():
    """A lazy table as pandas."""
    return lambda table, max_rows=1_000_000: engine.collect(table, max_rows)


# --- hand-made orders ------------------------------------------------------------------------------------------------


def _orders(rows: Iterable[tuple]) -> pd.DataFrame:
    made = []
    for number, (customer_id, day, gross, *rest) in enumerate(rows):
        returned, is_order = Decimal(rest[0]) if rest else Decimal(0), Decimal(gross) > 0
        day = date.fromisoformat(day) if isinstance(day, str) else day
        made.append(
            {
                "customer_id": customer_id,
                "order_id": f"o{number}",
                "is_order": is_order,
                "ordered_at": datetime.combine(day, time.min),
                "ordered_date": day,
                "ordered_day": day_number(day),
                "ordered_month": f"{day:%Y-%m}",
                "n_lines": 1,
                "gross_amount": Decimal(gross).quantize(Decimal("0.01")),
                "returned_amount": returned.quantize(Decimal("0.01")),
                "net_amount": (Decimal(gross) - returned).quantize(Decimal("0.01")),
                "profit_amount": Decimal("0.00"),
            }
        )
    return pd.DataFrame(made, columns=list(ORDERS.columns))


@pytest.fixture(scope="session")
def make_orders():
    """``make_orders([(customer, day, gross[, returned])])``: a frame of schema.ORDERS; without gross it is a return."""
    return _orders
