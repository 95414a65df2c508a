from dataclasses import replace

import pytest

from svmodel import checks, counterfactual, did
from svmodel.bayes import HierarchicalDiD, PyMCModel, StructuralCounterfactual
from svmodel.checks.declared import OF_METHODS, check, declaration, lacking
from svmodel.checks.runner import CHECKS, OF_POSTERIORS, every_check, question_of
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.errors import UserError
from svmodel.result.check import CheckResult
from svmodel.result.method import Method

#: Two checks of another package: one that works, and one whose module is not there.
POINTS = """[svmodel.checks]
windfall = their_checks:windfall
overlap = their_checks:windfall
lost = their_checks_that_are_not_there:lost
"""
MODULE = """
from svmodel.checks.declared import check
from svmodel.result.check import CheckResult

@check("Was it luck?", needs=("data",))
def windfall(result, *, seed=0, how=1):
    return CheckResult("windfall", "passed", f"It was not ({how}).")
"""


@pytest.fixture(scope="module")
def result(make_design):
    return CallawaySantAnna().fit(make_design(2, effect=0.7))


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Install a package that adds checks."""
    held = tmp_path / "their_package-1.0.dist-info"
    held.mkdir()
    (held / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n", encoding="utf-8")
    (held / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    (tmp_path / "their_checks.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    every_check.cache_clear()
    yield
    every_check.cache_clear()


def test_every_check_puts_a_question_of_its_own():
    questions = [declaration(made).question for made in CHECKS.values()]
    assert all(q.endswith("?") for q in questions)
    assert len(set(questions)) == len(questions)
    assert [question_of(name) for name in CHECKS] == questions


def test_checks_of_posteriors_are_read_from_their_needs(result):
    assert tuple(CHECKS)[-6:] == OF_POSTERIORS
    assert {c.status for c in checks.run(result, names=OF_POSTERIORS)} == {"not_applicable"}


def test_what_a_result_lacks_is_said_before_the_check_is_made(result):
    @check("Is there a count?", needs=("data", "counts", "model"))
    def asked(result, *, seed=0):
        raise AssertionError(result, seed)

    assert asked(replace(result, design=None)).text.endswith("the result was read without its data.")
    measured = replace(result, design=replace(result.design, outcome="score", exposure=None))
    assert "'score' is a measure, not a count of events" in asked(measured).text
    assert "not Bayesian" in asked(result).text


def test_what_a_method_never_gives_is_told_beforehand():
    needs = {need for made in CHECKS.values() for need in declaration(made).needs}
    assert set(OF_METHODS) <= needs
    for name in ("pre_trends", "pre_trend_power", "honest_bounds"):
        assert "effects by time" in lacking(CHECKS[name], StructuralCounterfactual())
        assert "effects by time" in lacking(CHECKS[name], counterfactual.SyntheticDiD)
        assert lacking(CHECKS[name], did.ExtendedTwoWayFixedEffects()) is None
    assert lacking(CHECKS["prior_sensitivity"], HierarchicalDiD) is None
    assert lacking(CHECKS["convergence"], PyMCModel) is None
    assert lacking(CHECKS["engine_agreement"], PyMCModel) == (
        "it needs a model that svmodel can read and a second engine, which Bayesian PyMC model does not give"
    )
    for made in CHECKS.values():
        assert lacking(made, object()) is None, "nothing is known of a method without a card"


def test_a_check_of_another_package_is_made_where_it_is_named(others, result):
    assert list(every_check()) == [*CHECKS, "lost", "their-package.overlap", "windfall"]
    assert question_of("windfall") == "Was it luck?"
    found = checks.run(result, names=["windfall", "overlap"], options={"windfall": {"how": 2}})
    assert (found[0].name, found[0].status, found[0].text) == ("windfall", "passed", "It was not (2).")
    assert found[1].table is not None, "the package's own check keeps its name"
    assert checks.run(result, names="their-package.overlap")[0].name == "their-package.overlap"
    assert [c.name for c in checks.run(replace(result, design=None))] == list(CHECKS)
    with pytest.raises(UserError, match="no option 'hw'"):
        checks.run(result, names=["windfall"], options={"windfall": {"hw": 2}})


def test_a_broken_check_of_another_package_names_the_package(others, result):
    found = checks.run(result, names=["lost"])[0]
    assert found.status == "errored"
    assert "'lost' comes from the package 'their-package' and cannot be loaded" in found.text
    assert question_of("lost") == "Lost"


def test_a_check_that_declares_nothing_is_a_check_all_the_same():
    def plain_one(result, *, seed=0):
        return CheckResult("plain_one", "passed", f"{result} {seed}")

    assert declaration(plain_one).question == "Plain one"
    assert lacking(plain_one, did.ExtendedTwoWayFixedEffects) is None


def test_a_card_that_says_nothing_refuses_nothing():
    class Silent:
        about = Method("Silent", "A method that does not say what it gives")

    assert lacking(CHECKS["honest_bounds"], Silent) is None
