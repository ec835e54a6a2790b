"""Gamma-Gamma: published numbers, the truth found, boundaries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from crm_analysis.models.spending import Amounts, GammaGamma, correlation

PUBLISHED = GammaGamma(6.25, 3.74, 15.44)


def simulate(truth: GammaGamma, n: int, rng: np.random.Generator) -> Amounts:
    """The mean of x amounts ~ Gamma(p, ν), whose sum is ~ Gamma(x·p, ν); ν ~ Gamma(q, γ)."""
    x = rng.geometric(0.3, n).astype(float)
    return Amounts(x, rng.gamma(truth.p * x) / rng.gamma(truth.q, 1 / truth.gamma, n) / x, np.ones(n))


@pytest.fixture(scope="module")
def cdnow_amounts(cdnow_weeks):
    repeat = cdnow_weeks.x > 0
    return Amounts(cdnow_weeks.x[repeat], cdnow_weeks.m_x[repeat], np.ones(repeat.sum()))


def test_fader_hardie_2013_parameters(cdnow_amounts):
    fit = GammaGamma.fit(cdnow_amounts)
    assert list(fit.params.values()) == pytest.approx([6.25, 3.74, 15.44], abs=0.0051)
    assert fit.log_likelihood == pytest.approx(-4055.92, abs=0.0051)
    assert (fit.n_customers, fit.is_converged, fit.at_boundary) == (946, True, ())
    assert fit.model.has_mean


def test_fader_hardie_2013_expected_amounts(cdnow_amounts, cdnow_weeks):
    model = GammaGamma.fit(cdnow_amounts).model
    found = model.expected_amount(cdnow_weeks.x[:5], cdnow_weeks.m_x[:5])
    assert found == pytest.approx([24.65, 18.91, 35.17, 35.17, 35.17], abs=0.0051)
    assert model.mean_amount == pytest.approx(35.17, abs=0.0051)


def test_fader_hardie_2013_orders_and_amounts_hardly_correlate(cdnow_amounts):
    assert correlation(cdnow_amounts) == pytest.approx(0.11, abs=0.005)


@pytest.mark.parametrize(("x", "m_x"), [(1, 20.0), (1, 300.0), (7, 0.5), (5_000, 35.0)])
def test_the_likelihood_by_quadrature_over_the_customers(x, m_x):
    """∫ Gamma(m_x; p·x, ν·x) Gamma(ν; q, γ) dν, in the logarithm of ν around its most likely."""
    p, q, scale = PUBLISHED.p, PUBLISHED.q, PUBLISHED.gamma
    middle, spread = (p * x + q) / (scale + m_x * x), 1 / np.sqrt(p * x + q)

    def density(z):
        rate = middle * np.exp(spread * z)
        return gamma.pdf(m_x, p * x, scale=1 / (rate * x)) * gamma.pdf(rate, q, scale=1 / scale) * rate * spread

    expected = quad(density, -40, 12, epsabs=0, epsrel=1e-11, points=[-1, 0, 1], limit=400)[0]
    assert np.exp(PUBLISHED.log_likelihood(x, m_x)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("model", [PUBLISHED, GammaGamma(0.3, 0.8, 1e-3), GammaGamma(2_000, 1_500, 12)], ids=str)
def test_the_gradient_is_that_of_differences(model):
    x, m_x = np.array([1.0, 2, 30, 5_000]), np.array([20.0, 300, 0.5, 35])
    params, step = np.array(list(vars(model).values())), 1e-5
    found = model.log_likelihood_gradient(x, m_x)
    for number, slope in enumerate(found):
        up, down = (
            GammaGamma(*(params * np.exp(sign * step * np.eye(3)[number]))).log_likelihood(x, m_x) for sign in (1, -1)
        )
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-4)


def test_the_truth_is_found_the_better_the_more_customers_there_are(generator):
    truth, rng, errors = GammaGamma(6, 4, 15), generator(4), []
    for n in (1_000, 4_000, 16_000):
        fit = GammaGamma.fit(simulate(truth, n, rng))
        off = np.log(list(fit.params.values())) - np.log(list(vars(truth).values()))
        assert (np.abs(off) < 3.3 * np.sqrt(np.diag(fit.covariance))).all()
        assert off @ np.linalg.solve(fit.covariance, off) < 16.3
        assert (fit.is_converged, fit.at_boundary) == (True, ())
        errors.append(np.sqrt(np.diag(fit.covariance)))
    # Four times the customers, half the error.
    assert np.divide(errors[0], errors[1]) == pytest.approx(2, rel=0.25)
    assert np.divide(errors[1], errors[2]) == pytest.approx(2, rel=0.15)


def test_the_expected_amount_is_the_mean_of_such_customers(generator):
    """Simulated customers with four orders of 20 to 22 on average: their true means p/ν are, on average, as expected."""
    rng, x = generator(6), 4
    rate = rng.gamma(PUBLISHED.q, 1 / PUBLISHED.gamma, 400_000)
    m_x = rng.gamma(PUBLISHED.p * x, 1 / rate) / x
    some = (m_x > 20) & (m_x < 22)
    true = PUBLISHED.p / rate[some]
    expected = PUBLISHED.expected_amount(x, m_x[some])
    assert abs((true - expected).mean()) < 4 * true.std() / np.sqrt(some.sum())
    assert PUBLISHED.mean_amount == pytest.approx((PUBLISHED.p / rate).mean(), rel=0.01)


def test_the_expected_amount_lies_between_the_mean_of_all_and_that_of_the_customer():
    x, m_x = np.array([0, 0, 1, 10, 1_000]), np.array([0, np.nan, 100, 100, 100])
    found = PUBLISHED.expected_amount(x, m_x)
    assert found[:2] == pytest.approx(PUBLISHED.mean_amount)
    assert (np.diff(found[1:]) > 0).all()
    assert 99 < found[-1] < 100


def test_counted_rows_other_currencies_and_other_orders_give_the_same(cdnow_amounts, generator):
    amounts = Amounts(cdnow_amounts.x, np.round(cdnow_amounts.m_x), cdnow_amounts.weight)
    rows, weight = np.unique(np.column_stack([amounts.x, amounts.m_x]), axis=0, return_counts=True)
    assert len(rows) < 0.7 * len(amounts.x)
    one, counted = GammaGamma.fit(amounts), GammaGamma.fit(Amounts(*rows.T, weight))
    assert counted.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-12)
    assert list(counted.params.values()) == pytest.approx(list(one.params.values()), rel=1e-5)
    mixed = generator(1).permutation(len(amounts.x))
    yen = GammaGamma.fit(Amounts(amounts.x[mixed], 150 * amounts.m_x[mixed], amounts.weight))
    assert yen.log_likelihood == pytest.approx(one.log_likelihood - 946 * np.log(150), rel=1e-11)
    assert [yen.params[name] for name in "pq"] == pytest.approx([one.params[name] for name in "pq"], rel=1e-4)
    assert yen.params["gamma"] == pytest.approx(150 * one.params["gamma"], rel=1e-4)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((0, 5, 1), "have no repeat order"),
        ((1, 0, 1), "mean amount m_x that is not above 0"),
        ((1, -3, 1), "mean amount m_x that is not above 0"),
        ((1, np.nan, 1), "missing or infinite"),
        ((1, 5, 0), "weight that is not above 0"),
    ],
)
def test_customers_who_cannot_be_fitted_are_refused_with_their_number_and_place(row, told):
    rows = np.array([(1, 5, 1)] * 9, dtype=float)
    rows[[2, 4, 8]] = row
    with pytest.raises(ValueError, match=told) as caught:
        Amounts(*rows.T)
    assert str(caught.value).startswith("3 of 9 rows ")
    assert str(caught.value).endswith("; the first at 2, 4, 8")


def test_nobody_and_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="no customer has a repeat order"):
        Amounts([], [], [])
    with pytest.raises(ValueError, match="shapes"):
        Amounts([1, 2], [5], [1])


ODD = {
    "all amounts alike": ([1, 2, 3, 4] * 10, [10.0] * 40),
    "one customer": ([3], [5.0]),
}


@pytest.mark.parametrize("odd", ODD)
def test_constant_amounts_get_a_fit_that_says_what_it_does_not_know(odd):
    x, m_x = ODD[odd]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = GammaGamma.fit(Amounts(x, m_x, np.ones(len(x))))
        expected = fit.model.expected_amount(x, m_x)
    assert "p" in fit.at_boundary
    assert fit.standard_errors["p"] == np.inf
    assert expected == pytest.approx(m_x, rel=1e-3)


def test_without_a_finite_mean_it_says_so(generator):
    """q < 1: a few huge amounts decide every average."""
    fit = GammaGamma.fit(simulate(GammaGamma(3, 0.6, 10), 4_000, generator(2)))
    assert not fit.model.has_mean
    assert fit.model.mean_amount == np.inf
    assert fit.model.expected_amount([0, 1, 5], [0, 20.0, 20.0]).tolist() == [
        np.inf,
        pytest.approx(fit.model.p * (fit.model.gamma + 20) / (fit.model.p + fit.model.q - 1)),
        pytest.approx(fit.model.p * (fit.model.gamma + 100) / (5 * fit.model.p + fit.model.q - 1)),
    ]


def test_correlation_counts_every_customer(generator):
    rng = generator(9)
    x, m_x, weight = rng.integers(1, 9, 50), rng.uniform(1, 9, 50), rng.integers(1, 5, 50)
    expected = np.corrcoef(np.repeat(x, weight), np.repeat(m_x, weight))[0, 1]
    assert correlation(Amounts(x, m_x, weight)) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(correlation(Amounts(x, np.full(50, 0.1), weight)))
    assert np.isnan(correlation(Amounts(np.full(50, 3), m_x, weight)))
