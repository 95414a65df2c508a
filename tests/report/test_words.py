"""Everything that a study file may name has words that a board can read."""

import dataclasses
from types import SimpleNamespace

import pytest

from svmodel.checks.runner import question_of
from svmodel.report.pages.method_words import assumptions, card_of, method_name
from svmodel.report.pages.sections.inference import INFERENCE_NAMES
from svmodel.report.study import EstimatorSpec
from svmodel.report.study.registry import checks, estimators, inferences
from svmodel.result.method import Method, card


def test_every_estimator_has_a_name_and_a_description():
    cards = {name: card(estimator) for name, estimator in estimators().items()}
    assert all(isinstance(e.about, Method) for e in estimators().values())
    assert len({c.name for c in cards.values()}) == len(cards)
    assert all(len(c.how.split()) > 15 for c in cards.values())
    assert all(c.supposes for c in cards.values())


def test_every_check_is_a_question_and_every_inference_has_words():
    assert all(question_of(name).endswith("?") for name in checks())
    assert set(INFERENCE_NAMES) == set(inferences())


@pytest.mark.parametrize("name", estimators())
def test_no_name_on_a_page_is_that_of_a_class(name):
    choices = {f.name: f.default for f in dataclasses.fields(estimators()[name]) if isinstance(f.default, str)}
    study = SimpleNamespace(estimators=(EstimatorSpec(name, choices),))
    words = method_name(study, study.estimators[0].label)
    assert name not in words.replace(" ", "-") or name == "Imputation"
    assert "_" not in words
    assert "=" not in words


def test_choices_that_readers_cannot_use_are_left_out_unless_they_tell_two_estimators_apart():
    one = EstimatorSpec("SyntheticControl", {"block": 3, "draws": 49})
    assert method_name(SimpleNamespace(estimators=(one,)), one.label) == "Synthetic control (block 3)"
    two = EstimatorSpec("SyntheticControl", {"block": 3, "draws": 99})
    both = SimpleNamespace(estimators=(one, two))
    assert method_name(both, one.label) == "Synthetic control (block 3, draws 49)"
    assert method_name(both, two.label) == "Synthetic control (block 3, draws 99)"


def assumed(*names):
    return assumptions([card_of(EstimatorSpec(name)) for name in names])


def test_assumptions_are_those_of_the_methods_in_use():
    assert "parallel trends" in assumed("SunAbraham")[0]
    series = assumed("InterruptedTimeSeries")
    assert not any("parallel" in words for words in series)
    assert "own past" in series[0]
    assert any("mixture" in words for words in assumed("SyntheticControl", "CallawaySantAnna"))


def test_numbers_of_areas_and_periods_stay_readable_and_counts_do_not(small_study):
    from dataclasses import replace

    from svmodel.protect import Disclosure
    from svmodel.report.pages.area_view import AreaView

    view = AreaView(replace(small_study.fitted(), disclosure=Disclosure("threshold")), "N")
    text = "3 treated areas and 4 controls: 2 of 3 intervals, 3 events in 4 months, 4 harms, "
    text += "9,000,000,000,000 ways (AR(1))"
    assert view.free_text(text) == (
        "3 treated areas and 4 controls: 2 of 3 intervals, [c] events in 4 months, [c] harms, more than a billion ways "
        "(AR(1))"
    )


@dataclasses.dataclass(frozen=True)
class OwnMethod:
    """An estimator of another package, which carries no card."""

    pool_by: str = "county_group"

    def fit(self, design, *, seed=0):
        raise NotImplementedError


def test_a_method_of_another_package_without_a_card_still_gets_a_page(small_study, tmp_path, monkeypatch, words_of):
    from svmodel.report import open_area
    from svmodel.report.pages import method_words

    monkeypatch.setattr(method_words, "estimators", lambda: {"OwnMethod": OwnMethod})
    context = small_study.fitted()
    spec = EstimatorSpec("OwnMethod", {"pool_by": "county_group"})
    head = {o: next(iter(r.values())) for o, r in context.results.items()}
    own = {o: {spec.label: dataclasses.replace(r, estimator=OwnMethod())} for o, r in head.items()}
    study = dataclasses.replace(context.study, estimators=(spec,))
    report = open_area(dataclasses.replace(context, study=study, results=own, second_looks={}), "N", tmp_path)
    for section in (report.effect, report.donors, report.worth, report.method):
        section()
    words = words_of(report.write())
    assert "OwnMethod (pool by county group)" in words
    assert "parallel trends" in words
    assert "No method of this study compares with a mixture of areas" in words
