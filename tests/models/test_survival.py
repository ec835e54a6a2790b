"""Kaplan-Meier by hand, and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from crm_analysis.models.survival import kaplan_meier


def test_seven_contracts_by_hand():
    """Ends after 1, 2, 2 and 4; still running after 2, 3 and 4: 6/7, then 4/6 of it, then 1/2 of that."""
    curve = kaplan_meier(
        np.array([1.0, 2.0, 2.0, 3.0, 4.0, 4.0]),
        np.array([True, True, False, False, True, False]),
        np.array([1, 2, 1, 1, 1, 1]),
    )
    assert curve["t"].tolist() == [0, 1, 2, 3, 4]
    assert curve["n_at_risk"].tolist() == [7, 7, 6, 3, 2]
    assert curve["share"].tolist() == pytest.approx([1, 6 / 7, 4 / 7, 4 / 7, 2 / 7])


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined:RuntimeWarning")
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=40))
def test_as_scipy_has_it_with_its_band(rows):
    t, ended = np.array([one for one, _ in rows], float), np.array([one for _, one in rows])
    curve = kaplan_meier(t, ended, np.ones(len(rows)))
    known = ecdf(CensoredData(uncensored=t[ended], right=t[~ended])).sf
    mine = curve.set_index("t").loc[known.quantiles]
    assert mine["share"].tolist() == pytest.approx(known.probabilities.tolist())
    inner = (known.probabilities > 0) & (known.probabilities < 1)
    if inner.any():
        band = known.confidence_interval(method="log-log")
        assert mine["low"].to_numpy()[inner] == pytest.approx(band.low.probabilities[inner], abs=1e-6)
        assert mine["high"].to_numpy()[inner] == pytest.approx(band.high.probabilities[inner], abs=1e-6)
    assert np.isfinite(curve.to_numpy()).all()


def test_weights_are_that_many_rows():
    t, ended = np.array([1.0, 3.0, 3.0]), np.array([True, False, True])
    by_weight = kaplan_meier(t, ended, np.array([2, 3, 1]))
    by_rows = kaplan_meier(np.repeat(t, [2, 3, 1]), np.repeat(ended, [2, 3, 1]), np.ones(6))
    assert by_weight.to_numpy() == pytest.approx(by_rows.to_numpy())


def test_nobody_ended_and_everybody_ended_at_once():
    assert kaplan_meier(np.array([0.0, 5.0]), np.array([False, False]), np.array([1, 1]))["share"].tolist() == [1, 1]
    gone = kaplan_meier(np.array([5.0]), np.array([True]), np.array([3]))
    assert gone[["share", "low", "high"]].to_numpy().tolist() == [[1, 1, 1], [0, 0, 0]]
