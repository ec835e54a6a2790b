"""What the sample company records beside its orders: invoices, tickets, deals, reviews and campaigns, with known truth.

Each is drawn from a stream of its own, from the orders as they are: whatever changes here, orders and contracts stay. The effect
of a campaign is therefore in what the campaign itself recorded (who answered, who bought, for how much) and not in the orders,
which follow their own truth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_analysis.sources.sample_truth import (
    ARMS,
    CAMPAIGNS,
    LATENESS,
    MINUTES_PER_DAY,
    N_DAYS,
    OPENING_MINUTES,
    RATING_PROBS,
    STAGE_PROBS,
    TICKETS,
    TRUTH,
    WIN_PROBS,
)
from crm_analysis.sources.sample_words import REMARK_LANGUAGES, REMARKS, draw_by_share

N_MINUTES = N_DAYS * MINUTES_PER_DAY


def draw_records(
    rng: np.random.Generator, orders: pd.DataFrame, sales: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The frames by the name of their file. Days and minutes count from the first; NaN stands for what has not happened by the
    last day; amounts are in cents."""
    invoice_rng, ticket_rng, deal_rng, review_rng, campaign_rng = rng.spawn(5)
    orders = orders.assign(day=orders["minute"] // MINUTES_PER_DAY)
    tickets = draw_tickets(ticket_rng, orders, customers)
    return {
        "invoices": draw_invoices(invoice_rng, orders, sales, customers),
        "tickets": tickets,
        "deals": draw_deals(deal_rng, customers, products),
        "reviews": draw_reviews(review_rng, sales, tickets, customers, products),
        "campaign_contacts": draw_campaign_contacts(campaign_rng, orders, customers),
    }


def draw_invoices(
    rng: np.random.Generator, orders: pd.DataFrame, sales: pd.DataFrame, customers: pd.DataFrame
) -> pd.DataFrame:
    """One per order of a business that buys on account. How it pays decides how often it is late, and how long."""
    is_business = (customers["Customer Type"] == "Business").to_numpy()
    on_account = is_business & (rng.random(len(customers)) < TRUTH.on_account_share)
    methods = draw_by_share(rng, {name: facts[0] for name, facts in LATENESS.items()}, len(customers))
    found = orders[(orders["customer"] >= 0) & on_account[orders["customer"]] & (orders["day"] < N_DAYS - 1)]
    n = len(found)
    amounts = (sales["quantity"] * sales["price_cents"]).groupby(sales["order"]).sum()
    method = methods[found["customer"]]
    late_prob, mean_days_late = (np.array([LATENESS[one][fact] for one in method]) for fact in (1, 2))
    term = rng.choice(TRUTH.payment_terms_days, n)
    days_late = rng.geometric(1 / mean_days_late)
    paid_after = np.where(rng.random(n) < late_prob, term + days_late, rng.integers(1, term + 1))
    invoiced_day = found["day"].to_numpy() + 1
    paid_day = (invoiced_day + paid_after).astype(float)
    return pd.DataFrame(
        {
            "Invoice No": [f"{number:07d}" for number in range(20_001, 20_001 + n)],
            "Customer No": customers["Customer No"].to_numpy()[found["customer"]],
            "Order No": [f"SO-{100_001 + order}" for order in found.index],
            "invoiced_day": invoiced_day,
            "due_day": invoiced_day + term,
            "paid_day": np.where(paid_day < N_DAYS, paid_day, np.nan),
            "Amount": amounts.reindex(found.index).to_numpy(),
            "Payment": method,
            "Disputed": np.where(rng.random(n) < TRUTH.disputed_share, "yes", "no"),
        }
    )


def draw_tickets(rng: np.random.Generator, orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Questions and complaints some days after an order; the topic decides how long the answer and the solution take."""
    asked = orders[rng.random(len(orders)) < TRUTH.ticket_prob]
    day = asked["day"].to_numpy() + rng.integers(1, 21, len(asked))
    asked, day = asked[day < N_DAYS], day[day < N_DAYS]
    n = len(asked)
    topic = draw_by_share(rng, {name: facts[0] for name, facts in TICKETS.items()}, n)
    channel = draw_by_share(rng, {"E-mail": 0.5, "Telephone": 0.3, "Chat": 0.2}, n)
    agent = rng.choice(TRUTH.ticket_agents, n)
    opened = day * MINUTES_PER_DAY + rng.integers(*OPENING_MINUTES, n)
    answer_hours, solving_hours = (np.array([TICKETS[one][fact] for one in topic]) for fact in (1, 2))
    answered = opened + np.ceil(rng.exponential(answer_hours * 60)).astype(int)
    resolved = answered + np.ceil(rng.exponential(solving_hours * 60)).astype(int)
    numbers = np.append(customers["Customer No"].to_numpy(dtype=object), "")  # row -1 is a walk-in
    tickets = pd.DataFrame(
        {
            "Customer No": numbers[asked["customer"]],
            "opened": opened,
            "answered": np.where(answered < N_MINUTES, answered, np.nan),
            "resolved": np.where(resolved < N_MINUTES, resolved, np.nan),
            "Channel": channel,
            "Topic": topic,
            "Agent": agent,
            "customer": asked["customer"].to_numpy(),
        }
    ).sort_values("opened", kind="stable", ignore_index=True)
    tickets.insert(0, "Ticket No", [f"T{number}" for number in range(5_001, 5_001 + n)])
    return tickets


def draw_deals(rng: np.random.Generator, customers: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Fitting out hotels and offices: deals with businesses, and with some that are no customers yet. Who sells decides how
    often a deal is won; how long it takes does not."""
    n = round(len(customers) * TRUTH.deals_per_customer)
    businesses = customers.loc[customers["Customer Type"] == "Business", "Customer No"].to_numpy()
    opened = np.sort(rng.integers(0, N_DAYS, n))
    cycle = np.ceil(rng.gamma(TRUTH.cycle_shape, TRUTH.mean_cycle_days / TRUTH.cycle_shape, n)).astype(int)
    closed = opened + cycle
    is_closed = closed < N_DAYS
    seller = rng.choice(list(WIN_PROBS), n)
    is_won = rng.random(n) < np.array([WIN_PROBS[one] for one in seller])
    stage = np.where(is_closed, np.where(is_won, "Won", "Lost"), draw_by_share(rng, STAGE_PROBS, n))
    amount = np.round(rng.lognormal(np.log(TRUTH.median_deal_euros), 0.8, n)).astype(int) * 100
    customer = np.where(rng.random(n) < TRUTH.new_business_share, "", rng.choice(businesses, n))
    return pd.DataFrame(
        {
            "Deal No": [f"D-{number:04d}" for number in range(1, n + 1)],
            "Customer No": customer,
            "Item No": rng.choice(products["Item No"].to_numpy(), n),
            "Stage": stage,
            "opened_day": opened,
            # As CRM systems do: of an open deal the day on which it is hoped to close.
            "closed_day": closed,
            "Amount": amount,
            "Salesperson": seller,
            "Lead Source": draw_by_share(rng, {"Referral": 0.3, "Fair": 0.3, "Web": 0.4}, n),
        }
    )


def draw_reviews(
    rng: np.random.Generator,
    sales: pd.DataFrame,
    tickets: pd.DataFrame,
    customers: pd.DataFrame,
    products: pd.DataFrame,
) -> pd.DataFrame:
    """Reviews of products, and the answers to a question after each solved ticket: unhappier where the answer was late. The
    rating decides whether the remark praises or complains; the region its language."""
    bought = sales[(sales["customer"] >= 0) & (rng.random(len(sales)) < TRUTH.review_prob)]
    solved = tickets[(tickets["customer"] >= 0) & (tickets["resolved"] < N_MINUTES - 2 * MINUTES_PER_DAY)]
    solved = solved[rng.random(len(solved)) < TRUTH.survey_prob]
    is_late = (solved["answered"] - solved["opened"] > TRUTH.late_answer_hours * 60).to_numpy()
    reviews = pd.concat(
        [
            pd.DataFrame(
                {
                    "customer": bought["customer"], "Item No": products["Item No"].to_numpy()[bought["product"]],
                    "minute": bought["minute"] + rng.integers(2, 15, len(bought)) * MINUTES_PER_DAY,
                    "Topic": "Product", "Ticket No": "", "mood": "product",
                }
            ),
            pd.DataFrame(
                {
                    "customer": solved["customer"], "Item No": "",
                    "minute": solved["resolved"].astype(int) + rng.integers(60, 2 * MINUTES_PER_DAY, len(solved)),
                    "Topic": solved["Topic"], "Ticket No": solved["Ticket No"],
                    "mood": np.where(is_late, "late", "in time"),
                }
            ),
        ]
    )  # fmt: skip
    reviews = reviews[reviews["minute"] < N_MINUTES].sort_values("minute", kind="stable", ignore_index=True)
    stars = np.zeros(len(reviews), dtype=int)
    for mood, probs in RATING_PROBS.items():
        of_mood = (reviews["mood"] == mood).to_numpy()
        stars[of_mood] = rng.choice(np.arange(1, 6), of_mood.sum(), p=probs)
    region = customers["Region"].to_numpy()[reviews["customer"]]
    language = np.array([REMARK_LANGUAGES.get(one, "en") for one in region], dtype=object)
    is_praise = stars > 3
    which = rng.integers(0, 3, len(reviews))
    has_text = rng.random(len(reviews)) < TRUTH.remark_share
    texts = [
        REMARKS[topic][spoken][praise][number] if text else ""
        for topic, spoken, praise, number, text in zip(
            reviews["Topic"], language, is_praise.astype(int), which, has_text, strict=True
        )
    ]
    return pd.DataFrame(
        {
            "Review No": [f"V{number:05d}" for number in range(1, len(reviews) + 1)],
            "Customer No": customers["Customer No"].to_numpy()[reviews["customer"]],
            **reviews[["Item No", "minute"]],
            "Stars": stars,
            **reviews[["Topic", "Ticket No"]],
            "Remark": texts,
            "mood": reviews["mood"],
            "language": language,
        }
    )


def draw_campaign_contacts(rng: np.random.Generator, orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Everyone who was a customer when a campaign began, in a random arm. Readers of the newsletter answer each message by a
    known factor more than others; the control has only what happens anyway."""
    parts = []
    reads = rng.random(len(customers)) < TRUTH.reader_share
    known = orders[orders["customer"] >= 0]
    for campaign in CAMPAIGNS:
        day = (campaign.started - TRUTH.first_day).days
        last_ordered = known[known["day"] < day].groupby("customer")["day"].max()
        rows, n = last_ordered.index.to_numpy(), len(last_ordered)
        arm = draw_by_share(rng, {name: ARMS[name].share for name in campaign.arms}, n)
        factor = np.where(reads[rows], TRUTH.reader_factor, 1.0)
        response, conversion = (
            np.array([getattr(ARMS[one], f"{kind}_effect") for one in arm]) * factor + base
            for kind, base in (("response", TRUTH.base_response), ("conversion", TRUTH.base_conversion))
        )
        # Who buys has come: one draw for both.
        chance = rng.random(n)
        bought = chance < conversion
        cents = np.round(rng.lognormal(np.log(TRUTH.median_response_euros), 0.6, n) * 100).astype(int)
        parts.append(
            pd.DataFrame(
                {
                    "Campaign": campaign.name,
                    "Customer No": customers["Customer No"].to_numpy()[rows],
                    "contacted_day": day,
                    "Arm": arm,
                    "Visited": np.where(chance < response, "1", "0"),
                    "Bought": np.where(bought, "1", "0"),
                    "Bought For": np.where(bought, cents, 0),
                    "Reader": np.where(reads[rows], "yes", "no"),
                    "Days Since Order": day - last_ordered.to_numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
