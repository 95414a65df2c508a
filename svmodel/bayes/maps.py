"""Area effects that follow a map: borders, as any shape tells them, to a structure with scaled parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from svmodel.adjacency import read_adjacency
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, HyperPrior
from svmodel.numerics.latent.structures import BYM2

#: Uniform: half of the variance following borders is as likely as none of it and as all of it.
_SHARE = Beta(1.0, 1.0)


def bym2(
    neighbours: Any,
    areas: tuple[str, ...],
    prior: HyperPrior,
    *,
    name: str = "area_sd",
    rho_name: str = "area_share",
    rho_prior: HyperPrior = _SHARE,
) -> BYM2:
    """Return area effects of which a share follows the borders between areas.

    Parameters
    ----------
    neighbours : mapping, pairs, matrix, frame or Adjacency
        As :func:`svmodel.adjacency.read_adjacency` takes them.
    areas : tuple of str
        The order of the effects.
    prior : HyperPrior
        Of the effects' standard deviation: a typical one over the map, since the part that follows borders is scaled to
        unit generalised variance (Sorbye and Rue 2014) in every connected part of the map.
    name, rho_name : str
        Of the standard deviation and of the share of variance that follows borders.
    rho_prior : HyperPrior
        Of the share; uniform unless given.

    Returns
    -------
    BYM2
        An area without a neighbour has a part of its own in place of that of the borders, of the same variance.

    Raises
    ------
    DataError
        If the borders cannot be read, or name areas that are not there.

    References
    ----------
    Riebler, Sorbye, Simpson and Rue (2016), *Statistical Methods in Medical Research* 25(4), equation 7.
    Freni-Sterrantino, Ventrucci and Rue (2018), *Spatial and Spatio-temporal Epidemiology* 26.

    Examples
    --------
    >>> from svmodel.numerics.latent.priors import HalfNormal
    >>> areas = bym2({"A": "B", "B": ["A", "C"], "C": "B"}, ("A", "B", "C", "D"), HalfNormal(0.7))
    >>> areas.size, [len(part) for part in areas.graph.parts], areas.graph.islands.tolist()
    (4, [3], [3])
    """
    borders = read_adjacency(neighbours, areas).borders
    graph = BorderGraph(len(areas), np.argwhere(np.triu(borders)))
    return BYM2(graph, name, prior, rho_name, rho_prior)
