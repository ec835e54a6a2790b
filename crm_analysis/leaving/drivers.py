"""Which features make one driver of a forecast, and how it is told in a customer's own numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from crm_analysis import language
from crm_analysis.language import _, mark
from crm_analysis.leaving.histories import WINDOWS_DAYS

# Of orders: the features that are judged together, since one cannot change without the others.
OF_ORDERS = {
    mark("silence"): ("days_since_last_order", "silence_ratio", "n_orders_30d", "orders_worth_30d"),
    mark("frequency"): (
        "n_order_days", "days_since_first_order", "mean_days_between_orders", "n_orders_90d", "n_orders_180d", "n_orders_365d",
    ),
    mark("amount"): (
        "orders_worth_90d", "orders_worth_180d", "orders_worth_180d_before", "orders_worth_365d", "average_orders_worth",
    ),
    mark("returns"): ("returned_rate",),
}  # fmt: skip
ORDER_FEATURES = tuple(feature for members in OF_ORDERS.values() for feature in members)
# What of a customer is told beside the features.
ORDER_FACTS = ("n_orders", *(f"net_amount_{n}d" for n in WINDOWS_DAYS), "net_amount_180d_before")

OF_CONTRACTS = {
    mark("time as a customer"): ("tenure_months", "total_amount"),
    mark("monthly amount"): ("monthly_amount",),
}

# The column by whose classes a driver is shown, and what it is.
SHOWN = {
    "silence": ("days_since_last_order", mark("days since the last order")),
    "frequency": ("n_order_days", mark("days with an order so far")),
    "amount": ("net_amount_180d", mark("amount of the last 180 days")),
    "returns": ("returned_rate", mark("returned share of purchases")),
    "time as a customer": ("tenure_months", mark("months as a customer")),
    "monthly amount": ("monthly_amount", mark("amount per month")),
}


def say_of_orders(driver: str, row: Mapping[str, object]) -> str:
    """A driver of OF_ORDERS, or an attribute, of one customer; nothing of an amount that did not fall."""
    if driver in ("silence", "frequency") and row["n_order_days"] == 1:
        return _("only one order, {days} days ago").format(days=language.integer(row["days_since_last_order"]))
    if driver == "silence":
        days, gap = (language.integer(row[one]) for one in ("days_since_last_order", "mean_days_between_orders"))
        if row["days_since_last_order"] > row["mean_days_between_orders"]:
            return _("silent for {days} days, usually orders every {gap}").format(days=days, gap=gap)
        return _("orders every {gap} days only").format(gap=gap)
    if driver == "frequency":
        n, days = (language.integer(row[one]) for one in ("n_order_days", "days_since_first_order"))
        return _("{n} order days in {days} days as a customer").format(n=n, days=days)
    if driver == "amount":
        if row["net_amount_180d"] >= row["net_amount_180d_before"]:
            return ""
        now, before = (language.integer(row[f"net_amount_180d{end}"]) for end in ("", "_before"))
        return _("bought for {now} in the last 180 days, for {before} in the 180 days before").format(
            now=now, before=before
        )
    if driver == "returns":
        return _("sent back {share} of purchases").format(share=language.percent(row["returned_rate"], 0))
    return _say_attribute(driver, row)


def say_of_contracts(driver: str, row: Mapping[str, object]) -> str:
    """A driver of OF_CONTRACTS, or an attribute, of one customer."""
    if driver == "time as a customer":
        return _("customer for {n} months").format(n=language.plain(row["tenure_months"]))
    if driver == "monthly amount":
        return _("pays {amount} a month").format(amount=language.plain(row["monthly_amount"]))
    return _say_attribute(driver, row)


def _say_attribute(driver: str, row: Mapping[str, object]) -> str:
    value = row[driver.replace(" ", "_")]
    text = value if isinstance(value, str) else "" if pd.isna(value) else language.plain(value)
    return _("{attribute}: {value}").format(attribute=_(driver), value=text or _("not known"))
