"""The LSOAs of 2011 whose codes ended in 2021, and when data.police.uk went over to those of 2021."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

#: Months in which data.police.uk may hold codes of both censuses: before them no code of 2021 stands in it, after
#: them every code is of 2021. Counted in its files as published from 2022 to 2025.
CHANGED = ("2022-03", "2023-05")


@cache
def lsoas_ended() -> frozenset[str]:
    """Return the 1,106 LSOA codes of 2011 that ended in 2021.

    Every other code of 2011 stands for the same ground in 2021, so one of these beside a code that began in 2021
    proves that a file holds both censuses.

    Examples
    --------
    >>> len(lsoas_ended()), "E01003927" in lsoas_ended(), "E01006412" in lsoas_ended()
    (1106, True, False)
    """
    text = files("svmodel.registers").joinpath("lsoas_ended_2021.txt").read_text(encoding="utf-8")
    return frozenset(code for line in text.splitlines() if not line.startswith("#") for code in line.split())
