"""YAML read strictly, with the line of every key: what a section is not asked for is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from svmodel import periods
from svmodel.errors import DataError, Problems, StudyError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {yaml.MappingNode: "a group of keys", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves dates as text: a study names periods, not days."""

    def value(self, node: yaml.Node) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        return self.construct_object(node, deep=True)


def line(node: yaml.Node) -> int:
    """Return the line on which a node starts, counted from 1."""
    return int(node.start_mark.line) + 1


def compose(path: Path) -> yaml.MappingNode:
    """Return the root of a YAML file.

    Raises
    ------
    StudyError
        If the file is not there, is no text, is no YAML, or holds no keys.
    """
    title = f"{path} cannot be used"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise StudyError(f"there is no study file {str(path)!r}. {did_you_mean(path.name, near)}".rstrip()) from None
    except IsADirectoryError:
        raise StudyError(f"{str(path)!r} is a folder; name a study file in it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{title}: it cannot be read as text ({error})") from None
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = " ".join(str(p) for p in (getattr(error, "context", ""), getattr(error, "problem", "")) if p)
        problems = Problems()
        problems.add(
            f"this is not YAML: {what or error}",
            line=None if mark is None else mark.line + 1,
            fix="Look for a missing colon, quote or indentation.",
            rule="not_yaml",
        )
        raise StudyError(title, problems) from None
    if root is None:
        raise StudyError(f"{title}: it is empty")
    if not isinstance(root, yaml.MappingNode):
        raise StudyError(f"{title}: a study file is a list of `key: value`, and this is {_KINDS[type(root)]}")
    return root


class Section:
    """One group of keys. Every method notes what is wrong and answers with its default.

    Parameters
    ----------
    node : yaml.MappingNode
    where : str
        Dotted name of the group; empty for the root.
    problems : Problems
        Collects what is wrong.
    lines : dict of str to int
        Filled with the line of each key.
    """

    def __init__(self, node: yaml.MappingNode, where: str, problems: Problems, lines: dict[str, int]) -> None:
        self.where = where
        self.node = node
        self.problems = problems
        self.lines = lines
        self._asked: list[str] = []
        self._nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(getattr(key, "value", key)) if isinstance(key, yaml.ScalarNode) else "?"
            if name in self._nodes:
                problems.add(
                    f"the key {name!r} stands twice, first on line {lines[self.full(name)]}",
                    where=where,
                    line=line(key),
                    fix="Keep one of them.",
                    rule="duplicate_key",
                )
                continue
            self._nodes[name] = value
            lines[self.full(name)] = line(key)

    def full(self, key: str) -> str:
        """Return the dotted name of a key."""
        return f"{self.where}.{key}" if self.where else key

    def keys(self) -> tuple[str, ...]:
        """Return the keys that the file gives, in its order."""
        return tuple(self._nodes)

    def has(self, key: str) -> bool:
        """Return whether the file gives a value for a key."""
        self._ask(key)
        node = self._nodes.get(key)
        return node is not None and node.tag != "tag:yaml.org,2002:null"

    def is_mapping(self, key: str) -> bool:
        """Return whether the key holds a group of keys."""
        return self.has(key) and isinstance(self._nodes[key], yaml.MappingNode)

    def wrong(self, key: str, what: str, *, fix: str = "", rule: str = "wrong_type") -> None:
        """Note that a key's value is wrong."""
        found = self._nodes.get(key)
        at = self.lines.get(self.full(key)) if found is None else line(found)
        self.problems.add(what, where=self.full(key), fix=fix, line=at or line(self.node), rule=rule)

    def close(self, *, also: Iterable[str] = ()) -> None:
        """Note every key that nobody asked for."""
        valid = [*self._asked, *also]
        for key in self._nodes:
            if key not in valid:
                self.problems.add(
                    f"there is no key {key!r}" + (f" in {self.where}" if self.where else ""),
                    fix=did_you_mean(key, valid, limit=20),
                    line=self.lines[self.full(key)],
                    rule="unknown_key",
                )

    def text(self, key: str, default: str | None = None, *, required: bool = False) -> str | None:
        """Return a text."""
        value = self._scalar(key, required=required)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, f"this has to be a text, and is {value!r}")
            return default
        return value.strip()

    def integer(self, key: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
        """Return a whole number within its limits."""
        value = self._scalar(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, f"this has to be a whole number, and is {value!r}")
            return default
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"from {low} to {high}" if high is not None else f"{low} or more"
            self.wrong(key, f"this has to be {span}, and is {value}", rule="out_of_range")
            return default
        return value

    def number(self, key: str, *, required: bool = False) -> float | None:
        """Return an amount of 0 or more."""
        value = self._scalar(key, required=required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            self.wrong(key, f"this has to be an amount of 0 or more, and is {value!r}")
            return None
        return float(value)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        value = self._scalar(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"this has to be true or false, and is {value!r}")
            return default
        return value

    def choice(self, key: str, valid: Iterable[str], default: str) -> str:
        """Return one of the valid names."""
        value = self.text(key, default)
        names = list(valid)
        if value not in names:
            self.wrong(key, f"{value!r} is no {key}", fix=did_you_mean(value, names, limit=20), rule=f"unknown_{key}")
            return default
        return str(value)

    def period(self, key: str, *, required: bool = False) -> pd.Period | None:
        """Return a period."""
        if not self._need(key, required=required):
            return None
        return self.parse_period(self._nodes[key], self.full(key))

    def parse_period(self, node: yaml.Node, where: str) -> pd.Period | None:
        """Return the period that a node names."""
        if not isinstance(node, yaml.ScalarNode):
            self.problems.add("this has to be a period", where=where, line=line(node), rule="wrong_type")
            return None
        try:
            return periods.parse(node.value)
        except DataError as error:
            self.problems.add(error.title, where=where, line=line(node), rule="bad_period")
            return None

    def names(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of names; one name alone is a list of one."""
        if not self._need(key, required=required):
            return ()
        node = self._nodes[key]
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: list[str] = []
        for item in items:
            if not isinstance(item, yaml.ScalarNode) or not item.value.strip():
                what = f"this has to be a list of names, and holds {_KINDS[type(item)]}"
                self.problems.add(what, where=self.full(key), line=line(item), rule="wrong_type")
            elif item.value.strip() in found:
                what = f"{item.value.strip()!r} stands twice"
                self.problems.add(what, where=self.full(key), line=line(item), rule="named_twice")
            else:
                found.append(item.value.strip())
                self.lines[f"{self.full(key)}.{item.value.strip()}"] = line(item)
        return tuple(found)

    def items(self, key: str, *, required: bool = False) -> list[yaml.Node]:
        """Return the nodes of a list."""
        if not self._need(key, required=required):
            return []
        node = self._nodes[key]
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(key, f"this has to be a list, and is {_KINDS[type(node)]}")
            return []
        return list(node.value)

    def section(self, key: str, *, required: bool = False) -> Section | None:
        """Return a group of keys."""
        if not self._need(key, required=required):
            return None
        node = self._nodes[key]
        if not isinstance(node, yaml.MappingNode):
            self.wrong(key, f"this has to be a group of keys, and is {_KINDS[type(node)]}")
            return None
        return Section(node, self.full(key), self.problems, self.lines)

    def sections(self, key: str, *, required: bool = False) -> list[Section]:
        """Return a list of groups of keys."""
        found = []
        for i, node in enumerate(self.items(key, required=required), start=1):
            where = f"{self.full(key)}[{i}]"
            self.lines[where] = line(node)
            if isinstance(node, yaml.MappingNode):
                found.append(Section(node, where, self.problems, self.lines))
            else:
                what = f"this has to be a group of keys, and is {_KINDS[type(node)]}"
                self.problems.add(what, where=where, line=line(node), rule="wrong_type")
        return found

    def plain(self, key: str) -> Any:
        """Return a value of any kind as Python has it."""
        self._ask(key)
        return construct(self._nodes[key], self.problems, self.full(key))

    def nodes(self) -> dict[str, yaml.Node]:
        """Return every key and its node; all of them count as asked for."""
        self._asked.extend(self._nodes)
        return dict(self._nodes)

    def _ask(self, key: str) -> None:
        if key not in self._asked:
            self._asked.append(key)

    def _need(self, key: str, *, required: bool) -> bool:
        if self.has(key):
            return True
        if required:
            self.wrong(key, f"the key {key!r} is missing", rule="missing_key")
        return False

    def _scalar(self, key: str, *, required: bool = False) -> Any:
        if not self._need(key, required=required):
            return None
        node = self._nodes[key]
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(key, f"this has to be a single value, and is {_KINDS[type(node)]}")
            return None
        return construct(node, self.problems, self.full(key))


def construct(node: yaml.Node, problems: Problems, where: str) -> Any:
    """Return a node's value; an unreadable one is noted and answered with None."""
    try:
        return _Loader("").value(node)
    except (yaml.YAMLError, ValueError) as error:
        what = getattr(error, "problem", None) or error
        problems.add(f"this value cannot be read: {what}", where=where, line=line(node), rule="unreadable_value")
        return None
