"""The second engine: the same answers, the same draws for a seed, nothing compiled twice, and quiet in any process."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from svmodel.bayes import _pymc_form, nuts
from svmodel.bayes.agreement import Pair
from svmodel.bayes.description import LatentModel, Term
from svmodel.bayes.engines import arrived, run
from svmodel.bayes.posterior import Posterior
from svmodel.errors import EstimationError
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import BYM2, Fixed, Independent, RandomWalk

NOWHERE = np.zeros((1, 1), dtype=np.int64)
DRAWS = 8000


def panel(areas: int, periods: int, mean: float, treated: int, seed: int) -> LatentModel:
    """A difference-in-differences as HierarchicalDiD writes it."""
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
    at = np.arange(rows * columns).reshape(rows, columns)
    across = np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()])
    return BorderGraph(rows * columns, np.vstack([across, np.column_stack([at[:-1].ravel(), at[1:].ravel()])]))


def small_areas(seed: int) -> LatentModel:
    """BYM2 over 300 areas and a random walk over 48 months."""
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
    """The average log ratio: of sums over treated cells."""
    target = np.broadcast_to(model.terms[3].value > 0, model.y.shape)
    both = np.exp(model.predictor(posterior.effects, target)).sum(axis=1)
    return np.log(both / np.exp(model.predictor(posterior.effects, target, without="effect")).sum(axis=1))


def quantities(model: LatentModel, posterior: Posterior) -> dict[str, np.ndarray]:
    if "effect" not in posterior.effects:
        rate = posterior.effects["intercept"] + posterior.effects["area"]
        found = {f"rate {i}": rate[:, i] for i in range(0, 300, 13)}
        # the intercept alone trades with the mean of the map: what is reported is their sum
        return found | {f"period {t}": posterior.effects["period"][:, t] for t in range(0, 48, 5)}
    each = posterior.effects["effect"] + posterior.effects["effect_own"]
    found = {"average": average(model, posterior), "intercept": posterior.effects["intercept"][:, 0]}
    return found | {f"area {i}": each[:, i] for i in range(each.shape[1])}


def both(model: LatentModel) -> list[Pair]:
    laplace = arrived(run(model, "laplace", draws=20_000, seed=1), "laplace")
    second = arrived(run(model, "nuts", draws=DRAWS, seed=1), "nuts")
    mine, theirs = quantities(model, laplace), quantities(model, second)
    return [Pair(name, mine[name], theirs[name], nuts.CHAINS) for name in mine]


CASES = {
    "60 x 60 at 12 a month": (60, 60, 12.0, 30, 1),
    "60 x 60 at 1 a month": (60, 60, 1.0, 30, 2),
    "32 boroughs with 6 treated": (32, 60, 9.0, 6, 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(CASES))
def test_engines_agree_on_panels(case):
    """Means within 0.1 posterior s.d., s.d. within 5%, beyond two Monte Carlo standard errors of each."""
    apart = [(p.name, p.difference, p.ratio) for p in both(panel(*CASES[case])) if not p.agrees]
    assert not apart


@pytest.mark.slow
def test_engines_agree_on_a_map():
    apart = [(p.name, p.difference, p.ratio) for p in both(small_areas(4)) if not p.agrees]
    assert not apart


def tiny(seed: int = 1, spread: float = 0.5) -> LatentModel:
    model = panel(8, 10, 20.0, 4, seed)
    return LatentModel(model.y, model.offset, model.terms, model.family, HalfNormal(spread))


def same(a: Posterior, b: Posterior) -> bool:
    return all(np.array_equal(a.effects[n], b.effects[n]) for n in a.effects) and all(
        np.array_equal(a.hyper[n], b.hyper[n]) for n in a.hyper
    )


def test_a_second_fit_compiles_nothing_and_a_seed_is_the_same_draws(monkeypatch):
    import nutpie

    compiled = []
    real = nutpie.compile_pymc_model
    monkeypatch.setattr(nuts, "_COMPILED", type(nuts._COMPILED)())
    monkeypatch.setattr(nutpie, "compile_pymc_model", lambda *a, **k: compiled.append(1) or real(*a, **k))
    first = nuts.sample(tiny(1), draws=1600, seed=3, tune=200)
    # other outcomes, other tables of counts, another prior: the same shape
    other = nuts.sample(tiny(2, spread=0.3), draws=1600, seed=3, tune=200)
    again = nuts.sample(tiny(1), draws=1600, seed=3, tune=200)
    assert len(compiled) == nuts.compiled_shapes() == 1
    assert same(first, again)
    assert not same(first, other)
    # what was compiled for other numbers gives the draws that a fresh compilation gives
    monkeypatch.setattr(nuts, "_COMPILED", type(nuts._COMPILED)())
    assert same(other, nuts.sample(tiny(2, spread=0.3), draws=1600, seed=3, tune=200))
    assert len(compiled) == 2
    assert not same(first, nuts.sample(tiny(1), draws=1600, seed=4, tune=200))


def _child(seed: int, pipe) -> None:
    found = nuts.sample(tiny(seed), draws=1600, seed=3, tune=200)
    pipe.send((found.effects["effect"], found.hyper["overdispersion"]))
    pipe.close()


def test_forked_workers_give_the_parents_draws():
    """After the parent has sampled: a pool of threads does not outlive a fork."""
    own = {seed: nuts.sample(tiny(seed), draws=1600, seed=3, tune=200) for seed in (1, 2)}
    context, held = multiprocessing.get_context("fork"), {}
    for seed in own:
        here, there = context.Pipe(duplex=False)
        worker = context.Process(target=_child, args=(seed, there))
        worker.start()
        held[seed] = (worker, here)
    for seed, (worker, here) in held.items():
        assert here.poll(120), "a forked worker hangs"
        effects, hyper = here.recv()
        worker.join(30)
        assert worker.exitcode == 0
        assert np.array_equal(effects, own[seed].effects["effect"])
        assert np.array_equal(hyper, own[seed].hyper["overdispersion"])


def test_pymc_itself_where_nutpie_is_absent(monkeypatch):
    """A model whose posterior is known: a gamma in all but its normal prior."""
    rate = Term("rate", Fixed(0.0, 10.0), NOWHERE)
    model = LatentModel(np.full((1, 20), 9.0), np.zeros((1, 20)), (rate,), "poisson")
    real = nuts.importlib.util.find_spec
    monkeypatch.setattr(nuts.importlib.util, "find_spec", lambda name, *a: None if name == "nutpie" else real(name, *a))
    found = nuts.sample(model, draws=2000, seed=1)
    assert found.details["sampler"] == "pymc"
    assert found.convergence.arrived
    draws = np.exp(found.effects["rate"][:, 0])
    # Gamma(180, 20): mean 9, s.d. 0.67; five Monte Carlo standard errors of some 700 independent draws
    assert abs(draws.mean() - 9.0) < 0.13
    assert abs(draws.std() / 0.6708 - 1) < 0.15


def test_a_posterior_that_does_not_converge_is_refused():
    """Two coefficients of which only the sum is told, with next to no prior, and hardly any warm-up."""
    terms = tuple(Term(name, Fixed(0.0, 1e6), NOWHERE) for name in ("one", "other"))
    model = LatentModel(np.full((1, 50), 9.0), np.zeros((1, 50)), terms, "poisson")
    found = nuts.sample(model, draws=400, seed=1, tune=10)
    assert not found.convergence.arrived
    with pytest.raises(EstimationError, match=r"(?s)this place: the nuts fit has not converged.*(met|worth|diverged)"):
        arrived(found, "this place")


def test_draws_are_shared_between_chains():
    found = nuts._once(_pymc_form.PyMCForm(tiny(1)), 402, 200, 3)
    assert found.size == found.details["draws"] == 404
    assert {n: v.shape for n, v in found.effects.items()}["effect_own"] == (404, 4)
    assert not found.convergence.arrived


def test_sound_chains_that_are_too_short_are_run_longer():
    """402 draws are worth fewer than 400 independent ones whatever the model; three times as many are worth more."""
    found = nuts.sample(tiny(1), draws=402, seed=3, tune=200)
    assert found.size == found.details["draws"] == 1208


LAPLACE_ONLY = """
import sys
import svmodel
from svmodel import simulate
from svmodel.bayes import HierarchicalDiD
made = simulate.panel(8, 12, mean=20, effect=0.7, cohorts=((6, 3),), seed=1)
HierarchicalDiD(draws=500).fit(made.design("violence"), seed=1)
loaded = [n for n in ("pymc", "pytensor", "arviz", "nutpie", "numba") if n in sys.modules]
assert not loaded, loaded
"""


def test_laplace_alone_loads_no_sampler():
    done = subprocess.run([sys.executable, "-c", LAPLACE_ONLY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_structure_and_prior_has_a_form():
    from svmodel.numerics.latent import priors, structures

    assert {structures.AR1, structures.BYM2, structures.Independent, structures.RandomWalk, structures.Seasonal} == set(
        _pymc_form._FORMS
    )
    kinds = {getattr(structures, name) for name in structures.__all__ if name != "Structure"}
    assert all(kind is Fixed or issubclass(kind, tuple(_pymc_form._FORMS)) for kind in kinds)
    assert set(priors.__all__) - {"HyperPrior"} == {"Beta", "Exponential", "GammaPrecision", "HalfNormal"}
