"""Figures of checks, drawn from the table of a CheckResult by its name: checks themselves draw nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel.figure import Figure
from svmodel.present import prose
from svmodel.present.plots.effects import _signed
from svmodel.present.style import BLUE, GREY, INK, WHISKER, canvas, number_axis

if TYPE_CHECKING:
    from collections.abc import Callable

    from svmodel.checkresult import CheckResult
    from svmodel.present.disclosure import Disclosure

__all__ = ["FIGURES", "check_figure"]


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
    draw = FIGURES.get(check.name)
    if draw is None or check.table is None or check.table.empty:
        return None
    hides = disclosure is not None and disclosure.active
    if hides and "scale" in check.table.columns and set(check.table["scale"]) - {"rate_ratio", "log_rate_ratio"}:
        return None
    return draw(check.table, label or "the outcome")


def _honest_bounds(table: pd.DataFrame, label: str) -> Figure | None:
    """Draw the interval of the overall effect by how far trends may have parted."""
    rows = table[table["restriction"] == "relative_magnitudes"].sort_values("bound")
    if rows.empty:
        return None
    ratio = rows["scale"].iloc[0] == "rate_ratio"
    data = pd.DataFrame({"bound": rows["bound"].to_numpy(dtype=np.float64)})
    for name, column in (("change_low", "conf_low"), ("change_high", "conf_high")):
        values = rows[column].to_numpy(dtype=np.float64)
        data[name] = 100 * (values - 1) if ratio else values
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
    number_axis(axes, lambda v: _signed(v, unit), from_zero=False)
    axes.set_xlabel("Parting of trends allowed for, as a multiple of the largest before the start", color=GREY)
    axes.set_ylabel("Change" if ratio else "Difference")
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


#: Check -> how its table is drawn.
FIGURES: dict[str, Callable[[pd.DataFrame, str], Figure | None]] = {"honest_bounds": _honest_bounds}
