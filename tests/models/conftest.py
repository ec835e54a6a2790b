"""Customers to fit on: simulated ones of known parameters, and those of the CDNOW sample."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crm_analysis.models.bgnbd import BGNBD, MBGNBD
from crm_analysis.models.paretonbd import ParetoNBD

MODELS = {model.name: model for model in (BGNBD, MBGNBD, ParetoNBD)}


@pytest.fixture(scope="session")
def generator():
    """``generator(seed)``: a source of random numbers."""
    return lambda seed: np.random.Generator(np.random.PCG64(seed))


def _simulate(model, T: np.ndarray, t: float, rng: np.random.Generator) -> SimpleNamespace:
    """Customers who live by the model, order after order: x, t_x until T; whether alive at T; the orders in (T, T + t]."""
    n = len(T)
    rate = rng.gamma(model.r, 1 / model.alpha, n)
    if isinstance(model, ParetoNBD):
        lifetime, chance = rng.exponential(size=n) / rng.gamma(model.s, 1 / model.beta, n), np.zeros(n)
        is_active = np.ones(n, dtype=bool)
    else:
        lifetime, chance = np.full(n, np.inf), rng.beta(model.a, model.b, n)
        is_active = rng.random(n) >= chance if isinstance(model, MBGNBD) else np.ones(n, dtype=bool)
    lifetime[~is_active] = 0
    x, t_x, future, now = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.flatnonzero(is_active)
    while active.size:
        now[active] += rng.exponential(size=active.size) / np.maximum(rate[active], 1e-300)
        active = active[now[active] <= np.minimum(T + t, lifetime)[active]]
        is_past = now[active] <= T[active]
        past = active[is_past]
        x[past], t_x[past] = x[past] + 1, now[past]
        future[active[~is_past]] += 1
        leaves = rng.random(active.size) < chance[active]
        lifetime[active[leaves]] = now[active[leaves]]
        active = active[~leaves]
    return SimpleNamespace(x=x, t_x=t_x, T=T, alive=lifetime > T, future=future)


@pytest.fixture(scope="session")
def simulate():
    """``simulate(model, T, t, rng)``."""
    return _simulate


@pytest.fixture(scope="session")
def cdnow_weeks(real_data) -> SimpleNamespace:
    """The 1/10 sample until 1997-09-30, in weeks: x order days after the first, t_x, T, their mean amount m_x (0 without
    one), and the order days of the 39 weeks after."""
    raw = np.loadtxt(real_data / "cdnow" / "CDNOW_sample.txt", usecols=(1, 2, 4))
    day = pd.to_datetime(raw[:, 1].astype(int).astype(str), format="%Y%m%d")
    orders = pd.DataFrame({"customer": raw[:, 0], "day": (day - pd.Timestamp("1997-09-30")).days, "amount": raw[:, 2]})
    orders = orders.groupby(["customer", "day"], as_index=False)["amount"].sum()
    past = orders[orders["day"] <= 0]
    days = past.groupby("customer")["day"].agg(["min", "max", "count"])
    repeat = past[past["day"] > past["customer"].map(days["min"])].groupby("customer")["amount"].mean()
    later = orders[orders["day"] > 0].groupby("customer").size()
    return SimpleNamespace(
        x=(days["count"] - 1).to_numpy(float),
        t_x=(days["max"] - days["min"]).to_numpy() / 7,
        T=-days["min"].to_numpy() / 7,
        m_x=repeat.reindex(days.index, fill_value=0).to_numpy(),
        later=later.reindex(days.index, fill_value=0).to_numpy(),
    )
