"""Least squares over the unit simplex, solved to the optimum: the weights of synthetic controls.

Conditional-gradient solvers stop where progress is slow, which is short of the optimum. The problem is a small convex
quadratic one, so an active set finds the donors that carry weight and a linear system gives the weights exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats
from svmodel.numerics.synthetic.many_columns import by_dual

#: Reduced gradients below this share of the problem's own size are rounding.
_ROUNDING = 1e-13
#: A fit whose relative KKT residual is above this is tried again by non-negative least squares.
_LOOSE = 1e-10
#: From so many columns a row on, the dual is tried, and an active set looks at some columns at a time.
_MANY = 3
#: A ridge below this share of the problem's size only breaks ties, which the dual of an exact fit does as well.
_TIE = 1e-8
#: Columns a row that an active set looks at: at first, and how many more where others would lower the objective.
_LOOKED_AT, _MORE = 3, 1
#: Singular values below this share of the largest count as zero when uniqueness is asked.
_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class SimplexFit:
    """Weights on the unit simplex, and the proof that they are the best.

    Attributes
    ----------
    weights : ndarray, shape (J,)
        None negative; they sum to one. A column without weight has exactly 0.
    intercept : float
        0 where none was asked for.
    objective : float
        ``||A w + a0 - b||^2 / T + ridge ||w||^2`` at the weights.
    gap : float
        Duality gap, ``max over v in the simplex of gradient . (w - v)``: the objective lies at most this much above
        its minimum.
    kkt : float
        Largest violation of the Karush-Kuhn-Tucker conditions (equal gradients where there is weight, none smaller
        elsewhere), as a share of the objective of the worst single column.
    unique : bool
        Whether no other weights reach the minimum. If others do, `weights` are those of smallest norm.
    dual : ndarray, shape (T + 1,), optional
        Where there are many more columns than rows: what a similar problem can begin with.
    """

    weights: Floats
    intercept: float
    objective: float
    gap: float
    kkt: float
    unique: bool
    dual: Floats | None = None


def simplex_weights(
    A: Floats,
    b: Floats,
    *,
    ridge: float = 0.0,
    intercept: bool = False,
    start: Floats | None = None,
    dual: Floats | None = None,
) -> SimplexFit:
    """Minimise ``||A w + a0 - b||^2 / T + ridge ||w||^2`` over weights that are non-negative and sum to one.

    Parameters
    ----------
    A : ndarray, shape (T, J)
        One column a donor, one row a period (or the other way round for time weights). No missing values.
    b : ndarray, shape (T,)
    ridge : float
        Not negative. The mean square is penalised, so `ridge` is in the squared units of `b`; synthetic DiD's is
        ``zeta ** 2``.
    intercept : bool
        Whether ``a0`` is free; otherwise it is 0.
    start : ndarray, shape (J,), optional
        Weights to begin from, e.g. those of a similar problem. It saves time and does not touch the answer.
    dual : ndarray, shape (T + 1,), optional
        The same, for a problem of many columns: :attr:`SimplexFit.dual` of a similar one.

    Returns
    -------
    SimplexFit

    Raises
    ------
    ValueError
        If a number is missing or infinite, shapes do not fit, there is no column, or `ridge` is negative.

    Notes
    -----
    Columns and `b` are taken from the mean column, which the sum-to-one constraint allows and which keeps digits.
    The active set follows Wolfe (1976, *Mathematical Programming* 11): a column enters where the gradient is
    smallest, the equality-constrained problem is solved on the columns in use, and a column whose weight would turn
    negative leaves. Gradients come from residuals, not from the normal equations, so that repeated steps remove the
    rounding error of the linear system. Where the active set stalls, the problem is solved again as a non-negative
    least squares problem: ``w / sum(w)`` of the minimiser of ``||(A - b 1') w||^2 + (1 - 1'w)^2`` over ``w >= 0`` is
    the same optimum. The better of the two is returned with its duality gap, so a caller can see what was reached.

    Examples
    --------
    >>> import numpy as np
    >>> fit = simplex_weights(np.array([[1.0, 5.0, 9.0], [2.0, 4.0, 0.0]]), np.array([3.0, 3.0]))
    >>> fit.weights.round(6).tolist(), round(fit.objective, 9) + 0, fit.unique
    ([0.5, 0.5, 0.0], 0.0, True)
    """
    problem = _Problem.of(A, b, ridge, intercept)
    rows, columns = problem.a.shape
    if start is not None and start.shape != (columns,):
        raise ValueError(f"a start of shape {start.shape} does not fit {columns} columns")
    if columns > _MANY * rows:
        tiny = ridge <= _TIE * problem.size
        short = by_dual(problem.a, problem.b, 0.0 if tiny else ridge, dual)
        if short is not None and problem.residual(short[0])[1] <= _LOOSE:
            # without a ridge more columns than rows carry weight, so that others do as well
            fit = _fit_of(problem, A, b, short[0], intercept=intercept, unique=ridge > 0)
            return replace(fit, dual=short[1])
        weights = _some_at_a_time(problem, start) if ridge == 0 else active_set(problem, _beginning(problem, start))
    else:
        weights = active_set(problem, _beginning(problem, start))
    if problem.residual(weights)[1] > _LOOSE:
        other = _non_negative(problem)
        if problem.residual(other)[1] < problem.residual(weights)[1]:
            weights = active_set(problem, other)
    unique = True
    if ridge == 0 and len(weights) > 1:
        weights, unique = _smallest_norm(problem, weights)
    return _fit_of(problem, A, b, weights, intercept=intercept, unique=unique)


def _fit_of(problem: _Problem, A: Floats, b: Floats, weights: Floats, *, intercept: bool, unique: bool) -> SimplexFit:
    """Return the fit with the proof of how good it is."""
    gap, kkt = problem.residual(weights)
    offset = float((b - A @ weights).mean()) if intercept else 0.0
    return SimplexFit(weights, offset, problem.objective(weights), gap, kkt, unique)


@dataclass(frozen=True, eq=False)
class _Problem:
    """The problem with columns taken from their mean, and from their own means over rows where there is an intercept.

    `gram` is ``A'A / T + ridge I``; `size` is the objective of the worst single column.
    """

    a: Floats
    b: Floats
    ridge: float
    size: float

    @cached_property
    def gram(self) -> Floats:
        gram = self.a.T @ self.a / len(self.b)
        gram[np.diag_indices_from(gram)] += self.ridge
        return np.asarray(gram)

    @classmethod
    def of(cls, a: Floats, b: Floats, ridge: float, intercept: bool) -> _Problem:
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if a.ndim != 2 or b.shape != a.shape[:1] or 0 in a.shape:
            raise ValueError(f"columns of shape {a.shape} do not fit a target of shape {b.shape}")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError("columns and target must be known and finite")
        if not (ridge >= 0 and math.isfinite(ridge)):
            raise ValueError(f"a ridge of {ridge!r} is not finite and 0 or more")
        centre = a.mean(axis=1)
        a, b = a - centre[:, None], b - centre
        if intercept:
            a, b = a - a.mean(axis=0), b - b.mean()
        size = float(((a - b[:, None]) ** 2).mean(axis=0).max()) + ridge
        return cls(a, b, ridge, size)

    def objective(self, w: Floats) -> float:
        left = self.a @ w - self.b
        return float(left @ left) / len(left) + self.ridge * float(w @ w)

    def half_gradient(self, w: Floats) -> Floats:
        return self.a.T @ (self.a @ w - self.b) / len(self.b) + self.ridge * w

    def residual(self, w: Floats) -> tuple[float, float]:
        """Return the duality gap, and the KKT residual relative to the problem's size."""
        gradient = 2 * self.half_gradient(w)
        level = float(w @ gradient)
        gap = max(level - float(gradient.min()), 0.0)
        uneven = float(np.abs(gradient[w > 0] - level).max())
        return gap, max(gap, uneven) / self.size if self.size > 0 else 0.0


def _beginning(problem: _Problem, start: Floats | None) -> Floats:
    """Return feasible weights: those given, or the best single column."""
    n = problem.a.shape[1]
    if start is not None:
        given = np.where(np.isfinite(start), np.maximum(start, 0.0), 0.0)
        if given.sum() > 0:
            return np.asarray(given / given.sum(), dtype=np.float64)
    if problem.ridge > 0:
        return _thinned(problem)
    w = np.zeros(n)
    w[((problem.a - problem.b[:, None]) ** 2).sum(axis=0).argmin()] = 1.0
    return w


def _thinned(problem: _Problem) -> Floats:
    """Return a good beginning where a ridge spreads weights wide: all columns, less those that turn negative."""
    n = problem.a.shape[1]
    even = np.full(n, 1 / n)
    inside = np.arange(n)
    while True:
        w = np.zeros(n)
        w[inside] = 1 / len(inside)
        w[inside] += _towards(problem.gram, problem.half_gradient(w), inside)
        if not np.isfinite(w).all():
            return even
        if w.min() >= 0:
            return np.asarray(w / w.sum())
        inside = np.flatnonzero(w > 0)


def _some_at_a_time(problem: _Problem, start: Floats | None) -> Floats:
    """Return the optimum, found on the columns that promise most, with others taken in until none would help."""
    rows, n = problem.a.shape
    if start is None:
        w = np.zeros(n)
        w[((problem.a - problem.b[:, None]) ** 2).sum(axis=0).argmin()] = 1.0
    else:
        w = _beginning(problem, start)
    looked_at = w > 0
    more = _LOOKED_AT * rows
    while True:
        g = np.where(looked_at, math.inf, problem.half_gradient(w))
        level = float(w @ problem.half_gradient(w))
        promise = np.argpartition(g, min(more, n - 1))[:more]
        promise = promise[g[promise] < level - _ROUNDING * problem.size]
        if not len(promise):
            return w
        looked_at[promise] = True
        more = _MORE * rows
        some = np.flatnonzero(looked_at)
        w[some] = active_set(replace(problem, a=problem.a[:, some]), w[some])


class Quadratic(Protocol):
    """What an active set asks of a problem: ``w' gram w / 2`` less a linear part, half its gradient, and its size."""

    @property
    def gram(self) -> Floats:
        """Second derivatives, shape (J, J)."""

    @property
    def size(self) -> float:
        """Objective of the worst single column: what rounding is measured by."""

    def half_gradient(self, w: Floats) -> Floats:
        """Return half the gradient at `w`."""


def active_set(problem: Quadratic, w: Floats) -> Floats:
    """Return the optimum, or the last point where rounding or the limit on steps ends progress.

    Parameters
    ----------
    problem : Quadratic
    w : ndarray, shape (J,)
        Weights on the simplex to begin from.
    """
    n = len(w)
    w, used = w.copy(), w > 0
    rounding = _ROUNDING * problem.size
    barred = np.zeros(n, dtype=bool)
    polished = 0
    for _ in range(20 * n + 100):
        g = problem.half_gradient(w)
        level = float(w @ g)
        inside = np.flatnonzero(used)
        if np.abs(g[inside] - level).max() > rounding and polished < 4:
            polished += 1
            entered = -1
        else:
            entering = np.where(used | barred, math.inf, g)
            entered = int(entering.argmin())
            if not entering[entered] < level - rounding:
                break
            used[entered] = True
            inside = np.flatnonzero(used)
            polished = 0
        step = _towards(problem.gram, g, inside)
        falling = step < 0
        reach = np.full(len(inside), math.inf)
        reach[falling] = -w[inside[falling]] / step[falling]
        length = min(1.0, float(reach.min()))
        w[inside] += length * step
        if length < 1.0:
            gone = inside[reach <= length]
            w[gone] = 0.0
            used[gone] = False
            polished = 0
            # a column that leaves as it enters would enter again at once
            barred[gone[gone == entered]] = True
        elif entered >= 0:
            barred[:] = False
        np.maximum(w, 0.0, out=w)
        w /= w.sum()
    return w


def _towards(gram: Floats, g: Floats, inside: NDArray[np.intp]) -> Floats:
    """Return the step to the optimum on some columns with their sum held, ignoring signs."""
    k = len(inside)
    system = np.ones((k + 1, k + 1))
    system[:k, :k] = gram[inside[:, None], inside]
    system[k, k] = 0.0
    right = np.zeros(k + 1)
    right[:k] = -g[inside]
    # the border of ones is put on the scale of the columns, or pivots of very small or large outcomes lose digits
    scale = float(np.trace(system[:k, :k])) / k or 1.0
    system[:k, :k] /= scale
    right /= scale
    try:
        step = np.linalg.solve(system, right)[:k]
        if np.isfinite(step).all() and np.abs(step).max() < 1e8:
            return np.asarray(step)
    except np.linalg.LinAlgError:
        pass
    return np.asarray(np.linalg.lstsq(system, right)[0][:k])


def _non_negative(problem: _Problem) -> Floats:
    """Return the optimum through non-negative least squares."""
    from scipy.optimize import nnls

    size = math.sqrt(problem.size) or 1.0
    n = problem.a.shape[1]
    rows = [(problem.a - problem.b[:, None]) / math.sqrt(len(problem.b)), np.ones((1, n)) * size]
    if problem.ridge > 0:
        rows.insert(1, math.sqrt(problem.ridge) * np.eye(n))
    stacked = np.vstack(rows) / size
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    try:
        w = nnls(stacked, target, maxiter=30 * n)[0]
    except RuntimeError:  # its own limit on steps; the active set's answer then stands with its gap
        return _beginning(problem, None)
    return np.asarray(w / w.sum())


def _smallest_norm(problem: _Problem, w: Floats) -> tuple[Floats, bool]:
    """Return the weights of smallest norm among those with the same fit, and whether there is only one."""
    g = problem.half_gradient(w)
    tied = np.flatnonzero((w > 0) | (g - float(w @ g) <= _LOOSE * problem.size))
    root = math.sqrt(problem.size) or 1.0
    columns = np.vstack([problem.a[:, tied] / root, np.ones((1, len(tied)))])
    _, values, vt = np.linalg.svd(columns)
    free = vt[int((values > _RANK * values[0]).sum()) :]
    if not len(free) or not _others(columns, w, tied):
        return w, True
    # least distance programming (Lawson and Hanson 1974, ch. 23): the shortest w + N z with no negative weight
    from scipy.optimize import nnls

    held = w[tied] - free.T @ (free @ w[tied])
    stacked = np.vstack([free, -held[None, :]])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    left = stacked @ nnls(stacked, target, maxiter=100 * len(tied))[0] - target
    if left[-1] == 0:
        return w, False
    shortest = held - free.T @ (left[:-1] / left[-1])
    shortest = np.where(shortest > 1e-12, shortest, 0.0)
    out = np.zeros_like(w)
    out[tied] = shortest / shortest.sum()
    worse = problem.residual(out)[1] > max(_LOOSE, problem.residual(w)[1])
    return (w if worse else out), False


def _others(columns: Floats, w: Floats, tied: NDArray[np.intp]) -> bool:
    """Return whether weights with the same fit can lie elsewhere: on a column that `w` does not use."""
    from scipy.optimize import linprog

    idle = w[tied] == 0
    used = int((~idle).sum())
    if not idle.any() or np.linalg.matrix_rank(columns[:, ~idle], tol=_RANK) < used:
        return True
    found = linprog(-idle.astype(float), A_eq=columns, b_eq=columns @ w[tied], bounds=(0, 1), method="highs")
    return bool(found.status == 0 and -found.fun > 1e-7)
