import numpy as np
import pytest
from scipy import optimize, stats

from svmodel.numerics.honest import EventStudy, steps
from svmodel.numerics.honest.arp import conditional_rejection
from svmodel.numerics.honest.magnitudes import (
    magnitudes_breakdown,
    magnitudes_interval,
    magnitudes_set,
    magnitudes_test,
)


def random_study(seed, pre=3, post=3, weights=None):
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(pre + post, pre + post + 6))
    estimate = rng.normal(0, 0.3, pre + post)
    return EventStudy(estimate, G @ G.T / (pre + post + 6) * 0.05, pre, weights)


def moments(study, bound, s, sign, kind):
    """Return A with A delta <= 0 for one step s and sign, as Rambachan and Roth write it, period by period."""
    K, T = study.pre, len(study.weights)
    D = np.delete(np.diff(np.eye(K + T + 1), axis=0), K, axis=1)  # first differences, the reference being zero
    rows = D if kind == "slope" else np.diff(np.eye(K + T), axis=0) @ D
    first = K if kind == "slope" else K - 1
    largest = sign * rows[s]
    return np.vstack([p * rows[t] - bound * largest for t in range(first, len(rows)) for p in (1, -1)])


def plain_test(study, bound, s, sign, theta, kind, cv, alpha=0.05, kappa=0.005):
    """Andrews, Roth and Pakes by linear programmes: their eq. for eta, and the range in which gamma stays optimal."""
    A = moments(study, bound, s, sign, kind)
    K, T = study.pre, len(study.weights)
    sigma = A @ study.covariance @ A.T
    sd = np.sqrt(np.diag(sigma))
    # l' tau = theta: tau = l theta / l'l + N x
    base = study.weights * theta / (study.weights @ study.weights)
    N = np.linalg.svd(study.weights[None])[2][1:].T
    y = A @ study.estimate - A[:, K:] @ base
    W = np.column_stack([sd, A[:, K:] @ N])

    def dual(f):
        return optimize.linprog(-f, A_eq=W.T, b_eq=np.eye(T)[0], bounds=[(0, None)] * len(f), method="highs-ds")

    found = dual(y)
    eta, gamma = -found.fun, found.x
    variance = gamma @ sigma @ gamma
    if variance < 1e-14:
        return bool(eta > 0)
    if eta > cv:
        return True
    lean = sigma @ gamma / variance
    rest = y - lean * (gamma @ y)

    def stays(v):
        return -dual(rest + lean * v).fun <= v + 1e-9

    ends = []
    for far in (-60.0, 60.0):
        if stays(far):
            ends.append(np.copysign(np.inf, far))
            continue
        # the vertex that wins out there is as large as gamma nearer by; and again, until none is larger (HonestDiD)
        point = far
        while not stays(point):
            other = dual(rest + lean * point).x
            point = other @ rest / (1 - other @ lean)
        ends.append(point)
    h = np.sqrt(variance)
    low, high = ends[0] / h, min(ends[1], cv) / h
    size = (alpha - kappa) / (1 - kappa)
    tail = (stats.norm.sf(eta / h) - stats.norm.sf(high)) / (stats.norm.sf(low) - stats.norm.sf(high))
    return bool(eta > 0 and tail < size)


@pytest.mark.parametrize(
    ("kind", "weights"), [("slope", None), ("slope", [1.0, 0, 0]), ("slope", [0.2, -0.5, 1.3]), ("bend", None)]
)
def test_agrees_with_the_linear_programmes(kind, weights):
    compared = 0
    for seed in range(2):
        study = random_study(seed, weights=weights)
        for bound in (0.4, 1.5):
            test = magnitudes_test(study, bound, kind=kind)
            S = len(test.seen) // 2
            for theta in test.centre + np.linspace(-1.3, 1.3, 4):
                pair = np.stack([np.full(2 * S, test.centre - theta), test.seen], axis=-1)
                z = np.einsum("sjk,sk->sj", test.vertices, pair)
                ours = conditional_rejection(z, test.covariance, test.first_stage)
                theirs = [
                    plain_test(study, bound, s, sign, theta, kind, test.first_stage[s if sign > 0 else S + s])
                    for sign in (1, -1)
                    for s in range(S)
                ]
                assert ours.tolist() == theirs
                assert bool(test.accepts(theta)[0]) == (not all(theirs))
                compared += len(theirs)
    assert compared >= 64


def test_the_vertices_are_all_there_are():
    # the largest of the four statistics is the value of the linear programme, at random points
    study = random_study(5, pre=2, post=4)
    rng = np.random.default_rng(1)
    test = magnitudes_test(study, 0.8)
    for _ in range(10):
        draw = EventStudy(rng.normal(size=6), study.covariance, 2)
        made = steps(draw)
        signed = np.concatenate([made.before @ draw.estimate, -(made.before @ draw.estimate)])
        for s, sign in ((0, 1), (1, -1)):
            A = moments(draw, 0.8, s, sign, "slope")
            sd = np.sqrt(np.diag(A @ study.covariance @ A.T))
            N = np.linalg.svd(draw.weights[None])[2][1:].T
            W = np.column_stack([sd, A[:, 2:] @ N])
            y = A @ draw.estimate
            eta = -optimize.linprog(-y, A_eq=W.T, b_eq=np.eye(4)[0], bounds=[(0, None)] * len(y)).fun
            row = s if sign > 0 else 2 + s
            pair = np.array([made.extrapolated @ draw.estimate, signed[row]])
            assert (test.vertices[row] @ pair).max() == pytest.approx(eta, abs=1e-9)


def test_the_least_favourable_value_against_a_plain_simulation():
    study = random_study(2, pre=3, post=5)
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(np.zeros(8), study.covariance, size=200_000)
    for bound in (0.3, 2.0):
        test = magnitudes_test(study, bound)
        made = steps(study)
        for s in (0, 2):
            pair = np.stack([draws @ made.extrapolated, draws @ made.before[s]], axis=1)
            largest = (pair @ test.vertices[s].T).max(axis=1)
            # 0.5% of 200,000 draws: the share above is known to 0.00016
            assert (largest > test.first_stage[s]).mean() == pytest.approx(0.005, abs=6e-4)


def test_no_departure_gives_the_ordinary_interval():
    # with Mbar = 0 the two sides are one two-sided normal test, whatever was seen before
    study = random_study(3)
    found = magnitudes_interval(study, 0.0)
    np.testing.assert_allclose(found[:2], study.theta + np.array([-1, 1]) * stats.norm.ppf(0.975) * study.std_error)


@pytest.mark.parametrize("kind", ["slope", "bend"])
def test_the_identified_set_against_linear_programmes(kind):
    for seed in range(2):
        study = random_study(seed, weights=[0.3, -0.4, 1.1])
        K = study.pre
        found = []
        for sign in (1, -1):
            for s in range(K if kind == "slope" else K - 1):
                A = moments(study, 0.7, s, sign, kind)
                for way in (1, -1):
                    f = way * np.concatenate([np.zeros(K), study.weights])
                    fixed = np.eye(K, 2 * K)
                    made = optimize.linprog(f, A, np.zeros(len(A)), fixed, study.estimate[:K], bounds=(None, None))
                    if made.success:
                        found.append(study.theta - way * made.fun)
        low, high = magnitudes_set(study, 0.7, kind=kind)
        # in HonestDiD's way the step need not be the largest; the smaller ones give inner bounds
        assert (low, high) == (pytest.approx(min(found)), pytest.approx(max(found)))


def test_far_apart_estimates_give_the_identified_set():
    # errors of nothing: the interval closes on the set
    study = random_study(7)
    sharp = EventStudy(study.estimate, study.covariance * 1e-10, study.pre)
    found = magnitudes_interval(sharp, 1.0)
    np.testing.assert_allclose(found[:2], magnitudes_set(sharp, 1.0), atol=1e-4)


@pytest.mark.parametrize("noise", [1.0, 0.1])
def test_coverage_at_the_ends_of_the_identified_set(noise):
    # the least favourable truth lies there: coverage of each end at least 95%
    K, T, bound, n = 3, 4, 1.0, 2_000
    rng = np.random.default_rng(4)
    covariance = noise * 0.01 * (np.eye(K + T) + 1.0)  # differences from a common reference
    delta = np.array([0.0, -0.1, 0.05, 0.15, 0.30, 0.45, 0.60])  # largest step before 0.15, and so on ever after
    truth = EventStudy(delta, covariance, K)
    test = magnitudes_test(truth, bound)
    made = steps(truth)
    draws = rng.multivariate_normal(delta, covariance, size=n)
    seen = draws @ made.before.T
    ends = magnitudes_set(truth, bound)
    assert min(ends) == pytest.approx(0.0, abs=1e-12)
    for theta in ends:
        kept = test.accepts(np.full(n, theta), draws @ made.extrapolated, np.hstack([seen, -seen]))
        assert kept.mean() >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / n)
    far = test.accepts(np.full(n, ends[1] + 1.0), draws @ made.extrapolated, np.hstack([seen, -seen]))
    assert far.mean() < 0.6 if noise == 1.0 else far.mean() < 0.05


def test_one_year_steps_do_not_care_for_the_unit_of_time():
    study = random_study(1)
    months = EventStudy(study.estimate, study.covariance, 3, study.weights, study.positions * 12)
    assert magnitudes_interval(months, 0.7)[:2] == pytest.approx(magnitudes_interval(study, 0.7)[:2])


def test_breakdown_is_where_zero_enters():
    study = EventStudy([0.02, -0.01, -0.3, -0.3], np.eye(4) * 0.0025, 2)
    found = magnitudes_breakdown(study)
    assert magnitudes_interval(study, found - 0.01).high < 0 < magnitudes_interval(study, found + 0.01).high
    nothing = EventStudy([0.02, -0.01, -0.03, -0.03], np.eye(4) * 0.0025, 2)
    assert np.isnan(magnitudes_breakdown(nothing))
    clear = EventStudy([0.02, -0.01, -30.0, -30.0], np.eye(4) * 0.0025, 2)
    assert magnitudes_breakdown(clear) == np.inf


def test_hard_shapes():
    # many periods, one of each, and a weight of nothing
    many = random_study(0, pre=20, post=24)
    assert np.isfinite(magnitudes_interval(many, 1.0)[:2]).all()
    one = EventStudy([0.1, 0.5], [[0.01, 0.005], [0.005, 0.01]], 1)
    assert np.isfinite(magnitudes_interval(one, 1.0)[:2]).all()
    assert np.isfinite(magnitudes_interval(random_study(0, weights=[0, 1.0, 0]), 1.0)[:2]).all()
    with pytest.raises(ValueError, match="two estimates"):
        magnitudes_test(one, 1.0, kind="bend")
    with pytest.raises(ValueError, match="at least 0"):
        magnitudes_test(one, -1.0)
    with pytest.raises(ValueError, match="no variance"):
        magnitudes_test(EventStudy([0.1, 0.5], np.zeros((2, 2)), 1), 1.0)
    for wrong in ({"pre": 0}, {"pre": 2}, {"weights": [1, 2]}, {"positions": [1, -1]}, {"positions": [1]}):
        with pytest.raises(ValueError):
            EventStudy(**{"estimate": [0.1, 0.5], "covariance": np.eye(2), "pre": 1} | wrong)
