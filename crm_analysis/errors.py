"""One family of errors: every failure that a user can cause or mend is one line with a code.

The line is ``CODE file=… [column=…] rows=… fix=…``. The exit codes are those of the command line:
2 parameters, 3 input, 4 environment, 5 a report failed, 6 integrity.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterable
from functools import partial
from pathlib import Path

PACKAGE = Path(__file__).parent


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

    def __reduce__(self) -> tuple:
        where = {"file": str(self.file), "column": self.column, "rows": str(self.rows)}
        return partial(type(self), **where), (self.code, self.fix)


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


# What the operating system tells, and DuckDB, Arrow or a kernel repeat in words of their own.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
_GONE = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)


def machine_error(number: int | None, text: str, **where: object) -> MachineError | None:
    """The environment's failure that an error number (of ``errno``), or else words that hold its text, tell of: a full disk, a
    missing right, a share that went away, too little memory, too many open files. None where it is another."""

    def tells(numbers: Iterable[int]) -> bool:
        return number in numbers or (number is None and any(os.strerror(one) in text for one in numbers))

    if tells(_NO_SPACE) or "not enough space" in text.lower():
        return MachineError("E-DISK-1", "the disk or your share of it is full: free some space and run again", **where)
    if tells((errno.ENOMEM,)) or re.search(r"MemoryError|OutOfMemory|Out of Memory|bad_alloc|bad allocation", text):
        fix = "too little memory: raise memory_limit in params/run.yml, or lower it where the machine has no more"
        return MachineError("E-MEM-1", fix, **where)
    if tells(_TOO_MANY):
        return MachineError("E-RES-1", "too many open files: raise the limit (ulimit -n 1024) and run again", **where)
    if tells(_GONE):
        fix = "the disk or share went away, or does not answer: connect it again, and run again"
        return MachineError("E-RW-2", fix, **where)
    if tells(_NO_RIGHT):
        told = os.strerror(number) if number else "no right to it"
        return MachineError("E-RW-1", f"{told}: make the folder writable, the file readable", **where)
    return None


def told(error: Exception) -> CrmError:
    """One of the family as it is, a failure of the machine as what it is; any other is a fault of ours, told without a traceback or
    the error's own words: they may hold a value of the data."""
    if isinstance(error, CrmError):
        return error
    number, file = getattr(error, "errno", None), getattr(error, "filename", None) or "-"
    if number == errno.ENOENT:
        fix = "somebody removed it while the run was at work: run again"
        return MachineError("E-RW-1", fix, file=file)
    if isinstance(error, ModuleNotFoundError):
        return MachineError("E-LIB-1", f"the library {error.name} is missing: install the requirements again")
    if known := machine_error(number, f"{type(error).__name__}: {error}", file=file):
        return known
    frames = [one for one in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(one.filename).parents]
    steps = " > ".join(f"{Path(one.filename).relative_to(PACKAGE)}:{one.lineno}" for one in frames)
    return CrmError("E-BUG-1", f"{type(error).__name__}, a fault of the program: report this line", file=steps or "-")


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
