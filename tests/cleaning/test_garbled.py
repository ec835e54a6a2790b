"""Which texts look as if they were read in a wrong encoding."""

from __future__ import annotations

import narwhals as nw
import pandas as pd
import pytest

from crm_analysis import engine
from crm_analysis.cleaning.garbled import PATTERN

RIGHT = [
    "Zoë",
    "王芳",
    "Ivan Иван",
    "Ângela São João",
    "MANHÃ – «Ðorđe»",
    "日本語 カタカナ",
    "Ünal Şahin",
    "5 € “é…” ±2°",
    "Å Ø ß",
    "Ελένη",
    "עברית",
]


@pytest.fixture
def is_garbled(connection, collect):
    def ask(texts: list[str]) -> list[bool]:
        table = engine.as_table(pd.DataFrame({"n": range(len(texts)), "text": texts}), connection)
        found = engine.add_matches_beyond_ascii(table, {"is_garbled": "text"}, PATTERN).sort("n")
        return collect(found.select(nw.col("is_garbled")))["is_garbled"].tolist()

    return ask


@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_utf8_read_as_a_western_encoding_is_seen(is_garbled, wrong):
    texts = ["Zoë", "Müller", "Señor", "王芳", "Иван", "it’s", "Straße 5 £"]
    assert all(is_garbled([text.encode().decode(wrong, errors="replace") for text in texts]))


def test_what_a_program_puts_for_bytes_it_cannot_read_is_seen(is_garbled):
    assert all(is_garbled([b"Zo\xeb".decode(errors="replace"), "\ufffd\ufffd".encode().decode("gbk")]))


def test_right_texts_of_many_scripts_are_not(is_garbled):
    assert not any(is_garbled(RIGHT))
