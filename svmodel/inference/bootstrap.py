"""Cluster bootstrap: areas resampled with replacement, for any estimator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from svmodel.design import DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import DesignError, EstimationError
from svmodel.inference import statistic
from svmodel.inference.statistic import HasInfluence, design_of, few, finite_estimate
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.result import Result
from svmodel.result.interval import Interval
from svmodel.result.method import arrays_of
from svmodel.seeds import derive_seed

INTERVALS = ("percentile", "basic", "bootstrap_t")
_STRATA = ("treated", "cohort", "none")
#: Share of failed draws that is said, and that is too much.
_SAID, _TOO_MANY = 0.05, 0.5


@dataclass(frozen=True)
class ClusterBootstrap:
    """Bootstrap that draws whole areas with replacement and estimates again.

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
        found = statistic.problems_of(self, 999, interval=INTERVALS, strata=_STRATA)
        found.raise_if_any(EstimationError, "ClusterBootstrap cannot be used")

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
        arrays = arrays_of(result.estimator, design_of(result, "ClusterBootstrap"))
        statistic.refuse_lone(arrays, "a cluster bootstrap")
        estimate, order = finite_estimate(result), statistic.data_order(arrays)
        drawn = _units(arrays, order)
        stratum = self._strata(arrays)[np.array([rows[0] for rows in drawn])]
        rng = np.random.default_rng(derive_seed(seed, "ClusterBootstrap"))
        taken = [np.concatenate([drawn[k] for k in _draw(stratum, rng)]) for _ in range(self.draws)]
        if self.interval == "bootstrap_t":
            studied = _studied(result)
            pairs = np.array([studied(rows) for rows in taken])
            own = studied(order)[1]
            values, errors = pairs[:, 0], pairs[:, 1]
        else:
            point = statistic.point_by_rows(result)
            values, errors, own = np.array([point(rows) for rows in taken]), None, math.nan
        good = ~np.isnan(values) if errors is None else np.isfinite(values) & (errors > 0)
        failed = told_failures(good, f"resamples of {cluster_words(arrays.units)}", values)
        limits = from_draws(
            values[good], estimate, self.interval, self.level, None if errors is None else errors[good], own
        )
        kind = self.interval.replace("_", "-")
        many = cluster_words(arrays.units)
        by = {"treated": f"treated and other {many} apart", "cohort": "cohort by cohort", "none": f"from all {many}"}
        why = (
            f"The interval is a cluster bootstrap's ({self.draws:,} draws of {many}, {by[self.strata]}; {kind}). "
            f"{statistic.independent(arrays)} {failed}"
        ).rstrip()
        why += few(arrays, "such intervals are known to be too narrow: a few areas drawn again show too little.")
        method = f"cluster bootstrap, {self.draws:,} draws, {kind}"
        return from_resamples(result, estimate, values, good, limits, self.level, method, why)

    def _strata(self, arrays: DesignArrays) -> Ints:
        """Return the stratum of each area, that of its cluster."""
        treated = np.asarray(arrays.units.some(arrays.treated.any(axis=1))[arrays.units.label])
        if self.strata == "none":
            return np.zeros(len(treated), dtype=np.int64)
        if self.strata == "treated":
            return treated.astype(np.int64)
        stratum = np.where(treated, arrays.start, -1)
        stratum = stratum[arrays.units.first][arrays.units.label]
        cohorts = np.unique(stratum[treated])
        size = np.array([arrays.units.count(treated & (stratum == g)) for g in cohorts])
        if (size == 1).any():
            raise EstimationError(
                f"{int((size == 1).sum())} of {len(cohorts)} cohorts are a single {cluster_words(arrays.units, 1)}, "
                "which a draw within cohorts takes every time, so that it shows no noise; use strata='treated'"
            )
        return stratum


def from_resamples(
    result: Result,
    estimate: float,
    values: Floats,
    good: Mask,
    limits: tuple[float, float, float],
    level: float,
    method: str,
    why: str,
) -> Result:
    """Return the result with the interval of its resamples, and those that identify the effect.

    Parameters
    ----------
    result : Result
    estimate : float
    values : ndarray, shape (B,)
    good : ndarray of bool, shape (B,)
        Which resamples identify the effect.
    limits : low, high, p_value
    level : float
    method, why : str
    """
    kept = values[good]
    error = float(kept.std(ddof=1)) if np.isfinite(kept).all() else math.nan
    interval = Interval(statistic.scale_of(result), estimate, error, *limits, level, method, why)
    told = {"bootstrap_draws": len(good), "bootstrap_failed": int((~good).sum())}
    return statistic.answered(replace(result, draws=kept), interval, told=told)


def _units(arrays: DesignArrays, order: Ints) -> list[Ints]:
    """Return the areas of each cluster, areas and clusters in the order of the areas given."""
    held: dict[int, list[int]] = {}
    for i in order.tolist():
        held.setdefault(int(arrays.units.label[i]), []).append(i)
    return [np.array(rows) for rows in held.values()]


def _draw(stratum: Ints, rng: np.random.Generator) -> Ints:
    """Return places drawn with replacement within each stratum, in ascending order of stratum."""
    parts = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]
    return np.concatenate([part[rng.integers(0, len(part), len(part))] for part in parts])


def _studied(result: Result) -> Callable[[Ints], tuple[float, float]]:
    """Return estimate and standard error as a function of rows; NaN where not identified."""
    design, estimator = design_of(result, "a bootstrap of t statistics"), result.estimator
    arrays = arrays_of(estimator, design)

    def by_influence(rows: Ints) -> tuple[float, float]:
        assert isinstance(estimator, HasInfluence)
        estimate, psi = estimator.influence(arrays.take(rows))
        return estimate, math.sqrt(float((psi**2).sum()))

    def by_fit(rows: Ints) -> tuple[float, float]:
        fitted = result.refit(design=statistic.resampled(design, rows))
        return statistic.estimate_of(fitted, log=statistic.plain_log), statistic.error_of(fitted)

    quick = isinstance(estimator, HasInfluence)

    def either(rows: Ints) -> tuple[float, float]:
        try:
            return by_influence(rows) if quick else by_fit(rows)
        except (DesignError, EstimationError):
            return math.nan, math.nan

    return either


def told_failures(good: Mask, what: str, values: Floats | None = None) -> str:
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
