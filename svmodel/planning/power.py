"""Power and minimum detectable effects, by simulation from the user's own panel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from svmodel.design import Design
from svmodel.errors import DesignError, EstimationError, Problems
from svmodel.numerics.arrays import Floats, Mask
from svmodel.planning.plan import Roles, detectable, wilson
from svmodel.planning.runs import Outcome, Work, bare, outcomes_of
from svmodel.planning.source import Options, check_named, check_shares, check_whole
from svmodel.planning.words import notes_of_power, power_found
from svmodel.result import Estimator
from svmodel.result.method import is_estimator, label


@dataclass(frozen=True, eq=False, repr=False)
class Power:
    """Power of a study by size of effect.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an effect: ``effect`` (a rate ratio for counts, a difference for measures), ``power`` with its 95% Monte
        Carlo limits ``low`` and ``high`` (Wilson), ``draws``, ``failed`` (draws in which the method gave no p-value;
        they count as not rejected), ``wrong_sign`` (share of rejections that point the other way) and ``exaggeration``
        (median size of rejected estimates over the true size). The row without effect holds the test's error of the
        first kind.
    detectable : pandas.DataFrame
        ``direction`` ("fewer", "more"), the least ``effect`` with the target power and its 95% Monte Carlo limits,
        nearer to no effect first. Missing where power does not reach the target among the effects tried.
    alpha, target : float
    text : str
    notes : tuple of str
    rejected : ndarray of bool, shape (draws, effects)
    """

    table: pd.DataFrame
    detectable: pd.DataFrame
    alpha: float
    target: float
    text: str
    notes: tuple[str, ...]
    rejected: Mask = field(repr=False)

    @property
    def type_one_error(self) -> float:
        """Share of draws without an effect in which one is found; about alpha for a valid test."""
        return float(self.table.loc[self.table["neutral"], "power"].iloc[0])

    def __repr__(self) -> str:
        return f"<Power: {self.text}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(n)}</li>" for n in self.notes)
        return f"<p>{escape(self.text)}</p>{self.table.to_html(index=False)}<ul>{notes}</ul>"


def power(
    design_template: Design,
    effects: Iterable[float],
    *,
    estimator: Estimator | None = None,
    inference: Any = None,
    method: Literal["resample", "model"] = "resample",
    draws: int = 500,
    alpha: float = 0.05,
    target: float = 0.8,
    n_treated: int | None = None,
    n_controls: int | None = None,
    study: tuple[int, int] | None = None,
    placement: Literal["any", "alike"] = "any",
    planned: bool = False,
    jobs: int = 1,
    seed: int = 0,
) -> Power:
    """Return how often a study of this kind would find effects of given sizes.

    Parameters
    ----------
    design_template : Design
        The panel, and the intervention as it was or is planned: how many areas start when.
    effects : iterable of float
        Rate ratios for a count (0.8 is 20% fewer), each above 0; differences per treated cell for a measure. No effect
        (1, or 0) is always added.
    estimator : Estimator, optional
        Poisson ETWFE for a count, linear ETWFE for a measure.
    inference : optional
        Anything of :mod:`svmodel.inference` with ``infer(result, seed=)``, in place of the estimator's own p-value.
    method : {"resample", "model"}
        See Notes.
    draws : int
        Panels; every effect is put into each of them.
    alpha, target : float
        Level of the two-sided test; power that is asked for.
    n_treated, n_controls : int, optional
        Other numbers of areas than the template's.
    study : (int, int), optional
        Periods before and after one common start, in place of the template's window and starts.
    placement : {"any", "alike"}
        For ``resample``: any areas play the treated, or areas whose level is near that of the template's treated.
    planned : bool
        Whether nothing has begun yet: then all of the panel counts as without intervention.
    jobs : int
        Processes. The answer does not depend on it. A script that asks for more than one needs the usual
        ``if __name__ == "__main__":``.
    seed : int

    Returns
    -------
    Power
        ``svmodel.plots.power_curve`` draws it.

    Raises
    ------
    DesignError
        With everything that is wrong with the template, and with what is asked: no history to draw from, more treated
        areas than there are, effects of 0 or less.
    EstimationError
        If the method answers in no draw.

    Notes
    -----
    *resample.* The study is laid into real data from places and times without the intervention: all areas before the
    first start, the window shifted at random, where the study is no longer than that; else the never treated areas over
    the whole of the panel, some of which then play the treated, so that as many fewer are left as controls. In each
    draw treated areas and window are drawn again. Overdispersion, season, trends, and dependence over time and between
    areas are those of the data, and need no model. It is right where the future strays as the past did and where areas
    are chosen without regard to the outcome. Few distinct placements (few areas, one shift) hold one history only; the
    Monte Carlo limits say nothing on that. Blocks of time are never recombined: that would cut off slow drifts
    of single areas, which are the main noise of a long comparison, and power would come out too high.

    *model.* ``y_it | s_it ~ NB2(mu_it exp(s_it), k)`` with ``log mu_it = a_i + season + trend + common shock`` and
    ``s_it`` an AR(1) in each area, fitted by moments with allowance for the levels that were estimated. For studies
    longer than the history, and for other numbers of areas. Shocks shared by some areas only, and drifts longer than
    the history shows, are not in it. For counts alone.

    *Effects.* Events of treated cells are kept with probability r < 1, or Poisson events added for r > 1; both leave
    a negative binomial count negative binomial with the same dispersion. All effects share panels and random numbers.

    *Least detectable effect.* Power is made to rise with the size by isotonic regression and read off by straight lines
    in the logarithm of the ratio; limits are a bootstrap of draws.

    *Error of the first kind.* The row without effect shows it. A test that rejects too often has no power worth its
    name, and the notes say so.

    References
    ----------
    Black, Hollingsworth, Nunes and Simon (2022), Simulated power analyses for observational studies, *Journal of Public
    Economics* 213. Burlig, Preonas and Woerman (2020), Panel data and experimental design, *Journal of Development
    Economics* 144: power without serial correlation is too high. Bertrand, Duflo and Mullainathan (2004), *Quarterly
    Journal of Economics* 119, on placebo laws. Gelman and Carlin (2014), *Perspectives on Psychological Science* 9(6),
    on errors of sign and size.

    Examples
    --------
    >>> from svmodel import Design, simulate
    >>> made = simulate.panel(40, 36, cohorts=[(24, 12)], effect=1.0, seed=1)
    >>> design = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    >>> found = power(design, [0.7], study=(12, 12), planned=True, draws=20)
    >>> found.table[["effect", "power"]].values.tolist()[0][1] > 0.9
    True
    """
    design = design_template
    problems = Problems()
    sizes = _effects(effects, problems, counts=design.is_count)
    options = Options(method, n_treated, n_controls, study, placement, planned)
    check_named(problems, method=method, placement=placement)
    check_whole(problems, draws=(draws, 10), jobs=(jobs, 1), **options.areas)
    check_shares(problems, alpha=alpha, target=target)
    options.check_study(problems, design.anticipation)
    if method == "model" and not design.is_count:
        text = "the model is one of counts, and the outcome is a measure"
        problems.add(text, where="method", rule="model_measure")
    if method == "model" and design.covariates:
        problems.add("the model has no covariates", where="method", fix="Leave them out.", rule="model_covariates")
    if inference is not None and not callable(getattr(inference, "infer", None)):
        fix = "Give svmodel.inference.RandomisationInference(), say."
        problems.add(f"{inference!r} infers nothing", where="inference", fix=fix, rule="inference")
    if estimator is not None and not is_estimator(estimator):
        problems.add(f"{estimator!r} is no estimator", where="estimator", rule="estimator")
    faults = design.problems()
    problems.extend(faults)
    shaped = not any(p.where in ("n_treated", "n_controls", "study", "method", "placement") for p in problems)
    source = options.source(design, problems) if not faults and shaped else None
    problems.raise_if_any(DesignError, "power cannot be worked out so")
    assert source is not None
    chosen = estimator if estimator is not None else _default(design)
    work = Work(source, _roles(design), sizes, bare(chosen, inference), inference, alpha, seed)
    outcomes = outcomes_of(work, draws, jobs)
    return _summed(outcomes, work, chosen, target, design)


def _effects(effects: Any, found: Problems, *, counts: bool) -> tuple[float, ...]:
    """Return the effects with no effect among them, ascending."""
    given = [effects] if isinstance(effects, Real) else list(effects)
    neutral = 1.0 if counts else 0.0
    good: list[float] = []
    for one in given:
        if isinstance(one, bool) or not isinstance(one, Real) or not math.isfinite(one):
            found.add(f"{one!r} is no size of an effect", where="effects", rule="effects")
        elif counts and one <= 0:
            fix = "Give rate ratios: 0.8 for 20% fewer."
            found.add(f"a rate ratio of {float(one):g} is not above 0", where="effects", fix=fix, rule="effects")
        else:
            good.append(float(one))
    if not [v for v in good if v != neutral] and not found:
        found.add("no effect is given that power could be worked out for", where="effects", rule="effects")
    return tuple(sorted({*good, neutral}))


def _roles(design: Design) -> Roles:
    return Roles(
        outcome=design.outcome,
        counts=design.is_count,
        exposure=design.exposure,
        exposures=design.panel.exposures,
        covariates=design.panel.covariates,
        intervention=design.intervention.name,
        design_covariates=design.covariates,
    )


def _default(design: Design) -> Estimator:
    from svmodel.did import ExtendedTwoWayFixedEffects

    return ExtendedTwoWayFixedEffects(family="poisson" if design.is_count else "linear")


def _summed(outcomes: list[list[Outcome]], work: Work, chosen: Estimator, target: float, design: Design) -> Power:
    effects = np.array(work.effects)
    neutral = 1.0 if work.roles.counts else 0.0
    rejected = np.array([[o.rejected for o in one] for one in outcomes])
    estimates = np.array([[o.estimate for o in one] for one in outcomes])
    failed = np.array([[bool(o.reason) for o in one] for one in outcomes])
    reasons = Counter(o.reason for one in outcomes for o in one if o.reason)
    if failed.all():
        raise EstimationError(
            f"{label(chosen)} gives a p-value in none of {len(outcomes)} draws: {next(iter(reasons))}"
        )
    true = np.log(effects) if work.roles.counts else effects
    rows = []
    for k, effect in enumerate(effects):
        hits = int(rejected[:, k].sum())
        low, high = wilson(hits, len(outcomes))
        wrong, exaggerated = _sign_and_size(estimates[rejected[:, k], k], float(true[k]))
        rows.append(
            {
                "effect": float(effect),
                "neutral": bool(effect == neutral),
                "power": hits / len(outcomes),
                "low": low,
                "high": high,
                "draws": len(outcomes),
                "failed": int(failed[:, k].sum()),
                "wrong_sign": wrong,
                "exaggeration": exaggerated,
            }
        )
    table = pd.DataFrame(rows)
    least = _least(effects, true, rejected, target, work)
    at_null = table[table["neutral"]].iloc[0]
    text = power_found(least, at_null, work, chosen, target)
    notes = notes_of_power(work, at_null, failed, reasons, design)
    return Power(table, least, work.alpha, target, text, notes, rejected)


def _sign_and_size(found: Floats, true: float) -> tuple[float, float]:
    """Return the share of rejected estimates of the other sign, and how many times too large they are."""
    known = found[~np.isnan(found)]
    if true == 0 or not len(known):
        return math.nan, math.nan
    return float((known * true < 0).mean()), float(np.median(np.abs(known)) / abs(true))


def _least(effects: Floats, true: Floats, rejected: Mask, target: float, work: Work) -> pd.DataFrame:
    """Return the least detectable effect on each side on which effects were tried."""
    rows = []
    for direction, sign in (("fewer", -1.0), ("more", 1.0)):
        side = np.flatnonzero(sign * true >= 0)
        side = side[np.argsort(sign * true[side])]
        if len(side) < 2:
            continue
        found = detectable(sign * true[side], rejected[:, side], target, work.seed)
        made = [_back(sign * v, counts=work.roles.counts) for v in found]
        rows.append((direction, *made, float(effects[side[-1]])))
    return pd.DataFrame(rows, columns=["direction", "effect", "low", "high", "largest_tried"])


def _back(value: float, *, counts: bool) -> float:
    if math.isinf(value):
        return math.nan
    return math.exp(value) if counts else value
