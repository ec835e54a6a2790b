"""The models' fits beside lifetimes and pymc-marketing, and ours at ten times as many customers; LTV and churn as a whole: time
and peak memory. See README.md.

Every measurement is a process of its own; the variants of a job take turns. A peer runs in an environment of its own. The data
are in memory before the clock starts. Fitted parameters are compared by our log-likelihood of the customers as they are.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.bench import PEERS_FOLDER, ask, clock, empty_folder, make_peers, medians, take_turns, write_results
from benchmarks.buyers import COUNTS, CUSTOMERS, MAX_ROWS, PART, UNIT_DAYS, array_file, open_purchases
from benchmarks.variants import MEMORY_LIMIT, MONTH, SOURCE

# The same for all sides. DuckDB, which counts for ours, has threads of its own; "CPU" tells.
THREADS = {f"{one}_NUM_THREADS": "1" for one in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
MODELS = {"BG/NBD": "bgnbd.BGNBD", "MBG/NBD": "bgnbd.MBGNBD", "Pareto/NBD": "paretonbd.ParetoNBD",
          "Gamma-Gamma": "spending.GammaGamma"}  # fmt: skip
COMPARED = ("BG/NBD", "Gamma-Gamma")
METHODS = {"LTV": "ltv", "churn": "churn"}
# Variant → whose it is, and what it starts from.
PEERS = {
    "lifetimes": ("lifetimes", CUSTOMERS),
    "pymc-marketing MAP": ("pymc-marketing", CUSTOMERS),
    "lifetimes, weights": ("lifetimes", COUNTS),
}
# A variant's own log-likelihood and ours at its parameters differ by no more than this part of it.
SAME = 1e-6


# The variants. Each loads its data and gives the job to be timed; that gives a function for what it found, not timed.

Job = Callable[[], Callable[[], dict]]


def our_model(model: str):
    module, name = MODELS[model].split(".")
    return getattr(importlib.import_module(f"crm_analysis.models.{module}"), name)


def fit_ours(model: str, start: str, folder: Path) -> Job:
    """From customers as the LTV method does it: DuckDB counts the distinct rows."""
    from crm_analysis import engine
    from crm_analysis.customers import count_triples
    from crm_analysis.models.buying import Triples
    from crm_analysis.models.spending import Amounts
    from crm_analysis.valuation import as_triples, count_amounts

    kind, is_spending = our_model(model), model == "Gamma-Gamma"
    data = open_purchases(folder) if start == CUSTOMERS else np.load(array_file(folder, model, start))

    def count():
        if start == COUNTS:
            return (Amounts if is_spending else Triples)(*data)
        frame = engine.collect((count_amounts if is_spending else count_triples)(data), MAX_ROWS)
        if not is_spending:
            return as_triples(frame, UNIT_DAYS)
        return Amounts(frame["n_repeat_days"], frame["mean_amount"], frame["n_customers"])

    def job():
        fit = kind.fit(count())
        assert fit.is_converged and not fit.at_boundary, fit
        return lambda: {"params": list(fit.params.values()), "reported": fit.log_likelihood}

    return job


def fit_lifetimes(model: str, start: str, folder: Path) -> Job:
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    *rows, weight = np.load(array_file(folder, model, start))
    fitter = GammaGammaFitter() if model == "Gamma-Gamma" else BetaGeoFitter()
    names = ("p", "q", "v") if model == "Gamma-Gamma" else ("r", "alpha", "a", "b")

    def job():
        fitter.fit(*rows, weights=None if start == CUSTOMERS else weight)
        # It reports the mean, and of the BG/NBD in a unit of time of its own.
        log_scale = 0 if model == "Gamma-Gamma" else math.log(fitter._scale)
        reported = -fitter._negative_log_likelihood_ * weight.sum() + log_scale * (weight @ rows[0])
        return lambda: {"params": [float(fitter.params_[name]) for name in names], "reported": float(reported)}

    return job


def fit_pymc(model: str, start: str, folder: Path) -> Job:
    """With flat priors, so that the most probable parameters are the likeliest."""
    import pandas as pd
    from pymc_extras.prior import Prior
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel

    *rows, _ = np.load(array_file(folder, model, start))
    is_spending = model == "Gamma-Gamma"
    kind, names = (GammaGammaModel, ("p", "q", "v")) if is_spending else (BetaGeoModel, ("r", "alpha", "a", "b"))
    columns = ("frequency", "monetary_value") if is_spending else ("frequency", "recency", "T")
    frame = pd.DataFrame(dict(zip(columns, rows, strict=True))).rename_axis("customer_id").reset_index()

    def job():
        fitted = kind(model_config={name: Prior("HalfFlat") for name in names})
        fitted.fit(data=frame, method="map", progressbar=False)

        def found() -> dict:
            params = {name: float(fitted.idata.posterior[name].item()) for name in names}
            point = {f"{name}_log__": np.log(one) for name, one in params.items()}
            reported = fitted.model.compile_logp(jacobian=False)(point)
            return {"params": list(params.values()), "reported": float(reported)}

        return found

    return job


def analyse_ours(method: str, start: str, folder: Path) -> Job:
    """A method from the orders to its tables per customer as Parquet and its action list as CSV."""
    from crm_analysis import engine
    from crm_analysis.params import Run

    module, out = importlib.import_module(f"crm_analysis.methods.{method}"), empty_folder(folder / "out")
    connection = engine.connect(folder, MEMORY_LIMIT)
    tables = {"orders": engine.read_parquet(connection, folder / "orders.parquet")}

    def job():
        result = module.analyse(tables, Run(source=SOURCE, month=MONTH), module.Params())
        engine.write_parquet(result.customers, out / "customers.parquet")
        engine.write_csv(result.actions, out / "actions.csv")
        return dict

    return job


VARIANTS = {"ours": fit_ours, "lifetimes": fit_lifetimes, "pymc-marketing": fit_pymc, "method": analyse_ours}


def measure(variant: str, model: str, start: str, folder: Path) -> dict:
    """One measurement, in a process of its own; of a peer's failure what it said."""
    try:
        found, tell = clock(VARIANTS[variant](model, start, folder))
        return found | tell()
    except Exception as error:
        if variant in ("ours", "method"):
            raise
        return {"failure": f"{type(error).__name__} {' '.join(str(error).split())}".strip()}


def judge(model: str, params: list[float], folder: Path) -> dict:
    """Our log-likelihood of each customer at these parameters, added up."""
    *columns, _ = np.load(array_file(folder, model, CUSTOMERS))
    return {"log_likelihood": float(our_model(model)(*params).log_likelihood(*columns).sum())}


# The run.


def compare_fits(data: dict, repeat: int, pythons: dict[str, Path]) -> tuple[list[dict], list[str]]:
    """Rows of ours and the peers on one set of data, and what failed."""
    rows, failures = [], []
    for start in (CUSTOMERS, COUNTS):
        for model in COMPARED:
            job, size = f"{model} from {start}", f"{data['customers']:,} customers"
            runs = {"ours": measuring("ours", model, start, data)}
            for variant, (peer, starts_from) in PEERS.items():
                if peer in pythons and start == starts_from:
                    run = measuring(peer, model, start, data, pythons[peer])
                    # Once before, for what it compiles.
                    if "failure" in (first := run()):
                        failures.append(f"{variant}, {job}, {size}: {first['failure']}.")
                    else:
                        runs[variant] = run
            found = take_turns(runs, repeat, size, job)
            likelihoods = {}
            for variant, ones in found.items():
                params, reported = (ones[-1][one] for one in ("params", "reported"))
                asked = ["-m", "benchmarks.models", "--judge", model, json.dumps(params), str(data["folder"])]
                one = likelihoods[variant] = ask(asked, data["folder"])["log_likelihood"]
                if not math.isclose(one, reported, rel_tol=SAME):
                    sys.exit(f"{job}: {variant} reports {reported} at {params}, where ours is {one}")
                judged = {"log_likelihood": round(one, 3), "below_ours": round(likelihoods["ours"] - one, 6) + 0.0}
                rows.append(row(data, model, job, variant, ones) | judged)
    return rows, failures


def compare_sizes(small: dict, large: dict, repeat: int) -> list[dict]:
    """Rows of our fits on the large data beside those on the small."""
    rows = []
    for start in (CUSTOMERS, COUNTS):
        for model in MODELS:
            job, variants = f"{model} from {start}", {"ours": large, f"ours, {small['customers']:,} customers": small}
            runs = {variant: measuring("ours", model, start, one) for variant, one in variants.items()}
            found = take_turns(runs, repeat, f"{large['customers']:,} customers", job)
            rows += [
                row(large, model, job, variant, ones) | {"distinct": n_distinct(variants[variant], model)}
                for variant, ones in found.items()
            ]
    return rows


def run_methods(data: dict, repeat: int) -> list[dict]:
    rows = []
    for name, method in METHODS.items():
        job, runs = f"{name} from orders", {"ours": measuring("method", method, "orders", data)}
        found = take_turns(runs, repeat, f"{data['customers']:,} customers", job)
        rows.append(row(data, name, job, "ours", found["ours"]))
    return rows


def measuring(who: str, model: str, start: str, data: dict, python: str | Path = sys.executable) -> Callable[[], dict]:
    """A measurement of ``fit_ours`` or another of VARIANTS, to be called."""
    arguments = ["-m", "benchmarks.models", "--measure", who, model, start, str(data["folder"])]
    return partial(ask, arguments, data["folder"], python)


def row(data: dict, model: str, job: str, variant: str, ones: list[dict]) -> dict:
    shared = {"customers": data["customers"], "job": job, "variant": variant, **medians(ones)}
    return shared | {"distinct": n_distinct(data, model), "log_likelihood": None, "below_ours": None}


def n_distinct(data: dict, model: str) -> int | None:
    """The distinct rows from which a model is fitted; of what is no model nothing."""
    return data["n_amounts" if model == "Gamma-Gamma" else "n_triples"] if model in MODELS else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers simulated; also ten times as many")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each variant")
    parser.add_argument("--peers", type=Path, default=PEERS_FOLDER, help="the folder of the peers' environments")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--judge", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        *what, folder = arguments.measure
        print(json.dumps(measure(*what, Path(folder))))
        return
    if arguments.judge:
        model, params, folder = arguments.judge
        print(json.dumps(judge(model, json.loads(params), Path(folder))))
        return
    if not 1000 <= arguments.customers <= PART:
        parser.error(f"--customers goes from 1,000 to {PART:,}")
    os.environ |= THREADS
    pythons, notes = make_peers(arguments.peers.resolve(), ("lifetimes", "pymc-marketing"))
    small, large = str(arguments.customers), str(10 * arguments.customers)
    sources = [*(("cdnow_sample", "cdnow") if "CRM_DATA" in os.environ else ()), small, large]
    rows, made = [], {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        os.environ["PYTENSOR_FLAGS"] = f"base_compiledir={temporary}/compiled"
        for source in sources:
            folder = empty_folder(Path(temporary) / source)
            made[source] = ask(["-m", "benchmarks.buyers", str(folder), source], folder) | {"folder": folder}
            if source != large:
                found, failures = compare_fits(made[source], arguments.repeat, pythons)
                rows, notes = rows + found, notes + failures
        rows += run_methods(made[small], arguments.repeat)
        rows += compare_sizes(made[small], made[large], arguments.repeat)
    explained = [
        f"`python -m benchmarks.models`, medians of {arguments.repeat}; one thread for each process but DuckDB's own.",
        f"{arguments.customers:,} and {10 * arguments.customers:,} customers are simulated, other sizes are CDNOW's.",
        "Distinct: rows that ours is fitted on. Log-likelihood: by our function at each one's parameters.",
    ]
    more = {
        "distinct": ("distinct", ","),
        "log-likelihood": ("log_likelihood", ",.3f"),
        "below ours": ("below_ours", ".6f"),
    }
    write_results("models", rows, [*explained, *notes], more)


if __name__ == "__main__":
    main()
