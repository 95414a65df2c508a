"""Each treated area's own effect, each reporting area's, and their counterfactuals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.did.etwfe.sums import pattern_noise, patterns
from svmodel.did.expected_poisson import Imputed
from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.cluster.membership import Clusters
from svmodel.numerics.resampling.conley_taber import PlaceboSums, placebo_sums
from svmodel.result.many_effects import Rows, by_noise
from svmodel.result.scales import critical_value
from svmodel.result.tables import COUNTERFACTUAL, observed_and_expected


@dataclass(frozen=True, eq=False)
class OwnSums:
    """The treated areas one by one; all arrays have one row a treated area.

    Attributes
    ----------
    areas : ndarray of int, shape (n,)
        Rows of the panel.
    observed, expected, cells : ndarray, shape (n,)
        Over the area's treated cells.
    exposure : ndarray, shape (n,), or None
    linear, square, square_observed : ndarray, shape (n,)
        ``Var(observed - R expected) = linear R + square R^2``, the shape's part aside.
    level_variance : ndarray, shape (n,)
        Of the log of the area's level.
    placebos : tuple of (misses, deviations)
        Of untreated areas over each area's periods.
    gradient : ndarray, shape (n, P)
        Derivative of the expected count with respect to ``theta``.
    """

    areas: Ints
    observed: Floats
    expected: Floats
    cells: Floats
    exposure: Floats | None
    linear: Floats
    square: Floats
    square_observed: Floats
    level_variance: Floats
    placebos: tuple[tuple[Floats, Floats], ...]
    gradient: Floats


def own_sums(imputed: Imputed, *, counts: bool) -> OwnSums:
    """Sum the treated cells of each area and learn the noise of such sums."""
    areas, target = imputed.treated_areas, imputed.target
    n = len(areas)
    place = np.full(len(target), -1)
    place[areas] = np.arange(n)
    numbers = {k: np.zeros(n) for k in ("observed", "expected", "phi", "omega", "share")}
    placebos = [(np.empty(0), np.empty(0))] * n
    gradient = np.zeros((n, imputed.fit.terms.size))
    for block in imputed.blocks:
        at = place[block.areas]
        numbers["observed"][at] = block.observed.sum(axis=1)
        numbers["expected"][at] = block.expected.sum(axis=1)
        terms = imputed.fit.terms.rows(block.areas)
        gradient[at] = terms.area_sums(block.expected) - block.expected.sum(axis=1)[:, None] * block.centre
        for pattern in patterns(block):
            window = pattern.target[None, :].astype(np.float64)
            noise = pattern_noise(imputed, pattern, window, counts=counts, own=True)
            for name, value in (("phi", noise.phi), ("omega", noise.omega), ("share", noise.share)):
                numbers[name][at[pattern.inside]] = value[0]
            for k in at[pattern.inside]:
                placebos[int(k)] = noise.placebos[0]
    E = numbers["expected"]
    own = numbers["share"] / (1 + numbers["share"])
    linear, square = numbers["phi"] * E, numbers["omega"] * E**2
    with np.errstate(divide="ignore", invalid="ignore"):
        level_variance = own * (numbers["phi"] / E + numbers["omega"])
    exposure = imputed.arrays.exposure
    return OwnSums(
        areas=areas,
        observed=numbers["observed"],
        expected=E,
        cells=target[areas].sum(axis=1).astype(np.float64),
        exposure=None if exposure is None else np.where(target, exposure, 0.0)[areas].sum(axis=1),
        linear=linear * (1 - own),
        square=linear * own + square,
        square_observed=square * (1 - own),
        level_variance=level_variance,
        placebos=tuple(placebos),
        gradient=gradient,
    )


def _together(units: Clusters, variance: Floats) -> Floats:
    """Return the variance of sums over clusters, of errors that the areas of a cluster have in common."""
    return variance if units.single else units.sums(np.sqrt(variance)) ** 2


def area_rows(imputed: Imputed, own: OwnSums, groups: Mapping[str, Ints], level: float, *, counts: bool) -> list[Rows]:
    """Rows of ``area`` for each named group of treated areas (places in `own`); none where nothing was expected."""
    held = {name: at for name, at in groups.items() if own.expected[at].sum() > 0}
    if not held:
        return []

    def summed(values: Floats) -> Floats:
        return np.array([values[at].sum(axis=0) for at in held.values()])

    gradient = summed(own.gradient)
    shape = np.einsum("qp,pr,qr->q", gradient, imputed.shape_covariance, gradient, optimize=True)
    # what scales with an area's size is shared by the areas of a cluster, chance is not
    units = [imputed.arrays.units.take(own.areas[at]) for at in held.values()]
    pairs = list(zip(units, held.values(), strict=True))
    square, observed = (
        [_together(shared, values[at]) for shared, at in pairs] for values in (own.square, own.square_observed)
    )
    linear = [shared.sums(own.linear[at]) for shared, at in pairs]
    noise = tuple(np.array([part.sum() for part in parts]) for parts in (linear, square, observed))
    noise = noise[0], noise[1] + shape, noise[2]
    alone: dict[tuple[int, bool], PlaceboSums] = {}

    def drawn(at: Ints, spread: Floats) -> PlaceboSums:
        # the size of a single one cancels, so that those that are held against the same placebos share their sums
        key = id(own.placebos[int(at[0])]), bool(spread[0] > 0)
        if len(at) == 1 and key in alone:
            return alone[key]
        made = placebo_sums([(*own.placebos[int(k)], s[None]) for k, s in zip(at, spread, strict=True)])
        return alone.setdefault(key, made) if len(at) == 1 else made

    placebos = [
        drawn(at[shared.first], np.sqrt(np.maximum(chance + sized, 0.0)))
        for (shared, at), chance, sized in zip(pairs, linear, square, strict=True)
    ]
    found = by_noise(summed(own.observed), summed(own.expected), noise, placebos, level)
    exposure = None if own.exposure is None else summed(own.exposure)
    names = np.array([*held, None], dtype=object)[:-1]
    return [found.rows("area", summed(own.cells), exposure, level=level, events=counts, area=names)]


def counterfactual(imputed: Imputed, own: OwnSums, groups: Mapping[str, Ints], level: float) -> pd.DataFrame:
    """Observed and expected counts of groups of treated areas, period by period.

    ``low`` and ``high`` bound the expected count, on the log scale: the uncertainty of the common shape over time
    (cluster-robust) and of each area's level (learnt from untreated areas). The noise of the count itself is not in
    them.
    """
    arrays, fit = imputed.arrays, imputed.fit
    T = imputed.target.shape[1]
    when = np.arange(T)[None, :]
    shown = imputed.predicted[own.areas] & ((when < arrays.start[own.areas, None]) | imputed.target[own.areas])
    observed = arrays.y[own.areas]
    level_of = {int(i): (b, k) for b in imputed.blocks for k, i in enumerate(b.areas)}
    levels = np.array([level_of[int(i)][0].level[level_of[int(i)][1]] for i in own.areas])
    centre = np.stack([level_of[int(i)][0].centre[level_of[int(i)][1]] for i in own.areas])
    mu = np.where(shown, levels[:, None] * fit.shape[own.areas], 0.0)
    V = imputed.shape_covariance
    spread = np.nan_to_num(own.level_variance, nan=np.inf)[:, None]
    # an area without an event before its start has an expected count of zero and no spread that could be learnt
    learnt = (mu > 0) & (levels[:, None] > 0)
    level_part = np.multiply(np.square(mu), spread, out=np.zeros_like(mu), where=learnt)
    single = None
    critical = critical_value(level, imputed.n_clusters - 1)
    columns: dict[str, list[Any]] = {c: [] for c in COUNTERFACTUAL}
    names = np.array([*arrays.periods, None], dtype=object)
    terms = fit.terms.rows(own.areas)
    for name, at in groups.items():
        seen = shown[at]
        if len(at) == 1:
            if levels[at[0]] <= 0:
                continue
            if single is None:
                single = terms.quadratic(V, centre) * mu**2
            variance = single[at[0]] + level_part[at[0]]
            expected, count = mu[at[0]], observed[at[0]]
            times = np.flatnonzero(seen[0])
        else:
            seen = seen & ~np.isnan(observed[at])
            inside = np.where(seen, mu[at], 0.0)
            gradient = fit.terms.rows(own.areas[at]).period_sums(inside) - inside.T @ centre[at]
            variance = np.einsum("tp,pq,tq->t", gradient, V, gradient, optimize=True)
            shared = imputed.arrays.units.take(own.areas[at])
            variance = variance + _together(shared, np.where(seen, level_part[at], 0.0)).sum(axis=0)
            expected, count = inside.sum(axis=0), np.where(seen, observed[at], 0.0).sum(axis=0)
            times = np.flatnonzero(seen.any(axis=0))
        expected, variance = expected[times], variance[times]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            reach = critical * np.sqrt(variance) / expected
            low, high = expected * np.exp(-reach), expected * np.exp(reach)
        known = np.isfinite(reach)
        low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
        parts = ([name] * len(times), names[times], count[times], expected, low, high)
        for column, part in zip(columns.values(), parts, strict=True):
            column.extend(part)
    return observed_and_expected(**columns)
