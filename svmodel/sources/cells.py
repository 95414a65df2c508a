"""Cells of a spreadsheet as numbers: signs and separators taken off, suppressed cells missing with their reason."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["blank", "number", "mark", "dash", "date", "text"]
#: What one writer means by nil and another by "not known".
DASHES = frozenset({"-", "--", "."})
#: Mark, in small letters and without its brackets -> what publishers mean by it.
_MARKS = {
    "*": "suppressed",
    "**": "suppressed",
    "#": "suppressed",
    "c": "suppressed (confidential)",
    "s": "suppressed",
    "supp": "suppressed",
    "suppressed": "suppressed",
    "x": "not available",
    "z": "not applicable",
    "u": "unreliable",
    "w": "withheld",
    "k": "low, not shown",
    "low": "low, not shown",
    "~": "low, not shown",
    ":": "not available",
    "..": "not available",
    "...": "not available",
    "n/a": "not available",
    "na": "not available",
    "n.a.": "not available",
    "#n/a": "not available",
    "null": "not available",
    "none": "not available",
    "nan": "not available",
    "no data": "not available",
    "not available": "not available",
    "not known": "not available",
    "missing": "not available",
    "#ref!": "an error of the spreadsheet",
    "#div/0!": "an error of the spreadsheet",
    "#value!": "an error of the spreadsheet",
    "#name?": "an error of the spreadsheet",
    "#num!": "an error of the spreadsheet",
    "#null!": "an error of the spreadsheet",
}
_BOUND = re.compile(r"^(<|<=|≤|fewer than|less than|under|below|up to) ?(\d+)$", re.IGNORECASE)
_RANGE = re.compile(r"^(\d{1,2}) ?(-|to) ?(\d{1,2})$")
_REVISED = re.compile(r" ?[\[(](r|p|e|rev|prov|revised|provisional|estimate)[\])]$", re.IGNORECASE)
_PLAIN = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}([, ']\d{3})+(\.\d+)?$")


def tidy_cell(value: object) -> object:
    """Return a cell without the blanks around it; None where it is empty, whole numbers as int."""
    if isinstance(value, str):
        text = " ".join(unicodedata.normalize("NFKC", value).replace("\u200b", "").replace("\ufeff", "").split())
        return text or None
    if isinstance(value, float):
        if np.isnan(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, dt.datetime) and value.tzinfo is None and value.time() == dt.time(0):
        return value.date()
    return value


def _plain(text: str) -> str:
    return re.sub("[\u2010-\u2015\u2212]", "-", text).strip()


def number_of(value: object) -> float | None:
    """Return the number that a cell holds, or None.

    Examples
    --------
    >>> [number_of(v) for v in ("1,234", "£1 234.50", "(17)", "12%", "12,34", "seven")]
    [1234.0, 1234.5, -17.0, 12.0, None, None]
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, np.integer, np.floating)):
        return None if np.isnan(value) else float(value)
    if not isinstance(value, str):
        return None
    text = _REVISED.sub("", _plain(value)).lstrip("'")
    sign = 1.0
    if text.startswith("(") and text.endswith(")"):
        sign, text = -1.0, text[1:-1].strip()
    if text.endswith("-") and text[:-1].strip():
        sign, text = -sign, text[:-1].strip()
    text = text.removesuffix("%").strip()
    if text.startswith("-"):
        sign, text = -sign, text[1:].strip()
    text = text.lstrip("£$€").strip()
    if _THOUSANDS.match(text):
        text = re.sub("[, ']", "", text)
    return sign * float(text) if _PLAIN.match(text) else None


def mark_of(value: object) -> str | None:
    """Return what a mark in place of a number says, or None where the cell holds no mark.

    Examples
    --------
    >>> mark_of("[c]"), mark_of("<5"), mark_of("1 to 7"), mark_of("Sefton") is None
    ('suppressed (confidential)', 'below 5', 'between 1 and 7', True)
    """
    if not isinstance(value, str):
        return None
    text = _plain(value).casefold()
    bare = text[1:-1].strip() if len(text) > 2 and text[0] + text[-1] in ("[]", "()") else text
    if bare in _MARKS:
        return _MARKS[bare]
    if found := _BOUND.match(bare):
        word = "at most" if found[1] in ("<=", "≤", "up to") else "below"
        return f"{word} {found[2]}"
    if (found := _RANGE.match(bare)) and int(found[1]) < int(found[3]):
        return f"between {found[1]} and {found[3]}"
    return None


def kind_of_cell(value: object) -> Kind:
    """Return what a tidied cell holds."""
    if value is None:
        return "blank"
    if isinstance(value, bool):
        return "text"
    if isinstance(value, (dt.date, dt.datetime)):
        return "date"
    if isinstance(value, str):
        return _kind_of_text(value)
    return "number" if number_of(value) is not None else "text"


@lru_cache(maxsize=100_000)  # a column says the same few things over and over
def _kind_of_text(value: str) -> Kind:
    if number_of(value) is not None:
        return "number"
    if _plain(value) in DASHES:
        return "dash"
    return "mark" if mark_of(value) is not None else "text"


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of cells as numbers.

    Parameters
    ----------
    values : list, shape (n,)
        Numbers, None where missing, and the text itself where it is neither a number nor a mark.
    marks : mapping of (mark, reason) to int
        The cells that are missing for a reason, and how many there are.
    dashes : int
        Cells with a sign that means nil to some and "not known" to others.
    signs : tuple of str
        Signs that were taken off, with an example.
    """

    values: list[object]
    marks: dict[tuple[str, str], int]
    dashes: int
    signs: tuple[str, ...]

    @property
    def array(self) -> NDArray[np.float64]:
        """The numbers, NaN elsewhere."""
        return np.array([v if isinstance(v, float) else np.nan for v in self.values], dtype=np.float64)


def read_numbers(values: Iterable[object], *, dashes: str | None = None) -> Numbers:
    """Read a column of cells as numbers.

    Parameters
    ----------
    values : iterable
    dashes : {"nil", "missing"}, optional
        What ``-`` and ``.`` stand for; where nobody has said, they are missing and counted.
    """
    found: list[object] = []
    marks: Counter[tuple[str, str]] = Counter()
    signs: dict[str, str] = {}
    n_dashes = 0
    for value in map(tidy_cell, values):
        number = number_of(value)
        if number is not None:
            found.append(number)
            if isinstance(value, str) and not _PLAIN.match(value):
                signs.setdefault(re.sub(r"\d+", "0", value), f"{value!r} is read as {number:g}")
        elif value is None:
            found.append(None)
        elif isinstance(value, str) and _plain(value) in DASHES:
            n_dashes += 1
            found.append(0.0 if dashes == "nil" else None)
        elif (reason := mark_of(value)) is not None:
            marks[str(value), reason] += 1
            found.append(None)
        else:
            found.append(value)
    return Numbers(found, dict(marks), n_dashes, tuple(signs.values())[:1])
