"""What a power study says in words: what can be found, on which panels, and whether the test is one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from svmodel import periods
from svmodel.comparison._names import label
from svmodel.comparison._power_history import History
from svmodel.design import TREATED

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from svmodel.comparison._power_run import Work
    from svmodel.design import Design
    from svmodel.result import Estimator

__all__ = ["notes_on", "words"]


def _size(effect: float, *, counts: bool) -> str:
    return f"{100 * (effect - 1):+.1f}%" if counts else f"{effect:+.4g}"


def words(least: pd.DataFrame, at_null: Any, work: Work, chosen: Estimator, target: float) -> str:
    """Return the least detectable effects and the error of the first kind in sentences."""
    shape, counts = work.source.shape, work.roles.counts
    n_controls = work.source.n_controls
    text = f"{len(shape.start)} treated areas, {n_controls} controls, {shape.length} periods, {label(chosen)}"
    text += f" with {type(work.inference).__name__}: " if work.inference is not None else ": "
    parts = []
    for row in least.itertuples():
        effect, low, high = float(row.effect), float(row.low), float(row.high)
        if math.isnan(effect):
            tried = _size(float(row.largest_tried), counts=counts)
            parts.append(f"no effect up to {tried} is found with {target:.0%} power")
            continue
        limits = [_size(v, counts=counts) if math.isfinite(v) else "beyond what was tried" for v in (low, high)]
        parts.append(
            f"an effect of {_size(effect, counts=counts)} is found with {target:.0%} power (Monte Carlo {limits[0]} to "
            f"{limits[1]})"
        )
    text += "; ".join(parts)
    return (
        f"{text}. Without an effect the test finds one in {at_null.power:.1%} of draws, at a level of {work.alpha:.0%}."
    )


def notes_on(
    work: Work, at_null: Any, failed: NDArray[np.bool_], reasons: Counter[str], design: Design
) -> tuple[str, ...]:
    """Return what the panels were, whether the test is valid, and how often it did not answer."""
    source, arrays = work.source, design.arrays
    word = periods.describe_frequency(arrays.periods)
    notes = []
    if isinstance(source, History):
        M, shifts = len(source.areas), source.shifts
        what = "all areas before the first start" if source.kind == "before" else "areas that are never treated"
        shift = f", in {shifts} places along the {word}s" if shifts > 1 else ""
        notes.append(
            f"Panels are real {word}s of {M} areas without the intervention ({what}); the study is laid in at random"
            f"{shift}. They hold one history: what it never showed is in no draw."
        )
        controls = len(arrays.areas) - int((arrays.status == TREATED).any(axis=1).sum())
        if source.n_controls < controls:
            notes.append(f"{source.n_controls} controls are left where the template has {controls}.")
        if source.wanted is None and source.kind == "never" and work.roles.counts:
            notes.append(
                "Any area plays a treated one. Where treated areas have more events than others, placement='alike' "
                "says more of this study."
            )
    else:
        noise = source.noise
        notes.append(
            f"Panels are drawn from a model: dispersion {noise.dispersion:.3g}, fading shocks of areas with standard "
            f"deviation {noise.shock_sd:.3g} on the log scale and {noise.persistence:.2f} from one {word} to the next. "
            "Shocks shared by some areas only are not in it."
        )
    if at_null.low > work.alpha:
        notes.append(
            f"The test is not valid here: without an effect it finds one in {at_null.power:.1%} of draws, where "
            f"{work.alpha:.0%} was asked for. Its power is partly that error, and is not to be used."
        )
    elif at_null.high < work.alpha:
        notes.append(f"The test errs on the safe side: without an effect it finds one in {at_null.power:.1%} of draws.")
    if failed.any():
        told, times = reasons.most_common(1)[0]
        notes.append(
            f"In {failed.mean():.1%} of fits there was no p-value, which counts as no effect found; most often "
            f"({times:,}): {told}"
        )
    return tuple(notes)
