"""Randomisation of adoption dates with Poisson imputation, beside refitting the estimator in a loop.

No peer deals staggered dates out anew: ritest in pyfixest and in Stata permutes a treatment column and refits a
regression, which is the statistic of staggered designs only where there is one start. So the comparison is with what a
user would otherwise write: the design with its dates moved, and the whole fit, in a loop; and the same loop with
pyfixest's Poisson regression on the untreated cells. In one process, on one thread, in CPU seconds (which on one thread
are those of an idle machine); the loops over fewer draws.

Run: python benchmarks/bench_randomisation.py
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import pandas as pd
import pyfixest as pf

import svmodel as sv
from svmodel.inference import RandomisationInference
from svmodel.inference.statistic import Statistic

HERE = Path(__file__).parent
DRAWS = 1_000
RUNS = 3
LOOP = 20


def simulated(areas: int = 300, months: int = 72, cohorts: int = 6, treated: int = 90, seed: int = 2026) -> sv.Design:
    """Negative binomial counts with staggered starts and a population."""
    rng = np.random.default_rng(seed)
    starts = np.full(areas, months)
    starts[:treated] = months // 2 + 4 * (np.arange(treated) % cohorts)
    on = np.arange(months)[None, :] >= starts[:, None]
    people = rng.uniform(1_000, 3_000, areas).round()
    mean = 3 * people[:, None] / 2_000 * np.exp(rng.normal(0, 0.5, (areas, 1)) + rng.normal(0, 0.1, (1, months)))
    mean *= np.where(on, 0.9, 1.0) * rng.gamma(5.0, 0.2, (areas, months))
    periods = pd.period_range("2018-01", periods=months, freq="M")
    names = np.array([f"area {i:06d}" for i in range(areas)], dtype=object)
    frame = pd.DataFrame(
        {
            "area": np.repeat(names, months),
            "period": np.tile(np.array(list(periods), dtype=object), areas),
            "events": rng.poisson(mean).ravel(),
            "people": np.repeat(people, months),
        }
    )
    panel = sv.Panel.from_frame(
        frame, area="area", period="period", counts=["events"], exposures=["people"], synthetic=True
    )
    intervention = sv.Intervention("simulated", {names[i]: periods[starts[i]] for i in range(treated)})
    return sv.Design(panel, outcome="events", exposure="people", intervention=intervention)


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes, in CPU seconds of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def by_pyfixest(design: sv.Design, pattern: np.ndarray) -> float:
    """Return the log rate ratio by pyfixest: area and month effects from untreated cells, treated cells predicted."""
    arrays = design.arrays.assigned(pattern)
    N, T = arrays.y.shape
    frame = pd.DataFrame(
        {
            "y": arrays.y.ravel(),
            "area": np.repeat(np.arange(N), T),
            "period": np.tile(np.arange(T), N),
            "log_people": np.log(np.asarray(arrays.exposure).ravel()),
        }
    )
    use = arrays.untreated
    fit = pf.fepois("y ~ 1 | area + period", frame[use.ravel()], offset="log_people")
    # its fixef() does not know Poisson: effects are read off the fitted cells, periods from an area seen throughout
    index = np.full((N, T), np.nan)
    index[use] = np.log(fit.predict(type="response"))
    index -= np.log(np.asarray(arrays.exposure))
    period = index[np.flatnonzero(use.all(axis=1))[0]]
    area = np.nanmean(index - period, axis=1)
    expected = np.exp(area[:, None] + period) * np.asarray(arrays.exposure)
    return float(np.log(arrays.y[arrays.treated].sum() / expected[arrays.treated].sum()))


def by_family(design: sv.Design, family: str) -> str:
    """Return one row of the table."""
    result = sv.did.Imputation(family=family).fit(design)
    whole = RandomisationInference(draws=DRAWS)
    alone = RandomisationInference(draws=DRAWS, interval=False)
    held = alone.distribution(result)
    some = held.patterns[1 : 1 + LOOP]

    def loop() -> np.ndarray:
        return np.array([statistic.read(result.refit(design=design.reassigned(p))) for p in some])

    statistic = Statistic(result)
    inferred: list[sv.Result] = []
    runs = [
        (seconds(lambda: alone.infer(result)), seconds(lambda: inferred.append(whole.infer(result))), seconds(loop))
        for _ in range(RUNS)
    ]
    p_value, interval, loops = (median(times) for times in zip(*runs, strict=True))
    loops *= DRAWS / LOOP
    apart = np.abs(loop() - held.others[:LOOP]).max()
    rounds = inferred[0].diagnostics["randomisation_rounds"]
    row = (
        f"| {family} | {p_value:.1f} | {interval:.1f} | {rounds} | {loops:.0f} | {loops / p_value:.0f} | {apart:.0e} |"
    )
    print(row, flush=True)
    return row


def main() -> None:
    """Run everything and write the table."""
    design = simulated()
    rows = [by_family(design, family) for family in ("poisson", "linear")]
    peer = peers(design)
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("svmodel", "pyfixest", "numpy"))
    text = f"""# Randomisation inference

Made by `benchmarks/bench_randomisation.py`: {DRAWS:,} other assignments of the adoption dates of 90 of 300 areas in 6
cohorts over 72 months, counts with a population, `did.Imputation`. Medians of {RUNS} runs in one process, on one thread
of a machine with 2 cores (Linux), in CPU seconds; {versions}, Python {sys.version.split()[0]}.

*P-value* is `RandomisationInference(interval=False).infer`; *with interval* inverts the test too, *rounds* being how
many times all assignments are estimated. *Loop of fits* is `result.refit(design=design.reassigned(pattern))`, timed
over {LOOP} draws and counted up to {DRAWS:,}; *apart* is the largest distance of its effects from those of `point`.

| family | p-value, s | with interval, s | rounds | loop of fits, s | ratio | apart |
|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

No peer deals staggered dates out anew (`ritest` of pyfixest and Stata permutes one treatment column and refits one
regression). A loop that fits untreated cells by `pyfixest.fepois` and predicts the treated ones, {LOOP} draws counted
up to {DRAWS:,}: {peer}
"""
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "randomisation.md").write_text(text)
    print(text)


def peers(design: sv.Design) -> str:
    """Return what a loop over pyfixest takes, and how far its effects are."""
    result = sv.did.Imputation(family="poisson").fit(design)
    choice = RandomisationInference(draws=DRAWS, interval=False)
    held = choice.distribution(result)
    some = held.patterns[1 : 1 + LOOP]
    theirs = np.array([by_pyfixest(design, p) for p in some[:3]])
    apart = np.abs(theirs - held.others[:3]).max()
    runs = [
        (seconds(lambda: [by_pyfixest(design, p) for p in some]), seconds(lambda: choice.infer(result)))
        for _ in range(RUNS)
    ]
    took, ours = (median(t) for t in zip(*runs, strict=True))
    took *= DRAWS / LOOP
    return f"{took:.0f} s, {took / ours:.0f} times ours; effects {apart:.0e} apart at its default tolerance."


if __name__ == "__main__":
    main()
