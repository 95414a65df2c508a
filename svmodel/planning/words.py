"""What a power study says in words: what can be found, on which panels, and whether the test is one."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pandas as pd

from svmodel import periods
from svmodel.bayes.ratio_prior import ratio_prior
from svmodel.design import TREATED, Design
from svmodel.numerics.arrays import Mask
from svmodel.planning.history import History
from svmodel.planning.runs import Bar, Planned, Work
from svmodel.result import Estimator
from svmodel.result.method import choice_of, label


def _size(effect: float, *, counts: bool) -> str:
    return f"{100 * (effect - 1):+.1f}%" if counts else f"{effect:+.4g}"


def power_found(least: pd.DataFrame, at_null: Any, work: Work, chosen: Estimator, target: float) -> str:
    """Return the least detectable effects and the error of the first kind in sentences."""
    shape, counts = work.source.shape, work.roles.counts
    n_controls = work.source.n_controls
    source = work.source
    # a study that is laid into the past treats areas that were never treated, and leaves fewer of them as controls
    among = f" of {len(source.areas)} areas without the intervention" if isinstance(source, History) else ""
    text = f"{len(shape.start)} treated areas and {n_controls} controls{among}, {shape.length} periods, {label(chosen)}"
    text += f" with {type(work.inference).__name__}: " if work.inference is not None else ": "
    parts = []
    for row in least.itertuples():
        effect, low, high = float(row.effect), float(row.low), float(row.high)
        if math.isnan(effect):
            tried = _size(float(row.largest_tried), counts=counts)
            parts.append(f"no effect up to {tried} is found with {target:.0%} power")
            continue
        limits = [_size(v, counts=counts) if math.isfinite(v) else "beyond what was tried" for v in (low, high)]
        parts.append(
            f"an effect of {_size(effect, counts=counts)} is found with {target:.0%} power (Monte Carlo {limits[0]} to "
            f"{limits[1]})"
        )
    text += "; ".join(parts)
    return (
        f"{text}. Without an effect the test finds one in {at_null.power:.1%} of draws, at a level of {work.alpha:.0%}."
    )


def notes_of_power(work: Work, at_null: Any, failed: Mask, reasons: Counter[str], design: Design) -> tuple[str, ...]:
    """Return what the panels were, whether the test is valid, and how often it did not answer."""
    source, arrays = work.source, design.arrays
    word = periods.describe_frequency(arrays.periods)
    notes = []
    if isinstance(source, History):
        M, shifts = len(source.areas), source.shifts
        what = "all areas before the first start" if source.kind == "before" else "areas that are never treated"
        shift = f", in {shifts} places along the {word}s" if shifts > 1 else ""
        notes.append(
            f"Panels are real {word}s of {M} areas without the intervention ({what}); the study is laid in at random"
            f"{shift}. They hold one history: what it never showed is in no draw."
        )
        controls = len(arrays.areas) - int((arrays.status == TREATED).any(axis=1).sum())
        if source.n_controls < controls:
            notes.append(f"{source.n_controls} controls are left where the template has {controls}.")
        if source.wanted is None and source.kind == "never" and work.roles.counts:
            notes.append(
                "Any area plays a treated one. Where treated areas have more events than others, placement='alike' "
                "says more of this study."
            )
    else:
        noise = source.noise
        notes.append(
            f"Panels are drawn from a model: dispersion {noise.dispersion:.3g}, fading shocks of areas with standard "
            f"deviation {noise.shock_sd:.3g} on the log scale and {noise.persistence:.2f} from one {word} to the next. "
            "Shocks shared by some areas only are not in it."
        )
    if at_null.low > work.alpha:
        notes.append(
            f"The test is not valid here: without an effect it finds one in {at_null.power:.1%} of draws, where "
            f"{work.alpha:.0%} was asked for. Its power is partly that error, and is not to be used."
        )
    elif at_null.high < work.alpha:
        notes.append(f"The test errs on the safe side: without an effect it finds one in {at_null.power:.1%} of draws.")
    if failed.any():
        told, times = reasons.most_common(1)[0]
        notes.append(
            f"In {failed.mean():.1%} of fits there was no p-value, which counts as no effect found; most often "
            f"({times:,}): {told}"
        )
    return tuple(notes)


def bar_words(bar: Bar) -> str:
    """Return what is called conclusive.

    Examples
    --------
    >>> from svmodel.planning.runs import Bar
    >>> bar_words(Bar("probability", 0.95, 0.1, 0.95))
    'a probability of 95% or more that harm fell by at least 10%'
    """
    if bar.rule == "probability":
        fell = f"fell by at least {bar.reduction:.0%}" if bar.reduction else "fell at all"
        return f"a probability of {bar.probability:.0%} or more that harm {fell}"
    if bar.reduction:
        return f"a {bar.level:.0%} interval that lies wholly beyond a fall of {bar.reduction:.0%}"
    return f"a {bar.level:.0%} interval that leaves out no effect"


def board(share: float, work: Planned) -> str:
    """Return a sentence for a board."""
    source = work.source
    n, length = len(source.shape.start), source.shape.length
    return (
        f"An evaluation of {n} treated areas beside {source.n_controls} others over {length} periods has a {share:.0%} "
        f"chance of being conclusive, if what is believed now is right: {work.belief.describe()}. Conclusive means "
        f"{bar_words(work.bar)}."
    )


def notes_of_assurance(table: pd.DataFrame, work: Planned, reasons: Counter[str], studies: int) -> tuple[str, ...]:
    """Return what the studies were, what belief says by itself, and how often the method did not answer."""
    belief, source = work.belief, work.source
    whole = table.iloc[0]
    notes = [
        f"Monte Carlo error: 95% limits of {whole['low']:.0%} to {whole['high']:.0%} from {studies:,} studies.",
        f"The belief itself gives any reduction a probability of {belief.prob_reduction:.0%}; no study can be surer.",
        f"Each study is analysed by {label(work.estimator)} with a prior of {_prior(work)}.",
    ]
    if isinstance(source, History):
        what = "all areas before the first start" if source.kind == "before" else "areas that are never treated"
        notes.append(
            f"Panels are real periods of {len(source.areas)} areas without the intervention ({what}); the study is "
            f"laid in at random in {source.shifts} places. They hold one history: what it never showed is in no draw."
        )
    else:
        noise = source.noise
        notes.append(
            f"Panels are drawn from a model: dispersion {noise.dispersion:.3g}, shocks of areas with standard "
            f"deviation {noise.shock_sd:.3g} on the log scale, {noise.persistence:.2f} of which stays to the next "
            "period. Where real shocks last and these do not, the chance comes out too high."
        )
    null = table[(table["group"] == "effect") & (table["effect_low"] == 1.0)]
    if len(null):
        notes.append(
            f"Without any effect {float(null['conclusive'].iloc[0]):.1%} of studies would be conclusive all the same."
        )
    if whole["wrong_sign"] > 0:
        notes.append(f"Of conclusive studies {whole['wrong_sign']:.1%} point the wrong way.")
    if reasons:
        told, times = reasons.most_common(1)[0]
        notes.append(
            f"In {sum(reasons.values())} of {studies:,} studies the method gave no answer, which counts as not "
            f"conclusive; most often ({times:,}): {told}"
        )
    return tuple(notes)


def _prior(work: Planned) -> str:
    held = choice_of(work.estimator, "prior")
    return "its own" if held is None else ratio_prior(held).describe()
