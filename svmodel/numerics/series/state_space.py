r"""Gaussian states that follow each other in time, drawn all at once.

A structural time series has a state of m numbers a period: level, slope, season. Given its variances the state is
Gaussian, and its precision matrix is banded when states are held period by period, because shocks tie neighbours only.
A draw is then one banded Cholesky factor and two triangular solves (Chan and Jeliazkov 2009), which gives the same
distribution as forward filtering and backward sampling, without a loop over periods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats


@dataclass(frozen=True, eq=False)
class StateSpace:
    """States of T periods, m numbers each, held period by period: ``theta[t * m + j]``.

    Attributes
    ----------
    T, m : int
    names : tuple of str
        One a kind of shock, in the order of variances.
    shocks : tuple of ndarray, shape (n_c, w, 2)
        For each kind of shock and each of its n_c times, the w places in theta that it combines, and with what factor.
    times : tuple of ndarray of int, shape (n_c,)
        Period of each shock.
    bands : tuple of ndarray, shape (b + 1, T m)
        ``H'H`` of each kind of shock in LAPACK's upper banded form.
    prior : ndarray, shape (b + 1, T m)
        Precision of the first states, in the same form.
    prior_shift : ndarray, shape (T m,)
        That precision times their mean.
    observes : ndarray, shape (m,)
        What of a state the observation sees.
    """

    T: int
    m: int
    names: tuple[str, ...]
    shocks: tuple[tuple[NDArray[np.int64], Floats], ...]
    times: tuple[NDArray[np.int64], ...]
    bands: tuple[Floats, ...]
    prior: Floats
    prior_shift: Floats
    observes: Floats

    def signal(self, theta: Floats) -> Floats:
        """Return what would be observed without noise, shape (T,)."""
        return theta.reshape(self.T, self.m) @ self.observes

    def squares(self, theta: Floats, until: int) -> list[tuple[int, float]]:
        """Return for each kind of shock its number up to period `until` (excluded), and their sum of squares."""
        out = []
        for (places, factors), times in zip(self.shocks, self.times, strict=True):
            n = int(np.searchsorted(times, until))
            e = theta[places[:n]] @ factors
            out.append((n, float(e @ e)))
        return out

    def moments(self, y: Floats, noise: float, variances: Floats) -> tuple[Floats, Floats]:
        """Return the Cholesky factor U of the state's precision (upper banded, ``U'U = K``) and K times its mean.

        Parameters
        ----------
        y : ndarray, shape (T,)
            Observations; NaN where there is none.
        noise : float
            Variance of an observation about its signal.
        variances : ndarray, shape (C,)
            Of each kind of shock.

        Raises
        ------
        EstimationError
            If the precision is singular in floating point.
        """
        from scipy.linalg import lapack

        known = ~np.isnan(y)
        band = self.prior.copy()
        for held, variance in zip(self.bands, variances, strict=True):
            band += held / variance
        for i in np.flatnonzero(self.observes):
            for j in np.flatnonzero(self.observes):
                if j >= i:
                    at = np.flatnonzero(known) * self.m + j
                    band[len(band) - 1 - (j - i), at] += self.observes[i] * self.observes[j] / noise
        shift = self.prior_shift + (np.where(known, y, 0.0)[:, None] * self.observes / noise).ravel()
        factor, info = lapack.dpbtrf(band, lower=0)
        if info != 0:
            raise EstimationError("the states of the series cannot be told apart in floating point")
        return factor, shift

    def draw(self, y: Floats, noise: float, variances: Floats, rng: np.random.Generator) -> Floats:
        """Return one draw of all states given observations and variances, shape (T m,); see :meth:`moments`."""
        from scipy.linalg import lapack

        factor, shift = self.moments(y, noise, variances)
        half = lapack.dtbtrs(factor, shift[:, None], uplo="U", trans="T")[0]
        half += rng.standard_normal(len(half))[:, None]
        return np.asarray(lapack.dtbtrs(factor, half, uplo="U", trans="N")[0][:, 0])

    def mean(self, y: Floats, noise: float, variances: Floats) -> Floats:
        """Return the mean of all states given observations and variances, shape (T m,); see :meth:`moments`."""
        from scipy.linalg import lapack

        factor, shift = self.moments(y, noise, variances)
        return np.asarray(lapack.dpbtrs(factor, shift[:, None], lower=0)[0][:, 0])


def structural(
    T: int,
    *,
    slope: bool = False,
    seasons: int = 1,
    first_level: tuple[float, float] = (0.0, 1.0),
    first_slope: tuple[float, float] = (0.0, 1.0),
    first_season: float = 1.0,
) -> StateSpace:
    r"""Return a level that walks at random, with a slope and dummy seasons where asked.

    :math:`\mu_t = \mu_{t-1} + \delta_{t-1} + u_t`, :math:`\delta_t = \delta_{t-1} + v_t`,
    :math:`\tau_t = -\sum_{s=1}^{S-1} \tau_{t-s} + w_t` and the signal is :math:`\mu_t + \tau_t` (Brodersen et al. 2015,
    equations 2.3 and 2.5: without the long-run slope of 2.4).

    Parameters
    ----------
    T : int
        Periods.
    slope : bool
        Without it the slope is zero.
    seasons : int
        Periods a round, 1 for no season.
    first_level, first_slope : (mean, standard deviation)
        Prior of the first level and slope.
    first_season : float
        Standard deviation of the first S - 1 seasons about zero.

    Returns
    -------
    StateSpace
        Its kinds of shock are ``level``, then ``slope`` and ``season`` where there are such.

    References
    ----------
    Chan and Jeliazkov (2009), *International Journal of Mathematical Modelling and Numerical Optimisation* 1, 101-120.

    Examples
    --------
    >>> space = structural(4)
    >>> observed = np.array([1.0, np.nan, 3.0, np.nan])
    >>> space.signal(space.mean(observed, noise=1e-8, variances=np.array([1.0]))).round(3).tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    season = seasons > 1
    m = 1 + int(slope) + int(season)
    at_season = m - 1
    kinds: list[tuple[str, list[int], list[float], int]] = [("level", [m, 0], [1.0, -1.0], 1)]
    if slope:
        kinds = [("level", [m, 0, 1], [1.0, -1.0, -1.0], 1), ("slope", [m + 1, 1], [1.0, -1.0], 1)]
    if season:
        kinds.append(("season", [at_season + s * m for s in range(seasons)], [1.0] * seasons, seasons - 1))
    width = max(max(p) - min(p) for _, p, _, _ in kinds)
    shocks, times, bands = [], [], []
    for _, places, factors, first in kinds:
        n = max(T - first, 0)
        at = np.arange(n)[:, None] * m + np.array(places)[None, :]
        band = np.zeros((width + 1, T * m))
        for i, a in enumerate(factors):
            for j, b in enumerate(factors):
                if places[j] >= places[i]:
                    np.add.at(band, (width - (places[j] - places[i]), at[:, j]), a * b)
        shocks.append((at, np.array(factors)))
        times.append(np.arange(n) + first)
        bands.append(band)
    prior, shift = np.zeros((width + 1, T * m)), np.zeros(T * m)
    for place, (mean, sd) in ((0, first_level), *(((1, first_slope),) if slope else ())):
        prior[width, place] = 1 / sd**2
        shift[place] = mean / sd**2
    if season:
        prior[width, at_season + m * np.arange(min(seasons - 1, T))] = 1 / first_season**2
    observes = np.zeros(m)
    observes[[0, at_season] if season else [0]] = 1
    return StateSpace(
        T, m, tuple(k[0] for k in kinds), tuple(shocks), tuple(times), tuple(bands), prior, shift, observes
    )
