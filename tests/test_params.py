"""Parameters: YAML as text, typed by dataclasses; a mistake is one line that names file, entry and remedy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Literal

import pytest

from crm_analysis import params
from crm_analysis.errors import InputError, ParameterError
from crm_analysis.methods import decile, rfm
from crm_analysis.params import Run, build, find_root, first_of_month, read_yaml, with_overrides


@pytest.fixture
def yaml_file(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "run.yml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "010", "12:30:45", "1.10", "1e3", "2011-12", "2011-12-10", "null", "NaN", "0x10", "1_000", "="],
)
def test_a_scalar_stays_the_text_that_stands_there(yaml_file, text):
    assert read_yaml(yaml_file(f"name: {text}\n")) == {"name": text}


def test_a_list_a_mapping_and_an_empty_entry(yaml_file):
    assert read_yaml(yaml_file("a: [1, no]\nb: {c: 010}\nd:\n")) == {"a": ["1", "no"], "b": {"c": "010"}, "d": ""}


def test_a_byte_order_mark_is_no_part_of_the_first_name(yaml_file):
    assert read_yaml(yaml_file(b"\xef\xbb\xbfsource: x\n")) == {"source": "x"}


def test_a_file_of_comments_alone_is_empty(yaml_file):
    assert read_yaml(yaml_file("# nothing yet\n")) == {}


def test_a_mapping_remembers_its_lines(yaml_file):
    entries = read_yaml(yaml_file("a: 1\n\nb:\n  c: 2\n"))
    assert entries.lines == {"a": 1, "b": 3}
    assert entries["b"].lines == {"c": 4}


@pytest.mark.parametrize(
    ("content", "row", "told"),
    [
        ("month: 2011-11\nlanguage: en\nmonth: 2011-12\n", 3, "'month' stands twice"),  # A95
        ("a:\n  b: 1\n  b: 2\n", 3, "'b' stands twice"),
        ("a: &x 1\nb: *x\n", 1, "anchors and aliases are not allowed"),  # A133
        ("a: 1\nb: *x\n", 2, "anchors and aliases are not allowed"),
        ("a: &x [1]\n", 1, "anchors and aliases are not allowed"),
        ("? [1, 2]\n: 3\n", 1, "a key must be a word"),
        ("- a\n- b\n", "-", "write 'name: value' lines"),
        ("just text", "-", "write 'name: value' lines"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: [1\n", 2, "expected"),
        ("a: {b: 1\nc: 2\n", 2, "expected"),
        ("a: \x07\n", "-", "special characters are not allowed"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "-", "save the file as UTF-8 text"),  # A100
        ("name: \u738b\n".encode("gb18030"), "-", "save the file as UTF-8 text"),
        ("# " + "x" * (1 << 20), "-", "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(yaml_file, refused, content, row, told):
    path = yaml_file(content)
    with refused(ParameterError, "E-PAR-2") as caught:
        read_yaml(path)
    assert (caught.value.file, caught.value.rows) == (path, row)
    assert told in caught.value.fix


@pytest.mark.parametrize("name", ["missing.yml", "."])
def test_a_missing_file_and_a_folder_are_refused(tmp_path, refused, name):
    with refused(ParameterError, "E-PAR-2"):
        read_yaml(tmp_path / name)


def test_a_deeply_nested_file_is_refused(yaml_file, refused):
    with refused(ParameterError, "E-PAR-2"):
        read_yaml(yaml_file("a: " + "[" * 5000))


@pytest.mark.parametrize("content", ["a: !!python/object/apply:os.system ['x']\n", "a: !x {b: 1, b: 2}\n"])
def test_a_tag_is_refused(yaml_file, refused, content):  # A132
    with refused(ParameterError, "E-PAR-2"):
        read_yaml(yaml_file(content))


# --- typing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Inner:
    days: int


@dataclass(frozen=True, kw_only=True)
class Some:
    text: str = ""
    whole: int = 0
    number: float = 0.0
    flag: bool = False
    day: date | None = None
    kind: Literal["net", "gross"] = "net"
    several: tuple[int, ...] = ()
    inner: Inner | None = None
    named: dict[str, int] | None = None
    from_: str = ""


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("text", "007", "007"),
        ("text", "no", "no"),
        ("whole", "-12", -12),
        ("number", "1.10", 1.1),
        ("number", "-3", -3.0),
        ("flag", "true", True),
        ("flag", "False", False),
        ("day", "2026-10-31", date(2026, 10, 31)),
        ("day", "", None),
        ("kind", "gross", "gross"),
        ("several", ["1", "2"], (1, 2)),
        ("several", "1", (1,)),
        ("inner", {"days": "3"}, Inner(days=3)),
    ],
)
def test_text_is_typed_by_the_field(name, written, value):
    assert getattr(build(Some, {name: written}, "x.yml"), name) == value


def test_a_trailing_underscore_is_not_part_of_the_written_name():
    assert build(Some, {"from": "order_lines"}, "x.yml").from_ == "order_lines"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("whole", "010"),
        ("whole", "1.0"),
        ("whole", "1_000"),
        ("whole", "\uff11\uff12"),  # full-width digits
        ("whole", ""),
        ("whole", ["1"]),
        ("number", "inf"),
        ("number", "nan"),
        ("number", "1,5"),
        ("flag", "yes"),
        ("flag", "1"),
        ("day", "2026-02-30"),
        ("day", "31.10.2026"),
        ("kind", "Net"),
        ("kind", ["net"]),
        ("several", ["1", "x"]),
        ("inner", "3"),
        ("text", {"a": "b"}),
    ],
)
def test_an_ill_typed_entry_is_refused(refused, name, written):
    with refused(ParameterError, "E-PAR-2") as caught:
        build(Some, {name: written}, "x.yml")
    assert caught.value.column == name


def test_a_number_beyond_all_numbers_is_refused(refused):
    with refused(ParameterError, "E-PAR-2"):
        build(Some, {"number": "1e999"}, "x.yml")


def test_an_unknown_entry_is_refused_with_the_nearest_name(yaml_file, refused):  # A91
    path = yaml_file("source: sample\nmnoth: 2024-02\n")
    with refused(ParameterError, "E-PAR-1") as caught:
        build(Run, read_yaml(path), path)
    assert caught.value.fix == "unknown 'mnoth', did you mean 'month'?"
    assert (caught.value.file, caught.value.column, caught.value.rows) == (path, "mnoth", 2)


def test_an_unknown_entry_like_none_lists_the_known_ones(refused):
    with refused(ParameterError, "E-PAR-1") as caught:
        build(Inner, {"zzz": "1"}, "x.yml")
    assert caught.value.fix == "unknown 'zzz'; known: days"


def test_an_entry_within_an_entry_is_named_with_its_path(yaml_file, refused):
    path = yaml_file("inner:\n  dasy: 3\n")
    with refused(ParameterError, "E-PAR-1") as caught:
        build(Some, read_yaml(path), path)
    assert (caught.value.column, caught.value.rows) == ("inner.dasy", 2)


def test_a_missing_entry_is_refused(refused):
    with refused(ParameterError, "E-PAR-2") as caught:
        build(Inner, {}, "x.yml")
    assert caught.value.fix == "'days' is missing: add it"


# --- a run -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "month",
    [
        "2024-13", "2024-00", "2024-1", "202401", "2024-01-01", " 2024-01", "2024-01 ", "2024-01\n",
        "\uff12\uff10\uff12\uff14-\uff10\uff11", "2024_01", "24-01",  # A93
        "../../x", "/abs", "..\\..", "CON", "a\0b", "2024-01/../x",  # A130
    ],
)  # fmt: skip
def test_only_a_plain_month_is_a_month(refused, month):
    with refused(ParameterError, "E-PAR-3"):
        build(Run, {"month": month}, "run.yml")


@pytest.mark.parametrize("month", ["0000-05", "9999-12"])
def test_a_month_outside_the_calendar_is_refused(refused, month):
    with refused(ParameterError, "E-PAR-3"):
        _ = build(Run, {"month": month}, "run.yml").as_of


@pytest.mark.parametrize("source", ["../x", "Sample", "a b", "1a", "a" * 42, "a\0", "x;drop table", ""])
def test_a_source_is_a_plain_name(refused, source):
    with refused(ParameterError, "E-PAR-3"):
        build(Run, {"source": source}, "run.yml")


@pytest.mark.parametrize(
    "entries", [{"language": "tlh"}, {"formats": "docx"}, {"methods": ["../rfm"]}, {"memory_limit": "4"}]
)
def test_other_entries_of_a_run_out_of_range_are_refused(refused, entries):
    with refused(ParameterError, "E-PAR-3"):
        build(Run, entries, "run.yml")


def test_the_days_around_a_month():
    run = Run(month="2024-01")
    assert (run.starts, run.as_of) == (date(2024, 1, 1), date(2024, 2, 1))
    assert run.last_year_as_of == date(2023, 2, 1)
    assert (run.previous_month, run.same_month_last_year) == ("2023-12", "2023-01")


@pytest.mark.parametrize(
    ("month", "later", "first"),
    [
        ("2024-02", 0, "2024-02-01"),
        ("2024-12", 1, "2025-01-01"),
        ("2024-01", -1, "2023-12-01"),
        ("2024-03", -15, "2022-12-01"),
    ],
)
def test_first_of_month(month, later, first):
    assert first_of_month(month, later) == date.fromisoformat(first)


def test_the_command_line_comes_before_the_file(yaml_file):
    entries = with_overrides(read_yaml(yaml_file("source: a\nmonth: 2024-01\n")), {"month": "2024-02"})
    run = build(Run, entries, "run.yml")
    assert (run.source, run.month) == ("a", "2024-02")


@pytest.mark.parametrize("text", ["rfm decile", "rfm,decile", " rfm, decile "])
def test_a_list_on_the_command_line_is_split(text):
    run = build(Run, with_overrides(params.Entries(), {"methods": text}), "run.yml")
    assert run.methods == ("rfm", "decile")


def test_an_empty_list_on_the_command_line_is_empty():
    assert build(Run, with_overrides(params.Entries(), {"formats": ""}), "run.yml").formats == ()


def test_an_unknown_name_on_the_command_line_is_refused(refused):
    with refused(ParameterError, "E-PAR-1") as caught:
        with_overrides(params.Entries(), {"mnoth": "2024-02"})
    assert "did you mean 'month'?" in caught.value.fix


def test_the_run_file_of_the_project_is_valid(project):
    path = project / "params" / "run.yml"
    run = build(Run, read_yaml(path), path)
    assert (run.source, run.formats, run.methods) == ("sample", (), ())


def test_the_project_is_found_from_a_folder_within(tmp_path, refused):
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "run.yml").touch()
    (tmp_path / "notebooks").mkdir()
    assert find_root(tmp_path / "notebooks") == tmp_path
    with refused(ParameterError, "E-PAR-2"):
        find_root(tmp_path.parent / "nowhere")


# --- thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "entries"),
    [
        (rfm, {"recency_cuts_days": ["60", "30", "90", "120"]}),  # A98
        (rfm, {"frequency_cuts_orders": ["2", "2", "3", "4"]}),
        (rfm, {"monetary_cuts_amount": ["10", "20"]}),
        (rfm, {"k": "1"}),
        (rfm, {"k": "11"}),
        (rfm, {"min_customers": "0"}),
        (rfm, {"list_rows": "0"}),
        (decile, {"window_months": "0"}),
        (decile, {"window_months": "121"}),
        (decile, {"min_customers": "9"}),
    ],
)
def test_thresholds_out_of_order_or_range_are_refused(refused, method, entries):
    with refused(ParameterError, "E-PAR-3") as caught:
        build(method.Params, entries, "x.yml")
    assert next(iter(entries)) in caught.value.fix
    assert caught.value.exit_code == 2


def test_thresholds_out_of_order_are_named_with_their_values(refused):
    with refused(ParameterError, "E-PAR-3") as caught:
        build(rfm.Params, {"recency_cuts_days": ["60", "30", "90", "120"]}, "rfm.yml")
    assert "[60, 30, 90, 120]" in caught.value.fix


@pytest.mark.parametrize(
    ("value", "bounds", "told"),
    [
        (0, (1, 3), "x is 0; it goes from 1 to 3"), (4, (1, 3), "x is 4; it goes from 1 to 3"),
        (0, params.FROM_1, "x is 0; it must be at least 1"), (0.0, (params.ABOVE_0, 1), "x is 0.0; it goes from above 0 to 1"),
        (0, (params.ABOVE_0, math.inf), "x is 0; it must be above 0"), (float("nan"), (0, 1), "x is nan; it goes from 0 to 1"),
        (1, (1, 3), ""), (3, (1, 3), ""), (None, (1, 3), ""), (1e-300, (params.ABOVE_0, 1), ""),
    ],
)  # fmt: skip
def test_a_bound_is_told_in_words(value, bounds, told):
    given = SimpleNamespace(x=value)
    if not told:
        params.check_bounds(given, {"x": bounds})
        return
    with pytest.raises(ValueError, match="^" + re.escape(told) + "$"):
        params.check_bounds(given, {"x": bounds})


@pytest.mark.parametrize("method", [rfm, decile])
def test_the_parameters_of_the_project_are_valid(project, method):
    path = project / "params" / f"{method.__name__.split('.')[-1]}.yml"
    assert build(method.Params, read_yaml(path), path) == method.Params()


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_is_one_line_whatever_its_parts_hold():
    error = InputError("E-HDR-1", "two\nlines", file="a\nb.csv", column="x\ty", rows="1,2 (2 rows)")
    assert str(error) == "E-HDR-1 file=a b.csv column=x y rows=1,2 (2 rows) fix=two lines"
