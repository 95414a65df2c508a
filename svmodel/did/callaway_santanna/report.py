"""From terms to the rows of a result: scales, intervals and p-values, a whole term at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods as period_words
from svmodel.design import NEVER, UNTREATED, Design, DesignArrays
from svmodel.did.averages import cohort_pools, table_of, weight_table
from svmodel.did.callaway_santanna.averages import FAMILIES, Keys, Linear, Measured, Term, areas_behind, average, totals
from svmodel.did.callaway_santanna.cells import Cells
from svmodel.did.callaway_santanna.single_cells import Scale, SingleCells, log_ratio
from svmodel.errors import shorten
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster.multiplier_bootstrap import sup_t_critical_value
from svmodel.result.doubts import area_names, ended, period_names
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.scales import critical_value, is_rounding
from svmodel.result.tables import cells_and_sums


def pools_of(arrays: DesignArrays) -> Ints:
    """Return the clusters held against one mean, shape (G,): a cohort, all small cohorts together, or the controls.

    An average over cohorts counts each cohort's distance from it as error: all that a cohort of one area shows.
    """
    last = len(arrays.periods)
    treated = np.unique(arrays.start[arrays.start < last])
    return cohort_pools(arrays.units, ((int(g), np.flatnonzero(arrays.start == g)) for g in treated))


def block(
    term: Keys,
    scale: str,
    part: Measured,
    critical: float,
    areas: Ints,
    level: float,
    keep: Mask | None = None,
) -> dict[str, Any]:
    """Return the rows of a term on one scale where `keep` is true; a rate ratio comes in as its log.

    Intervals and p-values are those of Student's t, widened for small cohorts; the standard errors are not. What rests
    on a single one of the treated `areas`, shape (A,), has neither: its own noise is in no error, and its standard
    error is that of the controls alone.
    """
    from scipy import special

    rows = np.arange(len(part.estimate)) if keep is None else np.flatnonzero(keep)
    estimate, std_error = part.estimate[rows], part.std_error[rows]
    inflation, df = part.small.inflation[rows], part.small.df[rows]
    std_error = np.where(is_rounding(estimate, std_error, logarithm=scale == "rate_ratio"), np.nan, std_error)
    single = areas[rows] < 2
    wider = inflation * special.stdtrit(df, 0.5 + level / 2) / special.ndtri(0.5 + level / 2)
    wider = np.where(single, np.nan, wider)
    low, high = estimate - critical * wider * std_error, estimate + critical * wider * std_error
    p_value = 2 * special.stdtr(df, -np.abs(estimate / (inflation * std_error)))
    p_value = np.where(single, np.nan, p_value)
    if scale == "rate_ratio":
        # a limit beyond the largest float is infinite, as it is with a nearly empty cell; it is no error
        with np.errstate(over="ignore"):
            estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
        std_error = estimate * std_error
    place = {"cohort": term.cohort[rows], "period": term.time[rows]}
    return {
        "term": term.name,
        "scale": scale,
        **{k: np.where(np.isnan(v), -1, v).astype(np.int64) for k, v in place.items()},
        "horizon": term.horizon[rows],
        "estimate": estimate,
        "std_error": std_error,
        "conf_low": low,
        "conf_high": high,
        "p_value": p_value,
    }


@dataclass(frozen=True, eq=False)
class Scales:
    """One term on every scale that it has.

    Attributes
    ----------
    term : Keys
    areas : ndarray of int, shape (A,)
        Treated areas behind each row.
    difference, log_ratio : Measured
        The second is None for a measure and for averages of averages.
    critical, critical_ratio : callable
        Give the critical values of simultaneous intervals of all rows of the term, and of those whose ratio is known.
    events : Measured or None
    exposure : ndarray, shape (A,), or None
        By which the events are rates.
    """

    term: Keys
    areas: Ints
    difference: Measured
    critical: Callable[[], float]
    events: Measured | None = None
    exposure: Floats | None = None
    log_ratio: Measured | None = None
    critical_ratio: Callable[[], float] | None = None


def lay_out(
    terms: list[Term],
    cells: Cells,
    arrays: DesignArrays,
    *,
    is_count: bool,
    level: float,
    draws: NDArray[np.float32] | None,
) -> tuple[pd.DataFrame, dict[str, float], int]:
    """Return the estimates, the critical value of each family, and how many rate ratios there are not.

    Parameters
    ----------
    draws : ndarray, shape (B, N), or None
        Multipliers for simultaneous intervals; pointwise intervals where None.
    """
    pools = pools_of(arrays)
    of_averages = (_of_average(t, cells, arrays, pools, draws, is_count=is_count, level=level) for t in terms)
    every = [*of_averages, _of_cells(cells, arrays, pools, draws, is_count=is_count, level=level)]
    blocks: list[dict[str, Any]] = []
    pointwise = critical_value(level)
    criticals: dict[str, float] = {}
    lacking = 0

    def critical(name: str, of_all: Callable[[], float] | None) -> float:
        if draws is None or of_all is None or name not in FAMILIES:
            return pointwise
        value = of_all()
        return pointwise if np.isnan(value) else value

    for one in every:
        name, shared = one.term.name, (one.areas, level)
        z = critical(name, one.critical)
        if name in FAMILIES:
            criticals[name] = z
        blocks.append(block(one.term, "difference", one.difference, z, *shared))
        if one.events is None or one.log_ratio is None:
            continue
        blocks.append(block(one.term, "events", one.events, z, *shared, ~(one.term.horizon < 0)))
        if one.exposure is not None:
            blocks.append(block(one.term, "per_100k", one.events.times(1e5 / one.exposure), z, *shared))
        sound = ~np.isnan(one.log_ratio.estimate)
        lacking += int((~sound).sum())
        if sound.any():
            z = critical(name, one.critical_ratio)
            blocks.append(block(one.term, "rate_ratio", one.log_ratio, z, *shared, sound))
    return table_of(blocks, arrays.periods, level), criticals, lacking


def _of_average(
    term: Term,
    cells: Cells,
    arrays: DesignArrays,
    pools: Ints,
    draws: NDArray[np.float32] | None,
    *,
    is_count: bool,
    level: float,
) -> Scales:
    def critical(part: Linear) -> Callable[[], float]:
        return lambda: float("nan") if draws is None else sup_t_critical_value(part.influence, draws, level=level)

    areas, own = areas_behind(cells, term), term.difference.measured(pools)
    if not is_count or term.cells is None:
        return Scales(term, areas, own, critical(term.difference))
    total = totals(cells, term, arrays.y)
    ratio = total.log_ratio
    sound = ~np.isnan(ratio.estimate)
    known = Linear(ratio.estimate[sound], ratio.influence[:, sound])
    chosen = term.cells.astype(np.float64)
    # the average times the number of area-periods, but for a cohort whose periods rest on unlike numbers of areas
    events = own.times(cells.n_treated @ chosen) if term.name != "cohort" else total.events.measured(pools)
    exposure = None if arrays.exposure is None else cells.observed(arrays.exposure) @ chosen
    return Scales(term, areas, own, critical(term.difference), events, exposure, ratio.measured(pools), critical(known))


def _of_cells(
    cells: Cells,
    arrays: DesignArrays,
    pools: Ints,
    draws: NDArray[np.float32] | None,
    *,
    is_count: bool,
    level: float,
) -> Scales:
    cohort, time, horizon = (v.astype(np.float64) for v in (cells.cohort, cells.time, cells.horizon))
    if not arrays.units.single or arrays.weights is not None:
        # what is summed of single cells at once is of areas; clusters are summed cell by cell, as an average is
        each = np.eye(len(cells.att), dtype=bool)
        term = Term("cell", cohort, time, horizon, average(cells, each), each)
        return _of_average(term, cells, arrays, pools, draws, is_count=is_count, level=level)
    single = SingleCells(cells, pools, arrays.y if is_count else None, draws)
    one = Scale(cells.att, np.ones(len(cells.att)))
    own = single.measured(one)
    keys = Keys("cell", cohort, time, horizon)
    areas = cells.n_treated.astype(np.int64)

    def critical(scale: Scale, measured: Measured) -> Callable[[], float]:
        return lambda: single.critical(scale, measured, level=level)

    if not is_count:
        return Scales(keys, areas, own, critical(one, own))
    ratio = log_ratio(cells, single.observed)
    of_ratio = single.measured(ratio)
    exposure = None if arrays.exposure is None else cells.observed(arrays.exposure)
    events = own.times(cells.n_treated)
    return Scales(keys, areas, own, critical(one, own), events, exposure, of_ratio, critical(ratio, of_ratio))


#: A cohort with fewer areas than this gets a warning in the notes.
SMALL_COHORT = 5


def counterfactual(cells: Cells, arrays: DesignArrays, calendar: Term, *, level: float) -> pd.DataFrame:
    """Observed and expected outcomes of the treated area-periods; "all treated" sums them period by period.

    An area's expected outcome is what it had less its cohort's average effect, so it has no interval of its
    own. The sums have one, from the contributions of all areas to the error: pointwise, and as wide for small cohorts
    as those of the effects. `calendar` holds the average effects by period.
    """
    from scipy import special

    assert calendar.cells is not None
    effect = np.full(arrays.y.shape, np.nan)
    for part in cells.contributions.parts:
        if part.treated:
            att = np.where(cells.horizon[part.cells] >= 0, cells.att[part.cells], np.nan)
            place = np.ix_(part.rows, cells.time[part.cells])
            effect[place] = att if part.present is None else np.where(part.present.T, att, np.nan)
    who, time = np.nonzero(~np.isnan(effect))
    observed = arrays.y[who, time]

    chosen = calendar.cells.astype(np.float64)
    n = cells.n_treated @ chosen
    total = cells.observed(arrays.y) @ chosen
    mean = calendar.difference.measured(pools_of(arrays)).times(n)
    expected = total - mean.estimate
    half = mean.small.inflation * special.stdtrit(mean.small.df, 0.5 + level / 2) * mean.std_error
    half = np.where(areas_behind(cells, calendar) > 1, half, np.nan)
    own = observed, observed - effect[who, time]
    when = calendar.time.astype(np.int64)
    return cells_and_sums(arrays, (who, time), own, when, (total, expected, expected - half, expected + half))


def treated_sums(cells: Cells, arrays: DesignArrays) -> tuple[float, float, float]:
    """Return the average effect, the treated area-periods it rests on, and the sum of their outcomes."""
    post = cells.horizon >= 0
    return treated_effect(cells), float(cells.n_treated[post].sum()), float(cells.observed(arrays.y)[post].sum())


def treated_effect(cells: Cells) -> float:
    """Return the average effect over the treated area-periods."""
    post = cells.horizon >= 0
    n = cells.n_treated[post]
    return float(cells.att[post] @ n / n.sum())


def weights(cells: Cells, arrays: DesignArrays) -> pd.DataFrame:
    """Weight of each treated cell in the average effect, with the areas that it rests on."""
    post = cells.horizon >= 0
    controls = cells.n_controls[post].astype(np.float64)
    return weight_table(arrays.periods, cells.cohort[post], cells.time[post], cells.n_treated[post], controls)


def design_notes(design: Design, times: Ints, *, panel: bool) -> list[Note]:
    """Say what of the data takes no part, and what is assumed; in a panel also which areas have gaps."""
    arrays = design.arrays
    notes: list[Note] = []
    word = period_words.describe_frequency(arrays.periods)
    if design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have "
            "changed alike in treated and control areas: in numbers, not in per cent. Where areas differ much in "
            "size or level, compare with a Poisson method."
        )
    unseen = np.setdiff1d(np.arange(len(arrays.periods)), times)
    if len(unseen):
        which = period_names(design, unseen)
        notes.append(f"No area has an outcome in {which}: left out, and changes are taken across the gap.")
    missing = np.isnan(arrays.y[:, times])
    partly = np.flatnonzero(missing.any(axis=1))
    if panel and len(partly):
        which = area_names(design, partly)
        one = len(partly) == 1
        notes.append(
            f"{len(partly):,} area{' lacks' if one else 's lack'} the outcome in {int(missing.sum()):,} area-{word}s "
            f"({which}). {'It is' if one else 'They are'} left out of the comparisons that need those {word}s and kept "
            "in the others; a missing outcome is never taken as zero."
        )
    notes += ended(design)
    never = (arrays.status == UNTREATED).all(axis=1)
    later = (arrays.start >= len(arrays.periods)) & (arrays.start < NEVER)
    if (later & never).any():
        notes.append(f"{area_names(design, later & never)} start after the last {word} and serve as never treated.")
    if (later & ~never).any():
        notes.append(
            f"{area_names(design, later & ~never)} start so soon after the last {word} that anticipation may already "
            "show: never taken as never treated."
        )
    return notes


def cell_notes(every: Cells, kept: Cells, arrays: DesignArrays) -> list[Note]:
    """Say which effects are not identified and why, and which rest on few areas."""
    notes: list[Note] = []
    word = period_words.describe_frequency(arrays.periods)
    wanted = set(np.unique(every.cohort).tolist())
    for g in sorted(wanted - set(np.unique(kept.cohort).tolist())):
        reasons = _reasons(every, (every.cohort == g) & (every.horizon >= 0)) or f"no {word} after the start"
        size = int((arrays.start == g).sum())
        text = (
            f"The effect in the {size} area{'s' if size > 1 else ''} that started in "
            f"{period_words.label(arrays.periods[g])} is not identified: {reasons}."
        )
        about = tuple(arrays.areas[i] for i in np.flatnonzero(arrays.start == g))
        notes.append(ResultWarning("identification", text, about))
    there = np.isin(every.cohort, kept.cohort)
    for rows, kind in (
        (every.horizon >= 0, "effects after a start"),
        (every.horizon < 0, "comparisons before a start"),
    ):
        lost = there & rows & ~every.identified
        if lost.any():
            where = sorted({period_words.label(arrays.periods[g]) for g in every.cohort[lost]})
            text = (
                f"{int(lost.sum()):,} {kind} are not identified (starts {_plainly(where)}): {_reasons(every, lost)}. "
                "Averages leave them out."
            )
            notes.append(ResultWarning("identification", text))
    small = [f"{period_words.label(arrays.periods[g])} ({n})" for g, n in kept.sizes.items() if n < SMALL_COHORT]
    if small:
        notes.append(
            f"{len(small)} cohort{'s have' if len(small) > 1 else ' has'} fewer than {SMALL_COHORT} areas: "
            f"{_plainly(small)}. Standard errors rest on how areas of a cohort differ, so those of their own effects "
            "are too small; for a cohort of one area the area's own noise is not in them at all."
        )
    if kept.trimmed:
        notes.append(
            f"Up to {kept.trimmed} control areas in a comparison get no weight, because their covariates make them "
            "all but sure to be treated."
        )
    return notes


def _reasons(cells: Cells, rows: Mask) -> str:
    found: dict[str, int] = {}
    for k in np.flatnonzero(rows & ~cells.identified):
        found[cells.reason[k]] = found.get(cells.reason[k], 0) + 1
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{reason} ({count:,})" for reason, count in found.items())


def _plainly(values: Iterable[object]) -> str:
    return shorten(values).replace("'", "")
