"""What the models forecast against what happens to simulated customers, who live by the story and know no formula."""

from __future__ import annotations

import numpy as np
import pytest

from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.paretonbd import ParetoNBD

N, T, AHEAD = 100_000, 20.0, 15.0
MODELS = (BGNBD(0.6, 4, 0.8, 2.4), MBGNBD(0.9, 4, 0.8, 2.4), ParetoNBD(0.7, 4, 0.6, 8), BGNBD(3, 3, 3, 30))
# Of so many means of simulated customers, one in 10,000 is further than this many standard errors from a true forecast.
FAR = 4.0


@pytest.fixture(scope="module", params=MODELS, ids=str)
def lived(request, simulate, generator):
    """The model, and its customers in groups with much the same past: the same x, silent for a while or not."""
    model = request.param
    past = simulate(model, np.full(N, T), AHEAD, generator(7))
    group = 2 * np.minimum(past.x, 12) + (T - past.t_x > 4)
    names, group, sizes = np.unique(group, return_inverse=True, return_counts=True)
    assert (sizes > 200).sum() > 12
    return model, past, group, sizes > 200


def assert_means_agree(group, is_big, forecast, happened, happened_variance):
    """In every group the sum of what happened is that forecast, as near as chance allows. Where hardly anything is left to
    chance its sum is not normal: those groups are judged together."""
    error = np.sqrt(np.bincount(group, happened_variance))
    is_big = is_big & (error > 5)
    assert is_big.any()
    group = np.where(is_big[group], group, len(is_big))
    difference, variance = np.bincount(group, happened - forecast), np.bincount(group, happened_variance)
    assert (np.abs(difference) <= FAR * np.sqrt(variance) + 1).all()


def rows(past):
    return past.x, past.t_x, past.T


def test_alive(lived):
    model, past, group, is_big = lived
    alive = model.alive_prob(*rows(past))
    assert_means_agree(group, is_big, alive, past.alive, alive * (1 - alive))


def test_expected_orders(lived):
    model, past, group, is_big = lived
    expected = model.expected_orders(*rows(past), AHEAD)
    assert_means_agree(group, is_big, expected, past.future, model.order_variance(*rows(past), AHEAD))


def test_variance(lived):
    """The squared errors of the forecasts; how much these vary is taken from themselves."""
    model, past, group, is_big = lived
    squares = (past.future - model.expected_orders(*rows(past), AHEAD)) ** 2
    spread = np.bincount(group, squares**2)[group] / np.bincount(group)[group]
    assert_means_agree(group, is_big, model.order_variance(*rows(past), AHEAD), squares, spread)


@pytest.mark.parametrize("n", [0, 1, 3, 8])
def test_counts(lived, n):
    model, past, group, is_big = lived
    more = model.order_count_sf(n, *rows(past), AHEAD)
    assert_means_agree(group, is_big, more, past.future > n, more * (1 - more))
    if n == 0:
        assert model.orders_none_prob(*rows(past), AHEAD) == pytest.approx(1 - more)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9, 0.99])
def test_quantiles(lived, q):
    """The smallest count that is enough; so many customers stay within it as the model says."""
    model, past, group, is_big = lived
    most = model.order_quantile(q, *rows(past), AHEAD)
    within = 1 - model.order_count_sf(most, *rows(past), AHEAD)
    assert (within >= q - 1e-12).all()
    assert (1 - model.order_count_sf(most - 1, *rows(past), AHEAD)[most > 0] < q).all()
    assert_means_agree(group, is_big, within, past.future <= most, within * (1 - within))


def test_orders_of_new_customers(lived, simulate, generator):
    model = lived[0]
    new = simulate(model, np.zeros(N), AHEAD, generator(8))
    variance = model.order_variance(0, 0, 0, AHEAD)
    difference = new.future.mean() - model.expected_orders_new(AHEAD)
    assert abs(difference) < FAR * np.sqrt(variance / N)
    assert new.future.var() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_quantiles_of_customers_with_thousands_of_orders(model):
    q = np.array([0.001, 0.05, 0.5, 0.95, 0.999])[:, None]
    x, t_x, T = np.array([[5_000, 2_999, 3_000], [5_000, 3_000, 3_000], [3, 1, 3_000], [0, 0, 0]], dtype=float).T
    most = model.order_quantile(q, x, t_x, T, 1_000)
    assert most.shape == (5, 4)
    assert (np.diff(most, axis=0) >= 0).all()
    rows = np.broadcast_arrays(q, x, t_x, T)
    q, x, t_x, T = (one.ravel() for one in rows)
    for one, *row in zip(q, most.ravel(), x, t_x, T, strict=True):
        n = np.arange(4_000)
        enough = 1 - model.order_count_sf(n, *row[1:], 1_000) >= one
        assert n[enough][0] == row[0]
