"""Shocks of areas that last beyond a period: what a model of independent counts leaves in its residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.bayes.answer import Question
    from svmodel.bayes.posterior import Posterior

    Floats = NDArray[np.float64]

__all__ = ["Autocorrelation", "autocorrelation"]

#: Standard errors above zero from which shocks are said to last.
SURE = 2.5
#: Draws that expected counts are averaged over.
_DRAWS = 200


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation of what the model does not explain with the same a period earlier in the same area.

    Attributes
    ----------
    value : float
        Of Pearson residuals, pooled over areas; NaN without two periods in a row.
    z : float
        In standard errors of independent residuals.
    pairs : int
    """

    value: float
    z: float
    pairs: int

    @property
    def lasting(self) -> bool:
        """Whether shocks last, beyond chance."""
        return self.z > SURE


def autocorrelation(question: Question, posterior: Posterior) -> Autocorrelation:
    """Return the first-order autocorrelation of a count model's residuals.

    Independent residuals have a standard error of one over the root of the number of pairs (Box, Jenkins and Reinsel
    2008, section 2.1.6). Residuals about an area's own mean are drawn below zero, by one over the number of its periods
    (Kendall 1954, *Biometrika* 41), which is added.
    """
    model = question.model
    step = max(1, posterior.size // _DRAWS)
    effects = {name: draws[::step] for name, draws in posterior.effects.items()}
    mean = np.exp(model.predictor(effects, model.known)).mean(axis=0)
    s = float(np.median(posterior.hyper["overdispersion"])) if "overdispersion" in posterior.hyper else 0.0
    residual = np.full(model.y.shape, np.nan)
    residual[model.known] = (model.y[model.known] - mean) / np.sqrt(mean + (s * mean) ** 2)
    product = residual[:, 1:] * residual[:, :-1]
    both = ~np.isnan(product)
    pairs = int(both.sum())
    if pairs == 0:
        return Autocorrelation(math.nan, math.nan, 0)
    periods = model.known.sum() / max(int(model.known.any(axis=1).sum()), 1)
    value = float(product[both].sum() / pairs / np.mean(residual[model.known] ** 2) + 1 / periods)
    return Autocorrelation(value, value * math.sqrt(pairs), pairs)
