"""Counts that stand open: what a study without a disclosure rule shows that its readers must be told of."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from svmodel import periods
from svmodel.panel import Panel
from svmodel.present import prose
from svmodel.report.study import Study

#: Counts above zero and below this may point at a person, by every rule for public figures.
SMALL = 5
_HEALTH = re.compile(
    r"\b(?:hospitals?|admissions?|admitted|a ?& ?e|ed|emergency dep\w*|ambulances?|nhs|hes|ecds|istv|patients?)\b",
    re.IGNORECASE,
)


def unprotected(study: Study, panel: Panel, reporting: Panel, areas: Iterable[str]) -> str:
    """Return what pages of some areas show although no disclosure rule is set, in words; empty where nothing is.

    Parameters
    ----------
    study : Study
    panel, reporting : Panel
        Of the areas at which effects are estimated, and of reporting areas.
    areas : iterable of str
        Areas whose pages are asked about.

    Returns
    -------
    str
        Such as ``"counts from 1 to 4 (robbery) and health data (hospital admissions)"``.
    """
    if study.disclosure.build().active:
        return ""
    codes = list(areas)
    small = [o.label for o in study.outcomes if _has_small(panel, reporting, o.column, codes)]
    health = [o.label for o in study.outcomes if o.hospital or _sounds_like_health(o.label, o.column)]
    parts = []
    if small:
        parts.append(f"counts from 1 to {SMALL - 1} ({prose.join(map(prose.outcome_name, small))})")
    if health:
        parts.append(f"health data ({prose.join(map(prose.outcome_name, health))})")
    return prose.join(parts)


def _sounds_like_health(*names: str) -> bool:
    return any(_HEALTH.search(name.replace("_", " ")) for name in names)


def _has_small(panel: Panel, reporting: Panel, outcome: str, areas: list[str]) -> bool:
    """Return whether the areas' own counts, or the yearly ones of any area beside them, are small somewhere."""
    if outcome not in panel.counts:
        return False
    whole = reporting.matrix(outcome)
    shown = [(reporting if a in reporting.areas else panel, a) for a in areas]
    rows = [held.matrix(outcome)[held.areas.index(a)] for held, a in shown]
    year = periods.per_year(reporting.periods)
    if whole.shape[1] >= year:
        rows += list(np.lib.stride_tricks.sliding_window_view(whole, year, axis=1).sum(axis=2))
    return any(bool(((row > 0) & (row < SMALL)).any()) for row in rows)
