"""Honest bounds: how far trends may part after the start before the finding is gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.event_path import EventPath, Horizons, at_horizon, effect_asked, event_path, grouped, share_of
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.errors import DataError, Problems, shorten
from svmodel.numerics.arrays import Floats
from svmodel.numerics.honest import EventStudy
from svmodel.result import Result
from svmodel.result.check import CheckResult, Status

_NAME = "honest_bounds"
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0)
#: Changes of drift, in log points per group and group, or as a share of the estimate on the additive scale.
_BENDS = (0.0, 0.01, 0.02, 0.05, 0.1)


@check("Does it hold if trends parted after the start?", needs=("event_path",), figure="bounds")
def honest_bounds(
    result: Result,
    *,
    seed: int = 0,
    magnitudes: Sequence[float] = _MAGNITUDES,
    bends: Sequence[float] | None = None,
    horizon: Horizons | None = None,
    weights: Sequence[float] | None = None,
) -> CheckResult:
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
    magnitudes : sequence of float
        Mbar of the rows; 0 and 1, which the words rest on, are always there.
    bends : sequence of float, optional
        M of the rows, in log points or in the outcome's units, per group of horizons and group; 0 is always there.
        Where None up to .1 log points, or up to a tenth of the estimate.
    horizon : int, pair or sequence of int, optional
        Bound the effect that many periods after the start instead of the overall one: ``3``, all from the first to the
        last of a pair (``(0, 5)``), or those of a list (``[0, 3]``), averaged.
    weights : sequence of float, optional
        Of several horizons; where None they have their weights in the overall effect.

    Returns
    -------
    CheckResult
        ``passed`` where an effect that parallel trends make significant stays so with departures as large as the
        largest one before the start (Mbar = 1), else ``informative``. Never ``failed``: an interval that holds no
        effect says that these data cannot tell, not that trends did part, and in small noisy panels it nearly always
        does.

        The table has one row for each bound: ``restriction`` (``relative_magnitudes`` or ``smoothness``), ``bound``
        (Mbar, or M), ``estimate`` (the row's own: the middle of its set, or of its shortest interval),
        ``set_low, set_high`` (what the estimates allow if they had no error),
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
    _checked(magnitudes, bends)
    path = event_path(result)
    if horizon is not None:
        path = at_horizon(path, horizon, weights)
    if path.df < 3:
        raise CannotBeMadeError("too few areas are treated, or serve as controls, to tell a trend from chance")
    study, length = grouped(path)
    if not (study.std_error > 0 and _has_variance(study)):
        raise CannotBeMadeError("the estimates by time have no covariance")
    rows = _magnitudes(study, sorted({0.0, 1.0, *magnitudes}))
    smooth = study.pre - 1 <= path.df / 3 and path.df - study.pre >= 3
    if smooth:
        wider = _allowing_for_weights(study, path.df)
        unit = 1.0 if path.scale == "log_rate_ratio" else abs(study.theta)
        rows += _smoothness(wider, [b * unit for b in _BENDS] if bends is None else sorted({0.0, *bends}))
    table = _table(rows, path.scale)
    relative = table[table["restriction"] == "relative_magnitudes"].set_index("bound")
    breakdown = float(relative["breakdown"].iloc[0])
    status: Status = "passed" if breakdown >= 1 else "informative"
    return CheckResult(
        _NAME, status, _text(path, length, table, smooth=smooth, asked=effect_asked(path, horizon)), table
    )


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


def _checked(
    magnitudes: Sequence[float], bends: Sequence[float] | None, names: tuple[str, str] = ("magnitudes", "bends")
) -> None:
    """Refuse bounds that are negative or no numbers."""
    found = Problems()
    for where, values in zip(names, (magnitudes, () if bends is None else bends), strict=True):
        wrong = [v for v in values if isinstance(v, str) or not (math.isfinite(v) and v >= 0)]
        if wrong:
            found.add(
                f"{shorten(wrong)} cannot be a bound", where=where, fix="Give numbers of 0 or more.", rule="bound"
            )
    found.raise_if_any(DataError, "no bounds can be made")


def sensitivity_results(
    betahat: Sequence[float] | Floats,
    sigma: Sequence[Sequence[float]] | Floats,
    num_pre_periods: int,
    num_post_periods: int | None = None,
    *,
    mbar: Sequence[float] = _MAGNITUDES,
    m: Sequence[float] = (0.0,),
    horizon: Horizons = 0,
    weights: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Return the bounds of an event study that is given as estimates and their covariance, from any program.

    What ``createSensitivityResults`` and ``createSensitivityResults_relativeMagnitudes`` of R's HonestDiD return, in
    one table, with arguments of those names.

    Parameters
    ----------
    betahat : array, shape (K + T,)
        In order of time and relative to the last period before the start, which is left out: K before, T after.
    sigma : array, shape (K + T, K + T)
    num_pre_periods : int
        K.
    num_post_periods : int, optional
        T, held against what is given.
    mbar : sequence of float
        Bounds of the relative magnitudes (R's ``Mbarvec``): departures after the start of at most so many times the
        largest before it. Empty for none.
    m : sequence of float
        Bounds of smoothness in the units of the estimates (R's ``Mvec``). Empty for none.
    horizon : int, pair or sequence of int
        What is bounded, counted from the first estimate after the start, 0 (R's default): one, the average from the
        first to the last of a pair, or the average of a list.
    weights : sequence of float, optional
        Of several horizons (with all of them R's ``l_vec``); alike where None.

    Returns
    -------
    pandas.DataFrame
        As :func:`honest_bounds` has it, in the units of the estimates, with normal intervals. Relative magnitudes have
        the conditional least-favourable interval (``C-LF``), smoothness the shortest of fixed length (``FLCI``).

    Raises
    ------
    DataError
        If shapes do not fit, or a bound is negative.

    References
    ----------
    Rambachan and Roth (2023), *Review of Economic Studies* 90(5).

    Examples
    --------
    >>> table = sensitivity_results([-0.02, -0.3], [[0.01, 0], [0, 0.01]], 1, mbar=[0.0])
    >>> table[["restriction", "bound", "estimate"]].round(3).values.tolist()
    [['relative_magnitudes', 0.0, -0.3], ['smoothness', 0.0, -0.32]]
    """
    _checked(mbar, m, names=("mbar", "m"))
    beta, V = of_event_study(betahat, sigma)
    post = len(beta) - num_pre_periods
    if num_post_periods is not None and num_post_periods != post:
        raise DataError(
            f"{len(beta)} estimates are not {num_pre_periods} before the start and {num_post_periods} after"
        )
    try:
        study = EventStudy(beta, V, num_pre_periods)
        study = replace(study, weights=share_of(horizon, np.arange(post), weights, np.ones(post)))
    except ValueError as error:
        raise DataError(str(error)) from error
    rows = [
        *(_magnitudes(study, sorted(mbar)) if len(mbar) else []),
        *(_smoothness(study, sorted(m)) if len(m) else []),
    ]
    return pd.DataFrame(rows)


def of_event_study(betahat: object, sigma: object) -> tuple[Floats, Floats]:
    """Return estimates and their covariance as arrays.

    Raises
    ------
    DataError
        If they are no numbers, do not fit, or the second is no covariance.
    """
    try:
        beta, V = (np.asarray(v, dtype=np.float64) for v in (betahat, sigma))
    except (TypeError, ValueError):
        raise DataError("estimates and their covariance must be numbers") from None
    if beta.ndim != 1 or V.shape != (len(beta), len(beta)):
        shapes = " and ".join(" x ".join(map(str, v.shape)) or "one number" for v in (beta, V))
        raise DataError(f"K estimates need a K x K covariance; these are {shapes}")
    if not (np.isfinite(beta).all() and np.isfinite(V).all()):
        raise DataError("estimates and their covariance must be finite: leave the reference period out")
    if not np.allclose(V, V.T, rtol=1e-6, atol=1e-8 * max(float(np.abs(V).max(initial=0.0)), 1e-300)):
        raise DataError("a covariance is symmetric, and this is not")
    return beta, (V + V.T) / 2


def _magnitudes(study: EventStudy, bounds: Sequence[float]) -> list[dict[str, object]]:
    from svmodel.numerics.honest.magnitudes import magnitudes_breakdown, magnitudes_interval, magnitudes_set

    breakdown = magnitudes_breakdown(study)
    rows: list[dict[str, object]] = []
    for bound in bounds:
        found = magnitudes_interval(study, bound)
        inner = magnitudes_set(study, bound)
        rows.append(_row("relative_magnitudes", bound, sum(inner) / 2, inner, found[:2], breakdown))
    return rows


def _smoothness(study: EventStudy, bounds: Sequence[float]) -> list[dict[str, object]]:
    from svmodel.numerics.honest.smoothness import smoothness_breakdown, smoothness_interval, smoothness_set

    breakdown = smoothness_breakdown(study)
    rows: list[dict[str, object]] = []
    for bound in bounds:
        found = smoothness_interval(study, bound)
        inner = smoothness_set(study, bound)
        rows.append(_row("smoothness", bound, found.estimate, inner, (found.low, found.high), breakdown))
    return rows


def _row(
    restriction: str,
    bound: float,
    estimate: float,
    inner: tuple[float, float],
    outer: tuple[float, ...],
    breakdown: float,
) -> dict[str, object]:
    low, high = outer
    return {
        "restriction": restriction,
        "bound": bound,
        "estimate": estimate,
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


def _text(path: EventPath, length: int, table: pd.DataFrame, *, smooth: bool, asked: str) -> str:
    scale = str(table["scale"].iloc[0])
    unit = "" if scale == "rate_ratio" else " in the outcome's units"
    step, span = _step(path, length), path.unit if length == 1 else "such span"
    relative = table[table["restriction"] == "relative_magnitudes"].set_index("bound")

    def between(row: pd.Series) -> str:
        return f"{change(row['conf_low'], scale)} to {change(row['conf_high'], scale)}{unit}"

    none, one = relative.loc[0.0], relative.loc[1.0]
    breakdown = float(none["breakdown"])
    head = (
        f"Measured from the last {step} before the start, the {asked} is "
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
        return {12: "12 months", 4: "four quarters"}.get(length, f"{length} {path.unit}s")
    return f"{length} {path.unit}s"
