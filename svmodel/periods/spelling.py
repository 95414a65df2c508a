"""How people write a period: every reading that one value bears.

A text may bear several: ``01/04/2021`` is in April where the day stands first and in January where the month does;
``2011-12`` is a month, a financial year and an academic year. Each reading goes by the name of its way, the one that
needs no saying by the empty text. :func:`svmodel.periods.read_column` chooses one way for a whole column.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeAlias

import pandas as pd

from svmodel.errors import DataError
from svmodel.periods.labels import FREQUENCIES, WEEKS

PeriodLike: TypeAlias = "str | int | pd.Period | pd.Timestamp"

#: Clocks in England and Wales: a moment with a zone is placed on the day that it was there.
ZONE = "Europe/London"
#: Names of the months in English and in Welsh, whole and cut short.
_MONTH_NAMES = (
    r"jan(?:uary)?|ion(?:awr)?",
    r"feb(?:ruary)?|chw(?:e(?:f(?:ror)?)?)?",
    r"mar(?:ch)?|maw(?:rth)?",
    r"apr(?:il)?|ebr(?:ill)?",
    r"may|mai",
    r"june?|meh(?:efin)?",
    r"july?|gor(?:ff(?:ennaf)?)?",
    r"aug(?:ust)?|awst?",
    r"sept?(?:ember)?|medi?",
    r"oct(?:ober)?|hyd(?:ref)?",
    r"nov(?:ember)?|tach?(?:wedd)?",
    r"dec(?:ember)?|rhag?(?:fyr)?",
)
_MON = rf"({'|'.join(_MONTH_NAMES)})\.?"
_YEAR4 = r"(\d{4})"
_YEAR = r"'?(\d{4}|\d{2})"
_GAP = r"[ \-/_.,]*"
_PAIR = r"(\d{4}|\d{2}) ?(?:[/_-]|to) ?(\d{4}|\d{2})"
_TIME = re.compile(r"[T ](\d{1,2}):(\d{2})(?::\d{2}(?:\.\d+)?)? ?([ap]m)?$", re.IGNORECASE)
_ZONED = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)? ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$")
_FOOTNOTE = re.compile(r" ?(?:\[[^\]]*\]|\((?:p|r|e|provisional|revised|estimate|note \d+|\d)\)|\*+)$", re.IGNORECASE)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(f"^{pattern}$", re.IGNORECASE)


_MONTH_NAME = _compiled(_MON)
_NUMBERED = [_compiled(name) for name in _MONTH_NAMES]
_PLAIN_YEAR = _compiled(r"(\d{4})(?:\.0)?")
_DIGITS = _compiled(r"(\d{4})([0-1]\d)([0-3]\d)")
_ISO_WEEK = _compiled(r"(\d{4})[ ,/-]*w(?:ee)?k?[ -]?(\d{1,2})(?:-([1-7]))?")
_WEEK_FIRST = _compiled(r"w(?:ee)?k?[ -]?(\d{1,2})[ ,/-]+(?:of )?(\d{4})")
_WEEK_FROM = _compiled(r"(?:(?:week|wk) ?(?:commencing|beginning|starting|begins|from|of)|w/?[cb]\b)[ :]*(.+)")
_WEEK_TO = _compiled(r"(?:(?:week|wk) ?(?:ending|ended|ends|to)|w/?e\b)[ :]*(.+)")
_WEEK_SPAN = _compiled(r"(\d{4}-\d{2}-\d{2}) (?:to|-) (\d{4}-\d{2}-\d{2})")
#: A day that says its weekday, as :func:`svmodel.periods.code` writes it.
_SURE_DAY = _compiled(r"(\d{4}-\d{2}-\d{2}) (mon|tue|wed|thu|fri|sat|sun)")
_SIX_DIGITS = _compiled(r"(\d{4})(\d{2})")
_ISO_DATE = _compiled(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_YEAR_M = _compiled(r"(\d{4})-?M(\d{1,2})")
_YEAR_NUMBER = _compiled(r"(\d{4})([- /])(\d{2})")
NUMBERS = _compiled(r"(\d{1,2})([/.\- ])(\d{1,2})\2(\d{4}|\d{2})")
_MONTH_YEAR = _compiled(r"(\d{1,2})[/.\-](\d{4})")
_DAY_NAMED = _compiled(rf"(?:[a-z]{{3,9}},? )?(\d{{1,2}})(?:st|nd|rd|th)?{_GAP}{_MON}{_GAP}{_YEAR}")
_NAMED_DAY = _compiled(rf"{_MON}{_GAP}(\d{{1,2}})(?:st|nd|rd|th)?[, ]+{_YEAR4}")
_NAMED = _compiled(rf"{_MON}{_GAP}{_YEAR}")
_YEAR_NAMED = _compiled(rf"{_YEAR4}{_GAP}{_MON}(?:{_GAP}(\d{{1,2}}))?")
_SHORT_YEAR_NAMED = _compiled(rf"(\d{{2}})[- ]{_MON}")
_SPAN = _compiled(rf"{_MON}(?:{_GAP}{_YEAR})? ?(?:-|to|/) ?{_MON}{_GAP}{_YEAR}")
_ENDING = _compiled(
    rf"(?:(12 months|year|quarter|3 months|y/?e|q/?e)[ -]*)(?:ending|ended|to)?[ -]*(?:\d{{1,2}} )?{_MON}{_GAP}{_YEAR}"
)
_QUARTER = _compiled(r"(\d{4}|\d{2})[- ]?(?:Q|Quarter ?)([1-4])")
_QUARTER_FIRST = _compiled(rf"(?:Q|Quarter ?)([1-4])[ \-/,]*{_YEAR}")
_FINANCIAL_QUARTER = _compiled(rf"(?:fy ?)?{_PAIR},? ?-?(?:Q|Quarter ?)([1-4])")
_FINANCIAL_QUARTER_FIRST = _compiled(rf"(?:Q|Quarter ?)([1-4])[ \-/,]*(?:fy ?)?{_PAIR}")
_YEAR_PAIR = _compiled(rf"(?:(fy|financial year|academic year|ay) ?)?{_PAIR}(?: (financial year|academic year))?")
_SERIAL = _compiled(r"([2-7]\d{4})(?:\.\d+)?")


def tidy_text(value: object) -> str:
    """Return the value as text, its dashes and blanks plain, without footnote marks and a time that has no zone."""
    text = " ".join(unicodedata.normalize("NFKC", str(value)).split())
    text = re.sub("[\u2010-\u2015\u2212]", "-", text).replace("\u2019", "'")
    return _TIME.sub("", _FOOTNOTE.sub("", text).strip())


def readings(value: object) -> dict[str, pd.Period]:
    """Return every reading of one value: name of its way -> period, a day as its month; empty where there is none.

    Parameters
    ----------
    value : str, int, float, date, datetime or pandas.Period
        A moment with a zone is placed on its day in London.

    Examples
    --------
    >>> readings("01/04/2021")
    {'day first': Period('2021-04', 'M'), 'month first': Period('2021-01', 'M')}
    >>> readings("April 2021")
    {'': Period('2021-04', 'M')}
    """
    return {way: p.asfreq("M") if p.freqstr == "D" else p for way, p in fine_readings(value).items()}


def fine_readings(value: object) -> dict[str, pd.Period]:
    """Return every reading of one value as :func:`readings` does, and a day as that day."""
    if isinstance(value, pd.Period):
        return {"": value} if value.freqstr in FREQUENCIES else {}
    if hasattr(value, "year") and hasattr(value, "month"):
        return {"": _of_moment(value)}
    text = tidy_text(value)
    if _ZONED.match(text):
        try:
            return {"": _of_moment(pd.Timestamp(text))}
        except ValueError:
            return {}
    for read in (_of_week, _of_year_and_numbers, _of_numbers, _of_names, _of_quarter, _of_years, _of_serial):
        found = read(text)
        if found:
            return found
    return {}


def parse(value: PeriodLike) -> pd.Period:
    """Read one period.

    Parameters
    ----------
    value : str, int, pandas.Period or datetime-like
        ``"2019-04"``, ``"2019-04-01"``, ``"Apr 2019"``, ``"Apr-19"`` (month); ``"2019Q2"`` (calendar quarter);
        ``"2019/20 Q1"`` (financial quarter, April to June 2019); ``2019`` (calendar year);
        ``"2019/20"`` (financial year); ``"academic year 2019/20"``. A moment with a zone is taken on its day in London.

    Returns
    -------
    pandas.Period
        Of frequency ``M``, ``Q-DEC``, ``Y-DEC``, ``Y-MAR``, ``Y-AUG`` or that of weeks (``W-SUN`` in ISO
        8601). A day is read as its month; ``"2019-04-05 Fri"`` stays that day (see :func:`parse_first`).

    Raises
    ------
    DataError
        If the value names no period, a day whose order nobody can tell (``01/04/2021``), or a financial year whose
        two halves do not follow each other.

    Examples
    --------
    >>> parse("2019-04"), parse("2019/20 Q4"), parse(2019)
    (Period('2019-04', 'M'), Period('2020Q1', 'Q-DEC'), Period('2019', 'Y-DEC'))
    """
    if isinstance(value, pd.Period) and value.freqstr not in FREQUENCIES:
        raise DataError(
            f"{value!r} is a period of frequency {value.freqstr}; use days, weeks, months, quarters or years"
        )
    if hasattr(value, "year") and pd.isna(value):
        raise DataError("a period is missing")
    text = str(value).strip()
    return _parsed(text, fine_readings(value) if _is_sure(value) else readings(value))


def parse_first(value: PeriodLike) -> pd.Period:
    """Read the first period of a span, as :func:`parse` does; a day within a month stays that day.

    The first day of a month stands for the month, whose first day it is in a panel of days.

    Examples
    --------
    >>> parse_first("2021-04-17"), parse_first("2021-04-01"), parse_first("2021-04")
    (Period('2021-04-17', 'D'), Period('2021-04', 'M'), Period('2021-04', 'M'))
    """
    found = _fine(value)
    return found.asfreq("M") if not _is_sure(value) and found.freqstr == "D" and found.day == 1 else found


def parse_last(value: PeriodLike) -> pd.Period:
    """Read the last period of a span: a day stays that day, unless it is the last of its month.

    Examples
    --------
    >>> parse_last("2021-04-01"), parse_last("2021-04-30")
    (Period('2021-04-01', 'D'), Period('2021-04', 'M'))
    """
    found = _fine(value)
    last = found.freqstr == "D" and found.day == found.days_in_month
    return found.asfreq("M") if last and not _is_sure(value) else found


def _is_sure(value: object) -> bool:
    """Return whether a value can be nothing but the period that it names: a Period, and a day with its weekday."""
    return isinstance(value, pd.Period) or bool(_SURE_DAY.match(str(value).strip()))


def _fine(value: PeriodLike) -> pd.Period:
    whole = parse(value)
    fine = [p for p in fine_readings(value).values() if p.freqstr == "D"]
    return fine[0] if whole.freqstr == "M" and fine else whole


def _parsed(text: str, found: dict[str, pd.Period]) -> pd.Period:
    if len(set(found.values())) > 1 and not {"", "months"} & set(found):
        both = " or ".join(f"{p} ({way})" for way, p in found.items())
        raise DataError(f"{text!r} may be {both}; write a month as 2019-04, a financial year as 2019/20")
    for way in ("", "months", *found):
        if way in found and not (way == "months" and "/" in text):
            return found[way]
    if pair := _YEAR_PAIR.match(text):
        first = pair[2]
        raise DataError(
            f"{text!r} is no financial year: {first} is followed by {(int(first) + 1) % 100:02d}; "
            "write a month as 2019-04"
        )
    raise DataError(f"{text!r} names no period; write 2019-04, 2019-W14, 2019Q2, 2019/20 Q1, 2019 or 2019/20")


def _of_moment(moment: object) -> pd.Period:
    zoned = pd.Timestamp(moment)
    local = zoned if zoned.tzinfo is None else zoned.tz_convert(ZONE)
    return pd.Period(year=local.year, month=local.month, day=local.day, freq="D")


def _month(year: str | int, month: str | int) -> pd.Period | None:
    """Return the month, or None where there is no such month."""
    number = month if isinstance(month, int) else int(month) if month.isdigit() else month_number(month) or 0
    return pd.Period(year=_full_year(year), month=number, freq="M") if 1 <= number <= 12 else None


def month_number(name: str) -> int | None:
    """Return the number of a month by its name in English or Welsh, or None where it names none.

    Examples
    --------
    >>> month_number("Sept."), month_number("Mehefin"), month_number("Q1") is None
    (9, 6, True)
    """
    named = _MONTH_NAME.match(name.strip())
    if named is None:
        return None
    return next(i for i, pattern in enumerate(_NUMBERED, start=1) if pattern.match(named[1]))


def _full_year(year: str | int) -> int:
    """Two digits are of 1969 to 2068, as strptime has it."""
    number = int(year)
    return number if len(str(year)) > 2 or number > 99 else number + (2000 if number < 69 else 1900)


def _kept(**ways: pd.Period | None) -> dict[str, pd.Period]:
    return {way.strip("_").replace("_", " "): period for way, period in ways.items() if period is not None}


def _year_pair(first: str, second: str) -> int | None:
    """Return the first of two years that follow each other."""
    start = _full_year(first)
    follows = int(second) == start + 1 if len(second) == 4 else int(second) == (start + 1) % 100
    return start if follows else None


def _financial(start: int | None) -> pd.Period | None:
    return None if start is None else pd.Period(year=start + 1, freq="Y-MAR")


def _academic(start: int | None) -> pd.Period | None:
    return None if start is None else pd.Period(year=start + 1, freq="Y-AUG")


def _of_year_and_numbers(text: str) -> dict[str, pd.Period]:
    """Read what begins with a year of four digits and has nothing but numbers behind it."""
    if m := _PLAIN_YEAR.match(text):
        return {"": pd.Period(year=int(m[1]), freq="Y-DEC")}
    if m := _DIGITS.match(text) or _ISO_DATE.match(text):
        return _kept(_=_day(m[1], m[2], m[3]))
    if m := _YEAR_M.match(text):
        return _kept(_=_month(m[1], m[2]))
    if m := _SIX_DIGITS.match(text):
        start = _year_pair(m[1], m[2])
        if start is None:
            return _kept(_=_month(m[1], m[2]))
        return _kept(months=_month(m[1], m[2]), financial_years=_financial(start), academic_years=_academic(start))
    if m := _YEAR_NUMBER.match(text):
        start, month = _year_pair(m[1], m[3]), _month(m[1], m[3])
        # A slash is how a financial year is written, so a month behind one is read only where a column demands it.
        if start is None:
            return _kept(months=month) if m[2] == "/" else _kept(_=month)
        plain = _financial(start) if m[2] == "/" or month is None else None
        return _kept(_=plain, months=month, financial_years=_financial(start), academic_years=_academic(start))
    return {}


def _day(year: str, month: str, day: str) -> pd.Period | None:
    """Return the day, or None where there is no such day."""
    number = int(month) if month.isdigit() else month_number(month) or 0
    try:
        return pd.Period(pd.Timestamp(year=_full_year(year), month=number, day=int(day)), freq="D")
    except ValueError:
        return None


def week_from(day: pd.Period) -> pd.Period:
    """Return the week that begins with a day."""
    return day.asfreq(WEEKS[day.day_of_week])


def week_to(day: pd.Period) -> pd.Period:
    """Return the week that ends with a day."""
    return week_from(day - 6)


def _of_week(text: str) -> dict[str, pd.Period]:
    """Read a week: by its number in ISO 8601, by the day that begins or ends it, or by both."""
    if m := _SURE_DAY.match(text):
        return _kept(_=_day(*m[1].split("-")))
    if m := _WEEK_SPAN.match(text):
        first, last = _day(*m[1].split("-")), _day(*m[2].split("-"))
        return _kept(_=week_from(first)) if first is not None and last is not None and first + 6 == last else {}
    if (m := _ISO_WEEK.match(text)) or (m := _WEEK_FIRST.match(text)):
        year, week, day = (m[1], m[2], m[3]) if m.re is _ISO_WEEK else (m[2], m[1], None)
        try:
            found = pd.Period(pd.Timestamp.fromisocalendar(int(year), int(week), int(day or 1)), freq="D")
        except ValueError:
            return {}
        return _kept(_=week_from(found) if day is None else found)
    for pattern, week_of in ((_WEEK_FROM, week_from), (_WEEK_TO, week_to)):
        if m := pattern.match(text):
            return {way: week_of(p) for way, p in fine_readings(m[1]).items() if p.freqstr == "D"}
    return {}


def _of_numbers(text: str) -> dict[str, pd.Period]:
    """Read a day, a month and a year in numbers, or a month and a year."""
    if m := _MONTH_YEAR.match(text):
        return _kept(_=_month(m[2], m[1]))
    if m := NUMBERS.match(text):
        one, other, year = m[1], m[3], m[4]
        return _kept(
            day_first=_day(year, other, one),
            month_first=_day(year, one, other),
        )
    return {}


def _of_names(text: str) -> dict[str, pd.Period]:
    """Read what has the name of a month in it."""
    if m := _ENDING.match(text):
        return _ending(m[1].casefold(), _month(m[3], m[2]))
    if m := _SPAN.match(text):
        last = _month(m[4], m[3])
        first = _month(m[2] or m[4], m[1])
        if first is not None and last is not None and first > last and m[2] is None:
            first -= 12
        return _spanned(first, last)
    for pattern, day, month, year in ((_DAY_NAMED, 1, 2, 3), (_NAMED_DAY, 2, 1, 3)):
        if m := pattern.match(text):
            return _kept(_=_day(m[year], m[month], m[day]))
    if m := _NAMED.match(text):
        return _kept(_=_month(m[2], m[1]))
    if m := _YEAR_NAMED.match(text):
        return _kept(_=_month(m[1], m[2]) if m[3] is None else _day(m[1], m[2], m[3]))
    if m := _SHORT_YEAR_NAMED.match(text):
        return _kept(year_and_month=_month(m[1], m[2]))
    return {}


def _ending(word: str, last: pd.Period | None) -> dict[str, pd.Period]:
    if last is None:
        return {}
    months = 3 if word in ("quarter", "3 months", "q/e", "qe") else 12
    return _spanned(last - (months - 1), last)


def _spanned(first: pd.Period | None, last: pd.Period | None) -> dict[str, pd.Period]:
    """Return the quarter or the year that these months make up, if they make up one."""
    if first is None or last is None:
        return {}
    months = (last - first).n + 1
    if months == 3 and first.month % 3 == 1:
        return {"": first.asfreq("Q-DEC")}
    kind = {1: "Y-DEC", 4: "Y-MAR", 9: "Y-AUG"}.get(first.month)
    return {"": last.asfreq(kind)} if months == 12 and kind else {}


def _of_quarter(text: str) -> dict[str, pd.Period]:
    for pattern, first, second, number in ((_FINANCIAL_QUARTER, 1, 2, 3), (_FINANCIAL_QUARTER_FIRST, 2, 3, 1)):
        if m := pattern.match(text):
            start = _year_pair(m[first], m[second])
            return {} if start is None else {"": pd.Period(year=start, quarter=2, freq="Q-DEC") + int(m[number]) - 1}
    for pattern, year, number in ((_QUARTER, 1, 2), (_QUARTER_FIRST, 2, 1)):
        if m := pattern.match(text):
            return {"": pd.Period(year=_full_year(m[year]), quarter=int(m[number]), freq="Q-DEC")}
    return {}


def _of_years(text: str) -> dict[str, pd.Period]:
    if m := _YEAR_PAIR.match(text):
        start = _year_pair(m[2], m[3])
        word = (m[1] or m[4] or "").casefold()
        if word in ("academic year", "ay"):
            return _kept(_=_academic(start))
        return _kept(_=_financial(start)) if word else _kept(_=_financial(start), academic_years=_academic(start))
    return {}


def _of_serial(text: str) -> dict[str, pd.Period]:
    """Read a day as a spreadsheet counts them, from 30 December 1899 on."""
    if m := _SERIAL.match(text):
        day = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(m[1]))
        return {"Excel dates": pd.Period(day, freq="D")}
    return {}
