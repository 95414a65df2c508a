"""Randomisation inference: the adoption dates reassigned among areas, staggered designs included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from svmodel.design import EXCLUDED
from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.inference.assignments import draw_lot, strata_labels
from svmodel.inference.inversion import Limits, invert, too_few
from svmodel.inference.statistic import Statistic, answered, estimate_of, without_effect
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.resampling.permutations import needed, rank_p_value
from svmodel.result import Result
from svmodel.result.interval import Interval

_STATISTICS = ("estimate", "studentised")


@dataclass(frozen=True, eq=False)
class Randomisation:
    """The statistic under the actual assignment and under others, no effect being supposed.

    Attributes
    ----------
    observed : float
        On the scale of the estimator, or divided by its standard error.
    others : ndarray, shape (B,)
        Without those that the estimator could not answer.
    patterns : ndarray of int, shape (1 + B, N)
        For :meth:`DesignArrays.assigned`; the actual assignment first, the others in the order of `others`.
    total : int
        Distinct assignments that there are, the actual one included.
    unidentified : int
        Assignments whose effect could not be estimated. They are left out: given the outcomes, which ones they are does
        not depend on the actual assignment, so that the test stays exact.
    enumerated : bool
        Whether all assignments were tried.
    p_value : float
        ``(b + 1) / (B + 1)``, never 0.
    """

    observed: float
    others: Floats
    patterns: Ints
    total: int
    unidentified: int
    enumerated: bool
    p_value: float


@dataclass(frozen=True)
class RandomisationInference:
    """Fisher's test of no effect whatever, by reassigning the adoption dates; and the interval that goes with it.

    Start, end and anticipation of the areas are reassigned among areas, within strata where there are any. The p-value
    is the share of assignments, the actual one included, whose average effect is at least as far from zero.

    Parameters
    ----------
    draws : int
        Assignments other than the actual one. Where no more exist, all are tried and nothing is random.
    strata : mapping of str to object, or str, optional
        Stratum of each area; a column of the panel that is constant within areas; ``"parent"`` for the reporting
        areas. :func:`level_strata` makes size bands.
    statistic : {"estimate", "studentised"}
        The average effect, or the average effect over its cluster-robust standard error. The second also holds,
        approximately, for the null that effects are zero on average and areas differ in their noise (Wu and Ding 2021;
        Young 2019), but each draw is a whole fit.
    level : float
        Coverage of the interval.
    interval : bool
        Whether to invert the test. False gives the p-value alone, at a fraction of the cost.

    Notes
    -----
    *Supposes* that within strata each area might as well have had any other's dates: exact in a lottery, and else as
    good as that likeness. It does not hold where areas were chosen for their recent outcomes; strata by earlier level
    mend a part of it. It supposes no model of the outcome and no number of clusters, so that it holds with few areas.

    *P-value.* ``(b + 1) / (B + 1)`` with b of B others at least as far from zero (Phipson and Smyth 2010).
    Samples are drawn without replacement, which makes it exact. Distinct assignments are counted, not permutations.

    *Interval.* All effects tau that are not rejected when tau is taken from the treated cells, supposing the same
    effect in all of them (Rosenbaum 2002, section 2.6; Athey and Imbens 2022 on adoption dates). On the difference
    scale tau is subtracted. On the log ratio scale the treated outcome is divided by the ratio, which is approximate
    for counts: a count divided by a ratio has not the noise of a count without the intervention, the less so the
    further the ratio is from 1. With fewer assignments than ``1 / (1 - level)`` no effect can be rejected, and the
    limits are infinite. Cells after an end, and before a start where effects are anticipated, stay as they were
    recorded.

    *Cost.* The p-value takes one estimate an assignment. The interval takes one more for estimators that are linear in
    the outcome, whose limits are then algebra, and some three more for others
    (``diagnostics["randomisation_rounds"]``). Estimators with ``point`` are asked for it; others are fitted whole.

    *Rows.* The average effect (term ``att``) gets p-value and limits. Its standard error is missing, as there is none.

    References
    ----------
    Athey and Imbens (2022). Design-based analysis in difference-in-differences settings with staggered adoption.
    *Journal of Econometrics* 226, 62-79. Phipson and Smyth (2010). *Statistical Applications in Genetics and Molecular
    Biology* 9(1), article 39. Rosenbaum (2002). *Observational Studies*, 2nd edition, section 2.6. Wu and Ding (2021).
    Randomization tests for weak null hypotheses. *JASA* 116, 1898-1913. Young (2019). Channeling Fisher. *Quarterly
    Journal of Economics* 134, 557-598.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> from svmodel.did import TwoWayFixedEffects
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame([(f"A{i}", 2015 + t, rng.normal(-4.0 * (i < 2 and t >= 3))) for i in range(9)
    ...     for t in range(6)], columns=["area", "year", "score"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", measures=["score"])
    >>> design = Design(panel, outcome="score", intervention=Intervention("patrols", {"A0": 2018, "A1": 2018}))
    >>> result = TwoWayFixedEffects(family="linear").fit(design)
    >>> effect = RandomisationInference(interval=False).infer(result).effect("att", "difference")
    >>> round(effect.p_value * 36)  # of 36 ways to choose 2 of 9 areas, the actual one is the most extreme
    1
    """

    draws: int = 999
    strata: Mapping[str, object] | str | None = None
    statistic: Literal["estimate", "studentised"] = "estimate"
    level: float = 0.95
    interval: bool = True

    def __post_init__(self) -> None:
        found = Problems()
        if self.draws < 1:
            found.add(f"{self.draws} draws", where="draws", fix="Take 999 or more.", rule="draws")
        if self.statistic not in _STATISTICS:
            fix = did_you_mean(self.statistic, _STATISTICS)
            found.add(f"no statistic is called {self.statistic!r}", where="statistic", fix=fix, rule="statistic")
        if not 0 < self.level < 1:
            found.add(f"{self.level!r} does not lie between 0 and 1", where="level", rule="level")
        found.raise_if_any(EstimationError, "randomisation inference cannot be done so")

    def infer(self, result: Result, *, seed: int = 0) -> Result:
        """Return the result with p-value and interval of its average effect by randomisation.

        Parameters
        ----------
        result : Result
            Of any estimator, with its design.
        seed : int
            Of the draws; of no consequence where all assignments are tried.

        Returns
        -------
        Result
            ``diagnostics`` hold ``assignments`` (distinct ones that exist), ``assignments_tried`` (the actual one among
            them), ``assignments_unidentified``, ``randomisation_rounds`` and ``smallest_p_value``.

        Raises
        ------
        DesignError
            If the intervention can be assigned in one way only, or strata are not known for every area.
        EstimationError
            If the result carries no design, gives no average effect, or no other assignment could be estimated.
        """
        statistic = Statistic(result, studentised=self.statistic == "studentised")
        held = self.distribution(result, seed=seed)
        estimate = estimate_of(result)
        limits, unbounded = Limits(math.nan, math.nan, 0, exact=True), ""
        if self.interval and math.isfinite(estimate):
            limits = self._inverted(statistic, held, estimate)
        elif self.interval:
            unbounded = " No event was seen in the treated cells, and no interval of ratios can be given."
        why = self._why(statistic, held, limits) + unbounded
        method = f"randomisation of starts, {'all' if held.enumerated else f'{len(held.others):,} of'} {held.total:,}"
        interval = Interval(
            statistic.scale, estimate, math.nan, limits.low, limits.high, held.p_value, self.level, method, why
        )
        told = {
            "assignments": held.total,
            "assignments_tried": 1 + len(held.others),
            "assignments_unidentified": held.unidentified,
            "randomisation_rounds": 1 + limits.rounds,
            "smallest_p_value": 1 / (1 + len(held.others)),
        }
        coarse = not needed(self.level, 1 + len(held.others))
        return answered(result, interval, warns=coarse, told=told)

    def distribution(self, result: Result, *, seed: int = 0) -> Randomisation:
        """Return the statistic under all assignments tried, for a plot or a test of one's own.

        Parameters
        ----------
        result : Result
        seed : int

        Returns
        -------
        Randomisation

        Raises
        ------
        DesignError, EstimationError
            As :meth:`infer`.
        """
        statistic = Statistic(result, studentised=self.statistic == "studentised")
        design, arrays = statistic.design, statistic.arrays
        lot = draw_lot(arrays, strata_labels(self.strata, design, arrays))
        patterns = np.vstack([lot.actual, lot.others(self.draws, seed)])
        values = statistic.many(patterns)
        if math.isnan(values[0]):
            raise EstimationError(f"{type(result.estimator).__name__} gives no {self.statistic} of the average effect")
        known = ~np.isnan(values)
        if known.sum() < 2:
            raise EstimationError("under no other assignment could the effect be estimated")
        return Randomisation(
            observed=float(values[0]),
            others=values[known][1:],
            patterns=patterns[known],
            total=lot.total,
            unidentified=int((~known).sum()),
            enumerated=lot.total - 1 <= self.draws,
            p_value=rank_p_value(float(values[0]), values[known][1:]),
        )

    def _inverted(self, statistic: Statistic, held: Randomisation, estimate: float) -> Limits:
        arrays = statistic.arrays

        def evaluate(effect: float, rows: slice | Ints) -> Floats:
            return statistic.many(held.patterns[rows], without_effect(arrays, effect, statistic.scale))

        return invert(evaluate, np.append(held.observed, held.others), estimate, self.level)

    def _why(self, statistic: Statistic, held: Randomisation, limits: Limits) -> str:
        within = " within strata" if self.strata is not None else ""
        tried = (
            f"all {held.total:,} distinct ways"
            if held.enumerated
            else f"{len(held.others):,} other ways, drawn by lot from {held.total:,},"
        )
        over = " over its standard error" if self.statistic == "studentised" else ""
        first = (
            f"The p-value compares the average effect{over} with that of {tried} to deal the adoption dates out among "
            f"areas{within} (Phipson and Smyth 2010). It supposes that{within} any area might as well have had "
            "another's dates, and that none was chosen for its outcomes."
        )
        said = [first]
        if held.unidentified:
            said.append(f"Of these ways, {held.unidentified:,} left the effect unidentified and take no part.")
        total = 1 + len(held.others)
        if not needed(self.level, total):
            said.append(too_few(self.level, total, f"{total} assignments"))
        elif not math.isnan(limits.low):
            log = statistic.scale == "log_rate_ratio"
            ratio = ", the treated counts divided by it, which is approximate" if log else ""
            said.append(
                f"The interval holds the effects, the same in every treated cell, that are not rejected{ratio}."
            )
            if (statistic.arrays.status == EXCLUDED).any():
                said.append("It takes cells of anticipation and after an end as they were recorded.")
        return " ".join(said)
