"""The command line behind the Makefile: ``python -m crm_analysis reports|customer|sql|duplicates [NAME=value …]``, or ``inspect FILE… [NAME=shop]``.

Exit codes: 0 published; 1 a fault of the program; 2 parameters; 3 input; 4 environment; 5 a report failed; 6 integrity;
130 Ctrl-C; 143 terminated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from crm_analysis.errors import CrmError, Interrupted, ParameterError, told
from crm_analysis.params import Run, build, find_root, read_yaml, with_overrides
from crm_analysis.report.preflight import check_limits


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m crm_analysis", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["reports", "customer", "sql", "duplicates", "inspect"])
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="NAME=value",
        help="in place of what params/run.yml says; for inspect also files",
    )
    parsed = parser.parse_args(arguments)
    # What is made holds customers' data: it is for its owner only.
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        if parsed.command == "inspect":
            return inspect(parsed.overrides)
        os.chdir(find_root(Path.cwd()))
        command = {"reports": reports, "customer": customer, "sql": sql, "duplicates": duplicates}[parsed.command]
        return command(_split(parsed.overrides))
    except CrmError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _fail(Interrupted("E-INT-1", "stopped, and nothing was published: run again"))
    except Exception as error:
        return _fail(told(error))


def reports(overrides: dict[str, str]) -> int:
    """Publish a month."""
    check_limits()
    from crm_analysis.report.publish import publish

    print(publish(Path(), overrides))
    return 0


def customer(overrides: dict[str, str]) -> int:
    """A page on one customer, ``ID=…``, beside the published month, for whoever asks."""
    check_limits()
    from crm_analysis.report.customer.making import make_page

    print(make_page(Path(), overrides))
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


def inspect(arguments: list[str]) -> int:
    """Look at files that no contract describes, and write the draft of one: to params/sources/<name>.yml, or without a name
    to the screen. It never writes over one that is there."""
    from crm_analysis.inspection.drafting import propose
    from crm_analysis.sources.contract import DECIDE, NAME

    files = [Path(one) for one in arguments if not one.lower().startswith("name=")]
    name = _split([one for one in arguments if one.lower().startswith("name=")]).get("name")
    if not files:
        raise ParameterError("E-PAR-2", "name the files to look at: inspect FILE… NAME=shop", file="command line")
    root = find_root(Path.cwd())
    path = root / "params" / "sources" / f"{name}.yml"
    if name is not None and not NAME.fullmatch(name):
        raise ParameterError("E-PAR-3", f"NAME={name} must be small letters, digits and _", file="command line")
    if name is not None and path.exists():
        raise ParameterError(
            "E-PAR-3", "this contract is there already: write another NAME, or move it away", file=path
        )
    draft = propose(files, (name or files[0].name.split(".")[0]).replace("_", " ").title(), root)
    if name is None:
        print(draft, end="")
        return 0
    with path.open("x", encoding="utf-8") as file:
        file.write(draft)
    n = sum(DECIDE in line.split("  # ")[0] for line in draft.splitlines() if not line.startswith("#"))
    todo = f"decide what {n} marks {DECIDE} ask, then run" if n else "read it, then run"
    print(f"{path.relative_to(root)}: {todo} make reports SOURCE={name}")
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


def _terminate(*_: object) -> None:
    """As Ctrl-C does, so that everything is put away; only the exit code differs."""
    Interrupted.exit_code = 143
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
