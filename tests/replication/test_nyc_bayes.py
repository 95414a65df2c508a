"""Shootings in New York precincts: the Bayesian rate ratio sits with the Poisson estimates, not the linear ones."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.bayes import HierarchicalDiD
from svmodel.engine import run
from svmodel.numerics.latent.structures import Fixed

DATA = os.environ.get("SVMODEL_REAL_DATA")
GOLDEN = Path(DATA) / ".." / "golden" if DATA else Path("golden-data-not-given")
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="SVMODEL_REAL_DATA does not lead to the golden values")

#: Poisson TWFE of precinct and month, with its model-based and clustered errors; linear imputation as a ratio.
TWFE, CLUSTERED, LINEAR = -0.0905393, 0.0384306, 4278 / (4278 + 1.2642847 * 1315)


@pytest.fixture(scope="module")
def shootings():
    frame = pd.read_csv(GOLDEN / "nyc_shootings_precinct_month.csv")
    frame["month"] = frame["year"].astype(str) + "-" + frame["month"].astype(str).str.zfill(2)
    frame["precinct"] = frame["precinct"].astype(str)
    panel = sv.Panel.from_frame(frame, area="precinct", period="month", counts=["shootings"])
    first = frame[frame["yearCure"] > 0].drop_duplicates("precinct")
    starts = {r.precinct: f"{int(r.yearCure)}-{int(r.monthCure):02d}" for r in first.itertuples()}
    return sv.Design(panel, outcome="shootings", intervention=sv.Intervention("Cure Violence", starts))


def test_the_default_model_sits_with_the_poisson_estimates(shootings):
    result = HierarchicalDiD(draws=4000).fit(shootings, seed=1)
    assert (shootings.arrays.y == 0).mean() == pytest.approx(0.47, abs=0.005)
    assert result.diagnostics["treated_cells_used"] == 1315
    # -9.4%, with the weights that a negative binomial gives to cells; -8.5% to -8.7% with those of a Poisson. Half the
    # clustered error is room enough, and a twelfth of the way to the linear answer of -28%
    effect = result.effect("att", "rate_ratio")
    assert np.log(effect.estimate) == pytest.approx(TWFE, abs=0.5 * CLUSTERED)
    assert effect.conf_low > LINEAR + 0.1
    assert result.diagnostics["convergence"]["effective_points"] > 25
    assert 0.98 < result.probability() < 1


def test_poisson_counts_with_flat_priors_sit_with_them_to_a_percentage_point(shootings):
    estimator = HierarchicalDiD(family="poisson", pooling="complete", prior="flat", area_sd=50, period_sd=20)
    effect = estimator.fit(shootings, seed=1).effect("att", "rate_ratio")
    # months are still drawn to their neighbours, which moves -8.7% to -8.1%
    assert 100 * (effect.estimate - 1) == pytest.approx(-8.6, abs=0.8)


def test_without_any_pooling_the_answer_is_poisson_twfe(shootings):
    question = HierarchicalDiD(family="poisson", pooling="complete", prior="flat").ask(shootings.arrays)
    terms = tuple(
        replace(t, structure=Fixed(0.0, 10.0, t.structure.size)) if t.name in ("area", "period") else t
        for t in question.model.terms
    )
    posterior = run(replace(question.model, terms=terms), "laplace", draws=20_000, seed=1)
    draws = posterior.effects["effect"][:, 0]
    # model-based standard error .027; the median of 20,000 draws has an error of .0002, skewness another .0002
    assert np.median(draws) == pytest.approx(TWFE, abs=0.001)
    assert 0.02 < draws.std() < CLUSTERED
