"""Probabilities on the page, from the study file on: a Bayesian headline, one beside another headline, and neither."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from svmodel.bayes import HierarchicalDiD
from svmodel.bayes.of_area import sums_of
from svmodel.present.posterior_words import chance
from svmodel.protect import Disclosure
from svmodel.report import open_area, prepare, read_study
from svmodel.report.study import EstimatorSpec

STUDY = """
outcomes:
  - {column: violence, label: Violence with injury}
  - {column: robbery, label: Robbery}
exposure: people
intervention:
  name: Patrols
  starts: {N1: 2022-01, N2: 2022-01, S1: 2022-07, E1: 2022-07}
  cost:
    - {item: Patrol, quantity: 10, unit_cost: 2000, price_year: 2022, source: ledger}
estimators:
  - HierarchicalDiD: {prior: {median: 0.95, sd: 0.2}, draws: 1000}
  - ExtendedTwoWayFixedEffects: {family: poisson}
checks: [convergence, prior_sensitivity]
economics:
  price_year: 2022
  unit_costs:
    - {outcome: violence, cost: 10000, price_year: 2022, source: a source}
forecast: {horizon: 0}
seed: 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_study):
    return small_study.write_study(tmp_path_factory.mktemp("belief"), STUDY).parent


@pytest.fixture(scope="module")
def context(folder):
    return prepare(read_study(folder / "study.yaml"))


@pytest.fixture(scope="module")
def page_of(small_study):
    return partial(small_study.write_sections, sections=("effect", "belief", "worth", "method"))


@pytest.fixture(scope="module")
def page(context, page_of, tmp_path_factory):
    return page_of(context, "N", tmp_path_factory.mktemp("page"))


def test_a_prior_by_its_numbers_is_built_named_and_written_out(context, page, words_of):
    spec = context.study.estimators[0]
    assert spec.label == "HierarchicalDiD(prior={median: 0.95, sd: 0.2}, draws=1000)"
    assert spec.build() == HierarchicalDiD(prior={"median": 0.95, "sd": 0.2}, draws=1000)
    assert "Hierarchical difference-in-differences (prior about 0.95, s.d. 0.2)" in words_of(page)
    provenance = json.loads((page.parent / "result.json").read_text())["provenance"]["estimators"]
    assert provenance[spec.label] == {"draws": 1000, "prior": {"median": 0.95, "sd": 0.2}}


def test_the_answer_is_a_probability_with_its_size_and_no_p_value(context, page, words_of):
    result = context.headline_result()
    own = result.effect("area", "rate_ratio", area="N")
    words = words_of(page)
    answer = re.search(r"There is .*? probability .*? that violence with injury in North's treated areas fell", words)
    assert answer
    assert chance(own.prob_reduction) in answer[0]
    assert "compared with what was to be expected without Patrols." in words
    assert not re.search(r"\bnan\b|\bNaN\b|significant", words)
    held = json.loads((page.parent / "result.json").read_text())["outcomes"]["violence"]["own_effect"]
    assert held["posterior"] is True
    assert held["rate_ratio"]["p_value"] is None
    assert held["rate_ratio"]["prob_reduction"] == pytest.approx(own.prob_reduction)


def test_the_table_of_probabilities_is_that_of_the_draws(context, page, words_of):
    result = context.headline_result()
    with_it, without = sums_of(result, "N")
    rows = re.findall(
        r'<tr><th scope="row">(A fall of at least \d+%|Any rise)</th><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)',
        page.read_text(),
    )
    told = {name: cells for name, *cells in rows}
    assert len(told) == 4
    for size in (5, 10, 20):
        own = float(np.mean(with_it / without <= 1 - size / 100))
        assert told[f"A fall of at least {size}%"] == [chance(own), chance(result.probability(reduction=size / 100))]
    words = words_of(page)
    # 10 patrols of 2,000 pounds, and 10,000 pounds an event (a little less after discounting): 3 events
    assert "Enough to pay for itself (at least 3 events prevented)" in words
    worth = json.loads((page.parent / "result.json").read_text())["worth"][0]
    assert worth["pays"] == pytest.approx(result.probability(events=worth["break_even"]))
    assert f"The probability that it paid for itself on this outcome is {chance(worth['pays'])}." in words


def test_prior_engine_and_spreads_are_written_out(context, page, words_of):
    words = words_of(page)
    assert "Engine: nested Laplace approximation" in words
    assert "Spread of areas' effects about their mean Half-normal, with 95% below 0.39" in words
    assert "Before the data, the probability of any fall was 60%" in words  # P(log-normal about 0.95, s.d. 0.2 below 1)
    figures = {p.name for p in (page.parent / "figures").glob("*.svg")}
    assert {"violence_prior_posterior.svg", "violence_shrinkage.svg", "violence_with_and_without.svg"} <= figures
    # effects that are the same at every horizon by construction are no event study: the other method's is drawn
    event = (page.parent / "figures" / "violence_event_study.csv").read_text()
    assert "-1," in event


def test_beside_another_headline_the_probability_has_a_heading_of_its_own(context, tmp_path, page_of, words_of):
    turned = replace(context, study=replace(context.study, estimators=context.study.estimators[::-1]))
    turned = replace(
        turned, results={o: dict(reversed(list(r.items()))) for o, r in context.results.items()}, second_looks={}
    )
    words = words_of(page_of(turned, "N", tmp_path))
    assert "How likely is it that it worked? Hierarchical difference-in-differences" in words
    assert re.search(r"probability .{0,20}that violence with injury in all treated areas fell", words)
    assert "probability" not in open_area(turned, "N", tmp_path).effect().answer


def test_a_posterior_with_a_tail_area_keeps_its_p_value_beside_its_probability(context, tmp_path, page_of, words_of):
    spec = EstimatorSpec("StructuralTimeSeries", {"controls": "sum", "draws": 200, "warmup": 100, "chains": 2})
    result = spec.build().fit(context.designs["violence"], seed=1)
    study = replace(context.study, estimators=(spec,))
    alone = replace(context, study=study, results={"violence": {spec.label: result}}, checks={}, second_looks={})
    page = page_of(alone, "N", tmp_path)
    words = words_of(page)
    effect = result.effect("att", "rate_ratio")
    assert re.search(r"probability .{0,20}that violence with injury in all treated areas fell", words)
    assert "p-value Probability of a fall" in words
    p = "< 0.001" if effect.p_value < 0.001 else f"{effect.p_value:.3f}"
    assert f"{p} {chance(effect.prob_reduction)}" in words.replace("\N{NO-BREAK SPACE}", " ")
    assert "How likely is it that it worked?" not in words, "a heading without anything under it"


def test_hidden_effects_have_no_probability(context, tmp_path, page_of, words_of):
    hidden = replace(context, disclosure=Disclosure("threshold", threshold=10**6))
    words = words_of(page_of(hidden, "N", tmp_path))
    assert "rests on too few events to be shown" in words
    assert "A fall of at least" not in words
    assert "No method of this study answers in probabilities, or its answer rests on too few events" in words


def test_a_place_without_treated_areas_has_the_column_of_all_alone(context, tmp_path, page_of, words_of):
    page = page_of(context, "W", tmp_path)
    assert "Treated areas of West" not in words_of(page)
    assert '<th scope="col" class="num">All treated areas</th>' in page.read_text()


def test_a_study_without_bayesian_methods_says_so_and_makes_none_of_their_checks(small_study, tmp_path):
    context = small_study.fitted()
    assert (
        "No method of this study answers in probabilities" in open_area(context, "N", tmp_path).belief().blocks[0].text
    )
    assert "convergence" not in [c.name for c in context.checks["violence"]]


def test_a_wrong_prior_is_told_with_its_line(folder):
    path, right = folder / "wrong.yaml", (folder / "study.yaml").read_text()
    path.write_text(right.replace("{median: 0.95, sd: 0.2}", "{median: 0.95, spread: 0.2}"))
    with pytest.raises(Exception, match="given by `median` and `sd` and not 'spread'"):
        read_study(path)
    path.write_text(right.replace("{median: 0.95, sd: 0.2}", "skeptical"))
    with pytest.raises(Exception, match="Did you mean 'sceptical'"):
        read_study(path)


LOOK = """
import json, os, sys
loaded = sorted({m.split(".")[0] for m in sys.modules} & {"pymc", "pytensor", "arviz", "nutpie", "numba"})
with open(os.path.join(os.environ["LOOKED"], f"{os.getpid()}.json"), "w") as held:
    json.dump({"loaded": loaded, "fitted": "svmodel.bayes.hierarchical_did" in sys.modules}, held)
"""


@pytest.mark.slow
def test_a_report_that_uses_laplace_alone_never_imports_pymc(folder, tmp_path, monkeypatch):
    """`svmodel run` for real; every Python that it starts, kernels and workers too, says at its end what it loaded."""
    spy, looked = tmp_path / "spy", tmp_path / "looked"
    spy.mkdir()
    looked.mkdir()
    code = LOOK.replace("\n", "\n    ")
    (spy / "sitecustomize.py").write_text(
        f"import atexit, multiprocessing.util as util\ndef look():\n    {code}\n"
        "atexit.register(look)\n"
        # a worker leaves without atexit, and runs its finalizers, which a fork clears
        "def again(_):\n    util.Finalize(None, look, exitpriority=0)\n"
        "util.register_after_fork(look, again)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(spy))
    monkeypatch.setenv("LOOKED", str(looked))
    subprocess.run([sys.executable, "-c", "import numba"], check=True)
    (found,) = looked.glob("*.json")
    assert json.loads(found.read_text())["loaded"] == ["numba"], "what looks is blind"
    found.unlink()
    command = [sys.executable, "-m", "svmodel", "run", str(folder / "study.yaml"), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--areas", "N", "--jobs", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [json.loads(p.read_text()) for p in looked.glob("*.json")]
    assert sum(s["fitted"] for s in seen) >= 2, "neither the process that fits nor the kernel was looked into"
    assert [s["loaded"] for s in seen if s["loaded"]] == []
