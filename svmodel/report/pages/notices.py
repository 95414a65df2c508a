"""What a reader of a result must not overlook: which of its notes are warnings, and what its intervals rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from svmodel.result import Result

_ON_INTERVALS = re.compile(r"\b(?:[Ii]ntervals?|[Ee]rrors?|p-value)\b")
#: Notes that take away from a number that looks fine. Methods write them for all readers, so they do not stay folded.
_GRAVE = tuple(
    re.compile(pattern)
    for pattern in (
        r"OUTSIDE THE DONORS' HULL",
        r"^Outside the donors:",
        r"^Poor fit before the start",
        r"% of area-\w+ are zero",
        r"^Too little happens",
        r"^Counts are small and there are few",
        r"\b(?:is|are) not identified",
        r"no area is untreated",
        r"^The average effect is taken over",
        r"^Left out of the average effect",
        r"left out of every effect",
        r"not linked to untreated areas",
        r"without a single event before the start",
        r"^Only \d+ (?:donors|\w+ before a start|\w+ from a start)",
        r"no p-value can be below",
        r"Here the negative weights sum to",
        r"Residuals hang together",
        r"held against its own past alone",
        r"carried on for longer",
        r"less than .* events? a \w+: ",
        r"In simulation 95% intervals",
        r"they are known to be too narrow",
        r"^Every area of .* is treated",
        r"expects? (?:no events|fewer than none)",
        r"^Chains have met roughly",
        # what svmodel.inference.doubts finds in a design
        r"^No area that is never treated .* ever changes",
        r"^No control is like",
        r"^One \w+ before the start is all that is known",
        r"^Not one .* (?:before the start in the treated|in any area from)",
        r"^Counts of .* jump: ",
        r"^(?:One|Only \d+) untreated areas? stands? for what happened elsewhere",
        r"% of the donors' area-\w+ before the start are zero",
        r"without a single event \(.*\) cannot inform a model of ratios",
        # what svmodel.inference finds in a design that no interval shows
        r"^No area that is never treated .* ever changes",
        r"before the start is all that is known of any treated area",
        r"^Not one .* (?:before the start in the treated area|in any area from)",
        r"^No control is like",
        r"^Counts of .* jump",
    )
)


@dataclass(frozen=True)
class Notice:
    """One warning: the word that stands before it, and what it says."""

    kind: str
    text: str


def without_interval(result: Result) -> bool:
    """Return whether the average effect has no interval on any scale."""
    rows = result.estimates[result.estimates["term"] == "att"]
    return bool(len(rows)) and bool(rows[["conf_low", "conf_high"]].isna().any(axis=1).all())


def resting_on(result: Result) -> str:
    """Return what the result's interval rests on, or why it has none, in its own words; empty where it does not say."""
    known = result.diagnostics.get("inference_why")
    if known:
        return str(known)
    return next((note for note in result.notes if _ON_INTERVALS.search(note)), "")


def notices(result: Result) -> tuple[Notice, ...]:
    """Return a result's warnings, the one on its interval first.

    Parameters
    ----------
    result : Result

    Returns
    -------
    tuple of Notice
        An average effect without an interval, an interval whose coverage is in doubt
        (``diagnostics["inference_in_doubt"]``), and the notes that take away from the number itself.
    """
    found: list[Notice] = []
    why = resting_on(result)
    if without_interval(result):
        found.append(Notice("No interval", why or "The method gives none."))
    elif result.diagnostics.get("inference_in_doubt"):
        found.append(Notice("Interval in doubt", why or "It may hold the truth less often than it says."))
    told = {n.text for n in found}
    grave = [n for n in dict.fromkeys(result.notes) if n not in told and any(p.search(n) for p in _GRAVE)]
    found += [Notice("Read with care", n) for n in grave]
    return tuple(found)
