"""Assurance: the probability that a planned evaluation will be conclusive, given what is believed of the effect."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from svmodel.bayes.answer import AnswersDesigns
from svmodel.bayes.ratio_prior import Belief, RatioPrior, ratio_prior
from svmodel.design import Design
from svmodel.errors import DesignError, EstimationError, Problems
from svmodel.numerics.arrays import Floats
from svmodel.planning.history import History
from svmodel.planning.model import Model
from svmodel.planning.plan import wilson
from svmodel.planning.runs import Bar, Finding, Planned, one_study
from svmodel.planning.source import Options, check_named, check_shares, check_whole
from svmodel.planning.stated_study import StatedStudy
from svmodel.planning.words import board, notes_of_assurance
from svmodel.workers import each_draw

#: Draws of a posterior: a probability of 0.95 then has a Monte Carlo error of 0.007.
_POSTERIOR_DRAWS = 1000
#: True effects are reported in so many groups of like size.
_GROUPS = 5


@dataclass(frozen=True, eq=False, repr=False)
class Assurance:
    """Whether a planned evaluation will be conclusive.

    Attributes
    ----------
    probability, low, high : float
        Share of studies that are conclusive, true effects being drawn from the belief, with its 95% Monte Carlo limits
        (Wilson).
    table : pandas.DataFrame
        A row for the whole (``group`` "belief"), one for each fifth of the true effects drawn ("fifth"), and one for
        each effect that was asked for ("effect"): ``effect_low, effect_high`` (rate ratios), ``conclusive`` with
        ``low, high``, ``studies``, ``failed`` (studies that the method refused; they count as not conclusive),
        ``wrong_sign`` (share of conclusive studies whose estimate points the other way than the truth) and
        ``exaggeration`` (median size of conclusive estimates, as log ratios, over the true size).
    text : str
        A sentence for a board.
    notes : tuple of str
    draws : pandas.DataFrame
        One row a study: ``effect`` (true rate ratio), ``estimate`` (posterior median), ``prob_reduction, conclusive``.
    """

    probability: float
    low: float
    high: float
    table: pd.DataFrame
    text: str
    notes: tuple[str, ...]
    draws: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        return f"<Assurance: {self.text}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(n)}</li>" for n in self.notes)
        return f"<p>{escape(self.text)}</p>{self.table.to_html(index=False)}<ul>{notes}</ul>"


def assurance(
    plan: Design | StatedStudy,
    belief: Belief,
    *,
    conclusive: Literal["probability", "interval"] = "probability",
    probability: float = 0.95,
    reduction: float = 0.0,
    effects: Iterable[float] = (),
    estimator: Any = None,
    method: Literal["resample", "model"] = "resample",
    draws: int = 500,
    n_treated: int | None = None,
    n_controls: int | None = None,
    study: tuple[int, int] | None = None,
    placement: Literal["any", "alike"] = "any",
    planned: bool = False,
    jobs: int = 1,
    seed: int = 0,
) -> Assurance:
    """Return the probability that a planned evaluation will be conclusive.

    Parameters
    ----------
    plan : Design or StatedStudy
        The panel and the intervention as it is planned, from whose history studies are drawn as
        :func:`svmodel.power` does; or a study in numbers.
    belief : {"sceptical", "neutral", "enthusiastic"} or RatioPrior
        From which true effects are drawn. It need not be the prior of the estimator: one may plan with hope and analyse
        with doubt.
    conclusive : {"probability", "interval"}
        What counts: a posterior probability of a reduction of at least `reduction` that reaches `probability`; or an
        interval that leaves out no effect on either side, or with `reduction` above 0 one that lies wholly beyond it.
    probability, reduction : float
    effects : iterable of float
        Further rate ratios whose chance to be conclusive is wanted (Bayesian power); each costs as many fits again.
    estimator : optional
        A Bayesian estimator; ``bayes.HierarchicalDiD(draws=1000)`` by nested Laplace where None.
    method, n_treated, n_controls, study, placement, planned
        As for :func:`svmodel.power`, for a Design.
    draws : int
        Studies.
    jobs : int
        Processes; the answer does not depend on it. A script that asks for more than one needs the usual
        ``if __name__ == "__main__":``.
    seed : int

    Returns
    -------
    Assurance
        ``svmodel.plots.assurance_curve`` draws it.

    Raises
    ------
    DesignError
        With everything that is wrong with the plan, and with what is asked.
    EstimationError
        If the estimator is not Bayesian, or answers in no study.

    Notes
    -----
    Assurance is power averaged over what is believed of the effect (O'Hagan, Stevens and Campbell 2005, *Pharmaceutical
    Statistics* 4, 187-201; Spiegelhalter, Abrams and Myles 2004, chapter 6). It does not tend to 1 in large studies,
    but to the probability that the belief gives to effects that are conclusive: a study of something that may not work
    may well end in doubt.

    A Bayesian method has no level to keep. How often it is conclusive where there is no effect is reported all the
    same, where 1 is among `effects`: a board should know. Errors of sign and size are those of Gelman and Carlin
    (2014).

    Examples
    --------
    >>> plan = StatedStudy(mean=20, n_treated=4, n_controls=8, before=12, after=12)
    >>> found = assurance(plan, RatioPrior(0.6, 0.1), draws=20, seed=1)
    >>> found.probability > 0.8
    True
    """
    problems = Problems()
    if not isinstance(plan, Design | StatedStudy):
        problems.add(f"{plan!r} is no plan", where="plan", fix="Give a Design or a StatedStudy.", rule="plan")
    held = _belief(belief, problems)
    options = Options(method, n_treated, n_controls, study, placement, planned)
    check_named(problems, conclusive=conclusive, method=method, placement=placement)
    check_shares(problems, 0.5, probability=probability)
    if not (isinstance(reduction, Real) and 0 <= reduction < 1):
        text = f"{reduction!r} is no share from 0 to below 1"
        problems.add(text, where="reduction", rule="reduction")
    check_whole(problems, draws=(draws, 10), jobs=(jobs, 1), **options.areas)
    sizes = _sizes(effects, problems)
    chosen = _estimator(estimator, problems)
    source: History | Model | None = None
    if isinstance(plan, StatedStudy):
        if not options.are_standard:
            problems.add("a StatedStudy says its size and process itself", where="plan", rule="stated")
        source = plan.source
    elif isinstance(plan, Design):
        options.check_study(problems, plan.anticipation)
        problems.extend(plan.problems())
        if not problems and not plan.is_count:
            problems.add(f"{plan.outcome!r} is a measure, and a count is needed", where="outcome", rule="measure")
        if not problems:
            source = options.source(plan, problems)
    problems.raise_if_any(DesignError, "assurance cannot be worked out so")
    assert source is not None
    assert held is not None
    bar = Bar(conclusive, float(probability), float(reduction), float(chosen.level))
    work = Planned(source, chosen, held, sizes, bar, seed)
    studies = each_draw(one_study, work, draws, jobs)
    return _summed(studies, work)


def _belief(given: Belief, found: Problems) -> RatioPrior | None:
    try:
        held = ratio_prior(given)
    except EstimationError as error:
        found.add(error.title, where="belief", rule="belief")
        return None
    if held.sd > 2:
        found.add("a flat belief holds effects that nobody has seen", where="belief", rule="flat")
        return None
    return held


def _sizes(effects: Iterable[float], found: Problems) -> tuple[float, ...]:
    given: list[Any] = [effects] if isinstance(effects, Real) else list(effects)
    for one in given:
        if isinstance(one, bool) or not isinstance(one, Real) or not 0 < float(one) < math.inf:
            fix = "Give rate ratios: 0.8 for 20% fewer."
            found.add(f"{one!r} is no rate ratio above 0", where="effects", fix=fix, rule="effects")
    return tuple(sorted({float(v) for v in given if isinstance(v, Real)}))


def _estimator(given: Any, found: Problems) -> Any:
    from svmodel.bayes.hierarchical_did import HierarchicalDiD

    if given is None:
        return HierarchicalDiD(draws=_POSTERIOR_DRAWS)
    if not isinstance(given, AnswersDesigns):
        found.add(f"{given!r} is no Bayesian estimator of svmodel", where="estimator", rule="estimator")
        return HierarchicalDiD()
    me: Any = given
    return replace(me, draws=min(me.draws, _POSTERIOR_DRAWS))


def _summed(studies: list[tuple[float, list[Finding]]], work: Planned) -> Assurance:
    true = np.array([ratio for ratio, _ in studies])
    found = [findings[0] for _, findings in studies]
    reasons = Counter(f.reason for f in found if f.reason)
    if len(found) == sum(reasons.values()):
        raise EstimationError(f"the method answers in none of {len(found)} studies: {next(iter(reasons))}")
    rows = [_row("belief", true, found)]
    order = np.argsort(true, kind="stable")
    for part in np.array_split(order, _GROUPS):
        rows.append(_row("fifth", true[part], [found[i] for i in part]))  # noqa: PERF401 - one row each
    for k, effect in enumerate(work.effects, start=1):
        rows.append(_row("effect", np.full(len(studies), effect), [one[k] for _, one in studies]))
    table = pd.DataFrame(rows)
    whole = table.iloc[0]
    drawn = pd.DataFrame(
        {
            "effect": true,
            "estimate": np.exp([f.estimate for f in found]),
            "prob_reduction": [f.prob_reduction for f in found],
            "conclusive": [f.conclusive for f in found],
        }
    )
    text = board(float(whole["conclusive"]), work)
    notes = notes_of_assurance(table, work, reasons, len(found))
    return Assurance(float(whole["conclusive"]), float(whole["low"]), float(whole["high"]), table, text, notes, drawn)


def _row(group: str, true: Floats, found: list[Finding]) -> dict[str, object]:
    hits = sum(f.conclusive for f in found)
    low, high = wilson(hits, len(found))
    truth = np.log(true)
    mine = np.array([f.conclusive for f in found], dtype=bool)
    estimate = np.array([f.estimate for f in found])[mine]
    real = truth[mine]
    some = np.abs(real) > 1e-12
    return {
        "group": group,
        "effect_low": float(true.min()),
        "effect_high": float(true.max()),
        "conclusive": hits / len(found),
        "low": low,
        "high": high,
        "studies": len(found),
        "failed": sum(bool(f.reason) for f in found),
        "wrong_sign": float(np.mean(estimate[some] * real[some] < 0)) if some.any() else math.nan,
        "exaggeration": float(np.median(np.abs(estimate[some]) / np.abs(real[some]))) if some.any() else math.nan,
    }
