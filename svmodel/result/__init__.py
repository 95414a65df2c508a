"""Result: what every estimator answers, frequentist or Bayesian, in one shape.

Sign everywhere: negative means fewer, which of harms is good. A scale or a term that a method does not give is missing
from the table; it is never zero. No table holds a number that only looks like one: :mod:`svmodel.result.degenerate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.design import Design, DesignArrays
from svmodel.errors import DataError, EstimationError, did_you_mean
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.result import as_json
from svmodel.result.degenerate import NO_INTERVAL, Sound, bounded, level_of, sound, untold
from svmodel.result.effect import COLUMNS, SCALES, TERMS, Effect, Headline, JointEstimate
from svmodel.result.horizons import GroupedEvents, grouped
from svmodel.result.method import auditor_of, leads_of_format_1, scale_of
from svmodel.result.notes import Note, ResultWarning, parts_of

__all__ = [
    "COLUMNS",
    "SCALES",
    "TERMS",
    "Effect",
    "Estimator",
    "GroupedEvents",
    "Headline",
    "JointEstimate",
    "PointEstimator",
    "Result",
    "ResultWarning",
    "Totals",
    "Uncertainty",
]

_COUNTERFACTUAL = ("area", "period", "observed", "expected", "low", "high")
_UNMARKED = "This result was stored by a version that did not mark its warnings: read all notes."


@runtime_checkable
class Estimator(Protocol):
    """A frozen dataclass of tuning choices; ``fit`` never changes it or the design."""

    def fit(self, design: Design, *, seed: int = 0) -> Result:
        """Answer the design."""
        ...


@runtime_checkable
class PointEstimator(Estimator, Protocol):
    """An estimator that also gives its average effect alone: what resampling asks for thousands of times.

    One that needs more than the design's own arrays, such as a second outcome or columns of the panel, has a method
    ``arrays(design)`` that gives them; :func:`svmodel.inference.arrays_of` returns what :meth:`point` takes for any
    estimator. ``point(arrays_of(estimator, design))`` is the average effect of ``fit(design)``.
    """

    @property
    def scale(self) -> str:
        """Scale of :meth:`point`: ``log_rate_ratio`` or ``difference`` (the outcome's units per treated cell)."""
        ...

    def point(self, arrays: DesignArrays) -> float:
        """Return the term ``att`` on :attr:`scale`, the same number as :meth:`fit` gives.

        NaN where it is not identified, and minus infinity for a log rate ratio of zero events; it does not raise for
        either, because a resample may well come out so.
        """
        ...


@dataclass(frozen=True)
class Uncertainty:
    """What a result's intervals rest on.

    Attributes
    ----------
    kind : str
        ``cluster``, ``placebo``, ``jackknife``, ``bootstrap``, ``series``, ``posterior``, or ``none``; empty where the
        method does not say.
    why : str
        Why this kind, in a sentence.
    in_doubt : bool
        Whether intervals may hold the truth less often than they say.
    """

    kind: str
    why: str
    in_doubt: bool


@dataclass(frozen=True)
class Totals:
    """Sums behind the average effect; NaN where the method gives none.

    Attributes
    ----------
    observed, expected : float
        Of the treated area-periods that have an expected outcome, in the outcome's units.
    cells_used, cells : float
        Treated area-periods with an expected outcome, and all.
    """

    observed: float
    expected: float
    cells_used: float
    cells: float


def _before(held: dict[str, Any] | None) -> Grouped | None:
    """Return what :func:`as_json.plain` wrote of a joint test of effects before the start."""
    if held is None:
        return None
    estimate = as_json.numbers(held["estimate"])
    covariance = np.array([as_json.numbers(row) for row in held["covariance"]]).reshape(len(estimate), len(estimate))
    groups = tuple(tuple(int(h) for h in group) for group in held["groups"])
    return Grouped(groups, estimate, covariance, float(held["areas"]), held["reason"])


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Estimates of one estimator on one design.

    Attributes
    ----------
    estimates : pandas.DataFrame
        Columns :data:`COLUMNS`. ``horizon`` counts periods since the start, 0 in the first treated one.
    design : Design or None
        None after :meth:`from_json` without a design.
    estimator : Estimator
    counterfactual : pandas.DataFrame, optional
        ``area, period, observed, expected, low, high`` in the outcome's units, for treated cells and
        their areas' earlier periods. The row with area ``"all treated"`` sums the treated areas.
    weights : pandas.DataFrame, optional
        Weights that the method gives to areas or periods.
    joint : JointEstimate, optional
        Event-study (and other) estimates with their covariance.
    covariates : pandas.DataFrame, optional
        Coefficients of the covariates that a model adjusted for: ``covariate, period, horizon, scale, estimate,
        std_error, conf_low, conf_high, level``, for one unit of the covariate; by period for one that stands still.
        They are no effects of the covariates: what else goes with these is in them.
    diagnostics : mapping
        Plain numbers and texts by name.
    draws : ndarray, optional
        Posterior or bootstrap draws of the log rate ratio (or difference), shape (S,).
    event_draws : ndarray, optional
        The same draws of the events that the intervention added, shape (S,); negative where it averted them.
    posterior : object, optional
        What a Bayesian estimator keeps for its checks; it is not written to JSON.
    notes : tuple of str
        What could not be identified, was left out, or needs care. Reports print them.
    warnings : tuple of ResultWarning
        Those of the notes that take away from a number that looks fine.
    provenance : mapping
        Package version, seed, data fingerprint, whether the data are synthetic.
    """

    estimates: pd.DataFrame
    design: Design | None
    estimator: Estimator
    counterfactual: pd.DataFrame | None = None
    weights: pd.DataFrame | None = None
    joint: JointEstimate | None = None
    covariates: pd.DataFrame | None = None
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    draws: NDArray[np.float64] | None = None
    event_draws: NDArray[np.float64] | None = None
    posterior: Any = None
    notes: tuple[str, ...] = ()
    warnings: tuple[ResultWarning, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", int(self.seed))  # one that numpy drew is no number of JSON
        lacking = [c for c in COLUMNS if c not in self.estimates.columns]
        if lacking:
            raise DataError(f"the estimates lack {', '.join(lacking)}; build them with svmodel.result.scales")
        for column, valid in (("term", TERMS), ("scale", SCALES)):
            wrong = set(self.estimates[column]) - set(valid)
            if wrong:
                raise DataError(f"{sorted(map(str, wrong))} is no {column}; valid: {', '.join(valid)}")
        if self.counterfactual is not None:
            lacking = [c for c in _COUNTERFACTUAL if c not in self.counterfactual.columns]
            if lacking:
                raise DataError(f"the counterfactual lacks {', '.join(lacking)}")
            object.__setattr__(self, "counterfactual", bounded(self.counterfactual))
        self._hold(sound(self.estimates, level_of(self.design)))

    def _hold(self, found: Sound) -> None:
        """Take the estimates that are sound, and say what is gone."""
        object.__setattr__(self, "estimates", found.estimates)
        more = list(found.notes)
        att = found.estimates[found.estimates["term"] == "att"]
        if not self.uncertainty.in_doubt and self.uncertainty.kind and untold(att):
            more += [] if any(isinstance(n, ResultWarning) for n in more) else [NO_INTERVAL]
        if not more:
            return
        said = parts_of(more)
        for name in ("notes", "warnings"):
            held = getattr(self, name)
            object.__setattr__(self, name, (*held, *(n for n in said[name] if n not in held)))
        if said["warnings"]:
            object.__setattr__(self, "diagnostics", {**self.diagnostics, "inference_in_doubt": True})

    @property
    def uncertainty(self) -> Uncertainty:
        """What the intervals rest on."""
        held = self.diagnostics
        why, doubt = str(held.get("inference_why") or ""), bool(held.get("inference_in_doubt"))
        return Uncertainty(str(held.get("inference") or ""), why, doubt)

    @property
    def totals(self) -> Totals:
        """Observed and expected sums behind the average effect."""
        keys = ("observed", "expected", "treated_cells_used", "treated_cells")
        return Totals(*(float(self.diagnostics.get(key, np.nan)) for key in keys))

    @property
    def is_posterior(self) -> bool:
        """Whether the uncertainty is a posterior, told in probabilities."""
        return self.uncertainty.kind == "posterior"

    def saying(self, *more: Note, **changes: Any) -> Result:
        """Return the result with further notes and warnings, and with other fields changed."""
        said = parts_of(more)
        notes, warnings = (*self.notes, *said["notes"]), (*self.warnings, *said["warnings"])
        return replace(self, notes=notes, warnings=warnings, **changes)

    def tidy(self) -> pd.DataFrame:
        """Return a copy of the estimates."""
        return self.estimates.copy()

    @property
    def own_scale(self) -> str:
        """The scale in which the method answers: ``rate_ratio`` of one in logs, ``difference`` of one in units."""
        logs = scale_of(self.estimator) != "difference" and self.has("att", "rate_ratio")
        return "rate_ratio" if logs or not self.has("att", "difference") else "difference"

    def effect(self, term: str = "att", scale: str | None = None, **which: object) -> Effect:
        """Return one estimate.

        Parameters
        ----------
        term : str
            See :data:`TERMS`.
        scale : str, optional
            See :data:`SCALES`. By default the method's own: the rate ratio of a method in logs, else the difference.
        **which
            ``area=``, ``cohort=``, ``period=``, ``horizon=`` where the term has several rows.

        Raises
        ------
        EstimationError
            If the method gives no such estimate, or several fit.
        """
        scale = self.own_scale if scale is None else scale
        rows = self.estimates[(self.estimates["term"] == term) & (self.estimates["scale"] == scale)]
        for column, value in which.items():
            if column not in ("area", "cohort", "period", "horizon"):
                raise EstimationError(f"{column!r} picks no estimate; use area, cohort, period or horizon")
            wanted = periods.parse(value) if column in ("cohort", "period") else value
            rows = rows[rows[column] == wanted]
        if len(rows) != 1:
            raise EstimationError(self._which_message(term, scale, which, rows))
        row = rows.iloc[0]
        numbers = {f.name: float(row[f.name]) for f in dataclasses.fields(Effect) if f.name not in ("term", "scale")}
        return Effect(term, scale, **numbers)

    def _which_message(self, term: str, scale: str, which: Mapping[str, object], rows: pd.DataFrame) -> str:
        name = type(self.estimator).__name__
        if len(rows) > 1:
            columns = [c for c in ("area", "cohort", "period", "horizon") if len(rows[c].drop_duplicates()) > 1]
            return f"{len(rows)} estimates of {term!r} on {scale!r} fit; say which by {', '.join(columns)}"
        given = self.estimates[["term", "scale"]].drop_duplicates()
        pairs = [f"{t}/{s}" for t, s in given.itertuples(index=False)]
        picked = f" for {dict(which)}" if which else ""
        return f"{name} gives no {term!r} on {scale!r}{picked}. {did_you_mean(f'{term}/{scale}', pairs, limit=12)}"

    def event_study(self, every: int | str = 1, *, scale: str | None = None) -> GroupedEvents:
        """Return effects by time since the start, averaged over groups of horizons, with the groups' covariance.

        Parameters
        ----------
        every : int or {"quarter", "year"}
            Periods in a group, counted from the start; 1 for single horizons.
        scale : str, optional
            By default the method's own.

        Returns
        -------
        GroupedEvents
            ``table``, ``covariance``, and what effects before the start are relative to.

        Raises
        ------
        EstimationError
            If the method gives no effects by time, or its periods make no quarters or years.

        Examples
        --------
        >>> import svmodel as sv
        >>> made = sv.simulate.panel(n_areas=20, n_periods=12, cohorts=[(6, 5)], seed=1)
        >>> design = sv.Design(made.panel, outcome="violence", intervention=made.intervention)
        >>> events = sv.did.TwoWayFixedEffects(family="linear").fit(design).event_study("quarter")
        >>> events.table[["horizon", "until", "horizons"]].values.tolist(), events.relative_to
        ([[-6, -4, 3], [-3, -1, 2], [0, 2, 3], [3, 5, 3]], 'horizon -1')
        """
        scale = self.own_scale if scale is None else scale
        rows = self.estimates[(self.estimates["term"] == "event") & (self.estimates["scale"] == scale)]
        if rows.empty:
            raise EstimationError(self._which_message("event", scale, {}, rows))
        made = grouped(rows.sort_values("horizon"), self.joint, self._span(every), ratio=scale == "rate_ratio")
        base, reference = None if self.joint is None else self.joint.base, None
        if base == "reference" and self.joint is not None:
            anticipation = 0 if self.design is None else self.design.anticipation
            reference = -1 - anticipation if self.joint.reference is None else self.joint.reference
        words = {"average": "the average before the start", "varying": "the period before each"}
        relative_to = words.get(str(base), "") if reference is None else f"horizon {reference:+d}"
        return replace(made, relative_to=relative_to, reference=reference)

    def _span(self, every: int | str) -> int:
        """Return the periods in a group of horizons."""
        if isinstance(every, str):
            if self.design is None:
                raise EstimationError("this result was read without its data; say how many periods make a group")
            a_year = periods.per_year(self.design.view.periods)
            parts = {"quarter": 4, "year": 1}
            if every not in parts or a_year % parts[every]:
                word = periods.describe_frequency(self.design.view.periods)
                raise EstimationError(f"{word}s make no {every!r}; give 'quarter', 'year' or a number of {word}s")
            return a_year // parts[every]
        if isinstance(every, bool) or int(every) != every or every < 1:
            raise EstimationError(f"{every!r} periods make no group; give 1 or more")
        return int(every)

    def has(self, term: str = "att", scale: str = "rate_ratio") -> bool:
        """Return whether the method gives such estimates."""
        return bool(((self.estimates["term"] == term) & (self.estimates["scale"] == scale)).any())

    def headline(self) -> Headline:
        """Return the average effect over treated area-periods on every scale the method gives."""
        effects = {s: self.effect("att", s) if self.has("att", s) else None for s in SCALES}
        held = self.provenance.get("question") or "Average effect"
        question = self.design.describe() if self.design is not None else str(held)
        if self.design is not None:
            negative = self.design.meaning.negative
        else:
            told = "lower" if effects["events"] is None else "fewer harms"
            negative = str(self.provenance.get("negative") or told)
        return Headline(question=question, negative=negative, **effects)

    def probability(self, *, reduction: float = 0.0, events: float | None = None) -> float:
        """Return the posterior probability of a reduction of at least so much.

        Parameters
        ----------
        reduction : float
            Share by which the intervention lowered the outcome: 0 for any reduction, 0.1 for at least a tenth.
        events : float, optional
            Events averted in all, in place of a share: as many as make the intervention break even, say.

        Raises
        ------
        EstimationError
            If the method gives no draws of it, or the share is not below 1.

        Examples
        --------
        ``result.probability()``, ``result.probability(reduction=0.1)``, ``result.probability(events=25)``.
        """
        if events is not None:
            held, limit, what = self.event_draws, -float(events), "events"
        else:
            if not reduction < 1:
                raise EstimationError(f"a reduction is a share below 1, not {reduction!r}")
            ratios = scale_of(self.estimator) == "log_rate_ratio"
            held, limit, what = (self.draws if ratios else None), float(np.log1p(-reduction)), "the rate ratio"
        if held is None:
            raise EstimationError(f"{type(self.estimator).__name__} gives no posterior draws of {what}")
        below = held < limit if events is None and reduction == 0 else held <= limit
        return float(np.mean(below))

    def audit(self) -> Any:
        """Return a CheckResult: the other engine's answer beside this one, and whether they agree.

        Raises
        ------
        EstimationError
            If the estimator has but one engine.
        """
        other = auditor_of(self.estimator)
        if other is None:
            raise EstimationError(f"{type(self.estimator).__name__} has no second engine; Bayesian models have one")
        return other(self)

    def refit(self, *, design: Design | None = None, estimator: Estimator | None = None) -> Result:
        """Fit again, with another design, another estimator, or both; this result stays as it is.

        Raises
        ------
        EstimationError
            If the result was read from JSON and carries no design.
        """
        design = design if design is not None else self.design
        if design is None:
            raise EstimationError("this result was read without its data; give `design=` to fit again")
        return (estimator or self.estimator).fit(design, seed=self.seed)

    def to_json(self) -> str:
        """Return the result as JSON text, without the panel; the same result gives the same bytes."""
        question = self.provenance.get("question") if self.design is None else self.design.describe()
        left_out = ("design", "estimator", "posterior")
        held = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        return as_json.dump({**held, "question": question}, self.estimator)

    @classmethod
    def from_json(cls, text: str, *, design: Design | None = None, estimator: Estimator | None = None) -> Result:
        """Read a result from :meth:`to_json`; give the design to be able to refit it.

        Parameters
        ----------
        text : str
        design : Design, optional
        estimator : Estimator, optional
            The one that made the result; needed only where it is none of svmodel's own.

        Raises
        ------
        DataError
            If the text is no result of svmodel.
        """
        return as_json.checked(text, lambda held: cls._read(held, design, estimator))

    @classmethod
    def _read(cls, held: dict[str, Any], design: Design | None, estimator: Estimator | None) -> Result:
        joint, marked = held["joint"], "warnings" in held
        made_by = as_json.estimator(held["estimator"]) if estimator is None else estimator
        if joint is not None:
            joint = joint if marked else {**joint, **leads_of_format_1(made_by)}
            numbers = {"estimate": as_json.numbers(joint["estimate"]), "index": as_json.frame(joint["index"])}
            shape = (len(numbers["estimate"]), len(numbers["estimate"]))
            numbers["covariance"] = np.array([as_json.numbers(row) for row in joint["covariance"]]).reshape(shape)
            numbers["before"] = _before(joint.get("before"))
            known = {f.name for f in dataclasses.fields(JointEstimate)}
            joint = JointEstimate(**{k: v for k, v in {**joint, **numbers}.items() if k in known})
        warnings = [ResultWarning(w["kind"], w["text"], tuple(w["about"])) for w in held.get("warnings", ())]
        return cls(
            estimates=as_json.frame(held["estimates"]),
            design=design,
            estimator=made_by,
            counterfactual=as_json.frame(held["counterfactual"]),
            weights=as_json.frame(held["weights"]),
            joint=joint,
            covariates=as_json.frame(held.get("covariates")),
            diagnostics=held["diagnostics"],
            draws=None if held["draws"] is None else as_json.numbers(held["draws"]),
            event_draws=None if held.get("event_draws") is None else as_json.numbers(held["event_draws"]),
            notes=tuple(held["notes"]),
            warnings=tuple(warnings) if marked else (ResultWarning("data", _UNMARKED),),
            provenance=held["provenance"],
            seed=held["seed"],
        )

    def __repr__(self) -> str:
        return f"<Result of {type(self.estimator).__name__}: {self.headline()}>"

    def _repr_html_(self) -> str:
        shown = self.estimates[self.estimates["term"].isin(["att", "event_average", "cohort_average"])]
        notes = "".join(f"<li>{escape(n)}</li>" for n in self.notes)
        return f"<p>{escape(str(self.headline()))}</p>{shown.to_html(index=False)}<ul>{notes}</ul>"
