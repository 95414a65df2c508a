"""The event study of a result as one path through time: leads, reference and lags on one base, and their covariance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from svmodel import periods
from svmodel.checks.words import CannotBeMadeError, why_refused
from svmodel.errors import DataError, Problem, UserError, shorten
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.honest import EventStudy
from svmodel.numerics.two_way.before_start import Grouped
from svmodel.result import Result
from svmodel.result.scales import is_rounding
from svmodel.words import plural

#: More single horizons than this on either side are grouped.
_MOST_SINGLE = 12


@dataclass(frozen=True, eq=False)
class EventPath:
    """Event effects by horizon, the reference among them, and the base that they are relative to.

    Attributes
    ----------
    scale : {"log_rate_ratio", "difference"}
    horizon : ndarray of int, shape (H,)
        In order; periods of declared anticipation are left out.
    estimate : ndarray, shape (H,)
    covariance : ndarray, shape (H, H)
        Singular: the reference has no error of its own, or follows from the other leads.
    base : ndarray, shape (H,)
        Weights over the leads of what the estimates are relative to, as their sum of 1: the reference alone, or the
        average before the start.
    weight : ndarray, shape (H,)
        Shares of the horizons from the start on in the overall effect; zero before.
    reference : int
        The last horizon before the start, or before anticipation.
    df : float
        Of the covariance.
    inflation : float
        Factor on the covariance for means taken from few areas (CR2's).
    unit, per_year : str, int
        Of the periods; "period" and 0 where the result was read without its data.
    test : Grouped or None
        What a joint test of the effects before the start rests on, as a :class:`~svmodel.result.JointEstimate` has it.
    """

    scale: str
    horizon: Ints
    estimate: Floats
    covariance: Floats
    base: Floats
    weight: Floats
    reference: int
    df: float
    inflation: float
    unit: str
    per_year: int
    test: Grouped | None

    @property
    def before(self) -> Mask:
        """Which horizons lie before the start, the reference among them."""
        return self.horizon <= self.reference


def event_path(result: Result) -> EventPath:
    """Return the path of a result.

    Raises
    ------
    CannotBeMadeError
        If there is none.

    Notes
    -----
    *Base.* Where the estimator leaves out the last period before the start as its reference, that is the base. Extended
    two-way fixed effects measure from the average before the start instead; the misses of each area then sum to zero
    before it, so that the last lead is minus the sum of the others, by expected counts, and so is its error. Where
    correlations were drawn towards none (``few_treated``) they no longer keep that sum, and it is imposed on them: the
    last lead enters with its own error, all leads less their average, and the sum of their variances is held. A
    Callaway-Sant'Anna study with a varying base is fitted again with a universal one: comparisons of each period with
    the one before it cannot be added up where cohorts come and go.

    *Overall effect.* Horizons are weighted by their expected counts on the log scale and by their treated area-periods
    on the additive one, as the average effect does; equally where the result was read without its data.
    """
    joint = result.joint
    if joint is None or not (joint.index["term"] == "event").any():
        raise CannotBeMadeError("the method gives no effects by time before the start with their covariance")
    if joint.base == "varying":
        if result.design is None:
            raise CannotBeMadeError(
                "each estimate before the start is relative to the period before it, and the result was read without "
                "the data that a common base needs"
            )
        estimator: Any = dataclasses.replace(result.estimator, base_period="universal")  # type: ignore[type-var]
        try:
            result = result.refit(estimator=estimator)
        except UserError as error:
            raise CannotBeMadeError(
                f"the method cannot put its estimates on one base ({why_refused(error)})"
            ) from error
        if result.joint is None:
            raise CannotBeMadeError("the method gives no effects by time before the start on one base")
        joint = result.joint
    anticipation = 0 if result.design is None else result.design.anticipation
    reference = -1 - anticipation if joint.reference is None else joint.reference
    horizon = joint.index["horizon"].to_numpy(dtype=float)
    variance = np.diag(joint.covariance)
    known = (joint.index["term"] == "event").to_numpy() & np.isfinite(joint.estimate) & (variance > 0)
    errors = np.sqrt(np.where(known, variance, np.nan))
    known &= ~is_rounding(joint.estimate, errors, logarithm=joint.scale == "log_rate_ratio")
    if (known & (horizon == reference)).any():
        raise CannotBeMadeError("its estimates before the start are relative to another time than those after it")
    known &= (horizon < reference) | (horizon >= 0)
    if joint.binned:
        known &= horizon > _binned_lead(result, horizon[known])
    order = np.flatnonzero(known)[np.argsort(horizon[known], kind="stable")]
    h = horizon[order].astype(np.int64)
    if not (h < reference).any():
        raise CannotBeMadeError("there is no estimate for any period before the start, apart from the reference")
    if not (h >= 0).any():
        raise CannotBeMadeError("there is no estimate from the start on")
    at = int((h < reference).sum())
    expected, cells = _sizes(result)
    full = np.insert(h, at, reference)
    before = full <= reference
    L = np.insert(np.eye(len(h)), at, 0.0, axis=0)
    base = (full == reference).astype(np.float64)
    last, last_error = _last_lead(result, joint.scale, reference)
    estimate = L @ joint.estimate[order]
    covariance = L @ joint.covariance[np.ix_(order, order)] @ L.T
    if last != 0:
        estimate[at] = last
        size = np.array([expected.get(int(v), 1.0) if expected else 1.0 for v in full]) * before
        base = size / size.sum()
        if joint.shrunk:
            covariance[at, at] = last_error**2
            away = np.eye(len(full)) - np.outer(before, base)
            own = float(np.diag(covariance)[before].sum())
            covariance = away @ covariance @ away.T
            # the leads' errors are already about their average: taking it off again must not make them smaller
            kept = np.where(before, np.sqrt(own / float(np.diag(covariance)[before].sum())), 1.0)
            covariance *= np.outer(kept, kept)
        else:
            L[at] = -np.delete(size, at) / size[at]
            covariance = L @ joint.covariance[np.ix_(order, order)] @ L.T
    chosen = expected if joint.scale == "log_rate_ratio" and expected else cells
    weight = np.array([chosen.get(int(v), 0.0) if chosen else 1.0 for v in full]) * ~before
    if not weight.sum() > 0:
        raise CannotBeMadeError("no treated area-period has an estimate by time")
    held = None if result.design is None else result.design.view.periods
    return EventPath(
        scale=joint.scale,
        horizon=full,
        estimate=estimate,
        covariance=covariance,
        base=base,
        weight=weight / weight.sum(),
        reference=reference,
        df=degrees_of_freedom(result),
        inflation=_inflation(result),
        unit="period" if held is None else periods.describe_frequency(held),
        per_year=0 if held is None else periods.per_year(held),
        test=joint.before,
    )


#: Horizons from the start on: one, the first and last of several, or a list of them.
Horizons: TypeAlias = int | tuple[int, int] | Sequence[int]


def chosen(horizon: Horizons) -> list[int]:
    """Return the horizons that are asked for: a pair is the first and the last, a list is each of its own.

    Raises
    ------
    DataError
        If they are no whole numbers from 0 on.

    Examples
    --------
    >>> chosen(3), chosen((0, 3)), chosen([0, 3])
    ([3], [0, 1, 2, 3], [0, 3])
    """
    given: list[Any] = [horizon] if isinstance(horizon, int | float | np.number | str) else list(horizon)
    wrong = [
        v
        for v in given
        if not isinstance(v, int | float | np.number) or isinstance(v, bool) or float(v) % 1 != 0 or v < 0
    ]
    pair = isinstance(horizon, tuple) and len(horizon) == 2
    if wrong or not given or (pair and not wrong and given[0] > given[1]):
        raise DataError(
            f"{horizon!r} are no horizons from the start on",
            [Problem("horizons are whole numbers from 0 on", where="horizon", fix=_HORIZONS, rule="horizon")],
        )
    return list(range(int(given[0]), int(given[1]) + 1)) if pair else [int(v) for v in given]


_HORIZONS = "Give one (3), the first and the last of several in a pair ((0, 5)), or a list ([0, 3])."


def share_of(horizon: Horizons, held: Ints, weights: Sequence[float] | None, own: Floats) -> Floats:
    """Return the weights of `held` horizons in the average over those that are asked for, as their sum of 1.

    Parameters
    ----------
    horizon : int, pair or sequence of int
    held : ndarray of int, shape (H,)
        Horizons with an estimate.
    weights : sequence of float, optional
        One for each horizon that is asked for; else they are weighted by `own`.
    own : ndarray, shape (H,)

    Raises
    ------
    DataError
        If horizons or weights cannot be used, or a horizon has no estimate.
    """
    asked = chosen(horizon)
    lacking = [h for h in asked if h not in held]
    if lacking:
        after = held[held >= 0]
        reach = f"; they reach from {after.min():+d} to {after.max():+d}" if len(after) else ""
        said = shorten([f"{h:+d}" for h in lacking]).replace("'", "")
        raise DataError(f"there is no estimate at horizon {said}{reach}")
    if weights is not None and (len(weights) != len(asked) or not all(w >= 0 for w in weights) or not sum(weights) > 0):
        raise DataError(
            f"{len(asked)} horizons need as many weights of 0 or more, not {shorten(weights)}",
            [Problem("weights do not fit", where="weights", fix="Give one for each horizon.", rule="weights")],
        )
    out = np.zeros(len(held))
    for k, h in enumerate(asked):
        at = np.flatnonzero(held == h)
        out[at] += own[at] if weights is None else float(weights[k])
    return out / out.sum() if out.sum() > 0 else np.isin(held, asked) / len(asked)


def at_horizon(path: EventPath, horizon: Horizons, weights: Sequence[float] | None = None) -> EventPath:
    """Return the path with all weight on one horizon from the start on, or on several.

    Several are weighted as in the overall effect, or by `weights`.

    Raises
    ------
    CannotBeMadeError
        If one has no estimate.
    DataError
        If horizons or weights cannot be used.
    """
    asked, held = chosen(horizon), path.horizon[~path.before]
    if not np.isin(asked, held).all():
        last = int(path.horizon.max())
        lacking = next(h for h in asked if h not in held)
        raise CannotBeMadeError(f"there is no estimate at horizon {lacking:+d}; they reach from +0 to {last:+d}")
    weight = np.zeros(len(path.horizon))
    weight[~path.before] = share_of(horizon, held, weights, path.weight[~path.before])
    return dataclasses.replace(path, weight=weight)


def effect_asked(path: EventPath, horizon: Horizons | None) -> str:
    """Return the effect that is asked about in words."""
    if horizon is None:
        return "overall effect"
    asked = chosen(horizon)
    if len(asked) == 1:
        return f"effect {asked[0]} {plural(path.unit, asked[0])} after the start"
    if asked == list(range(asked[0], asked[-1] + 1)):
        return f"average effect from {asked[0]} to {asked[-1]} {path.unit}s after the start"
    return f"average effect {' and '.join(map(str, asked))} {path.unit}s after the start"


def grouped(path: EventPath) -> tuple[EventStudy, int]:
    """Return the path by groups of horizons, relative to the last group before the start, and the length of a group.

    Months are averaged into years where there are three of them before the start, else into half-years or quarters, and
    quarters into years or half-years; other periods where there are more than twelve on a side. Counts of single months
    are noise, so that the largest of many monthly changes says how noisy they are and not how far trends part; and a
    covariance from few areas does not bear many rows. A group that is less than half full is dropped before the start
    and joined to its neighbour after it. The covariance is scaled by CR2's factor and by (t / z)^2, so that a normal
    interval of it is as wide as Student's t.
    """
    from scipy import special

    from svmodel.numerics.honest import EventStudy

    h, ref = path.horizon, path.reference
    n_before, n_after = int(path.before.sum()), int((~path.before).sum())
    wanted = {12: (12, 6, 3), 4: (4, 2)}.get(path.per_year, ())
    widest = -(-max(n_before, n_after) // _MOST_SINGLE)
    length = next((k for k in wanted if n_before // k >= 3), widest)
    block = np.where(path.before, -((ref - h) // length), h // length + 1)
    if length > 1:
        last = int(block.max())
        if last > 1 and 2 * int((block == last).sum()) < length:
            block[block == last] = last - 1
    names = [int(v) for v in np.unique(block) if v >= 0 or 2 * (block == v).sum() >= length]
    rows, positions, weights = [], [], []
    for name in names:
        inside = block == name
        if name > 0:
            w = np.where(inside, path.weight, 0.0)
            share = float(w.sum())
            w = w / share if share > 0 else inside / inside.sum()
            weights.append(share)
        else:
            w = inside / inside.sum()
        rows.append(w)
        positions.append(float(w @ h))
    zero = names.index(0)
    L = np.array(rows) - rows[zero]
    keep = np.arange(len(names)) != zero
    L = L[keep]
    x = (np.array(positions)[keep] - positions[zero]) / length
    wider = path.inflation * (special.stdtrit(path.df, 0.975) / special.ndtri(0.975)) ** 2
    study = EventStudy(L @ path.estimate, wider * L @ path.covariance @ L.T, zero, np.array(weights), x)
    return study, length


def degrees_of_freedom(result: Result) -> float:
    """Satterthwaite's degrees of freedom of a difference between treated and control areas of like variance.

    With 5 treated areas among 100 the variance rests on the 5, and so do the degrees of freedom.
    """
    treated, never = _areas(result)
    if never == 0:
        return float(treated - 1)
    if min(treated, never) < 2:
        return 0.0
    parts = np.array([1 / treated, 1 / never])
    return float(parts.sum() ** 2 / (parts**2 / np.array([treated - 1, never - 1])).sum())


def _areas(result: Result) -> tuple[int, int]:
    """Return how many areas are treated inside the window, and how many never."""
    if result.design is not None:
        start, n_periods = result.design.arrays.start, len(result.design.arrays.periods)
        return int((start < n_periods).sum()), int((start >= n_periods).sum())
    never = int(result.diagnostics.get("n_never_treated", 0))
    return int(result.diagnostics.get("n_areas", 0)) - never, never


def _inflation(result: Result) -> float:
    """Return what squared residuals from two groups' means fall short of, areas being alike."""
    sizes = np.array([n for n in _areas(result) if n > 1], dtype=np.float64)
    return float((1 / (sizes - 1)).sum() / (1 / sizes).sum()) if len(sizes) else 1.0


def _binned_lead(result: Result, horizon: Floats) -> float:
    """Return the first lead where it also holds all periods before it, as a two-way regression's does."""
    if result.design is None or not len(horizon):
        return -np.inf
    arrays = result.design.arrays
    ever: Mask = np.asarray(arrays.treated.any(axis=1))
    first = arrays.horizon[ever[:, None] & arrays.untreated].min(initial=0)
    return float(horizon.min()) if first < horizon.min() else -np.inf


def _last_lead(result: Result, scale: str, reference: int) -> tuple[float, float]:
    """Return the estimate at the reference with its error; zero unless the base is another one."""
    table = result.estimates
    column = "rate_ratio" if scale == "log_rate_ratio" else "difference"
    at = (table["term"] == "event") & (table["scale"] == column) & (table["horizon"] == reference)
    rows = table.loc[at, ["estimate", "std_error"]].to_numpy(dtype=float)
    if len(rows) != 1 or not np.isfinite(rows).all():
        return 0.0, 0.0
    estimate, error = (float(v) for v in rows[0])
    if scale != "log_rate_ratio":
        return estimate, error
    return (float(np.log(estimate)), error / estimate) if estimate > 0 else (0.0, 0.0)


def _sizes(result: Result) -> tuple[dict[int, float], dict[int, float]]:
    """Return expected counts (empty where not given) and area-periods of treated areas by horizon."""
    if result.design is None:
        return {}, {}
    arrays = result.design.arrays
    ever: Mask = np.asarray(arrays.treated.any(axis=1))
    inside = ever[:, None] & (arrays.treated | arrays.untreated)
    values, counts = np.unique(arrays.horizon[inside], return_counts=True)
    cells = {int(v): float(n) for v, n in zip(values, counts, strict=True)}
    table = result.counterfactual
    if table is None:
        return {}, cells
    start = {arrays.areas[i]: int(arrays.start[i]) for i in np.flatnonzero(ever)}
    first = arrays.periods[0].ordinal
    expected: dict[int, float] = {}
    for area, period, value in zip(table["area"], table["period"], table["expected"], strict=True):
        if area in start and np.isfinite(value):
            h = int(period.ordinal) - first - start[area]
            expected[h] = expected.get(h, 0.0) + float(value)
    return expected, cells
