"""Customers who are one and the same: how many were merged, how many pairs wait for a person to look at them, and how sure the
comparison was. Ids are shown masked; those to look at are in the customer database, table pairs."""

from __future__ import annotations

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.checks.noticed import mask
from crm_analysis.cleaning.merging import DECIDED, explain
from crm_analysis.engine import Table, Tables
from crm_analysis.language import mark
from crm_analysis.schema import Column, Shape

MERGED, WAITING, APART = mark("merged"), mark("awaiting review"), mark("kept apart by a person")
N_CLASSES = 20

FOUND = Shape(
    "one row per outcome",
    {
        "outcome": Column("label", "pairs of customers"),
        "n_pairs": Column("integer", "pairs"),
        "n_customers": Column("integer", "customers", detail=mark("customers who would count for another")),
        "mean_prob": Column("fraction", "mean probability that they are one"),
    },
)
SCORES = Shape(
    "one row per class of the probability that two customers are one",
    {
        "lower": Column("fraction", "from"),
        "upper": Column("fraction", "to"),
        "n_pairs": Column("integer", "pairs"),
    },
)
PAIRS_SHOWN = Shape(
    "pairs as an example, their ids masked",
    {
        "outcome": Column("label", "outcome"),
        "customer": Column("text", "customer, masked"),
        "other_customer": Column("text", "the other, masked"),
        "match_prob": Column("fraction", "probability that they are one"),
        "why": Column("text", "why"),
    },
)


def compare(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """FOUND, SCORES and PAIRS_SHOWN; without rows where the source was not compared."""
    if "pairs" not in tables:
        return tuple(pd.DataFrame(columns=list(one.columns)) for one in (FOUND, SCORES, PAIRS_SHOWN))
    pairs = _add_outcome(engine.as_table(tables["pairs"]), tables)
    prob = nw.col("match_prob")
    sums = pairs.group_by("outcome").agg(
        nw.len().alias("n_pairs"),
        nw.col("other_customer_id").n_unique().alias("n_customers"),
        mean_prob=engine.rounded(prob.mean(), 9),
    )
    classes = pairs.filter(~prob.is_null()).with_columns(
        place=(prob * N_CLASSES).floor().clip(0, N_CLASSES - 1).cast(nw.Int64)
    )
    counts = engine.collect(classes.group_by("place").agg(nw.len().alias("n_pairs")).sort("place"), N_CLASSES)
    scores = counts.assign(lower=counts["place"] / N_CLASSES, upper=(counts["place"] + 1) / N_CLASSES)
    return FOUND.frame(engine.collect(sums.sort("outcome"), 3)), SCORES.frame(scores), _choose_examples(pairs)


def _add_outcome(pairs: Table, tables: Tables) -> Table:
    """Pairs with what became of them: merged where both are analysed under one id, kept apart where a person decided so."""
    merges = engine.as_table(tables["merges"]).select("customer_id", "kept_customer_id")
    for column in ("customer_id", "other_customer_id"):
        kept = merges.rename({"customer_id": column, "kept_customer_id": f"kept_{column}"})
        pairs = pairs.join(kept, on=column, how="left")
        pairs = pairs.with_columns(nw.coalesce(f"kept_{column}", column).alias(f"kept_{column}"))
    is_merged = nw.col("kept_customer_id") == nw.col("kept_other_customer_id")
    is_decided = nw.col("why") == DECIDED
    return pairs.with_columns(
        outcome=nw.when(is_merged).then(nw.lit(MERGED)).when(is_decided).then(nw.lit(APART)).otherwise(nw.lit(WAITING))
    )


def _choose_examples(pairs: Table) -> pd.DataFrame:
    """PAIRS_SHOWN: the surest pair that was merged, and the surest two of those that wait."""
    by = ["customer_id", "other_customer_id"]
    found = []
    for outcome, n in ((MERGED, 1), (WAITING, 2)):
        some = pairs.filter(nw.col("outcome") == outcome)
        found.append(engine.collect(some.sort("match_prob", *by, descending=[True, False, False]).head(n), n))
    frame = pd.concat(found, ignore_index=True)
    one, other = ([mask(one) for one in frame[column]] for column in by)
    return PAIRS_SHOWN.frame(
        frame.assign(customer=one, other_customer=other, why=[explain(one) for one in frame["why"]])
    )
