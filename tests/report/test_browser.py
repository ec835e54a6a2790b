"""The published pages in a real browser: quiet, alone, and no wider than the screen."""

from __future__ import annotations

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
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


# Words that lie on other words: of the lines of text that are seen, those whose boxes meet.
OVERLAPPING = """() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.trim() || !node.parentElement.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width > 1 && box.right > 0) boxes.push([box, node.data.trim().slice(0, 40)]);
  }
  boxes.sort((a, b) => a[0].top - b[0].top);
  const found = [];
  boxes.forEach(([a, words], at) => {
    for (const [b, others] of boxes.slice(at + 1)) {
      if (b.top > a.bottom) break;
      const height = Math.min(a.bottom, b.bottom) - b.top, width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (height > 0.35 * Math.min(a.height, b.height) && width > 2) found.push(`${words} | ${others}`);
    }
  });
  return found.slice(0, 5);
}"""
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module", params=["sample", "chinese"])
def month(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=SCREENS, ids=str)
def visits(request, browser, month):
    """Each page of the month, and that of all months, as it is on such a screen: what it said, asked for, and looks like. What
    the page's own policy would stop is let through, so that it is seen."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    found = {}
    for path in [*sorted(month.bundle.glob("*.html")), month.reports / "index.html"]:
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda one, said=said: said.append(one.text))
        page.on("pageerror", lambda one, said=said: said.append(str(one)))
        page.on("dialog", lambda one, said=said: (said.append(one.message), one.dismiss()))
        page.on("request", lambda one, asked=asked: asked.append(one.url))
        page.goto(path.as_uri(), wait_until="load")
        found[path.relative_to(month.reports).as_posix()] = {
            "said": list(said),
            "asked": [one for one in asked if one != path.as_uri() and not one.startswith("data:")],
            "too wide": page.evaluate(TOO_WIDE),
            "faint": page.evaluate(FAINT),
            "overlapping": page.evaluate(OVERLAPPING),
            "undrawn": page.evaluate("[...document.images].filter((one) => !one.naturalWidth).map((one) => one.alt)"),
            "ground": page.evaluate("getComputedStyle(document.body).backgroundColor"),
            "barriers": [
                (one["id"], one["nodes"][0]["html"][:200])
                for one in Axe().run(page).response["violations"]
                if one["impact"] in SERIOUS
            ],
        }
        page.close()
    context.close()
    assert len(found) >= 8
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


def test_no_words_lie_on_others(visits):
    assert told(visits, "overlapping") == {}


def test_nobody_is_shut_out(visits):
    """No serious violation of the accessibility rules of axe-core."""
    assert told(visits, "barriers") == {}


def test_light_and_dark_differ(visits):
    scheme, found = visits
    (ground,) = {visit["ground"] for visit in found.values()}
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
