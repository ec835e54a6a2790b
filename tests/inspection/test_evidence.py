"""What single columns tell: dates, numbers, encodings, layouts, names. Nothing is said to be certain that is wrong."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.inspection.dates import find_dates
from crm_analysis.inspection.encodings import find_encoding
from crm_analysis.inspection.layout import find_layout
from crm_analysis.inspection.months import find_months, month_of
from crm_analysis.inspection.numbers import find_marks, read_number
from crm_analysis.inspection.words import COLUMNS, IDENTITY, likeness
from crm_analysis.inspection.yaml_text import Draft
from crm_analysis.params import read_yaml
from crm_analysis.schema import CANONICAL
from crm_analysis.schema import IDENTITY as PERSONS

DATES = [
    "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y", "%Y%m%d", "%d %b %Y", "%b %d, %Y", "%d-%b-%y",
    "%Y年%m月%d日", "%B %d, %Y", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %I:%M %p",
]  # fmt: skip


@given(
    days=st.lists(st.dates(date(2001, 1, 1), date(2030, 12, 31)), min_size=1, max_size=20, unique=True),
    format=st.sampled_from(DATES),
)
def test_the_format_of_dates_is_found_or_left_open(days, format):
    found = find_dates([one.strftime(format) for one in days])
    assert found is not None
    assert format in [*found.formats, *(one.replace("%b", "%B") for one in found.formats)]
    first, second = "%d/%m", "%m/%d"
    if (
        format[:5] in (first, second)
        and all(one.day <= 12 for one in days)
        and any(one.day != one.month for one in days)
    ):
        assert len(found.formats) == 2


def test_the_value_that_proves_a_format_is_told():
    assert find_dates(["01/02/2024", "25/06/2024"]).why == "25/06/2024 can only be day first"
    assert "no value tells" in find_dates(["01/02/2024", "03/04/2024"]).why
    assert find_dates(["x", "y"]) is None
    mixed = find_dates([f"{day:02}/01/2024" for day in range(13, 29)] + [f"2024-01-{day:02}" for day in range(1, 15)])
    assert "two formats" in mixed.why
    # Years of two digits stand where there are few different ones.
    days = [date(2023, 1, 1) + timedelta(days=number) for number in range(300)]
    assert find_dates([one.strftime("%d/%m/%y") for one in days]).formats == ("%d/%m/%y",)


MARKS = [(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (",", "\u00a0"), (".", "'")]


@given(
    amounts=st.lists(st.decimals(0, 10_000_000, places=2), min_size=1, max_size=30),
    marks=st.sampled_from(MARKS),
    sign=st.sampled_from(["{}", "€ {}", "{}€", "-{}", "${}"]),
)
def test_numbers_are_read_by_marks_that_are_proven(amounts, marks, sign):
    decimal, thousands = marks
    written = [sign.format(f"{one:,.2f}".translate(str.maketrans({".": decimal, ",": thousands}))) for one in amounts]
    found = find_marks([("x", written)])
    assert found.decimal == decimal
    for text, amount in zip(written, amounts, strict=True):
        assert read_number(text, found) == float(-amount if sign == "-{}" else amount)


@pytest.mark.parametrize(
    ("values", "decimal", "thousands"),
    [
        (["1,234", "12"], None, None),
        (["1.234", "999"], None, None),
        (["1,234", "1,234,567"], ".", ","),
        (["1.234", "2.50"], ".", ""),
        (["1,234", "2.50"], ".", ","),
        (["0,125", "1,250"], ",", ""),
        (["1,250", "1250"], ",", ""),
        (["1", "2"], ".", ""),
    ],
)
def test_a_mark_that_may_be_either_is_left_open(values, decimal, thousands):
    assert find_marks([("x", values)])[:2] == (decimal, thousands)


TEXTS = {
    "gb18030": "订单号,客户,商品\n1,王小明,红色的衣服和鞋子\n2,李华,好看的帽子\n",
    "big5": "訂單編號,客戶,商品\n1,王小明,紅色的衣服和鞋子\n2,李華,好看的帽子\n",
    "cp932": "注文番号,顧客,商品\n1,鈴木さん,赤いシャツ\n2,田中,カップとソーサー\n",
    "euc_jp": "注文番号,顧客,商品\n1,鈴木さん,赤いシャツ\n2,田中,カップとソーサー\n",
    "cp1252": "Stück,Straße,Größe\n1,Königsallee,süß\n2,Café “Été”,“très” cher – 5 €\n",
    "cp1254": "Sipariş,Müşteri,Ürün\n1,Gülşah Işık,yeşil çanta\n2,Doğan,İğne\n",
    "cp1250": "číslo,zákazník,zboží\n1,Dvořák,žlutý kůň\n2,Němec,přehoz\n",
    "cp1251": "номер,клиент,товар\n1,Иванов,красная рубашка\n2,Петров,шляпа\n",
    "mac_roman": "Stück,Straße,Größe\n1,Königsallee,süß\n2,Hôtel,très élégant\n",
    "cp850": "Stück,Straße,Größe\n1,Königsallee,süß\n2,Hôtel,très élégant\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_encodings_are_told_from_a_few_lines(name):
    found = find_encoding([TEXTS[name].encode(name)])
    assert (found.name, found.others) == (name, ())
    assert find_encoding([TEXTS[name].encode("utf-8")]).name == "utf-8"
    assert find_encoding([TEXTS[name].encode("utf-16-be")]).name == "utf-16-be"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", (",", "double", 0, True)),
        ("id;amount;other\n1;2,50;3,50\n2;3,50;4,50\n", (";", "double", 0, True)),
        ("sep=;\nid;amount\n1;2\n", (";", "double", 1, True)),
        ("Sales report\n\nid,amount,day\n1,2,2024-01-01\n2,3,2024-01-02\n", (",", "double", 2, True)),
        ("Report,,\nMade,2024-01-05,\nid,amount,day\n1,2,2024-01-01\n", (",", "double", 2, True)),
        ("1,2,2024-01-01\n2,3,2024-01-02\n", (",", "double", 0, False)),
        ("'a','b'\n'1,0','x'\n'2','y'\n", (",", "single", 0, True)),
        ('id,size\n1,5" pipe\n2,6" pipe\n3,7 inch\n4,5\n', (",", "double", 0, True)),
        ("a|b|c\n1|x, y|2\n2|z, y|3\n", ("|", "double", 0, True)),
        (" 0001 19970101 2\n 0002 19970102 1\n", ("whitespace", "double", 0, False)),
        ("id\n1\n2\n", (",", "double", 0, True)),
        ("name,2024-01,2024-02,2024-03\nx,1,2,3\ny,4,5,6\n", (",", "double", 0, True)),
    ],
)
def test_layouts(text, expected):
    assert find_layout(text)[:4] == expected


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("2024-01", (2024, 1)), ("01/2024", (2024, 1)), ("Jan 2024", (2024, 1)), ("Jan-24", (2024, 1)), ("2024年12月", (2024, 12)),
        ("202403", (2024, 3)), ("März 2024", (2024, 3)), ("août", (None, 8)), ("Ocak 2024", (2024, 1)), ("3月", (None, 3)),
        ("2024-01-01 00:00:00", (2024, 1)), ("2024-01-15", None), ("Marketing", None), ("2024", None), ("Total", None),
    ],
)  # fmt: skip
def test_names_of_months(name, month):
    assert month_of(name) == month


def test_two_months_make_no_wide_table():
    assert find_months(["id", "2024-01", "2024-02"], None) is None
    assert find_months(["id", "2024-01", "2024-02", "2024-03"], None).pattern


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("Rechnungsdatum", "payments", "invoiced_date"), ("Fälligkeitsdatum", "payments", "due_date"),
        ("Date d'échéance", "payments", "due_date"), ("支払期限", "payments", "due_date"), ("Vade Tarihi", "payments", "due_date"),
        ("合同编号", "contracts", "contract_id"), ("Vertragsbeginn", "contracts", "started_date"), ("解約理由", "contracts", "end_reason"),
        ("Kündigungsgrund", "contracts", "end_reason"), ("Fecha de alta", "customers", "signed_up_date"),
        ("注册时间", "customers", "signed_up_date"), ("Nom du produit", "products", "product_name"), ("商品名称", "products", "product_name"),
        ("Maliyet", "products", "unit_cost"), ("Bewertung", "feedback", "rating"), ("评论内容", "feedback", "feedback_text"),
        ("商機階段", "opportunities", "stage"), ("Campaña", "campaign_contacts", "campaign_id"), ("Ｏｒｄｅｒ　Ｎｏ", "orders", "order_id"),
        ("工单编号", "interactions", "interaction_id"), ("Valor líquido", "orders", "order_amount"), ("purchaseDate", "orders", "ordered_at"),
    ],
)  # fmt: skip
def test_names_in_eight_languages(name, table, column):
    scores = {one: likeness(name, meanings) for one, meanings in COLUMNS[table].items()}
    assert max(scores, key=scores.get) == column
    assert scores[column] >= 0.5


@pytest.mark.parametrize(
    "name", ["Ship Date", "Due Date", "Geburtsdatum", "Lieferdatum", "country", "Discount", "MwSt", "note"]
)
def test_names_that_are_like_something_and_are_not(name):
    for column in ("order_id", "ordered_at", "line_amount", "customer_id", "unit_price"):
        assert likeness(name, COLUMNS["order_lines"][column]) < 0.4


def test_the_words_speak_of_all_canonical_columns_and_no_others():
    # Teams, rates and sums of whole orders a person writes into the contract.
    assert set(COLUMNS) == set(CANONICAL) - {"salespeople", "rates"}
    left = {
        "opportunities": {"is_won", "is_lost"}, "orders": {"refunded_amount"},
        "order_lines": {"whole_order_amount", "refunded_amount"},
    }  # fmt: skip
    for table, columns in COLUMNS.items():
        derived = left.get(table, set())
        assert set(columns) == set(CANONICAL[table].columns) - derived
    assert set(IDENTITY) == set(PERSONS.columns) - {"customer_id"}


@given(key=st.text(min_size=1), value=st.text(), comment=st.text())
def test_entries_come_back_from_yaml_as_they_are(tmp_path_factory, key, value, comment):
    draft = Draft()
    draft.add(0, "head")
    draft.add(1, key, value, comment)
    draft.add(1, key + "?", [value, {key: value}], comment)
    draft.note(1, comment)
    path = tmp_path_factory.getbasetemp() / "draft.yml"
    path.write_text(str(draft), encoding="utf-8")
    found = read_yaml(path)["head"]
    assert found == {key: value, key + "?": [value, {key: value}]}
