"""The proof that numbers are the sum of others: by the numbers, never by a name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def adds_up(
    total: NDArray[np.float64], parts: NDArray[np.float64], *, least: int = 1, varied: bool = False, nil: bool = False
) -> bool:
    """Return whether each total that is known, with all its parts known, is their sum.

    Parameters
    ----------
    total : ndarray, shape (n,)
    parts : ndarray, shape (k, n)
        NaN where missing.
    least : int
        How many totals have to be known.
    varied : bool
        Whether at least three different totals are wanted, since a few alike may add up by chance.
    nil : bool
        Whether totals that are all 0 prove it, as they do of what is called a total.

    Examples
    --------
    >>> adds_up(np.array([3.0, np.nan]), np.array([[1.0, 4.0], [2.0, 0.0]]))
    True
    """
    rest = parts.sum(axis=0)
    known = np.isfinite(total) & np.isfinite(rest)
    if known.sum() < least or not (nil or rest[known].any()):
        return False
    if varied and len(np.unique(rest[known])) < 3:
        return False
    return bool(np.allclose(total[known], rest[known], rtol=1e-9, atol=1e-6))
