"""Regression to the mean: whether areas were chosen at a passing high, and how much fades by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.effects import average_effect
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of, span, treated_indices
from svmodel.design import Design, DesignArrays
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.firth import firth_logistic
from svmodel.periods import per_year
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult, Status
from svmodel.seeds import derive_seed
from svmodel.words import p_value

_NAME = "regression_to_the_mean"
#: Tosses of the signs.
DRAWS = 4_999


@check("Would high areas have fallen anyway?", needs=("data", "counts"))
def regression_to_the_mean(result: Result, *, seed: int = 0) -> CheckResult:
    """Ask whether treated areas were unusually high just before their start, by their own earlier record.

    Areas chosen for a high recent count are partly chosen for a passing high, which fades whatever is done.
    The window is the last year before the start, or half of the shortest time before it. What a treated
    area was expected to have in the window is its rate before the window, times how that of the control areas
    changed in the same time. The ratio of observed to expected, over all treated areas, is the excess. A
    permanent high is in the earlier record too and does not count.

    *Test.* Given an area's events over window and earlier record together, how many of them fall into the window is
    chance (for Poisson counts exactly: a binomial share), and tells nothing of who is treated where areas were chosen
    by lot or for their permanent level. Where they were chosen on the window's count, it decides: among areas with
    like records as a whole, those with more of it in the window are treated, and those with less are not. The statistic
    is ``U = sum_i (D_i - p_i) z_i``: D is 1 for treated areas, p their probability given the whole record (and the
    exposure), by logistic regression; z the window's events less expected ones over the root of the record's, less
    their own regression on the record. Areas far above or below any threshold have D near p and weigh nothing, so that
    the test looks where the choice was made, on both sides of it. U is held against 4,999 draws in which the sign of
    each area's part is tossed (one-sided), which asks nothing of the counts' dispersion.

    What of the excess would stay is read from the control areas: by how much an area that is high over one
    window is still high over the periods after it (the reliability of a window, as in Barnett et al.).

    Parameters
    ----------
    result : Result
        On a count.
    seed : int
        Of the tossed signs.

    Returns
    -------
    CheckResult
        ``failed`` where p < 0.05. The table has ``quantity, value``:
        ``excess`` (ratio), ``p_value``, ``persistence`` (share that stays; missing where the record is too short),
        ``fades_to`` (ratio: what becomes of the treated areas' rate in the window by itself), ``bias`` (ratio: what
        reversion alone does to a comparison with the whole time before the start; below 1 looks like fewer
        harms), ``window`` and ``earlier`` (periods).

    References
    ----------
    Barnett, van der Pols and Dobson (2005), *International Journal of Epidemiology* 34, eq. 1: the effect of
    regression to the mean is (1 - reliability) times the excess. Cox and Hinkley (1974), *Theoretical Statistics*,
    section 5.2: comparing given what is sufficient for the nuisance. Davidson and Flachaire (2008), *Journal of
    Econometrics* 146(1): tossed signs of independent parts.
    """
    design = design_of(result)
    width = _width(design)
    if width is None:
        raise CannotBeMadeError("too few periods lie before the first start to tell a passing high from the level")
    groups = _cohorts(design, width)
    log_excess = _log_excess(groups)
    p = _p_value(_parts(groups, len(design.arrays.areas)), seed)
    if not (math.isfinite(log_excess) and math.isfinite(p)):
        raise CannotBeMadeError("too few events lie before the start to tell a passing high from the level")
    stays = _persistence(design.arrays, width)
    size = [len(g.treated) for g in groups]
    share = float(np.average([width / (width + g.earlier) for g in groups], weights=size))
    fades = math.exp((stays - 1) * log_excess)
    # The window's share of the excess stood in the mean before the start; what stays of it stands after.
    bias = math.exp((stays - share) * log_excess)
    earlier = float(np.average([g.earlier for g in groups], weights=size))
    table = pd.DataFrame(
        {
            "quantity": ["excess", "p_value", "persistence", "fades_to", "bias", "window", "earlier"],
            "value": [math.exp(log_excess), p, stays, fades, bias, float(width), earlier],
        }
    )
    status, text = _text(design, average_effect(result), groups, table.set_index("quantity")["value"])
    return CheckResult(_NAME, status, text, table)


@dataclass(frozen=True, eq=False)
class _Cohort:
    """Areas that start together, with the two spans before: the window and the time before the window.

    Attributes
    ----------
    treated, pool : ndarray of int
        Rows of the areas that start, and of all that are not treated by then (those that start among them).
    recent, before, expected : ndarray, shape (N,)
        Events in the window, events before it, and what the earlier rate gives for the window before the change of
        controls.
    people : ndarray, shape (N,)
        Exposure over the whole record; ones where there is none.
    earlier : int
        Periods before the window.
    left_out : int
        Areas of the cohort without a whole record.
    """

    treated: Ints
    pool: Ints
    recent: Floats
    before: Floats
    expected: Floats
    people: Floats
    earlier: int
    left_out: int

    @property
    def others(self) -> Ints:
        """Rows of the areas that are not treated by then."""
        return np.setdiff1d(self.pool, self.treated, assume_unique=True)


def _width(design: Design) -> int | None:
    arrays = design.arrays
    before = int(arrays.start[treated_indices(design)].min()) - design.anticipation
    width = min(per_year(arrays.periods), before // 2)
    # A window of one period holds the noise of one period; a yearly panel has nothing shorter to offer.
    shortest = 1 if per_year(arrays.periods) == 1 else 2
    return width if width >= shortest and before >= 2 * shortest else None


def _cohorts(design: Design, width: int) -> list[_Cohort]:
    arrays = design.arrays
    y, exposure = arrays.y, arrays.exposure if arrays.exposure is not None else np.ones_like(arrays.y)
    groups = []
    for start in np.unique(arrays.start[treated_indices(design)]):
        end = int(start) - design.anticipation
        window, earlier = slice(end - width, end), slice(0, end - width)
        known = np.isfinite(y[:, :end] * exposure[:, :end]).all(axis=1)
        starts_now = arrays.start == start
        pool = np.flatnonzero(known & (arrays.start >= start))
        treated = np.flatnonzero(known & starts_now)
        if len(treated) == 0:
            continue
        rate = y[:, earlier].sum(axis=1) / exposure[:, earlier].sum(axis=1)
        expected = rate * exposure[:, window].sum(axis=1)
        left_out = int((starts_now & ~known).sum())
        before = y[:, earlier].sum(axis=1)
        people = exposure[:, :end].sum(axis=1)
        recent = y[:, window].sum(axis=1)
        groups.append(_Cohort(treated, pool, recent, before, expected, people, end - width, left_out))
    if not groups:
        raise CannotBeMadeError("no treated area has a whole record before its start")
    if min(len(g.pool) - len(g.treated) for g in groups) < 3:
        raise CannotBeMadeError("fewer than three areas were still untreated when the last ones started")
    return groups


def _log_excess(groups: list[_Cohort]) -> float:
    """Return the log of observed to expected in the window over treated areas, expected growing as in the others."""
    observed = sum(float(g.recent[g.treated].sum()) for g in groups)
    expected = 0.0
    for g in groups:
        base = float(g.expected[g.others].sum())
        expected += float(g.recent[g.others].sum()) / base * float(g.expected[g.treated].sum()) if base > 0 else 0.0
    return math.log(observed / expected) if observed > 0 and expected > 0 else math.nan


def _parts(groups: list[_Cohort], n_areas: int) -> Floats:
    """Return each area's part in U, summed over the cohorts that it is compared in, shape (N,)."""
    parts = np.zeros(n_areas)
    for g in groups:
        whole = g.recent[g.pool] + g.before[g.pool]
        seen = whole > 0  # an area without any event has no share to tell
        pool, whole = g.pool[seen], whole[seen]
        base = float(g.expected[pool].sum())
        chosen = np.isin(pool, g.treated).astype(np.float64)
        if base <= 0 or chosen.all() or not chosen.any():
            continue
        growth = float(g.recent[pool].sum()) / base
        z = (g.recent[pool] - growth * g.expected[pool]) / np.sqrt(whole)
        X = np.column_stack([np.ones(len(pool)), *_standard(np.log(whole), np.log(g.people[pool]))])
        p = firth_logistic(chosen, X).probability
        # those whom the record leaves in doubt decide, so the regression on the record has to be right among them
        root = np.sqrt(p * (1 - p))
        z = z - X @ np.linalg.lstsq(X * root[:, None], z * root, rcond=None)[0]
        parts[pool] += (chosen - p) * z
    return parts


def _standard(*columns: Floats) -> list[Floats]:
    """Return the columns that vary, with mean 0 and standard deviation 1."""
    spread = [(c, float(c.std())) for c in columns]
    return [(c - c.mean()) / sd for c, sd in spread if sd > 1e-9 * (1 + float(np.abs(c).max()))]


def _p_value(parts: Floats, seed: int) -> float:
    """Return how often the sum of the parts is as large when their signs are tossed; NaN where all are zero."""
    size = np.sort(np.abs(parts[parts != 0]))  # in order of size, so that no name or order decides a toss
    if len(size) < 5:
        return math.nan
    rng = np.random.default_rng(derive_seed(seed, _NAME))
    total = float(parts.sum())
    step = max(1, 8_000_000 // len(size))  # draws at a time, so that 35,000 areas need no gigabyte
    as_large = 0
    for begun in range(0, DRAWS, step):
        signs = 2.0 * rng.integers(0, 2, (min(step, DRAWS - begun), len(size)), dtype=np.int8) - 1
        as_large += int((signs @ size >= total * (1 - 1e-12)).sum())
    return (1 + as_large) / (1 + DRAWS)


def _persistence(arrays: DesignArrays, width: int) -> float:
    """Return how much of an area's excess over one window is still there in the next, 0 to 1; NaN if not known.

    From areas before any treatment: the slope of the mean excess over the next `width` periods on the mean excess
    over the last `width`, both against the area's own level and the period's. Taking out an area's own mean over
    T periods makes independent windows move apart by about 1 / (T / width - 1), which is put back.
    """
    clean = np.where(arrays.untreated, arrays.y, np.nan)
    exposure = arrays.exposure if arrays.exposure is not None else np.ones_like(clean)
    last = int(arrays.start.min())
    never = arrays.start >= len(arrays.periods)
    # With few controls, all areas serve, up to the first start.
    y, n = (clean[never], exposure[never]) if never.sum() >= 10 else (clean[:, :last], exposure[:, :last])
    whole = np.isfinite(y).all(axis=1) & (np.nansum(y, axis=1) > 0)
    y, n = y[whole], n[whole]
    n_periods = y.shape[1]
    if len(y) < 3 or n_periods < 3 * width:
        return math.nan
    level = y.sum(axis=1) / n.sum(axis=1)
    expected = level[:, None] * n
    season = y.sum(axis=0) / expected.sum(axis=0)
    expected = expected * season[None, :]
    apart = np.cumsum(np.pad(y - expected, ((0, 0), (1, 0))), axis=1)
    size = np.cumsum(np.pad(expected, ((0, 0), (1, 0))), axis=1)
    if (size[:, width:] - size[:, :-width] <= 0).any():
        return math.nan
    relative = (apart[:, width:] - apart[:, :-width]) / (size[:, width:] - size[:, :-width])
    now, then = relative[:, :-width], relative[:, width:]
    weight = level * n.mean(axis=1)
    spread = float((weight[:, None] * now**2).sum())
    if spread == 0:
        return math.nan
    slope = float((weight[:, None] * now * then).sum()) / spread
    ratio = width / n_periods
    return float(np.clip(slope * (1 - ratio) + ratio, 0.0, 1.0))


def _text(design: Design, real: Effect | None, groups: list[_Cohort], value: pd.Series) -> tuple[Status, str]:
    p = float(value["p_value"])
    size, fades, bias = (change(float(value[name]), "rate_ratio") for name in ("excess", "fades_to", "bias"))
    left = sum(g.left_out for g in groups)
    out = f" {left} treated areas without a whole record before their start are left out." if left else ""
    head = (
        f"In the last {span(design, int(value['window']))} before the start, treated areas stood {size} from what "
        "their own earlier record and the change in control areas would give"
    )
    if p >= 0.05:
        text = (
            f"{head}. Among areas with like records as a whole, those with more of it in that time were not clearly "
            f"more often chosen ({p_value(p)}). There is no clear sign that areas were chosen at a passing high."
        )
        return "passed", text + out
    found = f" The effect found is {change_of(real)}." if real is not None and real.scale == "rate_ratio" else ""
    text = (
        f"{head}. Among areas with like records as a whole, those with more of it in that time were chosen more often "
        f"({p_value(p)}). Areas seem to have been chosen at a passing high.{found}"
    )
    if math.isfinite(value["persistence"]):
        text += (
            f" In control areas about {100 * value['persistence']:.0f}% of such a high is still there a window later, "
            f"so the treated areas' rate would have changed by {fades} by itself from where it stood. In a comparison "
            f"with the whole time before the start, that alone looks like an effect of about {bias}; in a comparison "
            "with the last period before the start it is more."
        )
    else:
        text += " The record is too short to say how much of it would have faded by itself."
    text += " A rise that went on through the whole time before looks the same here: see the pre-trends."
    return "failed", text + out
