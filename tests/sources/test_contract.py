"""The data contract: what it may say, what it must say, and which files it names."""

from __future__ import annotations

from datetime import date

import pytest

from crm_analysis.errors import InputError, ParameterError
from crm_analysis.sources.contract import find_files, read_contract

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: o, customer_id: c, ordered_at: d, line_amount: a}
"""
HEADER, LINE = "o,c,d,a\n", "A1,c1,2024-01-31,5.00\n"


@pytest.fixture
def contract(tmp_path):
    """``contract(text)`` reads a contract from text."""

    def read(text):
        path = tmp_path / "shop.yml"
        path.write_text(text, encoding="utf-8")
        return read_contract(path)

    return read


@pytest.mark.parametrize("name", ["cdnow", "cdnow_sample", "online_retail", "sample", "superstore"])
def test_the_contracts_of_the_project_are_valid(project, name):
    assert read_contract(project / "params" / "sources" / f"{name}.yml").tables


def test_defaults(contract):
    shop = contract(SHOP)
    table = shop.tables["order_lines"]
    assert (shop.decimals, shop.quantity_decimals, shop.max_amount) == (2, 0, 10_000_000)
    assert (shop.valid_dates.from_, shop.valid_dates.to) == (date(1990, 1, 1), date(2099, 12, 31))
    assert (table.negatives, table.free_orders, table.drops_duplicates) == (None, "ignore", True)
    assert (table.format.encoding, table.format.delimiter, table.format.decimal, table.format.thousands) == (
        "utf-8", ",", ".", "",
    )  # fmt: skip


@pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3)])
def test_amounts_have_the_decimals_of_the_currency_unless_said(contract, currency, decimals):
    text = SHOP.replace("EUR", currency)
    assert contract(text).decimals == decimals
    assert contract(text + "money_decimals: 4\n").decimals == 4


def test_duplicates_are_kept_where_rows_have_no_order_id(contract):
    orders = SHOP.replace("order_lines", "orders").replace("order_id: o, ", "").replace("line_amount", "order_amount")
    assert not contract(orders).tables["orders"].drops_duplicates
    assert contract(orders + "    duplicates: drop\n").tables["orders"].drops_duplicates


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("EUR", "EURO", None),  # A99
        ("EUR", "eur", None),
        ("Europe/Berlin", "Berlin", None),
        ("Europe/Berlin", "../../etc", None),
        ("Europe/Berlin", "", None),
        ("order_lines", "order_line", "tables.order_line."),
        ("o,", "o, prize: p,", "tables.order_lines.columns.prize"),
        ("customer_id: c, ", "", "tables.order_lines.columns.customer_id"),
        ("line_amount: a", "quantity: a", "tables.order_lines.columns"),
        ("files: orders.csv", "from: products", "tables.order_lines.from"),
        ('"%Y-%m-%d"', '"%Y-%m-%d", encoding: utf-99', "tables.order_lines.format"),
        ('"%Y-%m-%d"', '"%Y-%m-%d", delimiter: ", "', "tables.order_lines.format"),
        ('"%Y-%m-%d"', '"%Y-%m-%d", thousands: "."', "tables.order_lines.format"),
        ('"%Y-%m-%d"', '"%Y-%m-%d", decimal: ""', "tables.order_lines.format"),
        ('"%Y-%m-%d"', '"%Y-%m-%d", skip_rows: -1', "tables.order_lines.format"),
        ("order_id: o", "order_id: {strip_suffix: x}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, columns: [o, p]}", "tables.order_lines.columns.order_id"),
        ("files: orders.csv", "files: orders.csv\n    from: products", "tables.order_lines"),
        ("    format", "    attributes: {size: s}\n    format", "tables.order_lines.attributes"),
        ("    format", "    returns: {order_id_prefix: R, column: t}\n    format", "tables.order_lines.returns"),
        ("    format", "    returns: {column: t}\n    format", "tables.order_lines.returns"),
        ("    format", "    exclude: [{column: o, reason: x}]\n    format", "tables.order_lines.exclude"),
        ("order_id: o", "order_id: {column: o, words: [RED]}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, yes: [Y], no: [N]}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, words: [RED], pattern: x}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, pattern: '(?=x)'}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, pattern: '\\x{a0}'}", "tables.order_lines.columns.order_id"),
        ("order_id: o", "order_id: {column: o, yes: [Y], no: [Y]}", "tables.order_lines.columns.order_id"),
        ("company: Test", "company: Test\nmoney_decimals: 7", None),
        ("company: Test", "company: Test\nquantity_decimals: 5", None),
    ],
)
def test_a_contract_that_cannot_hold_is_refused(contract, refused, old, new, column):
    assert old in SHOP
    with refused(ParameterError, "E-PAR-3") as caught:
        contract(SHOP.replace(old, new, 1))
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("company", "compani", "E-PAR-1", "did you mean 'company'?"),
        ("files", "file", "E-PAR-1", "did you mean 'files'?"),
        ("{datetime", "{dattime", "E-PAR-1", "did you mean 'datetime'?"),
        ("company: Test", "", "E-PAR-2", "'company' is missing"),
        ("    files", "    negatives: keep\n    files", "E-PAR-2", "'keep' is not one of return, reject"),
        ("company: Test", "company: Test\nvalid_dates: {from: 2024-02-30}", "E-PAR-2", ""),
        ("company: Test", "company: Test\nmax_amount: 1e7", "E-PAR-2", "not a whole number"),
        ("order_lines", "order_line", "E-PAR-3", "did you mean 'order_lines'?"),
        ("o,", "o, line_amout: p,", "E-PAR-3", "did you mean 'line_amount'?"),
    ],
)
def test_a_mistaken_entry_is_told_with_its_remedy(contract, refused, old, new, code, told):
    with refused(ParameterError, code) as caught:
        contract(SHOP.replace(old, new, 1))
    assert told in caught.value.fix


def test_lines_and_orders_in_one_contract_are_refused(contract, refused):
    orders = SHOP.split("tables:\n")[1].replace("order_lines", "orders").replace("line_amount", "order_amount")
    with refused(ParameterError, "E-PAR-3"):
        contract(SHOP + orders)


def test_a_text_file_with_dates_needs_their_format(contract, refused):  # A70
    with refused(InputError, "E-DATE-2") as caught:
        contract(SHOP.replace('    format: {datetime: "%Y-%m-%d"}\n', ""))
    assert caught.value.column == "tables.order_lines.format.datetime"


@pytest.mark.parametrize(
    "files",
    [
        "orders.xlsx",
        "orders.parquet",
        pytest.param("ORDERS.XLSX"),
        pytest.param("orders.dat\n    format: {kind: parquet}"),
    ],
)
def test_a_file_with_cells_for_dates_needs_none(contract, files):
    assert contract(SHOP.replace('    format: {datetime: "%Y-%m-%d"}\n', "").replace("orders.csv", files)).tables


@pytest.mark.parametrize("name", ["position", "reason", "excluded", "is_blank", "is_duplicate", "fate", "why"])
def test_an_attribute_may_have_any_plain_name(make_source, name):
    text = (
        SHOP
        + f"  customers:\n    files: customers.csv\n    columns: {{customer_id: id}}\n    attributes: {{{name}: x}}\n"
    )
    files = {"orders.csv": HEADER + LINE, "customers.csv": "id,x\nc1,buyer\nc2,clerk\n"}
    rows = make_source(text, files).build().rows("customers")
    assert sorted(row[name] for row in rows) == ["buyer", "clerk"]


# --- the columns of a file -------------------------------------------------------------------------------------------


def test_columns_are_found_by_name_in_any_order(make_source):  # A26
    source = make_source(SHOP, {"orders.csv": "a,d,o,c\n5.00,2024-01-31,A1,c1\n"}).build()
    (row,) = source.rows("order_lines")
    assert (row["order_id"], row["customer_id"], str(row["line_amount"])) == ("A1", "c1", "5.00")


def test_a_column_that_the_contract_does_not_name_is_dropped_and_told(make_source):  # A25
    source = make_source(SHOP, {"orders.csv": "o,phone,c,d,a\nA1,0171,c1,2024-01-31,5.00\n"}).build()
    assert source.meta.ignored_columns == {"orders.csv": ["phone"]}
    assert "phone" not in source.rows("order_lines")[0]


@pytest.mark.parametrize("header", ["o , C,d,a", "\u00a0o,c,d,A ", "\uff4f,c,\u3000d,a", "\ufeffo,c,d,a"])
def test_names_that_differ_by_blanks_case_and_width_are_the_same(make_source, header):  # A27
    source = make_source(SHOP, {"orders.csv": f"{header}\n{LINE}"}).build()
    assert source.fates() == {("used", None): 1}


def test_a_missing_column_is_told_with_what_is_there(make_source, refused):  # A24
    with refused(InputError, "E-HDR-2") as caught:
        make_source(SHOP, {"orders.csv": "order,c,d,sum\nA1,c1,2024-01-31,5.00\n"}).build()
    assert (caught.value.file, caught.value.column, caught.value.rows) == ("orders.csv", "o, a", 1)
    assert "order, c, d, sum" in caught.value.fix


def test_a_wrong_delimiter_is_told(make_source, refused):  # A36
    with refused(InputError, "E-DELIM-1"):
        make_source(SHOP, {"orders.csv": "o;c;d;a\nA1;c1;2024-01-31;5,00\n"}).build()


def test_other_columns_of_a_file_may_have_any_name(make_source):
    names = ["position", "row_hash", "kind", "reason", "order_id", "quantity", "fate", "is_blank", "rule:0", "file:o"]
    header, line = ",".join(["o,c,d,a", *names]), ",".join([LINE[:-1], *["other"] * len(names)])
    source = make_source(SHOP, {"orders.csv": f"{header}\n{line}\n"}).build()
    (row,) = source.rows("order_lines")
    assert (row["order_id"], row["kind"], source.fates()) == ("A1", "sale", {("used", None): 1})


@pytest.mark.parametrize("name", ["line", "Line"])
def test_a_file_may_have_a_column_called_line(make_source, name):
    source = make_source(SHOP, {"orders.csv": f"o,c,d,a,{name}\n{LINE[:-1]},1\n"}).build()
    assert source.fates() == {("used", None): 1}


def test_names_that_differ_by_case_alone_are_two_columns(make_source):
    source = make_source(SHOP, {"orders.csv": "A,o,c,d,a\n9.99,A1,c1,2024-01-31,5.00\n"}).build()
    assert [str(row["line_amount"]) for row in source.rows("order_lines")] == ["5.00"]


def test_a_column_joined_of_several(make_source):
    text = SHOP.replace('"%Y-%m-%d"', '"%Y-%m-%d %H:%M"').replace("ordered_at: d", "ordered_at: {columns: [d, t]}")
    source = make_source(text, {"orders.csv": "o,c,d,t,a\nA1,c1,2024-01-31,17:45,5.00\n"}).build()
    assert str(source.rows("order_lines")[0]["ordered_at"]) == "2024-01-31 17:45:00"


# --- the files of a table --------------------------------------------------------------------------------------------


def names(contract, root, files):
    table = contract(SHOP.replace("orders.csv", files)).tables["order_lines"]
    return [path.name for path in find_files(table, root, root / "shop.yml")]


@pytest.fixture
def folder(tmp_path):
    for name in ("b2.csv", "b1.csv", "2.csv", "[2024].csv", "a*.csv", "ab.csv", "o'brien 王.csv"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("b1.csv", ["b1.csv"]),
        ("b?.csv", ["b1.csv", "b2.csv"]),
        ("[b2.csv, b1.csv, b2.csv]", ["b2.csv", "b1.csv"]),
        ("'[2024].csv'", ["[2024].csv"]),  # A19
        ("'a*.csv'", ["a*.csv"]),  # A19: a name that exists is a name
        ("'[2*].csv'", ["[2024].csv"]),
        ('"o\'brien 王.csv"', ["o'brien 王.csv"]),  # A20
    ],
)
def test_a_name_stands_for_itself_and_else_for_what_it_matches(contract, folder, files, found):
    assert names(contract, folder, files) == found


@pytest.mark.parametrize("files", ["c.csv", "c*.csv", "deep", "'[0-9].csv'"])
def test_a_file_that_is_not_there_is_refused(contract, folder, refused, files):
    with refused(InputError, "E-FILE-1") as caught:
        names(contract, folder, files)
    assert caught.value.file == files.strip("'")


def test_a_variable_of_the_environment_names_a_folder(contract, folder, refused, monkeypatch):
    monkeypatch.setenv("SHOP_DATA", str(folder))
    assert names(contract, folder / "deep", "${SHOP_DATA}/b1.csv") == ["b1.csv"]
    monkeypatch.delenv("SHOP_DATA")
    with refused(ParameterError, "E-PAR-2") as caught:
        names(contract, folder, "${SHOP_DATA}/b1.csv")
    assert caught.value.column == "SHOP_DATA"


@pytest.mark.parametrize("name", ["[2024].csv", "a*.csv", "o'brien 王.csv", "two words.csv"])
def test_just_the_named_file_is_read(make_source, name):
    files = {
        name: HEADER + LINE,
        "2.csv": HEADER + LINE.replace("A1", "B1"),
        "ab.csv": HEADER + LINE.replace("A1", "B2"),
    }
    source = make_source(SHOP.replace("orders.csv", f'"{name}"'), files).build()
    assert [row["order_id"] for row in source.rows("order_lines")] == ["A1"]


def test_several_files_make_one_table(make_source):
    files = {f"2024-0{month}/orders.csv": HEADER + LINE.replace("A1", f"A{month}") for month in (1, 2, 3)}
    source = make_source(SHOP.replace("orders.csv", "2024-0?/orders.csv"), files).build()
    assert sorted(row["order_id"] for row in source.rows("order_lines")) == ["A1", "A2", "A3"]
    found = {row["file"]: row["n_rows"] for row in source.rows("ledger")}
    assert found == {f"2024-0{month}/orders.csv": 1 for month in (1, 2, 3)}


def test_files_of_one_table_may_order_their_columns_differently(make_source):
    files = {"x1.csv": HEADER + LINE, "x2.csv": "a,x,d,c,o\n7.00,?,2024-02-01,c2,A2\n"}
    source = make_source(SHOP.replace("orders.csv", "x?.csv"), files).build()
    assert sorted((row["order_id"], str(row["line_amount"])) for row in source.rows("order_lines")) == [
        ("A1", "5.00"),
        ("A2", "7.00"),
    ]


@pytest.mark.parametrize("content", [HEADER, HEADER.strip(), HEADER + "\n\n"])
def test_a_header_alone_is_refused_or_read_as_nothing(make_source, refused, content):  # A12
    with refused(InputError, "E-FILE-2"):
        make_source(SHOP, {"orders.csv": content}).build()
