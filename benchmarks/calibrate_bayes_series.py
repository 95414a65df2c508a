"""Coverage of the 95% intervals of the two Bayesian methods for a single series, with errors that last and with none.

Run by `make calibrate`; writes results/calibration_bayes_series.csv and .md. The series are those of
`calibrate_series.py`, seed by seed, so that the two tables may be laid side by side. The same seed and number of draws
give the same table, with any number of processes.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from calibrate_series import Row, drawn, study

from svmodel.bayes import InterruptedTimeSeries, StructuralCounterfactual
from svmodel.errors import EstimationError

#: Draws of each posterior: they know the end of an interval to a tenth of its standard deviation.
DRAWS = 1000
_INTRO = """\
# Calibration of the Bayesian methods for a single series

Made by `make calibrate`, engine `laplace`: counts of one area over 60 + 24 months whose log rate has a trend of -3.6%
a year, a season and errors of its own that follow an AR(1) with the autocorrelation shown, of s.d. .15 without
controls. With controls: ten of the same mean, which share trend, season and monthly shocks of s.d. .1, each with errors
of its own of s.d. .1. There is no effect.

**Coverage** is the share of series whose 95% interval of the events averted holds none, **below** and **above** the
share of intervals that see a fall or a rise, **z** the mean of the estimate over its standard deviation, **half-width**
the median of half the interval as a share of the events that were to be expected. A mark ! stands where the coverage is
outside of 93% to 97% by more than two Monte Carlo standard errors.

| method | mean | autocorrelation | series | refused | coverage (MC s.e.) | below | above | z | half-width |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""

_METHODS: tuple[tuple[str, Any], ...] = (
    ("Interrupted series", InterruptedTimeSeries(draws=DRAWS)),
    ("Interrupted series, no shocks that last", InterruptedTimeSeries(shocks="none", draws=DRAWS)),
    ("Structural counterfactual", StructuralCounterfactual(draws=DRAWS)),
    ("Structural counterfactual, sum of controls", StructuralCounterfactual(controls="sum", draws=DRAWS)),
    ("Structural counterfactual, no shocks that last", StructuralCounterfactual(shocks="none", draws=DRAWS)),
    ("Structural counterfactual, as CausalImpact", StructuralCounterfactual(family="gaussian", draws=DRAWS)),
)
ROWS = tuple(
    Row(name, method, 60, 24, mean, rho, controls=name.startswith("Structural"))
    for name, method in _METHODS
    for mean in (60.0, 5.0)
    for rho in (0.0, 0.4)
)


def one_draw(row: Row, seed: int) -> dict[str, float]:
    """Return the interval of the events averted in units of what was expected; empty where an answer was refused."""
    try:
        result = row.estimator.fit(row.simulate(seed), seed=seed % 1000)
    except EstimationError:
        return {}
    effect = result.effect("att", "events")
    return {
        "low": effect.conf_low,
        "high": effect.conf_high,
        "z": effect.estimate / effect.std_error,
        "half": (effect.conf_high - effect.conf_low) / 2 / result.diagnostics["expected"],
    }


def table(draws: int, jobs: int, only: str = "") -> pd.DataFrame:
    """Return the coverage of every row."""
    return pd.DataFrame([_summary(row, found) for row, found in drawn(ROWS, one_draw, draws, jobs, only)])


def _summary(row: Row, found: list[dict[str, float]]) -> dict[str, Any]:
    answered = pd.DataFrame([d for d in found if d], columns=["low", "high", "z", "half"])
    below, above = float((answered["high"] < 0).mean()), float((answered["low"] > 0).mean())
    return {
        "method": row.name,
        "before": row.before,
        "after": row.after,
        "mean": row.mean,
        "rho": row.rho,
        "series": len(found),
        "refused": len(found) - len(answered),
        "coverage": 1 - below - above,
        "below": below,
        "above": above,
        "z": float(answered["z"].mean()),
        "half_width": float(answered["half"].median()),
    }


def page(made: pd.DataFrame) -> str:
    """Return the table as Markdown."""
    lines = []
    for row in made.itertuples():
        error = math.sqrt(row.coverage * (1 - row.coverage) / max(row.series - row.refused, 1))
        edge = math.sqrt(0.95 * 0.05 / max(row.series - row.refused, 1))
        mark = "" if 0.93 - 2 * edge <= row.coverage <= 0.97 + 2 * edge else " !"
        lines.append(
            f"| {row.method} | {row.mean:g} | {row.rho:g} | {row.series:,} | {row.refused} | {row.coverage:.1%} "
            f"({error:.1%}){mark} | {row.below:.1%} | {row.above:.1%} | {row.z:+.2f} | {row.half_width:.0%} |"
        )
    return _INTRO + "\n".join(lines) + "\n"


if __name__ == "__main__":
    study("calibration_bayes_series", __doc__, table, page)
