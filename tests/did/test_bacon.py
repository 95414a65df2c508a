"""The decomposition against the regression it decomposes, and the measures of robustness against their optimisation."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel import did
from svmodel.did.twfe.bacon import weigh
from svmodel.errors import DesignError, EstimationError


def design(seed=0, starts=(3, 3, 5, 5, 5, 7, 99, 99), periods=9, **extra):
    rng = np.random.default_rng(seed)
    n = len(starts)
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i}" for i in range(n)], periods),
            "year": np.tile(np.arange(2001, 2001 + periods), n),
            "y": rng.normal(size=n * periods) + np.repeat(rng.normal(size=n), periods),
            "x": np.repeat(rng.normal(size=n), periods),
        }
    )
    frame.loc[frame.index[extra.pop("missing", [])], "y"] = np.nan
    panel = sv.Panel.from_frame(frame, area="area", period="year", measures=["y"], covariates=["x"])
    when = {f"A{i}": 2001 + s for i, s in enumerate(starts) if s < 90}
    return sv.Design(panel, outcome="y", intervention=sv.Intervention("patrols", when), **extra)


@pytest.mark.parametrize("starts", [(3, 3, 5, 5, 5, 7, 99, 99), (3, 3, 5, 7), (4, 4, 99, 99, 99), (2, 8, 50, 99)])
@pytest.mark.parametrize("seed", range(3))
def test_the_weighted_comparisons_are_the_coefficient(starts, seed):
    question = design(seed, starts)
    table = did.bacon_decomposition(question)
    coefficient = did.TwoWayFixedEffects(family="linear").fit(question).effect("att", "difference").estimate
    assert table["weight"].sum() == pytest.approx(1.0)
    assert (table["weight"] > 0).all()
    assert table["weight"] @ table["estimate"] == pytest.approx(coefficient, abs=1e-10)


def test_each_comparison_is_a_two_by_two_regression():
    question = design()
    a = question.arrays
    for row in did.bacon_decomposition(question).itertuples():
        k = row.treated.year - 2001
        other = 99 if row.control is None else row.control.year - 2001
        t = np.arange(9)
        window = {"treated_vs_never": t >= 0, "earlier_vs_later": t < other, "later_vs_earlier": t >= other}[row.type]
        rows = np.flatnonzero((a.start == k) | (a.start == other if row.control is not None else a.start > 50))
        y = a.y[np.ix_(rows, window)]
        mine = (a.start[rows] == k).astype(float)
        on = mine[:, None] * (t[window] >= k)
        i, s = (v.ravel() for v in np.indices(y.shape))
        X = np.column_stack([on.ravel(), np.eye(len(rows))[i], np.eye(y.shape[1])[s][:, 1:]])
        assert row.estimate == pytest.approx(np.linalg.lstsq(X, y.ravel(), rcond=None)[0][0], abs=1e-10)


def test_what_the_theorem_is_not_about_is_refused():
    for bad, rule in (
        (design(missing=[4]), "unbalanced"),
        (design(anticipation=1), "excluded"),
        (design(covariates=("x",)), "covariates"),
    ):
        with pytest.raises(DesignError) as caught:
            did.bacon_decomposition(bad)
        assert [p.rule for p in caught.value.problems] == [rule]
    with pytest.raises(DesignError, match="same period"):
        did.bacon_decomposition(design(starts=(4, 4, 4)))


def test_the_sentence_names_the_forbidden_comparisons():
    said = did.describe_bacon(did.bacon_decomposition(design()))
    assert "areas already treated (average" in said
    assert said.endswith("mislead where effects change over time.")
    clean = did.describe_bacon(did.bacon_decomposition(design(starts=(4, 4, 99, 99))))
    assert "100% compares treated areas with areas never treated" in clean
    assert "mislead" not in clean


def test_weights_are_those_of_the_residual_treatment():
    question = design(starts=(2, 2, 2, 3, 6, 6))
    result = did.TwoWayFixedEffects(family="linear").fit(question)
    found = did.twfe_weights(result)
    D = question.arrays.treated.astype(float)
    left = D - D.mean(axis=1, keepdims=True) - D.mean(axis=0) + D.mean()
    w = (left / left[D > 0].sum())[D > 0]
    assert found.cells == len(w)
    assert found.negative == int((w < -1e-12).sum()) > 0
    assert found.sum_negative == pytest.approx(w[w < 0].sum())
    assert found.coefficient == pytest.approx(result.effect("att", "difference").estimate)
    assert found.sigma == pytest.approx(abs(found.coefficient) / np.sqrt(((w * len(w) - 1) ** 2).mean()))
    assert "have a negative weight" in str(found)


def test_the_measures_of_robustness_are_the_least_spread_there_is():
    """Against the optimisation they solve: effects that give the coefficient, with a mean of zero or of one sign."""
    from scipy import optimize

    rng = np.random.default_rng(4)
    for _ in range(5):
        w = rng.normal(0.6, 1.0, 9)
        w /= w.sum()
        found = weigh(1.5, w)

        def variance(effect):
            return ((effect - effect.mean()) ** 2).mean()

        gives = {"type": "eq", "fun": lambda effect, w=w: effect @ w - 1.5}
        zero = {"type": "eq", "fun": lambda effect: effect.mean()}
        options = {"maxiter": 2000, "ftol": 1e-14}
        least = optimize.minimize(variance, rng.normal(size=9), constraints=[gives, zero], options=options)
        assert found.sigma == pytest.approx(np.sqrt(least.fun), rel=1e-3)
        if (w < 0).any():
            start = -np.abs(rng.normal(size=9))
            below = optimize.minimize(variance, start, bounds=[(None, 0)] * 9, constraints=[gives], options=options)
            assert found.sigma_sign == pytest.approx(np.sqrt(below.fun), rel=1e-3)


def test_equal_weights_leave_nothing_to_worry_about():
    found = did.twfe_weights(did.TwoWayFixedEffects(family="linear").fit(design(starts=(4, 4, 99, 99))))
    assert (found.negative, found.sum_negative) == (0, 0.0)
    assert found.sigma == found.sigma_sign == np.inf
    assert "standard deviation" not in str(found)


def test_weights_of_another_method_are_refused():
    with pytest.raises(EstimationError, match="has no two-way weights"):
        did.twfe_weights(did.ExtendedTwoWayFixedEffects(family="linear").fit(design()))
