"""Covariates of a design: which of them untreated cells say something of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svmodel.design import DesignArrays
from svmodel.errors import EstimationError, Problem, shorten
from svmodel.numerics.arrays import Floats, Mask
from svmodel.numerics.two_way import TwoWay


def split_covariates(arrays: DesignArrays) -> tuple[Floats | None, Floats | None, tuple[int, ...]]:
    """Split covariates into those that stand still over time and those that move.

    An area effect already holds the level of a covariate that stands still, so what it can adjust for is the trend: it
    gets a coefficient in every period (as Wooldridge 2021 interacts covariates with periods). One that moves gets one
    coefficient.

    Parameters
    ----------
    arrays : DesignArrays

    Returns
    -------
    slopes : ndarray, shape (N, S), or None
        The still covariates, centred and scaled.
    moving : ndarray, shape (N, T, K), or None
        The moving ones, centred and scaled; 0 where missing (the outcome is missing there too).
    still : tuple of int
        Which covariates stand still.
    """
    x = arrays.covariates
    if x.shape[2] == 0:
        return None, None, ()
    known = ~np.isnan(x)
    count = known.sum(axis=1)
    mean = np.divide(np.where(known, x, 0.0).sum(axis=1), count, out=np.zeros(count.shape), where=count > 0)
    apart = np.where(known, np.abs(x - mean[:, None, :]), 0.0).max(axis=(0, 1))
    size = np.where(known, np.abs(x), 0.0).max(axis=(0, 1))
    still = apart <= 1e-12 * np.maximum(size, 1e-300)

    centre = np.nanmean(x, axis=(0, 1))
    spread = scales(arrays)
    slopes = (mean[:, still] - centre[still]) / spread[still] if still.any() else None
    moving = (
        np.where(known[..., ~still], (x[..., ~still] - centre[~still]) / spread[~still], 0.0)
        if (~still).any()
        else None
    )
    return slopes, moving, tuple(int(k) for k in np.flatnonzero(still))


def scales(arrays: DesignArrays) -> Floats:
    """Return what covariates are divided by in a model, shape (K,): their standard deviation, 1 where there is none."""
    spread = np.nanstd(arrays.covariates, axis=(0, 1))
    return np.where(spread > 0, spread, 1.0)


def untold_covariates(arrays: DesignArrays, use: Mask | None = None, *, still: bool = True) -> tuple[int, ...]:
    """Return the covariates whose coefficient the untreated cells do not identify, in order.

    Parameters
    ----------
    arrays : DesignArrays
    use : ndarray of bool, shape (N, T), optional
        Untreated cells; all of the design where None.
    still : bool
        Whether covariates that stand still are asked about, with a coefficient in every period.

    Returns
    -------
    tuple of int
        Places among the design's covariates. Of covariates that are combinations of each other, all.

    Examples
    --------
    Hours of patrol, which only the treated area has:

    >>> import pandas as pd
    >>> from svmodel.design import Design, Intervention
    >>> from svmodel.panel import Panel
    >>> rows = [(a, y, n + y % 3, h * (y > 2021)) for a, n, h in [("A", 9, 2), ("B", 7, 0), ("C", 8, 0)]
    ...     for y in range(2020, 2024)]
    >>> frame = pd.DataFrame(rows, columns=["area", "year", "harms", "hours"])
    >>> panel = Panel.from_frame(frame, area="area", period="year", counts=["harms"], covariates=["hours"])
    >>> intervention = Intervention("patrols", {"A": 2022})
    >>> untold_covariates(Design(panel, outcome="harms", intervention=intervention, covariates="hours").arrays)
    (0,)
    """
    slopes, moving, which = split_covariates(arrays)
    if not still:
        slopes = None
    cells: NDArray[np.bool_] = arrays.untreated if use is None else use
    if (slopes is None and moving is None) or not cells.any():
        return ()
    terms = TwoWay(cells, slopes, None, moving)
    tied = terms.normal(cells.astype(np.float64)).tied
    B, W = terms.n_period_terms, terms.by_period.shape[1]
    moves = [k for k in range(arrays.covariates.shape[2]) if k not in which]
    found = {moves[j - B] for j in tied if j >= B}
    found |= {which[j % W - 1] for j in tied if j < B and j % W}
    return tuple(sorted(found))


def require_told(arrays: DesignArrays, *, still: bool = True) -> None:
    """Refuse covariates whose coefficient the untreated cells do not identify.

    Fitted to treated cells too, such a coefficient takes up the effect: with hours of patrol beside the effect of
    patrols, what is left is the effect that there would have been without any hours.

    Parameters
    ----------
    arrays : DesignArrays
    still : bool
        Whether covariates that stand still are asked about.

    Raises
    ------
    EstimationError
        With every such covariate by its name.
    """
    found = untold_covariates(arrays, still=still)
    if found:
        raise untold(arrays, found)


def untold(arrays: DesignArrays, which: tuple[int, ...]) -> EstimationError:
    """Return the refusal of some covariates."""
    names = [arrays.covariate_names[k] if arrays.covariate_names else f"number {k + 1}" for k in which]
    said = shorten(names).replace("'", "")
    one = len(names) == 1
    problems = [
        Problem(_why(arrays, k, name), where=name, fix=_FIX, rule="covariate_untold")
        for k, name in zip(which, names, strict=True)
    ]
    return EstimationError(
        f"{'the covariate' if one else 'the covariates'} {said} cannot be told apart from area and period effects in "
        "the untreated area-periods",
        problems,
    )


_FIX = (
    "Leave it out. If it is a part or a measure of the intervention (hours, a dose, a second programme that came with "
    "it), its effect is then in the effect that is estimated."
)


def _why(arrays: DesignArrays, k: int, name: str) -> str:
    """Say what untreated cells hold of a covariate."""
    x = arrays.covariates[:, :, k][arrays.untreated]
    x = x[~np.isnan(x)]
    if len(x) and float(np.ptp(x)) <= 1e-12 * max(float(np.abs(x).max()), 1e-300):
        return f"covariate {name!r} is {x[0]:g} in every untreated area-period, so that nothing says what it does"
    return (
        f"covariate {name!r} is, in untreated area-periods, no more than a level of each area, a level of each period "
        "and other covariates"
    )
