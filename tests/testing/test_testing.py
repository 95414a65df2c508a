"""check_estimator passes a right estimator, and fails one broken estimator for every promise."""

import builtins
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import Phase, find, settings

from svmodel import testing
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.errors import DesignError, UserError
from svmodel.result import Result
from svmodel.result.scales import estimates_frame, linear_row, provenance
from svmodel.testing import PROMISES, check_estimator
from svmodel.testing.examples import example_panel


@dataclass(frozen=True)
class Right:
    """Callaway and Sant'Anna under another name, so that a test can break one thing in it."""

    level: float = 0.95

    def fit(self, design, *, seed=0):
        return replace(CallawaySantAnna(level=self.level).fit(design, seed=seed), estimator=self)


def with_numbers(result, change, scales=("difference", "per_100k", "events")):
    """Return the result with its estimates changed; `change` gives the columns to assign."""
    frame = result.tidy()
    rows = frame["scale"].isin(scales)
    for column, values in change(frame[rows]).items():
        frame.loc[rows, column] = values
    return replace(result, estimates=frame)


@dataclass
class NotFrozen:
    """A dataclass that can be changed."""

    level: float = 0.95


class ChangesArrays(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        design.arrays.y[0, 0] += 1.0
        return result


class OwnClock(Right):
    calls = 0

    def fit(self, design, *, seed=0):
        OwnClock.calls += 1
        return replace(super().fit(design, seed=seed), diagnostics={"call": OwnClock.calls})


class TakesFirstStart(Right):
    def fit(self, design, *, seed=0):
        first = next(iter(design.intervention.starts))
        return replace(super().fit(design, seed=seed), notes=(f"first: {first}",))


class WeighsFirstArea(Right):
    def fit(self, design, *, seed=0):
        shift = float(np.nanmean(design.arrays.y[0])) * 1e-3
        change = lambda f: {c: f[c] + shift for c in ("estimate", "conf_low", "conf_high")}  # noqa: E731
        return with_numbers(super().fit(design, seed=seed), change)


class ForgetsExposure(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        people = np.nanmean(design.arrays.exposure) if design.exposure else 1.0
        columns = ("estimate", "std_error", "conf_low", "conf_high")
        return with_numbers(result, lambda f: {c: f[c] * people / 12_000 for c in columns}, scales=("per_100k",))


class OffsetMeasure(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        shift = 0.0 if design.is_count else 1.0
        return with_numbers(result, lambda f: {c: f[c] + shift for c in ("estimate", "conf_low", "conf_high")})


class Biased(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        return with_numbers(
            result, lambda f: {"estimate": f["estimate"] + 1.6 * f["std_error"]}, scales=("difference",)
        )


def _rows(result, factor):
    """Only the average on the difference scale, its standard error multiplied."""
    effect = result.effect("att", "difference")
    row = linear_row("att", "difference", effect.estimate, effect.std_error * factor, level=effect.level)
    return replace(result, estimates=estimates_frame([row]))


class TooSure(Right):
    def fit(self, design, *, seed=0):
        return _rows(super().fit(design, seed=seed), 1 / 3)


class TooUnsure(Right):
    def fit(self, design, *, seed=0):
        return _rows(super().fit(design, seed=seed), 5.0)


class WrongSign(Right):
    def fit(self, design, *, seed=0):
        flip = lambda f: {"estimate": -f["estimate"], "conf_low": -f["conf_high"], "conf_high": -f["conf_low"]}  # noqa: E731
        return with_numbers(super().fit(design, seed=seed), flip)


def _naive(estimator, design, seed):
    """Treated less untreated mean, without ever asking whether the design is sound."""
    view = design.panel
    y = np.nan_to_num(view.matrix(design.outcome if design.outcome in view.outcomes else "events"))
    on = np.array([[p >= design.intervention.starts.get(a, p + 1) for p in view.periods] for a in view.areas])
    gap = float(y[on].mean() - y[~on].mean()) if on.any() else 0.0
    frame = estimates_frame([linear_row("att", "difference", gap, 1.0)])
    return Result(frame, design, estimator, provenance={"seed": seed}, seed=seed)


class AnswersAnything(Right):
    def fit(self, design, *, seed=0):
        return _naive(self, design, seed)


class StumblesOnConstant(Right):
    def fit(self, design, *, seed=0):
        if np.ptp(design.panel.matrix("events")) == 0:
            raise ZeroDivisionError("float division by zero")
        return super().fit(design, seed=seed)


class WrongKindOfError(Right):
    def fit(self, design, *, seed=0):
        try:
            return super().fit(design, seed=seed)
        except DesignError as error:
            raise UserError(str(error)) from None


class ZeroForMissing(Right):
    def fit(self, design, *, seed=0):
        from svmodel.testing.examples import rebuilt

        frame = design.panel.to_frame()
        return super().fit(rebuilt(design, frame.fillna({"events": 0.0})), seed=seed)


class ForgetsSeed(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        return replace(result, notes=(f"{seed}",), seed=seed + 1)


class LosesInJson(Right):
    def fit(self, design, *, seed=0):
        return replace(super().fit(design, seed=seed), provenance={"seed": seed})


class BadTable(Right):
    def fit(self, design, *, seed=0):
        result = super().fit(design, seed=seed)
        frame = result.tidy()
        frame.loc[0, "conf_low"] = (frame.loc[0, "estimate"] + frame.loc[0, "conf_high"]) / 2
        frame.loc[1, "p_value"] = 1.5
        return replace(result, estimates=frame[[*frame.columns]].assign(level=0.5), provenance={})


BROKEN = [
    ("frozen", NotFrozen, "not frozen"),
    ("input_untouched", ChangesArrays, "arrays.y was changed"),
    ("same_seed_same_bits", OwnClock, "two fits"),
    ("order_of_areas", TakesFirstStart, "another order"),
    ("relabelling", WeighsFirstArea, "values of estimate change"),
    ("scaling", ForgetsExposure, "exposure doubled.*per_100k"),
    ("scaling", OffsetMeasure, "measure times three"),
    ("zero_effect_covered", Biased, "off on average"),
    ("zero_effect_covered", TooSure, "spread"),
    ("zero_effect_covered", TooUnsure, "standard errors are"),
    ("sign", WrongSign, "fall of 40%"),
    ("constant_outcome", AnswersAnything, "answered instead of refused"),
    ("constant_outcome", StumblesOnConstant, "ZeroDivisionError"),
    ("problems_refused", WrongKindOfError, "raises UserError"),
    ("missing_is_not_zero", ZeroForMissing, "same difference as zeros"),
    ("refit", ForgetsSeed, "refit gives another"),
    ("json_round_trip", LosesInJson, "written again differs"),
    ("table", BadTable, "outside their own interval"),
]


def test_a_right_estimator_keeps_every_promise():
    check_estimator(Right())


@pytest.mark.parametrize(("promise", "broken", "message"), BROKEN, ids=[f"{p}-{b.__name__}" for p, b, _ in BROKEN])
def test_a_broken_estimator_is_caught(promise, broken, message):
    with pytest.raises(AssertionError, match=message) as caught:
        check_estimator(broken(), only=[promise])
    assert f"- {promise}: " in str(caught.value)


def test_every_promise_has_an_estimator_that_breaks_it():
    assert {promise for promise, _, _ in BROKEN} == set(PROMISES)


def test_all_broken_promises_are_named_at_once():
    with pytest.raises(AssertionError, match="breaks 2 of 3 promises") as caught:
        check_estimator(BadTable(), only=["frozen", "table", "json_round_trip"])
    text = str(caught.value)
    for finding in ("p-value", "level asked for", "provenance lacks seed", "data_fingerprint"):
        assert finding in text


def test_an_estimator_may_be_held_to_a_design_of_ones_own():
    check_estimator(Right(), design=example_panel(effect=0.9, seed=5), only=["same_seed_same_bits", "refit", "scaling"])


def test_an_unknown_promise_is_named():
    with pytest.raises(ValueError, match="no such promise: colour"):
        check_estimator(Right(), only=["colour"])


def test_strategies_reach_missing_counts_and_every_frequency():
    quick = settings(max_examples=500, database=None, phases=[Phase.generate])  # any example will do, the least or not
    assert find(testing.panels(), lambda p: bool(np.isnan(p.matrix("events")).any()), settings=quick)
    for freq in ("M", "Q-DEC", "Y-DEC", "Y-MAR"):
        assert find(testing.panels(), lambda p, f=freq: p.periods.freqstr == f, settings=quick)
    assert find(testing.designs(), lambda d: len(set(d.intervention.starts.values())) > 1, settings=quick)


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def no_hypothesis(name, *args, **kwargs):
        if name == "hypothesis":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_hypothesis)
    for strategy in (testing.panels, testing.designs):
        with pytest.raises(UserError, match="pip install"):
            strategy()


def test_a_design_strategy_needs_room():
    with pytest.raises(UserError, match="at least 4 areas"):
        testing.designs(areas=(2, 3))


def test_provenance_of_the_example_is_synthetic():
    assert provenance(example_panel(effect=1.0, seed=0), 0)["synthetic"] is True
