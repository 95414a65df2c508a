"""Weights of areas and periods, and the gaps they leave: algorithm 1 of Arkhangelsky et al. (2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.counterfactual.synthetic_did.blocks import Block, Index
from svmodel.numerics.arrays import Floats
from svmodel.numerics.synthetic.leave_one_out import leaving_one_out
from svmodel.numerics.synthetic.simplex import simplex_weights

#: Ridge of the time weights in standard deviations of the noise: there to make them unique.
ETA_LAMBDA = 1e-6


@dataclass(frozen=True)
class Weighing:
    """How weights are found.

    Attributes
    ----------
    method : {"sdid", "did", "sc"}
    solver : {"exact", "frank_wolfe"}
    """

    method: str
    solver: str


@dataclass(frozen=True, eq=False)
class BlockWeights:
    """Weights of one block.

    Attributes
    ----------
    omega : ndarray, shape (donors,)
    lam : ndarray, shape (before,)
        All zero for the synthetic control, which has no time weights.
    noise : float
        Standard deviation of the donors' first differences before the start.
    kkt : float
        The larger relative KKT residual of the two problems; 0 where weights are fixed, NaN of Frank-Wolfe steps.
    """

    omega: Floats
    lam: Floats
    noise: float
    kkt: float


def noise_level(y: Floats) -> float:
    """Return the standard deviation of first differences; 0 where there is none."""
    steps = np.diff(y, axis=1).ravel()
    return float(steps.std(ddof=1)) if len(steps) > 1 else 0.0


def weigh(
    y: Floats,
    target: Floats,
    n_after: int,
    n_treated: int,
    how: Weighing,
    *,
    noise: float,
    start: BlockWeights | None = None,
    omega_start: Floats | None = None,
) -> BlockWeights:
    """Return the weights of donors and of periods before the start.

    Parameters
    ----------
    y : ndarray, shape (donors, periods)
        Working outcome of the donors; periods before, then the `n_after` ones after.
    target : ndarray, shape (before,)
        Mean of the treated areas.
    n_after, n_treated : int
    how : Weighing
    noise : float
        Standard deviation of first differences, which sets the ridge (eq. 5).
    start, omega_start
        Fit to take time weights from, and donors' weights, to begin with. The exact solver's answer does not depend
        on them.
    """
    before = y[:, :-n_after]
    n_donors, n_before = before.shape
    if how.method == "did":
        return BlockWeights(np.full(n_donors, 1 / n_donors), np.full(n_before, 1 / n_before), noise, 0.0)
    # a treated area's weights are spread the more, the more is averaged over; the synthetic control's are not
    free = how.method == "sdid"
    zeta_omega = (n_treated * n_after) ** 0.25 * noise if free else ETA_LAMBDA * noise
    lam, kkt = np.zeros(n_before), 0.0
    if free:
        lam, kkt = time_weights(y, n_after, solver=how.solver, noise=noise, start=start)
    if how.solver == "frank_wolfe":
        omega = two_stages(before.T, target, zeta_omega, intercept=free, least=1e-5 * noise, start=omega_start)
        return BlockWeights(omega, lam, noise, np.nan)
    # weights of donors differ too much between targets for a start to help; those of periods hardly do
    area = simplex_weights(before.T, target, ridge=zeta_omega**2, intercept=free)
    return BlockWeights(area.weights, lam, noise, max(area.kkt, kkt))


def time_weights(
    y: Floats, n_after: int, *, solver: str, noise: float, start: BlockWeights | None = None
) -> tuple[Floats, float]:
    """Return the weights of periods before the start (eq. 6), from donors alone, and their relative KKT residual.

    Arguments are as of :func:`weigh`.
    """
    before, after = y[:, :-n_after], y[:, -n_after:].mean(axis=1)
    zeta = ETA_LAMBDA * noise
    first = None if start is None else start.lam
    if solver == "frank_wolfe":
        return two_stages(before, after, zeta, intercept=True, least=1e-5 * noise, start=first), np.nan
    fit = simplex_weights(before, after, ridge=zeta**2, intercept=True, start=first)
    return fit.weights, fit.kkt


def time_weights_without(y: Floats, n_after: int, which: Index, fit: BlockWeights, *, solver: str) -> Floats:
    """Return the weights of periods before the start found without each of some donors, shape (n, before).

    Arguments are as of :func:`weigh`; `which` are rows of `y`, and `fit` is the answer of all donors.
    """
    if solver == "frank_wolfe":
        found = [
            time_weights(np.delete(y, j, axis=0), n_after, solver=solver, noise=fit.noise, start=fit)[0] for j in which
        ]
        return np.array(found).reshape(len(which), len(fit.lam))
    ridge = (ETA_LAMBDA * fit.noise) ** 2
    return leaving_one_out(y[:, :-n_after], y[:, -n_after:].mean(axis=1), which, ridge=ridge, weights=fit.lam)


def gaps(y: Floats, donors: Floats, weights: BlockWeights) -> Floats:
    """Return the effects of each area in each period: its gap to the weighted donors, less the gap before.

    Before the start they are what is left of the fit.

    Parameters
    ----------
    y : ndarray, shape (areas, periods)
    donors : ndarray, shape (donors, periods)
    weights : BlockWeights

    Returns
    -------
    ndarray, shape (areas, periods)
        Their average over areas and treated periods is the estimate (eq. 1).
    """
    gap = y - weights.omega @ donors
    return np.asarray(gap - (gap[:, : len(weights.lam)] @ weights.lam)[:, None])


def target_of(y: Floats, block: Block) -> Floats:
    """Return the mean working outcome before the start, areas weighted by what a unit of theirs is worth."""
    share = block.before_size[:, 0] / block.before_size[:, 0].sum()
    return np.asarray(share @ y)


_FIRST, _SECOND = 100, 10_000


def two_stages(
    a: Floats, b: Floats, zeta: float, *, intercept: bool, least: float, start: Floats | None = None
) -> Floats:
    """Minimise ``||A w + a0 - b||^2 / T + zeta^2 ||w||^2`` over the simplex, as far as synthdid goes.

    A hundred steps, then weights of at most a quarter of the largest are set to zero and the others scaled to sum to
    one, then up to 10,000 steps more. A stage ends where a step lowers the objective by `least` squared or less.
    """
    w = np.full(a.shape[1], 1 / a.shape[1]) if start is None else start
    if intercept:
        a, b = a - a.mean(axis=0), b - b.mean()
    w = _steps(a, b, zeta, w, least, _FIRST)
    sparse = np.where(w <= w.max() / 4, 0.0, w)
    return _steps(a, b, zeta, sparse / sparse.sum(), least, _SECOND)


def _steps(a: Floats, b: Floats, zeta: float, w: Floats, least: float, most: int) -> Floats:
    """Return the weights after Frank-Wolfe steps with exact line search."""
    rows = len(b)
    gram = a.T @ a / rows + zeta**2 * np.eye(a.shape[1])
    w = w.copy()
    # half the gradient is `product - cross`; a step moves `product` along a row of `gram`
    cross, constant = a.T @ b / rows, float(b @ b) / rows
    product = gram @ w
    value = np.inf
    for step in range(most):
        half = product - cross
        i = int(half.argmin())
        slope = float(half @ w) - float(half[i])
        bend = float(gram[i, i] - 2 * product[i] + w @ product)
        length = min(1.0, max(0.0, slope / bend)) if bend > 0 else 0.0
        w *= 1 - length
        w[i] += length
        product *= 1 - length
        product += length * gram[i]
        new = float(w @ (product - 2 * cross)) + constant
        if step > 0 and not value - new > least**2:
            break
        value = new
    return w
