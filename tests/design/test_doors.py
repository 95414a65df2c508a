"""Numbers of numpy, series of pandas, bare texts and 0 for never: right or refused, by one door each."""

import numpy as np
import pandas as pd
import pytest

import svmodel as sv
from svmodel.errors import UserError
from svmodel.protect import Disclosure
from svmodel.report import read_study

MONTHS = [str(p) for p in pd.period_range("2021-01", periods=24, freq="M")]


def panel(**more):
    rng = np.random.default_rng(3)
    rows = [(i, m, rng.poisson(9), 10_000, i % 3) for i in range(1, 13) for m in MONTHS]
    frame = pd.DataFrame(rows, columns=["ward", "month", "n", "people", "x"])
    return sv.Panel.from_frame(
        frame, area="ward", period="month", counts="n", exposures="people", covariates="x", **more
    )


RIGHT = {"2": "2022-01", "10": "2022-06"}


@pytest.mark.parametrize(
    "starts",
    [
        RIGHT,
        {2: "2022-01", 10: "2022-06"},
        {2.0: "2022-01", np.int64(10): "2022-06"},
        {"2": np.datetime64("2022-01-01"), "10": pd.Timestamp("2022-06-01")},
        pd.Series(RIGHT),
        pd.Series([pd.Period("2022-01", "M"), pd.Period("2022-06", "M")], index=[2, 10]),
        {**RIGHT, "3": 0, "4": np.nan, "5": None, "6": pd.NaT, "7": np.inf, "8": np.int64(0), "9": pd.NA},
    ],
    ids=lambda s: type(s).__name__,
)
def test_starts_of_every_kind_are_the_same_starts(starts):
    design = sv.Design(panel(), outcome="n", intervention=sv.Intervention("x", starts=starts))
    assert dict(design.intervention.starts) == {k: pd.Period(v, "M") for k, v in RIGHT.items()}
    assert design.problems() == ()


@pytest.mark.parametrize("starts", ["2022-01", ["2", "10"], {"2": "soon"}, {"2": -1}, {"2": 3.5}])
def test_what_are_no_starts_is_refused(starts):
    with pytest.raises(UserError):
        sv.Intervention("x", starts=starts)


def test_numbers_of_numpy_are_numbers():
    design = sv.Design(
        panel(),
        outcome="n",
        covariates="x",
        intervention=sv.Intervention("x", starts=RIGHT, cost=np.float64(1000)),
        anticipation=np.int64(1),
    )
    assert design.problems() == ()
    assert design.covariates == ("x",)
    fitted = [
        sv.did.ExtendedTwoWayFixedEffects(level=level).fit(design, seed=seed).to_json()
        for level, seed in ((0.9, 7), (np.float64(0.9), np.int32(7)))
    ]
    assert fitted[0] == fitted[1]


def test_one_bare_name_is_one_name():
    held = panel()
    assert held.columns == ("n", "people", "x")
    assert held.select(areas=10, window=("2021-03", None)).areas == ("10",)
    design = sv.Design(held, outcome="n", intervention=sv.Intervention("x", starts=RIGHT))
    result = sv.did.ExtendedTwoWayFixedEffects().fit(design)
    assert [c.name for c in sv.checks.run(result, names="leave_one_area_out")] == ["leave_one_area_out"]
    frame = pd.DataFrame({"n": [2, 30]})
    assert Disclosure("threshold", threshold=5).protect(frame, counts="n")["n_flag"].tolist() == ["c", ""]


def test_one_bare_area_of_a_study_is_one_area(tmp_path):
    from svmodel.report.run import plan_study

    held = panel().to_frame()
    held.assign(period=held["period"].astype(str)).to_csv(tmp_path / "d.csv", index=False)
    text = "title: T\ndata: {path: d.csv, counts: [n]}\noutcomes: [{column: n}]\nforecast: {horizon: 0}\n"
    (tmp_path / "s.yaml").write_text(text)
    assert read_study(tmp_path / "s.yaml").title == "T"
    plan, _ = plan_study(tmp_path / "s.yaml", out=tmp_path, areas="10")
    assert [job.code for job in plan.selected] == ["10"]
