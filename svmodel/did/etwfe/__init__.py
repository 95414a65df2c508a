"""Extended two-way fixed effects: imputation, Poisson or linear, with the saturated regression's standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np

from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.covariates import covariate_table
from svmodel.did.etwfe import forms
from svmodel.did.etwfe.areas import area_rows, counterfactual, own_sums
from svmodel.did.etwfe.notes import basis_of, notes_of
from svmodel.did.etwfe.sums import all_terms, average_alone, diagnostics_of
from svmodel.did.expected_poisson import impute, poisson_att
from svmodel.errors import EstimationError
from svmodel.result import Result
from svmodel.result.doubts import zero_counts
from svmodel.result.many_effects import table_of_rows
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, arrays_of, of_role
from svmodel.result.notes import Notes
from svmodel.result.rule import FEW_TREATED, choose, dealt_by_cluster
from svmodel.result.scales import provenance
from svmodel.result.tables import ALL_TREATED, treated_groups
from svmodel.result.uncertainty import checked_inference, choose_uncertainty, doubts_of

_FAMILIES = ("poisson", "linear")
_EFFECTS = ("area", "cohort")


@dataclass(frozen=True)
class ExtendedTwoWayFixedEffects:
    """Observed against expected outcomes, the expected imputed from untreated area-periods by regression.

    Area effects, period effects and covariates are fitted to the untreated area-periods alone, with the log of the
    exposure as offset (Poisson); each treated area-period is then held against the outcome that they predict for it.

    Parameters
    ----------
    family : {"poisson", "linear"}
        By default Poisson, and linear where the outcome is a measure.
        ``poisson``: the mean is a product of an area's level, a period's level and exposure. The outcome need not be a
        count as long as it is never negative (quasi-likelihood). ``linear``: the mean is a sum of an area's level and a
        period's, in the outcome's own units; exposure turns its differences into rates and nothing else.
    level : float
        Coverage of intervals.
    few_treated : int
        A sum over fewer treated areas than this takes its uncertainty from untreated areas (see Notes), because a
        cluster-robust variance from so few is far too small. 0 for the cluster-robust variance throughout, as the
        saturated regression gives it. With ``family="linear"`` or ``effects="cohort"`` the size below which a cohort's
        residuals are about the pooled effect; the intervals of the average effect follow `inference`.
    effects : {"area", "cohort"}
        A level for each area, or one for each cohort with the never treated as one, as R's etwfe has by default. With
        complete data they agree in the linear family, and in the Poisson family without covariates or exposures;
        covariates then have slopes by cohort and by period. Cohort effects need less of each area's past and leave the
        differences between areas of a cohort in the residuals.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.
    only_average : bool
        Give the term ``att`` alone, with its interval, at a fraction of the cost: for power and calibration.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.
    weights : str, or mapping of str to float, optional
        Observation weights (linear family with area effects), as in :class:`~svmodel.did.TwoWayFixedEffects`: averages
        are of what is weighed, and counterfactuals, which are of areas, are left out.

    Notes
    -----
    *Effects.* ``rate_ratio`` is the sum of observed over the sum of expected counts, ``events`` their difference,
    ``per_100k`` the events per 100,000 of exposure and period, ``difference`` the events per treated area-period.
    A measure that is no count has no ``events``.
    ``event_average`` weights horizons equally, ``cohort_average`` cohorts by their areas, ``calendar_average`` periods
    equally.

    *Equality.* Where the exposures of a cohort's areas move in proportion, estimates and standard errors are those of
    the saturated Poisson regression on cohort x period dummies with area and period effects and CRV1 by area, with the
    delta method over all its coefficients (Wooldridge 2023). Where they do not, the expected counts still come from
    untreated cells only.

    *Intervals.* Cohorts are few areas, and each cohort's mean is taken from its own: intervals and p-values allow for
    that (:func:`svmodel.numerics.cluster.small_sample`), and for events they are about the area-periods as they were,
    shocks included. So they are wider than `std_error` alone says, and cover at the nominal rate where that would not
    (benchmarks/results/calibration.md). ``few_treated=0`` takes t with one degree less than informative areas instead.

    *Small cohorts.* In the saturated regression a cohort of one area fits that area's treated counts exactly, so its
    noise vanishes from the variance. A cohort of fewer than `few_treated` areas is held against the pooled ratio
    instead (Borusyak, Jaravel and Spiess 2024, section 4.3), which errs on the safe side.

    *Few treated areas, and each area's own effect* (term ``area``): the cluster-robust variance of the fit, plus the
    noise of observed less expected, ``phi E + omega E^2``, learnt from untreated areas imputed over the same
    periods as if they had been treated (after Conley and Taber 2011; Ferman and Pinto 2019). It takes the noise of
    untreated areas, at their size, for that of treated ones. The interval is that of a score test.

    *Before the start.* ``event`` rows with negative horizons impute the cells before a cohort's start from the other
    cohorts' untreated cells, with the level of the area's own cells before the start: all effects, before and after,
    are relative to the average before the start, and a departure that grows steadily shows as a line without a
    break at the start. This is not so for leads that are estimated on the earliest periods only (Roth 2024).
    Within an area the misses before the start sum to zero, so ``joint`` holds all horizons but the last one before it.

    *Covariates* that stand still over time get a coefficient in every period; others get one. With cohort effects each
    has a slope by cohort and one by period.

    *Linear family.* ``difference`` is the mean of observed less expected over treated area-periods. For complete panels
    it is the saturated regression of Wooldridge (2025, eq. 5.7), with its standard errors where no cohort is small.
    For a count, ``rate_ratio`` is observed over observed less events, with the observed number held.

    *Counterfactual.* ``low`` and ``high`` bound the expected count (shape over time and level of the area), not the
    count that would have been observed.

    *Zeros.* A treated area without an event before its start has an expected count of zero. It stays in every
    sum over areas, because leaving it out would select areas on their past and make effects look better; it has no
    effect of its own.

    References
    ----------
    Wooldridge, J.M. (2021). Two-way fixed effects, the two-way Mundlak regression, and difference-in-differences
    estimators. SSRN 3906345; published (2025) in *Empirical Economics* 69(5), 2545-2587.
    Wooldridge, J.M. (2023). Simple approaches to nonlinear difference-in-differences with panel data. *Econometrics
    Journal* 26(3), C31-C66.
    Borusyak, Jaravel and Spiess (2024). *Review of Economic Studies* 91(6), 3253-3285.
    Ferman and Pinto (2019). *Review of Economics and Statistics* 101(3), 452-467. Conley and Taber (2011), same 93(1).
    Roth (2024). Interpreting event-studies from recent difference-in-differences methods. arXiv:2401.12309.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame([(f"A{i:02d}", f"2024-{m:02d}") for i in range(40) for m in range(1, 13)],
    ...     columns=["area", "month"])
    >>> treated = (frame["area"] < "A10") & (frame["month"] >= "2024-07")
    >>> frame["harms"] = rng.poisson(np.where(treated, 16, 20))
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["harms"])
    >>> patrols = Intervention("patrols", {f"A{i:02d}": "2024-07" for i in range(10)})
    >>> result = ExtendedTwoWayFixedEffects().fit(Design(panel, outcome="harms", intervention=patrols))
    >>> effect = result.effect("att", "rate_ratio")
    >>> effect.conf_low < 0.8 < effect.conf_high
    True
    """

    about: ClassVar[Method] = Method(
        short="ETWFE",
        name="Extended two-way fixed effects",
        how=(
            "Extended two-way fixed effects learns each area's level and each period's level from areas and "
            "periods without the intervention, works out from them what would have been expected, and "
            "compares this with what was observed (Wooldridge 2023; Borusyak, Jaravel and Spiess 2024). It "
            "can be summed for one place."
        ),
        kin="imputation",
        gives=("event_path",),
    )

    family: Literal["poisson", "linear"] = cast("Any", ByRole("poisson"))
    level: float = 0.95
    few_treated: int = FEW_TREATED
    effects: Literal["area", "cohort"] = "area"
    inference: str = "auto"
    only_average: bool = False
    cluster: str | Mapping[str, object] | None = None
    weights: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name, value, valid in (("family", self.family, _FAMILIES), ("effects", self.effects, _EFFECTS)):
            if value not in valid:
                said = " and ".join(map(repr, valid))
                raise EstimationError(f"ExtendedTwoWayFixedEffects has no {name} {value!r}; it has {said}")
        for wrong in checked_inference(self.inference):
            raise EstimationError(wrong)
        if not 0 < self.level < 1:
            raise EstimationError(f"the level must lie between 0 and 1, not at {self.level!r}")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.family == "poisson" else "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone: a log rate ratio or a difference; NaN where there is none."""
        if (self.family, self.effects) == ("poisson", "area"):
            return poisson_att(arrays)
        return forms.point(arrays, self.family, self.effects)

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
            If the outcome is negative somewhere, no treated area-period can be given an expected count, or covariates
            cannot be told apart from area and period effects.
        """
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        arrays, counts, level = arrays_of(self, design), design.is_count, self.level
        require_told(arrays)
        if (self.family, self.effects) != ("poisson", "area"):
            return self._by_form(design, arrays, seed)
        # which uncertainty the design can bear, and below how many areas a sum takes it from untreated ones
        choice = choose(arrays, self.inference)
        below = {"auto": self.few_treated, "cluster": 0, "placebo": len(arrays.areas)}[self.inference]
        below = below if dealt_by_cluster(arrays) else 0
        # expected counts of the treated cells, from area and period effects of the untreated ones
        imputed = impute(arrays, self.few_treated, below)
        # each treated area's own sums, and their noise
        own = own_sums(imputed, counts=counts)
        # observed against expected: overall, averages, events before and after, cells; then area by area
        terms = (average_alone if self.only_average else all_terms)(imputed, level, counts=counts)
        rows, expected = terms.rows, None
        if not self.only_average:
            groups = treated_groups(arrays.areas, own.areas, design.panel.parents)
            rows = [*rows, *area_rows(imputed, own, groups, level, counts=counts)]
            expected = counterfactual(imputed, own, {**groups, ALL_TREATED: np.arange(len(own.areas))}, level)
        estimates = table_of_rows(rows)
        # what the intervals rest on, and what is to be said
        basis, on_intervals = basis_of(choice, terms.average, estimates)
        notes = Notes(*notes_of(design, imputed, terms, own), *on_intervals)
        notes.add(doubts_of(design, estimates, self.scale))
        diagnostics = diagnostics_of(imputed, terms, choice)
        return Result(
            design=design,
            **basis.applied(self, estimates, expected, diagnostics),
            joint=terms.joint,
            covariates=covariate_table(
                arrays, imputed.fit, factor=imputed.factor, n_clusters=imputed.n_clusters, level=level
            ),
            **notes.parts(),
            provenance=provenance(design, seed),
            seed=seed,
        )

    def _by_form(self, design: Design, arrays: DesignArrays, seed: int) -> Result:
        """Answer by the linear model, or by either model with cohort effects."""
        counts, alone = design.is_count and arrays.weights is None, self.only_average
        if arrays.weights is not None and self.effects == "cohort":
            raise EstimationError("cohort effects take no weights; take effects='area'")
        form = forms.fitted(arrays, self.family, self.effects, self.few_treated, leads=not alone)
        estimates = forms.estimates(form, self.level, counts=counts, only_average=alone)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=self.level)
        notes = forms.notes_of(design, form.found, self.family, self.effects)
        if self.family == "linear":
            notes += zero_counts(design, estimates)
        expected = forms.counterfactual(form, self.level) if arrays.weights is None else None
        diagnostics = forms.diagnostics(form)
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes, expected),
            joint=None if alone else forms.joint(form),
            covariates=covariate_table(
                arrays,
                form.found.fit,
                factor=form.found.factor,
                n_clusters=form.found.n_clusters,
                level=self.level,
            ),
        )
