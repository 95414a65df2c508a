"""The latest year against the year before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.errors import DesignError
from svmodel.numerics.rates import paired_dispersion, ratio_interval
from svmodel.panel import Panel
from svmodel.profile.question import check, tally


def change(
    panel: Panel, outcome: str, exposure: str | None = None, *, per: float = 100_000, level: float = 0.95
) -> pd.DataFrame:
    """Rate ratio of the latest year to the year before, area by area; below 1 means fewer harms.

    The interval is the exact one given the sum of both years (Clopper-Pearson), widened for overdispersion. Plain
    Poisson limits would call every second change real, since violence comes in clusters: the widening factor is
    measured in the area's own counts, from the scatter of this year's months about the same months of last
    year, so that neither season nor the change itself counts as scatter
    (:func:`svmodel.numerics.rates.paired_dispersion`), and it is allowed for that it is estimated from 11 degrees of
    freedom (Student's t). It cannot see what moves all months of a year together, so where months follow each other
    closely the interval is still somewhat too narrow; :func:`svmodel.trends.fit_trend` allows for that.

    Parameters
    ----------
    panel : Panel
    outcome : str
        A count of the panel.
    exposure : str, optional
        A population at risk; the ratio is one of counts without it.
    per : float
        Rates are in events for so many person-years.
    level : float
        Coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        ``area, count, count_before, rate, rate_before, rate_ratio, conf_low, conf_high, percent_change, percent_low,
        percent_high, dispersion, note``. Ratios are missing where a period is missing in either year, or where
        the year before had no event; ``note`` says so. Yearly data have one pair, which tells no
        dispersion: their intervals are plain Poisson ones, and ``note`` says that.

    Raises
    ------
    DesignError
        If the question is wrong, or the panel is shorter than two years.

    References
    ----------
    Przyborowski and Wilenski (1940), *Biometrika* 31, 313-323; McCullagh and Nelder (1989), *Generalized Linear
    Models*, section 4.5.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2023-01", periods=24, freq="M").astype(str)
    >>> frame = pd.DataFrame({"area": "A", "month": months, "n": [20] * 12 + [15] * 12})
    >>> found = change(Panel.from_frame(frame, area="area", period="month", counts=["n"]), "n")
    >>> found[["percent_change", "percent_low", "percent_high"]].round(1).values.tolist()
    [[-25.0, -38.5, -8.6]]
    """
    check(panel, outcome, exposure, per=per, level=level)
    year = periods.per_year(panel.periods)
    if panel.n_periods < 2 * year:
        word = periods.describe_frequency(panel.periods)
        raise DesignError(f"a change needs two years, {2 * year} {word}s; the panel has {panel.n_periods}")
    ends = panel.periods
    now = tally(panel, outcome, exposure, (ends[-year], ends[-1]))
    before = tally(panel, outcome, exposure, (ends[-2 * year], ends[-year - 1]))
    size, size_before = (np.ones(panel.n_areas) if exposure is None else t.exposure for t in (now, before))
    dispersion, df = paired_dispersion(now.by_period, before.by_period)
    limits = ratio_interval(
        now.count, size, before.count, size_before, level=level, dispersion=dispersion, df=np.maximum(df, 1)
    )
    some = before.count > 0
    ratio = np.where(some, (now.count / size) / np.where(some, before.count / size_before, 1.0), np.nan)
    known = ~np.isnan(ratio)
    low, high = np.where(known, limits.low, np.nan), np.where(known, limits.high, np.nan)
    return pd.DataFrame(
        {
            "area": list(panel.areas),
            "count": now.count,
            "count_before": before.count,
            "rate": now.count / now.exposure * per,
            "rate_before": before.count / before.exposure * per,
            "rate_ratio": ratio,
            "conf_low": low,
            "conf_high": high,
            "percent_change": 100 * (ratio - 1),
            "percent_low": 100 * (low - 1),
            "percent_high": 100 * (high - 1),
            "dispersion": np.where(known, dispersion, np.nan),
            "note": [
                _note(n, b, events, phi)
                for n, b, events, phi in zip(now.note, before.note, before.count, dispersion, strict=True)
            ],
        }
    )


def _note(now: str, before: str, events_before: float, dispersion: float) -> str:
    if now or before:
        return "; ".join(dict.fromkeys(n for n in (now, before) if n))
    if events_before == 0:
        return "no event in the year before, so there is no ratio"
    if np.isnan(dispersion):
        return "too few periods to measure overdispersion: the interval is a plain Poisson one"
    return ""
