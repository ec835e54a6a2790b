"""The sample company: its bytes repeat, its truth is in its files, its dirt is counted to the line.

The files are read here with plain Python, so that nothing of our own reading is taken for granted. What is left to chance
must lie within three standard errors of what is planted.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from python_calamine import CalamineWorkbook
from scipy.stats import poisson

from crm_analysis.sources.sample import Company, draw_company, write_sample_company
from crm_analysis.sources.sample_doubles import N_DOUBLES, draw_doubles
from crm_analysis.sources.sample_truth import DIRT, TRUTH

CLEAN_LINE = {
    "Order No": r"(SO|R)-\d{6}",
    "Order Date": r"\d{4}-\d\d-\d\d \d\d:\d\d",
    "Customer No": r"(C\d{6})?",
    "Item No": r"P-\d{4}",
    "Quantity": r"[1-9]\d*",
    "Unit Price": r"\d+\.\d\d",
    "Type": r"Sale|Return",
    "Channel": r"Web|Store|Phone",
    "Salesperson": r"[A-Za-z. ]*",
}
ORDER_DIRT = {kind: n for kind, n in asdict(DIRT).items() if not kind.startswith(("contract_", "record_"))}
ORDER_FILES = ["orders_2023.csv", "orders_2024.csv", "orders_2025.csv", "orders_2026.csv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    write_sample_company(path)
    return path


@pytest.fixture(scope="module")
def text_lines(folder) -> dict[str, list[str]]:
    """The lines of each order file below its header."""
    return {name: (folder / name).read_bytes().decode().split("\r\n")[1:-1] for name in ORDER_FILES}


@pytest.fixture(scope="module")
def clean_lines(text_lines) -> list[dict[str, str]]:
    """The distinct lines that are well formed once their ids are stripped."""
    distinct = dict.fromkeys(line for lines in text_lines.values() for line in lines)
    cells = ([cell.strip() for cell in line.split(",")] for line in distinct)
    lines = (dict(zip(CLEAN_LINE, row, strict=True)) for row in cells if len(row) == len(CLEAN_LINE))
    return [line for line in lines if not faults(line)]


@pytest.fixture(scope="module")
def orders_of_customers(clean_lines) -> dict[str, set[str]]:
    orders = defaultdict(set)
    for line in clean_lines:
        if line["Type"] == "Sale" and line["Customer No"]:
            orders[line["Customer No"]].add(line["Order No"])
    return orders


@pytest.fixture(scope="module")
def company() -> Company:
    """The truth behind the files in `folder`."""
    return draw_company()


@pytest.fixture(scope="module")
def first_lines(clean_lines) -> list[dict[str, str]]:
    """The first line of each order: a further one of the same product is dropped, so that only first lines are fair."""
    lines = {}
    for line in clean_lines:
        if line["Type"] == "Sale":
            lines.setdefault(line["Order No"], line)
    return list(lines.values())


def assert_chances(is_so: np.ndarray, probs: np.ndarray) -> None:
    """That as many are so as their probabilities give."""
    assert abs(is_so.sum() - probs.sum()) < 3 * math.sqrt((probs * (1 - probs)).sum())


def faults(line: dict[str, str]) -> list[str]:
    """The columns whose text is not what the shop system writes, or is no date of the calendar."""
    wrong = [column for column, pattern in CLEAN_LINE.items() if not re.fullmatch(pattern, line[column])]
    try:
        datetime.fromisoformat(line["Order Date"])
    except ValueError:
        wrong.append("Order Date")
    return list(dict.fromkeys(wrong))


def count_dirt(lines_of_files: list[list[str]]) -> dict[str, int]:
    """What `Dirt` counts of orders, counted again from the text."""
    dirt = Counter(dict.fromkeys(ORDER_DIRT, 0))
    seen = set()
    for lines in lines_of_files:
        seen_before_this_file = set(seen)
        for text in lines:
            if not text:
                dirt["blank_lines"] += 1
            elif text in seen_before_this_file:
                dirt["duplicates_in_next_file"] += 1
            elif text in seen:
                dirt["duplicates_in_place"] += 1
            elif kind := kind_of_dirt(text.split(",")):
                dirt[kind] += 1
            seen.add(text)
    return dict(dirt)


def kind_of_dirt(cells: list[str]) -> str | None:
    if len(cells) > len(CLEAN_LINE):
        return "ragged_lines"
    line = dict(zip(CLEAN_LINE, cells, strict=True))
    match faults(line):
        case []:
            return "gift_lines" if line["Unit Price"] == "0.00" else None
        case ["Order Date"]:
            return "broken_dates"
        case ["Quantity"]:
            return "quantities_in_words"
        case ["Unit Price"] if line["Unit Price"].endswith(" EUR"):
            return "prices_with_currency"
        case ["Order No"] if line["Order No"].startswith("TEST-"):
            return "test_orders"
        case ["Customer No" | "Item No" as column] if line[column] != line[column].rstrip(" \u00a0"):
            return "padded_ids"
        case wrong:
            raise AssertionError(f"dirt of no known kind in {wrong}: {cells}")


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def amount(line: dict[str, str]) -> Decimal:
    sign = -1 if line["Type"] == "Return" else 1
    return sign * int(line["Quantity"]) * Decimal(line["Unit Price"])


def read_customers(folder: Path) -> tuple[list[str], list[dict]]:
    workbook = CalamineWorkbook.from_path(str(folder / "customers.xlsx"))
    assert workbook.sheet_names == ["Customers"]
    header, *rows = workbook.get_sheet_by_name("Customers").to_python()
    return header, [dict(zip(header, row, strict=True)) for row in rows]


def test_writes_the_exports_and_nothing_else(folder):
    records = ["campaign_contacts.csv", "campaigns.csv", "deals.csv", "invoices.csv", "reviews.csv", "tickets.csv"]
    others = ["contracts.csv", "customers.xlsx", "products.csv"]
    assert sorted(hashes(folder)) == sorted([*ORDER_FILES, *others, *records])


def test_same_seed_same_bytes(folder, tmp_path):
    write_sample_company(tmp_path)
    assert hashes(tmp_path) == hashes(folder)


def test_same_bytes_in_a_process_with_other_hashes_clock_zone_and_locale(folder, tmp_path):
    code = "import sys, pathlib; from crm_analysis.sources.sample import write_sample_company as write; "
    code += "write(pathlib.Path(sys.argv[1]))"
    other = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Shanghai", "LC_ALL": "de_DE.UTF-8", "PYTHONUTF8": "0"}
    environment = {**os.environ, **other, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    assert hashes(tmp_path) == hashes(folder)


def test_other_seed_other_bytes(tmp_path):
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        write_sample_company(tmp_path / str(seed), seed=seed, n_customers=500)
    one, two = hashes(tmp_path / "1"), hashes(tmp_path / "2")
    assert [name for name in one if one[name] == two[name]] == ["campaigns.csv"]


def test_too_few_customers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n_customers is 499"):
        write_sample_company(tmp_path, n_customers=499)
    assert list(tmp_path.iterdir()) == []


def test_dirt_is_exactly_what_is_declared(text_lines):
    assert count_dirt(list(text_lines.values())) == ORDER_DIRT


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_dirt_is_exact_for_any_seed_and_a_small_company(tmp_path, seed):
    write_sample_company(tmp_path, seed=seed, n_customers=500)
    text_lines = [(tmp_path / name).read_bytes().decode().split("\r\n")[1:-1] for name in ORDER_FILES]
    assert count_dirt(text_lines) == ORDER_DIRT


def test_each_later_file_starts_with_the_last_lines_of_the_year_before(text_lines):
    for earlier, later in zip(ORDER_FILES, ORDER_FILES[1:], strict=False):
        first = text_lines[later][: DIRT.duplicates_in_next_file // 3]
        assert set(first) <= set(text_lines[earlier])
        assert {line.split(",")[1][:4] for line in first} == {earlier[7:11]}


def test_orders_fill_the_period_in_order(clean_lines):
    days = [datetime.fromisoformat(line["Order Date"]).date() for line in clean_lines]
    assert (min(days), max(days)) == (date(2023, 11, 1), date(2026, 11, 12))
    assert days == sorted(days)
    assert 60_000 <= len(clean_lines) <= 100_000


def test_an_order_has_one_customer_moment_and_channel(clean_lines):
    facts = defaultdict(set)
    for line in clean_lines:
        columns = ("Order Date", "Customer No", "Channel", "Salesperson")
        facts[line["Order No"]].add(tuple(line[column] for column in columns))
    assert all(len(found) == 1 for found in facts.values())


def test_repeat_share(orders_of_customers):
    n_orders = [len(orders) for orders in orders_of_customers.values()]
    assert len(n_orders) == 6000
    assert 25_000 <= sum(n_orders) <= 35_000
    assert 0.55 <= sum(n > 1 for n in n_orders) / len(n_orders) <= 0.65


def test_share_of_sales_of_the_top_fifth(clean_lines):
    amounts = defaultdict(Decimal)
    for line in clean_lines:
        if line["Customer No"]:
            amounts[line["Customer No"]] += amount(line)
    ranked = sorted(amounts.values(), reverse=True)
    assert Decimal("0.60") <= sum(ranked[: len(ranked) // 5]) / sum(ranked) <= Decimal("0.70")


def test_walk_ins_and_returns(clean_lines):
    sales = [line for line in clean_lines if line["Type"] == "Sale"]
    returns = [line for line in clean_lines if line["Type"] == "Return"]
    walk_ins = [line for line in sales if not line["Customer No"]]
    assert len(walk_ins) / len(sales) == pytest.approx(TRUTH.walk_in_share, abs=0.006)
    assert {line["Channel"] for line in walk_ins} == {"Store"}
    assert len(returns) / len(sales) == pytest.approx(TRUTH.return_share, abs=0.004)


def test_a_return_has_its_own_number_and_follows_its_sale_by_3_to_30_days(clean_lines):
    sold, returns = defaultdict(list), []
    for line in clean_lines:
        key = line["Customer No"], line["Item No"], line["Unit Price"], line["Channel"], line["Salesperson"]
        day = datetime.fromisoformat(line["Order Date"]).date()
        if line["Type"] == "Sale":
            sold[key].append((day, int(line["Quantity"])))
        else:
            returns.append((key, line["Order No"], day, int(line["Quantity"])))
    assert all(number.startswith("R-") for _, number, _, _ in returns)
    assert len({number for _, number, _, _ in returns}) == len(returns)
    for key, _, day, quantity in returns:
        assert any(3 <= (day - sale_day).days <= 30 and quantity <= n for sale_day, n in sold[key])


def test_november_and_december_have_larger_baskets(clean_lines):
    sales = [line for line in clean_lines if line["Type"] == "Sale"]
    n_lines = Counter((line["Order Date"][5:7] in ("11", "12"), line["Order No"]) for line in sales)
    christmas = [n for (is_christmas, _), n in n_lines.items() if is_christmas]
    other = [n for (is_christmas, _), n in n_lines.items() if not is_christmas]
    assert sum(christmas) / len(christmas) > 1.2 * sum(other) / len(other)


def test_customers_keep_to_their_favourite_category(folder, clean_lines):
    """The category bought most in the first half of a customer's lines, and its share of the second half."""
    with open(folder / "products.csv", encoding="utf-8", newline="") as file:
        category = {row["Item No"]: row["Category"] for row in csv.DictReader(file, delimiter=";")}
    bought = defaultdict(list)
    for line in clean_lines:
        if line["Type"] == "Sale" and line["Customer No"]:
            bought[line["Customer No"]].append(category[line["Item No"]])
    shares = []
    for categories in bought.values():
        if len(categories) >= 40:
            early, late = categories[: len(categories) // 2], categories[len(categories) // 2 :]
            favourite = Counter(early).most_common(1)[0][0]
            shares.append(late.count(favourite) / len(late))
    assert len(shares) > 100
    assert sum(shares) / len(shares) > TRUTH.favourite_category_prob


def test_customers_sheet(folder, orders_of_customers):
    header, customers = read_customers(folder)
    assert header == [
        "Customer No",
        "Name",
        "E-mail",
        "City",
        "Region",
        "Customer Type",
        "Birth Year",
        "Signup Date",
        "Acquisition Channel",
        "Phone",
        "Postcode",
    ]
    customers, doubles = customers[:-N_DOUBLES], customers[-N_DOUBLES:]
    assert len({customer["Phone"] for customer in customers}) == len(customers)
    assert {customer["Customer No"] for customer in customers} == set(orders_of_customers)
    assert not {customer["Customer No"] for customer in doubles} & set(orders_of_customers)
    assert all(customer["E-mail"].endswith("@example.com") for customer in customers)
    assert all(type(customer["Signup Date"]) is date for customer in customers)
    without_birth_year = {customer["Customer Type"] for customer in customers if customer["Birth Year"] == ""}
    assert without_birth_year == {"Business"}
    names = {customer["Name"] for customer in customers if customer["Region"] == "上海"}
    assert "王芳" in names
    assert all(re.fullmatch(r"[\u4e00-\u9fff]{2,5}", name) for name in names)


def test_signup_is_the_day_of_the_first_order(folder, clean_lines):
    _, customers = read_customers(folder)
    signup = {customer["Customer No"]: customer["Signup Date"].isoformat() for customer in customers[:-N_DOUBLES]}
    first = {}
    for line in clean_lines:
        first.setdefault(line["Customer No"], line["Order Date"][:10])
    del first[""]
    assert first == signup


def test_doubles_are_customers_written_again(company):
    doubles = draw_doubles(company.customers, 20231101)
    first = company.customers.set_index("Customer No").loc[doubles["same_as"]]
    assert doubles["Customer No"].is_unique and not doubles["Customer No"].isin(company.customers["Customer No"]).any()
    assert (doubles["Postcode"].to_numpy() == first["Postcode"].to_numpy()).all()
    assert (doubles["Signup Date"].to_numpy() > first["Signup Date"].to_numpy()).all()
    assert not (doubles["E-mail"].isna() & doubles["Phone"].isna()).any()
    assert (doubles["Name"].to_numpy() != first["Name"].to_numpy()).mean() > 0.9


def test_products_file(folder, clean_lines):
    text = (folder / "products.csv").read_bytes().decode()
    header, *lines = text.removesuffix("\n").split("\n")
    assert header == (
        "Item No;Item Name;Department;Category;Subcategory;Colour;Pattern;Material;Brand;List Price;Unit Cost"
    )
    products = {line.split(";")[0]: line.split(";") for line in lines}
    assert len(products) == len(lines) == 240
    for cells in products.values():
        list_price, unit_cost = (Decimal(cell.replace(",", ".")) for cell in cells[-2:])
        assert re.fullmatch(r"\d+,\d\d", cells[-1])
        assert 0 < unit_cost < list_price
    assert {line["Item No"] for line in clean_lines} == set(products)


# --- the truth behind the orders -------------------------------------------------------------------------------------


def test_who_left_did_so_with_their_last_order_and_not_with_their_first(company, orders_of_customers, clean_lines):
    days = {line["Order No"]: line["Order Date"][:10] for line in clean_lines}
    ordered = {customer: [days[order] for order in orders] for customer, orders in orders_of_customers.items()}
    left = company.customers.set_index("Customer No")["left_date"].dropna()
    assert 1000 < len(left) < 5000
    for customer, day in left.items():
        assert max(ordered[customer]) == f"{day:%Y-%m-%d}"
        assert len(ordered[customer]) > 1


def test_customers_order_at_their_rate_while_they_come(company, orders_of_customers):
    customers = company.customers
    last_day = pd.Timestamp(TRUTH.last_day)
    signed_up = pd.to_datetime(customers["Signup Date"])
    # Both ends lie anywhere in their day, but for the last day, which is whole.
    n_days = (customers["left_date"].fillna(last_day) - signed_up).dt.days + 0.5 * customers["left_date"].isna()
    expected = customers["daily_rate"] * n_days
    n_repeat_orders = customers["Customer No"].map(orders_of_customers).map(len) - 1
    for is_often in (False, True):
        group = (customers["daily_rate"] > TRUTH.r / TRUTH.alpha_days) == is_often
        assert abs(n_repeat_orders[group].sum() - expected[group].sum()) < 3 * math.sqrt(expected[group].sum())


def test_customers_leave_with_their_probability_after_every_repeat_order(company, orders_of_customers):
    customers = company.customers
    n_repeat_orders = customers["Customer No"].map(orders_of_customers).map(len) - 1
    prob = customers["leaving_prob"]
    variance = (n_repeat_orders * prob * (1 - prob)).sum()
    assert abs(customers["left_date"].notna().sum() - (n_repeat_orders * prob).sum()) < 3 * math.sqrt(variance)


def test_customers_buy_as_many_packs_as_their_spend_level_says(company, clean_lines):
    customers = company.customers.set_index("Customer No")
    sales = [line for line in clean_lines if line["Type"] == "Sale" and line["Customer No"]]
    sales = [line for line in sales if line["Unit Price"] != "0.00"]
    who = customers.loc[[line["Customer No"] for line in sales]]
    mean_extra = TRUTH.mean_extra_quantity * who["spend_level"].to_numpy()
    found = np.array([int(line["Quantity"]) for line in sales]) / who["pack"].to_numpy()
    counts = np.arange(TRUTH.max_quantity - 1)
    expected = 1 + poisson.sf(counts[:, np.newaxis], mean_extra).sum(axis=0)
    assert abs((found - expected).sum()) < 3 * math.sqrt(mean_extra.sum())


def product_probs(company: Company, is_late: bool) -> np.ndarray:
    """The probability that a line of a customer (row) is of a product (column), before or after the colour rises."""
    products, customers = company.products, company.customers
    rises = is_late & (products["Colour"] == TRUTH.rising_colour)
    weight = (products["popularity"] * np.where(rises, TRUTH.rising_factor, 1)).to_numpy()
    prob_of = {"Category": TRUTH.favourite_category_prob, "Colour": TRUTH.favourite_colour_prob,
               "Brand": TRUTH.favourite_brand_prob}  # fmt: skip
    probs = (1 - sum(prob_of.values())) * weight / weight.sum() + np.zeros((len(customers), 1))
    for attribute, prob in prob_of.items():
        favourite = customers[f"favourite_{attribute}"].to_numpy()[:, np.newaxis]
        favoured = weight * (products[attribute].to_numpy() == favourite)
        probs += prob * favoured / favoured.sum(axis=1, keepdims=True)
    return probs


def is_after_rise(line: dict[str, str]) -> bool:
    return line["Order Date"] >= TRUTH.rising_from.isoformat()


@pytest.mark.parametrize("attribute", ["Category", "Colour", "Brand"])
def test_favourites_are_bought_as_planted_from_the_first_order_to_the_last(company, first_lines, attribute):
    row_of = {number: row for row, number in enumerate(company.customers["Customer No"])}
    product_of = company.products.set_index("Item No")[attribute]
    favourite = company.customers[f"favourite_{attribute}"].to_numpy()
    is_favourite = company.products[attribute].to_numpy() == favourite[:, np.newaxis]
    probs = {is_late: (product_probs(company, is_late) * is_favourite).sum(axis=1) for is_late in (False, True)}
    found = defaultdict(list)
    for line in first_lines:
        if line["Customer No"]:
            row = row_of[line["Customer No"]]
            days = (datetime.fromisoformat(line["Order Date"]).date() - company.customers["Signup Date"][row]).days
            is_so = product_of[line["Item No"]] == favourite[row]
            found[min(days // 180, 4)].append((is_so, probs[is_after_rise(line)][row]))
    assert sorted(found) == [0, 1, 2, 3, 4]
    for half_year in found.values():
        assert_chances(*np.array(half_year).T)
    assert_chances(*np.concatenate(list(found.values())).T)


def test_one_colour_rises_by_its_factor(company, first_lines):
    row_of = {number: row for row, number in enumerate(company.customers["Customer No"])}
    colour_of = company.products.set_index("Item No")["Colour"]
    is_rising = (company.products["Colour"] == TRUTH.rising_colour).to_numpy()
    shares = []
    for is_late in (False, True):
        probs = product_probs(company, is_late)[:, is_rising].sum(axis=1)
        lines = [line for line in first_lines if line["Customer No"] and is_after_rise(line) == is_late]
        is_so = np.array([colour_of[line["Item No"]] == TRUTH.rising_colour for line in lines])
        assert_chances(is_so, probs[[row_of[line["Customer No"]] for line in lines]])
        shares.append(is_so.mean())
    assert shares[1] > 1.5 * shares[0]
