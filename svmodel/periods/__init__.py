"""Periods: months, quarters, calendar, financial and academic years, read from whatever names one.

Financial quarters are the quarters that begin in April, July, October and January, so every one of
them is also a calendar quarter. They are held as calendar quarters and labelled in both ways, which
makes the common mistake of reading financial Q1 as January to March impossible to keep unseen.
"""

from svmodel.periods.column import ANSWERS, PeriodReading, mixed_words, read_column
from svmodel.periods.labels import FREQUENCIES, code, describe_frequency, label, per_year
from svmodel.periods.spelling import PeriodLike, parse

__all__ = [
    "ANSWERS",
    "FREQUENCIES",
    "PeriodLike",
    "PeriodReading",
    "code",
    "describe_frequency",
    "label",
    "mixed_words",
    "parse",
    "per_year",
    "read_column",
]
