"""From pydantic's errors, which know a value's place in the tree, to problems that name its key and its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from svmodel.errors import Problem, Problems
from svmodel.report.study.yaml_lines import Group, Items, Scalar

_Model = TypeVar("_Model")
_Place = tuple[str | int, ...]
#: Lists whose items are left out whole where anything inside them is wrong.
_WHOLE_ITEMS = ("estimators", "inference", "checks")
#: More rounds than any file needs: each round takes away what the last one found wrong.
_ROUNDS = 20


def read_as(model: type[_Model], tree: Group, problems: Problems, context: Mapping[str, Any]) -> _Model | None:
    """Read a tree as a model, noting everything that is wrong.

    What is wrong is taken out and the rest is read again, so that rules between keys, and those that need the data,
    find what they can. Nothing is said of a place that has been said to be wrong, nor of what lies around or inside it.

    Returns
    -------
    object or None
        The model without what was wrong; None where nothing is left of it. With problems it must not be used as it is.
    """
    adapter: TypeAdapter[_Model] = TypeAdapter(model)
    known = [p.where for p in problems if p.rule == "unreadable_value"]
    for again in range(_ROUNDS):
        try:
            return adapter.validate_python(tree, context={**context, "again": again > 0})
        except ValidationError as error:
            found = [(d["loc"], _problem(tree, d)) for d in error.errors(include_url=False, include_input=False)]
        names = [None if p.rule == "unknown_key" else name_of(tree, place) for place, p in found]
        for name, (_, problem) in zip(names, found, strict=True):
            if name is None or not any(_touch(name, other) for other in known):
                problems.extend([problem])
        known += [name for name in names if name is not None]
        # a text or list that is missing has something to stand for it in the next round
        _take_out(tree, [place for place, p in found if again or p.rule != "missing_key"])
    return None


def _problem(tree: Group, detail: ErrorDetails) -> Problem:
    place, rule, said = detail["loc"], detail["type"], detail.get("ctx", {})
    what, fix = said.get("what", detail["msg"]), said.get("fix", "")
    if rule != "unknown_key":
        named = place[:2] if place[0] in _WHOLE_ITEMS else place
        return Problem(what, name_of(tree, named), fix, _walk(tree, place)[0].line or 1, rule)
    holder = _walk(tree, place[:-1])[0]
    inside = f" in {holder.where}" if holder.where else ""
    return Problem(f"there is no key {what!r}{inside}", "", fix, holder.lines[what], rule)


def _walk(tree: Any, place: _Place) -> tuple[Any, _Place]:
    """Return the last thing of a place that is in the file, and the rest of the place."""
    for number, part in enumerate(place):
        inside = isinstance(tree, Group) and part in tree
        if not inside and not (isinstance(tree, Items) and isinstance(part, int) and part < len(tree)):
            return tree, place[number:]
        tree = tree[part]
    return tree, ()


def name_of(tree: Group, place: _Place) -> str:
    """Return the dotted name of a place, as the file numbers its items."""
    last, rest = _walk(tree, place)
    keys = [str(part) for part in rest if isinstance(part, str)]
    return ".".join([*([last.where] if last.where else []), *keys])


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{one}.", f"{one}["))


def _take_out(tree: Group, places: list[_Place]) -> None:
    """Take what is wrong out of the tree, the last items of lists first, so that the others keep their numbers."""
    for place in sorted(places, key=lambda p: [(isinstance(q, str), str(q).zfill(9)) for q in p], reverse=True):
        cut = place[:2] if place[0] in _WHOLE_ITEMS else place
        while cut:
            holder, rest = _walk(tree, cut[:-1])
            last = cut[-1]
            if rest or not isinstance(holder, Group | Items):
                cut = cut[:-1]
            elif isinstance(holder, Group) and last in holder:
                holder.pop(str(last))
                break
            elif isinstance(holder, Items) and isinstance(last, int) and last < len(holder):
                if holder.where == "window":  # null stands for the data's own end
                    holder[last] = Scalar(None, "null", holder[last].where, holder[last].line)
                else:
                    del holder[last]
                break
            else:
                cut = cut[:-1]
