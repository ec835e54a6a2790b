"""One table of a draft: its entries as far as the files tell them, written with the evidence beside each."""

from __future__ import annotations

import os
import re
from pathlib import Path

from crm_analysis.inspection.details import (
    find_attributes,
    find_flag,
    find_identity,
    find_returns,
    find_totals,
    is_outcome,
    is_personal,
    tail_of_ids,
)
from crm_analysis.inspection.facts import Column, depends
from crm_analysis.inspection.families import Family, pattern_of
from crm_analysis.inspection.matching import Candidate, Match
from crm_analysis.inspection.months import month_of
from crm_analysis.inspection.words import COLUMNS, likeness, tags_of
from crm_analysis.inspection.yaml_text import Draft, flow, path_text
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import DECIDE
from crm_analysis.sources.records import DATE_TEXT, MOMENT_TEXT

ORDER_TABLES = ("order_lines", "orders")
_WITH_ATTRIBUTES = ("customers", "products", "contracts")


class TableDraft:
    """One table of the draft: what its family of files is like, decided as far as they tell."""

    def __init__(self, family: Family, candidate: Candidate, root: Path) -> None:
        self.family, self.name, self.root = family, candidate.table, root
        self.candidate, self.matches = candidate, dict(candidate.matches)
        self.used = {id(column) for one in self.matches.values() for column in one.columns}
        self.personal: list[Column] = []
        self.notes: list[str] = [*family.notes]
        self.entries, self.why = dict(family.entries), dict(family.why)
        if "sheet_to" in self.entries:
            self._use_sheets()
        self._add_dates()
        self._add_marks()

    def of_type(self, type: str) -> list[Column]:
        shape = CANONICAL[self.name].columns
        return [
            one.column for name, one in self.matches.items() if shape[name].type == type and one.column.kind == "number"
        ]

    def _use_sheets(self) -> None:
        """The sheets' names may be shops; of months the rows themselves tell."""
        target = next((one for one in ("region", "channel") if one not in self.matches), None)
        names = [one.sheet or "" for one in self.family.parts]
        is_time = all(month_of(one) is not None or re.search(r"(19|20)\d\d", one) for one in names)
        if is_time or self.name not in ORDER_TABLES or target is None:
            del self.entries["sheet_to"]
        else:
            sheet = Column("sheet", "", names)
            self.matches[target] = Match(
                (sheet,), 0.5, f"the sheets are {', '.join(names[:6])}: not months, so perhaps places"
            )

    def _add_dates(self) -> None:
        """``datetime`` and ``date`` of the format; a column that neither of them reads is left out."""
        shape = CANONICAL[self.name]
        dated = [(name, one) for name, one in self.matches.items() if one.column.dates]
        certain = [one.column.dates.formats[0] for _, one in dated if len(one.column.dates.formats) == 1]
        for name, one in sorted(dated, key=lambda pair: pair[0] not in shape.required):
            dates = one.column.dates
            time = f" {one.columns[1].time_format}" if len(one.columns) > 1 else ""
            formats, why = tuple(f"{day}{time}" for day in dates.formats), f"{one.column.name}: {dates.why}"
            if len(formats) > 1:
                alike = [one for one in formats if any(one[:8] == other[:8] for other in certain)]
                if len(alike) == 1 and dates.share > 0.9:
                    formats, why = tuple(alike), f"{why}; other dates of the file are written so"
            if self.family.parts[0].kind != "csv" and set(formats) <= {DATE_TEXT, MOMENT_TEXT}:
                continue
            value = formats[0] if len(formats) == 1 else DECIDE
            if value == DECIDE:
                why = f"{' or '.join(formats)}? {why}"
            key = "datetime" if shape.columns[name].type == "moment" else "date"
            if value in (self.entries.get("datetime"), self.entries.get("date")):
                continue
            if key in self.entries:
                self.notes.append(
                    f"{one.column.name} ({name}) is left out: it is written {' or '.join(formats)}, not as {key} says"
                )
                self.used.discard(id(one.column))
                del self.matches[name]
                continue
            self.entries[key], self.why[key] = value, why

    def _add_marks(self) -> None:
        """The marks of numbers, where the table has numbers and they are not the usual ones."""
        numbers = [*self.of_type("money"), *self.of_type("quantity")]
        marks = self.family.marks
        if not numbers or self.family.parts[0].kind == "parquet":
            return
        for name, usual in (("decimal", "."), ("thousands", "")):
            value = getattr(marks, name)
            if value is None:
                self.entries[name], self.why[name] = DECIDE, marks.why[name]
            elif value != usual or (name in marks.why and self.family.parts[0].kind == "csv"):
                self.entries[name], self.why[name] = value, marks.why.get(name, "")

    # --- writing ---------------------------------------------------------------------------------------------------

    def write(self, draft: Draft) -> None:
        family = self.family
        draft.add(1, self.name)
        rows = "; ".join(f"{one.label}: {one.n_rows}" for one in family.parts[:3])
        more = f" and {len(family.parts) - 3} more" if len(family.parts) > 3 else ""
        draft.note(2, rows + more)
        self._write_files(draft)
        if self.entries:
            draft.add(2, "format")
            for name, value in self.entries.items():
                draft.add(3, name, value, self.why.get(name, ""))
        draft.add(2, "columns")
        for name in CANONICAL[self.name].columns:
            if name in self.matches:
                self._write_match(draft, name, self.matches[name])
            elif name in self.candidate.missing:
                draft.add(3, name, DECIDE, self._say_missing(name))
        self._write_stages(draft)
        if self.name in _WITH_ATTRIBUTES:
            rest = [one for one in family.columns if id(one) not in self.used]
            key = self.matches.get("customer_id")
            if self.name == "customers":
                self._write_identity(draft, rest, key.column, is_own=True)
            elif self.name == "contracts" and key is not None:
                self.personal = list(find_identity(rest, key.column, is_own=True).values())
            self._write_attributes(draft, self.name, rest)
        self._write_rules(draft)

    def _say_missing(self, name: str) -> str:
        emails = [one.name for one in self.family.columns if one.personal == "email"]
        if name == "customer_id" and emails:
            return f"no column is like it; {emails[0]} tells people apart and may serve"
        return "no column is like it: name the one, or take this table out"

    def _write_files(self, draft: Draft) -> None:
        paths = self.family.paths
        pattern = pattern_of(paths)
        names = [self._name(paths[0].parent / pattern)] if pattern else [self._name(one) for one in paths]
        if len(names) == 1:
            draft.lines.append(f"    files: {path_text(names[0])}")
        else:
            draft.add(2, "files", names)

    def _name(self, path: Path) -> str:
        data = os.environ.get("CRM_DATA")
        path = path.absolute()
        if path.is_relative_to(self.root):
            return str(path.relative_to(self.root))
        if data and path.is_relative_to(Path(data).absolute()):
            return f"${{CRM_DATA}}/{path.relative_to(Path(data).absolute())}"
        return str(path)

    def _write_match(self, draft: Draft, name: str, match: Match) -> None:
        type = CANONICAL[self.name].columns[name].type
        if type == "flag":
            self._write_flag(draft, name, match.column)
            return
        value: object = match.column.name
        if len(match.columns) > 1:
            value = {"columns": [one.name for one in match.columns]}
        elif type == "id" and (tail := tail_of_ids(match.column)):
            value = {"column": match.column.name, "strip_suffix": tail}
        why = match.why
        if match.column.meaning not in ("", match.column.name):
            why = f"{match.column.meaning}; {why}"
        if match.column.filled_share < 0.995:
            why += f"; {1 - match.column.filled_share:.0%} of the rows have none"
        draft.add(3, name, value, why)

    def _write_flag(self, draft: Draft, name: str, column: Column) -> None:
        flag = find_flag(name, column)
        values = sorted(column.values)[:20]
        if flag.is_certain:
            draft.add(3, name, {"column": column.name, "yes": flag.yes, "no": flag.no}, "all values that were seen")
        else:
            value = {"column": column.name, "yes": [DECIDE], "no": [DECIDE]}
            draft.add(3, name, value, f"which of {', '.join(values)} mean yes, which no?")

    def _write_stages(self, draft: Draft) -> None:
        """Flags that another column's values tell: whether a deal is won or lost, whether an arm is the control."""
        source, targets = {
            "opportunities": ("stage", ("is_won", "is_lost")),
            "campaign_contacts": ("arm", ("is_control",)),
        }.get(self.name, (None, ()))
        for name in targets:
            if name not in self.matches and source in self.matches:
                self._write_flag(draft, name, self.matches[source].column)

    def _write_identity(self, draft: Draft, columns: list[Column], key: Column, is_own: bool) -> None:
        found = find_identity(columns, key, is_own)
        self.personal = [*self.personal, *found.values()]
        if found:
            draft.note(2, "personal data, read only where you want duplicate customers found: take away the # to do so")
            names = {name: column.name for name, column in found.items()}
            draft.note(2, f"identity: {flow({'columns': names})}", is_long=True)

    def _write_attributes(self, draft: Draft, table: str, columns: list[Column]) -> None:
        found = find_attributes(table, columns, [one for one in self.personal if not _is_place(one)])
        if not found:
            return
        draft.add(2, "attributes")
        for name, column in found.items():
            self.used.add(id(column))
            draft.add(3, name, column.name, f"{len(column.values):,} different values")

    def _write_rules(self, draft: Draft) -> None:
        columns = self.family.columns
        if self.name in ORDER_TABLES:
            returns = find_returns(self.candidate, columns)
            if returns is not None:
                draft.add(2, returns.entry, returns.value, returns.why)
            amounts = [
                self.matches[one].column for one in ("line_amount", "order_amount", "unit_price") if one in self.matches
            ]
            if amounts and (n := amounts[0].n_zero):
                draft.note(
                    2, f"{n:,} rows looked at have an amount of zero: with free_orders: count they count as orders"
                )
            for one in columns:
                if {"status", "state"} & tags_of(one.meaning).tags and 1 < len(one.values) <= 12:
                    kinds = ", ".join(list(one.values)[:12])
                    draft.note(2, f"{one.name} holds {kinds}: write exclude for orders that never came about")
        ends = [one.end for one in self.family.parts if one.end]
        total = next((one for end in ends if (one := find_totals(columns, end))), None)
        if total is not None and not self.family.months:
            column, text = total
            rule = {"column": column.name, "values": [text], "reason": "total"}
            draft.add(2, "exclude", [rule], "the file ends with totals")

    def write_derived(self, draft: Draft, own: set[str]) -> None:
        """Customers and products of which only the order lines tell."""
        for table, key_name in (("customers", "customer_id"), ("products", "product_id")):
            if table in own or key_name not in self.matches or self.name != "order_lines":
                continue
            key = self.matches[key_name].column
            rest = [one for one in self.family.columns if id(one) not in self.used and one.kind != "date"]
            rest = [one for one in rest if depends(one, key, 0.85 if table == "products" else 0.97)]
            names = {} if table == "customers" else _best(rest, table, ("product_name",))
            part = Draft()
            if table == "customers":
                self._write_identity(part, rest, key, is_own=False)
            self.used |= {id(one) for one in names.values()}
            rest = [one for one in rest if id(one) not in self.used and depends(one, key)]
            self._write_attributes(part, table, rest)
            if not part.lines and not names:
                continue
            draft.add(1, table)
            draft.add(2, "from", self.name, f"columns of which each {key_name} has one value")
            tail = tail_of_ids(key)
            first = {key_name: {"column": key.name, "strip_suffix": tail} if tail else key.name}
            draft.add(2, "columns", {**first, **{name: one.name for name, one in names.items()}})
            draft.lines += part.lines

    def write_rest(self, draft: Draft) -> None:
        """The columns that nothing was made of."""
        rest = [one for one in self.family.columns if id(one) not in self.used]
        kinds = {
            "personal": [one for one in rest if one in self.personal or is_personal(one)],
            "empty": [one for one in rest if one.kind == "empty"],
            "known only afterwards": [one for one in rest if is_outcome(self.name, one)],
        }
        told = [one for some in kinds.values() for one in some]
        kinds["like nothing that is read"] = [one for one in rest if one not in told]
        for why, columns in kinds.items():
            if columns:
                names = ", ".join(
                    one.name if one.meaning in ("", one.name) else f"{one.name} ({one.meaning})" for one in columns
                )
                draft.note(2, f"not read, {why}: {names}", is_long=True)
        for note in self.notes:
            draft.note(2, note)


def _best(columns: list[Column], table: str, targets: tuple[str, ...]) -> dict[str, Column]:
    found = {}
    for name in targets:
        scored = [(likeness(one.meaning, COLUMNS[table][name]), one) for one in columns if one.kind == "text"]
        score, column = max(scored, key=lambda one: one[0], default=(0, None))
        if score >= 0.5:
            found[name] = column
    return found


def _is_place(column: Column) -> bool:
    return max(likeness(column.meaning, one) for one in ("city", "region|state", "country")) >= 0.5
