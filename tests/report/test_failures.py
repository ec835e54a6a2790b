"""A notebook that fails leaves the last month as it was, and one line says which cell it was."""

from __future__ import annotations

import pytest
from projects import code_cells

# Two cells of notebooks/quality.ipynb with code, and its end.
_, EARLY, *_, LATE, END = code_cells("quality")


@pytest.fixture
def stays(root):
    """The bundle is the same, to the byte, after the test as before it, and nothing half made lies beside it."""
    before = root.hashes()
    yield
    assert root.hashes() == before
    assert {one.name for one in root.reports.iterdir()} == {".lock", "2026-10", "index.html"}


# --- a notebook that fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "source", "line"),
    [
        (2, "1 / 0", "E-RPT-1 file=quality.ipynb rows=cell 2 fix=ZeroDivisionError in this cell"),
        (EARLY, "1 / 0", f"E-RPT-1 file=quality.ipynb rows=cell {EARLY} fix=ZeroDivisionError in this cell"),
        (LATE, "1 / 0", f"E-RPT-1 file=quality.ipynb rows=cell {LATE} fix=ZeroDivisionError in this cell"),
        (LATE, "1 /", f"E-RPT-1 file=quality.ipynb rows=cell {LATE} fix=SyntaxError"),
        (LATE, "import sys; sys.exit(0)", f"E-AUD-1 file=quality.ipynb rows=cell {LATE} "),
        (END, "None", "E-AUD-1 file=quality.ipynb rows=last cell "),
    ],
    ids=["parameters", "early", "late", "syntax", "quiet exit", "no page.end()"],
)
def test_a_cell_that_fails_is_named_and_the_last_month_stays(root, stays, command, cell, source, line):
    root.hollow_notebook("quality", {cell: source})
    assert command(root).failed(5, line)


def test_a_report_whose_file_was_not_made_is_not_published(root, stays, command):
    """The notebook says that there is an action list, and there is none."""
    source = (
        "import json, os; folder = os.environ['CRM_BUNDLE'] + '/data/quality/'; os.makedirs(folder)\n"
        "told = {'run': os.environ['CRM_RUN_ID'], 'findings': [], 'key_figures': [], 'tables': {}, 'actions': {'n_rows': 1}, 'picture': None}\n"
        "with open(folder + 'summary.json', 'w') as file: json.dump(told, file)"
    )
    root.hollow_notebook("quality", {END: source})
    assert command(root).failed(5, "E-AUD-2 file=actions/quality.csv ")
