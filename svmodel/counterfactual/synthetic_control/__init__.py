"""Synthetic control: treated areas against a weighted average of areas that were never treated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from svmodel.counterfactual.synthetic_control import report
from svmodel.counterfactual.synthetic_control.fit import Fitted, Matching, Placebos, fit_group, gaps, placebos
from svmodel.counterfactual.synthetic_control.units import (
    Layout,
    Predictor,
    lay_out,
    need_columns,
    parsed,
    same_in_donors,
    weights_given,
    with_columns,
)
from svmodel.design import Design, DesignArrays
from svmodel.errors import EstimationError, Problems, UserError
from svmodel.numerics.arrays import Floats
from svmodel.result import Result
from svmodel.result.method import Method
from svmodel.result.notes import doubted, texts
from svmodel.result.scales import estimates_frame, provenance


@dataclass(frozen=True)
class SyntheticControl:
    """Observed outcomes against those of a weighted average of untreated areas, the weights chosen before the start.

    Weights are not negative and sum to one, so that the comparison stays inside what areas like it went through. With
    an exposure the donors are weighted on rates, and the synthetic rate is given back as events through the treated
    areas' own exposure.

    Parameters
    ----------
    predictors : iterable of Predictor, str or (name, first, last)
        What is matched under ``method="predictors"``: columns of the panel, averaged over periods before the start.
        ``"outcome"`` is the outcome itself, so ``("outcome", 1975)`` is its value in 1975.
    v : mapping of str to float, optional
        Weight of each predictor, by its name or its label ("beer 1984 to 1988"), after predictors are divided by their
        standard deviation over all areas. By default chosen by the fit before the start.
    window : (first, last), optional
        Periods before the start over which V is chosen, where these are not all of them: with predictors averaged over
        an earlier time, V is then validated on a later one (Abadie, Diamond and Hainmueller 2015).
    method : {"outcome", "predictors"}, optional
        Whether every period before the start is matched, or predictors with nested weights. By default ``predictors``
        where some are given.
    augment : {"none", "ridge"}
        ``ridge`` mends what the weights leave over by a ridge regression on the time before the start, at the price of
        weights that may be negative.
    penalty : float, optional
        Of the ridge, in squared units of the rate; by default chosen by leaving out one period at a time.
    intercept : bool
        Match changes instead of levels: a constant gap before the start is allowed.
    block : int
        Periods that are put together before they are matched, counted back from the start: 3 makes quarters of months,
        12 years. Months of small counts are mostly noise, and weights that follow noise tell nothing.
    pooled : bool
        Whether treated areas with the same start and end are matched as one, by their events over their exposure
        together; otherwise each has weights of its own.
    level : float
        Coverage of intervals.
    inference : {"auto", "placebo"}
        Placebos in space in either case: cluster-robust errors do not exist for weights that were searched for.
    draws : int
        Placebo assignments drawn where several treated areas can be replaced in too many ways to go through all.

    Notes
    -----
    *Effects.* With O the events in treated area-periods and E those of the synthetic control at the same exposure,
    ``events`` is O - E, ``rate_ratio`` O / E, ``difference`` the events per treated area-period and ``per_100k`` the
    events per 100,000 of exposure and period. A measure has its difference only.

    *Several treated areas.* Pooled, each start has one group, whose rate is weighted by population, and its own
    weights; groups are added up in event time. Every group is matched by areas that are never treated, so no
    comparison changes when another area starts.

    *Donors* are areas never treated that are known in every period in use; three at least.

    *Errors.* Each donor in turn takes the treated area's place; several treated areas are replaced by as many donors,
    in all ways up to 1,000 (`draws` with predictors), at random beyond. ``std_error`` is the standard deviation of the
    placebo effects. The p-value is the rank of the effect's size among them, the effect counted in, and the interval
    holds every constant effect that this test does not reject. Placebo effects are taken as rates, at the treated
    areas' exposure. Rates of small areas stray more: a placebo's gaps are scaled by the square root of the ratio of
    ``a + b / size`` of the treated area and of its own, a and b learnt from the donors (Ferman and Pinto 2019). Counts
    without an exposure stray the further, the more there are, and how much further no area of another level tells: a
    placebo's gaps are divided by how far the donor itself strayed before the start and multiplied by how far the
    treated area did. It supposes donors otherwise as noisy as treated areas. ``diagnostics`` has the p-value by the
    ratio of gaps after and before the start too.

    *Outside the hull.* What the weights leave over before the start is split into noise, which differs from one period
    to the next, and a systematic part. If that is above a quarter of the donors' standard deviation, a note says so and
    neither interval nor p-value is given: the bias is not in the placebos.

    *Predictors.* V is bounded, and searched for all over its bounds:
    :func:`svmodel.numerics.synthetic.nested_v.nested_v`. Neither the order of predictors nor that of areas counts.
    ``diagnostics["v_losses"]`` has the mean square that each start of the search came to, best first, and
    ``["v_effects"]`` the average effect of those within 1% of the best; a warning says where they differ. A predictor
    is averaged over the periods in which an area's is known.

    *Before the start* ``event`` rows show what the fit leaves over. They are small because they were made so, and test
    nothing.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), *Journal of the American Statistical Association* 105. Abadie (2021),
    *Journal of Economic Literature* 59. Doudchenko and Imbens (2016), NBER 22791. Ferman and Pinto (2021),
    *Quantitative Economics* 12. Ben-Michael, Feller and Rothstein (2021), *JASA* 116; (2022), *JRSS B* 84. Sun,
    Ben-Michael and Feller (2024), Temporal aggregation for the synthetic control method, arXiv:2401.12084, on blocks.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> rng = np.random.default_rng(1)
    >>> trend = np.cumsum(rng.normal(0, 3, (2, 30)), axis=1)
    >>> share = rng.uniform(0, 1, (25, 1))
    >>> rate = 100 + share * trend[:1] + (1 - share) * trend[1:] + rng.normal(0, 1, (25, 30))
    >>> rate[0, 20:] -= 15
    >>> frame = pd.DataFrame({"area": np.repeat([f"A{i:02d}" for i in range(25)], 30),
    ...     "year": np.tile(np.arange(1991, 2021), 25), "rate": rate.ravel()})
    >>> panel = Panel.from_frame(frame, area="area", period="year", measures=["rate"])
    >>> design = Design(panel, outcome="rate", intervention=Intervention("patrols", {"A00": 2011}))
    >>> effect = SyntheticControl().fit(design).effect("att", "difference")
    >>> effect.conf_low < -15 < effect.conf_high, effect.p_value < 0.05
    (True, True)
    """

    about: ClassVar[Method] = Method(
        short="Synthetic control",
        name="Synthetic control",
        how=(
            "The synthetic control (Abadie, Diamond and Hainmueller 2010) mixes untreated areas so that the "
            "mixture went along with the treated ones before the start, and compares the treated areas with "
            "it afterwards."
        ),
        supposes=("mixture",),
        mixes_donors=True,
        phrases={"augment: ridge": "ridge-augmented"},
        gives=(),
    )

    predictors: tuple[Predictor, ...] = ()
    method: Literal["outcome", "predictors"] | None = None
    augment: Literal["none", "ridge"] = "none"
    penalty: float | None = None
    intercept: bool = False
    block: int = 1
    pooled: bool = True
    level: float = 0.95
    inference: str = "auto"
    draws: int = 199
    v: Any = None
    window: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictors", parsed(self.predictors))
        if self.method is None:
            object.__setattr__(self, "method", "predictors" if self.predictors else "outcome")
        found = Problems()
        for name, valid in (
            ("method", ("outcome", "predictors")),
            ("augment", ("none", "ridge")),
            ("inference", ("auto", "placebo")),
        ):
            if getattr(self, name) not in valid:
                found.add(f"{getattr(self, name)!r} is none of {', '.join(valid)}", where=name, rule=name)
        if (self.method == "predictors") != bool(self.predictors):
            text = "needs predictors" if self.method == "predictors" else "takes no predictors"
            found.add(f"method={self.method!r} {text}", where="predictors", rule="predictors")
        if self.method == "predictors" and self.intercept:
            found.add("predictors are matched in levels", where="intercept", rule="intercept_with_predictors")
        if self.penalty is not None and (self.augment != "ridge" or not self.penalty > 0):
            found.add(f"{self.penalty!r} has to be positive, and goes with ridge", where="penalty", rule="penalty")
        for name, least in (("block", 1), ("draws", 19)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                found.add(f"{value!r} is no whole number of {least} or more", where=name, rule=name)
        if not 0 < self.level < 1:
            found.add(f"{self.level!r} does not lie between 0 and 1", where="level", rule="level")
        for name in ("v", "window"):
            if getattr(self, name) is not None and not self.predictors:
                found.add("goes with predictors", where=name, rule=f"{name}_without_predictors")
        object.__setattr__(self, "v", weights_given(self.v, self.predictors, found))
        if self.window is not None and (isinstance(self.window, str) or len(tuple(self.window)) != 2):
            found.add(f"{self.window!r} is no first and last period", where="window", rule="window")
        elif self.window is not None:
            span = Predictor("window", *self.window)
            object.__setattr__(self, "window", (span.first, span.last))
        found.raise_if_any(EstimationError, "SyntheticControl cannot be set up so")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference"

    def arrays(self, design: Design) -> DesignArrays:
        """Return the design's arrays as :meth:`point` takes them: with the predictors' columns as covariates."""
        return with_columns(design, self.predictors)

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect per treated area-period, in the outcome's units; NaN where there is none.

        Parameters
        ----------
        arrays : DesignArrays
            With the predictors' columns as covariates, in the order in which predictors first name them; see
            :meth:`arrays`. Without predictors other than the outcome, any design's arrays will do.
        """
        need_columns(arrays, self.predictors)
        try:
            layout = self._layout(arrays)
        except UserError:
            return math.nan
        return gaps(layout, self._fits(layout)).average

    def path(self, arrays: DesignArrays) -> tuple[Floats, Floats]:
        """Return observed and synthetic outcomes of treated areas, before and after the start, shape (N, T) each.

        NaN where there is none. Of areas that are matched as one each has the group's synthetic rate at its own
        exposure, which is right in their sum.
        """
        observed, expected = (np.full(arrays.y.shape, np.nan) for _ in range(2))
        need_columns(arrays, self.predictors)
        try:
            layout = self._layout(arrays)
        except UserError:
            return observed, expected
        for slot, fit in zip(layout.slots, self._fits(layout), strict=True):
            cells = np.ix_(slot.rows, np.sort(np.concatenate([slot.before, slot.after])))
            observed[cells] = layout.y[cells]
            expected[cells] = (layout.exposure * fit.path)[cells]
        return observed, expected

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
        seed : int
            Of the placebo assignments, where they are drawn.

        Returns
        -------
        Result
            ``weights`` has donors (role ``donor``) and predictors; ``diagnostics["balance"]`` what was matched.

        Raises
        ------
        DesignError
            If the design has problems, or the panel lacks a predictor.
        EstimationError
            If fewer than three donors, or too few periods before the start, are known; or a predictor does not vary or
            reaches beyond the start.
        """
        layout, how = self._layout(self.arrays(design)), replace(self._matching, counts=design.is_count)
        fits = self._fits(layout)
        real = gaps(layout, fits)
        made = placebos(how, layout, fits, draws=self.draws, seed=seed)
        # outside the hull the bias is not in the placebos
        hull = report.outside_hull(design, layout, fits)
        shown = Placebos((), made.enumerated) if hull else made
        counts, level, slots = design.is_count, self.level, layout.slots
        observed, cells, _ = report.sums(layout, slots, [s.after for s in slots])
        table = report.rows(layout, fits, real, shown, how, counts=counts, level=level)
        matched = report.balance(layout, fits)
        p_ratio = shown.p_value_of_ratio(real)
        why = report.errors_rest_on(layout, made, hull, p_ratio, level)
        first = hull if why in hull else [*hull, why]
        notes = report.notes_of(design, layout, fits, real, matched, how, first)
        notes.add(report.rivals_differ(layout, fits, float(made.averages.std()) if len(made) > 1 else math.nan))
        return Result(
            estimates=estimates_frame(table),
            design=design,
            estimator=self,
            counterfactual=report.counterfactual(layout, fits, real, shown, counts=counts, level=level),
            weights=report.weights_frame(layout, fits),
            diagnostics={
                "observed": observed,
                "expected": observed - real.average * cells,
                "treated_areas": sum(len(s.rows) for s in slots),
                "treated_cells": int(layout.arrays.treated.sum()),
                "treated_cells_used": int(cells),
                "donors": len(layout.donors),
                "effective_donors": min(1 / float(f.weights @ f.weights) for f in fits),
                "rmspe_before": real.before,
                "rmspe_after": real.after,
                "rmspe_ratio": real.ratio,
                "relative_fit": max(f.rmspe / f.uniform if f.uniform > 0 else math.nan for f in fits),
                "misfit": max(f.misfit for f in fits),
                "hull": "outside" if hull else "inside",
                "inference": "placebo" if len(shown) else "none",
                "inference_why": texts([why])[0],
                "inference_in_doubt": not len(shown) or doubted(notes),
                "placebos": len(shown),
                "placebos_enumerated": shown.enumerated,
                "p_value_rmspe_ratio": p_ratio,
                "balance": matched,
                **report.search_of_v(layout, fits),
                **({"penalty": [f.penalty for f in fits]} if how.ridge else {}),
            },
            provenance=provenance(design, seed),
            seed=seed,
            **notes.parts(),
        )

    @property
    def _matching(self) -> Matching:
        ridge = self.augment == "ridge"
        v = None if self.v is None else tuple(weight for _, weight in self.v)
        return Matching(self.method == "predictors", ridge, self.penalty, self.intercept, self.block, v=v)

    def _layout(self, arrays: DesignArrays) -> Layout:
        layout = lay_out(arrays, pooled=self.pooled, block=self.block, predictors=self.predictors, window=self.window)
        alike = [p.label for k, p in enumerate(layout.predictors) if any(same_in_donors(layout, k))]
        if alike:
            raise EstimationError(
                f"{', '.join(alike)}: the same in every area that can serve as a donor, so that it cannot choose among "
                "them. Leave it out"
            )
        return layout

    def _fits(self, layout: Layout) -> list[Fitted]:
        return [fit_group(self._matching, layout, k, s.rows, layout.donors) for k, s in enumerate(layout.slots)]
