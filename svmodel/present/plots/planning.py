"""Figure of a planned evaluation: how likely it is to be conclusive, by how large the effect really is."""

from __future__ import annotations

from typing import Any

import numpy as np

from svmodel.planning.assurance import Assurance
from svmodel.present import prose
from svmodel.present.plots.paths import signed
from svmodel.present.style import BLUE, GREY, INK, MAGENTA, PALE, WHISKER, canvas
from svmodel.result.figure import Figure

_BINS = 16


def assurance_curve(assurance: Assurance, *, label: str = "") -> Figure:
    """Draw the share of conclusive studies by true effect, over what is believed of the effect.

    Parameters
    ----------
    assurance : Assurance
        Of :func:`svmodel.assurance`.
    label : str
        The outcome's name for readers.
    """
    table = assurance.table
    parts = table[table["group"] != "belief"].copy()
    change = 100 * (assurance.draws["effect"].to_numpy(dtype=np.float64) - 1)
    middle = np.sqrt(parts["effect_low"] * parts["effect_high"]).to_numpy(dtype=np.float64)
    parts.insert(1, "change", 100 * (middle - 1))
    figure, axes = canvas(3.8)
    counts, edges = np.histogram(change, bins=_BINS)
    height = 30 * counts / counts.max()
    axes.bar(edges[:-1], height, width=np.diff(edges), align="edge", color=PALE, edgecolor="white", linewidth=0.5)
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.axhline(100 * assurance.probability, color=MAGENTA, linewidth=1.4, linestyle=(0, (4, 3)))
    place: Any = {"xycoords": ("axes fraction", "data"), "va": "bottom", "ha": "right"}
    said = f"over all that is believed: {assurance.probability:.0%}"
    at = (0.995, 100 * assurance.probability + 1)
    axes.annotate(said, at, fontsize=9.5, fontweight="bold", color=MAGENTA, **place)
    for group, fill, name in (("fifth", BLUE, "a fifth of what is believed"), ("effect", "white", "one effect")):
        rows = parts[parts["group"] == group].sort_values("change")
        if rows.empty:
            continue
        x, y = rows["change"].to_numpy(dtype=np.float64), 100 * rows["conclusive"].to_numpy(dtype=np.float64)
        spread = np.vstack([y - 100 * rows["low"], 100 * rows["high"] - y])
        look: Any = {"ecolor": WHISKER, "elinewidth": 1.6, "markersize": 6, "markerfacecolor": fill}
        axes.errorbar(x, y, yerr=np.maximum(spread, 0), fmt="o", color=BLUE, label=name, **look)
    if (parts["group"] == "effect").any():
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9)
    axes.set_ylim(0, 103)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:.0f}%")
    axes.xaxis.set_major_formatter(lambda v, _: signed(v, "%"))
    axes.set_xlabel("True change (left of zero: a fall); bars: what is believed", color=GREY)
    axes.set_ylabel("Studies that are conclusive")
    fifths = parts[parts["group"] == "fifth"].sort_values("change")
    rows = [*fifths.itertuples()]
    ends = [f"{r.conclusive:.0%} where the change is about {signed(round(r.change), '%')}" for r in (rows[0], rows[-1])]
    outcome = f" in {prose.outcome_name(label)}" if label else ""
    alt = (
        f"Share of studies that are conclusive by the true change{outcome}: {prose.join(ends)}; over all that is "
        f"believed {assurance.probability:.0%} (Monte Carlo {assurance.low:.0%} to {assurance.high:.0%})."
    )
    title = f"A {assurance.probability:.0%} chance of a conclusive evaluation"
    return Figure(figure, alt, parts, title, "assurance_curve")
