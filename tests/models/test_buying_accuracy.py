"""The numbers themselves: against the papers' closed forms in 60 digits, quadrature and differences, and at the extremes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution
from scipy.stats import poisson

from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.paretonbd import ParetoNBD

# Computed with mpmath in 60 digits from the closed forms of the papers (hypergeometric functions), the gradient by differences
# there, P(more than n orders) of Pareto/NBD by quadrature there.
# model, parameters, (x, t_x, T, t, n), (log-likelihood, its gradient in the log-parameters, P(alive), mean, variance, P(N > n))
# fmt: off
DIGITS = [
    (BGNBD, (0.243, 4.414, 0.793, 2.426), (2, 30.43, 38.86, 39, 1), (-9.458606307066, 0.6551774229215, -0.0009231466329824, -0.1608876002001, 0.1858327834674, 0.7265785700807, 1.226028174767, 2.528938591448, 0.315308200482)),
    (BGNBD, (0.243, 4.414, 0.793, 2.426), (0, 0, 0, 78, 5), (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.860519057943, 16.61022127145, 0.08770116346174)),
    (BGNBD, (0.243, 4.414, 0.793, 2.426), (0, 0, 38.86, 39, 0), (-0.5547132764382, -0.5547132764382, 0.2182137080002, 0.0, 0.0, 1.0, 0.1950980520113, 0.3073498420105, 0.1445505407833)),
    (BGNBD, (0.7, 30, 1, 5), (5000, 2990, 3000, 365, 500), (-2495.387776144, 3.587808646294, -48.97577355912, -5.812505853679, 0.9980021290306, 0.0003309335887404, 0.1882390260459, 111.3995977292, 0.0003008681968449)),
    (BGNBD, (0.7, 30, 1, 5), (5000, 3000, 3000, 365, 600), (-2503.401169165, 3.585495360398, -48.81188118812, -6.811975119891, 0.9990007993605, 0.9998001998002, 568.698440576, 13244.092951, 0.4695217405567)),
    (BGNBD, (0.7, 30, 0.05, 0.3), (5000, 2999.5, 3000, 30, 50), (-2497.079666055, 3.585495363035, -48.81188137466, -0.5743888755673, 0.1594330042374, 0.9999771724443, 49.49853478472, 50.42343032299, 0.4349198869591)),
    (BGNBD, (10000, 100000, 300, 700), (3, 20, 30, 30, 2), (-10.20574417249, 0.5374203942586, -0.5372972919499, -0.3616967458968, 0.3619472861751, 0.4625952485917, 0.9163102789251, 1.720286033178, 0.1311299615503)),
    (BGNBD, (0.01, 0.5, 0.0001, 0.02), (1, 0.1, 3000, 3000, 0), (-9.363403093318, 0.9951593533336, -0.8018550422736, 0.9595980396813, -0.9595980396813, 0.03542683594058, 0.03577269381849, 0.1063770570371, 0.01783429302741)),
    (BGNBD, (5, 40, 20, 0.05), (7, 100, 3000, 1000, 1), (-43.56831579037, -1.581094784757, 1.571428571429, -5.120091780335, 1.095349173805, 2.75282626843e-17, 3.476189411217e-17, 5.598844737606e-17, 6.235941403335e-18)),
    (MBGNBD, (0.243, 4.414, 0.793, 2.426), (2, 30.43, 38.86, 39, 1), (-9.68718263625, 0.652658560708, 0.001724935234661, -0.3606730897578, 0.339084761483, 0.7744192426236, 1.340497428491, 2.718032385584, 0.34575139181)),
    (MBGNBD, (0.243, 4.414, 0.793, 2.426), (0, 0, 0, 78, 5), (0.0, 0.0, 0.0, 0.0, 0.0, 0.7536502019261, 1.580473455401, 16.14596085391, 0.07923942570469)),
    (MBGNBD, (0.243, 4.414, 0.793, 2.426), (0, 0, 38.86, 39, 0), (-0.3869522205709, -0.3534928870237, 0.1390574138128, 0.1163968639612, -0.1163968639612, 0.6372533379649, 0.1274613825457, 0.2181348440017, 0.0921153146188)),
    (MBGNBD, (0.7, 30, 1, 5), (5000, 2990, 3000, 365, 500), (-2495.388175678, 3.587808646141, -48.97577354829, -5.812705680079, 0.9980025282318, 0.0003309997006609, 0.1882786894168, 111.423472435, 0.0003009337624836)),
    (MBGNBD, (0.7, 30, 1, 5), (5000, 3000, 3000, 365, 600), (-2503.401368985, 3.585495360398, -48.81188118812, -6.812174920091, 0.999000999001, 0.9998002397123, 568.7046799009, 13241.92667013, 0.469531799672)),
    (MBGNBD, (0.7, 30, 0.05, 0.3), (5000, 2999.5, 3000, 30, 50), (-2497.079676059, 3.585495363034, -48.81188137462, -0.5743988794325, 0.1594330048379, 0.9999771770095, 49.49853744486, 50.42334628055, 0.4349199320005)),
    (MBGNBD, (10000, 100000, 300, 700), (3, 20, 30, 30, 2), (-10.56190280586, 0.5370665836048, -0.5369434636094, -0.6611533369272, 0.6608882355421, 0.4629491476979, 0.9173604015152, 1.722267987872, 0.1313417257206)),
    (MBGNBD, (0.01, 0.5, 0.0001, 0.02), (1, 0.1, 3000, 3000, 0), (-12.27599515428, 0.9426480920899, -0.2830541333176, 0.3429796069913, -0.001847517413447, 0.6519472390257, 0.6583316655686, 1.547876656253, 0.3281980394381)),
    (MBGNBD, (5, 40, 20, 0.05), (7, 100, 3000, 1000, 1), (-45.06594452362, -1.581094784757, 1.571428571429, -5.85946331453, 1.101765207779, 3.207838874782e-17, 4.173320607615e-17, 7.033675564428e-17, 8.001601805688e-18)),
    (ParetoNBD, (0.553, 10.578, 0.606, 11.669), (26, 30.86, 31, 52, 20), (-39.1316715403, 1.998993806431, -6.202462889358, -0.7836179934206, 0.4397020912279, 0.9979187310552, 25.45847295143, 184.8492662316, 0.6707414239232)),
    (ParetoNBD, (0.553, 10.578, 0.606, 11.669), (0, 0, 0, 78, 5), (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.909398129314, 15.95325537452, 0.1053536463595)),
    (ParetoNBD, (0.553, 10.578, 0.606, 11.669), (0, 0, 38.86, 39, 0), (-0.5210462940809, -0.4727570626613, 0.2788749498476, 0.2161153979756, -0.1505205440698, 0.2952866046169, 0.1070814682153, 0.2192698882274, 0.06928518405432)),
    (ParetoNBD, (0.7, 30, 1, 500), (5000, 2990, 3000, 365, 500), (-2490.566151459, 3.587668623685, -48.9658387874, -0.9436040911017, 0.7135713564252, 0.0003811289092416, 0.2183907044439, 129.5792431954, 0.0003507012186231)),
    (ParetoNBD, (0.7, 30, 2, 500), (5000, 3000, 3000, 365, 600), (-2500.384434504, 3.585495360398, -48.81188118812, -3.891820298111, 1.714285714286, 1.0, 545.5060648368, 20779.73313961, 0.4341243012354)),
    (ParetoNBD, (2, 50, 0.6, 50), (4, 20, 3000, 365, 0), (-15.47921231328, 1.590691889299, -1.721804510728, 0.7072075666226, -0.3924812028582, 1.669785977021e-10, 1.158466907377e-10, 2.117953433975e-10, 7.98093521719e-11)),
    (ParetoNBD, (0.5, 3000, 0.05, 0.3), (1, 0.1, 3000, 3000, 0), (-9.30545239918, 0.8428811497918, -0.6530807819215, 0.2825891020489, -0.01766671525676, 0.408891623112, 0.3008175043708, 0.5842089324564, 0.1832956079921)),
    (ParetoNBD, (10000, 100000, 300, 7000), (3, 20, 30, 30, 2), (-10.5242364489, 0.2993996161102, -0.2992606939236, -0.6685967342219, 0.6679878126751, 0.5134329460774, 0.86925579259, 2.180831190166, 0.1415853820473)),
    (ParetoNBD, (0.9, 0.02, 0.0001, 0.05), (60, 2900.5, 3000, 30, 1), (-302.9584862224, -6.356222563917, 0.8995940026044, -0.001089046407396, 9.999814307912e-5, 0.9999888347815, 0.6089888369748, 0.6150829479115, 0.1255092618162)),
    (ParetoNBD, (5, 40, 20, 9), (7, 100, 3000, 1000, 1), (-76.79918452467, -1.714121373523, 1.660271756589, -49.56091642214, 18.32294898777, 2.025955572318e-45, 1.261071049794e-45, 3.015006176661e-45, 2.954129208176e-46)),
    (ParetoNBD, (0.2, 1.5, 4.6, 220), (500, 999, 1000, 365, 10), (-858.9680975579, 0.9998523151162, -0.5491782147341, -7.874812293635, 3.769609747934, 0.9951207446274, 102.7853304011, 4604.468733414, 0.9166952894886)),
    (ParetoNBD, (110, 0.6, 1, 0.9), (5, 7, 7, 365, 5), (-268.0079946225, -274.3756283601, 100.9210526316, -2.172223275131, 0.8860759493671, 1.0, 460.7586288061, 1008968.062597, 0.952192067379)),
]
# fmt: on
MODELS = (
    BGNBD(0.243, 4.414, 0.793, 2.426),
    MBGNBD(0.525, 6.183, 0.891, 1.614),
    ParetoNBD(0.553, 10.578, 0.606, 11.669),
    ParetoNBD(2, 10, 3, 4),
)
by_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
CUSTOMERS = [(0, 0, 0), (0, 0, 30), (1, 0.5, 30), (1, 30, 30), (4, 12, 38.86), (26, 30.86, 31), (70, 20, 40)]


@pytest.mark.parametrize(("kind", "params", "row", "expected"), DIGITS)
def test_sixty_digits(kind, params, row, expected):
    model, (x, t_x, T, t, n) = kind(*params), row
    log_likelihood, *gradient, alive, mean, variance, more = expected
    assert model.log_likelihood(x, t_x, T) == pytest.approx(log_likelihood, rel=1e-11, abs=1e-10)
    assert model.log_likelihood_gradient(x, t_x, T) == pytest.approx(gradient, rel=1e-8, abs=1e-8)
    assert model.alive_prob(x, t_x, T) == pytest.approx(alive, rel=1e-10)
    assert model.expected_orders(x, t_x, T, t) == pytest.approx(mean, rel=1e-8)
    assert model.order_variance(x, t_x, T, t) == pytest.approx(variance, rel=1e-7)
    assert model.order_count_sf(n, x, t_x, T, t) == pytest.approx(more, rel=1e-8)


def likelihood_given(model, x, t_x, T, rate, leaving):
    """The density of the past of a customer of a known rate and chance, or rate, of leaving."""
    if isinstance(model, ParetoNBD):
        both = rate + leaving
        return rate**x * (rate * np.exp(-both * T) + leaving * np.exp(-both * t_x)) / both
    stays, alive = (1 - leaving) ** (x + model.first_chances), rate**x * np.exp(-rate * T)
    if x + model.first_chances == 0:
        return alive + 0 * leaving
    return stays * alive + leaving * (1 - leaving) ** (x + model.first_chances - 1) * rate**x * np.exp(-rate * t_x)


@by_model
@pytest.mark.parametrize(("x", "t_x", "T"), [(0, 0, 30), (1, 0.5, 30), (4, 12, 38.86)])
def test_the_likelihood_is_that_of_the_story(model, x, t_x, T):
    """Integrated over the rate and over the leaving, both on the scale of their distribution function."""
    rates = gamma_distribution(model.r, scale=1 / model.alpha)
    if isinstance(model, ParetoNBD):
        leavings = gamma_distribution(model.s, scale=1 / model.beta)
    else:
        leavings = beta_distribution(model.a, model.b)
    points, weights = np.polynomial.legendre.leggauss(80)
    # The third power on both sides smooths the ends, where densities are infinite.
    v = (1 + points) / 2
    both = v**3 + (1 - v) ** 3
    u, weights = v**3 / both, weights / 2 * 3 * (v * (1 - v)) ** 2 / both**2
    density = likelihood_given(model, x, t_x, T, rates.ppf(u)[:, None], leavings.ppf(u)[None])
    assert np.exp(model.log_likelihood(x, t_x, T)) == pytest.approx(weights @ density @ weights, rel=1e-6)


@by_model
@pytest.mark.parametrize(("x", "t_x", "T"), CUSTOMERS)
def test_the_gradient_is_that_of_differences(model, x, t_x, T):
    params, step = np.array(list(vars(model).values())), 1e-4
    found = model.log_likelihood_gradient(x, t_x, T)
    for number, slope in enumerate(found):
        up, down = (
            type(model)(*(params * np.exp(sign * step * np.eye(4)[number]))).log_likelihood(x, t_x, T)
            for sign in (1, -1)
        )
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-7)


@by_model
@pytest.mark.parametrize(("x", "t_x", "T"), CUSTOMERS)
def test_mean_and_variance_are_those_of_the_counts(model, x, t_x, T):
    n = np.arange(3_000)
    more = model.order_count_sf(n, x, t_x, T, 25)
    assert (np.diff(more) <= 1e-15).all()
    assert more[-1] < 1e-12
    mean = more.sum()
    assert model.expected_orders(x, t_x, T, 25) == pytest.approx(mean, rel=1e-7)
    assert model.order_variance(x, t_x, T, 25) == pytest.approx(((2 * n + 1) * more).sum() - mean**2, rel=1e-6)


@pytest.mark.parametrize("model", MODELS[2:], ids=str)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_pareto_counts_by_quadrature_over_the_lifetime(model, n):
    """P(N > n | alive) = ∫ density of the remaining lifetime · P(negative binomial over min(lifetime, t) > n)."""
    x, T, t = 6, 30, 25
    alive = model.alive_prob(x, T, T)
    assert alive == 1

    def more(time):
        odds = time / (model.alpha + T)
        k = np.arange(n + 1)
        log_pmf = gammaln(model.r + x + k) - gammaln(model.r + x) - gammaln(k + 1) + k * np.log(odds)
        return 1 - np.exp(log_pmf - (model.r + x + k) * np.log1p(odds)).sum()

    life = model.beta + T
    inside, _ = quad(lambda u: model.s / life * (1 + u / life) ** (-model.s - 1) * more(u), 1e-12, t, epsabs=1e-12)
    expected = inside + (1 + t / life) ** -model.s * more(t)
    assert model.order_count_sf(n, x, T, T, t) == pytest.approx(expected, rel=1e-8)


def test_where_everybody_is_alike_the_counts_are_those_of_one_customer():
    """r and α, a and b so large that everybody has rate 1/2 and chance 1/4: a Poisson count, cut short."""
    model, n = BGNBD(1e6, 2e6, 1e6, 3e6), np.arange(12)
    assert model.alive_prob(3, 5, 5) == pytest.approx(3 / 4, rel=1e-4)
    expected = 0.75 * 0.75**n * poisson.sf(n, 10 / 2)
    assert model.order_count_sf(n, 3, 5, 5, 10) == pytest.approx(expected, rel=1e-4)
    assert model.expected_orders(3, 5, 5, 10) == pytest.approx(0.75 * (1 - np.exp(-10 / 2 / 4)) * 4, rel=1e-4)


@by_model
@pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
@pytest.mark.parametrize("shape", [1e-5, 1, 1e5])
def test_extreme_customers_and_parameters_stay_finite(model, scale, shape):
    values = list(vars(model).values())
    model = type(model)(values[0] * shape, values[1] * shape * scale, values[2] * shape, values[3] * shape)
    x = np.array([0, 0, 1, 1, 5_000, 5_000, 5_000, 40])
    t_x = np.array([0, 0, 1e-3, 3_000, 1, 2_990, 3_000, 39])
    T = np.array([0, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000, 40])
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(model.log_likelihood(x, t_x, T)).all()
        assert np.isfinite(model.log_likelihood_gradient(x, t_x, T)).all()
        alive = model.alive_prob(x, t_x, T)
        mean, variance = model.expected_orders(x, t_x, T, 365), model.order_variance(x, t_x, T, 365)
        none, most = model.orders_none_prob(x, t_x, T, 365), model.order_quantile(0.95, x, t_x, T, 365)
    assert ((alive >= 0) & (alive <= 1) & (none >= 0) & (none <= 1)).all()
    assert ((mean >= 0) & np.isfinite(mean) & (variance >= -1e-9 * mean) & np.isfinite(variance)).all()
    # A count has no more variance than this around its mean, nor a quantile further out (Cantelli).
    assert (most <= mean + np.sqrt(np.maximum(variance, 0) * 19) + 1).all()


@by_model
def test_who_ordered_at_the_last_moment_is_alive_and_who_is_long_silent_is_not(model):
    last_chance = model.a / (model.a + model.b + 9) if hasattr(model, "a") else 0
    assert model.alive_prob(10, 40, 40) == pytest.approx(1 - last_chance, abs=0.04)
    silent = model.alive_prob(10, 40, 40 + np.array([0, 1, 10, 100, 1_000, 1e6]))
    assert (np.diff(silent) < 0).all()
    assert silent[-1] < 1e-9
    assert BGNBD(1, 1, 1, 1).alive_prob(0, 0, 1e6) == 1
    assert MBGNBD(1, 1, 1, 3).alive_prob(0, 0, 0) == pytest.approx(3 / 4)
    assert ParetoNBD(1, 1, 1, 1).alive_prob(0, 0, 0) == 1


@by_model
def test_nothing_comes_in_no_time_and_more_in_more(model):
    x, t_x, T = np.array(CUSTOMERS, dtype=float).T
    assert (model.expected_orders(x, t_x, T, 0) == 0).all()
    assert (model.order_variance(x, t_x, T, 0) == 0).all()
    assert (model.orders_none_prob(x, t_x, T, 0) == 1).all()
    assert (model.order_quantile(0.999, x, t_x, T, 0) == 0).all()
    rising = model.expected_orders(x, t_x, T, np.array([1, 5, 20, 100, 1_000])[:, None])
    assert rising.shape == (5, 7)
    assert (np.diff(rising, axis=0) > 0).all()


@by_model
def test_numbers_that_mean_nothing_are_refused(model):
    for t in (-1, np.nan):
        with pytest.raises(ValueError, match="over a time t that is below 0 or missing"):
            model.expected_orders(1, 2, 3, t)
    for q in (0, 1, -0.1):
        with pytest.raises(ValueError, match="q that is not between 0 and 1"):
            model.order_quantile(q, 1, 2, 3, 4)
    with pytest.raises(ValueError, match="missing or infinite"):
        model.order_quantile(0.9, [1, np.nan], 2, 3, 4)
