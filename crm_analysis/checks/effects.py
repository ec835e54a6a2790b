"""What each problem of the data does to which report: only problems that are there, with the rows and the money concerned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from crm_analysis import language
from crm_analysis.checks.consistency import NO_ROW, SHARED_ORDER
from crm_analysis.cleaning.rules import ORDER_TABLES
from crm_analysis.language import _, mark
from crm_analysis.schema import Column, Shape

EFFECTS = Shape(
    "one row per problem and what it does to which reports",
    {
        "problem": Column("text", "problem"),
        "n_rows": Column("integer", "rows"),
        "amount": Column("money", "amount concerned"),
        "reports": Column("text", "reports"),
        "effect": Column("text", "what it does to them"),
    },
)
ALL, TOTALS, DECILES, CHURN = mark("all reports"), mark("the company's totals"), mark("deciles"), mark("churn")
CUSTOMERS = ("RFM", DECILES, "CTB", "LTV", CHURN)
USERS = mark("reports that use the table")


@dataclass(frozen=True)
class Problem:
    """A problem in words, and what it does: reports and a sentence, once or more."""

    words: str
    effects: tuple[tuple[tuple[str, ...], str], ...]


PROBLEMS = {
    "unit": Problem(
        mark("amounts of another size than in the months before"),
        (((ALL,), mark("Sums, means and comparisons over this time may add up two units.")),),
    ),
    "no_customer": Problem(
        mark("orders without a customer"),
        (
            ((TOTALS,), mark("They are in sales and orders of the company.")),
            (CUSTOMERS, mark("They are in no segment, no decile, no preference and no forecast: customers add up to less.")),
        ),
    ),
    "rejected_sales": Problem(
        mark("sales that could not be read"),
        (
            ((ALL,), mark("Sales and orders are too low, by at least what could be read of these amounts.")),
            (("RFM", CHURN), mark("Whoever ordered last in such a row seems to have been away for longer.")),
        ),
    ),
    "rejected_returns": Problem(
        mark("returns that could not be read"),
        ((("RFM", DECILES, "LTV"), mark("Customers look better than they are: what came back is not taken off.")),),
    ),
    "rejected_rows": Problem(
        mark("rows of “{table}” that could not be read"),
        (((USERS,), mark("These rows are missing; what they say of a customer is not known.")),),
    ),
    "duplicates": Problem(
        mark("rows of “{table}” that were there already"),
        (((ALL,), mark("They count once. Should they have happened twice, the numbers are too low by them.")),),
    ),
    "gaps": Problem(
        mark("days without rows in “{table}” that its rhythm does not explain"),
        (
            ((TOTALS,), mark("If rows are missing, the months concerned are too low.")),
            (("RFM", CHURN, "LTV"), mark("Whoever was active on these days seems to have been away.")),
        ),
    ),
    "gaps_elsewhere": Problem(
        mark("days without rows in “{table}” that its rhythm does not explain"),
        (((USERS,), mark("If rows are missing, the months concerned are too low.")),),
    ),
    "jump": Problem(
        mark("many more or fewer rows of “{table}” in the month than before"),
        (((USERS,), mark("If the export is not whole, or came twice, all numbers of the month are wrong.")),),
    ),
    "no_margin": Problem(
        mark("orders without a margin"),
        ((("LTV", DECILES), mark("There is no value by margin: who buys much at little profit looks valuable.")),),
    ),
    "no_product": Problem(
        mark("order lines without a product"),
        ((("CTB",), mark("They are in no preference, no pair and no sequence of products.")),),
    ),
    "unknown_product": Problem(
        mark("order lines whose product is in no table of products"),
        ((("CTB",), mark("They have no category and no other attribute: preferences rest on fewer lines.")),),
    ),
    "unknown_customer": Problem(
        mark("rows of “{table}” whose customer is in no table of customers"),
        (((USERS,), mark("Nothing but these rows is known of the customer: no sign-up, no attribute.")),),
    ),
    "nobody": Problem(
        mark("rows of “{table}” without a customer"),
        (((USERS,), mark("They count in totals and for no customer.")),),
    ),
    "shared_orders": Problem(
        mark("order numbers with several customers"),
        ((("RFM", "LTV", CHURN), mark("Such a number counts as an order of each: orders per customer are too many.")),),
    ),
    "outliers": Problem(
        mark("amounts of “{table}” far above the usual"),
        (
            (("LTV", TOTALS), mark("They raise means and forecasts; beside a mean look at the median.")),
            (("RFM", DECILES), mark("Ranks hardly move, but the first group's share of money does.")),
        ),
    ),
    "outliers_elsewhere": Problem(
        mark("amounts of “{table}” far above the usual"),
        (((USERS,), mark("They raise means; beside a mean look at the median.")),),
    ),
    "waiting": Problem(
        mark("customers who may be another customer"),
        (
            (
                ("RFM", DECILES, "LTV", CHURN),
                mark("One person counts as several: each seems to order more seldom, to be worth less, or to have left."),
            ),
        ),
    ),
}  # fmt: skip


def list_effects(found: Sequence[tuple[str, str, int | None, object]]) -> pd.DataFrame:
    """EFFECTS of the problems found, in the order of PROBLEMS: (problem, table, rows, amount)."""
    order = {one: place for place, one in enumerate(PROBLEMS)}
    rows = [
        (
            _(PROBLEMS[key].words).format(table=table), n, amount,
            language.listed([_(one) for one in reports]), _(sentence),
        )
        for key, table, n, amount in sorted(found, key=lambda one: (order[one[0]], one[1]))
        for reports, sentence in PROBLEMS[key].effects
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(EFFECTS.columns))
    return EFFECTS.frame(frame.astype({"n_rows": "Int64"}))


def find_in_ledger(ledger: pd.DataFrame) -> list[tuple]:
    """Problems that the ledger tells of: (problem, table, rows, amount)."""
    found = []
    for (table, fate), part in ledger.groupby(["table", "fate"]):
        n, money = int(part["n_rows"].sum()), part["line_amount"].sum()
        if fate == "duplicate":
            found.append(("duplicates", table, n, _money(money)))
        if fate == "rejected" and table in ORDER_TABLES:
            for is_return, key in ((False, "rejected_sales"), (True, "rejected_returns")):
                rows = part[(part["kind"] == "return") == is_return]
                if len(rows):
                    found.append((key, table, int(rows["n_rows"].sum()), _money(rows["line_amount"].sum())))
        elif fate == "rejected":
            found.append(("rejected_rows", table, n, _money(money)))
    return found


def find_nobody(ledger: pd.DataFrame, columns: dict[str, list[str]]) -> list[tuple]:
    """Used rows without a customer, of tables that name one."""
    found = []
    nobody = ledger[(ledger["fate"] == "used") & ~ledger["has_customer"].astype(bool)]
    for table, part in nobody.groupby("table"):
        if "customer_id" in columns.get(table, ()):
            key = "no_customer" if table in ORDER_TABLES else "nobody"
            found.append((key, table, int(part["n_rows"].sum()), _money(part["line_amount"].sum())))
    return found


def find_in_columns(columns: pd.DataFrame) -> list[tuple]:
    """Order lines without a product, and orders without a margin, be it that no column tells it."""
    orders = columns[columns["table"].isin(ORDER_TABLES)].set_index("column")
    if orders.empty:
        return []
    table, n_rows = orders["table"].iloc[0], int(orders["n_rows"].max())
    has_cost = bool((columns["column"] == "unit_cost").any())
    found = []
    for column, key in (("product_id", "no_product"), ("profit_amount", "no_margin")):
        if column in orders.index:
            n = round(n_rows * (1 - orders.at[column, "filled_share"]))
        else:
            n = n_rows if key == "no_margin" and not has_cost else 0
        if n:
            found.append((key, table, n, None))
    return found


def find_contradictions(contradictions: pd.DataFrame) -> list[tuple]:
    """References to rows that are not there, and shared order numbers."""
    keys = {
        _(NO_ROW).format(column="product_id", table="products"): "unknown_product",
        _(NO_ROW).format(column="customer_id", table="customers"): "unknown_customer",
        _(SHARED_ORDER): "shared_orders",
    }
    wrong = contradictions[(contradictions["n_wrong"] > 0) & contradictions["check"].isin(keys)]
    return [
        (keys[one["check"]], one["table"], one["n_wrong"], _money(one["amount"])) for one in wrong.to_dict("records")
    ]


def _money(amount: object) -> object:
    """An amount, or none where nothing is known of it."""
    return None if amount is None or amount != amount or not amount else amount
