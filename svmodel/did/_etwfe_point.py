"""The average effect of Poisson imputation alone, for resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.did._terms import split_covariates
from svmodel.errors import EstimationError
from svmodel.numerics.poisson_fe import fit_poisson, informative_cells
from svmodel.numerics.two_way import TwoWay, components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays

__all__ = ["poisson_att", "predicted_cells"]


def poisson_att(arrays: DesignArrays) -> float:
    """Return the log of observed over expected counts of the treated cells that have an expected count.

    NaN where none has, minus infinity without an event in them. A silent area or period has an expected count of zero,
    and its cells stay in both sums.
    """
    y, use, treated = arrays.y, arrays.untreated, arrays.treated
    events = np.where(use, y, 0.0)
    if (np.where(use | treated, y, 0.0) < 0).any() or not events.any():
        return float("nan")
    slopes, moving, _ = split_covariates(arrays)
    informative = informative_cells(y, use)
    try:
        fit = fit_poisson(y, TwoWay(informative, slopes, None, moving), arrays.exposure)
    except EstimationError:
        return float("nan")
    silent = _silent(arrays)
    target = treated & predicted_cells(arrays)
    if not target.any():
        return float("nan")
    mean = np.where(silent, 0.0, np.nan_to_num(fit.level)[:, None] * fit.shape)
    observed, expected = float(y[target].sum()), float(mean[target].sum())
    with np.errstate(divide="ignore"):
        return float(np.log(observed) - np.log(expected)) if expected > 0 else float("nan")


def _silent(arrays: DesignArrays) -> NDArray[np.bool_]:
    """Return the cells of areas and periods without an event among the untreated cells."""
    use = arrays.untreated
    events = np.where(use, arrays.y, 0.0)
    area = np.asarray(use.any(axis=1) & ~events.any(axis=1))
    period = np.asarray(use.any(axis=0) & ~events.any(axis=0))
    return np.asarray(area[:, None] | period[None, :])


def predicted_cells(arrays: DesignArrays) -> NDArray[np.bool_]:
    """Return the cells for which untreated cells give an expected count, shape (N, T)."""
    use = arrays.untreated
    return _linked(use) & (_silent(arrays) | _linked(informative_cells(arrays.y, use)))


def _linked(use: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells whose area and period lie in one component of the used cells."""
    label = components(use)
    first = np.where(use.any(axis=1), label[use.argmax(axis=1)], -2)
    return np.asarray(first[:, None] == label[None, :])
