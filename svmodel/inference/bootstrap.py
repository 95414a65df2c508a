"""Cluster bootstrap: areas resampled with replacement, for any estimator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svmodel.design import DesignArrays
from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.inference.statistic import (
    HasInfluence,
    data_order,
    design_of,
    estimate_of,
    few,
    finite_estimate,
    point_by_rows,
    refuse_lone,
    resampled,
)
from svmodel.numerics.arrays import Floats
from svmodel.result import Result
from svmodel.result.interval import Interval, with_interval
from svmodel.result.method import arrays_of
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    Rows = NDArray[np.int64]


INTERVALS = ("percentile", "basic", "bootstrap_t")
_STRATA = ("treated", "cohort", "none")
#: Share of failed draws that is said, and that is too much.
_SAID, _TOO_MANY = 0.05, 0.5


@dataclass(frozen=True)
class ClusterBootstrap:
    """Bootstrap that draws whole areas with replacement and estimates anew.

    Parameters
    ----------
    draws : int
    interval : {"percentile", "basic", "bootstrap_t"}
        Quantiles of the draws; those of their distance from the estimate, turned round; or those of each draw's
        t statistic, which needs an ``influence(arrays)`` of the estimator, or else a whole fit a draw.
    strata : {"treated", "cohort", "none"}
        Areas are drawn among the treated and among the others apart, so that every draw has as many treated areas as
        the sample; or within each cohort; or from all.
    level : float

    Notes
    -----
    It supposes that areas are independent, and that those of a stratum are alike enough to stand in for each other.
    A stratum of n areas shows ``(n - 1) / n`` of its variance: with few treated areas percentile and basic intervals
    are too narrow, and the note says so. A draw without identification is counted.

    References
    ----------
    Cameron, Gelbach and Miller (2008), *Review of Economics and Statistics* 90(3): pairs cluster bootstrap. Davison and
    Hinkley (1997), *Bootstrap Methods and their Application*, sections 5.2 and 5.3: the intervals; 3.2: strata.

    Examples
    --------
    >>> from svmodel import Design, did, simulate
    >>> made = simulate.panel(30, 24, cohorts=[(12, 10)], effect=0.7, seed=1)
    >>> design = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> result = did.TwoWayFixedEffects().fit(design)
    >>> found = ClusterBootstrap(draws=199).infer(result, seed=1).effect("att", "rate_ratio")
    >>> found.conf_low < found.estimate < found.conf_high < 1
    True
    """

    draws: int = 999
    interval: str = "percentile"
    strata: str = "treated"
    level: float = 0.95

    def __post_init__(self) -> None:
        problems = check_draws(self.draws, self.level)
        for name, valid in (("interval", INTERVALS), ("strata", _STRATA)):
            value = getattr(self, name)
            if value not in valid:
                fix = did_you_mean(str(value), valid)
                problems.add(f"{value!r} is no {name}", where=name, fix=fix, rule="choice")
        problems.raise_if_any(EstimationError, "ClusterBootstrap cannot be used")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with this interval on its average effect, and the draws.

        Parameters
        ----------
        result : Result
        seed : int

        Returns
        -------
        Result
            ``draws`` holds those that are identified, on the estimate's scale (of them, minus infinity is a log rate
            ratio of no event); ``diagnostics["bootstrap_failed"]`` counts the others.

        Raises
        ------
        EstimationError
            If a single area is treated or serves as control, a cohort is a single area with ``strata="cohort"``, or
            more than half of the draws fail.
        """
        from dataclasses import replace

        arrays = design_of(result, "ClusterBootstrap").arrays
        refuse_lone(arrays, "a cluster bootstrap")
        scale, estimate = finite_estimate(result)
        order = data_order(arrays)
        stratum = self._strata(arrays)[order]
        rng = np.random.default_rng(derive_seed(seed, "ClusterBootstrap"))
        taken = [order[_draw(stratum, rng)] for _ in range(self.draws)]
        if self.interval == "bootstrap_t":
            studied = _studied(result)
            pairs = np.array([studied(rows) for rows in taken])
            own = studied(order)[1]
            values, errors = pairs[:, 0], pairs[:, 1]
        else:
            point = point_by_rows(result)
            values, errors, own = np.array([point(rows) for rows in taken]), None, math.nan
        good = ~np.isnan(values) if errors is None else np.isfinite(values) & (errors > 0)
        failed = told_failures(good, "resamples of areas", values)
        kept = values[good]
        low, high, p = from_draws(
            kept, estimate, self.interval, self.level, None if errors is None else errors[good], own
        )
        words = f"cluster bootstrap, {self.draws:,} draws, {self.interval.replace('_', '-')}"
        by = {"treated": "treated and other areas apart", "cohort": "cohort by cohort", "none": "from all areas"}
        why = (
            f"The interval is a cluster bootstrap's ({self.draws:,} draws of areas, {by[self.strata]}; "
            f"{self.interval.replace('_', '-')}). It supposes that areas are independent of each other. {failed}"
        ).rstrip()
        if scarce := few(arrays):
            why += f" With {scarce} such intervals are known to be too narrow: a few areas drawn again show too little."
        error = float(kept.std(ddof=1)) if np.isfinite(kept).all() else math.nan
        found = with_interval(result, Interval(scale, estimate, error, low, high, p, self.level, words, why))
        held = {**found.diagnostics, "bootstrap_draws": self.draws, "bootstrap_failed": int((~good).sum())}
        return replace(found, draws=kept, diagnostics=held)

    def _strata(self, arrays: DesignArrays) -> Rows:
        """Return the stratum of each area."""
        treated = np.asarray(arrays.treated.any(axis=1))
        if self.strata == "none":
            return np.zeros(len(treated), dtype=np.int64)
        if self.strata == "treated":
            return treated.astype(np.int64)
        stratum = np.where(treated, arrays.start, -1)
        cohorts, size = np.unique(stratum[treated], return_counts=True)
        if (size == 1).any():
            raise EstimationError(
                f"{int((size == 1).sum())} of {len(cohorts)} cohorts are a single area, which a draw within cohorts "
                "takes every time, so that it shows no noise; use strata='treated'"
            )
        return stratum


def check_draws(draws: object, level: float) -> Problems:
    """Return what is wrong with a number of draws and a level."""
    problems = Problems()
    if not isinstance(draws, int) or draws < 19:
        problems.add(f"{draws!r} is no number of draws", where="draws", fix="Give 999.", rule="draws")
    if not 0 < level < 1:
        problems.add(f"{level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
    return problems


def _draw(stratum: Rows, rng: np.random.Generator) -> Rows:
    """Return places drawn with replacement within each stratum, in ascending order of stratum."""
    parts = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]
    return np.concatenate([part[rng.integers(0, len(part), len(part))] for part in parts])


def _studied(result: Result) -> Callable[[Rows], tuple[float, float]]:
    """Return estimate and standard error as a function of rows; NaN where not identified."""
    design, estimator = design_of(result, "a bootstrap of t statistics"), result.estimator
    arrays = arrays_of(estimator, design)

    def by_influence(rows: Rows) -> tuple[float, float]:
        assert isinstance(estimator, HasInfluence)
        estimate, psi = estimator.influence(arrays.take(rows))
        return estimate, math.sqrt(float((psi**2).sum()))

    def by_fit(rows: Rows) -> tuple[float, float]:
        fitted = result.refit(design=resampled(design, rows))
        scale, value = estimate_of(fitted)
        effect = fitted.effect("att", "rate_ratio" if scale == "log_rate_ratio" else "difference")
        return value, effect.std_error / (effect.estimate if scale == "log_rate_ratio" else 1.0)

    quick = isinstance(estimator, HasInfluence)

    def either(rows: Rows) -> tuple[float, float]:
        from svmodel.errors import DesignError

        try:
            return by_influence(rows) if quick else by_fit(rows)
        except (DesignError, EstimationError):
            return math.nan, math.nan

    return either


def told_failures(good: NDArray[np.bool_], what: str, values: Floats | None = None) -> str:
    """Return a sentence on failed draws where they are more than one in twenty.

    Raises
    ------
    EstimationError
        If more than half failed, because what is left then is a choice among draws; or if all `values` are the same.
    """
    failed, total = int((~good).sum()), len(good)
    if failed > _TOO_MANY * total:
        raise EstimationError(
            f"{failed:,} of {total:,} {what} do not identify the effect; an interval from the rest would be one of "
            "chosen draws"
        )
    if values is not None and len(np.unique(values[good])) == 1:
        raise EstimationError(f"all {what} give the same estimate, so that they show no noise")
    if failed > _SAID * total:
        return f"{failed:,} of {total:,} {what} do not identify the effect and are left out, which narrows it."
    return f"{failed:,} of {total:,} {what} failed." if failed else ""


def from_draws(
    draws: Floats, estimate: float, interval: str, level: float, errors: Floats | None = None, own: float = math.nan
) -> tuple[float, float, float]:
    """Return limits and a two-sided p-value of zero, the smallest level at which the interval leaves out zero.

    Parameters
    ----------
    draws : ndarray, shape (B,)
        May hold minus infinity.
    estimate : float
    interval : str
        One of :data:`INTERVALS`.
    level : float
    errors : ndarray, shape (B,), optional
        Standard errors of the draws, for ``bootstrap_t``.
    own : float
        That of the estimate.

    Returns
    -------
    low, high, p_value : float

    Examples
    --------
    >>> from_draws(np.arange(1.0, 100.0), 50.0, "percentile", 0.9)
    (5.0, 95.0, 0.02)
    """
    tail = (1 - level) / 2
    if interval == "percentile":
        values = draws
    elif interval == "basic":
        values = 2 * estimate - draws
    else:
        assert errors is not None
        values = estimate - own * (draws - estimate) / errors
    values = np.sort(values)
    B = len(values)
    # order statistics (B + 1) tail and its mirror: Davison and Hinkley, section 5.2
    rank = min(max(math.floor((B + 1) * tail + 1e-9), 1), B)
    low, high = float(values[rank - 1]), float(values[B - rank])
    below, above = int((values <= 0).sum()), int((values >= 0).sum())
    return low, high, min(2 * (1 + min(below, above)) / (B + 1), 1.0)
