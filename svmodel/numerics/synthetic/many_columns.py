"""Least squares over the unit simplex with many more columns than rows, by its dual: as many unknowns as rows."""

from __future__ import annotations

import numpy as np

from svmodel.numerics.arrays import Floats

#: Steps after which the dual is given up; it takes 4 to 15.
_MOST = 60
#: Gap of the primal equations, as a share of the problem's size, that counts as met.
_MET = 1e-13
_HALVINGS = 30
#: How far a target lies beyond a plane, as a share of the problem's size, to be outside of the hull.
_APART = 1e-6


def by_dual(a: Floats, b: Floats, ridge: float, start: Floats | None = None) -> tuple[Floats, Floats] | None:
    """Minimise ``||a w - b||^2 / T + ridge ||w||^2`` over the simplex; without a ridge, the shortest exact weights.

    Parameters
    ----------
    a : ndarray, shape (T, J)
    b : ndarray, shape (T,)
    ridge : float
        0 asks for the weights of smallest norm with ``a w = b``.
    start : ndarray, shape (T + 1,), optional
        Dual of a similar problem. It saves steps and does not touch the answer.

    Returns
    -------
    (weights, dual), shape (J,) and (T + 1,), or None
        The dual is (z, m) below. None where steps end short of the optimum; without a ridge also where no weights meet
        `b` exactly, or no more columns than rows would carry weight, so that there might be no other such weights.

    Notes
    -----
    At the optimum ``w = max(a'z + m, 0)``, with z and m such that ``a w + T ridge z = b`` and ``sum w = 1``. These
    equations are the gradient of a convex function that is quadratic by pieces, so that Newton's method with a line
    search ends after finitely many steps (Sun, Qi and Sun on semismooth Newton methods; Li, Sun and Toh 2018, *SIAM
    Journal on Optimization* 28(1), for this use). A step takes T + 1 linear equations, however many columns there are.

    Examples
    --------
    >>> by_dual(np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([1.5]), 0.0)[0].round(9).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    rows, columns = a.shape
    size = float(np.sqrt((a**2).mean()))
    if not size > 0:
        return None
    held = np.vstack([a / size, np.ones((1, columns))])
    wanted = np.append(b / size, 1.0)
    stiff = np.append(np.full(rows, rows * ridge / size**2), 0.0)
    u = np.append(np.zeros(rows), 1 / columns)
    if start is not None and start.shape == u.shape:
        u = start * np.append(np.full(rows, size), 1.0)
    w = np.maximum(u @ held, 0.0)
    value = _value(w, u, wanted, stiff)
    scale = max(1.0, float(np.abs(wanted).max()))
    for _ in range(_MOST):
        slope = held @ w - wanted + stiff * u
        gap = float(np.abs(slope).max())
        on = np.flatnonzero(w > 0)
        if ridge == 0 and len(on) <= rows + 1:
            return None
        if gap <= _MET * scale:
            return _answer(w, u, size)
        picked = held[:, on]
        bend = picked @ picked.T
        bend[np.diag_indices_from(bend)] += stiff
        try:
            step = np.linalg.solve(bend, -slope)
        except np.linalg.LinAlgError:
            return None
        falls = float(slope @ step)
        if not (np.isfinite(step).all() and falls < 0):
            return None
        length = 1.0
        for _ in range(_HALVINGS):
            tried = u + length * step
            reach = tried @ held
            w_new = np.maximum(reach, 0.0)
            new = _value(w_new, tried, wanted, stiff)
            # near the end the value no longer tells steps apart, and the gradient does
            if new <= value + 1e-4 * length * falls or _gap(held, w_new, tried, wanted, stiff) < 0.5 * gap:
                break
            length /= 2
        else:
            return _answer(w, u, size) if gap <= 100 * _MET * scale else None
        u, w, value = tried, w_new, new
        # a plane has the target on one side and every column on the other
        if ridge == 0 and float(wanted @ u) > float(reach.max()) + _APART * scale:
            return None
    return None


def _answer(w: Floats, u: Floats, size: float) -> tuple[Floats, Floats]:
    return w / w.sum(), u / np.append(np.full(len(u) - 1, size), 1.0)


def _value(w: Floats, u: Floats, wanted: Floats, stiff: Floats) -> float:
    return float(w @ w + stiff @ u**2) / 2 - float(wanted @ u)


def _gap(held: Floats, w: Floats, u: Floats, wanted: Floats, stiff: Floats) -> float:
    return float(np.abs(held @ w - wanted + stiff * u).max())
