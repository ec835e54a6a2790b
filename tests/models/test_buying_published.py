"""The published numbers of CDNOW: 1/10 sample, 2,357 customers, weeks, 39 weeks to 1997-09-30 and the 39 after."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.buying import Triples
from crm_analysis.models.paretonbd import ParetoNBD

BG = BGNBD(0.243, 4.414, 0.793, 2.426)
PARETO = ParetoNBD(0.553, 10.578, 0.606, 11.669)


@pytest.fixture(scope="module")
def fits(cdnow_weeks):
    one = np.ones(len(cdnow_weeks.x))
    triples = Triples(cdnow_weeks.x, cdnow_weeks.t_x, cdnow_weeks.T, one)
    return {model: model.fit(triples) for model in (BGNBD, MBGNBD, ParetoNBD)}


def test_the_data_are_those_of_the_papers(cdnow_weeks):
    assert (len(cdnow_weeks.x), cdnow_weeks.x.sum(), (cdnow_weeks.x > 0).sum()) == (2_357, 2_457, 946)
    assert cdnow_weeks.later.sum() == 1_882


@pytest.mark.parametrize(
    ("model", "params", "log_likelihood"),
    [
        pytest.param(BGNBD, (0.243, 4.414, 0.793, 2.426), -9582.429, id="Fader, Hardie, Lee 2005: BG/NBD"),
        pytest.param(ParetoNBD, (0.553, 10.578, 0.606, 11.669), -9594.976, id="Fader, Hardie, Lee 2005: Pareto/NBD"),
        pytest.param(MBGNBD, (0.525, 6.183, 0.891, 1.614), -9582.136, id="Batislam, Denizel, Filiztekin 2007"),
    ],
)
def test_parameters_and_log_likelihood(fits, model, params, log_likelihood):
    fit = fits[model]
    assert tuple(fit.params.values()) == pytest.approx(params, abs=0.00051)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=0.00051)
    assert (fit.is_converged, fit.at_boundary, fit.n_customers) == (True, (), 2_357)


def test_lifetimes_standard_errors(fits):
    """The documentation of lifetimes 0.11, BG/NBD."""
    expected = {"r": 0.0126, "alpha": 0.378, "a": 0.186, "b": 0.705}
    assert fits[BGNBD].standard_errors == pytest.approx(expected, rel=0.004)


def test_fader_hardie_lee_2005_expected_orders_of_a_customer():
    assert BG.expected_orders(2, 30.43, 38.86, 39) == pytest.approx(1.226, abs=0.0005)


def test_fader_hardie_lee_2005_no_order_in_39_weeks():
    assert BG.orders_none_prob(0, 0, 0, 39) == pytest.approx(0.5737864, abs=5e-8)


def test_btyd_expected_orders_of_a_new_customer(fits):
    """The manual of R's BTYD: 1, 3 and 78 weeks after the first order."""
    model = fits[BGNBD].model
    assert model.expected_orders_new([1, 3, 78]) == pytest.approx([0.0532, 0.1506, 1.8576], abs=0.0005)


def test_btyd_pareto_expected_orders_and_alive():
    assert PARETO.expected_orders(26, 30.86, 31, 52) == pytest.approx(25.46, abs=0.005)
    assert PARETO.alive_prob(26, 30.86, 31) == pytest.approx(0.9979, abs=0.00005)


@pytest.mark.parametrize(
    ("model", "total", "mae", "rmse", "r", "auc"),
    [(BGNBD, 1653.4, 0.786, 1.608, 0.626, 0.773), (ParetoNBD, 1665.5, 0.755, 1.603, 0.630, 0.779)],
)
def test_the_forecast_of_the_39_weeks_after(fits, cdnow_weeks, model, total, mae, rmse, r, auc):
    expected = fits[model].model.expected_orders(cdnow_weeks.x, cdnow_weeks.t_x, cdnow_weeks.T, 39)
    error = expected - cdnow_weeks.later
    assert expected.sum() == pytest.approx(total, abs=0.05)
    assert np.abs(error).mean() == pytest.approx(mae, abs=0.0006)
    assert np.sqrt((error**2).mean()) == pytest.approx(rmse, abs=0.0006)
    assert np.corrcoef(expected, cdnow_weeks.later)[0, 1] == pytest.approx(r, abs=0.0006)
    assert roc_auc_score(cdnow_weeks.later > 0, expected) == pytest.approx(auc, abs=0.0006)


def test_the_naive_forecast_is_far_above(cdnow_weeks):
    assert (cdnow_weeks.x / cdnow_weeks.T * 39).sum() == pytest.approx(2_930, abs=0.5)
