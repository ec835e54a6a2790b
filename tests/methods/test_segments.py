"""Segments: parts by attribute, the split of a change, clusters of behaviour, and their charts."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import matplotlib as mpl
import matplotlib.pyplot as plt
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from crm_analysis import engine, warehouse
from crm_analysis.behaviour import BEHAVIOUR, CHOICE
from crm_analysis.composition import split_change
from crm_analysis.customers import known_orders, summarise_customers
from crm_analysis.errors import NotEnoughData
from crm_analysis.methods import segments
from crm_analysis.params import Run

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
QUICK = {"max_clusters": 4, "n_bootstraps": 3}
ANY = segments.Params(min_customers=1, **QUICK)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def analyse(orders, customers=None, params=ANY, run=RUN) -> segments.Result:
    tables = {"orders": orders} if customers is None else {"orders": orders, "customers": customers}
    return segments.analyse(tables, run, params)


FRAMES = ("parts", "effects", "totals", "clusters", "profile", "choice", "moves")


def frames(result: segments.Result) -> dict[str, pd.DataFrame]:
    made = {name: getattr(result, name) for name in FRAMES}
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 10_000)
    made["actions"] = engine.collect(result.actions, 10_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


# --- the split of a change -------------------------------------------------------------------------------------------


def test_a_change_by_hand():
    """From 10 customers × 2 orders × 5.00 to 12 × 2 × 5.00 all is due to customers; to 10 × 3 × 5.00 to orders; to
    10 × 2 × 6.00 to the size of orders."""
    before = (10, 20, Decimal("100.00"))
    assert split_change(before, (12, 24, Decimal("120.00"))) == (20, 0, 0)
    assert split_change(before, (10, 30, Decimal("150.00"))) == (0, 50, 0)
    assert split_change(before, (10, 20, Decimal("120.00"))) == (0, 0, 20)


def test_without_customers_before_or_after_all_is_due_to_their_number():
    assert split_change((0, 0, Decimal("-3.00")), (2, 2, Decimal("8.00"))) == (11, 0, 0)
    assert split_change((2, 3, Decimal("8.00")), (0, 0, Decimal("0.00"))) == (-8, 0, 0)


totals = st.tuples(st.integers(1, 500), st.integers(0, 2000), st.decimals(-10_000, 10**7, places=3)).map(
    lambda one: (one[0], one[0] + one[1], one[2])
)


@given(before=totals, now=totals)
def test_effects_are_the_mean_over_all_orders_of_change_and_sum_to_the_change(before, now):
    found = split_change(before, now)
    assert sum(found) == now[2] - before[2]
    factors = [(Fraction(n), Fraction(orders, n), Fraction(amount) / orders) for n, orders, amount in (before, now)]
    means = [Fraction(0)] * 3
    for order in itertools.permutations(range(3)):
        current = list(factors[0])
        for place in order:
            was = current[0] * current[1] * current[2]
            current[place] = factors[1][place]
            means[place] += (current[0] * current[1] * current[2] - was) / 6
    for one, mean in zip(found, means, strict=True):
        assert abs(Fraction(one) - mean) <= Fraction(1, 1000)


# --- parts by hand ---------------------------------------------------------------------------------------------------

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d", "e", "nobody"],
        "signed_up_date": [date(2020, 1, 1)] * 6,
        "region": ["North", "North", "South", None, "", "West"],
        "birth_year": ["1999", "1980-05-06", "1980.0", "1950", None, "1901"],
        "country": ["DE"] * 6,
    }
)
ROWS = [
    ("a", "2022-06-01", "10.00"), ("a", "2023-06-01", "30.00"), ("a", "2023-12-01", "30.00"), ("b", "2023-12-24", "50.00"),
    ("c", "2022-07-01", "40.00"), ("c", "2023-02-01", "20.00"), ("c", "2023-03-01", "0.00", "5.00"), ("d", "2023-12-31", "7.00"),
    ("e", "2022-01-15", "9.00"), (None, "2023-12-01", "100.00"),
]  # fmt: skip


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    return make_orders(ROWS)


@pytest.fixture(scope="module")
def result(hand) -> segments.Result:
    return analyse(hand, CUSTOMERS)


def test_the_parts_by_hand(result):
    segments.PARTS.check(result.parts.columns)
    region = result.parts[result.parts["attribute"] == "region"].set_index("part")
    assert list(region.index) == ["North", "South", "not known"]
    assert region["n_customers"].tolist() == [2, 1, 1]
    assert region["amount"].tolist() == [Decimal("110.00"), Decimal("15.00"), Decimal("7.00")]
    assert region.loc["North", "growth_rate"] == pytest.approx(10)
    assert region.loc["South", "growth_rate"] == pytest.approx(15 / 40 - 1)
    assert region["n_customers_last_year"].tolist() == [1, 1, 1]
    assert region["n_customers_previous_month"].tolist() == [1, 1, 0]


def test_years_of_birth_become_ages_and_one_value_no_part(result):
    age = result.parts[result.parts["attribute"] == "age by birth year"].set_index("part")["n_customers"]
    assert age.to_dict() == {"under 25": 1, "35 – 44": 2, "65 and over": 1, "not known": 0}
    assert "country" not in set(result.parts["attribute"])
    assert [one for one in result.notes if "country" in one]


def test_the_effects_by_hand(result):
    """Twelve months on the twelve before: from 3 customers with one order each of 59.00 in all, to 4 with 5 orders and 132.00."""
    segments.EFFECTS.check(result.effects.columns)
    whole = result.effects[result.effects["attribute"] == "all customers"].set_index("comparison")
    year = whole.loc["12 months on 12 before"]
    assert (year["amount_before"], year["amount_now"]) == (59, 132)
    assert year[["customers_amount", "orders_amount", "size_amount"]].sum() == 73
    assert tuple(year[["customers_amount", "orders_amount", "size_amount"]]) == split_change(
        (3, 3, Decimal("59.00")), (4, 5, Decimal("132.00"))
    )
    assert whole.loc["month on last month", "amount_now"] == 87


def test_comparisons_that_the_data_do_not_reach_are_left_out(make_orders):
    result = analyse(make_orders([("a", "2023-03-10", "5.00"), ("a", "2023-12-10", "5.00")]), CUSTOMERS)
    assert set(result.effects["comparison"]) == {"month on last month"}
    assert result.parts["growth_rate"].isna().all()
    assert result.parts["n_customers_last_year"].isna().all()
    figures = segments.key_figures(result)
    assert [one.last_year for one in figures] == [None] * len(figures)


def test_numbers_become_bands_of_about_equal_size(make_orders):
    ids = [f"c{n:02}" for n in range(41)]
    customers = pd.DataFrame(
        {
            "customer_id": ids,
            "income": [*[str(1000 + n) for n in range(40)], None],
            "founded": [str(1900 + n // 2) for n in range(41)],
        }
    )
    result = analyse(make_orders([(one, "2023-12-05", "5.00") for one in ids]), customers)
    bands = result.parts.set_index(["attribute", "part"])["n_customers"]
    assert bands["income"].tolist() == [10, 10, 10, 10, 1]
    assert bands["income"].index.tolist()[:2] == ["1,000 – 1,009", "1,010 – 1,019"]
    assert bands["founded"].index[0] == "1900 – 1905"
    assert bands["founded"].sum() == 41


def test_many_values_become_one_and_too_many_none(make_orders):
    ids = [f"c{n:03}" for n in range(200)]
    customers = pd.DataFrame(
        {"customer_id": ids, "town": [f"town {n % 30:02}" for n in range(200)], "code": [f"x{n}" for n in range(200)]}
    )
    params = segments.Params(min_customers=1, most_parts=7, **QUICK)
    result = analyse(make_orders([(one, "2023-12-05", "5.00") for one in ids]), customers, params)
    assert set(result.parts["attribute"]) == {"town"}
    assert result.parts["part"].tolist() == [*[f"town {n:02}" for n in range(7)], "other"]
    assert result.parts["n_customers"].sum() == 200


def test_texts_that_are_bands_stand_in_their_order(make_orders):
    bands = ["Under 15K", "15-24K", "25-34K", "100K+"]
    customers = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "income": bands[::-1]})
    result = analyse(make_orders([(one, "2023-12-05", "5.00") for one in "abcd"]), customers)
    assert result.parts["part"].tolist() == bands


def test_the_lead_is_the_attribute_whose_known_parts_differ_most(result):
    assert result.lead == "region"
    assert segments.list_slices(result.parts, "region")["part"].tolist() == ["North", "South", "not known"]


def test_a_source_without_attributes_says_so(hand):
    result = analyse(hand)
    assert result.parts.empty
    assert result.lead == ""
    assert result.notes == ["The source has no attributes of customers: there are no parts to show."]
    assert result.effects["attribute"].unique().tolist() == ["all customers"]


# --- the sample company ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(built_source, connection):
    tables = warehouse.open_tables(built_source("sample_small"), connection)
    run = Run(source="sample_small", month="2026-10")
    return tables, run, segments.analyse(tables, run, segments.Params(n_bootstraps=3))


def test_every_attribute_holds_all_customers_and_all_money(company):
    tables, run, result = company
    customers = engine.collect(summarise_customers(known_orders(tables, run.as_of), run.as_of), 10_000)
    whole = result.totals.loc["year"]
    for _attribute, own in result.parts.groupby("attribute"):
        assert own["n_customers"].sum() == whole["n_customers"]
        assert own["amount"].sum() == whole["amount"]
    found = engine.collect(result.customers, 10_000)
    assert sorted(found["customer_id"]) == sorted(customers["customer_id"])
    assert sum(found["net_amount"]) == sum(customers["net_amount"])
    assert found.notna().all(axis=None)
    assert result.clusters["n_customers"].sum() == len(customers)
    assert result.clusters["amount"].sum() == sum(customers["net_amount"])
    assert result.moves["n_customers"].sum() == len(customers)


def test_effects_sum_to_the_change_and_parts_to_the_whole(company):
    effects = company[2].effects
    moved = effects["customers_amount"] + effects["orders_amount"] + effects["size_amount"]
    assert (effects["amount_before"] + moved == effects["amount_now"]).all()
    whole = effects[effects["attribute"] == "all customers"].set_index("comparison")
    for (comparison, _attribute), own in effects.groupby(["comparison", "attribute"]):
        for column in ("amount_before", "amount_now"):
            assert own[column].sum() == whole.loc[comparison, column]


def test_businesses_buy_in_packs_of_two(company):
    """The truth of the sample company: businesses buy every product in packs of two, so their orders are twice as large."""
    tables, run, result = company
    kinds = result.parts[result.parts["attribute"] == "customer type"].set_index("part")
    ratio = kinds.loc["Business", "mean_amount"] / kinds.loc["Private", "mean_amount"]
    assert 1.5 < ratio < 3
    assert result.lead == "customer type"


# --- clusters --------------------------------------------------------------------------------------------------------


def planted(n: int = 90) -> tuple[list[tuple], dict[str, int]]:
    """Orders of customers of three kinds: regular ones, those who bought once and much, long ago, and new ones."""
    rng, rows, kinds, last = np.random.default_rng(3), [], {}, date(2023, 12, 31)
    for number in range(3 * n):
        who, kind = f"c{number:03}", number % 3
        kinds[who] = kind
        silent = int(rng.integers(*[(1, 12), (400, 700), (1, 12)][kind]))
        n_orders = int(rng.integers(15, 40)) if kind == 0 else 1
        amount = [60, 900, 15][kind] * rng.uniform(0.8, 1.25)
        rows += [(who, last - timedelta(silent + 20 * at), f"{amount:.2f}") for at in range(n_orders)]
    return rows, kinds


@pytest.fixture(scope="module")
def blobs(make_orders):
    rows, kinds = planted()
    orders = make_orders(rows)
    return orders, kinds, analyse(orders)


def test_planted_kinds_are_recovered_and_named(blobs):
    _orders, kinds, result = blobs
    found = engine.collect(result.customers, 1000).set_index("customer_id")["cluster"]
    assert adjusted_rand_score([kinds[one] for one in found.index], found) == 1
    assert result.clusters["n_customers"].tolist() == [90, 90, 90]
    assert result.refusal == ""
    CHOICE.check(result.choice.columns)
    names = result.clusters.set_index("cluster")["name"]
    regular = found[[who for who, kind in kinds.items() if kind == 0]].iloc[0]
    assert "many orders" in names[regular]
    assert names.is_unique
    actions = engine.collect(result.actions, 1000).set_index("customer_id")
    assert actions["priority"].is_monotonic_increasing
    assert {kinds[who]: one for who, one in actions["stance"].items()} == {0: "keep", 1: "win back", 2: "welcome"}
    assert (actions["segment"] == found[actions.index].map(lambda one: f"{one}: {names[one]}")).all()


def test_smooth_behaviour_is_refused_in_words(make_orders):
    rng = np.random.default_rng(7)
    rows = [
        (f"c{n:03}", date(2023, 12, 31) - timedelta(int(rng.integers(0, 700))), f"{np.exp(rng.uniform(1, 7)):.2f}")
        for n in range(300)
    ]
    result = analyse(make_orders(rows))
    assert result.clusters.empty
    assert engine.n_rows(result.actions) == 0
    assert result.refusal.startswith("No groups by behaviour: what customers do passes smoothly")
    assert not result.choice["is_chosen"].any()
    assert result.refusal in segments.findings(result, "EUR")
    assert engine.collect(result.customers, 1000)["cluster"].isna().all()


def test_few_customers_and_equal_ones_are_refused(hand, make_orders):
    assert analyse(hand).refusal == "No groups by behaviour: 5 customers are too few; it takes 200."
    alike = make_orders([(f"c{n:03}", "2023-12-01", "5.00") for n in range(200)])
    assert analyse(alike).refusal == "No groups by behaviour: all customers do the same."


def test_everybody_belongs_to_the_nearest_centre(company):
    """The engine's clusters are those of numpy, also of customers who were not in the sample."""
    tables, run, _result = company
    from crm_analysis.behaviour import Fitting, assign, behaviour, fit_clusters

    table = behaviour(tables, run.as_of)
    _choice, model, _refusal = fit_clusters(
        table, Fitting(max_sample=400, n_bootstraps=2, min_stability=0, min_gain=0, max_clusters=3)
    )
    frame = engine.collect(assign(table, model), 10_000)
    values = np.log1p(frame[list(model.features)].astype(float).clip(lower=0).to_numpy())
    scaled = (values - model.mean) / model.deviation
    distances = ((scaled[:, None, :] - model.centres[None]) ** 2).sum(axis=2)
    assert [model.names[place] for place in distances.argmin(axis=1)] == frame["cluster"].tolist()
    assert len(frame) > 1000


def test_neither_the_order_of_the_rows_nor_threads_nor_the_kind_of_frame_matter(blobs, connection):
    orders, _kinds, result = blobs
    arrow = pa.Table.from_pandas(orders.sample(frac=1, random_state=5), preserve_index=False)
    connection.execute("SET threads = 1")
    try:
        for one in (connection.from_arrow(arrow), pl.from_arrow(arrow)):
            assert_same(frames(analyse(one)), frames(result))
    finally:
        connection.execute("RESET threads")


def test_rows_after_the_month_do_not_matter(hand, result, make_orders):
    later = make_orders(
        [("a", "2024-01-01", "99.00"), ("nobody", "2024-03-01", "5.00"), ("b", "2024-01-05", "0.00", "9.00")]
    )
    assert_same(frames(analyse(pd.concat([hand, later]), CUSTOMERS)), frames(result))


# --- few data, parameters, charts ------------------------------------------------------------------------------------


def test_too_few_customers_are_told(hand, refused):
    with refused(NotEnoughData, "E-MIN-1"):
        analyse(hand, CUSTOMERS, segments.Params(min_customers=6))


@pytest.mark.parametrize("wrong", [{"max_clusters": 1}, {"min_silhouette": 2.0}, {"most_parts": 1}, {"list_rows": 0}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        segments.Params(**wrong)


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "2023-01-05", "5.00")],
        [(f"c{n}", "2023-12-05", "5.00", "9.00") for n in range(12)],
        [(f"c{n}", "2019-12-05", "5.00") for n in range(12)],
    ],
    ids=["one customer", "negative", "nobody in twelve months"],
)
def test_odd_companies_get_whole_results_and_charts(make_orders, rows):
    customers = pd.DataFrame({"customer_id": [row[0] for row in rows], "kind": [f"k{n % 2}" for n in range(len(rows))]})
    result = analyse(make_orders(rows), customers)
    draw_all(result)
    for told in segments.findings(result, "EUR"):
        assert "nan" not in told.lower()


def draw_all(result) -> dict[str, plt.Axes]:
    drawn = {
        "steps": segments.plot_steps(segments.list_steps(result.effects), "EUR"),
        "parts": segments.plot_parts(result.parts),
    }
    drawn["pie"] = segments.plot_pie(segments.list_slices(result.parts, result.lead))
    drawn["profile"] = segments.plot_profile(result.profile)
    return drawn | {"moves": segments.plot_moves(result.moves)}


def test_drawn_numbers_are_those_of_the_frames(result, blobs):
    drawn = draw_all(result)
    region = result.parts[result.parts["attribute"] == "region"]
    widths = [patch.get_width() for patch in drawn["parts"].patches]
    assert widths == pytest.approx([*region["customer_share"], *region["amount_share"]])
    angles = [wedge.theta2 - wedge.theta1 for wedge in drawn["pie"].patches]
    assert [one / 360 for one in angles] == pytest.approx(region["amount_share"].astype(float).tolist(), abs=1e-4)
    moves = segments.plot_moves(blobs[2].moves)
    assert np.asarray(moves.images[0].get_array()).sum() == blobs[2].moves["n_customers"].sum()
    profile = blobs[2].profile.set_index("behaviour")
    means = engine.collect(blobs[2].customers.select(nw.col(*BEHAVIOUR).mean()), 1).iloc[0]
    own = blobs[2].clusters.set_index("cluster")
    for one in ("n_orders", "average_order_amount"):
        assert profile.loc[one, "A"] == pytest.approx(own.loc["A", one] / means[one])
