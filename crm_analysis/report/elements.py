"""The pieces of a page as HTML. Everything that comes from data is escaped here, once, by markupsafe's types."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from crm_analysis import language
from crm_analysis.language import _
from crm_analysis.schema import Column, KeyFigure, Shape

NUMBERS = ("money", "quantity", "integer", "fraction", "estimate")
MAX_ROWS = 40
# Where a caption's number goes: tables and figures are counted in the order of the finished page.
NUMBER = "<!--number of {}-->"


def is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value


def show_value(name: str, column: Column, value: object, currency: str) -> str:
    """A value as a reader expects it, by the column's type and, of fractions, its name."""
    if is_missing(value):
        return "–"
    if column.type == "money":
        return language.amount(value, currency)
    if column.type == "integer":
        return language.integer(value)
    if column.type in ("fraction", "quantity"):
        return language.percent(value) if name.endswith(("_share", "_rate", "_prob")) else language.plain(value)
    if column.type == "estimate":
        return language.decimal(value, 3)
    if column.type == "flag":
        return _("yes") if value else _("no")
    return _(str(value)) if column.type == "text" else str(value)


def head(column: Column, currency: str) -> str:
    meaning = _(column.meaning)
    return f"{meaning[:1].upper()}{meaning[1:]}" + (f" ({currency})" if column.type == "money" else "")


def table(frame: pd.DataFrame, shape: Shape, columns: Sequence[str], caption: str, currency: str, more: str) -> Markup:
    """A table with its caption; a long one is cut, and ``more`` is the file that has all of it."""
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_class(shape.columns[one]), head(shape.columns[one], currency))
        for one in columns
    )
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(_cell(one, shape.columns[one], row[one], currency, first) for first, one in _first(columns))
        )
        for row in frame.head(MAX_ROWS).to_dict("records")
    )
    cut = Markup("")
    if len(frame) > MAX_ROWS:
        text = _("The first {n} of {all} rows; all of them are in {file}.")
        cut = Markup('<p class="cut">{}</p>').format(
            text.format(n=MAX_ROWS, all=language.integer(len(frame)), file=more)
        )
    return Markup(
        '<div class="table{}" tabindex="0" role="region" aria-label="{}"><table><caption>'
        + NUMBER.format("table")
        + "{}</caption>"
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}"
    ).format(" long" if len(frame) > 20 else "", caption, caption, heads, rows, cut)


def _first(columns: Sequence[str]) -> list[tuple[bool, str]]:
    return [(place == 0, name) for place, name in enumerate(columns)]


def _class(column: Column) -> Markup:
    return Markup(' class="number"') if column.type in NUMBERS else Markup("")


def _cell(name: str, column: Column, value: object, currency: str, is_first: bool) -> Markup:
    text = show_value(name, column, value, currency)
    if is_first:
        return Markup('<th scope="row"{}>{}</th>').format(_class(column), text)
    if name.endswith("_share") and not is_missing(value):
        width = min(max(float(value), 0.0), 1.0)
        return Markup('<td class="number share" style="--share:{}%">{}</td>').format(f"{100 * width:.1f}", text)
    return Markup("<td{}>{}</td>").format(_class(column), text)


def figure(ax: Axes, caption: str) -> Markup:
    """A chart as SVG in the page, with its caption and what it shows as alternative text."""
    drawing, image = ax.figure, io.BytesIO()
    drawing.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (round(96 * inches) for inches in drawing.get_size_inches())
    plt.close(drawing)
    return Markup(
        '<figure><img src="data:image/svg+xml;base64,{}" width="{}" height="{}" alt="{}"><figcaption>'
        + NUMBER.format("figure")
        + "{}</figcaption></figure>"
    ).format(
        base64.b64encode(image.getvalue()).decode(), width, height, f"{caption} {drawing.get_label()}".strip(), caption
    )


def show_key_figure(one: KeyFigure, currency: str) -> str:
    if is_missing(one.value):
        return "–"
    return {
        "count": language.integer,
        "share": language.percent,
        "money": lambda value: language.short_money(value, currency),
        "number": lambda value: language.decimal(value, 2),
    }[one.unit](one.value)


def show_change(one: KeyFigure, earlier: object) -> str:
    """The change on an earlier value: per cent, of shares points, of other numbers the difference; '' where unknown."""
    if is_missing(earlier) or is_missing(one.value):
        return ""
    change = float(one.value) - float(earlier)
    if one.unit == "share":
        return language.signed(round(100 * change, 1), lambda value: _("{n} points").format(n=language.decimal(value)))
    if one.unit == "number":
        return language.signed(round(change, 2), lambda value: language.decimal(value, 2))
    if not float(earlier):
        return ""
    return language.signed(round(change / abs(float(earlier)), 3), language.percent)


def cards(figures: Sequence[KeyFigure], currency: str) -> Markup:
    """Key figures with their change on last month and last year, in words and arrows."""

    def line(one: KeyFigure, earlier: object, words: str) -> Markup:
        change = show_change(one, earlier)
        arrow = {"+": "▲", "−": "▼"}.get(change[:1], "●")
        return Markup('<span class="change">{} {} {}</span>').format(arrow, change, words) if change else Markup("")

    return Markup('<dl class="cards">{}</dl>').format(
        Markup("").join(
            Markup("<div><dt>{}</dt><dd>{}{}{}</dd></div>").format(
                one.name,
                Markup("<strong>{}</strong>").format(show_key_figure(one, currency)),
                line(one, one.previous, _("on last month")),
                line(one, one.last_year, _("on last year")),
            )
            for one in figures
        )
    )


def findings(sentences: Sequence[str]) -> Markup:
    return Markup('<ul class="findings">{}</ul>').format(
        Markup("").join(Markup("<li>{}</li>").format(one) for one in sentences)
    )


def facts(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names and values, two by two."""
    return Markup('<dl class="facts">{}</dl>').format(
        Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in pairs)
    )


def dictionary(shapes: dict[str, Shape]) -> Markup:
    """The data dictionary of the tables shown, folded away."""
    blocks = Markup("").join(
        Markup("<h3>{}</h3><p>{}</p><dl>{}</dl>").format(
            name,
            _(shape.grain),
            Markup("").join(
                Markup("<dt><code>{}</code></dt><dd>{}</dd>").format(column, _(one.meaning))
                for column, one in shape.columns.items()
            ),
        )
        for name, shape in shapes.items()
    )
    return Markup('<details class="dictionary"><summary>{}</summary>{}</details>').format(
        _("What the columns of the data files mean"), blocks
    )
