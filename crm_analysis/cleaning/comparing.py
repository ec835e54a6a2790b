"""What is compared of two customers, and how: each column by levels from agreement to difference, in words that people read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import narwhals as nw
import pandas as pd
import splink.comparison_level_library as levels

from crm_analysis import engine
from crm_analysis.cleaning.spellings import fold, split_form
from crm_analysis.engine import Table
from crm_analysis.language import mark

_LONG_NAME = 6


@dataclass(frozen=True)
class Kind:
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


def kinds_of(columns: set[str]) -> dict[str, Kind]:
    """The columns at hand that tell customers apart, and how each is compared."""
    near, alike = 0.92, 0.8
    swapped = levels.CustomLevel('"given_name_l" = "surname_r" AND "surname_l" = "given_name_r"')
    has_parts = {"given_name", "surname"} <= columns
    between = (swapped,) if has_parts else ()
    # anna.m1@ and anna.m2@ are not misspelled: people of one name are told apart by such numbers.
    same_digits = levels.ExactMatchLevel("email_digits")
    kinds = {
        "name": Kind(
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
        "given_name": Kind(
            (_exact("given_name"), *between, levels.JaroWinklerLevel("given_name", near), levels.JaroWinklerLevel("given_name", alike)),
            (mark("same given name"), *([mark("given name and family name exchanged")] if has_parts else []),
             mark("nearly the same given name"), mark("similar given name"), mark("other given name")),
            n_same=3 if has_parts else 2,
        ),
        "surname": Kind(
            (_exact("surname"), *between, levels.JaroWinklerLevel("surname", near), levels.JaroWinklerLevel("surname", alike)),
            (mark("same family name"), *([mark("given name and family name exchanged")] if has_parts else []),
             mark("nearly the same family name"), mark("similar family name"), mark("other family name")),
        ),
        "company_name": Kind(
            (_exact("company_name"), levels.JaroWinklerLevel("company_name", near), levels.JaroWinklerLevel("company_name", alike)),
            (mark("same company"), mark("nearly the same company"), mark("similar company"), mark("other company")),
            n_same=2,
        ),
        "birth_date": Kind(
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
        "email": Kind(
            (
                _exact("email"),
                levels.ExactMatchLevel("email_user"),
                levels.And(levels.JaroWinklerLevel("email", near), same_digits),
                levels.And(levels.JaroWinklerLevel("email_user", 0.88), same_digits),
            ),
            (mark("same e-mail"), mark("same e-mail before the @"), mark("nearly the same e-mail"),
             mark("similar e-mail before the @"), mark("other e-mail")),
        ),
        "phone": Kind(
            (_exact("phone"), levels.DamerauLevenshteinLevel("phone", 1)),
            (mark("same telephone"), mark("telephone with one other digit"), mark("other telephone")),
        ),
        "personal_number": Kind(
            (
                _exact("personal_number"),
                levels.DamerauLevenshteinLevel("personal_number", 1),
                levels.DamerauLevenshteinLevel("personal_number", 2),
            ),
            (mark("same number"), mark("number with one other digit"), mark("number with two other digits"), mark("other number")),
            n_same=2,
        ),
        "street": Kind(
            (_exact("street"), levels.JaroWinklerLevel("street", near), levels.JaroWinklerLevel("street", alike)),
            (mark("same street"), mark("nearly the same street"), mark("similar street"), mark("other street")),
        ),
        # Of the parts of an address that say the same thing only the most particular counts.
        "postcode": Kind(
            (
                _exact("postcode"),
                levels.DamerauLevenshteinLevel("postcode", 1),
                *((_exact("city"),) if "city" in columns else ()),
            ),
            (mark("same postcode"), mark("postcode with one other digit"), *([mark("same town")] if "city" in columns else []),
             mark("other postcode")),
        ),
        "city": Kind(
            (_exact("city"), levels.JaroWinklerLevel("city", near)),
            (mark("same town"), mark("nearly the same town"), mark("other town")),
        ),
        "region": Kind((_exact("region"),), (mark("same region"), mark("other region"))),
        "country": Kind((_exact("country"),), (mark("same country"), mark("other country"))),
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


def fold_people(identities: Table) -> Table:
    """Identities (schema.IDENTITY) → the texts that are compared: folded, with parts of them that serve as keys."""
    columns = set(identities.collect_schema().names()) - {"customer_id"}
    made = sorted(columns - {"customer_name"})
    if {"customer_name", "given_name", "surname"} & columns:
        made += ["name", "name_start", "name_end"]
    made += ["company_start"] if "company_name" in columns else []
    made += ["email_user", "email_digits"] if "email" in columns else []
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
    folded["email_digits"] = re.sub(r"\D", "", email) if email else None
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
