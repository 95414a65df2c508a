"""Coverage of the default interval of every estimator but the Poisson ETWFE, for many and for few treated areas.

Each estimator on panels whose parallel trends are its own. Run by `make calibrate`; writes
results/calibration_estimators.csv and .md. The same seed and number of draws give the same table, with any number of
processes. `calibrate_inference.py` has the Poisson ETWFE, over more kinds of panels.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrate_estimators_page import page

from svmodel import counterfactual, did, simulate
from svmodel.errors import DesignError, EstimationError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"
N_AREAS, MONTHS, MEAN = 60, 36, 5.0
OVERDISPERSION = (1, 8)
#: Rate ratio; where trends are parallel in events, as many events as that is of the mean.
EFFECTS = (1.0, 0.8)
#: Index of the first treated month and how many start in it.
COHORTS = {
    (20, False): ((18, 20),),
    (20, True): ((15, 7), (18, 7), (22, 6)),
    (5, False): ((18, 5),),
    (5, True): ((15, 2), (18, 2), (22, 1)),
    (3, False): ((18, 3),),
    (1, False): ((18, 1),),
}
MANY, FEW_AT_ONCE, FEW_IN_TURN, ONE = ((20, False), (20, True)), ((5, False), (3, False)), ((5, True),), ((1, False),)
EVERY = (*MANY, *FEW_AT_ONCE, *FEW_IN_TURN, *ONE)


@dataclass(frozen=True)
class Row:
    """An estimator, the panels it is put to, and how many of them.

    `share` is the part of the draws that the kinds of panels in `dear` get, where a fit takes long.
    """

    name: str
    estimator: Any
    scale: str
    additive: bool
    panels: tuple[tuple[int, bool], ...]
    dear: tuple[tuple[int, bool], ...] = ()
    share: float = 0.25

    def draws(self, panels: tuple[int, bool], wanted: int) -> int:
        """Return how many panels of a kind are drawn."""
        return max(round(wanted * self.share), 1) if panels in self.dear else wanted


IN_TURN = (MANY[1], *FEW_IN_TURN)
ROWS = (
    Row("Imputation, linear", did.Imputation(family="linear"), "difference", True, EVERY, FEW_IN_TURN),
    Row("Sun and Abraham", did.SunAbraham(), "difference", True, EVERY, FEW_IN_TURN),
    # with one start these are the two above, number for number: a test holds them to it
    Row(
        "Callaway and Sant'Anna, never treated",
        did.CallawaySantAnna(simultaneous=False),
        "difference",
        True,
        IN_TURN,
        FEW_IN_TURN,
    ),
    Row(
        "ETWFE, linear",
        did.ExtendedTwoWayFixedEffects(family="linear", only_average=True),
        "difference",
        True,
        (*MANY, *FEW_IN_TURN),
        FEW_IN_TURN,
    ),
    Row(
        "TWFE, linear",
        did.TwoWayFixedEffects(family="linear"),
        "difference",
        True,
        (*MANY, *FEW_IN_TURN),
        FEW_IN_TURN,
    ),
    Row("Stacked, linear", did.StackedDiD(family="linear"), "difference", True, (*MANY, *FEW_IN_TURN), FEW_IN_TURN),
    Row(
        "TWFE, Poisson",
        did.TwoWayFixedEffects(family="poisson"),
        "rate_ratio",
        False,
        EVERY,
        (*FEW_AT_ONCE, *FEW_IN_TURN, *ONE),
        share=0.15,
    ),
    Row("Stacked, Poisson", did.StackedDiD(family="poisson"), "rate_ratio", False, IN_TURN, FEW_IN_TURN, share=0.15),
    Row(
        "Synthetic DiD",
        counterfactual.SyntheticDiD(n_draws=199),
        "difference",
        True,
        (*MANY, (5, False), *ONE),
        ((5, False),),
    ),
    Row("Synthetic control", counterfactual.SyntheticControl(), "difference", True, ((5, False), *ONE), ((5, False),)),
    Row("Interrupted time series", counterfactual.InterruptedTimeSeries(), "rate_ratio", False, ONE),
    Row(
        "Interrupted time series, level alone",
        counterfactual.InterruptedTimeSeries(slope_change=False),
        "rate_ratio",
        False,
        ONE,
    ),
    Row(
        "Structural time series",
        counterfactual.StructuralTimeSeries(),
        "difference",
        True,
        ONE,
        ONE,
        share=0.2,
    ),
    Row(
        "Structural time series, sum of controls",
        counterfactual.StructuralTimeSeries(controls="sum"),
        "difference",
        True,
        ONE,
        ONE,
        share=0.2,
    ),
)


@dataclass(frozen=True)
class Cell:
    """A kind of panel."""

    treated: int
    staggered: bool
    overdispersion: int
    additive: bool
    effect: float

    def simulate(self, seed: int) -> simulate.Simulation:
        """Return one draw."""
        return simulate.panel(
            N_AREAS,
            MONTHS,
            mean=MEAN,
            dispersion=(self.overdispersion - 1) / MEAN,
            effect=self.effect,
            cohorts=COHORTS[self.treated, self.staggered],
            season=0.1,
            additive=self.additive,
            level_sd=0.2 if self.additive else 0.4,
            seed=seed,
        )

    def seeds(self, draws: int) -> list[int]:
        """Return a stream of seeds of the cell's own: the first ones are the same for any number."""
        children = np.random.SeedSequence(derive_seed(SEED, "estimators", repr(self))).spawn(draws)
        return [int(c.generate_state(1, np.uint64)[0] >> np.uint64(1)) for c in children]


def one_draw(row: Row, cell: Cell, seed: int) -> dict[str, Any]:
    """Return whether the interval of the average effect holds the truth, and whether the result warns."""
    simulation = cell.simulate(seed)
    outcome = simulation.processes[0].outcome
    truth = simulation.truth[outcome].effect()
    true = truth.rate_ratio if row.scale == "rate_ratio" else truth.difference
    none = 1.0 if row.scale == "rate_ratio" else 0.0
    try:
        result = row.estimator.fit(simulation.design(outcome), seed=seed % 1000)
    except (DesignError, EstimationError):
        return {"refused": True}
    if not result.has("att", row.scale):
        return {"refused": True}
    effect = result.effect("att", row.scale)
    low, high = effect.conf_low, effect.conf_high
    return {
        "refused": bool(math.isnan(low) or math.isnan(high)),
        "covered": low <= true <= high,
        "rejected": not low <= none <= high,
        "below": high < true,
        "bounded": math.isfinite(high - low),
        "warned": bool(result.diagnostics["inference_in_doubt"]),
        "inference": str(result.diagnostics["inference"]),
    }


def _many(job: tuple[Row, Cell, list[int]]) -> list[dict[str, Any]]:
    row, cell, seeds = job
    return [one_draw(row, cell, seed) for seed in seeds]


def summary(row: Row, cell: Cell, drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one line of the table; shares are of the panels that were answered with an interval."""
    answered = [d for d in drawn if not d["refused"]]

    def share(key: str) -> float:
        return float(np.mean([d[key] for d in answered])) if answered else math.nan

    kinds = [d["inference"] for d in answered]
    return {
        "estimator": row.name,
        "scale": row.scale,
        **vars(cell),
        "panels": len(drawn),
        "refused": len(drawn) - len(answered),
        "coverage": share("covered"),
        "rejected": share("rejected"),
        "below": share("below"),
        "bounded": share("bounded"),
        "warned": share("warned"),
        "inference": max(kinds, key=kinds.count, default=""),
    }


def work_of(rows: Iterable[Row], draws: int) -> list[tuple[Row, Cell, list[int]]]:
    """Return every row and kind of panel with its seeds."""
    out = []
    for row in rows:
        for panels in row.panels:
            for overdispersion in OVERDISPERSION:
                for effect in EFFECTS:
                    cell = Cell(*panels, overdispersion, row.additive, effect)
                    out.append((row, cell, cell.seeds(row.draws(panels, draws))))
    return out


def table(rows: Iterable[Row], draws: int, jobs: int) -> pd.DataFrame:
    """Return the coverage of every estimator on every kind of panel, without an effect and with one."""
    work, block = work_of(rows, draws), 25
    parts = [(r, c, s[i : i + block]) for r, c, s in work for i in range(0, len(s), block)]
    if jobs == 1:
        drawn = [_many(part) for part in parts]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(_many, parts))
    held = iter(drawn)
    return pd.DataFrame([summary(r, c, [d for _ in range(0, len(s), block) for d in next(held)]) for r, c, s in work])


def main() -> None:
    """Run the study and write its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="estimators whose name holds this")
    given = parser.parse_args()
    begun = time.monotonic()
    made = table([r for r in ROWS if given.only.lower() in r.name.lower()], given.draws, given.jobs)
    given.out.mkdir(parents=True, exist_ok=True)
    made.to_csv(given.out / "calibration_estimators.csv", index=False, float_format="%.5g", lineterminator="\n")
    path = given.out / "calibration_estimators.md"
    path.write_text(page(made), encoding="utf-8")
    print(f"{path}: {given.draws} panels a cell, {time.monotonic() - begun:.0f} s, {given.jobs} processes")


if __name__ == "__main__":
    main()
