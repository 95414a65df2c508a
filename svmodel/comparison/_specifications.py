"""The specifications of a multiverse: every combination of choices, each a design and an estimator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from svmodel import periods
from svmodel.comparison._names import named
from svmodel.errors import DataError, Problems, did_you_mean, shorten

if TYPE_CHECKING:
    from svmodel.design import Design
    from svmodel.result import Estimator

__all__ = ["CHOICES", "Specification", "specifications"]

CHOICES = ("estimator", "controls", "window", "outcome", "covariates", "anticipation")


@dataclass(frozen=True, eq=False)
class Specification:
    """One combination.

    Attributes
    ----------
    choices : mapping of str to str
        By :data:`CHOICES`, as tables name them.
    design : Design
    estimator : Estimator
    """

    choices: Mapping[str, str]
    design: Design
    estimator: Estimator


def specifications(
    design: Design,
    estimators: Mapping[str, Estimator] | Iterable[Estimator],
    *,
    controls: Mapping[str, Iterable[str] | None] | None,
    windows: Any,
    outcomes: Iterable[str] | None,
    covariates: Any,
    anticipation: Iterable[int] | None,
    found: Problems,
) -> list[Specification]:
    """Return every combination of the choices given, in a fixed order; note every choice that cannot be made."""
    held = named(estimators, found)
    pools = _pools(design, controls, found)
    spans = _windows(design, windows, found)
    said = (design.outcome,) if outcomes is None else (outcomes,) if isinstance(outcomes, str) else tuple(outcomes)
    for one in said:
        if one not in design.panel.outcomes:
            fix = did_you_mean(one, design.panel.outcomes)
            found.add(f"{one!r} is no count or measure of the panel", where="outcomes", fix=fix)
    adjusted = _covariates(design, covariates, found)
    leads = (design.anticipation,) if anticipation is None else tuple(anticipation)
    for lead in leads:
        if not isinstance(lead, int) or lead < 0:
            found.add(f"{lead!r} is not a number of periods", where="anticipation")
    for where, given in (("outcomes", said), ("anticipation", leads)):
        if len(set(given)) < len(given) or not given:
            found.add("nothing is given" if not given else "a choice comes twice", where=where)
    if found:
        return []
    out = []
    for outcome, (pool, areas), (span, window), (extra, columns), lead in product(
        said, pools.items(), spans.items(), adjusted.items(), leads
    ):
        panel = design.panel if areas is None else design.panel.select(areas=areas)
        varied = replace(
            design, panel=panel, outcome=outcome, window=window, covariates=columns, anticipation=int(lead)
        )
        for name, estimator in held.items():
            told = dict(zip(CHOICES, (name, pool, span, outcome, extra, str(lead)), strict=True))
            out.append(Specification(told, varied, estimator))
    return out


def _pools(design: Design, controls: Any, found: Problems) -> dict[str, tuple[str, ...] | None]:
    """Return, by name, the areas of each choice of controls: those that are treated, and the controls."""
    if controls is None:
        return {"all": None}
    if not isinstance(controls, Mapping) or not controls:
        found.add(
            f"{controls!r} names no choice of controls",
            where="controls",
            fix='Give {"all": None, "neighbours": ["E01006412", ...]}.',
        )
        return {}
    treated = tuple(design.intervention.starts)
    out: dict[str, tuple[str, ...] | None] = {}
    for name, areas in controls.items():
        given = None if areas is None else tuple(str(a) for a in areas)
        out[str(name)] = None if given is None else tuple(sorted({*given, *treated} & set(design.panel.areas)))
        unknown = [a for a in given or () if a not in design.panel.areas]
        if unknown:
            fix = did_you_mean(unknown[0], design.panel.areas, limit=3)
            found.add(f"{shorten(unknown, limit=3)} are no areas of the panel", where=f"controls, {name!r}", fix=fix)
    return out


def _windows(design: Design, windows: Any, found: Problems) -> dict[str, Any]:
    """Return windows by name; None is the design's own."""
    if windows is None:
        return {"whole" if design.window is None else "design": design.window}
    given = list(windows.items()) if isinstance(windows, Mapping) else [(None, w) for w in windows]
    out: dict[str, Any] = {}
    for name, window in given:
        if window is not None and (isinstance(window, str) or len(window) != 2):
            found.add(f"{window!r} is no window", where="windows", fix='Give ("2018-01", "2024-12"); None for an end.')
            continue
        try:
            view = design.panel if window is None else design.panel.select(window=window)
        except DataError as error:
            found.add(error.title, where=f"windows, {window!r}")
            continue
        words = f"{periods.label(view.periods[0])} to {periods.label(view.periods[-1])}"
        key = str(name) if name is not None else words
        if key in out:
            found.add(f"window {key!r} comes twice", where="windows")
        out[key] = window
    if not given:
        found.add("nothing is given", where="windows")
    return out


def _covariates(design: Design, covariates: Any, found: Problems) -> dict[str, tuple[str, ...]]:
    """Return sets of covariates by name."""
    if covariates is None:
        return {", ".join(design.covariates) or "none": design.covariates}
    if isinstance(covariates, str):
        covariates = [(covariates,)]
    known = (*design.panel.covariates, *design.panel.exposures)
    out: dict[str, tuple[str, ...]] = {}
    given = list(covariates.items()) if isinstance(covariates, Mapping) else [(None, c) for c in covariates]
    for name, columns in given:
        one = (columns,) if isinstance(columns, str) else tuple(columns)
        for column in one:
            if column not in known:
                fix = did_you_mean(column, known)
                found.add(f"{column!r} is no covariate of the panel", where="covariates", fix=fix)
        key = str(name) if name is not None else ", ".join(one) or "none"
        if key in out:
            found.add(f"covariates {key!r} come twice", where="covariates")
        out[key] = one
    if not given:
        found.add("nothing is given", where="covariates")
    return out
