"""The look of every figure: one palette, one size, one way to draw time.

The colours are the Government Analysis Function's categorical palette, in its order. Colour never
carries a meaning alone: lines also differ in dash and weight, and carry their labels directly.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from svmodel import periods

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


BLUE, TEAL, MAGENTA, ORANGE, INK = "#12436D", "#28A197", "#801650", "#F46A25", "#3D3D3D"
GREY, PALE, WHISKER = "#6F6F6F", "#B8BEC4", "#7C93AD"
#: Words in a drawing that name what stands there.
BOLD: Any = {"fontsize": 9.5, "fontweight": "bold"}

#: Shares of the frame's height and width by which a line's name may be away from the line's end without a joint.
_MOVED, _SHORT_OF = 0.03, 0.03

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": "#E3E6E8",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "ytick.left": False,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "text.color": INK,
}


def canvas(height: float = 3.8, width: float = 7.5) -> tuple[Canvas, Axes]:
    """Return an empty drawing of one panel, in inches, in the house style; no pyplot state is touched."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="y", length=0)
    return figure, axes


def time_axis(axes: Axes, index: pd.PeriodIndex) -> None:
    """Label an x axis whose positions are 0, 1, 2, ... for the periods of the index.

    Years are named at their first period; a span of two years or less has labels within the year.
    """
    count = len(index)
    if index.freqstr == "M" and count <= 27:
        ticks = [i for i, p in enumerate(index) if p.month in (1, 4, 7, 10)]
        labels = [periods.label(index[i]) for i in ticks]
    elif periods.has_weeks(index):
        ticks, labels = _firsts(index)
    elif index.freqstr in ("M", "Q-DEC"):
        first = [i for i, p in enumerate(index) if (p.month if index.freqstr == "M" else p.quarter) == 1]
        step = max(1, math.ceil(len(first) / 11))
        ticks = first[::step]
        labels = [str(index[i].year) for i in ticks]
    else:
        step = max(1, math.ceil(count / 10))
        ticks = list(range(0, count, step))
        labels = [periods.label(index[i]) for i in ticks]
    axes.set_xticks(ticks, labels)
    axes.set_xlim(-0.5, count - 0.5)


def _firsts(index: pd.PeriodIndex) -> tuple[list[int], list[str]]:
    """Return where weeks or days enter a month or a year, and what it is called; single ones where they are few."""
    months = index.asfreq("M", how="start")
    first = [i for i in range(1, len(index)) if months[i] != months[i - 1]]
    if len(first) < 2:
        ticks = list(range(0, len(index), max(1, math.ceil(len(index) / 5))))
        return ticks, [periods.label(index[i].asfreq("D", how="start")) for i in ticks]
    if len(first) <= 27:
        ticks = first[:: max(1, math.ceil(len(first) / 9))]
        return ticks, [periods.label(months[i]) for i in ticks]
    years = [i for i in first if months[i].month == 1]
    ticks = years[:: max(1, math.ceil(len(years) / 11))]
    return ticks, [str(months[i].year) for i in ticks]


def mark_period(axes: Axes, position: float, text: str, *, side: str = "left", row: int = 0) -> None:
    """Draw a thin upright line at a position in time with words at its top, `row` lines down."""
    axes.axvline(position, color=INK, linewidth=1.0, linestyle=(0, (2, 2)))
    axes.annotate(
        text,
        (position, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if side == "left" else 4, -2 - 13 * row),
        textcoords="offset points",
        ha="right" if side == "left" else "left",
        va="top",
        fontsize=9,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
    )


def mark_breaks(axes: Axes, index: pd.PeriodIndex, breaks: Iterable[tuple[pd.Period, pd.Period | None, str]]) -> None:
    """Mark declared changes in the data: a line where one lasted, a grey band where it passed."""
    row = 0
    for first, last, reason in breaks:
        start = first.ordinal - index[0].ordinal
        end = start if last is None else last.ordinal - index[0].ordinal
        if end < 0 or start > len(index) - 1:
            continue
        if last is not None:
            axes.axvspan(max(start, 0) - 0.5, min(end, len(index) - 1) + 0.5, color="#ECEFF1", linewidth=0, zorder=0)
        mark_period(axes, max(start, 0) - 0.5, reason, side="right" if start < len(index) / 2 else "left", row=row)
        row += 1
    if row:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.05 * row * (high - low))


def end_labels(axes: Axes, labels: Sequence[tuple[float, float, str, str]], *, gap: float = 0.075) -> None:
    """Write each line's name at its end, moved apart where they would overlap.

    A name that had to be moved, or whose line ends before the frame does, is joined to the line's end by a thin line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With its y limits already set.
    labels : sequence of (x, y, text, colour)
        In data coordinates.
    gap : float
        Least distance between two labels as a share of the height, for one line of text.
    """
    low, high = axes.get_ylim()
    spread = (high - low) or 1.0
    wanted = sorted(((y - low) / spread, x, text, colour) for x, y, text, colour in labels if math.isfinite(y))
    placed = _apart([share for share, *_ in wanted], [gap * (text.count("\n") + 1) for _, _, text, _ in wanted])
    left, right = axes.get_xlim()
    away = [
        abs(at - share) > _MOVED or right - x > _SHORT_OF * (right - left)
        for (share, x, *_), at in zip(wanted, placed, strict=True)
    ]
    for (share, x, text, colour), at, moved in zip(wanted, placed, away, strict=True):
        line: Any = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.8,
            "shrinkA": 1,
            "shrinkB": 0,
            "relpos": (0, 0.5),
        }
        axes.annotate(
            text,
            (x, low + share * spread),
            xytext=(1.035 if any(away) else 1.015, at),
            textcoords="axes fraction",
            color=colour,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops=line if moved else None,
            **BOLD,
        )


def _apart(wanted: list[float], heights: list[float]) -> list[float]:
    """Return places for labels of given heights that do not overlap, each as near to its own as the others let it.

    Labels that would overlap are set about their common middle; all stay between 0.02 and 0.98. `wanted` ascends.
    """
    blocks: list[list[int]] = []

    def middle(block: list[int]) -> float:
        # where the first of a block stands if its labels miss their places by nothing on average
        return sum(wanted[i] - offset for i, offset in zip(block, offsets(block), strict=True)) / len(block)

    def offsets(block: list[int]) -> list[float]:
        held = [0.0]
        for one, other in itertools.pairwise(block):
            held.append(held[-1] + (heights[one] + heights[other]) / 2)
        return held

    for i in range(len(wanted)):
        blocks.append([i])
        while len(blocks) > 1:
            above, below = blocks[-1], blocks[-2]
            end = middle(below) + offsets(below)[-1]
            if middle(above) - end >= (heights[below[-1]] + heights[above[0]]) / 2 - 1e-12:
                break
            blocks[-2:] = [below + above]
    placed = [middle(b) + offset for b in blocks for offset in offsets(b)]
    if not placed:
        return []
    down, up = max(0.0, placed[-1] - 0.98), max(0.0, 0.02 - placed[0])
    return [at - down if down else at + up for at in placed]


def line_end(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Return where a line ends: its last known point; NaN where none is known."""
    places, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    return (float(places[known[-1]]), float(values[known[-1]])) if len(known) else (math.nan, math.nan)


def wrapped(names: Iterable[str], width: int = 34) -> list[str]:
    r"""Return row names in lines short enough to leave room for the drawing.

    Examples
    --------
    >>> wrapped(["Imputation", "Hierarchical difference-in-differences (sceptical prior)"])
    ['Imputation', 'Hierarchical difference-in-\ndifferences (sceptical prior)']
    """
    return ["\n".join(textwrap.wrap(str(n), width)) for n in names]


def name_rows(axes: Axes, names: Sequence[str], **look: Any) -> None:
    """Name the rows of a drawing whose first row stands at the top, len(names) - 1, and whose last at 0."""
    axes.set_yticks(range(len(names) - 1, -1, -1), names, **look)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def number_axis(axes: Axes, write: Callable[[float], str] | None = None, *, from_zero: bool = True) -> None:
    """Format the y axis with thousands separators, or with `write`; begin at zero unless told otherwise."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if from_zero:
        top = axes.get_ylim()[1]
        axes.set_ylim(0, top if top > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: write(v) if write else f"{v:,.10g}"))
