"""Numbers and intervals in plain words, rounded in one way everywhere.

Negative means fewer, and the words say "fewer" (of a measure "lower"); a sign is never left for the reader to turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from svmodel.result import Effect

MISSING = "not available"
#: Words for down and up of a count.
COUNTED = ("fewer", "more")


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with thousands separators, without a negative zero.

    Examples
    --------
    >>> number(-0.04), number(12345.678), number(float("nan"))
    ('0.0', '12,345.7', 'not available')
    """
    if not _known(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text.replace("-", "−")


def count(value: float | None) -> str:
    """Return a count of events as a whole number.

    Examples
    --------
    >>> count(12345.0)
    '12,345'
    """
    return number(value, 0)


def rate(value: float | None) -> str:
    """Return a rate with one decimal.

    Examples
    --------
    >>> rate(1234.56)
    '1,234.6'
    """
    return number(value, 1)


def percent(value: float | None) -> str:
    """Return a percentage with one decimal; the value is already in per cent.

    Examples
    --------
    >>> percent(12.34)
    '12.3%'
    """
    return number(value, 1) + ("%" if _known(value) else "")


def pounds(value: float | None) -> str:
    """Return pounds: whole below a million, then millions with two decimals.

    Examples
    --------
    >>> pounds(45142.6), pounds(2_400_000), pounds(-1200)
    ('£45,143', '£2.40 million', '−£1,200')
    """
    if not _known(value):
        return MISSING
    size = abs(value or 0.0)
    text = f"£{size / 1e6:,.2f} million" if size >= 999_999.5 else f"£{size:,.0f}"
    return f"−{text}" if value < 0 and text != "£0" else text  # type: ignore[operator]


def _size(value: float, digits: int, unit: str, about: str = "") -> str:
    """Return a size; one that shows as nought, and is none, as less than what shows."""
    if value and round(abs(value), digits) == 0:
        return f"less than {number(10.0**-digits, digits)}{unit}"
    return f"{about}{number(abs(value), digits)}{unit}"


def _change(value: float, digits: int, unit: str, about: str, pair: tuple[str, str] = COUNTED) -> str:
    if round(abs(value), digits) == 0:
        return "no change"
    return f"{_size(value, digits, unit, about)} {pair[value > 0]}"


def _interval(low: float, high: float, digits: int, unit: str, pair: tuple[str, str] = COUNTED) -> str:
    if round(abs(low), digits) == round(abs(high), digits) == 0:
        return f"no change to within {number(10.0**-digits, digits)}{unit}"
    if low < 0 < high:
        return f"between {_size(low, digits, unit)} {pair[0]} and {_size(high, digits, unit)} {pair[1]}"
    small, large = sorted((abs(low), abs(high)))
    return f"between {_size(small, digits, unit)} and {_size(large, digits, unit)} {pair[high > 0]}"


def change(value: float | None, pair: tuple[str, str] = COUNTED) -> str:
    """Return a per cent change in words; negative is fewer, or the first of `pair`.

    Examples
    --------
    >>> change(-12.34), change(3.0), change(0.01), change(-2.0, ("lower", "higher"))
    ('12.3% fewer', '3.0% more', 'no change', '2.0% lower')
    """
    return _change(value, 1, "%", "", pair) if _known(value) else MISSING  # type: ignore[arg-type]


def rough_change(value: float | None) -> str:
    """Return a per cent change that rests on rounded counts, in words.

    Examples
    --------
    >>> rough_change(-12.34), rough_change(0.2)
    ('about 12% fewer', 'no change')
    """
    return _change(value, 0, "%", "about ") if _known(value) else MISSING  # type: ignore[arg-type]


def change_interval(low: float | None, high: float | None, pair: tuple[str, str] = COUNTED) -> str:
    """Return the interval of a per cent change in words; a limit that shows as nought keeps its side.

    Examples
    --------
    >>> change_interval(-22, -4), change_interval(-4, 8)
    ('between 4.0% and 22.0% fewer', 'between 4.0% fewer and 8.0% more')
    >>> change_interval(-22, -0.02), change_interval(-22, 0.02)
    ('between less than 0.1% and 22.0% fewer', 'between 22.0% fewer and less than 0.1% more')
    """
    if not (_known(low) and _known(high)):
        return "its uncertainty could not be worked out"
    return _interval(low, high, 1, "%", pair)  # type: ignore[arg-type]


def events_change(value: float | None, *, about: str = "about ") -> str:
    """Return a change in events in words; negative is fewer.

    Examples
    --------
    >>> events_change(-312.4), events_change(0.2)
    ('about 312 fewer', 'no change')
    """
    return _change(value, 0, "", about) if _known(value) else MISSING  # type: ignore[arg-type]


def events_of(percent: float, value: float | None) -> str:
    """Return the events that a per cent change is, in words; where they show as none, the change is not called none.

    Examples
    --------
    >>> events_of(-12.0, -312.4), events_of(-100.0, -0.4), events_of(-100.0, 0.0), events_of(0.0, 0.0)
    ('about 312 fewer', 'less than one event', 'too little to show in rounded counts', 'no change')
    """
    if not _known(value) or round(abs(value)) or round(abs(percent), 1) == 0:  # type: ignore[arg-type]
        return events_change(value)
    return "less than one event" if value else "too little to show in rounded counts"


def events_interval(low: float | None, high: float | None) -> str:
    """Return the interval of a change in events in words.

    Examples
    --------
    >>> events_interval(-500.2, 80)
    'between 500 fewer and 80 more'
    """
    if not (_known(low) and _known(high)):
        return "its uncertainty could not be worked out"
    return _interval(low, high, 0, "")  # type: ignore[arg-type]


def level_words(level: float) -> str:
    """Return what an interval's coverage is called.

    Examples
    --------
    >>> level_words(0.95)
    '95% interval'
    """
    return f"{100 * level:.10g}% interval"


def certainty(effect: Effect) -> str:
    """Return one honest sentence on whether the interval leaves room for no effect.

    Examples
    --------
    >>> from svmodel.result import Effect
    >>> certainty(Effect("att", "rate_ratio", 0.9, 0.1, 0.72, 1.12, 0.95, 0.3))
    'The data cannot rule out no effect.'
    """
    neutral = 1.0 if effect.scale == "rate_ratio" else 0.0
    if not (_known(effect.conf_low) and _known(effect.conf_high)):
        return "No interval could be worked out, so how sure we can be is not known."
    if effect.conf_low <= neutral <= effect.conf_high:
        return "The data cannot rule out no effect."
    side = "a fall" if effect.conf_high < neutral else "a rise"
    return f"The whole {level_words(effect.level)} is on the side of {side}."


def outcome_name(label: str) -> str:
    """Return an outcome's label as it stands inside a sentence.

    Examples
    --------
    >>> outcome_name("Violence with injury"), outcome_name("NHS admissions")
    ('violence with injury', 'NHS admissions')
    """
    return label[:1].lower() + label[1:] if label[1:2].islower() or label[1:2] == " " else label


def sentence(text: str) -> str:
    """Return text that begins with a capital and ends in a full stop.

    Examples
    --------
    >>> sentence("the panel is complete")
    'The panel is complete.'
    """
    text = text.strip()
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def join(items: Iterable[str], *, last: str = "and") -> str:
    """Return a list in words.

    Examples
    --------
    >>> join(["Sefton", "Wirral", "Knowsley"])
    'Sefton, Wirral and Knowsley'
    """
    parts = [str(i) for i in items]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""
