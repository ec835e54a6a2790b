"""Values that are not what their column should hold: ids, amounts, currencies, dates, keys, and too little of everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal

import narwhals as nw
import pandas as pd
from catalogue import GOOD, HEADER, SHOP, Case, orders

from crm_analysis import engine, fonts, methods, pulse, warehouse
from crm_analysis.params import Run

FORM = '{datetime: "%Y-%m-%d"}'
COLUMNS = "{order_id: order, customer_id: customer, ordered_at: day, quantity: pieces, unit_price: price}"


def shop(also: str = "", *, form: str = FORM, columns: str = COLUMNS, table: str = "", head: str = "") -> str:
    """The shop's contract: ``table`` ends its order lines, ``also`` the tables, ``head`` begins the whole."""
    return head + SHOP.replace(FORM, form).replace(COLUMNS, columns) + table + also


PRODUCTS = """  products:
    files: products.csv
    columns: {product_id: item, product_name: name}
"""
CUSTOMERS = """  customers:
    files: customers.csv
    columns: {customer_id: id}
    attributes: {size: size, remark: remark}
"""
ONE_ORDER = orders("A,c1,2024-05-01,1,5.00")


def products(*lines: str) -> dict[str, str]:
    good = "".join(f"g{number},good\n" for number in range(60))
    return {**ONE_ORDER, "products.csv": "item,name\n" + "".join(f"{line}\n" for line in lines) + good}


def customers(*lines: str) -> dict[str, str]:
    """The buyers of the good lines, ``c1``, and these."""
    good = "".join(f"good{number},s,\n" for number in range(200))
    return {**ONE_ORDER, "customers.csv": "id,size,remark\n" + "".join(f"{line}\n" for line in lines) + good}


def values(table: str, column: str, *expected: object) -> Callable:
    """A check: the values of a column in the rows that do not belong to the good lines, in any order."""

    def check(source) -> None:
        found = [row[column] for row in source.rows(table) if not {str(one)[:4] for one in row.values()} & {"good"}]
        assert sorted(found, key=repr) == sorted(expected, key=repr)

    return check


def repaired(column: str, n: int, then: Callable = lambda source: None) -> Callable:
    def check(source) -> None:
        assert {row["column"]: row["n_repaired"] for row in source.rows("completeness") if row["n_repaired"]} == {
            column: n
        }
        then(source)

    return check


def ids(*texts: str) -> dict[str, str]:
    return orders(*[f'A{number},"{text}",2024-05-01,1,1.00' for number, text in enumerate(texts)])


def prices(*texts: str) -> dict[str, str]:
    return orders(*[f'A{number},c1,2024-05-01,1,"{text}"' for number, text in enumerate(texts)])


def days(*texts: str, good: Callable[[str], str] = str) -> dict[str, str]:
    """Orders of these days, and good ones whose days are written by ``good``."""
    lines = "".join(f"A{number},c1,{text},1,1.00\n" for number, text in enumerate(texts))
    moved = [line.split(",") for line in GOOD.splitlines()]
    return {
        "orders.csv": HEADER + lines + "".join(",".join([a, b, good(day), *rest]) + "\n" for a, b, day, *rest in moved)
    }


def american(day: str) -> str:
    return f"{day[5:7]}/{day[8:]}/{day[:4]}"


def unclean(self, column, use, line):
    """In place of the cleaning of a column: nothing."""
    return column


IDS = [
    Case(
        id="A49",
        what="007 and 7 are two customers, and the reader is told",
        files=ids("007", "7", "8"),
        ledger={("used", None): 3},
        warnings={("E-ID-3", "customer_id"): 2},
        check=values("order_lines", "customer_id", "007", "7", "8"),
        handler="crm_analysis.cleaning.noticing:notice_alike_ids",
        without=lambda ids, column: [],
    ),
    Case(
        id="A49",
        what="007 in one table and 7 in another",
        contract=shop(CUSTOMERS),
        files={**customers("c1,s,", "07,s,"), **ids("7")},
        warnings={("E-ID-3", "customer_id"): 2, ("E-REF-2", "customer_id"): 1, ("E-REF-3", "customer_id"): 2},
    ),
    Case(
        id="A50",
        what="ids that a spreadsheet has cut to an exponent",
        files=ids("1.38E+10", "1E5", "1,38E+10", "2e-3", "E5", "1E", "A1E5"),
        ledger={("used", None): 3, ("rejected", "E-ID-4 customer_id"): 4},
        check=values("order_lines", "customer_id", "E5", "1E", "A1E5"),
        handler="crm_analysis.cleaning.texts:_refuse",
        without=lambda column, use, ids: (),
    ),
    Case(
        id="A50",
        what="codes that only look like exponents, where the contract says so",
        contract=shop(head="ids: {exponents: keep}\n"),
        files=ids("12E5", "12E6"),
        ledger={("used", None): 2},
        check=values("order_lines", "customer_id", "12E5", "12E6"),
    ),
    Case(
        id="A51",
        what="ids longer than a number can be, beside a missing one",
        files=ids("9007199254740993", "12345678901234567890123", "", "9007199254740992"),
        ledger={("used", None): 4},
        check=values(
            "order_lines", "customer_id", "9007199254740993", "12345678901234567890123", None, "9007199254740992"
        ),
    ),
    Case(
        id="A52",
        what="without a customer: in the totals, of no customer",
        files=ids("", " ", "NULL", "NaN", "c1"),
        ledger={("used", None): 5},
        check=lambda source: _no_customer(source),
        handler="crm_analysis.cleaning.conversion:NO_ID",
        without=("nothing",),
    ),
    Case(
        id="A53",
        what="people called NA, Null and None",
        contract=shop(PRODUCTS),
        files=products("p1,NA", "p2,Null", "p3,None", "p4,nan"),
        check=values("products", "product_name", "NA", "Null", "None", "nan"),
    ),
    Case(
        id="A54",
        what="ids that are words of truth",
        files=ids("TRUE", "FALSE"),
        check=values("order_lines", "customer_id", "TRUE", "FALSE"),
    ),
    Case(
        id="A55",
        what="one customer in blanks, width, composition and characters that nobody sees",
        files=ids("Zoé1", "Zoe\u03011", " Zoé1", "Zoé1\u00a0", "Zo\u200bé1", "Ｚｏé１", "Zo\u00adé1", "\u3000Zoé1"),
        ledger={("used", None): 8},
        warnings={("E-CTRL-3", "customer_id"): 2},
        check=repaired("customer_id", 7, values("order_lines", "customer_id", *["Zoé1"] * 8)),
        handler="crm_analysis.cleaning.texts:Cells._clean",
        without=unclean,
    ),
    Case(
        id="A55",
        what="ids that differ by case are two, and the reader is told",
        files=ids("ab1", "AB1", "ab2"),
        warnings={("E-ID-5", "customer_id"): 2},
        check=values("order_lines", "customer_id", "ab1", "AB1", "ab2"),
    ),
    Case(
        id="A55",
        what="or one, where the contract folds case; its own words are folded too",
        contract=shop(head="ids: {case: fold}\n", table="    returns: {order_id_prefix: R}\n"),
        files=orders("A,ab1,2024-05-01,2,1.00", "B,AB1,2024-05-01,1,1.00", "R1,Ab1,2024-05-02,1,1.00"),
        check=lambda source: _folded(source),
    ),
    Case(
        id="A55",
        what="rules, words and flags know full-width and half-width as one",
        contract=shop(
            "  products:\n    from: order_lines\n    columns: {product_id: item}\n"
            "    attributes: {colour: {column: item, words: [ＲＥＤ, Blue]}}\n",
            table="    exclude: [{column: status, values: [ＶＯＩＤ], reason: void}]\n",
            columns=COLUMNS.replace("}", ", product_id: item}"),
        ),
        files={
            "orders.csv": "order,customer,day,pieces,price,item,status\n"
            "A,c,2024-05-01,1,1.00,Ｒed hat,\nB,c,2024-05-01,1,1.00,ｂｌｕｅ hat,ｖoid\nC,c,2024-05-01,1,1.00,ｂｌｕｅ hat,\n"
            "D,c,2024-05-01,1,1.00,x,VOID\n"
        },
        check=lambda source: _rules_see_width(source),
    ),
]


def _no_customer(source) -> None:
    rows = source.rows("orders")
    assert sum(row["net_amount"] for row in rows if row["customer_id"] is None) == Decimal(4)
    assert sum(row["net_amount"] for row in rows) == Decimal(10_005)


def _folded(source) -> None:
    found = {
        row["order_id"]: (row["customer_id"], row["kind"])
        for row in source.rows("order_lines")
        if row["order_id"][0] != "g"
    }
    assert found == {"a": ("ab1", "sale"), "b": ("ab1", "sale"), "r1": ("ab1", "return")}


def _rules_see_width(source) -> None:
    assert [row["order_id"] for row in source.rows("order_lines")] == ["A", "B", "C"]
    assert {row["product_id"]: row["colour"] for row in source.rows("products")} == {
        "Red hat": "ＲＥＤ",
        "blue hat": "Blue",
    }


RETURNS = "    returns: {column: type, values: [refund]}\n"


def typed(*lines: str) -> dict[str, str]:
    good = "".join(f"{line},\n" for line in GOOD.splitlines())
    return {"orders.csv": HEADER.replace("\n", ",type\n") + "".join(f"{line}\n" for line in lines) + good}


RETURNED = [
    Case(
        id="A56",
        what="refunds lower the net, are shown beside the gross, and are never dropped",
        contract=shop(table=RETURNS),
        files=typed("A,c1,2024-05-01,2,5.00,", "A,c1,2024-05-03,-1,5.00,refund", "A,c1,2024-05-04,1,2.00,refund"),
        ledger={("used", None): 3},
        check=lambda source: _sums(source, "c1", gross=10, returned=7, net=3),
        handler="crm_analysis.cleaning.rules:sign_amounts",
        without=lambda rows, table, contract: rows.with_columns(
            line_amount=nw.col("quantity") * nw.col("unit_price"), _is_return=nw.col("quantity") < 0
        ),
    ),
    Case(
        id="A57",
        what="one negative amount that nothing marks",
        files=orders("A,c1,2024-05-01,-1,5.00"),
        ledger={("rejected", "E-NUM-5 line_amount"): 1},
    ),
    Case(
        id="A57",
        what="more than 0.5 % of them: the contract must say what they are",
        files=orders("A,c1,2024-05-01,-1,0.05", "B,c1,2024-05-01,1,-0.05"),
        exit_code=3,
        code="E-NUM-5",
        column="line_amount",
        rows="2,3 (2 rows)",
        handler="crm_analysis.cleaning.ledger:stopping_reason",
        without=lambda ledger, table: None,
    ),
    Case(
        id="A57",
        what="or has said so: rejected",
        contract=shop(table="    negatives: reject\n"),
        files=orders("A,c1,2024-05-01,-1,0.05", "B,c1,2024-05-01,1,-0.05"),
        ledger={("rejected", "E-NUM-5 line_amount"): 2},
    ),
    Case(
        id="A57",
        what="or has said so: returns",
        contract=shop(table="    negatives: return\n"),
        files=orders("A,c1,2024-05-01,2,5.00", "B,c1,2024-05-02,-1,5.00"),
        ledger={("used", None): 2},
        check=lambda source: _sums(source, "c1", gross=10, returned=5, net=5),
    ),
    Case(
        id="A58",
        what="a refund before its order, one without, and one larger, where the export links them by the order's number",
        contract=shop(table=RETURNS),
        files=typed(
            "A,c1,2024-05-02,1,5.00,",
            "A,c1,2024-05-03,1,5.00,refund",
            "B,c2,2024-05-02,1,5.00,",
            "B,c2,2024-05-01,1,5.00,refund",
            "C,c3,2024-05-02,1,5.00,refund",
            "D,c4,2024-05-02,1,5.00,",
            "D,c4,2024-05-03,2,5.00,refund",
        ),  # fmt: skip
        ledger={("used", None): 7},
        warnings={("E-REF-1", "order_id"): 3},
        check=lambda source: _sums(source, "c4", gross=5, returned=10, net=-5),
        handler="crm_analysis.cleaning.noticing:notice_returns",
        without=lambda orders: [],
    ),
    Case(
        id="A58",
        what="where refunds have numbers of their own, what the customer has bought is all that can be known",
        contract=shop(table="    returns: {order_id_prefix: R}\n"),
        files=orders(
            "A,c1,2024-05-02,1,5.00",
            "R1,c1,2024-05-03,1,5.00",
            "R2,c2,2024-05-03,1,5.00",
            "B,c3,2024-05-04,9,5.00",
            "R3,c3,2024-05-03,1,5.00",
            "R4,,2024-05-03,1,5.00",
        ),  # fmt: skip
        ledger={("used", None): 6},
        warnings={("E-REF-1", "customer_id"): 2},
    ),
    Case(
        id="A59",
        what="a gift is a line, and no order",
        files=orders("A,c1,2024-05-01,1,0.00"),
        ledger={("used", None): 1},
        check=values("orders", "is_order", False),
    ),
    Case(
        id="A59",
        what="or an order, where the contract counts it",
        contract=shop(table="    free_orders: count\n"),
        files=orders("A,c1,2024-05-01,1,0.00"),
        check=values("orders", "is_order", True),
    ),
]


def _sums(source, customer: str, **amounts: int) -> None:
    rows = [row for row in source.rows("orders") if row["customer_id"] == customer]
    assert {name: sum(row[f"{name}_amount"] for row in rows) for name in amounts} == amounts


def yen(*texts: str, code: str = "JPY") -> dict[str, str]:
    return {"orders.csv": HEADER + "".join(f"A{n},c1,2024-05-01,1,{text}\n" for n, text in enumerate(texts))}


MONEY = COLUMNS.replace("}", ", currency: currency}")
RATES = """  rates:
    files: rates.csv
    format: {date: "%Y-%m-%d"}
    columns: {rated_date: day, currency: code, rate: rate}
"""
# Its four rows are in the ledger too. On 2 May 0.125 is half-way between 0.12 and 0.13, and 0.375 between 0.37 and 0.38.
RATE_FILE = "day,code,rate\n2024-05-02,USD,0.5\n2024-05-03,USD,0.8\n2024-05-02,SEK,0.0871234\n2024-05-02,VND,99999\n"


def paid(*lines: str) -> dict[str, str]:
    good = "".join(f"{line},EUR\n" for line in GOOD.splitlines())
    return {
        "orders.csv": HEADER.replace("\n", ",currency\n") + "".join(f"{line}\n" for line in lines) + good,
        "rates.csv": RATE_FILE,
    }


NUMBERS = [
    Case(
        id="A60",
        what="a thousands mark that the contract does not declare",
        files=prices("1,234.50"),
        ledger={("rejected", "E-NUM-1 unit_price"): 1},
    ),
    Case(
        id="A60",
        what="and one that it does",
        contract=shop(form='{datetime: "%Y-%m-%d", thousands: ","}'),
        files=prices("1,234.50", "12,34.50", "1234.50"),
        ledger={("used", None): 2, ("rejected", "E-NUM-1 unit_price"): 1},
        check=values("order_lines", "unit_price", Decimal("1234.50"), Decimal("1234.50")),
    ),
    Case(
        id="A61",
        what="a decimal comma is never a thousands mark",
        files=prices("1.234,56", "1,50"),
        ledger={("rejected", "E-NUM-1 unit_price"): 2},
    ),
    Case(
        id="A62",
        what="the signs of the contract's currency",
        files=prices("€5.00", "5.00 €", "EUR 5", "5eur", "€ 5.00"),
        ledger={("used", None): 5},
        check=values("order_lines", "unit_price", *[Decimal(5)] * 5),
        handler="crm_analysis.cleaning.conversion:sign_pattern",
        without=lambda currency=None: r"\?",
    ),
    *[
        Case(
            id="A62",
            what=f"the signs of {code}",
            contract=shop().replace("currency: EUR", f"currency: {code}\nmoney_decimals: 2"),
            files=yen(*texts),
            ledger={("used", None): len(texts)},
            check=values("order_lines", "unit_price", *[Decimal(5)] * len(texts)),
        )
        for code, texts in {
            "CNY": ("¥5", "￥5.00", "5元", "5.00 元", "CN¥5", "RMB 5", "5人民币"),
            "SEK": ("5 kr", "5kr"),
            "CAD": ("$5", "CA$5", "CAD 5"),
        }.items()
    ],
    *[
        Case(
            id="A64",
            what=f"one amount in another currency: {text}",
            files=prices("5.00", text),
            exit_code=3,
            code="E-CUR-1",
            column="unit_price",
            rows="3 (1 row)",
        )
        for text in ("R$5", "5 元", "USD 5.00", "-£5")
    ],
    Case(
        id="A64",
        what="a column of currencies, and no rates",
        contract=shop(columns=MONEY),
        files=paid("A,c1,2024-05-02,1,1.00,EUR", "B,c1,2024-05-02,1,1.00,USD"),
        exit_code=3,
        code="E-CUR-1",
        column="currency",
        rows="3 (1 row)",
        handler="crm_analysis.cleaning.rules:convert",
        without=lambda rows, *rest: rows,
    ),
    Case(
        id="A64",
        what="converted by the rate of the day or the last before, each line rounded once, half to even",
        contract=shop(RATES, columns=MONEY),
        files=paid(
            "A,c1,2024-05-02,1,0.25,USD",
            "B,c1,2024-05-02,3,0.25,usd",
            "C,c1,2024-05-09,1,10.00,USD",
            "D,c1,2024-05-02,2,9.99,EUR",
            "E,c1,2024-05-05,1,100.00,SEK",
            "F,c1,2024-05-01,1,1.00,USD",
            "H,c1,2024-05-02,1,1.00,",
            "I,c1,2024-05-02,1,1.00,€",
        ),  # fmt: skip
        ledger={("used", None): 10, ("rejected", "E-CUR-3 currency"): 1, ("rejected", "E-CUR-2 currency"): 1},
        warnings={("E-CUR-4", "currency"): 4},
        check=lambda source: _converted(source),
        handler="crm_analysis.cleaning.currencies:_at_rate",
        without=lambda name, scale, decimals: nw.col(name),
    ),
    Case(
        id="A64",
        what="converted, an amount is too large",
        contract=shop(RATES, columns=MONEY),
        files=paid("A,c1,2024-05-02,1,9999999.00,VND"),
        ledger={("used", None): 4, ("rejected", "E-NUM-3 line_amount"): 1},
    ),
    Case(
        id="A63",
        what="accountants' forms, where the contract has them",
        contract=shop(table="    negatives: return\n", form='{datetime: "%Y-%m-%d", accounting: true}'),
        files=prices("(12.50)", "12.50-", "１２．５０", "−12.50", "(€12.50)", "€(12.50)", "1e3", "((1))"),
        ledger={("used", None): 6, ("rejected", "E-NUM-1 unit_price"): 2},
        warnings={("E-REF-1", "customer_id"): 5},
        check=values("order_lines", "unit_price", Decimal("12.50"), *[Decimal("-12.50")] * 5),
    ),
    Case(
        id="A63",
        what="and where it does not; blanks around are none",
        files=prices("(12.50)", "12.50-", "１２．５０", "1e3", "10.999", " 12 "),
        ledger={("used", None): 1, ("rejected", "E-NUM-1 unit_price"): 4, ("rejected", "E-NUM-2 unit_price"): 1},
        check=values("order_lines", "unit_price", Decimal(12)),
    ),
    Case(
        id="A66",
        what="no number, and numbers without bound",
        files=prices("inf", "-Infinity", "NaN", "1e400", "1e18"),
        ledger={("rejected", "E-NUM-1 unit_price"): 5},
    ),
    Case(
        id="A66",
        what="more than max_amount",
        contract=shop(head="max_amount: 1000\n"),
        files=prices("1000.00", "1000.01"),
        exit_code=3,
        code="E-NUM-3",
        column="unit_price",
        rows="3 (1 row)",
    ),
    Case(
        id="A68",
        what="amounts whose sum is not kept exactly",
        contract=shop(head="max_amount: 900000000000000\n"),
        files=orders(*[f"A{n},c1,2024-05-01,1,9{'0' * 14}.00" for n in range(20)]),
        exit_code=3,
        code="E-NUM-4",
        column="line_amount",
        handler="crm_analysis.cleaning.building:Building._refuse_sums",
        without=lambda self, name, used: None,
    ),
]


def _converted(source) -> None:
    found = {row["order_id"]: row["line_amount"] for row in source.rows("order_lines") if row["order_id"][0] != "G"}
    # 0.25 · 0.5 = 0.125 → 0.12; 0.75 · 0.5 = 0.375 → 0.38.
    amounts = {"A": "0.12", "B": "0.38", "C": "8.00", "D": "19.98", "E": "8.71", "I": "1.00"}
    assert found == {one: Decimal(amount) for one, amount in amounts.items()}


MIXED_ZONES = shop(form='{datetime: "%Y-%m-%dT%H:%M%z"}').replace("Europe/Berlin", "Asia/Shanghai")
BERLIN = shop(form='{datetime: "%Y-%m-%d %H:%M"}')

NEW_YEAR = datetime.fromisoformat("2024-01-01")
DATES = [
    Case(
        id="A69",
        what="a second format",
        files=days("2024-05-01", "01.05.2024", "May 1 2024"),
        ledger={("used", None): 1, ("rejected", "E-DATE-1 ordered_at"): 2},
    ),
    Case(
        id="A70",
        what="no format in the contract",
        contract=SHOP.replace("    format: " + FORM + "\n", ""),
        files=days("01/02/2024"),
        exit_code=3,
        code="E-DATE-2",
        column="tables.order_lines.format.datetime",
    ),
    Case(
        id="A71",
        what="a few days in the month's place",
        contract=shop(form='{datetime: "%m/%d/%Y"}'),
        files=days("25/06/2024", "05/06/2024", good=american),
        ledger={("used", None): 1, ("rejected", "E-DATE-1 ordered_at"): 1},
        check=values("order_lines", "ordered_at", datetime.fromisoformat("2024-05-06")),
    ),
    Case(
        id="A71",
        what="more than 1 % of them: the contract's format is the wrong one",
        contract=shop(form='{datetime: "%m/%d/%Y"}'),
        files=days("25/06/2024", "26/06/2024", "27/06/2024", good=american),
        exit_code=3,
        code="E-DATE-1",
        column="ordered_at",
        rows="2,3,4 (3 rows)",
        handler="crm_analysis.cleaning.building:reads_swapped",
        without=lambda texts, swapped: False,
    ),
    Case(
        id="A71",
        what="as many that read in no way are rejected",
        contract=shop(form='{datetime: "%m/%d/%Y"}'),
        files=days("soon", "later", "25/06/2024", good=american),
        ledger={("rejected", "E-DATE-1 ordered_at"): 3},
    ),
    Case(
        id="A72",
        what="days that the calendar has not",
        files=days("2024-02-30", "2024-13-01", "0000-00-00", "2023-02-29"),
        ledger={("rejected", "E-DATE-1 ordered_at"): 4},
    ),
    Case(
        id="A73",
        what="days outside the contract's",
        contract=shop(head="valid_dates: {from: 2000-01-01, to: 2024-12-31}\n"),
        files=days("1900-01-01", "9999-12-31", "1999-12-31", "2025-01-01"),
        ledger={("rejected", "E-DATE-3 ordered_at"): 4},
    ),
    Case(
        id="A73",
        what="words that an engine takes for days",
        contract=shop(head="valid_dates: {from: 1800-01-01}\n"),
        files=days("infinity", "-infinity", "epoch", "EPOCH", "now", "1900-01-01"),
        ledger={("used", None): 1, ("rejected", "E-DATE-1 ordered_at"): 5},
    ),
    Case(
        id="A74",
        what="an order after the export was made",
        contract=shop(head="covers_until: 2024-05-31\n"),
        files=days("2024-06-01", "2024-06-02"),
        ledger={("used", None): 1, ("rejected", "E-DATE-4 ordered_at"): 1},
    ),
    Case(
        id="A74",
        what="more than 1 % of them",
        contract=shop(head="covers_until: 2024-05-31\n"),
        files=days("2024-06-02", "2024-06-03", "2030-01-01"),
        exit_code=3,
        code="E-DATE-4",
        column="ordered_at",
        rows="2,3,4 (3 rows)",
    ),
    Case(
        id="A75",
        what="years of two digits",
        files=days("24-05-01", "69-05-01"),
        ledger={("rejected", "E-DATE-3 ordered_at"): 2},
    ),
    Case(
        id="A75",
        what="where the contract has them",
        contract=shop(form='{datetime: "%y-%m-%d"}'),
        files=days("24-05-01", good=lambda day: day[2:]),
        check=values("order_lines", "ordered_at", datetime.fromisoformat("2024-05-01")),
    ),
    Case(
        id="A76",
        what="zones side by side at the border of a month",
        contract=MIXED_ZONES,
        files=days(
            "2024-01-31T23:30Z",
            "2024-01-31T23:30+08:00",
            "2024-01-31T16:00+00:00",
            "2024-01-31T15:59+00:00",
            "2024-01-31T23:30",
            good=lambda day: f"{day}T12:00+08:00",
        ),  # fmt: skip
        ledger={("used", None): 4, ("rejected", "E-DATE-1 ordered_at"): 1},
        check=values("orders", "ordered_month", "2024-02", "2024-01", "2024-02", "2024-01"),
    ),
    Case(
        id="A77",
        what="the hour that is not, the hour that is twice, and the leap day",
        contract=BERLIN,
        files=days("2024-03-31 02:30", "2024-10-27 02:30", "2024-02-29 23:59", good=lambda day: f"{day} 00:00"),
        ledger={("used", None): 3},
        check=values("orders", "ordered_date", date(2024, 3, 31), date(2024, 10, 27), date(2024, 2, 29)),
    ),
    Case(
        id="A77",
        what="a whole year of hours: no row is lost or doubled",
        contract=shop(form='{datetime: "%Y-%m-%dT%H:%M%z"}'),
        files={
            "orders.csv": HEADER
            + "".join(f"A{n},c1,{NEW_YEAR + timedelta(hours=n):%Y-%m-%dT%H:%M}Z,1,1.00\n" for n in range(366 * 24))
        },
        check=lambda source: _whole_year(source),
    ),
]


def _whole_year(source) -> None:
    months = pd.Series([row["ordered_month"] for row in source.rows("orders")]).value_counts().to_dict()
    assert sum(months.values()) == 366 * 24
    # In Berlin March has an hour less and October one more; the year's last hour is of January.
    assert (months["2024-02"], months["2024-03"], months["2024-10"], months["2025-01"]) == (29 * 24, 743, 745, 1)


WITHOUT_ID = COLUMNS.replace("order_id: order, ", "").replace(
    "quantity: pieces, unit_price: price", "order_amount: price"
)
ORDERS = SHOP.replace("order_lines", "orders").replace("quantity: pieces, unit_price: price", "order_amount: price")

KEYS = [
    Case(
        id="A78",
        what="repeated lines of an order are used once",
        files=orders(*["A,c1,2024-05-01,1,5.00"] * 3, "A,c1,2024-05-01,2,5.00"),
        ledger={("used", None): 2, ("duplicate", None): 2},
        handler="crm_analysis.cleaning.rules:find_duplicates",
        without=lambda rows, name, table: rows.with_columns(_is_duplicate=nw.lit(False)),
    ),
    Case(
        id="A78",
        what="equal rows without an id are used, and the reader is told",
        contract=ORDERS.replace("order_id: order, ", ""),
        files={"orders.csv": HEADER + "x,c1,2024-05-01,1,5.00\n" * 3 + "x,c2,2024-05-01,1,5.00\n"},
        warnings={("E-DUP-8", None): 2, ("E-HDR-5", "order, pieces"): 4},
        check=lambda source: _sums(source, "c1", net=15),
        handler="crm_analysis.cleaning.rules:notice_repetitions",
        without=lambda used: [],
    ),
    Case(
        id="A79",
        what="an order number of two customers: two orders, and the reader is told",
        files=orders("A,c1,2024-05-01,1,5.00", "A,c2,2024-05-01,1,5.00", "A,,2024-05-01,3,5.00"),
        ledger={("used", None): 3},
        warnings={("E-KEY-1", "order_id"): 2},
        handler="crm_analysis.cleaning.noticing:notice_shared_orders",
        without=lambda orders: [],
    ),
    Case(
        id="A79",
        what="or all its lines are rejected",
        contract=shop(table="    conflicts: reject\n"),
        files=orders(
            "A,c1,2024-05-01,1,5.00", "B,c1,2024-05-01,1,5.00", "A,c2,2024-05-01,1,5.00", "A,,2024-05-01,1,5.00"
        ),
        ledger={("used", None): 1, ("rejected", "E-KEY-1 order_id"): 3},
        check=lambda source: _rejected_lines(source, 2, 4, 5),
        handler="crm_analysis.cleaning.building:refuse_conflicts",
        without=lambda rows, name, table: rows,
    ),
    Case(
        id="A79",
        what="or the run stops",
        contract=shop(table="    conflicts: stop\n"),
        files=orders("A,c1,2024-05-01,1,5.00", "B,c1,2024-05-01,1,5.00", "A,c2,2024-05-01,1,5.00"),
        exit_code=3,
        code="E-KEY-1",
        column="order_id",
        rows="2,4 (2 rows)",
    ),
    Case(
        id="A79",
        what="two amounts of one order, where a row is an order",
        contract=ORDERS.replace("order_amount: price", "order_amount: price, quantity: pieces"),
        files=orders(
            "A,c1,2024-05-01,1,5.00", "A,c1,2024-05-01,1,6.00", "A,c1,2024-05-01,1,6.00", "B,c1,2024-05-01,1,6.00"
        ),
        check=lambda source: _rejected_lines(source, 2, 3, 4),
    ),
    Case(
        id="A79",
        what="a customer of whom two rows tell different things",
        contract=shop(CUSTOMERS),
        files=customers("c1,large,", "c2,small,", "c2,large,", "c1,large,"),
        check=lambda source: _rejected_lines(source, 3, 4),
    ),
    Case(
        id="A80",
        what="orders of strangers, and customers without orders: all are kept and counted",
        contract=shop(CUSTOMERS),
        files={
            **customers("c1,s,", "idle,s,", "idler,s,"),
            **orders("A,c1,2024-05-01,1,5.00", "B,who,2024-05-01,1,7.00"),
        },
        warnings={("E-REF-2", "customer_id"): 1, ("E-REF-3", "customer_id"): 2},
        check=lambda source: _sums(source, "who", net=7),
        handler="crm_analysis.cleaning.noticing:notice_strangers",
        without=lambda orders, customers: {},
    ),
]


def _rejected_lines(source, *lines: int) -> None:
    assert [line for line, _ in source.rejects()] == list(lines)


MAY = Run(source="shop", month="2024-05")


def analysed(method: str, look: Callable = lambda result: None, run: Run = MAY, **params: object) -> Callable:
    """Build the source, analyse it, and look at the result while the engine is there."""

    def analyse(source) -> None:
        source.build()
        module = methods.load(method)
        with closing(engine.connect(source.root, "1GB")) as connection:
            result = module.analyse(warehouse.open_tables(source.folder, connection), run, module.Params(**params))
            look(result)

    return analyse


def buyers(n: int, price: str = "5.00", months: tuple[int, ...] = (1, 2, 3, 4, 5)) -> dict[str, str]:
    lines = [f"A{month}-{one},c{one:03},2024-{month:02}-15,1,{price}\n" for month in months for one in range(n)]
    return {"orders.csv": HEADER + "".join(lines)}


def _all_alike(result) -> None:
    scored = engine.collect(result.customers, 1000)
    assert len(scored) == 60
    for score in ("r_score", "f_score", "m_score"):
        assert scored[score].notna().all() and scored[score].nunique() == 1
    assert scored["segment"].nunique() == 1 and result.segments["n_customers"].sum() == 60


def _gaps(source) -> None:
    with closing(engine.connect(source.root, "1GB")) as connection:
        frame, _shape = pulse.measure(warehouse.open_tables(source.folder, connection), MAY, date(2024, 1, 1))
    assert dict(zip(frame["month"], frame["n_orders"], strict=True)) == {
        "2024-01": 60, "2024-02": 0, "2024-03": 0, "2024-04": 0, "2024-05": 60,
    }  # fmt: skip
    assert frame["average_order_amount"].isna().sum() == 3 and not frame["net_amount"].isna().any()


SMALL = [
    *[
        Case(
            id="A81",
            what=f"one customer: {method} says what it needs",
            files={"orders.csv": HEADER + "A,c1,2024-01-15,1,5.00\nB,c1,2024-05-15,1,5.00\n"},
            run=analysed(method),
            exit_code=3,
            code="E-MIN-1",
        )
        for method in ("rfm", "decile", "ltv", "churn")
    ],
    Case(
        id="A82",
        what="customers who are all alike are scored alike",
        files=buyers(60),
        run=analysed("rfm", _all_alike),
    ),
    Case(
        id="A82",
        what="and fill ten groups of equal size, with nobody twice",
        files=buyers(60),
        run=analysed("decile", lambda result: _deciles(result)),
    ),
    Case(
        id="A83",
        what="fewer customers than groups",
        files=buyers(9),
        run=analysed("decile", min_customers=10),
        exit_code=3,
        code="E-MIN-1",
    ),
    Case(
        id="A83",
        what="customers with nothing to tell them apart by",
        files=buyers(60),
        run=analysed("churn", min_customers=10, min_history_days=30),
        exit_code=3,
        code="E-MIN-1",
    ),
    Case(
        id="A84",
        what="one month only, nobody came back: no value of a lifetime is told",
        files=buyers(60, months=(5,)),
        run=analysed("ltv", min_customers=10),
        exit_code=3,
        code="E-MIN-3",
    ),
    Case(
        id="A84",
        what="one month only: scores are told",
        files=buyers(60, months=(5,)),
        run=analysed("rfm", _all_alike),
    ),
    Case(
        id="A84",
        what="months without an order are months of zero",
        files=buyers(60, months=(1, 5)),
        check=_gaps,
        handler="crm_analysis.pulse:_fill",
        without=lambda frame, months: frame.assign(average_order_amount=None, returned_share=0.0),
    ),
]


def _deciles(result) -> None:
    groups = engine.collect(result.customers, 1000).groupby("decile")["customer_id"].nunique()
    assert groups.tolist() == [6] * 10


TEXTS = [
    Case(
        id="A85",
        what="control characters in a name are seen, and counted",
        contract=shop(PRODUCTS),
        files=products("p1,La\x1bmp", 'p2,"two\x0b words\x9b"', "p3,\x07", 'p4,"a\ttab"'),
        warnings={("E-CTRL-3", "product_name"): 3},
        check=repaired("product_name", 3, values("products", "product_name", "La�mp", "two� words�", "�", "a\ttab")),
        handler="crm_analysis.cleaning.texts:_spell",
        without=lambda texts, use, ids: texts,
    ),
    Case(
        id="A86",
        what="characters that turn the reading round, or that nobody sees",
        contract=shop(PRODUCTS),
        files=products(
            "p1,\u202eabc", "p2,a\u2066b\u2069c", "p3,ze\u200bro", "p4,\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
        ),
        warnings={("E-CTRL-3", "product_name"): 3},
        # Persian is spelt with its joiner.
        check=repaired(
            "product_name",
            3,
            values(
                "products", "product_name", "abc", "abc", "zero", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
            ),
        ),
    ),
    Case(
        id="A87",
        what="half a surrogate pair in UTF-8",
        files={
            "orders.csv": orders("A,c1,2024-05-01,1,5.00")["orders.csv"].encode()
            + b"B,c\xed\xa0\x80,2024-05-01,1,5.00\n"
        },
        ledger={("used", None): 1, ("rejected", "E-CTRL-2 customer_id"): 1},
        check=lambda source: _rejected_lines(source, 203),
        handler="crm_analysis.cleaning.texts:_refuse",
        without=lambda column, use, ids: (),
    ),
    Case(
        id="A87",
        what="half a surrogate pair in UTF-16",
        files={
            "orders.csv": b"\xff\xfe"
            + (orders("A,c1,2024-05-01,1,5.00")["orders.csv"] + "B,c?,2024-05-01,1,5.00\n")
            .encode("utf-16-le")
            .replace(b"?\0", b"\x00\xd8")
        },
        ledger={("used", None): 1, ("rejected", "E-CTRL-2 customer_id"): 1},
    ),
    Case(
        id="A88",
        what="names and ids that are too long",
        contract=shop(PRODUCTS),
        files={**products(f"p1,{'x' * 40_000}", f"p2,{'é' * 1000}", f"p3,{'é' * 1001}"), **ids("c" * 200, "ü" * 201)},
        check=lambda source: _too_long(source),
        handler="crm_analysis.cleaning.texts:_refuse",
        without=lambda column, use, ids: (),
    ),
    Case(
        id="A88",
        what="what people say may be long",
        contract="""
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  feedback:
    files: feedback.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {feedback_id: id, given_at: day, feedback_text: text}
""",
        files={"feedback.csv": f"id,day,text\nf1,2024-05-01,{'bad ' * 10_000}\n"},
        check=lambda source: _long_feedback(source),
    ),
    Case(
        id="A89",
        what="letters that no typeface has are told; rare ones and combining marks are there",
        contract=shop(PRODUCTS),
        files=products("p1,Lamp 🦔", "p2,𠮷野家", "p3,Cafe\u0301", "p4,ก"),
        check=lambda source: _missing_letters(source),
        handler="crm_analysis.fonts:missing",
        without=lambda text: set(),
    ),
]


def _too_long(source) -> None:
    reasons = [(row["table"], row["line"], row["reason"]) for row in source.rows("rejects")]
    assert sorted(reasons) == [
        ("order_lines", 3, "E-LEN-1 customer_id"),
        ("products", 2, "E-LEN-1 product_name"),
        ("products", 4, "E-LEN-1 product_name"),
    ]


def _long_feedback(source) -> None:
    assert [len(row["feedback_text"]) for row in source.rows("feedback")] == [39_999]


def _missing_letters(source) -> None:
    names = "".join(row["product_name"] for row in source.rows("products"))
    assert "Café" in names
    assert fonts.missing(names) == {"🦔", "ก"}


FILL = COLUMNS.replace("}", ", line_amount: amount}")


def filled(*lines: str) -> dict[str, str]:
    good = "".join(f"{line},50.00\n" for line in GOOD.splitlines())
    return {"orders.csv": HEADER.replace("\n", ",amount\n") + "".join(f"{line}\n" for line in lines) + good}


# No number in the catalogue is of amounts that follow from others; A60 is the first of those that are read or refused.
DERIVED = [
    Case(
        id="A60",
        what="of quantity, price and amount the third follows, exactly or not at all, and the reader is told",
        contract=shop(columns=FILL),
        files=filled(
            "A,c1,2024-05-01,3,1.25,",
            "B,c1,2024-05-01,4,,5.00",
            "C,c1,2024-05-01,,2.50,5.00",
            "D,c1,2024-05-01,3,,1.00",
            "E,c1,2024-05-01,3,,",
            "F,c1,2024-05-01,2,1.00,1.90",
            "H,c1,2024-05-01,0,,0.00",
            "I,c1,2024-05-01,,,2.00",
        ),  # fmt: skip
        ledger={("used", None): 7, ("rejected", "E-NUM-1 line_amount"): 1},
        warnings={("E-FILL-1", "line_amount"): 1, ("E-FILL-1", "unit_price"): 1, ("E-FILL-1", "quantity"): 1},
        check=lambda source: _filled(source),
        handler="crm_analysis.cleaning.rules:fill_amounts",
        without=lambda rows, table, contract: rows,
    ),
]


def _filled(source) -> None:
    rows = {row["order_id"]: row for row in source.rows("order_lines") if row["order_id"][0] != "G"}
    found = {one: (row["quantity"], row["unit_price"], row["line_amount"]) for one, row in rows.items()}
    number = lambda text: None if text is None else Decimal(text)  # noqa: E731
    assert found == {
        one: tuple(map(number, three))
        for one, three in {
            "A": ("3", "1.25", "3.75"), "B": ("4", "1.25", "5.00"), "C": ("2", "2.50", "5.00"), "D": ("3", None, "1.00"),
            "F": ("2", "1.00", "1.90"), "H": ("0", None, "0.00"), "I": (None, None, "2.00"),
        }.items()
    }  # fmt: skip


CASES = [*IDS, *RETURNED, *NUMBERS, *DATES, *KEYS, *SMALL, *TEXTS, *DERIVED]
