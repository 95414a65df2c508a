"""Intervals against the expected values of the public health guidance, and against their definitions."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from svmodel.errors import DataError
from svmodel.numerics.rates import (
    byar_interval,
    exact_poisson_interval,
    paired_dispersion,
    rate_interval,
    ratio_interval,
    wilson_interval,
)

# the published tables print at least seven significant digits
PRINTED = {"rtol": 1e-6, "atol": 1e-9}


def golden(name: str, sheet: str) -> pd.DataFrame:
    root = os.environ.get("SVMODEL_REAL_DATA")
    if not root:
        pytest.skip("SVMODEL_REAL_DATA is not set, so the published tables are not at hand")
    path = Path(root).parent / "golden" / "phe" / name
    if not path.exists():
        pytest.skip(f"there is no {path}")
    return pd.read_excel(path, sheet_name=sheet)


@pytest.mark.parametrize(
    ("count", "level", "low", "high"),
    [
        (65, 0.95, 50.163188, 82.849139),
        (1045, 0.95, 982.593202, 1110.331213),
        (1, 0.95, 0.013072, 5.563755),
        (65, 0.998, 42.880261, 94.000291),
        (10, 0.998, 2.916318, 24.193725),
    ],
)
def test_byar_gives_the_published_limits(count, level, low, high):
    found = byar_interval(count, level)
    # half a unit of the sixth printed decimal, and once more for the published table's own rounding
    np.testing.assert_allclose(found, (low, high), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("level", "low", "high"), [(0.95, 0.0253178, 5.5716434), (0.998, 0.0010005, 9.2334135)])
def test_exact_gives_the_published_limits(level, low, high):
    np.testing.assert_allclose(exact_poisson_interval(1, level), (low, high), rtol=0, atol=6e-8)


def test_byar_has_no_lower_limit_where_its_cube_root_is_negative():
    assert np.isnan(byar_interval([0, 1], 0.998).low).all()
    np.testing.assert_allclose(byar_interval(1, 0.998).high, 9.362180, atol=1e-6)


def test_byar_and_wilson_agree_with_the_published_workbook():
    table = golden("testdata_Byars_Wilson.xlsx", "testdata_B_W")
    for row in table.itertuples():
        level = float(row.confidence.rstrip("%")) / 100
        found = byar_interval(row.x, level) if row.method == "Byars" else wilson_interval(row.x, row.n, level)
        np.testing.assert_allclose(found, (row.lowercl, row.uppercl), **PRINTED)


@pytest.mark.parametrize(("level", "name"), [(0.95, "95_0"), (0.998, "99_8")])
def test_rates_agree_with_the_published_workbook(level, name):
    table = golden("testdata_Rate.xlsx", "testdata_Rate")
    low, high = f"lower{name}cl", f"upper{name}cl"
    for per, rows in table.groupby("multiplier"):
        found = rate_interval(rows["Numerator"], rows["Denominator"], per=per, level=level)
        np.testing.assert_allclose(found.rate, rows["value"], **PRINTED)
        np.testing.assert_allclose(found.low, rows[low], **PRINTED)
        np.testing.assert_allclose(found.high, rows[high], **PRINTED)
        given_rows = rows["value"].notna().to_numpy()
        expected = rows["method"].str.lower().str.rstrip("s").to_numpy()
        assert (found.method[given_rows] == expected[given_rows]).all()
        assert (found.method[~given_rows] == "").all()


def test_grouped_rates_agree_with_the_published_workbook():
    table = golden("testdata_Rate.xlsx", "testdata_Rate_g")
    found = rate_interval(table["Numerator"], table["Denominator"])
    np.testing.assert_allclose(found.low, table["lowercl"], **PRINTED)
    np.testing.assert_allclose(found.high, table["uppercl"], **PRINTED)


@pytest.mark.parametrize("sheet", ["testdata_Prop", "testdata_Prop_g"])
def test_proportions_agree_with_the_published_workbook(sheet):
    table = golden("testdata_Proportion.xlsx", sheet)
    scale = table["multiplier"].to_numpy()
    columns = [("lower95_0cl", "upper95_0cl", 0.95), ("lower99_8cl", "upper99_8cl", 0.998)]
    for low, high, level in columns if sheet == "testdata_Prop" else [("lowercl", "uppercl", 0.95)]:
        found = wilson_interval(table["Numerator"], table["Denominator"], level)
        np.testing.assert_allclose(found.low * scale, table[low], **PRINTED)
        np.testing.assert_allclose(found.high * scale, table[high], **PRINTED)


@given(st.integers(10, 10_000), st.floats(0.5, 0.999))
def test_byar_is_close_to_exact_from_ten_events(count, level):
    # guidance says 0.2% at 95%; at 99.9% and 10 events the lower limits are within 2% of the count
    np.testing.assert_allclose(byar_interval(count, level), exact_poisson_interval(count, level), atol=0.02 * count)


@given(st.integers(0, 200), st.floats(0.5, 0.999))
def test_exact_limits_leave_half_of_the_rest_in_each_tail(count, level):
    low, high = exact_poisson_interval(count, level)
    tail = (1 - level) / 2
    assert stats.poisson.cdf(count, high) == pytest.approx(tail, rel=1e-6)
    if count:
        assert stats.poisson.sf(count - 1, low) == pytest.approx(tail, rel=1e-6)
    else:
        assert low == 0


def test_missing_stays_missing():
    found = rate_interval([np.nan, 5], [100, np.nan])
    assert np.isnan([*found.rate, *found.low, *found.high]).all()
    assert np.isnan(wilson_interval(np.nan, 10)).all()
    assert np.isnan(exact_poisson_interval(np.nan)).all()


def test_every_fault_is_told_at_once():
    with pytest.raises(DataError) as caught:
        rate_interval([-1, 2], [0, 5], per=0, level=95)
    assert {p.rule for p in caught.value.problems} == {"negative_count", "exposure_not_positive", "per", "level"}
    with pytest.raises(DataError, match="above their trials"):
        wilson_interval(5, 4)


@given(st.integers(1, 300), st.integers(1, 300))
def test_ratio_limits_are_the_binomial_ones(count, before):
    low, high = ratio_interval(count, 2.0, before, 3.0)
    exact = stats.binomtest(count, count + before).proportion_ci(0.95, method="exact")
    scale = 3.0 / 2.0
    assert low == pytest.approx(exact.low / (1 - exact.low) * scale, rel=1e-6)
    assert high == pytest.approx(exact.high / (1 - exact.high) * scale, rel=1e-6)


def test_ratio_turned_round_has_its_limits_turned_round():
    low, high = ratio_interval(40, 1.5, 50, 2.5, dispersion=2.0, df=11)
    swapped = ratio_interval(50, 2.5, 40, 1.5, dispersion=2.0, df=11)
    np.testing.assert_allclose((low, high), (1 / swapped.high, 1 / swapped.low), rtol=1e-9)


def test_ratio_with_zero_counts_says_what_is_not_known():
    low, high = ratio_interval([0, 5, 0], 1, [5, 0, 0], 1)
    assert low[0] == 0
    assert np.isfinite(high[0])
    assert low[1] > 0
    assert np.isinf(high[1])
    assert np.isnan([low[2], high[2]]).all()


def test_dispersion_widens_and_is_never_taken_below_one():
    plain = ratio_interval(40, 1, 50, 1)
    wide = ratio_interval(40, 1, 50, 1, dispersion=3.0, df=11)
    assert wide.low < plain.low
    assert wide.high > plain.high
    np.testing.assert_array_equal(ratio_interval(40, 1, 50, 1, dispersion=0.4, df=11), plain)
    np.testing.assert_array_equal(ratio_interval(40, 1, 50, 1, dispersion=np.nan, df=0), plain)


def test_paired_dispersion_finds_the_variance_over_the_mean_and_ignores_season():
    rng = np.random.default_rng(7)
    season = 1 + 0.5 * np.sin(np.arange(12) * np.pi / 6)
    mean = 60 * season
    k = 0.05
    counts = rng.poisson(rng.gamma(1 / k, k * mean, size=(2, 4000, 12)))
    phi, df = paired_dispersion(counts[0], counts[1])
    assert (df == 11).all()
    # conditional on pair totals the dispersion is about 1 + k * mean, averaged over pairs; season itself,
    # left in, would add 0.125 * 60 = 7.5 to it. Monte Carlo error is below 0.03.
    assert phi.mean() == pytest.approx(1 + k * mean.mean(), abs=0.25)
    poisson, _ = paired_dispersion(rng.poisson(mean, (4000, 12)), rng.poisson(1.3 * mean, (4000, 12)))
    assert poisson.mean() == pytest.approx(1, abs=0.03)


def test_ratio_interval_with_one_degree_of_freedom_is_wide_and_not_a_division_by_zero():
    # Warnings are errors here. With one degree of freedom the tail is 3e-37, and one less that rounds to one.
    low, high = ratio_interval([3, 40, 0], 1, [1, 50, 1], 1, dispersion=[2.0, 4.0, 3.0], df=1)
    assert np.all(np.isfinite(high))
    assert np.all(high[:2] > 1000)
    # swapping the counts turns the interval over: 1e-9 is what the quantile's own iteration leaves
    turned = ratio_interval([1, 50], 1, [3, 40], 1, dispersion=[2.0, 4.0], df=1)
    np.testing.assert_allclose(low[:2], 1 / turned.high, rtol=1e-9)
    np.testing.assert_allclose(high[:2], 1 / turned.low, rtol=1e-9)
    # so far out that the quantile is the smallest number there is: no limit, and no overflow
    assert ratio_interval(1, 1e-9, 1, 1e9, dispersion=1000.0, df=1).high == np.inf


def test_ratio_interval_covers_under_overdispersion_and_the_plain_one_does_not():
    rng = np.random.default_rng(11)
    k, mean = 0.06, 40 * (1 + 0.4 * np.sin(np.arange(12) * np.pi / 6))
    now, before = rng.poisson(rng.gamma(1 / k, k * mean * np.array([0.9, 1.0])[:, None, None], size=(2, 3000, 12)))
    phi, df = paired_dispersion(now, before)
    a, b = now.sum(-1), before.sum(-1)

    def coverage(**kwargs):
        low, high = ratio_interval(a, 1.0, b, 1.0, **kwargs)
        return np.mean((low <= 0.9) & (high >= 0.9))

    # 3,000 draws: standard error 0.4 points, so 95% has to show as 94 to 97 (the exact limits are a little wide)
    assert 0.94 <= coverage(dispersion=phi, df=df) <= 0.97
    assert coverage() < 0.80


def test_pairs_of_different_shapes_are_refused():
    with pytest.raises(DataError, match="one shape"):
        paired_dispersion([1, 2, 3], [1, 2])
