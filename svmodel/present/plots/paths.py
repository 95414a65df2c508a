"""What drawings share: signed numbers, room above lines, and a place over time with the starts in it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.present.style import GREY, number_axis, time_axis
from svmodel.result import Result
from svmodel.result.tables import ALL_TREATED


class Course(NamedTuple):
    """A place over time, as a figure lays it out; `x`, `index` and `after` have one entry a period."""

    label: str
    place: str
    index: pd.PeriodIndex
    x: NDArray[np.int64]
    starts: list[int]
    after: NDArray[np.bool_]


def course(result: Result, area: str, frame: pd.DataFrame, *, label: str, place: str) -> Course:
    """Return what a drawing of `frame`, one row a period, needs; empty names are filled from the result."""
    label = label or (result.design.outcome if result.design is not None else "outcome")
    place = place or ("all treated areas" if area == ALL_TREATED else area)
    index = pd.PeriodIndex(frame["period"])
    x = np.arange(len(frame))
    starts = starts_in(result, area, index)
    return Course(label, place, index, x, starts, x >= (starts[0] if starts else len(x)))


def starts_in(result: Result, area: str, index: pd.PeriodIndex) -> list[int]:
    """Return the positions at which treated areas in `area` start, in order and once each."""
    if result.design is None:
        return []
    panel = result.design.panel
    inside = [
        start
        for code, start in result.design.intervention.starts.items()
        if area in (ALL_TREATED, code, panel.parents.get(code)) and code in panel.areas
    ]
    return sorted({p.ordinal - index[0].ordinal for p in inside if index[0] <= p <= index[-1]})


def signed(value: float, unit: str = "") -> str:
    """Return a number with its sign, as axes and labels give it.

    Examples
    --------
    >>> signed(-12.0, "%"), signed(3.5), signed(0.0, "%")
    ('−12%', '+3.5', '0%')
    """
    return f"{value:+,.6g}{unit}".replace("-", "−") if abs(value) > 1e-9 else f"0{unit}"


def counts_over_time(axes: Any, index: pd.PeriodIndex) -> None:
    """Lay out counts from zero by period, with room above the lines for labels."""
    time_axis(axes, index)
    number_axis(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.12 * (high - low))


#: What the axis of a difference is called.
DIFFERENCE = "Difference in the outcome's units"


def change_axis(axes: Any, unit: str, words: str) -> None:
    """Lay out changes along the x axis."""
    axes.xaxis.set_major_formatter(lambda v, _: signed(v, unit))
    axes.set_xlabel(words, color=GREY)


def changes(rows: pd.DataFrame, *, ratio: bool) -> pd.DataFrame:
    """Return ``change, change_low, change_high`` of rows with an estimate and limits: per cent for a ratio."""
    columns = {"change": "estimate", "change_low": "conf_low", "change_high": "conf_high"}
    values = {name: rows[column].to_numpy(dtype=np.float64) for name, column in columns.items() if column in rows}
    return pd.DataFrame({name: 100 * (v - 1) if ratio else v for name, v in values.items()})
