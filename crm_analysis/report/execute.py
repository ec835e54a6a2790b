"""Run one notebook in a kernel of its own, in a private folder, and check that it really ran."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import warnings
from functools import partial
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.provisioning import LocalProvisioner
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from crm_analysis.errors import (
    InputError,
    IntegrityError,
    MachineError,
    NotEnoughData,
    ParameterError,
    ReportError,
    machine_error,
)
from crm_analysis.report.page import SUMMARY
from crm_analysis.report.workers import Kernel

CELL_SECONDS = 600
# What a kernel itself says, in the folder in which it runs: it may hold values of the data, and is gone with the folder.
KERNEL_LOG = "kernel.log"
# The number of the cell that is at work.
RUNNING = "cell"
# The second cell of a notebook holds its parameters; those of the run are put behind it.
PARAMETERS_AT = 2


class Provisioner(LocalProvisioner):
    """Starts a kernel that waits already, instead of a process that would have to import everything first."""

    async def launch_kernel(self, cmd: list[str], **options: object) -> dict:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.process, self.cwd = self.parent.waiting, options.get("cwd") or os.getcwd()
        self.pid = self.process.pid
        self.process.start(arguments, self.cwd, options["env"], KERNEL_LOG)
        return self.connection_info


class KernelManager(AsyncKernelManager):
    waiting: Kernel

    async def start_kernel(self, **options: object) -> None:
        self.provisioner = Provisioner(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
        await super().start_kernel(**options)


def execute(notebook: Path, run: dict, method: dict, bundle: Path, work: Path, kernel: Kernel) -> NotebookNode:
    """The executed notebook, also written to ``bundle``/notebooks. ``work``: an empty folder for the kernel to run in.

    Raises NotEnoughData, InputError and ParameterError as the notebook does, ReportError where a cell failed, ran too long or
    the kernel died, MachineError where the machine lacks something: space, memory, rights, a kernel.
    """
    name = notebook.stem
    # What goes wrong is told once, below; asyncio would tell of a task that an interruption left behind.
    for logger in ("papermill", "asyncio"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    target = bundle / "notebooks" / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            executed = papermill.execute_notebook(
                str(notebook),
                None,
                parameters={"run": run, "method": method},
                kernel_name="python3",
                cwd=str(work),
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
                on_cell_start=partial(_note_cell, work),
                kernel_manager_class=type("Manager", (KernelManager,), {"waiting": kernel}),
                shutdown_kernel="immediate",
                # A socket in the file system: no port, and nobody else on the machine can listen.
                config=Config(KernelManager={"transport": "ipc"}),
                # What the kernel has to say is in the notebook.
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
    except PapermillExecutionError as error:
        raise _told(name, error) from error
    except CellTimeoutError as error:
        where = {"file": notebook.name, "rows": f"cell {running_cell(work)}"}
        raise ReportError("E-RPT-3", f"the cell ran longer than {CELL_SECONDS} s", **where) from error
    except DeadKernelError as error:
        running = running_cell(work)
        raise ReportError(
            "E-RPT-2", f"the kernel died, after cell {running - 1} had finished; kernels took up to {_most_memory()} of"
            " memory: where that is too much, lower memory_limit in params/run.yml",
            file=notebook.name, rows=f"cell {running}",
        ) from error  # fmt: skip
    except (NoSuchKernel, RuntimeError) as error:
        # What is left of RuntimeErrors: a kernel that ends before it answers.
        log = work / KERNEL_LOG
        told = machine_error(
            None, log.read_text(encoding="utf-8", errors="replace") if log.exists() else "", file=notebook.name
        )
        raise told or MachineError(
            "E-KRN-1", "no Python kernel: install the requirements again", file=notebook.name
        ) from error
    # Times and paths of this machine are nobody's business, and differ from run to run, as the new cell's id does.
    executed.cells[PARAMETERS_AT].id = "parameters-of-the-run"
    executed.metadata.pop("papermill", None)
    for cell in executed.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    audit(executed, name, bundle)
    nbformat.write(executed, target)
    return executed


def _told(name: str, error: PapermillExecutionError) -> Exception:
    """The error of a cell as one line, with the number of the cell in the notebook."""
    where = {"file": f"{name}.ipynb", "rows": f"cell {_number(error.cell_index)}"}
    for kind in (NotEnoughData, InputError, ParameterError, MachineError, IntegrityError):
        if error.ename == kind.__name__:
            code, _, rest = str(error.evalue).partition(" ")
            return kind(code, rest.partition("fix=")[2], **where)
    if told := machine_error(None, f"{error.ename}: {error.evalue}", **where):
        return told
    # Not its words: they may hold a value of the data.
    return ReportError("E-RPT-1", f"{error.ename} in this cell: open the notebook in JupyterLab (make lab)", **where)


def _most_memory() -> str:
    """The most memory that a process which this one started, and which has ended, took."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"{most / 2**20:,.0f} MB"


def _note_cell(work: Path, cell: NotebookNode, cell_index: int) -> None:
    note = work / RUNNING
    aside = note.with_suffix(".new")
    aside.write_text(str(_number(cell_index)), encoding="utf-8")
    aside.replace(note)


def running_cell(work: Path) -> int:
    """The number of the cell that the notebook that runs in this folder is in; 0 before the first."""
    note = work / RUNNING
    return int(note.read_text(encoding="utf-8")) if note.exists() else 0


def _number(index: int) -> int:
    """The number, from 1, of a cell in the notebook as its author has it: papermill adds a cell behind the second."""
    return index + 1 if index < PARAMETERS_AT else index


def audit(notebook: NotebookNode, name: str, bundle: Path) -> None:
    """Every code cell ran, in order, without an error, to the end of the page. Raises ReportError E-AUD-1.

    A finished run proves nothing by itself: a kernel that dies can leave a notebook that says it is complete.
    """
    expected = 0
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        expected += 1
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed or cell.execution_count != expected:
            raise ReportError(
                "E-AUD-1", "this cell did not run as it should", file=f"{name}.ipynb", rows=f"cell {_number(index)}"
            )
    summary = bundle / "data" / name / f"{SUMMARY}.json"
    if not summary.is_file() or json.loads(summary.read_text(encoding="utf-8"))["run"] != os.environ["CRM_RUN_ID"]:
        raise ReportError("E-AUD-1", "the notebook ended without page.end()", file=f"{name}.ipynb", rows="last cell")
