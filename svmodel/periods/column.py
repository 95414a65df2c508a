"""A whole column of periods, read in one way."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy as np
import pandas as pd

from svmodel.errors import DataError, did_you_mean
from svmodel.periods.labels import FREQUENCIES, label
from svmodel.periods.spelling import NUMBERS, ZONE, fine_readings, tidy_text, week_from, week_to

#: What may be answered to the question how a column is written; the name of a time zone may be, too.
ANSWERS = (
    "day first",
    "month first",
    "months",
    "quarters",
    "calendar years",
    "financial years",
    "academic years",
    "year and month",
    "Excel dates",
    "days",
    "week beginning",
    "week ending",
)
_AS = {"quarters": "Q-DEC", "calendar years": "Y-DEC", "financial years": "Y-MAR", "academic years": "Y-AUG"}
#: Month in which all stamps of a yearly column stand -> the year that they begin or end.
_YEAR_STAMPS = {1: "Y-DEC", 12: "Y-DEC", 4: "Y-MAR", 3: "Y-MAR", 9: "Y-AUG", 8: "Y-AUG"}
#: Spellings that need no saying how they were read.
_PLAIN = re.compile(
    r"^(\d{4}|\d{4}-\d{2}(-\d{2}([T ]00:00(:00(\.0+)?)?)?)?|\d{4}[- ]?Q[1-4]|\d{4}/\d{2,4}( ?,? ?Q[1-4])?)$",
    re.IGNORECASE,
)
#: Fewer stamps than this do not show in what steps they go.
_FEWEST_STEPS = 3


@dataclass(frozen=True, eq=False)
class PeriodReading:
    """How a column of periods was read.

    Parameters
    ----------
    index : pandas.PeriodIndex, shape (n,)
        In the order of the column; NaT where a value is blank or names no period, everywhere where it is not decided.
    said : str
        How it was read, for the ledger; empty where every value is written as 2019-04, 2019Q2, 2019 or 2019/20.
    unread : tuple
        The distinct values that name no period, or none in the way in which the others are read.
    choices : tuple of str
        The ways between which nobody but the owner can choose; empty where it is decided.
    kinds : tuple of str
        Frequencies of the values where they are of several, as ``("M", "Q-DEC")``; then the index is of the first.
    """

    index: pd.PeriodIndex
    said: str = ""
    unread: tuple[Any, ...] = ()
    choices: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def read_column(values: Iterable[Any], *, written: str | None = None, stepped: bool = True) -> PeriodReading:
    """Read a column of periods, every value in the same way.

    Parameters
    ----------
    values : iterable, shape (n,)
        Texts, numbers, dates, periods. A column called after academic years holds these.
    written : str, optional
        The owner's answer where a column may be read in several ways: one of :data:`ANSWERS`, or the time zone in
        which its moments shall be taken instead of London.
    stepped : bool
        Whether months that stand three or twelve apart throughout are taken for quarters or years; not so for a few
        starts, which may lie so by chance.

    Returns
    -------
    PeriodReading

    Notes
    -----
    Days in numbers are read day first where a day above 12 proves it, or where every day is then the first of its
    month; likewise month first. Dates are days where a month holds many of them, weeks where they lie seven days apart
    throughout (beginning on Mondays; on other weekdays as the column's name says, else it is asked), and months where
    each month holds one. Months that stand three apart throughout are the quarters that they begin or end, and twelve
    apart the years; ``written="months"`` keeps them months.

    Raises
    ------
    DataError
        If `written` is no answer.

    Examples
    --------
    >>> found = read_column(["13/04/2021", "01/05/2021"])
    >>> found.index[1], found.said
    (Period('2021-05', 'M'), "'13/04/2021' is read as Apr 2021, day first")
    >>> read_column(["01/04/2021", "02/05/2021"]).choices
    ('day first', 'month first')
    """
    zone = ZONE
    if written is not None and written not in ANSWERS:
        if written not in zoneinfo.available_timezones():
            raise DataError(f"periods are not written as {written!r}. {did_you_mean(written, ANSWERS)}")
        zone, written = written, None
    series = (
        values if isinstance(values, pd.Series) else pd.Series(values if isinstance(values, pd.Index) else list(values))
    )
    if isinstance(series.dtype, pd.PeriodDtype) and series.dtype.freq.freqstr in FREQUENCIES:
        return PeriodReading(pd.PeriodIndex(series))
    if isinstance(series.dtype, pd.DatetimeTZDtype) and str(series.dtype.tz) != zone:
        series = series.dt.tz_convert(zone)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        zoned = "" if getattr(series.dtype, "tz", None) is None else f"moments are taken on their day in {zone}"
        naive = series.dt.tz_localize(None) if zoned else series
        days = pd.PeriodIndex(naive.dt.to_period("D"))
        return _of_days(days, zoned, written, str(series.name)) if stepped else PeriodReading(days, zoned)
    codes, distinct = pd.factorize(series)
    texts = [_text(v) for v in distinct]
    known = [
        fine_readings(_in_zone(v, zone) if t is None else t) if t != "" else {}
        for v, t in zip(distinct, texts, strict=True)
    ]
    if written is None and "academic" in str(series.name).casefold():
        written = "academic years" if all("academic years" in r for r in known if r) else None
    mixed = _swapped(texts, distinct)
    if mixed is not None:
        return PeriodReading(_nothing(len(series)), unread=mixed)
    way, choices = _one_way(texts, [_in_months(r) for r in known], written)
    if choices:
        return PeriodReading(_nothing(len(series)), choices=choices)
    read = [None if not r else r.get(way, r.get("")) for r in known]
    unread = tuple(v for v, p, t in zip(distinct, read, texts, strict=True) if p is None and t != "")
    if {p.freqstr for p in read if p is not None} == {"D", "M"}:  # dates beside months stand for theirs
        read = [p if p is None else p.asfreq("M") for p in read]
    kinds = tuple(sorted({p.freqstr for p in read if p is not None}))
    freq = kinds[0] if kinds else "M"
    lookup = pd.PeriodIndex([p if p is not None and p.freqstr == freq else pd.NaT for p in [*read, None]], freq=freq)
    said = _said(distinct, texts, read, way)
    if len(kinds) > 1:
        return PeriodReading(lookup[codes], said, unread, kinds=kinds)
    if not stepped or freq not in ("D", "M") or any(isinstance(v, pd.Period) for v in distinct):
        return PeriodReading(lookup[codes], said, unread)
    if freq == "D":
        found = _of_days(lookup[codes], "", written, str(series.name))
        said = _said(distinct, texts, [None if p is None else p.asfreq(found.index.freqstr) for p in read], way)
        found = replace(found, said=_also(said, found.said) if said and found.said else said or found.said)
    else:
        found = _stepped(lookup[codes], said, written)
    return PeriodReading(found.index, found.said, unread, found.choices)


def _text(value: Any) -> str | None:
    """Return what is written; None for a date or a period, which is none that is written."""
    if isinstance(value, pd.Period) or (hasattr(value, "year") and hasattr(value, "month")):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return tidy_text(value)


def _in_zone(value: Any, zone: str) -> Any:
    if getattr(value, "tzinfo", None) is None or zone == ZONE:
        return value
    return pd.Timestamp(value).tz_convert(zone).tz_localize(None)


def _nothing(n: int) -> pd.PeriodIndex:
    return pd.PeriodIndex([pd.NaT] * n, freq="M")


def _swapped(texts: list[str | None], distinct: Any) -> tuple[Any, ...] | None:
    """Return the texts that stand beside date cells.

    A spreadsheet set to the other order turns into dates what it can, with day and month exchanged, and leaves the
    days above 12 as text: the dates cannot be trusted then.
    """
    days = [v for v, t in zip(distinct, texts, strict=True) if t and NUMBERS.match(t)]
    return (
        tuple(days)
        if days and any(t is None and not isinstance(v, pd.Period) for v, t in zip(distinct, texts, strict=True))
        else None
    )


def _one_way(
    texts: list[str | None], known: list[dict[str, pd.Period]], written: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the way in which most values can be read, or the ways between which it cannot be told."""
    some = [r for r in known if r]
    ways = list(dict.fromkeys(w for r in some for w in r))
    if written in ways:
        return str(written), ()
    if not ways or all("" in r for r in some):
        return "", ()
    reach = {w: sum(_reads(r, w, some) for r in some) for w in ways if w}
    best = [w for w, n in reach.items() if n == max(reach.values())]
    if len(best) > 1 and len({tuple(r.get(w, r.get("")) for r in some) for w in best}) == 1:
        best = best[:1]
    if best == ["financial years", "academic years"] and any("" in r for r in some):
        best = best[:1]
    if len(best) > 1 and reach[best[0]] < len(some):
        return best[0], ()  # no way reads them all: what the first does not read is named
    if "months" in best and len(some) == 1 and "-" in str(texts[0]):
        return "months", ()
    if set(best) == {"day first", "month first"}:
        best = _by_firsts([t for t in texts if t and NUMBERS.match(t)]) or best
    if best == ["year and month"] and not _are_years([t for t in texts if t]):
        return "", ()
    return (best[0], ()) if len(best) == 1 else ("", tuple(best))


def _reads(reading: dict[str, pd.Period], way: str, others: list[dict[str, pd.Period]]) -> bool:
    """Return whether a value can be read in a way, or needs no way and is of the frequency of those that do."""
    if way in reading or "" not in reading:
        return way in reading
    return reading[""].freqstr in {r[way].freqstr for r in others if way in r}


def _by_firsts(texts: list[str]) -> list[str]:
    """Months are often stamped with their first day; the other order would put all of them into one January."""
    parts = [(int(m[1]), int(m[3])) for t in texts if (m := NUMBERS.match(t))]
    first, second = {a for a, _ in parts}, {b for _, b in parts}
    if first == {1} and len(second) >= _FEWEST_STEPS:
        return ["day first"]
    return ["month first"] if second == {1} and len(first) >= _FEWEST_STEPS else []


def _are_years(texts: list[str]) -> bool:
    """`21-Apr` is a year and a month only where its numbers go on as years do; elsewhere it is a day without a year."""
    numbers = {int(t[:2]) for t in texts if re.match(r"\d\d[- ][A-Za-z]", t)}
    return len(numbers) > 1 and min(numbers) >= 10 and max(numbers) - min(numbers) + 1 == len(numbers)


def _said(distinct: Any, texts: list[str | None], read: list[pd.Period | None], way: str) -> str:
    for value, text, period in zip(distinct, texts, read, strict=True):
        plain = not way or (way == "months" and "/" not in str(value))
        if text is None or period is None or (plain and _needs_no_saying(str(value).strip())):
            continue
        return f"{str(value).strip()!r} is read as {label(period)}{f', {way}' if way else ''}"
    return ""


def _needs_no_saying(text: str) -> bool:
    return bool(_PLAIN.match(text) or re.fullmatch(r"[A-Za-z]+[ -]?\d{4}|\d+(\.0)?", text))


def _in_months(reading: dict[str, pd.Period]) -> dict[str, pd.Period]:
    return {way: p.asfreq("M") if p.freqstr == "D" else p for way, p in reading.items()}


def _of_days(days: pd.PeriodIndex, said: str, written: str | None, name: str) -> PeriodReading:
    """Take days for what they stand for: days where a month holds many, weeks where they lie seven apart, else months.

    A column with no more than one day in any month holds months, or the quarters and years that they begin or end.
    """
    distinct = days[days.notna()].unique().sort_values()
    several = len(distinct) >= _FEWEST_STEPS and len(distinct) > len(distinct.asfreq("M").unique())
    weekday, whole_weeks = distinct.day_of_week.unique(), bool((np.diff(distinct.asi8) % 7 == 0).all())
    if written == "days":
        return PeriodReading(days, said)
    if written in ("week beginning", "week ending") or (written is None and several and whole_weeks):
        return _weeks(days, said, written or _which_end(name, int(weekday[0])))
    if written is not None or not several:
        return _stepped(days.asfreq("M"), said, written)
    if 2 * len(distinct) < distinct[-1].ordinal - distinct[0].ordinal + 1:
        return PeriodReading(_nothing(len(days)), choices=("months", "days"))
    what = f"a month holds several dates, and each is a day: {label(distinct[0])} to {label(distinct[-1])}"
    return PeriodReading(days, _also(said, what))


def _which_end(name: str, weekday: int) -> str | None:
    """Return whether dates that stand for weeks begin or end them: by the column's name, or since Monday begins one."""
    if re.search(r"end|w/e", name, re.IGNORECASE):
        return "week ending"
    begins = re.search(r"commenc|begin|start|w/?c\b|from", name, re.IGNORECASE)
    return "week beginning" if begins or weekday == 0 else None


def _weeks(days: pd.PeriodIndex, said: str, written: str | None) -> PeriodReading:
    """Take each date for the week that it begins or ends, all weeks beginning on one weekday."""
    if written is None:
        return PeriodReading(_nothing(len(days)), choices=("week beginning", "week ending"))
    known = days[days.notna()]
    first = (week_from if written == "week beginning" else week_to)(known[0])
    shift = 0 if written == "week beginning" else 6
    index = (days - shift).asfreq(first.freqstr)
    odd = known[(known - shift) != index[index.notna()].asfreq("D", how="start")]
    what = f"each date is its {written}: {label(known[0])} is the {label(first)}"
    return PeriodReading(index, _also(said, what), tuple(str(d) for d in odd.unique()))


def _stepped(index: pd.PeriodIndex, said: str, written: str | None) -> PeriodReading:
    """Take months that stand three or twelve apart throughout for quarters or years."""
    if written in _AS:
        freq = _AS[written]
        return PeriodReading(index.asfreq(freq), _also(said, f"each month stands for its {FREQUENCIES[freq]}"))
    ordinals = np.unique(index[index.notna()].asi8)
    if written == "months" or len(ordinals) < _FEWEST_STEPS:
        return PeriodReading(index, said)
    step = 0
    for difference in np.diff(ordinals):
        step = gcd(step, int(difference))
    month = int(ordinals[0] % 12) + 1
    longer: str | None = None
    choices: tuple[str, ...] = ("months", "quarters")
    if step % 12 == 0:
        longer = _YEAR_STAMPS.get(month)
        choices = ("months", "calendar years", "financial years", "academic years")
    elif step % 3 == 0:
        longer = None if step == 6 or month % 3 == 2 else "Q-DEC"
    else:
        return PeriodReading(index, said)
    if longer is None:
        return PeriodReading(_nothing(len(index)), choices=choices)
    first = index[index.notna()][0]
    apart = "twelve" if step % 12 == 0 else "three"
    what = f"dates stand {apart} months apart throughout and are read as {FREQUENCIES[longer]}s"
    return PeriodReading(index.asfreq(longer), _also(said, f"{what}: {label(first)} is {label(first.asfreq(longer))}"))


def _also(said: str, more: str) -> str:
    return f"{said}; {more}" if said else more


def mixed_words(kinds: tuple[str, ...]) -> str:
    """Return the words for several frequencies, as ``"months and quarters"``."""
    return " and ".join(sorted(FREQUENCIES[k] + "s" for k in kinds))
