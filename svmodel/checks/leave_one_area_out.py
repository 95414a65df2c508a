"""Leave one area out: whether the finding hangs on a single treated area."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.effects import as_row, is_significant, needed_effect, null_value, refitted
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of, treated_indices
from svmodel.design import Design
from svmodel.inference.statistic import Statistic
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult, Status
from svmodel.result.rule import FEW_TREATED
from svmodel.words import listed

_NAME = "leave_one_area_out"
#: With more treated areas than this, those with the most events since their start are left out in turn.
MOST_REFITS = 30
#: How much wider an interval may become without one of eight areas or more, with room to spare.
_ROOM = 1.5


@check("Does one area carry the result?", needs=("data",))
def leave_one_area_out(result: Result, *, seed: int = 0) -> CheckResult:
    """Fit again without each treated area in turn, and see whether sign or significance hangs on one of them.

    With more than 30 treated areas, the 30 with the largest sum of the outcome in their treated periods are
    taken (ties by area code), since an area of few events moves an average little; the text says so.

    With eight treated areas or more and an estimator that gives its average effect alone (``point``), a significant
    effect is fitted whole only without those areas whose removal brings it near losing its significance: where it would
    with a standard error half as large again. Leaving one of n areas out makes a cluster-robust error at most about
    n / (n - 1) times as large, so that no refit is missed that could decide.

    Parameters
    ----------
    result : Result
    seed : int
        Not used; refits take the seed of `result`.

    Returns
    -------
    CheckResult
        ``failed`` where a significant effect loses its sign or its significance without one area;
        ``informative`` where an effect that was not significant changes sign, becomes significant, or a refit was
        refused; ``passed`` otherwise. The table has the average effect without each area:
        ``area, name, scale, estimate, conf_low, conf_high, p_value, problem``; limits and p-value are missing where
        the estimate alone decides.
    """
    result = quick(result)
    whole = needed_effect(result)
    design = design_of(result)
    treated = treated_indices(design)
    if len(treated) < 2:
        raise CannotBeMadeError("only one area is treated, and without it nothing is left")
    areas = _largest(design, treated)
    rows = []
    effects: dict[str, Effect] = {}
    clear = _clear(result, whole, areas) if len(treated) >= FEW_TREATED else {}
    for area in areas:
        effect, problem = (clear[area], None) if area in clear else _without(result, design, area, whole.scale)
        effects |= {area: effect} if effect is not None else {}
        row = {"area": area, "name": design.panel.label(area), "scale": whole.scale, "problem": problem}
        rows.append({**row, **as_row(effect)})
    columns = ["area", "name", "scale", "estimate", "conf_low", "conf_high", "p_value", "problem"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    if not effects:
        text = "This check could not be made: the method answers no refit without one area; the table says why."
        return CheckResult(_NAME, "not_applicable", text, table)
    status, words = _judge(whole, effects, design)
    refused = len(areas) - len(effects)
    if refused:
        status = "informative" if status == "passed" else status
        words += f" The method did not answer {refused} of the {len(areas)} refits; the table says why."
    if len(areas) < len(treated):
        words += f" Of {len(treated)} treated areas, the {len(areas)} with most events were left out in turn."
    return CheckResult(_NAME, status, words, table)


def _largest(design: Design, treated: np.ndarray) -> list[str]:
    arrays = design.arrays
    events = np.where(arrays.treated, arrays.y, 0.0)[treated].sum(axis=1)
    order = sorted(range(len(treated)), key=lambda k: (-events[k], arrays.areas[treated[k]]))
    return sorted(arrays.areas[treated[k]] for k in order[:MOST_REFITS])


def _clear(result: Result, whole: Effect, areas: list[str]) -> dict[str, Effect]:
    """Return the effects without single areas that are significant beyond doubt, without limits of their own."""
    statistic = Statistic(result)
    log = whole.scale == "rate_ratio"
    if not (
        is_significant(whole) and statistic.is_fast and statistic.scale == ("log_rate_ratio" if log else whole.scale)
    ):
        return {}
    ends = np.array([whole.conf_low, whole.conf_high])
    if log:
        with np.errstate(divide="ignore"):
            ends = np.log(ends)
    half = float(np.diff(ends)[0]) / 2
    centre = statistic.read(result)
    arrays = statistic.arrays
    everyone = np.arange(len(arrays.areas))
    found = {}
    for area in areas:
        left = everyone[np.array([a != area for a in arrays.areas])]
        estimate = statistic.among(arrays.take(left), lambda: result.design)  # type: ignore[arg-type,return-value]
        if np.isfinite(estimate) and estimate * centre > 0 and abs(estimate) > _ROOM * half:
            shown = float(np.exp(estimate)) if log else estimate
            nan = float("nan")
            found[area] = replace(whole, estimate=shown, std_error=nan, conf_low=nan, conf_high=nan, p_value=nan)
    return found


def _without(result: Result, design: Design, area: str, scale: str) -> tuple[Effect | None, str | None]:
    """Return the average effect without `area`, or why there is none."""
    old = design.intervention
    fewer = replace(
        old,
        starts={a: p for a, p in old.starts.items() if a != area},
        ends={a: p for a, p in (old.ends or {}).items() if a != area},
        cost=None,
    )
    panel = design.panel.select(areas=[a for a in design.panel.areas if a != area])
    return refitted(result, scale, design=replace(design, panel=panel, intervention=fewer))


def _judge(whole: Effect, effects: dict[str, Effect], design: Design) -> tuple[Status, str]:
    none = null_value(whole.scale)
    signs = [a for a, e in effects.items() if (e.estimate - none) * (whole.estimate - none) < 0]
    significant = is_significant(whole)
    # those without limits are significant beyond doubt
    turned = [a for a, e in effects.items() if not np.isnan(e.conf_low) and is_significant(e) != significant]
    values = {a: e.estimate for a, e in effects.items()}
    low, high = min(values, key=lambda a: (values[a], a)), max(values, key=lambda a: (values[a], a))
    name = design.panel.label
    spread = (
        f"Leaving out one treated area at a time, the effect runs from {change(values[low], whole.scale)} (without "
        f"{name(low)}) to {change(values[high], whole.scale)} (without {name(high)}); with all it is "
        f"{change_of(whole)}."
    )
    if significant and (signs or turned):
        which = listed(map(name, signs or turned), limit=3)
        lost = "change sign" if signs else "lose its significance"
        return "failed", f"{spread} Without {which} it would {lost}: the finding hangs on a single area."
    if turned:
        which = listed(map(name, turned), limit=3)
        return "informative", f"{spread} It is not significant with all areas, but would be without {which}."
    if signs:
        return "informative", f"{spread} It is not significant, and even its direction hangs on a single area."
    kept = "its sign and its significance" if significant else "its sign, and is not significant either way"
    return "passed", f"{spread} No single area decides: it keeps {kept}."
