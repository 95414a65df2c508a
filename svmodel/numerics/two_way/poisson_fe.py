"""Poisson quasi-maximum likelihood with area effects and whatever stands beside them in a :class:`TwoWay`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.two_way import Normal, TwoWay, components

_MAX_STEPS = 100
#: Largest index that a predicted cell may have over its area's largest used one.
_LARGEST = 700.0


def informative_cells(y: Floats, use: NDArray[np.bool_], group: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
    """Return the cells on which a Poisson model with area and period effects has finite estimates.

    A cell is left out when the likelihood keeps rising as its expected count goes to zero: every cell of an area or
    period (or group) without an event, and, rarely, a block of zeros between areas and periods that are linked to each
    other by zeros only. The estimates on the other cells are those of the whole.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Finite and non-negative where `use`.
    use : ndarray of bool, shape (N, T)
    group : ndarray of int, shape (N, T), optional
        Index of the group that a cell belongs to, -1 for none.

    Returns
    -------
    ndarray of bool, shape (N, T)

    Notes
    -----
    A direction of recession has ``a_i + b_t <= 0`` on the used cells, with equality where events were seen. With an
    arc from area to period for each used cell and one back for each cell with events, such a direction exists for
    just those cells whose two ends lie in different strongly connected components.

    References
    ----------
    Correia, Guimaraes and Zylkin (2019), arXiv:1903.01633: which cells may be left out.

    Examples
    --------
    >>> y = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0], [3.0, 0.0, 1.0]])
    >>> informative_cells(y, np.ones((3, 3), dtype=bool)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 1], [1, 0, 1]]
    """
    from scipy.sparse import coo_array, csgraph

    N, T = use.shape
    positive = use & (np.where(use, y, 0.0) > 0)
    keep = use
    while True:
        before = int(keep.sum())
        if group is not None:
            seen = np.bincount(group[keep & positive] + 1, minlength=int(group.max(initial=-1)) + 2) > 0
            seen[0] = True
            keep = keep & seen[group + 1]
        heard = keep & positive
        keep = keep & heard.any(axis=1, keepdims=True) & heard.any(axis=0, keepdims=True)
        if _all_linked(keep, positive):
            strong = keep
        else:
            i, t = np.nonzero(keep)
            back_i, back_t = np.nonzero(keep & positive)
            tail, head = np.concatenate([i, back_t + N]), np.concatenate([t + N, back_i])
            arcs = coo_array((np.ones(len(tail), dtype=np.int8), (tail, head)), shape=(N + T, N + T)).tocsr()
            label = csgraph.connected_components(arcs, directed=True, connection="strong")[1]
            strong = keep & (label[:N, None] == label[None, N:])
        keep = strong
        if int(keep.sum()) == before:
            return keep


def _all_linked(keep: NDArray[np.bool_], positive: NDArray[np.bool_]) -> bool:
    """Return whether the cells with events alone link every kept area and period: then nothing is separated."""
    label = components(keep & positive)
    return int(label.max(initial=-1)) <= 0


@dataclass(frozen=True, eq=False)
class PoissonFit:
    """A Poisson two-way fit; areas without an event in the used cells have an expected count of zero.

    Attributes
    ----------
    terms : TwoWay
    theta : ndarray, shape (P,)
    shape : ndarray, shape (N, T)
        ``exposure * exp(z_it' theta)`` up to a factor per area, for every cell whose exposure is known (else NaN).
    level : ndarray, shape (N,)
        ``exp(a_i)`` on the same footing, so that ``level * shape`` is the expected count; NaN without a used cell.
    mu : ndarray, shape (N, T)
        Expected count on the used cells, 0 elsewhere.
    residual : ndarray, shape (N, T)
        Observed less expected on the used cells, 0 elsewhere.
    """

    terms: TwoWay
    theta: Floats
    shape: Floats
    level: Floats
    mu: Floats
    residual: Floats

    @cached_property
    def area_sums(self) -> Floats:
        """``sum_t mu_it z_it`` over the used cells, shape (N, P)."""
        return self.terms.area_sums(self.mu)

    @cached_property
    def normal(self) -> Normal:
        """Negative Hessian of the profile likelihood."""
        return self.terms.normal(self.mu, self.area_sums)

    @cached_property
    def influence(self) -> Floats:
        """Influence of each area on ``theta``, shape (N, P): the rows sum to zero, and their cross product is CR0."""
        return self.normal.solve(self.terms.area_sums(self.residual).T).T

    @cached_property
    def informative(self) -> NDArray[np.bool_]:
        """Areas with an event in the used cells, shape (N,)."""
        return self.mu.sum(axis=1) > 0


def fit_poisson(
    y: Floats, terms: TwoWay, exposure: Floats | None = None, *, start: Floats | None = None, tolerance: float = 1e-7
) -> PoissonFit:
    """Fit ``E[y_it] = exposure_it exp(a_i + z_it' theta)`` by Poisson quasi-maximum likelihood.

    Area effects are profiled out, ``exp(a_i) = y_i. / sum_t exposure_it exp(z_it' theta)``, which leaves the concave
    conditional (multinomial) likelihood of ``theta``; Newton steps are halved until it rises.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Non-negative where ``terms.use``; anything elsewhere.
    terms : TwoWay
    exposure : ndarray, shape (N, T), optional
        Positive where ``terms.use``.
    start : ndarray, shape (P,), optional
        Where to start, e.g. a fit to nearly the same data.
    tolerance : float
        Newton stops after the step in which no index moves by more than this; steps converge quadratically, so what
        is left is of the order of its square.

    Returns
    -------
    PoissonFit

    Raises
    ------
    EstimationError
        If an outcome is negative, no cell has an event, columns depend on each other, or a coefficient runs away
        because the outcome is zero wherever its column is (separation).

    References
    ----------
    Hausman, Hall and Griliches (1984), *Econometrica* 52: the conditional likelihood.
    Wooldridge (1999), *Journal of Econometrics* 90: it is right whenever the mean is, counts or not.

    Examples
    --------
    >>> from svmodel.numerics.two_way import TwoWay
    >>> y = np.array([[2.0, 4.0], [10.0, 20.0]])
    >>> fit = fit_poisson(y, TwoWay(np.ones((2, 2), dtype=bool)))
    >>> np.round(fit.mu, 6).tolist()
    [[2.0, 4.0], [10.0, 20.0]]
    """
    use = terms.use
    events = np.where(use, y, 0.0)
    if (events < 0).any():
        raise EstimationError("a Poisson model needs an outcome that is never negative")
    total = events.sum(axis=1)
    if not total.any():
        raise EstimationError("no event was observed in the cells that the model is fitted on")
    offset = np.where(use, 0.0 if exposure is None else np.log(exposure), -np.inf)
    heard = terms.area_sums(events).sum(axis=0)
    theta = _first_guess(terms, events, total, exposure) if start is None else start.copy()

    def expected(theta: Floats) -> tuple[Floats, Floats, Floats, float]:
        """Return expected counts, levels, what indices were shifted by, and minus the profile log-likelihood."""
        mu = terms.index(theta)
        mu += offset
        top = mu.max(axis=1, keepdims=True)
        top[~np.isfinite(top)] = 0.0
        mu -= top
        np.exp(mu, out=mu)
        base = mu.sum(axis=1)
        level = np.divide(total, base, out=np.zeros_like(base), where=base > 0)
        mu *= level[:, None]
        log_base = np.log(base, out=np.zeros_like(base), where=base > 0) + top[:, 0]
        return mu, level, top, float(total @ log_base - heard @ theta)

    mu, level, top, loss = expected(theta)
    for _ in range(_MAX_STEPS):
        sums = terms.area_sums(mu)
        newton = step = terms.normal(mu, sums).solve(heard - sums.sum(axis=0))
        moved = float(np.abs(newton).max(initial=0.0)) if terms.covariates is None else _largest_move(terms, newton)
        for _halving in range(40):
            new = expected(theta + step)
            if new[3] <= loss + 1e-12 * abs(loss):
                break
            step = step / 2
        else:
            # nothing below: the loss is flat to its last digit, unless the step was a real one
            if moved < 1e-4:
                break
            raise EstimationError("the Poisson fit found no way to improve; the columns may be too nearly dependent")
        theta = theta + step
        mu, level, top, loss = new
        if moved < tolerance:
            break
    else:
        raise EstimationError(
            f"the Poisson fit did not settle in {_MAX_STEPS} steps; a coefficient may run away because the outcome is "
            "zero wherever its column is not"
        )
    shape = terms.index(theta)
    if exposure is not None:
        shape += np.log(exposure)
    shape -= top
    np.exp(np.minimum(shape, _LARGEST, out=shape), out=shape)
    level = np.where(use.any(axis=1), level, np.nan)
    return PoissonFit(terms, theta, shape, level, mu, np.where(use, events - mu, 0.0))


def _first_guess(terms: TwoWay, events: Floats, total: Floats, exposure: Floats | None) -> Floats:
    """Return period effects from observed over expected by period, areas taken at their average over time."""
    base = terms.use.astype(np.float64) if exposure is None else np.where(terms.use, exposure, 0.0)
    size = base.sum(axis=1)
    level = np.divide(total, size, out=np.zeros_like(size), where=size > 0)
    heard, expected = events.sum(axis=0), level @ base
    guess = np.log(np.divide(heard, expected, out=np.ones_like(heard), where=(heard > 0) & (expected > 0)))
    theta = np.zeros(terms.size)
    theta[: terms.n_period_terms : terms.by_period.shape[1]] = guess
    held = np.ones(terms.size, dtype=bool)
    held[terms.free] = False
    label = components(terms.use)
    for c in range(int(label.max(initial=-1)) + 1):
        periods = np.flatnonzero(label == c) * terms.by_period.shape[1]
        theta[periods] -= theta[periods[-1]]
    theta[held] = 0.0
    return theta


def _largest_move(terms: TwoWay, step: Floats) -> float:
    """Return the largest change of an index that `step` makes on a used cell."""
    return float(np.abs(np.where(terms.use, terms.index(step), 0.0)).max())
