"""The recipes that `svmodel simulate` knows by name, and running one into a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from svmodel.errors import DataError, did_you_mean
from svmodel.simulate.merseyside import merseyside
from svmodel.simulate.truth import Simulation
from svmodel.simulate.write import write

__all__ = ["RECIPES", "Written", "simulate"]

#: Name -> function of the seed.
RECIPES: dict[str, Callable[..., Simulation]] = {"merseyside": merseyside}


@dataclass(frozen=True)
class Written:
    """A simulation and the files it was written to; its text says what they hold."""

    simulation: Simulation
    files: tuple[Path, ...]

    def __str__(self) -> str:
        simulation = self.simulation
        lines = [f"Synthetic data: recipe {simulation.recipe}, seed {simulation.seed}.", repr(simulation.panel)]
        for outcome, truth in simulation.truth.items():
            e = truth.effect()
            lines.append(f"  {outcome}: true rate ratio {e.rate_ratio:.3f}, {e.events:+,.0f} events expected")
        return "\n".join([*lines, *(f"wrote {path}" for path in self.files)])


def simulate(recipe: str, folder: str | Path, *, seed: int = 2026) -> Written:
    """Simulate a recipe by its name and write it into a folder.

    Parameters
    ----------
    recipe : str
        A name in :data:`RECIPES`.
    folder : str or Path
    seed : int

    Returns
    -------
    Written
        See :func:`svmodel.simulate.write` for the files.

    Raises
    ------
    DataError
        If there is no such recipe.
    OutputError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(str(simulate("merseyside", folder)).splitlines()[0])
    Synthetic data: recipe merseyside, seed 2026.
    """
    if recipe not in RECIPES:
        raise DataError(f"there is no recipe {recipe!r}. {did_you_mean(recipe, RECIPES)}")
    simulation = RECIPES[recipe](seed=seed)
    return Written(simulation, write(simulation, folder))
