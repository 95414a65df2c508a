"""What the keys of a study file may hold: how each kind of value is read, what refuses it, and its JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_origin

import pandas as pd
from pydantic import BeforeValidator, ConfigDict, GetJsonSchemaHandler, ValidationError, ValidationInfo, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from svmodel import periods
from svmodel.errors import DataError, did_you_mean
from svmodel.report.study.yaml_lines import Scalar, kind, plain

#: Every group of keys is frozen, and refuses a key that it does not know.
STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def wrong(rule: str, what: str, fix: str = "") -> PydanticCustomError:
    """Return the error that one value is refused with."""
    return PydanticCustomError(rule, "{what}", {"what": what, "fix": fix})


def all_wrong(found: Iterable[tuple[tuple[str | int, ...], PydanticCustomError]]) -> ValidationError:
    """Return the error that several values inside one are refused with, each by its place in it."""
    return ValidationError.from_exception_data(
        "study", [InitErrorDetails(type=error, loc=place, input=None) for place, error in found]
    )


def told(words: str, default: str = "") -> dict[str, Any]:
    """Return what the page says of a key beside its description: its type and its default, in words."""
    return {"x-type": words} | ({"x-default": default} if default else {})


def fields_of(model: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a model."""
    found: dict[str, FieldInfo] = model.__pydantic_fields__
    return found


class Keys:
    """A group of keys of a file."""

    #: Fields that no file gives.
    not_in_file: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """Return the keys that a file may give, each with its field."""
        return {f.alias or k: f for k, f in fields_of(cls).items() if k not in cls.not_in_file}

    @model_validator(mode="before")
    @classmethod
    def _as_given(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse what is no group, unknown keys and missing ones; a key without a value is one that is not there."""
        if not isinstance(group(given), dict):  # made in Python
            return given
        known = cls.keys()
        found = [((k,), wrong("unknown_key", k, did_you_mean(k, known, limit=20))) for k in given if k not in known]
        held = {k: v for k, v in given.items() if not (isinstance(v, Scalar) and v.value is None)}
        for key, field in known.items():
            if not field.is_required() or key in held:
                continue
            if again(info) and field.annotation is str:
                held[key] = ""
            elif again(info) and get_origin(field.annotation) is tuple:
                held[key] = []
            elif again(info) and isinstance(field.annotation, type) and issubclass(field.annotation, Keys):
                held[key] = {}
            else:
                why = (field.description or "").removesuffix("; see below").partition(". ")[0]
                found.append(((key,), wrong("missing_key", f"the key {key!r} is missing", why and f"It says: {why}.")))
        if found:
            raise all_wrong(found)
        return cls.from_file(held, info)

    @classmethod
    def from_file(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Return the fields that a file's keys stand for."""
        del info
        return given


def again(info: ValidationInfo) -> bool:
    """Return whether the file is read again without what was wrong with it; then nothing else is called missing."""
    return bool((info.context or {}).get("again"))


@dataclass(frozen=True, eq=False)
class Takes:
    """How a single value, or a list of them, is read.

    Parameters
    ----------
    read : callable
        From what the file (or a caller in Python) gives, and pydantic's context, to the value.
    words : str
        What its type is called on the page.
    schema : mapping, or callable
        Its JSON Schema.
    """

    read: Callable[[Any, ValidationInfo], Any]
    words: str
    schema: Mapping[str, Any] | Callable[[], Mapping[str, Any]]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema() if callable(self.schema) else self.schema)


def single(given: Any) -> Any:
    """Return a single value."""
    if isinstance(given, dict | list):
        raise wrong("wrong_type", f"this has to be a single value, and is {kind(given)}")
    return plain(given)


def _text(given: Any, info: ValidationInfo) -> str:
    value = single(given)
    if not isinstance(value, str) or not (value.strip() or again(info)):
        raise wrong("wrong_type", f"this has to be a text, and is {value!r}")
    return value.strip()


def _amount(given: Any, _info: ValidationInfo) -> float:
    value = single(given)
    if not _is_number(value) or value < 0:
        raise wrong("wrong_type", f"this has to be an amount of 0 or more, and is {value!r}")
    return float(value)


def _number_of_a_list(given: Any, _info: ValidationInfo) -> float:
    value = plain(given)
    if not _is_number(value):
        raise wrong("wrong_type", f"this has to be a list of numbers, and holds {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count_of_a_list(given: Any, _info: ValidationInfo) -> int:
    value = plain(given)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise wrong("wrong_type", f"this has to be a list of whole numbers of 0 or more, and holds {value!r}")
    return value


def _flag(given: Any, _info: ValidationInfo) -> bool:
    value = single(given)
    if not isinstance(value, bool):
        raise wrong("wrong_type", f"this has to be true or false, and is {value!r}")
    return value


def _period(given: Any, _info: ValidationInfo) -> pd.Period:
    if isinstance(given, dict | list):
        raise wrong("wrong_type", "this has to be a period")
    try:
        return periods.parse(given.text if isinstance(given, Scalar) else given)
    except DataError as error:
        raise wrong("bad_period", error.title) from None


def _names(given: Any, _info: ValidationInfo) -> tuple[str, ...]:
    found: list[str] = []
    errors = []
    for number, item in enumerate(given if isinstance(given, list | tuple) else [given]):
        name = item.text.strip() if isinstance(item, Scalar) else item.strip() if isinstance(item, str) else ""
        if not name:
            what = f"this has to be a list of names, and holds {kind(item)}"
            errors.append(((number,), wrong("wrong_type", what)))
        elif name in found:
            errors.append(((number,), wrong("named_twice", f"{name!r} stands twice")))
        else:
            found.append(name)
    if errors:
        raise all_wrong(errors)
    return tuple(found)


def whole(low: int | None = None, high: int | None = None) -> Takes:
    """Return how a whole number within its limits is read."""

    def read(given: Any, _info: ValidationInfo) -> int:
        value = single(given)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("wrong_type", f"this has to be a whole number, and is {value!r}")
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"from {low} to {high}" if high is not None else f"{low} or more"
            raise wrong("out_of_range", f"this has to be {span}, and is {value}")
        return value

    words = f"whole number, {low} to {high}" if high is not None else f"whole number, {low} or more"
    limits = {"minimum": low, "maximum": high}
    return Takes(read, words, {"type": "integer"} | {k: v for k, v in limits.items() if v is not None})


def one_of(thing: str, valid: Callable[[], Iterable[str]]) -> Takes:
    """Return how one of the valid names is read."""

    def read(given: Any, info: ValidationInfo) -> str:
        value = _text(given, info)
        if value not in (names := tuple(valid())):
            raise wrong(f"unknown_{thing}", f"{value!r} is no {thing}", did_you_mean(value, names, limit=20))
        return value

    return Takes(read, "name", lambda: {"enum": list(valid())})


def group(given: Any) -> Mapping[str, Any]:
    """Return a group of keys of any kind."""
    if isinstance(given, Scalar | list):
        raise wrong("wrong_type", f"this has to be a group of keys, and is {kind(given)}")
    held: Mapping[str, Any] = given
    return held


def _listed(given: Any) -> Any:
    if isinstance(given, Scalar | dict):
        raise wrong("wrong_type", f"this has to be a list, and is {kind(given)}")
    return given


def _pairs(given: Any, info: ValidationInfo) -> Any:
    """Read a name or a list of names as those that are the same here and there."""
    return {name: name for name in _names(given, info)} if isinstance(given, Scalar | list) else _renamed(given)


def _renamed(given: Any) -> Any:
    """Let a name without another be its own."""
    return {k: k if isinstance(v, Scalar) and v.value is None else v for k, v in group(given).items()}


_ANY_SCALAR = {"type": ["string", "number", "boolean"]}
_LIST_OF_NAMES = {"anyOf": [{"type": "array", "items": _ANY_SCALAR, "uniqueItems": True}, _ANY_SCALAR]}

Text = Annotated[str, Takes(_text, "text", {"type": "string", "minLength": 1})]
Names = Annotated[tuple[str, ...], Takes(_names, "list of texts", _LIST_OF_NAMES)]
Period = Annotated[pd.Period, Takes(_period, "period", {"type": ["string", "integer"]})]
Flag = Annotated[bool, Takes(_flag, "true or false", {"type": "boolean"})]
Amount = Annotated[float, Takes(_amount, "number, 0 or more", {"type": "number", "minimum": 0})]
Year = Annotated[int, whole(1950, 2100)]
#: Items of lists.
Number = Annotated[float, Takes(_number_of_a_list, "number", {"type": "number"})]
Count = Annotated[int, Takes(_count_of_a_list, "whole number", {"type": "integer", "minimum": 0})]
Anything = Annotated[Mapping[str, Any], BeforeValidator(lambda given: plain(group(given)))]
LISTED = BeforeValidator(_listed)
PAIRS = BeforeValidator(_pairs, json_schema_input_type=Mapping[str, str] | list[str] | str)
RENAMED = BeforeValidator(_renamed)
