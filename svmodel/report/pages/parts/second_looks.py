"""What the sections on second looks share: what failed, p-values, and sections with nothing to show."""

from __future__ import annotations

import math

from svmodel.present import prose
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout
from svmodel.words import p_number


def not_asked(key: str) -> str:
    """Return the sentence of a section that the study does not ask for."""
    return f"This study asks for none (key `{key}` of the study file)."


def hidden(view: AreaView) -> bool:
    """Return whether the headline's effect is not there, or rests on too few events to be shown."""
    overall = view.overall(view.headline.column)
    return overall is None or overall.hidden


def failures(view: AreaView, named: dict[str, str]) -> list[Block]:
    """Return why second looks could not be had, of those named: label to readable name."""
    failed = view.looks(view.headline.column).failures
    return [
        Callout(f"{name} gave no answer. {prose.sentence(view.free_text(failed[label]))}", "Not estimated")
        for label, name in named.items()
        if label in failed
    ]


def p_words(p: float) -> str:
    """Return a p-value as a cell."""
    if not math.isfinite(p):
        return "none"
    return p_number(p).replace("<", "below")
