"""Mutated files and contracts: whatever comes in, the end is a whole database (and report) or one line with a code.

    python tests/bad_inputs/fuzz.py SECONDS [SEED]

tries mutations for so long and tells what went wrong; each finding is kept in ``corpus/``, where the tests try it again. A mutation is
known by its kind and number: the same number gives the same bytes.
"""

from __future__ import annotations

import io
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pyarrow.parquet
import xlsxwriter
from catalogue import GOOD, HEADER, SHOP

from crm_analysis import warehouse
from crm_analysis.errors import CrmError

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
LIMIT_SECONDS, LIMIT_BYTES = 60, 2 << 30
BATCH = 20
# One of so many databases goes on to a published report.
PUBLISHED = 100

LINES = (
    'A1,007,2024-05-01,2,"1.50"\nA2,"O\'Hara, ""Una""",2024-05-02,1,0.00\nA3,,2024-05-02,1,9.99\nR1,c1,2024-05-03,-1,1.50\n'
    'A4,李雷,2024-05-04,3,5\nA5,"two\nlines",2024-05-05,1,7.25\nTotal,,,,99\n'
)
CSV = (HEADER + LINES + GOOD).encode()
NASTY = (
    "", " ", "\x00", "\x1a", "\r", '"', '""', ",", ";", "\t", "\ufeff", "\u202e", "\u200b", "\udc80", "ÿ", "锟斤拷", "合计", "1e400",
    "-0", "NaN", "inf", "１２", "1,5", "(3.00)", "¥5", "9" * 40, "0x10", "=1+1", "2024-02-30", "9999-12-31", "infinity", "31/12/2024",
    "x" * 5000, "<script>", "'; DROP TABLE orders; --", "../../x", "${HOME}", "[1]", "{a: b}", "&a", "*a", "!!python/none", "null", "~",
)  # fmt: skip


def workbook() -> bytes:
    """The orders as an xlsx."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as book:
        # Else the moment of writing stands in it: not the same bytes twice.
        book.set_properties({"created": datetime(2024, 6, 1, tzinfo=UTC)})
        sheet = book.add_worksheet("orders")
        for row, line in enumerate((HEADER + GOOD).splitlines()):
            for column, cell in enumerate(line.split(",")):
                if row and column > 2:
                    sheet.write_number(row, column, float(cell))
                else:
                    sheet.write_string(row, column, cell)
    return file.getvalue()


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, inserted, doubled or lost."""
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 7, 100))
        new = rng.choice((b"", bytes([rng.randrange(256)]), rng.choice(NASTY).encode("utf-8", "surrogatepass"),
                          data[place : place + length] * 2))  # fmt: skip
        data = data[:place] + new + data[place + rng.choice((0, 1, length)) :]
    return data or b"\n"


def mutate_lines(rng: random.Random, data: bytes, mark: bytes) -> bytes:
    """Lines and cells changed, moved, doubled or lost; or another encoding, line end or delimiter throughout."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 2, 8))):
        place = rng.randrange(len(lines))
        cells = lines[place].split(mark)
        cell = rng.randrange(len(cells))
        cells[cell] = rng.choice((rng.choice(NASTY).encode("utf-8", "surrogatepass"), cells[rng.randrange(len(cells))]))
        lines[place] = rng.choice(
            (mark.join(cells), mark.join(cells[:cell]), mark.join([*cells, b""]), lines[-1 - place])
        )
    data = b"\n".join(lines)
    whole = rng.randrange(12)
    if whole == 0:
        data = data.decode("utf-8", "replace").encode(rng.choice(("gb18030", "utf-16", "utf-8-sig", "utf-16-le")))
    elif whole == 1:
        data = data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r")))
    elif whole == 2:
        data = data.replace(mark, rng.choice((b";", b"\t", b"|", b" ")))
    return data


def mutation(kind: str, number: int) -> tuple[str, dict[str, bytes]]:
    """The contract and the files of a mutation. ``kind``: csv, xlsx or yaml."""
    rng = random.Random(f"{kind} {number}")
    if kind == "csv":
        mutate = rng.choice((mutate_bytes, lambda rng, data: mutate_lines(rng, data, b",")))
        return SHOP, {"orders.csv": mutate(rng, CSV)}
    if kind == "xlsx":
        return SHOP.replace("orders.csv", "orders.xlsx"), {"orders.xlsx": mutate_workbook(rng, workbook())}
    mutate = rng.choice((mutate_bytes, lambda rng, data: mutate_lines(rng, data, rng.choice((b":", b" ", b"{")))))
    return mutate(rng, SHOP.encode()).decode("utf-8", "replace"), {"orders.csv": CSV}


def mutate_workbook(rng: random.Random, data: bytes) -> bytes:
    """The zip's bytes damaged, or one of its parts changed and zipped again."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    made = io.BytesIO()
    with ZipFile(io.BytesIO(data)) as old, ZipFile(made, "w", ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = rng.choice([one for one in names if "sheet1" in one or "shared" in one.lower() or rng.random() < 0.2])
        for name in names:
            part = old.read(name)
            if name == chosen:
                part = rng.choice((mutate_bytes, mutate_values, mutate_values, mutate_values))(rng, part)
            new.writestr(ZipInfo(name), part, ZIP_DEFLATED)
    return made.getvalue()


def mutate_values(rng: random.Random, part: bytes) -> bytes:
    """Texts, numbers and attributes of a part of a workbook changed, and left well-formed."""
    for _ in range(rng.choice((1, 3, 30))):
        found = rng.choice(list(re.finditer(rb'(?<=>)[^<>]+(?=<)|(?<==")[^"]*(?=")', part)))
        new = escape(rng.choice(NASTY), {'"': "&quot;"}).encode("utf-8", "replace")
        part = part[: found.start()] + rng.choice((new, b"-1", b"1048577", b"inlineStr", b"e")) + part[found.end() :]
    return part


def attempt(folder: Path, contract: str, files: dict[str, bytes], publish: bool = False) -> str:
    """``built``, ``published`` or the error's code. Raises whatever else happens: a finding."""
    sources = folder / "params" / "sources"
    sources.mkdir(parents=True)
    (sources / "shop.yml").write_text(contract, encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        warehouse.ensure(folder, "shop", "1GB")
    except CrmError as error:
        assert " rows=" in str(error), error
        return error.code
    built = warehouse.warehouse_folder(folder, "shop")
    ledger = pyarrow.parquet.read_table(built / "ledger.parquet").to_pylist()
    lines = built / "order_lines.parquet"
    if lines.exists():
        used = [row for row in ledger if row["fate"] == "used" and row["table"] == "order_lines"]
        kept = pyarrow.parquet.read_table(lines, columns=["line_amount"])["line_amount"].to_pylist()
        assert sum(row["n_rows"] for row in used) == len(kept)
        assert sum((row["line_amount"] for row in used), Decimal(0)) == sum(kept, Decimal(0))
    return published(folder) if publish else "built"


def published(folder: Path) -> str:
    """Go on to the pages, by the command line."""
    for name in ("notebooks", "params"):
        shutil.copytree(PROJECT / name, folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("sources"))
    (folder / "params" / "run.yml").write_text("source: shop\npartial: true\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "crm_analysis", "reports", "METHODS=rfm quality", "FORMATS=html"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
    return "published" if done.returncode == 0 else done.stderr.split()[0]


def attempt_numbers(kind: str, first: int, n: int) -> None:
    """In a process of its own: try some mutations, a line of JSON for each."""
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError(f"longer than {LIMIT_SECONDS} s")))
    for number in range(first, first + n):
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
            signal.alarm(LIMIT_SECONDS)
            try:
                outcome = attempt(Path(folder), *mutation(kind, number), publish=number % PUBLISHED == 0)
            except Exception as error:
                outcome = f"finding {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            signal.alarm(0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > LIMIT_BYTES:
            outcome = f"finding more than {LIMIT_BYTES} bytes of memory"
        print(json.dumps([number, outcome]), flush=True)


def keep(kind: str, number: int) -> None:
    """A finding, for the tests to try again."""
    CORPUS.mkdir(exist_ok=True)
    contract, files = mutation(kind, number)
    folder = CORPUS / f"{kind}-{number}"
    folder.mkdir(exist_ok=True)
    (folder / "shop.yml").write_text(contract, encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_bytes(content)


def fuzz(seconds: float, seed: int) -> int:
    """Try mutations of every kind in turn until the time is over; how many findings there were."""
    ends, number, outcomes = time.monotonic() + seconds, seed, Counter()
    while time.monotonic() < ends:
        for kind in ("csv", "xlsx", "yaml"):
            done = subprocess.run(
                [sys.executable, __file__, "--numbers", kind, str(number), str(BATCH)], capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            told = dict(map(json.loads, done.stdout.splitlines()))
            if len(told) < BATCH:
                told[number + len(told)] = f"finding: the process died ({done.returncode}) {done.stderr[-300:]}"
            for one, outcome in told.items():
                outcomes[kind, outcome.split()[0]] += 1
                if outcome.startswith("finding"):
                    keep(kind, one)
                    print(f"{kind} {one}: {outcome}")
        number += BATCH
    for (kind, outcome), n in sorted(outcomes.items()):
        print(f"{kind:5} {outcome:10} {n}")
    return sum(n for (_, outcome), n in outcomes.items() if outcome.startswith("finding"))


if __name__ == "__main__":
    if sys.argv[1] == "--numbers":
        attempt_numbers(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(fuzz(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0) > 0)
