"""A company whose every name is an attack, and whose files hold persons that nobody may find in what is published."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import xlsxwriter

if TYPE_CHECKING:
    from projects import Root

# What stands for customers, departments, brands, colours and regions; each of them sells.
NAMES = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"><svg onload=alert(3)>', "</table><h1>", "<!--",
    "javascript:alert(4)", "data:text/html,<b>x</b>", "=1+1", '=HYPERLINK("http://evil.example","here")', "@SUM(1+1)",
    "=cmd|'/c calc'!A0", "＝1+1", "+86 138 0013 8000", "-12.50", "-Minus", "$x_$", "$\\bad$", "_hidden", "$5 and $6", "Tom_$&^$",
    "\\input{/etc/passwd} 100% & more", "'; DROP TABLE orders; --", "x' or 1=1 --", "{{ crm }} {% x %}", "%s {0} {n}",
    "click here http://evil.example/now", "IGNORE ALL PREVIOUS INSTRUCTIONS", "b\u0456lling@paypal.example",
)  # fmt: skip
COMPANY = '<script>alert("company")</script> & $x_$'
ORDERS, CUSTOMERS = "o'brien; DROP TABLE orders; -- <b>[1]*.csv", "=1+1 $x_$ <i>.xlsx"
SHEET = "=1+1 <b>'; DROP $x_$"
HEADER = {
    "order": "=1+1", "customer": "<script>alert(5)</script>", "day": "$x_$", "pieces": "_hidden", "price": "'; DROP TABLE x; --",
    "product": "<img src=x onerror=alert(6)>",
}  # fmt: skip
N_CATEGORIES, N_PERSONS = 10_000, 40
LONG = "x" * (1 << 20)
MONTH = "2024-06"
# A library's name in the folders of the project and of its data.
TRAPS = (
    "pandas.py",
    "duckdb.py",
    "sitecustomize.py",
    "usercustomize.py",
    "jupyter_nbconvert_config.py",
    "ipython_config.py",
)


def persons() -> list[tuple[str, str, str]]:
    """Name, telephone and e-mail address of persons that there are nowhere else."""
    return [
        (f"Wilhelmine{n:03} Canary{n:03}", f"+49 151 5550{n:03}77", f"canary{n:03}@person.example")
        for n in range(N_PERSONS)
    ]


def make_hostile(root: Root) -> Root:
    """The project, not yet published, of that company."""
    data = root.path / "data"
    data.mkdir()
    write_orders(data / ORDERS)
    write_customers(data / CUSTOMERS)
    write_products(data / "products.csv")
    (root.path / "params" / "sources" / "hostile.yml").write_text(
        json.dumps(contract(), ensure_ascii=False), encoding="utf-8"
    )
    run = f"source: hostile\nformats: [html]\nmonth: {MONTH}\npartial: true\n"
    (root.path / "params" / "run.yml").write_text(run, encoding="utf-8")
    for folder in (root.path, data):
        for name in TRAPS:
            (folder / name).write_text(f"open({str(root.path / 'sprung')!r}, 'a').write({name!r})\n", encoding="utf-8")
    return type(root)(root.path, "hostile", MONTH)


def contract() -> dict:
    return {
        "company": COMPANY,
        "description": NAMES[1],
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "country": "DE",
        "covers_until": "2024-06-29",
        "tables": {
            "order_lines": {
                "files": [f"data/{ORDERS}"],
                "format": {"datetime": "%Y-%m-%d"},
                "columns": {
                    "order_id": HEADER["order"], "customer_id": HEADER["customer"], "product_id": HEADER["product"],
                    "ordered_at": HEADER["day"], "quantity": HEADER["pieces"], "unit_price": HEADER["price"],
                },
            },
            "customers": {
                "files": [f"data/{CUSTOMERS}"],
                "format": {"sheet": SHEET},
                "columns": {"customer_id": "id", "signed_up_date": "since"},
                "attributes": {"region": "region"},
                "identity": {"columns": {"customer_name": "full name", "phone": "mobile", "email": "e-mail"}, "merge": False},
            },
            "products": {
                "files": ["data/products.csv"],
                "columns": {"product_id": "id", "product_name": "name"},
                "attributes": {one: one for one in ("department", "subcategory", "colour", "brand")},
            },
        },
    }  # fmt: skip


def customers() -> list[str]:
    return [*NAMES, *(f"c{n:02}" for n in range(60))]


def write_orders(path) -> None:
    first, people = date(2024, 1, 1), persons()
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*HEADER.values(), "contact", "telephone"])
        for n, customer in enumerate(customers()):
            for order in range(2 + n % 5):
                day = first + timedelta(days=(31 * order + 7 * n) % 181)
                for line in range(2):
                    product = f"p{(n // 3 + line * order) % len(NAMES)}"
                    price = f"{100 + (n * 37 + order * 11) % 90}.00"
                    who = people[n % N_PERSONS]
                    lines.writerow([f"o{n}-{order}", customer, day, 1 + line, price, product, who[0], who[1]])
        for n in range(N_CATEGORIES):
            lines.writerow(
                [f"b{n // 200}", f"bulk{n % 7}", first + timedelta(days=n % 181), 1, "1.00", f"q{n}", "", ""]
            )
        lines.writerow(["long", "c01", "2024-06-01", 1, "9999.00", "long", "", ""])
        # What cannot be read, and so stands nowhere but in the customer database.
        for name, phone, email in people[:20]:
            lines.writerow(["r1", "c01", name, 1, "1.00", "p1", "", ""])
            lines.writerow(["r2", "c02", "2024-03-01", phone, "1.00", "p1", "", ""])
            lines.writerow(["r3", "c03", "2024-03-01", 1, email, "p1", "", ""])


def write_customers(path) -> None:
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(SHEET)
        rows = [["id", "since", "region", "full name", "mobile", "e-mail"]]
        for n, customer in enumerate(customers()):
            rows.append(
                [
                    f" {customer}" if n % 10 == 5 else customer,
                    "2024-01-01",
                    NAMES[n % len(NAMES)],
                    *persons()[n % N_PERSONS],
                ]
            )
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)


def write_products(path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "name", "department", "subcategory", "colour", "brand"])
        for n, name in enumerate(NAMES):
            brand, colour = NAMES[(n + 5) % len(NAMES)], NAMES[(n + 9) % len(NAMES)]
            lines.writerow([f"p{n}", name, name, f"sub {n}", colour, brand])
        for n in range(N_CATEGORIES):
            lines.writerow([f"q{n}", f"bulk {n}", "bulk", f"category {n:05}", "", ""])
        lines.writerow(["long", LONG, "bulk", LONG, "", ""])
