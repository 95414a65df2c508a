"""What data say of a model's effects, about, and the fixed ones given all others.

The sum of an intercept and the level of a map or of shocks that last is well told by data, and how it divides between
the two is told by the prior alone: a ridge, whose width changes with the hyperparameters. NUTS walks it badly. So fixed
effects are written about what data leave them once the others are given, ``x = R^{-1} z - K b``: with W the curvature
of the likelihood cell by cell, X and Z the columns of fixed and other effects and P the fixed effects' prior precision,
``S = X'WX + P = R'R`` and ``K = S^{-1} X'WZ``. Of the others data then tell ``G = Z'WZ - Z'WX K``. Were the likelihood
Gaussian, z would be independent of b with variance 1 (Gelfand, Sahu and Carlin 1995, *Biometrika* 82, 479-488, for
hierarchical centring). W only places the coordinates: the density stays that of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from svmodel.engine.description import LatentModel
from svmodel.numerics.arrays import Floats
from svmodel.numerics.latent.factors import ModeError
from svmodel.numerics.latent.structures import Fixed

#: Free variable of all fixed effects together.
FREE = "fixed:free"


@dataclass(frozen=True, eq=False)
class Elimination:
    """Fixed effects written about what data leave them when the others are given.

    Attributes
    ----------
    model : LatentModel
    """

    model: LatentModel

    @cached_property
    def fixed(self) -> NDArray[np.bool_]:
        """Which effects of the field are fixed, shape (p,)."""
        return np.repeat(
            [isinstance(t.structure, Fixed) for t in self.model.terms], [t.structure.size for t in self.model.terms]
        )

    @cached_property
    def prior_mean(self) -> Floats:
        """Of the fixed effects, shape (f,)."""
        return self._of_fixed("mean")

    @cached_property
    def prior_sd(self) -> Floats:
        """Of the fixed effects, shape (f,)."""
        return self._of_fixed("sd")

    def _of_fixed(self, what: str) -> Floats:
        held = [t.structure for t in self.model.terms if isinstance(t.structure, Fixed)]
        return np.concatenate([np.empty(0), *(np.full(s.size, float(getattr(s, what))) for s in held)])

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        """Return S, X'WZ and the diagonal of Z'WZ."""
        A = self.model.grid.matrix.tocsc()
        weight = cell_information(self.model)[self.model.known]
        X, Z = A[:, np.flatnonzero(self.fixed)], A[:, np.flatnonzero(~self.fixed)]
        weighted = X.multiply(weight[:, None]).T.tocsr()
        S = (weighted @ X).toarray() + np.diag(self.prior_sd**-2.0)
        # no two effects of a block meet in a cell
        return S, (weighted @ Z).toarray(), np.asarray(Z.multiply(Z).T @ weight)

    @cached_property
    def scale(self) -> Floats:
        """R^{-1}, shape (f, f)."""
        from scipy.linalg import solve_triangular

        S = self._parts[0]
        return np.asarray(solve_triangular(np.linalg.cholesky(S).T, np.eye(len(S)), lower=False))

    @cached_property
    def shift(self) -> Floats:
        """K, shape (f, q)."""
        S, cross, _ = self._parts
        return np.asarray(np.linalg.solve(S, cross)) if len(S) else cross

    @cached_property
    def start(self) -> Floats:
        """The free variable at prior means, shape (f,)."""
        mean = np.concatenate([np.full(t.structure.size, float(t.structure.mean)) for t in self.model.terms])
        return np.linalg.solve(self.scale, self.prior_mean + self.shift @ mean[~self.fixed])

    def place(self, term: int) -> slice:
        """Return where a term's effects stand among those that are fixed, or among the others."""
        same = self.fixed == isinstance(self.model.terms[term].structure, Fixed)
        block = self.model.grid.blocks[term]
        begin = int(same[: block.start].sum())
        return slice(begin, begin + self.model.terms[term].structure.size)

    def information(self, term: int) -> Floats:
        """Return the diagonal of G for a term's effects, shape (size,)."""
        at = self.place(term)
        _, cross, own = self._parts
        return np.maximum(own[at] - (cross[:, at] * self.shift[:, at]).sum(axis=0), 0.0)

    def information_matrix(self, first: int, last: int | None = None) -> Floats:
        """Return G for the effects of a term, or of all from one to another of which none is fixed, shape (q, q)."""
        last = first if last is None else last
        at = slice(self.place(first).start, self.place(last).stop)
        _, cross, own = self._parts
        told = np.diag(own[at])
        if last > first:
            # effects of different terms meet in cells
            blocks = self.model.grid.blocks
            Z = self.model.grid.matrix.tocsc()[:, blocks[first].start : blocks[last].stop]
            told = (Z.multiply(cell_information(self.model)[self.model.known][:, None]).T @ Z).toarray()
        return np.asarray(told - cross[:, at].T @ self.shift[:, at])

    @cached_property
    def mode(self) -> Floats:
        """Mode of the field at the hyperparameters that chains begin about, shape (p,); prior means if none is found.

        Effects of single cells stay at their prior mean.
        """
        problem = replace(self.model.problem, sparse=False)
        try:
            mode = problem.conditional(problem.start()).mode
        except ModeError:
            # it only places coordinates, which prior means do as well where they are far from anything
            return problem.mean.copy()
        return np.asarray(problem.in_order(mode[None])[0])


def cell_information(model: LatentModel) -> Floats:
    """Return about the curvature of each cell's log-likelihood, from its outcome alone, shape (N, T)."""
    y = np.where(model.known, model.y, 0.0)
    if model.family == "gaussian":
        assert model.sd is not None
        factor = 1.0 if model.spread is None else model.spread.value(model.spread.start)
        return np.broadcast_to((model.sd * factor) ** -2.0, y.shape)
    if model.family == "binomial":
        assert model.trials is not None
        trials = np.broadcast_to(model.trials, y.shape)
        share = (y.sum() + 0.5) / (trials[model.known].sum() + 1)
        return trials * share * (1 - share)
    shock = 0.0 if model.spread is None else model.spread.value(model.spread.start)
    return y / (1 + shock**2 * y)
