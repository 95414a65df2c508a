import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.resampling.conley_taber import PlaceboSums
from svmodel.result.many_effects import by_noise, table_of_rows
from svmodel.result.scales import PerCell, from_influence, ratio_at

size = st.floats(1, 1000)
#: Misses of untreated areas that are skewed as those of small counts are.
PLACEBOS = PlaceboSums(np.sort(np.random.default_rng(0).gamma(1.0, 1.0, 200) - 1.0), 200, 1)


def from_noise(observed, expected, noise, cells, exposure):
    """Rows of one effect, out of the arithmetic for many."""
    parts = tuple(np.array([float(v)]) for v in noise)
    found = by_noise(np.array([float(observed)]), np.array([float(expected)]), parts, [PLACEBOS], 0.95)
    people = None if exposure is None else np.array([exposure])
    rows = found.rows("area", np.array([float(cells)]), people, level=0.95, events=True)
    return table_of_rows([rows]).to_dict("records")


@settings(deadline=None)  # the first call imports scipy
@given(size, size, st.floats(0.1, 30), st.floats(0.1, 30), st.floats(-0.9, 0.9))
def test_scales_agree_on_significance_from_influence(observed, expected, a, b, r):
    covariance = np.array([[a * a, r * a * b], [r * a * b, b * b]])
    rows = from_influence(
        "att", observed, expected, covariance, PerCell(10, 5000.0), level=0.95, small=SmallSample(1.0, 20)
    )
    agree(rows, 1e-9 * max(observed, expected))


@settings(deadline=None)
@given(st.floats(0, 1000), size, st.floats(0.1, 500), st.floats(0, 500), st.floats(0, 1))
def test_scales_agree_on_significance_from_noise(observed, expected, linear, square, part):
    noise = (linear, square, part * square)
    rows = from_noise(observed, expected, noise, 10, 5000.0)
    agree(rows, 1e-9 * max(observed, expected))
    ratio = rows[0]
    if np.isfinite(ratio["conf_high"]):
        significant = ratio["conf_low"] > 1 or ratio["conf_high"] < 1
        if abs(ratio["p_value"] - 0.05) > 1e-6:
            assert significant == (ratio["p_value"] < 0.05)


def agree(rows, rounding):
    ratio, others = rows[0], rows[1:]
    assert [r["scale"] for r in rows] == ["rate_ratio", "difference", "per_100k", "events"]
    for row in others:
        for key in ("estimate", "conf_low", "conf_high"):
            if abs(ratio[key] - 1) > 1e-9 and np.isfinite(ratio[key]):
                assert np.sign(row[key]) == np.sign(ratio[key] - 1) or abs(row[key]) < rounding
        assert row["conf_low"] <= row["estimate"] + rounding
        assert row["estimate"] <= row["conf_high"] + rounding
        assert row["p_value"] == ratio["p_value"]


def test_delta_method_errors():
    covariance = np.array([[9.0, 2.0], [2.0, 4.0]])
    ratio, difference, rate, events = from_influence(
        "att", 80.0, 100.0, covariance, PerCell(20, 1000.0), level=0.95, small=SmallSample(1.0, 1e9)
    )
    assert events["std_error"] == pytest.approx(np.sqrt(9 + 4 - 4))
    assert difference["std_error"] == pytest.approx(3 / 20)
    assert rate["std_error"] == pytest.approx(3 / 1000 * 1e5)
    assert ratio["std_error"] / 0.8 == pytest.approx(np.sqrt(9 / 80**2 + 4 / 100**2 - 2 * 2 / 8000))
    # to first order the limits of events lie as far off as the part of their error that moves with the log ratio
    assert events["conf_high"] - events["conf_low"] == pytest.approx(2 * 1.96 * 3, rel=0.01)


def test_shocks_that_were_real_move_the_expected_sum_only():
    # 8,000 events with an error of 5%: chance in the count, 1.1%, is 1 / (8000 * 0.05**2) = 5% of that variance
    observed, expected = 8000.0, 10_000.0
    covariance = np.array([[(0.05 * observed) ** 2, 0.0], [0.0, 1e-6]])
    small = SmallSample(1.1, 30)
    ratio, *_, events = from_influence("att", observed, expected, covariance, PerCell(1, None), level=0.95, small=small)
    realised = [observed * (1 - 1 / ratio[k]) for k in ("conf_low", "conf_high")]
    averaged = [expected * (ratio[k] - 1) for k in ("conf_low", "conf_high")]
    for k, whole, mean in zip(("conf_low", "conf_high"), realised, averaged, strict=True):
        assert events[k] == pytest.approx(0.95 * whole + 0.05 * mean, rel=1e-6)
    # the standard error is the delta method's; the interval is wider by the factor and by t
    assert np.log(ratio["conf_high"] / 0.8) == pytest.approx(stats.t.ppf(0.975, 30) * 1.1 * 0.05, rel=1e-6)


def test_no_noise_known_gives_no_interval():
    rows = from_noise(5.0, 9.0, (np.nan, 0.0, 0.0), 3, None)
    assert [r["scale"] for r in rows] == ["rate_ratio", "difference", "events"]
    assert all(np.isnan(r["std_error"]) and np.isnan(r["p_value"]) and np.isfinite(r["estimate"]) for r in rows)


def test_an_enormous_error_bounds_nothing():
    rows = from_influence(
        "cell", 1.0, 1.0, np.diag([1e6, 1e6]), PerCell(1, None), level=0.95, small=SmallSample(1.0, 3)
    )
    assert (rows[0]["conf_low"], rows[0]["conf_high"]) == (0.0, np.inf)


@given(size, st.floats(-500, 500))
def test_the_ratio_that_holds_the_observed_sum_is_the_same_alone_and_in_an_array(observed, events):
    alone, together = ratio_at(observed, events), ratio_at(np.full(3, observed), np.array([events, observed, np.nan]))
    assert alone == together[0]
    assert alone == (observed / (observed - events) if events < observed else np.inf)
    assert together[1] == np.inf
    assert np.isnan(together[2])
