"""Effects by time since the start, averaged over groups of neighbouring horizons, with the groups' covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Ints
from svmodel.result.effect import JointEstimate


@dataclass(frozen=True, eq=False)
class GroupedEvents:
    """An event study by groups of horizons.

    Attributes
    ----------
    table : pandas.DataFrame
        ``horizon`` (the group's first), ``until`` (its last), ``horizons`` (how many are known), ``estimate``,
        ``std_error``, ``conf_low``, ``conf_high``; the standard error of a ratio is that of its log.
    covariance : ndarray, shape (G, G)
        Of the groups in the order of the table, of logs for ratios; NaN for groups of which it is not known.
    relative_to : str
        What the effects before the start are relative to.
    reference : int or None
        The one horizon that all are relative to. It is no part of its group's mean: it is zero without an error.
    """

    table: pd.DataFrame
    covariance: Floats
    relative_to: str = ""
    reference: int | None = None


def grouped(rows: pd.DataFrame, joint: JointEstimate | None, span: int, *, ratio: bool) -> GroupedEvents:
    """Return the mean effect of each group of horizons, every known horizon in it alike.

    Groups are counted from the start, so that none holds horizons of both sides. A ratio is averaged on the log scale.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of one term and scale: ``horizon, estimate, conf_low, conf_high``.
    joint : JointEstimate or None
        Whose covariance of horizons is used. Where it gives none of a group, the group's limits are the means of its
        horizons' limits: as wide as any dependence between them could make it.
    span : int
        Periods in a group.
    ratio : bool
        Whether estimates are ratios.

    Returns
    -------
    GroupedEvents
        A group with no known horizon has no estimate; a horizon without limits, such as the reference, is left out
        where others have some.

    Raises
    ------
    EstimationError
        If there is no row.

    Examples
    --------
    >>> rows = pd.DataFrame({"horizon": [0, 1, 2], "estimate": [1.0, 3.0, 5.0], "conf_low": [0.0, 2.0, 4.0],
    ...     "conf_high": [2.0, 4.0, 6.0]})
    >>> grouped(rows, None, 2, ratio=False).table[["horizon", "until", "estimate", "conf_low"]].values.tolist()
    [[0.0, 1.0, 2.0, 1.0], [2.0, 3.0, 5.0, 4.0]]
    """
    if rows.empty:
        raise EstimationError("there are no effects by time since the start to group")
    covariance = _covariances(joint, ratio=ratio)
    numbers = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = np.log(numbers) if ratio else numbers
    bounded = ~np.isnan(numbers).any(axis=1)
    horizon = rows["horizon"].to_numpy().astype(int)
    block = horizon // span
    made, members = [], []
    for group in np.unique(block):
        inside = block == group
        known = inside & ~np.isnan(numbers[:, 0]) & (bounded | (not bounded.any()))
        one: dict[str, Any] = {"horizon": int(group) * span, "until": int(group) * span + span - 1}
        one |= {"horizons": int(known.sum())} | dict.fromkeys(
            ("estimate", "std_error", "conf_low", "conf_high"), np.nan
        )
        if known.any():
            middle, error, low, high = _mean(horizon[known], numbers[known], covariance)
            one["std_error"] = error
            one |= {
                name: float(np.exp(v)) if ratio else float(v)
                for name, v in (("estimate", middle), ("conf_low", low), ("conf_high", high))
            }
        made.append(one)
        members.append(horizon[known])
    return GroupedEvents(pd.DataFrame(made), _of_groups(members, covariance))


def _covariances(joint: JointEstimate | None, *, ratio: bool) -> pd.DataFrame | None:
    """Return the covariance of horizons by horizon, where the result gives it on the scale that is asked for."""
    if joint is None or (joint.scale == "log_rate_ratio") != ratio:
        return None
    own = (joint.index["term"] == "event").to_numpy()
    names = joint.index.loc[own, "horizon"].astype(int)
    if names.duplicated().any():
        return None
    return pd.DataFrame(joint.covariance[np.ix_(own, own)], index=names, columns=names)


def _of_groups(members: list[Ints], covariance: pd.DataFrame | None) -> Floats:
    """Return the covariance of the means over some horizons each."""
    G = len(members)
    if covariance is None:
        return np.full((G, G), np.nan)
    L = np.zeros((G, len(covariance)))
    for row, held in zip(L, members, strict=True):
        row[:] = np.nan if not len(held) or not set(held) <= set(covariance.index) else 0.0
        row[np.isin(covariance.index, held)] += 1 / max(len(held), 1)
    return np.asarray(L @ covariance.to_numpy() @ L.T)


def _mean(horizons: Ints, numbers: Floats, covariance: pd.DataFrame | None) -> tuple[float, float, float, float]:
    """Return a group's mean with its standard error and limits."""
    middle, low, high = (float(v) for v in numbers.mean(axis=0))
    if covariance is None or not np.isfinite(middle) or not set(horizons) <= set(covariance.index):
        return middle, np.nan, low, high
    held = covariance.loc[horizons, horizons].to_numpy()
    single = np.sqrt(np.diag(held))
    error = float(np.sqrt(max(held.mean(), 0.0)))
    if len(horizons) == 1 or not (single > 0).all():
        return middle, error, low, high
    # the limits of single horizons say how many standard errors a limit is away, on either side
    down, up = np.median((numbers[:, 0] - numbers[:, 1]) / single), np.median((numbers[:, 2] - numbers[:, 0]) / single)
    return middle, error, float(middle - down * error), float(middle + up * error)
