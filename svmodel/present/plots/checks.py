"""Figures of checks, drawn from the table of a CheckResult as its check declares: checks themselves draw nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from svmodel.checks.declared import declaration
from svmodel.checks.runner import every_check
from svmodel.present import prose
from svmodel.present.plots.paths import change_axis, changes, signed
from svmodel.present.style import BLUE, BOLD, GREY, INK, PALE, WHISKER, canvas, name_rows, number_axis
from svmodel.protect import Disclosure
from svmodel.result.check import CheckResult
from svmodel.result.figure import Figure

#: Figures of tables that hold counts of single area-periods.
_COUNTS = ("replications",)
#: Placebos from which a histogram has a shape.
_FEWEST = 15


def check_figure(check: CheckResult, *, label: str = "", disclosure: Disclosure | None = None) -> Figure | None:
    """Draw a check, where its table can be drawn.

    Parameters
    ----------
    check : CheckResult
    label : str
        The outcome's name for readers.
    disclosure : Disclosure, optional
        Under a rule only ratios are drawn: differences in the outcome's units could be turned back into counts.

    Returns
    -------
    Figure or None
        The check's own figure where it has one; None for a check without numbers, or one that nothing draws.
    """
    if check.figure is not None:
        return check.figure
    kind = declaration(every_check().get(check.name, check.name)).figure
    draw = _DRAWN.get(kind)
    if draw is None or check.table is None or check.table.empty:
        return None
    hides = disclosure is not None and disclosure.active
    if hides and "scale" in check.table.columns and set(check.table["scale"]) - {"rate_ratio", "log_rate_ratio"}:
        return None
    if hides and kind in _COUNTS:
        return None
    return draw(check.table, label or "the outcome")


def _honest_bounds(table: pd.DataFrame, label: str) -> Figure | None:
    """Draw the interval of the overall effect by how far trends may have parted."""
    rows = table[table["restriction"] == "relative_magnitudes"].sort_values("bound")
    if rows.empty:
        return None
    ratio = rows["scale"].iloc[0] == "rate_ratio"
    data = pd.DataFrame({"bound": rows["bound"].to_numpy(dtype=np.float64)})
    data[["change_low", "change_high"]] = changes(rows[["conf_low", "conf_high"]], ratio=ratio)
    data["leaves_out_no_effect"] = rows["excludes_no_effect"].to_numpy(dtype=bool)
    unit = "%" if ratio else ""
    figure, axes = canvas(3.4)
    axes.axhline(0, color=INK, linewidth=1.0)
    for clear, colour, wide in ((True, BLUE, 5.0), (False, WHISKER, 2.5)):
        part = data[data["leaves_out_no_effect"] == clear]
        axes.vlines(part["bound"], part["change_low"], part["change_high"], color=colour, linewidth=wide)
    finite = data[np.isfinite(data["change_low"]) & np.isfinite(data["change_high"])]
    if len(finite):
        low, high = min(finite["change_low"].min(), 0), max(finite["change_high"].max(), 0)
        pad = 0.12 * ((high - low) or 1.0)
        axes.set_ylim(low - pad, high + pad)
    axes.set_xticks(data["bound"], [f"{b:g}" for b in data["bound"]])
    axes.set_xlim(data["bound"].min() - 0.25, data["bound"].max() + 0.25)
    number_axis(axes, lambda v: signed(v, unit), from_zero=False)
    axes.set_xlabel("Parting of trends allowed for, as a multiple of the largest before the start", color=GREY)
    axes.set_ylabel("Change on expected" if ratio else "Difference in the outcome's units")
    first, last = data.iloc[0], data.iloc[-1]
    said = [f"at {r['bound']:g} from {_between(r, unit)}" for r in (first, last)]
    clear = data[data["leaves_out_no_effect"]]
    ends = (
        f"up to {clear['bound'].max():g} times it leaves out no effect"
        if len(clear)
        else "no interval leaves out no effect"
    )
    alt = (
        f"Intervals of the overall change in {prose.outcome_name(label)}, by how far trends may have parted after the "
        f"start compared with the largest parting before it: {' and '.join(said)}; {ends}."
    )
    title = f"{label}: the effect if trends parted after the start"
    return Figure(figure, alt, data, title, "honest_bounds")


def _between(row: pd.Series, unit: str) -> str:
    return f"{prose.number(row['change_low'])}{unit} to {prose.number(row['change_high'])}{unit}"


def _placebo_in_space(table: pd.DataFrame, label: str) -> Figure | None:
    """Draw the effects of placebo areas as a histogram, with the real one among them."""
    ratio = table["scale"].iloc[0] != "difference"
    values = table["estimate"].to_numpy(dtype=np.float64)
    change = 100 * np.expm1(values) if ratio else values
    placebo = table["placebo"].to_numpy(dtype=bool)
    known = np.isfinite(change)
    own = change[~placebo & known]
    others = change[placebo & known]
    if len(own) != 1 or len(others) < _FEWEST:
        return None
    real = float(own[0])
    counts, edges = np.histogram(others, bins=min(30, max(8, len(others) // 6)))
    data = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "placebos": counts})
    data["real_effect"] = real
    figure, axes = canvas(3.0)
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=PALE, edgecolor="white", linewidth=0.5)
    axes.axvline(real, color=BLUE, linewidth=2.4)
    axes.axvline(0, color=INK, linewidth=1.0)
    unit = "%" if ratio else ""
    axes.annotate(
        f"Treated areas\n{signed(round(real, 1 if ratio else 3), unit)}",
        (real, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if real > np.median(others) else 5, -2),
        textcoords="offset points",
        ha="right" if real > np.median(others) else "left",
        va="top",
        color=BLUE,
        **BOLD,
    )
    change_axis(axes, unit, "Effect found (left of zero: a fall)")
    # sets of many areas are not named; single ones, and small sets, are
    named = table.loc[table["placebo"].astype(bool), "areas"] if "areas" in table else pd.Series(dtype=object)
    single = bool(len(named)) and not named.isna().any() and not named.astype(str).str.contains(", ").any()
    what = "areas" if single else "sets of areas"
    axes.set_ylabel(what.capitalize())
    number_axis(axes)
    size = np.abs(values[placebo & known]) >= abs(float(values[~placebo & known][0])) - 1e-12
    alt = (
        f"Histogram of the effects on {prose.outcome_name(label)} found in {len(others):,} {what} where nothing "
        f"was done, from {prose.number(others.min())}{unit} to {prose.number(others.max())}{unit}; that of the treated "
        f"areas is {prose.number(real)}{unit}, and {int(size.sum()):,} of these {what} are as large."
    )
    return Figure(figure, alt, data, f"{label}: the effect among those of untreated areas", "placebo_in_space")


def _posterior_predictive(table: pd.DataFrame, label: str) -> Figure | None:
    """Draw what was seen against 95% of what the fitted model makes, each statistic in widths of its own."""
    data = table[(table["high"] > table["low"]) & np.isfinite(table["observed"])].copy()
    if data.empty:
        return None
    half = (data["high"] - data["low"]) / 2
    data["position"] = (data["observed"] - data["median"]) / half
    names = {
        "share_of_zeros": "Share of zeros",
        "largest_count": "Largest count",
        "dispersion": "Scatter",
        "autocorrelation": "Carried over",
    }
    figure, axes = canvas(1.2 + 0.5 * len(data))
    y = np.arange(len(data))[::-1]
    axes.hlines(
        y, (data["low"] - data["median"]) / half, (data["high"] - data["median"]) / half, color=WHISKER, linewidth=5.0
    )
    reach = 3.0
    axes.plot(np.clip(data["position"], -reach, reach), y, "o", color=BLUE, markersize=7)
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.set_yticks(y, [names.get(s, s) for s in data["statistic"]])
    axes.set_ylim(-0.6, len(data) - 0.4)
    axes.set_xlim(-reach - 0.2, reach + 0.2)
    axes.xaxis.set_major_formatter(lambda v, _: "as the model makes" if v == 0 else "")
    axes.grid(visible=False)
    axes.set_xlabel("Dots: what was seen; bars: 95% of what the fitted model makes", color=GREY)
    out = data[(data["observed"] < data["low"]) | (data["observed"] > data["high"])]
    which = prose.join([names.get(s, s).lower() for s in out["statistic"]]) if len(out) else ""
    alt = (
        f"What was seen of {prose.outcome_name(label)} beside 95% of what the fitted model makes, in {len(data)} "
        f"respects: {len(out)} {'lies' if len(out) == 1 else 'lie'} outside{': ' + which if which else ''}."
    )
    return Figure(figure, alt, data, f"{label}: data from the fitted model", "posterior_predictive")


def _prior_sensitivity(table: pd.DataFrame, label: str) -> Figure | None:
    """Draw the effect by what is believed beforehand."""
    data = table[table["estimate"].notna()][["row", "estimate", "conf_low", "conf_high", "prob_reduction"]].copy()
    if len(data) < 2:
        return None
    data[["change", "change_low", "change_high"]] = changes(data, ratio=True).to_numpy()
    figure, axes = canvas(1.2 + 0.5 * len(data))
    y = np.arange(len(data))[::-1]
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.hlines(y, data["change_low"], data["change_high"], color=WHISKER, linewidth=2.0)
    axes.plot(data["change"], y, "o", color=BLUE, markersize=7)
    name_rows(axes, [str(r).capitalize() for r in data["row"]])
    change_axis(axes, "%", "Change (left of zero: a fall)")
    said = [f"{r['row']} {signed(round(r['change'], 1), '%')}" for _, r in data.iterrows()]
    alt = f"Change in {prose.outcome_name(label)} by what is believed beforehand: {prose.join(said)}."
    return Figure(figure, alt, data, f"{label}: the effect under other beliefs", "prior_sensitivity")


#: What a check's declaration says of its figure -> how the table is drawn.
_DRAWN: dict[str, Callable[[pd.DataFrame, str], Figure | None]] = {
    "bounds": _honest_bounds,
    "placebos": _placebo_in_space,
    "replications": _posterior_predictive,
    "beliefs": _prior_sensitivity,
}
