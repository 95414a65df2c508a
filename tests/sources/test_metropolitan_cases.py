"""The Metropolitan Police's files as published: three generations of headers, left-out rows, blank codes, overlaps."""

import openpyxl
import pandas as pd
import pytest
from cases import case, rules

from svmodel import Panel
from svmodel.errors import DataError
from svmodel.sources import LAYOUTS, detect_layout
from svmodel.sources.metropolitan_police import mps_borough, mps_dashboard, mps_lsoa, mps_ward

INJURY = "violence_with_injury"
BOROUGH = """MajorText,MinorText,LookUp_BoroughName,202401,202402,202403
Burglary,Burglary - Residential,Camden,4,5,6
Violence Against the Person,Violence with Injury,Camden,7,8,9
Violence Against the Person,Violence with Injury,Barnet,1,2,3
Violence Against the Person,Violence with Injury,Unknown,5,0,0
Violence Against the Person,Violence with Injury,Aviation Security (SO18),1,0,1
Violence Against the Person,Violence with Injury,London Heathrow and London City Airports,0,0,2
"""
#: The three generations, as headers of the same rows.
HEADERS = [
    "MajorText,MinorText,LookUp_BoroughName,",
    "MajorText,MinorText,BoroughName,",
    "Group,SubGroup,BOCU,",
]


def _write(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def _as_workbook(tmp_path, text, title=True):
    book = openpyxl.Workbook()
    for i, line in enumerate(text.splitlines()):
        if title and not i:
            book.active.append(["MPS recorded crime"])
            book.active.append([])
        book.active.append([int(c) if c.isdigit() and len(c) < 6 else c or None for c in line.split(",")])
    path = tmp_path / "a.xlsx"
    book.save(path)
    return path


def _cells(extract, column=INJURY):
    return extract.frame.set_index(["area", "period"])[column].unstack()  # noqa: PD010


def _entries(extract, rule):
    return [e for e in extract.ledger if e.rule == rule]


# -- recorded crime, a month a column -----------------------------------------------------------------------------


def test_boroughs_of_2020():
    path = case("mps_borough_level_crime_2020.csv")
    assert detect_layout(path) == "mps_borough"
    extract = mps_borough(path)
    assert extract.frame[INJURY].sum() == 1387
    assert _cells(extract).loc["Camden", "2020-01"] == 175
    assert "London Heathrow and London City Airports" in set(extract.frame["area"])
    assert _entries(extract, "aviation_security")
    # Sutton had no homicide in the publisher's window, so its row was left out
    assert _cells(extract, "homicide").loc["Sutton"].tolist() == [0] * 5
    assert _entries(extract, "absent_is_zero")[0].rows == 10
    assert _cells(mps_borough(path, absent="missing"), "homicide").loc["Sutton"].isna().all()
    Panel.from_frame(extract.frame, area="area", period="period", counts=[INJURY], ledger=extract.ledger)


def test_wards_of_lewisham():
    path = case("mps_ward_level_crime_lewisham.csv")
    assert detect_layout(path) == "mps_ward"
    extract = mps_ward(path)
    assert _cells(extract)["2024-02"].tolist() == [13, 15, 11, 15, 1]
    assert _cells(extract, "arson")["2024-02"].tolist() == [1, 0, 0, 0, 0]
    assert set(extract.frame["parent"]) == {"Lewisham"}
    assert "Bellingham" in set(extract.frame["name"])
    with pytest.raises(DataError, match="takes offences="):
        mps_ward(path, outcome="violence")


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_three_generations_of_headers(tmp_path, header, kind):
    text = BOROUGH.replace(HEADERS[0], header)
    if header.startswith("Group"):
        text = text.upper().replace(header.upper(), header)
    path = _write(tmp_path, text) if kind == "csv" else _as_workbook(tmp_path, text)
    assert detect_layout(path) == "mps_borough"
    extract = mps_borough(path, offences="violence with injury")
    cells = _cells(extract)
    assert cells.loc[[a for a in cells.index if a.casefold() == "camden"]].to_numpy().tolist() == [[7, 8, 9]]
    assert len(cells) == 4
    (dropped,) = _entries(extract, "area_unknown")
    assert (dropped.action, dropped.rows) == ("dropped", 1)
    assert "5 offences" in dropped.reason
    assert _entries(extract, "recording_break")
    assert LAYOUTS["mps_borough"](path).frame["period"].nunique() == 3


@pytest.mark.parametrize(
    "header",
    [
        "LSOA Code,LSOA Name,Borough,Major Category,Minor Category",
        "lsoa_code,lsoa_name,borough,major_category,minor_category",
    ],
)
def test_lsoas(tmp_path, header):
    rows = "E01000852,Camden 007A,E09000007,THEFT,SHOPLIFTING,3,4\n"
    rows += "E01000853,Camden 007B,E09000007,THEFT,BICYCLE THEFT,0,1\n"
    path = _write(tmp_path, f"{header},202402,202403\n{rows},,E09000007,THEFT,SHOPLIFTING,9,9\n")
    assert detect_layout(path) == "mps_lsoa"
    extract = mps_lsoa(path)
    assert _cells(extract, "shoplifting").to_numpy().tolist() == [[3, 4], [0, 0]]
    assert set(extract.frame["parent"]) == {"E09000007"}
    assert _entries(extract, "area_unknown")[0].rows == 1


def test_wards_with_their_code_first_and_blanks_behind_it(tmp_path):
    text = "WardName,WardCode,LookUp_BoroughName,MajorText,MinorText,201004,201005\n"
    text += "Bellingham,E05013714 ,Lewisham,Robbery,Robbery of Personal Property,1,2\n"
    text += "Bellingham,E05013714,Lewisham,Burglary,Burglary Business and Community,3,4\n"
    extract = mps_ward(_write(tmp_path, text))
    assert extract.frame["area"].unique().tolist() == ["E05013714"]
    assert extract.frame["robbery_of_personal_property"].tolist() == [1, 2]


def test_one_offence_in_two_groups_and_in_two_spellings(tmp_path):
    text = "MajorText,MinorText,BoroughName,202404,202405\n"
    text += "Burglary,Other,Camden,1,2\nTheft,Other,Camden,3,4\n"
    text += '"PUBLIC ORDER",PUBLIC FEAR ALARM OR DISTRESS,Camden,5,0\n'
    text += 'PUBLIC ORDER,"PUBLIC FEAR, ALARM OR DISTRESS",Camden,0,6\n'
    extract = mps_borough(_write(tmp_path, text))
    assert extract.frame["burglary_other"].tolist() == [1, 2]
    assert extract.frame["theft_other"].tolist() == [3, 4]
    assert extract.frame["public_fear_alarm_or_distress"].tolist() == [5, 6]
    assert _entries(extract, "label_harmonised")


def test_everything_wrong_with_a_published_file_at_once(tmp_path):
    text = BOROUGH + "Violence Against the Person,Violence with Injury,Camden,-1,x,3\n,,Barnet,1,1,1\n"
    with pytest.raises(DataError) as caught:
        mps_borough(_write(tmp_path, text))
    assert rules(caught) == {"duplicate_area_period", "negative_count", "text_count", "key_blank"}
    with pytest.raises(DataError, match="Did you mean 'Violence with Injury'"):
        mps_borough(_write(tmp_path, BOROUGH), offences="violence with injry")


def test_the_older_long_file(tmp_path):
    text = ",X,Month,CrimeType ,CrimeDetails,CrimeCount,Borough\n"
    text += "1,1,201104,Burglary,Burglary In A Dwelling,139,Barking and Dagenham\n"
    text += "2,2,201105,Burglary,Burglary In A Dwelling,99,Barking and Dagenham\n"
    text += "3,3,201112,Robbery,Personal Property,7,Barking and Dagenham\n"
    path = _write(tmp_path, text)
    assert detect_layout(path) == "mps_borough"
    extract = mps_borough(path)
    assert extract.frame["burglary_in_a_dwelling"].dropna().tolist() == [139, 99]
    assert extract.frame["period"].astype(str).tolist() == ["2011-04", "2011-05", "2011-12"]


# -- the dashboard ------------------------------------------------------------------------------------------------


def test_boroughs_of_the_dashboard_without_a_code():
    extract = mps_dashboard(case("mps_dashboard_knife.csv"))
    cells = _cells(extract, "knife_crime")
    assert cells.loc["E09000007"].tolist() == [49, 37, 44]
    assert cells.loc["E09000029"].tolist() == [16, 21, 15]
    assert len(cells) == 2
    (dropped,) = _entries(extract, "area_unknown")
    assert "83 knife_crime" in dropped.reason
    assert "Other / NK" in dropped.reason


def test_wards_of_the_dashboard_with_blanks_behind_their_codes():
    extract = mps_dashboard(case("mps_dashboard_knife.csv"), area_type="Safer Neighbourhood Teams")
    cells = _cells(extract, "knife_crime")
    assert len(cells) == 3
    assert cells.loc["E05013653"].tolist() == [5, 5, 1]


def test_overlapping_subgroups_are_never_added_up(tmp_path):
    path = case("mps_dashboard_knife.csv")
    extract = mps_dashboard(path, level="group")
    assert _cells(extract, "knife_crime").loc["E09000007"].tolist() == [49, 37, 44]
    assert _entries(extract, "overlapping_subgroups")
    text = path.read_text().replace("Knife Crime,Knife Crime,", "Hate Crime,Racist Hate Crime,")
    text = text.replace("Knife Crime,Knife Crime with Injury,", "Hate Crime,Religious Hate Crime,")
    with pytest.raises(DataError, match="overlap and cannot be added up") as caught:
        mps_dashboard(_write(tmp_path, text), level="group")
    assert rules(caught) == {"overlapping_subgroups"}
    assert "racist_hate_crime" in mps_dashboard(_write(tmp_path, text)).frame


def test_the_dashboards_workbook_and_codes_that_are_none(tmp_path):
    text = case("mps_dashboard_knife.csv").read_text()
    book = openpyxl.Workbook()
    for i, line in enumerate(text.splitlines()):
        row = [c or None for c in line.split(",")]
        if i:
            row[0], row[10] = pd.Timestamp(row[0]).to_pydatetime(), int(row[10])
        book.active.append(row)
    book.active.append([pd.Timestamp("2024-01-01").to_pydatetime(), "Borough", "NON ATHENA FORCE", "x", "NK", *row[5:]])
    path = tmp_path / "M1045_MonthlyCrimeDashboard_OtherCrimeData.xlsx"
    book.save(path)
    assert detect_layout(path) == "mps_dashboard"
    cells = _cells(mps_dashboard(path), "knife_crime")
    assert cells.loc["E09000007"].tolist() == [49, 37, 44]
    assert len(cells) == 2
