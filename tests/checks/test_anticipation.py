from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks import anticipation
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.errors import DataError
from svmodel.panel import Panel
from svmodel.result import Result
from svmodel.result.scales import estimates_frame

ETWFE = ExtendedTwoWayFixedEffects()
#: The average effect alone, which is all that this check asks for, at a tenth of the cost: for many panels.
AVERAGE = ExtendedTwoWayFixedEffects(only_average=True)


def early(design, periods, ratio=0.6):
    """Return the design with counts of treated areas thinned over the last `periods` before the start."""
    frame = design.panel.to_frame()
    start = frame["area"].map({a: p.ordinal for a, p in design.intervention.starts.items()})
    now = frame["period"].map(lambda p: p.ordinal)
    before = (now < start) & (now >= start - periods)
    rng = np.random.default_rng(8)
    frame["events"] = np.where(before, rng.binomial(frame["events"].astype(int), ratio), frame["events"])
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events"], measures=["score"], exposures=["people"]
    )
    return replace(design, panel=panel)


def test_an_effect_before_the_start_fires(make_design):
    found = anticipation(ETWFE.fit(early(make_design(1, effect=0.6), 3)))
    assert found.status == "failed"
    first = found.table.iloc[0]
    assert first["quantity"] == "before_the_start"
    assert 0.45 < first["estimate"] < 0.75
    assert "may have begun early" in found.text


def test_what_is_declared_does_not_fire(make_design):
    design = early(make_design(1, effect=0.6), 3)
    found = anticipation(ETWFE.fit(replace(design, anticipation=3)))
    assert found.status == "passed"
    assert "3 months declared" in found.text
    assert found.table["anticipation"].tolist() == [3, 3, 4, 5, 6]


def test_each_row_is_a_fit(make_design):
    design = make_design(2, effect=0.7)
    table = anticipation(ETWFE.fit(design), n_periods=2).table
    effects = table[table["quantity"] == "effect"]
    for row in effects.itertuples():
        alone = ETWFE.fit(replace(design, anticipation=row.anticipation)).effect("att", "rate_ratio")
        assert (row.estimate, row.conf_low) == (alone.estimate, alone.conf_low)


def test_the_early_effect_is_plain_where_one_cohort_starts(make_design):
    """With one start and Callaway and Sant'Anna's method the effect can be summed by hand."""
    design = make_design(3, starts=(30,), exposure=None)
    result = CallawaySantAnna(simultaneous=False).fit(design)
    table = anticipation(result).table
    y = design.arrays.y
    treated = design.arrays.start == 30
    change = y[:, 27:30].mean(axis=1) - y[:, 26]
    effect = change[treated].mean() - change[~treated].mean()
    level = y[treated][:, 27:30].mean()
    assert table.loc[0, "estimate"] == pytest.approx(level / (level - effect))


def test_a_rise_before_the_start_points_to_selection(make_design):
    found = anticipation(ETWFE.fit(early(make_design(4, effect=1.6), 3, ratio=0.5)))
    assert found.status == "failed"
    assert "passing high or low" in found.text


@pytest.mark.parametrize("estimator", [AVERAGE, CallawaySantAnna(simultaneous=False)])
def test_it_keeps_still_where_nothing_began_early(make_design, estimator):
    found = [anticipation(estimator.fit(make_design(s, effect=0.8, n=40, length=40))).status for s in range(30)]
    assert found.count("failed") <= 4


def test_what_it_needs(make_design):
    assert anticipation(Result(estimates_frame([]), None, ETWFE)).status == "not_applicable"
    short = anticipation(ETWFE.fit(make_design(5, starts=(4, 20))))
    assert short.status == "not_applicable"
    assert "5 are needed" in short.text
    with pytest.raises(DataError, match="whole number"):
        anticipation(ETWFE.fit(make_design(5)), n_periods=0)
