"""Observed against imputed counts of cells, with the influence of every area on both.

The expected count of a target cell is ``level_i * shape_it``: the shape over time comes from a Poisson fit to untreated
cells, the level from the area's own untreated cells. Sums of cells, weighted in any way, come with the influence of
each area on the observed and on the expected sum, from which every effect and covariance follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.two_way.poisson_fe import PoissonFit


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums of observed and of expected counts over target cells.

    Attributes
    ----------
    observed, expected : ndarray, shape (Q,)
    of_observed, of_expected : ndarray, shape (N, Q)
        Influence of each area: what it adds to the error of the sum. Their cross products are CR0 covariances.
    of_shape : ndarray, shape (N, Q)
        The part of `of_expected` that passes through the shape over time, common to all areas.
    """

    observed: Floats
    expected: Floats
    of_observed: Floats
    of_expected: Floats
    of_shape: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def of_log_ratio(self) -> Floats:
        """Influence on ``log(observed / expected)``, shape (N, Q); NaN where a sum is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.of_observed / self.observed - self.of_expected / self.expected


@dataclass(frozen=True, eq=False)
class CohortBlock:
    """The target cells of the areas of one cohort.

    Attributes
    ----------
    fit : PoissonFit
        Gives the shape over time and the influence on it.
    areas : ndarray of int, shape (n,)
        Rows of the panel.
    target : ndarray of bool, shape (n, T)
    observed, expected : ndarray, shape (n, T)
        Zero off the target.
    own_observed, own_expected : ndarray, shape (n, T)
        The area's own influence on the observed and the expected count of a cell.
    gradient : ndarray, shape (T, P)
        Derivative of the cohort's expected count in each period with respect to ``theta`` of the fit.
    level_cells : ndarray of bool, shape (n, T)
        Cells that the level was taken from.
    level, centre : ndarray, shape (n,) and (n, P)
        ``exp(a_i)``, and minus its log-derivative with respect to ``theta``.
    """

    fit: PoissonFit
    areas: NDArray[np.int64]
    target: Mask
    observed: Floats
    expected: Floats
    own_observed: Floats
    own_expected: Floats
    gradient: Floats
    level_cells: Mask
    level: Floats
    centre: Floats


def sum_cells(blocks: Sequence[CohortBlock], weights: Sequence[Floats]) -> Sums:
    """Return weighted sums over the cells of several cohorts.

    Parameters
    ----------
    blocks : sequence of CohortBlock
    weights : sequence of ndarray, shape (Q, T)
        For each block, the weight of its cells by period in each of Q sums.
    """
    N, Q = blocks[0].fit.terms.shape[0], len(weights[0])
    observed, expected = np.zeros(Q), np.zeros(Q)
    of_observed, of_expected, of_shape = (np.zeros((N, Q)) for _ in range(3))
    for fit in {id(b.fit): b.fit for b in blocks}.values():
        mine = [(b, w) for b, w in zip(blocks, weights, strict=True) if b.fit is fit]
        gradient = np.zeros((Q, fit.terms.size))
        for b, w in mine:
            gradient += w @ b.gradient
        of_shape += fit.influence @ gradient.T
    of_expected += of_shape
    for b, w in zip(blocks, weights, strict=True):
        observed += w @ b.observed.sum(axis=0)
        expected += w @ b.expected.sum(axis=0)
        of_observed[b.areas] += b.own_observed @ w.T
        of_expected[b.areas] += b.own_expected @ w.T
    return Sums(observed, expected, of_observed, of_expected, of_shape)


def impute_cohort(
    y: Floats,
    fit: PoissonFit,
    areas: NDArray[np.int64],
    *,
    level_cells: Mask,
    target: Mask,
    ratio: Floats | None = None,
) -> CohortBlock:
    """Impute the target cells of one cohort.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Outcome; finite on level and target cells.
    fit : PoissonFit
        Gives the shape over time.
    areas : ndarray of int, shape (n,)
        Areas of the cohort.
    level_cells : ndarray of bool, shape (n, T)
        Untreated cells that the area's level is taken from.
    target : ndarray of bool, shape (n, T)
        Cells to impute; their shape must be known.
    ratio : ndarray, shape (T,), optional
        Observed over expected that the cohort's areas are held against in each period. By default the cohort's own,
        which gives the standard errors of the saturated regression; with few areas a cohort's own ratio follows their
        noise, and a ratio pooled over more areas is the safe choice.

    Returns
    -------
    CohortBlock

    Notes
    -----
    With ``Rt`` the ratio of the cohort in period t, an area's level given all its cells, treated ones included, is
    ``B_i = sum y / sum shape Rt`` (``Rt`` = 1 off the target). The influence of area i on the observed count of its
    cell is its residual in the saturated regression, ``y_it - Rt B_i shape_it``. On the expected count it is
    ``(A_i - B_i) shape_it``, with ``A_i`` the level from its untreated cells, plus what its residuals do to the shape.
    With exposures of one shape within a cohort these are exactly the influences of the saturated Poisson regression
    (cohort x period dummies, area and period effects).

    References
    ----------
    Wooldridge (2023), *Econometrics Journal* 26: imputation and the saturated regression agree.
    Borusyak, Jaravel and Spiess (2024), *Review of Economic Studies* 91, section 4.3: effects pooled for the variance.
    """
    terms = fit.terms.rows(areas)
    shape, outcome = fit.shape[areas], y[areas]
    known = level_cells | target
    shape = np.where(known, shape, 0.0)
    outcome = np.where(known, outcome, 0.0)
    base = np.where(level_cells, shape, 0.0)
    base_sum = base.sum(axis=1)
    level = np.divide(
        np.where(level_cells, outcome, 0.0).sum(axis=1), base_sum, out=np.zeros_like(base_sum), where=base_sum > 0
    )
    centre = terms.area_sums(base)
    centre = np.divide(centre, base_sum[:, None], out=np.zeros_like(centre), where=base_sum[:, None] > 0)
    observed = np.where(target, outcome, 0.0)
    expected = np.where(target, level[:, None] * shape, 0.0)
    if ratio is None:
        total = expected.sum(axis=0)
        overall = observed.sum() / expected.sum() if expected.sum() > 0 else 1.0
        ratio = np.divide(observed.sum(axis=0), total, out=np.full_like(total, overall), where=total > 0)
    scaled = np.where(target, ratio * shape, shape)
    scaled_sum = scaled.sum(axis=1)
    pooled = np.divide(outcome.sum(axis=1), scaled_sum, out=np.zeros_like(scaled_sum), where=scaled_sum > 0)
    return CohortBlock(
        fit=fit,
        areas=areas,
        target=target,
        observed=observed,
        expected=expected,
        own_observed=np.where(target, outcome - pooled[:, None] * scaled, 0.0),
        own_expected=np.where(target, (level - pooled)[:, None] * shape, 0.0),
        gradient=terms.period_sums(expected) - expected.T @ centre,
        level_cells=level_cells,
        level=level,
        centre=centre,
    )
