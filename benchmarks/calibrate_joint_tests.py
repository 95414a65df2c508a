"""How often the joint test of pre-trends rejects where there is none, and where there is, with small cohorts.

Noise is independent and normal, areas have levels and periods have shocks of their own. A cell of the table is a method
and a design: cohorts of one, two or five areas that start in turn, a large cohort beside one area, and numbers of areas
from 6 to 60. A test that cannot be made counts as such, not as passed.

    python benchmarks/calibrate_joint_tests.py [--panels 1000] [--jobs 1]

writes benchmarks/results/calibration_joint_tests.md; some two hours of one core.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np  # noqa: E402 - after the number of threads
import pandas as pd  # noqa: E402

import svmodel as sv  # noqa: E402
from svmodel.checks.pre_trends import pre_trends  # noqa: E402

PERIODS = 24
TABLE = Path(__file__).parent / "results" / "calibration_joint_tests.md"
METHODS: dict[str, Any] = {
    "Callaway-Sant'Anna": sv.did.CallawaySantAnna(simultaneous=False, n_boot=1),
    "TWFE, linear": sv.did.TwoWayFixedEffects(family="linear"),
    "Imputation, linear": sv.did.Imputation(family="linear"),
    "Stacked, linear": sv.did.StackedDiD(family="linear"),
    "Sun and Abraham": sv.did.SunAbraham(),
    "ETWFE, linear": sv.did.ExtendedTwoWayFixedEffects(family="linear"),
}
#: Change a period in treated areas of the table of power: a fifth of the noise's standard deviation.
DRIFT = 0.4
#: Sizes of the cohorts, in the order in which they start, and areas never treated.
DESIGNS: dict[str, tuple[list[int], int]] = {
    "3 of 1, 6 areas": ([1] * 3, 3),
    "6 of 1, 12 areas": ([1] * 6, 6),
    "10 of 1, 50 areas": ([1] * 10, 40),
    "20 and 1, 60 areas": ([20, 1], 39),
    "5 and 1, 12 areas": ([5, 1], 6),
    "1 of 2, 6 areas": ([2], 4),
    "3 of 2, 12 areas": ([2] * 3, 6),
    "6 of 2, 30 areas": ([2] * 6, 18),
    "10 of 2, 60 areas": ([2] * 10, 40),
    "1 of 5, 10 areas": ([5], 5),
    "2 of 5, 20 areas": ([5] * 2, 10),
    "4 of 5, 40 areas": ([5] * 4, 20),
    "6 of 5, 60 areas": ([5] * 6, 30),
    "1 of 20, 60 areas": ([20], 40),
}


def design(sizes: Sequence[int], controls: int, seed: int, drift: float = 0.0) -> sv.Design:
    """Return a panel without effect, treated areas drifting; cohorts start between the eighth and the last third."""
    rng = np.random.default_rng([20261201, seed, controls, *sizes])
    first = np.linspace(8, 18, len(sizes)).round().astype(int) if len(sizes) > 1 else np.array([12])
    n = sum(sizes) + controls
    y = rng.normal(50, 5, (n, 1)) + rng.normal(0, 1, (1, PERIODS)) + rng.normal(0, 2, (n, PERIODS))
    y[: sum(sizes)] += drift * np.arange(PERIODS)
    areas = [f"A{i:03d}" for i in range(n)]
    months = pd.period_range("2020-01", periods=PERIODS, freq="M").astype(str)
    frame = pd.DataFrame({"area": np.repeat(areas, PERIODS), "month": np.tile(months, n), "score": y.ravel()})
    panel = sv.Panel.from_frame(frame, area="area", period="month", measures=["score"])
    starts = {a: months[g] for a, g in zip(areas, np.repeat(first, sizes), strict=False)}
    return sv.Design(panel, outcome="score", intervention=sv.Intervention("none", starts=starts))


#: By method, how many tests rejected and how many could be made.
Rates: TypeAlias = dict[str, tuple[int, int]]


def rates(name: str, panels: int, drift: float = 0.0, methods: Sequence[str] = tuple(METHODS)) -> Rates:
    """Return how often the tests of a design reject."""
    sizes, controls = DESIGNS[name]
    found = dict.fromkeys(methods, (0, 0))
    for seed in range(panels):
        made = design(sizes, controls, seed, drift)
        for method in methods:
            try:
                status = pre_trends(METHODS[method].fit(made)).status
            except sv.UserError:
                status = "not_applicable"
            failed, tests = found[method]
            found[method] = failed + (status == "failed"), tests + (status != "not_applicable")
    return found


def both(name: str, panels: int) -> tuple[str, Rates, Rates]:
    """Return size and power of a design."""
    made = name, rates(name, panels), rates(name, panels // 5, DRIFT)
    print(made, flush=True)
    return made


def table(made: Sequence[tuple[str, Rates]], digits: int) -> list[str]:
    """Return the rows of one table."""
    head = [f"| cohorts and areas | {' | '.join(METHODS)} |", f"|---|{'---|' * len(METHODS)}"]
    rows = []
    for name, found in made:
        cells = [f"{100 * failed / tests:.{digits}f}" if tests else "-" for failed, tests in found.values()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return [*head, *rows]


def page(made: Sequence[tuple[str, Rates, Rates]], panels: int) -> str:
    """Return the page."""
    error = 100 * math.sqrt(0.05 * 0.95 / panels)
    lines = [
        "# The joint test of pre-trends with small cohorts",
        "",
        "Per cent of panels in which `pre_trends` fails, at nominal 5%; a dash where the test cannot be made and says",
        "why: fewer than five areas alike decide the estimates before the start. Noise is independent and normal, over",
        "areas and 24 periods; cohorts hold so many areas each, and the rest are never treated.",
        f"`python benchmarks/calibrate_joint_tests.py --panels {panels}` makes it again.",
        "",
        "## Size: no effect, no drift",
        "",
        f"{panels:,} panels a row, alike for all methods: the Monte Carlo error of 5% is {error:.1f} points.",
        "",
        *table([(name, size) for name, size, _ in made], 1),
        "",
        "## Power: a steady drift",
        "",
        f"Treated areas drift by {DRIFT} a period, a fifth of the standard deviation of an area's noise;",
        f"{panels // 5:,} panels a row. Methods differ in how many periods before the start they use: Stacked takes",
        "those that every cohort has.",
        "",
        *table([(name, power) for name, _, power in made], 0),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--panels", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(both, DESIGNS, [asked.panels] * len(DESIGNS)))
    TABLE.write_text(page(found, asked.panels), encoding="utf-8")
