"""A joint test that effects before the start are zero, whose law few areas and small cohorts do not upset.

An effect is a weighted sum of outcomes, ``b = sum_i a_i' y_i``, whose weights area and period effects cannot move. With
the residuals r of a model without these effects it is ``b = sum_i u_i``, ``u_i = a_i' r_i``: what each area adds to it,
taken about zero. So the noise of a cohort of one area is in the covariance ``V = sum_i u_i u_i'``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.two_way import Normal, TwoWay
from svmodel.numerics.two_way.poisson_fe import fit_poisson, informative_cells

#: From R combinations of K effects, shape (R, K), to the weights of residuals of S kinds of area, shape (R, S, T).
Weigh: TypeAlias = Callable[[Floats], Floats]
#: Degrees of freedom for each group of leads: with more groups the law of the statistic is rougher.
DF_A_GROUP = 4
_NODES = 96
#: More groups than this add noise to the test and no news of a drift.
MOST_GROUPS = 12


@dataclass(frozen=True, eq=False)
class Null:
    """A two-way model without effects before the start.

    Attributes
    ----------
    terms : TwoWay
    v : ndarray, shape (N, T)
        Weight of each cell: 1 on the used cells or their observation weight, whose inverse is the variance of the cell,
        or the expected count; 0 elsewhere.
    residual : ndarray, shape (N, T)
        Observed less fitted, times the observation weight where there is one. Its variance is `v`, up to a factor.
    inverse : ndarray, shape (P, P)
        Of the normal equations; a generalised one where columns depend on each other.
    clusters : Clusters
        Areas that share their noise.
    """

    terms: TwoWay
    v: Floats
    residual: Floats
    inverse: Floats
    clusters: Clusters


def linear_null(y: Floats, terms: TwoWay, clusters: Clusters | None = None, weight: Floats | None = None) -> Null:
    """Fit a linear model by least squares, cells weighted; columns that depend on each other do no harm.

    Examples
    --------
    >>> null = linear_null(np.array([[1.0, 2.0], [1.0, 4.0]]), TwoWay(np.ones((2, 2), dtype=bool)))
    >>> null.residual.round(9).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    v = np.where(terms.use, 1.0 if weight is None else weight, 0.0)
    inverse = inverse_normal(terms, v)
    held = _about_area(np.where(terms.use, y, 0.0), v)
    theta = inverse @ terms.area_sums(held).sum(axis=0)
    clusters = Clusters.singles(len(y)) if clusters is None else clusters
    return Null(terms, v, held - _about_area(terms.index(theta), v), inverse, clusters)


def poisson_null(y: Floats, terms: TwoWay, exposure: Floats | None, clusters: Clusters | None = None) -> Null:
    """Fit a Poisson model to the cells that say something of it.

    Raises
    ------
    EstimationError
        As :func:`svmodel.numerics.two_way.poisson_fe.fit_poisson` does.
    """
    fit = fit_poisson(y, replace(terms, use=informative_cells(y, terms.use, terms.group)), exposure)
    clusters = Clusters.singles(len(y)) if clusters is None else clusters
    return Null(fit.terms, fit.mu, fit.residual, inverse_normal(fit.terms, fit.mu), clusters)


def inverse_normal(terms: TwoWay, v: Floats) -> Floats:
    """Return a generalised inverse of the normal equations with weights `v`, columns taken at like length."""
    return inverse_of(terms.normal(v))


def inverse_of(normal: Normal) -> Floats:
    """Return a generalised inverse of normal equations, columns taken at like length."""
    H = normal.H[np.ix_(normal.free, normal.free)]
    scale = np.sqrt(np.maximum(normal.raw[normal.free], 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    out = np.zeros_like(normal.H)
    out[np.ix_(normal.free, normal.free)] = np.linalg.pinv(
        H / np.outer(scale, scale), rcond=1e-9, hermitian=True
    ) / np.outer(scale, scale)
    return out


def _about_area(x: Floats, v: Floats) -> Floats:
    """Return ``v (x - mean)`` with the v-weighted mean of each area over its cells; any shape that ends in (N, T)."""
    total = v.sum(axis=-1)
    mean = np.divide(
        (v * x).sum(axis=-1), total, out=np.zeros(x.shape[:-1]), where=np.broadcast_to(total > 0, x.shape[:-1])
    )
    return np.asarray(v * (x - mean[..., None]))


class Scores(NamedTuple):
    """Effects as sums of what areas add to them.

    Attributes
    ----------
    estimate : ndarray, shape (R,)
    covariance : ndarray, shape (R, R)
        About zero, with the areas' sum of products made as large, on average, as it would be without fitted residuals.
    areas : float
        Degrees of freedom: areas of like variance that it is as good as.
    """

    estimate: Floats
    covariance: Floats
    areas: float


def scores(weights: Floats, kind: Ints, null: Null) -> Scores:
    """Return effects with their covariance under the null, and its degrees of freedom.

    Parameters
    ----------
    weights : ndarray, shape (R, S, T)
        Of the null's residuals in each effect, by kind of area; zero where the null has no cell.
    kind : ndarray of int, shape (N,)
        Of each area: areas of one kind have weights, cells and variances alike.
    null : Null

    Returns
    -------
    Scores

    Notes
    -----
    With noise that is independent over areas and cells, of variance v, an area's product has the mean
    ``E u_i u_i' = a_i' v a_i - C_i H^-1 C_i'`` (H the normal equations, C_i the part of the weights along their
    columns), and the effects have the covariance ``W = sum_i a_i' v a_i``. So V is too small by
    ``c = tr(W (E V)^-1) / R``, CR2's correction as one number (Bell and McCaffrey 2002). It is as good as that of
    G areas alike, :func:`areas_alike` averaged over the effects, and c V has
    G / c degrees of freedom (Pustejovsky and Tipton 2018, with V about zero).

    Examples
    --------
    Two treated areas and four others, one period before the start less another. The test is then that of two means,
    and of the five degrees of freedom that it has with areas alike 4.2 are left for two areas against four:

    >>> y = np.array([[0, 3.0], [0, 2.0], [0, 1.0], [0, -1.0], [0, 0.5], [0, -0.5]])
    >>> null = linear_null(y, TwoWay(np.ones((6, 2), dtype=bool)))
    >>> mean = np.array([[[-0.5, 0.5], [0.25, -0.25]]])
    >>> made = scores(mean, np.array([0, 0, 1, 1, 1, 1]), null)
    >>> made.estimate.round(9).tolist(), round(made.areas, 3)
    ([2.5], 4.2)
    """
    N, R, units = len(kind), len(weights), null.clusters
    if not units.single:
        _, kind = np.unique(kind, return_inverse=True)
        weights, kind = weights[:, kind], np.arange(N)
    _, first, counts = np.unique(kind, return_index=True, return_counts=True)
    terms, v = null.terms.rows(first), null.v[first]
    along = np.stack([terms.area_sums(_about_area(a, v)) for a in weights], axis=1)
    mean = np.divide(
        (v * weights).sum(axis=2), v.sum(axis=1), out=np.zeros(weights.shape[:2]), where=v.sum(axis=1)[None, :] > 0
    )
    centred = weights - mean[:, :, None]
    own = np.einsum("rst,st,qst->srq", centred, v, centred, optimize=True)
    true = np.einsum("rst,st,qst,s->rq", weights, v, weights, counts.astype(np.float64), optimize=True)
    u = np.empty((N, R))
    if len(counts) == N:
        u[first] = np.einsum("nt,rnt->nr", null.residual[first], weights, optimize=True)
    else:
        for s, which in enumerate(np.unique(kind)):
            rows = np.flatnonzero(kind == which)
            u[rows] = null.residual[rows] @ weights[:, s].T
    if not units.single:
        u, own, along, counts = units.sums(u), units.sums(own), units.sums(along), np.ones(units.n, dtype=np.int64)
    expected = own - along @ null.inverse @ along.transpose(0, 2, 1)
    summed = np.einsum("srq,s->rq", expected, counts.astype(np.float64))
    own_variance = np.maximum(np.einsum("srr->sr", expected), 0.0)
    if not (counts @ own_variance > 0).all():
        return Scores(u.sum(axis=0), u.T @ u, 0.0)
    scale = np.sqrt(np.diag(summed))
    both = np.outer(scale, scale)
    lacking = float(np.trace(np.linalg.pinv(summed / both, hermitian=True) @ (true / both))) / R
    lacking = max(lacking, 1.0)
    areas = float(areas_alike(own_variance, counts).mean()) / lacking
    return Scores(u.sum(axis=0), lacking * u.T @ u, areas)


def areas_alike(variance: Floats, counts: Floats | Ints) -> Floats:
    """Return how many areas of like variance a sum over areas of unlike variance is as good as.

    Parameters
    ----------
    variance : ndarray, shape (S, R)
        Of what an area of each kind adds to each of R sums.
    counts : ndarray, shape (S,)
        Areas of each kind.

    Returns
    -------
    ndarray, shape (R,)

    Notes
    -----
    The square of a sum of G independent normal numbers of like variance over their sum of squares is G times a Beta
    variable of variance ``2 (1 - 3 / (G + 2))``. For numbers of unlike variance s_i its variance is
    ``2 (1 - E sum u^4 / (sum u^2)^2)``, and the G that is returned has the same. The expectation is
    ``int_0^inf t sum 3 s_i^2 (1 + 2 t s_i)^-2 prod (1 + 2 t s_j)^-1/2 dt``.

    Examples
    --------
    >>> areas_alike(np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([5, 2])).round(6).tolist()
    [7.0, 5.0]
    >>> areas_alike(np.array([[1.0], [0.1]]), np.array([2, 8])).round(2).tolist()
    [5.83]
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES)
    x = (nodes + 1) / 2
    # x from 0 to 1 is t from 0 to infinity; cubed, so that the ends are smooth
    root = x / (1 - x)
    t, dt = root**3, 3 * root**2 / (1 - x) ** 2 * node_weights / 2
    s, which = np.unique(np.round(variance / (counts @ variance), 12), axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), weights=counts)
    grown = 1 + 2 * t[:, None, None] * s[None]
    by_kind = counts[None, :, None]
    inside = (by_kind * 3 * s[None] ** 2 / grown**2).sum(axis=1) * np.exp(-0.5 * (by_kind * np.log(grown)).sum(axis=1))
    return np.asarray(3 / ((t * dt) @ inside) - 2)


@dataclass(frozen=True, eq=False)
class Grouped:
    """Means of effects before the start over groups of neighbouring horizons, for a joint test that they are zero.

    Attributes
    ----------
    groups : tuple of tuple of int
        Horizons.
    estimate, covariance, areas
        As :class:`Scores` has them; without a test `areas` is 0, and `reason` says why.
    """

    groups: tuple[tuple[int, ...], ...]
    estimate: Floats
    covariance: Floats
    areas: float
    reason: str = ""


def before_start(horizons: Ints, weigh: Weigh, kind: Ints, null: Null, *, spare: int = 0) -> Grouped | None:
    """Return the means of groups of effects before the start, in as many groups as the areas bear.

    Parameters
    ----------
    horizons : ndarray of int, shape (K,)
        In order.
    weigh : callable
        See :data:`Weigh`.
    kind : ndarray of int, shape (N,)
    null : Null
    spare : int
        1 where effects are relative to their own average, so that the last group follows from the others and is left
        out.

    Returns
    -------
    Grouped or None
        None without a horizon to test. ``areas`` are those behind the groups.
    """
    if len(horizons) <= spare:
        return None
    bears = np.inf
    for most in range(min(MOST_GROUPS, len(horizons) - spare), 0, -1):
        if most > 1 and DF_A_GROUP * most > bears:
            continue
        L, groups = pool(horizons, most + spare)
        L, groups = L[: len(groups) - spare], groups[: len(groups) - spare]
        made = scores(weigh(L), kind, null)
        bears = min(bears, made.areas)
        if made.areas >= DF_A_GROUP * len(groups):
            break
    return Grouped(tuple(tuple(int(h) for h in g) for g in groups), *made)


def pool(horizons: Ints, most: int) -> tuple[Floats, list[Ints]]:
    """Return the averaging matrix of at most `most` groups of neighbours, and the horizons of each.

    Examples
    --------
    >>> pool(np.array([-4, -3, -2]), 2)[0].tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    groups = [horizons] if most == 1 else np.array_split(horizons, min(most, len(horizons)))
    L = np.zeros((len(groups), len(horizons)))
    for row, group in enumerate(groups):
        L[row, np.isin(horizons, group)] = 1 / len(group)
    return L, list(groups)


def regression_weights(terms: TwoWay, v: Floats, columns: Ints, inverse: Floats) -> Weigh:
    """Return the weights of cells in combinations of a regression's coefficients.

    Parameters
    ----------
    terms : TwoWay
        All columns, those of the effects too.
    v : ndarray, shape (N, T)
        Weights of the cells.
    columns : ndarray of int, shape (K,)
        Places of the coefficients.
    inverse : ndarray, shape (P, P)
        Of the normal equations of `terms` with the weights `v`, see :func:`inverse_normal`.

    Returns
    -------
    callable
        The weights are those of residuals, so that for Poisson `v` is not in them; shape (R, N, T).
    """

    def weigh(L: Floats) -> Floats:
        back = inverse[:, columns] @ L.T
        out = np.empty((len(L), *terms.shape))
        for r, theta in enumerate(back.T):
            out[r] = within_areas(terms.index(theta), v)
        return out

    return weigh


def within_areas(x: Floats, v: Floats) -> Floats:
    """Return values less their v-weighted mean over each area's cells, zero where v is; any shape that ends in (N, T).

    Examples
    --------
    >>> within_areas(np.array([[1.0, 3.0, 9.0]]), np.array([[1.0, 1.0, 0.0]])).tolist()
    [[-1.0, 1.0, 0.0]]
    """
    about = _about_area(x, v)
    return np.divide(about, v, out=np.zeros_like(about), where=np.broadcast_to(v > 0, about.shape))
