"""Hyperparameters integrated out: quasi-random points, weighted by importance, and draws from the mixture.

Rue, Martino and Chopin (2009) integrate over a grid about the mode, scaled along the eigenvectors of the Hessian and
on either side by itself (section 6.5). Here the points are quasi-random and the weights are those of importance
sampling, so that the effective number of points says whether the approximation to the hyperparameters' density was
good enough. Owen and Zhou (2000), *JASA* 95(449), 135-143, for proposals in several rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.factors import ModeError
from svmodel.numerics.latent.laplace import Conditional, LatentProblem

#: Degrees of freedom of the proposals: tails heavier than those of the density.
_DF = 7.0
_ROUNDS = 4
#: Effective points that are aimed at, as a share of a round's.
_AIM = 0.4
#: Standard deviations of a proposal, in units of theta, at the most: where data say nothing the prior still does.
_WIDEST = 3.0
#: Standard deviations from the mode, on either side, at which the fall of the density is looked at; and at the widest,
#: since a standard deviation that is seen may be zero all the same.
_PROBES = (1.4, 4.0)
#: Correlation of two hyperparameters from which a proposal is turned into their principal axes.
_CORRELATED = 0.6


@dataclass(frozen=True, eq=False)
class Nested:
    """The posterior as a weighted mixture of Gaussian fields.

    Attributes
    ----------
    problem : LatentProblem
    parts : tuple of Conditional
    weights : ndarray, shape (m,)
        Sum to 1.
    evaluations, failures : int
        Sets of hyperparameters at which a mode was looked for, and at which none was found.
    """

    problem: LatentProblem
    parts: tuple[Conditional, ...]
    weights: Floats
    evaluations: int
    failures: int

    @property
    def effective_points(self) -> float:
        """Kish's effective number of points, ``1 / sum w^2``."""
        return float(1 / (self.weights**2).sum())

    @property
    def largest_weight(self) -> float:
        """Largest share of a single point."""
        return float(self.weights.max())

    def draw(self, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return draws of the field, shape (size, p), and of theta, shape (size, k), in random order.

        A field is drawn at one of the points. Theta is spread over the gaps between the points, along each coordinate:
        quantiles of some fifty points alone would make intervals of hyperparameters too short.
        """
        u = (np.arange(size) + rng.random()) / size
        edges = np.cumsum(self.weights)
        which = np.minimum(np.searchsorted(edges / edges[-1], u, side="right"), len(self.weights) - 1)
        p, k = self.problem.grid.size, len(self.problem.hypers)
        field, theta = np.empty((size, p)), self._spread(which, rng.random((size, k)))
        for m in np.unique(which):
            mine = np.flatnonzero(which == m)
            field[mine] = self.problem.draw(self.parts[m], len(mine), rng)
        order = rng.permutation(size)
        return field[order], theta[order]

    def _spread(self, which: NDArray[np.int64], u: Floats) -> Floats:
        """Return theta of draws at points `which`, shape (size, k).

        Along each coordinate a point's weight lies half on either side of it, evenly up to an edge between it and the
        next point. The edge is nearer to the heavier of the two, so that a far point of hardly any weight draws none
        of its neighbour's towards itself. Below the lowest point the density falls exponentially, as that of a log
        standard deviation does. `u` is uniform, and says where within its weight a draw lies.
        """
        points = np.array([part.theta for part in self.parts])
        out = points[which]
        if len(points) == 1:
            return out
        for j in range(points.shape[1]):
            rank = np.argsort(points[:, j], kind="stable")
            x, w = points[rank, j], self.weights[rank]
            top = np.cumsum(w)
            edge = x[:-1] + np.diff(x) * w[1:] / (w[1:] + w[:-1])
            edges = np.concatenate([edge, [2 * x[-1] - edge[-1]]])
            place = np.argsort(rank)[which]
            at = top[place] - w[place] * (1 - u[:, j])
            inner = np.interp(at, np.column_stack([top - w / 2, top]).ravel(), np.column_stack([x, edges]).ravel())
            with np.errstate(over="ignore"):  # a first point of next to no weight is left by every draw
                low = np.minimum(2 * at / w[0], 1.0)
            out[:, j] = inner + (edge[0] - x[0]) * np.log(np.maximum(low, 1e-12))
        return out


@dataclass(frozen=True, eq=False)
class _Proposal:
    """Independent two-piece Student t along the columns of `axes`: each side has a scale of its own."""

    centre: Floats
    axes: Floats
    below: Floats
    above: Floats

    def points(self, u: Floats) -> Floats:
        """Map uniform numbers, shape (m, k)."""
        from scipy import special

        share = self.below / (self.below + self.above)
        low = u < share
        inner = np.where(low, u / (2 * share), 0.5 + (u - share) / (2 * (1 - share)))
        z = special.stdtrit(_DF, np.clip(inner, 1e-6, 1 - 1e-6)) * np.where(low, self.below, self.above)
        return np.asarray(self.centre + z @ self.axes.T)

    def log_density(self, theta: Floats) -> Floats:
        """Return the log density of points, shape (m,), up to a constant that all proposals share."""
        z = np.linalg.solve(self.axes, (theta - self.centre).T).T
        scaled = z / np.where(z < 0, self.below, self.above)
        body = -0.5 * (_DF + 1) * np.log1p(scaled**2 / _DF)
        volume = np.log(self.below + self.above).sum() + np.linalg.slogdet(self.axes)[1]
        return np.asarray(body.sum(axis=1) - volume)


def integrate(problem: LatentProblem, *, points: int = 64, seed: int = 0) -> Nested:
    """Integrate the hyperparameters out.

    Parameters
    ----------
    problem : LatentProblem
    points : int
        Quasi-random points in a round; a power of two. A round is added, up to four, while fewer than 0.4 of a
        round's points are effective.
    seed : int
        Of the points' scrambling; the same seed gives the same bits.

    Returns
    -------
    Nested

    Raises
    ------
    ModeError
        If there is no mode at the hyperparameters to begin with, or at hardly any point.

    Notes
    -----
    Without hyperparameters there is one part, of weight 1.
    """
    from scipy.stats import qmc

    walker = _Walker(problem)
    if not problem.hypers:
        return Nested(problem, (problem.conditional(np.empty(0)),), np.ones(1), 1, 0)
    best = walker.climb(problem.start())
    proposals = [walker.proposal(best)]
    thetas, held, log_density = [], [], []
    for round_ in range(_ROUNDS):
        u = qmc.Sobol(len(best.theta), seed=np.random.default_rng([seed, round_])).random(points)
        for theta in proposals[-1].points(u):
            part = walker.at(theta, best.mode)
            thetas.append(theta)
            held.append(part)
            log_density.append(-np.inf if part is None else part.log_density)
        every = np.array(thetas)
        # each round's proposal has an equal share in the mixture: the balance heuristic
        mixture = np.logaddexp.reduce([q.log_density(every) for q in proposals], axis=0)
        log_weight = np.array(log_density) - mixture
        if not np.isfinite(log_weight).any():
            raise ModeError("the latent field has no mode at any set of hyperparameters that was tried")
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        if 1 / (weight**2).sum() >= _AIM * points:
            break
        proposals.append(_refitted(every, weight, proposals[-1]))
    live = np.flatnonzero(weight > 0)
    parts = tuple(part for part in (held[i] for i in live) if part is not None)
    return Nested(problem, parts, weight[live] / weight[live].sum(), walker.evaluations, walker.failures)


def _axes(covariance: Floats) -> Floats:
    """Return the directions along which a proposal is made: the coordinates, or the covariance's own where they matter.

    The long tails of log standard deviations that may be zero run along their coordinates, each by itself. Principal
    axes of hardly correlated coordinates point anywhere between them, and lose these tails.
    """
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd) - np.eye(len(sd))
    if np.abs(correlation).max(initial=0.0) < _CORRELATED:
        return np.eye(len(sd))
    return np.asarray(np.linalg.eigh(covariance)[1])


def _refitted(theta: Floats, weight: Floats, last: _Proposal) -> _Proposal:
    """Return a proposal with the weighted points' mean and covariance, scaled on each side by itself."""
    centre = weight @ theta
    away = theta - centre
    # points that hardly any weight is spread over must not draw the next ones together
    least = (last.axes * (0.1 * np.minimum(last.below, last.above)) ** 2) @ last.axes.T
    covariance = (away * weight[:, None]).T @ away + least
    axes = _axes(covariance)
    z = away @ axes
    value = np.einsum("ij,ik,kj->j", axes, covariance, axes)
    scales = []
    for side in (z < 0, z >= 0):
        mass = np.maximum((weight[:, None] * side).sum(axis=0), 1e-9)
        square = (weight[:, None] * side * z**2).sum(axis=0) / mass
        # few effective points know little of a side by itself
        scales.append(np.sqrt(0.5 * square + 0.5 * value))
    return _Proposal(centre, axes, scales[0], scales[1])


@dataclass(eq=False)
class _Walker:
    """Looks for modes of the field, each from the last, and counts."""

    problem: LatentProblem
    evaluations: int = 0
    failures: int = 0

    def at(self, theta: Floats, begin: Floats | None) -> Conditional | None:
        """Return the approximation at `theta`, or None."""
        self.evaluations += 1
        for first in (begin, None):
            try:
                return self.problem.conditional(theta, first)
            except (ModeError, FloatingPointError, OverflowError):
                continue
        self.failures += 1
        return None

    def climb(self, theta: Floats) -> Conditional:
        """Return the approximation at the hyperparameters' mode."""
        from scipy.optimize import minimize

        best = self.at(theta, None)
        if best is None:
            raise ModeError("the latent field has no mode at the hyperparameters to begin with")
        found = [best]

        def lost(t: Floats) -> float:
            part = self.at(t, found[0].mode)
            if part is None or not np.isfinite(part.log_density):
                return 1e10
            if part.log_density > found[0].log_density:
                found[0] = part
            return -part.log_density

        minimize(lost, theta, method="BFGS", options={"gtol": 0.05, "eps": 1e-3, "maxiter": 40})
        return found[0]

    def proposal(self, best: Conditional) -> _Proposal:
        """Return a proposal from the curvature at the mode, with scales from how far the density falls on each side."""
        k = len(best.theta)
        fall = self._fall(best)
        value, vector = np.linalg.eigh(_second_differences(fall, k))
        value = np.maximum(value, _WIDEST**-2)
        covariance = (vector / value) @ vector.T
        axes = _axes(covariance)
        scale = np.sqrt(np.einsum("ij,ik,kj->j", axes, covariance, axes))
        # along one axis with the others held the density is narrower than by itself
        held = np.sqrt(np.einsum("ij,ik,kj->j", axes, (vector * value) @ vector.T, axes)) * scale
        sides = []
        for sign in (-1.0, 1.0):
            # as wide as it takes for the proposal to fall no faster than the density, near the mode and further out:
            # where a standard deviation may be zero, the density of its logarithm falls like exp(u) only
            tried = [
                [_scale(d, fall(sign * d * axes[:, j])) for d in (*(p * scale[j] for p in _PROBES), _WIDEST)]
                for j in range(k)
            ]
            wide = held * np.max(tried, axis=1)
            sides.append(np.clip(wide, 0.4 * scale, np.minimum(4 * scale, _WIDEST)))
        return _Proposal(best.theta, axes, sides[0], sides[1])

    def _fall(self, best: Conditional) -> Callable[[Floats], float]:
        def fall(step: Floats) -> float:
            part = self.at(best.theta + step, best.mode)
            return 25.0 if part is None else best.log_density - part.log_density

        return fall


def _scale(distance: float, drop: float) -> float:
    """Return the scale of a Student t whose log density falls by `drop` over a distance."""
    return distance / math.sqrt(_DF * math.expm1(2 * min(max(drop, 0.05), 50.0) / (_DF + 1)))


def _second_differences(fall: Callable[[Floats], float], k: int, h: float = 0.1) -> Floats:
    """Return the Hessian of a function that is zero at zero."""
    step = h * np.eye(k)
    plus, minus = [fall(s) for s in step], [fall(-s) for s in step]
    out = np.diag([(a + b) / h**2 for a, b in zip(plus, minus, strict=True)])
    for i in range(k):
        for j in range(i):
            out[i, j] = out[j, i] = (fall(step[i] + step[j]) - plus[i] - plus[j]) / h**2
    return out
