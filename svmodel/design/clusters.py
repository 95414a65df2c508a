"""Which areas share a cluster: as asked for, or by the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from svmodel.area_names import area_name
from svmodel.design import Design, DesignArrays
from svmodel.errors import DesignError, did_you_mean, shorten
from svmodel.numerics.cluster.membership import Clusters
from svmodel.registers import force_of

_WORDS = ("area", "parent")


def clusters_of(design: Design, arrays: DesignArrays, cluster: Any = None) -> Clusters:
    """Return the clusters of a design's areas.

    Parameters
    ----------
    design : Design
    arrays : DesignArrays
        Of that design.
    cluster : {"area", "parent"}, str, or mapping of str to object, optional
        ``area`` for each area by itself; ``parent`` for reporting areas; a column of the panel that stands still within
        areas; or the cluster of each area. None for the rule.

    Returns
    -------
    Clusters

    Raises
    ------
    DesignError
        If the panel has no such column, it moves within areas, or areas have no cluster.

    Notes
    -----
    *The rule.* Where starts, ends included, never differ within a reporting area, and a treated reporting area holds
    more than one area, reporting areas are the clusters: it was they that were treated, and what else befell one of
    them befell all its areas. Without reporting areas those of districts of England and Wales are their police forces.
    Else every area is a cluster. An area without a reporting area is a cluster of its own.

    References
    ----------
    Abadie, Athey, Imbens and Wooldridge (2023), *Quarterly Journal of Economics* 138(1): cluster where treatment was
    assigned. Bertrand, Duflo and Mullainathan (2004), same journal 119(1).
    """
    if cluster is None:
        return _by_rule(design, arrays)
    if isinstance(cluster, str):
        if cluster == "area":
            return Clusters.singles(len(arrays.areas), asked=True)
        if cluster == "parent":
            above = _parents(design, arrays)
            if not above:
                raise DesignError(
                    "the panel names no reporting areas to cluster by; give Panel.from_frame a `parent`, or "
                    "cluster='area'"
                )
            return _within(above, arrays, asked=True)
        return Clusters.of(_still_column(design, cluster), cluster, asked=True)
    if not isinstance(cluster, Mapping):
        raise DesignError(
            f"{cluster!r} names no clusters. Give 'area', 'parent', a column, or a cluster for each area."
        )
    given = {area_name(a): c for a, c in cluster.items()}
    lacking = [a for a in arrays.areas if a not in given or given[a] is None or given[a] != given[a]]
    if lacking:
        raise DesignError(f"{len(lacking)} areas have no cluster: {shorten(lacking)}. Give one for every area.")
    return Clusters.of([given[a] for a in arrays.areas], "given", asked=True)


def _by_rule(design: Design, arrays: DesignArrays) -> Clusters:
    above = _parents(design, arrays)
    made = _within(above, arrays, asked=False)
    treated = made.some((arrays.status != 0).any(axis=1))
    several = np.bincount(made.label, minlength=made.n) > 1
    if above and (treated & several).any() and made.alike(arrays.start, arrays.status):
        return made
    return Clusters.singles(len(arrays.areas))


def _within(above: Mapping[str, Any], arrays: DesignArrays, *, asked: bool) -> Clusters:
    """Return clusters by what areas lie in; one without is a cluster of its own, whatever its name."""
    keys = [(True, above[a]) if a in above else (False, a) for a in arrays.areas]
    made = Clusters.of(keys, "parent", asked=asked)
    return replace(made, names=tuple(str(name) for _, name in dict.fromkeys(keys)))


def _parents(design: Design, arrays: DesignArrays) -> dict[str, Any]:
    """Return what each area lies in: as the panel says, or the police force of districts; empty where none tells."""
    panel = design.panel
    if panel.parents:
        return {a: panel.parents[a] for a in arrays.areas if a in panel.parents}
    forces = {a: force_of(panel.label(a)) for a in arrays.areas}
    return {} if None in forces.values() else dict(forces)


def _still_column(design: Design, column: str) -> list[float]:
    """Return the value of each area in a column that stands still."""
    view = design.view
    if column not in view.columns:
        raise DesignError(
            f"the panel has no column {column!r} to cluster by. {did_you_mean(column, (*_WORDS, *view.columns))}"
        )
    values = view.matrix(column)
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=1)
    moves = (low != np.where(known, values, -np.inf).max(axis=1)) & known.any(axis=1)
    lacking = ~known.any(axis=1)
    for which, what in ((moves, "moves over time in"), (lacking, "is missing throughout in")):
        if which.any():
            areas = shorten([view.label(view.areas[i]) for i in np.flatnonzero(which)])
            raise DesignError(
                f"{column!r} {what} {int(which.sum())} areas ({areas}), so that it names no clusters there"
            )
    return [float(v) for v in low]


def cluster_words(clusters: Clusters, n: int = 2) -> str:
    """Return what a cluster is called, one or several.

    Examples
    --------
    >>> cluster_words(Clusters.singles(3), 1), cluster_words(Clusters(np.array([0, 0]), "parent"))
    ('area', 'reporting areas')
    """
    ending = "" if n == 1 else "s"
    if clusters.by in _WORDS:
        return f"{'reporting ' if clusters.by == 'parent' else ''}area{ending}"
    return f"cluster{ending}" if clusters.by == "given" else f"cluster{ending} by {clusters.by}"
