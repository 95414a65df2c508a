"""Treated areas as a few time series: what methods that look at one series at a time start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.design import TREATED, UNTREATED, Design, DesignArrays
from svmodel.errors import Problems, did_you_mean
from svmodel.numerics import series
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.series import Series
from svmodel.result.doubts import MANY_ZEROS, area_codes, area_names
from svmodel.result.method import choice_of
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.rule import FEW_CONTROLS
from svmodel.result.tables import ALL_TREATED, observed_and_expected

#: Known periods that a line before the start needs, by periods a year: one round of seasons, or a line of five points.
#: Of weeks and days, half a year and eight weeks: what knows of a season needs a year of them (`least_before`).
LEAST_BEFORE = {12: 12, 4: 8, 1: 5, 52: 26, 365: 56}


def least_before(index: pd.PeriodIndex, *, seasonal: bool) -> int:
    """Return how many known periods a line before the start needs; with a season of weeks or days, a year of them."""
    year = periods.per_year(index)
    return year if seasonal and periods.has_weeks(index) else LEAST_BEFORE[year]


def problems_of(estimator: Any, valid: Mapping[str, Sequence[str]]) -> Problems:
    """Return which choices of an estimator there are not, and whether its level is none."""
    found = Problems()
    for name, names in valid.items():
        value = choice_of(estimator, name)
        if value not in names:
            found.add(f"there is no {name} {value!r}", fix=did_you_mean(value, names), rule=name)
    if not 0 < estimator.level < 1:
        found.add(f"the level must lie between 0 and 1, not at {estimator.level!r}", rule="level")
    return found


def treated_series(arrays: DesignArrays, *, each: bool) -> list[Series]:
    """Return the treated areas as series: one an area, or one for all that share their start and their end.

    They come in the order of their starts, then of their size, then of their data, so that nothing hangs on the names
    of areas: small counts often add up to the same.
    """
    before, after = arrays.status == UNTREATED, arrays.status == TREATED
    parts = (arrays.y, arrays.exposure, arrays.covariates, arrays.start, before, after)
    return series.treated_series(*parts, each=each, least=LEAST_BEFORE[periods.per_year(arrays.periods)])


def unsummed(design: Design, held: Sequence[Series]) -> list[Note]:
    """Return a warning where treated areas are in no series, because too little is known of them."""
    used = {int(i) for s in held for i in s.rows}
    treated = (design.arrays.status == TREATED).any(axis=1)
    lost = [int(i) for i in np.flatnonzero(treated) if int(i) not in used]
    if not lost:
        return []
    word = periods.describe_frequency(design.arrays.periods)
    text = (
        f"Left out of the average effect: {area_names(design, np.array(lost))}, because fewer than "
        f"{LEAST_BEFORE[periods.per_year(design.arrays.periods)]} {word}s before the start are known, or none after "
        "it. A sum is known only where all its areas are."
    )
    return [ResultWarning("identification", text, area_codes(design, np.array(lost)))]


def sum_of(arrays: DesignArrays, rows: Ints, start: int, like: int | None = None) -> Series:
    """Return the sum of some areas as one series; `like` is the row whose periods count, by default the first."""
    status = arrays.status[rows[0] if like is None else like]
    parts = (arrays.y, arrays.exposure, arrays.covariates, rows, start)
    return series.sum_series(*parts, status == UNTREATED, status == TREATED)


def whole(arrays: DesignArrays, rows: Ints, series: Series) -> Ints:
    """Return those of some areas that are known in every period of a series; all of them where none is.

    A sum is known only where all its areas are: a gap here and there would take most periods away.
    """
    size = np.ones_like(arrays.y[rows]) if arrays.exposure is None else arrays.exposure[rows]
    known = ~np.isnan(arrays.y[rows]) & ~np.isnan(size) & ~np.isnan(arrays.covariates[rows]).any(axis=2)
    kept = rows[known[:, series.used].all(axis=1)]
    return kept if len(kept) else rows


def control_rows(arrays: DesignArrays) -> Ints:
    """Return the rows of areas that are untreated throughout."""
    return np.flatnonzero((arrays.status == UNTREATED).all(axis=1))


def single_areas(held: Sequence[Series], arrays: DesignArrays) -> list[tuple[str, int]]:
    """Return name and place of the series that are one area, sorted by name."""
    return sorted((arrays.areas[int(s.rows[0])], i) for i, s in enumerate(held) if len(s.rows) == 1)


def terms_of(held: Sequence[Series], arrays: DesignArrays) -> list[tuple[str, dict[str, Any], list[Mask]]]:
    """Return each term that series bear: its name, what it is about, and its known treated periods in each series."""
    time = np.arange(len(arrays.periods))
    longest = max(int(np.flatnonzero(s.after)[-1]) - s.start for s in held)
    return [
        ("att", {}, [s.after for s in held]),
        *(("event", {"horizon": h}, [s.after & (time == s.start + h) for s in held]) for h in range(longest + 1)),
        *(
            ("cohort", {"cohort": arrays.periods[g]}, [s.after & (s.start == g) for s in held])
            for g in sorted({s.start for s in held})
        ),
        *(
            ("area", {"area": a}, [s.after & (j == i) for j, s in enumerate(held)])
            for a, i in single_areas(held, arrays)
        ),
    ]


def path_of(
    held: Sequence[Series], arrays: DesignArrays, numbers: Callable[[list[Mask], Ints], Iterable[Floats]]
) -> pd.DataFrame:
    """Return observed and expected outcomes by period, of each series that is one area and of all together.

    Parameters
    ----------
    held : sequence of Series
    arrays : DesignArrays
    numbers : callable
        From the periods that are used of each series, and those used of any, to the observed and the expected sums of
        the latter and the limits of what was expected.
    """
    everyone = range(len(held))
    parts = []
    for name, members in [*((a, [i]) for a, i in single_areas(held, arrays)), (ALL_TREATED, everyone)]:
        used = [s.used & (i in members) for i, s in enumerate(held)]
        live = np.flatnonzero(np.any(used, axis=0))
        columns = dict(zip(("observed", "expected", "low", "high"), numbers(used, live), strict=True))
        parts.append(observed_and_expected([name] * len(live), arrays.periods[live], **columns))
    return pd.concat(parts, ignore_index=True)


def summed_areas(held: Sequence[Series]) -> list[str]:
    """Return a note where series are sums of areas."""
    summed = [s for s in held if len(s.rows) > 1]
    total = sum(len(s.rows) for s in summed)
    return [f"{total} areas are summed, by start, into {len(summed)} series."] if summed else []


def few_others(n: int) -> list[Note]:
    """Return a warning where few untreated areas stand for what happened elsewhere."""
    if not 0 < n < FEW_CONTROLS:
        return []
    areas = "One untreated area stands" if n == 1 else f"Only {n} untreated areas stand"
    text = (
        f"{areas} for what happened elsewhere: what else befell {'it' if n == 1 else 'one of them'} passes for the "
        "effect, and is in no interval."
    )
    return [ResultWarning("identification", text)]


def zero_donors(design: Design, cells: Floats) -> list[Note]:
    """Return a warning where many of the donors' known cells before the start are zero."""
    seen = cells[~np.isnan(cells)]
    share = float((seen == 0).mean()) if len(seen) else 0.0
    if not design.is_count or share <= MANY_ZEROS:
        return []
    word = periods.describe_frequency(design.view.periods)
    text = (
        f"{share:.0%} of the donors' area-{word}s before the start are zero: weights that match such counts follow "
        "chance, and differences between areas with next to none are no measure of what would have happened. Put areas "
        f"or {word}s together, or read a Poisson answer to the same question."
    )
    return [ResultWarning("data", text)]
