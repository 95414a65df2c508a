"""Effects by time since the start, grouped by quarter or year where there are more than a reader can take in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.errors import EstimationError
from svmodel.protect import CONFIDENTIAL
from svmodel.result import JointEstimate, Result

#: Horizons that stand singly in a figure; of more than so many quarters, years.
MOST_SINGLE = 48
_NAMES = {3: "quarter", 12: "year", 4: "year", 5: "five years"}


def span_of(horizons: int, per_year: int) -> int:
    """Return how many periods go into one point of a figure.

    Parameters
    ----------
    horizons : int
        How many there are.
    per_year : int
        Periods in a year.

    Examples
    --------
    >>> span_of(48, 12), span_of(96, 12), span_of(200, 12), span_of(60, 4), span_of(50, 1)
    (1, 3, 12, 4, 5)
    """
    spans = {12: (1, 3, 12), 4: (1, 4), 1: (1, 5), 52: (1, 4, 13, 52), 365: (1, 7, 28, 91, 364)}.get(per_year, (1, 5))
    return next((s for s in spans if horizons <= s * MOST_SINGLE), spans[-1])


def span_name(span: int, per_year: int, per: str) -> str:
    """Return the word for one group: quarter, year, or how many periods.

    Examples
    --------
    >>> span_name(3, 12, "month"), span_name(4, 4, "quarter"), span_name(5, 1, "year")
    ('quarter', 'year', 'five years')
    """
    if (span, per_year) == (7, 365):
        return "week"
    if (span, per_year) in ((3, 12), (12, 12), (4, 4), (5, 1)):
        return _NAMES[span]
    return per if span == 1 else f"{span} {per}s"


def grouped(rows: pd.DataFrame, result: Result, span: int, *, ratio: bool) -> pd.DataFrame:
    """Return the mean effect of each group of horizons, every known horizon in it alike.

    Groups are counted from the start, so that none holds horizons of both sides. A ratio is averaged on the log scale.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of one term and scale, after disclosure control: ``horizon, estimate, conf_low, conf_high, estimate_flag``.
    result : Result
        Whose covariance of horizons is used. Where it gives none of a group, the group's limits are the means of its
        horizons' limits: as wide as any dependence between them could make it.
    span : int
        Periods in a group.
    ratio : bool
        Whether estimates are ratios.

    Returns
    -------
    pandas.DataFrame
        ``horizon`` (the group's first), ``until`` (its last), ``horizons`` (how many are known), ``estimate``,
        ``conf_low``, ``conf_high``, ``estimate_flag``. A group with a hidden horizon is hidden; one with none known has
        no estimate; a horizon without limits, such as the reference, is left out where others have some.
    """
    made = []
    covariance = _covariances(result.joint, ratio=ratio)
    bounded = ~np.isnan(_numbers(rows, ratio)).any(axis=1)
    for group, part in rows.groupby(rows["horizon"].astype(int) // span, sort=True):
        numbers = _numbers(part, ratio)
        known = ~np.isnan(numbers[:, 0]) & (~np.isnan(numbers).any(axis=1) | (not bounded.any()))
        hidden = bool((part["estimate_flag"] == CONFIDENTIAL).any())
        one: dict[str, Any] = {
            "horizon": int(group) * span,
            "until": int(group) * span + span - 1,
            "horizons": int(known.sum()),
            "estimate": np.nan,
            "conf_low": np.nan,
            "conf_high": np.nan,
            "estimate_flag": CONFIDENTIAL if hidden else "",
        }
        if known.any() and not hidden:
            middle, low, high = _mean(part["horizon"].to_numpy()[known].astype(int), numbers[known], covariance)
            one |= {
                name: float(np.exp(v)) if ratio else float(v)
                for name, v in (("estimate", middle), ("conf_low", low), ("conf_high", high))
            }
        made.append(one)
    if not made:
        raise EstimationError("there are no effects by time since the start to group")
    return pd.DataFrame(made)


def _numbers(rows: pd.DataFrame, ratio: bool) -> NDArray[np.float64]:
    values = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values) if ratio else values


def _covariances(joint: JointEstimate | None, *, ratio: bool) -> pd.DataFrame | None:
    """Return the covariance of horizons by horizon, where the result gives it on the scale that is drawn."""
    if joint is None or (joint.scale == "log_rate_ratio") != ratio:
        return None
    own = (joint.index["term"] == "event").to_numpy()
    names = joint.index.loc[own, "horizon"].astype(int)
    if names.duplicated().any():
        return None
    return pd.DataFrame(joint.covariance[np.ix_(own, own)], index=names, columns=names)


def _mean(
    horizons: NDArray[np.int_], numbers: NDArray[np.float64], covariance: pd.DataFrame | None
) -> tuple[float, float, float]:
    middle, low, high = numbers.mean(axis=0)
    if (
        covariance is None
        or len(horizons) == 1
        or not np.isfinite(middle)
        or not set(horizons) <= set(covariance.index)
    ):
        return float(middle), float(low), float(high)
    held = covariance.loc[horizons, horizons].to_numpy()
    single = np.sqrt(np.diag(held))
    error = float(np.sqrt(max(held.mean(), 0.0)))
    # the limits of single horizons say how many standard errors a limit is away, on either side
    if not (single > 0).all():
        return float(middle), float(low), float(high)
    down, up = np.median((numbers[:, 0] - numbers[:, 1]) / single), np.median((numbers[:, 2] - numbers[:, 0]) / single)
    return float(middle), float(middle - down * error), float(middle + up * error)
