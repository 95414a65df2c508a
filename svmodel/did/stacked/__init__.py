"""Stacked difference-in-differences: each cohort with its clean controls, over one window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np

from svmodel import periods as period_words
from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.coefficients import Coefficients, without_error
from svmodel.did.covariates import covariate_table
from svmodel.did.event_groups import on_reference
from svmodel.did.stacked.stacks import Stacks, before_test, fit_stacks, make_stacks, require_told_in_stacks, widest
from svmodel.errors import EstimationError, Problems, did_you_mean, shorten
from svmodel.numerics.arrays import Ints
from svmodel.result import Result
from svmodel.result.doubts import areas_without_events, ended, period_names, whole_reporting_areas, zero_counts
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, arrays_of, of_role
from svmodel.result.notes import Note
from svmodel.result.scales import PerCell, estimates_frame, ratio_of_difference, widened_row
from svmodel.result.uncertainty import checked_inference, choose_uncertainty

_CHOICES = {"family": ("poisson", "linear"), "weights": ("corrective", "none")}


@dataclass(frozen=True)
class StackedDiD:
    """Regression on stacks: every cohort with areas untreated throughout its window, all windows of one length.

    Parameters
    ----------
    family : {"poisson", "linear"}
        By default Poisson, and linear where the outcome is a measure.
        ``poisson`` for ratios (quasi-likelihood; the log of the exposure is an offset), ``linear`` for differences.
    pre, post : int, optional
        Periods of the window before the start, and after the first treated period. By default as many as every cohort
        has, at most 24. A cohort whose window leaves the panel is left out, and the notes name it.
    weights : {"corrective", "none"}
        ``corrective`` weighs the controls of each stack so that stacks count by their treated areas (Wing, Freedman and
        Hollingsworth 2024). ``none`` is the plain regression (Cengiz, Dube, Lindner and Zipperer 2019), in which stacks
        count by the variance of treatment in them, so that it answers for no population that could be named.
    level : float
        Coverage of intervals.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.
    observation_weights : str, or mapping of str to float, optional
        As `weights` of :class:`~svmodel.did.TwoWayFixedEffects` (linear family). Corrective weights are then of what
        areas weigh: with residents the population-weighted effect of Wing, Freedman and Hollingsworth (2024).

    Notes
    -----
    *Stacks.* The stack of cohort a holds the areas that start in a and the clean controls: areas that are untreated
    (and before any anticipation) in every period from ``a - pre`` to ``a + post``. An area can serve as control in
    several stacks. Area and period effects differ by stack, so no area is ever compared with one already treated.

    *Effects.* ``att`` is one coefficient for the treated cells from the start on, against all periods of the window
    before it. ``event`` rows are relative to the last period before the start (or before anticipation), and
    ``event_average`` is their mean from horizon 0 on. The linear ones with corrective weights are, where windows are
    complete and there are no covariates, ``sum_a (N_a / N) DiD_a`` with N_a treated areas: the trimmed aggregate ATT.
    Every horizon rests on the same cohorts. The Poisson ones are one ratio for all stacks.

    *Errors.* Clustered by area, or by what areas share, across all stacks (CR1); intervals as in
    :class:`~svmodel.did.TwoWayFixedEffects`. The shares of the cohorts are taken as known.

    *Scales.* As in :class:`~svmodel.did.TwoWayFixedEffects`, over the treated area-periods inside the windows; the
    linear family gives a count's ``rate_ratio`` as observed over observed less events, with the observed number held.

    *Covariates* that stand still get a coefficient in every horizon, others one.

    References
    ----------
    Wing, Freedman and Hollingsworth (2024). Stacked difference-in-differences. NBER working paper 32054.
    Cengiz, Dube, Lindner and Zipperer (2019). *Quarterly Journal of Economics* 134(3), 1405-1454.

    Examples
    --------
    >>> import svmodel as sv
    >>> made = sv.simulate.panel(n_areas=60, n_periods=36, cohorts=[(14, 10), (20, 10)], effect=0.6, seed=2)
    >>> design = sv.Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> effect = StackedDiD(pre=12, post=11).fit(design).effect("att", "rate_ratio")
    >>> effect.conf_low < 0.6 < effect.conf_high
    True
    """

    about: ClassVar[Method] = Method(
        short="Stacked",
        name="Stacked difference-in-differences",
        how=(
            "Stacked difference-in-differences (Wing, Freedman and Hollingsworth 2024) makes one comparison "
            "for each start, over the same number of periods and with areas that stay untreated throughout, "
            "and stacks them."
        ),
        gives=("event_path",),
    )

    family: Literal["poisson", "linear"] = cast("Any", ByRole("poisson"))
    pre: int | None = None
    post: int | None = None
    weights: Literal["corrective", "none"] = "corrective"
    level: float = 0.95
    inference: str = "auto"
    cluster: str | Mapping[str, object] | None = None
    observation_weights: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        for name, valid in _CHOICES.items():
            value = getattr(self, name)
            if value not in valid:
                problems.add(f"{value!r} is no {name}", where=name, fix=did_you_mean(value, valid), rule="choice")
        for name, least in (("pre", 1), ("post", 0)):
            value = getattr(self, name)
            if value is not None and (int(value) != value or value < least):
                problems.add(f"{value!r} is no number of periods", where=name, fix=f"Give {least} or more.", rule=name)
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        for wrong in checked_inference(self.inference):
            problems.add(wrong, where="inference", rule="inference")
        problems.raise_if_any(EstimationError, "StackedDiD cannot be used")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.family == "poisson" else "difference"

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone: a log rate ratio or a difference; NaN where there is none."""
        if not arrays.treated.any():
            return float("nan")
        try:
            stacks = self._stacks(arrays)
            fit = self._static(stacks)
        except EstimationError:
            return float("nan")
        if np.isfinite(fit.coefficient[0]):
            return float(fit.coefficient[0])
        after = stacks.use & stacks.treated[:, None] & (stacks.horizon >= 0)
        silent = self.family == "poisson" and after.any() and not stacks.y[after].any()
        return -np.inf if silent else float("nan")

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
            Terms ``att``, ``event`` and ``event_average``. ``weights`` holds for each stack its cohort, its treated and
            control areas and the weight of a control.

        Raises
        ------
        DesignError
            If the design has problems.
        EstimationError
            If no cohort has its window in the panel and a clean control, or no effect is identified.
        """
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        arrays = arrays_of(self, design)
        require_told(arrays)
        stacks = self._stacks(arrays)
        require_told_in_stacks(arrays, stacks)
        static = self._static(stacks)
        if not static.kept.any():
            raise EstimationError(_why_none(stacks, self.family))
        family, level = self.family, self.level
        counts = design.is_count and arrays.weights is None
        rows = self._rows("att", static, 0, counts=counts)
        wanted = -1 - design.anticipation
        reference = stacks.reference(wanted)
        events, horizons = self._events(stacks, reference)
        path = None
        if events is not None:
            for j in np.flatnonzero(events.kept):
                made = self._rows("event", events, int(j), counts=counts, horizon=int(horizons[j]))
                rows += made if events.areas[j] > 1 or static.areas[0] < 2 else without_error(made)
            rows += events.average_rows(horizons, level)
            before = before_test(arrays, stacks, events, horizons)
            path = events.joint(horizons, reference=None if reference == wanted else reference, before=before)
        estimates = estimates_frame(rows)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=level)
        notes = self._notes(design, arrays, stacks, events, horizons, reference)
        notes += on_reference(design, reference, self._without(stacks, reference))
        notes += zero_counts(design, estimates) if family == "linear" else areas_without_events(design)
        cells, _, observed = static.size(0)
        diagnostics = {
            "observed": observed,
            "expected": static.expected,
            "treated_cells_used": int(cells),
            "treated_areas": int(stacks.treated.sum()),
            "stacks": len(stacks.cohorts),
            "stacked_cells": int(static.use.sum()),
            "clusters": static.n_clusters,
            "crv1_factor": static.factor,
            "pre": int(-stacks.horizon[0]),
            "post": int(stacks.horizon[-1]),
        }
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes),
            weights=stacks.weights(arrays),
            joint=path,
            covariates=covariate_table(
                arrays,
                static.model,
                factor=static.factor,
                n_clusters=static.n_clusters,
                level=level,
                area=stacks.area,
                horizons=stacks.horizon,
            ),
        )

    def _stacks(self, arrays: DesignArrays) -> Stacks:
        pre, post = widest(arrays)
        return make_stacks(
            arrays,
            pre if self.pre is None else self.pre,
            post if self.post is None else self.post,
            corrective=self.weights == "corrective",
        )

    def _static(self, stacks: Stacks) -> Coefficients:
        return fit_stacks(stacks, np.where(stacks.treated[:, None] & (stacks.horizon >= 0), 0, -1), self.family)

    def _without(self, stacks: Stacks, reference: int | None) -> int:
        """Return how many treated areas are known before the start, but not at the reference."""
        if reference is None:
            return 0
        known = stacks.use[stacks.treated]
        before = known[:, stacks.horizon <= reference].any(axis=1)
        return int((before & ~known[:, stacks.horizon == reference].any(axis=1)).sum())

    def _events(self, stacks: Stacks, reference: int | None) -> tuple[Coefficients | None, Ints]:
        """Fit one coefficient for each horizon but the reference; none where there is no reference."""
        if reference is None:
            return None, stacks.horizon
        # between the reference and the start lie anticipation and periods in which no treated area is known
        asked = (stacks.horizon < reference) | (stacks.horizon >= 0)
        horizons = stacks.horizon[asked]
        place = np.full(len(stacks.horizon), -1)
        place[asked] = np.arange(len(horizons))
        group = np.where(stacks.treated[:, None], place, -1)
        return fit_stacks(stacks, group, self.family), horizons

    def _rows(self, term: str, fit: Coefficients, j: int, *, counts: bool, **which: Any) -> list[dict[str, Any]]:
        """Return one coefficient on every scale."""
        summable = counts and not which.get("horizon", 0) < 0
        if self.family == "poisson":
            return fit.ratio_rows(term, j, events=summable, level=self.level, **which)
        cells, exposure, observed = fit.size(j)
        estimate, error, small = fit.single(j)
        events, spread = estimate * cells, error * cells
        out = [
            widened_row(term, scale, events * k, spread * k, small, level=self.level, **which)
            for scale, k in PerCell(cells, exposure, events=summable).factors()
            if counts or scale == "difference"
        ]
        expected = observed - events
        if counts and observed > 0 and expected > 0:
            out.append(ratio_of_difference(out[0], observed, expected, events, unit=cells))
        return out

    def _notes(
        self,
        design: Design,
        arrays: DesignArrays,
        stacks: Stacks,
        events: Coefficients | None,
        horizons: Ints,
        reference: int | None,
    ) -> list[Note]:
        word = period_words.describe_frequency(arrays.periods)
        pre, post = int(-stacks.horizon[0]), int(stacks.horizon[-1])
        S = len(stacks.cohorts)
        window = f"{pre} {word}s before a start and {post + 1} from it on"
        text = f"{S} stack{'s' if S > 1 else ''} over {window}; what lies outside of a window takes no part."
        notes: list[Note] = [text]
        for cohorts, why in (
            (stacks.outside, "their window leaves the panel"),
            (stacks.alone, "no area stays untreated throughout their window"),
        ):
            if cohorts:
                which = period_names(design, cohorts)
                n = int(np.isin(arrays.start, cohorts).sum())
                notes.append(f"Starts in {which} ({n} area{'s' if n > 1 else ''}) are left out: {why}.")
        if events is None:
            wanted = -1 - design.anticipation
            notes.append(
                f"No event study: no treated area is known in the window at the reference, horizon {wanted:+d}, or "
                "before it."
            )
        else:
            notes.append(f"Event study: every horizon is relative to horizon {reference:+d}.")
            lost = [f"{horizons[j]:+d}" for j in np.flatnonzero(~events.kept)]
            if lost:
                which = shorten(lost, limit=10).replace("'", "")
                notes.append(
                    f"Event study: horizon{'s' if len(lost) > 1 else ''} {which} left out: no event was seen, "
                    "or the effect cannot be told apart from period effects."
                )
        if self.weights == "none" and len(stacks.cohorts) > 1:
            notes.append("Without corrective weights the stacks count by the variance of treatment in them.")
        return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]


def _why_none(stacks: Stacks, family: str) -> str:
    """Say why there is no average effect."""
    after = stacks.horizon >= 0
    own = stacks.use & stacks.treated[:, None]
    known = [own & after, own & ~after, stacks.use & ~stacks.treated[:, None] & after]
    if family == "poisson" and all(k.any() for k in known):
        for cells, when in ((known[0], "from their start on"), (known[1], "before their start")):
            if not stacks.y[cells].any():
                return f"no event was seen in the treated areas {when} within any window, so there is no ratio"
    if not known[2].any():
        return "no clean control is known in any period in which its stack is treated"
    return "the effect cannot be told apart from area and period effects in any stack"
