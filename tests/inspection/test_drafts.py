"""Files of many makes → a draft, what a person decides → a customer database with all the money."""

from __future__ import annotations

import csv
import gzip
import io
import re
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
import xlsxwriter
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from crm_analysis import __main__ as command
from crm_analysis.errors import InputError, ParameterError
from crm_analysis.inspection.drafting import propose
from crm_analysis.params import read_yaml
from crm_analysis.sources.contract import DECIDE

ENGLISH = ["Order No", "Customer ID", "Order Date", "SKU", "Quantity", "Unit Price", "Amount"]
CHINESE = ["订单号", "客户编号", "下单时间", "商品编号", "数量", "单价", "金额"]
JAPANESE = ["注文番号", "顧客コード", "注文日", "商品コード", "数量", "単価", "金額"]
GERMAN = ["Bestellnummer", "Kundennr.", "Bestelldatum", "Artikelnummer", "Menge", "Einzelpreis", "Gesamtbetrag"]
FRENCH = ["N° de commande", "Code client", "Date de commande", "Réf. article", "Quantité", "Prix unitaire", "Montant"]
SPANISH = [
    "Nº pedido",
    "Código de cliente",
    "Fecha del pedido",
    "Cód. artículo",
    "Cantidad",
    "Precio unitario",
    "Importe",
]
PORTUGUESE = [
    "Nº do pedido",
    "Código do cliente",
    "Data do pedido",
    "Código do produto",
    "Quantidade",
    "Preço",
    "Valor total",
]
TURKISH = ["Sipariş No", "Müşteri Kodu", "Sipariş Tarihi", "Ürün Kodu", "Miktar", "Birim Fiyatı", "Tutar"]
TRADITIONAL = ["訂單編號", "客戶編號", "訂單日期", "商品編號", "數量", "單價", "金額"]
ROLES = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price", "line_amount"]


def lines(n=400, seed=1, largest_day=28):
    """Order lines: order, customer, moment, product, quantity, price, amount."""
    random, found = Random(seed), []
    for number in range(n):
        order = number // 2
        month, day = 1 + order * 24 // n, 1 + order * 31 % largest_day
        moment = datetime.fromisoformat(f"2023-{month:02}-{day:02} 10:{order % 60:02}")
        quantity, price = random.randint(1, 9), Decimal(random.randint(100, 250_000)) / 100
        customer = f"K{order * 7919 % 61:04}"
        found.append(
            (f"A{10_000 + order}", customer, moment, f"P{random.randrange(40):03}", quantity, price, quantity * price)
        )
    return found


def total(rows):
    return sum((row[-1] for row in rows), Decimal(0))


def cells(rows, date="%Y-%m-%d %H:%M:%S", decimal=".", thousands=""):
    """The lines as text."""
    marks = str.maketrans({".": decimal, ",": thousands})
    return [
        [*row[:2], row[2].strftime(date), row[3], str(row[4]), *(f"{one:,.2f}".translate(marks) for one in row[5:])]
        for row in rows
    ]


def text(header, rows, delimiter=",", above="", below=""):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows([header, *rows] if header else rows)
    return above + out.getvalue() + below


def workbook(sheets):
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                for column, cell in enumerate(row):
                    sheet.write(place, column, float(cell) if isinstance(cell, Decimal) else cell)
    return content.getvalue()


@pytest.fixture
def drafted(make_source):
    """``drafted({file: content}, currency="EUR", …)``: the source of the files' draft, its marks decided so."""

    def draft(files, **decided):
        source = make_source("", files)
        source.draft = propose([source.root / name for name in files], "Test", source.root)
        source.contract.write_text(source.draft, encoding="utf-8")
        source.entries = read_yaml(source.contract)
        written = source.draft
        for key, value in {"currency": "EUR", "time_zone": "UTC", **decided}.items():
            written = re.sub(rf"(?m)^(\s*{key}:) {DECIDE}\b", lambda match, value=value: f"{match[1]} {value}", written)
        source.contract.write_text(written, encoding="utf-8")
        return source

    return draft


def prove_money(source, rows):
    """The database holds every line and all the money."""
    built = source.build()
    assert {fate for fate, _ in built.fates()} <= {"used", "excluded", "blank"}
    assert built.fates()["used", None] == len(rows)
    assert sum(row["line_amount"] for row in built.rows("order_lines")) == total(rows)


@pytest.mark.parametrize(
    ("header", "encoding", "delimiter", "written", "format"),
    [
        (CHINESE, "gb18030", ",", {"date": "%Y/%m/%d %H:%M"}, {"encoding": "gb18030", "datetime": "%Y/%m/%d %H:%M"}),
        (CHINESE, "utf-8-sig", "\t", {"date": "%Y年%m月%d日"}, {"delimiter": "tab", "datetime": "%Y年%m月%d日"}),
        (TRADITIONAL, "big5", ",", {"thousands": ","}, {"encoding": "big5", "thousands": ","}),
        (JAPANESE, "cp932", ",", {"date": "%Y/%m/%d"}, {"encoding": "cp932", "datetime": "%Y/%m/%d"}),
        (JAPANESE, "utf-16", "\t", {}, {"encoding": "utf-16-le", "delimiter": "tab"}),
        (
            GERMAN, "cp1252", ";", {"date": "%d.%m.%Y", "decimal": ",", "thousands": "."},
            {"delimiter": ";", "datetime": "%d.%m.%Y", "decimal": ",", "thousands": "."},
        ),
        (
            FRENCH, "cp1252", ";", {"date": "%d/%m/%Y %H:%M", "decimal": ",", "thousands": "\u00a0"},
            {"encoding": "cp1252", "datetime": "%d/%m/%Y %H:%M", "decimal": ",", "thousands": "\u00a0"},
        ),
        (SPANISH, "utf-8", ";", {"date": "%d-%m-%Y", "decimal": ","}, {"datetime": "%d-%m-%Y", "decimal": ","}),
        (PORTUGUESE, "mac_roman", ";", {"date": "%d/%m/%y", "decimal": ","}, {"encoding": "mac_roman", "datetime": "%d/%m/%y"}),
        (TURKISH, "cp1254", ";", {"date": "%d.%m.%Y", "decimal": ","}, {"encoding": "cp1254", "datetime": "%d.%m.%Y"}),
        (ENGLISH, "utf-8", "|", {"date": "%b %d, %Y"}, {"delimiter": "|", "datetime": "%b %d, %Y"}),
        (ENGLISH, "utf-8", ",", {"date": "%m/%d/%Y %I:%M %p"}, {"datetime": "%m/%d/%Y %I:%M %p"}),
    ],
)  # fmt: skip
def test_orders_of_many_countries(drafted, header, encoding, delimiter, written, format):
    rows = lines()
    source = drafted({"export.csv": text(header, cells(rows, **written), delimiter).encode(encoding)})
    table = source.entries["tables"]["order_lines"]
    assert table["columns"] == dict(zip(ROLES, header, strict=True))
    assert table["format"] | format == table["format"]
    prove_money(source, rows)


@pytest.mark.parametrize(
    ("header", "name"), [(JAPANESE, "受注.xlsx"), (GERMAN, "Aufträge.xlsx"), (ENGLISH, "orders.xlsx")]
)
def test_a_workbook_with_titles_above_and_totals_below(drafted, header, name):
    rows = lines(300)
    top = [["Report 2023"], [], header]
    last = ["Total" if header is ENGLISH else "合計", "", "", "", "", "", total(rows)]
    source = drafted({name: workbook({"S": [*top, *rows, last]})})
    table = source.entries["tables"]["order_lines"]
    assert table["columns"] == dict(zip(ROLES, header, strict=True))
    assert table["format"]["skip_rows"] == "2"
    prove_money(source, rows)


def test_titles_and_totals_in_text(drafted):
    rows = lines()
    above = "Export of the shop\r\nMade by the till;2024-01-02\r\n\r\n"
    below = "Summe;;;;;;9.999,00\r\n"
    found = text(GERMAN, cells(rows, "%d.%m.%Y", ",", "."), ";", above, below).encode("cp1252")
    source = drafted({"export.csv": found})
    table = source.entries["tables"]["order_lines"]
    assert table["format"]["skip_rows"] == "3"
    assert table["exclude"] == [{"column": "Bestellnummer", "values": ["Summe"], "reason": "total"}]
    prove_money(source, rows)


def test_days_up_to_the_twelfth_decide_nothing(drafted, refused):
    rows = lines(largest_day=11)
    for row in rows:
        assert row[2].day <= 12
    source = drafted({"orders.csv": text(ENGLISH, cells(rows, "%d/%m/%Y"))})
    assert source.entries["tables"]["order_lines"]["format"]["datetime"] == DECIDE
    assert re.search(r"datetime: DECIDE  # %d/%m/%Y or %m/%d/%Y\?", source.draft)
    with refused(ParameterError, "E-PAR-5") as caught:
        source.build()
    assert caught.value.column == "tables.order_lines.format.datetime"
    source.contract.write_text(
        source.contract.read_text("utf-8").replace(f"datetime: {DECIDE}", "datetime: '%d/%m/%Y'")
    )
    prove_money(source, rows)


def test_one_late_day_at_the_end_of_a_big_file_decides(drafted):
    rows = lines(25_000, largest_day=11)
    rows[24_999] = (*rows[24_999][:2], datetime.fromisoformat("2023-06-25"), *rows[24_999][3:])
    found = text(ENGLISH, cells(rows, "%m/%d/%Y"))
    assert len(found) > 1 << 20
    for name, content in (("orders.csv", found.encode()), ("orders.csv.gz", gzip.compress(found.encode()))):
        source = drafted({name: content})
        assert source.entries["tables"]["order_lines"]["format"]["datetime"] == "%m/%d/%Y"
        assert "06/25/2023 can only be month first" in source.draft


def test_a_file_without_header_is_read_by_what_its_columns_hold(drafted):
    rows = lines()
    source = drafted({"a.csv": text(None, cells(rows))})
    table = source.entries["tables"]["order_lines"]
    assert table["format"]["header"] == "false"
    assert {name: table["columns"][name] for name in ("order_id", "customer_id", "ordered_at", "quantity", "line_amount")} == {
        "order_id": "1", "customer_id": "2", "ordered_at": "3", "quantity": "5", "line_amount": "7",
    }  # fmt: skip
    prove_money(source, rows)


def test_names_that_stand_twice_go_by_their_place(drafted):
    rows = lines()
    header = [*ENGLISH, "Note", "Note"]
    source = drafted({"a.csv": text(header, [[*row, "x", "y"] for row in cells(rows)], above="Title\r\n")})
    assert source.entries["tables"]["order_lines"]["columns"]["line_amount"] == "7"
    prove_money(source, rows)


def test_files_of_one_table_are_named_by_a_pattern(drafted):
    years = {f"orders_{year}.csv": lines(200, year) for year in (2022, 2023, 2024)}
    rows = [(f"{row[0]}-{name}", *row[1:]) for name, some in years.items() for row in some]
    source = drafted({name: text(ENGLISH, cells([row for row in rows if name in row[0]])) for name in years})
    assert source.entries["tables"]["order_lines"]["files"] == "orders_*.csv"
    prove_money(source, rows)
    source.write("orders_old.csv", "something else\n1\n")
    again = propose([source.root / name for name in years], "Test", source.root)
    assert yaml.safe_load(again)["tables"]["order_lines"]["files"] == list(years)


def test_a_sheet_for_each_month_is_stacked(drafted):
    rows = lines(1200)
    sheets = {f"2023-{month:02}": [ENGLISH, *(row for row in rows if row[2].month == month)] for month in range(1, 13)}
    source = drafted({"year.xlsx": workbook(sheets)})
    table = source.entries["tables"]["order_lines"]
    assert table["format"] == {"sheet": "*"}
    prove_money(source, rows)
    assert len({row["file"] for row in source.rows("ledger")}) == sum(len(one) > 1 for one in sheets.values())


def test_sheets_of_shops_beside_another_are_named_and_tell_the_shop(drafted):
    rows = lines(200)
    sheets = {
        "Berlin": [GERMAN, *rows[:100]],
        "Hamburg": [GERMAN, *rows[100:]],
        "Hinweise": [["Stand"], ["gestern"], ["x"]],
    }
    source = drafted({"filialen.xlsx": workbook(sheets)})
    assert source.entries["tables"]["order_lines"]["format"] == {"sheet": ["Berlin", "Hamburg"], "sheet_to": "sheet"}
    prove_money(source, rows)
    assert {row["region"] for row in source.rows("order_lines")} == {"Berlin", "Hamburg"}


MONTHS = {
    "2024-{:02}": range(1, 13),
    "{:02}/2024": range(1, 13),
    "2024年{}月": range(1, 13),
    "{} 2024": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(),
    "{}  2024": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "{}.": "janv févr mars avr mai juin juil août sept oct nov déc".split(),
}


@pytest.mark.parametrize("pattern", MONTHS)
def test_a_column_for_each_month_is_melted(drafted, pattern):
    names = [pattern.format(one) for one in MONTHS[pattern]]
    random = Random(3)
    wide = [
        [f"K{number:03}", *(random.choice(["", f"{random.randrange(1, 90_000) / 100:.2f}"]) for _ in names)]
        for number in range(80)
    ]
    money = sum(Decimal(cell) for row in wide for cell in row[1:] if cell)
    body = [[*row, sum(Decimal(cell or 0) for cell in row[1:])] for row in wide]
    source = drafted({"umsatz_2024.csv": text(["Kundennummer", *names, "Total"], body)})
    built = source.build()
    orders = built.rows("orders")
    assert sum(row["gross_amount"] for row in orders) == money
    assert len({row["ordered_month"] for row in orders}) == 12
    assert {row["ordered_month"] for row in orders} == {f"2024-{month:02}" for month in range(1, 13)}
    assert sum(built.fates().values()) == 80 * 12
    first = next(row for row in wide if row[1])
    assert [
        row["gross_amount"] for row in orders if (row["customer_id"], row["ordered_month"]) == (first[0], "2024-01")
    ] == [Decimal(first[1])]


def test_months_without_a_year_anywhere_are_a_question(drafted):
    source = drafted({"wide.csv": "Customer,Jan,Feb,Mar\n" + "".join(f"c{one},1.50,2.50,3.50\n" for one in range(20))})
    assert source.entries["tables"]["orders"]["format"]["melt"]["columns"]["Feb"] == f"{DECIDE}-02"


def test_returns_free_lines_and_ids_that_became_decimals(drafted):
    rows = lines(600)
    body = cells(rows)
    for place in range(0, 600, 20):
        body[place][0] = "R" + body[place][0]
        body[place][4] = f"-{body[place][4]}"
        body[place][6] = f"-{body[place][6]}"
    for row in body:
        row[1] = f"{int(row[1][1:])}.0"
    source = drafted({"orders.csv": text(ENGLISH, body)})
    table = source.entries["tables"]["order_lines"]
    assert table["returns"] == {"order_id_prefix": "R"}
    assert table["columns"]["customer_id"] == {"column": "Customer ID", "strip_suffix": ".0"}
    built = source.build()
    assert sum(row["kind"] == "return" for row in built.rows("order_lines")) == 30
    marked = drafted(
        {
            "o.csv": text(
                [*ENGLISH, "Type"],
                [[*row, "Refund" if number % 9 == 0 else "Sale"] for number, row in enumerate(cells(rows))],
            )
        }
    )
    assert marked.entries["tables"]["order_lines"]["returns"] == {"column": "Type", "values": ["Refund"]}
    for row in body:
        row[0] = row[0].removeprefix("R")
    assert drafted({"o.csv": text(ENGLISH, body)}).entries["tables"]["order_lines"]["negatives"] == "return"


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        ("€ {}", "EUR"),
        ("£{}", "GBP"),
        ("{} TL", "TRY"),
        ("R$ {}", "BRL"),
        ("{}元", "CNY"),
        ("¥{}", DECIDE),
        ("${}", DECIDE),
    ],
)
def test_the_currency_by_its_sign(drafted, sign, expected):
    body = [[*row[:5], sign.format(row[5]), sign.format(row[6])] for row in cells(lines())]
    source = drafted({"orders.csv": text(ENGLISH, body)})
    assert source.entries["currency"] == expected
    assert source.entries["tables"]["order_lines"]["columns"]["line_amount"] == "Amount"
    if sign.startswith("¥"):
        assert "CNY or JPY? the amounts show ¥" in source.draft


def test_a_day_and_a_time_of_day_beside_it_are_one_moment(drafted):
    rows = lines()
    body = [[row[0], row[2][:10], row[2][11:], row[1], *row[3:]] for row in cells(rows, "%d/%m/%Y %H:%M", ",")]
    header = ["N° ticket", "Date", "Heure", "Code client", "Désignation", "Qté", "P.U. TTC", "Montant TTC"]
    source = drafted({"caisse.csv": text(header, body, ";").encode("cp1252")})
    table = source.entries["tables"]["order_lines"]
    assert table["columns"]["ordered_at"] == {"columns": ["Date", "Heure"]}
    assert table["format"]["datetime"] == "%d/%m/%Y %H:%M"
    prove_money(source, rows)
    assert {row["ordered_at"].hour for row in source.rows("order_lines")} == {10}


def test_tables_of_other_things_in_other_languages(drafted):
    def day(number, format="%d.%m.%Y"):
        return (datetime.fromisoformat("2023-01-01 08:30") + timedelta(days=number)).strftime(format)

    found = {
        "tickets.csv": text(
            ["Ticketnummer", "Kunde", "Eröffnet am", "Gelöst am", "Kanal", "Thema", "Bearbeiter"],
            [[f"T{n}", f"K{n % 30}", day(n), day(n + 3), "Telefon", ["Lieferung", "Rechnung"][n % 2], "Ada"] for n in range(90)],
            ";",
        ),
        "faturas.csv": text(
            ["Número da fatura", "Cliente", "Data da fatura", "Data de vencimento", "Data de pagamento", "Valor"],
            [[f"F{n}", f"C{n % 30}", day(n), day(n + 30), day(n + 20) if n % 4 else "", f"{n + 1}.234,50"] for n in range(90)],
            ";",
        ),
        "sozlesmeler.csv": text(
            ["Sözleşme No", "Müşteri No", "Başlangıç Tarihi", "Bitiş Tarihi", "Aylık Ücret", "Paket"],
            [[f"S{n}", f"M{n}", day(n), day(n + 99) if n % 3 else "", "9,90", "SML"[n % 3]] for n in range(90)],
            ";",
        ),
        "評論.csv": text(
            ["評論編號", "客戶編號", "商品編號", "日期", "評分", "內容"],
            [[f"R{n}", f"K{n % 30}", f"P{n % 9}", day(n, "%Y/%m/%d"), n % 5 + 1, f"這個商品非常好，下次還會再買{n}"] for n in range(90)],
        ).encode("big5"),
        "deals.csv": text(
            ["商談ID", "会社名", "商談フェーズ", "作成日", "見込金額", "営業担当者"],
            [[f"S{n}", f"会社{n % 30}", ["提案", "受注", "失注"][n % 3], day(n, "%Y/%m/%d"), n * 1000, "佐藤"] for n in range(90)],
        ).encode("cp932"),
    }  # fmt: skip
    tables = drafted(found).entries["tables"]
    needed = {name: set(table["columns"]) for name, table in tables.items()}
    assert needed == {
        "interactions": {"interaction_id", "customer_id", "opened_at", "resolved_at", "channel", "topic", "employee"},
        "payments": {"invoice_id", "customer_id", "invoiced_date", "due_date", "paid_date", "invoice_amount"},
        "contracts": {"contract_id", "customer_id", "started_date", "ended_date", "monthly_amount"},
        "feedback": {"feedback_id", "customer_id", "product_id", "given_at", "rating", "feedback_text"},
        "opportunities": {
            "opportunity_id", "customer_id", "stage", "is_won", "is_lost", "opened_date", "opportunity_amount", "salesperson",
        },
    }  # fmt: skip
    assert tables["opportunities"]["columns"]["is_won"]["yes"] == ["受注"]
    assert tables["contracts"]["attributes"] == {"paket": "Paket"}


def test_orders_without_a_number_of_the_customer_are_a_question(drafted):
    header = ["order-id", "purchase-date", "buyer-email", "sku", "quantity-purchased", "item-price"]
    body = [[row[0], row[2], f"{row[1]}@example.com", *row[3:6]] for row in cells(lines(), "%Y-%m-%dT%H:%M:%S+00:00")]
    source = drafted({"amazon.txt": text(header, body, "\t")})
    assert source.entries["tables"]["order_lines"]["columns"]["customer_id"] == DECIDE
    assert "buyer-email tells people apart" in source.draft
    assert source.entries["time_zone"] == "UTC"


def test_offsets_tell_the_time_zone(drafted):
    body = cells(lines(), "%Y-%m-%dT%H:%M:%S+08:00")
    source = drafted({"orders.csv": text(CHINESE, body)})
    assert source.entries["time_zone"] == "Asia/Shanghai"
    assert source.entries["tables"]["order_lines"]["format"]["datetime"] == "%Y-%m-%dT%H:%M:%S%z"


def test_a_draft_without_questions_runs_as_it_is(make_source):
    body = [[*row[:5], row[5], row[6]] for row in cells(lines(), "%Y-%m-%dT%H:%M:%S+09:00")]
    header = [*JAPANESE[:5], "単価(円)", "金額(円)"]
    source = make_source("", {"params/run.yml": "source: shop\n", "o.csv": text(header, body)})
    source.contract.write_text(propose([source.root / "o.csv"], "Test", source.root), encoding="utf-8")
    assert DECIDE not in source.contract.read_text("utf-8")
    prove_money(source, lines())


def test_customers_with_their_personal_data_put_aside(drafted):
    header = ["客户编号", "姓名", "手机号", "邮箱", "出生日期", "地址", "注册日期", "会员等级", "性别", "备注x"]
    body = [
        [f"K{n:04}", f"张三{n}", f"138{n:08}", f"a{n}@example.com", f"19{60 + n % 40}-01-05", f"人民路{n}号",
         (datetime.fromisoformat("2020-01-01") + timedelta(days=n)).strftime("%Y-%m-%d"), "金银铜"[n % 3], "男女"[n % 2], f"f{n}"]
        for n in range(200)
    ]  # fmt: skip
    source = drafted({"客户.csv": text(header, body).encode("gb18030"), "orders.csv": text(ENGLISH, cells(lines()))})
    table = source.entries["tables"]["customers"]
    assert table["columns"] == {"customer_id": "客户编号", "signed_up_date": "注册日期"}
    assert table["attributes"] == {"level": "会员等级", "gender": "性别"}
    (line,) = [one for one in source.draft.splitlines() if "# identity:" in one]
    identity = yaml.safe_load(line.partition("# ")[2])["identity"]["columns"]
    assert identity == {
        "customer_name": "姓名", "email": "邮箱", "phone": "手机号", "street": "地址", "birth_date": "出生日期",
    }  # fmt: skip
    assert "备注x" in source.draft
    # Of the people nothing is told.
    assert not any(value in source.draft for row in body[:50] for value in row[1:6])
    source.build()
    assert len(source.rows("customers")) == 200


def test_what_is_like_no_table_is_told(drafted):
    source = drafted({"orders.csv": text(ENGLISH, cells(lines())), "w.csv": "a,b\n1,2\n3,4\n"})
    assert "# not used: w.csv: like no table; columns a, b" in source.draft
    alone = drafted({"w.csv": "a,b\n1,2\n3,4\n"})
    assert alone.entries["tables"] == DECIDE


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def project_of(make_source, monkeypatch):
    def make(files):
        source = make_source("", {"params/run.yml": "source: shop\n", **files})
        source.contract.unlink()
        monkeypatch.chdir(source.root)
        return source

    return make


def test_the_command_writes_a_contract_and_never_over_one(project_of, capsys):
    source = project_of({"in/my orders.csv": text(ENGLISH, cells(lines()))})
    assert command.main(["inspect", "in/my orders.csv", "NAME=shop"]) == 0
    told = capsys.readouterr()
    assert told.out == ("params/sources/shop.yml: decide what 2 marks DECIDE ask, then run make reports SOURCE=shop\n")
    written = source.contract.read_bytes()
    assert b"files: in/my orders.csv" in written
    assert command.main(["inspect", "in/my orders.csv", "NAME=shop"]) == 2
    assert source.contract.read_bytes() == written
    assert capsys.readouterr().err.startswith("E-PAR-3 file=")
    assert command.main(["inspect", "in/my orders.csv"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["tables"]["order_lines"]
    assert command.main(["sql"]) == 2
    assert re.fullmatch(r"E-PAR-5 file=\S+shop.yml column=currency rows=\d+ fix=.+\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["NAME=shop"], "E-PAR-2", 2),
        (["a.csv", "NAME=../x"], "E-PAR-3", 2),
        (["missing.csv"], "E-FILE-1", 3),
        (["empty.csv"], "E-FILE-1", 3),
        (["broken.xlsx"], "E-FILE-5", 3),
        (["broken.csv.gz"], "E-FILE-4", 3),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(project_of, capsys, arguments, code, exit_code):
    project_of(
        {
            "a.csv": "x,y\n1,2\n",
            "empty.csv": "\n\n",
            "broken.xlsx": b"PK\x03\x04rubbish",
            "broken.csv.gz": b"\x1f\x8b\x08rubbish",
        }
    )
    assert command.main(["inspect", *arguments]) == exit_code
    assert re.fullmatch(rf"{code} file=.+ rows=\S+ fix=.+\n", capsys.readouterr().err)


def test_names_that_yaml_would_misread_come_back_as_they_are(drafted):
    names = ["Order: No", "Customer #", "Date, of order", '"SKU"', "{Quantity}", "- Unit price", "Amount [€]"]
    rows = lines()
    source = drafted({"o'brien #1: [x].csv": text(names, cells(rows))})
    assert list(source.entries["tables"]["order_lines"]["columns"].values()) == names
    prove_money(source, rows)


def test_a_workbook_that_cannot_be_opened(make_source, refused):
    source = make_source("", {"a.xlsx": b"PK\x03\x04"})
    with refused(InputError, "E-FILE-5"):
        propose([source.root / "a.xlsx"], "x", source.root)


@given(st.binary(max_size=300) | st.text(alphabet=" ,;\t\n\r\"'|=#:12Aa日€-/.", max_size=200).map(str.encode))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf")
@example(b"a,b\n")
def test_any_bytes_become_a_draft_that_yaml_reads_or_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.csv").write_bytes(content)
    try:
        draft = propose([folder / "any.csv"], "x", folder)
    except InputError as error:
        assert error.code in ("E-FILE-1", "E-FILE-4", "E-FILE-5")
    else:
        (folder / "any.yml").write_text(draft, encoding="utf-8")
        assert read_yaml(folder / "any.yml")["company"] == "x"
