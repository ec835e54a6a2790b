"""The command line behind the Makefile: ``python -m crm_analysis reports|sql|duplicates [NAME=value …]``.

Exit codes: 0 published; 2 parameters; 3 input; 4 environment; 5 a report failed; 6 integrity; 130 Ctrl-C; 143 terminated.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from pathlib import Path

import duckdb

from crm_analysis.errors import CrmError, Interrupted, MachineError, ParameterError
from crm_analysis.params import Run, build, find_root, read_yaml, with_overrides


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m crm_analysis", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["reports", "sql", "duplicates"])
    parser.add_argument("overrides", nargs="*", metavar="NAME=value", help="in place of what params/run.yml says")
    parsed = parser.parse_args(arguments)
    # What is made holds customers' data: it is for its owner only.
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        os.chdir(find_root(Path.cwd()))
        return {"reports": reports, "sql": sql, "duplicates": duplicates}[parsed.command](_split(parsed.overrides))
    except CrmError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _fail(Interrupted("E-INT-1", "stopped, and nothing was published: run again"))
    except (OSError, duckdb.Error) as error:
        known = _machine_error(error)
        if known is None:
            raise
        return _fail(known)


def reports(overrides: dict[str, str]) -> int:
    """Publish a month."""
    from crm_analysis.report.publish import publish

    print(publish(Path(), overrides))
    return 0


def sql(overrides: dict[str, str]) -> int:
    """A DuckDB prompt on the customer database of a source."""
    from crm_analysis import warehouse

    root = Path()
    path = root / "params" / "run.yml"
    run = build(Run, with_overrides(read_yaml(path), overrides), path)
    meta = warehouse.ensure(root, run.source, run.memory_limit)
    os.chdir(warehouse.warehouse_folder(root, run.source))
    views = "".join(f"CREATE VIEW {name} AS FROM '{name}.parquet';" for name in meta.tables)
    os.execv(Path(sys.executable).parent / "duckdb", ["duckdb", "-cmd", views])


def duplicates(overrides: dict[str, str]) -> int:
    """Take over what a person answered in the list of possible duplicates of a source, and write the list anew."""
    from crm_analysis import language, warehouse
    from crm_analysis.cleaning import review
    from crm_analysis.cleaning.building import decisions_path

    root = Path()
    path = root / "params" / "run.yml"
    run = build(Run, with_overrides(read_yaml(path), overrides), path)
    language.use(run.language)
    listed = root / "build" / "duplicates" / f"{run.source}.xlsx"
    decisions = decisions_path(warehouse.contract_path(root, run.source))
    n_answers = review.take_answers(listed, decisions)
    warehouse.ensure(root, run.source, run.memory_limit)
    n = review.write_list(warehouse.warehouse_folder(root, run.source), listed, run.memory_limit)
    taken = f"; {n_answers} answers went into {decisions}" if n_answers else ""
    print(f"{listed}: {n} pairs to look at, answer yes or no under 'same' and run this again{taken}")
    return 0


def _split(pairs: list[str]) -> dict[str, str]:
    overrides = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise ParameterError("E-PAR-2", f"write NAME=value, not '{pair}'", file="command line")
        overrides[name.lower()] = value
    return overrides


def _fail(error: CrmError) -> int:
    sys.stderr.write(f"{error}\n")
    return error.exit_code


def _machine_error(error: Exception) -> MachineError | None:
    """A full disk, missing rights or too little memory, as the operating system or DuckDB tell of them."""
    number, text = getattr(error, "errno", None), str(error)
    file = getattr(error, "filename", None) or "-"
    if number == errno.ENOSPC or "No space left on device" in text or "not enough space" in text.lower():
        return MachineError("E-DISK-1", "the disk is full: free some space and run again", file=file)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MachineError("E-RW-1", f"{os.strerror(number)}: make the folder writable, the file readable", file=file)
    if isinstance(error, duckdb.OutOfMemoryException):
        return MachineError("E-MEM-1", "memory_limit in params/run.yml is too small for these data: raise it")
    return None


def _terminate(*_: object) -> None:
    """As Ctrl-C does, so that everything is put away; only the exit code differs."""
    Interrupted.exit_code = 143
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
