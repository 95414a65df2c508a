"""Sun-Abraham against a saturated pyfixest fit and its aggregation; imputation as resampling asks for it.

Medians of five alternated runs in this process, on one thread; pyfixest is warmed up on the same data first
(compilation is not timed) and stops where it does by default. Both begin with data already laid out: svmodel with the
design's arrays, pyfixest with a long frame that already holds the dummies. Both end with every coefficient, their CRV1
covariance, and the averages by horizon and over all; svmodel's whole Result holds every other term on every scale,
intervals with small-sample corrections, counterfactuals and notes besides.

Run: python benchmarks/bench_sun_abraham.py
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
from bench_etwfe import regress, seconds, simulated

import svmodel as sv

HERE = Path(__file__).parent
RUNS, DRAWS = 5, 1_000


def saturated(design: sv.Design) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
    """Return the long frame with a dummy for every cohort and period but the last before the start."""
    a = design.arrays
    N, T = a.y.shape
    frame = pd.DataFrame({"area": np.repeat(np.arange(N), T), "period": np.tile(np.arange(T), N), "y": a.y.ravel()})
    start, period = np.repeat(a.start, T), frame["period"].to_numpy()
    names, columns = {}, {}
    for g in np.unique(a.start[a.treated.any(axis=1)]):
        for t in (t for t in range(T) if t != g - 1):
            name = f"d{g}x{t}"
            names[name] = (int(g), t)
            columns[name] = ((start == g) & (period == t)).astype(float)
    return pd.concat([frame, pd.DataFrame(columns)], axis=1), names


def theirs(
    frame: pd.DataFrame, names: dict[str, tuple[int, int]], cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit by pyfixest and average by horizon and over all; horizons with estimates and errors, all of them last."""
    fit = regress(frame, outcome="y", regressors=tuple(names))
    at = np.array([names[n] for n in fit.names])
    horizon = at[:, 1] - at[:, 0]
    horizons = np.unique(horizon)
    weights = np.array([(horizon == h) * cells for h in horizons] + [(horizon >= 0) * cells], dtype=float)
    weights /= weights.sum(axis=1, keepdims=True)
    errors = np.sqrt(np.einsum("qk,kl,ql->q", weights, fit.covariance, weights))
    return horizons, weights @ fit.estimate, errors


def against_pyfixest(label: str, design: sv.Design) -> str:
    """Return one row of the table."""
    frame, names = saturated(design)
    a = design.arrays
    cells = np.array([(a.start == g).sum() for g, _ in names.values()], dtype=float)

    def ours() -> sv.Result:
        return sv.did.SunAbraham().fit(design)

    def peer() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return theirs(frame, names, cells)

    result, (horizons, estimate, error) = ours(), peer()
    mine = [result.effect("event", "difference", horizon=h) for h in horizons] + [result.effect("att", "difference")]
    apart = np.abs(np.array([e.estimate for e in mine]) - estimate).max()
    known = np.array([np.isfinite(e.std_error) for e in mine])
    errors = np.array([e.std_error for e in mine])[known] / error[known]
    runs = [(seconds(ours), seconds(peer)) for _ in range(RUNS)]
    result_time, peer_time = (median(times) for times in zip(*runs, strict=True))
    row = (
        f"| {label} | {len(names)} | {1000 * result_time:.0f} | {1000 * peer_time:.0f} | {peer_time / result_time:.0f} "
        f"| {apart:.0e} | {np.abs(errors - 1).max():.0e} |"
    )
    print(row, flush=True)
    return row


def draws(label: str, design: sv.Design, point: Callable[[object], float]) -> str:
    """Return one row on a thousand random assignments, each dealt out anew."""
    arrays, rng = design.arrays, np.random.default_rng(2026)
    patterns = [rng.permutation(len(arrays.areas)) for _ in range(DRAWS)]
    begun = time.perf_counter()
    values = [point(arrays.assigned(pattern)) for pattern in patterns]
    took = time.perf_counter() - begun
    row = f"| {label} | {took:.1f} | {1000 * took / DRAWS:.1f} | {int(np.isfinite(values).sum()):,} |"
    print(row, flush=True)
    return row


def main() -> None:
    """Run everything and write the table."""
    panel = simulated(300, 72, cohorts=6, treated=90)
    row = against_pyfixest("300 areas x 72 months, 6 cohorts", panel)
    estimators = {
        "Imputation, Poisson": sv.did.Imputation(family="poisson"),
        "Imputation, linear": sv.did.Imputation(family="linear"),
        "Sun-Abraham": sv.did.SunAbraham(),
    }
    resampled = [draws(name, panel, e.point) for name, e in estimators.items()]
    big = simulated(35_672, 72, cohorts=6, treated=1_800)
    big.arrays  # noqa: B018 - laid out beforehand, as for the peers
    national = []
    for name in ("Imputation, linear", "Sun-Abraham"):
        national.append(f"| {name} | {seconds(lambda n=name: estimators[n].fit(big)):.1f} |")
        print(national[-1], flush=True)
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("svmodel", "pyfixest", "numpy", "scipy", "pandas"))
    text = f"""# Sun-Abraham and imputation

Made by `benchmarks/bench_sun_abraham.py`: medians of {RUNS} alternated runs in one process, on one thread of a machine
with 2 cores (Linux); {versions}, Python {sys.version.split()[0]}.

Against a saturated `pyfixest.feols` fit (cohort x period dummies, area and period effects, CRV1 by area), warmed up and
with its own default tolerance, and its averages by horizon and over all treated cells. *The Result* is all that
`SunAbraham().fit` answers: every coefficient after the start and every average on every scale, with intervals that
allow for small cohorts, leads, the joint covariance, counterfactuals, weights and notes.

| panel | dummies | Result, ms | pyfixest, ms | ratio | estimates | errors |
|---|---:|---:|---:|---:|---:|---:|
{row}

The last two columns are distances from pyfixest over all horizons and the average effect: the largest difference of an
estimate, and the largest relative one of a standard error.

What randomisation inference asks for: the average effect under {DRAWS:,} random assignments of the starts, 300 areas x
72 months with 90 treated in 6 cohorts.

| estimator | seconds | ms each | finite |
|---|---:|---:|---:|
{chr(10).join(resampled)}

As many small areas as England and Wales have, simulated: 35,672 areas x 72 months with exposure, 1,800 treated in 6
cohorts, the whole Result, once.

| estimator | seconds |
|---|---:|
{chr(10).join(national)}
"""
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "sun_abraham.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
