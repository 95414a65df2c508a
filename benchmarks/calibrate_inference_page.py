"""The page that the calibration of the rule writes."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

LOW, HIGH = 0.93, 0.97

_INTRO = """\
# Calibration of the rule: few treated areas, small counts, overdispersion

Made by `make calibrate`: {draws} synthetic panels for each row and effect (none, and a rate ratio of 0.80), fitted by
`ExtendedTwoWayFixedEffects` with the intervals that the rule picks (`svmodel.inference.choose`): cluster-robust from 8
treated areas on, from placebo areas below. 60 areas whose levels differ (s.d. 0.4 on the log scale), a season, and

- **treated**: areas treated, drawn by lot; **starts**: 1 for all at once, 3 for three cohorts;
- **mean**: events an area and month; **variance / mean**: 1 for Poisson counts, 8 for such as police data show;
- **shock**: two spells in which every area had 40% fewer events, one before the starts and one about them.

**Coverage** is the share of panels whose 95% interval holds the truth, for the rate ratio and for the events; one less
the first, with no effect, is the type-I error of the test. **Too low** is the share of intervals that lie below the
truth (2.5% would be even). **Warned** is the share of results whose notes say that the interval is in doubt;
**refused** counts panels in which the treated areas had no event before the start, so that no ratio can be given.
The Monte Carlo standard error of a coverage of 95% is {error:.1f} points. A mark ! stands where a coverage is outside
93% to 97% by itself, and !! where it is so and fewer than half of the results warn.

{verdict}

"""

_HEAD = (
    "| treated | starts | months | mean | var / mean | shock | no effect: ratio | too low "
    "| ratio 0.80: ratio | too low | events | warned | refused | rests on |"
)


_AGAIN = """
## Drawn again

Of so many coverages some lie outside by chance alone. Every combination with a coverage that is marked !! was drawn
again, with {draws:,} fresh panels (Monte Carlo standard error {error:.2f} points). These are the numbers to go by.

{verdict}

"""


def page(table: pd.DataFrame, draws: int, again: pd.DataFrame, fresh: int) -> str:
    """Return the tables as Markdown, one row a combination."""
    lines, inside, warned, silent = _rows(table)
    verdict = (
        f"Of {inside + warned + silent} coverages {inside} lie within 93% to 97%, {warned} outside where the "
        f"package warns, and {silent} outside where it does not."
    )
    error = 100 * math.sqrt(0.95 * 0.05 / draws)
    second = ""
    if len(again):
        more, inside, warned, silent = _rows(again)
        told = (
            f"Of {inside + warned + silent} coverages drawn again {inside} lie within 93% to 97%, {warned} outside "
            f"where the package warns, and {silent} outside where it does not."
        )
        verdict = f"{verdict} {told}"
        fresh_error = 100 * math.sqrt(0.95 * 0.05 / fresh)
        second = _AGAIN.format(draws=fresh, error=fresh_error, verdict=told) + "\n".join(more) + "\n"
    intro = _INTRO.format(draws=f"{draws:,}", error=error, verdict=verdict)
    return intro + "\n".join(lines) + "\n" + second


def _rows(table: pd.DataFrame) -> tuple[list[str], int, int, int]:
    """Return the table's lines, and how many coverages lie inside, outside with a warning and without."""
    keys = ["treated", "staggered", "months", "mean", "overdispersion", "shock"]
    lines = [_HEAD, "|" + "--:|" * 13 + "---|"]
    marks = {"!": 0, "!!": 0}
    combinations = 0
    for key, rows in table.groupby(keys, sort=False):
        none, some = (rows[rows["effect"] == e].iloc[0] for e in (1.0, 0.8))
        shown = [_coverage(*c, marks) for c in ((none["coverage"], none), (some["coverage"], some))]
        shown.append(_coverage(some["coverage_events"], some, marks))
        treated, staggered, months, mean, overdispersion, shock = key
        cells: list[Any] = [
            treated,
            3 if staggered else 1,
            months,
            f"{mean:g}",
            overdispersion,
            "yes" if shock else "no",
            shown[0],
            f"{100 * none['below']:.1f}%",
            shown[1],
            f"{100 * some['below']:.1f}%",
            shown[2],
            f"{100 * none['warned']:.0f}%",
            int(none["refused"]),
            none["inference"],
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        combinations += 1
    return lines, 3 * combinations - marks["!"] - marks["!!"], marks["!"], marks["!!"]


def _coverage(value: float, row: pd.Series, marks: dict[str, int]) -> str:
    text = f"{100 * value:.1f}%"
    if math.isnan(value) or LOW <= value <= HIGH:
        return text
    mark = "!" if row["warned"] > 0.5 else "!!"
    marks[mark] += 1
    return f"{text} {mark}"
