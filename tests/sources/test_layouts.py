import inspect
import os
from pathlib import Path

import pandas as pd
import pytest
from spreadsheets import write_ods, write_xlsx

from svmodel.errors import DataError
from svmodel.ledger import Extract
from svmodel.sources import LAYOUTS, detect_layout

HEADERS = {
    "tidy": "lsoa,month,n",
    "mps_borough": "offence,borough,month,count",
    "mps_ward": "wardcode,wardname,borough,2024-01",
    "mps_knife_borough": "crime_subtype,borough_snt,area_name,area_code,2024-01",
    "mps_knife_ward": "wardcode,crime_subtype,ward,borough,2024-01",
    "mps_dashboard": "Month_Year,Area Type,Borough_SNT,Area name,Area code,Offence Group,Count",
    "home_office_csp": "Financial Year,Financial Quarter,Force Name,CSP Name,Offence Count",
    "home_office_force": "Financial Year,Financial Quarter,Police Force,Number of Offences",
}


@pytest.mark.parametrize("layout", HEADERS)
def test_a_csv_is_told_by_its_header(tmp_path, layout):
    path = tmp_path / "a.csv"
    path.write_text(HEADERS[layout] + "\n" + ",".join("1" * len(HEADERS[layout].split(","))) + "\n")
    assert detect_layout(path) == layout


@pytest.mark.parametrize("layout", ["home_office_csp", "home_office_force"])
def test_a_workbook_is_told_by_its_first_table(tmp_path, layout):
    sheets = {"Notes": [["note"]] * 60, "2023_24": [["title"], [], HEADERS[layout].split(","), [1]]}
    assert detect_layout(write_xlsx(tmp_path / "a.xlsx", sheets)) == layout
    assert detect_layout(write_ods(tmp_path / "a.ods", sheets)) == layout
    assert detect_layout(write_xlsx(tmp_path / "b.xlsx", {"Cover": [["x"]]})) is None


def test_folders_and_files_of_no_layout(tmp_path):
    assert detect_layout(tmp_path) is None
    file = tmp_path / "2024-01" / "2024-01-merseyside-street.csv"
    file.parent.mkdir()
    file.write_text("x\n")
    assert detect_layout(tmp_path) == "police_uk"
    assert detect_layout(file) is None
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    assert detect_layout(tmp_path / "a.parquet") == "tidy"
    with pytest.raises(DataError, match="there is no file"):
        detect_layout(tmp_path / "none.csv")


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_reader_has_a_docstring_and_options(name):
    reader = LAYOUTS[name]
    parameters = list(inspect.signature(reader).parameters.values())
    assert parameters[0].name == "path"
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[1:])
    assert "Returns" in (reader.__doc__ or "")


def test_the_tidy_reader(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("lsoa,month,n,la,called\nA,2024-01,3,X,Ay\nB,2024-01,,X,Bee\n")
    extract = LAYOUTS["tidy"](path, area="lsoa", period="month", counts=["n"], parent="la", name="called")
    assert isinstance(extract, Extract)
    assert list(extract.frame.columns) == ["area", "period", "n", "parent", "name"]
    assert extract.frame["n"].isna().tolist() == [False, True]
    assert extract.ledger.has("missing_value")


@pytest.mark.skipif("SVMODEL_REAL_DATA" not in os.environ, reason="SVMODEL_REAL_DATA is not set")
def test_the_real_files():
    folder = Path(os.environ["SVMODEL_REAL_DATA"])
    served = {"lad23_csp23_pfa23_lookup.csv": "AreaLookup", "population_mid_year_2011_2023.csv": "`population`"}
    found = {p.name: detect_layout(p) for p in folder.glob("*.csv") if p.name not in served}
    assert found["merseyside_lsoa_monthly.csv"] == "tidy"
    assert found["london_borough_violence_monthly.csv"] == "mps_borough"
    assert found["london_ward_robbery_personal_monthly.csv"] == "mps_ward"
    assert found["london_knife_crime_borough_monthly.csv"] == "mps_knife_borough"
    assert found["london_knife_crime_ward_monthly.csv"] == "mps_knife_ward"
    for name, use in served.items():
        with pytest.raises(DataError, match=use) as caught:
            detect_layout(folder / name)
        assert "\n" not in str(caught.value)
