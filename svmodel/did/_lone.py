"""Designs in which one side of the comparison, or nearly, is a single area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.design import DesignArrays

__all__ = ["few_controls", "is_lone", "n_controls", "without_intervals"]

#: With fewer controls than this a cluster-robust variance is known to be too small.
_FEW = 4


def n_controls(arrays: DesignArrays) -> int:
    """Return how many areas are seen untreated in some period in which another is seen treated."""
    when = np.flatnonzero(arrays.treated.any(axis=0))
    return int(arrays.untreated[:, when].any(axis=1).sum())


def is_lone(arrays: DesignArrays, *, treated: bool = True) -> bool:
    """Return whether a single area is treated (asked only where `treated`), or serves as control.

    A regression fits that area's change exactly, so its noise is in no residual: 95% intervals from how areas differ
    then hold the truth about half of the time.
    """
    return n_controls(arrays) == 1 or (treated and int(arrays.treated.any(axis=1).sum()) == 1)


def few_controls(arrays: DesignArrays) -> list[str]:
    """Return a note where few areas serve as controls."""
    n = n_controls(arrays)
    if n == 1:
        only = "Only 1 area serves as control: whatever else happened there passes for the effect"
        return [f"{only}, and nothing tells how large that may be. No interval is given."]
    if 1 < n < _FEW:
        few = f"Only {n} areas serve as controls: what else happened there can pass for the effect"
        return [f"{few}, and intervals from how areas differ are known to be too narrow (MacKinnon and Webb 2017)."]
    return []


def without_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of estimates, or of expected counts, without its intervals and p-values."""
    blank = [c for c in ("conf_low", "conf_high", "p_value", "low", "high") if c in frame.columns]
    return frame.assign(**dict.fromkeys(blank, np.nan))
