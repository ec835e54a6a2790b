"""A source's files → the Parquet tables of its customer database: each row read, cleaned and given its fate."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from crm_analysis import engine
from crm_analysis.cleaning import ledger as ledgers
from crm_analysis.cleaning import profile, rules, standards
from crm_analysis.cleaning.consistency import collect_notices
from crm_analysis.cleaning.conversion import seek
from crm_analysis.cleaning.orders import add_calendar, summarise_orders
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, row_list
from crm_analysis.params import nearest
from crm_analysis.schema import CANONICAL, IDENTITY, REJECTS, WARNINGS
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Contract
from crm_analysis.sources.records import Input, Noticed, Records, sha256

MAX_REJECTS = 2_000_000
EXAMPLES = 20


class Building:
    """The tables of one source while they are built."""

    def __init__(self, contract: Contract, path: Path, folder: Path, connection, tell: Callable[[str], None]) -> None:
        self.contract, self.path, self.folder = contract, path, folder
        self.connection, self.tell = connection, tell
        self.tables: dict[str, dict] = {}
        self.ledger: list[pd.DataFrame] = []
        self.rejects: list[pd.DataFrame] = []
        self.completeness: list[pd.DataFrame] = []
        self.outliers: list[pd.DataFrame] = []
        self.warnings: list[tuple] = []
        self.ignored_columns: dict[str, list[str]] = {}
        # The days of the first and the last event: of orders, else of contracts, else of all that is dated.
        self.dates: tuple[date | None, date | None] = (
            (None, None) if contract.is_dated else (contract.covers_until,) * 2
        )

    def read_table(self, name: str, inputs: list[Input]) -> None:
        """Stage the rows of all files, settle their fates, write what is used and note what is not."""
        table = self.contract.tables[name]
        staged, all_records = None, []
        for number, one in enumerate(inputs):
            self.tell(f"reading {one.label}")
            staged, records = self._stage(name, number, one)
            all_records.append(records)
        self.tell(f"cleaning {name}")
        rows = rules.find_duplicates(staged, name, table)
        rows = rules.settle(rows)
        labels = [one.label for one in inputs]
        rows = self._standardise(name, rows, labels)
        ledger = self._note_ledger(name, rows, labels, all_records)
        if ledgers.too_many_rejects(ledger):
            raise self._rejects_error(rows, ledger, labels, all_records)
        self._note_rejects(name, rows, inputs, all_records)
        notices = collect_notices(rows, len(labels), rules.FILE_STEP, rules.POSITION)
        for label, records, found in zip(labels, all_records, notices, strict=True):
            self.warn(name, label, [*records.noticed, *found])
        used = rows.filter(nw.col("_fate") == "used")
        self.completeness.append(profile.summarise_completeness(used, name, [*table.columns, *table.attributes]))
        self.outliers.append(profile.list_outliers(used, name, labels))
        if name in rules.ORDER_TABLES:
            self._write_orders(name, used)
        elif name == "contracts":
            self._write_contracts(used)
        else:
            self._write(name, used.select(*table.columns, *table.attributes))
            self._note_dates(name, used)
        if table.identity is not None:
            self._write_identities(used, labels)
        for other_name, other in self.contract.tables.items():
            if other.from_ == name:
                derived = derive(used, other_name, [*other.columns, *other.attributes])
                self._write(other_name, seek(derived, rules.sought(other)))

    def _stage(self, name: str, number: int, one: Input) -> tuple[Table, Records]:
        table = self.contract.tables[name]
        records = open_records(one.path, table.format, self.contract.time_zone)
        columns = self._match_columns(name, one, records)
        text = nw.from_native(self.connection.from_arrow(records.reader()))
        try:
            rows = rules.read_rows(text, number, columns, name, self.contract, records.is_text)
            staged = engine.insert(self.connection, rows, f"{name}_staged")
        except duckdb.Error as error:
            raise records.failure or error from error
        stat = one.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (one.size, one.mtime_ns):
            raise InputError("E-FILE-6", "the file changed while it was read: run again", file=one.label)
        return staged, records

    def _match_columns(self, name: str, one: Input, records: Records) -> list[str]:
        """The file's columns, by the contract's names where they differ from them by blanks, case and width only."""
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
        return [renamed.get(column, column) for column in records.columns]

    def _note_ledger(self, name: str, rows: Table, labels: list[str], all_records: list[Records]) -> pd.DataFrame:
        parts = [ledgers.summarise_fates(rows, name, labels)]
        parts += [
            ledgers.broken_fates(name, label, records)
            for label, records in zip(labels, all_records, strict=True)
            if records.broken
        ]
        ledger = pd.concat(parts, ignore_index=True)
        for label in labels:
            if not (ledger["fate"].ne("blank") & ledger["file"].eq(label)).any():
                raise InputError("E-FILE-2", "the file has a header and no rows: export it again", file=label)
        ledgers.prove(ledger, {label: one.n_records for label, one in zip(labels, all_records, strict=True)})
        self.ledger.append(ledger)
        return ledger

    def _note_rejects(self, name: str, rows: Table, inputs: list[Input], all_records: list[Records]) -> None:
        """Every rejected row with its file, line, reason and text."""
        found = engine.collect(profile.read_rejected(rows), MAX_REJECTS)
        for number, (one, records) in enumerate(zip(inputs, all_records, strict=True)):
            here = found[found[rules.POSITION] // rules.FILE_STEP == number]
            lines = [int(position) % rules.FILE_STEP for position in here[rules.POSITION]]
            again = open_records(one.path, records.format, self.contract.time_zone)
            raw = again.raw_texts(set(lines)) if lines else {}
            found_here = zip(lines, here["_why"], here["_value"], strict=True)
            part = [(line, why, value, raw.get(line, "")) for line, why, value in found_here]
            part += [(one.line, one.reason, None, one.text) for one in records.broken if one.reason != "blank"]
            part.sort(key=lambda one: one[:2])
            frame = pd.DataFrame(part, columns=["line", "reason", "value", "raw_text"])
            self.rejects.append(frame.assign(table=name, file=one.label))

    def _rejects_error(
        self, rows: Table, ledger: pd.DataFrame, labels: list[str], all_records: list[Records]
    ) -> InputError:
        """What to say where too many rows are rejected: the commonest reason, and where it stands."""
        reason = ledgers.commonest_reason(ledger)
        first = rows.filter(nw.col("_why") == reason).select(rules.POSITION).sort(rules.POSITION).head(EXAMPLES)
        positions = [divmod(int(one), rules.FILE_STEP) for one in engine.collect(first, EXAMPLES)[rules.POSITION]]
        for number, records in enumerate(all_records):
            positions += [(number, one.line) for one in records.broken[:MAX_REJECTS] if one.reason == reason]
        file = positions[0][0]
        lines = [line for number, line in positions if number == file]
        return ledgers.rejects_error(ledger, reason, labels[file], lines)

    def warn(self, name: str, label: str, noticed: Iterable[Noticed]) -> None:
        """What the reports tell of a file of a table (schema.WARNINGS)."""
        for one in noticed:
            lines = row_list(one.lines, one.n_rows) if one.lines else None
            self.warnings.append((name, label, one.column, one.code, one.n_rows, lines))

    def _standardise(self, name: str, rows: Table, labels: list[str]) -> Table:
        """The columns that the contract wants so in their standard spelling; what is not valid is told."""
        tables = {"": self.contract.tables[name]}
        tables |= {f"{other}.": one for other, one in self.contract.tables.items() if one.from_ == name}
        for prefix, table in tables.items():
            kinds = standards.kinds_of(table, prefix)
            if kinds:
                rows = engine.materialise(standards.standardise(rows, kinds, self.contract.country, keep=True))
            for column in kinds:
                is_invalid = nw.col(standards.invalid(column)) & (nw.col("_fate") == "used")
                told = column.removeprefix(prefix)
                for label, noticed in standards.notice(rows, "E-STD-1", told, is_invalid, labels):
                    self.warn(prefix.removesuffix(".") or name, label, [noticed])
        return rows

    def _write_identities(self, used: Table, labels: list[str]) -> None:
        """Who the customers are, the pairs that may be one, and who is taken for whom."""
        # splink takes half a second to load: only where a contract asks for it.
        from crm_analysis.cleaning import identity

        self.tell("comparing customers")
        rows = identity.read_identities(used, self.contract)
        columns = [one for one in IDENTITY.columns if one in rows.collect_schema().names()]
        self.completeness.append(profile.summarise_completeness(rows, "identities", columns))
        for label, noticed in identity.warnings(rows, labels):
            self.warn("identities", label, [noticed])
        self._write("identities", rows.select(*columns).sort("customer_id"))
        customers = engine.read_parquet(self.connection, self.folder / "customers.parquet")
        wanted = self.contract.tables["customers"].identity
        found = identity.find_duplicates(self.connection, rows, customers, wanted, decisions_path(self.path))
        self._write("pairs", identity.as_table(self.connection, found.pairs))
        self._write("merges", identity.as_table(self.connection, found.merges))
        counts = {"E-DUP-4": len(found.merges), "E-DUP-5": found.n_open, "E-DUP-6": int(not found.is_learnt)}
        self.warn("identities", ", ".join(labels), [Noticed(code, None, n) for code, n in counts.items() if n])

    def _write_orders(self, name: str, used: Table) -> None:
        """``order_lines`` as they are, and ``orders`` summed from them; of a source without lines only ``orders``."""
        table = self.contract.tables[name]
        columns = used.collect_schema().names()
        if "order_id" not in columns:
            file, line = nw.col(rules.POSITION) // rules.FILE_STEP, nw.col(rules.POSITION) % rules.FILE_STEP
            parts = [nw.lit("file "), file.cast(nw.String), nw.lit(" line "), line.cast(nw.String)]
            used = used.with_columns(order_id=nw.concat_str(parts))
        self.tell("summing orders")
        # Sorted: the same orders make the same file, and a customer's stand together.
        by = ["customer_id", "order_id", "is_order", "ordered_at"]
        self._write("orders", summarise_orders(used, table.free_orders).sort(by))
        if name == "order_lines":
            kept = [one for one in CANONICAL[name].columns if one in columns and one != "line_amount"]
            self._write(name, add_calendar(used).select(*kept, "ordered_date", "ordered_day", "kind", "line_amount"))
        orders = engine.read_parquet(self.connection, self.folder / "orders.parquet")
        span = engine.collect(
            orders.filter("is_order").select(first=nw.col("ordered_date").min(), last=nw.col("ordered_date").max()),
            1,
        ).iloc[0]
        self.dates = (span["first"], span["last"])

    def _write_contracts(self, used: Table) -> None:
        """``contracts`` as they are. Where they have no dates, ``observed_date`` is the day on which the export was made."""
        table, covers_until = self.contract.tables["contracts"], self.contract.covers_until
        rows = used.select(*table.columns, *table.attributes)
        if "started_date" not in table.columns:
            self._write("contracts", rows.with_columns(observed_date=nw.lit(covers_until)))
        else:
            self._write("contracts", rows)
            self._note_dates("contracts", rows)

    def _note_dates(self, name: str, used: Table) -> None:
        """The days of the first and the last event among the rows, if they count: contracts' where the source has no orders,
        others' where it has no dated contracts either."""
        leading = [one for one in (*rules.ORDER_TABLES, "contracts") if self.contract.dates(one)]
        shape, columns = CANONICAL[name], self.contract.tables[name].columns
        first = [nw.col(one).cast(nw.Date) for one in self.contract.dates(name)]
        days = [nw.col(one).cast(nw.Date) for one in shape.happened if one in columns]
        if not first or (leading and name not in leading[:1]):
            return
        span = used.select(first=nw.coalesce(*first).min(), last=nw.max_horizontal(*days).max())
        one = engine.collect(span, 1).iloc[0]
        known = [day for day in (*self.dates, one["first"], one["last"]) if day is not None]
        self.dates = (min(known), max(known)) if known else (None, None)

    def _write(self, name: str, table: Table) -> None:
        engine.write_parquet(table, self.folder / f"{name}.parquet")
        self._note_file(name)

    def _note_file(self, name: str) -> None:
        file = self.folder / f"{name}.parquet"
        self.tables[name] = {"sha256": sha256(file), "n_rows": pa.parquet.read_metadata(file).num_rows}

    def write_notes(self) -> None:
        """The ledger, the rejects, the completeness and the warnings, as tables of the database."""
        ledger = pd.concat(self.ledger, ignore_index=True)
        rejects = pd.concat(self.rejects, ignore_index=True)[list(REJECTS.columns)]
        outliers = pd.concat(self.outliers, ignore_index=True)
        counts = ("n_rows", "n_filled", "n_repaired")
        for name, frame, types in (
            ("ledger", ledger, {"line_amount": _decimals(ledger["line_amount"]), "n_rows": pa.int64()}),
            ("rejects", rejects, {"line": pa.int64()}),
            ("completeness", pd.concat(self.completeness, ignore_index=True), dict.fromkeys(counts, pa.int64())),
            ("outliers", outliers, {"line": pa.int64(), "amount": _decimals(outliers["amount"])}),
            ("warnings", pd.DataFrame(self.warnings, columns=list(WARNINGS.columns)), {"n_rows": pa.int64()}),
        ):
            texts = {one: pa.string() for one in frame.columns if frame[one].dtype.kind not in "iufb"}
            schema = pa.schema(
                [(one, types.get(one) or texts.get(one) or pa.from_numpy_dtype(frame[one].dtype)) for one in frame]
            )
            arrow = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
            pa.parquet.write_table(arrow, self.folder / f"{name}.parquet", compression="zstd")
            self._note_file(name)


def _decimals(amounts: pd.Series) -> pa.DataType:
    """The exact type of these amounts."""
    return pa.decimal128(38, max(-Decimal(one).as_tuple().exponent for one in [0, *amounts]))


def decisions_path(contract_path: Path) -> Path:
    """Where a person says which customers of a source are one: ``params/merges/<source>.csv``."""
    return contract_path.parents[1] / "merges" / f"{contract_path.stem}.csv"


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
