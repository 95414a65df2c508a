"""What a result of extended two-way fixed effects says in words: what is not identified, what its errors rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from svmodel import periods as period_words
from svmodel.design import NEVER, Design
from svmodel.did.covariates import ended
from svmodel.did.etwfe.areas import OwnSums
from svmodel.did.etwfe.sums import Aggregates
from svmodel.did.expected_poisson import Imputed
from svmodel.errors import shorten
from svmodel.inference import Choice
from svmodel.result.doubts import whole_reporting_areas

if TYPE_CHECKING:
    import pandas as pd


#: Noise of the average effect, as a share of what was expected, from which an interval is in doubt.
_WIDE = 0.65
#: The same where fewer than one event is expected of an area and period: counts are then far from normal.
_WIDE_IN_SMALL_COUNTS = 0.2


def say(design: Design, imputed: Imputed, made: list[Aggregates], own: OwnSums, *, has_leads: bool) -> list[str]:
    """Return the notes of a result."""
    return [
        *_identification(design, imputed),
        *(
            ["Terms whose expected count is zero have no rate ratio and are not in the table."]
            if any(m.lost for m in made)
            else []
        ),
        *_uncertainty(design, imputed, own),
        *(
            []
            if has_leads
            else ["Effects before the start could not be estimated from other untreated areas, so there are none."]
        ),
    ]


def _areas(design: Design, imputed: Imputed, mask: Any) -> str:
    return shorten([design.panel.label(imputed.arrays.areas[i]) for i in np.flatnonzero(mask)]).replace("'", "")


def _times(imputed: Imputed, mask: Any) -> str:
    return shorten([period_words.label(imputed.arrays.periods[t]) for t in np.flatnonzero(mask)]).replace("'", "")


def _identification(design: Design, imputed: Imputed) -> list[str]:
    arrays = imputed.arrays
    word = period_words.describe_frequency(arrays.periods)
    notes = []
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        notes.append(f"{_areas(design, imputed, later)} start after the last {word} and serve as untreated until then.")
    if imputed.no_control.any():
        notes.append(
            f"In {_times(imputed, imputed.no_control)} no area is untreated, so nothing tells what would have "
            f"happened: the treated counts of these {word}s have no expected count and are left out."
        )
    if imputed.no_base.any():
        which = _areas(design, imputed, imputed.no_base)
        notes.append(f"{which}: no known count before the start, so no expected count; left out of every effect.")
    if imputed.unlinked.any():
        which = _areas(design, imputed, imputed.unlinked.any(axis=1))
        notes.append(
            f"{int(imputed.unlinked.sum()):,} treated area-{word}s ({which}) are not linked to untreated areas of the "
            f"same {word}s by any chain of known counts, and are left out."
        )
    wanted, kept = int(arrays.treated.sum()), int(imputed.target.sum())
    if kept < wanted:
        notes.append(
            f"The average effect is taken over {kept:,} of {wanted:,} treated area-{word}s ({kept / wanted:.0%})."
        )
    if imputed.silent_areas.any():
        n = int(imputed.silent_areas.sum())
        which = _areas(design, imputed, imputed.silent_areas)
        notes.append(
            f"{n} treated area{'s' if n > 1 else ''} without a single event before the start ({which}): the expected "
            f"count is zero. {'They stay' if n > 1 else 'It stays'} in the sums over areas and "
            f"{'have no effects' if n > 1 else 'has no effect'} of {'their' if n > 1 else 'its'} own."
        )
    if imputed.silent_periods.any():
        which = _times(imputed, imputed.silent_periods)
        notes.append(f"No untreated area had an event in {which}: the expected count there is zero.")
    quiet = arrays.untreated.any(axis=1) & ~imputed.fit.terms.use.any(axis=1) & ~arrays.treated.any(axis=1)
    if quiet.any():
        which, n = _areas(design, imputed, quiet), int(quiet.sum())
        notes.append(
            f"{n} untreated area{'s' if n > 1 else ''} without an event ({which}) cannot inform a model of ratios."
        )
    return notes


def _uncertainty(design: Design, imputed: Imputed, own: OwnSums) -> list[str]:
    notes = []
    n, few = len(own.areas), imputed.few
    small = sum(len(b.areas) < few for b in imputed.blocks)
    if small and n >= few:
        notes.append(
            f"{small} of {len(imputed.blocks)} cohorts have fewer than {few} areas. Effects of single cohorts, and of "
            "other sums over so few areas, take their uncertainty from untreated areas; in averages over more areas "
            "the noise of small cohorts is measured about the average effect of all."
        )
    if np.isnan(own.linear).any():
        bare = np.zeros(len(imputed.arrays.areas), dtype=bool)
        bare[own.areas[np.isnan(own.linear)]] = True
        notes.append(
            "Fewer than ten untreated areas could be followed over the periods of "
            f"{_areas(design, imputed, bare)}: no interval is given for their own effects."
        )
    return [*notes, *ended(design, imputed.arrays), *whole_reporting_areas(design)]


def wide_noise(att: Aggregates) -> list[str]:
    """Return a warning where chance comes near all that was expected, or counts are small and few."""
    expected = float(att.sums.expected[0])
    if expected <= 0:
        return []
    if att.uses_noise(0):
        if att.learnt is None:
            return []
        linear, square, _ = att.noise(0)
        share = float(np.sqrt(linear + square)) / expected
    else:
        share = att.log_error(0)
    each = expected / float(att.cells[0])
    hopeless = att.uses_noise(0) and share > _WIDE
    if each < 1 and share > _WIDE_IN_SMALL_COUNTS and not hopeless:
        text = (
            f"Counts are small and there are few: {each:.2g} events were expected of a treated area in a period, and "
            f"without any effect their sum of {expected:.0f} strays by {share:.0%} (one standard deviation). In "
            "simulation 95% intervals of the ratio then held the truth in 92% to 97% of cases, of the events in as few "
            "as 87%."
        )
        return [text]
    if not hopeless:
        return []
    text = (
        f"Too little happens in so few treated areas: {expected:.0f} events were expected, and without any "
        f"effect such a number strays by {share:.0%} (one standard deviation). Intervals need not hold the truth as "
        "often as they say, and an absence of events shows nothing."
    )
    return [text]


def no_noise(estimates: pd.DataFrame) -> str:
    """Return why untreated areas give the average effect no interval, or nothing where they do."""
    att = estimates[estimates["term"] == "att"]
    if len(att) and att["conf_low"].isna().all():
        return "Too few of them could be followed over the same periods: no interval is given."
    if len(att) and np.allclose(att["conf_low"], att["conf_high"], rtol=1e-9, atol=0):
        return "They do not stray from each other at all, so they show no noise: no interval is given."
    return ""


def resting_on(kind: str, choice: Choice) -> list[str]:
    """Return what intervals rest on, and why."""
    if kind == choice.kind:
        return [choice.why]
    if kind == "placebo":
        areas = f"{choice.n_treated} treated area{'' if choice.n_treated == 1 else 's'}"
        text = (
            f"{areas}, and few that are never treated: intervals rest on how far areas that were not yet treated "
            "strayed over the same periods (Conley and Taber 2011; Ferman and Pinto 2019)."
        )
        return [text]
    if kind == "cluster":
        text = (
            f"Cluster-robust intervals, as asked for: with only {choice.n_treated} treated areas they are known to be "
            "too narrow (MacKinnon and Webb 2017)."
        )
        return [text]
    return []
