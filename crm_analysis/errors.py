"""One family of errors: every failure that a user can cause or mend is one line with a code.

The line is ``CODE file=… [column=…] rows=… fix=…``. The exit codes are those of the command line:
2 parameters, 3 input, 4 environment, 5 a report failed, 6 integrity.
"""

from __future__ import annotations

from collections.abc import Iterable


class CrmError(Exception):
    """A failure that is told in one line, without a traceback."""

    exit_code = 1

    def __init__(
        self, code: str, fix: str, *, file: object = "-", column: str | None = None, rows: object = "-"
    ) -> None:
        self.code, self.fix, self.file, self.column, self.rows = code, fix, file, column, rows
        parts = [code, f"file={file}"]
        if column is not None:
            parts.append(f"column={column}")
        parts += [f"rows={rows}", f"fix={fix}"]
        super().__init__(" ".join(" ".join(part.split()) for part in parts))


class ParameterError(CrmError):
    """A mistake in ``params/`` or on the command line."""

    exit_code = 2


class InputError(CrmError):
    """The data files, or the contract between them and us, do not hold."""

    exit_code = 3


class NotEnoughData(InputError):
    """A method's minimum is not met: its report is not made, and the index says why."""


class MachineError(CrmError):
    """The environment: a lock, the disk, rights, a missing library."""

    exit_code = 4


class ReportError(CrmError):
    """A report failed while it was made, or failed its audit."""

    exit_code = 5


class IntegrityError(CrmError):
    """Stored data are not what was written."""

    exit_code = 6


class Interrupted(CrmError):
    """Somebody stopped the run."""

    exit_code = 130


def row_list(rows: Iterable[int], total: int | None = None) -> str:
    """The first 20 row numbers and how many there are in all: ``4,9,17 (3 rows)``."""
    rows = list(rows)
    total = len(rows) if total is None else total
    more = ",…" if total > min(len(rows), 20) else ""
    return f"{','.join(str(row) for row in rows[:20])}{more} ({total} row{'' if total == 1 else 's'})"
