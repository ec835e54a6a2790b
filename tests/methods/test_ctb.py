"""CTB: shares, affinities, combinations, preferences, what comes next, whom to offer what; and their charts."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, time
from decimal import Decimal
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis import engine, warehouse
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.methods import ctb
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import day_number
from crm_analysis.sources.sample import TRUTH, draw_company
from crm_analysis.tastes import offers, preferences, sequences, trends
from crm_analysis.tastes.pairs import relate
from crm_analysis.tastes.sales import Sales

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
ANY = {"min_customers": 1, "min_cell_customers": 1}
COLOURED = {"leads": {"taste": "colour"}}

PRODUCTS = pd.DataFrame(
    [
        ("P1", "Lamp", "Red", "Acme"),
        ("P2", "Lamp", "Blue", "Acme"),
        ("P3", "Rug", "Red", "Bolt"),
        ("P4", None, None, None),
    ],
    columns=["product_id", "category", "colour", "brand"],
)
# customer, order, day, product, amount; below zero: a return. Of the last months are o3, o6 and o7.
HAND = [
    ("a", "o1", "2023-01-10", "P1", "60"), ("a", "o1", "2023-01-10", "P3", "20"), ("a", "o2", "2023-06-05", "P1", "40"),
    ("a", "r1", "2023-07-01", "P3", "-20"), ("a", "o3", "2023-12-02", "P2", "100"),
    ("b", "o4", "2023-02-01", "P3", "30"), ("b", "o5", "2023-05-01", "P3", "30"), ("b", "o5", "2023-05-01", "P4", "10"),
    ("b", "o6", "2023-11-20", "P1", "40"),
    ("c", "o7", "2023-12-24", "P3", "100"),
    ("d", "o9", "2022-12-15", "P1", "10"), ("d", "r2", "2023-01-05", "P1", "-10"),
    (None, "o8", "2023-03-03", "P2", "50"),
]  # fmt: skip


def make_lines(rows) -> pd.DataFrame:
    """Rows (customer, order, day, product, amount) as ``order_lines``."""
    made = []
    for customer_id, order_id, day, product_id, amount in rows:
        day = date.fromisoformat(day) if isinstance(day, str) else day
        amount = Decimal(amount).quantize(Decimal("0.01"))
        kind = "return" if amount < 0 else "sale" if amount else "free"
        made.append(
            (order_id, customer_id, datetime.combine(day, time(12)), product_id, day, day_number(day), kind, amount)
        )
    columns = [
        "order_id",
        "customer_id",
        "ordered_at",
        "product_id",
        "ordered_date",
        "ordered_day",
        "kind",
        "line_amount",
    ]
    return pd.DataFrame(made, columns=columns)


def arguments(rows, products=PRODUCTS, tables=None, **params) -> tuple:
    lines = rows if isinstance(rows, pd.DataFrame) else make_lines(rows)
    return {"order_lines": lines, "products": products, **(tables or {})}, RUN, ctb.Params(**{**ANY, **params})


def analyse(*rows_and_products, **params) -> ctb.Result:
    return ctb.analyse(*arguments(*rows_and_products, **params))


def prepare(*rows_and_products, **params) -> Sales:
    return prepare_of(*arguments(*rows_and_products, **params))


def prepare_of(tables, run: Run, params: ctb.Params) -> Sales:
    return ctb.prepare(tables, run, params.dimensions, params.leads, params.max_values)


def values_of(*rows_and_products, **params) -> pd.DataFrame:
    return trends.measure_values(prepare(*rows_and_products, **params), 3)[0]


@pytest.fixture(scope="module")
def hand() -> ctb.Result:
    return analyse(HAND, trend_months=6, min_customers=4)


@pytest.fixture(scope="module")
def lamps() -> ctb.Result:
    return analyse(HAND, offer={"category": "Lamp"}, active_months=120, min_lines=1)


def frames(result: ctb.Result) -> dict[str, pd.DataFrame]:
    made = {name: one for name, one in vars(result).items() if isinstance(one, pd.DataFrame)}
    for name in ("customers", "actions"):
        made[name] = engine.collect(getattr(result, name).sort("customer_id"), 100_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_what_sells_by_hand(hand):
    frame = hand.values[hand.values["attribute"] == "category"].set_index("value")
    assert list(frame.index) == ["Lamp", "Rug", ctb.NOT_KNOWN]
    assert frame["n_customers"].tolist() == [3, 3, 1]
    assert frame["n_lines"].tolist() == [6, 4, 1]
    assert frame["amount"].tolist() == [Decimal("290"), Decimal("160"), Decimal("10")]
    assert frame["amount_share"].tolist() == pytest.approx([290 / 460, 160 / 460, 10 / 460])
    assert hand.attributes["known_share"].tolist() == pytest.approx([10 / 11] * 3)
    assert hand.attributes["n_values"].tolist() == [2, 2, 2]


def test_the_trend_by_hand(hand):
    """July to December 240: Lamp 140, Rug 80; January to June 230: Lamp 140, Rug 80; the year before had one order."""
    frame = hand.values[hand.values["attribute"] == "category"].set_index("value")
    assert "just before" in hand.basis
    assert frame.loc["Lamp", "recent_share"] == pytest.approx(140 / 220)
    assert frame.loc["Lamp", "earlier_share"] == pytest.approx(140 / 230)
    assert frame.loc["Lamp", "growth_rate"] == pytest.approx(140 / 220 / (140 / 230) - 1)


def test_shares_and_preferences_by_hand(lamps):
    """k = 10, of all 240 of 400 on lamps; a: 4 lines, 1 of spend on lamps; b: 3 lines, .4; c: one line; d has spent nothing."""
    actions = engine.collect(lamps.actions, 10).set_index("customer_id")
    assert actions["offer_prob"].to_dict() == pytest.approx({"a": (4 + 6) / 14}, abs=1e-6)
    assert actions.loc["a", "affinity"] == pytest.approx(10 / 14 / 0.6, abs=1e-6)
    assert actions.loc["a", "reason"] == "Lamp: 100% of own spend, all customers 60%, lines known: 4"
    rug = engine.collect(analyse(HAND, offer={"category": "Rug"}, min_lines=1).actions, 10).set_index("customer_id")
    assert rug["offer_prob"].to_dict() == pytest.approx({"c": (1 + 4) / 11, "b": (1.8 + 4) / 13}, abs=1e-6)
    assert list(rug.index) == ["c", "b"]
    customers = engine.collect(lamps.customers.sort("customer_id"), 10).set_index("customer_id")
    assert customers["amount"].to_dict() == {"a": 200, "b": 110, "c": 100, "d": 0}
    assert customers["n_lines"].to_dict() == {"a": 4, "b": 4, "c": 1, "d": 1}


def test_groups_by_hand(hand):
    customers = engine.collect(hand.customers, 10).set_index("customer_id")
    few = ctb.TOO_FEW
    assert customers["category_group"].to_dict() == {"a": "Lamp", "b": "Rug", "c": few, "d": few}
    assert customers.loc[["a", "b"], "category_own_share"].tolist() == pytest.approx([1, 0.6])
    assert customers.loc[["a", "b"], "category_herfindahl"].tolist() == pytest.approx([1, 0.52])
    groups = hand.groups[hand.groups["dimension"] == "category"].set_index("group")
    assert groups["n_customers"].to_dict() == {"Lamp": 1, "Rug": 1, few: 2}
    assert groups["amount"].to_dict() == {"Lamp": 200, "Rug": 110, few: 100}
    assert groups["n_customers_previous_month"].to_dict() == {"Lamp": 1, "Rug": 1, few: 1}
    assert groups["n_customers_last_year"].to_dict() == {"Lamp": 0, "Rug": 0, few: 1}
    assert hand.moves.fillna("").values.tolist() == [
        ["Lamp", "Lamp", 1, 200], ["Rug", "Rug", 1, 110], [few, few, 1, 0], ["", few, 1, 100],
    ]  # fmt: skip


def test_the_lift_of_pairs_by_hand(hand):
    """Lamps 240, rugs 160, red 300, blue 100, all 400."""
    pairs = hand.pairs[hand.pairs["dimension"] == "taste"].set_index(["category", "value"])
    assert pairs["lift"].to_dict() == pytest.approx(
        {
            ("Lamp", "Blue"): 100 * 400 / (240 * 100),
            ("Lamp", "Red"): 140 * 400 / (240 * 300),
            ("Rug", "Red"): 160 * 400 / (160 * 300),
        }
    )
    assert pairs["n_customers"].tolist() == [1, 3, 3]
    few = relate(prepare(HAND), min_customers=2)
    assert few[few["dimension"] == "taste"]["lift"].isna().tolist() == [True, False, False]


def test_what_comes_next_by_hand(hand):
    """Before October: lamp lamp (a), rug rug (b), lamp (d), so p = .6; then a buys a lamp after a lamp, b a lamp after a rug."""
    steps = hand.transitions[hand.transitions["dimension"] == "category"].set_index(["last", "next"])
    assert steps["n_orders"].to_dict() == {
        ("Lamp", "Lamp"): 1, ("Lamp", "Rug"): 0, ("Rug", "Lamp"): 0, ("Rug", "Rug"): 1,
    }  # fmt: skip
    assert steps["next_prob"].tolist() == pytest.approx([7 / 11, 4 / 11, 6 / 11, 5 / 11])
    hits = hand.hits[hand.hits["dimension"] == "category"].set_index("guess")
    assert hits["n_cases"].tolist() == [2] * 4
    assert hits["hit_1_rate"].to_dict() == {
        "most popular": 1, "same as last time": 0.5, "by the last order": 1, "own taste": 1,
    }  # fmt: skip
    # Of one half, by Wilson: (1 + z²/2 ± z·√(1/2 + z²/4)) / (2 + z²), z = 1.96.
    assert hits.loc["same as last time", ["hit_1_low_rate", "hit_1_high_rate"]].tolist() == pytest.approx(
        [0.0945, 0.9055], abs=5e-4
    )
    assert hits["hit_3_rate"].isna().all()  # of two values any guess is within three
    _steps, narrow = sequences.forecast(prepare(HAND), 3, 10, shrinkage_lines=1)  # b's own taste is then the rug
    assert narrow[narrow["dimension"] == "category"].set_index("guess").loc["own taste", "hit_1_rate"] == 0.5


def test_the_list_is_checked_by_hand(lamps):
    """Before October lamps were 100 of 160; a with (3 + 6.25) / 13 is above that, b, c and d are not."""
    check = lamps.check.set_index("group")
    assert check["n_customers"].to_dict() == {"on the list": 1, "others": 2}
    assert check["amount"].to_dict() == {"on the list": 100, "others": 140}
    assert check["later_share"].to_dict() == pytest.approx({"on the list": 1, "others": 40 / 140})


def test_more_returns_than_sales_count_as_nothing_and_who_is_silent_is_not_listed():
    rows = [("a", f"a{n}", "2023-01-01", "P1", "25") for n in range(4)] + [("a", "ra", "2023-02-01", "P3", "-30")]
    rows += [("b", f"b{n}", "2022-12-31", "P1", "25") for n in range(4)]
    rows += [("c", f"c{n}", "2023-12-31", "P3", "25") for n in range(9)]
    result = analyse(rows, offer={"category": "Lamp"}, active_months=12)
    customers = engine.collect(result.customers, 10).set_index("customer_id")
    assert customers["category_own_share"].to_dict() == {"a": 1, "b": 1, "c": 1}
    assert result.offer["all_share"].tolist() == pytest.approx([200 / (200 + 225 - 30)])
    assert engine.collect(result.actions, 10)["customer_id"].tolist() == ["a"]


def test_an_offer_of_two_tastes_is_their_product():
    sales = prepare(HAND)
    values, _basis = trends.measure_values(sales, 3)
    wanted = {"category": "Lamp"}, {"colour": "Blue"}, {"category": "Lamp", "colour": "Blue"}
    chosen = [offers.choose_offer(values, sales, offer) for offer in wanted]
    weighed = [offers.weigh_offer(sales.lines, offer, sales.sold, 10) for offer in chosen]
    one, other, both = (engine.collect(wishes, 10).set_index("customer_id").loc["a"] for wishes, _offer in weighed)
    for column in ("offer_prob", "affinity"):
        assert both[column] == pytest.approx(one[column] * other[column])
    assert weighed[2][1]["all_share"].tolist() == pytest.approx([0.6, 0.25])
    assert both["reason"].count("; ") == 1
    check = offers.check_offer(weighed[2][1], sales, 3, 10)
    assert check["offer_amount"].sum() == 100  # the blue lamp of December


def test_what_is_said_of_the_hand_worked_company(hand):
    told = ctb.findings(hand, "EUR")
    assert told[0].startswith("“Lamp” is the largest category: 63.0% of sales to date (€290), bought by 3 customers.")
    assert "no share of sales changed by more than chance" in told[1]
    assert "“most popular” is as good as anything learnt" in told[3]
    assert "To offer: Lamp, because it sells most" in told[4]


def test_customers_are_compared_by_their_attribute():
    people = pd.DataFrame({"customer_id": ["a", "b", "c"], "age": ["old", "old", "young"], "town": ["x", "y", "y"]})
    likes = preferences.compare_groups(prepare(HAND, tables={"customers": people}), "", 10, 1).set_index(
        ["group", "value"]
    )
    # old: 8 lines, less one unknown, 240 of 300 on lamps; all 240 of 400.
    assert likes.loc[("old", "Lamp"), "affinity"] == pytest.approx((7 * 0.8 + 6) / 17 / 0.6)
    assert likes.loc[("young", "Rug"), "affinity"] == pytest.approx((1 + 4) / 11 / 0.4)
    assert likes.loc[(ctb.NOT_KNOWN, "Lamp"), "affinity"] == pytest.approx(1)
    assert likes["amount"].sum() == 400
    by_town = preferences.compare_groups(prepare(HAND, tables={"customers": people}), "town", 10, 1)
    assert set(by_town["group"]) == {"x", "y", ctb.NOT_KNOWN}
    assert preferences.compare_groups(prepare(HAND), "", 10, 1).empty


def test_the_parameters_reach_their_steps():
    people = {"customers": pd.DataFrame({"customer_id": list("abc"), "age": list("opo"), "town": list("xyx")})}
    result = analyse(
        HAND, tables=people, group_by="town", shrinkage_lines=5, shrinkage_orders=20, min_cell_customers=2, test_months=7,
        trend_months=2, offer={"category": "Lamp"},
    )  # fmt: skip
    sales = prepare(HAND, tables=people)
    made = {
        "values": trends.measure_values(sales, 2)[0],
        "pairs": relate(sales, 2),
        "likes": preferences.compare_groups(sales, "town", 5, 2),
        "check": offers.check_offer(result.offer, sales, 7, 5),
    }
    made["transitions"], made["hits"] = sequences.forecast(sales, 7, 20, 5)
    for name, frame in made.items():
        pd.testing.assert_frame_equal(getattr(result, name), frame, obj=name)


# --- labels and leads ------------------------------------------------------------------------------------------------


def test_values_beyond_the_largest_are_one_and_nothing_is_lost():
    products = pd.DataFrame({"product_id": [f"P{n}" for n in range(6)], "category": [f"k{n}" for n in range(6)]})
    rows = [(f"c{n % 3}", f"o{n}", "2023-05-01", f"P{n}", str(10 * (n + 1))) for n in range(6)]
    values = values_of(rows, products, max_values=2).set_index("value")
    assert values["amount"].to_dict() == {"k5": 60, "k4": 50, ctb.OTHER: 100}
    assert values.loc[ctb.OTHER, ["n_customers", "n_lines"]].tolist() == [3, 4]


@pytest.mark.parametrize(
    "n_values, leads, expected",
    [
        ({"department": 2, "category": 3, "subcategory": 5}, {}, "category"),  # the most values up to four
        ({"department": 5, "category": 6}, {}, "department"),  # else the fewest
        ({"department": 2, "category": 3}, {"category": "department"}, "department"),
        ({"department": 2, "category": 3}, {"category": "subcategory"}, "category"),  # the source has none
        ({"department": 3, "category": 3}, {}, "department"),  # the larger of equals
    ],
)
def test_the_lead_attribute(n_values, leads, expected):
    products = pd.DataFrame(
        {
            "product_id": [f"P{n}" for n in range(6)],
            **{one: [f"v{k % n}" for k in range(6)] for one, n in n_values.items()},
        }
    )
    rows = [("c", f"o{n}", "2023-05-01", f"P{n}", "10") for n in range(6)]
    attributes = prepare(rows, products, max_values=4, leads=leads).attributes
    assert attributes.loc[attributes["is_lead"], "attribute"].tolist() == [expected]


# --- trends ----------------------------------------------------------------------------------------------------------


def simulate(
    seed: int, *, n_customers: int = 300, rise: float = 1.0, n_values: int = 20
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two years of orders of customers of very different size and taste; ``rise``: what v0 grows by in the last months."""
    rng = np.random.Generator(np.random.PCG64(seed))
    tastes = rng.dirichlet(np.full(n_values, 0.3), n_customers)
    rows = []
    for customer, taste in enumerate(tastes):
        for order in range(1 + rng.poisson(rng.gamma(0.8, 12))):
            month = int(rng.integers(24))
            grown = taste * np.where((np.arange(n_values) == 0) & (month >= 21), rise, 1.0)
            product = rng.choice(n_values, p=grown / grown.sum())
            day = date(2022 + month // 12, month % 12 + 1, int(rng.integers(1, 29)))
            rows.append((f"c{customer}", f"o{customer}-{order}", day, f"P{product}", f"{rng.lognormal(3, 1):.2f}"))
    products = pd.DataFrame(
        {"product_id": [f"P{n}" for n in range(n_values)], "category": [f"v{n}" for n in range(n_values)]}
    )
    return make_lines(rows), products


def test_the_standard_error_by_a_plain_loop():
    lines, products = simulate(1)
    frame = values_of(lines, products).set_index("value")
    kind = products.set_index("product_id")["category"]
    spent: dict[str, dict[str, dict[str, float]]] = {"now": defaultdict(dict), "then": defaultdict(dict)}
    for row in lines.itertuples():
        period = {"2023": "now", "2022": "then"}[f"{row.ordered_date:%Y}"]
        if row.ordered_date.month >= 10:
            mine = spent[period][row.customer_id]
            mine[kind[row.product_id]] = mine.get(kind[row.product_id], 0.0) + float(row.line_amount)
    total = {period: sum(sum(mine.values()) for mine in people.values()) for period, people in spent.items()}
    for value in ("v0", "v7"):
        share = {
            period: sum(mine.get(value, 0.0) for mine in people.values()) / total[period]
            for period, people in spent.items()
        }
        residuals = []
        for customer in {*spent["now"], *spent["then"]}:
            parts = []
            for period in ("now", "then"):
                mine = spent[period].get(customer, {})
                parts.append((mine.get(value, 0.0) - share[period] * sum(mine.values())) / total[period])
            residuals.append(parts[0] - parts[1])
        z = (share["now"] - share["then"]) / np.sqrt(np.sum(np.square(residuals)))
        assert frame.loc[value, "z"] == pytest.approx(z, abs=1e-5)
        assert frame.loc[value, ["recent_share", "earlier_share"]].tolist() == pytest.approx(
            [share["now"], share["then"]]
        )


def test_where_nothing_rises_z_is_like_chance():
    """Of 60 values without a trend the distances are spread like standard errors, and next to none is called real."""
    z = pd.concat([values_of(*simulate(seed))["z"] for seed in range(2, 5)])
    assert len(z) == 60
    assert 0.7 < z.std() < 1.3
    assert (z.abs() >= trends.REAL).sum() <= 1


def test_what_rises_is_found():
    result = analyse(*simulate(5, rise=30.0))
    assert trends.rank_rising(result.values)["value"].tolist() == ["v0"]
    assert result.offer.loc[0, ["value", "chosen"]].tolist() == ["v0", "its share of sales rises most"]
    assert "rising: “v0” (category)" in ctb.findings(result, "EUR")[1]


@pytest.mark.parametrize(
    "first, basis",
    [("2022-10", "a year before"), ("2022-11", "just before"), ("2023-07", "just before"), ("2023-08", "")],
)
def test_the_months_compared_are_those_that_the_data_reach(first, basis):
    rows = [("a", "o1", f"{first}-05", "P1", "10"), ("a", "o2", "2023-08-05", "P1", "10")]
    rows += [
        ("b", "o3", "2023-12-05", "P3", "10"),
        ("b", "o4", "2022-12-05" if first < "2022-12" else first + "-06", "P1", "5"),
    ]
    values, found = trends.measure_values(prepare(rows), 3)
    assert basis in found and bool(basis) == bool(found)
    assert values["recent_share"].notna().any() == bool(basis)


def test_a_tiny_value_is_not_called_rising():
    """One customer's first purchase of something grows without bound, and is chance."""
    rows = [(f"c{n}", f"o{n}-{month}", f"2023-{month:02}-05", "P1", "50") for n in range(30) for month in (7, 12)]
    values = values_of([*rows, ("c1", "new", "2023-12-06", "P3", "9")])
    rug = values[values["value"] == "Rug"].iloc[0]
    assert rug["recent_share"] > 0 == rug["earlier_share"]
    assert rug["z"] == pytest.approx(1, abs=0.1) and not rug["is_real"]


# --- the sample company ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(sample, connection):
    """The sample company: its tables, its lines with their products as plain rows, its result, and the truth."""
    tables = warehouse.open_tables(sample, connection)
    run = Run(source="sample", month="2026-10")
    lines = engine.as_table(tables["order_lines"]).filter(nw.col("ordered_day") < day_number(run.as_of))
    rows = engine.collect(lines, 200_000).merge(engine.collect(tables["products"], 500), on="product_id", how="left")
    return SimpleNamespace(
        tables=tables, run=run, rows=rows, result=ctb.analyse(tables, run, ctb.Params(**COLOURED)), truth=draw_company()
    )


ATTRIBUTE = {"category": "category", "taste": "colour", "brand": "brand"}


def test_sums_by_value_equal_the_company_to_the_cent(company):
    total = sum(company.rows["line_amount"])
    for attribute, part in company.result.values.groupby("attribute"):
        sold = company.rows[company.rows["kind"] == "sale"]
        assert sum(part["amount"]) == total
        assert part["n_lines"].sum() == len(sold)
        assert part["amount_share"].sum() == pytest.approx(1)
        if attribute in ("category", "pattern"):
            found = part.set_index("value")
            for value, own in company.rows.groupby(attribute):
                assert found.loc[value, "amount"] == sum(own["line_amount"])
            counted = sold.dropna(subset="customer_id").groupby(attribute)["customer_id"].nunique()
            assert found.loc[counted.index, "n_customers"].tolist() == counted.tolist()
    months = company.result.months[company.result.months["dimension"] == "taste"]
    october = company.rows[company.rows["ordered_date"].map(lambda one: f"{one:%Y-%m}") == "2026-10"]
    assert sum(months.loc[months["month"] == "2026-10", "amount"]) == sum(october["line_amount"])
    assert months.groupby("month")["amount_share"].sum().tolist() == pytest.approx([1] * trends.MONTHS_SHOWN)


def columns(rows: pd.DataFrame, *names: str) -> zip:
    """The rows as plain tuples."""
    return zip(*(rows[one].tolist() for one in names), strict=True)


def own_shares(rows: pd.DataFrame, attribute: str, k: int = 10) -> tuple[dict, dict]:
    """By plain loops: per customer {value: shrunken share} with all values and the number of lines, and everybody's shares."""
    spent, n_lines, everybody = defaultdict(Counter), Counter(), Counter()
    known = rows.dropna(subset=["customer_id", attribute])
    for customer, value, amount, kind in columns(known, "customer_id", attribute, "line_amount", "kind"):
        spent[customer][value] += amount
        everybody[value] += amount
        n_lines[customer] += kind == "sale"
    whole = sum(max(one, 0) for one in everybody.values())
    all_share = {value: float(max(one, 0) / whole) for value, one in everybody.items()}
    shares = {}
    for customer, mine in spent.items():
        own = sum(max(one, 0) for one in mine.values())
        n = n_lines[customer] if own > 0 else 0
        parts = {value: float(max(mine[value], 0) / own) if own else 0.0 for value in all_share}
        shares[customer] = n, {value: (n * parts[value] + k * all_share[value]) / (n + k) for value in all_share}, parts
    return shares, all_share


@pytest.mark.parametrize("dimension", ctb.DIMENSIONS)
def test_preferences_by_plain_loops(company, dimension):
    shares, everybody = own_shares(company.rows, ATTRIBUTE[dimension])
    frame = engine.collect(company.result.customers, 10_000).set_index("customer_id")
    assert set(frame.index) == set(company.rows.loc[company.rows["kind"] == "sale", "customer_id"].dropna())
    for customer, row in frame.iterrows():
        n, shrunken, parts = shares[customer]
        best = min(shrunken, key=lambda value: (round(everybody[value] - shrunken[value], 12), value))
        assert row[f"{dimension}_group"] == (best if n >= 3 else ctb.TOO_FEW)
        if n >= 3:
            assert row[f"{dimension}_own_share"] == pytest.approx(parts[best])
            assert row[f"{dimension}_herfindahl"] == pytest.approx(sum(one**2 for one in parts.values()), abs=1e-8)


def test_everyone_is_in_one_group_of_each_dimension(company):
    groups, n = company.result.groups, engine.n_rows(company.result.customers)
    assert groups.groupby("dimension")["n_customers"].sum().to_dict() == dict.fromkeys(ctb.DIMENSIONS, n)
    known = company.rows.dropna(subset="customer_id")
    sellers = set(known.loc[known["kind"] == "sale", "customer_id"])
    total = sum(known.loc[known["customer_id"].isin(sellers), "line_amount"])
    assert [sum(part["amount"]) for _, part in groups.groupby("dimension")] == [total] * 3
    assert company.result.moves["n_customers"].sum() == n
    before = groups[groups["dimension"] == "category"].set_index("group")["n_customers_previous_month"]
    moved = company.result.moves.groupby("from_group")["n_customers"].sum()
    assert moved.to_dict() == before[before > 0].to_dict()


def test_pairs_and_combinations_by_plain_loops(company):
    known = company.rows.dropna(subset="customer_id")
    spent, buyers = Counter(), defaultdict(set)
    for row in known.itertuples():
        spent[row.category, row.brand] += row.line_amount
        if row.kind == "sale":
            buyers[row.category, row.brand].add(row.customer_id)
    total = sum(spent.values())
    pairs = company.result.pairs[company.result.pairs["dimension"] == "brand"]
    assert len(pairs) == len(spent)
    for row in pairs.itertuples():
        mine = [sum(one for pair, one in spent.items() if pair[place] == name)
                for place, name in enumerate((row.category, row.value))]  # fmt: skip
        assert row.amount == spent[row.category, row.value]
        assert row.n_customers == len(buyers[row.category, row.value])
        assert row.lift == pytest.approx(float(spent[row.category, row.value] * total / (mine[0] * mine[1])))
    sold = known[known["kind"] == "sale"]
    share = {one: sold[one].value_counts(normalize=True) for one in ("category", "colour", "brand")}
    sizes = sold.groupby("customer_id").size()
    found = company.result.combinations
    assert found["z"].is_monotonic_decreasing and found["z"].iloc[-1] >= trends.REAL
    for row in found.head(5).itertuples():
        own = sold[(sold["category"] == row.category) & (sold["colour"] == row.taste) & (sold["brand"] == row.brand)]
        q = share["category"][row.category] * share["colour"][row.taste] * share["brand"][row.brand]
        expected = sum(1 - (1 - q) ** n for n in sizes)
        assert (row.n_customers, row.n_lines) == (own["customer_id"].nunique(), len(own))
        assert row.n_products == own["product_id"].nunique()
        assert row.expected_customers == pytest.approx(expected)
        assert row.z == pytest.approx((row.n_customers - expected) / np.sqrt(expected), abs=1e-5)


@pytest.fixture(scope="module")
def guesses(company) -> dict[str, pd.DataFrame]:
    """By plain loops, per dimension: each customer's first order of the last three months, its main value, and the place of
    that value by each guess."""
    starts = first_of_month("2026-11", -3)
    sold = company.rows[(company.rows["kind"] == "sale") & company.rows["customer_id"].notna()]
    made = {}
    for dimension, attribute in list(ATTRIBUTE.items())[:2]:
        orders = defaultdict(Counter)
        moments = {}
        names = ("customer_id", "order_id", attribute, "line_amount", "ordered_at")
        for customer, order, value, amount, ordered_at in columns(sold, *names):
            orders[customer, order][value] += amount
            moments[customer, order] = min(moments.get((customer, order), ordered_at), ordered_at)
        main = {key: min(mine, key=lambda value, mine=mine: (-mine[value], value)) for key, mine in orders.items()}
        histories = defaultdict(list)
        for key in sorted(main, key=lambda key: (key[0], moments[key], key[1])):
            histories[key[0]].append((moments[key].date() < starts, main[key]))
        popular, follows, cases = Counter(), defaultdict(Counter), []
        for customer, history in histories.items():
            last = None
            for is_before, value in history:
                if is_before:
                    popular[value] += 1
                    if last is not None:
                        follows[last][value] += 1
                else:
                    cases += [(customer, last, value)] if last is not None else []
                    break
                last = value
        shares, all_share = own_shares(company.rows[company.rows["ordered_date"] < starts], attribute)
        rows, p = [], {one: popular[one] / sum(popular.values()) for one in popular}
        for customer, last, value in cases:
            n = sum(follows[last].values())
            after = {one: (follows[last][one] + 10 * p[one]) / (n + 10) for one in p}
            own = shares[customer][1]
            again = {one: (one == last, p[one]) for one in p}
            rows.append([place(scores, value) for scores in (p, again, after, own)])
        made[dimension] = pd.DataFrame(
            rows, columns=["most popular", "same as last time", "by the last order", "own taste"]
        )
    return made


def place(scores: dict, value: str) -> float:
    """The place of a value by score, ties by name."""
    tidy = {
        one: tuple(round(part, 12) for part in (score if isinstance(score, tuple) else (score,)))
        for one, score in scores.items()
    }
    ahead = [one for one in tidy if tidy[one] > tidy[value] or (tidy[one] == tidy[value] and one <= value)]
    return len(ahead)


@pytest.mark.parametrize("dimension", ctb.DIMENSIONS[:2])
def test_hit_rates_by_plain_loops(company, guesses, dimension):
    hits = company.result.hits[company.result.hits["dimension"] == dimension].set_index("guess")
    places = guesses[dimension]
    assert set(hits["n_cases"]) == {len(places)}
    for k in sequences.HITS_AT:
        assert hits[f"hit_{k}_rate"].to_dict() == pytest.approx((places <= k).mean().to_dict())
        assert (hits[f"hit_{k}_low_rate"] < hits[f"hit_{k}_rate"]).all()
        assert (hits[f"hit_{k}_high_rate"] > hits[f"hit_{k}_rate"]).all()


def test_probabilities_of_the_next_order_are_probabilities(company):
    steps = company.result.transitions
    assert steps.groupby(["dimension", "last"])["next_prob"].sum().to_numpy() == pytest.approx(1)
    assert (steps["next_prob"] > 0).all()


@pytest.mark.parametrize(
    "dimension, prob",
    [
        ("category", TRUTH.favourite_category_prob),
        ("taste", TRUTH.favourite_colour_prob),
        ("brand", TRUTH.favourite_brand_prob),
    ],
)
def test_the_planted_preferences_are_recovered(company, dimension, prob):
    """Lines of the favourite are a share ``prob``, and of the rest what popularity gives it."""
    attribute, truth = ATTRIBUTE[dimension], company.truth
    favourite = truth.customers.set_index("Customer No")[f"favourite_{attribute.title()}"]
    popularity = truth.products.groupby(attribute.title())["popularity"].sum()
    popularity /= popularity.sum()
    bought = prepare_of(company.tables, company.run, ctb.Params(leads={dimension: attribute})).bought
    spend = engine.collect(preferences.sum_spend(bought, dimension), 100_000)
    n = spend.pivot(index="customer_id", columns="value", values="n_lines").fillna(0)
    mine = favourite[n.index]
    of_it = np.array([n.at[customer, value] for customer, value in mine.items()])
    by_chance = popularity[mine].to_numpy()
    if dimension == "taste":  # the colour that rises is chosen more often than its popularity says
        is_it = (mine == TRUTH.rising_colour).to_numpy()
        of_it, by_chance, n = of_it[~is_it], by_chance[~is_it], n[~is_it]
    strength = (of_it.sum() - (by_chance * n.sum(axis=1)).sum()) / ((1 - by_chance) * n.sum(axis=1)).sum()
    assert strength == pytest.approx(prob, abs=0.03)
    frame = engine.collect(company.result.customers.filter(nw.col("n_lines") >= 20), 10_000).set_index("customer_id")
    right = (frame[f"{dimension}_group"] == favourite[frame.index]).mean()
    assert right > {"category": 0.85, "taste": 0.4, "brand": 0.35}[dimension]


def test_the_planted_rise_is_found_and_not_before_it_began(company):
    values = company.result.values
    rising = trends.rank_rising(values[values["attribute"] == "colour"])
    assert rising["value"].tolist() == [TRUTH.rising_colour]
    starts = f"{first_of_month(f'{TRUTH.rising_from:%Y-%m}', -1):%Y-%m}"
    before = prepare_of(company.tables, Run(source="sample", month=starts), ctb.Params())
    before = trends.measure_values(before, 3)[0]
    assert trends.rank_rising(before[before["attribute"] == "colour"]).empty


def test_own_taste_forecasts_where_taste_is_planted(company):
    rates = company.result.hits.set_index(["dimension", "guess"])
    for dimension in ctb.DIMENSIONS:
        own, popular = (rates.loc[(dimension, one), "hit_1_rate"] for one in ("own taste", "most popular"))
        assert own > popular
    assert "“own taste” is best, by more than chance" in ctb.findings(company.result, "EUR")[3]
    check = company.result.check.set_index("group")["later_share"]
    assert check["on the list"] > 1.5 * check["others"]


def test_the_list_names_active_customers_in_order(company):
    actions = engine.collect(company.result.actions, 10_000)
    assert actions["customer_id"].is_unique
    assert set(actions["priority"]) == {3} and actions["expected_amount"].isna().all()
    assert actions["offer_prob"].is_monotonic_decreasing
    assert (actions["affinity"] > 1).all()
    last = company.rows[company.rows["kind"] == "sale"].groupby("customer_id")["ordered_date"].max()
    assert last[actions["customer_id"]].min() >= first_of_month("2026-11", -12)
    value, share = company.result.offer.loc[0, ["value", "all_share"]]
    shares, everybody = own_shares(company.rows, "category")
    assert share == pytest.approx(everybody[value])
    for row in actions.iloc[:: len(actions) // 50].itertuples():
        assert row.offer_prob == pytest.approx(shares[row.customer_id][1][value], abs=1e-6)


# --- properties ------------------------------------------------------------------------------------------------------

rows_of_shops = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.integers(0, 700),
        st.sampled_from(["P1", "P2", "P3", "P4"]),
        st.sampled_from(["1.00", "2.50", "10.00", "-1.00", "0.00"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=3, deadline=None)
@given(made=rows_of_shops, seed=st.integers(0, 9))
def test_whatever_is_sold(made, seed):
    """Sums hold to the cent; the order of rows, other money and later rows change nothing."""
    rows = [
        (who, f"o{who}{day}", date(2022, 1, 1).fromordinal(date(2022, 1, 15).toordinal() + day), product, amount)
        for who, day, product, amount in made
    ] + [("z", "oz", "2022-03-03", "P1", "3.00")]
    few = PRODUCTS[["product_id", "category", "brand"]]
    result = analyse(rows, few)
    for _, part in result.values.groupby("attribute"):
        assert sum(part["amount"]) == sum(Decimal(row[4]) for row in rows)
    later = [
        ("a", "later", "2024-01-01", "P3", "500"),
        ("y", "new", "2024-02-01", "P9", "7"),
        ("a", "r9", "2024-01-02", "P1", "-9"),
    ]
    mixed = [[*rows, *later][place] for place in np.random.Generator(np.random.PCG64(seed)).permutation(len(rows) + 3)]
    other = frames(analyse([(*row[:4], str(100 * Decimal(row[4]))) for row in mixed], few))
    for name, frame in frames(result).items():
        amounts = [one for one in frame.columns if one.endswith("amount")]
        dearer = frame.assign(**{one: frame[one].map(lambda amount: 100 * amount, "ignore") for one in amounts})
        pd.testing.assert_frame_equal(other[name], dearer, check_dtype=False, obj=name)


def test_the_last_months_do_not_change_what_was_learnt_before_them():
    later = [
        ("a", "x1", "2023-10-01", "P3", "999"),
        ("b", "x2", "2023-12-30", "P2", "999"),
        ("d", "x3", "2023-11-11", "P1", "9"),
    ]
    before, after = (sequences.forecast(prepare(rows), 3, 10, 10) for rows in (HAND, [*HAND, *later]))
    pd.testing.assert_frame_equal(after[0], before[0])
    assert after[1]["n_cases"].max() > before[1]["n_cases"].max()


def test_pandas_polars_and_duckdb_tables_give_the_same(hand, connection):
    lines = pa.Table.from_pandas(make_lines(HAND), preserve_index=False)
    products = pa.Table.from_pandas(PRODUCTS, preserve_index=False)
    for tables in (
        {"order_lines": pl.from_arrow(lines).lazy(), "products": pl.from_arrow(products)},
        {"order_lines": connection.from_arrow(lines), "products": connection.from_arrow(products)},
    ):
        assert_same(frames(ctb.analyse(tables, RUN, ctb.Params(**ANY, trend_months=6))), frames(hand))


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_too_few_customers_are_told(refused, hand):
    with refused(NotEnoughData, "E-MIN-1"):
        analyse(HAND, min_customers=5)
    assert engine.n_rows(hand.customers) == 4  # and that many were enough


def test_products_without_attributes_are_told(refused):
    with refused(NotEnoughData, "E-MIN-2") as caught:
        analyse(HAND, PRODUCTS[["product_id"]])
    assert "none of the attributes department, category" in caught.value.fix
    with refused(NotEnoughData, "E-MIN-2"):
        analyse(HAND, PRODUCTS[PRODUCTS["product_id"] == "P4"])
    with refused(NotEnoughData, "E-MIN-2"):
        analyse(make_lines(HAND).drop(columns="product_id"))


@pytest.mark.parametrize(
    "params, said",
    [
        ({"offer": {"category": "Lmap"}}, "unknown value 'Lmap', did you mean 'Lamp'?"),
        ({"offer": {"color": "Red"}}, "unknown attribute of products 'color', did you mean 'colour'?"),
        ({"offer": {"material": "Wood"}}, "known: category, colour, brand"),
        ({"offer": {"colour": "Red", "pattern": "Plain"}}, "at most one attribute of a dimension"),
        ({"group_by": "agee"}, "unknown attribute of customers 'agee', did you mean 'age'?"),
    ],
)
def test_unknown_names_are_told(refused, params, said):
    people = pd.DataFrame({"customer_id": ["a"], "age": ["old"]})
    products = PRODUCTS.assign(pattern="Plain") if "pattern" in params.get("offer", {}) else PRODUCTS
    sales = prepare(HAND, products, tables={"customers": people})
    with refused(ParameterError, "E-PAR-3") as caught:
        preferences.compare_groups(sales, params.get("group_by", ""), 10, 1)
        offers.choose_offer(trends.measure_values(sales, 3)[0], sales, params.get("offer", {}))
    assert said in caught.value.fix


@pytest.mark.parametrize(
    "params",
    [
        {"leads": {"colour": "colour"}}, {"leads": {"taste": "brand"}}, {"category": ("a", "b"), "brand": ("b",)},
        {"max_values": 1}, {"trend_months": 0}, {"test_months": 121}, {"shrinkage_lines": 0}, {"min_lines": 0},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(ValueError, match=".+"):
        ctb.Params(**params)


DEGENERATE = {
    "one customer, one product": [("a", "o1", "2023-12-05", "P1", "5")],  # A81
    "all equal": [(f"c{n}", f"o{n}", "2023-12-05", "P1", "5") for n in range(9)],  # A82
    "a single order each": [(f"c{n}", f"o{n}", f"2023-{1 + n:02}-05", f"P{1 + n % 4}", "5") for n in range(9)],
    "all sent back": [row for n in range(4) for row in (
        (f"c{n}", f"o{n}", "2023-11-05", f"P{1 + n % 3}", "5"), (f"c{n}", f"r{n}", "2023-12-05", f"P{1 + n % 3}", "-5"))],
    "more than that": [row for n in range(4) for row in (
        (f"c{n}", f"o{n}", "2023-11-05", f"P{1 + n % 3}", "5"), (f"c{n}", f"r{n}", "2023-12-05", f"P{1 + n % 3}", "-9"))],
    "gifts beside": [("a", "o1", "2023-12-05", "P1", "5"), ("a", "o1", "2023-12-05", "P3", "0")],
    "long ago": [("a", "o1", "2015-12-05", "P1", "5"), ("b", "o2", "2015-12-06", "P3", "5")],
    "an unknown product": [("a", "o1", "2023-12-05", "P1", "5"), ("a", "o2", "2023-12-06", None, "5"),
                           ("a", "o3", "2023-12-06", "P7", "5")],
}  # fmt: skip


@pytest.mark.parametrize(
    "name, columns",
    [
        *[(one, ["category", "colour", "brand"]) for one in DEGENERATE],
        ("a single order each", ["brand"]),
        ("all sent back", ["category", "colour"]),
    ],
)
def test_odd_companies_get_whole_results_and_charts(name, columns):
    rows = DEGENERATE[name]
    result = analyse(rows, PRODUCTS[["product_id", *columns]])
    for attribute, part in result.values.groupby("attribute"):
        assert sum(part["amount"]) == sum(Decimal(row[4]) for row in rows), attribute
    n = len({row[0] for row in rows})
    assert result.groups.groupby("dimension")["n_customers"].sum().tolist() == [n] * len(columns)
    assert {f"{one}_group" for one in result.groups["dimension"].unique()} <= set(
        result.customers.collect_schema().names()
    )
    told = [*ctb.findings(result, "EUR"), *[str(one.value) for one in ctb.key_figures(result)]]
    assert [one for one in told if "nan" in one.lower() or "inf" in one.lower()] == []
    if len(columns) < 3 or name in ("one customer, one product", "long ago"):
        draw(result)


def draw(result: ctb.Result) -> None:
    """Every chart of the notebook."""
    for dimension in ctb.DIMENSIONS:
        values = ctb.lead_values(result, dimension)
        ctb.plot_values(values)
        ctb.plot_changes(values)
        ctb.plot_months(ctb.select(result.months, dimension))
        ctb.plot_pairs(ctb.select(result.pairs, dimension))
        ctb.plot_groups(ctb.select(result.groups, dimension))
        ctb.plot_transitions(ctb.select(result.transitions, dimension))
        ctb.plot_hits(ctb.select(result.hits, dimension))
        plt.close("all")
    ctb.plot_moves(result.moves)
    ctb.plot_likes(result.likes)
    plt.close("all")


# --- charts ----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def ticks(labels) -> list[str]:
    return [text.get_text() for text in labels]


def test_drawn_values_are_those_of_the_frame_and_sum_to_all(company):
    values = ctb.lead_values(company.result, "category")
    ax = ctb.plot_values(values)
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(values["amount_share"].tolist())
    every = company.result.values[company.result.values["attribute"] == "subcategory"]
    ax = ctb.plot_values(every)
    assert len(ax.patches) == ctb.MAX_BARS + 1 and ticks(ax.get_yticklabels())[-1] == ctb.OTHER
    assert sum(patch.get_width() for patch in ax.patches) == pytest.approx(1)


def test_drawn_changes_are_points_and_what_is_real_stands_out(company):
    values = ctb.lead_values(company.result, "taste")
    ax = ctb.plot_changes(values)
    points = 100 * (values["recent_share"] - values["earlier_share"])
    assert sorted(patch.get_width() for patch in ax.patches) == pytest.approx(sorted(points))
    marked = [name for name, patch in zip(ticks(ax.get_yticklabels()), ax.patches, strict=True)
              if mpl.colors.to_hex(patch.get_facecolor()) == ctb.charts.ACCENT]  # fmt: skip
    assert marked == values.loc[values["is_real"], "value"].tolist() != []


def test_drawn_lifts_are_those_of_the_frame_below_one_orange_above_blue(company):
    pairs = ctb.select(company.result.pairs, "brand")
    ax = ctb.plot_pairs(pairs)
    rows, columns = ticks(ax.get_yticklabels()), ticks(ax.get_xticklabels())
    drawn, image = np.asarray(ax.images[0].get_array()), ax.images[0]
    for row in pairs.itertuples():
        step = drawn[rows.index(row.category), columns.index(row.value)]
        assert step == pytest.approx(np.log2(min(max(row.lift, 0.25), 4)))
        red, _green, blue, _alpha = image.cmap(image.norm(step))
        assert (blue > red) == (row.lift > 1)
    assert len(ax.texts) == len(pairs)


def test_drawn_groups_moves_and_next_orders_are_those_of_the_frames(company):
    groups = ctb.select(company.result.groups, "category")
    ax = ctb.plot_groups(groups)
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(
        [*groups["customer_share"], *groups["amount_share"]]
    )
    ax = ctb.plot_moves(company.result.moves)
    drawn, names = np.asarray(ax.images[0].get_array()), ticks(ax.get_xticklabels())
    moves = company.result.moves.set_index(["from_group", "to_group"])["n_customers"]
    assert [drawn[place, place] for place in range(len(names))] == [moves[name, name] for name in names]
    steps = ctb.select(company.result.transitions, "brand")
    ax = ctb.plot_transitions(steps)
    assert np.asarray(ax.images[0].get_array()).ravel() == pytest.approx(steps["next_prob"].tolist())
    hits = ctb.select(company.result.hits, "brand")
    ax = ctb.plot_hits(hits)
    assert [patch.get_width() for patch in ax.patches] == pytest.approx([*hits["hit_1_rate"], *hits["hit_3_rate"]])


def test_drawn_affinities_and_months_are_those_of_the_frames(company):
    likes = company.result.likes
    ax = ctb.plot_likes(likes)
    rows, columns = ticks(ax.get_yticklabels()), ticks(ax.get_xticklabels())
    drawn = np.asarray(ax.images[0].get_array())
    for row in likes.itertuples():
        assert 2 ** drawn[rows.index(row.value), columns.index(row.group)] == pytest.approx(row.affinity)
    months = ctb.select(company.result.months, "taste")
    ctb.plot_months(months)
    largest = months.assign(amount=months["amount"].astype(float)).groupby("value")["amount"].sum().nlargest(8).index
    panels = plt.gcf().axes
    assert [one.get_title(loc="left") for one in panels] == list(largest)
    sage = months[months["value"] == largest[0]]["amount_share"].tolist()
    assert panels[0].lines[-1].get_ydata().tolist() == pytest.approx(sage)


def test_key_figures_beside_a_month_and_a_year_ago(company):
    sales, share, known, listed = ctb.key_figures(company.result)
    month = company.rows["ordered_date"].map(lambda one: f"{one:%Y-%m}")
    for figure, when in ((sales.value, "2026-10"), (sales.previous, "2026-09"), (sales.last_year, "2025-10")):
        assert figure == sum(company.rows.loc[month == when, "line_amount"])
    assert share.name.endswith(", share of the month") and 0 < share.value < 1
    groups = ctb.select(company.result.groups, "category")
    assert (
        known.value
        == groups.loc[groups["group"] != ctb.TOO_FEW, "n_customers"].sum()
        > known.previous
        > known.last_year
    )
    assert listed.value == engine.n_rows(company.result.actions)


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, month, lead, known, total",
    [
        ("online_retail", "2011-11", "category", 0.98, None),
        ("superstore", "2017-12", "subcategory", 1.0, "2297200.8603"),
        ("completejourney", "2017-12", "department", 0.9999, None),
    ],
)
def test_real_sources_give_whole_results(request, connection, name, month, lead, known, total):
    tables = warehouse.open_tables(request.getfixturevalue(name), connection)
    run = Run(source=name, month=month)
    result = ctb.analyse(tables, run, ctb.Params(**COLOURED))
    lines = engine.as_table(tables["order_lines"]).filter(nw.col("ordered_day") < day_number(run.as_of))
    whole = engine.collect(lines.select(nw.col("line_amount").sum()), 1).iloc[0, 0]
    assert total is None or whole == Decimal(total)
    for _, part in result.values.groupby("attribute"):
        assert sum(part["amount"]) == whole
    attributes = result.attributes.set_index("attribute")
    assert attributes["is_lead"][lead] and attributes["known_share"][lead] >= known
    assert set(result.groups.groupby("dimension")["n_customers"].sum()) == {engine.n_rows(result.customers)}
    assert 0 < engine.n_rows(result.actions) < engine.n_rows(result.customers)
    assert (result.hits["n_cases"] > 100).all()
    if name == "completejourney":
        draw(result)


def test_the_words_of_online_retail_name_what_they_should(online_retail, connection):
    products = engine.collect(warehouse.open_tables(online_retail, connection)["products"], 10_000).set_index(
        "product_id"
    )
    found = products.loc[
        ["85123A", "22423", "85099B", "23084", "22086"], ["category", "colour", "pattern", "character"]
    ]
    assert found.astype(object).where(found.notna(), None).values.tolist() == [
        ["Lights and candles", "White", "Hearts", None],  # WHITE HANGING HEART T-LIGHT HOLDER
        ["Kitchen and dining", None, "Vintage", "Regency"],  # REGENCY CAKESTAND 3 TIER
        ["Bags and travel", "Red", "Spots", "Retrospot"],  # JUMBO BAG RED RETROSPOT
        ["Lights and candles", None, "Animals", None],  # RABBIT NIGHT LIGHT
        ["Christmas", None, "Vintage", "Vintage Christmas"],  # PAPER CHAIN KIT 50'S CHRISTMAS
    ]


def test_the_complete_journey_is_read_whole(completejourney):
    """1,469,307 rows; 20 of them have an amount that is the noise of floating point around zero, such as 4.4e-16."""
    ledger = pd.read_parquet(completejourney / "ledger.parquet")
    lines = ledger[ledger["table"] == "order_lines"].groupby(["fate", "reason"], dropna=False)["n_rows"].sum()
    assert lines.sum() == 1_469_307
    assert lines["rejected", "E-NUM-1 line_amount"] == 20
    assert ledger.loc[ledger["fate"] == "used", "line_amount"].sum() == Decimal("4596039.58")
