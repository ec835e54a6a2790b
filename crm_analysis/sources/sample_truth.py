"""The truth of the sample company: how its customers behave, its calendar, and the dirt in its exports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the company is really like."""

    first_day: date = date(2023, 11, 1)
    last_day: date = date(2026, 11, 12)  # so that the last complete month is 2026-10
    # Orders per day of a customer ~ Gamma(r, rate alpha_days). After every order but the first (the paper's
    # likelihood lets nobody leave before the second) the customer leaves with a probability ~ Beta(a, b).
    r: float = 0.42
    alpha_days: float = 38.0
    a: float = 0.5
    b: float = 5.0
    joining_growth: float = 2.0  # customers joining on the last day over the first, season aside
    christmas_joining_factor: float = 1.5  # joining per day, November and December over other months
    # A customer's spend level ~ (spend_shape - 1) / Gamma(spend_shape), as in the gamma-gamma model: mean 1,
    # independent of buying. Lines per order, packs per line: 1 + Poisson(spend level x mean_extra_...).
    spend_shape: float = 6.0
    mean_extra_lines: float = 1.6
    mean_extra_quantity: float = 0.3
    max_quantity: int = 6  # of packs
    business_pack: int = 2  # businesses buy every product in packs of so many, private customers singly
    christmas_basket_factor: float = 1.5  # mean_extra_lines, November and December over other months
    # A line of a known customer is chosen for the customer's favourite category, colour or brand with these
    # probabilities, else by popularity alone; a product chosen twice in one order makes one line.
    favourite_category_prob: float = 0.40
    favourite_colour_prob: float = 0.20
    favourite_brand_prob: float = 0.15
    usual_channel_prob: float = 0.80  # else any channel
    business_share: float = 0.08  # of customers
    walk_in_share: float = 0.06  # of orders, so about of lines: in the store, without a customer
    return_share: float = 0.04  # of lines sold: they come back 3 to 30 days later, whole or in part
    # A colour that comes into fashion: from this day on it is chosen by popularity so many times as readily as before.
    rising_colour: str = "Sage"
    rising_from: date = date(2025, 11, 1)
    rising_factor: float = 2.5
    # Contracts: at each order a customer without one signs with signing_prob, one whose first has ended with
    # winning_back_prob, and never a third. The hazard of ending is per month, for direct debit and monthly billing
    # (sample_words has the factors of the others), and early_hazard_factor times as high in the first early_months.
    signing_prob: float = 0.10
    winning_back_prob: float = 0.03
    monthly_hazard: float = 0.022
    early_months: int = 3
    early_hazard_factor: float = 2.0
    # Invoices: of businesses on account, written the day after the order; LATENESS says how they pay.
    on_account_share: float = 0.75
    payment_terms_days: tuple[int, ...] = (14, 30)
    disputed_share: float = 0.05
    # Tickets: so many orders are followed by one within 20 days; TICKETS says how fast they are answered and solved.
    ticket_prob: float = 0.10
    ticket_agents: tuple[str, ...] = ("Adler", "Boyd", "Costa", "Dahl")
    # Deals: days from the first talk to the end ~ Gamma(cycle_shape), whoever sells; WIN_PROBS says who wins.
    deals_per_customer: float = 0.15
    cycle_shape: float = 2.0
    mean_cycle_days: float = 60.0
    median_deal_euros: float = 3000.0
    new_business_share: float = 0.10  # of deals: with somebody who is no customer yet
    # Reviews: of so many lines sold, and answers to a question after so many tickets; RATING_PROBS says how they rate.
    review_prob: float = 0.03
    survey_prob: float = 0.40
    late_answer_hours: float = 8.0
    remark_share: float = 0.85
    # Campaigns: what customers do in their weeks without a message, and what ARMS add to it. Readers of the newsletter answer
    # by reader_factor more.
    base_response: float = 0.10
    base_conversion: float = 0.03
    reader_share: float = 0.40
    reader_factor: float = 2.0
    median_response_euros: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One campaign: its arms, the control among them."""

    name: str
    title: str
    channel: str
    started: date
    ended: date
    cost_euros: int
    arms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a message adds to the probabilities of a visit and of buying, for those who do not read the newsletter."""

    share: float
    response_effect: float = 0.0
    conversion_effect: float = 0.0


# How a business pays: share of businesses, probability that an invoice is paid late, and mean days late of those.
LATENESS = {"Direct debit": (0.3, 0.04, 3.0), "Transfer": (0.5, 0.25, 8.0), "Cheque": (0.2, 0.55, 18.0)}
# Topic of a ticket: share, mean hours to the answer, mean hours from there to the solution (both exponential).
TICKETS = {
    "Delivery": (0.35, 4.0, 30.0),
    "Fault": (0.20, 8.0, 96.0),
    "Return": (0.20, 6.0, 72.0),
    "Invoice": (0.15, 12.0, 48.0),
    "Advice": (0.10, 2.0, 3.0),
}
WIN_PROBS = {"Brandt": 0.35, "Roy": 0.60, "Holm": 0.45, "Lis": 0.20}
STAGE_PROBS = {"Contact": 0.4, "Offer": 0.4, "Negotiation": 0.2}  # of open deals
# Probabilities of one to five stars: for a product, and after a ticket answered in time or late.
RATING_PROBS = {
    "product": (0.04, 0.06, 0.15, 0.35, 0.40),
    "in time": (0.05, 0.08, 0.17, 0.35, 0.35),
    "late": (0.35, 0.30, 0.20, 0.10, 0.05),
}
ARMS = {
    "No message": Arm(share=0.5),
    "E-mail": Arm(share=0.5, response_effect=0.06, conversion_effect=0.02),
    "Control": Arm(share=0.4),
    "Letter": Arm(share=0.3, response_effect=0.05, conversion_effect=0.03),
    "Letter with voucher": Arm(share=0.3, response_effect=0.12, conversion_effect=0.06),
    "Nobody": Arm(share=0.5),
    # This one does nothing: a method must not find an effect.
    "Banner": Arm(share=0.5),
}
CAMPAIGNS = (
    Campaign(name="K25-1", title="Spring e-mail", channel="E-mail", started=date(2025, 3, 3), ended=date(2025, 3, 23),
             cost_euros=900, arms=("No message", "E-mail")),
    Campaign(name="K25-2", title="Autumn letter", channel="Post", started=date(2025, 10, 6), ended=date(2025, 11, 2),
             cost_euros=4800, arms=("Control", "Letter", "Letter with voucher")),
    Campaign(name="K26-1", title="Summer banner", channel="Web", started=date(2026, 6, 1), ended=date(2026, 6, 28),
             cost_euros=1500, arms=("Nobody", "Banner")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """How many lines of the files are dirty: exact for every seed, none in two ways.

    All are additional lines, but for padded ids and gifts, which are in real lines of real orders.
    """

    duplicates_in_place: int = 28  # exact copies, right below their originals
    duplicates_in_next_file: int = 12  # the last 4 clean lines of 3 years, again on top of the next file
    blank_lines: int = 12
    broken_dates: int = 5
    quantities_in_words: int = 3
    prices_with_currency: int = 4
    ragged_lines: int = 3  # a price with a decimal comma, and so one cell too many
    test_orders: int = 25  # of one line each, order number TEST-...
    padded_ids: int = 60  # a space or a no-break space at the end of the customer or the item number
    gift_lines: int = 150  # price 0.00
    contract_duplicates: int = 6  # exact copies, right below their originals
    contract_broken_dates: int = 2  # copies with a start that is no day
    contract_padded_ids: int = 12  # a blank before, or a no-break space after, the contract or the customer number
    # In each of the files of invoices, tickets, deals, reviews and campaign contacts:
    record_duplicates: int = 5  # exact copies, right below their originals
    record_padded_ids: int = 8  # a blank before, or a no-break space after, the customer number
    record_broken_dates: int = 2  # additional lines with a day that is none, at no amount


TRUTH = Truth()
DIRT = Dirt()

N_DAYS = (TRUTH.last_day - TRUTH.first_day).days + 1
DAYS = np.datetime64(TRUTH.first_day) + np.arange(N_DAYS)
MONTHS = DAYS.astype("datetime64[M]").astype(int) % 12  # of DAYS; January is 0
IS_CHRISTMAS = MONTHS >= 10
DAYS_PER_MONTH = 365.25 / 12
MINUTES_PER_DAY = 24 * 60
OPENING_MINUTES = (8 * 60, 22 * 60)  # never at night, when summer time skips or repeats an hour
