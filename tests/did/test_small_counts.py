"""Small counts of few events: the interval is in doubt, and the note says by how much."""

import pytest

from svmodel import simulate
from svmodel.did import ExtendedTwoWayFixedEffects
from svmodel.report.pages.notices import notices


@pytest.mark.parametrize(("treated", "mean", "dispersion", "warns"), [(20, 0.5, 14.0, True), (20, 5.0, 0.0, False)])
def test_small_overdispersed_counts_warn_whatever_the_interval_rests_on(treated, mean, dispersion, warns):
    made = simulate.panel(60, 36, mean=mean, dispersion=dispersion, cohorts=((18, treated),), seed=4)
    result = ExtendedTwoWayFixedEffects(only_average=True).fit(made.design("violence"))
    told = [n for n in result.notes if n.startswith("Counts are small and there are few")]
    assert bool(told) == warns
    assert result.diagnostics["inference_in_doubt"] == warns
    assert result.diagnostics["inference"] == "cluster"
    if warns:
        assert any(n.text == told[0] for n in notices(result))
