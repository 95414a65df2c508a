"""Names of areas as people write them: one area, however its name is spelt, and one door by which it is found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from svmodel.errors import DataError, did_you_mean, shorten

_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])
_REVERSED = re.compile(r"^(.+), ((?:city|county|borough|royal borough|isle) of|the)$", re.IGNORECASE)
_WHICH = re.compile(r"^(.+) \((area|parent)\)$")


def area_name(value: object) -> str:
    """Return the name or code that a value gives: in composed letters, without invisible signs and doubled blanks.

    A whole number that came as a decimal one (``10.0``, from a column with blanks) is that number.

    Examples
    --------
    >>> area_name("Ynys  Mo\u0302n "), area_name(10.0), area_name("007")
    ('Ynys Môn', '10', '007')
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return " ".join(unicodedata.normalize("NFC", str(value).translate(_INVISIBLE)).split())


def spelling_key(name: str) -> str:
    """Return what all spellings of one name share: no capitals, accents, points, apostrophes, and `&` as `and`.

    Examples
    --------
    >>> spelling_key("King's Lynn & West Norfolk") == spelling_key("Kings Lynn and West Norfolk")
    True
    >>> spelling_key("Bristol, City of") == spelling_key("City of Bristol"), spelling_key("1.1") == spelling_key("11")
    (True, False)
    """
    text = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    if m := _REVERSED.match(text):
        text = f"{m[2]} {m[1]}"
    text = re.sub("[\u2019'`]", "", text.replace("&", " and "))
    text = re.sub(r"(?<=[a-z])\.", "", text)
    words = re.sub(r"[\W_]+", " ", text).split()
    return " ".join("st" if w == "saint" else w for w in words) or name


class UnknownAreaError(DataError):
    """No area goes by that name."""


class Found(NamedTuple):
    """An area that was found by a name: its code, and whether it is an ``area`` or a ``parent`` (reporting area)."""

    code: str
    level: str


@dataclass(frozen=True, eq=False)
class AreaNames:
    """The areas of a panel by every name that they go by.

    Parameters
    ----------
    areas : tuple of str
        Codes, or names where there are no codes.
    parents : mapping of str to str
        The reporting area of each area; empty where there are none.
    names : mapping of str to str
        Readable names of areas and of reporting areas.
    """

    areas: tuple[str, ...]
    parents: Mapping[str, str]
    names: Mapping[str, str]

    @cached_property
    def all(self) -> tuple[str, ...]:
        """Every code and name, areas first."""
        above = sorted(set(self.parents.values()))
        codes = dict.fromkeys([*self.areas, *above])
        return tuple(dict.fromkeys([*codes, *(self.names[c] for c in codes if c in self.names)]))

    @cached_property
    def _by_key(self) -> dict[str, list[Found]]:
        """Spelling -> the areas and reporting areas that go by it."""
        found: dict[str, list[Found]] = {}
        for level, codes in (("area", self.areas), ("parent", tuple(sorted(set(self.parents.values()))))):
            for code in codes:
                for name in {spelling_key(n): n for n in (code, self.names.get(code, code))}.values():
                    found.setdefault(spelling_key(name), []).append(Found(code, level))
        return found

    def find(self, given: object) -> Found:
        """Return the area or reporting area that a name, a code or a spelling of these means.

        Parameters
        ----------
        given : object
            A name that an area shares with a reporting area is settled by ``"Castle (area)"``, ``"Castle (parent)"``.

        Raises
        ------
        UnknownAreaError
            If there is none, naming the nearest.
        DataError
            If several go by that name.

        Examples
        --------
        >>> AreaNames(("E08000012",), {}, {"E08000012": "Liverpool"}).find("LIVERPOOL").code
        'E08000012'
        """
        text, level = area_name(given), None
        if (m := _WHICH.match(text)) and spelling_key(text) not in self._by_key:
            text, level = m[1], m[2]
        found = [f for f in self._by_key.get(spelling_key(text), ()) if level in (None, f.level)]
        exact = [f for f in found if text in (f.code, self.names.get(f.code))]
        found = [f for f in exact if f.code == text] or exact or found
        if not found:
            raise UnknownAreaError(f"{text!r} is no area of the panel. {did_you_mean(text, self.all)}")
        if len(found) == 1 or (len({f.code for f in found}) == 1 and self._holds_itself(found[0].code)):
            return found[0]
        if {f.level for f in found} == {"area", "parent"} and len(found) == 2:
            raise DataError(f"{text!r} names an area and a reporting area. Write '{text} (area)' or '{text} (parent)'.")
        codes = shorten(sorted({f.code for f in found}), limit=4)
        raise DataError(f"{text!r} may be {codes}. Give the code, or the name as the data write it.")

    def _holds_itself(self, code: str) -> bool:
        """Return whether a reporting area holds nothing but the area of its own name."""
        return [a for a, p in self.parents.items() if p == code] in ([code], [])
