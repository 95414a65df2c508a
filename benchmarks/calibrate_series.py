"""Coverage of the 95% intervals of the two methods for a single series, under errors that last and under none.

Run by `make calibrate`; writes results/calibration_series.csv and .md. The same seed and number of draws give the same
table, with any number of processes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import InterruptedTimeSeries, StructuralTimeSeries
from svmodel.errors import EstimationError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"
N_CONTROLS = 10
_INTRO = """\
# Calibration of the methods for a single series

Made by `make calibrate`: counts of one area whose log rate has a trend, a season and errors that follow an AR(1) with
the autocorrelation shown. There is no effect.

- **Interrupted series**: errors of s.d. .15; each way of computing standard errors.
- **Structural series**: 60 months before the start and 24 after, and ten controls of the same mean. All share a trend
  of -3.6% a year, a season and monthly shocks of s.d. .1; each has errors of its own of s.d. .1. Two chains of 200
  draws.

**Coverage** is the share of series whose 95% interval holds no effect, **z** the mean of the estimate over its standard
error: 0 where the method is unbiased, below 0 where it sees a fall that is none.

| method | before + after | mean | autocorrelation | series | refused | coverage (MC s.e.) | z |
|---|---|--:|--:|--:|--:|--:|--:|
"""


@dataclass(frozen=True)
class Row:
    """One method on one kind of series; `share` of the draws where a fit takes long."""

    name: str
    estimator: Any
    before: int
    after: int
    mean: float
    rho: float
    controls: bool = False
    share: float = 1.0

    def simulate(self, seed: int) -> Design:
        """Return a design without an effect."""
        rng = np.random.default_rng(seed)
        T = self.before + self.after
        time_ = np.arange(T)
        path = -0.003 * time_ + 0.1 * np.sin(2 * np.pi * time_ / 12)
        sd, areas = 0.15, ["A"]
        if self.controls:
            path = path + 0.1 * rng.standard_normal(T)
            sd, areas = 0.1, ["A", *(f"C{k}" for k in range(N_CONTROLS))]
        months = pd.period_range("2015-01", periods=T, freq="M").astype(str)
        parts = []
        for area in areas:
            mean = self.mean * np.exp(path + self._own(rng, T, sd))
            parts.append(pd.DataFrame({"area": area, "month": months, "n": rng.poisson(mean)}))
        panel = Panel.from_frame(pd.concat(parts), area="area", period="month", counts=["n"])
        return Design(panel, outcome="n", intervention=Intervention("patrols", {"A": months[self.before]}))

    def _own(self, rng: np.random.Generator, T: int, sd: float) -> np.ndarray:
        e = sd * rng.standard_normal(T)
        for t in range(1, T):
            e[t] = self.rho * e[t - 1] + math.sqrt(1 - self.rho**2) * e[t]
        return e


def _interrupted() -> list[Row]:
    kinds = ((60, 24, 60.0, 0.0), (60, 24, 60.0, 0.4), (60, 24, 1000.0, 0.6), (36, 12, 60.0, 0.4))
    return [
        Row(f"Interrupted series, {errors}", InterruptedTimeSeries(errors=errors), *kind)
        for kind in kinds
        for errors in ("ar1", "newey_west", "model")
    ]


def _structural() -> list[Row]:
    out = []
    for rho in (0.0, 0.4):
        for controls in ("untreated", "sum"):
            for explained in (0.8, 0.5):
                method = StructuralTimeSeries(controls=controls, explained=explained, draws=200, warmup=100, chains=2)
                name = f"Structural series, {controls}, explained {explained}"
                out.append(Row(name, method, 60, 24, 60.0, rho, controls=True, share=0.2))
    return out


ROWS = (*_interrupted(), *_structural())


#: What is looked at in one series of a row, by its seed; a table by draws, processes and the names that are wanted.
OneDraw: TypeAlias = Callable[[Row, int], Any]
Table: TypeAlias = Callable[[int, int, str], pd.DataFrame]


def one_draw(row: Row, seed: int) -> tuple[bool, bool, float]:
    """Return whether an answer was refused, whether its interval holds no effect, and the standardised estimate."""
    try:
        effect = row.estimator.fit(row.simulate(seed), seed=seed % 1000).effect("att", "events")
    except EstimationError:
        return True, False, math.nan
    return False, effect.conf_low <= 0 <= effect.conf_high, effect.estimate / effect.std_error


def _many(job: tuple[OneDraw, Row, list[int]]) -> list[Any]:
    one, row, seeds = job
    return [one(row, seed) for seed in seeds]


def drawn(
    rows: Sequence[Row], one: OneDraw, draws: int, jobs: int, only: str = "", block: int = 25
) -> list[tuple[Row, list[Any]]]:
    """Return what `one` finds on each series of each row; methods of one kind are put to the same series."""
    parts = []
    for i, row in enumerate(rows):
        if only.lower() in row.name.lower():
            root = derive_seed(SEED, "series", row.before, row.after, row.mean, row.rho, row.controls)
            children = np.random.SeedSequence(root).spawn(max(round(draws * row.share), 1))
            seeds = [int(c.generate_state(1, np.uint64)[0] >> np.uint64(1)) for c in children]
            parts += [(i, seeds[k : k + block]) for k in range(0, len(seeds), block)]
    work = [(one, rows[i], seeds) for i, seeds in parts]
    if jobs == 1:
        found = [_many(job) for job in work]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(_many, work))
    every: dict[int, list[Any]] = {}
    for (i, _), some in zip(parts, found, strict=True):
        every.setdefault(i, []).extend(some)
    return [(rows[i], some) for i, some in every.items()]


def table(draws: int, jobs: int, only: str = "") -> pd.DataFrame:
    """Return the coverage of every row."""
    return pd.DataFrame([_summary(row, found) for row, found in drawn(ROWS, one_draw, draws, jobs, only)])


def _summary(row: Row, found: list[tuple[bool, bool, float]]) -> dict[str, Any]:
    answered = [(covered, z) for refused, covered, z in found if not refused]
    return {
        "method": row.name,
        "before": row.before,
        "after": row.after,
        "mean": row.mean,
        "rho": row.rho,
        "series": len(found),
        "refused": len(found) - len(answered),
        "coverage": float(np.mean([c for c, _ in answered])),
        "z": float(np.mean([z for _, z in answered])),
    }


def page(made: pd.DataFrame) -> str:
    """Return the table as Markdown."""
    lines = []
    for row in made.itertuples():
        error = math.sqrt(row.coverage * (1 - row.coverage) / max(row.series - row.refused, 1))
        lines.append(
            f"| {row.method} | {row.before} + {row.after} | {row.mean:g} | {row.rho:g} | {row.series:,} "
            f"| {row.refused} | {row.coverage:.1%} ({error:.1%}) | {row.z:+.2f} |"
        )
    return _INTRO + "\n".join(lines) + "\n"


def study(name: str, about: str, table: Table, page: Callable[[pd.DataFrame], str]) -> None:
    """Run a study from the command line, and write its table and its page."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="methods whose name holds this")
    given = parser.parse_args()
    begun = time.monotonic()
    made = table(given.draws, given.jobs, given.only)
    given.out.mkdir(parents=True, exist_ok=True)
    made.to_csv(given.out / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")
    path = given.out / f"{name}.md"
    path.write_text(page(made), encoding="utf-8")
    print(f"{path}: {given.draws} series a row, {time.monotonic() - begun:.0f} s, {given.jobs} processes")


if __name__ == "__main__":
    study("calibration_series", __doc__, table, page)
