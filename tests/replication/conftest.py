"""The two series of CausalImpact's comparison, and the output of R's package for them (bsts, 1000 iterations).

R's numbers are themselves a draw: 900 draws know a mean to 1/30 of the posterior's standard deviation and an end of the
95% interval to about 1/12 of it (``sqrt(p q / 900) / density``, with p = .025). Where ours are many times as many, the
tolerances below are four of R's errors for the mean and the standard deviation, and three for the ends.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")


@dataclass(frozen=True)
class Impact:
    """One series: its first row treated, and R's actual, predicted (s.d.) [limits] and effect [limits]."""

    name: str
    first: int
    actual: float
    predicted: float
    sd: float
    limits: tuple[float, float]
    effect: float
    effect_limits: tuple[float, float]

    def design(self):
        frame = pd.read_csv(GOLDEN / f"causalimpact_{self.name}.csv").drop(columns="date", errors="ignore")
        # days are called months: without a season the model has no calendar
        frame.index = pd.period_range("2000-01", periods=len(frame), freq="M").astype(str)
        long = frame.rename_axis("period").reset_index().melt("period", var_name="area", value_name="value")
        panel = sv.Panel.from_frame(long, area="area", period="period", measures=["value"])
        start = frame.index[self.first]
        return sv.Design(panel, outcome="value", intervention=sv.Intervention("intervention", {"y": start}))

    def check(self, result):
        """Hold a result to R's, and return its average effect."""
        cells = result.diagnostics["treated_cells_used"]
        assert result.diagnostics["observed"] == pytest.approx(self.actual, abs=0.5)
        # printed to a whole number
        assert result.diagnostics["expected"] == pytest.approx(self.predicted, abs=4 * self.sd / 30 + 0.5)
        told = result.effect("att", "difference")
        assert told.std_error * cells == pytest.approx(self.sd, rel=4 / np.sqrt(2 * 900))
        assert told.estimate * cells == pytest.approx(self.effect, abs=4 * self.sd / 30)
        ends = (told.conf_low * cells, told.conf_high * cells)
        assert ends == pytest.approx(self.effect_limits, abs=3 * self.sd / 12)
        expected = (self.actual - ends[1], self.actual - ends[0])
        assert expected == pytest.approx(self.limits, abs=3 * self.sd / 12 + 1)
        assert told.prob_reduction < 0.01
        return told


IMPACTS = {
    # 3637 actual in 30 rows, an average of 121
    "arma": Impact("arma", 70, 3637, 3610, 9.1, (3592, 3629), 26.67, (7.99, 44.4)),
    # the rows from 2 March 2020 on sum to 4687
    "google": Impact("google", 61, 4687, 3883, 134.2, (3614, 4148), 804, (539, 1073)),
}


@pytest.fixture(scope="session")
def impacts():
    """Give the series by name."""
    if not GOLDEN.is_dir():
        pytest.skip("SVMODEL_REAL_DATA does not lead to the golden values")
    return IMPACTS


@pytest.fixture(params=IMPACTS)
def impact(request, impacts):
    """Give each series in turn."""
    return impacts[request.param]
