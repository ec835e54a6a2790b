"""How the numbers of a file are written: decimal and thousands mark, sign and currency, with the value that proves it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

# Signs and abbreviations of currencies that may stand with an amount, and what they can mean.
SYMBOLS = {
    "€": ("EUR",), "£": ("GBP",), "₺": ("TRY",), "TL": ("TRY",), "R$": ("BRL",), "元": ("CNY",), "円": ("JPY",), "₩": ("KRW",),
    "₹": ("INR",), "US$": ("USD",), "NT$": ("TWD",), "HK$": ("HKD",), "RMB": ("CNY",), "CHF": ("CHF",), "EUR": ("EUR",),
    "USD": ("USD",), "GBP": ("GBP",), "CNY": ("CNY",), "JPY": ("JPY",), "BRL": ("BRL",), "TRY": ("TRY",), "MXN": ("MXN",),
    "¥": ("CNY", "JPY"), "￥": ("CNY", "JPY"), "$": ("USD", "another currency that is written so"),
    "zł": ("PLN",), "kr": ("SEK", "NOK", "DKK"),
}  # fmt: skip
_SYMBOL = "|".join(re.escape(one) for one in sorted(SYMBOLS, key=len, reverse=True))
_BLANKS = " \u00a0\u202f"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\-−])?(?:(?P<before>{_SYMBOL}) ?)?[+\-−]?(?P<core>\d[\d.,'’{_BLANKS}]*\d|\d|\.\d+)"
    rf"(?: ?(?P<after>{_SYMBOL}))?(?P<trail>-)?(?P<close>\))?"
)
_GROUPED = re.compile(rf"\d{{1,3}}(?:(?P<mark>[.,'’{_BLANKS}])\d{{3}})(?:(?P=mark)\d{{3}})*(?:(?P<point>[.,])\d+)?")
_PLAIN = re.compile(r"\d*(?:(?P<point>[.,])\d+)?")


class Marks(NamedTuple):
    """The marks of a file. ``decimal`` and ``thousands`` are None where no value tells; ``why``: the evidence of each."""

    decimal: str | None
    thousands: str | None
    why: dict[str, str]


def find_marks(columns: Iterable[tuple[str, Iterable[str]]]) -> Marks:
    """The decimal and thousands mark that the values of these columns (name, different values) are written with."""
    proofs: dict[str, Counter] = {"decimal": Counter(), "thousands": Counter()}
    examples: dict[tuple[str, str], str] = {}
    unclear: Counter = Counter()
    is_ungrouped = False

    def prove(kind: str, mark: str, name: str, value: str) -> None:
        proofs[kind][mark] += 1
        examples.setdefault((kind, mark), f"{name}: {value}")

    for name, values in columns:
        for value in values:
            match = _NUMBER.fullmatch(value.strip())
            if match is None:
                continue
            core = match["core"]
            grouped, plain = _GROUPED.fullmatch(core), _PLAIN.fullmatch(core)
            is_ungrouped |= re.match(r"\d{4}", core) is not None
            if grouped and (grouped["point"] or core.count(grouped["mark"]) > 1 or grouped["mark"] not in ".,"):
                prove("thousands", grouped["mark"], name, value)
                if grouped["point"] and grouped["point"] != grouped["mark"]:
                    prove("decimal", grouped["point"], name, value)
            elif grouped and not core.startswith("0"):
                unclear[grouped["mark"]] += 1
                examples.setdefault(("unclear", grouped["mark"]), f"{name}: {value}")
            elif plain and plain["point"]:
                prove("decimal", plain["point"], name, value)
    return _judge(proofs, examples, unclear, is_ungrouped)


def _judge(proofs: dict[str, Counter], examples: dict, unclear: Counter, is_ungrouped: bool) -> Marks:
    why = {}
    decimal = next((one for one, _ in proofs["decimal"].most_common(1)), None)
    thousands = next((one for one, _ in proofs["thousands"].most_common() if one != decimal), "")
    if decimal:
        why["decimal"] = examples["decimal", decimal]
        if len(proofs["decimal"]) > 1:
            (_, n), (other, n_other) = proofs["decimal"].most_common(2)
            why["decimal"] += f"; but {n_other} of {n + n_other} values as {examples['decimal', other]}"
    if thousands:
        why["thousands"] = examples["thousands", thousands]
    for mark, n in unclear.items():
        example = examples["unclear", mark]
        if mark in (decimal, thousands):
            continue
        if decimal or thousands:
            # The other mark is taken: this one must be what is left.
            if decimal is None:
                decimal, why["decimal"] = mark, f"{example}, as {thousands!r} stands between thousands"
            elif not thousands:
                thousands, why["thousands"] = mark, f"{example}, as {decimal!r} is the decimal mark"
        elif is_ungrouped:
            decimal, why["decimal"] = mark, f"{example}, as larger numbers have no mark between thousands"
        else:
            text = f"{example} may be a decimal or a thousands mark ({n} values)"
            return Marks(None, None, {"decimal": text, "thousands": text})
    return Marks(decimal or ("." if thousands != "." else ","), thousands, why)


def read_number(value: str, marks: Marks) -> float | None:
    """A text as a number in these marks, a currency's sign and brackets aside; None where it is none."""
    match = _NUMBER.fullmatch(value.strip())
    if match is None:
        return None
    core = match["core"]
    if marks.thousands:
        if marks.thousands in core and not re.fullmatch(
            rf"\d{{1,3}}(?:{re.escape(marks.thousands)}\d{{3}})+(?:\D\d+)?", core
        ):
            return None
        core = core.replace(marks.thousands, "")
    core = core.replace(marks.decimal or ".", ".")
    try:
        number = float(core)
    except ValueError:
        return None
    is_negative = "-" in value or "−" in value or (match["open"] and match["close"])
    return -number if is_negative else number


def looks_like_number(value: str) -> bool:
    return _NUMBER.fullmatch(value.strip()) is not None


def decimals_of(value: str, marks: Marks) -> int:
    """How many decimals a number is written with, zeros at the end aside."""
    core = _NUMBER.fullmatch(value.strip())["core"]
    _, is_there, decimals = core.rpartition(marks.decimal or ".")
    return len(decimals.rstrip("0")) if is_there else 0


def symbols_of(value: str) -> set[str]:
    """The currency's sign or abbreviation in an amount."""
    match = _NUMBER.fullmatch(value.strip())
    return {one for one in (match["before"], match["after"]) if one} if match else set()
