"""Intervals for few treated areas, for any estimator that gives its average effect quickly.

Each untreated area is taken for each treated one in turn: given its start, with all treated areas left out, and
estimated. The spread of these effects is taken for that of the treated areas' average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from svmodel.design import TREATED, UNTREATED, Design, DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.resampling.conley_taber import placebo_sums
from svmodel.numerics.resampling.placebo_noise import variance_function
from svmodel.result import PointEstimator, Uncertainty
from svmodel.result.doubts import design_doubts
from svmodel.result.interval import Interval, put_on
from svmodel.result.notes import Note, parts_of
from svmodel.result.rule import ENOUGH_PLACEBOS, choose, never_treated_clusters
from svmodel.result.scales import provenance

#: Untreated areas that are taken in turn; of more, so many by even steps along their size.
_MOST_PLACEBOS = 400


def placebo_interval(
    estimator: PointEstimator, arrays: DesignArrays, *, counts: bool, level: float = 0.95, why: str = ""
) -> Interval:
    """Return the average effect with an interval from placebo areas.

    Parameters
    ----------
    estimator : PointEstimator
    arrays : DesignArrays
    counts : bool
        Whether the outcome counts events: then the variance of a placebo effect depends on the size of the area.
    level : float
    why : str
        What the rule said (:func:`svmodel.inference.choose`); put before what this method supposes.

    Returns
    -------
    Interval
        ``std_error`` is the placebos' standard deviation brought to the treated areas' size and number.

    Raises
    ------
    EstimationError
        If fewer than ten untreated areas give a placebo effect, if all of theirs are zero, or if no treated area had an
        event before its start, so that the noise of an area of its size is not known.

    Notes
    -----
    The average effect of n treated areas is taken for the mean of theirs, weighted by their treated cells (on the log
    scale by the events to be expected in them), and each one's error for a draw from the placebo effects under its own
    start. What the J controls have in common is in every treated area's error alike and does not average out: with
    weights w and equal areas the variance is that of a placebo effect times ``(J - 1) / J (sum w^2 + 1 / J)``, the
    first factor because a placebo effect holds the noise of the others too. The variance of a placebo effect on counts
    is ``phi m + omega m^2`` in the area's mean outcome m while untreated, by regression over placebos (per ``m^2`` on
    the log scale); that of a measure is one for all areas. Where areas share their noise, all areas of an untreated
    cluster are taken for treated ones together, and sizes are those of clusters. A placebo is standardised by its m
    over the periods in which the treated area is untreated: where few events fell there by luck the effect tends to be
    too high, in a treated area as in a placebo.

    References
    ----------
    Conley and Taber (2011), *Review of Economics and Statistics* 93(1), 113-125. Ferman and Pinto (2019), same journal
    101(3), 452-467: the variance as a function of the area's size.
    """
    estimate = estimator.point(arrays)
    log = estimator.scale == "log_rate_ratio"
    units, many = arrays.units, cluster_words(arrays.units)
    rows = np.flatnonzero(arrays.treated.any(axis=1))
    treated = np.unique(units.label[rows])
    cells = np.where(arrays.treated, arrays.weight, 0.0).sum(axis=1)
    size = _mean_outcome(arrays, arrays.untreated)
    if counts and not (size[rows] > 0).any():
        raise EstimationError(
            "no treated area had an event before its start, and how far an area strays depends on how many it has"
        )
    weight = units.sums(cells * np.nan_to_num(size) if log else cells)[treated]
    weight /= weight.sum()
    total, areas = _sums_known(units, size), np.bincount(units.label).astype(np.float64)
    pool = np.flatnonzero(~units.some((arrays.status == TREATED).any(axis=1))[units.label])
    free = arrays.take(pool)
    # clusters are numbered afresh among the untreated, as their first area comes
    names = units.label[pool[free.units.first]]
    places = _spread(np.flatnonzero(np.isin(names, never_treated_clusters(arrays))), total[names])
    example = units.first[treated]
    kinds, kind = np.unique(
        np.hstack([arrays.start[example, None], arrays.status[example]]), axis=0, return_inverse=True
    )
    parts = []
    own, shared, placebos = 0.0, 0.0, 0
    for k, row in enumerate(kinds):
        inside = treated[kind.ravel() == k]
        effects = _rounded(np.array([_placebo(estimator, free, free.units.rows[int(j)], row) for j in places]))
        known = ~np.isnan(effects)
        if int(known.sum()) < ENOUGH_PLACEBOS:
            raise EstimationError(
                f"only {int(known.sum())} untreated {many} give a placebo effect; with fewer than {ENOUGH_PLACEBOS} "
                "there is nothing to learn the noise from"
            )
        others = names[places][known]
        deviation = _deviation(effects[known], _above_zero(total[others]), areas[others], counts=counts, log=log)
        share = weight[kind.ravel() == k]
        scales = share * deviation(_above_zero(total[inside]), areas[inside])
        # a placebo's size is taken over the periods that a treated area's is taken over, chance included
        within = _mean_outcome(free, free.untreated & (row[1:] == UNTREATED))
        seen = _sums_known(free.units, within)[places][known]
        noise = deviation(_above_zero(seen), areas[others])
        fit = np.isfinite(noise)
        parts.append((effects[known][fit], noise[fit], scales[np.isfinite(scales)]))
        own += float((scales[np.isfinite(scales)] ** 2).sum())
        part = (seen if log else areas[others])[fit]
        part = part / part.sum()
        shared += float(share.sum() * np.sqrt((part**2) @ (noise[fit] ** 2)))
        placebos = max(placebos, int(fit.sum()))
    sums = placebo_sums(parts)
    # a single treated area is exchangeable with its placebos, the noise of the controls included
    error = float(np.sqrt(own if len(treated) == 1 else (own + shared**2) * (placebos - 1) / placebos))
    # what rounding leaves over is no noise
    if not error > 1e-9 * (1.0 if log else float(np.nanmax(np.abs(size)))):
        raise EstimationError(f"the untreated {many} do not stray from each other at all, so they show no noise")
    low, high = sums.critical(level)
    size_of_error = f"{error:.0%}" if log else f"{error:.3g} per area and period"
    said = (
        f"{placebos} untreated {many} were taken for treated ones in turn; averaged alike, their effects stray by "
        f"{size_of_error} (one standard deviation)."
    )
    return Interval(
        scale=estimator.scale,
        estimate=estimate,
        std_error=error,
        low=estimate - high * error,
        high=estimate - low * error,
        p_value=sums.p_value(estimate / error),
        level=level,
        method="placebo",
        why=f"{why} {said}".strip(),
    )


def _placebo(estimator: PointEstimator, free: DesignArrays, rows: Ints, row: Ints) -> float:
    """Return the effect of some areas of the untreated, given the start and status in `row`."""
    start, status = free.start.copy(), free.status.copy()
    start[rows], status[rows] = row[0], row[1:]
    return estimator.point(replace(free, start=start, status=status))


def _rounded(effects: Floats) -> Floats:
    """Return effects to ten digits, so that rounding does not order those that tie and decide which sums are drawn."""
    most = float(np.abs(effects[np.isfinite(effects)]).max(initial=0.0))
    return np.round(effects, 10 - int(np.ceil(np.log10(most)))) if most > 0 else effects


def _mean_outcome(arrays: DesignArrays, use: Mask) -> Floats:
    """Return each area's mean outcome over the cells in `use`, NaN without one."""
    count = use.sum(axis=1)
    total = np.where(use, arrays.y, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _sums_known(units: Clusters, size: Floats) -> Floats:
    """Return sums over the areas of each cluster, NaN where none is known."""
    known = ~np.isnan(size)
    return np.where(units.some(known), units.sums(np.where(known, size, 0.0)), np.nan)


def _above_zero(size: Floats) -> Floats:
    """Return sizes with those of zero unknown: nothing is expected there."""
    return np.where(size > 0, size, np.nan)


def _spread(places: Ints, size: Floats) -> Ints:
    """Return all places, or, of too many, some by even steps along the areas' size."""
    if len(places) <= _MOST_PLACEBOS:
        return places
    order = places[np.argsort(size[places], kind="stable")]
    return np.sort(order[np.linspace(0, len(order) - 1, _MOST_PLACEBOS).round().astype(np.int64)])


def _deviation(
    effects: Floats, size: Floats, areas: Floats, *, counts: bool, log: bool
) -> Callable[[Floats, Floats], Floats]:
    """Return the standard deviation of a placebo effect as a function of a cluster's size and number of areas.

    A difference is one per area, and a cluster's in all is it times the areas.
    """
    finite = np.isfinite(effects) & np.isfinite(size)
    if not finite.any():
        raise EstimationError("no untreated area taken for a treated one had an event, so they show no noise")
    if not counts:
        constant = float(np.sqrt(np.mean(effects[np.isfinite(effects)] ** 2)))
        return lambda m, _: np.full(np.shape(m), constant)
    # on the log scale an effect is a share of the size
    squared = (effects[finite] * (size if log else areas)[finite]) ** 2
    phi, omega = variance_function(squared, size[finite], 0.0)
    if log:
        return lambda m, _: np.sqrt(phi / m + omega)
    return lambda m, n: np.sqrt(phi * m + omega * m**2) / n


_INFERENCES = ("auto", "cluster", "placebo")


def checked_inference(wanted: str) -> list[str]:
    """Return what is wrong with the choice, if anything."""
    return [] if wanted in _INFERENCES else [f"{wanted!r} is no inference; there are {', '.join(_INFERENCES)}"]


@dataclass(frozen=True)
class Basis(Uncertainty):
    """What the intervals of a result rest on, chosen before its rows are laid out.

    Attributes
    ----------
    kind, why, in_doubt
        As of :class:`svmodel.result.Uncertainty`.
    keeps : bool
        Whether rows keep the intervals that they come with.
    interval : Interval, optional
        Of the average effect, from placebo areas.
    more : tuple of str or ResultWarning
        What else is to be said of the intervals.
    """

    keeps: bool
    interval: Interval | None = None
    more: tuple[Note, ...] = ()

    def parts(
        self,
        estimator: PointEstimator,
        design: Design,
        seed: int,
        estimates: pd.DataFrame,
        diagnostics: Mapping[str, Any],
        notes: Iterable[Note],
        counterfactual: pd.DataFrame | None = None,
    ) -> dict[str, Any]:
        """Return the fields of a Result that every estimator has, what is said of the design and of intervals last."""
        said = [*notes, *doubts_of(design, estimates, estimator.scale), self.why, *self.more]
        return {
            "design": design,
            **self.applied(estimator, estimates, counterfactual, diagnostics),
            **parts_of(said),
            "provenance": provenance(design, seed),
            "seed": seed,
        }

    def applied(
        self,
        estimator: object,
        estimates: pd.DataFrame,
        counterfactual: pd.DataFrame | None,
        diagnostics: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return these fields of a Result, with the intervals that the kind of uncertainty leaves them."""
        if not self.keeps:
            estimates = without_intervals(estimates)
            counterfactual = None if counterfactual is None else without_intervals(counterfactual)
        if self.interval is not None:
            estimates = put_on(estimates, self.interval, diagnostics, type(estimator).__name__)
        return {
            "estimator": estimator,
            "estimates": estimates,
            "counterfactual": counterfactual,
            "diagnostics": {
                **diagnostics,
                "inference": self.kind,
                "inference_in_doubt": self.in_doubt,
                "inference_why": self.why,
            },
        }


def choose_uncertainty(
    estimator: PointEstimator, arrays: DesignArrays, wanted: str, *, counts: bool, level: float
) -> Basis:
    """Choose what the intervals of a cluster-robust estimator rest on, by the rule for its design.

    Where they rest on placebo areas the average effect alone has one: those of the other rows would be
    cluster-robust, which the rule has just found too small.

    Parameters
    ----------
    estimator : PointEstimator
    arrays : DesignArrays
    wanted : {"auto", "cluster", "placebo"}
    counts : bool
        Whether the outcome counts events.
    level : float
    """
    choice = choose(arrays, wanted)
    if choice.kind != "placebo":
        return Basis(choice.kind, choice.why, choice.warn, keeps=choice.kind == "cluster")
    said = f"{choice.why} Only the average effect has an interval."
    try:
        interval = placebo_interval(estimator, arrays, counts=counts, level=level, why=said)
    except EstimationError as error:
        return Basis("none", f"{choice.why} None could be had: {error.title}.", in_doubt=True, keeps=False)
    return Basis("placebo", interval.why, choice.warn, keeps=False, interval=interval)


def doubts_of(design: Design, estimates: pd.DataFrame, scale: str) -> list[Note]:
    """Return what no interval shows in the design of some estimates; `scale` is that of the estimator's ``point``."""
    ratios = scale == "log_rate_ratio"
    # without a ratio the notes have to say why there is none
    known = ((estimates["term"] == "att") & (estimates["scale"] == "rate_ratio")).any()
    return design_doubts(design, additive=not (ratios and known), rates=ratios)


def without_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of estimates, or of expected counts, without its intervals and p-values."""
    blank = [c for c in ("conf_low", "conf_high", "p_value", "low", "high") if c in frame.columns]
    return frame.assign(**dict.fromkeys(blank, np.nan))
