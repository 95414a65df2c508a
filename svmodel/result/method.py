"""What a method says of itself, and the one place that asks an estimator for what it may or may not have.

Reports, comparison, checks and study files read a method's card. None of them knows a method's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias

from svmodel.design import Design, DesignArrays
from svmodel.design.clusters import clusters_of
from svmodel.design.weights import weights_of
from svmodel.errors import EstimationError, Problems

#: What a method supposes: that areas would have moved alike, gone on as a mixture of others, or gone on as foretold;
#: and that readers share its prior.
Assumption: TypeAlias = Literal["parallel", "mixture", "line", "prior"]
#: Choices that no reader of a page can tell from the name; they stand under methods.
UNSHOWN = ("level", "draws", "n_draws", "n_boot", "simultaneous", "solver", "only_average", "engine", "neighbours")
#: Choices that change no estimate.
NEUTRAL = (
    "family",
    "level",
    "inference",
    "only_average",
    "draws",
    "n_draws",
    "n_boot",
    "simultaneous",
    "few_treated",
    "cluster",
)
_PHRASES: Mapping[str, str] = {"family: poisson": "Poisson"}


@dataclass(frozen=True)
class Method:
    """A method's card. An estimator carries it as ``about: ClassVar[Method]``.

    Attributes
    ----------
    short : str
        Name in tables and figures.
    name : str
        Name on pages.
    how : str
        How it works out what would have happened, for readers of a page.
    supposes : tuple of str
        What it has to suppose: ``parallel``, ``mixture``, ``line``, ``prior``.
    kin : str
        Methods of one kin differ by their family alone; ``short`` where empty.
    mixes_donors : bool
        Whether untreated areas are mixed, so that pages show donors and placebos.
    slow : bool
        Whether a jackknife over very many areas takes too long.
    in_study_files : bool
        Whether a study file can name it; not where it is given a function.
    unshown, neutral : tuple of str
        Choices that pages leave out; choices that change no estimate.
    gives : tuple of str, optional
        What checks may need of a method and it gives: ``event_path``, ``posterior``, ``model``, ``engine`` (see
        :mod:`svmodel.checks.declared`). None where the card does not say, and no check is refused beforehand.
    phrases : mapping of str to str
        ``"choice: value"`` to the words for it, such as ``{"pooling: none": "each effect by itself"}``.

    Examples
    --------
    >>> card = Method("Own", "Our own method", phrases={"shocks: ar1": "shocks that last"})
    >>> card.phrase("shocks", "ar1"), card.phrase("family", "poisson"), card.phrase("shocks", "none")
    ('shocks that last', 'Poisson', None)
    """

    short: str
    name: str
    how: str = ""
    supposes: tuple[Assumption, ...] = ("parallel",)
    kin: str = ""
    mixes_donors: bool = False
    slow: bool = False
    in_study_files: bool = True
    unshown: tuple[str, ...] = UNSHOWN
    neutral: tuple[str, ...] = NEUTRAL
    gives: tuple[str, ...] | None = None
    phrases: Mapping[str, str] = field(default_factory=dict)

    def phrase(self, choice: str, value: object) -> str | None:
        """Return the words for a choice; None where the card has none."""
        return {**_PHRASES, **self.phrases}.get(f"{choice}: {value}")


def card(method: Any) -> Method:
    """Return the card of an estimator or of its class; one made from the class's name where it carries none."""
    cls = method if isinstance(method, type) else type(method)
    held = getattr(cls, "about", None)
    return held if isinstance(held, Method) else Method(cls.__name__, cls.__name__)


def is_estimator(value: object) -> bool:
    """Return whether a value can be fitted to a design."""
    return not isinstance(value, type) and callable(getattr(value, "fit", None))


def scale_of(estimator: Any) -> str | None:
    """Return the scale of an estimator's ``point``: ``log_rate_ratio`` or ``difference``; None where it has none."""
    return getattr(estimator, "scale", None)


class ByRole(str):
    """A family for counts that nobody asked for: where the outcome is a measure, the linear one is taken instead."""

    __slots__ = ()


def of_role(estimator: Any, design: Design) -> Any:
    """Return the estimator with its family by the outcome's role, where the user named none.

    Parameters
    ----------
    estimator : Estimator
        With a field ``family`` whose default is a :class:`ByRole`.
    design : Design

    Returns
    -------
    Estimator
        Itself for a count, and where the family was named.
    """
    if design.is_count or not isinstance(estimator.family, ByRole):
        return estimator
    return replace(estimator, family="linear")


#: What a result says where :func:`of_role` chose.
BY_ROLE_NOTE = (
    "The outcome is a measure and no count, so the family is linear: a ratio of a measure, of one in logs above all, "
    "means little. `family` takes another."
)


def choice_of(estimator: Any, name: str, default: Any = None) -> Any:
    """Return a choice of an estimator; `default` where it has no such choice."""
    return getattr(estimator, name, default)


def arrays_of(estimator: Any, design: Design) -> DesignArrays:
    """Return what an estimator's ``point`` takes.

    Parameters
    ----------
    estimator : Estimator
        One that needs more than the design's own arrays (a second outcome, columns of the panel) has a method
        ``arrays(design)``, which gives them. One with a choice ``cluster`` says which areas share their noise
        (:func:`svmodel.design.clusters.clusters_of`); of others the rule does. One with a choice ``weights``, or
        ``observation_weights``, says how observations count (:func:`svmodel.design.weights.weights_of`).
    design : Design

    Raises
    ------
    DesignError
        If the design has problems, or the panel lacks what the estimator needs.
    EstimationError
        If a Poisson family is given weights.
    """
    own = getattr(estimator, "arrays", None)
    made: DesignArrays = design.arrays if own is None else own(design)
    given = getattr(estimator, "observation_weights", choice_of(estimator, "weights"))
    if given is not None and choice_of(estimator, "family") == "poisson":
        raise EstimationError(
            f"{type(estimator).__name__} with family='poisson' takes no weights: such a model weighs areas by the "
            "events expected of them. Give the population as the design's `exposure`, or take family='linear'"
        )
    weights = None if given is None else weights_of(design, made, given)
    clusters = clusters_of(design, made, choice_of(estimator, "cluster"))
    return made if clusters.single and weights is None else replace(made, clusters=clusters, weights=weights)


def brings_arrays(estimator: Any) -> bool:
    """Return whether an estimator needs more than the design's own arrays."""
    return hasattr(estimator, "arrays")


def leads_of_format_1(estimator: Any) -> dict[str, Any]:
    """Return ``base``, ``binned`` and ``shrunk`` of a JointEstimate that was stored before it said so itself."""
    base = "varying" if choice_of(estimator, "base_period") == "varying" else None
    return {"base": base, "binned": hasattr(estimator, "leads"), "shrunk": bool(choice_of(estimator, "few_treated", 0))}


def auditor_of(estimator: Any) -> Any:
    """Return what audits a result by another engine; None where the method has but one."""
    return getattr(estimator, "audit", None)


def label(estimator: Any) -> str:
    """Return a short name: the method, its family, and every choice that is not the default and moves the estimate.

    Examples
    --------
    >>> from svmodel import did
    >>> label(did.ExtendedTwoWayFixedEffects()), label(did.CallawaySantAnna(control="not_yet_treated"))
    ('ETWFE Poisson', "Callaway-Sant'Anna (control not_yet_treated)")
    """
    about = card(estimator)
    words = about.short
    if not is_dataclass(estimator) or isinstance(estimator, type):
        return words
    kind = str(choice_of(estimator, "family", ""))
    if kind:
        words += f" {kind.capitalize() if kind == 'poisson' else kind.replace('_', ' ')}"
    made: Any = type(estimator)
    chosen = []
    for one in fields(made):
        standard = one.default if one.default is not MISSING else None
        value = choice_of(estimator, one.name)
        derived = standard is None and (one.default_factory is not MISSING or one.name == "method")
        if one.name not in about.neutral and not derived and value != standard:
            chosen.append(f"{one.name} {'given' if isinstance(value, Mapping) else value}")
    return f"{words} ({', '.join(chosen)})" if chosen else words


def named(estimators: Mapping[str, Any] | Iterable[Any], found: Problems) -> dict[str, Any]:
    """Return the estimators by name; note what is no estimator, and names that come twice."""
    if isinstance(estimators, Mapping):
        held = [(str(k), e) for k, e in estimators.items()]
    elif isinstance(estimators, Iterable) and not isinstance(estimators, str):
        held = [(label(e), e) for e in estimators]
    else:
        held = [(label(estimators), estimators)]
    out: dict[str, Any] = {}
    for name, one in held:
        if not is_estimator(one):
            found.add(f"{one!r} is no estimator", where="estimators", fix="Give did.ExtendedTwoWayFixedEffects(), say.")
        elif name in out:
            fix = "Give a mapping of name to estimator."
            found.add(f"two estimators are called {name!r}", where="estimators", fix=fix, rule="same_name")
        else:
            out[name] = one
    if not held:
        found.add("no estimator is given", where="estimators", rule="no_estimator")
    return out
