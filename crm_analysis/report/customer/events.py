"""What happened with one customer by the end of a month, the latest first, whatever tables the source has.

What came later is not looked at: a deal that closed later is open, an invoice paid later is not paid, and how a campaign that still
ran was answered is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time

import narwhals as nw
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, counted, mark
from crm_analysis.report.elements import is_missing
from crm_analysis.schema import Column, Shape
from crm_analysis.tastes.lines import place_by

SHOWN, PRODUCTS_NAMED, MAX_LETTERS = 20, 3, 160

ORDER, RETURN, FREE = mark("ordered"), mark("return"), mark("free goods")
INVOICE, CREDIT_NOTE, PAID, NOT_PAID = mark("invoice"), mark("credit note"), mark("payment"), mark("not paid when due")
CONTACT, OPENED, WON, LOST = mark("contact"), mark("deal opened"), mark("deal won"), mark("deal lost")
FEEDBACK, CAMPAIGN, BEGAN, ENDED = mark("feedback"), mark("campaign"), mark("contract began"), mark("contract ended")
SIGNED_UP = mark("registered")
KINDS = (
    ORDER, RETURN, FREE, INVOICE, CREDIT_NOTE, PAID, NOT_PAID, CONTACT, OPENED, WON, LOST, FEEDBACK, CAMPAIGN, BEGAN, ENDED, SIGNED_UP,
)  # fmt: skip

EVENTS = Shape(
    "one row per event, the latest first",
    {
        "happened_date": Column("date", "day"),
        "event": Column("label", "event"),
        "about": Column("text", "about"),
        "amount": Column("money", "amount"),
    },
)
Event = tuple[datetime, str, str | None, object]


def list_events(tables: Tables, as_of: date) -> pd.DataFrame:
    """EVENTS: the last ``SHOWN``."""
    found = [one for name, tell in TOLD.items() if name in tables for one in tell(tables, as_of)]
    found.sort(key=lambda one: (one[0], KINDS.index(one[1]), one[2] or ""), reverse=True)
    rows = [(at.date(), event, about, amount) for at, event, about, amount in found[:SHOWN]]
    return pd.DataFrame(rows, columns=list(EVENTS.columns), dtype=object)


# One function for each table: what its rows tell.


def _tell_orders(tables: Tables, as_of: date) -> Iterator[Event]:
    orders = _last(tables["orders"], "ordered_at", as_of, "order_id")
    products = _name_products(tables, orders)
    for one in orders:
        is_return = one["returned_amount"] > 0 and not one["is_order"]
        kind = ORDER if one["is_order"] else RETURN if is_return else FREE
        named = products.get((one["order_id"], is_return, one["ordered_date"] if is_return else None), [])
        more = int(one["n_lines"]) - len(named)
        rest = [counted(more, "{n} more line", "{n} more lines")] if named and more > 0 else []
        yield one["ordered_at"], kind, _join(one["order_id"], ", ".join([*named, *rest])), one["net_amount"]


def _name_products(tables: Tables, orders: Sequence[dict]) -> dict[tuple, list[str]]:
    """(order, whether it came back, and then the day) → its products of the largest amounts, with their number."""
    if "order_lines" not in tables or "product_id" not in (names := _columns(tables["order_lines"])):
        return {}
    day, is_return = nw.col("ordered_date"), nw.col("kind") == "return"
    ids, days = [one["order_id"] for one in orders] or [""], [one["ordered_date"] for one in orders]
    lines = tables["order_lines"].filter(nw.col("order_id").is_in(ids), nw.col("kind") != "stock")
    # A part of an order may have come back later.
    lines = lines.filter(~is_return | day.is_in(days or [date.min]))
    quantity = nw.col("quantity") if "quantity" in names else nw.lit(None).cast(nw.Int64)
    lines = lines.with_columns(is_return=is_return, quantity=quantity, returned_date=nw.when(is_return).then(day))
    if "product_name" in _columns(tables.get("products")):
        known = tables["products"].select("product_id", "product_name")
        lines = lines.join(known, on="product_id", how="left").with_columns(
            name=nw.coalesce("product_name", "product_id")
        )
    else:
        lines = lines.with_columns(name=nw.col("product_id"))
    by = ("order_id", "is_return", "returned_date")
    sums = lines.group_by(*by, "name").agg(nw.col("line_amount").abs().sum(), nw.col("quantity").abs().sum())
    ranked = place_by(sums.with_columns(less=-nw.col("line_amount")), ["less", "name"], within=by)
    most = PRODUCTS_NAMED * SHOWN * (SHOWN + 1)
    first = engine.collect(ranked.filter(nw.col("place") <= PRODUCTS_NAMED).sort(*by, "place"), most)
    named: dict[tuple, list[str]] = {}
    for one in first.to_dict("records"):
        text = _short(one["name"], 40) if not is_missing(one["name"]) else "–"
        several = not is_missing(one["quantity"]) and one["quantity"] != 1
        key = (
            one["order_id"],
            bool(one["is_return"]),
            None if is_missing(one["returned_date"]) else one["returned_date"],
        )
        named.setdefault(key, []).append(f"{text} × {language.plain(one['quantity'])}" if several else text)
    return named


def _tell_payments(tables: Tables, as_of: date) -> Iterator[Event]:
    table = _fill(tables["payments"], "invoice_id", paid_date=nw.Date)
    for one in _last(table, "invoiced_date", as_of, "invoice_id"):
        due = [] if is_missing(one["due_date"]) else [_("due on {day}").format(day=one["due_date"])]
        kind = CREDIT_NOTE if one["invoice_amount"] < 0 else INVOICE
        yield _at(one["invoiced_date"]), kind, _join(one["invoice_id"], *due), one["invoice_amount"]
    known = table.filter(nw.col("invoiced_date") < nw.lit(as_of))
    for one in _last(known, "paid_date", as_of, "invoice_id"):
        yield (
            _at(one["paid_date"]),
            PAID,
            _join(one["invoice_id"], _tell_late(one["due_date"], one["paid_date"])),
            one["invoice_amount"],
        )
    is_open = nw.col("paid_date").is_null() | (nw.col("paid_date") >= nw.lit(as_of))
    for one in _last(known.filter(is_open, nw.col("invoice_amount") > 0), "due_date", as_of, "invoice_id"):
        days = counted((as_of - one["due_date"]).days, "{n} day overdue by now", "{n} days overdue by now")
        yield _at(one["due_date"]), NOT_PAID, _join(one["invoice_id"], days), one["invoice_amount"]


def _tell_late(due: object, paid: date) -> str:
    if is_missing(due):
        return ""
    late = (paid - due).days
    return counted(late, "{n} day late", "{n} days late") if late > 0 else _("on time")


def _tell_interactions(tables: Tables, as_of: date) -> Iterator[Event]:
    for one in _last(tables["interactions"], "opened_at", as_of, "interaction_id"):
        settled = []
        if "resolved_at" in one:
            is_open = is_missing(one["resolved_at"]) or one["resolved_at"].date() >= as_of
            settled = [_("not settled yet") if is_open else _("settled on {day}").format(day=one["resolved_at"].date())]
        yield one["opened_at"], CONTACT, _join(*_pick(one, "topic", "channel", "employee"), *settled), None


def _tell_opportunities(tables: Tables, as_of: date) -> Iterator[Event]:
    columns = _columns(tables["opportunities"])
    table = _fill(tables["opportunities"], "opportunity_id", opened_date=nw.Date, closed_date=nw.Date)
    for one in _last(table, "opened_date", as_of, "opportunity_id"):
        # The amount of the export may be that of the later end.
        is_later = not is_missing(one["closed_date"]) and one["closed_date"] >= as_of
        amount = None if is_later or "opportunity_amount" not in columns else one["opportunity_amount"]
        yield _at(one["opened_date"]), OPENED, _join(*_pick(one, "opportunity_id", "salesperson")), amount
    for one in _last(table.filter(nw.col("is_won") | nw.col("is_lost")), "closed_date", as_of, "opportunity_id"):
        kind = WON if one["is_won"] else LOST
        yield (
            _at(one["closed_date"]),
            kind,
            _join(*_pick(one, "opportunity_id", "salesperson")),
            one.get("opportunity_amount"),
        )


def _tell_feedback(tables: Tables, as_of: date) -> Iterator[Event]:
    for one in _last(tables["feedback"], "given_at", as_of, "feedback_id"):
        rating = [] if is_missing(one.get("rating")) else [_("rating {n}").format(n=language.plain(one["rating"]))]
        yield one["given_at"], FEEDBACK, _join(*rating, *_pick(one, "topic", "feedback_text")), None


def _tell_campaigns(tables: Tables, as_of: date) -> Iterator[Event]:
    table = tables["campaign_contacts"]
    about = [one for one in ("campaign_name", "ended_date") if one in _columns(tables.get("campaigns"))]
    if about:
        table = table.join(tables["campaigns"].select("campaign_id", *about), on="campaign_id", how="left")
    for one in _last(table, "contacted_date", as_of, "campaign_id"):
        name = one["campaign_id"] if is_missing(one.get("campaign_name")) else one["campaign_name"]
        told, amount = [_("control, got no message")] if one.get("is_control") is True else _pick(one, "arm"), None
        if not is_missing(one.get("ended_date")) and one["ended_date"] < as_of:
            told += [_("answered")] if one.get("is_responded") is True else []
            told += [_("bought")] if one.get("is_converted") is True else []
            amount = one.get("response_amount") or None
        yield _at(one["contacted_date"]), CAMPAIGN, _join(name, *told), amount


def _tell_contracts(tables: Tables, as_of: date) -> Iterator[Event]:
    table = _fill(tables["contracts"], "contract_id", started_date=nw.Date, ended_date=nw.Date)
    for one in _last(table, "started_date", as_of, "contract_id"):
        yield _at(one["started_date"]), BEGAN, _join(*_pick(one, "contract_id", "plan")), one.get("monthly_amount")
    for one in _last(table.filter(nw.col("started_date") < nw.lit(as_of)), "ended_date", as_of, "contract_id"):
        yield _at(one["ended_date"]), ENDED, _join(*_pick(one, "contract_id", "end_reason")), None


def _tell_customers(tables: Tables, as_of: date) -> Iterator[Event]:
    for one in _last(tables["customers"], "signed_up_date", as_of, "customer_id"):
        yield _at(one["signed_up_date"]), SIGNED_UP, None, None


# Every table of schema.CANONICAL that names customers; lines are told with their orders.
TOLD = {
    "orders": _tell_orders, "payments": _tell_payments, "interactions": _tell_interactions,
    "opportunities": _tell_opportunities, "feedback": _tell_feedback, "campaign_contacts": _tell_campaigns,
    "contracts": _tell_contracts, "customers": _tell_customers,
}  # fmt: skip


# --- rows ------------------------------------------------------------------------------------------------------------


def _last(table: Table, day: str, as_of: date, key: str) -> list[dict]:
    """The last ``SHOWN`` rows dated before ``as_of``; none where the table has no such column."""
    names = _columns(table)
    if day not in names:
        return []
    known = table.filter(nw.col(day).cast(nw.Date) < nw.lit(as_of))
    order = [day, *([key] if key in names else [])]
    frame = engine.collect(known.sort(*order, descending=True).head(SHOWN), SHOWN)
    return frame.to_dict("records")


def _columns(table: Table | None) -> list[str]:
    return [] if table is None else table.collect_schema().names()


def _fill(table: Table, key: str, **kinds: type) -> Table:
    """The table with columns that an export need not have."""
    lacking = {name: kind for name, kind in {key: nw.String, **kinds}.items() if name not in _columns(table)}
    return table.with_columns(**{name: nw.lit(None).cast(kind) for name, kind in lacking.items()}) if lacking else table


def _at(day: date) -> datetime:
    return datetime.combine(day, time.min)


def _pick(row: Mapping[str, object], *columns: str) -> list[str]:
    return [_short(str(row[one])) for one in columns if one in row and not is_missing(row[one])]


def _short(text: str, most: int = MAX_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _join(*parts: object) -> str:
    return " · ".join(str(one) for one in parts if one and not is_missing(one))
