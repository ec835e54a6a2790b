"""What to offer, and to whom; and what such a list, made before the last months, would have found in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.engine import Table
from crm_analysis.errors import ParameterError
from crm_analysis.language import _, mark
from crm_analysis.schema import GROW, Column, Shape, action_list
from crm_analysis.tastes.attributes import NOT_KNOWN, OTHER, label_lines, rank_values, unknown_name
from crm_analysis.tastes.lines import IS_KNOWN, MAX_VALUES_READ, add_up, month_number, place_by
from crm_analysis.tastes.preferences import TOO_FEW, sum_spend, weigh
from crm_analysis.tastes.sales import Sales
from crm_analysis.tastes.trends import rank_rising

ACTIONS = action_list(
    Column("text", "prefers", own=(OTHER, TOO_FEW)),
    mark("not estimated: how an offer works is known only when it has been tried"),
    {
        "offer_prob": Column("fraction", "share of the customer's spend that what is offered should have"),
        "affinity": Column("fraction", "that share, as a multiple of all customers'"),
        "amount": Column("money", "amount to date"),
    },
)

LISTED, OTHERS = mark("on the list"), mark("others")
OFFER = Shape(
    "one row per attribute of what is offered",
    {
        "attribute": Column("text", "attribute"),
        "value": Column("text", "value offered"),
        "all_share": Column("fraction", "share of all customers' spend"),
        "chosen": Column("label", "chosen because"),
    },
)
CHECK = Shape(
    "customers of the last months, by whether the list made before them would have named them",
    {
        "group": Column("label", "whether named"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "net amount in the last months, of what is known"),
        "offer_amount": Column("money", "of that, on what is offered"),
        "later_share": Column("fraction", "share on what is offered"),
    },
)


def choose_offer(values: pd.DataFrame, sales: Sales, offer: Mapping[str, str]) -> pd.DataFrame:
    """The offer, an attribute a row: ``offer``, or where that is empty the value of the first dimension that rises most
    beyond chance, or its largest. Raises ParameterError E-PAR-3 for an attribute or a value that nothing sold has."""
    lead = sales.leads[sales.first]
    named = values[(values["attribute"] == lead) & ~values["value"].isin([OTHER, NOT_KNOWN])]
    rising = rank_rising(named)["value"]
    chosen = [(lead, value, mark("its share of sales rises most")) for value in rising.head(1)]
    chosen = chosen or [(lead, value, mark("it sells most, and nothing rises")) for value in named["value"].head(1)]
    if offer:
        chosen = [(attribute, value, mark("the parameters name it")) for attribute, value in offer.items()]
        owner = {name: dimension for dimension, names in sales.dimensions.items() for name in names}
        for attribute, value in offer.items():
            if attribute not in owner:
                raise unknown_name("attribute of products", "offer", attribute, list(owner))
            names = engine.collect(rank_values(sales.sold, attribute).sort("place").select(attribute), MAX_VALUES_READ)
            if value not in set(names[attribute]):
                raise unknown_name("value", f"offer.{attribute}", value, list(names[attribute]))
        if len({owner[one] for one in offer}) < len(offer):
            text = "name at most one attribute of a dimension: within one they are not independent"
            raise ParameterError("E-PAR-3", text, file="params/ctb.yml", column="offer")
    return pd.DataFrame(chosen, columns=["attribute", "value", "chosen"])


def weigh_offer(lines: Table, offer: pd.DataFrame, sold: Table, shrinkage_lines: int) -> tuple[Table, pd.DataFrame]:
    """From ``lines``, per customer ``offer_prob``, ``affinity`` and ``reason``; and OFFER, with the shares of all."""
    people, k, shares = lines.filter(IS_KNOWN).select("customer_id").unique(), shrinkage_lines, []
    people = people.with_columns(offer_prob=nw.lit(1.0), reason=nw.lit(""))
    for attribute, value in zip(offer["attribute"], offer["value"], strict=True):
        weighed = weigh(sum_spend(label_lines(lines, sold, {"offered": attribute}), "offered"), "customer_id", k)
        is_it = nw.when(nw.col("value") == value)
        share = engine.collect(weighed.select(is_it.then(nw.col("all_share")).max().fill_null(0.0)), 1).iloc[0, 0]
        shares.append(float(share))
        own = weighed.group_by("customer_id").agg(
            nw.col("n_known").max().alias("n"), is_it.then(nw.col("own_share")).sum().alias("own")
        )
        n, part = nw.col("n").fill_null(0), nw.col("own").fill_null(0.0)
        text = engine.sentence(
            _("{value}: {percent}% of own spend, all customers {share}, lines known: {n}"),
            value=nw.lit(value), percent=(100 * part).round(0).cast(nw.Int64), n=n,
            share=nw.lit(language.percent(shares[-1], 0)),
        )  # fmt: skip
        between = [nw.lit(_("; "))] if len(shares) > 1 else []
        people = people.join(own, on="customer_id", how="left").with_columns(
            offer_prob=nw.col("offer_prob") * (n * part + k * shares[-1]) / (n + k),
            reason=nw.concat_str([nw.col("reason"), *between, text]),
        )
        people = people.drop("n", "own")
    everybody = float(np.prod(shares)) if shares else 0.0
    affinity = nw.col("offer_prob") / everybody if everybody > 0 else nw.lit(0.0)
    return people.with_columns(affinity=affinity), OFFER.frame(offer.assign(all_share=shares))


def check_offer(offer: pd.DataFrame, sales: Sales, test_months: int, shrinkage_lines: int) -> pd.DataFrame:
    """CHECK: what those spent in the last ``test_months`` whom the list, made before them, would have named."""
    month, starts = nw.col("month"), month_number(sales.run.as_of) - test_months
    names = {f"offered{n}": one for n, one in enumerate(offer["attribute"])}
    wishes, _offer = weigh_offer(sales.lines.filter(month < starts), offer, sales.sold, shrinkage_lines)
    later = label_lines(sales.lines.filter(month >= starts, IS_KNOWN, nw.col("n_lines") > 0), sales.sold, names)
    later = later.filter(*[nw.col(one) != NOT_KNOWN for one in names])
    is_it = reduce(and_, [nw.col(one) == value for one, value in zip(names, offer["value"], strict=True)], nw.lit(True))
    later = later.with_columns(offer_amount=nw.when(is_it).then(nw.col("amount"))).group_by("customer_id")
    later = later.agg(*add_up(amount="amount", offer_amount="offer_amount")).join(wishes, on="customer_id", how="left")
    is_listed = (nw.col("affinity") > 1.0).fill_null(False)
    group = nw.when(is_listed).then(nw.lit(LISTED)).otherwise(nw.lit(OTHERS)).alias("group")
    sums = later.group_by(group).agg(
        nw.len().alias("n_customers"), *add_up(amount="amount", offer_amount="offer_amount")
    )
    frame = engine.collect(sums.sort("group"), 2)
    amount = frame["amount"].astype(float)
    return CHECK.frame(
        frame.assign(later_share=(frame["offer_amount"].astype(float).fillna(0) / amount).where(amount > 0))
    )


def advise(
    customers: Table, wishes: Table, offer: pd.DataFrame, sales: Sales, active_months: int, min_lines: int
) -> Table:
    """The action list: active customers more inclined to the offer than all are, the likeliest first."""
    active = nw.col("last_month") >= month_number(sales.run.as_of) - active_months
    enough = nw.col("n_lines") >= min_lines
    listed = customers.join(wishes, on="customer_id", how="left").filter(active, enough, nw.col("affinity") > 1.0)
    listed = listed.with_columns(minus=-nw.col("offer_prob"), less=-nw.col("amount"))
    return place_by(listed, ["minus", "less", "customer_id"]).sort("place").select(
        "customer_id",
        nw.col(f"{sales.first}_group").alias("segment"),
        nw.lit(3).cast(nw.Int64).alias("priority"),
        nw.lit(GROW).alias("stance"),
        nw.lit(_("Show first: {what}").format(what=language.listed(list(offer["value"])))).alias("action"),
        "reason", nw.lit(None).cast(nw.Decimal(18, 2)).alias("expected_amount"), *[engine.rounded(nw.col(one), 6).alias(one) for one in ("offer_prob", "affinity")], "amount",
    )  # fmt: skip
