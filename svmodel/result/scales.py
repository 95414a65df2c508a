"""Building the table of estimates: one place for intervals, p-values and scales.

Every estimator makes its rows here, so that a rate ratio's interval is always formed on the log scale
and the three scales of one estimate always agree in sign and in p-value.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from svmodel.design import Design
from svmodel.numerics.cluster import SmallSample
from svmodel.result.effect import COLUMNS

#: Estimate, standard error and limits of one effect.
Numbers: TypeAlias = tuple[float, float, float, float]
_KEYS = ("estimate", "std_error", "conf_low", "conf_high")
#: Largest exponent whose exponential is finite.
_LARGEST = 709.0


def critical_value(level: float = 0.95, df: float | None = None) -> float:
    """Return the two-sided critical value of Student's t with `df` degrees of freedom, or of the normal.

    Examples
    --------
    >>> round(critical_value(0.95), 4), round(critical_value(0.95, df=9), 4)
    (1.96, 2.2622)
    """
    from scipy import special

    upper = 0.5 + level / 2
    return float(special.ndtri(upper) if df is None or math.isinf(df) else special.stdtrit(df, upper))


_critical = functools.cache(critical_value)


def _p_value(ratio: float, df: float | None) -> float:
    from scipy import special

    if math.isnan(ratio):
        return math.nan
    tail = special.ndtr(-abs(ratio)) if df is None or math.isinf(df) else special.stdtr(df, -abs(ratio))
    return float(2 * tail)


def is_rounding(estimate: Any, std_error: Any, *, logarithm: bool = False) -> Any:
    """Return whether a standard error is nothing but rounding of its estimate, elementwise.

    A coefficient that one area alone determines is fitted without a residual, and a cluster-robust error of it
    comes out as zero or as some 1e-16 of it: p-values of 1e-40 from a single area. Such an error is not known. A
    reference period, whose estimate is zero by construction, keeps its error of zero. A `logarithm` has a unit of
    its own, so an error of 1e-10 is rounding of any estimate.

    Examples
    --------
    >>> is_rounding(-352.0, 1e-12), is_rounding(-352.0, 0.5), is_rounding(0.0, 0.0)
    (True, False, False)
    """
    size, error = np.abs(estimate), np.asarray(std_error)
    found = ((size > 0) | (error > 0)) & (error <= 1e-10 * np.maximum(size, 1.0 if logarithm else 0.0))
    return bool(found) if np.ndim(found) == 0 else found


def linear_row(
    term: str,
    scale: str,
    estimate: float,
    std_error: float,
    *,
    level: float = 0.95,
    df: float | None = None,
    critical: float | None = None,
    **which: Any,
) -> dict[str, Any]:
    """Return one row with a symmetric interval.

    Parameters
    ----------
    term, scale : str
    estimate, std_error : float
        On `scale`; a missing standard error gives a missing interval, and one that :func:`is_rounding` is missing.
    level : float
        Coverage of the interval.
    df : float, optional
        Degrees of freedom of Student's t; the normal where None.
    critical : float, optional
        Replaces the critical value, for simultaneous bands.
    **which
        area, cohort, period, horizon, prob_reduction.
    """
    if is_rounding(estimate, std_error, logarithm=scale == "rate_ratio"):
        std_error = math.nan
    z = critical_value(level, df) if critical is None else critical
    half = z * std_error
    return {
        "term": term,
        "scale": scale,
        "estimate": estimate,
        "std_error": std_error,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "level": level,
        "p_value": _p_value(estimate / std_error, df) if std_error > 0 else math.nan,
        **which,
    }


def log_row(
    term: str,
    log_estimate: float,
    log_std_error: float,
    *,
    level: float = 0.95,
    df: float | None = None,
    critical: float | None = None,
    **which: Any,
) -> dict[str, Any]:
    """Return one row on the scale ``rate_ratio``; interval and p-value are formed on the log scale.

    ``std_error`` is that of the ratio itself by the delta method, ``ratio * log_std_error``.

    Examples
    --------
    >>> row = log_row("att", 0.0, 0.1)
    >>> row["estimate"], round(row["conf_low"], 4), round(row["conf_high"], 4), row["p_value"]
    (1.0, 0.822, 1.2165, 1.0)
    """
    row = linear_row(term, "rate_ratio", log_estimate, log_std_error, level=level, df=df, critical=critical, **which)
    # A limit beyond the largest float is infinite, as it is with a nearly empty cell; it is no error.
    with np.errstate(over="ignore"):
        ratio, low, high = (float(v) for v in np.exp([log_estimate, row["conf_low"], row["conf_high"]]))
    return {**row, "estimate": ratio, "std_error": ratio * row["std_error"], "conf_low": low, "conf_high": high}


def widened_row(
    term: str,
    scale: str,
    estimate: float,
    std_error: float,
    small: SmallSample,
    *,
    level: float,
    logarithm: bool = False,
    **which: Any,
) -> dict[str, Any]:
    """Return one row whose interval and p-value are widened for few areas, and whose standard error is not.

    With `logarithm`, estimate and error are those of the log of a rate ratio.
    """
    wide = std_error * small.inflation
    if logarithm:
        row = log_row(term, estimate, wide, level=level, df=small.df, **which)
    else:
        row = linear_row(term, scale, estimate, wide, level=level, df=small.df, **which)
    return {**row, "std_error": row["std_error"] / small.inflation}


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


def on_scales(numbers: Numbers, factors: Iterable[tuple[str, float]], **shared: Any) -> list[dict[str, Any]]:
    """Return a row for each additive scale: the four numbers of an effect times the factor of the scale.

    Parameters
    ----------
    numbers : (estimate, std_error, low, high)
    factors : iterable of (scale, factor)
        As :meth:`PerCell.factors` gives them, where the numbers are events.
    **shared
        term, level, p_value, and by which the effect is known.
    """
    return [
        {"scale": scale, **{k: v * factor for k, v in zip(_KEYS, numbers, strict=True)}, **shared}
        for scale, factor in factors
    ]


def ratio_at(observed: Any, events: Any) -> Any:
    """Return the rate ratio ``O / (O - events)`` that holds the observed sum O, elementwise.

    Infinite where `events` comes to all that was observed or more, NaN where either is not known.

    Examples
    --------
    >>> float(ratio_at(80.0, -20.0)), float(ratio_at(80.0, 80.0)), float(ratio_at(80.0, float("-inf")))
    (0.8, inf, 0.0)
    """
    rest = np.subtract(observed, events)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rest > 0, observed / rest, np.where(np.isnan(rest), np.nan, np.inf))[()]


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
    shared = {"term": term, "level": level, **which}
    to_log = np.array([1 / observed, -1 / expected])
    variance = float(to_log @ covariance @ to_log)
    se = math.sqrt(max(variance, 0.0))
    ratio = observed / expected
    if is_rounding(math.log(ratio), se, logarithm=True):
        return _ratio_and_events(_bare(ratio), _bare(observed - expected), per, p_value=math.nan, **shared)
    half = _critical(level, small.df) * small.inflation * se
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
    return _ratio_and_events(
        (ratio, ratio * se, ratio * _exp(-half), ratio * _exp(half)),
        (observed - expected, events_se, events[0], events[1]),
        per,
        p_value=_p_value(math.log(ratio) / (small.inflation * se), small.df) if se > 0 else math.nan,
        **shared,
    )


def _ratio_and_events(ratio: Numbers, events: Numbers, per: PerCell, **shared: Any) -> list[dict[str, Any]]:
    return [*on_scales(ratio, [("rate_ratio", 1.0)], **shared), *on_scales(events, per.factors(), **shared)]


def _bare(estimate: float) -> Numbers:
    """Return an estimate of which no error is known."""
    return estimate, math.nan, math.nan, math.nan


def _exp(x: float) -> float:
    """Return e^x, infinite beyond what a float holds: an error so large bounds nothing."""
    return math.exp(x) if x < _LARGEST else math.inf


def ratio_of_difference(
    row: dict[str, Any], observed: float, expected: float, events: float, *, unit: float | None = None
) -> dict[str, Any]:
    """Return the rate ratio that a linear model's effect comes to, ``O / (O - events)``, holding the observed sum O.

    Parameters
    ----------
    row : dict
        The same effect on any additive scale; its limits are carried over and its p-value is kept.
    observed, expected : float
        Both positive.
    events : float
        ``observed - expected``; the estimate of `row` in events.
    unit : float, optional
        Events that one on the scale of `row` is worth. From the two estimates where None, which an effect of exactly
        zero does not show.
    """
    if unit is None:
        unit = events / row["estimate"] if row["estimate"] else np.nan
    ratio = observed / expected
    known = np.isfinite(row["conf_low"])
    return {
        **row,
        "scale": "rate_ratio",
        "estimate": ratio,
        "std_error": ratio**2 * abs(unit) * row["std_error"] / observed,
        "conf_low": ratio_at(observed, unit * row["conf_low"]) if known else np.nan,
        "conf_high": ratio_at(observed, unit * row["conf_high"]) if known else np.nan,
    }


def estimates_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows as the table of a Result, with every column in its place."""
    held = list(rows)
    texts = ("term", "scale", "area", "cohort", "period")
    columns: dict[str, object] = {}
    for name in COLUMNS:
        if name in texts:
            columns[name] = pd.Series([row.get(name) for row in held], dtype=object)
        else:
            columns[name] = np.array([row.get(name, math.nan) for row in held], dtype=np.float64)
    return pd.DataFrame(columns, columns=list(COLUMNS))


def provenance(design: Design, seed: int) -> dict[str, Any]:
    """Return what a result says of where it comes from; no times, so that reruns are byte-identical."""
    import svmodel

    return {
        "svmodel": svmodel.__version__,
        "seed": seed,
        "data_fingerprint": design.panel.fingerprint,
        "synthetic": design.panel.synthetic,
        "source": design.panel.source,
        "question": design.describe(),
        "negative": design.meaning.negative,
    }
