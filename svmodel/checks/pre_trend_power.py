"""What the test for pre-trends would have overlooked, and what that would do to the overall effect."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.event_path import EventPath, at_horizon, effect_asked, event_path
from svmodel.checks.pre_trends import borne, in_groups, require_areas
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.numerics.arrays import Floats
from svmodel.numerics.two_way.before_start import pool
from svmodel.result import Result
from svmodel.result.check import CheckResult

_NAME = "pre_trend_power"
_POWERS = (0.5, 0.8)
_SIZE = 0.05


@check("Which drift would that test have overlooked?", needs=("event_path",))
def pre_trend_power(result: Result, *, seed: int = 0, horizon: int | None = None) -> CheckResult:
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
    horizon : int, optional
        Say what the drift would do to the effect that many periods after the start instead of to the overall one.

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
        path = at_horizon(path, horizon)
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
