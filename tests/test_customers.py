"""Orders → customers as of a day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import narwhals as nw
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis import engine, warehouse
from crm_analysis.customers import (
    count_triples,
    customers_at,
    known_orders,
    list_order_days,
    margin_rate,
    open_shared,
    rank_customers,
    require,
    share,
    sum_days,
    summarise_customers,
    summarise_purchases,
)
from crm_analysis.errors import NotEnoughData
from crm_analysis.params import Run
from crm_analysis.schema import CUSTOMERS, day_number

AS_OF = date(2024, 7, 1)


def summarise(orders: pd.DataFrame, as_of: date = AS_OF) -> pd.DataFrame:
    customers = summarise_customers(known_orders({"orders": orders}, as_of), as_of)
    return engine.collect(customers.sort("customer_id"), 10_000)


# --- hand-made -------------------------------------------------------------------------------------------------------


def test_a_customer_by_hand(make_orders):
    frame = summarise(
        make_orders(
            [
                ("c1", "2024-01-10", "10.00"),
                ("c1", "2024-01-10", "5.00"),
                ("c1", "2024-01-31", "20.00"),
                ("c1", "2024-03-10", "7.00"),
                ("c1", "2024-05-01", "0.00", "4.00"),
            ]
        )
    )
    CUSTOMERS.check(frame.columns)
    (one,) = frame.to_dict("records")
    assert one["first_ordered_day"] == day_number(date(2024, 1, 10))
    assert one["last_ordered_day"] == day_number(date(2024, 3, 10))
    assert (one["days_since_last_order"], one["tenure_days"], one["n_orders"]) == (113, 60, 4)
    assert (one["gross_amount"], one["returned_amount"], one["net_amount"]) == (Decimal(42), Decimal(4), Decimal(38))
    assert one["average_order_amount"] == pytest.approx(9.5)


def test_a_return_is_no_day_with_an_order(make_orders):
    rows = [("c1", "2024-01-10", "10.00"), ("c1", "2024-01-31", "20.00"), ("c1", "2024-05-01", "0.00", "4.00")]
    frame = summarise(make_orders([*rows, ("c2", "2024-01-10", "10.00"), ("c2", "2024-01-11", "0.00", "1.00")]))
    assert list(frame["n_order_days"]) == [2, 1]
    assert frame["mean_days_between_orders"][0] == 21.0
    assert pd.isna(frame["mean_days_between_orders"][1])


def test_two_orders_of_one_day_are_one_day_and_no_gap(make_orders):
    frame = summarise(make_orders([("c1", "2024-01-10", "10.00"), ("c1", "2024-01-10", "5.00")]))
    assert (frame["n_orders"][0], frame["n_order_days"][0], frame["tenure_days"][0]) == (2, 1, 0)
    assert pd.isna(frame["mean_days_between_orders"][0])


def test_gaps_are_between_days_with_an_order(make_orders):
    days = ["2024-01-10", "2024-01-10", "2024-01-20", "2024-02-09"]
    frame = summarise(make_orders([("c1", day, "1.00") for day in days]))
    assert (frame["n_order_days"][0], frame["mean_days_between_orders"][0]) == (3, 15.0)


def test_as_of_is_the_first_day_that_does_not_count(make_orders):
    frame = summarise(
        make_orders([("c1", "2024-06-30", "1.00"), ("c1", "2024-07-01", "2.00"), ("c2", "2024-07-01", "4.00")])
    )
    assert list(frame["customer_id"]) == ["c1"]
    assert (frame["days_since_last_order"][0], frame["net_amount"][0]) == (1, Decimal(1))


def test_orders_that_were_not_cut_off_are_cut_off_here(make_orders):
    orders = make_orders([("c1", "2024-06-30", "1.00"), ("c1", "2024-07-01", "2.00"), ("c2", "2024-07-01", "4.00")])
    frame = engine.collect(summarise_customers(engine.as_table(orders), AS_OF), 10)
    assert frame[["customer_id", "n_orders"]].values.tolist() == [["c1", 1]]


def test_a_return_lowers_money_when_it_happens_and_is_never_a_visit(make_orders):
    orders = make_orders([("c1", "2024-01-10", "10.00"), ("c1", "2024-03-05", "0.00", "4.00")])
    before, after = summarise(orders, date(2024, 3, 5)), summarise(orders, date(2024, 3, 6))
    assert (before["net_amount"][0], after["net_amount"][0]) == (Decimal(10), Decimal(6))
    assert (after["n_orders"][0], after["days_since_last_order"][0]) == (1, 56)


def test_who_only_returned_is_no_customer_and_money_may_be_negative(make_orders):  # A58
    frame = summarise(make_orders([("c1", "2024-01-10", "0.00", "4.00"), ("c2", "2024-01-10", "1.00", "4.00")]))
    assert list(frame["customer_id"]) == ["c2"]
    assert frame["net_amount"][0] == Decimal(-3)


def test_orders_without_a_customer_are_known_but_nobody(make_orders):  # A52
    orders = make_orders([(None, "2024-01-10", "5.00"), ("c1", "2024-01-10", "1.00")])
    assert engine.n_rows(known_orders({"orders": orders}, AS_OF)) == 2
    assert list(summarise(orders)["customer_id"]) == ["c1"]


def test_margin_is_known_where_it_is_known_of_each_row(make_orders):
    orders = make_orders([("c1", "2024-01-10", "5.00"), ("c1", "2024-01-11", "5.00"), ("c2", "2024-01-10", "1.00")])
    orders["profit_amount"] = [Decimal("1.00"), None, Decimal("0.25")]
    assert summarise(orders)["profit_amount"].tolist() == [None, Decimal("0.25")]


def test_nobody_gives_an_empty_table(make_orders):
    assert summarise(make_orders([("c1", "2024-07-01", "1.00")])).empty
    assert summarise(make_orders([])).empty


def test_too_few_customers_are_told(make_orders, refused):
    customers = summarise_customers(known_orders({"orders": make_orders([("c1", "2024-01-10", "1.00")])}, AS_OF), AS_OF)
    require(customers, 1)
    with refused(NotEnoughData, "E-MIN-1") as caught:
        require(customers, 2)
    assert "1 customer with" in caught.value.fix and "needs 2" in caught.value.fix


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    # Of a column of nothing but empty cells pandas does not know the type.
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


# --- properties ------------------------------------------------------------------------------------------------------

orders_before = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.dates(date(2024, 1, 1), AS_OF - timedelta(days=1)),
        st.decimals(0, 100, places=2),
        st.decimals(0, 50, places=2),
    ),
    min_size=1,
    max_size=15,
)
orders_after = st.lists(
    st.tuples(st.sampled_from(["a", "b", "d"]), st.dates(AS_OF, date(2025, 1, 1)), st.decimals(0, 100, places=2)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30, deadline=None)
@given(known=orders_before, later=orders_after)
def test_nothing_after_as_of_has_any_influence(make_orders, known, later):
    assert_same(summarise(make_orders(known + later)), summarise(make_orders(known)))


@settings(max_examples=30, deadline=None)
@given(known=orders_before, days=st.integers(-2000, 2000))
def test_shifting_all_days_and_as_of_together_changes_nothing_but_the_days(make_orders, known, days):
    shift = timedelta(days=days)
    moved = summarise(make_orders([(who, day + shift, *money) for who, day, *money in known]), AS_OF + shift)
    moved[["first_ordered_day", "last_ordered_day"]] -= days
    assert_same(moved, summarise(make_orders(known)))


@settings(max_examples=30, deadline=None)
@given(known=orders_before, seed=st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(make_orders, known, seed):
    mixed = random.Random(seed).sample(known, len(known))
    assert_same(summarise(make_orders(mixed)), summarise(make_orders(known)))


# --- oracle ----------------------------------------------------------------------------------------------------------

ORACLE = """
select
    customer_id,
    min(d) filter (where is_order) as first_ordered_day,
    max(d) filter (where is_order) as last_ordered_day,
    $as_of - max(d) filter (where is_order) as days_since_last_order,
    max(d) filter (where is_order) - min(d) filter (where is_order) as tenure_days,
    count(*) filter (where is_order) as n_orders,
    sum(gross) as gross_amount,
    sum(returned) as returned_amount,
    sum(gross) - sum(returned) as net_amount,
    count(distinct d) filter (where is_order) as n_order_days
from (
    -- orders from the lines: sales of one number, dated by the first line that is no return
    select customer_id, bool_or(kind = 'sale') as is_order,
           (min(ordered_at)::date - date '1970-01-01')::bigint as d,
           sum(line_amount) as gross, 0 as returned
    from read_parquet($lines) where kind <> 'return' group by customer_id, order_id
    union all
    -- and what came back, day by day
    select customer_id, false, (min(ordered_at)::date - date '1970-01-01')::bigint, 0, -sum(line_amount)
    from read_parquet($lines) where kind = 'return' group by customer_id, order_id, ordered_at::date
)
where customer_id is not null and d < $as_of
group by customer_id
having bool_or(is_order)
order by customer_id
"""
CHECKED = [
    "customer_id", "first_ordered_day", "last_ordered_day", "days_since_last_order", "tenure_days", "n_orders",
    "gross_amount", "returned_amount", "net_amount",
]  # fmt: skip


@pytest.mark.parametrize("as_of", [date(2011, 12, 10), date(2011, 12, 1), date(2011, 2, 1)])
@pytest.mark.parametrize("source", ["online_retail", "superstore"])
def test_customers_equal_hand_written_sql_over_the_lines(request, connection, source, as_of):
    folder = request.getfixturevalue(source)
    if source == "superstore":
        as_of = as_of.replace(year=as_of.year + 5)
    expected, found = both(folder, connection, as_of)
    assert len(found) > 500
    for name in CHECKED:
        assert found[name].tolist() == expected[name].tolist(), name


def test_days_with_an_order_equal_hand_written_sql(online_retail, connection):
    expected, found = both(online_retail, connection, date(2011, 12, 10))
    assert found["n_order_days"].tolist() == expected["n_order_days"].tolist()


def both(folder, connection, as_of) -> tuple[pd.DataFrame, pd.DataFrame]:
    values = {"lines": str(folder / "order_lines.parquet"), "as_of": day_number(as_of)}
    with duckdb.connect() as other:
        expected = other.sql(ORACLE, params=values).to_arrow_table().to_pandas()
    customers = summarise_customers(known_orders(warehouse.open_tables(folder, connection), as_of), as_of)
    return expected, engine.collect(customers.sort("customer_id"), 10_000)


# --- golden ----------------------------------------------------------------------------------------------------------


def totals(folder, connection, as_of) -> dict:
    customers = summarise_customers(known_orders(warehouse.open_tables(folder, connection), as_of), as_of)
    sums = [nw.col(name).sum() for name in ("n_orders", "gross_amount", "net_amount", "days_since_last_order")]
    repeat = (nw.col("n_orders") > 1).cast(nw.Int64).sum().alias("n_repeat")
    return engine.collect(customers.select(nw.len().alias("n"), repeat, *sums), 1).iloc[0].to_dict()


def test_uci_4338_buyers_18532_orders_2845_repeat(online_retail, connection):
    """UCI Online Retail, duplicates dropped: 4,338 buyers, net 8,288,930.664, gross 8,887,208.894."""
    found = totals(online_retail, connection, date(2011, 12, 10))
    assert (found["n"], found["n_orders"], found["n_repeat"]) == (4_338, 18_532, 2_845)
    assert found["net_amount"] == Decimal("8288930.664")
    assert found["gross_amount"] == Decimal("8887208.894")


def test_uci_net_with_the_34_who_only_returned(online_retail, connection):
    """UCI Online Retail: 4,372 ids, 34 of them without an order; net of all 8,278,519.424."""
    orders = warehouse.open_tables(online_retail, connection)["orders"].filter(~nw.col("customer_id").is_null())
    sums = orders.select(n=nw.col("customer_id").n_unique(), net=nw.col("net_amount").sum())
    assert engine.collect(sums, 1).iloc[0].tolist() == [4_372, Decimal("8278519.424")]


def test_superstore_793_customers_5009_orders(superstore, connection):
    """Superstore, as of 2017-12-31: sum of days 117,207, 2,297,200.8603."""
    found = totals(superstore, connection, date(2017, 12, 31))
    assert (found["n"], found["n_orders"], found["days_since_last_order"]) == (793, 5_009, 117_207)
    assert found["net_amount"] == Decimal("2297200.8603")


def test_cdnow_23570_customers(cdnow, connection):
    """CDNOW, whole: 23,570 customers, 69,659 orders, 2,500,315.63."""
    found = totals(cdnow, connection, date(1998, 7, 1))
    assert (found["n"], found["n_orders"], found["net_amount"]) == (23_570, 69_659, Decimal("2500315.63"))


def test_cdnow_sample_2357_customers_2457_repeat_orders(cdnow_sample, connection):
    """Fader, Hardie, Lee 2005: 2,357 customers, 2,457 repeat order days in 39 weeks to 1997-09-30."""
    tables = warehouse.open_tables(cdnow_sample, connection)
    as_of = date(1997, 10, 1)
    frame = engine.collect(summarise_customers(known_orders(tables, as_of), as_of), 3_000)
    assert (len(frame), int((frame["n_order_days"] - 1).sum())) == (2_357, 2_457)


# --- purchases -------------------------------------------------------------------------------------------------------


def purchases(orders: pd.DataFrame, as_of: date = AS_OF) -> list[dict]:
    table = summarise_purchases(list_order_days({"orders": orders}, as_of), as_of)
    return engine.collect(table.sort("customer_id"), 10_000).to_dict("records")


def test_orders_of_a_day_are_one_and_returns_are_none(make_orders):
    rows = [
        ("c1", "2024-01-10", "10.00"), ("c1", "2024-01-10", "5.00"), ("c1", "2024-01-31", "20.00"),
        ("c1", "2024-03-10", "7.00"), ("c1", "2024-05-01", "0.00", "4.00"), ("c2", "2024-06-30", "3.00"),
        ("c2", "2024-07-01", "9.00"), ("c3", "2024-06-30", "0.00", "1.00"), (None, "2024-06-01", "1.00"),
    ]  # fmt: skip
    assert purchases(make_orders(rows)) == [
        {"customer_id": "c1", "n_repeat_days": 2, "span_days": 60, "observed_days": 173, "repeat_amount": 27.0},
        {"customer_id": "c2", "n_repeat_days": 0, "span_days": 0, "observed_days": 1, "repeat_amount": 0.0},
    ]


def test_an_earlier_day_sees_nothing_of_later_ones(make_orders):
    rows = [("c1", "2024-01-10", "10.00"), ("c1", "2024-02-10", "5.00"), ("c2", "2024-03-10", "5.00")]
    days = list_order_days({"orders": make_orders(rows)}, AS_OF)
    found = engine.collect(summarise_purchases(days, date(2024, 2, 1)), 10)
    assert found.to_dict("records") == [
        {"customer_id": "c1", "n_repeat_days": 0, "span_days": 0, "observed_days": 22, "repeat_amount": 0.0}
    ]


def test_triples_are_those_of_plain_sql(online_retail, connection):
    as_of = date(2011, 12, 10)
    orders = warehouse.open_tables(online_retail, connection)["orders"]
    found = count_triples(summarise_purchases(list_order_days({"orders": orders}, as_of), as_of))
    sql = """
        WITH days AS (SELECT DISTINCT customer_id, ordered_date AS d FROM read_parquet(?)
                      WHERE is_order AND customer_id IS NOT NULL),
        one AS (SELECT count(*) - 1 AS x, max(d) - min(d) AS t, DATE '2011-12-10' - min(d) AS whole FROM days
                GROUP BY customer_id)
        SELECT x, t, whole, count(*) AS n FROM one GROUP BY ALL ORDER BY ALL
    """
    expected = duckdb.execute(sql, [str(online_retail / "orders.parquet")]).fetchall()
    assert list(engine.collect(found, 100_000).itertuples(index=False, name=None)) == expected
    assert sum(row[3] for row in expected) == 4_338


# --- margin ----------------------------------------------------------------------------------------------------------


def test_margin_is_the_exported_one_where_all_of_it_is_known(make_orders):
    orders = make_orders([("c1", "2024-01-10", "10.00"), ("c1", "2024-06-10", "30.00"), ("c2", "2023-06-10", "99.00")])
    orders["profit_amount"] = [Decimal("1.00"), Decimal("9.00"), Decimal("99.00")]
    assert margin_rate({"orders": orders}, AS_OF, 12) == 0.25
    orders.loc[0, "profit_amount"] = None
    assert margin_rate({"orders": orders}, AS_OF, 12) is None


def test_margin_from_unit_costs_is_of_lines_with_a_cost(make_orders):
    orders = make_orders([("c1", "2024-06-10", "30.00")]).assign(profit_amount=None)
    lines = pd.DataFrame(
        {
            "product_id": ["p1", "p1", "p2"],
            "ordered_day": [day_number(date(2024, 6, 10))] * 3,
            "quantity": [Decimal(3), Decimal(-1), Decimal(5)],
            "line_amount": [Decimal("30.00"), Decimal("-10.00"), Decimal("5.00")],
        }
    )
    products = pd.DataFrame({"product_id": ["p1", "p2"], "unit_cost": [Decimal("4.00"), None]})
    tables = {"orders": orders, "order_lines": lines, "products": products}
    # 3 − 1 pieces at 4 of 20: the other 5 of 25 have no cost.
    assert margin_rate(tables, AS_OF, 12) == pytest.approx(0.6)
    dear = lines.assign(line_amount=[Decimal("30.00"), Decimal("-10.00"), Decimal("5.01")])
    assert margin_rate(tables | {"order_lines": dear}, AS_OF, 12) is None
    assert margin_rate(tables | {"products": products.drop(columns="unit_cost")}, AS_OF, 12) is None
    assert margin_rate({"orders": orders}, AS_OF, 12) is None


# --- places ----------------------------------------------------------------------------------------------------------


def test_places_go_by_amount_and_then_by_id():
    frame = pd.DataFrame({"customer_id": ["b", "a", "c", "d"], "amount": [5.0, 5.0, 9.0, -1.0]})
    ranked = engine.collect(rank_customers(engine.as_table(frame), "amount").sort("place"), 10)
    assert ranked[["customer_id", "place", "hundredth"]].to_numpy().tolist() == [
        ["c", 1, 1], ["a", 2, 26], ["b", 3, 51], ["d", 4, 76],
    ]  # fmt: skip


# --- what a run shares -----------------------------------------------------------------------------------------------


def test_what_a_run_shares_is_what_each_method_would_compute(make_orders, tmp_path):
    days = [("2023-06-01", "9.00"), ("2023-06-01", "4.00"), ("2024-05-02", "5.00"), ("2024-06-03", "1.00", "3.00")]
    orders = {"orders": make_orders([*[("c1", *one) for one in days], ("c2", "2024-06-30", "7.00"), (None, *days[0])])}
    run, connection = Run(month="2024-06"), duckdb.connect()
    share(orders, run, tmp_path)
    shared = open_shared(tmp_path, connection)
    # Without the orders: nothing can be computed anew.
    for as_of, n_customers in ((run.as_of, 2), (run.starts, 1), (run.last_year_as_of, 1)):
        expected, found = (engine.collect(customers_at(one, as_of).sort("customer_id"), 10) for one in (orders, shared))
        pd.testing.assert_frame_equal(found, expected)
        assert len(found) == n_customers
    by = ["customer_id", "ordered_day"]
    for function in (sum_days, list_order_days):
        expected, found = (engine.collect(function(one, run.as_of).sort(by), 10) for one in (orders, shared))
        pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(KeyError):
        customers_at(shared, date(2024, 5, 1))


def test_only_the_columns_asked_for_are_computed(make_orders):
    orders = {"orders": make_orders([("c1", "2024-06-30", "7.00")])}
    assert customers_at(orders, AS_OF, "customer_id", "n_orders").columns == ["customer_id", "n_orders"]


def test_nothing_is_shared_where_a_run_shared_nothing(tmp_path):
    assert open_shared(tmp_path / "missing", duckdb.connect()) == {}
