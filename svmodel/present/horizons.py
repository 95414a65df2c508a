"""Effects by time since the start, grouped by quarter or year where there are more than a reader can take in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel.protect import CONFIDENTIAL
from svmodel.result import Result, horizons

#: Horizons that stand singly in a figure; of more than so many quarters, years.
MOST_SINGLE = 48
_NAMES = {3: "quarter", 12: "year", 4: "year", 5: "five years"}


def span_of(count: int, per_year: int) -> int:
    """Return how many periods go into one point of a figure.

    Parameters
    ----------
    count : int
        How many horizons there are.
    per_year : int
        Periods in a year.

    Examples
    --------
    >>> span_of(48, 12), span_of(96, 12), span_of(200, 12), span_of(60, 4), span_of(50, 1)
    (1, 3, 12, 4, 5)
    """
    spans = {12: (1, 3, 12), 4: (1, 4), 1: (1, 5), 52: (1, 4, 13, 52), 365: (1, 7, 28, 91, 364)}.get(per_year, (1, 5))
    return next((s for s in spans if count <= s * MOST_SINGLE), spans[-1])


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

    :func:`svmodel.result.horizons.grouped` after disclosure control.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of one term and scale, after disclosure control: ``horizon, estimate, conf_low, conf_high, estimate_flag``.
    result : Result
        Whose covariance of horizons is used.
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
    made = horizons.grouped(rows, result.joint, span, ratio=ratio).table.drop(columns="std_error")
    hidden = rows.loc[rows["estimate_flag"] == CONFIDENTIAL, "horizon"].astype(int) // span * span
    made["estimate_flag"] = np.where(made["horizon"].isin(hidden), CONFIDENTIAL, "")
    made.loc[made["horizon"].isin(hidden), ["estimate", "conf_low", "conf_high"]] = np.nan
    return made
