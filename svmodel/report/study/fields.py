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

#: Every group of keys is frozen, refuses a key that it does not know, and says under each what it means.
STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)


def wrong(rule: str, what: str, fix: str = "") -> PydanticCustomError:
    """Return the error that one value is refused with."""
    return PydanticCustomError(rule, "{what}", {"what": what, "fix": fix})


def all_wrong(found: Iterable[tuple[tuple[str | int, ...], PydanticCustomError]]) -> ValidationError:
    """Return the error that several values inside one are refused with, each by its place in it."""
    return ValidationError.from_exception_data(
        "study", [InitErrorDetails(type=error, loc=place, input=None) for place, error in found]
    )


@dataclass(frozen=True)
class Told:
    """What the page says of a key beside its description: its type and its default, in words."""

    words: str
    default: str = ""


def fields_of(model: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a model."""
    found: dict[str, FieldInfo] = model.__pydantic_fields__
    return found


def said_of(field: FieldInfo) -> str:
    """Return the description of a field, on one line."""
    return " ".join((field.description or "").split())


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
                why = said_of(field).removesuffix("; see below").partition(". ")[0]
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


def read_text(given: Any, _info: ValidationInfo | None = None) -> str:
    """Return a text: one of a file says something, one of Python may be a default that does not."""
    value = single(given)
    if not isinstance(value, str) or (isinstance(given, Scalar) and not value.strip()):
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


def _last_period(given: Any, info: ValidationInfo) -> pd.Period:
    found = _period(given, info)
    return periods.parse_last(given.text if isinstance(given, Scalar) else given) if found.freqstr in "DM" else found


def _period(given: Any, _info: ValidationInfo) -> pd.Period:
    if isinstance(given, dict | list):
        raise wrong("wrong_type", "this has to be a period")
    try:
        return periods.parse_first(given.text if isinstance(given, Scalar) else given)
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


def whole(low: int, high: int | None = None, word: str = "whole number") -> Takes:
    """Return how a whole number within its limits is read."""

    def read(given: Any, _info: ValidationInfo) -> int:
        value = single(given)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("wrong_type", f"this has to be a whole number, and is {value!r}")
        if value < low or (high is not None and value > high):
            span = f"{low} or more" if high is None else f"from {low} to {high}"
            raise wrong("out_of_range", f"this has to be {span}, and is {value}")
        return value

    words = f"{word}, {low} or more" if high is None else f"{word}, {low} to {high}"
    limits = {"minimum": low} | ({} if high is None else {"maximum": high})
    return Takes(read, words, {"type": "integer"} | limits)


def one_of(thing: str, valid: tuple[str, ...] | Callable[[], Iterable[str]]) -> Takes:
    """Return how one of the valid names is read."""
    known = valid if callable(valid) else lambda: valid
    words = "name" if callable(valid) else " or ".join(f"`{v}`" for v in valid)

    def read(given: Any, _info: ValidationInfo) -> str:
        value = read_text(given)
        if value not in (names := tuple(known())):
            raise wrong(f"unknown_{thing}", f"{value!r} is no {thing}", did_you_mean(value, names, limit=20))
        return value

    return Takes(read, words, lambda: {"enum": list(known())})


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


_TEXT = {"type": "string", "minLength": 1}
_ANY_SCALAR = {"type": ["string", "number", "boolean"]}
_LIST_OF_NAMES = {"anyOf": [{"type": "array", "items": _ANY_SCALAR, "uniqueItems": True}, _ANY_SCALAR]}

Text = Annotated[str, Takes(read_text, "text", _TEXT)]
Names = Annotated[tuple[str, ...], Takes(_names, "list of texts", _LIST_OF_NAMES)]
Period = Annotated[pd.Period, Takes(_period, "period", {"type": ["string", "integer"]})]
LastPeriod = Annotated[pd.Period, Takes(_last_period, "period", {"type": ["string", "integer"]})]
Flag = Annotated[bool, Takes(_flag, "true or false", {"type": "boolean"})]
Amount = Annotated[float, Takes(_amount, "number, 0 or more", {"type": "number", "minimum": 0})]
Year = Annotated[int, whole(1950, 2100, "year")]
Column = Annotated[str, Takes(read_text, "column", _TEXT)]
Columns = Annotated[tuple[str, ...], Takes(_names, "list of columns", _LIST_OF_NAMES)]
File = Annotated[str, Takes(read_text, "path", _TEXT)]
#: Items of lists.
Number = Annotated[float, Takes(_number_of_a_list, "number", {"type": "number"})]
Count = Annotated[int, Takes(_count_of_a_list, "whole number", {"type": "integer", "minimum": 0})]
Anything = Annotated[Mapping[str, Any], BeforeValidator(lambda given: plain(group(given)))]
LISTED = BeforeValidator(_listed)
PAIRS = BeforeValidator(_pairs, json_schema_input_type=Mapping[str, str] | list[str] | str)
RENAMED = BeforeValidator(_renamed)
