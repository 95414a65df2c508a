"""What a result of extended two-way fixed effects says: what is not identified, and what its intervals rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import NEVER, Design
from svmodel.design.clusters import cluster_words
from svmodel.did.etwfe.areas import OwnSums
from svmodel.did.etwfe.sums import Aggregates, Terms
from svmodel.did.expected_poisson import Imputed
from svmodel.result.doubts import area_codes, area_names, ended, left_out_cells, period_names, whole_reporting_areas
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.rule import Choice
from svmodel.result.uncertainty import Basis

#: Noise of the average effect, as a share of what was expected, from which an interval is in doubt.
_WIDE = 0.65
#: The same where fewer than one event is expected of an area and period: counts are then far from normal.
_WIDE_IN_SMALL_COUNTS = 0.2


def notes_of(design: Design, imputed: Imputed, terms: Terms, own: OwnSums) -> list[Note]:
    """Return what is not identified, what is not in the table, and what errors of small cohorts rest on."""
    notes = _identification(design, imputed)
    if not terms.complete:
        notes.append("Terms whose expected count is zero have no rate ratio and are not in the table.")
    few = imputed.few
    units, many = imputed.arrays.units, cluster_words(imputed.arrays.units)
    small = sum(units.count(b.areas) < few for b in imputed.blocks)
    if small and imputed.n_treated >= few:
        notes.append(
            f"{small} of {len(imputed.blocks)} cohorts have fewer than {few} {many}. Effects of single cohorts, and of "
            f"other sums over so few, take their uncertainty from untreated {many}; in averages over more {many} "
            "the noise of small cohorts is measured about the average effect of all."
        )
    bare = own.areas[np.isnan(own.linear)]
    if len(bare):
        notes.append(
            "Fewer than ten untreated areas could be followed over the periods of "
            f"{area_names(design, bare)}: no interval is given for their own effects."
        )
    notes += [*ended(design), *whole_reporting_areas(design, imputed.arrays)]
    if not terms.has_leads:
        notes.append("Effects before the start could not be estimated from other untreated areas, so there are none.")
    return notes


def _identification(design: Design, imputed: Imputed) -> list[Note]:
    arrays = imputed.arrays
    word = period_words.describe_frequency(arrays.periods)
    notes: list[Note] = []

    def warn(text: str, about: tuple[str, ...] = ()) -> None:
        notes.append(ResultWarning("identification", text, about))

    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if later.any():
        notes.append(f"{area_names(design, later)} start after the last {word} and serve as untreated until then.")
    if imputed.no_control.any():
        warn(
            f"In {period_names(design, imputed.no_control)} no area is untreated, so nothing tells what would have "
            f"happened: the treated counts of these {word}s have no expected count and are left out."
        )
    if imputed.no_base.any():
        which = area_names(design, imputed.no_base)
        text = f"{which}: no known count before the start, so no expected count; left out of every effect."
        warn(text, area_codes(design, imputed.no_base))
    if imputed.unlinked.any():
        areas = imputed.unlinked.any(axis=1)
        warn(
            f"{int(imputed.unlinked.sum()):,} treated area-{word}s ({area_names(design, areas)}) are not linked to "
            f"untreated areas of the same {word}s by any chain of known counts, and are left out.",
            area_codes(design, areas),
        )
    notes += left_out_cells(design, int(imputed.target.sum()))
    if imputed.silent_areas.any():
        n = int(imputed.silent_areas.sum())
        which = area_names(design, imputed.silent_areas)
        text = (
            f"{n} treated area{'s' if n > 1 else ''} without a single event before the start ({which}): the expected "
            f"count is zero. {'They stay' if n > 1 else 'It stays'} in the sums over areas and "
            f"{'have no effects' if n > 1 else 'has no effect'} of {'their' if n > 1 else 'its'} own."
        )
        notes.append(ResultWarning("data", text, area_codes(design, imputed.silent_areas)))
    if imputed.silent_periods.any():
        which = period_names(design, imputed.silent_periods)
        notes.append(f"No untreated area had an event in {which}: the expected count there is zero.")
    no_events = arrays.untreated.any(axis=1) & ~imputed.fit.terms.use.any(axis=1) & ~arrays.treated.any(axis=1)
    if no_events.any():
        which, n = area_names(design, no_events), int(no_events.sum())
        notes.append(
            f"{n} untreated area{'s' if n > 1 else ''} without an event ({which}) cannot inform a model of ratios."
        )
    return notes


def basis_of(choice: Choice, average: Aggregates, estimates: pd.DataFrame) -> tuple[Basis, list[Note]]:
    """Return what intervals rest on, and what is said about it.

    The rule's choice is for the design; the noise of untreated areas also takes the place of a cluster-robust variance
    where the user set `few_treated` so, and where the treated areas had no event.
    """
    units = average.imputed.arrays.units
    many = cluster_words(units)
    kind = "none" if choice.n_controls <= 1 else ("placebo" if average.by_noise[0] else "cluster")
    why, warns = choice.why, False
    if kind == "placebo" and kind != choice.kind:
        areas = f"{choice.n_treated} treated {cluster_words(units, choice.n_treated)}"
        why = (
            f"{areas}, and few that are never treated: intervals rest on how far {many} that were not yet treated "
            "strayed over the same periods (Conley and Taber 2011; Ferman and Pinto 2019)."
        )
    elif kind == "cluster" and kind != choice.kind:
        warns = True
        why = (
            f"Cluster-robust intervals, as asked for: with only {choice.n_treated} treated {many} they are known to be "
            "too narrow (MacKinnon and Webb 2017)."
        )
    if kind == "placebo" and (lacking := _no_noise(estimates)):
        kind, why = "none", choice.why if choice.kind == "none" else f"{why} {lacking}"
    wide = _wide_noise(average)
    doubt = kind == "none" or bool(wide) or choice.warn
    return Basis(kind, why, doubt, keeps=kind != "none"), [ResultWarning("interval", why) if warns else why, *wide]


def _wide_noise(att: Aggregates) -> list[Note]:
    """Return a warning where chance comes near all that was expected, or counts are small and few."""
    expected = float(att.sums.expected[0])
    if expected <= 0:
        return []
    if att.by_noise[0]:
        if att.learnt is None:
            return []
        linear, square, _ = att.noise
        share = float(np.sqrt(linear[0] + square[0])) / expected
    else:
        share = float(att.log_errors[0])
    each = expected / float(att.cells[0])
    hopeless = att.by_noise[0] and share > _WIDE
    if each < 1 and share > _WIDE_IN_SMALL_COUNTS and not hopeless:
        text = (
            f"Counts are small and there are few: {each:.2g} events were expected of a treated area in a period, and "
            f"without any effect their sum of {expected:.0f} strays by {share:.0%} (one standard deviation). In "
            "simulation 95% intervals of the ratio then held the truth in 92% to 97% of cases, of the events in as few "
            "as 87%."
        )
        return [ResultWarning("interval", text)]
    if not hopeless:
        return []
    text = (
        f"Too little happens in so few treated areas: {expected:.0f} events were expected, and without any "
        f"effect such a number strays by {share:.0%} (one standard deviation). Intervals need not hold the truth as "
        "often as they say, and an absence of events shows nothing."
    )
    return [ResultWarning("interval", text)]


def _no_noise(estimates: pd.DataFrame) -> str:
    """Return why untreated areas give the average effect no interval, or nothing where they do."""
    att = estimates[estimates["term"] == "att"]
    if len(att) and att["conf_low"].isna().all():
        return "Too few of them could be followed over the same periods: no interval is given."
    if len(att) and np.allclose(att["conf_low"], att["conf_high"], rtol=1e-9, atol=0):
        return "They do not stray from each other at all, so they show no noise: no interval is given."
    return ""
