"""Cells of a spreadsheet as numbers: signs and separators taken off, suppressed cells missing with their reason."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["blank", "number", "mark", "dash", "date", "text"]
#: What one writer means by nil and another by "not known".
_DASHES = frozenset({"-", "--", ".", "none"})
_NIL = frozenset({"nil", "zero"})
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
    "nan": "not available",
    "no data": "not available",
    "not available": "not available",
    "not known": "not available",
    "not recorded": "not available",
    "not collected": "not available",
    "not provided": "not available",
    "no return": "not available",
    "unknown": "not available",
    "tbc": "not available",
    "tba": "not available",
    "pending": "not available",
    "redacted": "withheld",
    "withheld": "withheld",
    "confidential": "suppressed (confidential)",
    "not applicable": "not applicable",
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
#: What stands behind a number and is none of it: (r), [note 2], *, a dagger, r for revised.
_FOOTNOTE = re.compile(
    r"(?<=[\d%)]) ?(\[[^\]]{1,12}\]|\((rev|prov|revised|provisional|estimate|[a-z]|\d|note \d+)\)|\*{1,3}|[†‡§]|r)$",
    re.IGNORECASE,
)
#: Digits set high, which plain letters would add to the number; behind a unit of length they are its power.
_HIGH_DIGITS = re.compile(r"(?<=\S)(?<![kcmKCM]m)(?<! m)[\u00b9\u00b2\u00b3\u2070\u2074-\u2079]+(?=\s*$)")
_PLAIN = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}([, ']\d{3})+(\.\d+)?$")
_COMMA = re.compile(r"^[+-]?(\d{1,3}([. ']\d{3})+|\d+)(,\d+)?$")
#: What shows that a decimal comma is written, what shows a point, and what may be either.
_SHOWS_COMMA = re.compile(r"^(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,(\d{1,2}|\d{4,})|0,\d+|\d{4,},\d+)$")
_SHOWS_POINT = re.compile(r"^(\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,}|\d*\.(\d{1,2}|\d{4,})|0?\.\d+|\d{4,}\.\d+)$")
_SHOWS_NEITHER = re.compile(r"^\d{1,3}[.,]\d{3}$")


def tidy_cell(value: object) -> object:
    """Return a cell without the blanks around it; None where it is empty, whole numbers as int."""
    if isinstance(value, str):
        value = _HIGH_DIGITS.sub("", value)
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


def number_of(value: object, decimal: str = "point") -> float | None:
    """Return the number that a cell holds, or None.

    Parameters
    ----------
    value : object
    decimal : {"point", "comma"}
        What parts the whole from its decimals; the other sign parts the thousands.

    Examples
    --------
    >>> [number_of(v) for v in ("1,234", "£1 234.50", "(17)", "12%", "12 [r]", "12,34", "seven")]
    [1234.0, 1234.5, -17.0, 12.0, 12.0, None, None]
    >>> [number_of(v, "comma") for v in ("1.234,5", "12,34", "1.234")]
    [1234.5, 12.34, 1234.0]
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, np.integer, np.floating)):
        return None if np.isnan(value) else float(value)
    if not isinstance(value, str):
        return None
    if value.casefold() in _NIL:
        return 0.0
    sign, text = _bare(value)
    if decimal == "comma":
        if not _COMMA.match(text):
            return None
        text = re.sub("[. ']", "", text).replace(",", ".")
    elif _THOUSANDS.match(text):
        text = re.sub("[, ']", "", text)
    return sign * float(text) + 0.0 if _PLAIN.match(text) else None


def _bare(value: str) -> tuple[float, str]:
    """Return the sign of a number and its digits, without footnotes, brackets, percent and pound signs."""
    text = _FOOTNOTE.sub("", _plain(value)).lstrip("'")
    sign = 1.0
    if text.startswith("(") and text.endswith(")"):
        sign, text = -1.0, text[1:-1].strip()
    if text.endswith("-") and text[:-1].strip():
        sign, text = -sign, text[:-1].strip()
    text = text.removesuffix("%").removesuffix("€").removesuffix("£").strip()
    if text.startswith("-"):
        sign, text = -sign, text[1:].strip()
    return sign, text.lstrip("£$€").strip()


def decimals_of(values: Iterable[object]) -> tuple[str | None, str]:
    """Return the sign that parts decimals in these cells: ``"comma"``, ``"point"``, or None where they do not show it.

    Returns
    -------
    sign : str or None
        ``"both"`` where some cells show a comma and others a point.
    example : str
        A cell that shows it; where none does, one that could be read either way, if there is any.

    Examples
    --------
    >>> decimals_of(["1.234", "0,5"]), decimals_of(["1.234", "17"]), decimals_of(["1,234", "1.5"])
    (('comma', '0,5'), (None, '1.234'), ('point', '1.5'))
    """
    shown: dict[str, str] = {}
    either = ""
    for value in values:
        if not isinstance(value, str) or not ("," in value or "." in value):
            continue
        text = _bare(value)[1]
        if _SHOWS_COMMA.match(text):
            shown.setdefault("comma", value)
        elif _SHOWS_POINT.match(text):
            shown.setdefault("point", value)
        elif not either and _SHOWS_NEITHER.match(text):
            either = value
    if len(shown) == 2:
        return "both", f"{shown['comma']!r} beside {shown['point']!r}"
    return next(iter(shown.items()), (None, either))


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


def is_dash(value: str) -> bool:
    """Return whether a cell holds a sign that means nil to some and "not known" to others."""
    return _plain(value).casefold() in _DASHES


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
    if number_of(value) is not None or number_of(value, "comma") is not None:
        return "number"
    if is_dash(value):
        return "dash"
    return "mark" if mark_of(value) is not None else "text"


def mostly_counts(values: Sequence[object]) -> bool:
    """Return whether at least half of the cells that are filled are numbers, or stand in place of one."""
    kinds = [kind_of_cell(v) for v in values]
    filled = [k for k in kinds if k != "blank"]
    return bool(filled) and sum(k in ("number", "mark", "dash") for k in filled) * 2 >= len(filled)


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
        Signs that were taken off, each with an example, three at most.
    """

    values: list[object]
    marks: dict[tuple[str, str], int]
    dashes: int
    signs: tuple[str, ...]

    @property
    def array(self) -> NDArray[np.float64]:
        """The numbers, NaN elsewhere."""
        return np.array([v if isinstance(v, float) else np.nan for v in self.values], dtype=np.float64)


def read_numbers(values: Iterable[object], *, dashes: str | None = None, decimal: str | None = None) -> Numbers:
    """Read a column of cells as numbers.

    Parameters
    ----------
    values : iterable
    dashes : {"nil", "missing"}, optional
        What ``-`` and ``.`` stand for; where nobody has said, they are missing and counted.
    decimal : {"point", "comma"}, optional
        What parts the decimals; by default what the cells themselves show, else a point.
    """
    values = list(map(tidy_cell, values))
    decimal = decimal or ("comma" if decimals_of(values)[0] == "comma" else "point")
    found: list[object] = []
    marks: Counter[tuple[str, str]] = Counter()
    signs: dict[str, str] = {}
    n_dashes = 0
    for value in values:
        number = number_of(value, decimal)
        if number is not None:
            found.append(number)
            if isinstance(value, str) and not _PLAIN.match(value):
                signs.setdefault(re.sub(r"\d+", "0", value), f"{value!r} is read as {number:g}")
        elif value is None:
            found.append(None)
        elif isinstance(value, str) and is_dash(value):
            n_dashes += 1
            found.append(0.0 if dashes == "nil" else None)
        elif (reason := mark_of(value)) is not None:
            marks[str(value), reason] += 1
            found.append(None)
        else:
            found.append(value)
    return Numbers(found, dict(marks), n_dashes, tuple(signs.values())[:3])
