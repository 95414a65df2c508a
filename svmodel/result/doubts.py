"""What a design holds that no interval shows, in words for the notes of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import EXCLUDED, UNTREATED, Design, DesignArrays
from svmodel.design.clusters import cluster_words, clusters_of
from svmodel.errors import shorten
from svmodel.numerics.arrays import Ints
from svmodel.result.notes import Note, ResultWarning, texts

#: A treated area this many times as high as every control, or every control this many times as high, has none like it.
UNLIKE = 2.0
#: Variance of a count beyond its own mean, in squares of that mean, from which a few cells decide an average: the
#: typical cell strays by 1.4 times its mean.
LUMPY = 2.0
#: Pearson dispersion below which the former may be chance.
_BEYOND_CHANCE = 3.0
#: Standard errors of a Poisson sum by which an area's level has to differ to be called unlike.
_SURE = 2.0


def area_codes(design: Design, which: Any) -> tuple[str, ...]:
    """Return the codes of the areas in `which`, rows or a mask of shape (N,)."""
    which = np.asarray(which)
    rows = np.flatnonzero(which) if which.dtype == bool else which
    return tuple(design.arrays.areas[int(i)] for i in rows)


def area_names(design: Design, which: Any, limit: int = 5) -> str:
    """Return the readable names of the first few areas in `which`, and how many more there are."""
    return shorten([design.panel.label(a) for a in area_codes(design, which)], limit=limit).replace("'", "")


def period_names(design: Design, which: Any) -> str:
    """Return the names of the first few periods in `which`, places or a mask of shape (T,), and how many more."""
    which = np.asarray(which)
    times = np.flatnonzero(which) if which.dtype == bool else which
    return shorten([period_words.label(design.arrays.periods[int(t)]) for t in times]).replace("'", "")


def doubts(design: Design, *, additive: bool, rates: bool, controls: bool = True) -> list[str]:
    """Return the sentences of :func:`design_doubts` alone."""
    return texts(design_doubts(design, additive=additive, rates=rates, controls=controls))


def design_doubts(design: Design, *, additive: bool, rates: bool, controls: bool = True) -> list[Note]:
    """Return a note for each thing in the design that makes any answer doubtful and that no interval shows.

    Parameters
    ----------
    design : Design
        Without problems.
    additive : bool
        Whether the method adds effects to the outcome; a model of ratios refuses areas without an event by itself.
    rates : bool
        Whether it compares areas by outcome per exposure, where there is an exposure; else by the outcome itself.
    controls : bool
        Whether other areas than the treated stand for what would have happened.

    Returns
    -------
    list of str or ResultWarning
        Empty for most designs. Looked for are: controls that never change; treated areas that are twice as high, or
        half as low, as every never treated one, beyond chance; a single period before the start; no event before the
        start in any treated area, or in any area after it; counts that jump (variance above ``mean + 2 mean^2``).

    Examples
    --------
    >>> import pandas as pd
    >>> from svmodel import Design, Intervention, Panel
    >>> counts = {"A": [10, 12, 6, 7], "B": [8, 9, 11, 10], "C": [5, 5, 5, 5], "D": [9, 9, 9, 9]}
    >>> frame = pd.DataFrame([(a, 2020 + t, n) for a, row in counts.items() for t, n in enumerate(row)],
    ...     columns=["area", "year", "harms"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"])
    >>> design = Design(panel, outcome="harms", intervention=Intervention("patrols", {"A": 2022, "B": 2022}))
    >>> [note.split(":")[0] for note in texts(design_doubts(design, additive=True, rates=False))]
    ['No area that is never treated (2) ever changes in harms']
    """
    arrays = design.arrays
    found: list[Note] = []
    if controls:
        found += [*_unchanging(design, arrays), *_one_before(arrays)]
    if design.is_count:
        found += _without_events(design, arrays, additive=additive)
        if controls:
            found += _unlike(design, arrays, rates=rates)
        found += _lumpy(design, arrays)
    return found


def _never(arrays: DesignArrays) -> Ints:
    """Return the rows of areas that are untreated throughout and known somewhere."""
    return np.flatnonzero((arrays.status == UNTREATED).all(axis=1) & arrays.untreated.any(axis=1))


def _unchanging(design: Design, arrays: DesignArrays) -> list[Note]:
    never = _never(arrays)
    y = arrays.y[never]
    seen = ~np.isnan(y)
    if len(never) == 0 or not (seen.sum(axis=1) > 1).any():
        return []
    high = np.where(seen, y, -np.inf).max(axis=1)
    low = np.where(seen, y, np.inf).min(axis=1)
    if (high > low).any():
        return []
    text = (
        f"No area that is never treated ({len(never)}) ever changes in {design.outcome}: such series hold no news of "
        "what else happened and show no noise, so nothing is known of either. Look at how they were recorded."
    )
    return [ResultWarning("data", text)]


def _one_before(arrays: DesignArrays) -> list[Note]:
    treated = arrays.treated.any(axis=1)
    before = arrays.untreated & (np.arange(arrays.y.shape[1])[None, :] < arrays.start[:, None])
    if int(before[treated].sum(axis=1).max(initial=0)) != 1:
        return []
    word = period_words.describe_frequency(arrays.periods)
    text = (
        f"One {word} before the start is all that is known of any treated area: nothing shows whether treated and "
        "other areas moved alike before, which the answer supposes, and an odd one passes for the effect."
    )
    return [ResultWarning("identification", text)]


def _without_events(design: Design, arrays: DesignArrays, *, additive: bool) -> list[Note]:
    """Say that no treated area had an event before its start, or no area at all one after."""
    known, when = arrays.treated | arrays.untreated, np.asarray(arrays.treated.any(axis=0))
    treated = np.flatnonzero(arrays.treated.any(axis=1))
    before = arrays.untreated[treated]
    notes: list[Note] = []
    if additive and before.any() and not arrays.y[treated][before].any():
        one = len(treated) == 1
        text = (
            f"Not one {design.outcome} before the start in the treated area{'' if one else 's'} "
            f"({area_names(design, treated, 3)}): areas without an event cannot fall as others fall, so that no other "
            f"area shows what {'it' if one else 'they'} would have come to. Look whether a zero there means not "
            "recorded."
        )
        notes.append(ResultWarning("data", text, area_codes(design, treated)))
    later = known & when[None, :]
    if known[:, ~when].any() and arrays.y[known].any() and not arrays.y[later].any():
        first = period_words.label(arrays.periods[int(np.flatnonzero(when)[0])])
        text = (
            f"Not one {design.outcome} in any area from {first} on, treated or not: look whether recording stopped. "
            "Where it did, these are no zeros, and there is no effect to speak of."
        )
        notes.append(ResultWarning("data", text))
    return notes


def _unlike(design: Design, arrays: DesignArrays, *, rates: bool) -> list[Note]:
    """Say which treated areas lie far above every never treated one, or far below, before the start."""
    never = _never(arrays)
    if len(never) == 0:
        return []
    by_size = rates and arrays.exposure is not None
    size = arrays.exposure / 1e5 if by_size and arrays.exposure is not None else np.ones_like(arrays.y)
    events = np.where(arrays.untreated, arrays.y, 0.0).sum(axis=1)
    at_risk = np.where(arrays.untreated, size, 0.0).sum(axis=1)
    treated = np.flatnonzero(arrays.treated.any(axis=1) & (at_risk > 0))
    others = events[never] / at_risk[never]
    missed, total, _ = _misses(arrays)
    unit_variance = max(missed / total, 1.0) if total > 0 else 1.0
    spread = _SURE * np.sqrt(events[treated] * unit_variance)
    low = (events[treated] - spread) / at_risk[treated]
    high = (events[treated] + spread + _SURE * unit_variance) / at_risk[treated]
    word = period_words.describe_frequency(arrays.periods)
    unit = f"{design.outcome} {'per 100,000 ' if by_size else ''}a {word}"
    notes: list[Note] = []
    for far, end, side in (
        (low > UNLIKE * others.max(), others.max(), "highest"),
        (high < others.min() / UNLIKE, others.min(), "lowest"),
    ):
        rows = treated[far]
        if len(rows):
            own = float(events[rows].sum() / at_risk[rows].sum())
            text = (
                f"No control is like {area_names(design, rows, 3)}: {own:.3g} {unit} before the start, and the {side} "
                f"of {len(never)} never treated areas has {end:.3g}. What would have happened, and how far it strays, "
                "is carried over from areas of another kind."
            )
            notes.append(ResultWarning("interval", text, area_codes(design, rows)))
    return notes


def _misses(arrays: DesignArrays) -> tuple[float, float, float]:
    """Return summed squared misses of a product of area and period means, the sum of these means, and of squares."""
    known = arrays.treated | arrays.untreated
    y = np.where(known, arrays.y, 0.0)
    level = y.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    usual = np.where(known, level[:, None], 0.0).sum(axis=0)
    factor = np.divide(y.sum(axis=0), usual, out=np.zeros_like(usual), where=usual > 0)
    mean = np.where(known, level[:, None] * factor[None, :], 0.0)
    return float(((y - mean) ** 2).sum()), float(mean.sum()), float((mean**2).sum())


def _lumpy(design: Design, arrays: DesignArrays) -> list[Note]:
    """Say that counts vary by far more than any average over them can bear."""
    known = arrays.treated | arrays.untreated
    missed, total, square = _misses(arrays)
    if square == 0 or missed <= _BEYOND_CHANCE * total or missed - total <= LUMPY * square:
        return []
    word = period_words.describe_frequency(arrays.periods)
    seen = np.sort(arrays.y[known])
    top = max(round(0.01 * len(seen)), 1)
    times = np.sqrt((missed - total) / square)
    text = (
        f"Counts of {design.outcome} jump: beyond chance an area-{word} strays by {times:.1f} times its mean, and the "
        f"{top} highest of {len(seen):,} hold {float(seen[-top:].sum() / seen.sum()):.0%} of all. A few of them decide "
        "the answer, and averages of such counts do not have the errors that intervals suppose. Look at what these are."
    )
    return [ResultWarning("interval", text)]


def whole_reporting_areas(design: Design, arrays: DesignArrays | None = None) -> list[Note]:
    """Return a note where all small areas of a reporting area, or of several, are treated.

    None where errors allow for what areas of one cluster share, as those of `arrays` say.
    """
    if arrays is not None and not arrays.units.single:
        return []
    starts, parents = design.intervention.starts, design.panel.parents
    whole = [p for p in sorted({parents[a] for a in starts if a in parents}) if _is_whole(design, p)]
    if not whole:
        return []
    names = shorten([design.panel.label(p) for p in whole]).replace("'", "")
    text = (
        f"Every area of {names} is treated. Standard errors take areas for separate trials; what else befell {names} "
        "as a whole passes for the effect and is in no interval."
    )
    return [ResultWarning("identification", text, tuple(whole))]


def shared_noise(design: Design) -> list[Note]:
    """Return a warning for methods that take areas for separate trials, where it was reporting areas that were treated.

    None where the rule (:func:`svmodel.design.clusters.clusters_of`) takes each area by itself.
    """
    arrays = design.arrays
    units = clusters_of(design, arrays)
    if units.single:
        return []
    n, treated = int(arrays.treated.any(axis=1).sum()), units.count(arrays.treated.any(axis=1))
    lie = f"its {n:,} treated areas lie in {treated:,} {cluster_words(units, treated)}"
    text = (
        f"Starts never differ within {cluster_words(units)}, and {lie}. What else befell one of them befell all its "
        "areas, and this method takes areas for separate trials: the interval is too narrow. Put the question to "
        "reporting areas (panel.aggregate('parent')), or take a method with a choice `cluster`."
    )
    return [ResultWarning("interval", text, area_codes(design, arrays.treated.any(axis=1)))]


def ended(design: Design) -> list[str]:
    """Return a note on the areas whose intervention ended: what follows serves neither as treated nor as control."""
    arrays = design.arrays
    after = ((arrays.status == EXCLUDED) & (arrays.horizon >= 0)).any(axis=1)
    if not after.any():
        return []
    word = period_words.describe_frequency(arrays.periods)
    return [f"The intervention ended in {area_names(design, after)}: the {word}s after the end are left out."]


def left_out_cells(design: Design, kept: int, why: str = "") -> list[Note]:
    """Return a note where the average effect is taken over `kept` of the treated area-periods, not over all."""
    wanted = int(design.arrays.treated.sum())
    if kept >= wanted:
        return []
    word = period_words.describe_frequency(design.arrays.periods)
    text = f"The average effect is taken over {kept:,} of {wanted:,} treated area-{word}s ({kept / wanted:.0%}){why}."
    return [ResultWarning("identification", text)]


def _is_whole(design: Design, parent: str) -> bool:
    children = design.panel.children(parent)
    return len(children) > 1 and all(c in design.intervention.starts for c in children)


#: Share of zero cells from which a linear model of a count is warned about. A Poisson count of mean 1.1 is zero that
#: often, and an overdispersed one of a higher mean: the typical area-period has about one event, so that areas with few
#: have no room to fall by the number that busy ones fall by, and parallel trends in numbers cannot hold for both.
MANY_ZEROS = 1 / 3


def share_of_zeros(arrays: DesignArrays) -> float:
    """Return the share of zeros among the known cells that a comparison can use."""
    known = arrays.treated | arrays.untreated
    return float((arrays.y[known] == 0).mean()) if known.any() else 0.0


def zero_counts(design: Design, estimates: pd.DataFrame) -> list[Note]:
    """Return a note where a linear model is fitted to a count of which many cells are zero.

    Parameters
    ----------
    design : Design
    estimates : pandas.DataFrame
        Of the linear model; its average effect is set against its own counterfactual.
    """
    share = share_of_zeros(design.arrays)
    if not design.is_count or share <= MANY_ZEROS:
        return []
    word = period_words.describe_frequency(design.arrays.periods)
    text = (
        f"{share:.0%} of area-{word}s are zero: a linear model lets every area rise and fall by the same number of "
        f"{design.outcome}, and areas with next to none cannot fall by it. "
    )
    percent = _percent(design.arrays, estimates)
    if percent is not None:
        text += f"Its average effect is {percent:+.0%} of its own counterfactual. "
    text += "Where areas differ in level, read the Poisson answer to the same question instead."
    return [ResultWarning("fit", text)]


def areas_without_events(design: Design) -> list[Note]:
    """Return a note where areas without a single event cannot inform a model of ratios."""
    arrays = design.arrays
    known = arrays.treated | arrays.untreated
    silent = known.any(axis=1) & ~np.where(known, arrays.y, 0.0).any(axis=1)
    if not silent.any():
        return []
    n, treated = int(silent.sum()), int((silent & arrays.treated.any(axis=1)).sum())
    text = (
        f"{n} area{'s' if n > 1 else ''} without a single event ({area_names(design, silent)}; {treated or 'none'} "
        "treated) cannot inform a model of ratios: left out."
    )
    return [ResultWarning("data", text, area_codes(design, silent))]


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
