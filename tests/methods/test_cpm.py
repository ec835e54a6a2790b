"""Customer portfolio management: stages, lapses, flows and rates by month, and their charts."""

from __future__ import annotations

from datetime import date, timedelta
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
from crm_analysis.methods import cpm
from crm_analysis.params import Run, first_of_month

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
AS_OF = date(2024, 1, 1)
# The first day of 2023 on which somebody orders is far enough back for a lapse.
ANY = cpm.Params(min_customers=1, cut_amount=100)

# Worked by hand, as of 2024-01-01: 240 days before it is 2023-05-06, who ordered a day later last is active.
# customer: first order, last order, amounts of the two (one: ordered once), group
HAND = {
    "c01": ("2023-05-07", None, "900", "first-time"),
    "c02": ("2023-05-06", None, "900", "first-time leaver"),
    "c03": ("2023-12-01", "2023-12-01", "50", "first-time"),
    "c04": ("2023-10-01", "2023-12-29", "900", "toddler"),
    "c05": ("2023-01-01", "2023-03-31", "10", "toddler leaver"),
    "c06": ("2023-10-01", "2023-12-30", "49.99", "steady"),
    "c07": ("2022-10-01", "2023-05-06", "49.99", "steady leaver"),
    "c08": ("2023-05-01", "2023-11-26", "50", "trend"),
    "c09": ("2022-10-09", "2023-05-05", "50", "trend leaver"),
    "c10": ("2023-05-01", "2023-11-27", "50", "excellent"),
    "c11": ("2022-10-08", "2023-05-06", "70", "excellent leaver"),
    "c12": ("2022-01-01", "2023-12-31", "49.99", "steady"),
}


@pytest.fixture(scope="module")
def hand(make_orders) -> pd.DataFrame:
    rows = []
    for who, (first, last, amount, _group) in HAND.items():
        rows += [(who, first, amount)] + ([(who, last, amount)] if last else [])
    # What comes back lowers the money: c12 would be excellent without it.
    return make_orders([*rows, ("c12", "2022-02-01", "500.00"), ("c12", "2022-02-02", "0.00", "500.00")])


@pytest.fixture(scope="module")
def result(hand) -> cpm.Result:
    return cpm.analyse({"orders": hand}, RUN, ANY)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def frames(result: cpm.Result) -> dict[str, pd.DataFrame]:
    names = ("groups", "group_months", "rates", "rate_months", "months", "flows", "moves", "advice")
    made = {name: getattr(result, name) for name in names}
    made["customers"] = engine.collect(result.customers.sort("customer_id"), 100_000)
    made["actions"] = engine.collect(result.actions, 100_000)
    return made


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_dtype=False, obj=name)


def flows_of(result: cpm.Result, month: str) -> dict[tuple[str | None, str], tuple[int, Decimal, Decimal]]:
    own = result.flows[result.flows["month"] == month]
    return {
        (None if pd.isna(one.from_group) else one.from_group, one.to_group): (
            one.n_customers,
            one.amount,
            one.amount_before,
        )
        for one in own.itertuples()
    }


def groups_of(result: cpm.Result) -> dict[str, str]:
    frame = engine.collect(result.customers, 100_000)
    return dict(zip(frame["customer_id"], frame["segment"], strict=True))


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_all_ten_groups_by_hand_borders_included(result):
    assert groups_of(result) == {who: group for who, (*_rest, group) in HAND.items()}
    assert set(groups_of(result).values()) == set(cpm.GROUPS)


def test_first_time_by_orders_counts_a_second_order_on_the_same_day(hand):
    params = cpm.Params(min_customers=1, cut_amount=100, first_time_by="orders")
    changed = groups_of(cpm.analyse({"orders": hand}, RUN, params))
    assert changed == {who: group for who, (*_rest, group) in HAND.items()} | {"c03": "toddler"}


def test_gross_does_not_subtract_returns(hand):
    gross = cpm.analyse({"orders": hand}, RUN, cpm.Params(min_customers=1, cut_amount=100, amount="gross"))
    assert groups_of(gross)["c12"] == "excellent"
    assert sum(gross.groups["amount"]) == sum(hand["gross_amount"])


def test_the_groups_by_hand(result, hand):
    frame = result.groups.set_index("segment")
    cpm.GROUP_TABLE.check(result.groups.columns)
    assert list(frame.index) == list(cpm.GROUPS)
    assert frame["n_customers"].to_dict() == {one: 1 for one in cpm.GROUPS} | {"first-time": 2, "steady": 2}
    assert frame.loc["first-time", "amount"] == Decimal("1000.00")
    assert frame.loc["first-time", "mean_amount"] == pytest.approx(500)
    assert frame["customer_share"].sum() == pytest.approx(1) == frame["amount_share"].sum()
    assert sum(frame["amount"]) == sum(hand["net_amount"])
    # A month before, as of 2023-12-01, c03 was not there, and four had not ordered a second time or not yet lapsed.
    assert frame["n_customers_previous_month"].sum() == 11
    assert frame.loc["first-time", "n_customers_previous_month"] == 4
    # A year before, as of 2023-01-01, c12 and three who had just begun were there, c12 had been silent for 333 days.
    assert frame["n_customers_last_year"].to_dict() == {one: 0 for one in cpm.GROUPS} | {
        "first-time": 3, "toddler leaver": 1,
    }  # fmt: skip
    assert frame.loc["toddler leaver", "amount_last_year"] == Decimal("49.99")


def test_the_flows_of_the_month_by_hand(result):
    assert {pair: n for pair, (n, *_amounts) in flows_of(result, "2023-12").items()} == {
        ("first-time", "toddler"): 1, ("first-time", "steady"): 1, ("first-time", "first-time"): 1,
        ("first-time", "first-time leaver"): 1, ("toddler leaver", "steady"): 1, ("trend", "trend"): 1,
        ("excellent", "excellent"): 1, ("steady", "steady leaver"): 1, ("trend", "trend leaver"): 1,
        ("excellent", "excellent leaver"): 1, ("toddler leaver", "toddler leaver"): 1, (None, "first-time"): 1,
    }  # fmt: skip
    rates = result.rates.set_index("segment")
    assert rates.loc["first-time", ["n_at_start", "n_stepped_up", "n_lapsed"]].tolist() == [4, 2, 1]
    assert rates.loc["first-time", ["step_up_rate", "lapse_rate"]].tolist() == [0.5, 0.25]
    assert rates.loc["excellent", "lapse_rate"] == 0.5
    assert pd.isna(rates.loc["excellent", "step_up_rate"])
    assert pd.isna(rates.loc["toddler", "lapse_rate"])
    month = result.months.iloc[-1]
    assert month[["n_active", "n_new", "n_won_back", "n_stepped_up", "n_lapsed"]].tolist() == [7, 1, 1, 2, 4]
    assert month["lapse_rate"] == pytest.approx(4 / 9)
    assert len(result.months) == 13


def test_the_cut_is_the_mean_and_whoever_has_it_is_not_below(make_orders):
    """Three thirds of 10.00: each has the mean, which cannot be written in hundredths."""
    rows = [
        (f"c{n}", day, amount) for n in range(3) for day, amount in (("2023-01-01", "1.67"), ("2023-12-01", "1.66"))
    ]
    params = cpm.Params(min_customers=1)
    assert set(groups_of(cpm.analyse({"orders": make_orders(rows)}, RUN, params)).values()) == {"excellent"}
    more = make_orders([*rows, ("c9", "2023-12-01", "3.34")])
    found = groups_of(cpm.analyse({"orders": more}, RUN, params))
    assert found == {"c0": "steady", "c1": "steady", "c2": "steady", "c9": "first-time"}


# --- against a plain loop --------------------------------------------------------------------------------------------


def plain_states(orders: pd.DataFrame, day: date, params: cpm.Params) -> dict[str, tuple[str, Decimal]]:
    """Customer → group and amount, from the rows before ``day``, one by one."""
    known = orders[orders["ordered_date"] < day].dropna(subset=["customer_id"])
    totals = {}
    for who, own in known.groupby("customer_id"):
        days = list(own.loc[own["is_order"], "ordered_date"])
        if days:
            totals[who] = (days, sum(own["net_amount"]))
    cut = sum(amount for _, amount in totals.values()) / len(totals) if totals else None
    found = {}
    for who, (days, amount) in totals.items():
        tenure = (max(days) - min(days)).days
        if len(set(days)) == 1:
            stage = 0
        elif tenure < params.toddler_days:
            stage = 1
        elif amount < cut:
            stage = 2
        elif tenure < params.trend_days:
            stage = 3
        else:
            stage = 4
        is_lapsed = (day - max(days)).days >= params.lapse_days
        found[who] = ((cpm.LEAVERS if is_lapsed else cpm.STAGES)[stage], amount)
    return found


histories = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 620), st.sampled_from(["5.00", "20.00", "0.00", "300.00"])),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(made=histories)
def test_every_month_is_that_of_a_plain_loop(make_orders, made):
    """An amount of zero is a return of 7.00. Each month's flows are those between the states at its start and its end."""
    params = cpm.Params(min_customers=1, toddler_days=30, trend_days=100, lapse_days=60)
    first = date(2022, 4, 20)
    rows = [("c0", first, "1.00")]
    rows += [
        (f"c{who}", first + timedelta(days=day), amount, *(["7.00"] if amount == "0.00" else []))
        for who, day, amount in made
    ]
    orders = make_orders(rows)
    result = cpm.analyse({"orders": orders}, RUN, params)
    for back in range(1 - params.months, 1):
        start, end = first_of_month(RUN.month, back), first_of_month(RUN.month, back + 1)
        before, now = plain_states(orders, start, params), plain_states(orders, end, params)
        expected = {}
        for who, (group, amount) in now.items():
            n, money, old = expected.get((before.get(who, (None,))[0], group), (0, Decimal(0), Decimal(0)))
            then = before.get(who, (None, Decimal(0)))
            expected[then[0], group] = (n + 1, money + amount, old + then[1])
        assert flows_of(result, f"{start:%Y-%m}") == expected
    assert groups_of(result) == {who: group for who, (group, _amount) in plain_states(orders, AS_OF, params).items()}


@pytest.mark.parametrize(
    ("month", "column"), [("2023-11", "n_customers_previous_month"), ("2022-12", "n_customers_last_year")]
)
def test_an_earlier_month_is_what_its_own_report_says(hand, month, column):
    params = cpm.Params(min_customers=1)
    now = cpm.analyse({"orders": hand}, RUN, params).groups
    then = cpm.analyse({"orders": hand}, Run(source="x", month=month), params).groups
    assert now[column].tolist() == then["n_customers"].tolist()
    amount = column.replace("n_customers", "amount")
    assert now[amount].tolist() == then["amount"].tolist()


# --- planted ---------------------------------------------------------------------------------------------------------


def test_planted_rates_are_recovered(make_orders):
    """Of 200 first-time customers 30 order again in December; of 100 excellent ones 8 lapse in it, and 5 of 40 are won back."""
    rows = []
    for n in range(200):
        rows += [(f"f{n:03}", "2023-11-10", "20.00")] + ([(f"f{n:03}", "2023-12-10", "20.00")] if n < 30 else [])
    for n in range(100):
        last = "2023-04-20" if n < 8 else "2023-11-20"
        rows += [(f"e{n:03}", "2022-01-01", "900.00"), (f"e{n:03}", last, "900.00")]
    for n in range(40):
        rows += [(f"w{n:03}", "2022-06-01", "20.00")] + ([(f"w{n:03}", "2023-12-05", "20.00")] if n < 5 else [])
    result = cpm.analyse({"orders": make_orders(rows)}, RUN, cpm.Params())
    rates = result.rates.set_index("segment")
    assert rates.loc["first-time", "step_up_rate"] == pytest.approx(0.15)
    assert rates.loc["excellent", "n_at_start"] == 100
    assert rates.loc["excellent", "lapse_rate"] == pytest.approx(0.08)
    assert result.months["n_won_back"].iloc[-1] == 5
    told = cpm.findings(result, cpm.Params(), "EUR")
    assert told[1].startswith("In the month 8 customers lapsed, 2.7% of those active at its start, with €14K")
    assert told[2].startswith("30 of 200 first-time customers ordered again in the month (15.0%).")
    assert told[3].startswith("8 excellent customers have lapsed; they stand for €14K")
    actions = engine.collect(result.actions, 1000)
    first = actions.head(8)
    assert set(first["customer_id"]) == {f"e{n:03}" for n in range(8)}
    assert (set(first["priority"]), set(first["stance"])) == ({1}, {"win back"})


def test_who_is_about_to_lapse_comes_first(make_orders):
    rows = [(f"c{n}", day, "50.00") for n in range(3) for day in ("2022-01-01", f"2023-0{5 + n}-10")]
    params = cpm.Params(min_customers=1, warn_days=60)
    result = cpm.analyse({"orders": make_orders(rows)}, RUN, params)
    actions = engine.collect(result.actions, 10).set_index("customer_id")
    # 2023-05-10 is 236 days before, and 2023-06-10 205, 2023-07-10 175: five days later than 60 before the lapse.
    assert actions["days_until_lapse"].to_dict() == {"c0": 4, "c1": 35, "c2": 65}
    assert actions["priority"].to_dict() == {"c0": 1, "c1": 1, "c2": 3}
    assert actions.loc["c0", "reason"] == "4 days until the lapse: no order for 236 days; orders so far: 2."
    assert "2 excellent customers will lapse within 60 days" in " ".join(cpm.findings(result, params, "EUR"))


def test_before_anybody_can_have_lapsed_there_is_no_lapse_rate(make_orders):
    """The first order is of 2023-01-05: 240 days later is 2023-09-02, and no month before September can have a lapse."""
    rows = [(f"c{n}", "2023-01-05", "5.00") for n in range(4)] + [
        ("c0", "2023-11-05", "5.00"),
        ("c1", "2023-08-05", "5.00"),
    ]
    result = cpm.analyse({"orders": make_orders(rows)}, RUN, cpm.Params(min_customers=1))
    months = result.months.set_index("month")
    assert months["lapse_rate"].loc[:"2023-08"].isna().all()
    assert months["lapse_rate"].loc["2023-09":].tolist() == [0.75, 0.0, 0.0, 0.0]
    assert months["n_won_back"].sum() == 1
    first = result.rate_months[result.rate_months["segment"] == "first-time"].set_index("month")["lapse_rate"]
    assert (first["2023-09"], first.loc[:"2023-08"].notna().any()) == (1.0, False)


def test_the_actions_name_every_customer_once_the_most_urgent_first(result):
    actions = engine.collect(result.actions, 100)
    cpm.ACTIONS.check(actions.columns)
    assert sorted(actions["customer_id"]) == sorted(HAND)
    assert list(actions["priority"]) == sorted(actions["priority"])
    assert actions[["action", "reason", "stance", "expected_amount"]].notna().all().all()
    assert actions.set_index("customer_id").loc["c04", "expected_amount"] == Decimal("900.00")
    assert result.advice["n_customers"].sum() == len(HAND)


def test_every_group_has_its_advice():
    assert {group for group, _state in cpm.ADVICE} == set(cpm.GROUPS)
    assert {one for one in cpm.ADVICE if one[1] == cpm.LAPSED} == {(one, cpm.LAPSED) for one in cpm.LEAVERS}
    assert len(cpm.ADVICE) == 15
    urgencies = [urgency for urgency, *_rest in cpm.ADVICE.values()]
    assert urgencies == sorted(urgencies)


# --- any frame, few data ---------------------------------------------------------------------------------------------


def test_polars_and_duckdb_tables_in_any_order_give_the_same(hand, result, connection):
    mixed = hand.sample(frac=1, random_state=3)
    for orders in (pl.from_pandas(hand), connection.from_arrow(pa.Table.from_pandas(mixed, preserve_index=False))):
        assert_same(frames(cpm.analyse({"orders": orders}, RUN, ANY)), frames(result))


def test_rows_after_the_month_do_not_matter(hand, result, make_orders):
    later = make_orders(
        [("c01", "2024-01-01", "99.00"), ("c99", "2024-03-01", "5.00"), ("c02", "2024-01-05", "0", "9")]
    )
    assert_same(frames(cpm.analyse({"orders": pd.concat([hand, later])}, RUN, ANY)), frames(result))


def test_too_few_customers_and_too_short_a_history_are_told(hand, make_orders, refused):
    with refused(NotEnoughData, "E-MIN-1"):
        cpm.analyse({"orders": hand}, RUN, cpm.Params(min_customers=13))
    assert cpm.analyse({"orders": hand}, RUN, cpm.Params(min_customers=12))
    with refused(NotEnoughData, "E-MIN-1") as caught:
        cpm.analyse({"orders": make_orders([("c1", "2023-05-07", "5.00")])}, RUN, ANY)
    assert caught.value.fix == "239 days of orders, and nobody can have lapsed before 240"
    assert cpm.analyse({"orders": make_orders([("c1", "2023-05-06", "5.00")])}, RUN, ANY)
    with refused(NotEnoughData, "E-MIN-1"):
        cpm.analyse({"orders": make_orders([])}, RUN, ANY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"toddler_days": 0}, {"trend_days": 90}, {"lapse_days": 0}, {"warn_days": 241}, {"months": 12}, {"months": 37},
        {"cut_amount": 0.0}, {"min_customers": 0}, {"list_rows": 0},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        cpm.Params(**wrong)


@pytest.mark.parametrize(
    "rows",
    [
        [("c1", "2023-01-05", "5.00")],  # A81: one customer
        [(f"c{number}", "2023-01-05", "5.00") for number in range(9)],  # A82: all ties
        [(f"c{number}", "2023-01-05", "5.00", "5.00") for number in range(9)],  # all sent back
        [(f"c{number}", "2023-01-05", "5.00", "9.00") for number in range(9)],  # more than that
    ],
    ids=["one", "ties", "returned", "negative"],
)
def test_odd_companies_get_whole_results_and_charts(make_orders, rows):
    params = cpm.Params(min_customers=1)
    result = cpm.analyse({"orders": make_orders(rows)}, RUN, params)
    n = len({who for who, *_ in rows})
    assert result.groups["n_customers"].sum() == n == result.moves["n_customers"].sum()
    assert len(result.months) == 12
    for told in cpm.findings(result, params, "EUR"):
        assert "nan" not in told.lower()
    cpm.key_figures(result)
    draw_all(result)


def draw_all(result: cpm.Result) -> None:
    for ax in (
        cpm.plot_portfolio(result.groups, "EUR"), cpm.plot_heads(result.group_months),
        cpm.plot_amounts(result.group_months), cpm.plot_rate(result.rate_months, "step_up_rate"),
        cpm.plot_rate(result.rate_months, "lapse_rate"), cpm.plot_moves(result.moves, "amount", language.short_number),
    ):  # fmt: skip
        ax.figure.canvas.draw()


# --- charts ----------------------------------------------------------------------------------------------------------


def test_the_tiles_hold_the_numbers_of_the_frame(result):
    ax = cpm.plot_portfolio(result.groups, "EUR")
    texts = [text.get_text() for text in ax.texts]
    assert texts[::4] == [language.integer(one) for one in result.groups["n_customers"]]
    assert texts[1] == "€1,000 · 22.4%"
    assert texts[2:4] == ["−2 on last month", "−1 on last year"]
    assert [text.get_text() for text in ax.get_xticklabels()] == list(cpm.STAGES)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["active", "lapsed"]
    drawn = np.asarray(ax.images[0].get_array())
    assert drawn.ravel().tolist() == pytest.approx(result.groups["amount_share"].tolist())


def test_without_a_year_before_no_change_is_shown(make_orders):
    result = cpm.analyse({"orders": make_orders([("c1", "2023-01-05", "5.00")])}, RUN, cpm.Params(min_customers=1))
    texts = [text.get_text() for text in cpm.plot_portfolio(result.groups, "EUR").texts]
    assert set(texts[3::4]) == {""}


def test_drawn_months_and_rates_are_those_of_the_frames(result):
    drawn = cpm.plot_amounts(result.group_months).images[0].get_array()
    shown = result.group_months.pivot(index="month", columns="segment", values="amount")[list(cpm.GROUPS)]
    assert drawn.tolist() == shown.iloc[::-1].astype(float).to_numpy().tolist()
    heads = cpm.heads_table(result.group_months)
    assert heads.loc[0].tolist() == ["2023-12", *result.groups["n_customers"]]
    assert list(heads["month"]) == sorted(heads["month"], reverse=True)
    panels = cpm.plot_rate(result.rate_months, "lapse_rate").figure.axes
    own = result.rate_months[result.rate_months["segment"] == "first-time"]["lapse_rate"]
    assert list(panels[0].lines[-1].get_ydata()) == pytest.approx(own.to_list(), nan_ok=True)
    assert panels[0].get_title(loc="left") == "first-time"


# --- golden ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_time_by", "first"), [("days", [(1083, 465), (527, 69)]), ("orders", [(1040, 453), (570, 81)])]
)
def test_uci_gross_duplicates_kept_as_of_2011_12_09(online_retail_duplicates, connection, first_time_by, first):
    """METHODS: active and lapsed in each stage, M = 2,054.27. Published of days counted to the last day itself: to the day after it,
    as here, one more. Two orders on one day are one visit in what is published."""
    tables = warehouse.open_tables(online_retail_duplicates, connection)
    params = cpm.Params(amount="gross", lapse_days=241, first_time_by=first_time_by)
    days = [date(2011, 11, 10), date(2011, 12, 10)]
    periods = cpm.sum_periods(tables, days, params)
    cuts = cpm.measure_cuts(engine.collect(cpm.sum_places(periods), 2), days, params)
    assert round(float(cuts[1]), 2) == 2054.27
    placed = cpm.name_groups(cpm.place_customers(periods, 1, days, cuts, params), params)
    counts = engine.collect(placed.group_by("segment").agg(n=nw.len()), 10).set_index("segment")["n"]
    found = [(counts[stage], counts.get(leaver, 0)) for stage, leaver in zip(cpm.STAGES, cpm.LEAVERS, strict=True)]
    assert found == [*first, (1375, 16), (135, 3), (665, 0)]


def test_cdnow_every_month_holds_all_customers_and_all_money(cdnow, connection):
    """CDNOW to 1998-06: 23,570 customers, 2,500,315.63; each month's end as the customer table has it."""
    tables = warehouse.open_tables(cdnow, connection)
    result = cpm.analyse(tables, Run(source="x", month="1998-06"), cpm.Params())
    assert result.groups["n_customers"].sum() == 23_570
    assert sum(result.groups["amount"]) == Decimal("2500315.63")
    for month in ("1997-06", "1998-02"):
        as_of = first_of_month(month, 1)
        customers = summarise_customers(known_orders(tables, as_of), as_of, count_days=False)
        known = engine.collect(customers.select(n=nw.len(), amount=nw.col("net_amount").sum()), 1).iloc[0]
        own = result.group_months[result.group_months["month"] == month]
        assert (own["n_customers"].sum(), sum(own["amount"])) == (known["n"], known["amount"])
