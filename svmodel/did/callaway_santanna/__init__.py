"""Callaway and Sant'Anna's group-time effects: each cohort against areas that are not, or not yet, treated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from svmodel import periods as period_words
from svmodel.design import UNTREATED, Design, DesignArrays
from svmodel.design.covariates import untold, untold_covariates
from svmodel.did.callaway_santanna.averages import aggregate, joint, pre_horizons, pre_test
from svmodel.did.callaway_santanna.before import before_test
from svmodel.did.callaway_santanna.cells import Cells, cross_section_effects, group_time_effects
from svmodel.did.callaway_santanna.report import (
    cell_notes,
    counterfactual,
    design_notes,
    lay_out,
    treated_effect,
    treated_sums,
    weights,
)
from svmodel.errors import EstimationError, Problem, Problems, did_you_mean
from svmodel.numerics.arrays import Ints, row_order
from svmodel.numerics.cluster.multiplier_bootstrap import multipliers, sup_t_test
from svmodel.result import Result
from svmodel.result.doubts import whole_reporting_areas, zero_counts
from svmodel.result.method import Method, arrays_of
from svmodel.result.uncertainty import checked_inference, choose_uncertainty
from svmodel.seeds import derive_seed

_CHOICES = {
    "control": ("never_treated", "not_yet_treated"),
    "method": ("dr", "reg", "ipw"),
    "base_period": ("varying", "universal"),
    "multiplier": ("rademacher", "mammen"),
    "sampling": ("panel", "cross_sections"),
}


@dataclass(frozen=True)
class CallawaySantAnna:
    """Effect by cohort and period, ATT(g, t), and its averages; free of the bias of two-way fixed effects.

    For areas that started in period g, ATT(g, t) is how their outcome changed from the last period before g
    to t, less how it changed in control areas. No treated area-period ever serves as a control. Negative
    means fewer harms.

    Parameters
    ----------
    control : {"never_treated", "not_yet_treated"}
        Areas to compare with. ``not_yet_treated`` takes the never treated and those that start later than the
        period compared; it needs parallel trends of more areas and has smaller errors.
    method : {"dr", "reg", "ipw"}
        How the design's covariates are adjusted for: doubly robust (default), outcome regression alone,
        propensity weighting alone. Covariates are taken from the earlier of the two periods, as in R's did, and
        enter linearly. Without covariates the three are the same difference in mean changes.
    base_period : {"varying", "universal"}
        Before the start, compare each period with the one before it, or all with the last untreated one. It
        does not touch effects from the start on.
    level : float
        Coverage of the intervals.
    simultaneous : bool
        True: the intervals of all events hold together with probability `level`, and so do those of all
        cohorts, of all calendar periods and of all cells, each family on each scale by itself. False: pointwise.
        p-values, single averages and the counterfactual are pointwise in either case.
    n_boot : int
        Draws of the multiplier bootstrap behind simultaneous intervals. Estimates and standard errors do not
        depend on it, nor on the seed.
    multiplier : {"rademacher", "mammen"}
        Law of the multipliers; R's did takes ``mammen``. Rademacher's is the better with few areas, since it
        keeps the fourth moment.
    balance : int, optional
        Event study over the cohorts that are observed at every horizon from 0 to `balance` only, so that its
        composition does not change with the horizon.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.
    sampling : {"panel", "cross_sections"}
        ``panel`` compares changes of areas that are seen in both periods of a comparison. ``cross_sections`` compares
        the means of all areas seen in either, for data in which other areas, or other people, are seen in each period.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.
    weights : str, or mapping of str to float, optional
        Observation weights, one for each area, as in :class:`~svmodel.did.TwoWayFixedEffects`; not with covariates nor
        with cross-sections.

    Notes
    -----
    **Scales.** `difference` is ATT itself: outcome units in an average treated area-period. For counts:

    - `events` is the sum of ATT(g, t) over the treated area-periods that are identified, which is `difference`
      times their number. The number is a fact about the areas treated and adds no error, so the p-value is the
      same. Averages of averages (``event_average`` and so on) are the sum of nothing and have none; neither
      have horizons before the start.
    - `per_100k` is events over the exposure of those same area-periods, times 100,000: per 100,000 persons per
      period. The exposure is likewise taken as known.
    - `rate_ratio` is observed over observed less events, in those area-periods: the relative change in the
      treated areas' own number, which an additive model gives only as this ratio. Both its parts come from the
      same areas and move together, so the delta method on the log takes the error of each and their covariance
      (holding the observed fixed would count as error that large areas have larger effects). Missing where
      observed or expected is not above zero.

    A measure has `difference` only; sums and ratios of, say, log employment mean nothing.

    **Errors.** Areas are the sampled units, and their influence functions give the standard errors, clustered
    by area; averages carry the error of their estimated cohort weights too (``wif`` in R's did). Intervals and
    p-values are wider than R's, which take the normal: they use Student's t and allow for each cohort's mean being
    taken from its own few areas (:func:`svmodel.numerics.cluster.small_sample`). With fewer than five areas in a
    cohort even these are too small, and the notes say so.

    **Missing outcomes.** An area without an outcome in one of the two periods of a comparison is left out of that
    comparison, not of the study (R's did drops it altogether): police data lack whole forces for whole years,
    and dropping every area with a gap would leave some studies empty. Averages weight a cell by the areas it
    really rests on. A period that no area has is passed over, and changes are taken across it.

    **Cross-sections.** Each area-period is an observation, with its own covariates, and errors are still clustered by
    area. Where every area is seen in every period estimates and errors are those of the panel, without covariates.
    Else every area counts, but a change in which areas are seen passes for a change in the outcome: the kinds of areas
    seen in a cohort, and among its controls, are supposed not to change over time. Areas differ far more than they
    change, so errors are large; take ``panel`` wherever areas are followed, gaps or not. R's did has ``panel=FALSE``,
    with the same ATT(g, t); its averages weight cohorts by their observations in all periods, these by those treated.

    **Not identified** and said in ``notes``, never guessed: cells without a control, a base period or a treated
    area; cells where covariates are collinear or some propensity reaches 0.999 (no overlap).

    References
    ----------
    Callaway, B. and Sant'Anna, P. H. C. (2021), Difference-in-differences with multiple time periods, *Journal
    of Econometrics* 225: Theorem 1 and eq. 2.8 (ATT(g, t)), Table 1 (averages), Theorem 2 (influence functions),
    Algorithm 1 (simultaneous bands). Sant'Anna, P. H. C. and Zhao, J. (2020), Doubly robust
    difference-in-differences estimators, *Journal of Econometrics* 219. Numbers agree with R's did 2.5.1.

    Examples
    --------
    >>> import pandas as pd
    >>> import svmodel as sv
    >>> rows = [
    ...     (area, f"2024-0{month}", level + month - 2 * (start is not None and month >= start))
    ...     for area, level, start in [("A", 9, 3), ("B", 7, 3), ("C", 8, None), ("D", 5, None)]
    ...     for month in range(1, 5)
    ... ]
    >>> frame = pd.DataFrame(rows, columns=["area", "month", "robbery"])
    >>> panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["robbery"])
    >>> patrols = sv.Intervention("patrols", starts={"A": "2024-03", "B": "2024-03"})
    >>> result = CallawaySantAnna().fit(sv.Design(panel, outcome="robbery", intervention=patrols))
    >>> result.effect("att", "difference").estimate, result.effect("att", "events").estimate
    (-2.0, -8.0)
    """

    about: ClassVar[Method] = Method(
        short="Callaway-Sant'Anna",
        name="Callaway and Sant'Anna",
        how=(
            "Callaway and Sant'Anna (2021) compares each group of areas that started together with areas that "
            "had not started, one pair of periods at a time, and averages the comparisons."
        ),
        phrases={
            "method: dr": "doubly robust",
            "method: ipw": "inverse probability weighting",
            "method: reg": "regression",
        },
        gives=("event_path",),
    )

    control: str = "never_treated"
    method: str = "dr"
    base_period: str = "varying"
    level: float = 0.95
    simultaneous: bool = True
    n_boot: int = 999
    multiplier: str = "rademacher"
    balance: int | None = None
    inference: str = "auto"
    sampling: str = "panel"
    cluster: str | Mapping[str, object] | None = None
    weights: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        for name, valid in _CHOICES.items():
            value = getattr(self, name)
            if value not in valid:
                problems.add(f"{value!r} is no {name}", where=name, fix=did_you_mean(value, valid), rule="choice")
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        if int(self.n_boot) != self.n_boot or self.n_boot < 1:
            problems.add(f"{self.n_boot!r} is no number of draws", where="n_boot", fix="Give 999.", rule="n_boot")
        if self.balance is not None and (int(self.balance) != self.balance or self.balance < 0):
            problems.add(f"{self.balance!r} is no horizon", where="balance", fix="Give 0 or more.", rule="balance")
        for wrong in checked_inference(self.inference):
            problems.add(wrong, where="inference", fix="Give 'auto'.", rule="choice")
        problems.raise_if_any(EstimationError, "CallawaySantAnna cannot be used")

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            A count or a measure; areas without a start are never treated.
        seed : int
            For the simultaneous intervals only.

        Returns
        -------
        Result
            Terms ``att``, ``event`` (horizons before the start too), ``cohort``, ``calendar``, ``cell`` and the
            averages ``event_average``, ``cohort_average``, ``calendar_average``. ``joint`` holds the events with
            the covariance of their influence functions, scale ``difference``. ``counterfactual`` covers the treated
            area-periods: an area's expected outcome is its own less its cohort's ATT(g, t), without interval, and
            "all treated" sums them by period, with one. ``weights`` are those of the cells in ``att``.

            ``diagnostics`` hold three tests of the effects before the start, each with its p-value:
            ``pretest_statistic`` (the Wald W of every cell before any anticipation; ``pretest_df``,
            ``pretest_p_value``), ``before_start_statistic`` (every cell before the start, as R's did) and
            ``pretest_largest_t`` (the events before any anticipation, by the largest t against the multiplier
            bootstrap; it stands where there are too many effects for a Wald test). Further ``n_areas``,
            ``n_never_treated``, ``cohort_sizes``, ``cells_identified``, ``cells_not_identified`` and
            ``critical_value_<term>``.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If no area is never treated and `control` asks for such, or no effect at all is identified.
        """
        arrays = arrays_of(self, design)
        self._require_plain_weights(arrays)
        counts = design.is_count and arrays.weights is None
        if self.control == "never_treated" and not (arrays.status == UNTREATED).all(axis=1).any():
            fix = 'Use control="not_yet_treated", which compares with areas that start later.'
            raise EstimationError(
                "CallawaySantAnna cannot answer this design",
                [Problem("no area is never treated", where="control", fix=fix, rule="no_never_treated")],
            )
        times = np.flatnonzero(~np.isnan(arrays.y).all(axis=0))
        every = self._effects(arrays, times)
        cells = self._identified(every, arrays)
        terms = aggregate(cells, balance=self.balance)
        draws = self._draws(arrays, seed)
        estimates, criticals, lacking = lay_out(
            terms,
            cells,
            arrays,
            is_count=counts,
            level=self.level,
            draws=draws if self.simultaneous else None,
        )
        test = pre_test(cells, anticipation=design.anticipation)
        before_start = pre_test(cells, anticipation=0)
        past = pre_horizons(terms, anticipation=design.anticipation)
        largest, largest_p = (np.nan, np.nan) if past is None else sup_t_test(past.estimate, past.influence, draws)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=self.level)
        panel = self.sampling == "panel"
        notes = [*design_notes(design, times, panel=panel), *cell_notes(every, cells, arrays)]
        if not panel:
            notes.append(
                "Each comparison is of the means of all areas seen in either period, as in repeated cross-sections: a "
                "change in which areas are seen passes for a change in the outcome."
            )
        if test.reason:
            notes.append(f"No Wald test of the effects before the start: {test.reason}.")
        if lacking:
            notes.append(
                f"{lacking:,} rate ratios are missing because the observed or the expected number is not above zero."
            )
        notes += [*zero_counts(design, estimates), *whole_reporting_areas(design, arrays)]
        first = cells.cohort[np.append(True, np.diff(cells.cohort) > 0)]
        effect, size, observed = treated_sums(cells, arrays)
        diagnostics = {
            "pretest_statistic": test.statistic,
            "pretest_df": test.df,
            "pretest_p_value": test.p_value,
            "before_start_statistic": before_start.statistic,
            "before_start_df": before_start.df,
            "before_start_p_value": before_start.p_value,
            "pretest_largest_t": largest,
            "pretest_largest_t_p_value": largest_p,
            "n_areas": len(arrays.areas),
            "clusters": arrays.units.n,
            "n_never_treated": int((arrays.status == UNTREATED).all(axis=1).sum()),
            "cohort_sizes": {period_words.code(arrays.periods[g]): int((arrays.start == g).sum()) for g in first},
            "cells_identified": len(cells.att),
            "cells_not_identified": int((~every.identified).sum()),
            **{f"critical_value_{name}": value for name, value in criticals.items()},
            "treated_cells_used": size,
            "observed": observed,
            "expected": observed - effect * size,
        }
        calendar = next(t for t in terms if t.name == "calendar")
        expected = counterfactual(cells, arrays, calendar, level=self.level) if arrays.weights is None else None
        before = before_test(arrays, cells, terms, control=self.control, method=self.method, panel=panel)
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes, expected),
            weights=weights(cells, arrays),
            joint=joint(cells, terms, base="varying" if self.base_period == "varying" else "reference", before=before),
        )

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone, in the outcome's units per treated area-period; NaN without one."""
        times = np.flatnonzero(~np.isnan(arrays.y).all(axis=0))
        cells = self._effects(arrays, times)
        keep = cells.identified & (cells.horizon >= 0)
        return treated_effect(cells.take(keep)) if keep.any() else float("nan")

    def _require_plain_weights(self, arrays: DesignArrays) -> None:
        """Refuse weights that move within areas, and weights where means are adjusted."""
        if arrays.weights is None:
            return
        found = Problems()
        known = ~np.isnan(arrays.y)
        low, high = (f(arrays.weights, axis=1, where=known, initial=v) for f, v in ((np.min, np.inf), (np.max, 0.0)))
        fix = "Give one weight for each area, such as the residents in one year."
        if (high > low * (1 + 1e-9)).any():
            found.add("the weights move within areas", where="weights", fix=fix, rule="moving_weights")
        if arrays.covariates.shape[2] or self.sampling != "panel":
            fix = "Leave the covariates out, take sampling='panel', or take Imputation(family='linear')."
            text = "weights are not taken with covariates or cross-sections"
            found.add(text, where="weights", fix=fix, rule="weights_adjusted")
        found.raise_if_any(EstimationError, "CallawaySantAnna cannot use these weights")

    def _effects(self, arrays: DesignArrays, times: Ints) -> Cells:
        estimate = cross_section_effects if self.sampling == "cross_sections" else group_time_effects
        return estimate(
            arrays,
            times,
            control=self.control,
            method=self.method,
            base_period=self.base_period,
            anticipation=arrays.anticipation,
        )

    def _identified(self, every: Cells, arrays: DesignArrays) -> Cells:
        """Keep the identified cells of cohorts that have an effect; without one their past tests nothing."""
        with_effect = np.unique(every.cohort[every.identified & (every.horizon >= 0)])
        if not len(with_effect):
            counts: dict[str, int] = {}
            for reason, horizon in zip(every.reason, every.horizon, strict=True):
                if reason and horizon >= 0:
                    counts[reason] = counts.get(reason, 0) + 1
            problems = [
                Problem(f"{reason} ({n:,} of its cells)", rule="not_identified") for reason, n in counts.items()
            ]
            lost = untold_covariates(arrays)
            problems += untold(arrays, lost).problems if lost else ()
            raise EstimationError("CallawaySantAnna identifies no effect of this design", problems)
        return every.take(every.identified & np.isin(every.cohort, with_effect))

    def _draws(self, arrays: DesignArrays, seed: int) -> NDArray[np.float32]:
        """Return multipliers, assigned to areas or clusters by their data and not by their names."""
        rng = np.random.default_rng(derive_seed(seed, "CallawaySantAnna"))
        keys = np.column_stack([arrays.start, arrays.y, arrays.covariates.sum(axis=(1, 2))])
        label = arrays.units.label[row_order(keys)]
        order = label[np.sort(np.unique(label, return_index=True)[1])]
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return multipliers(self.n_boot, len(order), rng, kind=self.multiplier, order=rank)
