"""Triple differences: an outcome that the intervention aims at against one that it cannot reach, in the same areas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import Design, DesignArrays
from svmodel.design.covariates import require_told
from svmodel.did.cell_sums import joint_events, lead_rows, one_table, rows_of_all
from svmodel.did.triple_difference.sums import Triple, TripleArrays, linear_triple, poisson_triple, triple_att
from svmodel.errors import DesignError, EstimationError, Problem, Problems, did_you_mean
from svmodel.result import Result
from svmodel.result.doubts import area_names, areas_without_events, ended, whole_reporting_areas, zero_counts
from svmodel.result.method import BY_ROLE_NOTE, ByRole, Method, arrays_of, of_role
from svmodel.result.notes import Note
from svmodel.result.scales import estimates_frame
from svmodel.result.tables import cells_and_sums
from svmodel.result.uncertainty import checked_inference, choose_uncertainty

_FAMILIES = ("poisson", "linear")


@dataclass(frozen=True)
class TripleDifference:
    """The effect on one outcome less what also moved another, which the intervention cannot reach.

    Parameters
    ----------
    comparison_outcome : str
        A count or a measure of the panel, of the same areas and periods: violence by day for a night-time
        intervention, shop theft for one against robbery.
    family : {"poisson", "linear"}
        By default Poisson, and linear where the outcome is a measure.
        ``poisson``: a ratio of rate ratios; ``linear``: a difference of differences, for outcomes that a common shock
        would move by the same number.
    level : float
        Coverage of intervals.
    few_treated : int
        A cohort of fewer areas has its residuals about the pooled effect, because about its own they are too small.
    inference : {"auto", "cluster", "placebo"}
        What intervals rest on, see :func:`svmodel.inference.choose`.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        Within what areas may share their noise, as in :class:`~svmodel.did.TwoWayFixedEffects`.

    Notes
    -----
    *Assumption.* Not that treated areas would have moved like others, but that they would have departed from them alike
    in both outcomes: by the same per cent (Poisson), or the same number (linear). Whatever happened to the treated
    areas at the start (a change of recording, of population, of police numbers) drops out as far as it moved both
    outcomes so. It fails where the intervention reaches the comparison: a fall that spills over to it is subtracted
    from the effect, and violence displaced to it is counted as effect.

    *Effects.* Both outcomes are imputed from untreated cells as in :class:`~svmodel.did.ExtendedTwoWayFixedEffects`.
    With O observed and E expected in a set of treated cells, and C and D those of the comparison,
    ``rate_ratio = (O / E) / (C / D)`` and ``events = O - E C / D``: the expected count is moved by what the comparison
    says happened in these areas. Linear: ``difference`` is the mean of the outcome's gaps less the comparison's. Cells
    where either outcome is missing are left out of both.

    *Why not two separate studies.* With staggered starts each outcome is compared only with untreated cells, cohort by
    cohort; a pooled regression would compare with treated ones. Where the third difference is a group of people instead
    of a second outcome, the two groups' covariates differ, and the difference of two adjusted estimates does not
    identify the effect (Ortiz-Villavicencio and Sant'Anna 2025); two outcomes of the same areas share their covariates.

    *Errors.* By area, with what each area adds to both outcomes together, so that what moves both cancels. Intervals as
    in :class:`~svmodel.did.ExtendedTwoWayFixedEffects`.

    *Resampling.* :meth:`point` needs both outcomes: give it ``estimator.arrays(design)``.

    References
    ----------
    Olden and Moen (2022), *Econometrics Journal* 25(3), 531-553: one bias, common to both differences, is all it takes.
    Ortiz-Villavicencio and Sant'Anna (2025), Better understanding triple differences estimators, arXiv:2505.09942.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame([(f"A{i:02d}", f"2024-{m:02d}") for i in range(40) for m in range(1, 13)],
    ...     columns=["area", "month"])
    >>> treated = (frame["area"] < "A10") & (frame["month"] >= "2024-07")
    >>> frame["day"] = rng.poisson(np.where(treated, 26, 20))    # something raised violence there by 30%
    >>> frame["night"] = rng.poisson(np.where(treated, 26 * 0.7, 20))
    >>> panel = Panel.from_frame(frame, area="area", period="month", counts=["day", "night"])
    >>> patrols = Intervention("night patrols", {f"A{i:02d}": "2024-07" for i in range(10)})
    >>> result = TripleDifference("day").fit(Design(panel, outcome="night", intervention=patrols))
    >>> effect = result.effect("att", "rate_ratio")
    >>> effect.conf_low < 0.7 < effect.conf_high < 1
    True
    """

    about: ClassVar[Method] = Method(
        short="Triple difference",
        name="Triple difference",
        how=(
            "The triple difference sets the change in the outcome beside the change in another outcome of the "
            "same areas that the intervention cannot reach, so that what moved both is taken off."
        ),
        gives=("event_path",),
    )

    comparison_outcome: str = ""
    family: Literal["poisson", "linear"] = cast("Any", ByRole("poisson"))
    level: float = 0.95
    few_treated: int = 8
    inference: str = "auto"
    cluster: str | Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        if self.family not in _FAMILIES:
            fix = did_you_mean(self.family, _FAMILIES)
            problems.add(f"{self.family!r} is no family", where="family", fix=fix, rule="choice")
        if not 0 < self.level < 1:
            problems.add(f"{self.level!r} is no coverage", where="level", fix="Give 0.95.", rule="level")
        for wrong in checked_inference(self.inference):
            problems.add(wrong, where="inference", rule="inference")
        problems.raise_if_any(EstimationError, "TripleDifference cannot be used")

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`."""
        return "log_rate_ratio" if self.family == "poisson" else "difference"

    def arrays(self, design: Design) -> TripleArrays:
        """Return the design's arrays with those of the comparison outcome, for :meth:`point` and resampling.

        Raises
        ------
        DesignError
            If the design has problems, or the panel has no such outcome.
        """
        arrays, panel = design.arrays, design.panel
        outcomes = [o for o in (*panel.counts, *panel.measures) if o != design.outcome]
        name = self.comparison_outcome
        if name not in outcomes:
            what = (
                f"{name!r} is the outcome itself" if name == design.outcome else f"{name!r} is no outcome of the panel"
            )
            fix = did_you_mean(name, outcomes) if outcomes else "The panel needs a second count or measure."
            raise DesignError(
                "TripleDifference cannot answer this design",
                [Problem(what, where="comparison_outcome", fix=fix, rule="comparison_outcome")],
            )
        held = {f: getattr(arrays, f) for f in type(arrays).__dataclass_fields__}
        return TripleArrays(**held, comparison=design.view.matrix(name))

    def point(self, arrays: DesignArrays) -> float:
        """Return the average effect alone: the log of the ratio of rate ratios, or the difference; NaN where none.

        Raises
        ------
        EstimationError
            If `arrays` lacks the comparison outcome: take ``estimator.arrays(design)``.
        """
        if not isinstance(arrays, TripleArrays):
            raise EstimationError("TripleDifference needs both outcomes: give it estimator.arrays(design)")
        return triple_att(arrays, self.family)

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
            Terms as of :class:`~svmodel.did.ExtendedTwoWayFixedEffects`, without areas. ``diagnostics`` hold each
            outcome's own average effect, ``outcome_effect`` and ``comparison_effect`` (rate ratios, or differences).

        Raises
        ------
        DesignError
            If the design has problems, or the panel has no such comparison outcome.
        EstimationError
            If no treated area-period has an expected outcome, or the comparison has no event there.
        """
        asked = of_role(self, design)
        if asked is not self:
            return asked.fit(design, seed=seed).saying(BY_ROLE_NOTE)
        arrays = self._clustered(design)
        require_told(arrays)
        _require_moving(arrays, self.comparison_outcome)
        made = (poisson_triple if self.family == "poisson" else linear_triple)(arrays, self.few_treated)
        leads, counts = one_table(made.leads), design.is_count
        rows = rows_of_all(made.sums, arrays.periods, level=self.level, counts=counts)
        if not any(r["term"] == "att" for r in rows):
            raise EstimationError(
                f"no ratio of ratios: {design.outcome} or {self.comparison_outcome} has no event, or none expected, in "
                "the treated area-periods"
            )
        rows += lead_rows(leads, self.level, counts=counts)
        estimates = estimates_frame(rows)
        basis = choose_uncertainty(self, arrays, self.inference, counts=counts, level=self.level)
        O, E, _, _ = made.sums.pair(np.ones(len(made.sums.n)))
        own, other = (float(np.exp(v)) if self.family == "poisson" else v for v in (made.outcome, made.comparison))
        notes = self._notes(design, arrays, made, own, other)
        notes += areas_without_events(design) if self.family == "poisson" else zero_counts(design, estimates)
        diagnostics = {
            "observed": O,
            "expected": E,
            "outcome_effect": own,
            "comparison_effect": other,
            "treated_areas": int(made.target.any(axis=1).sum()),
            "treated_cells": int(arrays.treated.sum()),
            "treated_cells_used": int(made.target.sum()),
            "clusters": made.sums.n_clusters,
            "crv1_factor": made.sums.factor,
        }
        return Result(
            **basis.parts(self, design, seed, estimates, diagnostics, notes, _expected(made, arrays)),
            joint=joint_events([*leads, made.sums], shrink=self.few_treated > 0),
        )

    def _clustered(self, design: Design) -> TripleArrays:
        arrays = arrays_of(self, design)
        assert isinstance(arrays, TripleArrays)
        return arrays

    def _notes(self, design: Design, arrays: TripleArrays, made: Triple, own: float, other: float) -> list[Note]:
        word = period_words.describe_frequency(arrays.periods)
        kind = "a rate ratio" if self.family == "poisson" else "a difference"
        same = "by the same per cent" if self.family == "poisson" else "by the same number"
        name = self.comparison_outcome
        text = (
            f"By itself {design.outcome} shows {kind} of {own:.3g}, and {name} {other:.3g}. The effect is the first "
            f"beside the second: it supposes that the intervention cannot reach {name}, and that anything else in the "
            f"treated areas moved both {same}."
        )
        notes: list[Note] = [text]
        lost = arrays.treated & ~made.target
        if lost.any():
            notes.append(
                f"{int(lost.sum()):,} treated area-{word}s ({area_names(design, lost.any(axis=1))}) are left out, "
                f"because {name} is missing there or nothing can be expected of one outcome."
            )
        half = int((np.isnan(arrays.comparison) & ~np.isnan(arrays.y)).sum()) if arrays.comparison is not None else 0
        if half:
            notes.append(f"{name} is missing in {half:,} area-{word}s, which are left out of both.")
        notes.append("Before the start, effects are relative to the average before the start.")
        return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]


def _require_moving(arrays: TripleArrays, name: str) -> None:
    """Refuse a comparison that never changes: it compares with nothing."""
    comparison = arrays.comparison
    if comparison is None or np.isnan(comparison).all() or np.nanmax(comparison) == np.nanmin(comparison):
        raise DesignError(
            "TripleDifference cannot answer this design",
            [Problem(f"{name!r} never changes", where="comparison_outcome", rule="constant_comparison")],
        )


def _expected(made: Triple, arrays: TripleArrays) -> pd.DataFrame:
    """Return observed and expected outcomes of treated cells, moved by how the comparison changed in that period."""
    sums = made.sums
    times = np.unique(sums.time)
    pairs = [sums.pair((sums.time == t).astype(float)) for t in times]
    known = np.array([p[1] > 0 or sums.family == "linear" for p in pairs])
    i, t = np.nonzero(made.target & np.isin(np.arange(made.target.shape[1]), times[known])[None, :])
    factor = dict.fromkeys(times.tolist(), 1.0)
    if sums.family == "poisson":
        for when, p in zip(times, pairs, strict=True):
            alone = float(sums.expected[sums.time == when].sum())
            factor[int(when)] = p[1] / alone if alone > 0 else np.nan
    observed, expected = (np.array([p[k] for p, there in zip(pairs, known, strict=True) if there]) for k in (0, 1))
    blank = np.full(len(observed), np.nan)
    own = arrays.y[i, t], made.expected[i, t] * [factor[int(s)] for s in t]
    return cells_and_sums(arrays, (i, t), own, times[known], (observed, expected, blank, blank))
