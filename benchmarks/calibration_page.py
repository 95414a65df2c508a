"""The page that the calibration study writes."""

from __future__ import annotations

import pandas as pd

_SCALES = {"rate_ratio": "log rate ratio", "events": "events", "per_100k": "per 100,000 a month"}
_HEAD = "| estimator | scale | truth | bias (MC s.e.) | coverage (MC s.e.) | s.e. / s.d. | interval without 0 |"


_INTRO = """\
# Calibration: does the 95% interval hold the truth?

Made by `make calibrate`: {draws} synthetic panels a scenario, each fitted by every estimator named.

Unless a scenario says otherwise a panel is like the synthetic Merseyside's violence with injury: 120 areas x 84
months, mean 10, dispersion 0.05, transient area shocks (s.d. 0.25, persistence 0.6), three cohorts of 8 areas that
start in months 58, 64 and 70. Treated areas are those of the highest *permanent* level, so there is no regression
to the mean except in the last scenario.

- **truth**: the mean over draws. For the rate ratio, expected events with the intervention over those without, in
  treated cells, as a logarithm. For the others, the realised average effect in events on treated cells, given each
  area's level and shocks.
- **parallel in logs, in events**: the scale on which trends are parallel. Poisson estimators need the first, linear
  two-way fixed effects (TWFE) and Callaway-Sant'Anna the second, so each gets a process on its own scale. The last
  two scenarios show what happens otherwise.
- Events for one treated cell are events over a fixed number, so their row would say the same; calibration.csv has it.
- **s.e. / s.d.**: root mean square of the standard errors over the standard deviation of the estimates around the
  truth. 1 is honest, below 1 is too sure.
- **interval without 0**: the false positive rate where there is no effect (ought to be 5%); elsewhere the power.
- A mark * stands where theory does not promise the nominal rate. Elsewhere it promises it for many treated areas.

Standard errors alone are a little small here (s.e. / s.d. below 1), for two reasons. Clustered by area, they take the
mean of a cohort from the cohort itself: with 8 areas in each that costs a factor near sqrt(7 / 8) = 0.94. And they are
for the events of an average over all shocks that might have been, where the truth in events is for those that were.
Intervals allow for the first (a CR2 factor, Satterthwaite's degrees of freedom), those of ETWFE for the second too, so
that they cover although the errors stay those of other software.

"""


def page(table: pd.DataFrame, scenarios, draws: int) -> str:
    """Return the tables as Markdown, one section a scenario."""
    lines = []
    for scenario in scenarios:
        rows = table[(table["scenario"] == scenario.name) & table["scale"].isin(list(_SCALES))]
        if rows.empty:
            continue
        lines += [f"## {scenario.name[0].upper()}{scenario.name[1:]}", ""]
        lines += [scenario.why, ""] if scenario.why else []
        lines += [_HEAD, "|---|---|--:|--:|--:|--:|--:|"]
        lines += [_row(row, ought=scenario.ought(row["estimator"])) for _, row in rows.iterrows()]
        failed = rows.groupby("estimator")["failed"].max()
        lines += [f"\n{name}: {n} draws could not be estimated." for name, n in failed.items() if n]
        lines.append("")
    return _INTRO.format(draws=draws) + "\n".join(lines)


def _row(row: pd.Series, *, ought: bool) -> str:
    digits = 1 if row["scale"] == "events" else 3
    cells = [
        row["estimator"] + ("" if ought else " *"),
        _SCALES[row["scale"]],
        f"{row['truth']:+.{digits}f}",
        f"{row['bias']:+.{digits}f} ({row['bias_mc']:.{digits}f})",
        f"{100 * row['coverage']:.1f}% ({100 * row['coverage_mc']:.1f})",
        f"{row['se_ratio']:.2f}",
        f"{100 * row['rejected']:.1f}%",
    ]
    return "| " + " | ".join(cells) + " |"
