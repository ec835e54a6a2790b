"""The records of the sample company as text, with dirt, written to files: each as another system would write it.

In the frames, a column named as in the exports (`Deal No`) is written, one in snake_case stays inside.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crm_analysis.sources.sample_export import spell_money
from crm_analysis.sources.sample_truth import CAMPAIGNS, DAYS, DIRT


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A file: exported column → the frame's day or minute that it spells; the formats of these and of money; what separates
    cells; and in `broken`, a column and texts that are no day."""

    times: dict[str, str]
    format: str
    money: str
    delimiter: str
    key: str
    broken: tuple[str, tuple[str, ...]]


LAYOUTS = {
    "invoices": Layout(
        times={"Invoice Date": "invoiced_day", "Due Date": "due_day", "Paid Date": "paid_day"},
        format="%d.%m.%Y", money=",", delimiter=";", key="Invoice No",
        broken=("Invoice Date", ("31.02.2025", "00.00.0000")),
    ),
    "tickets": Layout(
        times={"Opened": "opened", "Answered": "answered", "Resolved": "resolved"},
        format="%Y-%m-%dT%H:%M", money=".", delimiter=",", key="Ticket No",
        broken=("Opened", ("2025-02-30T10:00", "yesterday")),
    ),
    "deals": Layout(
        times={"Opened": "opened_day", "Close Date": "closed_day"},
        format="%m/%d/%Y", money="US", delimiter=",", key="Deal No",
        broken=("Opened", ("02/30/2025", "13/13/2025")),
    ),
    "reviews": Layout(
        times={"Given": "minute"},
        format="%Y/%m/%d %H:%M", money=".", delimiter="\t", key="Review No",
        broken=("Given", ("2025/02/30 10:00", "0000/00/00 00:00")),
    ),
    "campaign_contacts": Layout(
        times={"Contacted": "contacted_day"},
        format="%Y-%m-%d", money=".", delimiter=",", key="Customer No",
        broken=("Contacted", ("2025-02-30", "0000-00-00")),
    ),
}  # fmt: skip
AMOUNTS = ("Amount", "Bought For")
PADDINGS = (" {}", "{}\u00a0")


def spell_records(records: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every cell as the text that the export shows."""
    spelled = {}
    for name, layout in LAYOUTS.items():
        frame = records[name]
        written = {column: frame[column].astype(str) for column in frame if column[0].isupper()}
        for column, source in layout.times.items():
            written[column] = spell_times(frame[source], layout.format)
        for column in AMOUNTS:
            if column in frame:
                written[column] = [spell_amount(int(cents), layout.money) for cents in frame[column]]
        spelled[name] = pd.DataFrame(written)
    return spelled


def spell_times(counts: pd.Series, written: str) -> list[str]:
    """Days, or minutes where the format has any, since the first day; '' for what has not happened. Each is spelled once."""
    unit = "m" if "%M" in written else "D"
    start = np.datetime64(DAYS[0], unit)
    distinct = counts.dropna().unique()
    moments = pd.DatetimeIndex((start + distinct.astype(int)).astype("datetime64[s]"))
    texts = dict(zip(distinct, moments.strftime(written), strict=True))
    return [texts.get(one, "") for one in counts]


def spell_amount(cents: int, money: str) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}" if money == "US" else spell_money(cents, money)


def add_record_dirt(rng: np.random.Generator, lines: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The lines with `DIRT`: copies right below their originals, lines with a broken day, and blanks around ids."""
    return {name: _soil(rng, frame.copy(), LAYOUTS[name]) for name, frame in lines.items()}


def _soil(rng: np.random.Generator, lines: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    rows = rng.permutation(lines.index[lines["Customer No"] != ""])
    n_copies, n_broken = DIRT.record_duplicates, DIRT.record_broken_dates
    copied, rows = np.split(rows, [n_copies])
    broken, rows = np.split(rows, [n_broken])
    column, texts = layout.broken
    copies = lines.loc[copied]
    numbers = [f"X{number:06d}" for number in range(n_broken)]
    nothing = {one: spell_amount(0, layout.money) for one in AMOUNTS if one in lines}
    soiled = lines.loc[broken].assign(**{column: list(texts), layout.key: numbers, **nothing})
    for i, row in enumerate(rows[: DIRT.record_padded_ids]):
        lines.loc[row, "Customer No"] = PADDINGS[i % len(PADDINGS)].format(lines.loc[row, "Customer No"])
    return pd.concat([lines, copies, soiled]).sort_index(kind="stable")


def write_records(folder: Path, lines: dict[str, pd.DataFrame]) -> None:
    """A file for each, and one of the campaigns."""
    for name, frame in lines.items():
        _write(folder / f"{name}.csv", frame, LAYOUTS[name].delimiter)
    campaigns = pd.DataFrame(
        [(one.name, one.title, one.channel, one.started, one.ended, f"{one.cost_euros}.00") for one in CAMPAIGNS],
        columns=["Campaign", "Title", "Channel", "Start", "End", "Cost"],
    )
    _write(folder / "campaigns.csv", campaigns, ",")


def _write(path: Path, lines: pd.DataFrame, delimiter: str) -> None:
    text = lines.to_csv(sep=delimiter, index=False, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    path.write_bytes(text.encode("utf-8"))
