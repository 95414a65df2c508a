"""How often the joint test of pre-trends rejects where there is none, with cohorts of one, two and five areas.

Noise is independent and normal, areas have levels and periods have shocks of their own. A cell of the table is a method
and a design: cohorts of one size that start in turn, one large cohort beside one area, and numbers of areas from 6 to
60. A test that cannot be made counts as such, not as passed.

    python benchmarks/calibrate_joint_tests.py [--panels 400] [--jobs 1]

writes benchmarks/results/calibration_joint_tests.md.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

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
#: These took small cohorts about zero before, and get fewer panels.
SLOWER = ("Sun and Abraham", "ETWFE, linear")
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


def design(sizes: Sequence[int], controls: int, seed: int) -> sv.Design:
    """Return a panel without effect or drift; the cohorts start in turn between the eighth and the last third."""
    rng = np.random.default_rng([20261201, seed, controls, *sizes])
    first = np.linspace(8, 18, len(sizes)).round().astype(int) if len(sizes) > 1 else np.array([12])
    n = sum(sizes) + controls
    y = rng.normal(50, 5, (n, 1)) + rng.normal(0, 1, (1, PERIODS)) + rng.normal(0, 2, (n, PERIODS))
    areas = [f"A{i:03d}" for i in range(n)]
    months = pd.period_range("2020-01", periods=PERIODS, freq="M").astype(str)
    frame = pd.DataFrame({"area": np.repeat(areas, PERIODS), "month": np.tile(months, n), "score": y.ravel()})
    panel = sv.Panel.from_frame(frame, area="area", period="month", measures=["score"])
    starts = {a: months[g] for a, g in zip(areas, np.repeat(first, sizes), strict=False)}
    return sv.Design(panel, outcome="score", intervention=sv.Intervention("none", starts=starts))


def rates(name: str, panels: int) -> dict[str, tuple[int, int]]:
    """Return, by method, how many tests rejected and how many could be made."""
    sizes, controls = DESIGNS[name]
    found = dict.fromkeys(METHODS, (0, 0))
    for seed in range(panels):
        made = design(sizes, controls, seed)
        for method, estimator in METHODS.items():
            if method in SLOWER and seed >= panels // 3:
                continue
            try:
                status = pre_trends(estimator.fit(made)).status
            except sv.UserError:
                status = "not_applicable"
            failed, tests = found[method]
            found[method] = failed + (status == "failed"), tests + (status != "not_applicable")
    return found


def row(name: str, panels: int) -> str:
    """Return a row of the table."""
    cells = [f"{100 * failed / tests:.1f}" if tests else "-" for failed, tests in rates(name, panels).values()]
    made = f"| {name} | {' | '.join(cells)} |"
    print(made, flush=True)
    return made


def table(panels: int, jobs: int) -> str:
    """Return the page."""
    error = 100 * math.sqrt(0.05 * 0.95 / panels)
    with ProcessPoolExecutor(jobs) as pool:
        rows = list(pool.map(row, DESIGNS, [panels] * len(DESIGNS)))
    lines = [
        "# Size of the joint test of pre-trends with small cohorts",
        "",
        "Per cent of panels without effect or drift in which `pre_trends` fails, at nominal 5%; a dash where the test",
        "cannot be made and says why.",
        f"{panels:,} panels a row, {panels // 3:,} for {' and '.join(SLOWER)}: the Monte Carlo",
        f"error of 5% is {error:.1f} points. Made by `python benchmarks/calibrate_joint_tests.py --panels {panels}`.",
        "",
        f"| cohorts and areas | {' | '.join(METHODS)} |",
        f"|---|{'---|' * len(METHODS)}",
    ]
    return "\n".join([*lines, *rows, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--panels", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    TABLE.write_text(table(asked.panels, asked.jobs), encoding="utf-8")
