"""The recipe `merseyside`: five local authorities, 120 small areas that do not exist, seven years of months.

The local authorities carry their real codes and names, so that a report of the synthetic data reads
like a report of real data. Everything else - areas, populations, counts, the intervention - is made up.
Levels are of the size that English small areas of about 12,000 people have; they are not Merseyside's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.design import NEVER
from svmodel.errors import DesignError, Problems, did_you_mean
from svmodel.simulate.build import Places, Untreated, build, grow_population, stream
from svmodel.simulate.fields import lay_out_map
from svmodel.simulate.panels import choose_highest
from svmodel.simulate.process import Dip, Process
from svmodel.simulate.truth import Simulation


@dataclass(frozen=True)
class District:
    """A local authority and how many synthetic small areas stand in it."""

    code: str
    name: str
    short: str
    n_areas: int


@dataclass(frozen=True)
class Cohort:
    """Areas that start together: the month, and how many areas in each district by its short name."""

    start: str
    areas: Mapping[str, int]


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a synthetic region, except the seed.

    Parameters
    ----------
    name : str
    districts : tuple of District
        In the order of their short names, so that area codes come out sorted.
    first : str
        First month.
    n_periods : int
        Months.
    processes : tuple of Process
        The first is the outcome that areas are chosen on.
    cohorts : tuple of Cohort
        In order of start. Within a district the areas with the highest recorded rate of the first
        outcome are taken, among those that have not started yet.
    baseline : int
        Months of records that the choice looks at.
    lag : int
        Months between the end of those records and the start: bids, approval, recruitment.
    reach : float
        Of the smooth map of levels, in steps between neighbours.
    intervention : str
    """

    name: str
    districts: tuple[District, ...]
    first: str
    n_periods: int
    processes: tuple[Process, ...]
    cohorts: tuple[Cohort, ...]
    baseline: int = 12
    lag: int = 3
    reach: float = 1.5
    intervention: str = "Synthetic focused deterrence"


_PANDEMIC = (Dip("2020-04", "2020-06", 0.70), Dip("2020-11", "2021-03", 0.80))
# The same transient shocks touch every outcome of an area, each in its own measure.
_Outcome = partial(Process, shared=0.5, shock_sd=0.25, shock_persistence=0.6)

MERSEYSIDE = Recipe(
    name="merseyside",
    districts=(
        District("E08000011", "Knowsley", "KNO", 13),
        District("E08000012", "Liverpool", "LIV", 41),
        District("E08000014", "Sefton", "SEF", 23),
        District("E08000013", "St Helens", "STH", 16),
        District("E08000015", "Wirral", "WIR", 27),
    ),
    first="2018-01",
    n_periods=84,
    processes=(
        _Outcome(
            "violence_with_injury",
            mean=10,
            dispersion=0.05,
            effect=0.80,
            trend=-0.01,
            season=0.10,
            dips=_PANDEMIC,
        ),
        _Outcome(
            "violence_without_injury",
            mean=15,
            dispersion=0.05,
            effect=0.90,
            trend=0.01,
            season=0.06,
            dips=_PANDEMIC,
        ),
        _Outcome(
            "possession_of_weapons",
            mean=1.2,
            dispersion=0.20,
            effect=0.85,
            level_sd=0.5,
            trend=0.03,
            season=0.05,
            dips=(Dip("2020-04", "2020-06", 0.85),),
        ),
        _Outcome(
            "sharp_object_admissions",
            mean=0.2,
            dispersion=0.30,
            effect=1.00,
            level_sd=0.6,
            trend=-0.02,
            season=0.05,
            dips=(Dip("2020-04", "2020-06", 0.75),),
        ),
    ),
    cohorts=(
        Cohort("2022-10", {"LIV": 4, "KNO": 2, "SEF": 1, "WIR": 1}),
        Cohort("2023-04", {"LIV": 3, "KNO": 1, "SEF": 2, "WIR": 2}),
        Cohort("2023-10", {"LIV": 3, "KNO": 1, "SEF": 2, "WIR": 2}),
    ),
)


def merseyside(
    seed: int = 2026, *, effects: Mapping[str, float] | None = None, build_up: int = 0, **changes: Any
) -> Simulation:
    """Simulate the synthetic Merseyside: 120 small areas in five local authorities, 2018-01 to 2024-12.

    Treated areas are chosen on high recorded violence with injury over twelve months, three months
    before they start, as funders do; part of that high is chance and fades by itself.

    Parameters
    ----------
    seed : int
    effects : mapping of str to float, optional
        True rate ratio by outcome, instead of the recipe's 0.80 (violence with injury), 0.90 (violence
        without injury), 0.85 (possession of weapons) and 1.00 (sharp-object admissions).
    build_up : int
        Months until the effects are whole.
    **changes
        Fields of :class:`Recipe` to replace.

    Returns
    -------
    Simulation

    Raises
    ------
    DesignError
        If an outcome or a field is unknown, or the changed recipe cannot be simulated.

    Examples
    --------
    >>> simulation = merseyside(seed=2026)
    >>> simulation.panel.n_areas, simulation.panel.n_periods, len(simulation.starts)
    (120, 84, 24)
    >>> round(simulation.truth["violence_with_injury"].effect().rate_ratio, 2)
    0.8
    """
    effects = dict(effects or {})
    found = Problems()
    outcomes = [p.outcome for p in MERSEYSIDE.processes]
    for unknown in sorted(set(effects) - set(outcomes)):
        found.add(f"{unknown!r} is no outcome of the recipe", where="effects", fix=did_you_mean(unknown, outcomes))
    fields = [f.name for f in dataclasses.fields(Recipe)]
    for unknown in sorted(set(changes) - set(fields)):
        found.add(f"a recipe has no {unknown!r}", fix=did_you_mean(unknown, fields))
    found.raise_if_any(DesignError, "the recipe 'merseyside' cannot be changed so")
    recipe = replace(MERSEYSIDE, **changes)
    processes = tuple(
        replace(p, effect=effects.get(p.outcome, p.effect), build_up=build_up or p.build_up) for p in recipe.processes
    )
    return simulate_recipe(replace(recipe, processes=processes), seed=seed)


def simulate_recipe(recipe: Recipe, *, seed: int) -> Simulation:
    """Simulate any region that a :class:`Recipe` describes.

    Raises
    ------
    DesignError
        If a cohort starts outside the months, or asks for more areas than a district has.
    """
    _check(recipe)
    months = pd.period_range(recipe.first, periods=recipe.n_periods, freq="M")
    districts = [d for d in recipe.districts for _ in range(d.n_areas)]
    numbers = [i for d in recipe.districts for i in range(1, d.n_areas + 1)]
    areas = [f"SYN-{d.short}-{i:02d}" for d, i in zip(districts, numbers, strict=True)]
    names = {a: f"{d.name} synthetic area {i:02d}" for a, d, i in zip(areas, districts, numbers, strict=True)}
    places = Places(
        tuple(areas),
        lay_out_map(tuple(d.n_areas for d in recipe.districts)),
        grow_population(
            stream(seed, "population"), len(areas), recipe.n_periods, mean=12_000, spread=0.15, growth=0.003
        ),
        months,
        reach=recipe.reach,
        parents={a: d.code for a, d in zip(areas, districts, strict=True)},
        names={**names, **{d.code: d.name for d in recipe.districts}},
    )

    def choose(untreated: Mapping[str, Untreated]) -> NDArray[np.int64]:
        start = np.full(len(areas), NEVER, dtype=np.int64)
        seen = untreated[recipe.processes[0].outcome].counts
        short = np.array([d.short for d in districts])
        for cohort in recipe.cohorts:
            first = int(months.get_loc(cohort.start))
            end = first - recipe.lag
            window = slice(end - recipe.baseline, end)
            rate = seen[:, window].sum(axis=1) / places.population[:, window].sum(axis=1)
            for district, wanted in cohort.areas.items():
                choose_highest(start, rate, wanted, first, among=short == district)
        return start

    return build(
        places,
        recipe.processes,
        choose,
        seed=seed,
        recipe=recipe.name,
        intervention=recipe.intervention,
        settings={"selection": "observed", "baseline": recipe.baseline, "lag": recipe.lag, "reach": recipe.reach},
        source=f"svmodel simulate {recipe.name}, seed {seed} (synthetic)",
    )


def _check(recipe: Recipe) -> None:
    found = Problems()
    months = pd.period_range(recipe.first, periods=recipe.n_periods, freq="M")
    sizes = {d.short: d.n_areas for d in recipe.districts}
    if list(sizes) != sorted(sizes):
        found.add("districts do not stand in the order of their short names", where="districts")
    for cohort in recipe.cohorts:
        if not months[recipe.baseline + recipe.lag] <= pd.Period(cohort.start, freq="M") <= months[-1]:
            found.add(
                f"{cohort.start} does not lie between {months[recipe.baseline + recipe.lag]} and {months[-1]}",
                where="cohorts",
            )
        for unknown in sorted(set(cohort.areas) - set(sizes)):
            found.add(f"{unknown!r} is no district", where="cohorts", fix=did_you_mean(unknown, sizes))
    for short, size in sizes.items():
        wanted = sum(c.areas.get(short, 0) for c in recipe.cohorts)
        if wanted > size:
            found.add(f"{wanted} areas of {short} start, but it has {size}", where="cohorts")
    found.raise_if_any(DesignError, f"the recipe {recipe.name!r} cannot be simulated")
