"""From a design's covariates to the columns of a two-way model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.design import DesignArrays


def split_covariates(
    arrays: DesignArrays,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, tuple[int, ...]]:
    """Split covariates into those that stand still over time and those that move.

    An area effect already holds the level of a covariate that stands still, so what it can adjust for is the trend: it
    gets a coefficient in every period (as Wooldridge 2021 interacts covariates with periods). One that moves gets one
    coefficient.

    Parameters
    ----------
    arrays : DesignArrays

    Returns
    -------
    slopes : ndarray, shape (N, S), or None
        The still covariates, centred and scaled.
    moving : ndarray, shape (N, T, K), or None
        The moving ones, centred and scaled; 0 where missing (the outcome is missing there too).
    still : tuple of int
        Which covariates stand still.
    """
    x = arrays.covariates
    if x.shape[2] == 0:
        return None, None, ()
    known = ~np.isnan(x)
    count = known.sum(axis=1)
    mean = np.divide(np.where(known, x, 0.0).sum(axis=1), count, out=np.zeros(count.shape), where=count > 0)
    apart = np.where(known, np.abs(x - mean[:, None, :]), 0.0).max(axis=(0, 1))
    size = np.where(known, np.abs(x), 0.0).max(axis=(0, 1))
    still = apart <= 1e-12 * np.maximum(size, 1e-300)

    centre = np.nanmean(x, axis=(0, 1))
    spread = np.nanstd(x, axis=(0, 1))
    spread = np.where(spread > 0, spread, 1.0)
    slopes = (mean[:, still] - centre[still]) / spread[still] if still.any() else None
    moving = (
        np.where(known[..., ~still], (x[..., ~still] - centre[~still]) / spread[~still], 0.0)
        if (~still).any()
        else None
    )
    return slopes, moving, tuple(int(k) for k in np.flatnonzero(still))
