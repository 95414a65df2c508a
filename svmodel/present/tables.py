"""Tables for readers: a caption, named columns, row headings, and the sign that stands for a hidden number.

A :class:`Table` holds text only; it is made from frames that disclosure control has already been through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from svmodel import periods
from svmodel.design.meaning import zero_words
from svmodel.errors import DataError
from svmodel.present import prose
from svmodel.present.facts import EffectFact
from svmodel.protect import CONFIDENTIAL
from svmodel.result import Effect
from svmodel.words import chance, p_number

HIDDEN, ABSENT, NONE = "[c]", "[x]", "[z]"
#: No-break space.
NBSP = "\N{NO-BREAK SPACE}"
#: Cells of a table that narrow screens set out one under the other; a longer one scrolls within its frame.
_STACKED = 240
SHORTHAND = {
    HIDDEN: "[c] hidden to protect small numbers.",
    ABSENT: "[x] not available.",
    NONE: "[z] does not apply.",
}


@dataclass(frozen=True)
class Table:
    """A table as a page prints it.

    Parameters
    ----------
    caption : str
        What the table shows.
    header : tuple of str
        One heading a column; the first is that of the row headings.
    rows : tuple of tuple of str
        Cells as text, as many in each row as there are headings. The first cell heads its row.
    note : str
        A line under the table.
    words : tuple of str
        Headings of columns that hold words; all the others are numbers and stand to the right.

    Raises
    ------
    DataError
        If the caption is empty or a row has another number of cells than the header.

    Examples
    --------
    >>> table = Table("Offences by area", ("Area", "Offences"), (("Sefton", "1,204"),))
    >>> '<th scope="row">Sefton</th>' in table.html()
    True
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.caption.strip():
            raise DataError("a table needs a caption")
        wrong = [row for row in self.rows if len(row) != len(self.header)]
        if wrong:
            raise DataError(f"table {self.caption!r}: a row has {len(wrong[0])} cells, not {len(self.header)}")

    def html(self) -> str:
        """Return the table as HTML with a caption, column headings and row headings."""
        heads = "".join(f'<th scope="col"{self._side(i)}>{escape(h)}</th>' for i, h in enumerate(self.header))
        body = []
        # on a narrow screen a row is set out one cell under the other, each with its heading
        stacks = len(self.rows) * len(self.header) <= _STACKED and len(self.header) < 10
        for first, *rest in self.rows:
            cells = "".join(f"<td{self._side(i)}>{escape(c)}</td>" for i, c in enumerate(rest, start=1))
            body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
        note = self.note
        for mark, meaning in SHORTHAND.items():
            if any(mark in cell for row in self.rows for cell in row):
                note = f"{note} {meaning}".strip()
        foot = f'<p class="note">{escape(note)}</p>' if note else ""
        look = f'class="table stacks" style="{stacked_heads(self.header)}"' if stacks else 'class="table"'
        return (
            f'<div {look} tabindex="0" role="group" aria-label="{escape(self.caption)}">'
            f"<table><caption>{escape(self.caption)}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{foot}"
        )

    def _side(self, column: int) -> str:
        return "" if column == 0 or self.header[column] in self.words else ' class="num"'

    def _repr_html_(self) -> str:
        return self.html()


def stacked_heads(header: Sequence[str]) -> str:
    r"""Return the headings of a table as a style of its frame, which narrow screens write before each cell of a row.

    Examples
    --------
    >>> stacked_heads(["Area", "Events", 'So-called "rate"'])
    '--h2:&quot;Events&quot;;--h3:&quot;So-called \\&quot;rate\\&quot;&quot;'
    """
    quoted = (" ".join(h.split()).replace("\\", "\\\\").replace('"', '\\"') for h in header[1:])
    return escape(";".join(f'--h{i}:"{h}"' for i, h in enumerate(quoted, start=2)))


def cell(value: Any, flag: str = "", write: Callable[[float], str] = prose.number) -> str:
    """Return one number as a cell: its text, ``[c]`` where hidden, ``[x]`` where it is not known."""
    if flag == CONFIDENTIAL:
        return HIDDEN
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ABSENT
    return write(float(value))


def frame_table(
    frame: pd.DataFrame,
    caption: str,
    columns: Mapping[str, tuple[str, Callable[[float], str] | None]],
    *,
    note: str = "",
) -> Table:
    """Return a table of some columns of a protected frame.

    Parameters
    ----------
    frame : pandas.DataFrame
        After disclosure control; a column's ``<column>_flag`` is heeded where there is one.
    caption : str
    columns : mapping of str to (heading, writer)
        In the order of the table. A writer of None marks a column of words or periods.
    note : str
    """
    rows = []
    for record in frame.to_dict(orient="records"):
        row = []
        for column, (_, write) in columns.items():
            value = record[column]
            row.append(_words(value) if write is None else cell(value, record.get(f"{column}_flag", ""), write))
        rows.append(tuple(row))
    words = tuple(heading for heading, write in columns.values() if write is None)
    return Table(caption, tuple(h for h, _ in columns.values()), tuple(rows), note, words)


def _words(value: Any) -> str:
    if hasattr(value, "freqstr"):
        return periods.label(value)
    return ABSENT if value is None or value != value else str(value)  # noqa: PLR0124 - NaN alone differs from itself


#: Heading and writer of the columns that figures carry.
DATA_COLUMNS: dict[str, tuple[str, Callable[[float], str] | None]] = {
    "area": ("Area", None),
    "label": ("Area", None),
    "period": ("Period", None),
    "series": ("Series", None),
    "method": ("Method", None),
    "horizon": ("Periods since the start", prose.count),
    "until": ("To", prose.count),
    "horizons": ("Periods known", prose.count),
    "count": ("Count", prose.count),
    "rolling": ("Rolling 12-month count", prose.count),
    "exposure": ("Population", prose.count),
    "rate": ("Rate per 100,000", prose.rate),
    "observed": ("Observed", prose.count),
    "expected": ("Expected", prose.rate),
    "low": ("Lower limit", prose.rate),
    "high": ("Upper limit", prose.rate),
    "change": ("Change, %", prose.number),
    "change_low": ("Lower limit, %", prose.number),
    "change_high": ("Upper limit, %", prose.number),
    "estimate": ("Estimate", lambda v: prose.number(v, 3)),
    "conf_low": ("Lower limit", lambda v: prose.number(v, 3)),
    "conf_high": ("Upper limit", lambda v: prose.number(v, 3)),
    "median": ("Middle forecast", prose.count),
    "wis": ("Average error score", prose.number),
    "with_it": ("Expected with it", prose.rate),
    "with_low": ("Lower limit with it", prose.rate),
    "with_high": ("Upper limit with it", prose.rate),
    "without": ("Expected without it", prose.rate),
    "without_low": ("Lower limit without it", prose.rate),
    "without_high": ("Upper limit without it", prose.rate),
    "raw": ("By itself, %", prose.number),
    "pooled": ("Pooled, %", prose.number),
    "pooled_low": ("Lower limit, pooled, %", prose.number),
    "pooled_high": ("Upper limit, pooled, %", prose.number),
    "prior": ("Density before the data", lambda v: prose.number(v, 4)),
    "posterior": ("Density after the data", lambda v: prose.number(v, 4)),
}


def data_table(frame: pd.DataFrame, caption: str, *, area: str = "", file: str = "") -> Table:
    """Return the table of a figure's data, with headings for the columns that figures carry.

    Parameters
    ----------
    frame : pandas.DataFrame
        After disclosure control.
    caption : str
    area : str
        Code of the area that the page is about. A frame of more than 300 rows is cut to those of this area and of
        all areas together, and then, if need be, to one period a year; the note says so.
    file : str
        Where all rows stand.
    """
    shown, which = _shortened(frame, area)
    note = ""
    if which:
        note = f"{len(shown):,} of {len(frame):,} rows are shown here: {which}."
        note += f" All {len(frame):,} are in {file}." if file else ""
    twice = "label" in frame.columns and "area" in frame.columns
    columns = {
        c: DATA_COLUMNS.get(c, (c.replace("_", " ").capitalize(), _writer(frame, c)))
        for c in frame.columns
        if not str(c).endswith("_flag") and not (twice and c == "area")
    }
    return frame_table(shown, caption, columns, note=note)


def _shortened(frame: pd.DataFrame, area: str, limit: int = 300) -> tuple[pd.DataFrame, str]:
    """Return the rows that a page shows of a long frame, and which those are in words; no words where all are."""
    shown, which = frame, []
    if len(shown) > limit and "area" in shown and area in set(shown["area"]):
        together = "all areas"
        shown = shown[shown["area"].isin([area, together])]
        which.append("this area" + (" and all areas together" if together in set(shown["area"]) else ""))
    if len(shown) > limit and "period" in shown and isinstance(shown["period"].dtype, pd.PeriodDtype):
        index = pd.PeriodIndex(shown["period"])
        ordinal = index.astype("int64")
        shown = shown[(ordinal.max() - ordinal) % periods.per_year(index) == 0]
        which.append(f"one {periods.describe_frequency(index)} a year")
    return (shown, ", ".join(which)) if len(shown) < len(frame) else (frame, "")


def _writer(frame: pd.DataFrame, column: str) -> Callable[[float], str] | None:
    return prose.number if pd.api.types.is_numeric_dtype(frame[column]) else None


def effects_table(
    effects: Iterable[tuple[str, EffectFact]],
    caption: str,
    *,
    first: str = "Method",
    per: str = "month",
    note: str = "",
) -> Table:
    """Return effects on the scales that readers ask for, one row each.

    Parameters
    ----------
    effects : iterable of (name, EffectFact)
    caption : str
    first : str
        Heading of the row headings.
    per : str
        The word for one period.
    note : str
        In place of what below zero means.

    Returns
    -------
    Table
        Change in per cent, per 100,000, and events; the difference in the outcome's own units where some of the effects
        are of a measure; and how sure each is. A scale that a method does not give, or that is hidden, says so.
    """
    facts = list(effects)
    measured = any(not fact.meaning.counted for _, fact in facts)
    rows = []
    for name, fact in facts:
        absent = HIDDEN if fact.hidden else ABSENT
        change = absent
        if fact.rate_ratio is not None:
            middle, low, high = fact.rate_ratio.percent
            change = with_interval(middle, low, high, 1, "%")
        row = [name, change, _scaled(fact.per_100k, 2, absent), _scaled(fact.events, 0, absent)]
        if measured:
            row.insert(2, _scaled(fact.difference, 2, absent))
        rows.append(tuple(row))
    start = [first, "Change", f"Per 100,000 a {per}", "Events over the period"]
    if measured:
        start.insert(2, "Difference, in the outcome's units")
    header, ends = _sureness(tuple(start), [fact for _, fact in facts])
    whole = tuple((*row, *end) for row, end in zip(rows, ends, strict=True))
    note = f"{note or zero_words(fact.meaning for _, fact in facts)} Brackets hold the interval."
    if any(NONE in row for row in whole):
        note += " A posterior has no p-value, and other methods give no probability."
    return Table(caption, header, whole, note)


def _sureness(header: tuple[str, ...], facts: list[EffectFact]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns that say how sure an effect is: a p-value, a posterior probability, or both.

    The probability is that of a fall; of a rise, where more is good of every outcome in the table.
    """
    effects = [fact.told for fact in facts]
    rise = bool(facts) and all(fact.meaning.good == "more" for fact in facts)
    name = f"Probability of a {'rise' if rise else 'fall'}"
    probable = [e is not None and math.isfinite(e.prob_reduction) for e in effects]
    tested = [e is not None and math.isfinite(e.p_value) for e in effects]
    if not any(probable):
        return (*header, "p-value"), [(_p(e),) for e in effects]
    moved = [
        chance(1 - e.prob_reduction if rise else e.prob_reduction)
        if has and e is not None
        else NONE
        if e is not None
        else ABSENT
        for e, has in zip(effects, probable, strict=True)
    ]
    if not any(tested):
        return (*header, name), [(f,) for f in moved]
    tests = [NONE if has and not p else _p(e) for e, has, p in zip(effects, probable, tested, strict=True)]
    return (*header, "p-value", name), list(zip(tests, moved, strict=True))


def with_interval(value: float, low: float, high: float, digits: int, unit: str = "") -> str:
    """Return a signed number with its interval as one cell; without limits it says that it has none.

    Examples
    --------
    >>> with_interval(-12.34, -20.0, 3.0, 1, "%").replace(NBSP, "_")
    '−12.3% (−20.0%_to_+3.0%)'
    """
    text = f"{_signed(value, digits)}{unit}"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{text} (no interval)"
    return f"{text} {bracket(_signed(low, digits) + unit, _signed(high, digits) + unit)}"


def change_cell(change: float | None, low: float | None, high: float | None, *, rounded: bool) -> str:
    """Return a per cent change on the year before as a cell; one of rounded counts is only about right.

    Examples
    --------
    >>> change_cell(-12.34, -20.0, 3.0, rounded=False).replace(NBSP, "_"), change_cell(3.2, None, None, rounded=True)
    ('−12.3% (−20.0%_to_+3.0%)', 'about +3%')
    """
    if change is None or math.isnan(change):
        return ABSENT
    if rounded:
        return f"about {_signed(change, 0)}%"
    if low is None or high is None or math.isnan(low):
        return f"{_signed(change, 1)}% (no interval)"
    return with_interval(change, low, high, 1, "%")


def bracket(low: str, high: str) -> str:
    """Return an interval in brackets that no line break parts.

    Examples
    --------
    >>> bracket("1.2", "3.4").replace(NBSP, "_")
    '(1.2_to_3.4)'
    """
    return f"({low} to {high})".replace(" ", NBSP)


def _scaled(effect: Effect | None, digits: int, absent: str) -> str:
    if effect is None:
        return absent
    return with_interval(effect.estimate, effect.conf_low, effect.conf_high, digits)


def _signed(value: float, digits: int) -> str:
    text = prose.number(value, digits)
    return text if text[0] in "−n" or not text.strip("0.,") else f"+{text}"


def _p(effect: Effect | None) -> str:
    if effect is None or not math.isfinite(effect.p_value):
        return ABSENT
    return p_number(effect.p_value).replace(" ", NBSP)


def key_value_table(pairs: Sequence[tuple[str, str]], caption: str, header: tuple[str, str]) -> Table:
    """Return a table of names and what they are, all in words."""
    return Table(caption, header, tuple(pairs), words=(header[1],))
