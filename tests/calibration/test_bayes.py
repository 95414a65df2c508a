"""A quick form of the calibration of the Bayesian models; the full one is benchmarks/calibrate_bayes.py."""

import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svmodel.bayes import simulation_based_calibration
from svmodel.engine import calibration
from svmodel.engine.calibration import Calibration
from svmodel.engine.posterior import Convergence
from svmodel.engine.quantities import Effect, Hyper, LogLikelihood
from svmodel.errors import EstimationError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import calibrate_bayes as study  # noqa: E402 - a script, found by its folder
import calibrate_bayes_figures as figures  # noqa: E402
import calibrate_bayes_page  # noqa: E402

HELD = BENCHMARKS / "results" / "calibration_bayes.csv"
RANKS = BENCHMARKS / "results" / "calibration_bayes_ranks.csv"
COVERAGE = BENCHMARKS / "results" / "calibration_bayes_coverage.csv"
FITS = 60
#: Chance of a red test where ranks are uniform.
ALARM = 1e-4
MODELS = ["HierarchicalDiD, partial pooling", "HierarchicalDiD, by horizon", "InterruptedTimeSeries", "MetaAnalysis"]


def calibrated(name, **changed):
    question = study.TEMPLATES[name]()
    target = question.target if question.target.any() else None
    settings = {"target": target, "treatment": question.treatment, "fits": FITS, "seed": 11, **changed}
    return simulation_based_calibration(question.model, **settings)


@pytest.mark.parametrize("name", MODELS)
def test_ranks_of_truths_are_uniform(name):
    made = calibrated(name)
    table = made.table()
    assert made.failures == ()
    assert (table["fits"] + table["unconverged"] == FITS).all()
    assert table["unconverged"].max() <= 1
    # the p-values are exact, and there are as many as quantities
    assert table["ecdf_p"].min() > ALARM / len(table), table


@pytest.fixture
def engine(monkeypatch):
    """Put a spoilt engine in the place of the real one."""
    real = calibration.run

    def spoil(change):
        monkeypatch.setattr(calibration, "run", lambda *a, **k: change(real(*a, **k)))

    return spoil


def test_draws_that_are_too_sure_or_off_centre_are_seen(engine):
    def narrow(posterior):
        effects = {k: v.mean(axis=0) + 0.4 * (v - v.mean(axis=0)) for k, v in posterior.effects.items()}
        return replace(posterior, effects=effects)

    engine(narrow)
    table = calibrated(MODELS[0], quantities=[Effect("effect")]).table()
    assert table["ecdf_p"].iloc[0] < ALARM
    assert table["coverage_95"].iloc[0] < 0.8


def test_a_posterior_that_is_the_prior_is_seen_by_the_likelihood_alone(engine):
    question = study.TEMPLATES[MODELS[0]]()
    rng = np.random.default_rng(1)

    def prior(posterior):
        drawn = [question.model.draw_prior(rng) for _ in range(posterior.size)]
        effects = {k: np.array([d.effects[k] for d in drawn]) for k in posterior.effects}
        return replace(
            posterior, effects=effects, hyper={k: np.array([d.hyper[k] for d in drawn]) for k in drawn[0].hyper}
        )

    engine(prior)
    table = calibrated(MODELS[0], draws=199, fits=30, quantities=[Effect("effect"), Hyper("area_sd"), LogLikelihood()])
    p = table.table().set_index("quantity")["ecdf_p"]
    assert p["log likelihood"] < ALARM
    assert p.drop("log likelihood").min() > ALARM


def test_a_fit_that_has_not_converged_is_reported_apart_and_one_that_fails_is_counted(engine):
    seen = []

    def some(posterior):
        seen.append(1)
        if len(seen) % 5 == 0:
            raise EstimationError("no mode")
        if len(seen) % 4 == 0:
            return replace(posterior, convergence=Convergence(effective_points=2.0))
        return posterior

    engine(some)
    made = calibrated("MetaAnalysis", fits=20)
    table = made.table()
    assert (table["fits"] == 12).all()
    assert (table["unconverged"] == 4).all()
    assert (table["failed"] == 4).all()
    assert made.failures[0] == "fit 4: no mode"
    assert made.asked == 20
    assert len(made.ranks("effect[0]")) == 12
    assert len(made.ranks("effect[0]", arrived=False)) == 16


def test_the_first_fits_are_the_same_for_any_number_of_them():
    few, more = (calibrated("MetaAnalysis", fits=n).fits for n in (3, 5))
    pd.testing.assert_frame_equal(few, more[more["fit"] < 3].reset_index(drop=True))


def test_a_prior_that_gives_absurd_counts_is_no_template():
    wide = study.hierarchical(prior="flat", area_sd=30.0)()
    with pytest.raises(EstimationError, match=r"standard deviations are too wide for a calibration"):
        simulation_based_calibration(wide.model, fits=20)


def test_without_a_fit_there_is_a_table_without_rows():
    empty = Calibration("laplace", pd.DataFrame({"quantity": [], "arrived": [], "rank": []}), (), 0)
    assert empty.table().empty


def test_lines_do_not_depend_on_what_was_run_before_and_a_page_marks_what_is_outside(tmp_path):
    path = tmp_path / "t.csv"
    for fits, names in ((10, "ab"), (20, "a")):
        made = pd.DataFrame({"model": list(names), "engine": "laplace", "fits": fits})
        study.write(path, made, ["model", "engine"], ["a", "b"])
    held = pd.read_csv(path)
    assert held["model"].tolist() == ["a", "b"]
    assert held["fits"].tolist() == [20, 10]
    row = {"model": "m", "engine": "laplace", "fits": 1000, "unconverged": 0, "failed": 0, "chi_square_p": 0.5}
    made = pd.DataFrame(
        [
            {**row, "quantity": "average log ratio", "ecdf_p": 0.3, "coverage_95": 0.90},
            {**row, "quantity": "area_sd", "ecdf_p": 0.001, "coverage_95": 0.95},
        ]
    )
    text = calibrate_bayes_page.page(made, None)
    assert "| 0.001 ! | area_sd |" in text
    assert "| 90.0% ! |" in text
    assert "Of 1 models and engines 0 have no mark." in text


@pytest.mark.skipif(not HELD.exists(), reason="`make calibrate` has not written the table of the Bayesian models yet")
def test_the_committed_page_is_that_of_the_committed_tables():
    coverage = pd.read_csv(COVERAGE) if COVERAGE.exists() else None
    page = HELD.with_suffix(".md").read_text(encoding="utf-8")
    told = figures.described(pd.read_csv(RANKS))
    assert page == calibrate_bayes_page.page(pd.read_csv(HELD), coverage, [k.name for k in study.KINDS], told)


def test_the_committed_picture_is_that_of_the_committed_ranks():
    ranks, table = pd.read_csv(RANKS), pd.read_csv(HELD)
    keys = ["model", "engine", "quantity", "fits"]
    pd.testing.assert_frame_equal(ranks[keys], table[keys])
    assert (ranks[figures.COUNTS].sum(axis=1) == ranks["fits"]).all()
    drawing = HELD.with_suffix(".svg").read_text(encoding="utf-8")
    words = [unescape(w) for w in re.findall(r"<text[^>]*>([^<]*)<", drawing)]
    for (model, engine), rows in ranks.groupby(["model", "engine"], sort=False):
        name, _, variant = model.partition(", ")
        fits = f"{rows['fits'].iloc[0]:,} fits"
        assert words[words.index(f"{name}, {engine}") + 1] == (f"{variant}, {fits}" if variant else fits)
        words = words[words.index(f"{name}, {engine}") + 1 :]
    assert figures.described(ranks) in unescape(drawing)
    assert len(drawing.encode()) < 400_000


def test_the_picture_is_made_of_the_ranks_alone_and_names_what_leaves_its_band(tmp_path):
    rng = np.random.default_rng(3)
    ranks = {"average log ratio": rng.integers(200, size=400), "area_sd": rng.integers(150, size=400)}
    fits = pd.concat(
        [pd.DataFrame({"quantity": q, "arrived": [True] * 399 + [False], "rank": r}) for q, r in ranks.items()]
    )
    table = figures.ranked(Calibration("laplace", fits, (), 400)).assign(model="A & B, c", engine="laplace")
    assert table["fits"].tolist() == [399, 399]
    assert table.loc[0, "bin_1"] == (ranks["average log ratio"][:-1] < 8).sum()
    table.to_csv(tmp_path / RANKS.name, index=False)
    page = study.pages(tmp_path).read_text(encoding="utf-8")
    assert "1 leave their band at some point" in page
    assert "A & B, c by laplace: area_sd.](calibration_bayes.svg)" in page
    words = re.findall(r"<text[^>]*>([^<]*)<", (tmp_path / "calibration_bayes.svg").read_text(encoding="utf-8"))
    assert {"A &amp; B, laplace", "c, 399 fits", "area_sd", "1 of 2 lines leave the band;"} <= set(words)
