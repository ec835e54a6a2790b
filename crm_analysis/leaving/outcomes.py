"""A yes-or-no outcome of customers: learned on earlier days, judged on later ones, and explained for each customer.

Rows are frames with ``customer_id``, ``is_lost`` (the outcome) and the features. Where days are known, a forecast is judged on
the last day whose outcome is complete, and learned only from days whose outcome was complete by then; where there is one
day only, by stratified cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import narwhals as nw
import numpy as np
import pandas as pd

from crm_analysis import engine, language
from crm_analysis.engine import Table
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.leaving.drivers import SHOWN
from crm_analysis.models import classifier
from crm_analysis.models.classifier import Features
from crm_analysis.schema import Column, Shape

# Customers with each outcome, without whom nothing is learned or judged.
MIN_OF_EACH = 25
# A text attribute is a number where all its texts are, and there are more of them than this.
MOST_CODES = 10
# A larger calibration error is called poor.
MAX_CALIBRATION_ERROR = 0.05
KIND_NAMES = {"logistic": mark("logistic regression"), "boosting": mark("gradient boosting")}
BASE_RATE = mark("everybody alike")
ALIVE, NO_ORDER = mark("P(alive), MBG/NBD"), mark("no order, MBG/NBD")
# Forecasts that tell who is likelier, not how likely the outcome is.
RANKINGS = (ALIVE,)
# A customer's reasons: at most so many, and each makes up this share of the probability at least, but for a lone one.
N_REASONS, LEAST_SHARE = 3, 0.05
# Drivers whose values are looked at, and categories of each.
MOST_CLASSED, MOST_CLASSES = 4, 6
OTHER, NOT_KNOWN = mark("other"), mark("not known")
# A driver counts that is worth so much AUC.
LEAST_LOSS = 0.002

_MEASURES = {
    "auc": mark("AUC (0.5 guessed, 1 perfect)"),
    "lift": mark("lift in the top tenth"),
    "average_precision": mark("average precision (1 perfect)"),
    "brier": mark("Brier score (0 perfect)"),
    "calibration_error": mark("calibration error (0 perfect)"),
}
SCORECARD = Shape(
    "one row per forecast; in brackets the 95% interval",
    {
        "forecast": Column("label", "forecast"),
        "n_customers": Column("integer", "customers judged"),
        **{one: Column("text", meaning) for one, meaning in _MEASURES.items()},
    },
)
CALIBRATION = Shape(
    "one row per tenth of the customers judged, by forecast",
    {
        "n_customers": Column("integer", "customers"),
        "forecast_prob": Column("fraction", "mean forecast"),
        "lost_rate": Column("fraction", "share that was lost"),
        "lost_rate_low": Column("fraction", "lower bound of its 95% interval"),
        "lost_rate_high": Column("fraction", "upper bound of its 95% interval"),
    },
)
DRIVERS = Shape(
    "one row per driver of the forecast, the strongest first",
    {
        "driver": Column("label", "driver"),
        "auc_loss": Column("fraction", "AUC lost where the driver is dealt out at random"),
    },
)
CLASSES = Shape(
    "one row per driver and class of its values",
    {
        "driver": Column("label", "driver"),
        "class": Column("text", "value", own=(OTHER, NOT_KNOWN)),
        "n_customers": Column("integer", "customers judged"),
        "lost_rate": Column("fraction", "share that was lost"),
    },
)


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How to learn. ``features``; ``sets``: the features that make one driver; ``attributes``: those of the features that may
    know the outcome, and are refused where their AUC alone is above ``max_single_auc``."""

    kind: str
    features: Features
    sets: Mapping[str, Sequence[str]]
    attributes: Sequence[str]
    max_single_auc: float
    seed: int

    @property
    def kinds(self) -> list[str]:
        """All kinds of estimator, the one that is used first."""
        return sorted(classifier.KINDS, key=lambda kind: kind != self.kind)

    def without(self, names: Sequence[str]) -> Learning:
        sets = {name: [one for one in members if one not in names] for name, members in self.sets.items()}
        return replace(
            self,
            features=self.features.without(names),
            sets={name: members for name, members in sets.items() if members},
            attributes=[one for one in self.attributes if one not in names],
        )


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A forecast that was judged. ``aucs``: of each attribute alone; ``refused``: those of them that are too good; ``rivals``: the
    simple forecasts it was compared with; ``scores``: rows of classifier.judge."""

    learning: Learning
    model: object
    usual: classifier.Usual
    aucs: Mapping[str, float]
    refused: Sequence[str]
    rivals: Sequence[str]
    scores: pd.DataFrame
    scorecard: pd.DataFrame
    calibration: pd.DataFrame
    drivers: pd.DataFrame
    classes: pd.DataFrame


# What there is where nothing is forecast.
NO_OUTLOOK = Outlook(
    learning=None, model=None, usual={}, aucs={}, refused=(), rivals=(), scores=pd.DataFrame(columns=["forecast", "measure", "value"]),
    **{name: pd.DataFrame(columns=list(shape.columns)) for name, shape in
       {"scorecard": SCORECARD, "calibration": CALIBRATION, "drivers": DRIVERS, "classes": CLASSES}.items()},
)  # fmt: skip


# Rows.


def read_attributes(table: Table, names: Sequence[str]) -> tuple[Table, Features]:
    """The table with attributes that hold numbers only as numbers; and which are what."""
    if not names:
        return table, Features()
    parsed = engine.parse_decimals(table, dict.fromkeys(names, (18, 4)))
    counts = engine.collect(table.select(*[nw.col(one).n_unique().alias(one) for one in names]), 1).iloc[0]
    read = engine.collect(parsed.select(*[nw.col(one).count().alias(one) for one in names]), 1).iloc[0]
    filled = engine.collect(table.select(*[nw.col(one).count().alias(one) for one in names]), 1).iloc[0]
    numbers = [one for one in names if filled[one] and read[one] == filled[one] and counts[one] > MOST_CODES]
    texts = [one for one in names if one not in numbers]
    table = engine.parse_decimals(table, dict.fromkeys(numbers, (18, 4))) if numbers else table
    return table, Features(numbers=tuple(numbers), categories=tuple(texts))


def select_rows(table: Table, features: Features, *others: str) -> Table:
    """customer_id, the features (numbers as floating point, an empty text for no category) and other columns."""
    numbers = [nw.col(one).cast(nw.Float64) for one in (*features.numbers, *features.skewed)]
    categories = [nw.col(one).fill_null("") for one in features.categories]
    return table.select("customer_id", *others, *numbers, *categories)


def require_outcomes(rows: pd.DataFrame, is_to_judge: bool, file: str) -> None:
    """Raises NotEnoughData E-MIN-3 where too few customers were lost, or stayed, to learn or to judge from."""
    lost, stayed = (
        rows.loc[rows["is_lost"] == is_lost, "customer_id"].nunique() if len(rows) else 0 for is_lost in (True, False)
    )
    if min(lost, stayed) >= MIN_OF_EACH:
        return
    if lost < MIN_OF_EACH and is_to_judge:
        fix = counted(
            lost,
            "only {n} customer was lost in the time to judge from; a forecast needs {least}",
            "only {n} customers were lost in the time to judge from; a forecast needs {least}",
            least=MIN_OF_EACH,
        )
    elif lost < MIN_OF_EACH:
        fix = counted(
            lost,
            "only {n} customer was lost in the time to learn from; a forecast needs {least}",
            "only {n} customers were lost in the time to learn from; a forecast needs {least}",
            least=MIN_OF_EACH,
        )
    elif is_to_judge:
        fix = counted(
            stayed,
            "only {n} customer stayed in the time to judge from; a forecast needs {least}",
            "only {n} customers stayed in the time to judge from; a forecast needs {least}",
            least=MIN_OF_EACH,
        )
    else:
        fix = counted(
            stayed,
            "only {n} customer stayed in the time to learn from; a forecast needs {least}",
            "only {n} customers stayed in the time to learn from; a forecast needs {least}",
            least=MIN_OF_EACH,
        )
    raise NotEnoughData("E-MIN-3", fix, file=file)


# Learning and judging.


def learn_over_time(
    days: Sequence[tuple[int, pd.DataFrame]],
    horizon_days: int,
    learning: Learning,
    *,
    alone: Mapping[str, str],
    file: str,
    others: Mapping[str, np.ndarray] = MappingProxyType({}),
    parts: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Outlook:
    """Learned on ``days`` (each with its rows; the newest first), and judged on the newest by what was known of outcomes then.

    To compare with: ``alone``, name → the one feature of a forecast; ``others``, name → p of the newest rows, of which
    those in RANKINGS only rank. ``parts``: name → which of the newest rows are judged once more by themselves.
    """
    newest, judged = days[0]
    early = [rows for day, rows in days if day + horizon_days <= newest]
    early = pd.concat(early, ignore_index=True) if early else judged.head(0)
    require_outcomes(early, False, file)
    require_outcomes(judged, True, file)
    rows = pd.concat([rows for _day, rows in days], ignore_index=True)
    learning, aucs = refuse_leaks(learning, rows, judged)
    models = {kind: _fit(kind, early, learning.features, learning.seed) for kind in learning.kinds}
    forecasts = {KIND_NAMES[kind]: classifier.predict(model, judged) for kind, model in models.items()}
    for name, feature in alone.items():
        model = _fit("logistic", early, learning.features.only(feature), learning.seed)
        forecasts[name] = classifier.predict(model, judged)
    forecasts |= {**others, BASE_RATE: np.full(len(judged), _y(early).mean())}
    return _judge(learning, aucs, rows, judged, forecasts, parts, models[learning.kind], judged)


def learn_once(rows: pd.DataFrame, learning: Learning, *, alone: Mapping[str, str], file: str) -> Outlook:
    """Learned on all rows, and judged by stratified cross-validation. To compare with: ``alone``, as above."""
    require_outcomes(rows, False, file)
    learning, aucs = refuse_leaks(learning, rows)
    y = _y(rows)

    def cross_validate(kind: str, features: Features) -> np.ndarray:
        return classifier.cross_validate(kind, rows, y, features, learning.seed)

    forecasts = {KIND_NAMES[kind]: cross_validate(kind, learning.features) for kind in learning.kinds}
    forecasts |= {name: cross_validate("logistic", learning.features.only(one)) for name, one in alone.items()}
    forecasts[BASE_RATE] = np.full(len(rows), y.mean())
    learned, held_out = classifier.stratified_folds(y, learning.seed)[0]
    model = _fit(learning.kind, rows.iloc[learned], learning.features, learning.seed)
    return _judge(learning, aucs, rows, rows, forecasts, {}, model, rows.iloc[held_out])


def refuse_leaks(learning: Learning, *samples: pd.DataFrame) -> tuple[Learning, dict[str, float]]:
    """The learning without the attributes that alone tell the outcome too well in one of the samples, and the highest AUC of
    each attribute alone."""
    features = learning.features.only(*learning.attributes)
    if not features.names:
        return learning, {}
    found = [
        classifier.single_aucs(rows, _y(rows), rows["customer_id"].to_numpy(), features, learning.seed)
        for rows in samples
    ]
    aucs = {name: max(one[name] for one in found) for name in found[0]}
    return learning.without([name for name, auc in aucs.items() if auc > learning.max_single_auc]), aucs


def _judge(
    learning: Learning, aucs: dict[str, float], rows: pd.DataFrame, judged: pd.DataFrame,
    forecasts: dict[str, np.ndarray], parts: Mapping[str, np.ndarray], model: object, held_out: pd.DataFrame,
) -> Outlook:  # fmt: skip
    """``model`` has not seen ``held_out``."""
    y, own = _y(judged), next(iter(forecasts))
    whole = classifier.judge(y, forecasts, learning.seed).assign(n_customers=len(y))
    scores = [
        classifier.judge(y[some], {name: forecasts[own][some]}, learning.seed).assign(n_customers=some.sum())
        for name, some in parts.items()
        if 0 < y[some].sum() < some.sum()
    ]
    is_own = whole["forecast"] == own
    scores = pd.concat([whole[is_own], *scores, whole[~is_own]], ignore_index=True)
    lost = classifier.importance(model, held_out, _y(held_out), learning.sets, learning.seed)
    drivers = pd.DataFrame(sorted(lost.items(), key=lambda one: -one[1]), columns=["driver", "auc_loss"])
    return Outlook(
        learning=learning,
        model=_fit(learning.kind, rows, learning.features, learning.seed),
        usual=classifier.describe_usual(rows[~rows["is_lost"]], learning.features, learning.sets),
        aucs=aucs,
        refused=[name for name, auc in aucs.items() if auc > learning.max_single_auc],
        rivals=[one for one in forecasts if one not in (*KIND_NAMES.values(), BASE_RATE)],
        scores=scores,
        scorecard=describe_scores(scores),
        calibration=describe_calibration(classifier.calibration(y, forecasts[own])),
        drivers=DRIVERS.frame(drivers),
        classes=describe_classes(
            judged, learning, list(drivers.loc[drivers["auc_loss"] > LEAST_LOSS, "driver"][:MOST_CLASSED])
        ),
    )


def _fit(kind: str, rows: pd.DataFrame, features: Features, seed: int):
    return classifier.fit(kind, rows, _y(rows), rows["customer_id"].to_numpy(), features, seed)


def _y(rows: pd.DataFrame) -> np.ndarray:
    return rows["is_lost"].to_numpy().astype(int)


# The forecast of everybody, and its reasons: inside the engine, a batch of rows at a time.


def score(table: Table, outlook: Outlook) -> Table:
    """customer_id and ``churn_prob`` of each row of a table with the features."""

    def forecast(frame: pd.DataFrame) -> pd.DataFrame:
        p = classifier.predict(outlook.model, _as_rows(frame, outlook.learning.features))
        return pd.DataFrame({"customer_id": frame["customer_id"], "churn_prob": p.round(6)})

    rows = select_rows(table, outlook.learning.features)
    return _map(rows, forecast, {"customer_id": "VARCHAR", "churn_prob": "DOUBLE"})


Say = Callable[[str, Mapping[str, object]], str]


def explain(table: Table, outlook: Outlook, say: Say, others: Sequence[str]) -> Table:
    """customer_id and ``reason``: the drivers that raise this customer's forecast most, as ``say`` tells them from the row
    (features and ``others``); one of which it says nothing is passed over."""

    def tell(frame: pd.DataFrame) -> pd.DataFrame:
        rows = _as_rows(frame, outlook.learning.features)
        occluded = classifier.occlude(outlook.model, rows, outlook.usual)
        raised, names_of = occluded.to_numpy(), list(occluded)
        least = LEAST_SHARE * classifier.predict(outlook.model, rows)
        order = raised.argsort(axis=1, kind="stable")[:, ::-1]
        reasons = []
        for place, row in enumerate(frame.to_dict("records")):
            own = {names_of[one]: raised[place, one] for one in order[place] if raised[place, one] > 0}
            names, strong = list(own), [one for one, by in own.items() if by > least[place]]
            # Two drivers may say the same. Where none is strong, the strongest that says something.
            said = list(dict.fromkeys(filter(None, (say(one, row) for one in strong))))[:N_REASONS]
            said = said or list(filter(None, (say(one, row) for one in names)))[:1]
            reasons.append(_("; ").join(said) or _("no single driver stands out"))
        return pd.DataFrame({"customer_id": frame["customer_id"], "reason": reasons})

    rows = select_rows(table, outlook.learning.features, *others)
    return _map(rows, tell, {"customer_id": "VARCHAR", "reason": "VARCHAR"})


def _map(rows: Table, function: Callable[[pd.DataFrame], pd.DataFrame], types: dict[str, str]) -> Table:
    """``engine.map_batches``, where the engine may also give a batch of no rows, of which an estimator would have none."""
    return engine.map_batches(
        rows, lambda frame: function(frame) if len(frame) else pd.DataFrame(columns=list(types), dtype=object), types
    )


def _as_rows(frame: pd.DataFrame, features: Features) -> pd.DataFrame:
    """A batch of the engine's as the frames that were learned from."""
    return frame[features.names].astype(dict.fromkeys([*features.numbers, *features.skewed], float))


# Small frame steps.


def describe_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """SCORECARD from classifier.judge's rows; a ranking has neither Brier score nor calibration."""
    is_void = scores["forecast"].isin(RANKINGS) & scores["measure"].isin(["brier", "calibration_error"])
    told = []
    for (name, n), part in scores[~is_void].groupby(["forecast", "n_customers"], sort=False):
        row = {"forecast": name, "n_customers": n}
        for one in part.itertuples():
            digits = 1 if one.measure == "lift" else 3
            value, low, high = (language.decimal(number, digits) for number in (one.value, one.low, one.high))
            row[one.measure] = f"{value} ({low}–{high})"
        told.append(row)
    return SCORECARD.frame(pd.DataFrame(told, columns=list(SCORECARD.columns)))


def describe_calibration(bins: pd.DataFrame) -> pd.DataFrame:
    names = {"n": "n_customers", "forecast": "forecast_prob", "outcome": "lost_rate"}
    return CALIBRATION.frame(bins.rename(columns=names | {"low": "lost_rate_low", "high": "lost_rate_high"}))


def describe_classes(rows: pd.DataFrame, learning: Learning, drivers: Sequence[str]) -> pd.DataFrame:
    """CLASSES of what each driver is shown by: numbers in quarters of the customers, the commonest categories."""
    told = []
    for driver in drivers:
        column, words = SHOWN.get(driver, (learning.sets[driver][0], driver))
        values, is_lost = rows[column], rows["is_lost"]
        if column in learning.features.categories:
            common = values.value_counts().index[:MOST_CLASSES]
            classes = values.where(values.isin(common), OTHER).replace("", NOT_KNOWN)
        else:
            classes = pd.qcut(values, 4, labels=False, duplicates="drop")
        for name, some in values.groupby(classes):
            text = name if isinstance(name, str) else _span(some.min(), some.max())
            told.append((words, text, len(some), is_lost[some.index].mean()))
    return CLASSES.frame(pd.DataFrame(told, columns=list(CLASSES.columns)))


def _span(low: float, high: float) -> str:
    ends = [language.plain(one) if abs(high) < 10 else language.integer(one) for one in (low, high)]
    return ends[0] if ends[0] == ends[1] else " – ".join(ends)


def warn(outlook: Outlook) -> list[str]:
    """What the reader must know before trusting the forecast."""
    told = [
        _("“{name}” alone tells who is lost (AUC {auc}), as only something recorded afterwards can: it is left out of the"
          " forecast. Check what it is.").format(name=language.attribute(name), auc=language.decimal(outlook.aucs[name], 3))
        for name in outlook.refused
    ]  # fmt: skip
    scores = outlook.scores.set_index(["forecast", "measure"])
    own = outlook.scores["forecast"].iloc[0]
    auc = scores.loc[(own, "auc")]
    if outlook.learning.attributes and auc["value"] > outlook.learning.max_single_auc:
        text = _("The forecast is better than such forecasts can be (AUC {auc}): look whether an attribute was recorded after the"
                 " customer had left.")  # fmt: skip
        told.append(text.format(auc=language.decimal(auc["value"], 3)))
    if auc["low"] <= 0.5:
        text = _(
            "The forecast does not tell customers apart: AUC {auc}, and 0.5 is a guess. The list is by value, no more."
        )
        told.append(text.format(auc=language.decimal(auc["value"], 3)))
    for name in outlook.rivals if auc["low"] > 0.5 else ():
        rival = scores.loc[(name, "auc")]
        if rival["lead_low"] <= 0:
            text = _("The forecast is not proven better than the simpler one “{name}”: AUC {own} against {rival}.")
            numbers = {"own": language.decimal(auc["value"], 3), "rival": language.decimal(rival["value"], 3)}
            told.append(text.format(name=_(name), **numbers))
    if scores.loc[(own, "brier"), "value"] >= scores.loc[(BASE_RATE, "brier"), "value"]:
        told.append(
            _("The probabilities are no better than giving everybody the same: use the order of the list only.")
        )
    error, bins = scores.loc[(own, "calibration_error"), "value"], outlook.calibration
    if error > MAX_CALIBRATION_ERROR:
        forecast, outcome = (
            np.average(bins[one], weights=bins["n_customers"]) for one in ("forecast_prob", "lost_rate")
        )
        text = _("The probabilities are poorly calibrated: forecast and outcome differ by {error} points on average, {forecast}"
                 " of the customers were forecast to be lost and {outcome} were. Read money at risk as an order, not as"
                 " an amount.")  # fmt: skip
        numbers = {"forecast": language.percent(forecast), "outcome": language.percent(outcome)}
        told.append(text.format(error=language.decimal(100 * error), **numbers))
    return told
