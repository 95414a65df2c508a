"""Methods of a study in words, from their cards: names with the choices that tell, priors, and what they suppose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from svmodel.report.study import EstimatorSpec, Study
from svmodel.report.study.registry import estimators
from svmodel.result.method import Assumption, Method, card

#: Choices whose value says by itself what it is.
_PLAIN = ("family", "method")
_SUPPOSED: Mapping[Assumption, str] = {
    "parallel": (
        "Without the intervention, treated and other areas would have moved alike (parallel trends). The checks test "
        "this before the start; after it, nobody can."
    ),
    "mixture": (
        "Without the intervention, the treated areas would have gone on as the mixture of other areas that followed "
        "them before the start. A close fit before the start is needed for that, and does not prove it."
    ),
    "line": (
        "Without the intervention, the treated areas would have gone on as their own past, and whatever they are "
        "predicted from, foretells (interrupted and structural time series)."
    ),
    "prior": (
        "The prior belief about the effect is one that readers share, or the data are strong enough that it makes no "
        "difference (Bayesian methods)."
    ),
}
_ALWAYS = (
    (
        "Nothing else began in the treated areas at the same time. Other money or policing that went to the same "
        "areas cannot be told apart from it."
    ),
    (
        "Areas were not chosen just after an unusual spell. If they were, part of any change would have come by itself "
        "(regression to the mean)."
    ),
    "What was done in treated areas changed nothing in the areas they are compared with (no spillover).",
    "Recording did not change in treated areas alone.",
)


def card_of(spec: EstimatorSpec) -> Method:
    """Return the card of a study's estimator."""
    return card(estimators()[spec.name])


def assumptions(cards: Iterable[Method]) -> tuple[str, ...]:
    """Return what methods suppose, in plain words, and what every one of them does."""
    used = {key for c in cards for key in c.supposes}
    return (*(words for key, words in _SUPPOSED.items() if key in used), *_ALWAYS)


def method_name(study: Study, label: str) -> str:
    """Return the readable name of a study's estimator: its card's, with the choices that readers can tell."""
    spec = next((s for s in study.estimators if s.label == label), None)
    if spec is None:
        return label
    about = card_of(spec)
    chosen = _shown(about, spec.choices)
    if sum(s.name == spec.name and _shown(about, s.choices) == chosen for s in study.estimators) > 1:
        chosen = dict(spec.choices)
    choices = ", ".join(choice_words(about, k, v) for k, v in chosen.items())
    return f"{about.name} ({choices})" if choices else about.name


def _shown(about: Method, choices: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in choices.items() if k not in about.unshown}


def choice_words(about: Method, key: str, value: object) -> str:
    """Return one choice in words: the card's, or its name and value.

    Examples
    --------
    >>> own = Method("Own", "Our own method", phrases={"pooling: none": "each effect by itself"})
    >>> choice_words(own, "pooling", "none"), choice_words(own, "control", "not_yet_treated")
    ('each effect by itself', 'control not yet treated')
    >>> choice_words(own, "family", "poisson"), choice_words(own, "slope_change", False)
    ('Poisson', 'no slope change')
    """
    phrase = about.phrase(key, value)
    if phrase is not None:
        return phrase
    if key == "prior":
        return prior_words(value)
    name = key.replace("_", " ")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    text = ", ".join(str(v).replace("_", " ") for v in (value if isinstance(value, tuple) else (value,)))
    return text if key in _PLAIN else f"{name} {text}"


def prior_words(value: object) -> str:
    """Return a prior that a study chose: its name, or its middle and spread.

    Examples
    --------
    >>> prior_words("sceptical"), prior_words({"median": 0.9, "sd": 0.2})
    ('sceptical prior', 'prior about 0.9, s.d. 0.2')
    """
    if isinstance(value, Mapping):
        return f"prior about {value.get('median')}, s.d. {value.get('sd')}"
    return f"{value} prior"
