"""Files that are known and are not the data of a study: one line that says what they are for."""

import pandas as pd
import pytest
from cases import case
from spreadsheets import write_xlsx

from svmodel.errors import DataError
from svmodel.report import describe
from svmodel.sources import detect_layout
from svmodel.sources.police_uk import police_uk
from svmodel.sources.purposes import OtherPurposeError

OUTCOMES = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Outcome type",
    "street files beside it",
)
SEARCH = (
    (
        "Type,Date,Part of a policing operation,Policing operation,Latitude,Longitude,Gender,Age range,Self-defined "
        "ethnicity,Officer-defined ethnicity,Legislation,Object of search,Outcome"
    ),
    "stop and search",
)
DEPRIVATION = "LSOA code (2011),LSOA name (2011),Index of Multiple Deprivation (IMD) Rank,Decile"
IMD = (DEPRIVATION, "`joins`")


def _told(path):
    with pytest.raises(OtherPurposeError) as caught:
        detect_layout(path)
    said = str(caught.value)
    assert "\n" not in said
    assert "--" not in said
    with pytest.raises(DataError) as caught:
        describe.describe_data(path)
    assert str(caught.value) == said
    return said


def test_a_single_street_file_names_its_folder():
    path = case("police_uk_2021_only") / "2024-01" / "2024-01-merseyside-street.csv"
    said = _told(path)
    with pytest.raises(OtherPurposeError, match="reads its folder"):
        police_uk(path)
    assert "street file of data.police.uk" in said
    assert "police_uk reads its folder" in said
    assert said.endswith("police_uk_2021_only.")


@pytest.mark.parametrize(
    ("header", "use"),
    [
        OUTCOMES,
        SEARCH,
        IMD,
        ("LSOA11CD,LSOA11NM,LSOA21CD,LSOA21NM,CHGIND,LAD22CD,LAD22NM,LAD22NMW,ObjectId", "`lookup`"),
        ("F_LSOA11CD,LSOA11CD,LSOA21CD", "LsoaLookup"),
        ("LAD23CD,LAD23NM,CSP23CD,CSP23NM,PFA23CD,PFA23NM,ObjectId", "AreaLookup"),
        ("LAD24CD,LAD24NM,CSP24CD,CSP24NM,PFA24CD,PFA24NM", "AreaLookup"),
        ("FID,LAD19CD,LAD19NM,RGN19CD,RGN19NM", "`joins`"),
        ("area_code,area_name,geography,year,population", "`population`"),
    ],
)
def test_files_that_serve_elsewhere(tmp_path, header, use):
    path = tmp_path / "a.csv"
    path.write_text("﻿" + header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert use in _told(path)


@pytest.mark.parametrize("sheet", ["MYE2 - Persons", "MYE4", "MYE 5"])
def test_the_mid_year_workbook(tmp_path, sheet):
    rows = [["title"], ["Code", "Name", "Geography", "All ages", 0], ["E08000012", "Liverpool", "x", 5, 1]]
    path = write_xlsx(tmp_path / "mye.xlsx", {"Contents": [["x"]], sheet: rows})
    assert "`population`" in _told(path)


def test_a_nomis_download():
    said = _told(case("nomis_population_age.xlsx"))
    assert "Nomis" in said
    assert "`population`" in said


def test_the_index_of_deprivation_as_a_workbook(tmp_path):
    path = write_xlsx(tmp_path / "imd.xlsx", {"Notes": [["x"]], "IMD2019": [IMD[0].split(","), ["E01000001", "x"]]})
    assert "`joins`" in _told(path)


def test_data_stays_data(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame({"LSOA21CD": ["E01000001"], "month": ["2024-01"], "n": [1]}).to_csv(path, index=False)
    assert detect_layout(path) == "tidy"
    path.write_text("area_code,area_name,geography,year,population,robbery\nE08000012,Liverpool,x,2020,2,3\n")
    assert detect_layout(path) == "tidy"
    path.write_text("LSOA11CD,LSOA21CD,month,robbery\nE01000001,E01000001,2024-01,3\n")
    assert detect_layout(path) == "tidy"
