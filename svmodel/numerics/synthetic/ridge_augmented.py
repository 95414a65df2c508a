"""Ridge-augmented synthetic control: weights that may leave the simplex to mend what it cannot match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.numerics.arrays import Floats
from svmodel.numerics.synthetic.simplex import simplex_weights

#: Values of the penalty that are tried, and the smallest as a share of the largest (as augsynth does).
_TRIED, _SMALLEST = 20, 1e-8


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """Augmented weights and the penalty behind them.

    Attributes
    ----------
    weights : ndarray, shape (J,)
        They sum to one; some may be negative.
    simplex : ndarray, shape (J,)
        The weights before augmentation.
    penalty : float
        Lambda of the ridge regression, in squared units of the outcome, summed over periods.
    penalties, errors, std_errors : ndarray
        The cross-validation; empty where the penalty was given.
    """

    weights: Floats
    simplex: Floats
    penalty: float
    penalties: Floats
    errors: Floats
    std_errors: Floats


def augment(A: Floats, b: Floats, simplex: Floats, penalties: Floats) -> Floats:
    """Return augmented weights for each penalty, shape (L, J).

    Parameters
    ----------
    A : ndarray, shape (T, J)
        Donors' outcomes before the start.
    b : ndarray, shape (T,)
        The treated unit's.
    simplex : ndarray, shape (J,)
    penalties : ndarray, shape (L,)
        Positive.

    Notes
    -----
    With the donors' mean of each period taken away from ``A`` and ``b``,
    ``w(lambda) = w + A' (A A' + lambda I)^-1 (b - A w)``. Columns of the centred ``A`` sum to zero over donors, so
    the weights still sum to one. As lambda grows they tend to those on the simplex.

    References
    ----------
    Ben-Michael, Feller and Rothstein (2021), *Journal of the American Statistical Association* 116(536),
    1789-1803: ridge augmentation as weights.
    """
    centre = A.mean(axis=1)
    centred = A - centre[:, None]
    left = b - centre - centred @ simplex
    u, size, vt = np.linalg.svd(centred, full_matrices=False)
    shrunk = size[None, :] / (size[None, :] ** 2 + np.asarray(penalties)[:, None])
    return np.asarray(simplex + (shrunk * (u.T @ left)[None, :]) @ vt)


def cross_validate(A: Floats, b: Floats, *, intercept: bool = False) -> tuple[Floats, Floats, Floats]:
    """Return penalties (falling), the mean squared error of the period left out, and its standard error.

    Every period before the start is left out in turn, simplex weights and augmentation are made from the others, and
    the treated unit's outcome in it is held against the augmented one, as in the paper and in R's augsynth.

    Parameters
    ----------
    A, b : ndarray, shape (T, J) and (T,)
        `T` of 3 or more.
    intercept : bool
        Whether donors and treated unit are taken from their own means over the periods that are held in.
    """
    T = len(b)
    top = float(np.linalg.norm(A - A.mean(axis=1)[:, None], 2) ** 2)
    penalties = top * np.geomspace(1.0, _SMALLEST, _TRIED)
    squares = np.empty((T, _TRIED))
    near = simplex_weights(A, b, intercept=intercept).weights
    for t in range(T):
        kept = np.arange(T) != t
        inside, target = A[kept], b[kept]
        out, wanted = A[t], b[t]
        if intercept:
            out, wanted = out - inside.mean(axis=0), wanted - target.mean()
            inside, target = inside - inside.mean(axis=0), target - target.mean()
        weights = augment(inside, target, simplex_weights(inside, target, start=near).weights, penalties)
        squares[t] = (wanted - weights @ out) ** 2
    return penalties, squares.mean(axis=0), squares.std(axis=0, ddof=1) / np.sqrt(T)


def ridge_augmented(
    A: Floats,
    b: Floats,
    *,
    simplex: Floats | None = None,
    penalty: float | None = None,
    intercept: bool = False,
) -> RidgeFit:
    """Fit ridge-augmented weights, with the penalty chosen by cross-validation.

    Parameters
    ----------
    A : ndarray, shape (T, J)
        Donors' outcomes before the start, one column a donor.
    b : ndarray, shape (T,)
        The treated unit's.
    simplex : ndarray, shape (J,), optional
        Weights to augment; those of :func:`~svmodel.numerics.synthetic.simplex.simplex_weights` where None.
    penalty : float, optional
        Lambda; where None the largest whose cross-validated error is within one standard error of the least.
    intercept : bool
        Whether levels over time are taken away first.

    Returns
    -------
    RidgeFit

    Raises
    ------
    ValueError
        If the penalty is not positive, or there are fewer than three periods to choose it from.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[1.0, 2.0, 4.0], [2.0, 2.0, 5.0], [1.0, 3.0, 4.0], [2.0, 3.0, 6.0]])
    >>> b = np.array([5.0, 6.0, 5.0, 7.0])
    >>> fit = ridge_augmented(A, b, penalty=0.01)
    >>> fit.simplex.round(3).tolist(), round(float(fit.weights.sum()), 9), bool((fit.weights < 0).any())
    ([0.0, 0.0, 1.0], 1.0, True)
    """
    none = np.empty(0)
    tried = (none, none, none)
    if penalty is None:
        if len(b) < 3:
            raise ValueError("a penalty cannot be chosen from fewer than three periods")
        tried = cross_validate(A, b, intercept=intercept)
        penalties, errors, std_errors = tried
        best = int(errors.argmin())
        penalty = float(penalties[errors <= errors[best] + std_errors[best]].max())
    if not penalty > 0:
        raise ValueError(f"a penalty of {penalty!r} is not positive")
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    base = simplex_weights(A, b).weights if simplex is None else simplex
    weights = augment(A, b, base, np.array([penalty]))[0]
    return RidgeFit(weights, base, penalty, *tried)
