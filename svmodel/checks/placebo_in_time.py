"""Placebo in time: whether the method finds an effect at a time when nothing was done."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from svmodel import periods
from svmodel.checks.declared import check
from svmodel.checks.effects import as_row, average_effect, is_significant, needed_effect
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change_of, design_of, span, treated_indices, why_refused
from svmodel.design import Design
from svmodel.errors import UserError
from svmodel.result import Result
from svmodel.result.check import CheckResult

_NAME = "placebo_in_time"
#: Untreated periods before the first start below which half of them tell nothing.
_SHORTEST = 4


@check("Does a made-up earlier start show an effect?", needs=("data",))
def placebo_in_time(result: Result, *, seed: int = 0) -> CheckResult:
    """Move every start back into the time before it, fit again, and expect no effect.

    All starts move by one number of periods, half the shortest time before a start. Area-periods that were
    really treated, or in which an effect was declared to be anticipated, take no part.

    Parameters
    ----------
    result : Result
    seed : int
        Not used; the refit takes the seed of `result`.

    Returns
    -------
    CheckResult
        ``failed`` where the 95% interval (or that of the estimator's own level) of the placebo effect leaves
        out no effect. The table holds the placebo effect and the real one.
    """
    result = quick(result)
    design, real = design_of(result), needed_effect(result)
    moved, shift = placebo_design(design)
    try:
        found = average_effect(result.refit(design=moved))
    except UserError as error:
        raise CannotBeMadeError(f"the method cannot answer the placebo design ({why_refused(error)})") from error
    if found is None:
        raise CannotBeMadeError("the method gives no average effect with an interval for the placebo design")
    table = pd.DataFrame([{"start": name, **as_row(effect)} for name, effect in (("placebo", found), ("real", real))])
    head = (
        f"With every start moved back by {span(design, shift)}, to a time when nothing had been done, the "
        f"method gives {change_of(found)}"
    )
    if is_significant(found):
        text = (
            f"{head}. It should give none. Treated and control areas were drifting apart, or treated areas were "
            f"chosen for a passing high or low; the estimate of {change_of(real)} may hold some of that."
        )
        return CheckResult(_NAME, "failed", text, table)
    text = (
        f"{head}, which is no effect within its uncertainty, as it should be. The real start gives {change_of(real)}."
    )
    return CheckResult(_NAME, "passed", text, table)


def placebo_design(design: Design, shift: int | None = None, *, until: int = 0) -> tuple[Design, int]:
    """Return the design with starts moved back and by how many periods, or refuse.

    `shift` is half the shortest time before a start unless given; `until` are periods before the real start that take
    no part, apart from the design's anticipation.
    """
    arrays = design.arrays
    treated = treated_indices(design)
    away = design.anticipation + until
    clean = arrays.start[treated] - away
    shortest = int(clean.min())
    if shift is None:
        if shortest < _SHORTEST:
            lie = f"only {span(design, shortest)} lie before the first start"
            raise CannotBeMadeError(f"{lie}, and {_SHORTEST} are needed")
        shift = shortest // 2
    first, last = arrays.periods[0], arrays.periods[int(clean.max()) - 1]
    starts = {arrays.areas[i]: arrays.periods[int(arrays.start[i])] - until - shift for i in treated}
    ends = {arrays.areas[i]: arrays.periods[int(arrays.start[i]) - away - 1] for i in treated}
    later = {a: p for a, p in design.intervention.starts.items() if a not in starts and a in arrays.areas and p > last}
    if all(p < starts[a] for a, p in ends.items()):
        raise CannotBeMadeError("the declared anticipation covers the time to which the starts would be moved")
    ends = {a: p for a, p in ends.items() if p >= starts[a]}
    starts = {a: p for a, p in starts.items() if a in ends}
    name = f"{design.intervention.name}, placebo {shift} {periods.describe_frequency(arrays.periods)}s earlier"
    placebo = replace(design.intervention, name=name, starts={**later, **starts}, ends=ends, cost=None)
    return replace(design, intervention=placebo, window=(first, last)), shift
