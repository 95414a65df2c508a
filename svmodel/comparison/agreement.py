"""Plain sentences on how far several methods agree, and why a linear and a Poisson answer may not."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.design import Design
from svmodel.result.doubts import MANY_ZEROS, share_of_zeros

#: Ratio of two changes from which they are said to differ.
_APART = 2.0
#: Changes below this, in per cent, are too near to nothing to be set in proportion.
_NOTHING = 1.0
_FOLD = {2: "twofold", 3: "threefold", 4: "fourfold", 5: "fivefold"}
_UNIT = {"difference": "", "events": " events", "per_100k": " per 100,000"}


def shown(value: float, scale: str) -> str:
    """Return a value with its sign as sentences give it; a ratio as per cent change.

    Examples
    --------
    >>> shown(0.915, "rate_ratio"), shown(-12.0, "events")
    ('-8.5%', '-12 events')
    """
    if scale == "rate_ratio":
        return f"{100 * (value - 1):+.1f}%"
    return f"{value:+,.4g}{_UNIT[scale]}"


def fold(larger: float, smaller: float) -> str:
    """Return how many times one change is the other, in words.

    Examples
    --------
    >>> fold(28.0, 8.5), fold(90.0, 10.0)
    ('threefold', 'by a factor of 9')
    """
    times = round(abs(larger) / abs(smaller))
    return _FOLD.get(times, f"by a factor of {times}")


def agreement(table: pd.DataFrame, pairs: pd.DataFrame, scale: str, design: Design, kin: Mapping[str, str]) -> str:
    """Return how far the methods of a comparison agree; `kin` is method to kin."""
    known = table[np.isfinite(table["estimate"].to_numpy(dtype=np.float64))]
    said = [_answered(table, known)]
    if len(known) > 1:
        said += [
            _same(known),
            _direction(known, scale, design.meaning.pair),
            _exclusions(known),
            _differing(pairs, known),
        ]
        said.append(families(known, pairs, scale, design, kin))
        said.append("They all rest on the same data, so that their agreement confirms none of what they suppose alike.")
    return " ".join(s for s in said if s)


def _answered(table: pd.DataFrame, known: pd.DataFrame) -> str:
    refused = table[table["status"] == "refused"]
    text = f"{len(known)} of {len(table)} methods give an average effect."
    for row in refused.itertuples():
        text += f" {row.method} refuses: {str(row.reason).rstrip('.')}."
    return text


def _same(known: pd.DataFrame) -> str:
    """Name methods that give one and the same number, which is no agreement of two."""
    groups = _groups(known)
    text = [f"{_join(g)} give the same number here and count once." for g in groups if len(g) > 1]
    return " ".join(text)


def _groups(known: pd.DataFrame) -> list[list[str]]:
    out: list[tuple[float, list[str]]] = []
    for row in known.itertuples():
        value = float(row.estimate)
        for held, names in out:
            if abs(held - value) <= 1e-7 * max(abs(held), abs(value)):
                names.append(str(row.method))
                break
        else:
            out.append((value, [str(row.method)]))
    return [names for _, names in out]


def _distinct(known: pd.DataFrame) -> pd.DataFrame:
    return known[known["method"].isin([g[0] for g in _groups(known)])]


def _direction(known: pd.DataFrame, scale: str, pair: tuple[str, str]) -> str:
    one = _distinct(known)
    neutral = 1.0 if scale == "rate_ratio" else 0.0
    values = one["estimate"].to_numpy(dtype=np.float64)
    below, n = int((values < neutral).sum()), len(values)
    low, high = shown(float(values.min()), scale), shown(float(values.max()), scale)
    if n == 1:
        return f"They are one answer: {low}."
    ends = f"the estimates run from {low} to {high}."
    clear = int(((one["conf_high"] < neutral) | (one["conf_low"] > neutral)).sum())
    if below in (0, n):
        side = pair[0] if below else pair[1]
        text = f"All {n} answers point to {side}; {ends}"
    else:
        split = f"{below} of {n} answers point to {pair[0]}, {n - below} to {pair[1]}"
        text = f"They disagree on the direction: {split}; {ends}"
    return f"{text} {clear} of {n} intervals leave{'s' if clear == 1 else ''} out no effect."


def _exclusions(known: pd.DataFrame) -> str:
    one = _distinct(known)
    told = []
    for row in one.itertuples():
        low, high = float(row.conf_low), float(row.conf_high)
        others = one[(one["estimate"] < low) | (one["estimate"] > high)]
        if len(others):
            told.append((str(row.method), [str(m) for m in others["method"]]))
    if not (one["conf_low"].notna() & one["conf_high"].notna()).any():
        return "None has an interval."
    if not told:
        return "No interval leaves out another method's estimate."
    text = "; ".join(f"that of {name} leaves out {_join(others)}" for name, others in told[:3])
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return f"Some intervals leave out another method's estimate: {text}{more}."


def _differing(pairs: pd.DataFrame, known: pd.DataFrame) -> str:
    if not len(pairs):
        return ""
    one = set(_distinct(known)["method"])
    held = pairs[pairs["p_holm"].notna() & pairs["first"].isin(one) & pairs["second"].isin(one)]
    if not len(held):
        return "No interval of the differences between methods could be had."
    apart = held[held["p_holm"] <= 0.05]
    text = f"By a jackknife over areas of the differences themselves, {len(apart)} of {len(held)} pairs differ by more "
    text += "than chance leaves (5%, Holm)"
    if len(apart):
        text += ": " + _join([f"{r.first} and {r.second}" for r in apart.head(3).itertuples()])
        text += " and others" if len(apart) > 3 else ""
    return text + "."


def families(known: pd.DataFrame, pairs: pd.DataFrame, scale: str, design: Design, kin: Mapping[str, str]) -> str:
    """Return how the linear and the Poisson answer to one question differ and why, or nothing where they do not.

    Methods of one kin, which differ in the family alone, are one question asked twice and are compared; where there are
    none, the medians of all linear and all Poisson ones are.
    """
    if not design.is_count:
        return ""
    found = _pair(known, kin)
    if found is None:
        return ""
    (linear_name, linear), (poisson_name, poisson) = found
    neutral = 1.0 if scale == "rate_ratio" else 0.0
    a, b = ((100 * (v - 1) if scale == "rate_ratio" else v) for v in (linear, poisson))
    small, large = sorted((abs(a), abs(b)))
    least = _NOTHING if scale == "rate_ratio" else 0.01 * large
    opposite = (linear - neutral) * (poisson - neutral) < 0 and large > least
    if not opposite and (large <= least or large < _APART * max(small, least)):
        return ""
    if opposite:
        how = "point in opposite directions"
    elif small <= least:
        how = "differ: one is next to nothing"
    else:
        how = f"differ {fold(large, small)}"
    text = f"The linear and the Poisson answers {how}: {shown(linear, scale)} ({linear_name}) against "
    text += f"{shown(poisson, scale)} ({poisson_name}). {_why(design)}"
    both = pairs[pairs["first"].isin([linear_name, poisson_name]) & pairs["second"].isin([linear_name, poisson_name])]
    if len(both) == 1 and math.isfinite(float(both["p_value"].iloc[0])):
        clear = float(both["p_value"].iloc[0]) <= 0.05
        text += " The gap is more than chance leaves." if clear else " Chance alone might leave such a gap."
    return text


def _pair(known: pd.DataFrame, kin: Mapping[str, str]) -> tuple[tuple[str, float], tuple[str, float]] | None:
    """Return a linear and a Poisson method of one kin, by name and estimate, or the medians of all of each."""

    def both(rows: pd.DataFrame) -> list[pd.DataFrame]:
        return [rows[rows["family"] == name] for name in ("linear", "Poisson")]

    of = known["method"].map(kin)
    for kind in of.unique():
        linear, poisson = both(known[of == kind])
        if len(linear) and len(poisson):
            first, second = (
                (str(part["method"].iloc[0]), float(part["estimate"].iloc[0])) for part in (linear, poisson)
            )
            return first, second
    linear, poisson = both(known)
    if not (len(linear) and len(poisson)):
        return None
    first, second = (
        (f"median of {len(p)}" if len(p) > 1 else str(p["method"].iloc[0]), float(p["estimate"].median()))
        for p in (linear, poisson)
    )
    return first, second


def _why(design: Design) -> str:
    arrays = design.arrays
    share = share_of_zeros(arrays)
    word = periods.describe_frequency(arrays.periods)
    if share > MANY_ZEROS:
        return (
            f"{share:.0%} of area-{word}s are zero. A linear model supposes that without the intervention every area "
            f"would have changed by the same number of {design.outcome}, and areas with next to none cannot fall by "
            "the number that busy ones fall by; the Poisson model supposes the same per cent. With so many zeros read "
            "the Poisson answer."
        )
    return (
        "A linear model supposes that without the intervention every area would have changed by the same number, a "
        "Poisson model by the same per cent; where areas differ in level both cannot hold. Look at which of them held "
        "before the start."
    )


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
