"""Sun and Abraham's interaction-weighted estimator: an event study that cohorts do not contaminate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.averages import lay_out
from svmodel.did.covariates import covariate_table
from svmodel.did.sun_abraham.averages import Sums, counterfactual, joint, notes_of, weights
from svmodel.did.sun_abraham.regression import average_effect, saturate
from svmodel.errors import EstimationError, Problems
from svmodel.result import Result
from svmodel.result.doubts import share_of_zeros, zero_counts
from svmodel.result.method import Method, arrays_of
from svmodel.result.uncertainty import checked_inference, choose_uncertainty

_ONE_CONTROL = (
    "A single area serves as control, or areas of one cluster: whatever else happened there passes for the effect. No "
    "interval is given."
)


@dataclass(frozen=True)
class SunAbraham:
    """Least squares with area and period effects and a coefficient for every cohort and period, then averages of these.

    An event study with one coefficient a horizon mixes in the effects of other horizons where cohorts differ. Here each
    cohort has its own, relative to the last period before its start (or before anticipation) and to areas that are
    never treated; averages weight cohorts by their share. Negative means fewer harms.

    Parameters
    ----------
    level : float
        Coverage of intervals.
    inference : {"auto", "cluster", "placebo"}
        What the interval of the average effect rests on: the rule's choice (:func:`svmodel.inference.choose`), errors
        clustered by area, or untreated areas taken for treated ones.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.
    weights : str, or mapping of str to float, optional
        Observation weights, as in :class:`~svmodel.did.TwoWayFixedEffects`: averages are of what is
        weighed, and counterfactuals, which are of areas, are left out.

    Notes
    -----
    *Controls* are the never treated. Where there are none, the cohort that starts last serves as control until it
    starts; it has no effect of its own, and nothing is estimated after, as in the paper. Cohorts that start
    later are no controls for those that start earlier.

    *Averages.* ``event`` weights cohorts by their known cells at the horizon, ``att`` every treated area-period alike,
    as ``sunab`` of R's fixest does. On complete panels without covariates ``att`` is that of Callaway and Sant'Anna
    with never treated controls.

    *Covariates* of the design enter the regression: still ones with a coefficient in every period, others with one.

    *Standard errors* are CRV1 by area or cluster with the shares of cohorts taken as fixed, as in fixest (the paper's
    own add the error of estimated shares; here the areas treated are a fact). *Intervals and p-values* are wider:
    residuals of cohorts of fewer than eight areas are about the controls' path plus the average effect of all, because
    a cohort of one area has no residual of its own, and all get the correction and degrees of freedom of
    :func:`svmodel.numerics.cluster.small_sample`. What rests on a single treated area has neither.

    *Scales* as for :class:`~svmodel.did.Imputation`: a count has ``events``, ``per_100k`` and ``rate_ratio`` with
    ``difference``, with the observed events held.

    *No Poisson family.* Its coefficients are log ratios by cohort and month, minus infinity in each without an event;
    averages of the rest would be over selected months. :class:`~svmodel.did.ExtendedTwoWayFixedEffects` sums counts
    before it takes ratios.

    References
    ----------
    Sun and Abraham (2021). Estimating dynamic treatment effects in event studies with heterogeneous treatment effects.
    *Journal of Econometrics* 225(2), 175-199.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> counts = {"A": [10, 12, 6, 7], "B": [12, 13, 9, 7], "C": [20, 22, 21, 19], "D": [15, 14, 16, 16]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2022}))
    >>> result = SunAbraham().fit(design)
    >>> [round(result.effect("event", "difference", horizon=h).estimate, 6) for h in (-2, 0, 1)]
    [-1.0, -5.5, -5.0]
    """

    about: ClassVar[Method] = Method(
        short="Sun-Abraham",
        name="Sun and Abraham",
        how=(
            "Sun and Abraham (2021) estimates the effect of each group of areas that started together in each "
            "period, against areas that never started, and averages them by the number of areas."
        ),
        gives=("event_path",),
    )

    level: float = 0.95
    inference: str = "auto"
    cluster: str | Mapping[str, object] | None = None
    weights: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        for wrong in checked_inference(self.inference):
            problems.add(wrong, where="inference", rule="inference")
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        problems.raise_if_any(EstimationError, "SunAbraham cannot be used")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone, in outcome units per treated area-period; NaN where not identified."""
        return average_effect(arrays)

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            A count or a measure.
        seed : int
            For the placebo intervals of few treated areas only.

        Returns
        -------
        Result
            Terms ``att``, ``event`` (horizons before the start too), ``cohort``, ``calendar``, ``cell`` and the
            averages of averages. ``weights`` are those of cohorts and periods in ``att``.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If no effect is identified, or covariates cannot be told apart from cohorts and periods.
        """
        arrays = arrays_of(self, design)
        counts = design.is_count and arrays.weights is None
        require_told(arrays)
        fit = saturate(arrays)
        sums = Sums(fit)
        overall, cells = sums.grid.terms()
        rows = [sums.row(averages) for averages in overall]
        terms = {row[0].term: row for row in rows}
        if sums.leads is not None:
            rows.insert(4, sums.row(sums.leads, sums.leads.weights))
        rows += [sums.row(averages) for averages in cells]
        estimates = lay_out(rows, arrays.periods, counts=counts, level=self.level)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=self.level)
        notes = [*notes_of(design, sums), *zero_counts(design, estimates)]
        if arrays.units.count(fit.control) == 1:
            # the rule counts areas that are yet to start as controls; here they are none
            basis = replace(basis, kind="none", in_doubt=True, keeps=False, more=(_ONE_CONTROL,))
        observed, n = float(sums.grid.outcome.sum()), float(sums.grid.cells.sum())
        diagnostics = {
            "observed": observed,
            "expected": observed - n * float(terms["att"][1][0]),
            "treated_areas": int(sums.target.any(axis=1).sum()),
            "treated_cells": int(arrays.treated.sum()),
            "treated_cells_used": int(n),
            "control_areas": len(fit.control),
            "clusters": fit.n_clusters,
            "crv1_factor": fit.factor,
            "share_of_zeros": share_of_zeros(arrays),
        }
        expected = counterfactual(sums, terms["calendar"], self.level) if arrays.weights is None else None
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes, expected),
            weights=weights(sums),
            joint=joint(sums, terms["event"][0]),
            covariates=covariate_table(
                arrays, fit.model, factor=fit.factor, n_clusters=fit.n_clusters, level=self.level
            ),
        )
