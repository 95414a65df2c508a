"""What is made from the models of a study file: its JSON Schema, and the tables of its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from svmodel.report.study.fields import Keys, Takes, Told, fields_of, said_of
from svmodel.report.study.model import Study
from svmodel.report.study.notebook import NotebookParameters
from svmodel.report.study.registry import check_options, checks, choices_of, estimators, inferences

_HEAD = "| key | type | default | what it says |\n|---|---|---|---|"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files, with the methods, layouts and checks that are installed.

    Examples
    --------
    >>> held = json_schema()
    >>> held["properties"]["seed"]["minimum"], held["additionalProperties"]
    (0, False)
    """
    held = TypeAdapter(Study).json_schema()
    about = {"title": "svmodel study", "description": "A study file of svmodel, read by `svmodel run`."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **held, **about}


def with_tables(page: str) -> str:
    """Return a page with each of its tables made anew.

    A table stands below a mark that names it: ``<!-- keys -->`` for the keys of the study itself,
    ``<!-- keys: data -->`` for those of groups, ``<!-- estimators -->``, ``<!-- inference -->``, ``<!-- checks -->``
    and ``<!-- parameters -->``.
    """
    mark = r"(<!-- (\w+)(?:: ([\w, ]+))? -->\n)\n?(?:\|.*\n)*"
    return re.sub(mark, lambda m: f"{m[1]}\n{_table(m[2], m[3])}", page)


def _table(kind: str, groups: str | None) -> str:
    if kind == "estimators":
        rows = [(f"`{n}`", _code(f.name for f in choices_of(m))) for n, m in estimators().items()]
        return _lines("| estimator | choices |\n|---|---|", rows)
    if kind == "inference":
        rows = [(f"`{n}`", _code(f.name for f in choices_of(m))) for n, m in inferences().items()]
        return _lines("| method | choices |\n|---|---|", rows)
    if kind == "checks":
        rows = [(f"`{n}`", _code(check_options(n))) for n in checks() if check_options(n)]
        return _lines("| check | options |\n|---|---|", rows)
    if kind == "parameters":
        told = [(f"`{n}`", "text", said_of(f)) for n, f in fields_of(NotebookParameters).items()]
        return _lines("| parameter | type | what it says |\n|---|---|---|", told)
    if groups is None:
        return _lines(_HEAD, [_row(key, field) for key, field in Study.keys().items()])
    found = [row for name in groups.split(", ") for row in _rows(name, Study.keys()[name])]
    return _lines(_HEAD, found)


def _code(names: Any) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _lines(head: str, rows: Any) -> str:
    return "\n".join([head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _rows(name: str, field: FieldInfo) -> Iterator[tuple[str, str, str, str]]:
    """Give the rows of a group's keys, each followed by those inside it; keys of two groups in one place once."""
    given: dict[tuple[type[Any], ...], str] = {}
    inside: dict[str, FieldInfo] = {}
    for group in _groups(field.annotation):
        inside |= {k: f for k, f in group.keys().items() if k not in inside}
    for key, held in inside.items():
        yield _row(f"{name}.{key}", held)
        groups = _groups(held.annotation)
        first = given.setdefault(groups, key)
        for row in _rows(f"{name}.{key}", held) if groups else ():
            yield row if first == key else (*row[:3], f"as for {first}")


def _groups(annotation: Any) -> tuple[type[Keys], ...]:
    """Return the groups of keys that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Keys):
        return (annotation,)
    return tuple(g for part in get_args(annotation) for g in _groups(part))


def _row(key: str, field: FieldInfo) -> tuple[str, str, str, str]:
    told = next((m for m in field.metadata if isinstance(m, Told)), None)
    default = (told and told.default) or ("required" if field.is_required() else _default(field))
    return f"`{key}`", told.words if told else _words(field), default, said_of(field)


def _words(field: FieldInfo) -> str:
    """Return what the type of a field is called."""
    taken = [m for m in (*field.metadata, *_metadata(field.annotation)) if isinstance(m, Takes)]
    groups = _groups(field.annotation)
    if not groups:
        return taken[0].words
    return "list of groups" if "tuple[" in str(field.annotation) else "group"


def _metadata(annotation: Any) -> list[Any]:
    return [m for part in get_args(annotation) for m in (*getattr(part, "__metadata__", ()), *_metadata(part))]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value)}`"
