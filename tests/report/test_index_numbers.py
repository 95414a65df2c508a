"""The index's numbers, read back from the files that areas' reports wrote from real fits."""

import json
import re
from dataclasses import replace

import pytest

from svmodel.protect import Disclosure
from svmodel.report.run.index import StudyNumbers, index_page, read_numbers, study_numbers
from svmodel.report.run.manifest import AreaOutcome

NAMES = {"N": "North", "W": "West & Central"}


def write_areas(small_study, context, folder):
    """Write each area's numbers, which are the same whatever sections its page has, and read them back."""
    for code in NAMES:
        small_study.write_sections(context, code, folder / "areas" / code, ("happening",))
    return read_numbers(folder, NAMES)


@pytest.fixture(scope="module")
def results(plain_run):
    return read_numbers(plain_run, NAMES)


def page(study, results, **more):
    outcomes = [AreaOutcome(c, n, "skipped") for c, n in NAMES.items()]
    return index_page(study, outcomes, synthetic=False, numbers=study_numbers(study, results), **more)


def test_the_headline_and_the_rows_are_those_of_the_fits(small_study, results, read_outline):
    context = small_study.fitted()
    numbers = study_numbers(context.study, results)
    result = context.headline_result()
    middle, low, high = result.effect("att", "rate_ratio").percent
    assert f"{-middle:.1f}% fewer than expected without Patrols" in numbers.answer
    assert f"between {-high:.1f}% and {-low:.1f}% fewer" in numbers.answer
    assert f"about {-result.effect('att', 'events').estimate:,.0f} fewer" in numbers.answer
    statuses = [c.status for c in context.checks["violence"]]
    made = len(statuses) - statuses.count("not_applicable")
    assert statuses.count("errored") == 0 < statuses.count("not_applicable")
    assert numbers.outcomes[0].warnings == f"{statuses.count('failed')} of {made}".replace(" ", "\xa0")
    assert f"of the {made} checks that could be made of it" in numbers.answer
    assert numbers.until == "Dec 2023"
    count = context.reporting.matrix("violence")[context.reporting.areas.index("N")][-12:].sum()
    north, west = numbers.areas["N"], numbers.areas["W"]
    assert north.count == f"{count:,.0f}"
    own = result.effect("area", "rate_ratio", area="N").percent[0]
    assert north.effect.startswith(f"\N{MINUS SIGN}{-own:.1f}% (")
    assert west.effect == "not part of it"
    html = page(context.study, results)
    read_outline(html)
    assert html.index("In short") < html.index("West &amp; Central")
    assert "Effect here" in html
    assert re.search(r"\[[cx]\]", html) is None


def test_a_study_without_an_intervention_has_no_effect_column(small_study, tmp_path):
    context = small_study.fitted(intervention=False)
    results = write_areas(small_study, context, tmp_path)
    numbers = study_numbers(context.study, results)
    everyone = results["N"]["outcomes"]["violence"]["last_year"]["everyone"]
    assert f"{everyone:,.1f} events of violence with injury per 100,000 people" in numbers.answer
    assert "estimates no effect" in numbers.answer
    html = page(context.study, results)
    assert "Effect here" not in html
    assert "not part of it" not in html
    assert numbers.outcomes == ()


def test_what_the_pages_hide_the_index_hides(small_study, tmp_path):
    planted = {(f"W{w}", t): 0 for w in range(1, 5) for t in range(48, 60)} | {("W1", 50): 3}
    frame = small_study.make_frame(planted=planted)
    plain = small_study.make_context(tmp_path / "study", frame=frame, more="checks: []\n")
    results = write_areas(small_study, replace(plain, disclosure=Disclosure("threshold", threshold=5)), tmp_path)
    numbers = study_numbers(plain.study, results)
    assert numbers.areas["W"].count == "[c]"
    assert numbers.areas["W"].change == "[x]"
    html = page(plain.study, results)
    assert "[c] hidden to protect small numbers." in html
    shown = study_numbers(plain.study, write_areas(small_study, plain, tmp_path / "shown"))
    assert shown.areas["W"].count == "3"


def test_a_headline_that_could_not_be_estimated_says_why(small_study, results):
    study = small_study.fitted().study
    held = json.loads(json.dumps(results))
    for result in held.values():
        label = study.estimators[0].label
        del result["outcomes"]["violence"]["study_effects"][label]
        result["failures"] = {"violence": {label: "no area is a control"}}
    numbers = study_numbers(study, held)
    assert numbers.answer == "The study's overall effect could not be estimated: no area is a control."
    assert numbers.outcomes[0].change == "[x]"


def test_areas_whose_notebook_writes_something_else_are_listed_without_numbers(small_study, tmp_path):
    for code, text in (("N", '{"executable": "python"}'), ("W", "not json")):
        (tmp_path / "areas" / code).mkdir(parents=True)
        (tmp_path / "areas" / code / "result.json").write_text(text)
    results = read_numbers(tmp_path, [*NAMES, "gone"])
    assert results == {}
    study = small_study.fitted().study
    assert study_numbers(study, results) == StudyNumbers()
    html = page(study, results)
    assert "Reports by area" in html
    assert "Change on year before" not in html
