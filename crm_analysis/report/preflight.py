"""What a run needs of the machine, looked at before any work: an hour of it is not lost to a folder that cannot be written."""

from __future__ import annotations

import os
import resource
import tempfile
from importlib.util import find_spec
from pathlib import Path

from crm_analysis import engine, fonts
from crm_analysis.errors import MachineError, machine_error
from crm_analysis.params import Run

# Below these the libraries hang or abort instead of telling why.
LEAST_FILES, LEAST_MEMORY = 128, 3 << 30


def check_limits() -> None:
    """Raises MachineError, E-RES-1 or E-MEM-1, where the process may open too few files or address too little memory. To be
    called before the libraries that need them are imported."""
    files, memory = (_limit(one) for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS))
    if files < LEAST_FILES:
        raise MachineError("E-RES-1", f"only {files:.0f} files may be open at once: raise the limit (ulimit -n 1024)")
    if memory < LEAST_MEMORY:
        fix = f"only {memory / 2**20:.0f} MB may be addressed: raise the limit to {LEAST_MEMORY >> 20} MB (ulimit -v)"
        raise MachineError("E-MEM-1", fix)


def _limit(kind: int) -> float:
    soft, _hard = resource.getrlimit(kind)
    return float("inf") if soft == resource.RLIM_INFINITY else soft


def check_machine(root: Path, run: Run) -> None:
    """Raises MachineError: E-RW-1 or E-DISK-1 for a folder in which nothing can be written, E-LIB-1 for an engine,
    E-FONT-1 for a typeface and E-KRN-1 for a kernel that is missing."""
    engine.check(run.engine)
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
