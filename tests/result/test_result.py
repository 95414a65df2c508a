import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svmodel import simulate
from svmodel.design import Design, Intervention
from svmodel.did import CallawaySantAnna
from svmodel.errors import DataError, EstimationError
from svmodel.panel import Panel
from svmodel.result import JointEstimate, Result, ResultWarning
from svmodel.result.scales import estimates_frame, linear_row, log_row, provenance

JUNE = pd.Period("2024-06", freq="M")


@dataclass(frozen=True)
class Mean:
    """Mean of treated less mean of untreated cells; enough of an estimator to carry a result."""

    level: float = 0.95
    names: tuple[str, ...] = ("a", "b")

    def fit(self, design, *, seed=0):
        arrays = design.arrays
        gap = float(arrays.y[arrays.treated].mean() - arrays.y[arrays.untreated].mean())
        rows = [linear_row("att", "difference", gap, 1.0, level=self.level)]
        return Result(estimates_frame(rows), design, self, provenance=provenance(design, seed), seed=seed)


def simulated():
    return simulate.panel(20, 24, mean=15, cohorts=((12, 6),), effect=0.7, seed=1).design("violence")


def design(outcome="n"):
    frame = pd.DataFrame({"area": ["A"] * 4 + ["B"] * 4, "month": list(range(2001, 2005)) * 2, "n": range(8)})
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    return Design(panel, outcome=outcome, intervention=Intervention("x & y", {"A": 2003}))


def result(**parts):
    rows = [
        log_row("att", -0.2, 0.1),
        linear_row("att", "per_100k", -3.0, 1.5),
        linear_row("att", "events", -40.0, 20.0),
        log_row("cell", -0.1, 0.2, cohort=JUNE, period=JUNE),
        log_row("cell", -0.3, 0.2, cohort=JUNE, period=JUNE + 1),
        log_row("event", 0.05, 0.1, horizon=-2),
        log_row("event", -0.3, 0.1, horizon=0),
    ]
    return Result(**{"estimates": estimates_frame(rows), "design": None, "estimator": Mean()} | parts)


def test_effect_picks_one_estimate():
    r = result()
    assert r.effect().estimate == math.exp(-0.2)
    assert r.effect("event", horizon=-2).estimate == math.exp(0.05)
    assert r.effect("cell", cohort="2024-06", period="2024-07").estimate == math.exp(-0.3)
    assert r.effect("att", "events").estimate == -40


def test_effect_says_what_there_is():
    r = result()
    with pytest.raises(EstimationError, match="att/events"):
        r.effect("att", "event")
    with pytest.raises(EstimationError, match=r"2 estimates.*horizon"):
        r.effect("event")
    with pytest.raises(EstimationError, match="horizon"):
        r.effect("event", horizont=1)
    assert r.has("att", "events")
    assert not r.has("att", "difference")


def test_only_a_ratio_reads_as_per_cent():
    assert result().effect().percent[0] == pytest.approx(100 * (math.exp(-0.2) - 1))
    with pytest.raises(EstimationError, match="events"):
        _ = result().effect("att", "events").percent


def test_the_headline_gives_what_there_is_and_none_for_the_rest():
    headline = result().headline()
    assert headline.difference is None
    assert "-18.1%" in str(headline)
    assert "-40 events" in str(headline)
    assert "Negative means fewer harms" in str(headline)
    assert "in the outcome's units" in str(Mean().fit(design()).headline())


def test_a_headline_without_an_average_says_so():
    nothing = result(estimates=estimates_frame([]), notes=("no events",))
    assert "no average effect could be estimated" in str(nothing.headline())


def test_wrong_tables_are_refused():
    good = result().estimates
    with pytest.raises(DataError, match="lack horizon"):
        result(estimates=good.drop(columns="horizon"))
    with pytest.raises(DataError, match="no term"):
        result(estimates=good.assign(term="ATT"))
    with pytest.raises(DataError, match="no scale"):
        result(estimates=good.assign(scale="log"))
    with pytest.raises(DataError, match="expected"):
        result(counterfactual=pd.DataFrame({"area": [], "period": [], "observed": [], "low": [], "high": []}))
    with pytest.raises(DataError, match="covariance"):
        JointEstimate("difference", pd.DataFrame({"term": ["event"]}), np.zeros(1), np.zeros((2, 2)))


def test_joint_picks_rows_with_their_covariance():
    index = pd.DataFrame({"term": ["event"] * 3, "horizon": [-2, -1, 0]})
    joint = JointEstimate("difference", index, np.arange(3.0), np.arange(9.0).reshape(3, 3))
    picked = joint.pick(index["horizon"].to_numpy() < 0)
    np.testing.assert_array_equal(picked.covariance, [[0, 1], [3, 4]])
    assert list(picked.index["horizon"]) == [-2, -1]


def test_tidy_is_a_copy():
    r = result()
    copy = r.tidy()
    copy.loc[0, "estimate"] = 99
    assert r.estimates.loc[0, "estimate"] != 99


def test_refit_answers_again_and_leaves_the_result():
    fitted = Mean().fit(design(), seed=3)
    assert fitted.refit().to_json() == fitted.to_json()
    assert fitted.refit(estimator=Mean(level=0.5)).estimates.loc[0, "level"] == 0.5
    with pytest.raises(EstimationError, match="without its data"):
        result().refit()


any_float = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_float, min_size=4, max_size=4), st.lists(any_float, max_size=5), any_float)
def test_json_keeps_every_bit(numbers, draws, extra):
    index = pd.DataFrame({"term": ["event"] * 2, "cohort": [None, JUNE], "period": [None] * 2, "horizon": [-2, 0]})
    made = result(
        counterfactual=pd.DataFrame(
            {
                "area": ["A"] * 4,
                "period": pd.period_range("2011/12"[:4], periods=4, freq="Y-MAR"),
                "observed": [1, 2, 3, 4],
                "expected": numbers,
                "low": numbers,
                "high": numbers,
            }
        ),
        weights=pd.DataFrame({"area": ["A", "B"], "used": [True, False], "n": pd.array([1, None], dtype="Int64")}),
        joint=JointEstimate("difference", index, np.array(numbers[:2]), np.array(numbers).reshape(2, 2)),
        diagnostics={"x": extra, "n": 3, "flag": True, "text": "é", "many": [1, extra], "none": None},
        draws=np.array(draws),
        notes=("care",),
        provenance={"seed": 1},
        seed=7,
    )
    text = made.to_json()
    again = Result.from_json(text, estimator=Mean())
    assert again.to_json() == text
    pd.testing.assert_frame_equal(again.estimates, made.estimates, check_exact=True)
    np.testing.assert_array_equal(again.joint.covariance, made.joint.covariance)
    np.testing.assert_array_equal(again.counterfactual["low"], made.counterfactual["low"])
    assert list(again.counterfactual["period"]) == list(made.counterfactual["period"])
    assert list(again.counterfactual.columns) == list(made.counterfactual.columns)
    assert again.weights["used"].tolist() == [True, False]
    np.testing.assert_array_equal(again.draws, made.draws)
    assert (again.notes, again.seed) == (("care",), 7)


def test_an_empty_joint_estimate_comes_back_empty():
    index = pd.DataFrame({"term": [], "cohort": [], "period": [], "horizon": []})
    made = result(joint=JointEstimate("difference", index, np.zeros(0), np.zeros((0, 0))))
    again = Result.from_json(made.to_json(), estimator=Mean())
    assert again.joint.covariance.shape == (0, 0)
    assert again.to_json() == made.to_json()


def test_a_result_read_back_keeps_its_question():
    fitted = Mean().fit(design())
    again = Result.from_json(fitted.to_json(), estimator=Mean())
    assert str(again.headline()) == str(fitted.headline())
    assert again.to_json() == fitted.to_json()
    assert Result.from_json(fitted.to_json(), estimator=Mean(), design=design()).refit().to_json() == fitted.to_json()


def test_a_result_of_the_first_format_is_read_and_says_that_its_warnings_are_not_marked():
    made = CallawaySantAnna(base_period="varying").fit(simulated(), seed=1)
    held = json.loads(made.to_json())
    del held["warnings"]
    for name in ("base", "binned", "shrunk"):
        del held["joint"][name]
    again = Result.from_json(json.dumps({**held, "format": "svmodel-result-1"}))
    assert again.estimates.equals(made.estimates)
    assert again.joint.base == "varying"
    assert [w.kind for w in again.warnings] == ["data"]
    assert "read all notes" in again.warnings[0].text


def test_a_result_of_a_newer_format_is_refused_with_what_to_do():
    text = result().to_json().replace("svmodel-result-2", "svmodel-result-3")
    with pytest.raises(DataError, match="update svmodel"):
        Result.from_json(text, estimator=Mean())


def test_warnings_come_back_from_json():
    warned = result().saying("plain", ResultWarning("fit", "grave", ("E08000012",)))
    again = Result.from_json(warned.to_json(), estimator=Mean())
    assert again.warnings == (ResultWarning("fit", "grave", ("E08000012",)),)
    assert again.notes[-2:] == ("plain", "grave")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "svmodel-result-1"}', "not json"])
def test_what_is_no_result_is_refused(text):
    with pytest.raises(DataError):
        Result.from_json(text)


@pytest.mark.parametrize(
    "name", ["os.system", "svmodel.did.nothing.Here", "svmodel.result.NoSuch", "svmodel.errors.UserError"]
)
def test_an_estimator_that_is_none_of_ours_is_refused(name):
    held = json.loads(result().to_json())
    held["estimator"]["type"] = name
    with pytest.raises(DataError):
        Result.from_json(json.dumps(held))


def test_markup_in_names_is_text():
    made = Mean().fit(design())
    html = made._repr_html_()
    assert "x &amp; y" in html
    assert "Mean" in repr(made)
