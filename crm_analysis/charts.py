"""The theme and the few chart shapes: frame → Axes. Charts draw numbers; they compute none.

Colours are safe for colour-blind readers and nothing is told by colour alone; ``$`` and ``_`` in a label are text.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from crm_analysis import fonts
from crm_analysis.language import _

INK, MUTED, GRID = "#1c2733", "#5c6b7a", "#dfe5ea"
MAIN, LIGHT, ACCENT = "#1f5f8b", "#a9c6da", "#c8642b"
# One colour a line, told apart by colour-blind readers too; each line also carries its name.
LINES = (MAIN, ACCENT, "#2e8b74", "#7a4f93", "#a3861f", MUTED, "#0f3552", "#8f3f5f")
# A reader's dark page: the colour of each of ours there, and of white lines, which are gaps.
DARK = {
    INK: "#e6ecf1", MUTED: "#a3b1bd", GRID: "#35424e", MAIN: "#6fb1de", LIGHT: "#4a7c9e", ACCENT: "#f0a060",
    "#2e8b74": "#5cc0a5", "#7a4f93": "#b58fd0", "#a3861f": "#d9bd55", "#0f3552": "#9db9d2", "#8f3f5f": "#d98aab",
    "#ffffff": "#141a20",
}  # fmt: skip
# Words within a coloured cell: the cell is the same on a dark page, and so are they.
CELL_INK, CELL_WHITE = "#1c2734", "#fefefe"
SHADES = LinearSegmentedColormap.from_list("shades", ["#f3f7fa", "#a9c6da", "#1f5f8b", "#0f3552"])
MAX_LABEL = 40
# What one chart can show; of more, the first.
MAX_BARS, MAX_ROWS, MAX_COLUMNS, MAX_LINES, MAX_PANELS = 24, 24, 16, 8, 12

THEME = {
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "semibold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "crm-analysis",
}

Show = Callable[[float], str]


def use_theme() -> None:
    """Draw everything from now on in the house's theme."""
    mpl.rcParams.update({**THEME, "font.family": fonts.register()})


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def label(text: object) -> str:
    """A label of bounded length; a control character would make the drawing unreadable."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(text)[: MAX_LABEL + 1])
    if _width(text) <= MAX_LABEL:
        return text
    kept = [n for n in range(len(text)) if _width(text[:n]) < MAX_LABEL]
    return text[: kept[-1]] + "…"


def _width(text: str) -> int:
    """How wide a text is in narrow letters: a Chinese one counts for two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _cut(xlabel: str, shown: int, n: int) -> str:
    """The label of a chart that shows the first of many, and says so."""
    return xlabel if shown >= n else _("{label} (the first {shown} of {n})").format(label=xlabel, shown=shown, n=n)


def to_svg(drawing: Figure) -> bytes:
    """A drawing as SVG that takes the reader's dark colours where the page does."""
    image = io.BytesIO()
    drawing.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>".encode()
    head, end, body = image.getvalue().partition(b"<defs>")
    return head + style + end + body


def _say(ax: Axes, text: str) -> Axes:
    """What the chart shows, for those who cannot see it: the figure's label."""
    ax.figure.set_label(text)
    return ax


def _list(names: Sequence[object], numbers: Sequence[float], show: Show) -> str:
    """``a 12%, b 3%``; of a long row the first twelve."""
    pairs = [f"{name} {show(number)}" for name, number in zip(names, numbers, strict=True)]
    return ", ".join(pairs[:12]) + (", …" if len(pairs) > 12 else "")


def bars(
    frame: pd.DataFrame,
    name: str,
    value: str,
    show: Show,
    *,
    xlabel: str,
    marked: Sequence[object] = (),
    ax: Axes | None = None,
) -> Axes:
    """Horizontal bars, first row on top, each with its number; ``marked`` names stand out."""
    n, frame = len(frame), frame.head(MAX_BARS)
    ax = _axes(ax, 7.6, 0.7 + 0.3 * len(frame))
    numbers = frame[value].astype(float)
    colours = [ACCENT if one in marked else MAIN for one in frame[name]]
    ax.barh(np.arange(len(frame)), numbers, color=colours, height=0.66)
    _name_rows(ax, frame[name])
    for row, number in enumerate(numbers):
        text = f" {show(number)} "
        ax.text(number, row, text, va="center", ha="left" if number >= 0 else "right", color=INK, fontsize=9.5)
    ax.set_xlabel(_cut(xlabel, len(frame), n))
    ax.xaxis.set_major_formatter(lambda number, _: show(number))
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.margins(x=0.14)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    if len(numbers) and numbers.min() >= 0:
        ax.set_xlim(left=0)
    return _say(ax, f"{xlabel}: {_list(frame[name], numbers, show)}.")


def paired_bars(
    frame: pd.DataFrame, name: str, values: dict[str, str], show: Show, *, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Two horizontal bars per row; ``values``: column → name in the legend, which the bars carry."""
    n, frame = len(frame), frame.head(MAX_BARS)
    ax = _axes(ax, 7.6, 0.9 + 0.46 * len(frame))
    height = 0.36
    for number, (column, title) in enumerate(values.items()):
        at = np.arange(len(frame)) + (number - 0.5) * (height + 0.02)
        ax.barh(at, frame[column].astype(float), height=height, color=(MAIN, ACCENT)[number], label=title)
        for row, one in zip(at, frame[column].astype(float), strict=True):
            ax.text(one, row, f" {show(one)} ", va="center", ha="left" if one >= 0 else "right", fontsize=9.5)
    _name_rows(ax, frame[name])
    ax.set_xlabel(_cut(xlabel, len(frame), n))
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(lambda one, _: show(one))
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.margins(x=0.12)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    told = [f"{title}: {_list(frame[name], frame[column].astype(float), show)}." for column, title in values.items()]
    return _say(ax, " ".join(told))


def _name_rows(ax: Axes, names: pd.Series) -> None:
    ax.set_yticks(np.arange(len(names)), [label(one) for one in names], color=INK)
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_visible(False)


def heat_map(matrix: pd.DataFrame, show: Show, *, xlabel: str, ylabel: str, ax: Axes | None = None) -> Axes:
    """A matrix of numbers, each written in its cell; darker is more. Rows and columns as in the frame."""
    shape = matrix.shape
    matrix = matrix.iloc[:MAX_ROWS, :MAX_COLUMNS]
    ax = _axes(ax, min(7.6, 1.9 + 0.72 * matrix.shape[1]), 1.1 + 0.42 * matrix.shape[0])
    numbers = matrix.astype(float).to_numpy()
    top = np.nanmax(np.abs(numbers)) if numbers.size else 0
    if numbers.size:
        ax.imshow(numbers, cmap=SHADES, vmin=0, vmax=top or 1, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number) and number != 0:
            dark = number > 0.45 * top
            colour = CELL_WHITE if dark else CELL_INK
            ax.text(column, row, show(number), ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(matrix.shape[1]), [label(one) for one in matrix.columns])
    ax.set_yticks(range(matrix.shape[0]), [label(one) for one in matrix.index])
    if max((len(str(one)) for one in matrix.columns), default=0) > 4:
        ax.tick_params(axis="x", labelrotation=40)
        for tick in ax.get_xticklabels():
            tick.set_horizontalalignment("right")
            tick.set_rotation_mode("anchor")
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(matrix.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(matrix.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#ffffff", linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlabel(_cut(xlabel, matrix.shape[1], shape[1]))
    ax.set_ylabel(_cut(ylabel, matrix.shape[0], shape[0]))
    largest = matrix.stack().astype(float).sort_values(ascending=False).head(6)
    names = [f"{row} → {column}" for row, column in largest.index]
    return _say(ax, f"{ylabel} → {xlabel}: {_list(names, largest, show)}.")


def columns(frame: pd.DataFrame, name: str, value: str, show: Show, *, ylabel: str, ax: Axes | None = None) -> Axes:
    """Upright bars in the frame's order, such as months."""
    ax = _axes(ax, 7.6, 2.9)
    ax.bar(np.arange(len(frame)), frame[value].astype(float), color=MAIN, width=0.8)
    widest = max((_width(label(one)) for one in frame[name]), default=1)
    step = max(1, int(np.ceil(len(frame) * (widest + 2) / 100)))
    ax.set_xticks(np.arange(0, len(frame), step), [label(one) for one in frame[name].iloc[::step]])
    _count_upwards(ax, show, ylabel)
    return _say(ax, f"{ylabel}: {_list(frame[name].iloc[-12:], frame[value].astype(float).iloc[-12:], show)}.")


def histogram(
    frame: pd.DataFrame,
    cuts: Sequence[tuple[float, str]],
    show: Show,
    *,
    xlabel: str,
    ylabel: str,
    is_log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Customers per class (columns lower, upper, n_customers), with named cut points."""
    ax = _axes(ax, 7.6, 2.6)
    ax.bar(
        frame["lower"], frame["n_customers"], width=frame["upper"] - frame["lower"], align="edge", color=LIGHT,
        edgecolor="#ffffff", linewidth=0.7,
    )  # fmt: skip
    if is_log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.xaxis.set_major_formatter(lambda one, _: show(one))
    for at, text in cuts:
        ax.axvline(at, color=ACCENT, linewidth=1.2, linestyle=(0, (4, 2)))
        ax.annotate(
            text, (at, 1), xycoords=("data", "axes fraction"), xytext=(3, -1), textcoords="offset points",
            va="top", color=ACCENT, fontsize=9.5, fontweight="semibold",
        )  # fmt: skip
    ax.set_xlabel(xlabel)
    _count_upwards(ax, show, ylabel)
    words = _list([text for at, text in cuts], [at for at, text in cuts], show)
    most = frame.loc[frame["n_customers"].idxmax()] if len(frame) else None
    peak = (
        "" if most is None else f" {ylabel}: {show(most['lower'])}–{show(most['upper'])} {show(most['n_customers'])}."
    )
    return _say(ax, f"{xlabel}: {words}.{peak}")


def _count_upwards(ax: Axes, show: Show, ylabel: str) -> None:
    ax.yaxis.set_major_formatter(lambda one, _: show(one))
    ax.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylabel(ylabel)


def curve(
    frame: pd.DataFrame,
    x: str,
    y: str,
    show: Show,
    *,
    xlabel: str,
    ylabel: str,
    name: str,
    diagonal: str = "",
    notes: Sequence[tuple[float, float, str]] = (),
    ax: Axes | None = None,
) -> Axes:
    """A curve with its name at its end, over the diagonal of equality where that is named; ``notes``: points with text."""
    ax = _axes(ax, 6.2, 4.2)
    ax.plot(frame[x].astype(float), frame[y].astype(float), color=MAIN, linewidth=2.2, label=name)
    if diagonal:
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(diagonal, (0.72, 0.72), xytext=(4, -12), textcoords="offset points", color=MUTED, fontsize=9.5)
    for at, height, text in notes:
        ax.plot([at], [height], "o", color=ACCENT, markersize=6)
        ax.annotate(text, (at, height), xytext=(9, -11), textcoords="offset points", color=ACCENT, fontsize=9.5)
    _scale(ax, show, show, xlabel, ylabel)
    ends = [(frame[x].iloc[row], frame[y].iloc[row]) for row in (0, len(frame) // 2, -1)] if len(frame) else []
    told = [f"{show(float(at))} → {show(float(height))}" for at, height in ends]
    return _say(ax, " ".join([f"{xlabel} → {ylabel}: {', '.join(told)}.", *(f"{text}." for *_at, text in notes)]))


def lines(
    frame: pd.DataFrame,
    by: str,
    x: str,
    y: str,
    show_x: Show,
    show_y: Show,
    *,
    xlabel: str,
    ylabel: str,
    band: tuple[str, str] | None = None,
    mark: tuple[float, str] | None = None,
    is_step: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """A line for each value of ``by``, which stands at its end; ``band``: columns of the lower and the upper bound;
    ``mark``: a place on the x axis, and what begins there."""
    ax = _axes(ax, 7.6, 3.6)
    ends = []
    groups = list(frame.groupby(by, sort=False))
    for number, (name, part) in enumerate(groups[:MAX_LINES]):
        colour = LINES[number % len(LINES)]
        at, height = part[x].astype(float), part[y].astype(float)
        ax.plot(at, height, color=colour, linewidth=2, drawstyle="steps-post" if is_step else "default")
        if band is not None:
            low, high = (part[one].astype(float) for one in band)
            ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0, step="post" if is_step else None)
        ends.append((height.iloc[-1], at.iloc[-1], label(name), colour))
    if mark is not None:
        ax.axvline(mark[0], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(
            f"{mark[1]} ",
            (mark[0], 1),
            xycoords=("data", "axes fraction"),
            va="top",
            ha="right",
            color=MUTED,
            fontsize=9,
        )
    _name_ends(ax, ends)
    _scale(ax, show_x, show_y, _cut(xlabel, len(ends), len(groups)), ylabel)
    last = [(name, height) for height, _, name, _ in ends]
    return _say(ax, f"{ylabel}: {_list([one for one, _ in last], [one for _, one in last], show_y)}.")


def _name_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """The lines' names right of the drawing, moved apart where they would lie on each other."""
    low, high = ax.get_ylim()
    right, place = max((at for _, at, _, _ in ends), default=0.0), -np.inf
    for height, _at, name, colour in sorted(ends):
        place = max(height, place + 0.065 * (high - low))
        ax.text(right, place, f"  {name}", va="center", color=colour, fontsize=9.5, fontweight="semibold")


def _scale(ax: Axes, show_x: Show, show_y: Show, xlabel: str, ylabel: str) -> None:
    ax.xaxis.set_major_formatter(lambda one, _: show_x(one))
    ax.yaxis.set_major_formatter(lambda one, _: show_y(one))
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)


def points(
    frame: pd.DataFrame, x: str, y: str, interval: tuple[str, str], show: Show, *, xlabel: str, ylabel: str,
    diagonal: str, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Points with their intervals, beside the diagonal on which both axes say the same."""
    ax = _axes(ax, 5.4, 4.4)
    at, height = frame[x].astype(float), frame[y].astype(float)
    low, high = (frame[one].astype(float) for one in interval)
    top = float(np.nanmax([*at, *high, 0.0])) or 1.0
    ax.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=diagonal)
    ax.legend(frameon=False, loc="upper left")
    ax.vlines(at, low, high, color=LIGHT, linewidth=3)
    ax.plot(at, height, "o", color=MAIN, markersize=6)
    _scale(ax, show, show, xlabel, ylabel)
    pairs = [f"{show(one)} → {show(other)}" for one, other in zip(at, height, strict=True)]
    return _say(ax, f"{xlabel} → {ylabel}: {', '.join(pairs)}.")


def small_multiples(
    frame: pd.DataFrame, by: str, x: str, y: str, show: Show, *, ylabel: str, n_columns: int = 4
) -> Axes:
    """A small chart for each value of ``by``, all on the same scale, over the others in grey; the first and last ``x`` are
    named."""
    every = list(dict.fromkeys(frame[by]))
    names = every[:MAX_PANELS]
    n_rows = max(1, -(-len(names) // n_columns))
    drawing, panels = plt.subplots(n_rows, n_columns, figsize=(7.6, 1.55 * n_rows + 0.3), sharex=True, sharey=True)
    parts = {name: part for name, part in frame.groupby(by, sort=False) if name in names}
    for name, panel in zip(names, panels.flat, strict=False):
        for other in parts.values():
            panel.plot(np.arange(len(other)), other[y].astype(float), color=GRID, linewidth=0.8)
        panel.plot(np.arange(len(parts[name])), parts[name][y].astype(float), color=MAIN, linewidth=2)
        panel.set_title(label(name)[:24], fontsize=9.5)
        panel.tick_params(length=0, labelsize=8)
        panel.yaxis.set_major_formatter(lambda one, _: show(one))
        panel.yaxis.set_major_locator(mpl.ticker.MaxNLocator(3))
        panel.set_ylim(bottom=0)
        last = len(parts[name]) - 1
        panel.set_xticks([0, last], [label(parts[name][x].iloc[0]), label(parts[name][x].iloc[last])])
        for tick, side in zip(panel.xaxis.get_major_ticks(2), ("left", "right"), strict=True):
            tick.label1.set_horizontalalignment(side)
    for panel in list(panels.flat)[len(names) :]:
        panel.set_visible(False)
    drawing.supylabel(_cut(ylabel, len(names), len(every)), fontsize=10, color=MUTED)
    ends = [float(parts[name][y].iloc[-1]) for name in names]
    return _say(panels.flat[0], f"{ylabel}: {_list(names, ends, show)}.")


# Less than usual in orange, more in blue: colours that colour-blind readers tell apart; white is as usual.
AROUND_ONE = LinearSegmentedColormap.from_list("around one", ["#b35806", "#f6d2b0", "#ffffff", "#a9c6da", "#1f5f8b"])


def ratio_map(matrix: pd.DataFrame, show: Show, *, xlabel: str, ylabel: str, ax: Axes | None = None) -> Axes:
    """A matrix of ratios to what is usual, each written in its cell: 1 is white, a quarter and four times are
    darkest; grey where none is known, and no row or column without any."""
    matrix = matrix.dropna(how="all").dropna(axis="columns", how="all")
    ax = heat_map(matrix, show, xlabel=xlabel, ylabel=ylabel, ax=ax)
    ax.set_facecolor(GRID)
    steps = np.log2(matrix.iloc[:MAX_ROWS, :MAX_COLUMNS].astype(float).clip(0.25, 4).to_numpy())
    for image in ax.images:
        image.set(data=steps, cmap=AROUND_ONE, clim=(-2, 2))
    for text in ax.texts:
        at, row = text.get_position()
        text.set_color(CELL_WHITE if abs(steps[int(row), int(at)]) > 1.3 else CELL_INK)
    return ax
