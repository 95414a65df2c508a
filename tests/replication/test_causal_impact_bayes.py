"""The two series of CausalImpact's comparison by the nested Laplace engine, against the output of R's package.

R's numbers are themselves a draw: 900 draws know a mean to 1/30 of the posterior's standard deviation and an end of the
95% interval to about 1/12 of it (``sqrt(p q / 900) / density``, with p = .025). Ours are 20,000 draws, so that the
tolerances below are four of R's errors for the mean and the standard deviation, and three for the ends. What is not
R's: the slab does not scale with the noise, and priors are not cut off at the series' variance; neither shows here.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.bayes import StructuralCounterfactual

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

#: Series, first row treated, and R's actual, predicted (s.d.) [limits] and effect [limits].
PUBLISHED = {
    "arma": (70, 3637, 3610, 9.1, (3592, 3629), 26.67, (7.99, 44.4)),
    "google": (61, 4687, 3883, 134.2, (3614, 4148), 804, (539, 1073)),
}


def design(name):
    frame = pd.read_csv(GOLDEN / f"causalimpact_{name}.csv").drop(columns="date", errors="ignore")
    # days are called months: without a season the model has no calendar
    frame.index = pd.period_range("2000-01", periods=len(frame), freq="M").astype(str)
    long = frame.rename_axis("period").reset_index().melt("period", var_name="area", value_name="value")
    panel = sv.Panel.from_frame(long, area="area", period="period", measures=["value"])
    start = frame.index[PUBLISHED[name][0]]
    return sv.Design(panel, outcome="value", intervention=sv.Intervention("intervention", {"y": start}))


@pytest.mark.parametrize("name", PUBLISHED)
def test_rs_answer_within_its_sampling_error(name):
    _, actual, predicted, sd, limits, effect, effect_limits = PUBLISHED[name]
    result = StructuralCounterfactual(family="gaussian", draws=20_000).fit(design(name), seed=1)
    cells = result.diagnostics["treated_cells_used"]
    assert result.diagnostics["observed"] == pytest.approx(actual, abs=0.5)
    # printed to a whole number
    assert result.diagnostics["expected"] == pytest.approx(predicted, abs=4 * sd / 30 + 0.5)
    told = result.effect("att", "difference")
    assert told.std_error * cells == pytest.approx(sd, rel=4 / np.sqrt(2 * 900))
    assert told.estimate * cells == pytest.approx(effect, abs=4 * sd / 30)
    ends = (told.conf_low * cells, told.conf_high * cells)
    assert ends == pytest.approx(effect_limits, abs=3 * sd / 12)
    assert (actual - ends[1], actual - ends[0]) == pytest.approx(limits, abs=3 * sd / 12 + 1)
    assert told.prob_reduction < 0.01


def test_the_prior_on_the_level_decides_the_width():
    tight = StructuralCounterfactual(family="gaussian").fit(design("google"))
    loose = StructuralCounterfactual(family="gaussian", level_sd=1.0, level_df=0.5).fit(design("google"))
    ratio = loose.effect("att", "difference").std_error / tight.effect("att", "difference").std_error
    assert ratio > 3
