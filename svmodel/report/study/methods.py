"""The methods that a study file asks for: estimators, further inference, checks, other specifications, power."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    all_wrong,
    fields_of,
    told,
    whole,
    wrong,
)
from svmodel.report.study.registry import check, check_options, checks, choices_of, estimators, inferences
from svmodel.report.study.yaml_lines import Scalar, plain


@dataclass(frozen=True, config=STRICT)
class Named:
    """A method by its name, with its choices: ``Name``, or ``Name: {choice: value}``."""

    name: str
    choices: Mapping[str, Any] = Field(default_factory=dict)
    #: What it is and what is chosen of it, in words, and how the rules that are broken are called.
    thing: ClassVar[str]
    choice: ClassVar[str] = "choice"
    rule: ClassVar[str]

    @classmethod
    def known(cls) -> Iterable[str]:
        """Return the names that there are."""
        raise NotImplementedError

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return the choices of one, each with its type."""
        raise NotImplementedError

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the method with its choices made."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _as_given(cls, given: Any) -> Any:
        if not isinstance(given, Scalar | dict | list):
            return given
        name, said = _parts(given, cls.thing)
        if name not in (names := tuple(cls.known())):
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
        held = {
            name: {
                "type": ["object", "null"],
                "properties": {choice: _schema_of(hint) for choice, hint in cls.valid(name).items()},
                "additionalProperties": False,
            }
            for name in cls.known()
        }
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

    @classmethod
    def known(cls) -> Iterable[str]:
        """Return the names of the estimators."""
        return estimators()

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return an estimator's choices, each with its type."""
        return _hints(estimators()[name])

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the estimator."""
        return estimators()[name](**dict(choices))


@dataclass(frozen=True, config=STRICT)
class InferenceSpec(Named):
    """Another way to the headline's interval: its name, its choices, and the label under which it stands."""

    thing: ClassVar[str] = "method of inference"
    rule: ClassVar[str] = "inference"

    @classmethod
    def known(cls) -> Iterable[str]:
        """Return the names of the methods of inference."""
        return inferences()

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return a method's choices, each with its type."""
        return _hints(inferences()[name])

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the method of inference."""
        return inferences()[name](**dict(choices))


@dataclass(frozen=True, config=STRICT)
class CheckSpec(Named):
    """One check by its name, with its options; ``default`` stands for all of them."""

    thing: ClassVar[str] = "check"
    choice: ClassVar[str] = "option"
    rule: ClassVar[str] = "check"

    @classmethod
    def known(cls) -> Iterable[str]:
        """Return the names of the checks."""
        return (*checks(), "default")

    @classmethod
    def valid(cls, name: str) -> Mapping[str, Any]:
        """Return what a check may be told."""
        return dict.fromkeys(() if name == "default" else check_options(name))

    @classmethod
    def made(cls, name: str, choices: Mapping[str, Any]) -> Any:
        """Return the check; its options are told when it is made."""
        del choices
        return None if name == "default" else check(name)

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


def _hints(method: type[Any]) -> dict[str, Any]:
    """Return the choices of a method, each with its type where it can be told."""
    try:
        hints = get_type_hints(method)
    except (NameError, TypeError):  # a type that only a type checker sees
        hints = {}
    return {f.name: hints.get(f.name) for f in choices_of(method)}


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

    first_periods: Annotated[tuple[Period, ...], LISTED] = Field(
        default=(),
        description="later begins of the window, each tried beside the study's own",
        json_schema_extra=told("list of periods"),
    )
    anticipation: Annotated[tuple[Count, ...], LISTED] = Field(
        default=(),
        description="periods of anticipation, each tried beside the study's own",
        json_schema_extra=told("list of whole numbers, 0 or more"),
    )
    draws: Annotated[int, whole(0)] = Field(
        default=199, description="other assignments of the starts, for the joint test; 0 for none"
    )


@dataclass(frozen=True, config=STRICT)
class PowerSpec(Keys):
    """Sizes of effects whose detection is simulated with the headline estimator."""

    effects: Annotated[tuple[Number, ...], LISTED] = Field(
        default=(0.9, 0.8, 0.7, 0.6),
        description="sizes that are tried: rate ratios for a count, differences for a measure",
        json_schema_extra=told("list of numbers"),
    )
    draws: Annotated[int, whole(20)] = Field(default=200, description="panels that are drawn")

    @model_validator(mode="after")
    def _tries_some(self) -> Self:
        if not self.effects:
            object.__setattr__(self, "effects", fields_of(type(self))["effects"].default)
        return self
