"""Rooms whose names load their module when first used, so that `import svmodel` stays quick."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def room(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names stand in modules of it.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    names : mapping of str to str
        Public name to the module that holds it: inside the package, or from the top where it begins with ``svmodel.``.

    Examples
    --------
    >>> get, names = room("svmodel.did", {"TwoWayFixedEffects": "twfe"})
    >>> get("TwoWayFixedEffects").__name__
    'TwoWayFixedEffects'
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"{package} has no {name!r}; it has {', '.join(sorted(names))}")
        module = names[name]
        value = getattr(
            importlib.import_module(module if module.startswith("svmodel.") else f"{package}.{module}"), name
        )
        # a second look finds it without coming here
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return get, listed
