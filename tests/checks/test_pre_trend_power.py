from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import svmodel as sv
from svmodel.checks.event_path import event_path
from svmodel.checks.pre_trend_power import pre_trend_power
from svmodel.checks.pre_trends import pre_trends
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.result import JointEstimate

CS = CallawaySantAnna(base_period="universal")


@pytest.fixture(scope="module")
def result(make_design):
    return CS.fit(make_design(1, effect=0.8))


def with_joint(result, estimate, covariance, horizons):
    index = pd.DataFrame({"term": "event", "cohort": None, "period": None, "horizon": np.array(horizons, float)})
    joint = JointEstimate("difference", index, np.array(estimate, float), np.array(covariance, float))
    return replace(result, joint=joint, estimates=result.estimates.iloc[:0])


def test_a_simulation_of_the_joint_distribution(result):
    # three leads and two lags with a common reference: the numbers of the table against draws
    V = 0.04 * (np.eye(5) + 1)
    horizons = [-4, -3, -2, 0, 1]
    fitted = with_joint(result, [0, 0, 0, -1.0, -1.0], V, horizons)
    row = pre_trend_power(fitted).table.set_index("power").loc[0.8]
    assert row["slope"] < 0
    drift = row["slope"] * (np.array(horizons) + 1)
    draws = np.random.default_rng(0).multivariate_normal(drift, V, size=200_000)
    # with 11 treated and 48 control areas three groups are borne; Hotelling's critical value on the true covariance
    path = event_path(fitted)
    df, w = path.df, path.weight[-2:]
    critical = df * 3 / (df - 2) * stats.f.ppf(0.95, 3, df - 2)
    q = np.einsum("ni,ij,nj->n", draws[:, :3], np.linalg.inv(V[:3, :3]), draws[:, :3])
    passed = draws[q <= critical][:, 3:] @ w
    assert row["bias"] == pytest.approx(w @ drift[3:])
    assert row["bias_if_passed"] == pytest.approx(passed.mean(), abs=4 * passed.std() / np.sqrt(len(passed)))
    assert row["std_dev_if_passed"] == pytest.approx(passed.std(), rel=0.02)
    assert row["std_dev"] == pytest.approx(np.sqrt(w @ V[3:, 3:] @ w))


def test_the_drift_is_found_as_often_as_it_says(make_design):
    # the slope for 80% in one panel, planted in others like it
    fits = [CS.fit(make_design(s, starts=(24,), length=36, noise=0.05, mean=40)) for s in range(4)]
    slopes = [pre_trend_power(f).table.set_index("power")["slope"].loc[0.8] for f in fits]
    level = fits[0].design.arrays.y.mean()
    drift = float(np.median(np.abs(slopes))) / level  # events a month as a share
    found = [
        pre_trends(CS.fit(make_design(100 + s, starts=(24,), length=36, noise=0.05, mean=40, drift=drift))).status
        for s in range(30)
    ]
    # 80% of 30 and four standard errors, the slope itself being known to some 15%
    assert 0.5 <= found.count("failed") / 30 <= 1.0


def test_words_and_table(make_design):
    check = pre_trend_power(sv.did.ExtendedTwoWayFixedEffects().fit(make_design(1, effect=0.8)))
    assert check.status == "informative"
    table = check.table
    assert table["power"].tolist() == [0.5, 0.8]
    assert (table["slope"].abs().diff().dropna() > 0).all()
    assert (np.sign(table["bias"]) == np.sign(table["estimate"])).all()
    assert "per month one time in five" in check.text
    assert "%" in check.text


def test_what_it_needs(result, make_design):
    assert pre_trend_power(replace(result, joint=None)).status == "not_applicable"
    few = CS.fit(make_design(1, treated=2, starts=(30,)))
    assert pre_trend_power(few).status == "not_applicable"
    nothing = np.zeros((4, 4))
    nothing[2:, 2:] = np.eye(2)
    assert pre_trend_power(with_joint(result, [0.1, 0.1, 1, 1], nothing, [-3, -2, 0, 1])).status == "not_applicable"
