"""Decile analysis: groups of equal size, concentration, moves and their charts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
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
from crm_analysis.methods import decile
from crm_analysis.params import Run

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
ANY = decile.Params(min_customers=10)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def analyse(orders, params=ANY, run=RUN) -> decile.Result:
    return decile.analyse({"orders": orders}, run, params)


def grouped(orders, params=ANY, as_of=date(2024, 1, 1)) -> pd.DataFrame:
    customers = summarise_customers(known_orders({"orders": orders}, as_of), as_of)
    return engine.collect(decile.group_customers(customers, params).sort("place"), 100_000)


def frames(result: decile.Result) -> dict[str, pd.DataFrame]:
    made = {name: getattr(result, name) for name in ("all_time", "window", "lorenz", "concentration", "moves")}
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 100_000)
    made["actions"] = engine.collect(result.actions, 100_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    """Twelve customers worth 120, 110, … 10, the first of 2021, the last of June 2023, the others of December 2023; the
    best returned 20.00 of 140.00 and ordered twice."""
    rows = [("c01", "2021-03-01", "100.00"), ("c01", "2021-03-02", "40.00"), ("c01", "2021-04-01", "0.00", "20.00")]
    rows += [(f"c{number:02}", f"2023-12-{number:02}", f"{130 - 10 * number}.00") for number in range(2, 12)]
    return make_orders([*rows, ("c12", "2023-06-01", "10.00")])


@pytest.fixture(scope="module")
def result(hand) -> decile.Result:
    return analyse(hand)


def test_twelve_customers_by_hand(result):
    frame = result.all_time
    decile.DECILES.check(frame.columns)
    assert frame["decile"].tolist() == list(range(1, 11))
    assert frame["n_customers"].tolist() == [2, 2, *[1] * 8]
    assert frame["amount"].tolist() == [230, 190, 80, 70, 60, 50, 40, 30, 20, 10]
    assert frame["amount_share"].tolist() == pytest.approx([one / 780 for one in frame["amount"].astype(int)])
    assert frame["cumulative_share"].tolist() == pytest.approx(np.cumsum(frame["amount_share"]))
    assert frame["lowest_amount"].tolist() == [110, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    first = frame.iloc[0]
    assert (first["mean_amount"], first["mean_orders"]) == (115.0, 1.5)
    assert first["average_order_amount"] == pytest.approx(230 / 3)


def test_the_window_by_hand(result):
    """In the last twelve months eleven customers ordered, c01 did not; a month ago only c12 stood in the window."""
    assert result.window["n_customers"].tolist() == [2, *[1] * 9]
    assert result.window["amount"].sum() == Decimal("660.00")
    assert result.window["amount"][0] == Decimal("210.00")
    bases = result.concentration.set_index("basis")
    assert bases["n_customers"].to_dict() == {"all time": 12, "window": 11, "previous month": 1, "last year": 0}


def test_concentration_by_hand(result):
    """The top 20 % of twelve are, rounded up, three: 330 of 780."""
    one = result.concentration.set_index("basis").loc["all time"]
    assert one["top_share"] == pytest.approx(330 / 780)
    assert one["gini"] == pytest.approx(gini(range(10, 130, 10)))
    assert one["amount"] == Decimal("780.00")


def test_the_moves_by_hand(result):
    """c12 was the first of one and is the last of eleven; ten customers are new in the window; c01 stands outside."""
    moves = result.moves
    assert moves["n_customers"].sum() == 11
    (kept,) = moves[moves["from_group"] == "1"].to_dict("records")
    assert kept == {"from_group": "1", "to_group": "10", "n_customers": 1, "amount": Decimal("10.00")}
    assert moves.loc[moves["from_group"].isna(), "n_customers"].sum() == 10
    assert sum(moves["amount"]) == Decimal("660.00")


def test_the_actions_by_hand(result):
    """c01 was among the best and is gone; c04 rose from the third group of all time to the second of the window."""
    actions = engine.collect(result.actions, 100)
    assert actions[["customer_id", "priority", "decile", "window_decile"]].values.tolist()[0] == ["c01", 2, 1, 0]
    assert actions["reason"][0] == "Group 1 of all time, without an order in the window."
    assert actions["customer_id"].is_unique
    assert (actions["stance"][0], actions["segment"][0]) == ("win back", "fallen")
    rose = actions[actions["priority"] == 3]
    assert set(rose["stance"]) <= {"grow"}
    assert ((rose["decile"] > 2) & rose["window_decile"].between(1, 2)).all()


# --- group sizes and ties --------------------------------------------------------------------------------------------


def sizes(make_orders, n) -> list[int]:
    frame = grouped(make_orders([(f"c{number:03}", "2023-12-01", f"{number + 1}.00") for number in range(n)]))
    return frame["decile"].value_counts().reindex(range(1, 11)).fillna(0).astype(int).tolist()


@pytest.mark.parametrize("n", [10, 11, 19, 20, 25, 99, 101])
def test_groups_are_of_equal_size_the_first_one_larger(make_orders, n):
    assert sizes(make_orders, n) == [n // 10 + (group < n % 10) for group in range(10)]


def test_fewer_customers_than_groups_fill_the_first(make_orders):
    assert sizes(make_orders, 3) == [1, 1, 1, *[0] * 7]


def test_equal_amounts_are_parted_by_customer_id_as_text(make_orders):
    ids = ["c10", "c9", "C1", "c1", "é", "z", "10", "9", "007", "7", "王"]
    frame = grouped(make_orders([(one, "2023-12-01", "5.00") for one in ids]))
    assert frame["customer_id"].tolist() == sorted(ids)
    assert frame["decile"].tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def gini(amounts) -> float:
    """Half the mean difference between any two customers, divided by the mean."""
    amounts = np.asarray([float(one) for one in amounts])
    return np.abs(amounts[:, None] - amounts[None, :]).mean() / 2 / amounts.mean()


@settings(max_examples=10, deadline=None)
@given(amounts=st.lists(st.decimals("0.01", 1000, places=2), min_size=10, max_size=45))
def test_groups_concentration_and_curve_equal_a_plain_loop(make_orders, amounts):
    result = analyse(make_orders([(f"c{n:02}", "2023-12-01", str(one)) for n, one in enumerate(amounts)]))
    ranked, n = sorted(amounts, reverse=True), len(amounts)
    total = sum(ranked)
    ends = np.cumsum([n // 10 + (group < n % 10) for group in range(10)])
    assert [sum(ranked[:end]) for end in ends] == result.all_time["amount"].cumsum().tolist()
    assert result.all_time["lowest_amount"].tolist() == [ranked[end - 1] for end in ends]
    one = result.concentration.iloc[0]
    assert one["gini"] == pytest.approx(gini(amounts), abs=1e-9)
    assert one["top_share"] == pytest.approx(float(sum(ranked[: -(-n // 5)]) / total))
    for people, share in result.lorenz.itertuples(index=False):
        assert share == pytest.approx(float(sum(ranked[: round(people * n)]) / total), abs=1e-9)
    assert result.lorenz.iloc[0].tolist() == [0.0, 0.0]
    assert result.lorenz.iloc[-1].tolist() == pytest.approx([1.0, 1.0])
    assert result.lorenz["amount_share"].is_monotonic_increasing


def test_everybody_the_same_gives_no_concentration(make_orders):
    result = analyse(make_orders([(f"c{number:02}", "2023-12-01", "5.00") for number in range(20)]))
    assert result.concentration["gini"][0] == pytest.approx(0, abs=1e-12)
    assert result.concentration["top_share"][0] == pytest.approx(0.2)
    assert result.lorenz["amount_share"].tolist() == pytest.approx(result.lorenz["customer_share"].tolist())


def test_gini_passes_one_where_amounts_are_negative(make_orders):
    rows = [(f"c{number:02}", "2023-12-01", "5.00", "14.00") for number in range(10)] + [("d", "2023-12-01", "100.00")]
    result = analyse(make_orders(rows))
    assert result.concentration["gini"][0] == pytest.approx((11 + 1 - 2 * (100 - 9 * sum(range(2, 12))) / 10) / 11)
    assert result.concentration["gini"][0] > 1


def test_scores_do_not_change_when_money_is_scaled(make_orders):
    rows = [(f"c{number:02}", "2023-12-01", f"{number % 7 + 1}.50") for number in range(25)]
    dearer = [(who, day, str(Decimal(gross) * 100)) for who, day, gross in rows]
    same = ["customer_id", "place", "decile"]
    pd.testing.assert_frame_equal(grouped(make_orders(rows))[same], grouped(make_orders(dearer))[same])


def test_gross_does_not_subtract_returns(hand):
    result = analyse(hand, decile.Params(min_customers=10, amount="gross"))
    assert result.all_time["amount"].sum() == Decimal("800.00")


@pytest.mark.parametrize(("months", "n"), [(1, 10), (6, 10), (7, 11), (12, 11), (33, 11), (34, 12)])
def test_the_window_is_of_whole_months(hand, months, n):
    """c12 ordered on the first day of the seventh month back, c01 in the thirty-fourth."""
    result = analyse(hand, decile.Params(min_customers=10, window_months=months))
    assert result.concentration["n_customers"][1] == n == result.window["n_customers"].sum()


# --- any frame, few data ---------------------------------------------------------------------------------------------


def test_pandas_polars_and_duckdb_tables_give_the_same(hand, result, connection):
    arrow = pa.Table.from_pandas(hand, preserve_index=False)
    for orders in (pl.from_pandas(hand), pl.from_pandas(hand).lazy(), arrow, connection.from_arrow(arrow)):
        assert_same(frames(analyse(orders)), frames(result))


def test_the_order_of_the_rows_does_not_matter(hand, result):
    assert_same(frames(analyse(hand.sample(frac=1, random_state=5))), frames(result))


def test_rows_after_the_month_do_not_matter(hand, result, make_orders):
    later = make_orders(
        [("c01", "2024-01-01", "99.00"), ("c99", "2024-03-01", "5.00"), ("c02", "2024-01-05", "0.00", "9.00")]
    )
    assert_same(frames(analyse(pd.concat([hand, later]))), frames(result))


def test_too_few_customers_are_told(hand, refused):
    with refused(NotEnoughData, "E-MIN-1"):
        analyse(hand, decile.Params(min_customers=13))


@pytest.mark.parametrize(
    "rows",
    [
        [(f"c{number}", "2023-12-05", "5.00") for number in range(10)],
        [(f"c{number}", "2023-12-05", "5.00", "9.00") for number in range(10)],
        pytest.param([(f"c{number}", "2023-12-05", "5.00", "5.00") for number in range(10)]),
        pytest.param([(f"c{number}", "2020-12-05", "5.00") for number in range(10)]),
    ],
    ids=["ties", "negative", "returned", "nobody in the window"],
)
def test_odd_companies_get_whole_results_and_charts(make_orders, rows):
    result = analyse(make_orders(rows))
    assert result.all_time["n_customers"].tolist() == [1] * 10
    decile.plot_shares(result.all_time)
    decile.plot_lorenz(result.lorenz, result.concentration["top_share"][0])
    decile.plot_moves(result.moves, "n_customers", language.integer)
    for told in decile.findings(result, "EUR"):
        assert "nan" not in told.lower()


# --- charts ----------------------------------------------------------------------------------------------------------


def test_drawn_shares_are_those_of_the_frame(result):
    ax = decile.plot_shares(result.all_time)
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(result.all_time["amount_share"].tolist())
    assert [text.get_text() for text in ax.get_yticklabels()] == [f"group {number}" for number in range(1, 11)]
    assert ax.texts[0].get_text().strip() == "29.5%"


def test_the_drawn_curve_is_that_of_the_frame(result):
    ax = decile.plot_lorenz(result.lorenz, result.concentration["top_share"][0])
    curve, diagonal, point = ax.lines
    assert curve.get_xydata().tolist() == result.lorenz.values.tolist()
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert point.get_xydata().tolist() == [[0.2, pytest.approx(330 / 780)]]


@pytest.mark.parametrize("value", ["n_customers", "amount"])
def test_drawn_moves_are_those_of_the_frame(result, value):
    ax = decile.plot_moves(result.moves, value, language.integer)
    drawn = np.asarray(ax.images[0].get_array())
    rows, columns = ([text.get_text() for text in ticks] for ticks in (ax.get_yticklabels(), ax.get_xticklabels()))
    assert drawn.sum() == float(result.moves[value].sum())
    for row in result.moves.fillna({"from_group": "none", "to_group": "none"}).itertuples():
        assert drawn[rows.index(row.from_group), columns.index(row.to_group)] == float(getattr(row, value))


# --- golden ----------------------------------------------------------------------------------------------------------


def real(folder, connection, as_of, params) -> tuple[pd.DataFrame, pd.Series]:
    """(groups, concentration) of everything before ``as_of``."""
    tables = warehouse.open_tables(folder, connection)
    customers = decile.group_customers(summarise_customers(known_orders(tables, as_of), as_of), params)
    groups = decile.describe_groups(engine.collect(decile.sum_groups(customers, params), 10))
    return groups, decile.concentrate(customers, "all time", params).iloc[0]


def test_uci_gross_duplicates_kept(online_retail_duplicates, connection):
    """UCI: first decile 434 customers, 5,469,382.46, 61.3751 %; top 20 % 74.6171 %; shares to .0005."""
    groups, one = real(online_retail_duplicates, connection, date(2011, 12, 10), decile.Params(amount="gross"))
    assert groups["n_customers"].tolist() == [*[434] * 8, 433, 433]
    assert round(groups["amount"][0], 2) == Decimal("5469382.46")
    assert round(100 * groups["amount_share"][0], 4) == 61.3751
    shares = [0.6138, 0.1326, 0.0818, 0.0552, 0.0387, 0.0283, 0.0202, 0.0148, 0.0098, 0.0052]
    assert groups["amount_share"].tolist() == pytest.approx(shares, abs=5e-4)
    assert round(100 * one["top_share"], 4) == 74.6171
    assert groups["amount"].sum() == Decimal("8911407.904") == one["amount"]


def test_superstore(superstore, connection):
    """Superstore: first decile 80 customers, 709,342.7126, 30.8786 %; top 20 % 48.1484 %."""
    groups, one = real(superstore, connection, date(2018, 1, 1), decile.Params())
    assert (groups["n_customers"][0], groups["amount"][0]) == (80, Decimal("709342.7126"))
    assert round(100 * groups["amount_share"][0], 4) == 30.8786
    assert round(100 * one["top_share"], 4) == 48.1484


@pytest.mark.parametrize(("amount", "total"), [("net", "8288930.664"), ("gross", "8887208.894")])
def test_uci_groups_hold_all_customers_and_all_money(online_retail, connection, amount, total):
    """UCI, duplicates dropped: 4,338 buyers, net 8,288,930.664, gross 8,887,208.894."""
    groups, one = real(online_retail, connection, date(2011, 12, 10), decile.Params(amount=amount))
    assert (groups["n_customers"].sum(), one["n_customers"]) == (4_338, 4_338)
    assert groups["amount"].sum() == Decimal(total)
    assert groups["cumulative_share"].iloc[-1] == pytest.approx(1)


def test_uci_gini_equals_that_of_all_pairs(online_retail, connection):
    tables, as_of = warehouse.open_tables(online_retail, connection), date(2011, 12, 10)
    frame = engine.collect(summarise_customers(known_orders(tables, as_of), as_of), 5_000)
    _, one = real(online_retail, connection, as_of, decile.Params())
    assert one["gini"] == pytest.approx(gini(frame["net_amount"]), abs=1e-9)


def test_cdnow(cdnow, connection):
    """CDNOW, whole: 23,570 customers, 2,500,315.63."""
    result = decile.analyse(warehouse.open_tables(cdnow, connection), Run(source="x", month="1998-06"), decile.Params())
    assert result.all_time["n_customers"].tolist() == [2357] * 10
    assert result.all_time["amount"].sum() == Decimal("2500315.63")
    customers = engine.collect(result.customers, 30_000)
    assert customers["customer_id"].is_unique and len(customers) == 23_570
    assert customers["place"].sort_values().tolist() == list(range(1, 23_571))
