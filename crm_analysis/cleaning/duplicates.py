"""Which customers may be one and the same: the model of Fellegi and Sunter (1969), "A Theory for Record Linkage", JASA 64(328),
fitted by splink without examples.

Two customers agree, nearly agree or differ in each column. How often that happens among different customers is counted in a
sample of pairs, how often among the same is estimated by expectation maximisation; the logarithm of the ratio (base 2) is the
weight of the column, and the weights add up to the odds that the two are one. A rare name agreeing weighs more than a common one.

Only pairs that share some key (``_KEYS``) are compared. A key that more than ``MAX_BLOCK`` customers share is none, and keys are
taken from the most particular to the most common while the pairs stay below ``MAX_PAIRS``, and ``MAX_PAIRS_EACH`` per customer: a
million customers take minutes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import combinations

import duckdb
import narwhals as nw
import pandas as pd
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from crm_analysis import engine
from crm_analysis.cleaning.comparing import Kind, kinds_of
from crm_analysis.engine import Table
from crm_analysis.language import mark

MAX_BLOCK, MAX_PAIRS, MAX_PAIRS_EACH = 500, 5_000_000, 50
MAX_SAMPLED_PAIRS = 300_000
MAX_FOUND = 5_000_000
SEED = 1
# So many customers that agree in two strong columns are needed to learn from; strong ones agree by chance only now and then.
MIN_EXAMPLES = 20
STRONG = ("personal_number", "email", "phone", "birth_date", "name", "company_name", "street")
# Of all pairs of the same customer, the share that agrees in two strong columns: a guess from which learning starts.
_STRICT_RECALL = 0.7
# By strict rules alone, a pair is taken for one with this probability.
STRICT_PROB = 0.99
_KEYS = (
    ("personal_number",), ("email",), ("phone",), ("email_user",), ("name",), ("company_name",), ("name_start", "birth_date"),
    ("name_end", "birth_date"), ("street", "postcode"), ("name_start", "postcode"), ("name_end", "postcode"), ("street",),
    ("birth_date",), ("surname",), ("given_name",), ("postcode",), ("name_start",), ("name_end",), ("company_start",), ("city",),
)  # fmt: skip
# Families and firms share all but these: who differs clearly in a name, and agrees or nearly agrees in no number of their own, is
# never taken for another without a person.
_OWN_NAMES, _OWN_NUMBERS = ("name", "given_name", "company_name"), ("birth_date", "personal_number")
_PEOPLE = "_people"


@dataclass(frozen=True)
class Found:
    """Pairs that may be one: ``customer_id``, ``other_customer_id``, ``match_prob``, ``why``, ``differs`` (in a name of their
    own). ``is_learnt``: whether the weights could be estimated; otherwise strict rules alone found them."""

    pairs: pd.DataFrame
    is_learnt: bool


def find_pairs(connection: duckdb.DuckDBPyConnection, people: Table, review_from: float) -> Found:
    """The pairs of ``people`` (from fold_people) that are one with a probability of ``review_from`` or more."""
    people, keys = _add_keys(people)
    if "name" in people.collect_schema().names():
        people = people.with_columns(name_words=nw.col("name").str.split(" "))
    people.sort("customer_id").to_native().create(_PEOPLE)
    try:
        people = nw.from_native(connection.table(_PEOPLE))
        strong = [(column, keys[column,]) for column in STRONG if (column,) in keys]
        strict = list(combinations(strong, 2))
        if max((_count_agreeing(people, pair) for pair in strict), default=0) < MIN_EXAMPLES:
            return Found(_agreeing_pairs(people, strict), False)
        return Found(_scored_pairs(connection, people, keys, strict, review_from), True)
    finally:
        connection.execute(f"DROP TABLE {_PEOPLE}")


def _add_keys(people: Table) -> tuple[Table, dict[tuple[str, ...], str]]:
    """``people`` with a column for each key that is used: empty where nobody else, or too many others, have the same."""
    columns = set(people.collect_schema().names())
    names = {key: f"key_{number}" for number, key in enumerate(_KEYS) if set(key) <= columns}
    made = [nw.concat_str(list(key), separator="|").alias(name) for key, name in names.items()]
    people = engine.materialise(people.select(nw.all(), *made))
    used: dict[tuple[str, ...], str] = {}
    left = min(MAX_PAIRS, MAX_PAIRS_EACH * engine.n_rows(people))
    for key, name in names.items():
        n = nw.col("n")
        blocks = people.filter(~nw.col(name).is_null()).group_by(name).agg(n=nw.len())
        blocks = engine.materialise(blocks.filter((n > 1) & (n <= MAX_BLOCK)))
        n_pairs = int(engine.collect(blocks.select(n=(n * (n - 1)).sum()), 1)["n"].fillna(0).iloc[0]) // 2
        if 0 < n_pairs <= left:
            left -= n_pairs
            used[key] = name
            people = people.join(blocks.select(name, is_used=nw.lit(True)), on=name, how="left")
            people = people.with_columns(nw.when("is_used").then(name).alias(name)).drop("is_used")
    return people.drop([name for key, name in names.items() if key not in used]), used


Strict = tuple[tuple[str, str], tuple[str, str]]


def _count_agreeing(people: Table, strict: Strict) -> int:
    """The pairs that agree in two strong columns."""
    (_, one), (_, other) = strict
    n = nw.col("n")
    groups = people.filter(~nw.col(one).is_null() & ~nw.col(other).is_null()).group_by(one, other).agg(n=nw.len())
    return int(engine.collect(groups.select(n=(n * (n - 1)).sum()), 1)["n"].fillna(0).iloc[0]) // 2


def _agreeing_pairs(people: Table, strict: list[Strict]) -> pd.DataFrame:
    """Without weights: who agree in a name and in one more strong column, and differ in no number of their own, are one."""
    kinds = kinds_of(set(people.collect_schema().names()))
    words = {column: kind.words[0] for column, kind in kinds.items()} | {"name": mark("same name")}
    numbers = [one for one in _OWN_NUMBERS if one in people.collect_schema().names()]
    found: dict[tuple[str, str], list[str]] = {}
    for (column, one), (other_column, other) in strict:
        # Father and son may have one name and one street.
        if {"name", "company_name"} & {column, other_column} and "street" not in (column, other_column):
            left = people.select("customer_id", one, other, *numbers)
            both = left.join(left, on=[one, other], suffix="_other")
            both = both.filter(nw.col("customer_id") < nw.col("customer_id_other"))
            for number in numbers:
                is_other = (nw.col(number) != nw.col(f"{number}_other")).fill_null(False)
                both = both.filter(~is_other)
            frame = engine.collect(both.select("customer_id", "customer_id_other"), MAX_FOUND)
            for pair in frame.itertuples(index=False, name=None):
                found.setdefault(pair, []).extend((words[column], words[other_column]))
    rows = [(*pair, STRICT_PROB, ", ".join(dict.fromkeys(said)), False) for pair, said in sorted(found.items())]
    pairs = pd.DataFrame(rows, columns=["customer_id", "other_customer_id", "match_prob", "why", "differs"])
    return pairs.astype({"match_prob": float, "differs": bool})


def _scored_pairs(
    connection: duckdb.DuckDBPyConnection,
    people: Table,
    keys: dict[tuple[str, ...], str],
    strict: list[Strict],
    review_from: float,
) -> pd.DataFrame:
    """Fit the model, score the pairs that share a key, and say what each column contributed."""
    kinds = kinds_of(set(people.collect_schema().names()))
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="customer_id",
        blocking_rules_to_generate_predictions=[block_on(name) for name in keys.values()],
        comparisons=[
            comparisons.CustomComparison(
                [levels.NullLevel(column), *kind.levels, levels.ElseLevel()], output_column_name=column
            )
            for column, kind in kinds.items()
        ],
        retain_intermediate_calculation_columns=True,
    )
    # What splink tells is for those who build a model by hand.
    table = DuckDBAPI(connection).register(connection.table(_PEOPLE))
    linker = Linker(table, settings, log_level=logging.CRITICAL)
    train = linker.training
    train.estimate_probability_two_random_records_match(
        [block_on(one, other) for (_, one), (_, other) in strict], recall=_STRICT_RECALL
    )
    train.estimate_u_using_random_sampling(MAX_SAMPLED_PAIRS, seed=SEED, min_count_per_level=None, num_chunks=1)
    for column in STRONG:
        if (column,) in keys:
            # Named beside the key, so that a column is not learnt from pairs that were chosen for agreeing in it.
            compared = (column,) if column in kinds else ("given_name", "surname")
            train.estimate_parameters_using_expectation_maximisation(
                block_on(keys[column,], *compared), estimate_without_term_frequencies=True, max_pairs=MAX_SAMPLED_PAIRS
            )
    scored = nw.from_native(linker.inference.predict(threshold_match_probability=review_from).as_duckdbpyrelation())
    types = {"customer_id": "VARCHAR", "other_customer_id": "VARCHAR", "match_prob": "DOUBLE", "why": "VARCHAR"}
    needed = [f"{part}_{column}" for column in kinds for part in ("gamma", "mw", "mw_tf_adj")]
    has = set(scored.collect_schema().names())
    scored = scored.select(
        "customer_id_l", "customer_id_r", "match_probability", *[one for one in needed if one in has]
    )
    told = engine.map_batches(scored, lambda frame: _tell(frame, kinds), {**types, "differs": "BOOLEAN"})
    return engine.collect(told, MAX_FOUND).sort_values(["customer_id", "other_customer_id"], ignore_index=True)


def _tell(frame: pd.DataFrame, kinds: dict[str, Kind]) -> pd.DataFrame:
    """What each column contributed to a pair, the weightiest first: a weight of 1 doubles the odds, of −1 halves them."""
    whys, differs = [], []
    for row in frame.to_dict("records"):
        level = {column: int(row[f"gamma_{column}"]) for column in kinds}
        parts = []
        for column, kind in kinds.items():
            if level[column] >= 0:
                weight = row[f"mw_{column}"] + (row.get(f"mw_tf_adj_{column}") or 0)
                parts.append((-weight, kind.words[len(kind.levels) - level[column]]))
        whys.append(", ".join(f"{word} {_signed(-weight)}" for weight, word in sorted(parts)))
        has_other_name = any(level.get(one, -1) >= 0 and not kinds[one].is_same(level[one]) for one in _OWN_NAMES)
        has_same_number = any(one in kinds and kinds[one].is_same(level[one]) for one in _OWN_NUMBERS)
        differs.append(has_other_name and not has_same_number)
    return pd.DataFrame(
        {
            "customer_id": frame[["customer_id_l", "customer_id_r"]].min(axis=1),
            "other_customer_id": frame[["customer_id_l", "customer_id_r"]].max(axis=1),
            "match_prob": frame["match_probability"].round(4),
            "why": whys,
            "differs": differs,
        }
    )


def _signed(weight: float) -> str:
    text = f"{abs(weight):.0f}"
    return f"{'±' if text == '0' else '+' if weight > 0 else '−'}{text}"
