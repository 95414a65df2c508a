"""Wild cluster bootstrap of one contrast of a regression, without a refit: draws by matrix products."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svmodel.errors import EstimationError, did_you_mean
from svmodel.numerics.arrays import Floats
from svmodel.numerics.cluster.cr_variance import ClusterRegression
from svmodel.numerics.cluster.multiplier_bootstrap import multipliers

_WEBB = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])
#: Two statistics that differ by this share are equal: enumeration holds the sample itself, up to rounding.
_TIE = 1e-9
#: Room for a p-value of `alpha` to be one in spite of rounding: 1 - 0.8 is 0.19999999999999996.
_WHOLE = 1e-12
#: Draws worked on at a time.
_CHUNK = 2_000


def wild_weights(kind: str, n_clusters: int, draws: int, rng: np.random.Generator) -> tuple[Floats, bool]:
    """Return weights of mean 0 and variance 1 for each cluster and draw, all of them where there are no more.

    Parameters
    ----------
    kind : {"rademacher", "webb"}
        ``rademacher`` is -1 or +1; ``webb`` minus or plus the roots of 1/2, 1 and 3/2 with equal probability, for
        few clusters, whose signs alone give few different draws.
    n_clusters, draws : int
    rng : numpy.random.Generator

    Returns
    -------
    weights : ndarray, shape (B, n_clusters)
        With ``B = draws``, or fewer where every combination is listed.
    enumerated : bool

    References
    ----------
    Cameron, Gelbach and Miller (2008), *Review of Economics and Statistics* 90(3). Webb (2023), *Canadian Journal of
    Economics* 56(3): six points.

    Examples
    --------
    >>> weights, enumerated = wild_weights("rademacher", 3, 99, np.random.default_rng(0))
    >>> weights.shape, enumerated
    ((8, 3), True)
    """
    if kind not in ("rademacher", "webb"):
        raise EstimationError(f"there are no weights {kind!r}; {did_you_mean(kind, ['rademacher', 'webb'])}")
    points = np.array([-1.0, 1.0]) if kind == "rademacher" else _WEBB
    if n_clusters * np.log(len(points)) <= np.log(draws):
        listed = itertools.product(points, repeat=n_clusters)
        return np.array(list(listed)).reshape(-1, n_clusters), True
    if kind == "rademacher":
        return multipliers(draws, n_clusters, rng).astype(np.float64), False
    return _WEBB[rng.integers(0, 6, (draws, n_clusters))], False


def all_signs(n_clusters: int) -> Floats:
    """Return the one draw that leaves the sample as it is, shape (1, n_clusters)."""
    return np.ones((1, n_clusters))


@dataclass(frozen=True, eq=False)
class WildDraws:
    """Statistics of every draw, as functions of how far the null lies from the estimate.

    With ``d = estimate - null``, the score of a draw is ``n0 + d n1`` and the sum of squares of its clusters' scores,
    after the draw's own fit, ``a00 + 2 d a01 + d^2 a11``.
    """

    n0: Floats
    n1: Floats
    a00: Floats
    a01: Floats
    a11: Floats

    def squared_t(self, distance: float) -> Floats:
        """Return the squared t statistics of the draws for the null at ``estimate - distance``, shape (B,).

        Infinite where a draw has no variance left: it then counts as more extreme than anything.
        """
        score = self.n0 + distance * self.n1
        spread = self.a00 + 2 * distance * self.a01 + distance**2 * self.a11
        size = self.a00 + distance**2 * self.a11
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 1e-14 * size, score**2 / spread, np.inf)


def wild_draws(fit: ClusterRegression, contrast: Floats, weights: Floats) -> WildDraws:
    """Prepare the wild cluster bootstrap of ``contrast' beta``.

    Parameters
    ----------
    fit : ClusterRegression
        Its residuals those of the unrestricted fit; or of a fit under a null, and then only the distance 0 has a
        meaning.
    contrast : ndarray, shape (P,)
    weights : ndarray, shape (B, G)

    Returns
    -------
    WildDraws

    Notes
    -----
    With M = (X'X)^-1, the regressor that the contrast is the coefficient of is ``x = X M c / (c' M c)``, what is left
    of it after all other columns. Residuals under the null are ``u(d) = u + d x`` in every cluster. A draw multiplies
    them by ``v_g``; its score is ``sum_g v_g x_g' u_g``, and after its own fit cluster g scores
    ``v_g x_g' u_g - (x_g' X_g) M sum_h X_h' u_h v_h``. Nothing is refitted, and all is linear in d: one pass serves
    every null that the inversion of the test asks for. The factor of CR1 is the same in the sample and in every draw,
    and stays out.

    References
    ----------
    Roodman, MacKinnon, Nielsen and Webb (2019), *Stata Journal* 19(1) (the algebra). Cameron, Gelbach and
    Miller (2008), *Review of Economics and Statistics* 90(3) (the null imposed).

    Examples
    --------
    >>> from svmodel.numerics.cluster.cr_variance import of_rows
    >>> y = np.array([1.0, 2.0, 4.0, 5.0])
    >>> fit = of_rows(np.ones((4, 1)), y - 3.0, np.arange(4))
    >>> draws = wild_draws(fit, np.ones(1), all_signs(4))
    >>> float(draws.squared_t(3.0)[0]) == 12.0**2 / 10.0
    True
    """
    M = fit.bread
    x = fit.columns @ (M @ contrast) / float(contrast @ M @ contrast)
    J = np.einsum("gnp,gn->gp", fit.columns, x) @ M
    s0, s1 = (x * fit.residual).sum(axis=1), (x**2).sum(axis=1)
    S0, S1 = fit.scores, np.einsum("gnp,gn->gp", fit.columns, x)
    parts: list[list[Floats]] = []
    for first in range(0, len(weights), _CHUNK):
        v = weights[first : first + _CHUNK]
        d0 = v * s0 - (v @ S0) @ J.T
        d1 = v * s1 - (v @ S1) @ J.T
        sums = [np.einsum("bg,bg->b", p, q) for p, q in ((d0, d0), (d0, d1), (d1, d1))]
        parts.append([v @ s0, v @ s1, *sums])
    return WildDraws(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def group_statistics(influence: Floats, group: NDArray[np.int64], weights: Floats) -> Floats:
    """Return squared t statistics of the score bootstrap of an estimate that is known by its influence alone.

    Parameters
    ----------
    influence : ndarray, shape (G,)
        What each cluster adds to the error of the estimate; sums to about zero within each group.
    group : ndarray of int, shape (G,)
        Clusters that share a fitted mean. A draw's own mean is taken off before its variance, as a refit would.
    weights : ndarray, shape (B, G)

    Returns
    -------
    ndarray, shape (B,)

    References
    ----------
    Kline and Santos (2012), *Journal of Econometric Methods* 1(1): perturbed scores instead of refits.
    """
    _, label = np.unique(group, return_inverse=True)
    member = np.eye(int(label.max(initial=0)) + 1)[label]
    n = member.sum(axis=0)
    drawn = weights * influence
    left = drawn - (drawn @ member / n) @ member.T
    spread = np.einsum("bg,bg->b", left, left)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared: Floats = np.where(
            spread > 1e-14 * float((influence**2).sum()), drawn.sum(axis=1) ** 2 / spread, np.inf
        )
    return squared


def share_at_least(drawn: Floats, observed: float, *, enumerated: bool) -> float:
    """Return the p-value: the share of draws at least as large as what was observed.

    Of draws that list every combination the sample is one; of random draws it is counted as one more, which keeps the
    level of the test (Davison and Hinkley 1997, section 4.2).

    Examples
    --------
    >>> share_at_least(np.array([1.0, 2.0, 3.0]), 2.0, enumerated=False)
    0.75
    """
    reached = int((drawn >= observed * (1 - _TIE)).sum())
    return reached / len(drawn) if enumerated else (1 + reached) / (1 + len(drawn))


def invert(
    p_value: Callable[[float], float], estimate: float, scale: float, alpha: float, *, tolerance: float = 1e-6
) -> tuple[float, float]:
    """Return the hull of all nulls that a test does not reject.

    Parameters
    ----------
    p_value : callable
        Of the null; NaN where it cannot be tested.
    estimate, scale : float
        Where to start, and a step that suits (the standard error).
    alpha : float
        A null with a p-value of `alpha` or less is rejected.
    tolerance : float
        Of a limit, in units of `scale`.

    Returns
    -------
    low, high : float
        Infinite on a side on which no null, however far, is rejected or can be tested.

    Notes
    -----
    Steps outward grow by a quarter until three in a row are rejected, so that a p-value that falls, rises and falls
    again does not end the interval early; between the last null kept and the next, bisection.

    Examples
    --------
    >>> from scipy import stats
    >>> low, high = invert(lambda b: 2 * stats.norm.sf(abs(b - 1)), 1.0, 1.0, 0.05)
    >>> round(low, 3), round(high, 3)
    (-0.96, 2.96)
    """
    limit = alpha + _WHOLE

    def side(sign: float) -> float:
        kept, first_out, rejected = 0.0, np.nan, 0
        step = 0.5
        for _ in range(60):
            p = p_value(estimate + sign * step * scale)
            if np.isnan(p):
                return sign * np.inf
            if p > limit:
                kept, rejected, first_out = step, 0, np.nan
            else:
                first_out = step if np.isnan(first_out) else first_out
                rejected += 1
                if rejected == 3:
                    break
            step *= 1.25
        else:
            return sign * np.inf
        inside, outside = kept, first_out
        while outside - inside > tolerance:
            middle = (inside + outside) / 2
            inside, outside = (
                (middle, outside) if p_value(estimate + sign * middle * scale) > limit else (inside, middle)
            )
        return float(estimate + sign * outside * scale)

    return side(-1.0), side(1.0)
