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
from pathlib import Path

import numpy as np
import pandas as pd

from crm_analysis.sources.sample_contracts import draw_contracts
from crm_analysis.sources.sample_doubles import draw_doubles
from crm_analysis.sources.sample_export import (
    add_contract_dirt,
    add_dirt,
    spell_contracts,
    spell_lines,
    write_contracts,
    write_customers,
    write_orders,
    write_products,
)
from crm_analysis.sources.sample_records import draw_records
from crm_analysis.sources.sample_records_export import add_record_dirt, spell_records, write_records
from crm_analysis.sources.sample_truth import (
    DAYS,
    DIRT,
    IS_CHRISTMAS,
    MINUTES_PER_DAY,
    MONTHS,
    N_DAYS,
    OPENING_MINUTES,
    TRUTH,
)
from crm_analysis.sources.sample_words import (
    ACQUISITION_CHANNELS,
    ASSORTMENT,
    BRAND_PRICE_LEVELS,
    CHANNELS,
    COLOURS,
    CONTACT_FORMS,
    PATTERNS,
    PRODUCTS_PER_SUBCATEGORY,
    REGIONS,
    SALESPEOPLE,
    draw_by_share,
)

MIN_CUSTOMERS = 500  # with fewer, the two months of 2023 may lack the lines to soil

PROMOTION_PROBS = np.array([0.3, 0.05, 0.05, 0.05, 0.05, 0.05, 0.2, 0.05, 0.05, 0.05, 0.35, 0.35])  # by month
DISCOUNT_PERCENTS = (10, 20, 30)


@dataclass(frozen=True, kw_only=True)
class Company:
    """The sample company: what it exports, and the truth behind it.

    products: one row each, with its `popularity`.
    customers: one row each, with `daily_rate` (orders per day while they come), `leaving_prob`, `left_date` (day of the
      order after which they never come again; NaT where that is not by the last day), `spend_level`, `pack` and
      `favourite_Category`, `favourite_Colour`, `favourite_Brand`.
    contracts: one row each, see draw_contracts.
    records: invoices, tickets, deals, reviews and campaign contacts, see draw_records.
    order_lines, contract_lines, record_lines: text as exported, dirt included.
    """

    products: pd.DataFrame
    customers: pd.DataFrame
    contracts: pd.DataFrame
    records: dict[str, pd.DataFrame]
    order_lines: pd.DataFrame
    contract_lines: pd.DataFrame
    record_lines: dict[str, pd.DataFrame]


def write_sample_company(folder: Path, *, seed: int = 20231101, n_customers: int = 6000) -> None:
    """Write the exports of the sample company into an empty folder: orders by year, customers, products, contracts, and what it
    records beside them."""
    company = draw_company(seed=seed, n_customers=n_customers)
    write_orders(folder, company.order_lines)
    doubles = draw_doubles(company.customers, seed)
    write_customers(folder / "customers.xlsx", pd.concat([company.customers, doubles], ignore_index=True))
    write_products(folder / "products.csv", company.products)
    write_contracts(folder / "contracts.csv", company.contract_lines)
    write_records(folder, company.record_lines)


def draw_company(*, seed: int = 20231101, n_customers: int = 6000) -> Company:
    """The company that write_sample_company writes for this seed and size."""
    if n_customers < MIN_CUSTOMERS:
        raise ValueError(f"n_customers is {n_customers}, must be {MIN_CUSTOMERS} or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    # Contracts, records and how to reach a customer have streams of their own: whatever changes in them, the orders stay.
    contract_rng, record_rng, contact_rng = rng.spawn(3)
    products = draw_products(rng)
    customers = add_contact_details(contact_rng, draw_customers(rng, n_customers, products))
    customers, purchases = draw_purchases(rng, customers)
    orders = draw_orders(rng, customers, purchases)
    sales = draw_sales(rng, orders, customers, products)
    lines = pd.concat([sales, draw_gifts(rng, sales, products), draw_returns(rng, sales)])
    contracts = draw_contracts(contract_rng, orders, customers)
    records = draw_records(record_rng, orders, sales, customers, products)
    return Company(
        products=products,
        customers=customers,
        contracts=contracts,
        records=records,
        order_lines=add_dirt(rng, spell_lines(lines, customers, products)),
        contract_lines=add_contract_dirt(contract_rng, spell_contracts(contracts)),
        record_lines=add_record_dirt(record_rng, spell_records(records)),
    )


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
        items = draw_items(rng, products, np.zeros(n, dtype=bool))
        customers[f"favourite_{attribute}"] = products[attribute].to_numpy()[items]
    return customers


def draw_person(rng: np.random.Generator, region: str, is_business: bool) -> tuple[str, str]:
    """The name and the city of one customer."""
    city, given_name, surname = (rng.choice(names.split()) for names in REGIONS[region][1:])
    if region == "上海":
        return (f"{surname}氏家居" if is_business else surname + given_name), city
    return (f"{surname} & Co" if is_business else f"{given_name} {surname}"), city


def add_contact_details(rng: np.random.Generator, customers: pd.DataFrame) -> pd.DataFrame:
    """`Phone`, each customer's own and written in one of three ways, and `Postcode`."""
    numbers = 5_000_000 + rng.permutation(2_000_000)[: len(customers)]
    style, digits = rng.integers(0, 3, len(customers)), rng.integers(0, 10, (len(customers), 8))
    letters = rng.choice(list("ABDEGHJKLNPRSTUWXYZ"), (len(customers), 8))
    phones, postcodes = [], []
    for row, region in enumerate(customers["Region"]):
        country, area, postcode = CONTACT_FORMS[region]
        trunk = "" if area.startswith("0") or region in ("Andalucía", "Mazowsze") else "0"
        own = f"{numbers[row]}" + ("0" if region in ("Bretagne", "上海") else "")
        written = (f"{country} {area} {own}", f"{trunk}{area}/{own}", f"00{country[1:]}{area}{own}")
        phones.append(written[style[row]])
        forms = {"#": digits[row], "@": letters[row]}
        postcodes.append("".join(str(forms[one][place]) if one in forms else one for place, one in enumerate(postcode)))
    return customers.assign(Phone=phones, Postcode=postcodes)


def draw_purchases(rng: np.random.Generator, customers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """BG/NBD: the customers with what makes them buy and leave, and the customer and the day of every order.

    Drawn in rounds: first orders, second orders, ...
    """
    n = len(customers)
    daily_rate = rng.gamma(TRUTH.r, 1 / TRUTH.alpha_days, n)
    leaving_prob = rng.beta(TRUTH.a, TRUTH.b, n)
    left_date = np.full(n, np.datetime64("NaT", "D"))
    customer, moment = np.arange(n), customers["joined_day"].to_numpy() + rng.random(n)
    rounds = [(customer, moment)]
    while len(customer):
        moment = moment + rng.exponential(1 / daily_rate[customer])
        customer, moment = customer[moment < N_DAYS], moment[moment < N_DAYS]
        rounds.append((customer, moment))
        stays = rng.random(len(customer)) >= leaving_prob[customer]
        left_date[customer[~stays]] = DAYS[moment[~stays].astype(int)]
        customer, moment = customer[stays], moment[stays]
    buyers, moments = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    customers = customers.assign(daily_rate=daily_rate, leaving_prob=leaving_prob, left_date=left_date)
    return customers, pd.DataFrame({"customer": buyers, "day": moments.astype(int)})


def draw_orders(rng: np.random.Generator, customers: pd.DataFrame, purchases: pd.DataFrame) -> pd.DataFrame:
    """One row per order, in the order of time; its customer is a row of `customers`, or -1 for a walk-in."""
    customer, day = purchases["customer"].to_numpy(), purchases["day"].to_numpy()
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
    sales["product"] = draw_favoured_items(rng, sales, customers, products)
    sales = sales.drop_duplicates(["order", "product"], ignore_index=True)
    n_packs = 1 + rng.poisson(TRUTH.mean_extra_quantity * sales["spend_level"])
    sales["quantity"] = np.minimum(n_packs, TRUTH.max_quantity) * sales["pack"]
    is_promoted = rng.random(len(sales)) < PROMOTION_PROBS[MONTHS[sales["minute"] // MINUTES_PER_DAY]]
    discount = np.where(is_promoted, rng.choice(DISCOUNT_PERCENTS, len(sales)), 0)
    list_price_cents = products["list_price_cents"].to_numpy()[sales["product"]]
    return sales.assign(price_cents=list_price_cents * (100 - discount) // 100)


def draw_favoured_items(
    rng: np.random.Generator, sales: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame
) -> np.ndarray:
    """One product per line: of the customer's favourite category, colour or brand, or any."""
    customer, is_late = sales["customer"].to_numpy(), rises(sales["minute"])
    probs = [TRUTH.favourite_category_prob, TRUTH.favourite_colour_prob, TRUTH.favourite_brand_prob]
    reason = np.searchsorted(np.cumsum(probs), rng.random(len(customer)), side="right")
    items = draw_items(rng, products, is_late)
    for number, attribute in enumerate(("Category", "Colour", "Brand")):
        favourite = customers[f"favourite_{attribute}"].to_numpy()[customer]
        for value, group in products.groupby(attribute):
            chosen = (customer >= 0) & (reason == number) & (favourite == value)
            items[chosen] = draw_items(rng, group, is_late[chosen])
    return items


def draw_gifts(rng: np.random.Generator, sales: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """A free item in some orders of known customers."""
    first_lines = sales[sales["customer"] >= 0].drop_duplicates("order")
    gifts = first_lines.iloc[np.sort(rng.choice(len(first_lines), DIRT.gift_lines, replace=False))]
    return gifts.assign(product=draw_items(rng, products, rises(gifts["minute"])), quantity=1, price_cents=0)


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


def draw_items(rng: np.random.Generator, products: pd.DataFrame, is_late: np.ndarray) -> np.ndarray:
    """A product for each element, by popularity; where `is_late`, with the rising colour more popular than before."""
    chance = rng.random(len(is_late))
    rise = np.where(products["Colour"] == TRUTH.rising_colour, TRUTH.rising_factor, 1)
    early, late = (
        np.searchsorted(np.cumsum(weight) / weight.sum(), chance, side="right")
        for weight in (products["popularity"].to_numpy(), products["popularity"].to_numpy() * rise)
    )
    return products.index.to_numpy()[np.where(is_late, late, early)]


def rises(minute: pd.Series) -> np.ndarray:
    """Whether a moment is in the time of the rising colour."""
    return DAYS[minute // MINUTES_PER_DAY] >= np.datetime64(TRUTH.rising_from)
