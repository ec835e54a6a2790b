"""The records of the sample company in its customer database: the planted truth is found again, the dirt is counted.

What is left to chance must lie within three standard errors of what is planted.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from crm_analysis.sources.sample import write_sample_company
from crm_analysis.sources.sample_records_export import LAYOUTS
from crm_analysis.sources.sample_truth import (
    ARMS,
    CAMPAIGNS,
    DIRT,
    LATENESS,
    RATING_PROBS,
    TICKETS,
    TRUTH,
    WIN_PROBS,
)
from crm_analysis.sources.sample_words import REMARKS

TABLES = {
    "payments": "invoices.csv",
    "interactions": "tickets.csv",
    "opportunities": "deals.csv",
    "feedback": "reviews.csv",
    "campaign_contacts": "campaign_contacts.csv",
}
# Dates of what had not happened by the last day are empty; these days before it are safely known.
SETTLED = pd.Timestamp(TRUTH.last_day) - pd.Timedelta(days=180)


@pytest.fixture(scope="module")
def read(sample):
    """``read("payments")``: a table of the customer database as pandas."""
    return lambda table: pd.read_parquet(sample / f"{table}.parquet")


def assert_share(is_so: pd.Series, prob: float) -> None:
    assert abs(is_so.sum() - prob * len(is_so)) < 3 * math.sqrt(len(is_so) * prob * (1 - prob))


def assert_mean(values: pd.Series, mean: float) -> None:
    assert abs(values.mean() - mean) < 3 * values.std() / math.sqrt(len(values))


def days(frame: pd.DataFrame, later: str, earlier: str) -> pd.Series:
    return (pd.to_datetime(frame[later]) - pd.to_datetime(frame[earlier])).dt.days


# --- dirt ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_the_ledger_shows_the_dirt(read, table):
    ledger = read("ledger")
    ledger = ledger[ledger["table"] == table]
    assert set(ledger["file"]) == {TABLES[table]}
    fates = ledger.groupby("fate")["n_rows"].sum().to_dict()
    assert fates == {
        "used": len(read(table)), "duplicate": DIRT.record_duplicates, "rejected": DIRT.record_broken_dates,
    }  # fmt: skip
    assert set(ledger.loc[ledger["fate"] == "rejected", "reason"].str[:8]) == {"E-DATE-1"}
    completeness = read("completeness")
    assert completeness.loc[completeness["table"] == table, "n_repaired"].sum() == DIRT.record_padded_ids


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_company_has_the_same_dirt(tmp_path, seed):
    write_sample_company(tmp_path, seed=seed, n_customers=500)
    for name, layout in LAYOUTS.items():
        text = (tmp_path / f"{name}.csv").read_bytes().decode()
        header, *lines = text.split("\r\n")[:-1]
        assert len(lines) - len(set(lines)) == DIRT.record_duplicates
        place = header.split(layout.delimiter).index("Customer No")
        ids = [line.split(layout.delimiter)[place] for line in dict.fromkeys(lines)]
        assert sum(one != one.strip(" \u00a0") for one in ids) == DIRT.record_padded_ids
        assert sum(any(broken in line for broken in layout.broken[1]) for line in lines) == DIRT.record_broken_dates


# --- invoices --------------------------------------------------------------------------------------------------------


def test_an_invoice_is_of_its_order(read):
    invoices = read("payments").merge(read("orders"), on="order_id", suffixes=("", "_of_order"))
    assert len(invoices) == len(read("payments"))
    assert (invoices["customer_id"] == invoices["customer_id_of_order"]).all()
    assert (invoices["invoice_amount"] == invoices["gross_amount"]).mean() > 0.98  # but for lines soiled in the export
    assert set(days(invoices, "invoiced_date", "ordered_date")) == {1}
    customers = read("customers").set_index("customer_id")["customer_type"]
    assert set(customers.loc[invoices["customer_id"]]) == {"Business"}


@pytest.mark.parametrize("method", LATENESS)
def test_how_businesses_pay_decides_how_late(read, method):
    invoices = read("payments")
    invoices = invoices[(invoices["payment_method"] == method) & (pd.to_datetime(invoices["invoiced_date"]) < SETTLED)]
    assert invoices["paid_date"].notna().all()
    late = days(invoices, "paid_date", "due_date")
    _, prob, mean_days = LATENESS[method]
    assert_share(late > 0, prob)
    assert_mean(late[late > 0], mean_days)
    assert set(days(invoices, "due_date", "invoiced_date")) == set(TRUTH.payment_terms_days)


def test_nothing_is_paid_after_the_last_day(read):
    invoices = read("payments")
    assert max(invoices["paid_date"].dropna()) <= TRUTH.last_day
    assert 0 < invoices["paid_date"].isna().sum() < 100
    assert_share(invoices["is_disputed"], TRUTH.disputed_share)


# --- tickets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TICKETS)
def test_the_topic_decides_how_fast_a_ticket_is_answered_and_solved(read, topic):
    tickets = read("interactions")
    share, answer, solution = TICKETS[topic]
    assert_share(tickets["topic"] == topic, share)
    known = tickets[(tickets["topic"] == topic) & (tickets["opened_at"] < SETTLED)]
    # Whole minutes, begun ones counted: half a minute more.
    assert_mean((known["answered_at"] - known["opened_at"]).dt.total_seconds() / 3600 - 1 / 120, answer)
    assert_mean((known["resolved_at"] - known["answered_at"]).dt.total_seconds() / 3600 - 1 / 120, solution)


def test_some_tickets_are_open_and_some_have_no_customer(read):
    tickets = read("interactions")
    assert tickets["resolved_at"].isna().any() and tickets["customer_id"].isna().any()


# --- deals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seller", WIN_PROBS)
def test_who_sells_decides_how_many_deals_are_won_and_not_how_long_they_take(read, seller):
    deals = read("opportunities")
    deals = deals[(deals["salesperson"] == seller) & (deals["is_won"] | deals["is_lost"])]
    assert_share(deals["is_won"], WIN_PROBS[seller])
    whole = deals[pd.to_datetime(deals["opened_date"]) < pd.Timestamp(TRUTH.last_day) - pd.Timedelta(days=400)]
    assert_mean(days(whole, "closed_date", "opened_date"), TRUTH.mean_cycle_days + 0.5)  # begun days


def test_the_hoped_closing_of_an_open_deal_is_left_out_and_told(read):
    deals, warnings = read("opportunities"), read("warnings")
    is_open = ~deals["is_won"] & ~deals["is_lost"]
    assert deals["closed_date"].isna().equals(is_open)
    told = warnings[(warnings["table"] == "opportunities") & (warnings["code"] == "E-DEAL-2")]
    assert told["n_rows"].tolist() == [is_open.sum()] and told["column"].tolist() == ["closed_date"]


# --- reviews ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reviews(read) -> pd.DataFrame:
    """The reviews with their `mood`, worked out from the tickets."""
    tickets = read("interactions").set_index("interaction_id")
    hours = (tickets["answered_at"] - tickets["opened_at"]).dt.total_seconds() / 3600
    late = read("feedback")["ticket"].map(hours > TRUTH.late_answer_hours)
    mood = late.map({True: "late", False: "in time"}).where(late.notna(), "product")
    return read("feedback").assign(mood=mood)


@pytest.mark.parametrize("mood", RATING_PROBS)
def test_ratings_fall_after_a_late_answer(reviews, mood):
    ratings = reviews.loc[reviews["mood"] == mood, "rating"].astype(float)
    assert_mean(ratings, float(np.dot(RATING_PROBS[mood], range(1, 6))))


def test_a_remark_is_of_its_topic_its_language_and_its_rating(reviews):
    said = {
        text: (topic, language, is_praise)
        for topic, languages in REMARKS.items()
        for language, (complaints, praises) in languages.items()
        for is_praise, texts in ((False, complaints), (True, praises))
        for text in texts
    }
    remarks = reviews[reviews["feedback_text"].notna()]
    assert_share(reviews["feedback_text"].notna(), TRUTH.remark_share)
    found = [said[text] for text in remarks["feedback_text"]]
    assert [one[0] for one in found] == remarks["topic"].tolist()
    assert [one[2] for one in found] == (remarks["rating"] > 3).tolist()
    n = Counter(one[1] for one in found)
    assert n["en"] > n["de"] > n["zh"] > 50


# --- campaigns -------------------------------------------------------------------------------------------------------


def test_campaigns_are_as_planted(read):
    campaigns = read("campaigns").set_index("campaign_id")
    assert campaigns["started_date"].to_dict() == {one.name: one.started for one in CAMPAIGNS}
    contacts = read("campaign_contacts")
    assert contacts.groupby("campaign_id")["arm"].agg(set).to_dict() == {one.name: set(one.arms) for one in CAMPAIGNS}
    assert contacts.groupby("arm")["is_control"].unique().map(list).to_dict() == {
        one: [one in ("No message", "Control", "Nobody")] for one in ARMS
    }
    assert contacts["is_responded"][contacts["is_converted"]].all()
    assert ((contacts["response_amount"] > 0) == contacts["is_converted"]).all()


@pytest.mark.parametrize("reader", ["yes", "no"])
@pytest.mark.parametrize("arm", ARMS)
def test_what_a_message_adds_is_planted_and_the_control_is_untouched(read, arm, reader):
    contacts = read("campaign_contacts")
    contacts = contacts[(contacts["arm"] == arm) & (contacts["newsletter_reader"] == reader)]
    factor = TRUTH.reader_factor if reader == "yes" else 1
    assert_share(contacts["is_responded"], TRUTH.base_response + factor * ARMS[arm].response_effect)
    assert_share(contacts["is_converted"], TRUTH.base_conversion + factor * ARMS[arm].conversion_effect)


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda one: one.name)
def test_arms_are_random_among_those_who_had_ordered(read, campaign):
    contacts = read("campaign_contacts")
    contacts = contacts[contacts["campaign_id"] == campaign.name]
    assert set(contacts["contacted_date"]) == {campaign.started}
    for arm in campaign.arms:
        assert_share(contacts["arm"] == arm, ARMS[arm].share)
        in_arm = contacts["arm"] == arm
        since = contacts["days_since_last_order"].astype(float)
        assert abs(since[in_arm].mean() - since.mean()) < 3.5 * since.std() / math.sqrt(in_arm.sum())
    orders = read("orders")
    before = orders[orders["is_order"] & (orders["ordered_date"] < campaign.started)]
    assert set(contacts["customer_id"]) <= set(before["customer_id"])
