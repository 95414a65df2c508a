"""The rules that a design has to meet before any estimator may answer it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svmodel import periods
from svmodel.errors import DataError, Problem, Problems, did_you_mean, shorten
from svmodel.panel import Panel


@dataclass(frozen=True)
class Asked:
    """What is asked of a panel, before anybody knows whether it can be answered; the fields are those of a Design."""

    panel: Panel
    outcome: str
    intervention: Any
    exposure: str | None
    covariates: tuple[str, ...]
    window: Any
    anticipation: Any

    @property
    def is_count(self) -> bool:
        """Whether the outcome counts events."""
        return self.outcome in self.panel.counts

    @cached_property
    def view(self) -> Panel:
        """The panel within the window; a DataError where there is none."""
        return self.panel if self.window is None else self.panel.select(window=self.window)


#: Standard deviations within which a covariate is what others make of it.
_SAME = 1e-9


def find_problems(design: Asked) -> tuple[Problem, ...]:
    """Return every defect of `design`."""
    found = Problems()
    _columns(design, found)
    view = _view(design, found)
    _intervention(design, view, found)
    if view is not None and design.outcome in view.outcomes:
        _outcome(design, view, found)
    if not _is_number_of_periods(design.anticipation):
        found.add(f"{design.anticipation!r} is not a number of periods", where="anticipation", rule="anticipation")
    return tuple(found)


def _is_number_of_periods(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _columns(design: Asked, found: Problems) -> None:
    panel = design.panel
    if design.outcome not in panel.outcomes:
        fix = did_you_mean(design.outcome, panel.outcomes)
        found.add(f"{design.outcome!r} is no count or measure of the panel", fix=fix, rule="unknown_outcome")
    if design.exposure is not None and design.exposure not in panel.exposures:
        fix = did_you_mean(design.exposure, panel.exposures)
        found.add(f"{design.exposure!r} is no exposure of the panel", fix=fix, rule="unknown_exposure")
    for covariate in design.covariates:
        if covariate not in (*panel.covariates, *panel.exposures):
            fix = did_you_mean(covariate, panel.covariates)
            found.add(f"{covariate!r} is no covariate of the panel", fix=fix, rule="unknown_covariate")


def _view(design: Asked, found: Problems) -> Panel | None:
    try:
        return design.view
    except DataError as error:
        if error.problems:
            found.extend(Problem(p.what, "window", p.fix, rule="window") for p in error.problems)
        else:
            found.add(error.title, where="window", rule="window")
        return None


def _intervention(design: Asked, view: Panel | None, found: Problems) -> None:
    panel, starts = design.panel, design.intervention.starts
    known = set(panel.areas)
    for area in starts:
        if area not in known:
            found.add(
                f"area {area!r} is not in the panel",
                where="starts",
                fix=did_you_mean(area, [*panel.areas, *sorted(set(panel.parents.values()))], limit=3),
                rule="unknown_area",
            )
    for where, given in (("starts", starts), ("ends", design.intervention.ends or {})):
        wrong = [a for a, p in given.items() if p.freqstr != panel.periods.freqstr]
        if wrong:
            word = periods.describe_frequency(panel.periods)
            found.add(
                f"{shorten(wrong, limit=3)} are not given as a {word}, which is the panel's period",
                where=where,
                rule="frequency",
            )
    if view is None:
        return
    inside = {a: p for a, p in starts.items() if a in known and p.freqstr == panel.periods.freqstr}
    if not inside:
        found.add("no area of the panel is treated", where="starts", rule="nobody_treated")
        return
    if all(p > view.periods[-1] for p in inside.values()):
        found.add(
            f"every start is after the last period, {periods.label(view.periods[-1])}",
            where="starts",
            fix="Wait for later data, or widen the window.",
            rule="no_post_period",
        )
    lead = int(design.anticipation) if _is_number_of_periods(design.anticipation) else 0
    early = sorted(a for a, p in inside.items() if p - lead <= view.periods[0])
    if early:
        found.add(
            f"{shorten(early, limit=3)} have no period before their start (the data begin "
            f"{periods.label(view.periods[0])})",
            where="starts",
            fix="Without a before there is no effect to measure: widen the window, or leave these areas out.",
            rule="no_pre_period",
        )


def _outcome(design: Asked, view: Panel, found: Problems) -> None:
    y = view.matrix(design.outcome)
    known = ~np.isnan(y)
    if not known.any():
        found.add(f"{design.outcome!r} is missing everywhere", rule="outcome_missing")
        return
    values = y[known]
    if float(np.ptp(values)) == 0:
        found.add(
            f"{design.outcome!r} is {values[0]:g} in every area and period",
            fix="A constant outcome holds no information on an effect.",
            rule="constant_outcome",
        )
    _known_around_start(design, view, known, found)
    _treated_events(design, view, found)
    if design.exposure is not None and design.exposure in view.exposures:
        lacking = known & np.isnan(view.matrix(design.exposure))
        if lacking.any():
            areas = [view.areas[i] for i in np.flatnonzero(lacking.any(axis=1))]
            found.add(
                f"{design.exposure!r} is missing in {int(lacking.sum()):,} area-periods where the outcome is known",
                where=f"areas {shorten(areas, limit=3)}",
                rule="exposure_missing",
            )
    for covariate in (c for c in design.covariates if c in view.columns):
        lacking = known & np.isnan(view.matrix(covariate))
        if lacking.any():
            found.add(
                f"covariate {covariate!r} is missing in {int(lacking.sum()):,} area-periods", rule="covariate_missing"
            )
    _dependent(design, view, known, found)


def _known_around_start(design: Asked, view: Panel, known: NDArray[np.bool_], found: Problems) -> None:
    """Find that the outcome is missing in every treated area-period, or in all before a start."""
    starts, ends = design.intervention.starts, design.intervention.ends or {}
    before = after = reached = False
    for i, area in enumerate(view.areas):
        start, end = starts.get(area), ends.get(area, view.periods[-1])
        if start is None or start.freqstr != view.periods.freqstr or end.freqstr != view.periods.freqstr:
            continue
        reached = reached or view.periods[0] < start <= view.periods[-1]
        before = before or bool(known[i, view.periods < start].any())
        after = after or bool(known[i, (view.periods >= start) & (view.periods <= end)].any())
    for fine, when, rule in (
        (after, "from its start on", "no_known_post"),
        (before, "before its start", "no_known_pre"),
    ):
        if reached and not fine:
            found.add(
                f"{design.outcome!r} is missing in every treated area {when}",
                fix="Without it there is no effect to measure: look at the ledger for why it is missing.",
                rule=rule,
            )


def _treated_events(design: Asked, view: Panel, found: Problems) -> None:
    """Find that no treated area ever had an event: there is nothing that could have fallen."""
    starts = design.intervention.starts
    rows = [i for i, area in enumerate(view.areas) if area in starts and starts[area].freqstr == view.periods.freqstr]
    y = view.matrix(design.outcome)
    seen = y[rows][~np.isnan(y[rows])]
    if design.is_count and len(seen) and not seen.any() and (y > 0).any():
        found.add(
            f"{design.outcome!r} is 0 in every period in every treated area, before the start and after",
            fix="Where nothing happened nothing can fall: look whether it was recorded there at all.",
            rule="no_treated_events",
        )


def _dependent(design: Asked, view: Panel, known: NDArray[np.bool_], found: Problems) -> None:
    """Find covariates that are combinations of others."""
    names = [c for c in dict.fromkeys(design.covariates) if c in view.columns]
    columns = [view.matrix(c) for c in names]
    whole = known & ~np.isnan(np.stack(columns)).any(axis=0) if columns else known
    if not columns or int(whole.sum()) <= len(columns):
        return
    kept: list[NDArray[np.float64]] = [np.ones(int(whole.sum()))]
    for name, column in zip(names, columns, strict=True):
        x = column[whole]
        if float(np.ptp(x)) == 0:
            continue  # a method that looks at one series leaves such a covariate out and says so; others refuse it
        scaled = (x - x.mean()) / x.std()
        basis = np.column_stack(kept)
        rest = scaled - basis @ np.linalg.lstsq(basis, scaled, rcond=None)[0]
        if float(np.abs(rest).max()) < _SAME:
            others = names[: names.index(name)]
            found.add(
                f"covariate {name!r} is a combination of {shorten(others, limit=5)}",
                fix="No coefficient can be told from the others': leave one of them out.",
                rule="covariate_dependent",
            )
            continue
        kept.append(scaled)
