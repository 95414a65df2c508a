"""Assurance by simulation: what 500 planned studies cost, and whether the answer is the closed form where there is one.

With large Poisson counts the estimate is normal with a known variance, and so are prior and belief: the assurance is a
normal probability (O'Hagan, Stevens and Campbell 2005). In one process, on one thread, in CPU seconds.

Run: python benchmarks/bench_assurance.py
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from scipy import stats

import svmodel as sv
from svmodel.bayes import HierarchicalDiD, RatioPrior
from svmodel.comparison import Assurance, StatedStudy

HERE = Path(__file__).parent
STUDIES = 500
BELIEF = RatioPrior(0.85, 0.15)
SMALL = StatedStudy(mean=12, n_treated=6, n_controls=18, before=24, after=12)
LARGER = StatedStudy(mean=12, n_treated=8, n_controls=22, before=24, after=12)
SPARSE = StatedStudy(mean=1, n_treated=6, n_controls=18, before=24, after=12)
LASTING = StatedStudy(
    mean=12, n_treated=6, n_controls=18, before=24, after=12, shock_sd=0.2, shock_persistence=0.9, dispersion=0.05
)
LARGE = StatedStudy(
    mean=400, n_treated=4, n_controls=8, before=6, after=6, dispersion=0.0, common_sd=0.3, common_persistence=0.0
)


def timed(plan: StatedStudy | sv.Design, **choices: object) -> tuple[Assurance, float]:
    """Return the assurance and its CPU seconds."""
    begun = time.process_time()
    found = sv.assurance(plan, BELIEF, draws=STUDIES, **choices)
    return found, time.process_time() - begun


def closed_form(belief: RatioPrior, prior: RatioPrior) -> float:
    """Return the assurance of LARGE where a 95% probability of any reduction is asked for."""
    rate, n, T = LARGE.source.rate, 12, 12
    D = LARGE.source.treated[:, None] & (np.arange(T) >= LARGE.before)[None, :]
    levels = np.kron(np.eye(n), np.ones((T, 1))), np.kron(np.ones((n, 1)), np.eye(T))[:, 1:]
    X = np.column_stack([*levels, D.ravel().astype(float)])
    V = np.linalg.inv(X.T @ (X * np.repeat(rate, T)[:, None]))[-1, -1]
    precision = 1 / V + 1 / prior.sd**2
    needed = V * (-stats.norm.ppf(0.95) * precision**0.5 - prior.mean_log / prior.sd**2)
    return float(stats.norm(belief.mean_log, np.sqrt(belief.sd**2 + V)).cdf(needed))


def page() -> str:
    """Return the results as a page."""
    history = sv.simulate.panel(24, 60, mean=12, cohorts=((59, 6),), effect=1.0, seed=1).design("violence")
    plans = {
        "24 areas x 36 months, 12 a month": (SMALL, {}),
        "30 areas x 36 months, 12 a month": (LARGER, {}),
        "24 areas x 36 months, 1 a month": (SPARSE, {}),
        "24 areas x 36 months, 12 a month, shocks that last (s.d. 0.2, 0.9 a month)": (LASTING, {}),
        "24 areas x 36 months from a panel of 60 months": (history, {"study": (24, 12), "planned": True}),
    }
    rows = []
    for name, (plan, choices) in plans.items():
        found, seconds = timed(plan, effects=(), **choices)
        rows.append(
            f"| {name} | {found.probability:.1%} ({found.low:.1%} to {found.high:.1%}) | {seconds:.0f} s | "
            f"{int(found.table['failed'].iloc[0])} |"
        )
    bayes = sv.assurance(SMALL, BELIEF, draws=200, effects=(0.7, 0.8, 0.9, 1.0))
    effects = bayes.table[bayes.table["group"] == "effect"]
    shown = [
        f"| {row.effect_low:g} | {row.conclusive:.1%} ({row.low:.1%} to {row.high:.1%}) | "
        + (f"{row.wrong_sign:.1%} | {row.exaggeration:.2f} |" if row.effect_low != 1 else "| |")
        for row in effects.itertuples()
    ]
    checks = []
    for belief, prior in (
        (RatioPrior(0.97, 0.03), RatioPrior(1.0, 0.35)),
        (RatioPrior(0.95, 0.05), RatioPrior(1.0, 0.02)),
    ):
        estimator = HierarchicalDiD(pooling="complete", family="poisson", prior=prior, period_sd=1.0)
        found = sv.assurance(LARGE, belief, estimator=estimator, draws=1000)
        checks.append(
            f"| {belief.median:g}, s.d. {belief.sd:g} | {prior.median:g}, s.d. {prior.sd:g} | "
            f"{closed_form(belief, prior):.1%} | {found.probability:.1%} ({found.low:.1%} to {found.high:.1%}) |"
        )
    return f"""# Assurance by simulation

{STUDIES} planned studies, each fitted by `HierarchicalDiD(draws=1000)` with nested Laplace; true effects are drawn from
{BELIEF.describe()}; conclusive is a posterior probability of 95% or more of any reduction. Written by
`benchmarks/bench_assurance.py`; CPU seconds of one core.

| design | conclusive (95% Monte Carlo limits) | cost | refused |
|---|---|---|---|
{chr(10).join(rows)}

## Bayesian power, 24 areas x 36 months at 12 a month, 200 studies

| true rate ratio | conclusive | wrong sign | exaggeration |
|---|---|---|---|
{chr(10).join(shown)}

## Beside the closed form, Poisson counts of 400 a month, 1,000 studies

| belief about the effect | prior of the analysis | closed form | by simulation |
|---|---|---|---|
{chr(10).join(checks)}
"""


if __name__ == "__main__":
    text = page()
    (HERE / "results" / "assurance.md").write_text(text, encoding="utf-8")
    print(text)
