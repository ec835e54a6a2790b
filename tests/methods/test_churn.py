"""Churn: who lapsed, what is forecast and how it is judged, the list and its money, from orders and from contracts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crm_analysis import engine, language, warehouse
from crm_analysis.customers import sum_days
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.leaving import contacts, drivers, endings, histories, losses, outcomes
from crm_analysis.methods import churn
from crm_analysis.models import classifier
from crm_analysis.params import Run, build
from crm_analysis.schema import day_number
from crm_analysis.sources.sample import draw_company

mpl.use("Agg")

RUN = Run(source="x", month="2023-12")
AS_OF = date(2024, 1, 1)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def rows(table, by: str = "customer_id") -> pd.DataFrame:
    return engine.collect(table.sort(by), 100_000)


# --- a made-up company: enough of it for a forecast, and small --------------------------------------------------------


def draw_purchases(n: int = 700, seed: int = 7) -> list[tuple[str, date, str]]:
    """Customers who buy at their own pace, and leave after an order with one chance in eight."""
    rng = np.random.Generator(np.random.PCG64(seed))
    made, begin = [], date(2022, 8, 1)
    for number in range(n):
        at, gap, price = rng.integers(0, 480), 10 + rng.gamma(2, 20), rng.lognormal(3, 0.7)
        while at < 518:
            made.append((f"c{number:04}", begin + timedelta(int(at)), f"{price * rng.uniform(0.5, 1.5):.2f}"))
            if rng.random() < 1 / 8:
                break
            at += 1 + rng.exponential(gap)
    return made


PURCHASES = draw_purchases()
SMALL = churn.Params(horizon_days=60, step_days=60, lapse_days=120, min_customers=100, contact_cost_amount=1.0)


@pytest.fixture(scope="module")
def shop(make_orders) -> pd.DataFrame:
    return make_orders(PURCHASES).assign(profit_amount=None)


@pytest.fixture(scope="module", autouse=True)
def _few_resamples():
    """Intervals are tested beside the mathematics."""
    before, classifier.N_RESAMPLES = classifier.N_RESAMPLES, 20
    yield
    classifier.N_RESAMPLES = before


@pytest.fixture(scope="module")
def result(shop) -> churn.Result:
    return churn.analyse({"orders": shop}, RUN, SMALL)


def probabilities(result: churn.Result) -> pd.Series:
    return rows(result.customers).set_index("customer_id")["churn_prob"]


# --- who lapsed, by hand ---------------------------------------------------------------------------------------------

# In December 2023, at 180 days: the last order before it on 2023-06-04 is 180 days back on 1 December, 211 on 1 January.
LAPSE = [
    ("a", "2022-01-10", "500.00"),  # more than 365 days before the last: not counted
    ("a", "2022-06-04", "30.00"),  # 365 days before
    ("a", "2022-06-05", "40.00"),  # 364 days before
    ("a", "2023-06-04", "60.00"),  # lapses in December
    ("a", "2023-09-01", "0.00", "10.00"),  # a return after the last order
    ("b", "2023-06-03", "25.00"),  # 181 days back on 1 December: had lapsed before
    ("c", "2023-07-05", "25.00"),  # 180 days back on 1 January: not longer than that
    ("d", "2023-07-04", "25.00"),  # 181 days back on 1 January
    ("e", "2023-07-01", "10.00"),
    ("e", "2023-12-31", "10.00"),  # came back in time
    ("f", "2023-12-05", "10.00"),  # new in the month: was not at risk
    ("g", "2023-06-20", "10.00"),
    ("g", "2023-06-21", "10.00"),  # two orders
    ("h", "2023-07-04", "99.00"),
    ("h", "2024-01-01", "99.00"),  # not known yet
]


@pytest.fixture(scope="module")
def lapsing(make_orders):
    return engine.materialise(sum_days({"orders": make_orders(LAPSE)}, date(2024, 6, 1)))


def test_who_lapsed_in_a_month_by_hand(lapsing):
    lost = rows(churn.lose_orders(lapsing, churn.Params(), date(2023, 12, 1), AS_OF)).set_index("customer_id")
    assert lost["is_lost"].to_dict() == {"a": True, "c": False, "d": True, "e": False, "g": True, "h": True}
    assert lost["stage"].to_dict() == {
        "a": "regular", "c": "first order", "d": "first order", "e": "first order", "g": "second order", "h": "first order",
    }  # fmt: skip
    assert (lost["acquired"] == histories.ACQUIRED[1]).to_dict() == {**dict.fromkeys("cdegh", False), "a": True}
    money = lost["lost_amount"].dropna().to_dict()
    assert money == {"a": Decimal("90.00"), "d": Decimal("25.00"), "g": Decimal("20.00"), "h": Decimal("99.00")}


def test_months_and_stages_by_hand(lapsing):
    months = {
        f"{start:%Y-%m}": churn.lose_orders(lapsing, churn.Params(), start, end)
        for start, end in ((date(2023, 11, 1), date(2023, 12, 1)), (date(2023, 12, 1), AS_OF))
    }
    dimensions = {"stage": histories.ORDER_STAGES, "acquired": histories.ACQUIRED}
    cells = losses.sum_cells(months, list(dimensions))
    told = losses.describe_months(cells)
    assert told.values.tolist() == [
        ["2023-11", 7, 1, pytest.approx(1 / 7), Decimal("25.00")],
        ["2023-12", 6, 4, pytest.approx(4 / 6), Decimal("234.00")],
    ]
    stages = losses.describe_stages(cells, dimensions).set_index("group")
    assert stages.loc["first order"].tolist()[1:5] == [4, 2, 0.5, Decimal("124.00")]
    assert stages.loc["first order", "previous_month_loss_rate"] == pytest.approx(1 / 5)
    assert stages["last_year_loss_rate"].isna().all()
    assert stages.groupby("dimension")["n_at_risk"].sum().tolist() == [6, 6]


def test_lapse_by_a_multiple_of_the_own_gap(make_orders):
    """Every 10 days, and silent for 30 or 31; one order counts by days."""
    orders = [("x", "2023-11-21", "5.00"), ("x", "2023-12-01", "5.00"), ("y", "2023-11-22", "5.00"), ("y", "2023-12-02", "5.00"),
              ("z", "2023-07-05", "5.00")]  # fmt: skip
    known = histories.summarise_days(sum_days({"orders": make_orders(orders)}, AS_OF), day_number(AS_OF))
    params = churn.Params(lapse_rule="gap")
    lapsed = rows(known.with_columns(is_lapsed=churn.is_lapsed(nw.col, params)))
    assert lapsed["is_lapsed"].tolist() == [True, False, False]
    frame = rows(known)
    assert churn.is_lapsed(frame.__getitem__, params).tolist() == lapsed["is_lapsed"].tolist()


def test_the_months_begin_where_somebody_can_have_lapsed():
    run = Run(source="x", month="2023-12")
    months = losses.lose_by_month(lambda start, end: (start, end), date(2023, 9, 2), run)
    assert months == {
        "2023-10": (date(2023, 10, 1), date(2023, 11, 1)),
        "2023-11": (date(2023, 11, 1), date(2023, 12, 1)),
        "2023-12": (date(2023, 12, 1), AS_OF),
    }
    assert len(losses.lose_by_month(lambda start, end: None, date(2020, 1, 1), run)) == 13


# --- what was known on a day ------------------------------------------------------------------------------------------


def know(days, day: date):
    number = day_number(day)
    return histories.describe_buying(days, number, histories.mean_order(days, number))


# The same told in SQL, written apart from the code.
ORACLE = """
with known as (select * from days where ordered_day < $day),
gaps as (
    select customer_id, ordered_day - lag(ordered_day) over (partition by customer_id order by ordered_day) gap
    from known where n_orders > 0),
mean_order as (select sum(net_amount)::double / sum(n_orders) worth from known)
select k.customer_id, sum(n_orders)::bigint n_orders, count(*) filter (n_orders > 0) n_order_days,
    $day - max(ordered_day) filter (n_orders > 0) days_since_last_order,
    $day - min(ordered_day) filter (n_orders > 0) days_since_first_order,
    (select avg(gap) from gaps where gaps.customer_id = k.customer_id) mean_days_between_orders,
    coalesce(sum(n_orders) filter (ordered_day >= $day - 90), 0)::bigint n_orders_90d,
    coalesce(sum(net_amount) filter (ordered_day >= $day - 30), 0)::double net_amount_30d,
    coalesce(sum(net_amount) filter (ordered_day between $day - 360 and $day - 181), 0)::double net_amount_180d_before,
    sum(net_amount)::double / sum(n_orders) / (select worth from mean_order) average_orders_worth,
    sum(returned_amount)::double / nullif(sum(gross_amount), 0)::double returned_rate
from known k group by k.customer_id having count(*) filter (n_orders > 0) > 0 order by k.customer_id
"""


@pytest.mark.parametrize("day", [date(2011, 6, 1), date(2011, 9, 10)])
def test_features_on_a_day_as_sql_has_them(online_retail, connection, day):
    tables = warehouse.open_tables(online_retail, connection)
    days = engine.materialise(sum_days(tables, date(2011, 12, 10)))
    found = rows(know(days, day))
    expected = days.to_native().query("days", ORACLE.replace("$day", str(day_number(day)))).df()
    assert len(found) == len(expected) > 2000
    for name in expected:
        mine = found[name]
        if name != "customer_id":
            assert mine.astype(float).to_numpy() == pytest.approx(
                expected[name].astype(float).to_numpy(), nan_ok=True
            ), name
        else:
            assert mine.tolist() == expected[name].tolist()
    ratio = found["days_since_last_order"] / found["mean_days_between_orders"]
    assert found["silence_ratio"].to_numpy() == pytest.approx(ratio.to_numpy(), nan_ok=True)


def test_nothing_of_the_day_or_later_changes_what_was_known(make_orders):
    day = date(2023, 9, 1)
    later = [(who, at, "777.00") for who, at, _price in PURCHASES if at >= day]
    earlier = [one for one in PURCHASES if one[1] < day]
    assert len(later) > 100
    known = [
        rows(know(sum_days({"orders": make_orders(orders)}, AS_OF), day))
        for orders in (PURCHASES, earlier, earlier + later, earlier + [("new", date(2023, 12, 1), "5.00")])
    ]
    for other in known[1:]:
        pd.testing.assert_frame_equal(known[0], other)


def test_what_came_after_is_marked_from_the_days_after_alone(make_orders):
    day, orders = date(2023, 9, 1), [
        ("a", "2023-08-31", "5.00"), ("a", "2023-09-01", "5.00"), ("b", "2023-08-01", "5.00"), ("b", "2023-10-01", "5.00"),
        ("c", "2023-08-01", "5.00"), ("c", "2023-09-10", "0.00", "5.00"), ("d", "2023-08-01", "5.00"), ("d", "2023-09-30", "1.00"),
    ]  # fmt: skip
    days = sum_days({"orders": make_orders(orders)}, AS_OF)
    marked = rows(histories.mark_silent(know(days, day), days, day_number(day), 30))
    # Of 30 days from 1 September the last is the 30th; a return is no order.
    assert marked.set_index("customer_id")["is_lost"].to_dict() == {"a": False, "b": True, "c": True, "d": False}


def test_online_retail_lost_1449_of_3370(online_retail, connection):
    """The number of METHODS: buyers before 2011-09-10 who placed no order to 2011-12-09."""
    days = sum_days(warehouse.open_tables(online_retail, connection), date(2011, 12, 10))
    cutoff = day_number(date(2011, 9, 10))
    marked = rows(histories.mark_silent(histories.summarise_days(days, cutoff), days, cutoff, 91))
    assert (len(marked), int(marked["is_lost"].sum())) == (3370, 1449)


def test_a_sample_is_of_whole_customers_and_always_the_same(shop):
    days = sum_days({"orders": shop}, AS_OF)
    some, again, other = (rows(histories.sample_customers(days, 0.3, seed)) for seed in (1, 1, 2))
    by = ["customer_id", "ordered_day"]
    pd.testing.assert_frame_equal(*(one.sort_values(by, ignore_index=True) for one in (some, again)))
    everybody = rows(days)
    assert 0.2 < some["customer_id"].nunique() / everybody["customer_id"].nunique() < 0.4
    assert set(some["customer_id"]) != set(other["customer_id"])
    whole = everybody[everybody["customer_id"].isin(set(some["customer_id"]))]
    assert len(whole) == len(some)


def test_the_days_to_learn_from():
    params = churn.Params(horizon_days=60, step_days=30, max_cutoffs=4, min_past_days=90)
    days = churn.list_cutoffs(date(2023, 1, 1), AS_OF, params)
    assert days == [date(2023, 11, 2), date(2023, 10, 3), date(2023, 9, 3), date(2023, 8, 4)]
    short = churn.list_cutoffs(date(2023, 6, 20), AS_OF, params)
    assert short == [date(2023, 11, 2), date(2023, 10, 3)]


# --- learning over time ----------------------------------------------------------------------------------------------


def made_rows(n: int, seed: int, leak: bool = False) -> pd.DataFrame:
    rng = np.random.Generator(np.random.PCG64(seed))
    is_lost, signal = rng.random(n) < 0.5, rng.random(n)
    signal = np.where(is_lost, signal + 0.5, signal)
    frame = pd.DataFrame({"customer_id": [f"c{one}" for one in range(n)], "is_lost": is_lost, "signal": signal})
    return frame.assign(status=np.where(is_lost, "closed", "open") if leak else "open")


LEARNING = outcomes.Learning(
    kind="logistic",
    features=classifier.Features(numbers=("signal",), categories=("status",)),
    sets={"signal": ("signal",), "status": ("status",)},
    attributes=("status",),
    max_single_auc=0.9,
    seed=1,
)


def learn(days, learning=LEARNING):
    return outcomes.learn_over_time(days, 60, learning, alone={}, file="orders")


def test_it_is_learned_from_days_whose_outcome_was_known_by_then():
    """Rows of a day less than the horizon before the judged one have their signal turned round: whoever learned from them
    would be judged badly."""
    good = [(100, made_rows(400, 1)), (40, made_rows(400, 2)), (10, made_rows(400, 3))]
    turned = made_rows(4000, 4)
    turned["signal"] = -turned["signal"]
    outlook = learn([good[0], (41, turned), *good[1:]])
    auc = outlook.scores.set_index(["forecast", "measure"]).loc[("logistic regression", "auc"), "value"]
    plain = learn(good).scores.set_index(["forecast", "measure"]).loc[("logistic regression", "auc"), "value"]
    assert auc == plain > 0.75
    # The forecast of today may learn from them.
    assert classifier.predict(outlook.model, good[0][1])[good[0][1]["signal"].argmax()] < 0.5


def test_attributes_are_numbers_where_all_their_texts_are_and_they_are_many():
    n = 30
    table = pd.DataFrame(
        {
            "age": [str(20 + one) if one % 7 else None for one in range(n)],
            "score": [f"{one / 8:.3f}" for one in range(n)],
            "grade": [str(one % 5) for one in range(n)],
            "zip": [f"{one}A" if one == 4 else str(one) for one in range(n)],
            "note": [None] * n,
        }
    ).astype({"note": str})
    read, features = outcomes.read_attributes(engine.as_table(table), list(table))
    assert (features.numbers, features.categories) == (("age", "score"), ("grade", "zip", "note"))
    frame = engine.collect(read, n)
    assert sorted(frame["score"].astype(float))[:3] == [0, 0.125, 0.25] and frame["age"].isna().sum() == 5


def test_an_attribute_that_knows_the_outcome_is_refused_and_named():
    days = [(100, made_rows(400, 1, leak=True)), (40, made_rows(400, 2, leak=True))]
    outlook = learn(days)
    assert list(outlook.refused) == ["status"] and outlook.aucs["status"] > 0.99
    assert "status" not in outlook.model.feature_names_in_
    assert [one for one in outcomes.warn(outlook) if one.startswith("“status” alone tells who is lost (AUC 1.000)")]
    honest = learn([(100, made_rows(400, 1)), (40, made_rows(400, 2))])
    assert list(honest.refused) == [] and "status" in honest.model.feature_names_in_


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["nobody lost", "all lost"])
@pytest.mark.parametrize("place", [0, 1], ids=["judged", "learned"])
def test_one_outcome_alone_is_told(refused, share, place):
    days = [(100, made_rows(400, 1)), (40, made_rows(400, 2))]
    days[place] = (days[place][0], days[place][1].assign(is_lost=bool(share)))
    with refused(NotEnoughData, "E-MIN-3") as caught:
        learn(days)
    assert "only 0 customers " + ("stayed" if share else "were lost") in str(caught.value)


def test_a_forecast_that_knows_nothing_is_said_to():
    days = [(day, made_rows(400, day).assign(signal=0.0)) for day in (100, 40)]
    assert [
        one
        for one in outcomes.warn(learn(days))
        if one.startswith("The forecast does not tell customers apart: AUC 0.5")
    ]


def test_a_forecast_no_better_than_a_simple_one_and_poor_calibration_are_said():
    shifted = made_rows(1200, 2)
    rare = shifted[shifted["is_lost"] | (shifted.index % 8 == 0)]
    days = [(100, made_rows(800, 1)), (40, rare)]
    outlook = outcomes.learn_over_time(days, 60, LEARNING, alone={"the signal alone": "signal"}, file="orders")
    told = outcomes.warn(outlook)
    assert [one for one in told if "not proven better than the simpler one “the signal alone”: AUC 0." in one]
    assert [
        one for one in told if one.startswith("The probabilities are poorly calibrated: forecast and outcome differ by")
    ]


# --- the list and its money ------------------------------------------------------------------------------------------


def scored(made: list[tuple]) -> pd.DataFrame:
    names = ["customer_id", "segment", "churn_prob", "value_amount"]
    frame = pd.DataFrame(made, columns=names)
    return frame.assign(
        part="orders", is_lapsed=False, at_risk_amount=frame["churn_prob"] * frame["value_amount"],
        days_since_last_order=5, tenure_months=1.0,
    )  # fmt: skip


# With 10 a contact and one in five kept, contacting pays above 50 at risk, and personally from 250 on.
BY_HAND = [
    ("a", "regular", 0.5, 500.0),  # 250 at risk: 50 - 10 = 40 = 4 x 10
    ("b", "first order", 0.5, 200.0),  # 100: 10
    ("c", "regular", 0.25, 400.0),  # 100, less likely: behind b
    ("d", "second order", 0.5, 100.0),  # 50: nothing
    ("e", "second order", 0.5, 100.0),  # the same: by id
    ("f", "regular", 0.9, 10.0),
]


def test_whom_to_contact_by_hand():
    ranked = contacts.rank_by_risk(engine.as_table(scored(BY_HAND)), 10.0, 0.2)
    found = rows(ranked, "place")
    assert found["customer_id"].tolist() == list("abcdef")
    assert found["profit_amount"].tolist() == pytest.approx([40, 10, 10, 0, 0, -8.2])
    reasons = engine.as_table(pd.DataFrame({"customer_id": list("abcdef"), "reason": "why"}))
    for at_least, listed in ((0, "abc"), (5, "abcde")):
        chosen = contacts.advise(contacts.choose(ranked, at_least), reasons, 10.0)
        told = engine.collect(contacts.list_once([chosen]), 10)
        assert "".join(told["customer_id"]) == listed
        assert told["priority"].tolist() == [1, 2, 2, 4, 4][: len(listed)]
        assert [float(one) for one in told["expected_amount"]] == pytest.approx([40, 10, 10, 0, 0][: len(listed)])
        assert told["action"][0] == contacts.ADVICE[1]["regular"]
        assert told["action"][1] == contacts.ADVICE[2]["first order"]
    assert told["action"][4] == contacts.NO_CONTACT
    contacts.LIST.check(told.columns)


def test_the_profit_of_contacting_by_hand():
    ranked = engine.materialise(contacts.rank_by_risk(engine.as_table(scored(BY_HAND)), 10.0, 0.2))
    profit = contacts.describe_profit(ranked)
    assert profit["n_contacted"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert profit["profit_amount"].tolist() == pytest.approx([0, 40, 50, 60, 60, 60, 51.8])
    facts = contacts.sum_up(ranked)
    assert (facts["n_customers"], facts["n_pays"], facts["n_likely"]) == (6, 3, 1)
    assert (facts["profit_amount"], facts["at_risk_amount"]) == pytest.approx((60, 559))


def test_the_profit_of_many_is_told_in_few_points():
    many = scored([(f"c{one:04}", "regular", 0.5, float(one)) for one in range(1000)])
    ranked = engine.materialise(contacts.rank_by_risk(engine.as_table(many), 10.0, 0.2))
    profit = contacts.describe_profit(ranked)
    assert len(profit) == 201 and profit["n_contacted"].iloc[-1] == 1000
    gains = sorted((0.1 * one - 10 for one in range(1000)), reverse=True)
    assert profit["profit_amount"].iloc[-1] == pytest.approx(sum(gains))
    assert profit["profit_amount"].iloc[100] == pytest.approx(sum(gains[:500]))


def test_each_customer_is_listed_once_by_the_part_with_more_money_at_risk():
    reasons = engine.as_table(pd.DataFrame({"customer_id": list("abcdef"), "reason": "why"}))

    def listed(made: list[tuple], part: str):
        ranked = contacts.rank_by_risk(engine.as_table(scored(made).assign(part=part)), 10.0, 0.2)
        return contacts.advise(ranked, reasons, 10.0)

    orders = listed([("a", "regular", 0.5, 500.0), ("b", "regular", 0.5, 100.0)], "orders")
    others = listed([("b", "4–12 months", 0.5, 300.0), ("c", "4–12 months", 0.1, 100.0)], "contracts")
    once = engine.collect(contacts.list_once([orders, others]), 10)
    assert once[["customer_id", "part"]].values.tolist() == [["a", "orders"], ["b", "contracts"], ["c", "contracts"]]


# --- reasons in words ------------------------------------------------------------------------------------------------


def test_reasons_are_told_in_the_customers_own_numbers():
    row = pd.Series(
        {
            "n_order_days": 4, "days_since_last_order": 75, "mean_days_between_orders": 20.4, "days_since_first_order": 136,
            "net_amount_180d": 58.4, "net_amount_180d_before": 2752.7, "returned_rate": 0.4, "region": "South", "age": 41.0,
        }
    )  # fmt: skip
    one = row.copy()
    one["n_order_days"] = 1
    often = row.copy()
    often["mean_days_between_orders"] = 80.0
    rising = row.copy()
    rising["net_amount_180d"] = 5000.0
    said = drivers.say_of_orders
    assert said("silence", row) == "silent for 75 days, usually orders every 20"
    assert said("silence", one) == said("frequency", one) == "only one order, 75 days ago"
    assert said("silence", often) == "orders every 80 days only"
    assert said("frequency", row) == "4 order days in 136 days as a customer"
    assert said("amount", row) == "bought for 58 in the last 180 days, for 2,753 in the 180 days before"
    assert said("amount", rising) == ""
    assert said("returns", row) == "sent back 40% of purchases"
    assert (said("region", row), said("age", row)) == ("region: South", "age: 41")
    contract = pd.Series({"tenure_months": 2.0, "monthly_amount": 99.65, "contract_type": ""})
    assert drivers.say_of_contracts("time as a customer", contract) == "customer for 2 months"
    assert drivers.say_of_contracts("monthly amount", contract) == "pays 99.65 a month"
    assert drivers.say_of_contracts("contract type", contract) == "contract type: not known"


def test_reasons_are_the_drivers_that_raise_the_forecast_most(result):
    """Whoever is silent for longer than usual is told so, and most of them first."""
    listed = engine.collect(result.actions, 1000)
    silent = listed[listed["reason"].str.contains("silent for")]
    assert len(silent) > 50
    assert silent["reason"].str.startswith("silent for").mean() > 0.7
    assert all(f"silent for {row.days_since_last_order} days" in row.reason for row in silent.itertuples())
    gaps = silent["reason"].str.extract(r"usually orders every (\d+)")[0].astype(int)
    assert (gaps <= silent["days_since_last_order"]).all()
    assert listed["reason"].str.count(";").max() <= outcomes.N_REASONS - 1


# --- the whole, from orders -------------------------------------------------------------------------------------------


def test_the_result_is_whole(result, shop):
    part, customers = result.orders, rows(result.customers)
    contacts.SCORED.check(customers.columns)
    known = rows(histories.summarise_days(sum_days({"orders": shop}, AS_OF), day_number(AS_OF)))
    assert customers["customer_id"].tolist() == known["customer_id"].tolist()
    assert customers["churn_prob"].between(0, 1).all()
    assert customers["is_lapsed"].tolist() == (known["days_since_last_order"] > SMALL.lapse_days).tolist()
    at_risk = customers["churn_prob"] * customers["value_amount"].astype(float)
    assert customers["at_risk_amount"].astype(float).to_numpy() == pytest.approx(at_risk.to_numpy(), abs=0.0051)
    listed = engine.collect(result.actions, 1000)
    contacts.LIST.check(listed.columns)
    assert listed["customer_id"].is_unique
    assert set(listed["customer_id"]) <= set(customers.loc[~customers["is_lapsed"], "customer_id"])
    assert listed["at_risk_amount"].is_monotonic_decreasing
    pays = customers[~customers["is_lapsed"] & (customers["at_risk_amount"].astype(float) * 0.1 - 1 > 0.005)]
    assert set(pays["customer_id"]) <= set(listed["customer_id"])
    churn.TOP.check(part.top.columns)
    assert part.top["customer_id"].tolist() == listed["customer_id"].tolist()[:20]
    assert part.months["n_lost"].iloc[-1] == part.stages[part.stages["dimension"] == "orders so far"]["n_lost"].sum()
    value = rows(engine.as_table(shop).filter(nw.col("ordered_day") >= day_number(date(2023, 1, 1))))
    total = value.groupby("customer_id")["net_amount"].sum()
    assert customers.set_index("customer_id")["value_amount"].astype(float).sum() == pytest.approx(float(total.sum()))


def test_the_forecast_beats_a_guess_and_is_compared(result):
    scores = result.orders.outlook.scores.set_index(["forecast", "measure"])
    assert scores.loc[("logistic regression", "auc"), "low"] > 0.6
    card = result.orders.outlook.scorecard
    assert card["forecast"].tolist() == [
        "logistic regression", churn.ACTIVE_ONLY, "gradient boosting", churn.DAYS_ALONE, outcomes.ALIVE, outcomes.NO_ORDER,
        outcomes.BASE_RATE,
    ]  # fmt: skip
    alive = card.set_index("forecast").loc[outcomes.ALIVE]
    assert alive[["brier", "calibration_error"]].isna().all() and scores.loc[(outcomes.ALIVE, "auc"), "value"] > 0.55
    own = scores.loc[("logistic regression", "auc")]
    assert card["auc"][0] == f"{own['value']:.3f} ({own['low']:.3f}–{own['high']:.3f})"
    assert result.orders.outlook.calibration["n_customers"].sum() == card["n_customers"][0]


def test_the_order_of_the_rows_and_later_rows_do_not_matter(result, shop, make_orders):
    later = make_orders([("c0001", "2024-01-01", "99.00"), ("c9999", "2024-02-01", "5.00")])
    mixed = pd.concat([shop.sample(frac=1, random_state=3), later.assign(profit_amount=None)])
    again = churn.analyse({"orders": mixed}, RUN, SMALL)
    pd.testing.assert_series_equal(probabilities(again), probabilities(result))
    pd.testing.assert_frame_equal(engine.collect(again.actions, 1000), engine.collect(result.actions, 1000))
    pd.testing.assert_frame_equal(again.orders.outlook.scores, result.orders.outlook.scores)
    pd.testing.assert_frame_equal(again.orders.months, result.orders.months)


def test_four_years_later_and_in_another_currency_the_forecast_is_the_same(result, make_orders):
    """All days moved by four years, which are 1,461 days, and all money times 100, the cost of a contact too."""
    moved = [(who, at + timedelta(1461), str(Decimal(price) * 100)) for who, at, price in PURCHASES]
    params = build(churn.Params, {**SMALL.__dict__, "contact_cost_amount": 100.0}, "x")
    shop = make_orders(moved).assign(profit_amount=None)
    again = churn.analyse({"orders": shop}, Run(source="x", month="2027-12"), params)
    assert probabilities(again).to_numpy() == pytest.approx(probabilities(result).to_numpy(), abs=2e-6)
    names = ["n_at_risk", "n_lost", "loss_rate"]
    pd.testing.assert_frame_equal(again.orders.months[names], result.orders.months[names])
    # Cents are rounded, and with them the last of those who are still worth a contact.
    here, there = (engine.collect(one.actions, 1000).head(150) for one in (result, again))
    assert there[["customer_id", "priority"]].equals(here[["customer_id", "priority"]])
    money = there["at_risk_amount"].astype(float).to_numpy()
    assert money == pytest.approx(100 * here["at_risk_amount"].astype(float).to_numpy(), rel=1e-3)


def test_the_margin_that_is_given_or_known_is_the_value(result, shop):
    assert any(one.startswith("The margin of orders is not known") for one in result.warnings)
    given = build(churn.Params, {**SMALL.__dict__, "margin_rate": 0.25}, "x")
    assert churn.find_margin({"orders": shop}, RUN, given, "orders") == (0.25, ())
    costed = shop.assign(profit_amount=[one * Decimal("0.4") for one in shop["net_amount"]])
    rate, told = churn.find_margin({"orders": costed}, RUN, SMALL, "orders")
    assert (rate, told) == (pytest.approx(0.4), ())
    rate, told = churn.find_margin({"orders": shop.assign(profit_amount=-shop["net_amount"])}, RUN, SMALL, "orders")
    assert rate == 1 and "The margin of orders is -100.0%" in told[0]


def test_attributes_are_used_only_where_named_and_refused_where_they_know_too_much(shop, refused):
    params = {**SMALL.__dict__, "classifier": "boosting", "attributes": ["region", "status", "birth_year"]}
    customers = sorted({who for who, _at, _price in PURCHASES})
    last = {who: at for who, at, _price in PURCHASES}
    table = pd.DataFrame(
        {
            "customer_id": customers,
            "region": [("North", "South", "")[number % 3] for number in range(len(customers))],
            # As of the export: who placed no order in the last days of it.
            "status": ["closed" if last[who] < AS_OF - timedelta(60) else "open" for who in customers],
            "birth_year": [str(1950 + number % 50) for number in range(len(customers))],
        }
    )
    params |= {"max_cutoffs": 2, "max_single_auc": 0.8}
    told = churn.analyse({"orders": shop, "customers": table}, RUN, build(churn.Params, params, "x"))
    assert list(told.orders.outlook.refused) == ["status"]
    assert told.warnings[0].startswith("“status” alone tells who is lost")
    assert {"region", "birth_year"} <= set(told.orders.outlook.model.feature_names_in_)
    assert told.orders.outlook.scorecard["forecast"][0] == "gradient boosting"
    with refused(ParameterError, "E-PAR-3"):
        churn.read_customers({"customers": table}, build(churn.Params, {"attributes": ["regoin"]}, "x"))


# --- what is not enough, or odd --------------------------------------------------------------------------------------

ODD = {
    "one customer": ([("c1", "2023-12-05", "5.00")], {}, "E-MIN-1"),
    "few customers": ([one for one in PURCHASES if one[0] < "c0050"], {}, "E-MIN-1"),
    "short history": ([one for one in PURCHASES if one[1] > date(2023, 8, 1)], {}, "E-MIN-1"),
    "the source has stopped": ([one for one in PURCHASES if one[1] < date(2023, 11, 20)], {}, "E-MIN-1"),
    "no repeat customers": (list({who: (who, at, price) for who, at, price in PURCHASES}.values()), {}, "E-MIN-1"),
    "no repeat customers asked for": (
        list({who: (who, at, price) for who, at, price in PURCHASES}.values()), {"min_regular_customers": 0}, "E-MIN-3",
    ),
    "nobody leaves": (
        [(f"c{n:03}", date(2023, 1, 1) + timedelta(5 * k), "5.00") for n in range(150) for k in range(73)], {}, "E-MIN-3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(ODD))
def test_what_is_not_enough_is_told_in_one_line(make_orders, refused, case):
    orders, changed, code = ODD[case]
    params = build(churn.Params, {**SMALL.__dict__, **changed}, "x")
    with refused(NotEnoughData, code):
        churn.analyse({"orders": make_orders(orders)}, RUN, params)


def test_nobody_is_active_and_amounts_are_all_the_same_or_sent_back(make_orders):
    """A page all the same: everybody lapsed but those of the last days, who have no value."""
    orders = make_orders([(who, at, "5.00", "5.00") for who, at, _price in PURCHASES]).assign(profit_amount=None)
    params = build(churn.Params, {**SMALL.__dict__, "lapse_days": 1, "max_cutoffs": 2}, "x")
    result = churn.analyse({"orders": orders}, RUN, params)
    assert result.orders.facts["n_pays"] == 0
    draw_all(result)
    for told in churn.findings(result, RUN, params, "EUR"):
        assert "nan" not in told.lower()
    silent = make_orders([one for one in PURCHASES if one[1] < date(2023, 12, 30)]).assign(profit_amount=None)
    empty = churn.analyse({"orders": silent}, RUN, params)
    assert engine.n_rows(empty.actions) == 0 == empty.orders.facts["n_customers"]
    draw_all(empty)


def test_neither_table_is_told(refused):
    with refused(NotEnoughData, "E-MIN-2") as caught:
        churn.analyse({"products": pd.DataFrame()}, RUN, churn.Params())
    assert caught.value.fix == "the source has no table orders or contracts"


@pytest.mark.parametrize(
    "wrong",
    [{"horizon_days": 0}, {"max_training_rows": 10}, {"success_rate": 0.0}, {"margin_rate": 1.5}, {"max_single_auc": 0.0},
     {"contact_cost_amount": -1.0}, {"lapse_gap_multiple": 0.0}],
)  # fmt: skip
def test_parameters_have_bounds(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        churn.Params(**wrong)


# --- from contracts --------------------------------------------------------------------------------------------------


def snapshot(n: int = 400, **columns) -> pa.Table:
    """An export without dates: who pays by card leaves more often, and so do the new."""
    rng = np.random.Generator(np.random.PCG64(4))
    card, tenure = rng.random(n) < 0.5, rng.integers(0, 60, n)
    is_ended = rng.random(n) < np.where(card, 0.5, 0.15) * np.where(tenure < 12, 1.2, 0.6)
    return pa.table(
        {
            "customer_id": [f"c{one:03}" for one in range(n)],
            "tenure_months": [Decimal(int(one)) for one in tenure],
            "is_ended": is_ended,
            "monthly_amount": [Decimal(f"{one:.2f}") for one in rng.uniform(5, 50, n)],
            "end_reason": [("price", "service")[number % 2] if one else None for number, one in enumerate(is_ended)],
            "payment": np.where(card, "card", "debit"),
            "observed_date": [date(2023, 12, 31)] * n,
            **columns,
        }
    )


def test_an_export_without_dates_is_told_of_its_day():
    params = churn.Params(min_customers=100)
    result = churn.analyse({"contracts": snapshot()}, RUN, params)
    part = result.contracts
    lost = int(part.stages["n_lost"].sum())
    assert part.stages["n_at_risk"].sum() == 400 and part.months.empty and result.orders.months.empty
    assert part.facts["group"] == "payment" and set(part.retention_by["group"]) == {"card", "debit"}
    assert part.reasons["n_customers"].sum() == lost
    assert engine.n_rows(result.customers) == 400 - lost
    assert churn.findings(result, RUN, params, "EUR")[0].startswith(
        f"{lost} of 400 contract customers have left to date"
    )
    listed = engine.collect(result.actions, 1000)
    assert (listed["part"] == "contracts").all() and listed["days_since_last_order"].isna().all()
    draw_all(result)


@pytest.mark.parametrize("is_ended", [True, False], ids=["all left", "nobody left"])
def test_one_outcome_of_contracts_is_told(refused, is_ended):
    with refused(NotEnoughData, "E-MIN-3"):
        churn.analyse({"contracts": snapshot(is_ended=[is_ended] * 400)}, RUN, churn.Params(min_customers=100))


def test_an_export_without_amounts_or_attributes_is_enough():
    bare = snapshot().select(["customer_id", "tenure_months", "is_ended", "observed_date"])
    result = churn.analyse({"contracts": bare}, RUN, churn.Params(min_customers=100))
    assert result.contracts.retention_by.empty and result.contracts.reasons.empty
    assert engine.n_rows(result.actions) == 100
    draw_all(result)


def test_a_part_that_is_not_enough_is_left_out_and_told(shop):
    few = snapshot(150)
    result = churn.analyse(
        {"orders": shop, "contracts": few}, RUN, build(churn.Params, {**SMALL.__dict__, "min_customers": 200}, "x")
    )
    assert result.contracts.customers is None and result.orders.customers is not None
    assert result.warnings[0].startswith("No report from contracts: 150 customers with a contract by then")


def test_telco(telco, connection):
    """5-fold AUC .845 ± .014 for logistic regression, .847 for boosting; of 7,043 customers 1,869 left, 11 amounts are blank."""
    tables, params = warehouse.open_tables(telco, connection), churn.Params()
    result = churn.analyse(tables, Run(source="telco", month="2017-09"), params)
    part = result.contracts
    assert part.stages[["n_at_risk", "n_lost"]].sum().tolist() == [7043, 1869]
    assert int(engine.collect(tables["contracts"].select(nw.col("total_amount").is_null().sum()), 1).iloc[0, 0]) == 11
    scores = part.outlook.scores.set_index(["forecast", "measure"])["value"]
    assert scores["logistic regression", "auc"] == pytest.approx(0.845, abs=0.002)
    assert scores["gradient boosting", "auc"] == pytest.approx(0.847, abs=0.004)
    assert scores["logistic regression", "calibration_error"] < 0.02
    assert part.outlook.refused == []
    assert part.facts["group"] == "contract_type"
    year = part.retention_by[part.retention_by["tenure_months"] == 12].set_index("group")["retained_share"]
    assert year["Month-to-month"] < 0.75 < 0.98 < year["One year"]
    assert engine.n_rows(result.customers) == 7043 - 1869
    assert {"time as a customer", "contract type"} == set(part.outlook.drivers["driver"][:2])


def test_the_workbook_agrees_and_its_score_is_refused(telco, telco_workbook, tmp_path, connection):
    """The workbook holds the same customers, with reasons. A contract that took its Churn Score for an attribute would be
    judged .94 by it alone: it is refused and named."""
    names = ["customer_id", "tenure_months", "is_ended", "monthly_amount", "contract_type", "payment_method"]
    left, right = (
        rows(warehouse.open_tables(one, connection)["contracts"].select(names)) for one in (telco, telco_workbook)
    )
    pd.testing.assert_frame_equal(left, right)
    shutil.copytree(telco.parents[1] / "params", tmp_path / "params")
    path = tmp_path / "params" / "sources" / "telco_workbook.yml"
    text = path.read_text(encoding="utf-8")
    added = text + "      churn_score: Churn Score\n      cltv: CLTV\n"
    (tmp_path / "params" / "sources" / "leaking.yml").write_text(added, encoding="utf-8")
    warehouse.ensure(tmp_path, "leaking", "1GB")
    tables = warehouse.open_tables(warehouse.warehouse_folder(tmp_path, "leaking"), connection)
    params = churn.Params(max_training_rows=1500)
    result = churn.analyse(tables, Run(source="leaking", month="2017-09"), params)
    outlook = result.contracts.outlook
    assert list(outlook.refused) == ["churn_score"] and outlook.aucs["churn_score"] == pytest.approx(0.94, abs=0.02)
    assert result.warnings[0].startswith("“churn score” alone tells who is lost (AUC 0.9")
    assert outlook.scores["value"][0] < 0.9
    reasons = result.contracts.reasons.set_index("end_reason")
    assert reasons["n_customers"].sum() == 1869
    assert reasons.loc["Attitude of support person", ["n_customers", "customer_rank", "amount_rank"]].tolist() == [
        192,
        1,
        2,
    ]


# --- real and sample companies ----------------------------------------------------------------------------------------


def test_cdnow_from_end_to_end(cdnow, connection):
    params = churn.Params(max_training_rows=8000, max_cutoffs=6)
    result = churn.analyse(warehouse.open_tables(cdnow, connection), Run(source="cdnow", month="1998-06"), params)
    assert engine.n_rows(result.customers) == 23_570
    # All joined in the first quarter of 1997, and most never came again.
    assert result.orders.facts["n_lost_to_date"] == 18_210
    assert result.orders.stages.set_index("group").loc["first order", "n_at_risk"] == 0
    assert result.orders.outlook.scores["low"][0] > 0.8
    assert "not proven better than the simpler one “no order, MBG/NBD”" in " ".join(result.warnings)
    draw_all(result)


@pytest.fixture(scope="module")
def sampled(sample, connection) -> churn.Result:
    params = churn.Params(max_training_rows=40_000)
    return churn.analyse(warehouse.open_tables(sample, connection), Run(source="sample", month="2026-10"), params)


def test_a_sample_that_it_learned_from_is_told_as_one(sampled):
    settings = churn.assumptions(sampled, churn.Params(), "EUR").set_index("assumption")["setting"]
    told = settings["it learned, and was judged, from (max_training_rows, seed)"]
    assert told == f"{sampled.orders.facts['learned_share']:.1%} of the customers, drawn by lot; everybody is scored"
    whole = churn.Part(facts=sampled.orders.facts | {"learned_share": 1.0}, customers=sampled.customers)
    assert len(churn.assumptions(replace(sampled, orders=whole), churn.Params(), "EUR")) == len(settings) - 1


def test_the_sample_company_has_left_whom_the_forecast_says(sampled):
    """The truth is planted: who left for good, which nobody does after a first order. Of those whose probability is in the highest
    tenth more than twice as many have left as of all, of regular customers more than two and a half times as many. (Of
    those not lapsed yet the highest tenth are rare buyers who still come: no order in three months is not to have left.)"""
    left = draw_company().customers.set_index("Customer No")["left_date"] < pd.Timestamp("2026-11-01")
    everybody = rows(sampled.customers.filter(nw.col("part") == "orders")).set_index("customer_id")
    has_left = left.reindex(everybody.index).to_numpy()
    assert has_left.sum() > 900
    assert classifier.lift(has_left.astype(int), everybody["churn_prob"].to_numpy()) > 2
    regular = (everybody["segment"] == "regular").to_numpy()
    lift = classifier.lift(has_left[regular].astype(int), everybody.loc[regular, "churn_prob"].to_numpy())
    assert lift > 2.5
    assert has_left[everybody["is_lapsed"]].mean() > 1.5 * has_left[~everybody["is_lapsed"]].mean()


def test_the_sample_company_has_both_parts_and_each_customer_once_on_the_list(sampled):
    listed = engine.collect(sampled.actions, 10_000)
    assert listed["customer_id"].is_unique
    assert set(listed["part"]) == {"orders", "contracts"}
    parts = [rows(one.listed).set_index("customer_id")["at_risk_amount"] for one in (sampled.orders, sampled.contracts)]
    both = set(parts[0].index) & set(parts[1].index)
    assert both
    once = listed.set_index("customer_id")["at_risk_amount"]
    assert all(once[who] == max(parts[0][who], parts[1][who]) for who in both)
    assert len(churn.findings(sampled, Run(source="sample", month="2026-10"), churn.Params(), "EUR")) == 4
    draw_all(sampled)


def test_the_sample_companys_contracts_show_what_was_planted(sampled):
    """Payment and billing change the hazard, the plan does not."""
    order = sampled.contracts.outlook.drivers["driver"].tolist()
    assert set(order[:2]) == {"payment method", "billing"}
    assert order.index("plan") > 2
    assert sampled.contracts.facts["group"] in ("payment_method", "billing")
    assert sampled.contracts.months["n_lost"].gt(0).all() and len(sampled.contracts.months) == 13


# --- charts and words ------------------------------------------------------------------------------------------------


def draw_all(result: churn.Result) -> None:
    for part in (result.orders, result.contracts):
        churn.plot_months(part.months, "n_lost", language.integer, "lost")
        churn.plot_stages(part.stages)
        churn.plot_drivers(part.outlook.drivers)
        churn.plot_profit(part)
        churn.plot_scores(part.outlook.scores)
        churn.plot_calibration(part.outlook.calibration)
        churn.plot_retention(part.retention)
        churn.plot_retention(part.retention_by)
        churn.plot_reasons(part.reasons)
    plt.close("all")


def test_what_is_said_of_the_made_up_company(result):
    told, last = churn.findings(result, RUN, SMALL, "EUR"), result.orders.months.iloc[-1]
    assert len(told) == 5
    assert told[0].startswith(
        f"In December 2023, {last['n_lost']} customers lapsed, {language.percent(last['loss_rate'])} of the"
    )
    assert told[3].startswith("More likely than not to place no order in the next 60 days: ")
    assert "if a contact costs 1 EUR and keeps 10% of those who would leave" in told[1]
    assert "of all who had not lapsed yet" in told[4]
    figures = {one.name: one for one in churn.key_figures(result)}
    assert figures["customers lapsed"].value == last["n_lost"]
    assert figures["customers lapsed"].previous == result.orders.months["n_lost"].iloc[-2]
    settings = churn.assumptions(result, SMALL, "EUR").set_index("assumption")["setting"]
    assert settings["cost of a contact (contact_cost_amount)"] == "1.00 EUR"
    draw_all(result)


def test_reasons_are_ranked_in_customers_and_in_money():
    lost = pd.DataFrame(
        {
            "end_reason": ["price", "price", "moved", None],
            "lost_amount": [Decimal("10.00"), Decimal("20.00"), Decimal("60.00"), Decimal("10.00")],
        }
    )
    told = endings.describe_reasons(engine.as_table(lost)).set_index("end_reason")
    assert told.loc["price"].tolist() == [2, 0.5, Decimal("30.00"), 0.3, 1, 2]
    assert told.loc["moved", "amount_rank"] == 1
    assert told.loc["not recorded", "n_customers"] == 1
    assert endings.describe_reasons(
        engine.as_table(lost.assign(end_reason=None).astype({"end_reason": str}).head(0))
    ).empty
