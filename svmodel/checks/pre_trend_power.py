"""What the test for pre-trends would have overlooked, and what that would do to the overall effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.event_path import EventPath, Horizons, at_horizon, effect_asked, event_path, share_of
from svmodel.checks.honest_bounds import of_event_study
from svmodel.checks.pre_trends import borne, in_groups, require_areas
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.errors import DataError
from svmodel.numerics.arrays import Floats
from svmodel.numerics.two_way.before_start import pool
from svmodel.result import Result
from svmodel.result.check import CheckResult

_NAME = "pre_trend_power"
_POWERS = (0.5, 0.8)
_SIZE = 0.05


@check("Which drift would that test have overlooked?", needs=("event_path",))
def pre_trend_power(
    result: Result, *, seed: int = 0, horizon: Horizons | None = None, weights: Sequence[float] | None = None
) -> CheckResult:
    """Find the steady drift that the joint test of pre-trends would detect half of the time, or four times in five.

    The test is that of :func:`~svmodel.checks.pre_trends.pre_trends`: leads in as many groups as the areas bear, and
    Hotelling's T-squared. A drift that it overlooks goes on after the start and is taken for an effect. Only estimates
    that passed are reported, and those are a selection: ``bias_if_passed`` and ``std_dev_if_passed`` say how the
    overall effect is distributed among them.

    Parameters
    ----------
    result : Result
        With event terms and their covariance in ``result.joint``.
    seed : int
        Not used; nothing is drawn.
    horizon : int, pair or sequence of int, optional
        Say what the drift would do to the effect that many periods after the start instead of to the overall one:
        ``3``, all from the first to the last of a pair (``(0, 5)``), or those of a list (``[0, 3]``), averaged.
    weights : sequence of float, optional
        Of several horizons; where None they have their weights in the overall effect.

    Returns
    -------
    CheckResult
        Always ``informative``. The table has a row for each power: ``power, slope`` (per period), ``bias`` (what the
        drift adds to the overall effect), ``bias_if_passed``, ``std_dev`` and ``std_dev_if_passed`` of the overall
        effect, as log rate ratio or in the outcome's units (``scale``). The drift's sign is that of the estimated
        effect, so that it would make the effect look larger than it is; the power does not depend on the sign.

    References
    ----------
    Roth (2022), *American Economic Review: Insights* 4(3), sections I and II. Pustejovsky and Tipton (2018),
    *Journal of Business and Economic Statistics* 36(4).
    """
    path = event_path(result)
    if horizon is not None:
        path = at_horizon(path, horizon, weights)
    leads = np.flatnonzero(path.horizon < path.reference)
    if path.test is None:
        P, _ = pool(path.horizon[leads], max(1, int(borne(path.df) // 3)))
    else:
        require_areas(path.test)
        P, _ = in_groups(path.horizon[leads], path.test.groups)
    pick = np.zeros((len(P), len(path.horizon)))
    pick[:, leads] = P
    V = pick @ path.covariance @ pick.T
    if path.test is not None and len(path.test.estimate) == len(P):
        V = path.test.covariance
    values = np.linalg.eigvalsh(V)
    if not values[0] > 1e-10 * values[-1] > 0:
        raise CannotBeMadeError("the estimates before the start have no covariance of full rank")
    # the test about zero of G areas is Hotelling's with G - 1 degrees of freedom
    df = path.df if path.test is None else path.test.areas - 1
    table = _table(path, pick, V, df)
    return CheckResult(_NAME, "informative", _text(path, table, effect_asked(path, horizon)), table)


def _table(path: EventPath, pick: Floats, V: Floats, df: float) -> pd.DataFrame:
    from scipy import special

    from svmodel.numerics.honest.pretest_power import joint_test_passing, joint_test_slope

    # a drift by one per period, relative to what the estimates are relative to
    drift = path.horizon - float(path.base @ path.horizon)
    expected, push = pick @ drift, float(path.weight @ drift)
    after = path.covariance @ path.weight
    lean = np.linalg.solve(V, pick @ after)
    variance = float(path.weight @ after)
    q, left = len(V), df - len(V) + 1
    critical = df * q / left * float(special.fdtri(q, left, 1 - _SIZE))
    effect = float(path.weight @ path.estimate)
    sign = -1.0 if effect < 0 else 1.0
    rows = []
    for power in _POWERS:
        slope = sign * joint_test_slope(expected, V, power, size=_SIZE, df=df)
        passed = joint_test_passing(slope * expected, V, critical)
        bias = slope * push
        spread = variance - float(lean @ (V - passed.spread) @ lean)
        rows.append(
            {
                "power": power,
                "scale": path.scale,
                "slope": slope,
                "bias": bias,
                "bias_if_passed": bias + float(lean @ (passed.mean - slope * expected)),
                "std_dev": math.sqrt(max(variance, 0.0)),
                "std_dev_if_passed": math.sqrt(max(spread, 0.0)),
                "estimate": effect,
            }
        )
    return pd.DataFrame(rows)


def _text(path: EventPath, table: pd.DataFrame, asked: str) -> str:
    unit = "" if path.scale == "log_rate_ratio" else " in the outcome's units"
    row = table.set_index("power").loc[0.8]

    def said(value: float) -> str:
        return f"{change(float(value), path.scale)}{unit}"

    ratio = abs(float(row["bias_if_passed"])) / abs(float(row["estimate"])) if row["estimate"] else math.inf
    if ratio >= 1:
        judged = "That is as much as the whole estimate: passing the test says little here"
    elif ratio >= 0.5:
        judged = "That is more than half of the estimate: passing the test says little here"
    else:
        judged = f"That is {100 * ratio:.0f}% of the estimate"
    return (
        f"The test for pre-trends would overlook a steady drift of {said(row['slope'])} per {path.unit} one time in "
        f"five. Going on after the start, such a drift would look like an {asked} of {said(row['bias'])}, and "
        f"of {said(row['bias_if_passed'])} on average among studies that pass the test. {judged} (Roth 2022)"
    )


@dataclass(frozen=True, eq=False)
class Pretrends:
    """What a test of pre-trends would make of a departure, as R's pretrends has it.

    Attributes
    ----------
    event_plot : pandas.DataFrame
        ``t, estimate, std_error, delta_true`` and ``mean_after_pretesting``: the expected estimates among studies that
        pass, if that departure is there and no effect.
    slope : float
        Of a straight departure; NaN of another.
    power : float
        Probability that the test finds the departure.
    bayes_factor : float
        How much likelier passing is with the departure than without.
    likelihood_ratio : float
        How much likelier the estimates before the start are with the departure than without.
    bias, bias_if_passed : float
        What the departure adds to the effect that is asked about, and the same among studies that pass.
    """

    event_plot: pd.DataFrame
    slope: float
    power: float
    bayes_factor: float
    likelihood_ratio: float
    bias: float
    bias_if_passed: float


def pretrends(
    betahat: Sequence[float] | Floats,
    sigma: Sequence[Sequence[float]] | Floats,
    t_vec: Sequence[float],
    delta_true: Sequence[float] | None = None,
    *,
    reference_period: float = -1,
    target_power: float = 0.5,
    horizon: Horizons | None = None,
    weights: Sequence[float] | None = None,
) -> Pretrends:
    """Return what a test of pre-trends overlooks of an event study that is given as estimates and their covariance.

    What ``pretrends`` and ``slope_for_power`` of the R package pretrends return, with arguments of those names. The
    test is the package's: a study passes where no estimate before the start is significant by itself at 5% (|t| below
    1.96).

    Parameters
    ----------
    betahat : array, shape (K,)
        Without the reference period.
    sigma : array, shape (K, K)
    t_vec : sequence of float, shape (K,)
        Times of the estimates, the start at 0.
    delta_true : sequence of float, optional
        The departure at these times; where None a straight one that the test finds with `target_power`.
    reference_period : float
        Time of the reference.
    target_power : float
    horizon : int, pair or sequence of int, optional
        The effect asked about: one time from the start on, the average from the first to the last of a pair, or the
        average of a list; the average of all where None.
    weights : sequence of float, optional
        Of several horizons; alike where None.

    Returns
    -------
    Pretrends

    Raises
    ------
    DataError
        If shapes do not fit, times are not in order, or no estimate lies before the reference or from the start on.

    References
    ----------
    Roth (2022), *American Economic Review: Insights* 4(3).

    Examples
    --------
    >>> made = pretrends([0.1, 0.5], [[0.04, 0.0], [0.0, 0.04]], [-2, 0])
    >>> round(made.slope, 3), round(made.power, 3), round(made.bias, 3)  # found half of the time at 1.96 errors
    (0.392, 0.5, 0.392)
    """
    from svmodel.numerics.honest.pretest_power import separate_tests_passing, separate_tests_slope

    beta, V = of_event_study(betahat, sigma)
    times = np.asarray(t_vec, dtype=np.float64)
    if times.shape != beta.shape or not (np.diff(times) > 0).all() or (times == reference_period).any():
        raise DataError(
            f"{len(beta)} estimates need as many times in order, without the reference's own ({reference_period:g})"
        )
    before, after = np.flatnonzero(times < reference_period), np.flatnonzero(times >= 0)
    if not (len(before) and len(after)):
        raise DataError("there must be estimates before the reference and from the start (time 0) on")
    own = V[np.ix_(before, before)]
    if not np.linalg.eigvalsh(own)[0] > 0:
        raise DataError("the covariance before the start has no full rank")
    slope = math.nan
    if delta_true is None:
        try:
            slope = separate_tests_slope(times[before] - reference_period, own, target_power)
        except ValueError as error:
            raise DataError(str(error)) from error
        delta = slope * (times - reference_period)
    else:
        delta = np.asarray(delta_true, dtype=np.float64)
        if delta.shape != beta.shape:
            raise DataError(f"{len(beta)} estimates need a departure at as many times, not at {delta.size}")
    found = separate_tests_passing(delta[before], own)
    nothing = separate_tests_passing(np.zeros(len(before)), own)
    drawn = np.linalg.solve(own, found.mean - delta[before])
    passed = delta + V[:, before] @ drawn
    passed[before] = found.mean
    whole = times[after].astype(np.int64)
    if horizon is None:
        share = np.full(len(after), 1 / len(after))
    else:
        share = share_of(horizon, whole, weights, np.ones(len(after)))
    off = beta[before] - delta[before]
    log_ratio = (beta[before] @ np.linalg.solve(own, beta[before]) - off @ np.linalg.solve(own, off)) / 2
    plot = pd.DataFrame(
        {
            "t": times,
            "estimate": beta,
            "std_error": np.sqrt(np.diag(V)),
            "delta_true": delta,
            "mean_after_pretesting": passed,
        }
    )
    return Pretrends(
        event_plot=plot,
        slope=slope,
        power=found.power,
        bayes_factor=(1 - found.power) / (1 - nothing.power),
        likelihood_ratio=math.exp(log_ratio),
        bias=float(share @ delta[after]),
        bias_if_passed=float(share @ passed[after]),
    )
