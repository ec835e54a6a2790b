"""The pieces of a page: whatever stands in the data is shown as it is, and does nothing."""

from __future__ import annotations

import base64
import re
import warnings
import xml.etree.ElementTree as ET
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from crm_analysis import charts
from crm_analysis.report import elements
from crm_analysis.schema import Column, KeyFigure, Shape

PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "' onmouseover='x", "</table>",
    "</caption><script>", "<!--", "-->", "<!--number of table-->", "<![CDATA[", "javascript:alert(1)", "{}", "{0}", "{n}",
    "%s", "%(x)s", "&lt;script&gt;", "&amp;", "$x_$", "=1+1", "\u202eabc", "a\nb", "‮<b>", "{{ crm }}", "{% x %}",
    "+<b>1", "+&1", "+€1</li>",
]  # fmt: skip
texts = st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=40))
relaxed = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLE_TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}

SHAPE = Shape("one row per thing", {"name": Column("text", "name"), "other": Column("id", "other")})


def table(frame: pd.DataFrame, shape: Shape = SHAPE, caption: str = "Caption", currency: str = "EUR") -> Markup:
    return elements.table(frame, shape, list(frame.columns), caption, currency, "data/x/things.csv")


# --- any text --------------------------------------------------------------------------------------------------------


@relaxed
@given(names=st.lists(texts, max_size=3), caption=texts, meaning=texts)
def test_any_text_in_a_table_is_text(parse, live_nodes, names, caption, meaning):
    shape = Shape("one row per thing", {"name": Column("text", meaning), "other": Column("id", "other")})
    top = parse(table(pd.DataFrame({"name": names, "other": names}, dtype=object), shape, caption))
    assert live_nodes(top, TABLE_TAGS) == []
    cells = [[cell.raw_text for cell in row.all("th", "td")] for row in top.all("tbody")[0].all("tr")]
    assert cells == [[name, name] for name in names]
    assert top.all("caption")[0].raw_text == caption
    assert top.all("div")[0]["aria-label"] == caption


@relaxed
@given(sentences=st.lists(texts, max_size=3))
def test_any_text_in_findings_is_text(parse, live_nodes, sentences):
    top = parse(elements.findings(sentences))
    assert live_nodes(top, {"ul", "li", "span"}) == []
    assert [one.raw_text for one in top.all("li")] == sentences


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("rose by +€1,015. Then", ["+€1,015."]), ("（+€10.1万）和−CN¥3", ["+€10.1", "−CN¥3"]), ("±0.0 to +2%", ["±0.0", "+2"]),
        ("+'5 + 3 +&#39;7 +<b>9", []),
    ],
)  # fmt: skip
def test_a_sign_stays_with_its_number(parse, text, whole):
    top = parse(elements.findings([text]))
    assert [one.raw_text for one in top.all("span")] == whole
    assert top.all("li")[0].raw_text == text


@relaxed
@given(names=st.lists(texts, min_size=1, max_size=3), value=st.integers(-(10**9), 10**9))
def test_any_text_in_key_figures_is_text(parse, live_nodes, names, value):
    top = parse(elements.cards([KeyFigure(name=one, value=value, previous=value - 1) for one in names], "EUR"))
    assert live_nodes(top, {"dl", "div", "dt", "dd", "strong", "span"}) == []
    assert [one.raw_text for one in top.all("dt")] == names


@relaxed
@given(pairs=st.lists(st.tuples(texts, texts), max_size=3))
def test_any_text_in_facts_is_text(parse, live_nodes, pairs):
    top = parse(elements.facts(pairs))
    assert live_nodes(top, {"dl", "div", "dt", "dd"}) == []
    assert (
        list(zip([one.raw_text for one in top.all("dt")], [one.raw_text for one in top.all("dd")], strict=True))
        == pairs
    )


@relaxed
@given(name=texts, grain=texts, meaning=texts)
def test_any_text_in_the_data_dictionary_is_text(parse, live_nodes, name, grain, meaning):
    top = parse(elements.dictionary({name: Shape(grain, {name: Column("text", meaning)})}))
    assert live_nodes(top, {"details", "summary", "h3", "p", "dl", "dt", "dd", "code"}) == []
    assert (top.all("h3")[0].raw_text, top.all("p")[0].raw_text) == (name, grain)
    assert (top.all("dt")[0].raw_text, top.all("dd")[0].raw_text) == (name, meaning)


def picture(html: Markup) -> bytes:
    (encoded,) = re.findall(r'src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"', html)
    return base64.b64decode(encoded)


def bar_chart(names: list[str]) -> Markup:
    charts.use_theme()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        return _bar_chart(names)


def figure(ax, caption: str) -> Markup:
    return elements.figure(elements.draw(ax, caption), caption)


def _bar_chart(names: list[str]) -> Markup:
    frame = pd.DataFrame({"name": names, "n": [float(n) for n in range(1, len(names) + 1)]})
    return figure(charts.bars(frame, "name", "n", str, xlabel="things"), "Things by name")


@settings(relaxed, max_examples=15)
@given(
    name=st.one_of(
        st.sampled_from(PAYLOADS), st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=40)
    )
)
@example("$x_$")
@example("$\\bad$")
@example("_hidden")
def test_any_name_in_a_chart_is_text(parse, live_nodes, name):
    html = bar_chart([name, "other"])
    top = parse(html)
    assert live_nodes(top, {"figure", "img", "figcaption"}) == []
    assert name in top.all("img")[0]["alt"]
    drawing = ET.fromstring(picture(html))
    tags = {one.tag.rpartition("}")[2] for one in drawing.iter()}
    assert tags & {"script", "a", "foreignObject", "image", "animate", "set", "handler"} == set()
    attributes = [(key.rpartition("}")[2], value) for one in drawing.iter() for key, value in one.attrib.items()]
    assert [key for key, _ in attributes if key.startswith("on")] == []
    assert [value for key, value in attributes if key == "href" and not value.startswith("#")] == []


@pytest.mark.parametrize("name", ["a\x01b", "a\x1b[31mb", "a\x0bb", "a\ufffeb"], ids=ascii)
def test_a_control_character_in_a_name_does_not_break_the_drawing(name):
    ET.fromstring(picture(bar_chart([name, "other"])))


@settings(relaxed, max_examples=15)
@given(caption=texts, label=texts)
def test_any_caption_of_a_figure_is_text(parse, live_nodes, caption, label):
    ax = plt.subplots(figsize=(1, 1))[1]
    ax.figure.set_label(label)
    top = parse(figure(ax, caption))
    assert live_nodes(top, {"figure", "img", "figcaption"}) == []
    assert top.all("figcaption")[0].raw_text == caption
    assert top.all("img")[0]["alt"] == f"{caption} {label}".strip()


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "type", "value", "shown"),
    [
        ("amount", "money", Decimal("1234567.5"), "1,234,567.50"),
        ("amount", "money", Decimal("-0.01"), "-0.01"),
        ("amount", "money", 0, "0.00"),
        ("n_orders", "integer", 1234567, "1,234,567"),
        ("customer_share", "fraction", 0.1234, "12.3%"),
        ("return_rate", "fraction", 1.0, "100.0%"),
        ("alive_prob", "fraction", 0.0004, "0.0%"),
        ("mean_orders", "fraction", 1234.5, "1,234.5"),
        ("mean_orders", "fraction", 3.0, "3"),
        ("gini", "fraction", 0.656, "0.66"),
        ("quantity", "quantity", Decimal("12.000"), "12"),
        ("is_new", "flag", True, "yes"),
        ("is_new", "flag", False, "no"),
        ("customer_id", "id", "007", "007"),
        ("day", "date", date(2026, 10, 31), "2026-10-31"),
        ("name", "text", "1e5", "1e5"),
        ("name", "text", "", ""),
    ],
)
def test_a_value_is_shown_as_its_type_asks(name, type, value, shown):
    assert elements.show_value(name, Column(type, "meaning"), value, "EUR") == shown


@pytest.mark.parametrize("type", ["id", "text", "money", "quantity", "moment", "date", "integer", "fraction", "flag"])
@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT], ids=str)
def test_a_missing_value_is_a_dash_in_every_type(type, value):
    assert elements.show_value("x", Column(type, "meaning"), value, "EUR") == "–"


@pytest.mark.parametrize(("currency", "shown"), [("EUR", "1,234.57"), ("JPY", "1,235"), ("BHD", "1,234.568")])
def test_money_has_the_decimals_of_its_currency(currency, shown):
    assert elements.show_value("amount", Column("money", "amount"), Decimal("1234.5678"), currency) == shown


def test_the_head_of_a_column_of_money_names_the_currency(parse):
    shape = Shape("one row", {"segment": Column("text", "segment"), "amount": Column("money", "their amount")})
    heads = (
        parse(table(pd.DataFrame({"segment": ["a"], "amount": [1]}), shape, currency="SEK")).all("thead")[0].all("th")
    )
    assert [one.text for one in heads] == ["Segment", "Their amount (SEK)"]


@relaxed
@given(cents=st.integers(-(10**17), 10**17))
def test_money_is_shown_to_the_cent(cents):
    amount = Decimal(cents) / 100
    shown = elements.show_value("amount", Column("money", "amount"), amount, "EUR")
    assert Decimal(shown.replace(",", "")) == amount


@relaxed
@given(value=st.floats(0, 1))
def test_a_share_is_shown_to_the_tenth_of_a_per_cent(value):
    shown = elements.show_value("x_share", Column("fraction", "share"), value, "EUR")
    assert shown == f"{(Decimal(str(value)) * 100).quantize(Decimal('0.1'), ROUND_HALF_EVEN)}%"


@pytest.mark.parametrize("share", [-3.0, -0.1, 0.0, 0.5, 1.0, 7.0])
def test_the_bar_behind_a_share_stays_within_its_cell(parse, share):
    shape = Shape("one row", {"name": Column("text", "name"), "a_share": Column("fraction", "share")})
    (cell,) = parse(table(pd.DataFrame({"name": ["a"], "a_share": [share]}), shape)).all("td")
    width = float(re.fullmatch(r"--share:([\d.]+)%", cell["style"])[1])
    assert 0 <= width <= 100


@pytest.mark.parametrize(
    ("unit", "value", "earlier", "shown"),
    [
        ("count", 110, 100, "+10.0%"),
        ("count", 90, 100, "−10.0%"),
        ("count", 100, 100, "±0.0%"),
        ("money", Decimal("150"), Decimal("-100"), "+250.0%"),
        ("share", 0.55, 0.5, "+5.0 points"),
        ("number", 0.5, 0.75, "−0.25"),
        ("count", 5, 0, ""),
        ("count", 5, None, ""),
        ("count", None, 5, ""),
    ],
)
def test_a_change_is_told_in_the_unit_of_the_figure(unit, value, earlier, shown):
    assert elements.show_change(KeyFigure(name="x", value=value, unit=unit), earlier) == shown


# --- tables and figures ----------------------------------------------------------------------------------------------


def test_a_long_table_is_cut_and_names_the_file_with_all_rows(parse):
    names = [f"n{n}" for n in range(1234)]
    top = parse(table(pd.DataFrame({"name": names, "other": names})))
    assert len(top.all("tbody")[0].all("tr")) == elements.MAX_ROWS
    (cut,) = top.all("p")
    assert cut.text == "The first 40 of 1,234 rows; all of them are in the file data/x/things.csv"
    assert [one["href"] for one in cut.all("a")] == ["data/x/things.csv"]


@pytest.mark.parametrize("n", [0, 1, elements.MAX_ROWS])
def test_a_short_table_is_whole(parse, n):
    names = [f"n{number}" for number in range(n)]
    top = parse(table(pd.DataFrame({"name": names, "other": names}, dtype=object)))
    assert [row.all("th")[0].text for row in top.all("tbody")[0].all("tr")] == names
    assert top.all("p") == []


def test_numbers_stand_right_and_words_left(parse):
    shape = Shape(
        "one row", {"name": Column("text", "name"), "n": Column("integer", "number"), "f": Column("flag", "flag")}
    )
    top = parse(table(pd.DataFrame({"name": ["a"], "n": [1], "f": [True]}), shape))
    assert [one["class"] for one in top.all("th", "td")] == ["", "number", "", "", "number", ""]


def test_the_alternative_text_of_a_figure_holds_its_numbers(parse):
    charts.use_theme()
    frame = pd.DataFrame({"segment": ["champion", "lost"], "share": [0.25, 0.75]})
    ax = charts.bars(frame, "segment", "share", "{:.0%}".format, xlabel="share of the customers")
    (image,) = parse(figure(ax, "Customers by segment")).all("img")
    for part in ("Customers by segment", "share of the customers", "champion 25%", "lost 75%"):
        assert part in image["alt"]


def test_a_figure_is_the_same_every_time_and_is_closed_afterwards():
    before = plt.get_fignums()
    assert bar_chart(["a", "b"]) == bar_chart(["a", "b"])
    assert plt.get_fignums() == before


def test_a_figure_has_its_size_so_that_the_page_does_not_jump(parse):
    (image,) = parse(bar_chart(["a", "b"])).all("img")
    assert int(image["width"]) > int(image["height"]) > 0
