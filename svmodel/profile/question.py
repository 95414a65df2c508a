"""Checks and counting that every table of the profile begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DesignError, Problems, did_you_mean, shorten
from svmodel.panel import Panel
from svmodel.periods import PeriodLike

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts and person-years of every area over a window.

    Attributes
    ----------
    periods : pandas.PeriodIndex
        Of the window; K of them.
    by_period : ndarray, shape (n_areas, K)
        Counts by period.
    count : ndarray, shape (n_areas,)
        NaN where any period's count is missing.
    exposure : ndarray, shape (n_areas,)
        Average population times years; NaN where any is missing.
    note : tuple of str, length n_areas
        Why count or exposure is missing; empty where neither is.
    """

    periods: pd.PeriodIndex
    by_period: NDArray[np.float64]
    count: NDArray[np.float64]
    exposure: NDArray[np.float64]
    note: tuple[str, ...]


def check(
    panel: Panel,
    outcome: str,
    exposure: str | None = None,
    *,
    area: str | None = None,
    level: float = 0.95,
    per: float = 1.0,
    width: int | None = None,
) -> None:
    """Raise a DesignError with everything that is wrong with a question to the profile."""
    problems = Problems()
    if outcome not in panel.counts:
        fix = did_you_mean(outcome, panel.counts)
        problems.add(f"{outcome!r} is no count of the panel", fix=fix, rule="unknown_outcome")
    if exposure is not None and exposure not in panel.exposures:
        fix = did_you_mean(exposure, panel.exposures)
        problems.add(f"{exposure!r} is no exposure of the panel", fix=fix, rule="unknown_exposure")
    if area is not None and area not in panel.areas:
        if area in panel.reporting_areas:
            fix = "It is a reporting area: give panel.aggregate('parent')."
        else:
            fix = did_you_mean(area, panel.areas)
        problems.add(f"{area!r} is no area of the panel", fix=fix, rule="unknown_area")
    if not 0 < level < 1:
        problems.add(f"the level {level} is not between 0 and 1", fix="Write 0.95 for 95%.", rule="level")
    if not (np.isfinite(per) and per > 0):
        problems.add(f"rates cannot be per {per}", fix="Give a number above 0.", rule="per")
    if width is not None and (isinstance(width, bool) or width != int(width) or width < 1):
        problems.add(f"{width!r} is no number of periods", fix="Write 12 for a year of months.", rule="width")
    problems.raise_if_any(DesignError, "the profile cannot be made")


def latest_year(panel: Panel) -> tuple[pd.Period, pd.Period]:
    """Return the first and last period of the panel's latest year (12 months, 4 quarters, 1 year)."""
    n = min(periods.per_year(panel.periods), panel.n_periods)
    return panel.periods[-n], panel.periods[-1]


def tally(
    panel: Panel,
    outcome: str,
    exposure: str | None,
    window: tuple[PeriodLike | None, PeriodLike | None] | None,
) -> Tally:
    """Count events and person-years over a window, the latest year where None.

    A year that the panel does not fully hold is the panel itself. A missing period makes the area's count
    missing: a sum of eleven months is no year.
    """
    part = panel.select(window=latest_year(panel) if window is None else window)
    counts = part.matrix(outcome)
    years = part.n_periods / periods.per_year(part.periods)
    population = np.full_like(counts, np.nan) if exposure is None else part.matrix(exposure)
    notes = []
    for i in range(part.n_areas):
        gaps = [periods.label(p) for p in part.periods[np.isnan(counts[i])]]
        text = f"no count in {shorten(gaps, limit=3)}" if gaps else ""
        if exposure is not None and np.isnan(population[i]).any():
            text += f"{'; ' if text else ''}{exposure} is missing in part"
        notes.append(text)
    return Tally(part.periods, counts, counts.sum(axis=1), population.mean(axis=1) * years, tuple(notes))
