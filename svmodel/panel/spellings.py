"""One area written in several ways becomes one area, or a question; never two half-empty ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from svmodel import periods
from svmodel.area_names import spelling_key
from svmodel.areas import is_code
from svmodel.errors import Problems, shorten
from svmodel.ledger import LedgerEntry
from svmodel.panel.columns import Areas, Rows


def one_spelling(
    area: Areas, period: pd.PeriodIndex, usable: NDArray[np.bool_], rows: Rows, problems: Problems
) -> tuple[Areas, tuple[LedgerEntry, ...]]:
    """Return the areas with the spellings of one name put together, and what was put together.

    Names that differ in capitals, accents, points, apostrophes or `&` alone are of one area where no period has rows of
    more than one of them; the spelling of most rows is kept. Where a period has several, they are a problem: the
    rows may be of two areas, or stand twice.
    """
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(area.names):
        if not is_code(str(name).upper()):
            groups.setdefault(spelling_key(str(name)), []).append(i)
    to = np.arange(len(area.names))
    entries = []
    for members in (g for g in groups.values() if len(g) > 1):
        names = [str(area.names[i]) for i in members]
        held = [np.unique(period.asi8[usable & (area.codes == i)]) for i in members]
        ordinals, times = np.unique(np.concatenate(held), return_counts=True)
        if (times > 1).any():
            both = periods.label(pd.Period(ordinal=int(ordinals[times > 1][0]), freq=period.freqstr))
            problems.add(
                f"{shorten(names, limit=4)} differ in spelling alone, and {both} has rows of more than one",
                where=rows(usable & np.isin(area.codes, members)),
                fix="Write one area in one way and sum its rows, or tell two areas apart by their names.",
                rule="area_spelling",
            )
            continue
        number = [int((area.codes == i).sum()) for i in members]
        kept = members[int(np.argmax(number))]
        to[members] = kept
        entries.append(
            LedgerEntry(
                "altered",
                sum(number) - max(number),
                f"{shorten(names, limit=4)} are taken for one area in several spellings, {str(area.names[kept])!r}",
                where=f"area {str(area.names[kept])!r}",
                rule="area_spelling",
            )
        )
    return (area.put_together(to) if entries else area), tuple(entries)
