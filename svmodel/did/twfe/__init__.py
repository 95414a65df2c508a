"""Two-way fixed effects: one coefficient for being treated, with area and period effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np

from svmodel import periods as period_words
from svmodel.design import NEVER, Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.coefficients import without_error
from svmodel.did.covariates import covariate_table
from svmodel.did.event_groups import EventGroups, TwoWayFit, before_test, event_groups, fit_groups, on_reference
from svmodel.did.twfe.bacon import TwoWayWeights, weigh
from svmodel.errors import EstimationError, shorten
from svmodel.numerics.cluster.coefficient import Coefficient
from svmodel.result import Result
from svmodel.result.doubts import (
    area_names,
    areas_without_events,
    ended,
    period_names,
    whole_reporting_areas,
    zero_counts,
)
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, arrays_of, of_role
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.scales import estimates_frame, widened_row
from svmodel.result.uncertainty import checked_inference, choose_uncertainty


@dataclass(frozen=True)
class TwoWayFixedEffects:
    """Regression of the outcome on being treated, with area and period effects; errors are clustered.

    Parameters
    ----------
    family : {"poisson", "linear"}
        By default Poisson, and linear where the outcome is a measure.
        ``poisson`` for ratios (quasi-likelihood; the log of the exposure is an offset), ``linear`` for differences.
    level : float
        Coverage of intervals.
    leads, lags : int, optional
        Horizons of the event study before and after the start; what lies beyond is binned into the last one. By
        default the horizons that at least half of the treated areas reach, at most 24.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise: ``area`` for nothing, ``parent`` for reporting areas, a column of the
        panel, or the cluster of each area. By default the rule decides (:func:`svmodel.design.clusters.clusters_of`):
        reporting areas where starts never differ within them.
    weights : str, or mapping of str to float, optional
        Observation weights (linear family): a column of the panel, or one weight for each area. See Notes.

    Notes
    -----
    Poisson: ``rate_ratio`` is ``exp`` of the coefficient; with O the events in treated area-periods, ``events`` are
    ``O - O / rate_ratio``, and ``per_100k`` and ``difference`` the same per 100,000 of exposure and per treated
    area-period.
    Linear: ``difference`` is the coefficient, ``events`` it times the treated area-periods, and there is no rate ratio.
    Covariates that stand still over time get a coefficient in every period, others one.

    ``std_error`` is CRV1 by area or cluster, as other programs give it. Intervals and p-values are wider than theirs
    where few areas are treated: these share the fitted effect, so that their residuals are too small, and the degrees
    of freedom are nearer to their number than to that of all areas (:func:`svmodel.numerics.cluster.small_sample`).

    *Weights* (linear family) are those of weighted least squares, as other programs have them: with residents the
    coefficient is of people in place of areas. Then ``difference`` is all that is given, since a weighted mean times
    area-periods is no number of events.

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

    family: Literal["poisson", "linear"] = cast("Any", ByRole("poisson"))
    level: float = 0.95
    leads: int | None = None
    lags: int | None = None
    inference: str = "auto"
    cluster: str | Mapping[str, object] | None = None
    weights: str | Mapping[str, float] | None = None

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
        try:
            fit = self.static(arrays)
        except EstimationError:
            return float("nan")
        if fit.kept.any():
            return float(fit.coefficient[0])
        return -np.inf if self.family == "poisson" and fit.silent.any() else float("nan")

    def static(self, arrays: DesignArrays) -> TwoWayFit:
        """Return the regression with one coefficient for all treated cells."""
        return fit_groups(arrays, arrays.untreated | arrays.treated, np.where(arrays.treated, 0, -1), self.family)

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
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        arrays, family, level = arrays_of(self, design), self.family, self.level
        counts = design.is_count and arrays.weights is None
        require_told(arrays)
        static = self.static(arrays)
        if not static.kept.any():
            raise EstimationError(static.why(0))
        rows = self._rows("att", static, 0, counts=counts)
        groups = event_groups(arrays, design.anticipation, self.leads, self.lags)
        event, path, lacking = None, None, []
        if groups.horizons:
            try:
                event = fit_groups(arrays, arrays.untreated | arrays.treated, groups.group, family)
            except EstimationError as error:  # the average effect stands without
                lacking = [f"No event study: {error.title}."]
                groups = replace(groups, binned=())
        if event is not None:
            horizons = np.array(groups.horizons)
            for j in np.flatnonzero(event.kept):
                made = self._rows("event", event, int(j), counts=counts, horizon=int(horizons[j]))
                rows += made if event.areas[j] > 1 or static.areas[0] < 2 else without_error(made)
            rows += event.average_rows(horizons, level)
            moved = None if groups.reference == groups.wanted else groups.reference
            binned, before = groups.first_is_binned(event.kept), before_test(event, horizons)
            path = event.joint(horizons, binned=binned, reference=moved, before=before)
        estimates = estimates_frame(rows)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=level)
        notes = [*_notes(design, arrays, family, static, event, groups), *lacking]
        if family == "linear":
            notes += zero_counts(design, estimates)
        cells, _, observed = static.size(0)
        diagnostics = {
            "cells": int(static.use.sum()),
            "treated_cells": int((static.use & arrays.treated).sum()),
            "treated_cells_used": int(cells),
            "observed": observed,
            "expected": static.expected,
            "clusters": static.n_clusters,
            "crv1_factor": static.factor,
            "share_of_weight_negative": static.negative_weight,
        }
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes),
            weights=static.weights(arrays),
            joint=path,
            covariates=covariate_table(
                arrays, static.model, factor=static.factor, n_clusters=static.n_clusters, level=level
            ),
        )

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
        static = self.static(arrays)
        if static.model is None:
            raise EstimationError(static.why(0))
        exposure = arrays.exposure if self.family == "poisson" else None
        return Coefficient(
            self.family,
            arrays.y,
            static.model.terms,
            np.ones(1),
            exposure,
            static.model,
            arrays.units.label,
            arrays.weights,
        )

    def _rows(self, term: str, fit: TwoWayFit, j: int, *, counts: bool, **which: Any) -> list[dict[str, Any]]:
        """Return one coefficient on every scale."""
        if self.family == "poisson":
            return fit.ratio_rows(term, j, events=counts, level=self.level, **which)
        cells, exposure, _ = fit.size(j)
        estimate, error, small = fit.single(j)
        factors = [("difference", 1.0)]
        if counts:
            if exposure:
                factors.append(("per_100k", cells / exposure * 1e5))
            factors.append(("events", cells))
        return [widened_row(term, s, estimate * k, error * k, small, level=self.level, **which) for s, k in factors]


def twfe_weights(result: Result) -> TwoWayWeights:
    """Summarise the weights behind a two-way fixed effects result.

    Parameters
    ----------
    result : Result
        Of :class:`svmodel.did.TwoWayFixedEffects`, with its design.

    Returns
    -------
    TwoWayWeights

    Raises
    ------
    EstimationError
        If the result is of another method, or has no design.

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2020), *American Economic Review* 110(9), theorem 1 and corollary 1. The groups
    are areas.

    Examples
    --------
    >>> import svmodel as sv
    >>> made = sv.simulate.panel(n_areas=20, n_periods=12, cohorts=[(4, 5), (8, 5)], seed=1)
    >>> design = sv.Design(made.panel, outcome="violence", intervention=made.intervention)
    >>> weights = twfe_weights(sv.did.TwoWayFixedEffects(family="linear").fit(design))
    >>> weights.cells, weights.negative
    (60, 0)
    """
    estimator = result.estimator
    if not isinstance(estimator, TwoWayFixedEffects):
        raise EstimationError(f"{type(estimator).__name__} has no two-way weights; give a TwoWayFixedEffects result")
    if result.design is None:
        raise EstimationError("this result was read without its data; give `design=` to Result.from_json")
    fit = estimator.static(result.design.arrays)
    return weigh(float(fit.coefficient[0]), fit.cell_weights[fit.use & (fit.group == 0)])


def _notes(
    design: Design,
    arrays: DesignArrays,
    family: str,
    static: TwoWayFit,
    event: TwoWayFit | None,
    groups: EventGroups,
) -> list[Note]:
    """Return the notes of a result."""
    notes: list[Note] = []
    word = period_words.describe_frequency(arrays.periods)
    started = arrays.start[arrays.treated.any(axis=1)]
    if len(np.unique(started)) > 1:
        text = (
            "Starts are staggered: this coefficient averages effects with weights that can be negative, because areas "
            "already treated serve as controls (Goodman-Bacon 2021; de Chaisemartin and D'Haultfoeuille 2020)."
        )
        negative = static.negative_weight
        if negative < 0:
            notes.append(ResultWarning("identification", f"{text} Here the negative weights sum to {negative:.2f}."))
        else:
            notes.append(f"{text} Here none is negative.")
    if family == "poisson":
        notes += areas_without_events(design)
    alone = arrays.treated.any(axis=0) & ~arrays.untreated.any(axis=0)
    if alone.any():
        text = (
            f"In {period_names(design, alone)} no area is untreated: areas already treated are all that this "
            "coefficient compares with there."
        )
        notes.append(ResultWarning("identification", text))
    no_events = (arrays.untreated | arrays.treated).any(axis=0) & ~static.use.any(axis=0)
    if no_events.any():
        notes.append(f"No area that informs the model had an event in {period_names(design, no_events)}: left out.")
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        notes.append(f"{area_names(design, later)} start after the last {word} and serve as untreated.")
    for end in groups.binned:
        side = "earlier" if end < 0 else "later"
        notes.append(f"Event study: horizon {end:+d} stands for it and all {side} {word}s.")
    if event is not None:
        notes += _unknown(event, groups)
        if event.kept.any():
            notes.append(f"Event study: every horizon is relative to horizon {groups.reference:+d}.")
            notes += on_reference(design, groups.reference, groups.without)
        if groups.binned and not arrays.untreated[~arrays.treated.any(axis=1)].any():
            text = (
                "Event study: no area is never treated. That effects stay the same beyond the first and last horizon "
                "is all that tells them from a straight drift."
            )
            notes.append(ResultWarning("identification", text))
    return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]


def _unknown(event: TwoWayFit, groups: EventGroups) -> list[str]:
    notes = []
    for mask, why in (
        (event.silent, "no event was seen"),
        (event.absorbed, "the effect cannot be told apart from area and period effects and other horizons"),
    ):
        which = [f"{groups.horizons[j]:+d}" for j in np.flatnonzero(mask)]
        if mask is event.absorbed and mask.sum() > 1 and not event.kept.any():
            reason = (
                "no area is never treated, so that a straight drift over horizons"
                if not event.arrays.untreated[~event.arrays.treated.any(axis=1)].any()
                else "what the horizons have in common"
            )
            notes.append(f"Event study left out: {reason} cannot be told apart from area and period effects.")
        elif which:
            text = shorten(which, limit=10).replace("'", "")
            notes.append(f"Event study: horizon{'s' if len(which) > 1 else ''} {text} left out: {why}.")
    return notes
