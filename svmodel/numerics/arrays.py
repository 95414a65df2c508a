"""Names of the arrays that kernels take, and the order of their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def row_order(keys: Floats) -> Ints:
    """Return the places of the rows in order of their first column, ties by the next; missing values come last.

    Parameters
    ----------
    keys : ndarray, shape (N, K)

    Returns
    -------
    ndarray of int, shape (N,)
        As ``numpy.lexsort(keys.T[::-1])`` has it, from no more columns than it takes to tell all rows apart.

    Examples
    --------
    >>> row_order(np.array([[2.0, 1.0], [1.0, 5.0], [1.0, 4.0]])).tolist()
    [2, 1, 0]
    """
    width = 4
    while width < keys.shape[1]:
        order = np.lexsort(keys[:, :width].T[::-1])
        held = keys[order, :width]
        same = (held[1:] == held[:-1]) | (np.isnan(held[1:]) & np.isnan(held[:-1]))
        if not same.all(axis=1).any():
            return np.asarray(order, dtype=np.int64)
        width *= 4
    return np.asarray(np.lexsort(keys.T[::-1]), dtype=np.int64)
