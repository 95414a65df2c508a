"""The recipes that `svmodel simulate` knows by name."""

from __future__ import annotations

from collections.abc import Callable

from svmodel.simulate.merseyside import merseyside
from svmodel.simulate.truth import Simulation

#: Name -> function of the seed.
RECIPES: dict[str, Callable[..., Simulation]] = {"merseyside": merseyside}
