"""Four fixed data sets on which the two Bayesian engines are held against each other, here and in the tests."""

from __future__ import annotations

import numpy as np

from svmodel.engine.description import LatentModel, Term
from svmodel.engine.posterior import Posterior
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import BYM2, Fixed, Independent, RandomWalk

NOWHERE = np.zeros((1, 1), dtype=np.int64)


def panel(areas: int, periods: int, mean: float, treated: int, seed: int) -> LatentModel:
    """Return a difference-in-differences as HierarchicalDiD writes it."""
    rng = np.random.default_rng(seed)
    people = rng.integers(6_000, 14_000, areas) / 10_000
    level, walk = rng.normal(0, 0.4, areas), np.cumsum(rng.normal(0, 0.04, periods))
    D = np.zeros((areas, periods))
    D[:treated, 3 * periods // 5 :] = 1.0
    effect = rng.normal(-0.15, 0.08, areas)
    offset = np.broadcast_to(np.log(people)[:, None], D.shape)
    mu = mean * np.exp(offset + level[:, None] + (walk - walk.mean())[None, :] + effect[:, None] * D)
    y = rng.negative_binomial(8.0, 8.0 / (8.0 + mu)).astype(float)
    member = np.where(np.arange(areas) < treated, np.arange(areas), -1)[:, None]
    terms = (
        Term("intercept", Fixed(float(np.log(y.mean() / np.exp(offset).mean())), 1.0), NOWHERE),
        Term("area", Independent(areas, "area_sd", HalfNormal(0.7), zero_sum=True), np.arange(areas)[:, None]),
        Term("period", RandomWalk(periods, "period_sd", HalfNormal(0.2)), np.arange(periods)[None, :]),
        Term("effect", Fixed(0.0, 0.35), NOWHERE, D),
        Term("effect_own", Independent(treated, "effect_sd", HalfNormal(0.2)), member, D),
    )
    return LatentModel(y, offset, terms, "negative_binomial", HalfNormal(0.5))


def grid_map(rows: int, columns: int) -> BorderGraph:
    """Return the borders of a rectangle of areas."""
    at = np.arange(rows * columns).reshape(rows, columns)
    across = np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()])
    return BorderGraph(rows * columns, np.vstack([across, np.column_stack([at[:-1].ravel(), at[1:].ravel()])]))


def small_areas(seed: int) -> LatentModel:
    """Return BYM2 over 300 areas and a random walk over 48 months."""
    rng, graph, periods = np.random.default_rng(seed), grid_map(15, 20), 48
    areas = BYM2(graph, "map_sd", HalfNormal(1.0), "map_share", Beta(1.0, 1.0))
    level = areas.draw({"map_sd": 0.5, "map_share": 0.7}, rng)
    walk = np.cumsum(rng.normal(0, 0.05, periods))
    offset = np.broadcast_to(np.log(rng.integers(5_000, 12_000, graph.size) / 10_000)[:, None], (graph.size, periods))
    mu = np.exp(np.log(4.0) + offset + level[:, None] + (walk - walk.mean())[None, :])
    y = rng.negative_binomial(10.0, 10.0 / (10.0 + mu)).astype(float)
    terms = (
        Term("intercept", Fixed(float(np.log(y.mean() / np.exp(offset).mean())), 1.0), NOWHERE),
        Term("area", areas, np.arange(graph.size)[:, None]),
        Term("period", RandomWalk(periods, "period_sd", HalfNormal(0.2)), np.arange(periods)[None, :]),
    )
    return LatentModel(y, offset, terms, "negative_binomial", HalfNormal(0.5))


def average(model: LatentModel, posterior: Posterior) -> np.ndarray:
    """Return draws of the average log ratio: of sums over treated cells."""
    target = np.broadcast_to(model.terms[3].value > 0, model.y.shape)
    both = np.exp(model.predictor(posterior.effects, target)).sum(axis=1)
    return np.log(both / np.exp(model.predictor(posterior.effects, target, without="effect")).sum(axis=1))


def quantities(model: LatentModel, posterior: Posterior) -> dict[str, np.ndarray]:
    """Return draws of what is reported: effects of a panel, rates and periods of a map."""
    if "effect" not in posterior.effects:
        rate = posterior.effects["intercept"] + posterior.effects["area"]
        found = {f"rate {i}": rate[:, i] for i in range(0, 300, 13)}
        # the intercept alone trades with the mean of the map: what is reported is their sum
        return found | {f"period {t}": posterior.effects["period"][:, t] for t in range(0, 48, 5)}
    each = posterior.effects["effect"] + posterior.effects["effect_own"]
    found = {"average": average(model, posterior), "intercept": posterior.effects["intercept"][:, 0]}
    return found | {f"area {i}": each[:, i] for i in range(each.shape[1])}


CASES = {
    "60 x 60 at 12 a month": lambda: panel(60, 60, 12.0, 30, 1),
    "60 x 60 at 1 a month": lambda: panel(60, 60, 1.0, 30, 2),
    "32 boroughs with 6 treated": lambda: panel(32, 60, 9.0, 6, 3),
    "BYM2 + RW1, 300 areas x 48 months": lambda: small_areas(4),
}
