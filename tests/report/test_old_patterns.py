"""Once: what the old patterns over notes found is exactly what results now mark as warnings. Goes with the patterns.

Every estimator is put to designs that can carry it and to odd ones. The texts of ``Result.warnings`` have to be those
notes that a pattern finds, and what an interval rests on has to be the sentence that the pages showed.
"""

import re
import warnings
from functools import cache

import numpy as np
import pytest

from svmodel import Design, Intervention, Panel, bayes, counterfactual, did, simulate
from svmodel.errors import UserError

ON_INTERVALS = re.compile(r"\b(?:[Ii]ntervals?|[Ee]rrors?|p-value)\b")
GRAVE = tuple(
    re.compile(pattern)
    for pattern in (
        r"OUTSIDE THE DONORS' HULL",
        r"^Outside the donors:",
        r"^Poor fit before the start",
        r"% of area-\w+ are zero",
        r"^Too little happens",
        r"^Counts are small and there are few",
        r"\b(?:is|are) not identified",
        r"no area is untreated",
        r"^The average effect is taken over",
        r"^Left out of the average effect",
        r"left out of every effect",
        r"not linked to untreated areas",
        r"without a single event before the start",
        r"^Only \d+ (?:donors|\w+ before a start|\w+ from a start)",
        r"no p-value can be below",
        r"Here the negative weights sum to",
        r"Residuals hang together",
        r"held against its own past alone",
        r"carried on for longer",
        r"less than .* events? a \w+: ",
        r"In simulation 95% intervals",
        r"they are known to be too narrow",
        r"^Every area of .* is treated",
        r"expects? (?:no events|fewer than none)",
        r"^Chains have met roughly",
        # what svmodel.inference.doubts finds in a design
        r"^No area that is never treated .* ever changes",
        r"^No control is like",
        r"^One \w+ before the start is all that is known",
        r"^Not one .* (?:before the start in the treated|in any area from)",
        r"^Counts of .* jump: ",
        r"^(?:One|Only \d+) untreated areas? stands? for what happened elsewhere",
        r"% of the donors' area-\w+ before the start are zero",
        r"without a single event \(.*\) cannot inform a model of ratios",
        # what svmodel.inference finds in a design that no interval shows
        r"^No area that is never treated .* ever changes",
        r"before the start is all that is known of any treated area",
        r"^Not one .* (?:before the start in the treated area|in any area from)",
        r"^No control is like",
        r"^Counts of .* jump",
    )
)


def old_rest(result):
    """Return what pages said that an interval rests on."""
    known = result.diagnostics.get("inference_why")
    return str(known) if known else next((n for n in result.notes if ON_INTERVALS.search(n)), "")


ESTIMATORS = {
    "TWFE Poisson": did.TwoWayFixedEffects(family="poisson"),
    "TWFE linear": did.TwoWayFixedEffects(family="linear"),
    "ETWFE": did.ExtendedTwoWayFixedEffects(),
    "ETWFE average": did.ExtendedTwoWayFixedEffects(only_average=True),
    "ETWFE placebo": did.ExtendedTwoWayFixedEffects(inference="placebo"),
    "ETWFE cluster": did.ExtendedTwoWayFixedEffects(inference="cluster"),
    "ETWFE linear": did.ExtendedTwoWayFixedEffects(family="linear"),
    "ETWFE cohort": did.ExtendedTwoWayFixedEffects(effects="cohort"),
    "ETWFE linear cohort": did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort"),
    "stacked": did.StackedDiD(),
    "stacked linear": did.StackedDiD(family="linear", pre=8, post=7, weights="none"),
    "CS": did.CallawaySantAnna(n_boot=99),
    "CS cross sections": did.CallawaySantAnna(sampling="cross_sections", n_boot=99),
    "CS universal": did.CallawaySantAnna(control="not_yet_treated", method="reg", base_period="universal", n_boot=99),
    "CS ipw": did.CallawaySantAnna(method="ipw", n_boot=99),
    "imputation": did.Imputation(),
    "imputation linear": did.Imputation(family="linear"),
    "Sun-Abraham": did.SunAbraham(),
    "triple": did.TripleDifference("other"),
    "triple linear": did.TripleDifference("other", family="linear"),
    "SDID": counterfactual.SyntheticDiD(n_draws=99),
    "SDID did": counterfactual.SyntheticDiD(method="did", n_draws=99),
    "SDID counts": counterfactual.SyntheticDiD(rates=False, n_draws=99),
    "SC": counterfactual.SyntheticControl(draws=19),
    "SC apart": counterfactual.SyntheticControl(pooled=False, intercept=True, draws=19),
    "SC ridge": counterfactual.SyntheticControl(augment="ridge", block=2, draws=19),
    "ITS": counterfactual.InterruptedTimeSeries(),
    "ITS Newey-West": counterfactual.InterruptedTimeSeries(errors="newey_west"),
    "ITS each": counterfactual.InterruptedTimeSeries(areas="each", controls="untreated"),
    "STS": counterfactual.StructuralTimeSeries(draws=200, warmup=100, chains=2),
    "STS alone": counterfactual.StructuralTimeSeries(controls="none", draws=200, warmup=100, chains=2),
    "STS each": counterfactual.StructuralTimeSeries(areas="each", draws=200, warmup=100, chains=2),
    "hierarchical": bayes.HierarchicalDiD(draws=300),
    "hierarchical lasting": bayes.HierarchicalDiD(draws=200, lasting_shocks=6),
    "hierarchical starts": bayes.HierarchicalDiD(draws=200, over="cohorts"),
    "Bayesian ITS": bayes.InterruptedTimeSeries(draws=300),
    "Bayesian ITS each": bayes.InterruptedTimeSeries(draws=200, areas="each"),
    "structural counts": bayes.StructuralCounterfactual(draws=300),
    "structural Gaussian": bayes.StructuralCounterfactual(family="gaussian", controls="sum", draws=300),
    "structural alone": bayes.StructuralCounterfactual(controls="none", draws=300),
}


def made(areas, months, mean, cohorts, effect, key, **more):
    return simulate.panel(areas, months, mean=mean, cohorts=cohorts, effect=effect, seed=key, **more).design("violence")


def with_changes(design, change, **more):
    """Return a design with a second outcome, on a panel whose rows `change` has altered."""
    frame = design.panel.to_frame()
    frame["other"] = np.random.default_rng(7).poisson(30, len(frame))
    frame = change(frame)
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["violence", "other"], exposures=["population"], synthetic=True
    )
    treated = more.pop("intervention", design.intervention)
    return Design(panel, outcome="violence", exposure="population", intervention=treated, **more)


@cache
def designs():
    """Return designs that most methods can answer, and odd ones, by name."""
    many = made(40, 36, 20, ((18, 12), (24, 10)), 0.8, 1)
    few = made(24, 36, 12, ((24, 3),), 0.7, 2)
    one = made(14, 48, 30, ((36, 1),), 0.8, 3)
    rare = made(30, 24, 0.4, ((12, 10),), 0.8, 4)
    first = min(many.intervention.starts)

    def gaps(frame):
        frame.loc[frame.sample(40, random_state=3).index, "violence"] = np.nan
        return frame

    def far(frame):
        frame.loc[frame["area"] == next(iter(one.intervention.starts)), "violence"] *= 5
        return frame

    def empty_before(frame):
        start = many.intervention.starts[first]
        frame.loc[(frame["area"] == first) & (frame["period"] < start), "violence"] = 0
        return frame

    def nothing_before(frame):
        starts = few.intervention.starts
        before = [a in starts and p < starts[a] for a, p in zip(frame["area"], frame["period"], strict=True)]
        frame.loc[before, "violence"] = 0
        return frame

    def still(frame):
        frame["violence"] = np.where(frame["area"].isin(few.intervention.starts), frame["violence"], 7)
        return frame

    def none_after(frame):
        starts = few.intervention.starts
        after = [a in starts and p >= starts[a] for a, p in zip(frame["area"], frame["period"], strict=True)]
        frame.loc[after, "violence"] = 0
        return frame

    def jumping(frame):
        frame.loc[frame["period"] >= frame["period"].sort_values().iloc[len(frame) // 2], "violence"] *= 6
        return frame

    starts = many.intervention.starts
    early, everyone = dict(starts), dict.fromkeys(many.panel.areas, many.panel.periods[20])
    early[first] = many.panel.periods[1]
    everyone.update(dict.fromkeys(list(everyone)[:15], many.panel.periods[26]))
    starts_of_few, second = list(few.intervention.starts), few.panel.periods[1]
    two_left = dict.fromkeys(many.panel.areas[:-2], many.panel.periods[20])
    return {
        "many treated": with_changes(many, lambda f: f),
        "few treated": with_changes(few, lambda f: f),
        "one treated": with_changes(one, lambda f: f),
        "small counts": with_changes(rare, lambda f: f),
        "gaps": with_changes(many, gaps),
        "far from all": with_changes(one, far),
        "nothing before": with_changes(many, empty_before),
        "controls that stand still": with_changes(few, still),
        "nothing after": with_changes(few, none_after),
        "jumping": with_changes(few, jumping),
        "one period before": with_changes(many, lambda f: f, intervention=Intervention("Patrols", starts=early)),
        "everyone treated": with_changes(many, lambda f: f, intervention=Intervention("Patrols", starts=everyone)),
        "two controls": with_changes(many, lambda f: f, intervention=Intervention("Patrols", starts=two_left)),
        "rare and scattered": with_changes(made(60, 36, 0.5, ((18, 20),), 0.9, 4, dispersion=14.0), lambda f: f),
        "nothing before anywhere": with_changes(few, nothing_before),
        "hardly anything": with_changes(made(20, 24, 0.05, ((12, 5),), 0.8, 6), lambda f: f),
        "one period before all": with_changes(
            few, lambda f: f, intervention=Intervention("Patrols", starts=dict.fromkeys(starts_of_few, second))
        ),
        "short": with_changes(made(12, 8, 15, ((6, 4),), 0.7, 5), lambda f: f),
        "anticipated": with_changes(few, lambda f: f, anticipation=3),
    }


@cache
def answers():
    """Return every answer, by estimator and design; a refusal has no warnings to hold against the patterns."""
    found = {}
    for name, estimator in ESTIMATORS.items():
        for which, design in designs().items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found[name, which] = estimator.fit(design, seed=2026)
            except UserError:
                continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_the_patterns_found_is_what_results_warn_of(name):
    wrong = []
    for (method, which), result in answers().items():
        if method != name:
            continue
        old = [n for n in dict.fromkeys(result.notes) if any(p.search(n) for p in GRAVE)]
        new = list(dict.fromkeys(w.text for w in result.warnings))
        wrong += [(which, "no longer", n) for n in old if n not in new] + [
            (which, "new", n) for n in new if n not in old
        ]
        if old_rest(result) != result.uncertainty.why:
            wrong.append((which, "rests on", old_rest(result), result.uncertainty.why))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.slow
def test_the_designs_are_odd_enough():
    """Most patterns meet a note, so that the test above is no empty one."""
    notes = {n for result in answers().values() for n in result.notes}
    met = [p.pattern for p in GRAVE if any(p.search(n) for n in notes)]
    assert len(answers()) > 400
    assert len(set(met)) >= 25, sorted({p.pattern for p in GRAVE} - set(met))
