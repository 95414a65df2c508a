"""Exclusions and suspensions of the Department for Education."""

import numpy as np
import pytest
from cases import case, rules

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.sources import detect_layout, dfe_exclusions

OLD = """year,level,country_code,country_name,region_code,region_name,new_la_code,la_name,school_type,num_schools,\
headcount,perm_excl,perm_excl_rate,fixed_excl,fixed_excl_rate
201516,National,E92000001,England,,,,,Total,20000,"7,000,000",6000,0.08,300000,4.2
201516,Regional,E92000001,England,E12000002,North West,,,Total,2000,900000,900,0.1,40000,4.4
201516,Local authority,E92000001,England,E12000002,North West,E08000012,Liverpool,Total,169,"66,000",61,0.09,1608,2.4
201516,Local authority,E92000001,England,E12000002,North West,E08000012,Liverpool,Secondary,30,30000,50,0.1,1500,5
201617,Local authority,E92000001,England,E12000002,North West,E08000012,Liverpool,Total,168,"67,000",x,x,1700,2.5
"""
NEW = """time_period,time_identifier,geographic_level,country_code,country_name,region_code,region_name,old_la_code,\
new_la_code,la_name,characteristic_group,headcount,suspension,susp_rate,one_plus_susp,perm_excl
202324,Academic year,Local authority,E92,England,E12000002,NW,341,E08000012,Liverpool,Total,70000,9000,12,4000,100
202324,Academic year,Local authority,E92,England,E12000002,NW,341,E08000012,Liverpool,Sex,35000,4000,11,2000,60
202324,Autumn term,Local authority,E92,England,E12000002,NW,341,E08000012,Liverpool,Total,70000,3000,4,1500,30
202324,Academic year,National,E92,England,,,,,,Total,8000000,900000,11,400000,10000
202223,Academic year,Local authority,E92,England,E12000002,NW,341,E08000012,Liverpool,Total,69000,SUPP,SUPP,z,90
"""


def _write(tmp_path, text):
    path = tmp_path / "exc.csv"
    path.write_text(text)
    return path


def test_the_academic_years_of_2009_to_2011():
    path = case("dfe_exclusions_la_200910_201112.csv")
    assert detect_layout(path) == "dfe_exclusions"
    extract = dfe_exclusions(path)
    frame = extract.frame
    assert frame["period"].iloc[0].freqstr == "Y-AUG"
    assert frame["period"].nunique() == 3
    assert frame.loc[frame["area"] == "Liverpool", "fixed_excl"].tolist() == [2119, 2232, 1608]
    assert "fixed_excl_rate" not in frame
    panel = Panel.from_frame(frame, area="area", period="period", counts=["fixed_excl"], exposures=["headcount"])
    assert str(panel.periods[0].start_time.date()) == "2009-09-01"


def test_country_regions_school_types_and_signs(tmp_path):
    path = _write(tmp_path, OLD)
    assert detect_layout(path) == "dfe_exclusions"
    extract = dfe_exclusions(path)
    frame = extract.frame
    assert set(frame["area"]) == {"E08000012"}
    assert frame["headcount"].tolist() == [66000, 67000]
    np.testing.assert_array_equal(frame["perm_excl"], [61, np.nan])
    assert set(frame["parent"]) == {"North West"}
    assert [e.rows for e in extract.ledger if e.rule == "whole_not_area"] == [2]
    assert "'x'" in next(e.reason for e in extract.ledger if e.rule == "suppressed")
    assert dfe_exclusions(path, school_type="secondary").frame["fixed_excl"].tolist() == [1500]
    with pytest.raises(DataError, match="Did you mean 'Secondary'"):
        dfe_exclusions(path, school_type="secondry")


def test_explore_education_statistics(tmp_path):
    path = _write(tmp_path, NEW)
    assert detect_layout(path) == "dfe_exclusions"
    extract = dfe_exclusions(path)
    np.testing.assert_array_equal(extract.frame["suspension"], [np.nan, 9000])
    np.testing.assert_array_equal(extract.frame["one_plus_susp"], [np.nan, 4000])
    assert extract.frame["perm_excl"].tolist() == [90, 100]
    assert [str(p.start_time.date()) for p in extract.frame["period"]] == ["2022-09-01", "2023-09-01"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("201617,", "201618,", {"period_unreadable"}),
        ("201617,", "201516,", {"duplicate_area_period"}),
        (",1700,", ",-1700,", {"negative_count"}),
    ],
)
def test_what_is_refused(tmp_path, old, new, found):
    with pytest.raises(DataError) as caught:
        dfe_exclusions(_write(tmp_path, OLD.replace(old, new)))
    assert rules(caught) == found


def test_a_division_without_a_total_is_asked_about(tmp_path):
    text = NEW.replace(",Total,", ",Ethnicity,")
    with pytest.raises(DataError, match="no value of it is the total") as caught:
        dfe_exclusions(_write(tmp_path, text))
    assert "ask" in rules(caught)
    with pytest.raises(DataError, match="no row of a local authority"):
        dfe_exclusions(_write(tmp_path, "\n".join(OLD.splitlines()[:3]) + "\n"))
    with pytest.raises(DataError, match="no table of exclusions"):
        dfe_exclusions(_write(tmp_path, "a,b\n1,2\n"))
