"""A source's files → the Parquet tables of its customer database: each row read, cleaned and given its fate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from crm_analysis import engine
from crm_analysis.cleaning import ledger as ledgers
from crm_analysis.cleaning import profile, rules, standards
from crm_analysis.cleaning.amounts import PRECISION
from crm_analysis.cleaning.conflicts import refuse_conflicts
from crm_analysis.cleaning.consistency import collect_notices
from crm_analysis.cleaning.conversion import date_formats, reads_swapped, seek, swap_day_and_month
from crm_analysis.cleaning.garbled import find_garbled
from crm_analysis.cleaning.headers import match_columns, notice_ignored
from crm_analysis.cleaning.noticing import notice_tables
from crm_analysis.cleaning.order_amounts import spread_order_amounts
from crm_analysis.cleaning.orders import add_calendar, summarise_orders
from crm_analysis.cleaning.plan import Plan
from crm_analysis.cleaning.texts import Cells, show_controls
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, row_list
from crm_analysis.schema import CANONICAL, IDENTITY, LINE_DIMENSIONS, REJECTS, WARNINGS
from crm_analysis.sources import open_records
from crm_analysis.sources.contract import Contract
from crm_analysis.sources.records import CELL_STEP, Input, Noticed, Records, sha256

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
        self.labels: dict[str, list[str]] = {}
        self.ignored_columns: dict[str, list[str]] = {}
        # Of each file the table that read it last, and how.
        self.readers: dict[str, tuple[str, Records]] = {}
        # The days of the first and the last event: of orders, else of contracts, else of all that is dated.
        self.dates: tuple[date | None, date | None] = (
            (None, None) if contract.is_dated else (contract.covers_until,) * 2
        )

    def read_table(self, name: str, inputs: list[Input]) -> None:
        """Stage the rows of all files, settle their fates, write what is used and note what is not."""
        plan, all_records = Plan(name, self.contract), []
        for number, one in enumerate(inputs):
            self.tell(f"reading {one.label}")
            staged, records = self._stage(plan, number, one)
            all_records.append(records)
        self.tell(f"cleaning {name}")
        self.labels[name] = [one.label for one in inputs]
        rows, garbled = self._settle(plan, staged, all_records)
        ledger = self._note_ledger(name, rows, inputs, all_records)
        self._refuse_rejects(name, rows, ledger, inputs, all_records)
        self._note_rejects(name, rows, inputs, all_records)
        notices = collect_notices(rows, len(inputs), rules.FILE_STEP, rules.POSITION)
        for one, records, *found in zip(inputs, all_records, notices, garbled, strict=True):
            self.warn(name, one.label, [*records.noticed, *chain(*found)])
        self._warn_of_twins(inputs, all_records)
        used = rows.filter(nw.col("_fate") == "used")
        self._note_used(name, used)
        self._write_used(name, used)

    def _stage(self, plan: Plan, number: int, one: Input) -> tuple[Table, Records]:
        records = open_records(one.path, plan.table.format, self.contract.time_zone, one.sheet)
        columns = match_columns(plan.columns, records, one.label, self.path)
        places = {f"_f{place}": plan.uses[column] for place, column in enumerate(columns) if column in plan.uses}
        cells = Cells(records.reader(), places, self.contract.ids, records.noticed)
        text = nw.from_native(self.connection.from_arrow(cells.cleaned()))
        rates = self._open("rates") if "rates" in self.tables else None
        try:
            rows = rules.read_rows(text, number, columns, plan, records.is_text, records.epoch, rates)
            staged = engine.insert(self.connection, rows, f"{plan.name}_staged")
        except duckdb.Error as error:
            raise records.failure or error from error
        stat = one.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (one.size, one.mtime_ns):
            raise InputError("E-FILE-6", "the file changed while it was read: run again", file=one.label)
        # Another table may use what this one does not.
        ignored = [column for column in columns if column not in plan.columns]
        known = self.ignored_columns.get(one.label, ignored)
        self.ignored_columns[one.label] = [column for column in ignored if column in known]
        self.readers[one.label] = (plan.name, records)
        records.noticed += [records.mixed[id_] for id_ in plan.id_columns if id_ in records.mixed]
        return staged, records

    def _settle(self, plan: Plan, staged: Table, all_records: list[Records]) -> tuple[Table, list[list[Noticed]]]:
        """The rows with their fates, and the garbled texts that were noticed in each file."""
        rows, garbled = find_garbled(staged, plan.name_columns, len(all_records))
        unseen = {one.column for records in all_records for one in records.noticed if one.code == "E-CTRL-3"}
        rows = refuse_conflicts(show_controls(rows, unseen), plan.name, plan.table)
        rows = rules.find_duplicates(rows, plan.name, plan.table)
        rows = spread_order_amounts(rules.settle(rows), plan.table)
        return self._standardise(plan.name, rows, self.labels[plan.name]), garbled

    def _note_used(self, name: str, used: Table) -> None:
        """How full the columns are, the outliers, and what only the used rows together tell."""
        table = self.contract.tables[name]
        of_file = used.filter(~nw.col(rules.ROW_HASH).is_null())
        self.completeness.append(profile.summarise_completeness(of_file, name, [*table.columns, *table.attributes]))
        self.outliers.append(profile.list_outliers(used, name, self.labels[name]))
        self._warn_of_table(name, ledgers.notice_derived(self.completeness[-1]))
        has_key = bool(set(CANONICAL[name].key) & set(table.columns))
        if not table.drops_duplicates and table.duplicates is None and not has_key:
            self._warn_of_table(name, rules.notice_repetitions(of_file))

    def _write_used(self, name: str, used: Table) -> None:
        """The table, and those that come ``from`` it."""
        table = self.contract.tables[name]
        if name in rules.ORDER_TABLES:
            self._write_orders(name, used)
        elif name == "contracts":
            self._write_contracts(used)
        else:
            self._write(name, used.select(*table.columns, *table.attributes))
            self._note_dates(name, used)
        if table.identity is not None:
            self._write_identities(used, self.labels[name])
        for other_name, other in self.contract.tables.items():
            if other.from_ == name:
                derived = derive(used, other_name, [*other.columns, *other.attributes])
                self._write(other_name, seek(derived, rules.sought(other)))

    def _note_ledger(self, name: str, rows: Table, inputs: list[Input], all_records: list[Records]) -> pd.DataFrame:
        labels = [one.label for one in inputs]
        parts = [ledgers.summarise_fates(rows, name, labels)]
        parts += [
            ledgers.broken_fates(name, label, records)
            for label, records in zip(labels, all_records, strict=True)
            if records.broken
        ]
        ledger = pd.concat(parts, ignore_index=True)
        for one in inputs:
            n_rows = int(ledger.loc[ledger["fate"].ne("blank") & ledger["file"].eq(one.label), "n_rows"].sum())
            if not n_rows and not self.contract.tables[name].allow_empty:
                fix = "the file has a header and no rows: export it again, or write allow_empty: true"
                raise InputError("E-FILE-2", fix, file=one.label)
            if one.n_rows not in (None, n_rows):
                fix = f"the file has {n_rows} rows, and the note beside it says {one.n_rows}: export it again"
                raise InputError("E-FILE-3", fix, file=one.label)
        ledgers.prove(ledger, {label: one.n_records for label, one in zip(labels, all_records, strict=True)})
        self.ledger.append(ledger)
        return ledger

    def _note_rejects(self, name: str, rows: Table, inputs: list[Input], all_records: list[Records]) -> None:
        """Every rejected row with its file, line, reason and text."""
        found = engine.collect(profile.read_rejected(rows), MAX_REJECTS)
        for number, (one, records) in enumerate(zip(inputs, all_records, strict=True)):
            here = found[found[rules.POSITION] // rules.FILE_STEP == number]
            lines = [rules.line_of(int(position)) for position in here[rules.POSITION]]
            raw = self._reopen(one, records).raw_texts(set(lines)) if lines else {}
            found_here = zip(lines, here["_why"], here["_value"], strict=True)
            part = [(line, why, value, raw.get(line, "")) for line, why, value in found_here]
            part += [(one.line, one.reason, None, one.text) for one in records.broken if one.reason != "blank"]
            part.sort(key=lambda one: one[:2])
            frame = pd.DataFrame(part, columns=["line", "reason", "value", "raw_text"])
            self.rejects.append(frame.assign(table=name, file=one.label))

    def _reopen(self, one: Input, records: Records) -> Records:
        """The same file or sheet once more, for the text of its rejected rows."""
        return open_records(one.path, records.format, self.contract.time_zone)

    def _refuse_rejects(
        self, name: str, rows: Table, ledger: pd.DataFrame, inputs: list[Input], all_records: list[Records]
    ) -> None:
        """Stop where too many rows are rejected, or fewer but with day and month in each other's place."""
        reason = ledgers.stopping_reason(ledger, self.contract.tables[name])
        dates = reason or ledgers.frequent_reason(ledger, "E-DATE-1", ledgers.MAX_SWAPPED_SHARE, ledgers.MIN_SWAPPED)
        if dates is None:
            return
        file, lines = self._find_examples(rows, dates, all_records)
        hint = ""
        if dates.startswith("E-DATE-1 "):
            again = self._reopen(inputs[file], all_records[file])
            texts = list(again.raw_texts(set(lines)).values())
            hint = self._swapped_hint(name, dates, texts, again.is_text)
        if reason or hint:
            raise ledgers.rejects_error(ledger, dates, inputs[file].label, lines, hint)

    def _swapped_hint(self, name: str, reason: str, texts: list[str], is_text: bool) -> str:
        column = CANONICAL[name].columns.get(reason.partition(" ")[2])
        formats = date_formats(column.type, self.contract.tables[name].format, is_text) if column else []
        return next((f"it looks like {swap_day_and_month(one)}; " for one in formats if reads_swapped(texts, one)), "")

    def _find_examples(self, rows: Table, reason: str, all_records: list[Records]) -> tuple[int, list[int]]:
        """The first file with rows that are rejected for this reason, and their lines in it."""
        first = rows.filter(nw.col("_why") == reason).select(rules.POSITION).sort(rules.POSITION).head(EXAMPLES)
        positions = [
            (one // rules.FILE_STEP, rules.line_of(one))
            for one in map(int, engine.collect(first, EXAMPLES)[rules.POSITION])
        ]
        for number, records in enumerate(all_records):
            positions += [(number, one.line) for one in records.broken[:MAX_REJECTS] if one.reason == reason]
        file = positions[0][0]
        return file, [line for number, line in positions if number == file]

    def notice(self) -> None:
        """Warnings of what only whole tables tell."""
        lines = self.contract.tables.get("order_lines")
        tables = {name: self._open(name) for name in self.tables}
        told = notice_tables(
            tables,
            has_returns=any(one["kind"].eq("return").any() for one in self.ledger),
            checks_sharing=lines is not None and lines.conflicts is None,
        )
        for name, noticed in told.items():
            self._warn_of_table("order_lines" if name == "orders" and lines else name, noticed)

    def _warn_of_table(self, name: str, noticed: Iterable[Noticed]) -> None:
        labels = self.labels.get(name, [])
        self.warn(name, labels[0] if len(labels) == 1 else "", noticed)

    def warn(self, name: str, label: str, noticed: Iterable[Noticed]) -> None:
        """What the reports tell of a file of a table (schema.WARNINGS)."""
        for one in noticed:
            lines = row_list(one.lines, one.n_rows) if one.lines else None
            self.warnings.append((name, label, one.column, one.code, one.n_rows, lines))

    def _warn_of_twins(self, inputs: list[Input], all_records: list[Records]) -> None:
        """The same content once more: its rows are duplicates."""
        seen: set[tuple] = set()
        for one, records in zip(inputs, all_records, strict=True):
            if (one.sha256, one.sheet) in seen:
                self.warn(one.table, one.label, [Noticed("E-DUP-1", None, records.n_records)])
            seen.add((one.sha256, one.sheet))

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
            position = nw.col(rules.POSITION)
            place = {"file": position // rules.FILE_STEP, "line": rules.line_of(position)}
            if table.format.melt:
                place["cell"] = position % rules.FILE_STEP // CELL_STEP
            words = " ".join(f"{name} {{{name}}}" for name in place)
            used = used.with_columns(order_id=engine.sentence(words, **place))
        self._refuse_sums(name, used)
        self.tell("summing orders")
        # Sorted: the same orders make the same file, and a customer's stand together.
        by = ["customer_id", "order_id", "is_order", "ordered_at"]
        # What lines say of their order is asked of the lines, where there are any.
        more = [one for one in ("quantity", *LINE_DIMENSIONS) if one in columns and name == "orders"]
        self._write("orders", summarise_orders(used, table.free_orders, more).sort(by))
        if name == "order_lines":
            kept = [one for one in CANONICAL[name].columns if one in columns and one != "line_amount"]
            self._write(name, add_calendar(used).select(*kept, "ordered_date", "ordered_day", "kind", "line_amount"))
        orders = self._open("orders")
        span = engine.collect(
            orders.filter("is_order").select(first=nw.col("ordered_date").min(), last=nw.col("ordered_date").max()),
            1,
        ).iloc[0]
        self.dates = (span["first"], span["last"])

    def _refuse_sums(self, name: str, used: Table) -> None:
        """Stop where the sum of all amounts is not sure to be kept exactly; any part of it then is."""
        types = used.collect_schema()
        money = [one for one in ("line_amount", "profit_amount") if one in types]
        sums = engine.collect(used.select(*[nw.col(one).abs().sum().alias(one) for one in money]), 1).iloc[0]
        for one in money:
            if sums[one] is not None and sums[one] >= Decimal(10) ** (PRECISION - types["line_amount"].scale):
                raise InputError(
                    "E-NUM-4",
                    f"the amounts add up to {sums[one]:f}, more than can be kept exactly: check the unit of the amounts, or lower"
                    " money_decimals or max_amount",
                    file=", ".join(self.labels[name][:3]),
                    column=one,
                )

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

    def _open(self, name: str) -> Table:
        return engine.read_parquet(self.connection, self.folder / f"{name}.parquet")

    def _write(self, name: str, table: Table) -> None:
        engine.write_parquet(table, self.folder / f"{name}.parquet")
        self._note_file(name)

    def _note_file(self, name: str) -> None:
        file = self.folder / f"{name}.parquet"
        self.tables[name] = {"sha256": sha256(file), "n_rows": pa.parquet.read_metadata(file).num_rows}

    def write_notes(self) -> None:
        """The ledger, the rejects, the completeness and the warnings, as tables of the database."""
        for label, ignored in self.ignored_columns.items():
            name, records = self.readers[label]
            self.warn(name, label, notice_ignored(ignored, records))
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
