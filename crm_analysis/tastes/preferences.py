"""Who prefers what: a customer's shares of spend, drawn towards those of all, and groups of customers who like the same."""

from __future__ import annotations

from collections.abc import Iterable

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.customers import count_moves
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.schema import CANONICAL, MOVES, Column, Shape
from crm_analysis.tastes.attributes import BY_ATTRIBUTE, NOT_KNOWN, OTHER, unknown_name
from crm_analysis.tastes.lines import (
    IS_KNOWN,
    MAX_VALUES_READ,
    N_BUYERS,
    add_up,
    month_number,
    place_by,
    shares_of,
    stack,
)
from crm_analysis.tastes.sales import Sales

TOO_FEW = mark("too few lines")
GROUPS = Shape(
    "one row per group of customers who prefer the same value",
    {
        **BY_ATTRIBUTE,
        "group": Column("text", "prefer", own=(OTHER, TOO_FEW)),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "net amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_own_share": Column("fraction", "share of spend on it, mean"),
        "mean_herfindahl": Column("fraction", "Herfindahl index, mean"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)
LIKES = Shape(
    "one row per group of customers by an attribute of theirs and value of the first dimension",
    {
        "group": Column("text", "customers", own=(NOT_KNOWN,)),
        "value": Column("text", "value", own=(OTHER, NOT_KNOWN)),
        "n_customers": Column("integer", "customers who bought it"),
        "amount": Column("money", "net amount"),
        "affinity": Column("fraction", "affinity; empty where customers are few"),
    },
)


def sum_spend(bought: Table, value: str) -> Table:
    """What each customer bought of each known value: lines and net amount."""
    known = bought.filter(IS_KNOWN, nw.col(value) != NOT_KNOWN).group_by("customer_id", nw.col(value).alias("value"))
    return engine.materialise(known.agg(*add_up("n_lines", amount="amount")))


def weigh(spend: Table, by: str, shrinkage_lines: int) -> Table:
    """``spend`` with own_share, all_share (of all together), n_known (lines with a value) and shrunken_share."""
    own, everybody, n, k = nw.col("own_share"), nw.col("all_share"), nw.col("n_known"), shrinkage_lines
    total = spend.group_by("value").agg(*add_up(amount="amount")).with_columns(one=nw.lit(1))
    total = _share_out(total, "one", "all_share").select("value", "all_share")
    n_known = nw.when(nw.col("whole") > 0).then(nw.col("n_lines").sum().over(by)).otherwise(0)
    weighed = _share_out(spend, by, "own_share").join(total, on="value", how="left")
    weighed = weighed.with_columns(n_known=n_known.cast(nw.Int64))
    return engine.materialise(weighed.with_columns(shrunken_share=(n * own + k * everybody) / (n + k)))


def _share_out(spend: Table, by: str, name: str) -> Table:
    """``name``: the amount's share of ``whole``, the sum within ``by``, where amounts below zero count as none."""
    spend = spend.with_columns(spent=nw.when(nw.col("amount") > 0).then(nw.col("amount")))
    spend = spend.with_columns(whole=nw.col("spent").sum().over(by).cast(nw.Float64))
    share = nw.when(nw.col("whole") > 0).then(nw.col("spent").cast(nw.Float64) / nw.col("whole"))
    return spend.with_columns(share.fill_null(0.0).alias(name))


def prefer(bought: Table, dimensions: Iterable[str], shrinkage_lines: int, min_lines: int) -> Table:
    """One row per customer with a sale: lines, net amount, last month, and per dimension the preferred value, its share of the
    customer's spend and the Herfindahl index."""
    sale = nw.when(nw.col("n_lines") > 0).then(nw.col("month")).max().alias("last_month")
    people = bought.filter(IS_KNOWN).group_by("customer_id").agg(*add_up("n_lines", amount="amount"), sale)
    people = people.filter(nw.col("n_lines") > 0)
    for dimension in dimensions:
        weighed = weigh(sum_spend(bought, dimension), "customer_id", shrinkage_lines).with_columns(
            # Rounded: floating-point noise must not decide between equals.
            minus=engine.rounded(nw.col("all_share") - nw.col("shrunken_share"), 12),
            squares=engine.rounded((nw.col("own_share") ** 2).sum().over("customer_id"), 9),
        )
        first = place_by(weighed, ["minus", "value"], ("customer_id",)).filter(nw.col("place") == 1)
        enough = nw.when(nw.col("n_known") >= min_lines)
        columns = {"group": "value", "own_share": "own_share", "herfindahl": "squares"}
        columns = {f"{dimension}_{name}": enough.then(nw.col(of)) for name, of in columns.items()}
        people = people.join(first.select("customer_id", **columns), on="customer_id", how="left")
        people = people.with_columns(nw.col(f"{dimension}_group").fill_null(TOO_FEW))
    return people


def follow(customers: Table, sales: Sales, shrinkage_lines: int, min_lines: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """GROUPS of every dimension, with their sizes a month and a year ago; and MOVES between those of the first."""
    states, frames = [customers], []
    for day in (sales.run.starts, sales.run.last_year_as_of):
        past = sales.bought.filter(nw.col("month") < month_number(day))
        states.append(engine.materialise(prefer(past, sales.leads, shrinkage_lines, min_lines)))
    for dimension, attribute in sales.leads.items():
        columns = {f"mean_{one}": f"{dimension}_{one}" for one in ("own_share", "herfindahl")}
        means = [engine.rounded(nw.col(of).mean(), 9).alias(name) for name, of in columns.items()]
        sums = [nw.len().alias("n_customers"), *add_up(amount="amount"), *means]
        parts = [one.group_by(nw.col(f"{dimension}_group").alias("group")).agg(*sums) for one in states]
        described = describe_groups(*[engine.collect(one, sales.max_pairs) for one in parts])
        frames.append(described.assign(dimension=dimension, attribute=attribute))
    now, before = (one.with_columns(group=nw.col(f"{sales.first}_group")) for one in states[:2])
    moves = engine.collect(count_moves(before, now, "group", "amount"), sales.max_pairs)
    return stack(GROUPS, frames), MOVES.frame(moves)


def describe_groups(now: pd.DataFrame, before: pd.DataFrame, last_year: pd.DataFrame) -> pd.DataFrame:
    """GROUPS of one dimension, the largest first, other values and too few lines last."""
    n = now["n_customers"]
    frame = now.assign(customer_share=n / n.sum(), amount_share=shares_of(now["amount"]))
    for name, past in {"previous_month": before, "last_year": last_year}.items():
        n = frame["group"].map(past.set_index("group")["n_customers"]).fillna(0).astype(int)
        frame[f"n_customers_{name}"] = n if len(past) else pd.NA
    order = frame.assign(place=frame["group"].isin([OTHER, TOO_FEW]), minus=-frame["n_customers"])
    return order.sort_values(["place", "minus", "group"])


def compare_groups(sales: Sales, group_by: str, shrinkage_lines: int, min_customers: int) -> pd.DataFrame:
    """LIKES: customers by ``group_by``, or their first attribute; without any, nothing. Raises ParameterError E-PAR-3."""
    tables = sales.tables
    known = engine.as_table(tables["customers"]).collect_schema().names() if "customers" in tables else []
    known = [one for one in known if one not in CANONICAL["customers"].columns]
    if group_by and group_by not in known:
        raise unknown_name("attribute of customers", "group_by", group_by, known)
    if not known:
        return stack(LIKES, [])
    people = engine.as_table(tables["customers"]).select("customer_id", group=nw.col(group_by or known[0]))
    spend = sum_spend(sales.bought, sales.first).join(people, on="customer_id", how="left")
    spend = spend.with_columns(nw.col("group").fill_null(NOT_KNOWN)).group_by("group", "value")
    weighed = weigh(spend.agg(N_BUYERS, *add_up("n_lines", amount="amount")), "group", shrinkage_lines)
    frame = engine.collect(weighed.sort("group", "value"), MAX_VALUES_READ)
    enough = (frame["n_customers"] >= min_customers) & (frame["all_share"] > 0)
    return LIKES.frame(frame.assign(affinity=(frame["shrunken_share"] / frame["all_share"]).where(enough)))
