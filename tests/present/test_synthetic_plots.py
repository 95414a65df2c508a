"""Figures of synthetic controls and of checks: what they draw is what was fitted, and their words say it."""

import re

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, checks, counterfactual, did, plots
from svmodel.errors import EstimationError
from svmodel.inference import InSpacePlacebos
from svmodel.protect import Disclosure
from svmodel.result.check import CheckResult

MONTHS = pd.period_range("2017-01", periods=60, freq="M")
START = 36


def make_design(treated=("A00",), starts=None, areas=24, effect=0.6):
    rng = np.random.default_rng(3)
    names = [f"A{i:02d}" for i in range(areas)]
    starts = starts or dict.fromkeys(treated, START)
    season = 1 + 0.2 * np.sin(np.arange(len(MONTHS)) / 6)
    level = rng.uniform(20, 40, areas)[:, None] * season
    for area, start in starts.items():
        level[names.index(area), start:] *= effect
    frame = pd.DataFrame(
        {
            "area": np.repeat(names, len(MONTHS)),
            "month": np.tile(MONTHS.astype(str), areas),
            "harms": rng.poisson(level).ravel(),
        }
    )
    panel = Panel.from_frame(frame, area="area", period="month", counts=["harms"])
    given = {a: str(MONTHS[s]) for a, s in starts.items()}
    return Design(panel, outcome="harms", intervention=Intervention("Patrols", given))


@pytest.fixture(scope="module")
def result():
    return counterfactual.SyntheticControl(block=3).fit(make_design())


@pytest.fixture(scope="module")
def held(result):
    return InSpacePlacebos().placebos(result, paths=True)


def test_the_path_is_the_counterfactual_before_and_after(result):
    figure = plots.synthetic_control_path(result, "A00", label="Harms", place="A00")
    rows = result.counterfactual[result.counterfactual["area"] == "A00"]
    assert len(figure.data) == 60
    assert figure.data["expected"].to_numpy() == pytest.approx(rows.sort_values("period")["expected"].to_numpy())
    assert re.search(r"\d+ were observed and \d+ expected", figure.alt)


def test_gaps_are_in_sizes_of_their_own_past_and_no_area_is_named(result, held):
    figure = plots.placebo_gaps(result, held, label="Harms")
    data = figure.data
    assert data["line"].nunique() == 1 + 23
    before = data[data["period"].isin(MONTHS[:START])]
    sizes = before.groupby("line")["gap"].apply(lambda g: np.sqrt((g**2).mean()))
    assert sizes.to_numpy() == pytest.approx(np.ones(24))
    own = data[data["line"] == "treated"].sort_values("period")["gap"].to_numpy()
    gap = held.gaps[~held.gaps["placebo"]].sort_values("period")["gap"].to_numpy()
    assert np.corrcoef(own, gap)[0, 1] == pytest.approx(1.0)
    assert "A0" not in figure.data.to_csv() + figure.alt
    further = int((np.abs(held.placebos) >= abs(held.effect)).sum())
    assert f"{further} of {len(held.placebos)} placebo effects are as large" in figure.alt
    assert "below on average" in figure.alt


def test_under_a_rule_gaps_are_coarse(result, held):
    gaps = plots.placebo_gaps(result, held, disclosure=Disclosure("threshold")).data["gap"].to_numpy()
    assert (4 * gaps) == pytest.approx(np.round(4 * gaps))


def test_placebos_without_gaps_are_refused(result):
    with pytest.raises(EstimationError, match="paths=True"):
        plots.placebo_gaps(result, InSpacePlacebos().placebos(result, paths=False))


def test_donors_are_those_of_the_result_the_heaviest_first(result):
    table = plots.donor_table(result)
    weights = result.weights[result.weights["role"] == "donor"].set_index("area")["weight"]
    assert table["weight"].is_monotonic_decreasing
    assert set(table["start"]) == {""}
    assert dict(zip(table["area"], table["weight"], strict=True)) == pytest.approx(weights[weights > 5e-4].to_dict())
    figure = plots.donor_weights(result, names={table["area"][0]: "Ward One"})
    assert figure.data["area"].iloc[0] == "Ward One"
    assert f"Ward One with {100 * table['weight'][0]:.1f}%" in figure.alt
    assert f"{1 / (figure.data['weight'] ** 2).sum():.1f} equal ones" in figure.alt


def test_groups_of_treated_areas_are_told_apart_by_their_start_in_order_of_time():
    design = make_design(starts={"A00": 40, "A01": 30, "A02": 30})
    table = plots.donor_table(counterfactual.SyntheticControl(block=3, draws=19).fit(design))
    assert list(dict.fromkeys(table["start"])) == ["Jul 2019", "May 2020"]
    assert table.groupby("start")["weight"].sum().to_numpy() == pytest.approx([1.0, 1.0], abs=0.01)
    mixed = plots.donor_table(counterfactual.SyntheticDiD().fit(design))
    assert list(dict.fromkeys(mixed["start"])) == ["Jul 2019", "May 2020"]


def test_areas_with_one_start_and_weights_of_their_own_are_named():
    design = make_design(treated=("A00", "A01"))
    table = plots.donor_table(counterfactual.SyntheticControl(block=3, pooled=False, draws=19).fit(design))
    assert list(dict.fromkeys(table["start"])) == ["A00, Jan 2020", "A01, Jan 2020"]


def test_a_method_without_donors_is_refused():
    fitted = did.ExtendedTwoWayFixedEffects().fit(make_design())
    with pytest.raises(EstimationError, match="no donors"):
        plots.donor_table(fitted)


@pytest.fixture(scope="module")
def bounds():
    treated = tuple(f"A{i:02d}" for i in range(12))
    return checks.honest_bounds(did.ExtendedTwoWayFixedEffects().fit(make_design(treated, areas=40)))


def test_bounds_are_drawn_from_the_checks_table(bounds):
    figure = plots.check_figure(bounds, label="Harms")
    rows = bounds.table[bounds.table["restriction"] == "relative_magnitudes"]
    assert figure.data["change_low"].to_numpy() == pytest.approx(100 * (rows["conf_low"].to_numpy() - 1))
    assert figure.data["leaves_out_no_effect"].tolist() == rows["excludes_no_effect"].tolist()
    last = rows[rows["excludes_no_effect"]]["bound"].max()
    assert f"up to {last:g} times it leaves out no effect" in figure.alt


def test_bounds_in_numbers_are_not_drawn_under_a_rule(bounds):
    in_numbers = CheckResult("honest_bounds", "informative", "text", bounds.table.assign(scale="difference"))
    assert plots.check_figure(in_numbers) is not None
    assert plots.check_figure(in_numbers, disclosure=Disclosure("threshold")) is None
    assert plots.check_figure(bounds, disclosure=Disclosure("threshold")) is not None


def test_a_check_without_numbers_or_drawing_has_no_figure(bounds):
    assert plots.check_figure(CheckResult("honest_bounds", "not_applicable", "text")) is None
    assert plots.check_figure(CheckResult("overdispersion", "informative", "text", bounds.table)) is None


def test_placebo_effects_are_a_histogram_with_the_real_one_in_it():
    treated = tuple(f"A{i:02d}" for i in range(3))
    check = checks.placebo_in_space(did.ExtendedTwoWayFixedEffects().fit(make_design(treated)), seed=1)
    figure = plots.check_figure(check, label="Harms")
    real = 100 * np.expm1(check.table.loc[~check.table["placebo"], "estimate"].item())
    assert figure.data["placebos"].sum() == check.table["placebo"].sum() == 1330
    assert figure.data["real_effect"].iloc[0] == pytest.approx(real)
    assert f"{-real:.1f}%" in figure.alt
    few = CheckResult("placebo_in_space", "informative", "text", check.table.head(10))
    assert plots.check_figure(few) is None
