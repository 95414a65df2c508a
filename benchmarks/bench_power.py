"""Power by simulation: what it costs, and whether it is right, beside panels drawn fresh from the known process.

The truth is known here: fresh panels of one process are estimated one by one, and `power` is given a single history of
that process and has to come to the same. In one process, on one thread, in CPU seconds.

Run: python benchmarks/bench_power.py
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

import svmodel as sv
from svmodel.did import ExtendedTwoWayFixedEffects

HERE = Path(__file__).parent
PROCESS = {"mean": 8, "dispersion": 0.15, "shock_sd": 0.35, "shock_persistence": 0.9, "level_sd": 0.4}
BEFORE, AFTER, AREAS, TREATED = 30, 18, 50, 16
EFFECT, FRESH, HISTORIES, DRAWS = 0.8, 1_000, 12, 60


def drawn(months: int, start: int, effect: float, seed: int, areas: int = AREAS, treated: int = TREATED) -> sv.Design:
    """Return a design on a fresh panel."""
    made = sv.simulate.panel(areas, months, cohorts=[(start, treated)], effect=effect, seed=seed, **PROCESS)
    return sv.Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


def truth(effect: float) -> float:
    """Return the share of fresh studies that find the effect."""
    estimator = ExtendedTwoWayFixedEffects(only_average=True)
    p = [estimator.fit(drawn(BEFORE + AFTER, BEFORE, effect, 10_000 + s)).effect().p_value for s in range(FRESH)]
    return float(np.mean(np.array(p) <= 0.05))


def from_one_history(method: str) -> np.ndarray:
    """Return power and error of the first kind from each of several single histories, shape (HISTORIES, 2)."""
    rows = []
    for seed in range(HISTORIES):
        history = drawn(60, 59, 1.0, seed)
        found = sv.power(history, [EFFECT], study=(BEFORE, AFTER), planned=True, method=method, draws=DRAWS, seed=seed)
        rows.append(found.table["power"].to_numpy())
    return np.array(rows)


def cost() -> float:
    """Return CPU seconds of 500 draws with six effects and none, 60 areas and 60 months."""
    template = drawn(120, 100, 1.0, 1, areas=60, treated=20)
    begun = time.process_time()
    sv.power(template, [0.7, 0.75, 0.8, 0.85, 0.9, 0.95], study=(36, 24), draws=500)
    return time.process_time() - begun


def page() -> str:
    """Return the results as a page."""
    true = truth(EFFECT), truth(1.0)
    rows = [f"| {FRESH:,} fresh panels | {true[0]:.1%} | {true[1]:.1%} | |"]
    for method in ("resample", "model"):
        found = from_one_history(method)
        mean, spread = found.mean(axis=0), found.std(axis=0, ddof=1)
        label = f"`{method}`, mean of {HISTORIES} histories of 60 months, {DRAWS} draws each"
        rows.append(f"| {label} | {mean[0]:.1%} | {mean[1]:.1%} | {100 * spread[0]:.1f} points |")
    monte_carlo = 100 * np.sqrt(0.24 / DRAWS)
    return f"""# Power by simulation

{AREAS} areas, {TREATED} treated, {BEFORE} months before and {AFTER} after; negative binomial counts of mean 8 with
shocks of areas that fade by a tenth a month; Poisson ETWFE. Written by `benchmarks/bench_power.py`.

| | effect {EFFECT} | no effect | s.d. between histories |
|---|---|---|---|
{chr(10).join(rows)}

A single history of {DRAWS} draws has a Monte Carlo error of {monte_carlo:.1f} points by itself; the rest of the
spread is that histories differ.

Cost: {cost():.0f} CPU seconds for 500 draws of six effects and none, 60 areas and 60 months: 3,500 fits.
"""


if __name__ == "__main__":
    text = page()
    (HERE / "results" / "power.md").write_text(text, encoding="utf-8")
    print(text)
