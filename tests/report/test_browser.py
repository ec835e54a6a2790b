"""The published pages in a real browser: quiet, alone, and no wider than the screen."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TOO_WIDE = """() => {
  const page = document.scrollingElement;
  return page.scrollWidth > page.clientWidth ? [page.scrollWidth, page.clientWidth] : null;
}"""
# Text over its own ground, or that of the first one around it that has one: relative luminance as WCAG 2 has it.
FAINT = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((one) => one / 255)
      .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = new Set();
  for (const node of document.body.querySelectorAll('*')) {
    if (![...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(`${node.tagName}.${node.className}`);
  }
  return [...faint];
}"""


@pytest.fixture(scope="module")
def browser(missing):
    if not shutil.which(CHROMIUM):
        missing("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")], ids=str)
def visits(request, browser, sample):
    """Each page of the month as it is on such a screen: what it said, asked for, and looks like."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    found = {}
    for path in sorted(sample.bundle.glob("*.html")):
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda one, said=said: said.append(one.text))
        page.on("pageerror", lambda one, said=said: said.append(str(one)))
        page.on("dialog", lambda one, said=said: (said.append(one.message), one.dismiss()))
        page.on("request", lambda one, asked=asked: asked.append(one.url))
        page.goto(path.as_uri(), wait_until="load")
        found[path.name] = {
            "said": said,
            "asked": [one for one in asked if one != path.as_uri() and not one.startswith("data:")],
            "too wide": page.evaluate(TOO_WIDE),
            "faint": page.evaluate(FAINT),
            "undrawn": page.evaluate("[...document.images].filter((one) => !one.naturalWidth).map((one) => one.alt)"),
            "ground": page.evaluate("getComputedStyle(document.body).backgroundColor"),
        }
        page.close()
    context.close()
    assert len(found) >= 4
    return scheme, found


def told(visits, what: str) -> dict:
    return {name: visit[what] for name, visit in visits[1].items() if visit[what]}


def test_the_console_stays_silent(visits):
    assert told(visits, "said") == {}


def test_nothing_is_asked_for_but_the_page_itself(visits):
    assert told(visits, "asked") == {}


def test_the_page_does_not_scroll_sideways(visits):
    assert told(visits, "too wide") == {}


def test_every_picture_is_drawn(visits):
    assert told(visits, "undrawn") == {}


def test_text_stands_out_from_its_ground(visits):
    assert told(visits, "faint") == {}


def test_light_and_dark_differ(visits):
    scheme, found = visits
    (ground,) = {visit["ground"] for visit in found.values()}
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
