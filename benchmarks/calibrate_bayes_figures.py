"""Pictures of ranks: how far their distribution lies from the uniform one, with the band that chance allows."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from svmodel.engine.calibration import RANKED_AMONG, Calibration
from svmodel.numerics.uniformity import ecdf_band
from svmodel.present import style
from svmodel.result.figure import Figure

COLUMNS, BINS, POINTS = 4, 20, 25
#: Limit of the vertical axis, as a share of the fits: the band of 200 fits goes to 0.1.
TALLEST = 0.15


def picture(model: str, made: Calibration) -> Figure:
    """Return, for each quantity, the rank histogram, and the excess of ranks below each point with its band of 95%.

    Both share an axis, which is cut at 0.15: the histogram's bars are the excess of each bin, in shares of the fits.
    """
    from matplotlib.figure import Figure as Canvas

    names = list(dict.fromkeys(made.fits["quantity"]))
    rows = math.ceil(len(names) / COLUMNS)
    canvas = Canvas(figsize=(7.5, 1.35 * rows + 0.4), layout="constrained")
    held, outside = [], []
    for k, name in enumerate(names):
        ranks = made.ranks(name)
        band = ecdf_band(len(ranks), points=POINTS)
        below = np.searchsorted(np.sort(ranks), np.arange(1, POINTS) * ((RANKED_AMONG + 1) // POINTS))
        share, n = band.share, len(ranks)
        bins = np.bincount(ranks // ((RANKED_AMONG + 1) // BINS), minlength=BINS) / n - 1 / BINS
        axes = canvas.add_subplot(rows, COLUMNS, k + 1)
        axes.stairs(bins, np.linspace(0, 1, BINS + 1), fill=True, color=style.PALE)
        axes.fill_between(share, band.low / n - share, band.high / n - share, color=style.TEAL, alpha=0.25, linewidth=0)
        axes.plot(share, below / n - share, color=style.BLUE, linewidth=1.2)
        axes.axhline(0, color=style.GREY, linewidth=0.6)
        axes.set_title(name, fontsize=8, color=style.INK)
        axes.set_xticks([])
        axes.set_ylim(-TALLEST, TALLEST)
        axes.set_yticks([-TALLEST, TALLEST] if k % COLUMNS == 0 else [])
        axes.tick_params(labelsize=6, length=2)
        axes.spines[["top", "right"]].set_visible(False)
        if ((below < band.low) | (below > band.high)).any():
            outside.append(name)
        held.append(
            pd.DataFrame(
                {"quantity": name, "share": share, "below": below, "low": band.low, "high": band.high, "fits": n}
            )
        )
    told = ", ".join(outside) if outside else "none"
    return Figure(
        canvas,
        alt=(
            f"Ranks of {len(names)} quantities of {model} by {made.engine}, {made.asked} fits: the distribution "
            f"function less the uniform one, with its simultaneous band of 95%. Outside of the band: {told}."
        ),
        data=pd.concat(held, ignore_index=True),
        title=f"Calibration of {model}",
        name=re.sub(r"\W+", "_", f"{model} {made.engine}".lower()),
    )
