"""The answer of extended two-way fixed effects in the Poisson family with area effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from svmodel.did._etwfe_areas import ALL_TREATED, area_rows, counterfactual, own_sums
from svmodel.did._etwfe_fit import impute
from svmodel.did._etwfe_notes import no_noise, resting_on, say, wide_noise
from svmodel.did._etwfe_terms import average_alone, average_rows, cell_rows, event_rows, overall_rows
from svmodel.did._lone import without_intervals
from svmodel.did._settle import with_doubts
from svmodel.estimates import estimates_frame, provenance
from svmodel.inference import choose
from svmodel.result import Result

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from svmodel.design import Design
    from svmodel.did._etwfe_areas import OwnSums
    from svmodel.did._etwfe_fit import Imputed
    from svmodel.did._etwfe_rows import Aggregates
    from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
    from svmodel.inference import Choice

__all__ = ["answer_poisson"]


def answer_poisson(design: Design, estimator: ExtendedTwoWayFixedEffects, *, seed: int) -> Result:
    """Impute the treated cells and return every term, or the average effect alone."""
    arrays, counts, level = design.arrays, design.is_count, estimator.level
    choice = choose(arrays, estimator.inference)
    below = {"auto": estimator.few_treated, "cluster": 0, "placebo": len(arrays.areas)}[estimator.inference]
    imputed = impute(arrays, estimator.few_treated, below)
    own = own_sums(imputed, counts=counts)
    joint, expected, has_leads = None, None, True
    if estimator.only_average:
        rows, att = average_alone(imputed, level, counts=counts)
        made = [att]
    else:
        rows, first = overall_rows(imputed, level, counts=counts)
        cells, second = cell_rows(imputed, level, counts=counts)
        events, joint, third, has_leads = event_rows(imputed, level, counts=counts)
        averages, fourth = average_rows(imputed, level, counts=counts)
        groups = _groups(design, own)
        rows = [*rows, *averages, *events, *cells, *area_rows(imputed, own, groups, level)]
        expected = counterfactual(imputed, own, {**groups, ALL_TREATED: np.arange(len(own.areas))}, level)
        made, att = [*first, *second, *third, *fourth], first[0]
    estimates = estimates_frame(r for r in rows if counts or r["scale"] != "events")
    kind = "none" if choice.n_controls <= 1 else ("placebo" if att.uses_noise(0) else "cluster")
    why = resting_on(kind, choice)
    if kind == "placebo" and (lacking := no_noise(estimates)):
        kind, why = "none", [choice.why] if choice.kind == "none" else [f"{text} {lacking}" for text in why]
    if kind == "none":
        estimates = without_intervals(estimates)
        expected = None if expected is None else without_intervals(expected)
    doubt = wide_noise(att)
    diagnostics = _diagnostics(imputed, att, own, kind, choice, in_doubt=kind == "none" or bool(doubt) or choice.warn)
    result = Result(
        estimates=estimates,
        design=design,
        estimator=estimator,
        counterfactual=expected,
        joint=joint,
        diagnostics={**diagnostics, **({"inference_why": why[0]} if why else {})},
        notes=(*say(design, imputed, made, own, has_leads=has_leads), *why, *doubt),
        provenance=provenance(design, seed),
        seed=seed,
    )
    return with_doubts(result, estimator.scale)


def _groups(design: Design, own: OwnSums) -> dict[str, NDArray[np.int64]]:
    """Return the places in `own` of each treated area and of the treated areas of each reporting area."""
    areas = design.arrays.areas
    singles = {areas[i]: np.array([k]) for k, i in enumerate(own.areas)}
    parents: dict[str, list[int]] = {}
    for k, i in enumerate(own.areas):
        parent = design.panel.parents.get(areas[i])
        if parent is not None and parent not in singles:
            parents.setdefault(parent, []).append(k)
    return {**singles, **{p: np.array(m) for p, m in sorted(parents.items())}}


def _diagnostics(
    imputed: Imputed, att: Aggregates, own: OwnSums, kind: str, choice: Choice, *, in_doubt: bool
) -> dict[str, Any]:
    return {
        "observed": float(att.sums.observed[0]),
        "expected": float(att.sums.expected[0]),
        "treated_areas": len(own.areas),
        "control_areas": choice.n_controls,
        "treated_cells": int(imputed.arrays.treated.sum()),
        "treated_cells_used": int(imputed.target.sum()),
        "untreated_cells": int(imputed.fit.terms.use.sum()),
        "clusters": imputed.n_clusters,
        "crv1_factor": imputed.factor,
        "inference": kind,
        "inference_in_doubt": in_doubt,
    }
