"""Warnings summed up, and examples of what could not be read, of which no letter and no digit is shown."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.checks.noticed import EXAMPLES, KEPT, MAX_MASKED, NOTICED, choose_examples, mask, summarise_warnings


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("31.02.2024", "99.99.9999"),
        ("Jörg.Weiß@example.com", "xxxx.xxxx@xxxxxxx.xxx"),
        ("王芳 138-0013", "xx 999-9999"),
        ("12,50 €\n", "99,99 ??"),
        ("=cmd|'x'", "?xxx?'x'"),
        ("x" * 41, "x" * 40 + "…"),
        ("", ""),
        (None, None),
    ],
)
def test_letters_become_x_and_digits_9(text, masked):
    assert mask(text) == masked


@given(st.text(max_size=100))
def test_nothing_of_a_text_is_left_but_its_form(text):
    masked = mask(text)
    assert len(masked) <= MAX_MASKED + 1
    assert set(masked) <= {"x", "9", "?", "…", *KEPT}
    assert masked == mask(text.translate({ord(one): "0" for one in "123456789"}))


def test_warnings_are_summed_over_files_the_most_rows_first():
    rows = [
        ("t", "a.csv", "x", "E-ROW-1", 2, "3"),
        ("t", "b.csv", "x", "E-ROW-1", 5, "4"),
        ("t", "b.csv", None, "E-NEW-1", 9, None),
    ]
    found = summarise_warnings(pd.DataFrame(rows, columns=["table", "file", "column", "code", "n_rows", "lines"]))
    NOTICED.check(found.columns)
    assert found[["code", "n_files", "n_rows"]].to_numpy().tolist() == [["E-NEW-1", 1, 9], ["E-ROW-1", 2, 7]]
    assert found["meaning"][0] == "E-NEW-1" and found["meaning"][1].startswith("rows have more cells")


def test_examples_are_the_first_of_each_reason_the_commonest_reason_first():
    rejects = pd.DataFrame(
        [("B y", "b.csv", 2, "12"), ("A x", "a.csv", 9, "ab"), ("A x", "a.csv", 3, "c1"), ("A x", "b.csv", 1, None)],
        columns=["reason", "file", "line", "value"],
    ).assign(raw_text="secret")
    reasons = pd.DataFrame({"fate": ["rejected", "excluded", "rejected"], "reason": ["A x", "test", "B y"]})
    found = choose_examples(rejects, reasons, 2)
    EXAMPLES.check(found.columns)
    assert found.to_numpy().tolist() == [
        ["A x", "a.csv", 3, "x9"],
        ["A x", "a.csv", 9, "xx"],
        ["B y", "b.csv", 2, "99"],
    ]
