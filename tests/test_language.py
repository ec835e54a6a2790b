"""Every word that a reader sees is in the catalogues, in every language whole; data never are."""

from __future__ import annotations

import ast
import gettext
import io
import json
import re
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import read_po
from nbconvert.filters import markdown2html

from crm_analysis import contracts, language, pulse, receivables, trials
from crm_analysis.checks import drift, duplicates, fates, scores
from crm_analysis.language import LANGUAGES, counted, listed, mark, own
from crm_analysis.leaving import contacts, drivers, endings, histories, losses, outcomes
from crm_analysis.methods import churn, cpm, ctb, decile, key_accounts, ltv, rfm, sales, value_matrix
from crm_analysis.report import elements
from crm_analysis.report.catalogue import blocks, captions, extract_notebook, translate
from crm_analysis.schema import FATES, KINDS, Column, KeyFigure, Shape
from crm_analysis.tastes import attributes, offers, preferences, sequences, trends
from crm_analysis.turnover import effects, seasons, sold

PROJECT = Path(__file__).resolve().parents[1]
MODULES = sorted((PROJECT / "crm_analysis").rglob("*.py"))
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
MARKING = ("_", "mark", "counted", "Column", "Shape", "_part")
OTHERS = [one for one in LANGUAGES if one != "en"]
by_language = pytest.mark.parametrize("code", OTHERS)

# --- the catalogues --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def messages() -> set:
    """What `make messages` collects: texts, and pairs of texts for one and for many."""
    methods, options = parse_mapping_cfg(io.StringIO((PROJECT / "babel.cfg").read_text(encoding="utf-8")))
    keywords = parse_keywords(re.findall(r"-k (\S+)", (PROJECT / "Makefile").read_text(encoding="utf-8")))
    return {
        found[2]
        for folder in ("crm_analysis", "notebooks")
        for found in extract_from_dir(str(PROJECT / folder), methods, options, keywords)
    }


def read_catalogue(code: str) -> list:
    path = PROJECT / "crm_analysis" / "locale" / code / "LC_MESSAGES" / "crm_analysis.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    assert catalogue.obsolete == {}
    return [one for one in catalogue if one.id]


def texts_of(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def marks_of(text: str) -> Counter:
    """Placeholders and marks of markdown."""
    return Counter(re.findall(r"\{\w*\}|\*|`", text))


@by_language
def test_a_catalogue_has_the_messages_of_code_and_notebooks_and_no_others(messages, code):
    found = {one.id if isinstance(one.id, str) else tuple(one.id) for one in read_catalogue(code)}
    assert (sorted(map(str, messages - found)), sorted(map(str, found - messages))) == ([], []), "make messages"


@by_language
def test_every_message_is_translated(code):
    found = read_catalogue(code)
    assert [one.id for one in found if one.fuzzy or not all(texts_of(one.string))] == []


@by_language
def test_a_translation_has_the_placeholders_and_marks_of_its_message(code):
    told = [(texts_of(one.id)[-1], text) for one in read_catalogue(code) for text in texts_of(one.string) if text]
    assert [(text, message) for message, text in told if marks_of(text) != marks_of(message)] == []


@by_language
def test_what_is_marked_as_strong_is_strong_on_the_page(code):
    """Markdown ends no emphasis between a quotation mark and a letter, as Chinese has them side by side."""
    marked = [text for one in read_catalogue(code) for text in texts_of(one.string) if "**" in text]
    assert marked
    for text in marked:
        assert re.findall("<strong>(.+?)</strong>", markdown2html(text)) == re.findall(r"\*\*(.+?)\*\*", text)


# --- nothing escapes them --------------------------------------------------------------------------------------------


def calls(source: str) -> list[ast.Call]:
    return [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call)]


@pytest.mark.parametrize("path", [one for one in MODULES if one.stem != "histories"], ids=lambda path: path.stem)
def test_no_message_is_made_of_pieces(path):
    """A catalogue can only hold what stands in the code as it is shown. (The features of histories are never shown.)"""
    built = (ast.JoinedStr, ast.BinOp)
    found = [one for one in calls(path.read_text(encoding="utf-8")) if getattr(one.func, "id", "") in MARKING]
    assert [ast.unparse(one) for one in found if any(isinstance(part, built) for part in one.args)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_caption_of_a_notebook_is_collected_or_made_by_its_method(path, messages):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        for call in calls(source):
            if getattr(call.func, "attr", "") in ("show_table", "show_figure"):
                caption = call.args[3]
                assert isinstance(caption, ast.Constant | ast.Call) or caption.id == "caption", source
        assert set(captions(source)) <= messages


def test_every_word_of_a_label_is_collected(messages):
    words = {
        *FATES, *KINDS, *rfm.SEGMENTS, *[text for *_rest, text in rfm.ADVICE.values()], *rfm._VALUES, rfm.NOBODY, *decile.BASES, *trials.NAIVE,
        *cpm.GROUPS, cpm.ACTIVE, cpm.CLOSING, cpm.LAPSED, *value_matrix.QUADRANTS, value_matrix.SILENT, *value_matrix.STATES,
        *[text for one in (cpm, value_matrix) for *_rest, text in one.ADVICE.values()],
        trials.HAPPENED, *ctb.DIMENSIONS, ctb.NOBODY, *attributes.CATEGORY, *attributes.TASTE, *attributes.BRAND,
        attributes.OTHER, attributes.NOT_KNOWN, preferences.TOO_FEW, offers.LISTED, offers.OTHERS, trends.JUST_BEFORE,
        trends.YEAR_BEFORE, sequences.POPULAR, sequences.SAME, sequences.BY_LAST, sequences.OWN, churn.ACTIVE_ONLY,
        churn.DAYS_ALONE, churn.TENURE_ALONE, *histories.ORDER_STAGES, *histories.ACQUIRED, *contracts.TENURE_STAGES,
        *losses.DIMENSIONS.values(), *outcomes.KIND_NAMES.values(), outcomes.BASE_RATE, outcomes.ALIVE, outcomes.NO_ORDER,
        outcomes.OTHER, outcomes.NOT_KNOWN, *drivers.OF_ORDERS, *drivers.OF_CONTRACTS,
        *[words for _column, words in drivers.SHOWN.values()], endings.ALL, endings.NOT_KNOWN, endings.NOT_RECORDED,
        *[text for texts in contacts.ADVICE.values() for text in texts.values()], contacts.NO_CONTACT,
        *[words for words, _unit in pulse._CARDS.values()],
        fates.READ, fates.ALL_TABLES, *scores.DIMENSIONS, scores.FIT, scores.CARE, scores.UNFIT, duplicates.MERGED,
        duplicates.WAITING, duplicates.APART, *drift.UNITS.values(),
        *key_accounts.STATES, *key_accounts.BASES, *receivables.BUCKETS, *sales.PERIODS, *sold.USUAL, *effects.FACTORS, *effects.PARTS,
        *effects.VIEWS, *seasons.KINDS, seasons.ALL,
    }  # fmt: skip
    assert words - messages == set()


# --- what is shown ---------------------------------------------------------------------------------------------------


class Pseudo(gettext.NullTranslations):
    """A language in which every known message stands in brackets, and nothing else does."""

    def __init__(self, messages: set) -> None:
        super().__init__()
        self._messages = messages

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧" if message in self._messages else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid2}⟧" if (msgid1, msgid2) in self._messages else msgid2


@pytest.fixture
def pseudo(messages, monkeypatch):
    monkeypatch.setitem(language._active, "catalogue", Pseudo(messages))
    yield
    plt.close("all")


def test_a_table_shows_labels_and_heads_in_the_language_and_data_as_they_are(pseudo):
    shape = Shape(
        "one row per segment",
        {
            "segment": Column("label", "segment"),
            "product": Column("text", "value"),
            "mixed": Column("text", "group", own=("other values",)),
            "is_lead": Column("flag", "chosen"),
        },
    )
    frame = pd.DataFrame([("loyal", "loyal", "loyal", True), ("no word of ours", "Contents", "other values", False)])
    html = elements.table(frame.set_axis(list(shape.columns), axis=1), shape, list(shape.columns), "x", "EUR", "x.csv")
    assert re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", html) == ["⟦segment⟧", "⟦value⟧", "⟦group⟧", "⟦chosen⟧"]
    cells = re.findall(r"<t[hd](?: scope=\"row\")?(?: class=\"\w+\")?>(.*?)</t[hd]>", html)
    assert cells == [
        "⟦loyal⟧", "loyal", "loyal", "⟦yes⟧",
        "no word of ours", "Contents", "⟦other values⟧", "⟦no⟧",
    ]  # fmt: skip
    assert "<p>⟦one row per segment⟧</p>" in elements.dictionary({"x": shape})


def test_cards_show_names_and_changes_in_the_language(pseudo):
    frame = pd.DataFrame({"month": ["2026-09", "2026-10"], "n_orders": [100, 110]})
    html = elements.cards(pulse.key_figures(frame), "EUR")
    assert "<dt>⟦orders⟧</dt>" in html and "10.0% ⟦on last month⟧" in html
    share = KeyFigure(name="x", value=0.5, previous=0.4, unit="share")
    assert elements.show_change(share, 0.4) == "+⟦10.0 points⟧"


def test_a_chart_shows_labels_in_the_language_and_data_as_they_are(pseudo):
    segments = pd.DataFrame({"segment": ["loyal"], "customer_share": [0.5], "amount_share": [0.6]})
    shown = rfm.plot_segments(segments).figure.get_label()
    assert "⟦loyal⟧" in shown and "⟦share of customers⟧" in shown
    values = pd.DataFrame(
        {"value": ["loyal", "Contents", "other values"], "amount": [3, 2, 1], "amount_share": [0.5, 0.3, 0.2]}
    )
    shown = ctb.plot_values(values).figure.get_label()
    assert "⟦share of sales⟧" in shown and "⟦other values⟧" in shown
    assert "loyal" in shown and "Contents" in shown and "⟦loyal⟧" not in shown and "⟦Contents⟧" not in shown


def test_a_chart_of_recorded_reasons_leaves_them_as_they_are(pseudo):
    reasons = pd.DataFrame(
        {"end_reason": ["returns", endings.NOT_RECORDED], "customer_share": [0.6, 0.4], "amount_share": [0.5, 0.5]}
    )
    shown = churn.plot_reasons(reasons).figure.get_label()
    assert "⟦not recorded⟧" in shown and "returns" in shown and "⟦returns⟧" not in shown


def test_the_groups_of_another_report_are_words_of_ours(pseudo):
    groups = pd.DataFrame({"group": ["at risk", "1"], "value_amount": [2.0, 1.0]})
    shown = ltv.plot_groups(groups).figure.get_label()
    assert "⟦at risk⟧" in shown and "⟦1⟧" not in shown


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_value_is_translated_only_where_it_is_one_of_our_words(pseudo):
    assert own("not known", ("not known",)) == "⟦not known⟧"
    assert own("loyal", ("not known",)) == "loyal"
    assert mark("loyal") == "loyal"


@pytest.mark.parametrize(("n", "told"), [(0, "0 customers"), (1, "1 customer"), (1234, "1,234 customers")])
def test_one_and_many_are_told_apart(n, told):
    assert counted(n, "{n} customer", "{n} customers") == told


def test_what_is_counted_may_name_more(pseudo):
    assert counted(2, "{n} thing of {all}", "{n} things of {all}", all="9") == "2 things of 9"


def test_words_are_listed_as_the_language_lists_them(monkeypatch):
    assert listed(["a"]) == "a" and listed([]) == ""
    assert listed(("a", "b", "c")) == "a, b, and c"
    monkeypatch.setitem(language._active, "locale", language.Locale("zh"))
    assert listed(["a", "b", "c"]) == "a、b和c"


# --- notebooks -------------------------------------------------------------------------------------------------------

CELL = "# RFM: who buys?\n\nWords with `code · 2` and **weight**.\n\n\n## The data\nRight below.\n \n- one\n- two\n"


def test_a_cell_has_a_message_for_each_heading_paragraph_and_list():
    assert blocks(CELL) == [
        "RFM: who buys?", "Words with `code · 2` and **weight**.", "The data", "Right below.", "- one\n- two",
    ]  # fmt: skip
    assert blocks("") == blocks("\n \n") == []
    assert blocks("#1 of all is no heading") == ["#1 of all is no heading"]


def test_a_cell_is_translated_block_by_block(monkeypatch):
    known = {"RFM: who buys?", "Words with `code · 2` and **weight**.", "The data", "- one\n- two"}
    monkeypatch.setitem(language._active, "catalogue", Pseudo(known))
    assert translate(CELL) == (
        "# ⟦RFM: who buys?⟧\n\n⟦Words with `code · 2` and **weight**.⟧\n\n\n## ⟦The data⟧\nRight below.\n \n⟦- one\n- two⟧\n"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_english_is_what_stands_in_the_notebook(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert translate("".join(cell["source"])) == "".join(cell["source"])


def test_the_captions_of_a_code_cell_are_what_is_shown_of_it():
    source = """
caption = "By name"
title = "No caption"
page.show_figure("name", frame, ax, caption)
page.show_table("name", frame, x.SHAPE, "A table", ["column"])
page.show_table("name", frame, x.SHAPE, x.caption(frame))
ax = x.plot_months(frame, "n_lost", language.integer, "an axis")
"""
    assert sorted(captions(source)) == ["A table", "By name", "an axis"]


def test_hidden_cells_are_not_collected():
    cells = [
        {"cell_type": "markdown", "metadata": {"tags": ["hide"]}, "source": ["For analysts."]},
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "\n", "Words."]},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["run = {}"]},
        {"cell_type": "code", "metadata": {}, "source": ['page.show_table("a", b, c, "A table")']},
    ]
    found = extract_notebook(io.BytesIO(json.dumps({"cells": cells}).encode()), {}, (), {})
    assert [text for _line, _keyword, text, _comments in found] == ["Title", "Words.", "A table"]
