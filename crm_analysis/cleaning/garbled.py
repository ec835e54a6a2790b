"""Texts that were read in a wrong encoding before they reached us: names such as ``ZoÃ«`` or ``锟斤拷``.

What they were cannot be told from them. A few are shown as they are, and said; where they are many, the export is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.rules import FILE_STEP, POSITION
from crm_analysis.engine import Table
from crm_analysis.sources.records import CELL_STEP, Noticed

# The rows are rejected where more of a column's values than this are garbled.
MAX_SHARE = 0.001
EXAMPLES = 20
# What the second and later bytes of UTF-8 look like in Latin-1 and cp1252, quotation marks and dashes aside.
_LATER = r"[\x{80}-\x{9f}\x{a1}-\x{bf}€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ]"
PATTERN = rf"\x{{fffd}}|锟斤拷|â[€\x{{80}}]|[ÂÃÐÑ]{_LATER}|[äåæçèé]{_LATER}{{2}}"


def find_garbled(rows: Table, columns: Sequence[str], n_files: int) -> tuple[Table, list[list[Noticed]]]:
    """The rows, with ``_reason`` E-ENC-2 where too many texts of a file's column are garbled, and per file what was noticed
    where they are few. ``columns``: the text columns of the rows."""
    noticed: list[list[Noticed]] = [[] for _ in range(n_files)]
    if not columns:
        return rows, noticed
    flags = {f"garbled:{column}": column for column in columns}
    flagged = engine.add_matches_beyond_ascii(rows.select(POSITION, *columns), flags, PATTERN)
    file = nw.col(POSITION) // FILE_STEP
    counts = flagged.group_by(file.alias("file")).agg(
        *[nw.col(flag).cast(nw.Int64).sum().alias(flag) for flag in flags],
        *[nw.col(column).count().alias(column) for column in columns],
    )
    refused: dict[str, list[int]] = {}
    for one in engine.collect(counts, n_files).to_dict("records"):
        for flag, column in flags.items():
            number, n = int(one["file"]), int(one[flag])
            if n > MAX_SHARE * one[column]:
                refused.setdefault(column, []).append(number)
            elif n:
                here = flagged.filter(nw.col(flag), file == number).select(POSITION).sort(POSITION).head(EXAMPLES)
                lines = engine.collect(here, EXAMPLES)[POSITION] % CELL_STEP
                noticed[number].append(Noticed("E-ENC-2", column, n, tuple(map(int, lines))))
    return _refuse(rows, refused), noticed


def _refuse(rows: Table, refused: dict[str, list[int]]) -> Table:
    if not refused:
        return rows
    flags = {f"garbled:{column}": column for column in refused}
    rows = engine.add_matches_beyond_ascii(rows, flags, PATTERN)
    file = nw.col(POSITION) // FILE_STEP
    reasons = [
        nw.when(nw.col(flag) & file.is_in(refused[column])).then(nw.lit(f"E-ENC-2 {column}"))
        for flag, column in flags.items()
    ]
    return rows.with_columns(_reason=nw.coalesce("_reason", *reasons)).drop(list(flags))
