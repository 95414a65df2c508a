"""In-space placebos: the treated areas' dates given to areas that were never treated, every one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from svmodel.design import TREATED, UNTREATED, DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.errors import DesignError, EstimationError, Problems
from svmodel.inference.assignments import Sets, dealt_units, given_dates
from svmodel.inference.inversion import too_few
from svmodel.inference.statistic import PathEstimator, Statistic, answered, scale_of, with_choices
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.resampling.permutations import distance_limit, needed, rank_p_value
from svmodel.result import Result
from svmodel.result.interval import Interval

#: Sets of placebo areas that are all tried. A p-value near .05 from this many draws would have a Monte Carlo error of
#: .001, which is where it stops to matter, and at some milliseconds an estimate they take minutes. It holds any pair of
#: 300 areas (44,850) and any three of 67 (47,905).
MOST = 50_000


@dataclass(frozen=True, eq=False)
class Placebos:
    """Effects that the method finds where nothing was done.

    Attributes
    ----------
    effect : float
        Of the areas that were treated, on the estimator's scale.
    placebos : ndarray, shape (P,)
        On the same scale.
    areas : tuple of tuple of str
        The placebo areas of each effect, by date: areas that got the earliest start come first.
    total : int
        Sets of placebo areas that there are.
    unidentified : int
        Sets without an effect; they are left out of `placebos`.
    ratio : float
        Root mean squared gap after the start over that before it, of the treated areas; NaN where not asked for.
    ratios : ndarray, shape (P,)
    gaps : pandas.DataFrame or None
        ``areas, period, gap``: observed less expected in the outcome's units, summed over the areas of a set; the
        treated areas' own gaps have ``placebo`` False. None where not asked for.
    """

    effect: float
    placebos: Floats
    areas: tuple[tuple[str, ...], ...]
    total: int
    unidentified: int
    ratio: float
    ratios: Floats
    gaps: pd.DataFrame | None

    @property
    def enumerated(self) -> bool:
        """Whether every set was tried."""
        return len(self.placebos) + self.unidentified == self.total

    @property
    def p_value(self) -> float:
        """Rank of the effect's size among all, two-sided; never 0."""
        return rank_p_value(self.effect, self.placebos)

    @property
    def ratio_p_value(self) -> float:
        """Rank of the ratio of gaps among all; a large one counts. NaN where not asked for."""
        known = self.ratios[~np.isnan(self.ratios)]
        return rank_p_value(self.ratio, known)

    @property
    def std_error(self) -> float:
        """Standard deviation of the placebo effects about their mean, with divisor P."""
        return float(np.std(self.placebos)) if np.isfinite(self.placebos).all() else math.nan


@dataclass(frozen=True)
class InSpacePlacebos:
    """How large an effect the method finds in areas where nothing was done, and how the real one ranks among those.

    Each never treated area gets the treated area's dates and is estimated from the other never treated areas. Several
    treated areas are compared with sets of as many never treated ones.

    Parameters
    ----------
    level : float
        Coverage of the interval.
    rmspe_ratio : bool
        Whether to rank the ratio of root mean squared gaps after and before the start too (Abadie, Diamond and
        Hainmueller 2010, figure 8; 2015), which does not count large gaps against areas that the method
        never followed well. It needs a counterfactual path before the start, and without a ``path`` on the estimator a
        whole fit a placebo.
    draws : int
        Sets drawn where there are more than 50,000. Below that every set is tried and nothing is random.

    Notes
    -----
    *Treated areas are left out* of the placebos' controls, as in Arkhangelsky et al. (2021, algorithm 4) and in the
    synthdid package. Abadie, Diamond and Hainmueller (2010) put the treated area among them; if the intervention did
    anything, what it did would then stand in the placebos' counterfactuals and blur the very ranking that looks for it.
    The price is that each placebo has fewer controls than the treated areas have.

    *Supposes* that treated areas would have strayed as never treated ones did: that they are exchangeable, given what
    the method adjusts for. Placebo areas of another size or noise than the treated make the p-value wrong either way
    (Ferman and Pinto 2019).

    *P-value.* ``(b + 1) / (P + 1)`` with b of P placebos at least as far from zero. With fewer than 19 placebos no
    p-value is at or below .05.

    *Standard error.* The standard deviation of the placebo effects with divisor P: ``sqrt((r - 1) / r) sd`` of the
    synthdid package, with all placebos for its r draws.

    *Interval.* The effects that the ranking does not reject. Placebos do not change when an effect is taken from the
    treated cells, so the limits are the estimate and a placebo's size to either side; they are infinite where there are
    too few placebos for the level. Placebos on the log ratio scale give an interval on that scale.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010). *JASA* 105, 493-505; (2015). *American Journal of Political Science* 59,
    495-510. Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021). *American Economic Review* 111, 4088-4118,
    algorithm 4. Ferman and Pinto (2019). *Review of Economics and Statistics* 101, 452-467.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> from svmodel.did import TwoWayFixedEffects
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame([(f"A{i:02d}", 2015 + t, rng.normal(-9.0 * (i < 1 and t >= 3))) for i in range(20)
    ...     for t in range(6)], columns=["area", "year", "score"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", measures=["score"])
    >>> design = Design(panel, outcome="score", intervention=Intervention("patrols", {"A00": 2018}))
    >>> result = InSpacePlacebos().infer(TwoWayFixedEffects(family="linear").fit(design))
    >>> effect = result.effect("att", "difference")
    >>> effect.p_value, effect.conf_low < -9 < effect.conf_high
    (0.05, True)
    """

    level: float = 0.95
    rmspe_ratio: bool = False
    draws: int = 1_999

    def __post_init__(self) -> None:
        found = Problems()
        if not 0 < self.level < 1:
            found.add(f"{self.level!r} does not lie between 0 and 1", where="level", rule="level")
        if self.draws < 1:
            found.add(f"{self.draws} draws", where="draws", rule="draws")
        found.raise_if_any(EstimationError, "placebos cannot be made so")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with error, interval and p-value of its average effect from placebo areas.

        Parameters
        ----------
        result : Result
            Of any estimator, with its design.
        seed : int
            Of the draws; of no consequence where every set is tried.

        Returns
        -------
        Result
            ``diagnostics`` hold ``placebos`` and ``placebos_possible``, with one treated area ``placebo_effects`` by
            area (on the estimator's scale), and where asked for ``rmspe_ratio`` and ``rmspe_ratio_p_value``.

        Raises
        ------
        DesignError
            If there are not two never treated areas more than treated ones.
        EstimationError
            If the result carries no design or gives no average effect, no placebo can be estimated, or the method gives
            no counterfactual before the start and the ratio of gaps is asked for.
        """
        held = self.placebos(result, seed=seed)
        reach = distance_limit(np.abs(held.placebos), self.level)
        known = math.isfinite(held.effect)
        errors = (held.std_error, held.effect - reach, held.effect + reach) if known else (math.nan,) * 3
        method = f"in-space placebos, {'all' if held.enumerated else f'{len(held.placebos):,} of'} {held.total:,}"
        why = self._why(held, len(held.areas[0]))
        interval = Interval(scale_of(result), held.effect, *errors, held.p_value, self.level, method, why)
        told: dict[str, object] = {"placebos": len(held.placebos), "placebos_possible": held.total}
        if len(held.areas[0]) == 1:
            told["placebo_effects"] = {a[0]: float(e) for a, e in zip(held.areas, held.placebos, strict=True)}
        if self.rmspe_ratio:
            told |= {"rmspe_ratio": held.ratio, "rmspe_ratio_p_value": held.ratio_p_value}
        coarse = not needed(self.level, 1 + len(held.placebos))
        return answered(result, interval, warns=coarse, told=told)

    def placebos(
        self, result: Result, *, seed: int = 0, paths: bool | None = None, most: int | None = None
    ) -> Placebos:
        """Return every placebo effect, with the gaps over time for a plot.

        Parameters
        ----------
        result : Result
        seed : int
        paths : bool, optional
            Whether to keep gaps and their ratios; as ``rmspe_ratio`` says where None.
        most : int, optional
            Sets up to which every one is tried; fewer for an estimator that takes long. The class's own where None.

        Returns
        -------
        Placebos

        Raises
        ------
        DesignError, EstimationError
            As :meth:`infer`.
        """
        statistic = Statistic(result)
        design, arrays = statistic.design, statistic.arrays
        sets_of = Sets(arrays)
        treated, controls = sets_of.treated, sets_of.controls
        if sets_of.n_controls < sets_of.n_treated + 2:
            raise DesignError(
                f"{sets_of.n_controls} never treated {cluster_words(dealt_units(arrays))} are too few for placebos of "
                f"{sets_of.n_treated} treated: one set has to leave at least two of them as controls"
            )
        paths = self.rmspe_ratio if paths is None else paths
        effect = statistic.read(result)
        quick = result.estimator if isinstance(result.estimator, PathEstimator) else None
        own = (path_of(result) if quick is None else quick_path(quick, arrays)) if paths else None
        effects, ratios, sets, unidentified = [], [], [], 0
        names = tuple(arrays.areas[int(i)] for i in treated)
        gaps = [gap_frame(own, arrays, names, placebo=False)] if own is not None else []
        for mine in sets_of.chosen(self.draws, seed, MOST if most is None else most):
            pattern = np.arange(len(arrays.areas))
            pattern[mine.rows] = mine.dates
            placebo = arrays.assigned(pattern).take(np.sort(controls))
            value = statistic.among(placebo, partial(given_dates, design, sets_of, mine))
            if math.isnan(value):
                unidentified += 1
                continue
            effects.append(value)
            sets.append(mine.names)
            if own is not None:
                if quick is None:
                    # a path needs no errors, where an estimator can leave them out
                    bare = with_choices(statistic.bare, inference="none")
                    path = path_of(result.refit(design=given_dates(design, sets_of, mine), estimator=bare))
                else:
                    path = quick_path(quick, placebo)
                ratios.append(path.ratio)
                gaps.append(gap_frame(path, arrays, mine.names, placebo=True))
        if not effects:
            raise EstimationError("no placebo effect could be estimated")
        return Placebos(
            effect=effect,
            placebos=np.array(effects),
            areas=tuple(sets),
            total=sets_of.total,
            unidentified=unidentified,
            ratio=own.ratio if own is not None else math.nan,
            ratios=np.array(ratios),
            gaps=pd.concat(gaps, ignore_index=True) if gaps else None,
        )

    def _why(self, held: Placebos, treated: int) -> str:
        sets = "areas" if treated == 1 else f"sets of {treated} areas"
        tried = (
            f"all {held.total:,} never treated {sets}"
            if held.enumerated
            else f"{len(held.placebos):,} of {held.total:,} {sets}, drawn by lot,"
        )
        first = (
            f"Error, interval and p-value come from what the method finds in {tried} given the treated areas' dates, "
            "the treated areas left out (Abadie, Diamond and Hainmueller 2010; Arkhangelsky et al. 2021). They suppose "
            "that the treated would have strayed as never treated areas did, whatever their size."
        )
        said = [first]
        if held.unidentified:
            said.append(f"Of these, {held.unidentified:,} left the effect unidentified and take no part.")
        if not needed(self.level, 1 + len(held.placebos)):
            said.append(too_few(self.level, 1 + len(held.placebos), f"{len(held.placebos)} placebos"))
        if self.rmspe_ratio:
            said.append(
                f"Gaps after the start are {held.ratio:.3g} times those before it (root mean squares); "
                f"the p-value of that ratio is {held.ratio_p_value:.3f}."
            )
        return " ".join(said)


@dataclass(frozen=True, eq=False)
class GapPath:
    """Gaps of the treated areas, observed less expected."""

    gap: Floats
    before: Mask
    after: Mask

    @property
    def ratio(self) -> float:
        """Root mean squared gap after the start over that before it, over all treated areas."""
        after, before = (float(np.mean(self.gap[m] ** 2)) for m in (self.after, self.before))
        return math.sqrt(after / before) if before > 0 else math.inf


def path_of(result: Result) -> GapPath:
    """Read the gaps of treated areas from the counterfactual of a fit."""
    frame, design = result.counterfactual, result.design
    name = type(result.estimator).__name__
    if frame is None or design is None:
        raise EstimationError(f"{name} gives no counterfactual path, so that there are no gaps to compare")
    arrays = design.arrays
    rows = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    held = frame.assign(gap=frame["observed"] - frame["expected"]).pivot_table(
        index="area", columns="period", values="gap", sort=False
    )
    gap = held.reindex(index=[arrays.areas[int(i)] for i in rows], columns=list(arrays.periods)).to_numpy(dtype=float)
    return _checked(gap, arrays, rows, name)


def quick_path(estimator: PathEstimator, arrays: DesignArrays) -> GapPath:
    """Read the gaps of treated areas from the estimator's own path."""
    observed, expected = estimator.path(arrays)
    rows = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    return _checked((observed - expected)[rows], arrays, rows, type(estimator).__name__)


def _checked(gap: Floats, arrays: DesignArrays, rows: Ints, name: str) -> GapPath:
    known = ~np.isnan(gap)
    path = GapPath(gap, known & (arrays.status[rows] == UNTREATED), known & (arrays.status[rows] == TREATED))
    if not path.before.any() or not path.after.any():
        raise EstimationError(f"{name} gives no counterfactual both before and after the start, so there is no ratio")
    return path


def gap_frame(path: GapPath, arrays: DesignArrays, names: tuple[str, ...], *, placebo: bool) -> pd.DataFrame:
    """Return observed less expected by period, summed over the areas of a path."""
    known = (~np.isnan(path.gap)).any(axis=0)
    total = np.where(known, np.nansum(path.gap, axis=0), np.nan)
    return pd.DataFrame({"areas": ", ".join(names), "period": list(arrays.periods), "gap": total, "placebo": placebo})
