"""Coverage of the interval that the rule picks, for many and for few treated areas.

Every combination of treated areas, months, mean count, overdispersion, common shock and staggering. Run by
`make calibrate`; writes results/calibration_inference.csv and .md. The same seed and number of draws give the same
table, with any number of processes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrate_inference_page import HIGH, LOW, page

from svmodel import did, simulate
from svmodel.errors import DesignError, EstimationError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"
N_AREAS = 60
TREATED = (20, 5, 3, 1)
MONTHS = (36, 84)
MEANS = (0.5, 5.0, 50.0)
OVERDISPERSION = (1, 8)
#: Index of the first treated month: one start, or three.
STARTS = {36: ((18,), (15, 18, 22)), 84: ((48,), (42, 50, 60))}
#: Months in which everything was lower everywhere, on either side of the starts.
DIPS = {
    36: (simulate.Dip("2018-09", "2018-11", 0.6), simulate.Dip("2019-08", "2020-02", 0.6)),
    84: (simulate.Dip("2019-03", "2019-08", 0.6), simulate.Dip("2022-01", "2023-03", 0.6)),
}
EFFECTS = (1.0, 0.8)


@dataclass(frozen=True)
class Cell:
    """One combination."""

    treated: int
    months: int
    mean: float
    overdispersion: int
    shock: bool
    staggered: bool

    def cohorts(self) -> tuple[tuple[int, int], ...]:
        """Return the starts with their numbers of areas, as even as they can be."""
        starts = STARTS[self.months][int(self.staggered)]
        share, rest = divmod(self.treated, len(starts))
        return tuple((s, share + (k < rest)) for k, s in enumerate(starts))

    def simulate(self, effect: float, seed: int) -> simulate.Simulation:
        """Return one draw."""
        return simulate.panel(
            N_AREAS,
            self.months,
            mean=self.mean,
            dispersion=(self.overdispersion - 1) / self.mean,
            effect=effect,
            cohorts=self.cohorts(),
            season=0.1,
            dips=DIPS[self.months] if self.shock else (),
            seed=seed,
        )

    def seeds(self, draws: int, stream: str = "") -> list[int]:
        """Return a stream of seeds of the cell's own."""
        children = np.random.SeedSequence(derive_seed(SEED, repr(self), *filter(None, [stream]))).spawn(draws)
        return [int(c.generate_state(1, np.uint64)[0] >> np.uint64(1)) for c in children]


def cells() -> list[Cell]:
    """Return every combination; a single treated area cannot be staggered."""
    every = itertools.product(TREATED, MONTHS, MEANS, OVERDISPERSION, (False, True), (False, True))
    return [Cell(*c) for c in every if not (c[0] == 1 and c[-1])]


def one_draw(cell: Cell, effect: float, seed: int) -> dict[str, Any]:
    """Return whether each interval holds the truth, and whether the result warns."""
    simulation = cell.simulate(effect, seed)
    outcome = simulation.processes[0].outcome
    truth = simulation.truth[outcome].effect()
    try:
        result = did.ExtendedTwoWayFixedEffects(only_average=True).fit(simulation.design(outcome))
    except (DesignError, EstimationError):
        return {"refused": True}
    if not result.has("att", "rate_ratio"):
        return {"refused": True}
    ratio, events = result.effect("att", "rate_ratio"), result.effect("att", "events")
    return {
        "refused": bool(math.isnan(ratio.conf_low)),
        "rate_ratio": ratio.conf_low <= effect <= ratio.conf_high,
        "events": events.conf_low <= truth.events <= events.conf_high,
        "below": ratio.conf_high < effect,
        "bounded": math.isfinite(ratio.conf_high),
        "warned": bool(result.diagnostics["inference_in_doubt"]),
        "inference": str(result.diagnostics["inference"]),
    }


def _many(job: tuple[Cell, float, list[int]]) -> dict[str, Any]:
    cell, effect, seeds = job
    return summary(cell, effect, [one_draw(cell, effect, seed) for seed in seeds])


def summary(cell: Cell, effect: float, drawn: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one row of the table; shares are of the panels that were answered."""
    answered = [d for d in drawn if not d["refused"]]

    def share(key: str) -> float:
        return float(np.mean([d[key] for d in answered])) if answered else math.nan

    return {
        **vars(cell),
        "effect": effect,
        "panels": len(drawn),
        "refused": len(drawn) - len(answered),
        "coverage": share("rate_ratio"),
        "coverage_events": share("events"),
        "below": share("below"),
        "bounded": share("bounded"),
        "warned": share("warned"),
        "inference": max((d["inference"] for d in answered), key=[d["inference"] for d in answered].count, default=""),
    }


def table(wanted: Iterable[Cell], draws: int, jobs: int, stream: str = "") -> pd.DataFrame:
    """Return the coverage of every cell, without an effect and with one."""
    work = [(c, e, c.seeds(draws, stream)) for c in wanted for e in EFFECTS]
    if jobs == 1:
        return pd.DataFrame([_many(job) for job in work])
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return pd.DataFrame(list(pool.map(_many, work)))


def marked(made: pd.DataFrame) -> list[Cell]:
    """Return the cells with a coverage outside where most results do not warn."""
    out = [made[c].lt(LOW) | made[c].gt(HIGH) for c in ("coverage", "coverage_events")]
    silent = made[(out[0] | out[1]) & (made["warned"] <= 0.5)]
    keys = [f.name for f in fields(Cell)]
    return [Cell(*row) for row in silent[keys].drop_duplicates().itertuples(index=False)]


def main() -> None:
    """Run the study and write its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--again", type=int, default=4000, help="fresh panels for cells that are marked")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    begun = time.monotonic()
    made = table(cells(), given.draws, given.jobs)
    given.out.mkdir(parents=True, exist_ok=True)
    write(made, "calibration_inference.csv", given.out)
    again = table(marked(made), given.again, given.jobs, "again")
    write(again, "calibration_inference_again.csv", given.out)
    path = given.out / "calibration_inference.md"
    path.write_text(page(made, given.draws, again, given.again), encoding="utf-8")
    print(f"{path}: {given.draws} panels a cell, {time.monotonic() - begun:.0f} s, {given.jobs} processes")


def write(made: pd.DataFrame, name: str, out: Path) -> None:
    """Write a table as CSV."""
    made.to_csv(out / name, index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    main()
