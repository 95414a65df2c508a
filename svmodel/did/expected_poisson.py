"""What extended two-way fixed effects can identify, and the imputed cells it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from svmodel.design import UNTREATED, DesignArrays
from svmodel.design.covariates import split_covariates
from svmodel.did.leads import ImputedBefore
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import crv1_factor
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.imputation import CohortBlock, impute_cohort, sum_cells
from svmodel.numerics.two_way.poisson_fe import PoissonFit, fit_poisson, informative_cells
from svmodel.result.rule import FEW_TREATED


@dataclass(frozen=True, eq=False)
class Imputed:
    """A design with the expected counts of its treated cells.

    Attributes
    ----------
    arrays : DesignArrays
    fit : PoissonFit
        On the informative untreated cells.
    target : ndarray of bool, shape (N, T)
        Treated cells whose expected count is identified.
    predicted : ndarray of bool, shape (N, T)
        All cells, treated or not, observed or not, whose expected count is identified.
    no_control : ndarray of bool, shape (T,)
        Periods with treated cells and without an untreated one.
    no_base : ndarray of bool, shape (N,)
        Treated areas without a known untreated cell.
    unlinked : ndarray of bool, shape (N, T)
        Treated cells whose area and period are not linked through untreated cells.
    silent_areas, silent_periods : ndarray of bool, shape (N,) and (T,)
        Without an event in the untreated cells, so that the expected count is zero; only those of target cells.
    blocks : tuple of CohortBlock
        One for each cohort of `cohorts`.
    cohorts : ndarray of int
        Index of the first treated period.
    pooled : float
        Observed over expected of all target cells; small cohorts are held against it.
    few : int
        Size below which a cohort is small.
    noise_below : int
        Sums over fewer treated areas, or clusters of them, take their uncertainty from untreated ones.
    """

    arrays: DesignArrays
    fit: PoissonFit
    target: Mask
    predicted: Mask
    no_control: Mask
    no_base: Mask
    unlinked: Mask
    silent_areas: Mask
    silent_periods: Mask
    blocks: tuple[CohortBlock, ...]
    cohorts: Ints
    pooled: float
    few: int
    noise_below: int

    @cached_property
    def memory(self) -> dict[tuple[Any, ...], Any]:
        """What was made of the blocks and is asked for again, by its name and the block's place."""
        return {}

    @cached_property
    def treated_areas(self) -> Ints:
        """Rows with a target cell."""
        return np.flatnonzero(self.target.any(axis=1))

    @cached_property
    def n_clusters(self) -> int:
        """Areas, or clusters, that carry information: an event in a cell of the fit or in a target cell."""
        events = self.target & (np.where(self.target, self.arrays.y, 0.0) > 0)
        return self.arrays.units.count(self.fit.terms.use.any(axis=1) | events.any(axis=1))

    @cached_property
    def pools(self) -> Ints:
        """Areas held against one ratio, shape (N,): a cohort, all small cohorts together, or the untreated."""
        out = np.full(len(self.target), -1, dtype=np.int64)
        for g, block in zip(self.cohorts, self.blocks, strict=True):
            out[block.areas] = g if self.arrays.units.count(block.areas) >= self.few else -2
        return out

    @cached_property
    def sizes(self) -> Floats:
        """Events that each area would have had in an average period without the intervention, shape (N,)."""
        level = np.nan_to_num(self.fit.level)
        return level * np.nan_to_num(self.fit.shape).mean(axis=1)

    @cached_property
    def followed(self) -> tuple[Floats, Floats, Floats, Mask]:
        """Outcome, shape, level and untreated cells of what noise is learnt from: areas, or clusters as one each."""
        arrays, units = self.arrays, self.arrays.units
        level, use = np.nan_to_num(self.fit.level), arrays.untreated
        if units.single:
            return arrays.y, self.fit.shape, level, use
        shape = units.sums(np.where(use, level[:, None] * np.nan_to_num(self.fit.shape), 0.0))
        return units.sums(np.where(use, arrays.y, 0.0)), shape, np.ones(units.n), units.some(use)

    @cached_property
    def n_treated(self) -> int:
        """Areas, or clusters of them, with a target cell."""
        return self.arrays.units.count(self.treated_areas)

    @cached_property
    def factor(self) -> float:
        """CRV1 factor of the saturated regression: untreated cells, and treated ones of cohort-periods with events."""
        cells, dummies = 0, 0
        for b in self.blocks:
            live = (b.observed.sum(axis=0) > 0) & (b.expected.sum(axis=0) > 0)
            informative = (b.observed.sum(axis=1) > 0) | (b.level > 0)
            cells += int(b.target[informative][:, live].sum())
            dummies += int(live.sum())
        terms = self.fit.terms
        used = int(terms.use.sum()) + cells
        columns = len(terms.free) - (int(terms.use.any(axis=0).sum()) - _n_components(terms)) + dummies
        return crv1_factor(used, columns + int(terms.use.any(axis=0).sum()), self.n_clusters)

    @cached_property
    def shape_covariance(self) -> Floats:
        """Cluster-robust covariance of the fit's ``theta``."""
        joined = self.arrays.units.sums(self.fit.influence)
        return self.factor * joined.T @ joined

    @cached_property
    def lead_cells(self) -> list[tuple[int, CohortBlock, ImputedBefore]]:
        """For each cohort, the cells before the start that untreated cells of all other cohorts give a count for."""
        y, found = self.arrays.y, []
        for g, block in zip(self.cohorts, self.blocks, strict=True):
            others = self.arrays.untreated.copy()
            others[block.areas] = False
            others = informative_cells(y, others)
            if not others.any():
                continue
            label = components(others)
            main = int(np.bincount(label[label >= 0]).argmax())
            before = self.arrays.untreated[block.areas] & (label == main)[None, :]
            before &= (before.sum(axis=1) > 1)[:, None]
            before &= (np.where(before, y[block.areas], 0.0).sum(axis=1) > 0)[:, None]
            if before.any():
                whole = np.zeros_like(others)
                whole[block.areas] = before
                found.append((int(g), block, ImputedBefore(whole, others)))
        return found

    def lead_blocks(self) -> Iterator[tuple[int, CohortBlock]]:
        """Give, cohort by cohort, the cells before the start imputed from the untreated cells of all other cohorts."""
        y, exposure = self.arrays.y, self.arrays.exposure
        for g, block, part in self.lead_cells:
            before = part.before[block.areas]
            try:
                fit = fit_poisson(y, replace(self.fit.terms, use=part.others), exposure, start=self.fit.theta)
            except EstimationError:
                # without this cohort the covariates cannot be told apart; its effects from the start on can
                continue
            small = self.arrays.units.count(block.areas) < self.few
            ratio = np.ones(y.shape[1]) if small else None
            yield int(g), impute_cohort(y, fit, block.areas, level_cells=before, target=before, ratio=ratio)


def _n_components(terms: TwoWay) -> int:
    return int(components(terms.use).max(initial=-1)) + 1


def impute(arrays: DesignArrays, few: int, noise_below: int | None = None) -> Imputed:
    """Fit the untreated cells and impute the treated ones.

    Parameters
    ----------
    arrays : DesignArrays
    few : int
        Cohorts of fewer areas are held against the pooled ratio, see :class:`Imputed`.
    noise_below : int, optional
        `few` where None.

    Raises
    ------
    EstimationError
        If the outcome is negative somewhere, or no treated cell is identified.
    """
    y, use, treated = arrays.y, arrays.untreated, arrays.treated
    if (np.where(use | treated, y, 0.0) < 0).any():
        raise EstimationError(
            "a Poisson model needs an outcome that is never negative; use family='linear' for this one"
        )
    if not (use & (np.where(use, y, 0.0) > 0)).any():
        raise EstimationError(
            "no event was seen in any untreated area-period, so nothing can be expected of the treated"
        )
    reach = _reach(arrays)
    fit = _fit(arrays, reach.informative)
    silent_areas, silent_periods = reach.silent_areas, reach.silent_periods
    identified = treated & reach.predicted
    no_control = np.asarray(treated.any(axis=0) & ~use.any(axis=0))
    no_base = np.asarray(treated.any(axis=1) & ~use.any(axis=1))
    if not identified.any():
        raise EstimationError(f"no treated area-period has an expected count: {_why_none(arrays, no_control, no_base)}")
    shape = np.where(silent_periods[None, :], 0.0, fit.shape)
    fit = replace(fit, shape=shape)
    level_cells = np.where(silent_areas[:, None], use & reach.linked, reach.informative)

    expected = np.where(identified & ~silent_areas[:, None], np.nan_to_num(fit.level)[:, None] * shape, 0.0)
    total = float(expected.sum())
    pooled = float(y[identified].sum()) / total if total > 0 else 1.0
    rows = np.flatnonzero(identified.any(axis=1))
    cohorts = np.unique(arrays.start[rows])
    blocks = []
    for g in cohorts:
        areas = rows[arrays.start[rows] == g]
        ratio = None if arrays.units.count(areas) >= few else np.full(y.shape[1], pooled)
        blocks.append(
            impute_cohort(y, fit, areas, level_cells=level_cells[areas], target=identified[areas], ratio=ratio)
        )
    return Imputed(
        arrays=arrays,
        fit=fit,
        target=identified,
        predicted=reach.predicted & np.isfinite(shape),
        no_control=no_control,
        no_base=no_base,
        unlinked=treated & ~identified & ~no_control[None, :] & ~no_base[:, None],
        silent_areas=silent_areas & identified.any(axis=1),
        silent_periods=silent_periods & identified.any(axis=0),
        blocks=tuple(blocks),
        cohorts=cohorts,
        pooled=pooled,
        few=few,
        noise_below=few if noise_below is None else noise_below,
    )


def _why_none(arrays: DesignArrays, no_control: Mask, no_base: Mask) -> str:
    """Say why no treated cell has an expected count."""
    found = []
    if no_control.any():
        when = arrays.treated.any(axis=0)
        planned = (arrays.status == UNTREATED)[:, when].any()
        found.append(
            "no untreated area is known in any period in which others are treated"
            if planned
            else "every area is treated in every period after the first start"
        )
    if no_base.any():
        found.append("treated areas have no known count before their start")
    if not found:
        found.append("no chain of known counts links treated areas to untreated ones of the same periods")
    return ", and ".join(found)


@dataclass(frozen=True, eq=False)
class _Reach:
    """What the untreated cells reach.

    Attributes
    ----------
    informative : ndarray of bool, shape (N, T)
        Untreated cells that the fit can use.
    silent_areas, silent_periods : ndarray of bool, shape (N,) and (T,)
        Without an event in the untreated cells.
    linked : ndarray of bool, shape (N, T)
        Cells whose area and period lie in one component of the untreated cells.
    """

    informative: Mask
    silent_areas: Mask
    silent_periods: Mask
    linked: Mask

    @cached_property
    def silent(self) -> Mask:
        """Cells of areas and periods without an event, shape (N, T)."""
        return self.silent_areas[:, None] | self.silent_periods[None, :]

    @cached_property
    def predicted(self) -> Mask:
        """Cells for which untreated cells give an expected count, shape (N, T)."""
        return self.linked & (self.silent | _linked(self.informative))


def _reach(arrays: DesignArrays) -> _Reach:
    use = arrays.untreated
    events = np.where(use, arrays.y, 0.0)
    areas, periods = (np.asarray(use.any(axis=k) & ~events.any(axis=k)) for k in (1, 0))
    return _Reach(informative_cells(arrays.y, use), areas, periods, _linked(use))


def _linked(use: Mask) -> Mask:
    """Return the cells whose area and period lie in one component of the used cells."""
    label = components(use)
    first = np.where(use.any(axis=1), label[use.argmax(axis=1)], -2)
    return np.asarray(first[:, None] == label[None, :])


def _fit(arrays: DesignArrays, informative: Mask) -> PoissonFit:
    """Fit area effects, period effects and covariates to the informative untreated cells."""
    slopes, moving, _ = split_covariates(arrays)
    return fit_poisson(arrays.y, TwoWay(informative, slopes, None, moving), arrays.exposure)


def predicted_cells(arrays: DesignArrays) -> Mask:
    """Return the cells for which untreated cells give an expected count, shape (N, T)."""
    return _reach(arrays).predicted


def poisson_att(arrays: DesignArrays) -> float:
    """Return the log of observed over expected counts of the treated cells that have an expected count.

    NaN where none has, minus infinity without an event in them. An area or period without an event has an expected
    count of zero, and its cells stay in both sums.
    """
    y, use, treated = arrays.y, arrays.untreated, arrays.treated
    if (np.where(use | treated, y, 0.0) < 0).any() or not np.where(use, y, 0.0).any():
        return float("nan")
    reach = _reach(arrays)
    try:
        fit = _fit(arrays, reach.informative)
    except EstimationError:
        return float("nan")
    target = treated & reach.predicted
    if not target.any():
        return float("nan")
    mean = np.where(reach.silent, 0.0, np.nan_to_num(fit.level)[:, None] * fit.shape)
    observed, expected = float(y[target].sum()), float(mean[target].sum())
    with np.errstate(divide="ignore"):
        return float(np.log(observed) - np.log(expected)) if expected > 0 else float("nan")


def log_ratio_influence(arrays: DesignArrays) -> tuple[float, Floats]:
    """Return the log of observed over expected counts, and what each cluster adds to its error, shape (G,).

    Raises
    ------
    EstimationError
        If nothing was observed or nothing expected.
    """
    imputed = impute(arrays, FEW_TREATED)
    T = arrays.y.shape[1]
    sums = sum_cells(imputed.blocks, [np.ones((1, T))] * len(imputed.blocks))
    observed, expected = float(sums.observed[0]), float(sums.expected[0])
    if not (observed > 0 and expected > 0):
        raise EstimationError(f"{observed:,.0f} events observed against {expected:,.1f} expected have no log ratio")
    return float(np.log(observed / expected)), arrays.units.sums(sums.of_log_ratio[:, 0])
