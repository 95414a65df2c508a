"""What each column of a tidy file is likely to be, from its name and its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from svmodel import periods
from svmodel.areas import is_code
from svmodel.errors import DataError, shorten
from svmodel.sources.opening import read_table

_AREA = re.compile(
    r"^(area|lsoa|msoa|ward|lad|la|csp|borough|district|authority|force|pfa|geography|precinct|neighbourhood|id)"
    r"((11|21|\d\d)?(cd|nm)|_?(code|name|id))?$"
)
_PERIOD = re.compile(r"^(period|month|date|quarter|year|financial_?year|month_?year|year_?month|time|time_?period)$")
_EXPOSURE = re.compile(r"(^|_)(pop|population|residents|persons|exposure|denominator)($|_)")
_NOT_COUNTS = re.compile(
    r"(^|_)(lat|latitude|long|longitude|lon|x|y|easting|northing|rate|per|share|percent)($|_)|^synthetic$"
)


@dataclass(frozen=True)
class Columns:
    """The columns of a tidy file by role."""

    area: str
    period: str
    counts: tuple[str, ...]
    exposures: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"area {self.area!r}", f"period {self.period!r}", f"counts {shorten(self.counts, limit=12)}"]
        if self.exposures:
            parts.append(f"exposures {shorten(self.exposures, limit=4)}")
        return ", ".join(parts)


def guess_columns(
    path: str | Path, *, area: str | None = None, period: str | None = None, counts: Iterable[str] = ()
) -> Columns:
    """Guess which columns of a CSV file are the area, the period, counts and populations.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` or ``.csv.gz`` file, one row for each area and period.
    area, period, counts
        What is known already; only the rest is guessed.

    Returns
    -------
    Columns
        A column counts as one of counts when at least half of its filled values are whole numbers, so
        that a negative or text value in it is still found to be wrong.

    Raises
    ------
    DataError
        If the file cannot be read, or no column looks like an area, a period or a count.
    """
    path = Path(path)
    frame = read_table(path).to_pandas()
    counts = tuple(counts)
    free = [c for c in frame.columns if c not in {area, period, *counts}]
    tidy = {c: re.sub(r"[^a-z0-9]+", "_", str(c).strip().casefold()).strip("_") for c in free}
    if period is None:
        period = _first(free, tidy, _PERIOD) or next((c for c in free if _mostly(frame[c], _is_period)), None)
    free = [c for c in free if c != period]
    if area is None:
        coded = [c for c in free if _mostly(frame[c], is_code)]
        # With two columns of codes the finer one has more of them: the other is what it lies in.
        area = max(coded, key=lambda c: frame[c].nunique()) if coded else _first(free, tidy, _AREA)
    free = [c for c in free if c != area]
    exposures = tuple(c for c in free if _EXPOSURE.search(tidy[c]) and _mostly(frame[c], _is_number))
    if not counts:
        numeric = [c for c in free if c not in exposures and not _NOT_COUNTS.search(tidy[c])]
        counts = tuple(c for c in numeric if not _AREA.match(tidy[c]) and _mostly(frame[c], _is_whole))
    lacking = [w for w, found in (("--area", area), ("--period", period), ("--counts", counts)) if not found]
    if area is None or period is None or not counts:
        raise DataError(
            f"{path} does not show which of its columns are what. Name them with {', '.join(lacking)}; "
            f"it has {shorten([str(c) for c in frame.columns], limit=12)}."
        )
    return Columns(area, period, counts, exposures)


def _first(columns: list[str], tidy: dict[str, str], pattern: re.Pattern[str]) -> str | None:
    return next((c for c in columns if pattern.match(tidy[c])), None)


def _mostly(column: pd.Series, holds: Callable[[object], bool]) -> bool:
    values = column.dropna().head(2000)
    return len(values) > 0 and sum(holds(v) for v in values) * 2 >= len(values)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _is_whole(value: object) -> bool:
    return _is_number(value) and float(str(value)).is_integer()


def _is_period(value: object) -> bool:
    if isinstance(value, (int, float)):
        return False
    try:
        periods.parse(str(value))
    except DataError:
        return False
    return True
