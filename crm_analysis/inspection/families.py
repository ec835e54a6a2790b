"""Parts that are one table: several files or sheets of equal columns, and a wide table made long."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from crm_analysis.inspection.dates import Dates
from crm_analysis.inspection.facts import Column, describe
from crm_analysis.inspection.months import Months, find_months, year_in
from crm_analysis.inspection.numbers import Marks
from crm_analysis.inspection.parts import MAX_ROWS, Part
from crm_analysis.inspection.words import fold
from crm_analysis.sources.contract import DECIDE

# Of a workbook's sheets and a file's encodings each may say its own.
_MAY_DIFFER = ("sheet", "encoding")


@dataclass
class Family:
    """Parts of equal columns and format. ``entries`` and ``why`` are their format's; ``columns`` describe the rows of all."""

    parts: list[Part]
    entries: dict[str, object]
    why: dict[str, str]
    columns: list[Column] = field(default_factory=list)
    marks: Marks = Marks(".", "", {})
    months: Months | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        first = self.parts[0]
        return f"{first.path.stem} {first.sheet or ''}"

    @property
    def paths(self) -> list[Path]:
        return list(dict.fromkeys(one.path for one in self.parts))


def group(parts: list[Part]) -> list[Family]:
    """The families of these parts, in the order of their first."""
    alike: dict[tuple, list[Part]] = {}
    for one in parts:
        if one.rows:
            fixed = tuple(sorted((key, str(value)) for key, value in one.entries.items() if key not in _MAY_DIFFER))
            names = one.names if any(one.names) else one.columns
            alike.setdefault((one.kind, tuple(map(fold, names)), fixed), []).append(one)
    return [_family(found) for found in alike.values()]


def _family(parts: list[Part]) -> Family:
    first = parts[0]
    family = Family(parts, dict(first.entries), dict(first.why), notes=list(first.notes))
    _agree_on_encoding(family)
    _name_sheets(family)
    each = MAX_ROWS // len(parts) + 1
    rows = [row for one in parts for row in one.rows[:each]] if len(parts) > 1 else first.rows
    family.columns, family.marks = describe(first.columns, first.names, rows)
    _melt(family, rows)
    return family


def _agree_on_encoding(family: Family) -> None:
    found = {one.entries.get("encoding"): one for one in family.parts}
    if len(found) < 2:
        return
    # Where only ASCII was seen, any of these encodings reads the same.
    told = [name for name, one in found.items() if "ASCII" not in one.why["encoding"]]
    family.entries["encoding"] = told[0] if len(told) == 1 else DECIDE
    family.why["encoding"] = (
        found[told[0]].why["encoding"]
        if len(told) == 1
        else "; ".join(f"{one.label}: {name}" for name, one in found.items()) + ": save them in one encoding"
    )


def _name_sheets(family: Family) -> None:
    """The entry for sheets: their names, or ``*`` where they are all that the workbooks hold."""
    names = list(dict.fromkeys(one.sheet for one in family.parts if one.sheet))
    if len(family.parts) > len(family.paths):
        family.entries["sheet"] = names if len(family.paths) == 1 else "*"
        family.why["sheet"] = f"{len(names)} sheets have the same columns"
        family.entries["sheet_to"] = "sheet"
        family.why["sheet_to"] = "the sheet's name as a column, to be used below"


def stack_all(families: list[Family], n_parts: dict[Path, int]) -> None:
    """Write ``*`` for the sheets where no other sheet of these workbooks holds anything."""
    for one in families:
        names = one.entries.get("sheet")
        if isinstance(names, list) and all(n_parts[path] == len(names) for path in one.paths):
            one.entries["sheet"] = "*"


def _melt(family: Family, rows: list[list[str]]) -> None:
    """Turn a table with a column per month into one with a row per month."""
    first = family.parts[0]
    months = find_months(first.columns, year_in(f"{first.titles} {family.label}"))
    if months is None:
        return
    cells = [one for one in family.columns if one.name in months.stands_for]
    if any(one.kind not in ("number", "empty") for one in cells):
        return
    family.months = months
    kept = [one for one in family.columns if one.name not in months.stands_for]
    name_to = _free("month", first.columns)
    value_to = _free("amount", first.columns)
    long = [Column(one.name, one.meaning, [text for text in one.texts for _ in cells], family.marks) for one in kept]
    month = Column(name_to, "order date", [months.stands_for[one.name] for _ in rows for one in cells], family.marks)
    month.__dict__["dates"] = Dates((months.format,), "the names of the columns", 1.0, False, frozenset())
    amount = Column(
        value_to, "order amount", [one.texts[row] for row in range(len(rows)) for one in cells], family.marks
    )
    family.columns = [*long, month, amount]
    family.entries["melt"] = {
        **({"pattern": months.pattern} if months.pattern else {"columns": months.stands_for}),
        "name_to": name_to,
        "value_to": value_to,
    }
    family.why["melt"] = f"{len(cells)} columns are months: each cell becomes a row, an empty one a blank row"


def _free(name: str, taken: list[str]) -> str:
    return name if name not in taken else f"{name} of the column"


def pattern_of(paths: list[Path]) -> str | None:
    """One name with ``*`` for several files of a folder, where it means just them."""
    folders = {one.parent for one in paths}
    if len(folders) > 1 or len(paths) < 2:
        return None
    names = [one.name for one in paths]
    before = os.path.commonprefix(names)
    after = os.path.commonprefix([one[len(before) :][::-1] for one in names])[::-1]
    # A digit that all names share belongs to the number that differs.
    before, after = before.rstrip("0123456789"), after.lstrip("0123456789")
    pattern = f"{before}*{after}"
    meant = {one.name for one in folders.pop().glob(pattern.replace("[", "[[]")) if one.is_file()}
    return pattern if meant == set(names) and (before or after) else None
