"""How well duplicate customers are found where the truth is known: ``python -m benchmarks.duplicates``, results/duplicates.md.

Sets: FEBRL 1 to 4 (made-up persons with typing errors; 4 is two files that hold every person once each) and splink's fake_1000.
A pair counts as found where both are taken for one, at the default ``merge_from``. Beside it, splink's own examples for three of
these sets, whose models are made by hand for each set, at their best threshold, which only the truth tells: measured with splink 5.0
on the same files. Ours has the one model that it makes for any contract, and a threshold that is fixed beforehand.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from crm_analysis import warehouse

_FEBRL = """
company: FEBRL
currency: AUD
time_zone: Australia/Sydney
country: AU
covers_until: 2024-12-31
tables:
  customers:
    files: ["${{CRM_DATA}}/febrl/{files}.csv.gz"]
    format: {{date: "%Y%m%d"}}
    columns: {{customer_id: rec_id}}
    identity:
      columns:
        given_name: given_name
        surname: surname
        street: {{columns: [street_number, address_1]}}
        city: suburb
        postcode: postcode
        region: state
        birth_date: date_of_birth
        personal_number: soc_sec_id
"""
_FAKE = """
company: fake_1000
currency: GBP
time_zone: Europe/London
country: GB
covers_until: 2024-12-31
tables:
  customers:
    files: ["${CRM_DATA}/splink_fake1000/fake_1000_from_splink_demos.csv.gz"]
    format: {date: "%Y-%m-%d"}
    columns: {customer_id: unique_id}
    identity:
      columns: {given_name: first_name, surname: surname, birth_date: dob, city: city, email: email}
"""
CONTRACTS = {f"febrl{number}": _FEBRL.format(files=f"dataset{number}") for number in (1, 2, 3)}
CONTRACTS |= {"febrl4": _FEBRL.format(files="dataset4?"), "fake_1000": _FAKE}
# F1 of splink's examples: docs/demos/examples/duckdb of its repository, febrl3, febrl4 (which is told that each file holds a person
# once) and accuracy_analysis_from_labels_column.
SPLINK_F1 = {"febrl3": 0.9956, "febrl4": 0.9996, "fake_1000": 0.9513}


@dataclass(frozen=True)
class Accuracy:
    """Pairs of customers: how many are found, how many of these are true, how many are true in all."""

    n_found: int
    n_right: int
    n_true: int

    @property
    def precision(self) -> float:
        return self.n_right / self.n_found

    @property
    def recall(self) -> float:
        return self.n_right / self.n_true

    @property
    def f1(self) -> float:
        return 2 * self.n_right / (self.n_found + self.n_true)


def measure(root: Path, name: str) -> Accuracy:
    """Build the customer database of a set in ``root``, and compare its merges with the truth."""
    path = root / "params" / "sources" / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONTRACTS[name], encoding="utf-8")
    warehouse.ensure(root, name, "2GB")
    folder = warehouse.warehouse_folder(root, name)
    ids = pyarrow.parquet.read_table(folder / "customers.parquet")["customer_id"].to_pylist()
    merges = pyarrow.parquet.read_table(folder / "merges.parquet").to_pylist()
    kept = {one["customer_id"]: one["kept_customer_id"] for one in merges}
    group = {one: kept.get(one, one) for one in ids}
    truth = _read_truth(name)
    return Accuracy(
        _n_pairs(group.values()), _n_pairs((group[one], truth[one]) for one in ids), _n_pairs(truth[one] for one in ids)
    )


def _read_truth(name: str) -> dict[str, str]:
    """Customer → who it really is: FEBRL's ids are rec-<person>-org and rec-<person>-dup-<number>."""
    if name.startswith("febrl"):
        return _Persons()
    file = Path(os.environ["CRM_DATA"]) / "splink_fake1000" / "fake_1000_from_splink_demos.csv.gz"
    rows = pyarrow.csv.read_csv(file).to_pylist()
    return {str(row["unique_id"]): str(row["cluster"]) for row in rows}


class _Persons(dict):
    def __missing__(self, customer_id: str) -> str:
        return customer_id.split("-")[1]


def _n_pairs(groups) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(groups).values())


def main() -> None:
    lines = [f"# Duplicate customers\n\n{__doc__.partition(chr(10) * 2)[2].strip()}\n"]
    lines.append("| set | customers' true pairs | precision | recall | F1 | F1 of splink's example | seconds |")
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for name in CONTRACTS:
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            found = measure(Path(folder), name)
            seconds = time.monotonic() - started
        splink = f"{SPLINK_F1[name]:.4f}" if name in SPLINK_F1 else ""
        lines.append(
            f"| {name} | {found.n_true:,} | {found.precision:.4f} | {found.recall:.4f} | {found.f1:.4f} | {splink} | {seconds:.0f} |"
        )
        sys.stderr.write(f"{lines[-1]}\n")
    path = Path(__file__).parent / "results" / "duplicates.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
