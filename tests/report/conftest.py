"""The months of the whole sample company, and their pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from projects import Element, Root, parse_html

from crm_analysis.report.render import pdf_problem


@pytest.fixture(scope="session")
def sample(published, missing) -> Root:
    """The month of the sample company as ``make reports`` publishes it. Only to be looked at."""
    if pdf_problem():
        missing(pdf_problem())
    return published("sample")


@pytest.fixture(scope="session")
def chinese(published, missing) -> Root:
    """The same month in Chinese. Only to be looked at."""
    if pdf_problem():
        missing(pdf_problem())
    return published("chinese")


@pytest.fixture(scope="session")
def page(sample) -> Callable[[str], Element]:
    """``page("rfm.html")``: that page of the sample company's month, as elements."""
    return lambda name: parse_html((sample.bundle / name).read_text(encoding="utf-8"))
