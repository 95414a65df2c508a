"""Second looks at the headline: other ways to its uncertainty, other choices, and what the study could have seen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from svmodel.present import plots, prose
from svmodel.present.tables import Table, with_interval
from svmodel.report.fits.second_looks import Scrutiny
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Callout, Points, Section, Words
from svmodel.result import Effect, Result

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
_NONE = "This study asks for none (key `{key}` of the study file)."


def inference(view: AreaView) -> Section:
    """Return the headline's effect under every method of inference that the study names."""
    title = "How sure can we be?"
    head, held = _headline(view), _held(view)
    if not view.study.inference:
        return Section("inference", title, "", (Words(_NONE.format(key="inference")),))
    if head is None or held is None or _hidden(view):
        return Section("inference", title, "", (Words("There is no effect to put to other methods of inference."),))
    scale = "rate_ratio" if head.has("att", "rate_ratio") else "difference"
    if scale == "difference" and view.disclosure.active:
        text = "Differences in numbers are shown under one method alone, so that none gives back a small count."
        return Section("inference", title, "", (Words(text),))
    rows = [("The method itself", _size(head.effect("att", scale)), _p(head.effect("att", scale)))]
    own, clear = [], 0
    for spec in view.study.inference:
        result = held.opinions.get(spec.label)
        if result is None:
            continue
        effect = result.effect("att", scale)
        clear += int(_clear(effect))
        rows.append((_inference_name(spec.name), _size(effect), _p(effect)))
        own.append(f"{_inference_name(spec.name)}: {view.free_text(result.notes[-1])}" if result.notes else "")
    what = "Change" if scale == "rate_ratio" else "Difference"
    level = prose.level_words(head.effect("att", scale).level)
    table = Table(
        f"The average effect on {prose.outcome_name(view.headline.label)} under other ways to its uncertainty",
        ("Uncertainty from", f"{what} ({level})", "p-value"),
        tuple(rows),
    )
    blocks: list[Block] = [table]
    if any(own):
        blocks += [Words("What each supposes:"), Points(tuple(prose.sentence(o) for o in own if o))]
    blocks += _failures(view, held, [(s.label, _inference_name(s.name)) for s in view.study.inference])
    n = len(rows) - 1
    ways = "one other way" if n == 1 else f"{n} other ways"
    where = "all of them" if clear == n else "none of them" if not clear else f"{clear}"
    answer = f"Of {ways} to the uncertainty, the interval lies wholly on one side of no effect in {where}." if n else ""
    return Section("inference", title, answer, tuple(blocks))


def specifications(view: AreaView) -> Section:
    """Return the specification curve with its joint test."""
    title, held = "Would other choices have said otherwise?", _held(view)
    if view.study.specifications is None:
        return Section("specifications", title, "", (Words(_NONE.format(key="specifications")),))
    curve = None if held is None else held.curve
    if curve is None or _hidden(view) or (curve.scale != "rate_ratio" and view.disclosure.active):
        blocks = _failures(view, held, [("specifications", "The specification curve")])
        return Section("specifications", title, "", tuple(blocks) or (Words("There is no effect to vary."),))
    curve = replace(curve, table=_readable(view, curve.table))
    drawn = plots.specification_curve(curve, label=view.headline.label)
    drawn = replace(drawn, name=f"{view.headline.column}_{drawn.name}")
    rows = tuple(
        (prose.sentence(str(row["statistic"])).rstrip("."), _p_words(float(row["p_value"])))
        for _, row in curve.joint.iterrows()
    )
    joint = Table("Joint test of no effect over all choices", ("Statistic", "p-value"), rows)
    notes = tuple(prose.sentence(view.free_text(n)) for n in curve.notes)
    blocks = [drawn, joint, *((Points(notes),) if notes else ())]
    return Section("specifications", title, prose.sentence(view.free_text(curve.text)), tuple(blocks))


def _readable(view: AreaView, table: Any) -> Any:
    """Return the table of specifications with the names of methods and outcomes that readers know."""
    names = {s.label: view.method_name(s.label) for s in view.study.estimators}
    labels = {o.column: o.label for o in view.outcomes}
    return table.assign(
        estimator=[names.get(e, e) for e in table["estimator"]], outcome=[labels.get(o, o) for o in table["outcome"]]
    )


def power(view: AreaView) -> Section:
    """Return the power of the study by size of effect."""
    title, held = "What could this study have seen?", _held(view)
    if view.study.power is None:
        return Section("power", title, "", (Words(_NONE.format(key="power")),))
    found = None if held is None else held.power
    if found is None:
        blocks = _failures(view, held, [("power", "Power")])
        return Section("power", title, "", tuple(blocks) or (Words("There is no design to work it out for."),))
    drawn = plots.power_curve(found, label=view.headline.label)
    drawn = replace(drawn, name=f"{view.headline.column}_{drawn.name}")
    notes = tuple(prose.sentence(view.free_text(n)) for n in found.notes)
    blocks = [drawn, *((Points(notes),) if notes else ())]
    return Section("power", title, prose.sentence(view.free_text(found.text)), tuple(blocks))


def _held(view: AreaView) -> Scrutiny | None:
    return view.context.scrutiny.get(view.headline.column)


def _headline(view: AreaView) -> Result | None:
    result = view.results(view.headline.column).get(view.headline_method)
    if result is None or not (result.has("att", "rate_ratio") or result.has("att", "difference")):
        return None
    return result


def _hidden(view: AreaView) -> bool:
    overall = view.overall(view.headline.column)
    return overall is None or overall.hidden


def _inference_name(name: str) -> str:
    return INFERENCE_NAMES.get(name, name)


def _size(effect: Effect) -> str:
    if effect.scale == "rate_ratio":
        return with_interval(*effect.percent, 1, "%")
    return with_interval(effect.estimate, effect.conf_low, effect.conf_high, 2)


def _p(effect: Effect) -> str:
    return _p_words(effect.p_value)


def _p_words(p: float) -> str:
    if not math.isfinite(p):
        return "none"
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _clear(effect: Effect) -> bool:
    none = 1.0 if effect.scale == "rate_ratio" else 0.0
    return effect.conf_low > none or effect.conf_high < none


def _failures(view: AreaView, held: Scrutiny | None, named: list[tuple[str, str]]) -> list[Block]:
    failed = {} if held is None else held.failures
    return [
        Callout(f"{name} gave no answer. {prose.sentence(view.free_text(failed[label]))}", "Not estimated")
        for label, name in named
        if label in failed
    ]
