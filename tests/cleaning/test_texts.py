"""Cells of text: what becomes one spelling, what stays, and that a text is cleaned alike whatever stands beside it."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.cleaning.texts import CONTROL_MARK, REFUSED, Cells, Use, changed, spell
from crm_analysis.sources.contract import Ids
from crm_analysis.sources.records import LINE

ID, TEXT = Use("id", is_id=True, max_length=200), Use("text", is_text=True, max_length=200)
EXACT = Ids()
NUMBER, FOLDED = Use("number"), Use("number", is_folded=True)


def cells(texts: list[str], use: Use, ids: Ids = EXACT) -> tuple[list[str], list[bool], list[str | None], list]:
    """The texts as they are cleaned, which of them were changed, why some are refused, and what is noticed."""
    batch = pa.record_batch({"_f0": pa.array(texts, pa.string()), LINE: pa.array(range(2, len(texts) + 2), pa.int64())})
    cleaning = Cells(pa.RecordBatchReader.from_batches(batch.schema, [batch]), {"_f0": use}, ids)
    table = cleaning.cleaned().read_all().to_pydict()
    return table["_f0"], table.get(changed("_f0"), []), table[REFUSED], cleaning.noticed


@pytest.mark.parametrize(
    ("use", "text", "expected"),
    [
        (ID, "ＡＢ１\u00a0２", "AB1 2"), (ID, "ﬁ½①", "fi1\u204421"), (ID, "a\u200d\u200c\u00adb", "ab"), (ID, "a\x1bb", "ab"),
        (TEXT, "ＡＢ１ ½ ™ ①", "AB1 ½ ™ ①"), (TEXT, "ｶﾞ（Ｌ，１）", "ガ（L，1）"), (TEXT, "e\u0301", "é"), (TEXT, "a\x1b\x7fb", f"a{CONTROL_MARK * 2}b"),
        (TEXT, "👨\u200d👩", "👨\u200d👩"), (TEXT, "\u202eabc\u2069", "abc"), (TEXT, " a\tb\n ", "a\tb"),
        (TEXT, "\ufeff\u3000王芳\u00a0", "王芳"), (TEXT, "\x0b x \x0c", "x"), (TEXT, "a\0b", "a\0b"),
        (NUMBER, "\u00a01\u202f234 ", "1\u202f234"), (NUMBER, "１２", "１２"), (FOLDED, "（１２）", "(12)"),
    ],
)  # fmt: skip
def test_the_spelling_of_a_text(use, text, expected):
    found, flags, refused, _ = cells([text], use)
    assert (found, refused) == ([expected], [None])
    assert flags in ([], [expected != text])


letters = st.text(
    st.one_of(
        st.sampled_from("aZ0 \t\n\x1b\x7f\x85\u00a0\u00ad\u200b\u200d\u202e\u2028\u3000\ufeffＡｶﾞ（½ﬁé\u0301王🦔"),
        st.characters(codec="utf-8", exclude_characters="\0\ufdd0"),
    ),
    max_size=6,
)
uses = st.sampled_from([ID, TEXT, NUMBER, FOLDED])
case = st.sampled_from([Ids(), Ids(case="fold")])


@given(st.lists(letters, max_size=8), uses, case)
def test_a_text_is_cleaned_alike_whatever_stands_beside_it(texts, use, ids):
    assert cells(texts, use, ids)[0] == [cells([one], use, ids)[0][0] for one in texts]


@given(st.lists(letters, max_size=8), st.sampled_from([ID, TEXT, FOLDED]), case)
def test_clean_texts_stay_as_they_are(texts, use, ids):
    clean = cells(texts, use, ids)[0]
    again, flags, _, noticed = cells(clean, use, ids)
    assert again == clean and not any(flags) and not noticed


@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=9)), uses)
def test_plain_texts_are_not_touched(texts, use):
    found, flags, _, noticed = cells(texts, use)
    assert found == texts and not any(flags) and not noticed


@given(st.text(st.sampled_from("aＡ１½é\u0301ﬁ 王"), min_size=1, max_size=6))
def test_an_id_is_the_compatibility_form(text):
    assert cells([text], ID)[0] == [unicodedata.normalize("NFKC", text).strip()]


def test_words_of_the_contract_keep_their_blanks():
    assert spell(["ＴＥＳＴ ", "ab"], TEXT, Ids()) == ["TEST ", "ab"]
    assert spell(["Ａb "], ID, Ids(case="fold")) == ["ab "]


def test_lines_are_counted_over_batches_and_the_first_are_told():
    texts = ["a\u200bb", "plain", "c\x1bd"] * 10
    schema = pa.schema([("_f0", pa.string()), (LINE, pa.int64())])
    lines = range(1, 31)
    batches = [
        pa.record_batch({"_f0": texts[at : at + 6], LINE: pa.array(lines[at : at + 6], pa.int64())}, schema=schema)
        for at in range(0, 30, 6)
    ]
    cleaning = Cells(pa.RecordBatchReader.from_batches(schema, batches), {"_f0": TEXT}, Ids())
    cleaning.cleaned().read_all()
    (noticed,) = cleaning.noticed
    assert (noticed.code, noticed.column, noticed.n_rows) == ("E-CTRL-3", "text", 20)
    assert noticed.lines == tuple(line for line in lines if line % 3 != 2)[:20]


def test_a_slice_of_a_batch_is_read_where_it_lies():
    whole = pa.record_batch({"_f0": [" x ", "é ", "plain", " y"], LINE: pa.array([2, 3, 4, 5], pa.int64())})
    reader = pa.RecordBatchReader.from_batches(whole.schema, [whole.slice(1, 1), whole.slice(2, 1), whole.slice(3, 1)])
    assert Cells(reader, {"_f0": TEXT}, Ids()).cleaned().read_all()["_f0"].to_pylist() == ["é", "plain", "y"]
