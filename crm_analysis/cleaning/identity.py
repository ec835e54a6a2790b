"""Who the customers are: their identifying data in standard spelling, and which of them are one and the same.

Personal data: they stand in the table ``identities`` of the customer database, which no method reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa

from crm_analysis import engine
from crm_analysis.cleaning import merging
from crm_analysis.cleaning.comparing import fold_people
from crm_analysis.cleaning.duplicates import find_pairs
from crm_analysis.cleaning.plan import IDENTITY_PREFIX
from crm_analysis.cleaning.rules import POSITION
from crm_analysis.cleaning.standards import invalid, notice, standardise
from crm_analysis.engine import Table
from crm_analysis.errors import InputError
from crm_analysis.schema import IDENTITY, MERGES, PAIRS
from crm_analysis.sources.contract import Contract, Identity
from crm_analysis.sources.records import DATE_TEXT, MOMENT_TEXT, Noticed

# The same e-mail, telephone or number of more customers than this says nothing of who they are: a switchboard, a dummy.
MAX_SHARING = 10
_UNSHARED = ("email", "phone", "personal_number")
_KINDS = {"email": "email", "phone": "phone", "region": "region", "country": "country", "company_name": "company"}
MAX_IDS = 10_000_000


def read_identities(used: Table, contract: Contract) -> Table:
    """The used rows of customers → their identifying columns in standard spelling, with ``repaired:``, ``invalid:`` and
    ``shared:`` flags and their position."""
    table = contract.tables["customers"]
    columns = [one for one in IDENTITY.columns if one in table.identity.columns]
    rows = used.select(
        POSITION,
        "customer_id",
        **{one: nw.col(IDENTITY_PREFIX + one) for one in columns},
        **{f"repaired:{one}": nw.col(f"repaired:{IDENTITY_PREFIX}{one}") for one in columns},
    )
    kinds = {one: _KINDS.get(one, "name") for one in columns if one != "birth_date"}
    rows = standardise(rows, kinds, contract.country, keep=False)
    if "birth_date" in columns:
        formats = [one for one in (table.format.date, table.format.datetime) if one]
        rows = rows.with_columns(_written=nw.col("birth_date"))
        rows = engine.parse_moments(rows, {"birth_date": [*formats, DATE_TEXT, MOMENT_TEXT]}, contract.time_zone)
        rows = rows.with_columns(
            nw.col("birth_date").cast(nw.Date),
            (~nw.col("_written").is_null() & nw.col("birth_date").is_null()).alias(invalid("birth_date")),
        ).drop("_written")
    rows = engine.materialise(rows)
    for column in set(_UNSHARED) & set(columns):
        counted = rows.filter(~nw.col(column).is_null()).group_by(column).agg(n=nw.len())
        often = counted.filter(nw.col("n") > MAX_SHARING).select(column, nw.lit(True).alias(_shared(column)))
        rows = rows.join(often, on=column, how="left").with_columns(nw.col(_shared(column)).fill_null(False))
    return engine.materialise(rows)


def _shared(column: str) -> str:
    return f"shared:{column}"


def warnings(rows: Table, labels: list[str]) -> Iterator[tuple[str, Noticed]]:
    """What readers must know of the identities, by file: E-STD-1 not valid, E-STD-2 shared by many."""
    flags = rows.collect_schema().names()
    for column in IDENTITY.columns:
        if invalid(column) in flags:
            yield from notice(rows, "E-STD-1", column, nw.col(invalid(column)), labels)
        if _shared(column) in flags:
            yield from notice(rows, "E-STD-2", column, nw.col(_shared(column)), labels)


@dataclass(frozen=True)
class Duplicates:
    """``pairs`` (schema.PAIRS), ``merges`` (schema.MERGES); ``n_open``: pairs that a person should look at; ``is_learnt``: whether
    there was enough to learn weights from."""

    pairs: pd.DataFrame
    merges: pd.DataFrame
    n_open: int
    is_learnt: bool


def find_duplicates(
    connection: duckdb.DuckDBPyConnection, rows: Table, customers: Table, identity: Identity, decisions_path: Path
) -> Duplicates:
    """The customers among ``rows`` (from read_identities) that are one, by their probability and by what a person decided."""
    decisions = merging.read_decisions(decisions_path)
    _refuse_unknown(connection, customers, decisions, decisions_path.name)
    columns = [one for one in IDENTITY.columns if one in rows.collect_schema().names()]
    unshared = [
        nw.when(~nw.col(_shared(one))).then(nw.col(one)).alias(one) if one in _UNSHARED else one for one in columns
    ]
    people = fold_people(rows.select(*unshared))
    found = find_pairs(connection, people, identity.review_from)
    groups = merging.form_groups(found.pairs, decisions, identity.merge_from, decisions_path.name)
    pairs = merging.add_decisions(found.pairs, decisions)
    if not identity.merge:
        groups = merging.Groups()
    ids = {*pairs["customer_id"], *pairs["other_customer_id"]}
    pairs, merges = merging.settle(pairs, groups, _signed_up(connection, customers, ids))
    return Duplicates(pairs, merges, len(open_pairs(pairs, merges)), found.is_learnt)


def open_pairs(pairs: pd.DataFrame, merges: pd.DataFrame) -> pd.DataFrame:
    """The pairs that are not taken for one and that nobody has decided, the most probable first."""
    kept = dict(zip(merges["customer_id"], merges["kept_customer_id"], strict=True))
    sides = [pairs[name].map(lambda one: kept.get(one, one)) for name in ("customer_id", "other_customer_id")]
    is_open = (sides[0] != sides[1]) & (pairs["why"] != merging.DECIDED)
    order = ["match_prob", "customer_id", "other_customer_id"]
    return pairs[is_open].sort_values(order, ascending=[False, True, True], ignore_index=True)


def as_table(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> Table:
    """PAIRS or MERGES as a table of the engine."""
    shape = PAIRS if "other_customer_id" in frame else MERGES
    schema = pa.schema([(name, pa.float64() if name == "match_prob" else pa.string()) for name in shape.columns])
    return nw.from_native(connection.from_arrow(pa.Table.from_pandas(shape.frame(frame), schema, preserve_index=False)))


def _among(connection: duckdb.DuckDBPyConnection, customers: Table, ids: set[str]) -> pd.DataFrame:
    """The rows of customers with these ids."""
    wanted = nw.from_native(connection.from_arrow(pa.table({"customer_id": pa.array(sorted(ids), pa.string())})))
    return engine.collect(customers.join(wanted, on="customer_id", how="semi"), MAX_IDS)


def _refuse_unknown(connection, customers: Table, decisions: list[merging.Decision], file: str) -> None:
    ids = {one for decision in decisions for one in decision[:2]}
    known = set(_among(connection, customers.select("customer_id"), ids)["customer_id"]) if ids else set()
    for one in decisions:
        if not {one.customer_id, one.other_customer_id} <= known:
            raise InputError(
                "E-DUP-2", "there is no customer of this id: correct or remove the line", file=file, rows=one.line
            )


def _signed_up(connection, customers: Table, ids: set[str]) -> dict[str, object]:
    if "signed_up_date" not in customers.collect_schema().names() or not ids:
        return {}
    found = _among(connection, customers.select("customer_id", "signed_up_date"), ids)
    return dict(zip(found["customer_id"], found["signed_up_date"], strict=True))
