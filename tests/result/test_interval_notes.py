"""A result that gets another interval drops what the old one rested on, or says of which rows it still holds."""

import numpy as np
import pytest

from svmodel import Design, Panel, Result, counterfactual, did
from svmodel.errors import EstimationError
from svmodel.inference import (
    BlockBootstrap,
    ClusterBootstrap,
    Conformal,
    Interval,
    Jackknife,
    WildClusterBootstrap,
    with_interval,
)
from svmodel.simulate import panel


def design(treated, n=30, seed=1):
    made = panel(n, 16, mean=20.0, dispersion=0.1, effect=0.8, cohorts=[(8, treated)], seed=seed)
    return Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)


FITS = [
    did.TwoWayFixedEffects(family="linear"),
    did.TwoWayFixedEffects(),
    did.Imputation(),
    did.Imputation(family="linear"),
    did.ExtendedTwoWayFixedEffects(),
    did.SunAbraham(),
    did.CallawaySantAnna(n_boot=19),
    did.StackedDiD(),
    counterfactual.SyntheticControl(draws=39),
    counterfactual.SyntheticDiD(n_draws=39),
    counterfactual.InterruptedTimeSeries(season="none", slope_change=False),
]


@pytest.mark.parametrize("treated", [3, 10])
@pytest.mark.parametrize("estimator", FITS, ids=repr)
def test_a_result_holds_what_its_interval_rests_on_as_one_of_its_notes(estimator, treated):
    if isinstance(estimator, counterfactual.InterruptedTimeSeries):
        made = panel(12, 36, mean=20.0, dispersion=0.1, effect=0.8, cohorts=[(24, treated)], seed=1)
        of = Design(made.panel, outcome="violence", exposure="population", intervention=made.intervention)
    else:
        of = design(treated)
    result = estimator.fit(of)
    why = result.diagnostics.get("inference_why")
    if why is None:  # synthetic control outside the hull of its donors: held back, and said so
        assert result.diagnostics["hull"] == "outside"
        return
    assert result.notes.count(why) == 1
    assert Result.from_json(result.to_json()).diagnostics["inference_why"] == why


def of_another(result):
    """The result with limits that some other method gave."""
    effect = result.effect("att", "difference")
    made = Interval("difference", effect.estimate, 1.0, -9.0, 9.0, 0.5, 0.95, "by lot", "Drawn by lot.")
    return with_interval(result, made)


def test_a_method_without_limits_gives_the_ratio_none_either():
    result = did.TwoWayFixedEffects(family="linear").fit(design(10))
    ratio = did.StackedDiD(family="linear").fit(design(10))
    for one in (result, ratio):
        effect = one.effect("att", "difference")
        bare = Interval("difference", effect.estimate, np.nan, np.nan, np.nan, 0.2, 0.95, "by lot", "No limits.")
        rows = with_interval(one, bare).estimates.query("term == 'att'")
        assert rows[["conf_low", "conf_high", "std_error"]].isna().all(axis=None)
        assert (rows["p_value"] == 0.2).all()
    assert ratio.has("att", "rate_ratio")


def test_the_old_note_goes_where_nothing_rests_on_it():
    result = did.TwoWayFixedEffects(family="linear").fit(design(3))
    old = result.diagnostics["inference_why"]
    assert "untreated areas strayed" in old
    again = of_another(result)
    assert not any("strayed" in n for n in again.notes)
    assert again.notes[-1] == again.diagnostics["inference_why"] == "Drawn by lot."
    assert set(result.notes) - set(again.notes) == {old}


def test_the_old_note_says_what_it_is_still_about_where_other_rows_have_intervals():
    result = did.TwoWayFixedEffects(family="linear").fit(design(10))
    old = result.diagnostics["inference_why"]
    again = of_another(result)
    assert old not in again.notes
    (kept,) = (n for n in again.notes if old in n)
    assert kept.startswith("Only the average effect has the new interval")
    once_more = of_another(again)
    assert [n for n in once_more.notes if old in n] == [kept]
    assert once_more.notes.count("Drawn by lot.") == 1


def test_the_same_interval_twice_changes_nothing():
    result = did.Imputation(family="linear").fit(design(3))
    once = of_another(result)
    assert of_another(once).notes == once.notes


@pytest.mark.parametrize("method", [WildClusterBootstrap(draws=99), ClusterBootstrap(draws=99), Jackknife()], ids=repr)
def test_a_bootstrap_does_not_stand_beside_placebos(method):
    result = did.TwoWayFixedEffects(family="linear").fit(design(3))
    again = method.infer(result)
    assert not any("untreated areas strayed" in n for n in again.notes)
    assert np.isfinite(again.effect("att", "difference").conf_low)


@pytest.mark.parametrize("method", [BlockBootstrap(draws=99), Conformal()], ids=["block bootstrap", "conformal"])
def test_what_makes_one_outcome_anew_refuses_two_that_move_together(method):
    made = design(3)
    frame = made.panel.to_frame()
    frame["theft"] = np.random.default_rng(0).poisson(20, len(frame))
    both = Panel.from_frame(
        frame, area="area", period="period", counts=["violence", "theft"], exposures=["population"], synthetic=True
    )
    of = Design(both, outcome="violence", exposure="population", intervention=made.intervention)
    result = did.TripleDifference("theft").fit(of)
    with pytest.raises(EstimationError, match="compares two that move together"):
        method.infer(result)


@pytest.mark.parametrize("method", [ClusterBootstrap(draws=99), Jackknife()], ids=repr)
def test_resampling_of_areas_takes_both_outcomes_along(method):
    made = design(10)
    frame = made.panel.to_frame()
    frame["theft"] = np.random.default_rng(0).poisson(20, len(frame))
    both = Panel.from_frame(
        frame, area="area", period="period", counts=["violence", "theft"], exposures=["population"], synthetic=True
    )
    of = Design(both, outcome="violence", exposure="population", intervention=made.intervention)
    effect = method.infer(did.TripleDifference("theft").fit(of)).effect("att", "rate_ratio")
    assert effect.conf_low < effect.estimate < effect.conf_high
