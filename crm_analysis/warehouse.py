"""The customer database of a source: a folder of Parquet tables with its ledger, built aside and renamed into place.

``meta.json`` in the folder holds what it was built from and the hash of every file. The database is reused until an input,
the contract or the code that builds it changes.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import hashlib
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from crm_analysis import engine
from crm_analysis.cleaning import ledger as ledgers
from crm_analysis.cleaning import rules
from crm_analysis.cleaning.orders import add_calendar, summarise_orders
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, IntegrityError, MachineError
from crm_analysis.params import first_of_month, nearest
from crm_analysis.schema import CANONICAL, REJECTS
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Contract, find_files, read_contract
from crm_analysis.sources.records import Records, sha256
from crm_analysis.sources.sample import write_sample_company

META = "meta.json"
MAX_REJECTS = 2_000_000
# What is built depends on the code of these rooms.
_ROOMS = ("schema.py", "engine.py", "warehouse.py", "sources", "cleaning")


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What a customer database is and was built from."""

    source: str
    company: str
    description: str
    currency: str
    time_zone: str
    fingerprint: str
    inputs: list[dict]
    tables: dict[str, dict]
    ignored_columns: dict[str, list[str]]
    first_date: str | None
    last_date: str | None
    last_complete_month: str | None


@dataclass(frozen=True)
class Input:
    """A file of a table, with its label (unique within the table) and what identifies its content."""

    table: str
    label: str
    path: Path
    size: int
    mtime_ns: int
    sha256: str

    def as_dict(self) -> dict:
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "path"}


def warehouse_folder(root: Path, source: str) -> Path:
    return root / "warehouse" / source


def contract_path(root: Path, source: str) -> Path:
    return root / "params" / "sources" / f"{source}.yml"


def ensure(root: Path, source: str, memory_limit: str, tell: Callable[[str], None] = lambda _: None) -> Meta:
    """Build the customer database of a source where it is missing or out of date, and check it. ``tell`` is told what goes on."""
    path = contract_path(root, source)
    contract = read_contract(path)
    folder = warehouse_folder(root, source)
    known = read_meta(folder) if (folder / META).exists() else None
    inputs = find_inputs(contract, path, root, known)
    fingerprint = _fingerprint(path, inputs)
    if known is None or known.fingerprint != fingerprint:
        build(contract, path, inputs, fingerprint, folder, memory_limit, tell)
    return check(folder)


def check(folder: Path) -> Meta:
    """The database's meta, after every file was compared with its recorded hash. Raises IntegrityError E-DB-1."""
    meta = read_meta(folder)
    for name, known in meta.tables.items():
        file = folder / f"{name}.parquet"
        if not file.is_file() or sha256(file) != known["sha256"]:
            raise IntegrityError(
                "E-DB-1",
                f"the file is {'damaged' if file.is_file() else 'missing'}: move {folder.name} away and run again,"
                " it is built anew from the source's files",
                file=f"{folder.name}/{file.name}",
            )
    return meta


def read_meta(folder: Path) -> Meta:
    """What a customer database is. Raises IntegrityError E-DB-1."""
    try:
        return Meta(**json.loads((folder / META).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise IntegrityError(
            "E-DB-1",
            f"the file is damaged or missing: move {folder.name} away and run again, it is built anew",
            file=f"{folder.name}/{META}",
        ) from error


def open_tables(folder: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, Table]:
    """The tables of a customer database, lazily, by name."""
    return {name: engine.read_parquet(connection, folder / f"{name}.parquet") for name in read_meta(folder).tables}


# --- inputs ----------------------------------------------------------------------------------------------------------


def find_inputs(contract: Contract, path: Path, root: Path, known: Meta | None) -> list[Input]:
    """The source's files with their hashes; a file of known size and time is not read again for its hash."""
    _write_sample(contract, root)
    hashes = {
        (one["table"], one["label"], one["size"], one["mtime_ns"]): one["sha256"]
        for one in (known.inputs if known else [])
    }
    inputs = []
    for name, table in contract.tables.items():
        if table.from_ is not None:
            continue
        paths = find_files(table, root, path)
        labels = [one.name for one in paths]
        if len(set(labels)) < len(labels):
            common = Path(os.path.commonpath(paths))
            labels = [str(one.relative_to(common)) for one in paths]
        for label, file in zip(labels, paths, strict=True):
            try:
                stat = file.stat()
                key = (name, label, stat.st_size, stat.st_mtime_ns)
                inputs.append(Input(*key[:2], file, *key[2:], hashes.get(key) or sha256(file)))
            except OSError as error:
                raise MachineError("E-RW-1", f"the file cannot be read: {error.strerror}", file=label) from error
    return inputs


def _write_sample(contract: Contract, root: Path) -> None:
    sample = contract.sample_company
    if sample is None or (root / sample.folder).exists():
        return
    aside = root / f"{sample.folder}.building-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write_sample_company(aside, seed=sample.seed, n_customers=sample.n_customers)
    aside.rename(root / sample.folder)


def _fingerprint(path: Path, inputs: list[Input]) -> str:
    content = [hashlib.sha256(path.read_bytes()).hexdigest(), code_hash(_ROOMS), duckdb.__version__]
    content += [f"{one.table}/{one.label}:{one.sha256}" for one in inputs]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def code_hash(rooms: tuple[str, ...]) -> str:
    """Hash of the package's own source files in these modules and packages."""
    package = Path(__file__).parent
    files = [file for room in rooms for file in sorted([package / room, *(package / room).rglob("*")])]
    kept = [one for one in files if one.is_file() and "__pycache__" not in one.parts]
    return hashlib.sha256(b"".join(sha256(one).encode() for one in kept)).hexdigest()


# --- building --------------------------------------------------------------------------------------------------------


def build(
    contract: Contract,
    path: Path,
    inputs: list[Input],
    fingerprint: str,
    folder: Path,
    memory_limit: str,
    tell: Callable[[str], None],
) -> None:
    """Read, clean and write all tables of a source into a folder aside, then put it in place by one rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f".{folder.name}.building"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    connection = engine.connect(aside, memory_limit, str(aside / "staging.duckdb"))
    building = _Building(contract, path, aside, connection, tell)
    try:
        try:
            for name, table in contract.tables.items():
                if table.from_ is None:
                    building.read_table(name, [one for one in inputs if one.table == name])
        finally:
            connection.close()
        building.write_notes()
        (aside / "staging.duckdb").unlink()
        shutil.rmtree(aside / "spill", ignore_errors=True)
        _write_meta(building, folder, inputs, fingerprint)
        replace_folder(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class _Building:
    """The tables of one source while they are built."""

    def __init__(self, contract: Contract, path: Path, folder: Path, connection, tell: Callable[[str], None]) -> None:
        self.contract, self.path, self.folder = contract, path, folder
        self.connection, self.tell = connection, tell
        self.tables: dict[str, dict] = {}
        self.ledger: list[pd.DataFrame] = []
        self.rejects: list[pd.DataFrame] = []
        self.completeness: list[pd.DataFrame] = []
        self.ignored_columns: dict[str, list[str]] = {}
        self.dates: tuple[date | None, date | None] = (None, None)

    def read_table(self, name: str, inputs: list[Input]) -> None:
        """Stage the rows of all files, settle their fates, write what is used and note what is not."""
        table = self.contract.tables[name]
        staged, all_records = None, []
        for number, one in enumerate(inputs):
            self.tell(f"reading {one.label}")
            staged, records = self._stage(name, number, one)
            all_records.append(records)
        self.tell(f"cleaning {name}")
        rows = rules.find_duplicates(staged, table, CANONICAL[name].key)
        rows = engine.insert(self.connection, rules.settle(rows), f"{name}_settled")
        labels = [one.label for one in inputs]
        ledger = self._note_ledger(name, rows, labels, all_records)
        self._note_rejects(name, rows, ledger, inputs, all_records)
        used = rows.filter(nw.col("fate") == "used")
        self.completeness.append(ledgers.summarise_completeness(rows, name, [*table.columns, *table.attributes]))
        if name in ("order_lines", "orders"):
            self._write_orders(name, used)
        else:
            self._write(name, used.select(*table.columns, *table.attributes))
        for other_name, other in self.contract.tables.items():
            if other.from_ == name:
                self._write(other_name, derive(used, other_name, [*other.columns, *other.attributes]))

    def _stage(self, name: str, number: int, one: Input) -> tuple[Table, Records]:
        table = self.contract.tables[name]
        records = open_records(one.path, table.format)
        columns = self._match_columns(name, one, records)
        is_text = type(records).__name__ == "CsvRecords"
        text = nw.from_native(self.connection.from_arrow(records.reader())).rename(columns)
        try:
            rows = rules.read_rows(
                text, number, [columns.get(column, column) for column in records.columns], name, self.contract, is_text
            )
            staged = engine.insert(self.connection, rows, f"{name}_staged")
        except duckdb.Error as error:
            raise records.failure or error from error
        stat = one.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (one.size, one.mtime_ns):
            raise InputError("E-FILE-6", "the file changed while it was read: run again", file=one.label)
        return staged, records

    def _match_columns(self, name: str, one: Input, records: Records) -> dict[str, str]:
        """Names in the file → names in the contract, where they differ by blanks and width only."""
        wanted = rules.source_columns(name, self.contract)
        renamed, missing = {}, []
        for column in wanted:
            if column in records.columns:
                continue
            alike = [found for found in records.columns if _plain(found) == _plain(column) and found not in wanted]
            if len(alike) == 1:
                renamed[alike[0]] = column
            else:
                missing.append(column)
        if missing:
            raise InputError(
                "E-HDR-2",
                f"no such column{nearest(missing[0], records.columns)}; correct {self.path.name}, or its delimiter, header"
                " and skip_rows",
                file=one.label,
                column=", ".join(missing),
                rows=self.contract.tables[name].format.skip_rows + 1,
            )
        ignored = [found for found in records.columns if found not in wanted and found not in renamed]
        if ignored:
            self.ignored_columns[one.label] = ignored
        return renamed

    def _note_ledger(self, name: str, rows: Table, labels: list[str], all_records: list[Records]) -> pd.DataFrame:
        parts = [ledgers.summarise_fates(rows, name, labels)]
        parts += [
            ledgers.broken_fates(name, label, records)
            for label, records in zip(labels, all_records, strict=True)
            if records.broken
        ]
        ledger = pd.concat(parts, ignore_index=True)
        ledgers.prove(ledger, {label: one.n_records for label, one in zip(labels, all_records, strict=True)})
        self.ledger.append(ledger)
        return ledger

    def _note_rejects(
        self, name: str, rows: Table, ledger: pd.DataFrame, inputs: list[Input], all_records: list[Records]
    ) -> None:
        rejected = rows.filter(nw.col("fate") == "rejected").select(rules.POSITION, "why")
        too_many = ledgers.too_many_rejects(ledger)
        if too_many:
            rejected = rejected.sort(rules.POSITION).head(10_000)
        found = engine.collect(rejected, MAX_REJECTS)
        for number, (one, records) in enumerate(zip(inputs, all_records, strict=True)):
            here = found[found[rules.POSITION] // rules.FILE_STEP == number]
            lines = here[rules.POSITION] % rules.FILE_STEP
            raw = open_records(one.path, records.format).raw_texts(set(lines)) if len(lines) and not too_many else {}
            part = pd.DataFrame({"line": lines, "reason": here["why"]})
            part["raw_text"] = [raw.get(line, "") for line in lines]
            broken = [broken for broken in records.broken if broken.reason != "blank"]
            part = pd.concat(
                [part, pd.DataFrame(broken, columns=["line", "reason", "raw_text"])], ignore_index=True
            ).sort_values("line")
            self.rejects.append(part.assign(table=name, file=one.label))
        if too_many:
            raise ledgers.rejects_error(ledger, pd.concat(self.rejects))

    def _write_orders(self, name: str, used: Table) -> None:
        """``order_lines`` as they are, and ``orders`` summed from them; of a source without lines only ``orders``."""
        table = self.contract.tables[name]
        columns = used.collect_schema().names()
        if "order_id" not in columns:
            file, line = nw.col(rules.POSITION) // rules.FILE_STEP, nw.col(rules.POSITION) % rules.FILE_STEP
            parts = [nw.lit("file "), file.cast(nw.String), nw.lit(" line "), line.cast(nw.String)]
            used = used.with_columns(order_id=nw.concat_str(parts))
        self.tell("summing orders")
        self._write("orders", summarise_orders(used, table.free_orders))
        if name == "order_lines":
            kept = [one for one in CANONICAL[name].columns if one in columns and one != "line_amount"]
            self._write(name, add_calendar(used).select(*kept, "ordered_date", "ordered_day", "kind", "line_amount"))
        orders = engine.read_parquet(self.connection, self.folder / "orders.parquet")
        span = engine.collect(
            orders.filter("is_order").select(first=nw.col("ordered_date").min(), last=nw.col("ordered_date").max()),
            1,
        ).iloc[0]
        self.dates = (span["first"], span["last"])

    def _write(self, name: str, table: Table) -> None:
        engine.write_parquet(table, self.folder / f"{name}.parquet")
        self._note_file(name)

    def _note_file(self, name: str) -> None:
        file = self.folder / f"{name}.parquet"
        self.tables[name] = {"sha256": sha256(file), "n_rows": pa.parquet.read_metadata(file).num_rows}

    def write_notes(self) -> None:
        """The ledger, the rejects and the completeness, as tables of the database."""
        ledger = pd.concat(self.ledger, ignore_index=True)
        scale = max((-one.as_tuple().exponent for one in ledger["line_amount"] if isinstance(one, Decimal)), default=0)
        rejects = pd.concat(self.rejects, ignore_index=True)[list(REJECTS.columns)]
        for name, frame, types in (
            ("ledger", ledger, {"line_amount": pa.decimal128(38, max(scale, 0)), "n_rows": pa.int64()}),
            ("rejects", rejects, {"line": pa.int64()}),
            ("completeness", pd.concat(self.completeness, ignore_index=True), {}),
        ):
            texts = {one: pa.string() for one in frame.columns if frame[one].dtype.kind not in "iufb"}
            schema = pa.schema(
                [(one, types.get(one) or texts.get(one) or pa.from_numpy_dtype(frame[one].dtype)) for one in frame]
            )
            arrow = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
            pa.parquet.write_table(arrow, self.folder / f"{name}.parquet", compression="zstd")
            self._note_file(name)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def derive(used: Table, name: str, columns: list[str]) -> Table:
    """A table of things that only the order lines tell of: per key the most frequent value of each column, of equally
    frequent ones the first in the alphabet."""
    (key,) = CANONICAL[name].key
    rows = used.select(*[nw.col(f"{name}.{column}").alias(column) for column in columns])
    result = rows.filter(~nw.col(key).is_null()).select(key).unique()
    for column in columns:
        if column == key:
            continue
        counted = rows.filter(~nw.col(key).is_null() & ~nw.col(column).is_null()).group_by(key, column).agg(n=nw.len())
        ranked = counted.with_columns(minus=-nw.col("n"), one=nw.lit(1)).with_columns(
            place=nw.col("one").cum_sum().over(key, order_by=["minus", column])
        )
        result = result.join(ranked.filter(nw.col("place") == 1).select(key, column), on=key, how="left")
    return result.sort(key)


def _write_meta(building: _Building, folder: Path, inputs: list[Input], fingerprint: str) -> None:
    contract = building.contract
    first, last = building.dates
    meta = Meta(
        source=folder.name,
        company=contract.company,
        description=contract.description,
        currency=contract.currency,
        time_zone=contract.time_zone,
        fingerprint=fingerprint,
        inputs=[one.as_dict() for one in inputs],
        tables=building.tables,
        ignored_columns=building.ignored_columns,
        first_date=first.isoformat() if first else None,
        last_date=last.isoformat() if last else None,
        last_complete_month=last_complete_month(first, contract.covers_until or last),
    )
    text = json.dumps(dataclasses.asdict(meta), indent=1, ensure_ascii=False)
    (building.folder / META).write_text(text, encoding="utf-8")


def last_complete_month(first: date | None, last: date | None) -> str | None:
    """The last month that the data cover to its last day; None where there is none."""
    if first is None or last is None:
        return None
    month = f"{last + timedelta(days=1):%Y-%m}"
    complete = first_of_month(month, -1)
    return f"{complete:%Y-%m}" if complete >= first.replace(day=1) else None


# --- one rename ------------------------------------------------------------------------------------------------------


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in the place of another, or of none, so that nobody ever sees neither or a mixture."""
    if target.exists():
        _exchange(new, target)
        shutil.rmtree(new, ignore_errors=True)
    else:
        new.rename(target)


def _exchange(left: Path, right: Path) -> None:
    """Exchange two folders in one step of the file system (Linux renameat2, macOS renamex_np)."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(left), os.fsencode(right)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, 2)
    else:
        here, exchange = -100, 2
        failed = library.renameat2(here, names[0], here, names[1], exchange)
    if failed:
        number = ctypes.get_errno()
        hint = "this file system cannot exchange folders: use a local disk" if number == errno.EINVAL else ""
        raise MachineError("E-RW-1", hint or os.strerror(number), file=right.name)
