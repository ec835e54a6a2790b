"""YAML files → frozen dataclasses, checked before anything starts.

Every scalar of a YAML file is read as text and typed by the dataclass's field, so that neither ``no``, ``010`` nor
``2011-12`` can turn into something else. Unknown, repeated, ill-typed and out-of-range entries are a ParameterError.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, timedelta
from pathlib import Path

import yaml
from yaml.constructor import ConstructorError

from crm_analysis.errors import ParameterError
from crm_analysis.language import LANGUAGES

MAX_BYTES = 1 << 20
MAX_JOBS = 256
# Bounds of parameters: a number above 0, and one from 1 on.
ABOVE_0 = math.ulp(0.0)
FROM_1 = (1, math.inf)
FORMATS = ("html", "pdf")
MONTH = re.compile(r"(19|20|21)\d{2}-(0[1-9]|1[0-2])", re.ASCII)


class Entries(dict):
    """A mapping that remembers the line of the file in which each key stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class _Loader(yaml.BaseLoader):
    """Text only; no anchors, no aliases, no tags, no key twice."""

    def compose_node(self, parent, index):
        if getattr(self.peek_event(), "tag", None) not in (None, "!"):
            raise ConstructorError(None, None, "tags (!…) are not allowed", self.peek_event().start_mark)
        if self.check_event(yaml.events.AliasEvent) or getattr(self.peek_event(), "anchor", None):
            raise ConstructorError(None, None, "anchors and aliases are not allowed", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Entries:
    entries = Entries()
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise ConstructorError(None, None, "a key must be a word", key_node.start_mark)
        if key in entries:
            raise ConstructorError(None, None, f"'{key}' stands twice", key_node.start_mark)
        entries[key] = loader.construct_object(value_node, deep=True)
        entries.lines[key] = key_node.start_mark.line + 1
    return entries


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def read_yaml(path: Path) -> Entries:
    """The mapping in a YAML file, all scalars as text. Raises ParameterError (E-PAR-2)."""
    if not path.is_file():
        raise ParameterError("E-PAR-2", "the file is missing", file=path)
    if path.stat().st_size > MAX_BYTES:
        raise ParameterError("E-PAR-2", f"the file is larger than {MAX_BYTES} bytes", file=path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506 (BaseLoader)
    except UnicodeDecodeError as error:
        raise ParameterError("E-PAR-2", "save the file as UTF-8 text", file=path) from error
    except RecursionError as error:
        raise ParameterError("E-PAR-2", "the entries are nested too deeply", file=path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ParameterError(
            "E-PAR-2", str(getattr(error, "problem", error)), file=path, rows=mark.line + 1 if mark else "-"
        ) from error
    if content in (None, ""):
        return Entries()
    if not isinstance(content, Entries):
        raise ParameterError("E-PAR-2", "write 'name: value' lines", file=path)
    return content


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """``, did you mean 'x'?``, or the list of what is known."""
    known = [str(one) for one in known]
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


def build(cls: type, entries: Mapping, file: object, prefix: str = ""):
    """A dataclass from a mapping, by its fields' types.

    Raises ParameterError: E-PAR-1 unknown name, E-PAR-2 ill-typed or missing, E-PAR-3 whatever ``__post_init__`` refuses.
    """
    lines = getattr(entries, "lines", {})
    hints = typing.get_type_hints(cls)
    known = {field.name.rstrip("_"): field for field in fields(cls) if field.init}
    values = {}
    for key, value in entries.items():
        where = {"file": file, "column": prefix + key, "rows": lines.get(key, "-")}
        if key not in known:
            raise ParameterError("E-PAR-1", f"unknown '{key}'{nearest(key, known)}", **where)
        try:
            values[known[key].name] = _typed(hints[known[key].name], value, file, f"{prefix}{key}.")
        except ValueError as error:
            raise ParameterError("E-PAR-2", str(error), **where) from error
    for key, field in known.items():
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise ParameterError("E-PAR-2", f"'{key}' is missing: add it", file=file, column=prefix + key)
    try:
        return cls(**values)
    except ValueError as error:
        raise ParameterError("E-PAR-3", str(error), file=file, column=prefix.rstrip(".") or None) from error


def _typed(hint, value, file: object, prefix: str):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and value in (None, "", "null", "~"):
            return None
        rest = [one for one in arguments if one is not type(None)]
        return _typed_union(rest, value, file, prefix)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(f"'{value}' is not one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [] if value in (None, "") else [value]
        return tuple(_typed(arguments[0], item, file, prefix) for item in items)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError("write 'name: value' lines here")
        lines = getattr(value, "lines", {})
        result = {}
        for key, item in value.items():
            try:
                result[key] = _typed(arguments[1], item, file, f"{prefix}{key}.")
            except ValueError as error:
                raise ParameterError(
                    "E-PAR-2", str(error), file=file, column=f"{prefix}{key}", rows=lines.get(key, "-")
                ) from error
        return result
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError("write 'name: value' lines here")
        return build(hint, value, file, prefix)
    return _scalar(hint, value)


def _typed_union(hints: list, value, file: object, prefix: str):
    """The member of the union that fits the shape of the value: a mapping, a list or a scalar."""
    for hint in hints:
        if isinstance(value, Mapping) == is_dataclass(hint) and isinstance(value, list) == (
            typing.get_origin(hint) is tuple
        ):
            return _typed(hint, value, file, prefix)
    return _typed(hints[0], value, file, prefix)


def _scalar(hint: type, value):
    if isinstance(value, Mapping | list | tuple):
        raise ValueError("write one value here")
    text = str(value).strip() if not isinstance(value, str) else value
    if hint is str:
        return text
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"'{text}' is not true or false")
        return text.lower() == "true"
    if hint is int:
        if not re.fullmatch(r"-?(0|[1-9]\d*)", text, re.ASCII):
            raise ValueError(f"'{text}' is not a whole number")
        return int(text)
    if hint is float:
        if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text, re.ASCII):
            raise ValueError(f"'{text}' is not a number")
        if math.isinf(float(text)):
            raise ValueError(f"'{text}' is too large")
        return float(text)
    if hint is date:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError(f"'{text}' is not a date such as 2026-10-31")
        return date.fromisoformat(text)
    raise TypeError(f"no reading of {hint}")


def check_rising(name: str, numbers: typing.Sequence[float]) -> None:
    """Raises ValueError, which names the two, where a number does not stand above the one before it."""
    for before, number in itertools.pairwise(numbers):
        if before >= number:
            raise ValueError(f"{name} is {list(numbers)}: {number} stands after {before}, write rising numbers")


def check_bounds(params: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raises ValueError, which names it, where a parameter that is given is below its lower or above its upper bound."""
    for name, (low, high) in bounds.items():
        value = getattr(params, name)
        if value is not None and not low <= value <= high:
            above = "above 0" if low == ABOVE_0 else ""
            allowed = (
                f"goes from {above or low} to {high}" if high < math.inf else f"must be {above or f'at least {low}'}"
            )
            raise ValueError(f"{name} is {value}; it {allowed}")


def find_root(start: Path) -> Path:
    """The project's folder, which holds ``params/run.yml``: ``start`` or one above it. Raises ParameterError."""
    for folder in (start, *start.parents):
        if (folder / "params" / "run.yml").is_file():
            return folder
    raise ParameterError("E-PAR-2", "run this in the project's folder: there is no params/run.yml here", file=start)


def first_of_month(month: str, months_later: int = 0) -> date:
    """The first day of the month ``months_later`` after ``month`` (``2026-10``)."""
    index = int(month[:4]) * 12 + int(month[5:7]) - 1 + months_later
    return date(index // 12, index % 12 + 1, 1)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run is: ``params/run.yml``, and what the command line overrides.

    ``month`` empty means the last complete month of the source; ``methods`` empty all; ``formats`` empty HTML, and PDF
    where the machine can make it. ``partial``: a month that the source does not cover to its end may be published.
    ``memory_limit`` is the engine's, such as ``4GB``, for each of the ``jobs`` reports that are made at once; 0: as many as the
    machine has cores.
    """

    source: str = "sample"
    month: str | None = None
    partial: bool = False
    language: str = "en"
    engine: typing.Literal["duckdb", "spark"] = "duckdb"
    formats: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    memory_limit: str = "4GB"
    jobs: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", self.source, re.ASCII):
            raise ValueError(f"source '{self.source}' must be small letters, digits and _")
        if self.month is not None and not MONTH.fullmatch(self.month):
            raise ValueError(f"month '{self.month}' must look like 2026-10")
        if self.language not in LANGUAGES:
            raise ValueError(f"language '{self.language}' is not one of {', '.join(LANGUAGES)}")
        for one in self.formats:
            if one not in FORMATS:
                raise ValueError(f"format '{one}' is not one of html, pdf")
        for one in self.methods:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", one, re.ASCII):
                raise ValueError(f"method '{one}' must be small letters, digits and _")
        if not re.fullmatch(r"[1-9]\d*(MB|GB|TB)", self.memory_limit):
            raise ValueError(f"memory_limit '{self.memory_limit}' must look like 4GB")
        if not 0 <= self.jobs <= MAX_JOBS:
            raise ValueError(f"jobs is {self.jobs}: write 0 to {MAX_JOBS}")

    @property
    def as_of(self) -> date:
        """The first day after the month: nothing from then on may influence a report."""
        return first_of_month(self.month, 1)

    @property
    def starts(self) -> date:
        """The first day of the month, which is also the previous month's ``as_of``."""
        return first_of_month(self.month)

    @property
    def last_year_as_of(self) -> date:
        return first_of_month(self.month, -11)

    @property
    def previous_month(self) -> str:
        return f"{self.starts - timedelta(days=1):%Y-%m}"

    @property
    def same_month_last_year(self) -> str:
        return f"{first_of_month(self.month, -12):%Y-%m}"


def with_overrides(entries: Entries, overrides: Mapping[str, str]) -> Entries:
    """``run.yml`` with the command line's ``name=value`` in place of its own; lists are split at blanks."""
    known = {field.name: field for field in dataclasses.fields(Run)}
    merged = Entries()
    merged.update(entries)
    merged.lines.update(entries.lines)
    for name, value in overrides.items():
        if name not in known:
            raise ParameterError("E-PAR-1", f"unknown '{name}'{nearest(name, known)}", file="command line", column=name)
        is_list = known[name].default == ()
        merged[name] = value.replace(",", " ").split() if is_list else value
        merged.lines.pop(name, None)
    return merged
