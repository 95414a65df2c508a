"""YAML as plain values that know where they stand: the dotted name and the line of every key and item."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from svmodel.errors import Problems, StudyError, did_you_mean

_KINDS = {yaml.MappingNode: "a group of keys", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Scalar:
    """A single value, and the text that stands for it in the file: ``no`` is a name too, and ``0.80`` has two decimals.

    Parameters
    ----------
    value : object
    text : str
    where : str
        Dotted name of the key or item.
    line : int
        Counted from 1.
    """

    value: Any
    text: str
    where: str = ""
    line: int = 0


class Group(dict[str, Any]):
    """A group of keys; ``lines`` is the line of each key, ``line`` that on which the group begins."""

    where = ""
    line = 0
    lines: dict[str, int]


class Items(list[Any]):
    """A list."""

    where = ""
    line = 0


def plain(value: Any) -> Any:
    """Return a value as Python alone has it."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def kind(value: Any) -> str:
    """Return what a value is, in words."""
    return "a group of keys" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves dates as text: a study names periods, not days."""

    def __init__(self, problems: Problems) -> None:
        super().__init__("")
        self.problems = problems
        self.lines: dict[str, int] = {}
        self._inside: list[int] = []

    def read(self, node: yaml.Node, where: str) -> Any:
        """Return a node's value with its place; note what cannot be read, and answer it with nothing."""
        line = _line(node)
        if isinstance(node, yaml.ScalarNode):
            return Scalar(self._value(node, where), node.value, where, line)
        if node.tag not in _PLAIN or id(node) in self._inside:
            what = "it holds itself" if id(node) in self._inside else f"a list or group has no tag {node.tag!r}"
            self.problems.add(f"this value cannot be read: {what}", where=where, line=line, rule="unreadable_value")
            return Scalar(None, "", where, line)
        self._inside.append(id(node))
        found = self._group(node, where) if isinstance(node, yaml.MappingNode) else self._items(node, where)
        found.where, found.line = where, line
        self._inside.pop()
        return found

    def _value(self, node: yaml.ScalarNode, where: str) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            what = f"this value cannot be read: {getattr(error, 'problem', None) or error}"
            self.problems.add(what, where=where, line=_line(node), rule="unreadable_value")
            return None

    def _group(self, node: yaml.MappingNode, where: str) -> Group:
        found = Group()
        found.lines = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in found:
                what = f"the key {name!r} stands twice, first on line {found.lines[name]}"
                fix = "Keep one of them."
                self.problems.add(what, where=where, line=_line(key), fix=fix, rule="duplicate_key")
                continue
            full = f"{where}.{name}" if where else name
            self.lines[full] = found.lines[name] = _line(key)
            found[name] = self.read(value, full)
        return found

    def _items(self, node: yaml.Node, where: str) -> Items:
        """Read a list; the lines of its names, and of what is said of each, stand under the names too."""
        found = Items()
        for number, item in enumerate(node.value, start=1):
            full = f"{where}[{number}]"
            self.lines[full] = _line(item)
            found.append(self.read(item, full))
            if isinstance(item, yaml.ScalarNode):
                self.lines.setdefault(f"{where}.{item.value.strip()}", _line(item))
            elif isinstance(item, yaml.MappingNode) and len(item.value) == 1:
                for inner in [k for k in self.lines if k.startswith(f"{full}.")]:
                    self.lines.setdefault(where + inner.removeprefix(full), self.lines[inner])
        return found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def read_yaml(path: Path, problems: Problems) -> tuple[Group, dict[str, int]]:
    """Return what a YAML file holds, and the line of every key and item by its dotted name.

    Keys that stand twice and values that cannot be read are noted in `problems`.

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
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = " ".join(str(p) for p in (getattr(error, "context", ""), getattr(error, "problem", "")) if p)
        found = Problems()
        found.add(
            f"this is not YAML: {what or error}",
            line=None if mark is None else mark.line + 1,
            fix="Look for a missing colon, quote or indentation.",
            rule="not_yaml",
        )
        raise StudyError(title, found) from None
    if root is None:
        raise StudyError(f"{title}: it is empty")
    if not isinstance(root, yaml.MappingNode):
        raise StudyError(f"{title}: a study file is a list of `key: value`, and this is {_KINDS[type(root)]}")
    loader = _Loader(problems)
    group: Group = loader.read(root, "")
    return group, loader.lines
