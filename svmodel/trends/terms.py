"""The columns of a trend regression: level, change per year, season, declared breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel import periods
from svmodel.breaks import Break

if TYPE_CHECKING:
    import pandas as pd


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_QUARTERS = ("Jan to Mar", "Apr to Jun", "Jul to Sep", "Oct to Dec")


def season_of(index: pd.PeriodIndex) -> NDArray[np.int64]:
    """Return the season of each period, from 0: month of the year (of a week that of its end), quarter, or 0."""
    if len(season_labels(index)) == 12:
        return np.asarray(index.month, dtype=np.int64) - 1
    if periods.per_year(index) == 4:
        return np.asarray(index.quarter, dtype=np.int64) - 1
    return np.zeros(len(index), dtype=np.int64)


def season_labels(index: pd.PeriodIndex) -> tuple[str, ...]:
    """Return the names of the seasons."""
    return {12: _MONTHS, 52: _MONTHS, 4: _QUARTERS}.get(periods.per_year(index), ())


def season_contrast(seasons: int) -> NDArray[np.float64]:
    """Return the (seasons, seasons - 1) matrix that makes effects sum to zero on the log scale."""
    return np.vstack([np.eye(seasons - 1), -np.ones(seasons - 1)])


@dataclass(frozen=True, eq=False)
class Terms:
    """The regressors of every period of a panel, and where each term stands in them.

    Attributes
    ----------
    X : ndarray, shape (n_periods, K)
    season : slice
        Columns of the season effects; empty where the model has none.
    breaks : slice
        One column a break.
    """

    X: NDArray[np.float64]
    season: slice
    breaks: slice


def build_terms(index: pd.PeriodIndex, breaks: tuple[Break, ...], *, with_season: bool) -> Terms:
    """Return the columns: level, years from the middle of the series, season contrasts, steps.

    Parameters
    ----------
    index : pandas.PeriodIndex
    breaks : tuple of Break
    with_season : bool
        Whether season effects are fitted (never for yearly data).
    """
    seasons = len(season_labels(index))
    position = np.arange(len(index))
    columns = [np.ones(len(index)), (position - position.mean()) / periods.year_length(index)]
    if with_season and seasons:
        columns.extend(season_contrast(seasons)[season_of(index)].T)
    first_break = len(columns)
    for change in breaks:
        start, stop = change.within(index)
        columns.append(((position >= start) & (position < (len(index) if stop is None else stop))).astype(float))
    return Terms(np.column_stack(columns), slice(2, first_break), slice(first_break, len(columns)))
