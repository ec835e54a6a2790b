"""What the columns of a row must not say against each other: one named rule each, by table.

A row that cannot be as it stands is rejected. Where something unusual may well be true, such as an invoice paid before it was
written, the row is used and the reader is told: a *notice*, a flag column ``notice:<code> <column>`` beside the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.conversion import all_of
from crm_analysis.engine import Table
from crm_analysis.sources.records import CELL_STEP, Noticed

NOTICE = "notice:"
MAX_NOTED_LINES = 20
_MAX_FILES = 100_000


@dataclass(frozen=True)
class Rule:
    """``is_wrong`` of a row, in terms of ``columns``: the rule holds where the table has them all, and the first is told as the
    place. ``empties``: a column whose value is set aside then."""

    code: str
    columns: tuple[str, ...]
    is_wrong: nw.Expr
    rejects: bool = False
    empties: str | None = None

    @property
    def reason(self) -> str:
        return f"{self.code} {self.columns[0]}"


def _before(code: str, later: str, earlier: str, *, rejects: bool = False, empties: str | None = None) -> Rule:
    return Rule(code, (later, earlier), nw.col(later) < nw.col(earlier), rejects, empties)


def _negative(code: str, column: str, *, rejects: bool = False) -> Rule:
    return Rule(code, (column,), nw.col(column) < 0, rejects)


_IS_OPEN = ~nw.col("is_won") & ~nw.col("is_lost")
RULES: dict[str, tuple[Rule, ...]] = {
    "contracts": (
        _before("E-DATE-5", "ended_date", "started_date", rejects=True),
        _negative("E-NUM-6", "tenure_months", rejects=True),
    ),
    "payments": (
        # Payment in advance, and a due date agreed before the invoice was written, are business; a credit note is money.
        _before("E-PAY-1", "paid_date", "invoiced_date"),
        _before("E-DATE-5", "due_date", "invoiced_date"),
        _negative("E-PAY-2", "invoice_amount"),
    ),
    "interactions": (
        _before("E-DATE-5", "answered_at", "opened_at", rejects=True),
        _before("E-DATE-5", "resolved_at", "opened_at", rejects=True),
    ),
    "opportunities": (
        Rule("E-DEAL-1", ("is_won", "is_lost"), nw.col("is_won") & nw.col("is_lost"), rejects=True),
        _negative("E-NUM-6", "opportunity_amount", rejects=True),
        # Systems keep the day on which an open deal is hoped to close in the same column.
        Rule(
            "E-DEAL-2", ("closed_date", "is_won", "is_lost"), _IS_OPEN & ~nw.col("closed_date").is_null(),
            empties="closed_date",
        ),
        Rule("E-DEAL-3", ("closed_date", "is_won", "is_lost"), ~_IS_OPEN & nw.col("closed_date").is_null()),
        # Entered after it was decided: when it began is not known.
        _before("E-DEAL-4", "closed_date", "opened_date", empties="opened_date"),
    ),
    "rates": (Rule("E-NUM-7", ("rate",), nw.col("rate") <= 0, rejects=True),),
    "campaigns": (
        _before("E-DATE-5", "ended_date", "started_date", rejects=True),
        _negative("E-NUM-6", "cost_amount", rejects=True),
    ),
}  # fmt: skip


def check_consistency(rows: Table, name: str) -> Table:
    """The rows with ``_reason`` where a rule of the table rejects, and a notice for each rule that only tells."""
    columns = set(rows.collect_schema().names())
    rules = [*RULES.get(name, ()), *([_says_nothing(columns)] if name == "feedback" else [])]
    for rule in rules:
        if not columns.issuperset(rule.columns):
            continue
        is_wrong = rule.is_wrong.fill_null(False)
        if rule.rejects:
            rows = rows.with_columns(_reason=nw.coalesce("_reason", nw.when(is_wrong).then(nw.lit(rule.reason))))
            continue
        rows = rows.with_columns(is_wrong.alias(NOTICE + rule.reason))
        if rule.empties:
            rows = rows.with_columns(nw.when(~nw.col(NOTICE + rule.reason)).then(rule.empties).alias(rule.empties))
    return rows


def _says_nothing(columns: set[str]) -> Rule:
    """Surveys have many answers without a remark: they count as given, and what they lack is told."""
    said = [one for one in ("feedback_text", "rating") if one in columns]
    return Rule("E-ROW-7", tuple(said), all_of([nw.col(one).is_null() for one in said]))


def collect_notices(rows: Table, files: int, file_step: int, position: str) -> list[list[Noticed]]:
    """The notices of the used rows, file by file. A row's position is the number of its file · ``file_step`` + its line."""
    noticed: list[list[Noticed]] = [[] for _ in range(files)]
    flags = [one for one in rows.collect_schema().names() if one.startswith(NOTICE)]
    for flag in flags:
        code, _, column = flag.removeprefix(NOTICE).partition(" ")
        marked = rows.filter(nw.col(flag) & (nw.col("_fate") == "used"))
        marked = marked.select(position, _file=nw.col(position) // file_step)
        counts = engine.collect(marked.group_by("_file").agg(n=nw.len()).sort("_file"), _MAX_FILES)
        for number, n in zip(counts["_file"], counts["n"], strict=True):
            first = marked.filter(nw.col("_file") == int(number)).sort(position).head(MAX_NOTED_LINES)
            lines = engine.collect(first, MAX_NOTED_LINES)[position] % CELL_STEP
            noticed[int(number)].append(Noticed(code, column, int(n), tuple(int(one) for one in lines)))
    return noticed
