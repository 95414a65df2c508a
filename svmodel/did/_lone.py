"""Designs in which one side of the comparison, or nearly, is a single area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.errors import shorten

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.design import Design, DesignArrays

__all__ = ["few_controls", "is_lone", "n_controls", "whole_reporting_areas", "without_intervals"]

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


def whole_reporting_areas(design: Design) -> list[str]:
    """Return a note where all small areas of a reporting area, or of several, are treated."""
    starts, parents = design.intervention.starts, design.panel.parents
    whole = [p for p in sorted({parents[a] for a in starts if a in parents}) if _is_whole(design, p)]
    if not whole:
        return []
    names = shorten([design.panel.label(p) for p in whole]).replace("'", "")
    text = (
        f"Every area of {names} is treated. Standard errors take areas for separate trials; what else befell {names} "
        "as a whole passes for the effect and is in no interval."
    )
    return [text]


def _is_whole(design: Design, parent: str) -> bool:
    children = design.panel.children(parent)
    return len(children) > 1 and all(c in design.intervention.starts for c in children)


def without_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of estimates, or of expected counts, without its intervals and p-values."""
    blank = [c for c in ("conf_low", "conf_high", "p_value", "low", "high") if c in frame.columns]
    return frame.assign(**dict.fromkeys(blank, np.nan))
