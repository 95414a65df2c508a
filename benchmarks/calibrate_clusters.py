"""How often a true null is rejected where boroughs were treated and the rows are their wards.

Wards of a borough share a shock that lasts (an autoregression by month, .6 of one month carried over); counts are
Poisson about it. Nothing was done. A cell is a method and a design; `by ward` takes each ward for a separate trial, as
every method did before it clustered.

    python benchmarks/calibrate_clusters.py [--panels 300] [--jobs 1]

writes benchmarks/results/calibration_clusters.md.
"""

from __future__ import annotations

import argparse
import math
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np  # noqa: E402 - after the number of threads
import pandas as pd  # noqa: E402

import svmodel as sv  # noqa: E402

PERIODS = 24
#: Months kept of a shock, and standard deviation of what a month adds, on the log scale.
KEPT, NEW = 0.6, 0.15
TABLE = Path(__file__).parent / "results" / "calibration_clusters.md"
METHODS: dict[str, Any] = {
    "TWFE, by ward": sv.did.TwoWayFixedEffects(cluster="area"),
    "TWFE": sv.did.TwoWayFixedEffects(),
    "TWFE, linear": sv.did.TwoWayFixedEffects(family="linear"),
    "Imputation, linear": sv.did.Imputation(family="linear"),
    "ETWFE": sv.did.ExtendedTwoWayFixedEffects(only_average=True),
    "ETWFE, linear": sv.did.ExtendedTwoWayFixedEffects(family="linear", only_average=True),
    "Stacked": sv.did.StackedDiD(),
    "Sun and Abraham": sv.did.SunAbraham(),
    "Callaway-Sant'Anna": sv.did.CallawaySantAnna(simultaneous=False, n_boot=1),
}
#: Boroughs by their number of wards, and how many of them start in each month, the first ones.
DESIGNS: dict[str, tuple[list[int], dict[int, int]]] = {
    "32 boroughs of 10, 12 treated": ([10] * 32, {12: 12}),
    "32 boroughs of 10, 6 and 6 treated": ([10] * 32, {10: 6, 14: 6}),
    "24 boroughs of 3 to 15, 10 treated": ([3, 6, 9, 12, 15, 9] * 4, {12: 10}),
    "32 boroughs of 10, 4 treated": ([10] * 32, {12: 4}),
    "44 boroughs of 6, 1 treated": ([6] * 44, {12: 1}),
}


def design(name: str, seed: int) -> sv.Design:
    """Return a panel of wards without effect."""
    wards, starting = DESIGNS[name]
    rng = np.random.default_rng([20261202, seed, len(wards), *starting])
    shock = np.zeros((len(wards), PERIODS))
    shock[:, 0] = rng.normal(0, NEW / math.sqrt(1 - KEPT**2), len(wards))
    for t in range(1, PERIODS):
        shock[:, t] = KEPT * shock[:, t - 1] + rng.normal(0, NEW, len(wards))
    order = rng.permutation(len(wards))
    of = np.repeat(np.arange(len(wards)), np.array(wards)[order])
    mean = rng.uniform(10, 30, len(of))[:, None] * np.exp(shock[of] + rng.normal(0, 0.1, PERIODS))
    months = pd.period_range("2020-01", periods=PERIODS, freq="M").astype(str)
    frame = pd.DataFrame(
        {
            "ward": np.repeat([f"W{i:03d}" for i in range(len(of))], PERIODS),
            "borough": np.repeat([f"B{b:02d}" for b in of], PERIODS),
            "month": np.tile(months, len(of)),
            "n": rng.poisson(mean).ravel(),
        }
    )
    panel = sv.Panel.from_frame(frame, area="ward", period="month", counts=["n"], parent="borough")
    first = np.repeat(list(starting), list(starting.values()))
    starts = {f"B{b:02d}": months[g] for b, g in enumerate(first)}
    return sv.Design(panel, outcome="n", intervention=sv.Intervention("none", starts=starts))


def rates(name: str, panels: int, methods: tuple[str, ...] = tuple(METHODS)) -> dict[str, tuple[int, int]]:
    """Return, by method, how often the null was rejected at 5%, and how often there was a p-value."""
    found = dict.fromkeys(methods, (0, 0))
    for seed in range(panels):
        made = design(name, seed)
        for method in methods:
            result = METHODS[method].fit(made)
            p = _p_value(result)
            rejected, known = found[method]
            found[method] = rejected + (p < 0.05), known + (not math.isnan(p))
    return found


def _p_value(result: sv.Result) -> float:
    scale = "rate_ratio" if result.has("att", "rate_ratio") else "difference"
    return float(result.effect("att", scale).p_value)


def row(name: str, panels: int) -> str:
    """Return a row of the table."""
    cells = [f"{100 * rejected / known:.1f}" if known else "-" for rejected, known in rates(name, panels).values()]
    made = f"| {name} | {' | '.join(cells)} |"
    print(made, flush=True)
    return made


def table(panels: int, jobs: int) -> str:
    """Return the page."""
    error = 100 * math.sqrt(0.05 * 0.95 / panels)
    with ProcessPoolExecutor(jobs) as pool:
        rows = list(pool.map(row, DESIGNS, [panels] * len(DESIGNS)))
    lines = [
        "# Size where boroughs were treated and the rows are their wards",
        "",
        "Per cent of panels without any effect in which p is below .05; a dash where no p-value is given. Wards of a",
        f"borough share a shock (standard deviation {NEW / math.sqrt(1 - KEPT**2):.2f} on the log scale, {KEPT} of it",
        "kept from month to month), and have 10 to 30 events a month. Reporting areas are the clusters by the rule,",
        "but for `by ward`. With fewer than eight treated boroughs intervals rest on placebo boroughs.",
        f"{panels:,} panels a row: the Monte Carlo error of 5% is {error:.1f} points. Made by",
        f"`python benchmarks/calibrate_clusters.py --panels {panels}`.",
        "",
        f"| design | {' | '.join(METHODS)} |",
        f"|---|{'--:|' * len(METHODS)}",
    ]
    return "\n".join([*lines, *rows, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--panels", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    TABLE.write_text(table(asked.panels, asked.jobs), encoding="utf-8")
