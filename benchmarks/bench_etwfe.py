"""Poisson extended two-way fixed effects against a saturated pyfixest fit of the same model, and on a national panel.

Medians of three alternated runs in this process, on one thread; pyfixest is warmed up on the same data first
(compilation is not timed) and stops where it does by default. "The model" is what both give: a log rate ratio for
every cohort and period with their CRV1 covariance, svmodel's from the design's arrays, pyfixest's from a long frame
that already holds the dummies. "The Result" is all that svmodel's ``fit`` answers.

Run: python benchmarks/bench_etwfe.py
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

#: The regression by pyfixest that tests and benchmarks share.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "oracles"))

import numpy as np
import pandas as pd
from pyfixest_regression import Regression, regress

import svmodel as sv
from svmodel.did.expected_poisson import impute
from svmodel.numerics.two_way.imputation import sum_cells

HERE = Path(__file__).parent
RUNS = 3


def simulated(areas: int, months: int, cohorts: int, treated: int, seed: int = 2026) -> sv.Design:
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


def new_york() -> sv.Design | None:
    """Shootings by precinct and month, where the data are at hand."""
    folder = os.environ.get("SVMODEL_REAL_DATA")
    path = Path(folder) / ".." / "golden" / "nyc_shootings_precinct_month.csv" if folder else None
    if path is None or not path.exists():
        return None
    frame = pd.read_csv(path)
    frame["period"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["area"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="area", period="period", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("area")
    starts = {r.area: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    return sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))


def saturated(design: sv.Design) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """Return the long frame with a dummy for every cohort and treated period that has events.

    Those without have a log rate ratio of minus infinity, and their rows are left out.
    """
    a = design.arrays
    N, T = a.y.shape
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": a.y.ravel()})
    if a.exposure is not None:
        frame["log_people"] = np.log(a.exposure.ravel())
    start, treated = np.repeat(a.start, T), a.treated.ravel()
    dummies, silent = {}, np.zeros(len(frame), dtype=bool)
    for g in np.unique(a.start[a.treated.any(axis=1)]):
        for t in range(g, T):
            inside = (start == g) & (frame["period"].to_numpy() == t) & treated
            if frame["y"].to_numpy()[inside].sum() > 0:
                dummies[f"d{g}x{t}"] = inside.astype(float)
            else:
                silent |= inside
    frame = pd.concat([frame, pd.DataFrame(dummies)], axis=1)[~silent].reset_index(drop=True)
    return frame, tuple(dummies), a.exposure is not None


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def model(design: sv.Design) -> tuple[dict[str, float], np.ndarray]:
    """Return the log rate ratio of every cohort and period with events, and their CRV1 covariance."""
    a = design.arrays
    imputed = impute(a, few=0)
    effects, influences = {}, []
    for g, block in zip(imputed.cohorts, imputed.blocks, strict=True):
        times = np.flatnonzero((block.observed.sum(axis=0) > 0) & (block.expected.sum(axis=0) > 0))
        sums = sum_cells([block], [np.eye(a.y.shape[1])[times]])
        effects |= dict(zip((f"d{g}x{t}" for t in times), np.log(sums.observed / sums.expected), strict=True))
        influences.append(sums.of_log_ratio)
    influence = np.hstack(influences)
    return effects, imputed.factor * influence.T @ influence


def against_pyfixest(label: str, design: sv.Design) -> str:
    """Return one row of the table."""
    frame, names, has_offset = saturated(design)

    def theirs(tolerance: float = 1e-8) -> Regression:
        return regress(
            frame,
            outcome="y",
            regressors=names,
            family="poisson",
            offset="log_people" if has_offset else None,
            tolerance=tolerance,
        )

    def whole() -> sv.Result:
        return sv.did.ExtendedTwoWayFixedEffects().fit(design)

    (effects, covariance), peer = model(design), theirs(1e-12)
    order = [list(effects).index(n) for n in peer.names]
    apart = np.abs(np.array(list(effects.values()))[order] - peer.estimate).max()
    errors = np.sqrt(np.diag(covariance))[order] / np.sqrt(np.diag(peer.covariance))
    whole()
    runs = [(seconds(lambda: model(design)), seconds(whole), seconds(theirs)) for _ in range(RUNS)]
    ours, result, pyfixest = (median(times) for times in zip(*runs, strict=True))
    row = (
        f"| {label} | {len(names)} | {1000 * ours:.1f} | {1000 * result:.0f} | {1000 * pyfixest:.0f} | "
        f"{pyfixest / ours:.0f} | {pyfixest / result:.0f} | {apart:.0e} | {np.abs(errors - 1).max():.0e} |"
    )
    print(row, flush=True)
    return row


def national() -> dict[str, float]:
    """Fit 35,672 areas x 72 months once, in this process; seconds of the fit and the process's peak memory."""
    import resource

    design = simulated(35_672, 72, cohorts=6, treated=1_800)
    design.arrays  # noqa: B018 - laid out beforehand, as for the peers
    took = seconds(lambda: sv.did.ExtendedTwoWayFixedEffects().fit(design))
    return {"seconds": took, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2}


def main() -> None:
    """Run everything and write the table."""
    rows = [against_pyfixest("300 areas x 72 months, 6 cohorts", simulated(300, 72, cohorts=6, treated=90))]
    shootings = new_york()
    if shootings is None:
        print("New York precincts left out: SVMODEL_REAL_DATA is not set")
    else:
        rows.append(against_pyfixest("New York: 76 precincts x 180 months, 12 cohorts", shootings))
    command = [sys.executable, __file__, "national"]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(RUNS)]
    big = f"| {median(r['seconds'] for r in runs):.1f} | {max(r['peak'] for r in runs):.2f} |"
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("svmodel", "pyfixest", "numpy", "scipy", "pandas"))
    text = f"""# Poisson extended two-way fixed effects

Made by `benchmarks/bench_etwfe.py`: medians of {RUNS} alternated runs in one process, on one thread of a machine with 2
cores (Linux); {versions}, Python {sys.version.split()[0]}.

Against a saturated `pyfixest.fepois` fit (cohort x period dummies, area and period effects, CRV1 by area), warmed up
and with its own default tolerance. *The model* is what both give: a log rate ratio for every cohort and period, and
their covariance. *The Result* is all that `ExtendedTwoWayFixedEffects().fit` answers beyond it: every term on every
scale with intervals, leads refitted cohort by cohort, noise learnt from untreated areas, each area's own effect,
counterfactuals.

| panel | dummies | model, ms | Result, ms | pyfixest, ms | ratio, model | ratio, Result | estimates | errors |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

The last two columns are distances from pyfixest at a tolerance of 1e-12: the largest difference of a log rate ratio,
and the largest relative one of a standard error.

As many small areas as England and Wales have, simulated: 35,672 areas x 72 months with exposure, 1,800 treated in 6
cohorts, the whole Result; in a process of its own, whose peak holds the making of the panel too.

| seconds | peak memory, GB |
|---:|---:|
{big}
"""
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "etwfe.md").write_text(text)
    print(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["national"]:
        print(json.dumps(national()))
    else:
        main()
