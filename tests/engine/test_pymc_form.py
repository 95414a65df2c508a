"""The PyMC form is the description: its log density is that of numpy, its effects are those that it was given."""

import warnings

import numpy as np
import pytest

from svmodel.engine.description import LatentModel, Term
from svmodel.engine.nuts import settled_imports
from svmodel.engine.pymc_form import PyMCForm
from svmodel.numerics.latent.area_shocks import AreaShocks, StartedWalk
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, Exponential, GammaPrecision, HalfNormal
from svmodel.numerics.latent.structures import AR1, BYM2, CellEffects, Fixed, Independent, RandomWalk, Seasonal

N, T = 5, 9
NOWHERE = np.zeros((1, 1), dtype=np.int64)
ROWS, COLUMNS = np.arange(N)[:, None], np.arange(T)[None, :]


def a_map() -> BorderGraph:
    """Areas in a line, and one island."""
    return BorderGraph(N, np.array([[i, i + 1] for i in range(N - 2)]))


def structures() -> dict[str, Term]:
    treated = np.where(np.arange(N) < 2, np.arange(N), -1)[:, None]
    value = np.zeros((N, T))
    value[:2, 5:] = 1.0
    horizon = np.where(value > 0, np.arange(T)[None, :] - 5, -1)
    sd = HalfNormal(0.4)
    return {
        "fixed": Term("x", Fixed(0.3, 0.7), NOWHERE),
        "several fixed": Term("x", Fixed(0.3, 0.7, 2), treated, value),
        "independent": Term("x", Independent(2, "sd", Exponential(3.0)), treated, value),
        "zero sum": Term("x", Independent(N, "sd", GammaPrecision(2.0, 0.1), zero_sum=True), ROWS),
        "walk": Term("x", RandomWalk(T, "sd", sd), COLUMNS),
        "walk by horizon": Term("x", RandomWalk(4, "sd", sd), horizon, value),
        "second order": Term("x", RandomWalk(T, "sd", sd, order=2, slope_sd=0.6), COLUMNS),
        "seasonal": Term("x", Seasonal(4, "sd", sd), COLUMNS % 4),
        "autoregressive": Term("x", AR1(T, "sd", sd, "rho", Beta(2.0, 3.0, -1.0)), COLUMNS),
        "every cell": Term("x", CellEffects(N * T, "sd", sd), np.arange(N * T).reshape(N, T)),
        "areas' shocks": Term(
            "x", AreaShocks(N, AR1(T, "sd", sd, "rho", Beta(3.0, 1.8))), np.arange(N * T).reshape(N, T)
        ),
        "areas that wander": Term("x", AreaShocks(N, StartedWalk(T, "sd", sd)), np.arange(N * T).reshape(N, T)),
        "map": Term("x", BYM2(a_map(), "sd", sd, "rho", Beta(0.5, 0.5)), ROWS),
    }


def counts(mean: float = 4.0, seed: int = 0) -> np.ndarray:
    y = np.random.default_rng(seed).negative_binomial(2.0, 2.0 / (2.0 + mean), (N, T)).astype(float)
    y[3, 4] = np.nan
    return y


def model_of(family: str, term: Term) -> LatentModel:
    offset = np.random.default_rng(5).normal(0.0, 0.2, (N, T))
    terms = (Term("level", Fixed(1.0, 1.0), NOWHERE), term)
    if family == "binomial":
        trials = np.full((N, T), 200.0)
        return LatentModel(counts(), offset - 4, terms, "binomial", trials=trials)
    if family == "gaussian":
        return LatentModel(np.log1p(counts()), offset, terms, "gaussian", HalfNormal(1.0), sd=np.full((N, T), 0.5))
    if family == "known errors":
        return LatentModel(np.log1p(counts()), offset, terms, "gaussian", sd=np.full((N, T), 0.5))
    spread = HalfNormal(0.5) if family == "negative_binomial" else None
    # counts beyond the first sixteen as well: both parts of the rising factorials
    return LatentModel(counts(mean=25.0), offset, terms, family, spread)


class Compared:
    """A form, compiled once, beside its description."""

    def __init__(self, model: LatentModel) -> None:
        self.model, self.form = model, PyMCForm(model)
        from pytensor.configdefaults import config

        with config.change_flags(mode="FAST_COMPILE"):
            self.built = self.form.build()
            self.value = self.built.compile_logp(jacobian=True)
            names = [*(t.name for t in model.terms), *model.hypers]
            named = self.built.replace_rvs_by_values([self.built[n] for n in names])
            self.named = self.built.compile_fn(named, inputs=self.built.value_vars, on_unused_input="ignore")
        self.names = names

    def point(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        start = self.built.initial_point()
        return {k: rng.normal(-0.5 if k.endswith("__") else 0.3, 0.6, np.shape(v)) for k, v in start.items()}

    def at(self, point: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {n: np.asarray(v) for n, v in zip(self.names, self.named(point), strict=True)}

    def effects(self, point: dict[str, np.ndarray], block) -> np.ndarray:
        found = self.at(point)
        return np.concatenate([found[name] for name in block.terms])

    def stretch(self, point: dict[str, np.ndarray]) -> float:
        """Log volume of the map from free variables to effects, found by moving each: it is linear."""
        total = 0.0
        for block in self.form.blocks:
            if not block.coordinates or isinstance(block.structure, Fixed):
                continue
            base, columns = self.effects(point, block), []
            for k in range(block.coordinates):
                moved = dict(point)
                moved[block.free] = point[block.free] + np.eye(block.coordinates)[k]
                columns.append(self.effects(moved, block) - base)
            J = np.array(columns).T
            total += 0.5 * np.linalg.slogdet(J.T @ J)[1]
        return total

    def expected(self, point: dict[str, np.ndarray]) -> float:
        """The description's own log density of the effects and of the hyperparameters on the real line."""
        found, problem = self.at(point), self.model.problem
        hyper = {n: float(found[n]) for n in self.model.hypers}
        x = np.concatenate([found[t.name] for t in self.model.terms])
        density = problem.likelihood.value(problem.predictor(x), hyper)
        for term in self.model.terms:
            Q, determinant = term.structure.precision(hyper)
            away = found[term.name] - term.structure.mean
            density += 0.5 * determinant - 0.5 * away @ Q @ away
        for name, prior in self.model.hypers.items():
            density += prior.log_density(real(prior, hyper[name])) + bent(prior, hyper[name])
        return density + self.stretch(point)


def bent(prior, h: float) -> float:
    """Log of d log h / dv, where v is the free variable of a standard deviation: h = scale log(1 + e^{10 v}) / 10."""
    if not isinstance(prior, HalfNormal | Exponential):
        return 0.0
    share = h / prior.scale if isinstance(prior, HalfNormal) else h * prior.rate
    return float(np.log(-np.expm1(-10 * share) / share))


def real(prior, h: float) -> float:
    if isinstance(prior, Beta):
        share = (h - prior.low) / (1 - prior.low)
        return float(np.log(share / (1 - share)))
    return float(np.log(h))


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings(), settled_imports():
        yield


def same_density(model: LatentModel) -> None:
    compared, rng = Compared(model), np.random.default_rng(1)
    gaps = []
    for _ in range(6):
        point = compared.point(rng)
        gaps.append(float(compared.value(point)) - compared.expected(point))
    # one constant for all points: what both leave out differs, not what depends on anything. The sums that nested
    # Laplace holds at zero by a penalty of 1e6 are zero here to 1e-15.
    assert np.ptp(gaps) < 1e-8 * max(1.0, np.abs(gaps).max()), gaps


@pytest.mark.parametrize("name", list(structures()))
def test_density_of_every_structure(name):
    same_density(model_of("poisson", structures()[name]))


@pytest.mark.parametrize("family", ["negative_binomial", "binomial", "gaussian", "known errors"])
def test_density_of_every_family(family):
    same_density(model_of(family, structures()["zero sum"]))


def carried_on(family: str) -> LatentModel:
    """A series of which the last three periods are unknown."""
    model = model_of(family, structures()["autoregressive"])
    return model.with_outcome(np.where(np.arange(T) < 6, model.y, np.nan))


def pooled() -> LatentModel:
    """Three coefficients with one standard deviation, and one by itself."""
    rng, sd = np.random.default_rng(7), HalfNormal(0.4)
    terms = [Term("level", Fixed(1.0, 1.0), NOWHERE)]
    terms += [Term(f"x_{k}", Independent(1, "sd", sd), NOWHERE, rng.normal(size=(N, T))) for k in range(3)]
    terms.append(Term("other", Independent(1, "other_sd", sd), NOWHERE, rng.normal(size=(N, T))))
    return LatentModel(counts(mean=25.0), np.zeros((N, T)), tuple(terms), "negative_binomial", HalfNormal(0.5))


@pytest.mark.parametrize("family", ["negative_binomial", "poisson", "gaussian"])
def test_density_of_a_series_that_goes_on_after_what_is_known(family):
    model = carried_on(family)
    assert len(PyMCForm(model).blocks[1].data["information"]) == 6
    same_density(model)


def test_density_of_coefficients_that_are_pooled_together():
    assert [block.terms for block in PyMCForm(pooled()).blocks] == [("level",), ("x_0", "x_1", "x_2"), ("other",)]
    same_density(pooled())


@pytest.mark.parametrize(
    "model",
    [*(model_of("poisson", term) for term in structures().values()), carried_on("negative_binomial"), pooled()],
    ids=[*structures(), "a series that goes on", "pooled together"],
)
def test_effects_are_recovered_without_compiling(model):
    compared, rng = Compared(model), np.random.default_rng(2)
    point = compared.point(rng)
    found = compared.at(point)
    drawn = {k: v[None, None] for k, v in point.items()} | {n: np.full((1, 1), found[n]) for n in compared.model.hypers}
    for term, effects in compared.form.effects(drawn).items():
        np.testing.assert_allclose(effects[0, 0], found[term], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["zero sum", "walk", "seasonal", "second order"])
def test_sums_are_held_at_zero(name):
    compared = Compared(model_of("poisson", structures()[name]))
    effects = compared.at(compared.point(np.random.default_rng(3)))["x"]
    assert abs(effects.sum()) < 1e-12
    assert np.abs(effects).max() > 1e-3


@pytest.mark.parametrize("shock", [1e-9, 1e-6, 1e-3, 0.1, 1.0, 30.0])
def test_negative_binomial_keeps_its_digits(shock):
    """Against the sum over factors as it stands, down to where the counts are Poisson."""
    import pytensor.tensor as pt
    from pytensor.configdefaults import config

    from svmodel.engine.pymc_data import grid_data
    from svmodel.engine.pymc_form import _log_likelihood, _Shared

    model = model_of("negative_binomial", structures()["fixed"])
    big = model.with_outcome(np.where(model.known, counts(mean=25.0, seed=4) * 40, np.nan))
    eta = np.random.default_rng(6).normal(3.0, 1.0, (N, T))
    for each in (model, big):
        with config.change_flags(mode="FAST_COMPILE"):
            import pytensor.tensor as pt

            value = _log_likelihood(
                each, pt.constant(eta), {"overdispersion": pt.constant(shock)}, _Shared(grid_data(each))
            )
            found = float(value.eval())
        k = each.y[each.known].astype(int)
        constant = each.likelihood._constant.sum()
        expected = each.likelihood.value(eta[each.known], {"overdispersion": shock}) - constant
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-8 * len(k))


def test_key_tells_shapes_not_numbers():
    term = structures()["walk"]
    model = model_of("negative_binomial", term)
    other = model.with_outcome(counts(mean=25.0, seed=9))
    stronger = LatentModel(model.y, model.offset, model.terms, model.family, HalfNormal(0.1))
    assert PyMCForm(model).key == PyMCForm(other).key == PyMCForm(stronger).key
    assert PyMCForm(model).key != PyMCForm(model_of("poisson", term)).key
    assert PyMCForm(model).key != PyMCForm(model_of("negative_binomial", structures()["second order"])).key
    assert PyMCForm(model).key != PyMCForm(model_of("negative_binomial", structures()["walk by horizon"])).key


@pytest.mark.parametrize("size", [1, 2])
def test_walks_of_next_to_nothing(size):
    index = np.zeros((1, T), dtype=np.int64) if size == 1 else (COLUMNS >= 5).astype(np.int64)
    same_density(model_of("poisson", Term("x", RandomWalk(size, "sd", HalfNormal(0.3)), index)))
