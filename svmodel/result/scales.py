"""Building the table of estimates: one place for intervals, p-values and scales.

Every estimator makes its rows here, so that a rate ratio's interval is always formed on the log scale
and the three scales of one estimate always agree in sign and in p-value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from svmodel.design import Design
from svmodel.result.effect import COLUMNS


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


def _p_value(ratio: float, df: float | None) -> float:
    from scipy import special

    if math.isnan(ratio):
        return math.nan
    tail = special.ndtr(-abs(ratio)) if df is None or math.isinf(df) else special.stdtr(df, -abs(ratio))
    return float(2 * tail)


def is_rounding(estimate: Any, std_error: Any, *, logarithm: bool = False) -> Any:
    """Return whether a standard error is nothing but rounding beside its estimate, elementwise.

    A coefficient that one area alone determines is fitted without a residual, and a cluster-robust error of it
    comes out as zero or as some 1e-16 of it: p-values of 1e-40 from a single area. Such an error is not known. A
    reference period, whose estimate is zero by construction, keeps its error of zero. A `logarithm` has a unit of
    its own, so an error of 1e-10 is rounding beside any estimate.

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
    }
