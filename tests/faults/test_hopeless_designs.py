"""Designs that no method can answer well, put to every estimator: each is refused in words, or the notes say so.

A finite estimate with a finite interval and no word on what is wrong fails. Where the fault of a design does not touch
a method (zero cells and a Poisson model), the matrix says ``Sound``, and the method has to answer.
"""

import re
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pytest

from svmodel import Design, Intervention, Panel, counterfactual, did
from svmodel.errors import DataError, DesignError, EstimationError

T, START = 24, 14
MONTHS = pd.period_range("2020-01", periods=T, freq="M")

ESTIMATORS = {
    "twfe_poisson": did.TwoWayFixedEffects(),
    "twfe_linear": did.TwoWayFixedEffects(family="linear"),
    "imputation_poisson": did.Imputation(),
    "imputation_linear": did.Imputation(family="linear"),
    "etwfe_poisson": did.ExtendedTwoWayFixedEffects(),
    "etwfe_linear": did.ExtendedTwoWayFixedEffects(family="linear"),
    "cohort_poisson": did.ExtendedTwoWayFixedEffects(effects="cohort"),
    "sun_abraham": did.SunAbraham(),
    "callaway": did.CallawaySantAnna(n_boot=19),
    "callaway_not_yet": did.CallawaySantAnna(control="not_yet_treated", n_boot=19),
    "stacked_poisson": did.StackedDiD(),
    "stacked_linear": did.StackedDiD(family="linear"),
    "triple_poisson": did.TripleDifference("theft"),
    "triple_linear": did.TripleDifference("theft", family="linear"),
    "series_poisson": counterfactual.InterruptedTimeSeries(season="none"),
    "series_linear": counterfactual.InterruptedTimeSeries(season="none", family="linear"),
    "series_controls": counterfactual.InterruptedTimeSeries(season="none", controls="untreated"),
    "synthetic_control": counterfactual.SyntheticControl(draws=39),
    "synthetic_did": counterfactual.SyntheticDiD(n_draws=39),
    "structural": counterfactual.StructuralTimeSeries(draws=100, warmup=100, chains=2),
}
POISSON = [k for k in ESTIMATORS if k.endswith("_poisson") and k != "series_poisson"]
LINEAR = [
    "twfe_linear",
    "imputation_linear",
    "etwfe_linear",
    "sun_abraham",
    "callaway",
    "callaway_not_yet",
    "stacked_linear",
    "triple_linear",
]
DID = [*POISSON, *LINEAR]
SERIES = ["series_poisson", "series_linear"]
OTHERS = ["series_controls", "synthetic_control", "synthetic_did", "structural"]


@dataclass(frozen=True)
class Refused:
    """A DesignError or EstimationError whose text says why."""

    why: str


@dataclass(frozen=True)
class Bare:
    """No average effect, or one without limits, and a note on why."""

    why: str


@dataclass(frozen=True)
class Noted:
    """An interval, and a note on the matter."""

    why: str


@dataclass(frozen=True)
class Sound:
    """The fault does not touch the method, for this reason; it gives an interval."""

    because: str


def counts(n, *, mean=20.0, seed=1, shape=8.0, length=T):
    rng = np.random.default_rng(seed)
    level = mean * np.exp(rng.normal(0, 0.2, n))
    return rng.poisson(level[:, None] * rng.gamma(shape, 1 / shape, (n, length))).astype(float)


def design_of(y, starts, *, covariates=None, exposure=None):
    """A design on these counts; `starts` maps rows to periods. A second count is there for triple differences."""
    n, length = y.shape
    names = [f"area {i:02d}" for i in range(n)]
    frame = pd.DataFrame({"area": np.repeat(names, length), "month": np.tile(MONTHS[:length].astype(str), n)})
    frame["violence"] = y.ravel()
    frame["theft"] = np.random.default_rng(99).poisson(30, n * length)
    for name, x in (covariates or {}).items():
        frame[name] = x.ravel()
    if exposure is not None:
        frame["people"] = exposure.ravel()
    panel = Panel.from_frame(
        frame,
        area="area",
        period="month",
        counts=["violence", "theft"],
        covariates=list(covariates or {}),
        exposures=[] if exposure is None else ["people"],
    )
    intervention = Intervention("patrols", {names[i]: MONTHS[0] + s for i, s in starts.items()})
    return Design(
        panel,
        outcome="violence",
        intervention=intervention,
        covariates=tuple(covariates or {}),
        exposure=None if exposure is None else "people",
    )


def first(n, start=START):
    return dict.fromkeys(range(n), start)


def everyone_treated():
    return design_of(counts(14), first(14))


def last_cohort_without_controls():
    return design_of(counts(14), {i: START if i < 7 else 18 for i in range(14)})


def no_period_before():
    return design_of(counts(14), first(5, 0))


def outside_the_hull():
    y = counts(14)
    y[0] = np.random.default_rng(3).poisson(60 + 4 * np.arange(T))
    return design_of(y, first(1))


def two_never_treated():
    return design_of(counts(14), first(12))


def two_never_treated_staggered():
    return design_of(counts(14), {i: START if i < 6 else 18 for i in range(12)})


def half_of_cells_zero():
    return design_of(counts(30, mean=0.85, shape=4.0), first(12))


def areas_without_events():
    y = counts(20)
    y[[0, 1, 18, 19]] = 0
    return design_of(y, first(9))


def no_treated_events_at_all():
    y = counts(20)
    y[:9] = 0
    return design_of(y, first(9))


def one_treated_with_five_controls():
    return design_of(counts(6), first(1))


def one_treated_without_events_before():
    y = counts(16)
    y[0, :START] = 0
    return design_of(y, first(1))


def nine_treated_without_events_before():
    y = counts(20)
    y[:9, :START] = 0
    return design_of(y, first(9))


def no_events_anywhere_after():
    y = counts(16)
    y[:, START:] = 0
    return design_of(y, first(8))


def treated_missing_after():
    y = counts(14)
    y[:5, START:] = np.nan
    return design_of(y, first(5))


def controls_missing_after():
    y = counts(14)
    y[5:, START:] = np.nan
    return design_of(y, first(5))


def two_periods():
    return design_of(counts(20, length=2), first(9, 1))


def controls_that_never_change():
    y = counts(20)
    y[9:] = 7
    return design_of(y, first(9))


def three_treated_controls_never_change():
    y = counts(20)
    y[3:] = 7
    return design_of(y, first(3))


def one_of_fifty_ten_times_as_high():
    y = counts(50)
    y[0] = counts(1, mean=220, seed=5)[0]
    return design_of(y, first(1))


def one_of_nine_ten_times_as_high():
    y = counts(20)
    y[0] = counts(1, mean=220, seed=5)[0]
    return design_of(y, first(9))


def starts_after_the_end():
    return design_of(counts(14), first(5, 30))


def counts_that_jump():
    return design_of(counts(30, shape=0.05), first(10))


def dependent_covariates():
    x = np.random.default_rng(4).normal(size=(20, T))
    return design_of(counts(20), first(9), covariates={"deprivation": x, "twice": 2 * x + 3})


def still_dependent_covariates():
    x = np.repeat(np.random.default_rng(4).normal(size=(20, 1)), T, axis=1)
    return design_of(counts(20), first(9), covariates={"deprivation": x, "twice": 2 * x})


def one_control():
    return design_of(counts(14), first(13))


def spread(*parts):
    """Return an expectation for every estimator: later parts win over earlier ones."""
    out = {}
    for names, expected in parts:
        out.update(dict.fromkeys([names] if isinstance(names, str) else names, expected))
    assert set(out) == set(ESTIMATORS), set(ESTIMATORS) ^ set(out)
    return out


ALL = list(ESTIMATORS)
PAST = Noted("against its own past alone")
NO_CONTROL_SERIES = ("series_controls", Refused("no area is untreated throughout"))
NO_DONORS = (["synthetic_control", "synthetic_did"], Refused("never treated"))
FEW = "so few control areas (such errors )?are known to be too small at times"
STAND = Noted("untreated areas? stands? for what happened elsewhere")
UNLIKE = "No control is like area 00"
STILL = r"No area that is never treated \(\d+\) ever changes"
SILENT = "Not one violence before the start in the treated areas?"
STOPPED = "Not one violence in any area from Mar 2021 on"
ZEROS = r"\d\d% of (the donors' )?area-months (before the start )?are zero"
NO_EVENT_SERIES = Refused("not one event before the start")
JUMP = "Counts of violence jump"
COLLINEAR = spread((ALL, Refused("covariate 'twice' is a combination of 'deprivation'")))

MATRIX = {
    everyone_treated: spread(
        (["twfe_poisson", "twfe_linear"], Refused("no area is left to compare with")),
        (["imputation_poisson", "etwfe_poisson", "triple_poisson"], Refused("every area is treated in every period")),
        ("imputation_linear", Refused("no area is untreated")),
        (["etwfe_linear", "triple_linear"], Refused("no period after the first start has an untreated area")),
        ("cohort_poisson", Refused("untreated|every area is treated")),
        ("sun_abraham", Refused("all areas start at once")),
        ("callaway", Refused("no area is never treated")),
        ("callaway_not_yet", Refused("no control area")),
        (["stacked_poisson", "stacked_linear"], Refused("no cohort has a clean control")),
        ([*SERIES, "structural"], PAST),
        NO_CONTROL_SERIES,
        NO_DONORS,
    ),
    last_cohort_without_controls: spread(
        (["twfe_poisson", "twfe_linear"], Noted("no area is untreated: areas already treated are all")),
        (["imputation_poisson", "etwfe_poisson"], Bare("no area is untreated, so nothing tells")),
        ("imputation_linear", Noted("no area is untreated, so the effect of the month is not identified")),
        (["etwfe_linear", "cohort_poisson"], Noted("no untreated area is left in that month")),
        ("sun_abraham", Noted("No area is never treated: the last to start")),
        ("callaway", Refused("no area is never treated")),
        ("callaway_not_yet", Noted("is not identified: no control area")),
        (["stacked_poisson", "stacked_linear"], Refused("no cohort has a clean control")),
        (["triple_poisson", "triple_linear"], Noted("84 treated area-months .* are left out")),
        ([*SERIES, "structural"], PAST),
        NO_CONTROL_SERIES,
        NO_DONORS,
    ),
    no_period_before: spread((ALL, Refused("have no period before their start"))),
    outside_the_hull: spread(
        ([*DID, "series_controls", "structural"], Noted(UNLIKE)),
        (SERIES, PAST),
        ("synthetic_control", Bare("OUTSIDE THE DONORS' HULL")),
        ("synthetic_did", Bare("Outside the donors")),
    ),
    two_never_treated: spread(
        (DID, Noted(FEW)),
        (SERIES, PAST),
        (["series_controls", "structural"], STAND),
        ("synthetic_control", Refused("2 areas are never treated")),
        ("synthetic_did", Noted("Only 2 donors")),
    ),
    two_never_treated_staggered: spread(
        (DID, Noted(FEW)),
        (SERIES, PAST),
        (["series_controls", "structural"], STAND),
        ("synthetic_control", Refused("2 areas are never treated")),
        ("synthetic_did", Noted("Only 2 donors")),
    ),
    half_of_cells_zero: spread(
        (POISSON, Sound("a Poisson mean may be small")),
        (LINEAR, Noted(ZEROS)),
        (SERIES, PAST),
        (["series_controls", "structural"], Sound("treated areas are summed to some ten events a month")),
        (["synthetic_control", "synthetic_did"], Noted(ZEROS)),
    ),
    areas_without_events: spread(
        (["twfe_poisson", "stacked_poisson", "triple_poisson"], Noted("without a single event .* left out")),
        (["imputation_poisson", "etwfe_poisson"], Noted("without a single event before the start")),
        ("cohort_poisson", Sound("areas of a cohort share one level")),
        (LINEAR, Sound("a difference of zero is a difference")),
        (SERIES, PAST),
        ("series_controls", Sound("areas are summed")),
        ("synthetic_control", Bare("too few")),
        ("synthetic_did", Sound("a difference of zero is a difference")),
        ("structural", Noted("untreated areas are left out: .* without change before")),
    ),
    no_treated_events_at_all: spread((ALL, Refused("'violence' is 0 in every period in every treated area"))),
    one_treated_with_five_controls: spread(
        (DID, Bare("a single treated area shows no noise of its own")),
        (SERIES, PAST),
        (["series_controls", "structural"], STAND),
        ("synthetic_control", Bare("With 5 placebos no p-value can be below")),
        ("synthetic_did", Bare("1 treated area and 5 controls|too few|No interval")),
    ),
    one_treated_without_events_before: spread(
        (LINEAR, Bare(SILENT)),
        ("twfe_poisson", Refused("no event was seen in the treated areas before their start")),
        ("stacked_poisson", Refused("no event was seen in the treated areas before their start")),
        ("triple_poisson", Refused("violence or theft has no event, or none expected")),
        (["imputation_poisson", "etwfe_poisson"], Bare("without a single event before the start")),
        ("cohort_poisson", Bare(SILENT)),
        (["series_poisson", "series_controls"], NO_EVENT_SERIES),
        ("series_linear", Noted(SILENT)),
        ("synthetic_control", Bare("OUTSIDE THE DONORS' HULL")),
        ("synthetic_did", Bare(SILENT)),
        ("structural", Refused("the outcome is 0 in every month before the start")),
    ),
    nine_treated_without_events_before: spread(
        (LINEAR, Noted(SILENT)),
        ("twfe_poisson", Refused("no event was seen in the treated areas before their start")),
        ("stacked_poisson", Refused("no event was seen in the treated areas before their start")),
        ("triple_poisson", Refused("violence or theft has no event, or none expected")),
        (["imputation_poisson", "etwfe_poisson"], Bare("without a single event before the start")),
        ("cohort_poisson", Bare(SILENT)),
        (["series_poisson", "series_controls"], NO_EVENT_SERIES),
        ("series_linear", Noted(SILENT)),
        ("synthetic_control", Bare("OUTSIDE THE DONORS' HULL")),
        ("synthetic_did", Noted(SILENT)),
        ("structural", Refused("the outcome is 0 in every month before the start")),
    ),
    no_events_anywhere_after: spread(
        (LINEAR, Noted(STOPPED)),
        (["imputation_poisson", "etwfe_poisson", "cohort_poisson"], Bare(STOPPED)),
        (["twfe_poisson", "stacked_poisson"], Refused("no event was seen in the treated area")),
        ("triple_poisson", Refused("violence or theft has no event, or none expected")),
        (["series_poisson", "series_controls"], Refused("not one event from the start on")),
        ("series_linear", Noted(STOPPED)),
        (["synthetic_control"], Bare(STOPPED)),
        (["synthetic_did", "structural"], Noted(STOPPED)),
    ),
    treated_missing_after: spread((ALL, Refused("'violence' is missing in every treated area from its start on"))),
    controls_missing_after: spread(
        (["twfe_poisson", "twfe_linear"], Refused("no area is left to compare with")),
        (
            ["imputation_poisson", "etwfe_poisson", "triple_poisson"],
            Refused("no untreated area is known in any period"),
        ),
        ("imputation_linear", Refused("no area is untreated")),
        (["etwfe_linear", "triple_linear"], Refused("no period after the first start has an untreated area")),
        ("cohort_poisson", Refused("untreated")),
        ("sun_abraham", Refused("no control is seen both before the start and after")),
        (["callaway", "callaway_not_yet"], Refused("no control area has its outcome in both periods")),
        (["stacked_poisson", "stacked_linear"], Refused("no clean control is known in any period")),
        ([*SERIES, "structural"], PAST),
        ("series_controls", Refused("untreated areas: 0 known months from the start on")),
        ("synthetic_control", Refused("known")),
        ("synthetic_did", Refused("have an outcome in all periods needed")),
    ),
    two_periods: spread(
        (DID, Noted("One month before the start is all that is known")),
        ([*SERIES, "series_controls"], Refused("1 known months before the start")),
        ("synthetic_control", Refused("3 or more periods before its start")),
        ("synthetic_did", Refused("fewer than two known periods before the start")),
        ("structural", Refused("1 known months before the start")),
    ),
    controls_that_never_change: spread(
        (DID, Noted(STILL)),
        (SERIES, PAST),
        ("series_controls", Refused("untreated areas: the outcome is 77 in every period")),
        ("synthetic_control", Bare(STILL)),
        ("synthetic_did", Refused("the donors' outcome never changes")),
        ("structural", PAST),
    ),
    three_treated_controls_never_change: spread(
        (DID, Bare(STILL)),
        # the comparison outcome moves in the controls, and placebo effects with it
        (["triple_poisson", "triple_linear"], Noted(STILL)),
        (SERIES, PAST),
        ("series_controls", Refused("untreated areas: the outcome is 119 in every period")),
        ("synthetic_control", Bare(STILL)),
        ("synthetic_did", Refused("the donors' outcome never changes")),
        ("structural", PAST),
    ),
    one_of_fifty_ten_times_as_high: spread(
        ([*DID, "series_controls"], Noted(UNLIKE)),
        (SERIES, PAST),
        ("synthetic_control", Bare("OUTSIDE THE DONORS' HULL")),
        ("synthetic_did", Noted("Outside the donors")),
        ("structural", Refused("the chains have not met")),
    ),
    one_of_nine_ten_times_as_high: spread(
        ([*DID, "series_controls", "structural"], Noted(UNLIKE)),
        (SERIES, PAST),
        ("synthetic_control", Bare("OUTSIDE THE DONORS' HULL")),
        ("synthetic_did", Noted("Outside the donors")),
    ),
    starts_after_the_end: spread((ALL, Refused("every start is after the last period"))),
    counts_that_jump: spread((ALL, Noted(JUMP))),
    dependent_covariates: COLLINEAR,
    still_dependent_covariates: COLLINEAR,
    one_control: spread(
        (DID, Bare("whatever else happened in a single control passes for the effect")),
        (SERIES, PAST),
        (["series_controls", "structural"], STAND),
        ("synthetic_control", Refused("1 areas are never treated")),
        ("synthetic_did", Refused("fewer than two of 1 never treated areas")),
    ),
}

made = cache(lambda build: build())


def answer(estimator, design):
    """The result, or the text of the refusal; whatever else is raised, warnings too, is a fault of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return estimator.fit(design), ""
        except (DesignError, EstimationError) as error:
            return None, str(error)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("build", MATRIX, ids=lambda b: b.__name__)
def test_a_hopeless_design_gets_told(build, name):
    expected = MATRIX[build][name]
    result, refusal = answer(ESTIMATORS[name], made(build))
    if result is None:
        assert isinstance(expected, Refused), f"refused: {refusal}"
        assert re.search(expected.why, refusal), refusal
        assert not re.search(r":\s*$", refusal), f"the text breaks off: {refusal}"
        return
    att = result.estimates[result.estimates["term"] == "att"]
    bounded = np.isfinite(att[["conf_low", "conf_high"]]).all(axis=1)
    told = "\n".join(result.notes)
    assert not isinstance(expected, Refused), f"answered: {att[['scale', 'estimate', 'conf_low', 'conf_high']]}\n{told}"
    assert not np.isclose(att.loc[bounded, "conf_low"], att.loc[bounded, "conf_high"], rtol=1e-9).any(), told
    assert bounded.any() == (not isinstance(expected, Bare)), f"{att['conf_low'].tolist()}\n{told}"
    if not isinstance(expected, Sound):
        assert re.search(expected.why, told), told


@pytest.mark.parametrize("rows", [slice(None), slice(0, 5), slice(5, None)], ids=["all", "treated", "controls"])
def test_an_exposure_of_zero_is_refused_before_any_estimator_sees_it(rows):
    people = np.full((14, T), 1000.0)
    people[rows] = 0
    with pytest.raises(DataError, match="exposures are zero or negative"):
        design_of(counts(14), first(5), exposure=people)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_no_word_of_this_is_said_of_a_plain_design(estimator):
    """The notes that the matrix looks for are not just always there."""
    told = "\n".join(estimator.fit(design_of(counts(20, mean=60, seed=7), first(9))).notes)
    for pattern in (FEW, STAND.why, "No control is like", STILL, SILENT, STOPPED, ZEROS, JUMP, "One month before"):
        assert not re.search(pattern, told), told


def test_shares_that_add_up_to_one_are_named():
    x = np.random.default_rng(4).dirichlet((2, 2, 2), (14, T))
    named = {name: x[..., k] for k, name in enumerate(("young", "middle", "old"))}
    (problem,) = design_of(counts(14), first(5), covariates=named).problems()
    assert problem.rule == "covariate_dependent"
    assert "'old' is a combination of 'young', 'middle'" in problem.what
