"""Which kind of uncertainty a design can bear: the rule that every estimator asks, and what it says about why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from svmodel.design import DesignArrays
from svmodel.design.clusters import cluster_words
from svmodel.numerics.resampling.conley_taber import ENOUGH
from svmodel.numerics.resampling.placebo_noise import FEWEST_AREAS

Kind: TypeAlias = Literal["cluster", "placebo", "none"]
#: With fewer treated areas than this a cluster-robust variance is known to be too small.
FEW_TREATED = 8
#: With fewer controls than this a cluster-robust variance is known to be too small.
FEW_CONTROLS = 8
#: Share of treated cells with few controls in their period above which the rule warns.
_MOST_THIN = 0.5
#: Never treated areas from which noise can be learnt at all.
ENOUGH_PLACEBOS = FEWEST_AREAS
#: Never treated areas that show the shape of the noise of a single treated area: the two that strayed furthest of 40.
SHAPE_TOLD = 39


@dataclass(frozen=True)
class Choice:
    """What the rule chose.

    Attributes
    ----------
    kind : {"cluster", "placebo", "none"}
        Cluster-robust with a small-sample correction; from placebo areas; or no interval at all.
    why : str
        For the notes of a result.
    warn : bool
        Whether coverage at the nominal rate is in doubt even so; `why` then says it.
    n_treated, n_controls, n_never : int
        Areas (clusters of areas, where noise is shared) seen treated; seen untreated while others are treated; never
        treated.
    """

    kind: Kind
    why: str
    warn: bool
    n_treated: int
    n_controls: int
    n_never: int


def n_treated(arrays: DesignArrays) -> int:
    """Return how many clusters are seen treated."""
    return arrays.units.count(arrays.treated.any(axis=1))


def n_controls(arrays: DesignArrays) -> int:
    """Return how many clusters are seen untreated in some period in which another is seen treated."""
    when = np.flatnonzero(arrays.treated.any(axis=0))
    return arrays.units.count(arrays.untreated[:, when].any(axis=1))


def dealt_by_cluster(arrays: DesignArrays) -> bool:
    """Return whether all areas of a cluster have one start and one end, as if clusters had been dealt them."""
    return arrays.units.alike(arrays.start, arrays.status)


def never_treated_clusters(arrays: DesignArrays) -> np.ndarray:
    """Return the clusters without an area that is ever anything but untreated, seen while others were treated."""
    units = arrays.units
    known = np.zeros(units.n, dtype=bool)
    known[units.label[never_treated(arrays)]] = True
    return np.flatnonzero(known & ~units.some((arrays.status != 0).any(axis=1)))


def never_treated(arrays: DesignArrays) -> np.ndarray:
    """Return the rows of areas that are untreated throughout and were seen while others were treated."""
    when = np.flatnonzero(arrays.treated.any(axis=0))
    return np.flatnonzero((arrays.status == 0).all(axis=1) & arrays.untreated[:, when].any(axis=1))


def choose(arrays: DesignArrays, wanted: str = "auto") -> Choice:
    """Choose the kind of uncertainty by the number of treated areas and of controls.

    Where areas share their noise (``arrays.clusters``) it is clusters that count, and a treated cluster is held against
    untreated ones.

    Parameters
    ----------
    arrays : DesignArrays
    wanted : {"auto", "cluster", "placebo"}
        ``auto`` for the rule; else what the user asks for, where the design can bear it.

    Returns
    -------
    Choice
    """
    treated = n_treated(arrays)
    controls, never = n_controls(arrays), len(never_treated_clusters(arrays))
    one, many = (cluster_words(arrays.units, n) for n in (1, 2))
    areas = f"{treated} treated {many if treated > 1 else one} and {controls} control{'s' if controls > 1 else ''}"
    if controls > never:
        # an area that starts later is counted on both sides
        areas += f" ({never} never treated, {controls - never} until their own start)"

    dealt = dealt_by_cluster(arrays)
    shared = _shared(arrays)

    def made(kind: Kind, why: str, *, warn: bool = False) -> Choice:
        if wanted == "placebo" and not dealt:
            why += f" No placebos, which were asked for: starts differ within {many}."
        return Choice(kind, f"{shared}{areas}: {why}", warn, treated, controls, never)

    if controls <= 1:
        why = "whatever else happened in a single control passes for the effect. No interval is given."
        return made("none", why, warn=True)
    few = treated < FEW_TREATED
    shape_known = never >= (SHAPE_TOLD if treated == 1 else ENOUGH_PLACEBOS)
    doubt = (
        f" With {never} of them the shape of such noise cannot be told, and it is taken for normal: with small counts "
        "the interval may be too narrow."
        if never < ENOUGH
        else f" With {never} of them a 95% interval ends where the one that strayed furthest did: it hangs on one area."
    )
    if dealt and ((wanted == "auto" and few and never >= ENOUGH_PLACEBOS) or (wanted == "placebo" and never >= 2)):
        few_so = "cluster-robust errors are too small with so few treated, so intervals rest"
        first = few_so if few else "intervals rest, as asked for,"
        return made(
            "placebo",
            f"{first} on how far untreated {many} strayed over the same periods (Conley and Taber 2011; Ferman and "
            f"Pinto 2019). They suppose that treated {many} would have strayed as untreated {many} of their size did."
            + ("" if shape_known else doubt),
            warn=not shape_known,
        )
    if treated == 1:
        why = (
            f"a single treated {one} shows no noise of its own, and {never} never treated {many} are too few to show "
            "it. No interval is given."
        )
        return made("none", why, warn=True)
    if few or controls < FEW_CONTROLS:
        side = "treated" if few else "control"
        why = (
            f"cluster-robust errors (CR2, Satterthwaite's degrees of freedom) with so few {side} {many} are known to "
            "be too small at times (MacKinnon and Webb 2017); read the interval as the least there is."
        )
        return made("cluster", why, warn=True)
    share, least = _thin(arrays)
    if share > _MOST_THIN:
        why = (
            f"intervals are cluster-robust by {one} (CR2, Satterthwaite's degrees of freedom), but "
            f"{share:.0%} of treated area-periods are held against fewer than {FEW_CONTROLS} untreated {many} (at the "
            f"fewest {least}): with so few control {many} such errors are known to be too small at times (MacKinnon "
            "and Webb 2017); read the interval as the least there is."
        )
        return made("cluster", why, warn=True)
    return made("cluster", f"intervals are cluster-robust by {one} (CR2, Satterthwaite's degrees of freedom).")


def _shared(arrays: DesignArrays) -> str:
    """Say that areas share their noise, and why that is supposed; nothing where each stands by itself."""
    units = arrays.units
    if units.single:
        return ""
    many = cluster_words(units)
    why = "as asked for" if units.asked else f"because starts never differ within {many}"
    return (
        f"Standard errors allow for what the areas of one {cluster_words(units, 1)} share ({len(units.label):,} areas "
        f"in {units.n:,} {many}; {why}). "
    )


def _thin(arrays: DesignArrays) -> tuple[float, int]:
    """Return the share of treated cells, of those with a control at all, with few in their period; and the fewest."""
    treated, untreated = arrays.treated.sum(axis=0), arrays.units.some(arrays.untreated).sum(axis=0)
    seen = (treated > 0) & (untreated > 0)
    if not seen.any():
        return 0.0, 0
    return float(treated[seen & (untreated < FEW_CONTROLS)].sum() / treated[seen].sum()), int(untreated[seen].min())
