from dataclasses import replace

import numpy as np
import pytest

from svmodel.checks import leave_one_area_out as check_it
from svmodel.checks.leave_one_area_out import MOST_REFITS
from svmodel.did.callaway_santanna import CallawaySantAnna
from svmodel.did.etwfe import ExtendedTwoWayFixedEffects
from svmodel.panel import Panel

CS = CallawaySantAnna(simultaneous=False)


def with_counts(design, change):
    """Return the design with its counts changed by `change(frame)`."""
    frame = design.panel.to_frame()
    frame["events"] = np.round(change(frame))
    panel = Panel.from_frame(
        frame, area="area", period="period", counts=["events"], measures=["score"], exposures=["people"]
    )
    return replace(design, panel=panel)


def test_an_effect_of_all_areas_hangs_on_none(make_design):
    design = make_design(3, effect=0.6)
    check = check_it(CS.fit(design))
    assert check.status == "passed"
    assert "No single area decides" in check.text
    assert sorted(check.table["area"]) == sorted(design.intervention.starts)
    assert check.table["problem"].isna().all()


def test_each_row_is_the_refit_without_that_area(make_design):
    design = make_design(3, effect=0.6, treated=4)
    table = check_it(CS.fit(design)).table.set_index("area")
    for area in design.intervention.starts:
        starts = {a: p for a, p in design.intervention.starts.items() if a != area}
        others = design.panel.select([a for a in design.panel.areas if a != area])
        alone = CS.fit(replace(design, panel=others, intervention=replace(design.intervention, starts=starts)))
        assert table.loc[area, "estimate"] == alone.effect("att", "rate_ratio").estimate


def test_estimates_alone_are_those_of_the_refits(make_design):
    """Twelve areas and a clear effect: `point` decides, and says what a fit without the area says."""
    design = make_design(3, effect=0.6)
    result = ExtendedTwoWayFixedEffects().fit(design)
    found = check_it(result)
    assert found.status == "passed"
    assert found.table["conf_low"].isna().all()
    for row in found.table.iloc[:3].itertuples():
        fewer = replace(
            design.intervention, starts={a: p for a, p in design.intervention.starts.items() if a != row.area}
        )
        others = design.panel.select([a for a in design.panel.areas if a != row.area])
        alone = result.refit(design=replace(design, panel=others, intervention=fewer)).effect("att", "rate_ratio")
        assert row.estimate == pytest.approx(alone.estimate, rel=1e-9)
        assert alone.conf_high < 1


def test_an_effect_near_no_effect_is_fitted_whole(make_design):
    table = check_it(ExtendedTwoWayFixedEffects().fit(make_design(3, effect=0.93))).table
    assert table["conf_low"].notna().any()


def test_an_effect_of_one_area_is_found_out(make_design):
    design = make_design(5, treated=8, noise=0.02)
    one = sorted(design.intervention.starts)[2]
    start = design.intervention.starts[one]
    hit = with_counts(
        design,
        lambda f: (
            f["events"]
            - np.where((f["area"] == one) & (f["period"] >= start), 0.99 * f["events"], 0)
            - np.where(f["area"].isin(design.intervention.starts) & (f["period"] >= "2020-07"), 1, 0)
        ).clip(lower=0),
    )
    fitted = CS.fit(hit)
    estimates = check_it(fitted).table.set_index("area")["estimate"]
    assert estimates.idxmax() == one
    check = check_it(fitted)
    whole = fitted.effect("att", "rate_ratio")
    assert (check.status == "failed") == (whole.conf_high < 1), "the planted effect is significant, and hangs on one"


def test_a_result_that_is_never_significant(make_design):
    check = check_it(CS.fit(make_design(7)))
    assert check.status in ("passed", "informative")
    assert "not significant" in check.text


def test_many_areas_are_capped_by_their_events(make_design):
    design = make_design(1, n=80, treated=36, length=24, starts=(12,))
    check = check_it(CS.fit(design))
    assert len(check.table) == MOST_REFITS
    assert "36 treated areas" in check.text
    arrays = design.arrays
    total = {a: np.where(arrays.treated, arrays.y, 0.0)[i].sum() for i, a in enumerate(arrays.areas)}
    left = set(design.intervention.starts) - set(check.table["area"])
    assert max(total[a] for a in left) <= min(total[a] for a in check.table["area"])


def test_a_single_area_or_no_data(make_design):
    fitted = CS.fit(make_design(1, treated=1, starts=(30,)))
    assert check_it(fitted).status == "not_applicable"
    assert check_it(replace(fitted, design=None)).status == "not_applicable"


def test_refusals_stand_in_the_table(make_design):
    class Fussy(CallawaySantAnna):
        def fit(self, design, *, seed=0):
            from svmodel.errors import EstimationError

            if refused not in design.intervention.starts:
                raise EstimationError("no answer without that area")
            return super().fit(design, seed=seed)

    design = make_design(3, effect=0.4, treated=6)
    refused = min(design.intervention.starts)
    fitted = replace(CS.fit(design), estimator=Fussy(simultaneous=False))
    check = check_it(fitted)
    assert check.status == "informative"
    row = check.table.set_index("area").loc[refused]
    assert row["problem"] == "no answer without that area"
    assert np.isnan(row["estimate"])
    assert "did not answer 1 of the 6" in check.text


@pytest.mark.parametrize("scale", ["rate_ratio", "difference"])
def test_it_speaks_on_the_scale_there_is(make_design, scale):
    outcome = {"rate_ratio": "events", "difference": "score"}[scale]
    design = make_design(3, effect=0.6, treated=4, outcome=outcome, exposure=None)
    assert set(check_it(CS.fit(design)).table["scale"]) == {scale}
