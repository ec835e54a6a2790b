"""Every kind of bad input ends as the catalogue says; switched off, a handler turns its case red."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

CASES = [one for path in sorted(Path(__file__).parent.glob("cases_*.py")) for one in import_module(path.stem).CASES]


@pytest.mark.parametrize("case", [pytest.param(one, id=f"{one.id}-{number}") for number, one in enumerate(CASES)])
def test_bad_input(case, request):
    case.prove(request.getfixturevalue(case.needs))


@pytest.mark.parametrize("case", [pytest.param(one, id=one.id) for one in CASES if one.handler])
def test_a_case_turns_red_without_its_handler(case, request, monkeypatch):
    make = request.getfixturevalue(case.needs)
    module, _, name = case.handler.partition(":")
    owner = import_module(module)
    *parents, name = name.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    monkeypatch.setattr(owner, name, case.without)
    try:
        case.prove(make)
    except Exception:
        return
    pytest.fail(f"{case.id} passes without {case.handler}")
