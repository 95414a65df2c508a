"""The columns of a frame as areas, periods and numbers; what cannot be read so becomes a problem with its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError, Problems, shorten


class Rows:
    """Names rows the way the user sees them: lines of a file, or labels of a frame."""

    def __init__(self, index: pd.Index, first_line: int | None) -> None:
        self._index = index
        self._first_line = first_line

    def __call__(self, mask: NDArray[np.bool_] | pd.Series) -> str:
        """Return where the marked rows stand, in words."""
        positions = np.flatnonzero(np.asarray(mask))
        if self._first_line is None:
            names = [str(self._index[i]) for i in positions[:5]]
            word = "row" if len(positions) == 1 else "rows"
        else:
            names = [str(i + self._first_line) for i in positions[:5]]
            word = "line" if len(positions) == 1 else "lines"
        more = f" and {len(positions) - 5:,} more" if len(positions) > 5 else ""
        return f"{word} {', '.join(names)}{more}"


@dataclass(frozen=True, eq=False)
class Areas:
    """A column of areas as codes into sorted names; -1 where blank."""

    codes: NDArray[np.int64]
    names: NDArray[np.object_]

    @classmethod
    def read(cls, column: pd.Series) -> Areas:
        """Factorise first, so that text is handled once for each distinct value and not for each row."""
        raw, distinct = pd.factorize(column)
        text = [str(d).strip() for d in distinct]
        names = sorted({t for t in text if t})
        at = {name: i for i, name in enumerate(names)}
        lookup = np.array([*(at.get(t, -1) for t in text), -1], dtype=np.int64)
        return cls(lookup[raw], np.array(names, dtype=object))

    def series(self) -> pd.Series:
        """Return the names row by row; blank ones are missing."""
        return pd.Series(np.append(self.names, pd.NA)[self.codes], dtype="string")


def area_column(column: pd.Series, rows: Rows, problems: Problems) -> Areas:
    """Return the areas of the rows; blank ones become a problem."""
    area = Areas.read(column)
    blank = area.codes < 0
    if blank.any():
        problems.add(
            f"the area is blank in {int(blank.sum()):,} rows",
            where=rows(blank),
            fix="Drop them on purpose, or read them with a source that puts them in the ledger.",
            rule="area_blank",
        )
    return area


def period_column(column: pd.Series, rows: Rows, problems: Problems) -> pd.PeriodIndex:
    """Return the periods of the rows in one frequency; what is blank, unreadable, ambiguous or mixed is a problem."""
    if isinstance(column.dtype, pd.PeriodDtype) and column.dtype.freq.freqstr in periods.FREQUENCIES:
        index = pd.PeriodIndex(column)
        blank = index.isna()
        if blank.any():
            problems.add(f"the period is blank in {int(blank.sum()):,} rows", where=rows(blank), rule="period_blank")
        return index
    codes, distinct = pd.factorize(column)
    parsed: list[pd.Period | None] = []
    for i, value in enumerate(distinct):
        try:
            parsed.append(periods.parse(value))
        except DataError as error:
            problems.add(error.title, where=f"column {column.name!r}, {rows(codes == i)}", rule="period_unreadable")
            parsed.append(None)
    if (codes == -1).any():
        where = rows(codes == -1)
        problems.add(f"the period is blank in {int((codes == -1).sum()):,} rows", where=where, rule="period_blank")
    texts = [str(value).strip() for value in distinct]
    if len(texts) > 1 and all(_is_year_pair(text) for text in texts):
        problems.add(
            f"{shorten(texts, limit=3)} would be read as months, but look like financial years",
            where=f"column {column.name!r}",
            fix=f"Write {texts[0].replace('-', '/')} for a financial year; a month of every year as a full date.",
            rule="period_ambiguous",
        )
    kinds = sorted({p.freqstr for p in parsed if p is not None})
    if len(kinds) > 1:
        words = " and ".join(periods.FREQUENCIES[k] + "s" for k in kinds)
        problems.add(f"{words} are mixed", where=f"column {column.name!r}", rule="period_mixed")
    freq = kinds[0] if kinds else "M"
    lookup = pd.PeriodIndex([p if p is not None and p.freqstr == freq else pd.NaT for p in [*parsed, None]], freq=freq)
    return lookup[codes]


def _is_year_pair(text: str) -> bool:
    """Return whether the text reads as a month, 2008-09, and as the financial year of that name as well."""
    first, _, second = text.partition("-")
    return (
        len(first) == 4 and len(second) == 2 and text.replace("-", "").isdigit() and int(second) == int(first[2:]) + 1
    )


def numbers_in(column: pd.Series, name: str, role: str, rows: Rows, problems: Problems) -> NDArray[np.float64]:
    """Return the column as numbers; text, negative and fractional values become problems."""
    numbers = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy()
    blank = column.isna().to_numpy()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        blank = blank | (column.astype("string").str.strip() == "").fillna(False).to_numpy(dtype=bool)
    text = np.isnan(numbers) & ~blank
    where = f"column {name!r}"
    if text.any():
        shown = shorten(column[text].unique(), limit=3)
        problems.add(
            f"{int(text.sum()):,} values are text, not numbers: {shown}",
            where=f"{where}, {rows(text)}",
            fix="Leave a suppressed or missing value empty; it is then kept as missing, never as zero.",
            rule="text_count" if role == "count" else "text_value",
        )
    infinite = np.isinf(numbers)
    if infinite.any():
        problems.add("a value is infinite", where=f"{where}, {rows(infinite)}", rule="infinite_value")
    if role == "count":
        negative = numbers < 0
        if negative.any():
            shown = shorten(column[negative].unique(), limit=3)
            problems.add(
                f"{int(negative.sum()):,} counts are negative ({shown})",
                where=f"{where}, {rows(negative)}",
                fix="A count of events is 0 or more; leave it empty where it is not known.",
                rule="negative_count",
            )
        part = np.isfinite(numbers) & (numbers != np.floor(numbers))
        if part.any():
            problems.add(
                f"{int(part.sum()):,} counts are not whole numbers",
                where=f"{where}, {rows(part)}",
                fix=f"Name {name!r} under measures if it is not a count.",
                rule="fractional_count",
            )
    if role == "exposure":
        low = numbers <= 0
        if low.any():
            problems.add(
                f"{int(low.sum()):,} exposures are zero or negative",
                where=f"{where}, {rows(low)}",
                fix="An exposure is a population at risk and is above zero.",
                rule="exposure_not_positive",
            )
    return numbers
