"""Rows of estimates, weights, balance and the counterfactual path of a synthetic control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from svmodel.counterfactual._sc_fit import Fitted, predictor_values
from svmodel.counterfactual._sc_placebos import Gaps, Placebos, Spread, horizons, spread_of
from svmodel.estimates import is_rounding

if TYPE_CHECKING:
    from svmodel.counterfactual._sc_units import Layout, Slot

__all__ = ["ALL_TREATED", "balance", "counterfactual", "effect_rows", "event_rows", "sums", "weights_frame"]

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
