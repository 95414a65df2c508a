"""Least squares with area effects and whatever stands beside them in a :class:`TwoWay`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.two_way import Normal, TwoWay


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A linear two-way fit.

    Attributes
    ----------
    terms : TwoWay
    theta : ndarray, shape (P,)
    level : ndarray, shape (N,)
        Area effects; NaN for an area without a used cell.
    residual : ndarray, shape (N, T)
        Observed less fitted on the used cells (times the weight where there are weights), 0 elsewhere.
    normal : Normal
    """

    terms: TwoWay
    theta: Floats
    level: Floats
    residual: Floats
    normal: Normal

    @cached_property
    def influence(self) -> Floats:
        """Influence of each area on ``theta``, shape (N, P); its cross product is CR0."""
        return self.normal.solve(self.terms.area_sums(self.residual).T).T


def fit_linear(y: Floats, terms: TwoWay, weights: Floats | None = None) -> LinearFit:
    """Fit ``E[y_it] = a_i + z_it' theta`` by (weighted) least squares.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Finite where ``terms.use``; anything elsewhere.
    terms : TwoWay
    weights : ndarray, shape (N, T), optional
        Positive where ``terms.use``; ones by default.

    Returns
    -------
    LinearFit

    Raises
    ------
    EstimationError
        If columns depend on each other.

    Examples
    --------
    >>> from svmodel.numerics.two_way import TwoWay
    >>> y = np.array([[1.0, 2.0], [1.0, 5.0]])
    >>> group = np.array([[-1, -1], [-1, 0]])
    >>> fit = fit_linear(y, TwoWay(np.ones((2, 2), dtype=bool), group=group))
    >>> float(np.round(fit.theta[-1], 6))
    3.0
    """
    use = terms.use
    w = np.where(use, 1.0 if weights is None else weights, 0.0)
    count = w.sum(axis=1)

    def area_mean(x: Floats) -> Floats:
        return np.divide((w * x).sum(axis=1), count, out=np.zeros_like(count), where=count > 0)

    filled = np.where(use, y, 0.0)
    mean = area_mean(filled)
    within = np.where(use, filled - mean[:, None], 0.0)
    normal = terms.normal(w)
    theta = normal.solve(terms.area_sums(w * within).sum(axis=0))
    index = np.where(use, terms.index(theta), 0.0)
    shift = area_mean(index)
    residual = np.where(use, within - index + shift[:, None], 0.0)
    return LinearFit(terms, theta, np.where(count > 0, mean - shift, np.nan), w * residual, normal)
