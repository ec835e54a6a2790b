"""What one case of bad input is, and how it is tried.

A case writes its files and its contract into a project of its own, runs one command there, and says how that must end: the exit
code, the code and place of the error's one line, or the ledger and the warnings of what was read. Cases stand in ``cases_*.py``,
by kind of input, under the ids of the catalogue of bad input.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crm_analysis.errors import CrmError

# A person's data, of which no message may show anything.
PERSON = {"name": "Wilhelmine Canary", "phone": "+49 30 5550199", "email": "canary@example.com"}
HEADER = "order,customer,day,pieces,price\n"
# Enough good lines that a few bad ones do not stop the run; they are left out of a case's ledger.
GOOD = "".join(f"G{number},good{number},2024-05-{1 + number % 28:02},1,50.00\n" for number in range(200))
SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
"""
ONE_LINE = re.compile(r"E-[A-Z]+-\d+ file=.+ (column=.+ )?rows=.+ fix=.+")


def orders(*lines: str, good: bool = True) -> dict[str, str]:
    """``orders.csv`` with these lines from line 2 on, and good ones below."""
    return {"orders.csv": HEADER + "".join(f"{line}\n" for line in lines) + (GOOD if good else "")}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of bad input.

    ``files``: path within the project → content. ``run``: what is done with the source, by default its customer database is
    built. ``ledger``: (fate, reason) → rows, good lines left out. ``warnings``: (code, column) → rows. ``check``: whatever else
    must hold of the source afterwards. ``handler``: the function that deals with it, as ``module:name``, and ``without``: what
    stands in its place where it is switched off. ``needs``: the fixture that makes the source of contract and files.
    """

    id: str
    what: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    contract: str = SHOP
    run: Callable = lambda source: source.build()
    exit_code: int = 0
    code: str | None = None
    file: str | None = None
    column: str | None = None
    rows: str | None = None
    ledger: Mapping[tuple[str, str | None], int] | None = None
    warnings: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    check: Callable = lambda source: None
    handler: str | None = None
    without: Callable | None = None
    needs: str = "make_source"

    def prove(self, make_source) -> None:
        """Try it; AssertionError where it ends otherwise."""
        source = make_source(self.contract, dict(self.files))
        try:
            self.run(source)
        except CrmError as error:
            self._prove_refusal(error)
        else:
            assert self.exit_code == 0, f"{self.id}: nothing was refused"
            self._prove_ledger(source)
        self.check(source)

    def _prove_refusal(self, error: CrmError) -> None:
        line = str(error)
        assert (error.exit_code, error.code) == (self.exit_code, self.code), line
        assert ONE_LINE.fullmatch(line), line
        assert not any(value in line for value in PERSON.values()), line
        for name in ("file", "column", "rows"):
            if (wanted := getattr(self, name)) is not None:
                assert str(getattr(error, name)) == wanted, line

    def _prove_ledger(self, source) -> None:
        if self.ledger is not None:
            fates = source.fates()
            fates["used", None] -= sum(row["order_id"].startswith("G") for row in source.rows("order_lines"))
            assert {one: n for one, n in fates.items() if n} == dict(self.ledger)
        if (source.folder / "warnings.parquet").exists():
            found = Counter()
            for row in source.rows("warnings"):
                found[row["code"], row["column"]] += row["n_rows"]
            assert found == dict(self.warnings)
