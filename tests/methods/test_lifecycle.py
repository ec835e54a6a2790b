"""Lifecycle: stages, flows between them, cohorts, the second order, and their charts."""

from __future__ import annotations

from datetime import date, timedelta
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
from crm_analysis.cohorts import name_of
from crm_analysis.errors import NotEnoughData
from crm_analysis.methods import lifecycle
from crm_analysis.params import Run, first_of_month
from crm_analysis.schema import day_number

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
ANY = lifecycle.Params(min_customers=1)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def analyse(orders, params=ANY, run=RUN, **tables) -> lifecycle.Result:
    return lifecycle.analyse({"orders": orders, **tables}, run, params)


def stages_of(result: lifecycle.Result) -> dict[str, str]:
    frame = engine.collect(result.customers, 10_000)
    assert frame["customer_id"].is_unique
    return dict(zip(frame["customer_id"], frame["stage"], strict=True))


FRAMES = (
    "stages", "history", "flows", "rates", "moves", "retention", "retention_curves", "value_curves", "second", "second_curve",
)  # fmt: skip


def frames(result: lifecycle.Result) -> dict[str, pd.DataFrame]:
    made = {name: getattr(result, name) for name in FRAMES}
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 10_000)
    made["actions"] = engine.collect(result.actions, 10_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


# --- by hand ---------------------------------------------------------------------------------------------------------

# Days of orders, as of 2024-01-01, and the stage a month ago and now.
HAND = {
    "new": (["2023-12-20"], None, "new"),
    "new, 90 days": (["2023-10-03"], "new", "new"),
    "not new, 91 days": (["2023-10-02"], "new", "declining"),
    "new with four orders": (["2023-12-01", "2023-12-02", "2023-12-03", "2023-12-04"], None, "new"),
    "developing": (["2023-09-01", "2023-11-20"], "developing", "developing"),
    "declining": (["2023-06-01", "2023-09-15"], "developing", "declining"),
    "silent for 179 days": (["2023-07-06"], "declining", "declining"),
    "lapsed at 180 days": (["2023-07-05"], "declining", "lapsed"),
    "regular": ([f"2023-{month:02}-15" for month in range(1, 13)], "regular", "regular"),
    # Every 10 days, then 31 days of silence; the same with 29 days, which is below the least.
    "regular, late": ([f"2023-{at}" for at in ("10-31", "11-10", "11-20", "12-01")], "new", "declining"),
    "regular, still": ([f"2023-{at}" for at in ("08-03", "08-13", "11-23", "12-03")], "developing", "regular"),
    "won back": (["2023-01-10", "2023-12-10"], "lapsed", "won back"),
    "won back, long ago": (["2022-09-01", "2023-06-01", "2023-06-10", "2023-11-30"], "regular", "regular"),
}


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    rows = [(who, day, "10.00") for who, (days, *_) in HAND.items() for day in days]
    return make_orders([*rows, ("new", "2023-12-21", "0.00", "4.00"), (None, "2023-12-21", "5.00")])


@pytest.fixture(scope="module")
def result(hand) -> lifecycle.Result:
    return analyse(hand)


def test_the_tree_by_hand(result):
    frame = engine.collect(result.customers, 100).set_index("customer_id")
    expected = {who: now for who, (_days, _before, now) in HAND.items()}
    expected["regular, late"] = "new"  # its first order is 62 days old: new comes before declining
    assert frame["stage"].to_dict() == expected
    before = {who: before for who, (_days, before, _now) in HAND.items()}
    assert frame["previous_stage"].astype(object).where(frame["previous_stage"].notna(), None).to_dict() == before


def test_a_late_regular_customer_declines_at_three_times_the_usual_gap(make_orders):
    days = [date(2023, 6, 1) + timedelta(10 * n) for n in range(19)]  # the last on 2023-11-28: 34 days of silence
    late, still = [("late", day, "1.00") for day in days], [("still", day + timedelta(5), "1.00") for day in days]
    assert stages_of(analyse(make_orders(late + still))) == {"late": "declining", "still": "regular"}


def test_the_stages_hold_everybody_and_all_money(result, hand):
    frame = result.stages.set_index("stage")
    lifecycle.STAGE_TABLE.check(result.stages.columns)
    assert list(frame.index) == list(lifecycle.STAGES)
    assert frame["n_customers"].sum() == len(HAND)
    assert frame["amount"].sum() == hand.loc[hand["customer_id"].notna(), "net_amount"].sum()
    assert frame.loc["new", "amount"] == Decimal("96.00")
    december = hand[hand["customer_id"].notna() & (hand["ordered_month"] == "2023-12")]
    assert frame["month_amount"].sum() == december["net_amount"].sum()
    assert frame["customer_share"].sum() == pytest.approx(1) == frame["amount_share"].sum()


def test_flows_moves_and_history_agree(result):
    history = result.history.pivot(index="month", columns="stage", values="n_customers")
    for month, flows in result.flows.groupby("month"):
        assert flows.groupby("to_group")["n_customers"].sum().to_dict() == {
            stage: n for stage, n in history.loc[month].items() if n
        }
    last = result.flows[result.flows["month"] == "2023-12"]
    one = ["from_group", "to_group", "n_customers"]
    moves = result.moves[one].sort_values(one).reset_index(drop=True)
    pd.testing.assert_frame_equal(moves, last[one].sort_values(one).reset_index(drop=True), check_dtype=False)
    rates = result.rates.set_index("month").loc["2023-12"]
    assert (rates["n_new"], rates["n_won_back"], rates["n_lapsed"]) == (2, 1, 1)
    # Active a month ago: all but the two of December, and the one who had lapsed.
    assert rates["lapsed_rate"] == pytest.approx(1 / 10)
    assert rates["won_back_rate"] == 1.0


def test_the_next_order_rate_by_hand(make_orders):
    """Two stand as new at the end of three months (May to July, and June to August), and one of these six times orders next month."""
    orders = make_orders([("a", "2023-05-31", "1.00"), ("a", "2023-06-05", "1.00"), ("b", "2023-06-30", "1.00")])
    params = lifecycle.Params(min_customers=1, lapse_days=150)
    stages = analyse(orders, params).stages.set_index("stage")
    assert stages.loc["new", "next_order_rate"] == pytest.approx(1 / 6)


def test_prospects_are_known_from_registration_or_a_deal(hand):
    """Not those without a date, nor those of the month after, nor whoever has ordered."""
    customers = pd.DataFrame(
        {
            "customer_id": ["p1", "p2", "p3", "new"],
            "signed_up_date": [date(2023, 11, 30), None, date(2024, 1, 1), date(2022, 1, 1)],
        }
    )
    deals = pd.DataFrame(
        {
            "customer_id": ["p4", None, "p5"],
            "opened_date": [None, date(2023, 1, 1), date(2023, 12, 31)],
            "closed_date": [date(2023, 12, 1), None, None],
        }
    )
    result = analyse(hand, customers=customers, opportunities=deals)
    stages = stages_of(result)
    assert {who for who, stage in stages.items() if stage == "prospect"} == {"p1", "p4", "p5"}
    frame = engine.collect(result.customers, 100).set_index("customer_id")
    assert (frame.loc["p1", "previous_stage"], frame.loc["new", "previous_stage"]) == ("prospect", "prospect")
    assert result.stages["n_customers"].sum() == len(HAND) + 3
    actions = engine.collect(result.actions, 100).set_index("customer_id")
    assert actions.loc["p1", ["stance", "reason"]].tolist() == ["welcome", "Known, but without an order so far."]


def test_the_actions_by_hand(result):
    actions = engine.collect(result.actions, 100).set_index("customer_id")
    lifecycle.ACTIONS.check(engine.collect(result.actions, 100).columns)
    assert len(actions) == len(HAND)
    assert actions["priority"].is_monotonic_increasing
    lapsed = actions.loc["lapsed at 180 days"]
    assert (lapsed["priority"], lapsed["stance"], lapsed["previous_stage"]) == (2, "win back", "declining")
    assert actions.loc["declining", "reason"] == "Silent for 108 days; before, an order every 106 days or so."
    rate = result.stages.set_index("stage").loc["regular", "next_order_rate"]
    assert actions.loc["regular", "expected_amount"] == round(Decimal(rate * 10), 2)


# --- whatever the orders are -----------------------------------------------------------------------------------------


def stage_by_loop(days: list[int], end: int, params: lifecycle.Params) -> str | None:
    """The stage at ``end`` of somebody who ordered on these days."""
    known = sorted(day for day in days if day < end)
    if not known:
        return None
    silent = end - known[-1]
    back = [after for before, after in zip(known, known[1:], strict=False) if after - before >= params.lapse_days]
    if silent >= params.lapse_days:
        return "lapsed"
    if back and end - back[-1] <= params.won_back_days:
        return "won back"
    if end - known[0] <= params.new_days:
        return "new"
    is_regular = len(known) >= params.regular_orders
    usual = (known[-1] - known[0]) / (len(known) - 1) if is_regular else 0
    if silent >= params.decline_days or (
        is_regular and silent >= params.decline_min_days and silent >= params.decline_gaps * usual
    ):
        return "declining"
    return "regular" if is_regular else "developing"


people = st.lists(
    st.lists(st.dates(date(2022, 3, 1), date(2024, 2, 10)), min_size=1, max_size=8), min_size=10, max_size=40
)


@settings(max_examples=5, deadline=None)
@given(people=people)
def test_every_month_has_the_stages_of_a_plain_loop(make_orders, people):
    rows = [(f"c{n}", day, "1.00") for n, days in enumerate(people) for day in days]
    orders = make_orders([*rows, ("old", "2022-01-05", "1.00")])
    result = analyse(orders)
    history = result.history.set_index(["month", "stage"])["n_customers"]
    lists = [*([day_number(day) for day in days] for days in people), [day_number(date(2022, 1, 5))]]
    for back in range(13):
        month = name_of(2023 * 12 + 11 - back)
        end = day_number(first_of_month(month, 1))
        expected = [stage_by_loop(days, end, ANY) for days in lists]
        assert {one: history[month, one] for one in lifecycle.STAGES} == {
            one: expected.count(one) for one in lifecycle.STAGES
        }
    expected = {f"c{n}": stage_by_loop(days, day_number(RUN.as_of), ANY) for n, days in enumerate(lists[:-1])}
    found = stages_of(result)
    assert {who: found.get(who) for who in expected} == expected


def test_earlier_months_are_those_of_earlier_runs(hand):
    now = analyse(hand)
    then = analyse(hand, run=Run(source="x", month="2023-11"))
    shown = now.history[now.history["month"] <= "2023-11"].reset_index(drop=True)
    past = then.history[then.history["month"] >= shown["month"].min()].reset_index(drop=True)
    pd.testing.assert_frame_equal(shown, past)
    assert now.stages["n_customers_previous_month"].tolist() == then.stages["n_customers"].tolist()
    assert now.second_past[0] == lifecycle.share_within(
        lifecycle.follow(lifecycle.first_two_orders(lifecycle.list_events({"orders": hand}, RUN, ANY)), day_number(RUN.starts)), 90
    )  # fmt: skip


def test_pandas_polars_and_duckdb_tables_give_the_same(hand, result, connection):
    arrow = pa.Table.from_pandas(hand, preserve_index=False)
    for orders in (pl.from_pandas(hand), arrow, connection.from_arrow(arrow)):
        assert_same(frames(analyse(orders)), frames(result))


def test_neither_the_order_of_the_rows_nor_later_ones_matter(hand, result, make_orders):
    later = make_orders(
        [("new", "2024-01-01", "99.00"), ("c99", "2024-03-01", "5.00"), ("new", "2024-01-05", "0.00", "9.00")]
    )
    mixed = pd.concat([hand, later]).sample(frac=1, random_state=5)
    assert_same(frames(analyse(mixed)), frames(result))


# --- the second order ------------------------------------------------------------------------------------------------


def test_the_time_to_the_second_order_by_hand(make_orders):
    """Of four, one orders again on the same day and one after 10 days; of the others one has been watched for 4 days only:
    after 10 days 1/4 and then 1/2 of the rest have ordered again."""
    orders = make_orders(
        [
            ("a", "2023-03-01", "1.00"), ("a", "2023-03-01", "1.00"), ("b", "2023-03-01", "1.00"), ("b", "2023-03-11", "1.00"),
            ("c", "2023-03-01", "1.00"), ("d", "2023-12-27", "1.00"),
        ]
    )  # fmt: skip
    result = analyse(orders)
    row = result.second.iloc[0]
    assert row["within_30_share"] == pytest.approx(1 - 3 / 4 * 1 / 2)
    assert np.isnan(row["within_365_share"])
    assert (row["n_customers"], row["median_days"]) == (4, 10)


def test_the_share_that_orders_again_is_the_planted_one(built_source, connection):
    """BG/NBD of the sample company: nobody leaves before the second order, so that P(again within t) = 1 − (α / (α + t))^r."""
    from crm_analysis.sources.sample_truth import TRUTH

    tables = warehouse.open_tables(built_source("sample_small"), connection)
    result = lifecycle.analyse(tables, Run(source="sample_small", month="2026-10"), lifecycle.Params())
    row = result.second.iloc[0]
    for days in lifecycle.HORIZONS:
        truth = 1 - (TRUTH.alpha_days / (TRUTH.alpha_days + days)) ** TRUTH.r
        assert row[f"within_{days}_share"] == pytest.approx(truth, abs=0.04)


# --- cohorts ---------------------------------------------------------------------------------------------------------


def test_the_cohort_of_uci(online_retail, connection):
    """UCI, sales lines with a customer: cohort 2010-12 885 customers, active in months 0–12: 885 324 … 235."""
    tables = warehouse.open_tables(online_retail, connection)
    result = lifecycle.analyse(tables, Run(source="x", month="2011-12"), lifecycle.Params())
    first = result.retention[result.retention["cohort_month"] == "2010-12"]
    assert first["n_active"].tolist() == [885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235]
    assert result.retention.drop_duplicates("cohort_month")["n_customers"].sum() == 4338
    last = result.retention.groupby("cohort_month")["amount"].last()
    assert sum(last) == Decimal("8288930.664")
    assert result.stages["amount"].sum() == Decimal("8288930.664")
    assert result.stages["n_customers"].sum() == 4338


# --- few data, odd data ----------------------------------------------------------------------------------------------


def test_too_few_customers_and_too_short_a_time_are_told(hand, make_orders, refused):
    with refused(NotEnoughData, "E-MIN-1"):
        analyse(hand, lifecycle.Params(min_customers=len(HAND) + 1))
    with refused(NotEnoughData, "E-MIN-1") as caught:
        analyse(make_orders([("a", "2023-06-06", "1.00")]))
    assert "209 days of orders; to tell who lapses takes 210" in str(caught.value)
    analyse(make_orders([("a", "2023-06-05", "1.00")]))


@pytest.mark.parametrize(
    "wrong",
    [{"lapse_days": 90}, {"decline_min_days": 91}, {"regular_orders": 1}, {"new_days": 0}, {"min_customers": 0}],
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        lifecycle.Params(**wrong)


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "2023-01-05", "5.00")],
        [(f"c{n}", "2023-05-05", "5.00") for n in range(12)],
        [(f"c{n}", "2023-05-05", "5.00", "9.00") for n in range(12)],
        [(f"c{n}", f"2019-{n % 12 + 1:02}-05", "5.00") for n in range(40)],
    ],
    ids=["one customer", "ties", "negative", "all gone"],
)
def test_odd_companies_get_whole_results_and_charts(make_orders, rows):
    result = analyse(make_orders(rows))
    assert result.stages["n_customers"].sum() == len(rows)
    draw_all(result)
    for told in lifecycle.findings(result, "EUR"):
        assert "nan" not in told.lower()


def draw_all(result) -> dict[str, plt.Axes]:
    return {
        "stages": lifecycle.plot_stages(result.stages),
        "history": lifecycle.plot_history(result.history),
        "moves": lifecycle.plot_moves(result.moves, "n_customers", language.integer),
        "steps": lifecycle.plot_steps(result.flows),
        "retention": lifecycle.plot_retention(result.retention),
        "values": lifecycle.plot_values(result.retention),
        "retention_curves": lifecycle.plot_retention_curves(result.retention_curves),
        "value_curves": lifecycle.plot_value_curves(result.value_curves, "EUR"),
        "second": lifecycle.plot_second(result.second_curve),
    }


def test_drawn_numbers_are_those_of_the_frames(result):
    drawn = draw_all(result)
    assert np.asarray(drawn["moves"].images[0].get_array()).sum() == result.moves["n_customers"].sum()
    assert np.asarray(drawn["history"].images[0].get_array()).sum() == result.history["n_customers"].sum()
    assert [text.get_text() for text in drawn["history"].get_yticklabels()] == [
        one for one in lifecycle.STAGES if one != "prospect"
    ]
    changed = result.flows[result.flows["from_group"] != result.flows["to_group"]]
    assert lifecycle.main_steps(result.flows).to_numpy().sum() == changed["n_customers"].sum()


def test_key_figures_stand_beside_last_month_and_last_year(result):
    figures = {one.name: one for one in lifecycle.key_figures(result)}
    assert (figures["customers not lapsed"].value, figures["customers not lapsed"].previous) == (12, 10)
    assert figures["customers not lapsed"].last_year == result.rates["n_active"].iloc[0]
    assert figures["first orders"].value == 2
