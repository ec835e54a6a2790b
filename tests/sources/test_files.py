"""Delimited text and Parquet: every cell as written, every record with the line on which it begins."""

from __future__ import annotations

import csv
import gzip
import io
import re
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analysis.errors import InputError
from crm_analysis.sources import files, open_records
from crm_analysis.sources.contract import Format
from crm_analysis.sources.records import LINE


def read(path, **written):
    """(columns, {line: cells}, [(line, reason)] of broken records) of a file."""
    records = open_records(path, Format(**written), "Europe/Berlin")
    rows = {}
    for batch in records:
        for row in batch.to_pylist():
            line = row.pop(LINE)
            rows[line] = list(row.values())
    assert records.n_records == len(rows) + len(records.broken)
    return records.columns, rows, [(one.line, one.reason) for one in records.broken]


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, name: str = "a.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- encodings -------------------------------------------------------------------------------------------------------

NAMES = 'id,name\n1,王芳\n2,Zoë\n3,"李, 娜"\n'
TWIN = (["id", "name"], {2: ["1", "王芳"], 3: ["2", "Zoë"], 4: ["3", "李, 娜"]}, [])


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (NAMES.encode(), "utf-8"),
        (NAMES.encode("utf-8-sig"), "utf-8"),  # A04
        (NAMES.encode("gb18030"), "gb18030"),  # A01
        (NAMES.encode("utf-16"), "utf-16"),  # A03
        (b"\xff\xfe" + NAMES.encode("utf-16-le"), "utf-8"),
        (b"\xfe\xff" + NAMES.encode("utf-16-be"), "utf-8"),
        (NAMES.encode("utf-16-le"), "utf-16-le"),
        (gzip.compress(NAMES.encode()), "utf-8"),
        (gzip.compress(NAMES.encode("gb18030")), "gb18030"),
        (gzip.compress(NAMES[:20].encode()) + gzip.compress(NAMES[20:].encode()), "utf-8"),
    ],
    ids=[
        "utf-8",
        "bom",
        "gb18030",
        "utf-16",
        "utf-16-le bom",
        "utf-16-be bom",
        "utf-16-le",
        "gz",
        "gz gbk",
        "gz of two",
    ],
)
def test_a_file_of_any_encoding_reads_like_its_utf8_twin(file, content, encoding):
    assert read(file(content), encoding=encoding) == TWIN


def test_characters_cut_by_the_end_of_a_block_are_whole(file, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    path = file("id,name\n" + "".join(f"{number},王{number}芳\n" for number in range(40)))
    assert read(path)[1] == {number + 2: [str(number), f"王{number}芳"] for number in range(40)}


@pytest.mark.parametrize("at", [1, 2, 500])
def test_a_wrong_encoding_names_line_byte_and_the_likely_one(file, refused, at):  # A02, A05
    lines = ["id,name"] + [f"{number},Zoë" for number in range(1, 500)]
    before = "".join(f"{line}\n" for line in lines[:at]).encode()
    content = before + "x,王芳\n".encode("gb18030") + "".join(f"{line}\n" for line in lines[at:]).encode()
    with refused(InputError, "E-ENC-1") as caught:
        read(file(content))
    assert (caught.value.file, caught.value.rows) == ("a.csv", at + 1)
    first_bad = len(before) + 2
    assert content[:first_bad].decode() and int(re.search(r"byte (\d+) ", caught.value.fix)[1]) == first_bad


def test_a_wrong_encoding_proposes_the_one_that_fits(file, refused):
    with refused(InputError, "E-ENC-1") as caught:
        read(file(NAMES.encode("gb18030")))
    assert "it looks like gb18030" in caught.value.fix
    assert read(file(NAMES.encode("gb18030")), encoding="gb18030") == TWIN


def test_a_file_cut_within_a_character_names_the_byte_and_proposes_nothing(file, refused):
    content = "id,name\n1,Zoë\n2,".encode() + "王".encode()[:2]
    with refused(InputError, "E-ENC-1") as caught:
        read(file(content))
    assert caught.value.rows == 3
    assert f"byte {len(content) - 2} " in caught.value.fix
    assert "looks like" not in caught.value.fix


# --- delimiters, headers, lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("id\tname\n1\ta b\n", {"delimiter": "tab"}),
        ("id;name\n1;a b\n", {"delimiter": ";"}),
        ("id|name\n1|a b\n", {"delimiter": "|"}),
        ("id,name\n1,'a b'\n", {"quote": "single"}),
    ],
)
def test_delimiters_and_quotes(file, content, written):
    assert read(file(content), **written) == (["id", "name"], {2: ["1", "a b"]}, [])


def test_without_quotes_a_quotation_mark_is_a_letter(file):
    assert read(file('id,name\n1,5" nail\n2,"x"\n'), quote="none")[1] == {2: ["1", '5" nail'], 3: ["2", '"x"']}


def test_any_run_of_blanks_delimits_where_the_contract_says_whitespace(file):
    path = file("  id  name \n 1   ab\n2\tcd  \n\n3 \t ef")
    assert read(path, delimiter="whitespace") == (
        ["id", "name"],
        {2: ["1", "ab"], 3: ["2", "cd"], 4: ["", ""], 5: ["3", "ef"]},
        [],
    )


def test_blanks_delimit_across_the_end_of_a_block(file, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 16)
    path = file("id name\n" + "".join(f" {number}    n{number}  \n" for number in range(50)))
    assert read(path, delimiter="whitespace")[1] == {number + 2: [str(number), f"n{number}"] for number in range(50)}


def test_without_a_header_columns_are_named_by_position(file):
    assert read(file("1,a\n2,b\n"), header=False) == (["1", "2"], {1: ["1", "a"], 2: ["2", "b"]}, [])


def test_skipped_rows_count_as_lines(file):  # A29
    path = file("Report of May\n\nid,name\n1,a\n")
    assert read(path, skip_rows=2) == (["id", "name"], {4: ["1", "a"]}, [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_kind(file, end):  # A08
    path = file(f"id,name{end}1,a{end}2,b{end}")
    assert read(path) == (["id", "name"], {2: ["1", "a"], 3: ["2", "b"]}, [])


def test_the_last_line_needs_no_end(file):
    assert read(file("id,name\n1,a\n2,b"))[1] == {2: ["1", "a"], 3: ["2", "b"]}


def test_an_empty_cell_is_empty_text_and_null_is_a_name(file):  # A53
    path = file("id,name\n,NULL\nNA,\n1,NaN\n")
    assert read(path)[1] == {2: ["", "NULL"], 3: ["NA", ""], 4: ["1", "NaN"]}


def test_numbers_dates_and_booleans_stay_text(file):  # A49, A50, A54
    path = file("id,name\n007,2024-01-01\n1E5,TRUE\n90071992547409930001,1.10\n")
    assert read(path)[1] == {2: ["007", "2024-01-01"], 3: ["1E5", "TRUE"], 4: ["90071992547409930001", "1.10"]}


def test_blank_lines_are_records_and_keep_the_numbers(file):  # A39
    path = file("id,name\n1,a\n\n \n2,b\n\n")
    empty = ["", ""]
    assert read(path)[1:] == ({2: ["1", "a"], 3: empty, 5: ["2", "b"], 6: empty}, [(4, "blank")])


def test_rows_of_other_length_are_broken_with_line_and_text(file):  # A30, A32
    path = file("id,name\n1,a\n2,b,c\n3,c\n4\n5,e\n")
    records = open_records(path, Format(), "Europe/Berlin")
    assert [row for batch in records for row in batch.column(LINE).to_pylist()] == [2, 4, 6]
    assert [tuple(one) for one in records.broken] == [(3, "E-ROW-1", "2,b,c"), (5, "E-ROW-3", "4")]


def test_line_numbers_are_right_after_line_breaks_within_quotes(file):
    path = file('id,name\n1,"a\nb\nc"\n2,x,y\n\n3,"d\n""e""\n"\n4\n5,f\n')
    assert read(path) == (
        ["id", "name"],
        {2: ["1", "a\nb\nc"], 6: ["", ""], 7: ["3", 'd\n"e"\n'], 11: ["5", "f"]},
        [(5, "E-ROW-1"), (10, "E-ROW-3")],
    )


def test_line_numbers_are_right_after_a_broken_record_of_several_lines(file):
    path = file('id,name\n1,"a\nb",x\n2,c\n3\n4,d\n')
    assert read(path) == (["id", "name"], {4: ["2", "c"], 6: ["4", "d"]}, [(2, "E-ROW-1"), (5, "E-ROW-3")])


def test_raw_texts_are_the_lines_as_they_stand_in_the_file(file):
    path = file('id,name\r\n1,"a ""b"""\r\n2, c\u00a0\r\n')
    assert open_records(path, Format(), "Europe/Berlin").raw_texts({2, 3}) == {2: '1,"a ""b"""', 3: "2, c\u00a0"}


def test_a_raw_text_of_several_lines_is_whole(file):
    path = file('id,name\n1,"a\nb"\n2,c\n')
    assert open_records(path, Format(), "Europe/Berlin").raw_texts({2, 4}) == {2: '1,"a\nb"', 4: "2,c"}


def test_a_carriage_return_within_quotes_moves_no_line(file):  # A35
    path = file('id,name\n1,"a\rb"\n2,c\n')
    _, rows, _ = read(path)
    assert rows == {2: ["1", "a\rb"], 3: ["2", "c"]}
    assert open_records(path, Format(), "Europe/Berlin").raw_texts({3}) == {3: "2,c"}


def test_a_blank_line_above_the_header_is_no_header(file):
    assert read(file("\nid,name\n1,a\n")) == (["id", "name"], {3: ["1", "a"]}, [])


def test_a_line_break_in_the_header_is_part_of_a_name(file):
    assert read(file('id,"first\nname"\n1,a\n')) == (["id", "first\nname"], {3: ["1", "a"]}, [])


# Text that needs quoting, and none that a reader must take for something else: the end of a record that is joined to another.
cell = st.text(st.sampled_from("ab,;\"\n'\t 王é"), max_size=6).filter(
    lambda text: not ("\n" in text and text.endswith('"'))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(cell, cell, st.text(st.sampled_from("xyz"), min_size=1, max_size=3)), min_size=1, max_size=12
    ),
    delimiter=st.sampled_from([",", ";", "tab"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    extra=st.sets(st.integers(0, 11)),
    block=st.sampled_from([128, 8 << 20]),
)
def test_what_csv_writes_is_read_back_with_its_lines(file, rows, delimiter, line_end, extra, block):
    """Records as the csv module writes them, some with a cell too many, give the same texts and physical lines."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if delimiter == "tab" else delimiter, lineterminator=line_end)
    writer.writerow(["a", "b", "c"])
    good, broken = {}, []
    for number, row in enumerate(rows):
        line = text.getvalue().count("\n") + 1
        if number in extra:
            writer.writerow([*row, "more"])
            broken.append((line, "E-ROW-1"))
        else:
            writer.writerow(row)
            good[line] = list(row)
    good[text.getvalue().count("\n") + 1] = ["", "", "z"]
    writer.writerow(["", "", "z"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK_BYTES", block)
        columns, found, found_broken = read(file(text.getvalue()), delimiter=delimiter)
    assert (columns, found, found_broken) == (["a", "b", "c"], good, broken)


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"\n\n\r\n", b"\xef\xbb\xbf", gzip.compress(b"")], ids=["nothing", "blank lines", "bom", "gz"]
)
def test_an_empty_file_is_refused(file, refused, content):  # A10, A11
    with refused(InputError, "E-FILE-1"):
        read(file(content))


def test_a_header_alone_is_a_file_of_no_records(file):
    assert read(file("id,name\n")) == (["id", "name"], {}, [])


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest"])
def test_a_zip_or_a_workbook_is_no_text(file, refused, content):  # A14
    with refused(InputError, "E-FILE-4"):
        read(file(content))


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_is_refused(file, refused, damage):
    content = bytearray(gzip.compress(NAMES.encode() * 50))
    if damage == "cut":
        del content[-20:]
    else:
        content[40] ^= 0xFF
        content[41] ^= 0xFF
    with refused(InputError, "E-FILE-4"):
        read(file(bytes(content)))


def test_a_repeated_name_in_the_header_is_refused_with_both_places(file, refused):  # A23
    with refused(InputError, "E-HDR-1") as caught:
        read(file("id,amount,day,amount\n1,2,3,4\n"))
    assert (caught.value.column, caught.value.rows) == ("amount", 1)
    assert "columns 2 and 4" in caught.value.fix


def test_columns_without_a_name_are_named_by_position(file):  # A28
    assert read(file("id,,name,\n1,2,3,4\n"))[0] == ["id", "column 2", "name", "column 4"]


@pytest.mark.parametrize(
    ("record", "rest"),
    [
        ('3,"c', "\n"),
        ('3,"c', "\n5,e\n6,f\n" * 30),
        pytest.param('3,"c', ""),
        pytest.param('3,"', ""),
        pytest.param('"3,c', ""),
        pytest.param('"3,c', "\n"),
        pytest.param('"3,c', "\n5,e\n6,f\n" * 30),
        pytest.param('"', "\n5,e\n6,f\n"),
    ],
)
def test_an_unclosed_quotation_mark_is_refused_where_it_opens(file, refused, record, rest):  # A34
    path = file('id,name\n1,"a"\n2,b\n' + record + rest)
    with refused(InputError, "E-ROW-5") as caught:
        read(path)
    assert caught.value.rows == 4


def test_a_quotation_mark_within_a_text_opens_nothing(file):
    path = file('id,name\n1,5" nail\n2,"a\nb"\n')
    assert read(path)[1] == {2: ["1", '5" nail'], 3: ["2", "a\nb"]}


def test_an_unclosed_quotation_mark_in_the_header_is_refused(file, refused):
    with refused(InputError, "E-ROW-5") as caught:
        read(file('"id,name\n' + "1,a\n" * 50_000))
    assert caught.value.rows == 1


def test_too_many_broken_rows_stop_the_reading(file, refused, monkeypatch):  # A31
    monkeypatch.setattr(files, "MAX_BROKEN", 20)
    with refused(InputError, "E-ROW-2") as caught:
        read(file("id,name\n" + "1,a,x\n" * 100))
    assert str(caught.value.rows).startswith("2,3,")
    assert "header has 2 cells" in caught.value.fix and "rows 3" in caught.value.fix


# --- Parquet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path):
    def write(**columns) -> object:
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pa.table(columns), path)
        return path

    return write


def test_parquet_of_text_is_read_as_it_stands(parquet):
    path = parquet(
        id=["007", None], name=pa.array(["a", "b"]).dictionary_encode(), large=pa.array(["x", "y"], pa.large_string())
    )
    assert read(path) == (["id", "name", "large"], {1: ["007", "a", "x"], 2: ["", "b", "y"]}, [])


def test_typed_parquet_is_written_as_text(parquet):
    path = parquet(
        whole=[7],
        decimal=[Decimal("1.50")],
        float_id=[17850.0],
        flag=[True],
        day=[date(2024, 1, 31)],
        missing=pa.array([None], pa.float64()),
    )
    assert read(path)[1] == {1: ["7", "1.50", "17850", "true", "2024-01-31", ""]}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_moments_are_written_as_iso(parquet, unit):
    path = parquet(at=pa.array([datetime.fromisoformat("2024-01-31 23:30:05")], pa.timestamp(unit)))
    assert read(path)[1] == {1: ["2024-01-31 23:30:05"]}
    assert read(path, datetime="%d.%m.%Y %H:%M")[1] == {1: ["2024-01-31 23:30:05"]}


def test_parquet_with_a_name_of_its_own_is_read_by_its_kind(parquet):
    path = parquet(id=["1"])
    assert read(path.rename(path.with_suffix(".dat")), kind="parquet")[1] == {1: ["1"]}


def test_a_cut_parquet_file_is_refused(parquet, refused):
    path = parquet(id=["1"] * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with refused(InputError, "E-FILE-4"):
        read(path)


def test_a_parquet_file_damaged_inside_is_refused(parquet, refused):
    path = parquet(id=[str(number) for number in range(100)])
    content = bytearray(path.read_bytes())
    for at in range(20, 80):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with refused(InputError, "E-FILE-4"):
        read(path)


def test_raw_texts_of_parquet_are_cells_with_tabs_between(parquet):
    assert open_records(parquet(id=["1", "2"], name=["a", "b"]), Format(), "Europe/Berlin").raw_texts({2}) == {
        2: "2\tb"
    }
