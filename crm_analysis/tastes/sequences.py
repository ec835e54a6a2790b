"""What comes next: the main value of a customer's orders, learnt from the earlier ones and judged on the last."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from crm_analysis import engine
from crm_analysis.engine import Table
from crm_analysis.language import mark
from crm_analysis.params import first_of_month
from crm_analysis.schema import Column, Shape, day_number
from crm_analysis.tastes.attributes import BY_ATTRIBUTE, NOT_KNOWN, OTHER, label_lines
from crm_analysis.tastes.lines import IS_KNOWN, add_up, known_lines, month_number, place_by, stack
from crm_analysis.tastes.preferences import sum_spend, weigh
from crm_analysis.tastes.sales import Sales

HITS_AT = (1, 3, 5)
POPULAR, SAME, BY_LAST, OWN = (
    mark("most popular"), mark("same as last time"), mark("by the last order"), mark("own taste"),
)  # fmt: skip

TRANSITIONS = Shape(
    "one row per pair of an order's main value and the next order's",
    {
        **BY_ATTRIBUTE,
        "last": Column("text", "last order"),
        "next": Column("text", "next order"),
        "n_orders": Column("integer", "next orders"),
        "next_prob": Column("fraction", "probability of the next"),
    },
)
HITS = Shape(
    "one row per dimension and way to guess a customer's next order",
    {
        **BY_ATTRIBUTE,
        "guess": Column("label", "guess"),
        "n_cases": Column("integer", "customers judged"),
        "hit_1_rate": Column("fraction", "within 1 guess"),
        "hit_1_low_rate": Column("fraction", "within 1 guess, 95% from"),
        "hit_1_high_rate": Column("fraction", "within 1 guess, to"),
        "hit_3_rate": Column("fraction", "within 3 guesses"),
        "hit_3_low_rate": Column("fraction", "within 3 guesses, 95% from"),
        "hit_3_high_rate": Column("fraction", "within 3 guesses, to"),
        "hit_5_rate": Column("fraction", "within 5 guesses"),
        "hit_5_low_rate": Column("fraction", "within 5 guesses, 95% from"),
        "hit_5_high_rate": Column("fraction", "within 5 guesses, to"),
    },
)


def order_values(sales: Sales, attribute: str) -> Table:
    """Orders of known customers with their main value, of named ones, and that of the customer's ``last`` order."""
    lines = known_lines(sales.tables, sales.run.as_of).filter(nw.col("kind") == "sale", IS_KNOWN)
    lines = label_lines(lines, sales.labels, {"value": attribute}).filter(~nw.col("value").is_in([OTHER, NOT_KNOWN]))
    times = [nw.col(one).min() for one in ("ordered_at", "ordered_day")]
    orders = lines.group_by("customer_id", "order_id", "value").agg(*add_up(amount="line_amount"), *times)
    orders = orders.with_columns(*[one.over("customer_id", "order_id") for one in times], minus=-nw.col("amount"))
    orders = place_by(orders, ["minus", "value"], ("customer_id", "order_id")).filter(nw.col("place") == 1)
    last = nw.col("value").shift(1).over("customer_id", order_by=["ordered_at", "order_id"])
    return orders.select("customer_id", "order_id", "ordered_at", "ordered_day", "value").with_columns(last=last)


def forecast(
    sales: Sales, test_months: int, shrinkage_orders: int, shrinkage_lines: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """TRANSITIONS before the last ``test_months``, and HITS of what was then known on each customer's first order since. Only
    which values are named, and which are other values, is as of now."""
    starts = first_of_month(f"{sales.run.as_of:%Y-%m}", -test_months)
    is_before, n, transitions, hits = nw.col("ordered_day") < day_number(starts), sales.max_pairs, [], []
    for dimension, attribute in sales.leads.items():
        orders = engine.materialise(order_values(sales, attribute))
        steps = orders.filter(is_before).group_by("last", "value").agg(nw.len().alias("n_orders"))
        popularity, learnt = learn(engine.collect(steps, n), shrinkage_orders)
        later = place_by(orders.filter(~is_before), ["ordered_at", "order_id"], ("customer_id",))
        cases = engine.materialise(later.filter(nw.col("place") == 1, ~nw.col("last").is_null()))
        counted = engine.collect(cases.group_by("last", "value").agg(nw.len().alias("n_cases")), n)
        spend = sum_spend(sales.bought.filter(nw.col("month") < month_number(starts)), dimension)
        own = rank_own(cases, weigh(spend, "customer_id", shrinkage_lines), shrinkage_lines)
        judged = judge(counted, popularity, learnt, engine.collect(own, n))
        transitions.append(learnt.assign(dimension=dimension, attribute=attribute))
        hits.append(judged.assign(dimension=dimension, attribute=attribute))
    return stack(TRANSITIONS, transitions), stack(HITS, hits)


def learn(steps: pd.DataFrame, shrinkage_orders: int) -> tuple[pd.Series, pd.DataFrame]:
    """From orders by last and main value: the popularity of each, and TRANSITIONS for every pair, the most popular first."""
    popularity = steps.groupby("value")["n_orders"].sum().sort_values(ascending=False, kind="stable")
    popularity = popularity / popularity.sum()
    counts = steps.dropna(subset=["last"]).pivot(index="last", columns="value", values="n_orders")
    counts = counts.reindex(index=popularity.index, columns=popularity.index).fillna(0).astype(int)
    probs = (counts + shrinkage_orders * popularity).div(counts.sum(axis=1) + shrinkage_orders, axis=0)
    pairs = pd.MultiIndex.from_product([counts.index, counts.columns], names=["last", "next"])
    columns = {"n_orders": counts.to_numpy().ravel(), "next_prob": probs.to_numpy(float).ravel()}
    return popularity, pd.DataFrame(columns, index=pairs).reset_index()


def rank_own(cases: Table, weighed: Table, shrinkage_lines: int) -> Table:
    """How many cases have their value at which ``place`` of the customer's own shrunken shares; null: nobody had bought it."""
    weighed = weighed.filter(nw.col("value") != OTHER)
    guesses = weighed.group_by("value").agg(nw.col("all_share").max()).rename({"value": "guess"})
    n_known = weighed.group_by("customer_id").agg(nw.col("n_known").max())
    own = weighed.select("customer_id", "own_share", guess="value")
    n, k, share = nw.col("n_known").fill_null(0), shrinkage_lines, nw.col("own_share").fill_null(0.0)
    score, mine, guess = nw.col("score"), nw.col("mine"), nw.col("guess")
    grid = cases.select("customer_id", "value").join(guesses, how="cross").join(n_known, on="customer_id", how="left")
    grid = grid.join(own, on=["customer_id", "guess"], how="left")
    grid = grid.with_columns(score=engine.rounded((n * share + k * nw.col("all_share")) / (n + k), 12))
    grid = grid.with_columns(mine=nw.when(guess == nw.col("value")).then(score).max().over("customer_id"))
    is_ahead = (score > mine) | ((score == mine) & (guess <= nw.col("value")))
    ranked = grid.group_by("customer_id").agg(is_ahead.cast(nw.Int64).sum().cast(nw.Int64).alias("place"))
    return ranked.group_by("place").agg(nw.len().alias("n_cases"))


def judge(cases: pd.DataFrame, popularity: pd.Series, learnt: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """HITS of one dimension: ``cases`` by last and actual value, and ``own``: cases by their place among own tastes."""
    popular = place_names(popularity)
    after = {last: place_names(part.set_index("next")["next_prob"]) for last, part in learnt.groupby("last")}
    pairs = list(cases[["last", "value"]].itertuples(index=False, name=None))
    by_popularity = [popular.get(actual, np.inf) for _last, actual in pairs]
    # The last one comes first, and those more popular than it move down by one.
    same = [
        1 if last == actual else place + (popular[last] > place)
        for (last, actual), place in zip(pairs, by_popularity, strict=True)
    ]
    by_last = [after[last].get(actual, np.inf) for last, actual in pairs]
    guesses = {POPULAR: by_popularity, SAME: same, BY_LAST: by_last}
    guesses = {name: (np.array(places), cases["n_cases"]) for name, places in guesses.items()}
    guesses[OWN] = (own["place"].astype(float).to_numpy(), own["n_cases"])
    rows = []
    for name, (places, counts) in guesses.items():
        row = {"guess": name, "n_cases": int(cases["n_cases"].sum())}
        for k in HITS_AT:
            # Among as few values as guesses, every guess is right.
            if row["n_cases"] and k < len(popular):
                test = binomtest(int(counts[places <= k].sum()), row["n_cases"])
                interval = test.proportion_ci(method="wilson")
                rates = (test.statistic, interval.low, interval.high)
            else:
                rates = (np.nan,) * 3
            row |= {f"hit_{k}{end}_rate": rate for end, rate in zip(("", "_low", "_high"), rates, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def place_names(probs: pd.Series) -> dict[str, int]:
    """Name → place by probability; ties by name."""
    names = sorted(probs.index, key=lambda name: (-round(probs[name], 12), name))
    return {name: place for place, name in enumerate(names, 1)}
