"""How often the checks fire where their fault is planted, and where it is not.

Run by `make calibrate`; writes results/calibration_checks.csv and results/calibration_checks.md. The same seed and
number of draws give the same table, with any number of processes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svmodel import checks, did, simulate
from svmodel.errors import UserError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"
ESTIMATOR = did.ExtendedTwoWayFixedEffects(family="poisson")
#: What has to hold: the share of panels with the fault in which a check fires, and of those without.
AT_LEAST, AT_MOST = 0.80, 0.10

#: The synthetic Merseyside's headline outcome: shocks that last some months.
NOISY = {"mean": 10.0, "dispersion": 0.05, "shock_sd": 0.25, "shock_persistence": 0.6}
SMALL = {"n_areas": 100, "n_periods": 48, "cohorts": ((30, 10), (36, 10))}
SMALLER = {"n_areas": 60, "n_periods": 48, "cohorts": ((24, 4), (30, 4))}


@dataclass(frozen=True)
class Case:
    """One process, the check that is put to it, and whether its fault is planted."""

    check: str
    name: str
    planted: bool
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the stream of draws."""
        return f"{self.check}: {self.name}"


def _reversion(size: str, settings: dict[str, Any]) -> list[Case]:
    return [
        Case("regression_to_the_mean", f"{size}, chosen {how}", planted, {**settings, "selection": selection})
        for how, selection, planted in (
            ("on the year before", "observed", True),
            ("by lot", "lot", False),
            ("by permanent level", "level", False),
        )
    ]


def _next_door(size: str, settings: dict[str, Any], ratios: Sequence[float]) -> list[Case]:
    return [
        Case("spillover", f"{size}, next door x {ratio:g}", ratio != 1, {**settings, "spillover": ratio})
        for ratio in (*ratios, 1.0)
    ]


CASES = (
    *_reversion("120 areas x 84 months, mean 10, plain counts", {}),
    *_reversion("120 areas x 84 months, mean 10, shocks", NOISY),
    *_reversion("100 areas x 48 months, mean 10, plain counts", SMALL),
    *_reversion("100 areas x 48 months, mean 10, shocks", {**SMALL, **NOISY}),
    *_reversion("60 areas x 48 months, mean 5, 8 treated", {**SMALLER, "mean": 5.0, "dispersion": 0.3}),
    *_next_door("120 areas x 84 months, mean 10, plain counts", {}, (1.15, 0.9)),
    *_next_door("120 areas x 84 months, mean 10, shocks", NOISY, (1.2, 1.1, 0.85)),
    *_next_door("100 areas x 48 months, mean 10, plain counts", SMALL, (1.2, 0.85)),
    *_next_door(
        "60 areas x 48 months, mean 5, 8 treated", {**SMALLER, "mean": 5.0, "dispersion": 0.3}, (1.3, 1.2, 0.8)
    ),
)


def one_draw(case: Case, seed: int) -> dict[str, Any]:
    """Make the check on one panel; return its status."""
    simulation = simulate.panel(**case.settings, seed=seed)
    row = {"check": case.check, "case": case.name, "planted": case.planted, "seed": seed}
    try:
        result = ESTIMATOR.fit(simulation.design())
    except UserError as error:
        return {**row, "status": "refused", "text": str(error)}
    options = {"spillover": {"neighbours": simulation.neighbours}}
    found = checks.run(result, names=[case.check], seed=seed, options=options)[0]
    return {**row, "status": found.status, "text": found.text}


def _many(job: tuple[Case, list[int]]) -> list[dict[str, Any]]:
    case, seeds = job
    return [one_draw(case, seed) for seed in seeds]


def seeds_of(case: Case, draws: int) -> list[int]:
    """Return the seeds of a case's draws: a stream of its own, one child for each draw."""
    children = np.random.SeedSequence(derive_seed(SEED, case.key)).spawn(draws)
    return [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children]


def draw_all(cases: Sequence[Case], draws: int, jobs: int = 1) -> pd.DataFrame:
    """Return every draw of every case as a long frame, in the same order with any number of processes."""
    block = 25
    work = [(c, seeds_of(c, draws)[i : i + block]) for c in cases for i in range(0, draws, block)]
    if jobs == 1:
        return pd.DataFrame([row for job in work for row in _many(job)])
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return pd.DataFrame([row for part in pool.map(_many, work) for row in part])


def tabulate(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return how often each check fired: ``fired`` is the share of panels whose status is ``failed``.

    A check that could not be made, or a panel that the estimator refused, counts as one that did not fire;
    ``unanswered`` is how many. ``fired_mc`` is the Monte Carlo standard error, ``holds`` whether the share is on the
    right side of 80% (planted) or 10% (not planted).
    """
    rows = []
    for (check, case, planted), group in drawn.groupby(["check", "case", "planted"], sort=False):
        n = len(group)
        fired = float((group["status"] == "failed").mean())
        rows.append(
            {
                "check": check,
                "case": case,
                "planted": planted,
                "draws": n,
                "unanswered": int((~group["status"].isin(["passed", "failed", "informative"])).sum()),
                "fired": fired,
                "fired_mc": math.sqrt(fired * (1 - fired) / n),
                "holds": fired >= AT_LEAST if planted else fired <= AT_MOST,
            }
        )
    return pd.DataFrame(rows)


def page(table: pd.DataFrame, draws: int) -> str:
    """Return the table as a page."""
    lines = [
        "# Do the checks fire when they should?",
        "",
        f"{draws:,} panels a row; made by `benchmarks/calibrate_checks.py`, seed {SEED}. A check fires where its",
        f"status is `failed`. It ought to in at least {AT_LEAST:.0%} of panels in which the fault is planted, and in",
        f"at most {AT_MOST:.0%} of those in which it is not. Numbers after ± are Monte Carlo standard errors.",
        'The estimator is `ExtendedTwoWayFixedEffects(family="poisson")`; the effect is 0.80.',
        "",
        "| check | process | planted | fired | holds |",
        "|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        share = f"{row.fired:.1%} ± {row.fired_mc:.1%}"
        planted, holds = ("yes" if value else "no" for value in (row.planted, row.holds))
        lines.append(f"| `{row.check}` | {row.case} | {planted} | {share} | {holds} |")
    unanswered = table[table["unanswered"] > 0]
    for row in unanswered.itertuples():
        lines += [
            "",
            f"{row.unanswered} of {row.draws} panels of `{row.check}`, {row.case}: no answer; counted as not fired.",
        ]
    missed = table[~table["holds"]]
    if len(missed):
        lines += [
            "",
            f"It does not hold in {len(missed)} of the {len(table)} rows.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the study and write its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    begun = time.monotonic()
    table = tabulate(draw_all(CASES, given.draws, given.jobs))
    given.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out / "calibration_checks.csv", index=False, float_format="%.5g", lineterminator="\n")
    (given.out / "calibration_checks.md").write_text(page(table, given.draws), encoding="utf-8")
    took = time.monotonic() - begun
    print(f"{given.out / 'calibration_checks.md'}: {given.draws} draws, {took:.0f} s, {given.jobs} processes")


if __name__ == "__main__":
    main()
