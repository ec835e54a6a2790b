"""Customers that are one: found, explained, merged without rewriting anything, and decided by a person."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from crm_analysis import engine, language, warehouse
from crm_analysis.__main__ import main
from crm_analysis.cleaning import duplicates, merging, review
from crm_analysis.errors import InputError, ParameterError

CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
country: DE
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}
  customers:
    files: customers.csv
    format: {date: "%d.%m.%Y"}
    columns: {customer_id: id, signed_up_date: since}
    identity:
      columns: {customer_name: name, email: mail, phone: tel, postcode: plz, birth_date: born}
"""
ORDERS = "order,customer,day,pieces,price\n" + "".join(
    f"A{number},{number % 4 + 1},2024-05-{number + 1:02},1,{number + 1}.00\n" for number in range(8)
)
# 1 and 2 are one (2 registered first), and so are 3 and 4; 5 has only the name of 1, and 6 only the telephone of 3.
CUSTOMERS = """id,since,name,mail,tel,plz,born
1,01.02.2024,Anna Müller,ANNA@Example.com,030 1234567,10115,1.4.1980
2,01.01.2024,"MUELLER, ANNA",anna@example.com,,10115,
3,01.03.2024,Jörg Weiß,,+49 30 7654321,80331,31.02.1970
4,,Weiss Jorg,,030/7654321,80331,
5,01.05.2024,Anna Müller,other@example.com,,,
6,01.06.2024,Ute Weiß,not an address,030 7654321,80331,
"""


@pytest.fixture
def shop(make_source):
    """A source of six customers, not built yet; more customers or another contract may be written first."""
    return make_source(CONTRACT, {"orders.csv": ORDERS, "customers.csv": CUSTOMERS, "params/run.yml": "source: shop\n"})


def decide(shop, *lines: str) -> None:
    shop.write("params/merges/shop.csv", "customer_id,other_customer_id,same\n" + "".join(f"{one}\n" for one in lines))


def merges(shop) -> dict[str, str]:
    return {row["customer_id"]: row["kept_customer_id"] for row in shop.rows("merges")}


def told(shop) -> dict[tuple, int]:
    return {
        (row["code"], row["column"]): row["n_rows"] for row in shop.rows("warnings") if row["table"] == "identities"
    }


# --- too few to learn from -------------------------------------------------------------------------------------------


def test_of_few_customers_only_those_are_one_that_agree_in_a_name_and_more(shop):
    shop.build()
    # Mueller is not Müller to a strict rule, but Weiss is Weiß.
    assert merges(shop) == {"4": "3"}
    (pair,) = shop.rows("pairs")
    assert pair == {
        "customer_id": "3",
        "other_customer_id": "4",
        "match_prob": 0.99,
        "why": "same telephone, same name",
    }
    assert told(shop) == {
        ("E-STD-1", "email"): 1, ("E-STD-1", "birth_date"): 1, ("E-DUP-4", None): 1, ("E-DUP-6", None): 1,
    }  # fmt: skip


def test_identities_are_in_standard_spelling_and_no_method_sees_them(shop, connection):
    shop.build()
    rows = {row["customer_id"]: row for row in shop.rows("identities")}
    assert (rows["1"]["email"], rows["1"]["phone"], str(rows["1"]["birth_date"])) == (
        "ANNA@example.com",
        "+49301234567",
        "1980-04-01",
    )
    assert rows["3"]["birth_date"] is None and rows["6"]["email"] is None
    assert rows["3"]["phone"] == rows["4"]["phone"]
    assert "identities" not in warehouse.open_tables(shop.folder, connection)
    assert set(shop.rows("customers")[0]) == {"customer_id", "signed_up_date"}
    filled = {row["column"]: row["n_repaired"] for row in shop.rows("completeness") if row["table"] == "identities"}
    assert (filled["email"], filled["phone"]) == (1, 4)


def test_father_and_son_of_one_name_and_one_telephone_are_two(shop):
    shop.write("customers.csv", CUSTOMERS.replace("31.02.1970", "1.2.1970").replace("80331,\n5", "80331,1.2.1999\n5"))
    shop.build()
    assert merges(shop) == {}


def test_one_or_no_customer_is_no_failure(shop):
    shop.write("customers.csv", "".join(CUSTOMERS.splitlines(keepends=True)[:2]))
    shop.build()
    assert shop.rows("pairs") == [] and merges(shop) == {}


@pytest.mark.parametrize("column", ["customer_name: name", "birth_date: born", "phone: tel", "country: plz"])
def test_any_one_column_alone_merges_nobody(shop, column):
    start = CONTRACT.index("{customer_name")
    shop.contract.write_text(f"{CONTRACT[:start]}{{{column}}}\n", encoding="utf-8")
    shop.build()
    assert merges(shop) == {}


# --- a merge table, not a rewrite ------------------------------------------------------------------------------------


def test_tables_are_opened_merged_and_stay_as_exported(shop, connection, collect):
    shop.build()
    tables = warehouse.open_tables(shop.folder, connection)
    customers = set(collect(tables["customers"])["customer_id"])
    assert customers == {"1", "2", "3", "5", "6"}
    assert (
        set(collect(tables["orders"])["customer_id"])
        == {"1", "2", "3"}
        == set(collect(tables["order_lines"])["customer_id"])
    )
    stored = shop.rows("orders")
    assert {row["customer_id"] for row in stored} == {"1", "2", "3", "4"}
    assert collect(tables["orders"])["net_amount"].sum() == sum(row["net_amount"] for row in stored)
    assert tables["orders"].collect_schema().names() == list(stored[0])
    assert {row["customer_id"] for row in shop.rows("customers")} == {"1", "2", "3", "4", "5", "6"}


def test_where_nobody_is_merged_the_tables_are_read_as_they_are(shop, connection, monkeypatch):
    shop.contract.write_text(CONTRACT + "      merge: false\n", encoding="utf-8")
    shop.build()
    assert merges(shop) == {} and len(shop.rows("pairs")) == 1
    assert told(shop)["E-DUP-5", None] == 1
    monkeypatch.setattr(warehouse, "_merge_customers", None)
    assert "orders" in warehouse.open_tables(shop.folder, connection)


# --- what a person decides -------------------------------------------------------------------------------------------


def test_a_person_has_the_last_word(shop):
    decide(shop, "1,2,yes", "5,1,yes", "3,4,no")
    shop.build()
    # Of 1, 2 and 5 the one is kept that registered first.
    assert merges(shop) == {"1": "2", "5": "2"}
    assert {row["why"] for row in shop.rows("pairs")} == {"decided by a person"}
    assert ("E-DUP-5", None) not in told(shop)


def test_a_decision_builds_anew_and_taking_it_back_undoes_it(shop):
    before = shop.build().rows("merges")
    decide(shop, "3,4,no")
    assert shop.build().rows("merges") == []
    (shop.root / "params" / "merges" / "shop.csv").unlink()
    assert shop.build().rows("merges") == before


@pytest.mark.parametrize(
    ("lines", "code", "row"),
    [
        (["1,2,yes", "1,9,no"], "E-DUP-2", 3),
        (["1,2,perhaps"], "E-DUP-2", 2),
        (["1,2"], "E-DUP-2", 2),
        (["1,1,yes"], "E-DUP-2", 2),
        (["1,2,yes", "", "2,5,yes", "1,5,no"], "E-DUP-3", 5),
    ],
)
def test_a_decision_that_cannot_be_is_an_error_with_its_row(shop, refused, lines, code, row):
    decide(shop, *lines)
    with refused(InputError, code) as caught:
        shop.build()
    assert (caught.value.file, caught.value.rows) == ("shop.csv", row)


# --- the list for a person -------------------------------------------------------------------------------------------


def test_the_list_is_filled_in_and_taken_over(shop, monkeypatch, capsys):
    shop.write("customers.csv", CUSTOMERS.replace("Jörg Weiß", "=1+1").replace("Weiss Jorg", "=1+1"))
    shop.contract.write_text(CONTRACT + "      merge: false\n", encoding="utf-8")
    monkeypatch.chdir(shop.root)
    mask = os.umask(0o022)
    try:
        assert main(["duplicates"]) == 0
    finally:
        os.umask(mask)
    path = shop.root / "build" / "duplicates" / "shop.xlsx"
    assert "1 pairs to look at" in capsys.readouterr().out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    book = openpyxl.load_workbook(path)
    header, row = ([cell.value for cell in one] for one in book.active.iter_rows())
    shown = dict(zip(header, row, strict=True))
    assert shown["same"] is None and (shown["customer_id"], shown["other_customer_id"]) == ("3", "4")
    assert shown["customer_name"] == shown["other_customer_name"] == "=1+1"
    assert {cell.data_type for cell in book.active[2]} <= {"s", "n"}
    book.active["A2"] = "yes"
    book.save(path)
    assert main(["duplicates"]) == 0
    assert [one[:3] for one in merging.read_decisions(shop.root / "params" / "merges" / "shop.csv")] == [
        ("3", "4", True)
    ]
    assert "0 pairs to look at" in capsys.readouterr().out
    assert "=1+1" not in (shop.root / "params" / "merges" / "shop.csv").read_text(encoding="utf-8")


def test_a_source_without_identity_has_no_list(make_shop, tmp_path, refused):
    with refused(InputError, "E-DUP-7"):
        review.write_list(make_shop().folder, tmp_path / "list.xlsx", "1GB")


# --- enough to learn from --------------------------------------------------------------------------------------------


def made_customers(order: int = 0) -> str:
    """Chinese and European customers, some of them twice, and two families; 200 have the telephone of the shop."""
    rng = random.Random(1)
    given = "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 涛 明 超 建国 雨欣 子涵 思远 Anna Peter Ute Jan Eva Karl".split()
    family = "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 Müller Schmidt Weber Fischer Koch Bauer".split()
    rows = []
    for number in range(500):
        first, last = rng.choice(given), rng.choice(family)
        name = last + first if last > "\u2e80" and first > "\u2e80" else f"{first} {last}"
        born = f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{rng.randint(1940, 2005)}"
        tel = "030 1234567" if number < 200 else f"0171 {rng.randint(1000000, 9999999)}"
        row = [
            f"c{number}",
            "",
            name,
            f"user{rng.randint(0, 10**6)}@example.com",
            tel,
            f"{rng.randint(10000, 99999)}",
            born,
        ]
        rows.append(row)
        if number % 10 == 0:
            rows.append([f"d{number}", "", name.upper(), row[3], "", row[5], born if number % 20 else ""])
    rows += [
        ["f1", "", "Anna Kraus", "", "030 2223344", "10117", ""],
        ["f2", "", "Berthold Kraus", "", "030 2223344", "10117", ""],
    ]
    random.Random(order).shuffle(rows)
    return "id,since,name,mail,tel,plz,born\n" + "".join(",".join(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def made(make_source):
    return make_source(CONTRACT, {"orders.csv": ORDERS, "customers.csv": made_customers()}).build()


def test_who_registered_twice_is_found(made):
    found = {tuple(sorted(pair)) for pair in merges(made).items()}
    assert found == {(f"c{number}", f"d{number}") for number in range(0, 500, 10)}
    assert all(kept.startswith("c") for kept in merges(made).values())


def test_a_number_of_many_is_told_and_is_no_key(made):
    assert told(made)["E-STD-2", "phone"] == 200
    assert len(made.rows("pairs")) < 100


def test_a_family_is_no_customer(made):
    assert not {"f1", "f2"} & set(merges(made))


def test_a_pair_is_explained_in_words(made):
    why = next(row["why"] for row in made.rows("merges") if row["customer_id"] == "d10")
    assert "same e-mail +" in why and "same date of birth +" in why and "same name +" in why
    language.use("zh")
    try:
        assert merging.explain("decided by a person")
        assert merging.explain("same name +12, other e-mail −3").count("+12") == 1
    finally:
        language.use("en")


def test_the_order_of_rows_changes_nothing(made, make_source):
    other = make_source(CONTRACT, {"orders.csv": ORDERS, "customers.csv": made_customers(order=7)}).build()
    for name in ("identities", "pairs", "merges"):
        assert other.rows(name) == made.rows(name)


def test_a_key_of_too_many_compares_nobody(connection, monkeypatch):
    people = engine.as_table(
        pd.DataFrame({"customer_id": [str(one) for one in range(30)], "phone": ["1"] * 20 + ["2"] * 10}), connection
    )
    monkeypatch.setattr(duplicates, "MAX_BLOCK", 15)
    keyed, keys = duplicates._add_keys(people)
    frame = engine.collect(keyed, 30)
    assert frame[keys["phone",]].notna().sum() == 10
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 44)
    assert duplicates._add_keys(people)[1] == {}


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("email: mail", "mail: mail"),
        ("email: mail", "email: {column: mail, standard: email}"),
        ("born}\n", "born}\n      review_from: 0.99\n"),
        ("country: DE\n", ""),
    ],
)
def test_a_wrong_identity_is_refused(shop, old, new):
    assert old in CONTRACT
    shop.contract.write_text(CONTRACT.replace(old, new), encoding="utf-8")
    with pytest.raises(ParameterError):
        shop.build()


def test_only_customers_have_an_identity(make_source):
    contract = CONTRACT.replace(
        "    columns: {order_id", "    identity: {columns: {email: mail}}\n    columns: {order_id"
    )
    with pytest.raises(ParameterError, match="only customers"):
        make_source(contract, {"orders.csv": ORDERS, "customers.csv": CUSTOMERS}).build()


# --- where the truth is known ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "precision", "f1"), [("fake_1000", 0.99, 0.955), ("febrl1", 0.995, 0.995)])
def test_duplicates_of_known_truth(real_data, tmp_path: Path, monkeypatch, name, precision, f1):
    from benchmarks.duplicates import measure

    found = measure(tmp_path, name)
    assert found.precision >= precision
    assert found.f1 >= f1
