"""Which police force polices a local authority district."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.casefold().replace("&", " and ").replace("'", "")).strip()


@cache
def _districts() -> Mapping[str, tuple[str, ...]]:
    text = files("svmodel.registers").joinpath("districts.txt").read_text(encoding="utf-8")
    lines = (line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    return MappingProxyType({force: tuple(names.split(" | ")) for force, names in lines})


@cache
def _forces() -> Mapping[str, str]:
    return MappingProxyType({_plain(name): force for force, names in _districts().items() for name in names})


def force_of(district: str) -> str | None:
    """Return the force that polices a district, in the words of data.police.uk's file names.

    Parameters
    ----------
    district : str
        Name of a district of England or Wales, of 2023 or one that was joined into another since 2009. Case and
        punctuation do not count.

    Returns
    -------
    str or None
        None for a name that is no district.

    Examples
    --------
    >>> force_of("New Forest"), force_of("St. Helens"), force_of("Weymouth and Portland"), force_of("Narnia")
    ('hampshire', 'merseyside', 'dorset', None)
    """
    return _forces().get(_plain(district))


def districts_of(force: str) -> tuple[str, ...]:
    """Return the districts of a force, those that were joined into others since 2009 too.

    Examples
    --------
    >>> districts_of("merseyside")
    ('Knowsley', 'Liverpool', 'Sefton', 'St. Helens', 'Wirral')
    """
    return _districts().get(force, ())


def all_forces() -> tuple[str, ...]:
    """Return the 43 territorial forces of England and Wales, in the words of data.police.uk's file names."""
    return tuple(_districts())
