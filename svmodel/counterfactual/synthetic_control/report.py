"""Rows of estimates, weights, balance and the counterfactual path of a synthetic control."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.counterfactual.series import zero_donors
from svmodel.counterfactual.synthetic_control.fit import (
    FAR,
    Fitted,
    Gaps,
    Matching,
    Placebos,
    Spread,
    gaps,
    horizons,
    own_placebos,
    predictor_values,
    spread_of,
)
from svmodel.counterfactual.synthetic_control.units import Layout, Slot
from svmodel.design import Design
from svmodel.errors import shorten
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result.doubts import design_doubts, shared_noise
from svmodel.result.notes import Note, Notes, ResultWarning
from svmodel.result.scales import is_rounding
from svmodel.result.tables import ALL_TREATED, observed_and_expected


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
    numbers = {"estimate": estimate, "std_error": spread.std_error, "conf_low": spread.low, "conf_high": spread.high}
    out = [{"scale": s, **{k: v * f for k, v in numbers.items()}, **shared} for s, f in factors]
    expected = observed - estimate * cells
    if counts and expected > 0:
        ratio = observed / expected
        error = ratio**2 * spread.std_error * cells / observed if observed > 0 else math.nan
        limits = {"conf_low": _ratio(observed, spread.low * cells), "conf_high": _ratio(observed, spread.high * cells)}
        out.append({"scale": "rate_ratio", "estimate": ratio, "std_error": error, **limits, **shared})
    return out


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


def rows(
    layout: Layout, fits: Sequence[Fitted], real: Gaps, made: Placebos, how: Matching, *, counts: bool, level: float
) -> list[dict[str, Any]]:
    """Return the rows of every term.

    Rows of ``event`` at negative horizons are what the fit leaves over. Of several groups, areas that are matched alone
    have placebos of their own.
    """
    slots, out = layout.slots, []

    def add(
        term: str, estimate: float, errors: Floats, over: Sequence[Slot], times: Sequence[Ints], **which: Any
    ) -> None:
        spread = spread_of(estimate, errors, level)
        out.extend(effect_rows(term, estimate, spread, sums(layout, over, times), counts=counts, level=level, **which))

    add("att", real.average, made.averages, slots, [s.after for s in slots])
    errors = made.columns("by_horizon", len(real.by_horizon))
    starts = [int(layout.arrays.start[s.rows[0]]) for s in slots]
    for i, h in enumerate(horizons(layout).tolist()):
        used = [np.concatenate([s.before, s.after]) for s in slots]
        times = [u[u == start + h] for u, start in zip(used, starts, strict=True)]
        add("event", float(real.by_horizon[i]), errors[:, i], slots, times, horizon=h)
    alone = [(int(s.rows[0]), k) for k, s in enumerate(slots) if len(s.rows) == 1]
    for row, k in sorted(alone):
        own = own_placebos(how, layout, k, fits[k]) if len(slots) > 1 and not fits[k].outside else made
        estimate, name = gaps(layout, [fits[k]], [k]).average, layout.arrays.areas[row]
        add("area", estimate, own.averages, [slots[k]], [slots[k].after], area=name)
    return out


def counterfactual(
    layout: Layout, fits: Sequence[Fitted], real: Gaps, made: Placebos, *, counts: bool, level: float
) -> pd.DataFrame:
    """Observed and synthetic outcomes, of areas that are matched alone and of all treated together.

    ``low`` and ``high`` are the synthetic outcome less and plus what placebo gaps of that period reach.
    """
    T = layout.y.shape[1]
    errors = made.columns("by_period", T)
    used = [np.sort(np.concatenate([s.before, s.after])) for s in layout.slots]

    def part(name: str, times: Ints, observed: Floats, expected: Floats, errors: Floats) -> pd.DataFrame:
        spreads = [
            spread_of(float(o - e), errors[:, i], level)
            for i, (o, e) in enumerate(zip(observed, expected, strict=True))
        ]
        low = observed - np.array([s.high for s in spreads])
        return observed_and_expected(
            [name] * len(times),
            layout.arrays.periods[times],
            observed=observed,
            expected=expected,
            # a count that may be expected is never below zero
            low=np.maximum(low, 0.0) if counts else low,
            high=observed - np.array([s.low for s in spreads]),
        )

    parts = []
    own = [(int(s.rows[0]), s, f, t) for s, f, t in zip(layout.slots, fits, used, strict=True) if len(s.rows) == 1]
    for row, s, f, t in sorted(own, key=lambda item: item[0]):
        observed = layout.y[row, t]
        shown = errors[:, t] if len(layout.slots) == 1 else np.empty((0, len(t)))
        parts.append(part(layout.arrays.areas[row], t, observed, observed - f.gap[t] * s.exposure[t], shown))
    total = np.zeros(T)
    for s, t in zip(layout.slots, used, strict=True):
        total[t] += layout.y[np.ix_(s.rows, t)].sum(axis=0)
    times = np.flatnonzero(np.isfinite(real.by_period))
    parts.append(part(ALL_TREATED, times, total[times], (total - real.by_period)[times], errors[:, times]))
    return pd.concat(parts, ignore_index=True)


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


#: Share of the standard error (of the estimate, without one) by which effects of equally good V may differ unsaid.
_DIFFER = 0.25


def search_of_v(layout: Layout, fits: Sequence[Fitted]) -> dict[str, list[list[float]]]:
    """Return, group by group, the losses that starts of the search for V came to, and the effects of those as good."""
    if not layout.predictors:
        return {}
    effects = []
    for s, f in zip(layout.slots, fits, strict=True):
        rivals = f.weights[None, :] if f.nested is None else f.nested.rivals
        own = layout.y[s.rows].sum(axis=0) / layout.exposure[s.rows].sum(axis=0)
        gap = own[s.after] - rivals @ layout.rates[np.ix_(f.donors, s.after)]
        effects.append(((gap * s.exposure[s.after]).mean(axis=1) / len(s.rows)).tolist())
    return {"v_losses": [[] if f.nested is None else f.nested.losses.tolist() for f in fits], "v_effects": effects}


def rivals_differ(layout: Layout, fits: Sequence[Fitted], std_error: float) -> list[Note]:
    """Return a warning where V that fit as well give other effects."""
    found: list[Note] = []
    for effects in search_of_v(layout, fits).get("v_effects", []):
        low, high = min(effects), max(effects)
        unit = std_error if std_error > 0 else abs(effects[0])
        if high - low > _DIFFER * unit:
            text = (
                f"The search for V came to {len(effects)} points that fit the time before the start as well (mean "
                f"square within 1%), and their effects lie between {low:.3g} and {high:.3g} per area and period: which "
                "of them is reported hangs on little. Give v, fewer predictors, or match every period."
            )
            found.append(ResultWarning("fit", text))
    return found


#: Fewer donors than this make a comparison that few readers would call synthetic.
_FEW_DONORS = 5


def _names(design: Design, layout: Layout, rows: Iterable[int]) -> str:
    return shorten([design.panel.label(layout.arrays.areas[int(i)]) for i in rows]).replace("'", "")


def _codes(layout: Layout, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(layout.arrays.areas[int(i)] for i in rows)


def outside_hull(design: Design, layout: Layout, fits: Sequence[Fitted]) -> list[Note]:
    """Return a warning for each group that no weighting of donors follows."""
    found: list[Note] = []
    for s, f in zip(layout.slots, fits, strict=True):
        if not f.outside:
            continue
        A = layout.rates[np.ix_(f.donors, s.before)]
        own = (f.path + f.gap)[s.before]
        above, below = int((own > A.max(axis=0)).sum()), int((own < A.min(axis=0)).sum())
        side = f"above every donor in {above} and below every donor in {below} of {len(own)} periods before the start"
        text = (
            f"OUTSIDE THE DONORS' HULL: {_names(design, layout, s.rows)} lies {side}, and no weighting of donors "
            f"follows it: what is left over systematically is {f.misfit:.2f} of the donors' standard deviation, above "
            f"the limit of {FAR}. The gap after the start mixes this misfit with the effect, and placebo areas that "
            "are matched well cannot show how large it is, so no interval and no p-value is given (Abadie 2021; "
            "Ferman and Pinto 2021). Take donors more like it, rates instead of counts, or "
            "intercept=True where only levels differ."
        )
        found.append(ResultWarning("fit", text, _codes(layout, s.rows)))
    return found


def errors_rest_on(layout: Layout, made: Placebos, hull: Sequence[Note], p_ratio: float, level: float) -> Note:
    """Return what errors rest on, or why there are none; `hull` has the warnings of :func:`outside_hull`."""
    J, m, n = len(layout.donors), sum(len(s.rows) for s in layout.slots), len(made)
    if not n:
        text = f"{J} donors are too few to put {m} of them in the treated areas' place and match them by the rest"
        return f"{text}, so there is no error, no interval and no p-value."
    if hull:
        return hull[0]
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
    needed = int(np.ceil(1 / (1 - level) - 1e-9)) - 1
    if n >= needed:
        return text
    coarse = (
        f" With {n} placebos no p-value can be below {1 / (n + 1):.3f}, so a {level:.0%} interval would "
        f"be without limits and is not given; it takes {needed}."
    )
    return ResultWarning("interval", text + coarse)


def notes_of(
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    matched: pd.DataFrame,
    how: Matching,
    first: Iterable[Note],
) -> Notes:
    """Return the notes; `first` comes before all others, and `matched` is what :func:`balance` gives."""
    notes = Notes(*first)
    _on_fit(notes, design, layout, fits, real, matched, how)
    _on_data(notes, design, layout)
    notes.add(zero_donors(design, layout.y[np.ix_(layout.donors, layout.slots[0].before)]))
    notes.add([*design_doubts(design, additive=True, rates=True), *shared_noise(design)])
    return notes


def _on_fit(
    notes: Notes,
    design: Design,
    layout: Layout,
    fits: Sequence[Fitted],
    real: Gaps,
    matched: pd.DataFrame,
    how: Matching,
) -> None:
    word = period_words.describe_frequency(layout.arrays.periods)
    level = np.mean([layout.y[np.ix_(s.rows, s.before)].mean() for s in layout.slots])
    share = f" ({real.before / level:.0%} of the level)" if level > 0 else ""
    carrying = sorted({int((f.weights != 0).sum()) for f in fits})
    number = f"{carrying[0]} to {carrying[-1]}" if len(carrying) > 1 else f"{carrying[0]}"
    notes.say(
        f"Before the start observed and synthetic outcomes differ by {real.before:.3g} per area and {word}{share}, "
        f"root mean square, and after it by {real.after:.3g}. {number} of {len(layout.donors)} donors carry weight."
    )
    if len(layout.donors) < _FEW_DONORS:
        text = f"Only {len(layout.donors)} donors: what else happened in one of them passes for the effect."
        notes.warn("identification", text)
    shortest = min(len(f.target) for f in fits)
    if not how.by_predictors and shortest < len(layout.donors):
        coarse = f"blocks of {how.block}" if how.block > 1 else f"{word}s"
        notes.say(
            f"{shortest} {coarse} before the start and {len(layout.donors)} donors: weights can follow noise, so that "
            "the fit before the start looks better than it is. The placebos are fitted in the same way."
        )
    if how.ridge:
        negative = max(float(-np.minimum(f.weights, 0).sum()) for f in fits)
        notes.say(
            f"Ridge augmentation mends the misfit by a linear model; the negative weights it needs sum to "
            f"{-negative:.2f}, which is how far it extrapolates beyond the donors."
        )
    if layout.predictors:
        far = matched[(matched["gap"].abs() > FAR) & (matched["predictor"] != "outcome before the start")]
        if len(far):
            which = shorten(sorted(set(far["predictor"]))).replace("'", "")
            notes.say(
                f"Not balanced within {FAR} standard deviations of the donors: {which}. V gives such predictors little "
                "weight where others tell more of the outcome before the start."
            )
        losses = [f.nested for f in fits if f.nested is not None]
        worst = max(n.loss / n.bound if n.bound > 0 else 1.0 for n in losses)
        chosen = "V was given" if how.v is not None else "V was chosen by the fit before the start"
        notes.say(f"{chosen}; its mean square is {worst:.2f} times that of the best weights without predictors.")
        gaps_in = layout.lacking
        if gaps_in:
            notes.say(f"Averaged over the {word}s that are known, not all: {shorten(gaps_in)}.".replace("'", ""))
    unused = [c for c in design.covariates if c not in {p.column for p in layout.predictors}]
    if unused:
        notes.say(f"Covariates of the design that no predictor names are not used: {shorten(unused)}.")
    if layout.arrays.exposure is None and design.is_count:
        notes.say("Without an exposure numbers are matched, not rates: donors have to be as large as the treated area.")


def _on_data(notes: Notes, design: Design, layout: Layout) -> None:
    if len(layout.dropped):
        which = _names(design, layout, layout.dropped)
        notes.say(f"{len(layout.dropped)} areas never treated have gaps and are no donors: {which}.")
    if len(layout.left_out):
        times = shorten([period_words.label(layout.arrays.periods[int(t)]) for t in layout.left_out]).replace("'", "")
        notes.say(f"{times}: unknown in most areas never treated, and left out.")
    if len(layout.lost):
        which = _names(design, layout, layout.lost)
        text = f"{which}: too little is known before or after the start, so left out of every effect."
        notes.warn("identification", text, _codes(layout, layout.lost))
    wanted = int(layout.arrays.treated.sum())
    if layout.cells < wanted:
        text = f"The average effect is taken over {layout.cells:,} of {wanted:,} treated area-periods."
        notes.warn("identification", text)
    start, T = layout.arrays.start, len(layout.arrays.periods)
    starts = {int(start[s.rows[0]]) for s in layout.slots}
    later = int(((start < 10**6) & (start < T)).sum()) - sum(len(s.rows) for s in layout.slots) - len(layout.lost)
    if len(starts) > 1:
        notes.say(f"{len(starts)} starts: each is matched on the time before its own, by areas that are never treated.")
    if later > 0:
        notes.say(f"{later} areas whose treated periods are not known are left out.")
