"""Summing a panel over areas or over time without ever making a partial sum look whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from svmodel.errors import DataError
from svmodel.periods import FREQUENCIES, describe_frequency, label, per_year

if TYPE_CHECKING:
    from svmodel.panel import Panel


def _whole_sum(group: pd.api.typing.SeriesGroupBy) -> pd.Series:
    """Sum by group; missing where any part is missing."""
    return group.sum().where(group.count() == group.size())


def over_areas(panel: Panel, group: Mapping[str, str]) -> Panel:
    """Sum counts and exposures over the areas of each group; average measures and covariates."""
    frame = panel.to_frame()
    frame["area"] = frame["area"].map(dict(group))
    keys = ["area", "period"]
    grouped = frame.groupby(keys, sort=True, observed=True)
    out = grouped.size().reset_index()[keys]
    for column in (*panel.counts, *panel.exposures):
        out[column] = _whole_sum(grouped[column]).to_numpy()
    for column in (*panel.measures, *panel.covariates):
        out[column] = grouped[column].mean().to_numpy()
    return replace(
        panel,
        _frame=out[["area", "period", *panel.columns]],
        areas=tuple(out["area"].unique()),
        parents={},
        ledger=panel.ledger.add("noted", len(frame), f"summed from {panel.n_areas} areas", rule="aggregated"),
    )


def over_time(panel: Panel, frequency: str) -> Panel:
    """Sum counts over the periods of each longer period; average exposures, measures and covariates."""
    word, own = FREQUENCIES[frequency], describe_frequency(panel.periods)
    if frequency != panel.periods.freqstr and per_year(panel.periods) <= per_year(pd.PeriodIndex([], freq=frequency)):
        raise DataError(f"a {word} is not made up of {own}s, which is what the panel holds")
    frame = panel.to_frame()
    longer = pd.PeriodIndex(frame["period"]).asfreq(frequency)
    wanted = per_year(panel.periods) // per_year(pd.PeriodIndex([], freq=frequency))
    parts = pd.Series(panel.periods.asfreq(frequency)).value_counts()
    whole = parts.index[parts == wanted]
    if whole.empty:
        span = f"{label(panel.periods[0])} to {label(panel.periods[-1])}"
        raise DataError(f"no {word} is covered in full: the panel runs from {span}")
    ledger = panel.ledger
    dropped = int((~longer.isin(whole)).sum())
    if dropped:
        ledger = ledger.add("dropped", dropped, f"the {word} is covered only in part", rule="partial_period")
    frame = frame.assign(period=longer)[longer.isin(whole)]
    grouped = frame.groupby(["area", "period"], sort=True, observed=True)
    out = grouped.size().reset_index()[["area", "period"]]
    for column in panel.counts:
        out[column] = _whole_sum(grouped[column]).to_numpy()
    for column in (*panel.measures, *panel.exposures, *panel.covariates):
        out[column] = grouped[column].mean().to_numpy()
    return replace(
        panel,
        _frame=out[["area", "period", *panel.columns]],
        areas=tuple(out["area"].unique()),
        periods=pd.PeriodIndex(sorted(whole), freq=frequency),
        ledger=ledger,
    )
