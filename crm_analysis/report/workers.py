"""Work side by side, in processes that have the libraries in memory from the start.

They are forked from one that imported them and did nothing else; each ends with the process that started it, whatever ends that.
A worker comes with a kernel in waiting, forked before anything ran in it.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from crm_analysis.errors import CrmError, ReportError, told

_WARM = multiprocessing.get_context("forkserver")
_LIBRARIES = ["crm_analysis.report.warm"]
# How matplotlib draws in a kernel.
INLINE = "module://matplotlib_inline.backend_inline"
SECONDS_BETWEEN_LOOKS = 1.0


def warm_up() -> None:
    """Begin to load what reports need, aside; the first worker waits for the end of that."""
    _WARM.set_forkserver_preload(_LIBRARIES)
    multiprocessing.forkserver.ensure_running()


class Kernel:
    """A process in waiting, which becomes a notebook's kernel; to jupyter_client it looks like a subprocess."""

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        theirs, self._orders = context.Pipe(duplex=False)
        self._process = context.Process(target=_become_kernel, args=(theirs, self._orders))
        self._process.start()
        theirs.close()
        self.pid = self._process.pid

    def start(self, arguments: Sequence[str], folder: str, variables: dict[str, str], log: str) -> None:
        """``arguments``: ipykernel's. ``log``: the file in the folder to which what the kernel itself says goes."""
        self._orders.send((arguments, folder, variables, log))

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


def _become_kernel(orders: Connection, theirs: Connection) -> None:
    theirs.close()
    try:
        arguments, folder, variables, log = orders.recv()
    except EOFError:  # the worker ended before it needed one
        return
    _move(folder, variables)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=arguments)


def _move(folder: str, variables: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)


class _Worker:
    """A function at work in a process that leads a group of its own: what it started ends with it."""

    def __init__(self, function: Callable, arguments: tuple) -> None:
        self.answer, theirs = _WARM.Pipe(duplex=False)
        self.process = _WARM.Process(target=_work, args=(theirs, os.getcwd(), dict(os.environ), function, arguments))
        self.process.start()
        theirs.close()

    def is_done(self) -> bool:
        return self.answer.poll() or self.process.exitcode is not None

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        # It may not lead its group yet.
        self.process.kill()
        self.process.join()


def _work(answer: Connection, folder: str, variables: dict[str, str], function: Callable, arguments: tuple) -> None:
    os.setpgid(0, 0)
    # What is made holds customers' data: it is for its owner only.
    os.umask(0o077)
    _move(folder, variables)
    kernel = Kernel()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer.send(function(*arguments, kernel))
    except Exception as error:
        answer.send(told(error))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os.killpg(0, signal.SIGKILL)


def run_each(
    function: Callable, jobs: Mapping[str, tuple], at_once: int, look: Callable[[Sequence[str]], None]
) -> Iterator[tuple[str, object]]:
    """Each job's name and what ``function(*arguments, kernel)`` gives for it, as they end; so many are at work at a time. ``look``
    is told which, every second.

    Nothing of what was started is left when this ends, however it does. Raises the CrmError that a function raises, and ReportError
    E-RPT-4 where a process dies.
    """
    waiting, at_work = dict(jobs), {}
    try:
        while waiting or at_work:
            while waiting and len(at_work) < at_once:
                name = next(iter(waiting))
                at_work[name] = _Worker(function, waiting.pop(name))
            look(list(at_work))
            wait([one for it in at_work.values() for one in (it.answer, it.process.sentinel)], SECONDS_BETWEEN_LOOKS)
            for name in [name for name, one in at_work.items() if one.is_done()]:
                yield name, _take(name, at_work.pop(name))
    finally:
        for one in at_work.values():
            one.end()


def _take(name: str, worker: _Worker) -> object:
    try:
        result = worker.answer.recv()
    except EOFError as error:
        fix = "the process that makes the report died: see whether the machine has enough memory, and run again"
        raise ReportError("E-RPT-4", fix, file=f"{name}.ipynb") from error
    finally:
        worker.end()
    if isinstance(result, CrmError):
        raise result
    return result
