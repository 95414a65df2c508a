"""A design in a model's terms, and what a Bayesian result keeps of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel.bayes.rows import TreatedCells, path
from svmodel.design import DesignArrays
from svmodel.engine.description import LatentModel
from svmodel.engine.posterior import Posterior
from svmodel.numerics.arrays import Floats, Mask

#: Draws times cells that are held at once; beyond, draws are thinned.
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True, eq=False)
class Question:
    """A design in a model's terms.

    Attributes
    ----------
    model : LatentModel
    target : ndarray of bool, shape (N, T)
        Treated cells that the effect is about.
    treatment : str
        Terms whose names begin so are the intervention; without them the model tells what would have been.
    left_out : tuple of str
        What could not be compared; for the notes.
    """

    model: LatentModel
    target: Mask
    treatment: str
    left_out: tuple[str, ...] = ()

    def cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:
        """Return draws of expected counts of the target cells, with and without the intervention."""
        area, time = np.nonzero(self.target)
        kept = thinned(posterior.effects, len(area))
        with_it = np.exp(self.model.predictor(kept, self.target))
        without = np.exp(self.model.predictor(kept, self.target, without=self.treatment))
        return TreatedCells(arrays, area, time, with_it, without, level=level)

    def expected_cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:
        """Return what the posterior alone says of the target cells, without noise that is drawn on top of it."""
        return self.cells(posterior, arrays, level)

    def path(
        self, posterior: Posterior, arrays: DesignArrays, level: float, parents: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Return what was observed and what was to be expected without the intervention in the treated areas."""
        shown = self.model.known & self.target.any(axis=1, keepdims=True)
        area, time = np.nonzero(shown)
        kept = thinned(posterior.effects, len(area))
        without = np.exp(self.model.predictor(kept, shown, without=self.treatment))
        return path(arrays, area, time, without, level, parents)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a Bayesian result keeps for its checks: the question and the posterior that answers it."""

    question: Question
    posterior: Posterior

    @property
    def model(self) -> LatentModel:
        """The model that was fitted."""
        return self.question.model


def thinned(effects: Mapping[str, Floats], cells: int) -> dict[str, Floats]:
    """Return every k-th draw, so that draws times cells stay within memory."""
    size = len(next(iter(effects.values())))
    step = max(1, math.ceil(size * cells / _MOST_NUMBERS))
    return {name: draws[::step] for name, draws in effects.items()}


def log_exposure(exposure: Floats) -> Floats:
    """Return the log; minus infinity without exposure, where a cell says nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(exposure)
