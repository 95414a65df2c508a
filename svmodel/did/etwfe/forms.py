"""The linear model, and either model with cohort effects: the parts of their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import Design, DesignArrays
from svmodel.did.cell_sums import CellSums, joint_events, lead_rows, one_table, rows_of_all
from svmodel.did.etwfe.cohort import cohort_att, impute_by_cohort
from svmodel.did.expected_linear import Predicted, impute_linear, lead_cells, lead_sums, linear_att, sums_of
from svmodel.did.leads import before_test
from svmodel.result import JointEstimate
from svmodel.result.doubts import area_names, ended, whole_reporting_areas
from svmodel.result.notes import Note
from svmodel.result.scales import critical_value, estimates_frame
from svmodel.result.tables import cells_and_sums


def point(arrays: DesignArrays, family: str, effects: str) -> float:
    """Return the average effect alone; NaN where there is none."""
    return linear_att(arrays) if (family, effects) == ("linear", "area") else cohort_att(arrays, family)


@dataclass(frozen=True, eq=False)
class Form:
    """Expected outcomes of the treated cells with their sums, and those of the cells before a start."""

    found: Predicted
    sums: CellSums
    leads: list[CellSums]
    few: int


def fitted(arrays: DesignArrays, family: str, effects: str, few: int, *, leads: bool) -> Form:
    """Impute the treated cells, and with area effects those before a start where `leads` are wanted."""
    if effects == "area":
        found = impute_linear(arrays, few)
        return Form(found, sums_of(found), one_table(lead_sums(found)) if leads else [], few)
    found = impute_by_cohort(arrays, family, few)
    return Form(found, sums_of(found, family), [], few)


def estimates(form: Form, level: float, *, counts: bool, only_average: bool) -> pd.DataFrame:
    """Return every term, or the average effect alone."""
    periods = form.found.arrays.periods
    rows = rows_of_all(form.sums, periods, level=level, counts=counts, only_average=only_average)
    return estimates_frame([*rows, *lead_rows(form.leads, level, counts=counts)])


def joint(form: Form) -> JointEstimate | None:
    """Return effects by horizon with their covariance."""
    before = before_test(form.found.arrays, lead_cells(form.found), "linear") if form.leads else None
    return joint_events([*form.leads, form.sums], shrink=form.few > 0, before=before)


def diagnostics(form: Form) -> dict[str, Any]:
    """Return the sums behind the average effect and what they rest on."""
    found, sums = form.found, form.sums
    return {
        "observed": float(sums.observed.sum()),
        "expected": float(sums.expected.sum()),
        "treated_areas": int(found.target.any(axis=1).sum()),
        "treated_cells": int(found.arrays.treated.sum()),
        "treated_cells_used": int(found.target.sum()),
        "untreated_cells": int(found.arrays.untreated.sum()),
        "clusters": found.n_clusters,
        "crv1_factor": found.factor,
    }


def counterfactual(form: Form, level: float) -> pd.DataFrame:
    """Return observed and expected outcomes of the treated cells, and their sums by period with limits."""
    found, sums = form.found, form.sums
    cells = np.nonzero(found.target)
    times = np.unique(sums.time)
    member = (sums.time[:, None] == times[None, :]).astype(float)
    joined = sums.clusters.sums(sums.of_expected @ member)
    half = critical_value(level) * np.sqrt(found.factor * (joined**2).sum(axis=0))
    expected = sums.expected @ member
    own = found.arrays.y[cells], found.expected[cells]
    together = sums.observed @ member, expected, expected - half, expected + half
    return cells_and_sums(found.arrays, cells, own, times, together)


def notes_of(design: Design, found: Predicted, family: str, effects: str) -> list[Note]:
    """Return the notes of a result."""
    arrays = found.arrays
    word = period_words.describe_frequency(arrays.periods)
    notes: list[Note] = []
    if family == "linear" and design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have changed "
            "alike in treated and untreated areas: in numbers, not in per cent. Where areas differ much in size or "
            "level, compare with the Poisson family."
        )
    below = found.target & (found.expected < 0)
    if family == "linear" and design.is_count and below.any():
        notes.append(f"{int(below.sum()):,} treated area-{word}s have an expected count below zero.")
    if effects == "cohort":
        notes.append(
            "Cohort effects in place of area effects: areas of a cohort share one level, so an area without a known "
            f"{word} before its start is held against its cohort's. No effects before the start are estimated."
        )
    lost = arrays.treated & ~found.target
    if lost.any():
        notes.append(
            f"{int(lost.sum()):,} treated area-{word}s have no expected outcome and are left out "
            f"({area_names(design, lost.any(axis=1))}): no untreated area is left in that {word}, or none of the "
            "area's own outcomes before the start is known."
        )
    if effects == "area":
        notes.append("Before the start, effects are relative to the average before the start.")
    return [*notes, *ended(design), *whole_reporting_areas(design, arrays)]
