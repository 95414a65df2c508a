"""How Bayesian answers were worked out: priors in words with what the data made of them, engine and convergence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from svmodel.present import prose
from svmodel.present.tables import ABSENT, Table, bracket
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.content import Block, Heading, Words

#: What a hyperparameter spreads, for readers. Spreads are on the log scale; those of a Gaussian model are in standard
#: deviations of the series.
HYPERPARAMETERS = {
    "area_sd": "Spread of areas about their common level",
    "area_share": "Share of that variance that follows borders",
    "period_sd": "Step of the level from one period to the next",
    "effect_sd": "Spread of areas' effects about their mean",
    "horizon_sd": "Step of the effect from one period since the start to the next",
    "overdispersion": "Shock that each count meets",
    "season_sd": "Step of the season from one period of the year to the next",
    "shock_sd": "Size of shocks that last",
    "persistence": "Share of a shock that is left a period later",
    "level_sd": "Step of the level from one period to the next",
    "control_sd": "Spread of the coefficients of single controls",
    "noise_sd": "Noise of the series",
}
_ENGINES = {
    "laplace": (
        "nested Laplace approximation: the effects are integrated out at many sets of spreads, which are weighted "
        "by how well they fit"
    ),
    "nuts": "NUTS: four chains that walk through the posterior (PyMC, nutpie)",
}


def blocks(view: AreaView) -> list[Block]:
    """Return, for each Bayesian method, its engine, how far it arrived, and its priors; of the headline outcome."""
    found: list[Block] = []
    for label, result in view.results(view.headline.column).items():
        held = result.diagnostics
        if not result.is_posterior or "engine" not in held:
            continue
        found.append(Heading(f"Priors and engine of {view.method_name(label)}"))
        found.append(Words(f"Engine: {_ENGINES.get(str(held['engine']), str(held['engine']))}. {_arrived(held)}"))
        found.append(_priors(view, label, held))
    return found


def _arrived(held: Mapping[str, Any]) -> str:
    """Return how far the draws can be trusted, in numbers."""
    c, run = held["convergence"], held.get("run", {})
    draws = run.get("draws")
    said = f"{prose.count(float(draws))} draws" if isinstance(draws, int | float) else "Draws"
    if held["engine"] == "laplace":
        points = float(c["effective_points"])
        if not math.isfinite(points):
            return f"{said}. The model has no spreads to integrate over."
        return (
            f"{said}. The weights of the sets of spreads are worth {prose.count(points)} of them; the largest has "
            f"{prose.percent(100 * float(c['largest_weight']))} of the weight."
        )
    return (
        f"{said}. R-hat is at most {prose.number(float(c['r_hat']), 3)}; the draws are worth at least "
        f"{prose.count(float(c['ess_bulk']))} independent ones in the bulk and {prose.count(float(c['ess_tail']))} in "
        f"the tails; {'none' if not c['divergences'] else prose.count(float(c['divergences']))} diverged."
    )


def _priors(view: AreaView, label: str, held: Mapping[str, Any]) -> Table:
    rows: list[tuple[str, ...]] = []
    prior, after = held.get("prior"), held.get("posterior")
    if prior and after:
        rows.append(("Average rate ratio", prose.sentence(str(prior["text"])).rstrip("."), _numbers(after)))
    for name, one in held.get("hyperparameters", {}).items():
        rows.append((_called(name), prose.sentence(str(one["prior"])).rstrip("."), _numbers(one)))
    unit = "of logarithms: 0.1 is about 10% either way."
    if "noise_sd" in held.get("hyperparameters", {}):
        unit = "on a scale on which the series has a standard deviation of 1 before the start."
    note = (
        "After the data: median, and the limits that hold 95% of the probability. Spreads are standard deviations "
        f"{unit}"
    )
    caption = f"What was believed before and after the data, {prose.outcome_name(view.headline.label)}, "
    caption += view.method_name(label)
    return Table(caption, ("What", "Before the data", "After the data"), tuple(rows), note, words=("Before the data",))


def _called(name: str) -> str:
    """Return a hyperparameter's words; its name where it has none.

    Examples
    --------
    >>> _called("effect_sd"), _called("odd_name")
    ("Spread of areas' effects about their mean", 'Odd name')
    """
    return HYPERPARAMETERS.get(name, name.replace("_", " ").capitalize())


def _numbers(one: Mapping[str, Any]) -> str:
    middle = float(one["median"])
    if not math.isfinite(middle):
        return ABSENT
    low, high = (prose.number(float(one[k]), 3) for k in ("low", "high"))
    return f"{prose.number(middle, 3)} {bracket(low, high)}"
