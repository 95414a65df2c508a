"""An effect in plain words: its size, its interval, and whether no effect can be ruled out."""

from __future__ import annotations

import math

from svmodel.present import posterior_words, prose
from svmodel.present.facts import EffectFact


def effect_words(effects: EffectFact, outcome: str, place: str, intervention: str = "it") -> str:
    """Return an effect in plain words: its size, its interval, and whether no effect can be ruled out.

    Parameters
    ----------
    effects : EffectFact
    outcome : str
        Readable name of the outcome.
    place : str
        Where, with its preposition ("in Sefton").
    intervention : str
        What was done.
    """
    name = prose.outcome_name(outcome)
    if effects.hidden:
        return f"The effect on {name} {place} rests on too few events to be shown."
    ratio, events = effects.rate_ratio, effects.events
    if ratio is not None and effects.posterior:
        means = effects.meaning
        return posterior_words.headline(ratio, outcome, place, intervention=intervention, events=events, meaning=means)
    if ratio is not None:
        middle, low, high = ratio.percent
        words = f"{name} {place}: {prose.change(middle, effects.meaning.pair)} than expected without {intervention}"
        words = words.replace("no change than", "no change from what was")
        if math.isfinite(low):
            words += f" ({prose.level_words(ratio.level)}: {prose.change_interval(low, high, effects.meaning.pair)})"
        if events is not None:
            words += f". That is {prose.events_of(middle, events.estimate)} over the whole period"
            if math.isfinite(events.conf_low):
                words += f" ({prose.events_interval(events.conf_low, events.conf_high)})"
        return f"{prose.sentence(words)} {effects.certainty}"
    one = effects.difference or effects.per_100k
    if one is None:
        return f"The method gives no average effect on {name} {place}."
    unit = "" if one is effects.difference else " per 100,000"
    size = f"{prose.number(abs(one.estimate), 2)}{unit} {'lower' if one.estimate < 0 else 'higher'} than expected"
    if math.isfinite(one.conf_low):
        span = f"{prose.number(one.conf_low, 2)} to {prose.number(one.conf_high, 2)}"
        size += f" ({prose.level_words(one.level)}: {span})"
    told = f"{prose.sentence(f'{name} {place}: {size}')} {effects.certainty}"
    if not effects.posterior:
        return told
    return f"{posterior_words.any_change(one.prob_reduction, f'{name} {place}', meaning=effects.meaning)} {told}"


def doubt_words(effects: EffectFact, why: str = "see below") -> str:
    """Say where an interval is in doubt, by the method that made it; an effect without one says so by itself.

    Parameters
    ----------
    effects : EffectFact
    why : str
        Where the reason is told.
    """
    told = effects.told
    doubtful = effects.in_doubt and told is not None and math.isfinite(told.conf_low)
    return f"The interval may be too narrow ({why})." if doubtful else ""
