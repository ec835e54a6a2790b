"""The typefaces that reports bring along."""

from __future__ import annotations

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager

from crm_analysis import fonts


def families(css: str) -> dict[tuple[str, int], TTFont]:
    rules = re.findall(r'font-family: "(.+?)"; font-weight: (\d+); src: url\(data:font/woff2;base64,(.+?)\)', css)
    return {(name, int(weight)): TTFont(io.BytesIO(base64.b64decode(data))) for name, weight, data in rules}


def letters(font: TTFont) -> set[str]:
    return {chr(one) for one in font.getBestCmap()}


def test_a_page_brings_the_chinese_that_it_shows_and_no_other():
    found = families(fonts.embed("Größe 客户", "en"))
    assert letters(found["Report CJK", 400]) == set("客户 ")


@pytest.mark.parametrize("weight", [400, 600])
def test_a_page_brings_the_usual_letters_and_the_others_that_it_shows(weight):
    usual, more = (letters(families(fonts.embed(text, "en"))["Report", weight]) for text in ("Größe 12", "Größe łŁ"))
    assert set("Größe 12 abc €–") < usual
    assert more - usual == set("łŁ")


def test_a_page_without_chinese_brings_no_chinese():
    assert {name for name, _ in families(fonts.embed("Größe", "en"))} == {"Report"}


@pytest.mark.parametrize(("language", "family"), [("en", "Report"), ("zh", "Report CJK")])
def test_quotation_marks_are_as_wide_as_the_language_has_them(language, family):
    found = families(fonts.embed("“客”", language))
    assert "“" in letters(found[family, 400])


def test_the_shapes_are_those_of_the_language():
    # 直 is drawn otherwise in Japan.
    def outline(language: str) -> bytes:
        return fonts.embed("直", language).rpartition("base64,")[2].encode()

    assert outline("zh") != outline("ja")


def test_the_same_text_gives_the_same_bytes():
    assert fonts.embed("客户 abc", "zh") == fonts.embed("cba 户客", "zh")


def test_letters_that_no_typeface_has_are_told():
    assert fonts.missing("Größe ✓ 客户 日本 한국 \n\u0e01") == {"\u0e01"}


def test_charts_draw_chinese_from_the_typefaces_that_come_along():
    names = fonts.register()
    assert {fonts.LATIN, fonts.CJK} <= set(names)
    assert "noto_cjk_sans_otc" in font_manager.findfont(fonts.CJK)
