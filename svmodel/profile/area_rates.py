"""Rates by area with their intervals, and rolling years."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.numerics.rates import rate_interval
from svmodel.panel import Panel
from svmodel.periods import PeriodLike
from svmodel.profile.question import check, tally


def rates(
    panel: Panel,
    outcome: str,
    exposure: str,
    *,
    per: float = 100_000,
    level: float = 0.95,
    window: tuple[PeriodLike | None, PeriodLike | None] | None = None,
) -> pd.DataFrame:
    """Rate of every area over a window, with its interval.

    Parameters
    ----------
    panel : Panel
    outcome : str
        A count of the panel.
    exposure : str
        A population at risk; person-years are its average times the window's years.
    per : float
        The rate is in events for so many person-years.
    level : float
        Coverage of the interval.
    window : pair of period-like, optional
        First and last period, both included; the latest year (12 months, 4 quarters) where None.

    Returns
    -------
    pandas.DataFrame
        ``area, count, exposure, rate, conf_low, conf_high, method, note``; one row an area. The interval is
        exact Poisson below 10 events and Byar's from 10 up. A missing period makes the area's count and rate missing
        and ``note`` says which.

    Raises
    ------
    DesignError
        If the panel has no such outcome or exposure, or level or `per` is none.
    DataError
        If the window holds no period of the panel.

    References
    ----------
    Public Health England (2018), *Technical guide: confidence intervals*.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2024-01", periods=12, freq="M").astype(str)
    >>> frame = pd.DataFrame({"area": "A", "month": months, "n": 5, "population": 60_000})
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"], exposures=["population"])
    >>> rates(panel, "n", "population")[["count", "rate", "conf_low", "conf_high"]].round(1).values.tolist()
    [[60.0, 100.0, 76.3, 128.7]]
    """
    check(panel, outcome, exposure, level=level, per=per)
    found = tally(panel, outcome, exposure, window)
    interval = rate_interval(found.count, found.exposure, per=per, level=level)
    return pd.DataFrame(
        {
            "area": list(panel.areas),
            "count": found.count,
            "exposure": found.exposure,
            "rate": interval.rate,
            "conf_low": interval.low,
            "conf_high": interval.high,
            "method": interval.method,
            "note": list(found.note),
        }
    )


def rolling(
    panel: Panel,
    outcome: str,
    exposure: str | None = None,
    *,
    width: int | None = None,
    per: float = 100_000,
) -> pd.DataFrame:
    """Sum and rate of the `width` periods up to each period.

    Parameters
    ----------
    panel : Panel
    outcome : str
        A count of the panel.
    exposure : str, optional
        A population at risk; rates are missing without one.
    width : int, optional
        Periods in a sum; one year (12 months, 4 quarters) where None.
    per : float
        The rate is in events for so many person-years.

    Returns
    -------
    pandas.DataFrame
        ``area, period, count, exposure, rate``; ``period`` is the last of each sum. The first ``width - 1`` periods
        have no row. A sum that would reach across a missing period is missing.

    Raises
    ------
    DesignError
        If the question is wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2024-01", periods=14, freq="M").astype(str)
    >>> frame = pd.DataFrame({"area": "A", "month": months, "n": range(14)})
    >>> rolling(Panel.from_frame(frame, area="area", period="month", counts=["n"]), "n")["count"].tolist()
    [66.0, 78.0, 90.0]
    """
    check(panel, outcome, exposure, per=per, width=width)
    per_year = periods.per_year(panel.periods)
    width = per_year if width is None else int(width)
    counts = panel.matrix(outcome)
    population = np.full_like(counts, np.nan) if exposure is None else panel.matrix(exposure)
    ends = panel.periods[width - 1 :]
    if len(ends):
        view = np.lib.stride_tricks.sliding_window_view
        count = view(counts, width, axis=1).sum(axis=-1)
        person_years = view(population, width, axis=1).mean(axis=-1) * width / per_year
    else:
        count = person_years = np.empty((panel.n_areas, 0))
    return pd.DataFrame(
        {
            "area": np.repeat(np.array(panel.areas, dtype=object), len(ends)),
            "period": pd.PeriodIndex(np.tile(ends, panel.n_areas), freq=panel.periods.freqstr),
            "count": count.ravel(),
            "exposure": person_years.ravel(),
            "rate": (count / person_years * per).ravel(),
        }
    )
