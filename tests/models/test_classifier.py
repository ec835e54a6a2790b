"""The classifier: its measures by hand and against scikit-learn, its intervals, what it refuses and what it says raises a forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from crm_analysis.models import classifier
from crm_analysis.models.classifier import Features

FEATURES = Features(numbers=("age",), skewed=("amount",), categories=("plan",))


def draw(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, outcomes, and the true probabilities: they rise with the logarithm of the amount, and for one of the plans."""
    rng = np.random.Generator(np.random.PCG64(seed))
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "amount": rng.lognormal(3, 1, n),
            "plan": rng.choice(["basic", "standard", "premium"], n),
        }
    )
    odds = -4 + np.log1p(frame["amount"]) + 1.5 * (frame["plan"] == "basic")
    p = (1 / (1 + np.exp(-odds))).to_numpy()
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    return frame, (rng.random(n) < p).astype(int), p


outcomes_and_forecasts = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=4, max_size=60
).filter(lambda rows: len({y for y, _p in rows}) == 2)


# --- measures --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(rows=outcomes_and_forecasts)
def test_measures_as_scikit_learn_has_them_ties_included(rows):
    y, p = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    y = y.astype(int)
    assert classifier.auc(y, p) == pytest.approx(roc_auc_score(y, p))
    assert classifier.average_precision(y, p) == pytest.approx(average_precision_score(y, p))
    assert classifier.brier(y, p) == pytest.approx(brier_score_loss(y, p))


def test_lift_by_hand():
    y = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    p = np.linspace(1, 0.05, 20)
    # Of twenty the tenth is two, both lost; of all three in twenty are.
    assert classifier.lift(y, p) == pytest.approx(1 / (3 / 20))
    # One above, and one of the five that tie, of whom two were lost.
    tied = np.array([0.9, *[0.5] * 5, *[0.1] * 14])
    assert classifier.lift(y, tied) == pytest.approx((1 + 2 / 5) / 2 / (3 / 20))
    assert classifier.lift(y, np.full(20, 0.3)) == pytest.approx(1)


def test_calibration_by_hand():
    """Ten bins of two; in each 0.1 is forecast to two, of whom one was lost: 0.5 - 0.1 in every bin."""
    p = np.linspace(0.1, 0.101, 20)
    y = np.tile([0, 1], 10)
    assert classifier.calibration_error(y, p) == pytest.approx(0.4, abs=0.001)
    bins = classifier.calibration(y, p)
    assert bins["n"].tolist() == [2] * 10
    assert bins["outcome"].tolist() == [0.5] * 10
    # Wilson, one of two: (1/2 + z²/4 ± z·sqrt(1/8 + z²/16)) / (1 + z²/2).
    assert (bins["low"][0], bins["high"][0]) == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_equal_forecasts_are_one_bin():
    y = np.array([1, 0, 0, 0] * 25)
    assert classifier.calibration_error(y, np.full(100, 0.3)) == pytest.approx(0.05)
    assert len(classifier.calibration(y, np.full(100, 0.3))) == 1


@settings(max_examples=30, deadline=None)
@given(rows=outcomes_and_forecasts, seed=st.integers(0, 10))
def test_no_measure_depends_on_the_order_of_the_rows(rows, seed):
    y, p = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    y = y.astype(int)
    mixed = np.random.Generator(np.random.PCG64(seed)).permutation(len(y))
    for measure in classifier.MEASURES.values():
        assert measure(y[mixed], p[mixed]) == pytest.approx(measure(y, p))


def test_intervals_hold_the_truth_as_often_as_they_say():
    """The AUC of a normal shift of one is 0.7602: of 60 samples about 57 intervals hold it."""
    held = 0
    for seed in range(60):
        rng = np.random.Generator(np.random.PCG64(seed))
        y = rng.integers(0, 2, 400)
        row = classifier.judge(y, {"f": rng.normal(y, 1)}, seed).set_index("measure").loc["auc"]
        held += row["low"] <= 0.76025 <= row["high"]
    assert 52 <= held <= 60


def test_intervals_of_many_rows_are_scaled_from_fewer(monkeypatch):
    _frame, y, p = draw(6000)
    monkeypatch.setattr(classifier, "MAX_RESAMPLED_ROWS", 6000)
    whole = classifier.judge(y, {"truth": p}, 1)
    monkeypatch.setattr(classifier, "MAX_RESAMPLED_ROWS", 600)
    scaled = classifier.judge(y, {"truth": p}, 1)
    # A tenth of the rows spreads more than three times as wide; scaled back it is the same, but for chance.
    width, again = ((one["high"] - one["low"]).to_numpy()[[0, 1, 2]] for one in (whole, scaled))
    assert again == pytest.approx(width, rel=0.25)
    assert scaled["value"].tolist() == whole["value"].tolist()


def test_the_lead_of_the_first_forecast_is_judged_on_the_same_resamples():
    _frame, y, p = draw(1500)
    told = classifier.judge(y, {"truth": p, "again": p, "worse": 1 - p}, 1).set_index(["forecast", "measure"])
    assert told.loc[("again", "auc"), ["lead", "lead_low", "lead_high"]].tolist() == [0, 0, 0]
    assert told.loc[("worse", "auc"), "lead_low"] > 0.3


# --- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(classifier.KINDS))
def test_a_fit_finds_the_truth_and_is_calibrated(kind):
    frame, y, _p = draw(4000, seed=1)
    later, outcomes, truth = draw(4000, seed=2)
    model = classifier.fit(kind, frame, y, np.arange(len(y)), FEATURES, 1)
    p = classifier.predict(model, later)
    assert classifier.auc(outcomes, p) > classifier.auc(outcomes, truth) - 0.015
    assert classifier.calibration_error(outcomes, p) < 0.03
    assert np.abs(p - truth).mean() < 0.05


@pytest.mark.parametrize("kind", list(classifier.KINDS))
def test_the_same_seed_is_the_same_model_and_a_row_does_not_depend_on_the_others(kind):
    frame, y, _p = draw(600)
    first, second = (classifier.fit(kind, frame, y, np.arange(600), FEATURES, 5) for _ in range(2))
    p = classifier.predict(first, frame)
    assert np.array_equal(p, classifier.predict(second, frame))
    alone = [classifier.predict(first, frame.iloc[[row]])[0] for row in range(5)]
    assert alone == pytest.approx(p[:5], abs=1e-12)


@pytest.mark.parametrize("kind", list(classifier.KINDS))
def test_columns_of_nothing_new_categories_and_one_value_do_no_harm(kind):
    frame, y, _p = draw(600)
    frame = frame.assign(age=np.nan, amount=7.0)
    model = classifier.fit(kind, frame, y, np.arange(600), FEATURES, 1)
    strange = frame.head(3).assign(plan=["unheard of", "", "basic"], age=[1.0, np.nan, 2.0])
    assert np.isfinite(classifier.predict(model, strange)).all()


def test_rows_of_a_group_are_never_parted():
    groups = np.array(["a", "b", "c", "d", "e", "f", "g"]).repeat(4)
    folds = classifier.group_folds(groups, 1)
    assert sorted(np.concatenate([judged for _learned, judged in folds])) == list(range(28))
    for learned, judged in folds:
        assert set(groups[learned]) & set(groups[judged]) == set()


def test_cross_validation_judges_each_row_by_a_model_that_has_not_seen_it():
    """A label of each row's own, which a model that saw it would know by heart."""
    rng = np.random.Generator(np.random.PCG64(3))
    y = rng.integers(0, 2, 400)
    frame = pd.DataFrame({"age": rng.random(400)})
    p = classifier.cross_validate("boosting", frame, y, Features(numbers=("age",)), 1)
    assert 0.4 < classifier.auc(y, p) < 0.6
    for learned, judged in classifier.stratified_folds(y, 1):
        assert y[judged].mean() == pytest.approx(y[learned].mean(), abs=0.02)


def test_what_knows_the_outcome_is_found_whatever_its_shape():
    frame, y, _p = draw(2000)
    rng = np.random.Generator(np.random.PCG64(1))
    noise = rng.random(2000)
    frame = frame.assign(
        # High where lost, but a tenth wrong; missing unless lost; in the middle where lost.
        score=np.where(rng.random(2000) < 0.1, 1 - y, y) + noise / 10,
        refund=np.where(y == 1, noise, np.nan),
        middle=np.where(y == 1, 0.4 + 0.2 * noise, np.where(noise < 0.5, 0.8 * noise, 0.6 + 0.4 * (noise - 0.5))),
        note=np.where(y == 1, "bye", ""),
        city=rng.choice([f"city {number}" for number in range(400)], 2000),
    )
    features = Features(
        numbers=("score", "refund", "middle", "age"), skewed=("amount",), categories=("note", "city", "plan")
    )
    aucs = classifier.single_aucs(frame, y, np.arange(2000), features, 1)
    assert {one for one, auc in aucs.items() if auc > 0.85} == {"score", "refund", "middle", "note"}
    assert aucs["city"] == pytest.approx(0.5, abs=0.06)
    assert aucs["amount"] > 0.65


# --- why -------------------------------------------------------------------------------------------------------------


def test_what_raises_a_forecast_is_what_was_planted():
    frame, y, _p = draw(4000)
    model = classifier.fit("logistic", frame, y, np.arange(len(y)), FEATURES, 1)
    sets = {"age": ["age"], "amount": ["amount"], "plan": ["plan"]}
    usual = classifier.describe_usual(frame[y == 0], FEATURES, sets)
    assert usual["amount"] == [(1.0, {"amount": pytest.approx(frame.loc[y == 0, "amount"].median())})]
    assert sum(share for share, _values in usual["plan"]) == pytest.approx(1)
    people = pd.DataFrame({"age": [40.0] * 3, "amount": [400.0, 15.0, 15.0], "plan": ["premium", "basic", "premium"]})
    raised = classifier.occlude(model, people, usual)
    assert raised.idxmax(axis=1).tolist()[:2] == ["amount", "plan"]
    assert raised["amount"][0] > 0.3 and raised["plan"][1] > 0.1 and raised["plan"][2] < 0
    assert raised["age"].abs().max() < 0.05
    # By hand: p less p with the amount of those who stay.
    changed = people.assign(amount=frame.loc[y == 0, "amount"].median())
    by_hand = classifier.predict(model, people) - classifier.predict(model, changed)
    assert raised["amount"].tolist() == pytest.approx(by_hand.tolist())


def test_a_driver_that_matters_costs_auc_and_another_none():
    frame, y, _p = draw(3000)
    model = classifier.fit("logistic", frame, y, np.arange(len(y)), FEATURES, 1)
    later, outcomes, _truth = draw(3000, seed=9)
    lost = classifier.importance(
        model, later, outcomes, {"age": ["age"], "amount": ["amount"], "both": ["amount", "plan"]}, 1
    )
    assert lost["both"] > lost["amount"] > 0.1 > 0.01 > abs(lost["age"])
