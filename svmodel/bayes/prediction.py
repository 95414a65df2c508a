"""Effects as what was observed less what a model of the periods before predicts, draw by draw, noise included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from svmodel.bayes.question import thinned
from svmodel.bayes.rows import TreatedCells, path
from svmodel.bayes.series import SeriesQuestion
from svmodel.design import DesignArrays
from svmodel.engine.posterior import Posterior
from svmodel.numerics.arrays import Floats, Mask


@dataclass(frozen=True, eq=False)
class Prediction(SeriesQuestion):
    """A question whose model knows the periods before the start alone.

    Attributes
    ----------
    centre, spread : ndarray, shape (G,)
        Mean and standard deviation of the rates before the start, of a Gaussian model, which is one of standardised
        rates; 0 and 1 for counts.
    counts : bool
        Whether the outcome is a count.
    seed : int
        Of the noise.
    """

    centre: Floats = field(kw_only=True)
    spread: Floats = field(kw_only=True)
    counts: bool = field(kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def predicted(self, posterior: Posterior, where: Mask, *, noise: bool = True) -> Floats:
        """Return draws of what would have been observed without the intervention, or of its expectation.

        Parameters
        ----------
        posterior : Posterior
        where : ndarray of bool, shape (G, T)
            Periods of series, taken row by row.
        noise : bool
            Whether the draws are of outcomes, or of their expectations.

        Returns
        -------
        ndarray, shape (S, periods)
            In the outcome's units; the same noise whenever it is asked.
        """
        kept = thinned({**posterior.effects, **posterior.hyper}, int(where.sum()))
        eta = self.model.predictor(kept, where)
        rng = np.random.default_rng([self.seed, 2])
        if self.model.family == "gaussian":
            if noise:
                eta = eta + kept["noise_sd"][:, None] * rng.standard_normal(eta.shape)
            g, t = np.nonzero(where)
            people = self.people[g, t]
            return np.asarray(people * (self.centre[g] + self.spread[g] * eta))
        mean = np.exp(eta)
        if not noise:
            return np.asarray(mean)
        if "overdispersion" in kept:
            shape = np.maximum(kept["overdispersion"], 1e-5)[:, None] ** -2.0
            mean = mean * rng.gamma(np.broadcast_to(shape, mean.shape), 1 / shape)
        return rng.poisson(mean).astype(np.float64)

    @property
    def people(self) -> Floats:
        """Exposure of each series and period; the number of areas where the design has none."""
        if self.arrays.exposure is not None:
            return self.arrays.exposure
        return np.broadcast_to(self.members[:, None].astype(np.float64), self.arrays.y.shape)

    def cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:  # noqa: ARG002
        """Return what was observed in the treated periods, and draws of what would have been."""
        return self._held(self.predicted(posterior, self.target), level)

    def expected_cells(self, posterior: Posterior, arrays: DesignArrays, level: float) -> TreatedCells:  # noqa: ARG002
        """Return the same with draws of what was to be expected: the noise of a prediction is no engine's."""
        return self._held(self.predicted(posterior, self.target, noise=False), level)

    def _held(self, without: Floats, level: float) -> TreatedCells:
        area, time = np.nonzero(self.target)
        observed = np.broadcast_to(self.arrays.y[area, time], without.shape)
        return TreatedCells(self.arrays, area, time, observed, without, self.counts, level, self.members)

    def path(
        self,
        posterior: Posterior,
        arrays: DesignArrays,  # noqa: ARG002
        level: float,
        parents: Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """Return what was observed and what would have been observed; limits are of the prediction with its noise."""
        shown = self.model.known | self.target
        area, time = np.nonzero(shown)
        without = self.predicted(posterior, shown)
        return self.without_sums(path(self.arrays, area, time, without, level, parents))
