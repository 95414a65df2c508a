"""Honest bounds beside moderndid: the same intervals on the Medicaid event study, in one process.

Relative magnitudes by the conditional least-favourable hybrid test at 1,000 grid points, and the optimal fixed-length
interval under smoothness. moderndid looks for the two ends of the accepted range by bisection over the grid, so that it
tests some twenty of the 1,000 points for each step and sign; svmodel tests all of them. Runs are alternated. Seconds
are those of the processor, so that what else the machine does falls on neither.

Run with ``python benchmarks/bench_honest_bounds.py [ROUNDS]``; it writes benchmarks/results/honest_bounds.md. The event
study comes from the folder beside that of SVMODEL_REAL_DATA; without it a simulated one of the same size is taken.
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from svmodel.numerics.honest import EventStudy
from svmodel.numerics.honest.magnitudes import magnitudes_interval
from svmodel.numerics.honest.smoothness import smoothness_interval

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
GRID, COARSE = 1_000, 12
MAGNITUDES, BENDS = (2.0, 1.0, 0.5), (0.0, 0.01, 0.05)
OUT = Path(__file__).parent / "results" / "honest_bounds.md"
HAVE = importlib.util.find_spec("moderndid") is not None


def medicaid() -> tuple[EventStudy, str]:
    data = os.environ.get("SVMODEL_REAL_DATA")
    path = Path(data) / ".." / "golden" / "ref" / "medicaid_twfe_es.json" if data else None
    if path is not None and path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        return EventStudy(held["betahat"], held["sigma"], 5, [1.0, 0.0]), "Medicaid"
    rng = np.random.default_rng(1)
    covariance = 5e-5 * (np.eye(7) + 1)
    return EventStudy(rng.normal([*[0] * 5, 0.05, 0.07], 0.005), covariance, 5, [1.0, 0.0]), "simulated"


def theirs_magnitudes(study: EventStudy, bound: float, grid: int = GRID) -> tuple[float, float]:
    from moderndid.didhonest.delta.rm.rm import compute_conditional_cs_rm

    found = compute_conditional_cs_rm(
        study.estimate, study.covariance, study.pre, len(study.weights), l_vec=study.weights[:, None], m_bar=bound,
        grid_points=grid, seed=0,
    )  # fmt: skip
    kept = found["grid"][found["accept"] > 0]
    return float(kept.min()), float(kept.max())


def theirs_smoothness(study: EventStudy, bound: float) -> tuple[float, float]:
    from moderndid.didhonest.fixed_length_ci import compute_flci

    found = compute_flci(
        study.estimate, study.covariance, bound, study.pre, len(study.weights), post_period_weights=study.weights
    )
    return tuple(float(v) for v in found.flci)


def ours_magnitudes(study: EventStudy, bound: float, grid: int = GRID) -> tuple[float, float]:
    return magnitudes_interval(study, bound, grid_points=grid, refine=False)[:2]


def ours_smoothness(study: EventStudy, bound: float) -> tuple[float, float]:
    return smoothness_interval(study, bound)[:2]


def timed(calls, rounds: int):
    """Median seconds of the processor and last answer of each call, over alternated rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    answers = {}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the peer warns of what its own solver does
                answers[name] = call()
            seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}, answers


def quietly_load(study: EventStudy) -> None:
    ours_magnitudes(study, 1.0, COARSE)
    if HAVE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs_magnitudes(study, 1.0, COARSE)
            theirs_smoothness(study, 0.01)


def section(title: str, study: EventStudy, bounds, ours, theirs) -> list[str]:
    lines = [f"## {title}", "", "| bound | program | interval | seconds | ratio |", "|---|---|---|---:|---:|"]
    for bound in bounds:
        calls = {"svmodel": lambda b=bound: ours(study, b)}
        if HAVE:
            calls["moderndid"] = lambda b=bound: theirs(study, b)
        seconds, answers = timed(calls, ROUNDS)
        for name, value in seconds.items():
            low, high = answers[name]
            ratio = value / seconds["svmodel"]
            lines.append(f"| {bound} | {name} | {low:.6f} to {high:.6f} | {value:.4f} | {ratio:.0f} |")
            print(lines[-1], flush=True)
    return [*lines, ""]


def main() -> None:
    study, source = medicaid()
    names = [n for n in ("numpy", "scipy", "moderndid", "cvxpy", "numba") if _installed(n)]
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    lines = [
        f"# Honest bounds: {source} event study, five periods before and two after, first period after",
        "",
        f"Seconds of the processor, median of {ROUNDS} alternated run(s) in a process that had loaded everything; one",
        f"thread, {platform.system()}, Python {platform.python_version()}, {versions}.",
        "",
    ]
    if not HAVE:
        lines += ["moderndid is not installed and was left out.", ""]
    quietly_load(study)
    lines += section(
        f"Relative magnitudes, {GRID:,} grid points", study, MAGNITUDES, ours_magnitudes, theirs_magnitudes
    )
    lines += section("Smoothness, fixed length", study, BENDS, ours_smoothness, theirs_smoothness)
    lines += [
        "The grids are the same, so that ends differ by whole grid steps: moderndid takes its least-favourable",
        "critical value from random draws where svmodel integrates it, and leaves out the step from the last period",
        "before the reference to the reference, which HonestDiD has.",
        "",
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines), encoding="utf-8")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
