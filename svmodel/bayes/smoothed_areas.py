"""What a small-area trend answers: smoothed rates with raw ones, exceedance, ranks, the trend, the map's share."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import Posterior
from svmodel.numerics.arrays import Floats
from svmodel.panel import Panel
from svmodel.result.as_json import plain

_FORMAT = "svmodel-smoothed-areas-1"
_RATE = ("rate", "conf_low", "conf_high")
_MEANING = {
    "area_sd": "standard deviation between areas (log scale)",
    "area_share": "share of the variance between areas that follows borders",
    "period_sd": "standard deviation of a step of the trend (log scale)",
    "interaction_sd": "standard deviation of an area's departure in a single period (log scale)",
    "overdispersion": "coefficient of variation of the shock that each count meets",
}


@dataclass(frozen=True, eq=False, repr=False)
class SmoothedAreas:
    """What :class:`~svmodel.bayes.SmallAreaTrend` answers.

    Rates are posterior medians with equal-tailed intervals, in events per `per` of the exposure in a period.

    Attributes
    ----------
    outcome, exposure : str
    per, level : float
    rates : pandas.DataFrame
        ``area, period, count, exposure, raw, rate, conf_low, conf_high, prob_above``; a row for each area and period.
        ``prob_above`` is the probability that the rate lies above the threshold.
    areas : pandas.DataFrame
        ``area, count, exposure, raw, rate, conf_low, conf_high, prob_above, raw_rank, rank, rank_low, rank_high``, over
        the window. ``count`` and ``exposure`` are those of the periods in which both are known, ``raw`` their ratio.
        Rank 1 has the highest rate; ``rank`` is the median over draws.
    trend : pandas.DataFrame
        ``period, count, exposure, raw, rate, conf_low, conf_high, ratio, ratio_low, ratio_high`` of all areas together;
        ``ratio`` is to the geometric mean of the smoothed rates of the periods.
    spread : pandas.DataFrame
        ``parameter, meaning, estimate, conf_low, conf_high, prior``.
    threshold : float
        Rate that ``prob_above`` is about.
    threshold_is : str
        Where it comes from.
    share_by_borders : float
        Posterior median of the share of the variance between areas that follows borders; NaN where no borders were
        given.
    diagnostics : mapping
    notes : tuple of str
    estimator : SmallAreaTrend
    model : LatentModel
    posterior : Posterior
    """

    outcome: str
    exposure: str
    per: float
    level: float
    threshold: float
    threshold_is: str
    share_by_borders: float
    rates: pd.DataFrame
    areas: pd.DataFrame
    trend: pd.DataFrame
    spread: pd.DataFrame
    diagnostics: Mapping[str, Any]
    notes: tuple[str, ...]
    estimator: Any
    model: LatentModel = field(repr=False)
    posterior: Posterior = field(repr=False)

    def __str__(self) -> str:
        above = int((self.areas["prob_above"] > 0.95).sum())
        text = (
            f"{self.outcome} per {self.per:,.0f} {self.exposure} in {len(self.areas):,} areas and {len(self.trend):,} "
            f"periods: {above:,} areas above {self.threshold:.3g} ({self.threshold_is}) with a probability above 95%"
        )
        if math.isnan(self.share_by_borders):
            return text
        row = self.spread.set_index("parameter").loc["area_share"]
        return (
            f"{text}; {self.share_by_borders:.0%} of the variance between areas follows borders "
            f"({row['conf_low']:.0%} to {row['conf_high']:.0%})"
        )

    def __repr__(self) -> str:
        return f"<SmoothedAreas: {self}>"

    def to_json(self) -> str:
        """Return everything but the draws as JSON; missing numbers are null."""
        left_out = ("estimator", "model", "posterior")
        held = {f.name: plain(vars(self)[f.name]) for f in fields(self) if f.name not in left_out}
        choices = {"class": type(self.estimator).__name__, **plain(self.estimator)}
        return json.dumps({"format": _FORMAT, **held, "estimator": choices})


def smoothed(
    y: Floats,
    people: Floats,
    panel: Panel,
    model: LatentModel,
    posterior: Posterior,
    *,
    threshold: float | None,
    per: float,
    level: float,
) -> dict[str, Any]:
    """Return the tables of an answer from draws, one area at a time: all cells at once would not fit in memory.

    Parameters
    ----------
    y, people : ndarray, shape (N, T)
        Counts and exposure.
    panel : Panel
        Its areas and periods are those of the model.
    model : LatentModel
    posterior : Posterior
    threshold : float or None
        Rate that areas are held against; that of all areas together where None.
    per, level : float
        As of the answer.

    Returns
    -------
    dict
        Fields of :class:`SmoothedAreas`.
    """
    known = model.known
    counted, at_risk = np.where(known, y, 0.0), np.where(known, people, 0.0)
    threshold_is = "given"
    if threshold is None:
        threshold = per * float(counted.sum() / at_risk.sum())
        threshold_is = "the raw rate of all areas together over the window"
    weight = np.where(people > 0, people, 0.0)
    N, T = y.shape
    over_time, together = np.empty((posterior.size, N)), np.zeros((posterior.size, T))
    summary = np.empty((4, N, T))
    for i in range(N):
        rate = per * _rates(model, posterior, i)
        summary[:, i] = [*_limits(rate, level), (rate > threshold).mean(axis=0)]
        # an area whose exposure is never known counts every period alike
        share = weight[i] / weight[i].sum() if weight[i].any() else np.full(T, 1 / T)
        over_time[:, i] = rate @ share
        together += rate * weight[i]
    with np.errstate(invalid="ignore", divide="ignore"):
        by_period = together / weight.sum(axis=0)
        raw = per * np.where(known, y / people, np.nan)
        raw_area = per * counted.sum(axis=1) / at_risk.sum(axis=1)
        raw_period = per * counted.sum(axis=0) / at_risk.sum(axis=0)
    names, when = np.array(panel.areas, dtype=object), np.array(list(panel.periods), dtype=object)
    rates = {
        "area": np.repeat(names, T),
        "period": np.tile(when, N),
        "count": y.ravel(),
        "exposure": people.ravel(),
        "raw": raw.ravel(),
        **dict(zip((*_RATE, "prob_above"), (part.ravel() for part in summary), strict=True)),
    }
    hyper = posterior.hyper
    return {
        "threshold": threshold,
        "threshold_is": threshold_is,
        "share_by_borders": float(np.median(hyper["area_share"])) if "area_share" in hyper else math.nan,
        "rates": pd.DataFrame(rates),
        "areas": _areas(names, counted, at_risk, raw_area, over_time, threshold, level),
        "trend": _trend(when, counted, at_risk, raw_period, by_period, level),
        "spread": _spread(model, posterior, level),
    }


def _rates(model: LatentModel, posterior: Posterior, i: int) -> Floats:
    """Return draws of an area's rates per unit of exposure, shape (S, T)."""
    T = model.y.shape[1]
    eta = posterior.effects["intercept"] + posterior.effects["area"][:, [i]] + np.zeros(T)
    if "period" in posterior.effects:
        eta += posterior.effects["period"]
    if "interaction" in posterior.effects:
        eta += posterior.effects["interaction"][:, i * T : (i + 1) * T]
    return np.asarray(1 / (1 + np.exp(-eta)) if model.family == "binomial" else np.exp(eta))


def _limits(draws: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Return median and limits over draws."""
    # one sort for all three: a third of the time that np.quantile takes over thousands of cells
    ordered, last = np.sort(draws, axis=0), len(draws) - 1
    out = []
    for share in (0.5, 0.5 - level / 2, 0.5 + level / 2):
        below = int(share * last)
        above = min(below + 1, last)
        out.append(ordered[below] + (share * last - below) * (ordered[above] - ordered[below]))
    return out[0], out[1], out[2]


def _areas(
    names: NDArray[Any], counted: Floats, at_risk: Floats, raw: Floats, draws: Floats, threshold: float, level: float
) -> pd.DataFrame:
    # ties have no probability but where two areas have no data at all
    rank = (-draws).argsort(axis=1, kind="stable").argsort(axis=1) + 1
    tail = 0.5 - level / 2
    quantiles = np.quantile(rank, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    return pd.DataFrame(
        {
            "area": names,
            "count": counted.sum(axis=1),
            "exposure": at_risk.sum(axis=1),
            "raw": raw,
            **dict(zip(_RATE, _limits(draws, level), strict=True)),
            "prob_above": (draws > threshold).mean(axis=0),
            "raw_rank": pd.Series(raw).rank(ascending=False, method="min"),
            "rank": quantiles[1],
            "rank_low": quantiles[0],
            "rank_high": quantiles[2],
        }
    )


def _trend(
    when: NDArray[Any], counted: Floats, at_risk: Floats, raw: Floats, draws: Floats, level: float
) -> pd.DataFrame:
    seen = ~np.isnan(draws).any(axis=0)
    relative = draws / np.exp(np.log(draws[:, seen]).mean(axis=1, keepdims=True))
    return pd.DataFrame(
        {
            "period": when,
            "count": np.where(at_risk.sum(axis=0) > 0, counted.sum(axis=0), np.nan),
            "exposure": at_risk.sum(axis=0),
            "raw": raw,
            **dict(zip(_RATE, _limits(draws, level), strict=True)),
            **dict(zip(("ratio", "ratio_low", "ratio_high"), _limits(relative, level), strict=True)),
        }
    )


def _spread(model: LatentModel, posterior: Posterior, level: float) -> pd.DataFrame:
    rows = []
    for name, draws in posterior.hyper.items():
        middle, low, high = _limits(draws, level)
        meaning = _MEANING[name]
        if model.family == "binomial":
            meaning = meaning.replace("log scale", "log odds")
        rows.append((name, meaning, float(middle), float(low), float(high), model.hypers[name].describe()))
    return pd.DataFrame(rows, columns=["parameter", "meaning", "estimate", "conf_low", "conf_high", "prior"])


def diagnostics_of(panel: Panel, model: LatentModel, posterior: Posterior, seed: int) -> dict[str, Any]:
    """Return the plain numbers of an answer."""
    return {
        "areas": panel.n_areas,
        "periods": panel.n_periods,
        "first": periods.code(panel.periods[0]),
        "last": periods.code(panel.periods[-1]),
        "cells": int(model.known.sum()),
        "missing_cells": int((~model.known).sum()),
        "events": float(np.where(model.known, model.y, 0.0).sum()),
        "engine": posterior.engine,
        "seed": seed,
        "convergence": plain(posterior.convergence),
        "run": dict(posterior.details),
    }
