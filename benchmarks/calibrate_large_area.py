"""False effects and power of synthetic methods for areas of another size than their donors, without an exposure.

Run by `make calibrate`; writes results/calibration_large_area.md. The same seeds and number of studies give the same
table.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from svmodel import Design, Intervention, Panel
from svmodel.counterfactual import SyntheticControl, SyntheticDiD

SEED = 2026
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
RESULTS = Path(__file__).parent / "results"
AREAS, PERIODS, START = 40, 48, 36
METHODS = {
    "Synthetic DiD": SyntheticDiD(n_draws=200),
    "Synthetic control, intercept": SyntheticControl(intercept=True),
    "Synthetic control": SyntheticControl(),
}
_INTRO = """\
# False effects among donors of another size

Made by `make calibrate`: counts of 40 areas in 48 months, no exposure, the first areas treated in the last 12. Donors
have the mean shown, or log-normal means about it with the standard deviation `spread`; `k` is the gamma shape of
overdispersion (none: Poisson). `ratio` is the true rate ratio, 1 where there is no effect.

**Found** is the share of studies with p of at most .05, of those that have a p-value, with its Monte Carlo standard
error: 5% without an effect. **No p** is the share without a p-value, **doubt** that with `inference_in_doubt`. **Sure**
is the share of all that find an effect and do not say that it is in doubt.

| method | treated | donors | spread | k | ratio | studies | found (MC s.e.) | no p | doubt | sure |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


@dataclass(frozen=True)
class World:
    """Where panels are drawn from."""

    treated: tuple[float, ...]
    donors: float
    spread: float = 0.0
    shape: float | None = None
    ratio: float = 1.0
    share: float = 1.0


WORLDS = (
    World((300.0,), 6.0),
    World((300.0,), 6.0, spread=0.8),
    World((300.0,), 6.0, shape=50.0),
    World((60.0,), 6.0, spread=0.8),
    World((20.0,), 20.0),
    World((20.0,), 20.0, spread=0.8),
    World((6.0,), 300.0),
    World((6.0,), 300.0, ratio=0.4, share=0.4),
    World((300.0,), 6.0, ratio=0.8, share=0.4),
    World((300.0,), 6.0, shape=50.0, ratio=0.8, share=0.4),
    World((300.0, 30.0, 6.0), 10.0, spread=0.8, share=0.5),
)


def design(world: World, seed: int) -> Design:
    """Draw a study."""
    rng = np.random.default_rng([SEED, seed])
    n = len(world.treated)
    mean = np.concatenate([world.treated, world.donors * np.exp(world.spread * rng.normal(size=AREAS - n))])
    cells = np.repeat(mean[:, None], PERIODS, axis=1)
    cells[:n, START:] *= world.ratio
    if world.shape is not None:
        cells = cells * rng.gamma(world.shape, 1 / world.shape, cells.shape)
    months = pd.period_range("2018-01", periods=PERIODS, freq="M").astype(str)
    areas = [f"A{i:02d}" for i in range(AREAS)]
    frame = pd.DataFrame(
        {"area": np.repeat(areas, PERIODS), "month": np.tile(months, AREAS), "harms": rng.poisson(cells).ravel()}
    )
    panel = Panel.from_frame(frame, area="area", period="month", counts=["harms"], synthetic=True)
    return Design(panel, outcome="harms", intervention=Intervention("patrols", dict.fromkeys(areas[:n], months[START])))


def _share(name: str, world: World) -> float:
    """Return the share of studies to make: few where levels have to be matched and hardly any can be."""
    if name != "Synthetic control":
        return 1.0
    return 0.5 if max(world.treated) >= 300 or world.donors >= 300 else 2.0


def row(name: str, world: World, studies: int) -> str:
    """Return a line of the table."""
    n = max(round(studies * world.share * _share(name, world)), 20)
    results = [METHODS[name].fit(design(world, seed), seed=1) for seed in range(n)]
    p = np.array([r.effect("att", "events").p_value for r in results])
    doubt = np.array([r.uncertainty.in_doubt for r in results])
    known = ~np.isnan(p)
    found = known & (p <= 0.05)
    told = "-"
    if known.any():
        share = float(found.sum() / known.sum())
        told = f"{share:.1%} ({math.sqrt(share * (1 - share) / known.sum()):.1%})"
    treated = ", ".join(f"{m:g}" for m in world.treated)
    shape = "-" if world.shape is None else f"{world.shape:g}"
    return (
        f"| {name} | {treated} | {world.donors:g} | {world.spread:g} | {shape} | {world.ratio:g} | {n} | {told} "
        f"| {(~known).mean():.0%} | {doubt.mean():.0%} | {(found & ~doubt).mean():.1%} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULTS / "calibration_large_area.md")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args(argv)
    for variable in _THREADS:
        os.environ.setdefault(variable, "1")  # read by the workers, which start anew
    lines = []
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        asked = [(name, world, given.studies) for name in METHODS for world in WORLDS]
        for line in pool.map(row, *zip(*asked, strict=True)):
            lines.append(line)
            print(line, flush=True)
    given.out.write_text(_INTRO + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
