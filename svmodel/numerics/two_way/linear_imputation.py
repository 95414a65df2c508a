"""Effects of treated cells as observed less imputed outcomes, with the influence of every area on their averages.

Area effects, period effects and covariates are fitted by least squares to the untreated cells alone. Averages of the
effects, weighted by cohort and period in any way, come with the influence of each area, from which every standard error
and covariance follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.two_way import TwoWay, components
from svmodel.numerics.two_way.linear_fe import LinearFit, fit_linear


def linked_cells(use: Mask) -> Mask:
    """Return the cells, used or not, whose area and period are linked to each other through used cells.

    Only there do the fitted area and period effects add up to something that the data determine.

    Parameters
    ----------
    use : ndarray of bool, shape (N, T)

    Returns
    -------
    ndarray of bool, shape (N, T)

    Examples
    --------
    >>> linked_cells(np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=bool)).astype(int).tolist()
    [[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
    """
    label = components(use)
    own = np.where(use.any(axis=1), label[use.argmax(axis=1)], -2)
    return np.asarray(own[:, None] == label[None, :])


@dataclass(frozen=True, eq=False)
class LinearImputation:
    """A linear two-way fit to untreated cells, and the effects of the treated cells that it identifies.

    Attributes
    ----------
    fit : LinearFit
        On the untreated cells.
    known : ndarray of bool, shape (N, T)
        Cells, treated or not, whose expected outcome is identified.
    target : ndarray of bool, shape (N, T)
        Treated cells among them with an outcome.
    expected : ndarray, shape (N, T)
        Outcome expected without treatment; NaN where not known.
    effect : ndarray, shape (N, T)
        Observed less expected on the target, 0 elsewhere.
    weights : ndarray, shape (N, T)
        Of observations.
    """

    fit: LinearFit
    known: Mask
    target: Mask
    expected: Floats
    effect: Floats
    weights: Floats

    @property
    def average(self) -> float:
        """Weighted average effect over the target cells; NaN without one."""
        n = float(self.weights[self.target].sum())
        return float((self.weights * self.effect).sum()) / n if n else float("nan")

    @cached_property
    def centre(self) -> Floats:
        """Mean of ``z_it`` over each area's untreated cells, shape (N, P): minus the derivative of its level."""
        use = np.where(self.fit.terms.use, self.weights, 0.0)
        count = np.where(use.any(axis=1), use.sum(axis=1), 1.0)
        return self.fit.terms.area_sums(use) / count[:, None]

    def gradient(self, areas: NDArray[np.int64]) -> Floats:
        """Return the derivative of the areas' weighed expected outcome, summed by period, with respect to ``theta``.

        Parameters
        ----------
        areas : ndarray of int, shape (n,)

        Returns
        -------
        ndarray, shape (T, P)
        """
        inside = np.where(self.target[areas], self.weights[areas], 0.0)
        return self.fit.terms.rows(areas).period_sums(inside) - inside.T @ self.centre[areas]

    def about_mean(self, areas: NDArray[np.int64], mean: float | None = None) -> Floats:
        """Return effects less their mean over the areas in each period, or less `mean`, weighed; 0 off the target.

        Parameters
        ----------
        areas : ndarray of int, shape (n,)
        mean : float, optional

        Returns
        -------
        ndarray, shape (n, T)
            The residuals of the treated in Borusyak, Jaravel and Spiess (2024), eq. 7-8: with weights that are
            equal within a cohort and period, their weighted average of effects is the plain one.
        """
        inside, effect = np.where(self.target[areas], self.weights[areas], 0.0), self.effect[areas]
        if mean is None:
            n = inside.sum(axis=0)
            by_period = np.divide((inside * effect).sum(axis=0), n, out=np.zeros(effect.shape[1]), where=n > 0)
            return inside * (effect - by_period)
        return inside * (effect - mean)


def impute_linear(
    y: Floats,
    use: Mask,
    treated: Mask,
    slopes: Floats | None = None,
    moving: Floats | None = None,
    weights: Floats | None = None,
) -> LinearImputation:
    """Fit the untreated cells by least squares and impute the treated ones.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        Finite where `use` or `treated`; anything elsewhere.
    use : ndarray of bool, shape (N, T)
        Untreated cells. An area seen in one of them only keeps it: that cell sets its level.
    treated : ndarray of bool, shape (N, T)
    slopes : ndarray, shape (N, S), optional
        Variables with a coefficient in every period.
    moving : ndarray, shape (N, T, K), optional
        Variables with one coefficient each.
    weights : ndarray, shape (N, T), optional
        Of observations, above zero; ones by default.

    Returns
    -------
    LinearImputation
        Its target is empty where no treated cell is identified.

    Raises
    ------
    EstimationError
        If there is no untreated cell, or covariates cannot be told apart from area and period effects in them.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), *Review of Economic Studies* 91(6), 3253-3285, theorem 2.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]])
    >>> treated = np.array([[0, 0, 1], [0, 0, 0]], dtype=bool)
    >>> impute_linear(y, ~treated, treated).effect.tolist()
    [[0.0, 0.0, 6.0], [0.0, 0.0, 0.0]]
    """
    if not use.any():
        raise EstimationError("no untreated area-period has a known outcome, so nothing can be expected of the treated")
    fit = fit_linear(y, TwoWay(use, slopes, None, moving), weights)
    known = linked_cells(use)
    target = treated & known
    expected = fit.terms.index(fit.theta)
    expected += fit.level[:, None]
    expected = np.where(known, expected, np.nan)
    held = np.ones(y.shape) if weights is None else weights
    return LinearImputation(fit, known, target, expected, np.where(target, y - expected, 0.0), held)
