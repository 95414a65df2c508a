"""Area codes of the Office for National Statistics: what a code claims to be, and whether it can be.

A nine-character code names its kind in the first three characters. The number behind it has a known
range, so a typing error or a code of another vintage can be told without the full register.

Lower layer super output areas (LSOAs) need care. 33,647 of those of England and Wales kept their codes in
2021; those that were split or merged got numbers above the last 2011 code. From June 2023 on every code of
data.police.uk is of 2021, and March 2022 to May 2023 may hold both (`svmodel.registers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class AreaKind(NamedTuple):
    """One kind of area: its name and the highest number its codes may carry."""

    name: str
    highest: int


#: Highest numbers leave room for later codes where the register still grows.
KINDS = {
    "E00": AreaKind("output area", 192_000),
    "W00": AreaKind("output area", 11_000),
    "E01": AreaKind("LSOA", 35_999),
    "W01": AreaKind("LSOA", 2_099),
    "E02": AreaKind("MSOA", 7_999),
    "W02": AreaKind("MSOA", 499),
    "E05": AreaKind("ward", 19_999),
    "W05": AreaKind("ward", 2_499),
    "E06": AreaKind("unitary authority", 99),
    "E07": AreaKind("non-metropolitan district", 299),
    "E08": AreaKind("metropolitan district", 49),
    "E09": AreaKind("London borough", 33),
    "W06": AreaKind("unitary authority", 39),
    "E10": AreaKind("county", 49),
    "E11": AreaKind("metropolitan county", 9),
    "E12": AreaKind("region", 9),
    "E13": AreaKind("Inner or Outer London", 3),
    "E22": AreaKind("community safety partnership", 499),
    "W14": AreaKind("community safety partnership", 99),
    "E23": AreaKind("police force area", 49),
    "W15": AreaKind("police force area", 9),
    "E26": AreaKind("national park", 19),
    "E47": AreaKind("combined authority", 29),
    "E54": AreaKind("integrated care board", 99),
    "W11": AreaKind("local health board", 39),
    "E92": AreaKind("country", 1),
    "W92": AreaKind("country", 4),
    "K02": AreaKind("United Kingdom", 1),
    "K03": AreaKind("Great Britain", 1),
    "K04": AreaKind("England and Wales", 1),
}

_CODE = re.compile(r"^[EWSNKJLM]\d{8}$")
_LAST_2011_LSOA = {"E01": 33_768, "W01": 1_958}


def is_code(text: object) -> bool:
    """Return whether the text has the shape of a nine-character code.

    Examples
    --------
    >>> is_code("E01006412"), is_code("Liverpool")
    (True, False)
    """
    return bool(_CODE.match(str(text)))


def code_kind(code: str) -> str | None:
    """Return what the code claims to be, or None where its first three characters are not known.

    Examples
    --------
    >>> code_kind("E08000012")
    'metropolitan district'
    """
    kind = KINDS.get(str(code)[:3])
    return kind.name if kind and is_code(code) else None


def is_known(code: str) -> bool:
    """Return whether a code of that kind can carry that number.

    Scottish and Northern Irish codes pass on their shape alone.

    Examples
    --------
    >>> is_known("E01006412"), is_known("E01999999"), is_known("E99000001")
    (True, False, False)
    """
    if not is_code(code):
        return False
    if code[0] in "SNJLM":
        return True
    kind = KINDS.get(code[:3])
    return kind is not None and 1 <= int(code[3:]) <= kind.highest


def is_lsoa(code: str) -> bool:
    """Return whether the code claims to be an English or Welsh LSOA."""
    return is_code(code) and code[:3] in _LAST_2011_LSOA


def lsoa_2021_only(codes: Iterable[str]) -> list[str]:
    """Return the LSOA codes among `codes` that came into being in 2021.

    A code whose number is above every code of 2021 too is a typing error, not a code of 2021.

    Examples
    --------
    >>> lsoa_2021_only(["E01006412", "E01033793", "W01001990"])
    ['E01033793', 'W01001990']
    """
    return [c for c in codes if is_lsoa(c) and is_known(c) and int(c[3:]) > _LAST_2011_LSOA[c[:3]]]
