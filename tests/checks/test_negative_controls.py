from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks import negative_controls
from svmodel.checks.negative_controls import holm
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.did.twfe import TwoWayFixedEffects
from svmodel.errors import DataError
from svmodel.panel import Panel
from svmodel.result import Result
from svmodel.result.scales import estimates_frame

ETWFE = ExtendedTwoWayFixedEffects()


def with_theft(design, seed=0, ratio=1.0):
    """Add two counts: theft, which changes by `ratio` at the start in treated areas, and fraud, which does not."""
    frame = design.panel.to_frame()
    start = frame["area"].map(dict(design.intervention.starts))
    treated = start.notna() & (frame["period"] >= start.fillna(frame["period"].max()))
    rng = np.random.default_rng(seed)
    frame["theft"] = rng.poisson(25 * np.where(treated, ratio, 1.0))
    frame["fraud"] = rng.poisson(25, len(frame))
    panel = Panel.from_frame(
        frame,
        area="area",
        period="period",
        counts=["events", "theft", "fraud"],
        measures=["score"],
        exposures=["people"],
    )
    return replace(design, panel=panel)


def test_an_outcome_that_moves_with_the_start_fires(make_design):
    result = ETWFE.fit(with_theft(make_design(1, effect=0.7), ratio=0.8))
    found = negative_controls(result, outcomes=["fraud", "theft"])
    assert found.status == "failed"
    assert "theft: -19" in found.text
    rows = found.table.set_index("outcome")
    assert rows.loc["theft", "p_holm"] == pytest.approx(2 * rows.loc["theft", "p_value"])
    assert rows.loc["fraud", "p_holm"] > 0.05


def test_each_row_is_the_fit_on_that_outcome(make_design):
    design = with_theft(make_design(2, effect=0.7))
    table = negative_controls(ETWFE.fit(design), outcomes=["theft"]).table
    alone = ETWFE.fit(replace(design, outcome="theft")).effect("att", "rate_ratio")
    assert table.loc[0, "estimate"] == alone.estimate
    assert table.loc[0, "conf_high"] == alone.conf_high
    assert table.loc[0, "p_holm"] == alone.p_value


def test_quiet_outcomes_pass_and_their_power_is_told(make_design):
    found = negative_controls(ETWFE.fit(with_theft(make_design(3, effect=0.6))), outcomes=("theft", "fraud"))
    assert found.status == "passed"
    assert "2 of the 2 intervals leave out a change as large as the effect found" in found.text
    one = negative_controls(ETWFE.fit(with_theft(make_design(3, effect=1.0))), outcomes="theft")
    assert "Its interval" in one.text


def test_it_keeps_still_as_often_as_it_should(make_design):
    found = [
        negative_controls(CallawaySantAnna(simultaneous=False).fit(with_theft(make_design(s), s)), outcomes=["theft"])
        for s in range(40)
    ]
    assert [f.status for f in found].count("failed") <= 5


def test_nobody_named_is_said_and_wrong_names_are_told_all_at_once(make_design):
    result = ETWFE.fit(with_theft(make_design(4)))
    found = negative_controls(result)
    assert found.status == "not_applicable"
    assert "nobody named an outcome" in found.text
    with pytest.raises(DataError) as caught:
        negative_controls(result, outcomes=["thefts", "events"])
    assert len(caught.value.problems) == 2
    assert "'theft'" in str(caught.value)
    assert negative_controls(Result(estimates_frame([]), None, ETWFE), outcomes=["theft"]).status == "not_applicable"


def test_a_method_that_refuses_an_outcome_is_told(make_design):
    result = TwoWayFixedEffects(family="poisson").fit(with_theft(make_design(5)))
    # the last measure is below zero, which no Poisson model can have
    frame = result.design.panel.to_frame()
    frame["score"] = -1.0 - frame["score"]
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events", "theft"], measures=["score"], exposures=["people"]
    )
    result = replace(result, design=replace(result.design, panel=panel))
    found = negative_controls(result, outcomes=["theft", "score"])
    assert found.status in ("informative", "failed")
    assert found.table.set_index("outcome").loc["score", "problem"]
    only = negative_controls(result, outcomes=["score"])
    assert only.status == "not_applicable"


def test_holm_is_the_step_down_rule():
    p = np.array([0.04, 0.01, 0.03, 0.5])
    rejected = {}
    for level in (0.03, 0.05, 0.1, 0.13):
        order, kept = np.argsort(p), set()
        for k, i in enumerate(order):
            if p[i] > level / (4 - k):
                break
            kept.add(int(i))
        rejected[level] = kept
        assert set(np.flatnonzero(holm(p) <= level).tolist()) == kept
    assert rejected[0.05] == {1}
    assert np.isnan(holm(np.array([np.nan, 0.01]))).tolist() == [True, False]
    assert holm(np.array([np.nan, 0.01]))[1] == 0.02
