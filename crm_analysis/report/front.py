"""The front pages: the parts of a month's, and the months of a source."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from crm_analysis import language, pulse
from crm_analysis.language import _, counted
from crm_analysis.report import elements
from crm_analysis.report.actions import Listed
from crm_analysis.report.page import PICTURE
from crm_analysis.schema import KeyFigure, Shape

# So many of a report's findings stand on the front page.
FINDINGS = 3

MONTHS_FILE = "data/index/months.csv"


def show_pulse(frame: pd.DataFrame, shape: Shape, currency: str) -> Markup:
    """The month's figures with their course over the months, and the table of it; nothing without figures."""
    figures = pulse.key_figures(frame)
    if not figures:
        return Markup("")
    lines = [
        elements.sparkline(frame[column], tell_course(one, frame["month"], frame[column], currency))
        for one, column in zip(figures, frame.columns[1:], strict=True)
    ]
    caption = language.counted(len(frame), "The figures of the last {n} month", "The figures of the last {n} months")
    table = elements.table(frame, shape, list(frame.columns), caption, currency, MONTHS_FILE)
    link = Markup('<p class="cut"><a href="{0}">{0}</a></p>').format(MONTHS_FILE)
    folded = Markup("<details><summary>{}</summary>{}{}</details>").format(caption, table, link)
    return elements.cards(figures, currency, lines) + folded


def tell_course(figure: KeyFigure, months: pd.Series, numbers: pd.Series, currency: str) -> str:
    """The course of a figure in words: where it began, where it stands, and its lowest and highest month."""
    known = [(number, month) for number, month in zip(numbers, months, strict=True) if not elements.is_missing(number)]
    if not known:
        return ""

    def say(pair: tuple[object, str]) -> str:
        shown = elements.show_key_figure(KeyFigure(name="", value=pair[0], unit=figure.unit), currency)
        return f"{shown} ({language.month(pair[1])})"

    text = _("{name}: from {first} to {last}; lowest {low}, highest {high}")
    return text.format(
        name=figure.name, first=say(known[0]), last=say(known[-1]), low=say(min(known)), high=say(max(known))
    )


def show_report(summary: dict, bundle: Path, currency: str) -> dict:
    """What the front page shows of a report, from its summary."""
    name = summary["name"]
    figures = [KeyFigure(**{key: one[key] for key in KeyFigure.__dataclass_fields__}) for one in summary["key_figures"]]
    folder = bundle / "data" / name
    picture = summary["picture"] and elements.Picture((folder / PICTURE).read_bytes(), **summary["picture"])
    return {
        **summary,
        "findings": elements.findings(summary["findings"][:FINDINGS]),
        "cards": elements.cards(figures, currency),
        "picture": picture and elements.image(picture),
        "files": [f"data/{name}/{one.name}" for one in sorted(folder.glob("*.csv"))],
        "files_title": _("The numbers behind it (CSV)"),
    }


def tell_merged(listed: Listed) -> str:
    """What the list of all reports holds."""
    text = counted(
        listed.n_rows, "The reports give advice on {n} customer, merged by priority.",
        "The reports give advice on {n} customers, merged by priority.",
    )  # fmt: skip
    disagree = counted(
        listed.n_disagree, "They disagree about {n} of them.", "They disagree about {n} of them; the list marks these."
    )
    return language.together(text, disagree)


def list_months(folder: Path) -> list[dict]:
    """The months of a source that are published, the latest first, as their manifests tell of them."""
    told = []
    for path in sorted(folder.glob("[0-9]*/manifest.json"), reverse=True):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        made = [name for name, one in manifest["reports"].items() if not one["reason"]]
        told.append(
            {
                "link": f"{path.parent.name}/index.html",
                "month": language.month(manifest["month"]),
                "figures": manifest.get("figures", []),
                "headline": manifest.get("headline", ""),
                "notes": manifest["notes"],
                "reports": language.integer(len(made)),
            }
        )
    return told
