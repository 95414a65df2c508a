"""Summing a grid over areas or over time without ever making a partial sum look whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from svmodel.errors import DataError
from svmodel.periods import FREQUENCIES, describe_frequency, has_weeks, label, per_year


def _summed(frame: pd.DataFrame, whole: Sequence[str], averaged: Sequence[str]) -> pd.DataFrame:
    """Return sums of `whole` by area and period, missing where any part is missing, and means of `averaged`."""
    grouped = frame.groupby(["area", "period"], sort=True, observed=True)
    out = grouped.size().reset_index()[["area", "period"]]
    for column in whole:
        parts = grouped[column]
        out[column] = parts.sum().where(parts.count() == parts.size()).to_numpy()
    for column in averaged:
        out[column] = grouped[column].mean().to_numpy()
    return out


def over_areas(
    frame: pd.DataFrame, group: Mapping[str, str], whole: Sequence[str], averaged: Sequence[str]
) -> pd.DataFrame:
    """Sum `whole` over the areas of each group; average the others."""
    return _summed(frame.assign(area=frame["area"].map(dict(group))), whole, averaged)


def over_time(
    frame: pd.DataFrame, periods: pd.PeriodIndex, frequency: str, whole: Sequence[str], averaged: Sequence[str]
) -> tuple[pd.DataFrame, pd.PeriodIndex, int]:
    """Sum `whole` over the periods of each longer period and average the others.

    Returns
    -------
    DataFrame, PeriodIndex, int
        The grid, its periods, and the rows of longer periods that are covered only in part and were left out.
    """
    word, own = FREQUENCIES[frequency], describe_frequency(periods)
    longer_than = per_year(periods) > per_year(pd.PeriodIndex([], freq=frequency))
    if frequency != periods.freqstr and not (longer_than and (periods.freqstr == "D" or not has_weeks(periods))):
        raise DataError(f"a {word} is not made up of {own}s, which is what the panel holds")
    longer = pd.PeriodIndex(frame["period"]).asfreq(frequency)
    whole_span = periods.asfreq(frequency).unique()
    inside = (whole_span.start_time >= periods[0].start_time) & (whole_span.end_time <= periods[-1].end_time)
    full = whole_span[inside]
    if full.empty:
        span = f"{label(periods[0])} to {label(periods[-1])}"
        raise DataError(f"no {word} is covered in full: the panel runs from {span}")
    kept = longer.isin(full)
    out = _summed(frame.assign(period=longer)[kept], whole, averaged)
    return out, pd.PeriodIndex(sorted(full), freq=frequency), int((~kept).sum())
