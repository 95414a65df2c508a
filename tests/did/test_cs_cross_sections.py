"""Repeated cross-sections: the estimators against plain arithmetic, other software, and simulation; anticipation."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.did import CallawaySantAnna
from svmodel.errors import EstimationError
from svmodel.numerics.two_way.repeated_cross_sections import doubly_robust_rc

METHODS = ("reg", "ipw", "dr")


def observations(rng, n=300, effect=2.0):
    x = rng.normal(size=(n, 2))
    treated = rng.random(n) < 1 / (1 + np.exp(-0.7 * x[:, 0]))
    post = rng.random(n) < 0.5
    y = x @ [1.0, 0.5] + treated + post * (0.5 + 0.3 * x[:, 0]) + effect * (treated & post) + rng.normal(size=n)
    return y, post, treated, x


def plain(y, post, treated, x, method):
    """The estimators of Sant'Anna and Zhao (2020), in the words of the paper."""
    import statsmodels.api as sm

    X = np.column_stack([np.ones(len(y)), x])
    ps = sm.Logit(treated.astype(float), X).fit(disp=0, tol=1e-12).predict() if method != "reg" else None

    def line(d, p):
        rows = (treated == d) & (post == p)
        return X @ np.linalg.lstsq(X[rows], y[rows], rcond=None)[0]

    def control_mean(v, p):
        w = (ps / (1 - ps))[~treated & (post == p)]
        return (w @ v[~treated & (post == p)]) / w.sum()

    after, before = treated & post, treated & ~post
    if method == "reg":
        return y[after].mean() - y[before].mean() - (line(False, True) - line(False, False))[treated].mean()
    if method == "ipw":
        return y[after].mean() - y[before].mean() - (control_mean(y, True) - control_mean(y, False))
    total = 0.0
    for p, rows, sign in ((True, after, 1), (False, before, -1)):
        residual, gap = y - line(False, p), line(True, p) - line(False, p)
        total += sign * (residual[rows].mean() - control_mean(residual, p) + gap[treated].mean() - gap[rows].mean())
    return total


@pytest.mark.parametrize("method", METHODS)
def test_the_estimate_is_the_papers(method):
    data = observations(np.random.default_rng(1))
    assert doubly_robust_rc(*data, method=method).att[0] == pytest.approx(plain(*data, method), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_an_observations_influence_is_what_the_estimate_moves_by_without_it(method):
    """Each observation is there 200 times over; leaving out one copy is a step small enough to be a derivative."""
    data = observations(np.random.default_rng(2), n=80)
    copies = 200
    many = tuple(np.repeat(v, copies, axis=0) for v in data)
    whole = doubly_robust_rc(*many, method=method)
    for i in range(0, 80, 9):
        left = tuple(np.delete(v, i * copies, axis=0) for v in many)
        step = whole.att[0] - doubly_robust_rc(*left, method=method).att[0]
        assert whole.influence[i * copies, 0] == pytest.approx(step, rel=0.02, abs=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_it_agrees_with_drdid(method):
    estimators = pytest.importorskip("drdid._estimators", reason="drdid is not installed")
    name = {"reg": "reg_did_rc", "ipw": "std_ipw_did_rc", "dr": "drdid_rc"}[method]
    y, post, treated, x = observations(np.random.default_rng(3))
    design = np.column_stack([np.ones(len(y)), x])
    theirs, influence = getattr(estimators, name)(y, post.astype(float), treated.astype(float), design)[:2]
    ours = doubly_robust_rc(y, post, treated, x, method=method)
    # the reference's logit stops at 1e-8
    assert ours.att[0] == pytest.approx(theirs, rel=1e-8)
    np.testing.assert_allclose(ours.influence[:, 0] * len(y), np.ravel(influence), atol=1e-6)


@pytest.mark.parametrize(
    ("method", "right"), [("dr", "both"), ("dr", "outcome"), ("dr", "propensity"), ("reg", "outcome")]
)
def test_it_is_right_if_either_model_is_and_its_errors_are(method, right):
    """All models are linear in z; a wrong one is of a truth that goes with z^2, or with the size of z."""
    rng = np.random.default_rng(4)
    found, errors = [], []
    for _ in range(200):
        z = rng.normal(size=500)
        chance = 1 / (1 + np.exp(-0.6 * (z if right != "outcome" else np.abs(z) - 0.8)))
        treated, post = rng.random(500) < chance, rng.random(500) < 0.5
        trend = z if right != "propensity" else z**2
        y = z + treated + 0.8 * post * trend + 1.5 * (treated & post) + rng.normal(size=500)
        made = doubly_robust_rc(y, post, treated, z[:, None], method=method)
        found.append(made.att[0])
        errors.append(np.linalg.norm(made.influence))
    assert np.mean(found) == pytest.approx(1.5, abs=4 * np.std(found) / np.sqrt(200))
    # a standard deviation of 200 draws is known to 5%
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.2)


def test_what_is_not_identified_is_said():
    y, post, treated, x = observations(np.random.default_rng(5), n=60)
    assert "before or after" in doubly_robust_rc(y, post | treated, treated, x).failure
    same = np.column_stack([x[:, 0], x[:, 0]])
    assert "collinear" in doubly_robust_rc(y, post, treated, same).failure
    apart = np.where(treated, 5.0, -5.0)[:, None]
    assert "no overlap" in doubly_robust_rc(y, post, treated, apart + 0.1 * x[:, :1], method="ipw").failure


# Panels of areas

N, T = 60, 6
STARTS = np.array([3] * 14 + [4] * 12 + [99] * 34)


def make(y, x=None, starts=STARTS, **extra):
    n, t = y.shape
    frame = pd.DataFrame(
        {
            "area": np.repeat([f"A{i:03d}" for i in range(n)], t),
            "id": np.repeat(np.arange(n), t),
            "year": np.tile(np.arange(2001, 2001 + t), n),
            "g": np.repeat(np.where(starts < t, starts + 2001, 0), t),
            "y": y.ravel(),
            "x": np.zeros(n * t) if x is None else x.ravel(),
        }
    )
    panel = sv.Panel.from_frame(frame, area="area", period="year", measures=["y"], covariates=["x"])
    when = {f"A{i:03d}": int(2001 + s) for i, s in enumerate(starts) if s < t}
    design = sv.Design(
        panel,
        outcome="y",
        intervention=sv.Intervention("patrols", when),
        covariates=() if x is None else ("x",),
        **extra,
    )
    return design, frame


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(N, T)) + 0.4 * (STARTS < T)[:, None]
    on = np.arange(T)[None, :] >= STARTS[:, None]
    return x, rng.normal(size=(N, 1)) * 0.5 + 0.5 * x + rng.normal(size=(N, T)) - 0.8 * on


@pytest.mark.parametrize("base", ["varying", "universal"])
def test_with_complete_data_it_is_the_panels_answer(data, base):
    design, _ = make(data[1])
    panel, sections = (CallawaySantAnna(base_period=base, sampling=s).fit(design) for s in ("panel", "cross_sections"))
    numbers = ["estimate", "std_error", "conf_low", "conf_high", "p_value"]
    np.testing.assert_allclose(panel.estimates[numbers], sections.estimates[numbers], rtol=1e-7, atol=1e-10)
    estimator = CallawaySantAnna(sampling="cross_sections")
    assert estimator.point(design.arrays) == pytest.approx(sections.effect("att", "difference").estimate)


def test_every_area_seen_in_either_period_counts(data):
    _, y = data
    rng = np.random.default_rng(7)
    holes = np.where(rng.random(y.shape) < 0.4, np.nan, y)
    design, _ = make(holes)
    result = CallawaySantAnna(sampling="cross_sections").fit(design)

    def mean(rows, t):
        return np.nanmean(holes[rows, t])

    for g, t in ((3, 4), (4, 5), (4, 2)):
        base = g - 1 if t >= g else t - 1
        own, never = g == STARTS, STARTS == 99
        plain_att = mean(own, t) - mean(own, base) - mean(never, t) + mean(never, base)
        cell = result.effect("cell", "difference", cohort=2001 + g, period=2001 + t)
        assert cell.estimate == pytest.approx(plain_att, abs=1e-12)
        # an area seen twice adds both its deviations, one after the other
        total = np.zeros(N)
        for rows, sign in ((own, 1), (never, -1)):
            for when, turn in ((t, 1), (base, -1)):
                v = np.where(rows & ~np.isnan(holes[:, when]), holes[:, when], np.nan)
                total += sign * turn * np.nan_to_num(v - np.nanmean(v)) / (~np.isnan(v)).sum()
        assert cell.std_error == pytest.approx(np.linalg.norm(total), rel=1e-10)
    assert any("change in which areas are seen" in n for n in result.notes)


@pytest.mark.parametrize("method", METHODS)
def test_group_time_effects_are_those_of_csdid(data, method):
    csdid = pytest.importorskip("csdid.att_gt", reason="csdid is not installed")
    x, y = data
    keep = np.random.default_rng(8).random(y.shape) > 0.25
    design, frame = make(np.where(keep, y, np.nan), x)
    result = CallawaySantAnna(method=method, sampling="cross_sections").fit(design)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = csdid.ATTgt(
            yname="y",
            tname="year",
            idname=None,
            gname="g",
            data=frame[keep.ravel()].reset_index(drop=True),
            control_group="nevertreated",
            xformla="y~x",
            panel=False,
        ).fit(est_method=method, base_period="varying", bstrap=False)
    given = theirs.results
    cells = result.estimates.query("term == 'cell'")
    ours = {(c.year, p.year): v for c, p, v in zip(cells["cohort"], cells["period"], cells["estimate"], strict=True)}
    compared = 0
    for g, t, value in zip(given["group"], given["year"], given["att"], strict=True):
        assert ours[int(g), int(t)] == pytest.approx(float(value), rel=1e-6, abs=1e-8)
        compared += 1
    assert compared == 2 * (T - 1)


def test_intervals_cover_where_other_areas_are_seen_each_time():
    """Half of the areas in every period, by lot; the effect is -0.8; 120 panels of 80 areas."""
    rng = np.random.default_rng(9)
    starts = np.array([3] * 20 + [4] * 20 + [99] * 40)
    on = np.arange(T)[None, :] >= starts[:, None]
    hits, found = 0, []
    for _ in range(120):
        y = 0.5 * rng.normal(size=(80, 1)) + rng.normal(size=(80, T)) - 0.8 * on
        design, _ = make(np.where(rng.random(y.shape) < 0.5, y, np.nan), starts=starts)
        estimator = CallawaySantAnna(sampling="cross_sections", simultaneous=False, n_boot=9)
        effect = estimator.fit(design).effect("att", "difference")
        hits += effect.conf_low <= -0.8 <= effect.conf_high
        found.append(effect.estimate)
    # binomial of 120 at 95%: 114 on average, standard deviation 2.4
    assert 104 <= hits <= 120
    assert np.mean(found) == pytest.approx(-0.8, abs=4 * np.std(found) / np.sqrt(120))


@pytest.mark.parametrize("sampling", ["panel", "cross_sections"])
def test_anticipation_that_is_declared_does_no_harm_and_undeclared_does(sampling):
    """Areas respond with -1 from the period before their start on. Undeclared, that period is the base."""
    rng = np.random.default_rng(10)
    starts = np.array([3] * 200 + [4] * 200 + [99] * 400)
    y = rng.normal(size=(800, 1)) + 0.3 * rng.normal(size=(800, T))
    y -= 1.0 * (np.arange(T)[None, :] >= starts[:, None] - 1)
    design, _ = make(y, starts=starts)
    estimator = CallawaySantAnna(sampling=sampling, simultaneous=False)
    declared = estimator.fit(replace(design, anticipation=1)).effect("att", "difference")
    blind = estimator.fit(design).effect("att", "difference")
    assert declared.estimate == pytest.approx(-1.0, abs=4 * declared.std_error)
    assert blind.estimate == pytest.approx(0.0, abs=4 * blind.std_error)
    assert declared.std_error < 0.05
    assert estimator.fit(design).effect("event", "difference", horizon=-1).estimate == pytest.approx(-1.0, abs=0.1)


def test_a_wrong_choice_is_refused():
    with pytest.raises(EstimationError, match="no sampling"):
        CallawaySantAnna(sampling="repeated")
