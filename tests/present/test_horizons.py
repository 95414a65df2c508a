"""Event studies of many horizons: their groups, the groups' limits, and what the figure says of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.present import plots
from svmodel.present.horizons import grouped, span_of
from svmodel.protect import Disclosure


@pytest.fixture(scope="module")
def result():
    """96 months, 69 of them before the start."""
    rng = np.random.default_rng(3)
    months = [str(p) for p in pd.period_range("2016-01", periods=96, freq="M")]
    rows = [
        (f"A{i:02d}", m, rng.poisson(30 * (0.7 if i < 10 and t >= 69 else 1)))
        for i in range(24)
        for t, m in enumerate(months)
    ]
    frame = pd.DataFrame(rows, columns=["area", "month", "n"])
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n"])
    starts = {f"A{i:02d}": months[69] for i in range(10)}
    design = sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", starts=starts))
    return sv.did.ExtendedTwoWayFixedEffects().fit(design, seed=1)


def event_rows(result):
    frame = result.estimates.assign(estimate_flag="")
    return frame[(frame["term"] == "event") & (frame["scale"] == "rate_ratio")].sort_values("horizon")


def test_groups_are_means_with_the_limits_that_their_covariance_gives(result):
    rows = event_rows(result)
    made = grouped(rows, result, 3, ratio=True).set_index("horizon")
    assert made.index.tolist() == list(range(-69, 27, 3))
    own = rows[rows["horizon"].isin([3, 4, 5])]
    logs = np.log(own["estimate"].to_numpy(dtype=float))
    assert made.loc[3, "estimate"] == pytest.approx(np.exp(logs.mean()))
    joint = result.joint
    at = joint.index["horizon"].isin([3, 4, 5]).to_numpy() & (joint.index["term"] == "event").to_numpy()
    error = np.sqrt(joint.covariance[np.ix_(at, at)].mean())
    single = np.sqrt(np.diag(joint.covariance[np.ix_(at, at)]))
    far = np.median((np.log(own["conf_high"].to_numpy(dtype=float)) - logs) / single)
    assert made.loc[3, "conf_high"] == pytest.approx(np.exp(logs.mean() + far * error))
    assert made.loc[3, "horizons"] == 3


def test_without_a_covariance_limits_are_as_wide_as_any_dependence_makes_them(result):
    rows = event_rows(result)
    plain = grouped(rows, replace(result, joint=None), 3, ratio=True).set_index("horizon")
    own = np.log(rows.loc[rows["horizon"].isin([3, 4, 5]), "conf_low"].to_numpy(dtype=float))
    assert plain.loc[3, "conf_low"] == pytest.approx(np.exp(own.mean()))
    known = grouped(rows, result, 3, ratio=True).set_index("horizon")
    assert plain.loc[3, "conf_low"] < known.loc[3, "conf_low"]


def test_a_hidden_horizon_hides_its_group_and_a_missing_one_is_left_out(result):
    rows = event_rows(result)
    rows.loc[rows["horizon"] == 4, "estimate_flag"] = "c"
    rows.loc[rows["horizon"] == 7, ["estimate", "conf_low", "conf_high"]] = np.nan
    made = grouped(rows, result, 3, ratio=True).set_index("horizon")
    assert np.isnan(made.loc[3, "estimate"])
    assert made.loc[3, "estimate_flag"] == "c"
    assert made.loc[6, "horizons"] == 2
    assert np.isfinite(made.loc[6, "estimate"])


def test_the_figure_of_many_months_is_one_of_quarters_and_says_so(result):
    figure = plots.event_study(result, label="Violence")
    assert len(figure.data) == 32
    assert "Each point is the mean of one quarter: all its months that are known count alike." in figure.alt
    assert figure.title == "Violence: lower after the start"
    assert figure.canvas.axes[0].get_title(loc="left") == "Each point is the mean of a quarter, its months alike"
    hidden = plots.event_study(result, label="Violence", disclosure=Disclosure("threshold", threshold=5))
    assert len(hidden.data) == 32
    assert [span_of(n, 12) for n in (48, 49, 144, 145)] == [1, 3, 3, 12]
