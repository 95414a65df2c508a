"""What estimators are called in tables, and which ones a design is put to where nobody says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from svmodel.errors import Problems
from svmodel.result import Estimator

_WORDS = {
    "ExtendedTwoWayFixedEffects": "ETWFE",
    "TwoWayFixedEffects": "TWFE",
    "CallawaySantAnna": "Callaway-Sant'Anna",
    "SunAbraham": "Sun-Abraham",
    "StackedDiD": "Stacked",
    "TripleDifference": "Triple difference",
    "SyntheticControl": "Synthetic control",
    "SyntheticDiD": "Synthetic DiD",
    "InterruptedTimeSeries": "Interrupted series",
    "StructuralTimeSeries": "Structural series",
    "HierarchicalDiD": "Hierarchical DiD",
    "StructuralCounterfactual": "Structural counterfactual",
}
#: Choices that change no estimate.
_SILENT = (
    *("family", "level", "inference", "only_average", "draws", "n_draws", "n_boot", "simultaneous", "few_treated"),
    "engine",
)


def label(estimator: Estimator) -> str:
    """Return a short name: the method, its family, and every choice that is not the default and moves the estimate.

    Examples
    --------
    >>> from svmodel import did
    >>> label(did.ExtendedTwoWayFixedEffects()), label(did.CallawaySantAnna(control="not_yet_treated"))
    ('ETWFE Poisson', "Callaway-Sant'Anna (control not_yet_treated)")
    """
    name = type(estimator).__name__
    words = _WORDS.get(name, name)
    if type(estimator).__module__.startswith("svmodel.bayes."):
        words = f"Bayesian {words[0].lower()}{words[1:]}"
    if not is_dataclass(estimator) or isinstance(estimator, type):
        return words
    kind = str(getattr(estimator, "family", ""))
    if kind:
        words += f" {kind.capitalize() if kind == 'poisson' else kind.replace('_', ' ')}"
    made: Any = type(estimator)
    chosen = []
    for one in fields(made):
        standard = one.default if one.default is not MISSING else None
        value = getattr(estimator, one.name)
        derived = standard is None and (one.default_factory is not MISSING or one.name == "method")
        if one.name not in _SILENT and not derived and value != standard:
            chosen.append(f"{one.name} {value}")
    return f"{words} ({', '.join(chosen)})" if chosen else words


def named(estimators: Mapping[str, Estimator] | Iterable[Estimator], found: Problems) -> dict[str, Estimator]:
    """Return the estimators by name; note what is no estimator, and names that come twice."""
    if isinstance(estimators, Mapping):
        held = [(str(k), e) for k, e in estimators.items()]
    elif isinstance(estimators, Iterable) and not isinstance(estimators, str):
        held = [(label(e), e) for e in estimators]
    else:
        held = [(label(estimators), estimators)]
    out: dict[str, Estimator] = {}
    for name, one in held:
        if isinstance(one, type) or not callable(getattr(one, "fit", None)):
            found.add(f"{one!r} is no estimator", where="estimators", fix="Give did.ExtendedTwoWayFixedEffects(), say.")
        elif name in out:
            fix = "Give a mapping of name to estimator."
            found.add(f"two estimators are called {name!r}", where="estimators", fix=fix, rule="same_name")
        else:
            out[name] = one
    if not held:
        found.add("no estimator is given", where="estimators", rule="no_estimator")
    return out
