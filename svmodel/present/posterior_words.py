"""A posterior in words that a board can act on: probabilities as stated numbers, and what cannot be ruled out.

Rules. A probability stands as a number in whole per cent, never as "likely" or "significant", and never as nought or a
hundred. The size is the posterior median, and its interval stands with it. Where the interval leaves room for no
effect, the words say so, and name both ends: a large fall that cannot be ruled out is no less true than none.
"""

from __future__ import annotations

import math
from typing import Any

from svmodel.design.meaning import HARMS, Meaning
from svmodel.present import prose
from svmodel.result import Effect, Result
from svmodel.words import chance


def with_article(text: str) -> str:
    """Return a percentage with its indefinite article.

    Examples
    --------
    >>> with_article("83%"), with_article("17%"), with_article("11%")
    ('an 83%', 'a 17%', 'an 11%')
    """
    return f"{'an' if text.startswith('8') or text in ('11%', '18%') else 'a'} {text}"


def move(change: float) -> str:
    """Return a per cent change as a fall or a rise: whole per cent from one on.

    Examples
    --------
    >>> move(-9.2), move(3.7), move(-0.31), move(0.01)
    ('a fall of 9%', 'a rise of 4%', 'a fall of 0.3%', 'no change')
    """
    size = abs(change)
    if not math.isfinite(size):
        return "a rise of any size" if change > 0 else prose.MISSING
    if size < 0.05:
        return "no change"
    digits = 0 if size >= 0.95 else 1
    return f"{'a fall' if change < 0 else 'a rise'} of {prose.number(size, digits)}%"


def any_change(probability: float, what: str, against: str = "", meaning: Meaning = HARMS) -> str:
    """Return the probability that an outcome moved the good way, in a sentence; where it is below half, of both ways.

    Parameters
    ----------
    probability : float
        Of a fall.
    what : str
        Outcome and place ("violence in Sefton").
    against : str
        What it is held against; ends the sentence.
    meaning : Meaning
        Which way is good; where neither is, both ways are told.

    Examples
    --------
    >>> any_change(0.83, "violence")
    'There is an 83% probability that violence fell.'
    >>> any_change(0.999, "violence in Sefton", "compared with what was to be expected")
    'There is a probability of more than 99% that violence in Sefton fell, compared with what was to be expected.'
    >>> any_change(0.3, "violence")
    'There is a 30% probability that violence fell, and a 70% probability that it rose.'
    >>> any_change(0.3, "attendance", meaning=Meaning(good="more"))
    'There is a 70% probability that attendance rose.'
    """
    tail = f", {against}" if against else ""
    first, second = ("rose", "fell") if meaning.good == "more" else ("fell", "rose")
    if math.isnan(probability):
        return f"How probable it is that {what} {first}{tail}, is not known."
    chance_of_first = 1 - probability if meaning.good == "more" else probability
    text = f"There is {_of(chance_of_first)} that {what} {first}{tail}"
    if chance_of_first < 0.5 or meaning.good == "neither":
        text += f", and {_of(1 - chance_of_first)} that it {second}"
    return f"{text}."


def _of(probability: float) -> str:
    said = chance(probability)
    return f"{with_article(said)} probability" if said[0].isdigit() else f"a probability of {said}"


def fits(effect: Effect) -> str:
    """Return what the interval of a rate ratio leaves open.

    Examples
    --------
    >>> from svmodel.result import Effect
    >>> fits(Effect("att", "rate_ratio", 0.91, 0.07, 0.78, 1.06, 0.95, float("nan"), 0.9))
    'The data cannot rule out no effect, a fall of 22% or a rise of 6%.'
    >>> fits(Effect("att", "rate_ratio", 0.8, 0.03, 0.72, 0.9, 0.95, float("nan"), 1.0))
    'Falls between 10% and 28% fit the data.'
    """
    _, low, high = effect.percent
    if not (math.isfinite(low) and math.isfinite(high)):
        return "How large the change may be is not known."
    if low <= 0 <= high:
        ends = [move(v) for v in (low, high) if move(v) != "no change"]
        return f"The data cannot rule out {prose.join(['no effect', *ends], last='or')}."
    small, large = sorted((abs(low), abs(high)))
    sizes = [move(v).rpartition(" ")[2] for v in (small, large)]
    if sizes[0] == sizes[1]:
        return f"{prose.sentence(move(low if high < 0 else high))[:-1]} fits the data."
    first = "hardly any" if sizes[0] == "change" else sizes[0]
    return f"{'Falls' if high < 0 else 'Rises'} between {first} and {sizes[1]} fit the data."


def headline(
    ratio: Effect,
    outcome: str,
    place: str = "",
    *,
    intervention: str = "it",
    events: Effect | None = None,
    meaning: Meaning = HARMS,
) -> str:
    """Return a posterior of a rate ratio in plain words.

    Parameters
    ----------
    ratio : Effect
        On the scale ``rate_ratio``, with its probability of a reduction.
    outcome : str
        Readable name of the outcome.
    place : str
        Where, with its preposition.
    intervention : str
        What was done.
    events : Effect, optional
        The same effect in events.
    meaning : Meaning

    Examples
    --------
    >>> from svmodel.result import Effect
    >>> print(headline(Effect("att", "rate_ratio", 0.91, 0.1, 0.8, 1.04, 0.95, float("nan"), 0.83), "Violence"))
    There is an 83% probability that violence fell, compared with what was to be expected without it. The best single \
estimate is a fall of 9% (95% interval: between 20.0% fewer and 4.0% more). The data cannot rule out no effect, a fall \
of 20% or a rise of 4%.
    """
    middle, low, high = ratio.percent
    what = f"{prose.outcome_name(outcome)} {place}".strip()
    against = f"compared with what was to be expected without {intervention}"
    first = any_change(ratio.prob_reduction, what, against, meaning)
    size = f"The best single estimate is {move(middle)}"
    if math.isfinite(low):
        size += f" ({prose.level_words(ratio.level)}: {prose.change_interval(low, high, meaning.pair)})"
    if events is not None:
        size += f", which is {prose.events_of(middle, events.estimate)} over the whole period"
        if math.isfinite(events.conf_low):
            size += f" ({prose.events_interval(events.conf_low, events.conf_high)})"
    return f"{first} {prose.sentence(size)} {fits(ratio)}"


def prior_and_posterior(result: Result) -> str:
    """Return what was believed before the data and after them; empty where a method states no prior of its effect.

    Parameters
    ----------
    result : Result
    """
    prior: Any = result.diagnostics.get("prior")
    if not prior:
        return ""
    before, after = float(prior["prob_reduction"]), result.effect("att", "rate_ratio").prob_reduction
    way = "fall"
    if result.design is not None and result.design.meaning.good == "more":
        way, before, after = "rise", 1 - before, 1 - after
    return (
        f"Before the data, the probability of any {way} was {chance(before)}; after them it is "
        f"{chance(after)}. The belief before the data: {_belief(prior)}."
    )


def _belief(prior: Any) -> str:
    middle, low, high = (100 * (float(prior[k]) - 1) for k in ("median", "low", "high"))
    if high >= 1e4:
        return "nothing, so that any size was as good as any other"
    return f"{move(middle)} in the middle, and with 95% probability between {move(low)} and {move(high)}"
