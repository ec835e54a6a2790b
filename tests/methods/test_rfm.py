"""RFM: scores, segments, moves and their charts."""

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
from crm_analysis.methods import rfm
from crm_analysis.params import Run

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
ANY = rfm.Params(min_customers=1)

# Worked by hand, as of 2024-01-01. Of twelve customers the ranks 1-3 score 1, 4-5 score 2, 6-8 score 3, 9-10 score 4, 11-12 score 5.
# customer: last order, orders, gross, returned -> R, F, M, segment, segment on the grid of three scores
HAND = {
    "c01": ("2023-12-31", 5, 520, 20, 5, 5, 5, "champion", "champion"),
    "c02": ("2023-12-30", 1, 20, 0, 5, 1, 2, "new", "potential loyalist"),
    "c03": ("2023-12-28", 3, 90, 0, 4, 4, 4, "loyal", "loyal"),
    "c04": ("2023-12-20", 2, 40, 0, 3, 3, 3, "need attention", "need attention"),
    "c05": ("2023-12-20", 1, 30, 0, 3, 1, 2, "about to sleep", "about to sleep"),
    "c06": ("2023-12-01", 1, 10, 0, 3, 1, 1, "about to sleep", "about to sleep"),
    "c07": ("2023-11-20", 2, 60, 0, 3, 3, 3, "need attention", "need attention"),
    "c08": ("2023-10-01", 1, 5, 0, 2, 1, 1, "hibernating", "hibernating"),
    "c09": ("2023-09-15", 3, 203, 3, 2, 4, 4, "at risk", "at risk"),
    "c10": ("2023-06-01", 2, 80, 0, 1, 3, 3, "at risk", "at risk"),
    "c11": ("2023-03-01", 1, 5, 0, 1, 1, 1, "hibernating", "hibernating"),
    "c12": ("2023-01-01", 1, 300, 0, 1, 1, 5, "hibernating", "at risk"),
}


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    """The orders of HAND: all but the last of a customer stand on the first day of 2023, for 1.00 each."""
    rows = []
    for customer_id, (last, n, gross, returned, *_) in HAND.items():
        rows += [(customer_id, "2023-01-01", "1.00")] * (n - 1) + [(customer_id, last, str(gross - n + 1))]
        rows += [(customer_id, "2023-12-31", "0.00", str(returned))] if returned else []
    return make_orders(rows)


@pytest.fixture(scope="module")
def result(hand) -> rfm.Result:
    return rfm.analyse({"orders": hand}, RUN, ANY)


def scored(orders, params=ANY, as_of=date(2024, 1, 1)) -> pd.DataFrame:
    customers = summarise_customers(known_orders({"orders": orders}, as_of), as_of)
    return engine.collect(rfm.score_customers(customers, params).sort("customer_id"), 100_000)


def frames(result: rfm.Result) -> dict[str, pd.DataFrame]:
    made = {name: getattr(result, name) for name in ("segments", "cells", "bins", "moves")}
    made |= result.distributions
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 100_000)
    made["actions"] = engine.collect(result.actions, 100_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", ["rf", "rfm"])
def test_twelve_customers_by_hand(hand, grid):
    frame = scored(hand, rfm.Params(grid=grid))
    found = {row.customer_id: (row.r_score, row.f_score, row.m_score, row.segment) for row in frame.itertuples()}
    assert found == {one: (*row[4:7], row[7 if grid == "rf" else 8]) for one, row in HAND.items()}
    assert dict(zip(frame["customer_id"], frame["net_amount"], strict=True)) == {
        one: row[2] - row[3] for one, row in HAND.items()
    }


def test_the_segments_by_hand(result):
    frame = result.segments.set_index("segment")
    rfm.SEGMENT_TABLE.check(result.segments.columns)
    assert list(frame.index) == list(rfm.SEGMENTS)
    assert frame["n_customers"].to_dict() == {
        "champion": 1, "loyal": 1, "potential loyalist": 0, "new": 1, "promising": 0,
        "need attention": 2, "about to sleep": 2, "at risk": 2, "cannot lose": 0, "hibernating": 3,
    }  # fmt: skip
    assert frame.loc["at risk", "amount"] == Decimal("280.00")
    assert frame.loc["at risk", "mean_amount"] == pytest.approx(140)
    assert frame.loc["at risk", "mean_orders"] == pytest.approx(2.5)
    assert frame.loc["at risk", "mean_days_since_last_order"] == pytest.approx((108 + 214) / 2)
    assert frame.loc["hibernating", "customer_share"] == pytest.approx(3 / 12)
    assert frame.loc["hibernating", "amount_share"] == pytest.approx(310 / 1340)
    assert frame["customer_share"].sum() == pytest.approx(1) == frame["amount_share"].sum()
    assert frame["n_customers_last_year"].isna().all()


def test_the_moves_by_hand(result):
    """Who first ordered in December comes from nobody: c02, c05 and c06."""
    moves = result.moves
    assert moves["n_customers"].sum() == 12
    assert moves["amount"].sum() == Decimal("1340.00")
    new = moves[moves["from_group"].isna()].set_index("to_group")["n_customers"].to_dict()
    assert new == {"new": 1, "about to sleep": 2}
    assert moves.groupby("to_group")["n_customers"].sum().to_dict() == {
        segment: n for segment, n in result.segments.set_index("segment")["n_customers"].items() if n
    }
    assert result.segments["n_customers_previous_month"].sum() == 9


def test_the_actions_name_every_customer_once_the_most_urgent_first(result):
    actions = engine.collect(result.actions, 100)
    assert sorted(actions["customer_id"]) == sorted(HAND)
    assert list(actions["customer_id"][:4]) == ["c09", "c10", "c01", "c07"]
    assert list(actions["priority"]) == sorted(actions["priority"])
    assert actions["action"].notna().all()
    assert actions["reason"][0] == "The last order is 108 days old; orders so far: 3."
    assert (actions["stance"][0], float(actions["expected_amount"][0])) == (
        "win back",
        pytest.approx(200 / 3, abs=0.005),
    )


def test_the_bins_by_hand(result):
    bins = result.bins.set_index(["dimension", "score"])
    assert bins.loc[("recency", 3)].tolist() == [4, 12.0, 42.0]
    assert bins.loc[("frequency", 1)].tolist() == [6, 1.0, 1.0]
    assert bins.loc[("monetary", 5)].tolist() == [2, 300.0, 500.0]
    assert ("frequency", 2) not in bins.index
    assert bins.groupby("dimension")["n_customers"].sum().tolist() == [12, 12, 12]


def test_what_is_said_of_the_twelve(result):
    told = rfm.findings(result, "EUR")
    assert told[0].startswith("Champions and loyal customers are 16.7% of 12 customers and bring 44.0%")
    assert told[2] == "3 customers ordered for the first time this month."


# --- the grid --------------------------------------------------------------------------------------------------------

# METHODS.md, section 1.
TABLE = """
5 | new | potential loyalist | potential loyalist | champion | champion
4 | promising | potential loyalist | potential loyalist | loyal | loyal
3 | about to sleep | about to sleep | need attention | loyal | loyal
2 | hibernating | hibernating | at risk | at risk | cannot lose
1 | hibernating | hibernating | at risk | at risk | cannot lose
"""
EXPECTED = {
    (int(row.split(" | ")[0]), f): segment
    for row in TABLE.strip().splitlines()
    for f, segment in enumerate(row.split(" | ")[1:], 1)
}


def test_the_grid_is_that_of_the_definition():
    assert {(r, f): segment for r, row in rfm.GRID.items() for f, segment in enumerate(row, 1)} == EXPECTED
    assert set(EXPECTED.values()) == set(rfm.SEGMENTS)
    assert len(EXPECTED) == 25


def test_each_of_the_25_cells_gets_exactly_its_segment():
    cells = pl.DataFrame([{"r": r, "f": f} for r, f in EXPECTED])
    table = engine.as_table(cells).with_columns(segment=rfm._segment(nw.col("r"), nw.col("f")))
    assert {(row.r, row.f): row.segment for row in engine.collect(table, 25).itertuples()} == EXPECTED


def test_the_cells_hold_every_pair_of_scores_once(result):
    cells = result.cells
    assert len(cells) == 25 == len(cells[["r_score", "f_score"]].drop_duplicates())
    assert cells["n_customers"].sum() == 12
    assert sum(cells["amount"]) == Decimal("1340.00")
    assert all(EXPECTED[row.r_score, row.f_score] == row.segment for row in cells.itertuples())


@pytest.mark.parametrize("k", [2, 3, 4, 6, 7, 10])
def test_any_number_of_scores_gives_everyone_one_segment(hand, k):
    result = rfm.analyse({"orders": hand}, RUN, rfm.Params(k=k, min_customers=1))
    assert len(result.cells) == k * k
    assert result.segments["n_customers"].sum() == 12 == result.cells["n_customers"].sum()
    scores = engine.collect(result.customers, 100)[["r_score", "f_score", "m_score"]]
    assert (scores.min().min(), scores.max().max()) == (1, k)


def test_ten_scores_are_five_levels_of_two(hand):
    ten, five = scored(hand, rfm.Params(k=10)), scored(hand)
    assert ((ten["r_score"] + 1) // 2).tolist() == five["r_score"].tolist()
    assert ten["segment"].tolist() == five["segment"].tolist()


# --- ties, cuts, scale -----------------------------------------------------------------------------------------------


def test_equal_values_get_equal_scores_and_no_more(make_orders):
    rows = [(f"c{number}", "2023-12-01", "5.00") for number in range(20)]
    frame = scored(make_orders(rows))
    assert frame[["r_score", "f_score", "m_score"]].drop_duplicates().values.tolist() == [[1, 1, 1]]  # A82


customers = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["1.00", "1.50", "2.00", "10.00"])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(made=customers, times=st.sampled_from([2, 7, 100]))
def test_scores_by_a_plain_loop_and_whatever_the_currency(make_orders, made, times):
    """Equal values score equally, by 1 + k(rank - 1) // n; the same money times a constant gives the same scores."""
    rows = [
        (f"c{n:02}", date(2023, 12, 1 + day), price)
        for n, (orders, day, price) in enumerate(made)
        for _ in range(orders + 1)
    ]
    frame = scored(make_orders(rows))
    for value, score, sign in (
        ("days_since_last_order", "r_score", -1),
        ("n_orders", "f_score", 1),
        ("net_amount", "m_score", 1),
    ):
        values = [sign * one for one in frame[value]]
        assert frame[score].tolist() == [1 + 5 * sum(other < one for other in values) // len(values) for one in values]
    dearer = scored(make_orders([(who, day, str(Decimal(price) * times)) for who, day, price in rows]))
    same = ["customer_id", "r_score", "f_score", "m_score", "segment"]
    pd.testing.assert_frame_equal(dearer[same], frame[same])


def test_explicit_cuts(hand):
    params = rfm.Params(
        recency_cuts_days=(2, 12, 100, 300),
        frequency_cuts_orders=(2, 3, 4, 5),
        monetary_cuts_amount=(10, 40, 200.5, 500),
    )
    frame = scored(hand, params).set_index("customer_id")
    days = {
        "c01": 5,
        "c02": 5,
        "c03": 4,
        "c04": 4,
        "c05": 4,
        "c06": 3,
        "c08": 3,
        "c09": 2,
        "c10": 2,
        "c11": 1,
        "c12": 1,
    }
    assert {one: frame.loc[one, "r_score"] for one in days} == days
    assert frame["f_score"].to_dict() == {one: {1: 1, 2: 2, 3: 3, 5: 5}[row[1]] for one, row in HAND.items()}
    money = {"c08": 1, "c06": 2, "c05": 2, "c04": 3, "c09": 3, "c12": 4, "c01": 5}
    assert {one: frame.loc[one, "m_score"] for one in money} == money


def test_explicit_cuts_score_a_customer_whoever_else_there_is(hand, make_orders):
    params = rfm.Params(
        recency_cuts_days=(30, 60, 90, 120), frequency_cuts_orders=(2, 3, 4, 5), monetary_cuts_amount=(5, 10, 20, 40)
    )
    alone = scored(make_orders([("c01", "2023-12-31", "20.00")]), params)
    assert alone[["r_score", "f_score", "m_score"]].values.tolist() == [[5, 1, 4]]


def test_gross_does_not_subtract_returns(hand):
    frame = scored(hand, rfm.Params(amount="gross"))
    result = rfm.analyse({"orders": hand}, RUN, rfm.Params(amount="gross", min_customers=1))
    assert sum(result.segments["amount"]) == Decimal("1363.00") == frame["gross_amount"].sum()


# --- any frame, few data ---------------------------------------------------------------------------------------------


def test_pandas_polars_and_duckdb_tables_give_the_same(hand, result, connection):
    arrow = pa.Table.from_pandas(hand, preserve_index=False)
    tables = {
        "polars": pl.from_pandas(hand),
        "polars lazy": pl.from_pandas(hand).lazy(),
        "arrow": arrow,
        "duckdb": connection.from_arrow(arrow),
        "narwhals": nw.from_native(connection.from_arrow(arrow)),
    }
    for orders in tables.values():
        assert_same(frames(rfm.analyse({"orders": orders}, RUN, ANY)), frames(result))


def test_the_order_of_the_rows_does_not_matter(hand, result):
    mixed = hand.sample(frac=1, random_state=3)
    assert_same(frames(rfm.analyse({"orders": mixed}, RUN, ANY)), frames(result))


def test_rows_after_the_month_do_not_matter(hand, result, make_orders):
    later = make_orders(
        [("c01", "2024-01-01", "99.00"), ("c99", "2024-03-01", "5.00"), ("c02", "2024-01-05", "0.00", "9.00")]
    )
    assert_same(frames(rfm.analyse({"orders": pd.concat([hand, later])}, RUN, ANY)), frames(result))


def test_too_few_customers_are_told(hand, refused):
    with refused(NotEnoughData, "E-MIN-1"):
        rfm.analyse({"orders": hand}, RUN, rfm.Params(min_customers=13))
    assert rfm.analyse({"orders": hand}, RUN, rfm.Params(min_customers=12))


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
    result = rfm.analyse({"orders": make_orders(rows)}, RUN, ANY)
    n = len({who for who, *_ in rows})
    assert (
        result.segments["n_customers"].sum()
        == n
        == result.moves["n_customers"].sum()
        == result.cells["n_customers"].sum()
    )
    for told in rfm.findings(result, "EUR"):
        assert "nan" not in told.lower()
    rfm.plot_segments(result.segments)
    rfm.plot_cells(result.cells, "amount", language.short_number)
    rfm.plot_moves(result.moves, "amount", language.short_number)
    for one in result.distributions:
        rfm.plot_distribution(result.distributions[one], result.bins, one)
    plt.close("all")


# --- charts ----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_drawn_segments_are_those_of_the_frame(result):
    ax = rfm.plot_segments(result.segments)
    widths = [patch.get_width() for patch in ax.patches]
    assert widths == pytest.approx([*result.segments["customer_share"], *result.segments["amount_share"]])
    assert [text.get_text() for text in ax.get_yticklabels()] == list(rfm.SEGMENTS)
    assert [text.get_text().strip() for text in ax.texts][:2] == ["8.3%", "8.3%"]


@pytest.mark.parametrize("value", ["n_customers", "amount"])
def test_drawn_cells_are_those_of_the_frame(result, value):
    ax = rfm.plot_cells(result.cells, value, language.integer)
    drawn = np.asarray(ax.images[0].get_array())
    for row in result.cells.itertuples():
        assert drawn[5 - row.r_score, row.f_score - 1] == float(getattr(row, value))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["5", "4", "3", "2", "1"]
    assert sorted(text.get_text() for text in ax.texts) == sorted(
        language.integer(one) for one in result.cells[value] if one
    )


def test_drawn_moves_are_those_of_the_frame(result):
    ax = rfm.plot_moves(result.moves, "n_customers", language.integer)
    drawn = np.asarray(ax.images[0].get_array())
    rows, columns = ([text.get_text() for text in ticks] for ticks in (ax.get_yticklabels(), ax.get_xticklabels()))
    assert drawn.sum() == 12
    for row in result.moves.fillna({"from_group": rfm.NOBODY}).itertuples():
        assert drawn[rows.index(row.from_group), columns.index(row.to_group)] == row.n_customers
    assert rows[-1] == rfm.NOBODY


@pytest.mark.parametrize("dimension", ["recency", "frequency", "monetary"])
def test_drawn_classes_and_cuts_are_those_of_the_frames(result, dimension):
    frame, bins = result.distributions[dimension], result.bins
    ax = rfm.plot_distribution(frame, bins, dimension)
    assert [patch.get_height() for patch in ax.patches] == frame["n_customers"].tolist()
    assert [patch.get_x() for patch in ax.patches] == pytest.approx(frame["lower"].tolist())
    assert [patch.get_x() + patch.get_width() for patch in ax.patches] == pytest.approx(frame["upper"].tolist())
    own = bins[bins["dimension"] == dimension].sort_values("lowest").iloc[1:]
    assert [line.get_xdata()[0] for line in ax.lines] == own["lowest"].tolist()
    assert [text.get_text() for text in ax.texts] == [str(score) for score in own["score"]]


@pytest.mark.parametrize("dimension", ["recency", "frequency", "monetary"])
def test_every_customer_is_in_the_class_that_holds_its_value(make_orders, dimension):
    """Borders included: 30 days, 15 orders and more, whole powers of ten."""
    rows = []
    amounts = [
        "0.50",
        "1.00",
        "1.77",
        "1.78",
        "9.99",
        "10.00",
        "99.99",
        "100.00",
        "999.99",
        "1000.00",
        "10000.00",
        "1000000.00",
    ]
    for number, amount in enumerate(amounts):
        n_orders = 1 + number + (number > 6) * 5
        rows += [(f"c{number:02}", date(2023, 12, 31) if number < 6 else date(2023, 12, 2), amount)]
        rows += [(f"d{number:02}", date(2023, 12, 1), "1.00")] * n_orders
    result = rfm.analyse({"orders": make_orders(rows)}, RUN, ANY)
    frame = engine.collect(result.customers, 100)
    value = {"recency": "days_since_last_order", "frequency": "n_orders", "monetary": "net_amount"}[dimension]
    values = frame[value].astype(float)
    for one in result.distributions[dimension].itertuples():
        if pd.isna(one.lower):
            assert one.n_customers == (values < 1).sum()
        elif dimension == "frequency" and one.lower == rfm.MOST_ORDERS:
            assert one.n_customers == (values >= one.lower).sum()
        else:
            assert one.n_customers == ((values >= one.lower - 1e-9) & (values < one.upper - 1e-9)).sum()
    assert result.distributions[dimension]["n_customers"].sum() == len(frame)


# --- golden ----------------------------------------------------------------------------------------------------------


def real(folder, connection, as_of, params) -> pd.DataFrame:
    tables = warehouse.open_tables(folder, connection)
    customers = summarise_customers(known_orders(tables, as_of), as_of)
    return engine.collect(rfm.score_customers(customers, params).sort("customer_id"), 30_000)


def test_uci_gross_duplicates_kept(online_retail_duplicates, connection):
    """UCI, as of 2011-12-10: sums 403,692 days, 18,532 orders, 8,911,407.904; means 93.059474, 4.272015, 2,054.26646."""
    frame = real(online_retail_duplicates, connection, date(2011, 12, 10), rfm.Params(amount="gross"))
    assert len(frame) == 4_338
    assert (frame["days_since_last_order"].sum(), frame["n_orders"].sum()) == (403_692, 18_532)
    assert frame["gross_amount"].sum() == Decimal("8911407.904")
    means = frame[["days_since_last_order", "n_orders", "gross_amount"]].astype(float).mean()
    assert means.round(6).tolist() == pytest.approx([93.059474, 4.272015, 2054.26646], abs=5e-6)


@pytest.mark.parametrize(("amount", "total"), [("net", "8288930.664"), ("gross", "8887208.894")])
def test_uci_segments_hold_all_customers_and_all_money(online_retail, connection, amount, total):
    """UCI, duplicates dropped: 4,338 buyers, net 8,288,930.664, gross 8,887,208.894, less the days of December."""
    tables = warehouse.open_tables(online_retail, connection)
    frame = real(online_retail, connection, date(2011, 12, 10), rfm.Params(amount=amount))
    assert frame.groupby("segment")[f"{amount}_amount"].sum().sum() == Decimal(total)
    assert frame.groupby("segment").size().sum() == 4_338
    result = rfm.analyse(tables, Run(source="x", month="2011-11"), rfm.Params(amount=amount))
    now = real(online_retail, connection, date(2011, 12, 1), rfm.Params(amount=amount))
    expected = now.groupby("segment").agg(n=("customer_id", "size"), money=(f"{amount}_amount", "sum"))
    found = result.segments.set_index("segment")
    assert found["n_customers"].to_dict() == expected["n"].reindex(rfm.SEGMENTS).fillna(0).to_dict()
    assert {one: found.loc[one, "amount"] for one in expected.index} == expected["money"].to_dict()
    assert sum(result.moves["amount"]) == now[f"{amount}_amount"].sum() == sum(result.cells["amount"])
    assert result.moves["n_customers"].sum() == len(now)


@pytest.mark.parametrize("grid", ["rf", "rfm"])
def test_uci_scores_equal_those_of_pandas(online_retail, connection, grid):
    frame = real(online_retail, connection, date(2011, 12, 10), rfm.Params(grid=grid))
    n = len(frame)
    ranks = pd.DataFrame(
        {
            "r": (-frame["days_since_last_order"]).rank(method="min"),
            "f": frame["n_orders"].rank(method="min"),
            "m": frame["net_amount"].astype(float).rank(method="min"),
        }
    )
    scores = 1 + (5 * (ranks.astype(int) - 1)) // n
    for one in "rfm":
        assert frame[f"{one}_score"].tolist() == scores[one].tolist()
    across = scores["f"] if grid == "rf" else np.ceil((scores["f"] + scores["m"]) / 2).astype(int)
    assert frame["segment"].tolist() == [EXPECTED[r, f] for r, f in zip(scores["r"], across, strict=True)]


def test_superstore(superstore, connection):
    """Superstore, as of 2017-12-31: 793 customers, 117,207 days, 5,009 orders, 2,297,200.8603."""
    frame = real(superstore, connection, date(2017, 12, 31), rfm.Params())
    assert (len(frame), frame["days_since_last_order"].sum(), frame["n_orders"].sum()) == (793, 117_207, 5_009)
    assert frame["net_amount"].sum() == Decimal("2297200.8603")
    assert frame.groupby("segment")["net_amount"].sum().sum() == Decimal("2297200.8603")


def test_cdnow(cdnow, connection):
    """CDNOW, whole: 23,570 customers, 69,659 orders, 2,500,315.63."""
    result = rfm.analyse(warehouse.open_tables(cdnow, connection), Run(source="x", month="1998-06"), rfm.Params())
    assert result.segments["n_customers"].sum() == 23_570
    assert sum(result.segments["amount"]) == Decimal("2500315.63")
    assert engine.collect(result.customers.select(nw.col("n_orders").sum()), 1)["n_orders"][0] == 69_659
