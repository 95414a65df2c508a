"""Bayesian models: ranks of truths drawn from the prior, and coverage of intervals where the model is right and wrong.

Two studies. Simulation-based calibration of every model and engine: do its probabilities mean what they say where prior
and model are right? And panels with effects that are fixed, on which the model is right or wrong in a known way. Run by
`make calibrate`; writes results/calibration_bayes.csv, _ranks.csv, _coverage.csv, .svg and .md. The same seed and
numbers give the same tables, with any number of processes. A part that is run alone (`--only`) replaces its own lines.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrate_bayes_figures import described, drawing, picture, ranked
from calibrate_bayes_page import page

from svmodel import simulate
from svmodel.bayes import (
    HierarchicalDiD,
    InterruptedTimeSeries,
    MetaAnalysis,
    SmallAreaTrend,
    StructuralCounterfactual,
    simulation_based_calibration,
)
from svmodel.bayes.question import Question
from svmodel.engine import arrived, run
from svmodel.errors import EstimationError
from svmodel.seeds import derive_seed

SEED = 2026
RESULTS = Path(__file__).parent / "results"
ENGINES = {"laplace": 1000, "nuts": 200}
#: Templates are small, so that a fit by chains takes a second or two.
AREAS, MONTHS = 12, 24


def template(mean: float = 8.0, cohorts: Sequence[tuple[int, int]] = ((10, 2), (14, 2))) -> Any:
    """Return the arrays of a small design: its outcomes only say which cells are known."""
    made = simulate.panel(AREAS, MONTHS, mean=mean, cohorts=cohorts, seed=1)
    return made.design("violence").arrays


def hierarchical(**choices: Any) -> Callable[[], Question]:
    """Return a maker of the question that a hierarchical difference-in-differences asks."""
    mean = choices.pop("mean", 8.0)
    return lambda: HierarchicalDiD(**choices).ask(template(mean))


def series(estimator: Any, **kind: Any) -> Callable[[], Question]:
    """Return a maker of the question that a method for a single series asks."""

    def ask() -> Question:
        settings = {"mean": 20.0, "cohorts": ((36, 1),), **kind}
        made = simulate.panel(settings.pop("areas", 1), 48, seed=2, **settings)
        return estimator.ask(made.design("violence").arrays)

    return ask


def studies() -> Question:
    """Return the question of a meta-analysis of eight areas whose errors are known."""
    errors = np.array([0.06, 0.09, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3])
    frame = pd.DataFrame({"label": list("abcdefgh"), "estimate": np.exp(-errors), "log_std_error": errors})
    model = MetaAnalysis().model(frame)
    return Question(model, np.zeros(model.y.shape, dtype=bool), "effect")


def small_areas(**choices: Any) -> Callable[[], Question]:
    """Return a maker of the question of smoothed rates on a map of a grid of areas, one of them an island."""
    mean = choices.pop("mean", 6.0)

    def ask() -> Question:
        made = simulate.panel(16, MONTHS, mean=mean, cohorts=((10, 2),), seed=1)
        arrays = made.design("violence").arrays
        assert arrays.exposure is not None
        island = arrays.areas[0]
        near = {a: [] if a == island else [b for b in n if b != island] for a, n in made.neighbours.items()}
        model = SmallAreaTrend(**choices).ask(arrays.y, arrays.exposure, arrays.areas, near)
        return Question(model, np.zeros(model.y.shape, dtype=bool), "")

    return ask


def ring(n: int) -> list[tuple[str, str]]:
    """Return the borders of areas that stand in a ring."""
    names = template().areas
    return [(names[i], names[(i + 1) % n]) for i in range(n)]


#: Model -> what makes its question. All priors are those that the estimators have by default.
TEMPLATES: dict[str, Callable[[], Question]] = {
    "HierarchicalDiD, partial pooling": hierarchical(),
    "HierarchicalDiD, half an event a month": hierarchical(mean=0.5),
    "HierarchicalDiD, no pooling": hierarchical(pooling="none"),
    "HierarchicalDiD, complete pooling": hierarchical(pooling="complete"),
    "HierarchicalDiD, by horizon": hierarchical(by_horizon=True),
    "HierarchicalDiD, over cohorts": hierarchical(over="cohorts"),
    "HierarchicalDiD, shocks that last": hierarchical(lasting_shocks=6),
    "HierarchicalDiD, Poisson": hierarchical(family="poisson"),
    "HierarchicalDiD, on a map": lambda: HierarchicalDiD(neighbours=ring(AREAS)).ask(template()),
    "SmallAreaTrend": small_areas(),
    "SmallAreaTrend, one event in two months": small_areas(mean=0.5),
    "SmallAreaTrend, interaction": small_areas(interaction=True, family="poisson"),
    "InterruptedTimeSeries": series(InterruptedTimeSeries()),
    "InterruptedTimeSeries, two a month": series(InterruptedTimeSeries(), mean=2.0),
    "StructuralCounterfactual, counts": series(StructuralCounterfactual(), areas=6),
    "StructuralCounterfactual, Gaussian": series(StructuralCounterfactual(family="gaussian"), areas=6),
    "MetaAnalysis": studies,
}


@dataclass(frozen=True)
class Kind:
    """A kind of panel, and whether the model is right for it."""

    name: str
    right: bool
    panel: dict[str, Any]
    cohorts: tuple[tuple[int, int], ...] = ((18, 20),)
    estimator: HierarchicalDiD = field(default_factory=lambda: HierarchicalDiD(draws=2000))
    #: So many times fewer panels: where a fit is dear, or where it only has to be seen how wrong the model is.
    cost: int = 1

    def simulate(self, effect: float, seed: int) -> simulate.Simulation:
        """Return one draw: 60 areas, 36 months, a mean of 5 unless the kind says otherwise."""
        settings = {"mean": 5.0, "effect": effect, "cohorts": self.cohorts, **self.panel}
        return simulate.panel(60, 36, seed=seed, **settings)

    def seeds(self, effect: float, panels: int) -> list[int]:
        """Return a stream of seeds of the kind's own: the first ones are the same for any number."""
        children = np.random.SeedSequence(derive_seed(SEED, "bayes", self.name, effect)).spawn(panels)
        return [int(c.generate_state(1, np.uint64)[0] >> np.uint64(1)) for c in children]


STAGGERED = ((15, 7), (18, 7), (22, 6))
LASTING = {"shock_sd": 0.25, "shock_persistence": 0.7}
SIX = HierarchicalDiD(lasting_shocks=6, draws=2000)
KINDS = (
    Kind("20 treated", True, {}),
    Kind("6 treated", True, {}, ((18, 6),)),
    Kind("20 treated, three starts", True, {}, STAGGERED),
    Kind("20 treated, variance 8 times the mean", True, {"dispersion": 1.4}),
    Kind("6 treated, variance 8 times the mean", True, {"dispersion": 1.4}, ((18, 6),)),
    Kind("3 treated", True, {}, ((18, 3),)),
    Kind("20 treated, half an event a month", True, {"mean": 0.5}),
    Kind("6 treated, half an event a month", True, {"mean": 0.5}, ((18, 6),)),
    Kind("20 treated, shocks of areas that last", False, LASTING, cost=2),
    Kind("6 treated, shocks of areas that last", False, LASTING, ((18, 6),), cost=2),
    Kind("20 treated, the same, lasting_shocks=6", True, LASTING, estimator=SIX, cost=8),
    Kind("6 treated, the same, lasting_shocks=6", True, LASTING, ((18, 6),), SIX, cost=8),
    Kind("20 treated, no shocks, lasting_shocks=6", True, {}, estimator=SIX, cost=8),
    Kind("20 treated, effect builds up over a year, three starts", False, {"build_up": 12}, STAGGERED, cost=2),
    Kind("20 treated, a fifth more next door", False, {"spillover": 1.2}, cost=2),
    Kind("20 treated, a tenth less next door", False, {"spillover": 0.9}, cost=2),
)
EFFECTS = (1.0, 0.8)
#: Median, and ends of the 95% interval.
_ENDS = [0.5, 0.025, 0.975]


def one_panel(kind: Kind, effect: float, seed: int) -> dict[str, Any]:
    """Return whether intervals of the average effect hold the truth, and whether the result warns.

    The numbers are those of `kind.estimator.fit`, without what a result has beside them.
    """
    simulation, estimator = kind.simulate(effect, seed), kind.estimator
    truth, arrays = simulation.truth["violence"].effect(), simulation.design("violence").arrays
    try:
        question = estimator.ask(arrays)
        posterior = arrived(run(question.model, estimator.engine, draws=estimator.draws, seed=seed % 1000), kind.name)
    except EstimationError:
        return {"refused": True}
    cells = question.cells(posterior, arrays, estimator.level)
    ratio, low, high = np.quantile(np.exp(cells.log_ratio), _ENDS)
    _, fewest, most = np.quantile(cells.events, _ENDS)
    return {
        "refused": False,
        "covered": low <= truth.rate_ratio <= high,
        "covered_events": fewest <= truth.events <= most,
        "rejected": not low <= 1 <= high,
        "below": high < truth.rate_ratio,
        "bias": math.log(ratio / truth.rate_ratio),
        "width": math.log(high / low),
        "warned": bool(estimator.details(question, posterior, cells)["inference_in_doubt"]),
    }


def _panels(job: tuple[Kind, float, list[int]]) -> list[dict[str, Any]]:
    kind, effect, seeds = job
    return [one_panel(kind, effect, seed) for seed in seeds]


def line(kind: Kind, effect: float, drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one line of the table of panels."""
    answered = [d for d in drawn if not d["refused"]]

    def share(key: str) -> float:
        return float(np.mean([d[key] for d in answered])) if answered else math.nan

    keys = ("covered", "covered_events", "rejected", "below", "bias", "width", "warned")
    told = {"panel": kind.name, "right": kind.right, "effect": effect, "panels": len(drawn)}
    return {**told, "refused": len(drawn) - len(answered), **{k: share(k) for k in keys}}


def coverage(kinds: Sequence[Kind], panels: int, jobs: int) -> pd.DataFrame:
    """Return the coverage on every kind of panel, without an effect and with one."""
    work = [(k, e, k.seeds(e, max(panels // k.cost, 1))) for k in kinds for e in EFFECTS]
    block = 25
    parts = [(k, e, s[i : i + block]) for k, e, s in work for i in range(0, len(s), block)]
    if jobs == 1:
        drawn = [_panels(part) for part in parts]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(_panels, parts))
    held = iter(drawn)
    return pd.DataFrame([line(k, e, [d for _ in range(0, len(s), block) for d in next(held)]) for k, e, s in work])


def merged(path: Path, made: pd.DataFrame, keys: list[str], order: Sequence[str]) -> pd.DataFrame:
    """Return the table with its new lines in the place of the old ones of the same keys."""
    if path.exists() and len(made):
        old = pd.read_csv(path)
        fresh = set(map(tuple, made[keys].to_numpy()))
        kept = [tuple(row) not in fresh for row in old[keys].to_numpy()]
        made = pd.concat([old[kept], made], ignore_index=True)
    elif path.exists():
        return pd.read_csv(path)
    place = {name: i for i, name in enumerate(order)}
    return made.sort_values(keys[0], key=lambda c: c.map(place), kind="stable").reset_index(drop=True)


def main() -> None:
    """Run the studies and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fits", type=int, default=0, help="of each model; 1,000 by laplace and 200 by nuts unless given"
    )
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument("--panels", type=int, default=1000, help="of each kind, for coverage; fewer of some")
    parser.add_argument("--only", default="", help="models whose name holds this; 'panels' for coverage alone")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    begun = time.monotonic()
    given.out.mkdir(parents=True, exist_ok=True)
    study(given)
    if given.only in ("", "panels"):
        for kind in KINDS:
            made = coverage([kind], given.panels, given.jobs)
            write(given.out / "calibration_bayes_coverage.csv", made, ["panel", "effect"], [k.name for k in KINDS])
            print(f"{kind.name}: {time.monotonic() - begun:.0f} s", flush=True)
    path = pages(given.out)
    print(f"{path}: {time.monotonic() - begun:.0f} s, {given.jobs} processes")


def pages(folder: Path) -> Path:
    """Write the picture and the page from the tables that are there, and return where the page is."""
    names = [folder / f"calibration_bayes{ending}.csv" for ending in ("", "_coverage", "_ranks")]
    results, panels, ranks = (pd.read_csv(name) if name.exists() else None for name in names)
    if ranks is not None:
        (folder / "calibration_bayes.svg").write_text(drawing(picture(ranks)), encoding="utf-8")
    path = folder / "calibration_bayes.md"
    told = "" if ranks is None else described(ranks)
    path.write_text(page(results, panels, [k.name for k in KINDS], told), encoding="utf-8")
    return path


def write(path: Path, made: pd.DataFrame, keys: list[str], order: Sequence[str]) -> None:
    """Write a table, the lines that were not made anew as they were."""
    table = merged(path, made, keys, order)
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")


def study(given: argparse.Namespace) -> None:
    """Calibrate every model that is asked for, by every engine."""
    if given.only == "panels":
        return
    for engine in ENGINES if given.engine == "both" else [given.engine]:
        for name, ask in TEMPLATES.items():
            if given.only.lower() not in name.lower():
                continue
            question = ask()
            begun = time.monotonic()
            made = simulation_based_calibration(
                question.model,
                engine=engine,
                target=question.target if question.target.any() else None,
                treatment=question.treatment,
                fits=given.fits or ENGINES[engine],
                seed=derive_seed(SEED, name),
                jobs=given.jobs,
            )
            front = ["model", "engine", "quantity"]
            for ending, table in (("", made.table()), ("_ranks", ranked(made))):
                whole = table.assign(model=name, engine=engine)
                whole = whole[[*front, *(c for c in whole.columns if c not in front)]]
                write(given.out / f"calibration_bayes{ending}.csv", whole, front, list(TEMPLATES))
            print(
                f"{name}, {engine}: {made.asked} fits, {time.monotonic() - begun:.0f} s, {len(made.failures)} failed",
                flush=True,
            )


if __name__ == "__main__":
    main()
