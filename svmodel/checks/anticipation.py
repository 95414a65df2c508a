"""Anticipation: whether the effect begins before the start."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.effects import as_row, average_effect, evidence, is_significant, needed_effect, null_value, refitted
from svmodel.checks.placebo_in_time import placebo_design
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change, change_of, design_of, span, treated_indices, why_refused
from svmodel.design import Design
from svmodel.errors import DataError, UserError
from svmodel.periods import per_year
from svmodel.result import Effect, Result
from svmodel.result.check import CheckResult

_NAME = "anticipation"
#: Periods that are looked at before a start, by periods in a year.
_LOOKED_AT = {12: 3, 4: 1, 52: 13, 365: 91}


@check("Did anything move before the start?", needs=("data",))
def anticipation(result: Result, *, seed: int = 0, n_periods: int | None = None) -> CheckResult:
    """Estimate an effect on the last periods before the start, and the effect itself without these periods.

    The starts are moved back by `n_periods`, and everything from the real start on takes no part: what the method then
    finds is the average of the event horizons just before the start, relative to the time before them. And the real
    effect is estimated again with 1, 2, ... `n_periods` more periods of anticipation, which then serve neither as
    treated nor as control. Periods of anticipation that the design declares stay out of the test.

    Parameters
    ----------
    result : Result
    seed : int
        Not used; refits take the seed of `result`.
    n_periods : int, optional
        Three months, one quarter or one year where None.

    Returns
    -------
    CheckResult
        ``failed`` where the interval of the effect before the start leaves out no effect. The table has ``quantity,
        anticipation, scale, estimate, conf_low, conf_high, p_value, problem``: a row ``before_the_start`` and a row
        ``effect`` for each number of periods of anticipation.

    Raises
    ------
    DataError
        If `n_periods` is no whole number of 1 or more.

    References
    ----------
    Malani and Reif (2015), *Journal of Public Economics* 124: what anticipation does to estimates. Callaway and
    Sant'Anna (2021), *Journal of Econometrics* 225(2), assumption 3: limited anticipation.
    """
    if n_periods is not None and (isinstance(n_periods, bool) or not isinstance(n_periods, int) or n_periods < 1):
        raise DataError(f"n_periods has to be a whole number of 1 or more, not {n_periods!r}")
    result = quick(result)
    design = design_of(result)
    real = needed_effect(result)
    arrays = design.arrays
    k = n_periods or _LOOKED_AT.get(per_year(arrays.periods), 1)
    before = int(arrays.start[treated_indices(design)].min()) - design.anticipation
    if before < k + 2:
        why = f"only {span(design, before)} lie before the first start, and {k + 2} are needed to look at the last {k}"
        raise CannotBeMadeError(why)
    earlier, _ = placebo_design(replace(design, anticipation=0), k, until=design.anticipation)
    try:
        early = average_effect(result.refit(design=earlier))
    except UserError as error:
        raise CannotBeMadeError(
            f"the method cannot answer for the time before the start ({why_refused(error)})"
        ) from error
    if early is None:
        raise CannotBeMadeError("the method gives no effect with an interval for the time before the start")
    rows = [_row("before_the_start", design.anticipation, early)]
    effects = [(design.anticipation, real)]
    rows.append(_row("effect", design.anticipation, real))
    for more in range(1, k + 1):
        wider = design.anticipation + more
        moved = replace(design, anticipation=wider)
        effect, problem = refitted(result, none="no average effect with an interval", design=moved)
        rows.append(_row("effect", wider, effect, problem))
        effects += [(wider, effect)] if effect is not None else []
    columns = ["quantity", "anticipation", "scale", "estimate", "conf_low", "conf_high", "p_value", "problem"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    last = effects[-1]
    again = (
        f"Leaving out {span(design, last[0])} before each start, the effect is {change(last[1].estimate, real.scale)}"
    )
    again = f" {again}; as it stands it is {change_of(real)}." if last[0] > design.anticipation else ""
    head = (
        f"In the last {span(design, k)} before the start{_declared(design)}, the method finds {change_of(early)} "
        f"relative to the time before ({evidence(early)})"
    )
    if is_significant(early):
        alike = (early.estimate - null_value(early.scale)) * (real.estimate - null_value(real.scale)) > 0
        why = (
            "The effect may have begun early (the start was announced, or staff were there before), or areas were "
            "drifting apart."
            if alike
            else "Areas may have been chosen at a passing high or low: see regression to the mean."
        )
        text = f"{head}. There should be none. {why} These periods are part of what the effect is measured from.{again}"
        return CheckResult(_NAME, "failed", text, table)
    text = f"{head}, which is no effect within its uncertainty: no clear sign that it began before the start.{again}"
    return CheckResult(_NAME, "passed", text, table)


def _declared(design: Design) -> str:
    return f" (and before the {span(design, design.anticipation)} declared)" if design.anticipation else ""


def _row(quantity: str, periods: int, effect: Effect | None, problem: str | None = None) -> dict[str, object]:
    return {"quantity": quantity, "anticipation": periods, "problem": problem, **as_row(effect)}
