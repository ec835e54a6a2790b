"""A calibrated classifier of yes and no, and how good it is: a frame of features in, probabilities out.

Symbols: ``y`` (n,) is 1 where the outcome happened and 0 where not, ``p`` (n,) the probability given to it, ``groups`` (n,)
whose row it is: rows of one group are never parted between learning and judging. Estimators are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, rankdata
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

N_FOLDS = 5
# Values of a category beyond so many, or with fewer rows, count as one.
MIN_ROWS_OF_CATEGORY = 10
_COMMON = {"max_categories": 20, "min_frequency": MIN_ROWS_OF_CATEGORY}
MIN_KNOWN = 50
# The bootstrap: so many resamples of at most so many rows, whose spread is scaled to all of them.
N_RESAMPLES, MAX_RESAMPLED_ROWS = 200, 4000
N_BINS = 10
MAX_USUAL = 5


@dataclass(frozen=True)
class Features:
    """The columns of a frame that are looked at: ``numbers`` as they stand, ``skewed`` numbers by their logarithm (both may
    be missing), ``categories`` as text."""

    numbers: tuple[str, ...] = ()
    skewed: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [*self.numbers, *self.skewed, *self.categories]

    def only(self, *names: str) -> Features:
        kinds = (self.numbers, self.skewed, self.categories)
        return Features(*(tuple(one for one in kind if one in names) for kind in kinds))

    def without(self, names: Sequence[str]) -> Features:
        return self.only(*(one for one in self.names if one not in names))


# Learning.


def _signed_log(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.log1p(np.abs(x))


def _logistic(features: Features, seed: int) -> object:
    filled = (SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, **_COMMON)
    columns = make_column_transformer(
        (make_pipeline(*filled), list(features.numbers)),
        (make_pipeline(FunctionTransformer(_signed_log), *filled), list(features.skewed)),
        (one_hot, list(features.categories)),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=2000, random_state=seed))


def _boosting(features: Features, seed: int) -> object:
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **_COMMON)
    columns = make_column_transformer(
        ("passthrough", [*features.numbers, *features.skewed]), (ordinal, list(features.categories))
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=60, max_leaf_nodes=8, min_samples_leaf=30, early_stopping=False, random_state=seed
    )
    return make_pipeline(columns, trees)


KINDS: dict[str, Callable[[Features, int], object]] = {"logistic": _logistic, "boosting": _boosting}


def fit(kind: str, frame: pd.DataFrame, y: np.ndarray, groups: np.ndarray, features: Features, seed: int):
    """The estimator ``kind`` of KINDS on all rows, calibrated by a sigmoid (Platt) on its probabilities out of fold. A number that
    is known in fewer than MIN_KNOWN rows is no feature."""
    numbers = (*features.numbers, *features.skewed)
    features = features.without([one for one in numbers if frame[one].count() < MIN_KNOWN])
    # One thread: the same to the last digit on every machine, and not slower beside others at work.
    folds = group_folds(groups, seed)
    with threadpool_limits(1):
        model = CalibratedClassifierCV(KINDS[kind](features, seed), method="sigmoid", cv=folds, ensemble=False)
        return model.fit(frame[features.names], y)


def predict(model, frame: pd.DataFrame) -> np.ndarray:
    """p of each row."""
    with threadpool_limits(1):
        return model.predict_proba(frame[list(model.feature_names_in_)])[:, 1]


def group_folds(groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """N_FOLDS pairs of rows to learn from and rows to judge, a group's rows always together."""
    # Numbers: to look for texts takes longer than to learn.
    numbers = np.unique(groups, return_inverse=True)[1]
    return list(GroupKFold(N_FOLDS, shuffle=True, random_state=seed).split(numbers, groups=numbers))


def stratified_folds(y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """N_FOLDS such pairs of rows that are each somebody else's, with y alike in all."""
    return list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(y, y))


def cross_validate(kind: str, frame: pd.DataFrame, y: np.ndarray, features: Features, seed: int) -> np.ndarray:
    """p of each row by a model that has not seen it, in ``stratified_folds``."""
    p = np.empty(len(y))
    for learned, judged in stratified_folds(y, seed):
        model = fit(kind, frame.iloc[learned], y[learned], learned, features, seed)
        p[judged] = predict(model, frame.iloc[judged])
    return p


def single_aucs(
    frame: pd.DataFrame, y: np.ndarray, groups: np.ndarray, features: Features, seed: int
) -> dict[str, float]:
    """The AUC of each feature alone, out of fold and whatever the shape: a value (of numbers a class of 32, a missing one is one
    more) counts as the rate of y among the learned rows with it. Far above the others: it knows the outcome."""
    folds = group_folds(groups, seed)
    found = {}
    for name in features.names:
        is_text = name in features.categories
        values = frame[name] if is_text else pd.qcut(frame[name], 32, labels=False, duplicates="drop")
        codes, p = pd.factorize(values, use_na_sentinel=False)[0], np.empty(len(y))
        for learned, judged in folds:
            n, n_yes = (np.bincount(codes[learned], one, codes.max() + 1) for one in (None, y[learned]))
            p[judged] = ((n_yes + MIN_ROWS_OF_CATEGORY * y[learned].mean()) / (n + MIN_ROWS_OF_CATEGORY))[codes[judged]]
        found[name] = auc(y, p)
    return found


# Judging.


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """The chance that a row with y = 1 has the higher p of two, a tie counting half (Mann and Whitney 1947)."""
    n_yes = y.sum()
    return float((rankdata(p)[y == 1].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * (len(y) - n_yes)))


def average_precision(y: np.ndarray, p: np.ndarray) -> float:
    """The rate of y among the rows with p or more, averaged over the rows with y = 1. Without knowledge it is the rate of y."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    hits = np.cumsum(y[order])[ends]
    return float(np.diff(hits, prepend=0) @ (hits / (ends + 1)) / hits[-1])


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """The mean squared error of the probability; 0 is best (Brier 1950)."""
    return float(np.mean((p - y) ** 2))


def _bins(p: np.ndarray) -> np.ndarray:
    """The number, from 0, of the bin of each row: N_BINS of equal size by p, equal p always together."""
    return ((rankdata(p) - 0.5) * N_BINS // len(p)).astype(int)


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """The mean distance of forecast and outcome over N_BINS bins of equal size (expected calibration error)."""
    return float(np.abs(np.bincount(_bins(p), p - y)).sum() / len(y))


def lift(y: np.ndarray, p: np.ndarray, share: float = 0.1) -> float:
    """The rate of y in the ``share`` of rows with the highest p, over the rate in all; rows that tie at the border count
    in part."""
    n = int(np.ceil(share * len(y)))
    border = np.partition(p, -n)[-n]
    above, tied = p > border, p == border
    hits = y[above].sum() + (n - above.sum()) * y[tied].mean()
    return float(hits / n / y.mean())


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auc": auc,
    "average_precision": average_precision,
    "brier": brier,
    "calibration_error": calibration_error,
    "lift": lift,
}


def judge(y: np.ndarray, forecasts: Mapping[str, np.ndarray], seed: int) -> pd.DataFrame:
    """Each forecast by each of MEASURES, with the 95 % interval of the basic bootstrap over rows.

    The columns: forecast, measure, value, low, high; lead, lead_low and lead_high: how far the first forecast's value is
    above this one's, on the same resamples. y must hold both outcomes.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    n = min(len(y), MAX_RESAMPLED_ROWS)
    resamples = []
    while len(resamples) < N_RESAMPLES:
        rows = rng.integers(0, len(y), n)
        if 0 < y[rows].sum() < n:
            resamples.append(rows)
    told, first = [], {}
    for forecast, p in forecasts.items():
        for measure, compute in MEASURES.items():
            value = float(compute(y, p))
            # The spread of fewer rows is wider, by the root of their number.
            spread = np.array([compute(y[rows], p[rows]) - value for rows in resamples]) * np.sqrt(n / len(y))
            best, best_spread = first.setdefault(measure, (value, spread))
            # No measure goes below zero.
            low, high = np.maximum(value - np.quantile(spread, [0.975, 0.025]), 0)
            # Chance alone raises the calibration error: what is left without it can lie below the value.
            low, high = min(low, value), max(high, value)
            lead_low, lead_high = best - value - np.quantile(best_spread - spread, [0.975, 0.025])
            told.append((forecast, measure, value, low, high, best - value, lead_low, lead_high))
    columns = ["forecast", "measure", "value", "low", "high", "lead", "lead_low", "lead_high"]
    return pd.DataFrame(told, columns=columns)


def calibration(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """The bins of ``calibration_error``, lowest first: n, forecast (mean p), outcome (rate of y) and its 95 % interval."""
    told = []
    for _bin, rows in pd.DataFrame({"y": y, "p": p}).groupby(_bins(p)):
        told.append((len(rows), rows["p"].mean(), rows["y"].mean(), *wilson(int(rows["y"].sum()), len(rows))))
    return pd.DataFrame(told, columns=["n", "forecast", "outcome", "low", "high"])


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return interval.low, interval.high


# Why.


Usual = Mapping[str, list[tuple[float, dict[str, object]]]]


def describe_usual(frame: pd.DataFrame, features: Features, sets: Mapping[str, Sequence[str]]) -> Usual:
    """How each set of features usually is, as values with their share: numbers at their median, categories each as often as it
    occurs (the MAX_USUAL commonest)."""
    found = {}
    for name, members in sets.items():
        categories = [one for one in members if one in features.categories]
        medians = {one: float(frame[one].median()) for one in members if one not in categories}
        values = frame.value_counts(categories).head(MAX_USUAL) if categories else pd.Series([1], index=[()])
        found[name] = [
            (n / values.sum(), medians | dict(zip(categories, value, strict=True))) for value, n in values.items()
        ]
    return found


def occlude(model, frame: pd.DataFrame, usual: Usual) -> pd.DataFrame:
    """By how much each set of features raises p: p less what p would be with these features as usual, and all others as they are.
    A row per row, a column per set."""
    p = predict(model, frame)
    changed = {
        name: p - sum(share * predict(model, frame.assign(**values)) for share, values in cases)
        for name, cases in usual.items()
    }
    return pd.DataFrame(changed, index=frame.index)


def importance(
    model, frame: pd.DataFrame, y: np.ndarray, sets: Mapping[str, Sequence[str]], seed: int
) -> dict[str, float]:
    """How much AUC is lost where a set of features is dealt out anew among the rows (permutation importance, Breiman 2001)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    whole = auc(y, predict(model, frame))
    lost = {}
    for name, members in sets.items():
        dealt = frame[list(members)].iloc[rng.permutation(len(frame))].set_index(frame.index)
        lost[name] = whole - auc(y, predict(model, frame.assign(**dealt)))
    return lost
