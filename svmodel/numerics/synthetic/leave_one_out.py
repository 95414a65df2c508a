"""Least squares over the unit simplex with each row left out in turn: every answer from one set of sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.synthetic.simplex import active_set, simplex_weights

#: From so many rows a column on, sums of squares hold the answer to enough digits, and one row hardly moves it.
_LONG = 2
#: Rows whose equations are solved at a time, which bounds memory.
_BATCH = 256
#: Reduced gradients below this share of the problem's own size are rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class _Sums:
    """A problem as its sums of squares and products, with what an active set asks of it."""

    gram: Floats
    cross: Floats
    size: float

    def half_gradient(self, w: Floats) -> Floats:
        return np.asarray(self.gram @ w - self.cross)


def leaving_one_out(A: Floats, b: Floats, which: Ints, *, ridge: float, weights: Floats) -> Floats:
    """Return the weights of :func:`~svmodel.numerics.synthetic.simplex.simplex_weights` without each of some rows.

    Parameters
    ----------
    A : ndarray, shape (T, J)
    b : ndarray, shape (T,)
    which : ndarray of int, shape (n,)
        Rows to leave out, one at a time.
    ridge : float
        As there; with a free intercept.
    weights : ndarray, shape (J,)
        The answer of all rows.

    Returns
    -------
    ndarray, shape (n, J)

    Notes
    -----
    A row less is a change of rank one in the sums of squares and products of deviations from column means. The columns
    that carry weight with all rows mostly do so without one of them: their equations are solved for many rows at once,
    and where the answer has a negative weight, or a column outside would lower the objective, an active set goes on
    from there. With few rows a column the sums would lose digits, and each problem is solved from its rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> A, b = rng.normal(size=(40, 3)), rng.normal(size=40)
    >>> first = simplex_weights(A, b, intercept=True).weights
    >>> without = simplex_weights(A[1:], b[1:], intercept=True).weights
    >>> bool(np.allclose(leaving_one_out(A, b, np.array([0]), ridge=0.0, weights=first)[0], without))
    True
    """
    rows, columns = A.shape
    if rows < _LONG * columns + 1:
        return _row_by_row(A, b, which, ridge=ridge, weights=weights)
    # the mean column is taken off, which weights that sum to one allow and which keeps digits
    centre = A.mean(axis=1)
    a, target = A - centre[:, None], b - centre
    a, target = a - a.mean(axis=0), target - target.mean()
    gram, cross = a.T @ a, a.T @ target
    if np.linalg.cond(gram + np.ones_like(gram) * gram.trace() / columns**2) > 1e8:
        return _row_by_row(A, b, which, ridge=ridge, weights=weights)
    size = float(((a - target[:, None]) ** 2).mean(axis=0).max()) + ridge
    on = np.flatnonzero(weights > 0)
    out = np.zeros((len(which), columns))
    for first in range(0, len(which), _BATCH):
        some = which[first : first + _BATCH]
        out[first : first + len(some)] = _without(a[some], target[some], (gram, cross), rows, ridge, size, on)
    return out


def _without(
    apart: Floats, off: Floats, sums: tuple[Floats, Floats], rows: int, ridge: float, size: float, on: Ints
) -> Floats:
    """Return the answers without each of some rows; `apart` and `off` are their deviations from the means."""
    n, columns, k = len(off), len(sums[1]), len(on)
    factor = rows / (rows - 1)
    gram = (sums[0] - factor * apart[:, :, None] * apart[:, None, :]) / (rows - 1) + ridge * np.eye(columns)
    cross = (sums[1] - factor * apart * off[:, None]) / (rows - 1)
    scale = size or 1.0
    system = np.ones((n, k + 1, k + 1))
    system[:, :k, :k] = gram[:, on[:, None], on] / scale
    system[:, k, k] = 0.0
    right = np.ones((n, k + 1))
    right[:, :k] = cross[:, on] / scale
    w = np.zeros((n, columns))
    w[:, on] = np.linalg.solve(system, right[:, :, None])[:, :k, 0]
    slope = np.einsum("nij,nj->ni", gram, w) - cross
    level = (w * slope).sum(axis=1)
    settled = (w >= 0).all(axis=1) & (slope >= level[:, None] - _ROUNDING * size).all(axis=1)
    for i in np.flatnonzero(~settled):
        start = np.maximum(w[i], 0.0)
        w[i] = active_set(_Sums(gram[i], cross[i], size), start / start.sum())
    return w / w.sum(axis=1, keepdims=True)


def _row_by_row(A: Floats, b: Floats, which: Ints, *, ridge: float, weights: Floats) -> Floats:
    found = [
        simplex_weights(np.delete(A, i, axis=0), np.delete(b, i), ridge=ridge, intercept=True, start=weights).weights
        for i in which
    ]
    return np.array(found).reshape(len(which), A.shape[1])
