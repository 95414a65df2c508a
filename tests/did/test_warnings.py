"""What takes away from a number that looks fine is a warning, with the areas that it is about; the rest is a note."""

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, did
from svmodel.inference import Interval, with_interval
from svmodel.result import ResultWarning

MONTHS = pd.period_range("2022-01", periods=16, freq="M").astype(str)


def design(y, starts):
    names = [f"a{i:02d}" for i in range(len(y))]
    frame = pd.DataFrame({"area": np.repeat(names, 16), "month": np.tile(MONTHS, len(y)), "n": np.ravel(y)})
    panel = Panel.from_frame(frame, area="area", period="month", counts=["n"])
    return Design(panel, outcome="n", intervention=Intervention("x", {names[i]: MONTHS[t] for i, t in starts.items()}))


def counts(areas, mean=12, seed=3):
    return np.random.default_rng(seed).poisson(mean, (areas, 16)).astype(float)


TEN = dict.fromkeys(range(10), 8)
EVERY = [
    did.ExtendedTwoWayFixedEffects(),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.Imputation(family="linear"),
    did.SunAbraham(),
    did.TwoWayFixedEffects(),
    did.StackedDiD(),
    did.CallawaySantAnna(n_boot=19),
]


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_a_plain_design_has_notes_and_no_warning(estimator):
    result = estimator.fit(design(counts(24), TEN))
    assert result.notes
    assert result.warnings == ()


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_treated_areas_unlike_all_others_are_named(estimator):
    y = counts(24)
    y[:10] *= 8
    (warning,) = estimator.fit(design(y, TEN)).warnings
    assert warning.kind == "interval"
    assert warning.text.startswith("No control is like a00, a01, a02 and 7 more")
    assert warning.about == tuple(f"a{i:02d}" for i in range(10))


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_each_warning_is_one_of_the_notes(estimator):
    y = counts(24, mean=1)
    y[0, :8] = 0
    y[12] = 0
    result = estimator.fit(design(y, TEN))
    assert result.warnings
    assert {w.text for w in result.warnings} < set(result.notes)


def test_what_is_not_identified_is_a_warning_about_its_areas():
    y = counts(24)
    y[4, :8] = np.nan
    for estimator in (did.ExtendedTwoWayFixedEffects(), did.Imputation(family="linear")):
        first, second = estimator.fit(design(y, TEN)).warnings
        assert first.about == ("a04",)
        assert second.text == "The average effect is taken over 72 of 80 treated area-months (90%)."


def test_small_counts_warn_of_their_interval():
    result = did.ExtendedTwoWayFixedEffects().fit(design(counts(24, mean=0.3), TEN))
    (warning,) = (w for w in result.warnings if w.kind == "interval")
    assert warning.text.startswith("Counts are small and there are few")
    assert result.uncertainty.in_doubt


def test_another_interval_takes_the_warning_of_the_old_one_along():
    result = did.ExtendedTwoWayFixedEffects(few_treated=0).fit(design(counts(24), dict.fromkeys(range(3), 8)))
    (old,) = result.warnings
    assert old.text == result.uncertainty.why
    other = Interval("log_rate_ratio", -0.1, 0.2, -0.5, 0.3, 0.6, 0.95, "by lot", "Drawn by lot.", warns=True)
    again = with_interval(result, other)
    kept, new = again.warnings
    assert kept.text == f"Only the average effect has the new interval; for all other rows it stands that {old.text}"
    assert new == ResultWarning("interval", "Drawn by lot.")
    assert again.notes[-2:] == (kept.text, new.text)


BASES = [
    (did.ExtendedTwoWayFixedEffects(), ("average", False, True)),
    (did.ExtendedTwoWayFixedEffects(few_treated=0), ("average", False, False)),
    (did.ExtendedTwoWayFixedEffects(family="linear"), ("average", False, True)),
    (did.TwoWayFixedEffects(leads=3), ("reference", True, False)),
    (did.TwoWayFixedEffects(leads=8), ("reference", False, False)),
    (did.StackedDiD(), ("reference", False, False)),
    (did.SunAbraham(), ("reference", False, False)),
    (did.Imputation(family="linear", leads=3), ("reference", True, False)),
    (did.CallawaySantAnna(n_boot=19), ("varying", False, False)),
    (did.CallawaySantAnna(n_boot=19, base_period="universal"), ("reference", False, False)),
]


@pytest.mark.parametrize(("estimator", "expected"), BASES, ids=repr)
def test_effects_by_time_say_what_they_are_relative_to(estimator, expected):
    joint = estimator.fit(design(counts(24), TEN)).joint
    assert (joint.base, joint.binned, joint.shrunk) == expected
