"""No customer and no cent is lost on the way through a method: the sums over its groups are those of the orders."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw
import pandas as pd
import pytest

from crm_analysis import engine, methods
from crm_analysis.customers import known_orders, summarise_customers
from crm_analysis.params import Run
from crm_analysis.warehouse import open_tables

RUN = Run(source="sample_small", month="2026-10")


@pytest.fixture(scope="module")
def tables(built_source, connection):
    return open_tables(built_source("sample_small"), connection)


@pytest.fixture(scope="module")
def company(tables):
    """Customers and net amount of whoever bought before ``as_of``, and the net amount of all orders."""
    orders = known_orders(tables, RUN.as_of)
    customers = engine.collect(summarise_customers(orders, RUN.as_of), 10_000)
    return customers, sum(engine.collect(orders.select("net_amount"), 100_000)["net_amount"], Decimal(0))


@pytest.fixture(scope="module")
def results(tables):
    made = {}

    def of(name: str):
        if name not in made:
            method = methods.load(name)
            made[name] = method.analyse(tables, RUN, method.Params())
        return made[name]

    return of


@pytest.mark.parametrize("name", ["rfm", "decile", "ltv", "cpm", "value_matrix", "segments"])
def test_everyone_is_there_once_with_all_their_money(name, results, company):
    customers, _ = company
    frame = engine.collect(results(name).customers, 10_000)
    assert sorted(frame["customer_id"]) == sorted(customers["customer_id"])
    if "net_amount" in frame:
        assert sum(frame["net_amount"]) == sum(customers["net_amount"])
    if "amount" in frame:
        assert sum(frame["amount"]) == sum(customers["net_amount"])
    for column in ("segment", "decile", "cluster"):
        assert column not in frame or frame[column].notna().all()


def test_money_without_a_customer_and_with_one_is_all_money(tables, company):
    customers, total = company
    orders = engine.collect(known_orders(tables, RUN.as_of).select("customer_id", "net_amount"), 100_000)
    nobody = orders.loc[~orders["customer_id"].isin(customers["customer_id"]), "net_amount"]
    assert sum(customers["net_amount"]) + sum(nobody) == total
    assert len(nobody) > 0


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("rfm", "segments"),
        ("rfm", "cells"),
        ("decile", "all_time"),
        ("cpm", "groups"),
        ("value_matrix", "quadrants"),
        ("segments", "clusters"),
    ],
)
def test_groups_hold_all_customers_and_all_money(name, frame, results, company):
    customers, _ = company
    groups = getattr(results(name), frame)
    assert groups["n_customers"].sum() == len(customers)
    assert sum(groups["amount"]) == sum(customers["net_amount"])


def test_months_of_the_ledger_are_the_months_of_the_orders(tables, company):
    ledger = engine.collect(engine.as_table(tables["ledger"]).filter(nw.col("fate") == "used"), 100_000)
    ledger = ledger[ledger["table"] == "order_lines"]
    orders = engine.collect(engine.as_table(tables["order_lines"]).select("ordered_date", "line_amount"), 100_000)
    months = orders["ordered_date"].map(lambda one: f"{one:%Y-%m}")
    pd.testing.assert_series_equal(
        ledger.groupby("ordered_month")["line_amount"].sum(), orders.groupby(months)["line_amount"].sum(),
        check_names=False,
    )  # fmt: skip


def test_churn_has_everyone_once_in_each_part(results, company):
    customers, _ = company
    frame = engine.collect(results("churn").customers, 20_000)
    assert not frame.duplicated(["part", "customer_id"]).any()
    orders = frame[frame["part"] == "orders"]
    assert set(orders["customer_id"]) <= set(customers["customer_id"])


def test_every_group_of_a_dimension_of_ctb_has_everyone(results):
    groups = results("ctb").groups.groupby("dimension")["n_customers"].sum()
    assert groups.nunique() == 1


def test_everyone_is_at_one_stage_and_prospects_have_no_money(results, company):
    customers, _ = company
    frame = engine.collect(results("lifecycle").customers, 10_000)
    assert frame["customer_id"].is_unique
    assert frame["stage"].notna().all()
    prospects = frame["stage"] == "prospect"
    assert sorted(frame.loc[~prospects, "customer_id"]) == sorted(customers["customer_id"])
    assert sum(frame["net_amount"]) == sum(customers["net_amount"])
    assert sum(frame.loc[prospects, "net_amount"]) == 0
    stages = results("lifecycle").stages
    assert (stages["n_customers"].sum(), sum(stages["amount"])) == (len(frame), sum(customers["net_amount"]))
