"""The page that the calibration of the estimators writes."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

LOW, HIGH = 0.93, 0.97

_INTRO = """\
# Calibration of every estimator's default interval

Made by `make calibrate`: synthetic panels of 60 areas and 36 months with a mean of 5 events, each estimator on panels
whose trends are parallel in its own terms: in events for linear ones (levels differ by a standard deviation of 20%), in
logs for ratios (40%). A season, no shocks. The average effect is none, or a rate ratio of 0.80 (one event fewer an area
and month). Intervals are each estimator's default: what the rule picks (`svmodel.inference.choose`) where there is one.
The Poisson ETWFE has a page of its own, [calibration_inference.md](calibration_inference.md).

- **treated**: areas treated, drawn by lot; **starts**: 1 for all at once, 3 for three cohorts;
- **var / mean**: 1 for Poisson counts, 8 for such as police data show.

**Coverage** is the share of panels whose 95% interval holds the truth. **Type-I error** is the share of panels without
an effect whose interval says there is one. **Too low** is the share of intervals that lie below the truth (2.5% would
be even). **Warned** is the share of results that say that their interval is in doubt; **refused** counts panels without
an interval, over both effects. **Panels** is how many each of the two effects had: fewer where every placebo is a fit
that takes long. Limits of synthetic DiD rest on 199 placebo sets where they are drawn. With one start the linear
imputation, ETWFE, TWFE and stacks are one number, and so are Sun and Abraham's and Callaway and Sant'Anna's: few
treated areas at once are shown for one of each.

A mark ! stands where a coverage is outside of 93% to 97% by more than chance allows: two Monte Carlo standard errors at
the edge, {high:.1f} points for {most:,} panels and {low:.1f} for {least:,}. It is !! where fewer than half of the
results warn.

{verdict}

"""

_HEAD = (
    "| estimator | treated | starts | var / mean | no effect: coverage | type-I error | too low | effect: coverage "
    "| too low | warned | refused | panels | rests on |"
)


def page(table: pd.DataFrame) -> str:
    """Return the table as Markdown, one row a kind of panel and estimator."""
    keys = ["estimator", "treated", "staggered", "overdispersion"]
    lines = [_HEAD, "|---|" + "--:|" * 11 + "---|"]
    marks = {"!": 0, "!!": 0, "": 0}
    for key, rows in table.groupby(keys, sort=False):
        none, some = (rows[rows["effect"] == e].iloc[0] for e in (1.0, 0.8))
        estimator, treated, staggered, overdispersion = key
        cells: list[Any] = [
            estimator,
            treated,
            3 if staggered else 1,
            overdispersion,
            _coverage(none, marks),
            f"{100 * none['rejected']:.1f}%",
            f"{100 * none['below']:.1f}%",
            _coverage(some, marks),
            f"{100 * some['below']:.1f}%",
            f"{50 * (none['warned'] + some['warned']):.0f}%",
            int(none["refused"] + some["refused"]),
            int(none["panels"]),
            none["inference"],
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    verdict = (
        f"Of {sum(marks.values())} coverages {marks['']} lie within 93% to 97% as far as can be told, {marks['!']} "
        f"outside where the package warns, and {marks['!!']} outside where it does not."
    )
    most, least = int(table["panels"].max()), int(table["panels"].min())
    told = {"most": most, "least": least, "high": 100 * slack(most), "low": 100 * slack(least)}
    return _INTRO.format(**told, verdict=verdict) + "\n".join(lines) + "\n"


def slack(panels: int) -> float:
    """Return two Monte Carlo standard errors of a coverage at the edge of what is let pass."""
    return 2 * math.sqrt(LOW * (1 - LOW) / max(panels, 1))


def _coverage(row: pd.Series, marks: dict[str, int]) -> str:
    value, room = float(row["coverage"]), slack(int(row["panels"] - row["refused"]))
    if math.isnan(value):
        return "none"
    wrong = not LOW - room <= value <= HIGH + room
    mark = ("!" if row["warned"] > 0.5 else "!!") if wrong else ""
    marks[mark] += 1
    return f"{100 * value:.1f}% {mark}".strip()
