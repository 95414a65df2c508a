"""How one synthetic outcome comes about: the process, written as it stands in the datasheet.

For area i in month t, with population n_it and mean population n,

    log m_it = log(mean) + log(n_it / n) + a_i + g t / 12 + season_t + dip_t + s_it    (expected without intervention)
    s_it     = phi s_i,t-1 + e_it,  standard deviation sigma, centred so that E exp(s_it) = 1
    Y0_it    ~ negative binomial, mean m_it, variance m_it + alpha m_it^2
    Y_it     = Y0_it thinned to the share theta_it in treated cells                     (what is recorded)

so every recorded event of a treated cell is one that happened in spite of the intervention, and what
would have happened without it is known exactly, cell by cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import DesignError, Problems

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dip:
    """A spell in which everything was lower everywhere, such as the months of the pandemic.

    Parameters
    ----------
    first, last : str
        First and last month, e.g. ``"2020-04"``.
    ratio : float
        What the expected counts were multiplied by.
    """

    first: str
    last: str
    ratio: float


@dataclass(frozen=True)
class Process:
    """How the counts of one outcome come about.

    Parameters
    ----------
    outcome : str
        Column of the panel.
    mean : float
        Expected events in an average area in the first month, before season and dips.
    dispersion : float
        alpha in Var(Y) = m + alpha m^2; 0 gives Poisson counts.
    effect : float
        Rate ratio in treated areas once the effect has built up; below 1 means fewer harms.
    build_up : int
        Months until the effect is whole; its logarithm grows in equal steps. 0 means at once.
    level_sd : float
        Standard deviation of the areas' permanent levels a_i, on the log scale.
    trend : float
        g: change of the log rate in a year, common to all areas.
    season : float
        Amplitude of the yearly wave, on the log scale.
    peak_month : int
        Month of the year in which the wave is highest.
    dips : tuple of Dip
    shock_sd, shock_persistence : float
        sigma and phi of the transient shocks of single areas.
    shared : float
        Correlation of levels and shocks with those of the other outcomes, 0 to 1.
    additive : bool
        When true, levels, trend, season and effect add up in events instead of multiplying, so that
        trends are parallel in events: m_it = (mean b_i + mean (exp(common_t) - 1)) exp(s_it), with b_i
        uniform around 1, and the effect is (effect - 1) mean events in every treated cell.

    Raises
    ------
    DesignError
        With every parameter that makes no process.
    """

    outcome: str
    mean: float = 10.0
    dispersion: float = 0.1
    effect: float = 0.8
    build_up: int = 0
    level_sd: float = 0.4
    trend: float = 0.0
    season: float = 0.0
    peak_month: int = 7
    dips: tuple[Dip, ...] = ()
    shock_sd: float = 0.0
    shock_persistence: float = 0.0
    shared: float = 0.0
    additive: bool = False

    def __post_init__(self) -> None:
        found = Problems()
        for name, low in (("mean", 0.0), ("effect", 0.0)):
            if not getattr(self, name) > low:
                found.add(f"{getattr(self, name)!r} is not above {low:g}", where=name)
        for name in ("dispersion", "build_up", "level_sd", "shock_sd"):
            if not getattr(self, name) >= 0:
                found.add(f"{getattr(self, name)!r} is below 0", where=name)
        for name in ("shock_persistence", "shared"):
            if not 0 <= getattr(self, name) <= 1:
                found.add(f"{getattr(self, name)!r} is not between 0 and 1", where=name)
        if self.shock_persistence == 1:
            found.add("shocks that never fade are levels", where="shock_persistence", fix="Keep it below 1.")
        found.raise_if_any(DesignError, f"the process of {self.outcome!r} cannot be simulated")


def common_path(process: Process, months: pd.PeriodIndex) -> NDArray[np.float64]:
    """Return trend, season and dips, common to all areas, on the log scale.

    Returns
    -------
    ndarray, shape (T,)
    """
    time = np.arange(len(months)) / 12
    season = process.season * np.cos(2 * math.pi * (np.asarray(months.month) - process.peak_month) / 12)
    path = process.trend * time + season
    for dip in process.dips:
        inside = np.asarray((months >= dip.first) & (months <= dip.last))
        path = path + np.where(inside, math.log(dip.ratio), 0.0)
    return path


def expected_untreated(
    process: Process,
    common: NDArray[np.float64],
    level: NDArray[np.float64],
    shock: NDArray[np.float64],
    relative_population: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return m_it, the expected counts had there been no intervention, given the areas' levels and shocks.

    Parameters
    ----------
    process : Process
    common : ndarray, shape (T,)
        From :func:`common_path`.
    level : ndarray, shape (N,)
        Standard normal; scaled here by ``level_sd``.
    shock : ndarray, shape (N, T)
        Standard normal in every cell; scaled here by ``shock_sd``.
    relative_population : ndarray, shape (N, T)
        n_it / n.

    Raises
    ------
    DesignError
        If an additive process would need negative expected counts.
    """
    transient = np.exp(process.shock_sd * shock - process.shock_sd**2 / 2)
    if not process.additive:
        permanent = np.exp(process.level_sd * level - process.level_sd**2 / 2)
        return process.mean * relative_population * permanent[:, None] * np.exp(common)[None, :] * transient
    from scipy import special

    # Uniform levels keep the lowest area well above what trend and effect take away.
    b = 1 + process.level_sd * math.sqrt(3) * (2 * special.ndtr(level) - 1)
    base = process.mean * (b[:, None] + np.exp(common)[None, :] - 1)
    if (base + min(process.effect - 1, 0) * process.mean <= 0).any():
        raise DesignError(
            f"the additive process of {process.outcome!r} needs negative counts; lower level_sd, trend or season"
        )
    return base * transient


def rate_ratio_path(
    process: Process, start: NDArray[np.int64], untreated: NDArray[np.float64], shock: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return theta_it: expected counts with the intervention over those without, 1 in untreated cells.

    Parameters
    ----------
    process : Process
    start : ndarray of int, shape (N,)
        Index of the first treated month; beyond T where never treated.
    untreated : ndarray, shape (N, T)
        From :func:`expected_untreated`.
    shock : ndarray, shape (N, T)
        As given to :func:`expected_untreated`.

    Returns
    -------
    ndarray, shape (N, T)
    """
    horizon = np.arange(untreated.shape[1])[None, :] - start[:, None]
    share = np.clip((horizon + 1) / (process.build_up + 1), 0.0, 1.0)
    if not process.additive:
        return process.effect**share
    # The shock multiplies the effect too, so that the recorded change is on average (effect - 1) mean.
    transient = np.exp(process.shock_sd * shock - process.shock_sd**2 / 2)
    return 1 + share * (process.effect - 1) * process.mean * transient / untreated


def draw_counts(
    rng: np.random.Generator,
    untreated: NDArray[np.float64],
    dispersion: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw the counts without intervention, and the gamma-mixed intensity behind each.

    Returns
    -------
    counts : ndarray of int, shape (N, T)
    intensity : ndarray, shape (N, T)
        m_it times a gamma variable of mean 1 and variance alpha: given it, the count is Poisson.
    """
    intensity = untreated * rng.gamma(1 / dispersion, dispersion, untreated.shape) if dispersion > 0 else untreated
    return rng.poisson(intensity), intensity


def apply_effect(
    rng: np.random.Generator,
    counts: NDArray[np.int64],
    intensity: NDArray[np.float64],
    theta: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the recorded counts: thinned where theta < 1, with extra events where theta > 1.

    A Poisson count of mean m thinned with probability theta is Poisson of mean theta m, so the
    recorded counts follow the same negative binomial as if they had been drawn with mean theta m.
    """
    kept = rng.binomial(counts, np.minimum(theta, 1.0))
    more = rng.poisson(intensity * np.maximum(theta - 1.0, 0.0))
    return kept + more
