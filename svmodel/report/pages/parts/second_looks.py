"""What the sections on second looks share: what was looked at, what failed, and sections with nothing to show."""

from __future__ import annotations

import math

from svmodel.present import prose
from svmodel.report.fits.second_looks import SecondLooks
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout


def not_asked(key: str) -> str:
    """Return the sentence of a section that the study does not ask for."""
    return f"This study asks for none (key `{key}` of the study file)."


def looks_of(view: AreaView) -> SecondLooks:
    """Return the second looks at the headline outcome; empty ones where none were taken."""
    return view.context.second_looks.get(view.headline.column) or SecondLooks()


def hidden(view: AreaView) -> bool:
    """Return whether the headline's effect is not there, or rests on too few events to be shown."""
    overall = view.overall(view.headline.column)
    return overall is None or overall.hidden


def failures(view: AreaView, named: dict[str, str]) -> list[Block]:
    """Return why second looks could not be had, of those named: label to readable name."""
    failed = looks_of(view).failures
    return [
        Callout(f"{name} gave no answer. {prose.sentence(view.free_text(failed[label]))}", "Not estimated")
        for label, name in named.items()
        if label in failed
    ]


def p_words(p: float) -> str:
    """Return a p-value as a cell."""
    if not math.isfinite(p):
        return "none"
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
