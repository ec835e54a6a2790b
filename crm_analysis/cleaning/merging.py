"""Pairs of customers that may be one → groups that are taken for one, and what a person decided about them.

Groups grow from the most probable pair on. A pair of ``merge_from`` or more joins two groups only where the mean probability over
all customers of the one and all of the other is at least half of ``merge_from``, with nothing for pairs that were not found. So who
is surely one of two joins them, but a single link never makes one customer of two families. Of a group the customer is kept who
registered first, then the one with the shortest id, the first in the alphabet.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from crm_analysis.errors import InputError
from crm_analysis.language import _, mark
from crm_analysis.schema import MERGES, PAIRS

MIN_MEAN_SHARE = 0.5
DECIDED = mark("decided by a person")
_HEADER = ["customer_id", "other_customer_id", "same"]


class Decision(NamedTuple):
    """What a person says of two customers, in this line of the file."""

    customer_id: str
    other_customer_id: str
    is_same: bool
    line: int


def read_decisions(path: Path) -> list[Decision]:
    """``params/merges/<source>.csv``: customer_id, other_customer_id, same (yes or no). Raises InputError E-DUP-2."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != _HEADER:
            raise InputError("E-DUP-2", f"the first line must be {','.join(_HEADER)}", file=path.name, rows=1)
        found = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            one, other, same = [cell.strip() for cell in (*row, "", "", "")[:3]]
            if len(row) != 3 or same.lower() not in ("yes", "no") or not one or not other or one == other:
                raise InputError("E-DUP-2", "write two ids, and yes or no", file=path.name, rows=rows.line_num)
            found.append(Decision(one, other, same.lower() == "yes", rows.line_num))
    return found


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """The file that read_decisions reads; of a pair that stands there twice, the later counts."""
    latest = {frozenset(one[:2]): one for one in decisions}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_HEADER)
        rows.writerows(
            (one.customer_id, one.other_customer_id, "yes" if one.is_same else "no") for one in latest.values()
        )


class Groups:
    """Customers that are taken for one."""

    def __init__(self) -> None:
        self._group: dict[str, list[str]] = {}

    def of(self, customer_id: str) -> list[str]:
        return self._group.setdefault(customer_id, [customer_id])

    def join(self, one: str, other: str) -> None:
        left, right = self.of(one), self.of(other)
        if left is not right:
            left += right
            self._group.update(dict.fromkeys(right, left))

    def all(self) -> list[list[str]]:
        return list({id(group): group for group in self._group.values() if len(group) > 1}.values())


def form_groups(pairs: pd.DataFrame, decisions: list[Decision], merge_from: float, file: str) -> Groups:
    """Join what a person says, then what is probable enough, never what a person denies. Raises InputError E-DUP-3 where the
    decisions contradict each other."""
    groups = Groups()
    apart = defaultdict(set)
    for one in decisions:
        if one.is_same:
            groups.join(one.customer_id, one.other_customer_id)
        else:
            apart[one.customer_id].add(one.other_customer_id)
            apart[one.other_customer_id].add(one.customer_id)
    for one in decisions:
        if not one.is_same and one.other_customer_id in groups.of(one.customer_id):
            raise InputError(
                "E-DUP-3",
                "this no contradicts what other lines say yes to: remove one of them",
                file=file,
                rows=one.line,
            )
    prob: dict[str, dict[str, float]] = defaultdict(dict)
    for one, other, value in pairs[["customer_id", "other_customer_id", "match_prob"]].itertuples(index=False):
        prob[one][other] = prob[other][one] = value
    sure = pairs[(pairs["match_prob"] >= merge_from) & ~pairs["differs"]]
    order = ["match_prob", "customer_id", "other_customer_id"]
    for one, other in sure.sort_values(order, ascending=[False, True, True])[order[1:]].itertuples(index=False):
        left, right = groups.of(one), groups.of(other)
        if left is right or any(apart[member] & set(right) for member in left if member in apart):
            continue
        mean = sum(prob[member].get(stranger, 0.0) for member in left for stranger in right) / (len(left) * len(right))
        if mean >= MIN_MEAN_SHARE * merge_from:
            groups.join(one, other)
    return groups


def add_decisions(pairs: pd.DataFrame, decisions: list[Decision]) -> pd.DataFrame:
    """The pairs as a person sees them: what is denied is gone, what is confirmed is certain."""
    decided = {frozenset(one[:2]) for one in decisions}
    keys = [frozenset(one) for one in zip(pairs["customer_id"], pairs["other_customer_id"], strict=True)]
    left = pairs[pd.Series([key not in decided for key in keys], index=pairs.index, dtype=bool)]
    confirmed = [(*one[:2], 1.0, DECIDED, False) for one in decisions if one.is_same]
    added = pd.DataFrame(confirmed, columns=pairs.columns)
    return pd.concat([left, added], ignore_index=True) if len(added) else left.reset_index(drop=True)


def settle(pairs: pd.DataFrame, groups: Groups, signed_up: dict[str, object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """PAIRS and MERGES (schema), each pair beginning with the one that would be kept. ``signed_up``: id → day, where known."""

    def rank(customer_id: str) -> tuple:
        return (str(signed_up.get(customer_id) or "9999"), len(customer_id), customer_id)

    rows = []
    for one, other, prob, why in pairs[["customer_id", "other_customer_id", "match_prob", "why"]].itertuples(
        index=False
    ):
        rows.append((*sorted((one, other), key=rank), prob, why))
    rows.sort()
    best: dict[str, list[tuple]] = defaultdict(list)
    for one, other, prob, why in rows:
        best[one].append((other, prob, why))
        best[other].append((one, prob, why))
    merges = []
    for group in groups.all():
        kept = min(group, key=rank)
        members = set(group)
        for customer_id in members - {kept}:
            known = [one for one in best[customer_id] if one[0] in members]
            # The pair with the one that is kept, or else the most probable one.
            _, prob, why = max(known, key=lambda one: (one[0] == kept, one[1], one[0]))
            merges.append((customer_id, kept, prob, why))
    return pd.DataFrame(rows, columns=list(PAIRS.columns)), pd.DataFrame(sorted(merges), columns=list(MERGES.columns))


def explain(why: str) -> str:
    """What speaks for and against a pair (schema.PAIRS), in the reader's language."""
    parts = [re.fullmatch(r"(.+?)( [+−±]\d+)?", one).groups("") for one in why.split(", ")]
    return ", ".join(_(words) + weight for words, weight in parts)
