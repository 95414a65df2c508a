"""Engines side by side: what agrees passes, what does not fails in words, and Monte Carlo error is what it is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import simulate
from svmodel.bayes import HierarchicalDiD, StructuralCounterfactual, agreement
from svmodel.bayes.agreement import Pair, compare_engines
from svmodel.errors import EstimationError
from svmodel.result import Result


@pytest.fixture(scope="module")
def result():
    made = simulate.panel(8, 16, mean=20, effect=0.7, cohorts=((8, 3),), seed=1)
    return HierarchicalDiD(draws=8000).fit(made.design("violence"), seed=1)


@pytest.fixture(scope="module")
def audited(result):
    return result.audit()


def test_the_same_model_passes(audited):
    assert audited.status == "passed", audited.text
    assert audited.name == "engine_agreement"
    assert "agree about the average effect" in audited.text


def test_table_has_every_quantity_side_by_side(audited, result):
    table = audited.table.set_index("quantity")
    areas = [name for name in table.index if name.startswith("effect in ")]
    assert len(areas) == 3
    assert list(table.index)[:4] == ["average effect", *areas]
    first = table.loc["average effect"]
    assert first["laplace_mean"] == pytest.approx(result.draws.mean(), abs=1e-12)
    assert first["difference_in_sd"] == pytest.approx((first["laplace_mean"] - first["nuts_mean"]) / first["nuts_sd"])
    assert first["sd_ratio"] == pytest.approx(first["laplace_sd"] / first["nuts_sd"])
    assert (table["laplace_low"] < table["laplace_mean"]).all()
    assert (table["nuts_mean"] < table["nuts_high"]).all()


@pytest.mark.parametrize(("shift", "stretch"), [(0.3, 1.0), (0.0, 1.3), (0.0, 0.7)])
def test_a_wrong_engine_fails(result, monkeypatch, shift, stretch):
    """An engine whose effect is off by 0.3 s.d., or whose s.d. is a third too large or small."""
    posterior = result.posterior.posterior
    effect = posterior.effects["effect"]
    sd = float(result.draws.std())
    moved = {**posterior.effects, "effect": effect + shift * sd}
    if stretch != 1:
        moved = {name: values.mean(axis=0) + stretch * (values - values.mean(axis=0)) for name, values in moved.items()}
    other = replace(posterior, engine="nuts", effects=moved, details={"chains": 4})
    monkeypatch.setattr(agreement, "run", lambda *a, **k: other)
    found = compare_engines(result.estimator, result)
    assert found.status == "failed"
    assert "Do not publish" in found.text


def test_an_engine_that_has_not_converged_fails(result, monkeypatch):
    posterior = result.posterior.posterior
    lost = replace(posterior, engine="nuts", convergence=replace(posterior.convergence, divergences=7))
    monkeypatch.setattr(agreement, "run", lambda *a, **k: lost)
    found = compare_engines(result.estimator, result)
    assert found.status == "failed"
    assert "7 transitions diverged" in found.text


def test_a_result_from_json_cannot_be_audited(result):
    with pytest.raises(EstimationError, match="carries no posterior"):
        compare_engines(result.estimator, Result.from_json(result.to_json(), design=result.design))


def test_monte_carlo_error_is_what_repetition_shows():
    """Over 400 pairs of equal normals, differences and ratios spread as their standard errors say."""
    rng = np.random.default_rng(1)
    made = [Pair("x", rng.normal(size=1000), rng.normal(size=1000), 4) for _ in range(400)]
    z = np.array([p.difference / p.mean_error for p in made])
    w = np.array([(p.ratio - 1) / p.ratio_error for p in made])
    # an s.d. from 400 errs by 3.5%; ess of 1,000 draws by a few per cent more
    assert abs(z.std() - 1) < 0.15
    assert abs(w.std() - 1) < 0.15
    assert abs(z.mean()) < 0.2
    assert abs(w.mean()) < 0.2


def sparse(last: int) -> sv.Design:
    """Five areas with an event a month; the third is treated in the last month, and has `last` events there."""
    counts = np.random.default_rng(4).poisson(1.0, (5, 48))
    counts[2, -1] = last
    months = pd.period_range("2018-01", periods=48, freq="M").astype(str)
    frame = pd.DataFrame({"area": np.repeat(list("ABCDE"), 48), "month": np.tile(months, 5), "n": counts.ravel()})
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n"])
    return sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", {"C": months[-1]}))


def test_counts_that_may_be_none_are_compared_by_their_difference(monkeypatch):
    """A ratio of nothing has no logarithm; events have a difference all the same."""
    estimator = StructuralCounterfactual(draws=400)
    result = estimator.fit(sparse(0), seed=1)
    own = result.posterior.posterior
    monkeypatch.setattr(agreement, "run", lambda *a, **k: replace(own, engine="nuts", details={"chains": 4}))
    found = compare_engines(estimator, result)
    assert found.status == "passed"
    # the third area of the design is the only series
    assert list(found.table["quantity"][:2]) == ["average effect", "effect in C"]
    first = found.table.set_index("quantity").loc["average effect"]
    expected = result.posterior.question.predicted(own, result.posterior.question.target, noise=False)
    assert first["laplace_mean"] == pytest.approx(-expected.mean())
    assert first["sd_ratio"] == 1.0


def test_the_noise_of_a_prediction_hides_no_difference_between_engines(monkeypatch):
    """Of a month with hardly an event most of the spread of a prediction is noise, which both engines share."""
    estimator = StructuralCounterfactual(draws=4000)
    result = estimator.fit(sparse(2), seed=1)
    own, question = result.posterior.posterior, result.posterior.question
    log_expected = np.log(question.predicted(own, question.target, noise=False)[:, 0])
    assert result.draws[np.isfinite(result.draws)].std() > 2 * log_expected.std()
    effects = {**own.effects, "intercept_0": own.effects["intercept_0"] - 0.3 * log_expected.std()}
    moved = replace(own, engine="nuts", effects=effects, details={"chains": 4})
    monkeypatch.setattr(agreement, "run", lambda *a, **k: moved)
    found = compare_engines(estimator, result)
    assert found.status == "failed"
    assert found.table["difference_in_sd"].iloc[0] == pytest.approx(-0.3, abs=1e-3)
