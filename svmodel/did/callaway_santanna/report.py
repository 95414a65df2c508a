"""From terms to the rows of a result: scales, intervals and p-values, a whole term at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods as period_words
from svmodel.design import NEVER, UNTREATED, Design, DesignArrays
from svmodel.did.averages import cohort_pools, table_of, weight_table
from svmodel.did.callaway_santanna.averages import FAMILIES, Linear, Term, areas_behind, average, totals
from svmodel.did.callaway_santanna.cells import Cells
from svmodel.errors import shorten
from svmodel.numerics.arrays import Ints, Mask
from svmodel.numerics.cluster import small_sample
from svmodel.numerics.cluster.multiplier_bootstrap import sup_t_critical_value
from svmodel.result.doubts import area_names, ended, period_names
from svmodel.result.notes import Note, ResultWarning
from svmodel.result.scales import critical_value, is_rounding
from svmodel.result.tables import cells_and_sums


@dataclass(frozen=True, eq=False)
class Behind:
    """What rows rest on: the areas that share a mean, shape (N,), and how many treated areas are behind each, (A,)."""

    pools: Ints
    areas: Ints


def pools_of(arrays: DesignArrays) -> Ints:
    """Return the areas held against one mean, shape (N,): a cohort, all small cohorts together, or the controls.

    An average over cohorts counts each cohort's distance from it as error: all that a cohort of one area shows.
    """
    last = len(arrays.periods)
    treated = np.unique(arrays.start[arrays.start < last])
    return cohort_pools(arrays.units, ((int(g), np.flatnonzero(arrays.start == g)) for g in treated))


def block(
    term: Term, scale: str, part: Linear, critical: float, behind: Behind, level: float, keep: Mask | None = None
) -> dict[str, Any]:
    """Return the rows of a term on one scale where `keep` is true; a rate ratio comes in as its log.

    Intervals and p-values are those of Student's t, widened for small cohorts; the standard errors are not. What rests
    on a single area has neither: its own noise is in no error, and its standard error is that of the controls alone.
    """
    from scipy import special

    rows = np.arange(len(part.estimate)) if keep is None else np.flatnonzero(keep)
    estimate, std_error = part.estimate[rows], part.std_error[rows]
    std_error = np.where(is_rounding(estimate, std_error, logarithm=scale == "rate_ratio"), np.nan, std_error)
    small = small_sample(part.influence[:, rows], behind.pools)
    single = behind.areas[rows] < 2
    wider = small.inflation * special.stdtrit(small.df, 0.5 + level / 2) / special.ndtri(0.5 + level / 2)
    wider = np.where(single, np.nan, wider)
    low, high = estimate - critical * wider * std_error, estimate + critical * wider * std_error
    p_value = 2 * special.stdtr(small.df, -np.abs(estimate / (small.inflation * std_error)))
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
    outcome, exposure = np.empty(0), None
    if is_count:
        outcome = np.where(cells.members, arrays.y[:, cells.time], 0.0)
        exposure = None if arrays.exposure is None else np.where(cells.members, arrays.exposure[:, cells.time], 0.0)
    blocks: list[dict[str, Any]] = []
    pointwise = critical_value(level)
    criticals: dict[str, float] = {}
    lacking = 0

    def critical(term: Term, part: Linear) -> float:
        if draws is None or term.name not in FAMILIES:
            return pointwise
        value = sup_t_critical_value(part.influence, draws, level=level)
        return pointwise if np.isnan(value) else value

    def add(term: Term, scale: str, part: Linear, z: float, keep: Mask | None = None) -> None:
        blocks.append(block(term, scale, part, z, behind, level, keep))

    for term in terms:
        behind = Behind(pools, areas_behind(cells, term))
        z = critical(term, term.difference)
        if term.name in FAMILIES:
            criticals[term.name] = z
        add(term, "difference", term.difference, z)
        if not is_count or not term.summable:
            continue
        total = totals(cells, term, outcome, exposure)
        after = ~(term.horizon < 0)
        add(term, "events", total.events, z, after)
        if total.exposure is not None:
            per = 1e5 / total.exposure
            rate = Linear(total.events.estimate * per, total.events.influence * per)
            add(term, "per_100k", rate, z)
        ratio = total.log_ratio
        sound = ~np.isnan(ratio.estimate)
        lacking += int((~sound).sum())
        if sound.any():
            known = Linear(ratio.estimate[sound], ratio.influence[:, sound])
            add(term, "rate_ratio", ratio, critical(term, known), sound)
    return table_of(blocks, arrays.periods, level), criticals, lacking


#: A cohort with fewer areas than this gets a warning in the notes.
SMALL_COHORT = 5


def counterfactual(cells: Cells, arrays: DesignArrays, *, level: float) -> pd.DataFrame:
    """Observed and expected outcomes of the treated area-periods; "all treated" sums them period by period.

    An area's expected outcome is what it had less its cohort's average effect, so it has no interval of its
    own. The sums have one, from the contributions of all areas to the error: pointwise, and as wide for small cohorts
    as those of the effects.
    """
    from scipy import special

    post = np.flatnonzero(cells.horizon >= 0)
    cell_rank, who = np.nonzero(cells.members[:, post].T)
    cell = post[cell_rank]
    order = np.lexsort((cells.time[cell], who))
    who, cell = who[order], cell[order]
    observed = arrays.y[who, cells.time[cell]]

    when = np.unique(cells.time[post])
    chosen = (cells.time[:, None] == when[None, :]) & (cells.horizon >= 0)[:, None]
    n = cells.n_treated @ chosen
    mean = average(cells, chosen)
    total = np.where(cells.members, arrays.y[:, cells.time], 0.0).sum(axis=0) @ chosen
    expected = total - mean.estimate * n
    small = small_sample(mean.influence, pools_of(arrays))
    blank = np.full(len(when), np.nan)
    several = areas_behind(cells, Term("calendar", blank, when.astype(float), blank, mean, chosen)) > 1
    half = small.inflation * special.stdtrit(small.df, 0.5 + level / 2) * mean.std_error * n
    half = np.where(several, half, np.nan)
    own = observed, observed - cells.att[cell]
    return cells_and_sums(
        arrays, (who, cells.time[cell]), own, when, (total, expected, expected - half, expected + half)
    )


def treated_sums(cells: Cells, arrays: DesignArrays) -> tuple[float, float, float]:
    """Return the average effect, the treated area-periods it rests on, and the sum of their outcomes."""
    post = cells.horizon >= 0
    n = cells.n_treated[post].astype(np.float64)
    observed = np.where(cells.members[:, post], arrays.y[:, cells.time[post]], 0.0).sum()
    return float(cells.att[post] @ n / n.sum()), float(n.sum()), float(observed)


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
    sizes = {g: int(kept.members[:, kept.cohort == g].any(axis=1).sum()) for g in np.unique(kept.cohort).tolist()}
    small = [f"{period_words.label(arrays.periods[g])} ({n})" for g, n in sizes.items() if n < SMALL_COHORT]
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
