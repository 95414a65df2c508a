"""What every source promises: a tidy frame with named, checked columns; and the words it shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.ledger import Extract, Ledger

_MAX_LINES = 5
_KEY_TYPES: dict[str, type | None] = {"period": None, "year": int}


def slug(text: str) -> str:
    """Return the column name for an offence or measure.

    Examples
    --------
    >>> slug("VIOLENCE WITH INJURY"), slug("Knife Injury Victims (non DA 1-24)")
    ('violence_with_injury', 'knife_injury_victims_non_da_1_24')
    """
    return re.sub(r"[^a-z0-9]+", "_", str(text).casefold()).strip("_")


def _plain(text: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(text).casefold())


def match_columns(
    header: Sequence[str], wanted: Mapping[str, Sequence[str]], *, optional: Iterable[str] = ()
) -> tuple[dict[str, str], list[Problem]]:
    """Find the columns of a header by any of the names that a publisher has used for them.

    Case, spaces, line breaks and punctuation in a name do not count.

    Parameters
    ----------
    header : sequence of str
        Column names as they stand in the file.
    wanted : mapping of str to sequence of str
        Our name for a column -> the publisher's names, the newest first.
    optional : iterable of str
        Our names of columns that a file may lack.

    Returns
    -------
    columns : dict of str to str
        Our name -> the name in this file.
    problems : list of Problem
        One for each column that is needed and not there, with the nearest name.

    Examples
    --------
    >>> match_columns(["Police Force", "Offence Count"], {"force": ["Force Name", "Police Force"]})
    ({'force': 'Police Force'}, [])
    """
    standing = {_plain(h): h for h in reversed(header)}
    found, problems = {}, []
    for ours, theirs in wanted.items():
        hit = next((standing[_plain(t)] for t in theirs if _plain(t) in standing), None)
        if hit is not None:
            found[ours] = hit
        elif ours not in set(optional):
            names = " or ".join(repr(t) for t in theirs)
            fix = did_you_mean(theirs[0], [h for h in header if h], limit=12)
            problems.append(Problem(f"there is no column {names}", fix=fix, rule="unknown_column"))
    return found, problems


def choose(asked: str | Iterable[str] | None, there: Iterable[str], *, word: str, where: str) -> list[str]:
    """Return the offences (or measures) asked for, in the words of the file; all of them by default.

    Case and punctuation do not count, so ``violence_with_injury`` finds ``VIOLENCE WITH INJURY``.

    Raises
    ------
    DataError
        Naming every one that is not there, with the nearest that is.
    """
    there = list(dict.fromkeys(there))
    if asked is None:
        return there
    names = [asked] if isinstance(asked, str) else list(asked)
    standing = {_plain(t): t for t in there}
    problems = Problems()
    for name in names:
        if _plain(name) not in standing:
            problems.add(
                f"there is no {word} {name!r}", fix=did_you_mean(name, there, limit=14), rule="unknown_offence"
            )
    problems.raise_if_any(DataError, where)
    return list(dict.fromkeys(standing[_plain(n)] for n in names))


def counts_of(
    column: pd.Series, lines: NDArray[np.int64], *, name: str, problems: Problems, negative_ok: bool = False
) -> NDArray[np.float64]:
    """Return a column as counts; an empty value is missing, text and negative numbers are problems.

    Parameters
    ----------
    column : pandas.Series, shape (n,)
    lines : ndarray of int, shape (n,)
        Line of the file in which each value stands.
    name : str
        Column, for the message.
    problems : Problems
        Takes what is wrong.
    negative_ok : bool
        Whether corrections below zero may stand (they are part of some publishers' files).
    """
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    blank = column.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(column.dtype):
        blank = blank | column.astype("string").str.strip().isin(["", "NA"]).fillna(True).to_numpy(dtype=bool)
    text = np.isnan(numbers) & ~blank
    where = f"column {name!r}"
    if text.any():
        what = f"{int(text.sum()):,} values are text, not numbers: {shorten(column[text].unique(), limit=3)}"
        problems.add(what, where=f"{where}, {name_lines(lines[text])}", rule="text_count")
    below = numbers < 0
    if below.any() and not negative_ok:
        what = f"{int(below.sum()):,} counts are negative"
        problems.add(what, where=f"{where}, {name_lines(lines[below])}", rule="negative_count")
    return numbers


def name_lines(lines: NDArray[np.int64]) -> str:
    """Return "line 3" or "lines 3, 4, 5, 6, 7 and 9 more"."""
    shown = ", ".join(str(n) for n in lines[:_MAX_LINES])
    more = f" and {len(lines) - _MAX_LINES:,} more" if len(lines) > _MAX_LINES else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"


def finish(
    frame: pd.DataFrame,
    ledger: Ledger,
    *,
    outcomes: Sequence[str],
    source: str,
    keys: Sequence[str] = ("area", "period"),
    texts: Sequence[str] = (),
) -> Extract:
    """Hold the frame to the contract of its source, and give it out with its ledger.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns `keys` (text, ``year`` a whole number, ``period`` months, quarters or years), `texts` and `outcomes`.
    ledger : Ledger
    outcomes : sequence of str
        Columns of counts: 0 or more, or missing.
    source : str
        Publisher and file.
    keys : sequence of str
        Columns that name a row; no two rows have the same.
    texts : sequence of str
        Columns of text that may be missing, such as ``parent`` and ``name``.

    Raises
    ------
    DataError
        If a source broke its promise; this names the column and the rows.
    """
    from pandera import pandas as pa

    columns: dict[str, pa.Column] = {}
    for key in keys:
        columns[key] = pa.Column(_KEY_TYPES.get(key, str), nullable=False)
    columns |= {t: pa.Column(str, nullable=True) for t in texts}
    columns |= {o: pa.Column(float, pa.Check.ge(0), nullable=True) for o in outcomes}
    ordered = frame[list(columns)].sort_values(list(keys), kind="stable", ignore_index=True)
    schema = pa.DataFrameSchema(columns, unique=list(keys), strict=True)
    if "period" in keys and not isinstance(ordered["period"].dtype, pd.PeriodDtype):
        raise DataError(f"{source}: the column 'period' holds {ordered['period'].dtype}, not periods")
    try:
        schema.validate(ordered, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.head(10).itertuples()
        raise DataError(
            f"{source} cannot be used",
            [Problem(f"{c.check}: {c.failure_case!r}", where=f"column {c.column!r}", rule="contract") for c in cases],
        ) from None
    return Extract(ordered, ledger, source)
