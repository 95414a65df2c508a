"""Smoothed small areas: processor seconds and peak memory of one fit, each in a process of its own.

A square map, negative binomial counts with a mean of 8 an area and month, BYM2 over the map and a random walk of order
1 over months; ``SmallAreaTrend.fit`` from the panel to the tables. Imports of scipy, and of PyMC for NUTS, are in the
time, and so is what NUTS compiles. One thread for linear algebra.

Run: python benchmarks/bench_small_areas.py [CASE ...]
"""

# ruff: noqa: E402 - the number of threads is read when numpy is imported

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import svmodel as sv
from svmodel import simulate

HERE = Path(__file__).parent
#: Name, areas, months, choices of the estimator, seconds and GB that are allowed.
CASES: dict[str, tuple[int, int, dict[str, Any], float | None, float | None]] = {
    "300 areas x 48 months, laplace": (300, 48, {}, 3.0, None),
    "300 areas x 48 months, nuts": (300, 48, {"engine": "nuts"}, 60.0, None),
    "679 areas x 60 months, laplace": (679, 60, {}, 60.0, 4.0),
    "679 areas x 60 months, Poisson with interaction, laplace": (
        679,
        60,
        {"family": "poisson", "interaction": True, "draws": 1000},
        60.0,
        4.0,
    ),
    "3,000 areas x 24 months, laplace (sparse)": (3000, 24, {}, None, None),
}


def one(name: str) -> dict[str, Any]:
    """Fit one case in this process."""
    areas, months, choices, _, _ = CASES[name]
    made = simulate.panel(areas, months, mean=8, cohorts=(), dispersion=0.09, seed=2026)
    estimator = sv.bayes.SmallAreaTrend(**choices)
    begin = time.process_time(), time.perf_counter()
    found = estimator.fit(made.panel, "violence", exposure="population", neighbours=made.neighbours, seed=1)
    return {
        "cpu": time.process_time() - begin[0],
        "wall": time.perf_counter() - begin[1],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "convergence": found.diagnostics["convergence"],
        "run": found.diagnostics["run"],
        "share": found.share_by_borders,
    }


def worded(found: dict[str, Any]) -> str:
    """Tell what the engine says of itself."""
    convergence = found["convergence"]
    if convergence["r_hat"] is not None:
        return f"R-hat {convergence['r_hat']:.3f}, {convergence['divergences']} divergences"
    return f"{convergence['effective_points']:.0f} effective points, {found['run']['evaluations']} modes"


def main(names: list[str]) -> None:
    """Run some cases in child processes, and write the table; rows of other cases stay as they were."""
    page = HERE / "results" / "small_areas.md"
    told = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    rows = {name: line for name in CASES for line in told if line.startswith(f"| {name} |")}
    for name in names:
        command = [sys.executable, __file__, "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, memory = CASES[name][3:]
        allowed = ", ".join(f"{v:g} {u}" for v, u in ((seconds, "s"), (memory, "GB")) if v is not None) or "-"
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1].split(": ", 2)[-1].split(". Look at")[0]
            rows[name] = f"| {name} | no number | | {reason} | {allowed} |"
            print(rows[name], flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        rows[name] = f"| {name} | {found['cpu']:.1f} | {found['memory']:.2f} | {worded(found)} | {allowed} |"
        print(rows[name], flush=True)
    text = [
        "# Smoothed small areas: time and memory",
        "",
        *(line for line in (__doc__ or "").strip().splitlines()[2:5]),
        "",
        "| case | processor seconds | peak memory, GB | engine | allowed |",
        "|---|---|---|---|---|",
        *(rows[name] for name in CASES if name in rows),
        "",
        f"Python {platform.python_version()}, {platform.machine()}; other work ran on the machine.",
        "",
    ]
    page.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2])))
    else:
        main(sys.argv[1:] or list(CASES))
