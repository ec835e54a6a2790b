"""The columns of a file, found under the contract's names; or what to do where they are not there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from crm_analysis.errors import InputError
from crm_analysis.params import nearest
from crm_analysis.sources.records import DELIMITERS, Noticed, Records

MAX_NAMES = 20
# No message shows data: numbers, dates, addresses are no names of columns.
_IS_DATA = re.compile(r"^[\d\s.,/:+-]*\d[\d\s.,/:+-]*$|@")


_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))


def plain(name: str) -> str:
    """A name without what nobody sees in it, or writes twice alike: width, case, blanks at its ends and how many within."""
    return " ".join(unicodedata.normalize("NFKC", name).translate(_INVISIBLE).split()).casefold()


def match_columns(wanted: Mapping[str, bool], records: Records, label: str, contract: Path) -> list[str]:
    """The file's columns, by the contract's names where they differ from them by blanks, case and width only. ``wanted``: the
    contract's names → whether the file may lack them. Raises InputError: E-HDR-2 for a column that is not there, E-HDR-3 where it may be one without a name,
    E-HDR-4 where the header is further down, E-DELIM-1 where another character delimits."""
    renamed, missing = {}, []
    for column, may_be_missing in wanted.items():
        if column in records.columns:
            continue
        alike = [found for found in records.columns if plain(found) == plain(column) and found not in wanted]
        if len(alike) == 1:
            renamed[alike[0]] = column
        elif not may_be_missing:
            missing.append(column)
    if missing:
        needed = [column for column, may_be_missing in wanted.items() if not may_be_missing]
        raise _refusal(needed, missing, records, label, contract)
    return [renamed.get(column, column) for column in records.columns]


def notice_ignored(ignored: Sequence[str], records: Records) -> Iterable[Noticed]:
    """The columns that nobody asked for, which are left out, and those without a name."""
    named = [column for column in ignored if column not in records.unnamed]
    unnamed = [column for column in ignored if column in records.unnamed]
    for code, names in (("E-HDR-5", named), ("E-HDR-3", unnamed)):
        if names:
            yield Noticed(code, _names(names), records.n_records)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")


def _refusal(wanted: Sequence[str], missing: list[str], records: Records, label: str, contract: Path) -> InputError:
    def refuse(code: str, fix: str) -> InputError:
        return InputError(code, fix, file=label, column=", ".join(missing), rows=records.format.skip_rows + 1)

    if not records.format.header:
        return refuse(
            "E-HDR-2", f"the file has {len(records.columns)} columns: correct {contract.name}, or its delimiter"
        )
    for delimiter in (None, *DELIMITERS):
        for line, cells in records.head(delimiter):
            if cells != records.header and {plain(one) for one in wanted} <= {plain(one) for one in cells}:
                if delimiter is None:
                    return refuse("E-HDR-4", f"the header was found in line {line}: write skip_rows: {line - 1}")
                return _other_delimiter(refuse, wanted, records, delimiter)
    if len(records.columns) == 1 < len(wanted) and (delimiter := records.likely_delimiter()):
        return _other_delimiter(refuse, wanted, records, delimiter)
    if records.unnamed:
        return refuse(
            "E-HDR-3",
            f"{_names(records.unnamed)} of the header has no name: write it there, or correct {contract.name}",
        )
    if len(missing) == len(wanted) and any(_IS_DATA.search(cell) for cell in records.header):
        return refuse(
            "E-HDR-2", f"the first row holds data and no names: write header: false in {contract.name}, or correct it"
        )
    return refuse(
        "E-HDR-2",
        f"no such column{nearest(missing[0], records.columns)}; the file has {_names(records.columns)}; correct"
        f" {contract.name}, or its delimiter, header and skip_rows",
    )


def _other_delimiter(refuse, wanted: Sequence[str], records: Records, delimiter: str) -> InputError:
    n = len(records.columns)
    return refuse(
        "E-DELIM-1",
        f"expected {len(wanted)} columns or more, found {n}; it looks like '{delimiter}': write that as delimiter",
    )
