"""The company's figures month by month, by hand and against plain loops."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from crm_analysis import pulse
from crm_analysis.params import Run

RUN = Run(source="shop", month="2024-03")
ROWS = [
    ("a", "2024-01-10", "10.00"), ("a", "2024-01-20", "5.00"), ("b", "2024-01-31", "4.00", "1.00"),
    (None, "2024-01-05", "2.00"), ("a", "2024-03-02", "8.00"), ("c", "2024-03-31", "3.00"),
    ("b", "2024-03-15", "0.00", "2.00"), ("d", "2024-04-01", "99.00"),
]  # fmt: skip


def measure(tables, run: Run, first: date):
    frame, shape = pulse.measure(tables, run, first)
    shape.check(frame.columns)
    return frame


def test_months_by_hand(make_orders):
    frame = measure({"orders": make_orders(ROWS)}, RUN, date(2024, 1, 5))
    january, february, march = frame.to_dict("records")
    assert [january["month"], february["month"], march["month"]] == ["2024-01", "2024-02", "2024-03"]
    assert january["net_amount"] == Decimal("20.00") and march["net_amount"] == Decimal("9.00")
    # The order of nobody counts in orders and money, not in customers.
    assert (january["n_orders"], january["n_customers"], january["n_new_customers"]) == (4, 2, 2)
    assert (february["n_orders"], february["n_customers"], february["net_amount"]) == (0, 0, 0)
    # b only brought something back; April has not happened.
    assert (march["n_orders"], march["n_customers"], march["n_new_customers"]) == (2, 2, 1)
    assert march["average_order_amount"] == pytest.approx(4.5)
    assert (january["returned_share"], march["returned_share"]) == pytest.approx((1 / 21, 2 / 11))
    assert february["returned_share"] != february["returned_share"]


def test_figures_stand_beside_the_month_before_and_the_year_before(make_orders):
    frame = measure({"orders": make_orders(ROWS)}, RUN, date(2024, 1, 5))
    by_name = {one.name: one for one in pulse.key_figures(frame)}
    orders = by_name["orders"]
    assert (orders.value, orders.previous, orders.last_year) == (2, 0, None)
    assert len(by_name) == len(frame.columns) - 1


def test_thirteen_months_reach_the_same_month_last_year(make_orders):
    rows = [("a", f"20{22 + n // 12}-{n % 12 + 1:02}-15", f"{n + 1}.00") for n in range(27)]
    frame = measure({"orders": make_orders(rows)}, RUN, date(2022, 1, 15))
    assert (len(frame), frame["month"].iloc[0]) == (13, "2023-03")
    assert pulse.key_figures(frame)[0].last_year == Decimal("15.00")
    # Whoever came before the 13 months is not new in them.
    assert frame["n_new_customers"].sum() == 0


def test_months_against_plain_loops(make_orders):
    chance = random.Random(4)
    rows = [
        (chance.choice([None, *"abcdefgh"]), f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
         f"{chance.randint(0, 5000) / 100:.2f}", f"{chance.choice([0, 0, 0, 7]):.2f}")
        for _ in range(400)
    ]  # fmt: skip
    frame = measure({"orders": make_orders(rows)}, Run(source="shop", month="2024-12"), date(2024, 1, 1))
    net, who, first = defaultdict(Decimal), defaultdict(set), {}
    for customer, day, gross, returned in rows:
        net[day[:7]] += Decimal(gross) - Decimal(returned)
        if customer and Decimal(gross):
            who[day[:7]].add(customer)
            first[customer] = min(first.get(customer, day[:7]), day[:7])
    for row in frame.to_dict("records"):
        assert row["net_amount"] == net[row["month"]]
        assert row["n_customers"] == len(who[row["month"]])
        assert row["n_new_customers"] == list(first.values()).count(row["month"])


def test_contracts_have_a_pulse_where_they_tell_dates():
    columns = ("contract_id", "customer_id", "started_date", "ended_date", "end_reason", "monthly_amount")
    contracts = [
        ("1", "a", date(2023, 5, 1), None, None, Decimal("10.00")),
        ("2", "b", date(2023, 5, 1), date(2024, 2, 10), "moved", Decimal("20.00")),
        ("3", "c", date(2024, 3, 5), None, None, Decimal("5.00")),
    ]
    table = pa.Table.from_pylist([dict(zip(columns, one, strict=True)) for one in contracts])
    frame = measure({"contracts": table}, RUN, date(2024, 1, 1))
    assert frame["n_running"].tolist() == [2, 1, 2]
    assert frame["n_ended"].tolist() == [0, 1, 0]
    assert frame["monthly_amount"].tolist() == [Decimal("30.00"), Decimal("10.00"), Decimal("15.00")]
    assert pulse.key_figures(frame)[0].value == 2


def test_a_source_without_dates_has_no_pulse():
    table = pa.Table.from_pylist(
        [{"contract_id": "1", "customer_id": "a", "tenure_months": Decimal(3), "is_ended": False}]
    )
    frame = measure({"contracts": table}, RUN, date(2024, 1, 1))
    assert frame.empty and pulse.key_figures(frame) == []
