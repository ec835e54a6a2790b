"""What a run needs of the machine, looked at before any work: an hour of it is not lost to a folder that cannot be written."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from crm_analysis import fonts
from crm_analysis.errors import MachineError, machine_error
from crm_analysis.params import Run


def check_machine(root: Path, run: Run) -> None:
    """Raises MachineError: E-RW-1 or E-DISK-1 for a folder in which nothing can be written, E-FONT-1 for a typeface and
    E-KRN-1 for a kernel that is missing."""
    for folder in (root / "reports" / run.source, root / "warehouse" / run.source):
        _check_folder(folder)
    fonts.check()
    if find_spec("ipykernel") is None:
        raise MachineError("E-KRN-1", "no Python kernel: install the requirements again")


def _check_folder(folder: Path) -> None:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        told = machine_error(error.errno, os.strerror(error.errno or 0), file=there)
        raise told or MachineError("E-RW-1", f"{error.strerror}: nothing can be written here", file=there) from error
