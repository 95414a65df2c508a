"""What a study shows is decided once, travels with the saved context, and follows the study's rule."""

from dataclasses import replace

from svmodel.present import protected
from svmodel.protect import Disclosure
from svmodel.report import fits as contexts
from svmodel.report import open_area

RULE = Disclosure("threshold", threshold=900)


def test_areas_share_what_was_decided_once_and_a_saved_context_brings_it(small_study, tmp_path, monkeypatch):
    context = replace(small_study.fitted(), disclosure=RULE)
    path = context.save(tmp_path / "context.pickle")
    made = []
    behind = protected._events_behind
    monkeypatch.setattr(protected, "_events_behind", lambda *given: made.append(1) or behind(*given))
    held = contexts.load(path)
    for area in ("N", "W"):
        report = open_area(held, area, tmp_path / area)
        for section in ("effect", "worth", "quality"):
            report.section(section)
        report.write()
    assert made == [], "nothing is protected anew for an area"


def test_another_rule_is_another_decision(small_study):
    context = small_study.fitted()
    strict = replace(context, disclosure=Disclosure("threshold", threshold=10**6))
    label = context.study.estimators[0].label
    shown = [c.shown.results["violence"][label].estimates for c in (context, strict)]
    assert not shown[0]["estimate_flag"].eq("c").any()
    assert shown[1]["estimate_flag"].eq("c").all()
