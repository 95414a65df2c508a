"""What reports read: one word for the kind of inference, and whether its coverage is in doubt."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.counterfactual import InterruptedTimeSeries, StructuralTimeSeries, SyntheticControl, SyntheticDiD

KINDS = {"cluster", "placebo", "none", "series", "posterior", "jackknife", "bootstrap"}


def design(treated=1, donors=24):
    rng = np.random.default_rng(4)
    n, length = treated + donors, 40
    counts = rng.poisson(40 * np.exp(0.1 * rng.normal(size=(1, length)) + 0.1 * rng.normal(size=(n, 1))), (n, length))
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:02d}" for i in range(n)], length),
            "month": np.tile(pd.period_range("2018-01", periods=length, freq="M").astype(str), n),
            "n": counts.ravel(),
        }
    )
    panel = sv.Panel.from_frame(frame, area="area", period="month", counts=["n"])
    starts = {f"A{i:02d}": "2020-07" for i in range(treated)}
    return sv.Design(panel, outcome="n", intervention=sv.Intervention("patrols", starts=starts))


@pytest.mark.parametrize(
    ("estimator", "of", "kind"),
    [
        (SyntheticControl(), {}, "placebo"),
        (SyntheticControl(), {"donors": 3}, "none"),
        (SyntheticDiD(), {}, "placebo"),
        (SyntheticDiD(), {"treated": 10}, "jackknife"),
        (SyntheticDiD(inference="bootstrap", n_draws=100), {"treated": 10}, "bootstrap"),
        (SyntheticDiD(), {"donors": 3}, "none"),
        (InterruptedTimeSeries(), {}, "series"),
        (InterruptedTimeSeries(errors="model"), {}, "series"),
        (InterruptedTimeSeries(inference="placebo"), {}, "placebo"),
        (StructuralTimeSeries(draws=150, chains=2, controls="sum"), {}, "posterior"),
    ],
)
def test_one_word_says_what_kind_of_inference_it_is(estimator, of, kind):
    result = estimator.fit(design(**of))
    assert result.diagnostics["inference"] == kind
    assert kind in KINDS
    doubt = result.diagnostics["inference_in_doubt"]
    assert isinstance(doubt, bool)
    # posteriors cover less than they claim, errors of a model take periods as independent, and none is none
    certain = kind in ("none", "posterior") or getattr(estimator, "errors", "") == "model"
    assert doubt or not certain
    if isinstance(estimator, InterruptedTimeSeries):
        assert result.diagnostics["errors"] == estimator.errors
