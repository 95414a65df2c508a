"""Estimators in plain words: how each works out what would have happened, and what it has to suppose."""

from __future__ import annotations

from collections.abc import Iterable

METHODS = {
    "TwoWayFixedEffects": (
        "Two-way fixed effects compares areas over time with one level for each area and one for each period. It is "
        "well known, but where areas start at different times and effects differ it mixes them badly; it is shown "
        "for comparison."
    ),
    "ExtendedTwoWayFixedEffects": (
        "Extended two-way fixed effects learns each area's level and each period's level from areas and periods "
        "without the intervention, works out from them what would have been expected, and compares this with what "
        "was observed (Wooldridge 2023; Borusyak, Jaravel and Spiess 2024). It can be summed for one place."
    ),
    "CallawaySantAnna": (
        "Callaway and Sant'Anna (2021) compares each group of areas that started together with areas that had not "
        "started, one pair of periods at a time, and averages the comparisons."
    ),
    "Imputation": (
        "Imputation (Borusyak, Jaravel and Spiess 2024) fills in what treated areas would have had from the levels of "
        "areas and periods without the intervention, and averages what was observed less what was filled in."
    ),
    "SunAbraham": (
        "Sun and Abraham (2021) estimates the effect of each group of areas that started together in each period, "
        "against areas that never started, and averages them by the number of areas."
    ),
    "StackedDiD": (
        "Stacked difference-in-differences (Wing, Freedman and Hollingsworth 2024) makes one comparison for each "
        "start, over the same number of periods and with areas that stay untreated throughout, and stacks them."
    ),
    "TripleDifference": (
        "The triple difference sets the change in the outcome beside the change in another outcome of the same areas "
        "that the intervention cannot reach, so that what moved both is taken off."
    ),
    "InterruptedTimeSeries": (
        "The interrupted time series carries the treated areas' own trend and season on past the start, and compares "
        "what was observed with that line."
    ),
    "StructuralTimeSeries": (
        "The structural time series (Brodersen and others 2015) learns before the start how the treated areas went "
        "along with untreated ones, and predicts from these what would have been seen afterwards."
    ),
    "SyntheticControl": (
        "The synthetic control (Abadie, Diamond and Hainmueller 2010) mixes untreated areas so that the mixture went "
        "along with the treated ones before the start, and compares the treated areas with it afterwards."
    ),
    "SyntheticDiD": (
        "Synthetic difference-in-differences (Arkhangelsky and others 2021) mixes untreated areas that changed as the "
        "treated ones did before the start, weights earlier periods likewise, and compares the changes."
    ),
    "HierarchicalDiD": (
        "Hierarchical difference-in-differences (Bayesian; Gelman and Hill 2007) models counts by a level for each "
        "area, a level for each period and an effect for each treated area. The effects share a mean, so that an area "
        "with few events borrows from the others. A prior says beforehand how large effects are believed to be; the "
        "answer is a probability."
    ),
    "bayes.InterruptedTimeSeries": (
        "The Bayesian interrupted time series carries the treated areas' own trend and season on past the start, with "
        "shocks that last, and gives the change in level and slope as probabilities under a stated prior."
    ),
    "StructuralCounterfactual": (
        "The Bayesian structural counterfactual learns before the start how the treated areas' counts went along with "
        "untreated ones, shrinks what the controls say, and predicts what would have been seen afterwards, as "
        "probabilities."
    ),
}

_SERIES = (
    "InterruptedTimeSeries",
    "StructuralTimeSeries",
    "bayes.InterruptedTimeSeries",
    "StructuralCounterfactual",
)
_SYNTHETIC = ("SyntheticControl", "SyntheticDiD")
_PARALLEL = (
    "Without the intervention, treated and other areas would have moved alike (parallel trends). The checks test "
    "this before the start; after it, nobody can."
)
_MIXTURE = (
    "Without the intervention, the treated areas would have gone on as the mixture of other areas that followed them "
    "before the start. A close fit before the start is needed for that, and does not prove it."
)
_LINE = (
    "Without the intervention, the treated areas would have gone on as their own past, and whatever they are predicted "
    "from, foretells (interrupted and structural time series)."
)
_PRIOR = (
    "The prior belief about the effect is one that readers share, or the data are strong enough that it makes no "
    "difference (Bayesian methods)."
)
_BAYESIAN = ("HierarchicalDiD", "bayes.InterruptedTimeSeries")
_ALWAYS = (
    (
        "Nothing else began in the treated areas at the same time. Other money or policing that went to the same "
        "areas cannot be told apart from it."
    ),
    (
        "Areas were not chosen just after an unusually bad spell. If they were, part of any fall would have come by "
        "itself (regression to the mean)."
    ),
    "What was done in treated areas did not move harm to, or away from, the areas they are compared with.",
    "Recording did not change in treated areas alone.",
)


def assumptions(names: Iterable[str]) -> tuple[str, ...]:
    """Return what the named estimators suppose, in plain words."""
    used = set(names)
    first = []
    if used - {*_SERIES, *_SYNTHETIC}:
        first.append(_PARALLEL)
    if used & set(_SYNTHETIC):
        first.append(_MIXTURE)
    if used & set(_SERIES):
        first.append(_LINE)
    if used & set(_BAYESIAN):
        first.append(_PRIOR)
    return (*first, *_ALWAYS)
