from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks import overlap
from svmodel.checks.overlap import _outside_hull
from svmodel.design import Intervention
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.did.twfe import TwoWayFixedEffects
from svmodel.panel import Panel
from svmodel.result import Result
from svmodel.result.scales import estimates_frame, log_row

ETWFE = ExtendedTwoWayFixedEffects()


def check(design, estimator=ETWFE):
    return overlap(Result(estimates_frame([log_row("att", -0.1, 0.05)]), design, estimator))


def with_covariate(design, gap, seed=0):
    """Add a covariate that is `gap` standard deviations higher in treated areas."""
    frame = design.panel.to_frame()
    rng = np.random.default_rng(seed)
    drawn = {a: rng.normal() + gap * (a in design.intervention.starts) for a in design.panel.areas}
    frame["deprivation"] = frame["area"].map(drawn)
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events"], exposures=["people"], covariates=["deprivation"]
    )
    return replace(design, panel=panel, covariates=("deprivation",))


def test_the_numbers_are_those_of_the_definition(make_design):
    design = with_covariate(make_design(1, n=80, treated=20), 0.5)
    table = check(design).table.set_index("quantity")
    arrays = design.arrays
    treated = arrays.start < 48
    level = 100_000 * arrays.y[:, :30].sum(axis=1) / arrays.exposure[:, :30].sum(axis=1)
    for name, x in (("level", level), ("deprivation", arrays.covariates[:, 0, 0])):
        t, c = x[treated], x[~treated]
        row = table.loc[name]
        assert row["standardised_difference"] == pytest.approx(
            (t.mean() - c.mean()) / np.sqrt((t.var(ddof=1) + c.var(ddof=1)) / 2)
        )
        assert row["variance_ratio"] == pytest.approx(t.var(ddof=1) / c.var(ddof=1))
        assert row["share_outside"] == pytest.approx(((t < c.min()) | (t > c.max())).mean())
    assert "log_odds_of_treatment" in table.index


def test_areas_alike_pass_and_areas_apart_do_not(make_design):
    alike = check(make_design(1, n=400, treated=200))
    assert alike.status == "passed", alike.text
    apart = check(with_covariate(make_design(2, n=80, treated=20), 6.0))
    assert apart.status == "failed"
    assert "outside the range of the controls in deprivation" in apart.text
    some = check(with_covariate(make_design(1, n=400, treated=200), 0.6))
    assert some.status == "informative"
    assert "deprivation +0." in some.text


def test_the_hull_is_that_of_the_plane():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]])
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 1.5, (60, 2))
    inside = ((points >= 0) & (points <= 1)).all(axis=1)
    assert _outside_hull(points, square) == pytest.approx(1 - inside.mean())
    triangle = square[:3]
    assert _outside_hull(np.array([[0.9, 0.9]]), triangle) == 1.0  # inside both ranges, and no mixture
    assert np.isnan(_outside_hull(points, square[[0, 3]]))


def test_a_never_treated_group_of_two_is_told(make_design):
    design = make_design(3, n=14, treated=12, starts=(30,))
    found = check(design)
    assert found.status == "failed"
    assert "Only 2 areas are never treated" in found.text


def test_zeros_under_a_linear_model_are_told(make_design):
    design = make_design(4, mean=0.7)
    found = check(design, TwoWayFixedEffects(family="linear"))
    assert found.status == "failed"
    assert "of the counts are zero" in found.text
    assert "of the counts are zero" not in check(design, ETWFE).text


def test_one_treated_area_is_placed_among_the_others(make_design):
    found = check(make_design(5, treated=1, starts=(30,)))
    assert found.status in ("passed", "informative", "failed")
    assert np.isfinite(found.table["standardised_difference"].iloc[0])
    assert "nan" not in found.text


def test_what_it_needs(make_design):
    assert overlap(Result(estimates_frame([]), None, ETWFE)).status == "not_applicable"
    assert check(make_design(6, starts=(1,))).status == "not_applicable"
    everyone = make_design(7, n=12, treated=12, starts=(20, 30))
    assert "every area is treated in the end" in check(everyone).text
    gone = Intervention("x", dict(list(everyone.intervention.starts.items())[:4]))
    assert check(replace(everyone, intervention=gone)).status in ("passed", "informative", "failed")
