"""Plain synthetic panels with a known effect, for calibration studies, teaching and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.design import NEVER
from svmodel.errors import DesignError, Problems, did_you_mean
from svmodel.simulate.build import Places, Untreated, build, grow_population, stream
from svmodel.simulate.fields import lay_out_map
from svmodel.simulate.process import Dip, Process
from svmodel.simulate.truth import Simulation

#: How treated areas are chosen: by lot, by permanent level, or by what was recorded before the start.
Selection: TypeAlias = Literal["lot", "level", "observed"]
_SELECTIONS = ("lot", "level", "observed")


def panel(
    n_areas: int = 120,
    n_periods: int = 84,
    *,
    mean: float = 10.0,
    dispersion: float = 0.1,
    effect: float = 0.8,
    build_up: int = 0,
    cohorts: Sequence[tuple[int, int]] = ((57, 8), (63, 8), (69, 8)),
    selection: Selection = "lot",
    baseline: int = 12,
    level_sd: float = 0.4,
    trend: float = -0.02,
    season: float = 0.1,
    shock_sd: float = 0.0,
    shock_persistence: float = 0.0,
    dips: Sequence[Dip] = (),
    additive: bool = False,
    spillover: float = 1.0,
    population: float = 12_000,
    population_spread: float = 0.15,
    growth: float = 0.003,
    first: str = "2018-01",
    outcome: str = "violence",
    seed: int = 0,
) -> Simulation:
    """Simulate one outcome of a staggered intervention.

    Parameters
    ----------
    n_areas, n_periods : int
        Areas and months.
    mean, dispersion, effect, build_up, level_sd, trend, season, shock_sd, shock_persistence, dips, additive
        See :class:`~svmodel.simulate.Process`.
    cohorts : sequence of (int, int)
        Index of the first treated month, counted from 0, and how many areas start in it.
    selection : {"lot", "level", "observed"}
        Treated areas are drawn by lot; or are those of the highest permanent level; or those of the
        highest count over the `baseline` months before their start, which brings regression to the
        mean wherever counts or shocks are noisy.
    baseline : int
        Months that ``"observed"`` looks at.
    spillover : float
        Rate ratio in never treated areas that border on a treated one, from the first start next door on, built up
        as the effect is; above 1 is displacement, below 1 diffusion of benefit. Areas stand on a grid and border on
        those to the north, south, east and west; ``simulation.neighbours`` has them.
    population, population_spread, growth : float
        See :func:`~svmodel.simulate.build.grow_population`. An additive process has areas of one
        constant size, so that its trends are parallel in events and in rates alike.
    first : str
        First month.
    outcome : str
        Name of the count; the exposure is ``population``.
    seed : int

    Returns
    -------
    Simulation
        With the same bits for the same arguments.

    Raises
    ------
    DesignError
        With every argument that makes no panel.

    Examples
    --------
    >>> simulation = panel(n_areas=20, n_periods=24, cohorts=[(12, 5)], effect=0.8, seed=1)
    >>> simulation.panel
    <Panel: 20 areas x 24 periods (Jan 2018 to Dec 2019); violence, population, SYNTHETIC>
    >>> simulation.truth["violence"].effect().rate_ratio
    0.8
    >>> simulation.truth["violence"].effect().events < 0
    True
    """
    cohorts = tuple((int(s), int(n)) for s, n in cohorts)
    _check(n_areas, n_periods, cohorts, selection, baseline, spillover)
    months = pd.period_range(first, periods=n_periods, freq="M")
    if additive:
        size = np.full((n_areas, n_periods), int(population), dtype=np.int64)
    else:
        rng = stream(seed, "population")
        size = grow_population(rng, n_areas, n_periods, mean=population, spread=population_spread, growth=growth)
    width = len(str(n_areas))
    process = Process(
        outcome,
        mean=mean,
        dispersion=dispersion,
        effect=effect,
        build_up=build_up,
        level_sd=level_sd,
        trend=trend,
        season=season,
        shock_sd=shock_sd,
        shock_persistence=shock_persistence,
        dips=tuple(dips),
        additive=additive,
    )
    lot = stream(seed, "lot").permutation(n_areas)

    def choose(untreated: Mapping[str, Untreated]) -> NDArray[np.int64]:
        start = np.full(n_areas, NEVER, dtype=np.int64)
        seen = untreated[outcome]
        rank = np.empty(n_areas)
        for first_treated, wanted in cohorts:
            if selection == "observed":
                rank = seen.counts[:, first_treated - baseline : first_treated].sum(axis=1).astype(np.float64)
            elif selection == "level":
                rank = seen.level
            else:
                rank[lot] = np.arange(n_areas)
            choose_highest(start, rank, wanted, first_treated)
        return start

    return build(
        Places(tuple(f"area {i:0{width}d}" for i in range(n_areas)), lay_out_map((n_areas,)), size, months),
        [process],
        choose,
        seed=seed,
        recipe="panel",
        intervention="Synthetic intervention",
        settings={
            "selection": selection,
            "baseline": baseline,
            "cohorts": [list(c) for c in cohorts],
            **({"spillover": spillover} if spillover != 1 else {}),
        },
        source="svmodel.simulate.panel",
        spillover=spillover,
    )


def choose_highest(
    start: NDArray[np.int64],
    rank: NDArray[np.float64],
    wanted: int,
    first_treated: int,
    among: NDArray[np.bool_] | None = None,
) -> None:
    """Give the `wanted` highest ranked areas that are still free the start `first_treated`, in place.

    Ties go to the first in order.
    """
    free = start == NEVER if among is None else (start == NEVER) & among
    order = np.lexsort((np.arange(len(rank)), -rank))
    start[[i for i in order if free[i]][:wanted]] = first_treated


def _check(
    n_areas: int,
    n_periods: int,
    cohorts: tuple[tuple[int, int], ...],
    selection: str,
    baseline: int,
    spillover: float = 1.0,
) -> None:
    found = Problems()
    if not spillover > 0:
        found.add(f"{spillover!r} is not above 0", where="spillover", rule="spillover")
    for s, n in cohorts:
        if not 0 < s < n_periods:
            found.add(f"start {s} is not between 1 and {n_periods - 1}", where="cohorts", rule="start")
        elif selection == "observed" and s < baseline:
            found.add(f"start {s} leaves no {baseline} months to choose on", where="cohorts", rule="baseline")
        if n < 1:
            found.add(f"a cohort of {n} areas", where="cohorts", rule="cohort_size")
    if sum(n for _, n in cohorts) > n_areas:
        found.add(f"{sum(n for _, n in cohorts)} areas start, but there are {n_areas}", where="cohorts", rule="areas")
    if selection not in _SELECTIONS:
        fix = did_you_mean(selection, _SELECTIONS)
        found.add(f"areas cannot be chosen by {selection!r}", where="selection", fix=fix, rule="selection")
    found.raise_if_any(DesignError, "the panel cannot be simulated")
