"""What an assurance says in words: to a board, and in notes to whoever plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svmodel.comparison._names import label
from svmodel.comparison._power_history import History

if TYPE_CHECKING:
    from collections import Counter

    import pandas as pd

    from svmodel.comparison._assurance_run import Bar, Planned

__all__ = ["bar_words", "board", "notes_on"]


def bar_words(bar: Bar) -> str:
    """Return what is called conclusive.

    Examples
    --------
    >>> from svmodel.comparison._assurance_run import Bar
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


def notes_on(table: pd.DataFrame, work: Planned, reasons: Counter[str], studies: int) -> tuple[str, ...]:
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
    from svmodel.bayes.ratio_prior import ratio_prior

    held = getattr(work.estimator, "prior", None)
    return "its own" if held is None else ratio_prior(held).describe()
