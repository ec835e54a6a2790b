"""What the published reports of a month say of one customer: the group, the advice and its reason, and where they disagree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import narwhals as nw
import pandas as pd

from crm_analysis import engine, language, methods
from crm_analysis.language import _, mark
from crm_analysis.report.bundle import read_manifest
from crm_analysis.report.elements import head, is_missing, show_value
from crm_analysis.schema import CUSTOMERS, SIDES, Column, Shape
from crm_analysis.warehouse import Meta

CUSTOMERS_FILE, ACTIONS_FILE = "customers.parquet", "actions.parquet"
# A customer has a row for each part of a report, such as orders and contracts.
MAX_PARTS = 10

PLACES = Shape(
    "one row per report of the month",
    {
        "report": Column("text", "report"),
        "group": Column("text", "group"),
        "priority": Column("integer", "priority, 1 first"),
        "stance": Column("label", "aim"),
        "expected_amount": Column("money", "expected value"),
    },
)
# Columns whose names are made from a report's parameters, which no shape explains.
_MADE = {
    r"value_(\d+)m_amount": mark("expected value of the next {} months"),
    r"expected_orders_(\d+)m": mark("expected orders of the next {} months"),
    r"(\w+)_group": mark("prefers, by {}"),
}


@dataclass(frozen=True)
class Place:
    """What one report says. ``row``: of PLACES; ``action`` and ``reason``: its advice, '' without one; ``facts``: what it measured."""

    title: str
    row: dict
    action: str
    reason: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Places:
    """``missing``: methods whose report could be made, but is not published, or is damaged; ``silent``: titles of those that do not know the
    customer; ``left_out``: title → why a report was not made; ``language``, ``is_stale``: of the bundle, which was made from other
    data."""

    places: list[Place] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    language: str = ""
    is_published: bool = False
    is_stale: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([one.row for one in self.places], columns=list(PLACES.columns), dtype=object)


def find_places(
    bundle: Path, meta: Meta, customer_id: str, session: engine.Session, titles: Mapping[str, str]
) -> Places:
    """What the bundle of a month says. ``titles``: method → the report's title."""
    manifest = read_manifest(bundle)
    reports, damaged = manifest["reports"], set(manifest["damaged"])
    found = Places(
        missing=[one for one in titles if one not in reports and set(methods.load(one).REQUIRES) <= set(meta.tables)],
        left_out=[(titles[name], one["reason"]) for name, one in reports.items() if name in titles and one["reason"]],
        language=manifest.get("language", ""), is_published=bool(reports), is_stale=manifest.get("database") != meta.fingerprint,
    )  # fmt: skip
    for name in [one for one in reports if one in titles and not reports[one]["reason"]]:
        files = [f"data/{name}/{file}" for file in (CUSTOMERS_FILE, ACTIONS_FILE)]
        if damaged & set(files):
            found.missing.append(name)
            continue
        rows, advice = (_read(session, bundle / file, customer_id) for file in files)
        if rows or advice:
            found.places.append(_describe(methods.load(name), titles[name], rows, advice, meta.currency))
        elif (bundle / files[0]).is_file():
            found.silent.append(titles[name])
    found.missing.sort(key=list(titles).index)
    return found


def _read(session: engine.Session, path: Path, customer_id: str) -> list[dict]:
    if not path.is_file():
        return []
    own = engine.read_parquet(session, path).filter(nw.col("customer_id") == customer_id)
    return engine.collect(own, MAX_PARTS).to_dict("records")


def _describe(module: ModuleType, title: str, rows: list[dict], advice: list[dict], currency: str) -> Place:
    columns = explain(module, rows[0] if rows else {})
    given = advice[0] if advice else {}
    row = {
        "report": short_title(title),
        "group": _group(module, rows, given, currency),
        **{name: given.get(name) for name in ("priority", "stance", "expected_amount")},
    }
    facts = [
        (head(columns[name], currency), show_value(name, columns[name], value, currency))
        for one in rows
        for name, value in one.items()
        if name in columns and not is_missing(value)
    ]
    return Place(title, row, _(given.get("action", "")), given.get("reason", ""), facts)


def short_title(title: str) -> str:
    """The name of a report without its question."""
    return re.split("[:：]", title)[0]


def _group(module: ModuleType, rows: list[dict], given: dict, currency: str) -> str | None:
    """In which group the report has the customer, one for each part: the column ``segment``, or the one that has the name of
    what the report calls it, or of the report itself, or the first preference (``…_group``)."""
    column, method = module.ACTIONS.columns["segment"], module.__name__.rpartition(".")[2]
    found = rows[0] if rows else {}
    names = [name for name in ("segment", column.meaning, method) if name in found]
    names += [name for name in found if name.endswith("_group")]
    values = [one[names[0]] for one in rows] if names else [given.get("segment")]
    shown = [show_value("segment", column, one, currency) for one in values if not is_missing(one)]
    return language.listed(list(dict.fromkeys(shown))) if shown else None


def explain(module: ModuleType, row: dict) -> dict[str, Column]:
    """What the columns of a report's customers mean, of those that only this report measures: by the shape that shares most
    columns with them, the action list's, or their name."""
    shapes = [one for one in vars(module).values() if isinstance(one, Shape)]
    shapes.sort(key=lambda one: len(set(one.columns) & set(row)))
    known = {name: column for one in [*shapes, module.ACTIONS] for name, column in one.columns.items()}
    left_out = {*CUSTOMERS.columns, "reason", "segment", module.ACTIONS.columns["segment"].meaning}
    columns = {}
    for name, value in row.items():
        if name in left_out or name.endswith("_day"):
            continue
        column = known.get(name) or _made(name, value)
        if column is not None:
            columns[name] = column
    return columns


def _made(name: str, value: object) -> Column | None:
    """A column without a shape: of a text its name is what it means."""
    kind = "text" if isinstance(value, str) else "money" if name.endswith("_amount") else "quantity"
    for pattern, words in _MADE.items():
        if made := re.fullmatch(pattern, name):
            return Column(kind, _(words).format(_(made[1].replace("_", " "))))
    return Column(kind, language.attribute(name)) if kind == "text" else None


def tell_advice(places: list[Place]) -> list[str]:
    """The most urgent advice (of equals that which is expected to be worth most), and which reports advise what where they
    disagree about the customer: gone, there, or not worth the effort."""
    advised = [one for one in places if one.row["stance"]]
    if not advised:
        return []
    first = min(advised, key=lambda one: (one.row["priority"], -_amount(one.row["expected_amount"])))
    text = _("The most urgent advice, by {report}: {action}.")
    told = [text.format(report=first.row["report"], action=first.action.rstrip(".。"))]
    by_stance = defaultdict(list)
    for one in advised:
        by_stance[one.row["stance"]].append(one.row["report"])
    if len({SIDES[one] for one in by_stance}) > 1:
        views = [
            _("{aim} ({reports})").format(aim=_(aim), reports=language.listed(names))
            for aim, names in by_stance.items()
        ]
        told.append(_("The reports disagree about this customer: {views}.").format(views="; ".join(views)))
    return told


def _amount(value: object) -> float:
    return 0.0 if is_missing(value) else float(value)
