"""Which customer is meant, and the source's tables with nobody else in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import pandas as pd

from crm_analysis import engine, warehouse
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import ParameterError
from crm_analysis.schema import CANONICAL

# An id that is longer is not read from any file.
MAX_ID_LENGTH, MAX_SHOWN = CANONICAL["customers"].columns["customer_id"].max_length, 40
N_NEAREST, MAX_MERGED = 3, 1000
# Tables of no customer that say more of a customer's rows.
_ABOUT = ("products", "campaigns")
# Their ids stand in another table, too.
_REPEATING = ("order_lines",)


@dataclass(frozen=True)
class Customer:
    """``customer_id``: under which the customer is analysed. ``tables``: the canonical tables that name customers, with the rows of this one,
    and what is told of products and campaigns. ``identity``: who it is, of the ids taken for one too (schema.IDENTITY, perhaps
    without rows). ``merges``: of schema.MERGES, the ids taken for this one."""

    customer_id: str
    tables: Tables
    identity: pd.DataFrame
    merges: pd.DataFrame


def find_customer(folder: Path, session: engine.Session, wanted: str) -> Customer:
    """The customer ``wanted``, or the one that it is taken for. Raises ParameterError E-PAR-1, which names the nearest ids, where
    the source does not know it."""
    tables = {
        name: engine.read_parquet(session, folder / f"{name}.parquet") for name in warehouse.read_meta(folder).tables
    }
    naming = {name: one for name, one in tables.items() if name in CANONICAL and _names_customers(one)}
    if not naming:
        raise ParameterError(
            "E-PAR-1", "the source names no customers, so none has a page", file=folder.name, column="ID"
        )
    merges = _read_merges(tables, wanted)
    kept = merges["kept_customer_id"].iloc[0] if len(merges) else wanted
    ids = [kept, *merges["customer_id"]]
    own = {name: engine.materialise(one.filter(nw.col("customer_id").is_in(ids))) for name, one in naming.items()}
    if len(wanted) > MAX_ID_LENGTH or not any(engine.n_rows(one.head(1)) for one in own.values()):
        raise _unknown(wanted, naming, folder.name)
    if "customers" in own:
        own["customers"] = own["customers"].filter(nw.col("customer_id") == kept)
    own = {name: one.with_columns(customer_id=nw.lit(kept)) for name, one in own.items()}
    about = {name: tables[name] for name in _ABOUT if name in tables}
    return Customer(kept, {**own, **about}, _read_identity(tables, ids), merges)


def _names_customers(table: Table) -> bool:
    return "customer_id" in table.collect_schema().names()


def _read_merges(tables: Tables, wanted: str) -> pd.DataFrame:
    if "merges" not in tables:
        return pd.DataFrame(columns=["customer_id", "kept_customer_id", "match_prob", "why"])
    is_it = nw.col("customer_id") == wanted
    kept = engine.collect(tables["merges"].filter(is_it), 1)["kept_customer_id"].tolist() or [wanted]
    same = tables["merges"].filter(nw.col("kept_customer_id") == kept[0])
    return engine.collect(same.sort("customer_id"), MAX_MERGED)


def _read_identity(tables: Tables, ids: list[str]) -> pd.DataFrame:
    if "identities" not in tables:
        return pd.DataFrame(columns=["customer_id"])
    return engine.collect(tables["identities"].filter(nw.col("customer_id").is_in(ids)), MAX_MERGED + 1)


def _unknown(wanted: str, naming: Mapping[str, Table], source: str) -> ParameterError:
    near = (
        f": the nearest are {', '.join(map(_quoted, find_nearest(wanted, naming)))}"
        if len(wanted) <= MAX_ID_LENGTH
        else ""
    )
    return ParameterError("E-PAR-1", f"unknown customer {_quoted(wanted)}{near}", file=source, column="ID")


def _quoted(text: str) -> str:
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text)
    return f"'{shown[:MAX_SHOWN]}{'…' if len(shown) > MAX_SHOWN else ''}'"


def find_nearest(wanted: str, naming: Mapping[str, Table]) -> list[str]:
    """The ids that fewest changes of letters part from ``wanted``, zeros before them apart, of equals those that begin alike;
    counted by the engine."""
    ids = nw.concat([one.select("customer_id") for name, one in naming.items() if name not in _REPEATING]).unique()
    ids = ids.filter(~nw.col("customer_id").is_null()).with_columns(
        bare=nw.col("customer_id").str.replace_all("^0+", "")
    )
    ids = engine.add_edit_distance(ids, "distance", "bare", wanted.lstrip("0"))
    begins_alike = nw.col("customer_id").str.starts_with(wanted[: len(wanted) // 2 + 1])
    ids = ids.with_columns(place=nw.when(begins_alike).then(nw.lit(0)).otherwise(nw.lit(1)))
    return engine.collect(ids.sort("distance", "place", "customer_id").head(N_NEAREST), N_NEAREST)[
        "customer_id"
    ].tolist()
