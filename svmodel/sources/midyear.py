"""Mid-year population estimates carried to the months, quarters or years of a panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError
from svmodel.ledger import LedgerEntry


def _middle(index: pd.PeriodIndex) -> NDArray[np.float64]:
    """Return the middle of each period in years, where a whole number y is 30 June of year y."""
    months = {"M": 1, "Q-DEC": 3}.get(index.freqstr, 12)
    last = index.asfreq("M", how="end")
    # A month number counts ends of months; 30 June of year y is the end of month 12 y + 6.
    ends = last.year.to_numpy() * 12.0 + last.month.to_numpy()
    return np.asarray((ends - months / 2 - 6) / 12)


def interpolate(years: NDArray[np.float64], values: NDArray[np.float64], index: pd.PeriodIndex) -> NDArray[np.float64]:
    """Return the population in the middle of each period, on straight lines between 30 Junes.

    Parameters
    ----------
    years : ndarray, shape (n,)
        Years of the mid-year estimates, in rising order.
    values : ndarray, shape (n,)
        Persons on 30 June of each year.
    index : pandas.PeriodIndex, shape (m,)
        Months, quarters, years or financial years.

    Returns
    -------
    ndarray, shape (m,)
        Persons. Before the first and after the last estimate, that estimate is held.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> months = pd.period_range("2020-06", "2020-07", freq="M")
    >>> interpolate(np.array([2020.0, 2021.0]), np.array([1200.0, 1440.0]), months)
    array([1200., 1210.])
    """
    return np.interp(_middle(index), years, values)


def at_periods(
    population: pd.DataFrame, keys: pd.Series, index: pd.PeriodIndex, *, key: str, year: str, value: str, where: str
) -> tuple[NDArray[np.float64], list[LedgerEntry]]:
    """Return the population of each row's area in the middle of each row's period.

    Parameters
    ----------
    population : pandas.DataFrame
        One row for an area and year: columns `key`, `year` and `value`.
    keys : pandas.Series, shape (n,)
        Area of each row, in the words of column `key`.
    index : pandas.PeriodIndex, shape (n,)
        Period of each row.
    key, year, value : str
        Columns of `population`.
    where : str
        File, for the ledger.

    Returns
    -------
    values : ndarray, shape (n,)
        Persons; NaN for an area that `population` lacks.
    entries : list of LedgerEntry
        How many rows hold the first or the last estimate, since no other is known.

    Raises
    ------
    DataError
        If a year is no year.
    """
    numbers = pd.to_numeric(population[year], errors="coerce")
    if numbers.isna().any():
        odd = population[year][numbers.isna()].iloc[0]
        raise DataError(f"{where}, column {year!r}: {odd!r} is no year")
    years = numbers.to_numpy(dtype=float)
    persons = pd.to_numeric(population[value], errors="coerce").to_numpy(dtype=float)
    usable = np.isfinite(persons)
    out = np.full(len(keys), np.nan)
    middles = _middle(index)
    known = {k: np.asarray(v) for k, v in population[usable].groupby(key).indices.items()}
    positions = np.flatnonzero(usable)
    for name, rows in keys.groupby(keys).indices.items():
        if name not in known:
            continue
        at = positions[known[name]]
        order = at[np.argsort(years[at])]
        out[rows] = np.interp(middles[rows], years[order], persons[order])
    entries: list[LedgerEntry] = []
    found = np.isfinite(out)
    if usable.any():
        first, last = int(years[usable].min()), int(years[usable].max())
        ends = ((middles > last, last, "after", "last"), (middles < first, first, "before", "first"))
        for mask, edge, side, word in ends:
            held = int((mask & found).sum())
            if held:
                which = index[mask & found]
                span = f"{periods.label(which.min())} to {periods.label(which.max())}"
                reason = f"no mid-year population {side} mid-{edge}; {span} hold the {word} one"
                entries.append(LedgerEntry("noted", held, reason, where, "population_held"))
    return out, entries
