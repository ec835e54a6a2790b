"""The theme and the few chart shapes: frame → Axes. Charts draw numbers; they compute none.

Colours are safe for colour-blind readers and nothing is told by colour alone; ``$`` and ``_`` in a label are text.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from crm_analysis import fonts, language
from crm_analysis.language import _

INK, MUTED, GRID, GROUND = "#1c2733", "#5c6b7a", "#dfe5ea", "#ffffff"
MAIN, LIGHT, ACCENT = "#1f5f8b", "#6797b8", "#b4531f"
# One colour a line, told apart by colour-blind readers too; each line also carries its name.
LINES = (MAIN, ACCENT, "#25795f", "#7a4f93", "#876d14", MUTED, "#0f3552", "#8f3f5f")
# A reader's dark page: the colour of each of ours there.
DARK = {
    INK: "#e6ecf1", MUTED: "#a3b1bd", GRID: "#35424e", GROUND: "#141a20", MAIN: "#6fb1de", LIGHT: "#4a7c9e",
    ACCENT: "#f0a060", "#25795f": "#5cc0a5", "#7a4f93": "#b58fd0", "#876d14": "#d9bd55", "#0f3552": "#d3e6f7",
    "#8f3f5f": "#d98aab",
}  # fmt: skip
# Words within a coloured cell: the cell is the same on a dark page, and so are they.
CELL_DARK, CELL_LIGHT = "#020406", "#fefefe"
SHADES = LinearSegmentedColormap.from_list("shades", ["#f3f7fa", "#a9c6da", "#1f5f8b", "#0f3552"])
# Less than usual in orange, more in blue: colours that colour-blind readers tell apart; white is as usual.
AROUND_ONE = LinearSegmentedColormap.from_list("around one", ["#b35806", "#f6d2b0", "#ffffff", "#a9c6da", "#1f5f8b"])
# Letters of a label, and of one that has little room.
MAX_LABEL, MAX_SHORT, MAX_ALT = 40, 24, 400
# What one chart can show; of more, the first, and of upright bars, which are months, the last.
MAX_BARS, MAX_UPRIGHT, MAX_ROWS, MAX_COLUMNS, MAX_LINES, MAX_PANELS, MAX_POINTS, MAX_TILES = (
    24,
    120,
    24,
    16,
    8,
    12,
    200,
    5,
)
# How wide a letter is, in inches, in labels and in the numbers within cells.
LETTER, CELL_LETTER = 0.083, 0.52

THEME = {
    "figure.facecolor": "none", "axes.facecolor": "none", "figure.constrained_layout.use": True,
    "font.size": 10.5, "text.color": INK, "text.parse_math": False,
    "axes.edgecolor": GRID, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.labelcolor": MUTED, "axes.labelsize": 10,
    "axes.titlesize": 11, "axes.titleweight": "semibold", "axes.titlelocation": "left",
    "grid.color": GRID, "grid.linewidth": 0.8,
    "legend.fontsize": 10, "legend.frameon": False, "legend.borderaxespad": 0,
    "xtick.color": MUTED, "xtick.labelsize": 10, "xtick.major.size": 0,
    "ytick.color": MUTED, "ytick.labelsize": 10, "ytick.major.size": 0,
    "svg.fonttype": "path", "svg.hashsalt": "crm-analysis",
}  # fmt: skip

Show = Callable[[float], str]


def use_theme() -> None:
    """Draw everything from now on in the house's theme."""
    mpl.rcParams.update({**THEME, "font.family": fonts.register()})


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def label(text: object, most: int = MAX_LABEL) -> str:
    """A label of bounded length; a control character would make the drawing unreadable."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(text)[: most + 1])
    if _width(text) <= most:
        return text
    return text[: max(n for n in range(len(text)) if _width(text[:n]) < most)] + "…"


def _width(text: str) -> int:
    """How wide a text is in narrow letters: a Chinese one counts for two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _widest(texts: Sequence[str]) -> int:
    return max(map(_width, texts), default=0)


def _first(title: str, shown: int, n: int) -> str:
    """The title of what shows the first of many, and says so."""
    told = _("(the first {shown} of {n})").format(shown=shown, n=language.integer(n))
    return title if shown >= n else f"{title}\n{told}"


def to_svg(drawing: Figure) -> bytes:
    """A drawing as SVG that takes the reader's dark colours where the page does."""
    image = io.BytesIO()
    drawing.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    rule = '[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
    rules = [rule.format(kind=kind, light=one, dark=DARK[one]) for one in DARK for kind in ("fill", "stroke")]
    style = f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
    head, end, body = image.getvalue().partition(b"<defs>")
    return head + style.encode() + end + body


def _say(ax: Axes, text: str) -> Axes:
    """What the chart shows, for those who cannot see it: the figure's label."""
    ax.figure.set_label(text if len(text) <= MAX_ALT else text[: MAX_ALT - 1].rpartition(" ")[0] + "…")
    return ax


def _list(names: Sequence[object], numbers: Sequence[float], show: Show) -> str:
    """``a 12%, b 3%``; of a long row the first twelve."""
    first = zip(names[:12], numbers[:12], strict=True)
    pairs = [f"{str(name)[:MAX_LABEL]} {_show(number, show)}" for name, number in first]
    return ", ".join(pairs) + (", …" if len(names) > 12 else "")


def _show(number: float, show: Show) -> str:
    return show(number) if np.isfinite(float(number)) else "–"


class _Ticks(mpl.ticker.MaxNLocator):
    """At most seven round numbers; fewer where two would read the same, or where they would touch."""

    def __init__(self, show: Show, **how: object) -> None:
        super().__init__(**{"nbins": 6, "steps": [1, 2, 2.5, 5, 10]} | how)
        self.show, self.most = show, how.get("nbins", 6)

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        axes = self.axis.axes
        room = axes.bbox.width / axes.figure.dpi / LETTER if self.axis is axes.xaxis else np.inf
        for n in range(self.most, 0, -1):
            self.set_params(nbins=n)
            numbers = super().tick_values(vmin, vmax)
            texts = [self.show(one) for one in numbers if vmin <= one <= vmax]
            if len(set(texts)) == len(texts) and len(texts) * (_widest(texts) + 2) <= room:
                return numbers
        return numbers[numbers >= vmin][:1]


def _number(axis: mpl.axis.Axis, show: Show, **how: object) -> None:
    """Numbers along an axis, whole ones without a decimal; ``how``: as of MaxNLocator."""

    def short(number: float) -> str:
        return re.sub(r"\.0(?!\d)", "", show(number + 0.0))

    axis.set_major_locator(_Ticks(short, **how))
    axis.set_major_formatter(lambda number, _: short(number))


def bars(
    frame: pd.DataFrame, name: str, value: str, show: Show, *, xlabel: str, marked: Sequence[object] = (),
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Horizontal bars, first row on top, each with its number; ``marked`` names stand out."""
    n, frame = len(frame), frame.head(MAX_BARS)
    ax = _axes(ax, 7.6, 0.65 + 0.3 * max(len(frame), 1))
    numbers, is_marked = frame[value].astype(float), [one in marked for one in frame[name]]
    ax.barh(np.arange(len(frame)), numbers, color=[ACCENT if one else MAIN for one in is_marked], height=0.66)
    _write_numbers(ax, np.arange(len(frame)), numbers, show, is_marked)
    _name_rows(ax, frame[name], [numbers], show, _first(xlabel, len(frame), n))
    return _say(ax, f"{xlabel}: {_list(frame[name], numbers, show)}.")


def paired_bars(
    frame: pd.DataFrame, name: str, values: dict[str, str], show: Show, *, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Two horizontal bars per row; ``values``: column → name in the legend, which the bars carry."""
    n, frame = len(frame), frame.head(MAX_BARS)
    ax = _axes(ax, 7.6, 0.95 + 0.4 * max(len(frame), 1))
    numbers = [frame[column].astype(float) for column in values]
    for place, (title, own) in enumerate(zip(values.values(), numbers, strict=True)):
        at = np.arange(len(frame)) + (place - 0.5) * 0.39
        ax.barh(at, own, height=0.37, color=(MAIN, ACCENT)[place], label=title)
        _write_numbers(ax, at, own, show, [False] * len(frame))
    _name_rows(ax, frame[name], numbers, show, _first(xlabel, len(frame), n))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handlelength=1.2)
    told = [f"{title}: {_list(frame[name], own, show)}." for title, own in zip(values.values(), numbers, strict=True)]
    return _say(ax, " ".join(told))


def bar_panels(frame: pd.DataFrame, by: str, name: str, values: dict[str, str], show: Show) -> Axes:
    """Two horizontal bars per row, in a small chart of its own for each value of ``by``, all on the same scale; ``values``: column → name in the
    legend."""
    every = list(dict.fromkeys(frame[by]))
    parts = [frame[frame[by] == one].head(MAX_BARS) for one in every[:MAX_PANELS]]
    slots = [max(map(len, parts[at : at + 2])) for at in range(0, len(parts), 2)] or [1]
    heights = [0.55 + 0.36 * n for n in slots]
    drawing, panels = plt.subplots(
        len(slots), 2, figsize=(7.6, sum(heights) + 0.5), height_ratios=heights, squeeze=False, sharex=True
    )  # fmt: skip
    for place, (part, panel) in enumerate(zip(parts, panels.flat, strict=False)):
        for side, (colour, column) in enumerate(zip((MAIN, ACCENT), values, strict=True)):
            at, numbers = np.arange(len(part)) + (side - 0.5) * 0.39, part[column].astype(float)
            panel.barh(at, numbers, height=0.37, color=colour, label=values[column])
            _write_numbers(panel, at, numbers, show, [False] * len(part))
        panel.set_yticks(np.arange(len(part)), [label(one, MAX_SHORT) for one in part[name]], color=INK, fontsize=9)
        panel.set_ylim(slots[place // 2] - 0.45, -0.55)
        panel.set_title(label(part[by].iloc[0], MAX_SHORT), fontsize=9.5, loc="left")
        panel.margins(x=0.16)
        panel.set_xticks([])
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axvline(0, color=MUTED, linewidth=0.8)
    for panel in list(panels.flat)[len(parts) :]:
        panel.set_visible(False)
    if parts:
        drawing.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, handlelength=1.2)
    if len(parts) < len(every):
        drawing.supxlabel(_first("", len(parts), len(every)).strip(), fontsize=10, color=MUTED)
    told = [
        f"{part[by].iloc[0]}, {title}: {_list(part[name].to_list(), part[column].astype(float).to_list(), show)}."
        for part in parts
        for column, title in values.items()
    ]
    return _say(panels.flat[0], " ".join(told))


def pie(frame: pd.DataFrame, name: str, value: str, show: Show, ax: Axes | None = None) -> Axes:
    """Slices of a whole, clockwise from the top in the frame's order, each with its name and number beside it."""
    ax = _axes(ax, 4.8, 2.4)
    frame = frame[frame[value].astype(float) > 0]
    numbers = frame[value].astype(float).to_numpy()
    texts = [
        f"{label(one, MAX_SHORT)}  {_show(number, show)}" for one, number in zip(frame[name], numbers, strict=True)
    ]
    if len(numbers):
        wedges, _texts = ax.pie(
            numbers, colors=[LINES[at % len(LINES)] for at in range(len(numbers))], startangle=90, counterclock=False,
            wedgeprops={"edgecolor": GROUND, "linewidth": 1.5},
        )  # fmt: skip
        ax.legend(wedges, texts, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.2, labelcolor=INK)
    return _say(ax, f"{_list(frame[name].to_list(), numbers, show)}.")


def waterfall(
    frame: pd.DataFrame, name: str, value: str, show: Show, *, xlabel: str, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """From a whole, the first row, by what is taken from it to what remains, the last; what is below zero is added."""
    ax = _axes(ax, 7.6, 0.75 + 0.34 * max(len(frame), 1))
    _draw_fall(ax, frame, name, value, show)
    ax.set_xlabel(xlabel)
    return _say(ax, f"{xlabel}: {_list(frame[name], frame[value].to_list(), show)}.")


def waterfalls(frame: pd.DataFrame, by: str, name: str, value: str, show: Show, *, xlabel: str) -> Axes:
    """A small waterfall for each value of ``by``, each on a scale of its own."""
    every = list(dict.fromkeys(frame[by]))
    parts = [frame[frame[by] == one] for one in every[:MAX_PANELS]]
    slots = [max(map(len, parts[at : at + 2])) for at in range(0, len(parts), 2)] or [1]
    heights = [0.55 + 0.3 * n for n in slots]
    drawing, panels = plt.subplots(
        len(slots), 2, figsize=(7.6, sum(heights) + 0.3), height_ratios=heights, squeeze=False
    )  # fmt: skip
    for place, (part, panel) in enumerate(zip(parts, panels.flat, strict=False)):
        _draw_fall(panel, part, name, value, show, 2.4 * LETTER / 7.6)
        panel.set_ylim(slots[place // 2] - 0.45, -0.55)
        panel.set_title(label(part[by].iloc[0], MAX_SHORT), fontsize=9.5, loc="left")
        panel.tick_params(labelsize=8.5)
        panel.set_xticks([])
    for panel in list(panels.flat)[len(parts) :]:
        panel.set_visible(False)
    drawing.supxlabel(_first(xlabel, len(parts), len(every)), fontsize=10, color=MUTED)
    told = [f"{part[by].iloc[0]}: {_list(part[name], part[value].to_list(), show)}." for part in parts]
    return _say(panels.flat[0], f"{xlabel}. {' '.join(told)}")


def _draw_fall(ax: Axes, frame: pd.DataFrame, name: str, value: str, show: Show, room: float = 0.018) -> None:
    """The steps of a waterfall, each from where the one before ends; ``room``: what a letter of a number takes of the width."""
    numbers = frame[value].astype(float).to_numpy()
    n = len(numbers)
    is_step = np.arange(n) % max(n - 1, 1) > 0
    ends = numbers[:1] - np.cumsum(np.where(is_step, numbers, 0))
    left = np.where(is_step, ends, 0)
    right = left + numbers
    ax.barh(np.arange(n), numbers, left=left, color=np.where(is_step, ACCENT, MAIN), height=0.62)
    ax.vlines(ends[:-1], np.arange(n - 1) + 0.31, np.arange(1, n) - 0.31, color=MUTED, linewidth=0.8)
    signs = [
        "" if not step else "−" if number > 0 else "+" if number < 0 else ""
        for step, number in zip(is_step, numbers, strict=True)
    ]
    texts = [f" {sign}{show(abs(one) if sign else one)} " for sign, one in zip(signs, frame[value], strict=True)]
    for row, text in enumerate(texts):
        ax.text(max(left[row], right[row], 0), row, text, va="center", fontsize=9.5, color=INK)
    ax.set_yticks(np.arange(n), [label(one) for one in frame[name]], color=INK)
    ax.set_ylim(max(n, 1) - 0.45, -0.55)
    ax.set_xlim(min([*left, *right, 0]), (max([*left, *right, 0]) or 1) * (1 + room * _widest(texts)))
    ax.axvline(0, color=MUTED, linewidth=0.8)
    _number(ax.xaxis, language.short_number)
    ax.grid(axis="x")
    ax.spines[["left", "bottom"]].set_visible(False)


def _write_numbers(ax: Axes, places: np.ndarray, numbers: pd.Series, show: Show, is_marked: Sequence[bool]) -> None:
    for row, number, bold in zip(places, numbers, is_marked, strict=True):
        ax.text(
            number if np.isfinite(number) else 0, row, f" {_show(number, show)} ", va="center", fontsize=9.5, color=INK,
            ha="right" if number < 0 else "left", fontweight="semibold" if bold else "normal",
        )  # fmt: skip


def _name_rows(ax: Axes, names: pd.Series, numbers: Sequence[pd.Series], show: Show, xlabel: str) -> None:
    """The names left of bars, the numbers below them, and room beside the longest bar for its number."""
    ax.set_yticks(np.arange(len(names)), [label(one) for one in names], color=INK)
    ax.set_ylim(max(len(names), 1) - 0.45, -0.55)
    ax.margins(x=0.03 + 0.018 * _widest([_show(one, show) for own in numbers for one in own]))
    if min((own.min() for own in numbers), default=0) >= 0:
        ax.set_xlim(left=0)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    _number(ax.xaxis, show)
    ax.grid(axis="x")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xlabel(xlabel)


def heat_map(matrix: pd.DataFrame, show: Show, *, xlabel: str, ylabel: str, ax: Axes | None = None) -> Axes:
    """A matrix of numbers, each written in its cell; darker is more. Rows and columns as in the frame."""
    shades = matrix.iloc[:MAX_ROWS, :MAX_COLUMNS].astype(float)
    top = np.nanmax(shades.abs().to_numpy(), initial=0) or 1
    return _cells(matrix, shades, SHADES, (0, top), show, xlabel, ylabel, ax)


def ratio_map(matrix: pd.DataFrame, show: Show, *, xlabel: str, ylabel: str, ax: Axes | None = None) -> Axes:
    """A matrix of ratios to what is usual, each written in its cell: 1 is white, a quarter and four times are
    darkest; grey where none is known, and no row or column without any."""
    matrix = matrix.dropna(how="all").dropna(axis="columns", how="all")
    steps = np.log2(matrix.iloc[:MAX_ROWS, :MAX_COLUMNS].astype(float).clip(0.25, 4))
    ax = _cells(matrix, steps, AROUND_ONE, (-2, 2), show, xlabel, ylabel, ax)
    ax.set_facecolor(GRID)
    return ax


def _cells(
    matrix: pd.DataFrame, shades: pd.DataFrame, colours: LinearSegmentedColormap, limits: tuple[float, float], show: Show,
    xlabel: str, ylabel: str, ax: Axes | None,
) -> Axes:  # fmt: skip
    """The first cells of a matrix, coloured by ``shades``, with their numbers in letters as large as fit."""
    n_rows, n_columns = shades.shape
    xtitle, ytitle = _first(xlabel, n_columns, matrix.shape[1]), _first(ylabel, n_rows, matrix.shape[0])
    matrix = matrix.iloc[:n_rows, :n_columns].astype(float)
    rows, names = ([label(one, MAX_SHORT) for one in own] for own in (matrix.index, matrix.columns))
    side = LETTER * _widest(rows) + 0.5
    width = min(7.6, max(3.2, LETTER * _width(xlabel) + side, side + 0.72 * n_columns))
    cell = (width - side) / max(n_columns, 1)
    is_turned = LETTER * (_widest(names) + 1) > cell
    below = 0.5 + (0.66 * LETTER * _widest(names) if is_turned else 0.2)
    ax = _axes(ax, width, below + max(0.38 * n_rows, LETTER * (_width(ylabel) + 2)))
    if shades.size:
        ax.imshow(shades.to_numpy(), cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    texts, size = _fit(matrix, show, 72 * cell)
    for (row, column), text in texts.items():
        shade = colours((shades.iat[row, column] - limits[0]) / (limits[1] - limits[0]))
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color=_on(shade))
    ax.set_xticks(range(n_columns), names)
    ax.set_yticks(range(n_rows), rows)
    if is_turned:
        plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xticks(np.arange(n_columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n_rows + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=GROUND, linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(xtitle)
    ax.set_ylabel(ytitle)
    largest = sorted(texts, key=lambda place: -matrix.iat[place])[:6]
    pairs = [f"{rows[row]} → {names[column]} {texts[row, column]}" for row, column in largest]
    return _say(ax, f"{ylabel} → {xlabel}: {', '.join(pairs)}.")


def _fit(matrix: pd.DataFrame, show: Show, points: float) -> tuple[dict[tuple[int, int], str], float]:
    """The text of each cell that has a number, and the size of letters in which all fit; counts too long are rounded."""
    numbers = {place: one for place, one in np.ndenumerate(matrix.to_numpy()) if np.isfinite(one) and one != 0}
    texts = {place: show(one) for place, one in numbers.items()}
    size = points / (CELL_LETTER * (_widest(texts.values()) + 1))
    if size < 7.5 and all(texts[place] == language.integer(one) for place, one in numbers.items()):
        return _fit(matrix, language.short_number, points)
    return texts, min(9, size)


def _on(colour: tuple[float, ...]) -> str:
    """The colour of words on a ground: the one of more contrast (WCAG 2, relative luminance)."""
    parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour[:3]]
    return CELL_DARK if np.dot(parts, (0.2126, 0.7152, 0.0722)) > 0.18 else CELL_LIGHT


def tiles(
    frame: pd.DataFrame, row: str, column: str, shade: str, lines: Sequence[str], *, xlabel: str, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """A grid of tiles with texts, one for each row of the frame; ``lines``: columns of texts, the first one large; darker is
    more of ``shade``."""
    every = list(dict.fromkeys(frame[column]))
    rows, names = list(dict.fromkeys(frame[row]))[:MAX_TILES], every[:MAX_TILES]
    frame = frame[frame[row].isin(rows) & frame[column].isin(names)]
    ax = _axes(ax, 7.6, 0.75 + 1.2 * max(len(rows), 1))
    shades = frame.pivot(index=row, columns=column, values=shade).reindex(index=rows, columns=names)
    shades = shades.astype(float).fillna(0).clip(lower=0)
    top = shades.to_numpy().max(initial=0) or 1
    if shades.size:
        ax.imshow(shades.to_numpy(), cmap=SHADES, vmin=0, vmax=top, aspect="auto")
    for one in frame.to_dict("records"):
        across, down = names.index(one[column]), rows.index(one[row])
        for place, line in enumerate(lines):
            ax.text(
                across, down + (0.19 * place - 0.2 if place else -0.27), label(one[line], MAX_SHORT), ha="center",
                va="center", color=_on(SHADES(shades.iat[down, across] / top)), fontsize=9 if place else 15,
                fontweight="normal" if place else "semibold",
            )  # fmt: skip
    ax.set_xticks(range(len(names)), [label(one, 14) for one in names], color=INK)
    ax.set_yticks(range(len(rows)), [label(one, 14) for one in rows], color=INK)
    ax.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=GROUND, linewidth=5)
    ax.tick_params(which="minor", length=0)
    ax.tick_params(axis="x", labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(_first(xlabel, len(names), len(every)))
    told = [
        f"{one[row]}, {one[column]}: {', '.join(one[line] for line in lines[:2])}" for one in frame.to_dict("records")
    ]
    return _say(ax, f"{xlabel}: {'; '.join(told)}.")


def quadrants(
    frame: pd.DataFrame, x: str, y: str, size: str, by: str, cuts: tuple[float, float], corners: Mapping[str, str],
    show: Show, *, xlabel: str, ylabel: str, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Bubbles on two scales on which each step is ten times the last, parted by a cut on each. ``corners``: the value of
    ``by`` at the top left, top right, bottom left and bottom right, and what is written there."""
    ax = _axes(ax, 7.6, 4.6)
    ax.set_xscale("log")
    ax.set_yscale("log")
    top = frame[size].max() if len(frame) else 1
    for colour, name in zip(LINES, corners, strict=False):
        part = frame[frame[by] == name]
        areas = 5 + 700 * part[size].astype(float) / top
        ax.scatter(part[x], part[y], s=areas, color=colour, alpha=0.7, linewidth=0)
    places = [
        (h, v, ha, va) for v, va in ((0.985, "top"), (0.015, "bottom")) for h, ha in ((0.01, "left"), (0.99, "right"))
    ]
    for text, colour, (across, up, ha, va) in zip(corners.values(), LINES, places, strict=False):
        ax.text(
            across, up, label(text), transform=ax.transAxes, ha=ha, va=va, color=colour, fontsize=10, fontweight="semibold",
            path_effects=[withStroke(linewidth=3, foreground=GROUND)],
        )  # fmt: skip
    for axis, own, cut, room in ((ax.xaxis, x, cuts[0], 1.3), (ax.yaxis, y, cuts[1], 4.0)):
        ends = [*frame[own].astype(float), *([cut] if cut > 0 else [])] or [1.0]
        (ax.set_xlim if axis is ax.xaxis else ax.set_ylim)(min(ends) / room, max(ends) * room)
        if cut > 0:
            (ax.axvline if axis is ax.xaxis else ax.axhline)(cut, color=INK, linewidth=1, linestyle=(0, (4, 2)))
            is_across = axis is ax.xaxis
            ax.annotate(
                show(cut), (cut, 1) if is_across else (1, cut), xytext=(0, 3) if is_across else (4, 0),
                xycoords=("data", "axes fraction") if is_across else ("axes fraction", "data"),
                textcoords="offset points", ha="center" if is_across else "left", va="bottom" if is_across else "center",
                color=INK, fontsize=9.5, fontweight="semibold",
            )  # fmt: skip
        axis.set_minor_locator(mpl.ticker.NullLocator())
        few = max(ends) / min(ends) < 200
        axis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
        axis.set_major_formatter(lambda one, _: show(one))
    ax.grid()
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return _say(ax, f"{ylabel} → {xlabel}: {'; '.join(corners.values())}.")


def columns(frame: pd.DataFrame, name: str, value: str, show: Show, *, ylabel: str, ax: Axes | None = None) -> Axes:
    """Upright bars in the frame's order, such as months."""
    every, frame = len(frame), frame.tail(MAX_UPRIGHT)
    n, names, numbers = len(frame), [label(one, MAX_SHORT) for one in frame[name]], frame[value].astype(float)
    letters = _widest(names) + 3
    ax = _axes(ax, min(7.6, max(3.2, 1 + LETTER * letters * n)), 2.9)
    ax.bar(np.arange(n), numbers, color=MAIN, width=0.8)
    step = int(np.ceil(n * max(letters * LETTER / (ax.figure.get_figwidth() - 1), 1 / 6 if n > 12 else 0))) or 1
    ticks = range((n - 1) % step, n, step)
    ax.set_xticks(ticks, [names[at] for at in ticks])
    ax.tick_params(axis="x", pad=7)
    ax.set_xlim(-0.6, max(n, 1) - 0.4)
    _count_upwards(ax, show, ylabel)
    if every > n:
        ax.set_xlabel(_("(the last {shown} of {n})").format(shown=n, n=language.integer(every)))
    return _say(ax, f"{ylabel}: {_list(frame[name].iloc[-12:], numbers.iloc[-12:], show)}.")


def histogram(
    frame: pd.DataFrame, cuts: Sequence[tuple[float, str]], show: Show, *, xlabel: str, ylabel: str,
    is_log: bool = False, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Customers per class (columns lower, upper, n_customers), with named cut points."""
    ax = _axes(ax, 7.6, 2.8)
    ax.bar(
        frame["lower"], frame["n_customers"], width=frame["upper"] - frame["lower"], align="edge", color=LIGHT,
        edgecolor=GROUND, linewidth=0.7,
    )  # fmt: skip
    if is_log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        ax.xaxis.set_major_locator(mpl.ticker.LogLocator(numticks=8))
        ax.xaxis.set_major_formatter(lambda one, _: show(one))
    else:
        _number(ax.xaxis, show)
    ax.set_xlabel(xlabel)
    _count_upwards(ax, show, ylabel)
    _name_cuts(ax, cuts)
    told = f"{xlabel}: {_list([text for _at, text in cuts], [at for at, _text in cuts], show)}."
    for most in frame.nlargest(1, "n_customers").itertuples():
        told += f" {ylabel}: {show(most.lower)}–{show(most.upper)} {show(most.n_customers)}."
    return _say(ax, told)


def _name_cuts(ax: Axes, cuts: Sequence[tuple[float, str]]) -> None:
    """Cut points, named above the drawing; a name that would lie on another stands higher."""
    ends: list[float] = []
    for at, _text in cuts:
        ax.axvline(at, color=ACCENT, linewidth=1.2, linestyle=(0, (4, 2)))
    # The limits that the axis has with these.
    ax.get_xlim()
    for at, text in cuts:
        text = label(text, MAX_SHORT)
        half = 36 * LETTER * (_width(text) + 1)
        place = ax.transLimits.transform(ax.transScale.transform((at, 1)))[0] * 61 * ax.figure.get_figwidth()
        level = next((n for n, end in enumerate(ends) if end <= place - half), len(ends))
        ends[level : level + 1] = [place + half]
        ax.annotate(
            text, (at, 1), xycoords=("data", "axes fraction"), xytext=(0, 2 + 12 * level), textcoords="offset points",
            ha="center", va="bottom", color=ACCENT, fontsize=9.5, fontweight="semibold",
        )  # fmt: skip


def _count_upwards(ax: Axes, show: Show, ylabel: str) -> None:
    _number(ax.yaxis, show, integer=True)
    ax.grid(axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_ylabel(ylabel)


def curve(
    frame: pd.DataFrame, x: str, y: str, show: Show, *, xlabel: str, ylabel: str, diagonal: str = "",
    notes: Sequence[tuple[float, float, str]] = (), ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """A curve, over the diagonal of equality where that is named; ``notes``: points with text."""
    ax = _axes(ax, 6.2, 4.2)
    ax.plot(frame[x].astype(float), frame[y].astype(float), color=MAIN, linewidth=2.2)
    if diagonal:
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(diagonal, (0.72, 0.72), xytext=(4, -12), textcoords="offset points", color=MUTED, fontsize=9.5)
    for at, height, text in notes:
        is_top = height >= frame[y].astype(float).max()
        ax.plot([at], [height], "o", color=ACCENT, markersize=6)
        ax.annotate(
            text, (at, height), xytext=(0, 7) if is_top else (9, -11), textcoords="offset points", color=ACCENT,
            ha="center" if is_top else "left", fontsize=9.5, fontweight="semibold",
            path_effects=[withStroke(linewidth=3, foreground=GROUND)],
        )  # fmt: skip
    _scale(ax, show, show, xlabel, ylabel)
    ends = [(frame[x].iloc[row], frame[y].iloc[row]) for row in (0, len(frame) // 2, -1)] if len(frame) else []
    told = [f"{show(float(one))} → {show(float(other))}" for one, other in ends]
    return _say(ax, " ".join([f"{xlabel} → {ylabel}: {', '.join(told)}.", *(f"{text}." for *_at, text in notes)]))


def lines(
    frame: pd.DataFrame, by: str, x: str, y: str, show_x: Show, show_y: Show, *, xlabel: str, ylabel: str,
    band: tuple[str, str] | None = None, mark: tuple[float, str] | None = None, limits: tuple[float, float] | None = None,
    is_step: bool = False, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """A line for each value of ``by``, which stands at its end; ``x`` is whole numbers; ``band``: columns of the lower and
    the upper bound; ``mark``: a place on the x axis, and what begins there; ``limits``: where the y axis ends."""
    ax = _axes(ax, 7.6, 3.6)
    ends, every = [], list(dict.fromkeys(frame[by]))
    groups = frame[frame[by].isin(every[:MAX_LINES])].groupby(by, sort=False)
    for colour, (name, part) in zip(LINES, groups, strict=False):
        at, height = part[x].astype(float), part[y].astype(float)
        ax.plot(at, height, color=colour, linewidth=2, drawstyle="steps-post" if is_step else "default")
        if band is not None:
            low, high = (part[one].astype(float) for one in band)
            ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0, step="post" if is_step else None)
        ends.append((height.iloc[-1], at.iloc[-1], label(name, MAX_SHORT), colour))
    if limits is not None:
        ax.set_ylim(limits)
    if mark is not None:
        ax.axvline(mark[0], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.text(mark[0], 1, mark[1], transform=ax.get_xaxis_transform(), va="bottom", ha="center", color=MUTED)
    _name_ends(ax, ends)
    _scale(ax, show_x, show_y, _first(xlabel, len(ends), len(every)), ylabel, integer=True)
    return _say(ax, f"{ylabel}: {_list([one for _, _, one, _ in ends], [one for one, *_ in ends], show_y)}.")


def _name_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """The lines' names right of the drawing, moved apart where they would lie on each other."""
    low, high = ax.get_ylim()
    step = 0.07 * (high - low)
    right, place = max((at for _, at, _, _ in ends), default=0.0), -np.inf
    for left, (height, _at, name, colour) in zip(range(len(ends) - 1, -1, -1), sorted(ends), strict=True):
        # As high as the line ends, above the name before, and with room below the top for those to come.
        place = max(min(height, high - step * (left + 0.5)), place + step)
        ax.text(right, place, f"  {name}", va="center", color=colour, fontsize=9.5, fontweight="semibold")


def _scale(ax: Axes, show_x: Show, show_y: Show, xlabel: str, ylabel: str, **how: object) -> None:
    _number(ax.xaxis, show_x, **how)
    _number(ax.yaxis, show_y)
    ax.grid()
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)


def points(
    frame: pd.DataFrame, x: str, y: str, interval: tuple[str, str], show: Show, *, xlabel: str, ylabel: str,
    diagonal: str, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Points with their intervals, beside the diagonal on which both axes say the same."""
    n, frame = len(frame), frame.head(MAX_POINTS)
    ax = _axes(ax, 5.4, 4.4)
    at, height = frame[x].astype(float), frame[y].astype(float)
    low, high = (frame[one].astype(float) for one in interval)
    top = float(np.nanmax([*at, *high, 0.0])) or 1.0
    ax.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=diagonal)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
    ax.vlines(at, low, high, color=LIGHT, linewidth=3)
    ax.plot(at, height, "o", color=MAIN, markersize=6)
    _scale(ax, show, show, _first(xlabel, len(frame), n), ylabel)
    pairs = [f"{_show(one, show)} → {_show(other, show)}" for one, other in zip(at[:12], height[:12], strict=True)]
    return _say(ax, f"{xlabel} → {ylabel}: {', '.join(pairs)}.")


def small_multiples(frame: pd.DataFrame, by: str, x: str, y: str, show: Show, *, ylabel: str) -> Axes:
    """A small chart for each value of ``by``, all on the same scale, over the others in grey; the first and last ``x`` are
    named."""
    every = list(dict.fromkeys(frame[by]))
    names = every[:MAX_PANELS]
    frame = frame[frame[by].isin(names)]
    places = {one: at for at, one in enumerate(dict.fromkeys(frame[x]))}
    parts = {name: part for name, part in frame.groupby(by, sort=False)}
    n_rows = max(1, -(-len(names) // 4))
    drawing, panels = plt.subplots(n_rows, 4, figsize=(7.6, 1.5 * n_rows + 0.5), sharex=True, sharey=True)
    for name, panel in zip(names, panels.flat, strict=False):
        for part in [*parts.values(), parts[name]]:
            panel.plot(part[x].map(places), part[y].astype(float), color=GRID, linewidth=0.8)
        panel.lines[-1].set(color=MAIN, linewidth=2)
        panel.set_title(label(name, MAX_SHORT - 4), fontsize=9.5, loc="left")
        panel.tick_params(labelsize=8)
        panel.set_ylim(bottom=0)
        _number(panel.yaxis, show, nbins=3)
        ends = dict.fromkeys([0, len(places) - 1])
        panel.set_xticks(list(ends), [label(list(places)[at], 14).replace(" ", "\n") for at in ends])
        for tick, side in zip(panel.xaxis.get_major_ticks(len(ends)), ("left", "right"), strict=False):
            tick.label1.set_horizontalalignment(side)
    for panel in list(panels.flat)[len(names) :]:
        panel.set_visible(False)
    drawing.supylabel(_first(ylabel, len(names), len(every)), fontsize=10, color=MUTED, ma="center")
    return _say(panels.flat[0], f"{ylabel}: {_list(names, [float(parts[one][y].iloc[-1]) for one in names], show)}.")
