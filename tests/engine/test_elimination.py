"""Coordinates that NUTS walks in: of a Gaussian likelihood, whose posterior is known, they are what they promise."""

import numpy as np
import pytest

from svmodel.engine.description import LatentModel, Term
from svmodel.engine.elimination import Elimination
from svmodel.engine.pymc_data import about_precision, blocks_of
from svmodel.numerics.latent.graph import BorderGraph
from svmodel.numerics.latent.priors import Beta, HalfNormal
from svmodel.numerics.latent.structures import AR1, BYM2, Fixed, Independent

N, T = 7, 11
NOWHERE = np.zeros((1, 1), dtype=np.int64)
SD = HalfNormal(0.4)


def a_map(parts: int) -> BorderGraph:
    """Areas in a line; or a line, a pair and an island."""
    borders = [(i, i + 1) for i in range(N - 1)]
    return BorderGraph(N, np.array([b for b in borders if parts == 1 or b not in {(3, 4), (5, 6)}]))


def gaussian(*others: Term, even: bool = False) -> LatentModel:
    rng = np.random.default_rng(1)
    D = np.zeros((N, T))
    D[:3, 6:] = 1.0
    terms = (
        Term("intercept", Fixed(0.5, 2.0), NOWHERE),
        *others[:1],
        Term("effect", Fixed(0.1, 0.4), NOWHERE, D),
        *others[1:],
    )
    y = rng.normal(size=(N, T))
    y[2, 3] = np.nan if not even else y[2, 3]
    sd = np.full((N, T), 0.3) if even else rng.uniform(0.2, 0.6, (N, T))
    return LatentModel(y, np.zeros((N, T)), terms, "gaussian", sd=sd)


def posterior_precision(model: LatentModel, hyper: dict[str, float]) -> np.ndarray:
    """Of the whole field, exactly."""
    A = model.grid.matrix.toarray()
    Q = A.T @ (A / model.sd[model.known][:, None] ** 2)
    for term, block in zip(model.terms, model.grid.blocks, strict=True):
        Q[block, block] += term.structure.precision(hyper)[0]
    return Q


MODELS = {
    "areas and a series": (
        Term("area", Independent(N, "sd", SD), np.arange(N)[:, None]),
        Term("shock", AR1(T, "shock_sd", SD, "rho", Beta(2.0, 2.0)), np.arange(T)[None, :]),
    ),
    "a map": (Term("area", BYM2(a_map(1), "sd", SD, "rho", Beta(1.0, 1.0)), np.arange(N)[:, None]),),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_fixed_effects_are_independent_of_the_others_with_variance_one(name):
    model = gaussian(*MODELS[name])
    told = Elimination(model)
    p, fixed = model.grid.size, np.flatnonzero(told.fixed)
    rest = np.flatnonzero(~told.fixed)
    # x = T (z, b): fixed effects are R^{-1} z - K b, the others are b
    T_ = np.zeros((p, p))
    T_[np.ix_(fixed, range(len(fixed)))] = told.scale
    T_[np.ix_(fixed, range(len(fixed), p))] = -told.shift
    T_[np.ix_(rest, range(len(fixed), p))] = np.eye(len(rest))
    found = T_.T @ posterior_precision(model, {"sd": 0.3, "shock_sd": 0.2, "rho": 0.6}) @ T_
    f = len(fixed)
    np.testing.assert_allclose(found[:f, :f], np.eye(f), atol=1e-9)
    np.testing.assert_allclose(found[:f, f:], 0.0, atol=1e-9)
    # and what data tell of the others, once fixed effects are gone, is G
    places = {t.name: i for i, t in enumerate(model.terms)}
    for name_, block in ((t.name, b) for t, b in zip(model.terms, model.grid.blocks, strict=True)):
        if not isinstance(model.terms[places[name_]].structure, Fixed):
            G = told.information_matrix(places[name_])
            np.testing.assert_allclose(np.diag(G), told.information(places[name_]), rtol=1e-9)
            at = np.flatnonzero(np.isin(rest, np.arange(block.start, block.stop))) + f
            Q = model.terms[places[name_]].structure.precision({"sd": 0.3, "shock_sd": 0.2, "rho": 0.6})[0]
            np.testing.assert_allclose(found[np.ix_(at, at)], G + Q, atol=1e-7)


def map_coordinates(parts: int, share: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """The posterior precision of a map's coordinates once fixed effects are gone, and what their scale is set by."""
    term = Term("area", BYM2(a_map(parts), "sd", SD, "rho", Beta(1.0, 1.0)), np.arange(N)[:, None])
    told = Elimination(gaussian(term))
    block = blocks_of(told)[1]
    hyper = {"sd": sd, "rho": share}
    B = block.data["basis"]
    exact = B.T @ (told.information_matrix(1) + term.structure.precision(hyper)[0]) @ B
    return exact, about_precision(term.structure, hyper, block.data) + block.data["information"]


@pytest.mark.parametrize("sd", [0.05, 0.4, 2.0])
def test_coordinates_of_a_connected_map_do_not_hang_together_at_a_share_of_one_half(sd):
    exact, about = map_coordinates(1, 0.5, sd)
    scaled = exact / np.sqrt(np.outer(about, about))
    # all but the first, the level of all areas
    np.testing.assert_allclose(scaled[1:, 1:] - np.diag(np.diag(scaled)[1:]), 0.0, atol=1e-9)
    # scales between shares of 0 and 1, where they are exact, are interpolated
    np.testing.assert_allclose(np.diag(scaled), 1.0, rtol=0.1)
    # data weigh areas unevenly, so that the level is not quite apart from the rest
    assert np.abs(scaled[0, 1:]).max() < 0.2


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("share", [0.02, 0.9, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("sd", [0.05, 0.4, 2.0])
def test_scales_follow_the_prior_to_where_a_level_has_none(parts, share, sd):
    """The level of a connected part has variance sd^2 (1 - share): its coordinate has to shrink with it."""
    exact, about = map_coordinates(parts, share, sd)
    ratio = np.diag(exact) / about
    # scales within a factor of 1.7 of each other, at shares far from that of which the coordinates were made: what NUTS
    # adapts to by itself. Scaled by the share of one half, the level would be off by a factor of 700 at the last share.
    assert ratio.min() > 0.3
    assert ratio.max() < 3.0
