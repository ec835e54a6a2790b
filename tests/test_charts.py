"""Charts: what is drawn is what the frame says, in bounds, legible in light and dark, whatever the names."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import combinations
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from crm_analysis import charts, language

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing")

ENGLISH, CHINESE = "en", "zh"
HOSTILE = (
    "$x_$", "_name", "<script>alert(1)</script>", "a\x00b\x1fc\x85\ufffe", "x" * 1_000_000, "需要重新关注的高价值老客户群体" * 4, "🙂🙃 ok",
    ']]>"\'&amp;-->',
)  # fmt: skip
BARS = {"share": "share of customers", "other": "share of the amount"}


@pytest.fixture(autouse=True)
def drawing_board():
    with mpl.rc_context():
        charts.use_theme()
        language.use(ENGLISH)
        yield
        plt.close("all")
        language.use(ENGLISH)


def months(n: int) -> list[str]:
    return [language.month(str(one)) for one in pd.period_range("2019-09", periods=n, freq="M")]


def names(n: int) -> list[str]:
    word = "需要关注的客户" if language.language() == CHINESE else "need attention"
    return [f"{word} {one}" for one in range(n)]


def numbers(n: int, largest: float) -> np.ndarray:
    """Very unequal ones, the first the largest."""
    return largest / np.arange(1, n + 1) ** 1.2


def rows(own: list, largest: float = 1.0) -> pd.DataFrame:
    amounts = numbers(len(own), largest)
    return pd.DataFrame({"name": own, "share": amounts, "other": amounts[::-1]})


def cells(own: list, other: list, largest: float) -> pd.DataFrame:
    amounts = numbers(len(own) * len(other), largest).reshape(len(own), len(other))
    return pd.DataFrame(amounts, index=own, columns=other)


def course(own: list, n_points: int) -> pd.DataFrame:
    at, place = np.tile(np.arange(n_points), len(own)), np.repeat(np.arange(len(own)), n_points)
    amount = 1e6 * np.exp(-at / (place + 9))
    return pd.DataFrame(
        {"name": np.repeat(np.array(own, object), n_points), "x": at, "y": amount, "low": 0.9 * amount, "high": 1.1 * amount}
    )  # fmt: skip


def draw_bars(own: list, largest: float = 1.0) -> Axes:
    show = language.percent if largest == 1 else language.integer
    return charts.bars(rows(own, largest), "name", "share", show, xlabel="share", marked=own[:1])


def draw_changes(own: list, largest: float = 1.0) -> Axes:
    frame = rows(own, largest)
    frame["share"] -= frame["other"]
    return charts.bars(frame, "name", "share", language.integer if largest > 1 else language.percent, xlabel="change")


def draw_pairs(own: list, largest: float = 1.0) -> Axes:
    show = language.percent if largest == 1 else language.integer
    return charts.paired_bars(rows(own, largest), "name", BARS, show, xlabel="share")


def draw_heat(own: list, largest: float = 9e5) -> Axes:
    frame = cells(own, own[:200], largest)
    return charts.heat_map(frame, language.integer, xlabel="segment now", ylabel="segment a month ago")


def draw_ratios(own: list, largest: float = 16.0) -> Axes:
    frame = cells(own, own[:200], largest)
    return charts.ratio_map(frame, language.decimal, xlabel="customers", ylabel="what they buy")


def draw_columns(own: list, largest: float = 1e6) -> Axes:
    return charts.columns(rows(own, largest), "name", "share", language.short_number, ylabel="net amount (EUR)")


def draw_lines(own: list, n_points: int = 24) -> Axes:
    shown = dict(enumerate(months(n_points)))
    return charts.lines(
        course(own, n_points), "name", "x", "y", lambda one: shown.get(round(one), ""), language.short_number,
        xlabel="month", ylabel="amount", band=("low", "high"), mark=(n_points / 2, "known"),
    )  # fmt: skip


def draw_panels(own: list, n_points: int = 24) -> Axes:
    frame = course(own, n_points)
    frame["x"] = frame["x"].map(dict(enumerate(months(n_points))))
    return charts.small_multiples(frame, "name", "x", "y", language.short_number, ylabel="share of the month's sales")


def draw_histogram(own: list) -> Axes:
    edges = np.linspace(0, 730, 41)
    frame = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n_customers": np.arange(40, 0, -1) ** 2})
    cuts = list(zip(np.linspace(300, 330, len(own)), own, strict=True))
    return charts.histogram(frame, cuts, language.short_number, xlabel="days", ylabel="customers")


def draw_amounts(own: list) -> Axes:
    edges = np.geomspace(0.5, 5e7, 41)
    frame = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n_customers": np.arange(40, 0, -1) ** 2})
    cuts = list(zip(np.geomspace(900, 2000, len(own)), own, strict=True))
    return charts.histogram(frame, cuts, language.short_number, xlabel="amount", ylabel="customers", is_log=True)


def draw_curve(own: list) -> Axes:
    at = np.linspace(0, 1, 101)
    frame = pd.DataFrame({"x": at, "y": 1 - (1 - at) ** 3})
    return charts.curve(
        frame, "x", "y", lambda one: language.percent(one, 0), xlabel="share of the customers",
        ylabel="share of the amount", diagonal="all bring the same", notes=[(0.2, 0.488, charts.label(own[0]))],
    )  # fmt: skip


def draw_points(own: list) -> Axes:
    at = np.linspace(0.02, 0.7, len(own))
    frame = pd.DataFrame({"x": at, "y": 1.1 * at, "low": at, "high": 1.2 * at})
    return charts.points(
        frame, "x", "y", ("low", "high"), language.percent, xlabel="forecast", ylabel="happened", diagonal="as forecast"
    )


def fall(own: list, largest: float) -> pd.DataFrame:
    """A whole, what is taken from it by ``own``, and what remains."""
    taken = numbers(len(own), largest / 9)
    return pd.DataFrame({"name": ["read", *own, "used"], "n": [largest, *taken, largest - taken.sum()]})


def draw_waterfall(own: list, largest: float = 541_909) -> Axes:
    return charts.waterfall(fall(own, largest), "name", "n", language.integer, xlabel="rows")


def draw_waterfalls(own: list, largest: float = 541_909) -> Axes:
    steps = fall(["duplicate", "out of window"], largest)
    frame = pd.concat([steps] * len(own)).assign(table=np.repeat(np.array(own, object), len(steps)))
    return charts.waterfalls(frame, "table", "name", "n", language.integer, xlabel="rows")


def draw_tiles(own: list, largest: float = 9e5) -> Axes:
    own = list(dict.fromkeys(own))
    n = len(own)
    frame = pd.DataFrame(
        {"state": np.repeat(["active", "lapsed"], n), "name": own * 2, "share": numbers(2 * n, largest)}
    )
    frame["heads"] = [language.integer(one) for one in frame["share"]]
    frame["change"] = "+1,234 on last month"
    return charts.tiles(frame, "state", "name", "share", ["heads", "change", "change"], xlabel="customers")


def draw_quadrants(own: list) -> Axes:
    corners = {str(place): name for place, name in enumerate(own[:4])}
    at = np.tile(np.geomspace(1, 90, 9), 4)
    frame = pd.DataFrame({"x": at, "y": 40 * at[::-1], "n": at, "place": np.repeat(["0", "1", "2", "3"], 9)})
    return charts.quadrants(
        frame, "x", "y", "n", "place", (4.2, 420.0), corners, language.short_number, xlabel="orders", ylabel="amount"
    )


SHAPES = {
    one.__name__.removeprefix("draw_"): one
    for one in (
        draw_bars, draw_changes, draw_pairs, draw_heat, draw_ratios, draw_columns, draw_lines, draw_panels,
        draw_histogram, draw_amounts, draw_curve, draw_points, draw_waterfall, draw_waterfalls, draw_tiles, draw_quadrants,
    )
}  # fmt: skip
# Those that draw as many categories as there are; a histogram's cut points, a curve's notes, a waterfall's steps and quadrants are a handful.
ENDLESS = [one for one in SHAPES if one not in ("histogram", "amounts", "curve", "waterfall", "quadrants")]


# --- what is drawn is what the frame says ----------------------------------------------------------------------------


def test_bars_are_as_long_as_the_frame_says_and_carry_their_numbers():
    frame = rows(["a", "b", "c"])
    ax = charts.bars(frame, "name", "share", language.percent, xlabel="share", marked=["b"])
    assert [one.get_width() for one in ax.patches] == frame["share"].tolist()
    assert [one.get_text().strip() for one in ax.texts] == [language.percent(one) for one in frame["share"]]
    assert [one.get_text() for one in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.yaxis_inverted()


def test_a_bar_that_stands_out_does_so_in_letters_too():
    ax = draw_bars(["a", "b"])
    assert mpl.colors.to_hex(ax.patches[0].get_facecolor()) == charts.ACCENT
    assert [one.get_fontweight() for one in ax.texts] == ["semibold", "normal"]


def test_bars_begin_at_nothing():
    assert draw_bars(["a", "b"]).get_xlim()[0] == draw_columns(["a", "b"]).get_ylim()[0] == 0


def test_a_number_that_is_not_there_is_a_dash():
    frame = pd.DataFrame({"name": ["a", "b"], "share": [0.5, None]})
    ax = charts.bars(frame, "name", "share", language.integer, xlabel="share")
    assert [one.get_text().strip() for one in ax.texts] == ["0", "–"]
    assert ax.figure.get_label() == "share: a 0, b –."


def test_paired_bars_are_the_columns_one_after_the_other():
    frame = rows(["a", "b", "c"])
    ax = draw_pairs(["a", "b", "c"])
    assert [one.get_width() for one in ax.patches] == [*frame["share"], *frame["other"]]
    assert [one.get_text() for one in ax.get_legend().get_texts()] == list(BARS.values())


def test_a_waterfall_goes_down_from_the_whole_to_what_remains():
    frame = pd.DataFrame(
        {
            "name": ["read", "taken", "added", "used"],
            "n": [Decimal("10.10"), Decimal("4.05"), Decimal("-1.00"), Decimal("7.05")],
        }
    )
    ax = charts.waterfall(frame, "name", "n", lambda one: language.amount(one, "EUR"), xlabel="amount")
    assert [one.get_width() for one in ax.patches] == frame["n"].astype(float).tolist()
    # Each step begins where the one before ends, the last at nothing.
    ends = [(one.get_x(), one.get_x() + one.get_width()) for one in ax.patches]
    assert ends == pytest.approx([(0, 10.10), (6.05, 10.10), (7.05, 6.05), (0, 7.05)])
    assert [one.get_text().strip() for one in ax.texts] == ["10.10", "−4.05", "+1.00", "7.05"]
    assert "read 10.10, taken 4.05" in ax.figure.get_label()


def test_each_panel_of_waterfalls_is_a_part_of_the_frame():
    parts = [fall(["blank"], 100.0).assign(table="a"), fall(["blank", "rejected"], 9.0).assign(table="b")]
    drawing = charts.waterfalls(pd.concat(parts), "table", "name", "n", language.integer, xlabel="rows").figure
    shown = [one for one in drawing.axes if one.get_visible()]
    assert [one.get_title("left") for one in shown] == ["a", "b"]
    for panel, part in zip(shown, parts, strict=True):
        assert [one.get_width() for one in panel.patches] == part["n"].tolist()


def test_columns_are_as_high_as_the_frame_says():
    assert [one.get_height() for one in draw_columns(["a", "b", "c"]).patches] == numbers(3, 1e6).tolist()


def test_cells_carry_the_numbers_of_the_frame():
    frame = cells(["a", "b"], ["c", "d", "e"], 1234.0)
    frame.iloc[0, 1] = np.nan
    frame.iloc[1, 2] = 0
    ax = charts.heat_map(frame, language.integer, xlabel="x", ylabel="y")
    drawn = {one.get_position()[::-1]: one.get_text() for one in ax.texts}
    assert drawn == {
        place: language.integer(one) for place, one in np.ndenumerate(frame.to_numpy()) if np.isfinite(one) and one
    }
    assert len(drawn) == 4
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), frame)


def test_ratios_are_shaded_by_how_many_times_more_or_less():
    frame = pd.DataFrame([[0.01, 0.5, 1.0], [2.0, 40.0, np.nan]], index=["a", "b"], columns=["c", "d", "e"])
    ax = charts.ratio_map(frame, language.decimal, xlabel="x", ylabel="y")
    assert np.ma.filled(ax.images[0].get_array(), 9).tolist() == [[-2, -1, 0], [1, 2, 9]]
    assert [one.get_text() for one in ax.texts] == ["0.0", "0.5", "1.0", "2.0", "40.0"]


def test_counts_too_long_for_their_cells_are_rounded_and_other_numbers_are_not():
    ax = draw_heat(names(16), 9e9)
    assert ax.texts[0].get_text() == language.short_number(9e9) != language.integer(9e9)
    frame = cells(names(16), names(16), 1.0)
    ax = charts.heat_map(frame, lambda one: language.percent(one, 3), xlabel="x", ylabel="y")
    assert ax.texts[0].get_text() == "100.000%"


def test_lines_go_through_the_numbers_of_the_frame_and_carry_their_names():
    frame = course(["a", "b"], 12)
    ax = draw_lines(["a", "b"], 12)
    for line, (_name, part) in zip(ax.lines, frame.groupby("name"), strict=False):
        np.testing.assert_array_equal(line.get_xydata(), part[["x", "y"]])
    assert [one.get_text().strip() for one in ax.texts] == ["known", "a", "b"]


def test_panels_are_the_groups_of_the_frame_over_the_same_months():
    frame = pd.DataFrame({"name": ["a", "a", "a", "b"], "x": ["1", "2", "3", "2"], "y": [0.1, 0.2, 0.3, 0.4]})
    ax = charts.small_multiples(frame, "name", "x", "y", str, ylabel="share")
    panels = [one for one in ax.figure.axes if one.get_visible()]
    assert [one.get_title(loc="left") for one in panels] == ["a", "b"]
    assert [one.lines[-1].get_xydata().tolist() for one in panels] == [[[0, 0.1], [1, 0.2], [2, 0.3]], [[1, 0.4]]]


def test_a_curve_a_histogram_and_points_are_the_frame():
    at = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(draw_curve(["a"]).lines[0].get_xydata(), np.column_stack([at, 1 - (1 - at) ** 3]))
    assert [one.get_height() for one in draw_histogram(["a"]).patches] == [one**2 for one in range(40, 0, -1)]
    assert draw_points(["a", "b"]).lines[1].get_xydata() == pytest.approx(np.array([[0.02, 0.022], [0.7, 0.77]]))


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 200, 10_000])
@pytest.mark.parametrize("shape", ENDLESS)
def test_a_drawing_is_bounded_whatever_the_number_of_categories(shape, n):
    if shape in ("lines", "panels") and n == 10_000:
        ax = SHAPES[shape](names(n), 2)
    else:
        ax = SHAPES[shape](names(n))
    svg = charts.to_svg(ax.figure)
    assert len(svg) < 300_000
    assert max(ax.figure.get_size_inches()) < 11
    said = language.integer(n) + ")"
    titles = [one.get_text() for one in ax.figure.findobj(Text)]
    assert any(one.endswith(said) for one in titles) == (n > (charts.MAX_POINTS if shape == "points" else 2))


def test_the_first_are_drawn_and_of_months_the_last():
    assert [one.get_width() for one in draw_bars(names(200)).patches] == numbers(200, 1)[: charts.MAX_BARS].tolist()
    heights = [one.get_height() for one in draw_columns(names(200)).patches]
    assert heights == numbers(200, 1e6)[-charts.MAX_UPRIGHT :].tolist()
    assert draw_bars(names(200)).get_xlabel() == "share\n(the first 24 of 200)"
    assert draw_columns(names(200)).get_xlabel() == "(the last 120 of 200)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a" * 40, "a" * 40),
        ("a" * 41, "a" * 39 + "…"),
        ("客" * 20, "客" * 20),
        ("客" * 21, "客" * 19 + "…"),
        ("a\x07\n\ud800", "a���"),
    ],
)
def test_a_label_has_a_bounded_width(text, shown):
    assert charts.label(text) == shown


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawing_without_anything_in_it_is_a_drawing(shape):
    frame = pd.DataFrame({"name": [], "x": [], "y": [], "lower": [], "upper": [], "n_customers": []})
    draw = {
        "bars": lambda: charts.bars(frame, "name", "x", str, xlabel="x"),
        "changes": lambda: charts.bars(frame, "name", "x", str, xlabel="x"),
        "pairs": lambda: charts.paired_bars(frame, "name", {"x": "x", "y": "y"}, str, xlabel="x"),
        "heat": lambda: charts.heat_map(pd.DataFrame(), str, xlabel="x", ylabel="y"),
        "ratios": lambda: charts.ratio_map(pd.DataFrame(), str, xlabel="x", ylabel="y"),
        "columns": lambda: charts.columns(frame, "name", "x", str, ylabel="y"),
        "lines": lambda: charts.lines(frame, "name", "x", "y", str, str, xlabel="x", ylabel="y"),
        "panels": lambda: charts.small_multiples(frame, "name", "x", "y", str, ylabel="y"),
        "histogram": lambda: charts.histogram(frame, [], str, xlabel="x", ylabel="y"),
        "amounts": lambda: charts.histogram(frame, [], str, xlabel="x", ylabel="y"),
        "curve": lambda: charts.curve(frame, "x", "y", str, xlabel="x", ylabel="y"),
        "points": lambda: charts.points(frame, "x", "y", ("x", "y"), str, xlabel="x", ylabel="y", diagonal="as forecast"),
        "waterfall": lambda: charts.waterfall(frame, "name", "x", str, xlabel="x"),
        "waterfalls": lambda: charts.waterfalls(frame, "name", "name", "x", str, xlabel="x"),
        "tiles": lambda: charts.tiles(frame, "name", "lower", "x", ["y"], xlabel="x"),
        "quadrants": lambda: charts.quadrants(frame, "x", "y", "lower", "name", (0, 0), {}, str, xlabel="x", ylabel="y"),
    }  # fmt: skip
    assert ElementTree.fromstring(charts.to_svg(draw[shape]().figure)).tag.endswith("svg")


# --- hostile names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_names_make_a_well_formed_drawing_without_script(shape):
    ax = SHAPES[shape](list(HOSTILE))
    svg = charts.to_svg(ax.figure)
    tags = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(svg).iter()}
    assert tags <= {
        "svg", "metadata", "RDF", "Work", "type", "format", "defs", "style", "g", "path", "use", "clipPath", "rect", "image"
    }  # fmt: skip
    assert not re.search(r"\son\w+=|javascript:", re.sub(r"<!--.*?-->", "", svg.decode(), flags=re.S))
    assert len(svg) < 300_000 and len(ax.figure.get_label()) <= charts.MAX_ALT


def test_a_name_is_drawn_as_it_is():
    drawn = [one.get_text() for one in draw_bars(list(HOSTILE)).get_yticklabels()]
    assert drawn[:3] == list(HOSTILE[:3])
    assert not any(one.get_parse_math() for one in draw_bars(list(HOSTILE)).get_yticklabels())


# --- legibility ------------------------------------------------------------------------------------------------------


def boxes(ax: Axes) -> dict[str, mpl.transforms.Bbox]:
    """Where each text that is seen stands, in points; one that is turned takes only a strip of its box, and is left out."""
    ax.figure.draw_without_rendering()
    renderer = ax.figure.canvas.get_renderer()
    texts = [one for one in ax.figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    texts = [one for one in texts if one.axes is None or one.axes.get_visible()]
    return {
        f"{number} {one.get_text()}": one.get_window_extent(renderer)
        for number, one in enumerate(texts)
        if one.get_rotation() in (0, 90) and not is_beyond(one)
    }


def is_beyond(text: Text) -> bool:
    """Whether it is the label of a tick outside the axis, or of a shared one, which matplotlib does not draw."""
    for axes in text.figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if text in (tick.label1, tick.label2):
                    return not min(limits) <= tick.get_loc() <= max(limits)
    return False


TYPICAL = {
    "typical": lambda shape: SHAPES[shape](names(5)),
    "many": lambda shape: SHAPES[shape](names(200) if shape in ENDLESS else names(8)),
    "one": lambda shape: SHAPES[shape](names(1)),
    "months": lambda shape: SHAPES[shape](months(14 if shape in ENDLESS else 5)),
    "long": lambda shape: SHAPES[shape](["WOMEN'S WINTER COATS and jackets, to be worn outdoors"] * 6),
}


@pytest.mark.parametrize("spoken", [ENGLISH, CHINESE])
@pytest.mark.parametrize("case", TYPICAL)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_text_lies_on_another_or_leaves_the_drawing(shape, case, spoken):
    language.use(spoken)
    ax = TYPICAL[case](shape)
    found = boxes(ax)
    assert found
    lying = [
        (one, other)
        for one, other in combinations(found, 2)
        if min(found[one].x1, found[other].x1) - max(found[one].x0, found[other].x0) > 1
        and min(found[one].y1, found[other].y1) - max(found[one].y0, found[other].y0) > 1
    ]
    assert lying == []
    page = ax.figure.bbox
    outside = [
        name for name, one in found.items()
        if one.x0 < page.x0 - 1 or one.y0 < page.y0 - 1 or one.x1 > page.x1 + 1 or one.y1 > page.y1 + 1
    ]  # fmt: skip
    assert outside == []


@pytest.mark.parametrize("largest", [3e3, 9e12])
@pytest.mark.parametrize("shape", ["bars", "changes", "pairs", "columns", "heat"])
def test_long_numbers_have_their_room(shape, largest):
    for n in (2, 16):
        found = boxes(SHAPES[shape](names(n), largest))
        for one, other in combinations(found.values(), 2):
            assert not (
                min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
            )


@pytest.mark.parametrize("shape", ["heat", "ratios"])
@pytest.mark.parametrize("spoken", [ENGLISH, CHINESE])
def test_numbers_fit_in_their_cells(shape, spoken):
    language.use(spoken)
    for n, largest in ((5, 9e5), (11, 9e6), (16, 9e8)):
        ax = SHAPES[shape](names(n), largest if shape == "heat" else 16.0)
        ax.figure.draw_without_rendering()
        cell = ax.bbox.width / len(ax.get_xticks())
        assert max(one.get_window_extent().width for one in ax.texts) < cell


@pytest.mark.parametrize("shape", SHAPES)
def test_an_axis_has_few_numbers_and_no_two_alike(shape):
    for n in (1, 3, 8):
        ax = SHAPES[shape](names(n))
        ax.figure.draw_without_rendering()
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_locator(), charts._Ticks):
                low, high = axis.get_view_interval()
                own = [one.label1.get_text() for one in axis.get_major_ticks() if low <= one.get_loc() <= high]
                assert len(own) <= 8 and len(set(own)) == len(own)


def test_numbers_too_near_for_their_names_have_fewer_names():
    frame = course(["a"], 9).assign(y=np.linspace(10_001, 10_099, 9))
    ax = charts.lines(frame, "name", "x", "y", str, language.short_number, xlabel="x", ylabel="y")
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    seen = [one.label1.get_text() for one in ax.yaxis.get_major_ticks() if low <= one.get_loc() <= high]
    assert seen == ["10K"]


def test_the_names_of_lines_that_end_together_stay_beside_the_drawing():
    frame = course(names(8), 12).assign(y=lambda one: 1.0 * one["x"])
    ax = charts.lines(frame, "name", "x", "y", str, str, xlabel="x", ylabel="y", limits=(0, 11))
    places = [one.get_position()[1] for one in ax.texts]
    assert places == sorted(places) and np.diff(places).min() > 0.06 * 11 and max(places) < 11


def test_the_first_and_the_last_month_of_a_panel_stand_in_two_lines():
    ticks = draw_panels(["a"], 13).get_xticklabels()
    assert [one.get_text() for one in ticks] == ["September\n2019", "September\n2020"]


# --- colours ---------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in mpl.colors.to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    """WCAG 2: from 1, the same, to 21, black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("is_dark", [False, True])
def test_words_and_marks_stand_out_on_the_page(is_dark):
    def shown(colour: str) -> str:
        return charts.DARK[colour] if is_dark else colour

    page = shown(charts.GROUND)
    for colour in (charts.INK, charts.MUTED, charts.ACCENT, *charts.LINES):
        assert contrast(shown(colour), page) >= 4.5
    for colour in (charts.MAIN, charts.LIGHT):
        assert contrast(shown(colour), page) >= 3
    assert contrast(shown(charts.GRID), page) > 1.2


@pytest.mark.parametrize("colours", [charts.SHADES, charts.AROUND_ONE])
def test_numbers_stand_out_in_their_cells(colours):
    for at in np.linspace(0, 1, 101):
        assert contrast(charts._on(colours(at)), mpl.colors.to_hex(colours(at))) >= 4.5


@pytest.mark.parametrize("shape", SHAPES)
def test_every_colour_that_is_drawn_has_its_twin_on_a_dark_page(shape):
    svg = charts.to_svg(SHAPES[shape](names(8)).figure).decode()
    style, _, drawn = svg.partition("</style>")
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.S)
    found = set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", drawn))
    fixed = {charts.CELL_DARK, charts.CELL_LIGHT} if shape in ("heat", "ratios", "tiles") else set()
    assert {colour for _, colour in found} - fixed <= set(charts.DARK)
    assert len(found) >= 3
    for kind, colour in found:
        assert (f'[style*="{kind}: {colour}"]{{{kind}:' in style) == (colour not in fixed)
    assert not fixed & set(charts.DARK) and style.count("@media (prefers-color-scheme: dark)") == 1
    # Whatever names no colour would be black on every page.
    assert not re.search(r'fill="|stroke="|rgb\(', drawn)


def test_the_ground_is_the_page_s():
    svg = charts.to_svg(draw_bars(["a", "b"]).figure).decode()
    (ground,) = re.findall(r'<g id="patch_1">\s*<path d="[^"]*" style="([^"]*)"', svg)
    assert ground == "fill: none"


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("bars", "share: need attention 0 100.0%, need attention 1 43.5%."),
        ("pairs", "share of the amount: need attention 0 43.5%, need attention 1 100.0%."),
        ("heat", "need attention 0 → need attention 0 900,000, need attention 0 → need attention 1 391,748"),
        ("ratios", "what they buy → customers: need attention 0 → need attention 0 16.0"),
        ("columns", "net amount (EUR): need attention 0 1M, need attention 1 435K."),
        ("lines", "amount: need attention 0 78K, need attention 1 100K."),
        ("panels", "share of the month's sales: need attention 0 78K, need attention 1 100K."),
        ("histogram", "days: need attention 0 300, need attention 1 330. customers: 0–18 "),
        ("curve", "share of the customers → share of the amount: 0% → 0%, 50% → 88%, 100% → 100%. need attention 0."),
        ("points", "forecast → happened: 2.0% → 2.2%, 70.0% → 77.0%."),
        (
            "tiles",
            "customers: active, need attention 0: 900,000, +1,234 on last month; active, need attention 1: 391,748",
        ),
        ("quadrants", "amount → orders: need attention 0; need attention 1."),
    ],
)
def test_a_drawing_says_what_it_shows(shape, said):
    assert said in SHAPES[shape](names(2)).figure.get_label()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_said_is_bounded(shape):
    assert 10 < len(SHAPES[shape](["w" * 99 + str(n) for n in range(24)]).figure.get_label()) <= charts.MAX_ALT
