"""One spelling for many: the spellings that a province, a country, a firm, a number and an address come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.cleaning import standards
from crm_analysis.cleaning.spellings import fold, regions, split_form, tidy
from crm_analysis.errors import ParameterError

GUANGDONG = [
    "广东",
    "广东省",
    "Guangdong",
    "GUANGDONG PROVINCE",
    "Guangdong Sheng",
    "GD",
    "ＧＤ",
    "CN-GD",
    "粤",
    "廣東省",
]


@pytest.mark.parametrize(
    ("country", "standard", "spellings"),
    [
        ("CN", "广东", GUANGDONG),
        ("CN", "内蒙古", ["内蒙古自治区", "内蒙古", "Inner Mongolia", "Nei Mongol", "NM", "蒙"]),
        ("CN", "上海", ["上海市", "上海", "Shanghai", "SHANGHAI SHI", "SH", "沪"]),
        ("CN", "广西", ["广西壮族自治区", "Guangxi", "桂"]),
        ("CN", "陕西", ["陕西省", "Shaanxi", "陕"]),
        ("CN", "山西", ["山西省", "Shanxi", "晋"]),
        ("CN", "香港", ["香港特别行政区", "Hong Kong", "HK"]),
        ("JP", "東京", ["東京都", "東京", "Tokyo", "Tōkyō", "JP-13", "tokyo-to"]),
        ("JP", "大阪", ["大阪府", "Osaka", "大阪"]),
        ("JP", "北海道", ["北海道", "Hokkaido"]),
        ("JP", "宮城", ["宮城県", "Miyagi", "Miyagi-ken"]),
        ("DE", "Bayern", ["bayern", "BY", "DE-BY", "Bavaria"]),
        ("DE", "Baden-Württemberg", ["Baden-Wuerttemberg", "BADEN WÜRTTEMBERG", "BW"]),
        ("US", "California", ["CA", "ca", "california"]),
    ],
)
def test_a_province_has_one_name(country, standard, spellings):
    assert {standards.standard_region(one, country) for one in spellings} == {standard}


def test_every_chinese_province_is_found_by_its_short_name_its_sign_and_its_code():
    codes, names = regions("CN")
    assert len(set(names.values())) == len(names) == 34
    assert all(codes[fold(name)] == code for code, name in names.items())


def test_a_place_elsewhere_is_none_of_the_country():
    assert standards.standard_region("Bayern", "CN") is None
    assert standards.standard_region("Atlantis", "DE") is None
    assert standards.standard_region("Bayern", "") is None


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("DE", ["Germany", "Deutschland", "德国", "ドイツ", "Allemagne", "de", "DEU"]),
        ("CN", ["China", "中国", "PRC", "P.R. China", "中华人民共和国", "CHN"]),
        ("US", ["USA", "U.S.A.", "United States", "美国"]),
        ("GB", ["UK", "United Kingdom", "England", "Great Britain"]),
        ("JP", ["日本", "Japan"]),
        (None, ["Atlantis", "??"]),
    ],
)
def test_a_country_has_one_code(code, spellings):
    assert {standards.standard_country(one, "") for one in spellings} == {code}


@pytest.mark.parametrize(
    ("written", "country", "standard"),
    [
        ("030 1234567", "DE", "+49301234567"),
        ("+49 (0)30 123 45 67", "CN", "+49301234567"),
        ("0049/30/1234567", "DE", "+49301234567"),
        ("０３０　１２３４５６７", "DE", "+49301234567"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("03-1234-5678", "JP", "+81312345678"),
        ("(202) 555-0143", "US", "+12025550143"),
        ("12", "DE", None),
        ("n/a", "DE", None),
        ("4.9301E+11", "DE", None),
        ("030 1234567", "", None),
    ],
)
def test_a_telephone_number_has_one_spelling_or_is_none(written, country, standard):
    assert standards.standard_phone(written, country) == standard


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("A.Person@Example.COM", "A.Person@example.com"),
        ("ａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "a@example.com"),
        ("mailto:a@example.com", "a@example.com"),
        ("<a@example.com>;", "a@example.com"),
        ("王@例子.中国", "王@例子.中国"),
        ("a@example", None),
        ("a..b@example.com", None),
        ("a b@example.com", None),
        ("a@example.com, b@example.com", None),
        ("a@-example.com", None),
        ("no address", None),
        ("a" * 65 + "@example.com", None),
    ],
)
def test_an_address_has_one_spelling_or_is_none(written, standard):
    assert standards.standard_email(written, "") == standard


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("Müller G.m.b.H.", "Müller GmbH"),
        ("Müller GMBH", "Müller GmbH"),
        ("Acme Limited", "Acme Ltd"),
        ("Acme Co., Ltd.", "Acme Co., Ltd"),
        ("Meier GmbH & Co. KG", "Meier GmbH & Co. KG"),
        ("Obra S. A.", "Obra S.A."),
        ("海港 有限公司", "海港有限公司"),
        ("海港股份有限公司", "海港股份有限公司"),
        ("（株）松", "松株式会社"),
        ("株式会社松", "松株式会社"),
        ("松㈱", "松株式会社"),
        ("GmbH", "GmbH"),
        ("Visa", "Visa"),
    ],
)
def test_a_company_has_one_legal_form(written, standard):
    assert standards.standard_company(written, "") == standard


def test_a_name_is_compared_without_accents_width_and_order_of_signs():
    assert fold("  Ｊosé-María  O’Neil ") == "jose maria o neil"
    assert fold("が") == "が" and fold("한글") == "한글" and fold("й") == "й"
    assert fold(" . ") is None
    assert split_form("ACME LTD")[0] == "ACME"


@given(st.text(max_size=40), st.sampled_from(sorted(standards.STANDARDS)))
def test_the_standard_of_a_standard_is_itself(text, kind):
    once = standards.STANDARDS[kind](text, "DE")
    assert once is None or standards.STANDARDS[kind](once, "DE") == once


@given(st.text(max_size=40))
def test_no_control_character_and_no_needless_blank_stays(text):
    assert tidy(tidy(text)) == tidy(text) == " ".join(tidy(text).split())


# --- in a source -----------------------------------------------------------------------------------------------------

CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
country: DE
covers_until: 2024-12-31
tables:
  customers:
    files: "customers*.csv"
    columns: {customer_id: id}
    attributes:
      region: {column: land, standard: region}
      country: {column: staat, standard: country}
      phone: {column: tel, standard: phone}
"""
FILE = """id,land,staat,tel
1,BY,,030 1234567
2,广东省,中国,138 0013 8000
3,Bavaria,Germany,12
4,nowhere,Atlantis,
"""


@pytest.fixture(scope="module")
def built(make_source):
    return make_source(CONTRACT, {"customers.csv": FILE, "customers2.csv": "id,land,staat,tel\n5,xx,DE,1\n"}).build()


def test_attributes_are_spelled_in_one_way_by_their_country(built):
    rows = {row["customer_id"]: row for row in built.rows("customers")}
    assert [rows[one]["region"] for one in "12345"] == ["Bayern", "广东", "Bayern", "nowhere", "xx"]
    assert [rows[one]["country"] for one in "12345"] == [None, "CN", "DE", "Atlantis", "DE"]
    assert [rows[one]["phone"] for one in "12345"] == ["+49301234567", "+8613800138000", "12", None, "1"]


def test_what_was_changed_and_what_is_not_valid_is_counted(built):
    repaired = {row["column"]: row["n_repaired"] for row in built.rows("completeness")}
    assert (repaired["region"], repaired["country"], repaired["phone"]) == (3, 2, 2)
    told = {(row["file"], row["column"]): (row["code"], row["n_rows"], row["lines"]) for row in built.rows("warnings")}
    assert told == {
        ("customers.csv", "region"): ("E-STD-1", 1, "5 (1 row)"),
        ("customers.csv", "country"): ("E-STD-1", 1, "5 (1 row)"),
        ("customers.csv", "phone"): ("E-STD-1", 1, "4 (1 row)"),
        ("customers2.csv", "region"): ("E-STD-1", 1, "2 (1 row)"),
        ("customers2.csv", "phone"): ("E-STD-1", 1, "2 (1 row)"),
    }


def test_each_distinct_value_is_standardised_once(make_source, monkeypatch):
    seen = []
    standard = standards.STANDARDS["phone"]
    monkeypatch.setitem(standards.STANDARDS, "phone", lambda *one: seen.append(one) or standard(*one))
    rows = "".join(f"{number},,,030 1234567\n" for number in range(100))
    make_source(CONTRACT, {"customers.csv": "id,land,staat,tel\n" + rows}).build()
    assert seen == [("030 1234567", "DE")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("country: DE\n", "country: Germany\n"),
        ("standard: region", "standard: province"),
        ("columns: {customer_id: id}", "columns: {customer_id: {column: id, standard: name}}"),
    ],
)
def test_a_wrong_standard_is_refused(make_source, old, new):
    assert old in CONTRACT
    with pytest.raises(ParameterError):
        make_source(CONTRACT.replace(old, new), {"customers.csv": FILE}).build()


def test_a_telephone_needs_a_country(make_source, refused):
    contract = CONTRACT.replace("country: DE\n", "").replace("      country: {column: staat, standard: country}\n", "")
    with refused(ParameterError, "E-PAR-3"):
        make_source(contract, {"customers.csv": FILE}).build()
