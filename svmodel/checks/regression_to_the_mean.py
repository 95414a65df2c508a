"""Regression to the mean: whether areas were chosen at a passing high, and how much fades by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel.checkresult import CheckResult
from svmodel.checks._words import average_effect, change, change_of, not_applicable, p_words, span, treated_indices
from svmodel.periods import per_year
from svmodel.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from svmodel.design import Design, DesignArrays
    from svmodel.result import Result

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]

__all__ = ["regression_to_the_mean"]

_NAME = "regression_to_the_mean"
#: Random choices of areas that the real choice is compared with.
DRAWS = 999


def regression_to_the_mean(result: Result, *, seed: int = 0) -> CheckResult:
    """Ask whether treated areas were unusually high just before their start, by their own earlier record.

    Areas chosen for a high recent count are partly chosen for a passing high, which fades whatever is done.
    The window is the last year before the start, or half of the shortest time before it. What a treated
    area was expected to have in the window is its rate before the window, times how that of the control areas
    changed in the same time. The ratio of observed to expected, over all treated areas, is the excess. It is
    held against the excess of as many areas chosen by lot from those not treated by then (999 times, one-sided), with
    both divided by their standard errors, so that areas of different size can stand in for each other. A
    permanent high is in the earlier record too and does not count.

    What of the excess would stay is read from the control areas: by how much an area that is high over one
    window is still high over the periods after it (the reliability of a window, as in Barnett et al.).

    Parameters
    ----------
    result : Result
        On a count.
    seed : int
        Of the choices by lot.

    Returns
    -------
    CheckResult
        ``failed`` where the excess is larger than in 95% of choices by lot. The table has ``quantity, value``:
        ``excess`` (ratio), ``p_value``, ``persistence`` (share that stays; missing where the record is too short),
        ``fades_to`` (ratio: what becomes of the treated areas' rate in the window by itself), ``bias`` (ratio: what
        reversion alone does to a comparison with the whole time before the start; below 1 looks like fewer
        harms), ``window`` and ``earlier`` (periods).

    References
    ----------
    Barnett, van der Pols and Dobson (2005), *International Journal of Epidemiology* 34, eq. 1: the effect of
    regression to the mean is (1 - reliability) times the excess. Chung and Romano (2013), *Annals of
    Statistics* 41: why permuted statistics are studentised.
    """
    if result.design is None:
        return not_applicable(_NAME, "the result was read without its data")
    design = result.design
    if not design.is_count:
        return not_applicable(_NAME, f"{design.outcome!r} is a measure, not a count of events")
    width = _width(design)
    if width is None:
        return not_applicable(_NAME, "too few periods lie before the first start to tell a passing high from the level")
    groups = _cohorts(design, width)
    if isinstance(groups, str):
        return not_applicable(_NAME, groups)
    log_excess, t = (float(v[0]) for v in _excess(groups, [g.treated[None, :] for g in groups], real=True))
    if not math.isfinite(t):
        return not_applicable(_NAME, "too few events lie before the start to tell a passing high from the level")
    by_lot = _excess(groups, _draw(groups, seed))[1]
    p = (1 + int((~(by_lot < t)).sum())) / (1 + DRAWS)
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
    return _say(result, table, groups, log_excess=log_excess, p=p, stays=stays, fades=fades, bias=bias, width=width)


@dataclass(frozen=True, eq=False)
class _Cohort:
    """Areas that start together, with the two spans before: the window and the time before the window.

    Attributes
    ----------
    treated, pool : ndarray of int
        Rows of the areas that start, and of all that are not treated by then (those that start among them).
    recent, expected : ndarray, shape (N,)
        Events in the window, and what the earlier rate gives for it before the change of controls.
    earlier : int
        Periods before the window.
    left_out : int
        Areas of the cohort without a whole record.
    """

    treated: Rows
    pool: Rows
    recent: Floats
    expected: Floats
    earlier: int
    left_out: int

    def sums(self, rows: Rows) -> Floats:
        """Return the sums of R, H, R R, R H and H H over areas (last axis), R being recent and H expected."""
        r, h = self.recent[rows], self.expected[rows]
        return np.stack([x.sum(axis=-1) for x in (r, h, r * r, r * h, h * h)])

    @cached_property
    def lot(self) -> Rows:
        """Areas that a choice by lot is made from.

        Where the others are at least three times as many as the treated, they alone: with the treated among
        them, the very high that is looked for would make the choices by lot look high as well.
        """
        others = np.setdiff1d(self.pool, self.treated, assume_unique=True)
        return others if len(others) >= 3 * len(self.treated) else self.pool

    @cached_property
    def pool_sums(self) -> Floats:
        """The sums over the pool."""
        return self.sums(self.pool)

    @cached_property
    def lot_sums(self) -> Floats:
        """The sums over the areas that a choice by lot is made from."""
        return self.sums(self.lot)


def _width(design: Design) -> int | None:
    arrays = design.arrays
    before = int(arrays.start[treated_indices(design)].min()) - design.anticipation
    width = min(per_year(arrays.periods), before // 2)
    # A window of one period holds the noise of one period; a yearly panel has nothing shorter to offer.
    shortest = 1 if per_year(arrays.periods) == 1 else 2
    return width if width >= shortest and before >= 2 * shortest else None


def _cohorts(design: Design, width: int) -> list[_Cohort] | str:
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
        groups.append(_Cohort(treated, pool, y[:, window].sum(axis=1), expected, end - width, left_out))
    if not groups:
        return "no treated area has a whole record before its start"
    if min(len(g.pool) - len(g.treated) for g in groups) < 3:
        return "fewer than three areas were still untreated when the last ones started"
    ways = sum(math.log(math.comb(len(g.pool), len(g.treated))) for g in groups)
    if ways < math.log(20):
        return "there are too few areas for a comparison with a choice by lot"
    return groups


def _draw(groups: list[_Cohort], seed: int) -> list[Rows]:
    """Choose areas by lot for each cohort, shape (DRAWS, areas of the cohort), in the panel's order of areas."""
    rng = np.random.default_rng(derive_seed(seed, _NAME))
    drawn = []
    for group in groups:
        k, m = len(group.treated), len(group.lot)
        step = max(1, 4_000_000 // m)  # draws at a time, so that 35,000 areas need no gigabyte
        blocks = [min(step, DRAWS - i) for i in range(0, DRAWS, step)]
        picks = [np.argsort(rng.random((size, m)), axis=1)[:, :k] for size in blocks]
        drawn.append(group.lot[np.concatenate(picks)])
    return drawn


def _excess(groups: list[_Cohort], chosen: list[Rows], *, real: bool = False) -> tuple[Floats, Floats]:
    """Return the log of observed to expected over the chosen areas, and its ratio to its standard error.

    Each of the D rows of `chosen` is one choice. With O and E the sums over chosen areas, E scaled by the change
    C_R / C_H of the others in each cohort, the influence of a chosen area on log(O / E) is ``R_i / O - E_i / E`` and
    that of another ``-w (R_j / C_R - H_j / C_H)``, w being its cohort's share of E. NaN where a sum is zero.
    """
    draws = len(chosen[0])
    O, E, RR, RE, EE, of_controls, scatter, mass = np.zeros((8, draws))
    n = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        for group, picked in zip(groups, chosen, strict=True):
            own = group.sums(picked)
            C_R, C_H, C_RR, C_RH, C_HH = (group.pool_sums if real else group.lot_sums)[:, None] - own
            growth = C_R / C_H
            expected = growth * own[1]
            O, E = O + own[0], E + expected
            RR, RE, EE = RR + own[2], RE + growth * own[3], EE + growth**2 * own[4]
            of_controls += expected**2 * (C_RR / C_R**2 - 2 * C_RH / (C_R * C_H) + C_HH / C_H**2)
            scatter, mass = scatter + C_RR - 2 * growth * C_RH + growth**2 * C_HH, mass + C_R
            n += picked.shape[1]
        # A single area has no scatter of its own: the controls' variance for each expected event stands in.
        of_chosen = (RR / O**2 - 2 * RE / (O * E) + EE / E**2) * n / (n - 1) if n > 1 else scatter / mass / E
        log_excess = np.log(O / E)
        t = log_excess / np.sqrt(of_chosen + of_controls / E**2)
    known = np.isfinite(log_excess) & np.isfinite(t)
    return np.where(known, log_excess, np.nan), np.where(known, t, np.nan)


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


def _say(
    result: Result,
    table: pd.DataFrame,
    groups: list[_Cohort],
    *,
    log_excess: float,
    p: float,
    stays: float,
    fades: float,
    bias: float,
    width: int,
) -> CheckResult:
    design = result.design
    assert design is not None
    size = change(math.exp(log_excess), "rate_ratio")
    left = sum(g.left_out for g in groups)
    out = f" {left} treated areas without a whole record before their start are left out." if left else ""
    head = (
        f"In the last {span(design, width)} before the start, treated areas stood {size} from what their own earlier "
        f"record and the change in control areas would give"
    )
    if p >= 0.05:
        text = (
            f"{head}, which areas chosen by lot do as well ({p_words(p)}). There is no clear sign that they were "
            "chosen at a passing high."
        )
        return CheckResult(_NAME, "passed", text + out, table)
    real = average_effect(result)
    found = f" The effect found is {change_of(real)}." if real is not None and real.scale == "rate_ratio" else ""
    text = (
        f"{head}; areas chosen by lot rarely stand so high ({p_words(p)}). Areas seem to have been chosen at a passing "
        f"high.{found}"
    )
    if math.isfinite(stays):
        text += (
            f" In control areas about {100 * stays:.0f}% of such a high is still there a window later, so the treated "
            f"areas' rate would have changed by {change(fades, 'rate_ratio')} by itself from where it stood. In a "
            f"comparison with the whole time before the start, that alone looks like an effect of about "
            f"{change(bias, 'rate_ratio')}; in a comparison with the last period before the start it is more."
        )
    else:
        text += " The record is too short to say how much of it would have faded by itself."
    text += " A rise that went on through the whole time before looks the same here: see the pre-trends."
    return CheckResult(_NAME, "failed", text + out, table)
