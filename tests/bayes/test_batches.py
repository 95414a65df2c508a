"""Area after area in forked workers: a fit that has not converged is refused, and the others answer."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from svmodel import simulate
from svmodel.bayes import HierarchicalDiD
from svmodel.errors import EstimationError


def answer(area):
    made = simulate.panel(6, 12, mean=20, effect=0.8, cohorts=((6, 2),), seed=area)
    # chains of twenty-five draws cannot tell whether they have met
    choices = {"engine": "nuts", "draws": 100} if area == 2 else {"draws": 500}
    estimator = HierarchicalDiD(pooling="complete", family="poisson", **choices)
    try:
        return estimator.fit(made.design("violence"), seed=area).effect().estimate
    except EstimationError as error:
        return error.title


@pytest.mark.slow
def test_one_unconverged_area_among_many_fails_alone():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(answer, range(5)))
    assert "has not converged, so no number is given" in found[2]
    others = [f for i, f in enumerate(found) if i != 2]
    assert all(np.isfinite(others))
    assert others == [answer(i) for i in (0, 1, 3, 4)]
