"""Honest bounds: how far trends may part after the start before the finding is gone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.event_path import EventPath, event_path, grouped
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.numerics.honest import EventStudy
from svmodel.result import Result
from svmodel.result.check import CheckResult, Status

_NAME = "honest_bounds"
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0)
#: Changes of drift, in log points per group and group, or as a share of the estimate on the additive scale.
_BENDS = (0.0, 0.01, 0.02, 0.05, 0.1)


@check("Does it hold if trends parted after the start?", needs=("event_path",), figure="bounds")
def honest_bounds(result: Result, *, seed: int = 0) -> CheckResult:
    """Bound the overall effect if trends parted after the start as far as they did before, or bent a little.

    Two families of departures from parallel trends (Rambachan and Roth 2023). *Relative magnitudes*: from one year (or
    whatever the horizons are grouped into) to the next, treated and control areas part by at most Mbar times the
    largest such change before the start. *Smoothness*: they may drift apart along a straight line, and its slope
    changes by at most M from one year to the next.

    Parameters
    ----------
    result : Result
        With event terms and their covariance in ``result.joint``.
    seed : int
        Not used; nothing is drawn. The critical values are integrals.

    Returns
    -------
    CheckResult
        ``passed`` where an effect that parallel trends make significant stays so with departures as large as the
        largest one before the start (Mbar = 1), else ``informative``. Never ``failed``: an interval that holds no
        effect says that these data cannot tell, not that trends did part, and in small noisy panels it nearly always
        does.

        The table has one row for each bound: ``restriction`` (``relative_magnitudes`` or ``smoothness``), ``bound``
        (Mbar, or M), ``estimate``, ``set_low, set_high`` (what the estimates allow if they had no error),
        ``conf_low, conf_high`` (95% intervals), ``excludes_no_effect``, and ``breakdown`` (the largest bound up to
        which no effect is excluded; missing where even 0 does not, infinite where ten does). Estimates and limits are
        rate ratios, or in the outcome's units; ``scale`` says which. M is in log points, or in the outcome's units.

    Notes
    -----
    The estimate is measured from the last year before the start (see :func:`~svmodel.checks.event_path.grouped`), as
    the bounds require, and so is not quite the result's own average effect. Intervals use Student's t through a wider
    covariance, which is rough. With staggered starts the mix of areas changes over horizons, and a departure may be a
    change of mix. Smoothness is left out where the estimates before the start are too many for the areas, because the
    shortest interval would then follow the noise of the covariance.

    References
    ----------
    Rambachan and Roth (2023), *Review of Economic Studies* 90(5). Andrews, Roth and Pakes (2023), same journal 90(6).
    Armstrong and Kolesar (2018), *Econometrica* 86(2).
    """
    path = event_path(result)
    if path.df < 3:
        raise CannotBeMadeError("too few areas are treated, or serve as controls, to tell a trend from chance")
    study, length = grouped(path)
    if not (study.std_error > 0 and _has_variance(study)):
        raise CannotBeMadeError("the estimates by time have no covariance")
    rows = _magnitudes(study)
    smooth = study.pre - 1 <= path.df / 3 and path.df - study.pre >= 3
    if smooth:
        rows += _smoothness(_allowing_for_weights(study, path.df), path.scale)
    table = _table(rows, path.scale)
    relative = table[table["restriction"] == "relative_magnitudes"].set_index("bound")
    breakdown = float(relative["breakdown"].iloc[0])
    status: Status = "passed" if breakdown >= 1 else "informative"
    return CheckResult(_NAME, status, _text(path, length, table, smooth=smooth), table)


def _has_variance(study: EventStudy) -> bool:
    from svmodel.numerics.honest import steps

    made = steps(study)
    return bool((np.einsum("ti,ij,tj->t", made.after, study.covariance, made.after) > 0).all())


def _allowing_for_weights(study: EventStudy, df: float) -> EventStudy:
    """Widen the covariance for the q weights that the shortest interval takes from it.

    They adjust the estimate for q bends before the start as a regression on q covariates of mean zero would: the
    residual variance has df - q degrees of freedom, and the error of the coefficients adds q / (df - q - 1) on average.
    """
    from scipy import special

    q = study.pre - 1
    left = df - q
    ratio = (float(special.stdtrit(left, 0.975)) / float(special.stdtrit(df, 0.975))) ** 2
    return replace(study, covariance=study.covariance * ratio * (df / left) * (1 + q / (left - 1)))


def _magnitudes(study: EventStudy) -> list[dict[str, object]]:
    from svmodel.numerics.honest.magnitudes import magnitudes_breakdown, magnitudes_interval, magnitudes_set

    breakdown = magnitudes_breakdown(study)
    rows: list[dict[str, object]] = []
    for bound in _MAGNITUDES:
        found = magnitudes_interval(study, bound)
        rows.append(_row("relative_magnitudes", bound, magnitudes_set(study, bound), found[:2], breakdown))
    return rows


def _smoothness(study: EventStudy, scale: str) -> list[dict[str, object]]:
    from svmodel.numerics.honest.smoothness import smoothness_breakdown, smoothness_interval, smoothness_set

    breakdown = smoothness_breakdown(study)
    unit = 1.0 if scale == "log_rate_ratio" else abs(study.theta)
    rows: list[dict[str, object]] = []
    for share in _BENDS:
        bound = share * unit
        found = smoothness_interval(study, bound)
        rows.append(_row("smoothness", bound, smoothness_set(study, bound), (found.low, found.high), breakdown))
    return rows


def _row(
    restriction: str, bound: float, inner: tuple[float, float], outer: tuple[float, ...], breakdown: float
) -> dict[str, object]:
    low, high = outer
    return {
        "restriction": restriction,
        "bound": bound,
        "estimate": sum(inner) / 2,
        "set_low": inner[0],
        "set_high": inner[1],
        "conf_low": low,
        "conf_high": high,
        "excludes_no_effect": bool(low > 0 or high < 0),
        "breakdown": breakdown,
    }


def _table(rows: list[dict[str, object]], scale: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    if scale == "log_rate_ratio":
        columns = ["estimate", "set_low", "set_high", "conf_low", "conf_high"]
        with np.errstate(over="ignore"):
            table[columns] = np.exp(table[columns].to_numpy(dtype=float))
    table.insert(2, "scale", "rate_ratio" if scale == "log_rate_ratio" else "difference")
    return table


def _text(path: EventPath, length: int, table: pd.DataFrame, *, smooth: bool) -> str:
    scale = str(table["scale"].iloc[0])
    unit = "" if scale == "rate_ratio" else " in the outcome's units"
    step, span = _step(path, length), path.unit if length == 1 else "such span"
    relative = table[table["restriction"] == "relative_magnitudes"].set_index("bound")

    def between(row: pd.Series) -> str:
        return f"{change(row['conf_low'], scale)} to {change(row['conf_high'], scale)}{unit}"

    none, one = relative.loc[0.0], relative.loc[1.0]
    breakdown = float(none["breakdown"])
    head = (
        f"Measured from the last {step} before the start, the overall effect is "
        f"{change(none['estimate'], scale)}{unit} ({between(none)}) if trends stayed parallel after it"
    )
    parts = [head]
    if math.isnan(breakdown):
        parts.append(
            ". That is no effect within its uncertainty, so there is no finding that a departure could overturn"
        )
    elif math.isinf(breakdown):
        parts.append(
            f". It would still differ from none if trends parted, from one {span} to the next, ten times as far as "
            "they ever did before the start"
        )
    else:
        parts.append(
            f". It differs from none as long as trends part, from one {span} to the next, by no more than "
            f"{breakdown:.2f} times the largest such change before the start"
        )
    parts.append(f"; with departures as large as that one it would be {between(one)}.")
    if smooth:
        drift = table[table["restriction"] == "smoothness"].set_index("bound").loc[0.0]
        parts.append(f" If a steady drift before the start simply went on, it would be {between(drift)}.")
    else:
        parts.append(" Too few areas for bounds on how far a drift may bend.")
    return "".join(parts) + " (Rambachan and Roth 2023)"


def _step(path: EventPath, length: int) -> str:
    if length == 1:
        return path.unit
    if path.per_year and length == path.per_year:
        return "12 months" if path.per_year == 12 else "four quarters"
    return f"{length} {path.unit}s"
