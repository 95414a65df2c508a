"""How sure can we be? The headline's effect under every method of inference that the study names."""

from __future__ import annotations

from svmodel.present import prose
from svmodel.present.tables import Table, with_interval
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Points, Section, Words
from svmodel.report.pages.parts.second_looks import failures, hidden, not_asked, p_words
from svmodel.result import Effect

key = "inference"
title = "How sure can we be?"
INFERENCE_NAMES = {
    "RandomisationInference": "Starts dealt out anew among areas",
    "InSpacePlacebos": "Untreated areas in the treated areas' place",
    "Conformal": "Residuals moved along time",
    "Jackknife": "Areas left out one at a time",
    "ClusterBootstrap": "Areas drawn again",
    "WildClusterBootstrap": "Signs of areas' residuals changed",
    "ScoreBootstrap": "Signs of areas' scores changed",
    "BlockBootstrap": "Stretches of the past's residuals drawn again",
}


def build(view: AreaView) -> Section:
    """Return the section, with a sentence on how many intervals lie on one side."""
    if not view.study.inference:
        return Section(key, title, "", (Words(not_asked(key)),))
    head = view.results(view.headline.column).get(view.headline_method)
    scale = next((s for s in ("rate_ratio", "difference") if head is not None and head.has("att", s)), None)
    looked = view.headline.column in view.context.second_looks
    if head is None or scale is None or not looked or hidden(view):
        return Section(key, title, "", (Words("There is no effect to put to other methods of inference."),))
    if scale == "difference" and view.disclosure.active:
        text = "Differences in numbers are shown under one method alone, so that none gives back a small count."
        return Section(key, title, "", (Words(text),))
    own_way = head.effect("att", scale)
    rows = [("The method itself", _size(own_way), p_words(own_way.p_value))]
    own, clear = [], 0
    for spec in view.study.inference:
        result = view.looks(view.headline.column).opinions.get(spec.label)
        if result is None:
            continue
        effect, name = result.effect("att", scale), _name(spec.name)
        clear += int(_clear(effect))
        rows.append((name, _size(effect), p_words(effect.p_value)))
        if result.notes:
            own.append(prose.sentence(f"{name}: {view.free_text(result.notes[-1])}"))
    what = "Change" if scale == "rate_ratio" else "Difference"
    table = Table(
        f"The average effect on {prose.outcome_name(view.headline.label)} under other ways to its uncertainty",
        ("Uncertainty from", f"{what} ({prose.level_words(own_way.level)})", "p-value"),
        tuple(rows),
    )
    blocks: list[Block] = [table]
    if own:
        blocks += [Words("What each supposes:"), Points(tuple(own))]
    blocks += failures(view, {s.label: _name(s.name) for s in view.study.inference})
    n = len(rows) - 1
    ways = "one other way" if n == 1 else f"{n} other ways"
    where = "all of them" if clear == n else "none of them" if not clear else f"{clear} of them"
    answer = f"Of {ways} to the uncertainty, the interval lies wholly on one side of no effect in {where}." if n else ""
    if n == 1:
        answer = f"By one other way to the uncertainty, the interval {'leaves out' if clear else 'holds'} no effect."
    return Section(key, title, answer, tuple(blocks))


def _name(name: str) -> str:
    return INFERENCE_NAMES.get(name, name)


def _size(effect: Effect) -> str:
    if effect.scale == "rate_ratio":
        return with_interval(*effect.percent, 1, "%")
    return with_interval(effect.estimate, effect.conf_low, effect.conf_high, 2)


def _clear(effect: Effect) -> bool:
    none = 1.0 if effect.scale == "rate_ratio" else 0.0
    return effect.conf_low > none or effect.conf_high < none
