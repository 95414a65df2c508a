"""Periods: days, weeks, months, quarters, calendar, financial and academic years, read from whatever names one.

Financial quarters are the quarters that begin in April, July, October and January, so every one of
them is also a calendar quarter. They are held as calendar quarters and labelled in both ways, which
makes the common mistake of reading financial Q1 as January to March impossible to keep unseen.
"""

from svmodel.periods.column import ANSWERS, PeriodReading, mixed_words, read_column
from svmodel.periods.labels import FREQUENCIES, code, describe_frequency, fit, has_weeks, label, per_year, year_length
from svmodel.periods.spelling import PeriodLike, parse, parse_first, parse_last

__all__ = [
    "ANSWERS",
    "FREQUENCIES",
    "PeriodLike",
    "PeriodReading",
    "code",
    "describe_frequency",
    "fit",
    "has_weeks",
    "label",
    "mixed_words",
    "parse",
    "parse_first",
    "parse_last",
    "per_year",
    "read_column",
    "year_length",
]
