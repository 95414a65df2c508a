"""Does the 95% interval hold the truth 95 times in 100? Each estimator on panels whose truth is known.

Run by `make calibrate`; writes results/calibration.csv and results/calibration.md. The same seed and
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

from svmodel import did, simulate
from svmodel.errors import EstimationError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"

ESTIMATORS = {
    "TWFE Poisson": did.TwoWayFixedEffects(family="poisson"),
    "ETWFE Poisson": did.ExtendedTwoWayFixedEffects(family="poisson"),
    "TWFE linear": did.TwoWayFixedEffects(family="linear"),
    "Callaway-Sant'Anna, never treated": did.CallawaySantAnna(simultaneous=False),
    "Callaway-Sant'Anna, not yet treated": did.CallawaySantAnna(control="not_yet_treated", simultaneous=False),
}
MULTIPLICATIVE = ("TWFE Poisson", "ETWFE Poisson")
ADDITIVE = ("TWFE linear", "Callaway-Sant'Anna, never treated")
NOT_YET = "Callaway-Sant'Anna, not yet treated"

#: The synthetic Merseyside's headline outcome, with the areas chosen on their permanent level.
LIKE_MERSEYSIDE = {
    "mean": 10.0,
    "dispersion": 0.05,
    "shock_sd": 0.25,
    "shock_persistence": 0.6,
    "trend": -0.01,
    "season": 0.1,
    "selection": "level",
}
SMALL = {
    "n_areas": 60,
    "mean": 5.0,
    "dispersion": 0.3,
    "shock_sd": 0.0,
    "shock_persistence": 0.0,
    "cohorts": ((57, 4), (63, 4), (69, 4)),
}
IN_EVENTS = {"additive": True, "level_sd": 0.2}
IN_TURN = {"cohorts": ((20, 30), (44, 30), (66, 30)), "effect": 0.6, "build_up": 48, "selection": "lot"}
GROWING = (
    "The effect grows over 48 months. Two-way fixed effects take areas that started earlier as controls for those that "
    "start later, so that growth is counted against the effect."
)


@dataclass(frozen=True)
class Scenario:
    """One process, the estimators put to it, and whether their intervals ought to hold."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    estimators: tuple[str, ...] = MULTIPLICATIVE
    nominal: tuple[str, ...] | None = None  # None: all of them
    recipe: bool = False
    why: str = ""

    def ought(self, estimator: str) -> bool:
        """Return whether theory promises the nominal rate."""
        return estimator in (self.estimators if self.nominal is None else self.nominal)

    def simulate(self, seed: int) -> simulate.Simulation:
        """Return one draw."""
        if self.recipe:
            return simulate.merseyside(seed=seed, processes=simulate.MERSEYSIDE.processes[:1])
        return simulate.panel(**{**LIKE_MERSEYSIDE, **self.settings}, seed=seed)


SCENARIOS = (
    Scenario("effect 0.80, parallel in logs", {"effect": 0.8}),
    Scenario("no effect, parallel in logs", {"effect": 1.0}),
    Scenario("effect -2 events, parallel in events", {"effect": 0.8, **IN_EVENTS}, (*ADDITIVE, NOT_YET)),
    Scenario("no effect, parallel in events", {"effect": 1.0, **IN_EVENTS}, ADDITIVE),
    Scenario("60 areas, mean 5, effect 0.80, parallel in logs", {**SMALL, "effect": 0.8}),
    Scenario("60 areas, mean 5, effect -1 event, parallel in events", {**SMALL, **IN_EVENTS, "effect": 0.8}, ADDITIVE),
    Scenario(
        "90 of 120 areas start in turn, effect builds up to 0.60, parallel in logs",
        {**IN_TURN},
        nominal=("ETWFE Poisson",),
        why=GROWING,
    ),
    Scenario(
        "90 of 120 areas start in turn, effect builds up to -4 events, parallel in events",
        {**IN_TURN, **IN_EVENTS},
        (*ADDITIVE, NOT_YET),
        nominal=(ADDITIVE[1], NOT_YET),
        why=GROWING,
    ),
    Scenario(
        "effect 0.80, parallel in logs, answered in events",
        {"effect": 0.8},
        ADDITIVE,
        nominal=(),
        why="Trends parallel in logs are not parallel in events when treated areas are high.",
    ),
    Scenario(
        "recipe merseyside: areas chosen on recorded highs",
        {},
        (*MULTIPLICATIVE, *ADDITIVE),
        nominal=(),
        recipe=True,
        why="Regression to the mean adds to the reduction.",
    ),
)


def one_draw(scenario: Scenario, seed: int) -> list[dict[str, Any]]:
    """Fit every estimator of a scenario to one panel; return estimate, error and truth on each scale."""
    simulation = scenario.simulate(seed)
    outcome = simulation.processes[0].outcome
    truth = simulation.truth[outcome].effect()
    true = {
        "rate_ratio": math.log(truth.rate_ratio),
        "events": truth.events,
        "per_100k": truth.per_100k,
        "difference": truth.difference,
    }
    design = simulation.design(outcome)
    rows = []
    for name in scenario.estimators:
        row = {"scenario": scenario.name, "estimator": name, "seed": seed}
        try:
            result = ESTIMATORS[name].fit(design)
        except EstimationError as error:
            rows.append({**row, "scale": "none", "failed": str(error)})
            continue
        for scale, value in true.items():
            if not result.has("att", scale):
                continue
            effect = result.effect("att", scale)
            low, high = effect.conf_low, effect.conf_high
            estimate, error = effect.estimate, effect.std_error
            if scale == "rate_ratio":
                low, high, error = math.log(low), math.log(high), error / estimate
                estimate = math.log(estimate)
            rows.append(
                {
                    **row,
                    "scale": scale,
                    "truth": value,
                    "estimate": estimate,
                    "std_error": error,
                    "covered": low <= value <= high,
                    "rejected": not low <= 0 <= high,
                    "failed": "",
                }
            )
    return rows


def _many(job: tuple[Scenario, list[int]]) -> list[dict[str, Any]]:
    scenario, seeds = job
    return [row for seed in seeds for row in one_draw(scenario, seed)]


def seeds_of(scenario: Scenario, draws: int) -> list[int]:
    """Return the seeds of a scenario's draws: a stream of its own, one child for each draw."""
    children = np.random.SeedSequence(derive_seed(SEED, scenario.name)).spawn(draws)
    return [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children]


def draw_all(scenarios: Sequence[Scenario], draws: int, jobs: int = 1) -> pd.DataFrame:
    """Return every draw of every scenario as a long frame, in the same order with any number of processes."""
    block = 25
    work = [(s, seeds_of(s, draws)[i : i + block]) for s in scenarios for i in range(0, draws, block)]
    if jobs == 1:
        return pd.DataFrame([row for job in work for row in _many(job)])
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return pd.DataFrame([row for part in pool.map(_many, work) for row in part])


def tabulate(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return bias, coverage and the honesty of standard errors, by scenario, estimator and scale.

    Rate ratios are tabulated as logarithms. ``bias`` is the mean of estimate less truth; ``sd`` the standard
    deviation of that over draws; ``se_ratio`` the root mean square of the standard errors over ``sd``;
    ``rejected`` the share of intervals without 0. Columns in ``_mc`` are Monte Carlo standard errors.
    """
    rows = []
    for (scenario, estimator), group in drawn.groupby(["scenario", "estimator"], sort=False):
        failed = int((group["failed"] != "").sum())
        for scale, part in group[group["failed"] == ""].groupby("scale", sort=False):
            n = len(part)
            error = part["estimate"] - part["truth"]
            coverage = float(part["covered"].astype(float).mean())
            sd = float(error.std(ddof=1))
            rows.append(
                {
                    "scenario": scenario,
                    "estimator": estimator,
                    "scale": scale,
                    "draws": n,
                    "failed": failed,
                    "truth": part["truth"].mean(),
                    "bias": error.mean(),
                    "bias_mc": sd / math.sqrt(n),
                    "sd": sd,
                    "se_ratio": math.sqrt(float((part["std_error"] ** 2).mean())) / sd,
                    "coverage": coverage,
                    "coverage_mc": math.sqrt(coverage * (1 - coverage) / n),
                    "rejected": float(part["rejected"].astype(float).mean()),
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Run the study and write its tables."""
    from calibration_page import page

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    begun = time.monotonic()
    table = tabulate(draw_all(SCENARIOS, given.draws, given.jobs))
    given.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out / "calibration.csv", index=False, float_format="%.5g", lineterminator="\n")
    (given.out / "calibration.md").write_text(page(table, SCENARIOS, given.draws), encoding="utf-8")
    print(
        f"{given.out / 'calibration.md'}: {given.draws} draws, {time.monotonic() - begun:.0f} s, {given.jobs} processes"
    )


if __name__ == "__main__":
    main()
