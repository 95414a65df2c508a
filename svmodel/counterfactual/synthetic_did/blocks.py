"""From a design's arrays to blocks: treated areas with the same periods before and after, and donors for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from svmodel.design import TREATED, UNTREATED, DesignArrays
from svmodel.errors import EstimationError
from svmodel.numerics.arrays import Floats, Mask

Index: TypeAlias = NDArray[np.intp]
#: Periods before the start without which nothing can be matched.
FEWEST_BEFORE = 2
#: Donors without which there is nothing to weight.
FEWEST_DONORS = 2


@dataclass(frozen=True, eq=False)
class Working:
    """The outcome as it is compared: per 100,000 where there is an exposure, less what covariates explain.

    Attributes
    ----------
    y : ndarray, shape (N, T)
        NaN where the outcome, the exposure or a covariate is missing.
    size : ndarray, shape (N, T)
        Units of the outcome that one unit of `y` is worth: exposure by 100,000, or 1.
    rates : bool
    beta : ndarray, shape (K,)
        Coefficients of the covariates.
    """

    y: Floats
    size: Floats
    rates: bool
    beta: Floats


@dataclass(frozen=True, eq=False)
class Block:
    """Treated areas whose periods before and after are the same, with the donors seen in all of them.

    Attributes
    ----------
    treated, donors : ndarray of int
        Rows of the arrays.
    before, after : ndarray of int
        Periods; neither holds a period of anticipation, after an end, or without the treated areas' outcomes.
    start : int
        The areas' first treated period.
    before_size, after_size : ndarray, shape (treated, periods)
        What a unit of the working outcome is worth in each cell; before the start, as on average after it.
    """

    treated: Index
    donors: Index
    before: Index
    after: Index
    start: int
    before_size: Floats
    after_size: Floats

    @property
    def periods(self) -> Index:
        """Periods before, then those after."""
        return np.concatenate([self.before, self.after])

    @property
    def size(self) -> Floats:
        """What a unit is worth, shape (treated, periods)."""
        return np.hstack([self.before_size, self.after_size])


def working(arrays: DesignArrays, *, rates: bool) -> Working:
    """Return the outcome as it is compared.

    Covariates are projected out first (Kranz 2022): their coefficients are those of a regression with area and
    period effects on untreated cells only, so that no effect of the intervention enters them.

    Raises
    ------
    EstimationError
        If covariates depend on each other or on area and period effects.
    """
    exposed = rates and arrays.exposure is not None
    size = np.ones(arrays.y.shape)
    if exposed and arrays.exposure is not None:
        size = np.where(arrays.exposure > 0, arrays.exposure, np.nan) / 1e5
    y = arrays.y / size
    x = arrays.covariates
    if x.shape[2] == 0:
        return Working(y, size, exposed, np.empty(0))
    y = np.where(np.isnan(x).any(axis=2), np.nan, y)
    use = (arrays.status == UNTREATED) & ~np.isnan(y)
    # sums over areas are taken in an order that data give: time weights can turn a last digit into a fourth
    order = np.lexsort(np.nan_to_num(np.hstack([size, y, x.reshape(len(x), -1)]), nan=-1.0).T)
    beta = _coefficients(y[order], x[order], use[order])
    centred = np.nan_to_num(x - np.nanmean(x[order], axis=(0, 1)))
    return Working(y - centred @ beta, size, exposed, beta)


def _coefficients(y: Floats, x: Floats, use: Mask) -> Floats:
    """Return the coefficients of covariates with area and period effects."""
    from svmodel.numerics.two_way import TwoWay
    from svmodel.numerics.two_way.linear_fe import fit_linear

    centre, spread = np.nanmean(x, axis=(0, 1)), np.nanstd(x, axis=(0, 1))
    if not (spread > 0).all():
        raise EstimationError("a covariate is the same everywhere, so nothing can be projected out with it")
    scaled = np.nan_to_num((x - centre) / spread)
    terms = TwoWay(use, covariates=scaled)
    fit = fit_linear(np.where(use, y, 0.0), terms)
    return np.asarray(fit.theta[-x.shape[2] :] / spread)


def data_order(rows: Index, held: Working) -> Index:
    """Return the areas in an order that data give and names do not, so that not even rounding hangs on names."""
    size, y = (np.nan_to_num(v[rows], nan=-1.0) for v in (held.size, held.y))
    return np.asarray(rows[np.lexsort(np.hstack([size, y]).T)])


def split(arrays: DesignArrays, held: Working) -> tuple[list[Block], dict[str, Any]]:
    """Return the blocks, and what had to be left out.

    Returns
    -------
    blocks : list of Block
        In the order of starts.
    left_out : dict
        ``never`` never treated areas; ``gaps`` rows of those dropped from a block for a missing period; ``short`` rows
        of treated areas with fewer than two periods before; ``unseen`` rows without a known treated cell;
        ``few_donors`` rows of treated areas without two donors; ``cells`` treated areas' cells lost to a missing one.
    """
    known = ~np.isnan(held.y)
    in_time = arrays.start < held.y.shape[1]
    never = data_order(np.flatnonzero((arrays.status == UNTREATED).all(axis=1) & known.any(axis=1)), held)
    out: dict[str, list[int]] = {k: [] for k in ("gaps", "short", "unseen", "few_donors")}
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for i in np.flatnonzero(in_time):
        before = known[i] & (arrays.status[i] == UNTREATED) & (np.arange(known.shape[1]) < arrays.start[i])
        after = known[i] & (arrays.status[i] == TREATED)
        if not after.any():
            out["unseen"].append(int(i))
        elif before.sum() < FEWEST_BEFORE:
            out["short"].append(int(i))
        else:
            groups.setdefault((before.tobytes(), after.tobytes()), []).append(int(i))
    some_donor = known[never].any(axis=0)
    blocks = []
    for (before_bytes, after_bytes), members in groups.items():
        treated = data_order(np.array(members), held)  # placebo sets are drawn in it
        before = np.flatnonzero(np.frombuffer(before_bytes, dtype=bool) & some_donor)
        after = np.flatnonzero(np.frombuffer(after_bytes, dtype=bool) & some_donor)
        whole = known[np.ix_(never, np.concatenate([before, after]))].all(axis=1)
        out["gaps"] += never[~whole].tolist()
        donors = never[whole]
        if len(after) == 0 or len(donors) < FEWEST_DONORS:
            out["few_donors"] += members
        elif len(before) < FEWEST_BEFORE:
            out["short"] += members
        else:
            after_size = held.size[np.ix_(treated, after)]
            before_size = np.repeat(after_size.mean(axis=1, keepdims=True), len(before), axis=1)
            start = int(arrays.start[members[0]])
            blocks.append(Block(treated, donors, before, after, start, before_size, after_size))
    blocks.sort(key=lambda b: (b.start, b.before.tolist(), b.after.tolist()))
    lost = ~known & in_time[:, None] & (arrays.status != 2)
    return blocks, {"never": len(never), "cells": int(lost.sum()), **{k: sorted(set(v)) for k, v in out.items()}}
