"""Predictors of a synthetic control: the search for V, V as given, and what predictors are averages of."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, Result
from svmodel.counterfactual import SyntheticControl
from svmodel.errors import EstimationError
from svmodel.numerics.synthetic.nested_v import nested_v

YEARS, START, AREAS = 24, 16, 14


def frame_of(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    load = rng.uniform(0, 1, (AREAS, 2))
    shocks = np.cumsum(rng.normal(0, 2, (2, YEARS)), axis=1)
    y = 60 + 20 * load[:, :1] + load @ shocks + rng.normal(0, 1, (AREAS, YEARS))
    held = {
        "area": np.repeat([f"A{i:02d}" for i in range(AREAS)], YEARS),
        "year": np.tile(np.arange(1991, 1991 + YEARS), AREAS),
        "rate": y.ravel(),
    }
    for name, signal in zip(("income", "age", "price", "beer"), rng.normal(size=(4, 2)), strict=True):
        level = load @ signal + rng.normal(0, 0.3, AREAS)
        held[name] = (level[:, None] + rng.normal(0, 0.1, (AREAS, YEARS))).ravel()
    return pd.DataFrame(held)


def design_of(frame: pd.DataFrame) -> Design:
    columns = ["income", "age", "price", "beer"]
    panel = Panel.from_frame(frame, area="area", period="year", measures=["rate"], covariates=columns)
    return Design(panel, outcome="rate", intervention=Intervention("patrols", {"A00": 1991 + START}))


NAMES = ("income", "age", "price", "beer", ("outcome", 1995), ("outcome", 2006))


def same(one: Result, other: Result) -> bool:
    """Return whether two results have the same average effect, its error and p-value."""
    held = [r.effect("att", "difference") for r in (one, other)]
    numbers = [(e.estimate, e.std_error, e.p_value) for e in held]
    return numbers[0] == pytest.approx(numbers[1], rel=1e-9)


def test_neither_the_order_of_predictors_nor_the_names_of_areas_count():
    frame = frame_of(1)
    fitted = SyntheticControl(predictors=NAMES).fit(design_of(frame))
    backwards = SyntheticControl(predictors=NAMES[::-1]).fit(design_of(frame))
    assert same(fitted, backwards)
    assert fitted.diagnostics["v_losses"] == backwards.diagnostics["v_losses"]
    renamed = frame.assign(
        area=frame["area"].map({a: a if a == "A00" else f"B{99 - int(a[1:])}" for a in frame["area"]})
    )
    other = SyntheticControl(predictors=NAMES).fit(design_of(renamed))
    assert same(fitted, other)


def test_the_search_comes_to_the_minimum_that_a_long_search_comes_to():
    # found by scipy's differential evolution, 60 generations of 50 points
    for seed, least in ((1, 0.629758), (5, 1.177097)):
        rng = np.random.default_rng(seed)
        loading = rng.normal(size=(2, 21))
        X = rng.normal(size=(5, 2)) @ loading + 0.3 * rng.normal(size=(5, 21))
        Z = 50 + rng.normal(size=(24, 2)) @ loading * 3 + rng.normal(size=(24, 21))
        fit = nested_v(X[:, 1:], X[:, 0], Z[:, 1:], Z[:, 0])
        assert fit.loss <= least * (1 + 1e-4)
        assert (np.diff(fit.losses) >= 0).all()
        assert fit.losses[-1] > 1.01 * fit.loss  # some starts stop short
        assert len(fit.rivals) < len(fit.losses)
        order = np.random.default_rng(0).permutation(5)
        again = nested_v(X[order, 1:], X[order, 0], Z[:, 1:], Z[:, 0])
        assert np.array_equal(again.weights, fit.weights)
        assert np.array_equal(again.v, fit.v[order])


def test_starts_that_fit_as_well_and_answer_otherwise_are_warned_of():
    # two donors fit the past equally well; each predictor speaks for one of them, and they part after the start
    rng = np.random.default_rng(3)
    y = 50 + np.cumsum(rng.normal(0, 1, (AREAS, YEARS)), axis=1)
    y[0] = 50 + np.cumsum(rng.normal(0, 1, YEARS))
    noise = rng.normal(0, 1, (2, START))
    y[1, :START], y[2, :START] = y[0, :START] + noise[0], y[0, :START] - noise[0]
    y[3:, :START] += 40
    y[1, START:], y[2, START:] = y[0, START:] + 30, y[0, START:] - 30
    frame = frame_of(0).assign(rate=y.ravel())
    first = np.r_[1.0, 1.0, 0.0, rng.uniform(0, 0.2, AREAS - 3)]
    second = np.r_[1.0, 0.0, 1.0, rng.uniform(0, 0.2, AREAS - 3)]
    frame["income"], frame["age"] = np.repeat(first, YEARS), np.repeat(second, YEARS)
    result = SyntheticControl(predictors=("income", "age"), v={"income": 1, "age": 0}).fit(design_of(frame))
    other = SyntheticControl(predictors=("income", "age"), v={"income": 0, "age": 1}).fit(design_of(frame))
    assert result.effect("att", "difference").estimate == pytest.approx(-30, abs=1)
    assert other.effect("att", "difference").estimate == pytest.approx(30, abs=1)
    searched = SyntheticControl(predictors=("income", "age")).fit(design_of(frame))
    effects = searched.diagnostics["v_effects"][0]
    told = any("as well" in w.text and w.kind == "fit" for w in searched.warnings)
    assert told == (max(effects) - min(effects) > 0.25 * searched.effect("att", "difference").std_error)
    assert len(searched.diagnostics["v_losses"][0]) >= 1


def test_v_is_taken_as_given_by_label_or_by_column():
    frame = frame_of(4)
    given = {"income": 0.5, "age": 0.2, "price": 0.2, "beer 1995 to 2000": 0.1}
    names = ("income", "age", "price", ("beer", 1995, 2000))
    result = SyntheticControl(predictors=names, v=given).fit(design_of(frame))
    held = result.weights[result.weights["role"] == "predictor"].set_index("predictor")["weight"]
    assert held.to_dict() == pytest.approx(given)
    by_column = {**given, "beer": 1.0}
    del by_column["beer 1995 to 2000"]
    short = SyntheticControl(predictors=names, v={k: w * 10 for k, w in by_column.items() if k != "beer"} | {"beer": 1})
    assert same(short.fit(design_of(frame)), result)
    again = Result.from_json(result.to_json(), design=design_of(frame)).refit()
    assert same(again, result)


def test_what_is_wrong_with_a_given_v_is_told_at_once():
    with pytest.raises(EstimationError) as raised:
        SyntheticControl(predictors=("income", "age"), v={"incom": 1.0, "age": -1.0})
    text = str(raised.value)
    assert "incom" in text
    assert "income" in text
    assert "not 0 or more" in text
    assert "no weight for income" in text
    with pytest.raises(EstimationError, match="all weights are 0"):
        SyntheticControl(predictors=("income",), v={"income": 0})
    with pytest.raises(EstimationError, match="goes with predictors"):
        SyntheticControl(v={"income": 1})


def test_v_can_be_chosen_over_a_later_time_than_predictors_are_averaged_over():
    frame = frame_of(5)
    early = [(name, 1991, 1998) for name in ("income", "age", "price")]
    result = SyntheticControl(predictors=early, window=(1999, 2006)).fit(design_of(frame))
    inside = result.counterfactual
    inside = inside[(inside["area"] == "A00") & inside["period"].astype(str).between("1999", "2006")]
    loss = float(np.mean((inside["observed"] - inside["expected"]) ** 2))
    assert result.diagnostics["v_losses"][0][0] == pytest.approx(loss)
    whole = SyntheticControl(predictors=early).fit(design_of(frame)).diagnostics["v_losses"][0][0]
    assert whole != pytest.approx(loss)
    with pytest.raises(EstimationError, match="reaches beyond the time before the start"):
        SyntheticControl(predictors=early, window=(1999, 2010)).fit(design_of(frame))
    with pytest.raises(EstimationError, match="no first and last period"):
        SyntheticControl(predictors=early, window="1999")


def test_a_predictor_is_averaged_over_the_years_that_are_known():
    frame = frame_of(6)
    frame.loc[frame["year"] < 1997, "beer"] = np.nan
    frame.loc[(frame["area"] == "A05") & (frame["year"] < 2003), "beer"] = np.nan
    result = SyntheticControl(predictors=("income", "beer")).fit(design_of(frame))
    assert result.diagnostics["donors"] == AREAS - 1
    table = result.diagnostics["balance"].set_index("predictor")
    own = frame[(frame["area"] == "A00") & (frame["year"].between(1997, 1990 + START))]["beer"].mean()
    assert table.loc["beer", "treated"] == pytest.approx(own)
    assert any("beer" in n and "known" in n for n in result.notes)


def test_a_predictor_in_which_one_donor_alone_differs_leaves_placebos_standing():
    frame = frame_of(7)
    frame["beer"] = (frame["area"] == "A07").astype(float)
    result = SyntheticControl(predictors=("income", "age", "beer")).fit(design_of(frame))
    assert result.diagnostics["placebos"] == AREAS - 1
    frame["beer"] = (frame["area"] == "A00").astype(float)
    with pytest.raises(EstimationError, match=r"beer.*the same in every area that can serve as a donor"):
        SyntheticControl(predictors=("income", "age", "beer")).fit(design_of(frame))


def two_as_good(apart: float) -> Design:
    """One donor is like the treated area in one predictor, another in the other; both went along with it before."""
    rng = np.random.default_rng(3)
    years, names = np.arange(2000, 2012), [f"A{i:02d}" for i in range(14)]
    y = 50 + rng.normal(0, 0.5, (14, 12)) + 3.0 * np.arange(14)[:, None]
    y[1] = y[2] = y[0] + 0.4 * (-1.0) ** np.arange(12)
    y[1, 8:] += apart / 2
    y[2, 8:] -= apart / 2
    income, young = rng.uniform(3, 9, 14), rng.uniform(3, 9, 14)
    income[:3], young[:3] = (1.0, 1.0, 9.0), (1.0, 9.0, 1.0)
    columns = {"income": np.repeat(income, 12), "young": np.repeat(young, 12)}
    frame = pd.DataFrame({"area": np.repeat(names, 12), "year": np.tile(years, 14), "score": y.ravel(), **columns})
    panel = Panel.from_frame(frame, area="area", period="year", measures=["score"], covariates=list(columns))
    return Design(panel, outcome="score", intervention=Intervention("it", {"A00": 2008}))


def test_good_starts_that_disagree_are_a_warning_and_ones_that_agree_are_none():
    estimator = SyntheticControl(predictors=("income", "young"))
    said = {}
    for apart in (30.0, 0.0):
        result = estimator.fit(two_as_good(apart))
        (effects,) = result.diagnostics["v_effects"]
        (losses,) = result.diagnostics["v_losses"]
        assert losses == sorted(losses)
        assert sum(loss <= 1.01 * losses[0] + 1e-12 for loss in losses) >= len(effects) > 1
        said[apart] = max(effects) - min(effects), [w for w in result.warnings if "hangs on little" in w.text]
    assert said[30.0][0] > 10
    assert [w.kind for w in said[30.0][1]] == ["fit"]
    assert said[0.0][1] == []
