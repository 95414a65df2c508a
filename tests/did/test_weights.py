"""Observation weights: an area of weight 3 is three copies of it, clustered as one; pyfixest has the same numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pyfixest_regression import regress

from svmodel import Design, Intervention, Panel, did
from svmodel.errors import DesignError, EstimationError
from svmodel.inference import WildClusterBootstrap
from svmodel.result.method import arrays_of, label

YEARS = 9
STARTS = {f"A{i:02d}": 2014 if i < 9 else 2016 for i in range(18)}
LINEAR = [
    did.TwoWayFixedEffects(family="linear", leads=3, lags=3),  # by default as many as half of the areas have
    did.Imputation(family="linear"),
    did.SunAbraham(),
    did.StackedDiD(family="linear"),
    did.ExtendedTwoWayFixedEffects(family="linear"),
    did.CallawaySantAnna(n_boot=19),
    did.CallawaySantAnna(n_boot=19, control="not_yet_treated", base_period="universal"),
]


def rows(*, seed=0, areas=40, gaps=False, small=False):
    rng = np.random.default_rng(seed)
    held = [(f"A{i:02d}", 2010 + t) for i in range(areas) for t in range(YEARS)]
    frame = pd.DataFrame(held, columns=["area", "year"])
    weight = rng.integers(1, 4, areas)
    effect = np.where(np.arange(areas) % 2, -4.0, 1.0) * weight
    i = frame["area"].str[1:].astype(int)
    start = frame["area"].map(starts_of(small)).fillna(9999)
    frame["score"] = (
        rng.normal(20, 4, areas)[i] + rng.normal(0, 1, YEARS)[frame["year"] - 2010] + rng.normal(0, 2, len(frame))
    ) + np.where(frame["year"] >= start, effect[i], 0.0)
    frame["weight"] = weight[i].astype(float)
    frame["moving"] = frame["weight"] * rng.uniform(0.5, 1.5, len(frame))
    frame["n"] = rng.poisson(30, len(frame))
    return frame.drop(frame.index[rng.choice(len(frame), 15, replace=False)]) if gaps else frame


def starts_of(small):
    return {a: s for a, s in STARTS.items() if not small or a in ("A00", "A01", "A02", "A09")}


def ask(frame, outcome="score", *, small=False, starts=None):
    panel = Panel.from_frame(
        frame, area="area", period="year", counts=["n"], measures=["score"], exposures=["weight", "moving"]
    )
    known = set(panel.areas)
    starts = starts_of(small) if starts is None else starts
    return Design(
        panel, outcome=outcome, intervention=Intervention("x", {a: s for a, s in starts.items() if a in known})
    )


def copies(frame, *, small=False):
    """Return the areas as often as they weigh, and the area that each copy is of."""
    parts = [
        frame[frame["weight"] > k].assign(area=lambda f, k=k: f["area"] + f"copy{k}", weight=1.0) for k in range(3)
    ]
    wide = pd.concat(parts, ignore_index=True)
    of = {a: a[:3] for a in wide["area"].unique()}
    starts = {a: starts_of(small)[o] for a, o in of.items() if o in starts_of(small)}
    return ask(wide, starts=starts), of


def weighed(estimator, weights):
    name = "observation_weights" if isinstance(estimator, did.StackedDiD) else "weights"
    return replace(estimator, **{name: weights})


@pytest.mark.parametrize("estimator", LINEAR, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("how", ["whole", "gaps", "small"])
def test_an_area_of_weight_three_is_three_copies_of_it(estimator, how):
    kind = {"gaps": how == "gaps", "small": how == "small"}
    frame = rows(**kind)
    small = kind["small"]
    one = weighed(estimator, "weight").fit(ask(frame, small=small))
    many, of = copies(frame, small=small)
    other = replace(estimator, cluster=of, inference="cluster").fit(many)
    one_by_cluster = weighed(replace(estimator, inference="cluster"), "weight").fit(ask(frame, small=small))
    factors = [r.diagnostics.get("crv1_factor", 1.0) for r in (one_by_cluster, other)]
    terms = [("att", {}), ("event", {"horizon": 1}), ("event_average", {})]
    terms += [] if isinstance(estimator, did.TwoWayFixedEffects | did.StackedDiD) else [("cohort_average", {})]
    for term, which in terms:
        mine, theirs = one_by_cluster.effect(term, "difference", **which), other.effect(term, "difference", **which)
        assert mine.estimate == pytest.approx(theirs.estimate, rel=1e-8), term
        near = 2e-6 if term == "att" or "crv1_factor" not in other.diagnostics else 0.03
        assert mine.std_error == pytest.approx(theirs.std_error * np.sqrt(factors[0] / factors[1]), rel=near), term
    plain = estimator.fit(ask(frame, small=small)).effect("att", "difference").estimate
    assert abs(one.effect("att", "difference").estimate - plain) > 0.01
    assert estimator.scale == "difference"
    point = weighed(estimator, "weight").point(arrays_of(weighed(estimator, "weight"), ask(frame, small=small)))
    assert point == pytest.approx(one.effect("att", "difference").estimate, rel=1e-9)


@pytest.mark.parametrize("column", ["weight", "moving"])
def test_two_way_weights_are_those_of_pyfixest(column):
    frame = rows(seed=2, gaps=True)
    frame["on"] = (frame["year"] >= frame["area"].map(STARTS).fillna(9999)).astype(float)
    theirs = regress(
        frame, outcome="score", regressors=("on",), effects=("area", "year"), cluster="area", weights=column
    )
    result = did.TwoWayFixedEffects(family="linear", weights=column).fit(ask(frame))
    effect = result.effect("att", "difference")
    assert effect.estimate == pytest.approx(theirs["on"][0], rel=1e-8)
    assert effect.std_error == pytest.approx(theirs["on"][1], rel=1e-6)
    assert float(result.weights["weight"].sum()) == pytest.approx(1.0)
    wild = WildClusterBootstrap(draws=199).infer(result, seed=1).effect("att", "difference")
    assert wild.std_error == pytest.approx(theirs["on"][1], rel=1e-6)


def test_sun_and_abraham_with_moving_weights_is_the_saturated_regression():
    frame = rows(seed=4)
    start = frame["area"].map(STARTS).fillna(9999)
    cells = frame.copy()
    names, mass = [], []
    for g in (2014, 2016):
        for year in range(2010, 2019):
            if year != g - 1:
                name = f"g{g}y{year}"
                inside = (start == g) & (frame["year"] == year)
                cells[name] = inside.astype(float)
                names.append(name)
                mass.append(frame.loc[inside, "moving"].sum() if year >= g else 0.0)
    theirs = regress(cells, outcome="score", regressors=tuple(names), effects=("area", "year"), weights="moving")
    share = pd.Series(np.array(mass) / sum(mass), names)[list(theirs.names)].to_numpy()
    effect = did.SunAbraham(weights="moving").fit(ask(frame)).effect("att", "difference")
    assert effect.estimate == pytest.approx(float(share @ theirs.estimate), rel=1e-8)
    assert effect.std_error == pytest.approx(float(np.sqrt(share @ theirs.covariance @ share)), rel=1e-6)


def test_imputation_with_moving_weights_is_weighted_least_squares_of_untreated_cells():
    frame = rows(seed=5)
    on = frame["year"] >= frame["area"].map(STARTS).fillna(9999)
    X = pd.get_dummies(frame[["area", "year"]].astype(str), dtype=float).to_numpy()
    root = np.sqrt(frame["moving"].to_numpy())
    free = ~on.to_numpy()
    beta, *_ = np.linalg.lstsq(X[free] * root[free, None], frame["score"].to_numpy()[free] * root[free], rcond=None)
    gap = frame["score"].to_numpy() - X @ beta
    wanted = float(np.average(gap[~free], weights=frame["moving"].to_numpy()[~free]))
    for estimator in (did.Imputation, did.ExtendedTwoWayFixedEffects):
        result = estimator(family="linear", weights="moving").fit(ask(frame))
        assert result.effect("att", "difference").estimate == pytest.approx(wanted, rel=1e-8)


def test_weights_of_one_change_nothing_and_a_mapping_is_a_column():
    frame = rows(seed=1)
    by_area = frame.groupby("area")["weight"].first()
    for estimator in LINEAR:
        alike = weighed(estimator, dict.fromkeys(by_area.index, 7.0)).fit(ask(frame))
        plain = estimator.fit(ask(frame)).effect("att", "difference")
        for part in ("estimate", "std_error", "conf_low", "p_value"):
            assert getattr(alike.effect("att", "difference"), part) == pytest.approx(getattr(plain, part), rel=1e-9)
        column = weighed(estimator, "weight").fit(ask(frame)).effect("att", "difference")
        for mapping in (by_area.to_dict(), by_area, by_area.astype(int)):
            assert weighed(estimator, mapping).fit(ask(frame)).effect("att", "difference").estimate == column.estimate


def test_a_weighted_count_has_a_difference_and_no_events():
    result = did.Imputation(family="linear", weights="weight").fit(ask(rows(), "n"))
    assert set(result.estimates["scale"]) == {"difference"}
    assert result.counterfactual is None
    assert label(result.estimator) == "Imputation linear (weights weight)"
    again = type(result).from_json(result.to_json(), design=result.design)
    assert again.estimator == result.estimator
    given = did.SunAbraham(weights=dict.fromkeys(result.design.panel.areas, 1.0))
    assert label(given) == "Sun-Abraham (weights given)"


def test_unusable_weights_are_refused_with_words():
    frame = rows()
    by_area = frame.groupby("area")["weight"].first().to_dict()
    estimator = did.Imputation(family="linear")
    for weights, said in (
        ("wieght", "weight"),
        ({**by_area, "A03": 0.0, "A05": -1.0}, r"not above zero in 2 areas \('A03', 'A05'\)"),
        ({**by_area, "A03": np.nan}, r"missing in 1 areas \('A03'\)"),
        ({a: w for a, w in by_area.items() if a != "A07"}, r"missing in 1 areas \('A07'\)"),
        ({**by_area, "A03": np.inf}, "not finite"),
        ({**by_area, "Narnia": 1.0}, "Narnia"),
        ({**by_area, "A03": "much"}, "no number"),
        ([1.0] * 40, "does not say which area"),
    ):
        with pytest.raises(DesignError, match=said):
            replace(estimator, weights=weights).fit(ask(frame))
    gap = frame.assign(moving=frame["moving"].where(frame["year"] != 2012))
    with pytest.raises(DesignError, match="missing"):
        replace(estimator, weights="moving").fit(ask(gap))
    for poisson in (did.TwoWayFixedEffects, did.Imputation, did.ExtendedTwoWayFixedEffects):
        with pytest.raises(EstimationError, match=r"takes no weights.*exposure"):
            poisson(weights="weight").fit(ask(frame, "n"))
    with pytest.raises(EstimationError, match="takes no weights"):
        did.StackedDiD(observation_weights="weight").fit(ask(frame, "n"))
    with pytest.raises(EstimationError, match="move within areas"):
        did.CallawaySantAnna(weights="moving").fit(ask(frame))
    with pytest.raises(EstimationError, match="cross-sections"):
        did.CallawaySantAnna(weights="weight", sampling="cross_sections").fit(ask(frame))
    with pytest.raises(EstimationError, match="cohort effects take no weights"):
        did.ExtendedTwoWayFixedEffects(family="linear", effects="cohort", weights="weight").fit(ask(frame))
