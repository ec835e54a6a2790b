"""The contracts of the real sets without orders: what is known of these sets is in their customer databases."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from crm_analysis.warehouse import read_meta


@pytest.fixture(scope="module")
def read(real_data, built_source):
    """``read("hillstrom", "campaign_contacts")``: a table of a source's customer database as pandas."""
    return lambda source, table: pd.read_parquet(built_source(source) / f"{table}.parquet")


@pytest.mark.parametrize(
    ("source", "rows", "first", "last", "month"),
    [
        ("accounts_receivable", {"payments": 2466, "customers": 100}, "2012-01-03", "2014-01-09", "2013-12"),
        (
            "crm_opportunities", {"opportunities": 8800, "customers": 85, "products": 7, "salespeople": 35},
            "2016-10-20", "2017-12-31", "2017-12",
        ),
        ("hillstrom", {"campaign_contacts": 64000, "campaigns": 1}, "2008-03-31", "2008-03-31", "2008-03"),
        ("bank_marketing", {"campaign_contacts": 45211, "campaigns": 1}, "2010-11-30", "2010-11-30", "2010-11"),
        ("customer_personality", {"customers": 2240, "campaign_contacts": 2240}, "2014-06-30", "2014-06-30", "2014-06"),
        ("zh_reviews", {"feedback": 62774}, "2018-12-31", "2018-12-31", "2018-12"),
        ("zh_reviews_takeaway", {"feedback": 11987}, "2018-12-31", "2018-12-31", "2018-12"),
        ("en_reviews", {"feedback": 3150}, "2018-05-16", "2018-07-31", "2018-07"),
        ("en_reviews_laptops", {"feedback": 2304}, "2023-12-31", "2023-12-31", "2023-12"),
        ("groceries", {"order_lines": 38765, "orders": 14963, "products": 167}, "2014-01-01", "2015-12-30", "2015-12"),
    ],
)  # fmt: skip
def test_every_row_is_used(real_data, built_source, read, source, rows, first, last, month):
    meta = read_meta(built_source(source))
    assert {name: meta.tables[name]["n_rows"] for name in rows} == rows
    assert set(read(source, "ledger")["fate"]) == {"used"}
    assert (meta.first_date, meta.last_date, meta.last_complete_month) == (first, last, month)
    assert meta.describe("zh") != meta.description


def test_invoices_are_paid_as_published(read):
    invoices = read("accounts_receivable", "payments")
    late = (pd.to_datetime(invoices["paid_date"]) - pd.to_datetime(invoices["due_date"])).dt.days.clip(lower=0)
    assert (late > 0).sum() == 877
    assert round(100 * (late == 0).mean(), 4) == 64.4363
    assert round(late.mean(), 6) == 3.442417
    assert round(late[late > 0].mean(), 5) == 9.67959
    assert "0000611365" in set(invoices["invoice_id"])
    assert read("accounts_receivable", "ledger")["line_amount"].sum() == sum(invoices["invoice_amount"])


def test_deals_are_won_as_published(read):
    deals = read("crm_opportunities", "opportunities")
    assert (deals["is_won"].sum(), deals["is_lost"].sum()) == (4238, 2473)
    assert sum(deals["opportunity_amount"].dropna()) == Decimal(10_005_534)
    assert deals["customer_id"].isna().sum() == 1425
    assert set(deals["product_id"]) == set(read("crm_opportunities", "products")["product_id"])
    assert set(deals["salesperson"]) <= set(read("crm_opportunities", "salespeople")["salesperson"])
    assert "technolgy" not in set(read("crm_opportunities", "customers")["sector"])


def test_arms_of_the_e_mail_experiment_answer_as_published(read):
    contacts = read("hillstrom", "campaign_contacts")
    flags = contacts.groupby("arm")[["is_responded", "is_converted"]].mean() * 100
    spent = contacts.assign(spend=contacts["response_amount"].astype(float)).groupby("arm")["spend"].mean()
    control = contacts.loc[contacts["is_control"], "arm"].unique().tolist()
    assert control == ["No E-Mail"]
    for arm, visit, conversion, spend in (
        ("Mens E-Mail", 7.659, 0.681, 0.7698),
        ("Womens E-Mail", 4.523, 0.311, 0.4244),
    ):
        difference = flags.loc[arm] - flags.loc["No E-Mail"]
        assert (round(difference["is_responded"], 3), round(difference["is_converted"], 3)) == (visit, conversion)
        assert round(spent[arm] - spent["No E-Mail"], 4) == spend


def test_what_else_is_known(read):
    assert read("bank_marketing", "campaign_contacts")["is_converted"].sum() == 5289
    assert read("customer_personality", "campaign_contacts")["is_responded"].sum() == 334
    assert read("customer_personality", "customers")["income"].isna().sum() == 24
    reviews = read("zh_reviews", "feedback")
    assert (reviews["topic"].nunique(), reviews["feedback_text"].isna().sum()) == (10, 1)
    assert read("zh_reviews_takeaway", "feedback")["rating"].sum() == 4000
    assert (read("en_reviews", "feedback")["rating"] == 5).sum() == 2286
    assert read("groceries", "orders")["customer_id"].nunique() == 3898
