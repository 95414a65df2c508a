"""Whose each number is, by which method, what is weighed in pounds, and what stands open without a disclosure rule."""

import json
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from svmodel.protect import Disclosure
from svmodel.report import open_area
from svmodel.report.describe import describe_study
from svmodel.report.pages.area_view import AreaView
from svmodel.report.pages.numbers import result_json
from svmodel.report.pages.unprotected import unprotected
from svmodel.report.run.index import index_page, study_numbers
from svmodel.report.run.manifest import AreaOutcome
from svmodel.report.study.values import UnitCost

MIXED = """
outcomes:
  - {column: violence, label: Violence with injury}
exposure: people
intervention:
  name: Patrols
  starts: {N1: 2022-01, N2: 2022-01, S1: 2022-07, E1: 2022-07}
estimators:
  - CallawaySantAnna
  - ExtendedTwoWayFixedEffects: {family: poisson}
checks: [overlap, overdispersion, negative_controls]
forecast: {horizon: 0}
seed: 3
"""


@pytest.fixture(scope="module")
def mixed(small_study, tmp_path_factory):
    """A study whose headline method has no answer for one place, and whose second has."""
    from svmodel.report import prepare, read_study

    return prepare(read_study(small_study.write_study(tmp_path_factory.mktemp("mixed"), MIXED)))


def test_an_areas_number_by_another_method_says_so_and_has_no_checks(mixed):
    section = open_area(mixed, "N", "unused").effect()
    whole, own = section.answer.split(" Violence with injury in North's treated areas: ")
    assert whole.startswith("Over the whole study, violence with injury in all treated areas: ")
    assert "This is by Callaway and Sant'Anna." in whole
    assert "checks that could be made of the headline result" in whole
    assert "This is by Extended two-way fixed effects (Poisson), since Callaway and Sant'Anna has no answer for" in own
    assert "no check was made of it" in own
    assert "checks that could be made" not in own
    ratio = mixed.results["violence"]["ExtendedTwoWayFixedEffects(family=poisson)"].effect("area", area="N")
    assert f"{-ratio.percent[0]:.1f}% fewer than expected" in own
    titles = [b.title for b in section.blocks if hasattr(b, "canvas")]
    own_figure = next(t for t in titles if t.startswith("North"))
    assert own_figure.endswith("(Extended two-way fixed effects (Poisson))")
    everyone = next(t for t in titles if t.startswith("All treated areas"))
    assert everyone.endswith("(Callaway and Sant'Anna)")


def test_the_index_says_by_which_method_the_areas_effects_are(mixed):
    held = {a: json.loads(result_json(AreaView(mixed, a))) for a in ("N", "W")}
    numbers = study_numbers(mixed.study, held)
    assert numbers.method == "Callaway and Sant'Anna"
    assert numbers.whose == (
        "It is by Extended two-way fixed effects (Poisson), since Callaway and Sant'Anna has none for one place; no "
        "check was made of it."
    )
    html = index_page(mixed.study, [AreaOutcome(a, a, "made") for a in held], synthetic=False, numbers=numbers)
    assert numbers.whose in unescape(html)


def test_checks_that_do_not_apply_have_no_row_and_are_not_counted(mixed):
    section = open_area(mixed, "N", "unused").effect()
    table = next(b for b in section.blocks if getattr(b, "caption", "").startswith("Checks of the headline"))
    assert [len(table.rows), len(mixed.checks["violence"])] == [2, 3]
    folded = next(b for b in section.blocks if getattr(b, "summary", "").endswith("not apply"))
    assert folded.summary == "1 check that does not apply"
    assert "all treated areas, Callaway and Sant'Anna" in table.caption


def priced(context, *outcomes):
    costs = tuple(UnitCost(outcome=o, cost=10_000.0, price_year=2022, source="a source") for o in outcomes)
    economics = replace(context.study.economics, unit_costs=costs)
    return replace(context, study=replace(context.study, economics=economics))


def test_an_untreated_area_weighs_nothing(small_study):
    context = small_study.fitted()
    section = open_area(context, "W", "unused").worth()
    assert section.answer == "No part of West & Central received Patrols, so there is nothing to weigh here."
    assert section.blocks == ()
    assert json.loads(result_json(AreaView(context, "W")))["worth"] == []


def test_a_side_outcomes_price_is_no_answer(small_study):
    context = priced(small_study.fitted(), "robbery")
    section = open_area(context, "N", "unused").worth()
    text = section.answer + " ".join(getattr(b, "text", "") for b in section.blocks)
    assert "is worth" not in text
    assert "The price of robbery is not used in its place" in section.answer
    assert json.loads(result_json(AreaView(context, "N")))["worth"] == []


def test_an_effect_that_may_be_none_gets_no_worth_and_its_reason(small_study, tmp_path):
    frame = small_study.make_frame()
    frame["violence"] = np.random.default_rng(5).poisson(60, len(frame))
    context = small_study.make_context(tmp_path / "study", frame=frame)
    fact = AreaView(context, "N").overall("violence")
    assert fact.direction == "unclear"
    section = open_area(context, "N", "unused").worth()
    assert "is worth" not in section.answer
    assert "So no worth is put on it." in section.answer
    assert "it had to prevent about" in section.answer


def test_what_is_weighed_carries_the_warnings_of_its_effect(small_study):
    context = small_study.fitted()
    assert any(c.status == "failed" for c in context.checks["violence"])
    answer = open_area(context, "N", "unused").worth().answer
    assert "is worth £" in answer
    assert "checks that could be made of the headline result" in answer


def test_counts_that_stand_open_are_told_at_the_head_in_the_index_and_by_check(small_study, tmp_path):
    context = small_study.fitted()
    found = unprotected(context.study, context.panel, context.reporting, ("N",))
    few = small_study.make_frame(planted={("N1", t): 0 for t in range(60)} | {("N2", 3): 0})
    few.loc[few["borough"] == "N", "robbery"] = 0
    few.loc[(few["ward"] == "N1") & (few["month"] == "2020-01"), "robbery"] = 3
    made = small_study.make_context(tmp_path / "few", intervention=False, frame=few)
    report = open_area(made, "N", tmp_path / "out")
    report.quality()
    html = report.html()
    head = html[html.index("<header>") : html.index("</header>")]
    assert "counts from 1 to 4 (robbery)" in head
    assert "key <code>disclosure</code>" in head
    held = {"N": json.loads(result_json(AreaView(made, "N")))}
    assert held["N"]["unprotected"] == "counts from 1 to 4 (robbery)"
    assert "sets no disclosure rule" in study_numbers(made.study, held).alert
    assert "WARNING: no rule is set, and the pages show counts from 1 to 4" in describe_study(
        tmp_path / "few/small.yaml"
    )
    ruled = replace(made, disclosure=Disclosure("hes"), study=replace(made.study, disclosure=_hes(made.study)))
    assert AreaView(ruled, "N").unprotected == ""
    assert "health" not in found


def _hes(study):
    return replace(study.disclosure, rule="hes")


@pytest.mark.parametrize(
    ("label", "health"),
    [("Hospital admissions", True), ("A&E attendances", True), ("ambulance_calls", True), ("School education", False),
     ("Violence with injury", False), ("Shed burglary", False)],
)  # fmt: skip
def test_health_data_are_known_by_their_names(small_study, label, health):
    context = small_study.fitted()
    head = replace(context.study.outcomes[0], label=label)
    study = replace(context.study, outcomes=(head, *context.study.outcomes[1:]))
    assert ("health data" in unprotected(study, context.panel, context.reporting, ("N",))) is health
