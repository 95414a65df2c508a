"""Conditional and least-favourable test that a maximum of normal statistics has means of zero or less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.numerics.arrays import Floats

#: Size of the first stage as a share of the whole test's (Rambachan and Roth 2023; HonestDiD's default).
KAPPA = 0.1

_NODES = 160


def conditional_rejection(
    statistics: Floats, covariance: Floats, first_stage: Floats, *, alpha: float = 0.05, kappa: float = KAPPA
) -> NDArray[np.bool_]:
    """Test that ``max_j E[statistics_j] <= 0``.

    The test of a linear programme with nuisance parameters comes down to this: its value is the largest of
    ``gamma_j' Y`` over the vertices gamma_j of the dual, which do not depend on the data.

    Parameters
    ----------
    statistics : ndarray, shape (..., J)
        ``gamma_j' Y`` for each vertex.
    covariance : ndarray, shape (..., J, J)
        Broadcasts against `statistics`.
    first_stage : ndarray, shape (...)
        Least-favourable critical value of size ``kappa alpha``; infinite for the conditional test alone.
    alpha, kappa : float

    Returns
    -------
    ndarray of bool, shape (...)

    Notes
    -----
    The first stage rejects where the maximum is above its critical value. Otherwise the largest statistic, given that
    it is the largest, given what is independent of it and given that the first stage let it pass, is normal on an
    interval; the second stage has size ``(alpha - kappa alpha) / (1 - kappa alpha)``, and never rejects a maximum of
    zero or less. A largest statistic without variance is rejected where it is above zero.

    References
    ----------
    Andrews, Roth and Pakes (2023), *Review of Economic Studies* 90(6): the conditional and the hybrid test. Rambachan
    and Roth (2023), same journal 90(5), section 3.

    Examples
    --------
    >>> one = np.array([[[1.0]]])  # a single statistic: a one-sided normal test
    >>> conditional_rejection(np.array([[1.6], [1.7]]), one, np.array([np.inf, np.inf]), kappa=0.0).tolist()
    [False, True]
    """
    z = np.asarray(statistics, dtype=np.float64)
    J = z.shape[-1]
    V = np.broadcast_to(covariance, (*z.shape, J))
    best = z.argmax(axis=-1)[..., None]
    top = np.take_along_axis(z, best, -1)
    row = np.take_along_axis(V, best[..., None], -2)[..., 0, :]
    variance = np.take_along_axis(row, best, -1)
    size = np.einsum("...jj->...j", V).max(axis=-1, keepdims=True)
    certain = variance <= 1e-14 * size
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = row / variance
        bound = (z - slope * top) / (1 - slope)
    flat = np.abs(slope - 1) < 1e-12  # moves with the largest, the largest itself among them: no bound
    lower = np.where(flat | (slope > 1), -np.inf, bound).max(axis=-1)
    upper = np.where(flat | (slope < 1), np.inf, bound).min(axis=-1)
    largest, error = top[..., 0], np.sqrt(variance[..., 0])
    upper = np.minimum(upper, first_stage)
    size_left = alpha * (1 - kappa) / (1 - alpha * kappa)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = _truncated_tail(largest / error, lower / error, upper / error)
    second = (largest > 0) & (share < size_left)
    return np.asarray(np.where(certain[..., 0], largest > 0, (largest > first_stage) | second))


def _truncated_tail(x: Floats, low: Floats, high: Floats) -> Floats:
    """Return P(Z > x | low < Z < high) of a standard normal, also far out."""
    from scipy import special

    x, low, high = np.broadcast_arrays(x, low, high)

    def log_between(a: Floats, b: Floats) -> Floats:
        """Return log(P(Z > a) - P(Z > b)), taken in the tail that keeps the digits."""
        up = a > 0
        one = special.log_ndtr(np.where(up, -a, b))
        two = special.log_ndtr(np.where(up, -b, a))
        return np.asarray(one + np.log1p(-np.exp(np.minimum(two - one, 0.0))))

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(log_between(x, high) - log_between(np.minimum(low, x), high))


def least_favourable_value(half: Floats, tilt: Floats, drop: Floats, covariance: Floats, size: float) -> Floats:
    """Return the 1 - size quantile of ``max((a - tilt g) / up, (-a - tilt g) / down, -drop g)`` for normal (a, g).

    The test of relative magnitudes has no other vertices, whatever the number of periods (see
    :mod:`svmodel.numerics.honest.magnitudes`), so that its least-favourable critical value is an integral over one
    variable. It is taken by quadrature and has no simulation error.

    Parameters
    ----------
    half : ndarray, shape (S, 2)
        ``up`` and ``down``, above zero.
    tilt, drop : ndarray, shape (S,)
        Zero or more.
    covariance : ndarray, shape (S, 2, 2)
        Of a and g, with mean zero.
    size : float
        Below one half.

    Returns
    -------
    ndarray, shape (S,)

    Examples
    --------
    >>> found = least_favourable_value(
    ...     np.ones((1, 2)), np.zeros(1), np.zeros(1), np.eye(2)[None], 0.05
    ... )
    >>> round(float(found[0]), 4)  # |N(0, 1)|
    1.96
    """
    from scipy import special

    node, weight = np.polynomial.legendre.leggauss(_NODES)
    spread_g = np.sqrt(covariance[:, 1, 1])
    safe = np.where(spread_g > 0, spread_g, 1.0)
    lean = covariance[:, 0, 1] / safe  # of a on g in standard units
    rest = np.sqrt(np.maximum(covariance[:, 0, 0] - lean**2, 1e-18 * covariance[:, 0, 0]))
    rest = np.where(rest > 0, rest, 1e-300)

    def below(q: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.where((drop > 0) & (spread_g > 0), -q / (drop * safe), -np.inf)
        first = np.clip(first, -9.0, 9.0)
        mid, span = (9.0 + first) / 2, (9.0 - first) / 2
        g = mid[:, None] + span[:, None] * node
        density = np.exp(-0.5 * g**2) / np.sqrt(2 * np.pi)
        push = (tilt * spread_g)[:, None] * g
        upper = ((half[:, 0] * q)[:, None] + push - lean[:, None] * g) / rest[:, None]
        lower = (-(half[:, 1] * q)[:, None] - push - lean[:, None] * g) / rest[:, None]
        inside = np.maximum(special.ndtr(upper) - special.ndtr(lower), 0.0)
        return np.asarray(span * (density * inside @ weight[:, None])[:, 0])

    # no statistic has more than three kinds of vertices, each below its own quantile of size / 3
    sd = [
        np.sqrt(np.maximum(covariance[:, 0, 0] - s * 2 * tilt * covariance[:, 0, 1] + tilt**2 * covariance[:, 1, 1], 0))
        / half[:, k]
        for k, s in enumerate((1.0, -1.0))
    ]
    high = -float(special.ndtri(size / 3)) * np.maximum(np.maximum(*sd), drop * spread_g) + 1e-12
    low = np.zeros_like(high)
    for _ in range(45):
        middle = (low + high) / 2
        enough = below(middle) >= 1 - size
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return np.asarray(high)
