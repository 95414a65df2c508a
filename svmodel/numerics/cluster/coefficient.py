"""A two-way model with the one contrast that is the average effect: what bootstraps by regression work on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster.cr_variance import ClusterRegression, of_linear, of_poisson, of_terms
from svmodel.numerics.two_way import TwoWay
from svmodel.numerics.two_way.linear_fe import LinearFit, fit_linear
from svmodel.numerics.two_way.poisson_fe import PoissonFit, fit_poisson


@dataclass(frozen=True, eq=False)
class Coefficient:
    """An average effect that is a linear contrast of a two-way model's coefficients.

    An estimator of which that is true offers ``coefficient(arrays) -> Coefficient``.

    Parameters
    ----------
    family : {"linear", "poisson"}
    y : ndarray, shape (N, T)
        Finite where ``terms.use``.
    terms : TwoWay
        With a coefficient for each group of treated cells.
    by_group : ndarray, shape (Q,)
        Weight of each group's coefficient in the average effect.
    exposure : ndarray, shape (N, T), optional
        Poisson only; its log is an offset.
    fitted : LinearFit or PoissonFit, optional
        The fit, where the estimator has made it already.
    cluster : ndarray of int, shape (N,), optional
        Cluster of each area; each by itself where None.
    weights : ndarray, shape (N, T), optional
        Of observations; linear only.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0], [1.0, 5.0]])
    >>> terms = TwoWay(np.ones((2, 2), dtype=bool), group=np.array([[-1, -1], [-1, 0]]))
    >>> round(Coefficient("linear", y, terms, np.ones(1)).estimate, 6)
    3.0
    """

    family: Literal["linear", "poisson"]
    y: Floats
    terms: TwoWay
    by_group: Floats
    exposure: Floats | None = None
    fitted: LinearFit | PoissonFit | None = None
    cluster: Ints | None = None
    weights: Floats | None = None

    @cached_property
    def model(self) -> LinearFit | PoissonFit:
        """The fit; raises EstimationError as that does."""
        if self.fitted is not None:
            return self.fitted
        if self.family == "linear":
            return fit_linear(self.y, self.terms, self.weights)
        return fit_poisson(self.y, self.terms, self.exposure)

    @cached_property
    def _whole(self) -> Floats:
        weights = np.zeros(self.terms.size)
        first = self.terms.n_period_terms
        weights[first : first + self.terms.n_groups] = self.by_group
        return weights

    @property
    def contrast(self) -> Floats:
        """The contrast among the free coefficients, as :class:`ClusterRegression` has them."""
        return self._whole[self.terms.free]

    @property
    def estimate(self) -> float:
        """The average effect: a difference, or a log rate ratio."""
        return float(self._whole @ self.model.theta)

    @cached_property
    def regression(self) -> ClusterRegression:
        """The fit by clusters; a Poisson one by its working weights."""
        model: Any = self.model
        fit = of_linear(model, self.weights) if self.family == "linear" else of_poisson(model)
        return fit.joined(self.cluster)

    def under(self, null: float) -> ClusterRegression:
        """Return the Poisson regression at the fit with the average effect held at `null`, by its working weights.

        All columns are there, that of the effect too, and the residuals are those of the restricted fit.

        Raises
        ------
        EstimationError
            If the model is linear (its restricted residuals need no fit), has several groups, or has no fit under
            this null.
        """
        if self.family != "poisson" or self.terms.n_groups != 1:
            raise EstimationError("only a Poisson model with one coefficient of being treated is fitted under a null")
        terms, treated = self.terms, self.terms.use & (self.terms.group == 0)
        base = np.ones(terms.shape) if self.exposure is None else self.exposure
        with np.errstate(over="ignore"):
            moved = np.where(treated, base * np.exp(null * self.by_group[0] ** -1), base)
        if not (np.isfinite(moved[terms.use]) & (moved[terms.use] > 0)).all():
            raise EstimationError("the null lies beyond what numbers can hold")
        fit = fit_poisson(self.y, TwoWay(terms.use, terms.slopes, None, terms.covariates), moved)
        root = np.sqrt(fit.mu)
        residual = np.divide(fit.residual, root, out=np.zeros_like(root), where=root > 0)
        return of_terms(terms, fit.mu, residual).joined(self.cluster)
