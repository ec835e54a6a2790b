"""The published PDF, opened and read."""

from __future__ import annotations

import io
import re

import pypdf
import pytest
from fontTools.ttLib import TTFont

from crm_analysis import methods
from crm_analysis.report import render

METHODS = methods.names()
every_report = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module", params=["sample", "chinese"])
def month(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(month, parse):
    return lambda name: parse((month.bundle / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pdf(month):
    """``pdf("rfm")``: the report's PDF, read once."""
    read = {}

    def get(method: str) -> pypdf.PdfReader:
        if method not in read:
            read[method] = pypdf.PdfReader(month.bundle / f"{method}.pdf", strict=True)
        return read[method]

    return get


@pytest.fixture(scope="module")
def texts(pdf):
    """``texts("rfm")``: the text of each page, without blanks: Chinese has none, and a line's end looks like one."""
    read = {}

    def get(method: str) -> list[str]:
        if method not in read:
            read[method] = [bare(one.extract_text()) for one in pdf(method).pages]
        return read[method]

    return get


def bare(text: str) -> str:
    return "".join(text.split())


def outline(reader: pypdf.PdfReader) -> list[str]:
    def flat(entries):
        for one in entries:
            yield from flat(one) if isinstance(one, list) else [one.title]

    return list(flat(reader.outline))


def fonts_of(reader: pypdf.PdfReader) -> dict[str, dict]:
    found = {}
    for one in reader.pages:
        for font in one["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            found[font["/BaseFont"]] = font
    return found


def boxes(reader: pypdf.PdfReader) -> list[str]:
    """The characters that are drawn with a font that has none of that name: boxes in the place of missing ones."""
    found = []
    for font in fonts_of(reader).values():
        text = font["/ToUnicode"].get_object().get_data().decode("ascii").partition("endcodespacerange")[2]
        codes = re.findall(r"(?m)^<[0-9A-Fa-f]+> *<([0-9A-Fa-f]+)>", text)
        drawn = {one for code in codes if len(one := bytes.fromhex(code).decode("utf-16-be")) == 1}
        (descendant,) = font["/DescendantFonts"]
        descriptor = descendant.get_object()["/FontDescriptor"].get_object()
        file = descriptor["/FontFile2" if "/FontFile2" in descriptor else "/FontFile3"].get_object()
        known = {chr(one) for one in TTFont(io.BytesIO(file.get_data())).getBestCmap()}
        assert drawn & known
        found += sorted(drawn - known)
    return found


@every_report
def test_it_has_the_title_and_the_language_of_its_page(month, pdf, page, method):
    reader = pdf(method)
    assert reader.metadata.title == page(f"{method}.html").all("title")[0].text
    assert reader.root_object["/Lang"] == month.manifest()["language"]


@every_report
def test_it_is_tagged_so_that_it_can_be_read_aloud(pdf, method):
    root = pdf(method).root_object
    assert root["/MarkInfo"]["/Marked"].value is True
    kinds = set()

    def walk(node) -> None:
        node = node.get_object()
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            kinds.update([node["/S"]] if "/S" in node else [])
            if "/K" in node:
                walk(node["/K"])

    walk(root["/StructTreeRoot"])
    assert {"/H1", "/H2", "/P", "/Table", "/TR", "/TH", "/TD", "/Figure"} <= kinds


@every_report
def test_every_heading_has_a_bookmark_in_its_order(pdf, page, method):
    headings = [one.text for one in page(f"{method}.html").all("h1", "h2")]
    found = outline(pdf(method))
    assert [one for one in found if one in headings] == headings


@every_report
def test_its_pages_are_numbered(texts, method):
    pages = texts(method)
    assert 2 <= len(pages) <= 40
    for number, text in enumerate(pages, 1):
        assert f"{number}/{len(pages)}" in text


@every_report
def test_every_page_but_the_first_is_headed_by_source_and_title(texts, page, method):
    top = page(f"{method}.html")
    (source,) = [one.text for one in top.all("p") if one["class"] == "source"]
    title = top.all("h1")[0].text
    assert source.startswith("Harbour & Pine ")
    for text in texts(method)[1:]:
        assert bare(source) in text
        assert bare(title) in text


@every_report
def test_the_contents_name_the_page_of_each_section(pdf, texts, page, method):
    # Below a full first screen the contents begin a page of their own.
    (nav,) = page(f"{method}.html").all("nav")
    contents = " ".join(one.extract_text() for one in pdf(method).pages[:2]).partition(nav.all("h2")[0].text)[2]
    for one in nav.all("a"):
        letters = r"\s*".join(map(re.escape, bare(one.text)))
        found = re.search(rf"{letters}[\s.]*\.\s*(\d+)", contents)
        assert found, one.text
        assert bare(one.text) in texts(method)[int(found[1]) - 1]


@every_report
def test_every_finding_and_key_figure_is_in_it(month, texts, method):
    summary = month.summary(method)
    text = "".join(texts(method))
    assert [one for one in summary["findings"] if bare(one) not in text] == []
    assert [one["text"] for one in summary["key_figures"] if bare(one["text"]) not in text] == []


@every_report
def test_every_caption_and_every_row_of_a_table_is_in_it(texts, page, method):
    text = "".join(texts(method))
    top = page(f"{method}.html")
    assert [one.text for one in top.all("caption", "figcaption") if bare(one.text) not in text] == []
    numbers = [cell.text for table in top.all("table") for cell in table.all("td") if cell["class"] == "number"]
    assert numbers
    assert [one for one in numbers if bare(one) not in text] == []


@every_report
def test_its_fonts_are_within(pdf, method):
    fonts = fonts_of(pdf(method))
    assert fonts
    for font in fonts.values():
        (descendant,) = font["/DescendantFonts"]
        descriptor = descendant.get_object()["/FontDescriptor"].get_object()
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor), font["/BaseFont"]
        assert "/ToUnicode" in font


@every_report
def test_no_character_is_a_box(pdf, texts, method):
    assert boxes(pdf(method)) == []
    assert "\ufffd" not in "".join(texts(method))


@every_report
def test_it_runs_nothing_and_points_to_nothing_outside_the_bundle(month, pdf, method):
    reader = pdf(method)
    assert set(reader.root_object) & {"/OpenAction", "/AA", "/AcroForm"} == set()
    assert "/EmbeddedFiles" not in reader.root_object.get("/Names", {})
    notes = [one.get_object() for page in reader.pages for one in page.get("/Annots", [])]
    actions = [one["/A"] for one in notes if "/A" in one]
    assert {str(one["/S"]) for one in actions} <= {"/GoTo", "/URI"}
    addresses = {str(one["/URI"]) for one in actions if "/URI" in one}
    assert [one for one in addresses if ":" in one or not (month.bundle / one).is_file()] == []


def test_nothing_is_fetched_into_it(tmp_path):
    """A picture of another file or machine is left out."""
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>secret words</text></svg>', encoding="utf-8")
    html = f'<html lang="en"><title>t</title><h1>Words</h1><img alt="a picture" src="{secret.as_uri()}">'
    render.write_pdf(html, tmp_path / "out.pdf")
    text = pypdf.PdfReader(tmp_path / "out.pdf").pages[0].extract_text()
    assert "Words" in text
    assert "secret" not in text


@pytest.fixture
def boxed(tmp_path):
    """The PDF of a page with a character that no font has."""
    path = tmp_path / "out.pdf"
    render.write_pdf("<html lang='en'><title>t</title><h1>Words \U0010fffd</h1>", path)
    return path


def test_a_box_would_be_found(boxed):
    assert boxes(pypdf.PdfReader(boxed)) == ["\U0010fffd"]
