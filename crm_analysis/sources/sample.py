"""The sample company: Harbour & Pine, a made-up European homeware shop, written as ordinary export files.

Why: the default source needs no download, and its truth is known. How customers buy, leave, spend and prefer
is planted (`TRUTH`), and so is the dirt (`DIRT`): methods must find the one, the ledger must show the other.

Customers buy and leave as in the BG/NBD model (Fader, Hardie and Lee 2005, "Counting Your Customers" the Easy
Way, Marketing Science 24(2)). It has no season: the season is in baskets, prices and joining dates.
Same seed, same bytes: nothing here reads the clock, the locale or the order of a set.
In the frames, a column named as in the exports (`Order No`) is written, one in snake_case stays inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
import xlsxwriter

from crm_analysis.sources.sample_words import (
    ACQUISITION_CHANNELS,
    ASSORTMENT,
    BRAND_PRICE_LEVELS,
    CHANNELS,
    COLOURS,
    PATTERNS,
    PRODUCTS_PER_SUBCATEGORY,
    REGIONS,
    SALESPEOPLE,
)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the company is really like."""

    first_day: date = date(2023, 11, 1)
    last_day: date = date(2026, 11, 12)  # so that the last complete month is 2026-10
    # Orders per day of a customer ~ Gamma(r, rate alpha_days). After every order but the first (the paper's
    # likelihood lets nobody leave before the second) the customer leaves with a probability ~ Beta(a, b).
    r: float = 0.42
    alpha_days: float = 38.0
    a: float = 0.5
    b: float = 5.0
    joining_growth: float = 2.0  # customers joining on the last day over the first, season aside
    christmas_joining_factor: float = 1.5  # joining per day, November and December over other months
    # A customer's spend level ~ (spend_shape - 1) / Gamma(spend_shape), as in the gamma-gamma model: mean 1,
    # independent of buying. Lines per order, packs per line: 1 + Poisson(spend level x mean_extra_...).
    spend_shape: float = 6.0
    mean_extra_lines: float = 1.6
    mean_extra_quantity: float = 0.3
    max_quantity: int = 6  # of packs
    business_pack: int = 2  # businesses buy every product in packs of so many, private customers singly
    christmas_basket_factor: float = 1.5  # mean_extra_lines, November and December over other months
    # A line of a known customer is chosen for the customer's favourite category, colour or brand with these
    # probabilities, else by popularity alone; a product chosen twice in one order makes one line.
    favourite_category_prob: float = 0.40
    favourite_colour_prob: float = 0.20
    favourite_brand_prob: float = 0.15
    usual_channel_prob: float = 0.80  # else any channel
    business_share: float = 0.08  # of customers
    walk_in_share: float = 0.06  # of orders, so about of lines: in the store, without a customer
    return_share: float = 0.04  # of lines sold: they come back 3 to 30 days later, whole or in part


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """How many lines of the order files are dirty: exact for every seed, and no line is dirty in two ways.

    All are additional lines, but for padded ids and gifts, which are in real lines of real orders.
    """

    duplicates_in_place: int = 28  # exact copies, right below their originals
    duplicates_in_next_file: int = 12  # the last 4 clean lines of 3 years, again on top of the next file
    blank_lines: int = 12
    broken_dates: int = 5
    quantities_in_words: int = 3
    prices_with_currency: int = 4
    ragged_lines: int = 3  # a price with a decimal comma, and so one cell too many
    test_orders: int = 25  # of one line each, order number TEST-...
    padded_ids: int = 60  # a space or a no-break space at the end of the customer or the item number
    gift_lines: int = 150  # price 0.00


TRUTH = Truth()
DIRT = Dirt()
MIN_CUSTOMERS = 500  # with fewer, the two months of 2023 may lack the lines to soil

N_DAYS = (TRUTH.last_day - TRUTH.first_day).days + 1
DAYS = np.datetime64(TRUTH.first_day) + np.arange(N_DAYS)
MONTHS = DAYS.astype("datetime64[M]").astype(int) % 12  # of DAYS; January is 0
IS_CHRISTMAS = MONTHS >= 10
MINUTES_PER_DAY = 24 * 60
OPENING_MINUTES = (8 * 60, 22 * 60)  # never at night, when summer time skips or repeats an hour
PROMOTION_PROBS = np.array([0.3, 0.05, 0.05, 0.05, 0.05, 0.05, 0.2, 0.05, 0.05, 0.05, 0.35, 0.35])  # by month
DISCOUNT_PERCENTS = (10, 20, 30)

ORDER_COLUMNS = [
    "Order No",
    "Order Date",
    "Customer No",
    "Item No",
    "Quantity",
    "Unit Price",
    "Type",
    "Channel",
    "Salesperson",
]
PRODUCT_COLUMNS = [
    "Item No",
    "Item Name",
    "Department",
    "Category",
    "Subcategory",
    "Colour",
    "Pattern",
    "Material",
    "Brand",
    "List Price",
    "Unit Cost",
]
CUSTOMER_COLUMNS = [
    "Customer No",
    "Name",
    "E-mail",
    "City",
    "Region",
    "Customer Type",
    "Birth Year",
    "Signup Date",
    "Acquisition Channel",
]

BROKEN_DATES = ("{}-02-30 10:00", "31/02/{}", "{}-13-05 09:15", "{}-04-31 16:40", "0000-00-00 00:00")
# Kinds of additional lines in DIRT: the cells of a copied line that change; i numbers the lines of a kind.
SOILED_CELLS = {
    "duplicates_in_place": lambda line, i: {},
    "blank_lines": lambda line, i: dict.fromkeys(ORDER_COLUMNS, ""),
    "broken_dates": lambda line, i: {"Order Date": BROKEN_DATES[i].format(line["file_year"])},
    "quantities_in_words": lambda line, i: {"Quantity": "two"},
    "prices_with_currency": lambda line, i: {"Unit Price": line["Unit Price"] + " EUR"},
    "ragged_lines": lambda line, i: {"Unit Price": line["Unit Price"].replace(".", ",")},
    "test_orders": lambda line, i: {"Order No": f"TEST-{i + 1:04d}"},
}
PADDINGS = (("Customer No", " "), ("Customer No", "\u00a0"), ("Item No", " "), ("Item No", "\u00a0"))


def write_sample_company(folder: Path, *, seed: int = 20231101, n_customers: int = 6000) -> None:
    """Write the exports of the sample company into an empty folder: orders by year, customers, products."""
    if n_customers < MIN_CUSTOMERS:
        raise ValueError(f"n_customers is {n_customers}, must be {MIN_CUSTOMERS} or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    products = draw_products(rng)
    customers = draw_customers(rng, n_customers, products)
    orders = draw_orders(rng, customers)
    sales = draw_sales(rng, orders, customers, products)
    lines = pd.concat([sales, draw_gifts(rng, sales, products), draw_returns(rng, sales)])
    write_orders(folder, add_dirt(rng, spell_lines(lines, customers, products)))
    write_customers(folder / "customers.xlsx", customers)
    write_products(folder / "products.csv", products)


def draw_products(rng: np.random.Generator) -> pd.DataFrame:
    """One row per product. Colours, patterns and brands are dealt out like cards, so that none is missing."""
    kinds = [
        (department, category, subcategory, rng.choice(materials.split()), price)
        for department, category, materials, subcategories in ASSORTMENT
        for subcategory, price in subcategories.items()
        for _ in range(PRODUCTS_PER_SUBCATEGORY)
    ]
    n = len(kinds)
    products = pd.DataFrame(kinds, columns=["Department", "Category", "Subcategory", "Material", "euros"])
    products["Item No"] = [f"P-{number:04d}" for number in range(1, n + 1)]
    products["Colour"] = rng.permutation(np.resize(COLOURS, n))
    products["Pattern"] = rng.permutation(np.resize(PATTERNS, n))
    products["Brand"] = rng.permutation(np.resize(list(BRAND_PRICE_LEVELS), n))
    name_parts = products[["Brand", "Material", "Subcategory", "Colour", "Pattern"]]
    products["Item Name"] = [" ".join(parts) for parts in name_parts.itertuples(index=False)]
    price_level = products["Brand"].map(BRAND_PRICE_LEVELS) * rng.uniform(0.8, 1.25, n)
    products["list_price_cents"] = (products["euros"] * price_level).round().astype(int) * 100 - 10
    products["unit_cost_cents"] = products["list_price_cents"] * rng.integers(35, 61, n) // 100
    products["popularity"] = rng.gamma(1.5, size=n)
    return products


def draw_customers(rng: np.random.Generator, n: int, products: pd.DataFrame) -> pd.DataFrame:
    """One row per customer, numbered in the order of joining, which is the day of the first order."""
    joined_day = np.sort(draw_days(rng, n))
    is_business = rng.random(n) < TRUTH.business_share
    regions = draw_by_share(rng, {region: facts[0] for region, facts in REGIONS.items()}, n)
    people = [draw_person(rng, *facts) for facts in zip(regions, is_business, strict=True)]
    customers = pd.DataFrame(
        {
            "Customer No": [f"C{number:06d}" for number in range(1, n + 1)],
            "Name": [name for name, _ in people],
            "E-mail": [f"c{number:06d}@example.com" for number in range(1, n + 1)],
            "City": [city for _, city in people],
            "Region": regions,
            "Customer Type": np.where(is_business, "Business", "Private"),
            "Birth Year": np.where(is_business, None, rng.triangular(1942, 1980, 2007, n).astype(int)),
            "Signup Date": DAYS[joined_day].astype(object),
            "Acquisition Channel": draw_by_share(rng, ACQUISITION_CHANNELS, n),
            "joined_day": joined_day,
            "usual_channel": draw_by_share(rng, CHANNELS, n),
            "spend_level": (TRUTH.spend_shape - 1) / rng.gamma(TRUTH.spend_shape, size=n),
            "pack": np.where(is_business, TRUTH.business_pack, 1),
        }
    )
    for attribute in ("Category", "Colour", "Brand"):
        customers[f"favourite_{attribute}"] = products[attribute].to_numpy()[draw_items(rng, products, n)]
    return customers


def draw_person(rng: np.random.Generator, region: str, is_business: bool) -> tuple[str, str]:
    """The name and the city of one customer."""
    city, given_name, surname = (rng.choice(names.split()) for names in REGIONS[region][1:])
    if region == "上海":
        return (f"{surname}氏家居" if is_business else surname + given_name), city
    return (f"{surname} & Co" if is_business else f"{given_name} {surname}"), city


def draw_orders(rng: np.random.Generator, customers: pd.DataFrame) -> pd.DataFrame:
    """One row per order, in the order of time; its customer is a row of `customers`, or -1 for a walk-in."""
    customer, day = draw_purchases(rng, customers["joined_day"].to_numpy())
    n_walk_ins = round(len(customer) * TRUTH.walk_in_share / (1 - TRUTH.walk_in_share))
    customer = np.append(customer, np.full(n_walk_ins, -1))
    day = np.append(day, draw_days(rng, n_walk_ins))
    n = len(customer)
    usual_channel = customers["usual_channel"].to_numpy()[customer]
    is_usual = rng.random(n) < TRUTH.usual_channel_prob
    channel = np.where(is_usual, usual_channel, draw_by_share(rng, CHANNELS, n))
    channel[customer < 0] = "Store"
    salesperson = np.empty(n, dtype=object)
    for name, people in SALESPEOPLE.items():
        salesperson[channel == name] = rng.choice(people, (channel == name).sum())
    minute = day * MINUTES_PER_DAY + rng.integers(*OPENING_MINUTES, n)
    orders = {"customer": customer, "minute": minute, "Channel": channel, "Salesperson": salesperson}
    return pd.DataFrame(orders).sort_values("minute", kind="stable", ignore_index=True)


def draw_purchases(rng: np.random.Generator, joined_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """BG/NBD: the customer and the day of every order, drawn in rounds: first orders, second orders, ..."""
    n = len(joined_day)
    daily_rate = rng.gamma(TRUTH.r, 1 / TRUTH.alpha_days, n)
    leaving_prob = rng.beta(TRUTH.a, TRUTH.b, n)
    customer, moment = np.arange(n), joined_day + rng.random(n)
    rounds = [(customer, moment)]
    while len(customer):
        moment = moment + rng.exponential(1 / daily_rate[customer])
        customer, moment = customer[moment < N_DAYS], moment[moment < N_DAYS]
        rounds.append((customer, moment))
        stays = rng.random(len(customer)) >= leaving_prob[customer]
        customer, moment = customer[stays], moment[stays]
    customers, moments = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    return customers, moments.astype(int)


def draw_sales(
    rng: np.random.Generator, orders: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame
) -> pd.DataFrame:
    """One row per line sold: its product (a row of `products`), quantity, and price, at times reduced."""
    customer = orders["customer"].to_numpy()
    spend_level = np.where(customer >= 0, customers["spend_level"].to_numpy()[customer], 1)
    pack = np.where(customer >= 0, customers["pack"].to_numpy()[customer], 1)
    season = np.where(IS_CHRISTMAS[orders["minute"] // MINUTES_PER_DAY], TRUTH.christmas_basket_factor, 1)
    n_lines = 1 + rng.poisson(TRUTH.mean_extra_lines * spend_level * season)
    orders = orders.assign(order=orders.index, spend_level=spend_level, pack=pack, Type="Sale")
    sales = orders.loc[np.repeat(orders.index, n_lines)]
    sales["product"] = draw_favoured_items(rng, sales["customer"].to_numpy(), customers, products)
    sales = sales.drop_duplicates(["order", "product"], ignore_index=True)
    n_packs = 1 + rng.poisson(TRUTH.mean_extra_quantity * sales["spend_level"])
    sales["quantity"] = np.minimum(n_packs, TRUTH.max_quantity) * sales["pack"]
    is_promoted = rng.random(len(sales)) < PROMOTION_PROBS[MONTHS[sales["minute"] // MINUTES_PER_DAY]]
    discount = np.where(is_promoted, rng.choice(DISCOUNT_PERCENTS, len(sales)), 0)
    list_price_cents = products["list_price_cents"].to_numpy()[sales["product"]]
    return sales.assign(price_cents=list_price_cents * (100 - discount) // 100)


def draw_favoured_items(
    rng: np.random.Generator, customer: np.ndarray, customers: pd.DataFrame, products: pd.DataFrame
) -> np.ndarray:
    """One product per line: of the customer's favourite category, colour or brand, or any."""
    probs = [TRUTH.favourite_category_prob, TRUTH.favourite_colour_prob, TRUTH.favourite_brand_prob]
    reason = np.searchsorted(np.cumsum(probs), rng.random(len(customer)), side="right")
    items = draw_items(rng, products, len(customer))
    for number, attribute in enumerate(("Category", "Colour", "Brand")):
        favourite = customers[f"favourite_{attribute}"].to_numpy()[customer]
        for value, group in products.groupby(attribute):
            chosen = (customer >= 0) & (reason == number) & (favourite == value)
            items[chosen] = draw_items(rng, group, chosen.sum())
    return items


def draw_gifts(rng: np.random.Generator, sales: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """A free item in some orders of known customers."""
    first_lines = sales[sales["customer"] >= 0].drop_duplicates("order")
    gifts = first_lines.iloc[np.sort(rng.choice(len(first_lines), DIRT.gift_lines, replace=False))]
    return gifts.assign(product=draw_items(rng, products, len(gifts)), quantity=1, price_cents=0)


def draw_returns(rng: np.random.Generator, sales: pd.DataFrame) -> pd.DataFrame:
    """Lines that come back by the last day, each under a number of its own and with a positive quantity."""
    returns = sales[rng.random(len(sales)) < TRUTH.return_share]
    day = returns["minute"] // MINUTES_PER_DAY + rng.integers(3, 31, len(returns))
    minute = day * MINUTES_PER_DAY + rng.integers(*OPENING_MINUTES, len(returns))
    quantity = rng.integers(1, returns["quantity"] + 1)
    returns = returns.assign(minute=minute, quantity=quantity, Type="Return")[day < N_DAYS]
    return returns.sort_values("minute", kind="stable").assign(order=np.arange((day < N_DAYS).sum()))


def draw_days(rng: np.random.Generator, n: int) -> np.ndarray:
    """Days (0 is the first) on which people come for the first time: ever more, and many before Christmas."""
    season = np.where(IS_CHRISTMAS, TRUTH.christmas_joining_factor, 1)
    weight = np.linspace(1, TRUTH.joining_growth, N_DAYS) * season
    return rng.choice(N_DAYS, n, p=weight / weight.sum())


def draw_by_share(rng: np.random.Generator, shares: dict[str, float], n: int) -> np.ndarray:
    return rng.choice(np.array(list(shares), dtype=object), n, p=list(shares.values()))


def draw_items(rng: np.random.Generator, products: pd.DataFrame, n: int) -> np.ndarray:
    popularity = products["popularity"].to_numpy()
    return rng.choice(products.index.to_numpy(), n, p=popularity / popularity.sum())


def spell_lines(lines: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The lines in the order of time, every cell as the text that the export shows."""
    lines = lines.sort_values(["minute", "Type", "order"], kind="stable", ignore_index=True)
    moments = np.datetime64(TRUTH.first_day, "m") + lines["minute"].to_numpy()
    customer_ids = np.append(customers["Customer No"].to_numpy(dtype=object), "")  # row -1 is a walk-in
    prefixes = lines["Type"].map({"Sale": "SO", "Return": "R"})
    return pd.DataFrame(
        {
            "Order No": prefixes + "-" + (100_001 + lines["order"]).astype(str),
            "Order Date": [text.replace("T", " ") for text in np.datetime_as_string(moments).tolist()],
            "Customer No": customer_ids[lines["customer"]],
            "Item No": products["Item No"].to_numpy()[lines["product"]],
            "Quantity": lines["quantity"].astype(str),
            "Unit Price": [spell_money(cents, ".") for cents in lines["price_cents"]],
            **lines[["Type", "Channel", "Salesperson"]],
            "file_year": moments.astype("datetime64[Y]").astype(int) + 1970,
            "position": np.arange(len(lines), dtype=float),
        }
    )


def spell_money(cents: int, decimal_mark: str) -> str:
    return f"{cents // 100}{decimal_mark}{cents % 100:02d}"


def add_dirt(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with `DIRT`, in lines with a customer and a price only, so that no two kinds look alike."""
    lines = lines.copy()
    clean = lines[(lines["Customer No"] != "") & (lines["Unit Price"] != "0.00")]
    past = clean[clean["file_year"] < TRUTH.last_day.year]
    repeated = past.groupby("file_year").tail(DIRT.duplicates_in_next_file // past["file_year"].nunique())
    untouched = iter(rng.permutation(clean.index.difference(repeated.index)))
    soiled = []
    for kind, soiled_cells in SOILED_CELLS.items():
        for i, row in enumerate(islice(untouched, getattr(DIRT, kind))):
            line = lines.loc[row].to_dict()
            soiled.append(line | soiled_cells(line, i) | {"position": row + 0.5})
    for i, row in enumerate(islice(untouched, DIRT.padded_ids)):
        column, padding = PADDINGS[i % len(PADDINGS)]
        lines.loc[row, column] += padding
    next_year = repeated["file_year"] + 1
    start = next_year.map(lines.groupby("file_year")["position"].min()) - 0.5
    repeated = repeated.assign(file_year=next_year, position=start)
    return pd.concat([lines, pd.DataFrame(soiled), repeated]).sort_values("position", kind="stable")


def write_orders(folder: Path, lines: pd.DataFrame) -> None:
    """One file per year, without quoting, so that ragged and blank lines come out as such."""
    for year, lines_of_year in lines.groupby("file_year"):
        rows = [ORDER_COLUMNS, *lines_of_year[ORDER_COLUMNS].itertuples(index=False)]
        text = "".join((",".join(row) if any(row) else "") + "\r\n" for row in rows)
        (folder / f"orders_{year}.csv").write_bytes(text.encode("utf-8"))


def write_customers(path: Path, customers: pd.DataFrame) -> None:
    """A spreadsheet with date cells, not compressed, since compressed bytes differ between builds of zlib."""
    buffer = BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    workbook.set_properties({"created": datetime(2026, 11, 13, tzinfo=UTC)})
    sheet = workbook.add_worksheet("Customers")
    rows = [CUSTOMER_COLUMNS, *customers[CUSTOMER_COLUMNS].itertuples(index=False)]
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    workbook.close()
    with ZipFile(buffer) as compressed, ZipFile(path, "w", ZIP_STORED) as archive:
        for name in compressed.namelist():
            entry = ZipInfo(name)
            entry.create_system = 3  # Unix, on every system
            archive.writestr(entry, compressed.read(name))


def write_products(path: Path, products: pd.DataFrame) -> None:
    """A file as many European systems write it: semicolons, and decimal commas."""
    products = products.copy()
    for name, cents in {"List Price": "list_price_cents", "Unit Cost": "unit_cost_cents"}.items():
        products[name] = [spell_money(amount, ",") for amount in products[cents]]
    text = products[PRODUCT_COLUMNS].to_csv(sep=";", index=False, lineterminator="\n")
    path.write_bytes(text.encode("utf-8"))
