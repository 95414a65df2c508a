"""A study that exists on paper only: its size, how many events are expected, and by what they stray."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel.design import NEVER
from svmodel.errors import DesignError, Problems
from svmodel.planning.model import Model, Noise
from svmodel.planning.plan import Shape
from svmodel.planning.source import check_whole


@dataclass(frozen=True)
class StatedStudy:
    """A planned evaluation in numbers, where there is no panel to draw from yet.

    Parameters
    ----------
    mean : float
        Events expected in an area of middling level in a month, without the intervention.
    n_treated, n_controls : int
        Areas.
    before, after : int
        Months before and after one common start.
    dispersion : float
        Variance of the gamma shock that each count meets (NB2): counts have variance ``m + dispersion m^2``.
    level_sd : float
        Standard deviation of the areas' levels, on the log scale: its quantiles, the same in every draw, over which the
        treated areas are evenly spread.
    shock_sd, shock_persistence : float
        Standard deviation of shocks that last in an area, on the log scale, and their correlation from one month to the
        next.
    common_sd, common_persistence : float
        The same of shocks that all areas share.

    Raises
    ------
    DesignError
        With everything that makes no study.

    Examples
    --------
    >>> StatedStudy(mean=9, n_treated=6, n_controls=18, before=24, after=12).describe()
    '6 treated areas and 18 controls, 24 months before and 12 after the start, 9 events a month in an area'
    """

    mean: float
    n_treated: int
    n_controls: int
    before: int
    after: int
    dispersion: float = 0.1
    level_sd: float = 0.4
    shock_sd: float = 0.0
    shock_persistence: float = 0.0
    common_sd: float = 0.1
    common_persistence: float = 0.5

    def __post_init__(self) -> None:
        found = Problems()
        areas = {"n_treated": (self.n_treated, 1), "n_controls": (self.n_controls, 2)}
        check_whole(found, **areas, before=(self.before, 1), after=(self.after, 1))
        if not 0 < self.mean < math.inf:
            found.add(f"{self.mean!r} is no expected count above 0", where="mean", rule="mean")
        for name in ("dispersion", "level_sd", "shock_sd", "common_sd"):
            if not 0 <= getattr(self, name) < math.inf:
                found.add(f"{getattr(self, name)!r} is below 0, or no number", where=name, rule=name)
        for name in ("shock_persistence", "common_persistence"):
            if not 0 <= getattr(self, name) < 1:
                found.add(f"{getattr(self, name)!r} does not lie between 0 and 1", where=name, rule=name)
        found.raise_if_any(DesignError, "no study can be drawn from these numbers")

    def describe(self) -> str:
        """Return the study in words."""
        return (
            f"{self.n_treated} treated areas and {self.n_controls} controls, {self.before} months before and "
            f"{self.after} after the start, {self.mean:g} events a month in an area"
        )

    @property
    def source(self) -> Model:
        """The process that panels are drawn from."""
        from scipy import special  # slow to load

        n = self.n_treated + self.n_controls
        # quantiles of a normal law
        levels = self.level_sd * special.ndtri((np.arange(n) + 0.5) / n)
        # treated areas are spread over the levels, not bunched at one end
        treated = np.zeros(n, dtype=bool)
        treated[np.floor((np.arange(self.n_treated) + 0.5) * n / self.n_treated).astype(np.int64)] = True
        start = np.full(self.n_treated, self.before, dtype=np.int64)
        return Model(
            rate=self.mean * np.exp(levels),
            exposure=None,
            treated=treated,
            season=np.zeros(1),
            trend=0.0,
            common_sd=self.common_sd,
            common_persistence=self.common_persistence,
            noise=Noise(self.dispersion, self.shock_sd, self.shock_persistence),
            first=pd.Period("2024-01", "M"),
            shape=Shape(start, np.full(self.n_treated, NEVER, dtype=np.int64), self.before + self.after, 0),
            n_controls=self.n_controls,
            fixed=True,
            areas=tuple(f"area {i}" for i in range(n)),
            order=np.arange(n, dtype=np.int64),
        )
