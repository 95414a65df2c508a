"""Linear imputation: averages of effects with their influences, leads, and expected outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import NEVER, Design, DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.averages import (
    Averages,
    Errors,
    Grid,
    cohort_pools,
    errors_of,
    no_errors,
    small_cohorts,
    treated_grid,
    weight_table,
)
from svmodel.did.event_groups import EventGroups, before_test, event_groups, fit_groups, on_reference
from svmodel.errors import EstimationError, Problems
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.numerics.two_way.linear_imputation import LinearImputation, impute_linear
from svmodel.result import JointEstimate
from svmodel.result.doubts import area_codes, area_names, ended, left_out_cells, period_names, whole_reporting_areas
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.rule import FEW_TREATED
from svmodel.result.scales import critical_value
from svmodel.result.tables import cells_and_sums, event_joint


def impute_arrays(arrays: DesignArrays) -> LinearImputation:
    """Impute a design; its target may be empty."""
    slopes, moving, _ = split_covariates(arrays)
    return impute_linear(arrays.y, arrays.untreated, arrays.treated, slopes, moving, arrays.weights)


@dataclass(frozen=True, eq=False)
class Sums:
    """Everything that averages of effects are made of.

    Attributes
    ----------
    arrays : DesignArrays
    made : LinearImputation
        With a target.
    """

    arrays: DesignArrays
    made: LinearImputation

    @cached_property
    def grid(self) -> Grid:
        """The target cells by cohort and period."""
        return treated_grid(self.arrays, self.made.target)

    @cached_property
    def _effects(self) -> Floats:
        weighed = self.made.weights * self.made.effect
        return np.stack([weighed[a].sum(axis=0) for a in self.grid.areas])

    @cached_property
    def _gradients(self) -> Floats:
        return np.stack([self.made.gradient(a) for a in self.grid.areas])

    @cached_property
    def _own(self) -> list[Floats]:
        """Effects about the mean of their cohort and period."""
        return [self.made.about_mean(a) for a in self.grid.areas]

    @cached_property
    def _own_safe(self) -> list[Floats]:
        """The same, but about the average of all where a cohort is small."""
        mean = self.made.average
        pairs = zip(self.grid.areas, self._own, strict=True)
        count = self.arrays.units.count
        return [self.made.about_mean(a, mean) if count(a) < FEW_TREATED else own for a, own in pairs]

    @cached_property
    def pools(self) -> Ints:
        """Clusters held against one mean, shape (G,): a cohort, all small cohorts together, or the untreated."""
        return cohort_pools(self.arrays.units, zip(self.grid.cohorts, self.grid.areas, strict=True))

    @property
    def small_cohorts(self) -> int:
        """Cohorts held against the average of all."""
        return sum(self.arrays.units.count(a) < FEW_TREATED for a in self.grid.areas)

    @cached_property
    def clusters(self) -> int:
        """Clusters of areas with a cell that takes part."""
        return self.arrays.units.count((self.made.fit.terms.use | self.made.target).any(axis=1))

    def estimate(self, averages: Averages) -> Floats:
        """Return the averages, shape (Q,)."""
        return np.tensordot(averages.weights, self._effects, axes=2)

    def influences(self, averages: Averages) -> tuple[Floats, Floats]:
        """Return what each cluster adds to the error of averages, shape (G, Q), for standard errors and intervals."""
        gradient = np.tensordot(averages.weights, self._gradients, axes=((1, 2), (0, 1)))
        usual = self.made.fit.influence @ -gradient.T
        safe = usual.copy() if self.small_cohorts else usual
        for c, areas in enumerate(self.grid.areas):
            w = averages.weights[:, c].T
            usual[areas] += self._own[c] @ w
            if safe is not usual:
                safe[areas] += self._own_safe[c] @ w
        made = self.arrays.units.sums(usual)
        return made, made if safe is usual else self.arrays.units.sums(safe)

    def row(self, averages: Averages) -> tuple[Averages, Floats, Errors]:
        """Return the averages with their estimates and errors; a single treated area has none."""
        usual, safe = self.influences(averages)
        ceiling = self.clusters - 1.0
        errors = errors_of(usual, safe, self.pools, factor=1.0, ceiling=ceiling, areas=averages.areas)
        return averages, self.estimate(averages), errors


@dataclass(frozen=True, eq=False)
class Leads:
    """Effects before the start, from a regression of their own on the untreated cells."""

    averages: Averages
    estimate: Floats
    errors: Errors
    influence: Floats
    before: Grouped | None
    groups: EventGroups
    binned: bool

    @property
    def reference(self) -> int:
        """The horizon that they are relative to."""
        return self.groups.reference


def fit_leads(arrays: DesignArrays, leads: int | None) -> Leads | str:
    """Regress the untreated cells on the horizons before the start, or say why there are none.

    Leads and effects come from separate regressions, so that a test of the leads neither uses treated cells nor changes
    them (Borusyak, Jaravel and Spiess 2024, section 4.4).
    """
    ever = np.asarray(arrays.treated.any(axis=1))
    groups = event_groups(arrays, arrays.anticipation, leads, 0)
    before = np.array([h < 0 for h in groups.horizons])
    place = np.append(np.where(before, np.cumsum(before) - 1, -1), -1)
    group = np.where(arrays.untreated & ever[:, None], place[groups.group], -1)
    horizons = np.array([h for h in groups.horizons if h < 0])
    if not len(horizons):
        return "no treated area is seen in two periods before its start"
    try:
        fit = fit_groups(arrays, arrays.untreated, group, "linear")
    except EstimationError as error:
        return str(error)
    if not fit.kept.any():
        if not arrays.untreated[~ever].any():
            return "no area is never treated, so a straight drift cannot be told apart from area and period effects"
        return "they cannot be told apart from area and period effects"
    kept = np.flatnonzero(fit.kept)
    sizes = [fit.size(int(j)) for j in kept]
    units = arrays.units
    influence = np.sqrt(fit.factor) * units.sums(fit.influence[:, kept])
    n_areas = fit.areas[kept].astype(np.float64)
    pools, ceiling = units.pools(fit.treated, fit.influence.any(axis=1)), fit.n_clusters - 1.0
    errors = errors_of(influence, influence, pools, factor=1.0, ceiling=ceiling, areas=n_areas)
    made = Averages(
        "event",
        np.empty((len(kept), 0, 0)),
        n_areas,
        np.array([s[0] for s in sizes]),
        np.array([s[2] for s in sizes]),
        None if arrays.exposure is None else np.array([s[1] or np.nan for s in sizes]),
        horizon=horizons[kept].astype(np.float64),
    )
    binned = any(b < 0 for b in groups.binned)
    before_it = before_test(fit, horizons)
    return Leads(made, fit.coefficient[kept], errors, influence, before_it, groups, binned)


def joint(leads: Leads) -> JointEstimate | None:
    """Return the leads with their covariance, but for those of a single area; None where there are no others.

    The effects are left out. They are relative to another time than the leads, so that whatever adds the two up, such
    as bounds on how far trends parted, would go wrong (Roth 2024).
    """
    assert leads.averages.horizon is not None
    several = leads.averages.areas > 1
    if not several.any():
        return None
    covariance = leads.influence[:, several].T @ leads.influence[:, several]
    groups = leads.groups
    moved = None if groups.reference == groups.wanted else groups.reference
    horizon, estimate = leads.averages.horizon[several], leads.estimate[several]
    how: dict[str, Any] = {"binned": leads.binned, "reference": moved, "before": leads.before}
    return event_joint("difference", horizon, estimate, covariance, base="reference", **how)


def weights(sums: Sums) -> pd.DataFrame:
    """Return the weight of each cohort and period in the average effect, with the areas behind it."""
    grid = sums.grid
    c, t = np.nonzero(grid.cells)
    controls = sums.made.fit.terms.use.sum(axis=0).astype(np.float64)[t]
    return weight_table(sums.arrays.periods, grid.cohorts[c], t, grid.cells[c, t], controls)


def own_effects(sums: Sums, groups: Mapping[str, Ints]) -> tuple[Averages, Floats, Errors]:
    """Average the effects of each treated area and of each reporting area, given by rows of the panel.

    A reporting area of several treated areas is held against the average effect of all treated cells; a single area
    shows no error of its own, nor do areas that share their noise.
    """
    made, arrays = sums.made, sums.arrays
    inside = [made.target[a] for a in groups.values()]
    n = np.array([float(made.weights[a][m].sum()) for a, m in zip(groups.values(), inside, strict=True)])
    units = arrays.units
    several = np.array([units.count(a) > 1 for a in groups.values()])
    errors = no_errors(len(groups))
    for q, areas in enumerate(groups.values()):
        if not several[q]:
            continue
        influence = made.fit.influence @ -made.gradient(areas).sum(axis=0) / n[q]
        influence[areas] += made.about_mean(areas, made.average).sum(axis=1) / n[q]
        pools = np.full(len(influence), -1, dtype=np.int64)
        pools[areas] = 0
        one = units.sums(influence[:, None])
        own = errors_of(one, one, units.pools(pools), factor=1.0, ceiling=sums.clusters - 1.0)
        for all_of_them, mine in ((errors.std_error, own.std_error), (errors.wide, own.wide), (errors.df, own.df)):
            all_of_them[q] = mine[0]

    def total(values: Floats) -> Floats:
        return np.array([values[a][m].sum() for a, m in zip(groups.values(), inside, strict=True)])

    averages = Averages(
        "area",
        np.empty((len(groups), 0, 0)),
        np.array([float(len(a)) for a in groups.values()]),
        n,
        total(arrays.y),
        None if arrays.exposure is None else total(arrays.exposure),
        area=tuple(groups),
    )
    return averages, total(made.weights * made.effect) / n, errors


def counterfactual(sums: Sums, calendar: tuple[Averages, Floats, Errors], level: float) -> pd.DataFrame:
    """Observed and expected outcomes of the treated areas, and of all together, period by period.

    ``low`` and ``high`` are given for the treated cells of all areas together: what the interval of their effect leaves
    for the expected sum. A single area's expected outcome has none.
    """
    arrays, made = sums.arrays, sums.made
    T = made.target.shape[1]
    rows = np.flatnonzero(made.target.any(axis=1))
    before = made.known[rows] & (np.arange(T)[None, :] < arrays.start[rows, None])
    shown = before | made.target[rows]
    expected, observed = made.expected[rows], arrays.y[rows]
    who, when = np.nonzero(shown)
    both = shown & ~np.isnan(observed)
    times = np.flatnonzero(both.any(axis=0))
    total, total_expected = (np.where(both, v, 0.0).sum(axis=0)[times] for v in (observed, expected))
    low, high = np.full(len(times), np.nan), np.full(len(times), np.nan)
    averages, _, errors = calendar
    assert averages.period is not None
    assert averages.cells is not None
    # only where every area shown is treated does the period's effect belong to the whole sum
    whole = {int(t): k for k, t in enumerate(averages.period) if both[:, t].sum() == averages.cells[k]}
    for place, t in enumerate(times):
        k = whole.get(int(t))
        if k is not None and np.isfinite(errors.df[k]):
            half = critical_value(level, float(errors.df[k])) * errors.wide[k] * averages.cells[k]
            low[place], high[place] = total_expected[place] - half, total_expected[place] + half
    own = observed[who, when], expected[who, when]
    return cells_and_sums(arrays, (rows[who], when), own, times, (total, total_expected, low, high))


def require_target(design: Design, made: LinearImputation) -> None:
    """Raise EstimationError with every reason if no treated cell is identified."""
    if made.target.any():
        return
    found = Problems()
    for text, fix, _ in _not_identified(design, made):
        found.add(text, fix=fix, rule="not_identified")
    found.raise_if_any(EstimationError, "no treated area-period has an expected outcome")
    raise EstimationError("no treated area-period has an expected outcome")


def _not_identified(design: Design, made: LinearImputation) -> list[tuple[str, str, tuple[str, ...]]]:
    """Say which treated cells have no expected outcome and why, each with what to do and the areas it is about."""
    arrays = design.arrays
    word = period_words.describe_frequency(arrays.periods)
    use, treated = arrays.untreated, arrays.treated
    no_control = np.asarray(treated.any(axis=0) & ~use.any(axis=0))
    no_base = np.asarray(treated.any(axis=1) & ~use.any(axis=1))
    unlinked = treated & ~made.target & ~no_control[None, :] & ~no_base[:, None]
    found: list[tuple[str, str, tuple[str, ...]]] = []
    if no_control.any():
        which = period_names(design, no_control)
        text = f"in {which} no area is untreated, so the effect of the {word} is not identified"
        found.append((text, f"End the window before, or add areas that are untreated in those {word}s.", ()))
    if no_base.any():
        which = area_names(design, no_base)
        text = f"{which}: no known outcome before the start, so the area's effect is not identified"
        found.append((text, "Begin the window earlier.", area_codes(design, no_base)))
    if unlinked.any():
        areas = unlinked.any(axis=1)
        text = (
            f"{int(unlinked.sum()):,} treated area-{word}s ({area_names(design, areas)}) are not linked to untreated "
            f"areas of the same {word}s by any chain of known outcomes"
        )
        found.append((text, "Add areas that are seen both before and after.", area_codes(design, areas)))
    return found


def notes_of(design: Design, sums: Sums, leads: Leads | str) -> list[Note]:
    """Return the notes of a result."""
    arrays, made = sums.arrays, sums.made
    word = period_words.describe_frequency(arrays.periods)
    notes: list[Note] = []
    if design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have changed "
            "alike in treated and other areas: in numbers, not in per cent."
        )
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        notes.append(f"{area_names(design, later)} start after the last {word} and serve as untreated until then.")
    for text, _, about in _not_identified(design, made):
        notes.append(ResultWarning("identification", f"{text[0].upper()}{text[1:]}: left out.", about))
    notes += left_out_cells(design, int(made.target.sum()))
    small, treated = sums.small_cohorts, int(made.target.any(axis=1).sum())
    if small and treated > 1:
        notes.append(small_cohorts(small, len(sums.grid.cohorts), arrays.units))
    if isinstance(leads, str):
        notes.append(f"No effects before the start: {leads}.")
    else:
        notes.append(
            f"Effects before the start come from a regression of untreated area-{word}s alone and are relative to "
            f"horizon {leads.reference:+d}; effects from the start on are relative to the average before it. A step "
            "between the two says nothing (Roth 2024)."
        )
        notes += on_reference(design, leads.reference, leads.groups.without)
        if leads.binned and leads.averages.horizon is not None:
            first = int(leads.averages.horizon.min())
            notes.append(f"Horizon {first:+d} stands for it and all earlier {word}s.")
    return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]
