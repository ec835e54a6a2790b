"""A short fuzz: fixed mutations, and all that ever went wrong. The long one is ``make fuzz``."""

from __future__ import annotations

import fuzz
import pytest


@pytest.mark.parametrize(("kind", "numbers"), [("csv", range(50)), ("xlsx", range(60)), ("yaml", range(300))])
def test_a_mutation_ends_in_a_whole_database_or_in_one_line(kind, numbers, tmp_path):
    outcomes = {fuzz.attempt(tmp_path / str(number), *fuzz.mutation(kind, number)) for number in numbers}
    assert {"built"} < outcomes


def test_the_same_number_gives_the_same_mutation():
    assert [fuzz.mutation(kind, 7) for kind in ("csv", "xlsx", "yaml")] == [
        fuzz.mutation(kind, 7) for kind in ("csv", "xlsx", "yaml")
    ]
    assert fuzz.mutation("csv", 7) != fuzz.mutation("csv", 8)


@pytest.mark.parametrize("folder", sorted(fuzz.CORPUS.glob("*")), ids=lambda one: one.name)
def test_what_once_went_wrong_does_not_any_more(folder, tmp_path):
    files = {one.name: one.read_bytes() for one in folder.iterdir() if one.name != "shop.yml"}
    fuzz.attempt(tmp_path / "again", (folder / "shop.yml").read_text(encoding="utf-8"), files)
