"""The pairs of customers that a person should look at, as a spreadsheet, and the answers that come back in it.

It holds personal data, so it is for its owner only. The answers go into ``params/merges/<source>.csv``, which holds ids alone.
"""

from __future__ import annotations

from pathlib import Path

import narwhals as nw
import xlsxwriter
from python_calamine import CalamineWorkbook

from crm_analysis import engine
from crm_analysis.cleaning import merging
from crm_analysis.cleaning.identity import as_table, open_pairs
from crm_analysis.errors import InputError
from crm_analysis.schema import IDENTITY

MAX_LISTED, MAX_PAIRS = 20_000, 5_000_000
SHEET = "duplicates"
_SIDES = ("customer_id", "other_customer_id")
_ANSWERS = {"yes": True, "no": False, "是": True, "否": False}


def write_list(folder: Path, path: Path, memory_limit: str) -> int:
    """Write the open pairs of a customer database, the most probable first, to ``path``: both records side by side, the
    probability, what speaks for and against, and an empty column ``same``. The number of pairs listed, at most 20,000. Raises
    InputError E-DUP-7 where the source does not say what identifies its customers."""
    if not (folder / "pairs.parquet").exists():
        raise InputError(
            "E-DUP-7",
            "the contract says nothing of identity: write it under tables.customers",
            file=f"{folder.name}.yml",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = engine.connect(path.parent, memory_limit)
    try:
        tables = {
            name: engine.read_parquet(connection, folder / f"{name}.parquet")
            for name in ("pairs", "merges", "identities")
        }
        pairs, merges = (engine.collect(tables[name], MAX_PAIRS) for name in ("pairs", "merges"))
        listed = open_pairs(pairs, merges).head(MAX_LISTED)
        columns = [one for one in IDENTITY.columns if one in tables["identities"].columns and one != "customer_id"]
        table = as_table(connection, listed)
        for side, prefix in zip(_SIDES, ("", "other_"), strict=True):
            texts = {f"{prefix}{one}": nw.col(one).cast(nw.String) for one in columns}
            records = tables["identities"].select(nw.col("customer_id").alias(side), **texts)
            table = table.join(records, on=side, how="left")
        order = ["match_prob", *_SIDES]
        rows = engine.collect(table.sort(order, descending=[True, False, False]), MAX_LISTED)
    finally:
        connection.close()
    rows["why"] = [merging.explain(one) for one in rows["why"]]
    beside = [f"{prefix}{one}" for one in columns for prefix in ("", "other_")]
    names = ["same", *_SIDES, "match_prob", "why", *beside]
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet(SHEET)
        sheet.freeze_panes(1, 3)
        for place, name in enumerate(names):
            sheet.write_string(0, place, name)
        for number, row in enumerate(rows.assign(same=None)[names].itertuples(index=False), 1):
            for place, (name, value) in enumerate(zip(names, row, strict=True)):
                if name == "match_prob":
                    sheet.write_number(number, place, value)
                elif isinstance(value, str):
                    sheet.write_string(number, place, value)
    path.chmod(0o600)
    return len(rows)


def take_answers(path: Path, decisions_path: Path) -> int:
    """Add what a person wrote into ``same`` of a list to the decisions, and say how many answers there were. Raises InputError
    E-DUP-2."""
    if not path.exists():
        return 0
    header, *rows = CalamineWorkbook.from_path(path).get_sheet_by_name(SHEET).to_python()
    answers = []
    for line, row in enumerate(rows, 2):
        cells = {name: str(cell).strip() for name, cell in zip(header, row, strict=True)}
        if cells["same"]:
            if cells["same"].lower() not in _ANSWERS:
                raise InputError("E-DUP-2", "write yes or no", file=path.name, column="same", rows=line)
            is_same = _ANSWERS[cells["same"].lower()]
            answers.append(merging.Decision(cells[_SIDES[0]], cells[_SIDES[1]], is_same, line))
    if answers:
        merging.write_decisions(decisions_path, [*merging.read_decisions(decisions_path), *answers])
    return len(answers)
