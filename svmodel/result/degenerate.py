"""What no table of estimates may hold: intervals without width, limits that bound nothing, errors that are rounding.

Every result goes through here when it is made, whatever its method, so that no method has to remember it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel.design import Design
from svmodel.numerics.arrays import Floats, Mask
from svmodel.result.notes import Note, ResultWarning

#: Errors and intervals below this share of what they belong to are what rounding leaves over.
ROUNDING = 1e-10
#: No p-value is given below this: so far out a tail is the model's and not the data's.
LEAST_P = 1e-16
#: Said of an average effect to which its method gave no interval, without a word on why.
NO_INTERVAL = ResultWarning(
    "interval",
    "The average effect has no interval: what its errors would rest on shows no noise, or too little to tell it from "
    "rounding.",
)
_KEY = ["term", "area", "cohort", "period", "horizon"]
_LIMITS = ["conf_low", "conf_high"]


@dataclass(frozen=True, eq=False)
class Sound:
    """A table of estimates without degenerate numbers, and what is said of those that it no longer holds.

    Attributes
    ----------
    estimates : pandas.DataFrame
    notes : tuple of str or ResultWarning
        A warning where the average effect lost its interval.
    """

    estimates: pd.DataFrame
    notes: tuple[Note, ...] = ()


def level_of(design: Design | None) -> float:
    """Return the largest size of the outcome, against which a rounding error is told; 0 where it is not known."""
    # a design with problems has no arrays, and is none of this room's business
    if not isinstance(design, Design) or design.outcome not in design.panel.outcomes:
        return 0.0
    size = np.abs(design.panel.matrix(design.outcome))
    return float(np.nanmax(size)) if np.isfinite(size).any() else 0.0


def sound(estimates: pd.DataFrame, level: float = 0.0) -> Sound:
    """Return the estimates with every degenerate number missing, and the reasons.

    Parameters
    ----------
    estimates : pandas.DataFrame
        Columns :data:`svmodel.result.COLUMNS`.
    level : float
        Size of the outcome, in its own units; see :func:`level_of`.

    Notes
    -----
    *No noise.* An interval of no width is no interval: a perfect fit, a constant series or rounding made it. Error,
    limits and p-value go, on every scale of the estimate. A reference period, zero by construction, keeps its zeros.

    *Ratio of nothing.* Of no event observed the ratio is 0 whatever was to be expected; limits of 0 to 0 go, those of
    the events stay.

    *No bound.* Limits that are infinite on both sides (0 and infinity of a ratio) bound nothing and are missing. One
    infinite limit beside a finite one stays: it says that the data bound one side alone.

    *Tails.* p-values below 1e-16 are given as 1e-16.

    Examples
    --------
    >>> from svmodel.result.scales import estimates_frame, linear_row
    >>> row = {**linear_row("att", "events", -80.0, 1.0), "conf_low": -np.inf, "conf_high": -np.inf}
    >>> found = sound(estimates_frame([row]))
    >>> bool(found.estimates["conf_low"].isna().all()), [note.kind for note in found.notes]
    (True, ['interval'])
    """
    held = {k: estimates[k].to_numpy(dtype=np.float64) for k in ("estimate", "std_error", *_LIMITS, "p_value")}
    value, error, low, high, p = held.values()
    ratio, att = (estimates["scale"] == "rate_ratio").to_numpy(), (estimates["term"] == "att").to_numpy()
    unknown, nil = np.isinf(value), ratio & (value == 0)
    # a sum or a rate has its rounding told by the difference or the ratio beside it
    own = np.where(estimates["scale"] == "difference", 1e-3 * level, 0.0)
    rounding = ROUNDING * np.where(ratio, 1.0, np.maximum(np.abs(value), own))
    lacks = np.isnan(low) | np.isnan(high)
    with np.errstate(invalid="ignore"):
        thin = ((high - low <= rounding) | (low == high) | (lacks & (error <= rounding))) & ~nil
        crossed = (low > high) | (np.isnan(low) != np.isnan(high))
    still = thin & _reference(estimates, value, error, ratio)
    noiseless = _on_all_scales(estimates, thin & ~still)
    flat = nil & (low == high)
    unbounded = np.isinf(high) & (np.isinf(low) | (ratio & (low == 0))) & ~noiseless
    blank = unknown | noiseless
    no_limits = blank | flat | crossed | unbounded
    gone = {
        "estimate": unknown,
        "std_error": blank | np.isinf(error) | ((error <= rounding) & ~still),
        "conf_low": no_limits,
        "conf_high": no_limits,
        "p_value": blank,
    }
    gone = {name: mask & ~np.isnan(held[name]) for name, mask in gone.items()}
    tails = (p < LEAST_P) & ~blank
    if not tails.any() and not any(mask.any() for mask in gone.values()):
        return Sound(estimates)
    out = estimates.assign(**{name: np.where(mask, np.nan, held[name]) for name, mask in gone.items()})
    out["p_value"] = np.where(tails, LEAST_P, out["p_value"].to_numpy())
    lost = gone["conf_low"] | gone["conf_high"] | gone["p_value"] | gone["std_error"]
    notes = [
        *_said(unknown, att, "no finite number can be given for {it}"),
        *_said(
            noiseless & ~unknown & lost, att, "what {it} would rest on shows no noise, or what rounding leaves over"
        ),
        *_said(flat, att, "not one event was observed there, so that the ratio is 0 whatever was to be expected"),
        *_said(crossed & ~blank, att, "one of the limits could not be had"),
        *_said(unbounded & ~unknown, att, "the data bound {it} on neither side"),
    ]
    if tails.any():
        notes.append(f"p-values below {LEAST_P:g} are given as {LEAST_P:g}: so far out a tail is the model's alone.")
    return Sound(out, tuple(notes))


def untold(estimates: pd.DataFrame) -> bool:
    """Return whether there are estimates, and none of them has limits or a p-value: a test alone is an answer."""
    lacks = estimates[_LIMITS].isna().any(axis=1) & estimates["p_value"].isna()
    return len(estimates) > 0 and bool(lacks.all())


def bounded(counterfactual: pd.DataFrame) -> pd.DataFrame:
    """Return observed and expected outcomes with limits that are infinite on both sides missing."""
    low, high = (counterfactual[name].to_numpy(dtype=np.float64) for name in ("low", "high"))
    nothing = np.isinf(high) & (np.isinf(low) | (low == 0))
    if not nothing.any():
        return counterfactual
    return counterfactual.assign(low=np.where(nothing, np.nan, low), high=np.where(nothing, np.nan, high))


def _reference(estimates: pd.DataFrame, value: Floats, error: Floats, ratio: Mask) -> Mask:
    """Return which rows are a reference period: the one lead of its series that is zero by construction."""
    cell = (estimates["term"] == "cell").to_numpy()
    lead = (estimates["horizon"].to_numpy(dtype=np.float64) < 0) | cell
    still = np.asarray(lead & ~(error > 0) & (value == np.where(ratio, 1.0, 0.0)), dtype=bool)
    if still.any():
        series = estimates[still].groupby(["term", "scale", "area", "cohort"], dropna=False, sort=False)
        still[np.flatnonzero(still)[series["estimate"].transform("size").to_numpy() > 1]] = False
    return still


def _on_all_scales(estimates: pd.DataFrame, found: Mask) -> Mask:
    """Return the rows found and those of the same estimates on other scales."""
    if not found.any():
        return found
    which = estimates.groupby(_KEY, dropna=False, sort=False).ngroup().to_numpy()
    return np.isin(which, which[found])


def _said(rows: Mask, att: Mask, why: str) -> list[Note]:
    """Return why some rows lack their interval, as a warning where the average effect is among them."""
    if not rows.any():
        return []
    if (rows & att).any():
        text = f"The average effect has no interval on some scale or none: {why.format(it='it')}."
        return [ResultWarning("interval", text)]
    return [f"Some effects by area or by time have no interval: {why.format(it='them')}."]
