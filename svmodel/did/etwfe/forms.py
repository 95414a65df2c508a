"""The result of the linear model, and of either model with cohort effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from svmodel import periods as period_words
from svmodel.design import Design, DesignArrays
from svmodel.did.cell_sums import CellSums, joint_events, rows_of_all
from svmodel.did.covariates import ended
from svmodel.did.etwfe.cohort import cohort_att, impute_by_cohort, sum_by_cohort
from svmodel.did.expected_linear import Predicted, impute_linear, lead_sums, linear_att, sum_linear
from svmodel.errors import shorten
from svmodel.result import Result
from svmodel.result.doubts import many_zeros, whole_reporting_areas
from svmodel.result.scales import PerCell, critical_value, estimates_frame, provenance
from svmodel.result.uncertainty import settle

if TYPE_CHECKING:
    from svmodel.did.etwfe import ExtendedTwoWayFixedEffects


def point(arrays: DesignArrays, family: str, effects: str) -> float:
    """Return the average effect alone; NaN where there is none."""
    return linear_att(arrays) if (family, effects) == ("linear", "area") else cohort_att(arrays, family)


def answer(design: Design, estimator: ExtendedTwoWayFixedEffects, *, few: int, inference: str, seed: int) -> Result:
    """Answer a design by the linear model, or by either model with cohort effects."""
    arrays, level, family = design.arrays, estimator.level, estimator.family
    if estimator.effects == "area":
        found = impute_linear(arrays, few)
        sums, leads = sum_linear(found), [] if estimator.only_average else one_table(lead_sums(found))
    else:
        found = impute_by_cohort(arrays, family, few)
        sums, leads = sum_by_cohort(found, family), []
    counts = design.is_count
    rows = rows_of_all(sums, arrays.periods, level=level, counts=counts, only_average=estimator.only_average)
    rows += lead_rows(leads, level, counts=counts)
    estimates = estimates_frame(rows)
    notes = _say(design, arrays, found, estimator)
    if family == "linear":
        notes += many_zeros(design, arrays, estimates)
    result = Result(
        estimates=estimates,
        design=design,
        estimator=estimator,
        counterfactual=expected_table(found, sums, level),
        joint=None if estimator.only_average else joint_events([*leads, sums], shrink=few > 0),
        diagnostics={
            "observed": float(sums.observed.sum()),
            "expected": float(sums.expected.sum()),
            "treated_areas": int(found.target.any(axis=1).sum()),
            "treated_cells": int(arrays.treated.sum()),
            "treated_cells_used": int(found.target.sum()),
            "untreated_cells": int(arrays.untreated.sum()),
            "clusters": found.n_clusters,
            "crv1_factor": found.factor,
        },
        notes=tuple(notes),
        provenance=provenance(design, seed),
        seed=seed,
    )
    return settle(result, estimator, arrays, inference, level=level)


def lead_rows(leads: list[CellSums], level: float, *, counts: bool) -> list[dict[str, object]]:
    """Return the rows before the start, of all cohorts' cells as :func:`one_table` has them."""
    rows: list[dict[str, object]] = []
    for whole in leads:
        for h in np.unique(whole.horizon).tolist():
            weights = (whole.horizon == h).astype(float)
            people = None if whole.exposure is None else float(whole.exposure @ weights)
            per = PerCell(float(whole.n @ weights), people, events=False)
            rows += whole.rows("event", weights, per, level=level, counts=counts, horizon=h)
    return rows


def one_table(parts: list[CellSums]) -> list[CellSums]:
    """Return the cells of several cohorts as one, so that a horizon is a sum over cohorts; nothing for nothing."""
    return [parts[0].joined(parts[1:])] if parts else []


def expected_table(found: Predicted, sums: CellSums, level: float) -> pd.DataFrame:
    """Return observed and expected outcomes of the treated cells; ``all treated`` sums them by period, with limits."""
    arrays = found.arrays
    names = np.array(list(arrays.periods), dtype=object)
    i, t = np.nonzero(found.target)
    times = np.unique(sums.time)
    member = (sums.time[:, None] == times[None, :]).astype(float)
    of_expected = sums.of_expected @ member
    half = critical_value(level) * np.sqrt(found.factor * (of_expected**2).sum(axis=0))
    expected = sums.expected @ member
    blank = np.full(len(i), np.nan)
    area = np.array(arrays.areas, dtype=object)
    return pd.DataFrame(
        {
            "area": pd.Series([*area[i], *["all treated"] * len(times)], dtype=object),
            "period": pd.Series([*names[t], *names[times]], dtype=object),
            "observed": np.concatenate([arrays.y[i, t], sums.observed @ member]),
            "expected": np.concatenate([found.expected[i, t], expected]),
            "low": np.concatenate([blank, expected - half]),
            "high": np.concatenate([blank, expected + half]),
        }
    )


def _say(design: Design, arrays: DesignArrays, found: Predicted, estimator: ExtendedTwoWayFixedEffects) -> list[str]:
    """Return the notes of a result."""
    word = period_words.describe_frequency(arrays.periods)
    notes = []
    if estimator.family == "linear" and design.is_count:
        notes.append(
            f"Without the intervention, the number of {design.outcome} per area and {word} is assumed to have changed "
            "alike in treated and untreated areas: in numbers, not in per cent. Where areas differ much in size or "
            "level, compare with the Poisson family."
        )
    below = found.target & (found.expected < 0)
    if estimator.family == "linear" and design.is_count and below.any():
        notes.append(f"{int(below.sum()):,} treated area-{word}s have an expected count below zero.")
    if estimator.effects == "cohort":
        notes.append(
            "Cohort effects in place of area effects: areas of a cohort share one level, so an area without a known "
            f"{word} before its start is held against its cohort's. No effects before the start are estimated."
        )
    lost = arrays.treated & ~found.target
    if lost.any():
        which = shorten([design.panel.label(arrays.areas[i]) for i in np.flatnonzero(lost.any(axis=1))])
        notes.append(
            f"{int(lost.sum()):,} treated area-{word}s have no expected outcome and are left out "
            f"({which.replace(chr(39), '')}): no untreated area is left in that {word}, or none of the area's own "
            "outcomes before the start is known."
        )
    if estimator.effects == "area":
        notes.append("Before the start, effects are relative to the average before the start.")
    return [*notes, *ended(design, arrays), *whole_reporting_areas(design)]
