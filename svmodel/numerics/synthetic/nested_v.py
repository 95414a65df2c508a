"""Synthetic control on predictors: donor weights inside, predictor weights V outside.

The inner problem matches predictors, ``W(V) = argmin (x1 - X0 w)' V (x1 - X0 w)`` over the unit simplex. The outer one
chooses a diagonal V so that ``W(V)`` follows the outcome before the start. The outer loss has several minima and bends
where a donor gains or loses weight, so it is searched all over its box, and from the best points found by gradients and
without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.synthetic.simplex import simplex_weights

#: Largest weight of a predictor over the smallest. At 10,000 a gap of one standard deviation in the least predictor
#: counts as a hundredth of one in the greatest. Without a bound the loss can fall further as V tends to a point where
#: some predictors only break ties, and the weights then hang on digits that no predictor has.
RATIO = 1e4
#: Points of Sobol's sequence in the box of log V, beside equal weights, regressions and one predictor above all others.
_DRAWN = 64
#: How many of the best points are gone on from by gradients.
_DESCENDED = 8
#: Generations of the search that crosses good points with each other, and the least number of points in one.
_GENERATIONS, _LEAST_CROWD = 30, 20
#: How many of the best minima are searched again without gradients, and for how many evaluations.
_POLISHED, _EVALUATIONS = 4, 400
#: A start whose loss is within this share of the least one has fitted as well: what it answers is as good an answer.
AS_GOOD = 0.01
#: A donor with less than this carries no weight.
_IDLE = 1e-10


@dataclass(frozen=True, eq=False)
class NestedFit:
    """Weights of donors and of predictors.

    Attributes
    ----------
    weights : ndarray, shape (J,)
        Of the donors; on the unit simplex.
    v : ndarray, shape (K,)
        Of the standardised predictors; they sum to one.
    loss : float
        Mean squared gap of the outcome, the outer loss.
    bound : float
        The least outer loss of any weights on the simplex, predictors ignored. No V can do better.
    inner : float
        ``(x1 - X0 w)' V (x1 - X0 w)`` with standardised predictors.
    supported : bool
        Whether some V within the bound makes the weights of `bound` the inner optimum; the search is then not needed.
    losses : ndarray, shape (S,)
        Loss reached from each start, best first: how alike they are says how far the minimum is to be trusted.
    rivals : ndarray, shape (R, J)
        Donor weights of the starts that reached a loss within 1% of the least, the answer's own first.
    """

    weights: Floats
    v: Floats
    loss: float
    bound: float
    inner: float
    supported: bool
    losses: Floats
    rivals: Floats


def nested_v(
    X0: Floats, x1: Floats, Z0: Floats, z1: Floats, *, ratio: float = RATIO, v: Floats | None = None
) -> NestedFit:
    """Choose donor weights by predictors, and the predictors' weights by the outcome before the start.

    Parameters
    ----------
    X0 : ndarray, shape (K, J)
        Predictors of the donors. None may be the same in every unit.
    x1 : ndarray, shape (K,)
        Predictors of the treated unit.
    Z0 : ndarray, shape (T, J)
        Outcomes of the donors before the start.
    z1 : ndarray, shape (T,)
    ratio : float
        Bound on the largest over the smallest element of V.
    v : ndarray, shape (K,), optional
        V itself, where it is given and not searched for; not negative, and scaled to sum to one.

    Returns
    -------
    NestedFit

    Raises
    ------
    ValueError
        If a predictor does not vary, or a number is missing.

    Notes
    -----
    Predictors are divided by their standard deviation over all units, as in R's Synth. V is searched over its logarithm
    in a box, which makes it a well-posed problem (see :data:`RATIO`). First the weights that fit the outcome best are
    tried: a linear programme finds whether some V supports them (Becker and Kloessner 2018; Malo and others 2024).
    Where none does, the loss is taken at equal weights, at weights of regressions and of correlations with the outcome,
    with one predictor above all others, and at 64 points of Sobol's sequence. L-BFGS goes on from the eight best and
    from the best point of a differential evolution of them, with the gradient of ``W(V)`` on the donors that carry
    weight; Nelder-Mead goes on from the four best over the kinks.

    Nothing is drawn by lot, and predictors and donors are first put in an order that their numbers give, so that the
    answer is the same in every run and in every order in which they are named.

    References
    ----------
    Abadie and Gardeazabal (2003), *American Economic Review* 93, appendix B. Abadie, Diamond and Hainmueller (2010),
    *Journal of the American Statistical Association* 105, section 2.3. Becker and Kloessner (2018), *Econometrics and
    Statistics* 5. Malo, Eskelinen, Zhou and Kuosmanen (2024), *Computational Economics* 64.

    Examples
    --------
    >>> import numpy as np
    >>> X0, x1 = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0]]), np.array([1.5, 0.5])
    >>> fit = nested_v(X0, x1, Z0=np.array([[0.0, 10.0, 20.0]]), z1=np.array([15.0]))
    >>> fit.weights.round(6).tolist(), fit.loss < 1e-12
    ([0.0, 0.5, 0.5], True)
    """
    rows, columns = _order(X0, x1, Z0)
    X0, x1, Z0 = X0[np.ix_(rows, columns)], x1[rows], Z0[:, columns]
    spread = np.column_stack([X0, x1]).std(axis=1, ddof=1)
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        raise ValueError("every predictor has to be known, and to vary")
    problem = _Nested(X0 / spread[:, None], x1 / spread, Z0, z1, float(np.log(ratio)))
    found = problem.given(v[rows]) if v is not None else problem.solve()
    weights, own = np.empty_like(found.weights), np.empty_like(found.v)
    rivals = np.empty_like(found.rivals)
    weights[columns], own[rows], rivals[:, columns] = found.weights, found.v, found.rivals
    return replace(found, weights=weights, v=own, rivals=rivals)


def _order(X0: Floats, x1: Floats, Z0: Floats) -> tuple[Ints, Ints]:
    """Return an order of predictors and one of donors that hang on their numbers alone."""
    columns = np.lexsort(np.vstack([np.sort(X0, axis=0), Z0])[::-1])
    rows = np.lexsort(np.column_stack([x1, X0[:, columns]]).T[::-1])
    return rows, columns


@dataclass(frozen=True, eq=False)
class _Nested:
    """The two levels; a point of the search is ``log V``, counted from the smallest weight."""

    X0: Floats
    x1: Floats
    Z0: Floats
    z1: Floats
    height: float

    def solve(self) -> NestedFit:
        """Return the best V within the bound."""
        free = simplex_weights(self.Z0, self.z1)
        v = self.supporting(free.weights)
        if v is not None:
            enough = free.objective * (1 + 1e-6) + 1e-12 * float(np.mean(self.z1**2))
            if self.loss(np.log(v)) <= enough:
                return self.answer([(free.objective, np.log(v))], free.objective, supported=True)
        return self.answer(self.search(), free.objective, supported=False)

    def given(self, v: Floats) -> NestedFit:
        """Return the fit at a V that is given."""
        w = self.inner(v / v.sum())
        left, apart = self.z1 - self.Z0 @ w, self.x1 - self.X0 @ w
        loss = float(left @ left) / len(left)
        bound = simplex_weights(self.Z0, self.z1).objective
        v = v / v.sum()
        return NestedFit(w, v, loss, bound, float(v @ apart**2), False, np.array([loss]), w[None, :])

    def inner(self, v: Floats) -> Floats:
        """Return W(V), exactly: least distance to the hull as a non-negative least squares problem (Wolfe 1976)."""
        from scipy.optimize import nnls

        apart = np.sqrt(v)[:, None] * (self.X0 - self.x1[:, None])
        size = np.sqrt((apart**2).sum(axis=0).max()) or 1.0
        stacked = np.vstack([apart / size, np.ones((1, apart.shape[1]))])
        target = np.zeros(len(stacked))
        target[-1] = 1.0
        try:
            w = nnls(stacked, target)[0]
        except RuntimeError:  # its limit on steps
            w = simplex_weights(np.sqrt(v)[:, None] * self.X0, np.sqrt(v) * self.x1).weights
        return np.asarray(w / w.sum())

    def simplex(self, u: Floats) -> Floats:
        u = np.clip(u, 0.0, self.height)
        v = np.exp(u - u.max())
        return np.asarray(v / v.sum())

    def loss(self, u: Floats) -> float:
        left = self.z1 - self.Z0 @ self.inner(self.simplex(u))
        return float(left @ left) / len(left)

    def loss_and_gradient(self, u: Floats) -> tuple[float, Floats]:
        """Return the loss and its gradient in ``log V`` while the same donors carry weight (implicit function)."""
        v = self.simplex(u)
        w = self.inner(v)
        left = self.z1 - self.Z0 @ w
        on = np.flatnonzero(w > _IDLE)
        X, k = self.X0[:, on], len(on)
        system = np.ones((k + 1, k + 1))
        system[:k, :k] = X.T @ (v[:, None] * X)
        system[k, k] = 0.0
        slope = np.append(-2 * self.Z0[:, on].T @ left / len(left), 0.0)
        try:
            adjoint = np.linalg.solve(system, slope)[:k]
        except np.linalg.LinAlgError:
            adjoint = np.linalg.lstsq(system, slope)[0][:k]
        by_v = (X @ adjoint) * (self.x1 - self.X0 @ w)
        return float(left @ left) / len(left), v * (by_v - v @ by_v)

    def supporting(self, w: Floats) -> Floats | None:
        """Return a V within the bound that makes `w` the inner optimum, or None where there is none."""
        from scipy.optimize import linprog

        pull = self.X0 * (self.x1 - self.X0 @ w)[:, None]  # pull' v is minus half the gradient
        on = w > _IDLE
        K, J = pull.shape
        one = np.ones((J, 1))
        rows = np.hstack([pull.T, -one])
        found = linprog(
            np.zeros(K + 1),
            A_ub=rows[~on] if (~on).any() else None,
            b_ub=np.zeros(int((~on).sum())) if (~on).any() else None,
            A_eq=rows[on],
            b_eq=np.zeros(int(on.sum())),
            bounds=[*[(1.0, float(np.exp(self.height)))] * K, (None, None)],
            method="highs",
        )
        return np.asarray(found.x[:K]) if found.status == 0 else None

    def starts(self) -> list[Floats]:
        """Return where the loss is looked at first: points that the data suggest, and points all over the box."""
        from scipy.stats import qmc  # slow to load

        K = len(self.x1)
        units, outcome = np.column_stack([self.X0, self.x1]), np.column_stack([self.Z0, self.z1])
        design = np.column_stack([np.ones(units.shape[1]), units.T])
        slopes = np.linalg.lstsq(design, outcome.T)[0][1:]
        apart = units - units.mean(axis=1, keepdims=True)
        alone = apart @ (outcome - outcome.mean(axis=1, keepdims=True)).T
        first = np.full((K, K), 0.0)
        first[np.diag_indices(K)] = self.height
        spread = qmc.Sobol(K, scramble=False).random(_DRAWN) * self.height
        suggested = [self._from_top((part**2).sum(axis=1)) for part in (slopes, alone)]
        return [np.full(K, self.height / 2), *suggested, *first, *(self.height - first), *spread]

    def _from_top(self, size: Floats) -> Floats:
        """Return the point of the box at which weights are as `size`, the largest at the top."""
        if not size.max() > 0:
            return np.full(len(size), self.height)
        return np.clip(np.log(np.maximum(size / size.max(), 1e-300)) + self.height, 0.0, self.height)

    def search(self) -> list[tuple[float, Floats]]:
        """Return minima with their losses, best first."""
        starts = self.starts()
        looked = sorted((self.loss(u), i) for i, u in enumerate(starts))
        best = [starts[i] for _, i in looked]
        found = [self._descend(u) for u in [*best[:_DESCENDED], self._evolved(best)]]
        found.sort(key=lambda pair: pair[0])
        # what ended in one minimum is polished once
        apart = [i for i in range(len(found)) if i == 0 or found[i][0] > found[i - 1][0] * (1 + 1e-9)]
        for i in apart[:_POLISHED]:
            found[i] = self._polish(*found[i])
        return sorted(found, key=lambda pair: pair[0])

    def _evolved(self, first: list[Floats]) -> Floats:
        """Return the best point of a differential evolution of the best starts, its seed always the same."""
        from scipy.optimize import differential_evolution

        K = len(self.x1)
        held = np.array(first[: max(8 * K, _LEAST_CROWD)])
        made = differential_evolution(
            self.loss, [(0.0, self.height)] * K, init=held, maxiter=_GENERATIONS, tol=1e-8, polish=False, rng=20100601
        )
        return np.asarray(made.x)

    def _descend(self, u: Floats) -> tuple[float, Floats]:
        """Follow the gradient."""
        from scipy.optimize import minimize

        box: Any = [(0.0, self.height)] * len(u)
        got = minimize(self.loss_and_gradient, u, jac=True, method="L-BFGS-B", bounds=box)
        return float(got.fun), np.clip(np.asarray(got.x), 0.0, self.height)

    def _polish(self, loss: float, u: Floats) -> tuple[float, Floats]:
        """Go on without gradients, over the points where donors gain or lose weight, and then with them."""
        from scipy.optimize import minimize

        budget = {"maxfev": _EVALUATIONS, "xatol": 1e-5, "fatol": 1e-10 * loss}
        # a simplex as wide as a part of the box sees what lies beyond the next kink
        corners = u + 0.15 * self.height * np.vstack([np.zeros(len(u)), np.diag(np.where(u > self.height / 2, -1, 1))])
        got = minimize(self.loss, u, method="Nelder-Mead", options={**budget, "initial_simplex": corners})
        close = np.clip(np.asarray(got.x), 0.0, self.height)
        tried = [(loss, u), (float(got.fun), close), self._descend(close)]
        return min(tried, key=lambda pair: pair[0])

    def answer(self, found: list[tuple[float, Floats]], bound: float, *, supported: bool) -> NestedFit:
        """Return the best of the minima that were found, and those that are as good."""
        losses = np.array([loss for loss, _ in found])
        room = losses[0] * (1 + AS_GOOD) + 1e-12 * float(np.mean(self.z1**2))
        rivals = np.array([self._carried(u) for loss, u in found if loss <= room])
        v, w = self.simplex(found[0][1]), rivals[0]
        left, apart = self.z1 - self.Z0 @ w, self.x1 - self.X0 @ w
        return NestedFit(w, v, float(left @ left) / len(left), bound, float(v @ apart**2), supported, losses, rivals)

    def _carried(self, u: Floats) -> Floats:
        """Return the weights at a point, those next to nothing left out."""
        w = self.inner(self.simplex(u))
        w = np.where(w > _IDLE, w, 0.0)
        return np.asarray(w / w.sum())
