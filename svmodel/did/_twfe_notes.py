"""What a two-way fixed effects result says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel import periods as period_words
from svmodel.design import NEVER
from svmodel.did._lone import whole_reporting_areas
from svmodel.did._terms import ended
from svmodel.did._zeros import silent_areas
from svmodel.errors import shorten

if TYPE_CHECKING:
    from svmodel.design import Design, DesignArrays
    from svmodel.did._twfe_fit import EventGroups, TwoWayFit

__all__ = ["say"]


def say(
    design: Design, arrays: DesignArrays, family: str, static: TwoWayFit, event: TwoWayFit | None, groups: EventGroups
) -> list[str]:
    """Return the notes of a result."""
    notes = []
    word = period_words.describe_frequency(arrays.periods)
    started = arrays.start[arrays.treated.any(axis=1)]
    if len(np.unique(started)) > 1:
        text = (
            "Starts are staggered: this coefficient averages effects with weights that can be negative, because areas "
            "already treated serve as controls (Goodman-Bacon 2021; de Chaisemartin and D'Haultfoeuille 2020)."
        )
        negative = static.negative_weight
        text += f" Here the negative weights sum to {negative:.2f}." if negative < 0 else " Here none is negative."
        notes.append(text)
    known = arrays.untreated | arrays.treated
    if family == "poisson":
        notes += silent_areas(design, arrays)
    alone = arrays.treated.any(axis=0) & ~arrays.untreated.any(axis=0)
    if alone.any():
        which = shorten([period_words.label(arrays.periods[t]) for t in np.flatnonzero(alone)]).replace("'", "")
        notes.append(
            f"In {which} no area is untreated: areas already treated are all that this coefficient compares with there."
        )
    quiet = known.any(axis=0) & ~static.use.any(axis=0)
    if quiet.any():
        which = shorten([period_words.label(arrays.periods[t]) for t in np.flatnonzero(quiet)]).replace("'", "")
        notes.append(f"No area that informs the model had an event in {which}: left out.")
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        which = shorten([design.panel.label(arrays.areas[i]) for i in np.flatnonzero(later)]).replace("'", "")
        notes.append(f"{which} start after the last {word} and serve as untreated.")
    for end in groups.binned:
        side = "earlier" if end < 0 else "later"
        notes.append(f"Event study: horizon {end:+d} stands for it and all {side} {word}s.")
    if event is not None:
        notes += _unknown(event, groups)
        notes.append(f"Event study: every horizon is relative to horizon {groups.reference:+d}.")
    return [*notes, *ended(design, arrays), *whole_reporting_areas(design)]


def _unknown(event: TwoWayFit, groups: EventGroups) -> list[str]:
    notes = []
    for mask, why in (
        (event.silent, "no event was seen"),
        (event.absorbed, "the effect cannot be told apart from area and period effects and other horizons"),
    ):
        which = [f"{groups.horizons[j]:+d}" for j in np.flatnonzero(mask)]
        if which:
            text = shorten(which, limit=10).replace("'", "")
            notes.append(f"Event study: horizon{'s' if len(which) > 1 else ''} {text} left out: {why}.")
    return notes
