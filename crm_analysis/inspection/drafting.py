"""Files nobody has described → the draft of a contract, with the evidence beside each entry."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crm_analysis.inspection.families import Family, group, stack_all
from crm_analysis.inspection.matching import Candidate, find_tables
from crm_analysis.inspection.money import find_currency, find_precision, find_time_zone
from crm_analysis.inspection.parts import look
from crm_analysis.inspection.table_drafts import ORDER_TABLES, TableDraft
from crm_analysis.inspection.words import COLUMNS
from crm_analysis.inspection.yaml_text import Draft
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import DECIDE


def propose(paths: list[Path], company: str, root: Path) -> str:
    """The draft of a contract for these files. Raises InputError where one cannot be read at all."""
    parts = [part for path in paths for part in look(path)]
    families = group(parts)
    stack_all(families, Counter(one.path for one in parts if one.rows))
    chosen, left = _choose(families)
    tables = [TableDraft(family, candidate, root) for family, candidate in chosen]
    amounts = [one for table in tables for one in table.of_type("money")]
    quantities = [one for table in tables for one in table.of_type("quantity") if one not in amounts]
    columns = [one for table in tables for one in table.family.columns]
    words = " ".join([*(one.meaning for one in columns), *(part.titles for part in parts)])
    zones = set(" ".join(part.why.get("zone", "") for part in parts).split())
    currency = find_currency(amounts, columns, " ".join(part.titles for part in parts))
    zone = find_time_zone(columns, zones, words)

    draft = Draft()
    draft.note(
        0, "A proposal by `inspect`, from a sample of each file; the comments say what was seen. Read all of it."
    )
    head = len(draft.lines)
    draft.add(0, "company", company, "as the reports call it")
    draft.add(0, "currency", currency.value, currency.why)
    draft.add(0, "time_zone", zone.value, zone.why)
    for name, (value, why) in find_precision(currency.value, amounts, quantities).items():
        draft.add(0, name, value, why)
    if any(one.name == "contracts" and "started_date" not in one.matches for one in tables):
        draft.add(0, "covers_until", DECIDE, "the day on which the export was made, as 2026-10-31")
    draft.add(0, "tables")
    own = {one.name for one in tables}
    for one in tables:
        one.write(draft)
        if one.name in ORDER_TABLES:
            one.write_derived(draft, own)
        one.write_rest(draft)
    if not tables:
        draft.lines[-1] += f" {DECIDE}"
        draft.note(0, f"none of the files is like a table that can be read: {', '.join(CANONICAL)}")
    for part in parts:
        if not part.rows:
            draft.note(0, f"not used: {part.label}: it holds no rows")
    for family, why in left:
        draft.note(0, f"not used: {family.parts[0].label}: {why}")
    n = sum(DECIDE in line.split("  # ")[0] for line in draft.lines)
    if n:
        draft.lines.insert(
            head, f"# {DECIDE} stands on {n} lines: write there what is right; until then a run stops at the first."
        )
    return str(draft)


def _choose(families: list[Family]) -> tuple[list[tuple[Family, Candidate]], list[tuple[Family, str]]]:
    """Each table for the family that is most like it, and what is left with the reason."""
    pairs = [
        (one.score, place, one)
        for place, family in enumerate(families)
        for one in find_tables(family.columns, family.label)
    ]
    taken: dict[str, int] = {}
    chosen: dict[int, Candidate] = {}
    for _, place, candidate in sorted(pairs, key=lambda one: (-one[0], one[1])):
        rivals = ORDER_TABLES if candidate.table in ORDER_TABLES else (candidate.table,)
        # A family that is clearly one table is no other one, though that may be free.
        best = max(score for score, other, _ in pairs if other == place)
        if place in chosen or any(one in taken for one in rivals) or candidate.score < 0.6 * best:
            continue
        taken[candidate.table], chosen[place] = place, candidate
    left = []
    for place, family in enumerate(families):
        if place not in chosen:
            like = [one.table for _, other, one in pairs if other == place]
            rivals = {"orders", "order_lines"} if like and like[0] in ORDER_TABLES else set(like[:1])
            by = next((families[taken[one]].parts[0].label for one in rivals if one in taken), None)
            columns = ", ".join(one.name for one in family.columns[:12])
            left.append(
                (family, f"like {like[0]}, which {by} is more like" if by else f"like no table; columns {columns}")
            )
    order = [*COLUMNS]
    return sorted(
        ((families[place], one) for place, one in chosen.items()), key=lambda one: order.index(one[1].table)
    ), left
