"""What the tables hold: grain, columns, type, unit and meaning. The one place that says so.

``CANONICAL`` are the tables that a source's contract can fill; ``ORDERS``, ``LEDGER`` and the other
shapes below are made by the package. Result shapes of a method stand in its own module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from crm_analysis.language import mark

# A label is a word of ours, shown in the reader's language; a text comes from the data and is shown as it is.
TYPES = (
    "id", "text", "label", "money", "quantity", "rate", "moment", "date", "integer", "fraction", "estimate", "figure", "flag",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its type (one of TYPES; ``figure`` is a number in words, with its unit) and what it means, unit included. ``own``: words of ours that may stand among the
    data of a text. ``detail``: what more there is to tell (marked), where the meaning is also a head and must be short.
    ``max_length``: the most characters that an id or a text may have to be read."""

    type: str
    meaning: str
    own: tuple[str, ...] = ()
    detail: str = ""
    max_length: int = 200

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise ValueError(f"unknown column type {self.type!r}")


@dataclass(frozen=True)
class Shape:
    """A table's grain in one sentence, and its columns in order."""

    grain: str
    columns: dict[str, Column]

    def check(self, columns: Iterable[str]) -> None:
        """Raise ValueError where ``columns`` are not this shape's, in this order."""
        found = list(columns)
        if found != list(self.columns):
            raise ValueError(f"expected the columns {list(self.columns)}, found {found}")

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame in this shape's order of columns; ValueError where it lacks one."""
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise ValueError(f"the columns {missing} are missing")
        return frame[list(self.columns)].reset_index(drop=True)


def filled(frame: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Those of the columns in which anything is known."""
    return [one for one in columns if frame[one].notna().any()]


@dataclass(frozen=True)
class CanonicalTable(Shape):
    """A table that a contract can fill.

    ``required`` columns must be mapped; ``one_of`` lists alternatives, of which one group must be. A row must have a value in
    its key and in what is required, but for what ``may_be_empty``; a key of several columns tells rows apart only where it is
    whole. ``dated_by``: the columns that date a row, the first that has a value. ``happened``: the columns that say when
    something happened, and so how far the export reaches. ``amount``: the money of a row in the ledger.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    key: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()
    dated_by: tuple[str, ...] = ()
    happened: tuple[str, ...] = ()
    amount: str | None = None


# The most characters of a text that is more than a name.
LONG = 1000

_ORDER_COLUMNS = {
    "order_id": Column("id", "number of the order, invoice or receipt"),
    "customer_id": Column("id", "who bought; empty where not known"),
    "ordered_at": Column("moment", "when, in the business time zone of the source"),
    "currency": Column("text", "currency in which the file has the row's amounts, such as USD"),
}
LINE_DIMENSIONS = {
    "region": Column("text", "where the customer is served"),
    "channel": Column("text", "web, shop, telephone, …"),
    "salesperson": Column("text", "who sold"),
}

_REFUNDED = Column("money", "amount of the order that was paid back, where the export does not say when")

CANONICAL: dict[str, CanonicalTable] = {
    "order_lines": CanonicalTable(
        grain="one row per line of an order as exported",
        columns={
            **_ORDER_COLUMNS,
            "product_id": Column("id", "what was bought"),
            "quantity": Column("quantity", "pieces, kilograms, …; negative where the export writes returns so"),
            "unit_price": Column("money", "price of one"),
            "line_amount": Column("money", "amount of the line, net of discount"),
            "profit_amount": Column("money", "margin of the line"),
            **LINE_DIMENSIONS,
            "whole_order_amount": Column(
                "money", "amount of the whole order, on one of its lines: what its lines are more is a discount on all"
            ),
            "refunded_amount": _REFUNDED,
        },
        required=("order_id", "customer_id", "ordered_at"),
        one_of=(("line_amount",), ("quantity", "unit_price")),
        may_be_empty=("customer_id",),
        dated_by=("ordered_at",),
        happened=("ordered_at",),
        amount="line_amount",
    ),
    "orders": CanonicalTable(
        grain="one row per order, where the source has no lines",
        columns={
            **_ORDER_COLUMNS,
            "quantity": Column("quantity", "pieces in the order"),
            "order_amount": Column("money", "amount of the order, net of discount"),
            "profit_amount": Column("money", "margin of the order"),
            **LINE_DIMENSIONS,
            "refunded_amount": _REFUNDED,
        },
        required=("customer_id", "ordered_at", "order_amount"),
        may_be_empty=("customer_id",),
        dated_by=("ordered_at",),
        happened=("ordered_at",),
        amount="line_amount",
    ),
    "customers": CanonicalTable(
        grain="one row per customer",
        columns={
            "customer_id": Column("id", "the customer"),
            "signed_up_date": Column("date", "when the customer registered"),
        },
        required=("customer_id",),
        key=("customer_id",),
    ),
    "products": CanonicalTable(
        grain="one row per product",
        columns={
            "product_id": Column("id", "the product"),
            "product_name": Column("text", "its name", max_length=LONG),
            "list_price": Column("money", "price before discount"),
            "unit_cost": Column("money", "cost of one"),
        },
        required=("product_id",),
        key=("product_id",),
    ),
    "contracts": CanonicalTable(
        grain="one row per contract (subscription) of a customer, as the export shows it",
        columns={
            "contract_id": Column("id", "number of the contract"),
            "customer_id": Column("id", "whose it is"),
            "started_date": Column("date", "first day"),
            "ended_date": Column("date", "day on which it ended; empty while it runs"),
            "tenure_months": Column("quantity", "months it has run, where the export has no dates"),
            "is_ended": Column("flag", "it has ended, where the export has no dates"),
            "end_reason": Column("text", "why it ended, as recorded", max_length=LONG),
            "monthly_amount": Column("money", "amount per month"),
            "total_amount": Column("money", "amount billed to date"),
        },
        required=("customer_id",),
        one_of=(("started_date", "ended_date"), ("tenure_months", "is_ended")),
        key=("contract_id",),
        dated_by=("started_date",),
        happened=("started_date", "ended_date"),
    ),
    "payments": CanonicalTable(
        grain="one row per invoice, with when it was paid",
        columns={
            "invoice_id": Column("id", "number of the invoice"),
            "customer_id": Column("id", "who owes it; empty where not known"),
            "order_id": Column("id", "the order it is for"),
            "invoiced_date": Column("date", "day of the invoice"),
            "due_date": Column("date", "last day on which it is paid in time; empty where none is agreed"),
            "paid_date": Column("date", "day on which it was paid in full; empty while it is open"),
            "invoice_amount": Column("money", "amount of the invoice; below zero a credit note"),
            "is_disputed": Column("flag", "the customer disputes it"),
        },
        required=("customer_id", "invoiced_date", "due_date", "invoice_amount"),
        key=("invoice_id",),
        may_be_empty=("customer_id", "due_date"),
        dated_by=("invoiced_date",),
        happened=("invoiced_date", "paid_date"),
        amount="invoice_amount",
    ),
    "interactions": CanonicalTable(
        grain="one row per contact with a customer: a call, a ticket, a visit",
        columns={
            "interaction_id": Column("id", "number of the call, ticket or visit"),
            "customer_id": Column("id", "with whom; empty where not known"),
            "opened_at": Column("moment", "when it began, in the business time zone of the source"),
            "answered_at": Column("moment", "when somebody first answered; empty where nobody has"),
            "resolved_at": Column("moment", "when it was settled; empty while it is open"),
            "channel": Column("text", "telephone, e-mail, chat, shop, …"),
            "topic": Column("text", "what it was about", max_length=LONG),
            "employee": Column("text", "who dealt with it"),
        },
        required=("opened_at",),
        key=("interaction_id",),
        dated_by=("opened_at",),
        happened=("opened_at", "answered_at", "resolved_at"),
    ),
    "opportunities": CanonicalTable(
        grain="one row per deal that is hoped for, won or lost",
        columns={
            "opportunity_id": Column("id", "number of the deal"),
            "customer_id": Column("id", "with whom; empty where not known"),
            "product_id": Column("id", "what is to be sold"),
            "stage": Column("text", "stage that it has reached"),
            "is_won": Column("flag", "it ended with a sale"),
            "is_lost": Column("flag", "it ended without one"),
            "opened_date": Column("date", "day on which it began; empty where not known"),
            "closed_date": Column("date", "day on which it was won or lost; empty while it is open"),
            "opportunity_amount": Column("money", "amount it was won for, or is hoped to bring"),
            "salesperson": Column("text", "who sells"),
        },
        required=("stage", "is_won", "is_lost"),
        key=("opportunity_id",),
        dated_by=("opened_date", "closed_date"),
        happened=("opened_date", "closed_date"),
        amount="opportunity_amount",
    ),
    "feedback": CanonicalTable(
        grain="one row per review, answer or complaint",
        columns={
            "feedback_id": Column("id", "number of the review"),
            "customer_id": Column("id", "who gave it; empty where not known"),
            "product_id": Column("id", "what it is about"),
            "given_at": Column("moment", "when, in the business time zone of the source"),
            "rating": Column("quantity", "how satisfied, in the source's own points: more is better"),
            "topic": Column("text", "what it is about, as the source sorts it", max_length=LONG),
            "feedback_text": Column("text", "what was said", max_length=100_000),
        },
        one_of=(("rating",), ("feedback_text",)),
        key=("feedback_id",),
        dated_by=("given_at",),
        happened=("given_at",),
    ),
    "rates": CanonicalTable(
        grain="one row per currency and day from which on its rate holds",
        columns={
            "currency": Column("text", "currency of amounts, such as USD"),
            "rated_date": Column("date", "first day of the rate; it holds until the next"),
            "rate": Column("rate", "what one unit of it is worth in the currency of the source"),
        },
        required=("currency", "rated_date", "rate"),
        key=("currency", "rated_date"),
    ),
    "campaigns": CanonicalTable(
        grain="one row per campaign",
        columns={
            "campaign_id": Column("id", "the campaign"),
            "campaign_name": Column("text", "its name"),
            "channel": Column("text", "e-mail, post, telephone, …"),
            "started_date": Column("date", "first day"),
            "ended_date": Column("date", "last day"),
            "cost_amount": Column("money", "what it cost"),
        },
        required=("campaign_id",),
        key=("campaign_id",),
        dated_by=("started_date",),
        happened=("started_date",),
        amount="cost_amount",
    ),
    "campaign_contacts": CanonicalTable(
        grain="one row per customer assigned to an arm of a campaign, the control among them",
        columns={
            "campaign_id": Column("id", "the campaign"),
            "customer_id": Column("id", "who; empty where not known: equal rows are then different people"),
            "contacted_date": Column("date", "day of the contact, for the control the same"),
            "arm": Column("text", "which message; the control has one of its own"),
            "is_control": Column("flag", "assigned to get no message"),
            "is_responded": Column("flag", "answered: visited, clicked, called"),
            "is_converted": Column("flag", "bought"),
            "response_amount": Column("money", "amount bought in answer; below zero where more came back"),
        },
        required=("campaign_id", "arm"),
        key=("campaign_id", "customer_id"),
        may_be_empty=("customer_id",),
        dated_by=("contacted_date",),
        happened=("contacted_date",),
        amount="response_amount",
    ),
    "salespeople": CanonicalTable(
        grain="one row per salesperson; team, office and the like are attributes",
        columns={"salesperson": Column("text", "who sells, as orders and deals name them")},
        required=("salesperson",),
        key=("salesperson",),
    ),
}

# What a contract's ``identity`` of customers may say of who they are. Personal data: kept apart from ``customers``, in a table
# that no method reads.
IDENTITY = Shape(
    grain="one row per customer whose contract says what identifies them, in standard spelling",
    columns={
        "customer_id": Column("id", "the customer"),
        "customer_name": Column("text", "whole name of a person"),
        "given_name": Column("text", "given name"),
        "surname": Column("text", "family name"),
        "company_name": Column("text", "name of a company"),
        "email": Column("text", "e-mail address"),
        "phone": Column("text", "telephone, as +49301234567"),
        "street": Column("text", "street and number"),
        "postcode": Column("text", "postal code"),
        "city": Column("text", "town"),
        "region": Column("text", "province or state"),
        "country": Column("text", "country, as ISO 3166 has it: DE, CN"),
        "birth_date": Column("date", "day of birth"),
        "personal_number": Column("id", "number of a person or company: tax, insurance, register"),
    },
)

PAIRS = Shape(
    grain="one pair of customers that may be one and the same",
    columns={
        "customer_id": Column("id", "the customer that would be kept"),
        "other_customer_id": Column("id", "the customer that may be the same"),
        "match_prob": Column("fraction", "probability that they are the same"),
        "why": Column("text", "what speaks for it and against it"),
    },
)

MERGES = Shape(
    grain="one row per customer that is taken for another",
    columns={
        "customer_id": Column("id", "the customer as exported"),
        "kept_customer_id": Column("id", "the customer under whose number both are analysed"),
        "match_prob": Column("fraction", "probability that they are the same"),
        "why": Column("text", "what speaks for it and against it"),
    },
)

KINDS = {
    mark("sale"): "an amount above zero",
    mark("return"): "marked as a return by the contract: lowers money, is never a visit",
    mark("free"): "an amount of zero: a gift or a sample",
    mark("stock"): "a negative quantity at no amount: a movement of stock, not of a customer",
}

ORDERS = Shape(
    grain="one row per order of a customer, and one per day on which things of an order came back",
    columns={
        "customer_id": Column("id", "who bought; empty where not known"),
        "order_id": Column("id", "number of the order"),
        "is_order": Column("flag", "an order, dated by its first line; false: a return or only free lines"),
        "ordered_at": Column("moment", "when, in the business time zone"),
        "ordered_date": Column("date", "its day"),
        "ordered_day": Column("integer", "its day as days since 1970-01-01"),
        "ordered_month": Column("text", "its month, as 2026-10"),
        "n_lines": Column("integer", "lines"),
        "gross_amount": Column("money", "sales"),
        "returned_amount": Column("money", "returns, as a positive amount"),
        "net_amount": Column("money", "sales less returns"),
        "profit_amount": Column("money", "margin; empty where cost is not known"),
    },
)

CUSTOMERS = Shape(
    grain="one row per customer with at least one order before as_of",
    columns={
        "customer_id": Column("id", "the customer"),
        "first_ordered_day": Column("integer", "day of the first order, days since 1970-01-01"),
        "last_ordered_day": Column("integer", "day of the last order, days since 1970-01-01"),
        "days_since_last_order": Column("integer", "whole days from the last order to as_of"),
        "tenure_days": Column("integer", "whole days from the first to the last order"),
        "n_orders": Column("integer", "orders"),
        "n_order_days": Column("integer", "days with an order"),
        "gross_amount": Column("money", "sales"),
        "returned_amount": Column("money", "returns, as a positive amount"),
        "net_amount": Column("money", "sales less returns"),
        "profit_amount": Column("money", "margin; empty where cost is not known"),
        "average_order_amount": Column("fraction", "net amount per order"),
        "mean_days_between_orders": Column("fraction", "tenure per gap between order days; empty for one day"),
    },
)

MOVES = Shape(
    grain="one row per pair of groups between which customers stand or moved since last month",
    columns={
        "from_group": Column("text", "group a month ago; empty: not in a group then"),
        "to_group": Column("text", "group now; empty: in no group any more"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "their amount now"),
    },
)

# What can become of a row; in a report also "out of window": dated after its month.
FATES = (
    mark("used"), mark("out of window"), mark("duplicate"), mark("excluded"), mark("rejected"), mark("blank"),
)  # fmt: skip

LEDGER = Shape(
    grain="rows and money of one file by what became of them",
    columns={
        "table": Column("text", "canonical table"),
        "file": Column("text", "file of the source"),
        "fate": Column("label", "used, duplicate, excluded, rejected or blank; each row has exactly one"),
        "reason": Column("text", "code or reason where it was not used"),
        "kind": Column("label", "sale, return, free or stock; empty where not known"),
        "has_customer": Column("flag", "a customer is named"),
        "ordered_month": Column("text", "month of the row, whatever dates it; empty where not known"),
        "n_rows": Column("integer", "rows"),
        "line_amount": Column("money", "signed amount, where it could be read"),
    },
)

REJECTS = Shape(
    grain="one row of a file that could not be used",
    columns={
        "table": Column("text", "canonical table"),
        "file": Column("text", "file of the source"),
        "line": Column("integer", "physical line of the file, counted from 1"),
        "reason": Column("text", "code and column"),
        "value": Column("text", "what stands in that column; empty where it is the line as a whole"),
        "raw_text": Column("text", "the line as it stands in the file"),
    },
)

WARNINGS = Shape(
    grain="one thing that was noticed in a column of a file, though its rows are used",
    columns={
        "table": Column("text", "canonical table"),
        "file": Column("text", "file of the source"),
        "column": Column("text", "column; empty where it is the file as a whole"),
        "code": Column("text", "what was noticed"),
        "n_rows": Column("integer", "rows that it touches"),
        "lines": Column("text", "the first of their lines"),
    },
)

COMPLETENESS = Shape(
    grain="one column of one canonical table in one month, over the rows that are used",
    columns={
        "table": Column("text", "canonical table"),
        "column": Column("text", "canonical column"),
        "month": Column("text", "month of the rows; empty where they have no date"),
        "n_rows": Column("integer", "rows"),
        "n_filled": Column("integer", "rows with a value"),
        "n_repaired": Column("integer", "rows whose text was changed to be read: spaces, suffixes"),
    },
)

OUTLIERS = Shape(
    grain="one amount that is far above the usual in some month, with the line on which it stands",
    columns={
        "table": Column("text", "canonical table"),
        "column": Column("text", "canonical column"),
        "file": Column("text", "file of the source"),
        "line": Column("integer", "physical line of the file, counted from 1"),
        "month": Column("text", "month of the row; empty where it has no date"),
        "amount": Column("money", "the amount"),
    },
)


# How urgent advice is: one scale for all methods, so that their lists can be merged.
PRIORITIES = {
    1: mark("act now, in person"),
    2: mark("act this month"),
    3: mark("act when there is room"),
    4: mark("cheap contact only"),
}
WIN_BACK, KEEP, GROW, WELCOME, LEAVE_ALONE = (
    mark("win back"), mark("keep"), mark("grow"), mark("welcome"), mark("leave alone"),
)  # fmt: skip
# What advice takes a customer for: gone, there, or not worth the effort. Methods of which one says this and one that disagree.
SIDES = {WIN_BACK: 1, KEEP: 2, GROW: 2, WELCOME: 2, LEAVE_ALONE: 3}


def action_list(segment: Column, expected: str, columns: dict[str, Column]) -> Shape:
    """The shape of a method's list: what every list begins with (``expected``: what its expected amount is), and its own columns."""
    return Shape(
        "one row per customer, the most urgent first",
        {
            "customer_id": Column("id", "customer"),
            "segment": segment,
            "priority": Column("integer", "priority, 1 first"),
            "stance": Column("label", "aim"),
            "action": Column("text", "what to do"),
            "reason": Column("text", "why"),
            "expected_amount": Column("money", "expected value", detail=expected),
            **columns,
        },
    )


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """A number for the first screen, beside its value a month and a year ago where these are known.

    ``unit``: count, share (of 1), money or number. ``meaning``: what is counted, for those who ask.
    """

    name: str
    value: object
    unit: str = "count"
    previous: object = None
    last_year: object = None
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One page about one thing, such as an account: what to do about it in a sentence, its key figures, a small chart (Axes)
    with its caption, and lists of names and values under titles."""

    title: str
    lead: str
    figures: list[KeyFigure]
    chart: object
    caption: str
    facts: dict[str, list[tuple[str, str]]]


_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days
