"""Customers of the sample company who registered twice: a second row in its sheet of customers, under a number without orders."""

from __future__ import annotations

import numpy as np
import pandas as pd

N_DOUBLES = 100
_STREAM = 7  # apart from the streams of the company: whatever changes here, all else stays


def draw_doubles(customers: pd.DataFrame, seed: int) -> pd.DataFrame:
    """`N_DOUBLES` rows as of customers, with the number of the customer each is in `same_as`.

    Each has the name with a letter lost, in capitals or with the family name first, and the telephone and the e-mail of the
    first row, the one in other digits groups and the other in capitals, one of them missing in a third of the rows each.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    doubles = customers.iloc[np.sort(rng.choice(len(customers), N_DOUBLES, replace=False))].reset_index(drop=True)
    doubles["same_as"] = doubles["Customer No"]
    doubles["Customer No"] = [f"C{len(customers) + number:06d}" for number in range(1, N_DOUBLES + 1)]
    doubles["Name"] = [_misspell(rng, name) for name in doubles["Name"]]
    lacks = rng.integers(0, 3, N_DOUBLES)
    doubles["E-mail"] = _without(doubles["E-mail"].str.upper(), lacks == 0)
    doubles["Phone"] = _without(doubles["Phone"].map(_regroup), lacks == 1)
    later = pd.to_timedelta(rng.integers(1, 90, N_DOUBLES), unit="D")
    doubles["Signup Date"] = list((pd.to_datetime(doubles["Signup Date"]) + later).dt.date)
    return doubles


def _without(texts: pd.Series, is_lacking: np.ndarray) -> pd.Series:
    return texts.astype(object).mask(is_lacking, None)


def _misspell(rng: np.random.Generator, name: str) -> str:
    kind, place = rng.integers(0, 3), rng.integers(1, len(name))
    if not name.isascii() and " " not in name:
        return name  # a Chinese name that lacks a sign is another
    given_name, _, surname = name.partition(" ")
    return (name[:place] + name[place + 1 :], name.upper(), f"{surname}, {given_name}")[kind]


def _regroup(phone: str) -> str:
    """A telephone number without its blanks and strokes."""
    return phone.replace(" ", "").replace("/", "")
