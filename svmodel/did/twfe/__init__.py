"""Two-way fixed effects: one coefficient for being treated, beside area and period effects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from svmodel import periods as period_words
from svmodel.design import NEVER, Design, DesignArrays
from svmodel.did.covariates import ended
from svmodel.did.event_groups import EventGroups, TwoWayFit
from svmodel.errors import EstimationError, shorten
from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.result import JointEstimate, Result
from svmodel.result.doubts import silent_areas, whole_reporting_areas
from svmodel.result.method import Method
from svmodel.result.scales import estimates_frame, linear_row, log_row, provenance
from svmodel.result.uncertainty import checked_inference, settle


@dataclass(frozen=True)
class TwoWayFixedEffects:
    """Regression of the outcome on being treated, with area and period effects and errors clustered by area.

    Parameters
    ----------
    family : {"poisson", "linear"}
        ``poisson`` for ratios (quasi-likelihood; the log of the exposure is an offset), ``linear`` for differences.
    level : float
        Coverage of intervals.
    leads, lags : int, optional
        Horizons of the event study before and after the start; what lies beyond is binned into the last one. By
        default the horizons that at least half of the treated areas reach, at most 24.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.

    Notes
    -----
    Poisson: ``rate_ratio`` is ``exp`` of the coefficient; with O the events in treated area-periods, ``events`` are
    ``O - O / rate_ratio``, and ``per_100k`` and ``difference`` the same per 100,000 of exposure and per treated
    area-period.
    Linear: ``difference`` is the coefficient, ``events`` it times the treated area-periods, and there is no rate ratio.
    Covariates that stand still over time get a coefficient in every period, others one.

    ``std_error`` is CRV1 by area, as other programs give it. Intervals and p-values are wider than theirs where few
    areas are treated: these share the fitted effect, so that their residuals are too small, and the degrees of freedom
    are nearer to their number than to that of all areas (:func:`svmodel.numerics.cluster.small_sample`).

    With staggered starts the coefficient averages effects with weights that can be negative; ``weights`` has them by
    cohort and period, to first order for Poisson.

    References
    ----------
    Goodman-Bacon (2021), *Journal of Econometrics* 225. de Chaisemartin and D'Haultfoeuille (2020), *American Economic
    Review* 110, theorem 1. Cameron and Miller (2015), *Journal of Human Resources* 50: CRV1.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> counts = {"A": [10, 12, 6, 7], "B": [20, 22, 21, 19], "C": [15, 14, 16, 16]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022}))
    >>> result = TwoWayFixedEffects(family="linear").fit(design)
    >>> round(result.effect("att", "difference").estimate, 6)
    -4.75
    """

    about: ClassVar[Method] = Method(
        short="TWFE",
        name="Two-way fixed effects",
        how=(
            "Two-way fixed effects compares areas over time with one level for each area and one for each "
            "period. It is well known, but where areas start at different times and effects differ it mixes "
            "them badly; it is shown for comparison."
        ),
        gives=("event_path",),
    )

    family: Literal["poisson", "linear"] = "poisson"
    level: float = 0.95
    leads: int | None = None
    lags: int | None = None
    inference: str = "auto"

    def __post_init__(self) -> None:
        if self.family not in ("poisson", "linear"):
            raise EstimationError(f"TwoWayFixedEffects has no family {self.family!r}; it has 'poisson' and 'linear'")
        if not 0 < self.level < 1:
            raise EstimationError(f"the level must lie between 0 and 1, not at {self.level!r}")
        if (self.leads is not None and self.leads < 2) or (self.lags is not None and self.lags < 0):
            raise EstimationError("an event study needs leads of 2 or more and lags of 0 or more")
        for wrong in checked_inference(self.inference):
            raise EstimationError(wrong)

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.family == "poisson" else "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the coefficient alone; minus infinity where the treated cells have no event, NaN without a fit."""
        from svmodel.did.event_groups import fit_groups

        use = arrays.untreated | arrays.treated
        try:
            fit = fit_groups(arrays, use, np.where(arrays.treated, 0, -1), self.family)
        except EstimationError:
            return float("nan")
        if fit.kept.any():
            return float(fit.coefficient[0])
        return -np.inf if self.family == "poisson" and fit.silent.any() else float("nan")

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
        seed : int
            Kept in the provenance; nothing here is random.

        Returns
        -------
        Result

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If the effect cannot be told apart from area and period effects, a Poisson outcome is negative, or the
            treated area-periods have no event.
        """
        from svmodel.did.event_groups import event_groups, fit_groups
        from svmodel.result.doubts import many_zeros

        arrays = design.arrays
        use = arrays.untreated | arrays.treated
        static = fit_groups(arrays, use, np.where(arrays.treated, 0, -1), self.family)
        if not static.kept.any():
            raise EstimationError(static.why(0))
        rows = self._rows("att", static, 0, counts=design.is_count)
        groups = event_groups(arrays, design.anticipation, self.leads, self.lags)
        event, joint = None, None
        lacking: tuple[str, ...] = ()
        if groups.horizons:
            try:
                event = fit_groups(arrays, use, groups.group, self.family)
            except EstimationError as error:  # the average effect stands without
                lacking = (f"No event study: {error.title}.",)
                groups = replace(groups, binned=())
        if event is not None:
            horizons = np.array(groups.horizons)
            for j in np.flatnonzero(event.kept):
                rows += self._rows("event", event, int(j), counts=design.is_count, horizon=int(horizons[j]))
            rows += self._average(event, event.kept & (horizons >= 0))
            joint = self._joint(event, horizons)
        estimates = estimates_frame(rows)
        cells, _, observed = static.size(0)
        effect = float(static.coefficient[0])
        result = Result(
            estimates=estimates,
            design=design,
            estimator=self,
            weights=static.weights(arrays),
            joint=joint,
            diagnostics={
                "cells": int(static.use.sum()),
                "treated_cells": int((static.use & arrays.treated).sum()),
                "treated_cells_used": int(cells),
                "observed": observed,
                "expected": observed / float(np.exp(effect)) if self.family == "poisson" else observed - effect * cells,
                "clusters": static.n_clusters,
                "crv1_factor": static.factor,
                "share_of_weight_negative": static.negative_weight,
            },
            notes=(
                *say(design, arrays, self.family, static, event, groups),
                *lacking,
                *(many_zeros(design, arrays, estimates) if self.family == "linear" else ()),
            ),
            provenance=provenance(design, seed),
            seed=seed,
        )
        return settle(result, self, arrays, self.inference, level=self.level)

    def coefficient(self, arrays: DesignArrays) -> Coefficient:
        """Return the regression whose one coefficient is the average effect, for bootstraps that work on it.

        Parameters
        ----------
        arrays : DesignArrays

        Returns
        -------
        Coefficient

        Raises
        ------
        EstimationError
            As :meth:`fit` does.
        """
        from svmodel.did.event_groups import fit_groups
        from svmodel.numerics.cluster.coefficient import Coefficient

        use = arrays.untreated | arrays.treated
        static = fit_groups(arrays, use, np.where(arrays.treated, 0, -1), self.family)
        if static.model is None:
            raise EstimationError(static.why(0))
        exposure = arrays.exposure if self.family == "poisson" else None
        return Coefficient(self.family, arrays.y, static.model.terms, np.ones(1), exposure, static.model)

    def _rows(self, term: str, fit: TwoWayFit, j: int, *, counts: bool, **which: Any) -> list[dict[str, Any]]:
        """Return one coefficient on every scale."""
        from svmodel.did.scales import PerCell, from_influence

        cells, exposure, observed = fit.size(j)
        estimate, error = float(fit.coefficient[j]), float(np.sqrt(fit.covariance[j, j]))
        small = fit.small((np.arange(len(fit.kept)) == j).astype(np.float64))
        if self.family == "poisson":
            expected = observed / float(np.exp(estimate))
            # the observed sum is held, so all the uncertainty of the ratio is that of the expected sum
            covariance = np.array([[0.0, 0.0], [0.0, (expected * error) ** 2]])
            per = PerCell(cells, exposure, events=counts)
            return from_influence(term, observed, expected, covariance, per, level=self.level, small=small, **which)
        factors = [("difference", 1.0)]
        if counts:
            if exposure:
                factors.append(("per_100k", cells / exposure * 1e5))
            factors.append(("events", cells))
        return [self._linear(term, s, estimate * k, error * k, small, **which) for s, k in factors]

    def _linear(
        self, term: str, scale: str, estimate: float, error: float, small: SmallSample, **which: Any
    ) -> dict[str, Any]:
        """Return a row whose interval is widened for few treated areas, and whose standard error is not."""
        row = linear_row(term, scale, estimate, error * small.inflation, level=self.level, df=small.df, **which)
        return {**row, "std_error": row["std_error"] / small.inflation}

    def _average(self, fit: TwoWayFit, after: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the equally weighted average over horizons from 0; of log ratios for Poisson."""
        if not after.any():
            return []
        w = after / after.sum()
        estimate = float(w @ np.where(after, fit.coefficient, 0.0))
        # rounding can leave a variance of zero just below it
        error, small = float(np.sqrt(max(w @ fit.covariance @ w, 0.0))), fit.small(w)
        if self.family == "linear":
            return [self._linear("event_average", "difference", estimate, error, small)]
        row = log_row("event_average", estimate, error * small.inflation, level=self.level, df=small.df)
        return [{**row, "std_error": row["std_error"] / small.inflation}]

    def _joint(self, fit: TwoWayFit, horizons: NDArray[np.int64]) -> JointEstimate | None:
        import pandas as pd

        kept = fit.kept
        if not kept.any():
            return None
        nothing: pd.Series = pd.Series([None] * int(kept.sum()), dtype=object)
        index = pd.DataFrame(
            {"term": "event", "cohort": nothing, "period": nothing, "horizon": horizons[kept].astype(np.float64)}
        )
        scale = "log_rate_ratio" if self.family == "poisson" else "difference"
        return JointEstimate(scale, index, fit.coefficient[kept], fit.covariance[np.ix_(kept, kept)])


def say(
    design: Design, arrays: DesignArrays, family: str, static: TwoWayFit, event: TwoWayFit | None, groups: EventGroups
) -> list[str]:
    """Return the notes of a result."""
    notes = []
    word = period_words.describe_frequency(arrays.periods)
    started = arrays.start[arrays.treated.any(axis=1)]
    if len(np.unique(started)) > 1:
        text = (
            "Starts are staggered: this coefficient averages effects with weights that can be negative, because areas "
            "already treated serve as controls (Goodman-Bacon 2021; de Chaisemartin and D'Haultfoeuille 2020)."
        )
        negative = static.negative_weight
        text += f" Here the negative weights sum to {negative:.2f}." if negative < 0 else " Here none is negative."
        notes.append(text)
    known = arrays.untreated | arrays.treated
    if family == "poisson":
        notes += silent_areas(design, arrays)
    alone = arrays.treated.any(axis=0) & ~arrays.untreated.any(axis=0)
    if alone.any():
        which = shorten([period_words.label(arrays.periods[t]) for t in np.flatnonzero(alone)]).replace("'", "")
        notes.append(
            f"In {which} no area is untreated: areas already treated are all that this coefficient compares with there."
        )
    quiet = known.any(axis=0) & ~static.use.any(axis=0)
    if quiet.any():
        which = shorten([period_words.label(arrays.periods[t]) for t in np.flatnonzero(quiet)]).replace("'", "")
        notes.append(f"No area that informs the model had an event in {which}: left out.")
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        which = shorten([design.panel.label(arrays.areas[i]) for i in np.flatnonzero(later)]).replace("'", "")
        notes.append(f"{which} start after the last {word} and serve as untreated.")
    for end in groups.binned:
        side = "earlier" if end < 0 else "later"
        notes.append(f"Event study: horizon {end:+d} stands for it and all {side} {word}s.")
    if event is not None:
        notes += _unknown(event, groups)
        notes.append(f"Event study: every horizon is relative to horizon {groups.reference:+d}.")
    return [*notes, *ended(design, arrays), *whole_reporting_areas(design)]


def _unknown(event: TwoWayFit, groups: EventGroups) -> list[str]:
    notes = []
    for mask, why in (
        (event.silent, "no event was seen"),
        (event.absorbed, "the effect cannot be told apart from area and period effects and other horizons"),
    ):
        which = [f"{groups.horizons[j]:+d}" for j in np.flatnonzero(mask)]
        if which:
            text = shorten(which, limit=10).replace("'", "")
            notes.append(f"Event study: horizon{'s' if len(which) > 1 else ''} {text} left out: {why}.")
    return notes
