"""Second looks at the headline, from the study file to the page: donors, placebos, inference, specifications, power."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from svmodel.report import open_area, prepare, read_study
from svmodel.report.fits.second_looks import leave_donors_out

STUDY = """
outcomes:
  - {column: violence, label: Violence with injury}
exposure: people
intervention:
  name: Patrols
  starts: {N1: 2022-01}
estimators:
  - ExtendedTwoWayFixedEffects: {family: poisson}
  - SyntheticControl: {block: 3}
  - Imputation: {family: linear}
inference:
  - InSpacePlacebos
  - WildClusterBootstrap: {draws: 99}
checks:
  - pre_trends
  - negative_controls: {outcomes: [robbery]}
  - spillover: {neighbours: borders.csv, n_rings: 1}
  - recording_practice
specifications: {first_periods: [2020-01], anticipation: [2], draws: 9}
power: {effects: [0.5], draws: 20}
breaks:
  - {period: 2021-11, reason: new forms}
forecast: {horizon: 0}
seed: 3
"""


@pytest.fixture(scope="module")
def context(tmp_path_factory, small_study):
    folder = tmp_path_factory.mktemp("looks")
    path = small_study.write_study(folder, STUDY)
    wards = [f"{b}{w}" for b in "NSEW" for w in range(1, 5)]
    rows = [f"{a},{b}" for a, b in pairwise(wards)]
    (folder / "borders.csv").write_text("area,neighbour\n" + "\n".join(rows) + "\n")
    return prepare(read_study(path))


@pytest.fixture(scope="module")
def page(context, small_study, tmp_path_factory):
    sections = ("effect", "donors", "inference", "specifications", "power")
    return small_study.write_sections(context, "N", tmp_path_factory.mktemp("page"), sections)


def test_methods_stand_side_by_side_with_the_sentence_on_agreement(context, page, words_of):
    comparison = context.second_looks["violence"].comparison
    assert len(comparison.table) == 3
    words = words_of(page)
    assert "How far the methods agree. 3 of 3 methods give an average effect." in words
    assert "ExtendedTwoWayFixedEffects" not in words
    assert (page.parent / "figures" / "violence_methods.csv").is_file()


def test_an_interval_in_doubt_is_told_in_the_answer_and_in_a_box(context, page):
    head = context.headline_result()
    assert head.diagnostics["inference_in_doubt"]
    text = page.read_text(encoding="utf-8")
    boxes = re.findall(r'<p class="callout"><strong>([^<]*):</strong>', text)
    assert boxes[0] == "Interval in doubt"
    assert "The interval may be too narrow (see below)." in text


def test_warnings_are_in_the_file_for_programs(context, page):
    held = json.loads((page.parent / "result.json").read_text(encoding="utf-8"))["outcomes"]["violence"]["warnings"]
    assert list(held) == sorted(s.label for s in context.study.estimators)
    assert held[context.study.estimators[0].label][0]["kind"] == "Interval in doubt"


def test_donors_and_placebo_gaps_are_those_of_the_fit(context, page, words_of):
    label = "SyntheticControl(block=3)"
    result = context.results["violence"][label]
    weights = result.weights[result.weights["role"] == "donor"].set_index("area")["weight"]
    top = weights.idxmax()
    words = words_of(page)
    assert f"Ward {top[1]} of {top[0]} {100 * weights[top]:.1f}%" in words
    placebos = context.second_looks["violence"].placebos[label]
    assert len(placebos.placebos) == 15
    figures = {p.name for p in (page.parent / "figures").glob("*.svg")}
    assert {n for n in figures if "placebo_gaps" in n}
    assert {n for n in figures if "donor_weights" in n}


def test_leaving_a_donor_out_is_a_fit_without_it(context):
    label = "SyntheticControl(block=3)"
    result = context.results["violence"][label]
    table = leave_donors_out(result)
    assert table["estimate"].iloc[0] == pytest.approx(result.effect("att", "rate_ratio").estimate)
    area = table["area"].iloc[1]
    design = result.design
    panel = design.panel.select(areas=[a for a in design.panel.areas if a != area])
    without = result.estimator.fit(replace(design, panel=panel)).effect("att", "rate_ratio").estimate
    assert table["estimate"].iloc[1] == pytest.approx(without)


def test_other_inference_stands_beside_the_methods_own_and_a_refusal_says_why(context, page, words_of):
    held = context.second_looks["violence"]
    assert list(held.opinions) == ["InSpacePlacebos"]
    assert "WildClusterBootstrap(draws=99)" in held.failures
    words = words_of(page)
    effect = held.opinions["InSpacePlacebos"].effect("att", "rate_ratio")
    assert f"{effect.p_value:.3f}" in words
    assert "Signs of areas' residuals changed gave no answer." in words


def test_the_curve_holds_every_choice_and_power_its_effects(context, page, words_of):
    held = context.second_looks["violence"]
    assert len(held.curve.table) == 3 * 2 * 2
    assert set(held.curve.table["anticipation"].astype(int)) == {0, 2}
    assert sorted(held.power.table["effect"]) == [0.5, 1.0]
    words = words_of(page)
    assert "12 specifications" in words
    assert "Joint test of no effect over all choices" in words


def test_checks_are_told_what_the_study_says(context):
    checks = {c.name: c for c in context.checks["violence"]}
    assert list(checks) == ["pre_trends", "negative_controls", "spillover", "recording_practice"]
    assert list(checks["negative_controls"].table["outcome"]) == ["robbery"]
    assert checks["spillover"].status != "errored", checks["spillover"].text
    assert "option" not in checks["spillover"].text
    assert "Nov 2021" in checks["recording_practice"].text or "new forms" in checks["recording_practice"].text


def test_sections_that_were_not_asked_for_say_how_to_ask(small_study, tmp_path):
    report = open_area(small_study.fitted(), "N", tmp_path)
    for section, key in ((report.inference, "inference"), (report.specifications, "specifications")):
        assert f"key `{key}`" in section().blocks[0].text
    assert "key `power`" in report.power().blocks[0].text
    assert "No method of this study" in report.donors().blocks[0].text


def test_a_slow_method_is_compared_without_a_jackknife(context):
    from svmodel.report.fits.second_looks import take_second_looks
    from svmodel.report.study import EstimatorSpec

    quick = {"draws": 100, "warmup": 100, "chains": 2, "controls": "sum"}
    specs = (context.study.estimators[0], EstimatorSpec("StructuralTimeSeries", quick))
    study = replace(context.study, estimators=specs, inference=(), specifications=None, power=None)
    design = context.designs["violence"]
    results = {s.label: s.build().fit(design, seed=1) for s in specs}
    found = take_second_looks(study, design, results)
    assert found.comparison.differences.empty
    assert "2 of 2 methods" in found.comparison.text
    assert "jackknife" not in found.comparison.text
