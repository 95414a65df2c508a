"""How far a count strays from its synthetic control: what placebo areas of another size are scaled with.

Without an exposure areas are compared by their numbers, and numbers of large areas stray further than those of small
ones. How much further hangs on overdispersion at the large area's own level, of which small areas tell nothing: with
phi and omega of ``phi m + omega m^2`` learnt from donors of 6 events a month an area of 300 found an effect where there
was none in 14% of studies at a nominal 5%. An area's own past tells it, whatever its level.
"""

from __future__ import annotations

import numpy as np

from svmodel.numerics.arrays import Floats

#: Share of the variance that Poisson counts would have, below which no area's noise is taken: where weights may follow
#: an area's noise before the start, and where a ridge keeps them from it.
_LEAST_FITTED, _LEAST = 1.0, 0.5


def levels(before: Floats) -> Floats:
    """Return the mean outcome of each area before the start, shape (N, T) to (N,).

    Half an event is added to the sum, so that an area without one has a noise too.
    """
    return np.asarray((before.sum(axis=-1) + 0.5) / before.shape[-1])


def own_variance(
    gap: Floats, own: Floats, weights: Floats, donors: Floats, *, centred: bool, fitted: bool = True
) -> float:
    """Return the variance of a gap in a period: what it was before the start, above a floor by its level.

    Parameters
    ----------
    gap : ndarray, shape (T,)
        Observed less synthetic before the start, of the mean of n areas.
    own : ndarray, shape (n,)
        Levels of these areas.
    weights, donors : ndarray, shape (J,)
        Weights and levels of the donors.
    centred : bool
        Whether a constant gap is no noise, because the method takes it off.
    fitted : bool
        Whether donors were chosen to follow the area closely, so that each takes a degree of freedom; a ridge that
        spreads weights over all of them leaves hardly any to be taken.

    Returns
    -------
    float
        In squared units of the outcome.

    Notes
    -----
    A gap divided by its root mean square before the start is what Abadie, Diamond and Hainmueller (2010) rank. The
    floor is for areas with hardly an event, and for weights that follow an area's noise before the start: they do not
    follow it after, and the closest fit is that of a small area among large donors. There it is the variance of Poisson
    counts; elsewhere half of that, so that it seldom takes part, as a floor that lifts the noise of some areas and not
    of others makes them unlike.

    Examples
    --------
    >>> even = np.array([0.5, 0.5])
    >>> own_variance(np.array([3.0, -3.0, 3.0, -3.0]), np.array([4.0]), even, 8 * even, centred=True, fitted=False)
    12.0
    >>> own_variance(np.zeros(4), np.array([4.0]), even, 8 * even, centred=True)
    6.0
    """
    n, periods = len(own), len(gap)
    lost = int(centred) + (int((weights != 0).sum()) - 1 if fitted else 0)
    square = float(((gap - gap.mean() if centred else gap) ** 2).sum()) / max(periods - lost, periods / 2, 1)
    floor = _LEAST_FITTED if fitted else _LEAST
    return max(square, floor * float(own.sum() / n**2 + weights**2 @ donors))


def roughness(gap: Floats) -> float:
    """Return the variance of a gap's noise from one period to the next, ``sum of squared steps / 2 (T - 1)``."""
    return float((np.diff(gap) ** 2).mean()) / 2
