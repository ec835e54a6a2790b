"""The pieces of a page as HTML. Everything that comes from data is escaped here, once, by markupsafe's types."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import matplotlib.pyplot as plt
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes

from crm_analysis import charts, language
from crm_analysis.language import _, counted
from crm_analysis.schema import PRIORITIES, Card, Column, KeyFigure, Shape

NUMBERS = ("money", "quantity", "integer", "fraction", "estimate", "figure")
MAX_ROWS = 40
# More rows may be parted between pages; more columns are set in small letters there.
LONG, WIDE = 20, 8
# Letters up to which a word is never broken, and from which a cell is a sentence.
SHORT_TEXT, LONG_TEXT = 5, 24
# Where a caption's number goes: tables and figures are counted in the order of the finished page.
NUMBER = "<!--number of {}-->"
# A sign, perhaps a currency, and digits; what stands for an escaped sign is none of these.
_SIGNED = re.compile(r"[+−±][^\s\d&;<>]{0,4}\d[\d.,]*")


def is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value


def show_value(name: str, column: Column, value: object, currency: str) -> str:
    """A value as a reader expects it, by the column's type and, of fractions, its name; a change of a share in points."""
    if is_missing(value):
        return "–"
    if column.type == "money":
        return language.amount(value, currency)
    if column.type == "integer":
        return language.integer(value)
    if name.endswith("_change"):
        return language.signed(round(100 * value, 1), language.decimal)
    if column.type in ("fraction", "quantity"):
        return language.percent(value) if name.endswith(("_share", "_rate", "_prob")) else language.plain(value)
    if column.type == "estimate":
        return language.decimal(value, 3)
    if column.type == "flag":
        return _("yes") if value else _("no")
    return _(str(value)) if column.type == "label" else language.own(str(value), column.own)


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
        text = _("The first {n} of {all} rows; all of them are in the file")
        cut = Markup('<p class="cut">{} <a href="{}">{}</a></p>').format(
            text.format(n=MAX_ROWS, all=language.integer(len(frame))), more, more
        )
    return Markup(
        '<div class="table{}" tabindex="0" role="region" aria-label="{}"><table><caption>'
        + NUMBER.format("table")
        + "{}</caption>"
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}"
    ).format(
        (" long" if len(frame) > LONG else "") + (" wide" if len(columns) > WIDE else ""),
        caption,
        caption,
        heads,
        rows,
        cut,
    )


def _first(columns: Sequence[str]) -> list[tuple[bool, str]]:
    return [(place == 0, name) for place, name in enumerate(columns)]


def _class(column: Column) -> Markup:
    if column.type == "date":
        return Markup(' class="day"')
    return Markup(' class="number"') if column.type in NUMBERS else Markup("")


def _cell(name: str, column: Column, value: object, currency: str, is_first: bool) -> Markup:
    text = show_value(name, column, value, currency)
    if is_first:
        return Markup('<th scope="row"{}>{}</th>').format(_class(column) or _term_class(column), text)
    if name.endswith("_share") and not is_missing(value):
        width = min(max(float(value), 0.0), 1.0)
        return Markup('<td class="number share" style="--share:{}%">{}</td>').format(f"{100 * width:.1f}", text)
    return Markup("<td{}>{}</td>").format(_class(column) or _term_class(column, text) or _text_class(text), text)


def _term_class(column: Column, text: str = "") -> Markup:
    """Words of ours are broken only where they cannot fit in any other way."""
    return Markup(' class="term"') if column.type == "label" and len(text) <= LONG_TEXT else Markup("")


def _text_class(text: str) -> Markup:
    """Sentences need room on a narrow screen, and names, dates and codes are not to be broken."""
    if len(text) > LONG_TEXT:
        return Markup(' class="words"')
    return Markup(' class="name"') if len(text) > SHORT_TEXT and " " not in text else Markup("")


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, its width and height in pixels of a screen, and what it shows in words."""

    svg: bytes
    size: tuple[int, int]
    alt: str


def draw(ax: Axes, caption: str) -> Picture:
    """A chart as a picture; it is closed then."""
    drawing = ax.figure
    svg = charts.to_svg(drawing)
    width, height = (round(96 * inches) for inches in drawing.get_size_inches())
    plt.close(drawing)
    return Picture(svg, (width, height), f"{caption} {drawing.get_label()}".strip())


def figure(picture: Picture, caption: str) -> Markup:
    """A picture with its caption."""
    return Markup('<figure tabindex="0">{}<figcaption>' + NUMBER.format("figure") + "{}</figcaption></figure>").format(
        image(picture), caption
    )


def image(picture: Picture) -> Markup:
    return Markup('<img src="data:image/svg+xml;base64,{}" width="{}" height="{}" alt="{}">').format(
        base64.b64encode(picture.svg).decode(), *picture.size, picture.alt
    )


def show_key_figure(one: KeyFigure, currency: str) -> str:
    return "–" if is_missing(one.value) else language.measured(one.value, one.unit, currency)


def show_change(one: KeyFigure, earlier: object) -> str:
    """The change on an earlier value; '' where unknown."""
    return "" if is_missing(earlier) or is_missing(one.value) else language.changed(one.value, earlier, one.unit)


def cards(figures: Sequence[KeyFigure], currency: str, lines: Sequence[Markup] = ()) -> Markup:
    """Key figures with their change on last month and last year, in words and arrows; ``lines``: a picture for each."""

    def line(one: KeyFigure, earlier: object, words: str) -> Markup:
        change = show_change(one, earlier)
        arrow = {"+": "▲", "−": "▼"}.get(change[:1], "●")
        return Markup('<span class="change">{} {} {}</span>').format(arrow, change, words) if change else Markup("")

    return Markup('<dl class="cards">{}</dl>').format(
        Markup("").join(
            Markup("<div><dt>{}</dt><dd>{}{}{}{}</dd></div>").format(
                one.name,
                Markup("<strong>{}</strong>").format(show_key_figure(one, currency)),
                line(one, one.previous, _("on last month")),
                line(one, one.last_year, _("on last year")),
                drawing,
            )
            for one, drawing in zip_longest(figures, lines, fillvalue="")
        )
    )


def definitions(figures: Sequence[KeyFigure]) -> Markup:
    """What the key figures count, folded away; nothing where none says it."""
    told = [one for one in figures if one.meaning]
    if not told:
        return Markup("")
    return Markup('<details class="definitions"><summary>{}</summary><dl>{}</dl></details>').format(
        _("How these figures are defined"),
        Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(one.name, one.meaning) for one in told),
    )


LINE_SIZE = (160, 36)


def sparkline(numbers: Sequence[object], alt: str) -> Markup:
    """The course of a figure as a small line that ends in a dot; nothing where there are fewer than two numbers."""
    known = [(place, float(one)) for place, one in enumerate(numbers) if not is_missing(one)]
    if len(known) < 2:
        return Markup("")
    width, height = LINE_SIZE
    low, high = min(one for _, one in known), max(one for _, one in known)
    points = [
        (4 + (width - 8) * place / (len(numbers) - 1), 4 + (height - 8) * (high - one) / ((high - low) or 1))
        for place, one in known
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        "<style>*{stroke:#1f5f8b}circle{fill:#b4531f;stroke:none}"
        "@media(prefers-color-scheme:dark){*{stroke:#8fc1e3}circle{fill:#f0a878}}</style>"
        f'<polyline points="{path}" fill="none" stroke-width="1.8" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"/></svg>'
    )
    return image(Picture(svg.encode(), LINE_SIZE, alt))


def findings(sentences: Sequence[str]) -> Markup:
    return Markup('<ul class="findings">{}</ul>').format(
        Markup("").join(Markup("<li>{}</li>").format(sentence(one)) for one in sentences)
    )


def sentence(text: str) -> Markup:
    """A text in which no line ends between the sign of a number and its digits."""
    return Markup(_SIGNED.sub(r'<span class="whole">\g<0></span>', str(escape(text))))


def action_list(listed: dict, links: Sequence[str]) -> Markup:
    """What an action list holds (actions.Listed as a dictionary), and its files."""
    told = [
        counted(
            listed["n_rows"], "{n} customer is on the list.", "{n} customers are on the list, the most urgent first."
        )
    ]
    if listed["listed"] < listed["n_rows"]:
        told.append(_("The workbook holds the first {listed}.").format(listed=language.integer(listed["listed"])))
    if listed["held_back"]:
        told.append(
            counted(
                listed["held_back"],
                "{n} row is not in the CSV but in a file of its own, for a spreadsheet could take it for a formula.",
                "{n} rows are not in the CSV but in a file of their own, for a spreadsheet could take them for formulas.",
            )
        )
    by_priority = [
        (f"{one} – {_(PRIORITIES[int(one)])}", language.integer(n)) for one, n in listed["by_priority"].items()
    ]
    files = Markup(" · ").join(Markup('<a href="{0}">{0}</a>').format(one) for one in links)
    return Markup('<p class="actions">{} {}</p>{}').format(language.together(*told), files, facts(by_priority))


def facts(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names and values, two by two."""
    return Markup('<dl class="facts">{}</dl>').format(
        Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in pairs)
    )


def sheet(card: Card, currency: str, is_first: bool) -> Markup:
    """A card: on paper a page of its own; the first stands below the section's heading."""
    blocks = Markup("").join(
        Markup("<div><h4>{}</h4>{}</div>").format(title, facts(pairs)) for title, pairs in card.facts.items() if pairs
    )
    return Markup('<div class="sheet{}"><h3>{}</h3><p>{}</p>{}{}<div class="lists">{}</div></div>').format(
        " first" if is_first else "", card.title, card.lead, cards(card.figures, currency),
        figure(draw(card.chart, card.caption), card.caption), blocks,
    )  # fmt: skip


def dictionary(shapes: dict[str, Shape]) -> Markup:
    """The data dictionary of the tables shown, folded away."""
    blocks = Markup("").join(
        Markup("<h3>{}</h3><p>{}</p><dl>{}</dl>").format(
            name,
            _(shape.grain),
            Markup("").join(
                Markup("<dt><code>{}</code></dt><dd>{}</dd>").format(column, _(one.detail or one.meaning))
                for column, one in shape.columns.items()
            ),
        )
        for name, shape in shapes.items()
    )
    return Markup('<details class="dictionary"><summary>{}</summary>{}</details>').format(
        _("What the columns of the data files mean"), blocks
    )
