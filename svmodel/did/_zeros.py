"""Panels of which many cells are zero, under a model in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel import periods
from svmodel.errors import shorten

if TYPE_CHECKING:
    import pandas as pd

    from svmodel.design import Design, DesignArrays

__all__ = ["MANY_ZEROS", "many_zeros", "share_of_zeros", "silent_areas"]

#: Share of zero cells from which a linear model of a count is warned about. A Poisson count of mean 1.1 is zero that
#: often, and an overdispersed one of a higher mean: the typical area-period has about one event, so that quiet areas
#: have no room to fall by the number that busy ones fall by, and parallel trends in numbers cannot hold for both.
MANY_ZEROS = 1 / 3


def share_of_zeros(arrays: DesignArrays) -> float:
    """Return the share of zeros among the known cells that a comparison can use."""
    known = arrays.treated | arrays.untreated
    return float((arrays.y[known] == 0).mean()) if known.any() else 0.0


def many_zeros(design: Design, arrays: DesignArrays, estimates: pd.DataFrame) -> list[str]:
    """Return a note where a linear model is fitted to a count of which many cells are zero.

    Parameters
    ----------
    design : Design
    arrays : DesignArrays
    estimates : pandas.DataFrame
        Of the linear model; its average effect is set against its own counterfactual.
    """
    share = share_of_zeros(arrays)
    if not design.is_count or share <= MANY_ZEROS:
        return []
    word = periods.describe_frequency(arrays.periods)
    text = (
        f"{share:.0%} of area-{word}s are zero: a linear model lets every area rise and fall by the same number of "
        f"{design.outcome}, and areas with next to none cannot fall by it. "
    )
    percent = _percent(arrays, estimates)
    if percent is not None:
        text += f"Its average effect is {percent:+.0%} of its own counterfactual. "
    return [text + "Where areas differ in level, read the Poisson answer to the same question instead."]


def silent_areas(design: Design, arrays: DesignArrays) -> list[str]:
    """Return a note where areas without a single event cannot inform a model of ratios."""
    known = arrays.treated | arrays.untreated
    silent = known.any(axis=1) & ~np.where(known, arrays.y, 0.0).any(axis=1)
    if not silent.any():
        return []
    which = shorten([design.panel.label(arrays.areas[i]) for i in np.flatnonzero(silent)]).replace("'", "")
    n, treated = int(silent.sum()), int((silent & arrays.treated.any(axis=1)).sum())
    text = (
        f"{n} area{'s' if n > 1 else ''} without a single event ({which}; {treated or 'none'} treated) cannot inform a "
        "model of ratios: left out."
    )
    return [text]


def _percent(arrays: DesignArrays, estimates: pd.DataFrame) -> float | None:
    """Return the average effect as a share of what the model itself expected, None where it expected nothing."""
    att = estimates[estimates["term"] == "att"].set_index("scale")["estimate"]
    if "rate_ratio" in att.index:
        return float(att["rate_ratio"]) - 1
    if "difference" not in att.index or not arrays.treated.any():
        return None
    observed, effect = float(arrays.y[arrays.treated].mean()), float(att["difference"])
    expected = observed - effect
    return effect / expected if np.isfinite(expected) and expected > 0 else None
