"""Placebo in space: whether the method finds as large an effect where nothing was done."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.effects import average_effect, is_significant
from svmodel.checks.posterior import quick
from svmodel.checks.words import CannotBeMadeError, change, why_refused
from svmodel.errors import DataError, UserError
from svmodel.inference.assignments import Sets
from svmodel.inference.placebos import MOST, InSpacePlacebos, Placebos
from svmodel.inference.statistic import Statistic
from svmodel.result import Result
from svmodel.result.check import CheckResult, Status
from svmodel.result.rule import never_treated
from svmodel.words import p_value

_NAME = "placebo_in_space"
#: Cells that drawn placebos together are estimated from, unless `draws` says otherwise: some seconds.
_CELLS = 20_000_000
#: Cells that an enumeration may take: a minute or two.
_MOST_CELLS = 100_000_000
_FEWEST_DRAWS, _MOST_DRAWS = 99, 999
#: Placebos that are drawn for a posterior where there are more, and their cells at the most: half a minute.
_POSTERIORS, _MOST_POSTERIOR_CELLS = 99, 600_000
#: Whole fits that are made for an estimator that does not give its average effect alone.
_MOST_FITS = 200
#: Areas of a set that the table names.
_MOST_NAMED = 5


@check("Do areas where nothing was done show an effect?", needs=("data",), figure="placebos")
def placebo_in_space(result: Result, *, seed: int = 0, draws: int | None = None) -> CheckResult:
    """Give the treated areas' dates to never treated areas, and rank the real effect among what is found there.

    See :class:`svmodel.inference.InSpacePlacebos`. Every set of placebo areas is tried where there are no more than
    50,000; else `draws` of them.

    Parameters
    ----------
    result : Result
    seed : int
        Of the draws.
    draws : int, optional
        By default 999, and fewer (99 at least) for panels of more than 20,000 untreated area-periods; 99 for a Bayesian
        result, whose placebos are posterior medians by nested Laplace.

    Returns
    -------
    CheckResult
        ``failed`` where the result calls its effect significant and 5% or more of placebo effects are as large;
        ``passed`` where effect and rank agree; ``informative`` where there are too few placebos to reach 5%, where the
        method gives no interval, or where the rank alone is significant. The table has the real effect first and then
        each placebo's: ``placebo, areas, scale, estimate`` (a log rate ratio, or in the outcome's units); sets of more
        than five areas are not named.

    Raises
    ------
    DataError
        If `draws` is no whole number of 1 or more.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), *JASA* 105, section 3.4. Phipson and Smyth (2010): p-values from drawn sets
    are never zero.
    """
    if draws is not None and (isinstance(draws, bool) or not isinstance(draws, int) or draws < 1):
        raise DataError(f"draws has to be a whole number of 1 or more, not {draws!r}")
    result = quick(result)
    try:
        statistic = Statistic(result)
        scale, arrays = statistic.scale, statistic.arrays
        cells, total = len(never_treated(arrays)) * len(arrays.periods), Sets(arrays).total
        wanted = draws or int(np.clip(_CELLS // (cells or 1), _FEWEST_DRAWS, _MOST_DRAWS))
        slow = result.is_posterior
        wanted = (draws or _POSTERIORS) if slow else wanted
        most = wanted if slow else MOST
        tried = total if total <= most else wanted
        asked = (draws or 0) if slow else wanted
        too_many = tried * cells > max(_MOST_POSTERIOR_CELLS if slow else _MOST_CELLS, asked * cells)
        if too_many or (not statistic.is_fast and tried > _MOST_FITS):
            why = (
                f"the {tried:,} placebos would take too long to be part of every report; "
                "svmodel.inference.InSpacePlacebos makes them where the time is there"
            )
            raise CannotBeMadeError(why)
        held = InSpacePlacebos(draws=wanted).placebos(result, seed=seed, most=most)
    except UserError as error:
        raise CannotBeMadeError(why_refused(error)) from error
    if not math.isfinite(held.effect):
        raise CannotBeMadeError("the effect itself is not finite")
    status, words = _judge(result, held, scale)
    return CheckResult(_NAME, status, words, _table(held, scale))


def _judge(result: Result, held: Placebos, scale: str) -> tuple[Status, str]:
    p, n, size = held.p_value, len(held.placebos), len(held.areas[0])
    real = average_effect(result)
    what = "never treated areas" if size == 1 else f"sets of {size} never treated areas"
    tried = f"all {held.total:,} {what}" if held.enumerated else f"{n:,} {_of_all(held.total)}{what}"
    middle = np.quantile(held.placebos, [0.025, 0.975])
    low, high = (change(float(v), scale) for v in middle)
    head = (
        f"Given the treated areas' dates, {tried} show effects of {low} to {high} (95% of them), where there ought to "
        f"be none; the real one is {change(held.effect, scale)} ({p_value(p)} by rank)."
    )
    if held.unidentified:
        head += f" {held.unidentified:,} more left the effect unidentified."
    if n < 19:
        return "informative", f"{head} With {n} placebos no p-value can be below {1 / (n + 1):.2f}."
    if real is None:
        return "informative", f"{head} The method gives no interval to set beside this."
    if is_significant(real) and p >= 0.05:
        text = (
            "The method calls its effect significant, yet finds as large ones where nothing was done: its interval is "
            "too narrow for how areas stray, or the treated areas are unlike the others."
        )
        return "failed", f"{head} {text}"
    if is_significant(real):
        return "passed", f"{head} So large an effect is rare where nothing was done."
    if p < 0.05:
        return "informative", f"{head} By rank the effect is significant, though its own interval holds no effect."
    return "passed", f"{head} Neither the interval nor the rank calls the effect significant."


def _of_all(total: int) -> str:
    return f"of {total:,} " if total < 1_000_000 else "of all the many "


def _table(held: Placebos, scale: str) -> pd.DataFrame:
    named = len(held.areas[0]) <= _MOST_NAMED
    rows = [{"placebo": False, "areas": None, "scale": scale, "estimate": held.effect}]
    rows += [
        {"placebo": True, "areas": ", ".join(areas) if named else None, "scale": scale, "estimate": float(value)}
        for areas, value in zip(held.areas, held.placebos, strict=True)
    ]
    return pd.DataFrame(rows)
