"""One area beside the rest of the study and beside every other area."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.numerics.rates import Limits, paired_dispersion, rate_interval, ratio_interval
from svmodel.panel import Panel
from svmodel.periods import PeriodLike
from svmodel.profile.question import check, tally

#: Name of the row that sums every other area.
REST = "rest of the study"


def comparators(
    panel: Panel,
    outcome: str,
    exposure: str,
    area: str,
    *,
    per: float = 100_000,
    level: float = 0.95,
    window: tuple[PeriodLike | None, PeriodLike | None] | None = None,
) -> pd.DataFrame:
    """One area's rate beside the rest of the study and every other area.

    ``rate_ratio`` is the area's rate over the row's; below 1 means that the area has fewer harms. Its interval is
    exact given both counts' sum and widened for overdispersion, measured from the two areas' counts in the same
    periods (:func:`svmodel.numerics.rates.paired_dispersion`); the intervals of the rates themselves are the usual
    Poisson ones.

    A rank of noisy rates misleads, so the area's comes with limits: ``rank_low`` is one more than the number of
    areas whose rate is clearly higher, ``rank_high`` the number of areas less those whose rate is clearly lower, with
    "clearly" so strict (Bonferroni over all comparisons) that both limits hold together with probability `level` or
    more. Rank 1 is the highest rate.

    Parameters
    ----------
    panel : Panel
        At the level of the areas that are to be compared: aggregate small areas first.
    outcome, exposure : str
        A count and a population at risk of the panel.
    area : str
    per : float
        Rates are in events for so many person-years.
    level : float
        Coverage of the intervals.
    window : pair of period-like, optional
        First and last period, both included; the latest year where None.

    Returns
    -------
    pandas.DataFrame
        ``area, name, role, count, exposure, rate, conf_low, conf_high, method, rate_ratio, ratio_low, ratio_high,
        dispersion, rank, rank_low, rank_high, note``. First the area (``role`` "area"), then the rest ("rest"), then
        the others ("other") from the highest rate down. What cannot be known is missing and ``note`` says why; areas
        without a rate have no rank and are no part of the rest.

    Raises
    ------
    DesignError
        If the question is wrong.
    DataError
        If the window holds no period of the panel.

    References
    ----------
    Mogstad, Romano, Shaikh and Wilhelm (2024), *Review of Economic Studies* 91, 476-518 (limits of ranks).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Panel
    >>> months = pd.period_range("2024-01", periods=12, freq="M").astype(str)
    >>> frame = pd.DataFrame({"area": np.repeat(["A", "B", "C"], 12), "month": np.tile(months, 3),
    ...                       "n": np.repeat([50, 20, 22], 12), "population": 100_000})
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["n"], exposures=["population"])
    >>> comparators(panel, "n", "population", "B")[["area", "rate", "rate_ratio", "rank", "rank_low", "rank_high"]]
                    area   rate  rate_ratio  rank  rank_low  rank_high
    0                  B  240.0         NaN   3.0       2.0        3.0
    1  rest of the study  432.0    0.555556   NaN       NaN        NaN
    2                  A  600.0    0.400000   1.0       NaN        NaN
    3                  C  264.0    0.909091   2.0       NaN        NaN
    """
    check(panel, outcome, exposure, area=area, per=per, level=level)
    found = tally(panel, outcome, exposure, window)
    here = panel.areas.index(area)
    usable = ~np.isnan(found.count + found.exposure)
    others = usable & (np.arange(panel.n_areas) != here)
    counts = _with_rest(found.count, others)
    exposures = _with_rest(found.exposure, others)
    by_period = np.vstack([found.by_period, found.by_period[others].sum(axis=0)])
    if not others.any():
        counts[-1] = exposures[-1] = np.nan
    interval = rate_interval(counts, exposures, per=per, level=level)
    dispersion, df = paired_dispersion(by_period[here], by_period)
    limits = _ratio_limits(counts, exposures, here, dispersion, df, level)
    defined = ~np.isnan(interval.rate) & (interval.rate > 0)
    ratio = np.where(defined, interval.rate[here] / np.where(defined, interval.rate, 1.0), np.nan)
    frame = pd.DataFrame(
        {
            "area": [*panel.areas, REST],
            "name": [*(panel.label(a) for a in panel.areas), REST],
            "role": ["area" if i == here else "other" for i in range(panel.n_areas)] + ["rest"],
            "count": counts,
            "exposure": exposures,
            "rate": interval.rate,
            "conf_low": interval.low,
            "conf_high": interval.high,
            "method": interval.method,
            "rate_ratio": ratio,
            "ratio_low": np.where(np.isnan(ratio), np.nan, limits.low),
            "ratio_high": np.where(np.isnan(ratio), np.nan, limits.high),
            "dispersion": dispersion,
            "rank": pd.Series(interval.rate[:-1]).rank(ascending=False, method="min").reindex(range(len(counts))),
            "rank_low": np.nan,
            "rank_high": np.nan,
            "note": [*found.note, _rest_note(others)],
        }
    )
    own = ["rate_ratio", "ratio_low", "ratio_high", "dispersion"]
    frame.loc[here, own] = np.nan
    if usable[here]:
        # each comparison gets its share of the error, so that all of them hold together
        strict = 1 - (1 - level) / max(int(others.sum()), 1)
        sure = _ratio_limits(counts, exposures, here, dispersion, df, strict)
        higher, lower = (sure.high[:-1] < 1)[others].sum(), (sure.low[:-1] > 1)[others].sum()
        frame.loc[here, ["rank_low", "rank_high"]] = [1.0 + higher, float(usable.sum() - lower)]
    order = frame["role"].map({"area": 0, "rest": 1, "other": 2})
    return (
        frame.assign(_order=order)
        .sort_values(["_order", "rate", "area"], ascending=[True, False, True], ignore_index=True)
        .drop(columns="_order")
    )


def _with_rest(values: NDArray[np.float64], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.r_[values, values[others].sum()]


def _ratio_limits(
    counts: NDArray[np.float64],
    exposures: NDArray[np.float64],
    here: int,
    dispersion: NDArray[np.float64],
    df: NDArray[np.float64],
    level: float,
) -> Limits:
    return ratio_interval(
        counts[here],
        exposures[here],
        counts,
        exposures,
        level=level,
        dispersion=dispersion,
        df=np.maximum(df, 1),
    )


def _rest_note(others: NDArray[np.bool_]) -> str:
    left_out = len(others) - 1 - int(others.sum())
    if not others.any():
        return "no other area has a rate"
    if left_out:
        return f"{left_out} area{'s' if left_out > 1 else ''} without a rate left out"
    return ""
