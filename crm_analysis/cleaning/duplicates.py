"""Which customers may be one and the same: the model of Fellegi and Sunter (1969), "A Theory for Record Linkage", JASA 64(328),
fitted by splink without examples.

Two customers agree, nearly agree or differ in each column. How often that happens among different customers is counted in a
sample of pairs, how often among the same is estimated by expectation maximisation; the logarithm of the ratio (base 2) is the
weight of the column, and the weights add up to the odds that the two are one. A rare name agreeing weighs more than a common one.

Only pairs that share some key (``_KEYS``) are compared. A key that more than ``MAX_BLOCK`` customers share is none, and keys are
taken from the most particular to the most common while the pairs stay below ``MAX_PAIRS``: a million customers take minutes.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import combinations

import duckdb
import narwhals as nw
import pandas as pd
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from crm_analysis import engine
from crm_analysis.cleaning.spellings import fold, split_form
from crm_analysis.engine import Table
from crm_analysis.language import _, mark

MAX_BLOCK, MAX_PAIRS = 500, 10_000_000
MAX_SAMPLED_PAIRS = 500_000
MAX_FOUND = 5_000_000
SEED = 1
_LONG_NAME = 6
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


@dataclass(frozen=True)
class _Kind:
    """How a column is compared: its levels from agreement downwards (splink's, without the empty and the last one), what each,
    and the last, is called, and how many of them are as good as agreement."""

    levels: tuple
    words: tuple[str, ...]
    n_same: int = 1

    def is_same(self, level: int) -> bool:
        """Whether splink's number of a level, the highest for agreement and 0 for none, is as good as agreement."""
        return level > len(self.levels) - self.n_same


def _exact(column: str) -> levels.ExactMatchLevel:
    return levels.ExactMatchLevel(column, term_frequency_adjustments=True)


def _kinds(columns: set[str]) -> dict[str, _Kind]:
    """The columns at hand that tell customers apart, and how each is compared."""
    near, alike = 0.92, 0.8
    swapped = levels.CustomLevel('"given_name_l" = "surname_r" AND "surname_l" = "given_name_r"')
    has_parts = {"given_name", "surname"} <= columns
    between = (swapped,) if has_parts else ()
    kinds = {
        "name": _Kind(
            (
                _exact("name"),
                levels.JaroWinklerLevel("name", near),
                # Of a short name, as Chinese ones are, one other letter makes another.
                levels.And(levels.DamerauLevenshteinLevel("name", 1), levels.CustomLevel(f'length("name_l") >= {_LONG_NAME}')),
                levels.JaroWinklerLevel("name", alike),
                levels.ArrayIntersectLevel("name_words", 1),
            ),
            (mark("same name"), mark("nearly the same name"), mark("name with one other letter"), mark("similar name"),
             mark("a word of the name in common"), mark("other name")),
            n_same=3,
        ),
        "given_name": _Kind(
            (_exact("given_name"), *between, levels.JaroWinklerLevel("given_name", near), levels.JaroWinklerLevel("given_name", alike)),
            (mark("same given name"), *([mark("given name and family name exchanged")] if has_parts else []),
             mark("nearly the same given name"), mark("similar given name"), mark("other given name")),
            n_same=3 if has_parts else 2,
        ),
        "surname": _Kind(
            (_exact("surname"), *between, levels.JaroWinklerLevel("surname", near), levels.JaroWinklerLevel("surname", alike)),
            (mark("same family name"), *([mark("given name and family name exchanged")] if has_parts else []),
             mark("nearly the same family name"), mark("similar family name"), mark("other family name")),
        ),
        "company_name": _Kind(
            (_exact("company_name"), levels.JaroWinklerLevel("company_name", near), levels.JaroWinklerLevel("company_name", alike)),
            (mark("same company"), mark("nearly the same company"), mark("similar company"), mark("other company")),
            n_same=2,
        ),
        "birth_date": _Kind(
            (
                _exact("birth_date"),
                levels.DamerauLevenshteinLevel("birth_date", 1),
                levels.DamerauLevenshteinLevel("birth_date", 2),
                levels.ExactMatchLevel("birth_year"),
            ),
            (mark("same date of birth"), mark("date of birth with one other digit"), mark("date of birth with two other digits"),
             mark("same year of birth"), mark("other date of birth")),
            n_same=2,
        ),
        "email": _Kind(
            (
                _exact("email"),
                levels.ExactMatchLevel("email_user"),
                levels.JaroWinklerLevel("email", near),
                levels.JaroWinklerLevel("email_user", 0.88),
            ),
            (mark("same e-mail"), mark("same e-mail before the @"), mark("nearly the same e-mail"),
             mark("similar e-mail before the @"), mark("other e-mail")),
        ),
        "phone": _Kind(
            (_exact("phone"), levels.DamerauLevenshteinLevel("phone", 1)),
            (mark("same telephone"), mark("telephone with one other digit"), mark("other telephone")),
        ),
        "personal_number": _Kind(
            (
                _exact("personal_number"),
                levels.DamerauLevenshteinLevel("personal_number", 1),
                levels.DamerauLevenshteinLevel("personal_number", 2),
            ),
            (mark("same number"), mark("number with one other digit"), mark("number with two other digits"), mark("other number")),
            n_same=2,
        ),
        "street": _Kind(
            (_exact("street"), levels.JaroWinklerLevel("street", near), levels.JaroWinklerLevel("street", alike)),
            (mark("same street"), mark("nearly the same street"), mark("similar street"), mark("other street")),
        ),
        # Of the parts of an address that say the same thing only the most particular counts.
        "postcode": _Kind(
            (
                _exact("postcode"),
                levels.DamerauLevenshteinLevel("postcode", 1),
                *((_exact("city"),) if "city" in columns else ()),
            ),
            (mark("same postcode"), mark("postcode with one other digit"), *([mark("same town")] if "city" in columns else []),
             mark("other postcode")),
        ),
        "city": _Kind(
            (_exact("city"), levels.JaroWinklerLevel("city", near)),
            (mark("same town"), mark("nearly the same town"), mark("other town")),
        ),
        "region": _Kind((_exact("region"),), (mark("same region"), mark("other region"))),
        "country": _Kind((_exact("country"),), (mark("same country"), mark("other country"))),
    }  # fmt: skip
    said_by = {
        "name": {"given_name", "surname"} if has_parts else set(),
        "given_name": set() if has_parts else {"name"},
        "surname": set() if has_parts else {"name"},
        "city": {"postcode"},
        "region": {"postcode", "city"},
        "country": {"postcode", "city", "region"},
    }
    return {one: kind for one, kind in kinds.items() if one in columns and not said_by.get(one, set()) & columns}


# Families and firms share all but these: who differs clearly in a name, and agrees or nearly agrees in no number of their own, is
# never taken for another without a person.
_OWN_NAMES, _OWN_NUMBERS = ("name", "given_name", "company_name"), ("birth_date", "personal_number")
_PEOPLE = "_people"


def fold_people(identities: Table) -> Table:
    """Identities (schema.IDENTITY) → the texts that are compared: folded, with parts of them that serve as keys."""
    columns = set(identities.collect_schema().names()) - {"customer_id"}
    made = sorted(columns - {"customer_name"})
    if {"customer_name", "given_name", "surname"} & columns:
        made += ["name", "name_start", "name_end"]
    made += ["company_start"] if "company_name" in columns else []
    made += ["email_user"] if "email" in columns else []
    made += ["birth_year"] if "birth_date" in columns else []

    def fold_batch(frame: pd.DataFrame) -> pd.DataFrame:
        rows = [_fold_person(one) for one in frame.astype(object).where(frame.notna(), None).to_dict("records")]
        return pd.DataFrame(rows, columns=["customer_id", *made], index=frame.index, dtype="str")

    texts = identities.with_columns(nw.col("birth_date").cast(nw.String)) if "birth_date" in columns else identities
    return engine.map_batches(texts, fold_batch, dict.fromkeys(["customer_id", *made], "VARCHAR"))


def _fold_person(one: dict) -> dict:
    folded = {name: fold(one.get(name)) for name in ("given_name", "surname", "street", "city", "region", "country")}
    for name in ("postcode", "personal_number"):
        folded[name] = (fold(one.get(name)) or "").replace(" ", "") or None
    whole = one.get("customer_name") or " ".join(filter(None, (one.get("given_name"), one.get("surname"))))
    company = one.get("company_name")
    folded["name"] = _sorted_words(split_form(whole)[0]) if whole else None
    folded["company_name"] = _sorted_words(split_form(company)[0]) if company else None
    for name, text in (("name", folded["name"]), ("company", folded["company_name"])):
        folded[f"{name}_start"], folded[f"{name}_end"] = _ends(text)
    email = one.get("email")
    folded["email"] = email.casefold() if email else None
    folded["email_user"] = folded["email"].rpartition("@")[0] if email else None
    folded["birth_date"] = one.get("birth_date")
    folded["birth_year"] = (one.get("birth_date") or "")[:4] or None
    return {**folded, "customer_id": one["customer_id"], "phone": one.get("phone")}


def _sorted_words(text: str) -> str | None:
    """The words of a name in an order of their own: Müller, Anna is Anna Müller."""
    return " ".join(sorted((fold(text) or "").split())) or None


def _ends(text: str | None) -> tuple[str | None, str | None]:
    """How a name begins and ends: four letters, of a name in signs that stand for a word two."""
    if not text:
        return None, None
    n = 4 if text < "\u2e80" else 2
    return text[:n], text[-n:]


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
    left = MAX_PAIRS
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
    """Without weights: who agree in a name and in one more strong column are one."""
    kinds = _kinds(set(people.collect_schema().names()))
    words = {column: kind.words[0] for column, kind in kinds.items()} | {"name": mark("same name")}
    found: dict[tuple[str, str], list[str]] = {}
    for (column, one), (other_column, other) in strict:
        if {"name", "company_name"} & {column, other_column}:
            left = people.select("customer_id", one, other)
            right = left.rename({"customer_id": "other_customer_id"})
            both = left.join(right, on=[one, other]).filter(nw.col("customer_id") < nw.col("other_customer_id"))
            frame = engine.collect(both.select("customer_id", "other_customer_id"), MAX_FOUND)
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
    kinds = _kinds(set(people.collect_schema().names()))
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
    train.estimate_u_using_random_sampling(MAX_SAMPLED_PAIRS, seed=SEED, min_count_per_level=None)
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
    scored = scored.select("customer_id_l", "customer_id_r", "match_probability", *[one for one in needed if one in has])
    told = engine.map_batches(scored, lambda frame: _tell(frame, kinds), {**types, "differs": "BOOLEAN"})
    return engine.collect(told, MAX_FOUND).sort_values(["customer_id", "other_customer_id"], ignore_index=True)


def _tell(frame: pd.DataFrame, kinds: dict[str, _Kind]) -> pd.DataFrame:
    """What each column contributed to a pair, the weightiest first: a weight of 1 doubles the odds, of −1 halves them."""
    whys, differs = [], []
    for row in frame.to_dict("records"):
        level = {column: int(row[f"gamma_{column}"]) for column in kinds}
        parts = []
        for column, kind in kinds.items():
            if level[column] >= 0:
                weight = row[f"mw_{column}"] + (row.get(f"mw_tf_adj_{column}") or 0)
                parts.append((-weight, kind.words[len(kind.levels) - level[column]]))
        whys.append(", ".join(f"{word} {'+' if weight <= 0 else '−'}{abs(weight):.0f}" for weight, word in sorted(parts)))
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


def explain(why: str) -> str:
    """What speaks for and against a pair (schema.PAIRS), in the reader's language."""
    parts = [re.fullmatch(r"(.+?)( [+−]\d+)?", one).groups("") for one in why.split(", ")]
    return ", ".join(_(words) + weight for words, weight in parts)
