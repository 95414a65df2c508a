"""Many effects at once against one at a time."""

import math
import warnings

import numpy as np
import pytest

from svmodel.numerics.cluster import SmallSample
from svmodel.numerics.resampling.conley_taber import PlaceboSums, placebo_sums
from svmodel.numerics.resampling.placebo_noise import (
    learn_noise,
    ratio_interval,
    ratio_intervals,
    variance_function,
    variance_functions,
)
from svmodel.result.many_effects import by_influence, by_noise, only, table_of_rows
from svmodel.result.scales import PerCell, estimates_frame, from_influence

NUMBERS = ["estimate", "std_error", "conf_low", "conf_high", "p_value", "level", "horizon"]


def sums(size=40, seed=0):
    rng = np.random.default_rng(seed)
    expected = rng.gamma(2, 30, size)
    observed = expected * np.exp(rng.normal(0, 0.3, size))
    influence = rng.normal(size=(25, size, 2)) * np.stack([observed, expected], axis=1) * 0.05
    covariance = np.einsum("nqi,nqj->qij", influence, influence)
    # one that hardly varies, one with errors beyond all bounds, one without any
    covariance[3] *= 1e-24
    covariance[4] *= 1e8
    covariance[5] = 0.0
    return observed, expected, covariance


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("exposed", [True, False])
def test_effects_from_influences_are_those_of_one_at_a_time(events, exposed):
    observed, expected, covariance = sums()
    size = len(observed)
    rng = np.random.default_rng(1)
    small = SmallSample(rng.uniform(1, 1.5, size), np.where(np.arange(size) % 7 == 0, np.inf, rng.uniform(1, 30, size)))
    cells, exposure = rng.integers(1, 50, size).astype(float), rng.uniform(0, 5_000, size)
    exposure[2] = 0.0
    exposure = exposure if exposed else None
    one_by_one = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for q in range(size):
            per = PerCell(cells[q], None if exposure is None else exposure[q], events=events)
            own = SmallSample(float(small.inflation[q]), float(small.df[q]))
            numbers = float(observed[q]), float(expected[q]), covariance[q]
            one_by_one += from_influence("event", *numbers, per, level=0.9, small=own, horizon=q - 3)
    plain = estimates_frame(one_by_one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = by_influence(observed, expected, covariance, small, level=0.9, events=events)
        rows = found.rows("event", cells, exposure, level=0.9, events=events, horizon=np.arange(size) - 3)
    table = table_of_rows([rows])
    assert table["scale"].tolist() == plain["scale"].tolist()
    assert table["term"].tolist() == plain["term"].tolist()
    assert table["area"].tolist() == plain["area"].tolist() == [None] * len(table)
    for name in NUMBERS:
        np.testing.assert_allclose(table[name], plain[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert only(rows, "rate_ratio")["estimate"].tolist() == (observed / expected).tolist()


def plain_root(observed, expected, linear, square, fixed, q, *, upper):
    """The quadratic in R, solved as it stands."""
    a, b = expected**2 - q**2 * square, -(2 * observed * expected + q**2 * linear)
    roots = np.roots([a, b, observed**2 - q**2 * fixed])
    return max(float(roots.real.max() if upper else roots.real.min()), 0.0) if a > 0 else math.inf if upper else None


def test_ratio_intervals_solve_their_quadratic():
    rng = np.random.default_rng(2)
    observed, expected = rng.gamma(3, 20, (2, 50))
    linear, square = expected * rng.uniform(0.5, 3, 50), expected**2 * rng.uniform(0, 0.4, 50)
    fixed = 0.1 * square
    critical = np.array([-rng.uniform(0.5, 3, 50), rng.uniform(0.5, 3, 50)])
    critical[:, :2] = [[-np.inf], [np.inf]]
    low, high = ratio_intervals(observed, expected, linear, square, critical, fixed)
    assert low[:2].tolist() == [0, 0]
    assert np.isinf(high[:2]).all()
    for k in range(2, 50):
        own = observed[k], expected[k], linear[k], square[k], fixed[k]
        assert high[k] == pytest.approx(plain_root(*own, critical[0, k], upper=True), rel=1e-8)
        lower = plain_root(*own, critical[1, k], upper=False)
        assert lower is None or low[k] == pytest.approx(lower, rel=1e-8, abs=1e-12)
        alone = ratio_interval(*own[:4], (critical[0, k], critical[1, k]), own[4])
        assert alone == pytest.approx((low[k], high[k]), rel=1e-12)


def test_effects_from_noise_hold_the_score_test():
    rng = np.random.default_rng(3)
    size = 12
    expected = rng.gamma(2, 30, size)
    observed = np.round(expected * np.exp(rng.normal(0, 0.3, size)))
    observed[0] = 0.0
    linear, square = expected * 1.5, expected**2 * 0.03
    linear[4] = np.nan
    linear[5] = square[5] = 0.0
    placebos = [PlaceboSums(np.sort(rng.normal(size=50 if q % 2 else 12)), 50 if q % 2 else 12, 1) for q in range(size)]
    found = by_noise(observed, expected, (linear, square, 0.4 * square), placebos, 0.9)
    assert np.isnan(found.ratio[[4, 5], 1:]).all()
    assert np.isnan(found.p_value[[4, 5]]).all()
    for q in set(range(size)) - {4, 5}:
        critical = placebos[q].critical(0.9)
        ratio, events = observed[q] / expected[q], observed[q] - expected[q]
        low, high = ratio_interval(observed[q], expected[q], linear[q], square[q], critical)
        fixed = 0.6 * square[q]
        least, most = ratio_interval(observed[q], expected[q], linear[q], 0.4 * square[q], critical, fixed)
        variance = linear[q] * ratio + square[q] * ratio**2
        assert found.ratio[q] == pytest.approx(
            [ratio, math.sqrt(variance) / expected[q], min(low, ratio), max(high, ratio)]
        )
        limits = min(expected[q] * (least - 1), events), max(expected[q] * (most - 1), events)
        error = math.sqrt(linear[q] * ratio + 0.4 * square[q] * ratio**2 + fixed)
        assert found.events[q] == pytest.approx([events, error, *limits])
        assert found.p_value[q] == placebos[q].p_value(events / math.sqrt(linear[q] + square[q]))


def plain_variance_function(squared, size, floor):
    """Weighted least squares by numpy, repeated to the end."""
    fitted = size * max(squared.sum() / size.sum(), floor, 1e-12)
    for _ in range(30):
        X, y = np.stack([size, size**2], axis=1) / fitted[:, None], squared / fitted
        (phi, omega), *_ = np.linalg.lstsq(X, y, rcond=None)
        if omega < 0:
            phi, omega = float(X[:, 0] @ y / (X[:, 0] @ X[:, 0])), 0.0
        if phi < floor:
            phi, omega = floor, max(float(X[:, 1] @ (y - floor * X[:, 0]) / (X[:, 1] @ X[:, 1])), 0.0)
        fitted = np.maximum(phi * size + omega * size**2, 1e-12)
    return phi, omega


def test_variances_of_many_windows_are_those_of_one_at_a_time():
    rng = np.random.default_rng(4)
    size = rng.gamma(2, 10, (40, 25))
    squared = (rng.normal(size=size.shape) * np.sqrt(1.2 * size + rng.uniform(0, 0.2, 25) * size**2)) ** 2
    squared[:, 0] = 0.0
    take = rng.random(size.shape) < 0.8
    floor = rng.uniform(0, 1.5, 25)
    phi, omega = variance_functions(squared, size, take, floor)
    for w in range(25):
        inside = take[:, w]
        alone = variance_function(squared[inside, w], size[inside, w], floor[w])
        assert (phi[w], omega[w]) == pytest.approx(alone, rel=1e-9)
        assert alone == pytest.approx(plain_variance_function(squared[inside, w], size[inside, w], floor[w]), rel=1e-5)


def test_noise_of_windows_does_not_hang_on_the_windows_beside():
    rng = np.random.default_rng(5)
    areas, periods = 30, 12
    level, shape = rng.gamma(3, 2, areas), np.exp(rng.normal(0, 0.1, (1, periods))).repeat(areas, axis=0)
    y = rng.poisson(level[:, None] * shape).astype(float)
    use = rng.random(y.shape) < 0.97
    level_cells = np.arange(periods) < 7
    windows = np.eye(periods)[7:]
    windows[4] = np.where(np.arange(periods) >= 7, 0.5, 0.0)
    together = learn_noise(y, shape, level, use, level_cells, windows)
    assert (together.areas >= 10).all()
    for w in range(len(windows)):
        alone = learn_noise(y, shape, level, use, level_cells, windows[[w]])
        for name in ("phi", "omega", "share", "areas"):
            np.testing.assert_allclose(getattr(together, name)[w], getattr(alone, name)[0], rtol=1e-9)
        for mine, theirs in zip(together.placebos[w], alone.placebos[0], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@pytest.mark.parametrize("infinite", [0, 1, 3])
def test_limits_and_p_values_of_placebo_sums_are_ranks_of_sizes(infinite):
    rng = np.random.default_rng(6)
    for m in (39, 40, 61, 400):
        values = np.sort(rng.normal(size=m))
        values[m // 2] = values[m // 2 - 1]
        if infinite:
            values[-infinite:] = np.inf
        made = PlaceboSums(values, m, 1)
        for level in (0.8, 0.9, 0.95, 1 - 2 / (m + 1)):
            # as far as the k-th largest size, k of m + 1 making 1 - level
            sizes = sorted(abs(v) for v in values)
            k = math.floor((1 - level) * (m + 1) + 1e-9)
            reach = sizes[-k] if k else math.inf
            assert made.critical(level) == pytest.approx((-reach, reach), rel=1e-9)
        for t in (-9.0, -1.3, -0.01, float(values[m // 2]), 0.4, 2.0, 9.0):
            beyond = sum(abs(v) >= abs(t) * (1 - 1e-9) for v in values)
            assert made.p_value(t) == pytest.approx((1 + beyond) / (1 + m), rel=1e-9)


def test_sums_that_are_drawn_are_always_the_same():
    rng = np.random.default_rng(7)
    parts = [(rng.normal(size=30), rng.uniform(1, 2, 30), rng.uniform(1, 2, 4))]
    one, other = placebo_sums(parts), placebo_sums(parts)
    assert len(one.values) == 20_000
    assert (one.values == other.values).all()
    drawn = np.random.default_rng(0)
    order = np.lexsort((parts[0][1], parts[0][0]))
    miss, variance = 0.0, 0.0
    for s in np.sort(parts[0][2]):
        at = order[drawn.integers(30, size=20_000)]
        miss, variance = miss + s * parts[0][0][at], variance + (s * parts[0][1][at]) ** 2
    np.testing.assert_allclose(one.values, np.sort(miss / np.sqrt(variance)), atol=1e-11)
