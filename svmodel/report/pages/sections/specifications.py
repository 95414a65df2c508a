"""Would other choices have said otherwise? The specification curve with its joint test."""

from __future__ import annotations

from dataclasses import replace

from svmodel.present import plots, prose
from svmodel.present.tables import Table
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Points, Section, Words, file_as
from svmodel.report.pages.parts.second_looks import failures, hidden, not_asked, p_words

key = "specifications"
title = "Would other choices have said otherwise?"


def build(view: AreaView) -> Section:
    """Return the section, with the curve's own sentence as its answer."""
    if view.study.specifications is None:
        return Section(key, title, "", (Words(not_asked(key)),))
    curve = view.looks(view.headline.column).curve
    if curve is None or hidden(view) or (curve.scale != "rate_ratio" and view.disclosure.active):
        blocks = failures(view, {key: "The specification curve"})
        return Section(key, title, "", tuple(blocks) or (Words("There is no effect to vary."),))
    methods = {s.label: view.method_name(s.label) for s in view.study.estimators}
    labels = {o.column: o.label for o in view.outcomes}
    table = curve.table.assign(
        estimator=[methods.get(e, e) for e in curve.table["estimator"]],
        outcome=[labels.get(o, o) for o in curve.table["outcome"]],
    )
    drawn = plots.specification_curve(replace(curve, table=table), label=view.headline.label)
    rows = tuple(
        (prose.sentence(str(row["statistic"])).rstrip("."), p_words(float(row["p_value"])))
        for _, row in curve.joint.iterrows()
    )
    joint = Table("Joint test of no effect over all choices", ("Statistic", "p-value"), rows)
    notes = tuple(prose.sentence(view.free_text(n)) for n in curve.notes)
    shown = (file_as(view.stem(view.headline.column), drawn), joint, *((Points(notes),) if notes else ()))
    return Section(key, title, prose.sentence(view.free_text(curve.text)), shown)
