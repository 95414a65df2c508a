"""Coefficients of covariates in the result: which they are, and that they are read back."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv

N, T = 30, 16


def make(*, still=False, family="linear", seed=0):
    """Return a design whose outcome rises by 3 (or a log rate of .4) for each unit of one covariate."""
    rng = np.random.default_rng(seed)
    x = rng.normal(20, 4, (N, T)) if not still else np.repeat(rng.normal(20, 4, (N, 1)), T, axis=1)
    start = np.where(np.arange(N) < 6, 8, np.where(np.arange(N) < 14, 11, T))
    treated = np.arange(T) >= start[:, None]
    months = pd.period_range("2020-01", periods=T, freq="M").astype(str)
    if family == "linear":
        trend = 3 * x if not still else x * np.linspace(0, 2, T)
        y = rng.normal(50, 5, (N, 1)) + rng.normal(0, 1, (1, T)) + trend - 4 * treated + rng.normal(0, 1, (N, T))
    else:
        y = rng.poisson(np.exp(rng.normal(4, 0.2, (N, 1)) + 0.1 * (x - 20) - 0.3 * treated))
    areas = [f"A{i:02d}" for i in range(N)]
    frame = pd.DataFrame({"area": np.repeat(areas, T), "month": np.tile(months, N), "y": y.ravel(), "x": x.ravel()})
    role = {"measures": ["y"]} if family == "linear" else {"counts": ["y"]}
    panel = sv.Panel.from_frame(frame, area="area", period="month", covariates=["x"], **role)
    starts = {a: months[s] for a, s in zip(areas, start, strict=True) if s < T}
    design = sv.Design(panel, outcome="y", intervention=sv.Intervention("patrols", starts), covariates=["x"])
    return design, y, x, treated


LINEAR = [
    sv.did.TwoWayFixedEffects(family="linear"),
    sv.did.SunAbraham(),
    sv.did.StackedDiD(family="linear"),
    sv.did.Imputation(family="linear"),
    sv.did.ExtendedTwoWayFixedEffects(family="linear"),
]


@pytest.mark.parametrize("estimator", LINEAR, ids=lambda e: type(e).__name__)
def test_the_coefficient_is_found_and_read_back(estimator):
    result = estimator.fit(make()[0])
    row = result.covariates.iloc[0]
    assert len(result.covariates) == 1
    assert (row["covariate"], row["scale"]) == ("x", "difference")
    assert abs(row["estimate"] - 3) < 4 * row["std_error"] < 0.3
    assert row["conf_low"] < row["estimate"] < row["conf_high"]
    again = type(result).from_json(result.to_json())
    pd.testing.assert_frame_equal(again.covariates, result.covariates, check_dtype=False)


@pytest.mark.parametrize(
    "method",
    [sv.did.TwoWayFixedEffects, sv.did.StackedDiD, sv.did.Imputation, sv.did.ExtendedTwoWayFixedEffects],
    ids=lambda m: m.__name__,
)
def test_of_a_poisson_model_it_is_a_log_rate_ratio(method):
    row = method(family="poisson").fit(make(family="poisson")[0]).covariates.iloc[0]
    assert row["scale"] == "log_rate_ratio"
    assert abs(row["estimate"] - 0.1) < 4 * row["std_error"] < 0.05


def test_it_is_that_of_the_regression_written_out():
    design, y, x, treated = make()
    area, period = np.repeat(np.arange(N), T), np.tile(np.arange(T), N)
    both = np.hstack([np.eye(N)[area], np.eye(T)[period][:, 1:], x.ravel()[:, None], treated.ravel()[:, None]])
    written = np.linalg.lstsq(both, y.ravel(), rcond=None)[0]
    found = LINEAR[0].fit(design).covariates
    assert found["estimate"].iloc[0] == pytest.approx(written[-2])
    # errors clustered by area, with the factor that fixest has
    residual = (y.ravel() - both @ written)[:, None] * both
    scores = np.add.reduceat(residual, np.arange(0, N * T, T), axis=0)
    bread = np.linalg.pinv(both.T @ both)
    cr0 = np.sqrt(np.diag(bread @ scores.T @ scores @ bread))[-2]
    k = T - 1 + 1 + 2  # area effects are nested in the clusters
    factor = (N * T - 1) / (N * T - k) * N / (N - 1)
    assert found["std_error"].iloc[0] == pytest.approx(cr0 * np.sqrt(factor), rel=1e-6)
    keep = ~treated.ravel()
    first = np.linalg.lstsq(both[keep][:, :-1], y.ravel()[keep], rcond=None)[0]
    for estimator in LINEAR[3:]:
        assert estimator.fit(design).covariates["estimate"].iloc[0] == pytest.approx(first[-1])


@pytest.mark.parametrize("estimator", LINEAR, ids=lambda e: type(e).__name__)
def test_a_covariate_that_stands_still_has_a_trend_by_period(estimator):
    table = estimator.fit(make(still=True)[0]).covariates
    when = "horizon" if type(estimator) is sv.did.StackedDiD else "period"
    assert table[when].notna().all()
    assert table[when].is_unique
    # two for each unit over 15 months, so that any two neighbours are 2 / 15 apart
    gap = table.sort_values(when)["estimate"].diff().mean()
    assert gap == pytest.approx(2 / 15, abs=0.06)


def test_without_covariates_there_is_no_table():
    made = sv.simulate.panel(n_areas=20, n_periods=12, cohorts=[(6, 5)], seed=1)
    design = sv.Design(made.panel, outcome="violence", intervention=made.intervention)
    assert LINEAR[0].fit(design).covariates is None
