"""What a reader of a result must not overlook: its warnings, and an interval that is missing or in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from svmodel.result import Result


@dataclass(frozen=True)
class Notice:
    """One warning: the word that stands before it, and what it says."""

    kind: str
    text: str


def without_interval(result: Result) -> bool:
    """Return whether the average effect has no interval on any scale."""
    rows = result.estimates[result.estimates["term"] == "att"]
    return bool(len(rows)) and bool(rows[["conf_low", "conf_high"]].isna().any(axis=1).all())


def notices(result: Result) -> tuple[Notice, ...]:
    """Return a result's warnings, the one on its interval first.

    Parameters
    ----------
    result : Result

    Returns
    -------
    tuple of Notice
        An average effect without an interval, an interval whose coverage is in doubt (``Result.uncertainty``), and
        ``Result.warnings``, each text once.
    """
    found: dict[str, Notice] = {}
    uncertainty = result.uncertainty
    if without_interval(result):
        text = uncertainty.why or "The method gives none."
        found[text] = Notice("No interval", text)
    elif uncertainty.in_doubt:
        text = uncertainty.why or "It may hold the truth less often than it says."
        found[text] = Notice("Interval in doubt", text)
    for warning in result.warnings:
        found.setdefault(warning.text, Notice("Read with care", warning.text))
    return tuple(found.values())
