import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.sources.metropolitan_police import (
    mps_borough,
    mps_dashboard,
    mps_knife_borough,
    mps_knife_ward,
    mps_ward,
)

REAL = pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")

BOROUGH = """offence,borough,month,count
VIOLENCE WITH INJURY,Camden,2024-01,185
VIOLENCE WITH INJURY,Camden,2024-02,190
VIOLENCE WITH INJURY,Barnet,2024-01,80
HOMICIDE,Camden,2024-01,0
HOMICIDE,Camden,2024-02,1
HOMICIDE,Barnet,2024-01,0
HOMICIDE,Barnet,2024-02,0
"""
WARD = """wardcode,wardname,borough,2023-12,2024-01,2024-02
E05009317,Bethnal Green,Tower Hamlets,12,34,
E05013570,Heathrow Villages,Aviation Security (SO18),19,24,25
"""
KNIFE_BOROUGH = """crime_subtype,borough_snt,area_name,area_code,2022-03,2022-04
Knife Crime,Camden,Camden,E09000007,22,40
Knife Crime with Injury,Camden,Camden,E09000007,4,8
Knife Injury Victims (non DA 1-24),Camden,Camden,E09000007,2,3
Knife Crime,Barnet,Barnet,E09000003,9,8
Knife Crime with Injury,Barnet,Barnet,E09000003,1,2
"""
KNIFE_WARD = """wardcode,crime_subtype,ward,borough,2022-03,2022-04
E05009317,Knife Crime,Bethnal Green,Tower Hamlets,4,2
E05009317,Knife Crime with Injury,Bethnal Green,Tower Hamlets,1,0
"""
DASHBOARD = """Month_Year,Area Type,Borough_SNT,Area name,Area code,Offence Group,Offence Subgroup,Measure,\
Financial Year,FY_FYIndex,Count,Refresh Date
01/04/2024,Borough,Camden,Camden,E09000007,VIOLENCE,HOMICIDE,Offences,2024/25,01_Apr,1,02/06/2024
01/04/2024,Borough,Camden,Camden,E09000007,VIOLENCE,VIOLENCE WITH INJURY,Offences,2024/25,01_Apr,50,02/06/2024
01/05/2024,Borough,Camden,Camden,E09000007,VIOLENCE,VIOLENCE WITH INJURY,Offences,2024/25,02_May,60,02/06/2024
01/04/2024,Borough,Barnet,Barnet,E09000003,VIOLENCE,VIOLENCE WITH INJURY,Offences,2024/25,01_Apr,70,02/06/2024
01/05/2024,Borough,Barnet,Barnet,E09000003,VIOLENCE,HOMICIDE,Offences,2024/25,02_May,2,02/06/2024
01/04/2024,Ward,Camden,Bloomsbury,E05013655,VIOLENCE,HOMICIDE,Offences,2024/25,01_Apr,9,02/06/2024
01/04/2024,Borough,Camden,Camden,E09000007,VIOLENCE,HOMICIDE,Positive Outcomes,2024/25,01_Apr,9,02/06/2024
"""


def _write(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def _cells(extract, column):
    return extract.frame.set_index(["area", "period"])[column].unstack()  # noqa: PD010


def test_boroughs_long(tmp_path):
    extract = mps_borough(_write(tmp_path, BOROUGH))
    assert list(extract.frame.columns) == ["area", "period", "homicide", "violence_with_injury"]
    cells = _cells(extract, "violence_with_injury")
    np.testing.assert_array_equal(cells.to_numpy(), [[80, np.nan], [185, 190]])
    assert _cells(extract, "homicide").to_numpy().tolist() == [[0, 0], [0, 1]]
    assert extract.ledger.has("recording_break")
    panel = Panel.from_frame(
        extract.frame, area="area", period="period", counts=["homicide", "violence_with_injury"], ledger=extract.ledger
    )
    assert panel.ledger.has("missing_value")


def test_offences_are_found_whatever_their_case(tmp_path):
    path = _write(tmp_path, BOROUGH.replace("VIOLENCE WITH INJURY", "Violence with Injury"))
    extract = mps_borough(path, offences="VIOLENCE_WITH_INJURY")
    assert list(extract.frame.columns) == ["area", "period", "violence_with_injury"]
    with pytest.raises(DataError) as caught:
        mps_borough(path, offences=["violence wth injury", "HOMICIDES"])
    assert "Did you mean 'Violence with Injury'?" in str(caught.value)
    assert "Did you mean 'HOMICIDE'?" in str(caught.value)


def test_a_file_before_the_break_has_no_note_of_it(tmp_path):
    path = _write(tmp_path, BOROUGH.replace("2024-01", "2022-01").replace("2024-02", "2022-02"))
    assert not mps_borough(path).ledger.has("recording_break")


def test_everything_wrong_with_a_long_file_at_once(tmp_path):
    text = (
        BOROUGH + "HOMICIDE,Camden,2024-02,3\nHOMICIDE,Sutton,2024-13,1\nHOMICIDE,Sutton,2024,-1\nHOMICIDE,,2024-02,c\n"
    )
    text += "HOMICIDE,Sutton,2024-02,many\n"
    with pytest.raises(DataError) as caught:
        mps_borough(_write(tmp_path, text))
    found = {p.rule for p in caught.value.problems}
    assert found == {"duplicate_area_period", "period_unreadable", "negative_count", "key_blank", "text_count"}
    assert "line 9" in str(next(p for p in caught.value.problems if p.rule == "duplicate_area_period"))
    assert "line 13" in str(next(p for p in caught.value.problems if p.rule == "text_count"))


def test_another_file_is_told(tmp_path):
    with pytest.raises(DataError, match="not in this layout") as caught:
        mps_borough(_write(tmp_path, WARD))
    assert {p.rule for p in caught.value.problems} == {"unknown_column"}


def test_wards_wide(tmp_path):
    path = _write(tmp_path, WARD, "london_ward_robbery_personal_monthly.csv")
    extract = mps_ward(path)
    assert list(extract.frame.columns) == ["area", "period", "name", "parent", "robbery_personal"]
    np.testing.assert_array_equal(_cells(extract, "robbery_personal").to_numpy(), [[12, 34, np.nan], [19, 24, 25]])
    assert extract.ledger.has("aviation_security")
    assert extract.ledger.has("recording_break")


def test_several_ward_files_side_by_side(tmp_path):
    path = _write(tmp_path, WARD)
    other = WARD.replace("2023-12,2024-01,2024-02", "2024-01,2024-02,2024-03")
    _write(tmp_path, other, "b.csv")
    extract = mps_ward(path, outcome="violence", others={"robbery": "b.csv"})
    cells = _cells(extract, "robbery")
    assert cells.shape == (2, 4)
    assert cells["2023-12"].isna().all()
    assert extract.frame["name"].notna().all()
    _write(tmp_path, other.replace("E05009317", "E05009318"), "c.csv")
    with pytest.raises(DataError) as caught:
        mps_ward(path, outcome="violence", others={"robbery": "c.csv"})
    assert "it lacks wards: 'E05009317'" in str(caught.value)
    assert "it alone has wards: 'E05009318'" in str(caught.value)
    with pytest.raises(DataError, match="would both give the column 'x'"):
        mps_ward(path, outcome="x", others={"x": "b.csv"})


def test_everything_wrong_with_a_wide_file_at_once(tmp_path):
    text = WARD + "E05009317,Bethnal Green,Tower Hamlets,-1,c,3\n"
    with pytest.raises(DataError) as caught:
        mps_ward(_write(tmp_path, text))
    assert {p.rule for p in caught.value.problems} == {"duplicate_area_period", "negative_count", "text_count"}
    with pytest.raises(DataError) as caught:
        mps_ward(_write(tmp_path, WARD.replace("2024-01", "total").replace("2024-02", "202312")))
    assert {p.rule for p in caught.value.problems} == {"unknown_column", "column_twice"}
    with pytest.raises(DataError, match="no column names a month"):
        mps_ward(_write(tmp_path, "wardcode,wardname,borough\nE05009317,Bethnal Green,Tower Hamlets\n"))


def test_the_datastores_own_header(tmp_path):
    text = WARD.replace("wardcode,wardname,borough", "WardCode,WardName,LookUp_BoroughName").replace("2024-", "2024")
    assert mps_ward(_write(tmp_path, text)).frame["area"].nunique() == 2


def test_knife_crime_by_borough(tmp_path):
    extract = mps_knife_borough(_write(tmp_path, KNIFE_BOROUGH))
    columns = ["knife_crime", "knife_crime_with_injury", "knife_injury_victims_non_da_1_24"]
    assert list(extract.frame.columns) == ["area", "period", "name", *columns]
    camden = extract.frame[extract.frame["area"] == "E09000007"]
    assert camden[columns].to_numpy().tolist() == [[22, 4, 2], [40, 8, 3]]
    # Barnet has no row of victims: missing, not zero
    assert extract.frame.loc[extract.frame["area"] == "E09000003", columns[2]].isna().all()
    with pytest.raises(DataError, match="there is no measure 'gun crime'"):
        mps_knife_borough(_write(tmp_path, KNIFE_BOROUGH), measures="gun crime")


def test_knife_crime_by_ward(tmp_path):
    extract = mps_knife_ward(_write(tmp_path, KNIFE_WARD), measures=["knife crime"])
    assert list(extract.frame.columns) == ["area", "period", "name", "parent", "knife_crime"]
    assert extract.frame["knife_crime"].tolist() == [4, 2]


@pytest.mark.parametrize("drift", [("Offence Group", "Crime Type"), ("Offence Subgroup", "Crime Subtype")])
def test_the_dashboard(tmp_path, drift):
    path = _write(tmp_path, DASHBOARD.replace(*drift))
    extract = mps_dashboard(path)
    assert set(extract.frame["area"]) == {"E09000007", "E09000003"}
    assert extract.frame["period"].astype(str).unique().tolist() == ["2024-04", "2024-05"]
    injury = _cells(extract, "violence_with_injury")
    np.testing.assert_array_equal(injury.to_numpy(), [[70, np.nan], [50, 60]])
    zero = mps_dashboard(path, absent="zero")
    np.testing.assert_array_equal(_cells(zero, "violence_with_injury").to_numpy(), [[70, 0], [50, 60]])
    assert [(e.action, e.rows) for e in zero.ledger if e.rule == "absent_is_zero"] == [("altered", 3)]
    groups = mps_dashboard(path, level="group")
    np.testing.assert_array_equal(_cells(groups, "violence").to_numpy(), [[70, 2], [51, 60]])


def test_the_dashboards_months_in_the_american_order(tmp_path):
    text = DASHBOARD.replace("01/04/2024,B", "04/01/2024,B").replace("01/05/2024", "05/01/2024")
    text = text.replace("01/04/2024,W", "04/01/2024,W")
    months = mps_dashboard(_write(tmp_path, text)).frame["period"].astype(str).unique().tolist()
    assert months == ["2024-04", "2024-05"]
    with pytest.raises(DataError, match="line 2: '02/04/2024' is not the first day of a month"):
        mps_dashboard(_write(tmp_path, DASHBOARD.replace("01/04/2024", "02/04/2024")))


def test_the_dashboards_words_are_checked(tmp_path):
    path = _write(tmp_path, DASHBOARD)
    with pytest.raises(DataError, match=r"there is no area type 'Boroughs'. Did you mean 'Borough'"):
        mps_dashboard(path, area_type="Boroughs")
    with pytest.raises(DataError, match=r"there is no measure 'Offence'. Did you mean 'Offences'"):
        mps_dashboard(path, measure="Offence")


@REAL
def test_the_real_files():
    folder = Path(os.environ["SVMODEL_REAL_DATA"])
    file = folder / "london_borough_violence_monthly.csv"
    boroughs = mps_borough(file)
    assert boroughs.frame["area"].nunique() == 32
    assert boroughs.frame["period"].nunique() == 191
    raw = pd.read_csv(file).groupby("offence")["count"].sum()
    assert boroughs.frame["violence_with_injury"].sum() == raw["VIOLENCE WITH INJURY"]
    assert boroughs.frame["homicide"].sum() == raw["HOMICIDE"]
    wards = mps_ward(
        folder / "london_ward_violence_with_injury_monthly.csv",
        others={"pow": "london_ward_weapons_possession_monthly.csv"},
    )
    assert wards.frame["area"].nunique() == 679
    assert wards.frame["period"].nunique() == 191
    wide = pd.read_csv(folder / "london_ward_violence_with_injury_monthly.csv")
    assert wards.frame["violence_with_injury"].sum() == wide.iloc[:, 3:].to_numpy().sum()
    # 2 and 58 per cent of zeros, as the publisher's note on these files says
    assert round((wards.frame["violence_with_injury"] == 0).mean(), 2) == 0.02
    assert round((wards.frame["pow"] == 0).mean(), 2) == 0.58
    knife = mps_knife_borough(folder / "london_knife_crime_borough_monthly.csv")
    assert (knife.frame["area"].nunique(), knife.frame["period"].nunique()) == (32, 48)
    wards = mps_knife_ward(folder / "london_knife_crime_ward_monthly.csv")
    assert (wards.frame["area"].nunique(), wards.frame["period"].nunique()) == (679, 48)
    assert wards.frame["knife_crime"].sum() < knife.frame["knife_crime"].sum()
