"""What areas add to the error of some coefficients of a two-way model, were these coefficients zero."""

from __future__ import annotations

import numpy as np

from svmodel.numerics.arrays import Floats, Ints
from svmodel.numerics.two_way import Normal, TwoWay


def influence_under_null(
    terms: TwoWay, normal: Normal, v: Floats, residual: Floats, theta: Floats, columns: Ints
) -> Floats:
    """Return each area's contribution to some coefficients, with residuals of the model without these coefficients.

    A cell that only one area has is fitted without error, and the area's noise is in no residual. Were the coefficient
    zero the cell would have to be fitted by the rest, and its distance from that is the noise.

    Parameters
    ----------
    terms : TwoWay
    normal : Normal
        Of `terms` with the weights `v`.
    v : ndarray, shape (N, T)
        Weights of the cells, or expected counts of a Poisson model; zero where a cell takes no part.
    residual : ndarray, shape (N, T)
        Observed less fitted, times the weight.
    theta : ndarray, shape (P,)
    columns : ndarray of int, shape (S,)
        Places in `theta` of the coefficients.

    Returns
    -------
    ndarray, shape (N, S)
        They sum to the coefficients; the cross product is a covariance under the null.

    Notes
    -----
    With Z the columns, and what the others and the area effects explain of them taken out, the residuals of the model
    without them are ``e + Z theta`` (Frisch, Waugh and Lovell); for Poisson the same is done at the fitted weights.

    References
    ----------
    Kline and Santos (2012), *Journal of Econometric Methods* 1(1): scores with the null imposed.

    Examples
    --------
    >>> from svmodel.numerics.two_way.linear_fe import fit_linear
    >>> use = np.ones((3, 2), dtype=bool)
    >>> terms = TwoWay(use, group=np.array([[-1, 0], [-1, -1], [-1, -1]]))
    >>> fit = fit_linear(np.array([[0.0, 4.0], [0.0, 1.0], [0.0, -1.0]]), terms)
    >>> v, at = use.astype(float), np.array([2])
    >>> fit.influence[:, 2].round(6).tolist()  # the area that has the effect to itself shows no error
    [0.0, -0.5, 0.5]
    >>> influence_under_null(terms, fit.normal, v, fit.residual, fit.theta, at)[:, 0].round(6).tolist()
    [2.666667, 0.166667, 1.166667]
    """
    unit = np.zeros((terms.size, len(columns)))
    unit[columns, np.arange(len(columns))] = 1.0
    back = normal.solve(unit)
    own = back @ np.linalg.pinv(back[columns], hermitian=True) @ theta[columns]
    shift = np.where(v > 0, terms.index(own), 0.0)
    total = v.sum(axis=1)
    mean = np.divide((v * shift).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    kept = residual + v * (shift - mean[:, None])
    return np.asarray(terms.area_sums(kept) @ back)
