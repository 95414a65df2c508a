"""Coefficients of covariates, as a table of the result: what a model took out, and no effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svmodel.design import DesignArrays
from svmodel.design.covariates import scales, split_covariates
from svmodel.numerics.arrays import Ints
from svmodel.numerics.two_way.linear_fe import LinearFit
from svmodel.numerics.two_way.poisson_fe import PoissonFit
from svmodel.result.scales import critical_value

COLUMNS = ("covariate", "period", "horizon", "scale", "estimate", "std_error", "conf_low", "conf_high", "level")


def covariate_table(
    arrays: DesignArrays,
    fit: LinearFit | PoissonFit | None,
    *,
    factor: float,
    n_clusters: int,
    level: float,
    area: Ints | None = None,
    horizons: Ints | None = None,
) -> pd.DataFrame | None:
    """Return the coefficients of covariates in a two-way regression.

    Parameters
    ----------
    arrays : DesignArrays
    fit : LinearFit or PoissonFit or None
        With the covariates as :func:`svmodel.design.covariates.split_covariates` has them.
    factor : float
        Small-sample factor of the variance.
    n_clusters : int
        Less one, the degrees of freedom.
    level : float
        Coverage of intervals.
    area : ndarray of int, shape (R,), optional
        Area of each row of the fit, where an area has several.
    horizons : ndarray of int, shape (W,), optional
        Of the columns of the fit, where these are no periods.

    Returns
    -------
    pandas.DataFrame or None
        One row a covariate; one that stands still over time has one a period (or horizon) but the reference's, to which
        its trend is relative. ``estimate`` is for one unit of the covariate: in the outcome's units (``difference``)
        or a log rate ratio (``log_rate_ratio``). None without covariates.
    """
    _, _, still = split_covariates(arrays)
    K = arrays.covariates.shape[2]
    if fit is None or K == 0:
        return None
    names = [arrays.covariate_names[k] if arrays.covariate_names else f"number {k + 1}" for k in range(K)]
    unit = scales(arrays)
    terms, influence = fit.terms, fit.influence
    if area is not None:
        rows, influence = influence, np.zeros((len(arrays.areas), influence.shape[1]))
        np.add.at(influence, area, rows)
    error = np.sqrt(factor * (arrays.units.sums(influence) ** 2).sum(axis=0))
    times = list(arrays.periods) if horizons is None else [None] * len(horizons)
    T, W, moving = terms.shape[1], terms.by_period.shape[1], [k for k in range(K) if k not in still]
    first = W - len(still)
    places: list[tuple[int, int | None, int]] = [
        (k, t, t * W + first + s) for s, k in enumerate(still) for t in range(T)
    ]
    places += [(k, None, terms.size - len(moving) + m) for m, k in enumerate(moving)]
    critical = critical_value(level, float(max(n_clusters - 1, 1)))
    made = []
    for k, t, at in places:
        if not error[at] > 0:
            continue
        estimate, spread = float(fit.theta[at] / unit[k]), float(error[at] / unit[k])
        made.append(
            {
                "covariate": names[k],
                "period": None if t is None else times[t],
                "horizon": np.nan if t is None or horizons is None else float(horizons[t]),
                "scale": "difference" if isinstance(fit, LinearFit) else "log_rate_ratio",
                "estimate": estimate,
                "std_error": spread,
                "conf_low": estimate - critical * spread,
                "conf_high": estimate + critical * spread,
                "level": level,
            }
        )
    table = pd.DataFrame(made, columns=list(COLUMNS))
    for column in ("covariate", "period", "scale"):
        table[column] = table[column].astype(object)
    return table
