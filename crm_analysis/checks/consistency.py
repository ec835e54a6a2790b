"""Whether the data agree with themselves: within a row, between a row and the table it refers to, and between the rows of an order.

What is tested was read without fault; a contradiction says that one of two things is wrong, not which. A day from ``as_of`` on is not
known yet, so that nothing is tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.checks.fates import until
from crm_analysis.checks.known import known_rows
from crm_analysis.cleaning.ledger import explain
from crm_analysis.engine import Table, Tables
from crm_analysis.language import _, mark
from crm_analysis.schema import CANONICAL, Column, Shape

CONTRADICTIONS = Shape(
    "one row per table and check",
    {
        "table": Column("text", "table"),
        "check": Column("text", "test"),
        "n_tested": Column("integer", "cases tested"),
        "n_wrong": Column("integer", "contradictions"),
        "wrong_share": Column("fraction", "share of the cases"),
        "wrong_change": Column("fraction", "change in points", detail=mark("on a month earlier")),
        "amount": Column("money", "amount of the contradictions"),
    },
)
# Rows were rejected because they contradict themselves.
CONTRADICTING = ("E-DATE-5", "E-DEAL-1")
# An earlier and a later day of rows that are used whatever these say.
ORDERED_DAYS = {
    "payments": (("invoiced_date", "due_date"), ("invoiced_date", "paid_date")),
    "interactions": (("answered_at", "resolved_at"),),
}
BEFORE = mark("“{later}” is before “{earlier}”")
NO_ROW = mark("“{column}” has no row in “{table}”")
ABOVE, BELOW = (
    mark("the amount is above quantity × price"), mark("the amount is below quantity × price: a discount, or an error"),
)  # fmt: skip
OPPOSITE = mark("quantity and amount have opposite signs")
SHARED_ORDER = mark("one order number, several customers")


@dataclass(frozen=True)
class Check:
    """A check within a row: which rows it can test, and which of them contradict."""

    words: str
    tested: nw.Expr
    wrong: nw.Expr


def summarise_contradictions(
    tables: Tables, ledger: pd.DataFrame, columns: dict[str, list[str]], as_of: date, previous: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """CONTRADICTIONS as of the month's end, with the change on the month before, most rows first; and by table the share of the
    tests that found none (columns now, before, n_tested). ``columns``: the columns that the source fills, by table; what is taken
    from order lines cannot contradict them. Tables without dates have no earlier state."""
    now, before = (_contradictions_at(tables, ledger, columns, one) for one in (as_of, previous))
    dated = [one for one in columns if set(CANONICAL[one].dated_by) & set(columns[one])]
    before = before[before["table"].isin(dated)]
    earlier = before[["table", "check", "wrong_share"]].rename(columns={"wrong_share": "before"})
    found = now.merge(earlier, on=["table", "check"], how="left")
    found["wrong_change"] = found["wrong_share"] - found["before"]
    found = found.sort_values(["n_wrong", "table", "check"], ascending=[False, True, True])
    return CONTRADICTIONS.frame(found), _agreement(now).join(_agreement(before)["now"].rename("before"))


def _agreement(found: pd.DataFrame) -> pd.DataFrame:
    """By table, the share of the tests that found no contradiction; a discount is none."""
    sums = found[found["check"] != _(BELOW)].groupby("table")[["n_tested", "n_wrong"]].sum()
    return pd.DataFrame({"now": 1 - sums["n_wrong"] / sums["n_tested"], "n_tested": sums["n_tested"]})


def _contradictions_at(
    tables: Tables, ledger: pd.DataFrame, columns: dict[str, list[str]], as_of: date
) -> pd.DataFrame:
    rows = _list_rejected(until(ledger, f"{as_of - timedelta(days=1):%Y-%m}"))
    for name in columns:
        known = known_rows(tables, name, as_of)
        rows += [(name, *one) for one in _test_rows(known, name, columns[name], as_of)]
        for column, other in _references(name, columns):
            rows.append((name, *_test_reference(known, name, column, known_rows(tables, other, as_of), other)))
    if "orders" in tables and any("order_id" in columns.get(one, ()) for one in ("order_lines", "orders")):
        source = "order_lines" if "order_lines" in columns else "orders"
        rows.append((source, *_test_orders(known_rows(tables, "orders", as_of))))
    found = pd.DataFrame(rows, columns=["table", "check", "n_tested", "n_wrong", "amount"])
    found = found[found["n_tested"] > 0]
    return found.assign(wrong_share=found["n_wrong"] / found["n_tested"])


def _list_rejected(ledger: pd.DataFrame) -> list[tuple]:
    """(table, check, rows tested, contradictions, their amount) of rows that were rejected for contradicting themselves."""
    rejected = ledger[ledger["fate"] == "rejected"]
    rejected = rejected[rejected["reason"].str.partition(" ")[0].isin(CONTRADICTING)] if len(rejected) else rejected
    used = ledger[ledger["fate"] == "used"].groupby("table")["n_rows"].sum()
    found = []
    for (name, reason), part in rejected.groupby(["table", "reason"]):
        words = f"{_(explain(reason))} ({reason.partition(' ')[2]})"
        n = int(part["n_rows"].sum())
        found.append((name, words, n + int(used.get(name, 0)), n, part["line_amount"].sum()))
    return found


# Within a row.


def _row_checks(name: str, columns: list[str], as_of: date) -> list[Check]:
    checks = []
    for earlier, later in ORDERED_DAYS.get(name, ()):
        if {earlier, later} <= set(columns):
            known = nw.col(later).cast(nw.Date) < nw.lit(as_of)
            words = _(BEFORE).format(later=later, earlier=earlier)
            checks.append(Check(words, ~nw.col(earlier).is_null() & known, nw.col(later) < nw.col(earlier)))
    if name == "order_lines" and {"line_amount", "quantity", "unit_price"} <= set(columns):
        amount = nw.col("line_amount").cast(nw.Float64).abs()
        product = (nw.col("quantity").cast(nw.Float64) * nw.col("unit_price").cast(nw.Float64)).abs()
        # Half a cent of the amount, and of the price of each piece.
        slack = 0.00501 * (1 + nw.col("quantity").cast(nw.Float64).abs())
        checks += [Check(_(ABOVE), ~product.is_null(), amount > product + slack)]
        checks += [Check(_(BELOW), ~product.is_null(), amount < product - slack)]
    if name == "order_lines" and {"line_amount", "quantity"} <= set(columns):
        quantity, amount = nw.col("quantity"), nw.col("line_amount")
        is_opposite = ((quantity < 0) & (amount > 0)) | ((quantity > 0) & (amount < 0))
        checks.append(Check(_(OPPOSITE), ~quantity.is_null(), is_opposite))
    return checks


def _test_rows(rows: Table, name: str, columns: list[str], as_of: date) -> list[tuple]:
    """(check, rows tested, contradictions, their amount) of the checks within a row, in one pass."""
    checks = _row_checks(name, columns, as_of)
    if not checks:
        return []
    money = (
        nw.col(CANONICAL[name].amount) if CANONICAL[name].amount in columns else nw.lit(None).cast(nw.Decimal(18, 2))
    )
    counts = []
    for place, one in enumerate(checks):
        wrong = one.tested & one.wrong
        counts += [
            one.tested.cast(nw.Int64).sum().alias(f"tested{place}"),
            wrong.cast(nw.Int64).sum().alias(f"wrong{place}"),
            nw.when(wrong).then(money).sum().alias(f"amount{place}"),
        ]
    sums = engine.collect(rows.select(*counts), 1).iloc[0]
    return [
        (one.words, _whole(sums[f"tested{place}"]), _whole(sums[f"wrong{place}"]), sums[f"amount{place}"])
        for place, one in enumerate(checks)
    ]


def _whole(number: object) -> int:
    return 0 if number is None or number != number else int(number)


# Between tables.


def _references(name: str, columns: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(column, table) of the tables with a key of one column that a table names in a column of its own."""
    keys = {CANONICAL[other].key[0]: other for other in columns if len(CANONICAL[other].key) == 1 and other != name}
    return [(one, keys[one]) for one in columns[name] if one in keys]


def _test_reference(rows: Table, name: str, column: str, others: Table, other: str) -> tuple:
    """(check, rows tested, those without a row in the other table, their amount)."""
    names = rows.collect_schema().names()
    amount = next((one for one in ("net_amount", CANONICAL[name].amount) if one in names), None)
    money = nw.col(amount) if amount else nw.lit(None).cast(nw.Decimal(18, 2))
    known = others.filter(~nw.col(column).is_null()).select(column).unique().with_columns(_is_known=nw.lit(True))
    # Summed by key first: far fewer are joined.
    sums = rows.filter(~nw.col(column).is_null()).with_columns(_amount=money)
    by_key = sums.group_by(column).agg(nw.len().alias("n"), nw.col("_amount").sum())
    joined = by_key.join(known, on=column, how="left")
    is_wrong = nw.col("_is_known").is_null()
    one = engine.collect(
        joined.select(
            tested=nw.col("n").sum(),
            wrong=nw.when(is_wrong).then("n").sum(),
            amount=nw.when(is_wrong).then("_amount").sum(),
        ),
        1,
    ).iloc[0]
    words = _(NO_ROW).format(column=column, table=other)
    return words, _whole(one["tested"]), _whole(one["wrong"]), one["amount"]


def _test_orders(orders: Table) -> tuple:
    """(check, order numbers, those under which several customers bought, their amount)."""
    customer = nw.col("customer_id")
    by_order = (
        orders.filter("is_order", ~customer.is_null())
        .group_by("order_id")
        .agg(first=customer.min(), last=customer.max(), amount=nw.col("net_amount").sum())
    )
    is_wrong = nw.col("first") != nw.col("last")
    one = engine.collect(
        by_order.select(n=nw.len(), wrong=is_wrong.cast(nw.Int64).sum(), amount=nw.when(is_wrong).then("amount").sum()),
        1,
    ).iloc[0]
    return _(SHARED_ORDER), _whole(one["n"]), _whole(one["wrong"]), one["amount"]
