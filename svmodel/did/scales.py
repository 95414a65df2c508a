"""One effect as rows on every scale, from observed and expected sums."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.resampling.conley_taber import PlaceboSums
from svmodel.numerics.resampling.placebo_noise import ratio_interval
from svmodel.result import scales as estimates

critical_value = functools.cache(estimates.critical_value)

#: Largest exponent whose exponential is finite.
_LARGEST = 709.0


@dataclass(frozen=True)
class PerCell:
    """What turns events into the other scales.

    Parameters
    ----------
    cells : float
        Treated area-periods; the difference is events by this.
    exposure : float or None
        Person-periods; the rate per 100,000 is events by this, times 100,000.
    events : bool
        Whether the sums are events (they are not in an average of averages).
    """

    cells: float
    exposure: float | None
    events: bool = True

    def factors(self) -> Iterator[tuple[str, float]]:
        """Give each additive scale with its factor on events."""
        yield "difference", 1 / self.cells
        if self.exposure is not None and self.exposure > 0:
            yield "per_100k", 1e5 / self.exposure
        if self.events:
            yield "events", 1.0


@dataclass(frozen=True)
class _Interval:
    ratio: tuple[float, float, float, float]  # estimate, std_error, low, high
    events: tuple[float, float, float, float]
    p_value: float
    which: dict[str, Any] = field(default_factory=dict)

    def rows(self, term: str, per: PerCell, level: float) -> list[dict[str, Any]]:
        keys = ("estimate", "std_error", "conf_low", "conf_high")
        shared = {"term": term, "level": level, "p_value": self.p_value, **self.which}
        out = [{"scale": "rate_ratio", **dict(zip(keys, self.ratio, strict=True)), **shared}]
        for scale, factor in per.factors():
            out.append({"scale": scale, **{k: v * factor for k, v in zip(keys, self.events, strict=True)}, **shared})
        return out


def from_influence(
    term: str,
    observed: float,
    expected: float,
    covariance: np.ndarray,
    per: PerCell,
    *,
    level: float,
    small: SmallSample,
    **which: Any,
) -> list[dict[str, Any]]:
    """Return the rows of one effect whose uncertainty comes from influences.

    Parameters
    ----------
    term : str
    observed, expected : float
        Both positive.
    covariance : ndarray, shape (2, 2)
        Of the observed and the expected sum.
    per : PerCell
    level : float
        Coverage.
    small : SmallSample
        How much wider than the standard error alone says the interval is, and its degrees of freedom.
    **which
        area, cohort, period, horizon.

    Notes
    -----
    ``std_error`` is the delta method's on each scale, from the covariance as given; `small` enters the intervals and
    the p-value only, so that standard errors stay comparable with those of other software.

    The interval of the rate ratio is formed on the log scale, and those of the additive scales follow it, with one
    p-value. They are for the events of the area-periods as they were. Let the log ratio move to its limit. As far as
    its error is shocks that these area-periods really had, with or without the intervention, the observed sum is a
    fact, and the expected sum moves: ``observed (1 - 1 / limit)``. As far as it is chance in the count, observed and
    expected move along their regressions on the log ratio. Chance is given the variance of a Poisson count.
    """
    to_log = np.array([1 / observed, -1 / expected])
    variance = float(to_log @ covariance @ to_log)
    se = math.sqrt(max(variance, 0.0))
    ratio = observed / expected
    if estimates.is_rounding(math.log(ratio), se, logarithm=True):
        unknown = (math.nan, math.nan, math.nan)
        return _Interval((ratio, *unknown), (observed - expected, *unknown), math.nan, which).rows(term, per, level)
    half = critical_value(level, small.df) * small.inflation * se
    # the share of a move of the log ratio that is the observed sum's; the rest is the expected sum's
    share = float((covariance @ to_log)[0]) / observed / variance if variance > 0 else 0.5
    share = min(max(share, 0.0), 1.0)
    chance = min(1.0, 1 / (observed * share * variance)) if per.events and share * variance > 0 else 1.0
    events = [
        chance * (observed * _exp(share * k) - expected * _exp((share - 1) * k))
        + (1 - chance) * (observed - expected * _exp(-k))
        for k in (-half, half)
    ]
    one = np.array([1.0, -1.0])
    events_se = math.sqrt(max(float(one @ covariance @ one), 0.0))
    return _Interval(
        (ratio, ratio * se, ratio * _exp(-half), ratio * _exp(half)),
        (observed - expected, events_se, events[0], events[1]),
        _two_sided(math.log(ratio) / (small.inflation * se), small.df) if se > 0 else math.nan,
        which,
    ).rows(term, per, level)


def from_noise(
    term: str,
    observed: float,
    expected: float,
    noise: tuple[float, float, float],
    placebos: PlaceboSums,
    per: PerCell,
    *,
    level: float,
    **which: Any,
) -> list[dict[str, Any]]:
    """Return the rows of one effect whose uncertainty was learnt from untreated areas.

    Parameters
    ----------
    term : str
    observed, expected : float
        `expected` positive.
    noise : (linear, square, square_observed)
        ``Var(observed - R expected) = linear R + square R^2``; the last is the part of `square` that belongs to the
        observed sum. NaN where no noise could be learnt: then estimates stand without an interval.
    placebos : PlaceboSums
        What the miss in standard deviations would come to without an effect.
    per, level, **which
        As in :func:`from_influence`.

    Notes
    -----
    The intervals are those of score tests (:func:`svmodel.numerics.resampling.placebo_noise.ratio_interval`): of the
    ratio R, with the variance of ``observed - R expected``; of the events, with that of
    ``observed - R M - (expected - M)`` about the count M that was truly to be expected, in which the error of
    `expected` does not shrink with R. At no effect both are one test, so that all scales agree on significance.
    """
    linear, square, square_observed = noise
    ratio, events = observed / expected, observed - expected
    if math.isnan(linear) or math.isnan(square):
        nan = math.nan
        return _Interval((ratio, nan, nan, nan), (events, nan, nan, nan), nan, which).rows(term, per, level)
    critical = placebos.critical(level)
    low, high = ratio_interval(observed, expected, linear, square, critical)
    fixed = square - square_observed
    least, most = ratio_interval(observed, expected, linear, square_observed, critical, fixed)
    ratio_se = math.sqrt(linear * ratio + square * ratio**2) / expected
    events_se = math.sqrt(linear * ratio + square_observed * ratio**2 + fixed)
    at_one = math.sqrt(linear + square)
    return _Interval(
        (ratio, ratio_se, min(low, ratio), max(high, ratio)),
        (events, events_se, min(expected * (least - 1), events), max(expected * (most - 1), events)),
        placebos.p_value(events / at_one) if at_one > 0 else math.nan,
        which,
    ).rows(term, per, level)


def _exp(x: float) -> float:
    """Return e^x, infinite beyond what a float holds: an error so large bounds nothing."""
    return math.exp(x) if x < _LARGEST else math.inf


def _two_sided(ratio: float, df: float) -> float:
    from scipy import special

    return float(2 * special.stdtr(df, -abs(ratio)))
