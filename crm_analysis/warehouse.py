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
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.building import Building, decisions_path
from crm_analysis.cleaning.plan import Plan
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, IntegrityError, MachineError, machine_error
from crm_analysis.params import first_of_month
from crm_analysis.sources.contract import Contract, Format, find_files, read_contract
from crm_analysis.sources.records import Input, sha256
from crm_analysis.sources.reshaping import find_sheets
from crm_analysis.sources.sample import write_sample_company

META = "meta.json"
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
    description_in: dict[str, str] = field(default_factory=dict)

    def describe(self, language: str) -> str:
        """What the source is, in the reader's language where the contract says it."""
        return self.description_in.get(language, self.description)


def warehouse_folder(root: Path, source: str) -> Path:
    return root / "warehouse" / source


def contract_path(root: Path, source: str) -> Path:
    return root / "params" / "sources" / f"{source}.yml"


def ensure(
    root: Path,
    source: str,
    memory_limit: str,
    tell: Callable[[str], None] = lambda _: None,
    check_before: Callable[[], object] = lambda: None,
) -> Meta:
    """Build the customer database of a source where it is missing or out of date, and check it. ``check_before`` is called before
    anything is made, and may be called twice; ``tell`` is told what goes on."""
    path = contract_path(root, source)
    contract = read_contract(path)
    folder = warehouse_folder(root, source)
    known = _read_known(folder)
    if known is None:
        check_before()
    with _fetched(contract, path, root, folder) as fetched:
        inputs = find_inputs(contract, path, root, known, fetched)
        fingerprint = _fingerprint(path, inputs)
        if known is None or known.fingerprint != fingerprint:
            check_before()
            build(contract, path, inputs, fingerprint, folder, memory_limit, tell)
    return check(folder)


def check(folder: Path) -> Meta:
    """The database's meta, after every file was compared with its recorded hash. Raises IntegrityError E-DB-1."""
    meta = read_meta(folder)
    for name, known in meta.tables.items():
        file = folder / f"{name}.parquet"
        if not file.is_file() or sha256(file) != known["sha256"]:
            raise _damage(folder, file.name)
    return meta


def read_meta(folder: Path) -> Meta:
    """What a customer database is. Raises IntegrityError: E-DB-1 where it is damaged, E-DB-3 where another version of the
    program wrote it."""
    try:
        written = json.loads((folder / META).read_text(encoding="utf-8"))
        if written["sha256"] != _seal(written["meta"]):
            raise ValueError("not as it was written")
        names = set(written["meta"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damage(folder, META) from error
    if names != {one.name for one in dataclasses.fields(Meta)}:
        fix = "another version of the program built it: run make reports, which builds it anew"
        raise IntegrityError("E-DB-3", fix, file=f"{folder.name}/{META}")
    return Meta(**written["meta"])


def _read_known(folder: Path) -> Meta | None:
    """The meta of the database that there is; None of one that another version built: it is built anew."""
    if not (folder / META).exists():
        return None
    try:
        return read_meta(folder)
    except IntegrityError as error:
        if error.code != "E-DB-3":
            raise
        return None


def _damage(folder: Path, file: str) -> IntegrityError:
    what = "damaged" if (folder / file).is_file() else "missing"
    return IntegrityError(
        "E-DB-1",
        f"the file is {what}: put it aside (mv {folder} {folder}.damaged) and run again, the database is built anew from the"
        " source's files",
        file=f"{folder.name}/{file}",
    )


def open_tables(folder: Path, connection: engine.Session) -> dict[str, Table]:
    """The tables of a customer database, lazily, by name. Customers that are taken for one have the id of the one that is kept;
    who they are (``identities``) is not among the tables."""
    known = read_meta(folder).tables
    tables = {
        name: engine.read_parquet(connection, folder / f"{name}.parquet") for name in known if name != "identities"
    }
    return _merge_customers(tables) if known.get("merges", {}).get("n_rows") else tables


def _merge_customers(tables: dict[str, Table]) -> dict[str, Table]:
    merges = tables["merges"].select("customer_id", _kept="kept_customer_id")
    merged = dict(tables)
    for name, table in tables.items():
        columns = table.collect_schema().names()
        if name == "customers":
            merged[name] = table.join(merges, on="customer_id", how="anti")
        elif name not in ("pairs", "merges") and "customer_id" in columns:
            kept = nw.coalesce(nw.col("_kept"), nw.col("customer_id"))
            merged[name] = (
                table.join(merges, on="customer_id", how="left").with_columns(customer_id=kept).select(columns)
            )
    return merged


# --- inputs ----------------------------------------------------------------------------------------------------------


@contextmanager
def _fetched(contract: Contract, path: Path, root: Path, folder: Path) -> Iterator[dict[str, tuple]]:
    """The tables that stand in databases, as files (table → label, path) for as long as they are needed."""
    names = [name for name, table in contract.tables.items() if table.database is not None]
    if not names:
        yield {}
        return
    from crm_analysis.sources import databases

    aside = folder.parent / f".{folder.name}.fetched"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        wanted = {name: Plan(name, contract).columns for name in names}
        yield databases.fetch(contract, wanted, aside, root, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def find_inputs(
    contract: Contract, path: Path, root: Path, known: Meta | None, fetched: dict[str, tuple]
) -> list[Input]:
    """The source's files with their hashes; a file of known size and time is not read again for its hash. ``fetched``: the files
    of tables that stand in databases."""
    _write_sample(contract, root)
    hashes = {
        (one["table"], one["label"].removesuffix(f": {one.get('sheet')}"), one["size"], one["mtime_ns"]): one["sha256"]
        for one in (known.inputs if known else [])
    }
    inputs = []
    for name, table in contract.tables.items():
        if table.from_ is not None:
            continue
        paths = [fetched[name][1]] if name in fetched else find_files(table, root, path)
        labels = [fetched[name][0]] if name in fetched else [one.name for one in paths]
        if len(set(labels)) < len(labels):
            common = Path(os.path.commonpath(paths))
            labels = [str(one.relative_to(common)) for one in paths]
        for label, file in zip(labels, paths, strict=True):
            try:
                stat = file.stat()
                key = (name, label, stat.st_size, stat.st_mtime_ns)
                if stat.st_size > table.format.max_bytes:
                    fix = f"the file is larger than the contract's max_bytes, {table.format.max_bytes}: split it, or raise that"
                    raise InputError("E-SIZE-1", fix, file=label)
                hashed = hashes.get(key) or sha256(file)
                inputs.append(Input(*key[:2], file, *key[2:], hashed, _read_notes(file, label, hashed)))
            except OSError as error:
                told = machine_error(error.errno, "", file=label)
                raise told or MachineError("E-RW-1", f"{error.strerror}: make it readable", file=label) from error
    inputs = [part for one in inputs for part in _split_sheets(one, contract.tables[one.table].format)]
    for name, table in contract.tables.items():
        if not table.drops_duplicates:
            _refuse_twins([one for one in inputs if one.table == name])
    return inputs


def _read_notes(file: Path, label: str, hashed: str) -> int | None:
    """What the notes beside a file say of it: ``<name>.sha256`` its hash, which is compared, and ``<name>.rows`` its number of
    rows. Raises InputError E-FILE-3."""
    note = file.with_name(f"{file.name}.sha256")
    if note.is_file() and hashed not in note.read_text(encoding="utf-8", errors="replace").lower():
        fix = f"the file is not the one whose hash stands in {note.name}: copy or export it again"
        raise InputError("E-FILE-3", fix, file=label)
    note = file.with_name(f"{file.name}.rows")
    if not note.is_file():
        return None
    text = note.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise InputError("E-FILE-3", f"{note.name} must hold the number of rows and nothing else", file=label)
    return int(text)


def _split_sheets(one: Input, written: Format) -> Iterator[Input]:
    """Each sheet of a workbook that the contract names is an input of its own: its rows are counted and told by its name."""
    for sheet in find_sheets(one.path, written):
        yield one if sheet is None else dataclasses.replace(one, label=f"{one.label}: {sheet}", sheet=sheet)


def _refuse_twins(inputs: list[Input]) -> None:
    """The same file twice would count its orders twice, where equal rows are kept."""
    seen: dict[tuple, str] = {}
    for one in inputs:
        content = one.sha256, one.sheet
        if content in seen:
            raise InputError("E-DUP-1", f"the same content as {seen[content]}: remove one of them", file=one.label)
        seen[content] = one.label


def _write_sample(contract: Contract, root: Path) -> None:
    sample = contract.sample_company
    if sample is None:
        return
    # Another company, or one that another version wrote, is written anew.
    made_from = f"{sample} {code_hash(('sources',))}"
    note = root / sample.folder / ".made-from"
    if note.is_file() and note.read_text(encoding="utf-8") == made_from:
        return
    aside = root / f"{sample.folder}.building"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write_sample_company(aside, seed=sample.seed, n_customers=sample.n_customers)
    (aside / ".made-from").write_text(made_from, encoding="utf-8")
    replace_folder(aside, root / sample.folder)


def _fingerprint(path: Path, inputs: list[Input]) -> str:
    content = [hashlib.sha256(path.read_bytes()).hexdigest(), code_hash(_ROOMS), duckdb.__version__]
    content += [f"{one.table}/{one.label}:{one.sha256}:{one.n_rows}" for one in inputs]
    content += [sha256(one) for one in [decisions_path(path)] if one.is_file()]
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
    connection = engine.connect(aside, memory_limit)
    building = Building(contract, path, aside, connection, tell)
    try:
        try:
            # Amounts of orders are converted by the rates.
            for name, table in sorted(contract.tables.items(), key=lambda one: one[0] != "rates"):
                if table.from_ is None:
                    building.read_table(name, [one for one in inputs if one.table == name])
            building.notice()
        finally:
            connection.close()
        building.write_notes()
        shutil.rmtree(aside / "spill", ignore_errors=True)
        _write_meta(building, folder, inputs, fingerprint)
        replace_folder(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _as_dict(one: Input) -> dict:
    return {key: value for key, value in dataclasses.asdict(one).items() if key != "path"}


def _write_meta(building: Building, folder: Path, inputs: list[Input], fingerprint: str) -> None:
    contract = building.contract
    first, last = building.dates
    meta = Meta(
        source=folder.name,
        company=contract.company,
        description=contract.description,
        description_in=contract.description_in,
        currency=contract.currency,
        time_zone=contract.time_zone,
        fingerprint=fingerprint,
        inputs=[_as_dict(one) for one in inputs],
        tables=building.tables,
        ignored_columns={label: names for label, names in building.ignored_columns.items() if names},
        first_date=first.isoformat() if first else None,
        last_date=last.isoformat() if last else None,
        last_complete_month=last_complete_month(first, contract.covers_until or last),
    )
    content = dataclasses.asdict(meta)
    text = json.dumps({"sha256": _seal(content), "meta": content}, indent=1, ensure_ascii=False)
    (building.folder / META).write_text(text, encoding="utf-8")


def _seal(content: dict) -> str:
    """A hash by which a changed meta.json is noticed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
