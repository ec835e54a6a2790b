"""The front pages: the course of the figures, and the months of a source."""

from __future__ import annotations

import base64
import csv
import json
from xml.etree import ElementTree

import pandas as pd
import pytest

from crm_analysis.report import elements, front
from crm_analysis.schema import KeyFigure


def drawn(html) -> list[tuple[float, float]]:
    svg = ElementTree.fromstring(base64.b64decode(html.partition("base64,")[2].partition('"')[0]))
    line = next(one for one in svg if one.tag.endswith("polyline"))
    return [tuple(map(float, one.split(","))) for one in line.get("points").split()]


def test_a_sparkline_rises_and_falls_with_its_numbers():
    points = drawn(elements.sparkline([1, 3, None, 2], "words"))
    (x1, y1), (x2, y2), (x4, y4) = points
    assert y2 < y4 < y1 and (y1 - y4) == pytest.approx(y4 - y2)
    # The place of the number that is not known stays free.
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=0.2)


@pytest.mark.parametrize("numbers", [[], [1], [None, 2, float("nan")]])
def test_a_course_of_one_number_is_not_drawn(numbers):
    assert elements.sparkline(numbers, "words") == ""


def test_a_level_course_is_drawn():
    assert len({y for _, y in drawn(elements.sparkline([5, 5, 5], "words"))}) == 1


def test_the_course_in_words_holds_its_main_numbers():
    figure = KeyFigure(name="orders", value=7)
    months, numbers = pd.Series(["2026-08", "2026-09", "2026-10"]), pd.Series([5, 1, 7])
    assert front.tell_course(figure, months, numbers, "EUR") == (
        "orders: from 5 (August 2026) to 7 (October 2026); lowest 1 (September 2026), highest 7 (October 2026)"
    )


def test_the_figures_of_the_month_stand_in_a_file(sample, page):
    with (sample.bundle / front.MONTHS_FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [one["month"] for one in rows][-1] == "2026-10" and len(rows) == 13
    top = page("index.html")
    values = {one.all("dt")[0].text: one.all("strong")[0].text for one in top.all("section")[0].all("dl")[0].all("div")}
    assert values["orders"] == f"{int(rows[-1]['n_orders']):,}"
    assert values["new customers"] == f"{int(rows[-1]['n_new_customers']):,}"


def test_the_page_of_a_source_leads_to_its_months(sample, parse):
    top = parse((sample.reports / "index.html").read_text(encoding="utf-8"))
    assert [one["href"] for one in top.all("tbody")[0].all("a")] == ["2026-10/index.html"]
    manifest = sample.manifest()
    for _, text in manifest["figures"]:
        assert text in top.text
    assert manifest["headline"] in top.text


def test_the_latest_month_comes_first(tmp_path):
    for month in ("2026-09", "2026-10"):
        (tmp_path / month).mkdir()
        told = {"month": month, "reports": {"rfm": {"reason": ""}, "ltv": {"reason": "too few"}}, "notes": []}
        (tmp_path / month / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / ".2026-11.building").mkdir()
    months = front.list_months(tmp_path)
    assert [(one["month"], one["reports"]) for one in months] == [("October 2026", "1"), ("September 2026", "1")]
