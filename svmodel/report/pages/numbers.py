"""The numbers of a page for programs: ``result.json`` and ``estimates.csv``, protected and without times."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods
from svmodel.present.facts import EffectFact
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.facts import Worth, last_year, next_periods, provenance, trend_of, worth_of
from svmodel.report.pages.notices import notices
from svmodel.report.study import OutcomeSpec
from svmodel.result import COLUMNS, SCALES, Effect

FORMAT = "svmodel-area-1"
#: Numbers of an effect, as they are written and read again.
EFFECT_NUMBERS = tuple(f.name for f in fields(Effect) if f.name not in ("term", "scale"))
#: Terms of a single small area or of one cohort in one period are left to the study's own results.
_TERMS = ("att", "event", "cohort", "calendar", "event_average", "cohort_average", "calendar_average")


def estimates_csv(view: AreaView) -> str:
    """Return the estimates that concern an area as CSV.

    Columns outcome, estimator, those of :data:`svmodel.result.COLUMNS`, and ``estimate_flag`` (``c`` where
    hidden). The rows with term ``area`` are this area's own; all others are of the whole study.
    """
    parts = []
    for outcome in view.outcomes:
        for label, shown in view.shown(outcome.column).items():
            frame = shown.estimates
            own = (frame["term"] == "area") & (frame["area"] == view.area)
            part = frame[own | frame["term"].isin(_TERMS)].copy()
            part.insert(0, "outcome", outcome.column)
            part.insert(1, "estimator", label)
            parts.append(part)
    columns = ["outcome", "estimator", *COLUMNS, "estimate_flag"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    for column in ("cohort", "period"):
        table[column] = [_plain(v) for v in table[column]]
    return str(table[columns].to_csv(index=False, lineterminator="\n"))


def result_json(view: AreaView) -> str:
    """Return the area's numbers as JSON with sorted keys; a number that is hidden or not known is null."""
    held = {
        "format": FORMAT,
        "study": view.study.key,
        "title": view.study.title,
        "area": {"code": view.area, "name": view.place},
        "synthetic": view.context.synthetic,
        "unprotected": view.unprotected,
        "period": {"word": view.per, "first": view.panel.periods[0], "last": view.panel.periods[-1]},
        "intervention": None if view.intervention is None else view.intervention.name,
        "starts": dict(sorted(view.starts.items())),
        "outcomes": {o.column: _outcome(view, o) for o in view.outcomes},
        "worth": [_worth(w) for w in _worths(view)],
        "failures": {
            outcome: {label: view.free_text(text) for label, text in failed.items()}
            for outcome, failed in view.context.failures.items()
        },
        "provenance": provenance(view),
    }
    return json.dumps(_plain(held), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _outcome(view: AreaView, outcome: OutcomeSpec) -> dict[str, Any]:
    column = outcome.column
    own = view.own(column)
    return {
        "label": outcome.label,
        "meaning": vars(view.meaning(outcome)),
        "last_year": _last_year(view, column) if column in view.panel.counts else None,
        "trend": _trend(view, column) if column in view.panel.counts else None,
        "forecast": _forecast(view, column),
        "study_effects": {label: _effects(view.overall(column, label)) for label in view.results(column)},
        "own_effect": None if own is None else {"estimator": own.method, **(_effects(own) or {})},
        "warnings": {
            label: [{"kind": n.kind, "text": view.free_text(n.text)} for n in notices(result)]
            for label, result in view.results(column).items()
        },
        "checks": [
            {"name": c.name, "status": c.status, "text": view.free_text(c.text)}
            for c in view.context.checks.get(column, ())
        ],
    }


def _last_year(view: AreaView, column: str) -> dict[str, Any]:
    if view.panel.n_periods < view.year:
        return {}
    year = last_year(view, column)
    return {**vars(year), "change": year.change}


def _trend(view: AreaView, column: str) -> dict[str, Any]:
    trend = trend_of(view, column)
    if isinstance(trend, str):
        return {"change_per_year": None, "why": trend}
    change = trend.change_per_year
    numbers = {k: vars(change)[k] for k in ("estimate", "conf_low", "conf_high", "level")}
    return {"change_per_year": numbers, "why": ""}


def _forecast(view: AreaView, column: str) -> list[dict[str, Any]] | None:
    forecast = view.context.forecasts.get(column)
    if forecast is None or not (forecast.quantiles["area"] == view.area).any():
        return None
    wide = next_periods(forecast, view.area)
    return [
        {"period": period, "quantiles": {f"{q:g}": float(v) for q, v in row.items()}} for period, row in wide.iterrows()
    ]


def _effects(effects: EffectFact | None) -> dict[str, Any] | None:
    if effects is None:
        return None
    scales = {s: vars(effects)[s] for s in SCALES}
    held = {s: None if e is None else {k: vars(e)[k] for k in EFFECT_NUMBERS} for s, e in scales.items()}
    more: dict[str, Any] = {name: getattr(effects, name) for name in ("hidden", "posterior", "in_doubt", "direction")}
    return {**held, **more}


def _worths(view: AreaView) -> list[Worth]:
    if view.intervention is None:
        return []
    found = (worth_of(view, u) for u in view.study.economics.unit_costs)
    return [w for w in found if isinstance(w, Worth)]


def _worth(worth: Worth) -> dict[str, Any]:
    benefit = dict(zip(("estimate", "low", "high"), worth.benefit, strict=True))
    numbers = {name: value for name, value in vars(worth).items() if name not in ("outcome", "notes")}
    return {"outcome": worth.outcome.column, "benefit": benefit, **numbers}


def _plain(value: Any) -> Any:
    """Return a value fit for JSON: periods as their codes, what is not a number as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, pd.Period):
        return periods.code(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
