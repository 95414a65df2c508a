"""The promises of an estimator, one function each; a function yields what it finds broken."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from svmodel.design import Design, Intervention
from svmodel.errors import DesignError, UserError
from svmodel.result import COLUMNS, SCALES, TERMS, Effect, Estimator, Result
from svmodel.result.scales import is_rounding
from svmodel.testing.examples import KEYS, NUMBERS, different, example_panel, rebuilt, same, scaled

#: Null panels behind the promise on zero effects.
NULL_PANELS = 20


@dataclass(frozen=True)
class Trial:
    """One estimator on one design, with the fits that several promises need."""

    estimator: Estimator
    design: Design
    seed: int

    def fit(self, design: Design | None = None, *, seed: int | None = None) -> Result:
        """Fit `design`, or the trial's own."""
        return self.estimator.fit(design or self.design, seed=self.seed if seed is None else seed)

    @cached_property
    def result(self) -> Result:
        """The first fit."""
        return self.fit()

    @cached_property
    def random_columns(self) -> frozenset[str]:
        """Columns of the estimates that change with the seed, so carry resampling error."""
        other = self.fit(seed=self.seed + 1).estimates
        mine = self.result.estimates
        if len(other) != len(mine):
            return frozenset(NUMBERS)
        return frozenset(c for c in NUMBERS if not same(mine[c].to_numpy(), other[c].to_numpy()))


def frozen(trial: Trial) -> Iterator[str]:
    """An estimator is a frozen dataclass of choices."""
    estimator: Any = trial.estimator
    parameters = getattr(estimator, "__dataclass_params__", None)
    if parameters is None or isinstance(estimator, type):
        yield "it is no dataclass instance"
        return
    if not parameters.frozen:
        yield "the dataclass is not frozen"
    if copy.deepcopy(estimator) != estimator:
        yield "a copy is not equal to it"


def input_untouched(trial: Trial) -> Iterator[str]:
    """Fitting changes neither the panel, nor the design's arrays, nor the estimator."""
    design, estimator = trial.design, trial.estimator
    frame, choices = design.panel.to_frame(), copy.deepcopy(vars(estimator))
    arrays = {k: copy.deepcopy(v) for k, v in vars(design.arrays).items()}
    result = trial.fit()
    if not design.panel.to_frame().equals(frame):
        yield "the panel was changed"
    for name, before in arrays.items():
        after = getattr(design.arrays, name)
        if isinstance(before, np.ndarray) and not same(before, after):
            yield f"design.arrays.{name} was changed"
    if vars(estimator) != choices:
        yield "the estimator was changed by fitting"
    if result.estimator != estimator:
        yield "result.estimator is not the estimator"
    if result.design is None or result.design.panel.fingerprint != design.panel.fingerprint:
        yield "result.design is not the design that was fitted"


def same_seed_same_bits(trial: Trial) -> Iterator[str]:
    """Two fits with one seed give the same bytes."""
    if trial.fit(replace(trial.design)).to_json() != trial.result.to_json():
        yield "two fits with one seed differ"
    if trial.result.seed != trial.seed:
        yield "result.seed is not the seed that was given"


def order_of_areas(trial: Trial) -> Iterator[str]:
    """The order of rows and of starts does not matter, not even in the last bit."""
    frame = trial.design.panel.to_frame()
    shuffled = frame.sample(frac=1, random_state=trial.seed)
    if trial.fit(rebuilt(trial.design, shuffled)).to_json() != trial.result.to_json():
        yield "rows and starts in another order give another result"


def relabelling(trial: Trial) -> Iterator[str]:
    """Other names for the areas, which sort the other way round, give the same numbers."""
    areas = trial.design.panel.areas
    rename = {a: f"renamed {len(areas) - i:06d}" for i, a in enumerate(areas)}
    back = {v: k for k, v in rename.items()}
    other = trial.fit(rebuilt(trial.design, trial.design.panel.to_frame(), rename)).estimates
    other = other.assign(area=[back.get(a, a) for a in other["area"]])
    yield from different(trial.result.estimates, other, random=trial.random_columns)


def scaling(trial: Trial) -> Iterator[str]:
    """Twice the exposure halves rates and leaves the rest; a scaled measure scales its difference."""
    design = trial.design
    if design.exposure is not None:
        frame = design.panel.to_frame()
        frame[design.exposure] *= 2
        twice = trial.fit(rebuilt(design, frame)).estimates
        factor = {scale: 0.5 if scale == "per_100k" else 1.0 for scale in SCALES}
        expected = scaled(trial.result.estimates, factor)
        yield from different(expected, twice, random=trial.random_columns, what="with the exposure doubled, ")
    measure = example_panel(effect=0.7, seed=trial.seed, measure=True)
    try:
        plain = trial.fit(measure)
    except UserError:
        return  # a family for counts says that it takes no measure
    frame = measure.panel.to_frame()
    frame["score"] *= 3
    thrice = trial.fit(rebuilt(measure, frame)).estimates
    expected = scaled(plain.estimates, dict.fromkeys(("difference", "events", "per_100k"), 3.0))
    yield from different(expected, thrice, random=trial.random_columns, what="with the measure times three, ")


def zero_effect_covered(trial: Trial) -> Iterator[str]:
    """Over independent panels without any effect, estimates divided by their errors look standard normal.

    With z the ratio of estimate and standard error and K panels, a right estimator has mean(z) near
    N(0, 1/K) and sum(z^2) near chi-squared with K degrees of freedom. Few clusters make errors a little small,
    so both limits leave a factor of 1.3 on z^2. The mean is held to 4.5 standard deviations and the sum to the
    tail of 1e-6: a right estimator fails about once in 100,000 choices of the seed, once in 1,000 where its errors
    are as rough as those of ten clusters (t with 9 degrees of freedom), and never on a seed on which it passed. Of
    wrong ones, a bias of 1.5 errors is caught 94 times in 100, errors too small by 2.5 or by 3 in 85 and 98, and
    errors too large by 3.5 or by 4.5 in 76 and 99 (measured on normal draws).
    """
    from scipy import stats

    fits = [trial.fit(example_panel(effect=1.0, seed=10_000 + 1_000 * trial.seed + k)) for k in range(NULL_PANELS)]
    for scale in (s for s in SCALES if fits[0].has("att", s)):
        z = np.array([_ratio(fit.effect("att", scale)) for fit in fits])
        if not np.isfinite(z).all():
            lacking = int((~np.isfinite(z)).sum())
            yield f"on {scale}, {lacking} of {NULL_PANELS} null panels have no finite estimate and error"
            continue
        slack = 1.3
        if abs(z.mean()) > 4.5 * math.sqrt(slack / NULL_PANELS):
            yield f"on {scale}, estimates without an effect lie {z.mean():+.2f} standard errors off on average"
        root = math.sqrt(float(z @ z) / NULL_PANELS)
        low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], NULL_PANELS) / NULL_PANELS
        if root > math.sqrt(slack * high):
            yield f"on {scale}, estimates without an effect spread {root:.1f} times their standard errors"
        if root < math.sqrt(low / slack):
            yield f"on {scale}, standard errors are {1 / root:.1f} times the spread of estimates without an effect"


def _ratio(effect: Effect) -> float:
    """Return the estimate over its standard error; for a rate ratio, both on the log scale."""
    if effect.scale == "rate_ratio":
        return math.log(effect.estimate) / (effect.std_error / effect.estimate)
    return effect.estimate / effect.std_error if effect.std_error > 0 else math.nan


def sign(trial: Trial) -> Iterator[str]:
    """A planted fall of 40% is seen as fewer harms on every scale given."""
    result = trial.fit(example_panel(effect=0.6, seed=trial.seed))
    for scale in (s for s in SCALES if result.has("att", s)):
        effect = result.effect("att", scale)
        none = 1.0 if scale == "rate_ratio" else 0.0
        if not effect.conf_high < none:
            interval = f"{effect.conf_low:.3g} to {effect.conf_high:.3g}"
            yield f"a fall of 40% gives {effect.estimate:.3g} ({interval}) on {scale}"


def constant_outcome(trial: Trial) -> Iterator[str]:
    """An outcome that never changes is refused with a user error."""
    design = example_panel(effect=1.0, seed=trial.seed)
    frame = design.panel.to_frame()
    frame["events"] = 5.0
    yield from _must_refuse(trial, rebuilt(design, frame), UserError, "a constant outcome")


def problems_refused(trial: Trial) -> Iterator[str]:
    """A design with problems is refused with DesignError."""
    design = example_panel(effect=1.0, seed=trial.seed)
    nobody = Intervention("nobody", {})
    first = design.panel.periods[0]
    early = Intervention("from the first month", {design.panel.areas[0]: first})
    for bad, what in (
        (replace(design, outcome="evnts"), "an unknown outcome"),
        (replace(design, intervention=nobody), "an intervention without areas"),
        (replace(design, intervention=early), "an area without a period before its start"),
    ):
        yield from _must_refuse(trial, bad, DesignError, what)


def missing_is_not_zero(trial: Trial) -> Iterator[str]:
    """A missing count is left out or refused; it is not taken for zero."""
    design = example_panel(effect=0.8, seed=trial.seed)
    frame = design.panel.to_frame()
    gaps = np.random.default_rng(trial.seed).choice(len(frame), 15, replace=False)
    frame.loc[gaps, "events"] = np.nan
    zeros = frame.assign(events=frame["events"].fillna(0.0))
    try:
        held = trial.fit(rebuilt(design, frame))
    except UserError:
        return  # a method for complete panels says that it needs one
    effect, wrong = (
        r.estimates.set_index(["term", "scale"])["estimate"] for r in (held, trial.fit(rebuilt(design, zeros)))
    )
    att = effect.loc["att"].dropna()
    if att.empty:
        yield "a few missing counts leave no estimate, and no error says why"
    for scale, value in att.items():
        if value == wrong.loc["att"].get(scale):
            yield f"missing counts give the same {scale} as zeros"


def refit(trial: Trial) -> Iterator[str]:
    """``result.refit()`` gives the result again."""
    if trial.result.refit().to_json() != trial.result.to_json():
        yield "refit gives another result"


def json_round_trip(trial: Trial) -> Iterator[str]:
    """A result written as JSON and read back is the same, its estimator too."""
    text = trial.result.to_json()
    ours = type(trial.estimator).__module__.startswith("svmodel.")
    again = Result.from_json(text, estimator=None if ours else trial.estimator)
    if again.to_json() != text:
        yield "JSON read back and written again differs"
    if again.estimator != trial.estimator:
        yield "the estimator read back is not the one written"
    different_bits = [
        c for c in COLUMNS if not same(again.estimates[c].to_numpy(), trial.result.estimates[c].to_numpy())
    ]
    if different_bits:
        yield f"columns {', '.join(different_bits)} of the estimates change on the way"


def table(trial: Trial) -> Iterator[str]:
    """The table of estimates has its columns, known terms and scales, and intervals that hold their estimates."""
    result = trial.result
    frame = result.estimates
    if tuple(frame.columns) != COLUMNS:
        yield f"the columns are {', '.join(frame.columns)}"
        return
    for column, valid in (("term", TERMS), ("scale", SCALES)):
        for wrong in sorted(set(frame[column]) - set(valid)):
            yield f"{wrong!r} is no {column}"
    if not (frame["term"] == "att").any() and not result.notes:
        yield "there is no term 'att', and no note says why"
    if frame.duplicated(subset=KEYS).any():
        yield "two rows answer the same question"
    known = frame[frame[["estimate", "conf_low", "conf_high"]].notna().all(axis=1)]
    outside = ~known["estimate"].between(known["conf_low"], known["conf_high"])
    if outside.any():
        yield f"{int(outside.sum())} estimates lie outside their own interval"
    if (frame["std_error"] < 0).any():
        yield "a standard error is negative"
    known = frame[np.isfinite(frame["estimate"]) & ~((frame["estimate"] == 1) & (frame["std_error"] == 0))]
    if np.any(is_rounding(known["estimate"].to_numpy(), known["std_error"].to_numpy())):
        yield "a standard error is nothing but rounding, and should be missing (svmodel.result.scales.is_rounding)"
    if not frame["p_value"].dropna().between(0, 1).all():
        yield "a p-value lies outside 0 to 1"
    level = getattr(trial.estimator, "level", None)
    if level is not None and not (frame["level"] == level).all():
        yield f"the intervals are not at the level asked for, {level}"
    att = frame[frame["term"] == "att"]
    if not np.isfinite(att["estimate"]).all():
        yield "the average effect is not finite; what is not known is missing from the table"
    for key, value in (("seed", trial.seed), ("data_fingerprint", trial.design.panel.fingerprint)):
        if result.provenance.get(key) != value:
            yield f"provenance lacks {key}; use svmodel.result.scales.provenance"


#: In this order, under these names.
PROMISES: dict[str, Callable[[Trial], Iterator[str]]] = {
    f.__name__: f
    for f in (
        frozen,
        input_untouched,
        same_seed_same_bits,
        order_of_areas,
        relabelling,
        scaling,
        zero_effect_covered,
        sign,
        constant_outcome,
        problems_refused,
        missing_is_not_zero,
        refit,
        json_round_trip,
        table,
    )
}


def _must_refuse(trial: Trial, design: Design, error: type[UserError], what: str) -> Iterator[str]:
    try:
        trial.fit(design)
    except error:
        return
    except Exception as other:  # noqa: BLE001 - whatever else it raises is the finding
        yield f"{what} raises {type(other).__name__} ({other}), not {error.__name__}"
    else:
        yield f"{what} is answered instead of refused"
