"""Pre-trends: whether treated and control areas already moved apart before the start."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from svmodel.checks.declared import check
from svmodel.checks.event_path import degrees_of_freedom
from svmodel.checks.words import CannotBeMadeError, change
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.two_way.before_start import Grouped, pool
from svmodel.result import JointEstimate, Result
from svmodel.result.check import CheckResult, Status
from svmodel.result.scales import is_rounding
from svmodel.words import p_value, plural

_NAME = "pre_trends"
#: Share of the largest variance of a lead below which that of their average is rounding.
_NOTHING = 1e-12
#: Areas alike below which a test about zero is not made: with four it rejects .4% of true nulls at nominal 5%, and next
#: to nothing else; just below five, for rounding. What is made has its size and power in
#: benchmarks/results/calibration_joint_tests.md.
LEAST_AREAS = 4.9


@check("Were the areas alike before the start?", needs=("event_path",))
def pre_trends(result: Result, *, seed: int = 0) -> CheckResult:
    """Test jointly that the event-study estimates before the start are zero.

    The reference period and periods of declared anticipation are no leads. A covariance that comes from few
    areas cannot bear many restrictions at once: a Wald statistic with as many leads as areas rejects nearly
    always, and beyond that the matrix is singular. So leads that follow each other are averaged into at most
    a quarter as many groups as there are degrees of freedom (each group of equal length), and the statistic is
    referred to Hotelling's T-squared instead of chi-squared. The covariance is that under the null, in which the noise
    of a cohort of one or two areas shows, with CR2's correction and Satterthwaite's degrees of freedom
    (:func:`svmodel.numerics.two_way.before_start.scores`); leads of a single area take no part. Methods that do not
    give it have their own covariance taken, and a third as many groups.

    A test that does not reject has not shown that trends are alike. The equivalence tests turn the question round: the
    smallest bound within which two one-sided tests at 5% put each group of leads (the largest of these bounds holds for
    all of them at once), and their average, is the largest pre-trend that the data still allow.

    Parameters
    ----------
    result : Result
        With event terms and their covariance in ``result.joint``.
    seed : int
        Not used; nothing is drawn.

    Returns
    -------
    CheckResult
        ``failed`` where p < 0.05. The table has a row for each lead or group of leads: ``first_horizon,
        last_horizon, estimate, std_error, conf_low, conf_high``, as log rate ratio or in the outcome's units, with
        pointwise 95% intervals, and ``equivalence_bound``. A last row, ``quantity`` being ``average`` and not
        ``group``, is for the average of all leads.

    References
    ----------
    Pustejovsky and Tipton (2018), JBES 36(4) (the approximate Hotelling test). Roth (2022), AER:
    Insights 4(3): a test that passes is weak evidence, and selects estimates that are off. Hartman and Hidalgo (2018),
    AJPS 62(4), and Dette and Schumann (2024), JBES 42(4): equivalence of the largest and of the average lead.
    """
    joint = result.joint
    if joint is None or not (joint.index["term"] == "event").any():
        raise CannotBeMadeError("the method gives no effects by time before the start with their covariance")
    leads = _leads(joint, result)
    if len(leads.estimate) == 0:
        raise CannotBeMadeError("there is no estimate for any period before the start, apart from the reference")
    df = degrees_of_freedom(result)
    horizons = leads.index["horizon"].to_numpy(dtype=int)
    before = leads.before
    if before is None:
        L, groups = pool(horizons, max(1, int(borne(df) // 3)))
        statistic, rank, p = hotelling_test(L @ leads.estimate, L @ leads.covariance @ L.T, df)
        left = df - rank + 1
    else:
        require_areas(before)
        df = min(df, before.areas) if df > 0 else before.areas
        L, groups = in_groups(horizons, before.groups)
        statistic, rank, p = score_test(before.estimate, before.covariance, before.areas)
        left = before.areas - rank
    estimate, covariance = L @ leads.estimate, L @ leads.covariance @ L.T
    if not np.isfinite(p):
        raise CannotBeMadeError("the estimates before the start have no covariance")
    every = np.full(len(horizons), 1 / len(horizons))
    average = np.array([every @ leads.estimate, np.sqrt(max(every @ leads.covariance @ every, 0.0))])
    table = _table(groups, estimate, covariance, average, df)
    status: Status = "failed" if p < 0.05 else "passed"
    text = _text(leads, horizons, table, statistic=statistic, rank=rank, p=p, df=df, left=left)
    return CheckResult(_NAME, status, text, table)


def borne(df: float) -> float:
    """Return the degrees of freedom of a covariance that a joint test of leads can rest on.

    Raises
    ------
    CannotBeMadeError
        If they are too few for any test.
    """
    if not df >= 3:
        raise CannotBeMadeError("too few areas are treated, or serve as controls, to tell a trend from chance")
    return df


def require_areas(before: Grouped) -> None:
    """Refuse a test about zero that too few areas decide.

    Raises
    ------
    CannotBeMadeError
    """
    if before.reason:
        raise CannotBeMadeError(before.reason)
    if not before.areas >= LEAST_AREAS:
        raise CannotBeMadeError(
            f"the estimates before the start rest on no more than {before.areas:.1f} areas alike, too few to tell a "
            "trend from chance"
        )


def in_groups(horizons: Ints, groups: Sequence[Sequence[int]]) -> tuple[Floats, list[Ints]]:
    """Return the averaging matrix over those of `horizons` that are in each group, and which these are."""
    members = [np.isin(horizons, group) for group in groups]
    members = [inside for inside in members if inside.any()]
    L = np.array([inside / inside.sum() for inside in members]).reshape(len(members), len(horizons))
    return L, [horizons[inside] for inside in members]


def hotelling_test(estimate: Floats, covariance: Floats, df: float) -> tuple[float, int, float]:
    """Test that an estimate is zero when its covariance was itself estimated with `df` degrees of freedom.

    With Q = b' V^+ b and rank q, ``(df - q + 1) / (df q) Q`` is referred to F(q, df - q + 1).

    Parameters
    ----------
    estimate : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
        May be singular: directions without variance take no part, and the rank is what is left.
    df : float
        Degrees of freedom of the covariance, more than the rank; infinite for chi-squared.

    Returns
    -------
    statistic, rank, p_value
        The F statistic; p is missing where the rank is 0.

    References
    ----------
    Pustejovsky and Tipton (2018), *Journal of Business & Economic Statistics* 36(4).

    Examples
    --------
    >>> statistic, rank, p = hotelling_test(np.array([2.0]), np.array([[1.0]]), df=10)
    >>> statistic, rank, round(p, 4)  # t(10) at 2
    (4.0, 1, 0.0734)
    """
    from scipy import stats

    scale = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    known = scale > 0
    if not known.any():
        return float("nan"), 0, float("nan")
    correlation = covariance[np.ix_(known, known)] / np.outer(scale[known], scale[known])
    values, vectors = np.linalg.eigh(correlation)
    # Rounding leaves null directions at some 1e-15 of the largest root; 1e-8 is far above it.
    used = values > 1e-8 * values[-1]
    rank = int(used.sum())
    projected = vectors[:, used].T @ (estimate[known] / scale[known])
    q = float(projected**2 @ (1 / values[used]))
    if df == np.inf:
        return q / rank, rank, float(stats.chi2.sf(q, rank))
    if df - rank + 1 <= 0:
        return float("nan"), rank, float("nan")
    statistic = (df - rank + 1) / (df * rank) * q
    return statistic, rank, float(stats.f.sf(statistic, rank, df - rank + 1))


def score_test(estimate: Floats, covariance: Floats, areas: float) -> tuple[float, int, float]:
    """Test that an estimate is zero with its covariance about zero, as :attr:`JointEstimate.before` has it.

    With Q = b' V^+ b, rank q and G areas, ``Q / (G - Q) (G - q) / q`` is referred to F(q, G - q).

    Parameters
    ----------
    estimate : ndarray, shape (K,)
    covariance : ndarray, shape (K, K)
        The sum of products of what each area adds to the estimate, about zero.
    areas : float
        Areas alike that it is as good as: its degrees of freedom.

    Returns
    -------
    statistic, rank, p_value
        As :func:`hotelling_test` gives them; all but the rank are missing where G is not above it.

    Notes
    -----
    For the mean of G areas alike this is Hotelling's T-squared test: the sum of squares about zero is that about the
    mean and the mean's own. Q is bounded, so that what one area decides alone cannot reject.

    Examples
    --------
    >>> rows = np.array([1.0, 3.0, 2.0, 0.5, -0.5]) / 5
    >>> _, _, p = score_test(np.array([rows.sum()]), np.array([[rows @ rows]]), areas=5)
    >>> spread = ((rows - rows.mean()) ** 2).sum() * 5 / 4  # of the mean, about the mean
    >>> round(p, 6) == round(hotelling_test(np.array([rows.sum()]), np.array([[spread]]), df=4)[2], 6)
    True
    """
    from scipy import stats

    wald, rank, _ = hotelling_test(estimate, covariance, np.inf)
    if rank == 0 or not areas > rank:
        return float("nan"), rank, float("nan")
    quadratic = min(wald * rank, areas * (1 - 1e-9))
    statistic = quadratic / (areas - quadratic) * (areas - rank) / rank
    return statistic, rank, float(stats.f.sf(statistic, rank, areas - rank))


def _leads(joint: JointEstimate, result: Result) -> JointEstimate:
    anticipation = 0 if result.design is None else result.design.anticipation
    horizon = joint.index["horizon"].to_numpy(dtype=float)
    variance = np.diag(joint.covariance)
    before = (joint.index["term"] == "event").to_numpy() & (horizon < -anticipation)
    known = np.isfinite(joint.estimate) & np.isfinite(variance) & (variance > 0)
    error = np.sqrt(np.where(known, variance, np.nan))
    # A lead that one area alone determines has an error that is rounding, and would pass for certain.
    known &= ~is_rounding(joint.estimate, error, logarithm=joint.scale == "log_rate_ratio")
    leads = joint.pick(before & known)
    order = np.argsort(leads.index["horizon"].to_numpy(dtype=float))
    index = leads.index.iloc[order].reset_index(drop=True)
    covariance = leads.covariance[np.ix_(order, order)]
    return type(joint)(joint.scale, index, leads.estimate[order], covariance, before=joint.before)


def _table(groups: list[Ints], estimate: Floats, covariance: Floats, average: Floats, df: float) -> pd.DataFrame:
    from scipy import stats

    from svmodel.numerics.honest.pretest_power import equivalence_bound

    estimate = np.append(estimate, average[0])
    error = np.append(np.sqrt(np.diag(covariance)), average[1])
    half = stats.t.ppf(0.975, df) * error
    ends = [*groups, np.concatenate(groups)]
    return pd.DataFrame(
        {
            "quantity": [*["group"] * len(groups), "average"],
            "first_horizon": [int(g.min()) for g in ends],
            "last_horizon": [int(g.max()) for g in ends],
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "equivalence_bound": equivalence_bound(estimate, error, df=df),
        }
    )


def _text(
    leads: JointEstimate,
    horizons: Ints,
    table: pd.DataFrame,
    *,
    statistic: float,
    rank: int,
    p: float,
    df: float,
    left: float,
) -> str:
    from scipy import stats

    largest = int(np.argmax(np.abs(leads.estimate)))
    n, rows = len(horizons), table[table["quantity"] == "group"]
    unit = "" if leads.scale == "log_rate_ratio" else " in the outcome's units"
    pooled = f", averaged into {len(rows)} {plural('group', len(rows))}" if len(rows) < n else ""
    dropped = f" (of which {rank} independent)" if rank < len(rows) else ""
    mean = np.full(n, 1 / n)
    spread = float(mean @ leads.covariance @ mean)
    # leads of one group cancel where their covariance is singular: their average then has no error to speak of
    averaged = spread > _NOTHING * float(np.diag(leads.covariance).max())
    if p < 0.05:
        first = "Before the start, treated and control areas were already moving apart"
        last = "Part of what looks like an effect may be that earlier drift going on."
    else:
        first = "Before the start, treated and control areas moved alike as far as these data can tell"
        last = "Passing does not prove that they would have stayed alike."
        if averaged:
            seen = float(stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)) * math.sqrt(spread)
            size = change(seen, leads.scale).lstrip("+") + unit
            last = (
                f"{last[:-1]}: an average gap before the start smaller than about {size} would have been overlooked "
                "more often than one time in five (Roth 2022)."
            )
    bounds = [
        change(float(v), leads.scale).lstrip("+") + unit
        for v in (rows["equivalence_bound"].max(), table["equivalence_bound"].iloc[-1])
    ]
    on_average = f" and of {bounds[1]} on average" if averaged else ""
    allowed = (
        f"The data still allow a gap of up to {bounds[0]} in {'one of the groups' if pooled else 'one of the periods'}"
        f"{on_average} (equivalence test{'s' if averaged else ''} at 5%)."
    )
    return (
        f"{first} (joint test of {n} {plural('lead', n)}{pooled}{dropped}: "
        f"F({rank}, {left:.0f}) = {statistic:.2f}, {p_value(p)}). The largest single gap was "
        f"{change(float(leads.estimate[largest]), leads.scale)}{unit}, {-int(horizons[largest])} "
        f"{plural('period', -int(horizons[largest]))} before the start. {allowed} {last}"
    )
