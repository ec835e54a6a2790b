"""Fits: what they are made of, the truth they find, and what the data do not tell."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from crm_analysis.models import fitting
from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.buying import Triples
from crm_analysis.models.paretonbd import ParetoNBD

KINDS = (BGNBD, MBGNBD, ParetoNBD)
TRUTH = (BGNBD(0.6, 6, 0.8, 2.4), MBGNBD(0.9, 6, 0.8, 2.4), ParetoNBD(0.7, 6, 0.9, 12))
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def ones(x, t_x, T) -> Triples:
    """Every customer a row of their own."""
    return Triples(x, t_x, T, np.ones(len(x)))


def count(x, t_x, T) -> Triples:
    """The distinct rows, and how many there are of each."""
    rows, weight = np.unique(np.column_stack([x, t_x, T]), axis=0, return_counts=True)
    return Triples(*rows.T, weight)


@pytest.fixture(scope="module")
def whole_days(simulate, generator):
    """5,000 customers in whole days: x, t_x, T."""
    rng = generator(5)
    past = simulate(BGNBD(0.6, 40, 0.8, 2.4), rng.integers(1, 400, 5_000).astype(float), 0, rng)
    return past.x, np.where(past.x > 0, np.clip(np.ceil(past.t_x), 1, past.T), 0), past.T


# --- what goes in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((1.5, 1, 2, 1), "x that is not a whole number"),
        ((-1, 0, 2, 1), "x that is not a whole number"),
        ((2e6, 1, 2, 1), "x that is not a whole number"),
        ((1, 3, 2, 1), "0 <= t_x <= T"),
        ((1, -1, 2, 1), "0 <= t_x <= T"),
        ((0, 1, 2, 1), "t_x > 0 without one"),
        ((1, 0, 2, 1), "t_x = 0 in spite of a repeat order"),
        ((1, 1, np.nan, 1), "missing or infinite"),
        ((1, 1, np.inf, 1), "missing or infinite"),
        ((1, 1, 2, 0), "weight that is not above 0"),
    ],
)
def test_impossible_customers_are_refused_with_their_number_and_place(row, told):
    rows = np.array([(1, 1, 2, 1)] * 10, dtype=float)
    rows[[3, 7]] = row
    with pytest.raises(ValueError, match=told) as caught:
        Triples(*rows.T)
    assert str(caught.value).startswith("2 of 10 rows ")
    assert str(caught.value).endswith("; the first at 3, 7")


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        Triples([1], [1], [2], [1, 1])


@by_kind
@pytest.mark.parametrize("T", [[5.0, 9.0], [0.0, 0.0], []])
def test_without_any_repeat_order_there_is_no_fit(kind, T):
    with pytest.raises(ValueError, match="no customer has a repeat order"):
        kind.fit(ones(np.zeros(len(T)), np.zeros(len(T)), T))


# --- the same whoever counts -----------------------------------------------------------------------------------------


@by_kind
def test_counted_triples_give_the_likelihood_and_the_fit_of_all_customers(kind, whole_days):
    one, counted = ones(*whole_days), count(*whole_days)
    assert len(counted.x) < 0.8 * len(one.x)
    model = kind(0.5, 30, 0.9, 2)
    whole = model.log_likelihood(*whole_days).sum()
    assert counted.weight @ model.log_likelihood(counted.x, counted.t_x, counted.T) == pytest.approx(whole, rel=1e-12)
    first, second = kind.fit(one), kind.fit(counted)
    assert second.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-12)
    assert second.n_customers == first.n_customers == 5_000
    assert list(second.params.values()) == pytest.approx(list(first.params.values()), rel=1e-5)
    assert second.covariance == pytest.approx(first.covariance, rel=1e-3, abs=1e-6)


@by_kind
def test_no_other_parameters_are_likelier(kind, whole_days):
    triples = count(*whole_days)
    fit = kind.fit(triples)
    assert fit.is_converged

    def total(params):
        return triples.weight @ kind(*params).log_likelihood(triples.x, triples.t_x, triples.T)

    params = np.array(list(fit.params.values()))
    assert fit.log_likelihood == pytest.approx(total(params), rel=1e-13)
    for axis in np.vstack([np.eye(4), -np.eye(4)]):
        assert total(params * np.exp(0.01 * axis)) < fit.log_likelihood


@by_kind
@settings(max_examples=4, deadline=None)
@given(unit=st.sampled_from([1 / 86_400, 7.0, 30.4375, 1e6]), seed=st.integers(0, 99))
def test_the_unit_of_time_and_the_order_of_the_rows_do_not_matter(kind, whole_days, unit, seed):
    """The likelihood is a density of x moments: in another unit it differs by log(unit) for each order."""
    x, t_x, T = whole_days
    mixed = np.random.Generator(np.random.PCG64(seed)).permutation(len(x))
    days, other = kind.fit(count(x, t_x, T)), kind.fit(ones(x[mixed], t_x[mixed] / unit, T[mixed] / unit))
    assert other.log_likelihood == pytest.approx(days.log_likelihood + x.sum() * np.log(unit), rel=1e-11)
    for name, value in other.params.items():
        times = unit if name in kind.times else 1
        assert value * times == pytest.approx(days.params[name], rel=1e-4)
        assert other.standard_errors[name] * times == pytest.approx(days.standard_errors[name], rel=1e-2)
    assert other.at_boundary == days.at_boundary == ()
    ahead = (days.model.expected_orders(x, t_x, T, 90), other.model.expected_orders(x, t_x / unit, T / unit, 90 / unit))
    assert ahead[1] == pytest.approx(ahead[0], rel=1e-4)


@by_kind
def test_a_search_that_was_broken_off_is_told(kind, whole_days, monkeypatch):
    def broken_off(*arguments, options, **keywords):
        return minimize(*arguments, options=options | {"maxiter": 3}, **keywords)

    assert kind.fit(count(*whole_days)).is_converged
    monkeypatch.setattr(fitting, "minimize", broken_off)
    assert not kind.fit(count(*whole_days)).is_converged


# --- the truth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truth", TRUTH, ids=lambda truth: truth.name)
def test_the_truth_is_found_the_better_the_more_customers_there_are(truth, simulate, generator):
    rng, errors = generator(11), []
    for n in (2_500, 10_000, 40_000):
        past = simulate(truth, rng.uniform(20, 100, n), 0, rng)
        fit = type(truth).fit(ones(past.x, past.t_x, past.T))
        assert (fit.is_converged, fit.at_boundary) == (True, ())
        off = np.log(list(fit.params.values())) - np.log(list(vars(truth).values()))
        assert (np.abs(off) < 3.3 * np.sqrt(np.diag(fit.covariance))).all()
        # Chi-squared with four degrees of freedom: 18.5 is exceeded once in 1,000 times.
        assert off @ np.linalg.solve(fit.covariance, off) < 18.5
        errors.append(np.sqrt(np.diag(fit.covariance)))
    # Four times the customers, half the error.
    assert np.divide(errors[0], errors[1]) == pytest.approx(2, rel=0.25)
    assert np.divide(errors[1], errors[2]) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("truth", TRUTH, ids=lambda truth: truth.name)
def test_standard_errors_are_how_much_estimates_vary(truth, simulate, generator):
    rng, estimates, errors = generator(12), [], []
    for _ in range(40):
        past = simulate(truth, rng.uniform(20, 100, 2_500), 0, rng)
        fit = type(truth).fit(count(past.x, past.t_x, past.T))
        estimates.append(np.log(list(fit.params.values())))
        errors.append(np.sqrt(np.diag(fit.covariance)))
    assert np.std(estimates, axis=0) == pytest.approx(np.median(errors, axis=0), rel=0.35)


# --- what the data do not tell ---------------------------------------------------------------------------------------


@by_kind
def test_uci_without_drop_out_runs_to_the_boundary_and_says_so(kind, online_retail):
    """Online Retail cut at 2011-09-09: 3,384 order days forecast of the 4,482 that came by 2011-12-09."""
    orders = pd.read_parquet(online_retail / "orders.parquet", columns=["customer_id", "is_order", "ordered_date"])
    days = orders[orders["is_order"]].drop(columns="is_order").dropna().drop_duplicates()
    days["day"] = (pd.to_datetime(days["ordered_date"]) - pd.Timestamp("2011-09-09")).dt.days
    past = days[days["day"] <= 0].groupby("customer_id")["day"].agg(["min", "max", "count"])
    assert (days[days["day"] > 0]["customer_id"].isin(past.index)).sum() == 4_482
    x, t_x, T = (one.to_numpy(float) for one in (past["count"] - 1, past["max"] - past["min"], -past["min"]))
    fit = kind.fit(count(x, t_x, T))
    assert fit.n_customers == 3_370
    assert fit.model.expected_orders(x, t_x, T, 91).sum() == pytest.approx(3_384, abs=1)
    assert fit.is_converged
    assert fit.at_boundary == tuple(fit.params)[2:]
    assert fit.model.alive_prob(x, t_x, T).min() > 0.99
    told = dict(list(fit.standard_errors.items())[:2])
    assert all(0 < error < 0.1 * fit.params[name] for name, error in told.items())


@by_kind
def test_customers_like_clockwork_are_all_alike_and_nobody_leaves(kind):
    """An order every ten days exactly: less chance in it than in any Poisson process."""
    T = np.arange(50.0, 150)
    x = T // 10
    fit = kind.fit(ones(x, 10 * x, T))
    assert fit.is_converged
    assert {"r", *tuple(fit.params)[2:]} <= set(fit.at_boundary)
    assert fit.model.expected_orders_new(10) == pytest.approx(1, rel=0.1)
    assert fit.model.order_variance(5, 50, 55, 100) == pytest.approx(10, rel=0.1)


ODD = {
    "one customer": ([3.0], [20.0], [30.0]),
    "one who ordered once more": ([1.0], [30.0], [30.0]),
    "all the same": ([2.0] * 50, [10.0] * 50, [30.0] * 50),
    "all ordered today": ([0.0, 0, 1], [0.0, 0, 1], [0.0, 0, 1]),
    "one repeat order in all": ([0.0] * 99 + [1.0], [0.0] * 99 + [4.0], np.arange(1.0, 101)),
    "thousands of orders": ([5_000.0, 0, 4_000], [2_999.0, 0, 100], [3_000.0, 3_000, 3_000]),
    "everybody left at once": ([1.0] * 60 + [0.0] * 40, [1.0] * 60 + [0.0] * 40, [900.0] * 100),
    "millions of each": ([0.0, 1, 2], [0.0, 8, 9], [10.0, 20, 30]),
}


@by_kind
@pytest.mark.parametrize("odd", ODD)
def test_odd_companies_get_a_fit_that_says_what_it_does_not_know(kind, odd):
    x, t_x, T = (np.asarray(one, dtype=float) for one in ODD[odd])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = kind.fit(Triples(x, t_x, T, np.full(len(x), 1e7 if odd == "millions of each" else 1)))
        forecast = fit.model.expected_orders(x, t_x, T, 30)
        errors = fit.standard_errors
    assert fit.at_boundary
    assert np.isfinite([fit.log_likelihood, *fit.params.values(), *forecast]).all()
    assert (forecast >= 0).all()
    for number, name in enumerate(fit.params):
        assert (errors[name] == np.inf) == (name in fit.at_boundary)
        assert np.isfinite(fit.covariance[number]).all()
