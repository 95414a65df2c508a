"""Bounds if trends may part after the start as far as they did before: relative magnitudes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats
from svmodel.numerics.honest import EventStudy, Steps, steps
from svmodel.numerics.honest.arp import KAPPA, conditional_rejection, least_favourable_value

if TYPE_CHECKING:
    Kind = Literal["slope", "bend"]


class RobustInterval(NamedTuple):
    """The values of the estimand that a test does not reject, from the lowest to the highest.

    Attributes
    ----------
    low, high : float
        NaN where every value is rejected, infinite where no end was found.
    connected : bool
        Whether all grid points between them were accepted too.
    """

    low: float
    high: float
    connected: bool


@dataclass(frozen=True, eq=False)
class MagnitudesTest:
    """The test of every value of the estimand under one bound; see :func:`magnitudes_test`.

    Attributes
    ----------
    centre : float
        The estimator ``a`` that is unbiased if no step follows the reference.
    seen : ndarray, shape (S,)
        Estimated steps before the reference, with either sign: the one that is taken for the largest.
    vertices : ndarray, shape (S, 4, 2)
        The statistics as weights on ``(a - theta, seen)``.
    covariance : ndarray, shape (S, 4, 4)
        Of the statistics.
    first_stage : ndarray, shape (S,)
    alpha : float
    """

    centre: float
    seen: Floats
    vertices: Floats
    covariance: Floats
    first_stage: Floats
    alpha: float

    def accepts(self, theta: Floats, centre: Floats | None = None, seen: Floats | None = None) -> NDArray[np.bool_]:
        """Return for each value whether some step and sign accepts it.

        Parameters
        ----------
        theta : ndarray, shape (n,)
        centre, seen : ndarray, shape (n,) and (n, S), optional
            Other draws of the estimates in place of those that were seen.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
        a = (self.centre if centre is None else centre) - theta
        g = np.broadcast_to(self.seen if seen is None else seen, (len(theta), len(self.seen)))
        pair = np.stack([np.broadcast_to(a[:, None], g.shape), g], axis=-1)
        statistics = np.einsum("sjk,nsk->nsj", self.vertices, pair)
        rejected = conditional_rejection(statistics, self.covariance, self.first_stage, alpha=self.alpha)
        return np.asarray(~rejected.all(axis=1))


def magnitudes_test(study: EventStudy, bound: float, *, kind: Kind = "slope", level: float = 0.95) -> MagnitudesTest:
    """Return the conditional least-favourable hybrid test under relative magnitudes.

    Parameters
    ----------
    study : EventStudy
    bound : float
        Mbar: the largest step after the reference as a multiple of the largest one before it.
    kind : {"slope", "bend"}
        ``slope``: the departure changes from one time to the next by at most Mbar times the largest such change before
        (Delta RM). ``bend``: its slope changes so (Delta SDRM); it needs two estimates before the reference.
    level : float

    Returns
    -------
    MagnitudesTest

    Raises
    ------
    ValueError
        If the bound is negative or not finite, or there is no step before the reference.

    Notes
    -----
    The set is a union over the step s before the reference that is the largest, and its sign, and so is the confidence
    set (Rambachan and Roth 2023, Lemma 2.2). For one of them, with g = +- its step and q_t the
    steps that follow, the moments are ``+- q_t - Mbar g <= 0`` up to the nuisance effects. A weighting of the moments
    that is free of nuisance effects gives the t-th pair a difference of weights proportional to c_t
    (:class:`~svmodel.numerics.honest.Steps`). So the vertices of the dual are few, whatever the number of
    periods: the weights |c_t| on one side of each pair, in either direction, and one pair alone, evenly. With a = c'q
    the statistics are ``(+-(a - theta) - Mbar |c|_1 g) / sum |c_t| sd_t`` and ``-2 Mbar g / (sd_t+ + sd_t-)``:
    functions of two normal variables, so that no linear programme is left to be solved and the least-favourable
    critical value is an integral over one variable.

    Moments that hold steps before the reference only are left out, as HonestDiD does where there are two or more
    periods after it (``postPeriodMomentsOnly``).

    References
    ----------
    Rambachan and Roth (2023), *Review of Economic Studies* 90(5), sections 2 and 3. Andrews, Roth and Pakes (2023),
    same journal 90(6).
    """
    made = _checked(study, bound, kind)
    sigma = study.covariance
    signed = np.vstack([made.before, -made.before])
    a = made.extrapolated
    both = np.stack([np.broadcast_to(a, signed.shape), signed], axis=1)
    pair = both @ sigma @ both.transpose(0, 2, 1)
    step = np.einsum("ti,ij,tj->t", made.after, sigma, made.after)
    shared = signed @ sigma @ made.after.T
    with_g = bound**2 * pair[:, 1, 1][:, None]
    up = np.sqrt(np.maximum(step - 2 * bound * shared + with_g, 0.0))
    down = np.sqrt(np.maximum(step + 2 * bound * shared + with_g, 0.0))
    size, rising = np.abs(made.reach), made.reach > 0
    half = np.stack([np.where(rising, up, down) @ size, np.where(rising, down, up) @ size], axis=1)
    width = up + down
    tilt = np.full(len(signed), bound * size.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        # of the pairs only the narrowest and the widest can be the largest
        drop = [np.where(w > 0, 2 * bound / w, 0.0) for w in (width.min(axis=1), width.max(axis=1))]
        sides = [np.stack([s / half[:, k], -tilt / half[:, k]], axis=1) for k, s in enumerate((1.0, -1.0))]
    if not (half > 0).all():
        raise ValueError("the steps after the reference have no variance")
    pairs = [np.stack([np.zeros_like(d), -d], axis=1) for d in drop]
    vertices = np.stack([*sides, *pairs], axis=1)
    alpha = 1 - level
    return MagnitudesTest(
        centre=float(a @ study.estimate),
        seen=signed @ study.estimate,
        vertices=vertices,
        covariance=vertices @ pair @ vertices.transpose(0, 2, 1),
        first_stage=least_favourable_value(half, tilt, drop[0], pair, alpha * KAPPA),
        alpha=alpha,
    )


def magnitudes_interval(
    study: EventStudy,
    bound: float,
    *,
    kind: Kind = "slope",
    level: float = 0.95,
    grid_points: int = 1_000,
    refine: bool = True,
) -> RobustInterval:
    """Return the values of the estimand that are not rejected under relative magnitudes.

    Parameters
    ----------
    study, bound, kind, level
        See :func:`magnitudes_test`.
    grid_points : int
        On either side of the estimate together, as far as Mbar times the largest step that was seen and twenty standard
        errors reach (HonestDiD's grid); farther where the set is open there.
    refine : bool
        Find the ends between two grid points, to a billionth of the grid. Otherwise they are the outermost accepted
        grid points, up to one step inside, as other programs give them.

    Returns
    -------
    RobustInterval

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([0.02, -0.01, -0.3, -0.3]), np.eye(4) * 0.0025, pre=2)
    >>> [round(v, 3) for v in magnitudes_interval(study, 0.0)[:2]]  # parallel trends: -0.3 -+ 1.96 x 0.035
    [-0.369, -0.231]
    >>> [round(v, 3) for v in magnitudes_interval(study, 1.0)[:2]]
    [-0.531, -0.069]
    """
    made = _checked(study, bound, kind)
    test = magnitudes_test(study, bound, kind=kind, level=level)
    a = made.extrapolated
    error = math.sqrt(float(a @ study.covariance @ a))
    half = bound * float(np.abs(made.reach).sum()) * float(np.abs(test.seen).max()) + 20 * error
    for _ in range(12):
        grid = np.linspace(test.centre - half, test.centre + half, grid_points)
        inside = test.accepts(grid)
        if not (inside[0] or inside[-1]):
            break
        half *= 4
    if not inside.any():
        return RobustInterval(math.nan, math.nan, connected=False)
    first, last = int(inside.argmax()), grid_points - 1 - int(inside[::-1].argmax())
    connected = bool(inside[first : last + 1].all())
    if not refine:
        return RobustInterval(float(grid[first]), float(grid[last]), connected)
    low = -math.inf if inside[0] else _edge(test, grid[first], grid[first - 1])
    high = math.inf if inside[-1] else _edge(test, grid[last], grid[last + 1])
    return RobustInterval(low, high, connected)


def magnitudes_set(study: EventStudy, bound: float, *, kind: Kind = "slope") -> tuple[float, float]:
    """Return the values of the estimand under relative magnitudes if the estimates had no error.

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([0.02, -0.01, -0.3, -0.3]), np.eye(4) * 0.0025, pre=2)
    >>> [round(v, 3) for v in magnitudes_set(study, 1.0)]  # 0.03 from one time to the next, 1.5 times on average
    [-0.345, -0.255]
    """
    made = _checked(study, bound, kind)
    middle = float(made.extrapolated @ study.estimate)
    largest = float(np.abs(made.before @ study.estimate).max())
    half = bound * float(np.abs(made.reach).sum()) * largest
    return middle - half, middle + half


def magnitudes_breakdown(study: EventStudy, *, kind: Kind = "slope", level: float = 0.95, most: float = 10.0) -> float:
    """Return the largest Mbar up to which zero is rejected.

    Parameters
    ----------
    study, kind, level
        See :func:`magnitudes_test`.
    most : float
        Bounds above this are not tried.

    Returns
    -------
    float
        NaN where zero is not rejected at Mbar = 0, infinite where it is rejected at all bounds up to `most`.

    Examples
    --------
    >>> from svmodel.numerics.honest import EventStudy
    >>> study = EventStudy(np.array([0.02, -0.01, -0.3, -0.3]), np.eye(4) * 0.0025, pre=2)
    >>> round(magnitudes_breakdown(study), 2)
    1.32
    """

    def holds(bound: float) -> bool:
        return bool(magnitudes_test(study, bound, kind=kind, level=level).accepts(np.zeros(1))[0])

    if holds(0.0):
        return math.nan
    # acceptance need not be monotone in the bound, so that the first one that accepts is looked for from below
    tried = np.concatenate([np.arange(1, 21) / 10, np.arange(2.5, most + 0.25, 0.5)])
    found = next((i for i, bound in enumerate(tried) if holds(float(bound))), None)
    if found is None:
        return math.inf
    low, high = 0.0 if found == 0 else float(tried[found - 1]), float(tried[found])
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low


def _edge(test: MagnitudesTest, inside: float, outside: float) -> float:
    """Return where acceptance ends between two values."""
    for _ in range(5):
        points = np.linspace(inside, outside, 65)
        last = int(np.flatnonzero(test.accepts(points[:-1]))[-1])
        inside, outside = float(points[last]), float(points[last + 1])
    return inside


def _checked(study: EventStudy, bound: float, kind: Kind) -> Steps:
    if not (math.isfinite(bound) and bound >= 0):
        raise ValueError(f"the relative bound must be at least 0, not {bound!r}")
    made = steps(study, kind)
    if not len(made.before):
        raise ValueError("bends before the reference need two estimates there; there is one")
    return made
