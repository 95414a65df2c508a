"""The two Bayesian engines beside the textbook model, on 60 areas x 60 months: effective samples per processor second.

Each row is a process of its own, with an empty cache of compiled code, so that nothing that one compiled serves
another; processor seconds are those of the process and its children, imports left out and compilation included. The
textbook model is what a reader of PyMC's examples writes: non-centred effects, gathered cell by cell, under
``pm.sample``.

Run with ``python benchmarks/bench_bayes_engines.py``; it writes benchmarks/results/bayes_engines.md. It takes some ten
minutes of a quiet machine. ``python benchmarks/bench_bayes_engines.py ROW`` runs one row and prints it.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from svmodel import simulate
from svmodel.bayes import HierarchicalDiD
from svmodel.engine import run
from svmodel.engine.posterior import independent_draws

OUT = Path(__file__).parent / "results" / "bayes_engines.md"
SEED, CHAINS, AREAS_ONE_BY_ONE = 1, 4, 43


def question(seed: int = SEED, treated: int = 30):
    made = simulate.panel(60, 60, mean=12, effect=0.86, cohorts=((36, treated),), seed=seed)
    estimator = HierarchicalDiD()
    arrays = made.design("violence").arrays
    return estimator.ask(arrays), arrays


def spent() -> float:
    """Processor seconds of this process and its children."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def textbook(question) -> object:
    """Non-centred area, period and treatment effects, picked cell by cell."""
    import pymc as pm

    model = question.model
    N, T = model.y.shape
    area, period = (index.ravel() for index in np.indices((N, T)))
    known = model.known.ravel()
    area, period = area[known], period[known]
    y, offset, D = (x.ravel()[known] for x in (model.y, model.offset, question.target.astype(float)))
    treated = np.flatnonzero(question.target.any(axis=1))
    place = np.searchsorted(treated, area) % len(treated)
    by_name = {term.name: term.structure for term in model.terms}
    with pm.Model() as built:
        intercept = pm.Normal("intercept", by_name["intercept"].mean, by_name["intercept"].sd)
        area_sd = pm.HalfNormal("area_sd", 0.7)
        period_sd = pm.HalfNormal("period_sd", 0.2)
        effect = pm.Normal("effect", by_name["effect"].mean, by_name["effect"].sd)
        effect_sd = pm.HalfNormal("effect_sd", 0.2)
        shock = pm.HalfNormal("overdispersion", 0.5)
        areas = area_sd * pm.Normal("area_z", 0, 1, shape=N)
        steps = pm.Normal("period_z", 0, 1, shape=T - 1)
        periods = period_sd * pm.math.concatenate([[0.0], pm.math.cumsum(steps)])
        effects = pm.Deterministic("effects", effect + effect_sd * pm.Normal("effect_z", 0, 1, shape=len(treated)))
        eta = intercept + offset + areas[area] + periods[period] + effects[place] * D
        pm.NegativeBinomial("y", mu=pm.math.exp(eta), alpha=shock**-2, observed=y)
    return built


def described(name: str, seconds: float, average: np.ndarray, fewest: float, convergence, chains: int) -> dict:
    worth = independent_draws(average, chains, "bulk") if chains > 1 else float(len(average))
    return {
        "name": name,
        "seconds": seconds,
        "ess_average": worth,
        "ess_fewest": fewest,
        "r_hat": convergence.r_hat,
        "divergences": convergence.divergences,
        "mean": float(average.mean()),
        "sd": float(average.std()),
    }


def row_textbook() -> dict:
    import pymc as pm

    from svmodel.engine.nuts import settled_imports
    from svmodel.engine.posterior import chains_of, convergence_of

    asked, _ = question()
    with settled_imports(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = spent()
        with textbook(asked):
            trace = pm.sample(1000, tune=1000, chains=CHAINS, cores=2, random_seed=SEED, progressbar=False)
        seconds = spent() - begin
    drawn = chains_of(trace)
    judged = {k: v for k, v in drawn.items() if k != "effects"}
    # the average over treated cells, weighted by what was to be expected there: by far the most of it is the offset
    weight = np.where(asked.target, np.exp(asked.model.offset), 0.0).sum(axis=1)
    weight = weight[asked.target.any(axis=1)]
    average = np.log((np.exp(drawn["effects"]) * weight).sum(axis=2) / weight.sum()).ravel()
    found = convergence_of(trace, judged)
    return described("textbook model, pm.sample", seconds, average, found.ess_bulk, found, CHAINS)


def _ours(name: str, engine: str, asked, arrays) -> dict:
    begin = spent()
    posterior = run(asked.model, engine, draws=4000, seed=SEED)
    seconds = spent() - begin
    cells = asked.cells(posterior, arrays, 0.95)
    chains = CHAINS if engine == "nuts" else 1
    convergence = posterior.convergence
    fewest = convergence.ess_bulk if engine == "nuts" else float(posterior.size)
    return described(name, seconds, cells.log_ratio, fewest, convergence, chains)


def row_nuts() -> list[dict]:
    import nutpie  # noqa: F401 - imports are not what is timed
    import pymc  # noqa: F401

    first = _ours("nuts, first fit of a shape", "nuts", *question())
    second = _ours("nuts, second fit of that shape", "nuts", *question(seed=2))
    return [first, second]


def row_laplace() -> list[dict]:
    import scipy.optimize
    import scipy.sparse
    import scipy.stats  # noqa: F401

    return [
        _ours("laplace, first fit", "laplace", *question()),
        _ours("laplace, second fit", "laplace", *question(seed=2)),
    ]


def row_one_by_one() -> list[dict]:
    """One treated area against thirty untreated ones, area after area, in one process."""
    made = simulate.panel(73, 60, mean=12, effect=0.86, cohorts=((36, AREAS_ONE_BY_ONE),), seed=SEED)
    arrays = made.design("violence").arrays
    never = np.flatnonzero(~arrays.treated.any(axis=1))
    treated = np.flatnonzero(arrays.treated.any(axis=1))
    out = []
    for engine in ("laplace", "nuts"):
        begin, clock, refused = spent(), time.perf_counter(), 0
        for area in treated:
            asked = HierarchicalDiD().ask(arrays.take(np.append(never, area)))
            refused += not run(asked.model, engine, draws=4000, seed=SEED).convergence.arrived
        out.append(
            {
                "name": engine,
                "areas": len(treated),
                "seconds": spent() - begin,
                "wall": time.perf_counter() - clock,
                "refused": refused,
            }
        )
    return out


ROWS = {"textbook": row_textbook, "nuts": row_nuts, "laplace": row_laplace, "one_by_one": row_one_by_one}


def in_a_process(row: str) -> list[dict]:
    with tempfile.TemporaryDirectory() as empty:
        environment = {
            **os.environ,
            "PYTENSOR_FLAGS": f"base_compiledir={empty}",
            "NUMBA_CACHE_DIR": empty,
        }
        done = subprocess.run(
            [sys.executable, __file__, row], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(f"{row} failed:\n{done.stderr}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found if isinstance(found, list) else [found]


def main() -> None:
    load = os.getloadavg()[0]
    fits = [row for name in ("textbook", "nuts", "laplace") for row in in_a_process(name)]
    one_by_one = in_a_process("one_by_one")
    names = ("numpy", "scipy", "pymc", "pytensor", "nutpie", "numba")
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    lines = [
        "# Bayesian engines: 60 areas x 60 months at 12 a month, 30 treated, four chains of 1,000 draws",
        "",
        "Processor seconds with those of children, imports left out and compilation included; each row but a second",
        f"fit in a process of its own with an empty cache. {platform.system()}, Python {platform.python_version()},",
        f"{versions}; load of the machine at the start {load:.1f}.",
        "",
        "| fit | seconds | ESS average | ESS fewest | average a second | fewest a second | R-hat | diverged | mean |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['name']} | {row['seconds']:.2f} | {row['ess_average']:,.0f} | {row['ess_fewest']:,.0f} | "
        f"{row['ess_average'] / row['seconds']:,.1f} | {row['ess_fewest'] / row['seconds']:,.1f} | "
        f"{row['r_hat']:.3f} | {row['divergences']} | {row['mean']:.4f} ({row['sd']:.4f}) |"
        for row in fits
    ]
    book, first, second, _, laplace = fits
    rate = [row["ess_average"] / row["seconds"] for row in (book, first)]
    worst = [row["ess_fewest"] / row["seconds"] for row in (book, first)]
    lines += [
        "",
        "| ratio | asked for | found |",
        "|---|---:|---:|",
        f"| ESS of the worst parameter a second, nuts' first fit over the textbook | 10 | {worst[1] / worst[0]:.1f} |",
        f"| ESS of the average effect a second, the same | 10 | {rate[1] / rate[0]:.1f} |",
        f"| seconds, nuts' first fit over its second | 3 | {first['seconds'] / second['seconds']:.1f} |",
        f"| seconds, nuts' first fit over laplace | 100 | {first['seconds'] / laplace['seconds']:.0f} |",
        f"| seconds, nuts' second fit over laplace | 100 | {second['seconds'] / laplace['seconds']:.0f} |",
        "",
        f"## {AREAS_ONE_BY_ONE} areas one after another in one process, each with 30 untreated areas x 60 months",
        "",
        "| engine | processor seconds | by the clock | a fit | refused |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['name']} | {r['seconds']:.1f} | {r['wall']:.1f} | {r['seconds'] / r['areas']:.2f} | {r['refused']} |"
        for r in one_by_one
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(ROWS[sys.argv[1]](), default=float))
    else:
        main()
