"""Medicaid expansion and insurance: bounds of Rambachan and Roth as HonestDiD prints them, first period after."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from svmodel.checks import sensitivity_results
from svmodel.numerics.honest import EventStudy
from svmodel.numerics.honest import arp as honest_arp
from svmodel.numerics.honest import magnitudes as honest_magnitudes
from svmodel.numerics.honest.magnitudes import magnitudes_interval
from svmodel.numerics.honest.smoothness import smoothness_interval

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")


@pytest.fixture(name="study", scope="module")
def _study():
    held = json.loads((GOLDEN / "ref" / "medicaid_twfe_es.json").read_text(encoding="utf-8"))
    return EventStudy(held["betahat"], held["sigma"], pre=5, weights=[1.0, 0.0])


@pytest.mark.parametrize(
    ("bound", "low", "high"),
    [(0.5, 0.0241, 0.0673), (1.0, 0.0171, 0.0720), (1.5, 0.00859, 0.0796), (2.0, -0.00107, 0.0883)],
)
def test_relative_magnitudes(study, bound, low, high, monkeypatch):
    # HonestDiD gives accepted points of this very grid, whose step is 0.00037 to 0.00041
    found = magnitudes_interval(study, bound, refine=False)
    half = bound * 0.008621343 + 20 * study.std_error
    step = 2 * half / 999
    exact = magnitudes_interval(study, bound)
    assert found.connected
    assert abs(exact.low - found.low) <= step
    assert abs(exact.high - found.high) <= step
    # Its first-stage critical value is the 99.5% point of 1,000 draws, whose own error is 0.15 (that of an extreme
    # quantile, sqrt(p(1-p)/n) / density); ours is an integral. An end that lies near a grid point goes to one side
    # or the other with it: by one step, in the two low ends at 1.5 and 2.
    printed = 5e-5 if abs(low) >= 0.01 else 5e-6
    near = 0.5 * step if bound < 1.5 else 1.02 * step
    assert found.low == pytest.approx(low, abs=max(printed, near) if bound >= 1.5 else printed)
    assert found.high == pytest.approx(high, abs=5e-5)
    ends = []
    for shift in (-0.3, 0.3):  # two of its errors
        real = honest_arp.least_favourable_value
        monkeypatch.setattr(honest_magnitudes, "least_favourable_value", lambda *a, r=real, s=shift: r(*a) + s)
        ends.append(magnitudes_interval(study, bound, refine=False).low)
        monkeypatch.setattr(honest_magnitudes, "least_favourable_value", real)
    assert min(ends) - printed <= low <= max(ends) + printed


def test_the_set_and_an_error_are_not_the_interval(study):
    low, high = honest_magnitudes.magnitudes_set(study, 2.0)
    z = 1.959964 * study.std_error
    assert (round(low - z, 4), round(high + z, 4)) == (0.0113, 0.0816)
    exact = magnitudes_interval(study, 2.0)
    assert exact.low < 0
    assert exact.high > 0.088


@pytest.mark.parametrize(
    ("bound", "low", "high"),
    [
        (0.0, 0.0259, 0.0607),
        (0.01, 0.0132, 0.0787),
        (0.02, 0.00286, 0.0907),
        (0.03, -0.00714, 0.101),
        (0.05, -0.0271, 0.121),
    ],
)
def test_smoothness(study, bound, low, high):
    found = smoothness_interval(study, bound)
    assert found.gap < 1e-10
    # HonestDiD prints three digits, and takes its critical value from a million draws: the error of that is 0.0019, or
    # 0.000017 at a standard error of 0.009, and three of those are allowed beside the rounding.
    for ours, printed in ((found.low, low), (found.high, high)):
        rounding = 0.5 * 10.0 ** (np.floor(np.log10(abs(printed))) - 2)
        assert ours == pytest.approx(printed, abs=rounding + 5.1e-5)


def test_the_average_of_both_periods_is_the_default(study):
    both = EventStudy(study.estimate, study.covariance, pre=5)
    assert both.theta == pytest.approx(np.mean(study.estimate[5:]))
    assert magnitudes_interval(both, 0.0).low < both.theta < magnitudes_interval(both, 0.0).high


def test_the_public_table_gives_what_is_published():
    held = json.loads((GOLDEN / "ref" / "medicaid_twfe_es.json").read_text(encoding="utf-8"))
    table = sensitivity_results(held["betahat"], held["sigma"], 5, 2, mbar=[0.5, 1.0], m=[0.0, 0.01, 0.03])
    found = table.set_index(["restriction", "bound"])[["conf_low", "conf_high"]]
    published = {
        ("relative_magnitudes", 0.5): (0.0241, 0.0673),
        ("relative_magnitudes", 1.0): (0.0171, 0.0720),
        ("smoothness", 0.0): (0.0259, 0.0607),
        ("smoothness", 0.01): (0.0132, 0.0787),
        ("smoothness", 0.03): (-0.00714, 0.101),
    }
    assert set(found.index) == set(published)
    for row, limits in published.items():
        # R's grid of relative magnitudes has steps of 0.0004, and its numbers have three digits
        np.testing.assert_allclose(found.loc[row], limits, atol=5e-4)
