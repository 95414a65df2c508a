"""One page of pictures of ranks: how far their distribution lies from the uniform one, and the band that chance allows.

A small picture for each model and engine, a line for each quantity; drawn from the table of ranks alone.
"""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pandas as pd

from svmodel.engine.calibration import RANKED_AMONG, Calibration
from svmodel.numerics.uniformity import ecdf_band
from svmodel.present import style
from svmodel.result.figure import Figure

COLUMNS, BINS, LEVEL = 4, 25, 0.95
COUNTS = [f"bin_{k}" for k in range(1, BINS + 1)]
#: Limit of the vertical axis in heights of the band: 1,000 fits and 200 are judged alike, each axis says its shares.
TALLEST = 1.6
HEADLINE = "average log ratio"


def ranked(made: Calibration) -> pd.DataFrame:
    """Return how many ranks of each quantity lie in each of 25 equal bins."""
    rows = []
    for name in dict.fromkeys(made.fits["quantity"]):
        ranks = made.ranks(name)
        bins = np.bincount(ranks // ((RANKED_AMONG + 1) // BINS), minlength=BINS)
        rows.append({"quantity": name, "fits": len(ranks), **dict(zip(COUNTS, bins.tolist(), strict=True))})
    return pd.DataFrame(rows)


def departures(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return what is drawn: at each point the excess of ranks below it and its band, as shares of the fits."""
    bands = {n: ecdf_band(int(n), points=BINS, level=LEVEL) for n in ranks["fits"].unique()}
    held = []
    for row in ranks.to_dict("records"):
        band, n = bands[row["fits"]], row["fits"]
        below = np.cumsum([row[c] for c in COUNTS])[:-1]
        drawn = {"share": band.share, "excess": below / n - band.share}
        drawn |= {"low": band.low / n - band.share, "high": band.high / n - band.share}
        names = {key: row[key] for key in ("model", "engine", "quantity", "fits")}
        held.append(pd.DataFrame({**names, **drawn, "outside": bool(((below < band.low) | (below > band.high)).any())}))
    return pd.concat(held, ignore_index=True)


def described(ranks: pd.DataFrame) -> str:
    """Return the sentence that stands in for the page of pictures."""
    return _described(departures(ranks))


def _described(drawn: pd.DataFrame) -> str:
    keys = ["model", "engine", "quantity"]
    each = drawn.drop_duplicates(keys)
    left = each[each["outside"]]
    named = "; ".join(
        f"{model} by {engine}: {', '.join(rows['quantity'])}"
        for (model, engine), rows in left.groupby(["model", "engine"], sort=False)
    )
    return (
        f"Ranks of {len(each)} quantities in {each.groupby(['model', 'engine']).ngroups} pictures, one for each model "
        f"and engine: distribution function less the uniform one, as shares of the fits, with its simultaneous band of "
        f"95%. {len(left)} leave their band at some point, where chance alone would let up to "
        f"{(1 - LEVEL) * len(each):.0f} leave it{': ' if named else ''}{named}."
    )


def picture(ranks: pd.DataFrame) -> Figure:
    """Return the page: for each model and engine the excess of ranks below each point, and its simultaneous band.

    Vertical axes go as far as the band of so many fits. What leaves its band is drawn in another colour and named.
    """
    from matplotlib.figure import Figure as Canvas

    drawn = departures(ranks)
    parts = list(drawn.groupby(["model", "engine"], sort=False))
    rows = math.ceil((len(parts) + 1) / COLUMNS)
    canvas = Canvas(figsize=(10.5, 1.7 * rows + 0.5), layout="constrained")
    grid = canvas.subplots(rows, COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, ((model, engine), held) in zip(grid, parts, strict=False):
        _draw(axes, model, engine, held)
    for axes in grid[len(parts) :]:
        axes.axis("off")
    _legend(grid[len(parts)], drawn)
    canvas.supxlabel("Rank of the truth among 199 draws, as a share", fontsize=9, color=style.INK)
    canvas.supylabel("Ranks below, more than uniform ones (share of fits)", fontsize=9, color=style.INK)
    return Figure(canvas, _described(drawn), drawn, "Calibration of the Bayesian models", "calibration_bayes")


def drawing(page: Figure) -> str:
    """Return the page as SVG in which words are words and coordinates have one decimal: a third of the bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "svmodel", "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]}):
        about = {"Date": None, "Creator": "svmodel", "Title": page.title, "Description": page.alt}
        page.canvas.savefig(buffer, format="svg", metadata=about)
    text = buffer.getvalue()

    def shorter(path: re.Match[str]) -> str:
        return re.sub(r"-?\d+\.\d+", lambda x: f"{float(x[0]):.1f}", path[0]).replace("\n", "")

    return re.sub(r'\bd="[^"]*"', shorter, text[text.index("<svg") :])


def _draw(axes, model: str, engine: str, held: pd.DataFrame) -> None:
    names, _, variant = model.partition(", ")
    first = held[held["quantity"] == held["quantity"].iloc[0]]
    share = np.concatenate([[0.0], first["share"], [1.0]])
    low, high = (np.concatenate([[0.0], first[side], [0.0]]) for side in ("low", "high"))
    axes.fill_between(share, low, high, color=style.TEAL, alpha=0.22, linewidth=0)
    axes.axhline(0, color=style.GREY, linewidth=0.6)
    left = []
    for quantity, line in held.groupby("quantity", sort=False):
        excess = np.concatenate([[0.0], line["excess"], [0.0]])
        if line["outside"].iloc[0]:
            axes.plot(share, excess, color=style.MAGENTA, linewidth=1.3, zorder=4, linestyle=(0, (4, 1)))
            left.append(str(quantity))
        elif quantity == HEADLINE:
            axes.plot(share, excess, color=style.BLUE, linewidth=1.6, zorder=3)
        else:
            axes.plot(share, excess, color=style.WHISKER, linewidth=0.6, alpha=0.75, zorder=2)
    if left:
        axes.text(0.02, 0.03, ", ".join(left), transform=axes.transAxes, fontsize=6.5, color=style.MAGENTA, va="bottom")
    fits = f"{int(first['fits'].iloc[0]):,} fits"
    axes.set_title(
        f"{names}, {engine}\n{variant}, {fits}" if variant else f"{names}, {engine}\n{fits}",
        fontsize=8,
        color=style.INK,
        loc="left",
        linespacing=1.25,
    )
    tallest = max(TALLEST * max(high.max(), -low.min()), 1.05 * held["excess"].abs().max())
    tick = max(t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if t < tallest)
    axes.set(xlim=(0, 1), ylim=(-tallest, tallest), xticks=[0, 0.5, 1], yticks=[-tick, 0, tick])
    axes.set_yticklabels([f"−{100 * tick:.0f}%", "0", f"+{100 * tick:.0f}%"])
    axes.set_xticklabels(["0", "50%", "100%"])
    axes.tick_params(labelsize=7, length=2, colors=style.INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(style.GREY)


def _legend(axes, drawn: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    each = drawn.drop_duplicates(["model", "engine", "quantity"])
    chance = f"{(1 - LEVEL) * len(each):.0f}"
    legend = axes.legend(
        handles=[
            Patch(color=style.TEAL, alpha=0.22, linewidth=0, label="where 95% of uniform ranks stay"),
            Line2D([], [], color=style.BLUE, linewidth=1.6, label="average effect"),
            Line2D([], [], color=style.WHISKER, linewidth=0.8, label="every other quantity"),
            Line2D([], [], color=style.MAGENTA, linewidth=1.3, linestyle=(0, (4, 1)), label="leaves the band (named)"),
        ],
        title=f"{int(each['outside'].sum())} of {len(each)} lines leave the band;\nchance allows up to {chance}",
        title_fontsize=8,
        fontsize=8,
        loc="center left",
        frameon=False,
        alignment="left",
        labelcolor=style.INK,
    )
    legend.get_title().set_color(style.INK)
