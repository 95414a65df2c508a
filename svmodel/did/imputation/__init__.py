"""Imputation (Borusyak, Jaravel and Spiess): observed against expected, the expected from untreated cells alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.averages import lay_out
from svmodel.did.covariates import covariate_table
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.did.expected_poisson import log_ratio_influence, poisson_att
from svmodel.did.imputation import linear
from svmodel.errors import EstimationError, Problems, did_you_mean
from svmodel.result import Result
from svmodel.result.doubts import share_of_zeros, zero_counts
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, arrays_of, of_role
from svmodel.result.tables import treated_groups
from svmodel.result.uncertainty import checked_inference, choose_uncertainty

_FAMILIES = ("poisson", "linear")


@dataclass(frozen=True)
class Imputation:
    """Effects of treated area-periods, the outcome without treatment imputed from untreated ones alone.

    Area effects, period effects and covariates are fitted to the untreated area-periods; the effect of a treated one
    is what was observed less what they predict for it. No treated area-period ever serves as a control. Negative means
    fewer harms.

    Parameters
    ----------
    family : {"poisson", "linear"}
        By default Poisson, and linear where the outcome is a measure.
        ``poisson``: levels multiply, with the exposure; effects are ratios. ``linear``: levels add up, in the outcome's
        own units; effects are differences.
    level : float
        Coverage of intervals.
    inference : {"auto", "cluster", "placebo"}
        What the interval of the average effect rests on: the rule's choice (:func:`svmodel.inference.choose`), errors
        clustered by area, or untreated areas taken for treated ones.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.
    weights : str, or mapping of str to float, optional
        Observation weights (linear family), as in :class:`~svmodel.did.TwoWayFixedEffects`: averages are of what is
        weighed, and counterfactuals, which are of areas, are left out.
    leads : int, optional
        Linear family: horizons before the start that get an effect; earlier ones are binned into the first. By default
        those that at least half of the treated areas reach, at most 24.

    Notes
    -----
    **Poisson.** The answer is that of :class:`~svmodel.did.ExtendedTwoWayFixedEffects` number for number, because for a
    Poisson mean imputation and the saturated regression are one (Wooldridge 2023): estimates, errors, leads and notes
    are made there, and its page says how. Ask for it by the name your protocol uses.

    **Linear.** With ``Y_it(0) = a_i + b_t + x_it'd`` fitted by least squares to untreated cells, ``tau_it = Y_it -
    Y_it(0)``, and every term is an average of the tau_it. Covariates that stand still over time get a coefficient in
    every period, others one. An area that is seen untreated once only keeps that cell, and its effects: it sets the
    area's level.

    *Standard errors* are the conservative clustered ones of the paper (theorem 3): the sum over areas of ``(sum_t
    v_it e_it)^2``, v the weight of a cell in the estimate and e its residual, for treated cells tau_it less the mean of
    its cohort in the period (``avgeffectsby`` of Stata's did_imputation, by default). They agree with did_imputation
    for Stata and R, which take no small-sample factor.

    *Intervals and p-values* are wider than these say. A cohort of one area has tau_it equal to its mean, so that its
    noise is in no residual. Residuals of cohorts of fewer than eight areas are about the average effect of all treated
    cells instead, which errs on the safe side, and all get the correction and degrees of freedom of
    :func:`svmodel.numerics.cluster.small_sample`. What rests on a single treated area has neither error nor interval.

    *Before the start.* Effects with negative horizons come from a regression of their own, of untreated cells on
    horizons (section 4.4 of the paper), relative to the last horizon before the start, or before anticipation. They
    test parallel trends without touching the effects. Leads and effects have different references: a step between
    them means nothing, and the eye must not draw a line through both (Roth 2024).
    For the same reason ``joint`` holds the leads alone: bounds that carry departures before the start over to the
    effects (Rambachan and Roth 2023) are for methods with one reference, such as
    :class:`~svmodel.did.SunAbraham`.

    *Scales.* ``difference`` is in outcome units per treated area-period, and all that a measure has. A count also has
    ``events``, the difference times the treated area-periods; ``per_100k``, events by exposure; and ``rate_ratio`` =
    O / (O - events) with O the observed events, taken as the fact they are, so that all scales share one p-value.

    *Counterfactual.* A treated area's expected outcome has no interval of its own; the sum over all treated areas has
    one in the periods in which all of them are treated.

    *Many zeros.* Where more than a third of a count's cells are zero a note says what the linear effect is of its own
    counterfactual, and points to the Poisson family.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024). Revisiting event-study designs: robust and efficient estimation. *Review of
    Economic Studies* 91(6), 3253-3285. Wooldridge (2023), *Econometrics Journal* 26(3). Roth (2024), arXiv:2401.12309.

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> counts = {"A": [10, 12, 6, 7], "B": [12, 13, 9, 7], "C": [20, 22, 21, 19], "D": [15, 14, 16, 16]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2022}))
    >>> result = Imputation(family="linear").fit(design)
    >>> round(result.effect("att", "difference").estimate, 6), round(result.effect("att", "events").estimate, 6)
    (-4.75, -19.0)
    """

    about: ClassVar[Method] = Method(
        short="Imputation",
        name="Imputation",
        how=(
            "Imputation (Borusyak, Jaravel and Spiess 2024) fills in what treated areas would have had from "
            "the levels of areas and periods without the intervention, and averages what was observed less "
            "what was filled in."
        ),
        kin="imputation",
        gives=("event_path",),
    )

    family: Literal["poisson", "linear"] = cast("Any", ByRole("poisson"))
    level: float = 0.95
    inference: str = "auto"
    leads: int | None = None
    cluster: str | Mapping[str, object] | None = None
    weights: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        if self.family not in _FAMILIES:
            fix = did_you_mean(str(self.family), _FAMILIES)
            problems.add(f"{self.family!r} is no family", where="family", fix=fix, rule="family")
        for wrong in checked_inference(self.inference):
            problems.add(wrong, where="inference", rule="inference")
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        if self.leads is not None and (self.leads < 2 or self.family == "poisson"):
            fix = (
                "Leave it out: the Poisson family gives every lead." if self.family == "poisson" else "Give 2 or more."
            )
            problems.add(f"{self.leads!r} leads cannot be estimated", where="leads", fix=fix, rule="leads")
        problems.raise_if_any(EstimationError, "Imputation cannot be used")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.family == "poisson" else "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone, a log rate ratio or a difference; NaN where it is not identified."""
        if self.family == "poisson":
            return poisson_att(arrays)
        try:
            return linear.impute_arrays(arrays).average
        except EstimationError:
            return float("nan")

    def influence(self, arrays: DesignArrays) -> tuple[float, NDArray[np.float64]]:
        """Return the average effect on :attr:`scale`, and what each area adds to its error.

        Parameters
        ----------
        arrays : DesignArrays

        Returns
        -------
        estimate : float
        influence : ndarray, shape (N,)
            The root of its sum of squares is the standard error behind the interval, before any small-sample factor.
            Areas of small cohorts are held against the average effect of all, so that each has its noise in it.

        Raises
        ------
        EstimationError
            If the average effect is not identified, or is a ratio without an event.
        """
        if self.family == "poisson":
            return log_ratio_influence(arrays)
        made = linear.impute_arrays(arrays)
        if not made.target.any():
            raise EstimationError("no treated area-period has an expected outcome")
        sums = linear.Sums(arrays, made)
        att = sums.grid.overall
        return float(sums.estimate(att)[0]), sums.influences(att)[1][:, 0]

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design.

        Parameters
        ----------
        design : Design
            A count or a measure (linear family), or an outcome that is never negative (Poisson family).
        seed : int
            For the placebo intervals of few treated areas only.

        Returns
        -------
        Result
            Terms ``att``, ``event``, ``cohort``, ``calendar``, ``cell``, ``area`` and the averages of averages.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If no treated area-period has an expected outcome (with the areas and periods and why), covariates cannot
            be told apart from area and period effects, or the outcome of a Poisson family is negative.
        """
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        if self.family == "poisson":
            same = ExtendedTwoWayFixedEffects(
                family="poisson",
                level=self.level,
                inference=self.inference,
                cluster=self.cluster,
                weights=self.weights,
            )
            return replace(same.fit(design, seed=seed), estimator=self)
        arrays = arrays_of(self, design)
        counts = design.is_count and arrays.weights is None
        require_told(arrays)
        made = linear.impute_arrays(arrays)
        linear.require_target(design, made)
        sums = linear.Sums(arrays, made)
        leads = linear.fit_leads(arrays, self.leads)
        before = leads if isinstance(leads, linear.Leads) else None
        overall, cells = sums.grid.terms()
        rows = [sums.row(averages) for averages in overall]
        calendar = next(row for row in rows if row[0].term == "calendar")
        if before is not None:
            rows.insert(4, (before.averages, before.estimate, before.errors))
        rows += [sums.row(averages) for averages in cells]
        treated = np.flatnonzero(made.target.any(axis=1))
        groups = {a: treated[at] for a, at in treated_groups(arrays.areas, treated, design.panel.parents).items()}
        rows.append(linear.own_effects(sums, groups))
        estimates = lay_out(rows, arrays.periods, counts=counts, level=self.level)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=self.level)
        notes = [*linear.notes_of(design, sums, leads), *zero_counts(design, estimates)]
        observed = float(arrays.y[made.target].sum())
        diagnostics = {
            "observed": observed,
            "expected": observed - float(made.effect.sum()),
            "treated_areas": len(treated),
            "treated_cells": int(arrays.treated.sum()),
            "treated_cells_used": int(made.target.sum()),
            "untreated_cells": int(made.fit.terms.use.sum()),
            "clusters": sums.clusters,
            "share_of_zeros": share_of_zeros(arrays),
        }
        expected = linear.counterfactual(sums, calendar, self.level) if arrays.weights is None else None
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes, expected),
            weights=linear.weights(sums),
            joint=None if before is None else linear.joint(before),
            covariates=covariate_table(
                arrays,
                made.fit,
                factor=sums.clusters / max(sums.clusters - 1, 1),
                n_clusters=sums.clusters,
                level=self.level,
            ),
        )
