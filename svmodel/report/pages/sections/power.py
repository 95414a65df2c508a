"""What could this study have seen? Its power by size of effect."""

from __future__ import annotations

from svmodel.present import plots, prose
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Points, Section, Words, file_as
from svmodel.report.pages.parts.second_looks import failures, not_asked

key = "power"
title = "What could this study have seen?"


def build(view: AreaView) -> Section:
    """Return the section, with the sentence on what could be found as its answer."""
    if view.study.power is None:
        return Section(key, title, "", (Words(not_asked(key)),))
    power = view.looks(view.headline.column).power
    if power is None:
        blocks = failures(view, {key: "Power"})
        return Section(key, title, "", tuple(blocks) or (Words("There is no design to work it out for."),))
    drawn = plots.power_curve(power, label=view.headline.label)
    notes = tuple(prose.sentence(view.free_text(n)) for n in power.notes)
    shown = (file_as(view.stem(view.headline.column), drawn), *((Points(notes),) if notes else ()))
    return Section(key, title, prose.sentence(view.free_text(power.text)), shown)
