"""The page on probabilities against the code: priors, thresholds and words are those that svmodel has."""

import re
from pathlib import Path

import pytest

from svmodel.bayes.hierarchical_did import HierarchicalDiD
from svmodel.bayes.ratio_prior import NAMED
from svmodel.checks import CHECKS
from svmodel.engine import ENGINES, posterior
from svmodel.present import posterior_words
from svmodel.result import Effect

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "bayes.md").read_text(encoding="utf-8").split())


def _words(ratio):
    change = 100 * (ratio - 1)
    return f"{abs(change):.0f}% {'fewer' if change < 0 else 'more'}" if round(abs(change)) else "no change"


@pytest.mark.parametrize("name", NAMED)
def test_priors_are_those_of_the_code(name):
    _, middle, span, _ = re.search(rf"\| `({name})` \| ([^|]*) \| ([^|]*) \|()", PAGE).groups()
    prior = NAMED[name]
    assert middle.strip() == _words(prior.median)
    low, high = prior.limits
    told = "any fall and any rise" if high > 100 else f"{_words(low)} and {_words(high)}"
    assert span.strip() == told


def test_every_named_prior_engine_and_way_of_pooling_is_told():
    told = set(re.findall(r"\| `(\w+)` \|", PAGE))
    assert told == {*NAMED, *ENGINES}
    for pooling in ("partial", "none", "complete"):
        assert HierarchicalDiD(pooling=pooling)
        assert f"`{pooling}`" in PAGE or f"pooling: {pooling}" in PAGE


def test_thresholds_are_those_that_refuse():
    assert f"R-hat above {posterior.R_HAT}" in PAGE
    assert f"fewer than {posterior.FEWEST_DRAWS:.0f} effective draws" in PAGE
    assert f"energy fraction below {posterior.ENERGY}" in PAGE
    assert f"fewer than {posterior.FEWEST_POINTS:.0f} effective sets" in PAGE


def test_the_sentences_that_are_explained_are_those_of_the_pages():
    effect = Effect("att", "rate_ratio", 0.91, 0.06, 0.8, 1.04, 0.95, float("nan"), 0.83)
    made = posterior_words.headline(effect, "Violence")
    for quoted in re.findall(r'\| "([^"]*)" \|', PAGE)[:4]:
        plain = quoted.replace("20% fewer and 4% more", "20.0% fewer and 4.0% more")
        assert plain in made, quoted


def test_checks_that_are_named_are_there():
    for name in ("prior_sensitivity", "engine_agreement", "posterior_predictive", "leave_one_out"):
        assert f"`{name}" in PAGE
        assert name in CHECKS
