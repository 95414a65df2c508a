"""What the house is, measured from its imports alone: files, rooms, arrows, circles, floors.

Imports inside functions and under ``TYPE_CHECKING`` count like any other: what is hidden is still leaned on.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class House:
    """The package below a folder.

    Attributes
    ----------
    package : Path
        The folder ``svmodel``.
    """

    package: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Dotted module name -> file."""
        top = self.package.name
        found = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = list(path.relative_to(self.package).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join([top, *parts])] = path
        return found

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Dotted module name -> what it says."""
        return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()}

    @cached_property
    def imports(self) -> dict[str, dict[str, list[str]]]:
        """Module -> module of the package that it imports -> the names it takes from there."""
        return {name: self._imports(name) for name in self.files}

    def _imports(self, module: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in self.files:
                        found.setdefault(alias.name, [])
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    raise AssertionError(f"{module}: relative imports hide which room is meant")
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    if whole in self.files:
                        found.setdefault(whole, [])
                    elif node.module in self.files:
                        found.setdefault(node.module, []).append(alias.name)
        found.pop(module, None)
        return found

    @cached_property
    def circles(self) -> list[list[str]]:
        """Sets of files that lean on each other, directly or through others."""
        return circles({m: set(to) for m, to in self.imports.items()})

    def room(self, module: str) -> str:
        """Return the room that a module stands in: the first name below the package."""
        parts = module.split(".")
        return parts[1] if len(parts) > 1 else ""

    @cached_property
    def rooms(self) -> dict[str, set[str]]:
        """Room -> rooms that it imports from. The entrance, ``svmodel/__init__``, is none."""
        found: dict[str, set[str]] = {self.room(m): set() for m in self.files if self.room(m)}
        for module, to in self.imports.items():
            if own := self.room(module):
                found[own] |= {self.room(other) for other in to} - {own, ""}
        return found

    def upward(self, declared: dict[str, int]) -> list[str]:
        """Return the imports from a room to one on its own floor or on a higher one."""
        found = []
        for module, to in self.imports.items():
            own = self.room(module)
            for other in to:
                room = self.room(other)
                if own and room not in ("", own) and declared[room] >= declared[own]:
                    found.append(f"{module} imports {other}")
        return found

    @cached_property
    def underscored(self) -> list[str]:
        """Files whose name begins with an underscore."""
        return [m for m in self.files if m.split(".")[-1].startswith("_") and m.split(".")[-1] != "__main__"]

    @cached_property
    def private_imports(self) -> list[str]:
        """Names with an underscore that a file takes from another, by name or through the module."""
        found = []
        for module, to in self.imports.items():
            taken = {(other, name) for other, names in to.items() for name in names if is_private(name)}
            modules = self._modules_by_name(module)
            for node in ast.walk(self.trees[module]):
                read = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and is_private(node.attr)
                if read and node.value.id in modules:
                    taken.add((modules[node.value.id], node.attr))
            found += [f"{module} takes {name} from {other}" for other, name in sorted(taken)]
        return found

    def _modules_by_name(self, module: str) -> dict[str, str]:
        """Return the modules of the package that a file knows by a name of their own."""
        found = {}
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if f"{node.module}.{alias.name}" in self.files:
                        found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def reaching_in(self, folders: set[str]) -> list[str]:
        """Return imports of an estimator's class from beside it, and of what stands inside another's folder."""
        found = []
        for module, to in self.imports.items():
            own = next((f for f in folders if module.startswith(f"{f}.")), None)
            for other in to:
                inside = next((f for f in folders if other.startswith(f"{f}.")), None)
                if other == own or (inside and inside not in (module, own)):
                    found.append(f"{module} imports {other}")
        return found

    def asking_estimators(self) -> list[str]:
        """Return where an estimator is asked for what it may not have, but for the two places that may."""
        allowed = ("svmodel.testing", "svmodel.result.method")
        found = []
        for module, tree in self.trees.items():
            if module.startswith(allowed):
                continue
            for node in ast.walk(tree):
                asks = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr")
                if asks and "estimator" in ast.unparse(node.args[0]):
                    found.append(f"{module}, line {node.lineno}")
        return found

    @cached_property
    def searching_notes(self) -> list[str]:
        """Where texts of a result's notes or warnings are searched for words."""
        found = []
        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if not isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
                    continue
                source = ast.unparse(node.generators[0].iter)
                if not source.endswith((".notes", ".warnings")) or "result" not in source:
                    continue
                tests = [node.elt, *(condition for g in node.generators for condition in g.ifs)]
                if any(_searches(inside) for test in tests for inside in ast.walk(test)):
                    found.append(f"{module}, line {node.lineno}")
        return found

    @cached_property
    def floors(self) -> dict[str, int]:
        """Room -> its floor: one above the highest that it imports from. Empty where rooms stand in a circle."""
        return {} if circles(self.rooms) else floors(self.rooms)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected parts of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            part = stack[at:]
            del stack[at:]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """Return the floor of each node of a graph without circles, the lowest being 1."""
    found: dict[str, int] = {}

    def of(node: str) -> int:
        if node not in found:
            found[node] = 1 + max((of(other) for other in graph[node]), default=0)
        return found[node]

    for node in sorted(graph):
        of(node)
    return found


def _searches(node: ast.AST) -> bool:
    """Return whether a node looks for words in a text: by a pattern, by ``in`` with a text, or by how it begins."""
    if isinstance(node, ast.Compare):
        return any(isinstance(op, ast.In) for op in node.ops) and isinstance(node.left, ast.Constant)
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called.startswith("re.") or called.endswith((".startswith", ".endswith", ".search", ".match", ".find"))


def is_private(name: str) -> bool:
    """Return whether a name begins with an underscore and is none of Python's own."""
    return name.startswith("_") and not name.startswith("__")


def estimator_folders(house: House) -> set[str]:
    """Return the folders inside a room whose ``__init__`` holds a class with ``fit`` of a design."""
    found = set()
    for module, path in house.files.items():
        if path.name != "__init__.py" or module.count(".") < 2:
            continue
        for node in house.trees[module].body:
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []
            if any(m.name == "fit" and "design" in {a.arg for a in m.args.args} for m in methods):
                found.add(module)
    return found
