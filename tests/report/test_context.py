import pickle

import numpy as np
import pytest

from svmodel.errors import DataError, DesignError
from svmodel.report import fits as contexts
from svmodel.report.study import read_study
from svmodel.seeds import derive_seed
from svmodel.simulate import panel as simulated
from svmodel.sources import write_panel
from svmodel.workers import LocalFork

STUDY = """
title: A small study
data: {path: panel.parquet}
outcomes: [{column: violence}, {column: nothing}]
exposure: population
intervention: {name: Patrols, starts: {file: starts.csv, period: start}}
estimators: [TwoWayFixedEffects, CallawaySantAnna]
checks: [overdispersion]
forecast: {horizon: 3}
seed: 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixteen areas over three years; one outcome was never counted above zero."""
    place = tmp_path_factory.mktemp("context")
    made = simulated(n_areas=16, n_periods=36, cohorts=[(24, 4)], seed=5)
    frame = made.panel.to_frame().assign(nothing=0)
    (outcome,) = made.panel.counts
    frame = frame.rename(columns={outcome: "violence"})
    from svmodel import Panel

    exposures = list(made.panel.exposures)
    panel = Panel.from_frame(
        frame.rename(columns={exposures[0]: "population"}),
        area="area",
        period="period",
        counts=["violence", "nothing"],
        exposures=["population"],
        synthetic=True,
    )
    write_panel(panel, place / "panel.parquet")
    rows = "".join(f"{a},{p}\n" for a, p in sorted(made.starts.items()))
    (place / "starts.csv").write_text("area,start\n" + rows)
    (place / "study.yaml").write_text(STUDY)
    return place


@pytest.fixture(scope="module")
def prepared(folder):
    return contexts.prepare(read_study(folder / "study.yaml"))


def test_everything_study_wide_is_fitted_once_and_refusals_are_kept(prepared):
    assert prepared.synthetic
    assert list(prepared.results["violence"]) == ["TwoWayFixedEffects", "CallawaySantAnna"]
    assert prepared.headline_result() is prepared.results["violence"]["TwoWayFixedEffects"]
    assert [c.name for c in prepared.checks["violence"]] == ["overdispersion"]
    assert prepared.checks["nothing"] == ()
    assert set(prepared.failures["nothing"]) >= {"TwoWayFixedEffects", "CallawaySantAnna"}
    assert "constant" in prepared.failures["nothing"]["TwoWayFixedEffects"]
    assert "violence" not in prepared.failures
    assert prepared.forecasts["violence"].quantiles["horizon"].max() == 3
    for results in prepared.results.values():
        for result in results.values():
            assert result.design is prepared.designs[result.design.outcome]


def test_side_by_side_gives_the_same_bits_as_one_after_the_other(prepared, folder):
    apart = contexts.prepare(read_study(folder / "study.yaml"), workers=LocalFork(2))
    for outcome, results in prepared.results.items():
        for label, result in results.items():
            assert apart.results[outcome][label].to_json() == result.to_json()
            assert apart.results[outcome][label].design is apart.designs[outcome]
    assert apart.failures == prepared.failures
    one, other = (c.forecasts["violence"].quantiles["value"].to_numpy() for c in (apart, prepared))
    assert np.array_equal(one, other)


def test_a_context_comes_back_from_disk(prepared, tmp_path):
    path = prepared.save(tmp_path / "deep" / "context.pickle")
    held = contexts.load(path)
    assert held.study == prepared.study
    assert held.panel.fingerprint == prepared.panel.fingerprint
    assert held.headline_result().to_json() == prepared.headline_result().to_json()
    # the panel is kept once, not with every result
    assert held.headline_result().design.panel is held.panel


def test_a_notebook_may_name_the_study_file_itself(prepared, folder):
    held = contexts.load(folder / "study.yaml")
    assert held.headline_result().to_json() == prepared.headline_result().to_json()


def test_what_is_no_context_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no study context"):
        contexts.load(tmp_path / "none.pickle")
    for content in (b"", b"text", pickle.dumps(("another", 1)), pickle.dumps(3)):
        (tmp_path / "x.pickle").write_bytes(content)
        with pytest.raises(DataError, match="no study context"):
            contexts.load(tmp_path / "x.pickle")


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps("svmodel-context-0") + pickle.dumps(1),
        pickle.dumps("svmodel-context-9") + pickle.dumps(1),
        b"csvmodel.report.context\nStudyContext\n.",  # as svmodel wrote them when the class stood elsewhere
    ],
    ids=["older", "newer", "oldest"],
)
def test_a_context_of_another_format_is_refused_with_what_to_do(tmp_path, content):
    (tmp_path / "x.pickle").write_bytes(content)
    with pytest.raises(DataError, match=r"Remove it and run `svmodel run` again"):
        contexts.load(tmp_path / "x.pickle")


def test_a_headline_that_cannot_be_asked_stops_before_any_fit(folder):
    text = STUDY.replace("[{column: violence}, {column: nothing}]", "[{column: nothing}, {column: violence}]")
    path = folder / "turned.yaml"
    path.write_text(text)
    with pytest.raises(DesignError, match="its headline outcome cannot be estimated"):
        contexts.prepare(read_study(path))


def test_seeds_are_those_of_the_named_stream(prepared):
    assert prepared.seed("N", "forecast") == derive_seed(3, "N", "forecast")
