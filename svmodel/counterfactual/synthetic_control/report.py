"""Rows of estimates, weights, balance and the counterfactual path of a synthetic control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.counterfactual.series import quiet_donors
from svmodel.counterfactual.synthetic_control.fit import (
    FAR,
    Fitted,
    Gaps,
    Placebos,
    Spread,
    horizons,
    predictor_values,
    spread_of,
)
from svmodel.counterfactual.synthetic_control.units import Layout, Slot
from svmodel.design import Design
from svmodel.errors import shorten
from svmodel.inference import doubts
from svmodel.result.scales import is_rounding

if TYPE_CHECKING:
    from svmodel.counterfactual.synthetic_control import SyntheticControl


ALL_TREATED = "all treated"


def effect_rows(
    term: str,
    estimate: float,
    spread: Spread,
    size: tuple[float, float, float | None],
    *,
    counts: bool,
    level: float,
    **which: Any,
) -> list[dict[str, Any]]:
    """Return one effect on every scale.

    Parameters
    ----------
    estimate : float
        In the outcome's units per treated area-period, as are the numbers of `spread`.
    size : (observed, cells, exposure or None)
        Sums over the area-periods that the effect is about.
    counts : bool
        Whether the outcome is a count; a measure has its difference only.

    Notes
    -----
    The observed sum O is held, so that with N area-periods ``R = O / (O - N difference)`` at the estimate and at both
    limits.
    """
    if is_rounding(estimate, spread.std_error):
        spread = Spread()
    observed, cells, exposure = size
    shared = {"term": term, "level": level, "p_value": spread.p_value, **which}
    factors = [("difference", 1.0)]
    if counts:
        if exposure is not None:
            factors.append(("per_100k", 1e5 * cells / exposure))
        factors.append(("events", cells))
    rows = [
        {
            "scale": scale,
            "estimate": estimate * f,
            "std_error": spread.std_error * f,
            "conf_low": spread.low * f,
            "conf_high": spread.high * f,
            **shared,
        }
        for scale, f in factors
    ]
    expected = observed - estimate * cells
    if counts and expected > 0:
        ratio = observed / expected
        error = ratio**2 * spread.std_error * cells / observed if observed > 0 else math.nan
        limits = {"conf_low": _ratio(observed, spread.low * cells), "conf_high": _ratio(observed, spread.high * cells)}
        rows.append({"scale": "rate_ratio", "estimate": ratio, "std_error": error, **limits, **shared})
    return rows


def _ratio(observed: float, events: float) -> float:
    rest = observed - events
    if math.isnan(rest):
        return math.nan
    return observed / rest if rest > 0 else math.inf


def sums(layout: Layout, slots: Sequence[Slot], times: Sequence[Any]) -> tuple[float, float, float | None]:
    """Return observed, area-periods and exposure of the slots over their `times`."""
    observed = sum(float(layout.y[np.ix_(s.rows, t)].sum()) for s, t in zip(slots, times, strict=True))
    cells = sum(len(s.rows) * len(t) for s, t in zip(slots, times, strict=True))
    exposure = sum(float(s.exposure[t].sum()) for s, t in zip(slots, times, strict=True))
    return observed, float(cells), None if layout.arrays.exposure is None else exposure


def event_rows(layout: Layout, real: Gaps, made: Placebos, *, counts: bool, level: float) -> list[dict[str, Any]]:
    """Rows of ``event``; at negative horizons they are what the fit leaves over."""
    rows: list[dict[str, Any]] = []
    errors = made.of("by_horizon") if len(made) else np.empty((0, len(real.by_horizon)))
    for i, h in enumerate(horizons(layout)):
        times = []
        for s in layout.slots:
            t = int(layout.arrays.start[s.rows[0]]) + int(h)
            used = np.concatenate([s.before, s.after])
            times.append(used[used == t])
        size = sums(layout, layout.slots, times)
        estimate = float(real.by_horizon[i])
        spread = spread_of(estimate, errors[:, i], level)
        rows += effect_rows("event", estimate, spread, size, counts=counts, level=level, horizon=int(h))
    return rows


def counterfactual(
    layout: Layout, fits: Sequence[Fitted], real: Gaps, made: Placebos, *, counts: bool, level: float
) -> pd.DataFrame:
    """Observed and synthetic outcomes, of areas that are matched alone and of all treated together.

    ``low`` and ``high`` are the synthetic outcome less and plus what placebo gaps of that period reach.
    """
    errors = made.of("by_period") if len(made) else np.empty((0, layout.y.shape[1]))
    parts: list[dict[str, Any]] = []
    used = [np.sort(np.concatenate([s.before, s.after])) for s in layout.slots]
    own = [(s, f, t) for s, f, t in zip(layout.slots, fits, used, strict=True) if len(s.rows) == 1]
    for s, f, t in sorted(own, key=lambda item: int(item[0].rows[0])):
        observed = layout.y[s.rows[0], t]
        expected = observed - f.gap[t] * s.exposure[t]
        limits = errors[:, t] if len(layout.slots) == 1 else np.empty((0, len(t)))
        parts += _path(layout, layout.arrays.areas[int(s.rows[0])], t, observed, expected, limits, counts, level)
    times = np.flatnonzero(np.isfinite(real.by_period))
    observed = np.zeros(layout.y.shape[1])
    for s, t in zip(layout.slots, used, strict=True):
        observed[t] += layout.y[np.ix_(s.rows, t)].sum(axis=0)
    expected = observed - real.by_period
    parts += _path(layout, ALL_TREATED, times, observed[times], expected[times], errors[:, times], counts, level)
    columns = ["area", "period", "observed", "expected", "low", "high"]
    frame = pd.DataFrame(parts, columns=columns)
    return frame.astype({"area": object, "period": object} | dict.fromkeys(columns[2:], np.float64))


def _path(
    layout: Layout, name: str, times: Any, observed: Any, expected: Any, errors: Any, counts: bool, level: float
) -> list[dict[str, Any]]:
    rows = []
    for i, t in enumerate(times):
        gap = float(observed[i] - expected[i])
        spread = spread_of(gap, errors[:, i], level)
        low, high = float(observed[i]) - spread.high, float(observed[i]) - spread.low
        rows.append(
            {
                "area": name,
                "period": layout.arrays.periods[int(t)],
                "observed": float(observed[i]),
                "expected": float(expected[i]),
                # a count that may be expected is never below zero
                "low": max(low, 0.0) if counts and low == low else low,  # noqa: PLR0124 - not a number
                "high": high,
            }
        )
    return rows


def weights_frame(layout: Layout, fits: Sequence[Fitted]) -> pd.DataFrame:
    """Return donors that carry weight, and the weights of predictors, group by group."""
    rows: list[dict[str, Any]] = []
    names = layout.arrays.areas
    for s, f in zip(layout.slots, fits, strict=True):
        unit = ", ".join(sorted(names[int(i)] for i in s.rows))
        donors = sorted((names[int(d)], float(w)) for d, w in zip(f.donors, f.weights, strict=True) if w != 0)
        rows += [{"role": "donor", "unit": unit, "area": a, "predictor": None, "weight": w} for a, w in donors]
        if f.nested is not None:
            pairs = zip(layout.predictors, f.nested.v, strict=True)
            rows += [
                {"role": "predictor", "unit": unit, "area": None, "predictor": p.label, "weight": float(v)}
                for p, v in pairs
            ]
    frame = pd.DataFrame(rows, columns=["role", "unit", "area", "predictor", "weight"])
    return frame.astype(dict.fromkeys(("role", "unit", "area", "predictor"), object)).astype({"weight": np.float64})


def balance(layout: Layout, fits: Sequence[Fitted]) -> pd.DataFrame:
    """Return what was matched: of the treated group, of its synthetic control, and of the donors on average.

    Rates of the outcome are per 100,000 where the design has an exposure. ``gap`` is treated less synthetic in
    standard deviations over the donors.
    """
    names, factor = layout.arrays.areas, 1.0 if layout.arrays.exposure is None else 1e5
    rows: list[dict[str, Any]] = []
    for k, (s, f) in enumerate(zip(layout.slots, fits, strict=True)):
        unit = ", ".join(sorted(names[int(i)] for i in s.rows))
        donors = layout.rates[np.ix_(f.donors, s.before)].mean(axis=1)
        own = float((f.path + f.gap)[s.before].mean())
        found = [("outcome before the start", own, float(f.path[s.before].mean()), donors, factor)]
        if layout.predictors:
            X0, x1 = predictor_values(layout, k, s.rows, f.donors)
            for p, row, value in zip(layout.predictors, X0, x1, strict=True):
                unit_of = factor if p.column == "outcome" else 1.0
                found.append((p.label, float(value), float(row @ f.weights), row, unit_of))
        for name, treated, synthetic, values, times in found:
            spread = float(np.std(values, ddof=1))
            rows.append(
                {
                    "unit": unit,
                    "predictor": name,
                    "treated": treated * times,
                    "synthetic": synthetic * times,
                    "donor_mean": float(np.mean(values)) * times,
                    "gap": (treated - synthetic) / spread if spread > 0 else math.nan,
                }
            )
    return pd.DataFrame(rows)


#: Fewer donors than this make a comparison that few readers would call synthetic.
_FEW_DONORS = 5


def say(
    estimator: SyntheticControl,
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    made: Placebos,
    table: pd.DataFrame,
    *,
    p_ratio: float,
) -> list[str]:
    """Return the notes, gravest first."""
    return [
        *_outside(design, layout, fits),
        *errors_told(estimator, layout, made, p_ratio, held_back=any(f.outside for f in fits)),
        *_fit(estimator, design, layout, fits, real, table),
        *_left_out(design, layout),
        *quiet_donors(design, layout.y[np.ix_(layout.donors, layout.slots[0].before)]),
        *doubts(design, additive=True, rates=True),
    ]


def _names(design: Design, layout: Layout, rows: Sequence[int] | np.ndarray) -> str:
    return shorten([design.panel.label(layout.arrays.areas[int(i)]) for i in rows]).replace("'", "")


def _outside(design: Design, layout: Layout, fits: Sequence[Fitted]) -> list[str]:
    notes = []
    for s, f in zip(layout.slots, fits, strict=True):
        if not f.outside:
            continue
        A = layout.rates[np.ix_(f.donors, s.before)]
        own = (f.path + f.gap)[s.before]
        above, below = int((own > A.max(axis=0)).sum()), int((own < A.min(axis=0)).sum())
        side = f"above every donor in {above} and below every donor in {below} of {len(own)} periods before the start"
        notes.append(
            f"OUTSIDE THE DONORS' HULL: {_names(design, layout, s.rows)} lies {side}, and no weighting of donors "
            f"follows it: what is left over systematically is {f.misfit:.2f} of the donors' standard deviation, above "
            f"the limit of {FAR}. The gap after the start mixes this misfit with the effect, and placebo areas that "
            "are matched well cannot show how large it is, so no interval and no p-value is given (Abadie 2021; "
            "Ferman and Pinto 2021). Take donors more like it, rates instead of counts, or "
            "intercept=True where only levels differ."
        )
    return notes


def errors_told(
    estimator: SyntheticControl, layout: Layout, made: Placebos, p_ratio: float, *, held_back: bool
) -> list[str]:
    """Return one note on what errors rest on; none where they are held back."""
    J, m = len(layout.donors), sum(len(s.rows) for s in layout.slots)
    if not len(made):
        text = f"{J} donors are too few to put {m} of them in the treated areas' place and match them by the rest"
        return [f"{text}, so there is no error, no interval and no p-value."]
    if held_back:
        return []
    n = len(made)
    if m == 1:
        what = f"each of the {n} donors in turn was given the treated area's start"
    elif made.enumerated:
        what = f"the treated areas' places were dealt out among the donors in all {n} ways"
    else:
        what = f"the treated areas' places were dealt out among the donors in {n} ways drawn by lot"
    text = (
        f"Errors rest on placebos in space: {what} and matched by the others, treated areas left out. Interval and "
        "p-value suppose that treated areas would have strayed from their synthetic control as donors of their size "
        f"stray from theirs. By the ratio of the gaps after and before the start p = {p_ratio:.3f} (Abadie, Diamond "
        "and Hainmueller 2010)."
    )
    needed = int(np.ceil(1 / (1 - estimator.level) - 1e-9)) - 1
    if n < needed:
        text += (
            f" With {n} placebos no p-value can be below {1 / (n + 1):.3f}, so a {estimator.level:.0%} interval would "
            f"be without limits and is not given; it takes {needed}."
        )
    return [text]


def _fit(
    estimator: SyntheticControl,
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    table: pd.DataFrame,
) -> list[str]:
    notes = []
    word = period_words.describe_frequency(layout.arrays.periods)
    level = np.mean([layout.y[np.ix_(s.rows, s.before)].mean() for s in layout.slots])
    share = f" ({real.before / level:.0%} of the level)" if level > 0 else ""
    carrying = sorted({int((f.weights != 0).sum()) for f in fits})
    number = f"{carrying[0]} to {carrying[-1]}" if len(carrying) > 1 else f"{carrying[0]}"
    notes.append(
        f"Before the start observed and synthetic outcomes differ by {real.before:.3g} per area and {word}{share}, "
        f"root mean square, and after it by {real.after:.3g}. {number} of {len(layout.donors)} donors carry weight."
    )
    if len(layout.donors) < _FEW_DONORS:
        notes.append(f"Only {len(layout.donors)} donors: what else happened in one of them passes for the effect.")
    shortest = min(len(f.target) for f in fits)
    if estimator.method == "outcome" and shortest < len(layout.donors):
        coarse = f"blocks of {estimator.block}" if estimator.block > 1 else f"{word}s"
        notes.append(
            f"{shortest} {coarse} before the start and {len(layout.donors)} donors: weights can follow noise, so that "
            "the fit before the start looks better than it is. The placebos are fitted in the same way."
        )
    if estimator.augment == "ridge":
        negative = max(float(-np.minimum(f.weights, 0).sum()) for f in fits)
        notes.append(
            f"Ridge augmentation mends the misfit by a linear model; the negative weights it needs sum to "
            f"{-negative:.2f}, which is how far it extrapolates beyond the donors."
        )
    if layout.predictors:
        far = table[(table["gap"].abs() > FAR) & (table["predictor"] != "outcome before the start")]
        if len(far):
            which = shorten(sorted(set(far["predictor"]))).replace("'", "")
            notes.append(
                f"Not balanced within {FAR} standard deviations of the donors: {which}. V gives such predictors little "
                "weight where others tell more of the outcome before the start."
            )
        losses = [f.nested for f in fits if f.nested is not None]
        worst = max(n.loss / n.bound if n.bound > 0 else 1.0 for n in losses)
        notes.append(
            f"V was chosen by the fit before the start; its mean square is {worst:.2f} times that of the best weights "
            "without predictors."
        )
    unused = [c for c in design.covariates if c not in {p.column for p in layout.predictors}]
    if unused:
        notes.append(f"Covariates of the design that no predictor names are not used: {shorten(unused)}.")
    if layout.arrays.exposure is None and design.is_count:
        notes.append(
            "Without an exposure numbers are matched, not rates: donors have to be as large as the treated area."
        )
    return notes


def _left_out(design: Design, layout: Layout) -> list[str]:
    notes = []
    if len(layout.dropped):
        which = _names(design, layout, layout.dropped)
        notes.append(f"{len(layout.dropped)} areas never treated have gaps and are no donors: {which}.")
    if len(layout.left_out):
        times = shorten([period_words.label(layout.arrays.periods[int(t)]) for t in layout.left_out]).replace("'", "")
        notes.append(f"{times}: unknown in most areas never treated, and left out.")
    if len(layout.lost):
        which = _names(design, layout, layout.lost)
        notes.append(f"{which}: too little is known before or after the start, so left out of every effect.")
    wanted = int(layout.arrays.treated.sum())
    if layout.cells < wanted:
        notes.append(f"The average effect is taken over {layout.cells:,} of {wanted:,} treated area-periods.")
    start, T = layout.arrays.start, len(layout.arrays.periods)
    staggered = {int(start[s.rows[0]]) for s in layout.slots}
    later = int(((start < 10**6) & (start < T)).sum()) - sum(len(s.rows) for s in layout.slots) - len(layout.lost)
    if len(staggered) > 1:
        notes.append(
            f"{len(staggered)} starts: each is matched on the time before its own, by areas that are never treated."
        )
    if later > 0:
        notes.append(f"{later} areas whose treated periods are not known are left out.")
    return notes
