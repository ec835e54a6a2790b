"""Customer value matrix: cuts, quadrants, moves and the drawing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

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

from crm_analysis import engine, language, warehouse
from crm_analysis.customers import known_orders, summarise_customers
from crm_analysis.errors import NotEnoughData
from crm_analysis.methods import value_matrix
from crm_analysis.params import Run

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
ANY = value_matrix.Params(min_customers=1, min_repeat_customers=0)

# Worked by hand: 16 orders of 6 customers are 2.67 each; the amounts per order are 40, 10, 50, 20, 5 and 5.01 on average 21.67.
# customer: day of the last order, orders, net amount, quadrant
HAND = {
    "c1": ("2023-12-20", 4, "160.00", "best"),
    "c2": ("2023-12-01", 5, "50.00", "frequent"),
    "c3": ("2023-11-30", 1, "50.00", "spender"),
    "c4": ("2023-12-10", 3, "60.00", "frequent"),
    "c5": ("2023-05-06", 2, "10.00", "uncertain"),
    "c6": ("2023-05-07", 1, "5.01", "uncertain"),
}


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    """All orders but the last of a customer are of 2022-06-01, for 1.00 each; c1 sent 7.00 back."""
    rows = [("c1", "2023-12-21", "0.00", "7.00")]
    for who, (last, n, amount, _quadrant) in HAND.items():
        more = Decimal(7 if who == "c1" else 0)
        rows += [(who, "2022-06-01", "1.00")] * (n - 1) + [(who, last, str(Decimal(amount) + more - n + 1))]
    return make_orders(rows)


@pytest.fixture(scope="module")
def result(hand) -> value_matrix.Result:
    return value_matrix.analyse({"orders": hand}, RUN, ANY)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def frames(result: value_matrix.Result) -> dict[str, pd.DataFrame]:
    made = {name: getattr(result, name) for name in ("quadrants", "cuts", "bubbles", "moves", "advice")}
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 100_000)
    made["actions"] = engine.collect(result.actions, 100_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


def quadrants_of(result: value_matrix.Result) -> dict[str, str]:
    frame = engine.collect(result.customers, 100_000)
    return dict(zip(frame["customer_id"], frame["segment"], strict=True))


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_six_customers_by_hand(result):
    assert quadrants_of(result) == {who: quadrant for who, (*_rest, quadrant) in HAND.items()}
    now = result.cuts.iloc[0]
    assert now["orders_cut"] == pytest.approx(16 / 6)
    assert now["order_amount_cut"] == pytest.approx(Decimal("130.01") / 6, abs=Decimal("0.0000005"))


@pytest.mark.parametrize(
    ("params", "cuts", "changed"),
    [
        ({"average": "pooled"}, (16 / 6, 335.01 / 16), {}),
        ({"cut": "median"}, (2.5, 15.0), {"c4": "best"}),
        ({"amount": "gross"}, (16 / 6, 131.76 / 6), {}),
    ],
)
def test_other_cuts_by_hand(hand, params, cuts, changed):
    result = value_matrix.analyse(
        {"orders": hand}, RUN, value_matrix.Params(min_customers=1, min_repeat_customers=0, **params)
    )
    now = result.cuts.iloc[0]
    assert (now["orders_cut"], float(now["order_amount_cut"])) == pytest.approx(cuts, abs=1e-6)
    assert quadrants_of(result) == {who: quadrant for who, (*_rest, quadrant) in HAND.items()} | changed


def test_the_table_by_hand(result, hand):
    value_matrix.QUADRANT_TABLE.check(result.quadrants.columns)
    frame = result.quadrants.set_index("segment")
    assert list(frame.index) == ["best", "spender", "frequent", "uncertain"]
    assert frame["n_customers"].tolist() == [1, 1, 2, 2]
    assert frame.loc["frequent", "amount"] == Decimal("110.00")
    assert frame.loc["frequent", ["mean_orders", "average_order_amount"]].tolist() == pytest.approx([4, 110 / 8])
    # 2023-05-06 is 240 days before, the day after it 239.
    assert frame["n_silent"].to_dict() == {"best": 0, "spender": 0, "frequent": 0, "uncertain": 1}
    assert sum(frame["amount"]) == sum(hand["net_amount"])
    assert frame["customer_share"].sum() == pytest.approx(1) == frame["amount_share"].sum()
    assert result.cuts["best_amount_share"].iloc[0] == pytest.approx(160 / 335.01)
    # A month before, c1 had 3 orders of 1.00, c2 4 and c4 2; c3 had just ordered. Two of six had not the orders of now.
    assert frame["n_customers_previous_month"].to_dict() == {"best": 0, "spender": 1, "frequent": 2, "uncertain": 3}
    moves = {(one.from_group, one.to_group): one.n_customers for one in result.moves.itertuples()}
    assert moves == {
        ("frequent", "best"): 1, ("frequent", "frequent"): 1, ("spender", "spender"): 1, ("uncertain", "frequent"): 1,
        ("uncertain", "uncertain"): 2,
    }  # fmt: skip


@pytest.mark.parametrize(("month", "column"), [("2023-11", "previous_month"), ("2022-12", "last_year")])
def test_an_earlier_month_is_what_its_own_report_says(hand, month, column):
    now = value_matrix.analyse({"orders": hand}, RUN, ANY)
    then = value_matrix.analyse({"orders": hand}, Run(source="x", month=month), ANY)
    assert now.quadrants[f"n_customers_{column}"].tolist() == then.quadrants["n_customers"].tolist()
    place = {"previous_month": 1, "last_year": 2}[column]
    assert now.cuts.iloc[place, 1:].tolist() == then.cuts.iloc[0, 1:].tolist()


def test_equal_values_are_never_above_their_own_mean(make_orders):
    """Three orders of 20.00 in all: 6.67 each cannot be written in hundredths, and is the mean of all all the same."""
    rows = [(f"c{n}", "2023-12-01", amount) for n in range(7) for amount in ("6.67", "6.67", "6.66")]
    for average in ("customers", "pooled"):
        params = value_matrix.Params(min_customers=1, average=average, min_repeat_customers=1)
        assert set(quadrants_of(value_matrix.analyse({"orders": make_orders(rows)}, RUN, params)).values()) == {
            "uncertain"
        }


# --- properties ------------------------------------------------------------------------------------------------------

customers = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["1.00", "1.50", "2.00", "10.00", "33.33"])), min_size=1, max_size=12
)


@settings(max_examples=12, deadline=None)
@given(made=customers, times=st.sampled_from([2, 7, 100]))
def test_quadrants_by_a_plain_loop_and_whatever_the_currency(make_orders, made, times):
    rows = [
        (f"c{n:02}", date(2023, 12, 1 + one), price) for n, (orders, price) in enumerate(made) for one in range(orders)
    ]
    result = value_matrix.analyse({"orders": make_orders(rows)}, RUN, ANY)
    mean_orders = sum(orders for orders, _ in made) / len(made)
    mean_amount = sum(Decimal(price) for _, price in made) / len(made)
    names = {(True, True): "best", (True, False): "frequent", (False, True): "spender", (False, False): "uncertain"}
    expected = {
        f"c{n:02}": names[orders > mean_orders, Decimal(price) > mean_amount] for n, (orders, price) in enumerate(made)
    }
    assert quadrants_of(result) == expected
    assert result.quadrants["n_customers"].sum() == len(made) == result.bubbles["n_customers"].sum()
    dearer = make_orders([(who, day, str(Decimal(price) * times)) for who, day, price in rows])
    assert quadrants_of(value_matrix.analyse({"orders": dearer}, RUN, ANY)) == expected


def test_planted_quadrants_are_recovered(make_orders):
    plan = {
        "best": (9, "90.00", 30),
        "spender": (2, "90.00", 60),
        "frequent": (9, "9.00", 80),
        "uncertain": (2, "9.00", 200),
    }
    rows = [
        (f"{quadrant}{n:03}", f"2023-{1 + order:02}-0{1 + n % 9}", price)
        for quadrant, (orders, price, many) in plan.items()
        for n in range(many)
        for order in range(orders)
    ]
    result = value_matrix.analyse({"orders": make_orders(rows)}, RUN, value_matrix.Params())
    assert all(who.startswith(quadrant) for who, quadrant in quadrants_of(result).items())
    assert result.quadrants.set_index("segment")["n_customers"].to_dict() == {
        one: many for one, (*_, many) in plan.items()
    }
    # The last orders of spenders and the uncertain are of February: silent.
    assert result.quadrants.set_index("segment")["n_silent"].to_dict() == {
        "best": 0,
        "spender": 60,
        "frequent": 0,
        "uncertain": 200,
    }
    actions = engine.collect(result.actions, 1000)
    assert actions.groupby("segment")["stance"].unique().map(list).to_dict() == {
        "best": ["keep"], "spender": ["win back"], "frequent": ["grow"], "uncertain": ["leave alone"],
    }  # fmt: skip
    told = value_matrix.findings(result, value_matrix.Params(), "EUR")
    assert told[0] == (
        "30 of 370 customers (8.1%) have more than 4.08 orders and spend more than €29 on each; they bring 53.8% of the"
        " amount to date."
    )
    assert told[1].startswith("80 frequent customers order 9.0 times on average, of €9 each")


def test_the_actions_name_every_customer_once_the_most_urgent_first(result):
    actions = engine.collect(result.actions, 100)
    value_matrix.ACTIONS.check(actions.columns)
    assert sorted(actions["customer_id"]) == sorted(HAND)
    assert list(actions["priority"]) == sorted(actions["priority"])
    assert actions["customer_id"][0] == "c1"
    assert actions["reason"][0] == "Orders so far: 4, of 40.00 each on average; the last 12 days ago."
    assert actions.set_index("customer_id").loc["c6", "expected_amount"] == Decimal("5.01")
    assert result.advice["n_customers"].sum() == len(HAND)
    assert set(value_matrix.ADVICE) == {
        (one, state) for one in value_matrix.QUADRANTS for state in ("active", "silent")
    }


# --- any frame, few data ---------------------------------------------------------------------------------------------


def test_polars_and_duckdb_tables_in_any_order_give_the_same(hand, result, connection):
    mixed = hand.sample(frac=1, random_state=3)
    for orders in (pl.from_pandas(hand), connection.from_arrow(pa.Table.from_pandas(mixed, preserve_index=False))):
        assert_same(frames(value_matrix.analyse({"orders": orders}, RUN, ANY)), frames(result))


def test_rows_after_the_month_do_not_matter(hand, result, make_orders):
    later = make_orders([("c1", "2024-01-01", "99.00"), ("c99", "2024-03-01", "5.00"), ("c2", "2024-01-05", "0", "9")])
    assert_same(frames(value_matrix.analyse({"orders": pd.concat([hand, later])}, RUN, ANY)), frames(result))


def test_too_few_customers_and_too_few_who_came_again_are_told(hand, make_orders, refused):
    for params in ({"min_customers": 7}, {"min_customers": 6, "min_repeat_customers": 5}):
        with refused(NotEnoughData, "E-MIN-1") as caught:
            value_matrix.analyse({"orders": hand}, RUN, value_matrix.Params(**params))
    assert caught.value.fix == "4 customers with two orders or more, and the method needs 5"
    assert value_matrix.analyse({"orders": hand}, RUN, value_matrix.Params(min_customers=6, min_repeat_customers=4))
    with refused(NotEnoughData, "E-MIN-1"):
        value_matrix.analyse({"orders": make_orders([])}, RUN, ANY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"average": "pooled", "cut": "median"}, {"silent_days": 0}, {"min_customers": 0}, {"min_repeat_customers": -1},
        {"list_rows": 0},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        value_matrix.Params(**wrong)


@pytest.mark.parametrize(
    "rows",
    [
        [("c1", "2023-12-05", "5.00")],  # A81: one customer
        [(f"c{number}", "2023-12-05", "5.00") for number in range(9)],  # A82: all ties
        [(f"c{number}", "2023-12-05", "5.00", "5.00") for number in range(9)],  # all sent back
        [(f"c{number}", "2023-12-05", "5.00", "9.00") for number in range(9)],  # more than that
    ],
    ids=["one", "ties", "returned", "negative"],
)
def test_odd_companies_get_whole_results_and_charts(make_orders, rows):
    result = value_matrix.analyse({"orders": make_orders(rows)}, RUN, ANY)
    n = len({who for who, *_ in rows})
    assert result.quadrants["n_customers"].to_list() == [0, 0, 0, n]
    assert result.moves["n_customers"].sum() == n
    for told in value_matrix.findings(result, ANY, "EUR"):
        assert "nan" not in told.lower()
    value_matrix.key_figures(result)
    for ax in (
        value_matrix.plot_matrix(result.bubbles, result.quadrants, result.cuts), value_matrix.plot_shares(result.quadrants),
        value_matrix.plot_moves(result.moves, "amount", language.short_number),
    ):  # fmt: skip
        ax.figure.canvas.draw()


# --- the drawing -----------------------------------------------------------------------------------------------------


def test_drawn_bubbles_cuts_and_corners_are_those_of_the_frames(result):
    ax = value_matrix.plot_matrix(result.bubbles, result.quadrants, result.cuts)
    drawn = sorted(tuple(point) for part in ax.collections for point in np.asarray(part.get_offsets()))
    known = result.bubbles[["mean_orders", "average_order_amount"]].astype(float)
    assert drawn == pytest.approx(sorted(known.itertuples(index=False, name=None)))
    upright, level = ax.lines
    assert upright.get_xdata()[0] == pytest.approx(16 / 6)
    assert level.get_ydata()[0] == pytest.approx(130.01 / 6)
    texts = [text.get_text() for text in ax.texts]
    assert texts == [
        "spender: 1 · 16.7%", "best: 1 · 16.7%", "uncertain: 2 · 33.3%", "frequent: 2 · 33.3%", "2.67", "22",
    ]  # fmt: skip
    left, right, low, high = *ax.get_xlim(), *ax.get_ylim()
    assert all(left < x < right and low < y < high for x, y in drawn)


def test_a_bubble_lies_on_the_side_of_the_cuts_of_its_customers(make_orders):
    """A class of like customers that a cut parts is two bubbles."""
    rows = [(f"c{n}", date(2023, 12, 1), amount) for n, amount in enumerate(["10.00", "10.10", "10.20", "10.30"])]
    result = value_matrix.analyse({"orders": make_orders(rows)}, RUN, ANY)
    found = {one.segment: (one.average_order_amount, one.n_customers) for one in result.bubbles.itertuples()}
    assert found == {"uncertain": (pytest.approx(10.05), 2), "spender": (pytest.approx(10.25), 2)}


# --- golden ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("average", "cut", "counts"),
    [
        ("customers", 419.166, {"best": 357, "frequent": 757, "spender": 785, "uncertain": 2439}),
        ("pooled", 480.87, {"best": 260, "frequent": 854, "spender": 598, "uncertain": 2626}),
    ],
)
def test_uci_gross_duplicates_kept(online_retail_duplicates, connection, average, cut, counts):
    """METHODS: the four quadrants of all orders, cut at the mean over customers and at the mean order of all."""
    tables, as_of = warehouse.open_tables(online_retail_duplicates, connection), date(2011, 12, 10)
    params = value_matrix.Params(amount="gross", average=average)
    customers = value_matrix.average_orders(summarise_customers(known_orders(tables, as_of), as_of), params)
    cuts = value_matrix.measure_cuts(customers, params)
    assert float(cuts.order_amount) == pytest.approx(cut, abs=0.005 if average == "pooled" else 0.0005)
    placed = value_matrix.place_customers(customers, cuts, params)
    found = engine.collect(placed.group_by("segment").agg(n=nw.len()), 4)
    assert dict(zip(found["segment"], found["n"], strict=True)) == counts


def test_cdnow_all_customers_and_all_money(cdnow, connection):
    """CDNOW, whole: 23,570 customers, 69,659 orders, 2,500,315.63."""
    tables = warehouse.open_tables(cdnow, connection)
    result = value_matrix.analyse(tables, Run(source="x", month="1998-06"), value_matrix.Params())
    frame = result.quadrants
    assert (frame["n_customers"].sum(), sum(frame["amount"])) == (23_570, Decimal("2500315.63"))
    assert (frame["mean_orders"] * frame["n_customers"]).sum() == pytest.approx(69_659)
    assert result.bubbles["n_customers"].sum() == 23_570
    assert len(result.bubbles) < 300
