"""Figures of agreement and planning: methods side by side, the specification curve, power by size of effect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from svmodel.comparison.compare import Comparison
from svmodel.comparison.specification_curve import SpecificationCurve
from svmodel.comparison.specifications import CHOICES
from svmodel.errors import EstimationError
from svmodel.planning.power import Power
from svmodel.present import prose
from svmodel.present.facts import agreement
from svmodel.present.plots.paths import DIFFERENCE, change_axis, changes, signed
from svmodel.present.protected import ProtectedResult, shown_of
from svmodel.present.style import BLUE, BOLD, GREY, INK, MAGENTA, PALE, WHISKER, canvas, name_rows, wrapped
from svmodel.protect import Disclosure
from svmodel.result.figure import Figure

_XLABEL = {"rate_ratio": "Change", "difference": DIFFERENCE, "events": "Events", "per_100k": "Per 100,000 per period"}
#: Characters of a reason that stand in a drawing; the data hold all of it.
_SHORT = 70


def forest(
    comparison: Comparison,
    *,
    label: str = "",
    names: Mapping[str, str] | None = None,
    shown: Mapping[str, ProtectedResult] | None = None,
    disclosure: Disclosure | None = None,
) -> Figure:
    """Draw every method's average effect on one scale; a method that refused keeps its row, with the reason.

    Parameters
    ----------
    comparison : Comparison
        Of :func:`svmodel.compare`.
    label : str
        The outcome's name for readers.
    names : mapping of str to str, optional
        Readable names of the methods.
    shown : mapping of str to ProtectedResult, optional
        The methods' results where they have been protected already, in place of the comparison's own.
    disclosure : Disclosure, optional
        Estimates that rest on small counts are hidden.

    Raises
    ------
    EstimationError
        If every estimate is hidden or missing.
    """
    from matplotlib.ticker import MaxNLocator

    shown = shown or {key: shown_of(result, disclosure) for key, result in comparison.results.items()}
    data = _forest_data(comparison, names or {}, shown)
    if not data["change"].notna().any():
        raise EstimationError("no method's effect can be shown")
    figure, axes = canvas(1.2 + 0.5 * len(data))
    y = np.arange(len(data))[::-1]
    axes.axvline(0, color=INK, linewidth=1.0)
    known = data["change"].notna().to_numpy()
    part = data[known]
    ends = part[["change_low", "change_high"]].to_numpy(dtype=np.float64)
    low, high = _limits(part["change"].to_numpy(dtype=np.float64), ends)
    drawn = np.clip(np.where(np.isnan(ends), part[["change"]].to_numpy(), ends), low, high)
    axes.hlines(y[known], drawn[:, 0], drawn[:, 1], color=WHISKER, linewidth=2.0)
    for family, marker in (("Poisson", "o"), ("linear", "s"), ("", "D")):
        here = known & (data["family"] == family).to_numpy()
        if here.any():
            fill = BLUE if family == "Poisson" else "white"
            look: Any = {"marker": marker, "color": BLUE, "markerfacecolor": fill, "markersize": 7, "linestyle": "none"}
            axes.plot(data["change"].to_numpy()[here], y[here], label=family or "other", **look)
    axes.set_xlim(low, high)
    for at, row in zip(y[~known], data[~known].itertuples(), strict=True):
        why = str(row.reason) if row.status == "refused" else "hidden"
        text = "no answer: " + (why if len(why) <= _SHORT else why[: _SHORT - 1].rstrip() + "…")
        axes.annotate(text, (0.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=8.5, color=GREY)
    if len(set(data.loc[known, "family"])) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9)
    name_rows(axes, wrapped(data["method"]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    means = comparison.design.meaning
    change_axis(axes, "%" if comparison.scale == "rate_ratio" else "", f"{_XLABEL[comparison.scale]} ({means.left})")
    outcome = prose.outcome_name(label or comparison.design.outcome)
    alt = _forest_words(data, outcome, comparison.scale)
    facts = [s.fact(method=key) for key, s in shown.items()]
    title = agreement((f.direction for f in facts if f is not None), means)
    return Figure(figure, alt, data, title, "forest")


def _forest_data(
    comparison: Comparison, names: Mapping[str, str], shown: Mapping[str, ProtectedResult]
) -> pd.DataFrame:
    """Return one row a method: change with limits (per cent for a ratio), family, status and reason."""
    table = comparison.table
    data = table[["method", "family", "status", "implied", "inference", "reason"]].copy()
    limits = ["change", "change_low", "change_high"]
    data[limits] = changes(table, ratio=comparison.scale == "rate_ratio").to_numpy()
    data["change_flag"] = ""
    for key, result in shown.items():
        frame = result.estimates
        one = frame[(frame["term"] == "att") & frame["scale"].isin([comparison.scale, "difference"])]
        one = one[one["scale"] == comparison.scale] if (one["scale"] == comparison.scale).any() else one
        here = data["method"] == key
        if (one["estimate_flag"] != "").any():
            data.loc[here, limits] = np.nan
            data.loc[here, "change_flag"] = str(one["estimate_flag"].iloc[0])
        elif comparison.scale != "rate_ratio" and len(one) == 1:
            numbers = one.iloc[0][["estimate", "conf_low", "conf_high"]]
            data.loc[here, limits] = numbers.tolist()
    data.loc[data["change"].isna() & (data["change_flag"] == ""), "change_flag"] = "x"
    data["method"] = [names.get(m, m) for m in data["method"]]
    return data


def _limits(points: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return the ends of the axis: all points, and of the intervals what lies within three times their spread."""
    low, high = min(float(points.min()), 0.0), max(float(points.max()), 0.0)
    room = 3 * ((high - low) or 1.0)
    finite = ends[np.isfinite(ends)]
    if len(finite):
        low, high = max(low - room, min(low, finite.min())), min(high + room, max(high, finite.max()))
    pad = 0.06 * ((high - low) or 1.0)
    return low - pad, high + pad


def _forest_words(data: pd.DataFrame, outcome: str, scale: str) -> str:
    known = data[data["change"].notna()]
    low = int((known["change"] < 0).sum())
    unit = "%" if scale == "rate_ratio" else ""
    ends = " to ".join(signed(round(float(v), 2), unit) for v in (known["change"].min(), known["change"].max()))
    clear = int(((known["change_high"] < 0) | (known["change_low"] > 0)).sum())
    alt = f"Average change in {outcome} by {len(known)} methods: {low} of {len(known)} are below zero, from {ends}; "
    alt += f"{clear} intervals leave out zero."
    silent = data[data["change"].isna()]
    if len(silent):
        alt += f" No effect is shown for {prose.join(silent['method'])}."
    return alt


def specification_curve(curve: SpecificationCurve, *, label: str = "", disclosure: Disclosure | None = None) -> Figure:
    """Draw the effects of all specifications in ascending order, and beneath them what each one chose.

    Parameters
    ----------
    curve : SpecificationCurve
    label : str
        The outcome's name for readers.
    disclosure : Disclosure, optional
        Specifications with a small number of events in treated area-periods are left out.

    Raises
    ------
    EstimationError
        If no specification may be shown.
    """
    import matplotlib as mpl

    known = curve.table[curve.table["estimate"].notna()].reset_index(drop=True)
    left_out = 0
    if disclosure is not None and disclosure.active and curve.counts:
        hidden = disclosure.small(known["observed"].to_numpy(dtype=np.float64))
        left_out, known = int(hidden.sum()), known[~hidden].reset_index(drop=True)
    if known.empty:
        raise EstimationError("no specification's effect can be shown")
    rows = [(c, v) for c in curve.choices for v in sorted(known[c].unique(), key=str)]
    figure, first = canvas(3.0 + 0.24 * max(len(rows), 1))
    first.remove()
    grid = figure.add_gridspec(2, 1, height_ratios=[3.0, max(0.24 * len(rows), 0.3) * 1.25])
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        above = figure.add_subplot(grid[0])
        below = figure.add_subplot(grid[1], sharex=above)
    ratio = curve.scale == "rate_ratio"
    x = np.arange(1, len(known) + 1)
    change, low, high = changes(known, ratio=ratio).to_numpy().T
    above.axhline(0, color=INK, linewidth=1.0)
    bottom, top = _limits(change, np.column_stack([low, high]))
    above.vlines(x, np.clip(low, bottom, top), np.clip(high, bottom, top), color=PALE, linewidth=1.2)
    clear = (high < 0) | (low > 0)
    for mask, fill in ((clear, BLUE), (~clear, "white")):
        above.plot(x[mask], change[mask], "o", color=BLUE, markerfacecolor=fill, markersize=4)
    above.set_ylim(bottom, top)
    unit = "%" if ratio else ""
    above.yaxis.set_major_formatter(lambda v, _: signed(v, unit))
    above.set_ylabel("Change" if ratio else "Difference")
    above.tick_params(labelbottom=False)
    for place, (choice, value) in enumerate(rows):
        chosen = x[(known[choice] == value).to_numpy()]
        below.plot(chosen, np.full(len(chosen), -place), "|", color=INK, markersize=8, markeredgewidth=1.4)
    below.set_yticks([-k for k in range(len(rows))], [f"{c}: {v}" for c, v in rows], fontsize=8.5)
    below.set_ylim(-len(rows) + 0.4, 0.6)
    below.grid(visible=False)
    below.set_xlabel("Specifications, by estimate (filled: interval leaves out zero)", color=GREY)
    data = known[["rank", *CHOICES, "status", "inference", "p_value", "p_randomised"]].copy()
    data["change"], data["change_low"], data["change_high"] = change, low, high
    down = int((change < 0).sum())
    outcome = prose.outcome_name(label or str(known["outcome"].iloc[0]))
    ends = f"{signed(round(float(change.min()), 2), unit)} to {signed(round(float(change.max()), 2), unit)}"
    alt = f"Effects on {outcome} under {len(known)} specifications in ascending order, from {ends}: {down} are below "
    alt += f"zero, {int(clear.sum())} intervals leave out zero."
    p = float(curve.joint["p_value"].iloc[0])
    if math.isfinite(p):
        alt += f" The median effect has a joint p-value of {p:.3g}."
    if left_out:
        alt += f" {left_out} are left out because they rest on few events."
    side = "lower" if down == len(known) else "higher" if down == 0 else "on both sides of zero"
    return Figure(figure, alt, data, f"All {len(known)} specifications: {side}", "specification_curve")


def power_curve(power: Power, *, label: str = "") -> Figure:
    """Draw power by size of effect with Monte Carlo intervals, the target, and the least detectable effects.

    Parameters
    ----------
    power : Power
    label : str
        The outcome's name for readers.
    """
    data = power.table.copy()
    counts = bool((data.loc[data["neutral"], "effect"] == 1).any())
    data.insert(0, "change", 100 * (data["effect"] - 1) if counts else data["effect"])
    figure, axes = canvas(3.8)
    x, y = data["change"].to_numpy(dtype=np.float64), 100 * data["power"].to_numpy(dtype=np.float64)
    spread = np.vstack([y - 100 * data["low"], 100 * data["high"] - y])
    axes.axhline(100 * power.target, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.axhline(100 * power.alpha, color=GREY, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.plot(x, y, color=BLUE)
    axes.errorbar(x, y, yerr=np.maximum(spread, 0), fmt="o", color=BLUE, ecolor=WHISKER, elinewidth=1.6, markersize=5)
    for text, height in ((f"target {power.target:.0%}", power.target), (f"level {power.alpha:.0%}", power.alpha)):
        place: Any = {"xycoords": ("axes fraction", "data"), "va": "bottom", "ha": "right"}
        axes.annotate(text, (0.995, 100 * height + 1), fontsize=8.5, color=GREY, **place)
    unit = "%" if counts else ""
    for row in power.detectable.itertuples():
        effect = float(row.effect)
        if math.isfinite(effect):
            at = 100 * (effect - 1) if counts else effect
            axes.plot([at, at], [0, 100 * power.target], color=MAGENTA, linewidth=1.4, linestyle=(0, (2, 2)))
            axes.annotate(
                signed(round(at, 1 if counts else 4), unit),
                (at, 3),
                xytext=(4, 0),
                textcoords="offset points",
                color=MAGENTA,
                **BOLD,
            )
    axes.set_ylim(0, 103)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:.0f}%")
    axes.xaxis.set_major_formatter(lambda v, _: signed(v, unit))
    what = "change" if counts else "difference"
    axes.set_xlabel(f"True {what} (left of zero: a fall)", color=GREY)
    axes.set_ylabel("Studies that find it")
    outcome = f" in {prose.outcome_name(label)}" if label else ""
    found = power.detectable[np.isfinite(power.detectable["effect"].to_numpy(dtype=np.float64))]
    sizes = [signed(round(100 * (v - 1) if counts else v, 1 if counts else 4), unit) for v in found["effect"]]
    reached = f"reaches {power.target:.0%} at {prose.join(sizes)}" if sizes else f"does not reach {power.target:.0%}"
    alt = f"Power to find a change{outcome} by its size: it {reached}. Without a change {power.type_one_error:.1%} of "
    alt += "studies find one."
    title = f"Least detectable {what}: {prose.join(sizes)}" if sizes else f"No {what} tried reaches the target"
    return Figure(figure, alt, data, title, "power_curve")
