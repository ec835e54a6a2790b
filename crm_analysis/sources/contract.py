"""The data contract of one source: ``params/sources/<name>.yml``.

It says which files hold which canonical table, in which columns and formats. Nothing about a file is guessed in a run:
what the contract does not say is an error that names the file and what to write.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from babel import Locale
from babel.numbers import get_currency_precision, list_currencies

from crm_analysis.errors import InputError, ParameterError
from crm_analysis.params import Entries, build, nearest, read_yaml
from crm_analysis.schema import CANONICAL, IDENTITY

# The columns that give a row a number of its own.
_ROW_IDS = ("order_id", "contract_id", "invoice_id", "interaction_id", "opportunity_id", "feedback_id")
# The tables of things that the rows of another table may tell of.
_TOLD_OF = ("customers", "products", "salespeople", "campaigns")
_KINDS = {".xlsx": "excel", ".xls": "excel", ".parquet": "parquet"}
_COUNTRIES = frozenset(one for one in Locale("en").territories if re.fullmatch("[A-Z]{2}", one))
# As ``yes`` or ``no`` of a flag: any text that the other does not list.
REST = ("rest",)
# What stands in a draft where a person must decide.
DECIDE = "DECIDE"
NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Melt:
    """A wide table, such as one column per month, read as a long one: each of these columns' cells becomes a row, with the
    column's name in ``name_to`` and the cell in ``value_to``; an empty cell is a blank row.

    ``columns`` lists them, or says what stands for each name (``{Januar: 2024-01}``); or ``pattern`` is a regular expression
    for whole names, whose group, or whole, stands for the name.
    """

    columns: dict[str, str] | tuple[str, ...] = ()
    pattern: str | None = None
    name_to: str
    value_to: str

    def __post_init__(self) -> None:
        if (self.pattern is None) == (not self.columns):
            raise ValueError("write either 'columns' or 'pattern'")
        if self.name_to == self.value_to:
            raise ValueError("name_to and value_to must differ")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern '{self.pattern}' cannot be used: {error}") from None

    def names(self, columns: list[str]) -> dict[str, str]:
        """Of a file's columns those to be melted → what stands for their names."""
        if self.pattern is None:
            return self.columns if isinstance(self.columns, dict) else {one: one for one in self.columns}
        found = {one: re.fullmatch(self.pattern, one) for one in columns}
        return {one: match[match.re.groups and 1] for one, match in found.items() if match}


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a table's files are written. ``delimiter`` may be ``tab`` or ``whitespace``; with ``header: false`` columns
    are named by their position from 1. ``datetime`` and ``date`` are strptime formats; a spreadsheet's own date cells
    need none. With ``serial_dates`` a number is a date too, as spreadsheets count days. ``max_bytes``: a larger file,
    unpacked where it is compressed, is not read. ``accounting``: numbers below zero may be written (12.50) or 12.50-, and digits
    full-width. ``sheet`` names a sheet of a workbook or several of equal columns, in which ``*`` and ``?`` stand for any
    characters; ``sheet_to`` makes the sheet's name a column."""

    kind: Literal["csv", "excel", "parquet"] | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: Literal["double", "single", "none"] = "double"
    header: bool = True
    skip_rows: int = 0
    decimal: str = "."
    thousands: str = ""
    datetime: str | None = None
    date: str | None = None
    sheet: str | tuple[str, ...] | None = None
    sheet_to: str | None = None
    melt: Melt | None = None
    serial_dates: bool = False
    max_bytes: int = 20_000_000_000
    accounting: bool = False

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding '{self.encoding}' is not known; examples: utf-8, gb18030, cp1252") from None
        if self.delimiter not in ("tab", "whitespace") and len(self.delimiter) != 1:
            raise ValueError("delimiter must be one character, tab or whitespace")
        if len(self.decimal) != 1 or len(self.thousands) > 1 or self.decimal == self.thousands:
            raise ValueError("decimal must be one character, thousands another one or none")
        if self.sheet_to and not self.sheet:
            raise ValueError("sheet_to needs sheet, which names the sheets")
        if self.skip_rows < 0:
            raise ValueError("skip_rows must not be negative")

    def kind_of(self, name: str) -> str:
        """The kind of a file: as written here, else by its name's ending; anything unknown is CSV."""
        return self.kind or _KINDS.get(Path(name).suffix.lower(), "csv")


@dataclass(frozen=True, kw_only=True)
class DatabaseSource:
    """A table of a database, or what a query of the contract's owner selects.

    ``url`` is SQLAlchemy's, such as ``postgresql+psycopg://crm@db.example.com:5432/shop`` or ``sqlite:///data/shop.db`` (from the
    project's folder); ``${NAME}`` stands for an environment variable. It never holds a password: ``password_from`` names the
    environment variable that does. ``table`` may name its schema: ``sales.orders``. The user needs no right but to read. Typed
    columns need no format; a date or a number that is a text in the database is read by the table's.
    """

    url: str
    table: str | None = None
    query: str | None = None
    password_from: str | None = None

    def __post_init__(self) -> None:
        if (self.table is None) == (self.query is None):
            raise ValueError("write either 'table' or 'query'")
        refuse_password(self.url)


def refuse_password(url: str) -> None:
    """Raise ValueError for a URL that holds a password, or is none; the message shows nothing of it."""
    # A library that only sources in a database need.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("url must look like postgresql+psycopg://user@host:5432/database") from None
    if parts.password is not None or re.search("passw|pwd|secret|token", str(dict(parts.query)), re.IGNORECASE):
        raise ValueError(
            "the url holds a password: remove it, set an environment variable to it and write that one's name as password_from"
        )


@dataclass(frozen=True, kw_only=True)
class ColumnSource:
    """Where a canonical column comes from: one column of the file, or several joined by a blank; or a ``value`` that the file
    does not have, written as the file would.

    ``same_as``: other spellings of a value, and what each stands for. An attribute may be found in a text: ``words`` lists what to look for, or names for lists of words, and the first that
    occurs, as a word of its own and in any case, is the value; ``pattern`` is a regular expression whose group, or whole, is
    the value. ``yes`` and ``no`` are how a column that is true or false writes so; one of them may be ``rest``: any other text.
    ``optional``: a file may lack the column, which is then empty.
    """

    column: str | None = None
    columns: tuple[str, ...] = ()
    value: str | None = None
    same_as: dict[str, str] = field(default_factory=dict)
    strip_prefix: str = ""
    strip_suffix: str = ""
    words: dict[str, tuple[str, ...]] | tuple[str, ...] = ()
    pattern: str | None = None
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    optional: bool = False
    standard: Literal["region", "country", "company", "name", "email", "phone"] | None = None

    def __post_init__(self) -> None:
        if (self.column is not None) + bool(self.columns) + (self.value is not None) != 1:
            raise ValueError("write one of 'column', 'columns' and 'value'")
        if self.words and self.pattern is not None:
            raise ValueError("write either 'words' or 'pattern'")
        if "" in self.words or any("" in one for one in self.spellings.values()):
            raise ValueError("a word is empty")
        if set(self.yes) & set(self.no):
            raise ValueError("a text cannot be both 'yes' and 'no'")
        if self.pattern is not None:
            try:
                # The engine's regular expressions: no look-around, no back reference, and never slow.
                pc.match_substring_regex(pa.array([""]), self.pattern)
                re.compile(self.pattern)
            except (pa.ArrowInvalid, re.error) as error:
                raise ValueError(f"pattern '{self.pattern}' cannot be used: {error}") from None

    @property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """Value → the words that stand for it."""
        return self.words if isinstance(self.words, dict) else {one: (one,) for one in self.words}

    @property
    def is_sought(self) -> bool:
        """Whether the value is found in the column's text, and is not the text itself."""
        return bool(self.words) or self.pattern is not None

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns or ((self.column,) if self.column is not None else ())


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Rows whose ``column`` (canonical, or of the file) begins with ``prefix`` or is one of ``values``."""

    column: str
    prefix: str | None = None
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.prefix is None) == (not self.values):
            raise ValueError("write either 'prefix' or 'values'")


@dataclass(frozen=True, kw_only=True)
class Exclusion(Rule):
    """Rows that are no business of the analysis, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Returns:
    """How an export marks returns; a marked row's amount is taken as negative whatever its sign."""

    order_id_prefix: str | None = None
    column: str | None = None
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.order_id_prefix is None) == (self.column is None) or (self.column is None) != (not self.values):
            raise ValueError("write either 'order_id_prefix', or 'column' and 'values'")

    @property
    def rule(self) -> Rule:
        if self.column is None:
            return Rule(column="order_id", prefix=self.order_id_prefix)
        return Rule(column=self.column, values=self.values)


def _sources(columns: dict[str, ColumnSource | str]) -> dict[str, ColumnSource]:
    return {name: one if isinstance(one, ColumnSource) else ColumnSource(column=one) for name, one in columns.items()}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What identifies a customer (schema.IDENTITY), and from which probability two customers are taken for one, or a person
    should look. With ``merge: false`` the pairs are only listed."""

    columns: dict[str, ColumnSource | str]
    merge_from: float = 0.95
    review_from: float = 0.5
    merge: bool = True

    def __post_init__(self) -> None:
        if not 0.01 <= self.review_from <= self.merge_from <= 1:
            raise ValueError("review_from goes from 0.01 to merge_from, merge_from to 1")

    @property
    def sources(self) -> dict[str, ColumnSource]:
        """Identifying column → where it comes from."""
        return _sources(self.columns)


@dataclass(frozen=True, kw_only=True)
class FillDown:
    """Columns of the file that are written on the first of some rows only, such as the state of an order beside its first line:
    where they are empty they are those of the row before, among the rows with the same text in ``within``."""

    within: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableContract:
    """One canonical table of the source.

    ``negatives``: what a negative amount is that no rule of ``returns`` marks; where this is not said, a few are rejected and
    more stop the run. ``conflicts``: what becomes of rows that have a key in common and differ: all are rejected, or stop the run,
    or of a key the first is kept (of dated records, which are exported again when they change, the last) and under an order number
    each customer's order; by default customers, products and orders are rejected, order lines and dated records kept.
    ``free_orders``: whether an order of only
    free lines counts as an order. ``duplicates``: what becomes of an exact repetition of a row; by default it is dropped
    where rows have an id of their own, and kept where equal rows may well be different orders. ``allow_empty``: whether a
    file may have a header and no rows.
    """

    files: tuple[str, ...] = ()
    database: DatabaseSource | None = None
    from_: str | None = None
    format: Format = field(default_factory=Format)
    columns: dict[str, ColumnSource | str]
    attributes: dict[str, ColumnSource | str] = field(default_factory=dict)
    fill_down: FillDown | None = None
    returns: Returns | None = None
    exclude: tuple[Exclusion, ...] = ()
    negatives: Literal["return", "reject"] | None = None
    free_orders: Literal["count", "ignore"] = "ignore"
    duplicates: Literal["drop", "keep"] | None = None
    allow_empty: bool = False
    conflicts: Literal["reject", "stop", "keep"] | None = None
    identity: Identity | None = None

    def __post_init__(self) -> None:
        if bool(self.files) + (self.database is not None) + (self.from_ is not None) != 1:
            raise ValueError("write either 'files', 'database' or 'from'")
        if self.database is not None and (self.format.kind or not self.format.header):
            raise ValueError("kind and header are for files")

    @property
    def sources(self) -> dict[str, ColumnSource]:
        """Canonical or attribute name → where it comes from."""
        return _sources({**self.columns, **self.attributes})

    @property
    def drops_duplicates(self) -> bool:
        has_id = any(one in self.columns for one in _ROW_IDS)
        return (self.duplicates or ("drop" if has_id else "keep")) == "drop"


@dataclass(frozen=True, kw_only=True)
class Ids:
    """How ids of all tables are compared, beyond blanks and width. ``case``: whether ab and AB are two, or one, written small.
    ``exponents``: what 1.38E+10 is, a number that a spreadsheet has cut, or a code of its own."""

    case: Literal["keep", "fold"] = "keep"
    exponents: Literal["reject", "keep"] = "reject"


@dataclass(frozen=True, kw_only=True)
class ValidDates:
    """Days outside are typing errors, not orders."""

    from_: date = date(1990, 1, 1)
    to: date = date(2099, 12, 31)


@dataclass(frozen=True, kw_only=True)
class SampleCompany:
    """Have the sample company written into ``folder`` before it is read."""

    folder: str
    seed: int
    n_customers: int


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A source. ``country``: whose telephone numbers and provinces are meant where nothing else is said. ``money_decimals``:
    the most decimals that its amounts are written with, by default the currency's. ``covers_until``: the last day the export
    covers, where the last order is earlier or nothing is dated."""

    company: str
    description: str = ""
    # The same for readers of other languages, such as zh: …
    description_in: dict[str, str] = field(default_factory=dict)
    currency: str
    time_zone: str
    country: str | None = None
    money_decimals: int | None = None
    quantity_decimals: int = 0
    max_amount: int = 10_000_000
    covers_until: date | None = None
    valid_dates: ValidDates = field(default_factory=ValidDates)
    ids: Ids = field(default_factory=Ids)
    sample_company: SampleCompany | None = None
    tables: dict[str, TableContract]

    def __post_init__(self) -> None:
        if self.currency not in list_currencies():
            raise ValueError(f"currency '{self.currency}' is not an ISO 4217 code such as EUR, CNY, JPY")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"time_zone '{self.time_zone}' is not a zone such as Asia/Shanghai") from None
        if self.country is not None and self.country not in _COUNTRIES:
            raise ValueError(f"country '{self.country}' is not an ISO 3166 code such as DE, CN, JP")
        if not 0 <= self.quantity_decimals <= 4 or not 0 <= self.decimals <= 6:
            raise ValueError("money_decimals goes from 0 to 6, quantity_decimals from 0 to 4")
        if "order_lines" in self.tables and "orders" in self.tables:
            raise ValueError("give either 'order_lines' or 'orders', not both")

    @property
    def decimals(self) -> int:
        return get_currency_precision(self.currency) if self.money_decimals is None else self.money_decimals

    def dates(self, name: str) -> list[str]:
        """The columns that date the rows of a table with files of its own; none where it is not here or undated."""
        table = self.tables.get(name)
        return [one for one in CANONICAL[name].dated_by if table and table.from_ is None and one in table.columns]

    @property
    def is_dated(self) -> bool:
        """Whether some table says when something happened."""
        return any(self.dates(name) for name in self.tables)


def read_contract(path: Path) -> Contract:
    """The contract in a file, checked against the canonical tables. Raises ParameterError."""
    entries = read_yaml(path)
    if undecided := list(find_undecided(entries)):
        column, line = undecided[0]
        more = f" ({len(undecided) - 1} more below)" if len(undecided) > 1 else ""
        fix = f"write what is right in place of {DECIDE}{more}; the comment beside it says what was seen"
        raise ParameterError("E-PAR-5", fix, file=path, column=column, rows=line)
    contract = build(Contract, entries, path)
    for name, table in contract.tables.items():
        _check_table(contract, name, table, path)
    if not contract.is_dated and contract.covers_until is None:
        raise ParameterError(
            "E-PAR-3", "nothing in this source is dated: write covers_until beside currency, the day on which the export was"
            " made", file=path, column="covers_until",
        )  # fmt: skip
    return contract


def find_undecided(entries: Entries, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Where a draft still holds the mark of what a person must decide: the entry and its line."""
    for key, value in entries.items():
        if isinstance(value, Entries):
            yield from find_undecided(value, f"{prefix}{key}.")
        elif re.search(rf"\b{DECIDE}\b", str(value)):
            yield prefix + key, entries.lines[key]


def _check_table(contract: Contract, name: str, table: TableContract, path: Path) -> None:
    def refuse(message: str, column: str) -> None:
        raise ParameterError("E-PAR-3", message, file=path, column=f"tables.{name}.{column}")

    if name not in CANONICAL:
        refuse(f"unknown table{nearest(name, CANONICAL)}", "")
    shape = CANONICAL[name]
    _check_spellings(contract, name, table, refuse)
    for column in table.columns:
        if column not in shape.columns:
            refuse(f"unknown column{nearest(column, shape.columns)}", f"columns.{column}")
    for column in shape.required:
        if column not in table.columns:
            refuse("this column is needed: name the file's column for it", f"columns.{column}")
    if shape.one_of and not any(all(column in table.columns for column in group) for group in shape.one_of):
        groups = " or ".join(" and ".join(group) for group in shape.one_of)
        refuse(f"give {groups}", "columns")
    for column in table.attributes:
        if not NAME.fullmatch(column) or column in shape.columns:
            refuse("an attribute needs a name of its own in small letters, digits and _", f"attributes.{column}")
    for column, source in table.sources.items():
        is_flag = column in shape.columns and shape.columns[column].type == "flag"
        if is_flag != bool(source.yes and source.no):
            refuse("write {column: …, yes: […], no: […]} for a flag, and for nothing else", f"columns.{column}")
        if source.is_sought and column not in table.attributes:
            refuse("only attributes are found by words or pattern", f"columns.{column}")
        if source.same_as and column in shape.columns and shape.columns[column].type not in ("id", "text"):
            refuse("only ids and texts have other spellings", f"columns.{column}")
        if source.optional and (is_flag or column in {*shape.required, *shape.key, *sum(shape.one_of, ())}):
            refuse("this column is needed: it cannot be optional", f"columns.{column}")
    if table.attributes and not shape.key:
        refuse("lines and orders have no attributes of their own: give them to customers or products", "attributes")
    if name == "contracts" and "started_date" not in table.columns and contract.covers_until is None:
        refuse(
            "without dates of contracts, write covers_until beside currency: the day on which the export was made", ""
        )
    if table.from_ is not None and name not in _TOLD_OF:
        refuse(f"only {', '.join(_TOLD_OF)} can be taken from the rows of another table: write files", "from")
    if table.from_ is not None and (table.from_ not in contract.tables or contract.tables[table.from_].from_):
        refuse(f"'{table.from_}' is not a table with files of its own", "from")
    dated = [column for column in table.columns if shape.columns[column].type in ("moment", "date")]
    has_text_files = table.from_ is None and any(table.format.kind_of(one) == "csv" for one in table.files)
    if dated and has_text_files and not (table.format.datetime or table.format.date or table.format.serial_dates):
        raise InputError(
            "E-DATE-2",
            "write how dates are written, such as datetime: '%d/%m/%Y', under format",
            file=path,
            column=f"tables.{name}.format.datetime",
        )


def _check_spellings(contract: Contract, name: str, table: TableContract, refuse: Callable[[str, str], None]) -> None:
    """What is to be spelled in one way is a text, and where a spelling depends on a country, the country is known."""
    kinds = {one.standard for one in table.sources.values()}
    for column, source in table.sources.items():
        canonical = CANONICAL[name].columns.get(column)
        if source.standard and (source.is_sought or (canonical and canonical.type != "text")):
            refuse("only a text that stands in a column can have a 'standard'", f"columns.{column}.standard")
    if table.identity is not None:
        if name != "customers":
            refuse("only customers have an identity", "identity")
        if table.from_ is not None:
            refuse("only customers with files of their own have an identity", "identity")
        known = [one for one in IDENTITY.columns if one != "customer_id"]
        for column, source in table.identity.sources.items():
            if column not in known:
                refuse(f"unknown column{nearest(column, known)}", f"identity.columns.{column}")
            if source.is_sought or source.standard or source.yes or source.no:
                refuse("write only where it stands: its kind says how it is spelled", f"identity.columns.{column}")
        kinds |= set(table.identity.columns)
    if kinds & {"phone", "region"} and "country" not in kinds and contract.country is None:
        refuse("write country beside currency: whose telephone numbers and provinces these are", "columns")


SIDE_FILES = (".sha256", ".rows")


def find_files(table: TableContract, root: Path, contract_path: Path) -> list[Path]:
    """The table's files, in a stable order. A name is taken as it stands where such a file exists; otherwise ``*`` and
    ``?`` stand for any characters, and the notes beside files (SIDE_FILES) are left out. Relative names start at ``root``.
    Raises InputError: E-FILE-1 where there is no such file, E-PATH-1 for one outside its folder, E-PATH-2 for a name that is
    no text."""
    found: list[Path] = []
    for written in table.files:
        name = with_variables(written, contract_path)
        path = root / name
        matches = [path]
        if not path.exists():
            pattern = str(path).replace("[", "[[]")
            matches = [Path(one) for one in sorted(glob.glob(pattern)) if not one.endswith(SIDE_FILES)]
        if not matches or any(not one.is_file() for one in matches):
            raise InputError("E-FILE-1", f"no such file; the contract {contract_path} names it", file=written)
        for one in matches:
            _check_place(one, written, root, contract_path)
        found += [one for one in matches if one not in found]
    return found


def with_variables(text: str, contract_path: Path) -> str:
    """The text with the values of environment variables in place of ``${NAME}``. Raises ParameterError (E-PAR-2)."""
    return re.sub(r"\$\{(\w+)\}", lambda match: variable(match[1], contract_path), text)


def _check_place(path: Path, written: str, root: Path, contract_path: Path) -> None:
    """A relative name stays within the project, and one that begins with a variable within the variable's folder, wherever
    links and ``..`` lead. An absolute name is the contract's own word."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        fix = "the file's name is not UTF-8: rename it"
        raise InputError("E-PATH-2", fix, file=str(path.name).encode(errors="replace").decode()) from None
    begins = re.match(r"\$\{(\w+)\}", written)
    folder = root / variable(begins[1], contract_path) if begins else root
    if (begins or not Path(written).is_absolute()) and not path.resolve().is_relative_to(folder.resolve()):
        where = f"the folder that ${{{begins[1]}}} names" if begins else "the project's folder"
        raise InputError(
            "E-PATH-1", f"the file is outside {where}: move it there, or write its absolute path", file=written
        )


def variable(name: str, contract_path: Path) -> str:
    """The value of an environment variable. Raises ParameterError (E-PAR-2)."""
    if not os.environ.get(name):
        raise ParameterError(
            "E-PAR-2",
            f"set the environment variable {name}, which the contract uses",
            file=contract_path,
            column=name,
        )
    return os.environ[name]
