"""Departures from parallel trends: the slopes and bends of a path, and what they add up to in the estimand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from svmodel.numerics.arrays import Floats


@dataclass(frozen=True, eq=False)
class EventStudy:
    """Estimates by time relative to a reference, and the weighted sum of the later ones that is asked about.

    The estimates are ``beta = tau + delta``: effects, zero before the start, and departures from parallel trends, zero
    at the reference.

    Parameters
    ----------
    estimate : ndarray, shape (K + T,)
        K before the reference, in order of time, then T after it.
    covariance : ndarray, shape (K + T, K + T)
    pre : int
        K, at least 1.
    weights : ndarray, shape (T,), optional
        ``l`` of the estimand ``theta = l' tau``; the plain average where None.
    positions : ndarray, shape (K + T,), optional
        Times of the estimates, the reference being at 0. ``-K, .., -1, 1, .., T`` where None.

    Raises
    ------
    ValueError
        If shapes do not fit, times do not increase, or something is not finite.

    Examples
    --------
    >>> study = EventStudy(np.array([0.1, 0.2, 1.0, 2.0]), np.eye(4), pre=2)
    >>> float(study.theta), study.positions.tolist()
    (1.5, [-2.0, -1.0, 1.0, 2.0])
    """

    estimate: Floats
    covariance: Floats
    pre: int
    weights: Floats = None  # type: ignore[assignment]
    positions: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        beta = np.asarray(self.estimate, dtype=np.float64)
        size, post = len(beta), len(beta) - self.pre
        if self.pre < 1 or post < 1:
            raise ValueError(
                f"an event study needs estimates before and after its reference, not {self.pre} and {post}"
            )
        weights = np.full(post, 1 / post) if self.weights is None else np.asarray(self.weights, dtype=np.float64)
        default = np.concatenate([np.arange(-self.pre, 0), np.arange(1, post + 1)])
        x = default if self.positions is None else self.positions
        object.__setattr__(self, "estimate", beta)
        object.__setattr__(self, "covariance", np.asarray(self.covariance, dtype=np.float64))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "positions", np.asarray(x, dtype=np.float64))
        if beta.shape != (size,) or self.covariance.shape != (size, size) or weights.shape != (post,):
            raise ValueError(
                f"{size} estimates, {self.pre} of them before, need {post} weights and a square covariance"
            )
        if self.positions.shape != (size,):
            raise ValueError(f"{size} estimates need as many times")
        whole = np.insert(self.positions, self.pre, 0.0)
        if not (np.diff(whole) > 0).all():
            raise ValueError("times must increase, from before the reference at 0 to after it")
        if not all(np.isfinite(v).all() for v in (beta, self.covariance, weights, whole)):
            raise ValueError("estimates, covariance, weights and times must be finite")

    @property
    def theta(self) -> float:
        """The estimate if trends are parallel, ``l' beta_post``."""
        return float(self.weights @ self.estimate[self.pre :])

    @property
    def std_error(self) -> float:
        """The standard error of :attr:`theta`."""
        after = self.covariance[self.pre :, self.pre :]
        return float(np.sqrt(max(float(self.weights @ after @ self.weights), 0.0)))


@dataclass(frozen=True, eq=False)
class Steps:
    """A path of departures as steps: ``before @ beta`` those that were seen, ``after @ beta`` those that are bounded.

    Attributes
    ----------
    before : ndarray, shape (S, K + T)
        Rows touch estimates before the reference only.
    after : ndarray, shape (T, K + T)
    reach : ndarray, shape (T,)
        ``c``, for which ``c' after delta`` is ``l' delta_post`` less what the departures before the reference carry
        forward: what a step of size 1 adds to the estimand's bias.
    """

    before: Floats
    after: Floats
    reach: Floats

    @property
    def extrapolated(self) -> Floats:
        """The estimator, as weights on all estimates, that is unbiased if no step follows the reference."""
        return np.asarray(self.reach @ self.after)


def steps(study: EventStudy, kind: Literal["slope", "bend"] = "slope") -> Steps:
    """Return the steps of a path: its slopes between neighbours, or the changes of slope at each time.

    Parameters
    ----------
    study : EventStudy
    kind : {"slope", "bend"}
        ``slope`` is ``(delta_t+1 - delta_t)`` per unit of time; ``bend`` is the change of slope per unit of time. At
        times one apart these are the first and second differences of Rambachan and Roth (2023), section 2.

    Returns
    -------
    Steps

    Examples
    --------
    >>> study = EventStudy(np.zeros(4), np.eye(4), pre=2)
    >>> made = steps(study, "slope")
    >>> made.before.tolist(), made.reach.tolist()
    ([[-1.0, 1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]], [1.0, 0.5])
    >>> steps(study, "bend").extrapolated.tolist()  # the last slope goes on: 1.5 periods of it on average
    [0.0, 1.5, 0.5, 0.5]
    """
    K = study.pre
    x: Floats = np.insert(study.positions, K, 0.0)
    gap = np.diff(x)
    slope = np.diff(np.eye(len(gap) + 1), axis=0) / gap[:, None]
    if kind == "bend":
        rows = np.diff(slope, axis=0) / ((gap[1:] + gap[:-1]) / 2)[:, None]
        first = K - 1
    else:
        rows, first = slope, K
    rows = np.delete(rows, K, axis=1)  # the reference's departure is zero
    after = rows[first:]
    reach: Floats = np.asarray(np.linalg.solve(after[:, K:].T, study.weights), dtype=np.float64)
    return Steps(rows[:first], after, reach)
