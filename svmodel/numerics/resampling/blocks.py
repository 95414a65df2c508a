"""Blocks of periods for the bootstrap of a series, and how long they should be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.arrays import Floats

BLOCKS = ("moving", "circular", "stationary")


def block_rows(n: int, wanted: int, length: int, kind: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the periods of one draw, block after block.

    Parameters
    ----------
    n : int
        Periods there are to draw from.
    wanted : int
        Periods of the draw.
    length : int
        Of a block; its mean for ``stationary``.
    kind : {"moving", "circular", "stationary"}
        Blocks inside the series (Kuensch 1989); blocks that go on at its start where it ends (Politis and Romano 1992);
        the same with geometric lengths (Politis and Romano 1994).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (wanted,)

    Examples
    --------
    >>> block_rows(6, 6, 6, "moving", np.random.default_rng(0)).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    if kind not in BLOCKS:
        raise EstimationError(f"there are no blocks {kind!r}; {did_you_mean(kind, BLOCKS)}")
    if not 1 <= length <= n:
        raise EstimationError(f"blocks of {length} periods cannot be cut from {n}")
    if kind == "stationary":
        fresh = rng.random(wanted) < 1 / length
        fresh[0] = True
        begin = rng.integers(0, n, wanted)
        last = np.maximum.accumulate(np.where(fresh, np.arange(wanted), 0))
        return (begin[last] + np.arange(wanted) - last) % n
    blocks = -(-wanted // length)
    begin = rng.integers(0, n - length + 1 if kind == "moving" else n, blocks)
    return ((begin[:, None] + np.arange(length)).ravel()[:wanted] % n).astype(np.int64)


def block_length(series: Floats, kind: str = "circular") -> int:
    """Return the block length that minimises the mean squared error of the bootstrap's variance of a mean.

    Parameters
    ----------
    series : ndarray, shape (n,)
        Residuals, in order of time and without gaps.
    kind : {"moving", "circular", "stationary"}
        A moving block bootstrap wants the length of a circular one.

    Returns
    -------
    int
        At least 1, at most ``min(3 sqrt(n), n / 3)``.

    Notes
    -----
    Politis and White (2004), with the constants of Patton, Politis and White (2009): the flat-top window
    reaches twice as far as the last of the autocorrelations that stand out, those beyond ``2 sqrt(log10(n) / n)``.

    References
    ----------
    Politis and White (2004), *Econometric Reviews* 23(1). Patton, Politis and White (2009), *Econometric Reviews*
    28(4).

    Examples
    --------
    >>> block_length(np.random.default_rng(0).normal(size=100))
    1
    """
    n = len(series)
    x = series - series.mean()
    if n < 8 or not (x**2).any():
        return 1
    run = max(5, int(np.ceil(np.sqrt(np.log10(n)))))
    most = min(int(np.ceil(np.sqrt(n))) + run, n - 2)
    R = np.array([x[: n - k] @ x[k:] / n for k in range(most + 1)])
    quiet = np.abs(R[1:] / R[0]) < 2 * np.sqrt(np.log10(n) / n)
    window = next((m for m in range(most - run + 1) if quiet[m : m + run].all()), None)
    last = int(np.flatnonzero(~quiet).max(initial=-1)) + 1 if window is None else window
    M = min(max(2 * last, 1), most)
    k = np.arange(-M, M + 1)
    share = np.abs(k) / M
    flat_top = np.where(share <= 0.5, 1.0, 2 * (1 - share))
    cov = R[np.abs(k)]
    G = float((flat_top * np.abs(k) * cov).sum())
    spectrum = float((flat_top * cov).sum())
    D = (2.0 if kind == "stationary" else 4 / 3) * spectrum**2
    if D <= 0:
        return 1
    best = (2 * G**2 / D) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(round(best), 1, max(1, np.ceil(min(3 * np.sqrt(n), n / 3)))))
