"""The methods that a study file asks for: estimators, further inference, checks, other specifications, power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema, PydanticCustomError

from svmodel.errors import UserError, did_you_mean
from svmodel.report.study.fields import (
    LISTED,
    STRICT,
    Count,
    Keys,
    Number,
    Period,
    Told,
    all_wrong,
    fields_of,
    whole,
    wrong,
)
from svmodel.report.study.registry import check_options, choices_of, estimators, inferences, known_checks
from svmodel.report.study.yaml_lines import Scalar, plain


@dataclass(frozen=True, config=STRICT)
class Named:
    """A method by its name, with its choices: ``Name``, or ``Name: {choice: value}``."""

    name: str
    choices: Mapping[str, Any] = Field(default_factory=dict)
    #: What it is and what is chosen of it, in words, how the rules that are broken are called, and what there is.
    thing: ClassVar[str]
    choice: ClassVar[str] = "choice"
    rule: ClassVar[str]
    things: ClassVar[Callable[[], Mapping[str, Any]]]

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return the names that there are."""
        return tuple(cls.things())

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return the choices of one, each with its type where that can be told."""
        method = cls.things()[name]
        try:
            hints = get_type_hints(method)
        except (NameError, TypeError):  # a type that only a type checker sees
            hints = {}
        return {f.name: hints.get(f.name) for f in choices_of(method)}

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the method with its choices made."""
        return cls.things()[name](**choices)

    @model_validator(mode="before")
    @classmethod
    def _as_given(cls, given: Any) -> Any:
        if not isinstance(given, Scalar | dict | list):
            return given
        name, said = _parts(given, cls.thing)
        if name not in (names := cls.known()):
            raise wrong(f"unknown_{cls.rule}", f"there is no {cls.thing} {name!r}", did_you_mean(name, names, limit=20))
        try:
            valid = tuple(cls.valid(name))
        except UserError as error:
            raise wrong("broken_plug_in", error.title) from None
        if plain(said) is None:
            return {"name": name}
        if not isinstance(said, dict):
            raise wrong("wrong_type", f"the {cls.choice}s of {name} have to be a group of keys")
        if unknown := [k for k in said if k not in valid]:
            raise all_wrong(((name, k), _unknown(name, cls.choice, k, valid)) for k in unknown)
        choices = {k: tuple(v) if isinstance(v, list) else v for k, v in plain(said).items()}
        try:
            cls.made(name, choices)
        except (UserError, TypeError, ValueError) as error:
            what = f"{name} refuses its {cls.choice}s: {' '.join(str(error).split())}"
            raise all_wrong([((name,), wrong(f"bad_{cls.choice}", what))]) from None
        return {"name": name, "choices": choices}

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        held = {}
        for name in cls.known():
            with suppress(UserError):  # of another package, and broken: a study file that names it is told
                choices = {choice: _schema_of(hint) for choice, hint in cls.valid(name).items()}
                held[name] = {"type": ["object", "null"], "properties": choices, "additionalProperties": False}
        one = {"type": "object", "properties": held, "additionalProperties": False, "minProperties": 1}
        return {"anyOf": [{"enum": list(held)}, one | {"maxProperties": 1}]}

    @property
    def label(self) -> str:
        """The name, with the choices where there are any."""
        chosen = ", ".join(f"{k}={_written(v)}" for k, v in self.choices.items())
        return f"{self.name}({chosen})" if chosen else self.name

    @property
    def twice(self) -> PydanticCustomError:
        """The error that a second one is refused with."""
        return wrong(f"{self.rule}_twice", f"the {self.thing} {self.label} stands twice")

    def build(self) -> Any:
        """Return the method with its choices made."""
        return self.made(self.name, self.choices)


@dataclass(frozen=True, config=STRICT)
class EstimatorSpec(Named):
    """One estimator: its name, its choices, and the label under which its results stand."""

    thing: ClassVar[str] = "estimator"
    rule: ClassVar[str] = "estimator"
    things: ClassVar[Callable[[], Mapping[str, Any]]] = staticmethod(estimators)


@dataclass(frozen=True, config=STRICT)
class InferenceSpec(Named):
    """Another way to the headline's interval: its name, its choices, and the label under which it stands."""

    thing: ClassVar[str] = "method of inference"
    rule: ClassVar[str] = "inference"
    things: ClassVar[Callable[[], Mapping[str, Any]]] = staticmethod(inferences)


@dataclass(frozen=True, config=STRICT)
class CheckSpec(Named):
    """One check by its name, with its options; ``default`` stands for all of them."""

    thing: ClassVar[str] = "check"
    choice: ClassVar[str] = "option"
    rule: ClassVar[str] = "check"
    things: ClassVar[Callable[[], Mapping[str, Any]]] = staticmethod(known_checks)

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return the names of the checks, and that of all of them."""
        return (*super().known(), "default")

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return what a check may be told."""
        return dict.fromkeys(() if name == "default" else check_options(name))

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the check; its options are told when it is made."""
        del choices
        return None if name == "default" else cls.things()[name]

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    @property
    def twice(self) -> PydanticCustomError:
        """The error that a second one is refused with."""
        return wrong("named_twice", f"{self.name!r} stands twice")


def _parts(given: Any, thing: str) -> tuple[str, Any]:
    """Return a name with what is said of it, from ``name`` or ``name: {...}``."""
    if isinstance(given, Scalar):
        return given.text.strip(), None
    if isinstance(given, dict) and len(given) == 1:
        return next(iter(given.items()))
    article = "an" if thing[0] in "aeiou" else "a"
    raise wrong("wrong_type", f"this has to be the name of {article} {thing}, or `name: {{key: value}}`")


def _unknown(name: str, word: str, given: str, valid: tuple[str, ...]) -> PydanticCustomError:
    fix = did_you_mean(given, valid, limit=20) if valid else "It has none."
    return wrong(f"unknown_{word}", f"{name} has no {word} {given!r}", fix)


def _written(value: Any) -> str:
    """Return a choice as a study file writes it."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {v}' for k, v in value.items())}}}"
    return str(value)


def _schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a choice, where its type is one that an editor can complete."""
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    return {"type": "boolean"} if hint is bool else {}


def _none_twice(specs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a method that stands twice with the same choices."""
    labels = [s.label for s in specs]
    if twice := [i for i, label in enumerate(labels) if label in labels[:i]]:
        raise all_wrong(((i,), specs[i].twice) for i in twice)
    return specs


_TWICE = AfterValidator(_none_twice)
#: A name alone is a list of one. Of what is done before, pydantic does the last first.
_ONE = BeforeValidator(
    lambda given: [given] if isinstance(given, Scalar) else given, json_schema_input_type=tuple[CheckSpec, ...] | str
)

Estimators = Annotated[tuple[EstimatorSpec, ...], LISTED, _TWICE]
Inferences = Annotated[tuple[InferenceSpec, ...], LISTED, _TWICE]
Checks = Annotated[tuple[CheckSpec, ...], _TWICE, LISTED, _ONE]


@dataclass(frozen=True, config=STRICT)
class SpecificationsSpec(Keys):
    """What a specification curve varies beside the study's estimators."""

    first_periods: Annotated[Annotated[tuple[Period, ...], LISTED], Told("list of periods")] = ()
    """later begins of the window, each tried beside the study's own"""
    anticipation: Annotated[Annotated[tuple[Count, ...], LISTED], Told("list of whole numbers, 0 or more")] = ()
    """periods of anticipation, each tried beside the study's own"""
    draws: Annotated[int, whole(0)] = 199
    """other assignments of the starts, for the joint test; 0 for none"""


@dataclass(frozen=True, config=STRICT)
class PowerSpec(Keys):
    """Sizes of effects whose detection is simulated with the headline estimator."""

    effects: Annotated[Annotated[tuple[Number, ...], LISTED], Told("list of numbers")] = (0.9, 0.8, 0.7, 0.6)
    """sizes that are tried: rate ratios for a count, differences for a measure"""
    draws: Annotated[int, whole(20)] = 200
    """panels that are drawn"""

    @model_validator(mode="after")
    def _tries_some(self) -> Self:
        if not self.effects:
            object.__setattr__(self, "effects", fields_of(type(self))["effects"].default)
        return self
