"""Weights as R's synthdid finds them: Frank-Wolfe steps in two stages, stopped early.

Its steps end where they gain little, some way short of the optimum, so its numbers are those of its stopping rule as
much as of the paper. They are here so that published numbers can be reproduced; `svmodel.numerics.simplex` goes to the
optimum and takes a hundredth of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["two_stages"]

_FIRST, _SECOND = 100, 10_000


def two_stages(
    a: Floats, b: Floats, zeta: float, *, intercept: bool, least: float, start: Floats | None = None
) -> Floats:
    """Minimise ``||A w + a0 - b||^2 / T + zeta^2 ||w||^2`` over the simplex, as far as synthdid goes.

    A hundred steps, then weights of at most a quarter of the largest are set to zero and the others scaled to sum to
    one, then up to 10,000 steps more. A stage ends where a step lowers the objective by `least` squared or less.
    """
    w = np.full(a.shape[1], 1 / a.shape[1]) if start is None else start
    if intercept:
        a, b = a - a.mean(axis=0), b - b.mean()
    w = _steps(a, b, zeta, w, least, _FIRST)
    sparse = np.where(w <= w.max() / 4, 0.0, w)
    return _steps(a, b, zeta, sparse / sparse.sum(), least, _SECOND)


def _steps(a: Floats, b: Floats, zeta: float, w: Floats, least: float, most: int) -> Floats:
    """Return the weights after Frank-Wolfe steps with exact line search."""
    rows = len(b)
    gram = a.T @ a / rows + zeta**2 * np.eye(a.shape[1])
    w = w.copy()
    # half the gradient is `product - cross`; a step moves `product` along a row of `gram`
    cross, constant = a.T @ b / rows, float(b @ b) / rows
    product = gram @ w
    value = np.inf
    for step in range(most):
        half = product - cross
        i = int(half.argmin())
        slope = float(half @ w) - float(half[i])
        bend = float(gram[i, i] - 2 * product[i] + w @ product)
        length = min(1.0, max(0.0, slope / bend)) if bend > 0 else 0.0
        w *= 1 - length
        w[i] += length
        product *= 1 - length
        product += length * gram[i]
        new = float(w @ (product - 2 * cross)) + constant
        if step > 0 and not value - new > least**2:
            break
        value = new
    return w
