"""Gaps between observed and expected over time, of treated areas and of those that play them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel.design import TREATED, UNTREATED
from svmodel.errors import EstimationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import DesignArrays
    from svmodel.inference._ways import PathEstimator
    from svmodel.result import Result

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["GapPath", "gap_frame", "path_of", "quick_path"]


@dataclass(frozen=True, eq=False)
class GapPath:
    """Gaps of the treated areas, observed less expected."""

    gap: Floats
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]

    @property
    def ratio(self) -> float:
        """Root mean squared gap after the start over that before it, over all treated areas."""
        after, before = (float(np.mean(self.gap[m] ** 2)) for m in (self.after, self.before))
        return math.sqrt(after / before) if before > 0 else math.inf


def path_of(result: Result) -> GapPath:
    """Read the gaps of treated areas from the counterfactual of a fit."""
    frame, design = result.counterfactual, result.design
    name = type(result.estimator).__name__
    if frame is None or design is None:
        raise EstimationError(f"{name} gives no counterfactual path, so that there are no gaps to compare")
    arrays = design.arrays
    rows = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    held = frame.assign(gap=frame["observed"] - frame["expected"]).pivot_table(
        index="area", columns="period", values="gap", sort=False
    )
    gap = held.reindex(index=[arrays.areas[int(i)] for i in rows], columns=list(arrays.periods)).to_numpy(dtype=float)
    return _checked(gap, arrays, rows, name)


def quick_path(estimator: PathEstimator, arrays: DesignArrays) -> GapPath:
    """Read the gaps of treated areas from the estimator's own path."""
    observed, expected = estimator.path(arrays)
    rows = np.flatnonzero((arrays.status == TREATED).any(axis=1))
    return _checked((observed - expected)[rows], arrays, rows, type(estimator).__name__)


def _checked(gap: Floats, arrays: DesignArrays, rows: Ints, name: str) -> GapPath:
    known = ~np.isnan(gap)
    path = GapPath(gap, known & (arrays.status[rows] == UNTREATED), known & (arrays.status[rows] == TREATED))
    if not path.before.any() or not path.after.any():
        raise EstimationError(f"{name} gives no counterfactual both before and after the start, so there is no ratio")
    return path


def gap_frame(path: GapPath, arrays: DesignArrays, rows: Ints, *, placebo: bool) -> pd.DataFrame:
    known = (~np.isnan(path.gap)).any(axis=0)
    total = np.where(known, np.nansum(path.gap, axis=0), np.nan)
    name = ", ".join(arrays.areas[int(i)] for i in rows)
    return pd.DataFrame({"areas": name, "period": list(arrays.periods), "gap": total, "placebo": placebo})
