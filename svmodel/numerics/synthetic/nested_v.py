"""Synthetic control on predictors: donor weights inside, predictor weights V outside.

The inner problem matches predictors, ``W(V) = argmin (x1 - X0 w)' V (x1 - X0 w)`` over the unit simplex. The outer one
chooses a diagonal V so that ``W(V)`` follows the outcome before the start. The outer loss has several minima and bends
where a donor gains or loses weight, so it is searched from several starts, by gradients and then without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.synthetic.simplex import simplex_weights

#: Largest weight of a predictor over the smallest. At 10,000 a gap of one standard deviation in the least predictor
#: counts as a hundredth of one in the greatest. Without a bound the loss can fall further as V tends to a point where
#: some predictors only break ties, and the weights then hang on digits that no predictor has.
RATIO = 1e4
#: Starts drawn at random in the box of log V, beside equal weights and those of a regression.
_DRAWN = 8
#: How many of the best minima are searched again without gradients, and for how many evaluations.
_POLISHED, _EVALUATIONS = 2, 250
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
    losses : ndarray
        Loss reached from each start, best first: how alike they are says how far the minimum is to be trusted.
    """

    weights: Floats
    v: Floats
    loss: float
    bound: float
    inner: float
    supported: bool
    losses: Floats


def nested_v(X0: Floats, x1: Floats, Z0: Floats, z1: Floats, *, ratio: float = RATIO) -> NestedFit:
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
    Where none does, L-BFGS runs from equal weights, from regression weights and from drawn starts, with the gradient
    of ``W(V)`` on the donors that carry weight, and Nelder-Mead goes on from the best of them over the kinks.

    The draws are fixed, so the answer is the same in every run.

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
    spread = np.column_stack([X0, x1]).std(axis=1, ddof=1)
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        raise ValueError("every predictor has to be known, and to vary")
    problem = _Nested(X0 / spread[:, None], x1 / spread, Z0, z1, float(np.log(ratio)))
    free = simplex_weights(Z0, z1)
    v = problem.supporting(free.weights)
    if v is not None and problem.loss(np.log(v)) <= free.objective * (1 + 1e-6) + 1e-12 * float(np.mean(z1**2)):
        return problem.answer(np.log(v), free.objective, supported=True, losses=np.array([free.objective]))
    found = problem.search()
    losses = np.array([loss for loss, _ in found])
    return problem.answer(found[0][1], free.objective, supported=False, losses=losses)


@dataclass(frozen=True, eq=False)
class _Nested:
    """The two levels; a point of the search is ``log V``, counted from the smallest weight."""

    X0: Floats
    x1: Floats
    Z0: Floats
    z1: Floats
    height: float

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
        """Return equal weights, the weights of a regression of the outcome on predictors, and fixed draws."""
        K = len(self.x1)
        units = np.column_stack([self.X0, self.x1])
        design = np.column_stack([np.ones(units.shape[1]), units.T])
        slopes = np.linalg.lstsq(design, np.column_stack([self.Z0, self.z1]).T)[0][1:]
        size = (slopes**2).sum(axis=1)
        regression = np.log(np.maximum(size, size.max() * np.exp(-self.height)) if size.max() > 0 else np.ones(K))
        drawn = np.random.default_rng(20100601).uniform(0.0, self.height, (_DRAWN, K))
        top = regression - regression.max() + self.height
        return [np.full(K, self.height / 2), np.clip(top, 0.0, self.height), *drawn]

    def search(self) -> list[tuple[float, Floats]]:
        """Return minima with their losses, best first."""
        from scipy.optimize import minimize

        box: Any = [(0.0, self.height)] * len(self.x1)
        found = []
        for start in self.starts():
            got = minimize(self.loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=box)
            found.append((float(got.fun), np.asarray(got.x)))
        found.sort(key=lambda pair: pair[0])
        for i in range(min(_POLISHED, len(found))):
            budget = {"maxfev": _EVALUATIONS, "xatol": 1e-5, "fatol": 1e-10 * found[i][0]}
            got = minimize(self.loss, found[i][1], method="Nelder-Mead", options=budget)
            again = minimize(
                self.loss_and_gradient, np.clip(got.x, 0, self.height), jac=True, method="L-BFGS-B", bounds=box
            )
            best = again if again.fun < got.fun else got
            if best.fun < found[i][0]:
                found[i] = (float(best.fun), np.clip(best.x, 0.0, self.height))
        found.sort(key=lambda pair: pair[0])
        return found

    def answer(self, u: Floats, bound: float, *, supported: bool, losses: Floats) -> NestedFit:
        v = self.simplex(u)
        w = self.inner(v)
        w = np.where(w > _IDLE, w, 0.0)
        w /= w.sum()
        left, apart = self.z1 - self.Z0 @ w, self.x1 - self.X0 @ w
        return NestedFit(w, v, float(left @ left) / len(left), bound, float(v @ apart**2), supported, losses)
