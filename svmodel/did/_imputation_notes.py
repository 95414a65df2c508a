"""What a linear imputation says in words: what is not identified, and what its leads and errors rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel import periods as period_words
from svmodel.design import NEVER
from svmodel.did._linear_effects import small_cohorts
from svmodel.did._lone import whole_reporting_areas
from svmodel.did._terms import ended
from svmodel.errors import EstimationError, Problems, shorten

if TYPE_CHECKING:
    from svmodel.design import Design, DesignArrays
    from svmodel.did._imputation_linear import Leads, Sums
    from svmodel.numerics.linear_imputation import LinearImputation

__all__ = ["require_target", "say"]


def require_target(design: Design, arrays: DesignArrays, made: LinearImputation) -> None:
    """Raise EstimationError with every reason if no treated cell is identified."""
    if made.target.any():
        return
    found = Problems()
    for text, fix in _not_identified(design, arrays, made):
        found.add(text, fix=fix, rule="not_identified")
    found.raise_if_any(EstimationError, "no treated area-period has an expected outcome")
    raise EstimationError("no treated area-period has an expected outcome")


def _not_identified(design: Design, arrays: DesignArrays, made: LinearImputation) -> list[tuple[str, str]]:
    """Say which treated cells have no expected outcome and why, each with what to do."""
    word = period_words.describe_frequency(arrays.periods)
    use, treated = arrays.untreated, arrays.treated
    no_control = np.asarray(treated.any(axis=0) & ~use.any(axis=0))
    no_base = np.asarray(treated.any(axis=1) & ~use.any(axis=1))
    unlinked = treated & ~made.target & ~no_control[None, :] & ~no_base[:, None]
    found = []
    if no_control.any():
        which = shorten([period_words.label(arrays.periods[t]) for t in np.flatnonzero(no_control)]).replace("'", "")
        found.append(
            (
                f"in {which} no area is untreated, so the effect of the {word} is not identified",
                f"End the window before, or add areas that are untreated in those {word}s.",
            )
        )
    if no_base.any():
        which = _areas(design, arrays, no_base)
        text = f"{which}: no known outcome before the start, so the area's effect is not identified"
        found.append((text, "Begin the window earlier."))
    if unlinked.any():
        which = _areas(design, arrays, unlinked.any(axis=1))
        text = (
            f"{int(unlinked.sum()):,} treated area-{word}s ({which}) are not linked to untreated areas of the same "
            f"{word}s by any chain of known outcomes"
        )
        found.append((text, "Add areas that are seen both before and after."))
    return found


def _areas(design: Design, arrays: DesignArrays, mask: Any) -> str:
    return shorten([design.panel.label(arrays.areas[i]) for i in np.flatnonzero(mask)]).replace("'", "")


def say(design: Design, sums: Sums, leads: Leads | str) -> list[str]:
    """Return the notes of a result."""
    arrays, made = sums.arrays, sums.made
    word = period_words.describe_frequency(arrays.periods)
    notes = []
    if design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have changed "
            "alike in treated and other areas: in numbers, not in per cent."
        )
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        which = _areas(design, arrays, later)
        notes.append(f"{which} start after the last {word} and serve as untreated until then.")
    notes += [f"{text[0].upper()}{text[1:]}: left out." for text, _ in _not_identified(design, arrays, made)]
    wanted, kept = int(arrays.treated.sum()), int(made.target.sum())
    if kept < wanted:
        notes.append(
            f"The average effect is taken over {kept:,} of {wanted:,} treated area-{word}s ({kept / wanted:.0%})."
        )
    small, treated = sums.small_cohorts, int(made.target.any(axis=1).sum())
    if small and treated > 1:
        notes.append(small_cohorts(small, len(sums.grid.cohorts)))
    if isinstance(leads, str):
        notes.append(f"No effects before the start: {leads}.")
    else:
        notes.append(
            f"Effects before the start come from a regression of untreated area-{word}s alone and are relative to "
            f"horizon {leads.reference:+d}; effects from the start on are relative to the average before it. A step "
            "between the two says nothing (Roth 2024)."
        )
        if leads.binned and leads.averages.horizon is not None:
            first = int(leads.averages.horizon.min())
            notes.append(f"Horizon {first:+d} stands for it and all earlier {word}s.")
    return [*notes, *ended(design, arrays), *whole_reporting_areas(design)]
