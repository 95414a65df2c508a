import os
from pathlib import Path

import pandas as pd
import pytest
from spreadsheets import write_xlsx

from svmodel.errors import DataError
from svmodel.sources.ons import AreaLookup, mid_year_population, population_at

REAL = pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")

TITLE = [
    ["Population estimates for the UK and constituent countries, Mid-2023"],
    ["This worksheet contains one table."],
]
TITLE += [[None], ["Source: Office for National Statistics"], ["x"], ["y"], ["z"]]
AREAS = [["E08000011", "Knowsley", "Metropolitan District"], ["E08000012", "Liverpool", "Metropolitan District"]]
MYE4 = [*TITLE, ["Code", "Name", "Geography", "Mid-2023", "Mid-2022"], [*AREAS[0], 160, 150], [*AREAS[1], 500, 490]]
MYE5 = [
    *TITLE,
    ["Code", "Name", "Geography", "Area (sq km)", "Estimated Population  mid-2023", "2023 people per sq. km"],
    [*AREAS[0], 86.5, 160, 2],
]
MYE2 = [*TITLE, ["Code", "Name", "Geography", "All ages", 0, 1, "90+"], [*AREAS[0], 160, 1, 2, 3]]
LOOKUP = """﻿LAD23CD,LAD23NM,CSP23CD,CSP23NM,PFA23CD,PFA23NM,ObjectId
E07000112,Folkestone and Hythe,E22000145,Shepway,E23000032,Kent,89
E07000043,North Devon,E22000363,North Devon,E23000035,Devon & Cornwall,149
E07000046,Torridge,E22000363,North Devon,E23000035,Devon & Cornwall,152
E09000001,City of London,E22000180,City of London,E23000034,"London, City of",330
E06000060,Buckinghamshire,E22000001,Aylesbury Vale,E23000029,Thames Valley,331
E06000060,Buckinghamshire,E22000002,Chiltern,E23000029,Thames Valley,332
"""


def _values(extract):
    return extract.frame.set_index(["area", "year"])["population"].to_dict()


def test_the_workbooks_header_is_found_wherever_it_stands(tmp_path):
    for skip in (0, 3, 7):
        path = write_xlsx(tmp_path / f"{skip}.xlsx", {"Contents": [["MYE4"]], "MYE4": [*MYE4[skip:], ["Footnote"]]})
        assert _values(mid_year_population(path)) == {
            ("E08000011", 2022): 150,
            ("E08000011", 2023): 160,
            ("E08000012", 2022): 490,
            ("E08000012", 2023): 500,
        }


def test_the_other_sheets(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", {"MYE2 - Persons": MYE2, "MYE5": MYE5})
    assert _values(mid_year_population(path)) == {("E08000011", 2023): 160}
    assert _values(mid_year_population(path, sheet="mye2 - persons")) == {("E08000011", 2023): 160}
    with pytest.raises(DataError, match="has no sheet MYE9"):
        mid_year_population(path, sheet="MYE9")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["a"], ["b"]], "none of the first rows is a header"),
        ([["Code", "Name", "Geography", "Total"], [*AREAS[0], 1]], "no column holds a population"),
        (MYE4[:8], "a header and no row"),
        ([*MYE4, [*AREAS[0], 1, 2]], "2 area-years stand more than once"),
        ([*MYE4, ["E08000013", "St Helens", "Metropolitan District", "c", -5]], "text, not numbers"),
    ],
)
def test_workbooks_that_cannot_be_used(tmp_path, rows, says):
    path = write_xlsx(tmp_path / "a.xlsx", {"MYE4": rows})
    with pytest.raises(DataError, match=says):
        mid_year_population(path)


def test_the_tidy_file(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "area_code,area_name,geography,year,population\nE08000011,Knowsley,Metropolitan District,2023,160\n"
    )
    assert _values(mid_year_population(path)) == {("E08000011", 2023): 160}
    path.write_text("area_code,area_name,geography,year,population\nE08000011,Knowsley,Metropolitan District,mid,160\n")
    with pytest.raises(DataError, match="line 2: 'mid' is no year"):
        mid_year_population(path)
    path.write_text("area_code,area_name,geography,year,population\nKnowsley,Knowsley,Metropolitan District,2023,1\n")
    with pytest.raises(DataError, match="'Knowsley' are no area codes"):
        mid_year_population(path)


def test_population_in_months(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", {"MYE4": MYE4})
    population = mid_year_population(path)
    areas = pd.Series(["E08000011", "E08000011", "E08000012"], index=[5, 6, 7])
    values, ledger = population_at(population, areas, pd.PeriodIndex(["2022-07", "2024-03", "2023-06"], freq="M"))
    # 150 + 10 x 0.5 / 12 in the middle of July 2022; mid-2023 held in March 2024; half a month before mid-2023
    assert values.tolist() == pytest.approx([150 + 10 / 24, 160, 500 - 10 / 24])
    assert values.index.tolist() == [5, 6, 7]
    assert [(e.rule, e.rows) for e in ledger] == [("population_held", 1)]
    with pytest.raises(DataError, match="'E08000013' is not in it"):
        population_at(population, pd.Series(["E08000013"]), pd.PeriodIndex(["2022-07"], freq="M"))


@pytest.fixture
def lookup(tmp_path):
    path = tmp_path / "lookup.csv"
    path.write_text(LOOKUP)
    return AreaLookup.read(path)


def test_names_of_the_home_office_and_of_the_ons(lookup):
    names = ["Folkestone and Hythe", "Shepway", "London, City of", "Northern Devon", "NORTH DEVON"]
    codes, problems = lookup.codes(names)
    assert not problems
    assert list(codes.values()) == ["E22000145", "E22000145", "E22000180", "E22000363", "E22000363"]
    codes, problems = lookup.codes(["Devon and Cornwall", "City of London", "Knet"], level="pfa")
    assert codes == {"Devon and Cornwall": "E23000035", "City of London": "E23000034"}
    assert [str(p) for p in problems] == ["the lookup has no PFA 'Knet'. Did you mean 'Kent'?"]
    with pytest.raises(DataError, match="lad, csp or pfa"):
        lookup.codes([], level="ward")


def test_many_to_many_is_reported(lookup):
    reasons = [e.reason for e in lookup.ledger if e.rule == "many_to_many"]
    assert len(reasons) == 2
    assert "partnerships hold several districts: 'North Devon'" in reasons[0]
    assert "districts lie in several partnerships: 'Buckinghamshire'" in reasons[1]


def test_lookups_that_cannot_be_used(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(LOOKUP.replace("CSP23CD", "CSP23XX"))
    with pytest.raises(DataError, match="there is no column CSPyyCD"):
        AreaLookup.read(path)
    path.write_text(LOOKUP.replace("E22000145", "E08000145"))
    with pytest.raises(DataError, match="line 2, column CSPyyCD: 'E08000145' are no codes"):
        AreaLookup.read(path)


@REAL
def test_the_real_population_and_lookup():
    folder = Path(os.environ["SVMODEL_REAL_DATA"])
    population = _values(mid_year_population(folder / "population_mid_year_2011_2023.csv"))
    assert population["K04000001", 2023] == 60_854_727
    lookup = AreaLookup.read(folder / "lad23_csp23_pfa23_lookup.csv")
    merseyside = lookup.frame[lookup.frame["pfa_name"] == "Merseyside"]
    assert set(merseyside["pfa_code"]) == {"E23000004"}
    assert dict(zip(merseyside["lad_code"], merseyside["csp_code"], strict=True)) == {
        "E08000011": "E22000181",
        "E08000012": "E22000182",
        "E08000013": "E22000184",
        "E08000014": "E22000183",
        "E08000015": "E22000185",
    }
    assert lookup.codes(["Folkestone and Hythe"])[0] == {"Folkestone and Hythe": "E22000145"}
    assert lookup.ledger.has("many_to_many")


def test_the_sheet_of_2020_is_spelt_with_a_blank(tmp_path):
    rows = [["MYE 5: estimates"], [], ["Code", "Name", "Geography", "Estimated Population mid-2020"]]
    rows.append(["E08000012", "Liverpool", "Metropolitan District", 500474])
    path = write_xlsx(tmp_path / "mid2020.xlsx", {"Contents": [["x"]], "MYE 5": rows})
    assert mid_year_population(path).frame["population"].tolist() == [500474]
    assert mid_year_population(path, sheet="mye5").frame["year"].tolist() == [2020]
