"""Weighted displacement: what a treated place lost or gained beside what the ring around it did, before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from svmodel.numerics.arrays import Floats


@dataclass(frozen=True, eq=False)
class Windows:
    """Counts of one cohort in equal spans before and after its start.

    Attributes
    ----------
    target, ring : ndarray, shape (2,)
        Sums before and after over the treated areas, and over the areas around them.
    control : ndarray, shape (J, 2)
        Of each control area; the same areas in the same order for every cohort.
    areas : tuple of int
        How many areas are in `target` and in `ring`.
    """

    target: Floats
    ring: Floats
    control: Floats
    areas: tuple[int, int]


class Quotient(NamedTuple):
    """The weighted displacement quotient.

    Attributes
    ----------
    value : float
        NaN where the target did not fall against the controls.
    low, high : float
        Ends of Fieller's set; infinite, with the set not bounded, where the fall of the target is not significant.
    target, ring : float
        Events more (positive) or fewer than the controls' change would give.
    """

    value: float
    low: float
    high: float
    target: float
    ring: float


class Difference(NamedTuple):
    """A weighted displacement difference with its standard errors, in events.

    Attributes
    ----------
    value : float
    poisson_error : float
        As published: every count is Poisson.
    error : float
        The same times the root of the dispersion.
    """

    value: float
    poisson_error: float
    error: float


def change_dispersion(control: Floats) -> tuple[float, int]:
    """Return how much more than chance the changes of control areas vary, and the degrees of freedom.

    Given an area's sum s over both spans, a Poisson count after is binomial with one share for all areas; the
    dispersion is Pearson's statistic of that over its degrees of freedom, and 1 at least.

    Parameters
    ----------
    control : ndarray, shape (J, 2)
        Counts before and after.

    Examples
    --------
    >>> change_dispersion(np.array([[10.0, 10.0], [20.0, 20.0], [5.0, 5.0]]))
    (1.0, 2)
    """
    whole = control.sum(axis=1)
    seen = whole > 0
    whole, after = whole[seen], control[seen, 1]
    df = len(whole) - 1
    if df < 1:
        return math.nan, df
    share = float(after.sum() / whole.sum())
    if share in (0.0, 1.0):
        return 1.0, df
    pearson = float(((after - whole * share) ** 2 / (whole * share * (1 - share))).sum())
    return max(1.0, pearson / df), df


def displacement_quotient(cohorts: list[Windows], phi: float, t: float) -> Quotient:
    """Return the weighted displacement quotient with Fieller's interval.

    ``WDQ = (B1/C1 - B0/C0) / (A1/C1 - A0/C0)`` for target A, ring (buffer) B and controls C, 0 before and 1 after.
    Above 0 the ring fell too (diffusion of benefit); below 0 it rose (displacement), and below -1 by more than the
    target fell. Both parts are multiplied by C1, which leaves the quotient as it is and lets cohorts be summed: ``sum
    (B1 - r B0) / sum (A1 - r A0)`` with r = C1/C0 of the cohort.

    Parameters
    ----------
    cohorts : list of Windows
    phi : float
        Dispersion of the sums of target and ring; the control areas bring their own scatter.
    t : float
        Critical value of Student's t.

    Notes
    -----
    Delta method for both parts: target and ring are quasi-Poisson, and the ratio of the controls has the variance that
    their areas show about it (with divisor J - 1 for J). The set of quotients q at which ``N - q D`` is within t
    standard errors of zero is an interval where D is significant, and else is not bounded.

    References
    ----------
    Bowers and Johnson (2003), *Journal of Quantitative Criminology* 19(3), section on the weighted displacement
    quotient. Fieller (1954), *JRSS B* 16(2).

    Examples
    --------
    >>> even = np.array([[50.0, 50.0], [50.0, 50.0]])
    >>> made = Windows(np.array([100.0, 60.0]), np.array([100.0, 110.0]), even, (1, 1))
    >>> found = displacement_quotient([made], phi=1.0, t=1.96)
    >>> found.value, found.target, found.ring
    (-0.25, -40.0, 10.0)
    """
    N = D = var_n = var_d = 0.0
    J = len(cohorts[0].control)
    by_n, by_d = np.zeros(J), np.zeros(J)
    for c in cohorts:
        before, after = c.control.sum(axis=0)
        if before <= 0:
            return Quotient(math.nan, math.nan, math.nan, math.nan, math.nan)
        r = after / before
        N += c.ring[1] - r * c.ring[0]
        D += c.target[1] - r * c.target[0]
        var_n += phi * (c.ring[1] + r**2 * c.ring[0])
        var_d += phi * (c.target[1] + r**2 * c.target[0])
        off = (c.control[:, 1] - r * c.control[:, 0]) / before
        by_n += c.ring[0] * off
        by_d += c.target[0] * off
    shrink = J / (J - 1) if J > 1 else math.nan
    var_n, var_d = var_n + shrink * float(by_n @ by_n), var_d + shrink * float(by_d @ by_d)
    both = shrink * float(by_n @ by_d)
    if D >= 0:
        return Quotient(math.nan, math.nan, math.nan, float(D), float(N))
    a, b, c0 = D**2 - t**2 * var_d, N * D - t**2 * both, N**2 - t**2 * var_n
    if not a > 0:
        return Quotient(N / D, -math.inf, math.inf, float(D), float(N))
    root = math.sqrt(max(b**2 - a * c0, 0.0))
    return Quotient(float(N / D), float((b - root) / a), float((b + root) / a), float(D), float(N))


def displacement_difference(cohorts: list[Windows], phi: float) -> dict[str, Difference]:
    """Return the weighted displacement differences of the target, of the ring, and of both together.

    ``(T1 - T0) - w (C1 - C0)`` is the local difference of the target, and alike that of the ring; their sum is the
    total. The controls are weighted by w, the number of areas for one control area, so that they stand for as many
    areas. The variance is the sum of squared weights times counts.

    Parameters
    ----------
    cohorts : list of Windows
    phi : float
        Dispersion, for ``error``.

    Returns
    -------
    dict of str to Difference
        ``target``, ``ring`` and ``total``.

    References
    ----------
    Wheeler and Ratcliffe (2018), *Crime Science* 7:11, eq. 1-4.

    Examples
    --------
    >>> even = np.array([[100.0, 100.0]])
    >>> made = Windows(np.array([100.0, 60.0]), np.array([100.0, 110.0]), even, (1, 1))
    >>> found = displacement_difference([made], phi=1.0)
    >>> {name: d.value for name, d in found.items()}
    {'target': -40.0, 'ring': 10.0, 'total': -30.0}
    >>> round(found["target"].poisson_error ** 2)  # 100 + 60 + 100 + 100
    360
    """
    J = len(cohorts[0].control)
    found = {}
    for name, of in (("target", (1, 0)), ("ring", (0, 1)), ("total", (1, 1))):
        value = own = 0.0
        control = 0.0
        for c in cohorts:
            weight = (of[0] * c.areas[0] + of[1] * c.areas[1]) / J
            own_counts = of[0] * c.target + of[1] * c.ring
            totals = c.control.sum(axis=0)
            value += float(own_counts[1] - own_counts[0] - weight * (totals[1] - totals[0]))
            own += float(own_counts.sum())
            control += weight**2 * float(totals.sum())
        error = math.sqrt(own + control)
        found[name] = Difference(value, error, math.sqrt(phi) * error)
    return found
