"""Wooldridge's regression with an effect for each cohort in place of one for each area, linear and Poisson.

Nothing ties the treated cells to the others but the coefficients of the untreated ones, because each cohort-period has
its own level and its own slopes: the saturated regression is one model of the untreated cells and one small one for
each cohort-period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svmodel.design import DesignArrays
from svmodel.did.expected_linear import Predicted, cohort_periods, pools
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints, Mask
from svmodel.numerics.cluster import crv1_factor

_DEPENDENT = 1e-10
_STEPS = 100


@dataclass(frozen=True, eq=False)
class _Model:
    """A regression of rows on columns, with the inverse of its information on what is identified."""

    beta: Floats
    mu: Floats
    inverse: Floats
    null: Floats  # (P, D): combinations of the columns that the rows say nothing about
    rank: int


def _columns(arrays: DesignArrays, label: Ints) -> Floats:
    """Return cohort and period effects, and the covariates' slopes by cohort and by period, shape (N, T, P)."""
    N, T = arrays.y.shape
    x = arrays.covariates
    centre = np.nanmean(x, axis=(0, 1)) if x.shape[2] else np.empty(0)
    spread = np.nanstd(x, axis=(0, 1)) if x.shape[2] else np.empty(0)
    scaled = np.nan_to_num((x - centre) / np.where(spread > 0, spread, 1.0))
    base = np.concatenate([np.ones((N, T, 1)), scaled], axis=2)
    of_cohort = np.eye(int(label.max()) + 1)[label]
    of_period = np.eye(T)
    parts = [(base[:, :, k, None] * of_cohort[:, None, :]) for k in range(base.shape[2])]
    parts += [(base[:, :, k, None] * of_period[None, :, :]) for k in range(base.shape[2])]
    return np.concatenate(parts, axis=2)


def _labels(arrays: DesignArrays) -> Ints:
    """Give each cohort a number; areas that do not start within the periods are one."""
    start = np.where(arrays.start < len(arrays.periods), arrays.start, len(arrays.periods))
    return np.unique(start, return_inverse=True)[1].astype(np.int64)


def _fit(X: Floats, y: Floats, exposure: Floats | None, family: str) -> _Model:
    """Fit by least squares or by Poisson quasi-likelihood, leaving alone what the rows say nothing about."""
    scale = np.sqrt((X**2).sum(axis=0))
    Z = X / np.where(scale > 0, scale, 1.0)

    def inverse(w: Floats) -> tuple[Floats, Floats]:
        values, vectors = np.linalg.eigh(Z.T @ (w[:, None] * Z))
        live = values > _DEPENDENT * values[-1]
        return (vectors[:, live] / values[live]) @ vectors[:, live].T, vectors[:, ~live]

    ones = np.ones(len(y))
    plain, null = inverse(ones)
    rank = X.shape[1] - null.shape[1]
    beta = plain @ (Z.T @ y)
    mu = Z @ beta
    H = plain
    if family == "poisson":
        offset = np.zeros(len(y)) if exposure is None else np.log(exposure)
        beta = plain @ (Z.T @ (np.log(np.maximum(y, 0.5 * y.mean())) - offset))
        keep = np.eye(X.shape[1]) - null @ null.T

        def loss(b: Floats) -> tuple[Floats, float]:
            eta = np.minimum(Z @ b + offset, 300.0)
            m = np.exp(eta)
            return m, float(m.sum() - y @ eta)

        mu, value = loss(beta)
        for _ in range(_STEPS):
            information = Z.T @ (mu[:, None] * Z) + null @ null.T * mu.sum()
            try:
                step = keep @ np.linalg.solve(information, Z.T @ (y - mu))
            except np.linalg.LinAlgError as error:
                raise EstimationError("the Poisson fit broke down: some columns have no event") from error
            for _halving in range(40):
                new, lower = loss(beta + step)
                if lower <= value + 1e-12 * abs(value):
                    break
                step = step / 2
            beta, mu, value = beta + step, new, lower
            if np.abs(Z @ step).max() < 1e-10:
                break
        else:
            raise EstimationError(
                "the Poisson fit did not settle: a coefficient runs away because the outcome is zero wherever its "
                'column is not. Use effects="area", which leaves such cells out'
            )
        H = keep @ np.linalg.inv(Z.T @ (mu[:, None] * Z) + null @ null.T * mu.sum()) @ keep
    unit = np.where(scale > 0, scale, 1.0)
    return _Model(beta / unit, mu, H / np.outer(unit, unit), null / unit[:, None], rank)


def _informative(arrays: DesignArrays, use: Mask, label: Ints, family: str) -> Mask:
    """Return the untreated cells whose cohort and period have events; a Poisson mean of the others is zero."""
    if family == "linear":
        return use
    keep, events = use, np.where(use, arrays.y, 0.0)
    while True:
        kept = np.where(keep, events, 0.0)
        cohorts = np.bincount(label, weights=kept.sum(axis=1)) > 0
        less = keep & cohorts[label][:, None] & (kept.sum(axis=0) > 0)[None, :]
        if (less == keep).all():
            return keep
        keep = less


def _predict(arrays: DesignArrays, family: str) -> tuple[_Model, Floats, Mask, Mask, Floats]:
    """Return the model of the untreated cells, its columns, the cells used, the treated ones reached, all means."""
    use: Mask = arrays.untreated
    treated: Mask = arrays.treated
    if family == "poisson" and (np.where(use | treated, arrays.y, 0.0) < 0).any():
        raise EstimationError("a Poisson model needs an outcome that is never negative; use family='linear'")
    label = _labels(arrays)
    used = _informative(arrays, use, label, family)
    if not used.any():
        raise EstimationError("no untreated area-period has an outcome to learn from")
    Z = _columns(arrays, label)
    exposure = None if arrays.exposure is None or family == "linear" else arrays.exposure[used]
    model = _fit(Z[used], arrays.y[used], exposure, family)
    # what its cohort and its period leave open is not identified; a silent cohort or period has an expected count of 0
    size = np.sqrt((Z**2).sum(axis=2))
    null = model.null / np.maximum(np.sqrt((model.null**2).sum(axis=0)), 1e-300)
    open_: Mask = np.abs(Z @ null).max(axis=2) > 1e-7 * size if null.shape[1] else np.zeros(use.shape, dtype=bool)
    silent = np.zeros(use.shape, dtype=bool)
    if family == "poisson":
        events = np.where(use, arrays.y, 0.0)
        known = np.asarray(np.bincount(label, weights=use.sum(axis=1)) > 0)
        cohorts = known & (np.bincount(label, weights=events.sum(axis=1)) == 0)
        seen = np.asarray(use.any(axis=0))
        periods = seen & (events.sum(axis=0) == 0)
        silent = (cohorts[label][:, None] & seen[None, :]) | (periods[None, :] & known[label][:, None])
    target = np.asarray(treated & (~open_ | silent))
    index = Z @ model.beta
    if family == "linear":
        mean = index
    else:
        with np.errstate(over="ignore"):
            mean = np.exp(index) * (1.0 if arrays.exposure is None else arrays.exposure)
        mean = np.where(silent, 0.0, mean)
    return model, Z, used, target, np.where(target, mean, 0.0)


def cohort_att(arrays: DesignArrays, family: str) -> float:
    """Return the average effect: a difference, or a log rate ratio; NaN where there is none."""
    try:
        _, _, _, target, expected = _predict(arrays, family)
    except EstimationError:
        return float("nan")
    if not target.any():
        return float("nan")
    O, E = float(arrays.y[target].sum()), float(expected[target].sum())
    if family == "linear":
        return (O - E) / float(target.sum())
    with np.errstate(divide="ignore"):
        return float(np.log(O) - np.log(E)) if E > 0 else float("nan")


def impute_by_cohort(arrays: DesignArrays, family: str, few: int) -> Predicted:
    """Impute the treated cells by cohort effects, period effects and covariates with slopes by cohort and by period.

    Parameters
    ----------
    arrays : DesignArrays
    family : {"linear", "poisson"}
    few : int
        See :class:`~svmodel.did.expected_linear.Predicted`.

    Raises
    ------
    EstimationError
        If no treated cell is identified, or a Poisson fit does not settle.

    References
    ----------
    Wooldridge (2025), *Empirical Economics* 69(5), eq. 5.3 (pooled least squares). Wooldridge (2023), *Econometrics
    Journal* 26(3), eq. 3.12 (pooled Poisson). R's etwfe with its default of cohort effects is this regression.
    """
    model, Z, used, target, expected = _predict(arrays, family)
    if not target.any():
        raise EstimationError(
            "no treated area-period has an expected outcome: no period after the first start has an untreated area, "
            "or the treated cohorts have no known outcome before their start"
        )
    cells = cohort_periods(arrays, target)
    residual = np.zeros(used.shape)
    residual[used] = arrays.y[used] - model.mu
    score = np.einsum("nt,ntp->np", residual, Z)
    slope = expected if family == "poisson" else target.astype(np.float64)
    gradient = np.stack([slope[rows, t] @ Z[rows, t] for _, t, rows in cells])
    own, columns = _own(arrays, target, expected, family, few)
    n_clusters = arrays.units.count(used.any(axis=1) | target.any(axis=1))
    factor = crv1_factor(int((used | target).sum()), model.rank + columns, n_clusters)
    return Predicted(arrays, target, expected, own, gradient, score @ model.inverse, few, factor, n_clusters)


def _own(arrays: DesignArrays, target: Mask, expected: Floats, family: str, few: int) -> tuple[Floats, int]:
    """Return residuals of treated outcomes in their cohort-period's own regression, and its coefficients."""
    own = np.zeros(target.shape)
    pool = pools(arrays, target, few)
    O, E = float(arrays.y[target].sum()), float(expected.sum())
    columns = 0
    for _, t, rows in cohort_periods(arrays, target):
        y, mu = arrays.y[rows, t], expected[rows, t]
        if pool[rows[0]] == -2:
            own[rows, t] = y - (mu + (O - E) / target.sum() if family == "linear" else mu * (O / E if E > 0 else 1.0))
            columns += 1
            continue
        x = arrays.covariates[rows, t]
        # slopes of their own where there are areas enough to leave a residual
        X = np.column_stack([np.ones(len(rows)), x - x.mean(axis=0)])[
            :, : 1 + x.shape[1] * (len(rows) > 1 + x.shape[1])
        ]
        exposure = None if arrays.exposure is None else arrays.exposure[rows, t]
        if family == "poisson" and not y.any():
            continue
        try:
            fitted = _fit(X, y, exposure if family == "poisson" else None, family)
        except EstimationError:
            fitted = _fit(X[:, :1], y, exposure, family)
        own[rows, t] = y - fitted.mu
        columns += fitted.rank
    return own, columns
