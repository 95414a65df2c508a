"""The average effect of Poisson imputation with the influence of every area on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.did._etwfe_fit import impute
from svmodel.errors import EstimationError
from svmodel.inference.rule import FEW_TREATED
from svmodel.numerics.imputation import sum_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays

__all__ = ["log_ratio_influence"]


def log_ratio_influence(arrays: DesignArrays) -> tuple[float, NDArray[np.float64]]:
    """Return the log of observed over expected counts, and what each area adds to its error, shape (N,).

    Raises
    ------
    EstimationError
        If nothing was observed or nothing expected.
    """
    imputed = impute(arrays, FEW_TREATED)
    T = arrays.y.shape[1]
    sums = sum_cells(imputed.blocks, [np.ones((1, T))] * len(imputed.blocks))
    observed, expected = float(sums.observed[0]), float(sums.expected[0])
    if not (observed > 0 and expected > 0):
        raise EstimationError(f"{observed:,.0f} events observed against {expected:,.1f} expected have no log ratio")
    return float(np.log(observed / expected)), sums.of_log_ratio[:, 0]
